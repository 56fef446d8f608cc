//! Handing calls to other applications.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::CallMode;
use tapi::constant::CallState as S;

const VOICE: &str = "LINEMEDIAMODE_INTERACTIVEVOICE";

#[test]
fn a_call_is_handed_to_an_application_by_name() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.owner(2, "201");
    bench.monitor(3, "201");
    bench.incoming();
    for connection in 1..4 {
        bench.messages(connection);
    }
    let handed = bench.ok(1, "lineHandoff", json!({"hCall": 2, "fileName": "APP2"}));
    assert_eq!(handed, json!({}));
    assert!(bench.trace(1).is_empty(), "who causes the change is not told");
    assert_eq!(bench.trace(2), ["CALLSTATE 2 OFFERING ACTIVE OWNER"]);
    assert_eq!(bench.trace(3), ["CALLINFO 2 NUMOWNERINCR|NUMMONITORS"]);
    let info = bench.ok(1, "lineGetCallInfo", json!({"hCall": 2}));
    assert_eq!((&info["numOwners"], &info["numMonitors"]), (&json!(2), &json!(1)));
    // The target is told even though it owns the call already; nothing else changes.
    bench.ok(1, "lineHandoff", json!({"hCall": 2, "fileName": "app2"}));
    assert_eq!(bench.trace(2), ["CALLSTATE 2 OFFERING ACTIVE OWNER"]);
    assert!(bench.trace(3).is_empty());
    bench.ok(1, "lineDeallocateCall", json!({"hCall": 2}));
    bench.ok(2, "lineAnswer", json!({"hCall": 2}));
}

#[test]
fn an_application_without_a_handle_gets_a_new_one() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.open(2, "201", &["OWNER"]);
    let (h_call, key) = bench.connected(1);
    assert!(bench.trace(2).is_empty());
    bench.ok(1, "lineHandoff", json!({"hCall": h_call, "mediaMode": 0, "fileName": "app2"}));
    assert_eq!(bench.trace(2), ["APPNEWCALL 2 OWNER", "CALLSTATE 2 CONNECTED OWNER"]);
    bench.state(key, S::Idle, CallMode::None);
    bench.ok(1, "lineHandoff", json!({"hCall": h_call, "fileName": "app2"}));
    assert_eq!(bench.trace(2), ["CALLSTATE 2 IDLE", "CALLSTATE 2 IDLE OWNER"]);
}

#[test]
fn a_call_is_handed_on_by_media_mode_and_priority() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.owner(2, "201");
    bench.owner(3, "201");
    bench.incoming();
    for connection in 1..4 {
        bench.messages(connection);
    }
    let by_media = json!({"hCall": 2, "mediaMode": VOICE});
    assert_eq!(bench.refused(1, "lineHandoff", by_media.clone()), "LINEERR_TARGETSELF");
    let first = json!({"appName": "app3", "mediaMode": VOICE, "priority": 1});
    bench.ok(1, "lineSetAppPriority", first);
    bench.ok(1, "lineHandoff", by_media);
    assert_eq!(bench.trace(3), ["CALLSTATE 2 OFFERING ACTIVE OWNER"]);
    assert_eq!(bench.trace(2), ["CALLINFO 2 NUMOWNERINCR|NUMMONITORS"]);
}

#[test]
fn the_own_name_may_be_the_target() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let (h_call, _) = bench.connected(1);
    bench.ok(1, "lineHandoff", json!({"hCall": h_call, "fileName": "app1"}));
    assert_eq!(bench.trace(1), ["CALLSTATE 2 CONNECTED OWNER"]);
}

#[test]
fn handoff_errors() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    bench.owner(3, "202");
    let (h_call, _) = bench.connected(1);
    let hand =
        |name: Value, mode: Value| json!({"hCall": h_call, "fileName": name, "mediaMode": mode});
    bench.check(
        1,
        "lineHandoff",
        &[
            (json!({"hCall": 99, "fileName": "app2"}), "LINEERR_INVALCALLHANDLE"),
            (hand(json!(5), json!(null)), "Invalid params"),
            (hand(json!("nobody"), json!(null)), "LINEERR_TARGETNOTFOUND"),
            (hand(json!("app2"), json!(null)), "LINEERR_TARGETNOTFOUND"),
            (hand(json!("app3"), json!(null)), "LINEERR_TARGETNOTFOUND"),
            (hand(json!(null), json!(null)), "Invalid params"),
            (hand(json!(null), json!(1)), "LINEERR_INVALMEDIAMODE"),
            (hand(json!(null), json!(12)), "LINEERR_INVALMEDIAMODE"),
            (hand(json!(null), json!("LINEMEDIAMODE_G3FAX")), "LINEERR_TARGETNOTFOUND"),
        ],
    );
    let foreign = json!({"hCall": 2, "fileName": "app1"});
    assert_eq!(bench.refused(2, "lineHandoff", foreign), "LINEERR_NOTOWNER");
}
