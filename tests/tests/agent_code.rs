//! Agents at their phones: log-in with and without PIN, ready, not ready, log-out; lamps; what outlives
//! the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use std::time::Duration;

use serde_json::{Value, json};
use tests::program::{LivePhone, Program, office};

fn agent(program: &Program, agent: &str) -> Value {
    let (_, rows) = program.get("/api/v1/agents");
    let rows = rows["items"].as_array().unwrap().clone();
    rows.into_iter().find(|row| row["agent"] == agent).unwrap()
}

fn state(program: &Program, name: &str) -> String {
    let state = agent(program, name)["agentState"].as_str().unwrap().to_owned();
    state.trim_start_matches("LINEAGENTSTATEEX_").to_owned()
}

/// Dials a code, hears the confirmation, is hung up.
fn dials(phone: &LivePhone, code: &str) {
    let leg = phone.call(code);
    phone.connected(leg);
    phone.ended(leg);
}

#[test]
fn an_agent_logs_in_at_its_own_phone_is_ready_not_ready_and_logs_out() {
    let program = Program::start();
    let jane = program.live_phone("204");
    assert_eq!(state(&program, "jane"), "RELEASED");
    for (code, expected) in
        [("*45", "READY"), ("*48", "NOTREADY"), ("*47", "READY"), ("*46", "RELEASED")]
    {
        dials(&jane, code);
        assert_eq!(state(&program, "jane"), expected, "{code}");
    }
    for code in ["*46", "*47", "*48"] {
        jane.call(code);
        assert_eq!(jane.failed().0, 403, "nobody is logged in: {code}");
    }
    let calls = &agent(&program, "jane")["numberOfOutgoingCalls"];
    assert_eq!(calls, &json!(0), "a code is no call with anybody");
}

#[test]
fn at_another_phone_the_pin_is_dialled_along_or_keyed() {
    let program = Program::start();
    let phone = program.live_phone("206");
    phone.call("*45");
    assert_eq!(phone.failed().0, 484, "nobody's line");
    phone.call("*45nobody*1");
    assert_eq!(phone.failed().0, 404);
    phone.call("*45jane*4712");
    assert_eq!(phone.failed().0, 403);
    program.says("wrong PIN of an agent");
    dials(&phone, "*45jane*4711");
    assert_eq!(agent(&program, "jane")["line"], "206");
    dials(&phone, "*46");
    let leg = phone.call("*45omar");
    phone.connected(leg);
    phone.press(leg, "4712");
    phone.ended(leg);
    assert_eq!(agent(&program, "omar")["line"], "206");
    assert_eq!(state(&program, "omar"), "READY");
}

#[test]
fn a_wrong_pin_is_refused_by_a_tone_and_too_many_lock_the_agent() {
    let program = Program::start();
    let phone = program.live_phone("206");
    let leg = phone.call("*45jane");
    phone.connected(leg);
    phone.press(leg, "0000");
    phone.ended(leg);
    assert_eq!(state(&program, "jane"), "RELEASED");
    for _ in 0..4 {
        phone.call("*45jane*0000");
        assert_eq!(phone.failed().0, 403);
    }
    phone.call("*45jane*4711");
    assert_eq!(phone.failed().0, 403, "locked");
}

#[test]
fn lamps_show_who_waits_and_who_works() {
    let program = Program::start();
    let (jane, caller) = (program.live_phone("204"), program.live_phone("201"));
    let watcher = program.live_phone("206");
    let (queue, _) = watcher.watch("600", "dialog", Duration::from_secs(600));
    let (lamp, _) = watcher.watch("jane", "dialog", Duration::from_secs(600));
    let (key, _) = jane.watch("*45", "dialog", Duration::from_secs(600));
    let near = caller.call("600");
    caller.connected(near);
    watcher.told(queue, "somebody waits", |text| text.contains("<state>early</state>"));
    // The key is lit while the tone of the code still sounds; the queue rings when it is over.
    jane.call("*45");
    jane.told(key, "logged in", |text| text.contains("<state>confirmed</state>"));
    let far = jane.incoming();
    watcher.told(lamp, "at work", |text| text.contains("<state>confirmed</state>"));
    jane.answer(far);
    jane.connected(far);
    watcher.told(queue, "nobody waits", |text| text.contains("<state>terminated</state>"));
    caller.hang_up(near);
    jane.ended(far);
}

#[test]
fn who_is_logged_in_and_the_books_outlive_the_process() {
    let program = Program::with_database(&office(|text| text));
    let (jane, caller) = (program.live_phone("204"), program.live_phone("201"));
    dials(&jane, "*45");
    let near = caller.call("600");
    let far = jane.incoming();
    jane.answer(far);
    caller.connected(near);
    jane.connected(far);
    caller.hang_up(near);
    jane.ended(far);
    program.until("/api/v1/agents", |rows| rows["items"][0]["numberOfAcdCalls"] == 1);
    program.until("/metrics", |text| {
        text.as_str().unwrap().contains("strowger_agent_calls{agent=\"jane\"} 1")
    });
    // One more change goes to the disk behind the picture of the centre.
    let before = program.metric("store_written_total");
    caller.register(Duration::from_secs(200));
    program.has_written(before + 1);
    let program = program.crash_and_restart();
    let kept = agent(&program, "jane");
    assert_eq!((&kept["line"], &kept["numberOfAcdCalls"]), (&json!("204"), &json!(1)), "{kept}");
    let (_, queues) = program.get("/api/v1/queues");
    assert_eq!(queues["items"][0]["totalCallsQueued"], 1);
    assert_eq!(queues["items"][0]["callsAnswered"], 1);
}
