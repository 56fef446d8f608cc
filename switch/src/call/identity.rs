//! Who the parties say they are: From, To, Contact and P-Asserted-Identity of our legs.
//!
//! After authentication the caller is the authenticated line and its name is the directory's
//! (security SEC-30, SEC-31). Source: sip-mapping §1.4, §2.6; RFC 3325.

use std::net::SocketAddr;

use config::Config;
use sip_stack::flow::{Flow, Transport};
use sip_stack::message::{HeaderName, Message};
use sip_stack::uri::{Uri, encode_user};

use super::Party;

/// A party's number and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The number.
    pub number: String,
    /// The name, possibly empty.
    pub name: String,
}

impl Identity {
    /// The identity of a party of ours or of the outside.
    pub fn of(config: &Config, party: &Party) -> Identity {
        match party {
            Party::Line(number) => Identity {
                number: number.clone(),
                name: config.lines.get(number).map(|line| line.name.clone()).unwrap_or_default(),
            },
            Party::Trunk { number, .. } => Identity { number: number.clone(), name: String::new() },
        }
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
        other => format!("sip:{user}@{host};transport={}", other.uri_param()),
    }
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
    Identity { number: number.unwrap_or_default(), name: address.display_name().into_owned() }
}
