//! Our INVITE: attempts, provisionals with PRACK, forks, the ACK of every 2xx.
//!
//! RFC 3261 §13.2 and §9.1, RFC 3262 §4, RFC 3263 §4.3, RFC 5407.

use std::time::Duration;

use bytes::Bytes;

use super::command::{HeaderField, Release, Reply};
use super::core::{Core, Draft, Purpose, SDP};
use super::event::{Event, RefusalSource};
use super::leg::{Leg, MAX_ACKS, Phase, Remote, StoredAck, Timer};
use super::text;
use crate::flow::{Flow, Transmit};
use crate::message::{HeaderName, Message, Method, reason_phrase};
use crate::transaction::{Full, new_branch};

/// Timer C: how long a callee may ring without any sign (RFC 3261 §16.6 asks for over 3 min).
pub(crate) const ALERTING: Duration = Duration::from_secs(200);
/// Most answers to 422 for one INVITE.
const MAX_RAISES: u8 = 3;

impl Core {
    /// Sends the INVITE of a leg, for the first time or again with a new CSeq.
    pub(crate) fn send_invite(&mut self, leg: &mut Leg, attempts: u32) -> Result<(), Full> {
        let Some(outbound) = &leg.outbound else { return Ok(()) };
        let invite = &outbound.invite;
        let mut supported: Vec<&str> = Vec::new();
        if invite.hundred_rel && invite.sdp.is_some() {
            supported.push("100rel");
        }
        if invite.session_timer {
            supported.push("timer");
        }
        supported.extend(self.config.extensions.iter().map(String::as_str));
        let mut headers = Vec::new();
        if !supported.is_empty() {
            headers.push(("Supported".to_owned(), supported.join(", ")));
        }
        for (name, value) in leg.session.request_headers() {
            headers.push((name.to_owned(), value));
        }
        headers.extend(invite.headers.iter().cloned());
        leg.assertion.begin(&invite.headers);
        let mut draft = Draft {
            method: Method::Invite,
            uri: invite.request_uri.clone(),
            routes: invite.route.clone(),
            from: leg.local.clone(),
            to: leg.remote_uri.clone(),
            call_id: leg.call_id.clone(),
            cseq: 0,
            contact: Some(leg.contact.clone()),
            max_forwards: invite.max_forwards,
            headers,
            authorization: Vec::new(),
            body: invite.sdp.clone().map(|sdp| (SDP.to_owned(), sdp)),
            flow: leg.flow,
        };
        draft.cseq = leg.next_cseq();
        let cseq = draft.cseq;
        let key = self.send(leg, draft, Purpose::Invite, attempts)?;
        if let Some(outbound) = &mut leg.outbound {
            outbound.key = Some(key);
            outbound.cseq = cseq;
        }
        leg.others.clear();
        let request_uri = leg.outbound.as_ref().map(|outbound| outbound.invite.request_uri.clone());
        leg.remote = Remote::new(String::new(), request_uri.unwrap_or_default());
        self.arm(leg, Timer::Alerting, ALERTING);
        Ok(())
    }

    /// A provisional response to our INVITE.
    pub(crate) fn on_provisional(&mut self, leg: &mut Leg, message: &Message) {
        let status = message.status().unwrap_or(100);
        if status == 100 || leg.phase != Phase::Calling {
            return;
        }
        self.arm(leg, Timer::Alerting, ALERTING);
        let tag = text::to_tag(message);
        if tag.is_empty() {
            // RFC 3261 §12.1: without tag there is no dialog, only a sign of life.
            let sdp = text::session(message);
            let event = Event::Progress { leg: leg.id(), status, message: message.clone(), sdp };
            return self.emit(leg, event);
        }
        if !leg.select_or_add(&tag) {
            return;
        }
        leg.peer.learn(message);
        let is_reliable = text::has_token(message, HeaderName::Require, "100rel");
        if leg.remote.rseq.is_none() {
            leg.remote.establish(message);
        }
        let sdp = text::session(message);
        if is_reliable && !self.acknowledge_provisional(leg, message) {
            return;
        }
        if let Some(answer) = &sdp
            && leg.outbound.as_ref().is_some_and(|outbound| outbound.invite.sdp.is_some())
            && !leg.remote.is_answer_reliable
        {
            leg.remote.answer = Some(answer.clone());
            leg.remote.is_answer_reliable = is_reliable;
        }
        leg.remote_sdp = leg.remote.answer.clone().filter(|_| leg.remote.is_answer_reliable);
        let event = Event::Progress { leg: leg.id(), status, message: message.clone(), sdp };
        self.emit(leg, event);
        self.flush_offer(leg);
    }

