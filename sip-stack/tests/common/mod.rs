//! What the simulations of this crate share.

pub(crate) mod network;
