//! Arrays that lie in memory shared with the kernel: read and written without a system call.

#![expect(unsafe_code, reason = "mmap of maps")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

/// What may lie in such memory: nothing but atomics, for which any bits are a value.
///
/// # Safety
///
/// The type must consist of atomic integers alone, without padding, and its size must be a multiple of
/// eight: the kernel rounds elements up to that.
pub(crate) unsafe trait Cell: Sized {}

// SAFETY: an atomic integer of eight octets.
unsafe impl Cell for std::sync::atomic::AtomicU64 {}

/// An array map (`BPF_F_MMAPABLE`) as memory.
pub(crate) struct Shared<T> {
    cells: NonNull<T>,
    count: usize,
}

// SAFETY: the memory stays mapped as long as the value lives, and holds nothing but atomics.
unsafe impl<T: Cell> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Cell> Sync for Shared<T> {}

impl<T: Cell> Shared<T> {
    /// Maps an array of `count` elements.
    pub(crate) fn map(fd: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        let length = count * size_of::<T>();
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

    /// An element.
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let index = usize::try_from(index).ok().filter(|index| *index < self.count)?;
        // SAFETY: within the mapping, which is aligned to a page and lives as long as self; any
        // bits are valid atomics, and the kernel changes them only as a whole.
        Some(unsafe { self.cells.add(index).as_ref() })
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: the very mapping that `map` made; nobody refers to it any more.
        unsafe { libc::munmap(self.cells.as_ptr().cast(), self.count * size_of::<T>()) };
    }
}
