//! SIPp as phones and carrier against the real program: the acceptance tests of the SIP mapping
//! that belong to registration and to basic calls.
//!
//! Source: sip-mapping §8 (T1–T5, T9–T17, T19, T20) and Appendix B. The scenarios are in
//! `tests/interop`.

use std::time::Instant;

use serde_json::{Value, json};
use tests::interop::{self, Audio, Log, Peer, Running, Sipp, hear_each_other, register, sdp};
use tests::program::{PATIENCE, Program, pause};

fn office() -> Program {
    Program::with(interop::office(|text| text))
}

/// A registered phone of a line that plays a scenario.
fn phone(program: &Program, line: &str, scenario: &str) -> Running {
    let audio = Audio::new();
    phone_with(program, line, scenario, |sipp| sipp.audio(&audio))
}

fn phone_with(
    program: &Program,
    line: &str,
    scenario: &str,
    edit: impl FnOnce(Sipp) -> Sipp,
) -> Running {
    let port = interop::free_port();
    register(program, line, port);
    edit(Sipp::new(program, scenario).port(port).called(line)).listen()
}

fn wait_for(program: &Program, what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited for {what}\n{}", program.log());
        pause();
    }
}

fn caller(program: &Program, scenario: &str) -> Sipp {
    Sipp::new(program, scenario).call("201", "202")
}

/// Waits until neither calls nor media ports are left.
fn assert_at_rest(program: &Program) {
    let is_empty = |answer: &Value| answer["items"].as_array().is_some_and(Vec::is_empty);
    program.until("/api/v1/calls", is_empty);
    program.until("/api/v1/media", is_empty);
}

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
    let program = Program::with(interop::office(|text| {
        text.replace("max_calls = 4", "max_calls = 100")
    }));
    let called = phone_with(&program, "202", "callee.xml", |sipp| sipp.calls(200, 200));
    let calling = caller(&program, "caller.xml").calls(200, 50).run();
    assert_eq!(calling.sent("BYE ").count(), 200);
    called.finish();
    assert_at_rest(&program);
}

