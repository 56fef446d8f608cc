//! Telephone-events: digits that travel as RTP (RFC 4733).

use super::header::Header;
use super::sequence::{RtpTime, Ssrc};

/// Octets of an event payload.
pub const EVENT_LEN: usize = 4;
/// Ticks of a segment of a long event: all that 16 bits can say (RFC 4733 §2.5.1.3).
const SEGMENT: u32 = 0xffff;
/// A packet of an event that began fewer ticks before the last one is late: a second at 8 kHz.
const LATE_MAX: u32 = 8_000;

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
        key_of(self.code)
    }
}

fn key_of(code: u8) -> Option<char> {
    match code {
        0..=9 => Some(char::from(b'0' + code)),
        10 => Some('*'),
        11 => Some('#'),
        12..=15 => Some(char::from(b'A' + code - 12)),
        16 => Some('!'),
        _ => None,
    }
}

/// What an event packet says of a key that was not known before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyEvent {
    /// It went down.
    Began(char),
    /// It came up after so many ticks.
    Ended(char, u32),
    /// Both at once: only its end came.
    Whole(char, u32),
}

/// What an event packet says that was not known before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyNews {
    /// The key before came up after so many ticks; nothing said so but this packet.
    pub overdue: Option<(char, u32)>,
    /// What it says of its own key.
    pub event: Option<KeyEvent>,
}

/// What names an event (RFC 4733 §2.5.1.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Name {
    ssrc: Ssrc,
    time: RtpTime,
    code: u8,
}

/// Reports each event once when it begins, and once when it ends: at its first end packet, or,
/// where all of them were lost, when something else follows.
///
/// Source: RFC 4733 §2.5.1.4: the end packet is sent three times; SSRC and timestamp name the event.
/// §2.5.2: none may come.
#[derive(Clone, Copy, Debug, Default)]
pub struct DigitDetector {
    begun: Option<Name>,
    reported: Option<Name>,
    /// Ticks of the segments before this one (RFC 4733 §2.5.1.3).
    before: u32,
    /// Ticks of the event, as far as packets said.
    ticks: u16,
}

impl DigitDetector {
    /// Looks at an event packet.
    pub fn on_packet(&mut self, header: &Header, payload: &[u8]) -> KeyNews {
        let mut news = KeyNews::default();
        let Some(event) = TelephoneEvent::read(payload) else { return news };
        let name = Name { ssrc: header.ssrc, time: header.timestamp, code: event.code };
        if self.reported == Some(name) || self.is_late(name) {
            return news;
        }
        let is_new = self.begun != Some(name);
        let is_segment = is_new && self.is_segment(name, header.is_marked);
        if is_segment {
            self.before = self.before.saturating_add(SEGMENT);
        } else if is_new {
            news.overdue = self.give_up();
            self.before = 0;
        }
        if is_new {
            self.ticks = 0;
            self.begun = Some(name);
        }
        self.ticks = self.ticks.max(event.duration);
        let is_beginning = is_new && !is_segment;
        if event.is_end {
            self.reported = self.begun;
        }
        news.event = event.digit().and_then(|key| match (event.is_end, is_beginning) {
            (true, true) => Some(KeyEvent::Whole(key, self.duration())),
            (true, false) => Some(KeyEvent::Ended(key, self.duration())),
            (false, true) => Some(KeyEvent::Began(key)),
            (false, false) => None,
        });
        news
    }

    /// Looks at a packet of voice of the same clock: what comes `patience` ticks after the event as far as
    /// it is known says that the key came up; gives the key and its duration in ticks.
    pub fn on_voice(&mut self, header: &Header, patience: u32) -> Option<(char, u32)> {
        let begun = self.begun?;
        // Voice of another source may come all the while.
        if begun.ssrc != header.ssrc || self.reported == self.begun {
            return None;
        }
        let end = begun.time.plus(u32::from(self.ticks)).plus(patience);
        if header.timestamp.minus(end).cast_signed() > 0 { self.give_up() } else { None }
    }

    /// The key that is down is so no more, whatever comes; gives it and its duration in ticks.
    pub fn give_up(&mut self) -> Option<(char, u32)> {
        let begun = self.begun.filter(|_| self.begun != self.reported)?;
        self.reported = self.begun;
        Some((key_of(begun.code)?, self.duration()))
    }

