//! Questions and actions of administrators: rows for tables, click to dial, hang up, hold, park,
//! transfer.

use serde_json::{Value, json};
use tapi::Constant;
use tapi::constant::{AddressSharing, CallOrigin, CallState, LineErr};

use super::Exchange;
use super::mailbox::{AdminRequest, CallAction, Problem};
use crate::call::identity::Identity;
use crate::call::record::{agreed_codec, round_trip_ms, scores};
use crate::call::shared::{address_of, shared_lines_of};
use crate::call::{Call, CallId, ConnectionKey, Side};

impl Exchange {
    /// Gives back what the calls of before needed and those of now do not; wanted about once a second.
    pub fn tidy(&mut self) {
        self.media.tidy();
    }

    pub(super) fn on_administrator(&mut self, request: AdminRequest) -> Result<Value, Problem> {
        match request {
            AdminRequest::Lines => Ok(self.line_rows()),
            AdminRequest::Registrations => Ok(self.registration_rows()),
            AdminRequest::Calls => Ok(self.call_rows()),
            AdminRequest::Media => Ok(self.media_rows()),
            AdminRequest::MediaPaths => Ok(media_paths(&self.media.report())),
            AdminRequest::Recordings => Ok(self.recording_rows()),
            AdminRequest::Trunks => Ok(self.trunk_rows()),
            AdminRequest::Park => Ok(self.park_rows()),
            AdminRequest::PickupGroups => Ok(self.pickup_group_rows()),
            AdminRequest::Subscriptions => Ok(self.subscription_rows()),
            AdminRequest::SetMessageWaiting { line, count } => {
                self.replace_message_waiting(&line, count)
            }
            AdminRequest::Queues => Ok(self.queue_rows()),
            AdminRequest::Agents => Ok(self.agent_rows()),
            AdminRequest::AgentSessions => Ok(self.agent_session_rows()),
            AdminRequest::AgentAction { agent, action, lines } => {
                self.agent_action(&agent, action, lines.as_ref())
            }
            AdminRequest::Completions => Ok(self.completion_rows()),
            AdminRequest::CancelCompletion { completion } => self.cancel_completion(completion),
            AdminRequest::ClearMessages { line } => self.clear_messages(&line),
            AdminRequest::MakeCall { from, to } => self.click_to_dial(&from, &to),
            AdminRequest::CallAction { call_id, line, action } => {
                self.call_action(call_id, &line, action)
            }
            AdminRequest::Redirect { call_id, line, to } => self.send_away(call_id, &line, &to),
            AdminRequest::SetForwarding { line, forward_list, rings } => {
                self.replace_forwarding(&line, forward_list, rings)
            }
            AdminRequest::SetDnd { line, is_on } => self.switch_dnd(&line, is_on),
        }
    }

    fn line_rows(&self) -> Value {
        let row = |line: &config::Line| {
            let bindings = self.registrar.registry().contacts(&line.number).len();
            let calls = self.by_line.get(&line.number).map_or(0, Vec::len);
            let mut row = json!({
                "line": line.number, "name": line.name, "registered": bindings > 0,
                "bindings": bindings, "calls": calls, "pickupGroup": line.pickup_group,
                "messagesWaiting": self.messages_of(&line.number),
                "addresses": self.address_rows(&line.number),
                "messages": self.message_rows(&line.number),
            });
            if let (Value::Object(row), Value::Object(set)) =
                (&mut row, self.forwarding_row(&line.number))
            {
                row.extend(set);
            }
            row
        };
        self.config.lines.values().map(row).collect()
    }

