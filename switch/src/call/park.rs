//! Parking: a party waits in a numbered slot until somebody dials the slot.
//!
//! The parked party's connection stays as it is, with one place vacant; the slot names it in the
//! registry, where busy lamps and tables read it. Taking it is one claim. Source: TAPI linePark,
//! lineUnpark; sip-mapping §3.6.

use config::{Lot, OnTimeout};
use tapi::CallMode;
use tapi::constant::{CallInfoState, CallReason, CallState, ConnectedMode, LineErr};

use super::cause::Cause;
use super::identity::Identity;
use super::refer::Refer;
use super::seek::Seek;
use super::transfer::Asked;
use super::{CallId, Parked, Timer};
use crate::exchange::Exchange;
use crate::presence::Entity;

/// What Snom's and FreeSWITCH's keys put before the slot (sip-mapping §3.6).
const PARK_ALIAS: &str = "park+";
/// What they put before the number to pick up at.
pub(crate) const PICKUP_ALIAS: &str = "pickup+";

/// A slot or lot without what some keys put before it.
pub(crate) fn park_place(number: &str) -> &str {
    number.strip_prefix(PARK_ALIAS).unwrap_or(number)
}

impl Exchange {
    /// Parks the far party of a phone that sent REFER when the number is a lot or a slot; false when it is
    /// neither.
    pub(crate) fn park_by_transfer(&mut self, id: CallId, number: &str, refer: &Refer) -> bool {
        if self.lot_of(number).is_none() {
            return false;
        }
        match self.park(id, number) {
            Ok(_) => {
                let party = self.far(id);
                self.notify_refer(refer, 200, true);
                self.part(id);
                party.into_iter().for_each(|party| self.show_parked(party));
            }
            Err(cause) => {
                self.notify_refer(refer, cause.relay, true);
                self.back_to(id);
            }
        }
        true
    }

    /// lineBlindTransfer's and linePark's common part: the far party of `id` goes into `number`, or
    /// into the first free slot of the lot `number`. The parker's call is still there.
    ///
    /// Errors: 486 when the slot is taken or the lot is full, 404 when there is no such slot.
    pub(crate) fn park(&mut self, id: CallId, number: &str) -> Result<String, Cause> {
        let lot = self.lot_of(number).ok_or(Cause::UNKNOWN_NUMBER)?.clone();
        let party = self.far(id).ok_or(Cause::NOTHING_RINGS)?;
        if self.calls.get(id.0).is_some_and(|call| self.is_joined(call.connection)) {
            return Err(Cause::of_status(491, false));
        }
        let key = self.calls.get(id.0).map(|call| call.connection);
        let connection = key.and_then(|key| self.connections.get(key.0));
        if connection.is_some_and(|connection| connection.search.is_some()) {
            return Err(Cause::of_status(491, false));
        }
        let slot = match lot.number == number {
            true => self.free_slot(&lot)?,
            false => number.to_owned(),
        };
        if self.parked.contains_key(&slot) {
            return Err(Cause::NO_APPEARANCE);
        }
        let by = self.calls.get(id.0).and_then(|call| call.party.line().map(str::to_owned));
        let since_unix_ms = self.clock.unix_ms;
        self.parked.insert(slot.clone(), Parked { call: party, by: by.clone(), since_unix_ms });
        self.set_call_timer(party, lot.timeout, Timer::Parked(party));
        self.publish_park(&slot, party, by.as_deref());
        Ok(slot)
    }

    fn free_slot(&self, lot: &Lot) -> Result<String, Cause> {
        let free = lot.slots.numbers().find(|slot| !self.parked.contains_key(slot));
        free.ok_or(Cause::NO_APPEARANCE)
    }

