//! Counters as call control reads them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::srtp::Suite;

/// Packets that were not relayed, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dropped {
    /// From an address that may not send on this stream.
    pub source: u64,
    /// Held back by the direction: received while the peer should not send, or not sent because
    /// the peer shall hear nothing or a treatment.
    pub direction: u64,
    /// Not RTP, not RTCP, too short or too long.
    pub malformed: u64,
    /// A payload type that was not negotiated, or that the other side cannot be sent.
    pub payload: u64,
    /// No address to send to yet, refused by the system, or the mixer is behind.
    pub undeliverable: u64,
    /// SRTP that is not the peer's, is a repetition, or came unprotected or before the keys.
    pub authentication: u64,
}

impl Dropped {
    /// All reasons together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.source
            + self.direction
            + self.malformed
            + self.payload
            + self.undeliverable
            + self.authentication
    }
}

/// Counters of one direction of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DirectionStatistics {
    /// RTP packets (or datagrams).
    pub packets: u64,
    /// Their octets, headers of RTP included, headers of UDP not.
    pub bytes: u64,
    /// Missing packets: counted by us when received, reported by the peer's RTCP when sent.
    pub lost: u64,
    /// In how many pieces packets were missing, those of the kernel path one by one; counted only
    /// when received.
    pub bursts: u64,
    /// Packets that came after a later one, duplicates included.
    pub late: u64,
    /// Interarrival jitter of RFC 3550 A.8; of the peer's reports when sent.
    pub jitter_ms: u32,
    /// RTCP packets.
    pub rtcp_packets: u64,
    /// Those of `packets` that the kernel forwarded; the others went through user space.
    pub kernel_packets: u64,
    /// What was not relayed.
    pub dropped: Dropped,
}

/// Counters of one stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamStatistics {
    /// From the peer.
    pub received: DirectionStatistics,
    /// To the peer.
    pub sent: DirectionStatistics,
    /// Relay to peer and back, from RTCP; `None` until a report allowed to compute it.
    pub round_trip: Option<Duration>,
    /// What packets to the peer are protected with, once there are keys.
    pub suite: Option<Suite>,
    /// The peer has reported on what it is sent: `sent.lost` and `sent.jitter_ms` are its words.
    pub is_reported: bool,
}

/// Counters of a termination, one entry for each stream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TerminationStatistics {
    /// In the order of the streams.
    pub streams: Vec<StreamStatistics>,
}

/// Why a packet was not relayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DropReason {
    /// See [`Dropped::source`].
    Source,
    /// See [`Dropped::direction`].
    Direction,
    /// See [`Dropped::malformed`].
    Malformed,
    /// See [`Dropped::payload`].
    Payload,
    /// See [`Dropped::undeliverable`].
    Undeliverable,
    /// See [`Dropped::authentication`].
    Authentication,
}

/// The counters of one direction, written by one worker at a time and read by anybody.
#[derive(Debug, Default)]
pub struct DirectionCounters {
    packets: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    late: AtomicU64,
    bursts: AtomicU64,
    jitter_ms: AtomicU64,
    rtcp_packets: AtomicU64,
    kernel_packets: AtomicU64,
    kernel_bytes: AtomicU64,
    source: AtomicU64,
    direction: AtomicU64,
    malformed: AtomicU64,
    payload: AtomicU64,
    undeliverable: AtomicU64,
    authentication: AtomicU64,
}

impl DirectionCounters {
    /// Counts a media packet.
    pub fn count(&self, bytes: usize) {
        add(&self.packets, 1);
        add(&self.bytes, u64::try_from(bytes).unwrap_or_default());
    }

    /// Counts packets that the kernel forwarded. May be called by several threads.
    pub fn count_kernel(&self, packets: u64, bytes: u64) {
        self.kernel_packets.fetch_add(packets, Ordering::Relaxed);
        self.kernel_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What the kernel forwarded: packets and octets.
    #[must_use]
    pub fn kernel(&self) -> (u64, u64) {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (value(&self.kernel_packets), value(&self.kernel_bytes))
    }

    /// Counts an RTCP packet.
    pub fn count_rtcp(&self) {
        add(&self.rtcp_packets, 1);
    }

    /// Counts a packet that was not relayed.
    pub fn count_drop(&self, reason: DropReason) {
        add(
            match reason {
                DropReason::Source => &self.source,
                DropReason::Direction => &self.direction,
                DropReason::Malformed => &self.malformed,
                DropReason::Payload => &self.payload,
                DropReason::Undeliverable => &self.undeliverable,
                DropReason::Authentication => &self.authentication,
            },
            1,
        );
    }

    /// Sets what a receiver of the stream found.
    pub fn report(&self, lost: u64, jitter_ms: u64) {
        self.lost.store(lost, Ordering::Relaxed);
        self.jitter_ms.store(jitter_ms, Ordering::Relaxed);
    }

    /// Sets how many packets came after a later one.
    pub fn set_late(&self, late: u64) {
        self.late.store(late, Ordering::Relaxed);
    }

    /// Sets in how many pieces packets were missing.
    pub fn set_bursts(&self, bursts: u64) {
        self.bursts.store(bursts, Ordering::Relaxed);
    }

    /// The values now.
    #[must_use]
    pub fn read(&self) -> DirectionStatistics {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DirectionStatistics {
            packets: value(&self.packets) + value(&self.kernel_packets),
            bytes: value(&self.bytes) + value(&self.kernel_bytes),
            kernel_packets: value(&self.kernel_packets),
            lost: value(&self.lost),
            late: value(&self.late),
            bursts: value(&self.bursts),
            jitter_ms: u32::try_from(value(&self.jitter_ms)).unwrap_or(u32::MAX),
            rtcp_packets: value(&self.rtcp_packets),
            dropped: Dropped {
                source: value(&self.source),
                direction: value(&self.direction),
                malformed: value(&self.malformed),
                payload: value(&self.payload),
                undeliverable: value(&self.undeliverable),
                authentication: value(&self.authentication),
            },
        }
    }
}

/// One writer at a time: a load and a store do, and are cheaper than a locked addition.
pub(super) fn add(counter: &AtomicU64, value: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(value), Ordering::Relaxed);
}
