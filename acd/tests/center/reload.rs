//! A new configuration, and a restart.

use acd::{Center, Destination, Output, Overflow, Overflowed, PhoneState, QueuePlan, Snapshot};
use tapi::LineErr;
use tapi::agent::AgentRequest;
use tapi::constant::AgentSessionState::{BusyOnCall, Ended, Ready};
use tapi::constant::AgentStateEx;

use crate::rig::{Rig, desk, group, office};

fn replan(rig: &mut Rig, plan: acd::Plan) {
    rig.hush();
    rig.center.replan(plan.clone(), rig.now);
    rig.plan = plan;
}

#[test]
fn a_queue_that_is_gone_sends_its_calls_to_its_last_resort() {
    let mut plan = office();
    plan.queues[0].overflow = Overflow::Number(String::from("206"));
    let mut rig = Rig::new(plan.clone());
    let queue = rig.queue("support");
    rig.log_in(4);
    rig.call(1, "support");
    rig.call(2, "support");
    plan.queues.clear();
    replan(&mut rig, plan);
    let outputs = rig.outputs();
    let overflowed: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Overflow { call, from, to, why } => Some((call.0, *from, to.clone(), *why)),
            _ => None,
        })
        .collect();
    let to = Destination::Number(String::from("206"));
    let why = Overflowed::QueueRemoved;
    assert_eq!(overflowed, [(1, queue, to.clone(), why), (2, queue, to, why)]);
    assert!(outputs.iter().any(|output| matches!(output, Output::StopRinging { .. })));
    assert_eq!(rig.ask(AgentRequest::GetQueueInfo { queue }), Err(LineErr::InvalParam));
}

#[test]
fn queues_and_groups_that_come_and_go_are_told_and_keep_their_identity() {
    let mut rig = Rig::new(office());
    let support = rig.queue("support");
    let mut more = office();
    more.groups.push(group("sales", "Sales"));
    more.queues.insert(0, QueuePlan::new("sales", &["sales"]));
    replan(&mut rig, more);
    assert_eq!(rig.messages(), ["group NEWGROUP", "queue NEWQUEUE"]);
    assert_eq!(rig.queue("support"), support);
    replan(&mut rig, office());
    assert_eq!(rig.messages(), ["group GROUPREMOVED", "queue QUEUEREMOVED"]);
    replan(&mut rig, office());
    assert_eq!(rig.messages(), [""; 0], "nothing changed");
}

#[test]
fn a_session_of_a_group_that_is_gone_ends_after_its_call_whatever_is_asked_meanwhile() {
    let mut plan = office();
    plan.groups.push(group("sales", "Sales"));
    plan.agents[0].groups.push(String::from("sales"));
    let mut rig = Rig::new(plan.clone());
    let jane = rig.log_in(4).agent;
    rig.call(1, "support");
    let session = rig.answer(1, 4);
    plan.groups.remove(0);
    replan(&mut rig, plan);
    assert_eq!(rig.state(session), BusyOnCall);
    assert_eq!(rig.set_session(session, Some(Ready), None), Err(LineErr::InvalAgentState));
    rig.leave(1, 4);
    assert_eq!(rig.state(session), Ended);
    assert_eq!(rig.agent_state(jane), AgentStateEx::Ready, "the other group's session lives on");
}

#[test]
fn an_agent_that_is_gone_is_logged_out_after_its_call_and_then_unknown() {
    let mut plan = office();
    let mut rig = Rig::new(plan.clone());
    let jane = rig.log_in(4).agent;
    rig.call(1, "support");
    rig.answer(1, 4);
    plan.agents.remove(0);
    replan(&mut rig, plan.clone());
    assert_eq!(rig.agent_state(jane), AgentStateEx::BusyAcd);
    assert_eq!(rig.set_agent(jane, Some(AgentStateEx::Ready), None), Err(LineErr::InvalAgentState));
    rig.hush();
    rig.leave(1, 4);
    let messages = rig.messages();
    assert_eq!(messages[0], "session 1 STATE ENDED");
    assert!(messages.contains(&String::from("agent 1 STATE RELEASED")), "{messages:?}");
    assert!(messages.contains(&String::from("session 1 STATE RELEASED")), "{messages:?}");
    assert_eq!(rig.ask(AgentRequest::GetAgentInfo { agent: jane }), Err(LineErr::InvalParam));
    replan(&mut rig, office());
    let again = rig.center.agent_named("jane").unwrap();
    assert_ne!(again, jane, "a handle is given once");
}

