//! tel URIs (RFC 3966).

use std::fmt;

use super::{UriParam, params};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// A telephone number as a URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TelUri<'a> {
    /// The number as it came, with visual separators.
    pub number: &'a str,
    pub(super) params: &'a str,
}

impl<'a> TelUri<'a> {
    /// Reads what follows `tel:`.
    pub(super) fn read(rest: &'a str) -> Result<TelUri<'a>, ParseError> {
        let end = rest.find(';').unwrap_or(rest.len());
        let (number, params) = rest.split_at_checked(end).ok_or(Kind::Uri.at(0))?;
        let digits = number.strip_prefix('+').unwrap_or(number);
        let is_number = digits.bytes().any(is_dialable)
            && digits.bytes().all(|octet| is_dialable(octet) || is_separator(octet));
        if !is_number {
            return Err(Kind::Uri.at(0));
        }
        Ok(TelUri { number, params })
    }

    /// Whether the number begins with `+`.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.number.starts_with('+')
    }

    /// The number without visual separators.
    #[must_use]
    pub fn dialable(&self) -> String {
        self.number.bytes().filter(|octet| !is_separator(*octet)).map(char::from).collect()
    }

    /// The value of a parameter, in any case; empty for a flag.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params()
            .find(|param| param.name.eq_ignore_ascii_case(name))
            .map(|param| param.value.unwrap_or(""))
    }

    /// All parameters in order.
    pub fn params(&self) -> impl Iterator<Item = UriParam<'a>> + use<'a> {
        params(self.params)
    }

    /// Equality of RFC 3966 §4: numbers without separators, parameters in any order and case.
    #[must_use]
    pub fn equivalent(&self, other: &TelUri<'_>) -> bool {
        let same_params = |a: &TelUri<'_>, b: &TelUri<'_>| {
            a.params().all(|param| {
                let own = a.param(param.name).unwrap_or("");
                b.param(param.name).is_some_and(|value| value.eq_ignore_ascii_case(own))
            })
        };
        self.dialable().eq_ignore_ascii_case(&other.dialable())
            && same_params(self, other)
            && same_params(other, self)
    }
}

fn is_dialable(octet: u8) -> bool {
    octet.is_ascii_hexdigit() || matches!(octet, b'*' | b'#')
}

fn is_separator(octet: u8) -> bool {
    matches!(octet, b'-' | b'.' | b'(' | b')')
}

impl fmt::Display for TelUri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tel:{}{}", self.number, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Uri;
    use super::*;

    fn tel(text: &str) -> TelUri<'_> {
        match Uri::parse(text) {
            Ok(Uri::Tel(tel)) => tel,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn separators_do_not_count() {
        let uri = tel("TEL:+1-201-555-0123");
        assert!(uri.is_global());
        assert_eq!(uri.dialable(), "+12015550123");
        assert!(uri.equivalent(&tel("tel:+1(201)555.0123")));
        assert!(!uri.equivalent(&tel("tel:12015550123")));
    }

    #[test]
    fn parameters_count_in_any_order() {
        let a = tel("tel:7042;phone-context=example.com;ext=1");
        assert_eq!(a.param("Phone-Context"), Some("example.com"));
        assert!(a.equivalent(&tel("tel:7042;ext=1;phone-context=EXAMPLE.com")));
        assert!(!a.equivalent(&tel("tel:7042;ext=1")));
    }

    #[test]
    fn letters_are_no_number() {
        for text in ["tel:", "tel:+", "tel:alice", "tel:--", "tel:1 2"] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
    }
}
