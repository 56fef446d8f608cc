//! The reading side of a connection: its frames, and how long it may take for them (SEC-15).

use std::future::poll_fn;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{
    Counters, TransportEvent,
    connection::{Origin, Shared},
    overload,
    source::Source,
};
use crate::{
    flow::{Flow, Received},
    guard::{Admission, Lane},
    message::{Message, framing::Frame},
};

/// Why reading ended.
pub(super) enum ReadEnd {
    /// The peer closed, or the stream broke, or nobody listens to us any more.
    Closed,
    /// The peer was silent or too slow.
    TimedOut,
    /// The stream is no SIP; it is closed after the answer, if there is one.
    Malformed,
}

/// Reads one connection.
pub(super) struct Reader<'a, S> {
    source: S,
    flow: Flow,
    shared: &'a Shared,
    opened: Option<Instant>,
    last_octet: Instant,
    /// When the message that is not complete yet began.
    partial_since: Option<Instant>,
    has_message: bool,
}

impl<'a, S: Source> Reader<'a, S> {
    pub(super) fn new(source: S, flow: Flow, origin: Origin, shared: &'a Shared) -> Self {
        let now = Instant::now();
        Reader {
            source,
            flow,
            shared,
            opened: (origin == Origin::Accepted).then_some(now),
            last_octet: now,
            partial_since: None,
            has_message: false,
        }
    }

    /// Whether the peer has said something that was reported.
    pub(super) fn has_message(&self) -> bool {
        self.has_message
    }

    /// Reads to the end.
    pub(super) async fn run(&mut self) -> ReadEnd {
        loop {
            let deadline = self.deadline();
            let source = &mut self.source;
            match timeout_at(deadline, poll_fn(|context| source.poll_read(context))).await {
                Err(_) => return ReadEnd::TimedOut,
                Ok(Ok(0) | Err(_)) => return ReadEnd::Closed,
                Ok(Ok(_)) => {}
            }
            self.last_octet = Instant::now();
            if let Some(end) = self.frames().await {
                return end;
            }
            self.partial_since = match (self.source.is_empty(), self.partial_since) {
                (true, _) => None,
                (false, since) => since.or(Some(self.last_octet)),
            };
        }
    }

    /// Reads to nowhere, for ever.
    pub(super) async fn discard(&mut self) {
        let source = &mut self.source;
        while let Ok(1..) = poll_fn(|context| source.poll_read(context)).await {
            while source.next().is_some() {}
        }
        std::future::pending().await
    }

    /// SEC-15: first message, whole message, octets of a message, silence.
    fn deadline(&self) -> Instant {
        let limits = &self.shared.limits;
        let mut deadline = match self.partial_since {
            Some(since) => {
                (self.last_octet + limits.between_octets).min(since + limits.whole_message)
            }
            None => self.last_octet + limits.idle,
        };
        if let Some(opened) = self.opened.filter(|_| !self.has_message) {
            deadline = deadline.min(opened + limits.first_message);
        }
        deadline
    }

    /// Hands on what is complete.
    async fn frames(&mut self) -> Option<ReadEnd> {
        while let Some(frame) = self.source.next() {
            match frame {
                Ok(Frame::Message(bytes)) => {
                    if let Some(end) = self.on_message(bytes).await {
                        return Some(end);
                    }
                }
                Ok(Frame::Ping) => {
                    // RFC 5626 §3.5.1: a double CRLF is answered with a single one.
                    Counters::count(&self.shared.counters.keep_alives);
                    self.shared.put(&self.flow, Bytes::from_static(b"\r\n"));
                }
                Ok(Frame::Pong) => Counters::count(&self.shared.counters.keep_alives),
                Err(error) => {
                    Counters::count(&self.shared.counters.malformed);
                    self.shared.end_after(self.flow, error.error.kind.status());
                    let event = TransportEvent::Malformed {
                        bytes: error.bytes,
                        flow: self.flow,
                        error: error.error,
                    };
                    if !self.shared.admit_malformed(self.flow.remote) {
                        return Some(ReadEnd::Closed);
                    }
                    self.shared.sink.put(Lane::Ordinary, event).await;
                    self.has_message = true;
                    return Some(ReadEnd::Malformed);
                }
            }
        }
        None
    }

    /// Why reading ends with this message, if it does: nobody receives any more, or the peer says
    /// more than it may (SEC-60).
    async fn on_message(&mut self, bytes: Bytes) -> Option<ReadEnd> {
        let flow = self.flow;
        let lane = match self.shared.admit(flow.transport, flow.remote, &bytes) {
            Admission::Pass(lane) => lane,
            Admission::Drop => return Some(ReadEnd::Closed),
            Admission::Refuse | Admission::Shed => {
                self.has_message = true;
                self.refuse(&bytes);
                return None;
            }
        };
        self.has_message = true;
        let event = match Message::parse(bytes.clone()) {
            Ok(message) => {
                Counters::count(&self.shared.counters.messages_in);
                TransportEvent::Message(Received { message, flow })
            }
            Err(error) => {
                Counters::count(&self.shared.counters.malformed);
                if !self.shared.admit_malformed(flow.remote) {
                    return Some(ReadEnd::Closed);
                }
                TransportEvent::Malformed { bytes, flow, error }
            }
        };
        let is_received = self.shared.sink.put(lane, event).await;
        (!is_received).then_some(ReadEnd::Closed)
    }

    /// Answers 503: there is too much to do.
    fn refuse(&self, bytes: &Bytes) {
        Counters::count(&self.shared.counters.dropped);
        if let Ok(message) = Message::parse(bytes.clone())
            && message.is_request()
        {
            Counters::count(&self.shared.counters.refused);
            self.shared.put(&self.flow, overload::refusal_of_any(&message));
        }
    }
}
