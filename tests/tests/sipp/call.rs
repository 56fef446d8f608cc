//! Basic calls, early media, late offers (T12) and digits (T19).

use std::collections::BTreeSet;

use tests::interop::{self, Audio, Running, Sipp, hear_each_other, relay_port, sdp, until};
use tests::program::Program;

use super::{assert_at_rest, caller, office, phone, phone_with};

// --- Basic calls

#[test]
fn two_phones_register_call_talk_through_the_relay_and_hang_up() {
    let program = office();
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let called = phone_with(&program, "202", "callee.xml", |sipp| sipp.audio(&b));
    let mut calling = caller(&program, "caller_talks.xml").audio(&a).start();
    calling.until_received("SIP/2.0 200");
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
    calling.go_on();
    let log = calling.finish();
    assert!(log.received("SIP/2.0 180").next().is_some(), "it rang");
    let invite = called.finish();
    let invite = invite.only("INVITE ").clone();
    assert_eq!(invite.header("From").split(";tag=").next(), Some("\"Ada\" <sip:201@office.test>"));
    assert_at_rest(&program);
}

#[test]
fn the_called_phone_hangs_up_and_the_caller_gets_bye() {
    let program = office();
    let called = phone(&program, "202", "callee_talks.xml");
    let mut calling = caller(&program, "caller_waits.xml").start();
    calling.until_received("SIP/2.0 200");
    called.go_on();
    called.finish();
    calling.finish();
    assert_at_rest(&program);
}

#[test]
fn a_phone_registers_and_calls_over_tcp() {
    let program = office();
    let port = interop::free_port();
    let log = Sipp::new(&program, "register.xml").tcp().port(port).line("201", "sip:office.test");
    log.run();
    let called = phone(&program, "202", "callee.xml");
    let calling = caller(&program, "caller.xml").tcp().run();
    assert!(calling.last_response("INVITE").header("Contact").contains("transport=tcp"));
    called.finish();
    assert_at_rest(&program);
}

#[test]
fn two_hundred_calls_in_a_few_seconds_are_all_connected() {
    // A machine that is busy with other things is not what this is about.
    let program = Program::with(interop::office(|text| {
        let text = text.replace("max_calls = 4", "max_calls = 100");
        format!("{text}[security.limits]\noverload_delay = \"10s\"\n")
    }));
    let called = phone_with(&program, "202", "callee.xml", |sipp| sipp.calls(200, 200));
    let calling = caller(&program, "caller.xml").calls(200, 50).run();
    // One that is sent again, since its answer is late, is the same one.
    let ended: BTreeSet<&str> = calling.sent("BYE ").map(|bye| bye.header("Call-ID")).collect();
    assert_eq!(ended.len(), 200);
    called.finish();
    assert_at_rest(&program);
}

/// 201 calls 202, which talks with it and has not answered yet; the caller, the called one, what each says.
fn talk_before_the_answer(program: &Program) -> (Running, Running, [Audio; 2]) {
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let called = phone_with(program, "202", "early_media.xml", |sipp| sipp.audio(&b));
    let mut calling = caller(program, "caller.xml").audio(&a).start();
    calling.until_received("SIP/2.0 183");
    hear_each_other(program, ("201", &mut a), ("202", &mut b));
    (calling, called, [a, b])
}

#[test]
fn a_phone_hears_what_is_said_before_the_answer() {
    let program = office();
    let (calling, called, _audio) = talk_before_the_answer(&program);
    called.go_on();
    let log = calling.finish();
    let early = log.only("SIP/2.0 183");
    let answer = log.last_response("INVITE");
    assert_eq!(early.sdp("m="), answer.sdp("m="));
    assert_eq!(early.sdp("o="), answer.sdp("o="), "the session did not change");
    called.finish();
    assert_at_rest(&program);
}

