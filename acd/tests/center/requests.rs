//! Requests of applications: errors (tapi-agents 4), lists, and the older functions by address (7.4).

use acd::PhoneState;
use tapi::agent::{AgentAnswer, AgentId, AgentRequest, AgentSessionId, GroupId, QueueId};
use tapi::constant::AgentState::{
    self, BusyAcd, BusyIncoming, BusyOutbound, LoggedOff, NotReady, Ready, WorkingAfterCall,
};
use tapi::constant::{AgentFeature, AgentSessionState};
use tapi::{Constant as _, LineErr, Mask};

use crate::rig::{Rig, desk, group, office};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn create(id: Option<&str>, pin: Option<&str>) -> AgentRequest {
    let (id, pin) = (id.map(str::to_owned), pin.map(str::to_owned));
    AgentRequest::CreateAgent { line: desk(4).line, id, pin }
}

fn set(
    rig: &mut Rig,
    state: Option<AgentState>,
    next: Option<AgentState>,
) -> Result<AgentAnswer, LineErr> {
    rig.ask(AgentRequest::SetAgentState { at: desk(4), state, next })
}

#[test]
fn an_agent_is_created_with_its_pin_or_as_whom_the_line_belongs_to() {
    let mut rig = Rig::new(office());
    for (request, expected) in [
        (create(Some("nobody"), None), Err(LineErr::InvalAgentId)),
        (create(Some("jane"), None), Err(LineErr::InvalPassword)),
        (create(Some("jane"), Some("0")), Err(LineErr::InvalPassword)),
        (create(None, Some("0")), Err(LineErr::InvalPassword)),
        (create(Some("jane"), Some("4711")), Ok(AgentAnswer::Agent(AgentId(1)))),
        (create(None, None), Ok(AgentAnswer::Agent(AgentId(1)))),
    ] {
        assert_eq!(rig.ask(request.clone()), expected, "{request:?}");
    }
    let elsewhere = AgentRequest::CreateAgent { line: desk(9).line, id: None, pin: None };
    assert_eq!(rig.ask(elsewhere), Err(LineErr::InvalAgentId));
}

#[test]
fn a_session_needs_an_agent_who_may_serve_the_group_at_a_free_address() {
    let mut plan = office();
    plan.groups.push(group("sales", "Sales"));
    let mut rig = Rig::new(plan);
    rig.ask(create(None, None)).unwrap();
    rig.log_in(5);
    let jane = AgentId(1);
    let open = |agent, pin, group, at| AgentRequest::CreateAgentSession { agent, pin, group, at };
    let helpdesk = rig.group("helpdesk");
    for (request, expected) in [
        (open(AgentId(99), None, helpdesk, desk(4)), LineErr::InvalParam),
        (open(jane, text("0"), helpdesk, desk(4)), LineErr::InvalPassword),
        (open(jane, None, GroupId(1), desk(4)), LineErr::InvalAgentGroup),
        (open(jane, None, rig.group("sales"), desk(4)), LineErr::InvalAgentGroup),
        (open(jane, None, helpdesk, desk(5)), LineErr::OperationFailed),
    ] {
        assert_eq!(rig.ask(request.clone()), Err(expected), "{request:?}");
    }
    assert!(rig.ask(open(jane, text("4711"), helpdesk, desk(4))).is_ok());
    let again = open(jane, None, helpdesk, desk(4));
    assert_eq!(
        rig.ask(again),
        Err(LineErr::OperationFailed),
        "it would be offered each call twice"
    );
}

#[test]
fn what_does_not_exist_is_an_invalid_parameter() {
    let mut rig = Rig::new(office());
    let (agent, session, queue) = (AgentId(99), AgentSessionId(99), QueueId(99));
    let state = None;
    for request in [
        AgentRequest::GetAgentInfo { agent },
        AgentRequest::GetAgentSessionList { agent },
        AgentRequest::SetAgentMeasurementPeriod { agent, seconds: 60 },
        AgentRequest::SetAgentStateEx { agent, state: None, next: None },
        AgentRequest::GetAgentSessionInfo { session },
        AgentRequest::SetAgentSessionState { session, state, next: None },
        AgentRequest::GetQueueInfo { queue },
        AgentRequest::SetQueueMeasurementPeriod { queue, seconds: 60 },
        AgentRequest::SetQueueMeasurementPeriod { queue: rig.queue("support"), seconds: 0 },
        AgentRequest::SetAgentMeasurementPeriod { agent: AgentId(1), seconds: 0 },
        AgentRequest::AgentSpecific { at: desk(4), extension: 7, params: serde_json::Value::Null },
    ] {
        assert_eq!(rig.ask(request.clone()), Err(LineErr::InvalParam), "{request:?}");
    }
    let nowhere = AgentRequest::GetQueueList { group: GroupId(1) };
    assert_eq!(rig.ask(nowhere), Err(LineErr::InvalAgentGroup));
}

