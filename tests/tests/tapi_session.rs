//! Applications: start, resumption, slow readers, ownership, refusals and the order of checks, over the
//! WebSocket of the real program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::{Value, json};
use tests::program::{Application, CRM_TOKEN, LivePhone, Program, TOKEN, office};

const OWNER: &str = "LINECALLPRIVILEGE_OWNER";
const MONITOR: &str = "LINECALLPRIVILEGE_MONITOR";

fn office_with_two_phones() -> (Program, LivePhone, LivePhone) {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    (program, a, b)
}

/// 201 talks to 202; both hands at the phones.
fn start(app: &mut Application, name: &str) -> Value {
    app.call("lineInitializeEx", json!({"appName": name})).unwrap()
}

/// LINEDEVSTATUS.dwLineFeatures has MAKECALL.
fn can_make_calls(status: &Value) -> bool {
    let features = status["lineFeatures"].as_array().expect("a set of features");
    features.contains(&json!("LINEFEATURE_MAKECALL"))
}

#[test]
fn an_application_starts_with_line_initialize_ex_and_nothing_else() {
    let program = Program::start();
    let mut app = program.connection();
    for (method, params) in [
        ("lineOpen", json!({"line": "201"})),
        ("lineMakeCall", json!({"hLine": 99})),
        ("lineHold", json!({"hCall": "wrong type"})),
        ("lineShutdown", json!({})),
        ("lineDevSpecific", json!({})),
    ] {
        assert_eq!(app.refusal(method, params), "UNINITIALIZED", "{method}");
    }
    assert_eq!(app.refusal("lineInitializeEx", json!({})), "INVALAPPNAME");
    assert_eq!(app.refusal("lineInitializeEx", json!({"appName": 7})), "-32602");
    let old = json!({"appName": "x", "apiVersion": "1.0"});
    assert_eq!(app.refusal("lineInitializeEx", old), "INCOMPATIBLEAPIVERSION");
    let started = start(&mut app, "first");
    assert_eq!(started["numDevs"], 7, "six phones and a queue");
    assert_eq!(started["resumeWindow"], 60);
    assert!(started["instance"].as_str().is_some_and(|instance| instance.len() >= 16));
    assert!(started.get("apiVersion").is_some());
    assert_eq!(app.refusal("lineInitializeEx", json!({"appName": "x"})), "OPERATIONFAILED");
    app.call("lineShutdown", json!({})).unwrap();
    assert_eq!(app.refusal("lineOpen", json!({"line": "201"})), "UNINITIALIZED");
    start(&mut app, "second");
    app.open("201");
}

#[test]
fn every_line_is_a_device_that_keeps_its_permanent_identifier() {
    let program = Program::start();
    let mut app = program.application("devices");
    let caps = |app: &mut Application, device: u64| {
        app.call("lineGetDevCaps", json!({"deviceId": device})).unwrap()
    };
    let before: Vec<Value> = (0..6).map(|device| caps(&mut app, device)).collect();
    let names: Vec<&str> = before.iter().map(|caps| caps["lineName"].as_str().unwrap()).collect();
    assert_eq!(names, ["201", "202", "203", "204", "205", "206"]);
    let identifiers: std::collections::BTreeSet<u64> =
        before.iter().map(|caps| caps["permanentLineId"].as_u64().unwrap()).collect();
    assert_eq!(identifiers.len(), 6, "no two lines share an identifier");
    for (device, caps) in before.iter().enumerate() {
        let handle = app.open(caps["lineName"].as_str().unwrap());
        let id =
            json!({"hLine": handle, "select": "LINECALLSELECT_LINE", "deviceClass": "tapi/line"});
        assert_eq!(app.call("lineGetID", id).unwrap()["deviceId"], device);
    }
    // The phone is not registered: the line is there, out of service.
    let handle = app.open("201");
    let status = app.call("lineGetLineDevStatus", json!({"hLine": handle})).unwrap();
    assert_eq!(status["devStatusFlags"], json!([]));
    assert!(!can_make_calls(&status), "{status}");
    let program = program.crash_and_restart();
    let mut app = program.application("devices");
    for (device, old) in before.iter().enumerate() {
        let new = caps(&mut app, device as u64);
        assert_eq!(new["permanentLineId"], old["permanentLineId"]);
    }
}

