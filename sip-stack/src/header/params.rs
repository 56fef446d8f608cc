//! Header parameters: `;name=value;flag`.

use std::fmt;

use memchr::{memchr, memchr2};

use super::text::{inside, is_token, quote_end, trim};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// Parameters of one value; more are refused (SEC-15).
pub const MAX_PARAMETERS: usize = 64;

/// The parameters of one header value, in order; checked when they were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Params<'a> {
    /// Text from the first `;` on, or empty.
    text: &'a str,
}

/// One parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    /// The name as it came.
    pub name: &'a str,
    /// The value as it came, with its quotes; `None` for a flag.
    pub value: Option<&'a str>,
}

impl<'a> Params<'a> {
    /// No parameters.
    pub const EMPTY: Params<'static> = Params { text: "" };

    /// Reads `;name=value;flag`; blanks around `;` and `=` are allowed.
    ///
    /// # Errors
    /// An empty or malformed parameter, an open quote, or more than [`MAX_PARAMETERS`].
    pub fn parse(text: &'a str) -> Result<Params<'a>, ParseError> {
        let text = trim(text);
        if text.is_empty() {
            return Ok(Params { text });
        }
        if !text.starts_with(';') {
            return Err(Kind::Parameter.at(0));
        }
        let params = Params { text };
        let mut rest = text;
        for _ in 0..MAX_PARAMETERS {
            if rest.is_empty() {
                return Ok(params);
            }
            let (param, after) = split_first(rest)?;
            check(param).map_err(|kind| kind.at(text.len() - rest.len()))?;
            rest = after;
        }
        if rest.is_empty() { Ok(params) } else { Err(Kind::TooManyParameters.at(text.len())) }
    }

    /// The value of a parameter, in any case: the inside if it is quoted, empty for a flag.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter()
            .find(|param| param.name.eq_ignore_ascii_case(name))
            .map(|param| param.value.map_or("", inside))
    }

    /// Whether a parameter is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (param, after) = split_first(rest).ok()?;
            rest = after;
            Some(param)
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text as it came, from the first `;` on.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }
}

/// The first parameter of `;a=b;c` and the rest from the next `;` on.
fn split_first(text: &str) -> Result<(Param<'_>, &str), ParseError> {
    let text = text.strip_prefix(';').unwrap_or(text);
    let octets = text.as_bytes();
    let mut end = 0;
    loop {
        match memchr2(b';', b'"', octets.get(end..).unwrap_or_default()) {
            None => {
                end = text.len();
                break;
            }
            Some(found) => {
                end += found;
                if octets.get(end) == Some(&b';') {
                    break;
                }
                end = quote_end(text, end).ok_or(Kind::UnbalancedQuote.at(end))?;
            }
        }
    }
    let (param, rest) = text.split_at_checked(end).ok_or(Kind::Parameter.at(end))?;
    let param = match memchr(b'=', param.as_bytes()).and_then(|at| param.split_at_checked(at)) {
        None => Param { name: trim(param), value: None },
        Some((name, value)) => {
            Param { name: trim(name), value: Some(trim(value.get(1..).unwrap_or(""))) }
        }
    };
    Ok((param, rest))
}

fn check(param: Param<'_>) -> Result<(), Kind> {
    if !is_token(param.name) {
        return Err(Kind::Parameter);
    }
    match param.value {
        Some(value) if value.starts_with('"') => match quote_end(value, 0) {
            Some(end) if end == value.len() => Ok(()),
            _ => Err(Kind::UnbalancedQuote),
        },
        Some(value) if value.bytes().any(|c| matches!(c, b' ' | b'\t' | b'"' | b'<' | b'>')) => {
            Err(Kind::Parameter)
        }
        _ => Ok(()),
    }
}

impl fmt::Display for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            None => write!(f, ";{}", self.name),
            Some(value) => write!(f, ";{}={value}", self.name),
        }
    }
}

impl fmt::Display for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|param| write!(f, "{param}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_flags_values_and_quoted_values() {
        let params = Params::parse(r#" ; tag  = 1918 ;lr;X="a;\"b" "#).unwrap();
        assert_eq!(params.get("TAG"), Some("1918"));
        assert_eq!(params.get("lr"), Some(""));
        assert_eq!(params.get("x"), Some(r#"a;\"b"#));
        assert_eq!(params.get("y"), None);
        assert_eq!(params.to_string(), r#";tag=1918;lr;X="a;\"b""#);
    }

    #[test]
    fn refuses_what_the_grammar_forbids() {
        for text in [";", ";;", ";a;", ";a=\"b", "a=b", ";a b", ";a=b c", ";=b", ";a=\"b\"c"] {
            assert!(Params::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_parameters() {
        assert!(Params::parse(&";a".repeat(MAX_PARAMETERS)).is_ok());
        let error = Params::parse(&";a".repeat(MAX_PARAMETERS + 1)).unwrap_err();
        assert_eq!(error.kind, Kind::TooManyParameters);
    }
}
