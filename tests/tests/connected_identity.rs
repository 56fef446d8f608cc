//! Whom a phone is told that it talks to: P-Asserted-Identity in the answer to its call, and in an
//! UPDATE when that is somebody else since (sip-mapping §1.1, §2.6, §2.9.4; RFC 3325).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::LivePhone;
use tests::row::Row;

const LINES: [&str; 4] = ["201", "202", "203", "206"];

fn office() -> (Row, [LivePhone; 4]) {
    let row = Row::open(&LINES);
    let phones = row.phones(LINES);
    (row, phones)
}

/// Waits until the phone displays this.
fn displays(phone: &LivePhone, leg: LegId, wanted: &str) {
    phone.until(wanted, |phone| {
        phone.connected_to(leg).is_some_and(|shown| shown.starts_with(wanted))
    });
}

const ADA: &str = "\"Ada\" <sip:201@";
const BEN: &str = "\"Ben\" <sip:202@";
const CLEO: &str = "\"Cleo\" <sip:203@";

#[test]
fn both_phones_of_a_call_know_each_other() {
    let (mut row, [a, b, ..]) = office();
    let (near, far) = row.talk(&a, &b);
    displays(&a, near, BEN);
    displays(&b, far, ADA);
}

#[test]
fn who_calls_a_phone_that_another_picks_up_is_told_who_has_answered() {
    let (_row, [a, b, c, _]) = office();
    let near = a.call("202");
    b.incoming();
    a.rings_there();
    let picked = c.call("**202");
    c.connected(picked);
    a.connected(near);
    displays(&a, near, CLEO);
    displays(&c, picked, ADA);
}

#[test]
fn the_phones_of_a_transfer_are_told_whom_they_have_got() {
    let (mut row, [a, b, c, _]) = office();
    let (first, far) = row.talk(&a, &b);
    a.hold(first);
    let second = a.call("203");
    let target = c.incoming();
    c.answer(target);
    a.connected(second);
    displays(&c, target, ADA);
    a.with(|phone| phone.transfer_attended(first, second));
    assert_eq!(a.transfer_outcome(), 200);
    displays(&b, far, CLEO);
    displays(&c, target, BEN);
}

/// One dialog serves both calls of an application's consultation: it tells which of them it is.
#[test]
fn a_phone_that_an_application_moves_between_two_calls_is_told_which_it_has() {
    let (mut row, [a, b, c, _]) = office();
    let (near, _) = row.talk(&a, &b);
    row.tell("lineSetupTransfer", "201", json!({}));
    row.app.skip_to("201 ONHOLDPENDTRANSFER");
    row.tell("lineDial", "201/2", json!({"destAddress": "203"}));
    let target = c.incoming();
    c.answer(target);
    displays(&a, near, CLEO);
    let held = row.app.handle("201");
    let consult = row.app.handle("201/2");
    row.ask("lineSwapHold", json!({"hActiveCall": consult, "hHeldCall": held, "wait": true}));
    displays(&a, near, BEN);
}

#[test]
fn a_caller_that_hides_itself_stays_hidden_from_whoever_gets_its_call() {
    let (mut row, [a, b, c, _]) = office();
    let line = row.line("201");
    let hidden = json!({"callParamFlags": ["LINECALLPARAMFLAGS_BLOCKID"]});
    row.ask("lineMakeCall", json!({"hLine": line, "destAddress": "202", "callParams": hidden}));
    let far = b.incoming();
    b.answer(far);
    b.connected(far);
    b.with(|phone| phone.transfer(far, "203"));
    let target = c.incoming();
    c.answer(target);
    c.connected(target);
    assert_eq!(b.transfer_outcome(), 200);
    let own = a.incoming();
    displays(&a, own, CLEO);
    assert_eq!(c.with(|phone| phone.connected_to(target)), None);
}