#[test]
fn a_registration_brings_the_line_into_service_and_its_end_takes_it_out() {
    let program = Program::start();
    let mut app = program.application("service");
    let line = app.open("201");
    let states = ["CONNECTED", "DISCONNECTED", "INSERVICE", "OUTOFSERVICE"];
    let states: Vec<String> = states.iter().map(|name| format!("LINEDEVSTATE_{name}")).collect();
    app.call("lineSetStatusMessages", json!({"hLine": line, "lineStates": states})).unwrap();
    let phone = program.live_phone("201");
    app.expect(&["201 DEV INSERVICE", "201 DEV CONNECTED"]);
    let status = app.call("lineGetLineDevStatus", json!({"hLine": line})).unwrap();
    assert!(can_make_calls(&status), "{status}");
    phone.register(std::time::Duration::ZERO);
    app.expect(&["201 DEV OUTOFSERVICE", "201 DEV DISCONNECTED"]);
    let call = json!({"hLine": line, "destAddress": "202"});
    assert_eq!(app.refusal("lineMakeCall", call), "INVALLINESTATE");
    app.expect_silence();
}

#[test]
fn a_broken_connection_is_taken_up_again_without_loss_or_repetition() {
    let (program, a, b) = office_with_two_phones();
    let mut first = program.connection();
    let instance = start(&mut first, "resumes")["instance"].clone();
    first.open("201");
    let far_line = first.open("202");
    let near = a.call("202");
    let far = b.incoming();
    first.skip_to("201 RINGBACK");
    first.break_off();
    // All this happens while nobody listens.
    b.answer(far);
    a.connected(near);
    a.hold(near);
    a.resume(near);

    let mut second = program.connection();
    second.continues(&first);
    let taken = json!({"instance": instance, "after": first.seq()});
    let answer = second.call("lineInitializeEx", taken).unwrap();
    assert_eq!(answer["instance"], instance);
    second.expect(&[
        "202 CONNECTED ACTIVE",
        "201 CONNECTED ACTIVE",
        "201 INFO CONNECTEDID",
        "202 INFO CONNECTEDID",
        "201 ONHOLD",
        "202 CONNECTED ACTIVEHELD",
        "201 CONNECTED ACTIVE",
        "202 CONNECTED ACTIVE",
    ]);
    second.expect_silence();
    // All handles are what they were.
    let handle = second.handle("202");
    second.call("lineGetAddressStatus", json!({"hLine": far_line, "addressId": 0})).unwrap();
    second.call("lineHold", json!({"hCall": handle})).unwrap();
    second.expect(&["REPLY 0", "202 ONHOLD", "201 CONNECTED ACTIVEHELD"]);

    // Again, from an earlier number: what had been delivered comes once more, and nothing else.
    second.break_off();
    let mut third = program.connection();
    third.continues(&first);
    let taken = json!({"instance": instance, "after": first.seq()});
    third.call("lineInitializeEx", taken).unwrap();
    for _ in first.seq()..second.seq() {
        third.next("what was delivered before");
    }
    third.expect_silence();
    assert_eq!(third.seq(), second.seq());
}

#[test]
fn a_resumption_must_name_what_there_is() {
    let program = Program::start();
    let mut first = program.connection();
    let instance = start(&mut first, "resumes")["instance"].clone();
    let mut other = program.connection();
    let unknown = json!({"instance": "0123456789abcdef", "after": 0});
    assert_eq!(other.refusal("lineInitializeEx", unknown), "INVALAPPHANDLE");
    let future = json!({"instance": instance, "after": 7});
    assert_eq!(other.refusal("lineInitializeEx", future), "INVALPARAM");
    let mut narrow = Application::connect(program.api, CRM_TOKEN);
    let stolen = json!({"instance": instance, "after": 0});
    assert_eq!(narrow.refusal("lineInitializeEx", stolen), "INVALAPPHANDLE");
    // The first connection seems alive; whoever knows the instance takes it up all the same.
    other.call("lineInitializeEx", json!({"instance": instance, "after": 0})).unwrap();
    assert_eq!(first.wait_for_close("taken up elsewhere").0, 1001);
    other.open("201");
}

