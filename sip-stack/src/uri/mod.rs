//! SIP, SIPS and tel URIs: borrowed views, equality, escapes.
//!
//! Knows nothing of DNS. Case and escapes are looked at for comparison only.

mod compare;
mod escape;
mod sip;
mod tel;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use memchr::memchr;

pub use escape::{decode, encode_header, encode_param, encode_user};
pub use sip::SipUri;
pub use tel::TelUri;

use crate::message::{ParseError, ParseErrorKind as Kind};

/// Octets of a URI; a longer Request-URI is answered 414 (SEC-15).
pub const MAX_URI: usize = 2048;
/// Octets of a user part.
pub const MAX_USER: usize = 256;
/// Octets of a host.
pub const MAX_HOST: usize = 253;

/// A URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Uri<'a> {
    /// `sip:` or `sips:`.
    Sip(SipUri<'a>),
    /// `tel:`.
    Tel(TelUri<'a>),
    /// A scheme that this stack does not route.
    Other {
        /// The scheme as it came.
        scheme: &'a str,
        /// What follows the colon.
        rest: &'a str,
    },
}

impl<'a> Uri<'a> {
    /// Reads a URI.
    ///
    /// # Errors
    /// No scheme, blanks or control characters inside, or what the scheme's grammar forbids.
    pub fn parse(text: &'a str) -> Result<Uri<'a>, ParseError> {
        if text.len() > MAX_URI {
            return Err(Kind::UriTooLong.at(MAX_URI));
        }
        if let Some(at) = text.bytes().position(is_never_in_uri) {
            return Err(Kind::Uri.at(at));
        }
        let colon = memchr(b':', text.as_bytes()).ok_or(Kind::Uri.at(0))?;
        let (scheme, rest) = text.split_at_checked(colon).ok_or(Kind::Uri.at(0))?;
        let rest = rest.get(1..).unwrap_or("");
        if scheme.eq_ignore_ascii_case("sip") {
            SipUri::read(rest, false).map(Uri::Sip)
        } else if scheme.eq_ignore_ascii_case("sips") {
            SipUri::read(rest, true).map(Uri::Sip)
        } else if scheme.eq_ignore_ascii_case("tel") {
            TelUri::read(rest).map(Uri::Tel)
        } else if is_scheme(scheme) && !rest.is_empty() {
            Ok(Uri::Other { scheme, rest })
        } else {
            Err(Kind::Uri.at(0))
        }
    }

    /// The SIP or SIPS URI.
    #[must_use]
    pub fn sip(&self) -> Option<&SipUri<'a>> {
        match self {
            Uri::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// The scheme in lower case; as it came if it is unknown.
    #[must_use]
    pub fn scheme(&self) -> &'a str {
        match self {
            Uri::Sip(uri) => uri.scheme(),
            Uri::Tel(_) => "tel",
            Uri::Other { scheme, .. } => scheme,
        }
    }

    /// The user part as it came; of a tel URI, the number as it came.
    #[must_use]
    pub fn user(&self) -> Option<&'a str> {
        match self {
            Uri::Sip(uri) => uri.user,
            Uri::Tel(uri) => Some(uri.number),
            Uri::Other { .. } => None,
        }
    }

    /// The user part without escapes, if it is UTF-8; of a tel URI, the number without separators.
    #[must_use]
    pub fn user_decoded(&self) -> Option<String> {
        match self {
            Uri::Sip(uri) => uri.user_decoded(),
            Uri::Tel(uri) => Some(uri.dialable()),
            Uri::Other { .. } => None,
        }
    }

    /// The host of a SIP or SIPS URI, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        self.sip().map(|uri| uri.host)
    }

    /// The port of a SIP or SIPS URI.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.sip().and_then(|uri| uri.port)
    }

    /// The value of a URI parameter, in any case; empty for a flag.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        match self {
            Uri::Sip(uri) => uri.param(name),
            Uri::Tel(uri) => uri.param(name),
            Uri::Other { .. } => None,
        }
    }

    /// Equality by the rules of the scheme; of other schemes, octet for octet.
    ///
    /// Source: RFC 3261 §19.1.4, RFC 3966 §4.
    #[must_use]
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        match (self, other) {
            (Uri::Sip(a), Uri::Sip(b)) => compare::equivalent(a, b),
            (Uri::Tel(a), Uri::Tel(b)) => a.equivalent(b),
            (Uri::Other { scheme: a, rest: c }, Uri::Other { scheme: b, rest: d }) => {
                a.eq_ignore_ascii_case(b) && c == d
            }
            _ => false,
        }
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uri::Sip(uri) => uri.fmt(f),
            Uri::Tel(uri) => uri.fmt(f),
            Uri::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

