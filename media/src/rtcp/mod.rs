//! RTCP: telling it from RTP, reading reports, relaying it between two parties, writing our own.
//!
//! Must not know who the parties are.

mod relay;
mod report;
mod write;

pub use relay::{ReportMap, SenderMap, translate};
pub use report::{ReportBlock, SenderReport, read_blocks, read_sender_report};
pub use write::{Heard, NAME_LEN, REPORT_MAX, Report, Sent, name, write};

/// Sender report.
pub const SR: u8 = 200;
/// Receiver report.
pub const RR: u8 = 201;
/// Source description.
pub const SDES: u8 = 202;
/// Goodbye.
pub const BYE: u8 = 203;
/// Transport layer feedback (RFC 4585).
pub const RTPFB: u8 = 205;
/// Payload-specific feedback (RFC 4585).
pub const PSFB: u8 = 206;

/// True when a packet that came to an RTP port is RTCP: payload type 64 to 95 with the marker bit,
/// which is RTCP's 192 to 223.
///
/// Source: RFC 5761 §4.
#[must_use]
pub fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet, [first, 192..=223, ..] if first >> 6 == 2)
}

/// True for a compound (or reduced-size, RFC 5506) packet whose parts fill it exactly.
///
/// Source: RFC 3550 A.2.
#[must_use]
pub fn is_well_formed(packet: &[u8]) -> bool {
    !packet.is_empty() && is_rtcp(packet) && parts(packet).all(|part| part.is_some())
}

/// The parts of a compound packet; one `None` ends a malformed one.
fn parts(packet: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = Some(packet).filter(|packet| !packet.is_empty());
    std::iter::from_fn(move || {
        let bytes = rest.take()?;
        let Some(length) = part_length(bytes) else { return Some(None) };
        let Some((part, after)) = bytes.split_at_checked(length) else { return Some(None) };
        rest = Some(after).filter(|after| !after.is_empty());
        Some(Some(part))
    })
}

/// Octets of the part that a buffer begins with, at least 4.
fn part_length(bytes: &[u8]) -> Option<usize> {
    let [first, _, high, low] = *bytes.first_chunk::<4>()?;
    (first >> 6 == 2).then(|| (usize::from(u16::from_be_bytes([high, low])) + 1) * 4)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

fn set_word(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..).and_then(|tail| tail.first_chunk_mut::<4>()) {
        *place = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn payload_types_64_to_95_are_rtcp() {
        assert!(is_rtcp(&[0x80, 200, 0, 0]));
        assert!(is_rtcp(&[0x80, 192]) && is_rtcp(&[0x80, 223]));
        assert!(!is_rtcp(&[0x80, 0x80]) && !is_rtcp(&[0x80, 224]) && !is_rtcp(&[0x80, 96]));
        assert!(!is_rtcp(&[0x40, 200]) && !is_rtcp(&[]));
    }

    #[test]
    fn lengths_must_be_exact() {
        let report = [0x80, RR, 0, 1, 0, 0, 0, 1];
        assert!(is_well_formed(&report));
        assert!(is_well_formed(&[report, report].concat()));
        assert!(!is_well_formed(&report[..7]));
        assert!(!is_well_formed(&[&report[..], &[0x80]].concat()));
        assert!(!is_well_formed(&[]));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let mut bytes = bytes;
            let _ = is_well_formed(&bytes);
            let _ = read_blocks(&bytes).count();
            let _ = read_sender_report(&bytes);
            let sender = SenderMap { from: 1, to: 2, timestamp_delta: 3 };
            let report = ReportMap { from: 1, to: 2, sequence_delta: 3 };
            let length = translate(&mut bytes, Some(sender), Some(report));
            prop_assert!(length <= bytes.len());
        }
    }
}
