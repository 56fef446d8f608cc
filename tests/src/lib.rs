//! The test kit: a simulated world with the real exchange, and the real program with real phones.

mod application;
pub mod interop;
mod live;
pub mod program;
pub mod sim;
