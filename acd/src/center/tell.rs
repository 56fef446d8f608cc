//! What an event changed, and the messages that follow from it, in their order: session, agent, older
//! view of the address, statistics, queue (tapi-agents 6). States are never coalesced; that statistics
//! changed is told at most once a second for each object.

use tapi::DeviceId;
use tapi::agent::{AgentId, AgentNotice, AgentSessionId, GroupId, QueueId, WorkAddress};
use tapi::constant::{
    AgentSessionState, AgentSessionStatusChange, AgentStateEx, AgentStatusChange,
    AgentStatusExChange, GroupStatusChange, Mask, QueueStatusChange,
};

use super::Center;
use crate::limit::UPDATE_INTERVAL;
use crate::output::Output;
use crate::queue::CallKey;
use crate::time::Time;
use crate::timer::Timer;

/// What the present event changed so far.
#[derive(Default, Debug)]
pub(crate) struct Changes {
    /// Agents whose state may have changed.
    pub(crate) agents: Vec<AgentId>,
    /// Agents whose fitness for a call may have changed, until they were considered for one.
    pub(crate) considered: Vec<AgentId>,
    /// Calls to find an agent for.
    pub(crate) calls: Vec<CallKey>,
    /// Queues that may have lost their last agent.
    pub(crate) emptied: Vec<QueueId>,
    /// Messages of things that came or went.
    pub(crate) news: Vec<AgentNotice>,
    /// Messages about sessions.
    pub(crate) sessions: Vec<(AgentNotice, DeviceId)>,
    /// Addresses whose older view may have changed, and what surely did.
    pub(crate) desks: Vec<(WorkAddress, Mask<AgentStatusChange>)>,
    pub(crate) session_infos: Vec<AgentSessionId>,
    pub(crate) agent_infos: Vec<AgentId>,
    pub(crate) queue_infos: Vec<QueueId>,
    /// Last of all: who does not exist any more.
    pub(crate) leavers: Vec<AgentId>,
}

impl Changes {
    /// Something about this agent may have changed.
    pub(crate) fn agent(&mut self, id: AgentId) {
        if self.agents.last() != Some(&id) {
            self.agents.push(id);
        }
        self.fitness(id);
    }

    /// Whether this agent could take a call may have changed, and nothing that is told.
    pub(crate) fn fitness(&mut self, id: AgentId) {
        if self.considered.last() != Some(&id) {
            self.considered.push(id);
        }
    }

    /// Something about this address may have changed.
    pub(crate) fn desk(&mut self, at: WorkAddress) {
        self.desks.push((at, Mask::EMPTY));
    }

    /// A session entered a state.
    pub(crate) fn session_state(
        &mut self,
        session: AgentSessionId,
        state: AgentSessionState,
        at: WorkAddress,
    ) {
        let changed = Mask::from(AgentSessionStatusChange::State);
        self.sessions
            .push((AgentNotice::Session { session, changed, state: Some(state) }, at.line));
    }

    /// A session was created.
    pub(crate) fn new_session(&mut self, session: AgentSessionId, at: WorkAddress) {
        let changed = Mask::from(AgentSessionStatusChange::NewSession);
        self.sessions.push((AgentNotice::Session { session, changed, state: None }, at.line));
    }

    /// An agent logged in.
    pub(crate) fn new_agent(&mut self, agent: AgentId) {
        let changed = Mask::from(AgentStatusExChange::NewAgent);
        self.news.push(AgentNotice::Agent { agent, changed, state: None });
    }

    /// A group came or went.
    pub(crate) fn group(&mut self, group: GroupId, what: GroupStatusChange) {
        self.news.push(AgentNotice::Group { group: Some(group), changed: Mask::from(what) });
    }

    /// A queue came or went.
    pub(crate) fn queue(&mut self, queue: QueueId, what: QueueStatusChange) {
        self.news.push(AgentNotice::Queue { queue, changed: Mask::from(what) });
    }
}

/// Takes the list; each member once, in order.
fn each<T: Ord + Clone>(list: &mut Vec<T>) -> Vec<T> {
    let mut taken = std::mem::take(list);
    if taken.len() > 1 {
        taken.sort();
        taken.dedup();
    }
    taken
}

impl Center {
    /// Ends an event: tells what changed, distributes what can be distributed, and tells what that
    /// changed. Who becomes READY is told so before the phone rings.
    pub(super) fn finish(&mut self, now: Time) {
        self.tell(now);
        self.distribute(now);
        self.tell(now);
    }

    fn tell(&mut self, now: Time) {
        for notice in std::mem::take(&mut self.changes.news) {
            let at = match &notice {
                AgentNotice::Agent { agent, .. } => self.line_of(*agent),
                _ => None,
            };
            self.notice(notice, at);
        }
        self.tell_sessions();
        for id in each(&mut self.changes.agents) {
            self.touch_desks(id);
            self.tell_agent_state(id, now);
        }
        self.tell_desks();
        for id in each(&mut self.changes.session_infos) {
            self.tell_session_info(id, now);
        }
        for id in each(&mut self.changes.agent_infos) {
            self.tell_agent_info(id, now);
        }
        for id in each(&mut self.changes.queue_infos) {
            self.tell_queue_info(id, now);
        }
        for id in each(&mut self.changes.leavers) {
            self.forget_agent(id);
        }
    }

