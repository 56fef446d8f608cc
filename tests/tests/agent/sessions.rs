//! The states of an agent session: every transition that an application or a call can cause, and every
//! one that there is not (tapi-agents 7.1; rows are those of its table).

use std::time::Duration;

use serde_json::json;
use tests::program::{Program, office};
use tests::row::Row;

use crate::floor::{Floor, centre, session_wish};

const CALLS: [&str; 4] = ["201", "204", "205", "600"];
const ALL: [&str; 6] = ["NOTREADY", "READY", "BUSYONCALL", "BUSYWRAPUP", "ENDED", "RELEASED"];

/// Of a session in `state` everything but `allowed` is refused and changes nothing.
fn refuses_all_but(floor: &mut Floor, session: u64, allowed: &[&str]) {
    let before = floor.state(session);
    for state in ALL.into_iter().filter(|state| !allowed.contains(state)) {
        assert_eq!(floor.set_refused(session, state), "INVALAGENTSTATE", "{before} to {state}");
    }
    for next in ["BUSYONCALL", "RELEASED"] {
        let wish = session_wish(session, "", next);
        let refused = floor.refused("lineSetAgentSessionState", wish);
        assert_eq!(refused, "INVALAGENTSTATE", "{before} then {next}");
    }
    assert_eq!(floor.state(session), before);
    floor.said_nothing();
}

#[test]
fn rows_1_3_and_18_to_22_a_session_begins_not_ready_and_ends_for_good() {
    let mut floor = Floor::with("", &[]);
    let (jane, session) = floor.jane();
    assert_eq!(floor.state(session), "NOTREADY");
    refuses_all_but(&mut floor, session, &["NOTREADY", "READY", "ENDED"]);
    // The state that it has already: nothing is said.
    floor.set(session, "NOTREADY");
    floor.said_nothing();
    floor.set(session, "READY");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    refuses_all_but(&mut floor, session, &["NOTREADY", "READY", "ENDED"]);
    floor.set(session, "READY");
    floor.said_nothing();
    floor.set(session, "NOTREADY");
    floor.said(&["SESSION jane STATE NOTREADY", "AGENT jane STATE NOTREADY"]);
    floor.set(session, "READY");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    floor.set(session, "ENDED");
    floor.said(&["SESSION jane STATE ENDED", "AGENT jane STATE NOTREADY"]);
    refuses_all_but(&mut floor, session, &["RELEASED"]);
    // It can still be read, and its duration has stopped.
    let ended = floor.session_info(session);
    assert_eq!(floor.session_info(session)["sessionDuration"], ended["sessionDuration"]);
    floor.set(session, "RELEASED");
    floor.said(&["SESSION jane STATE RELEASED"]);
    let gone = json!({"hAgentSession": session});
    assert_eq!(floor.refused("lineGetAgentSessionInfo", gone), "INVALPARAM");
    assert_eq!(floor.set_refused(session, "READY"), "INVALPARAM");
    // NOTREADY to ENDED; the place is free again.
    let again = floor.session(jane, "Help desk", "204", "jane again");
    assert_ne!(again, session);
    floor.said(&["SESSION jane again NEWSESSION"]);
    floor.set(again, "ENDED");
    floor.said(&["SESSION jane again STATE ENDED"]);
}

#[test]
fn rows_2_3_and_18_who_logs_in_at_a_phone_is_not_ready_and_ready_at_once_and_codes_do_the_rest() {
    let mut floor = Floor::with("", &[]);
    let [omars] = floor.row.phones(["205"]);
    let dials = |floor: &mut Floor, code: &str, wanted: &[&str]| {
        let leg = omars.call(code);
        omars.connected(leg);
        wanted.iter().for_each(|one| floor.hears(one));
        omars.ended(leg);
    };
    dials(
        &mut floor,
        "*45",
        &["AGENT 2 NEWAGENT", "SESSION 1 NEWSESSION", "SESSION 1 STATE READY"],
    );
    assert_eq!(floor.state(1), "READY");
    dials(&mut floor, "*48", &["SESSION 1 STATE NOTREADY"]);
    assert_eq!(floor.state(1), "NOTREADY");
    dials(&mut floor, "*47", &["SESSION 1 STATE READY"]);
    dials(&mut floor, "*46", &["SESSION 1 STATE ENDED", "AGENT 2 STATE RELEASED"]);
    assert_eq!((floor.state(1), floor.agent_state(2)), ("ENDED".into(), "RELEASED".into()));
}

