//! Agents as phones, lamps and administrators mean them: by identifier and by line.

use std::collections::BTreeSet;

use acd::{AgentView, LoginError};
use tapi::AddressId;
use tapi::agent::{AgentId, AgentRequest, WorkAddress};
use tapi::constant::{AgentSessionState, AgentStateEx};

use super::Exchange;
use crate::presence::Working;
use crate::presence::document::{Dialog, State};

impl Exchange {
    /// Where somebody works who works at a line.
    pub(super) fn desk_of(&self, line: &str) -> Option<WorkAddress> {
        let device = self.tapi.line_by_number(line)?;
        Some(WorkAddress { line: device, address: AddressId(0) })
    }

    /// The identifier of an agent.
    pub(super) fn agent_name(&self, id: AgentId) -> Option<String> {
        let view = self.centre.center.agent_view(id, self.centre_now())?;
        Some(view.name)
    }

    fn view_of(&self, agent: &str) -> Option<AgentView> {
        let id = self.centre.center.agent_named(agent)?;
        self.centre.center.agent_view(id, self.centre_now())
    }

    /// Who is logged in at a line.
    pub(crate) fn agent_at_line(&self, line: &str) -> Option<String> {
        let id = self.centre.center.agent_at(self.desk_of(line)?)?;
        self.agent_name(id)
    }

    /// The line where an agent works.
    pub(super) fn line_of_agent(&self, agent: &str) -> Option<String> {
        let at = self.view_of(agent)?.at?;
        self.tapi.line_number(at.line).map(str::to_owned)
    }

    /// Whether an agent works at no other lines than these: it can have sessions at several.
    pub(super) fn works_within(&self, agent: &str, lines: Option<&BTreeSet<String>>) -> bool {
        let (Some(lines), Some(view)) = (lines, self.view_of(agent)) else { return true };
        let sessions = self.centre.center.sessions(self.centre_now());
        sessions.iter().filter(|session| view.sessions.contains(&session.id)).all(|session| {
            let line = self.tapi.line_number(session.at.line);
            line.is_some_and(|line| lines.contains(line))
        })
    }

    /// Somebody who works now, named by identifier or by line; and the line.
    pub(crate) fn agent_at_work(&self, target: &str) -> Option<(String, String)> {
        if self.config.agents.contains_key(target) {
            return Some((target.to_owned(), self.line_of_agent(target)?));
        }
        Some((self.agent_at_line(target)?, target.to_owned()))
    }

    /// Logs an agent in at a line, ready. Without a PIN only at its own line.
    ///
    /// Errors: those of the call centre.
    pub(crate) fn log_agent_in(
        &mut self,
        agent: &str,
        line: &str,
        pin: Option<&str>,
    ) -> Result<(), LoginError> {
        let at = self.desk_of(line).ok_or(LoginError::NoAgentHere)?;
        let now = self.centre_now();
        self.touch_desk(line);
        self.tell_phones();
        self.centre.center.log_in(at, Some(agent), pin, now).map(|_| ())
    }

    /// Logs out whoever works at a line; with a call in progress, after it.
    ///
    /// Errors: nobody does.
    pub(crate) fn log_out_at(&mut self, line: &str) -> Result<(), LoginError> {
        let at = self.desk_of(line).ok_or(LoginError::NobodyLoggedIn)?;
        let now = self.centre_now();
        self.centre.center.log_out(at, now).map(|_| ())
    }

    /// Whoever works at a line takes calls, or none.
    ///
    /// Errors: nobody works there.
    pub(crate) fn set_ready_at(&mut self, line: &str, is_ready: bool) -> Result<(), LoginError> {
        let at = self.desk_of(line).ok_or(LoginError::NobodyLoggedIn)?;
        self.tell_phones();
        let now = self.centre_now();
        self.centre.center.set_ready(at, is_ready, now).map(|_| ())
    }

    /// An agent who is logged in without a phone, by an application, is logged out all the same.
    pub(super) fn release_agent(&mut self, agent: &str) -> bool {
        let Some(id) = self.centre.center.agent_named(agent) else { return false };
        let now = self.centre_now();
        let state = Some(AgentStateEx::Released);
        let asked = AgentRequest::SetAgentStateEx { agent: id, state, next: None };
        self.centre.center.ask(asked, now).is_ok()
    }

    /// The lamp of an agent: off while logged out, blinking while not ready, on while at work.
    pub(crate) fn agent_lamp(&self, agent: &str) -> Option<Dialog> {
        let view = self.view_of(agent).filter(|view| !view.sessions.is_empty())?;
        let state = match view.info.state {
            AgentStateEx::Released | AgentStateEx::Unknown => return None,
            AgentStateEx::NotReady => State::Early,
            _ => State::Confirmed,
        };
        Some(Dialog { state, ..self.lit(agent) })
    }

    /// Whether the key of an agents' code is lit at a line.
    pub(crate) fn is_working(&self, line: &str, working: Working) -> bool {
        let Some(agent) = self.agent_at_line(line) else { return false };
        let Some(view) = self.view_of(&agent) else { return false };
        let is_ready = || {
            let sessions = self.centre.center.sessions(self.centre_now());
            let own = sessions.iter().filter(|session| view.sessions.contains(&session.id));
            own.map(|session| session.info.state).any(|state| state != AgentSessionState::NotReady)
        };
        match working {
            Working::LoggedIn => true,
            Working::Ready => is_ready(),
            Working::NotReady => !is_ready(),
        }
    }
}
