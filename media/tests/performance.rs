//! Digits, tones and recordings that are played once, and what is heard of them, over loopback.

#![cfg(feature = "io")]
#![allow(clippy::expect_used, reason = "tests fail by panic")]

mod common;

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use common::{PATIENCE, Pair, Phone, draw, local, relay, until};
use media::codec::g711::decode;
use media::rtp::TelephoneEvent;
use media::{
    Format, MediaPlane, MemberCodec, Notify, Partial, Performance, Sound, StreamSpec, Tone,
    ToneCodec, Treatment, Watch, WatchedTone,
};

const VOICE: Format = Format { voice: Some(MemberCodec::PCMU), event: None };
const EVENTS: Format = Format { voice: Some(MemberCodec::PCMU), event: Some((101, 8_000)) };

fn digits(digits: &str) -> Performance {
    let (tone, pause) = (Duration::from_millis(80), Duration::from_millis(60));
    Performance::Digits { digits: digits.to_owned(), tone, pause }
}

/// Waits for a notice that fits; others are passed over.
fn notice<T>(pair: &Pair, fits: impl Fn(Notify) -> Option<T>) -> T {
    loop {
        let notice = pair.notices.recv_timeout(PATIENCE).expect("a notice in time");
        if let Some(found) = fits(notice) {
            return found;
        }
    }
}

/// Waits for the end of a performance, which must be this one.
fn performed(pair: &Pair, ticket: u64) {
    let over = notice(pair, |notice| match notice {
        Notify::Performed { ticket, .. } => Some(ticket),
        _ => None,
    });
    assert_eq!(over, ticket);
}

/// What a phone hears, decoded, for so many packets.
fn listen(phone: &Phone, packets: usize) -> Vec<i16> {
    let heard = (0..packets).flat_map(|_| phone.hear().1.split_off(12));
    heard.map(|octet| decode(ToneCodec::Pcmu, octet)).collect()
}

/// How much of the sound is at a frequency, 1 for all.
fn share(samples: &[i16], frequency_hz: f64) -> f64 {
    let (mut re, mut im, mut all) = (0.0, 0.0, 1.0);
    for (n, sample) in samples.iter().enumerate() {
        let turn = TAU * frequency_hz * n as f64 / 8_000.0;
        re += f64::from(*sample) * turn.cos();
        im += f64::from(*sample) * turn.sin();
        all += f64::from(*sample).powi(2);
    }
    (re * re + im * im) * 2.0 / (all * samples.len() as f64)
}

#[test]
fn digits_go_out_as_events_that_repeat_their_end_three_times() {
    let mut pair = Pair::new(relay(draw(50)));
    assert!(pair.relay.perform(pair.a_id, 0, 7, digits("5,x#"), EVENTS));
    let mut events = Vec::new();
    let mut last = None;
    while events.iter().filter(|(_, event): &&(_, TelephoneEvent)| event.is_end).count() < 6 {
        let (header, packet, _) = pair.a.hear();
        if let Some(last) = last {
            assert_eq!(header.sequence.after(last), 1);
        }
        last = Some(header.sequence);
        if header.payload == 101 {
            events.push((header, TelephoneEvent::read(&packet[12..]).unwrap()));
        } else {
            assert!(packet[12..].iter().all(|octet| *octet == 0xff), "silence between digits");
        }
    }
    let (five, hash) = events.split_at(6);
    for (digit, code) in [(five, 5), (hash, 11)] {
        assert_eq!(digit.len(), 6);
        assert!(digit.iter().all(|(header, event)| {
            event.code == code && header.timestamp == digit[0].0.timestamp
        }));
        let durations: Vec<u16> = digit.iter().map(|(_, event)| event.duration).collect();
        assert_eq!(durations, [160, 320, 480, 640, 640, 640]);
        let ends: Vec<bool> = digit.iter().map(|(_, event)| event.is_end).collect();
        assert_eq!(ends, [false, false, false, true, true, true]);
        assert!(digit[0].0.is_marked && !digit[1].0.is_marked);
    }
    // 80 ms of key, 80 of gap, 60 of pause.
    assert_eq!(hash[0].0.timestamp.minus(five[0].0.timestamp), 8 * 220);
    performed(&pair, 7);
}