#[test]
fn an_application_whose_window_is_over_is_gone_and_its_calls_stay() {
    let program = Program::with(office(|text| {
        text.replace("[[api.tokens]]\nname", "[[api.tokens]] \nname").replacen(
            "[api]\n",
            "[api]\nresume_window = \"300ms\"\n",
            1,
        )
    }));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut first = program.connection();
    let instance = start(&mut first, "short")["instance"].clone();
    first.open("201");
    let mut watcher = program.application("watcher");
    watcher.open("201");
    let (near, _) = a.talk_to(&b);
    watcher.skip_to("201 INFO CONNECTEDID");
    first.break_off();
    watcher.expect(&["201 INFO NUMOWNERDECR"]);
    let mut late = program.connection();
    let taken = json!({"instance": instance, "after": 0});
    assert_eq!(late.refusal("lineInitializeEx", taken), "INVALAPPHANDLE");
    a.hears(&b);
    a.hang_up(near);
    watcher.expect(&["201 IDLE"]);
}

#[test]
fn an_application_that_closes_its_connection_is_over_at_once() {
    let (program, a, b) = office_with_two_phones();
    let mut first = program.connection();
    let instance = start(&mut first, "closes")["instance"].clone();
    first.open("201");
    let mut watcher = program.application("watcher");
    let line = watcher.open("201");
    let states = json!({"hLine": line, "lineStates": ["LINEDEVSTATE_CLOSE"]});
    watcher.call("lineSetStatusMessages", states).unwrap();
    let (near, _) = a.talk_to(&b);
    watcher.skip_to("201 INFO CONNECTEDID");
    first.close();
    watcher.expect(&["201 INFO NUMOWNERDECR", "201 DEV CLOSE"]);
    let status = watcher.call("lineGetLineDevStatus", json!({"hLine": line})).unwrap();
    assert_eq!(status["numOpens"], 1, "{status}");
    let mut late = program.connection();
    let taken = json!({"instance": instance, "after": 0});
    assert_eq!(late.refusal("lineInitializeEx", taken), "INVALAPPHANDLE");
    a.hears(&b);
    a.hang_up(near);
    watcher.expect(&["201 IDLE"]);
}

#[test]
fn a_reader_that_keeps_up_is_never_closed_however_much_is_said() {
    let program = Program::with(office(|text| {
        text.replacen("[api]\n", "[api]\nmax_queued_messages = 20\n", 1)
    }));
    let mut app = program.application("eager");
    for _ in 0..200 {
        app.call("lineGetDevCaps", json!({"deviceId": 0})).unwrap();
    }
    app.expect_silence();
}

#[test]
fn a_slow_reader_is_closed_with_1013_may_resume_and_nobody_else_notices() {
    let program = Program::with(office(|text| {
        text.replacen("[api]\n", "[api]\nmax_queued_messages = 100\n", 1)
    }));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut slow = program.connection();
    let instance = start(&mut slow, "slow")["instance"].clone();
    slow.open("201");
    let mut other = program.application("quick");
    other.open("201");
    // Responses fill the sockets' buffers, then the queue.
    let mut asked = 0;
    while program.metric("tapi_slow_readers_total") == 0 {
        for _ in 0..200 {
            slow.send("lineGetDevCaps", &json!({"deviceId": 0}));
        }
        asked += 200;
        assert!(asked < 200_000, "{asked} unread answers are no reason to close?");
    }
    let (near, _) = a.talk_to(&b);
    other.skip_to("201 INFO CONNECTEDID");
    let seen = slow.seq();
    let (code, reason) = slow.wait_for_close("too slow");
    assert_eq!(code, 1013, "{reason}");
    assert!(!reason.is_empty());
    let mut resumed = program.connection();
    resumed.continues(&slow);
    assert_eq!(slow.seq(), seen, "only answers were unread");
    resumed.call("lineInitializeEx", json!({"instance": instance, "after": seen})).unwrap();
    resumed.expect(&[
        "201 NEW OWNER",
        "201 DIALING OWNER",
        "201 PROCEEDING",
        "201 RINGBACK",
        "201 CONNECTED ACTIVE",
        "201 INFO CONNECTEDID",
    ]);
    a.hang_up(near);
    resumed.expect(&["201 IDLE"]);
    other.expect(&["201 IDLE"]);
}

