//! A simulated world: one real exchange, phones, applications, a network with faults, one clock.
//!
//! Everything follows from the seed. Time jumps from event to event.

mod media;
mod network;
mod world;

pub use self::media::{MediaModel, SharedMedia};
pub use self::network::{Faults, Network};
pub use self::world::{Application, PhoneIndex, World, short};
