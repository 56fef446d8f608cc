//! How busy a worker is: the share of time that it does not wait.
//!
//! A worker that never waits has packets queueing behind it. Before that, new calls are refused.

/// Looked at over so long.
const WINDOW_US: u64 = 500_000;
/// A worker that is busy for so many hundredths of its time takes no new calls: what is left is for
/// the unevenness of those it has.
pub(super) const FULL_PERCENT: u64 = 90;

/// What a worker did with its time.
#[derive(Debug, Default)]
pub(super) struct Load {
    since_us: u64,
    waited_us: u64,
}

impl Load {
    /// Nothing was done yet. The time before, in which the relay is set up, is nobody's work: after a slow
    /// start the first calls would be refused.
    pub(super) fn since(now_us: u64) -> Self {
        Self { since_us: now_us, waited_us: 0 }
    }

    /// Notes a wait that has just ended; gives the percentage of the window when one is over.
    pub(super) fn note(&mut self, began_us: u64, ended_us: u64) -> Option<u64> {
        self.waited_us += ended_us.saturating_sub(began_us);
        let elapsed_us = ended_us.saturating_sub(self.since_us);
        if elapsed_us < WINDOW_US {
            return None;
        }
        let busy_us = elapsed_us.saturating_sub(self.waited_us);
        self.since_us = ended_us;
        self.waited_us = 0;
        Some(busy_us.saturating_mul(100) / elapsed_us)
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
        signals[0].busy_percent.store(100, Ordering::Relaxed);
        let first = relay.add(1).map(drop);
        assert!(!is_full(&first), "the other one has time");
        // The workers say what is true each half second, and so end it.
        let mut made = Ok(());
        for _ in 0..100 {
            signals.iter().for_each(|signal| signal.busy_percent.store(95, Ordering::Relaxed));
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

    #[test]
    fn the_share_of_time_without_waiting_is_told_once_a_window() {
        let mut load = Load::default();
        assert_eq!(load.note(0, 100_000), None);
        assert_eq!(load.note(100_000, 499_999), None);
        assert_eq!(load.note(500_000, 500_000), Some(0));
        // Busy for 400 of 500 ms.
        assert_eq!(load.note(900_000, 1_000_000), Some(80));
        assert_eq!(load.note(2_000_000, 2_000_000), Some(100));
    }
}
