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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::AgentEvent;
    use super::*;

    const GROUP: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

    #[test]
    fn lines_of_one_guid_are_one_handler_and_a_line_without_is_its_own() {
        let mut roster = Roster::default();
        let handler = roster.learn_handler(0, 7 << 64);
        assert_eq!(roster.learn_handler(3, 7 << 64), handler);
        assert_eq!(roster.devices_of(handler), [0, 3]);
        let other = roster.learn_handler(4, 0);
        assert_eq!(roster.devices_of(other), [4]);
        assert_eq!(roster.devices_of(roster.handler_of(9)), [9], "a line nobody asked about");
    }

    #[test]
    fn states_are_events_and_statistics_are_none() {
        let mut roster = Roster::default();
        let handler = roster.learn_handler(0, 7);
        let agent = AgentKey { handler, h_agent: 4 };
        let mut told = |state: Option<&str>, changed: &str| {
            let mut params = json!({"hAgent": 4,
                "agentStatus": [format!("LINEAGENTSTATUSEX_{changed}")]});
            if let Some(state) = state {
                params["agentState"] = format!("LINEAGENTSTATEEX_{state}").into();
            }
            roster.message("LINE_AGENTSTATUSEX", 0, &params)
        };
        assert_eq!(told(None, "NEWAGENT"), []);
        assert_eq!(told(None, "UPDATEINFO"), []);
        let event = AgentEvent::BusyAcd;
        assert_eq!(told(Some("BUSYACD"), "STATE"), [Raw::Agent { agent, event }]);
        let event = AgentEvent::Unknown;
        assert_eq!(told(Some("RELEASED"), "STATE"), [Raw::Agent { agent, event }]);
        assert_eq!(roster.agents_of(handler), [], "a released agent is forgotten");
    }

    #[test]
    fn a_session_begins_changes_and_ends_once() {
        let mut roster = Roster::default();
        let handler = roster.handler_of(0);
        let session = SessionKey { handler, h_session: 5 };
        let mut told = |changed: &[&str], state: &str| {
            let changed: Vec<String> =
                changed.iter().map(|one| format!("LINEAGENTSESSIONSTATUS_{one}")).collect();
            let params = json!({"hAgentSession": 5, "agentSessionStatus": changed,
                "agentSessionState": format!("LINEAGENTSESSIONSTATE_{state}")});
            let events = roster.message("LINE_AGENTSESSIONSTATUS", 0, &params);
            let event = |raw: Raw| match raw {
                Raw::AgentSession { session: of, event } if of == session => event,
                other => panic!("{other:?}"),
            };
            events.into_iter().map(event).collect::<Vec<_>>()
        };
        use AgentSessionEvent as E;
        assert_eq!(told(&["NEWSESSION", "STATE"], "NOTREADY"), [E::NewSession, E::NotReady]);
        for (state, event) in
            [("READY", E::Ready), ("BUSYONCALL", E::Busy), ("BUSYWRAPUP", E::WrapUp)]
        {
            assert_eq!(told(&["STATE", "UPDATEINFO"], state), [event]);
        }
        assert_eq!(told(&["STATE"], "ENDED"), [E::End]);
        assert_eq!(told(&["STATE"], "RELEASED"), [], "the end was told");
    }

    #[test]
    fn groups_and_queues_come_and_go() {
        let mut roster = Roster::default();
        let handler = roster.handler_of(2);
        let queue = QueueKey { handler, queue: 8 };
        let params = json!({"queueId": 8, "queueStatus": ["LINEQUEUESTATUS_QUEUEREMOVED"]});
        let event = AcdQueueEvent::QueueRemoved;
        assert_eq!(roster.message("LINE_QUEUESTATUS", 2, &params), [Raw::Queue { queue, event }]);
        let params = json!({"queueId": 8, "queueStatus": ["LINEQUEUESTATUS_UPDATEINFO"]});
        assert_eq!(roster.message("LINE_QUEUESTATUS", 2, &params), []);
        let group = GroupKey { handler, group: GROUP.parse().unwrap() };
        let mut params = json!({"groupId": GROUP, "groupStatus": ["LINEGROUPSTATUS_NEWGROUP"]});
        let event = AcdGroupEvent::NewGroup;
        assert_eq!(
            roster.message("LINE_GROUPSTATUS", 2, &params),
            [Raw::AcdGroup { group, event }]
        );
        params.as_object_mut().unwrap().remove("groupId");
        assert_eq!(roster.message("LINE_GROUPSTATUS", 2, &params), []);
    }

    #[test]
    fn a_handler_is_gone_with_the_first_request_that_it_serves_no_more() {
        let mut roster = Roster::default();
        let agent_handler = roster.handler_of(1);
        let mut told = |change: &str, request: &str| {
            let params = json!({"proxyStatus": [format!("LINEPROXYSTATUS_{change}")],
                "requestType": format!("LINEPROXYREQUEST_{request}")});
            roster.message("LINE_PROXYSTATUS", 1, &params)
        };
        assert_eq!(told("OPEN", "CREATEAGENT"), []);
        let event = AgentHandlerEvent::NewAgentHandler;
        assert_eq!(told("ALLOPENFORACD", ""), [Raw::AgentHandler { agent_handler, event }]);
        assert_eq!(told("CLOSE", "SETAGENTSTATE"), [], "TAPI 3 needs it not");
        let event = AgentHandlerEvent::AgentHandlerRemoved;
        assert_eq!(told("CLOSE", "CREATEAGENT"), [Raw::AgentHandler { agent_handler, event }]);
        assert_eq!(told("CLOSE", "GETAGENTINFO"), []);
    }
}
