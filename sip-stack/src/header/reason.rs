//! Reason (RFC 3326, RFC 4411).

use std::borrow::Cow;
use std::fmt;

use super::params::Params;
use super::text::{is_token, quote, trim, unquote};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// Why a request or response was sent: one value of possibly several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason<'a> {
    /// `SIP` or `Q.850`, as it came.
    pub protocol: Cow<'a, str>,
    /// The status or cause value.
    pub cause: Option<u16>,
    /// The text without its quotes.
    pub text: Option<Cow<'a, str>>,
}

impl<'a> Reason<'a> {
    /// A status as the reason.
    #[must_use]
    pub fn sip(cause: u16, text: &'a str) -> Reason<'a> {
        Reason { protocol: "SIP".into(), cause: Some(cause), text: Some(text.into()) }
    }

    /// A Q.850 cause value as the reason.
    #[must_use]
    pub fn q850(cause: u16, text: &'a str) -> Reason<'a> {
        Reason { protocol: "Q.850".into(), cause: Some(cause), text: Some(text.into()) }
    }

    /// Reads one value; a cause that is no number counts as none.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &'a str) -> Result<Reason<'a>, ParseError> {
        let end = value.find(';').unwrap_or(value.len());
        let (protocol, params) = value.split_at_checked(end).ok_or(Kind::Value.at(end))?;
        let protocol = trim(protocol);
        if !is_token(protocol) {
            return Err(Kind::Value.at(0));
        }
        let params = Params::parse(params)?;
        Ok(Reason {
            protocol: protocol.into(),
            cause: params.get("cause").and_then(|cause| cause.parse().ok()),
            text: params.get("text").map(unquote),
        })
    }

    /// Whether this is a Q.850 cause.
    #[must_use]
    pub fn is_q850(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("Q.850")
    }

    /// Whether this is a SIP status.
    #[must_use]
    pub fn is_sip(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("SIP")
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = self.text.as_deref().filter(|text| !text.is_empty()) {
            write!(f, ";text={}", quote(text))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_both_protocols() {
        let reason =
            Reason::parse(r#"SIP ;cause=200 ;text="Call completed \"elsewhere\"""#).unwrap();
        assert!(reason.is_sip());
        assert_eq!(reason.cause, Some(200));
        assert_eq!(reason.text.as_deref(), Some("Call completed \"elsewhere\""));
        assert_eq!(reason.to_string(), r#"SIP;cause=200;text="Call completed \"elsewhere\"""#);
        assert_eq!(Reason::q850(17, "User busy").to_string(), "Q.850;cause=17;text=\"User busy\"");
        assert!(Reason::parse("q.850;cause=16").unwrap().is_q850());
        assert!(Reason::parse(";cause=16").is_err());
    }
}
