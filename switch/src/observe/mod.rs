//! Metrics and the security log: what is read from outside, never on a hot path.

mod metric;
pub mod security;

pub use metric::{Metrics, Sample};
