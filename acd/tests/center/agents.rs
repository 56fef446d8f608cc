//! Agents: log-in and log-out by feature code, several sessions, derived states, the next state, and
//! log-out during a call (tapi-agents 7.2, 7.3, 7.5, 10.6).

use acd::{AgentPlan, LoginError, PhoneState, Plan};
use tapi::LineErr;
use tapi::agent::{AgentAnswer, AgentId, AgentRequest, AgentSessionId};
use tapi::constant::AgentSessionState::{BusyOnCall, BusyWrapUp, Ended, NotReady, Ready};
use tapi::constant::AgentState;
use tapi::constant::AgentStateEx::{self, BusyAcd, BusyIncoming, BusyOutgoing, Released};

use crate::rig::{Rig, agent, desk, group, office};

/// Jane may serve two groups; `support` is of the first, `sales` of the second.
fn two_groups() -> Plan {
    let mut plan = office();
    plan.groups.push(group("sales", "Sales"));
    let mut sales = plan.queues[0].clone();
    sales.name = String::from("sales");
    sales.groups = vec![String::from("sales")];
    plan.queues.push(sales);
    plan.agents[0].groups = vec![String::from("helpdesk"), String::from("sales")];
    plan
}

fn on_call(plan: Plan) -> (Rig, AgentId, AgentSessionId) {
    let mut rig = Rig::new(plan);
    let jane = rig.log_in(4).agent;
    rig.call(1, "support");
    let session = rig.answer(1, 4);
    rig.hush();
    (rig, jane, session)
}

#[test]
fn a_phone_with_one_agent_asks_for_nothing() {
    let mut rig = Rig::new(office());
    let entry = rig.log_in(4);
    assert_eq!(rig.center.agent_named("jane"), Some(entry.agent));
    assert_eq!(entry.sessions.len(), 1);
    assert_eq!(rig.state(entry.sessions[0]), Ready);
}

#[test]
fn a_pin_is_asked_for_at_somebody_elses_phone_and_at_ones_own_if_the_plan_says_so() {
    let mut rig = Rig::new(office());
    let now = rig.now;
    let log_in = |rig: &mut Rig, line, name, pin| {
        rig.center.log_in(desk(line), name, pin, now).map(|entry| entry.agent)
    };
    assert_eq!(log_in(&mut rig, 9, Some("jane"), None), Err(LoginError::PinNeeded));
    assert_eq!(log_in(&mut rig, 9, Some("jane"), Some("4712")), Err(LoginError::WrongPin));
    assert_eq!(log_in(&mut rig, 9, Some("jane"), Some("47")), Err(LoginError::WrongPin));
    assert_eq!(log_in(&mut rig, 9, Some("nobody"), None), Err(LoginError::UnknownAgent));
    assert_eq!(log_in(&mut rig, 9, None, None), Err(LoginError::NoAgentHere));
    assert_eq!(log_in(&mut rig, 4, None, Some("1")), Err(LoginError::WrongPin));
    assert!(log_in(&mut rig, 9, Some("jane"), Some("4711")).is_ok());

    let mut plan = office();
    plan.is_pin_always_asked = true;
    let mut rig = Rig::new(plan);
    assert_eq!(log_in(&mut rig, 4, None, None), Err(LoginError::PinNeeded));
    assert!(log_in(&mut rig, 4, None, Some("4711")).is_ok());
}

#[test]
fn a_pin_cannot_be_found_by_trying() {
    let mut rig = Rig::new(office());
    let log_in = |rig: &mut Rig, pin: &str| {
        rig.center.log_in(desk(9), Some("jane"), Some(pin), rig.now).map(|_| ())
    };
    for _ in 0..4 {
        assert_eq!(log_in(&mut rig, "0000"), Err(LoginError::WrongPin));
    }
    assert_eq!(log_in(&mut rig, "4711"), Ok(()), "some tries are free");
    rig.center.log_out(desk(9), rig.now).unwrap();
    for _ in 0..5 {
        assert_eq!(log_in(&mut rig, "0000"), Err(LoginError::WrongPin));
    }
    assert_eq!(log_in(&mut rig, "4711"), Err(LoginError::WrongPin), "not even the right one");
    rig.log_in(4);
    rig.center.log_out(desk(4), rig.now).unwrap();
    rig.pass(60);
    assert_eq!(log_in(&mut rig, "4711"), Ok(()));
}

