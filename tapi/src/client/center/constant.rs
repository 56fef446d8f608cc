//! The call-centre enumerations of TAPI 3, numbered from 0: **not** the bits of TAPI 2.2.

use crate::constant::{AgentSessionState as LineSessionState, AgentStateEx, constants};

constants! {
    /// AGENT_STATE: what an agent is doing.
    AgentState, "AS_" {
        NotReady = 0, "NOT_READY";
        Ready = 1, "READY";
        BusyAcd = 2, "BUSY_ACD";
        BusyIncoming = 3, "BUSY_INCOMING";
        BusyOutgoing = 4, "BUSY_OUTGOING";
        Unknown = 5, "UNKNOWN";
    }
}

constants! {
    /// AGENT_EVENT: what an agent is doing now.
    AgentEvent, "AE_" {
        NotReady = 0, "NOT_READY";
        Ready = 1, "READY";
        BusyAcd = 2, "BUSY_ACD";
        BusyIncoming = 3, "BUSY_INCOMING";
        BusyOutgoing = 4, "BUSY_OUTGOING";
        Unknown = 5, "UNKNOWN";
    }
}

constants! {
    /// AGENT_SESSION_STATE: what a session is in.
    AgentSessionState, "ASST_" {
        NotReady = 0, "NOT_READY";
        Ready = 1, "READY";
        BusyOnCall = 2, "BUSY_ON_CALL";
        BusyWrapUp = 3, "BUSY_WRAPUP";
        SessionEnded = 4, "SESSION_ENDED";
    }
}

constants! {
    /// AGENT_SESSION_EVENT: what happened to a session.
    AgentSessionEvent, "ASE_" {
        NewSession = 0, "NEW_SESSION";
        NotReady = 1, "NOT_READY";
        Ready = 2, "READY";
        Busy = 3, "BUSY";
        WrapUp = 4, "WRAPUP";
        End = 5, "END";
    }
}

constants! {
    /// ACDGROUP_EVENT: whether a group came or went.
    AcdGroupEvent, "ACDGE_" {
        NewGroup = 0, "NEW_GROUP";
        GroupRemoved = 1, "GROUP_REMOVED";
    }
}

constants! {
    /// ACDQUEUE_EVENT: whether a queue came or went.
    AcdQueueEvent, "ACDQE_" {
        NewQueue = 0, "NEW_QUEUE";
        QueueRemoved = 1, "QUEUE_REMOVED";
    }
}

constants! {
    /// AGENTHANDLER_EVENT: whether a handler came or went.
    AgentHandlerEvent, "AHE_" {
        NewAgentHandler = 0, "NEW_AGENTHANDLER";
        AgentHandlerRemoved = 1, "AGENTHANDLER_REMOVED";
    }
}

/// LINEAGENTSTATEEX_ as AGENT_STATE. RELEASED has no counterpart: nothing is known of the agent.
pub fn agent_state(state: AgentStateEx) -> AgentState {
    match state {
        AgentStateEx::NotReady => AgentState::NotReady,
        AgentStateEx::Ready => AgentState::Ready,
        AgentStateEx::BusyAcd => AgentState::BusyAcd,
        AgentStateEx::BusyIncoming => AgentState::BusyIncoming,
        AgentStateEx::BusyOutgoing => AgentState::BusyOutgoing,
        AgentStateEx::Unknown | AgentStateEx::Released => AgentState::Unknown,
    }
}

/// AGENT_STATE as LINEAGENTSTATEEX_.
pub(super) fn line_agent_state(state: AgentState) -> AgentStateEx {
    match state {
        AgentState::NotReady => AgentStateEx::NotReady,
        AgentState::Ready => AgentStateEx::Ready,
        AgentState::BusyAcd => AgentStateEx::BusyAcd,
        AgentState::BusyIncoming => AgentStateEx::BusyIncoming,
        AgentState::BusyOutgoing => AgentStateEx::BusyOutgoing,
        AgentState::Unknown => AgentStateEx::Unknown,
    }
}

