//! A global allocator that counts. Every test that uses it is alone in its process: other tests'
//! threads would be counted too.

#![allow(dead_code, reason = "each test program uses its part")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator with a counter.
pub(crate) struct Counting;

/// Allocations of the whole process so far.
pub(crate) static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Octets that it has now.
pub(crate) static LIVE: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        LIVE.fetch_add(layout.size() as u64, Ordering::SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as u64, Ordering::SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        LIVE.fetch_add(size as u64, Ordering::SeqCst);
        LIVE.fetch_sub(layout.size() as u64, Ordering::SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Rounds of packets at most.
const ROUNDS: u16 = 5;

/// The allocations of the round that had the fewest, and how many rounds there were: a thread that is still
/// beginning is counted in one of them, what a packet costs in all.
pub(crate) fn fewest_allocations(mut round: impl FnMut(u16)) -> (u64, u16) {
    let mut fewest = u64::MAX;
    for number in 0..ROUNDS {
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        round(number);
        fewest = fewest.min(ALLOCATIONS.load(Ordering::SeqCst) - before);
        if fewest == 0 {
            return (0, number + 1);
        }
    }
    (fewest, ROUNDS)
}
