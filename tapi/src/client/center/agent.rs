//! ITAgent.

use std::sync::Arc;

use serde_json::json;

use super::super::Address;
use super::super::address::line_of;
use super::super::core::Purpose;
use super::super::error::{TapiError, TapiErrorCode};
use super::super::map::number;
use super::super::socket::Shared;
use super::super::table::AddressKey;
use super::constant::line_agent_state;
use super::roster::{AgentKey, GroupKey, SessionKey, SessionRecord};
use super::{
    AcdGroup, AgentHandler, AgentSession, AgentState, agent_state, ask, ask_for, checked_period,
    object, unexpected,
};
use crate::agent::{AgentAnswer, AgentInfo, CallRate};
use crate::constant::ProxyRequest;

/// ITAgent: somebody or something that handles calls. Belongs to the switch, not to the
/// application: dropping the object logs nobody out.
#[derive(Clone)]
pub struct Agent {
    shared: Arc<Shared>,
    key: AgentKey,
}

object!(Agent);

impl Agent {
    pub(crate) fn new(shared: &Arc<Shared>, key: AgentKey) -> Self {
        Self { shared: Arc::clone(shared), key }
    }

    /// The handler that the agent is of (not a method of TAPI).
    pub fn agent_handler(&self) -> AgentHandler {
        AgentHandler::new(&self.shared, self.key.handler)
    }

    /// ITAgent::get_AgentSessions (lineGetAgentSessionList)
    pub async fn agent_sessions(&self) -> Result<Vec<AgentSession>, TapiError> {
        let keys = look_up_sessions(&self.shared, self.key).await?;
        Ok(keys.into_iter().map(|key| AgentSession::new(&self.shared, key)).collect())
    }

    /// ITAgent::CreateSession (lineCreateAgentSession): logs the agent in for a group, taking the
    /// calls at an address.
    ///
    /// Errors: E_UNEXPECTED if the line of the address cannot be opened, E_INVALIDARG for a bad
    /// group or address, TAPI_E_CALLCENTER_INVALAGENTGROUP for a group that it may not serve.
    pub async fn create_session(
        &self,
        group: &AcdGroup,
        address: &Address,
    ) -> Result<AgentSession, TapiError> {
        self.create(group, address, None).await
    }

    /// ITAgent::CreateSessionWithPIN: for a call centre that wants a PIN for each group.
    ///
    /// Errors: as [`Agent::create_session`]; TAPI_E_CALLCENTER_NO_AGENT_ID unless the agent was
    /// made by [`AgentHandler::create_agent_with_id`], E_INVALIDARG for an empty PIN,
    /// TAPI_E_CALLCENTER_INVALPASSWORD for a wrong one.
    pub async fn create_session_with_pin(
        &self,
        group: &AcdGroup,
        address: &Address,
        pin: &str,
    ) -> Result<AgentSession, TapiError> {
        self.id()?;
        if pin.is_empty() {
            return Err(TapiError::new(TapiErrorCode::InvalidArg, "A PIN is needed."));
        }
        self.create(group, address, Some(pin)).await
    }

    async fn create(
        &self,
        group: &AcdGroup,
        address: &Address,
        pin: Option<&str>,
    ) -> Result<AgentSession, TapiError> {
        let (group, at) = (group.key(), address.key());
        if group.handler != self.key.handler {
            let detail = "The group is of another agent handler.";
            return Err(TapiError::new(TapiErrorCode::InvalidArg, detail));
        }
        let h_line = line_of(&self.shared, at.device).await.map_err(|mut error| {
            error.code = TapiErrorCode::Unexpected;
            error
        })?;
        let params = json!({
            "hLine": h_line,
            "hAgent": self.key.h_agent,
            "agentPin": pin,
            "groupId": group.group.to_string(),
            "workingAddressId": at.address,
        });
        let reply = self.shared.call("lineCreateAgentSession", params, Purpose::Plain).await?;
        let none = || unexpected("lineCreateAgentSession has returned no handle.");
        let h_session = number(&reply["hAgentSession"]).ok_or_else(none)?;
        let key = SessionKey { handler: self.key.handler, h_session };
        let record = SessionRecord { agent: self.key, group, address: at };
        self.shared.core().table.roster.learn_session(key, record);
        Ok(AgentSession::new(&self.shared, key))
    }

    /// ITAgent::get_ID: the identifier that the agent was created with.
    ///
    /// Errors: TAPI_E_CALLCENTER_NO_AGENT_ID where it was not by this application, or without one.
    pub fn id(&self) -> Result<String, TapiError> {
        let core = self.shared.core();
        let none = || {
            let detail = "The agent was not created with an identifier.";
            TapiError::new(TapiErrorCode::CallCenterNoAgentId, detail)
        };
        core.table.roster.agent_id(self.key).map(str::to_owned).ok_or_else(none)
    }

