//! Requests of peers: what is refused at the door, what makes a leg, what belongs to one.
//!
//! The order is that of SIP mapping §1.5.

use std::time::Duration;

use super::{Endpoint, Event, LegId, Reply, RequestId, Waiting};
use crate::dialog::core::{ALLOW, Alarm};
use crate::dialog::leg::{Identity, Inbound, Leg, Phase, Remote, Timer};
use crate::dialog::reliability::Provisionals;
use crate::dialog::route_set::RouteSet;
use crate::dialog::session_timer::SessionTimer;
use crate::dialog::text;
use crate::flow::{Flow, Transport};
use crate::header::{NameAddr, quote};
use crate::message::{HeaderName, Message, Method, validate};
use crate::transaction::{ServerKey, stateless_tag};

/// Option tags of our own; the configuration adds those of the switch.
const OPTIONS: [&str; 2] = ["100rel", "timer"];

impl Endpoint {
    pub(super) fn on_request(&mut self, key: ServerKey, message: Message, flow: Flow) {
        let mut options: Vec<&str> = OPTIONS.to_vec();
        options.extend(self.core.config.extensions.iter().map(String::as_str));
        if let Err(refusal) = validate::check_with(&message, &options) {
            let tag = stateless_tag(&message);
            if let Some(bytes) = refusal.response(&message, &tag) {
                let core = &mut self.core;
                core.respond(key, refusal.status, &bytes);
            }
            return;
        }
        let tag = text::to_tag(&message);
        if !tag.is_empty() {
            return self.on_request_in_dialog(key, message, flow, &tag);
        }
        match message.method() {
            Method::Invite => self.on_invite(key, message, flow),
            Method::Bye | Method::Prack | Method::Update | Method::Info => {
                self.refuse(key, &message, Reply::new(481));
            }
            Method::Other(_) => self.refuse(key, &message, Reply::new(501).header("Allow", ALLOW)),
            _ => {
                let tag = self.core.tag();
                if self.wait(key, &message, flow, tag) {
                    let event = Event::Request { id: RequestId(key), message, flow };
                    self.core.events.push_back(event);
                }
            }
        }
    }

    /// Keeps a request until the switch answers it; false if there are too many: 503.
    fn wait(&mut self, key: ServerKey, message: &Message, flow: Flow, tag: String) -> bool {
        if self.waiting.len() >= self.core.config.limits.requests {
            self.overloaded(key, message);
            return false;
        }
        let deadline = self.core.now + self.core.config.timers.give_up();
        let timer = self.core.wheel.arm(deadline, Alarm::Request(key));
        self.waiting.insert(key, Waiting { message: message.clone(), flow, tag, timer });
        true
    }

    fn overloaded(&mut self, key: ServerKey, message: &Message) {
        let seconds = 5 + self.core.entropy.below(11);
        self.refuse(key, message, Reply::new(503).header("Retry-After", seconds.to_string()));
    }

    fn refuse(&mut self, key: ServerKey, message: &Message, reply: Reply) {
        let tag = stateless_tag(message);
        self.core.reply(key, message, &reply, &tag);
    }

    fn on_invite(&mut self, key: ServerKey, message: Message, flow: Flow) {
        if !self.has_room() {
            return self.overloaded(key, &message);
        }
        let config = &self.core.config;
        let session = SessionTimer::new(config.session_expires, config.min_se);
        if let Err(too_small) = session.negotiate(&message) {
            let tag = stateless_tag(&message);
            return self.core.refuse_interval(key, &message, too_small, &tag);
        }
        let tag = self.core.tag();
        let contact = own_contact(&flow);
        let identity = identity(&message, &tag, flow, &contact, session);
        let is_required = text::has_token(&message, HeaderName::Require, "100rel");
        let is_supported = text::has_token(&message, HeaderName::Supported, "100rel");
        let provisionals =
            Provisionals::new(self.core.entropy.next_u64(), is_required, is_supported);
        let first_cseq = u32::try_from(self.core.entropy.below(10_000)).unwrap_or(0);
        let offer = text::session(&message);
        let leg_key = self.legs.insert_with(|key| Leg::new(key, identity, first_cseq));
        self.by_tag.insert(tag, leg_key);
        self.core.invites.insert(key, leg_key);
        self.attached += 1;
        let expires = text::number(&message, HeaderName::Expires).filter(|seconds| *seconds > 0);
        self.on_leg(leg_key, |core, leg| {
            leg.peer.learn(&message);
            leg.inbound = Some(Box::new(Inbound {
                key,
                message: message.clone(),
                offer: offer.clone(),
                provisionals,
                withheld: None,
                is_answered: false,
                late_offer: None,
                is_offer_done: false,
                last: None,
            }));
            if let Some(seconds) = expires {
                core.arm(leg, Timer::InviteExpires, Duration::from_secs(u64::from(seconds)));
            }
        });
        self.core.events.push_back(Event::Invite { leg: LegId(leg_key), message, flow, offer });
    }

