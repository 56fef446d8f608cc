//! STUN messages (RFC 8489), as far as ICE checks need them.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::ANSWER_MAX;

/// Octets of the header.
pub(super) const HEADER_LEN: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const CONTROLLED: u16 = 0x8029;
/// Attributes below must be understood.
const OPTIONAL: u16 = 0x8000;
const INTEGRITY_LEN: usize = 20;
const FINGERPRINT_MASK: u32 = 0x5354_554e;

/// Kinds of messages that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    BindingRequest,
    BindingSuccess,
    BindingError,
    Other,
}

impl Class {
    fn of(kind: [u8; 2]) -> Self {
        match kind {
            [0x00, 0x01] => Self::BindingRequest,
            [0x01, 0x01] => Self::BindingSuccess,
            [0x01, 0x11] => Self::BindingError,
            _ => Self::Other,
        }
    }

    fn octets(self) -> [u8; 2] {
        match self {
            Self::BindingSuccess => [0x01, 0x01],
            Self::BindingError => [0x01, 0x11],
            Self::BindingRequest | Self::Other => [0x00, 0x01],
        }
    }
}

/// A well-formed message.
pub(super) struct Reader<'a> {
    packet: &'a [u8],
    class: Class,
    transaction: [u8; 12],
}

impl<'a> Reader<'a> {
    /// `None` unless header, length and all attributes are well-formed.
    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let header = packet.first_chunk::<HEADER_LEN>()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let is_whole = length % 4 == 0 && packet.len() == HEADER_LEN + length;
        if !is_whole || header[4..8] != COOKIE {
            return None;
        }
        let transaction = packet.get(8..)?.first_chunk::<12>().copied()?;
        let reader = Self { packet, class: Class::of([header[0], header[1]]), transaction };
        let is_well_formed = reader.attributes().all(|attribute| attribute.is_some());
        is_well_formed.then_some(reader)
    }

    pub(super) fn class(&self) -> Class {
        self.class
    }

    pub(super) fn username(&self) -> Option<&'a [u8]> {
        self.attribute(USERNAME)
    }

    pub(super) fn is_nominating(&self) -> bool {
        self.attribute(USE_CANDIDATE).is_some()
    }

    pub(super) fn is_controlled(&self) -> bool {
        self.attribute(CONTROLLED).is_some()
    }

    /// The first attribute that must be understood and is not.
    pub(super) fn unknown(&self) -> Option<u16> {
        const KNOWN: [u16; 5] = [USERNAME, INTEGRITY, PRIORITY, USE_CANDIDATE, 0x0019];
        let kinds = self.signed().flatten().map(|(_, kind, _)| kind);
        { kinds }.find(|kind| *kind < OPTIONAL && !KNOWN.contains(kind))
    }

    /// An attribute that stands before the integrity, or is it.
    pub(super) fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        let found = self.signed().flatten().find(|(_, kind, _)| *kind == wanted);
        found.map(|(_, _, value)| value)
    }

    /// Whether MESSAGE-INTEGRITY is that of the key (RFC 8489 §14.5).
    pub(super) fn is_authentic(&self, key: &[u8]) -> bool {
        let integrity = self.attributes().flatten().find(|(_, kind, _)| *kind == INTEGRITY);
        let Some((at, _, value)) = integrity else { return false };
        let Some(made) = integrity_of(self.packet, at, key) else { return false };
        made.ct_eq(value).into()
    }

    /// Whether FINGERPRINT is right, if there is one (RFC 8489 §14.7).
    pub(super) fn has_fingerprint_or_none(&self) -> bool {
        let fingerprint = self.attributes().flatten().find(|(_, kind, _)| *kind == FINGERPRINT);
        let Some((at, _, value)) = fingerprint else { return true };
        let before = self.packet.get(..at).unwrap_or_default();
        value == (crc32(before) ^ FINGERPRINT_MASK).to_be_bytes()
    }

    /// Attributes up to the integrity: what follows it is not authentic.
    fn signed(&self) -> impl Iterator<Item = Option<(usize, u16, &'a [u8])>> {
        let mut is_over = false;
        self.attributes().take_while(move |attribute| {
            let is_integrity = matches!(attribute, Some((_, INTEGRITY, _)));
            let goes_on = !is_over;
            is_over |= is_integrity;
            goes_on
        })
    }

    /// Place, kind and value of each attribute; one `None` ends a malformed message.
    fn attributes(&self) -> impl Iterator<Item = Option<(usize, u16, &'a [u8])>> {
        let packet = self.packet;
        let mut at = HEADER_LEN;
        std::iter::from_fn(move || {
            if at >= packet.len() {
                return None;
            }
            let begin = at;
            let head = packet.get(begin..).and_then(|rest| rest.first_chunk::<4>());
            let Some([a, b, c, d]) = head.copied() else {
                at = packet.len();
                return Some(None);
            };
            let length = usize::from(u16::from_be_bytes([c, d]));
            at = begin + 4 + length.next_multiple_of(4);
            let value = packet.get(begin + 4..begin + 4 + length);
            Some(value.map(|value| (begin, u16::from_be_bytes([a, b]), value)))
        })
    }
}

