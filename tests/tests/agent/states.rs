//! The states of an agent, who may have several sessions, and log-out (tapi-agents 7.2, 7.3 and 7.5).

use serde_json::json;

use crate::floor::{Floor, agent_wish};

#[test]
fn of_an_agents_sessions_only_that_of_the_call_changes() {
    let (mut floor, [a, jane, _], agent, helpdesk) = Floor::at_work("wrap_up = \"300s\"", &[]);
    let sales = floor.session(agent, "Sales", "204", "jane@sales");
    floor.said(&["SESSION jane@sales NEWSESSION"]);
    floor.set(sales, "READY");
    floor.said(&["SESSION jane@sales STATE READY"]);
    // A queue of both groups: the group that it names first has the call.
    let near = a.call("601");
    let far = jane.incoming();
    jane.answer(far);
    a.connected(near);
    floor.said(&["SESSION jane@sales STATE BUSYONCALL", "AGENT jane STATE BUSYACD"]);
    assert_eq!(floor.state(helpdesk), "READY");
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane@sales STATE READY", "AGENT jane STATE READY"]);
    let (near, far) = floor.serve(&a, &jane);
    assert_eq!(floor.state(sales), "READY");
    // The sibling's own wish is kept.
    floor.set(sales, "NOTREADY");
    floor.said(&["SESSION jane@sales STATE NOTREADY"]);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    floor.set(helpdesk, "READY");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    assert_eq!(floor.state(sales), "NOTREADY");
    // One session ends, the other lives on.
    floor.set(helpdesk, "ENDED");
    floor.said(&["SESSION jane STATE ENDED", "AGENT jane STATE NOTREADY"]);
    assert_eq!(floor.state(sales), "NOTREADY");
}

#[test]
fn the_state_of_an_agent_is_set_for_all_its_sessions_and_after_a_call_where_there_is_one() {
    let (mut floor, [a, jane, _], agent, helpdesk) = Floor::at_work("", &[]);
    let sales = floor.session(agent, "Sales", "204", "jane@sales");
    floor.said(&["SESSION jane@sales NEWSESSION"]);
    floor.set_agent(agent, "READY", "");
    floor.said(&["SESSION jane@sales STATE READY"]);
    floor.set_agent(agent, "NOTREADY", "");
    floor.said(&[
        "SESSION jane STATE NOTREADY",
        "SESSION jane@sales STATE NOTREADY",
        "AGENT jane STATE NOTREADY",
    ]);
    floor.set_agent(agent, "READY", "");
    floor.said(&[
        "SESSION jane STATE READY",
        "SESSION jane@sales STATE READY",
        "AGENT jane STATE READY",
    ]);
    let (near, far) = floor.serve(&a, &jane);
    floor.set_agent(agent, "NOTREADY", "");
    floor.said(&["SESSION jane@sales STATE NOTREADY"]);
    assert_eq!(floor.state(helpdesk), "BUSYONCALL then NOTREADY");
    assert_eq!(floor.agent_state(agent), "BUSYACD then NOTREADY");
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE NOTREADY", "AGENT jane STATE NOTREADY"]);
    assert_eq!(floor.state(sales), "NOTREADY");
}