    /// The addresses of a line: its own, then those that it shares with others.
    fn address_rows(&self, line: &str) -> Value {
        let own = json!({
            "addressId": 0, "address": line, "sharing": AddressSharing::Private, "members": [line],
        });
        let row = |(place, shared): (usize, &config::SharedLine)| {
            let sharing = if shared.allow_join {
                AddressSharing::BridgedShared
            } else {
                AddressSharing::BridgedExcl
            };
            let mut row = json!({
                "addressId": place + 1, "address": shared.number, "name": shared.name,
                "sharing": sharing, "members": shared.members,
            });
            if let (Value::Object(row), Value::Object(mut set)) =
                (&mut row, self.forwarding_row(&shared.number))
            {
                set.remove("line");
                row.extend(set);
            }
            row
        };
        let shared = shared_lines_of(&self.config, line).enumerate().map(row);
        std::iter::once(own).chain(shared).collect()
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
            if call.state == CallState::Unknown {
                continue; // Nobody has heard of it yet: a phone that is called to take something.
            }
            let far = self.far(CallId(key)).and_then(|far| self.calls.get(far.0));
            let far = far.filter(|_| is_established(call.state)).map(Call::number);
            let connected = far.or_else(|| self.room_of(CallId(key)));
            let caller = self.calling_party(call.connection).map(|caller| caller.number);
            let view = call.tapi.and_then(|key| self.tapi.call(key));
            let treatment = view.as_ref().and_then(|view| view.treatment);
            let info = view.map(|view| view.info);
            // What an application reads in LINECALLINFO; a trunk's party has none.
            let shown = |party: fn(&tapi::CallInfo) -> &tapi::PartyId| {
                let number = info.map(|info| party(info).number.clone());
                number.filter(|number| !number.is_empty())
            };
            let is_outbound = info.map_or(call.side == Side::Caller, |info| {
                matches!(info.origin, CallOrigin::Outbound | CallOrigin::Conference)
            });
            let address = address_of(&self.config, line, call.shared.as_deref()).0;
            rows.push(json!({
                "callId": connection.call_id, "line": line, "addressId": address, "address": call.number(),
                "callState": call.state.name(), "mode": call.mode.name(),
                "origin": if is_outbound { "OUTBOUND" } else { "INBOUND" },
                "reason": info.map(|info| info.reason.name()),
                "caller": shown(|info| &info.caller).or(caller),
                "called": shown(|info| &info.called).unwrap_or_else(|| connection.dialled.clone()),
                "treatment": treatment.map(|treatment| treatment.name()),
                "connected": connected,
                "since": call.since_unix_ms, "codec": agreed_codec(&call.end),
                "srtp": call.end.srtp(self.media.as_ref()),
                "transcoded": self.is_transcoded(call.connection),
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
            let codec = agreed_codec(&call.end);
            for (index, stream) in statistics.streams.iter().enumerate() {
                let (mos_received, mos_sent) = scores(stream, &codec);
                let remote = call.end.remote.as_ref().and_then(|remote| {
                    remote.media.get(index).and_then(|media| media.rtp_address(remote))
                });
                rows.push(json!({
                    "callId": call_id, "line": call.party.number(), "stream": index,
                    "port": call.end.port(index), "remote": remote.map(|remote| remote.to_string()),
                    "codec": codec, "srtp": call.end.srtp(self.media.as_ref()),
                    "transcoded": self.is_transcoded(call.connection),
                    "packetsReceived": stream.received.packets, "packetsSent": stream.sent.packets,
                    "bytesReceived": stream.received.bytes, "bytesSent": stream.sent.bytes,
                    "packetsLost": stream.received.lost, "jitterMs": stream.received.jitter_ms,
                    "packetsLate": stream.received.late, "lossBursts": stream.received.bursts,
                    "roundTripMs": round_trip_ms(stream),
                    "mosReceived": mos_received, "mosSent": mos_sent,
                    "packetsDropped": stream.received.dropped.total(),
                    "packetsKernel": stream.received.kernel_packets,
                    "kernelPercent": percent(stream.received.kernel_packets, stream.received.packets),
                }));
            }
        }
        rows.into()
    }

    fn trunk_rows(&self) -> Value {
        let row = |trunk: &config::Trunk| {
            let targets =
                self.trunk_targets.get(&trunk.name).map(Vec::as_slice).unwrap_or_default();
            let calls = self.calls.iter().filter(|(_, call)| {
                matches!(&call.party, crate::call::Party::Trunk { name, .. } if *name == trunk.name)
            });
            json!({
                "trunk": trunk.name, "peer": trunk.peer.to_string(), "calls": calls.count(),
                "registration": self.enrolment_shown(&trunk.name),
                "resolved": targets.iter().map(|(_, address)| address.to_string()).collect::<Vec<_>>(),
            })
        };
        self.config.trunks.values().map(row).collect()
    }

    /// Who calls: the caller of a connection, or the party for which it looks for somebody.
    fn calling_party(&self, key: ConnectionKey) -> Option<Identity> {
        let connection = self.connections.get(key.0)?;
        let sought_for = connection.seek.as_ref().map(|seek| seek.transferee);
        let caller = sought_for.or(connection.caller)?;
        self.calls.get(caller.0).map(|_| self.identity_of(caller))
    }

    fn call_id_of(&self, call: &Call) -> u32 {
        self.connections.get(call.connection.0).map_or(0, |connection| connection.call_id)
    }

    fn park_rows(&self) -> Value {
        let mut rows = Vec::new();
        for (slot, parked) in &self.parked {
            let Some(call) = self.calls.get(parked.call.0) else { continue };
            let party = self.identity_of(parked.call);
            rows.push(json!({
                "slot": slot, "lot": self.lot_of(slot).map(|lot| &lot.name),
                "party": party.number, "name": party.name, "by": parked.by,
                "since": parked.since_unix_ms, "callId": self.call_id_of(call),
            }));
        }
        rows.sort_by(|a, b| a["slot"].as_str().cmp(&b["slot"].as_str()));
        rows.into()
    }

    fn pickup_group_rows(&self) -> Value {
        let row = |group: &config::PickupGroup| {
            let lines = self.config.lines.values();
            let members: Vec<&str> = lines
                .filter(|line| line.pickup_group.as_deref() == Some(group.name.as_str()))
                .map(|line| line.number.as_str())
                .collect();
            let mut ringing: Vec<Value> =
                members.iter().flat_map(|line| self.ringing_rows(line)).collect();
            ringing.sort_by_key(|row| row["since"].as_u64());
            json!({
                "group": group.name, "id": group.id, "members": members, "allow": group.allow,
                "ringing": ringing,
            })
        };
        self.config.pickup_groups.values().map(row).collect()
    }

    /// What rings at a line and can be picked up.
    fn ringing_rows(&self, line: &str) -> Vec<Value> {
        let calls = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        let ringing = calls.iter().filter(|id| self.is_ringing(**id));
        let ringing = ringing.filter_map(|id| self.calls.get(id.0));
        let row = |call: &Call| {
            let caller = self.calling_party(call.connection).map(|caller| caller.number);
            json!({
                "line": line, "caller": caller, "callId": self.call_id_of(call),
                "since": call.since_unix_ms,
            })
        };
        ringing.map(row).collect()
    }

    pub(super) fn click_to_dial(&mut self, from: &str, to: &str) -> Result<Value, Problem> {
        if !self.config.lines.contains_key(from) {
            return Err(Problem { status: 404, detail: format!("there is no line {from}") });
        }
        if to.is_empty() {
            return Err(Problem { status: 400, detail: "\"to\" must be a number".to_owned() });
        }
        let call = self.make_call((from, None), to, true, None).map_err(|error| Problem {
            status: 409,
            detail: format!(
                "the call cannot be made: {} ({from} has no reachable phone?)",
                error.name()
            ),
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
        let id = self.call_at(call_id, line)?;
        let done = json!({"callId": call_id});
        let result = match action {
            CallAction::Drop => {
                self.drop_call(id);
                Ok(())
            }
            CallAction::Hold => self.hold(id, None),
            CallAction::Record { format } => return self.record_on_request(id, format),
            CallAction::StopRecording => return self.stop_recording(id),
            CallAction::Unhold => self.unhold(id, None),
            CallAction::Park { slot } => {
                let slot = self.park_for_administrator(id, slot.as_deref())?;
                return Ok(json!({"callId": call_id, "slot": slot}));
            }
            CallAction::Transfer { to } => {
                return self.transfer_for_administrator(id, &to).map(|()| done);
            }
        };
        result.map(|()| done).map_err(wrong_state)
    }

    /// linePark, directed or not; the slot.
    fn park_for_administrator(
        &mut self,
        id: CallId,
        slot: Option<&str>,
    ) -> Result<String, Problem> {
        self.check_connected(id)?;
        let parked = self.line_park(id, slot).map_err(|error| match (error, slot) {
            (LineErr::InvalAddress, Some(slot)) => {
                Problem { status: 404, detail: format!("there is no park slot {slot}") }
            }
            (LineErr::OperationUnavail, _) => {
                Problem { status: 409, detail: "no park lot is configured".to_owned() }
            }
            (LineErr::InvalCallState, _) => wrong_state(error),
            (_, Some(slot)) => {
                let detail = format!("slot {slot} is taken, or the party is being transferred");
                Problem { status: 409, detail }
            }
            (_, None) => {
                let detail = "every slot is taken, or the party is being transferred";
                Problem { status: 409, detail: detail.to_owned() }
            }
        })?;
        self.leave_parked(id);
        Ok(parked)
    }

    /// lineBlindTransfer.
    fn transfer_for_administrator(&mut self, id: CallId, to: &str) -> Result<(), Problem> {
        self.check_connected(id)?;
        self.blind_transfer(id, to, None).map_err(|error| match error {
            LineErr::InvalAddress => {
                Problem { status: 404, detail: format!("there is no number {to}") }
            }
            LineErr::InvalCallState => wrong_state(error),
            _ => Problem { status: 409, detail: format!("{to} cannot take the call now") },
        })
    }

    /// The state in which TAPI allows to park and to transfer, with somebody at the other end.
    fn check_connected(&self, id: CallId) -> Result<(), Problem> {
        let is_connected =
            self.calls.get(id.0).is_some_and(|call| call.state == CallState::Connected);
        if is_connected && self.far(id).is_some() {
            return Ok(());
        }
        Err(wrong_state(LineErr::InvalCallState))
    }

    fn send_away(&mut self, call_id: u32, line: &str, to: &str) -> Result<Value, Problem> {
        let id = self.call_at(call_id, line)?;
        self.redirect(id, to, None).map_err(|error| match error {
            LineErr::InvalAddress => Problem {
                status: 400,
                detail: format!("the call cannot go to {to} ({})", error.name()),
            },
            _ => Problem {
                status: 409,
                detail: format!("only a call that is offered can go elsewhere ({})", error.name()),
            },
        })?;
        Ok(json!({"callId": call_id}))
    }

    /// The call of a line in a connection.
    fn call_at(&self, call_id: u32, line: &str) -> Result<CallId, Problem> {
        let calls = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        let is_meant = |id: &&CallId| {
            let connection =
                self.calls.get(id.0).and_then(|c| self.connections.get(c.connection.0));
            connection.is_some_and(|connection| connection.call_id == call_id)
        };
        calls.iter().find(is_meant).copied().ok_or_else(|| {
            let detail = format!("line {line} has no call {call_id}");
            Problem { status: 404, detail }
        })
    }
}

fn wrong_state(error: LineErr) -> Problem {
    Problem {
        status: 409,
        detail: format!("the call's state does not allow it ({})", error.name()),
    }
}

fn is_established(state: CallState) -> bool {
    matches!(state, CallState::Connected | CallState::OnHold)
}

/// How much media goes each way, and where the kernel's is.
fn media_paths(report: &media::RelayReport) -> Value {
    let all = report.user_packets + report.kernel_packets;
    let interface = |interface: &media::KernelInterface| {
        let hooks = [("xdp", interface.xdp), ("tc", interface.tc)];
        let hooks: Vec<_> = hooks.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        let hooks = if hooks.is_empty() { "nowhere".to_owned() } else { hooks.join(" and ") };
        let reasons = interface.reasons.join("; ");
        let reasons = if reasons.is_empty() { reasons } else { format!(" ({reasons})") };
        format!("{}: {hooks}{reasons}", interface.name)
    };
    let interfaces: Vec<_> = report.interfaces.iter().map(interface).collect();
    json!([
        {
            "path": "user space", "packets": report.user_packets,
            "percent": percent(report.user_packets, all),
            "busyPercent": report.busy_percent, "starvedPercent": report.starved_percent,
            "sockets": sockets(report),
            "strangers": report.strangers, "ambiguous": report.ambiguous,
        },
        {
            "path": "kernel", "packets": report.kernel_packets,
            "percent": percent(report.kernel_packets, all),
            "streams": report.kernel_streams, "orphans": report.kernel_orphans,
            "interfaces": interfaces, "off": report.kernel_off, "unpinned": report.unpinned,
        },
    ])
}

/// How user space receives.
fn sockets(report: &media::RelayReport) -> String {
    if let Some(ports) = &report.shared_ports {
        let (first, last) = (ports.start(), ports.end());
        return format!("one for each of the ports {first}-{last} (shared_ports)");
    }
    match &report.steering_off {
        None => "one for each thread (port_steering)".to_owned(),
        Some(reason) => format!("one for each port ({reason})"),
    }
}

/// A share in hundredths; `None` of nothing.
fn percent(part: u64, whole: u64) -> Option<u64> {
    part.saturating_mul(100).checked_div(whole)
}
