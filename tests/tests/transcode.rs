//! Parties that share no codec hear each other through the switch; parties that share one never do.
//!
//! Real phones on real sockets hum a tone in their own codec and measure what they hear.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]
#![allow(clippy::disallowed_methods, reason = "a test waits on the real clock")]

use std::time::Instant;

use config::{Srtp, SrtpKeys};
use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::sdp::Codec;
use switch::phone::Behaviour;
use tests::interop::{self, Baresip};
use tests::program::{LivePhone, PATIENCE, Program, office, pause};

/// The peak of a hum.
const PEAK: f64 = 8_000.0;
/// How much louder or softer a tone may come out.
const ABOUT: f64 = 0.25;
/// The same of a tone that somebody else's program makes and turns into the rate of its codec.
const ROUGHLY: f64 = 0.5;
/// What of a tone that nobody hums may be there.
const NONE: f64 = 200.0;

fn events(payload: u8) -> Codec {
    Codec { payload, ..Codec::telephone_event() }
}

fn phone(program: &Program, line: &str, codecs: &[Codec]) -> LivePhone {
    let codecs = codecs.iter().cloned().chain([events(101)]).collect();
    program.live_phone_with(line, Behaviour { codecs, ..Behaviour::default() })
}

/// Two phones talk, and hum while they do.
fn talk(caller: &LivePhone, called: &LivePhone, tones: [u16; 2]) -> (LegId, LegId) {
    let near = caller.call(&called.number());
    let far = called.incoming();
    caller.rings_there();
    called.answer(far);
    caller.connected(near);
    called.connected(far);
    hum(caller, near, tones[0]);
    hum(called, far, tones[1]);
    (near, far)
}

fn hum(phone: &LivePhone, leg: LegId, tone: u16) {
    assert!(phone.with(|phone| phone.hum(leg, tone)), "{} cannot hum", phone.number());
}

/// Waits until a phone has heard one frequency, as loud as it was hummed, and none of the others.
fn hears(phone: &LivePhone, tone: u16, others: &[u16]) {
    hears_within(phone, tone, others, ABOUT);
}

fn hears_within(phone: &LivePhone, tone: u16, others: &[u16], tolerance: f64) {
    let start = Instant::now();
    loop {
        let level = |hz: u16| phone.with(|phone| phone.heard_level(hz, 200));
        let is_right = (level(tone) / PEAK - 1.0).abs() < tolerance;
        if is_right && others.iter().all(|other| level(*other) < NONE) {
            return;
        }
        let heard: Vec<f64> = others.iter().map(|other| level(*other)).collect();
        let number = phone.number();
        assert!(start.elapsed() < PATIENCE, "{number}: {tone} Hz {}, {heard:?}", level(tone));
        pause();
    }
}

fn hear_each_other(a: &LivePhone, b: &LivePhone, tones: [u16; 2]) {
    hears(a, tones[1], &[tones[0], 2_900]);
    hears(b, tones[0], &[tones[1], 2_900]);
}

/// Waits until the control interface says of the calls of these lines whether they are transcoded.
fn shown(program: &Program, lines: &[&str], is_transcoded: bool) {
    for collection in ["/api/v1/calls", "/api/v1/media"] {
        program.until(collection, |answer| {
            let rows: Vec<&Value> = answer["items"].as_array().into_iter().flatten().collect();
            let is_so = |line: &&str| {
                rows.iter().any(|row| row["line"] == *line && row["transcoded"] == is_transcoded)
            };
            lines.iter().all(is_so)
        });
    }
}

/// Waits until a line stands in the metrics.
fn counted(program: &Program, wanted: &str) {
    let has = |text: &Value| text.as_str().is_some_and(|text| text.lines().any(|l| l == wanted));
    program.until("/metrics", has);
}

