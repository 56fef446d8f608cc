//! Functions of the call centre (tapi-agents 4). Each is a request to the agent handler of the
//! line; checked here is what can be told without it.

use serde_json::Value;

use crate::agent::{
    AgentId, AgentRequest, AgentSessionId, GroupId, QueueId, WorkAddress, items, read_group,
};
use crate::constant::{AgentSessionState, AgentState, AgentStateEx, LineErr, ProxyRequest};
use crate::model::{AddressId, AgentService, DeviceId};
use crate::server::{Begun, Fault, NotServed, Purpose, Server};

use super::caps::app_version;
use super::lookup::existing_address;
use super::{Asked, Intent, Outcome};

/// Groups that one lineSetAgentGroup may name.
const MAX_GROUPS: usize = 256;

/// A request on its way to the handler of a line.
#[derive(Clone, Copy)]
struct Served {
    h_line: u32,
    device: DeviceId,
    version: u32,
}

impl Served {
    /// Begins the request.
    fn begin(self, server: &Server, request: AgentRequest) -> Result<Outcome, Fault> {
        let Self { h_line, device, version } = self;
        let is_built_in = server.agent_service(device) == AgentService::BuiltIn;
        let (intent, proxied) = if is_built_in {
            (Some(Intent::Agent { line: device, request }), None)
        } else {
            server.check_proxy(device, request.kind()).map_err(not_served)?;
            (None, Some(Box::new(request)))
        };
        Ok(Outcome::Begin(Box::new(Begun {
            intent,
            h_line,
            device,
            call: None,
            created: Vec::new(),
            purpose: Purpose::Agent { version, proxied },
        })))
    }
}

fn not_served(why: NotServed) -> Fault {
    match why {
        NotServed::Nobody => {
            Fault::line(LineErr::OperationUnavail, "No agent handler serves this on the line.")
        }
        NotServed::Away => {
            Fault::line(LineErr::OperationFailed, "The agent handler has lost its connection.")
        }
        NotServed::Overrun => {
            Fault::line(LineErr::ResourceUnavail, "The agent handler has too much to answer.")
        }
    }
}

/// The line of `hLine`, of which some handler must serve requests of this type.
fn served(server: &Server, asked: Asked<'_>, kind: ProxyRequest) -> Result<Served, Fault> {
    let (h_line, open) = server.open_line(asked)?;
    let (device, version) = (open.device, open.api_version);
    check_served(server, device, kind)?;
    Ok(Served { h_line, device, version })
}

fn check_served(server: &Server, device: DeviceId, kind: ProxyRequest) -> Result<(), Fault> {
    match server.agent_service(device) {
        AgentService::BuiltIn => Ok(()),
        AgentService::None => Err(not_served(NotServed::Nobody)),
        AgentService::Application => match server.check_proxy(device, kind) {
            Err(NotServed::Nobody) => Err(not_served(NotServed::Nobody)),
            // Nothing that an earlier check could not be told of first.
            Err(NotServed::Away | NotServed::Overrun) | Ok(()) => Ok(()),
        },
    }
}

/// An address of the line.
fn address_of(server: &Server, device: DeviceId, address: u32) -> Result<WorkAddress, Fault> {
    let line = server.lines.get(device.0 as usize);
    let no_line = || Fault::line(LineErr::InvalLineHandle, "The line is gone.");
    let address = existing_address(line.ok_or_else(no_line)?, AddressId(address))?;
    Ok(WorkAddress { line: device, address })
}

/// The line and the address of `addressId`, which counts as 0 when left out.
fn served_address(
    server: &Server,
    asked: Asked<'_>,
    kind: ProxyRequest,
) -> Result<(Served, WorkAddress), Fault> {
    let line = served(server, asked, kind)?;
    let id = asked.params.opt_number("addressId", LineErr::InvalAddressId)?.unwrap_or(0);
    Ok((line, address_of(server, line.device, id)?))
}

fn agent(asked: Asked<'_>) -> Result<AgentId, Fault> {
    asked.params.number("hAgent", LineErr::InvalParam).map(AgentId)
}

