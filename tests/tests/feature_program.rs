//! Transfer, park and pickup on real sockets: phones, HTTP, the shell, and who hears whom.

use serde_json::{Value, json};
use switch::phone::PhoneEvent;
use tests::program::{LivePhone, Program};

fn office() -> (Program, [LivePhone; 3]) {
    let program = Program::start();
    let phones = ["201", "202", "203"].map(|line| program.live_phone(line));
    (program, phones)
}

fn hear_each_other(a: &LivePhone, b: &LivePhone) {
    a.hears(b);
    b.hears(a);
}

/// Waits for the NOTIFY that ends a transfer; its status.
fn outcome(phone: &LivePhone) -> u16 {
    phone.wait("the outcome of the transfer", |event| match event {
        PhoneEvent::TransferProgress { status, is_final: true, .. } => Some(*status),
        _ => None,
    })
}

fn items(program: &Program, collection: &str) -> Vec<Value> {
    let (status, answer) = program.get(&format!("/api/v1/{collection}"));
    assert_eq!(status, 200, "{answer}");
    answer["items"].as_array().unwrap().clone()
}

fn call_id(program: &Program, line: &str) -> u64 {
    let rows = items(program, "calls");
    let row = rows.iter().find(|row| row["line"] == line).expect("a call of the line");
    row["callId"].as_u64().unwrap()
}

