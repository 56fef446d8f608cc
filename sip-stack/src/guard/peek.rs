//! What can be said of octets before they are parsed: enough to decide whether they are worth it.

use memchr::memchr;

/// What kind of message begins here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A response.
    Response,
    /// ACK: answered by nobody.
    Ack,
    /// CANCEL.
    Cancel,
    /// INVITE.
    Invite,
    /// REGISTER.
    Register,
    /// Any other request, and what is no message at all.
    Other,
}

/// A message seen from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peek {
    /// What it is.
    pub kind: Kind,
    /// Whether its To has a tag: it claims to belong to a dialog.
    pub is_in_dialog: bool,
}

/// Looks at the start line, and at To where that matters. Linear in the octets, no allocation.
#[must_use]
pub fn peek(octets: &[u8]) -> Peek {
    let start = octets.iter().position(|octet| !matches!(octet, b'\r' | b'\n'));
    let octets = start.and_then(|start| octets.get(start..)).unwrap_or_default();
    let word = memchr(b' ', octets.get(..32).unwrap_or(octets)).unwrap_or_default();
    let kind = match octets.get(..word).unwrap_or_default() {
        b"SIP/2.0" => Kind::Response,
        b"ACK" => Kind::Ack,
        b"CANCEL" => Kind::Cancel,
        b"INVITE" => Kind::Invite,
        b"REGISTER" => Kind::Register,
        _ => Kind::Other,
    };
    let can_be_in_dialog = matches!(kind, Kind::Invite | Kind::Other);
    Peek { kind, is_in_dialog: can_be_in_dialog && has_to_tag(octets) }
}

fn has_to_tag(octets: &[u8]) -> bool {
    let mut rest = octets;
    while let Some(end) = memchr(b'\n', rest) {
        rest = rest.get(end + 1..).unwrap_or_default();
        if matches!(rest.first(), None | Some(b'\r' | b'\n')) {
            return false;
        }
        let Some(value) = value_of_to(rest) else { continue };
        return has_tag(line_of(value));
    }
    false
}

/// What stands after the name, if this line is To.
fn value_of_to(line: &[u8]) -> Option<&[u8]> {
    let name_length = match line {
        [b'T' | b't', b'O' | b'o', ..] => 2,
        [b'T' | b't', ..] => 1,
        _ => return None,
    };
    let rest = line.get(name_length..)?.trim_ascii_start();
    rest.strip_prefix(b":")
}

/// The header field up to its end, continuations included.
fn line_of(value: &[u8]) -> &[u8] {
    let mut end = 0;
    while let Some(at) = memchr(b'\n', value.get(end..).unwrap_or_default()) {
        end += at + 1;
        if !matches!(value.get(end), Some(b' ' | b'\t')) {
            break;
        }
    }
    value.get(..end).filter(|line| !line.is_empty()).unwrap_or(value)
}

fn has_tag(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(at) = memchr(b';', rest) {
        rest = rest.get(at + 1..).unwrap_or_default();
        let name = rest.trim_ascii_start();
        let is_tag = name.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"tag"));
        if is_tag && name.get(3..).is_some_and(|more| more.trim_ascii_start().starts_with(b"=")) {
            return true;
        }
    }
    false
}

/// Whether this is a request to one of these numbers.
#[must_use]
pub fn is_to_number(octets: &[u8], numbers: &[String]) -> bool {
    let line = memchr(b'\n', octets).and_then(|end| octets.get(..end)).unwrap_or_default();
    let Some(uri) = line.split(|octet| *octet == b' ').nth(1) else { return false };
    let Some(colon) = memchr(b':', uri) else { return false };
    let rest = uri.get(colon + 1..).unwrap_or_default();
    let end = rest.iter().position(|octet| matches!(octet, b'@' | b';' | b':' | b'?'));
    let user = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
    numbers.iter().any(|number| number.as_bytes() == user)
}

/// Whether User-Agent or From of a request have one of these words, which are lower case.
#[must_use]
pub fn calls_itself(octets: &[u8], words: &[String]) -> bool {
    if words.is_empty() {
        return false;
    }
    let mut rest = octets.trim_ascii_start();
    while let Some(end) = memchr(b'\n', rest) {
        rest = rest.get(end + 1..).unwrap_or_default();
        if matches!(rest.first(), None | Some(b'\r' | b'\n')) {
            return false;
        }
        let is_name = [&b"user-agent"[..], b"from", b"f"].into_iter().any(|name| {
            let is_so = rest.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name));
            is_so
                && rest
                    .get(name.len()..)
                    .is_some_and(|more| more.trim_ascii_start().starts_with(b":"))
        });
        if is_name && words.iter().any(|word| has_word(line_of(rest), word.as_bytes())) {
            return true;
        }
    }
    false
}

