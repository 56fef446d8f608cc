//! How a connection begins: an INVITE of a phone or trunk, lineMakeCall, or click to dial.
//!
//! Path 1, hops 4–7. Source: sip-mapping §2.2, §2.9.0, §2.9.1.

use std::time::Duration;

use bytes::Bytes;
use media::Tone;
use sip_stack::auth::Verdict;
use sip_stack::endpoint::{LegId, Release, Reply};
use sip_stack::flow::Flow;
use sip_stack::message::validate::check_session;
use sip_stack::message::{HeaderName, Message};
use sip_stack::sdp::{Incompatible, Session};
use tapi::constant::CallState;
use tapi::constant::{DialToneMode, LineErr};
use tapi::{CallKey, CallMode, CallParams};

use super::cause::Cause;
use super::diversion::Diversions;
use super::identity;
use super::later;
use super::shared::shared_lines_of;
use super::{Call, CallId, ConnectionKey, Origination, Party, Side, Timer};
use crate::exchange::counters::count;
use crate::exchange::state::{NewParty, OFFERED};
use crate::exchange::{Exchange, MAX_CONNECTIONS};
use crate::route::{self, Target};

/// Max-Forwards of a request that has none (RFC 3261 §20.22).
pub(crate) const MAX_FORWARDS: u32 = 70;
/// Seconds after which there may be room again.
const RETRY_AFTER: &str = "5";
/// Characters of a number that is dialled piece by piece: as many as lineMakeCall takes at once.
const MAX_DIALLED: usize = 256;

impl Call {
    /// Whether an application makes this call and the line's own phone was called first.
    pub(crate) fn is_summoned(&self) -> bool {
        self.side == Side::Caller && self.origination != Origination::Phone
    }
}

impl Exchange {
    /// A new INVITE: find out who calls, and call whom they want.
    pub(crate) fn on_invite(
        &mut self,
        leg: LegId,
        message: &Message,
        flow: Flow,
        offer: Option<&Bytes>,
    ) {
        if self.is_draining() {
            count(&self.counters.calls_refused_total);
            let reply = Reply::new(503).header("Retry-After", "30");
            return self.reject_leg(leg, reply);
        }
        let is_sips = message.request_uri().is_some_and(identity::is_sips);
        if is_sips && !flow.transport.is_secure() {
            return self.reject_leg(leg, Reply::new(416));
        }
        let Some(party) = self.identify(leg, message, flow) else { return };
        if self.connections.len() >= MAX_CONNECTIONS {
            count(&self.counters.calls_refused_total);
            return self.reject_leg(leg, Reply::new(503).header("Retry-After", RETRY_AFTER));
        }
        if let Err(refusal) = check_session(message) {
            let mut reply = Reply::new(refusal.status).reason(refusal.reason);
            for (name, value) in refusal.headers {
                reply = reply.header(name.as_str(), value);
            }
            return self.reject_leg(leg, reply);
        }
        let Some(dialled) = self.dialled(&party, message) else {
            return self.reject_leg(leg, Reply::new(404));
        };
        let mut offer = match offer.map(|sdp| Session::parse(sdp)).transpose() {
            Ok(offer) => offer,
            Err(error) => {
                let warning = format!("399 {} \"{error}\"", self.config.domain);
                return self.reject_leg(leg, Reply::new(400).header("Warning", warning));
            }
        };
        let mut protection = self.new_end(&party).protection;
        protection.allow_sdes(self.allows_sdes(&flow));
        let screened = self.screen_offer((&party, &flow), &protection, offer.as_mut());
        if let Err(reply) = screened {
            return self.reject_leg(leg, reply);
        }
        let mut shared = None;
        if let Some(line) = party.line().map(str::to_owned) {
            self.end_failed_calls(&line);
            shared = self.shared_of_invite(&line, message, &dialled);
            if !self.has_place(&line, shared.as_deref(), message, &dialled) {
                return self.reject_leg(leg, Reply::new(486));
            }
        }
        let max_forwards = message.max_forwards().unwrap_or(MAX_FORWARDS).saturating_sub(1);
        let mut contact = identity::contact(&dialled, &flow);
        if is_sips {
            contact = identity::secure(&contact);
        }
        self.endpoint.set_contact(leg, contact);
        let diversions = match party {
            Party::Trunk { .. } => Diversions::of_trunk(message),
            Party::Line(_) => Diversions::default(),
        };
        let call = self.begin_dialled((party, shared), &dialled, max_forwards, leg);
        self.note_diversions(call, diversions);
        self.note_sips(call, is_sips);
        self.note_caller(call, message);
        if let Some(call) = self.calls.get_mut(call.0) {
            call.end.peer = Some(flow.remote.ip());
            call.end.protection = protection;
            call.takes_early_media = takes_early_media(message);
            if let Some(offer) = offer {
                call.end.hear(offer);
            }
        }
        match message.header(HeaderName::Replaces) {
            Some(value) => self.take_place(call, value),
            None => self.route_call(call),
        }
    }

