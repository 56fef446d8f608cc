//! Owners and monitors of a call.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::json;
use tapi::constant::{CallOrigin, CallState as S};
use tapi::{AddressId, CallInfo, CallMode, ConnectionId, NewCall};

#[test]
fn the_first_owner_owns_and_the_others_monitor() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.owner(2, "201");
    bench.open(3, "201", &["NONE"]);
    bench.incoming();
    assert_eq!(bench.trace(1)[0], "APPNEWCALL 2 OWNER");
    assert_eq!(bench.trace(2)[0], "APPNEWCALL 2 MONITOR");
    assert!(bench.trace(3).is_empty());
    let info = bench.ok(2, "lineGetCallInfo", json!({"hCall": 2}));
    assert_eq!((&info["numOwners"], &info["numMonitors"]), (&json!(1), &json!(1)));
    assert_eq!(bench.refused(2, "lineAnswer", json!({"hCall": 2})), "LINEERR_NOTOWNER");
}

#[test]
fn the_application_priority_decides_who_owns() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.owner(2, "201");
    let priority = json!({"appName": "app2", "mediaMode": "LINEMEDIAMODE_INTERACTIVEVOICE",
        "priority": 1});
    bench.ok(1, "lineSetAppPriority", priority.clone());
    assert_eq!(bench.ok(1, "lineGetAppPriority", priority)["priority"], 1);
    bench.incoming();
    assert_eq!(bench.trace(2)[0], "APPNEWCALL 2 OWNER");
    assert_eq!(bench.trace(1)[0], "APPNEWCALL 2 MONITOR");
    let bad = json!({"appName": "app2", "mediaMode": 3, "priority": 1});
    assert_eq!(bench.refused(1, "lineSetAppPriority", bad), "LINEERR_INVALMEDIAMODE");
}

#[test]
fn a_call_that_the_phone_begins_is_offered_like_an_inbound_one() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let new = NewCall {
        line: bench.line("201"),
        address: AddressId(0),
        state: S::Dialing,
        mode: CallMode::None,
        info: CallInfo { origin: CallOrigin::Outbound, ..CallInfo::default() },
        capability: tapi::CallCapability::default(),
    };
    bench.server.call_new(1_000, new).unwrap();
    assert_eq!(bench.trace(1), ["APPNEWCALL 2 OWNER", "CALLSTATE 2 DIALING OWNER"]);
}

#[test]
fn a_monitor_becomes_owner_and_the_former_owner_may_step_down() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    bench.incoming();
    bench.trace(1);
    bench.trace(2);
    let down = json!({"hCall": 2, "callPrivilege": "LINECALLPRIVILEGE_MONITOR"});
    assert_eq!(bench.refused(1, "lineSetCallPrivilege", down.clone()), "LINEERR_INVALCALLSTATE");
    let up = json!({"hCall": 2, "callPrivilege": "LINECALLPRIVILEGE_OWNER"});
    bench.ok(2, "lineSetCallPrivilege", up.clone());
    assert!(bench.trace(2).is_empty(), "who causes it is not told");
    assert_eq!(bench.trace(1), ["CALLINFO 2 NUMOWNERINCR|NUMMONITORS"]);
    bench.ok(1, "lineSetCallPrivilege", down);
    assert_eq!(bench.trace(2), ["CALLINFO 2 NUMOWNERDECR|NUMMONITORS"]);
    bench.ok(2, "lineSetCallPrivilege", up);
    assert!(bench.trace(1).is_empty(), "nothing changed");
    for (value, error) in [
        (json!("LINECALLPRIVILEGE_NONE"), "LINEERR_INVALCALLPRIVILEGE"),
        (json!(6), "LINEERR_INVALCALLPRIVILEGE"),
        (json!({}), "Invalid params"),
    ] {
        let params = json!({"hCall": 2, "callPrivilege": value});
        assert_eq!(bench.refused(1, "lineSetCallPrivilege", params), error);
    }
}

