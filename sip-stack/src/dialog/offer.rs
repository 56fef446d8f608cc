//! Offers after the first: ours by re-INVITE and UPDATE, the peer's, and what happens when they
//! meet.
//!
//! RFC 3261 §14, RFC 3311 §5, RFC 6337 §3.4, RFC 5407.

use std::time::Duration;

use bytes::Bytes;

use super::command::Reply;
use super::core::{Core, Purpose, SDP};
use super::event::{EndCause, Event, OfferVia};
use super::invite_client::{ALERTING, reason};
use super::invite_server::Acceptance;
use super::leg::{Leg, OurOffer, Phase, TheirOffer, Timer};
use super::text;
use crate::header::RetryAfter;
use crate::message::{HeaderName, Message, Method};
use crate::transaction::{ClientKey, ServerKey};

/// Most tries of one offer of ours: glare, Retry-After and 422 together.
const MAX_TRIES: u8 = 10;
/// Longest Retry-After of a 500 that is waited for (RFC 3261 §14.2: up to 10 s).
const MAX_RETRY_AFTER_S: u32 = 10;

impl Core {
    /// The switch offers a new session. False if the leg cannot take one: an offer of ours is in
    /// flight, or the early dialog has not got that far.
    pub(crate) fn offer(&mut self, leg: &mut Leg, sdp: Bytes) -> bool {
        match &mut leg.ours {
            // RFC 3261 §14.1: whether the change is still wanted is decided after the wait.
            Some(ours) if !ours.is_in_flight => {
                if ours.is_refresh {
                    leg.queued = Some(sdp);
                } else {
                    ours.sdp = Some(sdp);
                }
                return true;
            }
            Some(ours) if !ours.is_refresh => return false,
            _ => {}
        }
        let may_wait = match leg.phase {
            Phase::Confirmed => true,
            Phase::Calling | Phase::Ringing => {
                leg.is_early_negotiated() && leg.peer.allows(&Method::Update)
            }
            _ => false,
        };
        if may_wait {
            leg.queued = Some(sdp);
            self.flush_offer(leg);
        }
        may_wait
    }

    /// Sends the waiting offer, and who is at our end, if that may be now.
    pub(crate) fn flush_offer(&mut self, leg: &mut Leg) {
        if leg.queued.is_some() && leg.may_offer() {
            let sdp = leg.queued.take();
            self.send_offer(leg, OurOffer::new(sdp, false));
        }
        self.flush_assertion(leg);
    }

    /// Sends a re-INVITE or UPDATE.
    pub(crate) fn send_offer(&mut self, leg: &mut Leg, mut ours: OurOffer) {
        let is_update = ours.sdp.is_none() || leg.phase != Phase::Confirmed;
        let (method, purpose) = if is_update {
            (Method::Update, Purpose::Update)
        } else {
            (Method::Invite, Purpose::ReInvite)
        };
        let mut draft = Self::draft(leg, method);
        draft.contact = Some(leg.contact.clone());
        draft.headers.push(("Supported".to_owned(), self.supported_within.clone()));
        for (name, value) in leg.session.request_headers() {
            draft.headers.push((name.to_owned(), value));
        }
        draft.headers.extend(leg.assertion.take());
        draft.body = ours.sdp.clone().map(|sdp| (SDP.to_owned(), sdp));
        ours.is_in_flight = true;
        ours.tries += 1;
        leg.ours = Some(ours);
        match self.send(leg, draft, purpose, 0) {
            Err(_) => self.offer_failed(leg, 503),
            Ok(key) if !is_update => {
                self.reinvite_sent(leg, key);
                self.arm(leg, Timer::Alerting, ALERTING);
            }
            Ok(_) => {}
        }
    }

    /// Remembers the transaction of our re-INVITE, the first or one with credentials.
    pub(crate) fn reinvite_sent(&mut self, leg: &mut Leg, key: ClientKey) {
        if let Some(ours) = &mut leg.ours {
            ours.invite = Some(key);
        }
    }

