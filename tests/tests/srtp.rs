//! SRTP with keys in the SDP (RFC 4568) on real sockets: which offers are taken, that everybody hears
//! the other side whatever the state of the call, and that stock soft phones agree.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]

use config::{Srtp, SrtpKeys};
use serde_json::{Value, json};
use sip_stack::sdp::Codec;
use switch::phone::Behaviour;
use tests::interop::{self, Baresip, Linphone, packets_flow};
use tests::program::{LivePhone, Program, office};

/// The settings of these lines in an office whose SDP may carry keys.
fn secured(text: String, lines: &[(&str, &str)]) -> String {
    let text = text.replace("[media]\n", "[media]\nsdes_without_tls = true\n");
    lines.iter().fold(text, |text, (line, wish)| {
        let head = format!("[lines.{line}]\n");
        text.replace(&head, &format!("{head}srtp = \"{wish}\"\n"))
    })
}

fn program(lines: &[(&str, &str)]) -> Program {
    Program::with(office(|text| secured(text, lines)))
}

fn phone(program: &Program, line: &str, srtp: Srtp) -> LivePhone {
    let behaviour = Behaviour { srtp: (srtp, SrtpKeys::Sdes), ..Behaviour::default() };
    program.live_phone_with(line, behaviour)
}

fn talk(a: &LivePhone, b: &LivePhone) -> (sip_stack::endpoint::LegId, sip_stack::endpoint::LegId) {
    let near = a.call(&b.number());
    let far = b.incoming();
    a.rings_there();
    b.answer(far);
    a.connected(near);
    b.connected(far);
    hear_each_other(a, b);
    (near, far)
}

fn hear_each_other(a: &LivePhone, b: &LivePhone) {
    a.hears(b);
    b.hears(a);
}

/// Whether the phones speak SRTP, and that nothing comes that is not protected as agreed. (The first
/// packet of a call may overtake the answer with its key.)
fn speak_srtp(phones: &[(&LivePhone, bool)]) {
    for (phone, speaks) in phones {
        assert_eq!(phone.with(|phone| phone.speaks_srtp()), *speaks, "{}", phone.number());
        let before = phone.rtp();
        phone.wait_for_packets(before.received + 10);
        assert_eq!(phone.rtp().refused, before.refused, "{}", phone.number());
    }
}

/// What the control interface says of the protection of a line's call.
fn shown(program: &Program, line: &str) -> Value {
    let (_, answer) = program.get("/api/v1/calls");
    let mut rows = answer["items"].as_array().into_iter().flatten();
    rows.find(|row| row["line"] == line).map(|row| row["srtp"].clone()).unwrap_or_default()
}

