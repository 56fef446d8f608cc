//! The older functions, by address, as a view of agents and sessions (tapi-agents 7.4).

use tapi::LineErr;
use tapi::agent::{
    AgentAnswer, AgentCaps, AgentId, AgentSessionId, AgentStatus, GroupEntry, GroupId, WorkAddress,
};
use tapi::constant::{
    AgentFeature, AgentSessionState, AgentState, AgentStateEx, AgentStatusChange, Mask,
};

use super::Center;
use super::ask::EXTENSIONS;
use crate::desk::Shown;
use crate::identity::{extension_id, handler_id};
use crate::limit::MAX_SESSIONS;
use crate::time::Time;

impl Center {
    /// What the older functions show of an address.
    pub(super) fn shown_at(&self, at: WorkAddress) -> Shown {
        let Some(desk) = self.desks.get(&at) else { return Shown::default() };
        let Some(agent) = desk.agent.and_then(|id| self.agents.get(&id)) else {
            return Shown::default();
        };
        let here = || desk.live.iter().filter_map(|id| self.sessions.get(id));
        let is_here = |state| here().any(|session| session.state == state);
        let state = match self.agent_state(agent) {
            _ if is_here(AgentSessionState::BusyOnCall) => AgentState::BusyAcd,
            _ if is_here(AgentSessionState::BusyWrapUp) => AgentState::WorkingAfterCall,
            AgentStateEx::BusyIncoming if desk.phone.incoming > 0 => AgentState::BusyIncoming,
            AgentStateEx::BusyOutgoing if desk.phone.has_calls() => AgentState::BusyOutbound,
            AgentStateEx::BusyAcd | AgentStateEx::BusyIncoming | AgentStateEx::BusyOutgoing => {
                AgentState::BusyOther
            }
            AgentStateEx::Ready if is_here(AgentSessionState::Ready) => AgentState::Ready,
            _ => AgentState::NotReady,
        };
        let of_session = here().filter(|s| s.is_busy()).find_map(|s| s.next).and_then(legacy_next);
        let next = of_session.or_else(|| agent.next.and_then(legacy_next_of_agent));
        let settable = settable();
        let after_call = Mask::from(AgentState::WorkingAfterCall);
        let (valid, valid_next) = match state {
            AgentState::BusyAcd => (settable | after_call, settable | after_call),
            AgentState::WorkingAfterCall => (settable | after_call, settable),
            _ => (settable, settable),
        };
        Shown { state, next, activity: desk.activity, valid, valid_next }
    }

    /// LINEAGENTCAPS of any address.
    pub(super) fn caps(&self) -> AgentCaps {
        let after_call = Mask::from(AgentState::WorkingAfterCall);
        AgentCaps {
            handler: self.handler.clone(),
            features: Mask::all(),
            states: settable() | after_call,
            next_states: settable() | after_call,
            max_groups: u32::try_from(self.groups.len()).unwrap_or(u32::MAX),
            messages: Mask::<AgentStatusChange>::all() - Mask::from(AgentStatusChange::CapsChange),
            extensions: EXTENSIONS.iter().map(|name| extension_id(name)).collect(),
            handler_id: handler_id(&self.domain),
        }
    }

    /// LINEAGENTSTATUS.
    pub(super) fn status(&self, at: WorkAddress) -> AgentStatus {
        let shown = self.shown_at(at);
        let mut features = Mask::from(AgentFeature::AgentSpecific);
        if self.somebody_at(at).is_ok() {
            features = features
                | AgentFeature::SetAgentGroup
                | AgentFeature::GetAgentGroup
                | AgentFeature::GetAgentActivityList;
        }
        if self.agent_at(at).is_some() {
            features = features | AgentFeature::SetAgentState | AgentFeature::SetAgentActivity;
        }
        AgentStatus {
            groups: self.groups_at(at),
            state: shown.state,
            next: shown.next,
            activity: shown
                .activity
                .and_then(|code| self.activities.iter().find(|known| known.id == code).cloned()),
            features,
            valid_states: shown.valid,
            valid_next_states: shown.valid_next,
        }
    }

    fn groups_at(&self, at: WorkAddress) -> Vec<GroupEntry> {
        let Some(desk) = self.desks.get(&at) else { return Vec::new() };
        let sessions = desk.live.iter().filter_map(|id| self.sessions.get(id));
        sessions.filter_map(|session| self.group_entry(session.group)).collect()
    }

    pub(super) fn group_entry(&self, id: GroupId) -> Option<GroupEntry> {
        let group = self.groups.get(&id)?;
        Some(GroupEntry { group: id, name: group.name.clone() })
    }

    /// Whoever works at an address, or would if it logged in: INVALAGENTID if nobody.
    pub(super) fn somebody_at(&self, at: WorkAddress) -> Result<AgentId, LineErr> {
        self.agent_at(at)
            .or_else(|| self.find_agent(at.line, None).ok())
            .ok_or(LineErr::InvalAgentId)
    }

    /// lineGetAgentGroupList: the groups that the agent may log in to.
    pub(super) fn group_list(&self, at: WorkAddress) -> Result<AgentAnswer, LineErr> {
        let agent = self.agents.get(&self.somebody_at(at)?).ok_or(LineErr::InvalAgentId)?;
        let groups = agent.groups.iter().filter_map(|id| self.group_entry(*id)).collect();
        Ok(AgentAnswer::Groups(groups))
    }

