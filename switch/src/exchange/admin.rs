//! Questions and actions of administrators: rows for tables, click to dial, hang up, hold.

use serde_json::{Value, json};
use tapi::Constant;
use tapi::constant::CallState;

use super::Exchange;
use super::mailbox::{AdminRequest, CallAction, Problem};
use crate::call::identity::Identity;
use crate::call::{CallId, Side};

impl Exchange {
    pub(super) fn on_administrator(&mut self, request: AdminRequest) -> Result<Value, Problem> {
        match request {
            AdminRequest::Lines => Ok(self.line_rows()),
            AdminRequest::Registrations => Ok(self.registration_rows()),
            AdminRequest::Calls => Ok(self.call_rows()),
            AdminRequest::Media => Ok(self.media_rows()),
            AdminRequest::Trunks => Ok(self.trunk_rows()),
            AdminRequest::MakeCall { from, to } => self.click_to_dial(&from, &to),
            AdminRequest::CallAction { call_id, line, action } => {
                self.call_action(call_id, &line, action)
            }
        }
    }

    fn line_rows(&self) -> Value {
        let row = |line: &config::Line| {
            let bindings = self.registrar.registry().contacts(&line.number).len();
            let calls = self.by_line.get(&line.number).map_or(0, Vec::len);
            json!({
                "line": line.number, "name": line.name, "registered": bindings > 0,
                "bindings": bindings, "calls": calls, "pickupGroup": line.pickup_group,
            })
        };
        self.config.lines.values().map(row).collect()
    }

    fn registration_rows(&self) -> Value {
        let registry = self.registrar.registry();
        let mut rows = Vec::new();
        for line in self.config.lines.keys() {
            for binding in registry.contacts(line) {
                let expires = binding.expires_at.0.saturating_sub(self.clock.now.0);
                rows.push(json!({
                    "line": line, "contact": binding.uri, "source": binding.flow.remote.to_string(),
                    "transport": binding.flow.transport.uri_param(), "expires": expires.as_secs(),
                    "q": f64::from(binding.q) / 1000.0, "userAgent": binding.user_agent,
                }));
            }
        }
        rows.into()
    }

    fn call_rows(&self) -> Value {
        let mut rows = Vec::new();
        for (key, call) in self.calls.iter() {
            let (Some(line), Some(connection)) =
                (call.party.line(), self.connections.get(call.connection.0))
            else {
                continue;
            };
            let far = self.far(CallId(key)).and_then(|far| self.calls.get(far.0));
            let far = far.filter(|_| is_established(call.state)).map(|far| far.party.number());
            let connected = far.or_else(|| self.room_of(CallId(key)));
            let caller = connection.caller.and_then(|caller| self.calls.get(caller.0));
            rows.push(json!({
                "callId": connection.call_id, "line": line, "addressId": 0,
                "callState": call.state.name(), "mode": call.mode.name(),
                "origin": if call.side == Side::Caller { "OUTBOUND" } else { "INBOUND" },
                "caller": caller.map(|caller| Identity::of(&self.config, &caller.party).number),
                "called": connection.dialled,
                "connected": connected,
                "since": call.since_unix_ms, "codec": call.end.codec(),
            }));
        }
        rows.sort_by_key(|row| row["callId"].as_u64());
        rows.into()
    }

    fn media_rows(&self) -> Value {
        let mut rows = Vec::new();
        for (_, call) in self.calls.iter() {
            let Some(id) = call.end.termination() else { continue };
            let Some(statistics) = self.media.statistics(id) else { continue };
            let call_id = self.connections.get(call.connection.0).map_or(0, |c| c.call_id);
            for (index, stream) in statistics.streams.iter().enumerate() {
                let remote = call.end.remote.as_ref().and_then(|remote| {
                    remote.media.get(index).and_then(|media| media.rtp_address(remote))
                });
                rows.push(json!({
                    "callId": call_id, "line": call.party.number(), "stream": index,
                    "port": call.end.port(index), "remote": remote.map(|remote| remote.to_string()),
                    "codec": call.end.codec(),
                    "packetsReceived": stream.received.packets, "packetsSent": stream.sent.packets,
                    "bytesReceived": stream.received.bytes, "bytesSent": stream.sent.bytes,
                    "packetsLost": stream.received.lost, "jitterMs": stream.received.jitter_ms,
                    "packetsDropped": stream.received.dropped.total(),
                }));
            }
        }
        rows.into()
    }

    fn trunk_rows(&self) -> Value {
        let row = |trunk: &config::Trunk| {
            let targets = self.trunk_targets.get(&trunk.name).map(Vec::as_slice).unwrap_or_default();
            let calls = self.calls.iter().filter(|(_, call)| {
                matches!(&call.party, crate::call::Party::Trunk { name, .. } if *name == trunk.name)
            });
            json!({
                "trunk": trunk.name, "peer": trunk.peer.to_string(), "calls": calls.count(),
                "resolved": targets.iter().map(|(_, address)| address.to_string()).collect::<Vec<_>>(),
            })
        };
        self.config.trunks.values().map(row).collect()
    }

    fn click_to_dial(&mut self, from: &str, to: &str) -> Result<Value, Problem> {
        if !self.config.lines.contains_key(from) {
            return Err(Problem { status: 404, detail: format!("there is no line {from}") });
        }
        if to.is_empty() {
            return Err(Problem { status: 400, detail: "\"to\" must be a number".to_owned() });
        }
        let call = self.make_call(from, to, true, None).map_err(|error| Problem {
            status: 409,
            detail: format!("the call cannot be made: {} ({from} has no reachable phone?)", error.name()),
        })?;
        let call_id = self
            .calls
            .get(call.0)
            .and_then(|call| self.connections.get(call.connection.0))
            .map_or(0, |connection| connection.call_id);
        Ok(json!({"callId": call_id}))
    }

    fn call_action(
        &mut self,
        call_id: u32,
        line: &str,
        action: CallAction,
    ) -> Result<Value, Problem> {
        let calls = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        let is_meant = |id: &&CallId| {
            let connection = self.calls.get(id.0).and_then(|c| self.connections.get(c.connection.0));
            connection.is_some_and(|connection| connection.call_id == call_id)
        };
        let Some(id) = calls.iter().find(is_meant).copied() else {
            let detail = format!("line {line} has no call {call_id}");
            return Err(Problem { status: 404, detail });
        };
        let result = match action {
            CallAction::Drop => {
                self.drop_call(id);
                Ok(())
            }
            CallAction::Hold => self.hold(id, None),
            CallAction::Unhold => self.unhold(id, None),
        };
        result.map(|()| json!({"callId": call_id})).map_err(|error| Problem {
            status: 409,
            detail: format!("the call's state does not allow it ({})", error.name()),
        })
    }
}

fn is_established(state: CallState) -> bool {
    matches!(state, CallState::Connected | CallState::OnHold)
}
