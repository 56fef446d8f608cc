//! A call that waits in a queue: three views of one call, and how they begin and end.
//!
//! The queue's own call (on the queue's line, without a phone) stands among the called parties of the
//! caller's connection, OFFERING, then ACCEPTED; agents are called beside it, one after the other or
//! together. Who is rung when is decided by the call centre
//! ([`exchange::centre`](crate::exchange)); this carries it out. Source: tapi-agents 10.1–10.3.

use media::Treatment;
use sip_stack::time::TimerToken;
use tapi::constant::{
    CallInfoState, CallReason, CallState, CallTreatment, ConnectedMode, DisconnectMode,
};
use tapi::{CallInfo, CallMode, PartyId};

use super::bridge::tone_codec;
use super::cause::Cause;
use super::diversion::Hop;
use super::fork::ELSEWHERE;
use super::{CallId, Connection, ConnectionKey, Origination, Party, Side};
use crate::exchange::Exchange;
use crate::exchange::centre::{Parting, Ticket};
use crate::exchange::counters::count;
use crate::exchange::state::{NewParty, OFFERED};
use crate::presence::Entity;

const ACTIVE: CallMode = CallMode::Connected(ConnectedMode::Active);

/// What a connection knows of the queue that its caller waits in.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The queue's name in the configuration.
    pub queue: String,
    /// Its number.
    pub number: String,
    /// The queue's own call.
    pub call: CallId,
    /// Its name in the call centre.
    pub(crate) ticket: Ticket,
    /// The caller has been answered and hears music.
    pub is_answered: bool,
    /// Agents whose phones ring.
    pub agents: Vec<CallId>,
    /// The next announcement.
    pub(crate) announcement: Option<TimerToken>,
}

impl Exchange {
    /// A call comes to a queue: dialled, transferred, forwarded, or from another queue.
    ///
    /// Errors: 486 when the queue is full, or 480 when nobody serves it and it lets nobody wait, and
    /// the call goes nowhere else then; 503 when there are too many calls.
    pub(crate) fn enter_queue(
        &mut self,
        key: ConnectionKey,
        source: CallId,
        name: &str,
    ) -> Result<(), Cause> {
        let config = self.config.clone();
        let queue = config.queues.get(name).ok_or(Cause::UNKNOWN_NUMBER)?;
        let from = self.connections.get(key.0).and_then(|c| c.left_queue.clone());
        let ticket = self.centre_ticket(key).ok_or(Cause::NO_RESOURCES)?;
        if let Err((to, cause)) = self.centre_arrived(ticket, queue, from.as_deref()) {
            let to = to.ok_or(cause)?;
            let reason = CallReason::Redirect;
            let hop = Hop { from: queue.number.clone(), to, reason };
            self.check_hop(key, source, &hop).map_err(|_| cause)?;
            return self.divert(key, source, hop);
        }
        let call = self.new_call(NewParty {
            connection: key,
            side: Side::Called,
            party: Party::Line(queue.number.clone()),
            origination: Origination::Phone,
            state: CallState::Offering,
            mode: OFFERED,
            tapi: None,
        });
        // Whoever was answered in another queue stays answered.
        let is_answered = self
            .calls
            .get(source.0)
            .is_some_and(|call| call.is_established() && call.leg.is_some());
        if let Some(connection) = self.connections.get_mut(key.0) {
            connection.left_queue = None;
            connection.queue = Some(Waiting {
                queue: queue.id.clone(),
                number: queue.number.clone(),
                call,
                ticket,
                is_answered: false,
                agents: Vec::new(),
                announcement: None,
            });
        }
        self.refresh_capability(call);
        self.set_state(call, CallState::Accepted, CallMode::None);
        self.refresh_capability(call);
        self.presence.touch(Entity::Queue(queue.number.clone()));
        if is_answered {
            self.answer_waiting(key);
        } else {
            self.show_treatment(call, CallTreatment::Ringback);
            self.tell_caller_it_rings(key);
            self.show_ringback(key);
            self.seek_progress(key, 180);
        }
        Ok(())
    }

    /// LINECALLINFOSTATE_TREATMENT: what those hear who wait because of this call.
    fn show_treatment(&mut self, call: CallId, treatment: CallTreatment) {
        let fill = |info: &mut CallInfo| info.treatment = Some(treatment);
        self.tell_info(call, fill, CallInfoState::Treatment);
    }

