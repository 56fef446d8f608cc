//! Suites and the keys that signalling or a handshake agreed upon.

use std::fmt;

use zeroize::Zeroizing;

/// Octets of the longest master key with its salt.
pub const MATERIAL_MAX: usize = 46;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Suite {
    /// AES_CM_128_HMAC_SHA1_80 (RFC 3711, 4568).
    AesCm128Sha1_80,
    /// AES_CM_128_HMAC_SHA1_32 (RFC 3711, 4568); SRTCP has a tag of 80 bits all the same.
    AesCm128Sha1_32,
    /// AES_256_CM_HMAC_SHA1_80 (RFC 6188).
    AesCm256Sha1_80,
    /// AES_256_CM_HMAC_SHA1_32 (RFC 6188).
    AesCm256Sha1_32,
    /// AEAD_AES_128_GCM (RFC 7714).
    AeadAes128Gcm,
    /// AEAD_AES_256_GCM (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// All of them, the one that everybody knows first.
    pub const ALL: [Self; 6] = [
        Self::AesCm128Sha1_80,
        Self::AesCm128Sha1_32,
        Self::AesCm256Sha1_80,
        Self::AesCm256Sha1_32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// Its name in a=crypto.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AesCm128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256Sha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256Sha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a name; some phones write AES_CM_256 for AES_256_CM.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let regular = name.to_ascii_uppercase().replace("AES_CM_256", "AES_256_CM");
        Self::ALL.into_iter().find(|suite| suite.name() == regular)
    }

    /// Octets of the master key.
    #[must_use]
    pub fn key_len(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm128Sha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256Sha1_80 | Self::AesCm256Sha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt.
    #[must_use]
    pub fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets of both.
    #[must_use]
    pub fn material_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    /// Whether encryption and authentication are one.
    #[must_use]
    pub fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// Octets of the tag of an RTP packet.
    pub(super) fn rtp_tag_len(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm256Sha1_80 => 10,
            Self::AesCm128Sha1_32 | Self::AesCm256Sha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Octets of the tag of an RTCP packet: never the short one (RFC 4568 §6.2).
    pub(super) fn rtcp_tag_len(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A master key with its salt, of one direction. Never shown, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    suite: Suite,
    octets: Zeroizing<[u8; MATERIAL_MAX]>,
}

impl Material {
    /// Key and salt one after the other, as a=crypto and the exporter of DTLS have them; `None` if
    /// they are not exactly as long as the suite wants.
    #[must_use]
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        if key_and_salt.len() != suite.material_len() {
            return None;
        }
        let mut octets = Zeroizing::new([0; MATERIAL_MAX]);
        octets.get_mut(..key_and_salt.len())?.copy_from_slice(key_and_salt);
        Some(Self { suite, octets })
    }

    /// Which suite it is for.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt one after the other.
    #[must_use]
    pub fn key_and_salt(&self) -> &[u8] {
        self.octets.get(..self.suite.material_len()).unwrap_or_default()
    }

    pub(super) fn key(&self) -> &[u8] {
        self.octets.get(..self.suite.key_len()).unwrap_or_default()
    }

    pub(super) fn salt(&self) -> &[u8] {
        self.octets.get(self.suite.key_len()..self.suite.material_len()).unwrap_or_default()
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Material({})", self.suite)
    }
}

/// The keys of both directions of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    /// What we protect with.
    pub local: Material,
    /// What the peer protects with.
    pub remote: Material,
}
