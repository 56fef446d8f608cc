//! Plays a treatment: one RTP packet for every 20 ms, in whatever codec the party hears.

use super::sound::{Reader, Sound};
use super::termination::Treatment;
use crate::codec::MemberCodec;
use crate::codec::voice::Encoder;
use crate::dsp::mix;
use crate::dsp::resample::Resampler;
use crate::dsp::tone::{Chord, Country, Oscillator, SineTable, Tone, pattern, pure};
use crate::rtp::header::HEADER_LEN;
use crate::rtp::{Header, RtpTime, Seq, Ssrc};

/// Octets of the longest packet of 20 ms that is made here.
pub const PACKET_LEN: usize = HEADER_LEN + PAYLOAD_LEN;
/// Octets of its payload: 64 kbit/s.
const PAYLOAD_LEN: usize = 160;
/// Peak of each frequency of a key: both together stay below −3 dBm0.
const KEY_AMPLITUDE: i32 = 6_500;

/// A packet that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Its header.
    pub header: Header,
    /// Its octets, header included.
    pub length: usize,
    /// Ticks a second.
    pub clock_hz: u32,
    /// By how many ticks the moment is later than the header's timestamp (events).
    pub lead: u32,
}

/// Where samples come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Silence,
    Pattern(Oscillator),
    Chord(Chord),
    /// Two frequencies from a sample on.
    Pair([u16; 2], u32),
    Sound(Reader),
}

impl Source {
    pub(super) fn rate_hz(&self) -> u32 {
        match self {
            Self::Sound(reader) => reader.rate_hz(),
            _ => 8_000,
        }
    }

    /// True of a recording that was read.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Sound(reader) if reader.is_over())
    }

    fn next(&mut self, sines: &SineTable) -> i16 {
        match self {
            Self::Silence => 0,
            Self::Pattern(oscillator) => oscillator.next(sines),
            Self::Chord(chord) => chord.next(sines),
            Self::Pair(pair, at) => {
                let sample = pure(sines, *pair, *at, KEY_AMPLITUDE);
                *at += 1;
                sample
            }
            Self::Sound(reader) => reader.next(),
        }
    }
}

/// Turns samples into payloads of a party's codec.
#[derive(Debug)]
pub(super) struct Speaker {
    codec: MemberCodec,
    encoder: Encoder,
    resampler: Option<Resampler>,
    samples: usize,
}

impl Speaker {
    pub(super) fn new(codec: MemberCodec, rate_hz: u32) -> Self {
        let resampler = Resampler::new(rate_hz, codec.kind.rate_hz());
        let samples = usize::try_from(rate_hz / 50).unwrap_or_default();
        Self { codec, encoder: Encoder::new(codec.kind), resampler, samples }
    }

    pub(super) fn payload(&self) -> u8 {
        self.codec.payload
    }

    pub(super) fn clock_hz(&self) -> u32 {
        self.codec.kind.clock_hz()
    }

    /// Writes the next 20 ms of a source behind the header; returns the octets of the payload.
    pub(super) fn speak(
        &mut self,
        source: &mut Source,
        sines: &SineTable,
        packet: &mut [u8; PACKET_LEN],
    ) -> usize {
        let mut taken = [0i16; mix::FRAME_SAMPLES];
        let taken = taken.get_mut(..self.samples).unwrap_or_default();
        taken.iter_mut().for_each(|sample| *sample = source.next(sines));
        let payload = packet.get_mut(HEADER_LEN..).unwrap_or_default();
        match &mut self.resampler {
            Some(resampler) => {
                let mut samples = [0i16; mix::FRAME_SAMPLES];
                let count = resampler.run(taken, &mut samples);
                self.encoder.encode(samples.get(..count).unwrap_or_default(), payload)
            }
            None => self.encoder.encode(taken, payload),
        }
    }
}

/// A treatment being played. A source of RTP like a party: the outlet keeps the continuity.
#[derive(Debug)]
pub struct Player {
    source: Source,
    speaker: Speaker,
    next: Header,
}

impl Player {
    /// Begins a treatment; `None` for one that is not played. `sound` is the recording that it
    /// names; `ssrc` is used if the peer hears nothing else before.
    #[must_use]
    pub fn new(
        treatment: Treatment,
        country: Country,
        sound: Option<&Sound>,
        ssrc: u32,
    ) -> Option<Self> {
        let tone = |tone| Source::Pattern(Oscillator::new(pattern(country, tone)));
        let (codec, source) = match treatment {
            Treatment::None | Treatment::Echo => return None,
            Treatment::Silence(codec) => (codec, Source::Silence),
            Treatment::Tone(played, codec) => (codec, tone(played)),
            Treatment::Sound(_, codec) => match sound {
                Some(sound) => (codec, Source::Sound(Reader::new(sound.clone(), true))),
                None => (codec, tone(Tone::Hold)),
            },
        };
        let next = Header {
            payload: codec.payload,
            is_marked: true,
            sequence: Seq(0),
            timestamp: RtpTime(0),
            ssrc: Ssrc(ssrc),
        };
        let speaker = Speaker::new(codec, source.rate_hz());
        Some(Self { source, speaker, next })
    }

