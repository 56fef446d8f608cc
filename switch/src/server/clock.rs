//! The clocks of the process; nothing below the rim reads one.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sip_stack::time::Now;

use crate::exchange::Clock;

static START: OnceLock<Instant> = OnceLock::new();

/// Both clocks, now.
pub fn read() -> Clock {
    Clock { now: now(), unix_ms: unix_ms() }
}

/// The monotonic clock: time since the process' first look at it.
#[expect(clippy::disallowed_methods, reason = "the rim reads the clock for everybody")]
pub fn now() -> Now {
    let now = Instant::now();
    Now(now.saturating_duration_since(*START.get_or_init(|| now)))
}

/// Wall-clock time in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the rim reads the clock for everybody")]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC with milliseconds.
pub fn timestamp(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60,
        unix_ms % 1000
    )
}

/// The Gregorian date of a day counted from 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the leap day is a year's last: 719_468 days lie between
    // 0000-03-01 and 1970-01-01, an era of 400 years has 146_097.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_dates_around_leap_days() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (1_704_067_199, "2023-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(timestamp(seconds * 1000), text);
        }
    }

    #[test]
    fn monotonic_time_does_not_run_backwards() {
        let first = now();
        assert!(now() >= first);
    }
}