    /// The caller of a connection wants TLS on every hop.
    fn note_sips(&mut self, id: CallId, is_sips: bool) {
        let connection = self.calls.get(id.0).map(|call| call.connection);
        if let Some(connection) = connection.and_then(|key| self.connections.get_mut(key.0)) {
            connection.is_sips = is_sips;
        }
    }

    /// Whether TLS is wanted on every hop of a connection.
    pub(crate) fn is_sips(&self, connection: ConnectionKey) -> bool {
        self.connections.get(connection.0).is_some_and(|connection| connection.is_sips)
    }

    /// An INVITE with Replaces: pickup of a call that rings, or a new phone for an old call.
    fn take_place(&mut self, id: CallId, value: &str) {
        let Some(call) = self.calls.get(id.0) else { return };
        let leg = call.leg;
        let named = self.replaced_call(&call.party, value);
        if let Err(reply) = &named {
            self.note_bad_replaces(id, reply.status);
        }
        let result = named.and_then(|named| {
            self.set_state(id, CallState::Proceeding, CallMode::None);
            let is_established = self.calls.get(named.0).is_some_and(|call| {
                call.state != CallState::Offering && call.state != CallState::Accepted
            });
            let taken = if is_established {
                self.replace_phone(id, named)
            } else {
                self.pick_up(id, named)
            };
            taken.map_err(|cause| Reply::new(cause.relay))
        });
        let Err(reply) = result else { return };
        if let Some(leg) = leg {
            self.endpoint.reject(self.clock.now, leg, &reply, &mut self.sip);
            self.forget_leg(leg);
        }
        self.finish(id);
    }

    /// The line or trunk behind an INVITE; `None` after the challenge or refusal was sent. A line may
    /// call in the name of a shared line that it is a member of.
    fn identify(&mut self, leg: LegId, message: &Message, flow: Flow) -> Option<Party> {
        if let Some(trunk) = self.trunk_of(&flow) {
            let number = identity::outside_caller(message).number;
            return Some(Party::Trunk { name: trunk, number });
        }
        match self.authenticate(message, flow) {
            Verdict::Authenticated { user } => {
                let claimed = message
                    .from()
                    .ok()
                    .and_then(|from| sip_stack::uri::Uri::parse(from.uri).ok())
                    .and_then(|uri| uri.user_decoded());
                let is_own = claimed.as_deref().is_some_and(|claimed| {
                    claimed == user
                        || shared_lines_of(&self.config, &user).any(|own| own.number == claimed)
                });
                if is_own || identity::is_anonymous(message) {
                    return Some(Party::Line(user));
                }
                self.refuse_identity(flow, &user);
                self.reject_leg(leg, Reply::new(403).reason("From is not the authenticated line"));
            }
            verdict => {
                let reply = self.challenge(&verdict, message, flow);
                self.reject_leg(leg, reply);
            }
        }
        None
    }

