//! The peer's INVITE: provisionals, our 2xx and its ACK, refusals.
//!
//! RFC 3261 §13.3 and §14.2, RFC 3262 §3, RFC 6337.

use std::time::Duration;

use bytes::Bytes;

use super::command::{HeaderField, Reply};
use super::core::{Core, SDP};
use super::event::{EndCause, Event};
use super::invite_client::reason;
use super::leg::{Leg, Phase, Timer, Unacknowledged};
use super::reliability::Outstanding;
use super::session_timer::TooSmall;
use super::text;
use crate::header::RAck;
use crate::message::{HeaderName, Message, MessageWriter, Method};
use crate::transaction::ServerKey;

/// How often a provisional is repeated while the callee rings (RFC 3261 §13.3.1.1).
const PATIENCE: Duration = Duration::from_secs(60);

/// A 2xx to an INVITE or UPDATE of the peer.
pub(crate) struct Acceptance<'a> {
    pub(crate) key: ServerKey,
    pub(crate) request: &'a Message,
    pub(crate) sdp: Option<Bytes>,
    pub(crate) headers: &'a [HeaderField],
}

impl Core {
    /// Sends a provisional response: reliably if the caller insists, or if it understands that and
    /// the response carries our offer.
    pub(crate) fn progress(&mut self, leg: &mut Leg, reply: Reply, sdp: Option<Bytes>) {
        let Some(inbound) = &mut leg.inbound else { return };
        if leg.phase != Phase::Ringing
            || inbound.withheld.is_some()
            || !(101..200).contains(&reply.status)
        {
            return;
        }
        let is_offer = inbound.offer.is_none() && !inbound.is_offer_done;
        let is_reliable = inbound.provisionals.is_required
            || (inbound.provisionals.is_supported && sdp.is_some() && is_offer);
        if is_reliable {
            inbound.provisionals.queue(reply, sdp);
            self.send_reliable(leg);
        } else {
            // RFC 3262 §5: an offer in an unreliable provisional would be lost.
            let sdp = sdp.filter(|_| !is_offer);
            self.send_unreliable(leg, &reply, sdp.as_ref());
        }
        self.arm(leg, Timer::Patience, PATIENCE);
    }

    fn send_unreliable(&mut self, leg: &mut Leg, reply: &Reply, sdp: Option<&Bytes>) {
        let Some(inbound) = &leg.inbound else { return };
        let mut writer = self.response_in_dialog(leg, &inbound.message, reply);
        let bytes = match sdp {
            Some(sdp) => writer.finish(Some(SDP), sdp),
            None => writer.finish(None, b""),
        };
        self.respond(inbound.key, reply.status, &bytes);
        if let Some(inbound) = &mut leg.inbound {
            inbound.last = Some((reply.status, bytes));
        }
    }

    /// Sends the next reliable provisional unless one waits for its PRACK.
    fn send_reliable(&mut self, leg: &mut Leg) {
        let Some(inbound) = &mut leg.inbound else { return };
        let Some((reply, sdp)) = inbound.provisionals.next() else { return };
        let rseq = inbound.provisionals.take_rseq();
        // One answer is enough: later provisionals do not repeat it (RFC 6337 §3.1.1).
        let has_said_session = inbound.is_answered || inbound.is_offer_done;
        let sdp = sdp.filter(|_| !has_said_session && inbound.late_offer.is_none());
        if let Some(sdp) = &sdp {
            if inbound.offer.is_some() {
                inbound.is_answered = true;
                leg.local_sdp = Some(sdp.clone());
                leg.remote_sdp.clone_from(&inbound.offer);
            } else {
                inbound.late_offer = Some(sdp.clone());
            }
        }
        let (key, message) = (inbound.key, inbound.message.clone());
        let status = reply.status;
        let reply = reply.header("Require", "100rel").header("RSeq", rseq.to_string());
        let mut writer = self.response_in_dialog(leg, &message, &reply);
        let bytes = match &sdp {
            Some(sdp) => writer.finish(Some(SDP), sdp),
            None => writer.finish(None, b""),
        };
        self.respond(key, status, &bytes);
        let timers = self.config.timers;
        if let Some(inbound) = &mut leg.inbound {
            inbound.provisionals.outstanding = Some(Outstanding {
                rseq,
                status,
                bytes,
                has_session: sdp.is_some(),
                interval: timers.t1,
                give_up: self.now + timers.give_up(),
            });
        }
        self.arm(leg, Timer::Reliable, timers.t1);
    }