fn is_never_in_uri(octet: u8) -> bool {
    octet <= b' ' || matches!(octet, b'<' | b'>' | b'"' | 0x7f)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'))
}

/// A URI parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UriParam<'a> {
    /// The name as it came.
    pub name: &'a str,
    /// The value as it came; `None` for a flag.
    pub value: Option<&'a str>,
}

/// The parameters of `;a=b;c`.
fn params(text: &str) -> impl Iterator<Item = UriParam<'_>> {
    text.split(';').filter(|param| !param.is_empty()).map(|param| match param.split_once('=') {
        None => UriParam { name: param, value: None },
        Some((name, value)) => UriParam { name, value: Some(value) },
    })
}

/// Reads `host[:port]`; an IPv6 address comes without its brackets, an empty port is none.
pub(crate) fn parse_host_port(text: &str) -> Result<(&str, Option<u16>), ParseError> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, rest) = inside.split_once(']').ok_or(Kind::Host.at(0))?;
            if parse_ipv6(host).is_none() {
                return Err(Kind::Host.at(1));
            }
            (host, rest)
        }
        None => {
            let end = memchr(b':', text.as_bytes()).unwrap_or(text.len());
            let (host, rest) = text.split_at_checked(end).ok_or(Kind::Host.at(0))?;
            let host = host.trim_end_matches([' ', '\t']);
            if !is_host_name(host) {
                return Err(Kind::Host.at(0));
            }
            (host, rest)
        }
    };
    let rest = rest.trim_matches([' ', '\t']);
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').ok_or(Kind::Host.at(host.len()))?;
    match digits.trim_start_matches([' ', '\t']) {
        "" => Ok((host, None)),
        digits if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
            digits.parse().map(|port| (host, Some(port))).map_err(|_| Kind::Port.at(host.len()))
        }
        _ => Err(Kind::Port.at(host.len())),
    }
}

/// Names and IPv4 addresses; the underscore is not legal but common.
fn is_host_name(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= MAX_HOST
        && host.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
}

/// An IPv6 address without brackets. Three colons before an embedded IPv4 address, which the
/// grammar of RFC 3261 produced by mistake, count as two (RFC 5118 §4.10).
fn parse_ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| match text.split_once(":::") {
        Some((before, after)) => format!("{before}::{after}").parse().ok(),
        None => None,
    })
}

/// The address that a host text is, brackets stripped, if it is none but a name: `None`.
///
/// An IPv4-mapped IPv6 address is given as IPv4 (SEC-19).
#[must_use]
pub fn parse_ip(host: &str) -> Option<IpAddr> {
    match host.parse() {
        Ok(IpAddr::V4(ip)) => Some(IpAddr::V4(ip)),
        _ => parse_ipv6(host).map(|ip| IpAddr::V6(ip).to_canonical()),
    }
}

/// Writes `host[:port]`, an IPv6 address with brackets and never with three colons.
pub(crate) fn write_host(f: &mut fmt::Formatter<'_>, host: &str, port: Option<u16>) -> fmt::Result {
    match (host.contains(":::"), parse_ipv6(host)) {
        (true, Some(ip)) => write!(f, "[{ip}]")?,
        (false, Some(_)) => write!(f, "[{host}]")?,
        (_, None) => f.write_str(host)?,
    }
    match port {
        None => Ok(()),
        Some(port) => write!(f, ":{port}"),
    }
}
