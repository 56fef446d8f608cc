//! What watched things are doing now: from calls, slots, groups, rooms and settings to documents.

use config::FeatureCode;
use sip_stack::subscription::Package;
use tapi::constant::CallState;

use super::document::{Dialog, Document, Member, Remote, State};
use super::{Audience, CONFERENCE, Entity, MESSAGE_SUMMARY, PRESENCE};
use crate::call::identity::Identity;
use crate::call::{Call, CallId, ConnectionKey, Side};
use crate::exchange::Exchange;

/// Dialogs of one document; phones drop messages that are too long (sip-mapping §3.12).
const MAX_DIALOGS: usize = 8;

impl Exchange {
    /// What somebody who may see so much is told of a thing.
    pub(super) fn document(&self, package: Package, of: &Entity, to: Audience) -> Document {
        let is_trusted = to == Audience::Trusted;
        match of {
            Entity::Mailbox(line) if package == MESSAGE_SUMMARY => {
                Document::message_summary(self.messages_of(line))
            }
            Entity::Line(line) if package == PRESENCE => self.presence_document(line),
            Entity::Room(number) if package == CONFERENCE => {
                self.conference_document(number, is_trusted)
            }
            _ => {
                let mut dialogs = self.dialogs(of, is_trusted);
                dialogs.truncate(MAX_DIALOGS);
                Document::dialogs(&self.config.domain, idle_id(of), &dialogs)
            }
        }
    }

    fn dialogs(&self, of: &Entity, is_trusted: bool) -> Vec<Dialog> {
        match of {
            Entity::Line(line) | Entity::Mailbox(line) => {
                self.calls_of(line).filter_map(|id| self.dialog(id, is_trusted)).collect()
            }
            Entity::Slot(slot) => self.slot_dialog(slot).into_iter().collect(),
            Entity::Lot(number) => {
                let Some(lot) = self.lot_of(number) else { return Vec::new() };
                let taken = self.parked.keys().filter(|slot| lot.slots.contains(slot));
                taken.filter_map(|slot| self.slot_dialog(slot)).collect()
            }
            Entity::HuntGroup(number) => self.hunt_dialogs(number, is_trusted),
            Entity::Queue(number) => {
                self.calls_of(number).filter_map(|id| self.dialog(id, is_trusted)).collect()
            }
            Entity::Agent(agent) => self.agent_lamp(agent).into_iter().collect(),
            Entity::Work(line, working) => {
                self.is_working(line, *working).then(|| self.lit(line)).into_iter().collect()
            }
            Entity::SharedLine(number) => self.shared_dialogs(number, is_trusted),
            Entity::PickupGroup(name) => {
                let members = self.presence.members_of(name);
                let calls = members.iter().flat_map(|line| self.calls_of(line));
                let ringing = calls.filter(|id| self.is_ringing(*id));
                ringing.filter_map(|id| self.dialog(id, is_trusted)).collect()
            }
            Entity::Room(number) => {
                let is_open = self.room_members(number).next().is_some();
                is_open.then(|| self.lit(number)).into_iter().collect()
            }
            Entity::DoNotDisturb(line) => {
                let set = self.forwardings.get(line);
                let is_on = set.is_some_and(|set| set.is_do_not_disturb());
                is_on.then(|| self.lit(line)).into_iter().collect()
            }
            Entity::Forwarding(line, family, to) => {
                let set = self.forwardings.get(line);
                let is_on = set.is_some_and(|set| set.sends_away(*family, to.as_deref()));
                is_on.then(|| self.lit(line)).into_iter().collect()
            }
        }
    }

