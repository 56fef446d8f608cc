//! Consultation and blind transfer: what REFER and lineSetupTransfer … lineCompleteTransfer
//! have in common.
//!
//! An application's consultation uses the phone's one dialog: the phone moves from the held call to
//! the consultation call and back ([`Exchange::swap_phones`]). Source: TAPI lineSetupTransfer,
//! lineCompleteTransfer, lineBlindTransfer; sip-mapping §2.9.4–§2.9.6.

use media::Tone;
use tapi::constant::{CallReason, CallState, DialToneMode, LineErr};
use tapi::{CallKey, CallMode, RequestKey};

use super::cause::Cause;
use super::refer::{Refer, transfer_error};
use super::seek::Seek;
use super::{CallId, Origination, Party, Side};
use crate::exchange::Exchange;
use crate::exchange::state::NewParty;

/// Who asked for the completion of a transfer.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// A phone, by REFER.
    Phone(Refer),
    /// An application, by lineCompleteTransfer.
    Application(RequestKey),
    /// A user that put the handset down during the consultation.
    HangingUp,
}

impl Exchange {
    /// lineSetupTransfer: the call goes to consultation hold, a consultation call with dial tone
    /// appears beside it on the same phone. One that `dials_at_once` (ONESTEPTRANSFER) has no dial
    /// tone.
    pub(crate) fn set_up_transfer(
        &mut self,
        id: CallId,
        consult: CallKey,
        request: RequestKey,
        dials_at_once: bool,
    ) -> Result<CallId, LineErr> {
        let call = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?;
        if call.state != CallState::Connected || call.leg.is_none() {
            return Err(LineErr::InvalCallState);
        }
        let line = call.party.line().ok_or(LineErr::InvalCallState)?.to_owned();
        if !self.has_appearance(&line) {
            return Err(LineErr::CallUnavail);
        }
        self.done(Some(request));
        let connection = self.new_connection("", super::originate::MAX_FORWARDS);
        let (state, mode) = match dials_at_once {
            true => (CallState::Dialing, CallMode::None),
            false => (CallState::DialTone, CallMode::DialTone(DialToneMode::Internal)),
        };
        let other = self.new_call(NewParty {
            connection,
            side: Side::Caller,
            party: Party::Line(line),
            origination: Origination::Summoned,
            state,
            mode,
            tapi: Some(consult),
        });
        self.relate(id, other);
        self.set_state(id, CallState::OnHoldPendTransfer, CallMode::None);
        self.swap_phones(id, other);
        self.describe_made_call(other);
        self.refresh_capability(other);
        self.show_far_hold(id);
        if !dials_at_once {
            self.play(other, Tone::Dial);
        }
        Ok(other)
    }

    /// lineCompleteTransfer (TRANSFER), or REFER with Replaces: the far parties of both calls talk
    /// to each other, the transferor is out.
    ///
    /// Errors: INVALCALLSTATE when the consultation call is neither ringing nor connected;
    /// OPERATIONFAILED when the parties have no codec in common. Both calls stay as they were.
    pub(crate) fn complete_transfer(
        &mut self,
        id: CallId,
        consult: CallId,
        asked: Asked,
    ) -> Result<(), LineErr> {
        let stays =
            |id: &CallId| self.calls.get(id.0).is_some_and(|call| self.is_joined(call.connection));
        if [id, consult].iter().any(stays) {
            return Err(LineErr::OperationFailed);
        }
        if let Some(slot) = self.slot_of(consult) {
            return self.park_in_reserved(id, consult, &slot, &asked);
        }
        if let Some(room) = self.room_of(consult).map(str::to_owned) {
            return self.join_consulted_room(id, consult, &room, &asked);
        }
        if let Some(room) = self.room_of(id).map(str::to_owned) {
            return self.bring_into_room(id, consult, &room, &asked);
        }
        let transferee = self.far(id).ok_or(LineErr::InvalCallState)?;
        let state = self.calls.get(consult.0).ok_or(LineErr::InvalConsultCallHandle)?.state;
        match state {
            CallState::Connected | CallState::OnHold | CallState::OnHoldPendTransfer
                if self.waits_in_queue(consult) =>
            {
                self.splice_ringing(id, consult, transferee, &asked)
            }
            CallState::Connected | CallState::OnHold | CallState::OnHoldPendTransfer => {
                self.splice(id, consult, transferee, &asked)
            }
            CallState::Proceeding | CallState::Ringback => {
                self.splice_ringing(id, consult, transferee, &asked)
            }
            CallState::Busy => Err(LineErr::OperationFailed),
            _ => Err(LineErr::InvalCallState),
        }
    }

