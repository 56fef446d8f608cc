//! How little an address that has not proved itself is sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What an address that has not proved itself is sent: five packets a second for five seconds.
const TRIAL_US: u64 = 5_000_000;
const TRIAL_EVERY_US: u64 = 200_000;

/// What goes to an address that has not proved itself (SEC-86).
#[derive(Debug, Default)]
pub(super) struct Trial {
    is_on: AtomicBool,
    /// When the first packet went there; 0 before.
    since_us: AtomicU64,
    /// When the next one may.
    next_us: AtomicU64,
}

impl Trial {
    pub(super) fn begin(&self) {
        self.since_us.store(0, Ordering::Relaxed);
        self.next_us.store(0, Ordering::Relaxed);
        self.is_on.store(true, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        self.is_on.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Whether another packet may go, and notes that it does.
    pub(super) fn takes(&self, now_us: u64) -> bool {
        // Two senders at once may both be first; one packet more is no flood.
        let since_us = match self.since_us.load(Ordering::Relaxed) {
            0 => {
                self.since_us.store(now_us.max(1), Ordering::Relaxed);
                now_us
            }
            since_us => since_us,
        };
        let is_over = now_us.saturating_sub(since_us) >= TRIAL_US;
        if is_over || now_us < self.next_us.load(Ordering::Relaxed) {
            return false;
        }
        self.next_us.store(now_us.saturating_add(TRIAL_EVERY_US), Ordering::Relaxed);
        true
    }
}
