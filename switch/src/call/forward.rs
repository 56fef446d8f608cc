//! Sending a call on: forwarding of the line, 302 of its phone, lineRedirect of an application.
//!
//! Everything happens inside the caller's connection: one called party goes, the next one comes.
//! [`feature::forward`](crate::feature::forward) decides, this carries out. Source: RFC 3261 §8.1.3.4,
//! RFC 5806; sip-mapping §2.9.9, §3.9; TAPI lineForward, lineRedirect, 1.5.

use sip_stack::endpoint::Reply;
use sip_stack::header::Contacts;
use sip_stack::message::{HeaderName, Message};
use tapi::RequestKey;
use tapi::constant::{CallInfoState, CallReason, CallState, DisconnectMode, LineErr};

use super::cause::{Cause, Outcome};
use super::diversion::{Diversions, Hop};
use super::fork::ELSEWHERE;
use super::{CallId, ConnectionKey, Origination, Side};
use crate::exchange::Exchange;
use crate::exchange::centre::Parting;
use crate::feature::forward::{CallerFacts, Decision, MAX_HOPS, Occasion, check_destination};
use crate::route::{self, Target};

/// Reason of the CANCEL that tells phones that their call was sent on (sip-mapping §2.9.9).
const REDIRECTED: &str = "SIP;cause=302;text=\"Redirected\"";
/// Numbers of a 3xx that are tried.
const MAX_CONTACTS: usize = 10;

impl Exchange {
    /// Remembers how an outside call came to us.
    pub(crate) fn note_diversions(&mut self, id: CallId, diversions: Diversions) {
        let key = self.calls.get(id.0).map(|call| call.connection);
        if let Some(connection) = key.and_then(|key| self.connections.get_mut(key.0)) {
            connection.diversions = diversions;
        }
    }

    /// The party that a connection calls somebody for: its caller, or who waits in another one.
    pub(crate) fn source_of(&self, key: ConnectionKey) -> Option<CallId> {
        let connection = self.connections.get(key.0)?;
        connection.caller.or(connection.seek.as_ref().map(|seek| seek.transferee))
    }

    /// Calls a line, or where its calls go.
    ///
    /// Errors: the cause why nobody is called.
    pub(crate) fn reach_line(
        &mut self,
        key: ConnectionKey,
        source: CallId,
        line: &str,
    ) -> Result<(), Cause> {
        match self.decide(key, source, line, Occasion::Always) {
            Decision::None => {}
            Decision::Refuse => return Err(Cause::DO_NOT_DISTURB),
            Decision::Forward { destination, reason } => {
                let hop = Hop { from: line.to_owned(), to: destination, reason };
                self.check_hop(key, source, &hop)?;
                return self.divert(key, source, hop);
            }
        }
        let ring_time = self.ring_time(key, source, line)?;
        let Err(cause) = self.call_line(key, source, line, ring_time) else { return Ok(()) };
        let hop = self.next_hop(key, source, line, cause)?;
        self.divert(key, source, hop)
    }

    /// A called line's phones will not answer. `None` when the call went on elsewhere, else the
    /// cause with which it fails.
    pub(crate) fn forward_failed(&mut self, id: CallId, cause: Cause) -> Option<Cause> {
        let Some(line) = self.forwardable(id) else { return Some(cause) };
        let Some(key) = self.calls.get(id.0).map(|call| call.connection) else {
            return Some(cause);
        };
        let Some(source) = self.source_of(key) else { return Some(cause) };
        match self.next_hop(key, source, &line, cause) {
            Ok(hop) => self.send_on(id, source, hop),
            Err(cause) => return Some(cause),
        }
        None
    }

    /// A phone answered 302: the call goes to the number in its Contact, with the rights of the
    /// line; the host there is not asked. True when it does.
    ///
    /// Source: RFC 3261 §8.1.3.4; sip-mapping §2.9.9.
    pub(crate) fn deflect(&mut self, id: CallId, status: u16, message: &Message) -> bool {
        if !(300..=302).contains(&status) {
            return false;
        }
        let Some(line) = self.forwardable(id) else { return false };
        let Some(key) = self.calls.get(id.0).map(|call| call.connection) else { return false };
        let Some(source) = self.source_of(key) else { return false };
        let config = self.config.clone();
        let hop = contact_numbers(message)
            .into_iter()
            .filter(|number| check_destination(&config, &line, number).is_ok())
            .map(|to| Hop { from: line.clone(), to, reason: CallReason::Redirect })
            .find(|hop| self.check_hop(key, source, hop).is_ok());
        match hop {
            Some(hop) => self.send_on(id, source, hop),
            None => return false,
        }
        true
    }