    /// Names it as a source of packets. The upper half of the names is for treatments.
    #[must_use]
    pub fn source(&self) -> u32 {
        self.next.ssrc.0 | 0x8000_0000
    }

    /// Writes the next packet.
    pub fn play(&mut self, sines: &SineTable, packet: &mut [u8; PACKET_LEN]) -> Frame {
        let header = self.next;
        header.write(packet);
        let length = self.speaker.speak(&mut self.source, sines, packet);
        let clock_hz = self.speaker.clock_hz();
        self.next.is_marked = false;
        self.next.sequence = header.sequence.plus(1);
        self.next.timestamp = header.timestamp.plus(clock_hz / 50);
        Frame { header, length: HEADER_LEN + length, clock_hz, lead: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::sound::SoundId;
    use super::*;
    use crate::codec::voice::Decoder;

    fn begin(treatment: Treatment, sound: Option<&Sound>) -> Player {
        Player::new(treatment, Country::of_code("fr"), sound, 5).unwrap()
    }

    #[test]
    fn packets_follow_each_other_every_20_ms_and_the_first_is_marked() {
        let sines = SineTable::new();
        let mut player = begin(Treatment::Tone(Tone::Ringback, MemberCodec::PCMA), None);
        let mut packet = [0u8; PACKET_LEN];
        let Frame { header: first, length, .. } = player.play(&sines, &mut packet);
        assert_eq!((Header::read(&packet), length), (Some(first), PACKET_LEN));
        assert_eq!((first.payload, first.is_marked, first.ssrc), (8, true, Ssrc(5)));
        let second = player.play(&sines, &mut packet).header;
        assert_eq!((second.sequence, second.timestamp), (Seq(1), RtpTime(160)));
        assert!(!second.is_marked);
        assert!(packet[HEADER_LEN..].iter().any(|octet| *octet != 0xd5));
    }

    #[test]
    fn silence_is_digital_silence() {
        let mut player = begin(Treatment::Silence(MemberCodec::PCMU), None);
        let mut packet = [0u8; PACKET_LEN];
        player.play(&SineTable::new(), &mut packet);
        assert!(packet[HEADER_LEN..].iter().all(|octet| *octet == 0xff));
    }

    #[test]
    fn a_recording_of_either_rate_is_heard_in_every_codec() {
        for rate_hz in [8_000u32, 16_000] {
            let step = std::f64::consts::TAU * 600.0 / f64::from(rate_hz);
            let samples: Arc<[i16]> =
                (0..rate_hz).map(|n| ((f64::from(n) * step).sin() * 8_000.0) as i16).collect();
            let sound = Sound::new(rate_hz, samples).unwrap();
            for codec in [MemberCodec::PCMU, MemberCodec::PCMA, MemberCodec::G722] {
                let mut player = begin(Treatment::Sound(SoundId(0), codec), Some(&sound));
                let mut decoder = Decoder::new(codec.kind);
                let (mut packet, mut heard) = ([0u8; PACKET_LEN], Vec::new());
                for _ in 0..60 {
                    let length = player.play(&SineTable::new(), &mut packet).length;
                    let mut samples = [0i16; 320];
                    let count = decoder.decode(&packet[HEADER_LEN..length], &mut samples);
                    heard.extend(samples[..count].iter().map(|sample| f64::from(*sample)));
                }
                let step = std::f64::consts::TAU * 600.0 / f64::from(codec.kind.rate_hz());
                let steady = &heard[heard.len() / 4..];
                let (mut re, mut im) = (0.0, 0.0);
                for (n, sample) in steady.iter().enumerate() {
                    re += sample * (step * n as f64).cos();
                    im += sample * (step * n as f64).sin();
                }
                let level = re.hypot(im) * 2.0 / steady.len() as f64;
                assert!((level / 8_000.0 - 1.0).abs() < 0.1, "{rate_hz} {codec:?} {level}");
            }
        }
    }

    #[test]
    fn a_recording_that_is_not_there_is_the_hold_tone() {
        let mut player = begin(Treatment::Sound(SoundId(9), MemberCodec::PCMU), None);
        let mut tone = begin(Treatment::Tone(Tone::Hold, MemberCodec::PCMU), None);
        let (mut one, mut other) = ([0u8; PACKET_LEN], [0u8; PACKET_LEN]);
        for _ in 0..50 {
            player.play(&SineTable::new(), &mut one);
            tone.play(&SineTable::new(), &mut other);
            assert_eq!(one, other);
        }
    }

    #[test]
    fn what_is_not_played_has_no_player() {
        for treatment in [Treatment::None, Treatment::Echo] {
            assert!(Player::new(treatment, Country::default(), None, 1).is_none());
        }
    }
}
