//! Applications: what their requests make the exchange do. Path 3, hops 2–7.
//!
//! The TAPI server has checked handle, privilege, state and feature bit before an [`Intent`] comes
//! here; phones and administrators lead to the same functions.

use std::time::Duration;

use tapi::CallMode;
use tapi::constant::CallState;
use tapi::constant::{LineDevStatusFlag, LineErr};
use tapi::{Intent, LineFilter, Output as TapiOutput, PickupTarget, ReplyFields, RequestKey};

use super::Exchange;
use super::counters::count;
use super::mailbox::{ApplicationInput, Output};
use crate::call::errand::Errand;
use crate::call::listen::Wish;
use crate::call::transfer::Asked;
use crate::call::{CallId, Timer};
use crate::feature::forward::Forwarding;

impl Exchange {
    /// Something on a `/tapi` connection.
    pub(super) fn on_application(&mut self, input: ApplicationInput) {
        match input {
            ApplicationInput::Connected { connection, lines } => {
                let filter = lines
                    .map_or(LineFilter::All, |lines| LineFilter::Only(lines.into_iter().collect()));
                self.tapi.connect(tapi::ConnectionId(connection), filter);
                self.counters.applications.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            ApplicationInput::Text { connection, text } => {
                count(&self.counters.tapi_requests_total);
                let connection = tapi::ConnectionId(connection);
                self.tapi.request(self.clock.unix_ms, connection, &text);
                self.arm_applications();
            }
            ApplicationInput::Written { connection, texts } => {
                self.tapi.written(tapi::ConnectionId(connection), texts);
            }
            ApplicationInput::Disconnected { connection } => {
                self.tapi.disconnect(self.clock.unix_ms, tapi::ConnectionId(connection));
                self.counters.applications.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                self.arm_applications();
            }
            ApplicationInput::Closed { connection } => {
                self.tapi.close(self.clock.unix_ms, tapi::ConnectionId(connection));
                self.counters.applications.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                self.arm_applications();
            }
        }
    }

    /// Wakes the TAPI server when the next resume window is over.
    pub(crate) fn arm_applications(&mut self) {
        if let Some(token) = self.application_timer.take() {
            self.timers.disarm(token);
        }
        let Some(deadline_ms) = self.tapi.next_deadline() else { return };
        let delay = Duration::from_millis(deadline_ms.saturating_sub(self.clock.unix_ms));
        self.application_timer = Some(self.arm(delay, Timer::Applications));
    }

    /// Hands on what the TAPI server has to say; false when it has nothing.
    pub(super) fn relay_tapi(&mut self) -> bool {
        self.publish_observed();
        let said = std::mem::take(&mut self.tapi.out);
        let has_said = !said.is_empty();
        for output in said {
            match output {
                TapiOutput::Send { connection, text } => {
                    self.outputs.push(Output::Application { connection: connection.0, text });
                }
                TapiOutput::Close { connection, code, reason } => {
                    let connection = connection.0;
                    self.outputs.push(Output::CloseApplication { connection, code, reason });
                }
                TapiOutput::Intent { request, intent } => self.carry_out(request, intent),
            }
        }
        has_said
    }

    fn carry_out(&mut self, request: RequestKey, intent: Intent) {
        if let Err(error) = self.try_intent(request, intent) {
            self.tapi.complete(self.clock.unix_ms, request, Err(error));
        }
    }

    fn try_intent(&mut self, request: RequestKey, intent: Intent) -> Result<(), LineErr> {
        match intent {
            Intent::MakeCall { line, address, call, destination, complete, params } => {
                let line = self.line_of(line).ok_or(LineErr::InvalLineState)?;
                let shared = self.shared_at(&line, address);
                let at = (line.as_str(), shared.as_deref());
                let id = self.make_call(at, &destination, complete, Some((call, &*params)))?;
                self.done(Some(request));
                self.seize(id);
                Ok(())
            }
            Intent::Dial { call, digits, complete } => {
                let id = self.call_of(call)?;
                self.check_dialled(id, &digits)?;
                self.done(Some(request));
                self.dial_more(id, &digits, complete)
            }
            Intent::Accept { call, info } => {
                let id = self.call_of(call)?;
                self.done(Some(request));
                self.send_info_along(id, &info);
                self.accept(id);
                Ok(())
            }
            Intent::Answer { call, info } => {
                let id = self.call_of(call)?;
                self.keep_answer_info(id, &info);
                self.answer_by_phone(id, request)
            }
            Intent::Drop { call, info } => {
                let id = self.call_of(call)?;
                self.done(Some(request));
                self.send_info_along(id, &info);
                self.drop_call(id);
                Ok(())
            }
            Intent::Hold { call } => {
                let id = self.call_of(call)?;
                self.hold(id, Some(request))
            }
            Intent::Unhold { call } => {
                let id = self.call_of(call)?;
                self.unhold(id, Some(request))
            }
            other => self.try_feature(request, other),
        }
    }

    /// The operations that involve more than one call, or a place that others watch.
    fn try_feature(&mut self, request: RequestKey, intent: Intent) -> Result<(), LineErr> {
        match intent {
            Intent::SwapHold { active, held } => {
                let (active, held) = (self.call_of(active)?, self.call_of(held)?);
                self.swap_hold(active, held, request)
            }
            Intent::SetupTransfer { call, consultation, target, params } => {
                let id = self.call_of(call)?;
                let consult = self.set_up_transfer(id, consultation, request, target.is_some())?;
                self.apply_params(consult, &params);
                target.map_or(Ok(()), |number| self.dial_more(consult, &number, true))
            }
            Intent::CompleteTransfer { held, consultation, conference } => {
                let (held, consult) = (self.call_of(held)?, self.call_of(consultation)?);
                match conference {
                    Some(parent) => self.confer(held, consult, parent, request),
                    None => self.complete_transfer(held, consult, Asked::Application(request)),
                }
            }
            Intent::BlindTransfer { call, destination } => {
                let id = self.call_of(call)?;
                self.blind_transfer(id, &destination, Some(request))
            }
            Intent::Redirect { call, destination } => {
                let id = self.call_of(call)?;
                self.redirect(id, &destination, Some(request))
            }
            Intent::Forward { line, addresses, list, rings } => {
                let line = self.line_of(line).ok_or(LineErr::InvalLineState)?;
                let asked = tapi::Forwarding { entries: list, rings };
                let mut checked = Vec::new();
                for address in addresses {
                    let number = self.shared_at(&line, address).unwrap_or_else(|| line.clone());
                    let set = Forwarding::from(asked.clone()).checked(&self.config, &number)?;
                    checked.push((number, set));
                }
                self.done(Some(request));
                for (number, set) in checked {
                    self.keep_forwarding(&number, set);
                }
                Ok(())
            }
            Intent::Park { call, slot } => {
                let id = self.call_of(call)?;
                let slot = self.line_park(id, slot.as_deref())?;
                let reply = ReplyFields::default().with("address", slot);
                self.tapi.complete(self.clock.unix_ms, request, Ok(reply));
                self.leave_parked(id);
                Ok(())
            }
            Intent::Unpark { line, call, slot, .. } => {
                let line = self.line_of(line).ok_or(LineErr::InvalLineState)?;
                self.run_errand(&line, call, Errand::Unpark(slot), request)
            }
            Intent::Pickup { line, address, call, target } => {
                let line = self.line_of(line).ok_or(LineErr::InvalLineState)?;
                let errand = match target {
                    PickupTarget::Address { number, group } => {
                        self.check_in_group(&number, group.as_deref())?;
                        Errand::PickUpAt(number)
                    }
                    PickupTarget::Group(group) => Errand::PickUpIn(group),
                    PickupTarget::Nearest => {
                        let shared = self.shared_at(&line, address);
                        self.nearest(&line, shared)?
                    }
                };
                self.run_errand(&line, call, errand, request)
            }
            Intent::CompleteCall { call, mode, completion, message } => {
                let id = self.call_of(call)?;
                self.complete_call(id, mode, completion, message, request)
            }
            Intent::UncompleteCall { line, completion } => {
                let line = self.line_of(line).ok_or(LineErr::InvalLineState)?;
                self.uncomplete_call(&line, completion, request)
            }
            other => self.try_conference(request, other),
        }
    }

    /// The operations of a line's conference.
    fn try_conference(&mut self, request: RequestKey, intent: Intent) -> Result<(), LineErr> {
        match intent {
            Intent::SetupConference {
                call: Some(call),
                conference,
                consultation,
                target,
                params,
                ..
            } => {
                let (id, keys) = (self.call_of(call)?, (conference, consultation));
                match target {
                    Some(number) => self.set_up_without_hold(id, keys, (&number, &params), request),
                    None => {
                        let made = self.set_up_conference(id, Some(keys), Some(request))?;
                        self.apply_params(made.1, &params);
                        Ok(())
                    }
                }
            }
            Intent::PrepareAddToConference { conference, consultation, target, params } => {
                let (parent, consult) = (self.call_of(conference)?, consultation);
                match target {
                    Some(number) => {
                        self.prepare_without_hold(parent, consult, (&number, &params), request)
                    }
                    None => {
                        let (key, request) = (Some(consult), Some(request));
                        let made = self.prepare_add_to_conference(parent, key, request)?;
                        self.apply_params(made, &params);
                        Ok(())
                    }
                }
            }
            Intent::AddToConference { conference, call } => {
                let (parent, id) = (self.call_of(conference)?, self.call_of(call)?);
                self.add_to_conference(parent, id, Some(request))
            }
            Intent::RemoveFromConference { call, .. } => {
                let id = self.call_of(call)?;
                self.remove_from_conference(id, Some(request))
            }
            other => self.try_call_data(request, other),
        }
    }

    /// What goes along with a call.
    fn try_call_data(&mut self, request: RequestKey, intent: Intent) -> Result<(), LineErr> {
        match intent {
            Intent::SecureCall { call } => {
                let id = self.call_of(call)?;
                self.secure(id);
                self.done(Some(request));
                Ok(())
            }
            Intent::SetCallData { call, data } => {
                let id = self.call_of(call)?;
                self.done(Some(request));
                self.set_call_data(id, &data);
                Ok(())
            }
            Intent::SendUserUserInfo { call, info } => {
                let id = self.call_of(call)?;
                self.send_user_info(id, &info, request)
            }
            other => self.try_media(request, other),
        }
    }

    /// What is heard on a call, what is sent on it, and the line's lamp.
    fn try_media(&mut self, request: RequestKey, intent: Intent) -> Result<(), LineErr> {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        match intent {
            Intent::GenerateDigits { call, digits, duration_ms, pause_ms, .. } => {
                let id = self.call_of(call)?;
                self.generate_digits(id, &digits, (ms(duration_ms), ms(pause_ms)), request)
            }
            Intent::GenerateTone { call, mode, duration_ms, components } => {
                let id = self.call_of(call)?;
                self.generate_tone(id, (mode, &components), duration_ms.map(ms), request)
            }
            Intent::StopGenerating { call } => {
                if let Ok(id) = self.call_of(call) {
                    self.stop_generating(id);
                }
                Ok(())
            }
            Intent::Detect { call, digits, media, tones } => {
                // A call that is over is listened to no more; nobody waits for an answer.
                if let Ok(id) = self.call_of(call) {
                    self.listen_for(id, Wish { digits, media, tones });
                }
                Ok(())
            }
            Intent::SetLineDevStatus { line, change, is_on } => {
                let line = self.line_of(line).ok_or(LineErr::InvalLineState)?;
                if change != LineDevStatusFlag::MsgWait.into() {
                    return Err(LineErr::InvalParam);
                }
                let count = if is_on { self.messages_of(&line).max(1) } else { 0 };
                self.done(Some(request));
                self.set_message_waiting(&line, count)
            }
            Intent::Agent { request: asked, .. } => {
                self.ask_centre(request, asked);
                Ok(())
            }
            Intent::SetCallTreatment { call, treatment } => {
                let id = self.call_of(call)?;
                self.set_call_treatment(id, treatment, request)
            }
            _ => Err(LineErr::OperationUnavail),
        }
    }

    fn line_of(&self, device: tapi::DeviceId) -> Option<String> {
        self.number_of_device(device)
    }

    fn call_of(&self, call: tapi::CallKey) -> Result<CallId, LineErr> {
        self.by_tapi.get(&call).copied().ok_or(LineErr::InvalCallState)
    }

    /// lineAccept: somebody has taken responsibility; the caller hears that it rings.
    fn accept(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let key = call.connection;
        if call.state == CallState::Offering {
            self.set_state(id, CallState::Accepted, CallMode::None);
            self.tell_caller_it_rings(key);
            self.show_ringback(key);
        }
    }
}