#[test]
fn a_resumption_may_bring_more_at_once_than_may_ever_wait() {
    let program = Program::with(office(|text| {
        text.replacen("[api]\n", "[api]\nmax_queued_messages = 20\n", 1)
    }));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut first = program.connection();
    let instance = start(&mut first, "resumes")["instance"].clone();
    first.open("201");
    first.open("202");
    let (near, far) = a.talk_to(&b);
    first.skip_to("201 INFO CONNECTEDID");
    a.hold(near);
    first.skip_to("201 ONHOLD");
    a.resume(near);
    first.skip_to("201 CONNECTED ACTIVE");
    let call = first.handle("201");
    first.break_off();
    for _ in 0..3 {
        a.hold(near);
        a.resume(near);
    }
    a.hang_up(near);
    b.ended(far);
    // As an application that has lost what it had heard: each message comes once more, and in order.
    let mut second = program.connection();
    second.call("lineInitializeEx", json!({"instance": instance, "after": 0})).unwrap();
    second.wait_state(call, "IDLE");
    assert!(second.seq() > 21, "{} are no more than 20 and a response", second.seq());
    second.call("lineGetDevCaps", json!({"deviceId": 0})).unwrap();
    assert_eq!(program.metric("tapi_slow_readers_total"), 0);
}

#[test]
fn of_two_applications_the_first_owner_owns_and_the_other_monitors() {
    let (program, a, b) = office_with_two_phones();
    let mut first = program.application("first");
    let mut second = program.application("second");
    first.open("201");
    second.open("201");
    let (near, _) = a.talk_to(&b);
    let states = |privilege: &str| {
        [
            format!("201 NEW {privilege}"),
            format!("201 DIALING {privilege}"),
            "201 PROCEEDING".to_owned(),
            "201 RINGBACK".to_owned(),
            "201 CONNECTED ACTIVE".to_owned(),
            "201 INFO CONNECTEDID".to_owned(),
        ]
    };
    for (app, privilege) in [(&mut first, "OWNER"), (&mut second, "MONITOR")] {
        let states = states(privilege);
        app.expect(&states.each_ref().map(String::as_str));
        app.expect_silence();
    }
    let (owned, monitored) = (first.handle("201"), second.handle("201"));
    for method in ["lineHold", "lineDrop", "lineUnhold", "lineAnswer"] {
        let params = json!({"hCall": monitored});
        assert_eq!(second.refusal(method, params), "NOTOWNER", "{method}");
    }
    let status = second.call("lineGetCallStatus", json!({"hCall": monitored})).unwrap();
    assert_eq!(status["callPrivilege"], MONITOR);
    let features = status["callFeatures"].as_array().expect("a set of features");
    let only_listens = |name: &Value| name.as_str().unwrap().starts_with("LINECALLFEATURE_MONITOR");
    assert!(features.iter().all(only_listens), "a monitor changes nothing: {status}");
    let info = second.call("lineGetCallInfo", json!({"hCall": monitored})).unwrap();
    assert_eq!((&info["numOwners"], &info["numMonitors"]), (&json!(1), &json!(1)));

    // The monitor becomes an owner too, and the first one steps down.
    let own = json!({"hCall": monitored, "callPrivilege": OWNER});
    second.call("lineSetCallPrivilege", own).unwrap();
    second.expect_silence();
    first.expect(&["201 INFO NUMOWNERINCR|NUMMONITORS"]);
    let step_down = json!({"hCall": owned, "callPrivilege": MONITOR});
    first.call("lineSetCallPrivilege", step_down.clone()).unwrap();
    second.expect(&["201 INFO NUMOWNERDECR|NUMMONITORS"]);
    assert_eq!(first.refusal("lineHold", json!({"hCall": owned})), "NOTOWNER");
    let step_down = json!({"hCall": monitored, "callPrivilege": MONITOR});
    assert_eq!(second.refusal("lineSetCallPrivilege", step_down), "INVALCALLSTATE");
    let none = json!({"hCall": monitored, "callPrivilege": "LINECALLPRIVILEGE_NONE"});
    assert_eq!(second.refusal("lineSetCallPrivilege", none), "INVALCALLPRIVILEGE");

    second.call("lineDrop", json!({"hCall": monitored})).unwrap();
    second.expect(&["REPLY 0", "201 IDLE"]);
    first.expect(&["201 IDLE"]);
    a.ended(near);
    // After IDLE a handle still reads, and giving it back is silent.
    let info = first.call("lineGetCallInfo", json!({"hCall": owned})).unwrap();
    assert_eq!(info["connectedId"], "202");
    second.call("lineDeallocateCall", json!({"hCall": monitored})).unwrap();
    first.expect_silence();
}

