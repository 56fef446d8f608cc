//! Forwarding, do not disturb, 302 and redirection, driven by phones; what applications see of it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::flow::Transport;
use sip_stack::message::{HeaderName, Message};
use switch::exchange::{AdminRequest, ForwardEntry, Input};
use switch::phone::PhoneEvent;
use tapi::Constant;
use tapi::constant::ForwardMode;
use tests::sim::{Application, PhoneIndex, World};

/// Where the carrier of the office listens.
const CARRIER: &str = "127.0.0.1:5090";

fn phones<const N: usize>(seed: u64, lines: [&str; N]) -> (World, [PhoneIndex; N]) {
    let mut world = World::office(seed);
    let phones = lines.map(|line| world.phone(line));
    (world, phones)
}

/// Dials a code and waits until the switch has hung up after its confirmation tone.
fn code(world: &mut World, phone: PhoneIndex, code: &str) {
    let leg = world.with_phone(phone, |phone, now| phone.call(now, code)).unwrap();
    world.expect(phone, code, |event| *event == PhoneEvent::Connected { leg });
    world.settle();
    let heard = world.treatment(phone, leg);
    assert!(matches!(heard, media::Treatment::Tone(media::Tone::Confirmation, _)), "{heard:?}");
    world.expect(phone, "the switch hangs up", |event| *event == PhoneEvent::Ended { leg });
    world.settle();
}

fn refused(world: &mut World, phone: PhoneIndex, number: &str) -> (u16, String) {
    let leg = world.with_phone(phone, |phone, now| phone.call(now, number)).unwrap();
    let mut found = None;
    world.until(&format!("{number} is refused"), |world| {
        let event = world
            .take(phone, |event| matches!(event, PhoneEvent::Failed { leg: of, .. } if *of == leg));
        if let Some(PhoneEvent::Failed { status, reason, .. }) = event {
            found = Some((status, reason.unwrap_or_default()));
        }
        found.is_some()
    });
    found.unwrap()
}

fn call(world: &mut World, phone: PhoneIndex, number: &str) -> LegId {
    world.with_phone(phone, |phone, now| phone.call(now, number)).unwrap()
}

fn talk(world: &mut World, a: (PhoneIndex, LegId), c: (PhoneIndex, LegId)) {
    world.with_phone(c.0, |phone, now| phone.answer(now, c.1));
    world.expect(a.0, "answered", |event| *event == PhoneEvent::Connected { leg: a.1 });
    world.settle();
    assert!(world.hears(c.0, a.0, a.1) && world.hears(a.0, c.0, c.1));
}

fn hang_up(world: &mut World, phone: PhoneIndex, leg: LegId) {
    world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
    world.settle();
    world.assert_at_rest();
}

/// The states of a line's calls since the beginning, or since `mark`.
fn states(world: &World, line: &str, mark: usize) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("").rsplit('_').next().unwrap().to_owned();
    let events = world.events[mark..]
        .iter()
        .filter(|event| event["kind"] == json!("LINE_CALLSTATE") && event["line"] == json!(line));
    events
        .map(|event| {
            format!("{} {}", word(&event["callState"]), word(&event["mode"])).trim().to_owned()
        })
        .collect()
}

fn mark(world: &World) -> usize {
    world.events.len()
}

/// LINECALLINFO of the call that was announced last to an application.
fn info(world: &mut World, app: Application) -> Value {
    let inbox = world.inbox(app);
    let new = inbox.iter().rev().find(|message| message["method"] == json!("LINE_APPNEWCALL"));
    let h_call = new.expect("a call was announced")["params"]["hCall"].clone();
    world.ask(app, "lineGetCallInfo", json!({"hCall": h_call})).unwrap()
}

fn parties(info: &Value) -> [String; 5] {
    ["callerId", "calledId", "redirectingId", "redirectionId", "reason"].map(|field| {
        info[field].as_str().unwrap_or("").trim_start_matches("LINECALLREASON_").to_owned()
    })
}