    /// lineRedirect: an offered call goes to another number; the line's own call is IDLE.
    ///
    /// Errors: INVALCALLSTATE unless the call is OFFERING, INVALADDRESS when no call of the line
    /// can go there or it has been there; nothing has changed then.
    pub(crate) fn redirect(
        &mut self,
        id: CallId,
        number: &str,
        request: Option<RequestKey>,
    ) -> Result<(), LineErr> {
        let call = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?;
        let key = call.connection;
        let is_offered = call.side == Side::Called
            && matches!(call.state, CallState::Offering | CallState::Accepted);
        call.party.line().filter(|_| is_offered).ok_or(LineErr::InvalCallState)?;
        let line = call.number();
        let source = self.source_of(key).ok_or(LineErr::InvalCallState)?;
        check_destination(&self.config, line, number)?;
        let hop =
            Hop { from: line.to_owned(), to: number.to_owned(), reason: CallReason::Redirect };
        self.check_hop(key, source, &hop).map_err(|_| LineErr::InvalAddress)?;
        self.done(request);
        if self.is_queue_call(id) {
            self.end_waiting(key, Some(number), Cause::NO_ANSWER, Parting::Taken);
            return Ok(());
        }
        self.leave_group(key, id);
        self.release_with(id, REDIRECTED);
        self.finish(id);
        if let Err(cause) = self.divert(key, source, hop) {
            self.attempt_lost(key, cause);
        }
        Ok(())
    }

    /// The line of a called party whose call may be sent on: it is the only one that is called, and
    /// not as a member of a group (members' own forwarding is ignored, sip-mapping §3.10).
    fn forwardable(&self, id: CallId) -> Option<String> {
        let call = self.calls.get(id.0).filter(|call| call.side == Side::Called)?;
        let connection = self.connections.get(call.connection.0)?;
        let is_alone =
            connection.called == [id] && connection.answered.is_none() && connection.hunt.is_none();
        call.party.line().filter(|_| is_alone)?;
        Some(call.number().to_owned())
    }

    /// DISCONNECTED (FORWARDED), IDLE, and the next party is called.
    fn send_on(&mut self, id: CallId, source: CallId, hop: Hop) {
        let Some(key) = self.calls.get(id.0).map(|call| call.connection) else { return };
        self.show_disconnected(id, DisconnectMode::Forwarded);
        self.release_with(id, REDIRECTED);
        self.finish(id);
        if let Err(cause) = self.divert(key, source, hop) {
            self.attempt_lost(key, cause);
        }
    }

    /// Goes one step on. The step has been checked.
    ///
    /// Errors: the cause why nobody is called there.
    pub(crate) fn divert(
        &mut self,
        key: ConnectionKey,
        source: CallId,
        hop: Hop,
    ) -> Result<(), Cause> {
        let destination = hop.to.clone();
        let redirecting = self.party_of_number(&hop.from);
        let redirection = self.party_of_number(&hop.to);
        let domain = self.config.domain.clone();
        let connection = self.connections.get_mut(key.0).ok_or(Cause::NO_RESOURCES)?;
        let fields = serde_json::json!({
            "line": hop.from, "callId": connection.call_id, "to": hop.to,
            "reason": tapi::Constant::name(hop.reason),
        });
        connection.max_forwards = connection.max_forwards.saturating_sub(1);
        connection.diversions.push(hop, &domain);
        self.publish("FORWARDED", fields);
        let change = |info: &mut tapi::CallInfo| {
            info.redirecting = redirecting;
            info.redirection = redirection;
        };
        self.tell_info(source, change, CallInfoState::RedirectingId | CallInfoState::RedirectionId);
        self.say_forwarded(key);
        self.follow(key, source, &destination)
    }

    /// Calls where a call was sent: with the right of who sent it, so a caller from outside may be
    /// sent outside again.
    fn follow(&mut self, key: ConnectionKey, source: CallId, number: &str) -> Result<(), Cause> {
        let config = self.config.clone();
        match route::resolve(&config, &route::dialable(&config, number)) {
            Target::Line(line) => self.reach_line(key, source, &line.number),
            Target::Trunk { trunk, number } => self.call_trunk(key, source, &trunk.name, &number),
            Target::HuntGroup(group) => self.hunt(key, source, group),
            Target::Queue(queue) => self.enter_queue(key, source, &queue.id),
            Target::SharedLine(shared) => self.reach_shared(key, source, &shared.number),
            _ => Err(Cause::UNKNOWN_NUMBER),
        }
    }

    /// 181 to the calling phone.
    fn say_forwarded(&mut self, key: ConnectionKey) {
        let caller = self.connections.get(key.0).and_then(|connection| connection.caller);
        let Some(call) = caller.and_then(|caller| self.calls.get(caller.0)) else { return };
        if let (Origination::Phone, Some(_), Some(leg), true) =
            (call.origination, call.party.line(), call.leg, call.awaits_answer())
        {
            self.endpoint.progress(self.clock.now, leg, &Reply::new(181), None, &mut self.sip);
        }
    }

