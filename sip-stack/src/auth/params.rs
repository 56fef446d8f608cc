//! The text of challenges and credentials: RFC 3261 §25.1 (`challenge`, `credentials`).

/// Most parameters read of one challenge or credentials.
const MAX_PARAMS: usize = 64;
/// Most challenges read of one header value.
const MAX_CHALLENGES: usize = 8;

/// A scheme and its parameters, names in lower case, values without quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AuthParams {
    pub(super) scheme: String,
    params: Vec<(String, String)>,
}

impl AuthParams {
    pub(super) fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("digest")
    }

    /// The first value under a name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether a name occurs more than once.
    pub(super) fn has_repeated_name(&self) -> bool {
        self.params
            .iter()
            .enumerate()
            .any(|(at, (name, _))| self.params.iter().skip(at + 1).any(|(n, _)| n == name))
    }
}

/// Reads all challenges or credentials of one header value; `None` if it is malformed.
pub(super) fn parse(value: &str) -> Option<Vec<AuthParams>> {
    let mut found: Vec<AuthParams> = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (token, after) = take_token(rest)?;
        let after_blank = after.trim_start();
        if let Some(text) = after_blank.strip_prefix('=')
            && let Some(current) = found.last_mut()
        {
            let (text, tail) = take_value(text.trim_start())?;
            if current.params.len() >= MAX_PARAMS {
                return None;
            }
            current.params.push((token.to_ascii_lowercase(), text));
            rest = match tail.trim_start() {
                "" => "",
                tail => tail.strip_prefix(',')?.trim_start_matches([',', ' ', '\t']),
            };
        } else {
            // A token before blanks is the scheme of the next challenge.
            if found.len() >= MAX_CHALLENGES
                || (after.len() == after_blank.len() && !after.is_empty())
            {
                return None;
            }
            found.push(AuthParams { scheme: token.to_owned(), params: Vec::new() });
            rest = after_blank;
        }
    }
    Some(found)
}

fn take_token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A quoted string, or anything up to the next comma or blank (some phones forget the quotes).
fn take_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (!value.is_empty() && !value.contains('"')).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            c => value.push(c),
        }
    }
    None
}

/// A value between quotes, with what would end it escaped and control characters left out.
pub(super) fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_credentials_of_rfc_3261() {
        let text = "Digest username=\"bob\",\r\n realm=\"biloxi.com\", nonce=\"dcd9\", \
                    uri=\"sip:bob@biloxi.com\", qop=auth, nc=00000001 ,cnonce = \"0a4f\", opaque=\"\""
            .replace("\r\n", "");
        let read = parse(&text).unwrap();
        assert_eq!(read.len(), 1);
        assert!(read[0].is_digest());
        assert_eq!(read[0].value("realm"), Some("biloxi.com"));
        assert_eq!(read[0].value("nc"), Some("00000001"));
        assert_eq!(read[0].value("cnonce"), Some("0a4f"));
        assert_eq!(read[0].value("opaque"), Some(""));
        assert_eq!(read[0].value("response"), None);
    }

    #[test]
    fn reads_several_challenges_in_one_value() {
        let read =
            parse("Digest realm=\"a, b\", nonce=x, Basic realm=\"c\", NTLM , Digest realm=d");
        // A bare scheme followed by a comma is not a challenge of SIP.
        assert_eq!(read, None);
        let read = parse("Digest realm=\"a, \\\"b\", nonce=x, Basic realm=\"c\"").unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].value("realm"), Some("a, \"b"));
        assert_eq!(read[1].scheme, "Basic");
        assert_eq!(read[1].value("realm"), Some("c"));
    }

    #[test]
    fn notices_a_repeated_name() {
        assert!(parse("Digest a=1, A=2").unwrap()[0].has_repeated_name());
        assert!(!parse("Digest a=1, b=1").unwrap()[0].has_repeated_name());
    }

    #[test]
    fn refuses_what_has_no_end_or_no_name() {
        for text in
            ["Digest realm=\"x", "Digest =x", "Digest realm=", "realm=\"x\"", "Digest a=b\"c"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        let many = (0..65).fold("Digest ".to_owned(), |text, n| format!("{text}p{n}=1,"));
        assert_eq!(parse(&many), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn reads_back_what_it_quotes(value in "[ -~äöü\\\\\"]{0,40}") {
            let text = format!("Digest realm={}, nonce=x", quote(&value));
            let read = parse(&text).unwrap();
            prop_assert_eq!(read[0].value("realm"), Some(value.as_str()));
            prop_assert_eq!(read[0].value("nonce"), Some("x"));
        }
    }
}