/// A client command that must succeed.
fn said(program: &Program, arguments: &[&str]) -> String {
    let output = program.command(arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Waits until no call is left.
fn at_rest(program: &Program) {
    program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
    program.until("/api/v1/media", |answer| answer["items"] == json!([]));
}

#[test]
fn a_phone_sends_its_party_to_another_phone_and_both_hear_each_other() {
    let (program, [a, b, c]) = office();
    let (near, far) = a.talk_to(&b);
    a.with(|phone| phone.transfer(near, "203"));
    let target = c.incoming();
    c.answer(target);
    assert_eq!(outcome(&a), 200);
    a.hang_up(near);
    hear_each_other(&b, &c);
    program.until("/api/v1/calls", |answer| {
        let rows = answer["items"].as_array().unwrap();
        let lines: Vec<&Value> = rows.iter().map(|row| &row["line"]).collect();
        lines.len() == 2 && !lines.contains(&&json!("201"))
    });
    c.hang_up(target);
    b.ended(far);
    at_rest(&program);
}

#[test]
fn an_application_sees_who_was_sent_by_whom_while_the_target_rings() {
    let (program, [a, b, c]) = office();
    let mut application = program.application("watcher");
    for line in ["201", "202", "203"] {
        application.open(line);
    }
    let (near, far) = a.talk_to(&b);
    application.skip_to("201 CONNECTED ACTIVE");
    a.with(|phone| phone.transfer(near, "203"));
    let target = c.incoming();
    application.skip_to("201 ONHOLDPENDTRANSFER");
    application.skip_to("203 OFFERING ACTIVE OWNER");
    let call = application.handle("203");
    let info = application.call("lineGetCallInfo", json!({"hCall": call})).unwrap();
    assert_eq!(info["reason"], "LINECALLREASON_TRANSFER", "{info}");
    assert_eq!((&info["callerId"], &info["callerIdName"]), (&json!("202"), &json!("Ben")));
    assert_eq!(info["redirectingId"], "201");
    c.answer(target);
    application.skip_to("201 IDLE");
    let call = application.handle("202");
    let info = application.call("lineGetCallInfo", json!({"hCall": call})).unwrap();
    assert_eq!((&info["connectedId"], &info["redirectionId"]), (&json!("203"), &json!("203")));
    a.hang_up(near);
    c.hang_up(target);
    b.ended(far);
    at_rest(&program);
}

#[test]
fn a_phone_asks_first_and_then_joins_its_two_parties() {
    let (program, [a, b, c]) = office();
    let (first, far) = a.talk_to(&b);
    a.hold(first);
    let (second, target) = a.talk_to(&c);
    hear_each_other(&a, &c);
    a.with(|phone| phone.transfer_attended(first, second));
    assert_eq!(outcome(&a), 200);
    for leg in [first, second] {
        a.hang_up(leg);
    }
    hear_each_other(&b, &c);
    b.hang_up(far);
    c.ended(target);
    at_rest(&program);
}

#[test]
fn a_phone_parks_its_party_where_every_table_shows_it_and_another_phone_takes_it_out() {
    let (program, [a, b, c]) = office();
    let (near, far) = a.talk_to(&b);
    a.with(|phone| phone.transfer(near, "700"));
    assert_eq!(outcome(&a), 200);
    a.hang_up(near);
    b.hears_tone();
    let parked = items(&program, "park");
    assert_eq!(parked.len(), 1, "{parked:?}");
    let row = &parked[0];
    assert_eq!((&row["slot"], &row["lot"]), (&json!("701"), &json!("main")));
    assert_eq!(
        (&row["party"], &row["name"], &row["by"]),
        (&json!("202"), &json!("Ben"), &json!("201"))
    );
    assert_eq!(row["callId"], call_id(&program, "202"));
    let shown: Value = serde_json::from_str(&said(&program, &["park", "--json"])).unwrap();
    assert_eq!(shown["items"], json!(parked));
    let table = said(&program, &["park"]);
    assert!(table.starts_with("SLOT"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("701") && line.contains("Ben")), "{table}");
    let leg = c.call("701");
    c.connected(leg);
    hear_each_other(&b, &c);
    assert_eq!(items(&program, "park"), Vec::<Value>::new());
    c.hang_up(leg);
    b.ended(far);
    at_rest(&program);
}

#[test]
fn a_phone_picks_up_what_rings_in_its_group_where_the_table_shows_it() {
    for code in ["*8", "**202"] {
        let (program, [a, b, c]) = office();
        let near = a.call("202");
        let ringing = b.incoming();
        a.rings_there();
        let sales = |program: &Program| {
            let groups = items(program, "pickup-groups");
            groups.into_iter().find(|row| row["group"] == "sales").unwrap()
        };
        let row = sales(&program);
        assert_eq!((&row["id"], &row["members"]), (&json!("10"), &json!(["201", "202", "203"])));
        assert_eq!(row["ringing"][0]["line"], "202");
        assert_eq!(row["ringing"][0]["caller"], "201");
        assert_eq!(row["ringing"][0]["callId"], call_id(&program, "202"));
        let text = said(&program, &["pickup-groups", "--json"]);
        let shown: Value = serde_json::from_str(&text).unwrap();
        assert!(shown["items"].as_array().unwrap().contains(&row), "{shown}");
        let table = said(&program, &["pickup-groups"]);
        assert!(table.contains("201 at 202"), "{table}");
        let leg = c.call(code);
        c.connected(leg);
        a.connected(near);
        b.ended(ringing);
        hear_each_other(&a, &c);
        assert_eq!(sales(&program)["ringing"], json!([]), "{code}");
        a.hang_up(near);
        c.ended(leg);
        at_rest(&program);
    }
}

#[test]
fn an_administrator_transfers_over_http() {
    let (program, [a, b, c]) = office();
    let (near, far) = a.talk_to(&b);
    let path = format!("/api/v1/calls/{}/transfer", call_id(&program, "201"));
    let (status, answer) = program.post(&path, &json!({"line": "201", "to": "299"}));
    assert_eq!(status, 404, "{answer}");
    let (status, answer) = program.post(&path, &json!({"line": "201", "to": "206"}));
    assert_eq!(status, 409, "nobody is registered there: {answer}");
    let (status, answer) = program.post(&path, &json!({"line": "203", "to": "202"}));
    assert_eq!(status, 404, "203 has no such call: {answer}");
    hear_each_other(&a, &b);
    let (status, answer) = program.post(&path, &json!({"line": "201", "to": "203"}));
    assert_eq!(status, 200, "{answer}");
    a.ended(near);
    let target = c.incoming();
    c.answer(target);
    hear_each_other(&b, &c);
    let (status, answer) = program.post(&path, &json!({"line": "201", "to": "203"}));
    assert_eq!(status, 404, "201 has left: {answer}");
    b.hang_up(far);
    c.ended(target);
    at_rest(&program);
}

#[test]
fn an_administrator_parks_over_http() {
    let (program, [a, b, c]) = office();
    let (near, far) = a.talk_to(&b);
    let path = format!("/api/v1/calls/{}/park", call_id(&program, "201"));
    for (body, wanted) in [
        (json!({"line": "201", "slot": "299"}), 404),
        (json!({"line": "201", "slot": ""}), 400),
        (json!({"line": "201", "lot": "main"}), 400),
        (json!({"slot": "705"}), 400),
    ] {
        let (status, answer) = program.post(&path, &body);
        assert_eq!((status, &answer["status"]), (wanted, &json!(wanted)), "{body}: {answer}");
    }
    hear_each_other(&a, &b);
    let (status, answer) = program.post(&path, &json!({"line": "201", "slot": "705"}));
    assert_eq!((status, &answer["slot"]), (200, &json!("705")), "{answer}");
    a.ended(near);
    b.hears_tone();
    let (near, other) = a.talk_to(&c);
    let path = format!("/api/v1/calls/{}/park", call_id(&program, "201"));
    let (status, answer) = program.post(&path, &json!({"line": "201", "slot": "705"}));
    assert_eq!(status, 409, "{answer}");
    hear_each_other(&a, &c);
    let (status, answer) = program.post(&path, &json!({"line": "201"}));
    assert_eq!((status, &answer["slot"]), (200, &json!("701")), "{answer}");
    a.ended(near);
    let slots: Vec<Value> = items(&program, "park").iter().map(|row| row["slot"].clone()).collect();
    assert_eq!(slots, ["701", "705"]);
    let leg = a.call("705");
    a.connected(leg);
    hear_each_other(&a, &b);
    a.hang_up(leg);
    b.ended(far);
    c.hang_up(other);
    at_rest(&program);
    assert_eq!(items(&program, "park"), Vec::<Value>::new());
}

#[test]
fn an_application_makes_a_conference_of_a_consultation_and_removes_a_member() {
    let (program, [a, b, c]) = office();
    let mut application = program.application("crm");
    application.open("201");
    let (near, far) = a.talk_to(&b);
    application.skip_to("201 CONNECTED ACTIVE");
    let first = application.handle("201");
    let ask = |application: &mut tests::program::Application, method: &str, params: Value| {
        application.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    };
    let set_up = json!({"hCall": first, "wait": true});
    let consult = ask(&mut application, "lineSetupTransfer", set_up)["hConsultCall"].clone();
    let dial = json!({"hCall": consult, "destAddress": "203", "wait": true});
    ask(&mut application, "lineDial", dial);
    let target = c.incoming();
    c.answer(target);
    application.wait_state(consult.as_u64().unwrap(), "CONNECTED");
    hear_each_other(&a, &c);
    let mode = "LINETRANSFERMODE_CONFERENCE";
    let complete =
        json!({"hCall": first, "hConsultCall": consult, "transferMode": mode, "wait": true});
    let parent = ask(&mut application, "lineCompleteTransfer", complete)["hConfCall"].clone();
    for (call, state) in
        [(&parent, "CONNECTED"), (&json!(first), "CONFERENCED"), (&consult, "CONFERENCED")]
    {
        application.wait_state(call.as_u64().unwrap(), state);
    }
    let related = ask(&mut application, "lineGetConfRelatedCalls", json!({"hCall": parent}));
    assert_eq!(related["calls"], json!([parent, first, consult]));
    let remove = json!({"hCall": consult, "wait": true});
    ask(&mut application, "lineRemoveFromConference", remove);
    for (call, state) in [(&consult, "IDLE"), (&json!(first), "CONNECTED"), (&parent, "IDLE")] {
        application.wait_state(call.as_u64().unwrap(), state);
    }
    c.ended(target);
    hear_each_other(&a, &b);
    a.hang_up(near);
    b.ended(far);
    at_rest(&program);
}
