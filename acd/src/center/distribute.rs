//! Which agent gets which call (tapi-agents 10.4).
//!
//! Each queue keeps those who could take a call now in the order of its strategy, and its calls that no
//! phone rings for in their order. An event touches some agents and some calls; only these are considered.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;

use tapi::agent::{AgentId, AgentSessionId, QueueId};
use tapi::constant::AgentSessionState;

use super::Center;
use crate::agent::Rank;
use crate::output::{Output, Overflowed};
use crate::plan::{EmptyQueue, Strategy};
use crate::queue::{CallKey, Offer, Place, Queue};
use crate::time::Time;
use crate::timer::Timer;

impl Center {
    /// Brings agents and calls together until nothing more can be done.
    pub(super) fn distribute(&mut self, now: Time) {
        loop {
            let mut agents = std::mem::take(&mut self.changes.considered);
            let mut calls = std::mem::take(&mut self.changes.calls);
            let emptied = std::mem::take(&mut self.changes.emptied);
            if agents.is_empty() && calls.is_empty() && emptied.is_empty() {
                return;
            }
            for queue in emptied {
                self.overflow_if_empty(queue, now);
            }
            agents.sort_unstable();
            agents.dedup();
            for agent in &agents {
                self.refresh(*agent);
            }
            calls.dedup();
            match calls.as_slice() {
                // Who becomes free takes the most urgent call, which need not be the one given back.
                [] | [_] => self.employ(&agents, now),
                // A new configuration considers every call anyhow.
                _ => {
                    calls.sort_by_cached_key(|key| self.urgency(*key));
                    calls.dedup();
                }
            }
            for call in &calls {
                self.seek(*call, now);
            }
            if calls.len() > 1 {
                self.employ(&agents, now);
            }
        }
    }

    /// Which of two calls comes first: the heavier queue, the higher priority, the longer wait.
    fn urgency(&self, key: CallKey) -> (Reverse<u32>, Reverse<u32>, u64) {
        let Some(call) = self.calls.get(&key) else { return (Reverse(0), Reverse(0), u64::MAX) };
        let weight = self.queues.get(&call.queue).map_or(0, |queue| queue.plan.weight);
        (Reverse(weight), call.place.0, call.place.1)
    }

    /// Whether an agent could take any call at all.
    fn is_available(&self, id: AgentId) -> bool {
        let Some(agent) = self.agents.get(&id) else { return false };
        let is_idle = |session: &AgentSessionId| {
            self.sessions.get(session).is_some_and(|session| {
                let desk = self.desks.get(&session.at);
                !session.is_busy() && desk.is_some_and(|desk| !desk.phone.has_calls())
            })
        };
        agent.is_logged_in
            && !agent.is_leaving
            && agent.reserved.is_none()
            && agent.back_off.is_none()
            && agent.live.iter().all(is_idle)
    }