fn set(world: &mut World, line: &str, list: &[(ForwardMode, Option<&str>, Option<&str>)]) {
    let forward_list = list.iter().map(|(mode, caller, to)| ForwardEntry {
        mode: *mode,
        caller: caller.map(str::to_owned),
        destination: to.map(str::to_owned),
    });
    let request = AdminRequest::SetForwarding {
        line: line.to_owned(),
        forward_list: forward_list.collect(),
        rings: None,
    };
    world.administrator(request).unwrap();
}

fn forward_list(world: &mut World, line: &str) -> Vec<String> {
    let rows = world.administrator(AdminRequest::Lines).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["line"] == json!(line)).unwrap();
    let entries = row["forwardList"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| {
            let mode = entry["forwardMode"].as_str().unwrap().rsplit('_').next().unwrap();
            format!("{mode} {}", entry["destAddress"].as_str().unwrap_or("-"))
        })
        .collect()
}

/// The carrier is resolved; what it was sent follows as strays.
fn resolve_carrier(world: &mut World) {
    let carrier: SocketAddr = CARRIER.parse().unwrap();
    let targets = vec![(Transport::Udp, carrier)];
    world.input(Input::Resolved { trunk: "carrier".to_owned(), targets });
}

fn invites_to_carrier(world: &mut World) -> Vec<Message> {
    let sent = world.strays().into_iter().filter(|sent| sent.flow.remote.to_string() == CARRIER);
    let messages = sent.filter_map(|sent| Message::parse(sent.bytes).ok());
    messages.filter(|message| message.bytes().starts_with(b"INVITE ")).collect()
}

#[test]
fn the_forward_all_code_sends_every_call_on_without_a_call_at_the_line() {
    let (mut world, [a, b, c]) = phones(700, ["201", "202", "203"]);
    code(&mut world, b, "*72203");
    assert_eq!(forward_list(&mut world, "202"), ["UNCOND 203"]);
    let mark = mark(&world);
    let near = call(&mut world, a, "202");
    world.expect(a, "181", |event| matches!(event, PhoneEvent::Progress { status: 181, .. }));
    let far = world.incoming(c);
    talk(&mut world, (a, near), (c, far));
    assert_eq!(states(&world, "202", mark), Vec::<String>::new());
    assert_eq!(states(&world, "203", mark), ["OFFERING ACTIVE", "CONNECTED ACTIVE"]);
    assert_eq!(
        states(&world, "201", mark),
        ["DIALING", "PROCEEDING", "RINGBACK", "CONNECTED ACTIVE"]
    );
    hang_up(&mut world, a, near);
    code(&mut world, b, "*73");
    assert_eq!(forward_list(&mut world, "202"), Vec::<String>::new());
    let near = call(&mut world, a, "202");
    let far = world.incoming(b);
    talk(&mut world, (a, near), (b, far));
    hang_up(&mut world, a, near);
}

#[test]
fn the_codes_set_busy_no_answer_and_do_not_disturb_beside_each_other() {
    let (mut world, [b]) = phones(701, ["202"]);
    let app = world.application("desk");
    let h_line = world.open(app, "202");
    let wanted = json!({
        "hLine": h_line, "lineStates": [], "addressStates": ["LINEADDRESSSTATE_FORWARD"],
    });
    world.ask(app, "lineSetStatusMessages", wanted).unwrap();
    world.trace(app);
    for digits in ["*90203", "*92204", "*78", "*72205"] {
        code(&mut world, b, digits);
        let told = world.trace(app);
        assert!(told.contains(&"LINE_ADDRESSSTATE".to_owned()), "{digits}: {told:?}");
    }
    let all = ["BUSY 203", "NOANSW 204", "UNCOND -", "UNCOND 205"];
    assert_eq!(forward_list(&mut world, "202"), all);
    let asked = json!({"hLine": h_line, "addressId": 0});
    let status = world.ask(app, "lineGetAddressStatus", asked).unwrap();
    let first = json!({
        "forwardMode": "LINEFORWARDMODE_BUSY", "callerAddress": status["forwardList"][0]["callerAddress"],
        "destAddress": "203",
    });
    assert_eq!(status["forwardList"][0], first, "LINEADDRESSSTATUS tells the same");
    for (digits, left) in [
        ("*91", &["NOANSW 204", "UNCOND -", "UNCOND 205"][..]),
        ("*79", &["NOANSW 204", "UNCOND 205"]),
        ("*73", &["NOANSW 204"]),
        ("*93", &[]),
        ("*93", &[]),
    ] {
        code(&mut world, b, digits);
        assert_eq!(forward_list(&mut world, "202"), left, "{digits}");
    }
    let tail = ["DIALING", "PROCEEDING", "CONNECTED ACTIVE", "DISCONNECTED NORMAL", "IDLE"];
    let states = states(&world, "202", 0);
    assert_eq!(states[states.len() - 5..], tail);
    world.forget(app);
    world.assert_at_rest();
}

