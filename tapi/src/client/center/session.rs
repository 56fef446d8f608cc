//! ITAgentSession.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::super::Address;
use super::super::error::{TapiError, TapiErrorCode};
use super::super::socket::Shared;
use super::agent::look_up_sessions;
use super::constant::line_session_state;
use super::roster::{SessionKey, SessionRecord};
use super::{
    AcdGroup, Agent, AgentSessionState, agent_session_state, ask, ask_for, object, unexpected,
};
use crate::agent::{AgentAnswer, AgentSessionInfo, CallRate};
use crate::constant::ProxyRequest;

/// ITAgentSession: an agent who takes the calls of a group at an address. Belongs to the switch:
/// dropping the object ends nothing.
#[derive(Clone)]
pub struct AgentSession {
    shared: Arc<Shared>,
    key: SessionKey,
}

object!(AgentSession);

impl AgentSession {
    pub(crate) fn new(shared: &Arc<Shared>, key: SessionKey) -> Self {
        Self { shared: Arc::clone(shared), key }
    }

    /// What belongs together in it. A session that was only heard of, of somebody who logged in at
    /// a phone, is looked for among those of the agents that were heard of.
    async fn record(&self) -> Result<SessionRecord, TapiError> {
        let known = self.shared.core().table.roster.session(self.key);
        if let Some(record) = known {
            return Ok(record);
        }
        let agents = self.shared.core().table.roster.agents_of(self.key.handler);
        for agent in agents {
            // An agent who has gone meanwhile has no sessions.
            let _ = look_up_sessions(&self.shared, agent).await;
            let known = self.shared.core().table.roster.session(self.key);
            if let Some(record) = known {
                return Ok(record);
            }
        }
        let detail = "Nothing more is known of this session.";
        Err(TapiError::new(TapiErrorCode::NoItems, detail))
    }

    /// ITAgentSession::get_Agent
    ///
    /// Errors: TAPI_E_NOITEMS for a session of an agent that this application has never heard of,
    /// or that is released.
    pub async fn agent(&self) -> Result<Agent, TapiError> {
        Ok(Agent::new(&self.shared, self.record().await?.agent))
    }

    /// ITAgentSession::get_Address: where the calls are taken. Errors as [`AgentSession::agent`].
    pub async fn address(&self) -> Result<Address, TapiError> {
        Ok(Address::known(&self.shared, self.record().await?.address))
    }

    /// ITAgentSession::get_ACDGroup: whose calls are taken. Errors as [`AgentSession::agent`].
    pub async fn acd_group(&self) -> Result<AcdGroup, TapiError> {
        Ok(AcdGroup::new(&self.shared, self.record().await?.group, None))
    }

    /// ITAgentSession::get_State
    pub async fn state(&self) -> Result<AgentSessionState, TapiError> {
        Ok(agent_session_state(self.info().await?.state))
    }

    /// ITAgentSession::put_State (lineSetAgentSessionState): ASST_READY, ASST_NOT_READY or
    /// ASST_SESSION_ENDED, which during a call is what comes after it; ASST_BUSY_WRAPUP stays in
    /// wrap-up until another state is put.
    ///
    /// Errors: TAPI_E_CALLCENTER_INVALAGENTSTATE where there is no such way.
    pub async fn put_state(&self, state: AgentSessionState) -> Result<(), TapiError> {
        let params = json!({
            "hAgentSession": self.key.h_session,
            "agentSessionState": line_session_state(state),
            "nextAgentSessionState": 0,
        });
        let method = "lineSetAgentSessionState";
        ask(&self.shared, self.key.handler, method, params).await.map(|_| ())
    }

    /// ITAgentSession::get_SessionStartTime
    pub async fn session_start_time(&self) -> Result<SystemTime, TapiError> {
        let since = Duration::from_millis(self.info().await?.start_unix_ms);
        Ok(SystemTime::UNIX_EPOCH + since)
    }

    /// ITAgentSession::get_SessionDuration, in seconds, until it ended.
    pub async fn session_duration(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.duration)
    }

    /// ITAgentSession::get_NumberOfCalls
    pub async fn number_of_calls(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.calls)
    }

    /// ITAgentSession::get_TotalTalkTime, in seconds.
    pub async fn total_talk_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.talk_time)
    }

    /// ITAgentSession::get_AverageTalkTime, in seconds.
    pub async fn average_talk_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.average_talk_time)
    }

    /// ITAgentSession::get_TotalCallTime, in seconds: talking and wrap-up.
    pub async fn total_call_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.call_time)
    }

    /// ITAgentSession::get_AverageCallTime, in seconds.
    pub async fn average_call_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.average_call_time)
    }

    /// ITAgentSession::get_TotalWrapUpTime, in seconds.
    pub async fn total_wrap_up_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.wrap_up_time)
    }

    /// ITAgentSession::get_AverageWrapUpTime, in seconds.
    pub async fn average_wrap_up_time(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.average_wrap_up_time)
    }

    /// ITAgentSession::get_ACDCallRate: calls per hour of the session.
    pub async fn acd_call_rate(&self) -> Result<CallRate, TapiError> {
        Ok(self.info().await?.call_rate)
    }

    /// ITAgentSession::get_LongestTimeToAnswer, in seconds.
    pub async fn longest_time_to_answer(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.longest_time_to_answer)
    }

    /// ITAgentSession::get_AverageTimeToAnswer, in seconds.
    pub async fn average_time_to_answer(&self) -> Result<u32, TapiError> {
        Ok(self.info().await?.average_time_to_answer)
    }

    /// LINEAGENTSESSIONINFO (lineGetAgentSessionInfo): all the numbers of one moment (not a method
    /// of TAPI 3).
    pub async fn info(&self) -> Result<AgentSessionInfo, TapiError> {
        let params = json!({ "hAgentSession": self.key.h_session });
        let (shared, kind) = (&self.shared, ProxyRequest::GetAgentSessionInfo);
        match ask_for(shared, self.key.handler, "lineGetAgentSessionInfo", params, kind).await? {
            AgentAnswer::SessionInfo(info) => Ok(info),
            _ => Err(unexpected("LINEAGENTSESSIONINFO was asked for.")),
        }
    }
}