fn session(asked: Asked<'_>) -> Result<AgentSessionId, Fault> {
    asked.params.number("hAgentSession", LineErr::InvalParam).map(AgentSessionId)
}

fn queue(asked: Asked<'_>) -> Result<QueueId, Fault> {
    asked.params.number("queueId", LineErr::InvalParam).map(QueueId)
}

/// `measurementPeriod`, more than 0 seconds.
fn period(asked: Asked<'_>) -> Result<u32, Fault> {
    match asked.params.number("measurementPeriod", LineErr::InvalParam)? {
        0 => Err(Fault::line(LineErr::InvalParam, "A measurement period has at least 1 second.")),
        seconds => Ok(seconds),
    }
}

fn group(asked: Asked<'_>) -> Result<GroupId, Fault> {
    let Some(value) = asked.params.get("groupId") else {
        return Err(Fault::Params("Parameter groupId is missing.".to_owned()));
    };
    if !value.is_string() {
        return Err(Fault::Params("Parameter groupId must be a string.".to_owned()));
    }
    read_group(value).ok_or_else(|| Fault::line(LineErr::InvalParam, "A group is named by a GUID."))
}

/// An identifier or a PIN; an empty one is none.
fn identity(asked: Asked<'_>, name: &str) -> Result<Option<String>, Fault> {
    let text = asked.params.opt_text(name, LineErr::InvalParam)?;
    Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// lineCreateAgent.
pub(super) fn create_agent(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::CreateAgent)?;
    let (id, pin) = (identity(asked, "agentId")?, identity(asked, "agentPin")?);
    line.begin(server, AgentRequest::CreateAgent { line: line.device, id, pin })
}

/// lineCreateAgentSession.
pub(super) fn create_session(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::CreateAgentSession)?;
    let agent = agent(asked)?;
    let pin = identity(asked, "agentPin")?;
    let error = LineErr::InvalAddressId;
    let address = asked.params.opt_number("workingAddressId", error)?.unwrap_or(0);
    let group = group(asked)?;
    let at = address_of(server, line.device, address)?;
    line.begin(server, AgentRequest::CreateAgentSession { agent, pin, group, at })
}

/// lineGetAgentInfo.
pub(super) fn agent_info(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::GetAgentInfo)?;
    line.begin(server, AgentRequest::GetAgentInfo { agent: agent(asked)? })
}

/// lineSetAgentStateEx.
pub(super) fn set_state_ex(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::SetAgentStateEx)?;
    let (agent, error) = (agent(asked)?, LineErr::InvalAgentState);
    let state = asked.params.opt_constant::<AgentStateEx>("agentState", error)?;
    let next = asked.params.opt_constant::<AgentStateEx>("nextAgentState", error)?;
    line.begin(server, AgentRequest::SetAgentStateEx { agent, state, next })
}

/// lineSetAgentMeasurementPeriod.
pub(super) fn set_agent_period(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::SetAgentMeasurementPeriod)?;
    let (agent, seconds) = (agent(asked)?, period(asked)?);
    line.begin(server, AgentRequest::SetAgentMeasurementPeriod { agent, seconds })
}

/// lineGetAgentSessionList.
pub(super) fn sessions(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::GetAgentSessionList)?;
    line.begin(server, AgentRequest::GetAgentSessionList { agent: agent(asked)? })
}

/// lineGetAgentSessionInfo.
pub(super) fn session_info(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::GetAgentSessionInfo)?;
    line.begin(server, AgentRequest::GetAgentSessionInfo { session: session(asked)? })
}

/// lineSetAgentSessionState. Its page lists LINEERR_INVALAGENTSTATE for a state that is none.
pub(super) fn set_session_state(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::SetAgentSessionState)?;
    let (session, error) = (session(asked)?, LineErr::InvalAgentState);
    let state = asked.params.opt_constant::<AgentSessionState>("agentSessionState", error)?;
    let next = asked.params.opt_constant::<AgentSessionState>("nextAgentSessionState", error)?;
    line.begin(server, AgentRequest::SetAgentSessionState { session, state, next })
}

/// lineGetGroupList.
pub(super) fn groups(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::GetGroupList)?;
    line.begin(server, AgentRequest::GetGroupList)
}

