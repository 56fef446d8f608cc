//! Transfer: blind, after a consultation, before the consulted phone answers, and into a conference.

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::LivePhone;
use tests::row::{Row, hear_each_other};

const LINES: [&str; 3] = ["201", "203", "206"];

/// What 203 is told when 201 has completed its transfer to 206.
const TRANSFERRED: &str = "203 INFO RELATEDCALLID|REDIRECTIONID|REDIRECTINGID; 203 CONNECTED ACTIVE; 203 INFO CONNECTEDID";
/// What 206 is told of it.
const TARGET: &str =
    "206 INFO CALLID; 206 INFO RELATEDCALLID|REASON|CALLERID|REDIRECTIONID|REDIRECTINGID";

fn office() -> (Row, [LivePhone; 3]) {
    let row = Row::open(&LINES);
    let phones = row.phones(LINES);
    (row, phones)
}

/// 203 hangs up on 206.
fn end(mut row: Row, phones: &[LivePhone; 3], (b, c): (LegId, LegId)) {
    let [_, second, third] = phones;
    second.hang_up(b);
    third.ended(c);
    row.told(&[("203", "203 IDLE"), ("206", "206 DISCONNECTED NORMAL; 206 IDLE")]);
    row.is_empty();
}

#[test]
fn a_phone_sends_its_party_to_another_by_refer() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (near, far) = row.talk(a, b);
    a.with(|phone| phone.transfer(near, "206"));
    let target = c.incoming();
    row.told(&[
        ("201", "201 ONHOLDPENDTRANSFER"),
        ("206", "206 NEW OWNER; 206 OFFERING ACTIVE OWNER"),
    ]);
    assert_eq!(row.parties("206"), "TRANSFER 203 201 - 201 206");
    c.answer(target);
    assert_eq!(a.transfer_outcome(), 200);
    row.told(&[
        ("201", "201 IDLE"),
        ("203", "203 INFO REDIRECTIONID|REDIRECTINGID; 203 INFO CONNECTEDID"),
        ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    a.hang_up(near);
    hear_each_other(b, c);
    assert_eq!(row.parties("203"), "DIRECT 201 203 206 201 206");
    assert_eq!(row.parties("206"), "TRANSFER 203 201 203 201 206");
    assert_eq!(row.info("203")["callId"], row.info("206")["callId"]);
    end(row, &phones, (far, target));
}

#[test]
fn a_phone_that_has_left_is_rung_for_its_party_which_was_sent_nowhere() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (near, far) = row.talk(a, b);
    a.with(|phone| phone.transfer(near, "206"));
    let target = c.incoming();
    a.hang_up(near);
    row.told(&[
        ("201", "201 ONHOLDPENDTRANSFER; 201 IDLE"),
        ("206", "206 NEW OWNER; 206 OFFERING ACTIVE OWNER"),
    ]);
    c.reject(target, 486);
    let recall = a.incoming();
    row.told(&[
        ("201", "201/2 NEW OWNER; 201/2 OFFERING ACTIVE OWNER"),
        ("206", "206 DISCONNECTED BUSY; 206 IDLE"),
    ]);
    a.answer(recall);
    row.told(&[
        ("201", "201/2 CONNECTED ACTIVE; 201/2 INFO CONNECTEDID"),
        ("203", "203 INFO CONNECTEDID"),
    ]);
    hear_each_other(a, b);
    assert_eq!(row.parties("201/2"), "REMINDER 203 201 203 - -");
    assert_eq!(row.parties("203"), "DIRECT 201 203 201 - -");
    b.hang_up(far);
    a.ended(recall);
    row.told(&[("201", "201/2 DISCONNECTED NORMAL; 201/2 IDLE"), ("203", "203 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_sends_a_party_to_another_line() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (near, far) = row.talk(a, b);
    row.tell("lineBlindTransfer", "201", json!({"destAddress": "206"}));
    let target = c.incoming();
    a.ended(near);
    row.told(&[("201", "REPLY 0; 201 IDLE"), ("206", "206 NEW OWNER; 206 OFFERING ACTIVE OWNER")]);
    assert_eq!(row.parties("206"), "TRANSFER 203 201 - 201 206");
    row.tell("lineAnswer", "206", json!({}));
    row.told(&[
        ("203", "203 INFO REDIRECTIONID|REDIRECTINGID; 203 INFO CONNECTEDID"),
        ("206", "REPLY 0; 206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(b, c);
    assert_eq!(row.parties("203"), "DIRECT 201 203 206 201 206");
    end(row, &phones, (far, target));
}

#[test]
fn a_phone_asks_first_and_joins_its_two_parties_by_refer_with_replaces() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (first, far) = row.talk(a, b);
    a.hold(first);
    row.told(&[("201", "201 ONHOLD"), ("203", "203 CONNECTED ACTIVEHELD")]);
    let (second, target) = row.talk(a, c);
    b.hears_nothing_of(a);
    a.with(|phone| phone.transfer_attended(first, second));
    assert_eq!(a.transfer_outcome(), 200);
    row.told(&[
        ("201", "201 IDLE; 201/2 IDLE"),
        ("203", TRANSFERRED),
        ("206", &format!("{TARGET}; 206 INFO CONNECTEDID")),
    ]);
    a.hang_up(first);
    a.hang_up(second);
    hear_each_other(b, c);
    assert_eq!(row.parties("203"), "DIRECT 201 203 206 201 206");
    assert_eq!(row.parties("206"), "TRANSFER 203 206 203 201 206");
    end(row, &phones, (far, target));
}

#[test]
fn a_phone_leaves_its_party_to_a_consultation_that_still_rings() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (first, far) = row.talk(a, b);
    a.hold(first);
    row.told(&[("201", "201 ONHOLD"), ("203", "203 CONNECTED ACTIVEHELD")]);
    let second = a.call("206");
    let target = c.incoming();
    a.rings_there();
    row.told(&[
        ("201", "201/2 NEW OWNER; 201/2 DIALING OWNER; 201/2 PROCEEDING; 201/2 RINGBACK"),
        ("206", "206 NEW OWNER; 206 OFFERING ACTIVE OWNER"),
    ]);
    a.with(|phone| phone.transfer_attended(first, second));
    row.told(&[("201", "201 IDLE; 201/2 IDLE"), ("206", TARGET)]);
    assert_eq!(row.parties("206"), "TRANSFER 203 206 - 201 206");
    c.answer(target);
    row.told(&[("203", TRANSFERRED), ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID")]);
    hear_each_other(b, c);
    assert_eq!(row.parties("203"), "DIRECT 201 203 206 201 206");
    assert_eq!(row.parties("206"), "TRANSFER 203 206 203 201 206");
    end(row, &phones, (far, target));
}

/// lineSetupTransfer, lineDial: 201 rings 206 while 203 waits.
fn dial_consultation(row: &mut Row, [a, b, c]: [&LivePhone; 3]) -> LegId {
    row.tell("lineSetupTransfer", "201", json!({}));
    row.told(&[
        (
            "201",
            "REPLY 0; 201/2 DIALTONE INTERNAL; 201 INFO RELATEDCALLID; \
             201/2 INFO RELATEDCALLID; 201 ONHOLDPENDTRANSFER",
        ),
        ("203", "203 CONNECTED ACTIVEHELD"),
    ]);
    b.hears_tone();
    b.hears_nothing_of(a);
    row.tell("lineDial", "201/2", json!({"destAddress": "206"}));
    let target = c.incoming();
    row.told(&[
        ("201", "REPLY 0; 201/2 DIALING; 201/2 INFO CALLEDID; 201/2 PROCEEDING; 201/2 RINGBACK"),
        ("206", "206 NEW OWNER; 206 OFFERING ACTIVE OWNER"),
    ]);
    target
}

/// lineSetupTransfer, lineDial, answer: 201 consults 206 while 203 waits.
fn consult(row: &mut Row, [a, b, c]: &[LivePhone; 3]) -> (LegId, LegId, LegId) {
    let (near, far) = row.talk(a, b);
    let target = dial_consultation(row, [a, b, c]);
    row.tell("lineAnswer", "206", json!({}));
    row.told(&[
        ("201", "201/2 CONNECTED ACTIVE; 201/2 INFO CONNECTEDID"),
        ("206", "REPLY 0; 206 CONNECTED ACTIVE; 206 INFO CONNECTEDID"),
    ]);
    hear_each_other(a, c);
    (near, far, target)
}

fn complete(row: &mut Row, mode: &str) {
    let consult = row.app.handle("201/2");
    let mode = format!("LINETRANSFERMODE_{mode}");
    row.tell("lineCompleteTransfer", "201", json!({"hConsultCall": consult, "transferMode": mode}));
}

#[test]
fn an_application_asks_first_and_joins_the_two_parties() {
    let (mut row, phones) = office();
    let (near, far, target) = consult(&mut row, &phones);
    complete(&mut row, "TRANSFER");
    row.told(&[
        ("201", "REPLY 0; 201 IDLE; 201/2 IDLE"),
        ("203", TRANSFERRED),
        ("206", &format!("{TARGET}; 206 INFO CONNECTEDID")),
    ]);
    let [a, b, c] = &phones;
    hear_each_other(b, c);
    assert_eq!(row.parties("203"), "DIRECT 201 203 206 201 206");
    assert_eq!(row.parties("206"), "TRANSFER 203 206 203 201 206");
    let consulted = row.info("201/2")["callId"].clone();
    for line in ["203", "206"] {
        assert_eq!(row.info(line)["relatedCallId"], consulted, "{line}");
    }
    a.ended(near);
    end(row, &phones, (far, target));
}

#[test]
fn an_application_sets_up_and_dials_a_consultation_in_one_step() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (near, far) = row.talk(a, b);
    let wishes = json!({
        "callParamFlags": ["LINECALLPARAMFLAGS_ONESTEPTRANSFER"], "targetAddress": "206",
    });
    row.tell("lineSetupTransfer", "201", json!({"callParams": wishes}));
    let target = c.incoming();
    row.told(&[
        (
            "201",
            "REPLY 0; 201/2 DIALING; 201 INFO RELATEDCALLID; 201/2 INFO RELATEDCALLID; \
             201 ONHOLDPENDTRANSFER; 201/2 INFO CALLEDID; 201/2 PROCEEDING; 201/2 RINGBACK",
        ),
        ("203", "203 CONNECTED ACTIVEHELD"),
        ("206", "206 NEW OWNER; 206 OFFERING ACTIVE OWNER"),
    ]);
    complete(&mut row, "TRANSFER");
    row.told(&[("201", "REPLY 0; 201 IDLE; 201/2 IDLE"), ("206", TARGET)]);
    a.ended(near);
    c.answer(target);
    row.told(&[("203", TRANSFERRED), ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID")]);
    hear_each_other(b, c);
    end(row, &phones, (far, target));
}

#[test]
fn an_application_leaves_its_party_to_a_consultation_that_still_rings() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (near, far) = row.talk(a, b);
    let target = dial_consultation(&mut row, [a, b, c]);
    complete(&mut row, "TRANSFER");
    row.told(&[("201", "REPLY 0; 201 IDLE; 201/2 IDLE"), ("206", TARGET)]);
    a.ended(near);
    c.answer(target);
    row.told(&[("203", TRANSFERRED), ("206", "206 CONNECTED ACTIVE; 206 INFO CONNECTEDID")]);
    hear_each_other(b, c);
    assert_eq!(row.parties("203"), "DIRECT 201 203 206 201 206");
    assert_eq!(row.parties("206"), "TRANSFER 203 206 203 201 206");
    end(row, &phones, (far, target));
}

#[test]
fn an_application_asks_first_and_makes_a_conference_of_the_three() {
    let (mut row, phones) = office();
    let (near, far, target) = consult(&mut row, &phones);
    complete(&mut row, "CONFERENCE");
    row.told(&[
        (
            "201",
            "REPLY 0; 201/3 CONNECTED ACTIVE; 201 CONFERENCED 201/3; 201/2 CONFERENCED 201/3; \
             201 INFO RELATEDCALLID; 201/2 INFO RELATEDCALLID",
        ),
        ("203", "203 CONNECTED ACTIVE"),
        ("206", ""),
    ]);
    let [a, b, c] = &phones;
    a.hears_mix(&[b, c]);
    b.hears_mix(&[a, c]);
    c.hears_mix(&[a, b]);
    row.tell("lineDrop", "201/3", json!({}));
    for (phone, leg) in [(a, near), (b, far), (c, target)] {
        phone.ended(leg);
    }
    row.told(&[
        ("201", "REPLY 0; 201 IDLE; 201/2 IDLE; 201/3 IDLE"),
        ("203", "203 DISCONNECTED NORMAL; 203 IDLE"),
        ("206", "206 DISCONNECTED NORMAL; 206 IDLE"),
    ]);
    row.is_empty();
}

#[test]
fn an_application_transfers_what_the_phone_holds_and_the_phone_consulted() {
    let (mut row, phones) = office();
    let [a, b, c] = &phones;
    let (first, far) = row.talk(a, b);
    a.hold(first);
    row.told(&[("201", "201 ONHOLD"), ("203", "203 CONNECTED ACTIVEHELD")]);
    let (second, target) = row.talk(a, c);
    complete(&mut row, "TRANSFER");
    row.told(&[
        ("201", "REPLY 0; 201 IDLE; 201/2 IDLE"),
        ("203", TRANSFERRED),
        ("206", &format!("{TARGET}; 206 INFO CONNECTEDID")),
    ]);
    hear_each_other(b, c);
    a.ended(first);
    a.ended(second);
    end(row, &phones, (far, target));
}
