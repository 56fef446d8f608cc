//! Whether media is protected, and where its keys come from.

/// `srtp` of a line or trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Srtp {
    /// RTP only; offers of SRTP alone are refused with 488.
    #[default]
    Off,
    /// SRTP with those who can (RFC 8643), RTP with others.
    Optional,
    /// SRTP; offers of RTP are refused with 488.
    Required,
}

impl Srtp {
    pub(crate) const ALL: [(&str, Self); 3] =
        [("off", Self::Off), ("optional", Self::Optional), ("required", Self::Required)];
}

/// `srtp_keys` of a line or trunk: what is offered. Offers of the other kind are taken all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SrtpKeys {
    /// In the SDP (RFC 4568).
    #[default]
    Sdes,
    /// By a DTLS handshake on the media port (RFC 5764), with ICE as WebRTC wants it.
    Dtls,
}

impl SrtpKeys {
    pub(crate) const ALL: [(&str, Self); 2] = [("sdes", Self::Sdes), ("dtls", Self::Dtls)];
}
