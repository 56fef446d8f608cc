//! The states of a session (tapi-agents 7.1): the whole matrix of what an application may ask, and
//! every row of the table.

use std::time::Duration;

use acd::{CallKey, Output, PhoneState, Refusal};
use tapi::agent::{AgentAnswer, AgentRequest, AgentSessionId};
use tapi::constant::AgentSessionState::{
    self, BusyOnCall, BusyWrapUp, Ended, NotReady, Ready, Released,
};
use tapi::constant::AgentStateEx;
use tapi::{Constant as _, LineErr};

use crate::rig::{Rig, desk, office};

/// What comes of setting a state.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    /// That state, and a message says so.
    Enters(AgentSessionState),
    /// Nothing changes, no message of a state.
    Silent,
    /// Nothing changes now; this follows the call.
    Next(AgentSessionState),
    /// LINEERR_INVALAGENTSTATE.
    Invalid,
    /// LINEERR_INVALPARAM: there is no such session any more.
    Unknown,
}

/// A call centre with Jane's session in this state.
fn with_session_in(state: AgentSessionState) -> (Rig, AgentSessionId) {
    let mut rig = Rig::new(office());
    let session = rig.log_in(4).sessions[0];
    let ask = |rig: &mut Rig, to| rig.set_session(session, Some(to), None).unwrap();
    match state {
        NotReady => drop(ask(&mut rig, NotReady)),
        Ready => {}
        BusyOnCall | BusyWrapUp => {
            rig.call(1, "support");
            rig.answer(1, 4);
            if state == BusyWrapUp {
                rig.pass(30);
                rig.leave(1, 4);
            }
        }
        Ended => drop(ask(&mut rig, Ended)),
        Released => {
            ask(&mut rig, Ended);
            ask(&mut rig, Released);
        }
    }
    rig.pass(1);
    rig.hush();
    (rig, session)
}

/// Row by row: from this state, what of NOTREADY, READY, BUSYONCALL, BUSYWRAPUP, ENDED, RELEASED.
#[rustfmt::skip]
const MATRIX: [(AgentSessionState, [Outcome; 6]); 6] = {
    use Outcome::{Enters, Invalid, Next, Silent, Unknown};
    [
        (NotReady, [Silent, Enters(Ready), Invalid, Invalid, Enters(Ended), Invalid]),
        (Ready, [Enters(NotReady), Silent, Invalid, Invalid, Enters(Ended), Invalid]),
        (BusyOnCall, [Next(NotReady), Next(Ready), Invalid, Next(BusyWrapUp), Next(Ended), Invalid]),
        (BusyWrapUp, [Enters(NotReady), Enters(Ready), Invalid, Silent, Enters(Ended), Invalid]),
        (Ended, [Invalid, Invalid, Invalid, Invalid, Invalid, Enters(Released)]),
        (Released, [Unknown, Unknown, Unknown, Unknown, Unknown, Unknown]),
    ]
};

#[test]
fn an_application_can_ask_for_every_documented_transition_and_for_no_other() {
    for (from, row) in MATRIX {
        for (expected, &to) in row.into_iter().zip(AgentSessionState::ALL) {
            let (mut rig, session) = with_session_in(from);
            let answer = rig.set_session(session, Some(to), None);
            let messages = rig.messages();
            let said: Vec<&String> = messages
                .iter()
                .filter(|m| m.starts_with("session") && m.contains("STATE"))
                .collect();
            let what = format!("{from:?} to {to:?}: {answer:?}, {messages:?}");
            match expected {
                Outcome::Invalid => assert_eq!(answer, Err(LineErr::InvalAgentState), "{what}"),
                Outcome::Unknown => assert_eq!(answer, Err(LineErr::InvalParam), "{what}"),
                _ => assert_eq!(answer, Ok(AgentAnswer::Done), "{what}"),
            }
            match expected {
                Outcome::Enters(state) => {
                    let name = state.name().trim_start_matches(AgentSessionState::PREFIX);
                    assert_eq!(said, [&format!("session {} STATE {name}", session.0)], "{what}");
                }
                _ => assert!(said.is_empty(), "{what}"),
            }
            if expected == Outcome::Unknown || to == Released && from == Ended {
                let gone = rig.ask(AgentRequest::GetAgentSessionInfo { session });
                assert_eq!(gone, Err(LineErr::InvalParam), "{what}");
                continue;
            }
            let info = rig.session_info(session);
            let (state, next) = match expected {
                Outcome::Enters(state) => (state, None),
                Outcome::Next(state) => (from, Some(state)),
                _ => (from, None),
            };
            assert_eq!((info.state, info.next), (state, next), "{what}");
        }
    }
}