    /// The PRACK for the outstanding reliable provisional did not come yet.
    pub(crate) fn on_reliable_timer(&mut self, leg: &mut Leg) {
        if leg.phase != Phase::Ringing {
            return;
        }
        let Some(inbound) = &mut leg.inbound else { return };
        let Some(outstanding) = &mut inbound.provisionals.outstanding else { return };
        if self.now >= outstanding.give_up {
            // RFC 3262 §3: the INVITE should be rejected with a 5xx.
            let (key, message) = (inbound.key, inbound.message.clone());
            let tag = leg.local_tag.clone();
            self.reply(key, &message, &Reply::new(504), &tag);
            leg.phase = Phase::Closed;
            self.emit_last(leg, Event::Ended { leg: leg.id(), cause: EndCause::Gone(504) });
            return self.close(leg);
        }
        // RFC 3262 §3: doubling without the ceiling T2.
        outstanding.interval = outstanding.interval.saturating_mul(2);
        let wait = outstanding.interval.min(outstanding.give_up - self.now);
        let (key, status, bytes) = (inbound.key, outstanding.status, outstanding.bytes.clone());
        self.respond(key, status, &bytes);
        self.arm(leg, Timer::Reliable, wait);
    }

    /// A minute of ringing has passed without a response of ours.
    pub(crate) fn on_patience_timer(&mut self, leg: &mut Leg) {
        let Some(inbound) = &mut leg.inbound else { return };
        if leg.phase != Phase::Ringing {
            return;
        }
        if inbound.provisionals.is_required {
            if inbound.provisionals.outstanding.is_none() {
                inbound.provisionals.queue(Reply::new(180), None);
                self.send_reliable(leg);
            }
        } else if let Some((status, bytes)) = inbound.last.clone() {
            self.respond(inbound.key, status, &bytes);
        }
        self.arm(leg, Timer::Patience, PATIENCE);
    }

    /// A PRACK of the peer; the RAck names our response by RSeq and the INVITE's CSeq.
    pub(crate) fn on_prack(&mut self, leg: &mut Leg, key: ServerKey, message: &Message) {
        let tag = leg.local_tag.clone();
        let rack = message.header(HeaderName::RAck).and_then(|value| RAck::parse(value).ok());
        let matching = match (&mut leg.inbound, rack) {
            (Some(inbound), Some(rack)) => {
                rack.cseq.method == Method::Invite
                    && rack.cseq.number == text::cseq(&inbound.message)
                    && inbound.provisionals.acknowledge(rack.rseq)
            }
            _ => false,
        };
        if !matching {
            return self.reply(key, message, &Reply::new(481), &tag);
        }
        self.disarm(leg, Timer::Reliable);
        let sdp = text::session(message);
        let late_offer = leg.inbound.as_mut().and_then(|inbound| inbound.late_offer.take());
        match (late_offer, sdp) {
            (Some(offer), Some(answer)) => {
                self.reply(key, message, &Reply::new(200), &tag);
                leg.local_sdp = Some(offer);
                leg.remote_sdp = Some(answer.clone());
                if let Some(inbound) = &mut leg.inbound {
                    inbound.is_offer_done = true;
                }
                let event = Event::OfferAnswered {
                    leg: leg.id(),
                    sdp: Some(answer),
                    message: message.clone(),
                };
                self.emit(leg, event);
            }
            (Some(_), None) => {
                // RFC 3262 §5: the answer to an offer in a provisional belongs into its PRACK.
                self.reply(key, message, &Reply::new(200), &tag);
                return self.fail_without_answer(leg);
            }
            (None, Some(offer)) => return self.on_offer_in_prack(leg, key, message, offer),
            (None, None) => self.reply(key, message, &Reply::new(200), &tag),
        }
        self.after_prack(leg);
    }

    /// What waited for the PRACK: the next provisional, the withheld 2xx, an offer of ours.
    pub(crate) fn after_prack(&mut self, leg: &mut Leg) {
        if leg.phase != Phase::Ringing {
            return;
        }
        let may_answer = leg
            .inbound
            .as_ref()
            .is_some_and(|inbound| !inbound.provisionals.has_unacknowledged_session());
        let withheld = leg.inbound.as_mut().filter(|_| may_answer);
        if let Some((sdp, headers)) = withheld.and_then(|inbound| inbound.withheld.take()) {
            return self.answer(leg, sdp, headers);
        }
        self.send_reliable(leg);
        self.flush_offer(leg);
    }

