//! Digits that are pressed in a call: how INFO spells them, and that each counts once however often
//! a phone sends it. Source: sip-mapping §5.9, A.6; RFC 4733 §3.2.

use std::time::Duration;

use sip_stack::time::Now;

/// A key that was pressed: `0`–`9`, `*`, `#`, `A`–`D`, or `!` for a hook flash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Press {
    /// The key.
    pub digit: char,
    /// How long, as far as the sender says so.
    pub duration: Duration,
}

/// What a body in an INFO is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InfoBody {
    /// `application/dtmf-relay`: `Signal=` and `Duration=`.
    Relay,
    /// `application/dtmf`: the key alone.
    Plain,
    /// `application/media_control+xml`: a picture is asked for (RFC 5168).
    MediaControl,
}

/// Media types that are taken in an INFO, for Accept.
pub const INFO_BODIES: &str =
    "application/dtmf-relay, application/dtmf, application/media_control+xml";

/// A key of which nothing more is known lasts this long.
const USUAL: Duration = Duration::from_millis(160);
/// No key is pressed longer than RFC 4733 can say in one event at 8 kHz.
const LONGEST: Duration = Duration::from_millis(8_191);
/// The same key by another way within this time after the first one is the same press.
const SAME_PRESS: Duration = Duration::from_secs(2);
/// Presses that wait for their double.
const MAX_SINGLE: usize = 32;

impl InfoBody {
    /// The kind of a Content-Type value.
    pub fn of_type(content_type: &str) -> Option<InfoBody> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let known = [
            ("application/dtmf-relay", InfoBody::Relay),
            ("application/dtmf", InfoBody::Plain),
            ("application/media_control+xml", InfoBody::MediaControl),
        ];
        let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(media_type));
        found.map(|(_, kind)| *kind)
    }

    /// The key in the body of a digit.
    ///
    /// Errors: the body says none, or something else than a key.
    pub fn press(self, body: &[u8]) -> Result<Press, NoDigit> {
        let text = std::str::from_utf8(body).map_err(|_| NoDigit)?;
        match self {
            InfoBody::Relay => relayed(text),
            InfoBody::Plain => Ok(Press { digit: key(text.trim())?, duration: USUAL }),
            InfoBody::MediaControl => Err(NoDigit),
        }
    }
}

/// The body of an INFO does not say which key was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the body says no key; write Signal=5 and Duration=160 on two lines")]
pub struct NoDigit;

fn relayed(text: &str) -> Result<Press, NoDigit> {
    let (mut digit, mut duration) = (None, USUAL);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once('=').ok_or(NoDigit)?;
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("Signal") {
            digit = Some(key(value)?);
        } else if name.eq_ignore_ascii_case("Duration") {
            let ms: u64 = value.parse().map_err(|_| NoDigit)?;
            duration = Duration::from_millis(ms).min(LONGEST);
        }
    }
    Ok(Press { digit: digit.ok_or(NoDigit)?, duration })
}

/// A key by its character, by its event code from 10 on, or `hf` for a hook flash.
fn key(text: &str) -> Result<char, NoDigit> {
    let mut all = text.chars();
    if let (Some(one), None) = (all.next(), all.next()) {
        let one = one.to_ascii_uppercase();
        let is_key = one.is_ascii_digit() || matches!(one, '*' | '#' | 'A'..='D' | '!');
        return if is_key { Ok(one) } else { Err(NoDigit) };
    }
    match text {
        "10" => Ok('*'),
        "11" => Ok('#'),
        "12" => Ok('A'),
        "13" => Ok('B'),
        "14" => Ok('C'),
        "15" => Ok('D'),
        "16" => Ok('!'),
        _ if text.eq_ignore_ascii_case("hf") => Ok('!'),
        _ => Err(NoDigit),
    }
}

/// The body of `application/dtmf-relay` for a key.
pub fn relay_body(press: Press) -> String {
    let signal = if press.digit == '!' { "hf".to_owned() } else { press.digit.to_string() };
    format!("Signal={signal}\r\nDuration={}\r\n", press.duration.as_millis())
}

