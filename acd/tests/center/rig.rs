//! A small call centre for the tests: one clock, short names.

use std::time::Duration;

use acd::{
    AgentPlan, CallKey, Center, GroupPlan, LoggedIn, Output, PhoneState, Pin, Plan, QueuePlan,
    Time, WaitingCall,
};
use tapi::agent::{
    AgentAnswer, AgentId, AgentInfo, AgentNotice, AgentRequest, AgentSessionId, AgentSessionInfo,
    GroupId, QueueId, QueueInfo, WorkAddress,
};
use tapi::constant::{AgentSessionState, AgentState, AgentStateEx};
use tapi::{AddressId, DeviceId, LineErr};

/// When all tests begin.
pub(crate) const START: u64 = 1_767_225_600_000;

pub(crate) fn desk(line: u32) -> WorkAddress {
    WorkAddress { line: DeviceId(line), address: AddressId(0) }
}

pub(crate) fn group(key: &str, name: &str) -> GroupPlan {
    GroupPlan { key: key.to_owned(), name: name.to_owned() }
}

pub(crate) fn agent(id: &str, groups: &[&str], line: u32) -> AgentPlan {
    AgentPlan {
        id: id.to_owned(),
        pin: Some(Pin::new("4711")),
        groups: groups.iter().map(|&key| key.to_owned()).collect(),
        line: Some(DeviceId(line)),
    }
}

/// Queue `support` of group `helpdesk`, wrap-up 10 s; Jane at line 4, Omar at line 5.
pub(crate) fn office() -> Plan {
    let mut plan = Plan::new("office.example");
    plan.groups = vec![group("helpdesk", "Help desk")];
    let mut queue = QueuePlan::new("support", &["helpdesk"]);
    queue.wrap_up = Duration::from_secs(10);
    plan.queues = vec![queue];
    plan.agents = vec![agent("jane", &["helpdesk"], 4), agent("omar", &["helpdesk"], 5)];
    plan
}

/// A call centre and its clock.
pub(crate) struct Rig {
    pub(crate) center: Center,
    pub(crate) now: Time,
    pub(crate) plan: Plan,
}

impl Rig {
    pub(crate) fn new(plan: Plan) -> Self {
        let now = Time(START);
        let mut center = Center::new(plan.clone(), now, 7);
        for agent in &plan.agents {
            if let Some(line) = agent.line {
                center.phone(desk(line.0), PhoneState::FREE, now);
            }
        }
        center.outputs().for_each(drop);
        Self { center, now, plan }
    }

