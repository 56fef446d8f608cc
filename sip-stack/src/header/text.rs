//! The lexical parts that header grammars share: lists, quoted strings, numbers.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3};

use crate::message::{ParseError, ParseErrorKind as Kind};

/// The elements of a comma-separated value; commas in quoted strings and in `<>` do not count.
///
/// Elements are trimmed, empty ones are left out.
#[derive(Clone, Debug)]
pub struct List<'a> {
    rest: &'a str,
    /// No `>` is left, so a `<` hides nothing. Known after one search: the cost stays linear.
    lacks_closing: bool,
}

impl<'a> List<'a> {
    /// The elements of `value`.
    #[must_use]
    pub fn new(value: &'a str) -> List<'a> {
        List { rest: value, lacks_closing: false }
    }

    /// Where the first element ends: at a comma, or at the end of the text.
    fn element_end(&mut self) -> usize {
        let octets = self.rest.as_bytes();
        let mut at = 0;
        while let Some(found) = octets.get(at..).and_then(|rest| memchr3(b',', b'"', b'<', rest)) {
            let here = at + found;
            match octets.get(here) {
                Some(b',') => return here,
                Some(b'"') => match quote_end(self.rest, here) {
                    Some(end) => at = end,
                    None => break,
                },
                _ => at = self.bracket_end(here),
            }
        }
        octets.len()
    }

    /// The position after the `>` that closes the bracket at `open`; a lone bracket is no reason
    /// to hide the commas behind it.
    fn bracket_end(&mut self, open: usize) -> usize {
        let rest = self.rest.as_bytes().get(open..).unwrap_or_default();
        match if self.lacks_closing { None } else { memchr(b'>', rest) } {
            Some(length) => open + length + 1,
            None => {
                self.lacks_closing = true;
                open + 1
            }
        }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let end = self.element_end();
            let (element, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(1..).unwrap_or("");
            let element = trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// The position after the closing quote of the quoted string that opens at `open`.
pub(crate) fn quote_end(text: &str, open: usize) -> Option<usize> {
    let octets = text.as_bytes();
    let mut at = open + 1;
    loop {
        let here = at + memchr2(b'"', b'\\', octets.get(at..)?)?;
        match octets.get(here) {
            Some(b'"') => return Some(here + 1),
            _ => at = here + 2,
        }
    }
}

/// Blanks and tabs off both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Whether the text is a `token` of RFC 3261 §25.1.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(crate::message::is_token)
}

/// A decimal number that fits 32 bits; digits only (SEC-11).
///
/// # Errors
/// Anything else.
pub fn parse_number(text: &str) -> Result<u32, ParseError> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Kind::Number.at(0));
    }
    text.parse().map_err(|_| Kind::Number.at(0))
}

/// A decimal number that fits 16 bits; digits only.
pub(crate) fn parse_port(text: &str) -> Result<u16, ParseError> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Kind::Port.at(0));
    }
    text.parse().map_err(|_| Kind::Port.at(0))
}

/// The text that a quoted string's inside stands for: quoted pairs resolved.
#[must_use]
pub fn unquote(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(text)
}

/// The text as a quoted string, quotes and backslashes escaped, control characters as blanks.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_ascii_control() && c != '\t' => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The inside of a quoted string, or the text itself if it is none.
pub(crate) fn inside(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        let value = r#" "A, \", B" <sip:a,b@h> ;methods="INVITE, ACK" , ,sip:c@h,*"#;
        let elements: Vec<_> = List::new(value).collect();
        assert_eq!(elements, [r#""A, \", B" <sip:a,b@h> ;methods="INVITE, ACK""#, "sip:c@h", "*"]);
    }

    #[test]
    fn an_open_quote_takes_the_rest() {
        assert_eq!(List::new("a, \"b, c").collect::<Vec<_>>(), ["a", "\"b, c"]);
        assert_eq!(List::new("\"\\").collect::<Vec<_>>(), ["\"\\"]);
        assert_eq!(List::new("<a, b").collect::<Vec<_>>(), ["<a", "b"]);
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(parse_number("0009"), Ok(9));
        assert_eq!(parse_number("4294967295"), Ok(u32::MAX));
        for text in ["", "4294967296", "-1", "+1", " 1", "1.0", "36893488147419103232"] {
            assert!(parse_number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quoting_and_unquoting_are_inverse() {
        for text in ["", "a", "a\"b\\c", "ü,;<>"] {
            assert_eq!(unquote(inside(&quote(text))), text);
        }
        assert_eq!(quote("a\r\nb"), "\"a  b\"");
    }
}
