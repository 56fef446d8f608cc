//! Trunks, the location, and the routes of dialled digits.

use std::fmt;
use std::time::Duration;

use regex::Regex;

use super::rim::Transport;
use super::security::{Srtp, SrtpKeys};
use crate::secret::Secret;

/// `[trunks.NAME]`: another switch or a carrier.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    /// The name in the file.
    pub name: String,
    /// Where its requests go and come from.
    pub peer: Peer,
    /// Our user name there.
    pub username: Option<String>,
    /// Our password there.
    pub password: Option<Secret>,
    /// Do we register there? Default no.
    pub register: bool,
    /// How long a registration there is asked for; default 1 hour.
    pub register_expires: Duration,
    /// Where calls go that name only our user name there; without it, nowhere.
    pub inbound: Option<String>,
    /// How those who call from there are known; default by address.
    pub identify_by: IdentifyBy,
    /// What the peer's certificate must name, one of them (RFC 5922); default the peer's host.
    pub certificate_names: Vec<String>,
    /// Most calls at once; without it, no limit of its own.
    pub channels: Option<usize>,
    /// Most calls to it within a minute; without it, no limit.
    pub calls_per_minute: Option<u32>,
    /// Whether its calls speak SRTP; default no.
    pub srtp: Srtp,
    /// How keys are offered to it; default SDES.
    pub srtp_keys: SrtpKeys,
}

/// `trunks.NAME.identify_by`: how a request is known to come from the trunk (SEC-20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentifyBy {
    /// It comes from an address of the peer.
    Address,
    /// Its connection has shown a certificate with one of the trunk's names.
    Certificate,
    /// Both.
    Both,
}

impl IdentifyBy {
    pub(crate) const ALL: [(&str, Self); 3] =
        [("address", Self::Address), ("certificate", Self::Certificate), ("both", Self::Both)];
}

impl Trunk {
    /// User name and password for the peer's challenges, where both are configured.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        Some((self.username.as_deref()?, self.password.as_ref()?.expose()))
    }
}

/// The SIP URI of a trunk's peer, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// As written.
    pub uri: String,
    /// `sips`: TLS on every hop.
    pub is_secure: bool,
    /// Host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// The port, where given.
    pub port: Option<u16>,
    /// The `transport` parameter, where given.
    pub transport: Option<Transport>,
}

impl Peer {
    /// The host as it stands in a URI: an IPv6 address in brackets.
    pub fn host_text(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// Is it reached under TLS only?
    pub fn needs_tls(&self) -> bool {
        self.is_secure || self.transport == Some(Transport::Tls)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.uri)
    }
}

/// `[location]`: what lineTranslateAddress works from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Country calling code, 1 to 999.
    pub country_code: u16,
    /// Area code without prefix; may be empty.
    pub area_code: String,
    /// Dialled before an area code.
    pub long_distance_prefix: String,
    /// Dialled before a country code.
    pub international_prefix: String,
    /// Dialled for an outside line.
    pub outside_line_prefix: String,
    /// Numbers of the own area are dialled with its code, too, as in France; default no.
    pub dial_area_code: bool,
    /// Dialled before a number so that no other call disturbs it; may be empty.
    pub cancel_call_waiting: String,
    /// `[[location.cards]]` in the order of the file.
    pub cards: Vec<CallingCard>,
    /// The card that is used unless another one is asked for.
    pub card: Option<String>,
}

/// `[[location.cards]]`: who pays, and what is dialled for it. A rule that is empty is the
/// location's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallingCard {
    /// Shown in place of its number.
    pub name: String,
    /// Dialled, never shown.
    pub number: Secret,
    /// How numbers of the own area are dialled.
    pub same_area: String,
    /// How numbers of other areas are dialled.
    pub long_distance: String,
    /// How numbers of other countries are dialled.
    pub international: String,
}

/// `[[routes]]`: dialled digits that leave through a trunk.
#[derive(Clone, Debug)]
pub struct Route {
    /// Compiled and bounded; `^` and `$` tie it to the ends of what was dialled.
    pub(crate) regex: Regex,
    /// Name of the trunk.
    pub trunk: String,
    /// What is sent to the trunk; `$name` and `${1}` stand for groups of the pattern.
    pub dial: String,
}

impl Route {
    /// The regular expression as written.
    pub fn pattern(&self) -> &str {
        self.regex.as_str()
    }

    /// The number to send to the trunk, if the pattern matches what was dialled.
    pub fn apply(&self, dialled: &str) -> Option<String> {
        let captures = self.regex.captures(dialled)?;
        let mut number = String::new();
        captures.expand(&self.dial, &mut number);
        Some(number)
    }

    /// Does the pattern match?
    pub fn matches(&self, dialled: &str) -> bool {
        self.regex.is_match(dialled)
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.pattern() == other.pattern() && self.trunk == other.trunk && self.dial == other.dial
    }
}
