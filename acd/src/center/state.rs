//! How sessions and agents change their state (tapi-agents 7.1 … 7.3, 7.5), and what is booked then.

use tapi::agent::{AgentId, AgentSessionId, GroupId, WorkAddress};
use tapi::constant::{AgentSessionState, AgentStateEx, AgentStatusChange, Mask};

use super::Center;
use crate::agent::Agent;
use crate::limit::MAX_ENDED_SESSIONS;
use crate::session::{Asked, Session, asked, is_transition};
use crate::time::{Time, millis};
use crate::timer::Timer;

impl Center {
    /// An agent's state, derived from its sessions and phones (tapi-agents 7.3).
    pub(super) fn agent_state(&self, agent: &Agent) -> AgentStateEx {
        if agent.live.is_empty() {
            return match agent.is_logged_in {
                true => AgentStateEx::NotReady,
                false => AgentStateEx::Released,
            };
        }
        let (mut is_ready, mut is_incoming, mut is_outgoing) = (false, false, false);
        for id in &agent.live {
            let Some(session) = self.sessions.get(id) else { continue };
            if session.is_busy() {
                return AgentStateEx::BusyAcd;
            }
            is_ready |= session.state == AgentSessionState::Ready;
            if let Some(desk) = self.desks.get(&session.at) {
                is_incoming |= desk.phone.incoming > 0;
                is_outgoing |= desk.phone.outgoing > 0 || desk.phone.dialling > 0;
            }
        }
        match (is_incoming, is_outgoing, is_ready) {
            (true, _, _) => AgentStateEx::BusyIncoming,
            (false, true, _) => AgentStateEx::BusyOutgoing,
            (false, false, true) => AgentStateEx::Ready,
            (false, false, false) => AgentStateEx::NotReady,
        }
    }

    /// What follows an agent's present call: its own wish, or that of the session with the call.
    pub(super) fn agent_next(&self, agent: &Agent) -> Option<AgentStateEx> {
        let of_session = || {
            let busy = agent.live.iter().filter_map(|id| self.sessions.get(id));
            match busy.filter(|session| session.is_busy()).find_map(|session| session.next)? {
                AgentSessionState::Ready => Some(AgentStateEx::Ready),
                AgentSessionState::NotReady => Some(AgentStateEx::NotReady),
                AgentSessionState::Ended if agent.is_leaving => Some(AgentStateEx::Released),
                _ => None,
            }
        };
        agent.next.or_else(of_session)
    }

    /// A new session, NOTREADY (row 1). The caller has checked that it may be.
    pub(super) fn create_session(
        &mut self,
        agent: AgentId,
        group: GroupId,
        at: WorkAddress,
        now: Time,
    ) -> AgentSessionId {
        self.last_session = self.last_session.wrapping_add(1).max(1);
        let id = AgentSessionId(self.last_session);
        self.sessions.insert(id, Session::new(agent, group, at, now));
        self.live_sessions += 1;
        if let Some(entry) = self.groups.get_mut(&group) {
            entry.live.insert(id);
        }
        let desk = self.desks.entry(at).or_default();
        desk.agent = Some(agent);
        desk.live.push(id);
        if let Some(someone) = self.agents.get_mut(&agent) {
            someone.live.push(id);
            someone.note_activity(now);
        }
        self.changes.new_session(id, at);
        self.changes.agent(agent);
        self.changes.desks.push((at, Mask::from(AgentStatusChange::Group)));
        id
    }

    /// Brings a session into a state, if there is such a transition, and books what that ends.
    pub(super) fn enter(&mut self, id: AgentSessionId, to: AgentSessionState, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let from = session.state;
        if from == to || !is_transition(from, to) {
            debug_assert_eq!(from, to, "no such transition of a session");
            return;
        }
        session.state = to;
        let (agent, at) = (session.agent, session.at);
        if to == AgentSessionState::Ready {
            session.ready_since = now;
        }
        if from == AgentSessionState::BusyWrapUp {
            self.book_wrap_up(id, now);
        }
        if from == AgentSessionState::Ready && to != AgentSessionState::BusyOnCall {
            self.withdraw_from(id, agent);
        }
        self.changes.session_state(id, to, at);
        self.changes.agent(agent);
        self.changes.desk(at);
        match to {
            AgentSessionState::Ended => self.after_end(id, now),
            AgentSessionState::Released => self.forget_session(id),
            _ => {}
        }
    }

