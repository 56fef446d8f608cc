//! What a worker does from time to time, packets or not: who fell silent, which reports are due.

use std::sync::atomic::Ordering;

use super::Worker;
use crate::control::Notify;
use crate::relay::batch::{BATCH_MAX, Batch};
use crate::relay::lane::shrink;
use crate::relay::load::QUIET_PERCENT;
use crate::relay::notice::{notify, tell_heard, tell_overdue};
use crate::relay::thread::rest_thread;

/// Streams that end before a worker gives back what it does not need.
const ENDED_MIN: usize = 64;

impl Worker {
    /// Looks for streams that fell silent.
    pub(super) fn sweep(&mut self, now_us: u64) {
        if let Some(book) = &mut self.book {
            book.sweep(now_us);
        }
        let rhythm_us = self.timeout_us.min(self.reporter.interval_us()) / 4;
        self.next_sweep_us = now_us + rhythm_us.clamp(10_000, 1_000_000);
        shrink(&mut self.lanes, &mut self.unread);
        // It takes a moment, in which packets wait.
        let is_quiet = self.signal.busy_percent.load(Ordering::Relaxed) < QUIET_PERCENT;
        if self.ended >= ENDED_MIN && is_quiet {
            self.ended = 0;
            self.treated.shrink_to(self.lanes.len());
            rest_thread();
        }
        for lane in self.lanes.iter_mut().flatten() {
            if let Some(kernel) = &self.kernel {
                kernel.absorb(&lane.bound, &mut lane.ingress, &mut lane.attempts);
                kernel.follow(&lane.bound);
            }
            if let Some(ear) = &mut lane.ingress.ear {
                ear.wait(now_us);
            }
            tell_overdue(&self.notices, &self.signal, (&lane.bound, &mut lane.ingress), now_us);
            tell_heard(&self.notices, &self.signal, lane.bound.key, &mut lane.ingress.ear);
            if lane.falls_silent(now_us, self.timeout_us) {
                let (id, stream) = lane.bound.key;
                notify(&self.notices, &self.signal, Notify::Timeout { id, stream });
            }
        }
    }

    /// Sends the reports that are due.
    pub(super) fn report(&mut self, batch: &mut Batch, now_us: u64) {
        for slot in 0..self.lanes.len() {
            if batch.leaving_len() == BATCH_MAX {
                self.send(batch);
            }
            if let Some(Some(lane)) = self.lanes.get_mut(slot) {
                self.reporter.report(lane, slot, batch, now_us);
            }
        }
        self.send(batch);
    }
}