#[test]
fn a_tone_in_is_the_same_tone_out_for_every_pair_of_codecs() {
    let program = Program::with(office(|text| text));
    let (u, a, g, o) = (Codec::pcmu(), Codec::pcma(), Codec::g722(), Codec::opus());
    let rounds = [
        [("201", &u, "202", &a), ("203", &g, "204", &o), ("205", &a, "206", &g)],
        [("201", &g, "202", &u), ("203", &o, "204", &u), ("205", &a, "206", &o)],
    ];
    for round in rounds {
        let calls: Vec<_> = round
            .into_iter()
            .map(|(caller, first, called, second)| {
                let caller = phone(&program, caller, std::slice::from_ref(first));
                let called = phone(&program, called, std::slice::from_ref(second));
                let legs = talk(&caller, &called, [500, 1_300]);
                (caller, called, legs)
            })
            .collect();
        for (caller, called, _) in &calls {
            hear_each_other(caller, called, [500, 1_300]);
            shown(&program, &[&caller.number(), &called.number()], true);
        }
        counted(&program, "strowger_calls_transcoded 3");
        let table = program.command(&["media"]);
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        assert!(table.contains("TRANSCODED"), "{table}");
        for (caller, called, (near, far)) in calls {
            caller.hang_up(near);
            called.ended(far);
        }
    }
}

#[test]
fn nothing_is_transcoded_between_parties_that_share_a_codec_whatever_they_prefer() {
    let program = Program::with(office(|text| text));
    let a = phone(&program, "201", &[Codec::g722(), Codec::pcma()]);
    let b = phone(&program, "202", &[Codec::opus(), Codec::pcmu(), Codec::pcma()]);
    let (near, far) = talk(&a, &b, [500, 1_300]);
    hear_each_other(&a, &b, [500, 1_300]);
    shown(&program, &["201", "202"], false);
    a.hold(near);
    a.resume(near);
    b.hold(far);
    b.resume(far);
    hear_each_other(&a, &b, [500, 1_300]);
    shown(&program, &["201", "202"], false);
    counted(&program, "strowger_calls_transcoded_total 0");
}

#[test]
fn a_codec_that_changes_begins_and_ends_transcoding() {
    let program = Program::with(office(|text| text));
    let a = phone(&program, "201", &[Codec::pcmu()]);
    let b = phone(&program, "202", &[Codec::pcmu()]);
    let (near, _) = talk(&a, &b, [500, 1_300]);
    hear_each_other(&a, &b, [500, 1_300]);
    shown(&program, &["201", "202"], false);
    let speak = |codecs: Vec<Codec>| {
        a.with(|phone| phone.behaviour().codecs = codecs);
        a.resume(near);
        hum(&a, near, 500);
    };
    speak(vec![Codec::g722(), events(101)]);
    hear_each_other(&a, &b, [500, 1_300]);
    shown(&program, &["201", "202"], true);
    // One that the other side has is offered again, though behind: the switch gets out of the way.
    speak(vec![Codec::g722(), Codec::pcmu(), events(101)]);
    hear_each_other(&a, &b, [500, 1_300]);
    shown(&program, &["201", "202"], false);
    counted(&program, "strowger_calls_transcoded 0");
}

#[test]
fn a_transcoded_call_is_held_resumed_and_transferred_and_digits_pass() {
    let program = Program::with(office(|text| text));
    let a = phone(&program, "201", &[Codec::g722()]);
    let b = program.live_phone_with(
        "202",
        Behaviour { codecs: vec![Codec::pcma(), events(97)], ..Behaviour::default() },
    );
    let c = phone(&program, "203", &[Codec::pcmu()]);
    let (near, far) = talk(&a, &b, [500, 1_300]);
    hear_each_other(&a, &b, [500, 1_300]);
    a.press(near, "12#");
    b.hears_digits("12#");
    b.press(far, "09*");
    a.hears_digits("09*");
    hear_each_other(&a, &b, [500, 1_300]);
    b.hold(far);
    // The first chord of what the held hear: C, E, G.
    let start = Instant::now();
    while a.with(|phone| phone.heard_level(262, 200)) < 400.0 {
        assert!(start.elapsed() < PATIENCE, "nothing is heard on hold");
        pause();
    }
    b.resume(far);
    hear_each_other(&a, &b, [500, 1_300]);
    b.with(|phone| phone.transfer(far, "203"));
    let other = c.incoming();
    c.answer(other);
    c.connected(other);
    hum(&c, other, 900);
    hear_each_other(&a, &c, [500, 900]);
    shown(&program, &["201", "203"], true);
}

