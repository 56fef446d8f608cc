//! Dialogs of subscriptions: those that peers make here, and those that we make elsewhere.
//!
//! They stand beside the legs of calls and have a ceiling of their own. Source: RFC 6665 §4.

use super::{Endpoint, Full, LegId, Outbox, Reply, RequestId, Subscribe, inbound};
use crate::auth::DigestClient;
use crate::dialog::core::{Core, Purpose};
use crate::dialog::leg::{Identity, Leg, Phase, Remote};
use crate::dialog::session_timer::SessionTimer;
use crate::message::Method;
use crate::slab::Key;
use crate::time::Now;

impl Endpoint {
    /// Answers a SUBSCRIBE with a 2xx and keeps its dialog as a leg: NOTIFY goes out with
    /// [`Endpoint::request_in_dialog`], refreshes come as [`Event::InDialog`], and
    /// [`Endpoint::release`] forgets it. `None` if the request is gone or no leg is left.
    ///
    /// Source: RFC 6665 §4.2.
    pub fn accept_subscription(
        &mut self,
        now: Now,
        id: RequestId,
        reply: &Reply,
        contact: &str,
        out: &mut Outbox,
    ) -> Option<LegId> {
        self.core.now = now;
        let leg = self.make_subscription(id, contact);
        match leg {
            Some(_) => self.give_response(id, reply, Some(contact), None),
            None => self.give_response(id, &Reply::new(503), None, None),
        }
        self.finish(out);
        leg
    }

    /// Subscribes to something: the dialog is a leg whose NOTIFYs come as [`Event::InDialog`], the
    /// outcome of the SUBSCRIBE as [`Event::Response`]. Refresh it with
    /// [`Endpoint::request_in_dialog`]; forget it with [`Endpoint::release`].
    ///
    /// Source: RFC 6665 §4.1.
    ///
    /// Errors: [`Full`] at the ceiling of subscriptions or transactions; nothing was sent.
    pub fn subscribe(
        &mut self,
        now: Now,
        subscribe: Subscribe,
        out: &mut Outbox,
    ) -> Result<LegId, Full> {
        self.core.now = now;
        if !self.has_room_for_subscription() {
            return Err(Full);
        }
        let (call_id, tag) = (self.core.tag(), self.core.tag());
        let identity = Identity {
            is_uac: true,
            phase: Phase::Subscription,
            call_id,
            local: format!("{};tag={tag}", subscribe.from),
            local_tag: tag.clone(),
            remote_uri: subscribe.to,
            remote: Remote::new(String::new(), subscribe.request_uri),
            contact: subscribe.contact.clone(),
            flow: subscribe.destination,
            session: SessionTimer::off(),
        };
        let key = self.insert_subscription(tag, identity);
        let sent = self.on_leg(key, |core, leg| {
            leg.digest = subscribe.credentials.map(DigestClient::new);
            let mut draft = Core::draft(leg, Method::Subscribe);
            draft.contact = Some(subscribe.contact);
            draft.headers = subscribe.headers;
            let sent = core.send(leg, draft, Purpose::InDialog(subscribe.token), 0);
            if sent.is_err() {
                core.close(leg);
            }
            sent
        });
        self.finish(out);
        match sent {
            Some(Ok(_)) => Ok(LegId(key)),
            _ => Err(Full),
        }
    }

    /// Whether one more dialog of a subscription fits.
    fn has_room_for_subscription(&self) -> bool {
        let limits = &self.core.config.limits;
        let most = limits.legs + limits.subscriptions + limits.transactions;
        self.subscriptions < limits.subscriptions && self.legs.len() < most
    }

    fn insert_subscription(&mut self, tag: String, identity: Identity) -> Key {
        let key = self.legs.insert_with(|key| Leg::new(key, identity, 0));
        self.by_tag.insert(tag, key);
        self.attached += 1;
        self.subscriptions += 1;
        key
    }

    fn make_subscription(&mut self, id: RequestId, contact: &str) -> Option<LegId> {
        let waiting = self.waiting.get(&id.0)?;
        if !self.has_room_for_subscription() {
            return None;
        }
        let session = SessionTimer::off();
        let identity =
            inbound::identity(&waiting.message, &waiting.tag, waiting.flow, contact, session);
        let identity = Identity { phase: Phase::Subscription, ..identity };
        let tag = waiting.tag.clone();
        Some(LegId(self.insert_subscription(tag, identity)))
    }
}

/// Whether the leg is the dialog of a subscription that the switch sees.
pub(super) fn is_subscription(leg: &Leg) -> bool {
    leg.is_attached && leg.phase == Phase::Subscription
}
