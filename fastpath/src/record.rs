//! What the program counted of each stream, read and seeded through memory that is shared with the
//! kernel.

#![expect(unsafe_code, reason = "mmap of the map of records")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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

/// `struct record` of `bpf/relay.c`.
#[repr(C, align(64))]
struct Cell {
    packets: AtomicU64,
    bytes: AtomicU64,
    last_ns: AtomicU64,
    highest: AtomicU32,
    last_time: AtomicU32,
    jitter: AtomicU32,
    late: AtomicU32,
    repeated: AtomicU32,
    zero: [AtomicU32; 5],
}
const _: () = assert!(size_of::<Cell>() == 64);

/// All records.
pub(crate) struct Records {
    cells: NonNull<Cell>,
    count: usize,
}

// SAFETY: the memory stays mapped as long as the value lives, and holds nothing but atomics.
unsafe impl Send for Records {}
// SAFETY: as above.
unsafe impl Sync for Records {}

impl Records {
    /// Maps an array of `count` records.
    pub(crate) fn map(fd: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        let length = count * size_of::<Cell>();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses the place, and refuses a length beyond the map's.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), length, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let cells = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { cells, count })
    }

    fn cell(&self, index: u32) -> Option<&Cell> {
        let index = usize::try_from(index).ok().filter(|index| *index < self.count)?;
        // SAFETY: within the mapping, which is aligned to a page and lives as long as self; any
        // bits are valid atomics, and the kernel changes them only as a whole.
        Some(unsafe { self.cells.add(index).as_ref() })
    }

    /// Sets a record to its beginning.
    pub(crate) fn seed(&self, index: u32, seed: &Seed) {
        let Some(cell) = self.cell(index) else { return };
        cell.packets.store(0, Ordering::Relaxed);
        cell.bytes.store(0, Ordering::Relaxed);
        cell.late.store(0, Ordering::Relaxed);
        cell.repeated.store(0, Ordering::Relaxed);
        cell.last_ns.store(seed.now_ns, Ordering::Relaxed);
        cell.highest.store(seed.highest, Ordering::Relaxed);
        cell.last_time.store(seed.last_time, Ordering::Relaxed);
        cell.jitter.store(seed.jitter, Ordering::Release);
    }

    /// Reads a record. Each value is exact; together they may be a packet apart.
    pub(crate) fn read(&self, index: u32) -> Snapshot {
        let Some(cell) = self.cell(index) else { return Snapshot::default() };
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

impl Drop for Records {
    fn drop(&mut self) {
        // SAFETY: the very mapping that `map` made; nobody refers to it any more.
        unsafe { libc::munmap(self.cells.as_ptr().cast(), self.count * size_of::<Cell>()) };
    }
}
