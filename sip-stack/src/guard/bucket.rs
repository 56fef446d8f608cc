//! Token buckets: so much at once, so much as time goes by.

use std::time::Duration;

use crate::time::Now;

/// How often something may happen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rate {
    /// How often in the long run, per second.
    pub per_second: f64,
    /// How often at once.
    pub burst: u32,
}

impl Rate {
    /// So many per second; three times as many at once.
    #[must_use]
    pub fn per_second(number: u32) -> Self {
        Self { per_second: f64::from(number), burst: number.saturating_mul(3).max(1) }
    }

    /// So many per minute, or all of them at once.
    #[must_use]
    pub fn per_minute(number: u32) -> Self {
        Self { per_second: f64::from(number) / 60.0, burst: number.max(1) }
    }
}

/// What is left of a rate. An empty one is full again by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    used: f32,
    at: Now,
}

impl Bucket {
    /// Takes `cost` out; false when it is not there.
    pub fn take(&mut self, now: Now, rate: Rate, cost: f32) -> bool {
        let refilled = (now - self.at).as_secs_f64() * rate.per_second;
        self.at = self.at.max(now);
        self.used = (f64::from(self.used) - refilled).max(0.0) as f32;
        let is_there = f64::from(self.used) + f64::from(cost) <= f64::from(rate.burst);
        if is_there {
            self.used += cost;
        }
        is_there
    }

    /// Whether `cost` is there; takes nothing.
    #[must_use]
    pub fn has(mut self, now: Now, rate: Rate, cost: f32) -> bool {
        self.take(now, rate, cost)
    }
}

/// The times of the last failures, at most as many as are asked about.
#[derive(Clone, Debug, Default)]
pub(super) struct Window(std::collections::VecDeque<Now>);

impl Window {
    /// Notes one and says how many there were within `within`, `most` at most.
    pub(super) fn note(&mut self, now: Now, within: Duration, most: usize) -> usize {
        while self.0.front().is_some_and(|at| now - *at > within) || self.0.len() >= most.max(1) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_the_rate() {
        let rate = Rate::per_second(20);
        let mut bucket = Bucket::default();
        let now = Now::from_millis(1000);
        assert_eq!((0..100).filter(|_| bucket.take(now, rate, 1.0)).count(), 60);
        let later = Now::from_millis(2000);
        assert_eq!((0..100).filter(|_| bucket.take(later, rate, 1.0)).count(), 20);
        let much_later = Now::from_millis(600_000);
        assert_eq!((0..100).filter(|_| bucket.take(much_later, rate, 1.0)).count(), 60);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing_away() {
        let rate = Rate::per_minute(5);
        let mut bucket = Bucket::default();
        let now = Now::from_millis(9000);
        assert_eq!((0..9).filter(|_| bucket.take(now, rate, 1.0)).count(), 5);
        assert!(!bucket.take(Now::from_millis(10), rate, 1.0));
    }

    #[test]
    fn a_window_counts_what_lies_within_it_and_no_more_than_asked() {
        let mut window = Window::default();
        let within = Duration::from_secs(300);
        for second in 1..=20_u64 {
            let counted = window.note(Now::from_millis(second * 1000), within, 15);
            assert_eq!(counted as u64, second.min(15));
        }
        assert_eq!(window.note(Now::from_millis(1_000_000), within, 15), 1);
    }
}