    /// After-call work is over: W of tapi-agents 8.
    fn book_wrap_up(&mut self, id: AgentSessionId, now: Time) {
        self.timers.cancel(Timer::WrapUp(id));
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(since) = session.wrap_up.take() else { return };
        let worked = millis(now.since(since));
        session.counts.wrap_up_ms += worked;
        let agent = session.agent;
        if let Some(someone) = self.agents.get_mut(&agent) {
            someone.roll(now);
            someone.counts.wrap_up_ms += worked;
        }
        self.changes.session_infos.push(id);
        self.changes.agent_infos.push(agent);
    }

    /// Row 18: the duration stops, the session can still be read.
    fn after_end(&mut self, id: AgentSessionId, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.ended = Some(now);
        session.next = None;
        let (agent, group, at) = (session.agent, session.group, session.at);
        self.live_sessions = self.live_sessions.saturating_sub(1);
        if let Some(entry) = self.groups.get_mut(&group) {
            entry.live.remove(&id);
            self.changes.emptied.extend(&entry.queues);
        }
        if let Some(desk) = self.desks.get_mut(&at) {
            desk.live.retain(|other| *other != id);
            if desk.live.is_empty() {
                (desk.agent, desk.activity) = (None, None);
            }
        }
        self.changes.desks.push((at, Mask::from(AgentStatusChange::Group)));
        self.ended.insert((now, id));
        self.timers.arm(Timer::Retention(id), now.after(self.retention));
        if let Some(someone) = self.agents.get_mut(&agent) {
            someone.live.retain(|other| *other != id);
            someone.ended.push(id);
            someone.worked_at = Some(at.line);
            someone.note_activity(now);
        }
        self.leave_if_done(agent);
        if self.ended.len() > MAX_ENDED_SESSIONS
            && let Some((_, oldest)) = self.ended.first().copied()
        {
            self.release(oldest);
        }
    }

