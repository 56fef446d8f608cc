//! What happens to calls: they enter queues, ring at agents, are answered, refused, abandoned, sent on,
//! and end (tapi-agents 8 and 10.5).

use tapi::agent::{AgentSessionId, QueueId, WorkAddress};
use tapi::constant::AgentSessionState;
use thiserror::Error;

use super::Center;
use crate::limit::{MAX_WAITING_CALLS, UNREACHABLE_GUARD};
use crate::output::{Output, Overflowed};
use crate::plan::{Destination, EmptyQueue, Overflow};
use crate::queue::{Call, CallKey, Departure, Offer, Queue, Refusal, WaitingCall};
use crate::session::Served;
use crate::time::{Time, millis};
use crate::timer::Timer;

/// A call that a queue does not take.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("the queue does not take the call: {why:?}")]
pub struct QueueRefusal {
    /// Why.
    pub why: Overflowed,
    /// Where the call goes instead.
    pub to: Destination,
}

/// That phone does not ring for that call, or no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the phone is not offered this call: end its leg")]
pub struct NotOffered;

/// The call is in no queue, or with no agent there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the call centre does not have this call")]
pub struct Unknown;

impl Center {
    /// A call enters a queue. One that waits in another queue flows from there.
    ///
    /// Errors: the queue is full, or nobody is logged in and it does not let calls wait then; the
    /// refusal says where the call goes.
    pub fn enqueue(&mut self, call: WaitingCall, now: Time) -> Result<(), QueueRefusal> {
        let id = call.queue;
        if let Some(why) = self.refusal(id) {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.roll(now);
                queue.counts.refused += 1;
            }
            return Err(QueueRefusal { why, to: self.destination(id) });
        }
        if self.calls.contains_key(&call.key) {
            self.depart(call.key, Departure::FlowedOut, now);
        }
        self.last_place += 1;
        let place = (std::cmp::Reverse(call.priority), self.last_place);
        let Some(queue) = self.queues.get_mut(&id) else {
            return Err(QueueRefusal { why: Overflowed::QueueRemoved, to: Destination::HangUp });
        };
        queue.enter(call.key, place, call.from_queue.is_some(), now);
        if let Some(most) = queue.plan.max_wait {
            self.timers.arm(Timer::MaxWait(call.key), now.after(most));
        }
        if let Some(interval) = queue.plan.announce {
            self.timers.arm(Timer::Announce(call.key), now.after(interval));
        }
        let (offers, tried) = (Vec::new(), Vec::new());
        let entry = Call { queue: id, place, entered: now, offers, tried };
        self.calls.insert(call.key, entry);
        self.changes.calls.push(call.key);
        self.changes.queue_infos.push(id);
        self.finish(now);
        Ok(())
    }

    /// The caller of a waiting call is gone.
    pub fn abandon(&mut self, call: CallKey, now: Time) -> Result<(), Unknown> {
        self.depart_and_finish(call, Departure::Abandoned, now)
    }

    /// An application, or somebody by a feature, takes a waiting call out of its queue.
    pub fn take_away(&mut self, call: CallKey, now: Time) -> Result<(), Unknown> {
        self.depart_and_finish(call, Departure::TakenAway, now)
    }

    /// A waiting call is sent on to another queue by other means than [`Output::Overflow`].
    pub fn flow(&mut self, call: CallKey, now: Time) -> Result<(), Unknown> {
        self.depart_and_finish(call, Departure::FlowedOut, now)
    }

    /// A phone began to ring for a call.
    pub fn ringing(&mut self, call: CallKey, at: WorkAddress, now: Time) -> Result<(), NotOffered> {
        let offers = &mut self.calls.get_mut(&call).ok_or(NotOffered)?.offers;
        let offer = offers.iter_mut().find(|offer| offer.at == at).ok_or(NotOffered)?;
        offer.since = now;
        Ok(())
    }

    /// An agent answered: the session that has the call now (row 5 of 7.1).
    pub fn answered(
        &mut self,
        call: CallKey,
        at: WorkAddress,
        now: Time,
    ) -> Result<AgentSessionId, NotOffered> {
        let offer = self.offer(call, at)?;
        let Some(waited) = self.depart_but(call, Departure::Answered, Some(offer.agent), now)
        else {
            return Err(NotOffered);
        };
        let wrap_up = self.queues.get(&waited.queue).map(|queue| queue.plan.wrap_up);
        if let Some(session) = self.sessions.get_mut(&offer.session) {
            let to_answer = millis(now.since(offer.since));
            session.counts.answers += 1;
            session.counts.to_answer_ms += to_answer;
            session.counts.longest_to_answer_ms =
                session.counts.longest_to_answer_ms.max(to_answer);
            let wrap_up = wrap_up.unwrap_or_default();
            session.served = Some(Served { call, queue: waited.queue, answered: now, wrap_up });
        }
        if let Some(agent) = self.agents.get_mut(&offer.agent) {
            agent.misses = 0;
            agent.reserved = None;
        }
        self.enter(offer.session, AgentSessionState::BusyOnCall, now);
        self.finish(now);
        Ok(offer.session)
    }

    /// An agent's phone did not take a call, which keeps its place (row 7 of 7.1).
    pub fn refused(
        &mut self,
        call: CallKey,
        at: WorkAddress,
        why: Refusal,
        now: Time,
    ) -> Result<(), NotOffered> {
        let offer = self.offer(call, at)?;
        let Some(waiting) = self.calls.get_mut(&call) else { return Err(NotOffered) };
        waiting.tried.push(offer.agent);
        let queue = waiting.queue;
        self.end_offer(call, offer);
        self.leave_alone(offer, queue, why, now);
        self.finish(now);
        Ok(())
    }

    /// An answered call is gone from the agent's address: hung up by either, or transferred away.
    pub fn left(&mut self, call: CallKey, at: WorkAddress, now: Time) -> Result<(), Unknown> {
        let desk = self.desks.get(&at).ok_or(Unknown)?;
        let has_it = |id: &&AgentSessionId| {
            let served = self.sessions.get(id).and_then(|session| session.served.as_ref());
            served.is_some_and(|served| served.call == call)
        };
        let session = desk.live.iter().find(has_it).copied().ok_or(Unknown)?;
        self.end_call(session, now);
        self.finish(now);
        Ok(())
    }

    fn offer(&self, call: CallKey, at: WorkAddress) -> Result<Offer, NotOffered> {
        self.calls.get(&call).and_then(|call| call.offer_at(at)).ok_or(NotOffered)
    }

    /// What a refusal means for the agent (tapi-agents 10.5).
    fn leave_alone(&mut self, offer: Offer, queue: QueueId, why: Refusal, now: Time) {
        let Some(plan) = self.queues.get(&queue).map(|queue| &queue.plan) else { return };
        let Some(agent) = self.agents.get_mut(&offer.agent) else { return };
        let pause = match why {
            Refusal::NoAnswer => {
                agent.misses = agent.misses.saturating_add(1);
                if plan.misses.is_some_and(|most| agent.misses >= most) {
                    agent.misses = 0;
                    return self.stop_offering(offer, now);
                }
                plan.no_answer_back_off
            }
            Refusal::Unregistered => {
                if let Some(desk) = self.desks.get_mut(&offer.at) {
                    desk.is_unreachable = true;
                }
                self.timers.arm(Timer::Unreachable(offer.at), now.after(UNREACHABLE_GUARD));
                return;
            }
            Refusal::Busy => plan.busy_back_off,
            Refusal::Rejected | Refusal::Failed => plan.reject_back_off,
        };
        if !pause.is_zero() {
            let until = now.after(pause);
            agent.back_off = Some(until);
            self.timers.arm(Timer::BackOff(offer.agent), until);
        }
    }

    /// An agent who does not answer is not there: every session that is READY becomes NOTREADY.
    fn stop_offering(&mut self, offer: Offer, now: Time) {
        let live = self.agents.get(&offer.agent).map(|a| a.live.clone()).unwrap_or_default();
        for id in live {
            let state = self.sessions.get(&id).map(|session| session.state);
            if state == Some(AgentSessionState::Ready) {
                self.enter(id, AgentSessionState::NotReady, now);
            }
        }
    }

    fn depart_and_finish(
        &mut self,
        call: CallKey,
        how: Departure,
        now: Time,
    ) -> Result<(), Unknown> {
        self.depart(call, how, now).ok_or(Unknown)?;
        self.finish(now);
        Ok(())
    }

    pub(super) fn depart(&mut self, key: CallKey, how: Departure, now: Time) -> Option<Call> {
        self.depart_but(key, how, None, now)
    }

    /// A call leaves its queue; every phone that rings for it stops, but for that of one agent.
    fn depart_but(
        &mut self,
        key: CallKey,
        how: Departure,
        but: Option<tapi::agent::AgentId>,
        now: Time,
    ) -> Option<Call> {
        let call = self.calls.remove(&key)?;
        for timer in [Timer::Retry(key), Timer::MaxWait(key), Timer::Announce(key)] {
            self.timers.cancel(timer);
        }
        if let Some(queue) = self.queues.get_mut(&call.queue) {
            queue.leave(&call, how, now);
        }
        let is_answered_elsewhere = how == Departure::Answered;
        for offer in call.offers.iter().filter(|offer| Some(offer.agent) != but) {
            let at = offer.at;
            self.outputs.push(Output::StopRinging { call: key, at, is_answered_elsewhere });
            self.unreserve(offer.agent);
        }
        self.changes.queue_infos.push(call.queue);
        Some(call)
    }

    /// A waiting call goes elsewhere.
    pub(super) fn overflow(&mut self, key: CallKey, why: Overflowed, now: Time) {
        let Some(from) = self.calls.get(&key).map(|call| call.queue) else { return };
        let to = self.destination(from);
        let how = match to {
            Destination::Queue(_) => Departure::FlowedOut,
            Destination::HangUp | Destination::Number(_) => Departure::FinalDisposition,
        };
        self.depart(key, how, now);
        self.outputs.push(Output::Overflow { call: key, from, to, why });
    }

    /// Why a queue takes no call now.
    fn refusal(&self, id: QueueId) -> Option<Overflowed> {
        let Some(queue) = self.queues.get(&id) else { return Some(Overflowed::QueueRemoved) };
        if self.calls.len() >= MAX_WAITING_CALLS || queue.is_full() {
            return Some(Overflowed::Full);
        }
        let may_be_empty = queue.plan.when_empty == EmptyQueue::Wait;
        (!may_be_empty && !self.is_staffed(queue)).then_some(Overflowed::NobodyLoggedIn)
    }

    /// Where calls go that a queue cannot keep: past queues that would not take them either.
    pub(super) fn destination(&self, from: QueueId) -> Destination {
        let mut seen = vec![from];
        let mut queue = self.queues.get(&from);
        loop {
            let name = match queue.map(|queue: &Queue| &queue.plan.overflow) {
                None | Some(Overflow::HangUp) => return Destination::HangUp,
                Some(Overflow::Number(number)) => return Destination::Number(number.clone()),
                Some(Overflow::Queue(name)) => name,
            };
            let Some(id) = self.queue_names.get(name).copied() else { return Destination::HangUp };
            if seen.contains(&id) {
                return Destination::HangUp;
            }
            if self.refusal(id).is_none() {
                return Destination::Queue(id);
            }
            seen.push(id);
            queue = self.queues.get(&id);
        }
    }

    /// A waiting caller is told its position and how long it will take; not while a phone rings for it.
    pub(super) fn announce(&mut self, key: CallKey, now: Time) {
        let Some(call) = self.calls.get(&key) else { return };
        let Some(queue) = self.queues.get(&call.queue) else { return };
        let Some(interval) = queue.plan.announce else { return };
        self.timers.arm(Timer::Announce(key), now.after(interval));
        if call.offers.is_empty() {
            let place = queue.line.range(..=call.place).count();
            let position = u32::try_from(place).unwrap_or(u32::MAX);
            let expected_wait = queue.expected_wait(position, self.agents_at_work(queue));
            self.outputs.push(Output::Announce { call: key, position, expected_wait });
        }
    }

    /// How many agents take calls of a queue, or will after the one they have.
    pub(super) fn agents_at_work(&self, queue: &Queue) -> usize {
        let mut agents: Vec<_> = queue
            .groups
            .iter()
            .filter_map(|id| self.groups.get(id))
            .flat_map(|group| &group.live)
            .filter_map(|id| self.sessions.get(id))
            .filter(|session| session.state != AgentSessionState::NotReady)
            .map(|session| session.agent)
            .collect();
        agents.sort_unstable();
        agents.dedup();
        agents.len()
    }
}
