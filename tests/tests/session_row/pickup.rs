//! Pickup: by feature code, by INVITE with Replaces, and by an application in each of its ways.

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use tests::program::LivePhone;
use tests::row::{Row, hear_each_other};

const LINES: [&str; 3] = ["201", "202", "203"];

/// 201 rings at 202; 203 can pick up.
fn ringing() -> (Row, [LivePhone; 3], LegId, LegId) {
    let mut row = Row::open(&LINES);
    let phones = row.phones(LINES);
    let [a, b, _] = &phones;
    let near = a.call("202");
    let far = b.incoming();
    a.rings_there();
    row.told(&[
        ("201", "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 RINGBACK"),
        ("202", "202 NEW OWNER; 202 OFFERING ACTIVE OWNER"),
    ]);
    (row, phones, near, far)
}

/// 201 and 203 talk; 202 has nothing.
fn end(mut row: Row, [a, b, c]: &[LivePhone; 3], near: LegId, ringing: LegId, leg: LegId) {
    a.connected(near);
    b.ended(ringing);
    hear_each_other(a, c);
    assert_eq!(row.parties("203"), "PICKUP 201 202 201 202 203");
    assert_eq!(row.info("203")["origin"], "LINECALLORIGIN_INTERNAL", "201 calls, not 203");
    assert_eq!(row.parties("201"), "DIRECT 201 202 203 - -");
    assert_eq!(row.info("201")["callId"], row.info("203")["callId"]);
    a.hang_up(near);
    c.ended(leg);
    row.told(&[("201", "201 IDLE"), ("203", "203 DISCONNECTED NORMAL; 203 IDLE")]);
    row.is_empty();
}

const CALLER: (&str, &str) = ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID");
const STATION: (&str, &str) = ("202", "202 DISCONNECTED PICKUP; 202 IDLE");
const PICKER: &str = "203 NEW OWNER; 203 DIALING OWNER; 203 PROCEEDING; \
                      203 INFO ORIGIN|REASON|CALLERID|CALLEDID|REDIRECTIONID|REDIRECTINGID; \
                      203 INFO CALLID; 203 CONNECTED ACTIVE; 203 INFO CONNECTEDID";

#[test]
fn a_phone_picks_up_by_the_code_of_its_group_of_a_group_and_of_a_line() {
    for code in ["*8", "*810", "**202"] {
        let (mut row, phones, near, far) = ringing();
        let leg = phones[2].call(code);
        phones[2].connected(leg);
        row.told(&[CALLER, STATION, ("203", PICKER)]);
        end(row, &phones, near, far, leg);
    }
}

#[test]
fn a_phone_picks_up_by_invite_with_replaces() {
    let (mut row, phones, near, far) = ringing();
    let (id, to, from) = phones[1].with(|phone| phone.dialog(far)).unwrap();
    let leg = phones[2].with(|phone| phone.call_replacing("202", (&id, &to, &from))).unwrap();
    phones[2].connected(leg);
    // It was 202 that was dialled.
    let picker = PICKER.replace("|CALLEDID", "");
    row.told(&[CALLER, STATION, ("203", &picker)]);
    end(row, &phones, near, far, leg);
}

#[test]
fn an_application_picks_up_by_address_in_its_group_and_in_a_group() {
    let by_address = json!({"destAddress": "202"});
    for target in [by_address, json!({}), json!({"groupId": "10"})] {
        let (mut row, phones, near, far) = ringing();
        let mut params: Value = target.clone();
        params["hLine"] = json!(row.line("203"));
        params["addressId"] = json!(0);
        row.ask("linePickup", params);
        let leg = phones[2].incoming();
        phones[2].connected(leg);
        row.told(&[
            CALLER,
            STATION,
            (
                "203",
                "REPLY 0; 203 INFO ORIGIN|CALLERID|CALLEDID|REDIRECTIONID|REDIRECTINGID; \
                 203 INFO CALLID; 203 CONNECTED ACTIVE; 203 INFO CONNECTEDID",
            ),
        ]);
        end(row, &phones, near, far, leg);
    }
}

/// 202 talks to 201 when 203 calls it; the legs of 201 and 202, and those of the call that waits.
fn waiting() -> (Row, [LivePhone; 3], [LegId; 4]) {
    let mut row = Row::open(&LINES);
    let phones = row.phones(LINES);
    let (near, far) = row.talk(&phones[0], &phones[1]);
    let (third, waits) = row.ring(&phones[2], &phones[1]);
    assert_eq!(row.parties("202/2"), "DIRECT 203 202 - - -");
    (row, phones, [near, far, third, waits])
}

#[test]
fn a_phone_takes_the_call_that_waits_and_holds_the_other() {
    let (mut row, phones, [near, far, third, waits]) = waiting();
    let [a, b, c] = &phones;
    b.hold(far);
    row.told(&[("201", "201 CONNECTED ACTIVEHELD"), ("202", "202 ONHOLD")]);
    b.answer(waits);
    c.connected(third);
    row.told(&[
        ("202", "202/2 CONNECTED ACTIVE; 202/2 INFO CONNECTEDID"),
        ("203", "203 CONNECTED ACTIVE; 203 INFO CONNECTEDID"),
    ]);
    hear_each_other(b, c);
    a.hears_tone();
    a.hears_nothing_of(b);
    b.hang_up(waits);
    c.ended(third);
    row.told(&[("202", "202/2 IDLE"), ("203", "203 DISCONNECTED NORMAL; 203 IDLE")]);
    b.resume(far);
    row.told(&[("201", "201 CONNECTED ACTIVE"), ("202", "202 CONNECTED ACTIVE")]);
    hear_each_other(a, b);
    a.hang_up(near);
    b.ended(far);
    row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_takes_the_call_that_waits_and_the_other_is_held() {
    let (mut row, phones, [near, far, third, waits]) = waiting();
    let [a, b, c] = &phones;
    let line = row.line("202");
    row.ask("linePickup", json!({"hLine": line, "addressId": 0}));
    let taken = b.incoming();
    b.ended(waits);
    c.connected(third);
    row.told(&[
        ("201", "201 CONNECTED ACTIVEHELD"),
        (
            "202",
            "REPLY 0; 202 ONHOLD; 202/3 INFO ORIGIN|CALLERID|CALLEDID|REDIRECTIONID|REDIRECTINGID; \
             202/2 DISCONNECTED PICKUP; 202/2 IDLE; 202/3 INFO CALLID; 202/3 CONNECTED ACTIVE; \
             202/3 INFO CONNECTEDID",
        ),
        ("203", "203 CONNECTED ACTIVE; 203 INFO CONNECTEDID"),
    ]);
    hear_each_other(b, c);
    a.hears_tone();
    a.hears_nothing_of(b);
    // Back to the first by lineSwapHold.
    let calls = json!({"hActiveCall": row.app.handle("202/3"), "hHeldCall": row.app.handle("202")});
    row.ask("lineSwapHold", calls);
    row.told(&[
        ("201", "201 CONNECTED ACTIVE"),
        ("202", "REPLY 0; 202/3 ONHOLD; 202 CONNECTED ACTIVE"),
        ("203", "203 CONNECTED ACTIVEHELD"),
    ]);
    hear_each_other(a, b);
    c.hang_up(third);
    a.hang_up(near);
    row.told(&[
        ("201", "201 IDLE"),
        ("202", "202/3 DISCONNECTED NORMAL; 202/3 IDLE; 202 DISCONNECTED NORMAL; 202 IDLE"),
        ("203", "203 IDLE"),
    ]);
    b.ended(far);
    let _ = taken;
    row.is_empty();
}
