//! One packet at a time through [`run`].

use super::*;
use crate::rtp::{RtpTime, static_clock_hz};

const MINE: u32 = 1;
const PEER: &str = "192.0.2.1:4000";
const FAR: &str = "198.51.100.1:6000";

struct Scene {
    plan: ForwardPlan,
    ingress: Ingress,
    own: Outlet,
    sink: Outlet,
    now_us: u64,
    latched: Option<SocketAddr>,
    overdue: Option<(char, Duration)>,
    finding: Option<Finding>,
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn identity() -> [u8; PAYLOADS] {
    std::array::from_fn(|payload| u8::try_from(payload).unwrap())
}

impl Scene {
    fn new() -> Self {
        let plan = ForwardPlan {
            source: MINE,
            is_rtp: true,
            is_secure: false,
            is_muxed: false,
            is_receiving: true,
            is_sending: true,
            is_unproven: false,
            is_watched: true,
            accept: [0, 8, 101].into_iter().collect(),
            telephone_event: Some(101),
            mixed: PayloadSet::default(),
            payloads: identity(),
            clocks_hz: std::array::from_fn(|payload| {
                static_clock_hz(u8::try_from(payload).unwrap())
            }),
            rules: LatchRules { remote: Some(at(PEER)), remote_rtcp: None, peer: None },
        };
        let (own, sink) = (Outlet::default(), Outlet::default());
        own.set_remote(Some(at(PEER)), Some(next_port(at(PEER))));
        own.set_direction(true, false);
        sink.set_remote(Some(at(FAR)), Some(next_port(at(FAR))));
        sink.set_direction(true, false);
        let ingress = Ingress::default();
        Self { plan, ingress, own, sink, now_us: 0, latched: None, overdue: None, finding: None }
    }

    fn put(&mut self, component: Component, from: &str, packet: &mut [u8]) -> Verdict {
        let ends = Ends { own: &self.own, sink: Some(&self.sink) };
        let arrival = Arrival { packet, from: at(from), component, now_us: self.now_us };
        let outcome = run(&self.plan, &mut self.ingress, ends, arrival);
        self.latched = outcome.learnt.latched.or(self.latched);
        self.overdue = outcome.learnt.overdue.or(self.overdue);
        self.finding = outcome.learnt.finding.or(self.finding);
        outcome.verdict
    }

    fn media(&mut self, from: &str, packet: &mut [u8]) -> Verdict {
        self.put(Component::Media, from, packet)
    }