    /// lineSetAgentGroup: exactly these groups at this address.
    pub(super) fn set_groups(
        &mut self,
        at: WorkAddress,
        groups: &[GroupId],
        now: Time,
    ) -> Result<(), LineErr> {
        let id = self.somebody_at(at)?;
        let agent = self.agents.get(&id).ok_or(LineErr::InvalAgentId)?;
        if !groups.iter().all(|group| agent.groups.contains(group)) {
            return Err(LineErr::InvalAgentGroup);
        }
        if self.live_sessions + groups.len() > MAX_SESSIONS {
            return Err(LineErr::ResourceUnavail);
        }
        let here = self.live_at(at);
        let keeps = |session: &AgentSessionId| {
            self.sessions.get(session).is_some_and(|session| groups.contains(&session.group))
        };
        let gone: Vec<AgentSessionId> = here.iter().copied().filter(|id| !keeps(id)).collect();
        if groups.is_empty() && agent.live.len() == here.len() {
            self.leave(id, now);
            return Ok(());
        }
        if !groups.is_empty() {
            self.arrive(id);
        }
        for session in gone {
            self.wish(session, AgentSessionState::Ended, now)?;
        }
        for group in groups {
            if !self.has_session(id, *group, at) {
                self.create_session(id, *group, at, now);
            }
        }
        Ok(())
    }

    pub(super) fn live_at(&self, at: WorkAddress) -> Vec<AgentSessionId> {
        self.desks.get(&at).map(|desk| desk.live.clone()).unwrap_or_default()
    }

    /// lineSetAgentState: all sessions of the address.
    pub(super) fn set_legacy_state(
        &mut self,
        at: WorkAddress,
        state: Option<AgentState>,
        next: Option<AgentState>,
        now: Time,
    ) -> Result<(), LineErr> {
        let id = self.agent_at(at).ok_or(LineErr::InvalAddressState)?;
        let shown = self.shown_at(at);
        let is_valid = |state: Option<AgentState>, among: Mask<AgentState>| {
            state.is_none_or(|state| among.contains(state))
        };
        if !is_valid(state, shown.valid) || !is_valid(next, shown.valid_next) {
            return Err(LineErr::InvalAgentState);
        }
        match state {
            Some(AgentState::LoggedOff) => {
                self.leave(id, now);
                return Ok(());
            }
            Some(AgentState::WorkingAfterCall) => {
                self.stay(id)?;
                for session in self.busy_at(at) {
                    self.wish(session, AgentSessionState::BusyWrapUp, now)?;
                }
            }
            Some(AgentState::Ready | AgentState::NotReady) => {
                self.stay(id)?;
                let to = match state {
                    Some(AgentState::Ready) => AgentSessionState::Ready,
                    _ => AgentSessionState::NotReady,
                };
                for session in self.live_at(at) {
                    self.wish(session, to, now)?;
                }
            }
            _ => {}
        }
        if next.is_some() || state.is_none() {
            if next != Some(AgentState::LoggedOff) {
                self.stay(id)?;
            }
            self.set_legacy_next(id, at, next);
        }
        Ok(())
    }

    fn busy_at(&self, at: WorkAddress) -> Vec<AgentSessionId> {
        let mut live = self.live_at(at);
        live.retain(|id| self.sessions.get(id).is_some_and(|session| session.is_busy()));
        live
    }

    /// What the address's sessions enter when its call becomes idle.
    fn set_legacy_next(&mut self, id: AgentId, at: WorkAddress, next: Option<AgentState>) {
        let (of_agent, of_session) = match next {
            Some(AgentState::Ready) => (Some(AgentStateEx::Ready), Some(AgentSessionState::Ready)),
            Some(AgentState::NotReady) => {
                (Some(AgentStateEx::NotReady), Some(AgentSessionState::NotReady))
            }
            Some(AgentState::LoggedOff) => {
                (Some(AgentStateEx::Released), Some(AgentSessionState::Ended))
            }
            Some(AgentState::WorkingAfterCall) => (None, Some(AgentSessionState::BusyWrapUp)),
            _ => (None, None),
        };
        for session in self.busy_at(at) {
            if let Some(entry) = self.sessions.get_mut(&session) {
                entry.next = of_session;
            }
            self.note_next(session);
        }
        if let Some(agent) = self.agents.get_mut(&id) {
            agent.next = of_agent;
        }
        self.changes.agent_infos.push(id);
        self.changes.desk(at);
    }

    /// lineSetAgentActivity.
    pub(super) fn set_activity(&mut self, at: WorkAddress, code: u32) -> Result<(), LineErr> {
        if !self.activities.iter().any(|known| known.id == code) {
            return Err(LineErr::InvalAgentActivity);
        }
        let desk = self.desks.get_mut(&at).filter(|desk| desk.agent.is_some());
        desk.ok_or(LineErr::InvalAddressState)?.activity = Some(code);
        self.changes.desk(at);
        Ok(())
    }
}

/// What an application may set.
fn settable() -> Mask<AgentState> {
    AgentState::LoggedOff | AgentState::NotReady | AgentState::Ready
}

fn legacy_next(state: AgentSessionState) -> Option<AgentState> {
    match state {
        AgentSessionState::NotReady => Some(AgentState::NotReady),
        AgentSessionState::Ready => Some(AgentState::Ready),
        AgentSessionState::BusyWrapUp => Some(AgentState::WorkingAfterCall),
        AgentSessionState::Ended => Some(AgentState::LoggedOff),
        AgentSessionState::BusyOnCall | AgentSessionState::Released => None,
    }
}

fn legacy_next_of_agent(state: AgentStateEx) -> Option<AgentState> {
    match state {
        AgentStateEx::NotReady => Some(AgentState::NotReady),
        AgentStateEx::Ready => Some(AgentState::Ready),
        AgentStateEx::Released => Some(AgentState::LoggedOff),
        _ => None,
    }
}
