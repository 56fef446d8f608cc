//! Call completion in simulated time: queues, guards, lifetimes, restarts, and its races over seeds.
//!
//! Source: sip-mapping §2.9.8, §3.8, §3.17 (36, 37); tapi-call-control §4.8, §5.3, §7.5.

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::time::{Entropy, Seeded};
use switch::exchange::{AdminRequest, ForwardEntry};
use switch::phone::PhoneEvent;
use tapi::constant::{CallState, ForwardMode};
use tests::sim::{Application, Faults, PhoneIndex, World};

/// Longer than the guard of the office.
const GUARD: Duration = Duration::from_secs(4);

struct Office {
    world: World,
    a: PhoneIndex,
    b: PhoneIndex,
    c: PhoneIndex,
    /// The leg of 202 in its call with 203.
    far: LegId,
}

/// 202 talks to 203 and takes no second call; 201 is there.
fn busy(seed: u64) -> Office {
    busy_in(World::office(seed))
}

fn busy_in(mut world: World) -> Office {
    let [a, b, c] = ["201", "202", "203"].map(|line| world.phone(line));
    let (far, _) = world.connected(b, c);
    refuse(&mut world, b, true);
    Office { world, a, b, c, far }
}

fn refuse(world: &mut World, phone: PhoneIndex, is_busy: bool) {
    world.with_phone(phone, |phone, _| {
        phone.behaviour().refuses_with = is_busy.then_some(486);
    });
}

fn dial(world: &mut World, phone: PhoneIndex, number: &str) -> LegId {
    world.with_phone(phone, |phone, now| phone.call(now, number)).unwrap()
}

fn hang_up(world: &mut World, phone: PhoneIndex, leg: LegId) {
    world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
    world.settle();
}

fn fails(world: &mut World, phone: PhoneIndex, number: &str) -> u16 {
    let leg = dial(world, phone, number);
    let mut found = 0;
    world.until(&format!("{number} is refused"), |world| {
        let event =
            world.take(phone, |e| matches!(e, PhoneEvent::Failed { leg: of, .. } if *of == leg));
        if let Some(PhoneEvent::Failed { status, .. }) = event {
            found = status;
        }
        found != 0
    });
    found
}

/// Dials a code and waits until the switch has confirmed it and hung up.
fn code(world: &mut World, phone: PhoneIndex, code: &str) {
    let leg = dial(world, phone, code);
    world.expect(phone, code, |event| *event == PhoneEvent::Connected { leg });
    world.expect(phone, "the switch hangs up", |event| *event == PhoneEvent::Ended { leg });
    world.settle();
}

fn rows(world: &mut World) -> Vec<Value> {
    world.administrator(AdminRequest::Completions).unwrap().as_array().unwrap().clone()
}

/// The line that waits and the one that it waits for, with the state, in their order.
fn waiting(world: &mut World) -> Vec<String> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let rows = rows(world);
    rows.iter()
        .map(|r| format!("{}>{} {}", text(r, "line"), text(r, "callee"), text(r, "state")))
        .collect()
}

/// Why requests ended, so far.
fn ends(world: &World) -> Vec<String> {
    let ended = world.events.iter().filter(|event| event["kind"] == json!("COMPLETION_ENDED"));
    ended.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
}

fn is_rung(world: &World, phone: PhoneIndex) -> bool {
    world
        .legs(phone)
        .iter()
        .any(|leg| world.leg(phone, *leg).is_some_and(|view| !view.is_uac && !view.is_confirmed))
}

/// 202 hangs up and would take calls again.
fn frees(office: &mut Office) {
    let (b, far) = (office.b, office.far);
    refuse(&mut office.world, b, false);
    hang_up(&mut office.world, b, far);
}

