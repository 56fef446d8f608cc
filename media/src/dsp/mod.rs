//! Arithmetic on samples; no allocation. Must not know anything else.

pub mod tone;
