//! Parking: a party waits in a numbered slot until somebody dials the slot.
//!
//! The parked party's connection stays as it is, with one place vacant; the slot names it in the
//! registry, where busy lamps and tables read it. Taking it is one claim. Source: TAPI linePark,
//! lineUnpark; sip-mapping §3.6.

use config::{Lot, OnTimeout};
use media::Tone;
use tapi::constant::{CallReason, CallState, LineErr};

use super::cause::Cause;
use super::refer::Refer;
use super::seek::Seek;
use super::{CallId, Parked, Timer};
use crate::exchange::Exchange;

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
        let key = self.calls.get(id.0).map(|call| call.connection);
        let connection = key.and_then(|key| self.connections.get(key.0));
        if connection.is_some_and(|connection| connection.search.is_some()) {
            return Err(Cause::of_status(491, false));
        }
        let slot = if lot.number == number {
            let free = lot.slots.numbers().find(|slot| !self.parked.contains_key(slot));
            free.ok_or(Cause::NO_APPEARANCE)?
        } else {
            number.to_owned()
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

    /// What a parked party hears and shows, once its parker is out.
    pub(crate) fn show_parked(&mut self, party: CallId) {
        if self.slot_of(party).is_some() {
            self.play(party, Tone::Hold);
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
        self.publish("UNPARKED", serde_json::json!({"slot": slot}));
        Ok(())
    }

    fn describe_unpark(&mut self, id: CallId, party: CallId, by: &str) {
        use tapi::constant::CallInfoState as What;
        let number = self.calls.get(party.0).map(|call| call.party.number().to_owned());
        let caller = self.party_of_number(&number.unwrap_or_default());
        let redirecting = self.party_of_number(by);
        let change = |info: &mut tapi::CallInfo| {
            info.reason = CallReason::Unpark;
            info.caller = caller;
            info.redirecting = redirecting;
        };
        self.tell_info(id, change, What::Reason | What::CallerId | What::RedirectingId);
    }

    /// The party waited too long: back to who parked it, or on to the configured number.
    pub(crate) fn on_parked_too_long(&mut self, party: CallId) {
        let Some(slot) = self.slot_of(party) else { return };
        let Some(parked) = self.parked.remove(&slot) else { return };
        self.publish("PARK_TIMEOUT", serde_json::json!({"slot": slot}));
        let number = match self.lot_of(&slot).map(|lot| lot.on_timeout.clone()) {
            Some(OnTimeout::Forward(number)) => Some(number),
            _ => parked.by.clone(),
        };
        let seek =
            Seek { transferee: party, transferor: None, reason: CallReason::Reminder, refer: None };
        let found = number.ok_or(Cause::UNKNOWN_NUMBER).and_then(|number| self.seek(&number, seek));
        if let Err(cause) = found {
            self.clear_called(party, cause.disconnect_mode(), &cause.reason_header());
        }
    }

    /// The parked party is gone: its slot is free.
    pub(crate) fn leave_slot(&mut self, party: CallId) {
        if let Some(slot) = self.slot_of(party) {
            self.parked.remove(&slot);
            self.publish("PARK_ABANDONED", serde_json::json!({"slot": slot}));
        }
    }

    fn slot_of(&self, party: CallId) -> Option<String> {
        let mut parked = self.parked.iter();
        parked.find(|(_, parked)| parked.call == party).map(|(slot, _)| slot.clone())
    }

    /// The lot whose number or slot this is.
    pub(crate) fn lot_of(&self, number: &str) -> Option<&Lot> {
        let mut lots = self.config.park.lots.values();
        lots.find(|lot| lot.number == number || lot.slots.contains(number))
    }

    fn publish_park(&mut self, slot: &str, party: CallId, by: Option<&str>) {
        let who = self.calls.get(party.0).map(|call| call.party.number().to_owned());
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
