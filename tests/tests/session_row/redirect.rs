//! Redirection of an offered call: by the phone's 302 and by an application.

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::LivePhone;
use tests::row::{Row, hear_each_other};

const LINES: [&str; 3] = ["201", "202", "203"];

fn ringing() -> (Row, [LivePhone; 3], LegId, LegId) {
    let mut row = Row::open(&LINES);
    let phones = row.phones(LINES);
    let near = phones[0].call("202");
    let far = phones[1].incoming();
    phones[0].rings_there();
    row.told(&[
        ("201", "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 RINGBACK"),
        ("202", "202 NEW OWNER; 202 OFFERING ACTIVE OWNER"),
    ]);
    (row, phones, near, far)
}

fn end(mut row: Row, [a, _, c]: &[LivePhone; 3], near: LegId, reason: &str) {
    let far = c.incoming();
    assert_eq!(row.parties("203"), format!("{reason} 201 202 - 202 203"));
    c.answer(far);
    a.connected(near);
    row.told(&[
        ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("203", "203 CONNECTED ACTIVE; 203 INFO CONNECTEDID"),
    ]);
    hear_each_other(a, c);
    assert_eq!(row.parties("201"), "DIRECT 201 202 203 202 203");
    c.hang_up(far);
    a.ended(near);
    row.told(&[("201", "201 DISCONNECTED NORMAL; 201 IDLE"), ("203", "203 IDLE")]);
    row.is_empty();
}

#[test]
fn a_phone_sends_its_caller_elsewhere_by_302() {
    let (mut row, phones, near, far) = ringing();
    phones[1].with(|phone| phone.deflect(far, "203"));
    row.told(&[
        ("201", "201 INFO REDIRECTIONID|REDIRECTINGID"),
        ("202", "202 DISCONNECTED FORWARDED; 202 IDLE"),
        ("203", "203 NEW OWNER; 203 OFFERING ACTIVE OWNER"),
    ]);
    end(row, &phones, near, "REDIRECT");
}

#[test]
fn an_application_sends_a_caller_elsewhere() {
    let (mut row, phones, near, far) = ringing();
    row.tell("lineRedirect", "202", json!({"destAddress": "203"}));
    phones[1].ended(far);
    row.told(&[
        ("201", "201 INFO REDIRECTIONID|REDIRECTINGID"),
        ("202", "REPLY 0; 202 IDLE"),
        ("203", "203 NEW OWNER; 203 OFFERING ACTIVE OWNER"),
    ]);
    end(row, &phones, near, "REDIRECT");
}
