//! Queues on the real program: a call waits, hears music, is given to an agent; and everything else that
//! can become of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use tests::program::{LivePhone, Program, office};
use tests::row::{Row, hear_each_other};

const LINES: [&str; 4] = ["201", "204", "205", "600"];

/// The office with other settings of its queue.
fn program(settings: &str) -> Program {
    Program::with(office(|text| {
        let text =
            text.replace("wrap_up = \"10s\"\nmax_wait = \"300s\"\non_max_wait = \"206\"\n", "");
        let text = match settings.contains("strategy") {
            true => text.replace("strategy = \"longest-idle\"\n", ""),
            false => text,
        };
        text.replace("[queues.support]\n", &format!("[queues.support]\n{settings}\n"))
    }))
}

fn row(settings: &str) -> (Row, [LivePhone; 3]) {
    let mut row = Row::with(program(settings), &LINES);
    row.app.ignore_agents();
    let phones = row.phones(["201", "204", "205"]);
    (row, phones)
}

/// An agent logs in over HTTP, ready.
fn log_in(row: &Row, agent: &str, line: &str) {
    let path = format!("/api/v1/agents/{agent}/login");
    let (status, answer) = row.program.post(&path, &json!({"line": line}));
    assert_eq!(status, 200, "{answer}");
}

fn queue(row: &Row) -> Value {
    row.program.get("/api/v1/queues").1["items"][0].clone()
}

/// 201 dials the queue and is answered with music.
fn waits(row: &mut Row, a: &LivePhone) -> LegId {
    let near = a.call("600");
    a.connected(near);
    row.told(&[
        (
            "201",
            "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 RINGBACK; 201 CONNECTED ACTIVE; \
             201 INFO CONNECTEDID",
        ),
        (
            "600",
            "600 NEW OWNER; 600 OFFERING ACTIVE OWNER; 600 ACCEPTED; 600 INFO TREATMENT; \
             600 INFO TREATMENT",
        ),
    ]);
    a.hears_tone();
    near
}

/// An agent's phone rings for the one that waits, and answers.
fn is_served(row: &mut Row, a: &LivePhone, agent: &LivePhone) -> LegId {
    let far = agent.incoming();
    agent.answer(far);
    agent.connected(far);
    let line = agent.number();
    let served = format!(
        "{line} NEW OWNER; {line} OFFERING ACTIVE OWNER; {line} CONNECTED ACTIVE; {line} INFO CONNECTEDID"
    );
    row.told(&[
        ("201", "201 INFO CONNECTEDID"),
        ("600", "600 INFO REDIRECTIONID; 600 IDLE"),
        (&line, &served),
    ]);
    hear_each_other(a, agent);
    far
}

fn nobody_is_left(row: Row) {
    row.program.until("/api/v1/queues", |answer| answer["items"][0]["waiting"] == 0);
    row.is_empty();
}

#[test]
fn a_call_waits_with_music_until_an_agent_logs_in_and_is_one_call_on_three_lines() {
    let (mut row, [a, jane, _]) = row("");
    let near = waits(&mut row, &a);
    assert_eq!(row.parties("201"), "DIRECT 201 600 600 - -");
    assert_eq!(row.parties("600"), "DIRECT 201 600 - - -");
    let call_id = row.info("201")["callId"].clone();
    assert_eq!(row.info("600")["callId"], call_id);
    assert_eq!(queue(&row)["waiting"], 1);
    log_in(&row, "jane", "204");
    is_served(&mut row, &a, &jane);
    assert_eq!(row.info("204")["callId"], call_id);
    assert_eq!(row.parties("204"), "REDIRECT 201 600 201 600 204");
    assert_eq!(row.parties("201"), "DIRECT 201 600 204 - -");
    a.hang_up(near);
    row.told(&[("201", "201 IDLE"), ("204", "204 DISCONNECTED NORMAL; 204 IDLE")]);
    nobody_is_left(row);
}

