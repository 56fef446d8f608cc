//! Tones and silence over loopback.

#![cfg(feature = "io")]

mod common;

use common::{Made, Pair, Phone, draw, local, receive, relay, reporting, until};
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

#[test]
fn a_treated_party_is_sent_reports_of_our_own_at_its_control_port() {
    let mut pair = Pair::new(reporting(100));
    pair.lock();
    pair.relay.treat(pair.a_id, 0, RINGBACK);
    let first = pair.a.hear().0;
    let (packet, port) = receive(&pair.a.control);
    assert_eq!(port, pair.a_ports.rtcp);
    let report = Made::read(&packet);
    // What B said before counts, too: it is the same stream.
    let (packets, octets) = report.counts();
    assert!(packets > 6 && octets == packets * 160, "{packets} {octets}");
    assert_eq!(report.ssrc(), first.ssrc.0);
    let ahead = report.timestamp().wrapping_sub(first.timestamp.0);
    assert!(ahead < 8_000 * 60, "{ahead}");
    let next = Made::read(&receive(&pair.a.control).0);
    assert_eq!((next.ssrc(), &next.name), (report.ssrc(), &report.name));
    assert!(next.counts() > report.counts() && next.timestamp() != report.timestamp());
    assert_ne!(next.ntp_middle(), report.ntp_middle());
}

#[test]
fn reports_about_a_treated_party_tell_its_loss_and_its_answer_tells_the_round_trip() {
    let mut pair = Pair::new(reporting(100));
    pair.lock();
    pair.relay.treat(pair.a_id, 0, RINGBACK);
    pair.a.sequence += 3;
    let highest = pair.a.talk(pair.a_ports, 0);
    let words: [u32; 7] = [0x80c8_0006, 0xa, 0x1111_2222, 0x3333_4444, 8_000, 7, 1_120];
    let own: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    pair.a.control.send_to(&own, local(pair.a_ports.rtcp)).unwrap();
    // A says a little more from time to time, else there is nothing to report.
    let (report, [ssrc, lost, heard, _, last_sr, _]) = loop {
        let report = Made::read(&receive(&pair.a.control).0);
        match report.block().filter(|block| block[4] != 0) {
            Some(block) => break (report, block),
            None => pair.a.talk(pair.a_ports, 0),
        };
    };
    assert_eq!((ssrc, lost & 0xff_ffff, last_sr), (0xa, 3, 0x2222_3333));
    assert!(heard >= u32::from(highest), "{heard}");
    assert_eq!(pair.relay.statistics(pair.a_id).unwrap().streams[0].round_trip, None);
    until("a round trip", || {
        // The answer to each report, as a phone gives it.
        pair.a.talk(pair.a_ports, 0);
        let report = Made::read(&receive(&pair.a.control).0);
        let words = [0x81c9_0007, 0xa, report.ssrc(), 0, 9, 80, report.ntp_middle(), 0];
        let answer: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        pair.a.control.send_to(&answer, local(pair.a_ports.rtcp)).unwrap();
        pair.relay.statistics(pair.a_id).unwrap().streams[0].round_trip.is_some()
    });
    assert!(pair.sent(pair.a_id).rtcp_packets > 0 && report.counts().0 > 0);
}

#[test]
fn reports_to_who_multiplexes_come_with_the_media_and_count_what_came_before() {
    let (mut relay, _notices) = reporting(100);
    let phone = Phone::new(2);
    let at = relay.add(1).unwrap();
    relay.modify(at.id, 0, StreamSpec { rtcp_mux: true, ..phone.spec() });
    relay.treat(at.id, 0, RINGBACK);
    let (mut heard, mut reports) = (0, 0);
    while reports < 3 {
        let (packet, port) = receive(&phone.media);
        assert_eq!(port, at.streams[0].rtp);
        if media::rtcp::is_rtcp(&packet) {
            let report = Made::read(&packet);
            assert_eq!(report.counts(), (heard, 160 * heard));
            assert_eq!(report.block(), None, "it has said nothing");
            reports += 1;
        } else {
            heard += 1;
        }
    }
}

#[test]
fn who_hears_a_party_gets_the_reports_of_that_party_alone() {
    let mut pair = Pair::new(reporting(20));
    let metronome = Phone::new(3);
    let keeps_time = pair.relay.add(1).unwrap();
    pair.relay.modify(keeps_time.id, 0, metronome.spec());
    pair.lock();
    pair.relay.treat(keeps_time.id, 0, RINGBACK);
    for _ in 0..5 {
        pair.a_to_b();
        pair.b_to_a();
        receive(&metronome.control);
    }
    assert_eq!(pair.sent(pair.a_id).rtcp_packets + pair.sent(pair.b_id).rtcp_packets, 0);
}

#[test]
fn reports_to_an_address_that_nobody_vouched_for_are_as_few_as_all_else() {
    let (mut relay, _notices) = reporting(10);
    let (metronome, moved) = (Phone::new(1), Phone::new(2));
    let [keeps_time, party] = [(); 2].map(|()| relay.add(1).unwrap());
    relay.modify(keeps_time.id, 0, metronome.spec());
    relay.modify(party.id, 0, StreamSpec { is_hidden: true, ..moved.spec() });
    relay.treat(party.id, 0, RINGBACK);
    relay.treat(keeps_time.id, 0, RINGBACK);
    for _ in 0..60 {
        receive(&metronome.control);
    }
    let sent = relay.statistics(party.id).unwrap().streams[0].sent;
    // Five a second for five seconds, of all kinds.
    assert!((1..=25).contains(&(sent.packets + sent.rtcp_packets)), "{sent:?}");
}
