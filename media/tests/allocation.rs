//! Forwarding a packet allocates nothing, on any thread.

#![cfg(feature = "io")]
#![allow(unsafe_code, reason = "a global allocator that counts")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Pair, Phone, local, relay, rtp};
use media::{MediaPlane, MemberCodec, Voice};

struct Counting;

/// One test counts at a time.
static ALONE: Mutex<()> = Mutex::new(());
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
    let _alone = ALONE.lock().unwrap();
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

#[test]
fn a_conference_allocates_nothing_per_packet_and_frame() {
    let _alone = ALONE.lock().unwrap();
    let (mut relay, _notices) = relay(22_700..=22_799);
    let room = relay.new_conference().unwrap();
    let kinds = [(0, Voice::Pcmu), (8, Voice::Pcma), (9, Voice::G722)];
    let mut members: Vec<_> = kinds
        .into_iter()
        .map(|(payload, kind)| {
            let phone = Phone::new(u32::from(payload) + 1);
            let at = relay.add(1).unwrap();
            relay.modify(at.id, 0, phone.spec());
            relay.join(room, at.id, 0, MemberCodec { payload, kind }).unwrap();
            (phone, at.streams[0], payload)
        })
        .collect();
    let mut buffer = [0u8; 200];
    let mut frame = |sequence: u16| {
        for (phone, ports, payload) in &mut members {
            let packet = rtp(*payload, sequence, phone.ssrc);
            phone.media.send_to(&packet, local(ports.rtp)).unwrap();
            phone.media.recv_from(&mut buffer).unwrap();
        }
    };
    (0..20).for_each(&mut frame);
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    (20..80).for_each(&mut frame);
    assert_eq!(ALLOCATIONS.load(Ordering::SeqCst) - before, 0);
}
