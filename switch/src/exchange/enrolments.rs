//! The switch's own registrations at the peers of its trunks.

use std::time::Duration;

use config::Config;
use serde_json::{Value, json};
use sip_stack::endpoint::OutOfDialog;
use sip_stack::flow::Flow;
use sip_stack::header::Contact;
use sip_stack::message::{HeaderName, Message, Method};
use sip_stack::uri::encode_user;

use super::Exchange;
use crate::call::{Timer, identity};
use crate::feature::enrolment::{Answer, Enrolment, Standing};

/// Marks the outcomes of REGISTERs among those of our requests.
pub(crate) const TOKEN: u64 = 1 << 62;
/// Marks among them one that takes a registration away: nobody waits for its outcome.
const FAREWELL: u64 = 1 << 32;

impl Exchange {
    /// Before another configuration comes into force: leaves where it wants no registration, or
    /// another one.
    pub(crate) fn disenrol_for(&mut self, new: &Config) {
        let stays = |name: &String| {
            let (old, new) = (self.config.trunks.get(name), new.trunks.get(name));
            old == new && new.is_some_and(|trunk| trunk.register)
        };
        let left: Vec<String> =
            self.enrolments.keys().filter(|name| !stays(name)).cloned().collect();
        for name in left {
            self.disenrol(&name);
        }
    }

    /// The configuration or the addresses of peers changed: registers where it should and is not. Who was told that
    /// the switch goes is not asked again.
    pub(crate) fn review_enrolments(&mut self) {
        if self.has_reported_drained {
            return;
        }
        let config = self.config.clone();
        for trunk in config.trunks.values().filter(|trunk| trunk.register) {
            if !self.enrolments.contains_key(&trunk.name) {
                self.next_enrolment += 1;
                let id = self.next_enrolment;
                let call_id = format!("{:016x}@{}", self.new_session_id(), self.config.domain);
                let enrolment = Enrolment::new(id, call_id, trunk.register_expires);
                self.enrolments.insert(trunk.name.clone(), enrolment);
            }
            if self.enrolments.get(&trunk.name).is_some_and(|e| e.standing == Standing::Waiting) {
                self.enrol(&trunk.name);
            }
        }
    }

    /// Takes every registration away: the switch stops.
    pub(crate) fn disenrol_all(&mut self) {
        let names: Vec<String> = self.enrolments.keys().cloned().collect();
        for name in names {
            self.disenrol(&name);
        }
    }

    fn disenrol(&mut self, name: &str) {
        if self.enrolments.get(name).is_some_and(|e| e.standing == Standing::Registered) {
            self.send_register(name, Duration::ZERO, FAREWELL);
        }
        self.enrolments.remove(name);
    }

    /// The time has come to register, for the first time or again.
    pub(crate) fn enrol_again(&mut self, id: u32) {
        let found = self.enrolments.iter().find(|(_, enrolment)| enrolment.id == id);
        if let Some(name) = found.map(|(name, _)| name.clone()) {
            self.enrol(&name);
        }
    }

    fn enrol(&mut self, name: &str) {
        let Some(expires) = self.enrolments.get(name).map(Enrolment::expires) else { return };
        self.send_register(name, expires, 0);
    }

    /// The way to the address of a trunk's peer whose turn it is.
    fn enrolment_flow(&self, name: &str) -> Option<Flow> {
        let targets = self.trunk_targets.get(name)?;
        let turn = self.enrolments.get(name)?.target(targets.len());
        self.flow_to(*targets.get(turn)?)
    }

    /// Sends REGISTER, if the peer's address is known.
    fn send_register(&mut self, name: &str, expires: Duration, kind: u64) {
        let Some(trunk) = self.config.trunks.get(name).cloned() else { return };
        let Some(destination) = self.enrolment_flow(name) else { return };
        let Some(enrolment) = self.enrolments.get_mut(name) else { return };
        let user = trunk.username.clone().unwrap_or_else(|| trunk.name.clone());
        // RFC 3261 §10.2: who registers a SIPS address has a SIPS Contact.
        let contact = identity::contact(&user, &destination);
        let (scheme, contact) = match trunk.peer.is_secure {
            true => ("sips", identity::secure(&contact)),
            false => ("sip", contact),
        };
        let address = format!("<{scheme}:{}@{}>", encode_user(&user), trunk.peer.host_text());
        let request = OutOfDialog {
            method: Method::Register,
            request_uri: format!("{scheme}:{}", trunk.peer.host_text()),
            from: address.clone(),
            to: address,
            contact: Some(contact),
            call_id: Some(enrolment.call_id.clone()),
            cseq: Some(enrolment.ask()),
            destination,
            route: Vec::new(),
            headers: vec![("Expires".to_owned(), expires.as_secs().to_string())],
            body: None,
            credentials: crate::call::trunk::credentials_of(&trunk),
        };
        let token = TOKEN | kind | u64::from(enrolment.id);
        self.endpoint.request(self.clock.now, request, token, &mut self.sip);
    }

    /// The outcome of a REGISTER of ours.
    pub(crate) fn on_enrolment(&mut self, token: u64, status: u16, message: Option<&Message>) {
        if token & FAREWELL != 0 {
            return;
        }
        let id = u32::try_from(token & u64::from(u32::MAX)).unwrap_or_default();
        let found = self.enrolments.iter_mut().find(|(_, enrolment)| enrolment.id == id);
        let Some((name, enrolment)) = found else { return };
        let before = enrolment.standing;
        let again = enrolment.answered(read(status, message));
        let (name, after) = (name.clone(), enrolment.standing);
        self.arm(again, Timer::Enrol(id));
        if before != after {
            match after {
                Standing::Failed(status) => {
                    tracing::warn!(trunk = name, status, "the trunk's peer does not register us");
                }
                _ => tracing::info!(trunk = name, "registered at the trunk's peer"),
            }
            let fields = json!({"trunk": name, "registration": self.enrolment_shown(&name)});
            self.publish("TRUNK_REGISTRATION", fields);
        }
    }

    /// How the registration at a trunk stands, for people; null where none is wanted.
    pub(crate) fn enrolment_shown(&self, trunk: &str) -> Value {
        match self.enrolments.get(trunk).map(|enrolment| enrolment.standing) {
            None => Value::Null,
            Some(Standing::Waiting | Standing::Asking) => "waiting".into(),
            Some(Standing::Registered) => "registered".into(),
            Some(Standing::Failed(status)) => format!("failed {status}").into(),
        }
    }
}

/// What an answer to REGISTER says.
fn read(status: u16, message: Option<&Message>) -> Answer {
    let seconds = |name: HeaderName| {
        let text = message?.header(name)?.split([';', ' ', '(']).next()?;
        text.trim().parse().ok().map(Duration::from_secs)
    };
    let contacts = message.into_iter().flat_map(|message| message.headers(HeaderName::Contact));
    // Several bindings may be listed: the one that ends first is early enough for ours.
    let listed = contacts.filter_map(|value| Contact::parse(value).ok()?.expires().ok()?).min();
    let listed = listed.map(|seconds| Duration::from_secs(seconds.into()));
    Answer {
        status,
        granted: listed.or_else(|| seconds(HeaderName::Expires)),
        min_expires: seconds(HeaderName::MinExpires),
        retry_after: seconds(HeaderName::RetryAfter),
    }
}
