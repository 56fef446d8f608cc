//! One call as TAPI shows it and drives it, on the real program with real phones: the whole trace of
//! notifications on every line, in order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::{Value, json};
use switch::phone::Behaviour;
use tests::program::{Application, LivePhone, Program};

/// What an owner can change on each call that is not over.
const COMMON: [&str; 4] = ["SECURECALL", "SETCALLPARAMS", "SETTREATMENT", "SETCALLDATA"];
/// What can be monitored on every call that is not over.
const MONITORS: [&str; 3] = ["MONITORDIGITS", "MONITORMEDIA", "MONITORTONES"];

/// An office with an application that has opened 201 and 202 as owner and monitor.
struct Desk {
    a: LivePhone,
    b: LivePhone,
    app: Application,
    lines: [u64; 2],
    _program: Program,
}

impl Desk {
    fn of(program: Program, a: LivePhone, b: LivePhone) -> Desk {
        let mut app = program.application("desk");
        let lines = ["201", "202"].map(|line| app.open(line));
        Desk { a, b, app, lines, _program: program }
    }

    /// Phones that understand `Event: talk` and `hold`.
    fn with_obedient_phones() -> Desk {
        let program = Program::start();
        let (a, b) = (program.live_phone("201"), program.live_phone("202"));
        Desk::of(program, a, b)
    }

    /// Phones that understand no events and never answer by themselves.
    fn with_plain_phones() -> Desk {
        let program = Program::start();
        let (a, b) = (program.plain_phone("201"), program.plain_phone("202"));
        Desk::of(program, a, b)
    }

    /// 201 has dialled 202 by hand, and 202 has answered by hand.
    fn talking(&mut self) -> (sip_stack::endpoint::LegId, sip_stack::endpoint::LegId) {
        let near = self.a.call("202");
        let far = self.b.incoming();
        self.a.rings_there();
        self.b.answer(far);
        self.a.connected(near);
        self.b.connected(far);
        self.app.skip_to("202 INFO CONNECTEDID");
        (near, far)
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.app.call(method, params.clone());
        answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
    }

    /// An asynchronous function on a call; it must be accepted.
    fn tell(&mut self, method: &str, call: &str) {
        let handle = self.app.handle(call);
        let answer = self.ask(method, json!({"hCall": handle}));
        assert!(answer["requestId"].as_u64().is_some_and(|id| id > 0), "{method}: {answer}");
        assert!(answer.get("result").is_none(), "{method} is not done yet: {answer}");
    }

    fn status(&mut self, call: &str) -> Value {
        let handle = self.app.handle(call);
        self.ask("lineGetCallStatus", json!({"hCall": handle}))
    }

    fn info(&mut self, call: &str) -> Value {
        let handle = self.app.handle(call);
        self.ask("lineGetCallInfo", json!({"hCall": handle}))
    }

    /// What can be done with a call; what can be done with each that is not over is left out.
    fn features(&mut self, call: &str) -> Vec<String> {
        let status = self.status(call);
        let names = status["callFeatures"].as_array().expect("a set of features");
        let words = names.iter().map(|name| name.as_str().unwrap());
        let words = words.map(|name| name.trim_start_matches("LINECALLFEATURE_").to_owned());
        let (common, others): (Vec<String>, Vec<String>) =
            words.partition(|name| name.starts_with("MONITOR") || COMMON.contains(&name.as_str()));
        let (monitors, common): (Vec<String>, Vec<String>) =
            common.into_iter().partition(|name| name.starts_with("MONITOR"));
        let is_over = status["callState"] == "LINECALLSTATE_DISCONNECTED";
        assert_eq!(monitors, if is_over { &[][..] } else { &MONITORS[..] }, "{status}");
        assert_eq!(common, if is_over { &[][..] } else { &COMMON[..] }, "{status}");
        others
    }

    fn make_call(&mut self, number: &str) {
        let line = self.lines[0];
        self.ask("lineMakeCall", json!({"hLine": line, "destAddress": number}));
    }