#[test]
fn an_application_that_opens_later_asks_for_the_calls() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.incoming();
    bench.trace(1);
    let h_line = bench.open(2, "201", &["NONE"]);
    assert!(bench.trace(2).is_empty());
    let ask = json!({"hLine": h_line, "addressId": 0, "select": "LINECALLSELECT_ADDRESS"});
    let calls = bench.ok(2, "lineGetNewCalls", ask.clone());
    let h_call = calls["calls"][0].as_u64().unwrap();
    assert_eq!(bench.trace(1), ["CALLINFO 2 NUMMONITORS"]);
    assert_eq!(bench.ok(2, "lineGetNewCalls", ask)["calls"], json!([]));
    let status = bench.ok(2, "lineGetCallStatus", json!({"hCall": h_call}));
    assert_eq!(status["callPrivilege"], "LINECALLPRIVILEGE_MONITOR");
    assert_eq!(status["callFeatures"], json!([]));
    for (params, error) in [
        (json!({"hLine": h_line, "addressId": 9, "select": 2}), "LINEERR_INVALADDRESSID"),
        (json!({"hLine": h_line, "addressId": 0, "select": 3}), "LINEERR_INVALCALLSELECT"),
        (json!({"hLine": h_line, "addressId": 0, "select": 4}), "LINEERR_INVALCALLSELECT"),
        (json!({"hLine": 99, "addressId": 0, "select": 1}), "LINEERR_INVALLINEHANDLE"),
    ] {
        assert_eq!(bench.refused(2, "lineGetNewCalls", params), error);
    }
}

#[test]
fn handles_given_back_are_told_to_the_others() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    bench.monitor(3, "201");
    bench.incoming();
    for connection in 1..=3 {
        bench.trace(connection);
    }
    bench.ok(2, "lineDeallocateCall", json!({"hCall": 2}));
    assert_eq!(bench.trace(1), ["CALLINFO 2 NUMMONITORS"]);
    assert!(bench.trace(2).is_empty());
    assert_eq!(
        bench.refused(2, "lineDeallocateCall", json!({"hCall": 2})),
        "LINEERR_INVALCALLHANDLE"
    );
    bench.ok(1, "lineDeallocateCall", json!({"hCall": 2}));
    assert_eq!(bench.trace(3), ["CALLINFO 2 NUMMONITORS", "CALLINFO 2 NUMOWNERDECR"]);
    assert_eq!(bench.server.call_count(), 1, "the call is not touched");
}

#[test]
fn the_sole_owner_below_2_0_drops_before_it_deallocates() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.ok(1, "lineInitializeEx", json!({"appName": "old", "apiVersion": 0x0001_0004}));
    bench.open_more(1, "201", &["OWNER"]);
    let key = bench.incoming();
    // No LINE_APPNEWCALL below 2.0, and no modes that came later.
    assert_eq!(bench.trace(1), ["CALLSTATE 2 OFFERING OWNER"]);
    assert_eq!(
        bench.refused(1, "lineDeallocateCall", json!({"hCall": 2})),
        "LINEERR_INVALCALLSTATE"
    );
    use tapi::constant::DisconnectMode;
    bench.state(key, S::Disconnected, CallMode::Disconnected(DisconnectMode::Cancelled));
    assert_eq!(bench.trace(1), ["CALLSTATE 2 DISCONNECTED NORMAL"]);
    let status = bench.ok(1, "lineGetCallStatus", json!({"hCall": 2}));
    assert_eq!(status["callStateMode"], "LINEDISCONNECTMODE_NORMAL");
    bench.state(key, S::Idle, CallMode::None);
    bench.ok(1, "lineDeallocateCall", json!({"hCall": 2}));
}

#[test]
fn the_end_of_an_application_takes_its_handles_and_leaves_its_calls() {
    for how in ["close", "shutdown", "line"] {
        let mut bench = Bench::new();
        let h_line = bench.owner(1, "201");
        bench.monitor(2, "201");
        let (_, key) = bench.connected(1);
        bench.trace(2);
        match how {
            "close" => bench.server.close(2_000, ConnectionId(1)),
            "shutdown" => drop(bench.ok(1, "lineShutdown", json!({}))),
            _ => drop(bench.ok(1, "lineClose", json!({"hLine": h_line}))),
        }
        assert_eq!(bench.trace(2), ["CALLINFO 2 NUMOWNERDECR"], "{how}");
        assert_eq!(bench.server.call(key).unwrap().state, S::Connected, "{how}");
        match how {
            "line" => assert_eq!(
                bench.refused(1, "lineGetCallStatus", json!({"hCall": 2})),
                "LINEERR_INVALCALLHANDLE"
            ),
            "shutdown" => {
                let params = json!({"hCall": 2});
                let error = bench.refused(1, "lineGetCallStatus", params);
                assert_eq!(error, "LINEERR_UNINITIALIZED");
                bench.ok(1, "lineInitializeEx", json!({"appName": "again"}));
            }
            _ => assert_eq!(bench.server.application_count(), 1),
        }
    }
}

