//! An agent: who it is, what it may do, its books, and its place among those who could take a call.

use tapi::DeviceId;
use tapi::agent::{AgentId, AgentInfo, AgentSessionId, GroupId, QueueId};
use tapi::constant::AgentStateEx;

use crate::plan::{Pin, Strategy};
use crate::queue::CallKey;
use crate::session::Session;
use crate::statistics::{AgentCounts, Window, call_rate};
use crate::time::{Time, millis, seconds_of};

/// An agent's place in a queue's pool: the strategy's criteria, then the agent's own place, then who.
pub(crate) type Rank = (u64, u64, u32, AgentId);

/// An agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) pin: Option<Pin>,
    /// Wrong PINs in a row, and when the last was given.
    pub(crate) wrong_pins: (u32, Time),
    /// The groups that it may join.
    pub(crate) groups: Vec<GroupId>,
    pub(crate) line: Option<DeviceId>,
    /// The line of the session that ended last.
    pub(crate) worked_at: Option<DeviceId>,
    /// Its place in the file.
    pub(crate) order: u32,
    /// Its place by name.
    pub(crate) by_name: u32,
    /// Whether the configuration still has it.
    pub(crate) is_configured: bool,
    pub(crate) is_logged_in: bool,
    /// Whether it logs out once its call is over.
    pub(crate) is_leaving: bool,
    pub(crate) next: Option<AgentStateEx>,
    pub(crate) live: Vec<AgentSessionId>,
    pub(crate) ended: Vec<AgentSessionId>,
    /// The call that its phone rings for.
    pub(crate) reserved: Option<CallKey>,
    pub(crate) back_off: Option<Time>,
    /// Calls not answered in a row.
    pub(crate) misses: u32,
    /// When its last queue call ended.
    pub(crate) last_end: Option<Time>,
    pub(crate) window: Window,
    pub(crate) counts: AgentCounts,
    /// Since when it has had a session.
    pub(crate) active_since: Option<Time>,
    /// The pools that it is in.
    pub(crate) pooled: Vec<(QueueId, Rank)>,
    /// The state that applications were told.
    pub(crate) shown: AgentStateEx,
    /// Since when.
    pub(crate) shown_since: Time,
    pub(crate) told: Option<Time>,
}

impl Agent {
    /// An agent who has not logged in.
    pub(crate) fn new(name: &str, now: Time) -> Self {
        Self {
            name: name.to_owned(),
            pin: None,
            wrong_pins: (0, now),
            groups: Vec::new(),
            line: None,
            worked_at: None,
            order: 0,
            by_name: 0,
            is_configured: true,
            is_logged_in: false,
            is_leaving: false,
            next: None,
            live: Vec::new(),
            ended: Vec::new(),
            reserved: None,
            back_off: None,
            misses: 0,
            last_end: None,
            window: Window::new(now),
            counts: AgentCounts::default(),
            active_since: None,
            pooled: Vec::new(),
            shown: AgentStateEx::Released,
            shown_since: now,
            told: None,
        }
    }

    /// Begins a new measurement period if the old one is over.
    pub(crate) fn roll(&mut self, now: Time) {
        if self.window.roll(now) {
            let start = self.window.start();
            self.restart_counts(start);
        }
    }

    /// Begins another measurement period at once.
    pub(crate) fn measure(&mut self, now: Time, seconds: u32) {
        self.window = Window::restart(now, seconds);
        self.restart_counts(now);
    }

    fn restart_counts(&mut self, from: Time) {
        self.counts = AgentCounts::default();
        self.active_since = self.active_since.map(|since| since.max(from));
    }

    /// Notes that sessions began or ended: an hour with several counts once.
    pub(crate) fn note_activity(&mut self, now: Time) {
        self.roll(now);
        match (self.active_since, self.live.is_empty()) {
            (None, false) => self.active_since = Some(now),
            (Some(since), true) => {
                self.counts.active_ms += millis(now.since(since));
                self.active_since = None;
            }
            _ => {}
        }
    }

    /// LINEAGENTINFO.
    pub(crate) fn info(
        &self,
        state: AgentStateEx,
        next: Option<AgentStateEx>,
        now: Time,
    ) -> AgentInfo {
        let counts = &self.counts;
        let running = self.active_since.map_or(0, |since| millis(now.since(since)));
        let active = std::time::Duration::from_millis(counts.active_ms + running);
        let (talk, wrap_up) = (seconds_of(counts.talk_ms), seconds_of(counts.wrap_up_ms));
        AgentInfo {
            state,
            next,
            measurement_period: self.window.seconds(),
            overall_call_rate: call_rate(counts.calls, active),
            acd_calls: counts.calls,
            incoming_calls: counts.incoming,
            outgoing_calls: counts.outgoing,
            acd_talk_time: talk,
            acd_call_time: talk.saturating_add(wrap_up),
            acd_wrap_up_time: wrap_up,
        }
    }

    /// Its place in a pool, by the queue's strategy (tapi-agents 10.4).
    pub(crate) fn rank(&self, id: AgentId, strategy: Strategy, session: &Session) -> Rank {
        let last_end = self.last_end.map_or(0, |end| end.0);
        match strategy {
            Strategy::LongestIdle => (last_end, session.ready_since.0, self.by_name, id),
            Strategy::FewestCalls => (u64::from(self.counts.calls), last_end, self.by_name, id),
            Strategy::LeastTalkTime => (self.counts.talk_ms, last_end, self.by_name, id),
            Strategy::RoundRobin | Strategy::Sequential | Strategy::Random | Strategy::RingAll => {
                (0, 0, self.order, id)
            }
        }
    }
}
