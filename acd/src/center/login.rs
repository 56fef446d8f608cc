//! Log-in, log-out, ready and not ready by feature code at a phone (tapi-agents 10.6), and what a PIN
//! is worth.

use tapi::agent::{AgentId, AgentSessionId, WorkAddress};
use tapi::constant::{AgentSessionState, AgentStateEx};
use tapi::{DeviceId, LineErr};
use thiserror::Error;

use super::Center;
use crate::limit::{MAX_SESSIONS, MAX_WRONG_PINS, PIN_PAUSE};
use crate::time::Time;

/// Who logged in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedIn {
    /// The agent.
    pub agent: AgentId,
    /// Its sessions at this phone.
    pub sessions: Vec<AgentSessionId>,
}

/// Why a feature code did nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum LoginError {
    /// The line has no agent, or several.
    #[error("the line belongs to no agent, or to several: say which")]
    NoAgentHere,
    /// There is no agent of this name.
    #[error("there is no agent of this name")]
    UnknownAgent,
    /// A PIN must be given.
    #[error("the agent's PIN is needed")]
    PinNeeded,
    /// The PIN is wrong.
    #[error("the PIN is wrong")]
    WrongPin,
    /// The agent may serve no group.
    #[error("the agent has no group")]
    NoGroups,
    /// Another agent is logged in at this phone.
    #[error("another agent is logged in here: log out first")]
    Occupied,
    /// Nobody is logged in at this phone.
    #[error("nobody is logged in here")]
    NobodyLoggedIn,
    /// There are too many sessions.
    #[error("no more sessions can be opened")]
    TooMany,
}

/// When a PIN is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PinRule {
    /// Where the agent has one.
    Needed,
    /// Only if one is given it must be right.
    IfGiven,
}

impl Center {
    /// Logs an agent in at a phone for all its groups, ready for calls (row 2 of 7.1). Without a name:
    /// the line's only agent. The phone is where the agent works from now on, its own or not.
    ///
    /// A PIN is needed at any line but the agent's own; the configuration can ask for it there too.
    pub fn log_in(
        &mut self,
        at: WorkAddress,
        name: Option<&str>,
        pin: Option<&str>,
        now: Time,
    ) -> Result<LoggedIn, LoginError> {
        let id = self.find_agent(at.line, name)?;
        let agent = self.agents.get(&id).ok_or(LoginError::UnknownAgent)?;
        let is_own = agent.line == Some(at.line) && !self.is_pin_always_asked;
        let groups = agent.groups.clone();
        self.check_pin(id, pin, if is_own { PinRule::IfGiven } else { PinRule::Needed }, now)?;
        if groups.is_empty() {
            return Err(LoginError::NoGroups);
        }
        if self.desks.get(&at).is_some_and(|desk| desk.agent.is_some_and(|other| other != id)) {
            return Err(LoginError::Occupied);
        }
        if self.live_sessions + groups.len() > MAX_SESSIONS {
            return Err(LoginError::TooMany);
        }
        self.arrive(id);
        self.leave_other_phones(id, at, now);
        for group in groups {
            if !self.has_session(id, group, at) {
                self.create_session(id, group, at, now);
            }
        }
        self.finish(now);
        let sessions = self.desks.get(&at).map(|desk| desk.live.clone()).unwrap_or_default();
        for session in &sessions {
            let state = self.sessions.get(session).map(|session| session.state);
            if state == Some(AgentSessionState::NotReady) {
                self.enter(*session, AgentSessionState::Ready, now);
            }
        }
        self.finish(now);
        Ok(LoggedIn { agent: id, sessions })
    }

    /// Logs out whoever is logged in at a phone; with a call in progress, after it (tapi-agents 7.5).
    pub fn log_out(&mut self, at: WorkAddress, now: Time) -> Result<AgentId, LoginError> {
        let agent = self.agent_at(at).ok_or(LoginError::NobodyLoggedIn)?;
        self.leave(agent, now);
        self.finish(now);
        Ok(agent)
    }

    /// The ready or not-ready code: as lineSetAgentStateEx for the agent at this phone.
    pub fn set_ready(
        &mut self,
        at: WorkAddress,
        is_ready: bool,
        now: Time,
    ) -> Result<AgentId, LoginError> {
        let agent = self.agent_at(at).ok_or(LoginError::NobodyLoggedIn)?;
        let state = match is_ready {
            true => AgentSessionState::Ready,
            false => AgentSessionState::NotReady,
        };
        self.stay(agent).map_err(|_| LoginError::UnknownAgent)?;
        self.wish_all(agent, state, now);
        self.finish(now);
        Ok(agent)
    }

