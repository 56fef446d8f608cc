//! A new configuration: groups, queues and agents come, change and go (tapi-agents 10.6).

use std::collections::{BTreeMap, BTreeSet};

use tapi::agent::{AgentId, GroupId, QueueId};
use tapi::constant::{AgentStatusChange, GroupStatusChange, Mask, QueueStatusChange};

use super::{Center, Group};
use crate::agent::Agent;
use crate::identity::{group_id, queue_id};
use crate::limit::MAX_AGENTS;
use crate::output::Overflowed;
use crate::plan::{AgentPlan, GroupPlan, Plan, QueuePlan};
use crate::queue::{CallKey, Queue};
use crate::time::Time;
use crate::timer::Timer;

impl Center {
    /// Takes a new configuration. Waiting calls of a queue that is gone overflow; sessions of a group,
    /// and agents, that are gone end after their call.
    pub fn replan(&mut self, plan: Plan, now: Time) {
        let has_activities = self.activities == plan.activities;
        self.domain = plan.domain;
        self.handler = plan.handler;
        self.is_pin_always_asked = plan.is_pin_always_asked;
        self.retention = plan.retention;
        self.activities = plan.activities;
        let gone_groups = self.replan_groups(plan.groups);
        let gone_queues = self.replan_queues(plan.queues, now);
        self.replan_agents(plan.agents, now);
        for group in gone_groups {
            self.remove_group(group, now);
        }
        for queue in gone_queues {
            self.remove_queue(queue, now);
        }
        if !has_activities {
            self.tell_activities();
        }
        self.start_over(now);
        self.finish(now);
    }

    fn replan_groups(&mut self, plans: Vec<GroupPlan>) -> Vec<GroupId> {
        self.group_order.clear();
        for plan in plans {
            let id = group_id(&self.domain, &plan.key);
            match self.groups.get_mut(&id) {
                Some(group) => group.name = plan.name,
                None => {
                    let (queues, live) = (Vec::new(), BTreeSet::new());
                    let (key, name) = (plan.key, plan.name);
                    self.groups.insert(id, Group { key, name, queues, live });
                    self.changes.group(id, GroupStatusChange::NewGroup);
                }
            }
            if !self.group_order.contains(&id) {
                self.group_order.push(id);
            }
        }
        self.groups.keys().copied().filter(|id| !self.group_order.contains(id)).collect()
    }