#[test]
fn while_a_free_agent_rings_the_caller_hears_ringing_and_is_answered_by_the_agent() {
    let (mut row, [a, jane, _]) = row("");
    log_in(&row, "jane", "204");
    let near = a.call("600");
    let far = jane.incoming();
    a.rings_there();
    jane.answer(far);
    a.connected(near);
    jane.connected(far);
    row.told(&[
        (
            "201",
            "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 RINGBACK; 201 CONNECTED ACTIVE; \
             201 INFO CONNECTEDID",
        ),
        (
            "600",
            "600 NEW OWNER; 600 OFFERING ACTIVE OWNER; 600 ACCEPTED; 600 INFO TREATMENT; \
             600 INFO REDIRECTIONID; 600 IDLE",
        ),
        (
            "204",
            "204 NEW OWNER; 204 OFFERING ACTIVE OWNER; 204 CONNECTED ACTIVE; 204 INFO CONNECTEDID",
        ),
    ]);
    hear_each_other(&a, &jane);
    jane.hang_up(far);
    a.ended(near);
    row.told(&[("201", "201 DISCONNECTED NORMAL; 201 IDLE"), ("204", "204 IDLE")]);
    nobody_is_left(row);
}

#[test]
fn a_caller_that_hangs_up_while_it_waits_or_while_the_agent_rings_has_abandoned() {
    let (mut row, [a, jane, _]) = row("answer_after = \"0s\"");
    let near = waits(&mut row, &a);
    a.hang_up(near);
    row.told(&[("201", "201 IDLE"), ("600", "600 DISCONNECTED NORMAL; 600 IDLE")]);
    log_in(&row, "jane", "204");
    let near = a.call("600");
    a.connected(near);
    let far = jane.incoming();
    a.hang_up(near);
    jane.ended(far);
    row.told(&[
        (
            "201",
            "201/2 NEW OWNER; 201/2 DIALING OWNER; 201/2 PROCEEDING; 201/2 RINGBACK; \
             201/2 CONNECTED ACTIVE; 201/2 INFO CONNECTEDID; 201/2 IDLE",
        ),
        (
            "600",
            "600/2 NEW OWNER; 600/2 OFFERING ACTIVE OWNER; 600/2 ACCEPTED; 600/2 INFO TREATMENT; \
             600/2 INFO TREATMENT; 600/2 DISCONNECTED NORMAL; 600/2 IDLE",
        ),
        ("204", "204 NEW OWNER; 204 OFFERING ACTIVE OWNER; 204 DISCONNECTED NORMAL; 204 IDLE"),
    ]);
    let counts = queue(&row);
    assert_eq!(
        (&counts["totalCallsQueued"], &counts["totalCallsAbandoned"]),
        (&json!(2), &json!(2))
    );
    nobody_is_left(row);
}

#[test]
fn a_full_queue_is_busy_and_its_other_callers_wait_on() {
    let (mut row, [a, _, c]) = row("max_length = 1");
    let near = waits(&mut row, &a);
    c.call("600");
    assert_eq!(c.failed().0, 486);
    row.told(&[("205", "205 NEW OWNER; 205 DIALING OWNER; 205 PROCEEDING; 205 BUSY STATION")]);
    row.tell("lineDrop", "205", json!({}));
    row.told(&[("205", "REPLY 0; 205 IDLE")]);
    a.hears_tone();
    a.hang_up(near);
    row.told(&[("201", "201 IDLE"), ("600", "600 DISCONNECTED NORMAL; 600 IDLE")]);
    nobody_is_left(row);
}

#[test]
fn a_call_that_waited_too_long_goes_to_another_number_with_the_queue_as_the_redirecting_party() {
    let (mut row, [a, _, c]) = row("max_wait = \"1s\"\non_max_wait = \"205\"");
    let near = waits(&mut row, &a);
    let far = c.incoming();
    c.answer(far);
    c.connected(far);
    row.told(&[
        ("201", "201 INFO REDIRECTIONID|REDIRECTINGID; 201 INFO CONNECTEDID"),
        ("600", "600 INFO REDIRECTIONID; 600 IDLE"),
        (
            "205",
            "205 NEW OWNER; 205 OFFERING ACTIVE OWNER; 205 CONNECTED ACTIVE; 205 INFO CONNECTEDID",
        ),
    ]);
    assert_eq!(row.parties("205"), "REDIRECT 201 600 201 600 205");
    hear_each_other(&a, &c);
    assert_eq!(queue(&row)["finalDisposition"], 1);
    a.hang_up(near);
    row.told(&[("201", "201 IDLE"), ("205", "205 DISCONNECTED NORMAL; 205 IDLE")]);
    nobody_is_left(row);
}