#[test]
fn digits_without_events_are_sound_and_are_heard_as_such_at_the_other_end() {
    let mut pair = Pair::new(relay(draw(50)));
    // What A is sent comes back from A: a phone that echoes.
    let watch = Watch { voice: Some(MemberCodec::PCMU), keys: true, ..Watch::default() };
    pair.relay.watch(pair.a_id, 0, watch);
    assert!(pair.relay.perform(pair.a_id, 0, 8, digits("159*D"), VOICE));
    let to = local(pair.a_ports.rtp);
    pair.a.media.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let (mut packet, mut heard) = ([0; 1_500], Vec::new());
    until("all digits", || {
        if let Ok(length) = pair.a.media.recv(&mut packet) {
            pair.a.media.send_to(&packet[..length], to).unwrap();
        }
        heard.extend(pair.notices.try_iter().filter_map(|notice| match notice {
            Notify::Key { digit, .. } => Some((digit, None)),
            Notify::Digit { digit, duration, .. } => Some((digit, Some(duration))),
            _ => None,
        }));
        if heard.len() < 10 && heard.last().is_some_and(|(digit, up)| *digit == 'D' && up.is_none())
        {
            // The performance ends with the gap; silence goes on.
            pair.relay.treat(pair.a_id, 0, Treatment::Silence(MemberCodec::PCMU));
        }
        heard.len() >= 10
    });
    for (pair, key) in heard.chunks(2).zip("159*D".chars()) {
        assert_eq!((pair[0], pair[1].0), ((key, None), key));
        let lasted = pair[1].1.expect("it came up");
        assert!((50..=100).contains(&lasted.as_millis()), "{key} {lasted:?}");
    }
}

#[test]
fn a_party_that_sends_events_is_not_heard_twice() {
    let mut pair = Pair::new(relay(draw(50)));
    let spec = StreamSpec { telephone_event: Some(101), ..pair.a.spec() };
    pair.relay.modify(pair.a_id, 0, spec);
    let watch = Watch { voice: Some(MemberCodec::PCMU), keys: true, ..Watch::default() };
    pair.relay.watch(pair.a_id, 0, watch);
    // B gets the digits as sound, A sends them on as sound after one event of its own.
    pair.relay.perform(pair.b_id, 0, 1, digits("123"), VOICE);
    let (to, a) = (local(pair.a_ports.rtp), pair.a.media.try_clone().unwrap());
    let mut event = common::rtp(101, 1, 9);
    event[12..16].copy_from_slice(&[4, 0x8a, 3, 0x20]);
    a.send_to(&event[..16], to).unwrap();
    for _ in 0..24 {
        let packet = pair.b.hear().1;
        a.send_to(&packet, to).unwrap();
    }
    performed(&pair, 1);
    let mut last = common::rtp(101, 900, 9);
    last[12..16].copy_from_slice(&[9, 0x8a, 3, 0x20]);
    a.send_to(&last[..16], to).unwrap();
    let mut keys = String::new();
    while !keys.contains('9') {
        keys.push(notice(&pair, |notice| match notice {
            Notify::Key { digit, .. } => Some(digit),
            _ => None,
        }));
    }
    // The first event and the last; what was told before was passed over by `performed`.
    assert!(keys.chars().all(|key| key == '4' || key == '9'), "{keys}");
}

#[test]
fn a_custom_tone_has_its_parts_and_ends_in_time() {
    let mut pair = Pair::new(relay(draw(50)));
    let part = |frequency_hz| Partial {
        frequency_hz,
        on: Duration::from_millis(100),
        off: Duration::ZERO,
        volume: 0xffff,
    };
    let tone = Performance::Custom(vec![part(500), part(900)], Some(Duration::from_millis(210)));
    assert!(pair.relay.perform(pair.a_id, 0, 3, tone, EVENTS));
    let heard = listen(&pair.a, 11);
    assert!(share(&heard, 500.0) > 0.4 && share(&heard, 900.0) > 0.4);
    performed(&pair, 3);
    assert_eq!(pair.sent(pair.a_id).packets, 11);
    // What was connected is heard again.
    pair.b.talk(pair.b_ports, 0);
    assert_eq!(pair.a.hear().1[12], 0x55);
}

