//! Forwarding a packet allocates nothing, on any thread.

#![cfg(feature = "io")]
#![allow(unsafe_code, reason = "a global allocator that counts")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Pair, local, relay, rtp};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn forwarding_allocates_nothing_per_packet() {
    let mut pair = Pair::new(relay(22_600..=22_699));
    pair.lock();
    let (to, mut buffer) = (local(pair.a_ports.rtp), [0u8; 200]);
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    for sequence in 1_000..3_000 {
        // Some of them need rewriting, some are strangers' or malformed.
        let ssrc = if sequence % 7 == 0 { 0xa1 } else { 0xa };
        pair.a.media.send_to(&rtp(0, sequence, ssrc), to).unwrap();
        pair.b.control.send_to(&[0; 4], to).unwrap();
        pair.b.media.recv_from(&mut buffer).unwrap();
    }
    assert_eq!(ALLOCATIONS.load(Ordering::SeqCst) - before, 0);
    assert_eq!(pair.received(pair.a_id).packets, 2_006);
}
