//! REFER from a phone: blind and attended transfer, and the truthful NOTIFYs that follow it.
//!
//! Source: RFC 3515, RFC 3891, RFC 4488, RFC 5589; sip-mapping §2.9.5, §2.9.6, §3.4.

use std::time::Duration;

use sip_stack::endpoint::{InDialogRequest, LegId, Release, Reply, RequestId};
use sip_stack::header::{ReferTo, Replaces};
use sip_stack::message::{HeaderName, Message, Method, reason_phrase};
use tapi::CallMode;
use tapi::constant::{CallReason, CallState, ConnectedMode};

use super::cause::Cause;
use super::seek::Seek;
use super::transfer::Asked;
use super::{CallId, Timer};
use crate::exchange::Exchange;

/// A transferor's phone hangs up by itself after a successful transfer; if not, we do (§2.9.5).
const PARTING: Duration = Duration::from_secs(5);

/// The implicit subscription of a REFER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    /// Its dialog.
    pub leg: LegId,
    /// `id` of the Event: the CSeq of the REFER.
    pub id: u32,
    /// `Refer-Sub: false`: nobody wants NOTIFYs (RFC 4488).
    pub is_silent: bool,
}

impl Exchange {
    /// REFER inside the dialog of a call.
    pub(crate) fn on_refer(&mut self, leg: LegId, request: RequestId, message: &Message) {
        let Some(&id) = self.by_leg.get(&leg) else {
            return self.answer_request(request, Reply::new(481));
        };
        match self.read_refer(id, leg, message) {
            Ok(refer) => self.carry_out_refer(id, leg, request, message, refer),
            Err(reply) => self.answer_request(request, reply),
        }
    }

    /// Whom the phone wants to send its party to.
    fn read_refer(&self, id: CallId, leg: LegId, message: &Message) -> Result<ReferTarget, Reply> {
        if message.is_repeated(HeaderName::ReferTo) {
            return Err(Reply::new(400).reason("More than one Refer-To"));
        }
        let value = message.header(HeaderName::ReferTo);
        let value = value.ok_or_else(|| Reply::new(400).reason("Missing Refer-To"))?;
        let bad = |_| Reply::new(400).reason("Bad Refer-To");
        let target = ReferTo::parse(value).map_err(bad)?;
        if target.method().map_err(bad)? != Method::Invite {
            return Err(Reply::new(603));
        }
        if !self.endpoint.leg(leg).is_some_and(|view| view.is_confirmed) {
            return Err(Reply::new(403).reason("The call is not answered"));
        }
        let is_busy = self
            .calls
            .get(id.0)
            .and_then(|call| self.connections.get(call.connection.0))
            .is_some_and(|connection| connection.search.is_some());
        if is_busy {
            return Err(Reply::new(491));
        }
        if self.calls.get(id.0).is_some_and(|call| self.is_joined(call.connection)) {
            return Err(Reply::new(403).reason("Others have joined the call"));
        }
        if let Some(replaces) = target.replaces().map_err(bad)? {
            return Ok(ReferTarget::Dialog(replaces));
        }
        let number = target.parsed_uri().map_err(bad)?.user_decoded();
        number.map(ReferTarget::Number).ok_or_else(|| Reply::new(400).reason("Bad Refer-To"))
    }

    fn carry_out_refer(
        &mut self,
        id: CallId,
        leg: LegId,
        request: RequestId,
        message: &Message,
        target: ReferTarget,
    ) {
        let is_silent = message
            .header_named("Refer-Sub")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        let number = message.cseq().map_or(0, |cseq| cseq.number);
        let refer = Refer { leg, id: number, is_silent };
        let mut reply = Reply::new(202);
        if is_silent {
            reply = Reply::new(200).header("Refer-Sub", "false");
        }
        self.answer_request(request, reply);
        self.notify_refer(&refer, 100, false);
        match target {
            ReferTarget::Number(number) => self.blind_by_phone(id, &number, refer),
            ReferTarget::Dialog(replaces) => self.attended_by_phone(id, &replaces, &refer),
        }
    }

