//! What the program counted of each stream, read and seeded through memory that is shared with the
//! kernel.

#![expect(unsafe_code, reason = "what lies in shared memory is vouched for")]

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::shared::{Cell, Shared};

/// Counters of a stream since it was installed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// Packets that were forwarded.
    pub packets: u64,
    /// Octets of their UDP payloads.
    pub bytes: u64,
    /// When the last one came, on the monotonic clock.
    pub last_ns: u64,
    /// The highest sequence number, extended.
    pub highest: u32,
    /// Its timestamp as it was received.
    pub last_time: u32,
    /// 16 times the interarrival jitter in ticks (RFC 3550 A.8).
    pub jitter: u32,
    /// Packets that came after a later one.
    pub late: u32,
    /// Packets with the number of the one before.
    pub repeated: u32,
}

/// Where the program goes on counting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seed {
    /// Now, on the monotonic clock.
    pub now_ns: u64,
    /// The highest sequence number so far, extended.
    pub highest: u32,
    /// Its timestamp.
    pub last_time: u32,
    /// 16 times the jitter so far in ticks.
    pub jitter: u32,
}

/// Octets of a record.
pub(crate) const RECORD_LEN: usize = size_of::<Counted>();

/// `struct record` of `bpf/relay.c`.
#[repr(C, align(64))]
struct Counted {
    packets: AtomicU64,
    bytes: AtomicU64,
    last_ns: AtomicU64,
    highest: AtomicU32,
    last_time: AtomicU32,
    jitter: AtomicU32,
    late: AtomicU32,
    repeated: AtomicU32,
    zero: AtomicU32,
    /// When the packet came whose timestamp `last_time` is; 0 if that is not known.
    time_ns: AtomicU64,
    zero_too: AtomicU64,
}
const _: () = assert!(RECORD_LEN == 64);

// SAFETY: atomics alone, 64 octets without padding.
unsafe impl Cell for Counted {}

/// All records.
pub(crate) struct Records(Shared<Counted>);

impl Records {
    /// Maps an array of `count` records.
    pub(crate) fn map(fd: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        Shared::map(fd, count).map(Self)
    }

    /// Sets a record to its beginning.
    pub(crate) fn seed(&self, index: u32, seed: &Seed) {
        let Some(cell) = self.0.get(index) else { return };
        cell.packets.store(0, Ordering::Relaxed);
        cell.bytes.store(0, Ordering::Relaxed);
        cell.late.store(0, Ordering::Relaxed);
        cell.repeated.store(0, Ordering::Relaxed);
        cell.last_ns.store(seed.now_ns, Ordering::Relaxed);
        cell.highest.store(seed.highest, Ordering::Relaxed);
        cell.last_time.store(seed.last_time, Ordering::Relaxed);
        // The first difference is left out, as where user space takes over from the kernel.
        cell.time_ns.store(0, Ordering::Relaxed);
        cell.jitter.store(seed.jitter, Ordering::Release);
    }

    /// Reads a record. Each value is exact; together they may be a packet apart.
    pub(crate) fn read(&self, index: u32) -> Snapshot {
        let Some(cell) = self.0.get(index) else { return Snapshot::default() };
        Snapshot {
            packets: cell.packets.load(Ordering::Acquire),
            bytes: cell.bytes.load(Ordering::Relaxed),
            last_ns: cell.last_ns.load(Ordering::Relaxed),
            highest: cell.highest.load(Ordering::Relaxed),
            last_time: cell.last_time.load(Ordering::Relaxed),
            jitter: cell.jitter.load(Ordering::Relaxed),
            late: cell.late.load(Ordering::Relaxed),
            repeated: cell.repeated.load(Ordering::Relaxed),
        }
    }
}