/// Whether TAPI knows the key as a DTMF digit; a hook flash is none.
pub fn is_dtmf(digit: char) -> bool {
    digit.is_ascii_digit() || matches!(digit, '*' | '#' | 'A'..='D')
}

/// The two frequencies of a key in hertz (ITU-T Q.23); none for a hook flash.
pub fn frequencies_hz(digit: char) -> Option<[u16; 2]> {
    const ROWS: [u16; 4] = [697, 770, 852, 941];
    const COLUMNS: [u16; 4] = [1209, 1336, 1477, 1633];
    let at = "123A456B789C*0#D".find(digit)?;
    Some([*ROWS.get(at / 4)?, *COLUMNS.get(at % 4)?])
}

/// The way by which a press arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// RTP: as an event (RFC 4733) or as a tone among the voice.
    Media,
    /// SIP INFO.
    Info,
}

/// Makes one press of what a phone sends in two ways: some send every key by RFC 4733 and by INFO.
///
/// A press pairs off with an earlier one of the same key by another way; a key that is pressed twice
/// comes twice by each way, so that pairs never hide a press.
#[derive(Clone, Debug, Default)]
pub struct Presses {
    single: Vec<(char, Way, Now)>,
    /// By way, the key that is down and whether it counts.
    down: [Option<(char, bool)>; 2],
}

/// What the release of a key amounts to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Release {
    /// Nobody has heard the key go down; it does so now.
    pub begins: bool,
    /// It counts.
    pub ends: bool,
}

impl Presses {
    /// A key goes down; false if it is the double of a press that was heard already.
    pub fn begin(&mut self, now: Now, digit: char, way: Way) -> bool {
        let counts = self.is_single(now, digit, way);
        *self.place(way) = Some((digit, counts));
        counts
    }

    /// A key goes up.
    pub fn end(&mut self, now: Now, digit: char, way: Way) -> Release {
        match self.place(way).take_if(|(down, _)| *down == digit) {
            Some((_, counts)) => {
                // How long a key is held must not make its double look like another press.
                let own = self.single.iter_mut().find(|one| (one.0, one.1) == (digit, way));
                own.into_iter().for_each(|one| one.2 = now);
                Release { begins: false, ends: counts }
            }
            None => {
                let counts = self.is_single(now, digit, way);
                Release { begins: counts, ends: counts }
            }
        }
    }

    fn is_single(&mut self, now: Now, digit: char, way: Way) -> bool {
        self.single.retain(|(_, _, at)| now - *at < SAME_PRESS);
        let is_double = |(other, by, _): &(char, Way, Now)| *other == digit && *by != way;
        if let Some(first) = self.single.iter().position(is_double) {
            self.single.remove(first);
            return false;
        }
        if self.single.len() == MAX_SINGLE {
            self.single.remove(0);
        }
        self.single.push((digit, way, now));
        true
    }

