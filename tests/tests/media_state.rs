//! Media that follow the state, on real sockets: what the held, the parked, the waiting and the
//! members of a conference hear.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

#[path = "media_state/busy.rs"]
mod busy;
#[path = "../../media/tests/common/ports.rs"]
mod ports;

use std::f64::consts::TAU;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::sdp::Codec;
use switch::phone::{Behaviour, PhoneEvent};
use tests::program::{Application, LivePhone, PATIENCE, Program, office, pause};

/// The frequencies of the music: of the office, of line 203, of the park lot.
const OFFICE_HZ: u16 = 620;
const LINE_HZ: u16 = 1_130;
const LOT_HZ: u16 = 1_450;
/// The ringback and busy tones of France, `[location]` of the office.
const FRENCH_HZ: u16 = 440;
/// A tone that is there.
const CLEAR: f64 = 1_500.0;
/// One that is not.
const NONE: f64 = 150.0;

/// A second of a tone.
fn recording(folder: &Path, name: &str, sample_rate: u32, frequency_hz: u16) -> String {
    let path = folder.join(name);
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for n in 0..sample_rate {
        let turn = TAU * f64::from(frequency_hz) * f64::from(n) / f64::from(sample_rate);
        writer.write_sample((turn.sin() * 9_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
    path.display().to_string()
}

/// The office with music, and the files of it.
fn musical() -> (Program, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let all = recording(folder.path(), "office.wav", 8_000, OFFICE_HZ);
    let line = recording(folder.path(), "line.wav", 16_000, LINE_HZ);
    let lot = recording(folder.path(), "lot.wav", 8_000, LOT_HZ);
    let text = office(|text| {
        text.replace("[media]\n", &format!("[media]\nmusic = \"{all}\"\n"))
            .replace("[lines.203]\n", &format!("[lines.203]\nmusic = \"{line}\"\n"))
            .replace("[park.lots.main]\n", &format!("[park.lots.main]\nmusic = \"{lot}\"\n"))
    });
    assert_eq!(text.matches("music = ").count(), 3, "{text}");
    (Program::with(text), folder)
}

/// Two phones talk, and hum while they do.
fn talk(caller: &LivePhone, called: &LivePhone, number: &str) -> (LegId, LegId) {
    let near = caller.call(number);
    let far = called.incoming();
    caller.rings_there();
    called.answer(far);
    caller.connected(near);
    called.connected(far);
    assert!(caller.with(|phone| phone.hum(near, 300)));
    assert!(called.with(|phone| phone.hum(far, 400)));
    (near, far)
}

/// Waits until a phone has heard one frequency and none of the others for a fifth of a second.
fn hears_only(phone: &LivePhone, frequency_hz: u16, others: &[u16]) {
    let start = Instant::now();
    loop {
        let level = |hz: &u16| phone.with(|phone| phone.heard_level(*hz, 200));
        let is_there = level(&frequency_hz) > CLEAR;
        if is_there && others.iter().all(|other| level(other) < NONE) {
            return;
        }
        let heard: Vec<_> = others.iter().map(|other| (*other, level(other))).collect();
        assert!(
            start.elapsed() < PATIENCE,
            "{frequency_hz}: {}, others: {heard:?}",
            level(&frequency_hz)
        );
        pause();
    }
}

fn ask(app: &mut Application, method: &str, params: Value) -> Value {
    let answer = app.call(method, params.clone());
    answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
}

fn treat(app: &mut Application, call: &str, treatment: &str) {
    let treatment = format!("LINECALLTREATMENT_{treatment}");
    let h_call = app.handle(call);
    ask(app, "lineSetCallTreatment", json!({"hCall": h_call, "treatment": treatment}));
    app.expect(&["REPLY 0", &format!("{call} INFO TREATMENT")]);
    let info = ask(app, "lineGetCallInfo", json!({"hCall": h_call}));
    assert_eq!(info["callTreatment"], json!(treatment));
}

#[test]
fn the_held_hear_the_music_of_the_office_or_of_the_holders_line() {
    let (program, _files) = musical();
    let [a, b, c] = ["201", "202", "203"].map(|line| program.live_phone(line));
    let (near, far) = talk(&a, &b, "202");
    hears_only(&b, 300, &[OFFICE_HZ]);
    a.hold(near);
    hears_only(&b, OFFICE_HZ, &[300, LINE_HZ]);
    a.resume(near);
    hears_only(&b, 300, &[OFFICE_HZ]);
    b.hang_up(far);
    a.ended(near);
    // 203 has music of its own, of another sampling rate.
    let (near, far) = talk(&c, &b, "202");
    c.hold(near);
    hears_only(&b, LINE_HZ, &[300, OFFICE_HZ]);
    // Held the other way, the office's music is heard.
    c.resume(near);
    b.hold(far);
    hears_only(&c, OFFICE_HZ, &[LINE_HZ, 400]);
}

#[test]
fn the_parked_hear_the_music_of_the_lot_until_somebody_takes_them_out() {
    let (program, _files) = musical();
    let [a, b, c] = ["201", "202", "203"].map(|line| program.live_phone(line));
    let (near, far) = talk(&a, &b, "202");
    a.with(|phone| phone.transfer(near, "705"));
    hears_only(&b, LOT_HZ, &[300, OFFICE_HZ]);
    let out = c.call("705");
    c.connected(out);
    assert!(c.with(|phone| phone.hum(out, 500)));
    hears_only(&b, 500, &[LOT_HZ]);
    hears_only(&c, 400, &[LOT_HZ]);
    b.hang_up(far);
    c.ended(out);
}

#[test]
fn without_a_recording_the_held_hear_a_synthesised_tone() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (near, _) = talk(&a, &b, "202");
    a.hold(near);
    // The first chord: C, E, G.
    hears_quietly(&b, 262);
    hears_quietly(&b, 330);
}

/// Waits until a phone has heard a frequency for a tenth of a second, however softly.
fn hears_quietly(phone: &LivePhone, frequency_hz: u16) {
    let start = Instant::now();
    while phone.with(|phone| phone.heard_level(frequency_hz, 200)) < 400.0 {
        assert!(start.elapsed() < PATIENCE, "{frequency_hz} is not heard");
        pause();
    }
}

#[test]
fn a_treatment_changes_what_the_held_party_hears_at_once() {
    let (program, _files) = musical();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut app = program.application("desk");
    app.open("201");
    let caps = ask(&mut app, "lineGetAddressCaps", json!({"deviceId": 0, "addressId": 0}));
    let listed = caps["callTreatmentList"].as_array().unwrap().iter();
    let listed: Vec<_> = listed.map(|entry| entry["callTreatmentId"].clone()).collect();
    let names = ["SILENCE", "RINGBACK", "BUSY", "MUSIC"];
    assert_eq!(listed, names.map(|name| json!(format!("LINECALLTREATMENT_{name}"))));
    let (near, _) = talk(&a, &b, "202");
    app.skip_to("201 INFO CONNECTEDID");
    let h_call = app.handle("201");
    let info = ask(&mut app, "lineGetCallInfo", json!({"hCall": h_call}));
    assert_eq!(info["callTreatment"], json!("LINECALLTREATMENT_MUSIC"));
    // Before it is held nothing is heard of it.
    treat(&mut app, "201", "BUSY");
    hears_only(&b, 300, &[FRENCH_HZ, OFFICE_HZ]);
    ask(&mut app, "lineHold", json!({"hCall": h_call}));
    app.skip_to("201 ONHOLD");
    hears_only(&b, FRENCH_HZ, &[300, OFFICE_HZ]);
    treat(&mut app, "201", "MUSIC");
    hears_only(&b, OFFICE_HZ, &[FRENCH_HZ, 300]);
    treat(&mut app, "201", "SILENCE");
    let start = Instant::now();
    let level = |hz| b.with(|phone| phone.heard_level(hz, 200));
    while [300, OFFICE_HZ, FRENCH_HZ].into_iter().any(|hz| level(hz) > NONE) {
        assert!(start.elapsed() < PATIENCE, "silence is not silent");
        pause();
    }
    treat(&mut app, "201", "RINGBACK");
    hears_only(&b, FRENCH_HZ, &[300, OFFICE_HZ]);
    ask(&mut app, "lineUnhold", json!({"hCall": h_call}));
    hears_only(&b, 300, &[FRENCH_HZ]);
    a.hang_up(near);
}

#[test]
fn treatments_that_are_none_or_nobodys_are_refused() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut app = program.application("desk");
    app.open("201");
    let mut other = program.application("watcher");
    other.open_for("201", &["MONITOR"]);
    let (near, _) = talk(&a, &b, "202");
    app.skip_to("201 INFO CONNECTEDID");
    other.skip_to("201 INFO CONNECTEDID");
    let wish = |h_call, treatment: Value| json!({"hCall": h_call, "treatment": treatment});
    let silence = json!("LINECALLTREATMENT_SILENCE");
    let (own, watched) = (app.handle("201"), other.handle("201"));
    let refused = |app: &mut Application, params| app.refusal("lineSetCallTreatment", params);
    assert_eq!(refused(&mut app, wish(own, json!(9))), "INVALPARAM");
    assert_eq!(refused(&mut app, wish(9_999, silence.clone())), "INVALCALLHANDLE");
    assert_eq!(refused(&mut other, wish(watched, silence.clone())), "NOTOWNER");
    a.hang_up(near);
    app.skip_to("201 IDLE");
    assert_eq!(refused(&mut app, wish(own, silence)), "INVALCALLSTATE");
}

#[test]
fn who_waits_for_an_offered_call_hears_what_that_call_says() {
    let (program, _files) = musical();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut app = program.application("desk");
    let line = app.open("201");
    app.open("202");
    ask(&mut app, "lineMakeCall", json!({"hLine": line, "destAddress": "202"}));
    // 201's phone answers by itself and hears ringback.
    let near = a.wait("its call", |event| match event {
        PhoneEvent::Connected { leg } => Some(*leg),
        _ => None,
    });
    assert!(a.with(|phone| phone.hum(near, 300)));
    let far = b.incoming();
    hears_only(&a, FRENCH_HZ, &[OFFICE_HZ]);
    app.skip_to("201 RINGBACK");
    treat(&mut app, "202", "MUSIC");
    hears_only(&a, OFFICE_HZ, &[FRENCH_HZ]);
    b.answer(far);
    b.connected(far);
    assert!(b.with(|phone| phone.hum(far, 400)));
    hears_only(&a, 400, &[OFFICE_HZ, FRENCH_HZ]);
}

#[test]
fn the_echo_test_begins_with_a_tone_and_gives_back_what_is_said() {
    let program = Program::start();
    let phone = program.live_phone("201");
    let mut app = program.application("desk");
    app.open("201");
    let leg = phone.call("*43");
    phone.connected(leg);
    app.skip_to("201 CONNECTED ACTIVE");
    assert!(phone.with(|phone| phone.hum(leg, 800)));
    hears_only(&phone, 800, &[FRENCH_HZ]);
    // It goes on after a hold.
    phone.hold(leg);
    phone.resume(leg);
    assert!(phone.with(|phone| phone.hum(leg, 900)));
    hears_only(&phone, 900, &[800]);
    phone.hang_up(leg);
    app.skip_to("201 IDLE");
    assert!(!program.log().contains("not yet available: echo"));
}

#[test]
fn a_failed_call_of_a_phone_on_the_line_hears_the_tone_of_the_field() {
    let program = Program::start();
    let a = program.live_phone("201");
    let busy = Behaviour { refuses_with: Some(486), ..Behaviour::default() };
    let _b = program.live_phone_with("202", busy);
    let mut app = program.application("desk");
    let line = app.open("201");
    for (number, frequency_hz, other) in [("202", FRENCH_HZ, 950), ("299", 950, FRENCH_HZ)] {
        ask(&mut app, "lineMakeCall", json!({"hLine": line, "destAddress": number}));
        let leg = a.wait("its call", |event| match event {
            PhoneEvent::Connected { leg } => Some(*leg),
            _ => None,
        });
        assert!(a.with(|phone| phone.hum(leg, 300)));
        hears_only(&a, frequency_hz, &[other]);
        a.hang_up(leg);
        app.wait("the call is over", |message| {
            message["params"]["callState"] == json!("LINECALLSTATE_IDLE")
        });
    }
}

#[test]
fn a_phone_that_lets_early_media_play_hears_the_tone_before_its_call_is_refused() {
    let program = Program::start();
    let a = program.live_phone("201");
    let mut app = program.application("desk");
    app.open("201");
    a.with(|phone| phone.attach("P-Early-Media", "supported"));
    let leg = a.call("299");
    a.wait("183 with media", |event| {
        matches!(event, PhoneEvent::Progress { status: 183, has_media: true, .. }).then_some(())
    });
    assert!(a.with(|phone| phone.hum(leg, 300)));
    hears_only(&a, 950, &[FRENCH_HZ]);
    hears_only(&a, 1_400, &[FRENCH_HZ]);
    assert_eq!(a.failed().0, 404);
    app.skip_to("201 SPECIALINFO CUSTIRREG");
    app.expect(&["201 DISCONNECTED BADADDRESS"]);
    // Any other phone is refused at once.
    a.with(|phone| phone.attach("P-Early-Media", "gated"));
    a.call("299");
    assert_eq!(a.failed().0, 404);
    app.skip_to("201/2 PROCEEDING");
    app.expect(&["201/2 DISCONNECTED BADADDRESS"]);
}

#[test]
fn the_tones_are_those_of_the_configured_country() {
    for (country_code, frequencies) in [(49, [425, 440]), (1, [480, 440])] {
        let text = office(|text| {
            text.replace("country_code = 33", &format!("country_code = {country_code}"))
        });
        let program = Program::with(text);
        let a = program.live_phone("201");
        let busy = Behaviour { refuses_with: Some(486), ..Behaviour::default() };
        let _b = program.live_phone_with("202", busy);
        let mut app = program.application("desk");
        let line = app.open("201");
        ask(&mut app, "lineMakeCall", json!({"hLine": line, "destAddress": "202"}));
        let leg = a.wait("its call", |event| match event {
            PhoneEvent::Connected { leg } => Some(*leg),
            _ => None,
        });
        assert!(a.with(|phone| phone.hum(leg, 1_900)));
        hears_only(&a, frequencies[0], &[]);
        let wrong = a.with(|phone| phone.heard_level(frequencies[1], 200));
        let right = a.with(|phone| phone.heard_level(frequencies[0], 200));
        assert!(wrong < right, "{country_code}: {wrong} {right}");
    }
}

#[test]
fn members_of_a_conference_hear_each_other_whatever_codec_they_speak() {
    let program = Program::start();
    let members = [
        ("201", Codec::pcmu(), 500),
        ("202", Codec::pcma(), 900),
        ("203", Codec::g722(), 1_300),
        ("204", Codec::opus(), 1_700),
    ];
    let phones: Vec<(LivePhone, LegId, u16)> = members
        .into_iter()
        .map(|(line, codec, hz)| {
            let codecs = vec![codec, Codec::telephone_event()];
            let behaviour = Behaviour { codecs, ..Behaviour::default() };
            let phone = program.live_phone_with(line, behaviour);
            let leg = phone.call("800");
            phone.connected(leg);
            assert!(phone.with(|phone| phone.hum(leg, hz)), "{line}");
            (phone, leg, hz)
        })
        .collect();
    for (phone, _, own) in &phones {
        let others = phones.iter().map(|(.., hz)| *hz).filter(|hz| hz != own);
        for other in others {
            // Opus says three tones at once a little softer.
            hears_only(phone, other, &[*own]);
        }
    }
    for (phone, leg, _) in &phones {
        phone.hang_up(*leg);
    }
}

/// The office with ports for one call.
fn tight() -> Program {
    let ports = ports::draw(4);
    let range = format!("ports = \"{}-{}\"", ports.start(), ports.end());
    let text = office(|text| text.replace("ports = \"16384-32767\"", &range));
    assert!(text.contains(&range), "{text}");
    Program::with(text)
}

/// The 503 that a call got, from its ladder.
fn refusal(program: &Program, app: &mut Application, call: &str) -> String {
    let h_call = app.handle(call);
    let info = ask(app, "lineGetCallInfo", json!({"hCall": h_call}));
    let (status, rows) = program.get(&format!("/api/v1/calls/{}/ladder", info["callId"]));
    assert_eq!(status, 200, "{rows}");
    let mut messages = rows["items"].as_array().unwrap().iter().map(|row| &row["message"]);
    let found = messages.find_map(|text| text.as_str().filter(|text| text.contains("2.0 503 ")));
    found.unwrap_or_else(|| panic!("{rows}")).to_owned()
}

#[test]
fn without_free_ports_new_calls_are_refused_calls_that_are_up_go_on_and_there_is_room_again() {
    let program = tight();
    let [a, b, c, d] = ["201", "202", "203", "204"].map(|line| program.live_phone(line));
    let mut app = program.application("desk");
    let h_line = app.open("203");
    let (near, far) = talk(&a, &b, "202");
    // A phone learns it from the response, the application from the state.
    c.call("204");
    let (status, reason) = c.failed();
    assert_eq!(status, 503);
    assert!(reason.unwrap().contains("cause=47"), "resource unavailable");
    app.skip_to("203 DISCONNECTED CONGESTION");
    let answer = refusal(&program, &mut app, "203");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    // An application that calls learns it from the error; no phone rings for it.
    let call = json!({"hLine": h_line, "destAddress": "204", "wait": true});
    let refused = app.call("lineMakeCall", call).unwrap_err();
    assert_eq!(refused["message"], "LINEERR_RESOURCEUNAVAIL");
    // Those who talk hear nothing of it.
    assert!(a.with(|phone| phone.hum(near, 500)));
    hears_only(&b, 500, &[300]);
    assert!(b.with(|phone| phone.hum(far, 700)));
    hears_only(&a, 700, &[400]);
    a.hang_up(near);
    b.ended(far);
    // Ports rest for a moment; who tries again gets through.
    let start = Instant::now();
    let leg = loop {
        assert!(start.elapsed() < PATIENCE, "no room although nobody talks");
        let leg = c.call("204");
        let is_through = c.wait("an answer of the switch", |event| match event {
            PhoneEvent::Progress { status: 180, .. } => Some(true),
            PhoneEvent::Failed { status: 503, .. } => Some(false),
            _ => None,
        });
        if is_through {
            break leg;
        }
        pause();
    };
    let there = d.incoming();
    d.answer(there);
    c.connected(leg);
    c.hang_up(leg);
    d.ended(there);
}
