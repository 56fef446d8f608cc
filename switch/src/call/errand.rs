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
        if !self.has_appearance(line) {
            return Err(LineErr::CallUnavail);
        }
        let timeout = self.config.lines.get(line).ok_or(LineErr::InvalLineState)?.ring_timeout;
        let connection = self.new_connection("", super::originate::MAX_FORWARDS);
        let id = self.new_call(NewParty {
            connection,
            side: Side::Caller,
            party: Party::Line(line.to_owned()),
            origination: Origination::Summoning,
            state: CallState::Unknown,
            mode: CallMode::None,
            tapi: Some(call),
        });
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

    fn can_run(&self, line: &str, errand: &Errand) -> Result<(), LineErr> {
        match errand {
            Errand::Unpark(slot) if self.parked.contains_key(slot) => Ok(()),
            Errand::Unpark(slot) if self.is_slot(slot) => Err(LineErr::OperationFailed),
            Errand::Unpark(_) => Err(LineErr::InvalAddress),
            Errand::PickUpAt(number) => {
                let is_known = self.config.lines.contains_key(number)
                    || self.config.hunt_groups.contains_key(number);
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
        }
    }

    /// The phone is on the line: now the first who takes it has it.
    pub(crate) fn finish_errand(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let (Some(errand), Some(waiting)) = (call.errand.take(), call.waiting.take()) else {
            return;
        };
        let line = call.party.number().to_owned();
        let can_still = self.can_run(&line, &errand);
        let is_announced = can_still.is_ok();
        if is_announced {
            // The states of everybody involved follow the reply.
            let done = Ok(ReplyFields::default());
            self.tapi.complete(self.clock.unix_ms, waiting.request(), done);
        }
        let taken = match (&errand, can_still) {
            (_, Err(_)) => Err(Cause::NOTHING_RINGS),
            (Errand::Unpark(slot), Ok(())) => self.unpark(id, slot),
            (Errand::PickUpAt(number), Ok(())) => {
                self.ringing_at(&line, number).and_then(|ringing| self.pick_up(id, ringing))
            }
            (Errand::PickUpIn(group), Ok(())) => {
                self.ringing_in(&line, group).and_then(|ringing| self.pick_up(id, ringing))
            }
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