#[test]
fn a_parked_party_is_retrieved_by_a_phone_of_another_codec() {
    let program = Program::with(office(|text| text));
    let a = phone(&program, "201", &[Codec::pcmu()]);
    let b = phone(&program, "202", &[Codec::pcmu()]);
    let c = phone(&program, "203", &[Codec::g722()]);
    let (_, far) = talk(&a, &b, [500, 1_300]);
    hear_each_other(&a, &b, [500, 1_300]);
    b.with(|phone| phone.transfer(far, "701"));
    program.until("/api/v1/park", |answer| {
        answer["items"].as_array().is_some_and(|rows| rows.iter().any(|row| row["slot"] == "701"))
    });
    let leg = c.call("701");
    c.connected(leg);
    hum(&c, leg, 900);
    hear_each_other(&a, &c, [500, 900]);
    shown(&program, &["201", "203"], true);
}

#[test]
fn where_it_is_turned_off_parties_without_a_common_codec_are_refused() {
    let program = Program::with(office(|text| {
        text.replace("[media]\n", "[media]\ntranscode = [\"PCMU\", \"opus\"]\n")
    }));
    let a = phone(&program, "201", &[Codec::pcmu()]);
    let b = phone(&program, "202", &[Codec::g722()]);
    let c = phone(&program, "203", &[Codec::opus()]);
    a.call("202");
    assert_eq!(a.failed().0, 488, "{}", b.number());
    talk(&a, &c, [500, 1_300]);
    hear_each_other(&a, &c, [500, 1_300]);
}

#[test]
fn a_phone_that_offers_late_is_transcoded_unless_it_shares_a_codec() {
    let program = Program::with(office(|text| text));
    let late = |line: &str, codecs: &[Codec]| {
        let codecs = codecs.iter().cloned().chain([events(101)]).collect();
        let behaviour = Behaviour { codecs, offers_late: true, ..Behaviour::default() };
        program.live_phone_with(line, behaviour)
    };
    let a = late("201", &[Codec::pcmu()]);
    let b = phone(&program, "202", &[Codec::g722()]);
    let c = late("203", &[Codec::pcmu(), Codec::g722()]);
    let (near, far) = talk(&a, &b, [500, 1_300]);
    hear_each_other(&a, &b, [500, 1_300]);
    shown(&program, &["201", "202"], true);
    a.hang_up(near);
    b.ended(far);
    talk(&c, &b, [500, 1_300]);
    hear_each_other(&c, &b, [500, 1_300]);
    shown(&program, &["203", "202"], false);
}

#[test]
fn of_the_phones_of_a_line_only_one_that_refuses_is_asked_again() {
    let program = Program::with(office(|text| text));
    let a = phone(&program, "201", &[Codec::pcmu()]);
    let (b, c) =
        (phone(&program, "202", &[Codec::pcmu()]), phone(&program, "202", &[Codec::opus()]));
    for (first, second, is_transcoded) in [(&c, &b, true), (&b, &c, false)] {
        let near = a.call("202");
        let (answered, other) = (first.incoming(), second.incoming());
        first.answer(answered);
        a.connected(near);
        first.connected(answered);
        second.ended(other);
        hum(&a, near, 500);
        hum(first, answered, 1_300);
        hear_each_other(&a, first, [500, 1_300]);
        shown(&program, &["201", "202"], is_transcoded);
        a.hang_up(near);
        first.ended(answered);
    }
}

