//! Shared lines by phone: ringing, exclusive hold, taking over, calls in the line's name.

use serde_json::json;
use switch::phone::Behaviour;
use tests::program::Program;

use super::desk::Desk;

#[test]
fn a_call_to_a_shared_line_rings_at_all_members_and_is_shown_to_those_that_did_not_answer() {
    let mut desk = Desk::open();
    let (near, at_ada) = desk.talking();
    desk.ada.hears(&desk.finn);
    desk.finn.hears(&desk.ada);
    for call in ["201", "204"] {
        let info = desk.info(call);
        assert_eq!((&info["addressId"], &info["calledId"]), (&json!(1), &json!("250")), "{call}");
        assert_eq!(
            (&info["callerId"], &info["origin"]),
            (&json!("206"), &json!("LINECALLORIGIN_INTERNAL"))
        );
        assert_eq!(info["callId"], desk.info("206")["callId"]);
    }
    let caller = desk.info("206");
    assert_eq!(
        (&caller["connectedId"], &caller["connectedIdName"]),
        (&json!("250"), &json!("Front desk"))
    );
    assert_eq!(desk.features("204"), ["DROP"]);
    assert_eq!(desk.refused("lineHold", "204"), "INVALCALLSTATE");
    assert_eq!(desk.refused("lineAnswer", "204"), "OPERATIONUNAVAIL", "the line is exclusive");
    let rows = desk.program.get("/api/v1/calls").1["items"].clone();
    let at = |line: &str| {
        let found = rows.as_array().unwrap().iter().find(|row| row["line"] == line).cloned();
        let row = found.unwrap();
        (row["addressId"].clone(), row["address"].clone(), row["mode"].clone())
    };
    let mode = |name: &str| json!(format!("LINECONNECTEDMODE_{name}"));
    assert_eq!(at("201"), (json!(1), json!("250"), mode("ACTIVE")));
    assert_eq!(at("204"), (json!(1), json!("250"), mode("INACTIVE")));
    desk.ada.hang_up(at_ada);
    desk.app.expect(&[
        "206 DISCONNECTED NORMAL",
        "206 IDLE",
        "201 IDLE",
        "204 DISCONNECTED NORMAL",
        "204 IDLE",
    ]);
    desk.finn.ended(near);
    desk.nothing_is_left();
}

#[test]
fn the_callers_hang_up_ends_every_appearance() {
    let mut desk = Desk::open();
    let (near, at_ada) = desk.talking();
    desk.finn.hang_up(near);
    desk.app.expect(&[
        "201 DISCONNECTED NORMAL",
        "204 DISCONNECTED NORMAL",
        "204 IDLE",
        "201 IDLE",
        "206 IDLE",
    ]);
    desk.ada.ended(at_ada);
    desk.nothing_is_left();
}

#[test]
fn a_held_call_is_taken_by_the_code_at_another_member() {
    let mut desk = Desk::open();
    let (near, at_ada) = desk.held();
    desk.finn.hears_tone();
    let at_dan = desk.dan.call("*7");
    desk.dan.connected(at_dan);
    desk.app.expect(&[
        "204/2 NEW OWNER",
        "204/2 DIALING OWNER",
        "204/2 PROCEEDING",
        "204/2 INFO REASON|CALLERID|CALLEDID|REDIRECTINGID",
        "204/2 INFO CALLID",
        "204 IDLE",
        "204/2 CONNECTED ACTIVE",
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204/2 INFO CONNECTEDID",
    ]);
    desk.ada.ended(at_ada);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    let info = desk.info("204/2");
    assert_eq!((&info["reason"], &info["addressId"]), (&json!("LINECALLREASON_PICKUP"), &json!(1)));
    assert_eq!((&info["callerId"], &info["calledId"]), (&json!("206"), &json!("250")));
    assert_eq!(info["redirectingId"], "201");
    assert_eq!(info["callId"], desk.info("206")["callId"]);
    // Nothing is on hold any more.
    desk.ada.call("*7");
    assert_eq!(desk.ada.failed().0, 404);
    desk.app.skip_to("201/2 DISCONNECTED BADADDRESS");
    desk.tell("lineDrop", "201/2");
    desk.app.expect(&["REPLY 0", "201/2 IDLE"]);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.dan.ended(at_dan);
    desk.nothing_is_left();
}