#[test]
fn what_is_stored_as_next_state_comes_true_when_the_call_is_over() {
    for next in [NotReady, Ready, BusyWrapUp, Ended] {
        let (mut rig, session) = with_session_in(BusyOnCall);
        rig.set_session(session, None, Some(next)).unwrap();
        rig.leave(1, 4);
        let info = rig.session_info(session);
        assert_eq!((info.state, info.next), (next, None));
        // Row 10: no after-call work; asked for, it lasts until the agent says otherwise.
        rig.pass(600);
        assert_eq!(rig.state(session), next);
    }
}

#[test]
fn a_next_state_can_be_taken_back() {
    let (mut rig, session) = with_session_in(BusyOnCall);
    rig.set_session(session, None, Some(NotReady)).unwrap();
    rig.set_session(session, None, None).unwrap();
    rig.leave(1, 4);
    assert_eq!(rig.state(session), BusyWrapUp);
}

#[test]
fn a_next_state_that_cannot_be_is_refused_and_nothing_else_of_the_request_is_done() {
    for (from, next) in [
        (Ready, BusyOnCall),
        (Ready, BusyWrapUp),
        (Ready, Released),
        (BusyOnCall, BusyOnCall),
        (BusyOnCall, Released),
        (Ended, Ready),
    ] {
        let (mut rig, session) = with_session_in(from);
        let state = (from == Ready).then_some(NotReady);
        let answer = rig.set_session(session, state, Some(next));
        assert_eq!(answer, Err(LineErr::InvalAgentState), "{from:?} then {next:?}");
        assert_eq!(rig.state(session), from);
    }
}

#[test]
fn row_1_a_session_that_an_application_creates_begins_not_ready() {
    let mut rig = Rig::new(office());
    let line = desk(4).line;
    let id = Some(String::from("jane"));
    let pin = Some(String::from("4711"));
    let agent = match rig.ask(AgentRequest::CreateAgent { line, id, pin }).unwrap() {
        AgentAnswer::Agent(agent) => agent,
        other => panic!("{other:?}"),
    };
    let group = rig.group("helpdesk");
    rig.hush();
    let request = AgentRequest::CreateAgentSession { agent, pin: None, group, at: desk(4) };
    let session = match rig.ask(request).unwrap() {
        AgentAnswer::Session(session) => session,
        other => panic!("{other:?}"),
    };
    assert_eq!(rig.messages()[0], format!("session {} NEWSESSION", session.0));
    assert_eq!(rig.state(session), NotReady);
    rig.call(1, "support");
    assert_eq!(rig.rings(), [], "nothing happens to the agent unasked");
}

#[test]
fn row_2_who_logs_in_at_a_phone_is_not_ready_and_ready_at_once() {
    let mut rig = Rig::new(office());
    let session = rig.log_in(4).sessions[0];
    let messages = rig.messages();
    let of_session: Vec<_> = messages.iter().filter(|m| m.starts_with("session")).collect();
    let expected =
        [format!("session {} NEWSESSION", session.0), format!("session {} STATE READY", session.0)];
    assert_eq!(of_session, [&expected[0], &expected[1]]);
}

