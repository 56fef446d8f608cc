//! Who is at our end of a dialog, as its peer was told: with the INVITE, with the 200, and, when it
//! is somebody else since a transfer or a pickup, with an UPDATE or the next re-INVITE.
//!
//! RFC 3325 §9.1 (P-Asserted-Identity, Privacy), RFC 3311; a re-INVITE is never sent for this alone:
//! who does not know UPDATE learns it with the next offer.

use super::command::HeaderField;
use super::core::Core;
use super::leg::{Leg, OurOffer, Phase};
use crate::message::Method;

/// The header fields that say who somebody is.
const FIELDS: [&str; 2] = ["P-Asserted-Identity", "Privacy"];

/// What the peer was told of our end and what it is to be told.
#[derive(Debug, Default)]
pub(crate) struct Assertion {
    said: Vec<HeaderField>,
    wanted: Vec<HeaderField>,
}

impl Assertion {
    /// What the first request or its answer says.
    pub(crate) fn begin(&mut self, headers: &[HeaderField]) {
        let is_one = |field: &&HeaderField| FIELDS.iter().any(|f| f.eq_ignore_ascii_case(&field.0));
        self.said = headers.iter().filter(is_one).cloned().collect();
        self.wanted.clone_from(&self.said);
    }

    /// The fields of an offer of ours; from now on they are said.
    pub(crate) fn take(&mut self) -> Vec<HeaderField> {
        self.said.clone_from(&self.wanted);
        self.said.clone()
    }

    fn is_due(&self) -> bool {
        self.said != self.wanted
    }
}

impl Core {
    /// Somebody else is at our end: the peer is told as soon as it may be.
    pub(crate) fn identify(&mut self, leg: &mut Leg, headers: Vec<HeaderField>) {
        leg.assertion.wanted = headers;
        self.flush_offer(leg);
    }

    /// Tells the peer by UPDATE what no offer has told it.
    pub(crate) fn flush_assertion(&mut self, leg: &mut Leg) {
        let may_say =
            leg.phase == Phase::Confirmed && leg.may_offer() && leg.peer.allows(&Method::Update);
        if leg.assertion.is_due() && may_say {
            self.send_offer(leg, OurOffer::new(None, true));
        }
    }
}
