//! One leg: an INVITE dialog of ours with everything that is going on in it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::command::{Invite, LegView, Release, TargetPolicy};
use super::event::{LegId, OfferVia};
use super::identity::Assertion;
use super::peer::Peer;
use super::reliability::Provisionals;
use super::route_set::RouteSet;
use super::session_timer::SessionTimer;
use super::text;
use crate::auth::DigestClient;
use crate::flow::{Flow, Transmit, Transport};
use crate::header::CSeq;
use crate::message::{HeaderName, Message, Method};
use crate::slab::Key;
use crate::time::{Now, TimerToken};
use crate::transaction::{ClientKey, ServerKey};

/// Most early dialogs of one forked INVITE; further forks are ignored until they answer.
pub(crate) const MAX_FORKS: usize = 32;
/// Most ACKs kept for repetition: of the forks of the first INVITE and the latest re-INVITEs.
pub(crate) const MAX_ACKS: usize = 40;

/// Where the first INVITE of a leg stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Ours, without final response.
    Calling,
    /// Ours, given up: whatever final response comes is tidied away.
    Cancelling,
    /// Ours, answered by a 2xx with an offer: the ACK waits for our answer.
    Answering,
    /// The peer's, without final response of ours.
    Ringing,
    /// Answered by a 2xx.
    Confirmed,
    /// Released while the ACK for our 2xx is missing: BYE follows the ACK (RFC 3261 §15).
    Leaving,
    /// Over; the last transactions run out.
    Closed,
    /// No INVITE: a subscription, the peer's or ours.
    Subscription,
}

/// The timers of a leg; each runs at most once at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// Timer C (RFC 3261 §16.6): how long the callee may be silent, also about a re-INVITE.
    Alerting,
    /// The next repetition of our 2xx.
    Accepted,
    /// The next repetition of a reliable provisional.
    Reliable,
    /// A provisional is due so that proxies do not lose patience (RFC 3261 §13.3.1.1).
    Patience,
    /// Expires of the peer's INVITE.
    InviteExpires,
    /// Our offer may be sent again.
    Glare,
    /// Our session refresh.
    Refresh,
    /// The peer's session refresh is overdue.
    Expiry,
}

/// How many timers a leg has.
pub(crate) const TIMERS: usize = 8;

/// The other end as one To tag knows it.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) tag: String,
    pub(crate) target: String,
    pub(crate) routes: RouteSet,
    /// The highest CSeq of its requests.
    pub(crate) cseq: Option<u32>,
    /// The last RSeq that we acknowledged.
    pub(crate) rseq: Option<u32>,
    /// The PRACK for that RSeq failed; its repetition is acknowledged again.
    pub(crate) has_lost_prack: bool,
    /// Its answer to the offer in our INVITE.
    pub(crate) answer: Option<Bytes>,
    /// The answer came reliably, so offer/answer is complete (RFC 6337 §2).
    pub(crate) is_answer_reliable: bool,
}

impl Remote {
    pub(crate) fn new(tag: String, target: String) -> Self {
        Self {
            tag,
            target,
            routes: RouteSet::default(),
            cseq: None,
            rseq: None,
            has_lost_prack: false,
            answer: None,
            is_answer_reliable: false,
        }
    }

    /// Takes the remote target from a target refresh (RFC 3261 §12.2); no Contact, no change.
    pub(crate) fn refresh(&mut self, message: &Message) {
        if let Some(target) = text::contact(message) {
            self.target = target;
        }
    }

    /// Takes target and route set from a response that makes the dialog.
    pub(crate) fn establish(&mut self, response: &Message) {
        self.refresh(response);
        self.routes = RouteSet::of_response(text::record_routes(response));
    }

    /// Whether the CSeq rose; remembers it then (RFC 3261 §12.2.2).
    pub(crate) fn accept_cseq(&mut self, number: u32) -> bool {
        let has_risen = self.cseq.is_none_or(|last| number > last);
        if has_risen {
            self.cseq = Some(number);
        }
        has_risen
    }
}

/// Our INVITE while it has no 2xx.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) invite: Invite,
    /// Destinations not tried yet.
    pub(crate) alternatives: VecDeque<Flow>,
    pub(crate) key: Option<ClientKey>,
    /// Its credentials, repeated in the ACK (RFC 3261 §13.2.2.4).
    pub(crate) authorization: Vec<(HeaderName, String)>,
    /// Answers to 422 so far.
    pub(crate) raises: u8,
    /// CSeq of the last attempt.
    pub(crate) cseq: u32,
}

