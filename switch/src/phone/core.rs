//! The phone as a state machine: registration, calls, hold, and what its user decided beforehand.

mod codec;
mod event;
mod request;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use media::Security;
use sip_stack::auth::ClientCredentials;
use sip_stack::endpoint::{
    EndCause, Endpoint, EndpointConfig, Event, HeaderField, Invite, LegId, LegView, OutOfDialog,
    Outbox, Release, Reply,
};
use sip_stack::flow::{Received, Transmit, Transport};
use sip_stack::message::{HeaderName, Message, Method};
use sip_stack::sdp::{
    Direction, Incompatible, LocalDescription, RelayMedia, Session, answer_locally, full_offer,
    is_hold,
};
use sip_stack::time::{Entropy, Now};

pub use self::event::{Behaviour, HoldSpelling, PhoneConfig, PhoneEvent};
use super::watch::Watch;
use crate::call::protection::{Protection, Secret, security};

#[derive(Debug)]
struct Talk {
    description: LocalDescription,
    protection: Protection,
    remote: Option<Session>,
    is_answered: bool,
    /// What the user wants: kept through offers of the far side (RFC 6337 §5.3).
    wish: Direction,
    /// The wish before the last offer of ours, in case that is refused.
    last_wish: Direction,
}

impl Talk {
    fn new(
        (description, protection): (LocalDescription, Protection),
        remote: Option<Session>,
    ) -> Talk {
        let (wish, last_wish) = (Direction::SendRecv, Direction::SendRecv);
        Talk { description, protection, remote, is_answered: false, wish, last_wish }
    }

    /// Writes an offer of ours.
    fn offer(&mut self, mut session: Session) -> Result<Bytes, Incompatible> {
        let (former, remote) = (self.description.session(), self.remote.as_ref());
        self.protection.protect_offer(&mut session, former, remote)?;
        Ok(self.description.write(session))
    }

    /// Writes our answer to an offer, or an offer where there is none: what `full` says, as far as the
    /// offer allows it.
    fn answer(
        &mut self,
        offer: Option<&Session>,
        full: Session,
        directions: &[Direction],
    ) -> Result<Bytes, Incompatible> {
        let Some(offer) = offer else { return self.offer(full) };
        let mut offer = offer.clone();
        self.protection.screen_offer(&mut offer)?;
        let mut answer = answer_locally(&offer, &full, directions)?;
        let former = self.description.session();
        self.protection.protect_answer(&offer, &mut answer, former);
        Ok(self.description.write(answer))
    }

    fn wish_for(&mut self, direction: Direction) {
        self.last_wish = std::mem::replace(&mut self.wish, direction);
    }
}

/// The phone; see the module's text.
pub struct PhoneCore {
    pub(super) config: PhoneConfig,
    pub(super) endpoint: Endpoint,
    pub(super) out: Outbox,
    talks: HashMap<LegId, Talk>,
    pub(super) watches: HashMap<LegId, Watch>,
    pub(super) next_watch: u64,
    pub(super) events: VecDeque<PhoneEvent>,
    register_cseq: u32,
    register_call_id: String,
    next_session: u64,
    attached: Vec<HeaderField>,
}

const REGISTER_TOKEN: u64 = 1;
const INFO_TOKEN: u64 = 2;
const REFER_TOKEN: u64 = 3;
const OTHER_TOKEN: u64 = 4;

impl PhoneCore {
    /// A phone that has done nothing yet.
    pub fn new(config: PhoneConfig, mut entropy: Box<dyn Entropy + Send>) -> PhoneCore {
        let allow_events = if config.behaviour.obeys_events {
            vec!["talk".to_owned(), "hold".to_owned()]
        } else {
            Vec::new()
        };
        let register_call_id = format!("{:016x}@phone", entropy.next_u64());
        let next_session = entropy.next_u64() >> 16;
        let endpoint_config = EndpointConfig {
            user_agent: "Strowger-Phone".to_owned(),
            allow_events,
            extensions: Vec::new(),
            ..EndpointConfig::default()
        };
        PhoneCore {
            config,
            endpoint: Endpoint::new(endpoint_config, entropy),
            out: Outbox::new(),
            talks: HashMap::new(),
            watches: HashMap::new(),
            next_watch: 0,
            events: VecDeque::new(),
            register_cseq: 0,
            register_call_id,
            next_session,
            attached: Vec::new(),
        }
    }

