//! Sending the INVITEs that make phones ring.
//!
//! Path 1, hop 7. Source: sip-mapping §1.4, §2.7, §2.8, §6.3.

use std::time::Duration;

use bytes::Bytes;
use sip_stack::endpoint::{Invite, LegId, TargetPolicy};
use sip_stack::flow::Flow;

use super::cause::Cause;
use super::identity::{self, Identity};
use super::originate::MAX_FORWARDS;
use super::user_info::info_field;
use super::{Call, CallId, Party, Side, Timer};
use crate::exchange::Exchange;

/// Auto-answer header fields, the union of what phones understand (sip-mapping §2.8).
const AUTO_ANSWER: [(&str, &str); 2] =
    [("Alert-Info", "<http://localhost>;info=alert-autoanswer;delay=0"), ("Answer-Mode", "Auto")];

impl Exchange {
    /// Rings the phones of an appearance that answer by themselves where they can.
    ///
    /// Errors: the cause why they cannot be rung; the appearance is as it was.
    pub(crate) fn ring_by_itself(&mut self, id: CallId, caller: CallId) -> Result<(), Cause> {
        let line = self.calls.get(id.0).map(|call| call.party.number().to_owned());
        let from = self.identity_of(caller);
        let offer = self.offer_for(caller, id)?;
        let headers = self.auto_answer();
        let line = line.unwrap_or_default();
        self.ring_phones(id, &line, &from, &offer, &headers).inspect_err(|_| self.drop_media(id))
    }

    /// Header fields that make a phone answer by itself.
    pub(crate) fn auto_answer(&self) -> Vec<(String, String)> {
        let at_once = format!("<sip:{}>;answer-after=0", self.config.domain);
        let mut headers = vec![("Call-Info".to_owned(), at_once)];
        headers.extend(AUTO_ANSWER.map(|(name, value)| (name.to_owned(), value.to_owned())));
        headers
    }

    /// Rings the phones of a new called party for so long at most.
    ///
    /// Errors: why it cannot be rung; its call is over then.
    pub(crate) fn ring_called(
        &mut self,
        caller: CallId,
        called: CallId,
        (number, ring_time): (&str, Duration),
        from: &Identity,
        headers: &[(String, String)],
    ) -> Result<(), Cause> {
        let rung = self
            .offer_for(caller, called)
            .and_then(|offer| self.ring_phones(called, number, from, &offer, headers));
        if let Err(cause) = rung {
            self.show_disconnected(called, cause.disconnect_mode());
            self.finish(called);
            return Err(cause);
        }
        self.set_call_timer(called, ring_time, Timer::NoAnswer(called));
        self.refresh_capability(called);
        Ok(())
    }

    /// Sends an INVITE to every phone of a line.
    pub(crate) fn ring_phones(
        &mut self,
        id: CallId,
        line: &str,
        from: &Identity,
        offer: &Bytes,
        headers: &[(String, String)],
    ) -> Result<(), Cause> {
        self.ring_contacts(id, (line, None), from, offer, headers)
    }

    /// Sends an INVITE to every phone of a line, or to one, named by its contact.
    pub(crate) fn ring_contacts(
        &mut self,
        id: CallId,
        (line, only): (&str, Option<&str>),
        from: &Identity,
        offer: &Bytes,
        headers: &[(String, String)],
    ) -> Result<(), Cause> {
        let is_sips = self.calls.get(id.0).is_some_and(|call| self.is_sips(call.connection));
        let mut contacts = self.registrar.registry().contacts(line);
        // RFC 3261 §26.2.2: what is to be secure leaves under TLS or not at all.
        contacts.retain(|contact| only.is_none_or(|only| contact.uri == only));
        contacts.retain(|contact| {
            contact.flow.transport.is_secure() || !is_sips && !identity::is_sips(&contact.uri)
        });
        let number = self.calls.get(id.0).map_or(line, Call::number).to_owned();
        let mut result = Err(Cause::NOT_REGISTERED);
        for contact in contacts {
            let mut invite = self.invite(id, from, offer, contact.flow);
            invite.request_uri = contact.uri.clone();
            if identity::is_sips(&contact.uri) {
                invite.contact = identity::secure(&invite.contact);
            }
            invite.to = self.identity_of_number(&number).name_addr(&self.config.domain);
            invite.route = contact.path.clone();
            invite.headers.extend_from_slice(headers);
            let sent = self.send_invite(id, invite);
            result = result.or(sent);
        }
        result
    }

    pub(crate) fn invite(
        &self,
        id: CallId,
        from: &Identity,
        offer: &Bytes,
        destination: Flow,
    ) -> Invite {
        let call = self.calls.get(id.0);
        let connection = call.and_then(|call| self.connections.get(call.connection.0));
        let is_trunk = call.is_some_and(|call| call.party.line().is_none());
        let mut headers = from.assertions(&self.config.domain, is_trunk);
        let from = from.from_value(&self.config.domain);
        let info = connection.and_then(|connection| connection.user_info.clone());
        if let Some(info) = info.filter(|_| call.is_some_and(|call| call.side == Side::Called)) {
            headers.push(info_field(info));
        }
        let diversions = connection.map(|connection| connection.diversions.values());
        for value in diversions.into_iter().flatten() {
            headers.push(("Diversion".to_owned(), value.to_owned()));
        }
        let user = call.map(|call| call.party.number().to_owned()).unwrap_or_default();
        Invite {
            request_uri: String::new(),
            headers,
            from,
            to: String::new(),
            contact: identity::contact(&user, &destination),
            destination,
            alternatives: Vec::new(),
            route: Vec::new(),
            max_forwards: connection.map_or(MAX_FORWARDS, |connection| connection.max_forwards),
            sdp: Some(offer.clone()),
            credentials: None,
            session_timer: true,
            hundred_rel: false,
        }
    }

    pub(crate) fn send_invite(&mut self, id: CallId, invite: Invite) -> Result<(), Cause> {
        let (peer, uri) = (invite.destination.remote.ip(), invite.request_uri.clone());
        let sent = self.endpoint.invite(self.clock.now, invite, &mut self.sip);
        let leg = sent.map_err(|_| Cause::NO_RESOURCES)?;
        self.adopt_leg(id, leg);
        if let Some(call) = self.calls.get_mut(id.0) {
            call.end.peer = Some(peer);
            call.end.asked.invited(leg, uri);
        }
        Ok(())
    }

    /// Gives a leg to a call.
    pub(crate) fn adopt_leg(&mut self, id: CallId, leg: LegId) {
        if let Some(call) = self.calls.get_mut(id.0) {
            if matches!(call.party, Party::Trunk { .. }) {
                // A carrier's media gateway need not be where its INVITEs go to or come from.
                self.endpoint.set_target_policy(leg, TargetPolicy::Target);
            }
            call.legs.push(leg);
            self.by_leg.insert(leg, id);
            self.tell_dialogs(id);
        }
    }
}
