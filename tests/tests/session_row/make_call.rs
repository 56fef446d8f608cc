//! Making calls: what a phone dials, what an application translates, makes whole and dials in parts.

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::LivePhone;
use tests::row::{OUTSIDE, Row, hear_each_other};

#[test]
fn a_phone_dials_a_number_in_international_form_and_the_carrier_answers() {
    let (mut row, carrier) = Row::with_carrier(&["201"], |text| text);
    let [a] = row.phones(["201"]);
    let near = a.call("+33472000000");
    let far = carrier.incoming();
    a.rings_there();
    row.told(&[("201", "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 RINGBACK")]);
    carrier.answer(far);
    a.connected(near);
    row.told(&[("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID")]);
    hear_each_other(&a, &carrier);
    assert_eq!(row.parties("201"), format!("DIRECT 201 +33472000000 {OUTSIDE} - -"));
    carrier.hang_up(far);
    a.ended(near);
    row.told(&[("201", "201 DISCONNECTED NORMAL; 201 IDLE")]);
    row.is_empty();
}

#[test]
fn an_announcement_of_the_carrier_is_special_information_whatever_comes_of_it() {
    let (mut row, carrier) = Row::with_carrier(&["201"], |text| text);
    let [a] = row.phones(["201"]);
    carrier.with(|phone| phone.behaviour().rings = false);
    for (cause, info, call) in
        [(1, "CUSTIRREG", "201"), (42, "NOCIRCUIT", "201/2"), (41, "REORDER", "201/3")]
    {
        let near = a.call("0123456");
        let far = carrier.incoming();
        let begins = format!("{call} NEW OWNER; {call} DIALING OWNER; {call} PROCEEDING");
        row.told(&[("201", &begins)]);
        announce(&carrier, far, cause);
        row.told(&[("201", &format!("{call} SPECIALINFO {info}"))]);
        if cause == 41 {
            carrier.answer(far);
            a.connected(near);
            let surprise =
                format!("{call} UNKNOWN; {call} CONNECTED ACTIVE; {call} INFO CONNECTEDID");
            row.told(&[("201", &surprise)]);
            carrier.hang_up(far);
            row.told(&[("201", &format!("{call} DISCONNECTED NORMAL; {call} IDLE"))]);
        } else {
            carrier.reject(far, 404);
            assert_eq!(a.failed().0, 404);
            row.told(&[("201", &format!("{call} DISCONNECTED BADADDRESS"))]);
            row.tell("lineDrop", call, json!({}));
            row.told(&[("201", &format!("REPLY 0; {call} IDLE"))]);
        }
    }
    row.is_empty();
}

/// The carrier announces why nobody will answer.
fn announce(carrier: &LivePhone, far: LegId, cause: u8) {
    carrier.with(|phone| {
        phone.attach("Reason", &format!("Q.850;cause={cause}"));
        phone.progress(far, 183);
    });
}

#[test]
fn who_hears_an_announcement_waits_for_an_answer_no_longer_than_the_application_wished() {
    let (mut row, carrier) = Row::with_carrier(&["201"], |text| text);
    let [_a] = row.phones(["201"]);
    carrier.with(|phone| phone.behaviour().rings = false);
    let params = json!({"hLine": row.line("201"), "destAddress": "0123456", "callParams": {"noAnswerTimeout": 2}});
    row.ask("lineMakeCall", params);
    let far = carrier.incoming();
    row.told(&[("201", "REPLY 0; 201 DIALING; 201 PROCEEDING")]);
    announce(&carrier, far, 41);
    row.told(&[("201", "201 SPECIALINFO REORDER; 201 DISCONNECTED NOANSWER")]);
    carrier.ended(far);
    row.tell("lineDrop", "201", json!({}));
    row.told(&[("201", "REPLY 0; 201 IDLE")]);
    row.is_empty();
}

#[test]
fn who_rings_after_an_announcement_is_heard_to_ring() {
    let (mut row, carrier) = Row::with_carrier(&["201"], |text| text);
    let [a] = row.phones(["201"]);
    carrier.with(|phone| phone.behaviour().rings = false);
    let near = a.call("0123456");
    let far = carrier.incoming();
    announce(&carrier, far, 41);
    row.told(&[(
        "201",
        "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 SPECIALINFO REORDER",
    )]);
    carrier.with(|phone| phone.progress(far, 180));
    a.rings_there();
    row.told(&[("201", "201 UNKNOWN; 201 RINGBACK")]);
    carrier.answer(far);
    a.connected(near);
    row.told(&[("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID")]);
    a.hang_up(near);
    carrier.ended(far);
    row.told(&[("201", "201 IDLE")]);
    row.is_empty();
}

