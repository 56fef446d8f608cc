//! User-to-User (RFC 7433): what one user sends the other beside the call itself.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::params::Params;
use super::text::{is_token, trim, unquote};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// Characters of a value that are read; more is no information between users but abuse.
pub const MAX_USER_TO_USER: usize = 1024;

/// One value of User-to-User.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserToUser<'a> {
    /// The information, without its encoding.
    pub data: Cow<'a, [u8]>,
    /// What it is for (`isdn-uui`, an application's own word).
    pub purpose: Option<&'a str>,
    /// How the information is to be read.
    pub content: Option<&'a str>,
}

impl<'a> UserToUser<'a> {
    /// Reads one value. Without `encoding` a token of pairs of hexadecimal digits counts as
    /// hexadecimal, as gateways to ISDN write it; anything else stands for itself.
    ///
    /// # Errors
    /// A value that does not fit the grammar of RFC 7433 §4.1, an encoding other than `hex`, or one
    /// of more than [`MAX_USER_TO_USER`] characters.
    pub fn parse(value: &'a str) -> Result<UserToUser<'a>, ParseError> {
        if value.len() > MAX_USER_TO_USER {
            return Err(Kind::Value.at(MAX_USER_TO_USER));
        }
        let end = end_of_data(value);
        let (data, params) = value.split_at_checked(end).ok_or(Kind::Value.at(end))?;
        let data = trim(data);
        let inside = data.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let is_quoted = inside.is_some();
        if !is_quoted && !is_token(data) {
            return Err(Kind::Value.at(0));
        }
        let params = Params::parse(params)?;
        let text = inside.map_or(Cow::Borrowed(data), unquote);
        let data = match params.get("encoding") {
            Some(encoding) if encoding.eq_ignore_ascii_case("hex") => {
                Cow::Owned(octets(&text).ok_or(Kind::Value.at(0))?)
            }
            Some(_) => return Err(Kind::Value.at(end)),
            None => match octets(&text).filter(|_| !is_quoted) {
                Some(octets) => Cow::Owned(octets),
                None => Cow::Owned(text.into_owned().into_bytes()),
            },
        };
        let word = |name| params.get(name).filter(|word| !word.is_empty());
        Ok(UserToUser { data, purpose: word("purpose"), content: word("content") })
    }

    /// The value that carries these octets, in hexadecimal.
    #[must_use]
    pub fn hex(data: &[u8]) -> String {
        let mut value = String::with_capacity(data.len() * 2 + ";encoding=hex".len());
        for octet in data {
            let _ = write!(value, "{octet:02x}");
        }
        value.push_str(";encoding=hex");
        value
    }

    /// The information as text: UTF-8, or else each octet one character.
    #[must_use]
    pub fn text(&self) -> String {
        match std::str::from_utf8(&self.data) {
            Ok(text) => text.to_owned(),
            Err(_) => self.data.iter().copied().map(char::from).collect(),
        }
    }
}

/// Where the parameters begin: at the first semicolon outside of quotes.
fn end_of_data(value: &str) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, octet) in value.bytes().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b';' if !is_quoted => return at,
            _ => {}
        }
    }
    value.len()
}

/// The octets of pairs of hexadecimal digits.
fn octets(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit =
        |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        UserToUser::parse(value).unwrap().text()
    }

    #[test]
    fn hexadecimal_is_read_with_and_without_saying_so() {
        assert_eq!(text("68656c6c6f;encoding=hex"), "hello");
        assert_eq!(text("68656C6C6F ; encoding=HEX;purpose=x"), "hello");
        assert_eq!(text("68656c6c6f"), "hello");
        assert_eq!(text("\"68656c6c6f\";encoding=hex"), "hello");
    }

    #[test]
    fn other_words_and_quoted_strings_stand_for_themselves() {
        assert_eq!(text("hello"), "hello");
        assert_eq!(text("\"ticket; 5, \\\"new\\\"\";purpose=crm"), "ticket; 5, \"new\"");
        assert_eq!(text("\"ab\""), "ab");
    }

    #[test]
    fn what_is_written_is_read_back_octet_by_octet() {
        for data in [&b""[..], b"hello", &[0, 4, 255, 10]] {
            let value = UserToUser::hex(data);
            let read = UserToUser::parse(&value);
            match read {
                Ok(read) => assert_eq!(&*read.data, data, "{value}"),
                Err(error) => assert!(data.is_empty(), "{value}: {error}"),
            }
        }
        assert_eq!(text("ff04;encoding=hex"), "\u{ff}\u{4}");
    }

    #[test]
    fn parameters_are_found() {
        let value = "00c81031;encoding=hex;purpose=isdn-uui;content=isdn-uui";
        let read = UserToUser::parse(value).unwrap();
        assert_eq!((read.purpose, read.content), (Some("isdn-uui"), Some("isdn-uui")));
    }

    #[test]
    fn nonsense_is_refused() {
        for value in
            ["", ";encoding=hex", "abc;encoding=hex", "zz;encoding=hex", "ab;encoding=b64", "a b"]
        {
            assert!(UserToUser::parse(value).is_err(), "{value}");
        }
        assert!(UserToUser::parse(&"a".repeat(MAX_USER_TO_USER + 1)).is_err());
    }
}
