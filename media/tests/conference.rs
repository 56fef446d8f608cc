//! Conferences over loopback: who hears whom, found by the pitch of what each says.

#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, reason = "tests fail by panic")]

mod common;

use std::f64::consts::TAU;
use std::ops::RangeInclusive;
use std::time::Duration;

use common::{Made, Phone, draw, local, receive, relay_of, reporting, until};
use media::codec::voice::{Decoder, Encoder};
use media::rtp::{Header, RtpTime, Seq, Ssrc};
use media::{
    MEMBERS_MAX, MediaConfig, MediaError, MediaPlane, MemberCodec, PayloadMap, RelayControl,
    Speaker, StreamPorts, StreamSpec, TerminationId, Tone, Treatment, Voice,
};

const AMPLITUDE: f64 = 6_000.0;
const PCMU: MemberCodec = MemberCodec { payload: 0, kind: Voice::Pcmu };
const PCMA: MemberCodec = MemberCodec { payload: 8, kind: Voice::Pcma };
const G722: MemberCodec = MemberCodec { payload: 9, kind: Voice::G722 };

/// A phone that hums one note in one codec and understands what it hears.
struct Hummer {
    phone: Phone,
    id: TerminationId,
    ports: StreamPorts,
    codec: MemberCodec,
    encoder: Encoder,
    decoder: Decoder,
    note_hz: f64,
    said: u32,
    heard: Vec<i16>,
}

impl Hummer {
    fn new(relay: &mut RelayControl, codec: MemberCodec, note_hz: f64) -> Self {
        let phone = Phone::new(1 + note_hz as u32);
        let at = relay.add(1).unwrap();
        relay.modify(at.id, 0, phone.spec());
        let (encoder, decoder) = (Encoder::new(codec.kind), Decoder::new(codec.kind));
        let ports = at.streams[0];
        Self {
            phone,
            id: at.id,
            ports,
            codec,
            encoder,
            decoder,
            note_hz,
            said: 0,
            heard: Vec::new(),
        }
    }

    /// Says the next 20 ms of its note.
    fn hum(&mut self) {
        self.hum_long(1);
    }

    /// Says so many frames of its note in one packet.
    fn hum_long(&mut self, frames: u32) {
        let rate = self.codec.kind.rate_hz();
        let step = TAU * self.note_hz / f64::from(rate);
        let count = frames * rate / 50;
        let from = self.said * count;
        let wave = |n: u32| ((f64::from(n) * step).sin() * AMPLITUDE) as i16;
        let samples: Vec<i16> = (from..from + count).map(wave).collect();
        let mut packet = vec![0u8; 12 + 160 * frames as usize];
        let header = Header {
            payload: self.codec.payload,
            is_marked: false,
            sequence: Seq(self.said as u16),
            timestamp: RtpTime(self.said * 160 * frames),
            ssrc: Ssrc(self.phone.ssrc),
        };
        header.write(&mut packet);
        self.encoder.encode(&samples, &mut packet[12..]);
        self.phone.media.send_to(&packet, local(self.ports.rtp)).unwrap();
        self.said += 1;
    }

    /// Hears the next 20 ms; gives its header.
    fn listen(&mut self) -> Header {
        let (header, packet, port) = self.phone.hear();
        assert_eq!((header.payload, port, packet.len()), (self.codec.payload, self.ports.rtp, 172));
        let mut samples = [0; 320];
        let count = self.decoder.decode(&packet[12..], &mut samples);
        self.heard.extend(&samples[..count]);
        header
    }

    /// Hears the newest 20 ms and forgets what waited before.
    fn catch_up(&mut self) {
        self.phone.media.set_nonblocking(true).unwrap();
        while self.phone.media.recv(&mut [0; 200]).is_ok() {}
        self.phone.media.set_nonblocking(false).unwrap();
        self.heard.clear();
    }

