//! Section about what is kept of calls that are over.

use std::time::Duration;

/// `[call_records]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRecords {
    /// The most that are kept; the oldest go first; 0 keeps none. Default 100,000.
    pub max: u32,
    /// How long each is kept; default 365 days.
    pub keep: Duration,
}

impl Default for CallRecords {
    fn default() -> Self {
        Self { max: 100_000, keep: Duration::from_secs(365 * 86_400) }
    }
}