#[test]
fn a_phone_hears_what_is_said_before_the_answer() {
    let program = office();
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let called = phone_with(&program, "202", "early_media.xml", |sipp| sipp.audio(&b));
    let mut calling = caller(&program, "caller.xml").audio(&a).start();
    calling.until_received("SIP/2.0 183");
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
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

// --- Trunks

#[test]
fn a_line_calls_out_over_the_trunk_which_challenges_once() {
    let port = interop::free_port();
    let program = Program::with(interop::office(|text| {
        text.replace("sip:127.0.0.1:5090", &format!("sip:127.0.0.1:{port}"))
    }));
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let carrier =
        Sipp::new(&program, "trunk.xml").port(port).called("carrier").audio(&b).listen();
    program.until("/api/v1/trunks", |answer| {
        answer["items"][0]["resolved"] == json!([format!("127.0.0.1:{port}")])
    });
    let mut calling = Sipp::new(&program, "caller_talks.xml")
        .call("201", "0155501234")
        .audio(&a)
        .start();
    calling.until_received("SIP/2.0 200");
    hear_each_other(&program, ("201", &mut a), ("155501234", &mut b));
    calling.go_on();
    calling.finish();
    let log = carrier.finish();
    let invites: Vec<_> = log.received("INVITE ").collect();
    assert_eq!(invites.len(), 2, "one without and one with credentials");
    assert_eq!(invites[0].header("Call-ID"), invites[1].header("Call-ID"));
    assert!(invites[1].second_word().starts_with("sip:155501234@127.0.0.1"), "{:?}", invites[1]);
    assert_at_rest(&program);
}

#[test]
fn the_trunk_calls_a_line_without_being_challenged() {
    let port = interop::free_port();
    let program = Program::with(interop::office(|text| {
        text.replace("sip:127.0.0.1:5090", &format!("sip:127.0.0.1:{port}"))
    }));
    program.until("/api/v1/trunks", |answer| {
        answer["items"][0]["resolved"] == json!([format!("127.0.0.1:{port}")])
    });
    let called = phone(&program, "202", "callee.xml");
    let log = Sipp::new(&program, "from_trunk.xml")
        .port(port)
        .key("me", "+33155501234")
        .key("domain", "carrier.test")
        .key("uri", "sip:202@office.test")
        .run();
    assert!(log.received("SIP/2.0 401").next().is_none());
    let seen = called.finish();
    assert!(seen.only("INVITE ").header("From").contains("+33155501234"), "{seen:#?}");
    assert_at_rest(&program);
}

// --- T1, T2: the 200 and its ACK

#[test]
fn t1_a_200_without_ack_is_repeated_for_32_seconds_and_then_both_phones_get_bye() {
    let program = office();
    let (b, c) = (phone(&program, "202", "callee.xml"), phone(&program, "203", "callee.xml"));
    let scenario = "never_acknowledges.xml";
    let over_udp = caller(&program, scenario).seconds(60).start();
    let over_tcp = Sipp::new(&program, scenario).call("204", "203").tcp().seconds(60).start();
    for log in [over_udp.finish(), over_tcp.finish()] {
        let sent: Vec<f64> = log
            .received("SIP/2.0 200")
            .filter(|one| one.header("CSeq") == "2 INVITE")
            .map(|one| one.at)
            .collect();
        assert!(sent.len() >= 10, "{sent:?}");
        let widest = sent.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(widest < 5.0, "{sent:?}");
        let waited = log.only("BYE ").at - sent[0];
        assert!((30.0..36.0).contains(&waited), "BYE after {waited} s");
    }
    b.finish();
    c.finish();
    assert_at_rest(&program);
}

#[test]
fn t2_every_repeated_200_of_the_called_phone_is_acknowledged_along_the_route_set() {
    let program = office();
    let called = phone(&program, "202", "deaf_to_ack.xml");
    let mut calling = caller(&program, "caller_talks.xml").start();
    calling.until_received("SIP/2.0 200");
    let port = called.port;
    wait_for(&program, "four 200", || called.log().sent("SIP/2.0 200").count() >= 4);
    calling.go_on();
    calling.finish();
    let log = called.finish();
    let acks: Vec<_> = log.received("ACK ").collect();
    assert!(acks.len() >= 4, "{log:#?}");
    let invite = log.only("INVITE ");
    for ack in acks {
        assert_eq!(ack.second_word(), format!("sip:another-name@127.0.0.1:{port}"));
        let routes: Vec<&str> = ack.headers("Route");
        assert_eq!(routes.len(), 2, "{ack:?}");
        assert!(routes[0].contains("hop=2") && routes[1].contains("hop=1"), "{routes:?}");
        let number = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        assert_eq!(number(ack.header("CSeq")), number(invite.header("CSeq")));
        assert_ne!(ack.parameter("Via", "branch"), invite.parameter("Via", "branch"));
    }
    assert_at_rest(&program);
}

// --- T3, T4, T5: CANCEL

/// Calls, and cancels as soon as all phones ring.
fn give_up(program: &Program, calling: Sipp, phones: &[Running]) -> Log {
    let mut calling = calling.start();
    calling.until_received("SIP/2.0 180");
    wait_for(program, "all phones to ring", || {
        phones.iter().all(|phone| phone.log().sent("SIP/2.0 180").next().is_some())
    });
    calling.go_on();
    calling.finish()
}

#[test]
fn t3_cancel_reaches_every_ringing_phone_and_each_487_is_acknowledged() {
    let program = office();
    let phones = [phone(&program, "202", "cancelled.xml"), phone(&program, "202", "cancelled.xml")];
    let log = give_up(&program, caller(&program, "cancels.xml"), &phones);
    assert_eq!(log.received("SIP/2.0 487").count(), 1);
    for phone in phones {
        let log = phone.finish();
        let (invite, ack) = (log.only("INVITE "), log.only("ACK "));
        assert_eq!(ack.parameter("Via", "branch"), invite.parameter("Via", "branch"));
        assert_eq!(log.sent("SIP/2.0 487").count(), 1, "acknowledged before it was repeated");
    }
    assert_at_rest(&program);
}

#[test]
fn t4_a_200_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let program = office();
    let mut application = program.application("watch");
    application.open("202");
    let called = phone(&program, "202", "answers_the_cancel.xml");
    let called = [called];
    let log = give_up(&program, caller(&program, "cancels.xml"), &called);
    assert_eq!(log.received("SIP/2.0 487").count(), 1, "the caller never sees the 200");
    called.map(Running::finish);
    application.skip_to("202 DISCONNECTED CANCELLED");
    assert_at_rest(&program);
}

#[test]
fn t5_a_cancel_from_behind_nat_finds_its_invite() {
    let program = office();
    let called = [phone(&program, "202", "cancelled.xml")];
    let calling = caller(&program, "cancels.xml").key("sentby", "10.9.9.9:5999");
    let log = give_up(&program, calling, &called);
    assert!(log.received("SIP/2.0 481").next().is_none());
    called.map(Running::finish);
    assert_at_rest(&program);
}

// --- T9: hold

