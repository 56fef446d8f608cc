//! Whose call it is: lineHandoff to a named application and by media mode, lineSetCallPrivilege. No phone
//! has a part in it but to talk on.

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use tests::program::{Application, LivePhone};
use tests::row::{Row, hear_each_other};

const LINES: [&str; 2] = ["201", "202"];
const TALK: [&str; 5] = [
    "201 DIALING MONITOR",
    "201 PROCEEDING",
    "201 RINGBACK",
    "201 CONNECTED ACTIVE",
    "201 INFO CONNECTEDID",
];

struct Desk {
    row: Row,
    phones: [LivePhone; 2],
    legs: (LegId, LegId),
    crm: Application,
    watcher: Application,
}

/// 201 talks to 202. The desk owns both calls; `crm.exe`, which may own, and a watcher monitor 201's.
fn talking() -> Desk {
    let mut row = Row::open(&LINES);
    let phones = row.phones(LINES);
    let mut crm = row.program.application("crm.exe");
    crm.open("201");
    let mut watcher = row.program.application("watcher");
    watcher.open_for("201", &["MONITOR"]);
    let legs = row.talk(&phones[0], &phones[1]);
    for app in [&mut crm, &mut watcher] {
        app.expect(&["201 NEW MONITOR"]);
        app.expect(&TALK);
    }
    Desk { row, phones, legs, crm, watcher }
}

impl Desk {
    fn privilege(&mut self, privilege: &str) -> Value {
        let h_call = self.row.app.handle("201");
        let wanted = format!("LINECALLPRIVILEGE_{privilege}");
        self.row.ask("lineSetCallPrivilege", json!({"hCall": h_call, "callPrivilege": wanted}))
    }

    /// The phones hang up; every application is told.
    fn end(mut self) {
        let [a, b] = &self.phones;
        hear_each_other(a, b);
        a.hang_up(self.legs.0);
        b.ended(self.legs.1);
        self.row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
        for app in [&mut self.crm, &mut self.watcher] {
            app.expect(&["201 IDLE"]);
            app.expect_silence();
        }
        self.row.is_empty();
    }
}

#[test]
fn an_application_hands_its_call_to_another_by_name_and_becomes_a_monitor() {
    let mut desk = talking();
    let call = desk.row.app.handle("201");
    let to = |name: &str| json!({"hCall": call, "fileName": name});
    assert_eq!(desk.row.app.refusal("lineHandoff", to("nobody.exe")), "TARGETNOTFOUND");
    assert_eq!(desk.row.app.refusal("lineHandoff", to("watcher")), "TARGETNOTFOUND");
    desk.row.ask("lineHandoff", to("CRM.EXE"));
    desk.crm.expect(&["201 CONNECTED ACTIVE OWNER"]);
    desk.watcher.expect(&["201 INFO NUMOWNERINCR|NUMMONITORS"]);
    desk.privilege("MONITOR");
    for app in [&mut desk.watcher, &mut desk.crm] {
        app.expect(&["201 INFO NUMOWNERDECR|NUMMONITORS"]);
    }
    assert_eq!(desk.row.app.refusal("lineHold", json!({"hCall": call})), "NOTOWNER");
    // The new owner drives the call, all others are told.
    let held = json!({"hCall": desk.crm.handle("201")});
    desk.crm.call("lineHold", held.clone()).unwrap();
    desk.crm.expect(&["REPLY 0", "201 ONHOLD"]);
    desk.watcher.expect(&["201 ONHOLD"]);
    desk.row.told(&[("201", "201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
    desk.phones[1].hears_tone();
    desk.crm.call("lineUnhold", held).unwrap();
    desk.crm.expect(&["REPLY 0", "201 CONNECTED ACTIVE"]);
    desk.watcher.expect(&["201 CONNECTED ACTIVE"]);
    desk.row.told(&[("201", "201 CONNECTED ACTIVE"), ("202", "202 CONNECTED ACTIVE")]);
    desk.end();
}

#[test]
fn an_application_hands_its_call_to_who_takes_its_kind_of_media() {
    let mut desk = talking();
    let call = desk.row.app.handle("201");
    let voice = |call: u64| json!({"hCall": call, "mediaMode": ["LINEMEDIAMODE_INTERACTIVEVOICE"]});
    assert_eq!(desk.row.app.refusal("lineHandoff", voice(call)), "TARGETSELF");
    let first = json!({
        "appName": "crm.exe", "mediaMode": "LINEMEDIAMODE_INTERACTIVEVOICE", "priority": 1,
    });
    desk.crm.call("lineSetAppPriority", first).unwrap();
    desk.row.ask("lineHandoff", voice(call));
    desk.crm.expect(&["201 CONNECTED ACTIVE OWNER"]);
    desk.watcher.expect(&["201 INFO NUMOWNERINCR|NUMMONITORS"]);
    desk.end();
}

#[test]
fn an_application_steps_down_and_up_again() {
    let mut desk = talking();
    let of_crm = desk.crm.handle("201");
    let own = json!({"hCall": of_crm, "callPrivilege": "LINECALLPRIVILEGE_OWNER"});
    let drop = json!({"hCall": of_crm});
    assert_eq!(desk.crm.refusal("lineDrop", drop), "NOTOWNER");
    desk.crm.call("lineSetCallPrivilege", own).unwrap();
    desk.watcher.expect(&["201 INFO NUMOWNERINCR|NUMMONITORS"]);
    desk.row.told(&[("201", "201 INFO NUMOWNERINCR|NUMMONITORS")]);
    desk.privilege("MONITOR");
    for app in [&mut desk.watcher, &mut desk.crm] {
        app.expect(&["201 INFO NUMOWNERDECR|NUMMONITORS"]);
    }
    let call = json!({"hCall": desk.row.app.handle("201")});
    assert_eq!(desk.row.app.refusal("lineHold", call), "NOTOWNER");
    desk.privilege("OWNER");
    for app in [&mut desk.watcher, &mut desk.crm] {
        app.expect(&["201 INFO NUMOWNERINCR|NUMMONITORS"]);
    }
    // The last owner cannot step down.
    let of_crm = json!({"hCall": of_crm, "callPrivilege": "LINECALLPRIVILEGE_MONITOR"});
    desk.crm.call("lineSetCallPrivilege", of_crm).unwrap();
    desk.watcher.expect(&["201 INFO NUMOWNERDECR|NUMMONITORS"]);
    desk.row.told(&[("201", "201 INFO NUMOWNERDECR|NUMMONITORS")]);
    let down = json!({
        "hCall": desk.row.app.handle("201"), "callPrivilege": "LINECALLPRIVILEGE_MONITOR",
    });
    assert_eq!(desk.row.app.refusal("lineSetCallPrivilege", down), "INVALCALLSTATE");
    desk.end();
}