    fn calls_of(&self, line: &str) -> impl Iterator<Item = CallId> + '_ {
        self.by_line.get(line).into_iter().flatten().copied()
    }

    /// A call of a line as others see it; `None` when there is nothing to see.
    fn dialog(&self, id: CallId, is_trusted: bool) -> Option<Dialog> {
        // What another station of a shared line does keeps nobody's own phone busy.
        let call = self.calls.get(id.0).filter(|_| !self.is_bystander(id))?;
        let state = shown_state(call, self.config.subscriptions.callers_confirmed)?;
        let remote = if is_trusted { self.remote(id, call) } else { None };
        Some(Dialog {
            id: format!("c{:x}", id.0.to_bits()),
            state,
            is_initiator: call.side == Side::Caller,
            local: Identity::of(&self.config, &call.party),
            remote,
            token: is_trusted.then(|| self.presence.secret.token(id)),
            is_rendering: !is_held(call),
        })
    }

    /// The other party; what is dialled to get it is the pickup code while the call rings.
    fn remote(&self, id: CallId, call: &Call) -> Option<Remote> {
        let own = call.number();
        let is_ringing = matches!(call.state, CallState::Offering | CallState::Accepted);
        if let Some(room) = self.room_of(id) {
            let identity = Some(self.identity_of_number(room));
            return Some(Remote { identity, target: room.to_owned() });
        }
        let other = if call.is_established() {
            self.far(id)
        } else if is_ringing {
            self.caller_of(call.connection)
        } else {
            None
        };
        let identity = match other {
            Some(other) => Some(self.identity_of(other)).filter(|known| !known.is_private),
            None if call.side == Side::Caller && !call.is_established() => {
                let connection = self.connections.get(call.connection.0)?;
                (!connection.dialled.is_empty())
                    .then(|| self.identity_of_number(&connection.dialled))
                    .map(Some)?
            }
            None => return None,
        };
        let code = self.config.feature_codes.code(FeatureCode::PickupDirected);
        let target = match (code, &identity) {
            (Some(code), _) if is_ringing => format!("{code}{own}"),
            (_, Some(identity)) => identity.number.clone(),
            (_, None) => own.to_owned(),
        };
        Some(Remote { identity, target })
    }

    /// The caller of a connection, or the party for which it looks for somebody.
    fn caller_of(&self, key: ConnectionKey) -> Option<CallId> {
        let connection = self.connections.get(key.0)?;
        connection.seek.as_ref().map(|seek| seek.transferee).or(connection.caller)
    }

    /// Who waits in a slot; dialling the slot gets the party.
    fn slot_dialog(&self, slot: &str) -> Option<Dialog> {
        let call = self.parked.get(slot)?.call;
        self.calls.get(call.0)?;
        let identity = Some(self.identity_of(call)).filter(|known| !known.is_private);
        Some(Dialog {
            id: format!("p{:x}", call.0.to_bits()),
            remote: Some(Remote { identity, target: slot.to_owned() }),
            is_rendering: false,
            ..self.lit(slot)
        })
    }

    /// What rings for a hunt group: one dialog for each caller, however many members ring.
    fn hunt_dialogs(&self, number: &str, is_trusted: bool) -> Vec<Dialog> {
        let Some(group) = self.config.hunt_groups.get(number) else { return Vec::new() };
        let mut callers: Vec<ConnectionKey> = Vec::new();
        let mut dialogs = Vec::new();
        for id in group.members.iter().flat_map(|member| self.calls_of(member)) {
            let Some(key) = self.calls.get(id.0).map(|call| call.connection) else { continue };
            let hunt = self.connections.get(key.0).and_then(|c| c.hunt.as_ref());
            let is_of_group = hunt.is_some_and(|hunt| hunt.group().number == number);
            if !is_of_group || !self.is_ringing(id) || callers.contains(&key) {
                continue;
            }
            callers.push(key);
            let local = self.identity_of_number(number);
            let dialog = self.dialog(id, is_trusted);
            let named = format!("h{:x}", key.0.to_bits());
            dialogs.extend(dialog.map(|dialog| Dialog { id: named, local, ..dialog }));
        }
        dialogs
    }

    /// The calls of a shared line, each once, wherever it rings or is.
    fn shared_dialogs(&self, number: &str, is_trusted: bool) -> Vec<Dialog> {
        let Some(shared) = self.config.shared_lines.get(number) else { return Vec::new() };
        let mut seen: Vec<ConnectionKey> = Vec::new();
        let mut dialogs = Vec::new();
        for id in shared.members.iter().flat_map(|member| self.calls_of(member)) {
            let Some(call) = self.calls.get(id.0) else { continue };
            let is_of_line = call.shared.as_deref() == Some(number) && !self.is_station(id);
            if !is_of_line || seen.contains(&call.connection) {
                continue;
            }
            seen.push(call.connection);
            let local = self.identity_of_number(number);
            dialogs.extend(self.dialog(id, is_trusted).map(|dialog| Dialog { local, ..dialog }));
        }
        dialogs
    }

    /// A lamp that is simply on.
    pub(crate) fn lit(&self, number: &str) -> Dialog {
        Dialog {
            id: number.to_owned(),
            state: State::Confirmed,
            is_initiator: false,
            local: self.identity_of_number(number),
            remote: None,
            token: None,
            is_rendering: true,
        }
    }

    fn room_members(&self, number: &str) -> impl Iterator<Item = (CallId, &Call)> {
        let mut open = self.conferences.iter();
        let room = open.find(|(_, conference)| conference.number == number);
        let members = room.map(|(_, conference)| conference.members.as_slice()).unwrap_or_default();
        members.iter().filter_map(|id| Some((*id, self.calls.get(id.0)?)))
    }

    fn conference_document(&self, number: &str, is_trusted: bool) -> Document {
        let room = self.config.conference.rooms.get(number);
        let (name, max) = room.map_or(("", 0), |room| (room.name.as_str(), room.max_members));
        let member = |(id, call): (CallId, &Call)| Member {
            identity: Some(self.identity_of(id))
                .filter(|known| !known.is_private)
                .unwrap_or_else(|| self.identity_of_number("anonymous")),
            call: format!("c{:x}", id.0.to_bits()),
            is_on_hold: is_held(call),
        };
        let members: Vec<Member> = self.room_members(number).map(member).collect();
        let shown = is_trusted.then_some(members.as_slice());
        Document::conference(&self.config.domain, name, max, members.len(), shown)
    }

    fn presence_document(&self, line: &str) -> Document {
        let is_open = !self.registrar.registry().contacts(line).is_empty();
        let dialogs = self.dialogs(&Entity::Line(line.to_owned()), false);
        let is_undisturbed = self.forwardings.get(line).is_some_and(|set| set.is_do_not_disturb());
        let is_ringing = |one: &Dialog| one.state == State::Early && !one.is_initiator;
        let note = if !is_open {
            "Unavailable"
        } else if dialogs.iter().any(is_ringing) {
            "Ringing"
        } else if dialogs.iter().any(|one| one.is_rendering) {
            "On the phone"
        } else if !dialogs.is_empty() {
            "On hold"
        } else if is_undisturbed {
            "Do not disturb"
        } else {
            "Ready"
        };
        Document::presence(is_open, note)
    }
}