    /// The strength of a note in the last half second, 1 for all of it (Goertzel).
    fn hears(&self, note_hz: f64) -> f64 {
        let rate = self.codec.kind.rate_hz();
        let count = rate as usize / 2;
        let samples = &self.heard[self.heard.len() - count..];
        let coefficient = 2.0 * (TAU * note_hz / f64::from(rate)).cos();
        let (mut one, mut two) = (0.0, 0.0);
        for sample in samples {
            let next = f64::from(*sample) + coefficient * one - two;
            two = one;
            one = next;
        }
        let power = one * one + two * two - coefficient * one * two;
        power.max(0.0).sqrt() * 2.0 / count as f64 / AMPLITUDE
    }

    fn is_member(&self, relay: &mut RelayControl, conference: media::ConferenceId) {
        relay.join(conference, self.id, 0, self.codec).unwrap();
    }
}

/// Everybody hums and hears for so many frames. What comes sets the pace.
fn run(hummers: &mut [&mut Hummer], frames: usize) {
    for _ in 0..frames {
        hummers.iter_mut().for_each(|hummer| hummer.hum());
        hummers.iter_mut().for_each(|hummer| {
            hummer.listen();
        });
    }
}

fn relay(ports: RangeInclusive<u16>, workers: usize) -> RelayControl {
    relay_of(MediaConfig { ports, workers, quarantine: Duration::ZERO, ..MediaConfig::default() }).0
}

/// A note is heard: the jitter buffer may have left out a frame, which costs a little of it.
const LOUD: f64 = 0.5;
const QUIET: f64 = 0.1;

#[test]
fn three_phones_of_three_codecs_hear_the_other_two_and_not_themselves() {
    // Two workers: packets cross from one to the other.
    let mut relay = relay(draw(64), 2);
    let room = relay.new_conference().unwrap();
    let mut a = Hummer::new(&mut relay, PCMU, 500.0);
    let mut b = Hummer::new(&mut relay, PCMA, 900.0);
    let mut c = Hummer::new(&mut relay, G722, 1_300.0);
    for hummer in [&a, &b, &c] {
        hummer.is_member(&mut relay, room);
    }
    run(&mut [&mut a, &mut b, &mut c], 60);
    let notes = [500.0, 900.0, 1_300.0];
    for (listener, hummer) in [&a, &b, &c].into_iter().enumerate() {
        for (speaker, note) in notes.into_iter().enumerate() {
            let strength = hummer.hears(note);
            if listener == speaker {
                assert!(strength < QUIET, "{listener} hears itself: {strength}");
            } else {
                assert!(strength > LOUD, "{listener} hears {speaker}: {strength}");
            }
        }
    }
}

#[test]
fn who_leaves_is_heard_no_more_and_hears_no_more() {
    let mut relay = relay(draw(64), 1);
    let room = relay.new_conference().unwrap();
    let mut a = Hummer::new(&mut relay, PCMA, 500.0);
    let mut b = Hummer::new(&mut relay, PCMA, 900.0);
    let mut c = Hummer::new(&mut relay, PCMU, 1_300.0);
    for hummer in [&a, &b, &c] {
        hummer.is_member(&mut relay, room);
    }
    run(&mut [&mut a, &mut b, &mut c], 40);
    assert!(a.hears(900.0) > LOUD && a.hears(1_300.0) > LOUD);
    relay.leave(b.id, 0);
    [&mut a, &mut c].into_iter().for_each(|hummer| hummer.catch_up());
    for _ in 0..60 {
        b.hum();
        run(&mut [&mut a, &mut c], 1);
    }
    assert!(a.hears(900.0) < QUIET && c.hears(900.0) < QUIET, "{}", a.hears(900.0));
    assert!(a.hears(1_300.0) > LOUD && c.hears(500.0) > LOUD);
    b.catch_up();
    run(&mut [&mut a, &mut c], 5);
    b.phone.media.set_nonblocking(true).unwrap();
    assert!(b.phone.media.recv(&mut [0; 200]).is_err());
    b.phone.media.set_nonblocking(false).unwrap();
    // And back.
    b.is_member(&mut relay, room);
    run(&mut [&mut a, &mut b, &mut c], 60);
    assert!(a.hears(900.0) > LOUD && b.hears(500.0) > LOUD && b.hears(900.0) < QUIET);
}

