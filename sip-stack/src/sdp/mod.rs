//! Session descriptions: SDP (RFC 8866) as typed data and offer/answer (RFC 3264) for a relay.
//!
//! Owns the tolerant parser, the strict generator, capability sets as plain data, and the
//! mediation of a description from one leg to the other. Knows nothing of ports being free,
//! sockets, or what a codec sounds like. Hop 5 of a call's path: what a peer offered becomes what
//! the other leg is offered.
//!
//! Nothing outside this module names a type of the SDP library underneath.

mod attribute;
mod body;
mod codec;
mod crypto;
mod direction;
mod error;
mod local;
mod media;
mod offer_answer;
mod repair;
mod session;

pub use body::session_part;
pub use codec::{Codec, CodecFamily};
pub use crypto::Crypto;
pub use direction::Direction;
pub use error::{Incompatible, SdpError, SdpErrorKind};
pub use local::LocalDescription;
pub use media::{Attribute, Bandwidth, Media, MediaKind, Profile, Rtcp};
pub use offer_answer::{
    RelayMedia, answer_locally, full_offer, is_agreement, is_hold, payload_map, relay_answer,
    relay_offer,
};
pub use session::{Origin, PreferredAudio, Session};

#[cfg(test)]
mod tests;