    /// The peer never gave the answer that our late offer needs: 488.
    fn fail_without_answer(&mut self, leg: &mut Leg) {
        let tag = leg.local_tag.clone();
        if let (Phase::Ringing, Some(inbound)) = (leg.phase, &leg.inbound) {
            self.reply(inbound.key, &inbound.message, &Reply::new(488), &tag);
            leg.phase = Phase::Closed;
        }
        self.emit_last(leg, Event::Ended { leg: leg.id(), cause: EndCause::Gone(488) });
        self.close(leg);
    }

    /// Answers the first INVITE with 200, or as soon as the PRACK for our SDP is there.
    pub(crate) fn answer(&mut self, leg: &mut Leg, sdp: Bytes, headers: Vec<HeaderField>) {
        let Some(inbound) = &mut leg.inbound else { return };
        if leg.phase != Phase::Ringing {
            return;
        }
        // RFC 3262 §3: no 2xx while a reliable provisional with SDP is unacknowledged.
        if inbound.provisionals.has_unacknowledged_session() {
            inbound.withheld = Some((sdp, headers));
            return;
        }
        inbound.provisionals.stop();
        let (key, message) = (inbound.key, inbound.message.clone());
        let is_negotiated = inbound.is_answered || inbound.is_offer_done;
        let is_late = inbound.offer.is_none() && !is_negotiated;
        let offer = inbound.offer.clone();
        for timer in [Timer::Reliable, Timer::Patience, Timer::InviteExpires] {
            self.disarm(leg, timer);
        }
        leg.phase = Phase::Confirmed;
        leg.assertion.begin(&headers);
        let (sent, late_offer) = match (is_negotiated, is_late) {
            (true, _) => {
                // RFC 6337 §3.1.1: what was said reliably is not said again. A different session
                // takes an offer of its own after the ACK.
                if leg.local_sdp.as_ref() != Some(&sdp) {
                    leg.queued = Some(sdp);
                }
                (None, None)
            }
            (false, true) => (Some(sdp.clone()), Some(sdp)),
            (false, false) => {
                leg.local_sdp = Some(sdp.clone());
                leg.remote_sdp = offer;
                (Some(sdp), None)
            }
        };
        let acceptance = Acceptance { key, request: &message, sdp: sent, headers: &headers };
        self.accept_invite(leg, acceptance, late_offer, true);
    }

    /// Sends a 2xx to an INVITE and repeats it until its ACK comes.
    pub(crate) fn accept_invite(
        &mut self,
        leg: &mut Leg,
        acceptance: Acceptance<'_>,
        offer: Option<Bytes>,
        is_first: bool,
    ) {
        let (key, cseq) = (acceptance.key, text::cseq(acceptance.request));
        let bytes = self.accept(leg, &acceptance);
        let timers = self.config.timers;
        leg.unacknowledged = Some(Unacknowledged {
            cseq,
            response: bytes,
            interval: timers.t1,
            give_up: self.now + timers.give_up(),
            offer,
            is_first,
            key,
        });
        self.arm(leg, Timer::Accepted, timers.t1);
    }

    /// Sends a 2xx with the session timer it agrees to (RFC 4028 §9).
    pub(crate) fn accept(&mut self, leg: &mut Leg, acceptance: &Acceptance<'_>) -> Bytes {
        let mut reply = Reply::new(200);
        reply.headers.extend_from_slice(acceptance.headers);
        // A request with too small an interval was refused when it came.
        if let Ok(Some(agreed)) = leg.session.negotiate(acceptance.request) {
            leg.session.agree(agreed);
            reply = reply.header("Session-Expires", agreed.header());
            if agreed.has_peer_timer {
                reply = reply.header("Require", "timer");
            }
        }
        let mut writer = self.response_in_dialog(leg, acceptance.request, &reply);
        let bytes = match &acceptance.sdp {
            Some(sdp) => writer.finish(Some(SDP), sdp),
            None => writer.finish(None, b""),
        };
        self.respond(acceptance.key, 200, &bytes);
        self.watch_session(leg);
        bytes
    }

    /// Starts a response that names our Contact and capabilities.
    fn response_in_dialog(&self, leg: &Leg, request: &Message, reply: &Reply) -> MessageWriter {
        let mut writer = self.response(request, reply, &leg.local_tag);
        writer.header(HeaderName::Contact, text::own_contact(&leg.contact));
        self.capabilities(&mut writer);
        writer.header(HeaderName::Supported, &self.supported);
        writer
    }

