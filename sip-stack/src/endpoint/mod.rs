//! The switch's SIP: transactions and INVITE dialogs behind one state machine without I/O.
//!
//! [`Endpoint`] joins [`message`](crate::message), [`transaction`](crate::transaction) and
//! [`dialog`](crate::dialog). Must not know sockets or TAPI. Hops 3 and 4 of an INVITE's path in,
//! hops 6 and 7 on its way out.
//!
//! The order of use: feed [`Endpoint::receive`], [`Endpoint::transport_failed`] and
//! [`Endpoint::expire`]; command with [`Endpoint::invite`] and its relatives; after each of these
//! send [`Outbox::transmits`] and act on [`Outbox::events`]; call [`Endpoint::expire`] again at
//! [`Endpoint::next_deadline`]. A command for a leg that is gone does nothing.

mod farewell;
mod inbound;
mod outcome;
mod subscribe;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use ahash::AHashMap;
use bytes::Bytes;

pub use self::farewell::Farewell;
use self::subscribe::is_subscription;
use crate::auth::DigestClient;
pub use crate::dialog::core::ALLOW;
use crate::dialog::core::{Alarm, Core, Draft, Purpose};
use crate::dialog::leg::{Identity, Leg, Outbound, Phase, Remote, Timer};
use crate::dialog::session_timer::SessionTimer;
use crate::dialog::text;
pub use crate::dialog::{
    Body, EndCause, EndpointConfig, Event, HeaderField, InDialogRequest, Invite, LegId, LegView,
    Limits, OfferVia, OutOfDialog, Outbox, RefusalSource, Release, Reply, RequestId, Subscribe,
    TargetPolicy,
};
use crate::flow::{Flow, Received, Transmit};
use crate::message::{HeaderName, Message, Method};
use crate::slab::{Key, Slab};
use crate::time::{Entropy, Now, TimerToken, TimerWheel};
use crate::transaction::{self, Layer, ServerKey};
pub use crate::transaction::{Full, Timers};

/// A request that the switch has not answered.
#[derive(Debug)]
struct Waiting {
    message: Message,
    flow: Flow,
    /// Our tag in the response.
    tag: String,
    timer: TimerToken,
}

/// All SIP state of one switch.
pub struct Endpoint {
    core: Core,
    legs: Slab<Leg>,
    /// Legs by our tag, which is random and unique.
    by_tag: AHashMap<String, Key>,
    waiting: AHashMap<ServerKey, Waiting>,
    /// Legs that the switch sees, subscriptions included.
    attached: usize,
    /// Those of them that are subscriptions.
    subscriptions: usize,
}

impl Endpoint {
    /// An endpoint without legs.
    pub fn new(config: EndpointConfig, entropy: Box<dyn Entropy + Send>) -> Self {
        let limits = transaction::Limits {
            server_transactions: config.limits.transactions,
            client_transactions: config.limits.transactions,
        };
        let mut within = vec!["timer".to_owned()];
        within.extend(config.extensions.iter().cloned());
        let within = within.join(", ");
        Self {
            core: Core {
                layer: Layer::new(config.timers, limits),
                tx: transaction::Outbox::default(),
                events: VecDeque::new(),
                wheel: TimerWheel::new(),
                clients: AHashMap::new(),
                invites: AHashMap::new(),
                entropy,
                now: Now::ZERO,
                supported: format!("100rel, {within}"),
                supported_within: within,
                config,
            },
            legs: Slab::new(),
            by_tag: AHashMap::new(),
            waiting: AHashMap::new(),
            attached: 0,
            subscriptions: 0,
        }
    }

    /// Takes a message from the network.
    pub fn receive(&mut self, now: Now, received: Received, out: &mut Outbox) {
        self.core.now = now;
        self.core.layer.receive(now, received, &mut self.core.tx);
        self.finish(out);
    }

