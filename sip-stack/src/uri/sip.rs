//! SIP and SIPS URIs (RFC 3261 §19.1).

use std::fmt;
use std::net::IpAddr;

use memchr::memchr;

use super::{MAX_USER, UriParam, decode, params, parse_host_port, parse_ip, write_host};
use crate::header::MAX_PARAMETERS;
use crate::message::{ParseError, ParseErrorKind as Kind};

/// A SIP or SIPS URI, borrowed; escapes as they came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SipUri<'a> {
    /// Whether the scheme is `sips`.
    pub is_secure: bool,
    /// The user part, with its escapes.
    pub user: Option<&'a str>,
    /// The password, with its escapes.
    pub password: Option<&'a str>,
    /// The host; an IPv6 address without its brackets.
    pub host: &'a str,
    /// The port.
    pub port: Option<u16>,
    /// `;a=b;c` or empty.
    params: &'a str,
    /// `a=b&c=d`, what follows `?`, or empty.
    headers: &'a str,
}

impl<'a> SipUri<'a> {
    /// A URI of its parts; `user` must be escaped (`encode_user`).
    #[must_use]
    pub fn new(user: Option<&'a str>, host: &'a str, port: Option<u16>) -> SipUri<'a> {
        SipUri { is_secure: false, user, password: None, host, port, params: "", headers: "" }
    }

    /// Reads what follows `sip:`. The user part may hold `;`, `?`, `/` and `,`, so the at sign is
    /// looked for first.
    pub(super) fn read(rest: &'a str, is_secure: bool) -> Result<SipUri<'a>, ParseError> {
        let (userinfo, rest) = match memchr(b'@', rest.as_bytes()) {
            None => (None, rest),
            Some(at) => {
                let (userinfo, rest) = rest.split_at_checked(at).ok_or(Kind::Uri.at(at))?;
                (Some(userinfo), rest.get(1..).unwrap_or(""))
            }
        };
        let (user, password) = match userinfo {
            None => (None, None),
            Some(userinfo) => match userinfo.split_once(':') {
                None => (Some(userinfo), None),
                Some((user, password)) => (Some(user), Some(password)),
            },
        };
        let is_bad = user
            .is_some_and(|user| user.len() > MAX_USER || (user.is_empty() && password.is_some()));
        if is_bad {
            return Err(Kind::Uri.at(0));
        }
        // Gateways send `sip:@host` for callers without a number. Another at sign behind it would
        // become the end of a user part when the URI is written without the empty one.
        if user.is_some_and(str::is_empty) && rest.contains('@') {
            return Err(Kind::Uri.at(0));
        }
        let user = user.filter(|user| !user.is_empty());
        let (rest, headers) = rest.split_once('?').unwrap_or((rest, ""));
        let end = memchr(b';', rest.as_bytes()).unwrap_or(rest.len());
        let (host_port, params) = rest.split_at_checked(end).ok_or(Kind::Host.at(0))?;
        let (host, port) = parse_host_port(host_port)?;
        let uri = SipUri { is_secure, user, password, host, port, params, headers };
        if uri.params().take(MAX_PARAMETERS + 1).count() > MAX_PARAMETERS {
            return Err(Kind::TooManyParameters.at(0));
        }
        Ok(uri)
    }

    /// `sip` or `sips`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.is_secure { "sips" } else { "sip" }
    }

    /// The user part without escapes, if it is UTF-8.
    #[must_use]
    pub fn user_decoded(&self) -> Option<String> {
        String::from_utf8(decode(self.user?)).ok()
    }

    /// The address, if the host is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        parse_ip(self.host)
    }

    /// The port, or the scheme's own.
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.is_secure { 5061 } else { 5060 })
    }

    /// The value of a URI parameter, in any case; empty for a flag. Escaped names are found.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params()
            .find(|param| {
                param.name.eq_ignore_ascii_case(name)
                    || (param.name.contains('%')
                        && decode(param.name).eq_ignore_ascii_case(name.as_bytes()))
            })
            .map(|param| param.value.unwrap_or(""))
    }

    /// All URI parameters in order.
    pub fn params(&self) -> impl Iterator<Item = UriParam<'a>> + use<'a> {
        params(self.params)
    }

    /// Whether this is a loose router's URI (RFC 3261 §16.12).
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The headers inside the URI: names and values with their escapes.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.headers
            .split('&')
            .filter(|header| !header.is_empty())
            .map(|header| header.split_once('=').unwrap_or((header, "")))
    }

    /// Whether there are headers inside the URI; they have no place in a Request-URI.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// Without the headers inside it.
    #[must_use]
    pub fn without_headers(&self) -> SipUri<'a> {
        SipUri { headers: "", ..*self }
    }

    /// Without parameters and headers: the form of an address-of-record (RFC 3261 §10.3).
    #[must_use]
    pub fn without_params(&self) -> SipUri<'a> {
        SipUri { headers: "", params: "", ..*self }
    }

    /// Equality of RFC 3261 §19.1.4.
    #[must_use]
    pub fn equivalent(&self, other: &SipUri<'_>) -> bool {
        super::compare::equivalent(self, other)
    }

    /// Whether the hosts are the same: names without case, addresses by value.
    #[must_use]
    pub fn is_at_host(&self, host: &str) -> bool {
        super::compare::same_host(self.host, host)
    }
}