    fn rtp(&mut self, from: &str, payload: u8, sequence: u16) -> Verdict {
        self.media(from, &mut rtp(payload, sequence))
    }
}

fn rtp(payload: u8, sequence: u16) -> [u8; 172] {
    let mut packet = [0u8; 172];
    let header = Header {
        payload,
        is_marked: false,
        sequence: Seq(sequence),
        timestamp: RtpTime(u32::from(sequence) * 160),
        ssrc: Ssrc(77),
    };
    header.write(&mut packet);
    packet
}

fn receiver_report(ssrc: u32, about: u32) -> Vec<u8> {
    let words = [0x81c9_0007, ssrc, about, 0x0000_0002, 9, 80, 0, 0];
    words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect()
}

fn sent(to: &str) -> Verdict {
    Verdict::Send { to: at(to), component: Component::Media, length: 172, is_rtcp: false }
}

#[test]
fn a_packet_of_the_peer_goes_to_the_far_party() {
    let mut scene = Scene::new();
    assert_eq!(scene.rtp(PEER, 0, 1), sent(FAR));
    assert_eq!(scene.latched, Some(at(PEER)));
    let received = scene.own.statistics().received;
    assert_eq!((received.packets, received.bytes), (1, 172));
}

#[test]
fn the_payload_type_is_that_of_the_far_party() {
    let mut scene = Scene::new();
    scene.plan.payloads[101] = 96;
    let mut packet = rtp(101, 1);
    scene.media(PEER, &mut packet);
    assert_eq!(Header::read(&packet).map(|header| header.payload), Some(96));
}

#[test]
fn a_type_that_was_not_negotiated_is_dropped_and_teaches_nothing() {
    let mut scene = Scene::new();
    assert_eq!(scene.rtp(PEER, 34, 1), Verdict::Drop(DropReason::Payload));
    assert_eq!(scene.latched, None);
    assert_eq!(scene.own.statistics().received.dropped.payload, 1);
}

#[test]
fn comfort_noise_needs_no_negotiation_and_an_empty_list_accepts_all() {
    let mut scene = Scene::new();
    assert_eq!(scene.rtp(PEER, 13, 1), sent(FAR));
    scene.plan.accept = PayloadSet::default();
    assert_eq!(scene.rtp(PEER, 77, 2), sent(FAR));
}

#[test]
fn a_type_that_the_far_party_does_not_know_is_held_back_there() {
    let mut scene = Scene::new();
    scene.plan.payloads[101] = BLOCKED;
    assert_eq!(scene.rtp(PEER, 101, 1), Verdict::Drop(DropReason::Payload));
    assert_eq!(scene.own.statistics().received.packets, 1);
    assert_eq!(scene.sink.statistics().sent.dropped.payload, 1);
}

#[test]
fn strangers_are_dropped_before_and_after_the_lock() {
    let mut scene = Scene::new();
    assert_eq!(scene.rtp("203.0.113.9:4000", 0, 1), Verdict::Drop(DropReason::Source));
    for sequence in 1..8 {
        scene.rtp(PEER, 0, sequence);
    }
    assert_eq!(scene.rtp("203.0.113.9:4000", 0, 9), Verdict::Drop(DropReason::Source));
    assert_eq!(scene.rtp("192.0.2.1:4002", 0, 9), Verdict::Drop(DropReason::Source));
    assert_eq!(scene.own.statistics().received.dropped.source, 3);
    assert_eq!(scene.own.media_remote(), Some(at(PEER)));
}

#[test]
fn media_goes_to_where_the_peer_really_is() {
    let mut scene = Scene::new();
    scene.rtp("192.0.2.1:31000", 0, 1);
    assert_eq!(scene.own.media_remote(), Some(at("192.0.2.1:31000")));
}

#[test]
fn a_peer_that_should_not_send_is_not_heard_but_learnt() {
    let mut scene = Scene::new();
    scene.plan.is_receiving = false;
    assert_eq!(scene.rtp("192.0.2.1:31000", 0, 1), Verdict::Drop(DropReason::Direction));
    assert_eq!(scene.own.statistics().received.dropped.direction, 1);
    assert_eq!(scene.own.media_remote(), Some(at("192.0.2.1:31000")));
}

#[test]
fn a_far_party_that_should_hear_nothing_or_a_tone_is_sent_nothing() {
    let mut scene = Scene::new();
    scene.sink.set_direction(false, false);
    assert_eq!(scene.rtp(PEER, 0, 1), Verdict::Drop(DropReason::Direction));
    scene.sink.set_direction(true, false);
    scene.sink.set_treated(true);
    assert_eq!(scene.rtp(PEER, 0, 2), Verdict::Drop(DropReason::Direction));
    scene.sink.set_treated(false);
    assert_eq!(scene.rtp(PEER, 0, 3), sent(FAR));
    assert_eq!(scene.sink.statistics().sent.dropped.direction, 2);
}

#[test]
fn without_a_far_address_the_packet_cannot_go() {
    let mut scene = Scene::new();
    scene.sink.set_remote(None, None);
    assert_eq!(scene.rtp(PEER, 0, 1), Verdict::Drop(DropReason::Undeliverable));
}

#[test]
fn unconnected_streams_listen_and_count() {
    let mut scene = Scene::new();
    let ends = Ends { own: &scene.own, sink: None };
    let arrival =
        Arrival { packet: &mut rtp(0, 1), from: at(PEER), component: Component::Media, now_us: 0 };
    assert_eq!(run(&scene.plan, &mut scene.ingress, ends, arrival).verdict, Verdict::Keep);
    assert_eq!(scene.own.statistics().received.packets, 1);
}

#[test]
fn what_is_no_rtp_is_malformed() {
    let mut scene = Scene::new();
    let stun = [0u8, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for packet in [&stun[..], &[], &[0x80; 11], &[0x80; 1_501]] {
        let verdict = scene.media(PEER, &mut packet.to_vec());
        assert_eq!(verdict, Verdict::Drop(DropReason::Malformed));
    }
    assert_eq!(scene.own.statistics().received.dropped.malformed, 4);
}

#[test]
fn datagrams_of_other_protocols_pass_untouched() {
    let mut scene = Scene::new();
    scene.plan.is_rtp = false;
    let mut packet = [0u8, 5, 1, 2, 3];
    let verdict = scene.media(PEER, &mut packet);
    let expected =
        Verdict::Send { to: at(FAR), component: Component::Media, length: 5, is_rtcp: false };
    assert_eq!((verdict, packet), (expected, [0, 5, 1, 2, 3]));
}

#[test]
fn rtcp_goes_from_port_to_port_under_the_names_of_the_other_side() {
    let mut scene = Scene::new();
    scene.rtp(PEER, 0, 1);
    let mut report = receiver_report(77, 5);
    let verdict = scene.put(Component::Control, "192.0.2.1:4001", &mut report);
    let expected = Verdict::Send {
        to: at("198.51.100.1:6001"),
        component: Component::Control,
        length: 32,
        is_rtcp: true,
    };
    assert_eq!(verdict, expected);
    assert_eq!(report, receiver_report(77, 5));
    assert_eq!(scene.own.statistics().received.rtcp_packets, 1);
}

#[test]
fn multiplexed_rtcp_is_told_by_its_type_and_leaves_on_the_port_of_the_other_side() {
    let mut scene = Scene::new();
    let mut report = receiver_report(77, 5);
    assert_eq!(scene.media(PEER, &mut report), Verdict::Drop(DropReason::Malformed));
    scene.plan.is_muxed = true;
    let verdict = scene.media(PEER, &mut report);
    assert!(matches!(verdict, Verdict::Send { component: Component::Control, is_rtcp: true, .. }));
    scene.sink.set_direction(true, true);
    let verdict = scene.media(PEER, &mut report);
    assert!(matches!(verdict, Verdict::Send { component: Component::Media, is_rtcp: true, .. }));
    let stranger = scene.media("192.0.2.1:9", &mut report);
    assert_eq!(stranger, Verdict::Drop(DropReason::Source));
}

#[test]
fn rtcp_of_a_party_that_is_not_heard_stays_here() {
    let mut scene = Scene::new();
    let stamp = Stamp { source: 99, payload: 0, clock_hz: 8_000, now_us: 0, lead: 0 };
    let header = Header::read(&rtp(0, 1)).unwrap();
    scene.sink.stamp(&mut rtp(0, 1), &header, stamp);
    let verdict = scene.put(Component::Control, "192.0.2.1:4001", &mut receiver_report(77, 5));
    assert_eq!(verdict, Verdict::Keep);
}

#[test]
fn reports_about_a_renamed_stream_reach_its_sender_under_its_own_name() {
    let mut scene = Scene::new();
    // The peer hears first SSRC 5, then SSRC 6 under the name of 5.
    for (source, ssrc) in [(50, 5u32), (60, 6)] {
        let mut packet = rtp(0, 1);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let header = Header::read(&packet).unwrap();
        let stamp = Stamp { source, payload: 0, clock_hz: 8_000, now_us: 0, lead: 0 };
        scene.own.stamp(&mut packet, &header, stamp);
    }
    let mut report = receiver_report(77, 5);
    scene.put(Component::Control, "192.0.2.1:4001", &mut report);
    let about = rtcp::read_blocks(&report).map(|block| block.ssrc).collect::<Vec<_>>();
    assert_eq!(about, [6]);
}

#[test]
fn rtcp_of_a_party_that_is_mixed_ends_here_even_while_its_keys_pass() {
    let mut scene = Scene::new();
    scene.plan.mixed = [0].into_iter().collect();
    scene.plan.telephone_event = None;
    let control = next_port(at(PEER)).to_string();
    for _ in 0..2 {
        let mut report = receiver_report(77, 5);
        assert_eq!(scene.put(Component::Control, &control, &mut report), Verdict::Keep);
        assert_eq!(scene.rtp(PEER, 101, 1), sent(FAR));
    }
    assert_eq!(scene.own.statistics().received.rtcp_packets, 2);
}

#[test]
fn rtcp_follows_a_peer_whose_media_was_moved_by_its_nat() {
    let mut scene = Scene::new();
    for sequence in 0..6 {
        scene.rtp(PEER, 0, sequence);
        scene.put(Component::Control, "192.0.2.1:4001", &mut receiver_report(77, 5));
    }
    let moved = |scene: &mut Scene| {
        scene.put(Component::Control, "192.0.2.1:31001", &mut receiver_report(77, 5))
    };
    assert_eq!(moved(&mut scene), Verdict::Drop(DropReason::Source));
    scene.now_us = 4_000_000;
    assert_eq!(scene.rtp("192.0.2.1:31000", 0, 100), sent(FAR));
    assert!(matches!(moved(&mut scene), Verdict::Send { is_rtcp: true, .. }));
    assert_eq!(scene.own.control_remote(), Some(at("192.0.2.1:31001")));
}

#[test]
fn broken_rtcp_is_malformed() {
    let mut scene = Scene::new();
    let mut report = receiver_report(77, 5);
    report.truncate(30);
    let verdict = scene.put(Component::Control, "192.0.2.1:4001", &mut report);
    assert_eq!(verdict, Verdict::Drop(DropReason::Malformed));
}

#[test]
fn a_digit_is_reported_at_its_end_with_its_duration() {
    let mut scene = Scene::new();
    scene.rtp(PEER, 0, 1);
    let mut packet = rtp(101, 2);
    packet[12..16].copy_from_slice(&[7, 0x8a, 0x03, 0x20]);
    assert!(matches!(scene.media(PEER, &mut packet[..16]), Verdict::Send { .. }));
    assert_eq!(scene.finding, Some(Finding::WholeKey('7', Duration::from_millis(100))));
}

#[test]
fn a_digit_whose_end_packets_were_lost_is_reported_with_what_comes_next() {
    let key = |digit: u8, is_over: bool, timestamp: u8| {
        let mut packet = rtp(101, 2);
        packet[4..8].copy_from_slice(&[0, 0, timestamp, 0]);
        packet[12..16].copy_from_slice(&[digit, if is_over { 0x8a } else { 0x0a }, 0x03, 0x20]);
        packet
    };
    let duration = Duration::from_millis(100);
    let mut scene = Scene::new();
    scene.plan.clocks_hz[101] = 8_000;
    scene.media(PEER, &mut key(5, false, 0)[..16]);
    assert_eq!((scene.overdue, scene.finding), (None, Some(Finding::Key('5'))));
    scene.media(PEER, &mut key(6, true, 8)[..16]);
    assert_eq!(scene.overdue, Some(('5', duration)));
    assert_eq!(scene.finding, Some(Finding::WholeKey('6', duration)));
    scene.media(PEER, &mut key(7, false, 16)[..16]);
    (scene.overdue, scene.finding) = (None, None);
    // 100 ms after what is known of the key, and 20 ms later.
    for (sequence, overdue) in [(35, None), (36, Some(('7', duration)))] {
        scene.rtp(PEER, 0, sequence);
        assert_eq!((scene.overdue, scene.finding), (overdue, None));
    }
    // Or nothing at all comes.
    scene.media(PEER, &mut key(8, false, 64)[..16]);
    assert_eq!(scene.ingress.overdue_key(999_999), None);
    assert_eq!(scene.ingress.overdue_key(1_000_000), Some(('8', duration)));
    assert_eq!(scene.ingress.overdue_key(9_000_000), None);
}

#[test]
fn a_key_from_another_port_after_a_pause_is_heard_and_its_address_learnt() {
    let mut scene = Scene::new();
    for sequence in 1..7 {
        scene.rtp(PEER, 0, sequence);
    }
    (scene.now_us, scene.latched) = (4_000_000, None);
    let mut packet = rtp(101, 7);
    packet[12..16].copy_from_slice(&[7, 0x0a, 0, 160]);
    scene.media("192.0.2.1:31000", &mut packet[..16]);
    assert_eq!(scene.latched, Some(at("192.0.2.1:31000")));
    assert_eq!(scene.finding, Some(Finding::Key('7')));
}

#[test]
fn a_transferred_party_goes_on_in_the_stream_that_the_far_phone_knows() {
    let mut scene = Scene::new();
    scene.rtp(PEER, 0, 500);
    let mut other = Scene::new();
    std::mem::swap(&mut other.sink, &mut scene.sink);
    other.plan.source = 2;
    other.now_us = 20_000;
    let mut packet = rtp(0, 9);
    packet[8..12].copy_from_slice(&1_234u32.to_be_bytes());
    other.media(PEER, &mut packet);
    let header = Header::read(&packet).unwrap();
    assert_eq!((header.ssrc, header.sequence), (Ssrc(77), Seq(501)));
    assert_eq!(header.timestamp, RtpTime(500 * 160 + 160));
    assert!(header.is_marked);
}

mod arbitrary {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn octets_never_panic(
            packets in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80)), 1..20),
        ) {
            let mut scene = Scene::new();
            scene.plan.is_muxed = true;
            for (is_media, mut packet) in packets {
                let component = if is_media { Component::Media } else { Component::Control };
                let length = packet.len();
                if let Verdict::Send { length: sent, .. } = scene.put(component, PEER, &mut packet) {
                    prop_assert!(sent <= length);
                }
            }
        }
    }
}

