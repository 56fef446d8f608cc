//! Leaving a state behind for the next start, and beginning from one.

use std::collections::BTreeMap;

use tapi::agent::{AgentId, AgentSessionId, GroupId, QueueId, WorkAddress};
use tapi::constant::AgentSessionState;
use tapi::{AddressId, DeviceId};

use super::Center;
use crate::limit::MAX_SESSIONS;
use crate::plan::Plan;
use crate::session::Session;
use crate::snapshot::{AgentSnapshot, QueueSnapshot, SessionSnapshot, Snapshot};
use crate::time::{Time, millis};
use crate::timer::Timer;

impl Center {
    /// What survives a restart. A session whose line has no name is left out.
    pub fn snapshot(&self, now: Time, name_of: impl Fn(DeviceId) -> Option<String>) -> Snapshot {
        let session = |(id, session): (&AgentSessionId, &Session)| {
            let desk = self.desks.get(&session.at);
            Some(SessionSnapshot {
                id: id.0,
                agent: session.agent.0,
                group: format!("{:032x}", session.group.0),
                line: name_of(session.at.line)?,
                address: session.at.address.0,
                state: session.state,
                next: session.next,
                started: session.started,
                ended: session.ended,
                ready_since: session.ready_since,
                answered: session.served.as_ref().map(|served| served.answered),
                wrap_up: session.wrap_up,
                wrap_up_end: self.timers.deadline(Timer::WrapUp(*id)),
                activity: desk.filter(|_| session.is_live()).and_then(|desk| desk.activity),
                counts: session.counts.clone(),
            })
        };
        Snapshot {
            taken: now,
            last_agent: self.last_agent,
            last_session: self.last_session,
            agents: self.agents.keys().filter_map(|id| self.agent_snapshot(*id)).collect(),
            sessions: self.sessions.iter().filter_map(session).collect(),
            queues: self.queues.keys().filter_map(|id| self.queue_snapshot(*id)).collect(),
        }
    }

    fn agent_snapshot(&self, id: AgentId) -> Option<AgentSnapshot> {
        let agent = self.agents.get(&id)?;
        Some(AgentSnapshot {
            id: id.0,
            name: agent.name.clone(),
            is_logged_in: agent.is_logged_in,
            is_leaving: agent.is_leaving,
            next: agent.next,
            misses: agent.misses,
            last_end: agent.last_end,
            window: agent.window,
            counts: agent.counts.clone(),
            active_since: agent.active_since,
        })
    }

    fn queue_snapshot(&self, id: QueueId) -> Option<QueueSnapshot> {
        let queue = self.queues.get(&id)?;
        Some(QueueSnapshot {
            id: id.0,
            name: queue.plan.name.clone(),
            window: queue.window,
            counts: queue.counts.clone(),
            longest_ever_ms: queue.longest_ever_ms,
            handling_ms: queue.handling_ms,
            waiting: queue.waiting(),
        })
    }

    /// A call centre as it was, as far as the plan still has it. Calls in progress ended with the
    /// snapshot, and are booked; those that waited count as sent to the last resort. Lines that
    /// `line_of` does not find are gone, and the sessions there with them.
    pub fn restore(
        plan: Plan,
        snapshot: &Snapshot,
        now: Time,
        seed: u64,
        line_of: impl Fn(&str) -> Option<DeviceId>,
    ) -> Self {
        let first = Plan { queues: Vec::new(), agents: Vec::new(), ..plan.clone() };
        let mut center = Self::new(first, now, seed);
        center.last_agent = snapshot.last_agent;
        center.last_session = snapshot.last_session;
        for agent in &snapshot.agents {
            center.restore_agent(agent, now);
        }
        for queue in &snapshot.queues {
            center.restore_queue(queue, &plan, now);
        }
        center.replan(plan, now);
        for session in snapshot.sessions.iter().take(MAX_SESSIONS) {
            center.restore_session(session, snapshot.taken, &line_of);
        }
        center.settle(snapshot, now);
        center.outputs.clear();
        center
    }

    fn restore_agent(&mut self, saved: &AgentSnapshot, now: Time) {
        let id = AgentId(saved.id);
        let mut agent = crate::agent::Agent::new(&saved.name, now);
        agent.is_logged_in = saved.is_logged_in;
        agent.next = saved.next;
        agent.misses = saved.misses;
        agent.last_end = saved.last_end;
        agent.window = saved.window;
        agent.counts = saved.counts.clone();
        agent.active_since = saved.active_since;
        agent.roll(now);
        self.timers.arm(Timer::AgentPeriod(id), agent.window.end());
        self.agent_names.insert(saved.name.clone(), id);
        self.agents.insert(id, agent);
    }

