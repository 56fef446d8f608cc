//! Books over tumbling measurement periods (tapi-agents 8): at each boundary counters restart at 0.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tapi::agent::CallRate;

use crate::limit::MEASUREMENT_PERIOD;
use crate::time::{Time, millis};

/// A measurement period that follows another without a gap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Window {
    start: Time,
    period: Duration,
}

impl Window {
    /// The first one of the usual length.
    pub(crate) fn new(now: Time) -> Self {
        Self { start: now, period: MEASUREMENT_PERIOD }
    }

    /// One of another length, from now on.
    pub(crate) fn restart(now: Time, seconds: u32) -> Self {
        Self { start: now, period: Duration::from_secs(u64::from(seconds.max(1))) }
    }

    /// When this one ends and the next begins.
    pub(crate) fn end(&self) -> Time {
        self.start.after(self.period)
    }

    /// Its length in seconds.
    pub(crate) fn seconds(&self) -> u32 {
        crate::time::seconds(self.period)
    }

    /// Goes on to the window that this moment is in; whether it is another one.
    pub(crate) fn roll(&mut self, now: Time) -> bool {
        let length = millis(self.period).max(1);
        let passed = now.0.saturating_sub(self.start.0) / length;
        self.start = Time(self.start.0.saturating_add(passed.saturating_mul(length)));
        passed > 0
    }

    /// Where it began.
    pub(crate) fn start(&self) -> Time {
        self.start
    }
}

/// Calls per hour of this span, as CURRENCY.
pub(crate) fn call_rate(calls: u32, span: Duration) -> CallRate {
    let per_span = u128::from(calls) * 3_600_000 * 10_000;
    CallRate(
        per_span
            .checked_div(span.as_millis())
            .and_then(|rate| i64::try_from(rate).ok())
            .unwrap_or(if span.is_zero() { 0 } else { i64::MAX }),
    )
}

/// What an agent counts in a measurement period.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct AgentCounts {
    pub(crate) calls: u32,
    pub(crate) incoming: u32,
    pub(crate) outgoing: u32,
    pub(crate) talk_ms: u64,
    pub(crate) wrap_up_ms: u64,
    /// Time with at least one session, up to the last change of that.
    pub(crate) active_ms: u64,
}

/// What a queue counts in a measurement period: the counters of LINEQUEUEINFO and some that TAPI does
/// not have.
///
/// `carried + queued = answered + abandoned + flowed_out + final_disposition + taken_away` and the
/// calls that wait now.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueueStatistics {
    /// Calls that waited when the period began.
    pub carried: u32,
    /// Calls that entered, those of other queues among them.
    pub queued: u32,
    /// Calls that an agent answered.
    pub answered: u32,
    /// Those of them that were answered within the service level's threshold.
    pub answered_in_time: u32,
    /// How long the answered calls waited together.
    pub answer_wait_ms: u64,
    /// Calls whose caller gave up.
    pub abandoned: u32,
    /// Those of them that gave up within the service level's threshold.
    pub abandoned_early: u32,
    /// Calls that came from another queue.
    pub flowed_in: u32,
    /// Calls sent on to another queue.
    pub flowed_out: u32,
    /// Calls sent to the last resort.
    pub final_disposition: u32,
    /// Calls that an application took.
    pub taken_away: u32,
    /// Calls that it did not take in.
    pub refused: u32,
    /// How long all calls waited together that left.
    pub wait_ms: u64,
}

impl QueueStatistics {
    /// Calls that left the queue in this period.
    pub fn departed(&self) -> u32 {
        [self.answered, self.abandoned, self.flowed_out, self.final_disposition, self.taken_away]
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The average wait of calls that left.
    pub fn average_wait(&self) -> Duration {
        average(self.wait_ms, self.departed())
    }

    /// The average speed of answer.
    pub fn average_speed_of_answer(&self) -> Duration {
        average(self.answer_wait_ms, self.answered)
    }

    /// Which share of the calls was answered in time. Callers who gave up before the threshold do
    /// not count; without any call there is no answer.
    pub fn service_level(&self) -> Option<f64> {
        let late = self.abandoned.saturating_sub(self.abandoned_early);
        share(self.answered_in_time, self.answered.saturating_add(late))
    }

    /// Which share of the calls that left was abandoned.
    pub fn abandonment(&self) -> Option<f64> {
        share(self.abandoned, self.departed())
    }
}

fn average(total_ms: u64, count: u32) -> Duration {
    Duration::from_millis(total_ms.checked_div(u64::from(count)).unwrap_or(0))
}

fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_rolls_on_to_the_one_that_the_moment_is_in() {
        let mut window = Window::restart(Time(1_000), 60);
        assert!(!window.roll(Time(60_999)));
        assert!(window.roll(Time(61_000)));
        assert_eq!(window.start(), Time(61_000));
        assert!(window.roll(Time(500_000)), "several at once");
        assert_eq!((window.start(), window.end()), (Time(481_000), Time(541_000)));
    }

    #[test]
    fn a_call_rate_is_calls_per_hour_times_ten_thousand() {
        assert_eq!(call_rate(3, Duration::from_secs(1800)), CallRate(60_000));
        assert_eq!(call_rate(3, Duration::ZERO), CallRate(0));
    }
}
