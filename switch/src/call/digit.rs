//! Digits pressed in a call: from whichever way they come to who listens, and on to the far phone.
//!
//! RFC 4733 events are relayed as they are, INFO is passed on as it came; where the far leg knows
//! only another way, the digit is sent by that. Applications hear a digit on the call of those who
//! hear the phone that pressed it. Source: sip-mapping §5.9, §2.3, A.6; RFC 2976, RFC 6086.

use std::time::Duration;

use bytes::Bytes;
use media::TerminationId;
use serde_json::json;
use sip_stack::endpoint::{Body, InDialogRequest, LegId, Reply, RequestId};
use sip_stack::message::{HeaderName, Message, Method};
use tapi::Constant;
use tapi::constant::{CallState, DigitMode};

use super::{CallId, Origination, Timer};
use crate::exchange::Exchange;
use crate::feature::dtmf::{self, INFO_BODIES, InfoBody, Press, Way};
use crate::route::{self, Target};

/// So long after the last key a number is complete (sip-mapping §3.2).
const DIAL_PAUSE: Duration = Duration::from_secs(4);

impl Exchange {
    /// INFO: digits and picture requests are taken; an unreadable digit is 400, anything else 415
    /// (RFC 6086 §4.2.2). A retransmission never comes here.
    pub(crate) fn on_info(&mut self, leg: LegId, id: RequestId, message: &Message) {
        let body = message.body_bytes();
        if body.is_empty() {
            return self.reply(id, Reply::new(200));
        }
        let kind = message.header(HeaderName::ContentType).unwrap_or_default().to_owned();
        let Some(known) = InfoBody::of_type(&kind) else {
            return self.reply(id, Reply::new(415).header("Accept", INFO_BODIES));
        };
        let press = match known {
            InfoBody::MediaControl => None,
            digit => match digit.press(&body) {
                Ok(press) => Some(press),
                Err(error) => {
                    let warning = format!("399 {} \"{error}\"", self.config.domain);
                    return self.reply(id, Reply::new(400).header("Warning", warning));
                }
            },
        };
        self.reply(id, Reply::new(200));
        let Some(&speaker) = self.by_leg.get(&leg) else { return };
        match press {
            Some(press) => {
                self.relay_info_digit(speaker, press, (kind, body));
                self.key_down(speaker, press.digit, Way::Info);
                self.key_up(speaker, press.digit, Way::Info);
            }
            None => {
                self.pass_info(speaker, (kind, body));
            }
        }
    }

    /// A key went down at the phone of a termination, as its media say.
    pub(crate) fn on_media_key(&mut self, termination: TerminationId, digit: char) {
        if let Some(&speaker) = self.by_termination.get(&termination) {
            self.key_down(speaker, digit, Way::Media);
        }
    }

    /// It came up. An event has been relayed; one in the voice has been heard by the far party.
    pub(crate) fn on_media_digit(
        &mut self,
        termination: TerminationId,
        digit: char,
        duration: Duration,
    ) {
        let Some(&speaker) = self.by_termination.get(&termination) else { return };
        self.relay_event(speaker, Press { digit, duration });
        self.key_up(speaker, digit, Way::Media);
    }

    /// The leading edge of a digit, LINEDIGITMODE_DTMF.
    fn key_down(&mut self, speaker: CallId, digit: char, way: Way) {
        let now = self.clock.now;
        let Some(call) = self.calls.get_mut(speaker.0) else { return };
        if call.end.presses.begin(now, digit, way) {
            self.pressed(speaker, digit);
        }
    }

    /// The trailing edge, LINEDIGITMODE_DTMFEND.
    fn key_up(&mut self, speaker: CallId, digit: char, way: Way) {
        let now = self.clock.now;
        let Some(call) = self.calls.get_mut(speaker.0) else { return };
        let release = call.end.presses.end(now, digit, way);
        if release.begins {
            self.pressed(speaker, digit);
        }
        if release.ends {
            self.heard_by_all(speaker, digit, DigitMode::DtmfEnd);
        }
    }

    fn pressed(&mut self, speaker: CallId, digit: char) {
        self.dial_by_key(speaker, digit);
        self.supervise_by_key(speaker, digit);
        self.pin_by_key(speaker, digit);
        self.heard_by_all(speaker, digit, DigitMode::Dtmf);
    }

    fn heard_by_all(&mut self, speaker: CallId, digit: char, mode: DigitMode) {
        for listener in self.listeners(speaker) {
            self.digit_heard(listener, digit, mode);
        }
    }

    /// A digit arrives on a call: LINE_MONITORDIGITS, LINE_GATHERDIGITS.
    pub(crate) fn digit_heard(&mut self, listener: CallId, digit: char, mode: DigitMode) {
        if !dtmf::is_dtmf(digit) {
            return; // A hook flash is no digit to TAPI.
        }
        let Some(key) = self.calls.get(listener.0).and_then(|call| call.tapi) else { return };
        self.tapi.digit(self.clock.unix_ms, key, digit, mode);
        self.arm_applications();
        let is_asked = self.listening.wish(listener).is_some_and(|wish| wish.digits.contains(mode));
        if is_asked && self.calls.get(listener.0).is_some_and(|c| c.state == CallState::Connected) {
            let fields = json!({"digit": digit.to_string(), "digitMode": mode.name()});
            self.publish_heard("LINE_MONITORDIGITS", listener, fields);
        }
    }