#[test]
fn the_next_state_of_an_agent_comes_true_after_call_and_wrap_up() {
    let (mut floor, [a, jane, _], agent, session) = Floor::at_work("wrap_up = \"2s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    floor.set_agent(agent, "", "NOTREADY");
    assert_eq!(floor.agent_state(agent), "BUSYACD then NOTREADY");
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    assert_eq!(floor.agent_state(agent), "BUSYACD then NOTREADY");
    floor.hears("SESSION jane STATE NOTREADY");
    floor.said(&["AGENT jane STATE NOTREADY"]);
    assert_eq!(
        (floor.state(session), floor.agent_state(agent)),
        ("NOTREADY".into(), "NOTREADY".into())
    );
}

#[test]
fn only_ready_not_ready_and_released_can_be_asked_of_an_agent() {
    let (mut floor, [a, jane, _], agent, session) = Floor::at_work("", &[]);
    let refuses = |floor: &mut Floor| {
        for state in ["BUSYACD", "BUSYINCOMING", "BUSYOUTGOING", "UNKNOWN"] {
            for wish in [agent_wish(agent, state, ""), agent_wish(agent, "", state)] {
                assert_eq!(
                    floor.refused("lineSetAgentStateEx", wish),
                    "INVALAGENTSTATE",
                    "{state}"
                );
            }
        }
        floor.said_nothing();
    };
    refuses(&mut floor);
    let (near, far) = floor.serve(&a, &jane);
    refuses(&mut floor);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    floor.set_agent(agent, "RELEASED", "");
    floor.said(&["SESSION jane STATE ENDED", "AGENT jane STATE RELEASED"]);
    assert_eq!(floor.agent_state(agent), "RELEASED");
    let wish = agent_wish(agent, "READY", "");
    assert_eq!(floor.refused("lineSetAgentStateEx", wish), "INVALAGENTSTATE");
    assert_eq!(floor.state(session), "ENDED");
    // She comes back: the same agent.
    assert_eq!(floor.agent("jane", "4711", "204"), agent);
    assert_eq!(floor.agent_state(agent), "NOTREADY");
}

#[test]
fn calls_of_her_own_make_an_agent_busy_once_they_are_answered_and_are_counted() {
    let (mut floor, [a, jane, _], agent, session) = Floor::at_work("", &[]);
    let near = a.call("204");
    let far = jane.incoming();
    // A phone that rings does not change the state of its agent.
    floor.said_nothing();
    assert_eq!(floor.agent_state(agent), "READY");
    jane.answer(far);
    a.connected(near);
    floor.said(&["AGENT jane STATE BUSYINCOMING"]);
    assert_eq!(floor.state(session), "READY");
    jane.hold(far);
    floor.said_nothing();
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["AGENT jane STATE READY"]);
    let near = jane.call("201");
    floor.said(&["AGENT jane STATE BUSYOUTGOING"]);
    let far = a.incoming();
    a.answer(far);
    jane.connected(near);
    floor.said_nothing();
    jane.hang_up(near);
    a.ended(far);
    floor.said(&["AGENT jane STATE READY"]);
    let info = floor.agent_info(agent);
    let counted = ["numberOfAcdCalls", "numberOfIncomingCalls", "numberOfOutgoingCalls"];
    assert_eq!(counted.map(|field| info[field].as_u64().unwrap()), [0, 1, 1]);
}

#[test]
fn no_call_of_a_queue_rings_where_a_phone_rings_or_talks() {
    let (mut floor, [a, jane, c], agent, _) = Floor::at_work("", &[]);
    let near = c.call("204");
    let far = jane.incoming();
    let waits = a.call("600");
    a.connected(waits);
    a.hears_tone();
    jane.answer(far);
    c.connected(near);
    floor.said(&["AGENT jane STATE BUSYINCOMING"]);
    assert_eq!(floor.queue_info("support")["currentCallsQueued"], 1);
    jane.hang_up(far);
    floor.hears("AGENT jane STATE READY");
    let far = jane.incoming();
    jane.answer(far);
    jane.connected(far);
    floor.said(&["SESSION jane STATE BUSYONCALL", "AGENT jane STATE BUSYACD"]);
    assert_eq!(floor.agent_state(agent), "BUSYACD");
}

#[test]
fn who_logs_out_during_a_call_finishes_it_and_is_gone_without_wrap_up() {
    let (mut floor, [a, jane, c], agent, session) = Floor::at_work("wrap_up = \"300s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    floor.set_agent(agent, "RELEASED", "");
    floor.said_nothing();
    assert_eq!(floor.state(session), "BUSYONCALL then ENDED");
    assert_eq!(floor.agent_state(agent), "BUSYACD then RELEASED");
    tests::row::hear_each_other(&a, &jane);
    let waits = c.call("600");
    c.connected(waits);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE ENDED", "AGENT jane STATE RELEASED"]);
    let info = floor.session_info(session);
    assert_eq!((&info["numberOfCalls"], &info["totalWrapUpTime"]), (&json!(1), &json!(0)));
    assert_eq!(floor.queue_info("support")["currentCallsQueued"], 1);
    c.hears_tone();
}

#[test]
fn agents_and_sessions_outlive_the_application_that_made_them() {
    let (mut floor, [a, jane, _], _, session) = Floor::at_work("", &[]);
    floor.app.break_off();
    let mut app = floor.row.program.application("floor again");
    let h_line = app.open_for("204", &["NONE"]);
    let near = a.call("600");
    let far = jane.incoming();
    jane.answer(far);
    a.connected(near);
    let asked = json!({"hLine": h_line, "hAgentSession": session, "wait": true});
    let info = app.call("lineGetAgentSessionInfo", asked).unwrap();
    assert_eq!(info["agentSessionState"], "LINEAGENTSESSIONSTATE_BUSYONCALL");
}