    fn no_call_is_left(mut self) {
        self.app.expect_silence();
        for line in self.lines {
            let status = self.ask("lineGetAddressStatus", json!({"hLine": line, "addressId": 0}));
            let counts = ["numActiveCalls", "numOnHoldCalls", "numOnHoldPendCalls"];
            assert!(counts.iter().all(|count| status[*count] == 0), "{status}");
        }
        self._program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
        self._program.until("/api/v1/media", |answer| answer["items"] == json!([]));
    }
}

#[test]
fn a_call_dialled_at_the_phone_is_seen_whole_on_both_lines() {
    let mut desk = Desk::with_obedient_phones();
    let near = desk.a.call("202");
    let far = desk.b.incoming();
    desk.app.expect(&[
        "201 NEW OWNER",
        "201 DIALING OWNER",
        "201 PROCEEDING",
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
    ]);
    desk.b.answer(far);
    desk.app.expect(&[
        "202 CONNECTED ACTIVE",
        "201 CONNECTED ACTIVE",
        "201 INFO CONNECTEDID",
        "202 INFO CONNECTEDID",
    ]);
    desk.a.connected(near);
    desk.b.connected(far);
    desk.a.hold(near);
    desk.app.expect(&["201 ONHOLD", "202 CONNECTED ACTIVEHELD"]);
    desk.a.resume(near);
    desk.app.expect(&["201 CONNECTED ACTIVE", "202 CONNECTED ACTIVE"]);
    desk.b.hold(far);
    desk.app.expect(&["202 ONHOLD", "201 CONNECTED ACTIVEHELD"]);
    desk.b.resume(far);
    desk.app.expect(&["202 CONNECTED ACTIVE", "201 CONNECTED ACTIVE"]);
    desk.a.hang_up(near);
    desk.app.expect(&["202 DISCONNECTED NORMAL", "202 IDLE", "201 IDLE"]);
    desk.b.ended(far);
    desk.no_call_is_left();
}

#[test]
fn the_called_phone_hangs_up_and_the_caller_is_disconnected() {
    let mut desk = Desk::with_obedient_phones();
    let (near, far) = desk.talking();
    desk.b.hang_up(far);
    desk.app.expect(&["201 DISCONNECTED NORMAL", "201 IDLE", "202 IDLE"]);
    desk.a.ended(near);
    desk.no_call_is_left();
}

#[test]
fn both_views_of_a_call_name_the_same_call_and_the_right_parties() {
    let mut desk = Desk::with_obedient_phones();
    let near = desk.a.call("202");
    let far = desk.b.incoming();
    desk.app.skip_to("201 RINGBACK");
    let offered = desk.info("202");
    assert_eq!(offered["connectedIdFlags"], json!(["LINECALLPARTYID_UNKNOWN"]), "{offered}");
    desk.b.answer(far);
    desk.app.skip_to("202 INFO CONNECTEDID");
    desk.a.connected(near);
    let (caller, called) = (desk.info("201"), desk.info("202"));
    assert!(caller["callId"].as_u64().is_some_and(|id| id > 0));
    assert_eq!(caller["callId"], called["callId"]);
    for view in [&caller, &called] {
        assert_eq!((&view["callerId"], &view["callerIdName"]), (&json!("201"), &json!("Ada")));
        assert_eq!((&view["calledId"], &view["calledIdName"]), (&json!("202"), &json!("Ben")));
        let flags = json!(["LINECALLPARTYID_NAME", "LINECALLPARTYID_ADDRESS"]);
        for party in ["callerIdFlags", "calledIdFlags", "connectedIdFlags"] {
            assert_eq!(view[party], flags, "{party}");
        }
        assert_eq!(view["redirectingIdFlags"], json!(["LINECALLPARTYID_UNAVAIL"]));
        assert_eq!(view["reason"], "LINECALLREASON_DIRECT");
        assert_eq!(view["mediaMode"], json!(["LINEMEDIAMODE_INTERACTIVEVOICE"]));
        assert_eq!(view["bearerMode"], json!(["LINEBEARERMODE_VOICE"]).as_array().unwrap()[0]);
        assert_eq!((&view["numOwners"], &view["numMonitors"]), (&json!(1), &json!(0)));
        assert_eq!(view["addressId"], 0);
    }
    assert_eq!(caller["origin"], "LINECALLORIGIN_OUTBOUND");
    assert_eq!(called["origin"], "LINECALLORIGIN_INTERNAL");
    assert_eq!(
        (&caller["connectedId"], &caller["connectedIdName"]),
        (&json!("202"), &json!("Ben"))
    );
    assert_eq!(
        (&called["connectedId"], &called["connectedIdName"]),
        (&json!("201"), &json!("Ada"))
    );
    assert_eq!(
        (&caller["hLine"], &called["hLine"]),
        (&json!(desk.lines[0]), &json!(desk.lines[1]))
    );
    let status = desk.status("201");
    assert_eq!(status["callState"], "LINECALLSTATE_CONNECTED");
    assert_eq!(status["callPrivilege"], "LINECALLPRIVILEGE_OWNER");
}

