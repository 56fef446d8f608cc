//! The last SIP messages, kept so that an administrator can see a call's ladder without a packet
//! sniffer.
//!
//! Messages lie one after the other in one ring of octets; the oldest make room for the newest.
//! Keeping one costs a copy and no allocation. Which dialogs belong to which call is told by the
//! exchange ([`Output::Dialog`](crate::exchange::Output::Dialog)).

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use sip_stack::flow::Flow;

use super::mask::mask_secrets;

/// Messages that are kept at most, however short they are.
const MAX_MESSAGES: usize = 65_536;
/// Dialogs whose call is known at most.
const MAX_DIALOGS: usize = 65_536;

/// Which way a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// To the switch.
    In,
    /// From the switch.
    Out,
}

/// A message that was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Which way.
    pub way: Way,
    /// Over which flow.
    pub flow: Flow,
    /// The message.
    pub bytes: Vec<u8>,
}

/// The last SIP messages of all calls; see the module's text.
#[derive(Debug)]
pub struct Trace {
    ring: Mutex<Ring>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Ring {
    octets: Box<[u8]>,
    /// Where the next message begins.
    end: usize,
    messages: VecDeque<Entry>,
    /// dwCallID and the hash of the dialog's Call-ID, oldest first.
    dialogs: VecDeque<(u32, u64)>,
}

#[derive(Debug)]
struct Entry {
    unix_ms: u64,
    way: Way,
    flow: Flow,
    dialog: u64,
    start: usize,
    length: usize,
}

impl Trace {
    /// Keeps so many octets of messages; with 0, nothing.
    pub fn new(octets: usize) -> Self {
        let ring = Ring {
            octets: vec![0; octets].into_boxed_slice(),
            end: 0,
            messages: VecDeque::new(),
            dialogs: VecDeque::new(),
        };
        Self { ring: Mutex::new(ring), hasher: RandomState::new() }
    }

    /// Keeps a message, whose Call-ID is `dialog`.
    pub fn keep(&self, unix_ms: u64, way: Way, flow: Flow, dialog: &[u8], bytes: &[u8]) {
        let dialog = self.hasher.hash_one(dialog);
        self.with(|ring| {
            ring.keep(Entry { unix_ms, way, flow, dialog, start: 0, length: 0 }, bytes)
        });
    }

    /// A dialog belongs to a call from now on. A dialog can belong to several calls, one after the other.
    pub fn belongs(&self, call_id: u32, dialog: &str) {
        let dialog = self.hasher.hash_one(dialog.as_bytes());
        self.with(|ring| {
            if ring.octets.is_empty()
                || ring.dialogs.iter().rev().take(8).any(|row| *row == (call_id, dialog))
            {
                return;
            }
            if ring.dialogs.len() >= MAX_DIALOGS {
                ring.dialogs.pop_front();
            }
            ring.dialogs.push_back((call_id, dialog));
        });
    }

