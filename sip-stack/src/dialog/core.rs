//! What every leg needs: the transaction layer, timers, randomness, and the writing of messages.

use std::collections::VecDeque;
use std::time::Duration;

use ahash::AHashMap;
use bytes::Bytes;

use super::command::{Body, HeaderField, Reply};
use super::config::EndpointConfig;
use super::event::Event;
use super::leg::{Leg, Phase, Remote, Timer};
use crate::auth::DigestClient;
use crate::flow::{Flow, Transmit};
use crate::message::{HeaderName, Message, MessageWriter, Method, reason_phrase, response_to};
use crate::slab::Key;
use crate::time::{Entropy, Now, TimerWheel};
use crate::transaction::{self, ClientKey, Full, Layer, Outgoing, ServerKey, new_branch};

/// Max-Forwards of requests that begin here (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: u32 = 70;
/// The methods that are acted on (RFC 3261 §20.5).
pub const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, SUBSCRIBE, REGISTER";
/// The media type of session descriptions.
pub(crate) const SDP: &str = "application/sdp";

/// What a fired timer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alarm {
    Leg(Key, Timer),
    /// A request that the switch has not answered.
    Request(ServerKey),
}

/// A request of ours before its Via and credentials are known.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) routes: Vec<String>,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    /// Our Contact URI, where the method has one.
    pub(crate) contact: Option<String>,
    pub(crate) max_forwards: u32,
    pub(crate) headers: Vec<HeaderField>,
    pub(crate) authorization: Vec<(HeaderName, String)>,
    pub(crate) body: Option<Body>,
    pub(crate) flow: Flow,
}

/// What a client transaction is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// The first INVITE.
    Invite,
    ReInvite,
    Update,
    /// PRACK in the early dialog with this tag.
    Prack(String),
    Bye,
    /// A request of the switch inside a leg.
    InDialog(u64),
    /// A request of the switch outside of any dialog.
    OutOfDialog(u64),
}

/// A client transaction.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) leg: Option<Key>,
    pub(crate) purpose: Purpose,
    /// To build it again; dropped once a 2xx to an INVITE came.
    pub(crate) draft: Option<Box<Draft>>,
    /// Challenges answered so far.
    pub(crate) attempts: u32,
    /// Of requests outside of legs.
    pub(crate) digest: Option<Box<DigestClient>>,
    /// Sent before the ACK of our 2xx: the peer may not know the dialog yet.
    pub(crate) is_early: bool,
}

impl Pending {
    /// The method by which the peer can tell that the dialog is gone.
    pub(crate) fn usage(&self) -> Option<Method> {
        let draft = self.draft.as_ref().filter(|_| !self.is_early);
        draft.map(|draft| draft.method.clone())
    }
}

/// The shared part of all legs.
pub(crate) struct Core {
    pub(crate) config: EndpointConfig,
    pub(crate) layer: Layer,
    pub(crate) tx: transaction::Outbox,
    pub(crate) events: VecDeque<Event>,
    pub(crate) wheel: TimerWheel<Alarm>,
    pub(crate) clients: AHashMap<ClientKey, Pending>,
    /// Legs by an INVITE of the peer that has no final response.
    pub(crate) invites: AHashMap<ServerKey, Key>,
    pub(crate) entropy: Box<dyn Entropy + Send>,
    /// The time of the input at hand.
    pub(crate) now: Now,
    /// The value of Supported.
    pub(crate) supported: String,
    /// The same in our re-INVITEs and UPDATEs, whose provisional responses nobody awaits (RFC 3262 §3).
    pub(crate) supported_within: String,
}

impl Core {
    pub(crate) fn arm(&mut self, leg: &mut Leg, timer: Timer, after: Duration) {
        self.disarm(leg, timer);
        let token = self.wheel.arm(self.now + after, Alarm::Leg(leg.key, timer));
        if let Some(slot) = leg.timers.get_mut(timer as usize) {
            *slot = Some(token);
        }
    }

    pub(crate) fn disarm(&mut self, leg: &mut Leg, timer: Timer) {
        if let Some(token) = leg.timers.get_mut(timer as usize).and_then(Option::take) {
            self.wheel.disarm(token);
        }
    }