impl Office {
    /// 201 answers its recall, 202 answers, they talk and hang up; nothing is left.
    fn completes(mut self) {
        let (a, b) = (self.a, self.b);
        let world = &mut self.world;
        let near = world.incoming(a);
        world.with_phone(a, |phone, now| phone.answer(now, near));
        let far = world.incoming(b);
        world.settle();
        assert!(matches!(
            world.treatment(a, near),
            media::Treatment::Tone(media::Tone::Ringback, _)
        ));
        world.with_phone(b, |phone, now| phone.answer(now, far));
        world.settle();
        assert!(world.hears(a, b, far) && world.hears(b, a, near));
        assert_eq!(waiting(world), Vec::<String>::new());
        assert_eq!(ends(world).last().map(String::as_str), Some("COMPLETED"));
        hang_up(world, a, near);
        world.assert_at_rest();
    }
}

#[test]
fn a_phone_asks_by_code_after_busy_and_is_rung_when_the_other_line_has_been_free_for_a_moment() {
    let mut office = busy(1000);
    assert_eq!(fails(&mut office.world, office.a, "202"), 486);
    code(&mut office.world, office.a, "*66");
    assert_eq!(waiting(&mut office.world), ["201>202 WAITING"]);
    office.world.run_for(Duration::from_secs(60));
    assert!(!is_rung(&office.world, office.a), "202 still talks");
    frees(&mut office);
    office.world.run_for(Duration::from_secs(2));
    assert!(!is_rung(&office.world, office.a), "the guard is not over");
    office.completes();
}

#[test]
fn a_line_that_is_used_again_within_the_guard_is_waited_for_further() {
    let mut office = busy(1001);
    assert_eq!(fails(&mut office.world, office.a, "202"), 486);
    code(&mut office.world, office.a, "*66");
    frees(&mut office);
    office.world.run_for(Duration::from_secs(2));
    let (far, other) = office.world.connected(office.b, office.c);
    office.far = far;
    office.world.run_for(Duration::from_secs(30));
    assert!(!is_rung(&office.world, office.a));
    hang_up(&mut office.world, office.c, other);
    office.completes();
}

#[test]
fn after_no_answer_the_line_must_have_been_used_before_its_caller_is_rung() {
    let mut world = World::office(1002);
    let [a, b, c] = ["201", "202", "203"].map(|line| world.phone(line));
    let near = dial(&mut world, a, "202");
    world.incoming(b);
    world.settle();
    hang_up(&mut world, a, near);
    code(&mut world, a, "*66");
    assert_eq!(rows(&mut world)[0]["condition"], "LINECALLCOMPLCOND_NOANSWER");
    world.run_for(Duration::from_secs(120));
    assert!(!is_rung(&world, a), "nobody has been seen at 202");
    let (far, _) = world.connected(b, c);
    hang_up(&mut world, b, far);
    let office = Office { world, a, b, c, far };
    office.completes();
}

#[test]
fn a_code_that_has_nothing_to_do_is_refused_and_an_old_attempt_is_forgotten() {
    let mut office = busy(1003);
    let a = office.a;
    for digits in ["*66", "*86"] {
        assert_eq!(fails(&mut office.world, a, digits), 404, "{digits}");
    }
    for number in ["299", "205"] {
        fails(&mut office.world, a, number);
        assert_eq!(fails(&mut office.world, a, "*66"), 404, "{number} was neither busy nor silent");
    }
    assert_eq!(fails(&mut office.world, a, "202"), 486);
    office.world.run_for(Duration::from_secs(21));
    assert_eq!(fails(&mut office.world, a, "*66"), 404, "longer ago than keep_failed_call");
    assert_eq!(fails(&mut office.world, a, "202"), 486);
    code(&mut office.world, a, "*66");
    code(&mut office.world, a, "*86");
    assert_eq!(
        (waiting(&mut office.world), ends(&office.world)),
        (vec![], vec!["CANCELLED".to_owned()])
    );
    frees(&mut office);
    office.world.run_for(GUARD);
    assert!(!is_rung(&office.world, a));
    office.world.assert_at_rest();
}

#[test]
fn who_asks_twice_waits_once() {
    let mut office = busy(1004);
    for _ in 0..2 {
        assert_eq!(fails(&mut office.world, office.a, "202"), 486);
        code(&mut office.world, office.a, "*66");
    }
    assert_eq!(rows(&mut office.world).len(), 1);
    frees(&mut office);
    office.completes();
}