#[test]
fn a_line_of_two_agents_must_be_told_which() {
    let mut plan = office();
    plan.agents.push(agent("eve", &["helpdesk"], 4));
    let mut rig = Rig::new(plan);
    let answer = rig.center.log_in(desk(4), None, None, rig.now);
    assert_eq!(answer.unwrap_err(), LoginError::NoAgentHere);
    rig.center.log_in(desk(4), Some("eve"), None, rig.now).unwrap();
}

#[test]
fn an_agent_works_where_it_logged_in_last() {
    let mut rig = Rig::new(office());
    rig.phone(9, PhoneState::FREE);
    let first = rig.log_in(4);
    let second = rig.center.log_in(desk(9), Some("jane"), Some("4711"), rig.now).unwrap();
    assert_eq!(first.agent, second.agent, "an agent is one person");
    assert_eq!(rig.state(first.sessions[0]), Ended);
    rig.hush();
    rig.call(1, "support");
    assert_eq!(rig.rings(), [(1, 9)]);
}

#[test]
fn two_agents_are_not_logged_in_at_one_phone() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    let answer = rig.center.log_in(desk(4), Some("omar"), Some("4711"), rig.now);
    assert_eq!(answer.unwrap_err(), LoginError::Occupied);
    rig.center.log_out(desk(4), rig.now).unwrap();
    rig.center.log_in(desk(4), Some("omar"), Some("4711"), rig.now).unwrap();
}

#[test]
fn codes_at_a_phone_where_nobody_is_logged_in_do_nothing() {
    let mut rig = Rig::new(office());
    assert_eq!(rig.center.log_out(desk(4), rig.now), Err(LoginError::NobodyLoggedIn));
    assert_eq!(rig.center.set_ready(desk(4), true, rig.now), Err(LoginError::NobodyLoggedIn));
}

#[test]
fn an_agent_without_groups_cannot_log_in() {
    let mut plan = office();
    plan.agents.push(AgentPlan {
        id: String::from("x"),
        pin: None,
        groups: Vec::new(),
        line: None,
    });
    let mut rig = Rig::new(plan);
    let answer = rig.center.log_in(desk(9), Some("x"), None, rig.now);
    assert_eq!(answer.unwrap_err(), LoginError::NoGroups);
}

#[test]
fn only_the_session_whose_group_had_the_call_is_busy_and_its_sibling_gets_none_meanwhile() {
    let (mut rig, _, session) = on_call(two_groups());
    let views = rig.center.sessions(rig.now);
    let sibling = views.iter().find(|view| view.id != session).unwrap().id;
    assert_eq!(rig.state(session), BusyOnCall);
    assert_eq!(rig.state(sibling), Ready);
    rig.call(2, "sales");
    assert_eq!(rig.rings(), []);
    rig.leave(1, 4);
    assert_eq!(rig.rings(), [], "after-call work");
    rig.pass(10);
    assert_eq!(rig.rings(), [(2, 4)]);
}

#[test]
fn a_sibling_that_is_not_ready_stays_so_after_the_call() {
    let (mut rig, _, session) = on_call(two_groups());
    let views = rig.center.sessions(rig.now);
    let sibling = views.iter().find(|view| view.id != session).unwrap().id;
    rig.set_session(sibling, Some(NotReady), None).unwrap();
    rig.leave(1, 4);
    rig.pass(10);
    assert_eq!((rig.state(session), rig.state(sibling)), (Ready, NotReady));
    rig.call(2, "sales");
    assert_eq!(rig.rings(), []);
}

