//! The order of messages: the reference traces of TAPI call control, from JSON text alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::json;
use tapi::constant::{
    BusyMode, CallInfoState, CallState as S, ConnectedMode, DisconnectMode, LineDevState,
};
use tapi::{CallMode, Intent, LineErr, PartyId, ReplyFields};

const ACTIVE: CallMode = CallMode::Connected(ConnectedMode::Active);

fn watch_counts(bench: &mut Bench, connection: u64, h_line: u64) {
    let states = json!({"hLine": h_line,
        "lineStates": ["LINEDEVSTATE_RINGING", "LINEDEVSTATE_NUMCALLS"],
        "addressStates": ["LINEADDRESSSTATE_NUMCALLS", "LINEADDRESSSTATE_INUSEONE",
            "LINEADDRESSSTATE_INUSEZERO"]});
    bench.ok(connection, "lineSetStatusMessages", states);
}

#[test]
fn an_incoming_call_is_offered_then_rings_then_connects() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    watch_counts(&mut bench, 1, h_line);
    bench.monitor(2, "201");
    let key = bench.incoming();
    bench.server.ringing(bench.line("201"), 0);
    bench.server.ringing(bench.line("201"), 1);
    assert_eq!(
        bench.trace(1),
        [
            "APPNEWCALL 2 OWNER",
            "CALLSTATE 2 OFFERING ACTIVE OWNER",
            "ADDRESSSTATE INUSEONE|NUMCALLS",
            "LINEDEVSTATE NUMCALLS",
            "LINEDEVSTATE RINGING 0",
            "LINEDEVSTATE RINGING 1",
        ]
    );
    assert_eq!(bench.trace(2), ["APPNEWCALL 2 MONITOR", "CALLSTATE 2 OFFERING ACTIVE MONITOR"]);

    let answer = bench.ok(1, "lineAnswer", json!({"hCall": 2}));
    assert_eq!(answer["requestId"], 1);
    let (request, intent) = bench.intent();
    assert_eq!(intent, Intent::Answer { call: key, info: String::new() });
    assert!(bench.trace(1).is_empty());
    bench.complete(request);
    bench.state(key, S::Connected, ACTIVE);
    let party = PartyId::known("202", "Ben");
    let now_ms = bench.now_ms;
    bench.server.call_info(now_ms, key, |info| info.connected = party, CallInfoState::ConnectedId);
    assert_eq!(
        bench.trace(1),
        ["REPLY 0", "CALLSTATE 2 CONNECTED ACTIVE", "CALLINFO 2 CONNECTEDID"]
    );
    assert_eq!(bench.trace(2), ["CALLSTATE 2 CONNECTED ACTIVE", "CALLINFO 2 CONNECTEDID"]);
    assert_eq!(bench.ok(2, "lineGetCallInfo", json!({"hCall": 2}))["appName"], "app1");
}

