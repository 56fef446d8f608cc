//! The test kit: a simulated world with the real exchange, and the real program with real phones.

mod application;
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken expectation of the kit is a failed test"
)]

pub mod interop;
mod live;
pub mod program;
pub mod sim;
