//! ITTAPICallCenter and ITAgentHandler.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::address::line_of;
use super::super::core::Purpose;
use super::super::error::{TapiError, TapiErrorCode};
use super::super::map::{mask, number};
use super::super::socket::{Shared, answered};
use super::super::table::AddressKey;
use super::super::{Address, Tapi};
use super::roster::{AgentKey, GroupKey, HandlerKey};
use super::{AcdGroup, Agent, ask, ask_for, object, read, unexpected};
use crate::agent::AgentAnswer;
use crate::constant::{AddrCapFlag, LineErr, ProxyRequest};

/// Requests that are sent ahead while lines are looked at.
const AHEAD: u32 = 256;
/// Addresses of one line that are looked at.
const MAX_ADDRESSES: u32 = 1024;

/// ITTAPICallCenter.
impl Tapi {
    /// ITTAPICallCenter::get_AgentHandlers: who passes calls to agents, of all lines that the token
    /// may use. Events of agents, sessions, groups and queues come from then on.
    ///
    /// A handler that does not answer lineGetAgentCaps is not among them.
    pub async fn agent_handlers(&self) -> Result<Vec<AgentHandler>, TapiError> {
        let shared = self.shared();
        if !shared.core().is_initialized {
            let detail = "Initialize comes first.";
            return Err(TapiError::new(TapiErrorCode::NotInitialized, detail));
        }
        let devices = shared.core().num_devices;
        let mut found: Vec<AgentHandler> = Vec::new();
        let mut next = 0;
        while next < devices {
            let end = devices.min(next + AHEAD);
            let ask = |device| (device, shared.ask("lineGetAgentCaps", of(device), Purpose::Plain));
            let asked: Vec<_> = (next..end).map(ask).collect();
            for (device, answer) in asked {
                let caps = match answered("lineGetAgentCaps", answer).await {
                    Ok(caps) => caps,
                    Err(error) if is_unserved(&error) => continue,
                    Err(error) => return Err(error),
                };
                let answer = read(ProxyRequest::GetAgentCaps, device, &caps)?;
                let AgentAnswer::Caps(caps) = answer else { continue };
                let key = shared.core().table.roster.learn_handler(device, caps.handler_id);
                let handler = AgentHandler::new(shared, key);
                if !found.contains(&handler) {
                    line_of(shared, device).await?;
                    found.push(handler);
                }
            }
            next = end;
        }
        Ok(found)
    }
}

fn of(device: u32) -> Value {
    json!({ "deviceId": device, "addressId": 0, "appApiVersion": "2.2" })
}

/// Whether a line is not visible, or nobody handles agents there now.
fn is_unserved(error: &TapiError) -> bool {
    use LineErr as L;
    let known = [L::BadDeviceId, L::NoDevice, L::OperationUnavail, L::OperationFailed];
    error.line_error.is_some_and(|error| known.contains(&error))
}

/// ITAgentHandler: the switch's own, or an application that serves lines as their proxy.
///
/// When it is gone, its objects answer TAPI_E_NOITEMS until
/// [`Tapi::agent_handlers`](Tapi::agent_handlers) finds it again.
#[derive(Clone)]
pub struct AgentHandler {
    shared: Arc<Shared>,
    key: HandlerKey,
}

object!(AgentHandler);

impl AgentHandler {
    pub(crate) fn new(shared: &Arc<Shared>, key: HandlerKey) -> Self {
        Self { shared: Arc::clone(shared), key }
    }

    /// ITAgentHandler::get_Name (LINEAGENTCAPS)
    ///
    /// Errors: TAPI_E_NOITEMS for a handler that is gone.
    pub async fn name(&self) -> Result<String, TapiError> {
        let device = self.shared.core().table.roster.devices_of(self.key).first().copied();
        let gone = || TapiError::new(TapiErrorCode::NoItems, "There is no such agent handler.");
        let device = device.ok_or_else(gone)?;
        let caps = self.shared.call("lineGetAgentCaps", of(device), Purpose::Plain).await?;
        match read(ProxyRequest::GetAgentCaps, device, &caps)? {
            AgentAnswer::Caps(caps) => Ok(caps.handler),
            _ => Err(unexpected("LINEAGENTCAPS was asked for.")),
        }
    }

    /// ITAgentHandler::CreateAgent (lineCreateAgent without identifier): the agent that the line
    /// belongs to. Call it where the token may use the one line of its user.
    ///
    /// Errors: TAPI_E_CALLCENTER_INVALAGENTID where the line belongs to nobody.
    pub async fn create_agent(&self) -> Result<Agent, TapiError> {
        self.create(None, None).await
    }

    /// ITAgentHandler::CreateAgentWithID (lineCreateAgent). The same agent again while it lives.
    ///
    /// Errors: E_INVALIDARG for an empty identifier, TAPI_E_CALLCENTER_INVALAGENTID,
    /// TAPI_E_CALLCENTER_INVALPASSWORD.
    pub async fn create_agent_with_id(&self, id: &str, pin: &str) -> Result<Agent, TapiError> {
        if id.is_empty() {
            let detail = "An agent has an identifier.";
            return Err(TapiError::new(TapiErrorCode::InvalidArg, detail));
        }
        self.create(Some(id), Some(pin)).await
    }

    async fn create(&self, id: Option<&str>, pin: Option<&str>) -> Result<Agent, TapiError> {
        let params = json!({ "agentId": id, "agentPin": pin });
        let (reply, _) = ask(&self.shared, self.key, "lineCreateAgent", params).await?;
        let none = || unexpected("lineCreateAgent has returned no handle.");
        let h_agent = number(&reply["hAgent"]).ok_or_else(none)?;
        let key = AgentKey { handler: self.key, h_agent };
        self.shared.core().table.roster.learn_agent(key, id.map(str::to_owned));
        Ok(Agent::new(&self.shared, key))
    }

    /// ITAgentHandler::get_ACDGroups (lineGetGroupList)
    pub async fn acd_groups(&self) -> Result<Vec<AcdGroup>, TapiError> {
        let (shared, kind) = (&self.shared, ProxyRequest::GetGroupList);
        let answer = ask_for(shared, self.key, "lineGetGroupList", json!({}), kind).await?;
        let AgentAnswer::Groups(all) = answer else {
            return Err(unexpected("LINEAGENTGROUPLIST was asked for."));
        };
        let group = |entry: crate::agent::GroupEntry| {
            let key = GroupKey { handler: self.key, group: entry.group };
            AcdGroup::new(shared, key, Some(entry.name))
        };
        Ok(all.into_iter().map(group).collect())
    }

    /// ITAgentHandler::get_UsableAddresses: the addresses that can receive ACD calls. Those of
    /// queues and route points cannot: they hold the calls.
    pub async fn usable_addresses(&self) -> Result<Vec<Address>, TapiError> {
        let devices = self.shared.core().table.roster.devices_of(self.key);
        let mut found = Vec::new();
        for device in devices {
            let params = json!({ "deviceId": device });
            let caps = self.shared.call("lineGetDevCaps", params, Purpose::Plain).await?;
            let count = number(&caps["numAddresses"]).unwrap_or(0).min(MAX_ADDRESSES);
            for address in 0..count {
                let params = json!({ "deviceId": device, "addressId": address });
                let caps = self.shared.call("lineGetAddressCaps", params, Purpose::Plain).await?;
                let flags = mask::<AddrCapFlag>(&caps["addrCapFlags"]);
                if !flags.intersects(AddrCapFlag::Queue | AddrCapFlag::RoutePoint) {
                    found.push(Address::known(&self.shared, AddressKey { device, address }));
                }
            }
        }
        Ok(found)
    }
}