    fn blind_by_phone(&mut self, id: CallId, number: &str, refer: Refer) {
        let Some(transferee) = self.far(id) else {
            return self.notify_refer(&refer, 481, true);
        };
        let number = super::park::park_place(number);
        if self.park_by_transfer(id, number, &refer) || self.enter_by_transfer(id, number, &refer) {
            return;
        }
        let line = self.calls.get(id.0).and_then(|call| call.party.line().map(str::to_owned));
        let seek = Seek {
            transferee,
            transferor: line,
            reason: CallReason::Transfer,
            refer: Some(refer.clone()),
            consulted: 0,
        };
        self.set_state(id, CallState::OnHoldPendTransfer, CallMode::None);
        if let Err(cause) = self.seek(number, seek) {
            self.notify_refer(&refer, cause.relay, true);
            self.back_to(id);
        }
    }

    fn attended_by_phone(&mut self, id: CallId, replaces: &str, refer: &Refer) {
        let consult = Replaces::parse(replaces)
            .ok()
            .and_then(|named| self.endpoint.find_leg(named.call_id, named.to_tag, named.from_tag))
            .and_then(|leg| self.by_leg.get(&leg).copied());
        let line = |id: CallId| self.calls.get(id.0).and_then(|call| call.party.line());
        let Some(consult) = consult.filter(|consult| *consult != id && line(*consult) == line(id))
        else {
            return self.notify_refer(refer, 481, true);
        };
        match self.complete_transfer(id, consult, Asked::Phone(refer.clone())) {
            Ok(()) => {}
            Err(_) => {
                self.notify_refer(refer, 603, true);
                self.back_to(id);
            }
        }
    }

    /// NOTIFY with the outcome so far; the last one ends the subscription.
    pub(crate) fn notify_refer(&mut self, refer: &Refer, status: u16, is_final: bool) {
        if refer.is_silent || self.endpoint.leg(refer.leg).is_none() {
            return;
        }
        let state = if is_final { "terminated;reason=noresource" } else { "active;expires=60" };
        let body = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status));
        let request = InDialogRequest {
            method: Method::Notify,
            headers: vec![
                ("Event".to_owned(), format!("refer;id={}", refer.id)),
                ("Subscription-State".to_owned(), state.to_owned()),
            ],
            body: Some(("message/sipfrag;version=2.0".to_owned(), body.into())),
            token: 0,
        };
        self.endpoint.request_in_dialog(self.clock.now, refer.leg, request, &mut self.sip);
    }

    /// A transferor's part is over: its call is IDLE at once, its phone may hang up by itself.
    pub(crate) fn part(&mut self, id: CallId) {
        if let Some(held) = self.give_phone_back(id) {
            // Another call of the line waits for the phone: it stays with that one.
            self.finish(id);
            return self.resume(held);
        }
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let legs = std::mem::take(&mut call.legs);
        call.leg = None;
        for leg in legs {
            self.by_leg.remove(&leg);
            self.arm(PARTING, Timer::Parting(leg));
        }
        self.finish(id);
    }

    /// The phone did not hang up after its transfer.
    pub(crate) fn on_parting(&mut self, leg: LegId) {
        if self.endpoint.leg(leg).is_some() && !self.by_leg.contains_key(&leg) {
            self.drop_dialog(leg);
            self.endpoint.release(self.clock.now, leg, Release::default(), &mut self.sip);
        }
    }

    /// A transfer came to nothing: the call is what the phone's last offer says.
    pub(crate) fn back_to(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        if call.state == CallState::OnHoldPendTransfer {
            if call.hold.is_held() {
                self.set_state(id, CallState::OnHold, CallMode::None);
            } else {
                let active = CallMode::Connected(ConnectedMode::Active);
                self.set_state(id, CallState::Connected, active);
            }
        }
        self.show_hold(id);
        if let Some(far) = self.far(id) {
            self.show_hold(far);
        }
    }

    /// Answers a request of a dialog.
    pub(crate) fn answer_request(&mut self, request: RequestId, reply: Reply) {
        self.endpoint.respond(self.clock.now, request, &reply, None, &mut self.sip);
    }
}

/// What a Refer-To names.
enum ReferTarget {
    /// Somebody to call.
    Number(String),
    /// A dialog to take the place of: the value of Replaces.
    Dialog(String),
}

/// What a cause means to somebody who asked for a transfer.
pub(crate) fn transfer_error(_: Cause) -> tapi::constant::LineErr {
    tapi::constant::LineErr::OperationFailed
}
