//! SRTP and SRTCP: protecting and checking packets of one stream (RFC 3711, 6188, 7714).
//!
//! Owns suites, keys, the key derivation, roll-over counters and replay windows. Must not know how
//! keys were agreed upon. Hops 3 and 6 of a packet's path. Nothing is allocated per packet; keys are
//! wiped when they are dropped.
//!
//! LIMIT: no MKI, no key derivation rate other than 0, no encrypted header extensions (RFC 6904).
//! An offer that asks for an MKI gets another suite or none.

mod cipher;
mod derive;
mod material;
mod open;
mod replay;
mod seal;

pub use material::{Keys, MATERIAL_MAX, Material, Suite};
pub use open::{Opener, SSRCS_MAX};
pub use replay::WINDOW;
pub use seal::Sealer;

/// The longest that protection makes a packet: the tag of AES-GCM, and the index of SRTCP.
pub const OVERHEAD_MAX: usize = 20;

/// Why a packet was not protected or not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SrtpError {
    /// Too short, or a header that is not there.
    #[error("the packet is too short to be protected")]
    Malformed,
    /// The tag is not that of the key: another key, another sender, or changed on the way.
    #[error("the packet's authentication tag is wrong")]
    Authentication,
    /// It was there before, or is older than the window remembers.
    #[error("the packet is a repetition or too old")]
    Replay,
    /// The key has served for as many packets as it may (RFC 3711 §9.2).
    #[error("the key is used up")]
    Exhausted,
}

#[cfg(test)]
mod tests;