#[test]
fn an_outgoing_call_is_replied_to_and_monitors_see_unknown_first() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    bench.monitor(2, "201");
    watch_counts(&mut bench, 1, h_line);
    bench.ok(1, "lineMakeCall", json!({"hLine": h_line, "destAddress": "202"}));
    let (request, intent) = bench.intent();
    let Intent::MakeCall { call, destination, complete, .. } = intent else { panic!() };
    assert_eq!((destination.as_str(), complete), ("202", true));
    // A state that comes before the reply waits for it.
    bench.state(call, S::Dialing, CallMode::None);
    assert!(bench.trace(1).is_empty() && bench.trace(2).is_empty());
    let status = bench.ok(1, "lineGetAddressStatus", json!({"hLine": h_line, "addressId": 0}));
    assert_eq!(status["numActiveCalls"], 0);

    bench.complete(request);
    for (state, mode) in [
        (S::Proceeding, CallMode::None),
        (S::Ringback, CallMode::None),
        (S::Connected, ACTIVE),
        (S::Disconnected, CallMode::Disconnected(DisconnectMode::Normal)),
    ] {
        bench.state(call, state, mode);
    }
    assert_eq!(
        bench.trace(1),
        [
            "REPLY 2 0",
            "CALLSTATE 2 DIALING",
            "ADDRESSSTATE INUSEONE|NUMCALLS",
            "LINEDEVSTATE NUMCALLS",
            "CALLSTATE 2 PROCEEDING",
            "CALLSTATE 2 RINGBACK",
            "CALLSTATE 2 CONNECTED ACTIVE",
            "CALLSTATE 2 DISCONNECTED NORMAL",
        ]
    );
    assert_eq!(
        bench.trace(2),
        [
            "APPNEWCALL 2 MONITOR",
            "CALLSTATE 2 UNKNOWN MONITOR",
            "CALLSTATE 2 DIALING",
            "CALLSTATE 2 PROCEEDING",
            "CALLSTATE 2 RINGBACK",
            "CALLSTATE 2 CONNECTED ACTIVE",
            "CALLSTATE 2 DISCONNECTED NORMAL",
        ]
    );

    bench.ok(1, "lineDrop", json!({"hCall": 2}));
    let (request, _) = bench.intent();
    bench.complete(request);
    bench.state(call, S::Idle, CallMode::None);
    assert_eq!(
        bench.trace(1),
        ["REPLY 0", "CALLSTATE 2 IDLE", "ADDRESSSTATE INUSEZERO|NUMCALLS", "LINEDEVSTATE NUMCALLS"]
    );
}

#[test]
fn a_call_that_cannot_be_made_leaves_no_trace() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    bench.monitor(2, "201");
    bench.ok(1, "lineMakeCall", json!({"hLine": h_line, "destAddress": "202"}));
    let (request, _) = bench.intent();
    bench.fail(request, LineErr::OperationFailed);
    assert_eq!(bench.trace(1), ["REPLY LINEERR_OPERATIONFAILED".replace("LINEERR_", "")]);
    assert!(bench.trace(2).is_empty());
    assert_eq!(bench.server.call_count(), 0);
    assert_eq!(bench.refused(1, "lineGetCallInfo", json!({"hCall": 2})), "LINEERR_INVALCALLHANDLE");
}

#[test]
fn a_rejected_call_goes_idle_after_the_reply() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let key = bench.incoming();
    bench.trace(1);
    bench.ok(1, "lineDrop", json!({"hCall": 2}));
    let (request, intent) = bench.intent();
    assert_eq!(intent, Intent::Drop { call: key, info: String::new() });
    bench.complete(request);
    bench.state(key, S::Idle, CallMode::None);
    assert_eq!(bench.trace(1), ["REPLY 0", "CALLSTATE 2 IDLE"]);
}

#[test]
fn hold_is_replied_to_then_reported_then_counted() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    watch_counts(&mut bench, 1, h_line);
    bench.ok(1, "lineHold", json!({"hCall": h_call}));
    let (request, intent) = bench.intent();
    assert_eq!(intent, Intent::Hold { call: key });
    bench.complete(request);
    bench.state(key, S::OnHold, CallMode::None);
    assert_eq!(
        bench.trace(1),
        ["REPLY 0", "CALLSTATE 2 ONHOLD", "ADDRESSSTATE NUMCALLS", "LINEDEVSTATE NUMCALLS"]
    );
    let status = bench.ok(1, "lineGetLineDevStatus", json!({"hLine": h_line}));
    assert_eq!((&status["numActiveCalls"], &status["numOnHoldCalls"]), (&json!(0), &json!(1)));

    bench.ok(1, "lineUnhold", json!({"hCall": h_call}));
    let (request, intent) = bench.intent();
    assert_eq!(intent, Intent::Unhold { call: key });
    bench.complete(request);
    bench.state(key, S::Connected, ACTIVE);
    assert_eq!(bench.trace(1)[..2], ["REPLY 0", "CALLSTATE 2 CONNECTED ACTIVE"]);
}