    fn begin_dialled(
        &mut self,
        (party, shared): (Party, Option<String>),
        dialled: &str,
        max_forwards: u32,
        leg: LegId,
    ) -> CallId {
        count(&self.counters.calls_attempted_total);
        let connection = self.new_connection(dialled, max_forwards);
        let party = NewParty {
            connection,
            side: Side::Caller,
            party,
            origination: Origination::Phone,
            state: CallState::Dialing,
            mode: CallMode::None,
            tapi: None,
        };
        let call = self.new_call_at(party, shared.as_deref());
        self.adopt_leg(call, leg);
        if let Some(call) = self.calls.get_mut(call.0) {
            call.leg = Some(leg);
        }
        self.refresh_capability(call);
        call
    }

    /// lineMakeCall and click to dial, at the line's own address or at a shared one: rings the line's own phone, which answers by itself where
    /// it can, and calls the destination as soon as it has answered.
    ///
    /// Errors: OPERATIONFAILED when no phone of the line can be reached; nothing was created.
    pub(crate) fn make_call(
        &mut self,
        (line, shared): (&str, Option<&str>),
        destination: &str,
        is_complete: bool,
        tapi: Option<(CallKey, &CallParams)>,
    ) -> Result<CallId, LineErr> {
        self.end_failed_calls(line);
        if shared.is_some() && !self.has_room(line, shared) {
            return Err(LineErr::CallUnavail);
        }
        if self.is_draining() || self.connections.len() >= MAX_CONNECTIONS {
            return Err(LineErr::ResourceUnavail);
        }
        let own = self.config.lines.get(line).ok_or(LineErr::InvalLineState)?;
        let timeout = own.ring_timeout;
        let flows = self.registrar.registry().contacts(line);
        if flows.is_empty() {
            return Err(LineErr::OperationFailed);
        }
        count(&self.counters.calls_attempted_total);
        let (number, _) = later::split(self.outside_line_prefix(), destination);
        let connection = self.new_connection(&number, MAX_FORWARDS);
        let (state, mode) = if destination.is_empty() {
            (CallState::DialTone, CallMode::DialTone(DialToneMode::Internal))
        } else {
            (CallState::Dialing, CallMode::None)
        };
        let party = NewParty {
            connection,
            side: Side::Caller,
            party: Party::Line(line.to_owned()),
            origination: Origination::Summoning,
            state,
            mode,
            tapi: tapi.map(|(key, _)| key),
        };
        let call = self.new_call_at(party, shared);
        if let Some(call) = self.calls.get_mut(call.0) {
            call.dialling.digits = destination.to_owned();
            call.dialling.is_complete = is_complete;
        }
        if let Some((_, params)) = tapi {
            self.apply_params(call, params);
        }
        self.describe_made_call(call);
        self.refresh_capability(call);
        if let Err(cause) = self.summon(call) {
            // Nothing is on the wire: the caller learns it from the error, not from a call.
            self.finish(call);
            return Err(match cause {
                Cause::NO_RESOURCES => LineErr::ResourceUnavail,
                _ => LineErr::OperationFailed,
            });
        }
        self.set_call_timer(call, timeout, Timer::NoAnswer(call));
        Ok(call)
    }

    /// Calls the caller's own phones with auto-answer header fields.
    pub(crate) fn summon(&mut self, id: CallId) -> Result<(), Cause> {
        self.reserve_ports(id, 1)?;
        let call = self.calls.get_mut(id.0).ok_or(Cause::NO_RESOURCES)?;
        let offer = call.end.offer_everything().ok_or(Cause::NO_RESOURCES)?;
        let connection = call.connection;
        let line = call.party.number().to_owned();
        let dialled = self.connections.get(connection.0).map(|c| c.dialled.clone());
        let dialled = dialled.filter(|number| !number.is_empty()).unwrap_or_else(|| line.clone());
        // The phone shows whom it is about to call (sip-mapping §2.9.1).
        let from = self.identity_of_number(&dialled);
        let headers = self.auto_answer();
        self.ring_phones(id, &line, &from, &offer, &headers)
    }

