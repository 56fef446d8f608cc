//! SUBSCRIBE in, NOTIFY out.
//!
//! Source: RFC 6665 §4.2; sip-mapping §3.12; security SEC-20, SEC-36, SEC-45, SEC-100.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::auth::Verdict;
use sip_stack::endpoint::{InDialogRequest, LegId, Release, Reply, RequestId};
use sip_stack::flow::Flow;
use sip_stack::message::{HeaderName, Message, Method};
use sip_stack::slab::Key;
use sip_stack::subscription::{
    Asked, Bounds, Notice, Reason, SubscriptionId, matches_event, read, read_expires,
};
use sip_stack::uri::Uri;
use tapi::LineErr;

use super::document::Document;
use super::{About, Audience, Entity, PACKAGES};
use crate::call::identity;
use crate::exchange::counters::count;
use crate::exchange::{Exchange, Output, Problem, enrolments};
use crate::store::Change;

/// Marks the tokens of our NOTIFYs among those of other requests.
const TOKEN: u64 = 1 << 63;
/// When a subscriber may come again that met a full table or a switch that stops.
const RETRY_AFTER: &str = "30";

impl Exchange {
    /// SUBSCRIBE outside of any dialog.
    pub(crate) fn on_subscribe(&mut self, id: RequestId, message: &Message, flow: Flow) {
        let line = match self.authenticate(message, flow) {
            Verdict::Authenticated { user } => user,
            verdict => {
                let reply = self.challenge(&verdict, message, flow);
                return self.answer_request(id, reply);
            }
        };
        if let Err(reply) = self.subscribe(id, &line, message, flow) {
            self.answer_request(id, reply);
        }
    }

    fn subscribe(
        &mut self,
        id: RequestId,
        line: &str,
        message: &Message,
        flow: Flow,
    ) -> Result<(), Reply> {
        let from = message.from().ok().and_then(|from| Uri::parse(from.uri).ok()?.user_decoded());
        if from.as_deref() != Some(line) {
            self.refuse_identity(flow, line);
            return Err(Reply::new(403).reason("From is not the authenticated line"));
        }
        if self.is_draining() {
            return Err(Reply::new(503).header("Retry-After", RETRY_AFTER));
        }
        let asked = read(message, &PACKAGES, &self.subscription_bounds())?;
        let (number, uri) = watched(message).ok_or_else(|| Reply::new(404))?;
        let entity = self.entity_of(line, asked.package, &number);
        let entity = entity.ok_or_else(|| Reply::new(404))?;
        if self.audience(line, asked.package, &entity).is_none() {
            return Err(Reply::new(403).reason("Not open to this line"));
        }
        self.check_room_for_subscription(line)?;
        let Asked { package, event, expires } = asked;
        let reply = Reply::new(200).header("Expires", expires.as_secs().to_string());
        let contact = identity::contact(&number, &flow);
        let now = self.clock.now;
        let leg = self.endpoint.accept_subscription(now, id, &reply, &contact, &mut self.sip);
        let Some(leg) = leg else { return Ok(()) };
        let about = About { package, entity, uri, line: line.to_owned() };
        let id = self.presence.notifier.add(now, leg, event, expires, about.clone());
        self.presence.insert(leg, id, &about);
        count(&self.counters.subscriptions_total);
        Ok(())
    }

    fn subscription_bounds(&self) -> Bounds {
        let set = &self.config.subscriptions;
        Bounds { min: set.min_expires, default: set.default_expires, max: set.max_expires }
    }

    fn check_room_for_subscription(&self, line: &str) -> Result<(), Reply> {
        let own = self.presence.by_line.get(line).copied().unwrap_or_default();
        if own >= self.config.subscriptions.max_per_line {
            return Err(Reply::new(403).reason("Too many subscriptions"));
        }
        if self.presence.len() >= self.config.subscriptions.max {
            return Err(Reply::new(503).header("Retry-After", RETRY_AFTER));
        }
        Ok(())
    }

    /// SUBSCRIBE inside a dialog: a longer life, or the end.
    pub(crate) fn on_resubscribe(&mut self, leg: LegId, id: RequestId, message: &Message) {
        let reply = self.resubscribe(leg, message).unwrap_or_else(|reply| reply);
        self.answer_request(id, reply);
    }

