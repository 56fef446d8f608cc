//! What is played to a party once: digits, a tone for a time, a recording. Ends with a notice.
//!
//! Source: TAPI lineGenerateDigits, lineGenerateTone; RFC 4733 §2.5.1; sip-mapping §5.9.

use std::time::Duration;

use super::player::{Frame, PACKET_LEN, Source, Speaker};
use super::sound::{Reader, Sound};
use crate::codec::MemberCodec;
use crate::dsp::dtmf::frequencies_hz;
use crate::dsp::tone::{Chord, Country, Oscillator, Partial, SineTable, Tone, pattern};
use crate::rtp::header::HEADER_LEN;
use crate::rtp::telephone_event::{EVENT_LEN, TelephoneEvent, code_of};
use crate::rtp::{Header, RtpTime, Seq, Ssrc};

/// Digits of one performance; more are left out.
pub const DIGITS_MAX: usize = 256;
/// Frequencies of a custom tone; more are left out.
pub const PARTIALS_MAX: usize = 4;
/// Milliseconds of the rhythm.
const FRAME_MS: u64 = 20;
/// sip-mapping §5.9: the shortest digit and the shortest gap, in frames.
const FRAMES_MIN: u32 = 2;
/// RFC 4733 §2.5.1.4: the end of an event is sent so often.
const ENDS: u32 = 3;
/// RFC 4733 §2.5.1.3: no event lasts longer than its 16 bits can say, at 48 kHz.
const EVENT_FRAMES_MAX: u32 = 65;
/// Volume of events, dBm0 without its minus sign.
const EVENT_VOLUME: u8 = 10;

/// Something that a party hears once, instead of what it would hear otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Performance {
    /// Keys, as telephone-events where the party takes them, else as sound.
    Digits {
        /// `0`–`9`, `A`–`D`, `*`, `#`; `,` is a pause, `!` a hook flash (events only). What is none
        /// of these is left out.
        digits: String,
        /// How long a key sounds; at least 40 ms.
        tone: Duration,
        /// How long a `,` lasts.
        pause: Duration,
    },
    /// Up to [`PARTIALS_MAX`] frequencies, each with its cadence; until it is stopped, or so long.
    Custom(Vec<Partial>, Option<Duration>),
    /// A tone of the field; until it is stopped, or so long.
    Tone(Tone, Option<Duration>),
    /// A recording, to its end.
    Sound(Sound),
}

/// How a party can be given a performance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Format {
    /// What it hears.
    pub voice: Option<MemberCodec>,
    /// Payload type and clock of its telephone-events, where they were agreed.
    pub event: Option<(u8, u32)>,
}

impl Format {
    /// Whether a performance can be given at all: digits need either, everything else a voice.
    #[must_use]
    pub fn can_carry(&self, performance: &Performance) -> bool {
        let has_event = self.event.is_some() && matches!(performance, Performance::Digits { .. });
        self.voice.is_some() || has_event
    }
}

/// What a frame of a performance is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A packet was written.
    Packet(Frame),
    /// Nothing is sent in this frame.
    Quiet,
    /// It is over; nothing was written.
    Over,
}

/// A piece of a row of digits; times are in frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Item {
    /// How long it sounds; the gap comes on top.
    Key(char, u32),
    Pause(u32),
}

#[derive(Debug)]
enum Score {
    /// Items, and how many frames of the first are over.
    Digits { items: std::vec::IntoIter<Item>, item: Option<Item>, frame: u32 },
    /// A sound, with the frames that are left.
    Sound { source: Source, left: Option<u32> },
}

/// A performance under way. A source of RTP like a party: the outlet keeps the continuity.
#[derive(Debug)]
pub struct Performer {
    /// Given back in the notice of its end.
    pub ticket: u64,
    score: Score,
    speaker: Option<Speaker>,
    event: Option<(u8, u32)>,
    /// When the key that sounds began, in ticks.
    key_ticks: u32,
    next: Header,
}

impl Performer {
    /// Begins a performance; `None` where the party cannot be given it. `ssrc` is used if the party
    /// hears nothing else before.
    #[must_use]
    pub fn new(
        performance: Performance,
        format: Format,
        country: Country,
        ticket: u64,
        ssrc: u32,
    ) -> Option<Self> {
        if !format.can_carry(&performance) {
            return None;
        }
        let is_digits = matches!(performance, Performance::Digits { .. });
        let score = score(performance, country);
        let rate_hz = match &score {
            Score::Sound { source, .. } => source.rate_hz(),
            Score::Digits { .. } => 8_000,
        };
        let event = format.event.filter(|_| is_digits);
        // Both go out under one clock: a voice of another one is silent beside events.
        let suits = |voice: &MemberCodec| event.is_none_or(|(_, hz)| hz == voice.kind.clock_hz());
        let speaker = format.voice.filter(suits).map(|voice| Speaker::new(voice, rate_hz));
        let payload = format.voice.map_or(0, |voice| voice.payload);
        let next = Header {
            payload,
            is_marked: true,
            sequence: Seq(0),
            timestamp: RtpTime(0),
            ssrc: Ssrc(ssrc),
        };
        Some(Self { ticket, score, speaker, event, key_ticks: 0, next })
    }

    /// Names it as a source of packets. The upper half of the names is for treatments.
    #[must_use]
    pub fn source(&self) -> u32 {
        self.next.ssrc.0 | 0x8000_0000
    }

    fn clock_hz(&self) -> u32 {
        let voice_hz = self.speaker.as_ref().map(Speaker::clock_hz);
        self.event.map(|(_, hz)| hz).or(voice_hz).unwrap_or(8_000).max(50)
    }

