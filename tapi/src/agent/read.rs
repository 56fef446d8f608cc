//! The call centre's structures from JSON, as an application that handles agents answers, and as a
//! client gets them. Numbers that are left out are 0, like the members of a fresh structure.

use serde_json::{Map, Value};

use super::{
    Activity, AgentAnswer, AgentCaps, AgentId, AgentInfo, AgentSessionId, AgentSessionInfo,
    AgentStatus, CallRate, GroupEntry, GroupId, QueueEntry, QueueId, QueueInfo, SessionEntry,
    WorkAddress,
};
use crate::calendar::unix_ms;
use crate::constant::{Constant, Mask, ProxyRequest, read};
use crate::model::{AddressId, DeviceId};

/// Entries of a list; a longer one is not taken.
const MAX_ENTRIES: usize = 4096;

/// Members of a structure.
type Members = Map<String, Value>;

/// The answer to a request of this type, where the members have the types that it needs.
/// Sessions are on `device` unless they say otherwise.
pub(crate) fn read_answer(
    kind: ProxyRequest,
    device: DeviceId,
    members: &Members,
) -> Option<AgentAnswer> {
    use ProxyRequest as P;
    Some(match kind {
        P::SetAgentGroup
        | P::SetAgentState
        | P::SetAgentActivity
        | P::SetAgentMeasurementPeriod
        | P::SetAgentSessionState
        | P::SetQueueMeasurementPeriod
        | P::SetAgentStateEx => AgentAnswer::Done,
        P::CreateAgent => AgentAnswer::Agent(AgentId(required(members, "hAgent")?)),
        P::CreateAgentSession => {
            AgentAnswer::Session(AgentSessionId(required(members, "hAgentSession")?))
        }
        P::GetAgentCaps => AgentAnswer::Caps(caps(members)?),
        P::GetAgentStatus => AgentAnswer::Status(status(members)?),
        P::AgentSpecific => {
            AgentAnswer::Specific(members.get("params").cloned().unwrap_or(Value::Null))
        }
        P::GetAgentActivityList => AgentAnswer::Activities(list(members, "activities", activity)?),
        P::GetAgentGroupList | P::GetGroupList => {
            AgentAnswer::Groups(list(members, "groups", group_entry)?)
        }
        P::GetAgentInfo => AgentAnswer::AgentInfo(agent_info(members)?),
        P::GetAgentSessionList => {
            let entry = |members: &Members| session_entry(members, device);
            AgentAnswer::Sessions(list(members, "sessions", entry)?)
        }
        P::GetAgentSessionInfo => AgentAnswer::SessionInfo(session_info(members)?),
        P::GetQueueList => AgentAnswer::Queues(list(members, "queues", queue_entry)?),
        P::GetQueueInfo => AgentAnswer::QueueInfo(queue_info(members)?),
    })
}

/// A group: its GUID, or an entry that has it.
pub(crate) fn read_group(value: &Value) -> Option<GroupId> {
    let text = match value {
        Value::Object(entry) => entry.get("groupId")?,
        other => other,
    };
    text.as_str()?.parse().ok()
}

/// The entries of a list, which may be the array itself or a structure around it.
pub(crate) fn items<'a>(value: &'a Value, field: &str) -> Option<&'a [Value]> {
    let list = match value {
        Value::Object(around) => around.get(field)?,
        other => other,
    };
    list.as_array().map(Vec::as_slice).filter(|all| all.len() <= MAX_ENTRIES)
}

fn list<T>(
    members: &Members,
    field: &str,
    entry: impl Fn(&Members) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(value) = members.get(field) else { return Some(Vec::new()) };
    items(value, field)?.iter().map(|item| entry(item.as_object()?)).collect()
}

fn number(members: &Members, name: &str) -> Option<u32> {
    match members.get(name) {
        None | Some(Value::Null) => Some(0),
        Some(value) => u32::try_from(value.as_u64()?).ok(),
    }
}

fn required(members: &Members, name: &str) -> Option<u32> {
    number(members, name).filter(|number| *number != 0)
}

fn rate(members: &Members, name: &str) -> Option<CallRate> {
    members.get(name).map_or(Some(0), Value::as_i64).map(CallRate)
}

fn text(members: &Members, name: &str) -> Option<String> {
    match members.get(name) {
        None | Some(Value::Null) => Some(String::new()),
        Some(value) => value.as_str().map(str::to_owned),
    }
}

fn state<C: Constant>(members: &Members, name: &str) -> Option<C> {
    read(members.get(name)?).ok()
}

/// A state, of which 0 is none.
#[expect(clippy::option_option, reason = "outer: readable at all; inner: some state")]
fn next<C: Constant>(members: &Members, name: &str) -> Option<Option<C>> {
    match members.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) if value.as_u64() == Some(0) => Some(None),
        Some(value) => read(value).ok().map(Some),
    }
}