    /// The messages of a call that are still there, oldest first; none if the call is not known.
    pub fn of_call(&self, call_id: u32) -> Option<Vec<Kept>> {
        self.with(|ring| {
            let rows = ring.dialogs.iter().filter(|(call, _)| *call == call_id);
            let dialogs: Vec<u64> = rows.map(|(_, dialog)| *dialog).collect();
            let messages = ring.messages.iter().filter(|entry| dialogs.contains(&entry.dialog));
            (!dialogs.is_empty()).then(|| messages.map(|entry| ring.read(entry)).collect())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ring) -> T) -> T {
        // What is kept is whole after every step, even if a thread that held it is gone.
        work(&mut self.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn keep(&mut self, entry: Entry, bytes: &[u8]) {
        if bytes.is_empty() || bytes.len() > self.octets.len() {
            return;
        }
        if self.end + bytes.len() > self.octets.len() {
            // A message lies in one piece: the rest of the ring stays unused this time.
            let end = self.end;
            while self.messages.front().is_some_and(|oldest| oldest.start >= end) {
                self.messages.pop_front();
            }
            self.end = 0;
        }
        let (start, end) = (self.end, self.end + bytes.len());
        while self.messages.len() >= MAX_MESSAGES
            || self
                .messages
                .front()
                .is_some_and(|oldest| oldest.start < end && start < oldest.start + oldest.length)
        {
            self.messages.pop_front();
        }
        let Some(place) = self.octets.get_mut(start..end) else { return };
        place.copy_from_slice(bytes);
        mask_secrets(place);
        self.end = end;
        self.messages.push_back(Entry { start, length: bytes.len(), ..entry });
    }

    fn read(&self, entry: &Entry) -> Kept {
        let bytes = self.octets.get(entry.start..entry.start + entry.length).unwrap_or_default();
        Kept { unix_ms: entry.unix_ms, way: entry.way, flow: entry.flow, bytes: bytes.to_vec() }
    }
}

/// The value of the Call-ID header of a message that we made (RFC 3261 §20.8); its name may be short.
pub fn call_id_of(message: &[u8]) -> &[u8] {
    for line in message.split(|octet| *octet == b'\n').skip(1) {
        let line = line.trim_ascii_end();
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { break };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii_end();
        if name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i") {
            return value.get(1..).unwrap_or_default().trim_ascii();
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5070".parse().unwrap())
    }

    fn keep(trace: &Trace, number: u64, dialog: &str, octets: usize) {
        let text = format!("{number:->octets$}");
        trace.keep(number, Way::In, flow(), dialog.as_bytes(), text.as_bytes());
    }

    fn numbers(trace: &Trace, call_id: u32) -> Vec<u64> {
        let kept = trace.of_call(call_id).unwrap_or_default();
        for message in &kept {
            let text = String::from_utf8(message.bytes.clone()).unwrap();
            assert_eq!(text.trim_start_matches('-'), message.unix_ms.to_string());
        }
        kept.iter().map(|message| message.unix_ms).collect()
    }

    #[test]
    fn a_call_has_the_messages_of_all_its_dialogs_and_no_others() {
        let trace = Trace::new(1000);
        trace.belongs(7, "a");
        trace.belongs(7, "b");
        trace.belongs(8, "c");
        for (number, dialog) in ["a", "c", "b", "a"].into_iter().enumerate() {
            keep(&trace, number as u64, dialog, 20);
        }
        assert_eq!(numbers(&trace, 7), [0, 2, 3]);
        assert_eq!(numbers(&trace, 8), [1]);
        assert_eq!(trace.of_call(9), None);
    }

    #[test]
    fn the_oldest_make_room_whatever_their_lengths_are() {
        let trace = Trace::new(1000);
        trace.belongs(1, "a");
        for number in 1..500 {
            keep(&trace, number, "a", 30 + (number as usize * 37) % 400);
            let kept = numbers(&trace, 1);
            assert_eq!(kept.last(), Some(&number));
            let first = kept[0];
            assert_eq!(kept, (first..=number).collect::<Vec<_>>(), "none is missing between");
        }
    }

    #[test]
    fn a_message_longer_than_the_ring_is_left_out() {
        let trace = Trace::new(100);
        trace.belongs(1, "a");
        keep(&trace, 1, "a", 90);
        keep(&trace, 2, "a", 101);
        assert_eq!(numbers(&trace, 1), [1]);
    }

    #[test]
    fn the_call_id_is_found_under_both_names_and_not_in_a_body() {
        assert_eq!(call_id_of(b"BYE sip:a SIP/2.0\r\nVia: x\r\nCall-ID: a@b\r\n\r\n"), b"a@b");
        assert_eq!(call_id_of(b"BYE sip:a SIP/2.0\r\ni : a@b \r\n\r\n"), b"a@b");
        assert_eq!(call_id_of(b"SIP/2.0 200 OK\r\nVia: x\r\n\r\nCall-ID: a\r\n"), b"");
    }
}