#[test]
fn groups_queues_and_sessions_can_be_listed() {
    let mut rig = Rig::new(office());
    let entry = rig.log_in(4);
    let Ok(AgentAnswer::Groups(groups)) = rig.ask(AgentRequest::GetGroupList) else { panic!() };
    assert_eq!((groups.len(), groups[0].name.as_str()), (1, "Help desk"));
    let group = groups[0].group;
    let Ok(AgentAnswer::Queues(queues)) = rig.ask(AgentRequest::GetQueueList { group }) else {
        panic!()
    };
    assert_eq!((queues.len(), queues[0].name.as_str()), (1, "support"));
    let list = AgentRequest::GetAgentSessionList { agent: entry.agent };
    let Ok(AgentAnswer::Sessions(sessions)) = rig.ask(list) else { panic!() };
    assert_eq!((sessions[0].session, sessions[0].at), (entry.sessions[0], desk(4)));
    assert_eq!((sessions[0].agent, sessions[0].group), (entry.agent, group));
}

#[test]
fn the_older_view_of_an_address_follows_sessions_and_phone() {
    let mut rig = Rig::new(office());
    let free = PhoneState::FREE;
    assert_eq!(rig.address_state(4), LoggedOff);
    let session = rig.log_in(4).sessions[0];
    assert_eq!(rig.address_state(4), Ready);
    rig.phone(4, PhoneState { incoming: 1, ..free });
    assert_eq!(rig.address_state(4), BusyIncoming);
    rig.phone(4, PhoneState { outgoing: 1, ..free });
    assert_eq!(rig.address_state(4), BusyOutbound);
    rig.phone(4, free);
    rig.call(1, "support");
    rig.answer(1, 4);
    assert_eq!(rig.address_state(4), BusyAcd);
    rig.leave(1, 4);
    assert_eq!(rig.address_state(4), WorkingAfterCall);
    rig.set_session(session, Some(AgentSessionState::NotReady), None).unwrap();
    assert_eq!(rig.address_state(4), NotReady);
}

fn prepare(rig: &mut Rig, situation: &str) {
    rig.log_in(4);
    if situation != "ready" {
        rig.call(1, "support");
        rig.answer(1, 4);
    }
    if situation == "after a call" {
        rig.leave(1, 4);
    }
}

#[test]
fn the_older_function_sets_every_state_that_the_status_lists_as_valid_and_no_other() {
    for situation in ["ready", "on a call", "after a call"] {
        for &state in AgentState::ALL {
            for is_next in [false, true] {
                let mut rig = Rig::new(office());
                prepare(&mut rig, situation);
                let Ok(AgentAnswer::Status(status)) =
                    rig.ask(AgentRequest::GetAgentStatus { at: desk(4) })
                else {
                    panic!()
                };
                let (answer, valid) = if is_next {
                    (set(&mut rig, None, Some(state)), status.valid_next_states)
                } else {
                    (set(&mut rig, Some(state), None), status.valid_states)
                };
                let expected = match valid.contains(state) {
                    true => Ok(AgentAnswer::Done),
                    false => Err(LineErr::InvalAgentState),
                };
                assert_eq!(answer, expected, "{state:?}, next: {is_next}, {situation}");
            }
        }
    }
    let mut rig = Rig::new(office());
    assert_eq!(set(&mut rig, Some(Ready), None), Err(LineErr::InvalAddressState));
}

#[test]
fn after_call_work_is_asked_for_by_the_older_function_during_the_call() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    rig.call(1, "support");
    rig.answer(1, 4);
    set(&mut rig, Some(WorkingAfterCall), None).unwrap();
    rig.leave(1, 4);
    rig.pass(3600);
    assert_eq!(rig.address_state(4), WorkingAfterCall);
}

#[test]
fn the_older_next_state_is_entered_when_the_call_becomes_idle() {
    let mut rig = Rig::new(office());
    rig.log_in(4);
    rig.call(1, "support");
    rig.answer(1, 4);
    for (next, after) in [(NotReady, NotReady), (Ready, Ready), (LoggedOff, LoggedOff)] {
        set(&mut rig, None, Some(next)).unwrap();
        let Ok(AgentAnswer::Status(status)) = rig.ask(AgentRequest::GetAgentStatus { at: desk(4) })
        else {
            panic!()
        };
        assert_eq!(status.next, Some(next));
        rig.leave(1, 4);
        assert_eq!(rig.address_state(4), after);
        if after != LoggedOff {
            set(&mut rig, Some(Ready), None).unwrap();
            rig.call(1, "support");
            rig.answer(1, 4);
        }
    }
}

