//! What becomes of calls that nobody answers: overflow, empty queues, flow, announcements, and the
//! statistics that TAPI does not have.

use std::time::Duration;

use acd::{
    CallKey, Destination, EmptyQueue, Output, Overflow, Overflowed, Plan, QueuePlan, WaitingCall,
};

use crate::rig::{Rig, desk, office};

fn overflows(rig: &mut Rig) -> Vec<(u64, Destination, Overflowed)> {
    let outputs = rig.outputs();
    let one = |output: &Output| match output {
        Output::Overflow { call, to, why, .. } => Some((call.0, to.clone(), *why)),
        _ => None,
    };
    outputs.iter().filter_map(one).collect()
}

fn number() -> Overflow {
    Overflow::Number(String::from("206"))
}

/// `support` with a second queue `other` behind it.
fn two_queues() -> Plan {
    let mut plan = office();
    plan.queues[0].overflow = Overflow::Queue(String::from("other"));
    let mut other = QueuePlan::new("other", &["helpdesk"]);
    other.overflow = number();
    plan.queues.push(other);
    plan
}

#[test]
fn a_call_that_waited_too_long_goes_to_the_last_resort() {
    let mut plan = office();
    plan.queues[0].max_wait = Some(Duration::from_secs(300));
    plan.queues[0].overflow = number();
    let mut rig = Rig::new(plan);
    rig.call(1, "support");
    rig.pass(299);
    assert_eq!(overflows(&mut rig), []);
    rig.pass(1);
    let to = Destination::Number(String::from("206"));
    assert_eq!(overflows(&mut rig), [(1, to, Overflowed::MaxWait)]);
    let info = rig.queue_info("support");
    assert_eq!((info.final_disposition, info.flowed_out, info.waiting), (1, 0, 0));
    assert_eq!((info.average_wait, info.longest_ever_wait), (300, 300));
}

#[test]
fn a_call_that_overflows_while_a_phone_rings_stops_it() {
    let mut plan = office();
    plan.queues[0].max_wait = Some(Duration::from_secs(10));
    let mut rig = Rig::new(plan);
    rig.log_in(4);
    rig.call(1, "support");
    rig.hush();
    rig.pass(10);
    let outputs = rig.outputs();
    let stop = Output::StopRinging { call: CallKey(1), at: desk(4), is_answered_elsewhere: false };
    assert!(outputs.contains(&stop), "{outputs:?}");
    rig.call(2, "support");
    assert_eq!(rig.rings(), [(2, 4)]);
}

#[test]
fn a_call_that_goes_to_another_queue_counts_there_and_here() {
    let mut plan = two_queues();
    plan.queues[0].max_wait = Some(Duration::from_secs(60));
    let mut rig = Rig::new(plan);
    rig.call(1, "support");
    rig.pass(60);
    let other = rig.queue("other");
    assert_eq!(overflows(&mut rig), [(1, Destination::Queue(other), Overflowed::MaxWait)]);
    let from_queue = Some(rig.queue("support"));
    let call = WaitingCall { key: CallKey(1), queue: other, from_queue, priority: 0 };
    rig.center.enqueue(call, rig.now).unwrap();
    let (here, there) = (rig.queue_info("support"), rig.queue_info("other"));
    assert_eq!((here.flowed_out, here.final_disposition, here.waiting), (1, 0, 0));
    assert_eq!((there.flowed_in, there.queued, there.waiting), (1, 1, 1));
}

#[test]
fn a_waiting_call_that_enters_another_queue_has_left_the_first() {
    let mut rig = Rig::new(two_queues());
    rig.call(1, "support");
    rig.call(1, "other");
    assert_eq!(rig.center.queue_of(CallKey(1)), Some(rig.queue("other")));
    assert_eq!(rig.queue_info("support").flowed_out, 1);
    assert_eq!(rig.queue_info("support").waiting, 0);
    assert_eq!(rig.queue_info("other").waiting, 1);
}

#[test]
fn a_full_queue_refuses_and_names_where_the_call_goes() {
    let mut plan = two_queues();
    plan.queues[0].max_length = Some(2);
    plan.queues[1].max_length = Some(1);
    let mut rig = Rig::new(plan);
    rig.call(1, "support");
    rig.call(2, "support");
    let queue = rig.queue("support");
    let call = |key| WaitingCall { key: CallKey(key), queue, from_queue: None, priority: 0 };
    let refusal = rig.center.enqueue(call(3), rig.now).unwrap_err();
    assert_eq!(refusal.to, Destination::Queue(rig.queue("other")));
    assert_eq!(refusal.why, Overflowed::Full);
    rig.call(3, "other");
    // Past a queue that is full as well.
    let refusal = rig.center.enqueue(call(4), rig.now).unwrap_err();
    assert_eq!(refusal.to, Destination::Number(String::from("206")));
    assert_eq!(rig.queue_info("support").queued, 2, "a refused call was never queued");
}