#[test]
fn a_treatment_goes_on_after_a_performance_and_a_stopped_one_says_nothing() {
    let mut pair = Pair::new(relay(draw(50)));
    pair.relay.treat(pair.a_id, 0, Treatment::Silence(MemberCodec::PCMU));
    let busy = Performance::Tone(Tone::Busy, None);
    assert!(pair.relay.perform(pair.a_id, 0, 1, busy, VOICE));
    while share(&listen(&pair.a, 5), 425.0) < 0.9 {}
    pair.relay.stop_performing(pair.a_id, 0);
    while listen(&pair.a, 5).iter().any(|sample| *sample != 0) {}
    assert!(pair.relay.perform(pair.a_id, 0, 2, digits("1"), VOICE));
    performed(&pair, 2);
}

#[test]
fn a_recording_is_played_once_to_its_end() {
    let mut pair = Pair::new(relay(draw(50)));
    let samples: Arc<[i16]> = (0..3_200)
        .map(|n| ((TAU * 700.0 * f64::from(n) / 16_000.0).sin() * 9_000.0) as i16)
        .collect();
    let sound = Sound::new(16_000, samples).unwrap();
    assert!(pair.relay.perform(pair.a_id, 0, 5, Performance::Sound(sound), VOICE));
    let heard = listen(&pair.a, 10);
    assert!(share(&heard[80..], 700.0) > 0.9);
    performed(&pair, 5);
    assert_eq!(pair.sent(pair.a_id).packets, 10);
}

#[test]
fn a_performance_ends_although_its_party_may_not_be_sent_to() {
    let mut pair = Pair::new(relay(draw(50)));
    pair.relay.modify(pair.a_id, 0, StreamSpec { send: false, ..pair.a.spec() });
    assert!(pair.relay.perform(pair.a_id, 0, 6, digits("1"), VOICE));
    performed(&pair, 6);
    assert_eq!(pair.sent(pair.a_id).packets, 0);
}

#[test]
fn what_a_party_cannot_be_given_is_refused_at_once() {
    let mut pair = Pair::new(relay(draw(50)));
    let none = Format::default();
    assert!(!pair.relay.perform(pair.a_id, 0, 1, digits("1"), none));
    let events = Format { voice: None, event: Some((101, 8_000)) };
    let tone = Performance::Tone(Tone::Busy, None);
    assert!(!pair.relay.perform(pair.a_id, 0, 1, tone.clone(), events));
    assert!(!pair.relay.perform(pair.a_id, 9, 1, tone, VOICE));
    assert!(pair.relay.perform(pair.a_id, 0, 1, digits("1"), events));
    performed(&pair, 1);
}

#[test]
fn tones_and_silence_are_told_where_they_were_asked_for() {
    let mut pair = Pair::new(relay(draw(50)));
    let tone = |name, frequencies_hz, ms| WatchedTone {
        name,
        frequencies_hz,
        duration: Duration::from_millis(ms),
    };
    let tones = vec![tone(1, [425, 0, 0], 200), tone(2, [0; 3], 300), tone(3, [1_000, 0, 0], 100)];
    let watch = Watch { voice: Some(MemberCodec::PCMU), tones, signals: true, ..Watch::default() };
    pair.relay.watch(pair.b_id, 0, watch);
    pair.relay.perform(pair.a_id, 0, 1, Performance::Tone(Tone::Busy, None), VOICE);
    let (to, b) = (local(pair.b_ports.rtp), pair.b.media.try_clone().unwrap());
    let mut names = Vec::new();
    while names.len() < 4 {
        let packet = pair.a.hear().1;
        b.send_to(&packet, to).unwrap();
        names.extend(pair.notices.try_iter().filter_map(|notice| match notice {
            Notify::Tone { name, .. } => Some(name),
            _ => None,
        }));
    }
    assert_eq!(names, [1, 2, 1, 2]);
}

#[test]
fn a_party_hears_itself_while_it_is_echoed() {
    let (mut relay, _notices) = relay(draw(50));
    let mut phone = Phone::new(9);
    let at = relay.add(1).unwrap();
    relay.modify(at.id, 0, phone.spec());
    relay.treat(at.id, 0, Treatment::Echo);
    for _ in 0..10 {
        phone.talk(at.streams[0], 0);
        let (header, packet, _) = phone.hear();
        assert_eq!((header.payload, packet[12], packet.len()), (0, 0x55, 172));
    }
    relay.treat(at.id, 0, Treatment::None);
    phone.talk(at.streams[0], 0);
    until("it is received", || relay.statistics(at.id).unwrap().streams[0].received.packets == 11);
    assert_eq!(relay.statistics(at.id).unwrap().streams[0].sent.packets, 10);
}
