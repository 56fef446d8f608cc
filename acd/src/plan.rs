//! What a call centre is made of, as the configuration says it: queues, groups, agents, activities.

use std::fmt;
use std::time::Duration;

use subtle::ConstantTimeEq as _;
use tapi::DeviceId;
use tapi::agent::{Activity, QueueId};

use crate::limit::RETENTION;

/// The whole call centre in typed form.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// The switch's domain: half of a group's GUID.
    pub domain: String,
    /// Name and version of the handler, for LINEAGENTCAPS.
    pub handler: String,
    /// The groups.
    pub groups: Vec<GroupPlan>,
    /// The queues.
    pub queues: Vec<QueuePlan>,
    /// The agents, in the order of the file.
    pub agents: Vec<AgentPlan>,
    /// What agents may say they are doing, lineGetAgentActivityList.
    pub activities: Vec<Activity>,
    /// Whether the log-in code asks for a PIN even at the agent's own line.
    pub is_pin_always_asked: bool,
    /// How long a session that has ended can still be asked about (tapi-agents 7.1, row 19).
    pub retention: Duration,
}

impl Plan {
    /// A call centre of this domain without anything in it.
    pub fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            handler: String::from("Strowger"),
            groups: Vec::new(),
            queues: Vec::new(),
            agents: Vec::new(),
            activities: Vec::new(),
            is_pin_always_asked: false,
            retention: RETENTION,
        }
    }
}

/// A group: a class of calls that need one kind of handling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupPlan {
    /// The key in the configuration, from which the GUID is made.
    pub key: String,
    /// What people see.
    pub name: String,
}

/// A queue.
#[derive(Clone, PartialEq, Debug)]
pub struct QueuePlan {
    /// The name; its number, `dwQueueID`, is made of it.
    pub name: String,
    /// Keys of the groups that serve it, the first first.
    pub groups: Vec<String>,
    /// How an agent is chosen.
    pub strategy: Strategy,
    /// When an agent could serve several queues: the heaviest first.
    pub weight: u32,
    /// After-call work; none is 0.
    pub wrap_up: Duration,
    /// How long one phone rings; without it as long as its line says.
    pub ring_timeout: Option<Duration>,
    /// After everybody refused a call, it is offered again after this.
    pub retry: Duration,
    /// So many calls not answered in a row make an agent NOTREADY.
    pub misses: Option<u32>,
    /// An agent who did not answer is left alone this long.
    pub no_answer_back_off: Duration,
    /// An agent whose phone was busy is left alone this long.
    pub busy_back_off: Duration,
    /// An agent who rejected a call is left alone this long.
    pub reject_back_off: Duration,
    /// A call waits at most this long.
    pub max_wait: Option<Duration>,
    /// At most so many calls wait.
    pub max_length: Option<u32>,
    /// What if nobody is logged in.
    pub when_empty: EmptyQueue,
    /// Where calls go that cannot stay.
    pub overflow: Overflow,
    /// How often a caller is told position and expected wait.
    pub announce: Option<Duration>,
    /// A call answered within this was answered in time (service level).
    pub service_level: Duration,
}

impl QueuePlan {
    /// A queue that these groups serve, with the defaults of tapi-agents 10.5.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            groups: groups.iter().map(|&key| key.to_owned()).collect(),
            strategy: Strategy::default(),
            weight: 0,
            wrap_up: Duration::ZERO,
            ring_timeout: None,
            retry: Duration::from_secs(5),
            misses: Some(3),
            no_answer_back_off: Duration::ZERO,
            busy_back_off: Duration::from_secs(60),
            reject_back_off: Duration::from_secs(10),
            max_wait: None,
            max_length: None,
            when_empty: EmptyQueue::default(),
            overflow: Overflow::HangUp,
            announce: None,
            service_level: Duration::from_secs(20),
        }
    }
}

/// How an agent is chosen (tapi-agents 10.4).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Strategy {
    /// Whose last queue call ended longest ago; who had none is first.
    #[default]
    LongestIdle,
    /// The next after the one that was tried last.
    RoundRobin,
    /// Who had the fewest queue calls in the measurement period.
    FewestCalls,
    /// Who talked least in the measurement period.
    LeastTalkTime,
    /// In the order of the file, always from the top.
    Sequential,
    /// Anybody.
    Random,
    /// Everybody at once: the first who answers has the call.
    RingAll,
}

/// What happens if nobody is logged in for a queue.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum EmptyQueue {
    /// Calls wait as ever.
    #[default]
    Wait,
    /// A new call overflows; those that wait stay.
    RefuseNew,
    /// A new call overflows, and so do all that wait when the last agent goes.
    Overflow,
}

/// Where a queue sends calls that cannot stay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Overflow {
    /// Nowhere: they are ended.
    HangUp,
    /// To another queue, by its name.
    Queue(String),
    /// To a number.
    Number(String),
}

/// Where one call goes: an [`Overflow`] with its queue found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Nowhere: it is ended.
    HangUp,
    /// To a queue that would take it now.
    Queue(QueueId),
    /// To a number.
    Number(String),
}

/// An agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentPlan {
    /// The agent's identifier.
    pub id: String,
    /// What must be known to log in.
    pub pin: Option<Pin>,
    /// Keys of the groups that it may join.
    pub groups: Vec<String>,
    /// The line it works at unless it logs in elsewhere.
    pub line: Option<DeviceId>,
}

/// A secret number.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(String);

impl Pin {
    /// A PIN.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether this is it; the time taken does not tell how much of it was right.
    pub fn is_matched_by(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(…)")
    }
}
