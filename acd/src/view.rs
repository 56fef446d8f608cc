//! How things stand, as administrators see it.

use std::time::Duration;

use tapi::agent::{
    Activity, AgentId, AgentInfo, AgentSessionId, AgentSessionInfo, GroupId, QueueId, QueueInfo,
    WorkAddress,
};

use crate::queue::CallKey;
use crate::statistics::QueueStatistics;
use crate::time::Time;

/// A queue.
#[derive(Clone, PartialEq, Debug)]
pub struct QueueView {
    /// `dwQueueID`.
    pub id: QueueId,
    /// Its name.
    pub name: String,
    /// The groups that serve it.
    pub groups: Vec<GroupId>,
    /// LINEQUEUEINFO.
    pub info: QueueInfo,
    /// What TAPI does not count.
    pub statistics: QueueStatistics,
    /// Agents logged in for it.
    pub logged_in: usize,
    /// Those of them who could take a call now.
    pub free: usize,
    /// Those of them with a call of any queue, or after-call work.
    pub busy: usize,
    /// What a call that enters now will wait, as far as that can be said.
    pub expected_wait: Option<Duration>,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupView {
    /// Its GUID.
    pub id: GroupId,
    /// Its key in the configuration.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The queues that it serves.
    pub queues: Vec<QueueId>,
    /// Its live sessions.
    pub sessions: Vec<AgentSessionId>,
}

/// An agent.
#[derive(Clone, PartialEq, Debug)]
pub struct AgentView {
    /// `hAgent`.
    pub id: AgentId,
    /// Its identifier.
    pub name: String,
    /// Where it works.
    pub at: Option<WorkAddress>,
    /// LINEAGENTINFO.
    pub info: AgentInfo,
    /// Whether its phone rings for a call of a queue.
    pub is_ringing: bool,
    /// Until when it is left alone after it refused a call.
    pub back_off_until: Option<Time>,
    /// Calls not answered in a row.
    pub misses: u32,
    /// When its last queue call ended.
    pub idle_since: Option<Time>,
    /// Since when it has been in its state.
    pub since: Time,
    /// What it says it is doing.
    pub activity: Option<Activity>,
    /// Its live sessions.
    pub sessions: Vec<AgentSessionId>,
}

/// A session.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionView {
    /// `hAgentSession`.
    pub id: AgentSessionId,
    /// Whose.
    pub agent: AgentId,
    /// For which group.
    pub group: GroupId,
    /// Where.
    pub at: WorkAddress,
    /// The call that it has.
    pub call: Option<CallKey>,
    /// The queue that this call came from.
    pub queue: Option<QueueId>,
    /// LINEAGENTSESSIONINFO.
    pub info: AgentSessionInfo,
}

/// A call that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingView {
    /// Which.
    pub call: CallKey,
    /// Its place, 1 is the next.
    pub position: u32,
    /// Its priority.
    pub priority: u32,
    /// How long it has waited.
    pub waited: Duration,
    /// How long it still will, as far as that can be said.
    pub expected_wait: Option<Duration>,
    /// The phones that ring for it.
    pub ringing: Vec<WorkAddress>,
}