    /// Sends PRACK for a reliable provisional; false if it is an echo or out of order and must be
    /// ignored (RFC 3262 §4).
    fn acknowledge_provisional(&mut self, leg: &mut Leg, message: &Message) -> bool {
        let Some(rseq) = text::number(message, HeaderName::RSeq) else { return false };
        let is_next = leg.remote.rseq.is_none_or(|last| rseq == last.wrapping_add(1));
        let is_lost = leg.remote.has_lost_prack && leg.remote.rseq == Some(rseq);
        if !is_next && !is_lost {
            return false;
        }
        leg.remote.rseq = Some(rseq);
        leg.remote.has_lost_prack = false;
        let mut draft = Self::draft(leg, Method::Prack);
        let rack = format!("{rseq} {} INVITE", text::cseq(message));
        draft.headers.push(("RAck".to_owned(), rack));
        if self.send(leg, draft, Purpose::Prack(leg.remote.tag.clone()), 0).is_err() {
            leg.remote.has_lost_prack = true;
        }
        is_next
    }

    /// The final response to a PRACK of ours.
    pub(crate) fn on_prack_response(&mut self, leg: &mut Leg, tag: &str, status: u16) {
        // 481: the peer has what it wanted. Anything else: its next repetition asks again.
        if (200..300).contains(&status) || status == 481 {
            return;
        }
        let remotes = std::iter::once(&mut leg.remote).chain(&mut leg.others);
        if let Some(remote) = remotes.into_iter().find(|remote| remote.tag == tag) {
            remote.has_lost_prack = true;
        }
    }

    /// The first 2xx to our INVITE.
    pub(crate) fn on_success(&mut self, leg: &mut Leg, message: &Message, flow: Flow) {
        let tag = text::to_tag(message);
        if !leg.select_or_add(&tag) {
            // More early dialogs than we remember: the answer counts, not the memory.
            leg.others.clear();
            leg.remote = Remote::new(tag, leg.remote.target.clone());
        }
        leg.others.clear();
        leg.peer.learn(message);
        leg.remote.establish(message);
        leg.flow.connection = flow.connection.or(leg.flow.connection);
        self.disarm(leg, Timer::Alerting);
        let cseq = text::cseq(message);
        let is_wanted = leg.phase == Phase::Calling;
        let offer = leg.outbound.as_ref().and_then(|outbound| outbound.invite.sdp.clone());
        let has_offer = offer.is_some();
        let sdp = self.final_session(leg, message);
        if !is_wanted {
            // RFC 3261 §9.1: our CANCEL crossed the 2xx.
            self.acknowledge(leg, cseq, None);
            let headers = leg.release.take().map(|release| release.reason_headers);
            return self.bye(leg, headers.unwrap_or_default());
        }
        if sdp.is_none() {
            // RFC 3264 §4: without answer (or offer) there is no session.
            self.acknowledge(leg, cseq, None);
            let event = Event::Refused {
                leg: leg.id(),
                status: 488,
                message: Some(message.clone()),
                reason: RefusalSource::Response,
            };
            self.emit_last(leg, event);
            return self.bye(leg, vec![reason(488)]);
        }
        leg.session.on_answer(message);
        if has_offer {
            leg.phase = Phase::Confirmed;
            if leg.local_sdp.is_none() {
                leg.local_sdp = offer;
            }
            leg.remote_sdp.clone_from(&sdp);
            self.acknowledge(leg, cseq, None);
            leg.outbound = None;
            self.watch_session(leg);
        } else {
            leg.phase = Phase::Answering;
            leg.remote.answer.clone_from(&sdp);
        }
        let event = Event::Answered { leg: leg.id(), message: message.clone(), sdp };
        self.emit(leg, event);
        self.flush_offer(leg);
    }

    /// The session description of the peer that counts when a 2xx came: a reliable answer stands
    /// (RFC 6337 §3), otherwise that of the 2xx, and if it has none the one of its provisional.
    fn final_session(&self, leg: &Leg, message: &Message) -> Option<Bytes> {
        match text::session(message) {
            Some(sdp) if !leg.remote.is_answer_reliable => Some(sdp),
            _ => leg.remote.answer.clone(),
        }
    }

    /// The switch answers the offer in the 2xx to our INVITE: ACK.
    pub(crate) fn answer_in_ack(&mut self, leg: &mut Leg, sdp: Bytes) {
        let Some(outbound) = &leg.outbound else { return };
        let cseq = outbound.cseq;
        leg.phase = Phase::Confirmed;
        leg.local_sdp = Some(sdp.clone());
        leg.remote_sdp = leg.remote.answer.take();
        self.acknowledge(leg, cseq, Some(sdp));
        leg.outbound = None;
        self.watch_session(leg);
        self.flush_offer(leg);
    }

    /// Sends the ACK for a 2xx in the dialog in use and keeps it (RFC 3261 §13.2.2.4).
    pub(crate) fn acknowledge(&mut self, leg: &mut Leg, cseq: u32, sdp: Option<Bytes>) {
        let mut draft = Self::draft_to(leg, &leg.remote, Method::Ack, cseq);
        draft.body = sdp.map(|sdp| (SDP.to_owned(), sdp));
        if let Some(outbound) = &leg.outbound {
            draft.authorization.clone_from(&outbound.authorization);
        }
        let branch = new_branch(&mut *self.entropy);
        let bytes = self.write(&draft, &branch);
        self.transmit(bytes.clone(), draft.flow);
        if leg.acks.len() >= MAX_ACKS {
            leg.acks.pop_front();
        }
        let transmit = Transmit { bytes, flow: draft.flow };
        leg.acks.push_back(StoredAck { cseq, tag: leg.remote.tag.clone(), transmit });
    }

