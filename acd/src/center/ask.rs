//! The requests of applications, all twenty of LINEPROXYREQUEST_ (tapi-agents 4).

use std::time::Duration;

use serde_json::{Value, json};
use tapi::LineErr;
use tapi::agent::{
    AgentAnswer, AgentId, AgentNotice, AgentRequest, AgentSessionId, GroupId, QueueEntry, QueueId,
    SessionEntry, WorkAddress,
};
use tapi::constant::{AgentSessionState, AgentStateEx};

use super::Center;
use super::login::{LoginError, PinRule};
use crate::limit::{MAX_EXTENSION, MAX_SESSIONS};
use crate::session::{Asked, asked};
use crate::time::Time;
use crate::timer::Timer;

/// The private functions of lineAgentSpecific, in their lasting order.
///
/// `extend-wrap-up` takes `{"seconds": n}` and gives the after-call work at the address so much more
/// time; it answers `{"remaining": seconds}`. `queue-statistics` takes `{"queueId": n}` and answers
/// what LINEQUEUEINFO does not have.
pub(super) const EXTENSIONS: [&str; 2] = ["extend-wrap-up", "queue-statistics"];

impl Center {
    /// What an application asks of the agent handler.
    pub fn ask(&mut self, request: AgentRequest, now: Time) -> Result<AgentAnswer, LineErr> {
        let answer = self.answer(request, now);
        self.finish(now);
        answer
    }

    fn answer(&mut self, request: AgentRequest, now: Time) -> Result<AgentAnswer, LineErr> {
        use AgentRequest as R;
        let done = |()| AgentAnswer::Done;
        match request {
            R::SetAgentGroup { at, groups } => self.set_groups(at, &groups, now).map(done),
            R::SetAgentState { at, state, next } => {
                self.set_legacy_state(at, state, next, now).map(done)
            }
            R::SetAgentActivity { at, activity } => self.set_activity(at, activity).map(done),
            R::GetAgentCaps { .. } => Ok(AgentAnswer::Caps(self.caps())),
            R::GetAgentStatus { at } => Ok(AgentAnswer::Status(self.status(at))),
            R::AgentSpecific { at, extension, params } => {
                self.specific(at, extension, &params, now).map(AgentAnswer::Specific)
            }
            R::GetAgentActivityList { at } => {
                self.somebody_at(at).map(|_| AgentAnswer::Activities(self.activities.clone()))
            }
            R::GetAgentGroupList { at } => self.group_list(at),
            R::CreateAgent { line, id, pin } => {
                self.create_agent(line, id.as_deref(), pin.as_deref(), now)
            }
            R::SetAgentMeasurementPeriod { agent, seconds } => {
                self.measure_agent(agent, seconds, now).map(done)
            }
            R::GetAgentInfo { agent } => self.agent_info(agent, now),
            R::CreateAgentSession { agent, pin, group, at } => {
                self.open_session(agent, pin.as_deref(), group, at, now).map(AgentAnswer::Session)
            }
            R::GetAgentSessionList { agent } => self.session_list(agent),
            R::SetAgentSessionState { session, state, next } => {
                self.set_session_state(session, state, next, now).map(done)
            }
            R::GetAgentSessionInfo { session } => {
                let session = self.sessions.get(&session).ok_or(LineErr::InvalParam)?;
                Ok(AgentAnswer::SessionInfo(session.info(now)))
            }
            R::GetQueueList { group } => self.queue_list(group),
            R::SetQueueMeasurementPeriod { queue, seconds } => {
                self.measure_queue(queue, seconds, now).map(done)
            }
            R::GetQueueInfo { queue } => self.queue_info(queue, now).map(AgentAnswer::QueueInfo),
            R::GetGroupList => {
                let order = self.group_order.iter();
                Ok(AgentAnswer::Groups(order.filter_map(|id| self.group_entry(*id)).collect()))
            }
            R::SetAgentStateEx { agent, state, next } => {
                self.set_agent_state(agent, state, next, now).map(done)
            }
        }
    }

    fn create_agent(
        &mut self,
        line: tapi::DeviceId,
        name: Option<&str>,
        pin: Option<&str>,
        now: Time,
    ) -> Result<AgentAnswer, LineErr> {
        let id = self.find_agent(line, name).map_err(|_| LineErr::InvalAgentId)?;
        let rule = if name.is_some() { PinRule::Needed } else { PinRule::IfGiven };
        self.check_pin(id, pin, rule, now).map_err(|_: LoginError| LineErr::InvalPassword)?;
        self.arrive(id);
        Ok(AgentAnswer::Agent(id))
    }

