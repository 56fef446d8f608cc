//! A simulated world: one real exchange, phones, applications, a network with faults, one clock.
//!
//! Everything follows from the seed. Time jumps from event to event. Checkers run all the time:
//! what applications are told ([`ApplicationWatch`]), what events say ([`EventWatch`]), who hears
//! whom and whether both parties agree ([`World::assert_agreement`]), and whether anything is left
//! ([`World::assert_at_rest`]). [`Schedule`] plays a random day of the office.

mod agreement;
mod applications;
mod features;
mod lamps;
mod media;
mod network;
mod phones;
mod queues;
mod schedule;
mod watch;
mod world;

pub use self::applications::short;
pub use self::media::{MediaModel, SharedMedia};
pub use self::network::{Faults, Network};
pub use self::schedule::Schedule;
pub use self::watch::{ApplicationWatch, EventWatch};
pub use self::world::{Application, PhoneIndex, World};