    /// A 2xx to an INVITE of ours that had one before: its echo, or the answer of another fork.
    pub(crate) fn on_further_success(&mut self, leg: &mut Leg, message: &Message, is_first: bool) {
        let (tag, cseq) = (text::to_tag(message), text::cseq(message));
        if let Some(ack) = leg.acks.iter().find(|ack| ack.cseq == cseq && ack.tag == tag) {
            let transmit = ack.transmit.clone();
            self.tx.transmits.push(transmit);
            return;
        }
        let is_known = leg.remote.tag == tag;
        if is_known || !is_first || leg.acks.len() >= MAX_ACKS {
            return;
        }
        // RFC 3261 §13.2.2.4: another fork answered, too: ACK, then BYE.
        let target = leg.remote.target.clone();
        let mut fork = Remote::new(tag, target);
        fork.establish(message);
        let chosen = std::mem::replace(&mut leg.remote, fork);
        self.acknowledge(leg, cseq, None);
        let mut draft = Self::draft(leg, Method::Bye);
        draft.headers.push(reason(200));
        let _ = self.send(leg, draft, Purpose::Bye, 0);
        leg.remote = chosen;
    }

    /// A refusal of our INVITE; challenges are dealt with before.
    pub(crate) fn on_refusal(&mut self, leg: &mut Leg, message: &Message) {
        let status = message.status().unwrap_or(500);
        if leg.phase == Phase::Calling {
            if status == 422
                && self.raise_interval(leg, message)
                && self.send_invite(leg, 0).is_ok()
            {
                return;
            }
            if status == 503 && self.try_next(leg) {
                return;
            }
        }
        self.refused(leg, status, Some(message.clone()), RefusalSource::Response);
    }

    fn raise_interval(&mut self, leg: &mut Leg, message: &Message) -> bool {
        let Some(outbound) = &mut leg.outbound else { return false };
        outbound.raises += 1;
        outbound.raises <= MAX_RAISES && leg.session.raise(message)
    }

    /// Nobody answered our INVITE, or it could not be sent.
    pub(crate) fn on_invite_lost(&mut self, leg: &mut Leg, reason: RefusalSource) {
        if leg.phase == Phase::Calling && self.try_next(leg) {
            return;
        }
        let status = if reason == RefusalSource::Timeout { 408 } else { 503 };
        self.refused(leg, status, None, reason);
    }

    /// Sends the INVITE to the next destination, if there is one (RFC 3263 §4.3).
    fn try_next(&mut self, leg: &mut Leg) -> bool {
        let next = leg.outbound.as_mut().and_then(|outbound| outbound.alternatives.pop_front());
        let Some(flow) = next else { return false };
        leg.flow = flow;
        self.send_invite(leg, 0).is_ok()
    }

    pub(crate) fn refused(
        &mut self,
        leg: &mut Leg,
        status: u16,
        message: Option<Message>,
        reason: RefusalSource,
    ) {
        let event = Event::Refused { leg: leg.id(), status, message, reason };
        self.emit_last(leg, event);
        self.close(leg);
    }

    /// Timer C fired: the callee has been silent for too long.
    pub(crate) fn on_alerting_too_long(&mut self, leg: &mut Leg) {
        let event = Event::Refused {
            leg: leg.id(),
            status: 408,
            message: None,
            reason: RefusalSource::Timeout,
        };
        self.emit_last(leg, event);
        self.cancel(leg, vec![reason(408)]);
    }

    /// Takes our INVITE back; its final response is tidied away when it comes.
    pub(crate) fn cancel(&mut self, leg: &mut Leg, headers: Vec<HeaderField>) {
        self.disarm_all(leg);
        leg.phase = Phase::Cancelling;
        leg.is_attached = false;
        leg.queued = None;
        leg.ours = None;
        if let Some(theirs) = leg.theirs.take() {
            let tag = leg.local_tag.clone();
            self.reply(theirs.key, &theirs.message, &Reply::new(487), &tag);
        }
        let key = leg.outbound.as_ref().and_then(|outbound| outbound.key);
        let known: Vec<(HeaderName, String)> = headers
            .iter()
            .map(|(name, value)| (HeaderName::parse(name), value.clone()))
            .filter(|(name, _)| *name != HeaderName::Other)
            .collect();
        leg.release = Some(Release { reason_headers: headers, ..Release::default() });
        match key {
            Some(key) => {
                self.layer.cancel(self.now, key, &known, &mut self.tx);
            }
            None => self.close(leg),
        }
    }
}

/// A Reason header of the SIP protocol (RFC 3326).
pub(crate) fn reason(status: u16) -> HeaderField {
    let text = match status {
        200 => "Call completed elsewhere",
        status => reason_phrase(status),
    };
    ("Reason".to_owned(), format!("SIP;cause={status};text=\"{text}\""))
}
