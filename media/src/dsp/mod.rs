//! Arithmetic on samples; no allocation. Must not know anything else.

pub mod mix;
pub mod resample;
pub mod tone;
