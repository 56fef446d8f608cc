//! Dialable strings: what is dialled, and what of it is not supported.

use std::borrow::Cow;

use crate::constant::LineErr;
use crate::server::Fault;

/// Characters of a dialable string.
const MAX_DIALABLE: usize = 256;

/// A scanned dialable string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Dialed {
    /// The digits and, after the first of them, the pauses; without formatting.
    pub(super) digits: String,
    /// Whether nothing follows: the string did not end in ";".
    pub(super) is_complete: bool,
}

impl Dialed {
    /// What is called: the digits before the first pause.
    pub(super) fn number(&self) -> &str {
        let digits = self.digits.trim_start_matches(',');
        digits.split(',').next().unwrap_or_default()
    }
}

/// The number that a `tel:` or `sip:` URI or `user@host` stands for. None: the text is dialable itself.
/// What an address is, is decided before its modifiers are looked for: `@` and `:` are some.
///
/// Errors: INVALADDRESS for a host that is not the switch's domain, and for what no number is in.
fn number_of_uri<'a>(text: &'a str, domain: &str) -> Result<Option<Cow<'a, str>>, Fault> {
    let invalid = |detail: String| Fault::line(LineErr::InvalAddress, detail);
    let after = |scheme: &str| {
        let start = text.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| text.get(scheme.len()..)).flatten()
    };
    let user = if let Some(number) = after("tel:") {
        number
    } else {
        let uri = after("sip:").or_else(|| after("sips:"));
        let Some((user, host)) = uri.unwrap_or(text).rsplit_once('@') else {
            return match uri {
                Some(_) => Err(invalid("The address names nobody before an '@'.".to_owned())),
                None => Ok(None),
            };
        };
        // Nothing, or digits, after a quiet answer is no host.
        let is_host = host.contains('.') || !host.is_empty() && host.eq_ignore_ascii_case(domain);
        if uri.is_none() && !is_host {
            return Ok(None);
        }
        let host = host.split([':', ';']).next().unwrap_or_default();
        if domain.is_empty() || !host.eq_ignore_ascii_case(domain) {
            return Err(invalid(format!(
                "Of {domain:?} only numbers are called, not {host:.64?}."
            )));
        }
        user
    };
    let number = user.split(';').next().unwrap_or_default();
    if !number.bytes().any(|byte| byte.is_ascii_digit() || b"*#".contains(&byte)) {
        return Err(invalid("The address contains no digit.".to_owned()));
    }
    if !number.contains('%') {
        return Ok(Some(Cow::Borrowed(number)));
    }
    // A user part has to write "#" so (RFC 3261 §25.1), and some write the others so, too.
    let plain = ["%23", "%2A", "%2a", "%2B", "%2b"].iter().zip(["#", "*", "*", "+", "+"]);
    Ok(Some(Cow::Owned(
        plain.fold(number.to_owned(), |text, (code, sign)| text.replace(code, sign)),
    )))
}

/// Scans a dialable string, or the number in a URI of the switch's domain. The first modifier that is
/// not supported decides the error; a URI has none.
///
/// A hook flash is the call's, not the number's: there is nothing to flash before one is dialled, and
/// lineGenerateDigits sends one later. What follows a pause is sent after the answer.
///
/// Subaddress (after "|") and name (after "^") are left out. Several addresses, separated by
/// CRLF, would be inverse multiplexing, which no line does.
pub(super) fn scan(text: &str, domain: &str) -> Result<Dialed, Fault> {
    let invalid = |detail: String| Err(Fault::line(LineErr::InvalAddress, detail));
    if text.chars().count() > MAX_DIALABLE {
        return invalid(format!("An address has at most {MAX_DIALABLE} characters."));
    }
    let of_uri = number_of_uri(text, domain)?;
    let text = of_uri.as_deref().unwrap_or(text);
    if let Some(error) = text.chars().find_map(unsupported) {
        let error = if of_uri.is_some() { LineErr::InvalAddress } else { error };
        let detail = "The dial string contains an unsupported modifier.";
        return Err(Fault::line(error, detail));
    }
    let text = text.trim_end_matches(['\r', '\n']);
    let (text, is_complete) = match text.strip_suffix(';') {
        Some(partial) => (partial, false),
        None => (text, true),
    };
    let number = text.split(['|', '^']).next().unwrap_or_default();
    let mut digits = String::with_capacity(number.len());
    for character in number.chars() {
        match character {
            '0'..='9' | 'A'..='D' | '*' | '#' => digits.push(character),
            'a'..='d' => digits.push(character.to_ascii_uppercase()),
            '+' if digits.is_empty() => digits.push('+'),
            ',' => digits.push(','),
            ' ' | '-' | '.' | '(' | ')' | '/' | 'P' | 'p' | 'T' | 't' => {}
            other => return invalid(format!("The address contains {other:?}.")),
        }
    }
    let is_empty = digits.trim_matches(',').is_empty();
    if is_empty && !number.trim().is_empty() || digits == "+" {
        return invalid("The address contains no digit.".to_owned());
    }
    Ok(Dialed { digits, is_complete })
}

