//! The test kit: a simulated world with the real exchange, and the real program with real phones.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test kit ends a test by a panic and waits for real programs"
)]

mod application;
pub mod certificates;
pub mod flood;
mod http;
pub mod interop;
pub mod lamp;
mod live;
pub mod matrix;
pub mod program;
pub mod row;
pub mod sim;
pub mod stranger;
