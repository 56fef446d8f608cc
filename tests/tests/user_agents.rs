//! Three user agents of different make transfer, park and pick up among each other: baresip at 201,
//! Linphone at 202, SIPp at 203. Each plays each part once.

use serde_json::Value;
use tests::interop::{
    self, Audio, Baresip, Linphone, Running, Sipp, packets_flow, register, relay_port,
};
use tests::program::Program;

fn office() -> Program {
    Program::with(interop::office(|text| text))
}

/// SIPp as the phone of 203.
struct Phone {
    sipp: Running,
    audio: Audio,
}

impl Phone {
    fn called(program: &Program, scenario: &str, refer_to: &str) -> Phone {
        let (port, audio) = (interop::free_port(), Audio::new());
        register(program, "203", port);
        let sipp = Sipp::new(program, scenario).port(port).called("203").audio(&audio);
        Phone { sipp: sipp.key("refer_to", refer_to).seconds(60).listen(), audio }
    }

    fn calls(program: &Program, number: &str) -> Phone {
        let audio = Audio::new();
        let sipp = Sipp::new(program, "caller_serves.xml").call("203", number).audio(&audio);
        Phone { sipp: sipp.seconds(60).start(), audio }
    }

    /// It and another line hear each other.
    fn talks_with(&mut self, program: &Program, line: &str) {
        let port = relay_port(program, "203");
        let before = packets_sent(program, line);
        self.audio.heard.clear();
        interop::until(program, &format!("203 and {line} to hear each other"), || {
            self.audio.send(port, 0, false, &[0x5a; 160]);
            self.audio.hear();
            self.audio.heard.len() >= 10 && packets_sent(program, line) >= before + 10
        });
    }

    fn hangs_up(self) {
        self.sipp.go_on();
        self.sipp.finish();
    }
}

/// Packets to the phone of a line, over all its calls.
fn packets_sent(program: &Program, line: &str) -> u64 {
    let (_, answer) = program.get("/api/v1/media");
    let rows = answer["items"].as_array().into_iter().flatten();
    rows.filter(|row| row["line"] == line).filter_map(|row| row["packetsSent"].as_u64()).sum()
}

/// Waits until these lines, and no others, have a call, all of them connected.
fn connected(program: &Program, lines: [&str; 2]) {
    program.until("/api/v1/calls", |answer| {
        let rows = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        rows.len() == 2
            && lines.iter().all(|line| rows.iter().any(|row| row["line"] == *line))
            && rows.iter().all(|row| row["callState"] == "LINECALLSTATE_CONNECTED")
    });
}

fn parked(program: &Program) {
    program.until("/api/v1/park", |answer| {
        answer["items"].as_array().is_some_and(|rows| rows.iter().any(|row| row["slot"] == "701"))
    });
}

fn assert_at_rest(program: &Program) {
    let is_empty = |answer: &Value| answer["items"].as_array().is_some_and(Vec::is_empty);
    for rest in ["calls", "media", "park"] {
        program.until(&format!("/api/v1/{rest}"), is_empty);
    }
}

// --- Transfer

#[test]
fn linphone_transfers_a_baresip_to_a_sipp() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let mut ben = Linphone::start(&program, "202", true);
    let mut cleo = Phone::called(&program, "callee_serves.xml", "");
    ada.command("dial", "202");
    let call = ben.talks();
    packets_flow(&program, &["201", "202"], 10);
    ben.transfer(call, "203");
    connected(&program, ["201", "203"]);
    cleo.talks_with(&program, "201");
    ben.until("Released");
    cleo.hangs_up();
    ada.until_closed();
    assert_at_rest(&program);
}

#[test]
fn linphone_asks_a_sipp_first_and_then_joins_it_with_a_baresip() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let mut ben = Linphone::start(&program, "202", true);
    let mut cleo = Phone::called(&program, "callee_serves.xml", "");
    ada.command("dial", "202");
    let call = ben.talks();
    packets_flow(&program, &["201", "202"], 10);
    ben.call("203");
    ben.until("Paused");
    let consultation = ben.talks();
    assert_ne!(call, consultation);
    cleo.talks_with(&program, "202");
    ben.join(call, consultation);
    connected(&program, ["201", "203"]);
    cleo.talks_with(&program, "201");
    cleo.hangs_up();
    ada.until_closed();
    assert_at_rest(&program);
}

#[test]
fn baresip_transfers_a_linphone_to_a_sipp() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", true);
    let mut ben = Linphone::start(&program, "202", false);
    let mut cleo = Phone::called(&program, "callee_serves.xml", "");
    ben.call("201");
    ben.talks();
    packets_flow(&program, &["201", "202"], 10);
    ada.command("transfer", "sip:203@office.test");
    connected(&program, ["202", "203"]);
    cleo.talks_with(&program, "202");
    cleo.hangs_up();
    ben.until("Released");
    assert_at_rest(&program);
}