#[test]
fn a_code_with_a_bad_number_is_refused_with_a_reason_and_changes_nothing() {
    let (mut world, [b]) = phones(702, ["202"]);
    code(&mut world, b, "*72203");
    for (digits, status, cause) in [
        ("*72299", 404, "Q.850;cause=1"),
        ("*72202", 403, "Q.850;cause=21"),
        ("*72", 484, "Q.850;cause=28"),
        ("*72700", 404, "Q.850;cause=1"),
        ("*90*43", 404, "Q.850;cause=1"),
    ] {
        assert_eq!(refused(&mut world, b, digits), (status, cause.to_owned()), "{digits}");
        assert_eq!(forward_list(&mut world, "202"), ["UNCOND 203"]);
    }
    world.assert_at_rest();
}

#[test]
fn a_late_offer_gets_its_confirmation_too() {
    let (mut world, [b]) = phones(703, ["202"]);
    world.with_phone(b, |phone, _| phone.behaviour().offers_late = true);
    let leg = call(&mut world, b, "*78");
    world.expect(b, "connected", |event| *event == PhoneEvent::Connected { leg });
    world.expect(b, "hung up", |event| *event == PhoneEvent::Ended { leg });
    assert_eq!(forward_list(&mut world, "202"), ["UNCOND -"]);
    world.assert_at_rest();
}

#[test]
fn who_hangs_up_during_the_confirmation_tone_has_set_it_all_the_same() {
    let (mut world, [b]) = phones(704, ["202"]);
    let leg = call(&mut world, b, "*72203");
    world.expect(b, "connected", |event| *event == PhoneEvent::Connected { leg });
    hang_up(&mut world, b, leg);
    assert_eq!(forward_list(&mut world, "202"), ["UNCOND 203"]);
}

#[test]
fn no_answer_rings_the_line_then_the_next_and_tells_everybody_who_diverted() {
    let (mut world, [a, b, c]) = phones(710, ["201", "202", "203"]);
    let (near_app, far_app) = (world.application("a"), world.application("c"));
    world.open(near_app, "201");
    world.open(far_app, "203");
    code(&mut world, b, "*92203");
    let mark = mark(&world);
    world.trace(near_app);
    let near = call(&mut world, a, "202");
    let first = world.incoming(b);
    world.expect(b, "the ringing stops", |event| *event == PhoneEvent::Ended { leg: first });
    let far = world.incoming(c);
    assert!(world.now().0 >= Duration::from_secs(20), "the line's ring_timeout");
    assert_eq!(states(&world, "202", mark), ["OFFERING ACTIVE", "DISCONNECTED FORWARDED", "IDLE"]);
    world.settle();
    let at_c = info(&mut world, far_app);
    assert_eq!(parties(&at_c), ["201", "202", "202", "203", "FWDNOANSWER"]);
    talk(&mut world, (a, near), (c, far));
    let at_a = info(&mut world, near_app);
    assert_eq!(parties(&at_a), ["201", "202", "202", "203", "DIRECT"]);
    assert_eq!(at_a["connectedId"], json!("203"));
    assert_eq!(at_c["callId"], at_a["callId"]);
    let trace = world.trace(near_app);
    let said = trace.iter().filter(|line| line.contains("REDIRECT")).collect::<Vec<_>>();
    assert_eq!(said.len(), 1, "{trace:?}");
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    for app in [near_app, far_app] {
        world.forget(app);
    }
    world.assert_at_rest();
}

