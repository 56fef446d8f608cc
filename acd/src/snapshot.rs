//! What survives a restart: who was logged in, in which state, and all books. Calls do not.

use serde::{Deserialize, Serialize};
use tapi::constant::{AgentSessionState, AgentStateEx};

use crate::session::SessionCounts;
use crate::statistics::{AgentCounts, QueueStatistics, Window};
use crate::time::Time;

/// A call centre at one moment. Lines are kept by name, for their numbers may change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken.
    pub taken: Time,
    pub(crate) last_agent: u32,
    pub(crate) last_session: u32,
    pub(crate) agents: Vec<AgentSnapshot>,
    pub(crate) sessions: Vec<SessionSnapshot>,
    pub(crate) queues: Vec<QueueSnapshot>,
}

/// An agent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct AgentSnapshot {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) is_logged_in: bool,
    pub(crate) is_leaving: bool,
    pub(crate) next: Option<AgentStateEx>,
    pub(crate) misses: u32,
    pub(crate) last_end: Option<Time>,
    pub(crate) window: Window,
    pub(crate) counts: AgentCounts,
    pub(crate) active_since: Option<Time>,
}

/// A session.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct SessionSnapshot {
    pub(crate) id: u32,
    pub(crate) agent: u32,
    /// The group's GUID in hexadecimal.
    pub(crate) group: String,
    pub(crate) line: String,
    pub(crate) address: u32,
    pub(crate) state: AgentSessionState,
    pub(crate) next: Option<AgentSessionState>,
    pub(crate) started: Time,
    pub(crate) ended: Option<Time>,
    pub(crate) ready_since: Time,
    /// When the call was answered that was in progress.
    pub(crate) answered: Option<Time>,
    pub(crate) wrap_up: Option<Time>,
    /// When after-call work would have been over.
    pub(crate) wrap_up_end: Option<Time>,
    pub(crate) activity: Option<u32>,
    pub(crate) counts: SessionCounts,
}

/// A queue.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct QueueSnapshot {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) window: Window,
    pub(crate) counts: QueueStatistics,
    pub(crate) longest_ever_ms: u64,
    pub(crate) handling_ms: Option<u64>,
    /// Calls that waited: the restart ended them.
    pub(crate) waiting: u32,
}