    /// The call that is to be transferred is in a conference room: the consulted party joins it. A
    /// phone that asks the room by REFER stays in it (RFC 4579 §5.5); it hangs up if it means to go.
    fn bring_into_room(
        &mut self,
        id: CallId,
        consult: CallId,
        room: &str,
        asked: &Asked,
    ) -> Result<(), LineErr> {
        self.send_to_room(consult, room).map_err(transfer_error)?;
        self.grant(asked);
        if !matches!(asked, Asked::Phone(_)) {
            self.leave(id, asked);
        }
        self.leave(consult, asked);
        Ok(())
    }

    /// The consultation call is in a conference room: the far party joins it instead.
    fn join_consulted_room(
        &mut self,
        id: CallId,
        consult: CallId,
        room: &str,
        asked: &Asked,
    ) -> Result<(), LineErr> {
        self.send_to_room(id, room).map_err(transfer_error)?;
        self.grant(asked);
        self.leave(id, asked);
        self.leave(consult, asked);
        Ok(())
    }

    fn splice(
        &mut self,
        id: CallId,
        consult: CallId,
        transferee: CallId,
        asked: &Asked,
    ) -> Result<(), LineErr> {
        let target = self.far(consult).ok_or(LineErr::InvalCallState)?;
        let origin = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?.connection;
        let by = self.calls.get(id.0).map(|call| call.number().to_owned());
        let consulted = self.dw_call_id(consult);
        self.align(transferee, target).map_err(transfer_error)?;
        self.grant(asked);
        self.leave(id, asked);
        self.leave(consult, asked);
        self.move_call(target, origin);
        let by = by.as_deref().unwrap_or_default();
        self.describe_target(target, transferee, (by, consulted));
        self.describe_transferee(transferee, target, (by, consulted));
        self.connect_parties(origin);
        Ok(())
    }

    /// The target still rings: it is offered the transferee now.
    fn splice_ringing(
        &mut self,
        id: CallId,
        consult: CallId,
        transferee: CallId,
        asked: &Asked,
    ) -> Result<(), LineErr> {
        let origin = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?.connection;
        let search = self.calls.get(consult.0).ok_or(LineErr::InvalConsultCallHandle)?.connection;
        let line = self.calls.get(id.0).and_then(|call| call.party.line().map(str::to_owned));
        let call_id = self.connections.get(origin.0).map_or(0, |connection| connection.call_id);
        let by = line.clone().unwrap_or_default();
        let consulted = self.dw_call_id(consult);
        let reason = CallReason::Transfer;
        let seek = Seek { transferee, transferor: line, reason, refer: None, consulted };
        if let Some(connection) = self.connections.get_mut(search.0) {
            connection.seek = Some(seek);
            connection.caller = None;
        }
        if let Some(connection) = self.connections.get_mut(origin.0) {
            connection.search = Some(search);
        }
        self.grant(asked);
        self.leave(id, asked);
        self.leave(consult, asked);
        let ringing = self.connections.get(search.0).map(|c| c.called.clone()).unwrap_or_default();
        let former = self
            .connections
            .get_mut(search.0)
            .map_or(0, |connection| std::mem::replace(&mut connection.call_id, call_id));
        let data = self.call_data_of(search);
        self.inherit_data(origin, data);
        let data = self.call_data_of(origin);
        self.set_data(search, data);
        for target in ringing {
            let fill = |info: &mut tapi::CallInfo| info.call_id = call_id;
            self.tell_info(target, fill, tapi::constant::CallInfoState::CallId);
            self.publish_move(target, former);
            self.describe_target(target, transferee, (&by, consulted));
        }
        if !self.treat_queued(search) {
            self.play(transferee, Tone::Ringback);
        }
        Ok(())
    }

    /// The transferor is out of one of the two calls. A phone that asked for it hangs up by itself
    /// (RFC 5589 §7); for an application the switch hangs up (sip-mapping §2.9.4).
    pub(crate) fn leave(&mut self, id: CallId, asked: &Asked) {
        match asked {
            Asked::Phone(_) => self.part(id),
            Asked::Application(_) | Asked::HangingUp => self.retire(id),
        }
    }

    /// Tells whoever asked for a transfer that it is done, before any state follows.
    pub(crate) fn grant(&mut self, asked: &Asked) {
        match asked {
            Asked::Phone(refer) => self.notify_refer(refer, 200, true),
            Asked::Application(request) => self.done(Some(*request)),
            Asked::HangingUp => {}
        }
    }