#[test]
fn audio_of_a_type_that_neither_side_named_is_dropped_and_counted() {
    let program = office();
    let (calling, called, [mut a, mut b]) = talk_before_the_answer(&program);
    for payload_type in [34, 118] {
        a.send(relay_port(&program, "201"), payload_type, false, &[0x77; 160]);
    }
    program.until("/api/v1/media", |answer| {
        let rows = answer["items"].as_array().unwrap();
        rows.iter().any(|row| row["line"] == "201" && row["packetsDropped"] == 2)
    });
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
    assert!(b.heard.iter().all(|payload_type| *payload_type == 0), "{:?}", b.heard);
    called.go_on();
    calling.finish();
    called.finish();
    assert_at_rest(&program);
}

#[test]
fn a_caller_that_requires_100rel_gets_reliable_ringing() {
    let program = office();
    let called = phone(&program, "202", "answers_later.xml");
    let mut calling = caller(&program, "reliable.xml")
        .key("extra", "Require: 100rel\r\nSupported: 100rel")
        .start();
    calling.until_received("SIP/2.0 200 OK");
    called.go_on();
    let log = calling.finish();
    assert_eq!(log.received("SIP/2.0 180").count(), 1, "{log:#?}");
    called.finish();
    assert_at_rest(&program);
}

// --- T12: late offer

#[test]
fn t12_an_invite_without_offer_gets_one_in_the_200_and_audio_flows() {
    let program = office();
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let called = phone_with(&program, "202", "callee_talks.xml", |sipp| sipp.audio(&b));
    let mut calling = caller(&program, "late_offer.xml").audio(&a).start();
    calling.until_received("SIP/2.0 200");
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
    called.go_on();
    let log = calling.finish();
    assert!(log.last_response("INVITE").sdp("m=").starts_with("audio "));
    assert!(called.finish().only("INVITE ").sdp("m=").starts_with("audio "));
    assert_at_rest(&program);
}

#[test]
fn t12_a_late_offer_that_the_ack_does_not_answer_ends_the_call() {
    let program = office();
    let called = phone(&program, "202", "callee.xml");
    let log = caller(&program, "late_offer_unanswered.xml").run();
    assert!(log.only("BYE ").at - log.last_response("INVITE").at < 5.0);
    called.finish();
    assert_at_rest(&program);
}

// --- T19: telephone-event

#[test]
fn t19_digits_arrive_with_the_number_that_each_phone_named() {
    let program = office();
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let renumbered = sdp(b.port(), "").replace("101", "96");
    let called = phone_with(&program, "202", "callee.xml", |sipp| sipp.key("sdp", renumbered));
    let mut calling = caller(&program, "caller_reinvites.xml").audio(&a).start();
    calling.until_received("SIP/2.0 200");
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
    let to_a = relay_port(&program, "202");
    let to_b = relay_port(&program, "201");
    let digit = |is_end: bool| [5, if is_end { 0x8a } else { 0x0a }, 0, 160];
    for (packet, is_end) in [false, false, true, true, true].into_iter().enumerate() {
        a.send(to_b, 101, packet == 0, &digit(is_end));
        b.send(to_a, 101, packet == 0, &digit(is_end));
    }
    let ends = |audio: &mut Audio, payload_type: u8| {
        audio.listen();
        let end = digit(true);
        audio.packets.iter().filter(|one| one[0] & 0x7f == payload_type && one[1..] == end).count()
    };
    until(&program, "the digits", || ends(&mut b, 96) >= 3 && ends(&mut a, 101) >= 3);
    assert_eq!((ends(&mut b, 96), ends(&mut a, 101)), (3, 3), "{:?} {:?}", b.heard, a.heard);
    calling.go_on();
    let log = calling.finish();
    for answer in log.received("SIP/2.0 200").filter(|one| one.header("CSeq").ends_with("INVITE")) {
        assert!(answer.text.contains("a=rtpmap:101 telephone-event/8000"), "{}", answer.text);
        assert!(!answer.text.contains("a=rtpmap:96"), "{}", answer.text);
    }
    called.finish();
    assert_at_rest(&program);
}