#[test]
fn t9_hold_in_every_spelling_is_answered_and_resumed() {
    let program = office();
    let mut application = program.application("watch");
    application.open("201");
    let called = phone(&program, "202", "callee.xml");
    let audio = Audio::new();
    let port = audio.port();
    let bare = sdp(port, "a=sendonly");
    let log = caller(&program, "holds.xml")
        .audio(&audio)
        .key("sendonly", sdp(port, "a=sendonly\n"))
        .key("inactive", sdp(port, "a=inactive\n"))
        .key("zero", sdp(port, "").replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"))
        .key("session", sdp(port, "").replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n"))
        .key("bare", bare.trim_end())
        .run();
    let answer = |cseq: u32| {
        let wanted = format!("{cseq} INVITE");
        let mut all = log.received("SIP/2.0 200").filter(move |one| one.header("CSeq") == wanted);
        all.next().unwrap_or_else(|| panic!("no 200 to {cseq}")).clone()
    };
    let direction = |cseq: u32| {
        let text = answer(cseq).text;
        ["recvonly", "sendonly", "inactive"]
            .into_iter()
            .find(|word| text.contains(&format!("\na={word}\n")))
            .unwrap_or("sendrecv")
    };
    assert_eq!(direction(3), "recvonly");
    assert_eq!(direction(5), "inactive");
    assert!(["recvonly", "inactive"].contains(&direction(7)), "{}", answer(7).text);
    assert_eq!(direction(9), "recvonly");
    assert_eq!(direction(11), "recvonly");
    for resumed in [2, 4, 6, 8, 10, 12, 13] {
        assert_eq!(direction(resumed), "sendrecv", "CSeq {resumed}");
    }
    for cseq in 2..=13 {
        let (text, address) = (answer(cseq), answer(cseq).sdp("c=IN IP4 ").to_owned());
        assert_eq!(address, "127.0.0.1", "{}", text.text);
        if cseq > 2 {
            let (before, after) = (answer(cseq - 1), text);
            let lines = |text: &str| -> Vec<String> {
                text.split_once("\n\n")
                    .map(|(_, body)| body.lines())
                    .into_iter()
                    .flatten()
                    .filter(|line| !line.starts_with("o="))
                    .map(str::to_owned)
                    .collect()
            };
            let has_changed = lines(&before.text) != lines(&after.text);
            let rise = after.sdp_version() - before.sdp_version();
            assert_eq!(rise, u64::from(has_changed), "{} then {}", before.text, after.text);
        }
    }
    let call = application.wait("the call", |message| {
        message["params"]["callState"] == "LINECALLSTATE_CONNECTED"
    })["params"]["hCall"]
        .as_u64()
        .expect("hCall");
    for _ in 0..5 {
        application.wait_state(call, "ONHOLD");
        application.wait_state(call, "CONNECTED");
    }
    let far = called.finish();
    assert_eq!(far.received("INVITE ").count(), 1, "the far phone is not asked");
    assert_at_rest(&program);
}

// --- T10: glare

/// Click to dial with phones that choose different codecs, so that the switch has to offer again.
fn summon(program: &Program, own_phone: &str) -> (Log, Log) {
    let only = |law: &str| sdp(9, "").replace("RTP/AVP 0 8 101", &format!("RTP/AVP {law} 101"));
    let a = phone_with(program, "201", own_phone, |sipp| sipp.key("sdp", only("0 8")));
    let b = phone_with(program, "202", "callee_talks.xml", |sipp| sipp.key("sdp", only("8")));
    let (status, answer) = program.post("/api/v1/calls", &json!({"from": "201", "to": "202"}));
    assert_eq!(status, 201, "{answer}");
    wait_for(program, "the re-INVITE to succeed", || {
        let log = a.log();
        let last = log.received("INVITE ").last().map(|one| one.header("CSeq").to_owned());
        let number = last.as_deref().and_then(|text| text.split(' ').next());
        let is_second = log.received("INVITE ").count() >= 2;
        let mut acks = log.received("ACK ");
        let is_accepted = log.sent("SIP/2.0 200").any(|one| Some(one.header("CSeq")) == last.as_deref());
        is_second && is_accepted
            && acks.any(|one| one.header("CSeq").split(' ').next() == number)
    });
    b.go_on();
    (a.finish(), b.finish())
}

#[test]
fn t10_a_re_invite_of_the_switch_that_gets_491_is_sent_again_after_two_to_four_seconds() {
    let program = office();
    let (log, _) = summon(&program, "glare_refused.xml");
    let invites: Vec<f64> = log.received("INVITE ").map(|one| one.at).collect();
    let refused = log.sent("SIP/2.0 491").next().unwrap().at;
    assert_eq!(invites.len(), 3);
    let waited = invites[2] - refused;
    assert!((2.0..6.0).contains(&waited), "the owner of the Call-ID waits {waited} s");
    assert_at_rest(&program);
}

#[test]
fn t10_a_re_invite_that_crosses_one_of_the_switch_gets_491() {
    let program = office();
    summon(&program, "glare_crossed.xml");
    assert_at_rest(&program);
}

// --- T11: session timers

#[test]
fn t11_a_session_interval_below_90_seconds_is_refused_with_min_se() {
    let program = office();
    let log = caller(&program, "small_interval.xml")
        .key("extra", "Supported: timer\r\nSession-Expires: 60")
        .run();
    assert_eq!(log.only("SIP/2.0 422").header("Min-SE"), "90");
    assert_at_rest(&program);
}

#[test]
fn t11_update_refreshes_the_session_and_what_is_held_stays_held() {
    let program = office();
    let called = phone(&program, "202", "callee.xml");
    let audio = Audio::new();
    let calling = caller(&program, "updates.xml")
        .audio(&audio)
        .key("sendonly", sdp(audio.port(), "a=sendonly\n"))
        .key("extra", "Supported: timer\r\nSession-Expires: 90;refresher=uac")
        .start();
    let has_second = |running: &Running| {
        running.log().received("SIP/2.0 200").filter(|one| one.header("CSeq") == "5 UPDATE").count()
    };
    wait_for(&program, "the second refresh", || has_second(&calling) > 0);
    let (_, calls) = program.get("/api/v1/calls");
    let own = calls["items"].as_array().unwrap().iter().find(|row| row["line"] == "201").unwrap();
    assert_eq!(own["callState"], "LINECALLSTATE_ONHOLD", "{calls}");
    calling.go_on();
    let log = calling.finish();
    for answer in log.received("SIP/2.0 200").filter(|one| one.header("CSeq").contains("UPDATE")) {
        assert_eq!(answer.header("Session-Expires"), "90;refresher=uac");
        assert!(answer.header("Content-Type").is_empty(), "no description: {answer:?}");
    }
    called.finish();
    assert_at_rest(&program);
}

#[test]
fn t11_the_switch_refreshes_in_its_own_dialogs_and_ends_a_session_that_nobody_refreshes() {
    let program = Program::with(interop::office(|text| {
        text.replacen("[sip]\n", "[sip]\nsession_expires = \"90s\"\n", 1)
    }));
    let timer = "Supported: timer\r\nRequire: timer\r\nSession-Expires: 90;refresher=uac";
    let by_update =
        phone_with(&program, "202", "refreshed.xml", |sipp| sipp.key("extra", timer).seconds(90));
    let patient = "Supported: timer\r\nSession-Expires: 3600;refresher=uac";
    let first = caller(&program, "stops_refreshing.xml").key("extra", patient).seconds(90).start();
    let by_reinvite =
        phone_with(&program, "203", "refreshed_by_reinvite.xml", |sipp| sipp.seconds(110));
    let silent = Sipp::new(&program, "stops_refreshing.xml")
        .call("204", "203")
        .key("extra", "Supported: timer\r\nSession-Expires: 90;refresher=uac")
        .seconds(110)
        .start();

    let log = by_update.finish();
    first.finish();
    let (invite, update) = (log.only("INVITE "), log.only("UPDATE "));
    assert_eq!(update.header("Call-ID"), invite.header("Call-ID"));
    assert_eq!(update.header("From"), invite.header("From"));
    assert_eq!(update.header("Contact"), invite.header("Contact"));
    assert!(update.header("Session-Expires").starts_with("90"), "{update:?}");
    let number = |text: &str| text.split(' ').next().and_then(|text| text.parse::<u32>().ok());
    assert!(number(update.header("CSeq")) > number(invite.header("CSeq")));

    let log = by_reinvite.finish();
    let invites: Vec<_> = log.received("INVITE ").collect();
    assert_eq!(invites.len(), 2, "{log:#?}");
    assert_eq!(invites[0].sdp("o="), invites[1].sdp("o="));
    assert_eq!(invites[0].header("Call-ID"), invites[1].header("Call-ID"));
    let log = silent.finish();
    let waited = log.only("BYE ").at - log.last_response("INVITE").at;
    assert!((55.0..95.0).contains(&waited), "ended after {waited} s");
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

// --- T13, T14: forks and routes

#[test]
fn t13_of_several_early_dialogs_and_two_200s_the_first_answer_remains() {
    let program = office();
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let nowhere = Audio::new();
    let called = phone_with(&program, "202", "forks.xml", |sipp| {
        sipp.audio(&b).key("other", sdp(nowhere.port(), ""))
    });
    let mut calling = caller(&program, "caller_talks.xml").audio(&a).start();
    calling.until_received("SIP/2.0 200");
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
    calling.go_on();
    let near = calling.finish();
    let mut tags: Vec<String> = near
        .received("SIP/2.0 ")
        .filter(|one| one.header("CSeq") == "2 INVITE" && one.status() > 100)
        .map(|one| one.parameter("To", "tag").to_owned())
        .collect();
    tags.dedup();
    assert_eq!(tags.len(), 1, "one tag toward the caller: {tags:?}");
    let log = called.finish();
    let requests: Vec<String> = log
        .0
        .iter()
        .filter(|one| !one.is_sent && one.text.starts_with(['A', 'B']))
        .map(|one| format!("{} {}", &one.text[..3], &one.parameter("To", "tag")[..2]))
        .collect();
    assert_eq!(requests, ["ACK b2", "ACK b3", "BYE b3", "BYE b2"]);
    assert_at_rest(&program);
}

#[test]
fn t14_behind_loose_routers_the_contact_is_the_request_uri() {
    let program = office();
    let called = phone_with(&program, "202", "record_routes.xml", |sipp| {
        sipp.key("route1", ";lr;hop=1").key("route2", ";lr;hop=2")
    });
    let port = called.port;
    caller(&program, "caller.xml").run();
    let log = called.finish();
    for request in [log.only("ACK "), log.only("BYE ")] {
        assert_eq!(request.second_word(), format!("sip:another-name@127.0.0.1:{port}"));
        let routes: Vec<&str> = request.headers("Route");
        let wanted = [2, 1].map(|hop| format!("<sip:127.0.0.1:{port};lr;hop={hop}>"));
        assert_eq!(routes, wanted);
    }
    assert_at_rest(&program);
}

#[test]
fn t14_behind_a_strict_router_its_address_is_the_request_uri_and_the_contact_the_last_route() {
    let program = office();
    let called = phone_with(&program, "202", "record_routes.xml", |sipp| {
        sipp.key("route1", ";lr;hop=1").key("route2", ";hop=2")
    });
    let port = called.port;
    caller(&program, "caller.xml").run();
    let log = called.finish();
    for request in [log.only("ACK "), log.only("BYE ")] {
        assert_eq!(request.second_word(), format!("sip:127.0.0.1:{port};hop=2"));
        let routes: Vec<&str> = request.headers("Route");
        let wanted = [
            format!("<sip:127.0.0.1:{port};lr;hop=1>"),
            format!("<sip:another-name@127.0.0.1:{port}>"),
        ];
        assert_eq!(routes, wanted);
    }
    assert_at_rest(&program);
}

#[test]
fn t14_the_record_routes_of_a_caller_come_back_in_order() {
    let program = office();
    let called = phone(&program, "202", "callee.xml");
    let routes = ["<sip:127.0.0.1:6;lr;hop=2>", "<sip:127.0.0.1:6;lr;hop=1>"];
    let extra = format!("Record-Route: {}\r\nRecord-Route: {}", routes[0], routes[1]);
    let log = caller(&program, "caller.xml").key("extra", extra).run();
    let answer = log.last_response("INVITE");
    assert_eq!(answer.headers("Record-Route"), routes);
    called.finish();
    assert_at_rest(&program);
}

// --- T15: NAT

#[test]
fn t15_a_phone_behind_nat_is_answered_and_called_where_it_sends_from() {
    let program = office();
    let private = "192.0.2.9:5070";
    let port = interop::free_port();
    let registered = Sipp::new(&program, "register.xml")
        .port(port)
        .line("202", "sip:office.test")
        .key("sentby", private)
        .key("contact", private)
        .run();
    let via = registered.last_response("REGISTER").header("Via").to_owned();
    assert!(via.contains(";received=127.0.0.1"), "{via}");
    assert!(via.contains(&format!(";rport={port}")), "{via}");
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let hidden = sdp(b.port(), "").replace("c=IN IP4 127.0.0.1", "c=IN IP4 192.0.2.9");
    let called = Sipp::new(&program, "callee.xml")
        .port(port)
        .called("202")
        .key("contact", private)
        .key("sdp", hidden)
        .listen();
    let mut calling = caller(&program, "caller_talks.xml").audio(&a).start();
    calling.until_received("SIP/2.0 200");
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
    calling.go_on();
    calling.finish();
    let log = called.finish();
    for request in ["INVITE ", "ACK ", "BYE "] {
        assert_eq!(log.only(request).second_word(), "sip:202@192.0.2.9:5070");
    }
    assert_at_rest(&program);
}

#[test]
fn t15_a_caller_behind_nat_gets_responses_and_bye_where_it_sends_from() {
    let program = office();
    let private = "192.0.2.9:5070";
    let called = phone(&program, "202", "callee_talks.xml");
    let calling = caller(&program, "caller_waits.xml").key("sentby", private).key("contact", private);
    let port = interop::free_port();
    let mut calling = calling.port(port).start();
    calling.until_received("SIP/2.0 200");
    called.go_on();
    let log = calling.finish();
    called.finish();
    let via = log.last_response("INVITE").header("Via").to_owned();
    assert!(via.contains(&format!(";rport={port}")), "{via}");
    assert_eq!(log.only("BYE ").second_word(), "sip:201@192.0.2.9:5070");
    assert_at_rest(&program);
}

// --- T16: registrar

/// One REGISTER of line 201, authenticated; `cseq` is that of the challenged one.
fn registers(program: &Program, call_id: &str, cseq: u32, headers: &str) -> interop::Logged {
    let log = Sipp::new(program, "register_as.xml")
        .line("201", "sip:office.test")
        .key("to", "sip:201@office.test")
        .key("first", cseq)
        .key("second", cseq + 1)
        .key("extra", headers.replace('\n', "\r\n"))
        .options(&["-cid_str", call_id])
        .run();
    log.last_response("REGISTER").clone()
}

/// The contacts of a 200 without the seconds that are left.
fn contacts(answer: &interop::Logged) -> Vec<String> {
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let mut all: Vec<String> = answer
        .headers("Contact")
        .into_iter()
        .map(|one| {
            let (uri, seconds) = one.split_once(";expires=").expect("each has its expires");
            assert!(seconds.split(';').next().unwrap().parse::<u32>().is_ok(), "{one}");
            uri.to_owned()
        })
        .collect();
    all.sort();
    all
}

#[test]
fn t16_bindings_are_made_refreshed_listed_and_removed_as_rfc_3261_says() {
    let program = office();
    let two = "Contact: <sip:201@127.0.0.1:7001>, <sip:201@127.0.0.1:7002>;methods=\"INVITE, ACK\"\n\
               Expires: 300";
    let both = ["<sip:201@127.0.0.1:7001>", "<sip:201@127.0.0.1:7002>;methods=\"INVITE, ACK\""];
    assert_eq!(contacts(&registers(&program, "phone", 10, two)), both);
    assert_eq!(contacts(&registers(&program, "phone", 20, two)), both, "refreshed");
    assert_eq!(contacts(&registers(&program, "other", 1, "Subject: fetch")), both, "fetched");

    let late = "Contact: <sip:201@127.0.0.1:7001>;expires=0";
    assert_eq!(registers(&program, "phone", 5, late).status(), 500, "a lower CSeq");
    assert_eq!(contacts(&registers(&program, "other", 3, "Subject: fetch")), both, "nothing changed");

    assert_eq!(registers(&program, "other", 5, "Contact: *\nExpires: 60").status(), 400);
    let peer = Peer::new(&program);
    let mixed = "Contact: *, <sip:201@127.0.0.1:7001>\nExpires: 0";
    let mixed = request(&peer, "REGISTER", "sip:office.test", "mixed", mixed);
    let own = mixed.lines().position(|line| line.starts_with("Contact: <sip:201@")).unwrap();
    let lines: Vec<&str> = mixed.lines().collect();
    peer.request(&[&lines[..own], &lines[own + 1..]].concat().join("\n"));
    peer.wait("SIP/2.0 400");
    let brief = registers(&program, "other", 7, "Contact: <sip:201@127.0.0.1:7003>;expires=2");
    assert_eq!((brief.status(), brief.header("Min-Expires")), (423, "5"));
    let moved = "Contact: <sip:201@127.0.0.1:7001>;expires=0, <sip:201@127.0.0.1:7004>;expires=60";
    assert_eq!(
        contacts(&registers(&program, "phone", 30, moved)),
        [both[1], "<sip:201@127.0.0.1:7004>"]
    );
    assert!(contacts(&registers(&program, "phone", 40, "Contact: *\nExpires: 0")).is_empty());
    let (_, rows) = program.get("/api/v1/registrations");
    assert_eq!(rows["items"], json!([]));
}

#[test]
fn t16_an_invite_reaches_every_contact_and_the_first_answer_wins() {
    let program = office();
    let (a, b) = (interop::free_port(), interop::free_port());
    let both = format!("Contact: <sip:201@127.0.0.1:{a}>, <sip:201@127.0.0.1:{b}>");
    assert_eq!(contacts(&registers(&program, "phone", 1, &both)).len(), 2);
    let listen = |port: u16, scenario: &str| {
        Sipp::new(&program, scenario).port(port).called("201").listen()
    };
    let (mut winner, mut loser) = (listen(a, "answers_later.xml"), listen(b, "cancelled.xml"));
    let calling = Sipp::new(&program, "caller.xml").call("203", "201").start();
    winner.until_received("INVITE ");
    loser.until_received("INVITE ");
    winner.go_on();
    calling.finish();
    winner.finish();
    let log = loser.finish();
    let reason = log.only("CANCEL ").header("Reason");
    assert!(reason.starts_with("SIP;cause=200"), "{reason}");
    assert_at_rest(&program);
}

// --- T17: digest

/// The algorithms of the challenges that an unauthenticated REGISTER gets.
fn offered(program: &Program, headers: &str) -> Vec<String> {
    let peer = Peer::new(program);
    peer.request(&request(&peer, "REGISTER", "sip:office.test", "c1", headers));
    let answer = peer.wait("SIP/2.0 401");
    assert!(!answer.contains("stale=true"), "{answer}");
    let challenges =
        answer.lines().filter_map(|line| line.strip_prefix("WWW-Authenticate: Digest "));
    challenges
        .filter_map(|one| one.split("algorithm=").nth(1)?.split(',').next().map(str::to_owned))
        .collect()
}

#[test]
fn t17_the_challenge_offers_sha_256_and_then_md5() {
    let program = Program::start();
    assert_eq!(offered(&program, "User-Agent: Phone/1.0"), ["SHA-256", "MD5"]);
}

#[test]
fn t17_the_configuration_may_put_md5_first_or_leave_one_out() {
    for (setting, wanted) in [
        ("[\"MD5\", \"SHA-256\"]", vec!["MD5", "SHA-256"]),
        ("[\"SHA-256\"]", vec!["SHA-256"]),
        ("[\"MD5\"]", vec!["MD5"]),
    ] {
        let program = Program::with(interop::office(|text| {
            text.replacen("[sip]\n", &format!("[sip]\ndigest = {setting}\n"), 1)
        }));
        assert_eq!(offered(&program, "User-Agent: Phone/1.0"), wanted);
    }
}

#[test]
fn t17_a_replayed_count_is_stale_and_a_new_nonce_works() {
    let program = office();
    let log = register(&program, "201", interop::free_port());
    let credentials = log.sent("REGISTER ").last().unwrap().header("Authorization").to_owned();
    let peer = Peer::new(&program);
    let stolen = format!("Authorization: {credentials}");
    peer.request(
        &request(&peer, "REGISTER", "sip:office.test", "replay", &stolen)
            .replace("To: <sip:office.test>", "To: <sip:201@office.test>"),
    );
    let answer = peer.wait("SIP/2.0 ");
    assert!(answer.starts_with("SIP/2.0 401"), "{answer}");
    assert_eq!(answer.matches("stale=true").count(), 2, "{answer}");
    register(&program, "201", interop::free_port());
}

#[test]
fn t17_a_wrong_password_is_challenged_again_but_not_as_stale() {
    let program = office();
    let log = Sipp::new(&program, "register_as.xml")
        .key("me", "201")
        .key("uri", "sip:office.test")
        .options(&["-au", "201", "-ap", "wrong"])
        .key("to", "sip:201@office.test")
        .key("first", 1)
        .key("second", 2)
        .run();
    let answers: Vec<_> = log.received("SIP/2.0 401").collect();
    assert_eq!(answers.len(), 2);
    assert!(!answers[1].text.contains("stale=true"), "{answers:?}");
    let (_, rows) = program.get("/api/v1/registrations");
    assert_eq!(rows["items"], json!([]));
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
    let to_a = interop::relay_port(&program, "202");
    let to_b = interop::relay_port(&program, "201");
    let digit = |is_end: bool| [5, if is_end { 0x8a } else { 0x0a }, 0, 160];
    for (packet, is_end) in [false, false, true, true, true].into_iter().enumerate() {
        a.send(to_b, 101, packet == 0, &digit(is_end));
        b.send(to_a, 101, packet == 0, &digit(is_end));
    }
    let ends = |audio: &mut Audio, payload_type: u8| {
        audio.listen();
        let end = digit(true);
        audio
            .packets
            .iter()
            .filter(|one| one[0] & 0x7f == payload_type && one[1..] == end)
            .count()
    };
    wait_for(&program, "the digits", || ends(&mut b, 96) >= 3 && ends(&mut a, 101) >= 3);
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

// --- T20: server transactions and validation

/// The head of a request of a raw peer.
fn request(peer: &Peer, method: &str, uri: &str, id: &str, headers: &str) -> String {
    let port = peer.port();
    format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{id};rport\n\
         From: <sip:201@office.test>;tag=f{id}\nTo: <{uri}>\nCall-ID: {id}\nCSeq: 1 {method}\n\
         Contact: <sip:201@127.0.0.1:{port}>\nMax-Forwards: 70\n{headers}"
    )
}

#[test]
fn t20_a_retransmitted_info_or_bye_acts_once_and_gets_the_same_response() {
    let program = office();
    let called = phone(&program, "202", "callee_informed.xml");
    let log = caller(&program, "loses_answers.xml").run();
    for method in ["INFO", "BYE"] {
        assert!(log.sent(&format!("{method} ")).count() >= 3, "{log:#?}");
        let answers: Vec<&str> = log
            .received("SIP/2.0 200")
            .filter(|one| one.header("CSeq").ends_with(method))
            .map(|one| one.text.as_str())
            .collect();
        assert!(answers.len() >= 3, "{log:#?}");
        assert!(answers.iter().all(|one| one == &answers[0]), "{answers:#?}");
    }
    let seen = called.finish();
    assert_eq!(seen.received("INFO ").count(), 1);
    assert_eq!(seen.received("BYE ").count(), 1);
    assert_at_rest(&program);
}

#[test]
fn t20_an_invite_that_comes_on_two_paths_is_merged_with_482() {
    let program = office();
    let called = phone(&program, "202", "cancelled.xml");
    caller(&program, "merged.xml").run();
    assert_eq!(called.finish().received("INVITE ").count(), 1);
    assert_at_rest(&program);
}

#[test]
fn t20_what_cannot_be_served_is_refused_with_the_right_code() {
    let program = office();
    let peer = Peer::new(&program);
    let uri = "sip:202@office.test";
    let header = |answer: &str, name: &str| {
        answer.lines().any(|line| line.to_ascii_lowercase().starts_with(&name.to_ascii_lowercase()))
    };
    peer.request(&request(&peer, "INVITE", uri, "e1", "Require: foo"));
    let answer = peer.wait("SIP/2.0 420");
    assert!(header(&answer, "Unsupported: foo"), "{answer}");
    peer.request(&request(&peer, "FOO", uri, "e2", "Subject: none"));
    let answer = peer.wait("SIP/2.0 501");
    assert!(header(&answer, "Allow: INVITE"), "{answer}");
    let exhausted = request(&peer, "INVITE", uri, "e3", "Subject: none")
        .replace("Max-Forwards: 70", "Max-Forwards: 0");
    peer.request(&exhausted);
    peer.wait("SIP/2.0 483");
    for method in ["BYE", "INFO", "INVITE", "UPDATE"] {
        let unknown = request(&peer, method, uri, &format!("e4{method}"), "Subject: none")
            .replace(&format!("To: <{uri}>"), &format!("To: <{uri}>;tag=nobody"));
        peer.request(&unknown);
        peer.wait("SIP/2.0 481");
    }
    let cancel = request(&peer, "CANCEL", uri, "e5", "Subject: none");
    peer.request(&cancel);
    peer.wait("SIP/2.0 481");
    peer.assert_alive();
}

#[test]
fn t20_junk_is_met_with_silence_and_the_switch_lives() {
    let program = office();
    let peer = Peer::new(&program);
    peer.request(&request(&peer, "ACK", "sip:202@office.test", "j1", "Subject: none"));
    peer.send(b"\r\n\r\n");
    peer.send(b"\0\0\0\0");
    peer.send(&vec![b'A'; 65_000]);
    peer.send(&(0..=255).cycle().take(1400).collect::<Vec<u8>>());
    peer.send(b"SIP/2.0 200 OK\r\n\r\n");
    peer.send(b"INVITE");
    let answers = peer.assert_alive();
    let allowed = |text: &String| text.trim().is_empty() || text.starts_with("SIP/2.0 400");
    assert!(answers.iter().all(allowed), "{answers:#?}");
    let mut huge = request(&peer, "INVITE", "sip:202@office.test", "j2", "Subject: ");
    huge.push_str(&"x".repeat(60_000));
    peer.request(&huge);
    peer.assert_alive();
    let called = phone(&program, "202", "callee.xml");
    caller(&program, "caller.xml").run();
    called.finish();
    assert_at_rest(&program);
}

#[test]
fn options_to_the_switch_are_answered_and_those_to_a_line_are_challenged() {
    let program = office();
    let peer = Peer::new(&program);
    let server = format!("sip:{}", program.sip);
    peer.request(&request(&peer, "OPTIONS", &server, "o1", "Accept: application/sdp"));
    let answer = peer.wait("SIP/2.0 200");
    for name in ["Allow: INVITE, ACK", "Accept: application/sdp", "Supported: "] {
        assert!(answer.lines().any(|line| line.starts_with(name)), "{name} in {answer}");
    }
    let log = Sipp::new(&program, "options.xml")
        .line("201", "sip:202@office.test")
        .key("to", "sip:202@office.test")
        .key("first", 1)
        .key("second", 2)
        .run();
    assert_eq!(log.last_response("OPTIONS").status(), 200);
}