#[test]
fn an_application_makes_answers_holds_and_drops_a_call_of_obedient_phones() {
    let mut desk = Desk::with_obedient_phones();
    desk.make_call("202");
    // 201's phone answers by itself, and only then 202 is called.
    desk.app.expect(&[
        "REPLY 0",
        "201 DIALING",
        "201 PROCEEDING",
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
    ]);
    assert!(desk.features("202").contains(&"ANSWER".to_owned()));
    desk.tell("lineAnswer", "202");
    desk.app.expect(&[
        "REPLY 0",
        "202 CONNECTED ACTIVE",
        "201 CONNECTED ACTIVE",
        "201 INFO CONNECTEDID",
        "202 INFO CONNECTEDID",
    ]);
    desk.a.hears(&desk.b);
    desk.b.hears(&desk.a);
    for (holds, held) in [("201", "202"), ("202", "201")] {
        desk.tell("lineHold", holds);
        let (away, there) = (format!("{holds} ONHOLD"), format!("{held} CONNECTED ACTIVEHELD"));
        desk.app.expect(&["REPLY 0", &away, &there]);
        desk.tell("lineUnhold", holds);
        let (back, there) =
            (format!("{holds} CONNECTED ACTIVE"), format!("{held} CONNECTED ACTIVE"));
        desk.app.expect(&["REPLY 0", &back, &there]);
        desk.a.hears(&desk.b);
        desk.b.hears(&desk.a);
    }
    assert_eq!(desk.info("201")["callId"], desk.info("202")["callId"]);
    assert_eq!(desk.info("201")["origin"], "LINECALLORIGIN_OUTBOUND");
    assert_eq!(desk.info("201")["appName"], "desk");
    desk.tell("lineDrop", "201");
    desk.app.expect(&["REPLY 0", "201 IDLE", "202 DISCONNECTED NORMAL", "202 IDLE"]);
    desk.no_call_is_left();
}

