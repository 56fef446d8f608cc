//! A supervisor at an agent's call: listens, whispers, speaks to both; by code, by key, over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::{LivePhone, Program, office};

fn program() -> Program {
    Program::with(office(|text| {
        text.replace("[queues.support]\n", "[queues.support]\nsupervisors = [\"206\"]\n").replace(
            "[feature_codes]\n",
            "[feature_codes]\nsupervisor_listen = \"*51\"\nsupervisor_whisper = \"*52\"\nsupervisor_barge = \"*53\"\n",
        )
    }))
}

/// 201 talks to jane, who works at 204.
fn served(program: &Program, a: &LivePhone, jane: &LivePhone) -> (LegId, LegId) {
    let (status, _) = program.post("/api/v1/agents/jane/login", &json!({"line": "204"}));
    assert_eq!(status, 200);
    let near = a.call("600");
    let far = jane.incoming();
    jane.answer(far);
    a.connected(near);
    jane.connected(far);
    a.hears(jane);
    jane.hears(a);
    (near, far)
}

#[test]
fn a_supervisor_listens_whispers_and_barges_by_code_and_key() {
    let program = program();
    let (a, jane) = (program.live_phone("201"), program.live_phone("204"));
    let boss = program.live_phone("206");
    let (near, far) = served(&program, &a, &jane);
    let leg = boss.call("*51204");
    boss.connected(leg);
    boss.hears_mix(&[&a, &jane]);
    a.hears_nothing_of(&boss);
    jane.hears_nothing_of(&boss);
    boss.press(leg, "2");
    jane.hears_mix(&[&a, &boss]);
    a.hears_nothing_of(&boss);
    boss.press(leg, "3");
    a.hears_mix(&[&jane, &boss]);
    boss.press(leg, "1");
    let (_, calls) = program.get("/api/v1/calls");
    let at_agent = calls["items"].as_array().unwrap().iter().filter(|row| row["line"] == "204");
    assert_eq!(at_agent.count(), 1, "the agent sees one call");
    boss.hang_up(leg);
    a.hears(&jane);
    jane.hears(&a);
    a.hang_up(near);
    jane.ended(far);
    program.until("/api/v1/media", |answer| answer["items"] == json!([]));
}

#[test]
fn a_supervision_ends_with_the_call_and_only_supervisors_begin_one() {
    let program = program();
    let (a, jane) = (program.live_phone("201"), program.live_phone("204"));
    let (boss, other) = (program.live_phone("206"), program.live_phone("203"));
    boss.call("*51jane");
    assert_eq!(boss.failed().0, 404, "she is not at work");
    let (near, far) = served(&program, &a, &jane);
    other.call("*51jane");
    assert_eq!(other.failed().0, 403);
    let supervise = |mode: &str, line: &str| {
        program.post("/api/v1/agents/jane/supervise", &json!({"line": line, "mode": mode}))
    };
    assert_eq!(supervise("listen", "203").0, 403);
    assert_eq!(supervise("shout", "206").0, 400);
    assert_eq!(supervise("barge", "206").0, 200);
    let leg = boss.incoming();
    boss.connected(leg);
    a.hears_mix(&[&jane, &boss]);
    a.hang_up(near);
    jane.ended(far);
    boss.ended(leg);
    boss.call("*51jane");
    assert_eq!(boss.failed().0, 480, "she has no call");
    program.until("/api/v1/media", |answer| answer["items"] == json!([]));
}
