//! linePickup and lineUnpark: the line's own phone is called first, then takes what it was called for.
//!
//! Until then the new call has no state; the request is answered when it is known who won. Source:
//! sip-mapping §2.7, §2.9.7; TAPI linePickup, lineUnpark.

use tapi::constant::{CallState, LineErr};
use tapi::{CallKey, CallMode, ReplyFields, RequestKey};

use super::cause::Cause;
use super::{CallId, Origination, Party, Side, Timer, Waiting};
use crate::exchange::Exchange;
use crate::exchange::state::NewParty;

/// What a phone is called for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Errand {
    /// Takes the party out of this park slot.
    Unpark(String),
    /// Takes the call that rings at this number.
    PickUpAt(String),
    /// Takes the oldest call of the group with this identifier; empty means the line's own group.
    PickUpIn(String),
    /// Takes the call that waits at the line: at its own address, or at this shared one.
    PickUpWaiting(Option<String>),
    /// Takes the call that is on hold at this shared line.
    TakeHeld(String),
    /// The call is an appearance of a shared line: takes the held call, or joins.
    Station,
    /// Joins the call of the line that the call has found busy; the completion identifier.
    Intrude(u32),
}

impl Errand {
    /// The shared line of which the new call is an appearance.
    fn shared(&self) -> Option<&str> {
        match self {
            Errand::PickUpWaiting(shared) => shared.as_deref(),
            Errand::TakeHeld(number) => Some(number),
            _ => None,
        }
    }
}

impl Exchange {
    /// Calls the line's own phone and remembers what for.
    ///
    /// Errors: INVALADDRESS or INVALGROUPID when there is nothing to take, OPERATIONFAILED when no
    /// phone of the line can be called; nothing was created.
    pub(crate) fn run_errand(
        &mut self,
        line: &str,
        call: CallKey,
        errand: Errand,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        self.can_run(line, &errand)?;
        // What is here already is replaced by the new call and needs no further appearance.
        let is_here = matches!(errand, Errand::PickUpWaiting(_) | Errand::TakeHeld(_));
        if !is_here && !self.has_appearance(line) {
            return Err(LineErr::CallUnavail);
        }
        let timeout = self.config.lines.get(line).ok_or(LineErr::InvalLineState)?.ring_timeout;
        let connection = self.new_connection("", super::originate::MAX_FORWARDS);
        let party = NewParty {
            connection,
            side: Side::Caller,
            party: Party::Line(line.to_owned()),
            origination: Origination::Summoning,
            state: CallState::Unknown,
            mode: CallMode::None,
            tapi: Some(call),
        };
        let id = self.new_call_at(party, errand.shared());
        self.describe_made_call(id);
        if self.summon(id).is_err() {
            self.finish(id);
            return Err(LineErr::OperationFailed);
        }
        if let Some(call) = self.calls.get_mut(id.0) {
            call.errand = Some(errand);
            call.waiting = Some(Waiting::Errand(request));
        }
        self.set_call_timer(id, timeout, Timer::NoAnswer(id));
        Ok(())
    }

    /// linePickup without address and group: what waits at the address, else what is on hold at
    /// it elsewhere, else what rings in the own group.
    ///
    /// Errors: OPERATIONFAILED when there is none of these.
    pub(crate) fn nearest(&self, line: &str, shared: Option<String>) -> Result<Errand, LineErr> {
        if self.waiting_at(line, shared.as_deref()).is_ok() {
            return Ok(Errand::PickUpWaiting(shared));
        }
        let Some(number) = shared else {
            let is_ringing = self.ringing_in(line, "").is_ok();
            let group = Errand::PickUpIn(String::new());
            return if is_ringing { Ok(group) } else { Err(LineErr::OperationFailed) };
        };
        self.held_at(line, &number).map_err(|_| LineErr::OperationFailed)?;
        Ok(Errand::TakeHeld(number))
    }

