//! Date (RFC 3261 §20.17): an RFC 1123 date, GMT only.

use std::fmt;

use crate::message::{ParseError, ParseErrorKind as Kind};

/// A moment, in seconds of UTC since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Date {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub unix_seconds: u64,
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_SECONDS: u64 = 86_400;

impl Date {
    /// Reads `Sat, 13 Nov 2010 23:29:00 GMT`. The day of the week is not compared with the date.
    ///
    /// # Errors
    /// Another form, another time zone, or a date that does not exist.
    pub fn parse(value: &str) -> Result<Date, ParseError> {
        Self::read(value).ok_or(Kind::Date.at(0))
    }

    fn read(value: &str) -> Option<Date> {
        let mut words = value.split_ascii_whitespace();
        let day_name = words.next()?.strip_suffix(',')?;
        DAYS.iter().find(|name| name.eq_ignore_ascii_case(day_name))?;
        let day = digits(words.next()?, 2)?;
        let month_name = words.next()?;
        let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month_name))?;
        let month = u64::try_from(month).ok()? + 1;
        let year = digits(words.next()?, 4)?;
        let mut clock = words.next()?.split(':');
        let hour = digits(clock.next()?, 2)?;
        let minute = digits(clock.next()?, 2)?;
        let second = digits(clock.next()?, 2)?;
        let is_gmt = words.next()? == "GMT";
        if !is_gmt || words.next().is_some() || clock.next().is_some() || year < 1970 {
            return None;
        }
        if day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days_before(year, month) + day - 1;
        let unix_seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second;
        Some(Date { unix_seconds })
    }
}

fn digits(text: &str, width: usize) -> Option<u64> {
    let is_number = text.len() == width && text.bytes().all(|octet| octet.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of a month; `year` is 1970 to 9999.
fn days_before(year: u64, month: u64) -> u64 {
    let before = year - 1;
    // 477 leap days were before 1970.
    let leap_days = before / 4 - before / 100 + before / 400 - 477;
    (year - 1970) * 365 + leap_days + (1..month).map(|month| days_in(year, month)).sum::<u64>()
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.unix_seconds / DAY_SECONDS;
        let seconds = self.unix_seconds % DAY_SECONDS;
        // A guess that is never too late, then forward: at most two steps.
        let mut year = 1970 + days / 366;
        while days_before(year + 1, 1) <= days {
            year += 1;
        }
        let month = (1..=12).rev().find(|month| days_before(year, *month) <= days).unwrap_or(1);
        let day = days - days_before(year, month) + 1;
        let day_name = usize::try_from(days % 7).ok().and_then(|at| DAYS.get(at)).unwrap_or(&"");
        let month_name =
            usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).unwrap_or(&"");
        write!(
            f,
            "{day_name}, {day:02} {month_name} {year:04} {:02}:{:02}:{:02} GMT",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_read_and_write() {
        for (text, unix_seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
            ("Thu, 29 Feb 2024 12:00:01 GMT", 1_709_208_001),
            ("Fri, 31 Dec 2100 23:59:59 GMT", 4_133_980_799),
        ] {
            assert_eq!(Date::parse(text), Ok(Date { unix_seconds }), "{text}");
            assert_eq!(Date { unix_seconds }.to_string(), text);
        }
    }

    #[test]
    fn every_day_of_five_centuries_reads_back() {
        for day in 0..180_000u64 {
            let date = Date { unix_seconds: day * DAY_SECONDS + 3723 };
            assert_eq!(Date::parse(&date.to_string()), Ok(date));
        }
    }

    #[test]
    fn other_zones_and_impossible_dates_are_refused() {
        for text in [
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Fri, 30 Feb 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 24:00:00 GMT",
            "Fri 01 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 1969 16:00:00 GMT",
            "Fri, 01 Jan 2010 16:00:00 GMT x",
            "",
        ] {
            assert!(Date::parse(text).is_err(), "{text}");
        }
    }
}
