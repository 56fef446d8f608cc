//! Which agent gets which call (tapi-agents 10.4), and what a refusal means (10.5).

use std::time::Duration;

use acd::{CallKey, Output, PhoneState, Plan, QueuePlan, Refusal, Strategy};
use tapi::agent::AgentRequest;
use tapi::constant::AgentSessionState;

use crate::rig::{Rig, agent, desk, group, office};

/// Agents a … d at lines 1 … 4, all in one group, no after-call work.
fn four(strategy: Strategy) -> Rig {
    let mut plan = Plan::new("office.example");
    plan.groups = vec![group("g", "Group")];
    let mut queue = QueuePlan::new("q", &["g"]);
    queue.strategy = strategy;
    plan.queues = vec![queue];
    plan.agents =
        ["d", "b", "c", "a"].iter().zip(1..).map(|(id, line)| agent(id, &["g"], line)).collect();
    let mut rig = Rig::new(plan);
    for line in 1..=4 {
        rig.log_in(line);
    }
    rig.hush();
    rig
}

/// A call that rings somewhere, is answered there and lasts so long; where.
fn serve(rig: &mut Rig, key: u64, seconds: u64) -> u32 {
    rig.call(key, "q");
    let (call, line) = rig.rings()[0];
    assert_eq!(call, key);
    rig.answer(key, line);
    rig.pass(seconds);
    rig.leave(key, line);
    rig.hush();
    line
}

#[test]
fn longest_idle_takes_whose_last_call_ended_first_and_who_never_had_one_before_that() {
    let mut rig = four(Strategy::LongestIdle);
    // All were ready at the same moment: by name, a, b, c, d.
    let order: Vec<u32> = (1..=6).map(|key| serve(&mut rig, key, 10)).collect();
    assert_eq!(order, [4, 2, 3, 1, 4, 2]);
}

#[test]
fn a_trip_to_not_ready_and_back_does_not_change_ones_place() {
    let mut rig = four(Strategy::LongestIdle);
    for key in 1..=4 {
        serve(&mut rig, key, 10);
    }
    rig.center.set_ready(desk(4), false, rig.now).unwrap();
    rig.pass(5);
    rig.center.set_ready(desk(4), true, rig.now).unwrap();
    rig.hush();
    assert_eq!(serve(&mut rig, 5, 10), 4);
}

#[test]
fn round_robin_goes_on_after_the_one_tried_last() {
    let mut rig = four(Strategy::RoundRobin);
    let order: Vec<u32> = (1..=5).map(|key| serve(&mut rig, key, 10)).collect();
    assert_eq!(order, [1, 2, 3, 4, 1]);
    rig.center.set_ready(desk(2), false, rig.now).unwrap();
    rig.hush();
    assert_eq!(serve(&mut rig, 6, 10), 3);
}

#[test]
fn sequential_always_begins_at_the_top_of_the_file() {
    let mut rig = four(Strategy::Sequential);
    let order: Vec<u32> = (1..=3).map(|key| serve(&mut rig, key, 10)).collect();
    assert_eq!(order, [1, 1, 1]);
}

#[test]
fn fewest_calls_takes_who_had_the_fewest_this_period() {
    let mut rig = four(Strategy::FewestCalls);
    let order: Vec<u32> = (1..=8).map(|key| serve(&mut rig, key, 10)).collect();
    assert_eq!(order, [4, 2, 3, 1, 4, 2, 3, 1]);
    // A new period of c: it has none.
    let c = rig.center.agent_named("c").unwrap();
    rig.ask(AgentRequest::SetAgentMeasurementPeriod { agent: c, seconds: 3600 }).unwrap();
    assert_eq!(serve(&mut rig, 9, 10), 3);
    assert_eq!(serve(&mut rig, 10, 10), 3);
}

#[test]
fn least_talk_time_takes_who_talked_least() {
    let mut rig = four(Strategy::LeastTalkTime);
    let order: Vec<u32> =
        [(1, 40), (2, 30), (3, 20), (4, 10)].map(|(key, talk)| serve(&mut rig, key, talk)).to_vec();
    assert_eq!(order, [4, 2, 3, 1]);
    assert_eq!(serve(&mut rig, 5, 15), 1, "10 s so far");
    assert_eq!(serve(&mut rig, 6, 60), 3, "20 s against 25 s");
}

