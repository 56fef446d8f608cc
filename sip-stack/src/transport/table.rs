//! The open stream connections by id, by peer and by peer's IP address.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Limits;
use crate::flow::{Flow, Transport};
use crate::guard::source_of;

/// The connections there are.
#[derive(Debug, Default)]
pub(super) struct Table {
    by_id: HashMap<u64, Entry>,
    by_remote: HashMap<(Transport, SocketAddr), u64>,
    /// By IPv4 address, or IPv6 network of 64 bits.
    per_address: HashMap<IpAddr, usize>,
    last_id: u64,
}

#[derive(Debug)]
struct Entry {
    flow: Flow,
    queue: QueueSender,
    /// The next response with this status is the last message: it answers what could not be read.
    ends_after: Option<u16>,
}

impl Table {
    /// Opens an entry; `None` when a ceiling is reached.
    pub(super) fn insert(&mut self, mut flow: Flow, limits: &Limits) -> Option<(Flow, Queue)> {
        let address = source_of(flow.remote.ip());
        let from_address = self.per_address.get(&address).copied().unwrap_or(0);
        if self.by_id.len() >= limits.connections || from_address >= limits.connections_per_address
        {
            return None;
        }
        self.last_id += 1;
        let id = self.last_id;
        flow.connection = Some(id);
        let (queue, receiver) = queue(limits);
        self.by_id.insert(id, Entry { flow, queue, ends_after: None });
        self.by_remote.insert((flow.transport, flow.remote), id);
        self.per_address.insert(address, from_address + 1);
        Some((flow, receiver))
    }

    /// Forgets a connection; its queue ends after what is in it.
    pub(super) fn remove(&mut self, id: u64) {
        let Some(entry) = self.by_id.remove(&id) else { return };
        let remote = (entry.flow.transport, entry.flow.remote);
        if self.by_remote.get(&remote) == Some(&id) {
            self.by_remote.remove(&remote);
        }
        let address = source_of(entry.flow.remote.ip());
        if let Some(count) = self.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
    }

    /// Queues a message for the connection a flow names, or for one to the same peer if it names
    /// none; `None` when there is no such connection, false when its queue is full.
    pub(super) fn put(&mut self, flow: &Flow, message: Bytes) -> Option<bool> {
        let id = self.id(flow)?;
        let entry = self.by_id.get(&id)?;
        let is_last = entry.ends_after.is_some_and(|status| has_status(&message, status));
        let is_queued = entry.queue.try_put(message);
        if is_last {
            self.remove(id);
        }
        Some(is_queued)
    }

    /// Makes the next response with this status the last message: what answers earlier requests
    /// goes before it.
    pub(super) fn end_after(&mut self, id: u64, status: u16) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.ends_after = Some(status);
        }
    }

    /// The connection a flow names, or one to the same peer if it names none.
    pub(super) fn id(&self, flow: &Flow) -> Option<u64> {
        flow.connection.or_else(|| self.by_remote.get(&(flow.transport, flow.remote)).copied())
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn clear(&mut self) {
        self.by_id.clear();
        self.by_remote.clear();
        self.per_address.clear();
    }
}

/// Whether a message is a response with this status.
fn has_status(message: &[u8], status: u16) -> bool {
    let digits = message.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.get(..3));
    let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()) == Some(status)
}

fn queue(limits: &Limits) -> (QueueSender, Queue) {
    let (sender, receiver) = mpsc::channel(limits.queued_messages.max(1));
    let bytes = Arc::new(AtomicUsize::new(0));
    let most = limits.queued_bytes;
    (QueueSender { sender, bytes: bytes.clone(), most }, Queue { receiver, bytes })
}

/// The end of a connection's write queue that messages are put into.
#[derive(Clone, Debug)]
pub(super) struct QueueSender {
    sender: mpsc::Sender<Bytes>,
    bytes: Arc<AtomicUsize>,
    most: usize,
}

impl QueueSender {
    /// Queues a message; false when the queue is full or the connection gone.
    pub(super) fn try_put(&self, message: Bytes) -> bool {
        let length = message.len();
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        let has_room = before.saturating_add(length) <= self.most;
        if has_room && self.sender.try_send(message).is_ok() {
            return true;
        }
        self.bytes.fetch_sub(length, Ordering::Relaxed);
        false
    }
}

