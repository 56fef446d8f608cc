//! The TAPI 3 client against the real program and phones: every method, the sequences of calls,
//! errors in wrong states, handles given back, a broken connection, and the example programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

mod call;
mod center;
mod consult;
mod event;
mod example;
mod information;
mod office;
mod resume;
mod start;
mod take;