#[test]
fn monitors_see_a_made_call_as_unknown_before_its_states() {
    let (program, _a, b) = office_with_two_phones();
    let mut owner = program.application("owner");
    let mut monitor = program.application("monitor");
    let line = owner.open("201");
    monitor.open_for("201", &["MONITOR"]);
    owner.call("lineMakeCall", json!({"hLine": line, "destAddress": "202"})).unwrap();
    b.incoming();
    owner.expect(&["REPLY 0", "201 DIALING", "201 PROCEEDING", "201 RINGBACK"]);
    monitor.expect(&[
        "201 NEW MONITOR",
        "201 UNKNOWN MONITOR",
        "201 DIALING",
        "201 PROCEEDING",
        "201 RINGBACK",
    ]);
}

#[test]
fn an_application_that_only_monitors_never_owns_and_one_that_does_neither_gets_no_calls() {
    let (program, a, b) = office_with_two_phones();
    let mut monitor = program.application("monitor");
    let mut neither = program.application("neither");
    monitor.open_for("201", &["MONITOR"]);
    let line = neither.open_for("201", &["NONE"]);
    let (near, _) = a.talk_to(&b);
    monitor.skip_to("201 INFO CONNECTEDID");
    let call = monitor.handle("201");
    let status = monitor.call("lineGetCallStatus", json!({"hCall": call})).unwrap();
    assert_eq!(status["callPrivilege"], MONITOR);
    neither.expect_silence();
    // It may make calls of its own, and becomes their owner.
    a.hang_up(near);
    monitor.skip_to("201 IDLE");
    neither.call("lineMakeCall", json!({"hLine": line, "destAddress": "202"})).unwrap();
    neither.expect(&["REPLY 0", "201 DIALING"]);
    let call = neither.handle("201");
    let status = neither.call("lineGetCallStatus", json!({"hCall": call})).unwrap();
    assert_eq!(status["callPrivilege"], OWNER);
}

#[test]
fn who_opens_a_line_later_asks_for_the_calls_on_it() {
    let (program, a, b) = office_with_two_phones();
    let mut early = program.application("early");
    early.open("201");
    a.talk_to(&b);
    early.skip_to("201 INFO CONNECTEDID");
    let mut late = program.application("late");
    let line = late.open("201");
    late.expect_silence();
    let ask = json!({"hLine": line, "addressId": 0, "select": "LINECALLSELECT_ADDRESS"});
    let calls = late.call("lineGetNewCalls", ask.clone()).unwrap()["calls"].clone();
    let call = match calls.as_array().unwrap().as_slice() {
        [call] => call.clone(),
        other => panic!("{other:?}"),
    };
    early.expect(&["201 INFO NUMMONITORS"]);
    assert_eq!(late.call("lineGetNewCalls", ask).unwrap()["calls"], json!([]));
    let status = late.call("lineGetCallStatus", json!({"hCall": call})).unwrap();
    assert_eq!(status["callPrivilege"], MONITOR);
    assert_eq!(status["callState"], "LINECALLSTATE_CONNECTED");
    late.call("lineDeallocateCall", json!({"hCall": call})).unwrap();
    early.expect(&["201 INFO NUMMONITORS"]);
    let gone = json!({"hCall": call});
    for method in ["lineGetCallInfo", "lineGetCallStatus", "lineHold", "lineDeallocateCall"] {
        assert_eq!(late.refusal(method, gone.clone()), "INVALCALLHANDLE", "{method}");
    }
    for (params, error) in [
        (json!({"hLine": 999}), "INVALLINEHANDLE"),
        (json!({"hLine": line, "select": "LINECALLSELECT_CALL"}), "INVALCALLSELECT"),
        (
            json!({"hLine": line, "addressId": 9, "select": "LINECALLSELECT_ADDRESS"}),
            "INVALADDRESSID",
        ),
    ] {
        assert_eq!(late.refusal("lineGetNewCalls", params), error);
    }
}

