//! Time and chance as arguments: instants, the timer wheel, the source of randomness.
//!
//! Nothing here reads the operating system's clock or its entropy; both come in from the rim.

mod clock;
mod entropy;
mod wheel;

pub use clock::Now;
pub use entropy::{Entropy, Seeded};
pub use wheel::{TimerToken, TimerWheel};