#[test]
fn row_18_a_line_that_goes_with_a_reload_ends_the_sessions_there() {
    let text = office(|text| centre(&text, "") + "[lines.209]\npassword = \"pw-209\"\n");
    let mut floor = Floor::of(Row::with(Program::with(text), &[]));
    let path = "/api/v1/agents/omar/login";
    assert_eq!(floor.row.program.post(path, &json!({"line": "209"})).0, 200);
    floor.hears("SESSION 1 STATE READY");
    floor.reload(|text| text.replace("[lines.209]\npassword = \"pw-209\"\n", ""));
    floor.hears("SESSION 1 STATE ENDED");
    assert_eq!(floor.state(1), "ENDED");
}

#[test]
fn row_19_an_ended_session_is_released_with_its_agent_or_when_its_time_is_over() {
    let mut floor = Floor::with("", &[]);
    let (jane, session) = floor.jane();
    floor.set_agent(jane, "RELEASED", "");
    floor.said(&["SESSION jane STATE ENDED", "AGENT jane STATE RELEASED"]);
    assert_eq!(floor.state(session), "ENDED");
    floor.set_agent(jane, "RELEASED", "");
    floor.said(&["SESSION jane STATE RELEASED"]);
    let gone = |session: u64| json!({"hAgentSession": session});
    assert_eq!(floor.refused("lineGetAgentSessionInfo", gone(session)), "INVALPARAM");
    floor.reload(|text| text.replace("activities", "keep_ended_sessions = \"1s\"\nactivities"));
    assert_eq!(floor.agent("jane", "4711", "204"), jane);
    floor.said(&["AGENT jane NEWAGENT"]);
    let again = floor.session(jane, "Help desk", "204", "jane again");
    floor.said(&["SESSION jane again NEWSESSION"]);
    floor.set(again, "ENDED");
    floor.said(&["SESSION jane again STATE ENDED", "SESSION jane again STATE RELEASED"]);
    assert_eq!(floor.refused("lineGetAgentSessionInfo", gone(again)), "INVALPARAM");
}

#[test]
fn rows_4_5_8_and_14_a_ready_session_is_reserved_busy_in_wrap_up_and_ready_again() {
    let (mut floor, [a, jane, _], agent, session) = Floor::at_work("wrap_up = \"2s\"", &[]);
    let near = a.call("600");
    let far = jane.incoming();
    // Reserved: nothing is said of that.
    floor.said_nothing();
    assert_eq!((floor.state(session), floor.agent_state(agent)), ("READY".into(), "READY".into()));
    jane.answer(far);
    a.connected(near);
    floor.said(&["SESSION jane STATE BUSYONCALL", "AGENT jane STATE BUSYACD"]);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    assert_eq!(floor.agent_state(agent), "BUSYACD");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    let info = floor.session_info(session);
    assert_eq!(info["numberOfCalls"], 1);
    assert!(info["totalWrapUpTime"].as_u64().unwrap() >= 2, "{info}");
}