fn handed_over(scene: &Scene) -> Option<Handover> {
    let ends = Ends { own: &scene.own, sink: Some(&scene.sink) };
    handover(&scene.plan, &scene.ingress, ends, 8)
}

#[test]
fn a_stream_is_handed_over_once_its_peer_is_final_without_what_has_to_be_heard() {
    let mut scene = Scene::new();
    for sequence in 1..5 {
        scene.rtp(PEER, 8, sequence);
        assert_eq!(handed_over(&scene), None);
    }
    scene.rtp(PEER, 8, 5);
    let agreed = handed_over(&scene).unwrap();
    assert_eq!((agreed.peer, agreed.to), (at(PEER), at(FAR)));
    let rtp = agreed.rtp.unwrap();
    assert_eq!((rtp.ssrc, rtp.sent_ssrc, rtp.highest), (77, 77, 5));
    // The codec in use first, the other one, comfort noise; no telephone-events.
    assert_eq!(rtp.payloads, [Some((8, 8)), Some((0, 0)), Some((13, 13)), None]);
}

#[test]
fn a_stream_that_somebody_works_on_is_not_handed_over() {
    let locked = || {
        let mut scene = Scene::new();
        for sequence in 1..7 {
            scene.rtp(PEER, 8, sequence);
        }
        assert!(handed_over(&scene).is_some());
        scene
    };
    let mut scene = locked();
    scene.plan.is_receiving = false;
    assert_eq!(handed_over(&scene), None);
    let mut scene = locked();
    scene.plan.mixed = [8].into_iter().collect();
    assert_eq!(handed_over(&scene), None);
    let mut scene = locked();
    scene.plan.payloads[8] = BLOCKED;
    assert_eq!(handed_over(&scene), None);
    let scene = locked();
    scene.sink.set_treated(true);
    assert_eq!(handed_over(&scene), None);
    let mut scene = locked();
    scene.ingress.reopen(false, 0);
    assert_eq!(handed_over(&scene), None);
    // Another source is heard in the stream.
    let mut scene = locked();
    scene.plan.source += 1;
    assert_eq!(handed_over(&scene), None);
}

