//! A phone that hums: a steady tone in whatever codec its call speaks, and what it hears, decoded.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use media::MemberCodec;
use media::codec::voice::{Decoder, Encoder};

/// Seconds of sound that are remembered.
const SECONDS: usize = 2;
/// Peak of the tone.
const PEAK: f64 = 8_000.0;
/// Samples of 120 ms at 16 kHz.
const SAMPLES_MAX: usize = 1_920;
/// Octets of the longest packet that is made.
const PAYLOAD_MAX: usize = 160;

pub(super) struct Instrument {
    codec: MemberCodec,
    encoder: Encoder,
    decoder: Decoder,
    frequency_hz: u16,
    said: u32,
    heard: VecDeque<i16>,
}

impl Instrument {
    pub(super) fn new(codec: MemberCodec, frequency_hz: u16) -> Instrument {
        Instrument {
            codec,
            encoder: Encoder::new(codec.kind),
            decoder: Decoder::new(codec.kind),
            frequency_hz,
            said: 0,
            heard: VecDeque::new(),
        }
    }

    pub(super) fn payload(&self) -> u8 {
        self.codec.payload
    }

    /// Ticks of 20 ms.
    pub(super) fn ticks(&self) -> u32 {
        self.codec.kind.clock_hz() / 50
    }

    /// The next 20 ms of the tone.
    pub(super) fn hum(&mut self) -> Vec<u8> {
        let rate_hz = self.codec.kind.rate_hz();
        let step = TAU * f64::from(self.frequency_hz) / f64::from(rate_hz);
        let from = self.said;
        self.said = self.said.wrapping_add(rate_hz / 50);
        let samples: Vec<i16> =
            (from..self.said).map(|n| ((f64::from(n) * step).sin() * PEAK) as i16).collect();
        let mut payload = [0; PAYLOAD_MAX];
        let length = self.encoder.encode(&samples, &mut payload);
        payload.get(..length).unwrap_or_default().to_vec()
    }

    pub(super) fn hear(&mut self, payload: &[u8]) {
        let mut samples = [0; SAMPLES_MAX];
        let count = self.decoder.decode(payload, &mut samples);
        self.heard.extend(samples.iter().take(count));
        let most = SECONDS * usize::try_from(self.codec.kind.rate_hz()).unwrap_or_default();
        let surplus = self.heard.len().saturating_sub(most);
        self.heard.drain(..surplus);
    }

    /// How much of a frequency is in so many of the last milliseconds: the peak of its sine.
    pub(super) fn level(&self, frequency_hz: u16, milliseconds: usize) -> f64 {
        let rate_hz = self.codec.kind.rate_hz();
        let count = milliseconds * usize::try_from(rate_hz / 1_000).unwrap_or_default();
        let Some(skipped) = self.heard.len().checked_sub(count) else { return 0.0 };
        let step = TAU * f64::from(frequency_hz) / f64::from(rate_hz);
        let (mut re, mut im, mut turn) = (0.0, 0.0, 0.0f64);
        for sample in self.heard.iter().skip(skipped) {
            re += f64::from(*sample) * turn.cos();
            im += f64::from(*sample) * turn.sin();
            turn += step;
        }
        re.hypot(im) * 2.0 / count.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hears_what_it_hums_in_every_codec() {
        let opus = MemberCodec { payload: 96, kind: media::Voice::Opus };
        for codec in [MemberCodec::PCMU, MemberCodec::PCMA, MemberCodec::G722, opus] {
            let mut instrument = Instrument::new(codec, 700);
            for _ in 0..50 {
                let payload = instrument.hum();
                instrument.hear(&payload);
            }
            let (own, other) = (instrument.level(700, 500), instrument.level(1_100, 500));
            assert!(own > 6_000.0 && other < 500.0, "{codec:?} {own} {other}");
        }
    }
}