#[test]
fn a_call_that_waited_too_long_for_a_queue_without_another_number_is_ended() {
    let (mut row, [a, ..]) = row("max_wait = \"1s\"");
    let near = waits(&mut row, &a);
    a.ended(near);
    row.told(&[
        ("201", "201 DISCONNECTED NOANSWER; 201 IDLE"),
        ("600", "600 INFO REDIRECTIONID; 600 IDLE"),
    ]);
    nobody_is_left(row);
}

#[test]
fn an_agent_that_does_not_answer_or_refuses_gives_the_call_back_to_its_place() {
    let (mut row, [a, jane, omar]) = row("ring_timeout = \"1s\"\nstrategy = \"sequential\"");
    log_in(&row, "jane", "204");
    log_in(&row, "omar", "205");
    let near = a.call("600");
    let silent = jane.incoming();
    jane.ended(silent);
    let far = omar.incoming();
    omar.reject(far, 603);
    row.app.skip_to("204 DISCONNECTED NOANSWER");
    row.app.skip_to("205 DISCONNECTED REJECT");
    // Nobody but jane is left; she is rung again after the pause.
    let far = jane.incoming();
    jane.answer(far);
    a.connected(near);
    jane.connected(far);
    hear_each_other(&a, &jane);
    row.app.skip_to("600 IDLE");
    jane.hang_up(far);
    a.ended(near);
    row.app.skip_to("204/2 IDLE");
}

#[test]
fn a_simultaneous_ring_has_one_winner_and_the_others_are_told_of_an_answer_elsewhere() {
    let (mut row, [a, jane, omar]) = row("strategy = \"ring-all\"");
    log_in(&row, "jane", "204");
    log_in(&row, "omar", "205");
    let near = a.call("600");
    let (one, other) = (jane.incoming(), omar.incoming());
    omar.answer(other);
    jane.ended(one);
    a.connected(near);
    hear_each_other(&a, &omar);
    row.app.skip_to("204 DISCONNECTED PICKUP");
    a.hang_up(near);
    omar.ended(other);
    row.app.skip_to("205 IDLE");
}

#[test]
fn a_program_redirects_drops_and_treats_a_call_that_waits() {
    let (mut row, [a, _, c]) = row("");
    let near = waits(&mut row, &a);
    row.tell("lineSetCallTreatment", "600", json!({"treatment": "LINECALLTREATMENT_SILENCE"}));
    row.told(&[("600", "REPLY 0; 600 INFO TREATMENT")]);
    row.tell("lineRedirect", "600", json!({"destAddress": "205"}));
    let far = c.incoming();
    c.answer(far);
    c.connected(far);
    row.told(&[
        ("600", "REPLY 0; 600 INFO REDIRECTIONID; 600 IDLE"),
        ("201", "201 INFO REDIRECTIONID|REDIRECTINGID; 201 INFO CONNECTEDID"),
        (
            "205",
            "205 NEW OWNER; 205 OFFERING ACTIVE OWNER; 205 CONNECTED ACTIVE; 205 INFO CONNECTEDID",
        ),
    ]);
    hear_each_other(&a, &c);
    a.hang_up(near);
    row.told(&[("201", "201 IDLE"), ("205", "205 DISCONNECTED NORMAL; 205 IDLE")]);
    let near = a.call("600");
    a.connected(near);
    row.app.skip_to("600/2 INFO TREATMENT");
    row.app.skip_to("600/2 INFO TREATMENT");
    row.tell("lineDrop", "600/2", json!({}));
    a.ended(near);
    row.app.skip_to("600/2 IDLE");
}

