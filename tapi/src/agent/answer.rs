//! What an agent handler answers: the LINEAGENT*, LINEQUEUE* structures (tapi-agents 3).

use serde_json::Value;

use super::{AgentId, AgentSessionId, GroupId, QueueId, WorkAddress};
use crate::constant::{
    AgentFeature, AgentSessionState, AgentState, AgentStateEx, AgentStatusChange, Mask,
};

/// What comes of an [`AgentRequest`](super::AgentRequest) that succeeded.
#[derive(Clone, PartialEq, Debug)]
pub enum AgentAnswer {
    /// It was done; nothing is to be said.
    Done,
    /// lineCreateAgent: `hAgent`.
    Agent(AgentId),
    /// lineCreateAgentSession: `hAgentSession`.
    Session(AgentSessionId),
    /// lineGetAgentInfo.
    AgentInfo(AgentInfo),
    /// lineGetAgentSessionList.
    Sessions(Vec<SessionEntry>),
    /// lineGetAgentSessionInfo.
    SessionInfo(AgentSessionInfo),
    /// lineGetGroupList, lineGetAgentGroupList.
    Groups(Vec<GroupEntry>),
    /// lineGetQueueList.
    Queues(Vec<QueueEntry>),
    /// lineGetQueueInfo.
    QueueInfo(QueueInfo),
    /// lineGetAgentCaps.
    Caps(AgentCaps),
    /// lineGetAgentStatus.
    Status(AgentStatus),
    /// lineGetAgentActivityList.
    Activities(Vec<Activity>),
    /// lineAgentSpecific: the block as the handler left it.
    Specific(Value),
}

/// Calls per hour as CURRENCY: the value times 10 000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct CallRate(pub i64);

impl CallRate {
    /// How much of it is one call per hour.
    const ONE: i64 = 10_000;

    /// Calls per hour. What no call centre can have is as much as fits.
    pub fn per_hour(self) -> f64 {
        let part = |part: i64| f64::from(i32::try_from(part).unwrap_or(i32::MAX));
        part(self.0 / Self::ONE) + part(self.0 % Self::ONE) / part(Self::ONE)
    }
}

/// LINEAGENTINFO. Times are seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentInfo {
    /// `agentState`.
    pub state: AgentStateEx,
    /// `nextAgentState`; none pending is 0.
    pub next: Option<AgentStateEx>,
    /// `measurementPeriod`.
    pub measurement_period: u32,
    /// `overallCallRate`: ACD calls per hour with at least one session.
    pub overall_call_rate: CallRate,
    /// `numberOfAcdCalls`.
    pub acd_calls: u32,
    /// `numberOfIncomingCalls`, from elsewhere than a queue.
    pub incoming_calls: u32,
    /// `numberOfOutgoingCalls`.
    pub outgoing_calls: u32,
    /// `totalAcdTalkTime`.
    pub acd_talk_time: u32,
    /// `totalAcdCallTime`: talking and wrap-up.
    pub acd_call_time: u32,
    /// `totalAcdWrapUpTime`.
    pub acd_wrap_up_time: u32,
}

/// LINEAGENTSESSIONINFO. Times are seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentSessionInfo {
    /// `agentSessionState`.
    pub state: AgentSessionState,
    /// `nextAgentSessionState`; none pending is 0.
    pub next: Option<AgentSessionState>,
    /// `sessionStartTime`, in milliseconds since 1970; RFC 3339 on the wire.
    pub start_unix_ms: u64,
    /// `sessionDuration`, until ENDED.
    pub duration: u32,
    /// `numberOfCalls`.
    pub calls: u32,
    /// `totalTalkTime`.
    pub talk_time: u32,
    /// `averageTalkTime`.
    pub average_talk_time: u32,
    /// `totalCallTime`: talking and wrap-up.
    pub call_time: u32,
    /// `averageCallTime`.
    pub average_call_time: u32,
    /// `totalWrapUpTime`.
    pub wrap_up_time: u32,
    /// `averageWrapUpTime`.
    pub average_wrap_up_time: u32,
    /// `acdCallRate`.
    pub call_rate: CallRate,
    /// `longestTimeToAnswer`.
    pub longest_time_to_answer: u32,
    /// `averageTimeToAnswer`.
    pub average_time_to_answer: u32,
}

/// LINEQUEUEINFO. Times are seconds.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct QueueInfo {
    /// `measurementPeriod`.
    pub measurement_period: u32,
    /// `totalCallsQueued`.
    pub queued: u32,
    /// `currentCallsQueued`.
    pub waiting: u32,
    /// `totalCallsAbandoned`.
    pub abandoned: u32,
    /// `totalCallsFlowedIn`, from another queue.
    pub flowed_in: u32,
    /// `totalCallsFlowedOut`, to another queue.
    pub flowed_out: u32,
    /// `longestEverWaitTime`, over all periods.
    pub longest_ever_wait: u32,
    /// `currentLongestWaitTime`.
    pub longest_wait: u32,
    /// `averageWaitTime`.
    pub average_wait: u32,
    /// `finalDisposition`: calls that nobody answered and no other queue took.
    pub final_disposition: u32,
}

/// LINEAGENTCAPS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentCaps {
    /// `agentHandlerInfo`: name and version of the handler.
    pub handler: String,
    /// `features`.
    pub features: Mask<AgentFeature>,
    /// `states` that lineSetAgentState takes.
    pub states: Mask<AgentState>,
    /// `nextStates` that it takes.
    pub next_states: Mask<AgentState>,
    /// `maxNumGroupEntries`.
    pub max_groups: u32,
    /// `agentStatusMessages`.
    pub messages: Mask<AgentStatusChange>,
    /// `agentExtensionIds`, in their lasting order.
    pub extensions: Vec<u128>,
    /// `proxyGuid`: which handler it is.
    pub handler_id: u128,
}

/// LINEAGENTSTATUS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentStatus {
    /// `groups` logged in to at this address.
    pub groups: Vec<GroupEntry>,
    /// `state`.
    pub state: AgentState,
    /// `nextState`; none pending is 0.
    pub next: Option<AgentState>,
    /// `activityId` and `activity`.
    pub activity: Option<Activity>,
    /// `agentFeatures`.
    pub features: Mask<AgentFeature>,
    /// `validStates`.
    pub valid_states: Mask<AgentState>,
    /// `validNextStates`.
    pub valid_next_states: Mask<AgentState>,
}

/// LINEAGENTGROUPENTRY.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupEntry {
    /// `groupId`.
    pub group: GroupId,
    /// `name`.
    pub name: String,
}

/// LINEQUEUEENTRY.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueEntry {
    /// `queueId`.
    pub queue: QueueId,
    /// `name`.
    pub name: String,
}

/// LINEAGENTSESSIONENTRY.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionEntry {
    /// `hAgentSession`.
    pub session: AgentSessionId,
    /// `hAgent`.
    pub agent: AgentId,
    /// `groupId`.
    pub group: GroupId,
    /// Where; `workingAddressId` on the wire.
    pub at: WorkAddress,
}

/// LINEAGENTACTIVITYENTRY.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Activity {
    /// `id`.
    pub id: u32,
    /// `name`.
    pub name: String,
}