    /// A connection broke, or a datagram could not be sent.
    ///
    /// Dialogs live on: their next request opens a new connection, or the switch gives them a new
    /// flow with [`Endpoint::set_flow`].
    pub fn transport_failed(&mut self, now: Now, flow: Flow, out: &mut Outbox) {
        self.core.now = now;
        if flow.connection.is_some() {
            for (_, leg) in self.legs.iter_mut() {
                if leg.flow.connection == flow.connection {
                    leg.flow.connection = None;
                }
            }
        }
        self.core.layer.transport_failed(now, &flow, &mut self.core.tx);
        self.finish(out);
    }

    /// A message could not be sent, though the flow that it was meant for goes on: a request of ours fails
    /// at once, everything else is left to the timers.
    pub fn unsent(&mut self, now: Now, transmit: Transmit, out: &mut Outbox) {
        self.core.now = now;
        if let Ok(message) = Message::parse(transmit.bytes) {
            self.core.layer.unsent(now, &message, &mut self.core.tx);
        }
        self.finish(out);
    }

    /// Lets all timers fire whose time has come.
    pub fn expire(&mut self, now: Now, out: &mut Outbox) {
        self.core.now = now;
        self.core.layer.expire(now, &mut self.core.tx);
        while let Some(alarm) = self.core.wheel.expire(now) {
            match alarm {
                Alarm::Leg(key, timer) => self.on_timer(key, timer),
                Alarm::Request(key) => self.on_unanswered(key),
            }
        }
        self.finish(out);
    }