#[test]
fn rows_9_and_10_without_wrap_up_it_is_ready_at_once_and_else_what_was_asked_to_follow() {
    let (mut floor, [a, jane, _], agent, session) = Floor::at_work("", &[]);
    let (near, far) = floor.serve(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    let (near, far) = floor.serve(&a, &jane);
    floor.set_next(session, "BUSYWRAPUP");
    assert_eq!(floor.state(session), "BUSYONCALL then BUSYWRAPUP");
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    floor.set(session, "READY");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    let (near, far) = floor.serve(&a, &jane);
    floor.set_next(session, "NOTREADY");
    assert_eq!(floor.state(session), "BUSYONCALL then NOTREADY");
    assert_eq!(floor.agent_state(agent), "BUSYACD then NOTREADY");
    jane.hang_up(far);
    a.ended(near);
    floor.said(&["SESSION jane STATE NOTREADY", "AGENT jane STATE NOTREADY"]);
    // What was to follow has come true and is not kept.
    assert_eq!(floor.state(session), "NOTREADY");
}

#[test]
fn row_10_ready_as_the_next_state_skips_the_wrap_up_and_0_takes_it_back() {
    let (mut floor, [a, jane, _], _, session) = Floor::at_work("wrap_up = \"300s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    floor.set_next(session, "READY");
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    let (near, far) = floor.serve(&a, &jane);
    floor.set_next(session, "READY");
    floor.set_next(session, "");
    assert_eq!(floor.state(session), "BUSYONCALL");
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
}

#[test]
fn row_11_what_is_asked_during_a_call_is_stored_and_the_call_goes_on() {
    let (mut floor, [a, jane, _], _, session) = Floor::at_work("wrap_up = \"300s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    refuses_all_but(&mut floor, session, &["NOTREADY", "READY", "BUSYWRAPUP", "ENDED"]);
    for state in ["READY", "NOTREADY", "ENDED"] {
        floor.set(session, state);
        assert_eq!(floor.state(session), format!("BUSYONCALL then {state}"));
    }
    floor.said_nothing();
    tests::row::hear_each_other(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE ENDED", "AGENT jane STATE NOTREADY"]);
    let info = floor.session_info(session);
    assert_eq!((&info["numberOfCalls"], &info["totalWrapUpTime"]), (&json!(1), &json!(0)));
}

#[test]
fn row_6_a_call_that_rings_in_vain_leaves_the_session_ready_and_uncounted() {
    let (mut floor, [a, jane, _], _, session) = Floor::at_work("", &[]);
    let near = a.call("600");
    let far = jane.incoming();
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["QUEUE support UPDATEINFO"]);
    floor.said_nothing();
    let info = floor.session_info(session);
    assert_eq!((&info["numberOfCalls"], &info["longestTimeToAnswer"]), (&json!(0), &json!(0)));
    // Nothing is left of the reservation.
    floor.serve(&a, &jane);
}

#[test]
fn row_7_an_agent_that_rejects_stays_ready_and_one_that_is_not_there_becomes_not_ready() {
    let settings = "max_misses = 2\nring_timeout = \"1s\"\nretry = \"1s\"\nreject_delay = \"1s\"";
    let (mut floor, [a, jane, _], agent, session) = Floor::at_work(settings, &[]);
    let near = a.call("600");
    let far = jane.incoming();
    jane.reject(far, 603);
    let far = jane.incoming();
    floor.said_nothing();
    jane.ended(far);
    let far = jane.incoming();
    jane.ended(far);
    floor.said(&["SESSION jane STATE NOTREADY", "AGENT jane STATE NOTREADY"]);
    assert_eq!(floor.agent_state(agent), "NOTREADY");
    a.connected(near);
    a.hears_tone();
    assert_eq!(floor.queue_info("support")["currentCallsQueued"], 1);
    floor.set(session, "READY");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    let far = jane.incoming();
    jane.answer(far);
    jane.connected(far);
    floor.said(&["SESSION jane STATE BUSYONCALL", "AGENT jane STATE BUSYACD"]);
}

#[test]
fn rows_12_and_13_hold_is_part_of_the_call_and_a_transfer_ends_it_for_the_session() {
    let (mut floor, [a, jane, c], _, session) = Floor::at_work("wrap_up = \"300s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    jane.hold(far);
    floor.said_nothing();
    assert_eq!(floor.state(session), "BUSYONCALL");
    jane.resume(far);
    floor.said_nothing();
    jane.with(|phone| phone.transfer(far, "205"));
    let target = c.incoming();
    c.answer(target);
    c.connected(target);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    assert_eq!(floor.session_info(session)["numberOfCalls"], 1);
    tests::row::hear_each_other(&a, &c);
    a.hang_up(near);
    c.ended(target);
    floor.said_nothing();
}

#[test]
fn rows_15_16_and_20_wrap_up_is_ended_by_the_agent_or_kept_until_it_is() {
    let (mut floor, [a, jane, _], agent, session) = Floor::at_work("wrap_up = \"2s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    // The timer is cancelled; a call that comes meanwhile waits.
    floor.set(session, "BUSYWRAPUP");
    refuses_all_but(&mut floor, session, &["NOTREADY", "READY", "BUSYWRAPUP", "ENDED"]);
    let near = a.call("600");
    a.connected(near);
    a.hears_tone();
    while floor.queue_info("support")["currentLongestWaitTime"].as_u64().unwrap() < 3 {
        std::thread::yield_now();
    }
    assert_eq!(floor.state(session), "BUSYWRAPUP");
    floor.said_nothing();
    floor.set(session, "READY");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    let far = jane.incoming();
    jane.answer(far);
    floor.said(&["SESSION jane STATE BUSYONCALL", "AGENT jane STATE BUSYACD"]);
    jane.connected(far);
    a.hang_up(near);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    floor.set(session, "NOTREADY");
    floor.said(&["SESSION jane STATE NOTREADY", "AGENT jane STATE NOTREADY"]);
    assert_eq!(floor.agent_state(agent), "NOTREADY");
}

#[test]
fn row_14_what_is_to_follow_the_wrap_up_is_asked_for_while_it_lasts() {
    let (mut floor, [a, jane, _], _, session) = Floor::at_work("wrap_up = \"3s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    floor.set_next(session, "NOTREADY");
    assert_eq!(floor.state(session), "BUSYWRAPUP then NOTREADY");
    floor.said(&["SESSION jane STATE NOTREADY", "AGENT jane STATE NOTREADY"]);
    assert_eq!(floor.state(session), "NOTREADY");
}

#[test]
fn row_17_a_private_call_in_wrap_up_is_the_agents_own_affair() {
    let (mut floor, [a, jane, _], agent, session) = Floor::at_work("wrap_up = \"300s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    let own = jane.call("201");
    let theirs = a.incoming();
    a.answer(theirs);
    jane.connected(own);
    floor.said_nothing();
    assert_eq!(floor.agent_state(agent), "BUSYACD");
    floor.set(session, "READY");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE BUSYOUTGOING"]);
    jane.hang_up(own);
    floor.said(&["AGENT jane STATE READY"]);
    assert_eq!(floor.agent_info(agent)["numberOfOutgoingCalls"], 1);
}

#[test]
fn row_18_wrap_up_can_be_ended_by_the_end_of_the_session() {
    let (mut floor, [a, jane, _], _, session) = Floor::at_work("wrap_up = \"300s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    floor.set(session, "ENDED");
    floor.said(&["SESSION jane STATE ENDED", "AGENT jane STATE NOTREADY"]);
}

#[test]
fn row_23_a_session_whose_phone_is_away_stays_ready_and_gets_calls_when_it_is_back() {
    let (mut floor, [a, jane, _], _, session) = Floor::at_work("", &CALLS);
    jane.register(Duration::ZERO);
    let near = a.call("600");
    a.connected(near);
    a.hears_tone();
    assert_eq!(floor.state(session), "READY");
    floor.said_nothing();
    jane.register(Duration::from_secs(300));
    let far = jane.incoming();
    jane.answer(far);
    jane.connected(far);
    floor.said(&["SESSION jane STATE BUSYONCALL", "AGENT jane STATE BUSYACD"]);
}

#[test]
fn wrap_up_is_prolonged_by_the_private_function_of_the_handler() {
    let (mut floor, [a, jane, _], _, session) = Floor::at_work("wrap_up = \"100s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    let wish = json!({"addressId": 0, "agentExtensionIdIndex": 0, "params": {"seconds": 1000}});
    let said = floor.ask("lineAgentSpecific", wish);
    let remaining = said["params"]["remaining"].as_u64().unwrap();
    assert!((1001..=1100).contains(&remaining), "{said}");
    let told = floor.app.wait("the extension", |message| message["method"] == "LINE_AGENTSPECIFIC");
    assert_eq!(told["params"]["params"], said["params"]);
    assert_eq!(told["params"]["agentExtensionIdIndex"], 0);
    assert_eq!(floor.state(session), "BUSYWRAPUP");
}
