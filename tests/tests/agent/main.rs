//! The call centre as an application sees it, on the real program with its own agent handler: every
//! function, every message, every transition, with real calls through a queue (tapi-agents 4 … 10).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

mod calls;
mod day;
mod floor;
mod functions;
mod legacy;
mod line;
mod page;
mod reload;
mod sessions;
mod states;
mod ways;