#[test]
fn sipp_transfers_a_baresip_to_a_linphone() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let mut ben = Linphone::start(&program, "202", true);
    let mut cleo = Phone::called(&program, "callee_refers.xml", "sip:202@office.test");
    ada.command("dial", "203");
    ada.until("CALL_ESTABLISHED");
    cleo.talks_with(&program, "201");
    cleo.sipp.go_on();
    ben.talks();
    connected(&program, ["201", "202"]);
    packets_flow(&program, &["201", "202"], 10);
    cleo.sipp.finish();
    ada.command("hangup", "");
    ben.until("Released");
    assert_at_rest(&program);
}

#[test]
fn sipp_joins_a_linphone_and_a_baresip_with_replaces() {
    let program = office();
    let _ada = Baresip::start(&program, "201", "udp", true);
    let mut ben = Linphone::start(&program, "202", false);
    let mut asking = Phone::calls(&program, "201");
    asking.sipp.until_received("SIP/2.0 200");
    asking.talks_with(&program, "201");
    let log = asking.sipp.log();
    let answer = log.last_response("INVITE");
    let tag = |name: &str| {
        answer.header(name).split_once(";tag=").expect("a dialog has tags").1.to_owned()
    };
    let (call_id, to, from) = (answer.header("Call-ID"), tag("To"), tag("From"));
    let refer_to = format!(
        "sip:201@office.test?Replaces={}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}",
        call_id.replace('@', "%40")
    );
    let called = Phone::called(&program, "callee_refers.xml", &refer_to);
    ben.call("203");
    ben.talks();
    called.sipp.go_on();
    connected(&program, ["201", "202"]);
    packets_flow(&program, &["201", "202"], 10);
    called.sipp.finish();
    asking.sipp.finish();
    ben.command("terminate");
    ben.until("Released");
    assert_at_rest(&program);
}

// --- Park

#[test]
fn linphone_parks_a_baresip_and_a_sipp_takes_it_out() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let mut ben = Linphone::start(&program, "202", true);
    ada.command("dial", "202");
    let call = ben.talks();
    packets_flow(&program, &["201", "202"], 10);
    ben.transfer(call, "700");
    parked(&program);
    let mut cleo = Phone::calls(&program, "701");
    connected(&program, ["201", "203"]);
    cleo.talks_with(&program, "201");
    cleo.hangs_up();
    ada.until_closed();
    assert_at_rest(&program);
}

#[test]
fn baresip_parks_a_sipp_and_a_linphone_takes_it_out() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", true);
    let mut ben = Linphone::start(&program, "202", false);
    let mut cleo = Phone::calls(&program, "201");
    ada.until("CALL_ESTABLISHED");
    cleo.talks_with(&program, "201");
    ada.command("transfer", "sip:700@office.test");
    parked(&program);
    ben.call("701");
    ben.talks();
    connected(&program, ["202", "203"]);
    cleo.talks_with(&program, "202");
    cleo.hangs_up();
    ben.until("Released");
    assert_at_rest(&program);
}

#[test]
fn sipp_parks_a_linphone_and_a_baresip_takes_it_out() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let mut ben = Linphone::start(&program, "202", false);
    let mut cleo = Phone::called(&program, "callee_refers.xml", "sip:700@office.test");
    ben.call("203");
    ben.talks();
    cleo.talks_with(&program, "202");
    cleo.sipp.go_on();
    parked(&program);
    cleo.sipp.finish();
    ada.command("dial", "701");
    ada.until("CALL_ESTABLISHED");
    connected(&program, ["201", "202"]);
    packets_flow(&program, &["201", "202"], 10);
    ada.command("hangup", "");
    ben.until("Released");
    assert_at_rest(&program);
}

// --- Pickup

#[test]
fn baresip_picks_up_for_a_linphone_what_a_sipp_calls() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let ben = Linphone::start(&program, "202", false);
    let mut cleo = Phone::calls(&program, "202");
    ben.until("IncomingReceived");
    ada.command("dial", "**202");
    ada.until("CALL_ESTABLISHED");
    connected(&program, ["201", "203"]);
    cleo.talks_with(&program, "201");
    ben.until("Released");
    cleo.hangs_up();
    ada.until_closed();
    assert_at_rest(&program);
}

#[test]
fn linphone_picks_up_for_a_sipp_what_a_baresip_calls() {
    let program = office();
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let mut ben = Linphone::start(&program, "202", false);
    let cleo = Phone::called(&program, "cancelled.xml", "");
    ada.command("dial", "203");
    ada.until("CALL_RINGING");
    ben.call("*8");
    ben.talks();
    connected(&program, ["201", "202"]);
    packets_flow(&program, &["201", "202"], 10);
    cleo.sipp.finish();
    ada.command("hangup", "");
    ben.until("Released");
    assert_at_rest(&program);
}

#[test]
fn sipp_picks_up_for_a_baresip_what_a_linphone_calls() {
    let program = office();
    let ada = Baresip::start(&program, "201", "udp", false);
    let mut ben = Linphone::start(&program, "202", false);
    ben.call("201");
    ada.until("CALL_INCOMING");
    let mut cleo = Phone::calls(&program, "**201");
    ben.talks();
    connected(&program, ["202", "203"]);
    cleo.talks_with(&program, "202");
    ada.until_closed();
    cleo.hangs_up();
    ben.until("Released");
    assert_at_rest(&program);
}
