//! The open `/tapi` connections and the bounded queue towards each of them.
//!
//! The exchange's thread puts text in and never waits; each connection's task takes it out. A
//! queue that is full closes its connection with 1013, and nobody else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use config::Token;
use dashmap::DashMap;
use tokio::sync::{mpsc, oneshot, watch};

use super::token::Tokens;
use crate::exchange::ConnectionId;

/// What a connection may have queued at most, whatever the number of messages (SEC-73): 4 MiB, and as much
/// for each half of what a resumption brings.
pub(super) const MAX_QUEUED_BYTES: usize = 12 * 1024 * 1024;
/// Frames that a queue takes beyond what the exchange allows: its close frame among them.
const SPARE_FRAMES: usize = 64;
/// Open `/tapi` connections; one more is refused with 503.
pub(super) const MAX_APPLICATIONS: usize = 256;

/// RFC 6455 §7.4.1: going away.
pub(super) const CLOSE_GOING_AWAY: u16 = 1001;
/// RFC 6455 §7.4.1: only text frames are understood.
pub(super) const CLOSE_UNSUPPORTED: u16 = 1003;
/// RFC 6455 §7.4.1: what is no UTF-8 in a text frame.
pub(super) const CLOSE_NO_TEXT: u16 = 1007;
/// RFC 6455 §7.4.1: policy violation.
pub(super) const CLOSE_POLICY: u16 = 1008;
/// RFC 6455 §7.4.1: message too big.
pub(super) const CLOSE_TOO_BIG: u16 = 1009;
/// IANA WebSocket close code registry: try again later.
pub(super) const CLOSE_TRY_AGAIN: u16 = 1013;

/// How a connection is to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Close {
    /// WebSocket close code.
    pub(super) code: u16,
    /// One sentence.
    pub(super) reason: String,
}

/// One frame on its way to an application, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// JSON-RPC text.
    Text(String),
    /// The last frame.
    Close(Close),
}

/// The sending end of one connection, as the exchange's thread sees it.
struct Outgoing {
    queue: mpsc::Sender<Frame>,
    bytes: Arc<AtomicUsize>,
    urgent: oneshot::Sender<Close>,
    token: Arc<Token>,
}

/// The receiving end, owned by the connection's task.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Which connection.
    pub(super) connection: ConnectionId,
    /// Fires when the connection has to close without sending what is queued.
    pub(super) urgent: oneshot::Receiver<Close>,
    /// The frames in order.
    pub(super) queue: FrameQueue,
}

/// The frames towards one application.
#[derive(Debug)]
pub(super) struct FrameQueue {
    frames: mpsc::Receiver<Frame>,
    bytes: Arc<AtomicUsize>,
}

impl FrameQueue {
    /// The next frame; `None` when no more can come.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        let frame = self.frames.recv().await?;
        self.release(&frame);
        Some(frame)
    }

    /// The next frame if one waits already.
    pub(super) fn ready(&mut self) -> Option<Frame> {
        let frame = self.frames.try_recv().ok()?;
        self.release(&frame);
        Some(frame)
    }

    fn release(&self, frame: &Frame) {
        if let Frame::Text(text) = frame {
            self.bytes.fetch_sub(text.len(), Ordering::AcqRel);
        }
    }
}

/// All open connections.
pub(super) struct Applications {
    next: AtomicU64,
    open: DashMap<ConnectionId, Outgoing>,
    max_queued_messages: AtomicUsize,
    /// Connections that are open or have not finished their closing handshake.
    pub(super) conversing: watch::Sender<usize>,
    /// Connections closed because they did not read.
    pub(super) slow_readers_total: AtomicU64,
}

impl Applications {
    /// `max_queued_messages` bounds each connection's queue; see [`Self::room`].
    pub(super) fn new(max_queued_messages: usize) -> Self {
        Self {
            next: AtomicU64::new(1),
            open: DashMap::new(),
            max_queued_messages: AtomicUsize::new(max_queued_messages.max(1)),
            conversing: watch::Sender::new(0),
            slow_readers_total: AtomicU64::new(0),
        }
    }