#[test]
fn somebody_outside_calls_a_line() {
    let (mut row, carrier) = Row::with_carrier(&["201"], |text| text);
    let [a] = row.phones(["201"]);
    let far = carrier.call("201");
    let near = a.incoming();
    carrier.rings_there();
    row.told(&[("201", "201 NEW OWNER; 201 OFFERING ACTIVE OWNER")]);
    a.answer(near);
    carrier.connected(far);
    row.told(&[("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID")]);
    hear_each_other(&a, &carrier);
    assert_eq!(row.info("201")["origin"], "LINECALLORIGIN_EXTERNAL");
    assert_eq!(row.parties("201"), format!("DIRECT {OUTSIDE} 201 {OUTSIDE} - -"));
    a.hang_up(near);
    carrier.ended(far);
    row.told(&[("201", "201 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_translates_an_address_and_calls_what_came_of_it() {
    let (mut row, carrier) = Row::with_carrier(&["201"], |text| text);
    let [a] = row.phones(["201"]);
    row.ask("lineSetCurrentLocation", json!({"location": 0}));
    let here = row.ask("tapiGetLocationInfo", json!({}));
    assert_eq!((&here["countryCode"], &here["cityCode"]), (&json!("33"), &json!("1")));
    let caps = row.ask("lineGetTranslateCaps", json!({}));
    assert_eq!((&caps["numLocations"], &caps["currentLocationId"]), (&json!(1), &json!(0)));
    let asked = json!({"deviceId": 0, "addressIn": "+33 (4) 72000000"});
    let translated = row.ask("lineTranslateAddress", asked)["dialableString"].clone();
    assert_eq!(translated, "T00472000000");
    let line = row.line("201");
    row.ask("lineMakeCall", json!({"hLine": line, "destAddress": translated}));
    let far = carrier.incoming();
    row.told(&[("201", "REPLY 0; 201 DIALING; 201 PROCEEDING; 201 RINGBACK")]);
    carrier.answer(far);
    row.told(&[("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID")]);
    hear_each_other(&a, &carrier);
    row.tell("lineDrop", "201", json!({}));
    carrier.ended(far);
    row.told(&[("201", "REPLY 0; 201 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_dials_a_number_in_parts_after_the_dial_tone() {
    let mut row = Row::open(&["201", "202"]);
    let [a, b] = row.phones(["201", "202"]);
    let line = row.line("201");
    row.ask("lineMakeCall", json!({"hLine": line, "destAddress": ""}));
    row.told(&[("201", "REPLY 0; 201 DIALTONE INTERNAL")]);
    a.hears_tone();
    row.tell("lineDial", "201", json!({"destAddress": "20;"}));
    row.told(&[("201", "REPLY 0; 201 DIALING")]);
    row.tell("lineDial", "201", json!({"destAddress": "2"}));
    let far = b.incoming();
    row.told(&[
        ("201", "REPLY 0; 201 INFO CALLEDID; 201 PROCEEDING; 201 RINGBACK"),
        ("202", "202 NEW OWNER; 202 OFFERING ACTIVE OWNER"),
    ]);
    b.answer(far);
    row.told(&[
        ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("202", "202 CONNECTED ACTIVE; 202 INFO CONNECTEDID"),
    ]);
    hear_each_other(&a, &b);
    assert_eq!(row.parties("202"), "DIRECT 201 202 201 - -");
    row.drop_call("201", "202");
    b.ended(far);
    row.is_empty();
}

#[test]
fn an_application_opens_the_line_and_the_phone_dials_with_its_keys() {
    let mut row = Row::open(&["201", "202"]);
    let [a, b] = row.phones(["201", "202"]);
    let line = row.line("201");
    row.ask("lineMakeCall", json!({"hLine": line, "destAddress": ""}));
    let near = a.incoming();
    a.connected(near);
    row.told(&[("201", "REPLY 0; 201 DIALTONE INTERNAL")]);
    a.hears_tone();
    a.press(near, "202#");
    let far = b.incoming();
    row.told(&[
        ("201", "201 DIALING; 201 INFO CALLEDID; 201 PROCEEDING; 201 RINGBACK"),
        ("202", "202 NEW OWNER; 202 OFFERING ACTIVE OWNER"),
    ]);
    b.answer(far);
    row.told(&[
        ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("202", "202 CONNECTED ACTIVE; 202 INFO CONNECTEDID"),
    ]);
    hear_each_other(&a, &b);
    a.hang_up(near);
    b.ended(far);
    row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
    row.is_empty();
}
