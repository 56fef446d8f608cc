//! Changes of an established call: hold in all spellings, re-offers, the switch's own hold.
//!
//! A hold of a phone is absorbed: the far leg is not touched, its party hears the hold tone. New
//! media travels end to end. Source: sip-mapping §2.9.0, §2.9.3, §5.3, §5.4; RFC 3264 §8.

use bytes::Bytes;
use sip_stack::endpoint::{InDialogRequest, LegId, Release, Reply};
use sip_stack::message::Method;
use sip_stack::sdp::{Direction, Incompatible, Session};
use tapi::constant::{CallFeature, CallState, LineErr};
use tapi::{CallCapability, Mask, ReplyFields, RequestKey};

use super::transcode::refuses_media;
use super::{CallId, ConnectionKey, Origination, Reoffer, Side, Timer, Waiting};
use crate::exchange::Exchange;

/// A phone that was told to answer, hold or resume does so within this time (sip-mapping §2.9.2).
const PHONE_CONTROL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);

impl Exchange {
    /// A re-INVITE, UPDATE or PRACK with an offer, or a re-INVITE that asks for ours.
    pub(crate) fn on_offer(&mut self, leg: LegId, sdp: Option<&Bytes>) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        let Some(sdp) = sdp else { return self.offer_again(id, leg) };
        let Ok(mut offer) = Session::parse(sdp) else { return self.refuse(leg, 400) };
        let Some(call) = self.calls.get_mut(id.0) else { return };
        if let Err(why) = call.end.protection.screen_offer(&mut offer) {
            return self.refuse_media(leg, why);
        }
        if self.is_loop(id, &offer) {
            let refusal = self.loop_refusal();
            return self.endpoint.refuse_offer(self.clock.now, leg, &refusal, &mut self.sip);
        }
        let Some(call) = self.calls.get(id.0) else { return };
        if !call.end.can_answer_alone(&offer) || self.ends_translation(id, &offer) {
            return self.pass_offer_on(id, leg, offer);
        }
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let willing = willing(call.hold.by_switch);
        match call.end.answer_reoffer(offer, willing) {
            Ok(answer) => {
                self.endpoint.accept_offer(self.clock.now, leg, answer, &mut self.sip);
                self.session_changed(id);
            }
            Err(why) => self.refuse_media(leg, why),
        }
    }

    /// The offer needs the far side: it brings media that was not negotiated.
    fn pass_offer_on(&mut self, id: CallId, leg: LegId, offer: Session) {
        let far = self.far(id);
        let far_leg = far.and_then(|far| self.calls.get(far.0)).and_then(|far| far.leg);
        let (Some(far), Some(far_leg)) = (far, far_leg) else {
            return self.refuse_media(leg, lacking(&offer));
        };
        let streams = offer.media.len();
        if self.reserve_ports(id, streams).is_err() || self.reserve_ports(far, streams).is_err() {
            return self.refuse(leg, 503);
        }
        let Some(far_call) = self.calls.get_mut(far.0) else { return };
        let key = far_call.connection;
        let text = match far_call.end.offer_from(&offer) {
            Ok(text) => text,
            Err(why) => return self.refuse_media(leg, why),
        };
        let far_offer = far_call.end.local().cloned();
        if !self.endpoint.offer(self.clock.now, far_leg, text, &mut self.sip) {
            return self.refuse(leg, 491);
        }
        if let (Some(connection), Some(far_offer)) = (self.connections.get_mut(key.0), far_offer) {
            connection.reoffer = Some(Reoffer { from: id, to: far, offer, far_offer });
        }
    }

    /// One of the two whom an offer is about leaves the connection, or its phone does: nobody will answer
    /// it any more. 491 lets the phone that offered try again with whom it talks to by then.
    pub(crate) fn drop_reoffer(&mut self, key: ConnectionKey, gone: CallId) {
        let reoffer = self.connections.get_mut(key.0).and_then(|connection| {
            connection.reoffer.take_if(|reoffer| [reoffer.from, reoffer.to].contains(&gone))
        });
        let leg = reoffer.and_then(|reoffer| self.calls.get(reoffer.from.0)?.leg);
        if let Some(leg) = leg {
            self.refuse(leg, 491);
        }
    }

    /// A re-INVITE without offer: ours is what both sides can do, on hold only if the switch holds.
    fn offer_again(&mut self, id: CallId, leg: LegId) {
        let source = self
            .far(id)
            .and_then(|far| self.calls.get(far.0))
            .and_then(|far| far.end.remote.clone())
            .or_else(|| self.calls.get(id.0).and_then(|call| call.end.remote.clone()));
        let is_transcoded =
            self.calls.get(id.0).is_some_and(|call| self.is_transcoded(call.connection));
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let offer = match source {
            // What it speaks now must be among it.
            Some(source) if is_transcoded => {
                let more = call.end.offer_more_than(&source);
                more.or_else(|| call.end.offer_from(&source).ok())
            }
            Some(source) => call.end.offer_from(&source).ok(),
            None => call.end.offer_everything(),
        };
        match offer {
            Some(offer) => self.endpoint.accept_offer(self.clock.now, leg, offer, &mut self.sip),
            None => self.refuse_media(leg, Incompatible::MediaType),
        }
    }

    /// The peer took its offer back: whatever we asked the far side about it is of no interest.
    pub(crate) fn on_offer_withdrawn(&mut self, leg: LegId) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        let Some(key) = self.calls.get(id.0).map(|call| call.connection) else { return };
        if let Some(connection) = self.connections.get_mut(key.0)
            && connection.reoffer.as_ref().is_some_and(|reoffer| reoffer.from == id)
        {
            connection.reoffer = None;
        }
    }

    /// The answer to an offer of ours.
    pub(crate) fn on_offer_answered(&mut self, leg: LegId, sdp: Option<&Bytes>) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        let answer = self.answer_of(id, sdp);
        let Some(key) = self.calls.get(id.0).map(|call| call.connection) else { return };
        let reoffer = self
            .connections
            .get_mut(key.0)
            .and_then(|connection| connection.reoffer.take_if(|reoffer| reoffer.from != id));
        if let (Some(call), Some(answer)) = (self.calls.get_mut(id.0), &answer) {
            call.end.hear(answer.clone());
        }
        if let Some(reoffer) = reoffer {
            self.finish_reoffer(reoffer, answer);
        }
        self.session_changed(id);
    }

    pub(crate) fn finish_reoffer(&mut self, reoffer: Reoffer, far_answer: Option<Session>) {
        let Some(call) = self.calls.get_mut(reoffer.from.0) else { return };
        let Some(leg) = call.leg else { return };
        let previous = call.end.remote.clone();
        call.end.hear(reoffer.offer);
        let willing = willing(call.hold.by_switch);
        let answer = far_answer
            .and_then(|answer| call.end.answer_from(&answer, &reoffer.far_offer, willing).ok());
        match answer {
            Some(answer) => {
                self.endpoint.accept_offer(self.clock.now, leg, answer, &mut self.sip);
                self.session_changed(reoffer.from);
                self.show_media_mode(reoffer.from);
            }
            None => {
                let refused = std::mem::replace(&mut call.end.remote, previous);
                let why = refused.as_ref().map_or(Incompatible::Formats, lacking);
                self.refuse_media(leg, why);
            }
        }
    }

    /// Our offer was refused: the session is what it was, and so is the other side's.
    pub(crate) fn on_offer_refused(&mut self, leg: LegId, status: u16) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        let Some(key) = self.calls.get(id.0).map(|call| call.connection) else { return };
        let reoffer = self
            .connections
            .get_mut(key.0)
            .and_then(|connection| connection.reoffer.take_if(|reoffer| reoffer.from != id));
        let is_final = refuses_media(status);
        if let Some(call) = self.calls.get_mut(id.0).filter(|_| is_final) {
            call.end.take_back();
        }
        match &reoffer {
            Some(reoffer) if is_final && self.translate_reoffer(id, reoffer) => return,
            None if is_final => {
                self.join_media(key);
                self.settle_codecs(key);
            }
            _ => {}
        }
        let waiting_leg =
            reoffer.and_then(|reoffer| self.calls.get(reoffer.from.0)).and_then(|call| call.leg);
        if let Some(waiting_leg) = waiting_leg {
            match status {
                491 => self.refuse(waiting_leg, 491),
                _ => self.refuse_media(waiting_leg, Incompatible::Formats),
            }
        }
    }

    /// The ACK of our 200: a late offer has its answer here.
    pub(crate) fn on_confirmed(&mut self, leg: LegId, sdp: Option<&Bytes>) {
        let Some(&id) = self.by_leg.get(&leg) else { return };
        let is_awaited = self.calls.get(id.0).is_some_and(|call| call.end.remote.is_none());
        if sdp.is_none() && !is_awaited {
            return;
        }
        match self.answer_of(id, sdp) {
            Some(answer) => {
                if let Some(call) = self.calls.get_mut(id.0) {
                    call.end.hear(answer);
                }
                self.session_changed(id);
                if let Some(key) = self.calls.get(id.0).map(|call| call.connection) {
                    self.settle_codecs(key);
                }
            }
            None => self.media_impossible(id),
        }
    }

    /// A description of the phone has changed: who holds, who hears whom. A transferor that takes
    /// its party off hold while the target still rings has thought better of it (sip-mapping §3.4).
    fn session_changed(&mut self, id: CallId) {
        let is_sending_away = self.is_sending_away(id);
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let key = call.connection;
        let is_held = call.end.is_held_by_phone();
        let has_resumed = call.hold.by_phone && !is_held;
        let is_established = matches!(call.state, CallState::Connected | CallState::OnHold);
        call.hold.by_phone = is_held && (is_established || is_sending_away);
        let waiting = match call.waiting {
            Some(Waiting::Hold(_)) if is_held => call.waiting.take(),
            Some(Waiting::Unhold(_)) if !is_held => call.waiting.take(),
            _ => None,
        };
        if let Some(waiting) = waiting {
            self.stop_call_timer(id);
            let done = Ok(ReplyFields::default());
            self.tapi.complete(self.clock.unix_ms, waiting.request(), done);
        }
        if is_sending_away && has_resumed {
            self.take_back(id);
        }
        self.show_both_holds(id);
        self.join_media(key);
    }

    /// States and capabilities after somebody at either end began or ended a hold.
    pub(crate) fn show_both_holds(&mut self, id: CallId) {
        self.show_hold(id);
        if let Some(far) = self.far(id) {
            self.show_hold(far);
        }
        self.refresh_capability(id);
    }

    /// lineHold: by the phone where it can be told to (`Event: hold`), otherwise by the switch.
    pub(crate) fn hold(&mut self, id: CallId, request: Option<RequestKey>) -> Result<(), LineErr> {
        let call = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?;
        if call.state != CallState::Connected || call.mode.is_inactive() {
            return Err(LineErr::InvalCallState);
        }
        // An administrator does not wait for a phone: the switch holds at once.
        if let Some(request) = request
            && self.tell_phone(id, "hold")
        {
            self.wait_for_phone(id, Waiting::Hold(request));
            return Ok(());
        }
        self.hold_by_switch(id, request);
        Ok(())
    }

    pub(crate) fn hold_by_switch(&mut self, id: CallId, request: Option<RequestKey>) {
        self.done(request);
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.hold.by_switch = true;
        let key = call.connection;
        self.show_both_holds(id);
        self.join_media(key);
    }

    /// lineUnhold: CONNECTED again only when neither phone nor switch holds.
    ///
    /// Errors: OPERATIONFAILED when the phone itself holds and cannot be told to resume.
    pub(crate) fn unhold(
        &mut self,
        id: CallId,
        request: Option<RequestKey>,
    ) -> Result<(), LineErr> {
        if let Some(taken) = self.unhold_at_station(id, request) {
            return taken;
        }
        let call = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?;
        let waits = matches!(call.state, CallState::OnHoldPendTransfer | CallState::OnHoldPendConf);
        if let (true, Some(consult)) = (waits, call.partner) {
            if self.conference_of_parent(id).is_some() {
                return self.unhold_conference(id, consult, request);
            }
            self.done(request);
            self.drop_call(consult);
            return Ok(());
        }
        if call.state == CallState::Conferenced {
            return self.unhold_first_party(id, request);
        }
        if self.is_sending_away(id) {
            self.done(request);
            self.take_back(id);
            return Ok(());
        }
        let call = self.calls.get_mut(id.0).ok_or(LineErr::InvalCallHandle)?;
        if call.state != CallState::OnHold || self.completing.camped.contains_key(&id) {
            return Err(LineErr::InvalCallState);
        }
        if call.hold.by_phone {
            if !self.tell_phone(id, "talk") {
                return Err(LineErr::OperationFailed);
            }
            if let Some(call) = self.calls.get_mut(id.0) {
                call.hold.by_switch = false;
            }
            if let Some(request) = request {
                self.wait_for_phone(id, Waiting::Unhold(request));
            }
            return Ok(());
        }
        call.hold.by_switch = false;
        let key = call.connection;
        self.done(request);
        self.reopen(id);
        self.show_both_holds(id);
        self.join_media(key);
        Ok(())
    }

    /// Tells a phone that it may talk again. It was told otherwise if it has re-offered while the
    /// switch held.
    pub(crate) fn reopen(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let (Some(leg), Some(offer)) = (call.leg, call.end.offer_to_talk()) else { return };
        self.endpoint.offer(self.clock.now, leg, offer, &mut self.sip);
    }

    /// lineAnswer: by `Event: talk`, at once or as soon as a phone rings.
    ///
    /// Errors: OPERATIONUNAVAIL when no ringing phone of the line can be told to answer; so does the
    /// reply where that shows only later.
    pub(crate) fn answer_by_phone(
        &mut self,
        id: CallId,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        if self.calls.get(id.0).is_none_or(|call| call.waiting.is_some()) {
            return Err(LineErr::InvalCallState);
        }
        if let Some(answered) = self.answer_at_station(id, request) {
            return answered;
        }
        let is_told = self.tell_phone(id, "talk");
        if !is_told && !self.has_silent_phone(id) {
            return Err(LineErr::OperationUnavail);
        }
        self.wait_for_answer(id, request, is_told);
        Ok(())
    }

    /// A phone has said something for the first time: it is told what an application wished before.
    pub(crate) fn tell_wish(&mut self, id: CallId) {
        let waiting = self.calls.get(id.0).and_then(|call| call.waiting);
        let Some(Waiting::Answer { request, is_told: false }) = waiting else { return };
        let is_told = self.tell_phone(id, "talk");
        let is_refused = !is_told && !self.has_silent_phone(id);
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.waiting = Some(Waiting::Answer { request, is_told }).filter(|_| !is_refused);
        if is_refused {
            let refused = Err(LineErr::OperationUnavail);
            self.tapi.complete(self.clock.unix_ms, request, refused);
        }
    }

    /// Whether a called phone has not rung yet: it may be one that can be told.
    fn has_silent_phone(&self, id: CallId) -> bool {
        let Some(call) = self.calls.get(id.0) else { return false };
        let is_silent =
            |leg: &LegId| self.endpoint.leg(*leg).is_some_and(|view| view.remote_tag.is_empty());
        call.party.line().is_some() && call.leg.is_none() && call.legs.iter().any(is_silent)
    }

    fn wait_for_answer(&mut self, id: CallId, request: RequestKey, is_told: bool) {
        if let Some(call) = self.calls.get_mut(id.0) {
            call.waiting = Some(Waiting::Answer { request, is_told });
        }
        // The ring timer goes on in `timer`; this one stands beside it and finds the call by id.
        self.arm(PHONE_CONTROL_TIMEOUT, Timer::PhoneControl(id));
    }

    pub(crate) fn wait_for_phone(&mut self, id: CallId, waiting: Waiting) {
        let former = self.calls.get_mut(id.0).and_then(|call| call.waiting.replace(waiting));
        if let Some(former) = former {
            let failed = Err(LineErr::OperationFailed);
            self.tapi.complete(self.clock.unix_ms, former.request(), failed);
        }
        self.set_call_timer(id, PHONE_CONTROL_TIMEOUT, Timer::PhoneControl(id));
    }

    /// Sends NOTIFY with `Event: talk` or `hold` to the first phone of the call that knows it.
    pub(crate) fn tell_phone(&mut self, id: CallId, event: &str) -> bool {
        let Some(leg) = self.controllable_leg(id, event) else { return false };
        let request = InDialogRequest {
            method: Method::Notify,
            headers: vec![
                ("Event".to_owned(), event.to_owned()),
                ("Subscription-State".to_owned(), "active".to_owned()),
            ],
            body: None,
            token: id.0.to_bits(),
        };
        self.endpoint.request_in_dialog(self.clock.now, leg, request, &mut self.sip);
        true
    }

    /// The leg whose phone lists the event package in Allow-Events: in its responses, or when it
    /// registered.
    pub(crate) fn controllable_leg(&self, id: CallId, event: &str) -> Option<LegId> {
        let call = self.calls.get(id.0)?;
        let candidates: Vec<LegId> = call.leg.map_or_else(|| call.legs.clone(), |leg| vec![leg]);
        let registry = self.registrar.registry();
        let line = call.party.line()?;
        candidates.into_iter().find(|leg| {
            self.endpoint.leg(*leg).is_some_and(|view| {
                let is_rung = !view.remote_tag.is_empty();
                is_rung
                    && (view.peer_allows_event(event)
                        || registry.contacts(line).iter().any(|contact| {
                            contact.uri == view.remote_target && contact.allows_event(event)
                        }))
            })
        })
    }

    /// What the phone said to a NOTIFY: a refusal means that it cannot be told.
    pub(crate) fn on_response(&mut self, token: u64, status: u16) {
        if status < 300 {
            return;
        }
        let id = CallId(sip_stack::slab::Key::from_bits(token));
        if self.calls.get(id.0).is_some_and(|call| call.waiting.is_some()) {
            self.on_phone_silent(id);
        }
    }

    /// The phone did not do what it was told: the switch holds in its place; answering and resuming
    /// nobody else can do.
    pub(crate) fn on_phone_silent(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let Some(waiting) = call.waiting.take() else { return };
        match waiting {
            Waiting::Hold(request) => self.hold_by_switch(id, Some(request)),
            Waiting::Answer { request, .. }
            | Waiting::Unhold(request)
            | Waiting::Errand(request) => {
                let failed = Err(LineErr::OperationFailed);
                self.tapi.complete(self.clock.unix_ms, request, failed);
            }
        }
    }

    /// Tells TAPI what can be done with this call now.
    pub(crate) fn refresh_capability(&mut self, id: CallId) {
        if let Some(capability) = self.station_capability(id) {
            let key = self.calls.get(id.0).and_then(|call| call.tapi);
            return key.into_iter().for_each(|key| self.tapi.call_capability(key, capability));
        }
        let can_answer = self.controllable_leg(id, "talk").is_some() || self.has_silent_phone(id);
        let Some(call) = self.calls.get(id.0) else { return };
        let can_unhold = !call.hold.by_phone || can_answer;
        let can_dial = call.is_summoned() && !call.dialling.is_complete;
        let is_alone = matches!(call.state, CallState::Connected | CallState::OnHold)
            && self.far(id).is_none();
        let mut not_now = Mask::EMPTY;
        // A phone that holds, or whose own INVITE still waits, cannot take its dialog along.
        let is_dialled = call.side == Side::Caller && call.origination == Origination::Phone;
        let is_unanswered = !matches!(call.state, CallState::Connected | CallState::OnHold);
        if call.hold.by_phone || (is_dialled && is_unanswered) || self.is_called_without_hold(id) {
            not_now.insert(CallFeature::AddToConf);
        }
        // Whoever is being sent elsewhere by the far party is not sent by this one.
        if self.connections.get(call.connection.0).is_some_and(|c| c.search.is_some()) {
            not_now = not_now | CallFeature::BlindTransfer | CallFeature::Park;
        }
        if let Some(key) = call.tapi {
            let unavailable = self.unavailable(id);
            let capability = CallCapability {
                can_answer,
                can_unhold,
                can_dial,
                is_alone,
                not_now,
                unavailable,
                ..Default::default()
            };
            self.tapi.call_capability(key, capability);
        }
    }

    /// Completes a request successfully, if an application asked.
    pub(crate) fn done(&mut self, request: Option<RequestKey>) {
        if let Some(request) = request {
            self.tapi.complete(self.clock.unix_ms, request, Ok(ReplyFields::default()));
        }
    }

    fn refuse(&mut self, leg: LegId, status: u16) {
        self.endpoint.refuse_offer(self.clock.now, leg, &Reply::new(status), &mut self.sip);
    }

    /// 488, and why (RFC 3261 §13.3.1.3).
    fn refuse_media(&mut self, leg: LegId, why: Incompatible) {
        let warning = why.warning(&self.config.domain);
        let reply = Reply::new(Incompatible::STATUS).header("Warning", warning);
        self.endpoint.refuse_offer(self.clock.now, leg, &reply, &mut self.sip);
    }

    /// Releases every leg of the call but one.
    pub(crate) fn release_other_legs(&mut self, id: CallId, keep: LegId, release: &Release) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let legs = std::mem::replace(&mut call.legs, vec![keep]);
        for leg in legs.into_iter().filter(|leg| *leg != keep) {
            self.by_leg.remove(&leg);
            self.drop_dialog(leg);
            self.endpoint.release(self.clock.now, leg, release.clone(), &mut self.sip);
        }
    }
}

/// What an offer that nobody takes up lacks: a codec that both sides know, or audio at all.
pub(crate) fn lacking(offer: &Session) -> Incompatible {
    if offer.audio().is_some() { Incompatible::Formats } else { Incompatible::MediaType }
}

fn willing(is_held_by_switch: bool) -> Direction {
    if is_held_by_switch { Direction::SendOnly } else { Direction::SendRecv }
}
