//! Mixing a conference allocates nothing per packet and frame, on any thread.

#![cfg(feature = "io")]
#![allow(unsafe_code, reason = "a global allocator that counts")]

mod common;
mod counting;

use common::{Phone, draw, local, relay, rtp};
use counting::{Counting, fewest_allocations};
use media::{MediaPlane, MemberCodec, Voice};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_conference_allocates_nothing_per_packet_and_frame() {
    let (mut relay, _notices) = relay(draw(64));
    let room = relay.new_conference().unwrap();
    let kinds = [(0, Voice::Pcmu), (8, Voice::Pcma), (9, Voice::G722), (96, Voice::Opus)];
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
    let (fewest, _) = fewest_allocations(|round| {
        (0..60).map(|packet| 20 + 60 * round + packet).for_each(&mut frame);
    });
    assert_eq!(fewest, 0);
}
