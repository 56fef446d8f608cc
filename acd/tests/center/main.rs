//! The call centre, behaviour by behaviour.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod agents;
mod books;
mod distribution;
mod messages;
mod queues;
mod reload;
mod requests;
#[allow(dead_code, reason = "each file of tests uses its part")]
mod rig;
mod transitions;
