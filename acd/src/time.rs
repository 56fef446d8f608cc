//! The time as the centre is told it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
pub struct Time(pub u64);

impl Time {
    /// How long ago the other moment was; nothing if it is to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment this much later.
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

/// A span in milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A span in whole seconds, as TAPI's counters have it.
pub(crate) fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

/// Whole seconds of this many milliseconds.
pub(crate) fn seconds_of(span_ms: u64) -> u32 {
    u32::try_from(span_ms / 1000).unwrap_or(u32::MAX)
}