    fn resubscribe(&mut self, leg: LegId, message: &Message) -> Result<Reply, Reply> {
        let bad_event = || {
            let names: Vec<&str> = PACKAGES.iter().map(|package| package.name).collect();
            Reply::new(489).header("Allow-Events", names.join(", "))
        };
        let id = *self.presence.by_leg.get(&leg).ok_or_else(bad_event)?;
        let notifier = &mut self.presence.notifier;
        if !notifier.event(id).is_some_and(|event| matches_event(message, event)) {
            return Err(bad_event());
        }
        let About { package, entity, line, .. } =
            notifier.about(id).cloned().ok_or_else(|| Reply::new(481))?;
        let expires = read_expires(message, &self.subscription_bounds())?;
        let now = self.clock.now;
        if self.audience(&line, package, &entity).is_none() {
            self.presence.notifier.end(now, id, Reason::Rejected);
            return Err(Reply::new(403).reason("Not open to this line"));
        }
        if !self.presence.notifier.refresh(now, id, expires) {
            return Err(Reply::new(481));
        }
        let number = watched(message).map(|(number, _)| number).unwrap_or_default();
        let flow = self.endpoint.leg(leg).map(|view| view.flow).ok_or_else(|| Reply::new(481))?;
        let contact = format!("<{}>", identity::contact(&number, &flow));
        let reply = Reply::new(200).header("Expires", expires.as_secs().to_string());
        Ok(reply.header("Contact", contact))
    }

    /// Sends what has changed to those who watch it; false when there was nothing to do.
    pub(crate) fn tell_watchers(&mut self) -> bool {
        let presence = &mut self.presence;
        for entity in std::mem::take(&mut presence.changed) {
            for id in presence.by_entity.get(&entity).into_iter().flatten() {
                presence.notifier.changed(*id);
            }
        }
        let mut has_told = false;
        let mut written: HashMap<(&str, Entity, Audience), Document> = HashMap::new();
        while let Some(id) = self.presence.notifier.poll(self.clock.now) {
            has_told = true;
            self.tell_watcher(id, &mut written);
        }
        while let Some(ended) = self.presence.notifier.poll_ended() {
            has_told = true;
            self.presence.remove(ended.leg, ended.id, &ended.about);
            let now = self.clock.now;
            self.endpoint.release(now, ended.leg, Release::default(), &mut self.sip);
        }
        has_told
    }

    fn tell_watcher(
        &mut self,
        id: SubscriptionId,
        written: &mut HashMap<(&str, Entity, Audience), Document>,
    ) {
        let Some(about) = self.presence.notifier.about(id).cloned() else { return };
        let now = self.clock.now;
        let audience = self.audience(&about.line, about.package, &about.entity);
        let document = audience.map(|audience| {
            let key = (about.package.name, about.entity.clone(), audience);
            &*written
                .entry(key)
                .or_insert_with(|| self.document(about.package, &about.entity, audience))
        });
        if document.is_none() {
            self.presence.notifier.end(now, id, self.why_not(&about));
        }
        let fingerprint = document.map_or(0, Document::fingerprint);
        let Some(notice) = self.presence.notifier.notify(now, id, fingerprint) else { return };
        let Notice { leg, event, state, version } = notice;
        let body = document.map(|document| {
            let text = document.body(version, &about.uri);
            (about.package.content.to_owned(), text.into())
        });
        let request = InDialogRequest {
            method: Method::Notify,
            headers: vec![("Event".to_owned(), event), ("Subscription-State".to_owned(), state)],
            body,
            token: TOKEN | id.0.to_bits(),
        };
        count(&self.counters.notifications_total);
        self.endpoint.request_in_dialog(now, leg, request, &mut self.sip);
    }

    fn why_not(&self, about: &About) -> Reason {
        if self.is_there(&about.entity) { Reason::Rejected } else { Reason::NoResource }
    }

    /// The final outcome of a request of ours: of a NOTIFY to a watcher, or to a phone in a call.
    pub(crate) fn on_outcome(&mut self, token: u64, status: u16, message: Option<&Message>) {
        if token & (TOKEN | enrolments::TOKEN) == enrolments::TOKEN {
            return self.on_enrolment(token, status, message);
        }
        if token & TOKEN == 0 {
            return self.on_response(token, status);
        }
        let id = SubscriptionId(Key::from_bits(token & !TOKEN));
        let retry_after = message.and_then(|message| message.header(HeaderName::RetryAfter));
        let seconds = retry_after.and_then(|value| {
            value.trim().split([';', ' ', '(']).next().and_then(|text| text.parse().ok())
        });
        let retry_after = seconds.map(Duration::from_secs);
        self.presence.notifier.answered(self.clock.now, id, status, retry_after);
    }

    /// The switch stops: phones may subscribe again as soon as it is back.
    pub(crate) fn end_subscriptions(&mut self) {
        let ids: Vec<SubscriptionId> = self.presence.notifier.ids().collect();
        for id in ids {
            self.presence.notifier.end(self.clock.now, id, Reason::Deactivated);
        }
    }