#[test]
fn a_state_for_the_agent_is_one_for_all_its_sessions() {
    let (mut rig, jane, session) = on_call(two_groups());
    let views = rig.center.sessions(rig.now);
    let sibling = views.iter().find(|view| view.id != session).unwrap().id;
    rig.set_agent(jane, Some(AgentStateEx::NotReady), None).unwrap();
    assert_eq!((rig.state(session), rig.state(sibling)), (BusyOnCall, NotReady));
    assert_eq!(rig.agent_info(jane).next, Some(AgentStateEx::NotReady));
    rig.leave(1, 4);
    assert_eq!((rig.state(session), rig.agent_state(jane)), (NotReady, AgentStateEx::NotReady));
    rig.set_agent(jane, Some(AgentStateEx::Ready), None).unwrap();
    assert_eq!((rig.state(session), rig.state(sibling)), (Ready, Ready));
}

#[test]
fn the_agents_state_is_derived_the_first_match_wins() {
    let mut rig = Rig::new(office());
    let jane = rig.center.agent_named("jane").unwrap();
    let free = PhoneState::FREE;
    assert_eq!(rig.agent_state(jane), Released);
    let session = rig.log_in(4).sessions[0];
    assert_eq!(rig.agent_state(jane), AgentStateEx::Ready);
    rig.phone(4, PhoneState { alerting: 1, ..free });
    assert_eq!(
        rig.agent_state(jane),
        AgentStateEx::Ready,
        "a ringing private call changes nothing"
    );
    rig.phone(4, PhoneState { incoming: 1, outgoing: 1, ..free });
    assert_eq!(rig.agent_state(jane), BusyIncoming);
    rig.phone(4, PhoneState { outgoing: 1, ..free });
    assert_eq!(rig.agent_state(jane), BusyOutgoing);
    rig.phone(4, free);
    rig.call(1, "support");
    rig.answer(1, 4);
    assert_eq!(rig.agent_state(jane), BusyAcd);
    rig.phone(4, PhoneState { outgoing: 1, ..free });
    assert_eq!(rig.agent_state(jane), BusyAcd, "a consultation is part of it");
    rig.phone(4, free);
    rig.leave(1, 4);
    assert_eq!((rig.state(session), rig.agent_state(jane)), (BusyWrapUp, BusyAcd));
    rig.set_session(session, Some(Ended), None).unwrap();
    assert_eq!(rig.agent_state(jane), AgentStateEx::NotReady, "it has not logged out");
}

#[test]
fn busy_states_and_unknown_cannot_be_set() {
    let mut rig = Rig::new(office());
    let jane = rig.log_in(4).agent;
    for state in [BusyAcd, BusyIncoming, BusyOutgoing, AgentStateEx::Unknown] {
        assert_eq!(rig.set_agent(jane, Some(state), None), Err(LineErr::InvalAgentState));
        assert_eq!(rig.set_agent(jane, None, Some(state)), Err(LineErr::InvalAgentState));
    }
}

#[test]
fn the_agents_next_state_waits_for_call_and_after_call_work() {
    let (mut rig, jane, session) = on_call(office());
    rig.set_agent(jane, None, Some(AgentStateEx::NotReady)).unwrap();
    assert_eq!(rig.agent_info(jane).next, Some(AgentStateEx::NotReady));
    rig.leave(1, 4);
    assert_eq!(rig.state(session), BusyWrapUp);
    rig.pass(10);
    assert_eq!(rig.state(session), NotReady);
    assert_eq!(rig.agent_info(jane).next, None);
}

