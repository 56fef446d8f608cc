//! baresip as phones against the real program: registration, calls, hold, and calls that an
//! application or an administrator makes.

use serde_json::{Value, json};
use tests::interop::{self, Baresip, packets_flow};
use tests::program::Program;

fn office() -> Program {
    Program::with(interop::office(|text| text))
}

/// Waits until the call of a line is in this state.
fn until_state(program: &Program, line: &str, state: &str) {
    program.until("/api/v1/calls", |answer| {
        let mut rows = answer["items"].as_array().into_iter().flatten();
        rows.any(|row| row["line"] == line && row["callState"] == format!("LINECALLSTATE_{state}"))
    });
}

fn assert_at_rest(program: &Program) {
    let is_empty = |answer: &Value| answer["items"].as_array().is_some_and(Vec::is_empty);
    program.until("/api/v1/calls", is_empty);
    program.until("/api/v1/media", is_empty);
}

fn received(program: &Program, line: &str) -> u64 {
    let (_, answer) = program.get("/api/v1/media");
    let mut rows = answer["items"].as_array().into_iter().flatten();
    rows.find(|row| row["line"] == line)
        .and_then(|row| row["packetsReceived"].as_u64())
        .unwrap_or(0)
}

#[test]
fn two_baresips_register_call_talk_hold_resume_and_hang_up() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let ben = Baresip::start(&program, "202", "udp", true);
    ada.command("dial", "202");
    ada.until("CALL_ESTABLISHED");
    packets_flow(&program, &["201", "202"], 25);
    until_state(&program, "201", "CONNECTED");

    ada.command("hold", "");
    until_state(&program, "201", "ONHOLD");
    // It sends until it has read the answer; then nothing more, while the other one goes on.
    program.until("/api/v1/media", |_| {
        let silent_since = received(&program, "201");
        packets_flow(&program, &["202"], 25);
        received(&program, "201") == silent_since
    });

    ada.command("resume", "");
    until_state(&program, "201", "CONNECTED");
    packets_flow(&program, &["201", "202"], 25);
    ada.command("hangup", "");
    ben.until_closed();
    assert_at_rest(&program);
}

#[test]
fn a_baresip_over_tcp_is_called_and_talks() {
    let program = office();
    let ada = Baresip::start(&program, "201", "tcp", true);
    let mut ben = Baresip::start(&program, "202", "tcp", false);
    ben.command("dial", "201");
    ben.until("CALL_ESTABLISHED");
    packets_flow(&program, &["201", "202"], 25);
    ben.command("hangup", "");
    ada.until_closed();
    assert_at_rest(&program);
}

#[test]
fn a_caller_that_gives_up_stops_the_ringing_of_a_baresip() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let ben = Baresip::start(&program, "202", "udp", false);
    ada.command("dial", "202");
    ada.until("CALL_RINGING");
    ben.until("CALL_INCOMING");
    ada.command("hangup", "");
    ben.until_closed();
    assert_at_rest(&program);
}

#[test]
fn line_make_call_makes_a_baresip_call_another_one() {
    let program = office();
    let ada = Baresip::start(&program, "201", "udp", true);
    let ben = Baresip::start(&program, "202", "udp", true);
    let mut application = program.application("crm");
    let line = application.open("201");
    let parameters = json!({"hLine": line, "destAddress": "202"});
    application.call("lineMakeCall", parameters).expect("lineMakeCall");
    ada.until("CALL_ESTABLISHED");
    ben.until("CALL_ESTABLISHED");
    packets_flow(&program, &["201", "202"], 25);
    let call =
        application.wait("CONNECTED", |message| {
            message["params"]["callState"] == "LINECALLSTATE_CONNECTED"
        })["params"]["hCall"]
            .clone();
    application.call("lineDrop", json!({"hCall": call})).expect("lineDrop");
    ada.until_closed();
    ben.until_closed();
    assert_at_rest(&program);
}

#[test]
fn click_to_dial_makes_a_baresip_call_another_one() {
    let program = office();
    let ada = Baresip::start(&program, "201", "udp", true);
    let mut ben = Baresip::start(&program, "202", "udp", true);
    let (status, answer) = program.post("/api/v1/calls", &json!({"from": "201", "to": "202"}));
    assert_eq!(status, 201, "{answer}");
    ada.until("CALL_ESTABLISHED");
    ben.until("CALL_ESTABLISHED");
    packets_flow(&program, &["201", "202"], 25);
    ben.command("hangup", "");
    ada.until_closed();
    assert_at_rest(&program);
}