    /// The caller is answered by the switch and hears the queue's music until an agent answers.
    pub(crate) fn answer_waiting(&mut self, key: ConnectionKey) {
        let Some(waiting) = self.connections.get(key.0).and_then(|c| c.queue.clone()) else {
            return;
        };
        if waiting.is_answered {
            return;
        }
        self.stop_call_timer(waiting.call);
        let Some(source) = self.source_of(key) else { return };
        if let Err(cause) = self.pick_up_for(key, source) {
            return self.end_waiting(key, None, cause, Parting::Taken);
        }
        if let Some(waiting) = self.connections.get_mut(key.0).and_then(|c| c.queue.as_mut()) {
            waiting.is_answered = true;
        }
        self.show_treatment(waiting.call, CallTreatment::Music);
        let queue = self.identity_of_number(&waiting.number).party_id();
        self.set_state(source, CallState::Connected, ACTIVE);
        self.show_connected(source, queue);
        self.show_hold(source);
        self.refresh_capability(source);
        self.treat_queued(key);
        self.announce_later(key);
    }

    /// Puts the caller's phone on the line with us, where it is not.
    fn pick_up_for(&mut self, key: ConnectionKey, source: CallId) -> Result<(), Cause> {
        let is_search = self.connections.get(key.0).is_some_and(|c| c.seek.is_some());
        if is_search {
            self.release_transferor(key, source);
            return Ok(());
        }
        let is_confirmed = self
            .calls
            .get(source.0)
            .and_then(|call| self.endpoint.leg(call.leg?))
            .is_some_and(|view| view.is_confirmed);
        if is_confirmed {
            return Ok(());
        }
        let Some((leg, sdp)) = self.prepare_confirmation(source)? else { return Ok(()) };
        self.stop_call_timer(source);
        count(&self.counters.calls_answered_total);
        let headers = self.info_headers(source);
        self.endpoint.answer(self.clock.now, leg, sdp, &headers, &mut self.sip);
        Ok(())
    }

    /// A transfer to a queue is complete when the queue has taken the call.
    fn release_transferor(&mut self, key: ConnectionKey, transferee: CallId) {
        let seek = self.connections.get_mut(key.0).and_then(|c| c.seek.as_mut());
        let refer = seek.and_then(|seek| {
            seek.transferor = None;
            seek.refer.take()
        });
        if let Some(refer) = refer {
            self.notify_refer(&refer, 200, true);
        }
        if let Some(transferor) = self.far(transferee) {
            self.part(transferor);
        }
    }

    fn show_connected(&mut self, id: CallId, party: PartyId) {
        self.tell_info(id, |info| info.connected = party, CallInfoState::ConnectedId);
    }

    /// What a party hears that waits in a queue and has been answered. False if it waits in none.
    pub(crate) fn treat_queued(&mut self, key: ConnectionKey) -> bool {
        let Some(connection) = self.connections.get(key.0) else { return false };
        let at = match connection.search {
            Some(search) if connection.queue.is_none() => search,
            _ => key,
        };
        let waiting = self.connections.get(at.0).and_then(|c| c.queue.as_ref());
        let Some(waiting) = waiting else { return false };
        let (queue_call, is_answered) = (waiting.call, waiting.is_answered);
        let Some(source) = self.source_of(at) else { return true };
        if !is_answered {
            self.treat_waiting(queue_call);
            return true;
        }
        let (Some(call), Some(own)) = (self.calls.get(source.0), self.calls.get(queue_call.0))
        else {
            return true;
        };
        let Some(codec) = tone_codec(&call.end) else { return true };
        let treatment = match call.is_away() {
            true => Treatment::Silence(codec),
            false => self.while_ringing(own, codec),
        };
        self.treat_alone(source, treatment);
        true
    }