#[test]
fn who_ends_its_after_call_work_by_hand_has_changed_its_mind() {
    let (mut rig, jane, session) = on_call(office());
    rig.set_agent(jane, None, Some(AgentStateEx::NotReady)).unwrap();
    rig.leave(1, 4);
    rig.set_session(session, Some(Ready), None).unwrap();
    assert_eq!(rig.agent_info(jane).next, None);
    rig.call(2, "support");
    rig.answer(2, 4);
    rig.leave(2, 4);
    rig.pass(10);
    assert_eq!(rig.state(session), Ready);
}

#[test]
fn a_log_out_during_a_call_waits_for_its_end_and_skips_after_call_work() {
    let (mut rig, jane, session) = on_call(office());
    rig.center.log_out(desk(4), rig.now).unwrap();
    assert_eq!((rig.state(session), rig.agent_state(jane)), (BusyOnCall, BusyAcd));
    assert_eq!(rig.session_info(session).next, Some(Ended));
    assert_eq!(rig.agent_info(jane).next, Some(Released));
    rig.pass(60);
    rig.hush();
    rig.leave(1, 4);
    let info = rig.session_info(session);
    assert_eq!((info.state, info.talk_time, info.wrap_up_time), (Ended, 60, 0));
    assert_eq!(rig.agent_state(jane), Released);
    let messages = rig.messages();
    assert_eq!(messages[..2], ["session 1 STATE ENDED", "agent 1 STATE RELEASED"]);
    rig.call(2, "support");
    assert_eq!(rig.rings(), []);
}

#[test]
fn who_says_ready_during_the_call_is_not_logged_out_after_it() {
    let (mut rig, jane, session) = on_call(office());
    rig.center.log_out(desk(4), rig.now).unwrap();
    rig.set_session(session, Some(Ready), None).unwrap();
    rig.leave(1, 4);
    assert_eq!((rig.state(session), rig.agent_state(jane)), (Ready, AgentStateEx::Ready));
    rig.call(2, "support");
    assert_eq!(rig.rings(), [(2, 4)]);
}

#[test]
fn who_logs_in_elsewhere_is_not_logged_out_by_what_was_to_follow_the_last_call() {
    let (mut rig, jane, _) = on_call(office());
    rig.phone(9, PhoneState::FREE);
    rig.set_agent(jane, None, Some(Released)).unwrap();
    rig.leave(1, 4);
    rig.hush();
    rig.center.log_in(desk(9), Some("jane"), Some("4711"), rig.now).unwrap();
    assert_eq!(rig.agent_state(jane), AgentStateEx::Ready);
    let messages = rig.messages();
    assert!(!messages.iter().any(|text| text.contains("NEWAGENT")), "{messages:?}");
}

#[test]
fn a_second_log_in_of_the_same_agent_is_the_same_handle() {
    let mut rig = Rig::new(office());
    let jane = rig.log_in(4).agent;
    let create = AgentRequest::CreateAgent {
        line: desk(4).line,
        id: Some(String::from("jane")),
        pin: Some(String::from("4711")),
    };
    rig.hush();
    assert_eq!(rig.ask(create), Ok(AgentAnswer::Agent(jane)));
    assert_eq!(rig.messages(), [""; 0]);
    assert_eq!(rig.agent_state(jane), AgentStateEx::Ready, "its sessions stay");
}

#[test]
fn busy_elsewhere_shows_at_the_other_address() {
    let mut rig = Rig::new(two_groups());
    let jane = rig.log_in(4).agent;
    rig.phone(9, PhoneState::FREE);
    let group = rig.group("sales");
    let session = rig.center.sessions(rig.now).iter().find(|view| view.group == group).unwrap().id;
    rig.set_session(session, Some(Ended), None).unwrap();
    let open = AgentRequest::CreateAgentSession { agent: jane, pin: None, group, at: desk(9) };
    rig.ask(open).unwrap();
    rig.call(1, "support");
    rig.answer(1, 4);
    assert_eq!(rig.address_state(4), AgentState::BusyAcd);
    assert_eq!(rig.address_state(9), AgentState::BusyOther);
}
