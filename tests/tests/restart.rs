//! What outlives the process: `kill -9`, a new start with the same database, and a call at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use std::time::Duration;

use serde_json::json;
use tests::program::{Program, office};

fn registered(program: &Program) -> Vec<(String, String)> {
    let (status, answer) = program.get("/api/v1/registrations");
    assert_eq!(status, 200);
    let rows = answer["items"].as_array().unwrap().iter();
    rows.map(|row| {
        (row["line"].as_str().unwrap().to_owned(), row["contact"].as_str().unwrap().to_owned())
    })
    .collect()
}

#[test]
fn after_a_crash_the_bindings_are_there_and_a_call_can_be_placed_at_once() {
    let program = Program::with_database(&office(|text| text));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let before = registered(&program);
    assert_eq!(before.len(), 2);
    program.until_rows("bindings", 2);
    let program = program.crash_and_restart();
    assert_eq!(registered(&program), before);
    let (_, lines) = program.get("/api/v1/lines");
    assert_eq!(lines["items"][1]["registered"], true);
    // Neither phone has noticed anything; they register no more before they talk.
    let near = a.call("202");
    let far = b.incoming();
    b.answer(far);
    a.connected(near);
    a.hears(&b);
    b.hears(&a);
    a.hang_up(near);
    b.ended(far);
}

#[test]
fn lines_of_restored_bindings_are_in_service_for_applications() {
    let program = Program::with_database(&office(|text| text));
    let (_a, b) = (program.live_phone("201"), program.live_phone("202"));
    program.until_rows("bindings", 2);
    let program = program.crash_and_restart();
    let mut app = program.application("after the crash");
    let line = app.open("201");
    let silent = app.open("203");
    let status = app.call("lineGetLineDevStatus", json!({"hLine": line})).unwrap();
    assert!(
        status["devStatusFlags"]
            .as_array()
            .unwrap()
            .contains(&json!("LINEDEVSTATUSFLAGS_INSERVICE"))
    );
    let status = app.call("lineGetLineDevStatus", json!({"hLine": silent})).unwrap();
    assert_eq!(status["devStatusFlags"], json!([]));
    app.call("lineMakeCall", json!({"hLine": line, "destAddress": "202"})).unwrap();
    b.incoming();
    app.expect(&["REPLY 0", "201 DIALING", "201 PROCEEDING", "201 RINGBACK"]);
}

#[test]
fn a_binding_that_was_taken_away_before_the_crash_stays_away() {
    let program = Program::with_database(&office(|text| text));
    let (a, _b) = (program.live_phone("201"), program.live_phone("202"));
    program.until_rows("bindings", 2);
    a.register(Duration::ZERO);
    program.until_rows("bindings", 1);
    let program = program.crash_and_restart();
    let lines: Vec<String> = registered(&program).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, ["202"]);
}

#[test]
fn a_phone_registers_again_after_the_crash_and_replaces_its_binding() {
    let program = Program::with_database(&office(|text| text));
    let a = program.live_phone("201");
    program.until_rows("bindings", 1);
    let program = program.crash_and_restart();
    let before = registered(&program);
    a.register(Duration::from_secs(120));
    assert_eq!(registered(&program), before, "the same contact, not a second one");
    program.until("/api/v1/registrations", |answer| {
        answer["items"][0]["expires"].as_u64().is_some_and(|seconds| seconds <= 120)
    });
}

#[test]
fn calls_of_before_the_crash_are_gone_and_their_phones_are_told_so() {
    let program = Program::with_database(&office(|text| text));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let near = a.call("202");
    let far = b.incoming();
    b.answer(far);
    a.connected(near);
    program.until_rows("bindings", 2);
    let program = program.crash_and_restart();
    assert_eq!(program.get("/api/v1/calls").1, json!({"items": []}));
    // A request inside the old call gets 481, so the phone knows that it is over.
    a.hang_up(near);
    let again = a.call("202");
    let far = b.incoming();
    b.answer(far);
    a.connected(again);
    a.hears(&b);
}

#[test]
fn without_a_database_nothing_outlives_the_process() {
    let program = Program::start();
    let _a = program.live_phone("201");
    assert_eq!(registered(&program).len(), 1);
    let program = program.crash_and_restart();
    assert!(registered(&program).is_empty());
}

/// Ends it as a service manager does, and starts it again with the same files.
fn stop_and_restart(mut program: Program) -> Program {
    program.signal("TERM");
    assert_eq!(program.wait_for_exit(), Some(0), "{}", program.log());
    program.crash_and_restart()
}

#[test]
fn an_orderly_end_loses_nothing_of_the_call_centre() {
    for has_drained in [false, true] {
        let program = Program::with_database(&office(|text| text));
        if has_drained {
            assert_eq!(program.post("/api/v1/drain", &json!({})).0, 202);
            program.until("/readyz", |answer| answer["status"] == 503);
        }
        // The picture of the centre is written a while later, unless the program ends before.
        let (status, answer) = program.post("/api/v1/agents/jane/login", &json!({"line": "204"}));
        assert_eq!(status, 200, "{answer}");
        let program = stop_and_restart(program);
        let (_, agents) = program.get("/api/v1/agents");
        let mut rows = agents["items"].as_array().unwrap().iter();
        let jane = rows.find(|row| row["agent"] == "jane").unwrap();
        assert_eq!(jane["line"], "204", "{agents}");
    }
}

#[test]
fn messages_of_a_line_that_was_removed_do_not_come_back() {
    let program = Program::with_database(&office(|text| text));
    let before = std::fs::read_to_string(&program.config).unwrap();
    let with_line = format!("{before}\n[lines.207]\npassword = \"pw-207\"\n");
    let reload = |text: &str| {
        std::fs::write(&program.config, text).unwrap();
        assert_eq!(program.post("/api/v1/reload", &json!({})).0, 200);
    };
    reload(&with_line);
    for line in ["206", "207"] {
        let path = format!("/api/v1/lines/{line}/message-waiting");
        assert_eq!(program.put(&path, &json!({"count": 2})).0, 200);
    }
    reload(&before);
    reload(&with_line);
    let waiting = |program: &Program| {
        let (_, lines) = program.get("/api/v1/lines");
        ["206", "207"].map(|line| {
            let mut rows = lines["items"].as_array().unwrap().iter();
            rows.find(|row| row["line"] == line).unwrap()["messagesWaiting"].as_u64().unwrap()
        })
    };
    assert_eq!(waiting(&program), [2, 0]);
    let program = stop_and_restart(program);
    assert_eq!(waiting(&program), [2, 0]);
}