    /// Whether a key is down, as far as is known.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.begun != self.reported
    }

    fn duration(&self) -> u32 {
        self.before.saturating_add(u32::from(self.ticks))
    }

    /// An event that takes longer than its 16 bits can say goes on under another timestamp.
    fn is_segment(&self, name: Name, is_marked: bool) -> bool {
        self.begun.filter(|_| self.is_waiting() && !is_marked).is_some_and(|begun| {
            let is_same = (begun.ssrc, begun.code) == (name.ssrc, name.code);
            is_same && name.time.minus(begun.time) == SEGMENT
        })
    }

    /// Of an event before the one that is known last.
    fn is_late(&self, name: Name) -> bool {
        self.begun.filter(|begun| begun.ssrc == name.ssrc).is_some_and(|begun| {
            let age = begun.time.minus(name.time);
            age > 0 && age < LATE_MAX
        })
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

    fn event(event: KeyEvent) -> KeyNews {
        KeyNews { overdue: None, event: Some(event) }
    }

    #[test]
    fn reports_a_digit_once_although_its_end_is_sent_three_times() {
        let mut detector = DigitDetector::default();
        let nothing = KeyNews::default();
        let began = event(KeyEvent::Began('5'));
        assert_eq!(detector.on_packet(&header(100), &[5, 10, 0, 160]), began);
        assert_eq!(detector.on_packet(&header(100), &[5, 10, 1, 64]), nothing);
        let ended = event(KeyEvent::Ended('5', 800));
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), ended);
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), nothing);
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), nothing);
        let whole = event(KeyEvent::Whole('5', 800));
        assert_eq!(detector.on_packet(&header(2_000), &[5, 0x8a, 3, 0x20]), whole);
        assert_eq!(detector.give_up(), None);
    }

    #[test]
    fn a_key_whose_end_was_lost_ends_where_the_next_one_begins() {
        let mut detector = DigitDetector::default();
        detector.on_packet(&header(100), &[5, 10, 0, 160]);
        detector.on_packet(&header(100), &[5, 10, 1, 64]);
        let both = KeyNews { overdue: Some(('5', 320)), event: Some(KeyEvent::Began('6')) };
        assert_eq!(detector.on_packet(&header(1_000), &[6, 10, 0, 160]), both);
        // Its end was only late.
        assert_eq!(detector.on_packet(&header(100), &[5, 0x8a, 3, 0x20]), KeyNews::default());
        // The same key again, of which only the end comes.
        let both = KeyNews { overdue: Some(('6', 160)), event: Some(KeyEvent::Whole('6', 800)) };
        assert_eq!(detector.on_packet(&header(3_000), &[6, 0x8a, 3, 0x20]), both);
        assert_eq!(detector.on_packet(&header(1_000), &[6, 0x8a, 3, 0x20]), KeyNews::default());
    }

    #[test]
    fn a_key_whose_end_was_lost_ends_where_voice_goes_on() {
        let mut detector = DigitDetector::default();
        assert_eq!(detector.on_voice(&header(0), 800), None);
        detector.on_packet(&header(u32::MAX - 99), &[5, 10, 1, 64]);
        // Late voice, and voice that goes on beside the event.
        for timestamp in [u32::MAX - 500, 0, 220, 1_020] {
            assert_eq!(detector.on_voice(&header(timestamp), 800), None, "{timestamp}");
        }
        assert_eq!(detector.on_voice(&Header { ssrc: Ssrc(2), ..header(9_000) }, 800), None);
        assert_eq!(detector.on_voice(&header(1_021), 800), Some(('5', 320)));
        assert_eq!(detector.on_voice(&header(1_181), 800), None);
    }

    #[test]
    fn a_key_that_is_held_for_more_than_eight_seconds_is_one() {
        let mut detector = DigitDetector::default();
        detector.on_packet(&header(100), &[5, 10, 0, 160]);
        detector.on_packet(&header(100), &[5, 10, 0xff, 0xff]);
        let next = header(100 + 0xffff);
        assert_eq!(detector.on_packet(&next, &[5, 10, 0, 160]), KeyNews::default());
        let ended = event(KeyEvent::Ended('5', 0xffff + 320));
        assert_eq!(detector.on_packet(&next, &[5, 0x8a, 1, 64]), ended);
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
