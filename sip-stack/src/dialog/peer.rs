//! What a peer says about itself: Allow, Supported, Allow-Events, P-Asserted-Identity.

use super::text;
use crate::message::{HeaderName, Message, Method};

/// The last word of the peer on its capabilities.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    allow: Option<Vec<String>>,
    supported: Vec<String>,
    allow_events: Vec<String>,
    asserted: Option<String>,
}

impl Peer {
    /// Takes over what a message of the peer lists; headers that are absent leave it as it was.
    pub(crate) fn learn(&mut self, message: &Message) {
        if let Some(allow) = text::tokens(message, HeaderName::Allow) {
            self.allow = Some(allow);
        }
        if let Some(supported) = text::tokens(message, HeaderName::Supported) {
            self.supported = supported;
        }
        if let Some(events) = text::tokens(message, HeaderName::AllowEvents) {
            self.allow_events = events;
        }
        if let Some(asserted) = message.header(HeaderName::PAssertedIdentity) {
            self.asserted = Some(asserted.to_owned());
        }
    }

    /// Whether the method may be sent; without an Allow only those of RFC 3261 may.
    pub(crate) fn allows(&self, method: &Method) -> bool {
        match &self.allow {
            Some(allow) => allow.iter().any(|token| token == method.as_str()),
            None => matches!(
                method,
                Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Options
            ),
        }
    }

    pub(crate) fn supports(&self, tag: &str) -> bool {
        self.supported.iter().any(|token| token.eq_ignore_ascii_case(tag))
    }

    /// Who is at its end, as it says.
    pub(crate) fn asserted(&self) -> Option<&str> {
        self.asserted.as_deref()
    }

    pub(crate) fn allows_event(&self, package: &str) -> bool {
        self.allow_events.iter().any(|token| token.eq_ignore_ascii_case(package))
    }
}