    fn replan_queues(&mut self, plans: Vec<QueuePlan>, now: Time) -> Vec<QueueId> {
        self.queue_order.clear();
        for group in self.groups.values_mut() {
            group.queues.clear();
        }
        for plan in plans {
            let groups = self.planned_groups(&plan.groups);
            let name = plan.name.clone();
            let id = match self.queue_names.get(&name).copied() {
                Some(id) => id,
                None => self.add_queue(plan.clone(), now),
            };
            if self.queue_order.contains(&id) {
                continue;
            }
            self.queue_order.push(id);
            for group in &groups {
                if let Some(group) = self.groups.get_mut(group)
                    && !group.queues.contains(&id)
                {
                    group.queues.push(id);
                }
            }
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.plan = plan;
                queue.groups = groups;
            }
        }
        self.queues.keys().copied().filter(|id| !self.queue_order.contains(id)).collect()
    }

    fn add_queue(&mut self, plan: QueuePlan, now: Time) -> QueueId {
        let id = queue_id(&plan.name, &self.queues);
        self.queue_names.insert(plan.name.clone(), id);
        let queue = Queue::new(plan, Vec::new(), now);
        self.timers.arm(Timer::QueuePeriod(id), queue.window.end());
        self.queues.insert(id, queue);
        self.changes.queue(id, QueueStatusChange::NewQueue);
        id
    }

    fn remove_queue(&mut self, id: QueueId, now: Time) {
        let waiting: Vec<CallKey> =
            self.queues.get(&id).map(|q| q.line.values().copied().collect()).unwrap_or_default();
        for call in waiting {
            self.overflow(call, Overflowed::QueueRemoved, now);
        }
        if let Some(queue) = self.queues.remove(&id) {
            self.queue_names.remove(&queue.plan.name);
        }
        self.timers.cancel(Timer::QueuePeriod(id));
        self.timers.cancel(Timer::QueueInfo(id));
        self.changes.queue(id, QueueStatusChange::QueueRemoved);
    }

    fn remove_group(&mut self, id: GroupId, now: Time) {
        let live = self.groups.get(&id).map(|group| group.live.clone()).unwrap_or_default();
        for session in live {
            self.end_for_good(session, now);
        }
        self.groups.remove(&id);
        self.changes.group(id, GroupStatusChange::GroupRemoved);
    }

    fn replan_agents(&mut self, plans: Vec<AgentPlan>, now: Time) {
        self.owners.clear();
        let mut names: Vec<String> = plans.iter().map(|plan| plan.id.clone()).collect();
        names.sort();
        let by_name: BTreeMap<String, u32> = names.into_iter().zip(0..).collect();
        let mut kept = BTreeSet::new();
        for (plan, order) in plans.into_iter().take(MAX_AGENTS).zip(0..) {
            let id = match self.agent_names.get(&plan.id).copied() {
                Some(id) => id,
                None => self.add_agent(&plan.id, now),
            };
            kept.insert(id);
            if let Some(line) = plan.line {
                self.owners.entry(line).or_default().push(id);
            }
            let place = by_name.get(&plan.id).copied().unwrap_or(order);
            self.change_agent(id, plan, (order, place), now);
        }
        let known: Vec<AgentId> = self.agents.keys().copied().collect();
        for id in known {
            if !kept.contains(&id) {
                self.remove_agent(id, now);
            }
        }
    }

    fn add_agent(&mut self, name: &str, now: Time) -> AgentId {
        self.last_agent = self.last_agent.wrapping_add(1).max(1);
        let id = AgentId(self.last_agent);
        let agent = Agent::new(name, now);
        self.timers.arm(Timer::AgentPeriod(id), agent.window.end());
        self.agents.insert(id, agent);
        self.agent_names.insert(name.to_owned(), id);
        id
    }

    /// The groups of these keys that are planned.
    fn planned_groups(&self, keys: &[String]) -> Vec<GroupId> {
        let ids = keys.iter().map(|key| group_id(&self.domain, key));
        ids.filter(|id| self.group_order.contains(id)).collect()
    }

    fn change_agent(&mut self, id: AgentId, plan: AgentPlan, place: (u32, u32), now: Time) {
        let groups = self.planned_groups(&plan.groups);
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.is_configured = true;
        agent.pin = plan.pin;
        agent.line = plan.line;
        (agent.order, agent.by_name) = place;
        if agent.groups == groups {
            return;
        }
        agent.groups = groups;
        let (live, groups) = (agent.live.clone(), agent.groups.clone());
        for session in live {
            let Some(entry) = self.sessions.get(&session) else { continue };
            let (group, at) = (entry.group, entry.at);
            self.changes.desks.push((at, Mask::from(AgentStatusChange::GroupList)));
            if !groups.contains(&group) {
                self.end_for_good(session, now);
            }
        }
    }

    /// As a log-out; who is logged out is forgotten.
    fn remove_agent(&mut self, id: AgentId, now: Time) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.is_configured = false;
        let name = agent.name.clone();
        if self.agent_names.get(&name) == Some(&id) {
            self.agent_names.remove(&name);
        }
        self.leave(id, now);
        if self.agents.get(&id).is_some_and(|agent| !agent.is_logged_in) {
            self.changes.leavers.push(id);
        }
    }

    fn tell_activities(&mut self) {
        let known: Vec<u32> = self.activities.iter().map(|activity| activity.id).collect();
        for (at, desk) in &mut self.desks {
            if desk.agent.is_some() {
                desk.activity = desk.activity.filter(|code| known.contains(code));
                let changed = Mask::from(AgentStatusChange::ActivityList);
                self.changes.desks.push((*at, changed));
            }
        }
    }

    /// Everybody finds their places anew, and calls their deadlines.
    fn start_over(&mut self, now: Time) {
        for queue in self.queues.values_mut() {
            queue.pool.clear();
            queue.cursor = None;
        }
        for (id, agent) in &mut self.agents {
            agent.pooled.clear();
            self.changes.agent(*id);
        }
        for (key, call) in &self.calls {
            let Some(queue) = self.queues.get(&call.queue) else { continue };
            match queue.plan.max_wait {
                Some(most) => self.timers.arm(Timer::MaxWait(*key), call.entered.after(most)),
                None => self.timers.cancel(Timer::MaxWait(*key)),
            }
            match queue.plan.announce {
                Some(every) if self.timers.deadline(Timer::Announce(*key)).is_none() => {
                    self.timers.arm(Timer::Announce(*key), now.after(every));
                }
                Some(_) => {}
                None => self.timers.cancel(Timer::Announce(*key)),
            }
            if call.offers.is_empty() {
                self.changes.calls.push(*key);
            }
        }
        self.changes.emptied.extend(&self.queue_order);
    }
}