fn has_word(line: &[u8], word: &[u8]) -> bool {
    !word.is_empty() && line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> (Kind, bool) {
        let peek = peek(text.as_bytes());
        (peek.kind, peek.is_in_dialog)
    }

    #[test]
    fn says_what_a_message_is() {
        assert_eq!(seen("SIP/2.0 200 OK\r\nTo: <sip:a>;tag=1\r\n\r\n").0, Kind::Response);
        assert_eq!(
            seen("\r\n\r\nINVITE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\n"),
            (Kind::Invite, false)
        );
        assert_eq!(seen("REGISTER sip:a SIP/2.0\r\n"), (Kind::Register, false));
        assert_eq!(seen("ACK sip:a SIP/2.0\r\n").0, Kind::Ack);
        assert_eq!(seen("CANCEL sip:a SIP/2.0\r\n").0, Kind::Cancel);
        assert_eq!(seen("BYE sip:a SIP/2.0\r\nt : <sip:a>; Tag =x\r\n\r\n"), (Kind::Other, true));
        for nothing in ["", "\r\n", "INVITE", "\0\0\0\0", "invite sip:a SIP/2.0\r\n\r\n"] {
            assert_eq!(seen(nothing), (Kind::Other, false), "{nothing:?}");
        }
    }

    #[test]
    fn finds_the_tag_of_to_and_of_nothing_else() {
        let invite = |headers: &str| seen(&format!("INVITE sip:a SIP/2.0\r\n{headers}\r\n")).1;
        assert!(invite("From: <sip:b>;tag=1\r\nTo: \"x\" <sip:a;lr>;x=y;tag=2\r\n"));
        assert!(invite("To: <sip:a>\r\n ;tag=2\r\n"));
        assert!(!invite("From: <sip:b>;tag=1\r\nTo: <sip:a>\r\nX: ;tag=2\r\n"));
        assert!(!invite("Topic: <sip:a>;tag=1\r\nTo: <sip:a>;tagged=2\r\n"));
        assert!(!invite("Subject: x\r\n\r\nTo: <sip:a>;tag=1\r\n"), "a body is no header");
    }

    #[test]
    fn finds_what_a_program_calls_itself_in_user_agent_and_from_and_nowhere_else() {
        let words = ["sipvicious".to_owned(), "friendly-scanner".to_owned()];
        let is_found = |headers: &str| {
            calls_itself(format!("OPTIONS sip:a SIP/2.0\r\n{headers}\r\n").as_bytes(), &words)
        };
        assert!(is_found("User-Agent: friendly-scanner\r\n"));
        assert!(is_found("Via: x\r\nUSER-AGENT :\r\n  Friendly-Scanner 2\r\n"));
        assert!(is_found("From: \"SIPVicious\" <sip:100@1.1.1.1>;tag=1\r\n"));
        assert!(is_found("f:sipvicious<sip:a>\r\n"));
        assert!(calls_itself(b"\r\n\r\nOPTIONS sip:a SIP/2.0\r\nf:sipvicious\r\n\r\n", &words));
        assert!(!is_found("User-Agent: Yealink SIP-T54W\r\nSubject: sipvicious\r\n"));
        assert!(!is_found("Foo: sipvicious\r\nUser-Agents: sipvicious\r\n"));
        assert!(!is_found("Subject: x\r\n\r\nUser-Agent: sipvicious\r\n"), "a body is no header");
        assert!(!calls_itself(b"OPTIONS sip:a SIP/2.0\r\nUser-Agent: x\r\n\r\n", &[]));
    }

    #[test]
    fn finds_the_number_that_is_called() {
        let numbers = ["112".to_owned()];
        for uri in ["sip:112@office.test", "sip:112@x;user=phone", "tel:112", "sips:112:pw@x"] {
            assert!(
                is_to_number(format!("INVITE {uri} SIP/2.0\r\n\r\n").as_bytes(), &numbers),
                "{uri}"
            );
        }
        for uri in ["sip:1123@x", "sip:x@112", "112", ""] {
            assert!(
                !is_to_number(format!("INVITE {uri} SIP/2.0\r\n\r\n").as_bytes(), &numbers),
                "{uri}"
            );
        }
    }
}
