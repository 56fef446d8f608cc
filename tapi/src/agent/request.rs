//! What an agent handler is asked: one variant for each LINEPROXYREQUEST_.

use serde_json::Value;

use super::{AgentId, AgentSessionId, GroupId, QueueId};
use crate::constant::{AgentSessionState, AgentState, AgentStateEx, ProxyRequest};
use crate::model::{AddressId, DeviceId};

/// Where an agent works, or which address is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WorkAddress {
    /// The line.
    pub line: DeviceId,
    /// Its address.
    pub address: AddressId,
}

/// A request to an agent handler (tapi-agents 3.7 and 4). The parameters are well formed; whether the
/// things they name exist is the handler's to say. A state of `None` leaves the present one, a next
/// state of `None` is the handler's default.
#[derive(Clone, PartialEq, Eq)]
pub enum AgentRequest {
    /// lineSetAgentGroup: exactly these groups; none logs out of all.
    SetAgentGroup {
        /// The address.
        at: WorkAddress,
        /// The groups.
        groups: Vec<GroupId>,
    },
    /// lineSetAgentState.
    SetAgentState {
        /// The address.
        at: WorkAddress,
        /// The state now.
        state: Option<AgentState>,
        /// The state after the present call.
        next: Option<AgentState>,
    },
    /// lineSetAgentActivity.
    SetAgentActivity {
        /// The address.
        at: WorkAddress,
        /// The activity's code.
        activity: u32,
    },
    /// lineGetAgentCaps.
    GetAgentCaps {
        /// The address.
        at: WorkAddress,
    },
    /// lineGetAgentStatus.
    GetAgentStatus {
        /// The address.
        at: WorkAddress,
    },
    /// lineAgentSpecific.
    AgentSpecific {
        /// The address.
        at: WorkAddress,
        /// The position of the extension in LINEAGENTCAPS.
        extension: u32,
        /// Whatever the extension takes.
        params: Value,
    },
    /// lineGetAgentActivityList.
    GetAgentActivityList {
        /// The address.
        at: WorkAddress,
    },
    /// lineGetAgentGroupList.
    GetAgentGroupList {
        /// The address.
        at: WorkAddress,
    },
    /// lineCreateAgent. Without an identifier: whoever the line belongs to.
    CreateAgent {
        /// The line that the request came by.
        line: DeviceId,
        /// The agent's identifier.
        id: Option<String>,
        /// Its PIN.
        pin: Option<String>,
    },
    /// lineSetAgentMeasurementPeriod.
    SetAgentMeasurementPeriod {
        /// The agent.
        agent: AgentId,
        /// Seconds, more than 0.
        seconds: u32,
    },
    /// lineGetAgentInfo.
    GetAgentInfo {
        /// The agent.
        agent: AgentId,
    },
    /// lineCreateAgentSession.
    CreateAgentSession {
        /// The agent.
        agent: AgentId,
        /// Its PIN for this session, where one is given.
        pin: Option<String>,
        /// The group it shall serve.
        group: GroupId,
        /// Where it takes the calls.
        at: WorkAddress,
    },
    /// lineGetAgentSessionList.
    GetAgentSessionList {
        /// The agent.
        agent: AgentId,
    },
    /// lineSetAgentSessionState.
    SetAgentSessionState {
        /// The session.
        session: AgentSessionId,
        /// The state now.
        state: Option<AgentSessionState>,
        /// The state after the present call.
        next: Option<AgentSessionState>,
    },
    /// lineGetAgentSessionInfo.
    GetAgentSessionInfo {
        /// The session.
        session: AgentSessionId,
    },
    /// lineGetQueueList.
    GetQueueList {
        /// The group.
        group: GroupId,
    },
    /// lineSetQueueMeasurementPeriod.
    SetQueueMeasurementPeriod {
        /// The queue.
        queue: QueueId,
        /// Seconds, more than 0.
        seconds: u32,
    },
    /// lineGetQueueInfo.
    GetQueueInfo {
        /// The queue.
        queue: QueueId,
    },
    /// lineGetGroupList.
    GetGroupList,
    /// lineSetAgentStateEx.
    SetAgentStateEx {
        /// The agent.
        agent: AgentId,
        /// The state now.
        state: Option<AgentStateEx>,
        /// The state after the present call.
        next: Option<AgentStateEx>,
    },
}

/// Shows which request it is, and of PINs nothing: requests end up in logs.
impl std::fmt::Debug for AgentRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut arm = super::request_arm(self);
        arm.remove("agentPin");
        f.debug_tuple("AgentRequest").field(&self.kind()).field(&Value::Object(arm)).finish()
    }
}

impl AgentRequest {
    /// The LINEPROXYREQUEST_ of it.
    pub fn kind(&self) -> ProxyRequest {
        match self {
            Self::SetAgentGroup { .. } => ProxyRequest::SetAgentGroup,
            Self::SetAgentState { .. } => ProxyRequest::SetAgentState,
            Self::SetAgentActivity { .. } => ProxyRequest::SetAgentActivity,
            Self::GetAgentCaps { .. } => ProxyRequest::GetAgentCaps,
            Self::GetAgentStatus { .. } => ProxyRequest::GetAgentStatus,
            Self::AgentSpecific { .. } => ProxyRequest::AgentSpecific,
            Self::GetAgentActivityList { .. } => ProxyRequest::GetAgentActivityList,
            Self::GetAgentGroupList { .. } => ProxyRequest::GetAgentGroupList,
            Self::CreateAgent { .. } => ProxyRequest::CreateAgent,
            Self::SetAgentMeasurementPeriod { .. } => ProxyRequest::SetAgentMeasurementPeriod,
            Self::GetAgentInfo { .. } => ProxyRequest::GetAgentInfo,
            Self::CreateAgentSession { .. } => ProxyRequest::CreateAgentSession,
            Self::GetAgentSessionList { .. } => ProxyRequest::GetAgentSessionList,
            Self::SetAgentSessionState { .. } => ProxyRequest::SetAgentSessionState,
            Self::GetAgentSessionInfo { .. } => ProxyRequest::GetAgentSessionInfo,
            Self::GetQueueList { .. } => ProxyRequest::GetQueueList,
            Self::SetQueueMeasurementPeriod { .. } => ProxyRequest::SetQueueMeasurementPeriod,
            Self::GetQueueInfo { .. } => ProxyRequest::GetQueueInfo,
            Self::GetGroupList => ProxyRequest::GetGroupList,
            Self::SetAgentStateEx { .. } => ProxyRequest::SetAgentStateEx,
        }
    }
}
