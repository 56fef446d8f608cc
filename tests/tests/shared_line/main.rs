//! Shared lines on the real program with real phones: what every line is told, in order, who hears
//! whom, and that nothing is left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

mod application;
mod desk;
mod join;
mod phone;
