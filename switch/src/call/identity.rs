//! Who the parties say they are: From, To, Contact and P-Asserted-Identity of our legs.
//!
//! After authentication the caller is the authenticated line and its name is the directory's
//! (security SEC-30, SEC-31). Source: sip-mapping §1.4, §2.6; RFC 3325.

use std::net::SocketAddr;

use config::Config;
use sip_stack::flow::{Flow, Transport};
use sip_stack::header::Privacy;
use sip_stack::message::{HeaderName, Message};
use sip_stack::uri::{Uri, encode_user};
use tapi::constant::CallOrigin;

use super::user_info::info_of;
use super::{CallId, Party};
use crate::exchange::Exchange;

/// A party's number and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The number.
    pub number: String,
    /// The name, possibly empty.
    pub name: String,
    /// Neither is to be shown to other users (RFC 3323, RFC 3325).
    pub is_private: bool,
}

/// Who calls, where that is private (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
/// The host of those who do not say who they are.
const ANONYMOUS_HOST: &str = "anonymous.invalid";

impl Identity {
    /// The identity of a party of ours or of the outside.
    pub fn of(config: &Config, party: &Party) -> Identity {
        match party {
            Party::Line(number) => {
                let name = config.lines.get(number).map(|line| &line.name);
                let name = name.or_else(|| config.queue_at(number).map(|queue| &queue.name));
                let name = name.cloned().unwrap_or_default();
                Identity { number: number.clone(), name, is_private: false }
            }
            Party::Trunk { number, .. } => {
                Identity { number: number.clone(), ..Identity::default() }
            }
        }
    }

    /// The From value: the identity in our domain, or nobody's.
    pub fn from_value(&self, domain: &str) -> String {
        if self.is_private { ANONYMOUS.to_owned() } else { self.name_addr(domain) }
    }

    /// P-Asserted-Identity and Privacy: trunks belong to those who are told who calls whatever the
    /// user wishes, and keep it to themselves (RFC 3325 §5, §7); phones are not told.
    pub fn assertions(&self, domain: &str, is_trunk: bool) -> Vec<(String, String)> {
        let asserted = ("P-Asserted-Identity".to_owned(), self.name_addr(domain));
        let privacy = ("Privacy".to_owned(), "id".to_owned());
        match (self.is_private, is_trunk) {
            (false, _) => vec![asserted],
            (true, true) => vec![asserted, privacy],
            (true, false) => vec![privacy],
        }
    }

    /// As LINECALLINFO shows it.
    pub fn party_id(&self) -> tapi::PartyId {
        if self.is_private {
            return tapi::PartyId::blocked();
        }
        tapi::PartyId::known(&self.number, &self.name)
    }

    /// The name-addr of the identity in our domain.
    pub fn name_addr(&self, domain: &str) -> String {
        let user = encode_user(&self.number);
        if self.name.is_empty() {
            return format!("<sip:{user}@{domain}>");
        }
        let name = self.name.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{name}\" <sip:{user}@{domain}>")
    }
}

/// The Contact URI under which we are reached over `flow`.
pub fn contact(user: &str, flow: &Flow) -> String {
    let user = encode_user(user);
    let host = socket_text(flow.local);
    match flow.transport {
        Transport::Udp => format!("sip:{user}@{host}"),
        // RFC 7118 §5.2: one token for both.
        Transport::Wss => format!("sip:{user}@{host};transport=ws"),
        other => format!("sip:{user}@{host};transport={}", other.uri_param()),
    }
}

/// The same URI as SIPS, for dialogs that began with one (RFC 3261 §8.1.1.8).
pub fn secure(contact: &str) -> String {
    match contact.strip_prefix("sip:") {
        // The parameter says nothing that the scheme does not say (RFC 5630 §3.1.3).
        Some(rest) => format!("sips:{}", rest.trim_end_matches(";transport=tls")),
        None => contact.to_owned(),
    }
}

/// Whether a request, or a URI, asks for TLS on every hop (RFC 3261 §26.2.2).
pub fn is_sips(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
}

/// `host:port` with brackets around IPv6.
pub fn socket_text(address: SocketAddr) -> String {
    address.to_string()
}

/// The number an INVITE asks for: the user part of its Request-URI, without escapes.
pub fn dialled_number(message: &Message) -> Option<String> {
    let uri = Uri::parse(message.request_uri()?).ok()?;
    uri.user_decoded()
}

