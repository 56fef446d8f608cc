//! What the numbers in `docs/benchmarks.md` are made of.
//!
//! [`phones`] are many phones without I/O, made of text templates so that they cost little beside
//! the switch. [`load`] puts them on sockets in front of the real program; [`rig`] puts them in
//! front of an exchange in the same process. [`soak`] keeps the real program busy for a long time.
//! [`command_line`] is how both are asked.

pub mod command_line;
pub mod load;
pub mod phones;
pub mod rig;
pub mod sample;
pub mod soak;
