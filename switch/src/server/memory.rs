//! Memory that a load took goes back to the system when the load is over (SEC-103), and no more is taken
//! than is used.
//!
//! The allocator keeps what is freed for the next time. What one thread allocates and others free comes
//! back to it only when it allocates again, which it does not at rest: so the exchange's thread, which
//! owns most, asks for it when little is to be done. The relay's threads ask for what is theirs when many
//! streams have ended.

#![expect(unsafe_code, reason = "a function of the allocator, which is written in C")]

use std::time::Duration;

// Links it, whether or not the program has it as its allocator.
use mimalloc as _;
use sip_stack::time::Now;

/// How often what nobody needs any more is given back to its owner.
const EVERY: Duration = Duration::from_secs(1);
/// Memory goes back to the system once in so many times,
const COLLECT_EACH: u32 = 4;
/// and only after fewer inputs than this: a busy switch needs it again at once.
const QUIET_MAX: u32 = 1_000;

unsafe extern "C" {
    /// Frees what other threads have freed of the calling thread's, and gives the system all that is
    /// free, at once if forced. A few hundred microseconds where there is little.
    safe fn mi_collect(force: bool);
}

/// The rhythm of tidying up.
#[derive(Debug)]
pub(super) struct Tidying {
    next_at: Now,
    inputs: u32,
    times: u32,
}

impl Tidying {
    /// Begins with a pause.
    pub(super) fn new(now: Now) -> Self {
        Self { next_at: now + EVERY, inputs: 0, times: 0 }
    }

    /// When to tidy up next.
    pub(super) fn next_at(&self) -> Now {
        self.next_at
    }

    /// There was something to be done.
    pub(super) fn note_input(&mut self) {
        self.inputs = self.inputs.saturating_add(1);
    }

    /// Everybody has given back what they do not need.
    pub(super) fn done(&mut self, now: Now) {
        self.next_at = now + EVERY;
        self.times = self.times.wrapping_add(1);
        let inputs = std::mem::take(&mut self.inputs);
        if inputs < QUIET_MAX && self.times.is_multiple_of(COLLECT_EACH) {
            give_back();
        }
    }
}

/// Says that memory comes in small pages: each thread has some of each size, and in huge pages of 2 MB the
/// little that they use took twice the memory (docs/benchmarks.md). Before the first thread begins.
pub(super) fn begin() {
    // Where the system refuses, the program takes more memory, and works all the same.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Gives the system what the calling thread does not need.
pub(super) fn give_back() {
    mi_collect(true);
}
