//! The time of packets: one clock for the whole relay.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From 1900, where NTP begins, to 1970.
const NTP_UNIX_SECONDS: u64 = 2_208_988_800;

/// The clock of the whole relay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    /// The time of day at the start. Reports go by it for good: a clock that is set would tear the
    /// round trips of all calls.
    wall: Duration,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the rim: this is where packets get their time")]
    pub(super) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), wall }
    }

    /// Microseconds since the start, never 0.
    pub(super) fn now_us(self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The time of day at a moment, as NTP writes it: seconds since 1900 in the upper half.
    pub(super) fn ntp(self, now_us: u64) -> u64 {
        let time = self.wall.saturating_add(Duration::from_micros(now_us));
        let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
        time.as_secs().wrapping_add(NTP_UNIX_SECONDS) << 32 | fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_from_1900_in_seconds_and_their_fractions() {
        let wall = Duration::new(1_000_000_000, 250_000_000);
        let clock = Clock { wall, ..Clock::start() };
        // RFC 868 writes 2,208,988,800 for 1970-01-01.
        assert_eq!(clock.ntp(500_000), 3_208_988_800 << 32 | 0xc000_0000);
    }
}
