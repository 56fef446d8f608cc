//! Accepting, answering, refusing and ending: 180, 200, BYE, CANCEL and 4xx–6xx of phones; lineAccept,
//! lineAnswer, lineDrop in every state and lineDeallocateCall of applications.

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::{LivePhone, Program, office};
use tests::row::{Row, hear_each_other};

const LINES: [&str; 2] = ["201", "202"];

fn two() -> (Row, [LivePhone; 2]) {
    let row = Row::open(&LINES);
    let phones = row.phones(LINES);
    (row, phones)
}

/// A failed call is shown for a second.
fn forgetful() -> (Row, [LivePhone; 2]) {
    let text =
        office(|text| text.replace("keep_failed_call = \"20s\"", "keep_failed_call = \"1s\""));
    let row = Row::with(Program::with(text), &LINES);
    let phones = row.phones(LINES);
    (row, phones)
}

/// Both are told that the call is answered, 202 after the reply to who asked for it.
fn answered(row: &mut Row, [a, b]: &[LivePhone; 2], reply: &str) {
    row.told(&[
        ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("202", &format!("{reply}202 CONNECTED ACTIVE; 202 INFO CONNECTEDID")),
    ]);
    hear_each_other(a, b);
}

#[test]
fn a_phone_rings_and_answers_and_either_hangs_up() {
    for is_caller in [true, false] {
        let (mut row, phones) = two();
        let [a, b] = &phones;
        let (near, far) = row.talk(a, b);
        assert_eq!(row.parties("201"), "DIRECT 201 202 202 - -");
        assert_eq!(row.parties("202"), "DIRECT 201 202 201 - -");
        if is_caller {
            a.hang_up(near);
            b.ended(far);
            row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
        } else {
            b.hang_up(far);
            a.ended(near);
            row.told(&[("201", "201 DISCONNECTED NORMAL; 201 IDLE"), ("202", "202 IDLE")]);
        }
        row.is_empty();
    }
}

#[test]
fn a_phone_gives_up_while_the_other_rings() {
    let (mut row, phones) = two();
    let [a, b] = &phones;
    let (near, far) = row.ring(a, b);
    a.hang_up(near);
    b.ended(far);
    row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED CANCELLED; 202 IDLE")]);
    row.is_empty();
}

#[test]
fn a_phone_refuses_and_its_caller_learns_why() {
    let (mut row, phones) = forgetful();
    let [a, b] = &phones;
    for (status, to_phone, mode) in [
        (403, 403, "BLOCKED"),
        (404, 404, "BADADDRESS"),
        (410, 410, "NUMBERCHANGED"),
        (480, 480, "NOANSWER"),
        (486, 486, "BUSY"),
        (488, 488, "INCOMPATIBLE"),
        (500, 500, "TEMPFAILURE"),
        (502, 503, "OUTOFORDER"),
        (503, 480, "CONGESTION"),
        (600, 486, "BUSY"),
        (603, 603, "REJECT"),
    ] {
        let (one, other) = (row.app.next_name("201"), row.app.next_name("202"));
        let (_, far) = row.ring(a, b);
        b.reject(far, status);
        assert_eq!(a.failed().0, to_phone, "{status}");
        let busy = if mode == "BUSY" { format!("{one} BUSY STATION; ") } else { String::new() };
        row.told(&[
            ("201", &format!("{busy}{one} DISCONNECTED {mode}; {one} IDLE")),
            ("202", &format!("{other} DISCONNECTED {mode}; {other} IDLE")),
        ]);
    }
    row.is_empty();
}

#[test]
fn a_phone_dials_nobodys_number_and_one_where_no_phone_is() {
    for (number, status, mode) in [("299", 404, "BADADDRESS"), ("206", 480, "UNREACHABLE")] {
        let (mut row, phones) = forgetful();
        phones[0].call(number);
        assert_eq!(phones[0].failed().0, status);
        let told = format!(
            "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 DISCONNECTED {mode}; 201 IDLE"
        );
        row.told(&[("201", &told)]);
        row.is_empty();
    }
}

#[test]
fn an_application_accepts_answers_and_drops_an_offered_call() {
    let (mut row, phones) = two();
    let [a, b] = &phones;
    let (near, far) = row.ring(a, b);
    row.tell("lineAccept", "202", json!({}));
    row.told(&[("202", "REPLY 0; 202 ACCEPTED")]);
    row.tell("lineAnswer", "202", json!({}));
    a.connected(near);
    answered(&mut row, &phones, "REPLY 0; ");
    row.drop_call("202", "201");
    a.ended(near);
    b.ended(far);
    row.is_empty();
}