#[test]
fn a_remote_hold_is_a_mode_of_connected() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let (_, key) = bench.connected(1);
    bench.state(key, S::Connected, CallMode::Connected(ConnectedMode::ActiveHeld));
    bench.state(key, S::Connected, CallMode::Connected(ConnectedMode::ActiveHeld));
    bench.state(key, S::Connected, ACTIVE);
    assert_eq!(
        bench.trace(1),
        ["CALLSTATE 2 CONNECTED ACTIVEHELD", "CALLSTATE 2 CONNECTED ACTIVE"]
    );
}

#[test]
fn an_abandoned_call_disconnects_and_goes_idle_by_itself() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let key = bench.incoming();
    bench.trace(1);
    bench.state(key, S::Disconnected, CallMode::Disconnected(DisconnectMode::Cancelled));
    bench.state(key, S::Idle, CallMode::None);
    let now_ms = bench.now_ms;
    bench.server.call_info(now_ms, key, |info| info.call_id = 9, CallInfoState::CallId);
    assert_eq!(bench.trace(1), ["CALLSTATE 2 DISCONNECTED CANCELLED", "CALLSTATE 2 IDLE"]);
    // What is known of the call can still be read.
    assert_eq!(bench.ok(1, "lineGetCallInfo", json!({"hCall": 2}))["callerId"], "202");
    bench.ok(1, "lineDeallocateCall", json!({"hCall": 2}));
    assert_eq!(bench.server.call_count(), 0);
}

#[test]
fn an_illegal_transition_is_refused_and_not_told() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let key = bench.incoming();
    bench.trace(1);
    let busy = CallMode::Busy(BusyMode::Station);
    assert!(bench.server.call_state(2_000, key, S::Busy, busy).is_err());
    assert!(bench.server.call_state(2_000, key, S::Disconnected, CallMode::None).is_err());
    assert!(bench.server.call_state(2_000, key, S::Connected, busy).is_err());
    assert!(bench.trace(1).is_empty());
    assert_eq!(bench.server.call(key).unwrap().state, S::Offering);
    bench.state(key, S::Idle, CallMode::None);
    assert!(bench.server.call_state(2_000, key, S::Connected, ACTIVE).is_err());
}

#[test]
fn requests_of_a_call_that_ends_are_answered_before_idle() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    bench.ok(1, "lineHold", json!({"hCall": h_call}));
    bench.ok(1, "lineDrop", json!({"hCall": h_call}));
    bench.drain();
    let requests: Vec<_> = bench.intents.drain(..).map(|(request, _)| request).collect();
    bench.state(key, S::Idle, CallMode::None);
    assert_eq!(bench.trace(1), ["REPLY OPERATIONFAILED", "REPLY 0", "CALLSTATE 2 IDLE"]);
    for request in requests {
        bench.complete(request);
    }
    assert!(bench.trace(1).is_empty());
    assert_eq!(bench.server.request_count(), 0);
}

#[test]
fn waiting_callers_get_the_result_in_the_response() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    let make = json!({"hLine": h_line, "destAddress": "202", "wait": true});
    assert!(bench.ask(1, "lineMakeCall", make.clone()).is_none());
    let (request, _) = bench.intent();
    let fields = ReplyFields::default().with("note", 5);
    let now_ms = bench.now_ms;
    bench.server.complete(now_ms, request, Ok(fields));
    let response = bench.text(1, "[]").remove(0);
    assert_eq!(response["result"], json!({"requestId": 1, "result": 0, "hCall": 2, "note": 5}));
    assert!(bench.trace(1).is_empty());

    assert!(bench.ask(1, "lineMakeCall", make).is_none());
    let (request, _) = bench.intent();
    bench.fail(request, LineErr::CallUnavail);
    let response = bench.text(1, "[]").remove(0);
    assert_eq!(response["error"]["message"], "LINEERR_CALLUNAVAIL");
}