#[test]
fn groups_are_set_exactly_and_none_logs_out() {
    let mut plan = office();
    plan.groups.push(group("sales", "Sales"));
    plan.agents[0].groups.push(String::from("sales"));
    let mut rig = Rig::new(plan);
    let (helpdesk, sales) = (rig.group("helpdesk"), rig.group("sales"));
    let set = |rig: &mut Rig, groups: &[GroupId]| {
        rig.ask(AgentRequest::SetAgentGroup { at: desk(4), groups: groups.to_vec() })
    };
    let groups = |rig: &mut Rig| match rig.ask(AgentRequest::GetAgentStatus { at: desk(4) }) {
        Ok(AgentAnswer::Status(status)) => status.groups.iter().map(|entry| entry.group).collect(),
        _ => Vec::new(),
    };
    set(&mut rig, &[helpdesk, sales]).unwrap();
    assert_eq!(groups(&mut rig), [helpdesk, sales]);
    assert_eq!(set(&mut rig, &[GroupId(1)]), Err(LineErr::InvalAgentGroup));
    set(&mut rig, &[sales]).unwrap();
    assert_eq!(groups(&mut rig), [sales]);
    rig.hush();
    set(&mut rig, &[]).unwrap();
    assert_eq!(groups(&mut rig), []);
    assert!(rig.messages().contains(&String::from("agent 1 STATE RELEASED")));
    let elsewhere = AgentRequest::SetAgentGroup { at: desk(9), groups: vec![helpdesk] };
    assert_eq!(rig.ask(elsewhere), Err(LineErr::InvalAgentId));
}

#[test]
fn the_groups_an_agent_may_log_in_to_are_listed_whether_it_has_or_not() {
    let mut rig = Rig::new(office());
    for _ in 0..2 {
        let Ok(AgentAnswer::Groups(list)) =
            rig.ask(AgentRequest::GetAgentGroupList { at: desk(4) })
        else {
            panic!()
        };
        assert_eq!(list.len(), 1);
        rig.log_in(4);
    }
    let nobody = AgentRequest::GetAgentGroupList { at: desk(9) };
    assert_eq!(rig.ask(nobody), Err(LineErr::InvalAgentId));
}

#[test]
fn an_activity_of_the_list_can_be_set_by_who_is_logged_in() {
    let mut plan = office();
    plan.activities = vec![tapi::agent::Activity { id: 3, name: String::from("training") }];
    let mut rig = Rig::new(plan);
    let set = |activity| AgentRequest::SetAgentActivity { at: desk(4), activity };
    assert_eq!(rig.ask(set(3)), Err(LineErr::InvalAddressState));
    rig.log_in(4);
    rig.hush();
    assert_eq!(rig.ask(set(4)), Err(LineErr::InvalAgentActivity));
    assert_eq!(rig.ask(set(3)), Ok(AgentAnswer::Done));
    assert_eq!(rig.messages(), ["address 4 ACTIVITY"]);
    let Ok(AgentAnswer::Status(status)) = rig.ask(AgentRequest::GetAgentStatus { at: desk(4) })
    else {
        panic!()
    };
    assert_eq!(status.activity.unwrap().name, "training");
    let list = rig.ask(AgentRequest::GetAgentActivityList { at: desk(4) });
    assert!(matches!(list, Ok(AgentAnswer::Activities(list)) if list.len() == 1));
}

#[test]
fn features_show_what_can_be_done_at_an_address() {
    let mut rig = Rig::new(office());
    let features =
        |rig: &mut Rig, line| match rig.ask(AgentRequest::GetAgentStatus { at: desk(line) }) {
            Ok(AgentAnswer::Status(status)) => status.features,
            _ => Mask::EMPTY,
        };
    assert_eq!(features(&mut rig, 9), Mask::from(AgentFeature::AgentSpecific));
    assert!(!features(&mut rig, 4).contains(AgentFeature::SetAgentState));
    assert!(features(&mut rig, 4).contains(AgentFeature::SetAgentGroup));
    rig.log_in(4);
    assert_eq!(features(&mut rig, 4), Mask::all());
    let Ok(AgentAnswer::Caps(caps)) = rig.ask(AgentRequest::GetAgentCaps { at: desk(4) }) else {
        panic!()
    };
    assert_eq!(caps.states, LoggedOff | NotReady | Ready | WorkingAfterCall);
    assert_eq!(caps.features, Mask::all());
    assert_eq!((caps.max_groups, caps.extensions.len()), (1, 2));
}

#[test]
fn the_private_statistics_of_a_queue_are_an_extension() {
    let mut rig = Rig::new(office());
    rig.call(1, "support");
    let params = serde_json::json!({ "queueId": rig.queue("support").0 });
    let request = AgentRequest::AgentSpecific { at: desk(4), extension: 1, params };
    let Ok(AgentAnswer::Specific(answer)) = rig.ask(request) else { panic!() };
    assert_eq!(answer["queued"], 1);
    assert_eq!(answer["taken_away"], 0);
}