/// lineGetQueueList.
pub(super) fn queues(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::GetQueueList)?;
    line.begin(server, AgentRequest::GetQueueList { group: group(asked)? })
}

/// lineGetQueueInfo.
pub(super) fn queue_info(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::GetQueueInfo)?;
    line.begin(server, AgentRequest::GetQueueInfo { queue: queue(asked)? })
}

/// lineSetQueueMeasurementPeriod.
pub(super) fn set_queue_period(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let line = served(server, asked, ProxyRequest::SetQueueMeasurementPeriod)?;
    let (queue, seconds) = (queue(asked)?, period(asked)?);
    line.begin(server, AgentRequest::SetQueueMeasurementPeriod { queue, seconds })
}

/// lineGetAgentCaps: of a line device, which need not be open.
pub(super) fn caps(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (device, line) = server.device(asked)?;
    let address = server.address(asked, line)?;
    let version = app_version(asked)?;
    check_served(server, device, ProxyRequest::GetAgentCaps)?;
    let app = server.applications.get(&asked.application);
    let version = version.unwrap_or_else(|| app.map_or(0, |app| app.api_version));
    let at = WorkAddress { line: device, address };
    // No open line has handle 0: closing one leaves the request alone.
    let line = Served { h_line: 0, device, version };
    line.begin(server, AgentRequest::GetAgentCaps { at })
}

/// lineGetAgentStatus.
pub(super) fn status(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (line, at) = served_address(server, asked, ProxyRequest::GetAgentStatus)?;
    line.begin(server, AgentRequest::GetAgentStatus { at })
}

/// lineSetAgentState.
pub(super) fn set_state(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (line, at) = served_address(server, asked, ProxyRequest::SetAgentState)?;
    let error = LineErr::InvalAgentState;
    let state = asked.params.opt_constant::<AgentState>("agentState", error)?;
    let next = asked.params.opt_constant::<AgentState>("nextAgentState", error)?;
    line.begin(server, AgentRequest::SetAgentState { at, state, next })
}

/// lineGetAgentGroupList.
pub(super) fn agent_groups(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (line, at) = served_address(server, asked, ProxyRequest::GetAgentGroupList)?;
    line.begin(server, AgentRequest::GetAgentGroupList { at })
}

/// lineSetAgentGroup: null or an empty list logs out of every group. Names do not count.
pub(super) fn set_groups(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (line, at) = served_address(server, asked, ProxyRequest::SetAgentGroup)?;
    let list = asked.params.get("agentGroupList").unwrap_or(&Value::Null);
    let list = match list {
        Value::Null => &[][..],
        list => items(list, "groups").ok_or_else(|| {
            Fault::Params("Parameter agentGroupList must be an array of groups.".to_owned())
        })?,
    };
    let wrong = |detail: &str| Fault::line(LineErr::InvalParam, detail);
    if list.len() > MAX_GROUPS {
        return Err(wrong(&format!("A list has at most {MAX_GROUPS} groups.")));
    }
    let mut groups = Vec::new();
    for item in list {
        let group = read_group(item).ok_or_else(|| wrong("A group is named by a GUID."))?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    line.begin(server, AgentRequest::SetAgentGroup { at, groups })
}

/// lineGetAgentActivityList.
pub(super) fn activities(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (line, at) = served_address(server, asked, ProxyRequest::GetAgentActivityList)?;
    line.begin(server, AgentRequest::GetAgentActivityList { at })
}

/// lineSetAgentActivity.
pub(super) fn set_activity(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (line, at) = served_address(server, asked, ProxyRequest::SetAgentActivity)?;
    let activity = asked.params.number("activityId", LineErr::InvalAgentActivity)?;
    line.begin(server, AgentRequest::SetAgentActivity { at, activity })
}

/// lineAgentSpecific: whatever the extension takes, and gives back.
pub(super) fn specific(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (line, at) = served_address(server, asked, ProxyRequest::AgentSpecific)?;
    let extension = asked.params.number("agentExtensionIdIndex", LineErr::InvalParam)?;
    let params = asked.params.get("params").cloned().unwrap_or(Value::Null);
    line.begin(server, AgentRequest::AgentSpecific { at, extension, params })
}
