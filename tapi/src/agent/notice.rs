//! What an agent handler tells everybody (tapi-agents 6).

use serde_json::Value;

use super::{AgentId, AgentSessionId, GroupId, QueueId, WorkAddress};
use crate::constant::{
    AgentSessionState, AgentSessionStatusChange, AgentState, AgentStateEx, AgentStatusChange,
    AgentStatusExChange, GroupStatusChange, Mask, QueueStatusChange,
};

/// A message of the call centre. A state is given exactly where STATE is among what changed.
#[derive(Clone, PartialEq, Debug)]
pub enum AgentNotice {
    /// LINE_AGENTSTATUS: somebody's older view of an address.
    Address {
        /// The address.
        at: WorkAddress,
        /// What changed.
        changed: Mask<AgentStatusChange>,
        /// The new state.
        state: Option<AgentState>,
    },
    /// LINE_AGENTSTATUSEX.
    Agent {
        /// The agent.
        agent: AgentId,
        /// What changed.
        changed: Mask<AgentStatusExChange>,
        /// The new state.
        state: Option<AgentStateEx>,
    },
    /// LINE_AGENTSESSIONSTATUS.
    Session {
        /// The session.
        session: AgentSessionId,
        /// What changed.
        changed: Mask<AgentSessionStatusChange>,
        /// The new state.
        state: Option<AgentSessionState>,
    },
    /// LINE_QUEUESTATUS.
    Queue {
        /// The queue.
        queue: QueueId,
        /// What changed.
        changed: Mask<QueueStatusChange>,
    },
    /// LINE_GROUPSTATUS.
    Group {
        /// Which group came or went.
        group: Option<GroupId>,
        /// What changed.
        changed: Mask<GroupStatusChange>,
    },
    /// LINE_AGENTSPECIFIC, of an address.
    Specific {
        /// The address.
        at: WorkAddress,
        /// The position of the extension in LINEAGENTCAPS.
        extension: u32,
        /// Whatever the handler says.
        params: Value,
    },
}
