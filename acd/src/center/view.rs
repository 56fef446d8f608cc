//! What administrators see: queues, groups, agents, sessions, waiting calls.

use tapi::agent::{AgentId, AgentSessionId, GroupId, QueueId};
use tapi::constant::AgentSessionState;

use super::Center;
use crate::queue::Queue;
use crate::time::Time;
use crate::view::{AgentView, GroupView, QueueView, SessionView, WaitingView};

impl Center {
    /// The queue of this name.
    pub fn queue_named(&self, name: &str) -> Option<QueueId> {
        self.queue_names.get(name).copied()
    }

    /// The agent of this name, logged in or not.
    pub fn agent_named(&self, name: &str) -> Option<AgentId> {
        self.agent_names.get(name).copied()
    }

    /// The queue that a call waits in.
    pub fn queue_of(&self, call: crate::CallKey) -> Option<QueueId> {
        self.calls.get(&call).map(|call| call.queue)
    }

    /// The session that has this call at this address.
    pub fn session_of(
        &self,
        call: crate::CallKey,
        at: tapi::agent::WorkAddress,
    ) -> Option<AgentSessionId> {
        self.desks.get(&at)?.live.iter().copied().find(|id| {
            let served = self.sessions.get(id).and_then(|session| session.served.as_ref());
            served.is_some_and(|served| served.call == call)
        })
    }

    /// Every queue, in the order of the configuration.
    pub fn queues(&self, now: Time) -> Vec<QueueView> {
        self.queue_order.iter().filter_map(|id| self.queue_view(*id, now)).collect()
    }

    /// Every group, in the order of the configuration.
    pub fn groups(&self) -> Vec<GroupView> {
        let view = |id: &GroupId| {
            let group = self.groups.get(id)?;
            Some(GroupView {
                id: *id,
                key: group.key.clone(),
                name: group.name.clone(),
                queues: group.queues.clone(),
                sessions: group.live.iter().copied().collect(),
            })
        };
        self.group_order.iter().filter_map(view).collect()
    }

    /// Every agent, logged in or not, by its place in the configuration.
    pub fn agents(&self, now: Time) -> Vec<AgentView> {
        let mut ids: Vec<_> = self.agents.iter().map(|(id, agent)| (agent.order, *id)).collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|(_, id)| self.agent_view(id, now)).collect()
    }

    /// One agent.
    pub fn agent_view(&self, id: AgentId, now: Time) -> Option<AgentView> {
        let agent = self.agents.get(&id)?;
        let (state, next) = (self.agent_state(agent), self.agent_next(agent));
        let desk = agent.live.iter().filter_map(|id| self.sessions.get(id)).map(|s| s.at).min();
        let activity = desk.and_then(|at| self.desks.get(&at)).and_then(|desk| desk.activity);
        let name_of = |code| self.activities.iter().find(|known| known.id == code);
        Some(AgentView {
            id,
            name: agent.name.clone(),
            at: desk,
            info: agent.info(state, next, now),
            is_ringing: agent.reserved.is_some(),
            back_off_until: agent.back_off,
            misses: agent.misses,
            idle_since: agent.last_end,
            since: agent.shown_since,
            activity: activity.and_then(name_of).cloned(),
            sessions: agent.live.clone(),
        })
    }

    /// Every session that is not released.
    pub fn sessions(&self, now: Time) -> Vec<SessionView> {
        let view = |(id, session): (&AgentSessionId, &crate::session::Session)| SessionView {
            id: *id,
            agent: session.agent,
            group: session.group,
            at: session.at,
            call: session.served.as_ref().map(|served| served.call),
            queue: session.served.as_ref().map(|served| served.queue),
            info: session.info(now),
        };
        self.sessions.iter().map(view).collect()
    }

    /// The calls that wait in a queue, the next first.
    pub fn waiting(&self, queue: QueueId, now: Time) -> Vec<WaitingView> {
        let Some(queue) = self.queues.get(&queue) else { return Vec::new() };
        let at_work = self.agents_at_work(queue);
        let calls = queue.line.values().zip(1..);
        let view = |(key, position): (&crate::CallKey, u32)| {
            let call = self.calls.get(key)?;
            Some(WaitingView {
                call: *key,
                position,
                priority: call.priority(),
                waited: now.since(call.entered),
                expected_wait: queue.expected_wait(position, at_work),
                ringing: call.offers.iter().map(|offer| offer.at).collect(),
            })
        };
        calls.filter_map(view).collect()
    }

    fn queue_view(&self, id: QueueId, now: Time) -> Option<QueueView> {
        let queue = self.queues.get(&id)?;
        let mut states: Vec<(AgentId, AgentSessionState)> = queue
            .groups
            .iter()
            .filter_map(|group| self.groups.get(group))
            .flat_map(|group| &group.live)
            .filter_map(|session| self.sessions.get(session))
            .map(|session| (session.agent, session.state))
            .collect();
        states.sort_unstable();
        let ready = queue.pool.len();
        let busy = states
            .chunk_by(|(one, _), (other, _)| one == other)
            .filter(|of_agent| {
                of_agent.iter().any(|(_, state)| {
                    matches!(state, AgentSessionState::BusyOnCall | AgentSessionState::BusyWrapUp)
                })
            })
            .count();
        states.dedup_by_key(|(agent, _)| *agent);
        Some(QueueView {
            id,
            name: queue.plan.name.clone(),
            groups: queue.groups.clone(),
            info: queue.info(self.oldest(queue), now),
            statistics: queue.counts.clone(),
            logged_in: states.len(),
            free: ready,
            busy,
            expected_wait: queue
                .expected_wait(queue.waiting().saturating_add(1), self.agents_at_work(queue)),
        })
    }

    /// When the call entered that has waited longest.
    pub(super) fn oldest(&self, queue: &Queue) -> Option<Time> {
        let (_, key) = queue.arrivals.first_key_value()?;
        self.calls.get(key).map(|call| call.entered)
    }
}
