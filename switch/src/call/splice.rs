//! Joining parties that did not call each other: the ground under transfer, pickup and unpark.
//!
//! A call moves from one connection to another; then both ends are told as much SDP as each still
//! needs: one may wait for the answer to its INVITE, the other may be in a conversation already.
//! Source: sip-mapping §2.9.4–§2.9.7, §5.2; TAPI 1.4 (dwCallID).

use bytes::Bytes;
use sip_stack::endpoint::LegId;
use sip_stack::sdp::{Direction, Session};
use tapi::constant::{CallInfoState, CallState, ConnectedMode};
use tapi::{CallMode, Mask};

use super::cause::Cause;
use super::{CallId, ConnectionKey, Side};
use crate::exchange::Exchange;

/// What a party's SIP side still waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stand {
    /// Its INVITE carried an offer and waits for our 2xx.
    Waiting,
    /// Its INVITE carried no offer and waits for our 2xx.
    WaitingLate,
    /// Its dialog is confirmed.
    Established,
}

impl Exchange {
    /// Moves a call into the role of a connection that is free, and tells applications its new
    /// dwCallID.
    pub(crate) fn move_call(&mut self, id: CallId, to: ConnectionKey) {
        let Some(from) = self.calls.get(id.0).map(|call| call.connection) else { return };
        if from == to {
            return;
        }
        let former = self.connections.get(from.0).map_or(0, |connection| connection.call_id);
        let data = self.call_data_of(from);
        self.move_stations(id, to);
        self.forget_in_connection(from, id);
        let Some(connection) = self.connections.get_mut(to.0) else { return };
        let call_id = connection.call_id;
        let side = if connection.caller.is_none() { Side::Caller } else { Side::Called };
        match side {
            Side::Caller => connection.caller = Some(id),
            Side::Called => {
                connection.called.push(id);
                connection.answered = Some(id);
            }
        }
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.connection = to;
        call.side = side;
        self.touch_call(id);
        let Some(call) = self.calls.get(id.0) else { return };
        if let Some(key) = call.tapi {
            self.tapi.call_update(self.clock.unix_ms, key, |info| info.call_id = call_id);
        }
        let is_seen = self.calls.get(id.0).is_some_and(|call| call.state != CallState::Unknown);
        if former != call_id && is_seen {
            self.publish_move(id, former);
        }
        self.inherit_data(to, data);
    }

    /// Both parties of a connection talk from now on: SDP, states, parties, media.
    ///
    /// Errors: the cause why they cannot; nothing was said to either.
    pub(crate) fn join(&mut self, key: ConnectionKey) -> Result<(), Cause> {
        let (a, b) = self.pair(key).ok_or(Cause::NO_RESOURCES)?;
        self.align(a, b)?;
        self.connect_parties(key);
        Ok(())
    }

    /// The parties of a connection have been told what they need: states, parties, media.
    pub(crate) fn connect_parties(&mut self, key: ConnectionKey) {
        let Some((a, b)) = self.pair(key) else { return };
        for id in [b, a] {
            if let Some(call) = self.calls.get_mut(id.0) {
                // A phone that was in a conversation, or that an application has called first, may
                // hold by itself; the direction of a first offer is no hold.
                let may_hold = call.is_established() || call.is_summoned();
                call.hold.by_phone = may_hold && call.end.is_held_by_phone();
                call.hold.by_switch = false;
            }
        }
        for id in [b, a] {
            let active = CallMode::Connected(ConnectedMode::Active);
            self.set_state(id, CallState::Connected, active);
        }
        for id in [b, a] {
            self.show_hold(id);
            self.refresh_capability(id);
        }
        self.show_connected_parties(key);
        self.join_media(key);
        self.completion_connected(a);
        self.send_later_digits(a);
        self.messages_answered(a, b);
    }

