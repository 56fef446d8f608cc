//! The test kit: a simulated world with the real exchange, and the real program with real phones.

mod application;
mod live;
pub mod program;
pub mod sim;
