//! Percent escapes (RFC 3261 §19.1.2). Decoding is octet-wise and happens once (SEC-18).

use std::fmt::Write;

/// The octets that a text with escapes stands for. What is no escape stays as it is.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    let mut octets = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        let mut ahead = octets.clone();
        match (octet, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                octets = ahead;
            }
            _ => decoded.push(octet),
        }
    }
    decoded
}

fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Escapes a text for the user part.
#[must_use]
pub fn encode_user(text: &str) -> String {
    encode(text, b"&=+$,;?/")
}

/// Escapes a text for a URI parameter's name or value.
#[must_use]
pub fn encode_param(text: &str) -> String {
    encode(text, b"[]/:&+$")
}

/// Escapes a text for the value of a header inside a URI.
#[must_use]
pub fn encode_header(text: &str) -> String {
    encode(text, b"[]/?:+$")
}

/// Escapes all but the unreserved characters and those in `also`.
fn encode(text: &str, also: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if is_unreserved(octet) || also.contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{octet:02X}");
        }
    }
    encoded
}

pub(super) fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(octet, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once_and_keeps_nul() {
        assert_eq!(decode("value%25%34%31"), b"value%41");
        assert_eq!(decode("null-%00-null"), b"null-\0-null");
        assert_eq!(decode("%Z%4%"), b"%Z%4%");
        assert_eq!(decode("%%41"), b"%A");
    }

    #[test]
    fn encoding_and_decoding_are_inverse() {
        for text in ["a b", "#*72", "ü@h", "a;b=c?d", "\r\n"] {
            for encoded in [encode_user(text), encode_param(text), encode_header(text)] {
                assert_eq!(decode(&encoded), text.as_bytes());
                assert!(!encoded.contains(['\r', '\n', ' ', '@', '#']));
            }
        }
    }
}