    /// The next INVITE, 180, 200, refusal, BYE or INFO carries this header field.
    pub fn attach(&mut self, name: &str, value: &str) {
        self.attached.push((name.to_owned(), value.to_owned()));
    }

    /// Sends INFO without a body inside a call; what is attached goes with it.
    pub fn inform(&mut self, now: Now, leg: LegId) {
        let request = sip_stack::endpoint::InDialogRequest {
            method: Method::Info,
            headers: std::mem::take(&mut self.attached),
            body: None,
            token: OTHER_TOKEN,
        };
        self.endpoint.request_in_dialog(now, leg, request, &mut self.out);
    }

    fn with_attached(&mut self, reply: Reply) -> Reply {
        let fields = std::mem::take(&mut self.attached).into_iter();
        fields.fold(reply, |reply, (name, value)| reply.header(name, value))
    }

    fn note_user_info(&mut self, leg: LegId, message: &Message) {
        if let Some(value) = message.header(HeaderName::UserToUser) {
            self.events.push_back(PhoneEvent::UserInfo { leg, value: value.to_owned() });
        }
    }

    /// What the phone does by itself; may be changed at any time.
    pub fn behaviour(&mut self) -> &mut Behaviour {
        &mut self.config.behaviour
    }

    /// Its number.
    pub fn number(&self) -> &str {
        &self.config.number
    }

    /// Registers its Contact for `expires`; zero takes the binding away.
    pub fn register(&mut self, now: Now, expires: Duration) {
        // A challenged REGISTER is sent again with the next CSeq.
        self.register_cseq += 2;
        let aor = self.address(&self.config.number);
        let request = OutOfDialog {
            method: Method::Register,
            request_uri: format!("sip:{}", self.config.domain),
            from: aor.clone(),
            to: aor,
            contact: Some(self.contact()),
            call_id: Some(self.register_call_id.clone()),
            cseq: Some(self.register_cseq),
            destination: self.config.flow,
            route: Vec::new(),
            headers: vec![("Expires".to_owned(), expires.as_secs().to_string())],
            body: None,
            credentials: Some(self.credentials()),
        };
        self.endpoint.request(now, request, REGISTER_TOKEN, &mut self.out);
    }

    /// Calls a number; `None` when the phone has no room for another call.
    pub fn call(&mut self, now: Now, number: &str) -> Option<LegId> {
        let own = self.config.number.clone();
        self.call_with(now, (&own, number), Vec::new())
    }

    /// Calls a number in the name of another one: a shared line that the phone's line is a member of.
    pub fn call_as(&mut self, now: Now, own: &str, number: &str) -> Option<LegId> {
        self.call_with(now, (own, number), Vec::new())
    }

    /// Takes the place of another phone's dialog: Call-ID, the switch's tag and that phone's tag
    /// (RFC 3891); without tags as Snom's phones do, by the Call-ID alone.
    pub fn call_replacing(
        &mut self,
        now: Now,
        number: &str,
        dialog: (&str, &str, &str),
    ) -> Option<LegId> {
        let (call_id, to_tag, from_tag) = dialog;
        let value = match to_tag {
            "" => call_id.to_owned(),
            _ => format!("{call_id};to-tag={to_tag};from-tag={from_tag}"),
        };
        let own = self.config.number.clone();
        self.call_with(now, (&own, number), vec![("Replaces".to_owned(), value)])
    }

    /// Call-ID, the switch's tag and our tag of a call.
    pub fn dialog(&self, leg: LegId) -> Option<(String, String, String)> {
        let view = self.endpoint.leg(leg)?;
        let (ours, theirs) = (view.local_tag.to_owned(), view.remote_tag.to_owned());
        Some((view.call_id.to_owned(), theirs, ours))
    }