    /// The phone of an application's call has answered, and the number is complete: call it.
    pub(crate) fn proceed_if_ready(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        if call.origination != Origination::Summoned {
            return;
        }
        if call.errand.is_some() {
            return self.finish_errand(id);
        }
        if call.dialling.is_complete {
            let (key, dialled) = (call.connection, call.dialling.digits.clone());
            let number = self.keep_later_digits(id, &dialled);
            if let Some(connection) = self.connections.get_mut(key.0) {
                connection.dialled = number;
            }
            self.show_called_party(id);
            self.route_call(id);
        } else if call.dialling.digits.is_empty() {
            self.play(id, Tone::Dial);
        } else {
            // Dial tone ends with the first digit.
            self.hush(id);
        }
    }

    /// Whether a number may become so long.
    ///
    /// Errors: INVALADDRESS where it may not.
    pub(crate) fn check_dialled(&self, id: CallId, more: &str) -> Result<(), LineErr> {
        let call = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?;
        let is_short = call.dialling.digits.len() + more.len() <= MAX_DIALLED;
        if is_short { Ok(()) } else { Err(LineErr::InvalAddress) }
    }

    /// lineDial: more digits.
    ///
    /// Errors: INVALCALLSTATE when the number is complete already.
    pub(crate) fn dial_more(
        &mut self,
        id: CallId,
        digits: &str,
        is_complete: bool,
    ) -> Result<(), LineErr> {
        let call = self.calls.get_mut(id.0).ok_or(LineErr::InvalCallHandle)?;
        if call.dialling.is_complete || !call.is_summoned() {
            return Err(LineErr::InvalCallState);
        }
        call.dialling.digits.push_str(digits);
        call.dialling.is_complete = is_complete;
        if !call.dialling.digits.is_empty() && call.state == CallState::DialTone {
            self.set_state(id, CallState::Dialing, CallMode::None);
        }
        self.proceed_if_ready(id);
        Ok(())
    }

    /// Finds the dialled number and calls it.
    pub(crate) fn route_call(&mut self, caller: CallId) {
        let Some(call) = self.calls.get(caller.0) else { return };
        let key = call.connection;
        let Some(connection) = self.connections.get(key.0) else { return };
        let dialled = connection.dialled.clone();
        self.set_state(caller, CallState::Proceeding, CallMode::None);
        self.await_answer(caller);
        let comes_back = self.takes_held(&dialled)
            || self.calls.get(caller.0).is_some_and(|c| c.shared.as_ref() == Some(&dialled));
        if !comes_back {
            self.seize(caller);
        }
        let result = match self.dial_feature(caller, &dialled) {
            Some(result) => result,
            None => {
                self.forget_failure(caller);
                self.refresh_capability(caller);
                self.route_for(key, caller, &dialled)
            }
        };
        if let Err(cause) = result {
            self.attempt_failed(caller, cause);
        }
    }

    /// Calls `number` in the connection `key` for `source`, which is its caller or the party on
    /// whose behalf it looks for somebody.
    ///
    /// Errors: the cause why nobody can be called.
    pub(crate) fn route_for(
        &mut self,
        key: ConnectionKey,
        source: CallId,
        dialled: &str,
    ) -> Result<(), Cause> {
        let is_outside = self.calls.get(source.0).is_some_and(|call| call.party.line().is_none());
        let config = self.config.clone();
        match route::resolve(&config, &route::dialable(&config, dialled)) {
            Target::Line(line) => self.reach_line(key, source, &line.number),
            Target::HuntGroup(group) => self.hunt(key, source, group),
            Target::Queue(queue) => self.enter_queue(key, source, &queue.id),
            Target::SharedLine(shared) => self.reach_shared(key, source, &shared.number),
            Target::Trunk { trunk, number } if !is_outside => {
                self.call_trunk(key, source, &trunk.name, &number)
            }
            // Trunk to trunk would let strangers call at the office's expense.
            Target::Trunk { .. } => Err(Cause::FORBIDDEN),
            // A party is sent to a room by transfer; nobody can be fetched from one.
            Target::Room(_) => Err(Cause::FORBIDDEN),
            Target::Feature { code, .. } => {
                let name = code.name();
                tracing::info!(%dialled, feature = name, "feature code is not yet available");
                Err(Cause::FORBIDDEN)
            }
            Target::Unknown => Err(Cause::UNKNOWN_NUMBER),
        }
    }