#[test]
fn a_secure_and_a_plain_phone_hear_each_other_through_hold_and_resume() {
    let program = program(&[("201", "required")]);
    let a = phone(&program, "201", Srtp::Required);
    let b = program.live_phone("202");
    let (near, far) = talk(&a, &b);
    speak_srtp(&[(&a, true), (&b, false)]);
    assert_eq!(shown(&program, "201"), "AES_CM_128_HMAC_SHA1_80");
    assert_eq!(shown(&program, "202"), Value::Null);
    let table = program.command(&["media"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("SRTP") && table.contains("AES_CM_128_HMAC_SHA1_80"), "{table}");
    for (phone, leg) in [(&a, near), (&b, far)] {
        phone.hold(leg);
        phone.resume(leg);
        hear_each_other(&a, &b);
    }
    a.hang_up(near);
    b.ended(far);
    // The other way: the switch offers.
    let (near, far) = talk(&b, &a);
    speak_srtp(&[(&a, true), (&b, false)]);
    a.hang_up(far);
    b.ended(near);
}

#[test]
fn two_secure_phones_have_their_own_keys_and_survive_transfer_park_and_conference() {
    let program = program(&[("201", "required"), ("202", "optional"), ("203", "required")]);
    let a = phone(&program, "201", Srtp::Required);
    let b = phone(&program, "202", Srtp::Optional);
    let c = phone(&program, "203", Srtp::Required);
    let (near, far) = talk(&a, &b);
    speak_srtp(&[(&a, true), (&b, true)]);
    // Transfer: 201 sends 202 to 203.
    a.with(|phone| phone.transfer(near, "203"));
    let rung = c.incoming();
    c.answer(rung);
    c.connected(rung);
    hear_each_other(&b, &c);
    speak_srtp(&[(&b, true), (&c, true)]);
    // Park: 203 parks 202, and 201 takes it out.
    c.with(|phone| phone.transfer(rung, "700"));
    program
        .until("/api/v1/park", |answer| answer["items"].as_array().is_some_and(|r| r.len() == 1));
    let taken = a.call("701");
    a.connected(taken);
    hear_each_other(&a, &b);
    speak_srtp(&[(&a, true), (&b, true)]);
    a.hang_up(taken);
    b.ended(far);
    // A conference room: all hear all others.
    let rooms: Vec<_> = [&a, &b, &c].map(|phone| (phone, phone.call("800"))).into();
    rooms.iter().for_each(|(phone, leg)| phone.connected(*leg));
    a.hears_mix(&[&b, &c]);
    b.hears_mix(&[&a, &c]);
    speak_srtp(&[(&a, true), (&b, true), (&c, true)]);
    rooms.iter().for_each(|(phone, leg)| phone.hang_up(*leg));
}

#[test]
fn what_a_line_requires_or_does_not_want_is_refused_with_488() {
    let program = program(&[("201", "required"), ("203", "required")]);
    let plain = program.live_phone("201");
    plain.call("202");
    assert_eq!(plain.failed().0, 488);
    let secure = phone(&program, "202", Srtp::Required);
    secure.call("204");
    assert_eq!(secure.failed().0, 488);
    // A phone that takes no SRTP where its line requires it cannot be called either.
    let refusing = program.live_phone("203");
    let caller = program.live_phone("205");
    caller.call("203");
    let rung = refusing.incoming();
    refusing.answer(rung);
    assert_eq!(caller.failed().0, 488);
}

#[test]
fn optional_srtp_is_plain_with_phones_that_do_not_know_it() {
    let program = program(&[("201", "optional"), ("202", "optional")]);
    let (a, b) = (phone(&program, "201", Srtp::Optional), program.live_phone("202"));
    talk(&a, &b);
    speak_srtp(&[(&a, true), (&b, false)]);
    assert_eq!(shown(&program, "202"), Value::Null);
}

#[test]
fn keys_do_not_stand_in_sdp_without_tls_unless_that_is_allowed() {
    let text = office(|text| {
        secured(text, &[("201", "required"), ("202", "optional")])
            .replace("sdes_without_tls = true", "sdes_without_tls = false")
    });
    let program = Program::with(text);
    let a = phone(&program, "201", Srtp::Required);
    let b = phone(&program, "202", Srtp::Optional);
    a.call("202");
    assert_eq!(a.failed().0, 488);
    let c = program.live_phone("203");
    talk(&b, &c);
    speak_srtp(&[(&b, false), (&c, false)]);
}

#[test]
fn a_reload_forbids_keys_in_sdp_without_tls() {
    let program = program(&[("201", "required"), ("202", "required")]);
    let (a, b) = (phone(&program, "201", Srtp::Required), phone(&program, "202", Srtp::Required));
    let (near, far) = talk(&a, &b);
    a.hang_up(near);
    b.ended(far);
    let text = std::fs::read_to_string(&program.config).unwrap();
    let text = text.replace("sdes_without_tls = true", "sdes_without_tls = false");
    std::fs::write(&program.config, text).unwrap();
    let reload = || program.post("/api/v1/reload", &json!({})).1["notes"].clone();
    assert_eq!(reload(), json!(["changed: media.sdes_without_tls"]));
    a.call("202");
    assert_eq!(a.failed().0, 488);
    assert_eq!(reload(), json!(["nothing was different"]));
}

#[test]
fn digits_and_tones_pass_between_secure_phones_of_different_payload_numbers() {
    let program = program(&[("201", "required"), ("202", "required")]);
    let events = Codec { payload: 97, ..Codec::telephone_event() };
    let srtp = (Srtp::Required, SrtpKeys::Sdes);
    let behaviour = Behaviour { srtp, codecs: vec![Codec::pcmu(), events], ..Behaviour::default() };
    let a = program.live_phone_with("201", behaviour);
    let b = phone(&program, "202", Srtp::Required);
    let (near, far) = talk(&a, &b);
    a.press(near, "42#");
    b.hears_digits("42#");
    b.press(far, "7");
    a.hears_digits("7");
    speak_srtp(&[(&a, true), (&b, true)]);
}

// --- Stock soft phones

fn interop_program(lines: &[(&str, &str)]) -> Program {
    Program::with(interop::office(|text| secured(text, lines)))
}

#[test]
fn baresips_with_mandatory_and_optional_srtp_talk_hold_and_resume() {
    let program = interop_program(&[("201", "required"), ("202", "optional")]);
    let mut ada = Baresip::with(&program, "201", "udp", false, ";mediaenc=srtp-mand");
    let ben = Baresip::with(&program, "202", "udp", true, ";mediaenc=srtp");
    ada.command("dial", "202");
    ada.until("CALL_ESTABLISHED");
    packets_flow(&program, &["201", "202"], 25);
    assert_ne!(shown(&program, "201"), Value::Null);
    assert_ne!(shown(&program, "202"), Value::Null);
    ada.command("hold", "");
    ada.command("resume", "");
    packets_flow(&program, &["201", "202"], 25);
    ada.command("hangup", "");
    ben.until_closed();
}

#[test]
fn a_baresip_with_srtp_is_called_by_a_plain_one() {
    let program = interop_program(&[("202", "required")]);
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let _ben = Baresip::with(&program, "202", "udp", true, ";mediaenc=srtp-mand");
    ada.command("dial", "202");
    ada.until("CALL_ESTABLISHED");
    packets_flow(&program, &["201", "202"], 25);
    assert_eq!(shown(&program, "201"), Value::Null);
    assert_ne!(shown(&program, "202"), Value::Null);
}

#[test]
fn a_linphone_with_srtp_and_a_baresip_without_hear_each_other() {
    let program = interop_program(&[("202", "required")]);
    let _ada = Baresip::start(&program, "201", "udp", true);
    let mut ben = Linphone::with(&program, "202", false, "srtp");
    ben.call("201");
    ben.talks();
    packets_flow(&program, &["201", "202"], 25);
    assert_ne!(shown(&program, "202"), Value::Null);
}
