//! The phone's keys: what a pressed key is in RTP, as an event (RFC 4733) or as a tone (Q.23).

use std::f64::consts::TAU;

use media::ToneCodec;
use media::codec::g711;

use super::rtp::FRAME;
use crate::feature::dtmf;

/// 20 ms of what the phone says instead of its voice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Frame {
    /// A packet of a telephone-event.
    Event {
        /// Its payload type.
        payload: u8,
        /// The first packet of the event: marked, and its time is that of all others.
        is_first: bool,
        /// The four octets.
        body: [u8; 4],
    },
    /// G.711.
    Sound([u8; FRAME]),
    /// A packet that gets lost on its way.
    Lost,
}

/// A key is held down for so many frames.
const PRESSED: u16 = 5;
/// Frames of silence after a tone, so that the same key can be pressed again.
const RELEASED: usize = 5;
/// Repetitions of the end packet (RFC 4733 §2.5.1.4).
const ENDS: u16 = 3;
/// Power of an event in dBm0, without its sign.
const VOLUME: u8 = 10;
/// Peak of each of the two tones.
const AMPLITUDE: f64 = 7_000.0;

/// A key as a telephone-event.
pub(super) fn event(digit: char, payload: u8) -> Vec<Frame> {
    let Some(code) = "0123456789*#ABCD!".find(digit).and_then(|at| u8::try_from(at).ok()) else {
        return Vec::new();
    };
    let packet = |number: u16| {
        let is_end = number > PRESSED;
        let [high, low] = (number.min(PRESSED) * 160).to_be_bytes();
        let flags = if is_end { 0x80 | VOLUME } else { VOLUME };
        Frame::Event { payload, is_first: number == 1, body: [code, flags, high, low] }
    };
    (1..=PRESSED + ENDS).map(packet).collect()
}

/// A key, or any two frequencies, as sound; then a pause.
pub(super) fn tone(frequencies_hz: [u16; 2], law: ToneCodec, frames: u16) -> Vec<Frame> {
    let octet = |at: usize| {
        let time = at as f64 / 8_000.0;
        let sum: f64 = frequencies_hz.iter().map(|hz| (TAU * f64::from(*hz) * time).sin()).sum();
        g711::encode(law, (sum * AMPLITUDE) as i16)
    };
    let sound = (0..usize::from(frames)).map(|frame| {
        let mut octets = [0; FRAME];
        for (at, place) in octets.iter_mut().enumerate() {
            *place = octet(frame * FRAME + at);
        }
        Frame::Sound(octets)
    });
    let pause = std::iter::repeat_n(Frame::Sound([g711::encode(law, 0); FRAME]), RELEASED);
    sound.chain(pause).collect()
}

/// A key as sound.
pub(super) fn key(digit: char, law: ToneCodec) -> Vec<Frame> {
    dtmf::frequencies_hz(digit).map_or_else(Vec::new, |pair| tone(pair, law, PRESSED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_begins_once_and_ends_three_times() {
        let frames = event('#', 101);
        assert_eq!(frames.len(), 8);
        let first = Frame::Event { payload: 101, is_first: true, body: [11, 10, 0, 160] };
        assert_eq!(frames[0], first);
        let end = Frame::Event { payload: 101, is_first: false, body: [11, 0x8a, 3, 0x20] };
        assert_eq!(&frames[5..], &[end.clone(), end.clone(), end]);
        assert!(event('x', 101).is_empty());
    }

    #[test]
    fn a_key_as_sound_is_loud_and_then_silent() {
        let frames = key('5', ToneCodec::Pcmu);
        assert_eq!(frames.len(), 10);
        let loudest = |frame: &Frame| match frame {
            Frame::Sound(octets) => {
                let level = |octet: &u8| g711::decode(ToneCodec::Pcmu, *octet).unsigned_abs();
                octets.iter().map(level).max().unwrap_or(0)
            }
            Frame::Event { .. } | Frame::Lost => 0,
        };
        assert!(loudest(&frames[0]) > 10_000);
        assert!(loudest(&frames[9]) < 10);
    }
}