/// The peer's INVITE and what we said to it.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) key: ServerKey,
    pub(crate) message: Message,
    pub(crate) offer: Option<Bytes>,
    pub(crate) provisionals: Provisionals,
    /// Our 2xx, held back until a reliable provisional with SDP is acknowledged.
    pub(crate) withheld: Option<(Bytes, Vec<(String, String)>)>,
    /// Our answer went out reliably.
    pub(crate) is_answered: bool,
    /// Our late offer went out reliably and waits for the PRACK.
    pub(crate) late_offer: Option<Bytes>,
    /// The late offer was answered in a PRACK.
    pub(crate) is_offer_done: bool,
    /// The last unreliable provisional, to be repeated for patience.
    pub(crate) last: Option<(u16, Bytes)>,
}

/// A 2xx of ours that waits for its ACK.
#[derive(Debug)]
pub(crate) struct Unacknowledged {
    pub(crate) cseq: u32,
    pub(crate) response: Bytes,
    pub(crate) interval: Duration,
    pub(crate) give_up: Now,
    /// The 2xx carried our offer; the ACK carries the answer.
    pub(crate) offer: Option<Bytes>,
    /// The 2xx answered the first INVITE.
    pub(crate) is_first: bool,
    pub(crate) key: ServerKey,
}

/// An ACK to be sent again for each repetition of its 2xx.
#[derive(Debug)]
pub(crate) struct StoredAck {
    pub(crate) cseq: u32,
    pub(crate) tag: String,
    pub(crate) transmit: Transmit,
}

/// An offer or a session refresh of ours, in flight or waiting for its next try.
#[derive(Debug)]
pub(crate) struct OurOffer {
    /// `None`: an UPDATE that only refreshes.
    pub(crate) sdp: Option<Bytes>,
    pub(crate) is_refresh: bool,
    pub(crate) tries: u8,
    pub(crate) is_in_flight: bool,
    /// The re-INVITE in flight.
    pub(crate) invite: Option<ClientKey>,
}

impl OurOffer {
    pub(crate) fn new(sdp: Option<Bytes>, is_refresh: bool) -> Self {
        Self { sdp, is_refresh, tries: 0, is_in_flight: false, invite: None }
    }
}

/// An offer of the peer that the switch has not answered.
#[derive(Debug)]
pub(crate) struct TheirOffer {
    pub(crate) key: ServerKey,
    pub(crate) message: Message,
    pub(crate) via: OfferVia,
    pub(crate) sdp: Option<Bytes>,
}

/// One leg.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) key: Key,
    /// The switch sees it; false after its terminal event or its release.
    pub(crate) is_attached: bool,
    pub(crate) is_uac: bool,
    pub(crate) phase: Phase,
    pub(crate) call_id: String,
    /// From of our requests, with tag.
    pub(crate) local: String,
    pub(crate) local_tag: String,
    /// To of our requests, without tag.
    pub(crate) remote_uri: String,
    pub(crate) local_cseq: u32,
    /// The dialog in use: the only one but for a forked INVITE.
    pub(crate) remote: Remote,
    /// The other early dialogs of a forked INVITE.
    pub(crate) others: Vec<Remote>,
    pub(crate) peer: Peer,
    /// Our Contact URI.
    pub(crate) contact: String,
    pub(crate) flow: Flow,
    pub(crate) policy: TargetPolicy,
    /// The peer that called has shown that it reads what we send it: it knows our tag.
    pub(crate) is_proven: bool,
    /// Answers the peer's challenges.
    pub(crate) digest: Option<DigestClient>,
    pub(crate) local_sdp: Option<Bytes>,
    pub(crate) remote_sdp: Option<Bytes>,
    pub(crate) outbound: Option<Box<Outbound>>,
    pub(crate) inbound: Option<Box<Inbound>>,
    pub(crate) unacknowledged: Option<Unacknowledged>,
    pub(crate) acks: VecDeque<StoredAck>,
    pub(crate) ours: Option<OurOffer>,
    pub(crate) theirs: Option<TheirOffer>,
    /// An offer of the switch that waits until one may be sent.
    pub(crate) queued: Option<Bytes>,
    /// Who is at our end.
    pub(crate) assertion: Assertion,
    pub(crate) session: SessionTimer,
    /// How to leave once the ACK is there.
    pub(crate) release: Option<Release>,
    pub(crate) timers: [Option<TimerToken>; TIMERS],
    /// Client transactions that name this leg.
    pub(crate) pending: usize,
}

