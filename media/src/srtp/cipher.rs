//! The two transforms: counter mode with HMAC-SHA1, and AES-GCM.
//!
//! Session keys are expanded once; a packet costs no allocation and no key schedule.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::SrtpError;
use super::derive::{AUTH_LEN, Protocol, SALT_MAX, Session, derive};
use super::material::{Material, Suite};

/// Blocks of key stream made at once.
const BLOCKS: usize = 8;

/// AES with a key of either length.
pub(super) enum Block {
    Aes128(Box<Aes128>),
    Aes256(Box<Aes256>),
}

impl Block {
    /// 16 octets of key, or 32; a key of another length is one of zeroes and never occurs.
    pub(super) fn new(key: &[u8]) -> Self {
        if key.len() == 16 {
            Self::Aes128(Box::new(Aes128::new_from_slice(key).unwrap_or_else(|_| zeroes())))
        } else {
            Self::Aes256(Box::new(Aes256::new_from_slice(key).unwrap_or_else(|_| zeroes())))
        }
    }

    /// Counter mode: the counter is the last 16 bits (RFC 3711 §4.1.1).
    pub(super) fn add_key_stream(&self, counter: &[u8; 16], octets: &mut [u8]) {
        let mut number = 0u16;
        for chunk in octets.chunks_mut(16 * BLOCKS) {
            let mut blocks = [Array::from(*counter); BLOCKS];
            for block in &mut blocks {
                let [high, low] = number.to_be_bytes();
                block[14] ^= high;
                block[15] ^= low;
                number = number.wrapping_add(1);
            }
            let used = blocks.get_mut(..chunk.len().div_ceil(16)).unwrap_or_default();
            match self {
                Self::Aes128(aes) => aes.encrypt_blocks(used),
                Self::Aes256(aes) => aes.encrypt_blocks(used),
            }
            for (octet, key) in chunk.iter_mut().zip(blocks.iter().flatten()) {
                *octet ^= *key;
            }
        }
    }
}

fn zeroes<T: KeyInit>() -> T {
    T::new(&Array::default())
}

/// One protocol's transform with its session keys.
pub(super) struct Transform {
    kind: Kind,
    salt: Zeroizing<[u8; SALT_MAX]>,
    tag_len: usize,
}

enum Kind {
    Counter { block: Block, mac: Box<Hmac<Sha1>> },
    Gcm128(Box<Aes128Gcm>),
    Gcm256(Box<Aes256Gcm>),
}

impl Transform {
    pub(super) fn new(material: &Material, protocol: Protocol) -> Self {
        let suite = material.suite();
        let session: Session = derive(material, protocol);
        let key = session.key.get(..suite.key_len()).unwrap_or_default();
        Self {
            kind: Kind::new(suite, key, &session.auth),
            salt: session.salt,
            tag_len: match protocol {
                Protocol::Rtp => suite.rtp_tag_len(),
                Protocol::Rtcp => suite.rtcp_tag_len(),
            },
        }
    }

    #[cfg(test)]
    pub(super) fn with_session_keys(suite: Suite, key: &[u8], salt: &[u8]) -> Self {
        let mut padded = [0; SALT_MAX];
        padded[..salt.len()].copy_from_slice(salt);
        let kind = Kind::new(suite, key, &[0; AUTH_LEN]);
        Self { kind, salt: Zeroizing::new(padded), tag_len: suite.rtp_tag_len() }
    }

    /// Octets of its tag.
    pub(super) fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// Whether the tag stands before the index of SRTCP, not after it.
    pub(super) fn is_aead(&self) -> bool {
        !matches!(self.kind, Kind::Counter { .. })
    }

    /// Encrypts `body` and writes the tag over `clear` ‖ `body` ‖ `trailer`. With AES-GCM, `clear` ‖
    /// `trailer` is the associated data; nothing but an SRTCP index is a trailer there.
    pub(super) fn seal(&self, packet: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer, tag, ssrc, index, is_encrypted } = packet;
        match &self.kind {
            Kind::Counter { block, mac } => {
                if is_encrypted {
                    block.add_key_stream(&self.counter(ssrc, index), body);
                }
                let made = authenticate(mac, clear, body, trailer);
                for (place, octet) in tag.iter_mut().zip(made.iter()) {
                    *place = *octet;
                }
                Ok(())
            }
            Kind::Gcm128(aes) => {
                seal_gcm(&**aes, self.nonce(ssrc, index), clear, body, trailer, tag)
            }
            Kind::Gcm256(aes) => {
                seal_gcm(&**aes, self.nonce(ssrc, index), clear, body, trailer, tag)
            }
        }
    }

    /// Checks the tag, then decrypts `body`.
    ///
    /// Errors: Authentication; the octets are then of no use.
    pub(super) fn open(&self, packet: Parts<'_>) -> Result<(), SrtpError> {
        let Parts { clear, body, trailer, tag, ssrc, index, is_encrypted } = packet;
        match &self.kind {
            Kind::Counter { block, mac } => {
                let made = authenticate(mac, clear, body, trailer);
                let made = made.get(..tag.len()).ok_or(SrtpError::Malformed)?;
                if !bool::from(made.ct_eq(tag)) {
                    return Err(SrtpError::Authentication);
                }
                if is_encrypted {
                    block.add_key_stream(&self.counter(ssrc, index), body);
                }
                Ok(())
            }
            Kind::Gcm128(aes) => {
                open_gcm(&**aes, self.nonce(ssrc, index), clear, body, trailer, tag)
            }
            Kind::Gcm256(aes) => {
                open_gcm(&**aes, self.nonce(ssrc, index), clear, body, trailer, tag)
            }
        }
    }

    /// RFC 3711 §4.1.1: salt · 2^16 ⊕ SSRC · 2^64 ⊕ index · 2^16.
    fn counter(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut counter = [0; 16];
        for (place, octet) in counter.iter_mut().zip(self.salt.iter()) {
            *place = *octet;
        }
        add(counter.get_mut(4..8), &ssrc.to_be_bytes());
        add(counter.get_mut(8..14), index.to_be_bytes().get(2..).unwrap_or_default());
        counter
    }

    /// RFC 7714 §8.1, §9.1: 0 ‖ SSRC ‖ index ⊕ salt.
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        for (place, octet) in nonce.iter_mut().zip(self.salt.iter()) {
            *place = *octet;
        }
        add(nonce.get_mut(2..6), &ssrc.to_be_bytes());
        add(nonce.get_mut(6..12), index.to_be_bytes().get(2..).unwrap_or_default());
        nonce
    }
}