    fn open_session(
        &mut self,
        id: AgentId,
        pin: Option<&str>,
        group: GroupId,
        at: WorkAddress,
        now: Time,
    ) -> Result<AgentSessionId, LineErr> {
        let agent = self.agents.get(&id).filter(|agent| agent.is_logged_in);
        let agent = agent.ok_or(LineErr::InvalParam)?;
        let (may_serve, is_leaving) = (agent.groups.contains(&group), agent.is_leaving);
        self.check_pin(id, pin, PinRule::IfGiven, now).map_err(|_| LineErr::InvalPassword)?;
        if !may_serve || !self.groups.contains_key(&group) {
            return Err(LineErr::InvalAgentGroup);
        }
        let is_occupied = self.agent_at(at).is_some_and(|other| other != id);
        if is_leaving || is_occupied || self.has_session(id, group, at) {
            return Err(LineErr::OperationFailed);
        }
        if self.live_sessions >= MAX_SESSIONS {
            return Err(LineErr::ResourceUnavail);
        }
        Ok(self.create_session(id, group, at, now))
    }

    fn set_session_state(
        &mut self,
        id: AgentSessionId,
        state: Option<AgentSessionState>,
        next: Option<AgentSessionState>,
        now: Time,
    ) -> Result<(), LineErr> {
        let session = self.sessions.get(&id).ok_or(LineErr::InvalParam)?;
        let (from, agent) = (session.state, session.agent);
        let is_possible_next = match next {
            None => true,
            Some(_) if from == AgentSessionState::Ended => false,
            Some(AgentSessionState::BusyWrapUp) => from == AgentSessionState::BusyOnCall,
            Some(next) => matches!(
                next,
                AgentSessionState::NotReady | AgentSessionState::Ready | AgentSessionState::Ended
            ),
        };
        let is_refused = state.is_some_and(|to| asked(from, to) == Asked::Refused);
        if is_refused || !is_possible_next {
            return Err(LineErr::InvalAgentState);
        }
        let ends = AgentSessionState::Ended;
        if from == AgentSessionState::BusyOnCall && next.or(state) != Some(ends) {
            self.stay(agent)?;
            if self.sessions.get(&id).is_some_and(|session| session.is_ending) {
                return Err(LineErr::InvalAgentState);
            }
        }
        if let Some(to) = state {
            self.wish(id, to, now)?;
        }
        if let Some(session) = self.sessions.get_mut(&id)
            && session.is_live()
            && (next.is_some() || state.is_none())
        {
            session.next = next;
            self.note_next(id);
        }
        Ok(())
    }

    fn set_agent_state(
        &mut self,
        id: AgentId,
        state: Option<AgentStateEx>,
        next: Option<AgentStateEx>,
        now: Time,
    ) -> Result<(), LineErr> {
        use AgentStateEx::{NotReady, Ready, Released};
        let agent = self.agents.get(&id).ok_or(LineErr::InvalParam)?;
        let is_settable = |state: Option<AgentStateEx>| {
            state.is_none_or(|state| matches!(state, Ready | NotReady | Released))
        };
        if !is_settable(state) || !is_settable(next) {
            return Err(LineErr::InvalAgentState);
        }
        if !agent.is_logged_in {
            return self.set_released(id, state, next);
        }
        match state {
            // Without a session there is nothing to be ready for.
            Some(Ready) if agent.live.is_empty() => return Err(LineErr::InvalAgentState),
            Some(Released) => {
                self.leave(id, now);
                return Ok(());
            }
            Some(wanted) => {
                let to = match wanted {
                    Ready => AgentSessionState::Ready,
                    _ => AgentSessionState::NotReady,
                };
                self.stay(id)?;
                self.wish_all(id, to, now);
            }
            None if matches!(next, Some(Ready | NotReady)) => self.stay(id)?,
            None => {}
        }
        if let Some(agent) = self.agents.get_mut(&id)
            && agent.next != next
        {
            agent.next = next;
            self.changes.agent(id);
            self.changes.agent_infos.push(id);
        }
        Ok(())
    }

    /// An agent who has logged out: once more RELEASED, and its ended sessions go too (row 19).
    fn set_released(
        &mut self,
        id: AgentId,
        state: Option<AgentStateEx>,
        next: Option<AgentStateEx>,
    ) -> Result<(), LineErr> {
        match (state, next) {
            (None, None) => Ok(()),
            (Some(AgentStateEx::Released), _) => {
                let ended = self.agents.get(&id).map(|a| a.ended.clone()).unwrap_or_default();
                for session in ended {
                    self.release(session);
                }
                Ok(())
            }
            _ => Err(LineErr::InvalAgentState),
        }
    }

    fn measure_agent(&mut self, id: AgentId, seconds: u32, now: Time) -> Result<(), LineErr> {
        let agent = self.agents.get_mut(&id).ok_or(LineErr::InvalParam)?;
        if seconds == 0 {
            return Err(LineErr::InvalParam);
        }
        agent.measure(now, seconds);
        self.timers.arm(Timer::AgentPeriod(id), agent.window.end());
        self.changes.agent(id);
        self.changes.agent_infos.push(id);
        Ok(())
    }