    /// The peer only ever says "wait" to our re-INVITE: takes it back.
    pub(crate) fn on_offer_too_long(&mut self, leg: &mut Leg) {
        if let Some(key) = leg.ours.as_ref().and_then(|ours| ours.invite) {
            self.layer.cancel(self.now, key, &[], &mut self.tx);
        }
    }

    /// The final response to our re-INVITE or UPDATE; challenges are dealt with before.
    pub(crate) fn on_offer_response(&mut self, leg: &mut Leg, message: &Message, is_invite: bool) {
        let status = message.status().unwrap_or(500);
        let is_success = (200..300).contains(&status);
        if is_success && is_invite {
            // Also when the leg is over by now: every 2xx gets its ACK.
            self.acknowledge(leg, text::cseq(message), None);
        }
        let Some(mut ours) = leg.ours.take() else { return };
        ours.invite = None;
        if is_invite {
            self.disarm(leg, Timer::Alerting);
        }
        match status {
            200..=299 => self.offer_answered(leg, ours, message),
            491 => {
                let wait = self.glare_wait(leg.is_uac);
                self.try_again(leg, ours, wait, status);
            }
            500 => match retry_after(message) {
                Some(wait) => self.try_again(leg, ours, wait, status),
                None => self.refused_offer(leg, ours, status),
            },
            422 if leg.session.raise(message) => {
                self.try_again(leg, ours, Duration::ZERO, status);
            }
            408 | 481 => {
                leg.ours = Some(ours);
                self.offer_failed(leg, status);
            }
            _ => self.refused_offer(leg, ours, status),
        }
    }

    fn offer_answered(&mut self, leg: &mut Leg, ours: OurOffer, message: &Message) {
        leg.remote.refresh(message);
        leg.peer.learn(message);
        leg.session.on_answer(message);
        if matches!(leg.phase, Phase::Confirmed) {
            self.watch_session(leg);
        }
        let answer = text::session(message);
        let has_changed = answer.is_some() && leg.remote_sdp != answer;
        if let (Some(sdp), Some(answer)) = (&ours.sdp, &answer) {
            leg.local_sdp = Some(sdp.clone());
            leg.agree_remote(answer.clone());
        }
        if !ours.is_refresh || (ours.sdp.is_some() && has_changed) {
            let event =
                Event::OfferAnswered { leg: leg.id(), sdp: answer, message: message.clone() };
            self.emit(leg, event);
        }
        self.flush_offer(leg);
    }

    /// Our re-INVITE or UPDATE got no answer (408) or could not be sent (503).
    pub(crate) fn offer_failed(&mut self, leg: &mut Leg, status: u16) {
        let Some(ours) = leg.ours.take() else { return };
        if leg.phase == Phase::Confirmed {
            self.disarm(leg, Timer::Alerting);
        }
        if matches!(status, 408 | 481) && leg.phase == Phase::Confirmed {
            return self.dialog_lost(leg, status);
        }
        self.refused_offer(leg, ours, status);
    }

    /// The peer does not know the dialog any more, or does not answer in it (RFC 3261 §12.2.1.2,
    /// RFC 5057): BYE, in case it does.
    pub(crate) fn dialog_lost(&mut self, leg: &mut Leg, status: u16) {
        if leg.phase != Phase::Confirmed {
            return;
        }
        self.emit_last(leg, Event::Ended { leg: leg.id(), cause: EndCause::Gone(status) });
        self.bye(leg, vec![reason(status)]);
    }

    fn refused_offer(&mut self, leg: &mut Leg, ours: OurOffer, status: u16) {
        if ours.is_refresh {
            // RFC 4028 §7.4: the call goes on, and the peer still waits for the refresh (§10).
            if let Some(wait) = leg.session.retry_after() {
                self.arm(leg, Timer::Refresh, wait);
            }
        } else {
            self.emit(leg, Event::OfferRefused { leg: leg.id(), status });
        }
        self.flush_offer(leg);
    }