    /// Takes an agent out of all pools.
    pub(super) fn unpool(&mut self, id: AgentId) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        for (queue, rank) in agent.pooled.drain(..) {
            if let Some(queue) = self.queues.get_mut(&queue) {
                queue.pool.remove(&rank);
            }
        }
    }

    /// Puts an agent into the pools that it belongs to now.
    fn refresh(&mut self, id: AgentId) {
        self.unpool(id);
        if !self.is_available(id) {
            return;
        }
        let mut serves = self.serves(id);
        // A queue served by two of the agent's groups books on the one that it lists first.
        serves.sort_unstable();
        serves.dedup_by_key(|(queue, _, _)| *queue);
        let Some(agent) = self.agents.get_mut(&id) else { return };
        for (queue_id, _, session_id) in serves {
            let Some(queue) = self.queues.get_mut(&queue_id) else { continue };
            let Some(session) = self.sessions.get(&session_id) else { continue };
            let rank = agent.rank(id, queue.plan.strategy, session);
            queue.pool.insert(rank, session_id);
            agent.pooled.push((queue_id, rank));
        }
    }

    /// Queue, place of the group in the queue's list, session: for all that the agent could serve.
    fn serves(&self, id: AgentId) -> Vec<(QueueId, usize, AgentSessionId)> {
        let mut serves = Vec::new();
        let Some(agent) = self.agents.get(&id) else { return serves };
        for session_id in &agent.live {
            let Some(session) = self.sessions.get(session_id) else { continue };
            let is_open = self.desks.get(&session.at).is_some_and(|desk| desk.is_open());
            if session.state != AgentSessionState::Ready || !is_open {
                continue;
            }
            let Some(group) = self.groups.get(&session.group) else { continue };
            for queue_id in &group.queues {
                let Some(queue) = self.queues.get(queue_id) else { continue };
                let place = queue.groups.iter().position(|other| *other == session.group);
                serves.push((*queue_id, place.unwrap_or(usize::MAX), *session_id));
            }
        }
        serves
    }

    /// Finds an agent for a call.
    fn seek(&mut self, key: CallKey, now: Time) {
        let draw = self.draw();
        let Some(call) = self.calls.get(&key) else { return };
        if !call.offers.is_empty() {
            return;
        }
        let Some(queue) = self.queues.get(&call.queue) else { return };
        let picks = choose(queue, &call.tried, draw);
        if picks.is_empty() {
            // Everybody there is has been tried: once more after a pause.
            if !call.tried.is_empty() && self.timers.deadline(Timer::Retry(key)).is_none() {
                self.timers.arm(Timer::Retry(key), now.after(queue.plan.retry));
            }
            return;
        }
        for (rank, session) in picks {
            self.reserve(key, rank, session, now);
        }
    }

    /// Finds calls for agents who may have become free: the most urgent one first, and for it the
    /// agent whom its queue's strategy wants.
    fn employ(&mut self, agents: &[AgentId], now: Time) {
        loop {
            let best = agents.iter().filter_map(|agent| self.first_for_all(*agent)).min();
            let Some((_, _, key, rank, session)) = best else { return };
            match self.calls.get(&key) {
                Some(call) if call.offers.is_empty() => self.seek(key, now),
                _ => self.reserve(key, rank, session, now),
            }
        }
    }

    /// The most urgent call of all queues that an agent could serve, and its place there.
    fn first_for_all(
        &self,
        id: AgentId,
    ) -> Option<(Reverse<u32>, Place, CallKey, Rank, AgentSessionId)> {
        let candidate = |(queue_id, rank): &(QueueId, Rank)| {
            let queue = self.queues.get(queue_id)?;
            let session = queue.pool.get(rank)?;
            let (place, key) = self.first_for(queue, id)?;
            Some((Reverse(queue.plan.weight), place, key, *rank, *session))
        };
        self.agents.get(&id)?.pooled.iter().filter_map(candidate).min()
    }

    /// The first call of a queue that may be offered to this agent.
    fn first_for(&self, queue: &Queue, id: AgentId) -> Option<(Place, CallKey)> {
        let of = |list: &BTreeMap<Place, CallKey>| {
            for (place, key) in list {
                if self.calls.get(key).is_some_and(|call| !call.tried.contains(&id)) {
                    return Some((*place, *key));
                }
            }
            None
        };
        // Where everybody rings, who becomes free joins in.
        of(&queue.unserved).or_else(|| match queue.plan.strategy {
            Strategy::RingAll => of(&queue.line),
            _ => None,
        })
    }

    /// Reserves an agent for a call and has its phone rung (row 4 of 7.1).
    fn reserve(&mut self, key: CallKey, rank: Rank, session_id: AgentSessionId, now: Time) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let (agent, at) = (session.agent, session.at);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(queue) = self.queues.get_mut(&call.queue) else { return };
        call.offers.push(Offer { agent, session: session_id, at, since: now });
        queue.unserved.remove(&call.place);
        queue.cursor = Some(rank);
        let (queue_id, timeout) = (call.queue, queue.plan.ring_timeout);
        self.timers.cancel(Timer::Retry(key));
        if let Some(someone) = self.agents.get_mut(&agent) {
            debug_assert!(someone.reserved.is_none(), "an agent is offered one call at a time");
            someone.reserved = Some(key);
        }
        self.unpool(agent);
        let session = session_id;
        self.outputs.push(Output::Ring { call: key, queue: queue_id, agent, session, at, timeout });
    }

    /// A session that is READY no longer gives back the call that its phone rings for.
    pub(super) fn withdraw_from(&mut self, session: AgentSessionId, agent: AgentId) {
        let Some(key) = self.agents.get(&agent).and_then(|agent| agent.reserved) else { return };
        let Some(call) = self.calls.get(&key) else { return };
        let Some(offer) = call.offers.iter().copied().find(|offer| offer.session == session) else {
            return;
        };
        let at = offer.at;
        self.outputs.push(Output::StopRinging { call: key, at, is_answered_elsewhere: false });
        self.end_offer(key, offer);
    }

    /// A phone no longer rings for a call, which waits on at its place.
    pub(super) fn end_offer(&mut self, key: CallKey, offer: Offer) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.offers.retain(|other| other.agent != offer.agent);
            if call.offers.is_empty() {
                if let Some(queue) = self.queues.get_mut(&call.queue) {
                    queue.unserved.insert(call.place, key);
                }
                self.changes.calls.push(key);
            }
        }
        self.unreserve(offer.agent);
    }

    /// An agent may be offered other calls again.
    pub(super) fn unreserve(&mut self, agent: AgentId) {
        if let Some(someone) = self.agents.get_mut(&agent) {
            someone.reserved = None;
            self.changes.fitness(agent);
        }
    }

    /// Whether anybody is logged in for a queue.
    pub(super) fn is_staffed(&self, queue: &Queue) -> bool {
        queue
            .groups
            .iter()
            .any(|id| self.groups.get(id).is_some_and(|group| !group.live.is_empty()))
    }

    fn overflow_if_empty(&mut self, id: QueueId, now: Time) {
        let Some(queue) = self.queues.get(&id) else { return };
        if queue.plan.when_empty != EmptyQueue::Overflow || self.is_staffed(queue) {
            return;
        }
        let waiting: Vec<CallKey> = queue.line.values().copied().collect();
        for call in waiting {
            self.overflow(call, Overflowed::NobodyLoggedIn, now);
        }
    }
}

/// Whom a queue's strategy picks among those who have not refused; several only where all ring at once.
fn choose(queue: &Queue, tried: &[AgentId], draw: u64) -> Vec<(Rank, AgentSessionId)> {
    let is_new = |(rank, _): &(&Rank, &AgentSessionId)| !tried.contains(&rank.3);
    let owned = |(rank, session): (&Rank, &AgentSessionId)| (*rank, *session);
    let mut candidates = queue.pool.iter().filter(is_new).map(owned);
    match queue.plan.strategy {
        Strategy::RingAll => candidates.collect(),
        Strategy::Random => {
            let count = candidates.clone().count();
            let index = u64::try_from(count).ok().and_then(|count| draw.checked_rem(count));
            let index = index.and_then(|index| usize::try_from(index).ok());
            index.and_then(|index| candidates.nth(index)).into_iter().collect()
        }
        Strategy::RoundRobin => {
            let after = queue.cursor.map_or(Bound::Unbounded, Bound::Excluded);
            let later = queue.pool.range((after, Bound::Unbounded)).find(is_new).map(owned);
            later.or_else(|| candidates.next()).into_iter().collect()
        }
        _ => candidates.next().into_iter().collect(),
    }
}
