//! Telephone-events: digits that travel as RTP (RFC 4733).

use super::header::Header;
use super::sequence::{RtpTime, Ssrc};

/// The four octets of an event payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TelephoneEvent {
    /// Event code: 0–9, 10 `*`, 11 `#`, 12–15 `A`–`D`, 16 hook flash.
    pub code: u8,
    /// The E bit: the event is over.
    pub is_end: bool,
    /// Power, in dBm0 without its minus sign.
    pub volume_dbm0: u8,
    /// Ticks since the packet's timestamp.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads the payload of an event packet (RFC 4733 §2.3).
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let [code, flags, high, low] = *payload.first_chunk::<4>()?;
        Some(Self {
            code,
            is_end: flags & 0x80 != 0,
            volume_dbm0: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The key that was pressed; `None` for codes that are no key.
    #[must_use]
    pub fn digit(&self) -> Option<char> {
        match self.code {
            0..=9 => Some(char::from(b'0' + self.code)),
            10 => Some('*'),
            11 => Some('#'),
            12..=15 => Some(char::from(b'A' + self.code - 12)),
            16 => Some('!'),
            _ => None,
        }
    }
}

/// Reports each event once, at its first end packet.
///
/// Source: RFC 4733 §2.5.1.4: the end packet is sent three times; SSRC and timestamp name the event.
#[derive(Clone, Copy, Debug, Default)]
pub struct DigitDetector {
    reported: Option<(Ssrc, RtpTime, u8)>,
}

impl DigitDetector {
    /// Looks at an event packet; returns the digit and its duration in ticks when it ended here.
    pub fn on_packet(&mut self, header: &Header, payload: &[u8]) -> Option<(char, u16)> {
        let event = TelephoneEvent::read(payload)?;
        let name = (header.ssrc, header.timestamp, event.code);
        if !event.is_end || self.reported == Some(name) {
            return None;
        }
        self.reported = Some(name);
        Some((event.digit()?, event.duration))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sequence::Seq;
    use super::*;

    fn header(timestamp: u32) -> Header {
        Header {
            payload: 101,
            is_marked: false,
            sequence: Seq(1),
            timestamp: RtpTime(timestamp),
            ssrc: Ssrc(1),
        }
    }

    #[test]
    fn reports_a_digit_once_although_its_end_is_sent_three_times() {
        let mut detector = DigitDetector::default();
        assert_eq!(detector.on_packet(&header(100), &[5, 10, 0, 160]), None);
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), Some(('5', 800)));
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), None);
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), None);
        assert_eq!(detector.on_packet(&header(2_000), &[5, 0x8a, 3, 0x20]), Some(('5', 800)));
    }

    #[test]
    fn codes_become_keys() {
        let key =
            |code| TelephoneEvent { code, is_end: true, volume_dbm0: 10, duration: 0 }.digit();
        assert_eq!(
            [key(0), key(9), key(10), key(11)],
            [Some('0'), Some('9'), Some('*'), Some('#')]
        );
        assert_eq!([key(12), key(15), key(16), key(17)], [Some('A'), Some('D'), Some('!'), None]);
    }

    #[test]
    fn a_short_payload_is_no_event() {
        assert_eq!(TelephoneEvent::read(&[1, 2, 3]), None);
    }
}
