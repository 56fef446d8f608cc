//! Shared lines by application and administrator: capabilities, calls, forwarding, limits, tables.

use serde_json::json;
use tests::program::{Program, forgetful, office};

use super::desk::{Desk, words};

#[test]
fn an_application_answers_holds_picks_up_and_drops_at_a_shared_line() {
    let mut desk = Desk::open();
    let (near, at_ada, at_dan) = desk.ringing();
    desk.tell("lineAnswer", "204");
    desk.app.expect(&[
        "REPLY 0",
        "204 CONNECTED ACTIVE",
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204 INFO CONNECTEDID",
    ]);
    desk.ada.ended(at_ada);
    assert!(!desk.address_features(0, 1).contains(&"PICKUPHELD".to_owned()));
    desk.tell("lineHold", "204");
    desk.app.expect(&["REPLY 0", "204 ONHOLD", "201 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    assert_eq!(desk.features("201"), ["DROP", "UNHOLD"]);
    assert!(desk.address_features(0, 1).contains(&"PICKUPHELD".to_owned()));
    let line = desk.lines[0];
    desk.ask("linePickup", json!({"hLine": line, "addressId": 1}));
    // 201's phone answers by itself, then the call is its own.
    desk.app.expect(&[
        "REPLY 0",
        "201/2 INFO REASON|CALLERID|CALLEDID|REDIRECTINGID",
        "201/2 INFO CALLID",
        "201 IDLE",
        "201/2 CONNECTED ACTIVE",
        "204 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "201/2 INFO CONNECTEDID",
    ]);
    desk.dan.ended(at_dan);
    desk.ada.hears(&desk.finn);
    desk.finn.hears(&desk.ada);
    assert_eq!(desk.info("201/2")["reason"], "LINECALLREASON_PICKUP");
    // And back by the other way: lineUnhold of the appearance.
    desk.tell("lineHold", "201/2");
    desk.app.expect(&["REPLY 0", "201/2 ONHOLD", "204 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    desk.tell("lineUnhold", "204");
    desk.app.expect(&[
        "REPLY 0",
        "204 CONNECTED ACTIVE",
        "201/2 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204 INFO CONNECTEDID",
    ]);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    // The appearance that only shows the call is put away; the call goes on.
    desk.tell("lineDrop", "201/2");
    desk.app.expect(&["REPLY 0", "201/2 IDLE"]);
    desk.dan.hears(&desk.finn);
    desk.tell("lineDrop", "204");
    desk.app.expect(&["REPLY 0", "204 IDLE", "206 DISCONNECTED NORMAL", "206 IDLE"]);
    desk.finn.ended(near);
    desk.nothing_is_left();
}

#[test]
fn an_application_calls_from_the_shared_address_and_transfers_the_call() {
    let mut desk = Desk::open();
    let line = desk.lines[0];
    desk.ask(
        "lineMakeCall",
        json!({"hLine": line, "destAddress": "206", "callParams": {"addressId": 1}}),
    );
    desk.app.expect(&[
        "REPLY 0",
        "201 DIALING",
        "204 NEW OWNER",
        "204 CONNECTED INACTIVE OWNER",
        "201 PROCEEDING",
        "206 NEW OWNER",
        "206 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
    ]);
    desk.tell("lineAnswer", "206");
    desk.app.skip_to("206 INFO CONNECTEDID");
    assert_eq!(
        (desk.info("201")["addressId"].clone(), desk.info("206")["callerId"].clone()),
        (json!(1), json!("250"))
    );
    desk.ada.hears(&desk.finn);
    let held = desk.app.handle("201");
    desk.ask("lineSetupTransfer", json!({"hCall": held}));
    desk.app.skip_to("201 ONHOLDPENDTRANSFER");
    // On consultation hold the call is not free to be taken.
    desk.app.expect(&["206 CONNECTED ACTIVEHELD"]);
    assert!(!desk.address_features(1, 1).contains(&"PICKUPHELD".to_owned()));
    let target = desk.program.live_phone("202");
    desk.ask("lineUnhold", json!({"hCall": held}));
    desk.app.skip_to("206 CONNECTED ACTIVE");
    desk.ask("lineBlindTransfer", json!({"hCall": held, "destAddress": "202"}));
    desk.app.expect(&["REPLY 0", "201 IDLE", "204 DISCONNECTED NORMAL", "204 IDLE"]);
    let far = target.incoming();
    target.answer(far);
    target.connected(far);
    desk.finn.hears(&target);
    target.hang_up(far);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn what_a_shared_address_can_do_is_told_truthfully() {
    for (desk, sharing) in [(Desk::open(), "BRIDGEDEXCL"), (Desk::with_joining(), "BRIDGEDSHARED")]
    {
        let mut desk = desk;
        let device = desk.ask("lineGetID", json!({"hLine": desk.lines[1], "select": "LINECALLSELECT_LINE", "deviceClass": "tapi/line"}));
        let device = device["deviceId"].as_u64().expect("a device");
        let caps = desk.ask("lineGetDevCaps", json!({"deviceId": device}));
        assert_eq!(caps["numAddresses"], 2);
        let own = desk.ask("lineGetAddressCaps", json!({"deviceId": device, "addressId": 0}));
        assert_eq!(
            (&own["address"], &own["addressSharing"]),
            (&json!("204"), &json!("LINEADDRESSSHARING_PRIVATE"))
        );
        assert!(!words(&own["connectedModes"]).contains(&"INACTIVE".to_owned()));
        let shared = desk.ask("lineGetAddressCaps", json!({"deviceId": device, "addressId": 1}));
        assert_eq!(
            (&shared["address"], &shared["addressSharing"]),
            (&json!("250"), &json!(format!("LINEADDRESSSHARING_{sharing}")))
        );
        assert_eq!(
            words(&shared["connectedModes"]),
            ["ACTIVE", "INACTIVE", "ACTIVEHELD", "INACTIVEHELD"]
        );
        assert_eq!(words(&shared["offeringModes"]), ["ACTIVE", "INACTIVE"]);
        let held = words(&shared["addressFeatures"]).contains(&"PICKUPHELD".to_owned());
        assert_eq!(held, sharing == "BRIDGEDEXCL");
        assert!(!words(&shared["callFeatures"]).contains(&"SETUPCONF".to_owned()));
        assert_eq!(
            desk.app.refusal("lineGetAddressCaps", json!({"deviceId": device, "addressId": 2})),
            "INVALADDRESSID"
        );
        let line = desk.lines[1];
        for wish in [json!({"destAddress": "201"}), json!({"groupId": "10"})] {
            let mut wish = wish;
            wish["hLine"] = json!(line);
            wish["addressId"] = json!(1);
            assert_eq!(desk.app.refusal("linePickup", wish), "OPERATIONUNAVAIL");
        }
        desk.nothing_is_left();
    }
}

#[test]
fn members_that_do_not_ring_see_the_call_and_an_application_makes_them_answer() {
    let mut desk = Desk::open();
    let (status, _) = tests::program::http(
        desk.program.api,
        "PUT",
        "/api/v1/lines/204/dnd",
        Some(tests::program::TOKEN),
        "{\"enabled\": true}",
    );
    assert_eq!(status, 200);
    let near = desk.finn.call("250");
    let at_ada = desk.ada.incoming();
    desk.app.expect(&[
        "206 NEW OWNER",
        "206 DIALING OWNER",
        "206 PROCEEDING",
        "201 NEW OWNER",
        "201 OFFERING ACTIVE OWNER",
        "204 NEW OWNER",
        "204 OFFERING INACTIVE OWNER",
        "206 RINGBACK",
    ]);
    assert!(desk.features("204").contains(&"ANSWER".to_owned()));
    desk.tell("lineAnswer", "204");
    desk.app.expect(&[
        "REPLY 0",
        "204 CONNECTED ACTIVE",
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204 INFO CONNECTEDID",
    ]);
    desk.ada.ended(at_ada);
    desk.dan.hears(&desk.finn);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn a_shared_line_is_forwarded_for_all_its_members() {
    let mut desk = Desk::open();
    for line in desk.lines {
        let wish =
            json!({"hLine": line, "lineStates": [], "addressStates": ["LINEADDRESSSTATE_FORWARD"]});
        desk.ask("lineSetStatusMessages", wish);
    }
    let ben = desk.program.live_phone("202");
    let list = json!([{"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": "202"}]);
    let line = desk.lines[0];
    desk.ask("lineForward", json!({"hLine": line, "addressId": 1, "forwardList": list}));
    desk.app.expect(&["REPLY 0", "201 ADDRESS FORWARD", "204 ADDRESS FORWARD"]);
    let near = desk.finn.call("250");
    let far = ben.incoming();
    desk.app.skip_to("206 RINGBACK");
    ben.answer(far);
    desk.finn.connected(near);
    assert_eq!(desk.info("206")["redirectingId"], "250");
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    // Its own number still reaches the member; then the other member takes the forwarding away.
    let own = desk.finn.call("201");
    let at_ada = desk.ada.incoming();
    desk.finn.hang_up(own);
    desk.ada.ended(at_ada);
    desk.app.skip_to("206/2 IDLE");
    let line = desk.lines[1];
    desk.ask("lineForward", json!({"hLine": line, "addressId": 1, "forwardList": []}));
    desk.app.expect(&["REPLY 0", "201 ADDRESS FORWARD", "204 ADDRESS FORWARD"]);
    desk.nothing_is_left();
}

#[test]
fn a_shared_line_has_as_many_calls_as_an_address_may_have_and_one_more_is_busy() {
    let few = |text: String| forgetful(text.replace("max_calls = 4", "max_calls = 1"));
    let mut desk = Desk::of(Program::with(office(few)));
    let (near, _) = desk.talking();
    assert!(!desk.address_features(1, 1).contains(&"MAKECALL".to_owned()));
    let line = desk.lines[1];
    let wish = json!({"hLine": line, "destAddress": "206", "callParams": {"addressId": 1}});
    assert_eq!(desk.app.refusal("lineMakeCall", wish), "CALLUNAVAIL");
    desk.dan.with(|phone| phone.call_as("250", "206"));
    assert_eq!(desk.dan.failed().0, 486);
    let outsider = desk.program.live_phone("205");
    outsider.call("250");
    assert_eq!(outsider.failed().0, 486);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn the_program_shows_shared_lines() {
    let mut desk = Desk::open();
    let (near, _) = desk.held();
    let said = |arguments: &[&str]| {
        let output = desk.program.command(arguments);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let lines = said(&["lines"]);
    let row = lines.lines().find(|row| row.starts_with("201")).unwrap();
    assert!(row.contains("250 BRIDGEDEXCL"), "{lines}");
    let calls = said(&["calls"]);
    assert_eq!(
        calls.lines().filter(|row| row.contains(" 250 ") && row.contains("ONHOLD")).count(),
        2,
        "{calls}"
    );
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}
