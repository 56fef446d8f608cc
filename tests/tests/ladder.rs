//! The SIP messages of a call, during it and after it: `strowger calls --ladder`, `GET
//! calls/{callId}/ladder`, and copies for a HEP collector.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::{Value, json};
use switch::phone::PhoneEvent;
use tests::program::{LivePhone, Program, office};

/// Two phones that talk, and the call's dwCallID.
fn talking(program: &Program) -> (LivePhone, LivePhone, sip_stack::endpoint::LegId, u64) {
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let near = a.call("202");
    let far = b.incoming();
    b.answer(far);
    a.wait("the answer", |event| {
        matches!(event, PhoneEvent::Connected { leg } if *leg == near).then_some(())
    });
    let calls = program.until("/api/v1/calls", |answer| {
        let rows = answer["items"].as_array().unwrap();
        rows.len() == 2 && rows.iter().all(|row| row["callState"] == "LINECALLSTATE_CONNECTED")
    });
    let call_id = calls["items"][0]["callId"].as_u64().unwrap();
    (a, b, near, call_id)
}

fn ladder(program: &Program, call_id: u64) -> Vec<Value> {
    let (status, answer) = program.get(&format!("/api/v1/calls/{call_id}/ladder"));
    assert_eq!(status, 200, "{answer}");
    answer["items"].as_array().unwrap().clone()
}

fn starts(rows: &[Value]) -> Vec<String> {
    let start = |row: &Value| {
        let message = row["message"].as_str().unwrap();
        let words: Vec<&str> = message.lines().next().unwrap().split(' ').collect();
        let what = if words[0] == "SIP/2.0" { words[1] } else { words[0] };
        format!("{} {what}", row["direction"].as_str().unwrap())
    };
    rows.iter().map(start).collect()
}

#[test]
fn a_call_that_is_over_shows_the_messages_of_both_its_dialogs_in_order() {
    let program = Program::start();
    let (a, b, near, call_id) = talking(&program);
    a.hang_up(near);
    b.wait("the end", |event| matches!(event, PhoneEvent::Ended { .. }).then_some(()));
    program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
    let rows = ladder(&program, call_id);
    let told = starts(&rows);
    // What may come a second time, or not at all, is left out.
    let essential: Vec<&str> = told
        .iter()
        .map(String::as_str)
        .filter(|start| !start.ends_with(" 100") && !start.ends_with(" ACK"))
        .collect();
    let wanted = [
        "in INVITE",
        "out 401",
        "in INVITE",
        "out INVITE",
        "in 180",
        "out 180",
        "in 200",
        "out 200",
        "in BYE",
        "out 200",
        "out BYE",
    ];
    let mut rest = essential.iter();
    for start in wanted {
        assert!(rest.any(|found| *found == start), "{start} is missing or too late in {told:?}");
    }
    let remotes: std::collections::BTreeSet<&str> =
        rows.iter().map(|row| row["remote"].as_str().unwrap()).collect();
    assert_eq!(remotes.len(), 2, "two phones: {remotes:?}");
    let text = serde_json::to_string(&rows).unwrap();
    assert!(text.contains("Authorization: (left out)"), "digests are not for everybody's eyes");
    assert!(!text.contains("response="), "digests are not for everybody's eyes");
}

#[test]
fn the_shell_draws_the_ladder() {
    let program = Program::start();
    let (_a, _b, _, call_id) = talking(&program);
    let output = program.command(&["calls", "--ladder", &call_id.to_string()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.lines().next().unwrap().contains("strowger"), "{text}");
    assert!(
        text.contains(" INVITE 202 +SDP ") && text.contains(" 180 Ringing (INVITE) "),
        "{text}"
    );
    let unknown = program.command(&["calls", "--ladder", "1"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("No SIP message of this call"));
}

#[test]
fn only_a_token_for_all_lines_that_may_read_sees_messages() {
    let program = Program::start();
    let (_a, _b, _, call_id) = talking(&program);
    let path = format!("/api/v1/calls/{call_id}/ladder");
    let get = |token| tests::program::http(program.api, "GET", &path, token, "").0;
    assert_eq!(get(Some(tests::program::CRM_TOKEN)), 403);
    assert_eq!(get(None), 401);
}

#[test]
fn a_consultation_that_was_transferred_is_on_the_ladder_of_the_call_it_became() {
    let program = Program::start();
    let (a, _b, near, _) = talking(&program);
    let c = program.live_phone("203");
    a.hold(near);
    let consultation = a.call("203");
    let far = c.incoming();
    c.answer(far);
    a.wait("the answer", |event| {
        matches!(event, PhoneEvent::Connected { leg } if *leg == consultation).then_some(())
    });
    a.with(|phone| phone.transfer_attended(near, consultation));
    let calls = program.until("/api/v1/calls", |answer| {
        let lines: Vec<&Value> =
            answer["items"].as_array().unwrap().iter().map(|row| &row["line"]).collect();
        lines == [&json!("202"), &json!("203")] || lines == [&json!("203"), &json!("202")]
    });
    let call_id = calls["items"][0]["callId"].as_u64().unwrap();
    let told = starts(&ladder(&program, call_id));
    assert!(
        told.contains(&"out INVITE".to_owned()) && told.contains(&"in 200".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_collector_gets_a_copy_of_every_message() {
    let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
    collector.set_read_timeout(Some(tests::program::PATIENCE)).unwrap();
    let hep =
        format!("\n[capture]\nhep = \"udp:{}\"\nnode = 77\n", collector.local_addr().unwrap());
    let program = Program::with(office(|text| text + &hep));
    let phone = program.live_phone("201");
    phone.register(Duration::from_secs(60));
    let mut seen = Vec::new();
    while !(seen.iter().any(|text: &String| text.contains("REGISTER sip:"))
        && seen.iter().any(|text| text.contains("SIP/2.0 200 OK")))
    {
        let mut packet = [0; 65_536];
        let length = collector.recv(&mut packet).expect("copies arrive");
        assert_eq!(&packet[..4], b"HEP3");
        seen.push(String::from_utf8_lossy(&packet[..length]).into_owned());
    }
}