fn mask<C: Constant>(members: &Members, name: &str) -> Option<Mask<C>> {
    match members.get(name) {
        None | Some(Value::Null) => Some(Mask::EMPTY),
        Some(value) => Mask::read(value).ok().filter(|mask| !mask.has_unknown_bits()),
    }
}

/// A GUID; one that is left out is all zeros.
fn guid(value: Option<&Value>) -> Option<u128> {
    match value {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_str()?.parse::<GroupId>().ok().map(|guid| guid.0),
    }
}

pub(super) fn agent_info(members: &Members) -> Option<AgentInfo> {
    Some(AgentInfo {
        state: state(members, "agentState")?,
        next: next(members, "nextAgentState")?,
        measurement_period: number(members, "measurementPeriod")?,
        overall_call_rate: rate(members, "overallCallRate")?,
        acd_calls: number(members, "numberOfAcdCalls")?,
        incoming_calls: number(members, "numberOfIncomingCalls")?,
        outgoing_calls: number(members, "numberOfOutgoingCalls")?,
        acd_talk_time: number(members, "totalAcdTalkTime")?,
        acd_call_time: number(members, "totalAcdCallTime")?,
        acd_wrap_up_time: number(members, "totalAcdWrapUpTime")?,
    })
}

fn session_info(members: &Members) -> Option<AgentSessionInfo> {
    let start = text(members, "sessionStartTime")?;
    Some(AgentSessionInfo {
        state: state(members, "agentSessionState")?,
        next: next(members, "nextAgentSessionState")?,
        start_unix_ms: if start.is_empty() { 0 } else { unix_ms(&start)? },
        duration: number(members, "sessionDuration")?,
        calls: number(members, "numberOfCalls")?,
        talk_time: number(members, "totalTalkTime")?,
        average_talk_time: number(members, "averageTalkTime")?,
        call_time: number(members, "totalCallTime")?,
        average_call_time: number(members, "averageCallTime")?,
        wrap_up_time: number(members, "totalWrapUpTime")?,
        average_wrap_up_time: number(members, "averageWrapUpTime")?,
        call_rate: rate(members, "acdCallRate")?,
        longest_time_to_answer: number(members, "longestTimeToAnswer")?,
        average_time_to_answer: number(members, "averageTimeToAnswer")?,
    })
}

fn queue_info(members: &Members) -> Option<QueueInfo> {
    Some(QueueInfo {
        measurement_period: number(members, "measurementPeriod")?,
        queued: number(members, "totalCallsQueued")?,
        waiting: number(members, "currentCallsQueued")?,
        abandoned: number(members, "totalCallsAbandoned")?,
        flowed_in: number(members, "totalCallsFlowedIn")?,
        flowed_out: number(members, "totalCallsFlowedOut")?,
        longest_ever_wait: number(members, "longestEverWaitTime")?,
        longest_wait: number(members, "currentLongestWaitTime")?,
        average_wait: number(members, "averageWaitTime")?,
        final_disposition: number(members, "finalDisposition")?,
    })
}

fn caps(members: &Members) -> Option<AgentCaps> {
    let extensions =
        members.get("agentExtensionIds").map_or(Some(&[][..]), |all| items(all, ""))?;
    Some(AgentCaps {
        handler: text(members, "agentHandlerInfo")?,
        features: mask(members, "features")?,
        states: mask(members, "states")?,
        next_states: mask(members, "nextStates")?,
        max_groups: number(members, "maxNumGroupEntries")?,
        messages: mask(members, "agentStatusMessages")?,
        extensions: extensions.iter().map(|id| guid(Some(id))).collect::<Option<_>>()?,
        handler_id: guid(members.get("proxyGuid"))?,
    })
}

fn status(members: &Members) -> Option<AgentStatus> {
    let (id, name) = (number(members, "activityId")?, text(members, "activity")?);
    Some(AgentStatus {
        groups: list(members, "groups", group_entry)?,
        state: state(members, "state")?,
        next: next(members, "nextState")?,
        activity: (id != 0 || !name.is_empty()).then_some(Activity { id, name }),
        features: mask(members, "agentFeatures")?,
        valid_states: mask(members, "validStates")?,
        valid_next_states: mask(members, "validNextStates")?,
    })
}

fn group_entry(members: &Members) -> Option<GroupEntry> {
    let group = members.get("groupId")?.as_str()?.parse().ok()?;
    Some(GroupEntry { group, name: text(members, "name")? })
}

fn queue_entry(members: &Members) -> Option<QueueEntry> {
    let queue = QueueId(number(members, "queueId")?);
    Some(QueueEntry { queue, name: text(members, "name")? })
}

fn activity(members: &Members) -> Option<Activity> {
    Some(Activity { id: number(members, "id")?, name: text(members, "name")? })
}