    /// Calls an agent for the party that waits: a fresh INVITE to the phones of a line, whose own
    /// forwarding is not followed (tapi-agents 10.3).
    ///
    /// Errors: the cause why they cannot be rung.
    pub(crate) fn ring_agent(
        &mut self,
        key: ConnectionKey,
        line: &str,
        ring_time: std::time::Duration,
    ) -> Result<CallId, Cause> {
        let waiting = self.connections.get(key.0).and_then(|c| c.queue.clone());
        let waiting = waiting.ok_or(Cause::NOTHING_RINGS)?;
        let source = self.source_of(key).ok_or(Cause::NOTHING_RINGS)?;
        let config = self.config.clone();
        let queue = config.queues.get(&waiting.queue).ok_or(Cause::UNKNOWN_NUMBER)?;
        if self.is_undisturbed(line, source) {
            return Err(Cause::DO_NOT_DISTURB);
        }
        if !self.is_registered(line) {
            return Err(Cause::NOT_REGISTERED);
        }
        let called = self.new_call(NewParty {
            connection: key,
            side: Side::Called,
            party: Party::Line(line.to_owned()),
            origination: Origination::Phone,
            state: CallState::Offering,
            mode: OFFERED,
            tapi: None,
        });
        let mut from = self.identity_of(source);
        if let Some(prefix) = &queue.name_prefix {
            let name = if from.name.is_empty() { from.number.clone() } else { from.name.clone() };
            from.name = format!("{prefix}{name}");
        }
        let headers = queue_headers(queue, &config.domain);
        self.ring_called(source, called, (line, ring_time), &from, &headers)?;
        if let Some(waiting) = self.connections.get_mut(key.0).and_then(|c| c.queue.as_mut()) {
            waiting.agents.push(called);
        }
        Ok(called)
    }

    /// At an agent: reason REDIRECT, the queue was called and sent the call here (tapi-agents 10.2).
    pub(crate) fn describe_queued(
        &self,
        connection: &Connection,
        new: &NewParty,
        info: &mut CallInfo,
    ) {
        let Some(waiting) = connection.queue.as_ref().filter(|_| new.side == Side::Called) else {
            return;
        };
        let queue = self.party_of_number(&waiting.number);
        info.reason = CallReason::Redirect;
        info.called = queue.clone();
        info.redirecting = queue;
        info.redirection = self.party_of_number(new.party.number());
    }

    /// No phone of an agent takes the call: it goes back to its place. False if the call is no call
    /// of a queue.
    pub(crate) fn agent_failed(&mut self, id: CallId, cause: Cause) -> bool {
        if !self.is_offered_by_queue(id) {
            return false;
        }
        self.centre_refused(id, cause);
        self.show_disconnected(id, cause.disconnect_mode());
        self.finish(id);
        true
    }

    /// Whether a call rings at an agent for a queue.
    pub(crate) fn is_offered_by_queue(&self, id: CallId) -> bool {
        self.queue_of_connection(id).is_some_and(|waiting| waiting.agents.contains(&id))
    }

    /// Whether a call is a queue's own.
    pub(crate) fn is_queue_call(&self, id: CallId) -> bool {
        self.queue_of_connection(id).is_some_and(|waiting| waiting.call == id)
    }

    fn queue_of_connection(&self, id: CallId) -> Option<&Waiting> {
        let call = self.calls.get(id.0)?;
        self.connections.get(call.connection.0)?.queue.as_ref()
    }

    /// Somebody has answered for the queue: an agent, or who picked the call up. The queue's own call
    /// says who (LINECALLINFOSTATE_REDIRECTIONID) and goes.
    pub(crate) fn leave_for(&mut self, key: ConnectionKey, winner: CallId) {
        let waiting = self.connections.get(key.0).and_then(|c| c.queue.clone());
        let Some(waiting) = waiting else { return };
        let is_agent = waiting.agents.contains(&winner);
        match is_agent {
            true => self.centre_answered(waiting.ticket, winner),
            false => self.centre_parted(waiting.ticket, Parting::Taken),
        }
        if let Some(seek) = self.connections.get_mut(key.0).and_then(|c| c.seek.as_mut()) {
            seek.transferor = Some(waiting.number);
        }
        let to = self.party_of(winner);
        self.close_waiting(key, to);
    }

    /// The queue's own call is over; agents that still ring are not wanted any more.
    fn close_waiting(&mut self, key: ConnectionKey, to: PartyId) {
        let Some(waiting) = self.connections.get_mut(key.0).and_then(|c| c.queue.take()) else {
            return;
        };
        if let Some(token) = waiting.announcement {
            self.timers.disarm(token);
        }
        self.tell_info(waiting.call, |info| info.redirection = to, CallInfoState::RedirectionId);
        self.finish(waiting.call);
        self.presence.touch(Entity::Queue(waiting.number));
    }

