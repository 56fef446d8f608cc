//! Queues, agent groups and agents.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::secret::Secret;
use crate::sound::Sound;

/// How a queue chooses among the agents that can take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueStrategy {
    /// The one whose last call of a queue ended longest ago.
    LongestIdle,
    /// All at once; the first that answers has the call.
    RingAll,
    /// The one after the last one tried.
    RoundRobin,
    /// In the order of the file, always from the first.
    Sequential,
    /// The one with the fewest calls of queues in this period.
    FewestCalls,
    /// The one that has talked the least.
    LeastTalkTime,
    /// Anyone.
    Random,
}

impl QueueStrategy {
    pub(crate) const ALL: [(&str, Self); 8] = [
        ("longest-idle", Self::LongestIdle),
        ("simultaneous", Self::RingAll),
        ("ring-all", Self::RingAll),
        ("round-robin", Self::RoundRobin),
        ("sequential", Self::Sequential),
        ("fewest-calls", Self::FewestCalls),
        ("least-talk-time", Self::LeastTalkTime),
        ("random", Self::Random),
    ];

    /// As written in the file.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

/// What becomes of a call when no agent is logged in for its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenEmpty {
    /// It waits as if somebody were.
    Wait,
    /// It goes where calls go that waited too long, at once.
    Leave,
}

impl WhenEmpty {
    pub(crate) const ALL: [(&str, Self); 2] = [("wait", Self::Wait), ("leave", Self::Leave)];
}

/// `[queues.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// The name in the file.
    pub id: String,
    /// Shown to people; the key where the file gives none.
    pub name: String,
    /// What is dialled to reach it.
    pub number: String,
    /// How the agent is chosen; default longest-idle.
    pub strategy: QueueStrategy,
    /// Names of the agent groups that serve it, in the order of the file; at least one.
    pub groups: Vec<String>,
    /// Of two queues that wait for one agent the heavier one is served first; default 0.
    pub weight: u32,
    /// How long an agent is rung; without it, the `ring_timeout` of the agent's line.
    pub ring_timeout: Option<Duration>,
    /// After a call an agent gets none for this long; default none.
    pub wrap_up: Duration,
    /// A call waits at most this long; without it, for ever.
    pub max_wait: Option<Duration>,
    /// Where a call goes that waited too long; without it, it is ended.
    pub on_max_wait: Option<String>,
    /// How many calls may wait; without it, any number.
    pub max_length: Option<u32>,
    /// Where a call goes that finds the queue full; without it, it is busy.
    pub on_full: Option<String>,
    /// What becomes of a call when nobody is logged in; default it waits.
    pub when_empty: WhenEmpty,
    /// How often in a row an agent may let it ring before it is set not ready; 0 for ever. Default 3.
    pub max_misses: u32,
    /// When all agents have been tried, the next round begins after this; default 5 seconds.
    pub retry: Duration,
    /// An agent who did not answer is left alone for this long; default none.
    pub no_answer_delay: Duration,
    /// The same for one whose phone was busy; default a minute.
    pub busy_delay: Duration,
    /// The same for one who refused; default 10 seconds.
    pub reject_delay: Duration,
    /// Calls answered within this count for the service level; default 20 seconds.
    pub service_level: Duration,
    /// So long the caller hears ringing while an agent is rung at once, before it is answered with
    /// music; default 5 seconds.
    pub answer_after: Duration,
    /// Whether a waiting caller is answered at all; default yes. If not, it hears its own phone ring.
    pub answers: bool,
    /// What the waiting hear; default that of `[media]`.
    pub music: Option<Sound>,
    /// Whether its agents' conversations are recorded; default no.
    pub record: bool,
    /// What the waiting are told.
    pub announcements: Announcements,
    /// Put before the caller's name at the agent's phone.
    pub name_prefix: Option<String>,
    /// Value of Alert-Info at the agent's phone, for a ring of its own.
    pub alert_info: Option<String>,
    /// Lines that may listen to its calls, whisper to its agents and join in.
    pub supervisors: Vec<String>,
}

/// What those who wait are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcements {
    /// How often; default every 30 seconds.
    pub every: Duration,
    /// For everybody.
    pub general: Option<Sound>,
    /// By position: the first for who is next; the last also for all behind.
    pub positions: Vec<Sound>,
    /// By the wait that is to be expected, shortest first.
    pub waits: Vec<(Duration, Sound)>,
    /// As many short tones as the caller's position.
    pub has_tones: bool,
}

impl Announcements {
    /// Whether there is anything to say.
    pub fn is_silent(&self) -> bool {
        self.general.is_none()
            && self.positions.is_empty()
            && self.waits.is_empty()
            && !self.has_tones
    }

    /// Every recording.
    pub fn sounds(&self) -> impl Iterator<Item = &Sound> {
        let waits = self.waits.iter().map(|(_, sound)| sound);
        self.general.iter().chain(&self.positions).chain(waits)
    }
}

/// `[agent_groups.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentGroup {
    /// The key in the file.
    pub id: String,
    /// Shown to people; the key where the file gives none.
    pub name: String,
    /// Lines that may listen to its agents, whisper to them and join in.
    pub supervisors: Vec<String>,
}

/// `[agents.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// The agent's identifier.
    pub id: String,
    /// Shown to people; the identifier where the file gives none.
    pub name: String,
    /// The PIN that lineCreateAgent and the log-in code take.
    pub password: Secret,
    /// Names of the groups it may join.
    pub groups: Vec<String>,
    /// Where it works unless it logs in elsewhere.
    pub line: Option<String>,
    /// Whether the log-in code wants the PIN at the agent's own line, too; default no.
    pub asks_pin: bool,
}

/// `[call_centre]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CallCentre {
    /// What agents can say that they do (LINEAGENTACTIVITYENTRY), numbered from 1.
    pub activities: Vec<String>,
    /// How long a session that has ended can still be asked about; default an hour.
    pub keep_ended_sessions: Duration,
}

impl Default for CallCentre {
    fn default() -> Self {
        Self { activities: Vec::new(), keep_ended_sessions: Duration::from_secs(3600) }
    }
}

/// The queue with a dialled number.
pub(crate) fn queue_at<'a>(queues: &'a BTreeMap<String, Queue>, number: &str) -> Option<&'a Queue> {
    queues.values().find(|queue| queue.number == number)
}
