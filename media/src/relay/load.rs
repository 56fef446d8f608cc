//! How busy a worker is: the share of time that it does not wait, and how much of that it was really
//! running.
//!
//! A worker that never waits has packets queueing behind it. Before that, new calls are refused.

/// Looked at over so long.
const WINDOW_US: u64 = 500_000;
/// A worker that is busy for less has time for what can be done at any time.
pub(super) const QUIET_PERCENT: u64 = 20;

/// What a worker did with its time.
#[derive(Debug)]
pub(super) struct Load {
    since_us: u64,
    /// CPU time that it had used by then.
    cpu_us: u64,
    waited_us: u64,
    limit_percent: u64,
    was_busy: bool,
}

/// What a worker did in one window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Share {
    /// It did not wait.
    pub(super) busy_percent: u64,
    /// ... for it had something to do, but no processor.
    pub(super) starved_percent: u64,
    /// Packets would soon queue.
    pub(super) is_full: bool,
}

impl Load {
    /// Nothing was done yet. The time before, in which the relay is set up, is nobody's work: after a slow
    /// start the first calls would be refused.
    pub(super) fn since(now_us: u64, cpu_us: u64, limit_percent: u64) -> Self {
        Self { since_us: now_us, cpu_us, waited_us: 0, limit_percent, was_busy: false }
    }

    /// Notes a wait that has just ended; says what became of the window when one is over. `cpu_us` gives the
    /// CPU time used so far.
    ///
    /// Whoever has no processor has packets queueing, too, if that lasts. But in a single window it may have
    /// been one moment in which another program had it, and says nothing of the calls that there are: only
    /// a second window makes such a worker full, while one that works itself is full at once.
    pub(super) fn note(
        &mut self,
        began_us: u64,
        ended_us: u64,
        cpu_us: impl FnOnce() -> u64,
    ) -> Option<Share> {
        self.waited_us += ended_us.saturating_sub(began_us);
        let elapsed_us = ended_us.saturating_sub(self.since_us);
        if elapsed_us < WINDOW_US {
            return None;
        }
        let busy_us = elapsed_us.saturating_sub(self.waited_us);
        let cpu_us = cpu_us();
        // Going to sleep and waking up take some, too.
        let worked_us = cpu_us.saturating_sub(self.cpu_us).min(busy_us);
        let percent = |part_us: u64| part_us.saturating_mul(100) / elapsed_us;
        let busy_percent = percent(busy_us);
        let is_busy = busy_percent >= self.limit_percent;
        let is_full = is_busy && (self.was_busy || worked_us >= busy_us / 2);
        (self.since_us, self.cpu_us, self.waited_us) = (ended_us, cpu_us, 0);
        self.was_busy = is_busy;
        Some(Share { busy_percent, starved_percent: percent(busy_us - worked_us), is_full })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;
    use crate::control::{MediaConfig, MediaError, MediaPlane};
    use crate::relay::Relay;
    use crate::relay::test_ports::draw;

    #[test]
    fn a_relay_whose_workers_are_all_full_takes_no_new_call_until_they_have_time_again() {
        let config = MediaConfig { ports: draw(64), workers: 2, ..MediaConfig::default() };
        let (mut relay, _notices) = Relay::start(config).unwrap();
        let is_full =
            |result: &Result<_, MediaError>| matches!(result, Err(MediaError::Overloaded));
        let signals: Vec<_> =
            relay.workers.iter().map(|thread| thread.mailbox.signal.clone()).collect();
        signals[0].is_full.store(true, Ordering::Relaxed);
        let first = relay.add(1).map(drop);
        assert!(!is_full(&first), "the other one has time");
        // The workers say what is true each half second, and so end it.
        let mut made = Ok(());
        for _ in 0..100 {
            signals.iter().for_each(|signal| signal.is_full.store(true, Ordering::Relaxed));
            made = relay.add(1).map(|made| drop(relay.subtract(made.id)));
            if is_full(&made) {
                break;
            }
        }
        assert!(is_full(&made));
        let (_sender, nothing) = channel::<()>();
        for _ in 0..1_000 {
            made = relay.add(1).map(|made| drop(relay.subtract(made.id)));
            if !is_full(&made) {
                break;
            }
            let _ = nothing.recv_timeout(Duration::from_millis(10));
        }
        assert!(!is_full(&made));
    }

    fn share(busy_percent: u64, starved_percent: u64, is_full: bool) -> Option<Share> {
        Some(Share { busy_percent, starved_percent, is_full })
    }

    #[test]
    fn the_share_of_time_without_waiting_is_told_once_a_window() {
        let mut load = Load::since(0, 0, 90);
        assert_eq!(load.note(0, 100_000, || 0), None);
        assert_eq!(load.note(100_000, 499_999, || 0), None);
        assert_eq!(load.note(500_000, 500_000, || 0), share(0, 0, false));
        // Busy for 400 of 500 ms, and at work all that time.
        assert_eq!(load.note(900_000, 1_000_000, || 410_000), share(80, 0, false));
        assert_eq!(load.note(2_000_000, 2_000_000, || 1_400_000), share(100, 1, true));
    }

    #[test]
    fn one_window_without_a_processor_refuses_no_call_a_second_one_does() {
        let mut load = Load::since(0, 0, 90);
        assert_eq!(load.note(500_000, 500_000, || 50_000), share(100, 90, false));
        assert_eq!(load.note(1_000_000, 1_000_000, || 100_000), share(100, 90, true));
        assert_eq!(load.note(1_000_000, 1_500_000, || 100_000), share(0, 0, false));
        assert_eq!(load.note(2_000_000, 2_000_000, || 110_000), share(100, 98, false));
        // Who works for half of it is full at once.
        let mut load = Load::since(0, 0, 90);
        assert_eq!(load.note(500_000, 500_000, || 250_000), share(100, 50, true));
    }

    #[test]
    fn the_limit_is_what_was_configured() {
        let mut load = Load::since(0, 0, 10);
        assert_eq!(load.note(45_000, 500_000, || 45_000), share(9, 0, false));
        assert_eq!(load.note(550_000, 1_000_000, || 95_000), share(10, 0, true));
    }
}