    fn restore_queue(&mut self, saved: &QueueSnapshot, plan: &Plan, now: Time) {
        let Some(plan) = plan.queues.iter().find(|queue| queue.name == saved.name) else { return };
        let id = QueueId(saved.id);
        let mut queue = crate::queue::Queue::new(plan.clone(), Vec::new(), now);
        queue.window = saved.window;
        queue.counts = saved.counts.clone();
        queue.counts.final_disposition += saved.waiting;
        queue.longest_ever_ms = saved.longest_ever_ms;
        queue.handling_ms = saved.handling_ms;
        queue.roll(now);
        self.timers.arm(Timer::QueuePeriod(id), queue.window.end());
        self.queue_names.insert(saved.name.clone(), id);
        self.queues.insert(id, queue);
    }

    fn restore_session(
        &mut self,
        saved: &SessionSnapshot,
        taken: Time,
        line_of: &impl Fn(&str) -> Option<DeviceId>,
    ) {
        let (id, agent) = (AgentSessionId(saved.id), AgentId(saved.agent));
        let Ok(group) = u128::from_str_radix(&saved.group, 16).map(GroupId) else { return };
        let Some(line) = line_of(&saved.line) else { return };
        let at = WorkAddress { line, address: AddressId(saved.address) };
        if !self.agents.get(&agent).is_some_and(|agent| agent.is_configured) {
            return;
        }
        let mut session = Session::new(agent, group, at, saved.started);
        session.state = saved.state;
        session.next = saved.next;
        session.ended = saved.ended;
        session.ready_since = saved.ready_since;
        session.wrap_up = saved.wrap_up;
        session.counts = saved.counts.clone();
        if let Some(answered) = saved.answered {
            self.end_lost_call(&mut session, answered, taken);
        }
        let is_live = session.is_live();
        let ended = session.ended;
        self.sessions.insert(id, session);
        if let Some(ended) = ended.filter(|_| !is_live) {
            self.restore_ended(id, agent, ended);
            return;
        }
        self.live_sessions += 1;
        if let Some(entry) = self.groups.get_mut(&group) {
            entry.live.insert(id);
        }
        let desk = self.desks.entry(at).or_default();
        desk.agent = Some(agent);
        desk.activity = saved.activity;
        desk.live.push(id);
        if let Some(someone) = self.agents.get_mut(&agent) {
            someone.live.push(id);
        }
        if let Some(end) = saved.wrap_up_end {
            self.timers.arm(Timer::WrapUp(id), end);
        }
    }

    /// A call that was in progress: it ended with the snapshot, without after-call work.
    fn end_lost_call(&mut self, session: &mut Session, answered: Time, taken: Time) {
        let talked = millis(taken.since(answered));
        session.counts.calls += 1;
        session.counts.talk_ms += talked;
        session.state = session.next.take().unwrap_or(AgentSessionState::Ready);
        session.ready_since = taken;
        match session.state {
            AgentSessionState::Ended => session.ended = Some(taken),
            AgentSessionState::BusyWrapUp => session.wrap_up = Some(taken),
            _ => {}
        }
        if let Some(agent) = self.agents.get_mut(&session.agent) {
            agent.counts.calls += 1;
            agent.counts.talk_ms += talked;
            agent.last_end = Some(taken);
        }
    }

    fn restore_ended(&mut self, id: AgentSessionId, agent: AgentId, ended: Time) {
        self.ended.insert((ended, id));
        self.timers.arm(Timer::Retention(id), ended.after(self.retention));
        if let Some(someone) = self.agents.get_mut(&agent) {
            someone.ended.push(id);
        }
    }

    /// Brings what was restored into agreement with the plan.
    fn settle(&mut self, snapshot: &Snapshot, now: Time) {
        let may_serve: BTreeMap<AgentId, Vec<GroupId>> =
            self.agents.iter().map(|(id, agent)| (*id, agent.groups.clone())).collect();
        let live: Vec<(AgentSessionId, AgentId, GroupId)> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.is_live())
            .map(|(id, session)| (*id, session.agent, session.group))
            .collect();
        for (id, agent, group) in live {
            if !may_serve.get(&agent).is_some_and(|groups| groups.contains(&group)) {
                // Every live session can be ended.
                let _ = self.wish(id, AgentSessionState::Ended, now);
            }
        }
        for saved in snapshot.agents.iter().filter(|saved| saved.is_leaving) {
            self.leave(AgentId(saved.id), now);
        }
        let known: Vec<AgentId> = self.agents.keys().copied().collect();
        for id in known {
            if let Some(agent) = self.agents.get_mut(&id) {
                agent.note_activity(now);
                self.changes.agent(id);
            }
        }
        let desks: Vec<WorkAddress> = self.desks.keys().copied().collect();
        for at in desks {
            self.changes.desk(at);
        }
        self.finish(now);
    }
}