#[test]
fn rows_4_and_6_a_reserved_session_is_offered_no_second_call_and_says_nothing() {
    let (mut rig, session) = with_session_in(Ready);
    rig.call(1, "support");
    rig.call(2, "support");
    assert_eq!(rig.rings(), [(1, 4)]);
    assert_eq!(rig.state(session), Ready);
    rig.hush();
    rig.center.abandon(CallKey(1), rig.now).unwrap();
    let outputs = rig.outputs();
    let stop = Output::StopRinging { call: CallKey(1), at: desk(4), is_answered_elsewhere: false };
    assert!(outputs.contains(&stop), "{outputs:?}");
    assert!(matches!(outputs[1], Output::Ring { call: CallKey(2), .. }), "{outputs:?}");
    let info = rig.session_info(session);
    assert_eq!((info.state, info.calls, info.longest_time_to_answer), (Ready, 0, 0));
}

#[test]
fn row_5_the_session_whose_call_is_answered_is_busy_and_so_is_the_agent() {
    let (mut rig, session) = with_session_in(Ready);
    rig.call(1, "support");
    assert_eq!(rig.answer(1, 4), session);
    assert_eq!(rig.state(session), BusyOnCall);
    let agent = rig.center.agent_named("jane").unwrap();
    assert_eq!(rig.agent_state(agent), AgentStateEx::BusyAcd);
}

#[test]
fn row_7_an_agent_who_misses_three_calls_in_a_row_is_not_ready() {
    let (mut rig, session) = with_session_in(Ready);
    rig.call(1, "support");
    for miss in 1..=3 {
        assert_eq!(rig.rings(), [(1, 4)], "before miss {miss}");
        assert_eq!(rig.state(session), Ready);
        rig.refuse(1, 4, Refusal::NoAnswer);
        rig.pass(5);
    }
    assert_eq!(rig.state(session), NotReady);
    let said = rig.messages();
    assert!(said.contains(&format!("session {} STATE NOTREADY", session.0)), "{said:?}");
    assert_eq!(rig.queue_info("support").waiting, 1, "the call keeps its place");
}

#[test]
fn row_7_an_answered_call_clears_the_misses() {
    let (mut rig, session) = with_session_in(Ready);
    for call in 1..=2 {
        rig.call(call, "support");
        rig.refuse(call, 4, Refusal::NoAnswer);
        rig.pass(5);
        rig.answer(call, 4);
        rig.leave(call, 4);
        rig.pass(10);
    }
    rig.call(3, "support");
    rig.refuse(3, 4, Refusal::NoAnswer);
    assert_eq!(rig.state(session), Ready);
}

#[test]
fn rows_8_and_9_the_end_of_a_call_leads_to_after_call_work_where_the_queue_has_it() {
    let (mut rig, session) = with_session_in(BusyOnCall);
    rig.leave(1, 4);
    assert_eq!(rig.state(session), BusyWrapUp);

    let mut plan = office();
    plan.queues[0].wrap_up = Duration::ZERO;
    let mut rig = Rig::new(plan);
    let session = rig.log_in(4).sessions[0];
    rig.call(1, "support");
    rig.answer(1, 4);
    rig.leave(1, 4);
    assert_eq!(rig.state(session), Ready);
}

#[test]
fn row_14_the_end_of_after_call_work_leads_to_ready_or_the_next_state() {
    let (mut rig, session) = with_session_in(BusyWrapUp);
    rig.pass(8);
    assert_eq!(rig.state(session), BusyWrapUp);
    rig.pass(1);
    assert_eq!(rig.state(session), Ready);

    let (mut rig, session) = with_session_in(BusyWrapUp);
    rig.set_session(session, None, Some(NotReady)).unwrap();
    rig.pass(9);
    assert_eq!(rig.state(session), NotReady);
}

#[test]
fn row_15_after_call_work_that_ends_early_is_booked_as_long_as_it_was() {
    let (mut rig, session) = with_session_in(BusyWrapUp);
    rig.pass(3);
    rig.center.set_ready(desk(4), true, rig.now).unwrap();
    let info = rig.session_info(session);
    assert_eq!((info.state, info.wrap_up_time, info.call_time), (Ready, 4, 34));
    rig.pass(60);
    assert_eq!(rig.session_info(session).wrap_up_time, 4);
}