    /// The agent is RELEASED once it has logged out and its last session has ended.
    fn leave_if_done(&mut self, id: AgentId) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if !agent.is_leaving || !agent.live.is_empty() {
            return;
        }
        agent.is_leaving = false;
        agent.is_logged_in = false;
        agent.next = None;
        agent.misses = 0;
        agent.back_off = None;
        let is_configured = agent.is_configured;
        self.timers.cancel(Timer::BackOff(id));
        self.changes.agent(id);
        if !is_configured {
            self.changes.leavers.push(id);
        }
    }

    /// Row 19: the last message of this session.
    pub(super) fn release(&mut self, id: AgentSessionId) {
        let Some(session) = self.sessions.get(&id).filter(|session| !session.is_live()) else {
            return;
        };
        self.changes.session_state(id, AgentSessionState::Released, session.at);
        self.forget_session(id);
    }

    fn forget_session(&mut self, id: AgentSessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.timers.cancel(Timer::Retention(id));
        self.timers.cancel(Timer::SessionInfo(id));
        if let Some(ended) = session.ended {
            self.ended.remove(&(ended, id));
        }
        if let Some(agent) = self.agents.get_mut(&session.agent) {
            agent.ended.retain(|other| *other != id);
        }
    }

    /// An agent that the configuration no longer has, after its last message.
    pub(super) fn forget_agent(&mut self, id: AgentId) {
        let is_gone = self.agents.get(&id).is_some_and(|a| !a.is_configured && !a.is_logged_in);
        if !is_gone {
            return;
        }
        let ended = self.agents.get(&id).map(|agent| agent.ended.clone()).unwrap_or_default();
        for session in ended {
            self.release(session);
        }
        self.tell_sessions();
        self.unpool(id);
        self.timers.cancel(Timer::AgentPeriod(id));
        self.timers.cancel(Timer::AgentInfo(id));
        self.agents.remove(&id);
    }

    /// What somebody asks of one session: at once, after the call, or not at all.
    pub(super) fn wish(
        &mut self,
        id: AgentSessionId,
        to: AgentSessionState,
        now: Time,
    ) -> Result<(), tapi::LineErr> {
        let session = self.sessions.get_mut(&id).ok_or(tapi::LineErr::InvalParam)?;
        if session.is_ending && to != AgentSessionState::Ended && session.is_live() {
            return Err(tapi::LineErr::InvalAgentState);
        }
        match asked(session.state, to) {
            Asked::Silent => session.next = None,
            Asked::Now => {
                session.next = None;
                let (from, agent) = (session.state, session.agent);
                self.enter(id, to, now);
                if from == AgentSessionState::BusyWrapUp {
                    self.outdate_next(agent, to, now);
                }
            }
            Asked::AfterCall => session.next = Some(to),
            Asked::Stay => {
                session.next = None;
                self.timers.cancel(Timer::WrapUp(id));
            }
            Asked::Refused => return Err(tapi::LineErr::InvalAgentState),
        }
        self.note_next(id);
        Ok(())
    }

    /// After-call work ended by somebody's wish: what it entered stands, whatever was to be next.
    fn outdate_next(&mut self, id: AgentId, entered: AgentSessionState, now: Time) {
        if entered == AgentSessionState::Ended {
            self.apply_next(id, now);
        } else if let Some(agent) = self.agents.get_mut(&id) {
            agent.next = None;
        }
    }

    /// A session for which the configuration has no more place ends, if need be after its call.
    pub(super) fn end_for_good(&mut self, id: AgentSessionId, now: Time) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.is_ending = true;
            // Every live session can be ended, now or after its call.
            let _ = self.wish(id, AgentSessionState::Ended, now);
        }
    }

    /// The next state of a session, and so perhaps those of its agent and address, changed.
    pub(super) fn note_next(&mut self, id: AgentSessionId) {
        if let Some(session) = self.sessions.get(&id) {
            self.changes.desk(session.at);
            if session.is_busy() {
                self.changes.agent_infos.push(session.agent);
                self.changes.session_infos.push(id);
            }
        }
    }

    /// READY or NOTREADY for all sessions of an agent that live (tapi-agents 7.2).
    pub(super) fn wish_all(&mut self, agent: AgentId, to: AgentSessionState, now: Time) {
        let live = self.agents.get(&agent).map(|a| a.live.clone()).unwrap_or_default();
        for id in live {
            // A session that cannot has ended meanwhile, or must end.
            let _ = self.wish(id, to, now);
        }
    }

    /// Logs an agent out (tapi-agents 7.5): a call in progress is never dropped.
    pub(super) fn leave(&mut self, id: AgentId, now: Time) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if !agent.is_logged_in {
            return;
        }
        agent.is_leaving = true;
        agent.next = None;
        self.changes.agent(id);
        self.wish_all(id, AgentSessionState::Ended, now);
        self.leave_if_done(id);
    }

    /// After-call work is over because its time is.
    pub(super) fn wrap_up_over(&mut self, id: AgentSessionId, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.state != AgentSessionState::BusyWrapUp {
            return;
        }
        let to = session.next.take().unwrap_or(AgentSessionState::Ready);
        let agent = session.agent;
        self.enter(id, to, now);
        self.apply_next(agent, now);
    }

    /// An agent's call and wrap-up are over: its own next state comes true.
    pub(super) fn apply_next(&mut self, id: AgentId, now: Time) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        match agent.next.take() {
            Some(AgentStateEx::Ready) => self.wish_all(id, AgentSessionState::Ready, now),
            Some(AgentStateEx::NotReady) => self.wish_all(id, AgentSessionState::NotReady, now),
            Some(AgentStateEx::Released) => self.leave(id, now),
            _ => return,
        }
        self.changes.agent_infos.push(id);
    }

    /// An answered call is gone: E of tapi-agents 8, rows 8 … 10 and 13 of 7.1.
    pub(super) fn end_call(&mut self, id: AgentSessionId, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(served) = session.served.take() else { return };
        let talked = now.since(served.answered);
        session.counts.calls += 1;
        session.counts.talk_ms += millis(talked);
        let agent = session.agent;
        let is_leaving = self.agents.get(&agent).is_some_and(|agent| agent.is_leaving);
        let must_end = is_leaving || session.is_ending;
        let wished = session.next.take();
        let next = if must_end { Some(AgentSessionState::Ended) } else { wished };
        let to = match next {
            Some(state) => state,
            None if served.wrap_up.is_zero() => AgentSessionState::Ready,
            None => AgentSessionState::BusyWrapUp,
        };
        if to == AgentSessionState::BusyWrapUp {
            session.wrap_up = Some(now);
            // Asked for, it lasts until the agent says otherwise, as in row 16.
            if next.is_none() {
                self.timers.arm(Timer::WrapUp(id), now.after(served.wrap_up));
            }
        }
        if let Some(someone) = self.agents.get_mut(&agent) {
            someone.roll(now);
            someone.counts.calls += 1;
            someone.counts.talk_ms += millis(talked);
            someone.last_end = Some(now);
        }
        if let Some(queue) = self.queues.get_mut(&served.queue) {
            queue.handled(talked.saturating_add(served.wrap_up));
        }
        self.changes.session_infos.push(id);
        self.changes.agent_infos.push(agent);
        self.enter(id, to, now);
        if to != AgentSessionState::BusyWrapUp {
            self.apply_next(agent, now);
        }
    }
}