#[test]
fn random_takes_each_in_about_a_quarter_of_the_cases() {
    let mut rig = four(Strategy::Random);
    let mut counts = [0; 4];
    for key in 1..=400 {
        counts[serve(&mut rig, key, 1) as usize - 1] += 1;
    }
    assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
}

#[test]
fn where_everybody_rings_the_first_who_answers_has_the_call() {
    let mut rig = four(Strategy::RingAll);
    rig.call(1, "q");
    let mut rings = rig.rings();
    rings.sort_unstable();
    assert_eq!(rings, [(1, 1), (1, 2), (1, 3), (1, 4)]);
    rig.call(2, "q");
    assert_eq!(rig.rings(), [], "everybody is reserved");
    rig.refuse(1, 1, Refusal::Rejected);
    rig.answer(1, 3);
    let outputs = rig.outputs();
    let stopped: Vec<u32> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::StopRinging { call: CallKey(1), at, is_answered_elsewhere: true } => {
                Some(at.line.0)
            }
            _ => None,
        })
        .collect();
    assert_eq!(stopped, [2, 4]);
    let next: Vec<u32> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Ring { call: CallKey(2), at, .. } => Some(at.line.0),
            _ => None,
        })
        .collect();
    assert_eq!(next, [2, 4], "line 1 is in back-off, line 3 busy");
    assert!(rig.center.answered(CallKey(1), desk(2), rig.now).is_err());
}

#[test]
fn of_several_agents_who_become_free_at_once_the_strategy_takes_the_next_call() {
    let mut plan = Plan::new("office.example");
    plan.groups = vec![group("g", "Group")];
    let mut all = QueuePlan::new("all", &["g"]);
    all.strategy = Strategy::RingAll;
    plan.queues = vec![all, QueuePlan::new("q", &["g"])];
    plan.agents = vec![agent("a", &["g"], 1), agent("b", &["g"], 2)];
    let mut rig = Rig::new(plan);
    rig.log_in(1);
    serve(&mut rig, 1, 10);
    rig.log_in(2);
    rig.hush();
    rig.call(2, "all");
    rig.call(3, "q");
    assert_eq!(rig.rings().len(), 2);
    rig.center.abandon(CallKey(2), rig.now).unwrap();
    assert_eq!(rig.rings(), [(3, 2)], "b never had a call");
}

#[test]
fn where_everybody_rings_who_becomes_free_joins_in() {
    let mut rig = four(Strategy::RingAll);
    for line in 2..=4 {
        rig.center.set_ready(desk(line), false, rig.now).unwrap();
    }
    rig.call(1, "q");
    assert_eq!(rig.rings(), [(1, 1)]);
    rig.center.set_ready(desk(3), true, rig.now).unwrap();
    assert_eq!(rig.rings(), [(1, 3)]);
}

#[test]
fn calls_keep_their_order_within_a_priority_and_the_higher_comes_first() {
    let mut rig = Rig::new(office());
    for (key, priority) in [(1, 0), (2, 5), (3, 0), (4, 5)] {
        rig.call_with(key, "support", priority);
    }
    let queue = rig.queue("support");
    let order: Vec<u64> = rig.center.waiting(queue, rig.now).iter().map(|w| w.call.0).collect();
    assert_eq!(order, [2, 4, 1, 3]);
    rig.log_in(4);
    for key in [2, 4, 1, 3] {
        assert_eq!(rig.rings(), [(key, 4)]);
        rig.answer(key, 4);
        rig.leave(key, 4);
        rig.pass(10);
    }
}

#[test]
fn a_free_agent_serves_the_heavier_queue_first() {
    let mut plan = office();
    let mut vip = QueuePlan::new("vip", &["helpdesk"]);
    vip.weight = 10;
    plan.queues.push(vip);
    let mut rig = Rig::new(plan);
    rig.call(1, "support");
    rig.pass(100);
    rig.call(2, "vip");
    rig.log_in(4);
    assert_eq!(rig.rings(), [(2, 4)]);
}

#[test]
fn several_free_agents_serve_several_callers_at_once() {
    let mut rig = four(Strategy::LongestIdle);
    for key in 1..=5 {
        rig.call(key, "q");
    }
    assert_eq!(rig.rings(), [(1, 4), (2, 2), (3, 3), (4, 1)]);
}