#[test]
fn the_ring_count_of_a_list_counts_ring_cycles() {
    let (mut world, [a, b, c]) = phones(711, ["201", "202", "203"]);
    let entry = ForwardEntry {
        mode: ForwardMode::NoAnswInternal,
        caller: None,
        destination: Some("203".to_owned()),
    };
    let request = AdminRequest::SetForwarding {
        line: "202".to_owned(),
        forward_list: vec![entry],
        rings: Some(2),
    };
    world.administrator(request).unwrap();
    let began = world.now();
    let near = call(&mut world, a, "202");
    world.incoming(b);
    let far = world.incoming(c);
    let rang = world.now() - began;
    assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&rang), "{rang:?}");
    talk(&mut world, (a, near), (c, far));
    hang_up(&mut world, a, near);
}

#[test]
fn busy_is_every_appearance_taken_and_486_of_the_phone() {
    for is_refusing in [true, false] {
        let (mut world, [a, b, c]) = phones(720 + u64::from(is_refusing), ["201", "202", "203"]);
        set(&mut world, "202", &[(ForwardMode::Busy, None, Some("203"))]);
        let mut others = Vec::new();
        if is_refusing {
            world.with_phone(b, |phone, _| phone.behaviour().refuses_with = Some(486));
        } else {
            for _ in 0..4 {
                let d = world.phone("204");
                others.push((d, call(&mut world, d, "202")));
                world.incoming(b);
            }
        }
        let mark = mark(&world);
        let near = call(&mut world, a, "202");
        let far = world.incoming(c);
        let expected: &[&str] = match is_refusing {
            true => &["OFFERING ACTIVE", "DISCONNECTED FORWARDED", "IDLE"],
            false => &[],
        };
        assert_eq!(states(&world, "202", mark), expected);
        talk(&mut world, (a, near), (c, far));
        for (phone, leg) in others {
            world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
        }
        hang_up(&mut world, a, near);
    }
}

#[test]
fn a_line_without_a_phone_is_forwarded_as_not_answered() {
    let (mut world, [a, c]) = phones(725, ["201", "203"]);
    set(&mut world, "202", &[(ForwardMode::NoAnsw, None, Some("203"))]);
    let near = call(&mut world, a, "202");
    let far = world.incoming(c);
    talk(&mut world, (a, near), (c, far));
    hang_up(&mut world, a, near);
}

#[test]
fn a_refused_call_is_not_forwarded() {
    let (mut world, [a, b, c]) = phones(726, ["201", "202", "203"]);
    set(&mut world, "202", &[(ForwardMode::BusyNa, None, Some("203"))]);
    world.with_phone(b, |phone, _| phone.behaviour().refuses_with = Some(603));
    assert_eq!(refused(&mut world, a, "202").0, 603);
    assert!(world.take(c, |event| matches!(event, PhoneEvent::Incoming { .. })).is_none());
    world.assert_at_rest();
}

#[test]
fn a_list_may_send_one_caller_elsewhere_and_refuse_another() {
    let (mut world, [a, b, c, d]) = phones(727, ["201", "202", "203", "204"]);
    let list = [
        (ForwardMode::UncondSpecific, Some("201"), Some("203")),
        (ForwardMode::UncondSpecific, Some("204"), None),
    ];
    set(&mut world, "202", &list);
    let near = call(&mut world, a, "202");
    let far = world.incoming(c);
    talk(&mut world, (a, near), (c, far));
    assert_eq!(refused(&mut world, d, "202").0, 480);
    let third = call(&mut world, c, "202");
    let there = world.incoming(b);
    talk(&mut world, (c, third), (b, there));
    world.with_phone(c, |phone, now| phone.hang_up(now, third));
    hang_up(&mut world, a, near);
}