    /// The configuration changed: names, groups, who may watch what.
    pub(crate) fn review_subscriptions(&mut self) {
        let config = self.config.clone();
        self.presence.read_groups(&config);
        self.presence.messages.retain(|line, _| config.lines.contains_key(line));
        let ids: Vec<SubscriptionId> = self.presence.notifier.ids().collect();
        for id in ids {
            let Some(about) = self.presence.notifier.about(id).cloned() else { continue };
            let is_known = config.lines.contains_key(&about.line);
            if is_known && self.audience(&about.line, about.package, &about.entity).is_some() {
                self.presence.notifier.changed(id);
            } else {
                let why = self.why_not(&about);
                self.presence.notifier.end(self.clock.now, id, why);
            }
        }
    }

    /// Rows of `GET subscriptions`.
    pub(crate) fn subscription_rows(&self) -> Value {
        let notifier = &self.presence.notifier;
        let row = |id: SubscriptionId| {
            let about = notifier.about(id)?;
            let left = notifier.expires_at(id)?.0.saturating_sub(self.clock.now.0);
            Some(json!({
                "line": about.line, "package": about.package.name, "entity": about.uri,
                "expires": left.as_secs(),
            }))
        };
        let mut rows: Vec<Value> = notifier.ids().filter_map(row).collect();
        rows.sort_by_key(|row| {
            let word = |member: &str| row[member].as_str().unwrap_or_default().to_owned();
            (word("line"), word("package"), word("entity"))
        });
        rows.into()
    }

    /// So many messages wait at a line: the lamps of its phones, LINEDEVSTATE_MSGWAITON or
    /// MSGWAITOFF.
    ///
    /// Errors: INVALLINESTATE for an unknown line.
    pub(crate) fn set_message_waiting(&mut self, line: &str, count: u32) -> Result<(), LineErr> {
        if !self.config.lines.contains_key(line) {
            return Err(LineErr::InvalLineState);
        }
        if self.messages_of(line) == count {
            return Ok(());
        }
        self.outputs.push(Output::Store(Change::SaveMessages { line: line.to_owned(), count }));
        self.publish("MESSAGE_WAITING", json!({"line": line, "count": count}));
        self.light_message_lamp(line, count);
        if count == 0 {
            self.forget_left(line);
        }
        Ok(())
    }

    /// As [`Exchange::set_message_waiting`], without a word to the store.
    pub(crate) fn light_message_lamp(&mut self, line: &str, count: u32) {
        match count {
            0 => drop(self.presence.messages.remove(line)),
            _ => drop(self.presence.messages.insert(line.to_owned(), count)),
        }
        if let Some(device) = self.tapi.line_by_number(line) {
            self.tapi.message_waiting(device, count > 0);
        }
        self.presence.touch(Entity::Mailbox(line.to_owned()));
    }

    /// A line is no longer configured: its messages do not wait for a later one of that number.
    pub(crate) fn forget_messages(&mut self, line: &str) {
        self.forget_left(line);
        if self.presence.messages.remove(line).is_some() {
            let change = Change::SaveMessages { line: line.to_owned(), count: 0 };
            self.outputs.push(Output::Store(change));
        }
    }

    /// How many messages wait at a line.
    pub(crate) fn messages_of(&self, line: &str) -> u32 {
        self.presence.messages.get(line).copied().unwrap_or_default()
    }

    /// `PUT lines/{line}/message-waiting`.
    pub(crate) fn replace_message_waiting(
        &mut self,
        line: &str,
        count: u32,
    ) -> Result<Value, Problem> {
        let unknown = |_| Problem { status: 404, detail: format!("there is no line {line}") };
        self.set_message_waiting(line, count).map_err(unknown)?;
        Ok(json!({"line": line, "messagesWaiting": count}))
    }
}

/// Number and address that are watched: of the Request-URI; some phones name the switch there, and
/// the number only in To (sip-mapping §3.12).
fn watched(message: &Message) -> Option<(String, String)> {
    let read = |text: &str| {
        let uri = Uri::parse(text).ok()?;
        let (number, sip) = (uri.user_decoded()?, uri.sip()?);
        let user = sip.user.unwrap_or_default();
        let port = sip.port.map(|port| format!(":{port}")).unwrap_or_default();
        Some((number, format!("{}:{user}@{}{port}", sip.scheme(), sip.host)))
    };
    let to = message.to().ok();
    message.request_uri().and_then(read).or_else(|| to.and_then(|to| read(to.uri)))
}