    /// Who the switch says is at the other end: P-Asserted-Identity of its last word on it.
    pub fn connected_to(&self, leg: LegId) -> Option<String> {
        self.endpoint.leg(leg)?.peer_asserted().map(str::to_owned)
    }

    fn call_with(
        &mut self,
        now: Now,
        (own, number): (&str, &str),
        mut headers: Vec<(String, String)>,
    ) -> Option<LegId> {
        headers.append(&mut self.attached);
        let mut talk = Talk::new(self.new_description(), None);
        let sdp = match self.config.behaviour.offers_late {
            true => None,
            false => Some(talk.offer(self.session(Direction::SendRecv)).ok()?),
        };
        let invite = Invite {
            request_uri: format!("sip:{number}@{}", self.config.domain),
            from: self.address(own),
            to: self.address(number),
            contact: self.contact(),
            destination: self.config.flow,
            alternatives: Vec::new(),
            route: Vec::new(),
            max_forwards: 70,
            headers,
            sdp,
            credentials: Some(self.credentials()),
            session_timer: false,
            hundred_rel: self.config.behaviour.hundred_rel,
        };
        let leg = self.endpoint.invite(now, invite, &mut self.out).ok()?;
        self.talks.insert(leg, talk);
        Some(leg)
    }

    /// Answers a ringing call.
    pub fn answer(&mut self, now: Now, leg: LegId) {
        let full = self.session(Direction::SendRecv);
        let Some(talk) = self.talks.get_mut(&leg) else { return };
        let offer = talk.remote.clone();
        let answer = talk.answer(offer.as_ref(), full, &[]);
        let Ok(sdp) = answer else { return self.reject(now, leg, Incompatible::STATUS) };
        talk.is_answered = true;
        let headers = std::mem::take(&mut self.attached);
        self.endpoint.answer(now, leg, sdp, &headers, &mut self.out);
    }

    /// Says how far a call is that is not answered yet: 101–199; with 183 its media begins.
    pub fn progress(&mut self, now: Now, leg: LegId, status: u16) {
        let full = self.session(Direction::SendRecv);
        let talk = self.talks.get_mut(&leg).filter(|_| status == 183);
        let sdp = talk.and_then(|talk| {
            let offer = talk.remote.clone();
            talk.answer(offer.as_ref(), full, &[]).ok()
        });
        let reply = self.with_attached(Reply::new(status));
        self.endpoint.progress(now, leg, &reply, sdp, &mut self.out);
    }

    /// Refuses a ringing call.
    pub fn reject(&mut self, now: Now, leg: LegId, status: u16) {
        self.talks.remove(&leg);
        let reply = self.with_attached(Reply::new(status));
        self.endpoint.reject(now, leg, &reply, &mut self.out);
    }

    /// Sends a ringing call to another number: 302 with a Contact at an address that nobody has.
    pub fn deflect(&mut self, now: Now, leg: LegId, number: &str) {
        self.talks.remove(&leg);
        let reply = Reply::new(302).header("Contact", format!("<sip:{number}@192.0.2.99>;q=0.7"));
        self.endpoint.reject(now, leg, &reply, &mut self.out);
    }

    /// Hangs up: CANCEL, BYE or refusal, as the call stands.
    pub fn hang_up(&mut self, now: Now, leg: LegId) {
        self.talks.remove(&leg);
        let reason_headers = std::mem::take(&mut self.attached);
        let release = Release { reason_headers, ..Release::default() };
        self.endpoint.release(now, leg, release, &mut self.out);
    }

    /// Puts the call on hold by re-INVITE.
    pub fn hold(&mut self, now: Now, leg: LegId, spelling: HoldSpelling) -> bool {
        let direction = match spelling {
            HoldSpelling::SendOnly => Direction::SendOnly,
            HoldSpelling::Inactive | HoldSpelling::ZeroAddress => Direction::Inactive,
        };
        let mut session = self.session(direction);
        if spelling == HoldSpelling::ZeroAddress {
            session.connection = Some(std::net::Ipv4Addr::UNSPECIFIED.into());
            for media in &mut session.media {
                media.direction = None;
                media.connection = None;
            }
        }
        self.offer(now, leg, session, direction)
    }