    fn on_request_in_dialog(&mut self, key: ServerKey, message: Message, flow: Flow, tag: &str) {
        let found = self
            .by_tag
            .get(tag)
            .copied()
            .and_then(|leg_key| Some((leg_key, self.legs.get_mut(leg_key)?)));
        let Some((leg_key, leg)) = found else {
            return self.refuse(key, &message, Reply::new(481));
        };
        if !leg.owns(&message) {
            return self.refuse(key, &message, Reply::new(481));
        }
        let method = message.method();
        // What ended can only be ended again; BYE crosses BYE (RFC 5407 §3.2).
        if !leg.is_attached && method != Method::Bye {
            return self.refuse(key, &message, Reply::new(481));
        }
        if !leg.remote.accept_cseq(text::cseq(&message)) {
            return self.refuse(key, &message, Reply::new(500).reason("Out Of Order"));
        }
        if leg.is_attached {
            leg.flow = flow;
            leg.is_proven = true;
        }
        let has_session = matches!(method, Method::Invite | Method::Update | Method::Prack);
        if has_session && let Err(refusal) = validate::check_session(&message) {
            // SIP mapping §1.5 row 15; the session stays as it was.
            if let Some(bytes) = refusal.response(&message, tag) {
                self.core.respond(key, refusal.status, &bytes);
            }
            return;
        }
        let is_session = leg.phase != Phase::Subscription;
        match method {
            Method::Bye => {
                self.on_leg(leg_key, |core, leg| core.on_bye(leg, key, &message));
            }
            Method::Invite if is_session => {
                self.core.invites.insert(key, leg_key);
                self.on_leg(leg_key, |core, leg| core.on_reinvite(leg, key, &message));
            }
            Method::Update if is_session => {
                self.on_leg(leg_key, |core, leg| core.on_update(leg, key, &message));
            }
            Method::Prack if is_session => {
                self.on_leg(leg_key, |core, leg| core.on_prack(leg, key, &message));
            }
            Method::Register
            | Method::Publish
            | Method::Invite
            | Method::Update
            | Method::Prack => {
                self.refuse(key, &message, Reply::new(405).header("Allow", ALLOW));
            }
            Method::Other(_) => self.refuse(key, &message, Reply::new(501).header("Allow", ALLOW)),
            _ => {
                if matches!(method, Method::Subscribe | Method::Notify) {
                    leg.remote.refresh(&message);
                }
                let tag = leg.local_tag.clone();
                let id = leg.id();
                if self.wait(key, &message, flow, tag) {
                    let event = Event::InDialog { leg: id, id: RequestId(key), message };
                    self.core.events.push_back(event);
                }
            }
        }
    }

    /// An ACK for a 2xx of ours, or for nothing: that one is dropped.
    pub(super) fn on_ack(&mut self, message: &Message) {
        let tag = text::to_tag(message);
        let Some(key) = self.by_tag.get(&tag).copied() else { return };
        if self.legs.get_mut(key).is_some_and(|leg| leg.owns(message)) {
            self.on_leg(key, |core, leg| {
                leg.is_proven = true;
                core.on_ack(leg, message);
            });
        }
    }

    /// The peer takes an INVITE back that has no final response; 200 to the CANCEL is sent.
    pub(super) fn on_cancel(&mut self, key: ServerKey, message: &Message) {
        let Some(leg_key) = self.core.invites.remove(&key) else { return };
        self.on_leg(leg_key, |core, leg| {
            let is_first = leg.inbound.as_ref().is_some_and(|inbound| inbound.key == key);
            if is_first && leg.phase == Phase::Ringing {
                core.on_cancelled(leg, message);
            } else if leg.theirs.as_ref().is_some_and(|theirs| theirs.key == key) {
                core.on_reinvite_cancelled(leg);
            }
        });
    }
}

/// The identity of a leg that a request of the peer makes (RFC 3261 §12.1.1).
pub(super) fn identity(
    message: &Message,
    tag: &str,
    flow: Flow,
    contact: &str,
    session: SessionTimer,
) -> Identity {
    let from = message.header(HeaderName::From).unwrap_or_default();
    let to = message.header(HeaderName::To).unwrap_or_default();
    // Without Contact the peer is reached where it called from.
    let target = text::contact(message).unwrap_or_else(|| {
        let host = flow.remote;
        format!("sip:{host};transport={}", flow.transport.uri_param())
    });
    let mut remote = Remote::new(text::from_tag(message), target);
    remote.routes = RouteSet::of_request(text::record_routes(message));
    remote.cseq = Some(text::cseq(message));
    Identity {
        is_uac: false,
        phase: Phase::Ringing,
        call_id: message.call_id().to_owned(),
        local: format!("{to};tag={tag}"),
        local_tag: tag.to_owned(),
        remote_uri: without_tag(from),
        remote,
        contact: contact.to_owned(),
        flow,
        session,
    }
}

/// A From value without its tag; other parameters stay.
fn without_tag(value: &str) -> String {
    match NameAddr::parse(value) {
        Ok(address) => {
            let others: String = address
                .params
                .iter()
                .filter(|param| !param.name.eq_ignore_ascii_case("tag"))
                .map(|param| match param.value {
                    Some(value) => format!(";{}={value}", param.name),
                    None => format!(";{}", param.name),
                })
                .collect();
            let display = match address.display {
                Some(_) => format!("{} ", quote(&address.display_name())),
                None => String::new(),
            };
            format!("{display}<{}>{others}", address.uri)
        }
        Err(_) => value.to_owned(),
    }
}

/// The Contact of an inbound leg until the switch names a better one.
fn own_contact(flow: &Flow) -> String {
    let scheme = if flow.transport.is_secure() { "sips" } else { "sip" };
    match flow.transport {
        Transport::Udp => format!("{scheme}:{}", flow.local),
        transport => format!("{scheme}:{};transport={}", flow.local, transport.uri_param()),
    }
}