    /// The call leaves the queue for a number, or for good. Agents that ring are called off.
    pub(crate) fn end_waiting(
        &mut self,
        key: ConnectionKey,
        to: Option<&str>,
        cause: Cause,
        parting: Parting,
    ) {
        let waiting = self.connections.get(key.0).and_then(|c| c.queue.clone());
        let (Some(waiting), Some(source)) = (waiting, self.source_of(key)) else { return };
        let hop = to.map(|to| Hop {
            from: waiting.number.clone(),
            to: to.to_owned(),
            reason: CallReason::Redirect,
        });
        let hop = hop.filter(|hop| self.check_hop(key, source, hop).is_ok());
        let flows = hop.as_ref().is_some_and(|hop| self.config.queue_at(&hop.to).is_some());
        if let Some(connection) = self.connections.get_mut(key.0).filter(|_| flows) {
            connection.left_queue = Some(waiting.queue.clone());
        }
        let parting = if flows && parting == Parting::Taken { Parting::Flows } else { parting };
        self.centre_parted(waiting.ticket, parting);
        for agent in waiting.agents.clone() {
            self.clear_called(agent, DisconnectMode::Normal, ELSEWHERE);
        }
        let target =
            hop.as_ref().map_or_else(PartyId::unavail, |hop| self.party_of_number(&hop.to));
        self.close_waiting(key, target);
        let sent = match hop {
            Some(hop) => self.divert(key, source, hop),
            None => Err(cause),
        };
        if let Err(cause) = sent {
            self.attempt_lost(key, cause);
        }
    }

    /// A call is over that has to do with a queue: the caller has hung up, an application has taken it
    /// away, or an agent's call has ended.
    pub(crate) fn queue_call_finished(&mut self, id: CallId) {
        self.centre_call_ended(id);
        let Some(key) = self.calls.get(id.0).map(|call| call.connection) else { return };
        if let Some(waiting) = self.connections.get_mut(key.0).and_then(|c| c.queue.as_mut()) {
            waiting.agents.retain(|agent| *agent != id);
        }
        if !self.is_queue_call(id) {
            return;
        }
        let waiting = self.connections.get_mut(key.0).and_then(|c| c.queue.take());
        let Some(waiting) = waiting else { return };
        if let Some(token) = waiting.announcement {
            self.timers.disarm(token);
        }
        self.centre_parted(waiting.ticket, Parting::Abandoned);
        self.presence.touch(Entity::Queue(waiting.number));
    }

    /// An application drops the queue's own call: the caller is turned away.
    pub(crate) fn drop_queue_call(&mut self, id: CallId) -> bool {
        if !self.is_queue_call(id) {
            return false;
        }
        let Some(key) = self.calls.get(id.0).map(|call| call.connection) else { return true };
        self.end_waiting(key, None, Cause::of_status(603, true), Parting::Taken);
        true
    }

    /// Whether an answered caller, nobody's far party yet, has to be let go rather than refused.
    pub(crate) fn lets_go(&mut self, caller: CallId, cause: Cause) -> bool {
        let is_answered = self.calls.get(caller.0).is_some_and(|call| {
            call.is_established() && call.leg.is_some() && call.conference.is_none()
        });
        if is_answered {
            self.clear_called(caller, cause.disconnect_mode(), &cause.reason_header());
        }
        is_answered
    }

    /// The consulted party waits in a queue: the transferred party takes its place there.
    pub(crate) fn waits_in_queue(&self, id: CallId) -> bool {
        let waiting = self.queue_of_connection(id);
        waiting.is_some_and(|waiting| waiting.call != id && !waiting.agents.contains(&id))
    }

    /// So long the caller has heard ringing; nobody has answered.
    pub(crate) fn on_rung_long_enough(&mut self, queue_call: CallId) {
        if let Some(call) = self.calls.get_mut(queue_call.0) {
            call.timer = None;
        }
        if self.is_queue_call(queue_call)
            && let Some(key) = self.calls.get(queue_call.0).map(|call| call.connection)
        {
            self.answer_waiting(key);
        }
    }
}

/// What tells the agent's phone that a queue sends the call.
fn queue_headers(queue: &config::Queue, domain: &str) -> Vec<(String, String)> {
    let user = sip_stack::uri::encode_user(&queue.number);
    let diversion =
        format!("<sip:{user}@{domain}>;reason=deflection;counter=1;privacy=off;screen=no");
    let mut headers = vec![("Diversion".to_owned(), diversion)];
    headers.extend(queue.alert_info.clone().map(|value| ("Alert-Info".to_owned(), value)));
    headers
}
