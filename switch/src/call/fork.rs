//! What the called phones say: progress, answer, refusal, silence.
//!
//! A called line may have several phones. The first that answers wins; the others are cancelled as
//! "completed elsewhere". Source: sip-mapping §2.3, §2.4, §5.8, §6.3.

use bytes::Bytes;
use sip_stack::endpoint::{LegId, Release, Reply};
use sip_stack::message::Message;
use sip_stack::sdp::{Direction, Session};
use tapi::CallMode;
use tapi::constant::CallState;

use super::cause::{Cause, Outcome, announced, reasons_of};
use super::errand::Errand;
use super::{Call, CallId, ConnectionKey, Origination, Side, Timer, Waiting};
use crate::exchange::Exchange;
use crate::exchange::counters::count;

/// Reason of the CANCEL that tells the other phones of an answer (RFC 3326, sip-mapping A.7).
pub(crate) const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// 199: one of several early dialogs is over (RFC 6228). Nobody else is told.
const TERMINATED_EARLY: u16 = 199;

/// Whether somebody is alerted: some phones say only 183 when they ring (sip-mapping §2.2).
fn alerts(called: &Call, status: u16) -> bool {
    status == 180 || (status == 183 && called.party.line().is_some())
}

impl Exchange {
    /// 101–199 to one of our INVITEs.
    pub(crate) fn on_progress(&mut self, leg: LegId, status: u16, sdp: Option<&Bytes>) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let alerts = alerts(call, status);
        if alerts {
            // What it is offered will do; what it says now, its user says.
            call.end.asked.phone_of(leg);
        }
        if call.side == Side::Caller || call.errand.is_some() {
            // Our own user's phone rings; the state says DIALING until it answers, unless the user
            // is called to complete an earlier call.
            if alerts && call.state == CallState::Offering && !call.has_alerted {
                call.has_alerted = true;
                self.begin_ringing(id);
            }
            return self.refresh_capability(id);
        }
        if alerts && !call.has_alerted {
            call.has_alerted = true;
            self.begin_ringing(id);
            self.centre_rings(id);
        }
        self.refresh_capability(id);
        self.tell_wish(id);
        let connection = match self.calls.get(id.0) {
            Some(call) => call.connection,
            None => return,
        };
        self.relay_progress(connection, id, leg, status, sdp);
        if alerts {
            self.show_ringback(connection);
        }
    }

    /// 183 of a trunk with media and a Q.850 cause: an announcement says why nobody will answer
    /// (LINECALLSTATE_SPECIALINFO).
    pub(crate) fn hear_announcement(&mut self, leg: LegId, status: u16, message: &Message) {
        let called = self.by_leg.get(&leg).and_then(|id| self.calls.get(id.0));
        let Some(called) = called.filter(|call| call.party.line().is_none()) else { return };
        let announced = announced(&reasons_of(message)).filter(|_| status == 183);
        let caller = self.connections.get(called.connection.0).and_then(|c| c.caller);
        let (Some(info), Some(caller)) = (announced, caller) else { return };
        if self.calls.get(caller.0).is_some_and(|call| call.state == CallState::Proceeding) {
            self.set_state(caller, CallState::SpecialInfo, CallMode::SpecialInfo(info));
        }
    }

    /// The caller's call goes to RINGBACK once anybody rings, whatever was announced before.
    pub(crate) fn show_ringback(&mut self, connection: ConnectionKey) {
        let caller = self.connections.get(connection.0).and_then(|connection| connection.caller);
        let Some(caller) = caller else { return };
        let waits = |call: &Call| call.awaits_answer() && call.state != CallState::Ringback;
        if self.calls.get(caller.0).is_some_and(waits) {
            self.set_state(caller, CallState::Ringback, CallMode::None);
            if self.calls.get(caller.0).is_some_and(Call::is_summoned) {
                let called = self.connections.get(connection.0).and_then(|c| c.called.first());
                match called.copied() {
                    Some(called) => self.treat_waiting(called),
                    None => self.play(caller, media::Tone::Ringback),
                }
            }
        }
    }

    fn relay_progress(
        &mut self,
        connection: ConnectionKey,
        id: CallId,
        leg: LegId,
        status: u16,
        sdp: Option<&Bytes>,
    ) {
        let Some(caller) = self.connections.get(connection.0).and_then(|c| c.caller) else {
            return self.seek_progress(connection, status);
        };
        if self.calls.get(caller.0).is_some_and(Call::is_established) {
            // A queue has answered the caller before it was sent on to here.
            return self.treat_waiting(id);
        }
        let is_only_fork = self.calls.get(id.0).is_some_and(|call| call.legs == [leg])
            && self.connections.get(connection.0).is_some_and(|c| c.called.len() == 1);
        // Members of a group are heard once one has answered (sip-mapping §3.10).
        let is_hunting = self.connections.get(connection.0).is_some_and(|c| c.hunt.is_some());
        let early = sdp.filter(|_| is_only_fork && !is_hunting && status != TERMINATED_EARLY);
        let early = early.and_then(|sdp| self.early_answer(caller, id, sdp));
        let is_alerting = self.calls.get(id.0).is_some_and(|called| alerts(called, status));
        let Some(call) = self.calls.get(caller.0) else { return };
        let (Origination::Phone, Some(caller_leg)) = (call.origination, call.leg) else { return };
        let status = match status {
            _ if early.is_some() => status,
            _ if is_alerting => 180,
            // Forwarded, queued, in progress: nobody rings yet, so it stays what it is.
            181..=183 => status,
            _ => return,
        };
        let reply = self.with_info(caller, Reply::new(status));
        let has_early_media = early.is_some();
        self.endpoint.progress(self.clock.now, caller_leg, &reply, early, &mut self.sip);
        if has_early_media {
            self.join_media(connection);
        }
    }

    /// 180 to the caller's phone although none of the called ones says so: the call was accepted.
    pub(crate) fn tell_caller_it_rings(&mut self, connection: ConnectionKey) {
        let Some(caller) = self.connections.get(connection.0).and_then(|c| c.caller) else {
            return;
        };
        let Some(call) = self.calls.get(caller.0) else { return };
        let (Origination::Phone, Some(leg)) = (call.origination, call.leg) else { return };
        let reply = self.with_info(caller, Reply::new(180));
        self.endpoint.progress(self.clock.now, leg, &reply, None, &mut self.sip);
    }

    /// The answer for the caller that an early answer of the called phone allows. `None` for a
    /// late offer: there the caller gets its offer in the 200.
    fn early_answer(&mut self, caller: CallId, called: CallId, sdp: &Bytes) -> Option<Bytes> {
        let mut answer = Session::parse(sdp).ok().filter(|answer| !self.is_loop(called, answer))?;
        let far = self.calls.get_mut(called.0)?;
        far.end.screen_answer(&mut answer).ok()?;
        far.end.hear(answer.clone());
        let far_offer = far.end.local()?.clone();
        let near = self.calls.get_mut(caller.0)?;
        near.end.remote.as_ref()?;
        near.end.answer_from(&answer, &far_offer, Direction::SendRecv).ok()
    }

    /// LINEDEVSTATE_RINGING, the first time.
    pub(crate) fn begin_ringing(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id.0) {
            call.ring_count = 0;
        }
        self.ring_once(id);
    }

    /// LINEDEVSTATE_RINGING again, one ring cycle later.
    pub(crate) fn ring_again(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id.0) {
            call.ring_timer = None;
            call.ring_count = call.ring_count.saturating_add(1);
        }
        self.ring_once(id);
    }

    fn ring_once(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        if !matches!(call.state, CallState::Offering | CallState::Accepted) {
            return;
        }
        let Some(line) = call.party.line() else { return };
        let cycle = self.config.lines.get(line).map(|line| line.ring_cycle);
        let cycle = cycle.unwrap_or(self.config.line_defaults.ring_cycle);
        let line = line.to_owned();
        let count = call.ring_count;
        if let Some(device) = self.tapi.line_by_number(&line) {
            self.tapi.ringing(device, count);
        }
        let token = self.arm(cycle, Timer::Ring(id));
        if let Some(call) = self.calls.get_mut(id.0) {
            call.ring_timer = Some(token);
        }
    }

    /// The first 2xx to one of our INVITEs.
    pub(crate) fn on_answered(&mut self, leg: LegId, sdp: Option<&Bytes>) {
        let Some(&id) = self.by_leg.get(&leg) else {
            // The call is gone already: hang up what should not have been answered.
            return self.endpoint.release(self.clock.now, leg, Release::default(), &mut self.sip);
        };
        let answer = self.answer_of(id, sdp);
        let Some(answer) = answer else {
            self.forget_leg(leg);
            self.endpoint.release(self.clock.now, leg, Release::default(), &mut self.sip);
            return self.fork_lost(id, Cause::INCOMPATIBLE_MEDIA);
        };
        let others = Release {
            reason_headers: vec![("Reason".to_owned(), ELSEWHERE.to_owned())],
            ..Release::default()
        };
        self.release_other_legs(id, leg, &others);
        let peer = self.endpoint.leg(leg).map(|view| view.flow.remote.ip());
        if let Some(call) = self.calls.get_mut(id.0) {
            call.leg = Some(leg);
            call.end.hear(answer);
            call.end.peer = peer.or(call.end.peer);
        }
        self.stop_call_timer(id);
        self.stop_ringing(id);
        let is_own_phone = self
            .calls
            .get(id.0)
            .is_some_and(|call| call.side == Side::Caller || call.errand.is_some());
        if is_own_phone { self.own_phone_answered(id) } else { self.called_answered(id) }
    }

    /// The answer to our offer, if there is one and it leaves something to talk with.
    pub(crate) fn answer_of(&mut self, id: CallId, sdp: Option<&Bytes>) -> Option<Session> {
        let mut answer = Session::parse(sdp?).ok().filter(|answer| !self.is_loop(id, answer))?;
        self.calls.get(id.0)?.end.screen_answer(&mut answer).ok()?;
        self.calls.get(id.0)?.end.agrees_to(&answer).then_some(answer)
    }

    /// lineMakeCall, second step: the caller's own phone is on the line.
    fn own_phone_answered(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id.0) {
            call.origination = Origination::Summoned;
        }
        self.refresh_capability(id);
        self.answer_is_done(id);
        self.proceed_if_ready(id);
    }

    fn called_answered(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let key = call.connection;
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        connection.answered = Some(id);
        connection.hunt = None;
        self.leave_for(key, id);
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        let losers: Vec<CallId> =
            connection.called.iter().copied().filter(|other| *other != id).collect();
        let caller = connection.caller;
        let is_search = connection.seek.is_some();
        for loser in losers {
            self.give_way(loser, id);
        }
        count(&self.counters.calls_answered_total);
        self.bring_answer_info(id);
        let Some(caller) = caller else {
            self.answer_is_done(id);
            match is_search {
                true => self.found(key, id),
                false => self.clear_connection(key, "SIP;cause=487"),
            }
            return self.seize(id);
        };
        if self.later_party_answered(caller, id) {
            return;
        }
        if let Err(cause) = self.align(caller, id) {
            self.clear_called(id, cause.disconnect_mode(), &cause.reason_header());
            return self.attempt_failed(caller, cause);
        }
        self.answer_is_done(id);
        self.connect_parties(key);
        self.seize(id);
    }

    /// lineAnswer has done what it promised; the states follow its reply.
    pub(crate) fn answer_is_done(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        if let Some(Waiting::Answer { request, .. }) = call.waiting {
            call.waiting = None;
            self.done(Some(request));
        }
    }

    /// A final response other than 2xx, silence, or a transport that failed.
    pub(crate) fn on_refused(&mut self, leg: LegId, status: u16, message: Option<&Message>) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        self.forget_leg(leg);
        if message.is_some_and(|message| self.deflect(id, status, message)) {
            return;
        }
        if self.asks_again(id, leg, status) {
            return;
        }
        let has_alerted = self.calls.get(id.0).is_some_and(|call| call.has_alerted);
        let reasons = message.map(reasons_of).unwrap_or_default();
        let is_trunk = self.calls.get(id.0).is_some_and(|call| call.party.line().is_none());
        let cause = match status {
            408 if is_trunk && !has_alerted && reasons.is_empty() => Cause::TRUNK_SILENT,
            _ => Cause::of_response(status, has_alerted, &reasons),
        };
        self.fork_lost(id, cause);
    }

    /// One phone of the line is out; when it was the last one, the call has failed.
    pub(crate) fn fork_lost(&mut self, id: CallId, cause: Cause) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let best = call.refusal.map_or(cause, |former| former.better_of(cause));
        call.refusal = Some(best);
        if call.legs.is_empty() {
            self.called_failed(id, best);
        } else {
            self.refresh_capability(id);
            self.tell_wish(id);
        }
    }

    /// No phone of the party will answer.
    pub(crate) fn called_failed(&mut self, id: CallId, cause: Cause) {
        let Some(call) = self.calls.get(id.0) else { return };
        let key = call.connection;
        if matches!(call.errand, Some(Errand::Intrude(_))) {
            return self.intruder_missed(id);
        }
        if self.completing.recalls.contains_key(&id) {
            return self.recall_refused(id, cause);
        }
        if self.station_fails(id) {
            return;
        }
        if self.calls.get(id.0).is_some_and(|call| call.errand.is_some()) {
            return self.finish(id);
        }
        let Some(call) = self.calls.get(id.0) else { return };
        if call.side == Side::Caller {
            // The caller's own phone refused lineMakeCall: the state says how.
            return self.show_failure(id, Outcome::Disconnected(cause.disconnect_mode()));
        }
        if self.agent_failed(id, cause) {
            return;
        }
        let cause = match self.forward_failed(id, cause) {
            None => return,
            Some(cause) => cause,
        };
        self.show_disconnected(id, cause.disconnect_mode());
        self.finish(id);
        self.party_lost(key, cause);
    }

    /// A called party is out. When nobody else is called, the group's next member is, or the
    /// attempt has failed.
    pub(crate) fn party_lost(&mut self, key: ConnectionKey, cause: Cause) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        if let Some(hunt) = &mut connection.hunt {
            hunt.note(cause);
        }
        if connection.called.is_empty() && !self.hunt_on(key) {
            self.attempt_lost(key, cause);
        }
    }

    /// Nobody is called any more in a connection.
    pub(crate) fn attempt_lost(&mut self, key: ConnectionKey, cause: Cause) {
        match self.connections.get(key.0).and_then(|connection| connection.caller) {
            Some(caller) => self.attempt_failed(caller, cause),
            None => self.not_found(key, cause),
        }
    }

    /// `ring_timeout` is over.
    pub(crate) fn on_no_answer(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id.0) {
            call.timer = None;
        }
        let reason = Release {
            reason_headers: vec![("Reason".to_owned(), Cause::NO_ANSWER.reason_header())],
            ..Release::default()
        };
        self.release_legs(id, &reason);
        self.called_failed(id, Cause::NO_ANSWER);
    }
}