    /// When [`Endpoint::expire`] should be called next.
    pub fn next_deadline(&self) -> Option<Now> {
        match (self.core.layer.next_deadline(), self.core.wheel.next_deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Calls somebody.
    ///
    /// Errors: [`Full`] at the ceiling of legs or transactions; nothing was sent.
    pub fn invite(&mut self, now: Now, invite: Invite, out: &mut Outbox) -> Result<LegId, Full> {
        self.core.now = now;
        if !self.has_room() {
            return Err(Full);
        }
        let session = if invite.session_timer {
            SessionTimer::new(self.core.config.session_expires, self.core.config.min_se)
        } else {
            SessionTimer::off()
        };
        let (call_id, tag) = (self.core.tag(), self.core.tag());
        let first_cseq = u32::try_from(self.core.entropy.below(10_000)).unwrap_or(0);
        let identity = Identity {
            is_uac: true,
            phase: Phase::Calling,
            call_id,
            local: format!("{};tag={tag}", invite.from),
            local_tag: tag.clone(),
            remote_uri: invite.to.clone(),
            remote: Remote::new(String::new(), invite.request_uri.clone()),
            contact: invite.contact.clone(),
            flow: invite.destination,
            session,
        };
        let key = self.legs.insert_with(|key| Leg::new(key, identity, first_cseq));
        self.by_tag.insert(tag, key);
        self.attached += 1;
        let sent = self.on_leg(key, |core, leg| {
            leg.digest = invite.credentials.clone().map(DigestClient::new);
            leg.outbound = Some(Box::new(Outbound {
                alternatives: invite.alternatives.iter().copied().collect(),
                key: None,
                authorization: Vec::new(),
                raises: 0,
                cseq: 0,
                invite,
            }));
            let sent = core.send_invite(leg, 0);
            if sent.is_err() {
                core.close(leg);
            }
            sent
        });
        self.finish(out);
        match sent {
            Some(Ok(())) => Ok(LegId(key)),
            _ => Err(Full),
        }
    }

    /// Sends a provisional response (101–199) to an inbound INVITE.
    ///
    /// Reliably if the caller requires it, or if it supports it and the response carries our
    /// offer. SDP that would be an offer in an unreliable response is left out (RFC 3262 §5).
    pub fn progress(
        &mut self,
        now: Now,
        leg: LegId,
        reply: &Reply,
        sdp: Option<Bytes>,
        out: &mut Outbox,
    ) {
        self.command(now, leg, out, |core, leg| core.progress(leg, reply.clone(), sdp));
    }

    /// Answers an inbound INVITE with 200: the answer to its offer, or our offer if it had none.
    pub fn answer(
        &mut self,
        now: Now,
        leg: LegId,
        sdp: Bytes,
        headers: &[HeaderField],
        out: &mut Outbox,
    ) {
        self.command(now, leg, out, |core, leg| core.answer(leg, sdp, headers.to_vec()));
    }

    /// Refuses an inbound INVITE (300–699). The leg is gone.
    pub fn reject(&mut self, now: Now, leg: LegId, reply: &Reply, out: &mut Outbox) {
        self.command(now, leg, out, |core, leg| core.reject(leg, reply));
    }

    /// Ends a leg the way its state asks for. The leg is gone at once, no event follows.
    pub fn release(&mut self, now: Now, leg: LegId, release: Release, out: &mut Outbox) {
        self.command(now, leg, out, |core, leg| core.release(leg, release));
    }

    /// Offers a new session by re-INVITE (by UPDATE before the final response); the outcome comes
    /// as [`Event::OfferAnswered`] or [`Event::OfferRefused`].
    ///
    /// Waits for an ACK, a refresh or an offer of the peer that is on its way; glare is waited out.
    /// A second call before the offer went out replaces it. False if an offer of ours is in flight
    /// or the leg cannot take one yet.
    ///
    /// Source: RFC 3261 §14, RFC 3311.
    pub fn offer(&mut self, now: Now, leg: LegId, sdp: Bytes, out: &mut Outbox) -> bool {
        self.command(now, leg, out, |core, leg| core.offer(leg, sdp)).unwrap_or(false)
    }

    /// Somebody else is at our end of a dialog (P-Asserted-Identity, Privacy): unless it knows it
    /// already the peer is told, by UPDATE if it allows that, else with the next offer.
    ///
    /// Source: RFC 3325 §9.1, RFC 3311.
    pub fn identify(&mut self, now: Now, leg: LegId, headers: Vec<HeaderField>, out: &mut Outbox) {
        self.command(now, leg, out, |core, leg| core.identify(leg, headers));
    }

    /// Answers [`Event::Offer`], or an [`Event::Answered`] whose SDP is an offer.
    pub fn accept_offer(&mut self, now: Now, leg: LegId, sdp: Bytes, out: &mut Outbox) {
        self.command(now, leg, out, |core, leg| core.accept_offer(leg, sdp));
    }

    /// Refuses [`Event::Offer`]; the session stays as it was. When the 2xx to our INVITE carried
    /// the offer, the leg is gone.
    pub fn refuse_offer(&mut self, now: Now, leg: LegId, reply: &Reply, out: &mut Outbox) {
        self.command(now, leg, out, |core, leg| core.refuse_offer(leg, reply));
    }

    /// Answers a request of [`Event::Request`] or [`Event::InDialog`].
    pub fn respond(
        &mut self,
        now: Now,
        id: RequestId,
        reply: &Reply,
        body: Option<&Body>,
        out: &mut Outbox,
    ) {
        self.core.now = now;
        self.give_response(id, reply, None, body);
        self.finish(out);
    }

    /// Sends a request inside the dialog of a leg; its outcome comes as [`Event::Response`].
    pub fn request_in_dialog(
        &mut self,
        now: Now,
        leg: LegId,
        request: InDialogRequest,
        out: &mut Outbox,
    ) {
        let token = request.token;
        let sent = self.command(now, leg, out, |core, leg| {
            // RFC 3261 §12.2: before a response with a To tag there is no dialog to be inside of.
            if leg.remote.tag.is_empty() && leg.is_uac {
                return false;
            }
            let has_contact =
                matches!(request.method, Method::Refer | Method::Notify | Method::Subscribe);
            let mut draft = Core::draft(leg, request.method);
            draft.contact = has_contact.then(|| leg.contact.clone());
            draft.headers = request.headers;
            draft.body = request.body;
            core.send(leg, draft, Purpose::InDialog(token), 0).is_ok()
        });
        if sent != Some(true) {
            let status = if sent.is_none() { 481 } else { 503 };
            out.events.push_back(Event::Response { token, status, message: None });
        }
    }

    /// Sends a request outside of any dialog; its outcome comes as [`Event::Response`].
    pub fn request(&mut self, now: Now, request: OutOfDialog, token: u64, out: &mut Outbox) {
        self.core.now = now;
        let call_id = request.call_id.unwrap_or_else(|| self.core.tag());
        let tag = self.core.tag();
        let draft = Draft {
            method: request.method,
            uri: request.request_uri,
            routes: request.route,
            from: format!("{};tag={tag}", request.from),
            to: request.to,
            call_id,
            cseq: request.cseq.unwrap_or(1),
            contact: request.contact,
            max_forwards: 70,
            headers: request.headers,
            authorization: Vec::new(),
            body: request.body,
            flow: request.destination,
        };
        let digest =
            request.credentials.map(|credentials| Box::new(DigestClient::new(credentials)));
        self.send_alone(draft, token, digest);
        self.finish(out);
    }

    /// Sends the leg's requests over another flow from now on: after a new registration of the
    /// same instance, or to the address a Contact's host name has.
    pub fn set_flow(&mut self, leg: LegId, flow: Flow) {
        if let Some(leg) = self.legs.get_mut(leg.0) {
            leg.flow = flow;
        }
    }

    /// Says whether the leg's requests follow Contact and Record-Route.
    pub fn set_target_policy(&mut self, leg: LegId, policy: TargetPolicy) {
        if let Some(leg) = self.legs.get_mut(leg.0) {
            leg.policy = policy;
        }
    }

    /// Changes the Contact that the leg's next messages carry (for inbound legs it begins as the
    /// address that the INVITE came to): a URI, or a whole name-addr `<…>` with parameters.
    pub fn set_contact(&mut self, leg: LegId, contact: impl Into<String>) {
        if let Some(leg) = self.legs.get_mut(leg.0) {
            leg.contact = contact.into();
        }
    }

    /// A leg that the switch may still command.
    pub fn leg(&self, leg: LegId) -> Option<LegView<'_>> {
        self.legs.get(leg.0).filter(|leg| leg.is_attached).map(Leg::view)
    }

    /// The leg whose dialog this Call-ID and these tags name, for Replaces and Target-Dialog
    /// (RFC 3891 §3): `local_tag` is ours.
    pub fn find_leg(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<LegId> {
        let leg = self.legs.get(*self.by_tag.get(local_tag)?)?;
        let is_match = leg.is_attached && leg.call_id == call_id && leg.remote.tag == remote_tag;
        is_match.then(|| leg.id())
    }

    /// The leg inside whose dialog a request arrives over another path than the dialog's own: that
    /// on which its peer was heard last, or that of our own requests.
    ///
    /// The switch asks before [`Endpoint::receive`] and challenges or refuses such a request.
    ///
    /// Source: security SEC-40.
    pub fn stray(&self, received: &Received) -> Option<LegId> {
        let message = &received.message;
        if !message.is_request() || message.method() == Method::Ack {
            return None;
        }
        let leg = self.legs.get(*self.by_tag.get(&text::to_tag(message))?)?;
        let is_in_dialog = leg.is_attached && leg.call_id == message.call_id();
        let own = [leg.flow, leg.next_hop(&leg.remote)];
        let is_elsewhere = !own.iter().any(|flow| flow.is_same_path(&received.flow));
        (is_in_dialog && is_elsewhere).then(|| leg.id())
    }

    /// How many legs the switch has, subscriptions not counted.
    pub fn leg_count(&self) -> usize {
        self.attached.saturating_sub(self.subscriptions)
    }

    /// How many dialogs of subscriptions the switch has.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions
    }

    /// Everything that must be gone once all calls are over: legs that wait for their last
    /// transaction, transactions, unanswered requests, timers.
    pub fn residue(&self) -> usize {
        let layer = &self.core.layer;
        self.legs.len()
            + layer.client_count()
            + layer.server_count()
            + layer.timer_count()
            + self.core.clients.len()
            + self.core.invites.len()
            + self.core.wheel.len()
            + self.waiting.len()
    }

    /// Whether anything that was said is still to be heard: a request of ours without final response,
    /// a refusal without ACK, a BYE that waits for the ACK before it.
    pub fn is_awaiting(&self) -> bool {
        let Core { clients, layer, .. } = &self.core;
        clients.keys().any(|key| layer.is_awaited(*key))
            || layer.is_repeating()
            || self.legs.iter().any(|(_, leg)| leg.phase == Phase::Leaving)
    }

    /// What the transaction layer has seen.
    pub fn counters(&self) -> transaction::Counters {
        self.core.layer.counters()
    }

    /// The invariants, asserted in debug builds: for tests and simulations.
    pub fn check(&self) {
        self.core.layer.check();
        debug_assert_eq!(self.by_tag.len(), self.legs.len(), "each leg has its tag");
        let attached = self.legs.iter().filter(|(_, leg)| leg.is_attached).count();
        debug_assert_eq!(attached, self.attached, "attached legs are counted");
        let subscriptions = self.legs.iter().filter(|(_, leg)| is_subscription(leg)).count();
        debug_assert_eq!(subscriptions, self.subscriptions, "subscriptions are counted");
        let timers: usize =
            self.legs.iter().map(|(_, leg)| leg.timers.iter().flatten().count()).sum();
        debug_assert_eq!(timers + self.waiting.len(), self.core.wheel.len(), "timers have owners");
        for (key, leg) in self.legs.iter() {
            debug_assert!(!leg.is_over(), "a finished leg is removed: {leg:?}");
            debug_assert_eq!(self.by_tag.get(&leg.local_tag), Some(&key));
            let pending =
                self.core.clients.values().filter(|pending| pending.leg == Some(key)).count();
            debug_assert_eq!(pending, leg.pending, "transactions are counted: {leg:?}");
            let is_gone = matches!(leg.phase, Phase::Closed | Phase::Leaving | Phase::Cancelling);
            debug_assert_eq!(is_gone, !leg.is_attached, "{leg:?}");
            debug_assert!(
                leg.unacknowledged.is_none()
                    || matches!(leg.phase, Phase::Confirmed | Phase::Leaving),
                "{leg:?}"
            );
        }
    }

    /// Whether one more leg fits. Those that only wait for their last transaction are bounded by
    /// the transactions.
    fn has_room(&self) -> bool {
        let limits = &self.core.config.limits;
        let most = limits.legs + limits.subscriptions + limits.transactions;
        self.leg_count() < limits.legs && self.legs.len() < most
    }

    /// Runs a command on a leg that the switch sees; `None` if there is none.
    fn command<R>(
        &mut self,
        now: Now,
        leg: LegId,
        out: &mut Outbox,
        act: impl FnOnce(&mut Core, &mut Leg) -> R,
    ) -> Option<R> {
        self.core.now = now;
        self.legs.get(leg.0).filter(|leg| leg.is_attached)?;
        let result = self.on_leg(leg.0, act);
        self.finish(out);
        result
    }

    /// Lets something happen to a leg and removes it if that was the last thing.
    fn on_leg<R>(&mut self, key: Key, act: impl FnOnce(&mut Core, &mut Leg) -> R) -> Option<R> {
        let leg = self.legs.get_mut(key)?;
        let (was_attached, was_subscription) = (leg.is_attached, is_subscription(leg));
        let result = act(&mut self.core, leg);
        if was_attached && !leg.is_attached {
            self.attached -= 1;
        }
        if was_subscription && !is_subscription(leg) {
            self.subscriptions -= 1;
        }
        self.remove_if_over(key);
        Some(result)
    }

    fn remove_if_over(&mut self, key: Key) {
        if self.legs.get(key).is_some_and(Leg::is_over)
            && let Some(mut leg) = self.legs.remove(key)
        {
            self.core.disarm_all(&mut leg);
            self.by_tag.remove(&leg.local_tag);
        }
    }

    fn on_timer(&mut self, key: Key, timer: Timer) {
        self.on_leg(key, |core, leg| {
            if let Some(slot) = leg.timers.get_mut(timer as usize) {
                *slot = None;
            }
            match timer {
                Timer::Alerting if leg.phase == Phase::Calling => core.on_alerting_too_long(leg),
                Timer::Alerting => core.on_offer_too_long(leg),
                Timer::Accepted => core.on_accepted_timer(leg),
                Timer::Reliable => core.on_reliable_timer(leg),
                Timer::Patience => core.on_patience_timer(leg),
                Timer::InviteExpires => {
                    let invite = leg.inbound.as_ref().map(|inbound| inbound.message.clone());
                    if let (Phase::Ringing, Some(invite)) = (leg.phase, invite) {
                        core.on_cancelled(leg, &invite);
                    }
                }
                Timer::Glare => core.on_glare_timer(leg),
                Timer::Refresh => core.on_refresh_timer(leg),
                Timer::Expiry => core.on_expiry_timer(leg),
            }
        });
    }

    /// Handles what the transaction layer reports until it is quiet, then hands everything over.
    fn finish(&mut self, out: &mut Outbox) {
        while let Some(event) = self.core.tx.events.pop_front() {
            match event {
                transaction::Event::Request { key, message, flow } => {
                    self.on_request(key, message, flow);
                }
                transaction::Event::Ack { message, .. } => self.on_ack(&message),
                transaction::Event::Cancel { key, message } => self.on_cancel(key, &message),
                transaction::Event::Response { key, message, flow } => {
                    self.on_response(key, &message, flow);
                }
                transaction::Event::TimedOut { key } => self.on_lost(key, 408),
                transaction::Event::TransportFailed { key } => self.on_lost(key, 503),
                transaction::Event::Ended { key } => self.on_invite_ended(key),
            }
        }
        out.transmits.append(&mut self.core.tx.transmits);
        out.events.append(&mut self.core.events);
    }

    /// Answers a waiting request.
    fn give_response(
        &mut self,
        id: RequestId,
        reply: &Reply,
        contact: Option<&str>,
        body: Option<&Body>,
    ) {
        let is_final = reply.status >= 200;
        let Some(waiting) = self.waiting.get(&id.0) else { return };
        let mut writer = self.core.response(&waiting.message, reply, &waiting.tag);
        if let Some(contact) = contact {
            writer.header(HeaderName::Contact, text::own_contact(contact));
        }
        if waiting.message.method() == Method::Options || matches!(reply.status, 405 | 501) {
            self.core.capabilities(&mut writer);
            writer.header(HeaderName::Supported, &self.core.supported);
        }
        let bytes = match body {
            Some((content_type, body)) => writer.finish(Some(content_type), body),
            None => writer.finish(None, b""),
        };
        let core = &mut self.core;
        core.respond(id.0, reply.status, &bytes);
        if is_final && let Some(waiting) = self.waiting.remove(&id.0) {
            self.core.wheel.disarm(waiting.timer);
        }
    }

    /// The switch never answered; the peer's transaction is over by now, ours ends here.
    fn on_unanswered(&mut self, key: ServerKey) {
        let Some(waiting) = self.waiting.remove(&key) else { return };
        // RFC 4320: never 408; the peer has given up already.
        self.core.reply(key, &waiting.message, &Reply::new(500), &waiting.tag);
    }
}
