//! What the transports count.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of all listeners and connections together.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) messages_in: AtomicU64,
    pub(super) messages_out: AtomicU64,
    pub(super) keep_alives: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) send_blocked: AtomicU64,
    pub(super) send_failed: AtomicU64,
    pub(super) events_lost: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) accept_failed: AtomicU64,
    pub(super) connected: AtomicU64,
    pub(super) connections_refused: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) handshakes_failed: AtomicU64,
    pub(super) handshakes_timed_out: AtomicU64,
    pub(super) handshakes_refused: AtomicU64,
    pub(super) origins_refused: AtomicU64,
    pub(super) not_admitted: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TransportCounts {
    /// Messages handed to the sink.
    pub messages_in: u64,
    /// Messages handed to the operating system.
    pub messages_out: u64,
    /// Keep-alives received, on any transport.
    pub keep_alives: u64,
    /// Datagrams and streams that were no SIP.
    pub malformed: u64,
    /// Datagrams dropped because the sink was full, refused ones included.
    pub dropped: u64,
    /// Requests answered 503 because the sink was full.
    pub refused: u64,
    /// Datagrams not sent because the socket's buffer was full.
    pub send_blocked: u64,
    /// Messages that could not be sent.
    pub send_failed: u64,
    /// Failures that could not be reported because the sink was full.
    pub events_lost: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that could not be accepted.
    pub accept_failed: u64,
    /// Connections opened by us.
    pub connected: u64,
    /// Connections closed on arrival because a ceiling was reached.
    pub connections_refused: u64,
    /// Connections closed because the peer was too slow or silent.
    pub timed_out: u64,
    /// TLS and WebSocket handshakes that failed, with peers of our choice too.
    pub handshakes_failed: u64,
    /// Handshakes that were too slow.
    pub handshakes_timed_out: u64,
    /// Connections closed on arrival because too many handshakes were in progress.
    pub handshakes_refused: u64,
    /// WebSockets refused because of their Origin.
    pub origins_refused: u64,
    /// Messages that the guard did not let in: banned sources, exceeded rates.
    pub not_admitted: u64,
    /// Connections open now.
    pub connections_open: u64,
}

impl Counters {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self, connections_open: usize) -> TransportCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TransportCounts {
            messages_in: read(&self.messages_in),
            messages_out: read(&self.messages_out),
            keep_alives: read(&self.keep_alives),
            malformed: read(&self.malformed),
            dropped: read(&self.dropped),
            refused: read(&self.refused),
            send_blocked: read(&self.send_blocked),
            send_failed: read(&self.send_failed),
            events_lost: read(&self.events_lost),
            accepted: read(&self.accepted),
            accept_failed: read(&self.accept_failed),
            connected: read(&self.connected),
            connections_refused: read(&self.connections_refused),
            timed_out: read(&self.timed_out),
            handshakes_failed: read(&self.handshakes_failed),
            handshakes_timed_out: read(&self.handshakes_timed_out),
            handshakes_refused: read(&self.handshakes_refused),
            origins_refused: read(&self.origins_refused),
            not_admitted: read(&self.not_admitted),
            connections_open: u64::try_from(connections_open).unwrap_or(u64::MAX),
        }
    }
}