    /// Rings the phones of a line for so long.
    ///
    /// Errors: the cause why they cannot be rung.
    pub(crate) fn call_line(
        &mut self,
        connection: ConnectionKey,
        caller: CallId,
        number: &str,
        ring_time: Duration,
    ) -> Result<(), Cause> {
        if (!self.has_appearance(number) || self.is_secured(number)) && self.is_registered(number) {
            return Err(Cause::NO_APPEARANCE);
        }
        self.call_appearance(connection, caller, (number, None), ring_time)
    }

    pub(crate) fn is_registered(&self, line: &str) -> bool {
        !self.registrar.registry().contacts(line).is_empty()
    }

    /// Rings the phones of a line for its own address, or for one that it shares.
    ///
    /// Errors: the cause why they cannot be rung.
    pub(crate) fn call_appearance(
        &mut self,
        connection: ConnectionKey,
        caller: CallId,
        (number, shared): (&str, Option<&str>),
        ring_time: Duration,
    ) -> Result<(), Cause> {
        if !self.is_registered(number) {
            return Err(Cause::NOT_REGISTERED);
        }
        let party = NewParty {
            connection,
            side: Side::Called,
            party: Party::Line(number.to_owned()),
            origination: Origination::Phone,
            state: CallState::Offering,
            mode: OFFERED,
            tapi: None,
        };
        let called = self.new_call_at(party, shared);
        let from = self.identity_of(caller);
        let takes_off_hook =
            self.calls.get(caller.0).is_some_and(|call| call.details.takes_off_hook);
        let headers = if takes_off_hook { self.auto_answer() } else { Vec::new() };
        self.ring_called(caller, called, (number, ring_time), &from, &headers)
    }

    /// The offer for the called party: the caller's offer, or what its phone has answered to us,
    /// or, for a late offer, everything.
    pub(crate) fn offer_for(&mut self, caller: CallId, called: CallId) -> Result<Bytes, Cause> {
        let source = self.calls.get(caller.0).and_then(|call| call.end.remote.clone());
        let streams = source.as_ref().map_or(1, |source| source.media.len());
        self.reserve_ports(caller, streams)?;
        self.reserve_ports(called, streams)?;
        let called = self.calls.get_mut(called.0).ok_or(Cause::NO_RESOURCES)?;
        match source {
            Some(source) => {
                called.end.offer_from(&source).map_err(|_: Incompatible| Cause::INCOMPATIBLE_MEDIA)
            }
            None => called.end.offer_everything().ok_or(Cause::NO_RESOURCES),
        }
    }

    /// Makes sure that a call has ports for so many streams.
    pub(crate) fn reserve_ports(&mut self, id: CallId, streams: usize) -> Result<(), Cause> {
        let party = self.calls.get(id.0).map(|call| call.party.clone());
        let phones = party.map(|party| self.whereabouts_of(&party)).unwrap_or_default();
        let call = self.calls.get_mut(id.0).ok_or(Cause::NO_RESOURCES)?;
        match call.end.reserve(self.media.as_mut(), streams, || phones) {
            Ok(termination) => {
                self.by_termination.insert(termination, id);
                Ok(())
            }
            Err(error) => {
                count(&self.counters.media_ports_exhausted_total);
                tracing::warn!(%error, "no media ports for a call");
                Err(Cause::NO_RESOURCES)
            }
        }
    }