    fn try_again(&mut self, leg: &mut Leg, mut ours: OurOffer, wait: Duration, status: u16) {
        if ours.tries >= MAX_TRIES {
            return self.refused_offer(leg, ours, status);
        }
        ours.is_in_flight = false;
        leg.ours = Some(ours);
        self.arm(leg, Timer::Glare, wait);
    }

    /// RFC 3261 §14.1: 2.1 to 4 s for the owner of the Call-ID, 0 to 2 s for the other, in steps
    /// of 10 ms.
    fn glare_wait(&mut self, is_owner: bool) -> Duration {
        let (floor_ms, steps) = if is_owner { (2100, 191) } else { (0, 201) };
        Duration::from_millis(floor_ms + 10 * self.entropy.below(steps))
    }

    /// The wait is over: sends our offer again, unless the peer's came meanwhile.
    pub(crate) fn on_glare_timer(&mut self, leg: &mut Leg) {
        let Some(ours) = leg.ours.take() else { return };
        if leg.may_offer() {
            self.send_offer(leg, ours);
        } else {
            leg.ours = Some(ours);
            let wait = self.glare_wait(leg.is_uac);
            self.arm(leg, Timer::Glare, wait.max(Duration::from_millis(10)));
        }
    }

    /// A re-INVITE of the peer.
    pub(crate) fn on_reinvite(&mut self, leg: &mut Leg, key: ServerKey, message: &Message) {
        let tag = leg.local_tag.clone();
        let is_behind = leg.phase == Phase::Ringing || leg.theirs.is_some();
        if is_behind {
            // RFC 3261 §14.2: the former one is not answered yet.
            return self.reply_later(key, message, &tag);
        }
        let reinvites =
            leg.ours.as_ref().is_some_and(|ours| ours.is_in_flight && ours.sdp.is_some());
        if reinvites || leg.has_open_offer() || leg.phase != Phase::Confirmed {
            return self.reply(key, message, &Reply::new(491), &tag);
        }
        if let Err(too_small) = leg.session.negotiate(message) {
            return self.refuse_interval(key, message, too_small, &tag);
        }
        self.take_as_acknowledged(leg);
        leg.remote.refresh(message);
        leg.peer.learn(message);
        let sdp = text::session(message);
        if sdp.is_some() && sdp == leg.remote_sdp && leg.local_sdp.is_some() {
            // RFC 4028 §7.4: a refresh; nothing to ask the switch for.
            let sdp = leg.local_sdp.clone();
            let acceptance = Acceptance { key, request: message, sdp, headers: &[] };
            return self.accept_invite(leg, acceptance, None, false);
        }
        self.ask(leg, TheirOffer { key, message: message.clone(), via: OfferVia::ReInvite, sdp });
    }

    /// An UPDATE of the peer.
    pub(crate) fn on_update(&mut self, leg: &mut Leg, key: ServerKey, message: &Message) {
        let tag = leg.local_tag.clone();
        if let Err(too_small) = leg.session.negotiate(message) {
            return self.refuse_interval(key, message, too_small, &tag);
        }
        let sdp = text::session(message);
        if sdp.is_some() {
            // RFC 3311 §5.2.
            if leg.owes_answer() {
                return self.reply_later(key, message, &tag);
            }
            if leg.has_open_offer() {
                return self.reply(key, message, &Reply::new(491), &tag);
            }
        }
        leg.remote.refresh(message);
        leg.peer.learn(message);
        let is_refresh = sdp.is_none() || (sdp == leg.remote_sdp && leg.local_sdp.is_some());
        if is_refresh {
            let sdp = sdp.and_then(|_| leg.local_sdp.clone());
            self.accept(leg, &Acceptance { key, request: message, sdp, headers: &[] });
            return;
        }
        self.ask(leg, TheirOffer { key, message: message.clone(), via: OfferVia::Update, sdp });
    }

