//! What is known of call centres: which lines a handler serves, agents, sessions, and the events
//! that messages become.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::map::{mask, number, one};
use super::super::table::AddressKey;
use super::constant::{agent_event, session_event};
use super::{AcdGroupEvent, AcdQueueEvent, AgentHandlerEvent, AgentSessionEvent, CallCenterEvent};
use crate::agent::GroupId;
use crate::constant::{
    AgentSessionState, AgentSessionStatusChange, AgentStateEx, GroupStatusChange, ProxyRequest,
    ProxyStatusChange, QueueStatusChange,
};

/// Agents and sessions that are kept in mind, each.
const MAX_KNOWN: usize = 65_536;

/// An agent handler: its GUID. Of a line whose handler is not known, the line device and 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct HandlerKey(u128);

/// An agent of a handler.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct AgentKey {
    pub(crate) handler: HandlerKey,
    pub(crate) h_agent: u32,
}

/// A session of a handler.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SessionKey {
    pub(crate) handler: HandlerKey,
    pub(crate) h_session: u32,
}

/// A group of a handler.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct GroupKey {
    pub(crate) handler: HandlerKey,
    pub(crate) group: GroupId,
}

/// A queue of a handler.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct QueueKey {
    pub(crate) handler: HandlerKey,
    pub(crate) queue: u32,
}

/// What belongs together in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SessionRecord {
    pub(crate) agent: AgentKey,
    pub(crate) group: GroupKey,
    pub(crate) address: AddressKey,
}

/// An event before it has objects in it.
pub(crate) type Raw = CallCenterEvent<AgentKey, SessionKey, GroupKey, QueueKey, HandlerKey>;

/// All of it.
#[derive(Default)]
pub(crate) struct Roster {
    /// Handlers by the lines that they serve.
    handlers: BTreeMap<u32, HandlerKey>,
    /// Lines on which everything that agents need is served, as far as was told.
    complete: BTreeSet<u32>,
    /// Agents, with the identifier that they were created with.
    agents: BTreeMap<AgentKey, Option<String>>,
    sessions: BTreeMap<SessionKey, SessionRecord>,
}

impl Roster {
    /// A line is served by the handler with this GUID; 0 where it has none.
    pub(crate) fn learn_handler(&mut self, device: u32, guid: u128) -> HandlerKey {
        let key = if guid == 0 { Self::unknown(device) } else { HandlerKey(guid) };
        if self.handlers.len() < MAX_KNOWN {
            self.handlers.insert(device, key);
        }
        key
    }

    fn unknown(device: u32) -> HandlerKey {
        HandlerKey(u128::from(device) + 1)
    }

    fn handler_of(&self, device: u32) -> HandlerKey {
        self.handlers.get(&device).copied().unwrap_or_else(|| Self::unknown(device))
    }

    /// The lines of a handler.
    pub(crate) fn devices_of(&self, handler: HandlerKey) -> Vec<u32> {
        let served = self.handlers.iter().filter(|(_, key)| **key == handler);
        let mut devices: Vec<u32> = served.map(|(device, _)| *device).collect();
        if devices.is_empty() {
            devices.extend(u32::try_from(handler.0.saturating_sub(1)).ok());
        }
        devices
    }

    /// An agent is there; `id` where it was created with one.
    pub(crate) fn learn_agent(&mut self, agent: AgentKey, id: Option<String>) {
        if self.agents.len() < MAX_KNOWN || self.agents.contains_key(&agent) {
            let known = self.agents.entry(agent).or_default();
            if id.is_some() {
                *known = id;
            }
        }
    }

    /// The identifier that an agent was created with.
    pub(crate) fn agent_id(&self, agent: AgentKey) -> Option<&str> {
        self.agents.get(&agent)?.as_deref()
    }

    /// The agents of a handler that were heard of.
    pub(crate) fn agents_of(&self, handler: HandlerKey) -> Vec<AgentKey> {
        self.agents.keys().filter(|agent| agent.handler == handler).copied().collect()
    }

    /// A session is known.
    pub(crate) fn learn_session(&mut self, session: SessionKey, record: SessionRecord) {
        if self.sessions.len() < MAX_KNOWN || self.sessions.contains_key(&session) {
            self.sessions.insert(session, record);
        }
    }