impl fmt::Display for SipUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme())?;
        match (self.user, self.password) {
            (Some(user), Some(password)) => write!(f, "{user}:{password}@")?,
            (Some(user), None) => write!(f, "{user}@")?,
            (None, _) => {}
        }
        write_host(f, self.host, self.port)?;
        f.write_str(self.params)?;
        if self.has_headers() { write!(f, "?{}", self.headers) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Uri;
    use super::*;

    fn sip(text: &str) -> SipUri<'_> {
        *Uri::parse(text).unwrap().sip().unwrap()
    }

    #[test]
    fn reads_every_part() {
        let uri = sip("sips:alice:pw@Example.com:5070;transport=tcp;lr?Subject=x&To=a%40b");
        assert!(uri.is_secure && uri.is_loose_router());
        assert_eq!((uri.user, uri.password), (Some("alice"), Some("pw")));
        assert_eq!((uri.host, uri.port), ("Example.com", Some(5070)));
        assert_eq!(uri.param("Transport"), Some("tcp"));
        let headers: Vec<_> = uri.headers().collect();
        assert_eq!(headers, [("Subject", "x"), ("To", "a%40b")]);
        assert_eq!(
            uri.to_string(),
            "sips:alice:pw@Example.com:5070;transport=tcp;lr?Subject=x&To=a%40b"
        );
        assert_eq!(uri.without_params().to_string(), "sips:alice:pw@Example.com:5070");
    }

    #[test]
    fn an_empty_user_hides_no_second_at_sign() {
        assert_eq!(sip("sip:@h;x=1").user, None);
        for text in ["sip:@a;x/b@c", "sip:@a?h=b@c", "sip:@a@c"] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn brackets_keep_address_and_port_apart() {
        let uri = sip("sip:[2001:db8::10]:5070");
        assert_eq!((uri.host, uri.port), ("2001:db8::10", Some(5070)));
        let uri = sip("sip:[2001:db8::10:5070]");
        assert_eq!((uri.host, uri.port), ("2001:db8::10:5070", None));
        assert_eq!(uri.to_string(), "sip:[2001:db8::10:5070]");
        assert_eq!(sip("sip:a@[::ffff:192.0.2.1]").ip(), "192.0.2.1".parse().ok());
        assert_eq!(sip("sip:[2001:db8:::192.0.2.1]").to_string(), "sip:[2001:db8::c000:201]");
    }

    #[test]
    fn the_user_part_may_look_like_anything() {
        let uri = sip("sip:user;par=u%40example.net@example.com");
        assert_eq!(uri.user_decoded().as_deref(), Some("user;par=u@example.net"));
        assert_eq!(uri.param("par"), None);
        let uri = sip("sip:sips%3Auser%40example.com@example.net");
        assert_eq!(uri.host, "example.net");
        assert_eq!(sip("sip:*72#@h").user, Some("*72#"));
        assert_eq!(sip("sip:@h").user, None);
    }

    #[test]
    fn an_escaped_parameter_name_is_found() {
        assert!(
            sip("sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31").is_loose_router()
        );
    }

    #[test]
    fn refuses_what_is_no_uri() {
        for text in [
            "",
            "sip",
            "sip:",
            "sip:a@",
            "sip::pw@h",
            "sip:2001:db8::10",
            "<sip:a@h>",
            "sip:a b@h",
            "sip:a@h:99999",
            "sip:a@h:x",
            "sip:a@[::1",
            "sip:a@[zz]",
            "sip:a@h@i",
            ":a",
            "1a:b",
            "sip:a@h\r\n",
            "sip:a@h,b",
        ] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
        assert_eq!(Uri::parse("soap.beep://192.0.2.103:3002").unwrap().scheme(), "soap.beep");
    }
}
