//! Telephone-events: digits that travel as RTP (RFC 4733).

use super::header::Header;
use super::sequence::{RtpTime, Ssrc};

/// Octets of an event payload.
pub const EVENT_LEN: usize = 4;

/// The event code of a key, `!` standing for the hook flash; `None` for what is no key.
#[must_use]
pub fn code_of(key: char) -> Option<u8> {
    let offset = |first: char| u8::try_from(u32::from(key) - u32::from(first)).ok();
    match key {
        '0'..='9' => offset('0'),
        '*' => Some(10),
        '#' => Some(11),
        'A'..='D' => offset('A').map(|letter| 12 + letter),
        '!' => Some(16),
        _ => None,
    }
}

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

    /// Writes the payload (RFC 4733 §2.3); a shorter buffer is left alone.
    pub fn write(&self, payload: &mut [u8]) {
        if let Some(place) = payload.first_chunk_mut::<EVENT_LEN>() {
            let [high, low] = self.duration.to_be_bytes();
            let flags = u8::from(self.is_end) << 7 | (self.volume_dbm0 & 0x3f);
            *place = [self.code, flags, high, low];
        }
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

/// What an event packet says that was not known before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyEvent {
    /// A key went down.
    Began(char),
    /// It came up after so many ticks. One whose beginning was lost begins and ends here.
    Ended(char, u16),
}

/// Reports each event once when it begins, and once at its first end packet.
///
/// Source: RFC 4733 §2.5.1.4: the end packet is sent three times; SSRC and timestamp name the event.
#[derive(Clone, Copy, Debug, Default)]
pub struct DigitDetector {
    begun: Option<(Ssrc, RtpTime, u8)>,
    reported: Option<(Ssrc, RtpTime, u8)>,
}

impl DigitDetector {
    /// Looks at an event packet; returns the digit and its duration in ticks when it ended here.
    pub fn on_packet(&mut self, header: &Header, payload: &[u8]) -> Option<KeyEvent> {
        let event = TelephoneEvent::read(payload)?;
        let name = Some((header.ssrc, header.timestamp, event.code));
        if self.reported == name {
            return None;
        }
        if event.is_end {
            self.reported = name;
            self.begun = name;
            return Some(KeyEvent::Ended(event.digit()?, event.duration));
        }
        if self.begun == name {
            return None;
        }
        self.begun = name;
        Some(KeyEvent::Began(event.digit()?))
    }

    /// Whether the beginning of the event of this packet was seen before; asked before
    /// [`DigitDetector::on_packet`].
    #[must_use]
    pub fn has_begun(&self, header: &Header, payload: &[u8]) -> bool {
        let event = TelephoneEvent::read(payload);
        event.is_some_and(|event| self.begun == Some((header.ssrc, header.timestamp, event.code)))
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
        let ended = Some(KeyEvent::Ended('5', 800));
        let begun = Some(KeyEvent::Began('5'));
        assert_eq!(detector.on_packet(&header(100), &[5, 10, 0, 160]), begun);
        assert_eq!(detector.on_packet(&header(100), &[5, 10, 1, 64]), None);
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), ended);
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), None);
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), None);
        assert!(!detector.has_begun(&header(2_000), &[5, 0x8a, 3, 0x20]));
        assert_eq!(detector.on_packet(&header(2_000), &[5, 0x8a, 3, 0x20]), ended);
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
    fn keys_become_codes_and_what_is_written_can_be_read() {
        for key in "0123456789*#ABCD!".chars() {
            let code = code_of(key).unwrap();
            let event = TelephoneEvent { code, is_end: true, volume_dbm0: 10, duration: 0x1234 };
            let mut payload = [0; EVENT_LEN];
            event.write(&mut payload);
            assert_eq!(TelephoneEvent::read(&payload), Some(event));
            assert_eq!(event.digit(), Some(key));
        }
        assert_eq!([code_of(','), code_of('a'), code_of('é')], [None; 3]);
    }

    #[test]
    fn a_short_payload_is_no_event() {
        assert_eq!(TelephoneEvent::read(&[1, 2, 3]), None);
    }
}