    /// lineBlindTransfer.
    ///
    /// Errors: INVALADDRESS when the number names nothing, OPERATIONFAILED when nobody can be rung
    /// there; the call stays as it was.
    pub(crate) fn blind_transfer(
        &mut self,
        id: CallId,
        number: &str,
        request: Option<RequestKey>,
    ) -> Result<(), LineErr> {
        let transferee = self.far(id).ok_or(LineErr::InvalCallState)?;
        let line = self.calls.get(id.0).and_then(|call| call.party.line().map(str::to_owned));
        let refused = |cause: Cause| match cause.relay {
            404 => LineErr::InvalAddress,
            _ => LineErr::OperationFailed,
        };
        if self.config.conference.rooms.contains_key(number) {
            self.send_to_room(id, number).map_err(transfer_error)?;
            self.done(request);
            self.retire(id);
            return Ok(());
        }
        if self.lot_of(number).is_some() {
            self.park(id, number).map_err(refused)?;
            self.done(request);
            self.leave_parked(id);
            return Ok(());
        }
        let reason = CallReason::Transfer;
        let seek = Seek { transferee, transferor: line, reason, refer: None, consulted: 0 };
        self.seek(number, seek).map_err(refused)?;
        self.done(request);
        self.retire(id);
        self.play(transferee, Tone::Ringback);
        Ok(())
    }

    /// dwCallID as applications read it now; 0 for a call that is gone.
    pub(crate) fn dw_call_id(&self, id: CallId) -> u32 {
        let key = self.calls.get(id.0).map(|call| call.connection);
        key.and_then(|key| self.connections.get(key.0)).map_or(0, |connection| connection.call_id)
    }

    /// What the target's line is told of a transfer: TRANSFER, who calls, who sent it, and which
    /// consultation call this was.
    fn describe_target(
        &mut self,
        target: CallId,
        transferee: CallId,
        (by, consulted): (&str, u32),
    ) {
        let caller = self.party_of(transferee);
        let redirecting = self.party_of_number(by);
        let redirection = self.party_of(target);
        let change = |info: &mut tapi::CallInfo| {
            info.related_call_id = consulted;
            info.reason = CallReason::Transfer;
            info.caller = caller;
            info.redirecting = redirecting;
            info.redirection = redirection;
        };
        self.update_info(target, change);
    }

    /// What the transferred party's line is told: who sent it, and where to.
    fn describe_transferee(
        &mut self,
        transferee: CallId,
        target: CallId,
        (by, consulted): (&str, u32),
    ) {
        let redirecting = self.party_of_number(by);
        let redirection = self.party_of(target);
        let change = |info: &mut tapi::CallInfo| {
            info.related_call_id = consulted;
            info.redirecting = redirecting;
            info.redirection = redirection;
        };
        self.update_info(transferee, change);
    }

    /// The two calls of a consultation know each other (dwRelatedCallID).
    pub(crate) fn relate(&mut self, held: CallId, consult: CallId) {
        self.pair_up(held, consult);
        self.tell_related(held, self.dw_call_id(consult));
        self.tell_related(consult, self.dw_call_id(held));
    }

    /// The consultation call of a conference names the parent, as its members do; the parent names
    /// nobody (tapi-call-control §1.4).
    pub(crate) fn relate_to_parent(&mut self, parent: CallId, consult: CallId) {
        self.pair_up(parent, consult);
        self.tell_related(consult, self.dw_call_id(parent));
    }

    fn pair_up(&mut self, held: CallId, consult: CallId) {
        for (id, partner) in [(held, consult), (consult, held)] {
            if let Some(call) = self.calls.get_mut(id.0) {
                call.partner = Some(partner);
            }
        }
    }

    /// dwRelatedCallID of a call.
    pub(crate) fn tell_related(&mut self, id: CallId, related: u32) {
        let fill = |info: &mut tapi::CallInfo| info.related_call_id = related;
        self.tell_info(id, fill, tapi::constant::CallInfoState::RelatedCallId);
    }

    /// After something changed at `id`, the far party's mode (ACTIVEHELD or ACTIVE) and its music.
    pub(crate) fn show_far_hold(&mut self, id: CallId) {
        if let Some(far) = self.far(id) {
            self.show_hold(far);
        }
        if let Some(connection) = self.calls.get(id.0).map(|call| call.connection) {
            self.join_media(connection);
        }
    }
}
