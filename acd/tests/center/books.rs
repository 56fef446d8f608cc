//! Bookkeeping (tapi-agents 8): the worked example, periods, private calls, rates.

use crate::rig::{Rig, desk, office};
use acd::{CallKey, PhoneState};
use tapi::agent::AgentRequest;
use tapi::constant::AgentSessionState;

/// tapi-agents 8: Q 0 s, O 2 s, A 7 s, hold 40–50 s, E 127 s, W 137 s.
#[test]
fn the_worked_example_of_the_statistics_chapter_comes_out_as_printed() {
    let mut rig = Rig::new(office());
    let jane = rig.log_in(4);
    let session = jane.sessions[0];
    rig.call(1, "support");
    rig.pass(2);
    rig.center.ringing(CallKey(1), desk(4), rig.now).unwrap();
    rig.pass(5);
    rig.answer(1, 4);
    rig.pass(120);
    rig.leave(1, 4);
    assert_eq!(rig.state(session), AgentSessionState::BusyWrapUp);
    rig.pass(10);
    assert_eq!(rig.state(session), AgentSessionState::Ready);

    let info = rig.session_info(session);
    assert_eq!((info.talk_time, info.wrap_up_time, info.call_time), (120, 10, 130));
    assert_eq!((info.average_talk_time, info.average_wrap_up_time), (120, 10));
    assert_eq!(info.average_call_time, 130);
    assert_eq!((info.longest_time_to_answer, info.average_time_to_answer), (5, 5));
    assert_eq!((info.calls, info.duration), (1, 137));
    assert_eq!(info.call_rate.0, 3600 * 10_000 / 137);
    let of_agent = rig.agent_info(jane.agent);
    assert_eq!(of_agent.acd_calls, 1);
    assert_eq!((of_agent.acd_talk_time, of_agent.acd_wrap_up_time), (120, 10));
    assert_eq!(of_agent.acd_call_time, 130);
    let queue = rig.queue_info("support");
    assert_eq!((queue.queued, queue.abandoned, queue.waiting), (1, 0, 0));
    assert_eq!((queue.average_wait, queue.longest_ever_wait), (7, 7));
}

#[test]
fn nothing_of_a_call_is_booked_on_the_session_before_it_is_over() {
    let mut rig = Rig::new(office());
    let session = rig.log_in(4).sessions[0];
    rig.call(1, "support");
    rig.answer(1, 4);
    rig.pass(60);
    let info = rig.session_info(session);
    assert_eq!((info.calls, info.talk_time, info.average_talk_time), (0, 0, 0));
}

#[test]
fn counters_restart_with_each_measurement_period_and_gauges_do_not() {
    let mut rig = Rig::new(office());
    let queue = rig.queue("support");
    rig.ask(AgentRequest::SetQueueMeasurementPeriod { queue, seconds: 60 }).unwrap();
    rig.call(1, "support");
    rig.call(2, "support");
    rig.pass(30);
    rig.center.abandon(CallKey(1), rig.now).unwrap();
    let info = rig.queue_info("support");
    assert_eq!((info.measurement_period, info.queued, info.abandoned), (60, 2, 1));
    rig.pass(30);
    let info = rig.queue_info("support");
    assert_eq!((info.queued, info.abandoned, info.waiting), (0, 0, 1));
    assert_eq!((info.longest_ever_wait, info.longest_wait, info.average_wait), (30, 60, 0));
    let carried = &rig.center.queues(rig.now)[0].statistics;
    assert_eq!(carried.carried, 1, "the call that waits is carried over");
}

#[test]
fn private_calls_count_when_they_end_and_only_if_somebody_answered() {
    let mut rig = Rig::new(office());
    let jane = rig.log_in(4);
    let free = PhoneState::FREE;
    rig.phone(4, PhoneState { alerting: 1, ..free });
    rig.phone(4, free);
    rig.phone(4, PhoneState { alerting: 1, ..free });
    rig.phone(4, PhoneState { incoming: 1, ..free });
    assert_eq!(rig.agent_info(jane.agent).incoming_calls, 0);
    rig.phone(4, free);
    rig.phone(4, PhoneState { dialling: 1, ..free });
    rig.phone(4, PhoneState { outgoing: 1, ..free });
    rig.phone(4, free);
    rig.phone(4, PhoneState { dialling: 1, ..free });
    rig.phone(4, free);
    let info = rig.agent_info(jane.agent);
    assert_eq!((info.incoming_calls, info.outgoing_calls, info.acd_calls), (1, 1, 0));
}
