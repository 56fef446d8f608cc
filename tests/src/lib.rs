//! The test kit: a simulated world with the real exchange, and the real program with real phones.

pub mod program;
pub mod sim;
