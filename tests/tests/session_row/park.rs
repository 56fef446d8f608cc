//! Park and unpark: by transfer to the lot or a slot, by dialling the slot, by an application, and mixed.

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::LivePhone;
use tests::row::{Row, hear_each_other};

const LINES: [&str; 3] = ["201", "202", "203"];

fn office() -> (Row, [LivePhone; 3]) {
    let row = Row::open(&LINES);
    let phones = row.phones(LINES);
    (row, phones)
}

/// 203 dials the slot and gets 202.
fn dials_the_slot(row: &mut Row, b: &LivePhone, c: &LivePhone, slot: &str) -> LegId {
    let leg = c.call(slot);
    c.connected(leg);
    row.told(&[
        ("202", "202 CONNECTED ACTIVE; 202 INFO CONNECTEDID"),
        (
            "203",
            "203 NEW OWNER; 203 DIALING OWNER; 203 PROCEEDING; \
             203 INFO ORIGIN|REASON|CALLERID|CALLEDID|REDIRECTIONID|REDIRECTINGID; 203 INFO CALLID; \
             203 CONNECTED ACTIVE; 203 INFO CONNECTEDID",
        ),
    ]);
    hear_each_other(b, c);
    assert_eq!(row.parties("203"), "UNPARK 202 201 202 201 203");
    leg
}

fn end(mut row: Row, [_, b, c]: &[LivePhone; 3], (far, leg): (LegId, LegId)) {
    c.hang_up(leg);
    b.ended(far);
    row.told(&[("202", "202 DISCONNECTED NORMAL; 202 IDLE"), ("203", "203 IDLE")]);
    row.is_empty();
}

#[test]
fn a_phone_parks_by_transfer_to_the_lot_or_a_slot_and_another_dials_the_slot() {
    for (number, slot) in [("700", "701"), ("705", "705")] {
        let (mut row, phones) = office();
        let [a, b, c] = &phones;
        let (near, far) = row.talk(a, b);
        a.with(|phone| phone.transfer(near, number));
        assert_eq!(a.transfer_outcome(), 200);
        a.hang_up(near);
        row.told(&[("201", "201 IDLE"), ("202", "202 CONNECTED ACTIVEHELD")]);
        b.hears_tone();
        b.hears_nothing_of(a);
        let leg = dials_the_slot(&mut row, b, c, slot);
        end(row, &phones, (far, leg));
    }
}

#[test]
fn an_application_parks_where_there_is_room_or_where_it_says_and_another_line_unparks() {
    for (mode, slot) in [("NONDIRECTED", "701"), ("DIRECTED", "705")] {
        let (mut row, phones) = office();
        let [a, b, c] = &phones;
        let (near, far) = row.talk(a, b);
        let how = json!({"parkMode": format!("LINEPARKMODE_{mode}"), "dirAddress": "705"});
        row.tell("linePark", "201", how);
        a.ended(near);
        row.told(&[("201", "REPLY 0; 201 IDLE"), ("202", "202 CONNECTED ACTIVEHELD")]);
        b.hears_tone();
        let line = row.line("203");
        row.ask("lineUnpark", json!({"hLine": line, "addressId": 0, "destAddress": slot}));
        let leg = c.incoming();
        c.connected(leg);
        row.told(&[
            ("202", "202 CONNECTED ACTIVE; 202 INFO CONNECTEDID"),
            (
                "203",
                "REPLY 0; 203 INFO ORIGIN|CALLERID|CALLEDID|REDIRECTIONID|REDIRECTINGID; \
                 203 INFO CALLID; 203 CONNECTED ACTIVE; 203 INFO CONNECTEDID",
            ),
        ]);
        hear_each_other(b, c);
        assert_eq!(row.parties("203"), "UNPARK 202 201 202 201 203");
        end(row, &phones, (far, leg));
    }
}

#[test]
fn what_an_application_parks_a_phone_takes_out() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (near, far) = row.talk(a, b);
    let how = json!({"parkMode": "LINEPARKMODE_NONDIRECTED", "wait": true});
    let h_call = row.app.handle("201");
    let mut params = how.clone();
    params["hCall"] = json!(h_call);
    assert_eq!(row.ask("linePark", params)["address"], "701");
    a.ended(near);
    row.told(&[("201", "201 IDLE"), ("202", "202 CONNECTED ACTIVEHELD")]);
    let leg = dials_the_slot(&mut row, b, c, "701");
    end(row, &phones, (far, leg));
}
