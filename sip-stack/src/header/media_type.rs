//! Content-Type and Accept elements (RFC 3261 §20.1, §20.15).

use std::fmt;

use super::params::Params;
use super::text::{is_token, trim};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// A media type or, in Accept, a range of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaType<'a> {
    /// `application`
    pub kind: &'a str,
    /// `sdp`
    pub subtype: &'a str,
    /// `boundary` and `charset` among them.
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &'a str) -> Result<MediaType<'a>, ParseError> {
        let end = value.find(';').unwrap_or(value.len());
        let (name, params) = value.split_at_checked(end).ok_or(Kind::Value.at(end))?;
        let (kind, subtype) = name.split_once('/').ok_or(Kind::Value.at(0))?;
        let (kind, subtype) = (trim(kind), trim(subtype));
        if !is_token(kind) || !is_token(subtype) {
            return Err(Kind::Value.at(0));
        }
        Ok(MediaType { kind, subtype, params: Params::parse(params)? })
    }

    /// Whether this is the media type `text`, in any case, parameters aside.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        text.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
        })
    }

    /// Whether this range of an Accept header takes the media type `text` and not with `q=0`.
    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        let Some((kind, subtype)) = text.split_once('/') else { return false };
        let refused = self.params.get("q").is_some_and(|q| {
            q.starts_with('0') && q.bytes().all(|octet| matches!(octet, b'0' | b'.'))
        });
        !refused
            && (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
            && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
    }
}

impl fmt::Display for MediaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_without_case_and_parameters() {
        let media = MediaType::parse("Application / SDP ;charset=utf-8").unwrap();
        assert!(media.is("application/sdp"));
        assert_eq!(media.params.get("charset"), Some("utf-8"));
        assert!(MediaType::parse("text").is_err());
    }

    #[test]
    fn ranges_accept_what_they_cover() {
        let accepts = |range: &str| MediaType::parse(range).unwrap().accepts("application/sdp");
        assert!(accepts("*/*") && accepts("application/*") && accepts("application/sdp;q=0.1"));
        assert!(!accepts("text/*") && !accepts("application/sdp;q=0.0"));
    }
}