    fn place(&mut self, way: Way) -> &mut Option<(char, bool)> {
        let [media, info] = &mut self.down;
        match way {
            Way::Media => media,
            Way::Info => info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now(Duration::from_millis(ms))
    }

    #[test]
    fn the_bodies_of_info_are_read_in_every_spelling() {
        for (body, digit, ms) in [
            ("Signal=5\r\nDuration=160\r\n", '5', 160),
            ("Signal= 5\r\nDuration= 250", '5', 250),
            ("signal = *\nduration = 100\n", '*', 100),
            ("Signal=10\r\nDuration=160\r\n", '*', 160),
            ("Signal=11\r\n", '#', 160),
            ("Duration=90\r\nSignal=a\r\n", 'A', 90),
            ("Signal=hf\r\nDuration=300\r\n", '!', 300),
            ("Signal=1\r\nDuration=999999999\r\n", '1', 8_191),
        ] {
            let expected = Press { digit, duration: Duration::from_millis(ms) };
            assert_eq!(InfoBody::Relay.press(body.as_bytes()), Ok(expected), "{body:?}");
        }
        for (body, digit) in [("5", '5'), (" # \r\n", '#'), ("d", 'D'), ("11", '#')] {
            let press = InfoBody::Plain.press(body.as_bytes());
            assert_eq!(press.map(|press| press.digit), Ok(digit), "{body:?}");
        }
    }

    #[test]
    fn a_body_without_a_key_is_refused() {
        for body in
            ["", "Duration=160", "Signal=\r\n", "Signal=x", "Signal=55", "Signal=1\nDuration=long"]
        {
            assert_eq!(InfoBody::Relay.press(body.as_bytes()), Err(NoDigit), "{body:?}");
        }
        assert_eq!(InfoBody::Relay.press(b"Signal 5"), Err(NoDigit));
        assert_eq!(InfoBody::Relay.press(b"\xff\xfe"), Err(NoDigit));
        for body in ["", "17", "Signal=5", "55"] {
            assert_eq!(InfoBody::Plain.press(body.as_bytes()), Err(NoDigit), "{body:?}");
        }
    }

    #[test]
    fn content_types_are_known_in_any_case_and_with_parameters() {
        let of = InfoBody::of_type;
        assert_eq!(of("Application/DTMF-Relay; charset=utf-8"), Some(InfoBody::Relay));
        assert_eq!(of("application/dtmf"), Some(InfoBody::Plain));
        assert_eq!(of("application/media_control+xml"), Some(InfoBody::MediaControl));
        assert_eq!(of("text/plain"), None);
        for body in INFO_BODIES.split(", ") {
            assert!(of(body).is_some(), "{body}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for digit in "0123456789*#ABCD!".chars() {
            let press = Press { digit, duration: Duration::from_millis(120) };
            assert_eq!(InfoBody::Relay.press(relay_body(press).as_bytes()), Ok(press));
        }
    }

    #[test]
    fn a_key_sent_in_two_ways_is_one_press() {
        let mut presses = Presses::default();
        assert!(presses.begin(at(0), '5', Way::Media));
        assert!(!presses.begin(at(100), '5', Way::Info));
        assert!(presses.begin(at(400), '5', Way::Info));
        assert!(!presses.begin(at(450), '5', Way::Media));
    }

    #[test]
    fn a_key_pressed_twice_is_two_presses_in_any_order_of_the_ways() {
        let mut presses = Presses::default();
        assert!(presses.begin(at(0), '5', Way::Media));
        assert!(presses.begin(at(200), '5', Way::Media));
        assert!(!presses.begin(at(210), '5', Way::Info));
        assert!(!presses.begin(at(220), '5', Way::Info));
        assert!(presses.begin(at(300), '5', Way::Info));
    }

    #[test]
    fn the_same_key_much_later_by_another_way_is_a_press_of_its_own() {
        let mut presses = Presses::default();
        assert!(presses.begin(at(0), '5', Way::Media));
        assert!(presses.begin(at(2_000), '5', Way::Info));
        for ms in 0..100 {
            presses.begin(at(3_000 + ms), '1', Way::Media);
        }
        assert!(presses.single.len() <= MAX_SINGLE);
    }

    #[test]
    fn a_key_that_goes_up_counts_as_it_did_when_it_went_down() {
        let release = |begins, ends| Release { begins, ends };
        let mut presses = Presses::default();
        assert_eq!(presses.end(at(0), '4', Way::Media), release(true, true));
        assert!(presses.begin(at(100), '5', Way::Media));
        assert!(!presses.begin(at(110), '5', Way::Info));
        assert_eq!(presses.end(at(110), '5', Way::Info), release(false, false));
        assert_eq!(presses.end(at(200), '5', Way::Media), release(false, true));
    }

    #[test]
    fn a_key_held_long_whose_double_comes_when_it_goes_up_is_one_press() {
        let mut presses = Presses::default();
        assert!(presses.begin(at(0), '5', Way::Media));
        assert!(presses.end(at(5_000), '5', Way::Media).ends);
        assert!(!presses.begin(at(5_010), '5', Way::Info));
    }

    #[test]
    fn every_key_has_a_row_and_a_column() {
        assert_eq!(frequencies_hz('1'), Some([697, 1209]));
        assert_eq!(frequencies_hz('0'), Some([941, 1336]));
        assert_eq!(frequencies_hz('D'), Some([941, 1633]));
        assert_eq!(frequencies_hz('#'), Some([941, 1477]));
        assert_eq!(frequencies_hz('!'), None);
    }
}