    /// Gives each side the description it still needs, so that both speak a common codec.
    pub(crate) fn align(&mut self, a: CallId, b: CallId) -> Result<(), Cause> {
        use Stand::{Established, Waiting, WaitingLate};
        let (near, far) = (self.stand(a)?, self.stand(b)?);
        match (near.1, far.1) {
            (Established, Established) => self.agree_again(a, near.0, b),
            (Waiting, Established) => self.answer_with(a, near.0, b),
            (Established, Waiting) => self.answer_with(b, far.0, a),
            (WaitingLate, Established) => self.answer_late(a, near.0, b),
            (Established, WaitingLate) => self.answer_late(b, far.0, a),
            (Waiting, Waiting) => self.answer_both((a, near.0), (b, far.0)),
            (WaitingLate, Waiting) => self.answer_late_and_waiting((a, near.0), (b, far.0)),
            (Waiting, WaitingLate) => self.answer_late_and_waiting((b, far.0), (a, near.0)),
            (WaitingLate, WaitingLate) => Err(Cause::INCOMPATIBLE_MEDIA),
        }
    }

    fn stand(&self, id: CallId) -> Result<(LegId, Stand), Cause> {
        let call = self.calls.get(id.0).ok_or(Cause::NO_RESOURCES)?;
        let leg = call.leg.ok_or(Cause::NO_RESOURCES)?;
        let is_confirmed = self.endpoint.leg(leg).is_some_and(|view| view.is_confirmed);
        let stand = match (is_confirmed, call.end.remote.is_some()) {
            (true, _) => Stand::Established,
            (false, true) => Stand::Waiting,
            (false, false) => Stand::WaitingLate,
        };
        Ok((leg, stand))
    }

    /// Both talk already, perhaps with different codecs: then one is asked again.
    fn agree_again(&mut self, a: CallId, leg: LegId, b: CallId) -> Result<(), Cause> {
        let theirs = self.remote_of(b)?;
        let near = self.calls.get_mut(a.0).ok_or(Cause::NO_RESOURCES)?;
        if first_codec(near.end.remote.as_ref()) == first_codec(Some(&theirs)) {
            return Ok(());
        }
        let offer = near.end.offer_from(&theirs).map_err(|_| Cause::INCOMPATIBLE_MEDIA)?;
        self.endpoint.offer(self.clock.now, leg, offer, &mut self.sip);
        Ok(())
    }

    fn answer_with(&mut self, waiting: CallId, leg: LegId, other: CallId) -> Result<(), Cause> {
        let answer = self.remote_of(other)?;
        let asked = self.local_of(other)?;
        let near = self.calls.get_mut(waiting.0).ok_or(Cause::NO_RESOURCES)?;
        let sdp = near
            .end
            .answer_from(&answer, &asked, Direction::SendRecv)
            .map_err(|_| Cause::INCOMPATIBLE_MEDIA)?;
        self.answer_invite(waiting, leg, sdp, other);
        Ok(())
    }

    fn answer_late(&mut self, late: CallId, leg: LegId, other: CallId) -> Result<(), Cause> {
        let theirs = self.remote_of(other)?;
        let sdp = self.late_offer(late, &theirs)?;
        self.answer_invite(late, leg, sdp, other);
        Ok(())
    }

    /// 200 to the INVITE of a phone, with who the other user is and what it sends along.
    fn answer_invite(&mut self, id: CallId, leg: LegId, sdp: Bytes, other: CallId) {
        let mut headers = self.info_headers(id);
        headers.extend(self.assertions_for(id, other));
        self.endpoint.answer(self.clock.now, leg, sdp, &headers, &mut self.sip);
        self.keep_dialog(leg);
    }

    /// Two offers meet: each gets what both contain.
    fn answer_both(&mut self, a: (CallId, LegId), b: (CallId, LegId)) -> Result<(), Cause> {
        let incompatible = |_| Cause::INCOMPATIBLE_MEDIA;
        let (first, second) = (self.remote_of(a.0)?, self.remote_of(b.0)?);
        let near = self.calls.get_mut(a.0.0).ok_or(Cause::NO_RESOURCES)?;
        let to_a =
            near.end.answer_from(&second, &second, Direction::SendRecv).map_err(incompatible)?;
        let chosen = self.local_of(a.0)?;
        let far = self.calls.get_mut(b.0.0).ok_or(Cause::NO_RESOURCES)?;
        let to_b =
            far.end.answer_from(&chosen, &first, Direction::SendRecv).map_err(incompatible)?;
        self.answer_invite(a.0, a.1, to_a, b.0);
        self.answer_invite(b.0, b.1, to_b, a.0);
        Ok(())
    }