    /// The ACK for our 2xx did not come yet (RFC 3261 §13.3.1.4; over any transport).
    pub(crate) fn on_accepted_timer(&mut self, leg: &mut Leg) {
        let t2 = self.config.timers.t2;
        let Some(sent) = &mut leg.unacknowledged else { return };
        if self.now >= sent.give_up {
            let headers = leg.release.take().map(|release| release.reason_headers);
            self.emit_last(leg, Event::Ended { leg: leg.id(), cause: EndCause::NoAck });
            return self.bye(leg, headers.unwrap_or_else(|| vec![reason(408)]));
        }
        sent.interval = sent.interval.saturating_mul(2).min(t2);
        let wait = sent.interval.min(sent.give_up - self.now);
        let (key, bytes) = (sent.key, sent.response.clone());
        self.respond(key, 200, &bytes);
        self.arm(leg, Timer::Accepted, wait);
    }

    /// An ACK of the peer in this dialog.
    pub(crate) fn on_ack(&mut self, leg: &mut Leg, message: &Message) {
        let cseq = text::cseq(message);
        let sent = match leg.unacknowledged.take() {
            Some(sent) if sent.cseq == cseq => sent,
            other => {
                leg.unacknowledged = other;
                return;
            }
        };
        self.disarm(leg, Timer::Accepted);
        let sdp = text::session(message);
        if leg.phase == Phase::Leaving {
            let headers = leg.release.take().map(|release| release.reason_headers);
            return self.bye(leg, headers.unwrap_or_default());
        }
        let has_offer = sent.offer.is_some();
        if has_offer && sdp.is_some() {
            leg.local_sdp = sent.offer;
            leg.remote_sdp.clone_from(&sdp);
        }
        let sdp = sdp.filter(|_| has_offer);
        if sent.is_first {
            if has_offer && sdp.is_none() {
                // RFC 3261 §13.2.1: the ACK must carry the answer; without it there is no session.
                self.emit_last(leg, Event::Ended { leg: leg.id(), cause: EndCause::Gone(488) });
                return self.bye(leg, vec![reason(488)]);
            }
            leg.inbound = None;
            self.emit(leg, Event::Confirmed { leg: leg.id(), sdp });
        } else if has_offer {
            let event = match sdp {
                Some(sdp) => {
                    Event::OfferAnswered { leg: leg.id(), sdp: Some(sdp), message: message.clone() }
                }
                None => Event::OfferRefused { leg: leg.id(), status: 488 },
            };
            self.emit(leg, event);
        }
        self.flush_offer(leg);
    }

    /// A later request proves that our 2xx arrived although its ACK was lost (RFC 5407 §3.1).
    pub(crate) fn take_as_acknowledged(&mut self, leg: &mut Leg) {
        let Some(sent) = leg.unacknowledged.take() else { return };
        self.disarm(leg, Timer::Accepted);
        if sent.is_first {
            leg.inbound = None;
            self.emit(leg, Event::Confirmed { leg: leg.id(), sdp: None });
        }
    }

    /// Refuses the first INVITE; the leg is gone.
    pub(crate) fn reject(&mut self, leg: &mut Leg, reply: &Reply) {
        let Some(inbound) = &leg.inbound else { return };
        if leg.phase != Phase::Ringing {
            return;
        }
        let (key, message, tag) = (inbound.key, inbound.message.clone(), leg.local_tag.clone());
        let mut writer = self.response(&message, reply, &tag);
        if reply.status == 405 {
            self.capabilities(&mut writer);
        }
        let bytes = writer.finish(None, b"");
        self.respond(key, reply.status, &bytes);
        leg.phase = Phase::Closed;
        self.close(leg);
    }

    /// The caller takes its INVITE back: its CANCEL came, or its Expires passed.
    pub(crate) fn on_cancelled(&mut self, leg: &mut Leg, message: &Message) {
        let event = Event::Cancelled { leg: leg.id(), message: message.clone() };
        self.emit_last(leg, event);
        // Answers 487 (RFC 3261 §9.2).
        self.close(leg);
    }

    /// 422 with our Min-SE (RFC 4028 §9).
    pub(crate) fn refuse_interval(
        &mut self,
        key: ServerKey,
        message: &Message,
        too_small: TooSmall,
        tag: &str,
    ) {
        let reply = Reply::new(422).header("Min-SE", too_small.min_se_s.to_string());
        self.reply(key, message, &reply, tag);
    }
}