    /// Takes the call back by re-INVITE.
    pub fn resume(&mut self, now: Now, leg: LegId) -> bool {
        let session = self.session(Direction::SendRecv);
        self.offer(now, leg, session, Direction::SendRecv)
    }

    fn offer(&mut self, now: Now, leg: LegId, session: Session, wish: Direction) -> bool {
        let Some(talk) = self.talks.get_mut(&leg) else { return false };
        let previous = talk.description.session().cloned();
        let Ok(sdp) = talk.offer(session) else { return false };
        let is_taken = self.endpoint.offer(now, leg, sdp, &mut self.out);
        if let (false, Some(previous)) = (is_taken, previous)
            && let Some(talk) = self.talks.get_mut(&leg)
        {
            talk.description.write(previous);
        }
        if let (true, Some(talk)) = (is_taken, self.talks.get_mut(&leg)) {
            talk.wish_for(wish);
        }
        is_taken
    }

    /// How the media of a call is protected.
    pub fn security(&self, leg: LegId) -> Security {
        let Some(talk) = self.talks.get(&leg) else { return Security::Plain };
        let (ours, theirs) = (talk.description.session(), talk.remote.as_ref());
        theirs.map_or(Security::Plain, |theirs| security(ours, theirs, 0))
    }

    /// Whether the phone may send on this call.
    pub fn may_send(&self, leg: LegId) -> bool {
        let Some(talk) = self.talks.get(&leg) else { return false };
        let theirs = talk.remote.as_ref().and_then(|remote| {
            remote.audio().map(|audio| audio.effective_direction(remote).is_receiving())
        });
        let ours = talk.description.session().and_then(|local| {
            local.audio().map(|audio| audio.effective_direction(local).is_sending())
        });
        talk.is_answered && theirs.unwrap_or(false) && ours.unwrap_or(false)
    }