/// Number and name that a trunk gives for its caller: P-Asserted-Identity, else From.
pub fn outside_caller(message: &Message) -> Identity {
    let asserted = message.header(HeaderName::PAssertedIdentity);
    let parsed = match asserted {
        Some(text) => sip_stack::header::NameAddr::parse(text).ok(),
        None => message.from().ok(),
    };
    let Some(address) = parsed else { return Identity::default() };
    let number = Uri::parse(address.uri).ok().and_then(|uri| uri.user_decoded());
    Identity {
        number: number.unwrap_or_default(),
        name: address.display_name().into_owned(),
        is_private: wants_privacy(message),
    }
}

/// Whether the sender does not want to be known: by Privacy, or by a From without a name.
pub fn wants_privacy(message: &Message) -> bool {
    let privacy = message.header(HeaderName::Privacy).map(Privacy::parse);
    privacy.is_some_and(Privacy::hides_identity) || is_anonymous(message)
}

/// Whether From says "anonymous" (RFC 3323 §4.1.1.3); then it claims to be nobody else.
pub fn is_anonymous(message: &Message) -> bool {
    let from = message.from().ok().and_then(|from| Uri::parse(from.uri).ok());
    from.is_some_and(|uri| uri.host().is_some_and(|host| host.eq_ignore_ascii_case(ANONYMOUS_HOST)))
}

impl Exchange {
    /// Name and number of what was dialled, as far as the directory knows it.
    pub(crate) fn identity_of_number(&self, number: &str) -> Identity {
        let line = self.config.lines.get(number).map(|line| &line.name);
        let name = line
            .or_else(|| self.config.hunt_groups.get(number).map(|group| &group.name))
            .or_else(|| self.config.shared_lines.get(number).map(|shared| &shared.name))
            .or_else(|| self.config.queue_at(number).map(|queue| &queue.name));
        let name = name.cloned().unwrap_or_default();
        Identity { number: number.to_owned(), name, is_private: false }
    }

    /// A party by its number, as LINECALLINFO shows it; nothing for no number.
    pub(crate) fn party_of_number(&self, number: &str) -> tapi::PartyId {
        if number.is_empty() {
            return tapi::PartyId::unavail();
        }
        self.identity_of_number(number).party_id()
    }

    /// Who the party of a call is, for others.
    pub(crate) fn identity_of(&self, id: CallId) -> Identity {
        let Some(call) = self.calls.get(id.0) else { return Identity::default() };
        let asserted = call.details.asserted.clone();
        let mut identity =
            asserted.unwrap_or_else(|| self.identity_at(&call.party, call.shared.as_deref()));
        identity.is_private |= call.details.is_private;
        identity
    }

    /// Where a call comes from that is taken from somewhere else: who had called, not who takes it
    /// (tapi-call-control §1.5).
    pub(crate) fn origin_from(&self, caller: CallId) -> CallOrigin {
        let is_line = self.calls.get(caller.0).is_some_and(|call| call.party.line().is_some());
        if is_line { CallOrigin::Internal } else { CallOrigin::External }
    }

    /// The fields that say to one party who the other is; a trunk is told nothing new.
    pub(crate) fn assertions_for(&self, id: CallId, other: CallId) -> Vec<(String, String)> {
        if self.calls.get(id.0).is_none_or(|call| call.party.line().is_none()) {
            return Vec::new();
        }
        self.identity_of(other).assertions(&self.config.domain, false)
    }

    /// A phone talks to somebody else than before: it is told whom to display, by UPDATE where it
    /// allows that (sip-mapping §2.9.4).
    pub(crate) fn identify_far(&mut self, id: CallId) {
        let Some(far) = self.far(id) else { return };
        let Some(leg) = self.calls.get(id.0).and_then(|call| call.leg) else { return };
        let headers = self.assertions_for(id, far);
        if !headers.is_empty() {
            self.endpoint.identify(self.clock.now, leg, headers, &mut self.sip);
        }
    }

    /// The same, as LINECALLINFO shows it.
    pub(crate) fn party_of(&self, id: CallId) -> tapi::PartyId {
        self.identity_of(id).party_id()
    }

    /// What the INVITE of a caller says of it beside its number.
    pub(crate) fn note_caller(&mut self, id: CallId, message: &Message) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.details.is_private = wants_privacy(message);
        if call.party.line().is_none() {
            call.details.asserted = Some(outside_caller(message));
        }
        if let Some(connection) = self.connections.get_mut(call.connection.0) {
            connection.user_info = info_of(message);
        }
    }

    /// A trunk says who has been reached: P-Asserted-Identity of its responses.
    pub(crate) fn note_asserted(&mut self, id: CallId, message: &Message) {
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let is_trunk = call.party.line().is_none();
        if is_trunk && message.header(HeaderName::PAssertedIdentity).is_some() {
            let identity = outside_caller(message);
            if !identity.number.is_empty() {
                call.details.asserted = Some(identity);
            }
        }
    }
}
