//! Canonical addresses: `+1 (425) 882-8080|12^Ann`.

/// Digits of a country code.
const MAX_COUNTRY_DIGITS: usize = 3;

/// A canonical address, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Canonical<'a> {
    pub(super) country: &'a str,
    /// Empty where the number has none.
    pub(super) area: &'a str,
    /// With its formatting.
    pub(super) subscriber: &'a str,
    /// Subaddress and name, delimiters included.
    pub(super) rest: &'a str,
}

/// Takes the first address of a text apart; none if it is not canonical.
pub(super) fn parse(text: &str) -> Option<Canonical<'_>> {
    let one = text.split("\r\n").next()?;
    let (country, rest) = one.strip_prefix('+')?.split_once(' ')?;
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if country.is_empty() || country.len() > MAX_COUNTRY_DIGITS || !is_number(country) {
        return None;
    }
    let (area, rest) = match rest.strip_prefix('(') {
        Some(rest) => {
            let (area, rest) = rest.split_once(')')?;
            (area, rest.strip_prefix(' ')?)
        }
        None => ("", rest),
    };
    let end = rest.find(['|', '^']).unwrap_or(rest.len());
    let (subscriber, rest) = rest.split_at(end);
    let is_right = is_number(area)
        && !subscriber.starts_with(' ')
        && subscriber.contains(|c: char| c.is_ascii_digit())
        && subscriber.chars().all(|c| is_dialed(c) || is_formatting(c));
    is_right.then_some(Canonical { country, area, subscriber, rest })
}

/// The subscriber number without its formatting.
pub(super) fn digits(subscriber: &str) -> String {
    subscriber.chars().filter(|c| is_dialed(*c)).map(|c| c.to_ascii_uppercase()).collect()
}

fn is_formatting(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '/')
}

fn is_dialed(c: char) -> bool {
    matches!(
        c.to_ascii_uppercase(),
        '0'..='9' | 'A'..='D' | '*' | '#' | ',' | '!' | 'W' | 'P' | 'T' | '@' | '$' | '?' | ':' | ';'
    )
}

/// A text without subaddress and name.
pub(super) fn without_subaddress(text: &str) -> &str {
    text.split(['|', '^']).next().unwrap_or_default()
}

/// Whether a text is a URI or a mailbox rather than a number: nothing in it is dialled.
pub(super) fn is_no_number(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let has_scheme = ["sip:", "sips:", "tel:"].iter().any(|scheme| lower.starts_with(scheme));
    let is_letter = |c: char| c.is_ascii_alphabetic() && !is_dialed(c);
    has_scheme || (text.contains('@') && without_subaddress(text).contains(is_letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_address_comes_apart() {
        let all = parse("+1 (425) 882-8080|12^Ann|x\r\n+1 (425) 1").unwrap();
        assert_eq!((all.country, all.area, all.subscriber), ("1", "425", "882-8080"));
        assert_eq!(all.rest, "|12^Ann|x");
        let bare = parse("+45 33121212").unwrap();
        assert_eq!((bare.country, bare.area, bare.subscriber), ("45", "", "33121212"));
        assert_eq!(parse("+1 () 5").unwrap().area, "");
        assert_eq!(digits("882-80.80 w1?"), "8828080W1?");
    }

    #[test]
    fn what_is_nearly_canonical_is_not() {
        for text in [
            "",
            "+",
            "5551234",
            "+14258828080",
            "+1 (425)882-8080",
            "+ 1 (425) 882-8080",
            "+1  (425) 882-8080",
            "+1 (425)  882-8080",
            "+1 (4a5) 882-8080",
            "+1 (425 882-8080",
            "+1 (425) 882-8080 ext 12",
            "+1 (425) ",
            "+1 (425) --",
            "+1 (425) 88(2",
            "+1234 5",
            "+1 (425) 8\n2",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn uris_and_mailboxes_are_no_numbers() {
        for (text, expected) in [
            ("sip:201@office.test", true),
            ("TEL:+1", true),
            ("ann@office.test", true),
            ("0@1", false),
            ("201|ann@office.test", false),
            ("9,555-1234", false),
        ] {
            assert_eq!(is_no_number(text), expected, "{text}");
        }
    }
}
