//! Refer-To (RFC 3515) with the headers inside its URI. Referred-By is a plain name-addr.

use std::fmt;
use std::ops::Deref;

use super::name_addr::NameAddr;
use crate::message::{Method, ParseError, ParseErrorKind as Kind};
use crate::uri::{Uri, decode};

/// Whom to call, how, and in place of which dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReferTo<'a> {
    /// Display name, URI and parameters.
    pub addr: NameAddr<'a>,
}

impl<'a> ReferTo<'a> {
    /// Reads the value.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &'a str) -> Result<ReferTo<'a>, ParseError> {
        NameAddr::parse(value).map(|addr| ReferTo { addr })
    }

    /// The method that the URI names; INVITE if it names none.
    ///
    /// # Errors
    /// A URI that cannot be read.
    pub fn method(&self) -> Result<Method, ParseError> {
        let uri = self.addr.parsed_uri()?;
        let method = uri.param("method").filter(|method| !method.is_empty());
        Ok(method.map_or(Method::Invite, Method::from_token))
    }

    /// The decoded Replaces header inside the URI, to be read with `Replaces::parse`.
    ///
    /// # Errors
    /// A URI that cannot be read, or more than one Replaces (RFC 3891 §3).
    pub fn replaces(&self) -> Result<Option<String>, ParseError> {
        self.embedded("Replaces")
    }

    /// A header inside the URI, decoded.
    ///
    /// # Errors
    /// A URI that cannot be read, a header that is there twice, or one that would not be a header
    /// value (line ends, not UTF-8).
    pub fn embedded(&self, name: &str) -> Result<Option<String>, ParseError> {
        let Uri::Sip(uri) = self.addr.parsed_uri()? else { return Ok(None) };
        let mut found = uri.headers().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let Some((_, value)) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(Kind::Value.at(0));
        }
        let text = String::from_utf8(decode(value)).map_err(|_| Kind::Utf8.at(0))?;
        if text.chars().any(char::is_control) {
            return Err(Kind::Value.at(0));
        }
        Ok(Some(text))
    }
}

impl<'a> Deref for ReferTo<'a> {
    type Target = NameAddr<'a>;

    fn deref(&self) -> &NameAddr<'a> {
        &self.addr
    }
}

impl fmt::Display for ReferTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Replaces;

    #[test]
    fn replaces_is_decoded_in_either_case_of_escapes() {
        for escapes in ["%3Bto-tag%3Dt%3Bfrom-tag%3Df", "%3bto-tag%3dt%3bfrom-tag%3df"] {
            let value = format!("<sip:c@h;user=phone?Replaces=1%402{escapes}&Accept=x>");
            let refer_to = ReferTo::parse(&value).unwrap();
            let text = refer_to.replaces().unwrap().unwrap();
            let replaces = Replaces::parse(&text).unwrap();
            assert_eq!((replaces.call_id, replaces.to_tag, replaces.from_tag), ("1@2", "t", "f"));
        }
    }

    #[test]
    fn two_replaces_or_a_line_end_inside_are_refused() {
        let refer_to = ReferTo::parse("<sip:c@h?Replaces=a&replaces=b>").unwrap();
        assert!(refer_to.replaces().is_err());
        let refer_to = ReferTo::parse("<sip:c@h?Replaces=a%0D%0AEvil:x>").unwrap();
        assert!(refer_to.replaces().is_err());
    }

    #[test]
    fn the_method_defaults_to_invite() {
        assert_eq!(ReferTo::parse("sip:c@h").unwrap().method(), Ok(Method::Invite));
        assert_eq!(ReferTo::parse("<sip:c@h;method=BYE>").unwrap().method(), Ok(Method::Bye));
        assert_eq!(ReferTo::parse("tel:+4930").unwrap().replaces(), Ok(None));
    }
}