    /// A PRACK of the peer that carries a new offer (RFC 3262 §5).
    pub(crate) fn on_offer_in_prack(
        &mut self,
        leg: &mut Leg,
        key: ServerKey,
        message: &Message,
        sdp: Bytes,
    ) {
        if leg.phase != Phase::Ringing || leg.owes_answer() || leg.has_open_offer() {
            let tag = leg.local_tag.clone();
            self.reply(key, message, &Reply::new(488), &tag);
            return self.after_prack(leg);
        }
        let via = OfferVia::Prack;
        self.ask(leg, TheirOffer { key, message: message.clone(), via, sdp: Some(sdp) });
    }

    fn ask(&mut self, leg: &mut Leg, theirs: TheirOffer) {
        let event = Event::Offer {
            leg: leg.id(),
            message: theirs.message.clone(),
            sdp: theirs.sdp.clone(),
            via: theirs.via,
        };
        leg.theirs = Some(theirs);
        self.emit(leg, event);
    }

    /// The switch answers the peer's offer, or gives the offer that a re-INVITE asked for.
    pub(crate) fn accept_offer(&mut self, leg: &mut Leg, sdp: Bytes) {
        if leg.phase == Phase::Answering {
            return self.answer_in_ack(leg, sdp);
        }
        let Some(theirs) = leg.theirs.take() else { return };
        let late_offer = theirs.sdp.is_none().then(|| sdp.clone());
        if theirs.sdp.is_some() {
            leg.local_sdp = Some(sdp.clone());
        }
        if let Some(offer) = &theirs.sdp {
            leg.agree_remote(offer.clone());
        }
        let acceptance = Acceptance {
            key: theirs.key,
            request: &theirs.message,
            sdp: Some(sdp.clone()),
            headers: &[],
        };
        match theirs.via {
            OfferVia::ReInvite => self.accept_invite(leg, acceptance, late_offer, false),
            OfferVia::Update => {
                self.accept(leg, &acceptance);
            }
            OfferVia::Prack => {
                let tag = leg.local_tag.clone();
                let mut writer = self.response(&theirs.message, &Reply::new(200), &tag);
                let bytes = writer.finish(Some(SDP), &sdp);
                self.respond(theirs.key, 200, &bytes);
                self.after_prack(leg);
            }
        }
        self.flush_offer(leg);
    }

    /// The switch refuses the peer's offer; the session stays as it was (RFC 3261 §14.2).
    pub(crate) fn refuse_offer(&mut self, leg: &mut Leg, reply: &Reply) {
        if leg.phase == Phase::Answering {
            let cseq = leg.outbound.as_ref().map_or(0, |outbound| outbound.cseq);
            self.acknowledge(leg, cseq, None);
            return self.bye(leg, vec![reason(reply.status)]);
        }
        let Some(theirs) = leg.theirs.take() else { return };
        let tag = leg.local_tag.clone();
        self.reply(theirs.key, &theirs.message, reply, &tag);
        if theirs.via == OfferVia::Prack {
            self.after_prack(leg);
        }
        self.flush_offer(leg);
    }

    /// The peer takes its re-INVITE back (RFC 3261 §9.2).
    pub(crate) fn on_reinvite_cancelled(&mut self, leg: &mut Leg) {
        let Some(theirs) = leg.theirs.take() else { return };
        let tag = leg.local_tag.clone();
        self.reply(theirs.key, &theirs.message, &Reply::new(487), &tag);
        self.emit(leg, Event::OfferWithdrawn { leg: leg.id() });
        self.flush_offer(leg);
    }
}

/// The wait that a 500 asks for, if it is one of RFC 3261 §14.2.
fn retry_after(message: &Message) -> Option<Duration> {
    let value = RetryAfter::parse(message.header(HeaderName::RetryAfter)?).ok()?;
    (value.seconds <= MAX_RETRY_AFTER_S).then(|| Duration::from_secs(u64::from(value.seconds)))
}
