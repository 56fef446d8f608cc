//! What the phone watches by SUBSCRIBE: lamps, messages, who is in a room.

use std::time::Duration;

use sip_stack::endpoint::{InDialogRequest, LegId, Release, Reply, RequestId, Subscribe};
use sip_stack::header::SubscriptionState;
use sip_stack::message::{HeaderName, Message, Method};
use sip_stack::time::Now;

use super::core::{PhoneCore, PhoneEvent};

/// Tokens of SUBSCRIBEs begin here.
const FIRST_TOKEN: u64 = 1_000;

/// One subscription.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    number: String,
    event: String,
    token: u64,
    document: String,
}

/// What a phone watches, and what it was told last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lamp {
    /// The subscription.
    pub leg: LegId,
    /// The watched number.
    pub number: String,
    /// The event package.
    pub event: String,
    /// The last document; empty before the first.
    pub document: String,
}

impl PhoneCore {
    /// Subscribes to an event package of a number; `None` when the phone has no room.
    pub fn watch(
        &mut self,
        now: Now,
        number: &str,
        event: &str,
        expires: Duration,
    ) -> Option<LegId> {
        self.next_watch += 1;
        let token = FIRST_TOKEN + self.next_watch;
        let subscribe = Subscribe {
            request_uri: format!("sip:{number}@{}", self.config.domain),
            from: self.address(&self.config.number),
            to: self.address(number),
            contact: self.contact(),
            destination: self.config.flow,
            headers: headers(event, expires),
            credentials: Some(self.credentials()),
            token,
        };
        let leg = self.endpoint.subscribe(now, subscribe, &mut self.out).ok()?;
        let (number, event) = (number.to_owned(), event.to_owned());
        self.watches.insert(leg, Watch { number, event, token, document: String::new() });
        Some(leg)
    }

    /// Asks for a longer life of a subscription; zero ends it.
    pub fn watch_again(&mut self, now: Now, leg: LegId, expires: Duration) {
        let Some(watch) = self.watches.get(&leg).cloned() else { return };
        let request = InDialogRequest {
            method: Method::Subscribe,
            headers: headers(&watch.event, expires),
            body: None,
            token: watch.token,
        };
        self.endpoint.request_in_dialog(now, leg, request, &mut self.out);
    }

    /// Subscriptions that are not over, oldest first.
    pub fn lamps(&self) -> Vec<Lamp> {
        let mut all: Vec<(&LegId, &Watch)> = self.watches.iter().collect();
        all.sort_by_key(|(_, watch)| watch.token);
        let lamp = |(leg, watch): (&LegId, &Watch)| Lamp {
            leg: *leg,
            number: watch.number.clone(),
            event: watch.event.clone(),
            document: watch.document.clone(),
        };
        all.into_iter().map(lamp).collect()
    }

    /// The final response to a SUBSCRIBE, if it is one.
    pub(super) fn on_subscribe_outcome(
        &mut self,
        now: Now,
        token: u64,
        status: u16,
        message: Option<&Message>,
    ) {
        let found = self.watches.iter().find(|(_, watch)| watch.token == token);
        let Some(leg) = found.map(|(leg, _)| *leg) else { return };
        let expires = message.and_then(|message| message.header(HeaderName::Expires));
        let expires = expires.and_then(|value| value.trim().parse().ok());
        self.events.push_back(PhoneEvent::Subscribed { leg, status, expires });
        if status >= 300 {
            self.forget_watch(now, leg);
        }
    }

    /// NOTIFY inside a subscription; false when the dialog is none.
    pub(super) fn on_notify(
        &mut self,
        now: Now,
        leg: LegId,
        id: RequestId,
        message: &Message,
    ) -> bool {
        let Some(watch) = self.watches.get_mut(&leg) else { return false };
        let body = String::from_utf8_lossy(message.body()).into_owned();
        watch.document.clone_from(&body);
        self.endpoint.respond(now, id, &Reply::new(200), None, &mut self.out);
        let state = message.header(HeaderName::SubscriptionState).unwrap_or_default().to_owned();
        let is_over = SubscriptionState::parse(&state).is_ok_and(|state| state.is_terminated());
        self.events.push_back(PhoneEvent::Notified { leg, state, body });
        if is_over {
            self.forget_watch(now, leg);
        }
        true
    }

    fn forget_watch(&mut self, now: Now, leg: LegId) {
        self.watches.remove(&leg);
        self.endpoint.release(now, leg, Release::default(), &mut self.out);
    }
}

fn headers(event: &str, expires: Duration) -> Vec<(String, String)> {
    let field = |name: &str, value: String| (name.to_owned(), value);
    vec![field("Event", event.to_owned()), field("Expires", expires.as_secs().to_string())]
}