fn session_entry(members: &Members, device: DeviceId) -> Option<SessionEntry> {
    let line = match members.get("deviceId") {
        None | Some(Value::Null) => device,
        Some(_) => DeviceId(number(members, "deviceId")?),
    };
    Some(SessionEntry {
        session: AgentSessionId(required(members, "hAgentSession")?),
        agent: AgentId(required(members, "hAgent")?),
        group: members.get("groupId")?.as_str()?.parse().ok()?,
        at: WorkAddress { line, address: AddressId(number(members, "workingAddressId")?) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constant::{AgentFeature, AgentSessionState, AgentState, AgentStateEx};

    /// What is written reads back as the same.
    fn round_trip(kind: ProxyRequest, answer: &AgentAnswer) {
        let read = read_answer(kind, DeviceId(0), &answer.fields());
        assert_eq!(read.as_ref(), Some(answer), "{kind:?}");
    }

    #[test]
    fn every_structure_reads_as_it_was_written() {
        use ProxyRequest as P;
        let group = GroupEntry { group: GroupId(7 << 64), name: "Support".to_owned() };
        let activity = Activity { id: 3, name: "Lunch".to_owned() };
        let at = WorkAddress { line: DeviceId(4), address: AddressId(1) };
        let session = SessionEntry {
            session: AgentSessionId(9),
            agent: AgentId(2),
            group: GroupId(7 << 64),
            at,
        };
        let info = AgentInfo {
            state: AgentStateEx::BusyAcd,
            next: Some(AgentStateEx::NotReady),
            measurement_period: 86_400,
            overall_call_rate: CallRate(125_000),
            acd_calls: 1,
            incoming_calls: 2,
            outgoing_calls: 3,
            acd_talk_time: 4,
            acd_call_time: 5,
            acd_wrap_up_time: 6,
        };
        let times = AgentSessionInfo {
            state: AgentSessionState::BusyWrapUp,
            next: None,
            start_unix_ms: 1_798_761_599_250,
            duration: 1,
            calls: 2,
            talk_time: 3,
            average_talk_time: 4,
            call_time: 5,
            average_call_time: 6,
            wrap_up_time: 7,
            average_wrap_up_time: 8,
            call_rate: CallRate(-1),
            longest_time_to_answer: 9,
            average_time_to_answer: 10,
        };
        let counts = QueueInfo { queued: 5, final_disposition: 1, ..QueueInfo::default() };
        let caps = AgentCaps {
            handler: "Strowger".to_owned(),
            features: AgentFeature::SetAgentState.into(),
            states: AgentState::Ready | AgentState::NotReady,
            next_states: Mask::EMPTY,
            max_groups: 8,
            messages: Mask::all(),
            extensions: vec![1, 2],
            handler_id: 3,
        };
        let status = AgentStatus {
            groups: vec![group.clone()],
            state: AgentState::Ready,
            next: Some(AgentState::LoggedOff),
            activity: Some(activity.clone()),
            features: Mask::EMPTY,
            valid_states: AgentState::Ready.into(),
            valid_next_states: Mask::EMPTY,
        };
        let queue = QueueEntry { queue: QueueId(1), name: "Sales".to_owned() };
        for (kind, answer) in [
            (P::SetAgentState, AgentAnswer::Done),
            (P::CreateAgent, AgentAnswer::Agent(AgentId(4))),
            (P::CreateAgentSession, AgentAnswer::Session(AgentSessionId(5))),
            (P::GetAgentInfo, AgentAnswer::AgentInfo(info)),
            (P::GetAgentSessionList, AgentAnswer::Sessions(vec![session])),
            (P::GetAgentSessionInfo, AgentAnswer::SessionInfo(times)),
            (P::GetGroupList, AgentAnswer::Groups(vec![group])),
            (P::GetQueueList, AgentAnswer::Queues(vec![queue])),
            (P::GetQueueInfo, AgentAnswer::QueueInfo(counts)),
            (P::GetAgentCaps, AgentAnswer::Caps(caps)),
            (P::GetAgentStatus, AgentAnswer::Status(status)),
            (P::GetAgentActivityList, AgentAnswer::Activities(vec![activity])),
            (P::AgentSpecific, AgentAnswer::Specific(Value::from("x"))),
        ] {
            round_trip(kind, &answer);
        }
    }

    #[test]
    fn an_answer_that_lacks_what_it_is_about_is_none() {
        for kind in [
            ProxyRequest::CreateAgent,
            ProxyRequest::CreateAgentSession,
            ProxyRequest::GetAgentInfo,
            ProxyRequest::GetAgentSessionInfo,
            ProxyRequest::GetAgentStatus,
        ] {
            assert_eq!(read_answer(kind, DeviceId(0), &Map::new()), None, "{kind:?}");
        }
    }
}
