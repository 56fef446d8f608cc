//! Named maxima: each collection of the centre is bounded, and each bound has its answer.

use std::time::Duration;

/// Calls that wait in all queues together; one more is refused as if its queue were full.
pub const MAX_WAITING_CALLS: usize = 50_000;

/// Agents of a plan; those beyond are not taken in.
pub const MAX_AGENTS: usize = 20_000;

/// Sessions that live; one more is LINEERR_RESOURCEUNAVAIL.
pub const MAX_SESSIONS: usize = 100_000;

/// Sessions that ended and can still be read; for one more the oldest is released early.
pub const MAX_ENDED_SESSIONS: usize = 100_000;

/// Addresses whose phones are known; nobody is offered calls at one more.
pub const MAX_ADDRESSES: usize = 200_000;

/// How long an ended session can be read until it is released, if the plan says nothing else
/// (tapi-agents 7.1, row 19).
pub(crate) const RETENTION: Duration = Duration::from_secs(3600);

/// Counters span a day unless somebody asks for another period (tapi-agents 8).
pub(crate) const MEASUREMENT_PERIOD: Duration = Duration::from_secs(86_400);

/// Messages that statistics changed: at most one for each object in this time (tapi-agents 6).
pub(crate) const UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// A phone that could not be reached is tried again after this even if no registration was seen.
pub(crate) const UNREACHABLE_GUARD: Duration = Duration::from_secs(60);

/// The longest that wrap-up is extended by at once.
pub(crate) const MAX_EXTENSION: Duration = Duration::from_secs(86_400);

/// So many wrong PINs in a row and an agent's PIN is not even looked at for a while.
pub(crate) const MAX_WRONG_PINS: u32 = 5;

/// How long that is.
pub(crate) const PIN_PAUSE: Duration = Duration::from_secs(60);