#[test]
fn a_party_that_is_transferred_to_the_queue_waits_there_and_an_agent_gets_it() {
    let (mut row, [a, jane, c]) = row("");
    let (near, far) = row.talk(&c, &a);
    c.with(|phone| phone.transfer(near, "600"));
    assert_eq!(c.transfer_outcome(), 200);
    c.hang_up(near);
    a.hears_tone();
    assert_eq!(queue(&row)["waiting"], 1);
    assert_eq!(queue(&row)["calls"][0]["caller"], "201");
    log_in(&row, "jane", "204");
    let served = jane.incoming();
    jane.answer(served);
    jane.connected(served);
    hear_each_other(&a, &jane);
    row.app.skip_to("204 CONNECTED ACTIVE");
    row.app.skip_to("204 INFO CONNECTEDID");
    assert_eq!(row.parties("204"), "REDIRECT 201 600 201 600 204");
    jane.hang_up(served);
    a.ended(far);
}

#[test]
fn an_agent_holds_transfers_and_is_in_wrap_up_when_the_call_is_gone() {
    let (mut row, [a, jane, c]) = row("wrap_up = \"300s\"");
    log_in(&row, "jane", "204");
    let near = a.call("600");
    let far = jane.incoming();
    jane.answer(far);
    a.connected(near);
    jane.connected(far);
    let state = |row: &Row| {
        let (_, sessions) = row.program.get("/api/v1/agent-sessions");
        sessions["items"][0]["agentSessionState"].as_str().unwrap_or_default().to_owned()
    };
    jane.hold(far);
    row.app.skip_to("204 ONHOLD");
    assert_eq!(state(&row), "LINEAGENTSESSIONSTATE_BUSYONCALL");
    jane.resume(far);
    row.app.skip_to("204 CONNECTED ACTIVE");
    jane.with(|phone| phone.transfer(far, "205"));
    let target = c.incoming();
    assert_eq!(state(&row), "LINEAGENTSESSIONSTATE_BUSYONCALL");
    c.answer(target);
    c.connected(target);
    row.app.skip_to("204 IDLE");
    row.program.until("/api/v1/agent-sessions", |sessions| {
        sessions["items"][0]["agentSessionState"] == "LINEAGENTSESSIONSTATE_BUSYWRAPUP"
    });
    hear_each_other(&a, &c);
    a.hang_up(near);
    c.ended(target);
}

#[test]
fn the_lines_of_queues_and_agents_say_what_they_are() {
    let (mut row, _) = row("");
    let caps = |row: &mut Row, line: &str| {
        let device = (0..20).find_map(|device| {
            let caps = row.app.call("lineGetDevCaps", json!({"deviceId": device})).ok()?;
            (caps["lineName"] == line).then_some(device)
        });
        let asked = json!({"deviceId": device, "addressId": 0});
        row.ask("lineGetAddressCaps", asked)
    };
    let queue = caps(&mut row, "600");
    assert_eq!(queue["addrCapFlags"], json!(["LINEADDRCAPFLAGS_QUEUE"]));
    assert_eq!(
        queue["callFeatures"],
        json!([
            "LINECALLFEATURE_ACCEPT",
            "LINECALLFEATURE_DROP",
            "LINECALLFEATURE_REDIRECT",
            "LINECALLFEATURE_SETCALLPARAMS",
            "LINECALLFEATURE_SETTREATMENT",
            "LINECALLFEATURE_SETCALLDATA",
        ])
    );
    assert_eq!(queue["addressFeatures"], json!([]));
    let agent = caps(&mut row, "204");
    let flags = agent["addrCapFlags"].as_array().unwrap();
    assert!(flags.contains(&json!("LINEADDRCAPFLAGS_ACDGROUP")), "{flags:?}");
    let line = row.line("600");
    let refused = row.app.refusal("lineMakeCall", json!({"hLine": line, "destAddress": "201"}));
    assert_eq!(refused, "OPERATIONUNAVAIL");
}