#[test]
fn a_new_agent_and_a_new_strategy_are_in_force_at_once() {
    let mut plan = office();
    plan.agents.pop();
    let mut rig = Rig::new(plan);
    rig.call(1, "support");
    replan(&mut rig, office());
    rig.phone(5, PhoneState::FREE);
    rig.log_in(5);
    assert_eq!(rig.rings(), [(1, 5)]);
}

#[test]
fn a_line_that_is_gone_ends_its_sessions() {
    let mut rig = Rig::new(office());
    let session = rig.log_in(4).sessions[0];
    rig.center.remove_line(desk(4).line, rig.now);
    assert_eq!(rig.state(session), Ended);
}

/// A restart after this rig; lines have other numbers then.
fn restart(rig: &mut Rig) {
    let name_of = |line: tapi::DeviceId| Some(format!("20{}", line.0));
    let snapshot = rig.center.snapshot(rig.now, name_of);
    let text = serde_json::to_string(&snapshot).unwrap();
    let snapshot: Snapshot = serde_json::from_str(&text).unwrap();
    rig.pass(60);
    let mut plan = rig.plan.clone();
    for agent in &mut plan.agents {
        agent.line = agent.line.map(|line| tapi::DeviceId(line.0 + 10));
    }
    let line_of =
        |name: &str| Some(tapi::DeviceId(10 + name.strip_prefix("20")?.parse::<u32>().ok()?));
    rig.center = Center::restore(plan, &snapshot, rig.now, 8, line_of);
    for line in 11..20 {
        rig.phone(line, PhoneState::FREE);
    }
    rig.hush();
}

#[test]
fn agents_sessions_and_books_survive_a_restart() {
    let mut rig = Rig::new(office());
    let jane = rig.log_in(4);
    rig.call(1, "support");
    rig.answer(1, 4);
    rig.pass(100);
    rig.leave(1, 4);
    rig.pass(10);
    rig.call(2, "support");
    rig.center.abandon(acd::CallKey(2), rig.now).unwrap();
    rig.set_agent(jane.agent, None, Some(AgentStateEx::NotReady)).unwrap();
    let (agent, queue) = (rig.agent_info(jane.agent), rig.queue_info("support"));
    let session = rig.session_info(jane.sessions[0]);
    restart(&mut rig);
    assert_eq!(rig.queue_info("support"), queue);
    let mut after = rig.agent_info(jane.agent);
    assert_eq!((after.state, after.next), (agent.state, agent.next));
    after.overall_call_rate = agent.overall_call_rate;
    assert_eq!(after, agent);
    let mut after = rig.session_info(jane.sessions[0]);
    assert_eq!(after.duration, session.duration + 60);
    (after.duration, after.call_rate) = (session.duration, session.call_rate);
    assert_eq!(after, session);
    rig.call(3, "support");
    assert_eq!(rig.rings(), [(3, 14)], "at its line's new number");
    let omar = rig.center.log_in(desk(15), None, None, rig.now).unwrap();
    assert!(!omar.sessions.contains(&jane.sessions[0]), "handles are given once");
}

#[test]
fn after_call_work_goes_on_after_a_restart_and_calls_in_progress_are_booked() {
    let mut plan = office();
    plan.queues[0].wrap_up = std::time::Duration::from_secs(90);
    let mut rig = Rig::new(plan);
    let (jane, omar) = (rig.log_in(4), rig.log_in(5));
    rig.call(1, "support");
    rig.answer(1, 4);
    rig.call(2, "support");
    rig.answer(2, 5);
    rig.call(3, "support");
    rig.pass(50);
    rig.leave(1, 4);
    restart(&mut rig);
    assert_eq!(rig.agent_state(jane.agent), AgentStateEx::BusyAcd);
    rig.pass(30);
    let info = rig.session_info(jane.sessions[0]);
    assert_eq!((info.state, info.wrap_up_time), (Ready, 90));
    let info = rig.session_info(omar.sessions[0]);
    assert_eq!((info.state, info.calls, info.talk_time), (Ready, 1, 50));
    let info = rig.queue_info("support");
    assert_eq!((info.waiting, info.final_disposition), (0, 1), "who waited was cut off");
}