/// Writes a message into a buffer that is long enough for all that are written here.
pub(super) struct Writer<'a> {
    buffer: &'a mut [u8; ANSWER_MAX],
    length: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        buffer: &'a mut [u8; ANSWER_MAX],
        class: Class,
        request: &Reader<'_>,
    ) -> Self {
        Self::begin(buffer, class, request.transaction)
    }

    #[cfg(test)]
    pub(super) fn request(buffer: &'a mut [u8; ANSWER_MAX], transaction: [u8; 12]) -> Self {
        Self::begin(buffer, Class::BindingRequest, transaction)
    }

    fn begin(buffer: &'a mut [u8; ANSWER_MAX], class: Class, transaction: [u8; 12]) -> Self {
        let [a, b] = class.octets();
        buffer[..4].copy_from_slice(&[a, b, 0, 0]);
        buffer[4..8].copy_from_slice(&COOKIE);
        buffer[8..HEADER_LEN].copy_from_slice(&transaction);
        Self { buffer, length: HEADER_LEN }
    }

    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let padded = value.len().next_multiple_of(4);
        let Some(place) = self.buffer.get_mut(self.length..self.length + 4 + padded) else {
            return;
        };
        place.fill(0);
        let (head, body) = place.split_at_mut(4);
        let length = u16::try_from(value.len()).unwrap_or_default();
        head[..2].copy_from_slice(&kind.to_be_bytes());
        head[2..].copy_from_slice(&length.to_be_bytes());
        for (place, octet) in body.iter_mut().zip(value) {
            *place = *octet;
        }
        self.length += 4 + padded;
        self.set_length(self.length);
    }

    pub(super) fn xor_mapped_address(&mut self, from: SocketAddr) {
        let mut value = [0; 20];
        let [high, low] = from.port().to_be_bytes();
        value[2] = high ^ COOKIE[0];
        value[3] = low ^ COOKIE[1];
        let mut mask = [0; 16];
        mask[..4].copy_from_slice(&COOKIE);
        mask[4..].copy_from_slice(&self.buffer[8..HEADER_LEN]);
        let (family, octets, length) = match from.ip().to_canonical() {
            IpAddr::V4(ip) => (1, ip.to_ipv6_mapped().octets(), 4),
            IpAddr::V6(ip) => (2, ip.octets(), 16),
        };
        value[1] = family;
        for ((place, octet), mask) in
            value[4..].iter_mut().zip(octets.iter().skip(16 - length)).zip(mask)
        {
            *place = *octet ^ mask;
        }
        self.attribute(XOR_MAPPED_ADDRESS, value.get(..4 + length).unwrap_or_default());
    }

    pub(super) fn error(&mut self, code: u16, reason: &str) {
        let mut value = [0u8; 32];
        let (hundreds, rest) = (code / 100, code % 100);
        value[2] = u8::try_from(hundreds).unwrap_or_default();
        value[3] = u8::try_from(rest).unwrap_or_default();
        for (place, octet) in value[4..].iter_mut().zip(reason.bytes()) {
            *place = octet;
        }
        let length = (4 + reason.len()).min(value.len());
        self.attribute(ERROR_CODE, value.get(..length).unwrap_or_default());
    }

    pub(super) fn unknown(&mut self, kind: u16) {
        self.attribute(UNKNOWN_ATTRIBUTES, &kind.to_be_bytes());
    }

    /// Adds integrity and fingerprint; returns the length of the message.
    pub(super) fn finish(mut self, key: &[u8]) -> usize {
        let at = self.length;
        self.attribute(INTEGRITY, &[0; INTEGRITY_LEN]);
        if let Some(made) = integrity_of(self.buffer.as_slice(), at, key)
            && let Some(place) = self.buffer.get_mut(at + 4..at + 4 + INTEGRITY_LEN)
        {
            place.copy_from_slice(&made);
        }
        let at = self.length;
        self.set_length(at + 8);
        let checksum = crc32(self.buffer.get(..at).unwrap_or_default()) ^ FINGERPRINT_MASK;
        self.attribute(FINGERPRINT, &checksum.to_be_bytes());
        self.length
    }

    fn set_length(&mut self, total: usize) {
        let length = u16::try_from(total - HEADER_LEN).unwrap_or_default();
        self.buffer[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// The integrity of a message whose attribute of it begins at `at`: the header says a length that
/// ends with it, whatever follows.
fn integrity_of(packet: &[u8], at: usize, key: &[u8]) -> Option<[u8; INTEGRITY_LEN]> {
    let length = u16::try_from(at + 4 + INTEGRITY_LEN - HEADER_LEN).ok()?;
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key).ok()?;
    mac.update(packet.get(..2)?);
    mac.update(&length.to_be_bytes());
    mac.update(packet.get(4..at)?);
    Some(mac.finalize().into_bytes().into())
}

/// CRC-32 of ISO 3309, bit by bit: a check has a hundred octets, and they are few.
fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}