#[test]
fn an_application_accepts_for_a_phone_that_does_not_ring_and_the_phone_answers() {
    let (mut row, phones) = two();
    let [a, b] = &phones;
    b.with(|phone| phone.behaviour().rings = false);
    let near = a.call("202");
    let far = b.incoming();
    row.told(&[
        ("201", "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING"),
        ("202", "202 NEW OWNER; 202 OFFERING ACTIVE OWNER"),
    ]);
    row.tell("lineAccept", "202", json!({}));
    a.rings_there();
    row.told(&[("201", "201 RINGBACK"), ("202", "REPLY 0; 202 ACCEPTED")]);
    b.answer(far);
    a.connected(near);
    answered(&mut row, &phones, "");
    b.hang_up(far);
    a.ended(near);
    row.told(&[("201", "201 DISCONNECTED NORMAL; 201 IDLE"), ("202", "202 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_drops_a_call_in_each_of_its_states() {
    // A called line that drops what is offered, or accepted, refuses it.
    for is_accepted in [false, true] {
        let (mut row, phones) = forgetful();
        let [a, b] = &phones;
        let (_, far) = row.ring(a, b);
        if is_accepted {
            row.tell("lineAccept", "202", json!({}));
            row.told(&[("202", "REPLY 0; 202 ACCEPTED")]);
        }
        row.tell("lineDrop", "202", json!({}));
        assert_eq!(a.failed().0, 603);
        b.ended(far);
        row.told(&[("201", "201 DISCONNECTED REJECT; 201 IDLE"), ("202", "REPLY 0; 202 IDLE")]);
        row.is_empty();
    }
    // A caller that drops while it rings cancels.
    let (mut row, phones) = two();
    let [a, b] = &phones;
    let far = row.make_call(a, b, json!({}));
    row.tell("lineDrop", "201", json!({}));
    b.ended(far);
    row.told(&[("201", "REPLY 0; 201 IDLE"), ("202", "202 DISCONNECTED CANCELLED; 202 IDLE")]);
    row.is_empty();
    // On hold it need not be taken back before.
    let (mut row, phones) = two();
    let [a, b] = &phones;
    let (near, far) = row.talk(a, b);
    a.hold(near);
    row.told(&[("201", "201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
    row.drop_call("201", "202");
    a.ended(near);
    b.ended(far);
    row.is_empty();
}

#[test]
fn an_application_drops_its_call_before_the_own_phone_has_answered() {
    let mut row = Row::open(&["201"]);
    let a = row.program.plain_phone("201");
    let line = row.line("201");
    row.ask("lineMakeCall", json!({"hLine": line, "destAddress": "202"}));
    let near: LegId = a.incoming();
    row.told(&[("201", "REPLY 0; 201 DIALING")]);
    row.tell("lineDrop", "201", json!({}));
    a.ended(near);
    row.told(&[("201", "REPLY 0; 201 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_drops_its_failed_call_and_the_phone_stops_hearing_busy_tone() {
    let (mut row, phones) = two();
    let [a, b] = &phones;
    b.with(|phone| phone.behaviour().refuses_with = Some(486));
    let line = row.line("201");
    row.ask("lineMakeCall", json!({"hLine": line, "destAddress": "202"}));
    let near = a.incoming();
    row.told(&[
        ("201", "REPLY 0; 201 DIALING; 201 PROCEEDING; 201 BUSY STATION"),
        ("202", "202 NEW OWNER; 202 OFFERING ACTIVE OWNER; 202 DISCONNECTED BUSY; 202 IDLE"),
    ]);
    a.hears_one_of(&[440]);
    row.tell("lineDrop", "201", json!({}));
    a.ended(near);
    row.told(&[("201", "REPLY 0; 201 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_gives_its_handles_back_and_the_call_goes_on_without_an_owner() {
    let (mut row, phones) = two();
    let [a, b] = &phones;
    let mut other = row.program.application("other");
    other.open_for("202", &["MONITOR"]);
    let (near, far) = row.talk(a, b);
    other.expect(&[
        "202 NEW MONITOR",
        "202 OFFERING ACTIVE MONITOR",
        "202 CONNECTED ACTIVE",
        "202 INFO CONNECTEDID",
    ]);
    let watched = json!({"hCall": other.handle("202")});
    other.call("lineDeallocateCall", watched.clone()).unwrap();
    row.told(&[("202", "202 INFO NUMMONITORS")]);
    assert_eq!(other.refusal("lineGetCallInfo", watched), "INVALCALLHANDLE");
    // Since TAPI 2.0 the only owner may leave, too; what the phones do then nobody is told.
    let owned = json!({"hCall": row.app.handle("202")});
    row.ask("lineDeallocateCall", owned.clone());
    assert_eq!(row.app.refusal("lineGetCallInfo", owned), "INVALCALLHANDLE");
    hear_each_other(a, b);
    a.hang_up(near);
    b.ended(far);
    row.told(&[("201", "201 IDLE")]);
    other.expect_silence();
    let idle = json!({"hCall": row.app.handle("201")});
    assert_eq!(row.info("201")["connectedId"], "202", "it can be read until it is given back");
    row.ask("lineDeallocateCall", idle.clone());
    assert_eq!(row.app.refusal("lineGetCallInfo", idle), "INVALCALLHANDLE");
    row.is_empty();
}
