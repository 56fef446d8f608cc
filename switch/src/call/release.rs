//! How calls end: CANCEL, BYE, lineDrop, silence, and what the other party sees of it.
//!
//! A local drop goes to IDLE at once; the far party sees DISCONNECTED with its mode, then IDLE,
//! because the switch puts its phone on hook. Source: sip-mapping §2.2, §2.3; TAPI lineDrop.

use media::{HandshakeFault, TerminationId, Tone};
use sip_stack::endpoint::{EndCause, LegId, Release};
use sip_stack::message::{HeaderName, Message};
use tapi::constant::CallState;
use tapi::constant::DisconnectMode;

use super::cause::{Cause, clearing_mode, reasons_of};
use super::seek::Seek;
use super::transfer::Asked;
use super::{CallId, ConnectionKey, Side, Timer};
use crate::exchange::counters::count;
use crate::exchange::{Exchange, default_mode};

/// How long a user hears that the consulted party is gone before the held one is back (§2.9.4).
const CONSULTATION_OVER: std::time::Duration = std::time::Duration::from_secs(2);

impl Exchange {
    /// The caller's CANCEL, before anybody answered.
    pub(crate) fn on_cancelled(&mut self, leg: LegId, message: &Message) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        self.forget_leg(leg);
        let mode = clearing_mode(&reasons_of(message), DisconnectMode::Cancelled);
        self.clear_far(id, mode, "SIP;cause=487;text=\"Request Terminated\"");
        self.finish(id);
    }

    /// A leg ended by itself: BYE, lost dialog, expired session, missing ACK.
    pub(crate) fn on_ended(&mut self, leg: LegId, cause: &EndCause) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        self.forget_leg(leg);
        let said = match cause {
            EndCause::Bye(message) => reasons_of(message),
            _ => Vec::new(),
        };
        let mode = clearing_mode(&said, default_mode(cause));
        if self.leave_station(id) {
            return;
        }
        self.drop_conference_of(id);
        if let Some(held) = self.calls.get(id.0).and_then(|call| call.partner)
            && self.calls.get(held.0).is_some_and(|held| held.leg.is_none())
        {
            return self.hung_up_in_consultation(id, held);
        }
        if self.leaves_party_behind(id) {
            return self.finish(id);
        }
        let reason = match cause {
            EndCause::Bye(message) => message.header(HeaderName::Reason).map(str::to_owned),
            EndCause::SessionExpired => Some("SIP;cause=408;text=\"Session timer\"".to_owned()),
            _ => Some("Q.850;cause=41".to_owned()),
        };
        self.clear_far(id, mode, reason.as_deref().unwrap_or("Q.850;cause=16"));
        self.finish(id);
    }

    /// The phone that holds a conference together, or consults for one, has hung up: all end.
    fn drop_conference_of(&mut self, id: CallId) {
        self.drop_members(id);
        let parent = self.calls.get(id.0).and_then(|call| call.partner);
        if let Some(parent) = parent.filter(|parent| self.conference_of_parent(*parent).is_some()) {
            self.drop_members(parent);
            self.finish(parent);
        }
    }

    /// Whether the far party stays although this one goes: it is parked, or somebody is being called
    /// for it (the transferor may hang up as soon as its REFER was accepted, RFC 5589 §6.1).
    fn leaves_party_behind(&self, id: CallId) -> bool {
        let Some(far) = self.far(id) else { return false };
        let search = self
            .calls
            .get(far.0)
            .and_then(|call| self.connections.get(call.connection.0))
            .and_then(|connection| connection.search);
        let is_sought_for = search
            .and_then(|search| self.connections.get(search.0))
            .and_then(|search| search.seek.as_ref())
            .is_some_and(|seek| seek.transferee == far);
        is_sought_for || self.parked.values().any(|parked| parked.call == far)
    }

    /// lineDrop, click on "hang up", or a feature that ends the call of one party.
    pub(crate) fn drop_call(&mut self, id: CallId) {
        if self.cancel_without_hold(id) {
            return;
        }
        if self.is_bystander(id) {
            self.release_with(id, "Q.850;cause=16");
            return self.finish(id);
        }
        if self.leave_station(id) {
            return;
        }
        if self.drop_queue_call(id) {
            return;
        }
        self.drop_members(id);
        let Some(call) = self.calls.get(id.0) else { return };
        let is_offered = call.side == Side::Called
            && matches!(call.state, CallState::Offering | CallState::Accepted);
        if is_offered {
            return self.reject_offered(id);
        }
        let key = call.connection;
        let held = self.give_phone_back(id);
        let Some(call) = self.calls.get(id.0) else { return };
        let is_caller = call.side == Side::Caller;
        let is_answered = call.conference.is_some()
            || self.connections.get(key.0).is_some_and(|c| c.answered.is_some());
        let (mode, reason) = if is_caller && !is_answered {
            (DisconnectMode::Cancelled, "SIP;cause=487;text=\"Request Terminated\"")
        } else {
            (DisconnectMode::Normal, "Q.850;cause=16")
        };
        self.release_with(id, reason);
        self.set_state(id, CallState::Idle, tapi::CallMode::None);
        self.clear_far(id, mode, reason);
        self.finish(id);
        held.into_iter().for_each(|held| self.resume(held));
    }

    /// The user put the handset down during a consultation: the transfer is completed where the
    /// target can be reached, else the line is rung for the held party (sip-mapping §2.9.4).
    fn hung_up_in_consultation(&mut self, id: CallId, held: CallId) {
        if self.complete_transfer(held, id, Asked::HangingUp).is_ok() {
            return;
        }
        let line = self.calls.get(held.0).and_then(|call| call.party.line().map(str::to_owned));
        let transferee = self.far(held);
        self.clear_far(id, DisconnectMode::Normal, "Q.850;cause=16");
        self.finish(id);
        let (Some(line), Some(transferee)) = (line, transferee) else {
            return self.drop_call(held);
        };
        self.finish(held);
        let recall = Seek::reminder(transferee);
        if self.seek(&line, recall).is_err() {
            self.clear_called(transferee, DisconnectMode::Normal, "Q.850;cause=16");
        }
    }

    /// The called party's application does not want the call.
    fn reject_offered(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let key = call.connection;
        self.release_with(id, "SIP;cause=603;text=\"Decline\"");
        self.finish(id);
        self.party_lost(key, Cause::of_status(603, true));
    }

    /// Ends what the other parties of the connection have, because `id` ends.
    pub(crate) fn clear_far(&mut self, id: CallId, mode: DisconnectMode, reason: &str) {
        let Some(call) = self.calls.get(id.0) else { return };
        let Some(connection) = self.connections.get(call.connection.0) else { return };
        let others: Vec<CallId> = connection
            .caller
            .into_iter()
            .chain(connection.called.iter().copied())
            .filter(|other| *other != id)
            .collect();
        for other in others {
            self.clear_called(other, mode, reason);
        }
    }

    /// DISCONNECTED with `mode`, phone on hook, IDLE.
    pub(crate) fn clear_called(&mut self, id: CallId, mode: DisconnectMode, reason: &str) {
        let is_abandoned = self.is_queue_call(id);
        let mode = if is_abandoned { DisconnectMode::Normal } else { mode };
        // A failed attempt that is still shown has its mode already.
        if self.calls.get(id.0).is_some_and(|call| call.state != CallState::Disconnected) {
            self.show_disconnected(id, mode);
        }
        let is_consultation = self.calls.get(id.0).is_some_and(|call| {
            call.leg.is_some()
                && call
                    .partner
                    .and_then(|held| self.calls.get(held.0))
                    .is_some_and(|held| held.leg.is_none())
        });
        if is_consultation {
            // The user hears that the other side is gone, then has the held party again.
            self.play(id, Tone::Congestion);
            return self.set_call_timer(id, CONSULTATION_OVER, Timer::KeepFailed(id));
        }
        self.release_with(id, reason);
        self.finish(id);
    }

    /// Ends every call of a connection.
    pub(crate) fn clear_connection(&mut self, key: ConnectionKey, reason: &str) {
        let Some(connection) = self.connections.get(key.0) else { return };
        let all: Vec<CallId> =
            connection.caller.into_iter().chain(connection.called.iter().copied()).collect();
        for id in all {
            self.clear_called(id, DisconnectMode::Normal, reason);
        }
    }

    /// No media can flow between the parties (no answer in the ACK of a late offer).
    pub(crate) fn media_impossible(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let key = call.connection;
        let Some(connection) = self.connections.get(key.0) else { return };
        let all: Vec<CallId> =
            connection.caller.into_iter().chain(connection.called.iter().copied()).collect();
        for id in all {
            self.clear_called(id, DisconnectMode::Incompatible, "SIP;cause=488");
        }
    }

    /// No packet came from a party that should talk, for `[media] timeout`.
    pub(crate) fn on_media_timeout(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let key = call.connection;
        if call.conference.is_some() {
            if call.is_away() || self.leave_station(id) {
                return;
            }
            if self.is_joined(key) {
                self.clear_connection(key, "Q.850;cause=41");
            } else {
                self.clear_called(id, DisconnectMode::QosUnavail, "Q.850;cause=41");
            }
            return;
        }
        let is_silent_by_intent = self
            .pair(key)
            .into_iter()
            .flat_map(|(a, b)| [a, b])
            .filter_map(|id| self.calls.get(id.0))
            .any(|call| call.hold.is_held() || call.state != CallState::Connected);
        if is_silent_by_intent {
            return;
        }
        let Some((a, b)) = self.pair(key) else { return };
        for id in [a, b] {
            self.clear_called(id, DisconnectMode::QosUnavail, "Q.850;cause=41");
        }
    }

    /// A phone's DTLS handshake gave no keys. The call stays, silent, until the media timeout: what comes
    /// before there are keys anybody could have sent, and must not end a call.
    pub(crate) fn on_handshake_failed(&mut self, id: TerminationId, fault: HandshakeFault) {
        count(&self.counters.media_handshakes_failed_total);
        let call = self.by_termination.get(&id).and_then(|call| self.calls.get_mut(call.0));
        let Some(call) = call else { return };
        call.end.has_failed_handshake = true;
        let (party, peer) = (call.party.number(), call.end.peer);
        let call_id = self.connections.get(call.connection.0).map(|known| known.call_id);
        tracing::warn!(party, ?peer, ?call_id, "a DTLS handshake failed, no media passes: {fault}");
    }

    /// `[completion] keep_failed_call` is over: a failed attempt ends.
    pub(crate) fn on_keep_over(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.timer = None;
        if call.state == CallState::Busy {
            let mode = match call.mode {
                tapi::CallMode::Busy(tapi::constant::BusyMode::Trunk) => DisconnectMode::Congestion,
                _ => DisconnectMode::Busy,
            };
            self.show_disconnected(id, mode);
        }
        let held = self.give_phone_back(id);
        self.release_with(id, "Q.850;cause=16");
        self.finish(id);
        held.into_iter().for_each(|held| self.resume(held));
    }

    /// Releases all legs of a call with a Reason.
    pub(crate) fn release_with(&mut self, id: CallId, reason: &str) {
        let release = Release {
            reason_headers: vec![("Reason".to_owned(), reason.to_owned())],
            status: if reason.starts_with("SIP;cause=503") { 503 } else { 480 },
        };
        self.release_legs(id, &release);
    }

    /// Releases all legs of a call: CANCEL, BYE or a final response, as each stands.
    pub(crate) fn release_legs(&mut self, id: CallId, release: &Release) {
        let mut release = release.clone();
        release.reason_headers.extend(self.info_headers(id));
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.leg = None;
        for leg in std::mem::take(&mut call.legs) {
            self.by_leg.remove(&leg);
            self.drop_dialog(leg);
            self.endpoint.release(self.clock.now, leg, release.clone(), &mut self.sip);
        }
    }

    /// A leg is gone: nothing refers to it any more.
    pub(crate) fn forget_leg(&mut self, leg: LegId) {
        self.drop_dialog(leg);
        let Some(id) = self.by_leg.remove(&leg) else { return };
        if let Some(call) = self.calls.get_mut(id.0) {
            call.legs.retain(|other| *other != leg);
            call.leg = call.leg.filter(|other| *other != leg);
        }
    }
}
