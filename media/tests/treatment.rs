//! Tones and silence over loopback.

#![cfg(feature = "io")]

mod common;

use common::{Pair, Phone, draw, relay, until};
use media::codec::g711::decode;
use media::rtp::Seq;
use media::{MediaPlane, MemberCodec, StreamSpec, Tone, ToneCodec, Treatment};

const RINGBACK: Treatment = Treatment::Tone(Tone::Ringback, MemberCodec::PCMA);

#[test]
fn a_caller_hears_ringback_and_then_the_called_party_in_one_stream() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.relay.treat(pair.a_id, 0, RINGBACK);
    let (first, packet, port) = pair.a.hear();
    assert_eq!((first.payload, packet.len(), port), (8, 172, pair.a_ports.rtp));
    assert!(first.is_marked);
    let second = pair.a.hear().0;
    assert_eq!(second.sequence, first.sequence.plus(1));
    assert_eq!(second.timestamp.minus(first.timestamp), 160);
    let loud = |packet: &[u8]| {
        packet[12..].iter().any(|octet| decode(ToneCodec::Pcma, *octet).unsigned_abs() > 4_000)
    };
    let (mut last, packet, _) = pair.a.hear();
    assert!(loud(&packet));

    pair.relay.treat(pair.a_id, 0, Treatment::None);
    let sequence = pair.b.talk(pair.b_ports, 0);
    let answered = loop {
        let header = pair.a.hear().0;
        if header.payload == 0 {
            break header;
        }
        last = header;
    };
    assert_eq!(answered.ssrc, first.ssrc);
    assert_eq!(answered.sequence, last.sequence.plus(1));
    assert!(answered.is_marked && answered.timestamp.minus(last.timestamp) >= 160);
    assert_ne!(answered.sequence, Seq(sequence));
}

#[test]
fn a_held_party_hears_the_hold_tone_and_not_the_holder() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.lock();
    // A holds B: A neither sends nor hears; B hears the tone and may go on talking.
    let held = StreamSpec { receive: false, send: false, ..pair.a.spec() };
    pair.relay.modify(pair.a_id, 0, held);
    pair.relay.treat(pair.b_id, 0, Treatment::Tone(Tone::Hold, MemberCodec::PCMU));
    pair.a.talk(pair.a_ports, 0);
    let first = pair.b.hear().0;
    assert!(first.is_marked);
    for step in 1..20 {
        assert_eq!(pair.b.hear().0.sequence, first.sequence.plus(step));
    }
    assert_eq!(pair.received(pair.a_id).dropped.direction, 1);
    let before = pair.sent(pair.a_id).packets;
    pair.b.talk(pair.b_ports, 0);
    until("the drop", || pair.sent(pair.a_id).dropped.direction > 0);
    assert_eq!(pair.sent(pair.a_id).packets, before);
}

#[test]
fn a_treatment_waits_until_the_peer_may_be_sent_to() {
    let mut pair = Pair::new(relay(draw(64)));
    let on_hold = StreamSpec { send: false, ..pair.a.spec() };
    pair.relay.modify(pair.a_id, 0, on_hold);
    pair.relay.treat(pair.a_id, 0, Treatment::Silence(MemberCodec::PCMU));
    // Other streams are served meanwhile.
    pair.lock_b_only();
    assert_eq!(pair.sent(pair.a_id).packets, 0);
    pair.relay.modify(pair.a_id, 0, pair.a.spec());
    let (_, packet, _) = pair.a.hear();
    assert!(packet[12..].iter().all(|octet| *octet == 0xff));
}

#[test]
fn changing_the_tone_keeps_the_stream() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.relay.treat(pair.a_id, 0, RINGBACK);
    let first = pair.a.hear().0;
    pair.relay.treat(pair.a_id, 0, Treatment::Tone(Tone::Busy, MemberCodec::PCMU));
    let mut expected = first.sequence;
    loop {
        let header = pair.a.hear().0;
        expected = expected.plus(1);
        assert_eq!((header.ssrc, header.sequence), (first.ssrc, expected));
        if header.payload == 0 {
            assert!(header.is_marked);
            break;
        }
    }
}

#[test]
fn a_subtracted_party_hears_no_more() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.relay.treat(pair.a_id, 0, RINGBACK);
    pair.a.hear();
    until("the counter", || pair.sent(pair.a_id).packets > 0);
    let statistics = pair.relay.subtract(pair.a_id);
    assert!(statistics.streams[0].sent.packets > 0);
    // The relay goes on for others.
    let other = Phone::new(9);
    let at_other = pair.relay.add(1).unwrap();
    pair.relay.modify(at_other.id, 0, other.spec());
    pair.relay.treat(at_other.id, 0, RINGBACK);
    other.hear();
    let so_far = {
        pair.a.media.set_nonblocking(true).unwrap();
        let mut buffer = [0u8; 200];
        while pair.a.media.recv(&mut buffer).is_ok() {}
        buffer.len()
    };
    for _ in 0..5 {
        other.hear();
    }
    assert!(pair.a.media.recv(&mut vec![0; so_far]).is_err());
}

#[test]
fn a_pair_that_served_a_treated_party_plays_the_next_treatment_at_its_normal_speed() {
    // Two pairs: one keeps time, the other is used again and again.
    let (mut relay, _notices) = relay(draw(4));
    let (metronome, phone) = (Phone::new(1), Phone::new(2));
    let keeps_time = relay.add(1).unwrap();
    relay.modify(keeps_time.id, 0, metronome.spec());
    relay.treat(keeps_time.id, 0, RINGBACK);
    for _ in 0..3 {
        let party = relay.add(1).unwrap();
        relay.modify(party.id, 0, phone.spec());
        relay.treat(party.id, 0, RINGBACK);
        phone.hear();
        relay.subtract(party.id);
    }
    let party = relay.add(1).unwrap();
    relay.modify(party.id, 0, phone.spec());
    let sent =
        |relay: &media::RelayControl, id| relay.statistics(id).unwrap().streams[0].sent.packets;
    let before = sent(&relay, keeps_time.id);
    relay.treat(party.id, 0, RINGBACK);
    until("thirty frames", || sent(&relay, keeps_time.id) >= before + 30);
    let (played, kept) = (sent(&relay, party.id), sent(&relay, keeps_time.id) - before);
    assert!(played <= kept + 5, "{played} {kept}");
}