    fn answer_late_and_waiting(
        &mut self,
        late: (CallId, LegId),
        waiting: (CallId, LegId),
    ) -> Result<(), Cause> {
        let incompatible = |_| Cause::INCOMPATIBLE_MEDIA;
        let offer = self.remote_of(waiting.0)?;
        let near = self.calls.get_mut(waiting.0.0).ok_or(Cause::NO_RESOURCES)?;
        let answer =
            near.end.answer_from(&offer, &offer, Direction::SendRecv).map_err(incompatible)?;
        let ours = self.late_offer(late.0, &offer)?;
        self.answer_invite(waiting.0, waiting.1, answer, late.0);
        self.answer_invite(late.0, late.1, ours, waiting.0);
        Ok(())
    }

    fn remote_of(&self, id: CallId) -> Result<Session, Cause> {
        let call = self.calls.get(id.0).ok_or(Cause::NO_RESOURCES)?;
        call.end.remote.clone().ok_or(Cause::INCOMPATIBLE_MEDIA)
    }

    fn local_of(&self, id: CallId) -> Result<Session, Cause> {
        let call = self.calls.get(id.0).ok_or(Cause::NO_RESOURCES)?;
        call.end.local().cloned().ok_or(Cause::INCOMPATIBLE_MEDIA)
    }

    /// Gives the phone (legs, ports, what it holds) of one call to another of the same line, and
    /// takes that one's: consultation on one dialog, swap, and back (sip-mapping §2.9.4).
    pub(crate) fn swap_phones(&mut self, a: CallId, b: CallId) {
        // Whoever sits in a mixer gets up; with the phone it is seated anew.
        for id in [a, b] {
            if self.calls.get(id.0).is_some_and(|call| call.conference.is_some()) {
                self.stand_up(id);
            }
        }
        self.end_intrusion_of(a);
        self.end_intrusion_of(b);
        for id in [a, b] {
            if let Some(key) = self.calls.get(id.0).map(|call| call.connection) {
                self.drop_reoffer(key, id);
            }
        }
        let Some(first) = self.calls.get_mut(a.0).map(super::Call::take_phone) else { return };
        let Some(call) = self.calls.get_mut(b.0) else {
            if let Some(call) = self.calls.get_mut(a.0) {
                call.phone_from(first);
            }
            return;
        };
        let second = call.take_phone();
        call.phone_from(first);
        if let Some(call) = self.calls.get_mut(a.0) {
            call.phone_from(second);
        }
        for id in [a, b] {
            let Some(call) = self.calls.get(id.0) else { continue };
            for leg in &call.legs {
                self.by_leg.insert(*leg, id);
            }
            if let Some(termination) = call.end.termination() {
                self.by_termination.insert(termination, id);
            }
            let connection = call.connection;
            self.hear_anew(connection);
            self.tell_dialogs(id);
            self.touch_call(id);
        }
    }

    /// Tells the holders of a call that something about its parties or origin changed.
    pub(crate) fn tell_info(
        &mut self,
        id: CallId,
        change: impl FnOnce(&mut tapi::CallInfo),
        what: impl Into<Mask<CallInfoState>>,
    ) {
        if let Some(key) = self.calls.get(id.0).and_then(|call| call.tapi) {
            self.tapi.call_info(self.clock.unix_ms, key, change, what);
        }
    }

    /// The same for those items that are not as they were.
    pub(crate) fn update_info(&mut self, id: CallId, change: impl FnOnce(&mut tapi::CallInfo)) {
        if let Some(key) = self.calls.get(id.0).and_then(|call| call.tapi) {
            self.tapi.call_update(self.clock.unix_ms, key, change);
        }
    }
}

fn first_codec(session: Option<&Session>) -> Option<(String, u32)> {
    let audio = session?.preferred_audio()?;
    Some((audio.codec.name.to_ascii_uppercase(), audio.codec.clock_hz))
}