#[test]
fn what_was_forwarded_elsewhere_is_continued_by_the_next_source() {
    let mut scene = Scene::new();
    for sequence in 1..7 {
        scene.rtp(PEER, 8, sequence);
    }
    let elsewhere = crate::rtp::Elsewhere {
        highest: 106,
        received: 100,
        last_time: RtpTime(106 * 160),
        ..crate::rtp::Elsewhere::default()
    };
    scene.ingress.absorb(&scene.own, &elsewhere, 2_000_000);
    scene.sink.note(MINE, Ssrc(77), last_of(106, 106 * 160), 2_000_000);
    assert_eq!(scene.own.received.read().lost, 0);
    assert_eq!(scene.ingress.last_us, 2_000_000);
    scene.plan.source += 1;
    scene.now_us = 2_020_000;
    let mut packet = rtp(8, 9_000);
    scene.media(PEER, &mut packet);
    let next = Header::read(&packet).unwrap();
    assert_eq!((next.sequence, next.timestamp), (Seq(107), RtpTime(107 * 160)));
}

#[test]
fn nobody_is_sent_rtcp_because_somebody_else_named_him_and_then_spoke() {
    let named = |peer: &str| {
        let mut scene = Scene::new();
        scene.own.set_unproven();
        scene.plan.rules.peer = Some(at(peer).ip());
        scene.rtp(peer, 0, 1);
        assert!(!scene.own.is_unproven());
        scene.own.control_remote()
    };
    // The description names PEER, and the media comes from where the signalling came from.
    assert_eq!(named("203.0.113.5:2000"), Some(at("203.0.113.5:2001")));
    assert_eq!(named("192.0.2.1:9000"), Some(next_port(at(PEER))), "another port of its host");
}