#[test]
fn do_not_disturb_is_480_without_ringing_and_its_own_mode() {
    let (mut world, [a, b]) = phones(730, ["201", "202"]);
    code(&mut world, b, "*78");
    let mark = mark(&world);
    assert_eq!(refused(&mut world, a, "202").0, 480);
    world.settle();
    assert!(world.take(b, |event| matches!(event, PhoneEvent::Incoming { .. })).is_none());
    assert_eq!(states(&world, "202", mark), Vec::<String>::new());
    assert_eq!(states(&world, "201", mark), ["DIALING", "PROCEEDING", "DISCONNECTED DONOTDISTURB"]);
    // Its own calls go out as ever.
    let leg = call(&mut world, b, "201");
    let far = world.incoming(a);
    talk(&mut world, (b, leg), (a, far));
    world.with_phone(b, |phone, now| phone.hang_up(now, leg));
    world.settle();
    code(&mut world, b, "*79");
    let near = call(&mut world, a, "202");
    let far = world.incoming(b);
    talk(&mut world, (a, near), (b, far));
    hang_up(&mut world, a, near);
}

#[test]
fn do_not_disturb_lets_forwarding_on_busy_apply() {
    let (mut world, [a, b, c]) = phones(731, ["201", "202", "203"]);
    for digits in ["*78", "*90203"] {
        code(&mut world, b, digits);
    }
    let near = call(&mut world, a, "202");
    let far = world.incoming(c);
    talk(&mut world, (a, near), (c, far));
    hang_up(&mut world, a, near);
}

#[test]
fn forwards_in_a_row_keep_the_first_number_and_the_last_who_forwarded() {
    let (mut world, [a, b, c, d]) = phones(740, ["201", "202", "203", "204"]);
    let app = world.application("d");
    world.open(app, "204");
    code(&mut world, b, "*72203");
    code(&mut world, c, "*92204");
    let near = call(&mut world, a, "202");
    world.incoming(c);
    let far = world.incoming(d);
    assert_eq!(parties(&info(&mut world, app)), ["201", "202", "203", "204", "FWDNOANSWER"]);
    talk(&mut world, (a, near), (d, far));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.forget(app);
    world.assert_at_rest();
}

#[test]
fn loops_end() {
    // Unconditional: nobody is there, 482.
    let (mut world, [a, b, c]) = phones(741, ["201", "202", "203"]);
    code(&mut world, b, "*72203");
    code(&mut world, c, "*72202");
    assert_eq!(refused(&mut world, a, "202").0, 482);
    // Back to the caller: it is busy with this call.
    code(&mut world, c, "*72201");
    assert_eq!(refused(&mut world, a, "202").0, 486);
    // No answer: each rings once, then the caller learns that nobody answered.
    for (phone, digits) in [(b, "*73"), (c, "*73"), (b, "*92203"), (c, "*92202")] {
        code(&mut world, phone, digits);
    }
    assert_eq!(refused(&mut world, a, "202").0, 480);
    for phone in [b, c] {
        let rang = world.take(phone, |event| matches!(event, PhoneEvent::Incoming { .. }));
        assert!(rang.is_some());
        let again = world.take(phone, |event| matches!(event, PhoneEvent::Incoming { .. }));
        assert!(again.is_none(), "rung twice");
    }
    world.assert_at_rest();
}

#[test]
fn more_than_five_forwards_are_too_many() {
    let text: String =
        (301..=308).map(|line| format!("[lines.{line}]\npassword = \"pw-{line}\"\n")).collect();
    let text = format!("domain = \"office.test\"\n{text}");
    let config = config::parse(&text, "many.toml").unwrap();
    let mut world = World::new(742, tests::sim::Faults::default(), config);
    let a = world.phone("301");
    let last = world.phone("307");
    for line in 302..=306 {
        let to = (line + 1).to_string();
        set(&mut world, &line.to_string(), &[(ForwardMode::Uncond, None, Some(&to))]);
    }
    let near = call(&mut world, a, "302");
    let far = world.incoming(last);
    talk(&mut world, (a, near), (last, far));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.phone("308");
    set(&mut world, "307", &[(ForwardMode::Uncond, None, Some("308"))]);
    assert_eq!(refused(&mut world, a, "302").0, 482);
    world.assert_at_rest();
}

