//! Requests inside a call: REFER and INFO out, INFO and NOTIFY in.

use bytes::Bytes;
use sip_stack::endpoint::{InDialogRequest, LegId, Reply, RequestId};
use sip_stack::message::{HeaderName, Message, Method};
use sip_stack::time::Now;
use std::time::Duration;

use super::{HoldSpelling, INFO_TOKEN, PhoneCore, PhoneEvent, REFER_TOKEN};
use crate::feature::dtmf::{self, InfoBody, Press};

impl PhoneCore {
    /// Blind transfer: asks the switch to send the far party to a number (RFC 3515).
    pub fn transfer(&mut self, now: Now, leg: LegId, number: &str) {
        let target = format!("<sip:{number}@{}>", self.config.domain);
        self.refer(now, leg, target);
    }

    /// Attended transfer: the far parties of both calls are to talk to each other (RFC 5589 §7).
    pub fn transfer_attended(&mut self, now: Now, leg: LegId, consult: LegId) {
        let Some((call_id, theirs, ours)) = self.dialog(consult) else { return };
        let escape = sip_stack::uri::encode_header;
        let replaces = format!("{};to-tag={theirs};from-tag={ours}", call_id);
        let domain = &self.config.domain;
        let target = format!("<sip:target@{domain}?Replaces={}>", escape(&replaces));
        self.refer(now, leg, target);
    }

    fn refer(&mut self, now: Now, leg: LegId, target: String) {
        let referred_by = self.address(&self.config.number);
        let request = InDialogRequest {
            method: Method::Refer,
            headers: vec![("Refer-To".to_owned(), target), ("Referred-By".to_owned(), referred_by)],
            body: None,
            token: REFER_TOKEN,
        };
        self.endpoint.request_in_dialog(now, leg, request, &mut self.out);
    }

    pub(super) fn on_in_dialog(&mut self, now: Now, leg: LegId, id: RequestId, message: &Message) {
        if message.method() == Method::Notify && self.on_notify(now, leg, id, message) {
            return;
        }
        self.note_user_info(leg, message);
        let event = message.header(HeaderName::Event).unwrap_or_default().to_owned();
        if event.starts_with("refer") {
            self.endpoint.respond(now, id, &Reply::new(200), None, &mut self.out);
            let text = String::from_utf8_lossy(message.body()).into_owned();
            let status = text.split_whitespace().nth(1).and_then(|code| code.parse().ok());
            let state = message.header(HeaderName::SubscriptionState).unwrap_or_default();
            let is_final = state.starts_with("terminated");
            let status = status.unwrap_or(0);
            self.events.push_back(PhoneEvent::TransferProgress { leg, status, is_final });
            return;
        }
        let obeys = self.config.behaviour.obeys_events && message.method() == Method::Notify;
        let is_known = !matches!(message.method(), Method::Notify) || obeys;
        let status = if is_known { 200 } else { 489 };
        self.endpoint.respond(now, id, &Reply::new(status), None, &mut self.out);
        let body = InfoBody::of_type(message.header(HeaderName::ContentType).unwrap_or_default());
        if let (Method::Info, Some(Ok(press))) =
            (message.method(), body.map(|body| body.press(message.body())))
        {
            self.events.push_back(PhoneEvent::Digit { leg, digit: press.digit });
        }
        if obeys {
            self.obey(now, leg, &event);
        } else {
            self.events.push_back(PhoneEvent::Request { leg, method: message.method() });
        }
    }

    fn obey(&mut self, now: Now, leg: LegId, event: &str) {
        let Some(talk) = self.talks.get(&leg) else { return };
        match (event, talk.is_answered) {
            ("talk", false) => self.answer(now, leg),
            ("talk", true) => {
                self.resume(now, leg);
            }
            ("hold", true) => {
                self.hold(now, leg, HoldSpelling::SendOnly);
            }
            _ => {}
        }
    }

    /// Sends INFO with a DTMF digit inside a call.
    pub fn send_digit(&mut self, now: Now, leg: LegId, digit: char) {
        let press = Press { digit, duration: Duration::from_millis(160) };
        self.send_info(now, leg, "application/dtmf-relay", dtmf::relay_body(press));
    }

    /// Sends INFO with any body.
    pub fn send_info(&mut self, now: Now, leg: LegId, content_type: &str, body: impl Into<Bytes>) {
        let request = InDialogRequest {
            method: Method::Info,
            headers: Vec::new(),
            body: Some((content_type.to_owned(), body.into())),
            token: INFO_TOKEN,
        };
        self.endpoint.request_in_dialog(now, leg, request, &mut self.out);
    }

    /// The payload type that the far side wants telephone-events with, if it takes them.
    pub fn far_event(&self, leg: LegId) -> Option<u8> {
        let audio = self.talks.get(&leg)?.remote.as_ref()?.audio()?;
        audio.codecs.iter().find(|codec| codec.is_telephone_event()).map(|codec| codec.payload)
    }
}