    pub(super) fn tell_sessions(&mut self) {
        for (notice, line) in std::mem::take(&mut self.changes.sessions) {
            self.notice(notice, Some(line));
        }
    }

    /// Tells something; `at` is the line of the agent whom it is about.
    pub(super) fn notice(&mut self, notice: AgentNotice, at: Option<DeviceId>) {
        self.outputs.push(Output::Notice { notice, at });
    }

    /// Where an agent works, did so last, or is at home.
    fn line_of(&self, id: AgentId) -> Option<DeviceId> {
        let agent = self.agents.get(&id)?;
        let live = agent.live.iter().filter_map(|session| self.sessions.get(session));
        live.map(|session| session.at.line).min().or(agent.worked_at).or(agent.line)
    }

    /// What an agent does at one address shows at its others.
    fn touch_desks(&mut self, id: AgentId) {
        let Some(agent) = self.agents.get(&id) else { return };
        for session in agent.live.iter().filter_map(|id| self.sessions.get(id)) {
            if self.changes.desks.last().is_none_or(|(at, _)| *at != session.at) {
                self.changes.desk(session.at);
            }
        }
    }

    fn tell_agent_state(&mut self, id: AgentId, now: Time) {
        let Some(agent) = self.agents.get(&id) else { return };
        let (state, old) = (self.agent_state(agent), agent.shown);
        if state == old {
            return;
        }
        if let Some(agent) = self.agents.get_mut(&id) {
            agent.shown = state;
            agent.shown_since = now;
        }
        // What logs in is told as a new agent; its first state goes without saying.
        if old == AgentStateEx::Released && state == AgentStateEx::NotReady {
            return;
        }
        let changed = Mask::from(AgentStatusExChange::State);
        let at = self.line_of(id);
        self.notice(AgentNotice::Agent { agent: id, changed, state: Some(state) }, at);
    }

    fn tell_desks(&mut self) {
        let mut touched = std::mem::take(&mut self.changes.desks);
        touched.sort_by_key(|(at, _)| *at);
        touched.dedup_by(|again, first| {
            let is_same = again.0 == first.0;
            if is_same {
                first.1 |= again.1;
            }
            is_same
        });
        for (at, surely) in touched {
            let shown = self.shown_at(at);
            let Some(desk) = self.desks.get_mut(&at) else { continue };
            let changed = shown.changes_from(&desk.shown) | surely;
            desk.shown = shown;
            if desk.is_blank() {
                self.desks.remove(&at);
            }
            if !changed.is_empty() {
                let state = changed.contains(AgentStatusChange::State).then_some(shown.state);
                self.notice(AgentNotice::Address { at, changed, state }, Some(at.line));
            }
        }
    }

    fn tell_session_info(&mut self, session: AgentSessionId, now: Time) {
        let Some(entry) = self.sessions.get_mut(&session) else { return };
        if let Some(later) = too_soon(&mut entry.told, now) {
            self.timers.arm(Timer::SessionInfo(session), later);
            return;
        }
        let line = entry.at.line;
        self.timers.cancel(Timer::SessionInfo(session));
        let changed = Mask::from(AgentSessionStatusChange::UpdateInfo);
        self.notice(AgentNotice::Session { session, changed, state: None }, Some(line));
    }

    fn tell_agent_info(&mut self, agent: AgentId, now: Time) {
        let Some(entry) = self.agents.get_mut(&agent) else { return };
        if let Some(later) = too_soon(&mut entry.told, now) {
            self.timers.arm(Timer::AgentInfo(agent), later);
            return;
        }
        self.timers.cancel(Timer::AgentInfo(agent));
        let changed = Mask::from(AgentStatusExChange::UpdateInfo);
        let at = self.line_of(agent);
        self.notice(AgentNotice::Agent { agent, changed, state: None }, at);
    }

    fn tell_queue_info(&mut self, queue: QueueId, now: Time) {
        let Some(entry) = self.queues.get_mut(&queue) else { return };
        if let Some(later) = too_soon(&mut entry.told, now) {
            self.timers.arm(Timer::QueueInfo(queue), later);
            return;
        }
        self.timers.cancel(Timer::QueueInfo(queue));
        let changed = Mask::from(QueueStatusChange::UpdateInfo);
        self.notice(AgentNotice::Queue { queue, changed }, None);
    }
}

/// When it may be told again; otherwise it is told now.
fn too_soon(told: &mut Option<Time>, now: Time) -> Option<Time> {
    match *told {
        Some(last) if now.since(last) < UPDATE_INTERVAL => Some(last.after(UPDATE_INTERVAL)),
        _ => {
            *told = Some(now);
            None
        }
    }
}