    /// Who hears a party, and whom it hears: the other members of its conference, or the far party.
    pub(crate) fn listeners(&self, speaker: CallId) -> Vec<CallId> {
        let Some(call) = self.calls.get(speaker.0) else { return Vec::new() };
        let conference = call.conference.and_then(|key| self.conferences.get(key.0));
        match conference {
            Some(conference) => {
                conference.members.iter().copied().filter(|member| *member != speaker).collect()
            }
            None => self.far(speaker).into_iter().collect(),
        }
    }

    /// The relay passes an event on; a far leg that takes none gets the digit in its own way.
    fn relay_event(&mut self, speaker: CallId, press: Press) {
        let Some(far) = self.listening_party(speaker) else { return };
        let has_events = |id: CallId| self.calls.get(id.0).is_some_and(|c| c.end.has_events());
        if has_events(speaker) && !has_events(far) {
            self.press_for(far, press);
        }
    }

    /// INFO goes on as it came. Where the far phone has events and this one has not, or the far
    /// phone knows no INFO, it becomes what the far phone takes.
    fn relay_info_digit(&mut self, speaker: CallId, press: Press, body: Body) {
        let Some(far) = self.listening_party(speaker) else { return };
        let has_events = |id: CallId| self.calls.get(id.0).is_some_and(|c| c.end.has_events());
        let is_other_kind = has_events(far) && !has_events(speaker);
        if is_other_kind || !self.takes_info(far) {
            self.press_for(far, press);
        } else {
            self.pass_info(speaker, body);
        }
    }

    /// The far party of an established two-party call, if neither is away.
    fn listening_party(&self, speaker: CallId) -> Option<CallId> {
        let far = self.far(speaker)?;
        let is_there = |id: CallId| self.calls.get(id.0).is_some_and(|call| !call.is_away());
        (is_there(speaker) && is_there(far)).then_some(far)
    }

    fn takes_info(&self, id: CallId) -> bool {
        let leg = self.calls.get(id.0).and_then(|call| call.leg);
        let view = leg.and_then(|leg| self.endpoint.leg(leg));
        view.is_some_and(|view| view.peer_allows(&Method::Info))
    }

    /// Tells a phone of a digit by INFO; false if it knows no INFO.
    pub(crate) fn send_info_digit(&mut self, id: CallId, press: Press) -> bool {
        let body = Bytes::from(dtmf::relay_body(press));
        self.send_info(id, ("application/dtmf-relay".to_owned(), body))
    }

    /// Hands the body of an INFO on to the far phone.
    fn pass_info(&mut self, speaker: CallId, body: Body) -> bool {
        self.far(speaker).is_some_and(|far| self.send_info(far, body))
    }

    fn send_info(&mut self, id: CallId, body: Body) -> bool {
        let Some(leg) = self.calls.get(id.0).and_then(|call| call.leg) else { return false };
        if !self.takes_info(id) {
            return false;
        }
        let request = InDialogRequest {
            method: Method::Info,
            headers: Vec::new(),
            body: Some(body),
            token: 0,
        };
        self.endpoint.request_in_dialog(self.clock.now, leg, request, &mut self.sip);
        true
    }

    /// A key of a phone that hears dial tone, or that has dialled a part of a number: it dials
    /// (tapi-call-control §3.3). `#` ends the number.
    fn dial_by_key(&mut self, id: CallId, digit: char) {
        let Some(call) = self.calls.get(id.0) else { return };
        let takes_keys = call.origination == Origination::Summoned
            && call.is_summoned()
            && call.errand.is_none()
            && !call.dialling.is_complete
            && matches!(call.state, CallState::DialTone | CallState::Dialing);
        if !takes_keys || !dtmf::is_dtmf(digit) {
            return;
        }
        let key = digit.to_string();
        if self.check_dialled(id, &key).is_err() {
            return; // No number is so long; the pause ends it.
        }
        let has_digits = !call.dialling.digits.is_empty();
        let number = format!("{}{digit}", call.dialling.digits);
        let is_end = digit == '#' && has_digits;
        let target = route::resolve(&self.config, &number);
        let is_known = matches!(
            target,
            Target::Line(_) | Target::HuntGroup(_) | Target::Room(_) | Target::Queue(_)
        );
        let dialled = if is_end { String::new() } else { key };
        // LINEERR_INVALCALLSTATE cannot come: the call takes digits.
        if self.dial_more(id, &dialled, is_end || is_known).is_ok() && !is_end && !is_known {
            self.set_call_timer(id, DIAL_PAUSE, Timer::Dialled(id));
        }
    }

    /// Nobody has pressed a key for a while: what was dialled is the number.
    pub(crate) fn on_dial_pause(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        if call.state == CallState::Dialing && !call.dialling.is_complete {
            // The same: the call still takes digits.
            let _ = self.dial_more(id, "", true);
        }
    }
}