#[test]
fn a_caller_that_gives_up_stops_the_phone_that_was_asked_again() {
    let program = Program::with(office(|text| text));
    let a = phone(&program, "201", &[Codec::pcmu()]);
    let b = phone(&program, "202", &[Codec::g722()]);
    let near = a.call("202");
    let far = b.incoming();
    a.rings_there();
    a.hang_up(near);
    b.ended(far);
    program.until("/api/v1/calls", |answer| answer["items"].as_array().is_some_and(Vec::is_empty));
    program.until("/api/v1/media", |answer| answer["items"].as_array().is_some_and(Vec::is_empty));
}

#[test]
fn a_transfer_to_a_phone_of_the_same_codec_ends_transcoding() {
    let program = Program::with(office(|text| text));
    let a = phone(&program, "201", &[Codec::pcmu()]);
    let b = phone(&program, "202", &[Codec::opus()]);
    let c = phone(&program, "203", &[Codec::pcmu()]);
    let (_, far) = talk(&a, &b, [500, 1_300]);
    hear_each_other(&a, &b, [500, 1_300]);
    b.with(|phone| phone.transfer(far, "203"));
    let other = c.incoming();
    c.answer(other);
    c.connected(other);
    hum(&c, other, 900);
    hear_each_other(&a, &c, [500, 900]);
    shown(&program, &["201", "203"], false);
    counted(&program, "strowger_calls_transcoded 0");
    counted(&program, "strowger_calls_transcoded_total 1");
}

#[test]
fn parties_that_a_transfer_brings_together_are_each_asked_for_the_others_codec() {
    let program = Program::with(office(|text| text));
    let a = phone(&program, "201", &[Codec::pcmu()]);
    let b = phone(&program, "202", &[Codec::pcmu(), Codec::g722()]);
    let c = phone(&program, "203", &[Codec::g722()]);
    let (near, far) = talk(&a, &b, [500, 1_300]);
    b.hold(far);
    let (consult, other) = talk(&b, &c, [1_300, 900]);
    hear_each_other(&b, &c, [1_300, 900]);
    // It could have said so before; phones answer with what they like best.
    c.with(|phone| phone.behaviour().codecs = vec![Codec::pcmu(), events(101)]);
    b.with(|phone| phone.transfer_attended(far, consult));
    program.until("/api/v1/calls", |answer| {
        let rows = answer["items"].as_array().into_iter().flatten();
        rows.filter(|row| row["line"] == "201" && row["connected"] == "203").count() == 1
    });
    // A phone hums in the codec that it has then.
    program.until("/api/v1/calls", |answer| {
        let mut rows = answer["items"].as_array().into_iter().flatten();
        rows.any(|row| row["line"] == "203" && row["codec"] == "PCMU")
    });
    shown(&program, &["201", "203"], false);
    hum(&a, near, 500);
    hum(&c, other, 900);
    hear_each_other(&a, &c, [500, 900]);
}

#[test]
fn beyond_the_limit_only_parties_that_share_a_codec_are_connected() {
    let program =
        Program::with(office(|text| text.replace("[media]\n", "[media]\nmax_transcoded = 1\n")));
    let [u, g] = [Codec::pcmu(), Codec::g722()];
    let (a, b) = (
        phone(&program, "201", std::slice::from_ref(&u)),
        phone(&program, "202", std::slice::from_ref(&g)),
    );
    let (c, d) = (phone(&program, "203", std::slice::from_ref(&u)), phone(&program, "204", &[g]));
    let e = phone(&program, "205", &[u]);
    let (near, far) = talk(&a, &b, [500, 1_300]);
    c.call("204");
    assert_eq!(c.failed().0, 488, "{}", d.number());
    counted(&program, "strowger_calls_transcoding_refused_total 1");
    let (other, _) = talk(&c, &e, [500, 1_300]);
    hear_each_other(&c, &e, [500, 1_300]);
    c.hang_up(other);
    hear_each_other(&a, &b, [500, 1_300]);
    a.hang_up(near);
    b.ended(far);
    counted(&program, "strowger_calls_transcoded 0");
    talk(&c, &d, [500, 1_300]);
    hear_each_other(&c, &d, [500, 1_300]);
}