    /// Who is logged in at an address.
    pub fn agent_at(&self, at: WorkAddress) -> Option<AgentId> {
        self.desks.get(&at)?.agent
    }

    /// Whom somebody means at a line.
    pub(super) fn find_agent(
        &self,
        line: DeviceId,
        name: Option<&str>,
    ) -> Result<AgentId, LoginError> {
        match name {
            Some(name) => self.agent_names.get(name).copied().ok_or(LoginError::UnknownAgent),
            None => match self.owners.get(&line).map(Vec::as_slice) {
                Some([only]) => Ok(*only),
                _ => Err(LoginError::NoAgentHere),
            },
        }
    }

    /// Whether somebody may be this agent. After some wrong PINs in a row every PIN is wrong for a while,
    /// so that nobody finds one by trying.
    pub(super) fn check_pin(
        &mut self,
        agent: AgentId,
        given: Option<&str>,
        rule: PinRule,
        now: Time,
    ) -> Result<(), LoginError> {
        let agent = self.agents.get_mut(&agent).ok_or(LoginError::UnknownAgent)?;
        let (wrong, last) = agent.wrong_pins;
        let is_paused = wrong >= MAX_WRONG_PINS && now.since(last) < PIN_PAUSE;
        match (&agent.pin, given) {
            (None, _) => Ok(()),
            (Some(_), None) if rule == PinRule::IfGiven => Ok(()),
            (Some(_), None) => Err(LoginError::PinNeeded),
            (Some(_), Some(_)) if is_paused => Err(LoginError::WrongPin),
            (Some(pin), Some(given)) if pin.is_matched_by(given) => {
                agent.wrong_pins = (0, now);
                Ok(())
            }
            (Some(_), Some(_)) => {
                // Once the pause is over there are as many tries as before it.
                let so_far = if wrong >= MAX_WRONG_PINS { 0 } else { wrong };
                agent.wrong_pins = (so_far + 1, now);
                Err(LoginError::WrongPin)
            }
        }
    }

    /// An agent is there, whether it was before or not.
    pub(super) fn arrive(&mut self, id: AgentId) {
        // Whoever can arrive is in the configuration.
        let _ = self.stay(id);
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if !agent.is_logged_in {
            agent.is_logged_in = true;
            self.changes.new_agent(id);
        }
        self.changes.agent(id);
    }

    /// An agent who was about to log out changes its mind: INVALAGENTSTATE if it must go because the
    /// configuration no longer has it.
    pub(super) fn stay(&mut self, id: AgentId) -> Result<(), LineErr> {
        let Some(agent) = self.agents.get_mut(&id) else { return Err(LineErr::InvalParam) };
        agent.next = agent.next.filter(|next| *next != AgentStateEx::Released);
        if !agent.is_leaving {
            return Ok(());
        }
        if !agent.is_configured {
            return Err(LineErr::InvalAgentState);
        }
        agent.is_leaving = false;
        for session in agent.live.clone() {
            if let Some(entry) = self.sessions.get_mut(&session)
                && entry.next == Some(AgentSessionState::Ended)
            {
                entry.next = None;
                self.note_next(session);
            }
        }
        Ok(())
    }

    /// Whether the agent has a live session for this group here.
    pub(super) fn has_session(
        &self,
        agent: AgentId,
        group: tapi::agent::GroupId,
        at: WorkAddress,
    ) -> bool {
        self.desks.get(&at).is_some_and(|desk| {
            desk.live
                .iter()
                .filter_map(|id| self.sessions.get(id))
                .any(|session| session.agent == agent && session.group == group)
        })
    }

    /// Who logs in at a phone works there and nowhere else.
    fn leave_other_phones(&mut self, id: AgentId, at: WorkAddress, now: Time) {
        let live = self.agents.get(&id).map(|agent| agent.live.clone()).unwrap_or_default();
        for session in live {
            if self.sessions.get(&session).is_some_and(|session| session.at != at) {
                // Every live session can be ended, now or after its call.
                let _ = self.wish(session, AgentSessionState::Ended, now);
            }
        }
    }
}
