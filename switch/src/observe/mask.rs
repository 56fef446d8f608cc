//! What must not be kept or sent on although SIP carries it: keys of SRTP in SDP (RFC 4568).

const SCHEME: &[u8] = b"inline:";

/// Writes asterisks over the keys of a message; everything else, and its length, stays.
pub(super) fn mask_keys(message: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = message
        .get(at..)
        .and_then(|rest| rest.windows(SCHEME.len()).position(|seen| seen == SCHEME))
    {
        at += found + SCHEME.len();
        let rest = message.get_mut(at..).unwrap_or_default();
        let is_key = |octet: &&mut u8| octet.is_ascii_alphanumeric() || b"+/=".contains(octet);
        rest.iter_mut().take_while(is_key).for_each(|octet| *octet = b'*');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_and_nothing_else() {
        let mut text =
            *b"a=crypto:1 X inline:WVNf+/19=|2^20\r\na=crypto:2 Y inline:QUJD\r\na=x\r\n";
        mask_keys(&mut text);
        assert_eq!(
            String::from_utf8_lossy(&text),
            "a=crypto:1 X inline:*********|2^20\r\na=crypto:2 Y inline:****\r\na=x\r\n"
        );
        let mut cut = *b"inline:";
        mask_keys(&mut cut);
        assert_eq!(&cut, SCHEME);
    }
}
