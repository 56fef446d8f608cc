//! What must not be kept or sent on although SIP carries it (SEC-112): keys of SRTP in SDP (RFC 4568), and what
//! digest authentication computes from a password (RFC 3261 §20.7, §20.28), from which it could be guessed.

const SCHEME: &[u8] = b"inline:";

/// Headers with credentials (RFC 3261 §20.7, §20.28) or proof of having them (§20.6).
const CREDENTIALS: [&[u8]; 3] = [b"Authorization", b"Proxy-Authorization", b"Authentication-Info"];

/// Parameters of a digest that tell nothing of the password (RFC 7616 §3.4, §3.5).
const HARMLESS: [&[u8]; 9] =
    [b"username", b"realm", b"nonce", b"uri", b"algorithm", b"opaque", b"qop", b"nc", b"nextnonce"];

/// Writes asterisks over the keys and digests of a message; everything else, and its length, stays.
pub(super) fn mask_secrets(message: &mut [u8]) {
    mask_digests(message);
    mask_keys(message);
}

fn mask_keys(message: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = message
        .get(at..)
        .and_then(|rest| rest.windows(SCHEME.len()).position(|seen| seen == SCHEME))
    {
        at += found + SCHEME.len();
        let rest = message.get_mut(at..).unwrap_or_default();
        let is_key = |octet: &&mut u8| octet.is_ascii_alphanumeric() || b"+/=".contains(octet);
        rest.iter_mut().take_while(is_key).for_each(hide);
    }
}

/// Goes through the headers; a line that begins with a blank belongs to the header before it. Empty lines
/// before the message end nothing (RFC 3261 §7.5).
fn mask_digests(message: &mut [u8]) {
    let empty = message.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
    let mut rest = message.get_mut(empty..).unwrap_or_default();
    loop {
        let mut length = line_length(rest);
        if rest.get(..length).is_none_or(|line| line.trim_ascii().is_empty()) {
            return;
        }
        while rest.get(length).is_some_and(|octet| b" \t".contains(octet)) {
            length += line_length(rest.get(length..).unwrap_or_default());
        }
        let (header, after) = std::mem::take(&mut rest).split_at_mut(length);
        mask_header(header);
        rest = after;
    }
}

/// The octets of the first line, its end included.
fn line_length(text: &[u8]) -> usize {
    text.iter().position(|octet| *octet == b'\n').map_or(text.len(), |end| end + 1)
}

fn mask_header(header: &mut [u8]) {
    if !header.first().is_some_and(|letter| b"AaPp".contains(letter)) {
        return;
    }
    let Some(colon) = header.iter().position(|octet| *octet == b':') else { return };
    let (name, value) = header.split_at_mut(colon + 1);
    let name = name.trim_ascii_end().strip_suffix(b":").unwrap_or_default().trim_ascii_end();
    if !CREDENTIALS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return;
    }
    let is_digest = value
        .trim_ascii_start()
        .get(..b"Digest".len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Digest"));
    if is_digest || name.eq_ignore_ascii_case(b"Authentication-Info") {
        mask_parameters(value);
    } else {
        // Of credentials of another kind nobody knows which part tells the password.
        value.iter_mut().for_each(hide);
    }
}

/// Hides the values of all parameters but the harmless ones.
fn mask_parameters(mut rest: &mut [u8]) {
    while !rest.is_empty() {
        let mut is_quoted = false;
        let mut is_escaped = false;
        let end = rest.iter().position(|octet| {
            let is_plain = is_escaped;
            is_escaped = is_quoted && !is_plain && *octet == b'\\';
            is_quoted ^= *octet == b'"' && !is_plain;
            *octet == b',' && !is_quoted
        });
        let length = end.map_or(rest.len(), |end| end + 1);
        let (parameter, after) = std::mem::take(&mut rest).split_at_mut(length);
        rest = after;
        let Some(equals) = parameter.iter().position(|octet| *octet == b'=') else { continue };
        let (name, value) = parameter.split_at_mut(equals);
        let name = name.trim_ascii();
        // Before the first name stands the scheme.
        let name = name.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        if !HARMLESS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            value.iter_mut().skip(1).for_each(hide);
        }
    }
}

/// An asterisk; blanks, quotes and commas stay, so that the header looks like one.
fn hide(octet: &mut u8) {
    if !octet.is_ascii_whitespace() && !b"\",".contains(octet) {
        *octet = b'*';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let mut octets = text.as_bytes().to_vec();
        mask_secrets(&mut octets);
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn keys_are_masked_and_nothing_else() {
        let text = "a=crypto:1 X inline:WVNf+/19=|2^20\r\na=crypto:2 Y inline:QUJD\r\na=x\r\n";
        assert_eq!(
            masked(text),
            "a=crypto:1 X inline:*********|2^20\r\na=crypto:2 Y inline:****\r\na=x\r\n"
        );
        assert_eq!(masked("inline:"), "inline:");
    }

    #[test]
    fn digests_are_masked_however_they_are_written_and_nothing_else() {
        for (header, shown) in [
            (
                "Authorization: Digest username=\"201\", realm=\"a,b\", nonce=\"n1\", uri=\"sip:x\", \
                 response=\"6629fae4\", cnonce=\"0a4f\", nc=00000001, qop=auth, opaque=\"o\"\r\n",
                "Authorization: Digest username=\"201\", realm=\"a,b\", nonce=\"n1\", uri=\"sip:x\", \
                 response=\"********\", cnonce=\"****\", nc=00000001, qop=auth, opaque=\"o\"\r\n",
            ),
            (
                "PROXY-authorization : digest RESPONSE = \"6629\",\r\n\tusername=\"2\\\"01\",\r\n cnonce=0a4f\n",
                "PROXY-authorization : digest RESPONSE = \"****\",\r\n\tusername=\"2\\\"01\",\r\n cnonce=****\n",
            ),
            (
                "Authentication-Info: rspauth=\"6629\", nextnonce=\"n2\"\r\n",
                "Authentication-Info: rspauth=\"****\", nextnonce=\"n2\"\r\n",
            ),
            ("authorization:Basic MjAxOnB3==\r\n", "authorization:***** **********\r\n"),
            ("Authorization: Digest response=\"66\r\n", "Authorization: Digest response=\"**\r\n"),
            ("Authorization\r\n", "Authorization\r\n"),
            ("Subject: response=\"6629\"\r\n", "Subject: response=\"6629\"\r\n"),
            (
                "Via: x\r\n Authorization: Digest response=66\r\n",
                "Via: x\r\n Authorization: Digest response=66\r\n",
            ),
        ] {
            let message = |header| {
                format!(
                    "REGISTER sip:x SIP/2.0\r\n{header}To: <sip:x>\r\n\r\nAuthorization: body\r\n"
                )
            };
            assert_eq!(masked(&message(header)), message(shown));
        }
        let late = masked("\r\n\r\nBYE sip:x SIP/2.0\r\nAuthorization: Digest response=66\r\n\r\n");
        assert!(late.ends_with("response=**\r\n\r\n"), "{late}");
        assert_eq!(masked(""), "");
        assert_eq!(masked("Authorization:"), "Authorization:");
    }
}