#[test]
fn those_who_wait_are_served_in_their_order_and_who_is_in_use_keeps_its_place() {
    let mut office = busy(1005);
    let (d, e) = (office.world.phone("204"), office.world.phone("205"));
    for phone in [office.a, d] {
        assert_eq!(fails(&mut office.world, phone, "202"), 486);
        code(&mut office.world, phone, "*66");
    }
    let (near, _) = office.world.connected(office.a, e);
    assert_eq!(waiting(&mut office.world), ["201>202 SUSPENDED", "204>202 WAITING"]);
    frees(&mut office);
    let recall = office.world.incoming(d);
    assert_eq!(waiting(&mut office.world), ["201>202 SUSPENDED", "204>202 RECALLING"]);
    hang_up(&mut office.world, office.a, near);
    office.world.run_for(GUARD);
    assert!(!is_rung(&office.world, office.a), "one at a time");
    office.world.with_phone(d, |phone, now| phone.reject(now, recall, 603));
    office.world.run_for(Duration::from_millis(100));
    assert_eq!(ends(&office.world), ["REFUSED"]);
    office.completes();
}

#[test]
fn a_caller_that_does_not_answer_is_not_rung_again() {
    let mut office = busy(1006);
    assert_eq!(fails(&mut office.world, office.a, "202"), 486);
    code(&mut office.world, office.a, "*66");
    frees(&mut office);
    office.world.incoming(office.a);
    office.world.run_for(Duration::from_secs(21));
    assert_eq!(ends(&office.world), ["NO_ANSWER"]);
    assert!(!is_rung(&office.world, office.a));
    office.world.assert_at_rest();
}

#[test]
fn a_line_that_is_busy_again_at_the_recall_is_waited_for_again() {
    let mut office = busy(1007);
    assert_eq!(fails(&mut office.world, office.a, "202"), 486);
    code(&mut office.world, office.a, "*66");
    frees(&mut office);
    let recall = office.world.incoming(office.a);
    let (far, _) = office.world.connected(office.c, office.b);
    refuse(&mut office.world, office.b, true);
    office.world.with_phone(office.a, |phone, now| phone.answer(now, recall));
    office.world.settle();
    assert!(matches!(
        office.world.treatment(office.a, recall),
        media::Treatment::Tone(media::Tone::Busy, _)
    ));
    assert_eq!(waiting(&mut office.world), ["201>202 SUSPENDED"]);
    hang_up(&mut office.world, office.a, recall);
    refuse(&mut office.world, office.b, false);
    hang_up(&mut office.world, office.c, far);
    office.completes();
}

#[test]
fn a_phone_that_says_busy_without_a_call_is_waited_for_until_it_is_used() {
    let mut world = World::office(1008);
    let [a, b, c] = ["201", "202", "203"].map(|line| world.phone(line));
    refuse(&mut world, b, true);
    assert_eq!(fails(&mut world, a, "202"), 486);
    code(&mut world, a, "*66");
    // Nothing is seen of what makes it busy: it is tried once.
    let recall = world.incoming(a);
    world.with_phone(a, |phone, now| phone.answer(now, recall));
    world.settle();
    hang_up(&mut world, a, recall);
    world.run_for(Duration::from_secs(120));
    assert!(!is_rung(&world, a), "and not again and again");
    let (far, _) = world.connected(b, c);
    refuse(&mut world, b, false);
    hang_up(&mut world, b, far);
    Office { world, a, b, c, far }.completes();
}

#[test]
fn a_request_is_forgotten_after_its_time_and_when_the_line_is_forwarded() {
    let mut office = busy(1009);
    assert_eq!(fails(&mut office.world, office.a, "202"), 486);
    code(&mut office.world, office.a, "*66");
    office.world.run_for(Duration::from_secs(1801));
    assert_eq!(
        (waiting(&mut office.world), ends(&office.world)),
        (vec![], vec!["EXPIRED".to_owned()])
    );
    assert_eq!(fails(&mut office.world, office.a, "202"), 486);
    code(&mut office.world, office.a, "*66");
    let entry = ForwardEntry {
        mode: ForwardMode::Uncond,
        caller: None,
        destination: Some("206".to_owned()),
    };
    let line = "202".to_owned();
    let request = AdminRequest::SetForwarding { line, forward_list: vec![entry], rings: None };
    office.world.administrator(request).unwrap();
    assert_eq!(ends(&office.world), ["EXPIRED", "FORWARDED"]);
    frees(&mut office);
    office.world.assert_at_rest();
}

