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
    tapi::calendar::utc(unix_ms)
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
