//! Call centres: ITTAPICallCenter, ITAgentHandler, ITAgent, ITAgentSession, ITACDGroup, ITQueue.

mod agent;
mod constant;
mod event;
mod handler;
mod queue;
mod roster;
mod session;

use std::sync::Arc;

use serde_json::Value;

use super::address::line_of;
use super::core::Purpose;
use super::error::{TapiError, TapiErrorCode};
use super::socket::Shared;
use crate::agent::{AgentAnswer, read_answer};
use crate::constant::{LineErr, ProxyRequest};
use crate::model::DeviceId;

pub use agent::Agent;
pub use constant::{
    AcdGroupEvent, AcdQueueEvent, AgentEvent, AgentHandlerEvent, AgentSessionEvent,
    AgentSessionState, AgentState, agent_session_state, agent_state,
};
pub use event::CallCenterEvent;
pub(crate) use event::Kind;
pub use handler::AgentHandler;
pub use queue::{AcdGroup, Queue};
pub(crate) use roster::{HandlerKey, Raw, Roster};
pub use session::AgentSession;

/// The objects that an event is about.
pub(crate) fn with_objects(shared: &Arc<Shared>, raw: Raw) -> CallCenterEvent {
    match raw {
        Raw::Agent { agent, event } => {
            CallCenterEvent::Agent { agent: Agent::new(shared, agent), event }
        }
        Raw::AgentSession { session, event } => {
            CallCenterEvent::AgentSession { session: AgentSession::new(shared, session), event }
        }
        Raw::AcdGroup { group, event } => {
            CallCenterEvent::AcdGroup { group: AcdGroup::new(shared, group, None), event }
        }
        Raw::Queue { queue, event } => {
            CallCenterEvent::Queue { queue: Queue::new(shared, queue, None), event }
        }
        Raw::AgentHandler { agent_handler, event } => CallCenterEvent::AgentHandler {
            agent_handler: AgentHandler::new(shared, agent_handler),
            event,
        },
    }
}

/// An open line of a handler, and its device. One that is open already, if there is such.
async fn handler_line(shared: &Arc<Shared>, handler: HandlerKey) -> Result<(u32, u32), TapiError> {
    let device = {
        let core = shared.core();
        let devices = core.table.roster.devices_of(handler);
        let open = devices.iter().find(|device| core.table.line_of(**device).is_some());
        open.or(devices.first()).copied()
    };
    let gone = || TapiError::new(TapiErrorCode::NoItems, "There is no such agent handler.");
    let device = device.ok_or_else(gone)?;
    Ok((line_of(shared, device).await?, device))
}

/// Asks the handler something by a line of it.
async fn ask(
    shared: &Arc<Shared>,
    handler: HandlerKey,
    method: &str,
    mut params: Value,
) -> Result<(Value, u32), TapiError> {
    let (h_line, device) = handler_line(shared, handler).await?;
    params["hLine"] = h_line.into();
    Ok((shared.call(method, params, Purpose::Plain).await?, device))
}

/// The same, for the structure that the reply is.
async fn ask_for(
    shared: &Arc<Shared>,
    handler: HandlerKey,
    method: &str,
    params: Value,
    kind: ProxyRequest,
) -> Result<AgentAnswer, TapiError> {
    let (reply, device) = ask(shared, handler, method, params).await?;
    read(kind, device, &reply)
}

/// The structure that a reply is.
fn read(kind: ProxyRequest, device: u32, reply: &Value) -> Result<AgentAnswer, TapiError> {
    let answer = reply.as_object().and_then(|reply| read_answer(kind, DeviceId(device), reply));
    answer.ok_or_else(|| unexpected("The switch has answered something else."))
}

fn unexpected(detail: &str) -> TapiError {
    TapiError::new(TapiErrorCode::Unexpected, detail)
}

/// What a group or queue that is gone answers.
fn removed_as(error: TapiError, code: TapiErrorCode) -> TapiError {
    error.line_as(LineErr::InvalParam, code).line_as(LineErr::InvalAgentGroup, code)
}

/// put_MeasurementPeriod takes seconds from 1 on.
fn checked_period(seconds: u32) -> Result<u32, TapiError> {
    let detail = "A measurement period has at least 1 second.";
    let fault = || TapiError::new(TapiErrorCode::InvalidArg, detail);
    (seconds > 0).then_some(seconds).ok_or_else(fault)
}

/// Equality and text of an object that is a key of one TAPI object.
macro_rules! object {
    ($object:ident) => {
        impl PartialEq for $object {
            fn eq(&self, other: &Self) -> bool {
                std::sync::Arc::ptr_eq(&self.shared, &other.shared) && self.key == other.key
            }
        }

        impl Eq for $object {}

        impl std::fmt::Debug for $object {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($object)).field(&self.key).finish()
            }
        }
    };
}
use object;