#[test]
fn a_phone_that_answers_302_sends_its_call_to_the_number_and_not_to_the_host() {
    let (mut world, [a, b, c]) = phones(750, ["201", "202", "203"]);
    let app = world.application("c");
    world.open(app, "203");
    let mark = mark(&world);
    let near = call(&mut world, a, "202");
    let first = world.incoming(b);
    world.with_phone(b, |phone, now| phone.deflect(now, first, "203"));
    let far = world.incoming(c);
    assert_eq!(states(&world, "202", mark), ["OFFERING ACTIVE", "DISCONNECTED FORWARDED", "IDLE"]);
    assert_eq!(parties(&info(&mut world, app)), ["201", "202", "202", "203", "REDIRECT"]);
    talk(&mut world, (a, near), (c, far));
    assert!(world.strays().is_empty(), "nothing goes to the host of the Contact");
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.forget(app);
    world.assert_at_rest();
}

#[test]
fn a_302_to_nowhere_ends_the_call() {
    let (mut world, [a, b]) = phones(751, ["201", "202"]);
    for number in ["299", "202", "700", "*72203"] {
        let near = call(&mut world, a, "202");
        let first = world.incoming(b);
        world.with_phone(b, |phone, now| phone.deflect(now, first, number));
        world.expect(
            a,
            "failed",
            |event| matches!(event, PhoneEvent::Failed { leg, status: 480, .. } if *leg == near),
        );
    }
    world.assert_at_rest();
}

#[test]
fn two_phones_that_deflect_to_each_other_end_the_call() {
    let (mut world, [a, b, c]) = phones(752, ["201", "202", "203"]);
    call(&mut world, a, "202");
    let first = world.incoming(b);
    world.with_phone(b, |phone, now| phone.deflect(now, first, "203"));
    let second = world.incoming(c);
    world.with_phone(c, |phone, now| phone.deflect(now, second, "202"));
    world.expect(a, "failed", |event| matches!(event, PhoneEvent::Failed { status: 480, .. }));
    world.assert_at_rest();
}

#[test]
fn an_offered_call_is_redirected_and_the_line_is_idle_at_once() {
    let (mut world, [a, b, c]) = phones(753, ["201", "202", "203"]);
    let mark = mark(&world);
    let near = call(&mut world, a, "202");
    let first = world.incoming(b);
    world.settle();
    let calls = world.administrator(AdminRequest::Calls).unwrap();
    let call_id = u32::try_from(calls[0]["callId"].as_u64().unwrap()).unwrap();
    let redirect = |line: &str, to: &str| AdminRequest::Redirect {
        call_id,
        line: line.to_owned(),
        to: to.to_owned(),
    };
    for (line, to, status) in [("202", "202", 400), ("202", "299", 400), ("201", "203", 409)] {
        assert_eq!(world.administrator(redirect(line, to)).unwrap_err().status, status);
    }
    world.administrator(redirect("202", "203")).unwrap();
    world.expect(b, "cancelled", |event| *event == PhoneEvent::Ended { leg: first });
    let far = world.incoming(c);
    assert_eq!(states(&world, "202", mark), ["OFFERING ACTIVE", "IDLE"]);
    talk(&mut world, (a, near), (c, far));
    hang_up(&mut world, a, near);
}