    fn measure_queue(&mut self, id: QueueId, seconds: u32, now: Time) -> Result<(), LineErr> {
        let queue = self.queues.get_mut(&id).ok_or(LineErr::InvalParam)?;
        if seconds == 0 {
            return Err(LineErr::InvalParam);
        }
        queue.measure(now, seconds);
        self.timers.arm(Timer::QueuePeriod(id), queue.window.end());
        self.changes.queue_infos.push(id);
        Ok(())
    }

    fn agent_info(&mut self, id: AgentId, now: Time) -> Result<AgentAnswer, LineErr> {
        self.agents.get_mut(&id).ok_or(LineErr::InvalParam)?.roll(now);
        let agent = self.agents.get(&id).ok_or(LineErr::InvalParam)?;
        let (state, next) = (self.agent_state(agent), self.agent_next(agent));
        Ok(AgentAnswer::AgentInfo(agent.info(state, next, now)))
    }

    fn session_list(&self, id: AgentId) -> Result<AgentAnswer, LineErr> {
        let agent = self.agents.get(&id).ok_or(LineErr::InvalParam)?;
        let mut sessions: Vec<_> = agent.live.iter().chain(&agent.ended).copied().collect();
        sessions.sort_unstable();
        let entry = |session_id: AgentSessionId| {
            let session = self.sessions.get(&session_id)?;
            let (group, at) = (session.group, session.at);
            Some(SessionEntry { session: session_id, agent: id, group, at })
        };
        Ok(AgentAnswer::Sessions(sessions.into_iter().filter_map(entry).collect()))
    }

    fn queue_list(&self, group: GroupId) -> Result<AgentAnswer, LineErr> {
        let group = self.groups.get(&group).ok_or(LineErr::InvalAgentGroup)?;
        let entry = |id: &QueueId| {
            let name = self.queues.get(id)?.plan.name.clone();
            Some(QueueEntry { queue: *id, name })
        };
        Ok(AgentAnswer::Queues(group.queues.iter().filter_map(entry).collect()))
    }

    /// LINEQUEUEINFO.
    pub(super) fn queue_info(
        &mut self,
        id: QueueId,
        now: Time,
    ) -> Result<tapi::agent::QueueInfo, LineErr> {
        self.queues.get_mut(&id).ok_or(LineErr::InvalParam)?.roll(now);
        let queue = self.queues.get(&id).ok_or(LineErr::InvalParam)?;
        Ok(queue.info(self.oldest(queue), now))
    }

    fn specific(
        &mut self,
        at: WorkAddress,
        extension: u32,
        params: &Value,
        now: Time,
    ) -> Result<Value, LineErr> {
        let name = usize::try_from(extension).ok().and_then(|index| EXTENSIONS.get(index));
        match name {
            Some(&"extend-wrap-up") => {
                let seconds = params.get("seconds").and_then(Value::as_u64);
                let more = Duration::from_secs(seconds.ok_or(LineErr::InvalParam)?);
                self.agent_at(at).ok_or(LineErr::InvalAgentId)?;
                let session = self.live_at(at).into_iter().find(|id| {
                    let session = self.sessions.get(id);
                    session.is_some_and(|s| s.state == AgentSessionState::BusyWrapUp)
                });
                let session = session.ok_or(LineErr::InvalAgentState)?;
                let end = self.prolong(session, more)?;
                let remaining = end.map(|end| crate::time::seconds(end.since(now)));
                let answer = json!({ "remaining": remaining });
                let params = answer.clone();
                self.notice(AgentNotice::Specific { at, extension, params }, Some(at.line));
                Ok(answer)
            }
            Some(_) => {
                let id = params.get("queueId").and_then(Value::as_u64);
                let id = id.and_then(|id| u32::try_from(id).ok()).ok_or(LineErr::InvalParam)?;
                let queue = self.queues.get_mut(&QueueId(id)).ok_or(LineErr::InvalParam)?;
                queue.roll(now);
                serde_json::to_value(&queue.counts).map_err(|_| LineErr::OperationFailed)
            }
            None => Err(LineErr::InvalParam),
        }
    }

    /// Gives after-call work so much more time; when it ends, unless it lasts until the agent says
    /// otherwise.
    ///
    /// Errors: InvalParam for a session that is not there, InvalAgentState for one without after-call work.
    pub fn extend_wrap_up(
        &mut self,
        session: AgentSessionId,
        by: Duration,
        now: Time,
    ) -> Result<Option<Time>, LineErr> {
        let end = self.prolong(session, by)?;
        self.finish(now);
        Ok(end)
    }

    fn prolong(&mut self, id: AgentSessionId, by: Duration) -> Result<Option<Time>, LineErr> {
        let session = self.sessions.get(&id).ok_or(LineErr::InvalParam)?;
        if session.state != AgentSessionState::BusyWrapUp {
            return Err(LineErr::InvalAgentState);
        }
        let Some(end) = self.timers.deadline(Timer::WrapUp(id)) else { return Ok(None) };
        let later = end.after(by.min(MAX_EXTENSION));
        self.timers.arm(Timer::WrapUp(id), later);
        Ok(Some(later))
    }
}