#[test]
fn a_transcoded_party_may_speak_srtp() {
    let program = Program::with(office(|text| {
        let text = text.replace("[media]\n", "[media]\nsdes_without_tls = true\n");
        text.replace("[lines.201]\n", "[lines.201]\nsrtp = \"required\"\n")
    }));
    let codecs = vec![Codec::opus(), events(101)];
    let srtp = (Srtp::Required, SrtpKeys::Sdes);
    let a = program.live_phone_with("201", Behaviour { codecs, srtp, ..Behaviour::default() });
    let b = phone(&program, "202", &[Codec::pcma()]);
    let (near, _) = talk(&a, &b, [500, 1_300]);
    hear_each_other(&a, &b, [500, 1_300]);
    a.hold(near);
    a.resume(near);
    a.press(near, "5");
    b.hears_digits("5");
    hear_each_other(&a, &b, [500, 1_300]);
    shown(&program, &["201", "202"], true);
}

/// A baresip decodes what it hears with libopus and spandsp and makes a tone of its own with them.
#[test]
fn a_stock_soft_phone_of_another_codec_hears_the_tone_that_is_hummed_and_is_heard_itself() {
    let program = Program::with(interop::office(|text| text));
    let mut calls = Vec::new();
    for (line, own, other, foreign, tone) in [
        ("201", Codec::pcmu(), "202", "opus/48000/2", 1_300),
        ("203", Codec::opus(), "204", "g722/16000/1", 900),
        ("205", Codec::g722(), "206", "pcma/8000/1", 700),
    ] {
        let mut peer =
            Baresip::with(&program, other, "udp", true, &format!(";audio_codecs={foreign}"));
        let phone = phone(&program, line, &[own]);
        let leg = if foreign.starts_with("g722") {
            peer.command("dial", line);
            let leg = phone.incoming();
            phone.answer(leg);
            leg
        } else {
            phone.call(other)
        };
        phone.connected(leg);
        hum(&phone, leg, tone);
        calls.push((phone, leg, peer, tone));
    }
    for (phone, _, peer, tone) in &calls {
        shown(&program, &[&phone.number()], true);
        hears_within(phone, 440, &[*tone, 2_900], ROUGHLY);
        peer.hears(*tone, &[440, 2_900]);
    }
    // It answers the switch's own sender reports: how far it is, and how well it hears.
    program.until("/api/v1/media", |answer| {
        let rows: Vec<&Value> = answer["items"].as_array().into_iter().flatten().collect();
        ["202", "204", "206"].iter().all(|line| {
            rows.iter().any(|row| {
                row["line"] == *line && !row["roundTripMs"].is_null() && !row["mosSent"].is_null()
            })
        })
    });
    for (phone, leg, peer, _) in &calls {
        phone.hang_up(*leg);
        peer.until_closed();
    }
}

#[test]
fn a_phone_that_an_application_calls_is_offered_opus_and_translated_only_where_it_must_be() {
    let program = Program::with(office(|text| text));
    let [opus, pcmu] = [Codec::opus(), Codec::pcmu()].map(|codec| vec![codec]);
    let (a, b) = (phone(&program, "201", &opus), phone(&program, "202", &opus));
    let c = phone(&program, "203", &pcmu);
    let mut application = program.application("crm");
    let line = application.open("201");
    for (other, is_transcoded) in [(&b, false), (&c, true)] {
        let number = other.number();
        application
            .call("lineMakeCall", json!({"hLine": line, "destAddress": number}))
            .expect("lineMakeCall");
        let near = a.incoming();
        a.connected(near);
        let far = other.incoming();
        other.answer(far);
        other.connected(far);
        hum(&a, near, 500);
        hum(other, far, 1_300);
        hear_each_other(&a, other, [500, 1_300]);
        shown(&program, &["201", &number], is_transcoded);
        program.until("/api/v1/calls", |answer| {
            let mut rows = answer["items"].as_array().into_iter().flatten();
            rows.any(|row| row["line"] == "201" && row["codec"] == "opus")
        });
        other.hang_up(far);
        a.ended(near);
    }
}