    /// Somebody dials the lot: its own call waits in the next free slot, of which its phone and its
    /// applications learn the number. A party that is transferred onto this call takes the slot
    /// over; a hang-up gives it back.
    ///
    /// Errors: 486 when the lot is full; 488, 503 when the phone cannot be answered.
    pub(crate) fn wait_in_lot(&mut self, id: CallId, number: &str) -> Result<(), Cause> {
        let lot = self.lot_of(number).ok_or(Cause::UNKNOWN_NUMBER)?.clone();
        let slot = self.free_slot(&lot)?;
        let answer = self.prepare_confirmation(id)?;
        let place = Identity {
            name: format!("Parked {slot}"),
            number: slot.clone(),
            ..Identity::default()
        };
        if let Some((leg, sdp)) = answer {
            let headers = place.assertions(&self.config.domain, false);
            self.endpoint.answer(self.clock.now, leg, sdp, &headers, &mut self.sip);
        }
        let since_unix_ms = self.clock.unix_ms;
        self.parked.insert(slot.clone(), Parked { call: id, by: None, since_unix_ms });
        self.publish_park(&slot, id, None);
        let held = CallMode::Connected(ConnectedMode::ActiveHeld);
        self.set_state(id, CallState::Connected, held);
        let connected = place.party_id();
        let change = |info: &mut tapi::CallInfo| info.connected = connected;
        self.tell_info(id, change, CallInfoState::ConnectedId);
        self.refresh_capability(id);
        self.treat_parked(id, &slot);
        self.set_call_timer(id, lot.timeout, Timer::Parked(id));
        Ok(())
    }

    /// The consultation call of a transfer waits in a slot: the transferred party takes its place.
    ///
    /// Errors: INVALCALLSTATE when there is nobody to transfer, or it is being transferred already.
    pub(crate) fn park_in_reserved(
        &mut self,
        id: CallId,
        consult: CallId,
        slot: &str,
        asked: &Asked,
    ) -> Result<(), LineErr> {
        let party = self.far(id).ok_or(LineErr::InvalCallState)?;
        let call = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?;
        let is_sought_for =
            self.connections.get(call.connection.0).is_some_and(|c| c.search.is_some());
        if is_sought_for {
            return Err(LineErr::OperationFailed);
        }
        let by = call.party.line().map(str::to_owned);
        let timeout = self.lot_of(slot).ok_or(LineErr::OperationFailed)?.timeout;
        self.stop_call_timer(consult);
        let since_unix_ms = self.clock.unix_ms;
        self.parked.insert(slot.to_owned(), Parked { call: party, by: by.clone(), since_unix_ms });
        self.set_call_timer(party, timeout, Timer::Parked(party));
        self.publish_park(slot, party, by.as_deref());
        self.grant(asked);
        self.leave(id, asked);
        self.leave(consult, asked);
        self.show_parked(party);
        Ok(())
    }

    /// What a parked party hears and shows, once its parker is out.
    pub(crate) fn show_parked(&mut self, party: CallId) {
        if let Some(slot) = self.slot_of(party) {
            self.treat_parked(party, &slot);
            self.show_left_alone(party);
        }
    }

    /// Somebody dials a slot: takes the party out of it.
    ///
    /// Errors: 404 when the slot is empty.
    pub(crate) fn unpark(&mut self, id: CallId, slot: &str) -> Result<(), Cause> {
        let parked = self.parked.remove(slot).ok_or(Cause::NOTHING_RINGS)?;
        let party = parked.call;
        let Some(key) = self.calls.get(party.0).map(|call| call.connection) else {
            return Err(Cause::NOTHING_RINGS);
        };
        let claimed = self.reserve_like(id, party).and_then(|()| self.align(party, id));
        if let Err(cause) = claimed {
            self.parked.insert(slot.to_owned(), parked);
            return Err(cause);
        }
        self.stop_call_timer(party);
        self.describe_unpark(id, party, parked.by.as_deref().unwrap_or_default());
        self.move_call(id, key);
        self.connect_parties(key);
        self.touch_slot(slot);
        self.publish("UNPARKED", serde_json::json!({"slot": slot}));
        Ok(())
    }