#[test]
fn all_queues_together_hold_no_more_than_the_bound() {
    let mut rig = Rig::new(two_queues());
    let queues = [rig.queue("support"), rig.queue("other")];
    let call = |key: usize| {
        let (key, queue) = (CallKey(key as u64), queues[key % 2]);
        WaitingCall { key, queue, from_queue: None, priority: 0 }
    };
    for key in 0..acd::MAX_WAITING_CALLS {
        rig.center.enqueue(call(key), rig.now).unwrap();
        rig.hush();
    }
    let refusal = rig.center.enqueue(call(acd::MAX_WAITING_CALLS), rig.now).unwrap_err();
    let number = Destination::Number(String::from("206"));
    assert_eq!((refusal.why, refusal.to), (Overflowed::Full, number), "no queue takes it");
    rig.center.abandon(CallKey(7), rig.now).unwrap();
    rig.center.enqueue(call(acd::MAX_WAITING_CALLS), rig.now).unwrap();
}

#[test]
fn two_full_queues_behind_each_other_end_the_call() {
    let mut plan = two_queues();
    plan.queues[0].max_length = Some(0);
    plan.queues[1].max_length = Some(0);
    plan.queues[1].overflow = Overflow::Queue(String::from("support"));
    let mut rig = Rig::new(plan);
    let call =
        WaitingCall { key: CallKey(1), queue: rig.queue("support"), from_queue: None, priority: 0 };
    assert_eq!(rig.center.enqueue(call, rig.now).unwrap_err().to, Destination::HangUp);
}

#[test]
fn an_empty_queue_lets_calls_wait_or_refuses_new_ones_or_sends_all_on() {
    for (policy, refuses, empties) in [
        (EmptyQueue::Wait, false, false),
        (EmptyQueue::RefuseNew, true, false),
        (EmptyQueue::Overflow, true, true),
    ] {
        let mut plan = office();
        plan.queues[0].when_empty = policy;
        plan.queues[0].overflow = number();
        let mut rig = Rig::new(plan);
        let queue = rig.queue("support");
        let call = |key| WaitingCall { key: CallKey(key), queue, from_queue: None, priority: 0 };
        let first = rig.center.enqueue(call(1), rig.now);
        assert_eq!(first.is_err(), refuses, "{policy:?}");
        if let Err(refusal) = first {
            assert_eq!(refusal.why, Overflowed::NobodyLoggedIn);
        }
        rig.log_in(4);
        rig.center.set_ready(desk(4), false, rig.now).unwrap();
        rig.call(2, "support");
        rig.hush();
        rig.center.log_out(desk(4), rig.now).unwrap();
        assert_eq!(!overflows(&mut rig).is_empty(), empties, "{policy:?}");
    }
}

#[test]
fn callers_are_told_their_position_and_how_long_it_will_take() {
    let mut plan = office();
    plan.queues[0].announce = Some(Duration::from_secs(30));
    plan.queues[0].wrap_up = Duration::ZERO;
    let mut rig = Rig::new(plan);
    rig.log_in(4);
    rig.call(1, "support");
    rig.answer(1, 4);
    rig.pass(100);
    rig.leave(1, 4);
    rig.call(2, "support");
    rig.answer(2, 4);
    rig.call(3, "support");
    rig.call(4, "support");
    rig.hush();
    rig.pass(30);
    let announced: Vec<_> = rig
        .outputs()
        .into_iter()
        .filter_map(|output| match output {
            Output::Announce { call, position, expected_wait } => {
                Some((call.0, position, expected_wait))
            }
            _ => None,
        })
        .collect();
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(announced, [(3, 1, seconds(100)), (4, 2, seconds(200))]);
}

#[test]
fn an_application_that_takes_a_call_counts_as_that_and_as_nothing_else() {
    let mut rig = Rig::new(office());
    rig.call(1, "support");
    rig.center.take_away(CallKey(1), rig.now).unwrap();
    let counts = rig.center.queues(rig.now)[0].statistics.clone();
    assert_eq!((counts.taken_away, counts.abandoned, counts.departed()), (1, 0, 1));
    assert!(rig.center.abandon(CallKey(1), rig.now).is_err());
}

#[test]
fn service_level_speed_of_answer_and_abandonment_are_kept() {
    let mut plan = office();
    plan.queues[0].wrap_up = Duration::ZERO;
    let mut rig = Rig::new(plan);
    // Answered after 10 s and after 40 s, abandoned after 5 s and after 60 s.
    rig.call(1, "support");
    rig.pass(10);
    rig.log_in(4);
    rig.answer(1, 4);
    rig.call(2, "support");
    rig.pass(40);
    rig.leave(1, 4);
    rig.answer(2, 4);
    rig.call(3, "support");
    rig.pass(5);
    rig.center.abandon(CallKey(3), rig.now).unwrap();
    rig.call(4, "support");
    rig.pass(60);
    rig.center.abandon(CallKey(4), rig.now).unwrap();
    let counts = rig.center.queues(rig.now)[0].statistics.clone();
    // One of three: the caller who gave up at once does not count.
    assert_eq!(counts.service_level(), Some(1.0 / 3.0));
    assert_eq!(counts.average_speed_of_answer(), Duration::from_secs(25));
    assert_eq!(counts.abandonment(), Some(0.5));
}