    /// Where a call goes that a line did not take.
    ///
    /// Errors: the cause with which it fails.
    pub(crate) fn next_hop(
        &self,
        key: ConnectionKey,
        source: CallId,
        line: &str,
        cause: Cause,
    ) -> Result<Hop, Cause> {
        let occasion = occasion(cause).ok_or(cause)?;
        match self.decide(key, source, line, occasion) {
            Decision::None => Err(cause),
            Decision::Refuse => Err(Cause::DO_NOT_DISTURB),
            Decision::Forward { destination, reason } => {
                let hop = Hop { from: line.to_owned(), to: destination, reason };
                // Where forwarding cannot go on, it ends: the caller learns how it is here.
                self.check_hop(key, source, &hop).map_err(|_| cause)?;
                Ok(hop)
            }
        }
    }

    /// Loop protection: nobody is visited twice, five steps, Max-Forwards (sip-mapping §3.9).
    ///
    /// Errors: 482; 486 when the call would come back to its caller.
    pub(crate) fn check_hop(
        &self,
        key: ConnectionKey,
        source: CallId,
        hop: &Hop,
    ) -> Result<(), Cause> {
        let connection = self.connections.get(key.0).ok_or(Cause::NO_RESOURCES)?;
        if self.calls.get(source.0).and_then(|call| call.party.line()) == Some(&hop.to) {
            return Err(Cause::NO_APPEARANCE);
        }
        let passed = &connection.diversions;
        let is_loop = hop.to == hop.from || passed.has_visited(&hop.to);
        if is_loop || passed.count() >= MAX_HOPS || connection.max_forwards == 0 {
            return Err(Cause::LOOP);
        }
        Ok(())
    }

    pub(crate) fn decide(
        &self,
        key: ConnectionKey,
        source: CallId,
        line: &str,
        occasion: Occasion,
    ) -> Decision {
        // A party that comes back to who parked or transferred it is not sent away again.
        let is_recall = self
            .connections
            .get(key.0)
            .and_then(|connection| connection.seek.as_ref())
            .is_some_and(|seek| seek.reason == CallReason::Reminder);
        match (self.forwardings.get(line), self.caller_facts(source)) {
            (Some(set), Some(caller)) if !is_recall => set.decide(occasion, caller),
            _ => Decision::None,
        }
    }

    /// Whether a line does not want to be disturbed by this party.
    pub(crate) fn is_undisturbed(&self, line: &str, source: CallId) -> bool {
        match (self.forwardings.get(line), self.caller_facts(source)) {
            (Some(set), Some(caller)) => set.disturbs_not(caller),
            _ => false,
        }
    }

    fn caller_facts(&self, source: CallId) -> Option<CallerFacts<'_>> {
        let call = self.calls.get(source.0)?;
        Some(CallerFacts { number: call.number(), is_internal: call.party.line().is_some() })
    }

    pub(crate) fn ring_time(
        &self,
        key: ConnectionKey,
        source: CallId,
        line: &str,
    ) -> Result<std::time::Duration, Cause> {
        let own = self.config.lines.get(line).map(|line| (line.ring_timeout, line.ring_cycle));
        let defaults = &self.config.line_defaults;
        let (timeout, cycle) = own.unwrap_or((defaults.ring_timeout, defaults.ring_cycle));
        let will_go_on =
            matches!(self.decide(key, source, line, Occasion::NoAnswer), Decision::Forward { .. });
        let set = self.forwardings.get(line).filter(|_| will_go_on);
        let own = set.zip(self.caller_facts(source));
        let own = own.and_then(|(set, caller)| set.ring_time(caller, cycle));
        Ok(own.unwrap_or(timeout))
    }

    /// The other members of a group that ring for the same call are out.
    fn leave_group(&mut self, key: ConnectionKey, id: CallId) {
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        connection.hunt = None;
        let others: Vec<CallId> =
            connection.called.iter().copied().filter(|other| *other != id).collect();
        for other in others {
            let is_shared = self.calls.get(other.0).is_some_and(|call| call.shared.is_some());
            let (mode, reason) = match is_shared {
                true => (DisconnectMode::Forwarded, REDIRECTED),
                false => (DisconnectMode::Pickup, ELSEWHERE),
            };
            self.clear_called(other, mode, reason);
        }
    }
}

/// On which occasion a failure is looked at; `None` for those that nothing is forwarded on.
fn occasion(cause: Cause) -> Option<Occasion> {
    match cause.outcome {
        _ if cause == Cause::LOOP => None,
        Outcome::BusyStation => Some(Occasion::Busy),
        Outcome::Disconnected(DisconnectMode::NoAnswer) => Some(Occasion::NoAnswer),
        Outcome::Disconnected(DisconnectMode::Unreachable) => Some(Occasion::Unreachable),
        _ => None,
    }
}

/// The numbers that a 3xx names, the preferred ones first.
fn contact_numbers(message: &Message) -> Vec<String> {
    let Ok(contacts) = Contacts::of(message.list(HeaderName::Contact)) else { return Vec::new() };
    let mut list = contacts.as_slice().to_vec();
    list.sort_by_key(|contact| std::cmp::Reverse(contact.q()));
    let number =
        |contact: &sip_stack::header::Contact<'_>| contact.addr.parsed_uri().ok()?.user_decoded();
    list.iter().filter_map(number).take(MAX_CONTACTS).collect()
}