#[test]
fn row_16_who_asks_for_after_call_work_stays_there_until_it_says_otherwise() {
    let (mut rig, session) = with_session_in(BusyWrapUp);
    rig.set_session(session, Some(BusyWrapUp), None).unwrap();
    rig.pass(3599);
    assert_eq!(rig.state(session), BusyWrapUp);
    rig.set_session(session, Some(Ready), None).unwrap();
    assert_eq!(rig.session_info(session).wrap_up_time, 3600);
}

#[test]
fn after_call_work_can_be_extended_and_only_after_call_work() {
    let (mut rig, session) = with_session_in(BusyWrapUp);
    let end = rig.center.extend_wrap_up(session, Duration::from_secs(30), rig.now).unwrap();
    assert_eq!(end, Some(rig.now.after(Duration::from_secs(39))));
    rig.pass(38);
    assert_eq!(rig.state(session), BusyWrapUp);
    rig.pass(1);
    assert_eq!(rig.state(session), Ready);
    let again = rig.center.extend_wrap_up(session, Duration::from_secs(30), rig.now);
    assert_eq!(again, Err(LineErr::InvalAgentState));
}

#[test]
fn row_17_a_private_call_during_after_call_work_changes_nothing_of_it() {
    let (mut rig, session) = with_session_in(BusyWrapUp);
    let agent = rig.center.agent_named("jane").unwrap();
    rig.phone(4, PhoneState { outgoing: 1, ..PhoneState::FREE });
    assert_eq!(rig.state(session), BusyWrapUp);
    assert_eq!(rig.agent_state(agent), AgentStateEx::BusyAcd);
    rig.pass(9);
    assert_eq!(rig.state(session), Ready);
    assert_eq!(rig.agent_state(agent), AgentStateEx::BusyOutgoing);
}

#[test]
fn row_18_the_duration_of_an_ended_session_stops_and_it_can_still_be_read() {
    let (mut rig, session) = with_session_in(BusyWrapUp);
    rig.center.log_out(desk(4), rig.now).unwrap();
    let then = rig.session_info(session);
    rig.pass(600);
    assert_eq!(rig.session_info(session), then);
    assert_eq!((then.state, then.calls), (Ended, 1));
}

#[test]
fn row_19_an_ended_session_is_released_after_an_hour() {
    let (mut rig, session) = with_session_in(Ended);
    rig.pass(3597);
    assert_eq!(rig.state(session), Ended);
    rig.hush();
    rig.pass(2);
    assert_eq!(rig.messages(), [format!("session {} STATE RELEASED", session.0)]);
    let gone = rig.ask(AgentRequest::GetAgentSessionInfo { session });
    assert_eq!(gone, Err(LineErr::InvalParam));
}

#[test]
fn row_19_who_releases_a_logged_out_agent_releases_its_ended_sessions() {
    let (mut rig, session) = with_session_in(Ready);
    let agent = rig.center.log_out(desk(4), rig.now).unwrap();
    assert_eq!(rig.state(session), Ended);
    rig.set_agent(agent, Some(AgentStateEx::Released), None).unwrap();
    let gone = rig.ask(AgentRequest::GetAgentSessionInfo { session });
    assert_eq!(gone, Err(LineErr::InvalParam));
}

#[test]
fn row_23_a_session_without_a_phone_is_ready_but_gets_no_call_until_it_registers() {
    let (mut rig, session) = with_session_in(Ready);
    rig.phone(4, PhoneState { is_registered: false, ..PhoneState::FREE });
    rig.call(1, "support");
    assert_eq!(rig.rings(), []);
    assert_eq!(rig.state(session), Ready);
    rig.phone(4, PhoneState::FREE);
    assert_eq!(rig.rings(), [(1, 4)]);
}

#[test]
fn a_session_that_is_reserved_and_becomes_not_ready_gives_the_call_back() {
    let (mut rig, session) = with_session_in(Ready);
    rig.log_in(5);
    rig.call(1, "support");
    let first = rig.rings();
    assert_eq!(first, [(1, 4)]);
    rig.set_session(session, Some(NotReady), None).unwrap();
    assert_eq!(rig.rings(), [(1, 5)]);
    assert!(rig.center.answered(CallKey(1), desk(4), rig.now).is_err());
}
