//! Forwarding: set by feature code and by an application, in every kind, and what the lines are told.

use serde_json::{Value, json};
use tests::program::{LivePhone, Program, office};
use tests::row::{OUTSIDE, Row, hear_each_other};

const LINES: [&str; 3] = ["201", "202", "203"];

/// Calls wait a second for an answer.
fn quick(text: String) -> String {
    text.replace("ring_timeout = \"20s\"", "ring_timeout = \"2s\"")
        .replace("ring_cycle = \"5s\"", "ring_cycle = \"1s\"")
}

fn quick_office() -> (Row, [LivePhone; 3]) {
    watched(Row::with(Program::with(office(quick)), &LINES))
}

/// 202's changes of forwarding are told.
fn watched(mut row: Row) -> (Row, [LivePhone; 3]) {
    let line = row.line("202");
    let wanted = json!({
        "hLine": line, "lineStates": [], "addressStates": ["LINEADDRESSSTATE_FORWARD"],
    });
    row.ask("lineSetStatusMessages", wanted);
    let phones = row.phones(LINES);
    (row, phones)
}

/// 202's phone dials a code: a short call of its line, which the switch ends.
fn dials_code(row: &mut Row, phone: &LivePhone, code: &str) {
    let leg = phone.call(code);
    phone.connected(leg);
    phone.hears_tone();
    phone.ended(leg);
    let name = row.app.next_name("202");
    let told = format!(
        "{name} NEW OWNER; {name} DIALING OWNER; {name} PROCEEDING; 202 ADDRESS FORWARD; \
         {name} CONNECTED ACTIVE; {name} DISCONNECTED NORMAL; {name} IDLE"
    );
    row.told(&[("202", &told)]);
}

/// lineForward on 202.
fn forward(row: &mut Row, list: Value) {
    let line = row.line("202");
    let params =
        json!({"hLine": line, "allAddresses": true, "forwardList": list, "numRingsNoAnswer": 2});
    row.ask("lineForward", params);
    row.told(&[("202", "REPLY 0; 202 ADDRESS FORWARD")]);
}

fn entry(mode: &str, to: &str) -> Value {
    json!({"forwardMode": format!("LINEFORWARDMODE_{mode}"), "destAddress": to})
}

/// 201 calls 202 and reaches 203.
fn reaches_203(row: &mut Row, phones: &[LivePhone; 3], at_202: &str, reason: &str) {
    let [a, _, c] = phones;
    let near = a.call("202");
    let far = c.incoming();
    let (one, other) = (row.app.next_name("201"), row.app.next_name("203"));
    c.answer(far);
    a.connected(near);
    let diverted = format!("{one} INFO REDIRECTIONID|REDIRECTINGID");
    let ringback = format!("{one} RINGBACK");
    let has_rung = reason == "FWDNOANSWER";
    let [first, second] = if has_rung { [ringback, diverted] } else { [diverted, ringback] };
    let at_201 = format!(
        "{one} NEW OWNER; {one} DIALING OWNER; {one} PROCEEDING; {first}; {second}; \
         {one} CONNECTED ACTIVE; {one} INFO CONNECTEDID"
    );
    let at_203 = format!(
        "{other} NEW OWNER; {other} OFFERING ACTIVE OWNER; {other} CONNECTED ACTIVE; \
         {other} INFO CONNECTEDID"
    );
    row.told(&[("201", &at_201), ("202", at_202), ("203", &at_203)]);
    hear_each_other(a, c);
    assert_eq!(row.parties(&other), format!("{reason} 201 202 201 202 203"));
    assert_eq!(row.parties(&one), "DIRECT 201 202 203 202 203");
    a.hang_up(near);
    c.ended(far);
    row.told(&[
        ("201", &format!("{one} IDLE")),
        ("203", &format!("{other} DISCONNECTED NORMAL; {other} IDLE")),
    ]);
}

/// What 202 is told of a call that rings there and is sent on.
fn rang(row: &Row) -> String {
    let name = row.app.next_name("202");
    format!(
        "{name} NEW OWNER; {name} OFFERING ACTIVE OWNER; {name} DISCONNECTED FORWARDED; {name} IDLE"
    )
}

#[test]
fn a_phone_forwards_all_its_calls_by_code() {
    let (mut row, phones) = quick_office();
    dials_code(&mut row, &phones[1], "*72203");
    reaches_203(&mut row, &phones, "", "FWDUNCOND");
    dials_code(&mut row, &phones[1], "*73");
    row.is_empty();
}

#[test]
fn a_phone_forwards_by_code_when_it_is_busy() {
    let (mut row, phones) = quick_office();
    dials_code(&mut row, &phones[1], "*90203");
    phones[1].with(|phone| phone.behaviour().refuses_with = Some(486));
    let told = rang(&row);
    reaches_203(&mut row, &phones, &told, "FWDBUSY");
    row.is_empty();
}

#[test]
fn a_phone_forwards_by_code_when_it_does_not_answer() {
    let (mut row, phones) = quick_office();
    dials_code(&mut row, &phones[1], "*92203");
    let told = rang(&row);
    reaches_203(&mut row, &phones, &told, "FWDNOANSWER");
    row.is_empty();
}