#[test]
fn a_line_that_does_not_want_to_be_disturbed_is_not_called_before_it_does() {
    let mut office = busy(1010);
    assert_eq!(fails(&mut office.world, office.a, "202"), 486);
    code(&mut office.world, office.a, "*66");
    let dnd = |is_on| AdminRequest::SetDnd { line: "202".to_owned(), is_on };
    office.world.administrator(dnd(true)).unwrap();
    frees(&mut office);
    office.world.run_for(Duration::from_secs(30));
    assert!(!is_rung(&office.world, office.a));
    office.world.administrator(dnd(false)).unwrap();
    office.completes();
}

#[test]
fn requests_and_messages_survive_a_restart_with_their_identifiers() {
    let mut office = busy(1011);
    let app = office.world.application("crm");
    office.world.open(app, "201");
    assert_eq!(fails(&mut office.world, office.a, "202"), 486);
    code(&mut office.world, office.a, "*66");
    let before = rows(&mut office.world);
    let left = leave_message(&mut office.world, app, office.a);
    assert_eq!(left["result"], 0);
    let messages = messages(&mut office.world, "202");
    assert_eq!(messages.len(), 1);
    let mut world = World::restarted(1011, &office.world.changes);
    let after = rows(&mut world);
    for field in ["completionId", "line", "callee", "mode", "condition", "expiresAt", "position"] {
        assert_eq!(after[0][field], before[0][field], "{field}");
    }
    assert_eq!(self::messages(&mut world, "202"), messages);
    let app = world.application("crm");
    let h_line = world.open(app, "201");
    let status = world.ask(app, "lineGetLineDevStatus", json!({"hLine": h_line})).unwrap();
    assert_eq!(status["numCallCompletions"], 1);
    let [a, b, c] = ["201", "202", "203"].map(|line| world.phone(line));
    let (far, _) = world.connected(b, c);
    world.forget(app);
    let mut office = Office { world, a, b, c, far };
    frees(&mut office);
    office.completes();
}

fn messages(world: &mut World, line: &str) -> Vec<Value> {
    let lines = world.administrator(AdminRequest::Lines).unwrap();
    let row = lines.as_array().unwrap().iter().find(|row| row["line"] == json!(line)).unwrap();
    row["messages"].as_array().unwrap().clone()
}

/// The call in BUSY.
fn failed_call(world: &World, app: Application) -> u64 {
    let calls = world.watch(app).handles();
    let busy = calls.iter().rev().find(|(_, state)| *state == Some(CallState::Busy));
    busy.expect("a call is BUSY").0
}

/// 201 finds 202 busy and its application leaves a message there.
fn leave_message(world: &mut World, app: Application, a: PhoneIndex) -> Value {
    assert_eq!(fails(world, a, "202"), 486);
    let call = failed_call(world, app);
    let wish = json!({
        "hCall": call, "completionMode": "LINECALLCOMPLMODE_MESSAGE", "messageId": 0, "wait": true,
    });
    world.ask(app, "lineCompleteCall", wish).unwrap()
}