impl Kind {
    fn new(suite: Suite, key: &[u8], auth: &[u8; AUTH_LEN]) -> Self {
        match suite {
            Suite::AeadAes128Gcm => {
                Self::Gcm128(Box::new(Aes128Gcm::new_from_slice(key).unwrap_or_else(|_| zeroes())))
            }
            Suite::AeadAes256Gcm => {
                Self::Gcm256(Box::new(Aes256Gcm::new_from_slice(key).unwrap_or_else(|_| zeroes())))
            }
            _ => Self::Counter {
                block: Block::new(key),
                mac: Box::new(
                    <Hmac<Sha1> as KeyInit>::new_from_slice(auth).unwrap_or_else(|_| zeroes()),
                ),
            },
        }
    }
}

/// A packet in its parts.
pub(super) struct Parts<'a> {
    /// Authenticated.
    pub(super) clear: &'a [u8],
    /// Encrypted and authenticated.
    pub(super) body: &'a mut [u8],
    /// Authenticated: the roll-over counter, or the index of SRTCP.
    pub(super) trailer: &'a [u8],
    /// Written by seal, compared by open.
    pub(super) tag: &'a mut [u8],
    pub(super) ssrc: u32,
    pub(super) index: u64,
    /// False for SRTCP that is authenticated only.
    pub(super) is_encrypted: bool,
}

fn authenticate(mac: &Hmac<Sha1>, clear: &[u8], body: &[u8], trailer: &[u8]) -> [u8; 20] {
    let mut mac = mac.clone();
    mac.update(clear);
    mac.update(body);
    mac.update(trailer);
    mac.finalize().into_bytes().into()
}

/// Octets of header and trailer that AES-GCM authenticates: an RTP header with 15 CSRC and a long
/// extension, or the whole of an SRTCP packet that is not encrypted, fits.
const AAD_MAX: usize = 1_536;

fn with_data<T>(
    clear: &[u8],
    trailer: &[u8],
    then: impl FnOnce(&[u8]) -> Result<T, SrtpError>,
) -> Result<T, SrtpError> {
    if trailer.is_empty() {
        return then(clear);
    }
    let mut data = [0u8; AAD_MAX];
    let length = clear.len() + trailer.len();
    let place = data.get_mut(..length).ok_or(SrtpError::Malformed)?;
    for (place, octet) in place.iter_mut().zip(clear.iter().chain(trailer)) {
        *place = *octet;
    }
    then(place)
}

fn seal_gcm<
    A: AeadInOut<TagSize = aes::cipher::consts::U16, NonceSize = aes::cipher::consts::U12>,
>(
    aes: &A,
    nonce: [u8; 12],
    clear: &[u8],
    body: &mut [u8],
    trailer: &[u8],
    tag: &mut [u8],
) -> Result<(), SrtpError> {
    with_data(clear, trailer, |data| {
        let made = aes
            .encrypt_inout_detached(&Array::from(nonce), data, body.into())
            .map_err(|_| SrtpError::Malformed)?;
        for (place, octet) in tag.iter_mut().zip(made.iter()) {
            *place = *octet;
        }
        Ok(())
    })
}

fn open_gcm<
    A: AeadInOut<TagSize = aes::cipher::consts::U16, NonceSize = aes::cipher::consts::U12>,
>(
    aes: &A,
    nonce: [u8; 12],
    clear: &[u8],
    body: &mut [u8],
    trailer: &[u8],
    tag: &[u8],
) -> Result<(), SrtpError> {
    let tag = <[u8; 16]>::try_from(tag).map_err(|_| SrtpError::Malformed)?;
    with_data(clear, trailer, |data| {
        aes.decrypt_inout_detached(&Array::from(nonce), data, body.into(), &Array::from(tag))
            .map_err(|_| SrtpError::Authentication)
    })
}

fn add(place: Option<&mut [u8]>, octets: &[u8]) {
    for (place, octet) in place.unwrap_or_default().iter_mut().zip(octets) {
        *place ^= *octet;
    }
}