/// The state in RFC 4235's words; a failed attempt that is only kept for completion is none.
fn shown_state(call: &Call, are_callers_confirmed: bool) -> Option<State> {
    let alerting = |state| if are_callers_confirmed { State::Confirmed } else { state };
    match call.state {
        CallState::DialTone | CallState::Dialing => Some(State::Trying),
        CallState::Proceeding | CallState::SpecialInfo => Some(alerting(State::Proceeding)),
        CallState::Ringback => Some(alerting(State::Early)),
        CallState::Offering | CallState::Accepted => Some(State::Early),
        CallState::Connected
        | CallState::OnHold
        | CallState::OnHoldPendTransfer
        | CallState::OnHoldPendConf => Some(State::Confirmed),
        // A member of a line's conference has no phone of its own: the parent call is shown.
        _ => None,
    }
}

fn is_held(call: &Call) -> bool {
    use CallState::{OnHold, OnHoldPendConf, OnHoldPendTransfer};
    call.hold.is_held() || matches!(call.state, OnHold | OnHoldPendConf | OnHoldPendTransfer)
}

/// The identifier of the one dialog of a thing at rest.
fn idle_id(of: &Entity) -> &str {
    match of {
        Entity::Line(name)
        | Entity::Slot(name)
        | Entity::Lot(name)
        | Entity::HuntGroup(name)
        | Entity::Queue(name)
        | Entity::Agent(name)
        | Entity::Work(name, _)
        | Entity::SharedLine(name)
        | Entity::PickupGroup(name)
        | Entity::Room(name)
        | Entity::DoNotDisturb(name)
        | Entity::Forwarding(name, ..)
        | Entity::Mailbox(name) => name,
    }
}