#[test]
fn a_call_forwarded_outside_carries_diversion_and_the_callers_number() {
    let (mut world, [a, b]) = phones(760, ["201", "202"]);
    resolve_carrier(&mut world);
    code(&mut world, b, "*720612345678");
    world.strays();
    let near = call(&mut world, a, "202");
    world.settle();
    let sent = invites_to_carrier(&mut world);
    let invite = sent.first().expect("the carrier is called");
    assert_eq!(invite.request_uri(), Some("sip:612345678@127.0.0.1:5090"));
    let from = invite.header(HeaderName::From).unwrap();
    assert!(from.contains("sip:201@office.test"), "{from}");
    assert_eq!(
        invite.header(HeaderName::Diversion),
        Some("<sip:202@office.test>;reason=unconditional;counter=1;privacy=off;screen=no")
    );
    assert_eq!(invite.max_forwards(), Some(68));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn what_was_set_is_there_after_a_restart() {
    let (mut world, [b]) = phones(770, ["202"]);
    for digits in ["*72204", "*73", "*90203", "*78"] {
        code(&mut world, b, digits);
    }
    world.assert_at_rest();
    let mut world = World::restarted(771, &world.changes);
    assert_eq!(forward_list(&mut world, "202"), ["BUSY 203", "UNCOND -"]);
    let (a, b, c) = (world.phone("201"), world.phone("202"), world.phone("203"));
    code(&mut world, b, "*79");
    world.with_phone(b, |phone, _| phone.behaviour().refuses_with = Some(486));
    let near = call(&mut world, a, "202");
    let far = world.incoming(c);
    talk(&mut world, (a, near), (c, far));
    hang_up(&mut world, a, near);
}

#[test]
fn an_administrator_sets_and_switches_and_every_row_tells() {
    let mut world = World::office(780);
    let dnd = |is_on| AdminRequest::SetDnd { line: "202".to_owned(), is_on };
    let row = world.administrator(dnd(true)).unwrap();
    assert_eq!((&row["dnd"], &row["line"]), (&json!(true), &json!("202")));
    set(&mut world, "202", &[(ForwardMode::Busy, None, Some("203"))]);
    assert_eq!(forward_list(&mut world, "202"), ["BUSY 203"], "the whole list is replaced");
    let row = world.administrator(dnd(false)).unwrap();
    assert_eq!(row["forwardList"][0]["forwardMode"], json!(ForwardMode::Busy.name()));
    let nobody = AdminRequest::SetDnd { line: "299".to_owned(), is_on: true };
    assert_eq!(world.administrator(nobody).unwrap_err().status, 404);
    let wrong = AdminRequest::SetForwarding {
        line: "202".to_owned(),
        forward_list: vec![ForwardEntry {
            mode: ForwardMode::Unknown,
            caller: None,
            destination: None,
        }],
        rings: None,
    };
    assert_eq!(world.administrator(wrong).unwrap_err().status, 400);
    assert_eq!(forward_list(&mut world, "202"), ["BUSY 203"]);
}

#[test]
fn a_caller_that_hangs_up_while_the_call_moves_on_leaves_nothing_behind() {
    // The CANCEL meets the no-answer timer at every distance around it.
    for offset in 0..60 {
        let (mut world, [a, b, _c]) = phones(790 + offset, ["201", "202", "203"]);
        code(&mut world, b, "*92203");
        let near = call(&mut world, a, "202");
        world.incoming(b);
        world.run_for(Duration::from_millis(19_950 + offset * 2));
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn a_phone_that_answers_while_the_call_moves_on_is_hung_up_or_has_won() {
    for offset in 0..60 {
        let (mut world, [a, b, c]) = phones(850 + offset, ["201", "202", "203"]);
        code(&mut world, b, "*92203");
        let near = call(&mut world, a, "202");
        let first = world.incoming(b);
        world.run_for(Duration::from_millis(19_950 + offset * 2));
        world.with_phone(b, |phone, now| phone.answer(now, first));
        world.settle();
        if let Some(PhoneEvent::Incoming { leg, .. }) =
            world.take(c, |event| matches!(event, PhoneEvent::Incoming { .. }))
        {
            talk(&mut world, (a, near), (c, leg));
        } else {
            assert!(world.hears(a, b, first) && world.hears(b, a, near), "{offset}");
        }
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.settle();
        world.assert_at_rest();
    }
}