#[test]
fn a_member_alone_hears_silence_in_one_unbroken_stream() {
    let mut relay = relay(draw(64), 1);
    let room = relay.new_conference().unwrap();
    let mut a = Hummer::new(&mut relay, PCMU, 500.0);
    a.is_member(&mut relay, room);
    let first = a.listen();
    for step in 1..30u16 {
        a.hum();
        let header = a.listen();
        assert_eq!(header.ssrc, first.ssrc);
        assert_eq!(header.sequence, first.sequence.plus(step));
        assert_eq!(header.timestamp.minus(first.timestamp), 160 * u32::from(step));
    }
    assert!(a.heard.iter().all(|sample| *sample == 0));
}

#[test]
fn a_party_that_sends_packets_of_80_ms_is_heard() {
    let mut relay = relay(draw(64), 2);
    let room = relay.new_conference().unwrap();
    let mut a = Hummer::new(&mut relay, PCMU, 500.0);
    let mut b = Hummer::new(&mut relay, PCMA, 900.0);
    a.is_member(&mut relay, room);
    b.is_member(&mut relay, room);
    for frame in 0..60 {
        if frame % 4 == 0 {
            a.hum_long(4);
        }
        b.hum();
        a.listen();
        b.listen();
    }
    assert!(b.hears(500.0) > LOUD && a.hears(900.0) > LOUD, "{}", b.hears(500.0));
}

#[test]
fn a_telephone_event_is_not_mixed() {
    let mut relay = relay(draw(64), 1);
    let room = relay.new_conference().unwrap();
    let mut a = Hummer::new(&mut relay, PCMU, 500.0);
    let mut b = Hummer::new(&mut relay, PCMU, 900.0);
    a.is_member(&mut relay, room);
    b.is_member(&mut relay, room);
    for _ in 0..40 {
        a.phone.talk(a.ports, 101);
        a.listen();
        b.listen();
    }
    assert!(b.heard.iter().all(|sample| *sample == 0));
    until("the packets are counted", || {
        relay.statistics(a.id).unwrap().streams[0].received.packets >= 40
    });
}

#[test]
fn a_treated_member_hears_the_treatment_and_the_conference_afterwards() {
    let mut relay = relay(draw(64), 1);
    let room = relay.new_conference().unwrap();
    let mut a = Hummer::new(&mut relay, PCMU, 500.0);
    let mut b = Hummer::new(&mut relay, PCMU, 900.0);
    a.is_member(&mut relay, room);
    b.is_member(&mut relay, room);
    relay.treat(a.id, 0, Treatment::Tone(Tone::Dial, MemberCodec::PCMU));
    a.catch_up();
    run(&mut [&mut a, &mut b], 40);
    assert!(a.hears(425.0) > LOUD && a.hears(900.0) < QUIET);
    assert!(b.hears(500.0) > LOUD);
    relay.treat(a.id, 0, Treatment::None);
    run(&mut [&mut a, &mut b], 40);
    assert!(a.hears(900.0) > LOUD && a.hears(425.0) < QUIET);
}

#[test]
fn a_stream_is_in_one_conference_or_connected_to_one_party() {
    let mut relay = relay(draw(64), 2);
    let (one, other) = (relay.new_conference().unwrap(), relay.new_conference().unwrap());
    let mut a = Hummer::new(&mut relay, PCMU, 500.0);
    let mut b = Hummer::new(&mut relay, PCMU, 900.0);
    let mut c = Hummer::new(&mut relay, PCMU, 1_300.0);
    a.is_member(&mut relay, one);
    b.is_member(&mut relay, one);
    c.is_member(&mut relay, other);
    a.is_member(&mut relay, other);
    run(&mut [&mut a, &mut b, &mut c], 60);
    assert!(a.hears(1_300.0) > LOUD && a.hears(900.0) < QUIET && b.hears(500.0) < QUIET);
    let same = PayloadMap::identity;
    relay.connect((a.id, 0), (b.id, 0), same(), same());
    [&mut a, &mut b, &mut c].into_iter().for_each(|hummer| hummer.catch_up());
    run(&mut [&mut a, &mut b], 60);
    assert!(a.hears(900.0) > 0.9 && b.hears(500.0) > 0.9);
    c.listen();
}