#[test]
fn a_message_waits_until_the_two_lines_have_talked() {
    let mut office = busy(1012);
    let app = office.world.application("crm");
    office.world.open(app, "201");
    let line = office.world.open(app, "202");
    leave_message(&mut office.world, app, office.a);
    leave_message(&mut office.world, app, office.a);
    let left = messages(&mut office.world, "202");
    assert_eq!(left.len(), 1, "the same text is there once");
    assert_eq!((&left[0]["from"], &left[0]["text"]), (&json!("201"), &json!("Please call back.")));
    let flags = |world: &mut World| {
        let status = world.ask(app, "lineGetLineDevStatus", json!({"hLine": line})).unwrap();
        status["devStatusFlags"].as_array().unwrap().contains(&json!("LINEDEVSTATUSFLAGS_MSGWAIT"))
    };
    assert!(flags(&mut office.world));
    frees(&mut office);
    let (near, _) = office.world.connected(office.b, office.a);
    assert!(messages(&mut office.world, "202").is_empty() && !flags(&mut office.world));
    hang_up(&mut office.world, office.b, near);
    office.world.forget(app);
    office.world.assert_at_rest();
}

/// Asks for the completion of the call that 201 has in BUSY or RINGBACK.
fn complete(world: &mut World, app: Application, call: u64, mode: &str) -> Result<Value, Value> {
    let mode = format!("LINECALLCOMPLMODE_{mode}");
    let wish = json!({"hCall": call, "completionMode": mode, "wait": true});
    world.ask(app, "lineCompleteCall", wish)
}

#[test]
fn who_camps_on_is_shown_at_the_busy_line_which_may_turn_it_away() {
    for turns_away in [false, true] {
        let mut office = busy(1013 + u64::from(turns_away));
        let app = office.world.application("crm");
        office.world.open(app, "201");
        assert_eq!(fails(&mut office.world, office.a, "202"), 486);
        let own = office.world.watch(app).handles().last().unwrap().0;
        let h_line = office.world.open(app, "202");
        complete(&mut office.world, app, own, "CAMPON").unwrap();
        let (shown, state) = *office.world.watch(app).handles().last().unwrap();
        assert_eq!(state, Some(CallState::OnHold));
        let info = office.world.ask(app, "lineGetCallInfo", json!({"hCall": shown})).unwrap();
        assert_eq!(info["reason"], "LINECALLREASON_CAMPEDON");
        assert_eq!((&info["callerId"], &info["calledId"]), (&json!("201"), &json!("202")));
        let status = office.world.ask(app, "lineGetCallStatus", json!({"hCall": shown})).unwrap();
        assert_eq!(status["callFeatures"], json!(["LINECALLFEATURE_DROP"]));
        let refused = office.world.ask(app, "lineUnhold", json!({"hCall": shown})).unwrap_err();
        assert_eq!(refused["message"], "LINEERR_INVALCALLSTATE");
        let all = json!({"hLine": h_line, "addressId": 0, "select": "LINECALLSELECT_LINE"});
        let calls = office.world.ask(app, "lineGetNewCalls", all).unwrap();
        let talking = calls["calls"][0].as_u64().unwrap();
        let status = office.world.ask(app, "lineGetCallStatus", json!({"hCall": talking})).unwrap();
        let features = status["callFeatures"].as_array().unwrap();
        assert!(!features.contains(&json!("LINECALLFEATURE_SWAPHOLD")), "{features:?}");
        assert!(!features.contains(&json!("LINECALLFEATURE_COMPLETETRANSF")), "{features:?}");
        if turns_away {
            office.world.ask(app, "lineDrop", json!({"hCall": shown})).unwrap();
            assert_eq!(ends(&office.world), ["TURNED_AWAY"]);
            frees(&mut office);
            office.world.forget(app);
            office.world.assert_at_rest();
        } else {
            frees(&mut office);
            office.world.forget(app);
            office.completes();
        }
    }
}