    /// Takes a new connection in; `None` at [`MAX_APPLICATIONS`].
    pub(super) fn open(&self, token: Arc<Token>) -> Option<Incoming> {
        if self.open.len() >= MAX_APPLICATIONS {
            return None;
        }
        let connection = self.next.fetch_add(1, Ordering::Relaxed);
        let (queue, frames) = mpsc::channel(self.room());
        let (urgent, urgent_receiver) = oneshot::channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        let incoming = Incoming {
            connection,
            urgent: urgent_receiver,
            queue: FrameQueue { frames, bytes: Arc::clone(&bytes) },
        };
        self.open.insert(connection, Outgoing { queue, bytes, urgent, token });
        Some(incoming)
    }

    /// Frames that a queue takes. How far a reader may be behind is the exchange's to say, which counts it:
    /// `max_queued_messages`, and just after a resumption up to twice as many more, which come at once.
    fn room(&self) -> usize {
        let most = self.max_queued_messages.load(Ordering::Relaxed);
        most.saturating_mul(3).saturating_add(SPARE_FRAMES)
    }

    /// Forgets a connection that has ended.
    pub(super) fn forget(&self, connection: ConnectionId) {
        self.open.remove(&connection);
    }

    /// Queues text; a connection that is too far behind is closed with 1013 instead.
    pub(super) fn send(&self, connection: ConnectionId, text: String) {
        let is_taken = match self.open.get(&connection) {
            None => return,
            Some(outgoing) => outgoing.push(text),
        };
        if !is_taken {
            self.slow_readers_total.fetch_add(1, Ordering::Relaxed);
            self.close_now(
                connection,
                Close {
                    code: CLOSE_TRY_AGAIN,
                    reason: "The application reads too slowly; connect again and resume.".into(),
                },
            );
        }
    }

    /// Closes a connection after what is queued for it.
    pub(super) fn close(&self, connection: ConnectionId, close: Close) {
        // The queue ends with the close frame: nothing can be put behind it.
        if let Some((_, outgoing)) = self.open.remove(&connection)
            && let Err(error) = outgoing.queue.try_send(Frame::Close(close))
            && let Frame::Close(close) = error.into_inner()
        {
            // The receiver may have gone already; then there is nothing to close.
            let _ = outgoing.urgent.send(close);
        }
    }

    /// Closes the connections whose token is no longer one of the configuration.
    pub(super) fn close_revoked(&self, tokens: &Tokens) {
        let revoked: Vec<ConnectionId> = self
            .open
            .iter()
            .filter(|entry| !tokens.contains(&entry.token))
            .map(|entry| *entry.key())
            .collect();
        for connection in revoked {
            self.close_now(
                connection,
                Close {
                    code: CLOSE_POLICY,
                    reason: "The token was changed or removed by a reload.".into(),
                },
            );
        }
    }

    /// Closes every connection because the switch stops.
    pub(super) fn close_all(&self) {
        let all: Vec<ConnectionId> = self.open.iter().map(|entry| *entry.key()).collect();
        for connection in all {
            let reason = "The switch stops.".into();
            self.close(connection, Close { code: CLOSE_GOING_AWAY, reason });
        }
    }

    /// Takes over a changed bound; connections that are open keep theirs.
    pub(super) fn set_max_queued_messages(&self, max_queued_messages: usize) {
        self.max_queued_messages.store(max_queued_messages.max(1), Ordering::Relaxed);
    }

    /// How many connections are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    fn close_now(&self, connection: ConnectionId, close: Close) {
        if let Some((_, outgoing)) = self.open.remove(&connection) {
            let _ = outgoing.urgent.send(close);
        }
    }
}