    /// Lets time pass; whatever is due happens at its moment.
    pub(crate) fn pass(&mut self, seconds: u64) {
        let end = self.now.after(Duration::from_secs(seconds));
        while let Some(due) = self.center.next_timer().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.center.tick(self.now);
        }
        self.now = end;
    }

    pub(crate) fn outputs(&mut self) -> Vec<Output> {
        self.center.outputs().collect()
    }

    /// Forgets what was said so far.
    pub(crate) fn hush(&mut self) {
        self.center.outputs().for_each(drop);
    }

    /// The messages, one line each.
    pub(crate) fn messages(&mut self) -> Vec<String> {
        let outputs = self.outputs();
        outputs
            .iter()
            .filter_map(|output| match output {
                Output::Notice { notice, .. } => Some(line(notice)),
                _ => None,
            })
            .collect()
    }

    /// The phones that are to ring, and for which call.
    pub(crate) fn rings(&mut self) -> Vec<(u64, u32)> {
        let outputs = self.outputs();
        outputs
            .iter()
            .filter_map(|output| match output {
                Output::Ring { call, at, .. } => Some((call.0, at.line.0)),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn log_in(&mut self, line: u32) -> LoggedIn {
        self.center.log_in(desk(line), None, None, self.now).unwrap()
    }

    pub(crate) fn queue(&self, name: &str) -> QueueId {
        self.center.queue_named(name).unwrap()
    }

    pub(crate) fn group(&self, key: &str) -> GroupId {
        acd::group_id("office.example", key)
    }

    pub(crate) fn call(&mut self, key: u64, queue: &str) {
        self.call_with(key, queue, 0);
    }

    pub(crate) fn call_with(&mut self, key: u64, queue: &str, priority: u32) {
        let queue = self.queue(queue);
        let call = WaitingCall { key: CallKey(key), queue, from_queue: None, priority };
        self.center.enqueue(call, self.now).unwrap();
    }

    pub(crate) fn answer(&mut self, key: u64, line: u32) -> AgentSessionId {
        self.center.answered(CallKey(key), desk(line), self.now).unwrap()
    }

    pub(crate) fn leave(&mut self, key: u64, line: u32) {
        self.center.left(CallKey(key), desk(line), self.now).unwrap();
    }

    pub(crate) fn refuse(&mut self, key: u64, line: u32, why: acd::Refusal) {
        self.center.refused(CallKey(key), desk(line), why, self.now).unwrap();
    }

    pub(crate) fn phone(&mut self, line: u32, state: PhoneState) {
        self.center.phone(desk(line), state, self.now);
    }

    pub(crate) fn ask(&mut self, request: AgentRequest) -> Result<AgentAnswer, LineErr> {
        self.center.ask(request, self.now)
    }

    pub(crate) fn set_session(
        &mut self,
        session: AgentSessionId,
        state: Option<AgentSessionState>,
        next: Option<AgentSessionState>,
    ) -> Result<AgentAnswer, LineErr> {
        self.ask(AgentRequest::SetAgentSessionState { session, state, next })
    }

    pub(crate) fn set_agent(
        &mut self,
        agent: AgentId,
        state: Option<AgentStateEx>,
        next: Option<AgentStateEx>,
    ) -> Result<AgentAnswer, LineErr> {
        self.ask(AgentRequest::SetAgentStateEx { agent, state, next })
    }

    pub(crate) fn session_info(&mut self, session: AgentSessionId) -> AgentSessionInfo {
        match self.ask(AgentRequest::GetAgentSessionInfo { session }) {
            Ok(AgentAnswer::SessionInfo(info)) => info,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn agent_info(&mut self, agent: AgentId) -> AgentInfo {
        match self.ask(AgentRequest::GetAgentInfo { agent }) {
            Ok(AgentAnswer::AgentInfo(info)) => info,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn queue_info(&mut self, name: &str) -> QueueInfo {
        let queue = self.queue(name);
        match self.ask(AgentRequest::GetQueueInfo { queue }) {
            Ok(AgentAnswer::QueueInfo(info)) => info,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn state(&mut self, session: AgentSessionId) -> AgentSessionState {
        self.session_info(session).state
    }

    pub(crate) fn agent_state(&mut self, agent: AgentId) -> AgentStateEx {
        self.agent_info(agent).state
    }

    pub(crate) fn address_state(&mut self, line: u32) -> AgentState {
        match self.ask(AgentRequest::GetAgentStatus { at: desk(line) }) {
            Ok(AgentAnswer::Status(status)) => status.state,
            other => panic!("{other:?}"),
        }
    }
}

/// A message as a line: object, what changed, state.
pub(crate) fn line(notice: &AgentNotice) -> String {
    fn names<C: tapi::Constant>(mask: tapi::Mask<C>) -> String {
        let names = mask.iter().map(|bit| bit.name().trim_start_matches(C::PREFIX).to_owned());
        names.collect::<Vec<_>>().join("|")
    }
    fn state<C: tapi::Constant>(state: Option<C>) -> String {
        state.map_or(String::new(), |s| format!(" {}", s.name().trim_start_matches(C::PREFIX)))
    }
    match notice {
        AgentNotice::Session { session, changed, state: to } => {
            format!("session {} {}{}", session.0, names(*changed), state(*to))
        }
        AgentNotice::Agent { agent, changed, state: to } => {
            format!("agent {} {}{}", agent.0, names(*changed), state(*to))
        }
        AgentNotice::Address { at, changed, state: to } => {
            format!("address {} {}{}", at.line.0, names(*changed), state(*to))
        }
        AgentNotice::Queue { changed, .. } => format!("queue {}", names(*changed)),
        AgentNotice::Group { changed, .. } => format!("group {}", names(*changed)),
        AgentNotice::Specific { at, extension, params } => {
            format!("specific {} {extension} {params}", at.line.0)
        }
    }
}