#[test]
fn completion_is_not_offered_where_nobody_could_be_waited_for() {
    let mut office = busy(1015);
    let app = office.world.application("crm");
    let h_line = office.world.open(app, "201");
    for number in ["299", "205"] {
        fails(&mut office.world, office.a, number);
        let call = office.world.watch(app).handles().last().unwrap().0;
        let refused = complete(&mut office.world, app, call, "CALLBACK").unwrap_err();
        assert_eq!(refused["message"], "LINEERR_INVALCALLSTATE", "{number} is DISCONNECTED");
    }
    let near = dial(&mut office.world, office.a, "204");
    let d = office.world.phone("204");
    hang_up(&mut office.world, office.a, near);
    let near = dial(&mut office.world, office.a, "204");
    office.world.incoming(d);
    office.world.settle();
    let call = office.world.watch(app).handles().last().unwrap().0;
    let status = office.world.ask(app, "lineGetCallStatus", json!({"hCall": call})).unwrap();
    assert_eq!(
        status["callFeatures2"],
        json!(["LINECALLFEATURE2_COMPLCALLBACK", "LINECALLFEATURE2_COMPLMESSAGE"])
    );
    for (wish, error) in [
        (json!({"completionMode": "LINECALLCOMPLMODE_CAMPON"}), "INVALCALLSTATE"),
        (json!({"completionMode": "LINECALLCOMPLMODE_INTRUDE"}), "OPERATIONUNAVAIL"),
        (json!({"completionMode": 3}), "INVALCALLCOMPLMODE"),
        (json!({"completionMode": 8, "messageId": 1}), "INVALMESSAGEID"),
    ] {
        let mut wish = wish;
        wish["hCall"] = call.into();
        let refused = office.world.ask(app, "lineCompleteCall", wish.clone()).unwrap_err();
        assert_eq!(refused["message"], format!("LINEERR_{error}"), "{wish}");
    }
    let cancel = json!({"hLine": h_line, "completionId": 77});
    let refused = office.world.ask(app, "lineUncompleteCall", cancel).unwrap_err();
    assert_eq!(refused["message"], "LINEERR_INVALCOMPLETIONID");
    hang_up(&mut office.world, office.a, near);
    frees(&mut office);
    office.world.forget(app);
    office.world.assert_at_rest();
}

#[test]
fn a_line_may_wait_for_so_many_others_and_one_more_is_too_many() {
    let text = include_str!("../../config/office.toml")
        .replace("max_per_address = 10", "max_per_address = 1");
    let config = config::parse(&text, "office.toml").unwrap();
    let mut office = busy_in(World::new(1016, Faults::default(), config));
    let d = office.world.phone("204");
    assert_eq!(fails(&mut office.world, office.a, "202"), 486);
    code(&mut office.world, office.a, "*66");
    assert_eq!(fails(&mut office.world, d, "202"), 486);
    assert_eq!(fails(&mut office.world, d, "*66"), 486, "202 has its one");
    let app = office.world.application("crm");
    office.world.open(app, "204");
    assert_eq!(fails(&mut office.world, d, "202"), 486);
    let call = office.world.watch(app).handles().last().unwrap().0;
    let refused = complete(&mut office.world, app, call, "CALLBACK").unwrap_err();
    assert_eq!(refused["message"], "LINEERR_COMPLETIONOVERRUN");
    let state = office.world.watch(app).state(call);
    assert_eq!(state, Some(CallState::Busy), "the call stays as it was");
    frees(&mut office);
    office.world.forget(app);
    office.completes();
}

/// For a time, whoever is rung answers.
fn everybody_answers(office: &mut Office, time: Duration) {
    let end = office.world.now() + time;
    while office.world.now() < end {
        for phone in [office.a, office.b, office.c] {
            for leg in office.world.legs(phone) {
                let view = office.world.leg(phone, leg);
                if view.is_some_and(|view| !view.is_uac && !view.is_confirmed) {
                    office.world.with_phone(phone, |phone, now| phone.answer(now, leg));
                }
            }
        }
        office.world.run_for(Duration::from_millis(500));
    }
}

/// Runs of each race.
const RUNS: u64 = 200;