#[test]
fn a_removed_line_fails_its_requests_and_closes_before_it_is_removed() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    bench.connect(2);
    bench.ok(2, "lineInitializeEx", json!({"appName": "watch"}));
    bench.ok(1, "lineHold", json!({"hCall": h_call}));
    let device = bench.line("201");
    assert_eq!(bench.server.line_number(device), Some("201"));
    bench.server.remove_line(3_000, device);
    assert_eq!(bench.server.line_number(device), None);
    assert_eq!(bench.server.line_by_number("201"), None);
    assert_eq!(bench.trace(1), ["REPLY OPERATIONFAILED", "CLOSE", "REMOVE 0"]);
    assert_eq!(bench.trace(2), ["REMOVE 0"]);
    assert_eq!(bench.refused(1, "lineHold", json!({"hCall": h_call})), "LINEERR_INVALCALLHANDLE");
    assert_eq!(
        bench.refused(1, "lineGetLineDevStatus", json!({"hLine": h_line})),
        "LINEERR_INVALLINEHANDLE"
    );
    assert_eq!(bench.refused(1, "lineGetDevCaps", json!({"deviceId": 0})), "LINEERR_NODEVICE");
    // The call lives on until its phones end it.
    assert_eq!(bench.server.call(key).unwrap().state, S::Connected);
    bench.state(key, S::Idle, CallMode::None);
    assert!(bench.server.call(key).is_none());

    let again = bench.server.add_line(tapi::LineSpec::new("201", "Ada", 100, 2));
    assert_eq!(again, device);
    bench.server.add_line(tapi::LineSpec::new("204", "Dan", 103, 2));
    assert_eq!(bench.trace(2), ["CREATE 0", "CREATE 3"]);
}

#[test]
fn service_of_a_line_is_told_to_who_asked_for_it() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    let device = bench.line("201");
    bench.server.line_service(2_000, device, false);
    assert!(bench.trace(1).is_empty());
    let all = json!({"hLine": h_line, "lineStates": 0x01FF_FFFF, "addressStates": []});
    bench.ok(1, "lineSetStatusMessages", all);
    bench.server.line_service(2_000, device, true);
    bench.server.line_service(2_000, device, true);
    bench.server.message_waiting(device, true);
    bench.server.line_state(device, LineDevState::Maintenance, tapi::message::LineDetail::None);
    assert_eq!(
        bench.trace(1),
        [
            "LINEDEVSTATE INSERVICE",
            "LINEDEVSTATE CONNECTED",
            "LINEDEVSTATE MSGWAITON",
            "LINEDEVSTATE MAINTENANCE"
        ]
    );
    let status = bench.ok(1, "lineGetLineDevStatus", json!({"hLine": h_line}));
    assert_eq!(
        status["devStatusFlags"],
        json!([
            "LINEDEVSTATUSFLAGS_CONNECTED",
            "LINEDEVSTATUSFLAGS_MSGWAIT",
            "LINEDEVSTATUSFLAGS_INSERVICE"
        ])
    );
    bench.monitor(2, "201");
    bench.server.close(2_000, tapi::ConnectionId(2));
    assert_eq!(bench.trace(1), ["LINEDEVSTATE OPEN", "LINEDEVSTATE CLOSE"]);
}

#[test]
fn what_a_transfer_changes_about_a_party_is_one_message() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let (_, key) = bench.connected(1);
    let change = |info: &mut tapi::CallInfo| {
        info.call_id = 78;
        info.connected = PartyId::known("203", "Cleo");
        info.redirecting = PartyId::known("202", "Ben");
    };
    bench.server.call_update(2_000, key, change);
    bench.server.call_update(2_000, key, change);
    assert_eq!(bench.trace(1), ["CALLINFO 2 CALLID|CONNECTEDID|REDIRECTINGID"]);
}