#[test]
fn an_application_makes_holds_and_drops_a_call_of_plain_phones() {
    let mut desk = Desk::with_plain_phones();
    desk.make_call("202");
    desk.app.expect(&["REPLY 0", "201 DIALING"]);
    let near = desk.a.incoming();
    desk.app.expect_silence();
    desk.a.answer(near);
    desk.app.expect(&[
        "201 PROCEEDING",
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
    ]);
    let far = desk.b.incoming();
    desk.b.answer(far);
    desk.app.expect(&[
        "202 CONNECTED ACTIVE",
        "201 CONNECTED ACTIVE",
        "201 INFO CONNECTEDID",
        "202 INFO CONNECTEDID",
    ]);
    desk.b.connected(far);
    for (holds, held) in [("201", "202"), ("202", "201")] {
        desk.tell("lineHold", holds);
        let (away, there) = (format!("{holds} ONHOLD"), format!("{held} CONNECTED ACTIVEHELD"));
        desk.app.expect(&["REPLY 0", &away, &there]);
        desk.tell("lineUnhold", holds);
        let (back, there) =
            (format!("{holds} CONNECTED ACTIVE"), format!("{held} CONNECTED ACTIVE"));
        desk.app.expect(&["REPLY 0", &back, &there]);
        desk.a.hears(&desk.b);
        desk.b.hears(&desk.a);
    }
    desk.tell("lineDrop", "202");
    desk.app.expect(&["REPLY 0", "202 IDLE", "201 DISCONNECTED NORMAL", "201 IDLE"]);
    desk.a.ended(near);
    desk.b.ended(far);
    desk.no_call_is_left();
}

#[test]
fn a_ringing_plain_phone_cannot_be_told_to_answer_and_nobody_says_it_could() {
    let mut desk = Desk::with_plain_phones();
    let near = desk.a.call("202");
    let far = desk.b.incoming();
    desk.app.skip_to("201 RINGBACK");
    assert_eq!(desk.features("202"), ["ACCEPT", "DROP", "REDIRECT", "SENDUSERUSER"]);
    let handle = desk.app.handle("202");
    assert_eq!(desk.app.refusal("lineAnswer", json!({"hCall": handle})), "OPERATIONUNAVAIL");
    desk.app.expect_silence();
    assert_eq!(desk.status("202")["callState"], "LINECALLSTATE_OFFERING");
    desk.b.answer(far);
    desk.a.connected(near);
    desk.app.skip_to("202 INFO CONNECTEDID");
    assert_eq!(
        desk.features("202"),
        [
            "BLINDTRANSFER",
            "DROP",
            "GATHERDIGITS",
            "GENERATEDIGITS",
            "GENERATETONE",
            "HOLD",
            "PARK",
            "SENDUSERUSER",
            "SETUPCONF",
            "SETUPTRANSFER"
        ]
    );
    assert_eq!(desk.app.refusal("lineAnswer", json!({"hCall": handle})), "INVALCALLSTATE");
}

#[test]
fn a_ringing_phone_that_obeys_events_can_be_answered_by_its_own_user_too() {
    let mut desk = Desk::with_obedient_phones();
    desk.a.call("202");
    let far = desk.b.incoming();
    desk.app.skip_to("201 RINGBACK");
    assert_eq!(desk.features("202"), ["ACCEPT", "ANSWER", "DROP", "REDIRECT", "SENDUSERUSER"]);
    desk.b.answer(far);
    desk.app.expect(&["202 CONNECTED ACTIVE", "201 CONNECTED ACTIVE"]);
}

