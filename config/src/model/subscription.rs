//! Who may watch what by SUBSCRIBE, and for how long.

use std::time::Duration;

/// `[subscriptions]` (RFC 6665).
#[derive(Clone, Debug, PartialEq)]
pub struct Subscriptions {
    /// Shorter wishes are refused with 423 and Min-Expires; default 5 seconds.
    pub min_expires: Duration,
    /// What a phone gets that asks for nothing; default 1 hour.
    pub default_expires: Duration,
    /// Longer wishes are cut to this; default 1 hour.
    pub max_expires: Duration,
    /// Most subscriptions of one line, whatever they are about; one more is refused with 403; default 200.
    pub max_per_line: usize,
    /// Most subscriptions of all lines; one more is refused with 503; default 20000.
    pub max: usize,
    /// Are callers shown as `confirmed` before they are answered, so that no lamp blinks for them?
    /// Default yes.
    pub callers_confirmed: bool,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            min_expires: Duration::from_secs(5),
            default_expires: Duration::from_secs(3600),
            max_expires: Duration::from_secs(3600),
            max_per_line: 200,
            max: 20_000,
            callers_confirmed: true,
        }
    }
}

/// Who may watch a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watchers {
    /// Every line of the switch; who the other party is, only those that may pick up there.
    #[default]
    Everyone,
    /// Those that may pick up there.
    PickupGroup,
    /// Only the line itself.
    Nobody,
}

impl Watchers {
    pub(crate) const ALL: [(&str, Self); 3] = [
        ("everyone", Self::Everyone),
        ("pickup-group", Self::PickupGroup),
        ("nobody", Self::Nobody),
    ];
}
