//! Conferences: a room that phones dial, a party sent there by REFER, and one that an application builds.

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::LivePhone;
use tests::row::{Row, hear_each_other};

/// Their marks add up to a different sound for each two of them.
const LINES: [&str; 3] = ["201", "203", "206"];

fn office() -> (Row, [LivePhone; 3]) {
    let row = Row::open(&LINES);
    let phones = row.phones(LINES);
    (row, phones)
}

/// A phone dials the room and is in it.
fn enters(row: &mut Row, phone: &LivePhone) -> LegId {
    let leg = phone.call("800");
    phone.connected(leg);
    let line = phone.number();
    let name = row.app.next_name(&line);
    let told = format!(
        "{name} NEW OWNER; {name} DIALING OWNER; {name} PROCEEDING; {name} INFO CONNECTEDID; \
         {name} CONNECTED ACTIVE"
    );
    row.told(&[(&line, &told)]);
    leg
}

fn all_hear_the_others([a, b, c]: &[LivePhone; 3]) {
    a.hears_mix(&[b, c]);
    b.hears_mix(&[a, c]);
    c.hears_mix(&[a, b]);
}

#[test]
fn phones_dial_the_room_hear_the_others_and_one_is_muted_by_its_hold() {
    let (mut row, phones) = office();
    let legs: Vec<LegId> = phones.iter().map(|phone| enters(&mut row, phone)).collect();
    all_hear_the_others(&phones);
    let [a, b, c] = &phones;
    a.hold(legs[0]);
    row.told(&[("201", "201 ONHOLD")]);
    hear_each_other(b, c);
    a.resume(legs[0]);
    row.told(&[("201", "201 CONNECTED ACTIVE")]);
    all_hear_the_others(&phones);
    for (phone, leg) in phones.iter().zip(&legs) {
        phone.hang_up(*leg);
        let line = phone.number();
        row.told(&[(&line, &format!("{line} IDLE"))]);
    }
    row.is_empty();
}

#[test]
fn a_phone_sends_its_party_into_the_room_by_refer() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let inside = enters(&mut row, c);
    let (near, far) = row.talk(a, b);
    a.with(|phone| phone.transfer(near, "800"));
    assert_eq!(a.transfer_outcome(), 200);
    row.told(&[
        ("201", "201 IDLE"),
        ("203", "203 INFO CALLID; 203 INFO REDIRECTIONID|REDIRECTINGID; 203 INFO CONNECTEDID"),
    ]);
    a.hang_up(near);
    hear_each_other(b, c);
    assert_eq!(row.parties("203"), "DIRECT 201 203 800 201 800");
    b.hang_up(far);
    row.told(&[("203", "203 IDLE")]);
    c.hang_up(inside);
    row.told(&[("206", "206 IDLE")]);
    row.is_empty();
}