#[test]
fn a_refused_call_keeps_its_place_and_tries_the_next_agent_at_once() {
    let mut rig = four(Strategy::Sequential);
    rig.call(1, "q");
    rig.pass(20);
    rig.refuse(1, 1, Refusal::NoAnswer);
    assert_eq!(rig.rings(), [(1, 1), (1, 2)]);
    let queue = rig.queue("q");
    let waiting = rig.center.waiting(queue, rig.now);
    assert_eq!(waiting[0].waited, Duration::from_secs(20));
    assert_eq!(waiting[0].ringing, [desk(2)]);
}

#[test]
fn a_call_given_back_does_not_overtake_a_more_urgent_one() {
    let mut plan = office();
    plan.groups.push(group("experts", "Experts"));
    plan.queues[0].groups.push(String::from("experts"));
    plan.agents[0].groups.push(String::from("experts"));
    let mut rig = Rig::new(plan);
    rig.log_in(4);
    rig.call_with(1, "support", 0);
    assert_eq!(rig.rings(), [(1, 4)]);
    rig.call_with(2, "support", 5);
    let first = rig.group("helpdesk");
    let session = rig.center.sessions(rig.now).iter().find(|view| view.group == first).unwrap().id;
    rig.set_session(session, Some(AgentSessionState::NotReady), None).unwrap();
    assert_eq!(rig.rings(), [(2, 4)], "by the other session");
}

#[test]
fn after_everybody_was_tried_there_is_a_pause() {
    let mut rig = four(Strategy::Sequential);
    rig.call(1, "q");
    for line in 1..=4 {
        assert_eq!(rig.rings(), [(1, line)]);
        rig.refuse(1, line, Refusal::NoAnswer);
    }
    assert_eq!(rig.rings(), []);
    rig.pass(4);
    assert_eq!(rig.rings(), []);
    rig.pass(1);
    assert_eq!(rig.rings(), [(1, 1)]);
}

#[test]
fn a_busy_phone_is_left_alone_for_a_minute_and_a_rejecting_one_for_ten_seconds() {
    for (why, pause) in [(Refusal::Busy, 60), (Refusal::Rejected, 10), (Refusal::Failed, 10)] {
        let mut rig = Rig::new(office());
        rig.log_in(4);
        rig.call(1, "support");
        rig.refuse(1, 4, why);
        rig.hush();
        rig.pass(pause - 1);
        assert_eq!(rig.rings(), [], "{why:?}");
        rig.pass(1);
        assert_eq!(rig.rings(), [(1, 4)], "{why:?}");
    }
}

#[test]
fn a_phone_that_is_not_there_gets_no_call_until_it_registers() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    rig.call(1, "support");
    rig.refuse(1, 4, Refusal::Unregistered);
    rig.hush();
    rig.pass(30);
    assert_eq!(rig.rings(), []);
    rig.phone(4, PhoneState::FREE);
    assert_eq!(rig.rings(), [(1, 4)]);
}

#[test]
fn an_agent_gets_no_call_while_its_phone_does_anything_else() {
    let free = PhoneState::FREE;
    for state in [
        PhoneState { alerting: 1, ..free },
        PhoneState { incoming: 1, ..free },
        PhoneState { dialling: 1, ..free },
        PhoneState { outgoing: 1, ..free },
        PhoneState { is_dnd: true, ..free },
        PhoneState { is_registered: false, ..free },
    ] {
        let mut rig = Rig::new(office());
        rig.log_in(4);
        rig.phone(4, state);
        rig.call(1, "support");
        assert_eq!(rig.rings(), [], "{state:?}");
        rig.phone(4, free);
        assert_eq!(rig.rings(), [(1, 4)], "{state:?}");
    }
}

#[test]
fn a_queue_served_by_two_groups_of_an_agent_books_on_the_one_it_lists_first() {
    let mut plan = office();
    plan.groups.push(group("experts", "Experts"));
    plan.queues[0].groups = vec![String::from("experts"), String::from("helpdesk")];
    plan.agents[0].groups = vec![String::from("helpdesk"), String::from("experts")];
    let mut rig = Rig::new(plan);
    rig.log_in(4);
    rig.call(1, "support");
    let session = rig.answer(1, 4);
    let sessions = rig.center.sessions(rig.now);
    let view = sessions.iter().find(|view| view.id == session).unwrap();
    assert_eq!(view.group, rig.group("experts"));
    let busy = sessions.iter().filter(|view| view.call.is_some()).count();
    assert_eq!(busy, 1);
}