#[test]
fn a_phone_that_promises_events_and_refuses_them_is_held_by_the_switch() {
    let mut desk = Desk::with_obedient_phones();
    desk.talking();
    desk.a.with(|phone| phone.behaviour().obeys_events = false);
    desk.tell("lineHold", "201");
    desk.app.expect(&["REPLY 0", "201 ONHOLD", "202 CONNECTED ACTIVEHELD"]);
    desk.tell("lineUnhold", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED ACTIVE", "202 CONNECTED ACTIVE"]);
    desk.a.hears(&desk.b);
}

#[test]
fn a_call_that_both_sides_hold_is_connected_again_only_when_both_let_go() {
    let mut desk = Desk::with_obedient_phones();
    desk.talking();
    desk.tell("lineHold", "201");
    desk.app.expect(&["REPLY 0", "201 ONHOLD", "202 CONNECTED ACTIVEHELD"]);
    desk.tell("lineHold", "202");
    desk.app.expect(&["REPLY 0", "202 ONHOLD"]);
    desk.tell("lineUnhold", "201");
    desk.app.expect(&["REPLY 0", "201 CONNECTED ACTIVEHELD"]);
    desk.tell("lineUnhold", "202");
    desk.app.expect(&["REPLY 0", "202 CONNECTED ACTIVE", "201 CONNECTED ACTIVE"]);
}

#[test]
fn a_held_party_hears_a_tone_and_not_the_holder() {
    let mut desk = Desk::with_plain_phones();
    desk.talking();
    desk.a.hears(&desk.b);
    desk.b.hears(&desk.a);
    desk.tell("lineHold", "201");
    desk.app.expect(&["REPLY 0", "201 ONHOLD", "202 CONNECTED ACTIVEHELD"]);
    // What was on its way when the hold began may still arrive; after it comes only the tone.
    desk.b.hears_tone();
    desk.b.hears_nothing_of(&desk.a);
    desk.a.hears_nothing_of(&desk.b);
}

#[test]
fn a_held_phone_that_hangs_up_ends_the_call_of_the_holder() {
    let mut desk = Desk::with_obedient_phones();
    let (_, far) = desk.talking();
    desk.tell("lineHold", "201");
    desk.app.expect(&["REPLY 0", "201 ONHOLD", "202 CONNECTED ACTIVEHELD"]);
    desk.b.hang_up(far);
    desk.app.expect(&["201 DISCONNECTED NORMAL", "201 IDLE", "202 IDLE"]);
    desk.no_call_is_left();
}

#[test]
fn a_held_call_can_be_dropped_without_being_taken_back() {
    let mut desk = Desk::with_obedient_phones();
    desk.talking();
    desk.tell("lineHold", "201");
    desk.app.expect(&["REPLY 0", "201 ONHOLD", "202 CONNECTED ACTIVEHELD"]);
    desk.tell("lineDrop", "201");
    desk.app.expect(&["REPLY 0", "201 IDLE", "202 DISCONNECTED NORMAL", "202 IDLE"]);
    desk.no_call_is_left();
}

#[test]
fn an_offered_call_that_is_dropped_is_rejected_at_the_caller() {
    let mut desk = Desk::with_obedient_phones();
    let near = desk.a.call("202");
    let far = desk.b.incoming();
    desk.app.skip_to("201 RINGBACK");
    desk.tell("lineDrop", "202");
    desk.app.expect(&["REPLY 0", "202 IDLE", "201 DISCONNECTED REJECT"]);
    desk.b.ended(far);
    assert_eq!(desk.a.failed().0, 603);
    // The failed attempt stays visible although the phone's dialog is over.
    desk.app.expect_silence();
    assert_eq!(desk.features("201"), ["DROP"]);
    desk.tell("lineDrop", "201");
    desk.app.expect(&["REPLY 0", "201 IDLE"]);
    let _ = near;
    desk.no_call_is_left();
}

#[test]
fn a_caller_that_is_dropped_while_it_rings_cancels_the_called_line() {
    let mut desk = Desk::with_obedient_phones();
    desk.make_call("202");
    desk.app.skip_to("201 RINGBACK");
    let far = desk.b.incoming();
    desk.tell("lineDrop", "201");
    desk.app.expect(&["REPLY 0", "201 IDLE", "202 DISCONNECTED CANCELLED", "202 IDLE"]);
    desk.b.ended(far);
    desk.no_call_is_left();
}

#[test]
fn a_caller_whose_own_phone_has_not_answered_yet_can_be_dropped() {
    let mut desk = Desk::with_plain_phones();
    desk.make_call("202");
    desk.app.expect(&["REPLY 0", "201 DIALING"]);
    let near = desk.a.incoming();
    desk.tell("lineDrop", "201");
    desk.app.expect(&["REPLY 0", "201 IDLE"]);
    desk.a.ended(near);
    desk.no_call_is_left();
}

#[test]
fn an_accepted_call_rings_on_and_can_still_be_answered() {
    let mut desk = Desk::with_obedient_phones();
    desk.b.with(|phone| phone.behaviour().rings = false);
    desk.a.call("202");
    desk.app.skip_to("202 OFFERING ACTIVE OWNER");
    let far = desk.b.incoming();
    desk.tell("lineAccept", "202");
    desk.app.expect(&["REPLY 0", "202 ACCEPTED", "201 RINGBACK"]);
    desk.a.rings_there();
    let handle = desk.app.handle("202");
    assert_eq!(desk.app.refusal("lineAccept", json!({"hCall": handle})), "INVALCALLSTATE");
    desk.b.answer(far);
    desk.app.expect(&["202 CONNECTED ACTIVE", "201 CONNECTED ACTIVE"]);
}

#[test]
fn a_busy_phone_shows_busy_at_the_caller_and_disconnected_at_the_called() {
    let mut desk = Desk::with_obedient_phones();
    desk.b.with(|phone| phone.behaviour().refuses_with = Some(486));
    desk.make_call("202");
    desk.app.expect(&[
        "REPLY 0",
        "201 DIALING",
        "201 PROCEEDING",
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "202 DISCONNECTED BUSY",
        "202 IDLE",
        "201 BUSY STATION",
    ]);
    assert_eq!(desk.features("201"), ["COMPLETECALL", "DROP"]);
    desk.tell("lineDrop", "201");
    desk.app.expect(&["REPLY 0", "201 IDLE"]);
    desk.no_call_is_left();
}

#[test]
fn an_unknown_number_is_a_bad_address() {
    let mut desk = Desk::with_obedient_phones();
    desk.make_call("299");
    desk.app.expect(&["REPLY 0", "201 DIALING", "201 PROCEEDING", "201 DISCONNECTED BADADDRESS"]);
    desk.tell("lineDrop", "201");
    desk.app.expect(&["REPLY 0", "201 IDLE"]);
    desk.no_call_is_left();
}

#[test]
fn digits_can_be_dialled_one_string_after_the_other() {
    let mut desk = Desk::with_obedient_phones();
    desk.make_call("");
    desk.app.expect(&["REPLY 0", "201 DIALTONE INTERNAL"]);
    assert_eq!(desk.features("201"), ["DIAL", "DROP"]);
    let handle = desk.app.handle("201");
    desk.ask("lineDial", json!({"hCall": handle, "destAddress": "20;"}));
    desk.app.expect(&["REPLY 0", "201 DIALING"]);
    desk.ask("lineDial", json!({"hCall": handle, "destAddress": "2"}));
    desk.app.expect(&["REPLY 0", "201 INFO CALLEDID", "201 PROCEEDING"]);
    desk.app.skip_to("201 RINGBACK");
    assert_eq!(desk.info("201")["calledId"], "202");
    assert_eq!(desk.info("202")["calledId"], "202");
    let refused = desk.app.refusal("lineDial", json!({"hCall": handle, "destAddress": "3"}));
    assert_eq!(refused, "INVALCALLSTATE");
}

#[test]
fn each_view_of_a_call_can_be_driven_with_wait() {
    let mut desk = Desk::with_obedient_phones();
    let line = desk.lines[0];
    let params = json!({"hLine": line, "destAddress": "202", "wait": true});
    let made = desk.ask("lineMakeCall", params);
    assert_eq!(made["result"], 0);
    assert_eq!(made["hCall"].as_u64(), Some(desk.app.handle("201")));
    desk.app.expect(&[
        "201 DIALING",
        "201 PROCEEDING",
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
    ]);
    let (near, far) = (desk.app.handle("201"), desk.app.handle("202"));
    for (method, call, states) in [
        (
            "lineAnswer",
            far,
            &[
                "202 CONNECTED ACTIVE",
                "201 CONNECTED ACTIVE",
                "201 INFO CONNECTEDID",
                "202 INFO CONNECTEDID",
            ][..],
        ),
        ("lineHold", near, &["201 ONHOLD", "202 CONNECTED ACTIVEHELD"]),
        ("lineUnhold", near, &["201 CONNECTED ACTIVE", "202 CONNECTED ACTIVE"]),
        ("lineDrop", near, &["201 IDLE", "202 DISCONNECTED NORMAL", "202 IDLE"]),
    ] {
        let done = desk.ask(method, json!({"hCall": call, "wait": true}));
        assert_eq!(done["result"], 0, "{method}");
        desk.app.expect(states);
    }
    desk.no_call_is_left();
}

#[test]
fn rings_and_counts_are_told_to_those_who_asked_for_them() {
    let mut desk = Desk::with_obedient_phones();
    let far_line = desk.lines[1];
    let wishes = json!({
        "hLine": far_line,
        "lineStates": ["LINEDEVSTATE_RINGING", "LINEDEVSTATE_NUMCALLS"],
        "addressStates": ["LINEADDRESSSTATE_NUMCALLS", "LINEADDRESSSTATE_INUSEZERO",
            "LINEADDRESSSTATE_INUSEONE"],
    });
    desk.ask("lineSetStatusMessages", wishes);
    let near = desk.a.call("202");
    desk.app.expect(&[
        "201 NEW OWNER",
        "201 DIALING OWNER",
        "201 PROCEEDING",
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "202 ADDRESS INUSEONE|NUMCALLS",
        "202 DEV NUMCALLS",
        "202 DEV RINGING 0",
        "201 RINGBACK",
    ]);
    desk.a.hang_up(near);
    desk.app.expect(&[
        "202 DISCONNECTED CANCELLED",
        "202 IDLE",
        "202 ADDRESS INUSEZERO|NUMCALLS",
        "202 DEV NUMCALLS",
        "201 IDLE",
    ]);
    desk.no_call_is_left();
}

#[test]
fn ringing_is_repeated_with_every_ring_cycle() {
    let program = Program::with(tests::program::office(|text| {
        text.replace("ring_cycle = \"5s\"", "ring_cycle = \"1s\"")
    }));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut app = program.application("ring");
    let line = app.open("202");
    let wishes =
        json!({"hLine": line, "lineStates": ["LINEDEVSTATE_RINGING"], "addressStates": []});
    app.call("lineSetStatusMessages", wishes).unwrap();
    a.call("202");
    b.incoming();
    app.expect(&[
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "202 DEV RINGING 0",
        "202 DEV RINGING 1",
        "202 DEV RINGING 2",
    ]);
}

#[test]
fn an_active_call_is_held_by_its_phone_and_the_second_one_answered() {
    let mut desk = Desk::with_obedient_phones();
    let c = desk._program.live_phone_with("203", Behaviour::default());
    let (_, far) = desk.talking();
    let third = c.call("202");
    let second = desk.b.incoming();
    desk.app.expect(&["202/2 NEW OWNER", "202/2 OFFERING ACTIVE OWNER"]);
    desk.b.hold(far);
    desk.app.expect(&["202 ONHOLD", "201 CONNECTED ACTIVEHELD"]);
    desk.b.answer(second);
    desk.app.expect(&["202/2 CONNECTED ACTIVE", "202/2 INFO CONNECTEDID"]);
    c.connected(third);
    c.hears(&desk.b);
    assert_ne!(desk.info("202")["callId"], desk.info("202/2")["callId"]);
    // While another call of the address is active, the held one waits.
    assert_eq!(desk.features("202"), ["COMPLETETRANSF", "DROP", "SWAPHOLD"]);
    let held = desk.app.handle("202");
    assert_eq!(desk.app.refusal("lineUnhold", json!({"hCall": held})), "INVALCALLSTATE");
    desk.tell("lineDrop", "202/2");
    desk.app.expect(&["REPLY 0", "202/2 IDLE"]);
    c.ended(third);
    desk.tell("lineUnhold", "202");
    desk.app.expect(&["REPLY 0", "202 CONNECTED ACTIVE", "201 CONNECTED ACTIVE"]);
}
