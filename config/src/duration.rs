//! Durations as people write them: `90s`, `2m`, `1h30m`, `500ms`.

use std::fmt::Write;
use std::time::Duration;

/// Units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationFault {
    /// Nothing there.
    #[error("an empty duration")]
    Empty,
    /// A number without a unit.
    #[error("the number {0} has no unit")]
    NoUnit(String),
    /// A unit that is none.
    #[error("\"{0}\" is no unit of time")]
    UnknownUnit(String),
    /// No number where one should be.
    #[error("a number is missing before \"{0}\"")]
    NoNumber(String),
    /// Units must become smaller, each once.
    #[error("the unit \"{0}\" comes too late")]
    Order(String),
    /// More than 64 bits of milliseconds.
    #[error("too long")]
    TooLong,
}

/// Reads a duration: whole numbers with the units d, h, m, s, ms, from the largest to the smallest.
pub fn parse_duration(text: &str) -> Result<Duration, DurationFault> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    if text.is_empty() {
        return Err(DurationFault::Empty);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(DurationFault::NoNumber(unit.to_owned()));
        }
        if unit.is_empty() {
            return Err(DurationFault::NoUnit(number.to_owned()));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationFault::UnknownUnit(unit.to_owned()));
        };
        if *scale >= last_unit {
            return Err(DurationFault::Order(unit.to_owned()));
        }
        last_unit = *scale;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale));
        total = part.and_then(|part| total.checked_add(part)).ok_or(DurationFault::TooLong)?;
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration as [`parse_duration`] reads it.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in UNITS {
        if rest >= scale {
            let _ = write!(text, "{}{unit}", rest / scale);
            rest %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, milliseconds) in [
            ("90s", 90_000),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1d", 86_400_000),
            ("1m500ms", 60_500),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for (text, fault) in [
            ("", DurationFault::Empty),
            ("90", DurationFault::NoUnit("90".into())),
            ("90sec", DurationFault::UnknownUnit("sec".into())),
            ("1.5s", DurationFault::UnknownUnit(".".into())),
            ("s", DurationFault::NoNumber("s".into())),
            ("-1s", DurationFault::NoNumber("-".into())),
            ("30m1h", DurationFault::Order("h".into())),
            ("1s1s", DurationFault::Order("s".into())),
            ("1 s", DurationFault::UnknownUnit(" s".into())),
            ("99999999999999999999d", DurationFault::TooLong),
            ("300000000000d", DurationFault::TooLong),
        ] {
            assert_eq!(parse_duration(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["1m30s", "2m", "1h30m", "500ms", "0s", "1d1h1m1s1ms"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }
}
