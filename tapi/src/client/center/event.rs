//! Events of the call centre.

use super::super::constant::TapiEvent;
use super::{
    AcdGroup, AcdGroupEvent, AcdQueueEvent, Agent, AgentEvent, AgentHandler, AgentHandlerEvent,
    AgentSession, AgentSessionEvent, Queue,
};

/// Something happened in a call centre. Changed statistics are no event: ask for them.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum CallCenterEvent<A = Agent, S = AgentSession, G = AcdGroup, Q = Queue, H = AgentHandler> {
    /// ITAgentEvent, TE_AGENT.
    Agent {
        /// get_Agent
        agent: A,
        /// get_Event
        event: AgentEvent,
    },
    /// ITAgentSessionEvent, TE_AGENTSESSION.
    AgentSession {
        /// get_Session
        session: S,
        /// get_Event
        event: AgentSessionEvent,
    },
    /// ITACDGroupEvent, TE_ACDGROUP.
    AcdGroup {
        /// get_Group
        group: G,
        /// get_Event
        event: AcdGroupEvent,
    },
    /// ITQueueEvent, TE_QUEUE.
    Queue {
        /// get_Queue
        queue: Q,
        /// get_Event
        event: AcdQueueEvent,
    },
    /// ITAgentHandlerEvent, TE_AGENTHANDLER. To be told of its agents, ask for
    /// [`Tapi::agent_handlers`](crate::client::Tapi::agent_handlers) again.
    AgentHandler {
        /// get_AgentHandler
        agent_handler: H,
        /// get_Event
        event: AgentHandlerEvent,
    },
}

/// An event of which kind.
pub trait Kind {
    /// The bit of the event filter.
    fn kind(&self) -> TapiEvent;
}

impl<A, S, G, Q, H> Kind for CallCenterEvent<A, S, G, Q, H> {
    fn kind(&self) -> TapiEvent {
        match self {
            Self::Agent { .. } => TapiEvent::Agent,
            Self::AgentSession { .. } => TapiEvent::AgentSession,
            Self::AcdGroup { .. } => TapiEvent::AcdGroup,
            Self::Queue { .. } => TapiEvent::Queue,
            Self::AgentHandler { .. } => TapiEvent::AgentHandler,
        }
    }
}
