//! The instant that is passed into every machine.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Monotonic instant: time since the clock's start. Passed in, never read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub struct Now(pub Duration);

impl Now {
    /// The clock's start.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The instant so many milliseconds after the clock's start.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }
}

impl Add<Duration> for Now {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(after))
    }
}

impl AddAssign<Duration> for Now {
    fn add_assign(&mut self, after: Duration) {
        *self = *self + after;
    }
}

impl Sub for Now {
    type Output = Duration;

    /// The time between two instants; zero if `earlier` is the later one.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_never_goes_below_zero() {
        let early = Now::from_millis(5);
        let late = early + Duration::from_millis(7);
        assert_eq!(late - early, Duration::from_millis(7));
        assert_eq!(early - late, Duration::ZERO);
    }

    #[test]
    fn the_end_of_time_is_a_wall() {
        assert_eq!(Now(Duration::MAX) + Duration::from_secs(1), Now(Duration::MAX));
    }
}