#[test]
fn replies_of_a_closed_line_are_suppressed() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    bench.monitor(2, "201");
    bench.ok(1, "lineMakeCall", json!({"hLine": h_line, "destAddress": "202"}));
    let (request, intent) = bench.intent();
    let tapi::Intent::MakeCall { call, .. } = intent else { panic!() };
    bench.ok(1, "lineClose", json!({"hLine": h_line}));
    bench.complete(request);
    bench.state(call, S::Dialing, CallMode::None);
    assert!(bench.trace(1).is_empty());
    assert_eq!(
        bench.trace(2),
        ["APPNEWCALL 2 MONITOR", "CALLSTATE 2 UNKNOWN MONITOR", "CALLSTATE 2 DIALING"]
    );
}

#[test]
fn two_opens_of_one_line_are_two_registrations() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.open_more(1, "201", &["MONITOR"]);
    bench.incoming();
    assert_eq!(
        bench.trace(1),
        [
            "APPNEWCALL 3 OWNER",
            "CALLSTATE 3 OFFERING ACTIVE OWNER",
            "APPNEWCALL 4 MONITOR",
            "CALLSTATE 4 OFFERING ACTIVE MONITOR",
        ]
    );
}

#[test]
fn what_an_owner_writes_into_a_call_is_told() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    bench.incoming();
    bench.trace(1);
    bench.trace(2);
    bench.ok(1, "lineSetAppSpecific", json!({"hCall": 2, "appSpecific": 7}));
    assert!(bench.trace(1).is_empty());
    assert_eq!(bench.trace(2), ["CALLINFO 2 APPSPECIFIC"]);
    let media = json!({"hCall": 2, "mediaModes": ["LINEMEDIAMODE_AUTOMATEDVOICE"]});
    bench.ok(1, "lineSetMediaMode", media.clone());
    assert_eq!(bench.trace(1), ["CALLINFO 2 MEDIAMODE"]);
    assert_eq!(bench.trace(2), ["CALLINFO 2 MEDIAMODE"]);
    let info = bench.ok(2, "lineGetCallInfo", json!({"hCall": 2}));
    assert_eq!(info["appSpecific"], 7);
    assert_eq!(info["mediaMode"], json!(["LINEMEDIAMODE_AUTOMATEDVOICE"]));
    let other = json!({"hCall": 2, "appSpecific": 7});
    assert_eq!(bench.refused(2, "lineSetAppSpecific", other), "LINEERR_NOTOWNER");
    assert_eq!(bench.refused(2, "lineSetMediaMode", media), "LINEERR_NOTOWNER");
    for modes in [json!([]), json!(["LINEMEDIAMODE_G3FAX"]), json!(1), json!(12)] {
        let params = json!({"hCall": 2, "mediaModes": modes});
        assert_eq!(bench.refused(1, "lineSetMediaMode", params), "LINEERR_INVALMEDIAMODE");
    }
    bench.ok(1, "lineSetMediaMode", json!({"hCall": 2, "mediaModes": 14}));
}

#[test]
fn idle_calls_are_kept_for_their_handles_up_to_a_bound() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    for _ in 0..=tapi::server::MAX_IDLE_CALLS {
        let key = bench.incoming();
        bench.state(key, S::Idle, CallMode::None);
        bench.trace(1);
    }
    assert_eq!(bench.server.call_count(), tapi::server::MAX_IDLE_CALLS);
    let oldest = bench.refused(1, "lineGetCallInfo", json!({"hCall": 2}));
    assert_eq!(oldest, "LINEERR_INVALCALLHANDLE");
    bench.ok(1, "lineGetCallInfo", json!({"hCall": 3}));
    bench.server.close(2_000, ConnectionId(1));
    assert_eq!(bench.server.call_count(), 0);
}

#[test]
fn a_changed_line_tells_that_its_capabilities_changed() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    let states = json!({"hLine": h_line, "lineStates": ["LINEDEVSTATE_CAPSCHANGE"],
        "addressStates": ["LINEADDRESSSTATE_CAPSCHANGE"]});
    bench.ok(1, "lineSetStatusMessages", states);
    let same = bench.server.add_line(tapi::LineSpec::new("201", "Somebody", 100, 2));
    assert_eq!(same, bench.line("201"));
    assert!(bench.trace(1).is_empty());
    bench.server.add_line(tapi::LineSpec::new("201", "Somebody", 100, 5));
    assert_eq!(bench.trace(1), ["LINEDEVSTATE CAPSCHANGE", "ADDRESSSTATE CAPSCHANGE"]);
}