/// The end of a connection's write queue that is written to the stream.
#[derive(Debug)]
pub(super) struct Queue {
    receiver: mpsc::Receiver<Bytes>,
    bytes: Arc<AtomicUsize>,
}

impl Queue {
    /// The next message; `None` when the connection is to be closed and all is written.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let message = self.receiver.recv().await?;
        self.bytes.fetch_sub(message.len(), Ordering::Relaxed);
        Some(message)
    }

    /// Whether something was queued and not taken out.
    pub(super) fn is_pending(&self) -> bool {
        !self.receiver.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(remote: &str) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
            connection: None,
        }
    }

    fn limits() -> Limits {
        Limits { connections: 3, connections_per_address: 2, ..Limits::default() }
    }

    #[test]
    fn ceilings_hold_in_all_and_per_address_and_are_given_back() {
        let mut table = Table::default();
        let (first, _keep1) = table.insert(flow("198.51.100.1:1"), &limits()).unwrap();
        let (_, _keep2) = table.insert(flow("198.51.100.1:2"), &limits()).unwrap();
        assert!(table.insert(flow("198.51.100.1:3"), &limits()).is_none());
        let (_, _keep3) = table.insert(flow("198.51.100.2:1"), &limits()).unwrap();
        assert!(table.insert(flow("198.51.100.3:1"), &limits()).is_none());
        table.remove(first.connection.unwrap());
        assert!(table.insert(flow("198.51.100.3:1"), &limits()).is_some());
        assert_eq!(table.len(), 3);
    }

    fn message() -> Bytes {
        Bytes::from_static(b"four")
    }

    #[test]
    fn a_connection_is_found_by_id_and_by_peer_until_it_is_removed() {
        let mut table = Table::default();
        let (named, _queue) = table.insert(flow("198.51.100.1:1"), &limits()).unwrap();
        assert_eq!(table.put(&named, message()), Some(true));
        assert_eq!(table.put(&flow("198.51.100.1:1"), message()), Some(true));
        assert_eq!(table.put(&flow("198.51.100.1:2"), message()), None);
        table.remove(named.connection.unwrap());
        assert_eq!(table.put(&named, message()), None);
        assert_eq!(table.put(&flow("198.51.100.1:1"), message()), None);
    }

    #[test]
    fn an_older_connection_does_not_take_the_newer_ones_peer_entry_along() {
        let mut table = Table::default();
        let (old, _old_queue) = table.insert(flow("198.51.100.1:1"), &limits()).unwrap();
        let (_, _new_queue) = table.insert(flow("198.51.100.1:1"), &limits()).unwrap();
        table.remove(old.connection.unwrap());
        assert_eq!(table.put(&flow("198.51.100.1:1"), message()), Some(true));
    }

    #[test]
    fn an_ending_connection_takes_what_was_owed_before_its_last_response() {
        let mut table = Table::default();
        let (named, _queue) = table.insert(flow("198.51.100.1:1"), &limits()).unwrap();
        table.end_after(named.connection.unwrap(), 400);
        for earlier in ["SIP/2.0 401 Unauthorized\r\n", "BYE sip:a SIP/2.0\r\n", "SIP/2.0 4"] {
            assert_eq!(table.put(&named, Bytes::from_static(earlier.as_bytes())), Some(true));
        }
        assert_eq!(table.put(&named, Bytes::from_static(b"SIP/2.0 400 Bad\r\n")), Some(true));
        assert_eq!(table.put(&named, message()), None);
    }

    #[test]
    fn the_queue_is_bounded_in_messages_and_in_octets() {
        let limits = Limits { queued_messages: 2, queued_bytes: 10, ..Limits::default() };
        let mut table = Table::default();
        let (named, _queue) = table.insert(flow("198.51.100.1:1"), &limits).unwrap();
        assert_eq!(table.put(&named, Bytes::from_static(b"eleven octe")), Some(false));
        assert_eq!(table.put(&named, message()), Some(true));
        assert_eq!(table.put(&named, message()), Some(true));
        assert_eq!(table.put(&named, Bytes::from_static(b"4")), Some(false));
    }
}