    /// Errors: INVALGROUPID when an address is not in the group that is named with it.
    pub(crate) fn check_in_group(&self, number: &str, id: Option<&str>) -> Result<(), LineErr> {
        let Some(id) = id else { return Ok(()) };
        let group = self.config.lines.get(number).and_then(|line| line.pickup_group.as_ref());
        let group = group.and_then(|name| self.config.pickup_groups.get(name));
        let is_right = group.is_some_and(|group| group.id == id);
        if is_right { Ok(()) } else { Err(LineErr::InvalGroupId) }
    }

    fn can_run(&self, line: &str, errand: &Errand) -> Result<(), LineErr> {
        match errand {
            Errand::Unpark(slot) if self.parked.contains_key(slot) => Ok(()),
            Errand::Unpark(slot) if self.is_slot(slot) => Err(LineErr::OperationFailed),
            Errand::Unpark(_) | Errand::Intrude(_) => Err(LineErr::InvalAddress),
            Errand::PickUpAt(number) => {
                let is_known =
                    self.has_address(number) || self.config.hunt_groups.contains_key(number);
                self.ringing_at(line, number).map(|_| ()).map_err(|cause| {
                    let may_not = cause == Cause::FORBIDDEN || !is_known;
                    if may_not { LineErr::InvalAddress } else { LineErr::OperationFailed }
                })
            }
            Errand::PickUpIn(group) if !self.has_pickup_group(group) => Err(LineErr::InvalGroupId),
            Errand::PickUpIn(group) => self.ringing_in(line, group).map(|_| ()).map_err(|cause| {
                if cause == Cause::FORBIDDEN {
                    LineErr::InvalGroupId
                } else {
                    LineErr::OperationFailed
                }
            }),
            Errand::PickUpWaiting(shared) => {
                let found = self.waiting_at(line, shared.as_deref());
                found.map(|_| ()).map_err(|_| LineErr::OperationFailed)
            }
            Errand::TakeHeld(number) => {
                self.held_at(line, number).map(|_| ()).map_err(|_| LineErr::OperationFailed)
            }
            Errand::Station => Ok(()),
        }
    }

    /// The phone is on the line: now the first who takes it has it.
    pub(crate) fn finish_errand(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        if matches!(call.errand, Some(Errand::Intrude(_))) {
            return self.finish_intrusion(id);
        }
        let (Some(errand), Some(waiting)) = (call.errand.take(), call.waiting.take()) else {
            return;
        };
        let line = call.party.number().to_owned();
        if errand == Errand::Station {
            return self.station_arrives(id, waiting.request());
        }
        let can_still = self.can_run(&line, &errand);
        let is_announced = can_still.is_ok();
        if is_announced {
            // The states of everybody involved follow the reply.
            let done = Ok(ReplyFields::default());
            self.tapi.complete(self.clock.unix_ms, waiting.request(), done);
        }
        let taken = match (&errand, can_still) {
            (_, Err(_)) | (Errand::Intrude(_), _) => Err(Cause::NOTHING_RINGS),
            (Errand::Unpark(slot), Ok(())) => self.unpark(id, slot),
            (Errand::PickUpAt(number), Ok(())) => {
                self.ringing_at(&line, number).and_then(|ringing| self.pick_up(id, ringing))
            }
            (Errand::PickUpIn(group), Ok(())) => {
                self.ringing_in(&line, group).and_then(|ringing| self.pick_up(id, ringing))
            }
            (Errand::PickUpWaiting(shared), Ok(())) => {
                let waiting = self.waiting_at(&line, shared.as_deref());
                waiting.and_then(|waiting| self.pick_up_waiting(id, waiting))
            }
            (Errand::TakeHeld(number), Ok(())) => {
                self.held_at(&line, number).and_then(|held| self.take_seat(id, held))
            }
            (Errand::Station, Ok(())) => Err(Cause::NOTHING_RINGS),
        };
        if let Err(cause) = taken {
            if is_announced {
                // Applications have the call already: they see it fail.
                self.set_state(id, CallState::Proceeding, CallMode::None);
                self.show_disconnected(id, cause.disconnect_mode());
            } else {
                let failed = Err(LineErr::OperationFailed);
                self.tapi.complete(self.clock.unix_ms, waiting.request(), failed);
            }
            self.release_with(id, &cause.reason_header());
            self.finish(id);
        }
    }
}