/// A whole number: complete, and with some digit. What a service sends a call to.
pub(super) fn number(text: &str, domain: &str) -> Result<String, Fault> {
    let number = whole(text, domain)?;
    if number.contains(',') {
        let detail = "Digits after a pause are for calls that are made.";
        return Err(Fault::line(LineErr::InvalAddress, detail));
    }
    Ok(number)
}

/// The same for a call that is made: digits may follow a pause.
pub(super) fn whole(text: &str, domain: &str) -> Result<String, Fault> {
    let invalid = |detail: String| Fault::line(LineErr::InvalAddress, detail);
    let dialed = scan(text, domain).map_err(|fault| match fault {
        Fault::Line(_, detail) | Fault::Params(detail) => invalid(detail),
    })?;
    if !dialed.is_complete || dialed.digits.is_empty() {
        return Err(invalid("A complete number is needed.".to_owned()));
    }
    Ok(dialed.digits)
}

/// The error of a modifier that no line supports (LINEDEVCAPS.dwDevCapFlags).
fn unsupported(modifier: char) -> Option<LineErr> {
    match modifier {
        '$' => Some(LineErr::DialBilling),
        '@' => Some(LineErr::DialQuiet),
        'W' | 'w' => Some(LineErr::DialDialTone),
        '?' => Some(LineErr::DialPrompt),
        ':' => Some(LineErr::DialVoiceDetect),
        '!' => Some(LineErr::InvalAddress),
        _ => None,
    }
}

/// A country code: 0 for the default, or one that the numbering plan can have.
pub(super) fn check_country_code(code: u32) -> Result<(), Fault> {
    if code <= 999 {
        Ok(())
    } else {
        Err(Fault::line(LineErr::InvalCountryCode, "A country code has up to three digits."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "office.test";

    #[test]
    fn what_a_uri_of_the_domain_names_is_dialled() {
        for (text, digits) in [
            ("sip:201@office.test", "201"),
            ("SIPS:201@Office.Test:5061;transport=tls", "201"),
            ("sip:+33145;phone-context=x@office.test;user=phone", "+33145"),
            ("201@office.test", "201"),
            ("sip:*72%23@office.test", "*72#"),
            ("tel:+33-1-45;ext=3", "+33145"),
        ] {
            let expected = Dialed { digits: digits.to_owned(), is_complete: true };
            assert_eq!(scan(text, DOMAIN), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_uri_of_elsewhere_or_without_a_number_is_no_address() {
        for text in [
            "sip:201@elsewhere.test",
            "201@127.0.0.1",
            "sip:office.test",
            "sip:",
            "sip:@office.test",
            "tel:",
            "sip:ada@office.test",
            "sip:201@office.test?Replaces=x",
            "sip:201:secret@office.test",
            "sip:20%31@office.test",
            "mailto:1@office.test",
        ] {
            assert_eq!(error(text), LineErr::InvalAddress, "{text}");
        }
    }

    fn error(text: &str) -> LineErr {
        match scan(text, DOMAIN) {
            Err(Fault::Line(error, _)) => error,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn digits_and_pauses_are_taken_out_of_formatting() {
        for (text, digits) in [
            ("201", "201"),
            ("+1 (425) 882-8080", "+14258828080"),
            ("0,,T201", "0,,201"),
            ("201,, 45#", "201,,45#"),
            ("*8#a", "*8#A"),
            ("201|7^Ada", "201"),
            ("201\r\n", "201"),
        ] {
            let expected = Dialed { digits: digits.to_owned(), is_complete: true };
            assert_eq!(scan(text, DOMAIN), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_semicolon_at_the_end_means_that_more_follows() {
        for (text, digits) in [("20;", "20"), (";", "")] {
            let expected = Dialed { digits: digits.to_owned(), is_complete: false };
            assert_eq!(scan(text, DOMAIN), Ok(expected), "{text}");
        }
        assert_eq!(error("2;0"), LineErr::InvalAddress);
    }

    #[test]
    fn the_first_unsupported_modifier_decides() {
        for (text, expected) in [
            ("1$2@", LineErr::DialBilling),
            ("1@2$", LineErr::DialQuiet),
            ("W0", LineErr::DialDialTone),
            ("0w1", LineErr::DialDialTone),
            ("1?", LineErr::DialPrompt),
            ("2!1$", LineErr::InvalAddress),
            ("2$1!", LineErr::DialBilling),
            ("20:1", LineErr::DialVoiceDetect),
            ("20@1", LineErr::DialQuiet),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
    }

    #[test]
    fn a_service_takes_whole_numbers_and_knows_one_error() {
        assert_eq!(number("T02-01", DOMAIN), Ok("0201".to_owned()));
        for text in ["", "20;", "2$1", "20?", "x", "201,4", "2!"] {
            let error = match number(text, DOMAIN) {
                Err(Fault::Line(error, _)) => error,
                other => panic!("{text}: {other:?}"),
            };
            assert_eq!(error, LineErr::InvalAddress, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_no_address() {
        for text in ["xyz", "2+01", "+", ",,", "201\r\n202", "a\u{e9}", &"1".repeat(257)] {
            assert_eq!(error(text), LineErr::InvalAddress, "{text}");
        }
    }
}
