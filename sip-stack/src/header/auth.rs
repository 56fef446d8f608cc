//! Challenges and credentials (RFC 3261 §20.7, §20.44; RFC 7616).
//!
//! The grammar only: what the parameters mean is `auth`'s.

use std::fmt;

use super::params::Param;
use super::text::{List, inside, is_token, quote_end, trim};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// Parameters of one challenge or of credentials; more are refused.
const MAX_AUTH_PARAMETERS: usize = 32;

macro_rules! auth_header {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name<'a> {
            /// `Digest`, as it came.
            pub scheme: &'a str,
            text: &'a str,
        }

        impl<'a> $name<'a> {
            /// Reads the value of one header line. Of another scheme than Digest only the scheme
            /// is read.
            ///
            /// # Errors
            /// A value that does not fit the grammar, or that has a parameter twice (SEC-24).
            pub fn parse(value: &'a str) -> Result<$name<'a>, ParseError> {
                let (scheme, text) = split_scheme(value)?;
                let auth = $name { scheme, text };
                if auth.is_digest() {
                    check(text)?;
                }
                Ok(auth)
            }

            /// Whether the scheme is Digest.
            #[must_use]
            pub fn is_digest(&self) -> bool {
                self.scheme.eq_ignore_ascii_case("Digest")
            }

            /// The value of a parameter without its quotes; quoted pairs are left as they are.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<&'a str> {
                self.params()
                    .find(|param| param.name.eq_ignore_ascii_case(name))
                    .and_then(|param| param.value)
                    .map(inside)
            }

            /// All parameters in order.
            pub fn params(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
                List::new(if self.is_digest() { self.text } else { "" }).map(split_param)
            }

            /// The text behind the scheme.
            #[must_use]
            pub fn text(&self) -> &'a str {
                self.text
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.scheme, self.text)
            }
        }
    };
}

auth_header! {
    /// WWW-Authenticate or Proxy-Authenticate: one header line is one challenge.
    Challenge
}

auth_header! {
    /// Authorization or Proxy-Authorization.
    Credentials
}

fn split_scheme(value: &str) -> Result<(&str, &str), ParseError> {
    let value = trim(value);
    let (scheme, text) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    if is_token(scheme) { Ok((scheme, trim(text))) } else { Err(Kind::Value.at(0)) }
}

fn split_param(element: &str) -> Param<'_> {
    match element.split_once('=') {
        None => Param { name: trim(element), value: None },
        Some((name, value)) => Param { name: trim(name), value: Some(trim(value)) },
    }
}

fn check(text: &str) -> Result<(), ParseError> {
    let mut names: Vec<&str> = Vec::with_capacity(16);
    for param in List::new(text).map(split_param) {
        let value = param.value.ok_or(Kind::Parameter.at(0))?;
        let is_value = match value.strip_prefix('"') {
            Some(_) => quote_end(value, 0) == Some(value.len()),
            None => !value.is_empty() && !value.contains([' ', '\t', '"']),
        };
        if !is_token(param.name) || !is_value {
            return Err(Kind::Parameter.at(0));
        }
        if names.iter().any(|name| name.eq_ignore_ascii_case(param.name)) {
            return Err(Kind::Parameter.at(0));
        }
        if names.len() >= MAX_AUTH_PARAMETERS {
            return Err(Kind::TooManyParameters.at(0));
        }
        names.push(param.name);
    }
    if names.is_empty() { Err(Kind::Empty.at(0)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_credentials_as_phones_send_them() {
        let value = r#"Digest username="bob \"b\"", realm="a, b",nonce="n==", uri="sip:h;x=y",
            response="0011", algorithm=SHA-256 , cnonce="c",qop=auth, nc=00000001"#
            .replace('\n', " ");
        let credentials = Credentials::parse(&value).unwrap();
        assert!(credentials.is_digest());
        assert_eq!(credentials.get("Realm"), Some("a, b"));
        assert_eq!(credentials.get("username"), Some(r#"bob \"b\""#));
        assert_eq!(credentials.get("algorithm"), Some("SHA-256"));
        assert_eq!(credentials.get("opaque"), None);
        assert_eq!(credentials.params().count(), 9);
    }

    #[test]
    fn an_unknown_scheme_is_read_as_such() {
        let credentials = Credentials::parse("NoOneKnowsThisScheme opaque-data=here").unwrap();
        assert!(!credentials.is_digest());
        assert_eq!(credentials.get("opaque-data"), None);
    }

    #[test]
    fn refuses_repeated_and_malformed_parameters() {
        for value in [
            "Digest",
            "Digest realm=\"a\", Realm=\"b\"",
            "Digest realm=\"a",
            "Digest realm",
            "Digest realm=\"a\"b",
            "Digest re alm=a",
            "",
            "Digest realm=a b",
        ] {
            assert!(Challenge::parse(value).is_err(), "{value}");
        }
    }
}