#[test]
fn a_dropped_conference_is_void_and_its_members_are_free() {
    let mut relay = relay(draw(64), 1);
    let room = relay.new_conference().unwrap();
    let mut a = Hummer::new(&mut relay, PCMU, 500.0);
    a.is_member(&mut relay, room);
    a.listen();
    relay.drop_conference(room);
    let joined = relay.join(room, a.id, 0, PCMU);
    assert!(matches!(joined, Err(MediaError::UnknownConference)));
    let again = relay.new_conference().unwrap();
    relay.drop_conference(room);
    a.is_member(&mut relay, again);
    a.listen();
    let gone = a.id;
    relay.subtract(gone);
    let joined = relay.join(again, gone, 0, PCMU);
    assert!(matches!(joined, Err(MediaError::UnknownTermination)));
}

#[test]
fn a_full_conference_takes_no_more() {
    let mut relay = relay(draw(200), 1);
    let room = relay.new_conference().unwrap();
    let mut add = || relay.add(1).unwrap().id;
    let members: Vec<_> = (0..=MEMBERS_MAX).map(|_| add()).collect();
    for id in &members[1..] {
        relay.modify(*id, 0, StreamSpec::default());
        relay.join(room, *id, 0, PCMA).unwrap();
    }
    let joined = relay.join(room, members[0], 0, PCMA);
    assert!(matches!(joined, Err(MediaError::ConferenceFull)));
    relay.leave(members[5], 0);
    relay.join(room, members[0], 0, PCMA).unwrap();
}

#[test]
fn members_of_a_conference_are_sent_reports_of_our_own_and_not_those_of_other_members() {
    let (mut relay, _notices) = reporting(100);
    let room = relay.new_conference().unwrap();
    let mut one = Hummer::new(&mut relay, PCMU, 500.0);
    let mut other = Hummer::new(&mut relay, PCMA, 900.0);
    one.is_member(&mut relay, room);
    other.is_member(&mut relay, room);
    let mut names = Vec::new();
    run(&mut [&mut one, &mut other], 20);
    for hummer in [&mut one, &mut other] {
        let heard = hummer.listen();
        let report = Made::read(&receive(&hummer.phone.control).0);
        assert_eq!(report.ssrc(), heard.ssrc.0);
        let (packets, octets) = report.counts();
        assert!(packets > 0 && octets == packets * 160, "{packets} {octets}");
        if let Some([ssrc, lost, ..]) = report.block() {
            assert_eq!((ssrc, lost), (hummer.phone.ssrc, 0));
        }
        names.push(report.name);
    }
    assert_ne!(names[0], names[1], "each leg has a name of its own");
    // What the one sends of its own accord ends here.
    let report = common::receiver_report(one.phone.ssrc, 1);
    one.phone.control.send_to(&report, local(one.ports.rtcp)).unwrap();
    until("the report", || relay.statistics(one.id).unwrap().streams[0].received.rtcp_packets > 0);
    for _ in 0..3 {
        assert_eq!(Made::read(&receive(&other.phone.control).0).name, names[1]);
    }
}

#[test]
fn parties_that_share_no_codec_are_sent_reports_of_our_own() {
    let (mut relay, _notices) = reporting(100);
    let mut one = Hummer::new(&mut relay, PCMU, 500.0);
    let mut other = Hummer::new(&mut relay, G722, 900.0);
    let [a, b] = [&one, &other].map(|hummer| Speaker {
        stream: (hummer.id, 0),
        speaks: vec![hummer.codec],
        hears: hummer.codec,
        passes: PayloadMap::from(vec![]),
    });
    relay.transcode(a, b).unwrap();
    run(&mut [&mut one, &mut other], 20);
    for hummer in [&mut one, &mut other] {
        let heard = hummer.listen();
        let report = Made::read(&receive(&hummer.phone.control).0);
        assert_eq!(report.ssrc(), heard.ssrc.0);
        let (packets, octets) = report.counts();
        assert!(packets > 0 && octets == packets * 160, "{packets} {octets}");
    }
}