    pub(crate) fn disarm_all(&mut self, leg: &mut Leg) {
        for token in leg.timers.iter_mut().filter_map(Option::take) {
            self.wheel.disarm(token);
        }
    }

    /// Tells the switch something about a leg it still sees.
    pub(crate) fn emit(&mut self, leg: &Leg, event: Event) {
        if leg.is_attached {
            self.events.push_back(event);
        }
    }

    /// Tells the switch the last thing about a leg.
    pub(crate) fn emit_last(&mut self, leg: &mut Leg, event: Event) {
        self.emit(leg, event);
        leg.is_attached = false;
    }

    pub(crate) fn transmit(&mut self, bytes: Bytes, flow: Flow) {
        self.tx.transmits.push(Transmit { bytes, flow });
    }

    /// A request in the dialog with the remote in use.
    pub(crate) fn draft(leg: &mut Leg, method: Method) -> Draft {
        let cseq = leg.next_cseq();
        let remote = leg.remote.clone();
        Self::draft_to(leg, &remote, method, cseq)
    }

    /// A request in the dialog with one of several remotes.
    pub(crate) fn draft_to(leg: &Leg, remote: &Remote, method: Method, cseq: u32) -> Draft {
        let (uri, routes) = remote.routes.apply(&remote.target);
        Draft {
            method,
            uri,
            routes,
            from: leg.local.clone(),
            to: leg.to(remote),
            call_id: leg.call_id.clone(),
            cseq,
            contact: None,
            max_forwards: MAX_FORWARDS,
            headers: Vec::new(),
            authorization: Vec::new(),
            body: None,
            flow: leg.next_hop(remote),
        }
    }

    /// The octets of a request under this branch.
    pub(crate) fn write(&self, draft: &Draft, branch: &str) -> Bytes {
        let mut writer = MessageWriter::request(&draft.method, &draft.uri);
        let flow = &draft.flow;
        let via =
            format!("SIP/2.0/{} {};branch={branch};rport", flow.transport.via_token(), flow.local);
        writer.header(HeaderName::Via, via);
        writer.header(HeaderName::MaxForwards, draft.max_forwards);
        for route in &draft.routes {
            writer.header(HeaderName::Route, route);
        }
        writer.header(HeaderName::From, &draft.from);
        writer.header(HeaderName::To, &draft.to);
        writer.header(HeaderName::CallId, &draft.call_id);
        writer.header(HeaderName::CSeq, format_args!("{} {}", draft.cseq, draft.method));
        if let Some(contact) = &draft.contact {
            writer.header(HeaderName::Contact, super::text::own_contact(contact));
        }
        if !self.config.user_agent.is_empty() {
            writer.header(HeaderName::UserAgent, &self.config.user_agent);
        }
        if matches!(draft.method, Method::Invite | Method::Update) {
            self.capabilities(&mut writer);
        }
        for (name, value) in &draft.authorization {
            writer.header(*name, value);
        }
        for (name, value) in &draft.headers {
            writer.header_named(name, value);
        }
        match &draft.body {
            Some((content_type, body)) => writer.finish(Some(content_type), body),
            None => writer.finish(None, b""),
        }
    }

    /// Allow and Allow-Events; Supported differs between messages.
    pub(crate) fn capabilities(&self, writer: &mut MessageWriter) {
        writer.header(HeaderName::Allow, ALLOW);
        if !self.config.allow_events.is_empty() {
            writer.header(HeaderName::AllowEvents, self.config.allow_events.join(", "));
        }
    }

    /// Sends a request of a leg in a client transaction.
    pub(crate) fn send(
        &mut self,
        leg: &mut Leg,
        mut draft: Draft,
        purpose: Purpose,
        attempts: u32,
    ) -> Result<ClientKey, Full> {
        if let Some(digest) = &mut leg.digest {
            let body = draft.body.as_ref().map_or(&b""[..], |(_, body)| body);
            draft.authorization =
                digest.authorize(&draft.method, &draft.uri, body, &mut *self.entropy);
        }
        if purpose == Purpose::Invite
            && let Some(outbound) = &mut leg.outbound
        {
            outbound.authorization.clone_from(&draft.authorization);
        }
        let key = self.start(&draft)?;
        leg.pending += 1;
        let pending = Pending {
            leg: Some(leg.key),
            purpose,
            draft: Some(Box::new(draft)),
            attempts,
            digest: None,
            is_early: leg.unacknowledged.is_some(),
        };
        self.clients.insert(key, pending);
        Ok(key)
    }