#[test]
fn a_phone_that_mixes_its_two_calls_itself_keeps_them_apart_at_the_switch() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (first, far) = row.talk(a, b);
    a.hold(first);
    row.told(&[("201", "201 ONHOLD"), ("203", "203 CONNECTED ACTIVEHELD")]);
    let (second, target) = row.talk(a, c);
    // Its conference key: the first call comes back while the second goes on.
    a.resume(first);
    row.told(&[("201", "201 CONNECTED ACTIVE"), ("203", "203 CONNECTED ACTIVE")]);
    b.hears(a);
    c.hears(a);
    assert_eq!(row.parties("201"), "DIRECT 201 203 203 - -");
    assert_eq!(row.parties("201/2"), "DIRECT 201 206 206 - -");
    assert_ne!(row.info("201")["callId"], row.info("201/2")["callId"]);
    b.hang_up(far);
    a.ended(first);
    row.told(&[("201", "201 DISCONNECTED NORMAL; 201 IDLE"), ("203", "203 IDLE")]);
    hear_each_other(a, c);
    a.hang_up(second);
    c.ended(target);
    row.told(&[("201", "201/2 IDLE"), ("206", "206 DISCONNECTED NORMAL; 206 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_takes_its_line_into_the_room() {
    let (mut row, phones) = office();
    let [a, b, _] = &phones;
    let inside = enters(&mut row, b);
    let line = row.line("201");
    row.ask("lineMakeCall", json!({"hLine": line, "destAddress": "800"}));
    row.told(&[(
        "201",
        "REPLY 0; 201 DIALING; 201 PROCEEDING; 201 INFO CONNECTEDID; 201 CONNECTED ACTIVE",
    )]);
    hear_each_other(a, b);
    row.tell("lineDrop", "201", json!({}));
    row.told(&[("201", "REPLY 0; 201 IDLE")]);
    b.hang_up(inside);
    row.told(&[("203", "203 IDLE")]);
    row.is_empty();
}

/// The parent is 201/2, the consultation call 201/3; 201 and 203 wait for 206 to be added.
fn set_up(row: &mut Row, [a, b, c]: &[LivePhone; 3]) -> [LegId; 3] {
    let (near, far) = row.talk(a, b);
    row.tell("lineSetupConference", "201", json!({}));
    row.told(&[
        (
            "201",
            "REPLY 0; 201/2 ONHOLDPENDCONF; 201/3 DIALTONE INTERNAL; 201/3 INFO RELATEDCALLID; \
             201 CONFERENCED 201/2; 201 INFO RELATEDCALLID",
        ),
        ("203", "203 CONNECTED ACTIVEHELD"),
    ]);
    b.hears_tone();
    let target = dial_third(row, a, c, "201/3", "206");
    b.hears_nothing_of(a);
    [near, far, target]
}

/// The consultation call reaches a phone, which is answered by the application.
fn dial_third(row: &mut Row, a: &LivePhone, c: &LivePhone, consult: &str, name: &str) -> LegId {
    row.tell("lineDial", consult, json!({"destAddress": "206"}));
    let target = c.incoming();
    row.told(&[
        ("201", &format!("REPLY 0; {consult} DIALING; {consult} INFO CALLEDID; {consult} PROCEEDING; {consult} RINGBACK")),
        ("206", &format!("{name} NEW OWNER; {name} OFFERING ACTIVE OWNER")),
    ]);
    row.tell("lineAnswer", name, json!({}));
    row.told(&[
        ("201", &format!("{consult} CONNECTED ACTIVE; {consult} INFO CONNECTEDID")),
        ("206", &format!("REPLY 0; {name} CONNECTED ACTIVE; {name} INFO CONNECTEDID")),
    ]);
    hear_each_other(a, c);
    target
}

fn add(row: &mut Row, consult: &str) {
    let calls = json!({
        "hConfCall": row.app.handle("201/2"), "hConsultCall": row.app.handle(consult),
    });
    row.ask("lineAddToConference", calls);
    row.told(&[
        ("201", &format!("REPLY 0; {consult} CONFERENCED 201/2; 201/2 CONNECTED ACTIVE; {consult} INFO RELATEDCALLID")),
        ("203", "203 CONNECTED ACTIVE"),
        ("206", ""),
    ]);
}

/// The short names of lineGetConfRelatedCalls.
fn related(row: &mut Row, call: &str) -> Vec<u64> {
    let h_call = row.app.handle(call);
    let list = row.ask("lineGetConfRelatedCalls", json!({"hCall": h_call}));
    let calls = list["calls"].as_array().unwrap_or_else(|| panic!("{list}"));
    calls.iter().map(|call| call.as_u64().or(call["hCall"].as_u64()).unwrap()).collect()
}

#[test]
fn an_application_builds_a_conference_call_by_call_and_drops_it() {
    let (mut row, phones) = office();
    let legs = set_up(&mut row, &phones);
    add(&mut row, "201/3");
    all_hear_the_others(&phones);
    let all = ["201/2", "201", "201/3"].map(|name| row.app.handle(name));
    for call in ["201", "201/2", "201/3"] {
        assert_eq!(related(&mut row, call), all, "the parent first, asked of {call}");
    }
    row.tell("lineDrop", "201/2", json!({}));
    for (phone, leg) in phones.iter().zip(legs) {
        phone.ended(leg);
    }
    row.told(&[
        ("201", "REPLY 0; 201 IDLE; 201/3 IDLE; 201/2 IDLE"),
        ("203", "203 DISCONNECTED NORMAL; 203 IDLE"),
        ("206", "206 DISCONNECTED NORMAL; 206 IDLE"),
    ]);
    row.is_empty();
}

#[test]
fn an_application_removes_a_member_and_two_go_on_talking() {
    let (mut row, phones) = office();
    let [near, far, target] = set_up(&mut row, &phones);
    add(&mut row, "201/3");
    let [a, b, c] = &phones;
    row.tell("lineRemoveFromConference", "201/3", json!({}));
    c.ended(target);
    row.told(&[
        ("201", "REPLY 0; 201/3 IDLE; 201 CONNECTED ACTIVE; 201/2 IDLE"),
        ("206", "206 DISCONNECTED NORMAL; 206 IDLE"),
    ]);
    hear_each_other(a, b);
    a.hang_up(near);
    b.ended(far);
    row.told(&[("201", "201 IDLE"), ("203", "203 DISCONNECTED NORMAL; 203 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_prepares_for_one_more_and_a_member_that_hangs_up_leaves_two() {
    let mut row = Row::open(&["201", "203", "206", "202"]);
    let phones = row.phones(LINES);
    let [d] = row.phones(["202"]);
    let [near, far, target] = set_up(&mut row, &phones);
    add(&mut row, "201/3");
    let [a, b, c] = &phones;
    let parent = row.app.handle("201/2");
    row.ask("linePrepareAddToConference", json!({"hConfCall": parent}));
    row.told(&[(
        "201",
        "REPLY 0; 201/2 ONHOLDPENDCONF; 201/4 DIALTONE INTERNAL; 201/4 INFO RELATEDCALLID",
    )]);
    hear_each_other(b, c);
    row.tell("lineDial", "201/4", json!({"destAddress": "202"}));
    let fourth = d.incoming();
    row.told(&[
        ("201", "REPLY 0; 201/4 DIALING; 201/4 INFO CALLEDID; 201/4 PROCEEDING; 201/4 RINGBACK"),
        ("202", "202 NEW OWNER; 202 OFFERING ACTIVE OWNER"),
    ]);
    d.answer(fourth);
    row.told(&[
        ("201", "201/4 CONNECTED ACTIVE; 201/4 INFO CONNECTEDID"),
        ("202", "202 CONNECTED ACTIVE; 202 INFO CONNECTEDID"),
    ]);
    hear_each_other(a, &d);
    let calls = json!({
        "hConfCall": row.app.handle("201/2"), "hConsultCall": row.app.handle("201/4"),
    });
    row.ask("lineAddToConference", calls);
    row.told(&[(
        "201",
        "REPLY 0; 201/4 CONFERENCED 201/2; 201/2 CONNECTED ACTIVE; 201/4 INFO RELATEDCALLID",
    )]);
    d.hears_mix(&[a, b, c]);
    for (phone, leg, line, name) in [(c, target, "206", "201/3"), (b, far, "203", "201")] {
        phone.hang_up(leg);
        let left = if line == "203" { "; 201/4 CONNECTED ACTIVE; 201/2 IDLE" } else { "" };
        let at_201 = format!("{name} DISCONNECTED NORMAL; {name} IDLE{left}");
        row.told(&[("201", &at_201), (line, &format!("{line} IDLE"))]);
    }
    hear_each_other(a, &d);
    d.hang_up(fourth);
    a.ended(near);
    row.told(&[("201", "201/4 DISCONNECTED NORMAL; 201/4 IDLE"), ("202", "202 IDLE")]);
    row.is_empty();
}