    /// ITAgent::get_User: as whom requests come, the name of this application.
    pub fn user(&self) -> &str {
        &self.shared.config.app_name
    }

    /// ITAgent::get_State
    pub async fn state(&self) -> Result<AgentState, TapiError> {
        Ok(agent_state(self.info().await?.state))
    }

    /// ITAgent::put_State (lineSetAgentStateEx): AS_READY or AS_NOT_READY, of all its sessions;
    /// during a call it is what comes after it.
    ///
    /// Errors: TAPI_E_CALLCENTER_INVALAGENTSTATE for a state that only calls bring about.
    pub async fn put_state(&self, state: AgentState) -> Result<(), TapiError> {
        let state = line_agent_state(state);
        let params = json!({
            "hAgent": self.key.h_agent, "agentState": state, "nextAgentState": 0,
        });
        ask(&self.shared, self.key.handler, "lineSetAgentStateEx", params).await.map(|_| ())
    }

    /// ITAgent::get_MeasurementPeriod, in seconds.
    pub async fn measurement_period(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.measurement_period)
    }

    /// ITAgent::put_MeasurementPeriod, in seconds: the counters begin anew.
    ///
    /// Errors: E_INVALIDARG for 0.
    pub async fn put_measurement_period(&self, seconds: u32) -> Result<(), TapiError> {
        let period = checked_period(seconds)?;
        let params = json!({ "hAgent": self.key.h_agent, "measurementPeriod": period });
        let method = "lineSetAgentMeasurementPeriod";
        ask(&self.shared, self.key.handler, method, params).await.map(|_| ())
    }

    /// ITAgent::get_OverallCallRate: ACD calls per hour with at least one session.
    pub async fn overall_call_rate(&self) -> Result<CallRate, TapiError> {
        Ok(self.info().await?.overall_call_rate)
    }

    /// ITAgent::get_NumberOfACDCalls
    pub async fn number_of_acd_calls(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.acd_calls)
    }

    /// ITAgent::get_NumberOfIncomingCalls: those that no queue brought.
    pub async fn number_of_incoming_calls(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.incoming_calls)
    }

    /// ITAgent::get_NumberOfOutgoingCalls
    pub async fn number_of_outgoing_calls(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.outgoing_calls)
    }

    /// ITAgent::get_TotalACDTalkTime, in seconds.
    pub async fn total_acd_talk_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.acd_talk_time)
    }

    /// ITAgent::get_TotalACDCallTime, in seconds: talking and wrap-up.
    pub async fn total_acd_call_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.acd_call_time)
    }

    /// ITAgent::get_TotalWrapUpTime, in seconds.
    pub async fn total_wrap_up_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.acd_wrap_up_time)
    }

    /// LINEAGENTINFO (lineGetAgentInfo): all the numbers of one moment (not a method of TAPI 3).
    pub async fn info(&self) -> Result<AgentInfo, TapiError> {
        let params = json!({ "hAgent": self.key.h_agent });
        let (shared, kind) = (&self.shared, ProxyRequest::GetAgentInfo);
        match ask_for(shared, self.key.handler, "lineGetAgentInfo", params, kind).await? {
            AgentAnswer::AgentInfo(info) => Ok(info),
            _ => Err(unexpected("LINEAGENTINFO was asked for.")),
        }
    }
}

/// lineGetAgentSessionList; what it says of the sessions is kept.
pub(super) async fn look_up_sessions(
    shared: &Arc<Shared>,
    agent: AgentKey,
) -> Result<Vec<SessionKey>, TapiError> {
    let (handler, kind) = (agent.handler, ProxyRequest::GetAgentSessionList);
    let params = json!({ "hAgent": agent.h_agent });
    let answer = ask_for(shared, handler, "lineGetAgentSessionList", params, kind).await?;
    let AgentAnswer::Sessions(all) = answer else {
        return Err(unexpected("LINEAGENTSESSIONLIST was asked for."));
    };
    let mut core = shared.core();
    let roster = &mut core.table.roster;
    roster.learn_agent(agent, None);
    let learn = |entry: crate::agent::SessionEntry| {
        let key = SessionKey { handler, h_session: entry.session.0 };
        let record = SessionRecord {
            agent: AgentKey { handler, h_agent: entry.agent.0 },
            group: GroupKey { handler, group: entry.group },
            address: AddressKey { device: entry.at.line.0, address: entry.at.address.0 },
        };
        roster.learn_session(key, record);
        key
    };
    Ok(all.into_iter().map(learn).collect())
}