#[test]
fn an_invite_with_replaces_takes_a_held_call_and_no_other() {
    let mut desk = Desk::open();
    let (near, at_ada) = desk.talking();
    let (call_id, switch_tag, phone_tag) = desk.ada.with(|phone| phone.dialog(at_ada)).unwrap();
    let dialog = (call_id.as_str(), switch_tag.as_str(), phone_tag.as_str());
    desk.dan.with(|phone| phone.call_replacing("250", dialog));
    assert_eq!(desk.dan.failed().0, 403, "201 talks: the call is its alone");
    desk.app.skip_to("204/2 IDLE");
    desk.ada.hold(at_ada);
    desk.app.expect(&["201 ONHOLD", "204 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    let at_dan = desk.dan.with(|phone| phone.call_replacing("250", dialog)).unwrap();
    desk.dan.connected(at_dan);
    desk.app.skip_to("204/3 CONNECTED ACTIVE");
    desk.app.expect(&[
        "201 CONNECTED INACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204/3 INFO CONNECTEDID",
    ]);
    desk.ada.ended(at_ada);
    desk.dan.hears(&desk.finn);
    desk.dan.hang_up(at_dan);
    desk.app.skip_to("201 IDLE");
    desk.finn.ended(near);
    desk.nothing_is_left();
}

#[test]
fn a_phone_calls_in_the_name_of_the_shared_line_and_comes_back_to_it_from_another_member() {
    let mut desk = Desk::open();
    let at_ada = desk.ada.with(|phone| phone.call_as("250", "206")).unwrap();
    let far = desk.finn.wait("an INVITE", |event| match event {
        switch::phone::PhoneEvent::Incoming { leg, from } => Some((*leg, from.clone())),
        _ => None,
    });
    assert!(far.1.contains("\"Front desk\" <sip:250@"), "{}", far.1);
    desk.app.expect(&[
        "201 NEW OWNER",
        "201 DIALING OWNER",
        "201 PROCEEDING",
        "204 NEW OWNER",
        "204 CONNECTED INACTIVE OWNER",
        "206 NEW OWNER",
        "206 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
    ]);
    desk.finn.answer(far.0);
    desk.app.expect(&[
        "206 CONNECTED ACTIVE",
        "201 CONNECTED ACTIVE",
        "201 INFO CONNECTEDID",
        "206 INFO CONNECTEDID",
    ]);
    assert_eq!(desk.info("206")["callerId"], "250");
    desk.ada.connected(at_ada);
    // Who calls the line in its own name comes back to its call, when there is one to come back to.
    desk.dan.with(|phone| phone.call_as("250", "250"));
    assert_eq!(desk.dan.failed().0, 486);
    desk.app.skip_to("204/2 BUSY STATION");
    desk.tell("lineDrop", "204/2");
    desk.app.expect(&["REPLY 0", "204/2 IDLE"]);
    desk.ada.hold(at_ada);
    desk.app.expect(&["201 ONHOLD", "204 ONHOLD", "206 CONNECTED ACTIVEHELD"]);
    let at_dan = desk.dan.with(|phone| phone.call_as("250", "250")).unwrap();
    desk.dan.connected(at_dan);
    desk.app.skip_to("204/3 CONNECTED ACTIVE");
    desk.app.expect(&["201 CONNECTED INACTIVE", "204/3 INFO CONNECTEDID", "206 INFO CONNECTEDID"]);
    desk.ada.ended(at_ada);
    desk.dan.hears(&desk.finn);
    desk.finn.hears(&desk.dan);
    desk.finn.hang_up(far.0);
    desk.app.expect(&[
        "204/3 DISCONNECTED NORMAL",
        "201 DISCONNECTED NORMAL",
        "201 IDLE",
        "204/3 IDLE",
        "206 IDLE",
    ]);
    desk.dan.ended(at_dan);
    desk.nothing_is_left();
}

#[test]
fn a_stranger_cannot_call_in_the_name_of_the_shared_line() {
    let mut desk = Desk::open();
    desk.finn.with(|phone| phone.call_as("250", "201"));
    assert_eq!(desk.finn.failed().0, 403);
    desk.app.expect_silence();
    desk.nothing_is_left();
}

#[test]
fn a_phone_that_refuses_leaves_the_call_to_the_other_members() {
    let mut desk = Desk::open();
    let (near, at_ada, at_dan) = desk.ringing();
    desk.ada.reject(at_ada, 486);
    desk.app.expect(&["201 DISCONNECTED BUSY", "201 IDLE"]);
    desk.dan.answer(at_dan);
    desk.app.expect(&[
        "204 CONNECTED ACTIVE",
        "206 CONNECTED ACTIVE",
        "206 INFO CONNECTEDID",
        "204 INFO CONNECTEDID",
        "201/2 NEW OWNER",
        "201/2 CONNECTED INACTIVE OWNER",
    ]);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}

#[test]
fn a_phone_that_does_not_come_leaves_the_held_call_where_it_is() {
    let program = Program::start();
    let busy = Behaviour { refuses_with: Some(486), ..Behaviour::default() };
    let [ada, finn] = ["201", "206"].map(|line| program.live_phone(line));
    let dan = program.live_phone("204");
    let mut app = program.application("desk");
    let lines = ["201", "204", "206"].map(|line| app.open(line));
    let mut desk = Desk { ada, dan, finn, app, lines, program };
    let (near, at_ada) = desk.held();
    desk.dan.with(|phone| *phone.behaviour() = busy);
    desk.tell("lineUnhold", "204");
    desk.app.expect(&["REPLY OPERATIONFAILED"]);
    let line = desk.lines[1];
    desk.ask("linePickup", json!({"hLine": line, "addressId": 1}));
    desk.app.expect(&["REPLY OPERATIONFAILED"]);
    desk.ada.resume(at_ada);
    desk.app.expect(&["201 CONNECTED ACTIVE", "204 CONNECTED INACTIVE", "206 CONNECTED ACTIVE"]);
    desk.ada.hears(&desk.finn);
    desk.finn.hang_up(near);
    desk.app.skip_to("206 IDLE");
    desk.nothing_is_left();
}