/// 201 waits for 202 and is about to be rung; then something crosses it. Whatever happens, everybody
/// agrees on it, each request comes to exactly one end, and nothing is left.
fn race(cross: fn(&mut Office, Application, u64, u64)) -> Vec<String> {
    let mut outcomes = Vec::new();
    for seed in 0..RUNS {
        let mut random = Seeded::new(seed ^ 0xcc);
        let faults = Faults { jitter_ms: random.next_u64() % 8, ..Faults::default() };
        let mut office = busy_in(World::with_faults(seed, faults));
        let app = office.world.application("crm");
        let h_line = office.world.open(app, "201");
        assert_eq!(fails(&mut office.world, office.a, "202"), 486);
        let call = office.world.watch(app).handles().last().unwrap().0;
        let reply = complete(&mut office.world, app, call, "CALLBACK").unwrap();
        let completion = reply["completionId"].as_u64().unwrap();
        frees(&mut office);
        office.world.run_for(Duration::from_millis(2_785 + random.next_u64() % 40));
        cross(&mut office, app, h_line, completion);
        for _ in 0..3 {
            everybody_answers(&mut office, Duration::from_secs(20));
            for phone in [office.a, office.b, office.c] {
                refuse(&mut office.world, phone, false);
                for leg in office.world.legs(phone) {
                    office.world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
                }
            }
        }
        let ended = ends(&office.world);
        assert_eq!(ended.len(), 1, "seed {seed}: {ended:?}\n{}", office.world.ladder());
        for phone in [office.a, office.b, office.c] {
            for leg in office.world.legs(phone) {
                hang_up(&mut office.world, phone, leg);
            }
        }
        office.world.run_for(Duration::from_secs(5));
        office.world.assert_at_rest();
        office.world.shutdown(app);
        office.world.assert_forgotten();
        outcomes.extend(ended);
    }
    outcomes.sort();
    outcomes.dedup();
    outcomes
}

#[test]
fn a_recall_that_crosses_a_call_of_the_caller_is_made_up_for_later() {
    let outcomes = race(|office, _, _, _| {
        refuse(&mut office.world, office.a, true);
        dial(&mut office.world, office.a, "203");
    });
    assert_eq!(outcomes, ["COMPLETED"]);
}

#[test]
fn a_recall_that_crosses_its_cancellation_rings_nobody_or_stops_ringing() {
    let outcomes = race(|office, app, h_line, completion| {
        let cancel = json!({"hLine": h_line, "completionId": completion});
        office.world.ask(app, "lineUncompleteCall", cancel).unwrap();
    });
    assert_eq!(outcomes, ["CANCELLED"]);
}

#[test]
fn a_third_party_that_calls_the_line_at_the_same_instant_goes_first_and_the_caller_later() {
    let outcomes = race(|office, _, _, _| {
        dial(&mut office.world, office.c, "202");
        office.world.run_for(Duration::from_millis(80));
        refuse(&mut office.world, office.b, true);
    });
    assert_eq!(outcomes, ["COMPLETED"]);
}

#[test]
fn of_two_lines_that_wait_for_each_other_the_first_is_rung_and_both_requests_end() {
    for seed in 0..50 {
        let mut world = World::office(1100 + seed);
        let [a, b, c] = ["201", "202", "203"].map(|line| world.phone(line));
        let d = world.phone("204");
        let (first, _) = world.connected(a, c);
        let (second, _) = world.connected(b, d);
        for phone in [a, b] {
            refuse(&mut world, phone, true);
        }
        // Both have a second appearance to try from.
        assert_eq!(fails(&mut world, a, "202"), 486);
        code(&mut world, a, "*66");
        assert_eq!(fails(&mut world, b, "201"), 486);
        code(&mut world, b, "*66");
        for (phone, leg) in [(a, first), (b, second)] {
            refuse(&mut world, phone, false);
            world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
        }
        world.run_for(GUARD);
        assert!(is_rung(&world, a) && !is_rung(&world, b), "seed {seed}");
        assert_eq!(waiting(&mut world), ["201>202 RECALLING", "202>201 WAITING"]);
        let near = world.incoming(a);
        world.with_phone(a, |phone, now| phone.answer(now, near));
        let far = world.incoming(b);
        world.with_phone(b, |phone, now| phone.answer(now, far));
        world.settle();
        hang_up(&mut world, a, near);
        let recall = world.incoming(b);
        world.with_phone(b, |phone, now| phone.reject(now, recall, 603));
        world.settle();
        assert_eq!(ends(&world), ["COMPLETED", "REFUSED"], "seed {seed}");
        world.assert_at_rest();
    }
}
