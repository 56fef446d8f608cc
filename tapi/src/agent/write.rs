//! The call centre's structures as JSON: prefix dropped, camelCase, lists as arrays, states as
//! names with 0 for none (tapi-agents 3, 5 and 6).

use serde_json::{Map, Value, json};

use super::{
    Activity, AgentAnswer, AgentCaps, AgentInfo, AgentNotice, AgentRequest, AgentSessionInfo,
    AgentStatus, GroupEntry, GroupId, QueueInfo, SessionEntry,
};
use crate::calendar::utc;
use crate::constant::Constant;

/// A state, or 0 for none.
fn or_zero<C: Constant>(state: Option<C>) -> Value {
    state.map_or(Value::from(0), |state| state.name().into())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

impl AgentAnswer {
    /// The fields of the client's LINE_REPLY.
    pub fn fields(&self) -> Map<String, Value> {
        object(match self {
            Self::Done => json!({}),
            Self::Agent(agent) => json!({ "hAgent": agent.0 }),
            Self::Session(session) => json!({ "hAgentSession": session.0 }),
            Self::AgentInfo(info) => agent_info(info),
            Self::Sessions(all) => {
                json!({ "sessions": all.iter().map(session_entry).collect::<Value>() })
            }
            Self::SessionInfo(info) => session_info(info),
            Self::Groups(all) => json!({ "groups": groups(all) }),
            Self::Queues(all) => {
                let entry = |queue: &super::QueueEntry| json!({ "queueId": queue.queue.0, "name": queue.name });
                json!({ "queues": all.iter().map(entry).collect::<Value>() })
            }
            Self::QueueInfo(info) => queue_info(info),
            Self::Caps(caps) => agent_caps(caps),
            Self::Status(status) => agent_status(status),
            Self::Activities(all) => {
                let entry = |one: &Activity| json!({ "id": one.id, "name": one.name });
                json!({ "activities": all.iter().map(entry).collect::<Value>() })
            }
            Self::Specific(params) => json!({ "params": params }),
        })
    }
}

fn agent_info(info: &AgentInfo) -> Value {
    json!({
        "agentState": info.state,
        "nextAgentState": or_zero(info.next),
        "measurementPeriod": info.measurement_period,
        "overallCallRate": info.overall_call_rate.0,
        "numberOfAcdCalls": info.acd_calls,
        "numberOfIncomingCalls": info.incoming_calls,
        "numberOfOutgoingCalls": info.outgoing_calls,
        "totalAcdTalkTime": info.acd_talk_time,
        "totalAcdCallTime": info.acd_call_time,
        "totalAcdWrapUpTime": info.acd_wrap_up_time,
    })
}

fn session_info(info: &AgentSessionInfo) -> Value {
    json!({
        "agentSessionState": info.state,
        "nextAgentSessionState": or_zero(info.next),
        "sessionStartTime": utc(info.start_unix_ms),
        "sessionDuration": info.duration,
        "numberOfCalls": info.calls,
        "totalTalkTime": info.talk_time,
        "averageTalkTime": info.average_talk_time,
        "totalCallTime": info.call_time,
        "averageCallTime": info.average_call_time,
        "totalWrapUpTime": info.wrap_up_time,
        "averageWrapUpTime": info.average_wrap_up_time,
        "acdCallRate": info.call_rate.0,
        "longestTimeToAnswer": info.longest_time_to_answer,
        "averageTimeToAnswer": info.average_time_to_answer,
    })
}

fn queue_info(info: &QueueInfo) -> Value {
    json!({
        "measurementPeriod": info.measurement_period,
        "totalCallsQueued": info.queued,
        "currentCallsQueued": info.waiting,
        "totalCallsAbandoned": info.abandoned,
        "totalCallsFlowedIn": info.flowed_in,
        "totalCallsFlowedOut": info.flowed_out,
        "longestEverWaitTime": info.longest_ever_wait,
        "currentLongestWaitTime": info.longest_wait,
        "averageWaitTime": info.average_wait,
        "finalDisposition": info.final_disposition,
    })
}

fn agent_caps(caps: &AgentCaps) -> Value {
    let guid = |id: &u128| GroupId(*id).to_string();
    json!({
        "agentHandlerInfo": caps.handler,
        "features": caps.features,
        "states": caps.states,
        "nextStates": caps.next_states,
        "maxNumGroupEntries": caps.max_groups,
        "agentStatusMessages": caps.messages,
        "agentExtensionIds": caps.extensions.iter().map(guid).collect::<Vec<_>>(),
        "proxyGuid": guid(&caps.handler_id),
    })
}

fn agent_status(status: &AgentStatus) -> Value {
    let activity = status.activity.as_ref();
    json!({
        "groups": groups(&status.groups),
        "state": status.state,
        "nextState": or_zero(status.next),
        "activityId": activity.map_or(0, |activity| activity.id),
        "activity": activity.map_or("", |activity| &activity.name),
        "agentFeatures": status.features,
        "validStates": status.valid_states,
        "validNextStates": status.valid_next_states,
    })
}

fn groups(all: &[GroupEntry]) -> Value {
    let entry =
        |group: &GroupEntry| json!({ "groupId": group.group.to_string(), "name": group.name });
    all.iter().map(entry).collect()
}

/// LINEAGENTSESSIONENTRY; `deviceId` says which line the address is on.
fn session_entry(session: &SessionEntry) -> Value {
    json!({
        "hAgentSession": session.session.0,
        "hAgent": session.agent.0,
        "groupId": session.group.to_string(),
        "workingAddressId": session.at.address.0,
        "deviceId": session.at.line.0,
    })
}

/// The members of a request's arm in LINEPROXYREQUEST.
pub(crate) fn request_arm(request: &AgentRequest) -> Map<String, Value> {
    use AgentRequest as R;
    object(match request {
        R::GetGroupList => json!({}),
        R::GetAgentCaps { at }
        | R::GetAgentStatus { at }
        | R::GetAgentActivityList { at }
        | R::GetAgentGroupList { at } => json!({ "addressId": at.address.0 }),
        R::SetAgentGroup { at, groups } => {
            let entry = |group: &GroupId| json!({ "groupId": group.to_string() });
            let list: Value = groups.iter().map(entry).collect();
            json!({ "addressId": at.address.0, "groups": list })
        }
        R::SetAgentState { at, state, next } => json!({
            "addressId": at.address.0,
            "agentState": or_zero(*state),
            "nextAgentState": or_zero(*next),
        }),
        R::SetAgentActivity { at, activity } => {
            json!({ "addressId": at.address.0, "activityId": activity })
        }
        R::AgentSpecific { at, extension, params } => json!({
            "addressId": at.address.0,
            "agentExtensionIdIndex": extension,
            "params": params,
        }),
        R::CreateAgent { id, pin, .. } => json!({ "agentId": id, "agentPin": pin }),
        R::GetAgentInfo { agent } | R::GetAgentSessionList { agent } => {
            json!({ "hAgent": agent.0 })
        }
        R::SetAgentMeasurementPeriod { agent, seconds } => {
            json!({ "hAgent": agent.0, "measurementPeriod": seconds })
        }
        R::SetAgentStateEx { agent, state, next } => json!({
            "hAgent": agent.0,
            "agentState": or_zero(*state),
            "nextAgentState": or_zero(*next),
        }),
        R::CreateAgentSession { agent, pin, group, at } => json!({
            "hAgent": agent.0,
            "agentPin": pin,
            "groupId": group.to_string(),
            "workingAddressId": at.address.0,
        }),
        R::SetAgentSessionState { session, state, next } => json!({
            "hAgentSession": session.0,
            "agentSessionState": or_zero(*state),
            "nextAgentSessionState": or_zero(*next),
        }),
        R::GetAgentSessionInfo { session } => json!({ "hAgentSession": session.0 }),
        R::GetQueueList { group } => json!({ "groupId": group.to_string() }),
        R::SetQueueMeasurementPeriod { queue, seconds } => {
            json!({ "queueId": queue.0, "measurementPeriod": seconds })
        }
        R::GetQueueInfo { queue } => json!({ "queueId": queue.0 }),
    })
}

/// What a message of the call centre says beside the line's handle.
pub(crate) fn notice_params(notice: &AgentNotice) -> Map<String, Value> {
    let mut said;
    let state = match notice {
        AgentNotice::Address { at, changed, state } => {
            said = json!({ "addressId": at.address.0, "agentStatus": changed });
            state.map(|state| ("agentState", state.name()))
        }
        AgentNotice::Agent { agent, changed, state } => {
            said = json!({ "hAgent": agent.0, "agentStatus": changed });
            state.map(|state| ("agentState", state.name()))
        }
        AgentNotice::Session { session, changed, state } => {
            said = json!({ "hAgentSession": session.0, "agentSessionStatus": changed });
            state.map(|state| ("agentSessionState", state.name()))
        }
        AgentNotice::Queue { queue, changed } => {
            said = json!({ "queueId": queue.0, "queueStatus": changed });
            None
        }
        AgentNotice::Group { group, changed } => {
            said = json!({ "groupStatus": changed });
            if let Some(group) = group {
                said["groupId"] = group.to_string().into();
            }
            None
        }
        AgentNotice::Specific { extension, params, .. } => {
            said = json!({ "agentExtensionIdIndex": extension, "params": params });
            None
        }
    };
    if let Some((field, name)) = state {
        said[field] = name.into();
    }
    object(said)
}
