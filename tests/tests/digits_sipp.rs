//! Digits by INFO and the switch to fax, as foreign user agents (SIPp) do them.

use serde_json::{Value, json};
use tests::interop::{Audio, Running, Sipp, free_port, register, sdp};
use tests::program::{Application, Program};

fn called(program: &Program, scenario: &str, keys: &[(&str, &str)]) -> Running {
    let port = free_port();
    register(program, "202", port);
    let audio = Audio::new();
    let sipp = Sipp::new(program, scenario).port(port).called("202").audio(&audio);
    keys.iter().fold(sipp, |sipp, (name, value)| sipp.key(name, value)).listen()
}

/// An application that sees both lines.
fn desk(program: &Program) -> Application {
    let mut app = program.application("desk");
    for line in ["201", "202"] {
        app.open(line);
    }
    app
}

/// Monitors on the call of 202, once it is up, what `method` says.
fn monitor(app: &mut Application, method: &str, mut params: Value) {
    app.skip_to("202 INFO CONNECTEDID");
    params["hCall"] = json!(app.handle("202"));
    app.call(method, params).unwrap();
    app.skip_to("202 INFO MONITORMODES");
}

fn at_rest(program: &Program) {
    program.until("/api/v1/calls", |answer| answer["items"] == json!([]));
    program.until("/api/v1/media", |answer| answer["items"] == json!([]));
}

#[test]
fn digits_by_info_reach_the_far_phone_and_the_application_and_bad_ones_are_refused() {
    let program = Program::start();
    let far = called(&program, "hears_digits.xml", &[]);
    let audio = Audio::new();
    let mut app = desk(&program);
    let mut near = Sipp::new(&program, "sends_digits.xml").call("201", "202").audio(&audio).start();
    monitor(&mut app, "lineMonitorDigits", json!({"digitModes": "LINEDIGITMODE_DTMF"}));
    near.until_received("SIP/2.0 200");
    near.go_on();
    let log = near.finish();
    app.skip_to("202 MONITORDIGITS 5 DTMF");
    app.expect(&["202 MONITORDIGITS * DTMF", "202 MONITORDIGITS # DTMF"]);
    app.skip_to("202 IDLE");
    let refusal = log.only("SIP/2.0 415");
    assert!(refusal.header("Accept").contains("application/dtmf-relay"), "{}", refusal.text);
    assert!(log.only("SIP/2.0 400").header("Warning").contains("Signal="), "{log:#?}");
    let far = far.finish();
    let bodies: Vec<&str> = far
        .received("INFO ")
        .map(|info| info.text.trim().lines().last().unwrap_or_default().trim())
        .collect();
    assert_eq!(bodies, ["Signal=5", "Signal= 10", "#"], "INFO is passed on as it came");
    at_rest(&program);
}

#[test]
fn a_call_that_becomes_a_fax_says_so_and_becomes_a_conversation_again() {
    let program = Program::start();
    let version =
        |text: String, number: u32| text.replace("phone 1 1", &format!("phone 1 {number}"));
    let fax = version(sdp(0, "m=image 40000 udptl t38\na=T38FaxVersion:0\n"), 2);
    let voice = version(sdp(40_002, "m=image 0 udptl t38\n"), 3);
    let keys = [("fax", fax.as_str()), ("voice", voice.as_str())];
    let far = called(&program, "callee_faxes.xml", &keys);
    let audio = Audio::new();
    let near = Sipp::new(&program, "caller_faxes.xml").call("201", "202").audio(&audio);
    let near = keys.iter().fold(near, |sipp, (name, value)| sipp.key(name, value));
    let mut app = desk(&program);
    let mut near = near.start();
    let modes = json!({"mediaModes": ["LINEMEDIAMODE_G3FAX", "LINEMEDIAMODE_INTERACTIVEVOICE"]});
    monitor(&mut app, "lineMonitorMedia", modes);
    near.until_received("SIP/2.0 200");
    near.go_on();
    app.expect(&["201 INFO MEDIAMODE", "202 INFO MEDIAMODE", "202 MONITORMEDIA G3FAX"]);
    let call = app.handle("201");
    let info = app.call("lineGetCallInfo", json!({"hCall": call})).unwrap();
    assert_eq!(info["mediaMode"], json!(["LINEMEDIAMODE_G3FAX"]));
    near.go_on();
    app.expect(&["201 INFO MEDIAMODE", "202 INFO MEDIAMODE", "202 MONITORMEDIA INTERACTIVEVOICE"]);
    near.finish();
    far.finish();
    at_rest(&program);
}
