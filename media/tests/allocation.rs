//! Forwarding a packet allocates nothing, on any thread.

#![cfg(feature = "io")]
#![allow(unsafe_code, clippy::unwrap_used, reason = "a global allocator that counts; a test")]

mod common;
mod counting;

use common::{Crypt, Pair, draw, keys, local, relay, rtp};
use counting::{Counting, fewest_allocations};
use media::srtp::{OVERHEAD_MAX, Suite};
use media::{MediaPlane, Security, StreamSpec};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn forwarding_allocates_nothing_per_packet() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.lock();
    let (to, mut buffer) = (local(pair.a_ports.rtp), [0u8; 200]);
    let (fewest, rounds) = fewest_allocations(|round| {
        for sequence in (0..2_000).map(|packet| 1_000 + 2_000 * round + packet) {
            // Some of them need rewriting, some are strangers' or malformed.
            let ssrc = if sequence % 7 == 0 { 0xa1 } else { 0xa };
            pair.a.media.send_to(&rtp(0, sequence, ssrc), to).unwrap();
            pair.b.control.send_to(&[0; 4], to).unwrap();
            pair.b.media.recv_from(&mut buffer).unwrap();
        }
    });
    assert_eq!(fewest, 0);
    assert_eq!(pair.received(pair.a_id).packets, 6 + 2_000 * u64::from(rounds));
    drop(pair);
    Suite::ALL.into_iter().for_each(securing_allocates_nothing_per_packet);
}

/// Part of the same test: other tests' threads would be counted.
fn securing_allocates_nothing_per_packet(suite: Suite) {
    let mut pair = Pair::new(relay(draw(64)));
    let (keys_a, keys_b) = (keys(suite, 1), keys(suite, 2));
    let (crypt_a, mut crypt_b) = (Crypt::new(&keys_a), Crypt::new(&keys_b));
    for (id, phone, keys) in [(pair.a_id, &pair.a, keys_a), (pair.b_id, &pair.b, keys_b)] {
        let security = Security::Sdes(Box::new(keys));
        pair.relay.modify(id, 0, StreamSpec { security, ..phone.spec() });
    }
    let (to, mut buffer) = (local(pair.a_ports.rtp), [0u8; 200]);
    let mut exchange = |sequence: u16| {
        let mut packet = [0; 172 + OVERHEAD_MAX];
        packet[..172].copy_from_slice(&rtp(0, sequence, 0xa));
        let length = crypt_a.sealer.seal_rtp(&mut packet, 172).unwrap();
        pair.a.media.send_to(&packet[..length], to).unwrap();
        // Not authentic.
        pair.a.media.send_to(&packet[..length - 1], to).unwrap();
        let (length, _) = pair.b.media.recv_from(&mut buffer).unwrap();
        assert_eq!(crypt_b.opener.open_rtp(&mut buffer[..length]), Ok(172));
    };
    (0..50).for_each(&mut exchange);
    let (fewest, _) = fewest_allocations(|round| {
        (0..1_000).map(|packet| 50 + 1_000 * round + packet).for_each(&mut exchange);
    });
    assert_eq!(fewest, 0, "{suite}");
}