impl Outgoing {
    /// Whether the text found room.
    fn push(&self, text: String) -> bool {
        let length = text.len();
        let before = self.bytes.fetch_add(length, Ordering::AcqRel);
        if before + length > MAX_QUEUED_BYTES {
            return false;
        }
        match self.queue.try_send(Frame::Text(text)) {
            Ok(()) => true,
            // The connection's task has ended and will say so; that is not the reader's fault.
            Err(mpsc::error::TrySendError::Closed(_)) => true,
            Err(mpsc::error::TrySendError::Full(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::token::tests::token as token_with;

    fn token(secret: &str) -> Arc<Token> {
        Arc::new(token_with(secret, config::Scope::Tapi, None))
    }

    #[test]
    fn delivers_frames_in_order_and_the_close_last() {
        let applications = Applications::new(8);
        let mut incoming = applications.open(token("x")).unwrap();
        applications.send(incoming.connection, "1".into());
        applications.send(incoming.connection, "2".into());
        let close = Close { code: 1000, reason: "bye".into() };
        applications.close(incoming.connection, close.clone());
        applications.send(incoming.connection, "3".into());
        assert_eq!(incoming.queue.ready(), Some(Frame::Text("1".into())));
        assert_eq!(incoming.queue.ready(), Some(Frame::Text("2".into())));
        assert_eq!(incoming.queue.ready(), Some(Frame::Close(close)));
        assert_eq!(incoming.queue.ready(), None);
    }

    #[test]
    fn closes_a_reader_that_is_too_many_messages_behind() {
        let applications = Applications::new(2);
        let mut slow = applications.open(token("x")).unwrap();
        let mut other = applications.open(token("x")).unwrap();
        for text in 0..=3 * 2 + SPARE_FRAMES {
            applications.send(slow.connection, text.to_string());
        }
        applications.send(other.connection, "1".into());
        assert_eq!(slow.urgent.try_recv().unwrap().code, CLOSE_TRY_AGAIN);
        assert_eq!(applications.slow_readers_total.load(Ordering::Relaxed), 1);
        assert_eq!(other.queue.ready(), Some(Frame::Text("1".into())));
        assert!(other.urgent.try_recv().is_err());
    }

    #[test]
    fn takes_what_a_resumption_brings_at_once_beside_what_may_always_wait() {
        let applications = Applications::new(2);
        let mut resumed = applications.open(token("x")).unwrap();
        for text in 0..2 + 2 * 2 {
            applications.send(resumed.connection, text.to_string());
        }
        let close = Close { code: CLOSE_TRY_AGAIN, reason: "still too slow".into() };
        applications.close(resumed.connection, close.clone());
        assert!(resumed.urgent.try_recv().is_err());
        for text in 0..2 + 2 * 2 {
            assert_eq!(resumed.queue.ready(), Some(Frame::Text(text.to_string())));
        }
        assert_eq!(resumed.queue.ready(), Some(Frame::Close(close)));
    }

    #[test]
    fn closes_a_reader_that_is_too_many_bytes_behind() {
        let applications = Applications::new(1000);
        let mut slow = applications.open(token("x")).unwrap();
        let large = "x".repeat(MAX_QUEUED_BYTES / 2);
        applications.send(slow.connection, large.clone());
        applications.send(slow.connection, large.clone());
        assert!(slow.urgent.try_recv().is_err());
        applications.send(slow.connection, large);
        assert_eq!(slow.urgent.try_recv().unwrap().code, CLOSE_TRY_AGAIN);
    }

    #[test]
    fn what_was_read_makes_room_again() {
        let applications = Applications::new(1000);
        let mut reader = applications.open(token("x")).unwrap();
        for _ in 0..4 {
            applications.send(reader.connection, "x".repeat(MAX_QUEUED_BYTES / 2));
            assert!(reader.queue.ready().is_some());
        }
        assert!(reader.urgent.try_recv().is_err());
    }

    #[test]
    fn a_full_queue_still_passes_the_close_on() {
        let applications = Applications::new(1);
        let mut incoming = applications.open(token("x")).unwrap();
        for text in 0..3 + SPARE_FRAMES {
            applications.send(incoming.connection, text.to_string());
        }
        applications.close(incoming.connection, Close { code: 1000, reason: "bye".into() });
        assert_eq!(incoming.urgent.try_recv().unwrap().code, 1000);
    }

    #[test]
    fn a_revoked_token_loses_its_connections_and_no_other_does() {
        let applications = Applications::new(4);
        let mut revoked = applications.open(token("old")).unwrap();
        let mut kept = applications.open(token("kept")).unwrap();
        applications.close_revoked(&Tokens::new(&[(*token("kept")).clone()]));
        assert_eq!(revoked.urgent.try_recv().unwrap().code, CLOSE_POLICY);
        assert!(kept.urgent.try_recv().is_err());
        assert_eq!(applications.len(), 1);
    }

    #[test]
    fn one_connection_more_than_the_limit_is_refused() {
        let applications = Applications::new(1);
        let open: Vec<_> = (0..MAX_APPLICATIONS).map(|_| applications.open(token("x"))).collect();
        assert!(open.iter().all(Option::is_some));
        assert!(applications.open(token("x")).is_none());
        applications.forget(1);
        assert!(applications.open(token("x")).is_some());
    }
}
