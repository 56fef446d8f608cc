//! The centre's timers: what is due when. Each timer has at most one deadline.

use std::collections::{BTreeMap, BTreeSet};

use tapi::agent::{AgentId, AgentSessionId, QueueId, WorkAddress};

use crate::queue::CallKey;
use crate::time::Time;

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// A measurement period of an agent is over.
    AgentPeriod(AgentId),
    /// A measurement period of a queue is over.
    QueuePeriod(QueueId),
    /// After-call work is over.
    WrapUp(AgentSessionId),
    /// An agent who refused may be offered calls again.
    BackOff(AgentId),
    /// A phone that could not be reached is tried again.
    Unreachable(WorkAddress),
    /// A call that everybody refused is offered again.
    Retry(CallKey),
    /// A call has waited too long.
    MaxWait(CallKey),
    /// A waiting caller is told how things stand.
    Announce(CallKey),
    /// An ended session is forgotten.
    Retention(AgentSessionId),
    /// Statistics that changed meanwhile are told.
    AgentInfo(AgentId),
    /// The same for a session.
    SessionInfo(AgentSessionId),
    /// The same for a queue.
    QueueInfo(QueueId),
}

/// All deadlines, the soonest first.
#[derive(Default, Debug)]
pub(crate) struct Timers {
    due: BTreeSet<(Time, Timer)>,
    deadlines: BTreeMap<Timer, Time>,
}

impl Timers {
    /// Sets a timer's only deadline.
    pub(crate) fn arm(&mut self, timer: Timer, at: Time) {
        if let Some(old) = self.deadlines.insert(timer, at) {
            self.due.remove(&(old, timer));
        }
        self.due.insert((at, timer));
    }

    /// Forgets a deadline, if there is one.
    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(old) = self.deadlines.remove(&timer) {
            self.due.remove(&(old, timer));
        }
    }

    /// When this timer fires.
    pub(crate) fn deadline(&self, timer: Timer) -> Option<Time> {
        self.deadlines.get(&timer).copied()
    }

    /// The soonest deadline.
    pub(crate) fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out one timer that is due.
    pub(crate) fn pop(&mut self, now: Time) -> Option<Timer> {
        let (at, timer) = self.due.first().copied()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}
