//! The codecs that members of a conference may speak, with the state that a stream of each needs.

use super::{ToneCodec, g711, g722, opus};

/// A codec that the mixer can decode and encode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Voice {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Opus.
    Opus,
}

impl Voice {
    /// The codec of an encoding name of SDP, in any case, with its RTP clock.
    #[must_use]
    pub fn of_name(name: &str, clock_hz: u32) -> Option<Self> {
        let known = [
            ("PCMU", Self::Pcmu),
            ("PCMA", Self::Pcma),
            ("G722", Self::G722),
            ("opus", Self::Opus),
        ];
        let mut known = known.into_iter().filter(|(_, voice)| clock_hz == voice.clock_hz());
        known.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, voice)| voice)
    }

    /// Channels that SDP names.
    #[must_use]
    pub fn channels(self) -> u16 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 1,
            // RFC 7587 §7: always 2, however many are used.
            Self::Opus => 2,
        }
    }

    /// Samples a second.
    #[must_use]
    pub fn rate_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::G722 => 16_000,
            Self::Opus => opus::RATE_HZ,
        }
    }

    /// Ticks a second of its RTP timestamps; G.722's is 8000 for history's sake (RFC 3551 §4.5.2).
    #[must_use]
    pub fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            Self::Opus => 48_000,
        }
    }
}

/// What a party speaks and hears: a codec, and its number in the party's session, in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemberCodec {
    /// The payload type.
    pub payload: u8,
    /// The codec.
    pub kind: Voice,
}

impl MemberCodec {
    /// G.711 µ-law under its static number.
    pub const PCMU: Self = Self { payload: 0, kind: Voice::Pcmu };
    /// G.711 A-law under its static number.
    pub const PCMA: Self = Self { payload: 8, kind: Voice::Pcma };
    /// G.722 under its static number.
    pub const G722: Self = Self { payload: 9, kind: Voice::G722 };
}

/// Payload → samples.
#[derive(Debug)]
pub enum Decoder {
    /// G.711 has no memory.
    G711(ToneCodec),
    /// G.722 has.
    G722(Box<g722::Decoder>),
    /// Opus has, and much of it.
    Opus(Option<Box<opus::Decoder>>),
}

impl Decoder {
    /// A decoder at rest.
    #[must_use]
    pub fn new(voice: Voice) -> Self {
        match voice {
            Voice::Pcmu => Self::G711(ToneCodec::Pcmu),
            Voice::Pcma => Self::G711(ToneCodec::Pcma),
            Voice::G722 => Self::G722(Box::default()),
            Voice::Opus => Self::Opus(opus::Decoder::new().map(Box::new)),
        }
    }

    /// Samples in place of a packet that was lost; none where the codec has no better idea than
    /// silence.
    pub fn conceal(&mut self, samples: &mut [i16]) -> usize {
        match self {
            Self::Opus(Some(state)) => state.conceal(samples),
            _ => 0,
        }
    }

    /// Decodes as much of the payload as `samples` has room for; returns how many samples came.
    pub fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> usize {
        match self {
            Self::G711(law) => {
                let pairs = payload.iter().zip(samples.iter_mut());
                pairs.map(|(octet, sample)| *sample = g711::decode(*law, *octet)).count()
            }
            Self::G722(state) => {
                let pairs = payload.iter().zip(samples.chunks_exact_mut(2));
                2 * pairs.map(|(octet, pair)| pair.copy_from_slice(&state.decode(*octet))).count()
            }
            Self::Opus(state) => state.as_mut().map_or(0, |state| state.decode(payload, samples)),
        }
    }
}

/// Samples → payload.
#[derive(Debug)]
pub enum Encoder {
    /// G.711 has no memory.
    G711(ToneCodec),
    /// G.722 has.
    G722(Box<g722::Encoder>),
    /// Opus has, and much of it.
    Opus(Option<Box<opus::Encoder>>),
}

impl Encoder {
    /// An encoder at rest.
    #[must_use]
    pub fn new(voice: Voice) -> Self {
        match voice {
            Voice::Pcmu => Self::G711(ToneCodec::Pcmu),
            Voice::Pcma => Self::G711(ToneCodec::Pcma),
            Voice::G722 => Self::G722(Box::default()),
            Voice::Opus => Self::Opus(opus::Encoder::new().map(Box::new)),
        }
    }

    /// Encodes as many samples as `payload` has room for (Opus: exactly 20 ms); returns how many octets came.
    pub fn encode(&mut self, samples: &[i16], payload: &mut [u8]) -> usize {
        match self {
            Self::G711(law) => {
                let pairs = samples.iter().zip(payload.iter_mut());
                pairs.map(|(sample, octet)| *octet = g711::encode(*law, *sample)).count()
            }
            Self::G722(state) => {
                let pairs = samples.chunks_exact(2).zip(payload.iter_mut());
                let encode = |(pair, octet): (&[i16], &mut u8)| {
                    if let [first, second] = pair {
                        *octet = state.encode(*first, *second);
                    }
                };
                pairs.map(encode).count()
            }
            Self::Opus(state) => state.as_mut().map_or(0, |state| state.encode(samples, payload)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_milliseconds_are_160_octets_of_every_codec() {
        for voice in [Voice::Pcmu, Voice::Pcma, Voice::G722] {
            let samples = vec![100i16; usize::try_from(voice.rate_hz() / 50).unwrap()];
            let mut payload = [0u8; 400];
            assert_eq!(Encoder::new(voice).encode(&samples, &mut payload), 160, "{voice:?}");
            let mut back = [0i16; 960];
            let count = Decoder::new(voice).decode(&payload[..160], &mut back);
            assert_eq!(count, samples.len(), "{voice:?}");
        }
    }

    #[test]
    fn names_are_those_of_sdp() {
        assert_eq!(Voice::of_name("g722", 8_000), Some(Voice::G722));
        assert_eq!(Voice::of_name("PCMA", 8_000), Some(Voice::Pcma));
        assert_eq!(Voice::of_name("OPUS", 48_000), Some(Voice::Opus));
        assert_eq!(Voice::of_name("opus", 8_000), None);
        assert_eq!(Voice::of_name("PCMU", 16_000), None);
        assert_eq!(Voice::of_name("telephone-event", 8_000), None);
    }
}
