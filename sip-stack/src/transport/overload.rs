//! Refusing without keeping state when nobody has room for a request.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use crate::message::{HeaderName, Message, Method, response_to};

/// Shortest Retry-After; the longest is twice as much more (SEC-102: 5 to 15 s).
const RETRY_AFTER_LEAST_S: u64 = 5;
const RETRY_AFTER_SPREAD: u64 = 11;
/// Refusals a second: parsing what is refused must not cost what refusing should spare.
const MOST_REFUSALS: u64 = 1000;

/// The 503 to a request that would open something new; `None` for all else.
///
/// What ends or moves an existing call is dropped instead: it is retransmitted, and a refusal
/// would do harm. The To tag is a keyed hash, so that retransmissions get the same answer.
pub(super) fn refusal(message: &Message) -> Option<Bytes> {
    if !message.is_request() || !matches!(message.method(), Method::Invite | Method::Register) {
        return None;
    }
    if message.to().ok()?.tag().is_some() {
        return None;
    }
    Some(refusal_of_any(message))
}

/// The 503 to any request: on a stream, which loses nothing, silence would never be ended by a
/// retransmission.
pub(super) fn refusal_of_any(message: &Message) -> Bytes {
    let hash = keyed_hash(message);
    let mut writer =
        response_to(message, 503, "Service Unavailable", Some(&format!("{hash:016x}")));
    writer.header(HeaderName::RetryAfter, RETRY_AFTER_LEAST_S + hash % RETRY_AFTER_SPREAD);
    writer.finish(None, b"")
}

/// At most so many refusals a second; who is not answered sends again.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    second: AtomicU64,
    given: AtomicU64,
}

impl Allowance {
    /// Whether one more may be sent in this second.
    pub(super) fn take(&self, second: u64) -> bool {
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.given.store(0, Ordering::Relaxed);
        }
        self.given.fetch_add(1, Ordering::Relaxed) < MOST_REFUSALS
    }
}

fn keyed_hash(message: &Message) -> u64 {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    let key = KEY.get_or_init(RandomState::new);
    key.hash_one((message.call_id(), message.header(HeaderName::Via)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, to: &str) -> Message {
        let text = format!(
            "{method} sip:201@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             From: <sip:202@192.0.2.1>;tag=a\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    #[test]
    fn a_new_call_is_refused_with_503_and_a_random_delay() {
        let invite = request("INVITE", "<sip:201@192.0.2.1>");
        let refusal = Message::parse(refusal(&invite).unwrap()).unwrap();
        assert_eq!(refusal.status(), Some(503));
        let delay: u64 = refusal.header(HeaderName::RetryAfter).unwrap().parse().unwrap();
        assert!((5..=15).contains(&delay));
        assert!(refusal.to().unwrap().tag().is_some());
    }

    #[test]
    fn a_retransmission_is_refused_with_the_same_octets() {
        let register = request("REGISTER", "<sip:201@192.0.2.1>");
        assert_eq!(refusal(&register), refusal(&register));
    }

    #[test]
    fn refusals_have_a_rate() {
        let allowance = Allowance::default();
        assert_eq!((0..5000).filter(|_| allowance.take(7)).count() as u64, MOST_REFUSALS);
        assert!(allowance.take(8));
    }

    #[test]
    fn what_belongs_to_a_call_is_not_refused() {
        assert_eq!(refusal(&request("BYE", "<sip:201@192.0.2.1>;tag=b")), None);
        assert_eq!(refusal(&request("INVITE", "<sip:201@192.0.2.1>;tag=b")), None);
        assert_eq!(refusal(&request("ACK", "<sip:201@192.0.2.1>;tag=b")), None);
    }
}
