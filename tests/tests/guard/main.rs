//! Strangers, floods and what they get, with the real program. Other loopback addresses than 127.0.0.1 are
//! strangers to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

mod amplification;
mod api;
mod ban;
mod flood;
mod media;
mod privilege;
mod secrecy;
mod suspicion;
mod toll;
