//! A queue: the calls that wait in it, in order, the agents who could take one, and its books.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use tapi::agent::{AgentId, AgentSessionId, GroupId, QueueId, QueueInfo, WorkAddress};

use crate::agent::Rank;
use crate::plan::QueuePlan;
use crate::statistics::{QueueStatistics, Window};
use crate::time::{Time, millis, seconds, seconds_of};

/// A call, as the exchange numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallKey(pub u64);

/// A call that enters a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitingCall {
    /// Which.
    pub key: CallKey,
    /// Where it waits.
    pub queue: QueueId,
    /// The queue that it came from, if it flowed in.
    pub from_queue: Option<QueueId>,
    /// The higher, the sooner; calls of one priority keep their order.
    pub priority: u32,
}

/// Why an agent did not take a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The phone rang in vain.
    NoAnswer,
    /// 486, 600.
    Busy,
    /// 603, 403, a forward of the phone, do not disturb.
    Rejected,
    /// 404, 480, 408: the phone is not there.
    Unregistered,
    /// Anything else.
    Failed,
}

/// A call's place in its queue: higher priority first, then who came first.
pub(crate) type Place = (Reverse<u32>, u64);

/// A phone that rings for a call, and the session reserved for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) agent: AgentId,
    pub(crate) session: AgentSessionId,
    pub(crate) at: WorkAddress,
    /// When the phone began to ring; until it does, when it was asked to.
    pub(crate) since: Time,
}

/// A call that waits.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) queue: QueueId,
    pub(crate) place: Place,
    pub(crate) entered: Time,
    pub(crate) offers: Vec<Offer>,
    /// Who refused it in this round.
    pub(crate) tried: Vec<AgentId>,
}

impl Call {
    /// Its priority.
    pub(crate) fn priority(&self) -> u32 {
        self.place.0.0
    }

    /// What is offered at an address.
    pub(crate) fn offer_at(&self, at: WorkAddress) -> Option<Offer> {
        self.offers.iter().copied().find(|offer| offer.at == at)
    }
}

/// How a call left its queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Departure {
    Answered,
    Abandoned,
    FlowedOut,
    FinalDisposition,
    TakenAway,
}

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) plan: QueuePlan,
    pub(crate) groups: Vec<GroupId>,
    /// Every call that waits, in order.
    pub(crate) line: BTreeMap<Place, CallKey>,
    /// Those that no phone rings for.
    pub(crate) unserved: BTreeMap<Place, CallKey>,
    /// The same calls by the order in which they came.
    pub(crate) arrivals: BTreeMap<u64, CallKey>,
    /// Who could take a call now, the best first, and by which session.
    pub(crate) pool: BTreeMap<Rank, AgentSessionId>,
    /// Who was tried last, for round-robin.
    pub(crate) cursor: Option<Rank>,
    pub(crate) window: Window,
    pub(crate) counts: QueueStatistics,
    pub(crate) longest_ever_ms: u64,
    /// What a call takes an agent, on average.
    pub(crate) handling_ms: Option<u64>,
    pub(crate) told: Option<Time>,
}

impl Queue {
    /// A queue without calls.
    pub(crate) fn new(plan: QueuePlan, groups: Vec<GroupId>, now: Time) -> Self {
        Self {
            plan,
            groups,
            line: BTreeMap::new(),
            unserved: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            pool: BTreeMap::new(),
            cursor: None,
            window: Window::new(now),
            counts: QueueStatistics::default(),
            longest_ever_ms: 0,
            handling_ms: None,
            told: None,
        }
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> u32 {
        u32::try_from(self.line.len()).unwrap_or(u32::MAX)
    }

    /// Whether no more calls may enter.
    pub(crate) fn is_full(&self) -> bool {
        self.plan.max_length.is_some_and(|most| self.waiting() >= most)
    }

    /// Begins a new measurement period if the old one is over.
    pub(crate) fn roll(&mut self, now: Time) {
        if self.window.roll(now) {
            self.restart_counts();
        }
    }

    /// Begins another measurement period at once.
    pub(crate) fn measure(&mut self, now: Time, seconds: u32) {
        self.window = Window::restart(now, seconds);
        self.restart_counts();
    }

    fn restart_counts(&mut self) {
        self.counts = QueueStatistics { carried: self.waiting(), ..QueueStatistics::default() };
    }

    /// A call enters, last of its priority.
    pub(crate) fn enter(&mut self, key: CallKey, place: Place, is_from_queue: bool, now: Time) {
        self.roll(now);
        self.line.insert(place, key);
        self.unserved.insert(place, key);
        self.arrivals.insert(place.1, key);
        self.counts.queued += 1;
        self.counts.flowed_in += u32::from(is_from_queue);
    }

    /// A call leaves.
    pub(crate) fn leave(&mut self, call: &Call, how: Departure, now: Time) {
        self.roll(now);
        self.line.remove(&call.place);
        self.unserved.remove(&call.place);
        self.arrivals.remove(&call.place.1);
        let waited = now.since(call.entered);
        let waited_ms = millis(waited);
        let is_early = u32::from(waited <= self.plan.service_level);
        let counts = &mut self.counts;
        match how {
            Departure::Answered => {
                counts.answered += 1;
                counts.answered_in_time += is_early;
                counts.answer_wait_ms += waited_ms;
            }
            Departure::Abandoned => {
                counts.abandoned += 1;
                counts.abandoned_early += is_early;
            }
            Departure::FlowedOut => counts.flowed_out += 1,
            Departure::FinalDisposition => counts.final_disposition += 1,
            Departure::TakenAway => counts.taken_away += 1,
        }
        counts.wait_ms += waited_ms;
        self.longest_ever_ms = self.longest_ever_ms.max(waited_ms);
    }

    /// An agent is done with a call of this queue; the average follows the last dozen or so.
    pub(crate) fn handled(&mut self, took: Duration) {
        let took_ms = millis(took);
        self.handling_ms = Some(
            self.handling_ms
                .map_or(took_ms, |old| old.saturating_mul(7).saturating_add(took_ms) / 8),
        );
    }

    /// How long the call at this position will wait, if so many agents work here.
    pub(crate) fn expected_wait(&self, position: u32, agents: usize) -> Option<Duration> {
        let agents = u64::try_from(agents).ok().filter(|agents| *agents > 0)?;
        self.handling_ms
            .map(|ms| Duration::from_millis(ms.saturating_mul(position.into()) / agents))
    }

    /// LINEQUEUEINFO. `oldest` is when the call entered that waits longest.
    pub(crate) fn info(&self, oldest: Option<Time>, now: Time) -> QueueInfo {
        let counts = &self.counts;
        let longest_wait = oldest.map_or(Duration::ZERO, |entered| now.since(entered));
        QueueInfo {
            measurement_period: self.window.seconds(),
            queued: counts.queued,
            waiting: self.waiting(),
            abandoned: counts.abandoned,
            flowed_in: counts.flowed_in,
            flowed_out: counts.flowed_out,
            longest_ever_wait: seconds_of(self.longest_ever_ms),
            longest_wait: seconds(longest_wait),
            average_wait: seconds(counts.average_wait()),
            final_disposition: counts.final_disposition,
        }
    }
}
