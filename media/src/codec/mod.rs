//! Samples ⇄ payload octets. Must not know RTP headers.

pub mod g711;
pub mod g722;
pub mod opus;
pub mod voice;

pub use voice::{MemberCodec, Voice};

/// The law that tones and silence are encoded with; also says the static payload type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ToneCodec {
    /// G.711 µ-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

impl ToneCodec {
    /// The static payload type of RFC 3551.
    #[must_use]
    pub fn payload(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The codec of a static payload type, if it is one of the two.
    #[must_use]
    pub fn of_payload(payload: u8) -> Option<Self> {
        match payload {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }
}
