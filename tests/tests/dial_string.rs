//! What an application can dial: pauses and the digits after them, hook flashes, and what is wished of
//! consultation calls of conferences. Source: tapi-translation §2.2, §8; tapi-call-control §4.2, §4.5.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::{Value, json};
use tests::program::LivePhone;
use tests::row::Row;

fn office<const N: usize>(lines: [&str; N]) -> (Row, [LivePhone; N]) {
    let row = Row::open(&lines);
    let phones = row.phones(lines);
    (row, phones)
}

/// Dial parameters that make a test quick.
fn quick() -> Value {
    json!({"dialParams": {"dialPause": 40, "digitDuration": 60}})
}

#[test]
fn what_follows_a_pause_is_sent_when_somebody_has_answered() {
    let (mut row, [a, b]) = office(["201", "202"]);
    let line = row.line("201");
    row.ask(
        "lineMakeCall",
        json!({"hLine": line, "destAddress": "202,,45#", "callParams": quick(), "wait": true}),
    );
    let far = b.incoming();
    assert_eq!(row.info("201")["calledId"], "202", "the number ends at the pause");
    assert_eq!(b.with(|phone| phone.digits().to_owned()), "");
    b.answer(far);
    b.hears_digits("45#");
    row.app.skip_to("202 CONNECTED ACTIVE");
    b.hang_up(far);
    a.ended(a.incoming());
}

#[test]
fn a_uri_of_the_domain_is_its_number_and_one_of_elsewhere_is_no_address() {
    let (mut row, [_a, b]) = office(["201", "202"]);
    let line = row.line("201");
    for foreign in ["sip:202@elsewhere.test", "202@elsewhere.test", "sip:ada@office.test", "tel:"] {
        let wish = json!({"hLine": line, "destAddress": foreign});
        assert_eq!(row.app.refusal("lineMakeCall", wish), "INVALADDRESS", "{foreign}");
    }
    let uri = "sip:202@office.test;user=phone";
    row.ask("lineMakeCall", json!({"hLine": line, "destAddress": uri, "wait": true}));
    let far = b.incoming();
    assert_eq!(row.info("201")["calledId"], "202");
    b.answer(far);
    b.connected(far);
}

#[test]
fn a_number_that_comes_in_pieces_may_end_with_digits_for_later() {
    let (mut row, [_a, b]) = office(["201", "202"]);
    let line = row.line("201");
    row.ask(
        "lineMakeCall",
        json!({"hLine": line, "destAddress": "2;", "callParams": quick(),
        "wait": true}),
    );
    let call = row.app.handle("201");
    row.ask("lineDial", json!({"hCall": call, "destAddress": "02;", "wait": true}));
    row.ask("lineDial", json!({"hCall": call, "destAddress": ",7", "wait": true}));
    let far = b.incoming();
    b.answer(far);
    b.hears_digits("7");
}

#[test]
fn a_hook_flash_and_digits_for_later_are_refused_where_they_mean_nothing() {
    let (mut row, [a, b]) = office(["201", "202"]);
    let line = row.line("201");
    let mut refused = |method: &str, params: Value| row.app.refusal(method, params);
    for (address, error) in [
        ("202!", "INVALADDRESS"),
        ("!202$", "INVALADDRESS"),
        ("$202!", "DIALBILLING"),
        (",", "INVALADDRESS"),
    ] {
        let asked = json!({"hLine": line, "destAddress": address});
        assert_eq!(refused("lineMakeCall", asked), error, "{address}");
    }
    let list = json!([{"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": "206,1"}]);
    let asked = json!({"hLine": line, "allAddresses": true, "forwardList": list});
    assert_eq!(refused("lineForward", asked), "INVALADDRESS");
    row.talk(&a, &b);
    let call = row.app.handle("201");
    let asked = json!({"hCall": call, "destAddress": "206,1"});
    assert_eq!(row.app.refusal("lineBlindTransfer", asked), "INVALADDRESS");
}

/// A conference whose third party is called with wishes of the application's.
#[test]
fn the_consultation_call_of_a_conference_is_made_as_its_parameters_wish() {
    let (mut row, [a, b, c]) = office(["201", "202", "203"]);
    row.talk(&a, &b);
    let wishes = json!({
        "callParamFlags": ["LINECALLPARAMFLAGS_BLOCKID"], "comment": "the third",
        "userUserInfo": "hello",
    });
    let first = row.app.handle("201");
    let made = row.ask(
        "lineSetupConference",
        json!({"hCall": first, "numParties": 3, "callParams": wishes, "wait": true}),
    );
    let consult = made["hConsultCall"].clone();
    row.ask("lineDial", json!({"hCall": consult, "destAddress": "203", "wait": true}));
    let (target, from) = c.incoming_from();
    assert!(from.contains("anonymous.invalid"), "{from}");
    row.app.skip_to("203 OFFERING ACTIVE OWNER");
    let offered = row.info("203");
    assert_eq!(offered["callerIdFlags"], json!(["LINECALLPARTYID_BLOCKED"]));
    assert_eq!(offered["userUserInfo"], "hello");
    let info = row.ask("lineGetCallInfo", json!({"hCall": consult}));
    assert_eq!(info["comment"], "the third");
    assert_eq!(info["callParamFlags"], json!(["LINECALLPARAMFLAGS_BLOCKID"]));
    c.answer(target);
    c.connected(target);
}

#[test]
fn a_party_that_is_called_without_hold_is_not_rung_longer_than_the_application_wishes() {
    let (mut row, [a, b, c]) = office(["201", "202", "203"]);
    row.talk(&a, &b);
    let wishes = json!({
        "callParamFlags": ["LINECALLPARAMFLAGS_NOHOLDCONFERENCE"], "targetAddress": "203",
        "noAnswerTimeout": 1,
    });
    let first = row.app.handle("201");
    row.ask("lineSetupConference", json!({"hCall": first, "callParams": wishes, "wait": true}));
    let target = c.incoming();
    row.app.skip_to("201/3 DISCONNECTED NOANSWER");
    c.ended(target);
    tests::row::hear_each_other(&a, &b);
}
