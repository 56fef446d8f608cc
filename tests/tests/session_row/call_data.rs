//! What goes along with a call: user-user information both ways, call data, treatment, security, call
//! parameters, and the rings an answering machine waits for.

use serde_json::{Value, json};
use tests::program::LivePhone;
use tests::row::{Row, hear_each_other};

const LINES: [&str; 3] = ["201", "202", "203"];
const UUI: &str = "User-to-User";
const HELLO: &str = "68656c6c6f;encoding=hex";
const SOON: &str = "736f6f6e;encoding=hex";

fn three() -> (Row, [LivePhone; 3]) {
    let row = Row::open(&LINES);
    let phones = row.phones(LINES);
    (row, phones)
}

/// A function that replies and tells nothing more on the line.
fn set(row: &mut Row, method: &str, call: &str, more: Value, told: &[(&str, &str)]) {
    row.tell(method, call, more);
    row.told(told);
}

#[test]
fn a_phone_sends_information_with_its_call_in_it_and_at_its_end() {
    let (mut row, [a, b, _]) = three();
    a.with(|phone| phone.attach(UUI, HELLO));
    let near = a.call("202");
    let far = b.incoming();
    assert_eq!(b.user_info(far), HELLO);
    a.rings_there();
    row.told(&[
        ("201", "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 RINGBACK"),
        ("202", "202 NEW OWNER; 202 OFFERING ACTIVE OWNER"),
    ]);
    assert_eq!(row.info("202")["userUserInfo"], "hello");
    b.with(|phone| phone.attach(UUI, SOON));
    b.answer(far);
    assert_eq!(a.user_info(near), SOON);
    a.connected(near);
    row.told(&[
        ("201", "201 INFO USERUSERINFO; 201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("202", "202 CONNECTED ACTIVE; 202 INFO CONNECTEDID"),
    ]);
    assert_eq!(row.info("201")["userUserInfo"], "soon");
    hear_each_other(&a, &b);
    // What has been read gives room for what comes next.
    set(&mut row, "lineReleaseUserUserInfo", "202", json!({}), &[("202", "REPLY 0")]);
    a.with(|phone| {
        phone.attach(UUI, SOON);
        phone.inform(near);
    });
    assert_eq!(b.user_info(far), SOON);
    row.told(&[("202", "202 INFO USERUSERINFO")]);
    set(&mut row, "lineReleaseUserUserInfo", "201", json!({}), &[("201", "REPLY 0")]);
    b.with(|phone| phone.attach(UUI, HELLO));
    b.hang_up(far);
    assert_eq!(a.user_info(near), HELLO);
    a.ended(near);
    row.told(&[
        ("201", "201 INFO USERUSERINFO; 201 DISCONNECTED NORMAL; 201 IDLE"),
        ("202", "202 IDLE"),
    ]);
    row.is_empty();
}

#[test]
fn an_application_sends_information_with_its_call_in_it_and_at_its_end() {
    let (mut row, [a, b, _]) = three();
    let far = row.make_call(&a, &b, json!({"userUserInfo": "hello"}));
    assert_eq!(b.user_info(far), HELLO);
    assert_eq!(row.info("202")["userUserInfo"], "hello");
    row.tell("lineAnswer", "202", json!({"userUserInfo": "soon"}));
    row.told(&[
        ("201", "201 INFO USERUSERINFO; 201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
        ("202", "REPLY 0; 202 CONNECTED ACTIVE; 202 INFO CONNECTEDID"),
    ]);
    assert_eq!(row.info("201")["userUserInfo"], "soon");
    hear_each_other(&a, &b);
    set(&mut row, "lineReleaseUserUserInfo", "202", json!({}), &[("202", "REPLY 0")]);
    let sent = json!({"userUserInfo": "soon"});
    let told = [("201", "REPLY 0"), ("202", "202 INFO USERUSERINFO")];
    set(&mut row, "lineSendUserUserInfo", "201", sent, &told);
    assert_eq!(b.user_info(far), SOON);
    set(&mut row, "lineReleaseUserUserInfo", "202", json!({}), &[("202", "REPLY 0")]);
    row.tell("lineDrop", "201", json!({"userUserInfo": "hello"}));
    assert_eq!(b.user_info(far), HELLO);
    b.ended(far);
    row.told(&[
        ("201", "REPLY 0; 201 IDLE"),
        ("202", "202 INFO USERUSERINFO; 202 DISCONNECTED NORMAL; 202 IDLE"),
    ]);
    row.is_empty();
}

#[test]
fn an_application_sets_call_data_which_a_transferred_call_keeps() {
    let (mut row, [a, b, c]) = three();
    let (near, far) = row.talk(&a, &b);
    let told = [("201", "201 INFO CALLDATA"), ("202", "REPLY 0; 202 INFO CALLDATA")];
    set(&mut row, "lineSetCallData", "202", json!({"callData": "ticket 5"}), &told);
    assert_eq!(row.info("201")["callData"], "ticket 5");
    // The phone sends its caller on, and what is known of the call goes along.
    b.with(|phone| phone.transfer(far, "203"));
    let target = c.incoming();
    row.told(&[
        ("202", "202 ONHOLDPENDTRANSFER"),
        ("203", "203 NEW OWNER; 203 OFFERING ACTIVE OWNER"),
    ]);
    assert_eq!(row.info("203")["callData"], "ticket 5");
    c.answer(target);
    assert_eq!(b.transfer_outcome(), 200);
    b.hang_up(far);
    row.told(&[
        ("201", "201 INFO REDIRECTIONID|REDIRECTINGID; 201 INFO CONNECTEDID"),
        ("202", "202 IDLE"),
        ("203", "203 CONNECTED ACTIVE; 203 INFO CONNECTEDID"),
    ]);
    hear_each_other(&a, &c);
    a.hang_up(near);
    c.ended(target);
    row.told(&[("201", "201 IDLE"), ("203", "203 DISCONNECTED NORMAL; 203 IDLE")]);
    row.is_empty();
}

#[test]
fn an_application_chooses_what_the_held_party_hears() {
    let (mut row, [a, b, _]) = three();
    row.talk(&a, &b);
    row.tell("lineHold", "201", json!({}));
    row.told(&[("201", "REPLY 0; 201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
    let busy = json!({"treatment": "LINECALLTREATMENT_BUSY"});
    set(&mut row, "lineSetCallTreatment", "201", busy, &[("201", "REPLY 0; 201 INFO TREATMENT")]);
    b.hears_one_of(&[440]);
    assert_eq!(row.info("201")["callTreatment"], "LINECALLTREATMENT_BUSY");
    row.tell("lineUnhold", "201", json!({}));
    row.told(&[("201", "REPLY 0; 201 CONNECTED ACTIVE"), ("202", "202 CONNECTED ACTIVE")]);
    hear_each_other(&a, &b);
    row.drop_call("201", "202");
    row.is_empty();
}

#[test]
fn an_application_secures_its_call_and_whoever_calls_then_finds_the_line_busy() {
    let (mut row, [a, b, c]) = three();
    row.talk(&a, &b);
    set(&mut row, "lineSecureCall", "201", json!({}), &[("201", "REPLY 0; 201 INFO OTHER")]);
    assert_eq!(row.info("201")["callParamFlags"], json!(["LINECALLPARAMFLAGS_SECURE"]));
    c.call("201");
    assert_eq!(c.failed().0, 486);
    row.told(&[("203", "203 NEW OWNER; 203 DIALING OWNER; 203 PROCEEDING; 203 BUSY STATION")]);
    row.tell("lineDrop", "203", json!({}));
    row.told(&[("203", "REPLY 0; 203 IDLE")]);
    hear_each_other(&a, &b);
    row.drop_call("201", "202");
    row.is_empty();
}

#[test]
fn an_application_changes_the_parameters_of_its_call() {
    let (mut row, [a, b, _]) = three();
    row.talk(&a, &b);
    let wish = json!({"bearerMode": "LINEBEARERMODE_SPEECH", "dialParams": {"dialPause": 500}});
    let told = [("201", "REPLY 0; 201 INFO BEARERMODE|DIALPARAMS")];
    set(&mut row, "lineSetCallParams", "201", wish, &told);
    let info = row.info("201");
    assert_eq!(
        (&info["bearerMode"], &info["dialParams"]["dialPause"]),
        (&json!("LINEBEARERMODE_SPEECH"), &json!(500))
    );
    hear_each_other(&a, &b);
    row.drop_call("201", "202");
    row.is_empty();
}

#[test]
fn an_application_hides_the_caller_and_so_does_a_phone() {
    for is_phone in [true, false] {
        let (mut row, [a, b, _]) = three();
        let far = if is_phone {
            a.with(|phone| phone.attach("Privacy", "id"));
            row.ring(&a, &b).1
        } else {
            row.make_call(&a, &b, json!({"callParamFlags": ["LINECALLPARAMFLAGS_BLOCKID"]}))
        };
        b.answer(far);
        row.told(&[
            ("201", "201 CONNECTED ACTIVE; 201 INFO CONNECTEDID"),
            ("202", "202 CONNECTED ACTIVE; 202 INFO CONNECTEDID"),
        ]);
        hear_each_other(&a, &b);
        assert_eq!(row.parties("201"), "DIRECT 201 202 202 - -");
        assert_eq!(row.parties("202"), "DIRECT - 202 - - -");
        assert_eq!(row.info("202")["callerIdFlags"], json!(["LINECALLPARTYID_BLOCKED"]));
        row.drop_call("201", "202");
        b.ended(far);
        row.is_empty();
    }
}

#[test]
fn applications_ask_for_a_number_of_rings_and_the_fewest_is_what_all_wait_for() {
    let (mut row, [a, b, _]) = three();
    let mut machine = row.program.application("answering machine");
    let theirs = machine.open_for("202", &["MONITOR"]);
    let line = row.line("202");
    row.ask("lineSetNumRings", json!({"hLine": line, "addressId": 0, "numRings": 4}));
    let fewer = json!({"hLine": theirs, "addressId": 0, "numRings": 2});
    machine.call("lineSetNumRings", fewer).unwrap();
    let asked = json!({"hLine": line, "addressId": 0});
    assert_eq!(row.ask("lineGetNumRings", asked.clone())["numRings"], 2);
    // A call rings on: it is for who asked to count.
    let (near, far) = row.ring(&a, &b);
    machine.expect(&["202 NEW MONITOR", "202 OFFERING ACTIVE MONITOR"]);
    a.hang_up(near);
    b.ended(far);
    row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED CANCELLED; 202 IDLE")]);
    machine.expect(&["202 DISCONNECTED CANCELLED", "202 IDLE"]);
    machine.call("lineClose", json!({"hLine": theirs})).unwrap();
    assert_eq!(row.ask("lineGetNumRings", asked)["numRings"], 4);
    row.is_empty();
}
