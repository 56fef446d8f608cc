//! The fixed RTP header: read with rtp-rs's checks, written by our own field writes.

use rtp_rs::RtpReader;

use super::sequence::{RtpTime, Seq, Ssrc};

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 12;

/// The fields a relay needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// 7 bits.
    pub payload: u8,
    /// The marker bit.
    pub is_marked: bool,
    /// Sequence number.
    pub sequence: Seq,
    /// Timestamp.
    pub timestamp: RtpTime,
    /// Synchronization source.
    pub ssrc: Ssrc,
}

impl Header {
    /// Reads the header of a well-formed packet: version 2, CSRC list, extension and padding inside
    /// the packet. `None` for everything else.
    #[must_use]
    pub fn read(packet: &[u8]) -> Option<Self> {
        let reader = RtpReader::new(packet).ok()?;
        Some(Self {
            payload: reader.payload_type(),
            is_marked: reader.mark(),
            sequence: Seq(reader.sequence_number().into()),
            timestamp: RtpTime(reader.timestamp()),
            ssrc: Ssrc(reader.ssrc()),
        })
    }

    /// Writes these fields over the first 12 octets. The first octet (version, padding, extension,
    /// CSRC count) stays. A shorter buffer is left alone.
    pub fn rewrite(&self, packet: &mut [u8]) {
        let Some(head) = packet.first_chunk_mut::<HEADER_LEN>() else { return };
        head[1] = u8::from(self.is_marked) << 7 | (self.payload & 0x7f);
        head[2..4].copy_from_slice(&self.sequence.0.to_be_bytes());
        head[4..8].copy_from_slice(&self.timestamp.0.to_be_bytes());
        head[8..12].copy_from_slice(&self.ssrc.0.to_be_bytes());
    }

    /// Writes a whole fixed header without CSRC, extension or padding.
    pub fn write(&self, packet: &mut [u8]) {
        if let Some(first) = packet.first_mut() {
            *first = 0x80;
        }
        self.rewrite(packet);
    }
}

/// Octets before the payload: the fixed header, CSRC list and extension. `None` unless the packet is
/// of version 2 and holds all of them.
///
/// Source: RFC 3550 §5.1, §5.3.1. Nothing is said about padding: SRTP hides it.
#[must_use]
pub fn header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first().filter(|first| **first >> 6 == 2)?;
    let mut length = HEADER_LEN + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let [_, _, high, low] = *packet.get(length..)?.first_chunk::<4>()?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    (length <= packet.len()).then_some(length)
}

/// Where the payload of a well-formed packet begins and ends.
#[must_use]
pub fn payload(packet: &[u8]) -> Option<&[u8]> {
    RtpReader::new(packet).ok().map(|reader| reader.payload())
}

/// A set of the 128 payload types.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PayloadSet(u128);

impl PayloadSet {
    /// True for every type from 0 to 127 that is in the set.
    #[must_use]
    pub fn contains(self, payload: u8) -> bool {
        payload < 128 && self.0 >> payload & 1 == 1
    }

    /// True when no type is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<u8> for PayloadSet {
    fn from_iter<I: IntoIterator<Item = u8>>(payloads: I) -> Self {
        let known = payloads.into_iter().filter(|payload| *payload < 128);
        Self(known.fold(0, |set, payload| set | 1 << payload))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        Header {
            payload: 96,
            is_marked: true,
            sequence: Seq(65_535),
            timestamp: RtpTime(0xdead_beef),
            ssrc: Ssrc(7),
        }
    }

    #[test]
    fn reads_what_it_wrote() {
        let mut packet = [0u8; 20];
        header().write(&mut packet);
        assert_eq!(Header::read(&packet), Some(header()));
        assert_eq!(payload(&packet), Some(&[0u8; 8][..]));
    }

    #[test]
    fn refuses_other_versions_short_packets_and_headers_that_do_not_fit() {
        let mut packet = [0u8; 12];
        header().write(&mut packet);
        assert_eq!(Header::read(&packet[..11]), None);
        let mut version = packet;
        version[0] = 0x40;
        assert_eq!(Header::read(&version), None);
        let mut contributors = packet;
        contributors[0] = 0x8f;
        assert_eq!(Header::read(&contributors), None);
        let mut extension = packet;
        extension[0] = 0x90;
        assert_eq!(Header::read(&extension), None);
    }

    #[test]
    fn rewriting_keeps_extension_and_contributors() {
        let mut packet = [0u8; 24];
        packet[0] = 0x91;
        header().rewrite(&mut packet);
        assert_eq!(packet[0], 0x91);
        assert_eq!(Header::read(&packet), Some(header()));
    }

    #[test]
    fn the_set_knows_its_members() {
        let set: PayloadSet = [0, 101, 127, 200].into_iter().collect();
        assert!(set.contains(0) && set.contains(101) && set.contains(127));
        assert!(!set.contains(8) && !set.contains(200));
        assert!(PayloadSet::default().is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Header::read(&bytes);
            let _ = payload(&bytes);
        }
    }
}
