//! Metrics, the security log and the audit file: what is read from outside, never on a hot path.

pub mod audit;
pub mod hep;
mod mask;
mod metric;
pub mod security;
pub mod trace;

pub use metric::{Family, Metrics, Sample, Source};
