//! Changes of a session: hold (T9), glare (T10), session timers (T11).

use serde_json::json;
use tests::interop::{self, Audio, Log, Running, Sipp, sdp, until};
use tests::program::Program;

use super::{assert_at_rest, caller, office, phone, phone_with};

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
    let call =
        application.wait("the call", |message| {
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
    until(program, "the re-INVITE to succeed", || {
        let log = a.log();
        let last = log.received("INVITE ").last().map(|one| one.header("CSeq").to_owned());
        let number = last.as_deref().and_then(|text| text.split(' ').next());
        let is_second = log.received("INVITE ").count() >= 2;
        let mut acks = log.received("ACK ");
        let is_accepted =
            log.sent("SIP/2.0 200").any(|one| Some(one.header("CSeq")) == last.as_deref());
        is_second && is_accepted && acks.any(|one| one.header("CSeq").split(' ').next() == number)
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

#[test]
fn t10_on_a_dialog_of_the_phone_the_switch_tries_again_at_once_or_within_two_seconds() {
    let program = office();
    let video = |port: u16| sdp(port, "m=video 9 RTP/AVP 99\na=rtpmap:99 H264/90000\n");
    let called =
        phone_with(&program, "202", "callee_adds_video.xml", |sipp| sipp.key("video", video(9)));
    let mut calling = caller(&program, "caller_refuses_glare.xml").key("video", video(9)).start();
    calling.until_received("SIP/2.0 200");
    until(&program, "the first ACK", || called.log().received("ACK ").next().is_some());
    called.go_on();
    until(&program, "the answer to the video", || {
        called.log().received("ACK ").count() == 1
            && called.log().received("SIP/2.0 200").next().is_some()
    });
    until(&program, "the ACKs", || calling.log().received("ACK ").count() == 2);
    calling.go_on();
    let log = calling.finish();
    let far = called.finish();
    assert!(
        far.last_response("INVITE").sdp("m=video ").starts_with(|c: char| c != '0'),
        "{far:#?}"
    );
    let invites: Vec<f64> = log.received("INVITE ").map(|one| one.at).collect();
    let refused = log.sent("SIP/2.0 491").next().unwrap().at;
    assert_eq!(invites.len(), 2);
    assert!(invites[1] - refused < 4.0, "the other one waits at most two seconds");
    assert_at_rest(&program);
}

#[test]
fn t10_a_re_invite_whose_other_party_is_replaced_before_it_answers_gets_491() {
    let program = office();
    let third = program.live_phone("203");
    let called = phone(&program, "202", "callee_ponders.xml");
    let video = sdp(9, "m=video 9 RTP/AVP 99\na=rtpmap:99 H264/90000\n");
    let mut calling = caller(&program, "caller_adds_video.xml").key("video", video).start();
    calling.until_received("SIP/2.0 200");
    until(&program, "the first ACK", || called.log().received("ACK ").next().is_some());
    calling.go_on();
    until(&program, "the far side is asked", || called.log().received("INVITE ").count() == 2);
    let call = program.get("/api/v1/calls").1["items"][0]["callId"].as_u64().unwrap();
    let transfer = format!("/api/v1/calls/{call}/transfer");
    let (status, answer) = program.post(&transfer, &json!({"line": "202", "to": "203"}));
    assert_eq!(status, 200, "{answer}");
    let leg = third.incoming();
    third.answer(leg);
    third.connected(leg);
    calling.until_received("SIP/2.0 491");
    until(&program, "its ACK", || {
        calling.log().sent("ACK ").any(|ack| ack.header("CSeq") == "3 ACK")
    });
    called.finish();
    third.hang_up(leg);
    calling.finish();
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
    until(&program, "the second refresh", || has_second(&calling) > 0);
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
