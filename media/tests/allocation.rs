//! Forwarding a packet allocates nothing, on any thread.

#![cfg(feature = "io")]
#![allow(unsafe_code, reason = "a global allocator that counts")]

mod common;
mod counting;

use std::sync::atomic::Ordering;

use common::{Pair, local, relay, rtp};
use counting::{ALLOCATIONS, Counting};

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
