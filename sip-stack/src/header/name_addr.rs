//! name-addr and addr-spec: From, To, Route, P-Asserted-Identity … (RFC 3261 §20.10, §25.1).

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

use super::params::Params;
use super::text::{is_token, quote, quote_end, trim, unquote};
use crate::message::{ParseError, ParseErrorKind as Kind};
use crate::uri::{MAX_URI, Uri};

/// A URI with an optional display name and header parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameAddr<'a> {
    /// The display name as it came: the inside of its quotes with quoted pairs, or tokens.
    pub display: Option<&'a str>,
    /// The URI without its brackets.
    pub uri: &'a str,
    /// The header parameters.
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value.
    ///
    /// Without brackets everything behind `;` is a header parameter, and `?` and `,` are refused
    /// (RFC 3261 §20.10).
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &'a str) -> Result<NameAddr<'a>, ParseError> {
        let value = trim(value);
        if value.is_empty() {
            return Err(Kind::Empty.at(0));
        }
        if value.starts_with('"') {
            let end = quote_end(value, 0).ok_or(Kind::UnbalancedQuote.at(0))?;
            let display = value.get(1..end - 1).unwrap_or("");
            let rest = trim(value.get(end..).unwrap_or(""));
            let rest = rest.strip_prefix('<').ok_or(Kind::DisplayName.at(end))?;
            return Self::bracketed(Some(display), rest);
        }
        match value.split_once('<') {
            Some((display, rest)) => {
                let display = trim(display);
                if !display.split([' ', '\t']).all(|word| word.is_empty() || is_word(word)) {
                    return Err(Kind::DisplayName.at(0));
                }
                Self::bracketed(Some(display).filter(|display| !display.is_empty()), rest)
            }
            None => Self::bare(value),
        }
    }

    fn bracketed(display: Option<&'a str>, rest: &'a str) -> Result<NameAddr<'a>, ParseError> {
        let end = memchr(b'>', rest.as_bytes()).ok_or(Kind::UnbalancedAngle.at(0))?;
        let (uri, params) = rest.split_at_checked(end).ok_or(Kind::UnbalancedAngle.at(0))?;
        // Blanks beside the brackets are a common slip; inside the URI they are not forgiven.
        let uri = check_uri(trim(uri))?;
        let params = Params::parse(params.get(1..).unwrap_or(""))?;
        Ok(NameAddr { display, uri, params })
    }

    fn bare(value: &'a str) -> Result<NameAddr<'a>, ParseError> {
        let end = memchr(b';', value.as_bytes()).unwrap_or(value.len());
        let (uri, params) = value.split_at_checked(end).ok_or(Kind::Uri.at(0))?;
        let uri = check_uri(trim(uri))?;
        if uri.contains(['?', ',']) {
            return Err(Kind::Uri.at(0));
        }
        Ok(NameAddr { display: None, uri, params: Params::parse(params)? })
    }

    /// The display name with its quoted pairs resolved; empty if there is none.
    #[must_use]
    pub fn display_name(&self) -> Cow<'a, str> {
        self.display.map_or(Cow::Borrowed(""), unquote)
    }

    /// The URI, read.
    ///
    /// # Errors
    /// A URI that does not fit its grammar.
    pub fn parsed_uri(&self) -> Result<Uri<'a>, ParseError> {
        Uri::parse(self.uri)
    }

    /// The `tag` parameter, if it is there and not empty.
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

/// A word of an unquoted display name: a token, or letters beyond ASCII, which many phones send
/// without quotes.
fn is_word(word: &str) -> bool {
    is_token(word) || word.bytes().all(|c| crate::message::is_token(c) || c >= 0x80)
}

fn check_uri(uri: &str) -> Result<&str, ParseError> {
    if uri.len() > MAX_URI {
        return Err(Kind::UriTooLong.at(0));
    }
    let colon = memchr(b':', uri.as_bytes()).ok_or(Kind::Uri.at(0))?;
    if colon == 0 || colon + 1 == uri.len() {
        return Err(Kind::Uri.at(0));
    }
    match uri.bytes().position(|c| c <= b' ' || matches!(c, b'"' | b'<' | b'>' | 0x7f)) {
        Some(at) => Err(Kind::Uri.at(at)),
        None => Ok(uri),
    }
}

/// Written with brackets and, if there is a display name, with quotes.
impl fmt::Display for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.display.is_some() {
            write!(f, "{} ", quote(&self.display_name()))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_of_the_grammar() {
        let addr = NameAddr::parse(r#""J Rosenberg \\\"" <sip:j@h> ; tag = 98"#).unwrap();
        assert_eq!(addr.display_name(), r#"J Rosenberg \""#);
        assert_eq!((addr.uri, addr.tag()), ("sip:j@h", Some("98")));
        let addr = NameAddr::parse("caller<sip:c@h;lr>;x").unwrap();
        assert_eq!((addr.display, addr.uri), (Some("caller"), "sip:c@h;lr"));
        let addr = NameAddr::parse("sip:c@h;user=phone;tag=1").unwrap();
        assert_eq!((addr.display, addr.uri, addr.tag()), (None, "sip:c@h", Some("1")));
        let addr = NameAddr::parse(r#""A < B" <sip:a@h>"#).unwrap();
        assert_eq!((addr.display, addr.uri), (Some("A < B"), "sip:a@h"));
        let addr = NameAddr::parse("< sip:a@h >").unwrap();
        assert_eq!(addr.uri, "sip:a@h");
    }

    #[test]
    fn refuses_what_would_be_guessing() {
        for value in [
            "",
            "\"Mr. J <sip:j@h>",
            "Bell, A <sip:a@h>",
            "sip:a@h?Route=x",
            "<sip:a@h",
            "<sip:a b@h>",
            "\"a\" sip:a@h",
            "sip:a@h x",
            "a@h",
            "<sip:>",
            "<:x>",
            "<sip:a@h>x",
            "sip:a@h;;",
            "a \"b\" <sip:c@h>",
        ] {
            assert!(NameAddr::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn writes_brackets_and_quotes() {
        let addr = NameAddr::parse("Joe B sip.:x").err();
        assert!(addr.is_some());
        let addr = NameAddr::parse("Joe B <sip:j@h>;tag=1").unwrap();
        assert_eq!(addr.to_string(), "\"Joe B\" <sip:j@h>;tag=1");
        let addr = NameAddr::parse("sip:j@h;tag=1").unwrap();
        assert_eq!(addr.to_string(), "<sip:j@h>;tag=1");
    }
}
