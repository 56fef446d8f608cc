//! How the program ends: SIGTERM, SIGINT, drain; what becomes of calls and applications.

use serde_json::json;
use tests::program::{Program, office};

use super::done;

#[test]
fn a_terminated_switch_without_calls_ends_at_once_with_0() {
    let mut program = Program::start();
    let _phone = program.live_phone("201");
    program.signal("TERM");
    assert_eq!(program.wait_for_exit(), Some(0), "{}", program.log());
}

#[test]
fn a_terminated_switch_refuses_new_calls_keeps_the_present_one_and_ends_with_it() {
    let (mut program, a, b, near, far) = Program::talking();
    let c = program.live_phone("203");
    program.signal("TERM");
    program.until("/readyz", |answer| answer["status"] == 503);
    c.call("202");
    assert_eq!(c.failed().0, 503);
    let (status, problem) = program.post("/api/v1/calls", &json!({"from": "203", "to": "202"}));
    assert!(status == 503 || status == 409, "{status} {problem}");
    a.hears(&b);
    b.hears(&a);
    a.hang_up(near);
    b.ended(far);
    assert_eq!(program.wait_for_exit(), Some(0), "{}", program.log());
}

#[test]
fn a_second_termination_ends_the_calls_with_bye() {
    let (mut program, a, b, near, far) = Program::talking();
    program.signal("TERM");
    program.until("/readyz", |answer| answer["status"] == 503);
    program.signal("TERM");
    a.ended(near);
    b.ended(far);
    assert_eq!(program.wait_for_exit(), Some(0), "{}", program.log());
}

#[test]
fn an_interrupt_ends_the_calls_with_bye_at_once() {
    let (mut program, a, b, near, far) = Program::talking();
    program.signal("INT");
    a.ended(near);
    b.ended(far);
    assert_eq!(program.wait_for_exit(), Some(0), "{}", program.log());
}

#[test]
fn an_interrupt_while_draining_ends_the_calls_and_cancels_what_rings() {
    let (mut program, a, b, near, far) = Program::talking();
    let (c, d) = (program.live_phone("203"), program.live_phone("204"));
    c.call("204");
    let ringing = d.incoming();
    c.rings_there();
    program.signal("TERM");
    program.until("/readyz", |answer| answer["status"] == 503);
    program.signal("INT");
    a.ended(near);
    b.ended(far);
    d.ended(ringing);
    assert_eq!(c.failed().0, 503);
    assert_eq!(program.wait_for_exit(), Some(0), "{}", program.log());
}

/// The office where failed attempts are shown for longer than any test waits.
fn remembering() -> Program {
    let keep = ("keep_failed_call = \"20s\"", "keep_failed_call = \"10m\"");
    Program::with(office(|text| text.replace(keep.0, keep.1)))
}

#[test]
fn an_attempt_that_failed_and_is_still_shown_keeps_the_switch_from_nothing() {
    let mut program = remembering();
    let a = program.live_phone("201");
    a.call("299");
    assert_eq!(a.failed().0, 404);
    let calls = program.until("/api/v1/calls", |calls| calls["items"][0]["line"] == "201");
    assert_eq!(calls["items"][0]["callState"], "LINECALLSTATE_DISCONNECTED");
    program.signal("TERM");
    assert_eq!(program.wait_for_exit(), Some(0), "{}", program.log());
}

#[test]
fn an_attempt_that_failed_ends_with_the_calls_when_the_switch_is_interrupted() {
    let mut program = remembering();
    let phones = ["201", "202", "203"].map(|line| program.live_phone(line));
    let [a, b, c] = &phones;
    let (near, far) = a.talk_to(b);
    let mut app = program.application("witness");
    app.open("203");
    c.call("299");
    assert_eq!(c.failed().0, 404);
    app.skip_to("203 DISCONNECTED BADADDRESS");
    program.signal("INT");
    a.ended(near);
    b.ended(far);
    app.expect(&["203 IDLE"]);
    assert_eq!(program.wait_for_exit(), Some(0), "{}", program.log());
    assert!(!program.log().contains("panicked"), "{}", program.log());
}

#[test]
fn a_drain_does_not_wait_for_ever() {
    let mut program =
        Program::with(office(|text| format!("{text}\n[switch]\ndrain_timeout = \"1s\"\n")));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (near, far) = a.talk_to(&b);
    program.signal("TERM");
    a.ended(near);
    b.ended(far);
    assert_eq!(program.wait_for_exit(), Some(0), "{}", program.log());
}

#[test]
fn the_drain_command_returns_when_the_last_call_has_ended() {
    let (program, a, b, near, far) = Program::talking();
    let mut drain = program.follow(&["drain"]);
    drain.wait(|line| line.contains("2 present ones go on"));
    let c = program.live_phone("203");
    c.call("202");
    assert_eq!(c.failed().0, 503);
    a.hears(&b);
    a.hang_up(near);
    b.ended(far);
    drain.wait(|line| line.contains("No call is left"));
    // The process stays; only new calls are refused.
    assert_eq!(program.get("/healthz").0, 200);
    assert_eq!(program.get("/readyz").0, 503);
    done(program.command(&["drain"]));
}

#[test]
fn applications_are_told_that_the_switch_stops() {
    let mut program = Program::start();
    let mut app = program.application("last");
    app.open("201");
    program.signal("TERM");
    let (code, reason) = app.wait_for_close("the stop");
    assert_eq!(code, 1001, "{reason}");
    assert_eq!(program.wait_for_exit(), Some(0));
}
