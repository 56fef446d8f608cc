//! Arithmetic on samples; no allocation. Must not know anything else.

pub mod dtmf;
pub mod goertzel;
pub mod mix;
mod national;
pub mod resample;
pub mod signal;
pub mod tone;
