//! The clocks of the process; nothing below the rim reads one.
//!
//! Whoever sets the machine's clock must not end registrations, nonces, waiting applications and agents' pauses,
//! nor keep them for ever. So everything that runs is given a wall clock without jumps: it begins as
//! the system's and goes on with the monotonic clock, led towards the system's by a hundredth at most.
//! Small corrections are followed as they come; a jump is told in the log and in `/metrics`, and what
//! is shown stays behind it until it is caught up, or until the next start.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sip_stack::time::Now;

use crate::exchange::Clock;
use crate::observe::Sample;

static START: OnceLock<Instant> = OnceLock::new();
static CALM: Mutex<Option<Calm>> = Mutex::new(None);
static JUMPS: AtomicU64 = AtomicU64::new(0);
static APART_MS: AtomicU64 = AtomicU64::new(0);

/// The system's clock is followed by this part of the time that passes.
const LEAD: i64 = 100;
/// What is further apart than this is a jump.
const JUMP_NS: i64 = 1_000_000_000;
/// A clock before 2020 was never set; its first setting is taken over at once.
const SET_NS: i64 = 1_577_836_800_000_000_000;

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

/// Wall-clock time in milliseconds since 1970, without jumps.
pub fn unix_ms() -> u64 {
    let (now_ns, wall_ns) = (nanos(now().0.as_nanos()), wall_ns());
    let (shown_ns, jump_ns) = {
        let mut calm = CALM.lock().unwrap_or_else(PoisonError::into_inner);
        let calm = calm.get_or_insert_with(|| Calm::new(now_ns, wall_ns));
        let jump_ns = calm.follow(now_ns, wall_ns);
        APART_MS.store(calm.apart_ns.unsigned_abs() / 1_000_000, Ordering::Relaxed);
        (calm.shown(now_ns), jump_ns)
    };
    if let Some(jump_ns) = jump_ns {
        JUMPS.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            seconds = jump_ns / 1_000_000_000,
            "the machine's clock was set; what runs is not touched, and times that are shown follow by a \
             hundredth of the time that passes, or at the next start"
        );
    }
    u64::try_from(shown_ns / 1_000_000).unwrap_or_default()
}

/// What the system says, in milliseconds since 1970: for lines of a log and certificates.
pub fn wall_ms() -> u64 {
    u64::try_from(wall_ns() / 1_000_000).unwrap_or_default()
}

/// For `/metrics`.
pub(super) fn samples() -> Vec<Sample> {
    let jumps = JUMPS.load(Ordering::Relaxed);
    let apart = APART_MS.load(Ordering::Relaxed);
    vec![
        Sample::counter("clock_jumps_total", "How often the machine's clock was set.", jumps),
        Sample::gauge(
            "clock_apart_milliseconds",
            "How far shown times are from the machine's clock.",
            apart,
        ),
    ]
}

#[expect(clippy::disallowed_methods, reason = "the rim reads the clock for everybody")]
fn wall_ns() -> i64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos())
}

fn nanos(nanos: u128) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with milliseconds.
pub fn timestamp(unix_ms: u64) -> String {
    tapi::calendar::utc(unix_ms)
}

/// A wall clock without jumps.
#[derive(Debug)]
struct Calm {
    /// What is added to the monotonic clock.
    offset_ns: i64,
    /// The monotonic clock at the last look.
    looked_ns: i64,
    /// How far ahead of it the system's clock was then.
    apart_ns: i64,
}

impl Calm {
    fn new(now_ns: i64, wall_ns: i64) -> Self {
        Self { offset_ns: wall_ns.saturating_sub(now_ns), looked_ns: now_ns, apart_ns: 0 }
    }

    fn shown(&self, now_ns: i64) -> i64 {
        now_ns.saturating_add(self.offset_ns)
    }

    /// Goes towards the system's clock; how far that jumped since the last look.
    fn follow(&mut self, now_ns: i64, wall_ns: i64) -> Option<i64> {
        let shown = self.shown(now_ns);
        let apart = wall_ns.saturating_sub(shown);
        let is_first_setting = shown < SET_NS && wall_ns >= SET_NS;
        let most = now_ns.saturating_sub(self.looked_ns).max(0) / LEAD;
        let step = if is_first_setting { apart } else { apart.clamp(-most, most) };
        let jump = apart.saturating_sub(self.apart_ns);
        self.offset_ns = self.offset_ns.saturating_add(step);
        self.looked_ns = self.looked_ns.max(now_ns);
        self.apart_ns = apart.saturating_sub(step);
        (jump.saturating_abs() > JUMP_NS).then_some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const BEGIN: i64 = 1_700_000_000 * SECOND;

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

    #[test]
    fn a_jump_is_told_once_and_caught_up_by_a_hundredth_in_either_direction() {
        for jump in [86_400, -3_600] {
            let mut calm = Calm::new(0, BEGIN);
            assert_eq!(calm.follow(SECOND, BEGIN + SECOND), None);
            assert_eq!(calm.follow(2 * SECOND, BEGIN + (2 + jump) * SECOND), Some(jump * SECOND));
            assert_eq!(calm.follow(102 * SECOND, BEGIN + (102 + jump) * SECOND), None);
            let ahead = calm.shown(102 * SECOND) - (BEGIN + 102 * SECOND);
            assert_eq!(ahead, jump.signum() * 101 * SECOND / 100);
            let whole = 102 + 100 * jump.abs();
            assert_eq!(calm.follow(whole * SECOND, BEGIN + (whole + jump) * SECOND), None);
            assert_eq!(calm.shown(whole * SECOND), BEGIN + (whole + jump) * SECOND);
        }
    }

    #[test]
    fn it_never_runs_backwards_however_often_it_is_asked() {
        let mut calm = Calm::new(0, BEGIN);
        let mut before = calm.shown(0);
        for look in 1..10_000_i64 {
            calm.follow(look * 1_000, BEGIN - 86_400 * SECOND);
            let shown = calm.shown(look * 1_000);
            assert!(shown >= before);
            before = shown;
        }
    }

    #[test]
    fn a_clock_that_was_never_set_is_taken_over_when_it_is() {
        let mut calm = Calm::new(0, 5 * SECOND);
        assert!(calm.follow(SECOND, BEGIN).is_some());
        assert_eq!(calm.shown(SECOND), BEGIN);
    }
}