/// LINEAGENTSTATEEX_ as AGENT_EVENT.
pub(super) fn agent_event(state: AgentStateEx) -> AgentEvent {
    match agent_state(state) {
        AgentState::NotReady => AgentEvent::NotReady,
        AgentState::Ready => AgentEvent::Ready,
        AgentState::BusyAcd => AgentEvent::BusyAcd,
        AgentState::BusyIncoming => AgentEvent::BusyIncoming,
        AgentState::BusyOutgoing => AgentEvent::BusyOutgoing,
        AgentState::Unknown => AgentEvent::Unknown,
    }
}

/// LINEAGENTSESSIONSTATE_ as AGENT_SESSION_STATE; a released session has ended.
pub fn agent_session_state(state: LineSessionState) -> AgentSessionState {
    match state {
        LineSessionState::NotReady => AgentSessionState::NotReady,
        LineSessionState::Ready => AgentSessionState::Ready,
        LineSessionState::BusyOnCall => AgentSessionState::BusyOnCall,
        LineSessionState::BusyWrapUp => AgentSessionState::BusyWrapUp,
        LineSessionState::Ended | LineSessionState::Released => AgentSessionState::SessionEnded,
    }
}

/// AGENT_SESSION_STATE as LINEAGENTSESSIONSTATE_.
pub(super) fn line_session_state(state: AgentSessionState) -> LineSessionState {
    match state {
        AgentSessionState::NotReady => LineSessionState::NotReady,
        AgentSessionState::Ready => LineSessionState::Ready,
        AgentSessionState::BusyOnCall => LineSessionState::BusyOnCall,
        AgentSessionState::BusyWrapUp => LineSessionState::BusyWrapUp,
        AgentSessionState::SessionEnded => LineSessionState::Ended,
    }
}

/// LINEAGENTSESSIONSTATE_ as AGENT_SESSION_EVENT. The end is told once, with ENDED.
pub(super) fn session_event(state: LineSessionState) -> Option<AgentSessionEvent> {
    Some(match state {
        LineSessionState::NotReady => AgentSessionEvent::NotReady,
        LineSessionState::Ready => AgentSessionEvent::Ready,
        LineSessionState::BusyOnCall => AgentSessionEvent::Busy,
        LineSessionState::BusyWrapUp => AgentSessionEvent::WrapUp,
        LineSessionState::Ended => AgentSessionEvent::End,
        LineSessionState::Released => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constant::Constant as _;

    #[test]
    fn names_and_values_are_those_of_tapi_3() {
        for (name, value, of) in [
            (
                AgentState::BusyOutgoing.name(),
                AgentState::BusyOutgoing.value(),
                ("AS_BUSY_OUTGOING", 4),
            ),
            (AgentEvent::Ready.name(), AgentEvent::Ready.value(), ("AE_READY", 1)),
            (
                AgentSessionState::SessionEnded.name(),
                AgentSessionState::SessionEnded.value(),
                ("ASST_SESSION_ENDED", 4),
            ),
            (
                AgentSessionEvent::WrapUp.name(),
                AgentSessionEvent::WrapUp.value(),
                ("ASE_WRAPUP", 4),
            ),
            (
                AcdGroupEvent::NewGroup.name(),
                AcdGroupEvent::NewGroup.value(),
                ("ACDGE_NEW_GROUP", 0),
            ),
            (
                AcdQueueEvent::QueueRemoved.name(),
                AcdQueueEvent::QueueRemoved.value(),
                ("ACDQE_QUEUE_REMOVED", 1),
            ),
            (
                AgentHandlerEvent::NewAgentHandler.name(),
                AgentHandlerEvent::NewAgentHandler.value(),
                ("AHE_NEW_AGENTHANDLER", 0),
            ),
        ] {
            assert_eq!((name, value), of);
        }
    }

    #[test]
    fn states_go_there_and_back() {
        for state in AgentState::ALL {
            assert_eq!(agent_state(line_agent_state(*state)), *state);
        }
        for state in AgentSessionState::ALL {
            assert_eq!(agent_session_state(line_session_state(*state)), *state);
        }
        assert_eq!(agent_state(AgentStateEx::Released), AgentState::Unknown);
        assert_eq!(
            agent_session_state(LineSessionState::Released),
            AgentSessionState::SessionEnded
        );
    }
}
