//! Messages (tapi-agents 6 and 10.2): which, and in which order.

use acd::{CallKey, Output};
use tapi::agent::{AgentAnswer, AgentNotice, AgentRequest};
use tapi::constant::AgentStateEx;

use crate::rig::{Rig, desk, line, office};

#[test]
fn a_log_in_tells_of_agent_session_and_address_and_then_that_they_are_ready() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    assert_eq!(
        rig.messages(),
        [
            "agent 1 NEWAGENT",
            "session 1 NEWSESSION",
            "address 4 GROUP|STATE|VALIDSTATES|VALIDNEXTSTATES NOTREADY",
            "session 1 STATE READY",
            "agent 1 STATE READY",
            "address 4 STATE READY",
        ]
    );
}

#[test]
fn a_call_from_queue_to_after_call_work_tells_session_agent_address_statistics_queue() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    rig.pass(60);
    rig.hush();
    rig.call(1, "support");
    assert_eq!(rig.messages(), ["queue UPDATEINFO"], "reserved: no message");
    rig.pass(5);
    rig.answer(1, 4);
    assert_eq!(
        rig.messages(),
        [
            "session 1 STATE BUSYONCALL",
            "agent 1 STATE BUSYACD",
            "address 4 STATE|VALIDSTATES|VALIDNEXTSTATES BUSYACD",
            "queue UPDATEINFO",
        ]
    );
    rig.pass(100);
    rig.leave(1, 4);
    assert_eq!(
        rig.messages(),
        [
            "session 1 STATE BUSYWRAPUP",
            "address 4 STATE|VALIDNEXTSTATES WORKINGAFTERCALL",
            "session 1 UPDATEINFO",
            "agent 1 UPDATEINFO",
        ],
        "the agent's state stays BUSYACD"
    );
    rig.pass(10);
    assert_eq!(
        rig.messages(),
        [
            "session 1 STATE READY",
            "agent 1 STATE READY",
            "address 4 STATE|VALIDSTATES READY",
            "session 1 UPDATEINFO",
            "agent 1 UPDATEINFO",
        ]
    );
}

#[test]
fn a_caller_who_gives_up_while_the_agent_rings_shows_at_the_queue_only() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    rig.call(1, "support");
    rig.pass(5);
    rig.hush();
    rig.center.abandon(CallKey(1), rig.now).unwrap();
    assert_eq!(rig.messages(), ["queue UPDATEINFO"]);
    assert_eq!(rig.queue_info("support").abandoned, 1);
}

#[test]
fn changed_statistics_are_told_once_a_second_and_the_last_change_is_not_lost() {
    let mut rig = Rig::new(office());
    rig.hush();
    for call in 1..=50 {
        rig.call(call, "support");
    }
    assert_eq!(rig.messages(), ["queue UPDATEINFO"]);
    rig.pass(1);
    assert_eq!(rig.messages(), ["queue UPDATEINFO"]);
    rig.pass(60);
    assert_eq!(rig.messages(), [""; 0]);
}

#[test]
fn who_becomes_ready_is_told_so_before_the_next_call_rings() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    rig.call(1, "support");
    rig.answer(1, 4);
    rig.call(2, "support");
    rig.leave(1, 4);
    rig.hush();
    rig.pass(10);
    let outputs = rig.outputs();
    let at = |wanted: &str| {
        outputs.iter().position(|output| match output {
            Output::Notice { notice, .. } => line(notice) == wanted,
            Output::Ring { .. } => wanted == "ring",
            _ => false,
        })
    };
    assert!(at("session 1 STATE READY").unwrap() < at("ring").unwrap(), "{outputs:?}");
}

#[test]
fn setting_the_present_state_again_says_nothing() {
    let mut rig = Rig::new(office());
    let jane = rig.log_in(4).agent;
    rig.hush();
    rig.set_agent(jane, Some(AgentStateEx::Ready), None).unwrap();
    rig.center.set_ready(desk(4), true, rig.now).unwrap();
    assert_eq!(rig.messages(), [""; 0]);
}

#[test]
fn every_message_with_a_state_says_which_and_no_other_does() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    rig.call(1, "support");
    rig.answer(1, 4);
    rig.center.log_out(desk(4), rig.now).unwrap();
    rig.leave(1, 4);
    for output in rig.outputs() {
        let Output::Notice { notice, .. } = output else { continue };
        let text = line(&notice);
        let (says, has) = match notice {
            AgentNotice::Session { state, .. } => {
                (text.contains("|STATE") || text.contains(" STATE"), state.is_some())
            }
            AgentNotice::Agent { state, .. } => (text.contains(" STATE"), state.is_some()),
            AgentNotice::Address { state, .. } => {
                (text.contains(" STATE") || text.contains("|STATE"), state.is_some())
            }
            _ => continue,
        };
        assert_eq!(says, has, "{text}");
    }
}

#[test]
fn more_time_for_after_call_work_is_told_at_the_address() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    rig.call(1, "support");
    rig.answer(1, 4);
    rig.leave(1, 4);
    rig.hush();
    let params = serde_json::json!({ "seconds": 30 });
    let request = AgentRequest::AgentSpecific { at: desk(4), extension: 0, params };
    let remaining = serde_json::json!({ "remaining": 40 });
    assert_eq!(rig.ask(request), Ok(AgentAnswer::Specific(remaining)));
    assert_eq!(rig.messages(), ["specific 4 0 {\"remaining\":40}"]);
}