    /// Refuses an INVITE that has no call yet.
    fn reject_leg(&mut self, leg: LegId, reply: Reply) {
        self.endpoint.reject(self.clock.now, leg, &reply, &mut self.sip);
    }

    /// The attempt of `caller` cannot go on: tell its phone and show why.
    pub(crate) fn attempt_failed(&mut self, caller: CallId, cause: Cause) {
        if self.later_party_failed(caller, cause) || self.lets_go(caller, cause) {
            return;
        }
        self.note_failure(caller, cause);
        let Some(call) = self.calls.get(caller.0) else { return };
        match (call.origination, call.leg) {
            // The phone is on the line with us: it hears a tone and may hang up or be dropped.
            (Origination::Summoned, Some(_)) => {
                let tone = cause.tone();
                self.play(caller, tone);
                self.show_failure(caller, cause.outcome);
                self.completion_failed(caller, cause);
            }
            (_, Some(_)) if self.tell_by_tone(caller, cause) => {}
            (_, Some(_)) => self.refuse_caller(caller, cause),
            (_, None) => {
                self.release_legs(caller, &Release::default());
                self.show_refusal(caller, cause);
            }
        }
    }

    /// The final response to a caller whose attempt failed.
    pub(crate) fn refuse_caller(&mut self, caller: CallId, cause: Cause) {
        let Some(leg) = self.calls.get(caller.0).and_then(|call| call.leg) else { return };
        let mut reply = Reply::new(cause.relay).header("Reason", cause.reason_header());
        if cause == Cause::NO_RESOURCES {
            reply = reply.header("Retry-After", RETRY_AFTER);
        }
        if cause.relay == Incompatible::STATUS {
            let offer = self.calls.get(caller.0).and_then(|call| call.end.remote.as_ref());
            let why = offer.map_or(Incompatible::Formats, super::modify::lacking);
            reply = reply.header("Warning", why.warning(&self.config.domain));
        }
        let reply = self.with_info(caller, reply);
        self.endpoint.reject(self.clock.now, leg, &reply, &mut self.sip);
        self.forget_leg(leg);
        self.show_refusal(caller, cause);
    }

    fn show_refusal(&mut self, caller: CallId, cause: Cause) {
        let is_line = self.calls.get(caller.0).is_some_and(|call| call.party.line().is_some());
        if is_line {
            self.show_failure(caller, cause.outcome);
        } else {
            self.finish(caller);
        }
    }

    /// A failed attempt that is still shown ends when its line starts something new.
    fn end_failed_calls(&mut self, line: &str) {
        let calls = self.by_line.get(line).cloned().unwrap_or_default();
        for id in calls {
            let is_over = self.calls.get(id.0).is_some_and(|call| {
                call.legs.is_empty()
                    && matches!(call.state, CallState::Busy | CallState::Disconnected)
            });
            if is_over {
                self.finish(id);
            }
        }
    }

    /// Whether the address of a line has room for one more call (`max_calls`).
    pub(crate) fn has_appearance(&self, line: &str) -> bool {
        let most = self.config.lines.get(line).map_or(0, |line| line.max_calls);
        // Members of a conference share the appearance of its parent; a shared line has its own.
        let is_member = |id: &&CallId| {
            self.calls
                .get(id.0)
                .is_some_and(|call| call.state == CallState::Conferenced || call.shared.is_some())
        };
        let calls = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        // A waiting caller that is only shown takes none.
        let is_shown = |id: &&CallId| self.completing.camped.contains_key(id);
        let used = calls.iter().filter(|id| !is_member(id) && !is_shown(id)).count();
        used < usize::try_from(most).unwrap_or(usize::MAX)
    }
}

/// Whether a phone says that it plays what it hears before the final response: P-Early-Media with
/// `supported` (RFC 5009 §8).
fn takes_early_media(message: &Message) -> bool {
    message.list(HeaderName::PEarlyMedia).any(|value| value.eq_ignore_ascii_case("supported"))
}