    /// Gives a request to the transaction layer.
    pub(crate) fn start(&mut self, draft: &Draft) -> Result<ClientKey, Full> {
        let branch = new_branch(&mut *self.entropy);
        let bytes = self.write(draft, &branch);
        let outgoing = Outgoing { bytes, method: draft.method.clone(), branch, flow: draft.flow };
        self.layer.request(self.now, outgoing, &mut self.tx)
    }

    /// Starts a response of ours: what is copied from the request, Server, the reply's headers.
    pub(crate) fn response(&self, request: &Message, reply: &Reply, tag: &str) -> MessageWriter {
        let reason = match reply.reason.as_str() {
            "" => reason_phrase(reply.status),
            reason => reason,
        };
        let mut writer = response_to(request, reply.status, reason, Some(tag));
        if !self.config.user_agent.is_empty() {
            writer.header(HeaderName::Server, &self.config.user_agent);
        }
        for (name, value) in &reply.headers {
            writer.header_named(name, value);
        }
        writer
    }

    /// Sends a response in its server transaction.
    pub(crate) fn respond(&mut self, key: ServerKey, status: u16, bytes: &Bytes) {
        if status >= 200 {
            self.invites.remove(&key);
        }
        // A stranger's request leaves no state behind (RFC 3261 §8.2.7).
        let is_challenge = matches!(status, 401 | 407);
        if !(is_challenge && self.layer.refuse(key, bytes, &mut self.tx)) {
            self.layer.respond(self.now, key, status, bytes, &mut self.tx);
        }
    }

    /// Sends a response without body.
    pub(crate) fn reply(&mut self, key: ServerKey, request: &Message, reply: &Reply, tag: &str) {
        let bytes = self.response(request, reply, tag).finish(None, b"");
        self.respond(key, reply.status, &bytes);
    }

    /// 500 with a Retry-After between 0 and 10 s (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(crate) fn reply_later(&mut self, key: ServerKey, request: &Message, tag: &str) {
        let seconds = self.entropy.below(11).to_string();
        let reply = Reply::new(500).header("Retry-After", seconds);
        self.reply(key, request, &reply, tag);
    }

    /// A tag of 128 random bits (SEC-40).
    pub(crate) fn tag(&mut self) -> String {
        self.entropy.token()
    }

    /// Ends everything that goes on in a leg but its client transactions.
    pub(crate) fn close(&mut self, leg: &mut Leg) {
        self.disarm_all(leg);
        let tag = leg.local_tag.clone();
        if leg.phase == Phase::Ringing
            && let Some(inbound) = &leg.inbound
        {
            self.reply(inbound.key, &inbound.message, &Reply::new(487), &tag);
        }
        if let Some(theirs) = leg.theirs.take() {
            self.reply(theirs.key, &theirs.message, &Reply::new(487), &tag);
        }
        if let Some(key) = leg.ours.take().and_then(|ours| ours.invite) {
            // If the peer never answers our re-INVITE, its CANCEL bounds the wait.
            self.layer.cancel(self.now, key, &[], &mut self.tx);
        }
        leg.phase = Phase::Closed;
        leg.is_attached = false;
        leg.inbound = None;
        leg.outbound = None;
        leg.unacknowledged = None;
        leg.queued = None;
        leg.others = Vec::new();
        leg.local_sdp = None;
        leg.remote_sdp = None;
    }

    /// Sends BYE and ends the leg.
    pub(crate) fn bye(&mut self, leg: &mut Leg, headers: Vec<HeaderField>) {
        let mut draft = Self::draft(leg, Method::Bye);
        draft.headers = headers;
        self.close(leg);
        // At the ceiling of transactions the peer's own session timer has to find out.
        let _ = self.send(leg, draft, Purpose::Bye, 0);
    }
}