    /// What SIP knows of a call.
    pub fn leg(&self, leg: LegId) -> Option<LegView<'_>> {
        self.endpoint.leg(leg)
    }

    /// Calls that are not over.
    pub fn legs(&self) -> Vec<LegId> {
        self.talks.keys().copied().collect()
    }

    /// Whether nothing is left: no call, no leg, no transaction that waits for an answer.
    pub fn is_at_rest(&self) -> bool {
        self.talks.is_empty() && self.endpoint.leg_count() == 0
    }

    /// A message arrived.
    pub fn receive(&mut self, now: Now, received: Received) {
        self.endpoint.receive(now, received, &mut self.out);
        self.settle(now);
    }

    /// Fires due timers.
    pub fn expire(&mut self, now: Now) {
        self.endpoint.expire(now, &mut self.out);
        self.settle(now);
    }

    /// When [`PhoneCore::expire`] is wanted next.
    pub fn next_deadline(&self) -> Option<Now> {
        self.endpoint.next_deadline()
    }

    /// The next thing to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if self.out.transmits.is_empty() { None } else { Some(self.out.transmits.remove(0)) }
    }

    /// The next thing the user notices.
    pub fn poll_event(&mut self) -> Option<PhoneEvent> {
        self.events.pop_front()
    }

    fn settle(&mut self, now: Now) {
        while let Some(event) = self.out.events.pop_front() {
            self.on_event(now, event);
        }
    }

    fn on_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Response { token: REGISTER_TOKEN, status, .. } => {
                self.events.push_back(PhoneEvent::Registered { status });
            }
            Event::Response { token: REFER_TOKEN, status, .. } if status >= 300 => {
                self.events.push_back(PhoneEvent::TransferRefused { status });
            }
            Event::Response { token: INFO_TOKEN, status, .. } => {
                self.events.push_back(PhoneEvent::InfoAnswered { status });
            }
            Event::Response { token, status, message } => {
                self.on_subscribe_outcome(now, token, status, message.as_ref());
            }
            Event::Request { id, .. } => {
                self.endpoint.respond(now, id, &Reply::new(200), None, &mut self.out);
            }
            Event::Invite { leg, message, offer, .. } => self.on_invite(now, leg, &message, offer),
            Event::Progress { leg, status, sdp, message } => {
                self.note_user_info(leg, &message);
                let has_media = sdp.is_some();
                self.hear(leg, sdp.as_ref());
                self.events.push_back(PhoneEvent::Progress { leg, status, has_media });
            }
            Event::Answered { leg, sdp, message } => {
                self.note_user_info(leg, &message);
                self.on_answered(now, leg, sdp.as_ref());
            }
            Event::Refused { leg, status, message, .. } => {
                message.iter().for_each(|message| self.note_user_info(leg, message));
                self.talks.remove(&leg);
                let reason = message.and_then(|m| m.header(HeaderName::Reason).map(str::to_owned));
                self.events.push_back(PhoneEvent::Failed { leg, status, reason });
            }
            Event::Cancelled { leg, .. } => self.on_over(leg),
            Event::Ended { leg, cause } => {
                if let EndCause::Bye(message) = &cause {
                    self.note_user_info(leg, message);
                }
                self.on_over(leg);
            }
            Event::Confirmed { leg, sdp } => {
                self.hear(leg, sdp.as_ref());
                self.events.push_back(PhoneEvent::Connected { leg });
            }
            Event::Offer { leg, sdp, .. } => self.on_offer(now, leg, sdp.as_ref()),
            Event::OfferAnswered { leg, sdp, .. } => {
                self.hear(leg, sdp.as_ref());
                let direction = self.far_direction(leg);
                self.events.push_back(PhoneEvent::OfferAnswered { leg, direction });
            }
            Event::OfferRefused { leg, status } => {
                self.go_back(leg);
                self.events.push_back(PhoneEvent::OfferRefused { leg, status });
            }
            Event::InDialog { leg, id, message } => self.on_in_dialog(now, leg, id, &message),
            _ => {}
        }
    }

    fn on_over(&mut self, leg: LegId) {
        if self.talks.remove(&leg).is_some() {
            self.events.push_back(PhoneEvent::Ended { leg });
        }
    }

    fn on_invite(&mut self, now: Now, leg: LegId, message: &Message, offer: Option<Bytes>) {
        if let Some(status) = self.config.behaviour.refuses_with {
            return self.endpoint.reject(now, leg, &Reply::new(status), &mut self.out);
        }
        let description = self.new_description();
        let remote = offer.and_then(|sdp| Session::parse(&sdp).ok());
        let full = self.session(Direction::SendRecv);
        if remote.as_ref().is_some_and(|offer| answer_locally(offer, &full, &[]).is_err()) {
            let reply = Reply::new(Incompatible::STATUS);
            return self.endpoint.reject(now, leg, &reply, &mut self.out);
        }
        self.talks.insert(leg, Talk::new(description, remote));
        let from = message.header(HeaderName::From).unwrap_or_default().to_owned();
        self.events.push_back(PhoneEvent::Incoming { leg, from });
        self.note_user_info(leg, message);
        let info = message.header(HeaderName::CallInfo).unwrap_or_default();
        if self.config.behaviour.auto_answers && info.contains("answer-after=0") {
            return self.answer(now, leg);
        }
        if self.config.behaviour.rings {
            let reply = self.with_attached(Reply::new(180));
            self.endpoint.progress(now, leg, &reply, None, &mut self.out);
        }
    }

    fn on_answered(&mut self, now: Now, leg: LegId, sdp: Option<&Bytes>) {
        let full = self.session(Direction::SendRecv);
        self.hear(leg, sdp);
        let Some(talk) = self.talks.get_mut(&leg) else {
            return self.endpoint.release(now, leg, Release::default(), &mut self.out);
        };
        talk.is_answered = true;
        if talk.description.session().is_none() {
            // A late offer: the 2xx carried it, the ACK carries our answer.
            let offer = talk.remote.clone();
            let answer = offer.and_then(|offer| talk.answer(Some(&offer), full, &[]).ok());
            let Some(sdp) = answer else {
                self.talks.remove(&leg);
                let refusal = Reply::new(Incompatible::STATUS);
                self.endpoint.refuse_offer(now, leg, &refusal, &mut self.out);
                return self.events.push_back(PhoneEvent::Ended { leg });
            };
            self.endpoint.accept_offer(now, leg, sdp, &mut self.out);
        }
        self.events.push_back(PhoneEvent::Connected { leg });
    }

    fn on_offer(&mut self, now: Now, leg: LegId, sdp: Option<&Bytes>) {
        let wish = self.talks.get(&leg).map_or(Direction::SendRecv, |talk| talk.wish);
        let full = self.session(wish);
        let offer = sdp.and_then(|sdp| Session::parse(sdp).ok());
        let Some(talk) = self.talks.get_mut(&leg) else { return };
        let Ok(answer) = talk.answer(offer.as_ref(), full, &[wish]) else {
            let refusal = Reply::new(Incompatible::STATUS);
            return self.endpoint.refuse_offer(now, leg, &refusal, &mut self.out);
        };
        self.hear(leg, sdp);
        let Some(talk) = self.talks.get_mut(&leg) else { return };
        let is_held = talk.remote.as_ref().is_some_and(is_hold);
        self.endpoint.accept_offer(now, leg, answer, &mut self.out);
        self.events.push_back(PhoneEvent::Changed { leg, is_held });
    }

    /// A refused offer leaves the session as it was (RFC 3261 §14.1).
    fn go_back(&mut self, leg: LegId) {
        let agreed = self.endpoint.leg(leg).and_then(|view| view.local_sdp);
        let agreed = agreed.and_then(|sdp| Session::parse(sdp).ok());
        if let (Some(talk), Some(agreed)) = (self.talks.get_mut(&leg), agreed) {
            talk.description.write(agreed);
            talk.wish = talk.last_wish;
        }
    }

    fn hear(&mut self, leg: LegId, sdp: Option<&Bytes>) {
        let session = sdp.and_then(|sdp| Session::parse(sdp).ok());
        if let (Some(talk), Some(session)) = (self.talks.get_mut(&leg), session) {
            talk.remote = Some(session);
        }
    }

    fn far_direction(&self, leg: LegId) -> Direction {
        let remote = self.talks.get(&leg).and_then(|talk| talk.remote.as_ref());
        let direction =
            remote.and_then(|remote| remote.audio().map(|audio| audio.effective_direction(remote)));
        direction.unwrap_or(Direction::Inactive)
    }

    fn session(&self, direction: Direction) -> Session {
        let rtp = self.config.rtp;
        let relay = RelayMedia::new(rtp.ip(), rtp.port(), rtp.port().saturating_add(1));
        full_offer(&self.config.behaviour.codecs, relay.with_direction(direction))
    }

    fn new_description(&mut self) -> (LocalDescription, Protection) {
        self.next_session += 1;
        let secret = Secret::root(&self.next_session.to_le_bytes());
        let wishes = self.config.behaviour.srtp;
        let protection = Protection::new(wishes, true, (&secret, self.next_session));
        (LocalDescription::new(self.next_session, self.config.rtp.ip()), protection)
    }

    pub(super) fn address(&self, number: &str) -> String {
        format!("<sip:{number}@{}>", self.config.domain)
    }

    pub(super) fn contact(&self) -> String {
        let (number, flow) = (&self.config.number, &self.config.flow);
        if matches!(flow.transport, Transport::Ws | Transport::Wss) {
            // RFC 7118 §5: a browser knows no address of its own.
            return format!("sip:{number}@{:x}.invalid;transport=ws", flow.local.port());
        }
        crate::call::identity::contact(number, flow)
    }

    pub(super) fn credentials(&self) -> ClientCredentials {
        ClientCredentials {
            username: self.config.number.clone(),
            password: self.config.password.clone(),
        }
    }
}
