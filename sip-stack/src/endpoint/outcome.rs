//! Responses to requests of ours, and their absence.

use super::{Endpoint, Event, RefusalSource};
use crate::dialog::core::{Core, Pending, Purpose};
use crate::dialog::leg::{Leg, Phase};
use crate::flow::Flow;
use crate::message::{Message, Method};
use crate::transaction::ClientKey;

impl Endpoint {
    pub(super) fn on_response(&mut self, key: ClientKey, message: &Message, flow: Flow) {
        let status = message.status().unwrap_or(500);
        let Some(pending) = self.core.clients.get_mut(&key) else { return };
        let leg = pending.leg;
        if status < 200 {
            if pending.purpose == Purpose::Invite
                && let Some(leg) = leg
            {
                self.on_leg(leg, |core, leg| core.on_provisional(leg, message));
            }
            return;
        }
        let is_invite = matches!(pending.purpose, Purpose::Invite | Purpose::ReInvite);
        if is_invite && status < 300 {
            // Further 2xx may come until the transaction ends (RFC 6026).
            let is_new = pending.draft.take().is_some();
            let is_first = pending.purpose == Purpose::Invite;
            let Some(leg) = leg else { return };
            self.on_leg(leg, |core, leg| match (is_new, is_first) {
                (true, true) => core.on_success(leg, message, flow),
                (true, false) => core.on_offer_response(leg, message, true),
                (false, _) => core.on_further_success(leg, message, is_first),
            });
            return;
        }
        let Some(pending) = self.core.clients.remove(&key) else { return };
        match leg {
            Some(leg) => {
                self.on_leg(leg, |core, leg| {
                    leg.pending = leg.pending.saturating_sub(1);
                    core.on_final(leg, pending, message);
                });
            }
            None => self.core.on_final_outside(pending, message),
        }
    }

    /// No response came (408), or the request could not be sent (503).
    pub(super) fn on_lost(&mut self, key: ClientKey, status: u16) {
        let Some(pending) = self.core.clients.remove(&key) else { return };
        match pending.leg {
            Some(leg) => {
                self.on_leg(leg, |core, leg| {
                    leg.pending = leg.pending.saturating_sub(1);
                    core.on_silence(leg, &pending, status);
                });
            }
            None => {
                if let Purpose::OutOfDialog(token) = pending.purpose {
                    let event = Event::Response { token, status, message: None };
                    self.core.events.push_back(event);
                }
            }
        }
    }

    /// No further 2xx can come.
    pub(super) fn on_invite_ended(&mut self, key: ClientKey) {
        let Some(pending) = self.core.clients.remove(&key) else { return };
        if let Some(leg) = pending.leg {
            self.on_leg(leg, |_, leg| leg.pending = leg.pending.saturating_sub(1));
        }
    }
}

impl Core {
    /// A final response inside a leg (no 2xx to an INVITE).
    fn on_final(&mut self, leg: &mut Leg, pending: Pending, message: &Message) {
        let status = message.status().unwrap_or(500);
        let pending = match self.answer_challenge(leg, pending, message, status) {
            None => return,
            Some(pending) => pending,
        };
        match pending.purpose {
            Purpose::Invite => self.on_refusal(leg, message),
            Purpose::ReInvite => self.on_offer_response(leg, message, true),
            Purpose::Update => self.on_offer_response(leg, message, false),
            Purpose::Prack(tag) => self.on_prack_response(leg, &tag, status),
            Purpose::InDialog(token) => {
                if leg.phase == Phase::Subscription && leg.is_uac && status < 300 {
                    leg.subscribed(message);
                }
                let method = pending.usage();
                self.on_in_dialog_outcome(leg, token, status, Some(message.clone()), method);
            }
            // RFC 3261 §15.1.1: whatever the answer, the dialog is over.
            Purpose::Bye | Purpose::OutOfDialog(_) => {}
        }
    }

    /// Sends a challenged request again with credentials; gives it back if there is no answer.
    fn answer_challenge(
        &mut self,
        leg: &mut Leg,
        mut pending: Pending,
        message: &Message,
        status: u16,
    ) -> Option<Pending> {
        let is_challenge = matches!(status, 401 | 407);
        let is_wanted = match pending.purpose {
            Purpose::Invite => leg.phase == Phase::Calling,
            Purpose::Bye => true,
            _ => leg.is_attached,
        };
        let knows_answer = is_challenge
            && is_wanted
            && leg
                .digest
                .as_mut()
                .is_some_and(|digest| digest.on_challenge(message, pending.attempts));
        if !knows_answer {
            return Some(pending);
        }
        let attempts = pending.attempts + 1;
        if pending.purpose == Purpose::Invite {
            return self.send_invite(leg, attempts).err().map(|_| pending);
        }
        let Some(mut draft) = pending.draft.take() else { return Some(pending) };
        // RFC 3261 §22.2: a new CSeq, everything else as it was.
        draft.cseq = leg.next_cseq();
        let again = self.send(leg, (*draft).clone(), pending.purpose.clone(), attempts);
        pending.draft = Some(draft);
        match again {
            Ok(key) => {
                if pending.purpose == Purpose::ReInvite {
                    self.reinvite_sent(leg, key);
                }
                None
            }
            Err(_) => Some(pending),
        }
    }

    /// A request of ours inside a leg met silence (408) or a broken transport (503).
    fn on_silence(&mut self, leg: &mut Leg, pending: &Pending, status: u16) {
        match &pending.purpose {
            Purpose::Invite => {
                let reason = if status == 408 {
                    RefusalSource::Timeout
                } else {
                    RefusalSource::TransportFailed
                };
                self.on_invite_lost(leg, reason);
            }
            Purpose::ReInvite | Purpose::Update => self.offer_failed(leg, status),
            Purpose::Prack(tag) => self.on_prack_response(leg, tag, status),
            Purpose::InDialog(token) => {
                self.on_in_dialog_outcome(leg, *token, status, None, pending.usage());
            }
            Purpose::Bye | Purpose::OutOfDialog(_) => {}
        }
    }

    /// The outcome of a request of the switch; 481 may mean that the dialog is gone (RFC 5057).
    fn on_in_dialog_outcome(
        &mut self,
        leg: &mut Leg,
        token: u64,
        status: u16,
        message: Option<Message>,
        method: Option<Method>,
    ) {
        self.events.push_back(Event::Response { token, status, message });
        // RFC 5057 §5: NOTIFY, SUBSCRIBE and REFER take only their subscription with them.
        let is_usage_of_call =
            !matches!(method, None | Some(Method::Notify | Method::Subscribe | Method::Refer));
        if status == 481 && is_usage_of_call {
            self.dialog_lost(leg, status);
        }
    }

    fn on_final_outside(&mut self, mut pending: Pending, message: &Message) {
        let Purpose::OutOfDialog(token) = pending.purpose else { return };
        let status = message.status().unwrap_or(500);
        if matches!(status, 401 | 407)
            && let (Some(draft), Some(digest)) = (&mut pending.draft, &mut pending.digest)
            && digest.on_challenge(message, pending.attempts)
        {
            draft.cseq += 1;
            let body = draft.body.as_ref().map_or(&b""[..], |(_, body)| body);
            draft.authorization =
                digest.authorize(&draft.method, &draft.uri, body, &mut *self.entropy);
            let draft = draft.clone();
            if let Ok(key) = self.start(&draft) {
                pending.attempts += 1;
                self.clients.insert(key, pending);
                return;
            }
        }
        let event = Event::Response { token, status, message: Some(message.clone()) };
        self.events.push_back(event);
    }
}
