//! Shared lines: bridged appearances, exclusive hold, and the held call taken at another member; by the
//! phones of the members and by an application. 250 is shared by 201 and 204.

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::{LivePhone, Program, office as configured};
use tests::row::{Row, hear_each_other};

const LINES: [&str; 3] = ["201", "204", "206"];

fn office() -> (Row, [LivePhone; 3]) {
    let row = Row::open(&LINES);
    let phones = row.phones(LINES);
    (row, phones)
}

/// 206 has called 250, which rings at both members; the legs of 206, 201 and 204.
fn ringing(row: &mut Row, [ada, dan, finn]: &[LivePhone; 3]) -> [LegId; 3] {
    let near = finn.call("250");
    let legs = [near, ada.incoming(), dan.incoming()];
    finn.rings_there();
    row.told(&[
        ("201", "201 NEW OWNER; 201 OFFERING ACTIVE OWNER"),
        ("204", "204 NEW OWNER; 204 OFFERING ACTIVE OWNER"),
        ("206", "206 NEW OWNER; 206 DIALING OWNER; 206 PROCEEDING; 206 RINGBACK"),
    ]);
    legs
}

#[test]
fn a_member_answers_holds_and_another_member_takes_the_call_by_code() {
    let (mut row, phones) = office();
    let [near, at_ada, at_dan] = ringing(&mut row, &phones);
    let [ada, dan, finn] = &phones;
    ada.answer(at_ada);
    finn.connected(near);
    dan.ended(at_dan);
    row.told(&[
        ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("204", "204 CONNECTED INACTIVE"),
        ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(ada, finn);
    dan.hears_nothing_of(finn);
    assert_eq!(row.parties("206"), "DIRECT 206 250 250 - -");
    // While 201 talks the call is its alone.
    dan.call("*7");
    assert_eq!(dan.failed().0, 404);
    row.told(&[(
        "204",
        "204/2 NEW OWNER; 204/2 DIALING OWNER; 204/2 PROCEEDING; 204/2 DISCONNECTED BADADDRESS",
    )]);
    row.tell("lineDrop", "204/2", json!({}));
    row.told(&[("204", "REPLY 0; 204/2 IDLE")]);
    ada.hold(at_ada);
    row.told(&[("201", "201 ONHOLD"), ("204", "204 ONHOLD"), ("206", "206 CONNECTED ACTIVEHELD")]);
    finn.hears_tone();
    let taken = dan.call("*7");
    dan.connected(taken);
    ada.ended(at_ada);
    row.told(&[
        ("201", "201 CONNECTED INACTIVE"),
        (
            "204",
            "204/3 NEW OWNER; 204/3 DIALING OWNER; 204/3 PROCEEDING; \
             204/3 INFO REASON|CALLERID|CALLEDID|REDIRECTINGID; 204/3 INFO CALLID; 204 IDLE; \
             204/3 CONNECTED ACTIVE; 204/3 INFO CONNECTEDID",
        ),
        ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(dan, finn);
    ada.hears_nothing_of(finn);
    assert_eq!(row.parties("204/3"), "PICKUP 206 250 206 201 -");
    assert_eq!(row.info("204/3")["callId"], row.info("206")["callId"]);
    finn.hang_up(near);
    dan.ended(taken);
    row.told(&[
        ("201", "201 DISCONNECTED NORMAL; 201 IDLE"),
        ("204", "204/3 DISCONNECTED NORMAL; 204/3 IDLE"),
        ("206", "206 IDLE"),
    ]);
    row.is_empty();
}

#[test]
fn a_member_calls_in_the_name_of_the_shared_line_and_the_other_sees_it() {
    let (mut row, phones) = office();
    let [ada, _, finn] = &phones;
    let near = ada.with(|phone| phone.call_as("250", "206")).unwrap();
    let far = finn.incoming();
    ada.rings_there();
    row.told(&[
        ("201", "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 RINGBACK"),
        ("204", "204 NEW OWNER; 204 CONNECTED INACTIVE OWNER"),
        ("206", "206 NEW OWNER; 206 OFFERING ACTIVE OWNER"),
    ]);
    finn.answer(far);
    row.told(&[
        ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(ada, finn);
    assert_eq!(row.parties("206"), "DIRECT 250 206 250 - -");
    ada.hang_up(near);
    finn.ended(far);
    row.told(&[
        ("201", "201 IDLE"),
        ("204", "204 DISCONNECTED NORMAL; 204 IDLE"),
        ("206", "206 DISCONNECTED NORMAL; 206 IDLE"),
    ]);
    row.is_empty();
}

#[test]
fn an_application_answers_holds_picks_up_takes_back_and_drops_at_a_shared_line() {
    let (mut row, phones) = office();
    let [near, at_ada, _] = ringing(&mut row, &phones);
    let [ada, dan, finn] = &phones;
    row.tell("lineAnswer", "204", json!({}));
    finn.connected(near);
    ada.ended(at_ada);
    row.told(&[
        ("201", "201 CONNECTED INACTIVE"),
        ("204", "REPLY 0; 204 CONNECTED ACTIVE; 204 INFO CONNECTEDID"),
        ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(dan, finn);
    row.tell("lineHold", "204", json!({}));
    row.told(&[
        ("201", "201 ONHOLD"),
        ("204", "REPLY 0; 204 ONHOLD"),
        ("206", "206 CONNECTED ACTIVEHELD"),
    ]);
    finn.hears_tone();
    finn.hears_nothing_of(dan);
    let line = row.line("201");
    row.ask("linePickup", json!({"hLine": line, "addressId": 1}));
    row.told(&[
        (
            "201",
            "REPLY 0; 201/2 INFO REASON|CALLERID|CALLEDID|REDIRECTINGID; 201/2 INFO CALLID; \
             201 IDLE; 201/2 CONNECTED ACTIVE; 201/2 INFO CONNECTEDID",
        ),
        ("204", "204 CONNECTED INACTIVE"),
        ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(ada, finn);
    assert_eq!(row.parties("201/2"), "PICKUP 206 250 206 204 -");
    row.tell("lineHold", "201/2", json!({}));
    row.told(&[
        ("201", "REPLY 0; 201/2 ONHOLD"),
        ("204", "204 ONHOLD"),
        ("206", "206 CONNECTED ACTIVEHELD"),
    ]);
    row.tell("lineUnhold", "204", json!({}));
    row.told(&[
        ("201", "201/2 CONNECTED INACTIVE"),
        ("204", "REPLY 0; 204 CONNECTED ACTIVE; 204 INFO CONNECTEDID"),
        ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(dan, finn);
    row.tell("lineDrop", "204", json!({}));
    finn.ended(near);
    row.told(&[
        ("201", "201/2 DISCONNECTED NORMAL; 201/2 IDLE"),
        ("204", "REPLY 0; 204 IDLE"),
        ("206", "206 DISCONNECTED NORMAL; 206 IDLE"),
    ]);
    row.is_empty();
}

#[test]
fn an_application_calls_from_the_shared_address() {
    let (mut row, phones) = office();
    let [ada, _, finn] = &phones;
    let line = row.line("201");
    let params = json!({"hLine": line, "destAddress": "206", "callParams": {"addressId": 1}});
    row.ask("lineMakeCall", params);
    let far = finn.incoming();
    row.told(&[
        ("201", "REPLY 0; 201 DIALING; 201 PROCEEDING; 201 RINGBACK"),
        ("204", "204 NEW OWNER; 204 CONNECTED INACTIVE OWNER"),
        ("206", "206 NEW OWNER; 206 OFFERING ACTIVE OWNER"),
    ]);
    row.tell("lineAnswer", "206", json!({}));
    row.told(&[
        ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("206", "REPLY 0; 206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(ada, finn);
    assert_eq!(row.parties("206"), "DIRECT 250 206 250 - -");
    row.tell("lineDrop", "201", json!({}));
    finn.ended(far);
    row.told(&[
        ("201", "REPLY 0; 201 IDLE"),
        ("204", "204 DISCONNECTED NORMAL; 204 IDLE"),
        ("206", "206 DISCONNECTED NORMAL; 206 IDLE"),
    ]);
    row.is_empty();
}

/// 206 talks to 201; the members of 250 may join each other.
fn joinable() -> (Row, [LivePhone; 3], [LegId; 2]) {
    let members = "members = [\"201\", \"204\"]";
    let text = configured(|text| text.replace(members, &format!("{members}\nallow_join = true")));
    let mut row = Row::with(Program::with(text), &LINES);
    let phones = row.phones(LINES);
    let [near, at_ada, at_dan] = ringing(&mut row, &phones);
    let [ada, dan, finn] = &phones;
    ada.answer(at_ada);
    finn.connected(near);
    dan.ended(at_dan);
    row.told(&[
        ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("204", "204 CONNECTED INACTIVE"),
        ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(ada, finn);
    (row, phones, [near, at_ada])
}

fn all_hear_the_others([ada, dan, finn]: &[LivePhone; 3]) {
    ada.hears_mix(&[dan, finn]);
    dan.hears_mix(&[ada, finn]);
    finn.hears_mix(&[ada, dan]);
}

#[test]
fn a_member_joins_the_call_of_another_and_leaves_it_again() {
    let (mut row, phones, [near, at_ada]) = joinable();
    let [ada, dan, finn] = &phones;
    let joined = dan.with(|phone| phone.call_as("250", "250")).unwrap();
    dan.connected(joined);
    row.told(&[(
        "204",
        "204/2 NEW OWNER; 204/2 DIALING OWNER; 204/2 PROCEEDING; 204/2 INFO CALLID; 204 IDLE; \
         204/2 CONNECTED ACTIVE; 204/2 INFO CONNECTEDID",
    )]);
    all_hear_the_others(&phones);
    dan.hang_up(joined);
    row.told(&[("204", "204/2 CONNECTED INACTIVE")]);
    hear_each_other(ada, finn);
    ada.hang_up(at_ada);
    finn.ended(near);
    row.told(&[
        ("201", "201 IDLE"),
        ("204", "204/2 DISCONNECTED NORMAL; 204/2 IDLE"),
        ("206", "206 DISCONNECTED NORMAL; 206 IDLE"),
    ]);
    row.is_empty();
}

#[test]
fn an_application_joins_a_member_steps_out_with_another_and_drops_both() {
    let (mut row, phones, [near, _]) = joinable();
    let [ada, dan, finn] = &phones;
    row.tell("lineAnswer", "204", json!({}));
    row.told(&[("204", "REPLY 0; 204 CONNECTED ACTIVE; 204 INFO CONNECTEDID")]);
    all_hear_the_others(&phones);
    row.tell("lineHold", "201", json!({}));
    row.told(&[("201", "REPLY 0; 201 CONNECTED INACTIVE")]);
    hear_each_other(dan, finn);
    ada.hears_nothing_of(finn);
    row.tell("lineAnswer", "201", json!({}));
    row.told(&[("201", "REPLY 0; 201 CONNECTED ACTIVE")]);
    all_hear_the_others(&phones);
    row.tell("lineDrop", "204", json!({}));
    row.told(&[("204", "REPLY 0; 204 CONNECTED INACTIVE")]);
    hear_each_other(ada, finn);
    row.tell("lineDrop", "201", json!({}));
    finn.ended(near);
    row.told(&[
        ("201", "REPLY 0; 201 IDLE"),
        ("204", "204 DISCONNECTED NORMAL; 204 IDLE"),
        ("206", "206 DISCONNECTED NORMAL; 206 IDLE"),
    ]);
    row.is_empty();
}