/// What a new leg is made of.
pub(crate) struct Identity {
    pub(crate) is_uac: bool,
    pub(crate) phase: Phase,
    pub(crate) call_id: String,
    pub(crate) local: String,
    pub(crate) local_tag: String,
    pub(crate) remote_uri: String,
    pub(crate) remote: Remote,
    pub(crate) contact: String,
    pub(crate) flow: Flow,
    pub(crate) session: SessionTimer,
}

impl Leg {
    pub(crate) fn new(key: Key, identity: Identity, first_cseq: u32) -> Self {
        Self {
            key,
            is_attached: true,
            is_uac: identity.is_uac,
            phase: identity.phase,
            call_id: identity.call_id,
            local: identity.local,
            local_tag: identity.local_tag,
            remote_uri: identity.remote_uri,
            local_cseq: first_cseq,
            remote: identity.remote,
            others: Vec::new(),
            peer: Peer::default(),
            contact: identity.contact,
            flow: identity.flow,
            policy: TargetPolicy::default(),
            is_proven: false,
            digest: None,
            local_sdp: None,
            remote_sdp: None,
            outbound: None,
            inbound: None,
            unacknowledged: None,
            acks: VecDeque::new(),
            ours: None,
            theirs: None,
            queued: None,
            assertion: Assertion::default(),
            session: identity.session,
            release: None,
            timers: [None; TIMERS],
            pending: 0,
        }
    }

    pub(crate) fn id(&self) -> LegId {
        LegId(self.key)
    }

    pub(crate) fn next_cseq(&mut self) -> u32 {
        // Half of the range is free above the first number; 2^31 requests outlive no dialog.
        self.local_cseq = self.local_cseq.wrapping_add(1) % CSeq::LIMIT;
        self.local_cseq
    }

    /// To of our requests in the dialog with `remote`.
    pub(crate) fn to(&self, remote: &Remote) -> String {
        if remote.tag.is_empty() {
            self.remote_uri.clone()
        } else {
            format!("{};tag={}", self.remote_uri, remote.tag)
        }
    }

    /// Makes the early dialog with this tag the one in use; false if there is none.
    pub(crate) fn select(&mut self, tag: &str) -> bool {
        if self.remote.tag == tag {
            return true;
        }
        match self.others.iter_mut().find(|other| other.tag == tag) {
            Some(other) => {
                std::mem::swap(&mut self.remote, other);
                true
            }
            None => false,
        }
    }

    /// As [`Leg::select`], making the early dialog if it is new; false at [`MAX_FORKS`].
    pub(crate) fn select_or_add(&mut self, tag: &str) -> bool {
        if self.select(tag) {
            return true;
        }
        if self.remote.tag.is_empty() {
            tag.clone_into(&mut self.remote.tag);
            return true;
        }
        if self.others.len() >= MAX_FORKS {
            return false;
        }
        let target = self.outbound.as_ref().map_or_else(
            || self.remote.target.clone(),
            |outbound| outbound.invite.request_uri.clone(),
        );
        let fresh = Remote::new(tag.to_owned(), target);
        self.others.push(std::mem::replace(&mut self.remote, fresh));
        true
    }

    /// Whether a request or ACK with this remote tag and Call-ID belongs to the leg.
    pub(crate) fn owns(&mut self, message: &Message) -> bool {
        if self.call_id != message.call_id() {
            return false;
        }
        let tag = text::from_tag(message);
        if self.phase == Phase::Subscription && self.is_uac && self.remote.tag.is_empty() {
            // RFC 6665 §4.4.1: a NOTIFY that overtakes the 200 makes the dialog, too.
            self.remote.tag = tag;
            return true;
        }
        if self.phase == Phase::Calling { self.select(&tag) } else { self.remote.tag == tag }
    }

    /// A 2xx to our SUBSCRIBE: the first one makes the dialog unless a NOTIFY has.
    pub(crate) fn subscribed(&mut self, response: &Message) {
        let is_first = self.remote.tag.is_empty();
        if is_first {
            self.remote.tag = text::to_tag(response);
            self.remote.establish(response);
        } else {
            self.remote.refresh(response);
        }
    }

