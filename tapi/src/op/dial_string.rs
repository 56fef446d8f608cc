//! Dialable strings: what is dialled, and what of it is not supported.

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

/// Scans a dialable string. The first modifier that is not supported decides the error.
///
/// A hook flash is the call's, not the number's: there is nothing to flash before one is dialled, and
/// lineGenerateDigits sends one later. What follows a pause is sent after the answer.
///
/// Subaddress (after "|") and name (after "^") are left out. Several addresses, separated by
/// CRLF, would be inverse multiplexing, which no line does.
pub(super) fn scan(text: &str) -> Result<Dialed, Fault> {
    let invalid = |detail: String| Err(Fault::line(LineErr::InvalAddress, detail));
    if text.chars().count() > MAX_DIALABLE {
        return invalid(format!("An address has at most {MAX_DIALABLE} characters."));
    }
    if let Some(error) = text.chars().find_map(unsupported) {
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
pub(super) fn number(text: &str) -> Result<String, Fault> {
    let number = whole(text)?;
    if number.contains(',') {
        let detail = "Digits after a pause are for calls that are made.";
        return Err(Fault::line(LineErr::InvalAddress, detail));
    }
    Ok(number)
}

/// The same for a call that is made: digits may follow a pause.
pub(super) fn whole(text: &str) -> Result<String, Fault> {
    let invalid = |detail: String| Fault::line(LineErr::InvalAddress, detail);
    let dialed = scan(text).map_err(|fault| match fault {
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

    fn error(text: &str) -> LineErr {
        match scan(text) {
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
            assert_eq!(scan(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_semicolon_at_the_end_means_that_more_follows() {
        for (text, digits) in [("20;", "20"), (";", "")] {
            let expected = Dialed { digits: digits.to_owned(), is_complete: false };
            assert_eq!(scan(text), Ok(expected), "{text}");
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
            ("sip:1", LineErr::DialVoiceDetect),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
    }

    #[test]
    fn a_service_takes_whole_numbers_and_knows_one_error() {
        assert_eq!(number("T02-01"), Ok("0201".to_owned()));
        for text in ["", "20;", "2$1", "20?", "x", "201,4", "2!"] {
            let error = match number(text) {
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