    /// Writes the next 20 ms.
    pub fn play(&mut self, sines: &SineTable, packet: &mut [u8; PACKET_LEN]) -> Step {
        let step = match &mut self.score {
            Score::Sound { source, left } => {
                let is_over = *left == Some(0) || left.is_none() && source.is_over();
                if is_over {
                    return Step::Over;
                }
                *left = left.map(|left| left.saturating_sub(1));
                match &mut self.speaker {
                    Some(speaker) => {
                        let length = speaker.speak(source, sines, packet);
                        self.voice_packet(length, packet)
                    }
                    None => Step::Quiet,
                }
            }
            Score::Digits { .. } => match self.next_item() {
                None => return Step::Over,
                Some((item, frame)) => self.play_item(item, frame, sines, packet),
            },
        };
        self.next.timestamp = self.next.timestamp.plus(self.clock_hz() / 50);
        step
    }

    /// The item that is being played and which of its frames comes now.
    fn next_item(&mut self) -> Option<(Item, u32)> {
        let Score::Digits { items, item, frame } = &mut self.score else { return None };
        let length = match *item {
            Some(Item::Key(_, sounding)) => sounding + gap_after(sounding),
            Some(Item::Pause(frames)) => frames,
            None => 0,
        };
        if item.is_none() || *frame >= length {
            *item = items.next();
            *frame = 0;
        }
        let now = (*item)?;
        *frame += 1;
        Some((now, *frame - 1))
    }

    fn play_item(
        &mut self,
        item: Item,
        frame: u32,
        sines: &SineTable,
        packet: &mut [u8; PACKET_LEN],
    ) -> Step {
        let (key, sounding) = match item {
            Item::Key(key, sounding) => (Some(key), sounding),
            Item::Pause(_) => (None, 0),
        };
        if frame == 0 {
            self.key_ticks = self.next.timestamp.0;
        }
        if let (Some(key), Some((payload, _))) = (key, self.event)
            && frame < sounding + ENDS - 1
        {
            return self.event_packet(key, payload, frame, sounding, packet);
        }
        let Some(speaker) = &mut self.speaker else { return Step::Quiet };
        let sound = key.filter(|_| frame < sounding).and_then(frequencies_hz);
        let mut source = match sound {
            Some(pair) => Source::Pair(pair, frame * 160),
            None => Source::Silence,
        };
        let length = speaker.speak(&mut source, sines, packet);
        self.voice_packet(length, packet)
    }

    fn voice_packet(&mut self, length: usize, packet: &mut [u8; PACKET_LEN]) -> Step {
        let Some(speaker) = &self.speaker else { return Step::Quiet };
        let header = Header { payload: speaker.payload(), ..self.next };
        header.write(packet);
        self.next.is_marked = false;
        self.next.sequence = header.sequence.plus(1);
        let (length, clock_hz) = (HEADER_LEN + length, self.clock_hz());
        Step::Packet(Frame { header, length, clock_hz, lead: 0 })
    }

    /// RFC 4733 §2.5.1: one timestamp for all packets of an event, a duration that grows.
    fn event_packet(
        &mut self,
        key: char,
        payload: u8,
        frame: u32,
        sounding: u32,
        packet: &mut [u8; PACKET_LEN],
    ) -> Step {
        let clock_hz = self.clock_hz();
        let ticks = clock_hz / 50;
        let duration = ticks.saturating_mul(sounding.min(frame + 1));
        let event = TelephoneEvent {
            code: code_of(key).unwrap_or_default(),
            is_end: frame + 1 >= sounding,
            volume_dbm0: EVENT_VOLUME,
            duration: u16::try_from(duration).unwrap_or(u16::MAX),
        };
        let header = Header {
            payload,
            is_marked: frame == 0,
            timestamp: RtpTime(self.key_ticks),
            ..self.next
        };
        header.write(packet);
        event.write(packet.get_mut(HEADER_LEN..).unwrap_or_default());
        self.next.is_marked = false;
        self.next.sequence = header.sequence.plus(1);
        let lead = self.next.timestamp.0.wrapping_sub(self.key_ticks);
        Step::Packet(Frame { header, length: HEADER_LEN + EVENT_LEN, clock_hz, lead })
    }
}

fn score(performance: Performance, country: Country) -> Score {
    match performance {
        Performance::Digits { digits, tone, pause } => {
            let sounding = frames(tone).clamp(FRAMES_MIN, EVENT_FRAMES_MAX);
            let item = |digit: char| match digit.to_ascii_uppercase() {
                ',' => Some(Item::Pause(frames(pause).max(1))),
                digit => code_of(digit).map(|_| Item::Key(digit, sounding)),
            };
            let items: Vec<Item> = digits.chars().filter_map(item).take(DIGITS_MAX).collect();
            Score::Digits { items: items.into_iter(), item: None, frame: 0 }
        }
        Performance::Custom(mut partials, duration) => {
            partials.truncate(PARTIALS_MAX);
            sound(Source::Chord(Chord::new(partials)), duration)
        }
        Performance::Tone(tone, duration) => {
            sound(Source::Pattern(Oscillator::new(pattern(country, tone))), duration)
        }
        Performance::Sound(recording) => sound(Source::Sound(Reader::new(recording, false)), None),
    }
}

fn sound(source: Source, duration: Option<Duration>) -> Score {
    Score::Sound { source, left: duration.map(frames) }
}

/// The frames that a time takes, rounded up.
fn frames(time: Duration) -> u32 {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    u32::try_from(ms.div_ceil(FRAME_MS)).unwrap_or(u32::MAX)
}

/// The gap after a key: as long as the key itself up to 100 ms, room for the repeated ends.
fn gap_after(sounding: u32) -> u32 {
    sounding.clamp(FRAMES_MIN, 5)
}