    /// Where a request in the dialog with `remote` is sent.
    pub(crate) fn next_hop(&self, remote: &Remote) -> Flow {
        // Who only pretends a trusted address has not read our tag and sends us nowhere (SEC-48).
        let is_followed = self.policy == TargetPolicy::Target && (self.is_uac || self.is_proven);
        let uri = remote.routes.first_uri().unwrap_or(&remote.target);
        match text::literal_address(uri) {
            Some((transport, address)) if is_followed && self.is_led_to(transport, address) => {
                Flow { remote: address, connection: None, ..self.flow }
            }
            _ => self.flow,
        }
    }

    /// Whether the address that the peer names is to be used, and not the flow.
    fn is_led_to(&self, transport: Option<Transport>, address: SocketAddr) -> bool {
        let Flow { transport: own, remote: heard, connection, .. } = self.flow;
        // A socket of ours for another transport or address family is not known here.
        let is_reachable = transport.is_none_or(|named| named == own)
            && address.is_ipv4() == heard.is_ipv4()
            && address.port() != 0
            && !text::is_beyond(address.ip(), heard.ip());
        let is_same_host = address.ip().to_canonical() == heard.ip().to_canonical();
        // The connection of the same host is used as long as there is one. What the certificate of
        // another host would have to prove is not known.
        let is_bound = is_same_host && connection.is_some() || !is_same_host && own.is_secure();
        is_reachable && address != heard && !is_bound
    }

    /// Whether an offer/answer exchange was completed in the early dialog, so that UPDATE may
    /// carry an offer (RFC 3311 §5.1).
    pub(crate) fn is_early_negotiated(&self) -> bool {
        match self.phase {
            Phase::Calling => self.remote.is_answer_reliable,
            Phase::Ringing => self.inbound.as_ref().is_some_and(|inbound| {
                let is_done = inbound.is_answered || inbound.is_offer_done;
                is_done && !inbound.provisionals.has_unacknowledged_session()
            }),
            _ => false,
        }
    }

    /// Keeps the peer's new session description; before the 2xx it belongs to one fork.
    pub(crate) fn agree_remote(&mut self, sdp: Bytes) {
        if self.phase == Phase::Calling {
            self.remote.answer = Some(sdp.clone());
        }
        self.remote_sdp = Some(sdp);
    }

    /// Whether an offer of ours has no answer yet.
    pub(crate) fn has_open_offer(&self) -> bool {
        let ours = self.ours.as_ref().is_some_and(|ours| ours.is_in_flight && ours.sdp.is_some());
        let in_2xx = self.unacknowledged.as_ref().is_some_and(|sent| sent.offer.is_some());
        let in_invite = self.phase == Phase::Calling && !self.remote.is_answer_reliable;
        let in_provisional =
            self.inbound.as_ref().is_some_and(|inbound| inbound.late_offer.is_some());
        ours || in_2xx || in_invite || in_provisional
    }

    /// Whether an offer of the peer has no answer of ours yet.
    pub(crate) fn owes_answer(&self) -> bool {
        let early = self.phase == Phase::Ringing
            && self.inbound.as_ref().is_some_and(|inbound| {
                !inbound.is_answered && !inbound.is_offer_done && inbound.late_offer.is_none()
            });
        early || self.theirs.is_some() || self.phase == Phase::Answering
    }

    /// Whether a new offer or refresh may be sent now.
    pub(crate) fn may_offer(&self) -> bool {
        let is_free = self.is_attached
            && self.ours.is_none()
            && self.theirs.is_none()
            && self.unacknowledged.is_none();
        is_free
            && match self.phase {
                Phase::Confirmed => true,
                Phase::Calling | Phase::Ringing => {
                    self.is_early_negotiated() && self.peer.allows(&Method::Update)
                }
                _ => false,
            }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Closed && self.pending == 0
    }

    pub(crate) fn view(&self) -> LegView<'_> {
        LegView {
            call_id: &self.call_id,
            local_tag: &self.local_tag,
            remote_tag: &self.remote.tag,
            remote_target: &self.remote.target,
            is_confirmed: matches!(self.phase, Phase::Confirmed | Phase::Answering),
            is_uac: self.is_uac,
            flow: self.flow,
            local_sdp: self.local_sdp.as_ref(),
            remote_sdp: self.remote_sdp.as_ref(),
            peer: &self.peer,
        }
    }
}