#[test]
fn an_application_forwards_all_calls_and_cancels_it() {
    let (mut row, phones) = quick_office();
    forward(&mut row, json!([entry("UNCOND", "203")]));
    reaches_203(&mut row, &phones, "", "FWDUNCOND");
    forward(&mut row, Value::Null);
    row.talk(&phones[0], &phones[1]);
    row.tell("lineDrop", "202", json!({}));
    row.told(&[("201", "201/2 DISCONNECTED NORMAL; 201/2 IDLE"), ("202", "REPLY 0; 202 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_forwards_when_the_line_is_busy() {
    let (mut row, phones) = quick_office();
    forward(&mut row, json!([entry("BUSY", "203")]));
    phones[1].with(|phone| phone.behaviour().refuses_with = Some(486));
    let told = rang(&row);
    reaches_203(&mut row, &phones, &told, "FWDBUSY");
    row.is_empty();
}

#[test]
fn an_application_forwards_when_nobody_answers() {
    let (mut row, phones) = quick_office();
    forward(&mut row, json!([entry("NOANSW", "203")]));
    let told = rang(&row);
    reaches_203(&mut row, &phones, &told, "FWDNOANSWER");
    row.is_empty();
}

#[test]
fn an_application_forwards_one_caller_and_no_other() {
    let (mut row, phones) = quick_office();
    let mut of_caller = entry("UNCONDSPECIFIC", "203");
    of_caller["callerAddress"] = json!("201");
    forward(&mut row, json!([of_caller]));
    reaches_203(&mut row, &phones, "", "FWDUNCOND");
    let [_, b, c] = &phones;
    let (near, far) = row.talk(c, b);
    c.hang_up(near);
    b.ended(far);
    row.told(&[("202", "202 DISCONNECTED NORMAL; 202 IDLE"), ("203", "203/2 IDLE")]);
    row.is_empty();
}

/// Busy, and does not answer.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Always,
    Busy,
    Silent,
}

#[test]
fn an_application_forwards_in_every_mode_for_calls_from_inside_and_for_one_caller() {
    for (mode, how, reason) in [
        ("UNCONDINTERNAL", How::Always, "FWDUNCOND"),
        ("BUSYINTERNAL", How::Busy, "FWDBUSY"),
        ("BUSYSPECIFIC", How::Busy, "FWDBUSY"),
        ("BUSYNA", How::Busy, "FWDBUSY"),
        ("BUSYNAINTERNAL", How::Busy, "FWDBUSY"),
        ("NOANSWINTERNAL", How::Silent, "FWDNOANSWER"),
        ("NOANSWSPECIFIC", How::Silent, "FWDNOANSWER"),
        ("BUSYNA", How::Silent, "FWDNOANSWER"),
        ("BUSYNASPECIFIC", How::Silent, "FWDNOANSWER"),
    ] {
        let (mut row, phones) = quick_office();
        let mut wanted = entry(mode, "203");
        if mode.ends_with("SPECIFIC") {
            wanted["callerAddress"] = json!("201");
        }
        forward(&mut row, json!([wanted]));
        let told = if how == How::Always { String::new() } else { rang(&row) };
        if how == How::Busy {
            phones[1].with(|phone| phone.behaviour().refuses_with = Some(486));
        }
        reaches_203(&mut row, &phones, &told, reason);
        row.is_empty();
    }
}

#[test]
fn an_application_forwards_calls_from_outside_and_those_from_inside_ring() {
    for (mode, how, reason) in [
        ("UNCONDEXTERNAL", How::Always, "FWDUNCOND"),
        ("BUSYEXTERNAL", How::Busy, "FWDBUSY"),
        ("BUSYNAEXTERNAL", How::Busy, "FWDBUSY"),
        ("NOANSWEXTERNAL", How::Silent, "FWDNOANSWER"),
    ] {
        let (row, carrier) = Row::with_carrier(&LINES, quick);
        let (mut row, phones) = watched(row);
        let [a, b, c] = &phones;
        forward(&mut row, json!([entry(mode, "203")]));
        // Not for calls from inside.
        let (near, far) = row.talk(a, b);
        a.hang_up(near);
        b.ended(far);
        row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
        if how == How::Busy {
            b.with(|phone| phone.behaviour().refuses_with = Some(486));
        }
        let told = if how == How::Always { String::new() } else { rang(&row) };
        let outside = carrier.call("202");
        let at_203 = c.incoming();
        c.answer(at_203);
        carrier.connected(outside);
        row.told(&[
            ("202", &told),
            (
                "203",
                "203 NEW OWNER; 203 OFFERING ACTIVE OWNER; 203 CONNECTED ACTIVE; 203 INFO CONNECTEDID",
            ),
        ]);
        hear_each_other(c, &carrier);
        assert_eq!(row.parties("203"), format!("{reason} {OUTSIDE} 202 {OUTSIDE} 202 203"));
        carrier.hang_up(outside);
        c.ended(at_203);
        row.told(&[("203", "203 DISCONNECTED NORMAL; 203 IDLE")]);
        row.is_empty();
    }
}

#[test]
fn a_phone_sets_do_not_disturb_by_code_and_its_caller_is_told() {
    let (mut row, phones) = quick_office();
    dials_code(&mut row, &phones[1], "*78");
    let name = row.app.next_name("201");
    phones[0].call("202");
    assert_eq!(phones[0].failed().0, 480);
    let told = format!(
        "{name} NEW OWNER; {name} DIALING OWNER; {name} PROCEEDING; {name} DISCONNECTED DONOTDISTURB"
    );
    row.told(&[("201", &told)]);
    row.tell("lineDrop", &name, json!({}));
    row.told(&[("201", &format!("REPLY 0; {name} IDLE"))]);
    dials_code(&mut row, &phones[1], "*79");
    let (near, far) = row.talk(&phones[0], &phones[1]);
    phones[0].hang_up(near);
    phones[1].ended(far);
    row.told(&[("201", "201/2 IDLE"), ("202", "202/3 DISCONNECTED NORMAL; 202/3 IDLE")]);
    row.is_empty();
}