#[test]
fn the_end_of_an_application_takes_its_handles_and_leaves_its_calls() {
    let (program, a, b) = office_with_two_phones();
    let mut maker = program.application("maker");
    let line = maker.open("201");
    let far_line = maker.open("202");
    maker.call("lineMakeCall", json!({"hLine": line, "destAddress": "202"})).unwrap();
    maker.skip_to("202 OFFERING ACTIVE OWNER");
    maker.skip_to("201 RINGBACK");
    let far = maker.handle("202");
    maker.call("lineAnswer", json!({"hCall": far, "wait": true})).unwrap();
    maker.call("lineClose", json!({"hLine": far_line})).unwrap();
    assert_eq!(maker.refusal("lineGetCallInfo", json!({"hCall": far})), "INVALCALLHANDLE");
    assert_eq!(maker.refusal("lineClose", json!({"hLine": far_line})), "INVALLINEHANDLE");
    maker.call("lineShutdown", json!({})).unwrap();
    a.hears(&b);
    b.hears(&a);
    // Somebody else takes the ownerless call over and ends it.
    let mut heir = program.application("heir");
    let line = heir.open("201");
    let ask = json!({"hLine": line, "select": "LINECALLSELECT_LINE"});
    let call = heir.call("lineGetNewCalls", ask).unwrap()["calls"][0].clone();
    heir.call("lineSetCallPrivilege", json!({"hCall": call, "callPrivilege": OWNER})).unwrap();
    let done = heir.call("lineDrop", json!({"hCall": call, "wait": true})).unwrap();
    assert_eq!(done["result"], 0);
    b.wait("the call is ended", |event| {
        matches!(event, switch::phone::PhoneEvent::Ended { .. }).then_some(())
    });
}

#[test]
fn a_limited_token_sees_its_lines_only() {
    let program = Program::with(office(|text| {
        text.replace(
            "lines = [\"201\", \"202\", \"203\", \"204\", \"205\", \"206\"]",
            "lines = [\"201\"]",
        )
    }));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut app = Application::connect(program.api, CRM_TOKEN);
    start(&mut app, "crm");
    app.open("201");
    let foreign = json!({"line": "202", "privileges": [MONITOR]});
    assert_eq!(app.refusal("lineOpen", foreign), "BADDEVICEID");
    assert_eq!(app.refusal("lineGetDevCaps", json!({"deviceId": 1})), "NODEVICE");
    a.talk_to(&b);
    app.expect(&[
        "201 NEW OWNER",
        "201 DIALING OWNER",
        "201 PROCEEDING",
        "201 RINGBACK",
        "201 CONNECTED ACTIVE",
        "201 INFO CONNECTEDID",
    ]);
    app.expect_silence();
}

#[test]
fn only_a_known_token_with_the_right_scope_opens_the_socket() {
    let program = Program::with(office(|text| {
        format!(
            "{text}\n[[api.tokens]]\nname = \"eye\"\nsecret = \"eye-token\"\nscopes = [\"read\"]\n"
        )
    }));
    assert_eq!(Application::try_connect(program.api, "wrong").err(), Some(401));
    assert_eq!(Application::try_connect(program.api, "eye-token").err(), Some(403));
    assert!(Application::try_connect(program.api, TOKEN).is_ok());
}