    fn describe_unpark(&mut self, id: CallId, party: CallId, by: &str) {
        let origin = self.origin_from(party);
        let caller = self.party_of(party);
        let redirecting = self.party_of_number(by);
        let redirection = self.party_of(id);
        let is_by_somebody = !by.is_empty();
        let change = |info: &mut tapi::CallInfo| {
            info.origin = origin;
            info.reason = CallReason::Unpark;
            info.caller = caller;
            if is_by_somebody {
                info.called = redirecting.clone();
            }
            info.redirecting = redirecting;
            info.redirection = redirection;
        };
        self.update_info(id, change);
    }

    /// The party waited too long: back to who parked it, or on to the configured number.
    pub(crate) fn on_parked_too_long(&mut self, party: CallId) {
        let Some(slot) = self.slot_of(party) else { return };
        let Some(parked) = self.parked.remove(&slot) else { return };
        self.touch_slot(&slot);
        self.publish("PARK_TIMEOUT", serde_json::json!({"slot": slot}));
        let number = match self.lot_of(&slot).map(|lot| lot.on_timeout.clone()) {
            Some(OnTimeout::Forward(number)) => Some(number),
            _ => parked.by.clone(),
        };
        let seek = Seek::reminder(party);
        let found = number.ok_or(Cause::UNKNOWN_NUMBER).and_then(|number| self.seek(&number, seek));
        if let Err(cause) = found {
            self.clear_called(party, cause.disconnect_mode(), &cause.reason_header());
        }
    }

    /// The parked party is gone: its slot is free.
    pub(crate) fn leave_slot(&mut self, party: CallId) {
        if let Some(slot) = self.slot_of(party) {
            self.parked.remove(&slot);
            self.touch_slot(&slot);
            self.publish("PARK_ABANDONED", serde_json::json!({"slot": slot}));
        }
    }

    /// Who waits in a slot changed.
    fn touch_slot(&mut self, slot: &str) {
        self.presence.touch(Entity::Slot(slot.to_owned()));
        if let Some(lot) = self.lot_of(slot).map(|lot| lot.number.clone()) {
            self.presence.touch(Entity::Lot(lot));
        }
    }

    pub(crate) fn slot_of(&self, party: CallId) -> Option<String> {
        let mut parked = self.parked.iter();
        parked.find(|(_, parked)| parked.call == party).map(|(slot, _)| slot.clone())
    }

    /// The lot whose number or slot this is.
    pub(crate) fn lot_of(&self, number: &str) -> Option<&Lot> {
        let mut lots = self.config.park.lots.values();
        lots.find(|lot| lot.number == number || lot.slots.contains(number))
    }

    /// Whether a number is a slot of some lot.
    pub(crate) fn is_slot(&self, number: &str) -> bool {
        self.lot_of(number).is_some_and(|lot| lot.slots.contains(number))
    }

    fn publish_park(&mut self, slot: &str, party: CallId, by: Option<&str>) {
        self.touch_slot(slot);
        let who = self.calls.get(party.0).map(|call| call.number().to_owned());
        self.publish("PARKED", serde_json::json!({"slot": slot, "party": who, "by": by}));
    }

    /// linePark: DIRECTED to a slot, or NONDIRECTED to the first free one of the first lot. Gives
    /// the slot's number.
    pub(crate) fn line_park(
        &mut self,
        id: CallId,
        address: Option<&str>,
    ) -> Result<String, LineErr> {
        if self.calls.get(id.0).is_none_or(|call| call.state != CallState::Connected) {
            return Err(LineErr::InvalCallState);
        }
        let number = match address {
            Some(address) => address.to_owned(),
            None => {
                let lot = self.config.park.lots.values().next().ok_or(LineErr::OperationUnavail)?;
                lot.number.clone()
            }
        };
        let slot = self.park(id, &number).map_err(|cause| match cause.relay {
            404 => LineErr::InvalAddress,
            _ => LineErr::OperationFailed,
        })?;
        Ok(slot)
    }

    /// The parker is out: hang up its phone, its call is IDLE.
    pub(crate) fn leave_parked(&mut self, id: CallId) {
        let party = self.far(id);
        self.retire(id);
        if let Some(party) = party {
            self.show_parked(party);
        }
    }
}