    /// What is known of a session.
    pub(crate) fn session(&self, session: SessionKey) -> Option<SessionRecord> {
        self.sessions.get(&session).copied()
    }

    /// The events of a message that came for a line of this device.
    pub(crate) fn message(&mut self, method: &str, device: u32, params: &Value) -> Vec<Raw> {
        let handler = self.handler_of(device);
        match method {
            "LINE_AGENTSTATUSEX" => {
                let Some(h_agent) = number(&params["hAgent"]) else { return Vec::new() };
                let agent = AgentKey { handler, h_agent };
                self.learn_agent(agent, None);
                let state = one::<AgentStateEx>(&params["agentState"]);
                if state == Some(AgentStateEx::Released) {
                    self.agents.remove(&agent);
                }
                let event = state.map(agent_event);
                event.map(|event| Raw::Agent { agent, event }).into_iter().collect()
            }
            "LINE_AGENTSESSIONSTATUS" => self.session_status(handler, params),
            "LINE_QUEUESTATUS" => {
                let changed = mask::<QueueStatusChange>(&params["queueStatus"]);
                let Some(queue) = number(&params["queueId"]) else { return Vec::new() };
                let queue = QueueKey { handler, queue };
                [
                    (QueueStatusChange::NewQueue, AcdQueueEvent::NewQueue),
                    (QueueStatusChange::QueueRemoved, AcdQueueEvent::QueueRemoved),
                ]
                .into_iter()
                .filter(|(change, _)| changed.contains(*change))
                .map(|(_, event)| Raw::Queue { queue, event })
                .collect()
            }
            "LINE_GROUPSTATUS" => {
                let changed = mask::<GroupStatusChange>(&params["groupStatus"]);
                let group = params["groupId"].as_str().and_then(|text| text.parse().ok());
                // A handler that does not say which group leaves nothing to make an object of.
                let Some(group) = group else { return Vec::new() };
                let group = GroupKey { handler, group };
                [
                    (GroupStatusChange::NewGroup, AcdGroupEvent::NewGroup),
                    (GroupStatusChange::GroupRemoved, AcdGroupEvent::GroupRemoved),
                ]
                .into_iter()
                .filter(|(change, _)| changed.contains(*change))
                .map(|(_, event)| Raw::AcdGroup { group, event })
                .collect()
            }
            "LINE_PROXYSTATUS" => self.proxy_status(device, params).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn session_status(&mut self, handler: HandlerKey, params: &Value) -> Vec<Raw> {
        let Some(h_session) = number(&params["hAgentSession"]) else { return Vec::new() };
        let session = SessionKey { handler, h_session };
        let changed = mask::<AgentSessionStatusChange>(&params["agentSessionStatus"]);
        let state = one::<AgentSessionState>(&params["agentSessionState"]);
        if state == Some(AgentSessionState::Released) {
            self.sessions.remove(&session);
        }
        let is_new = changed.contains(AgentSessionStatusChange::NewSession);
        let new = is_new.then_some(AgentSessionEvent::NewSession);
        let events = new.into_iter().chain(state.and_then(session_event));
        events.map(|event| Raw::AgentSession { session, event }).collect()
    }

    /// A handler is there when everything that agents need is served, and gone when something of
    /// that is not any more.
    fn proxy_status(&mut self, device: u32, params: &Value) -> Option<Raw> {
        let changed = mask::<ProxyStatusChange>(&params["proxyStatus"]);
        let agent_handler = self.handler_of(device);
        if changed.contains(ProxyStatusChange::AllOpenForAcd) {
            self.complete.insert(device);
            let event = AgentHandlerEvent::NewAgentHandler;
            return Some(Raw::AgentHandler { agent_handler, event });
        }
        let is_needed = one::<ProxyRequest>(&params["requestType"])
            .is_some_and(|request| request >= ProxyRequest::CreateAgent);
        if changed.contains(ProxyStatusChange::Close) && is_needed {
            let was_known = self.handlers.remove(&device).is_some();
            let was_complete = self.complete.remove(&device);
            let event = AgentHandlerEvent::AgentHandlerRemoved;
            return (was_known || was_complete)
                .then_some(Raw::AgentHandler { agent_handler, event });
        }
        None
    }
}
