//! What only a caller can dial: rooms, slots and feature codes. A code that sets something the switch
//! itself answers, plays the confirmation tone, hangs up.
//!
//! A code that cannot be carried out is refused with a final response and a Reason; no call is made.
//! Source: sip-mapping §3.9, §3.11.

use std::time::Duration;

use bytes::Bytes;
use config::FeatureCode;
use media::Tone;
use sip_stack::endpoint::LegId;
use tapi::CallMode;
use tapi::constant::{CallState, ConnectedMode, DisconnectMode};

use super::cause::Cause;
use super::park::{PICKUP_ALIAS, park_place};
use super::supervise::{self, Hearing};
use super::{CallId, Origination, Timer};
use crate::exchange::Exchange;
use crate::feature::forward::{Family, check_destination};
use crate::route::{self, Target};

/// How long the confirmation tone is heard.
const CONFIRMATION: Duration = Duration::from_millis(1_200);

impl Exchange {
    /// What only a caller can dial: rooms, slots and feature codes. `None` when the number is none.
    pub(crate) fn dial_feature(
        &mut self,
        caller: CallId,
        dialled: &str,
    ) -> Option<Result<(), Cause>> {
        if self.config.conference.rooms.contains_key(dialled) {
            return Some(self.enter_room(caller, dialled));
        }
        let call = self.calls.get(caller.0)?;
        let line = call.party.line()?.to_owned();
        let number = call.number().to_owned();
        if number == dialled && call.shared.is_some() {
            return Some(self.enter_shared(caller, &line));
        }
        let place = park_place(dialled);
        if let Some(lot) = self.lot_of(place) {
            let is_slot = lot.slots.contains(place);
            return Some(match is_slot {
                true => self.unpark(caller, place),
                false => self.wait_in_lot(caller, place),
            });
        }
        if let Some(number) = dialled.strip_prefix(PICKUP_ALIAS) {
            let ringing = self.ringing_at(&line, number);
            return Some(ringing.and_then(|ringing| self.pick_up(caller, ringing)));
        }
        if let Some((hearing, agent)) = supervise::asked_for(dialled) {
            return Some(self.supervise(caller, agent, hearing));
        }
        let config = self.config.clone();
        let Target::Feature { code, argument } = route::resolve(&config, dialled) else {
            return None;
        };
        let ringing = match code {
            FeatureCode::PickupGroup => self.ringing_in(&line, argument),
            FeatureCode::PickupDirected if self.parked.contains_key(argument) => {
                return Some(self.unpark(caller, argument));
            }
            FeatureCode::PickupDirected => self.ringing_at(&line, argument),
            FeatureCode::EchoTest => return Some(self.begin_echo(caller)),
            FeatureCode::PickupHeld => {
                let held = self.held_for(&line, argument);
                return Some(held.and_then(|held| self.take_seat(caller, held)));
            }
            FeatureCode::CompletionSet | FeatureCode::CompletionCancel => {
                return Some(self.complete_by_code(caller, &line, code));
            }
            FeatureCode::SupervisorListen => {
                return Some(self.supervise(caller, argument, Hearing::Nobody));
            }
            FeatureCode::SupervisorWhisper => {
                return Some(self.supervise(caller, argument, Hearing::Agent));
            }
            FeatureCode::SupervisorBarge => {
                return Some(self.supervise(caller, argument, Hearing::All));
            }
            FeatureCode::AgentLogin
            | FeatureCode::AgentLogout
            | FeatureCode::AgentReady
            | FeatureCode::AgentNotReady => {
                return Some(self.agent_by_code(caller, &line, code, argument));
            }
            code => return self.forward_by_code(caller, &number, code, argument),
        };
        Some(ringing.and_then(|ringing| self.pick_up(caller, ringing)))
    }

    /// Codes of forwarding and do not disturb; `None` for every other code.
    pub(crate) fn forward_by_code(
        &mut self,
        caller: CallId,
        line: &str,
        code: FeatureCode,
        number: &str,
    ) -> Option<Result<(), Cause>> {
        use FeatureCode as Code;
        let set = self.forwardings.get(line).cloned().unwrap_or_default();
        let (wanted, takes_number) = match code {
            Code::ForwardAllSet => (set.with(Family::Unconditional, Some(number)), true),
            Code::ForwardBusySet => (set.with(Family::Busy, Some(number)), true),
            Code::ForwardNoAnswerSet => (set.with(Family::NoAnswer, Some(number)), true),
            Code::ForwardAllCancel => (set.with(Family::Unconditional, None), false),
            Code::ForwardBusyCancel => (set.with(Family::Busy, None), false),
            Code::ForwardNoAnswerCancel => (set.with(Family::NoAnswer, None), false),
            Code::DndSet => (set.with_do_not_disturb(true), false),
            Code::DndCancel => (set.with_do_not_disturb(false), false),
            _ => return None,
        };
        let is_allowed = if takes_number { self.check_number(line, number) } else { Ok(()) };
        let prepared = is_allowed.and_then(|()| self.prepare_confirmation(caller));
        Some(prepared.map(|answer| {
            self.keep_forwarding(line, wanted);
            self.confirm(caller, answer);
        }))
    }

    /// Errors: 484 for no number, 403 for the line's own, 404 for one that nothing has.
    fn check_number(&self, line: &str, number: &str) -> Result<(), Cause> {
        if number.is_empty() {
            return Err(Cause::of_status(484, false));
        }
        if number == line {
            return Err(Cause::FORBIDDEN);
        }
        check_destination(&self.config, line, number).map_err(|_| Cause::UNKNOWN_NUMBER)
    }

    /// The answer to the caller's INVITE; `None` when its phone is on the line with us already.
    pub(crate) fn prepare_confirmation(
        &mut self,
        id: CallId,
    ) -> Result<Option<(LegId, Bytes)>, Cause> {
        let call = self.calls.get(id.0).ok_or(Cause::NO_RESOURCES)?;
        let (Origination::Phone, Some(leg)) = (call.origination, call.leg) else { return Ok(None) };
        let streams = call.end.remote.as_ref().map_or(1, |offer| offer.media.len());
        self.reserve_ports(id, streams)?;
        let call = self.calls.get_mut(id.0).ok_or(Cause::NO_RESOURCES)?;
        let sdp = call.end.answer_alone().map_err(|_| Cause::INCOMPATIBLE_MEDIA)?;
        Ok(Some((leg, sdp)))
    }

    /// CONNECTED, the tone, and a moment later the switch hangs up.
    pub(crate) fn confirm(&mut self, id: CallId, answer: Option<(LegId, Bytes)>) {
        if let Some((leg, sdp)) = answer {
            self.endpoint.answer(self.clock.now, leg, sdp, &[], &mut self.sip);
        }
        let active = CallMode::Connected(ConnectedMode::Active);
        self.set_state(id, CallState::Connected, active);
        self.refresh_capability(id);
        self.play(id, Tone::Confirmation);
        self.set_call_timer(id, CONFIRMATION, Timer::Confirmed(id));
    }

    /// The tone was heard.
    pub(crate) fn on_confirmation_over(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id.0) {
            call.timer = None;
        }
        self.clear_called(id, DisconnectMode::Normal, "Q.850;cause=16");
    }
}
