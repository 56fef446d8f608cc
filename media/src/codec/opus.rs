//! Opus at 16 kHz, mono, frames of 20 ms: what the mixer says and hears of it.
//!
//! The codec itself is the crate `opus-rs`, a port of libopus without C: nothing but cargo is needed
//! to build it, and it allocates nothing once made. Its types stay here. Source: RFC 6716, RFC 7587.

use opus_rs::{Application, OpusDecoder, OpusEncoder};

/// Samples a second; the codec does the rest of what its 48 kHz clock says.
pub const RATE_HZ: u32 = 16_000;
/// Wideband speech at 24 kbit/s is as good as G.722 at 64.
const BITRATE_BPS: i32 = 24_000;
/// Measured for 20 ms: 0.07 ms at complexity 1, 0.33 ms at 5, 0.66 ms at 9, for no difference that a
/// telephone shows.
const COMPLEXITY: i32 = 1;
/// Samples of 20 ms.
const FRAME: usize = 320;
/// Samples of the longest packet, 120 ms (RFC 6716 §3.2.5).
const SAMPLES_MAX: usize = 6 * FRAME;
/// What cannot be coded goes out as one frame that the decoder conceals (RFC 6716 §3.1): SILK,
/// wideband, 20 ms, mono.
const NOTHING: u8 = 9 << 3;

/// Packets → samples.
pub struct Decoder {
    codec: OpusDecoder,
    samples: [f32; SAMPLES_MAX],
}

impl Decoder {
    /// A decoder at rest; `None` never happens with these settings.
    #[must_use]
    pub fn new() -> Option<Self> {
        let rate_hz = i32::try_from(RATE_HZ).ok()?;
        let codec = OpusDecoder::new(rate_hz, 1).ok()?;
        Some(Self { codec, samples: [0.0; SAMPLES_MAX] })
    }

    /// Decodes a packet, stereo mixed to mono; a broken or overlong one gives nothing.
    pub fn decode(&mut self, packet: &[u8], samples: &mut [i16]) -> usize {
        let room = samples.len().min(SAMPLES_MAX);
        let Some(place) = self.samples.get_mut(..room) else { return 0 };
        let count = self.codec.decode(packet, room, place).unwrap_or_default();
        let decoded = place.iter().take(count);
        decoded.zip(samples).map(|(sample, place)| *place = to_i16(*sample)).count()
    }

    /// 20 ms in place of a packet that did not come: what went before fades.
    pub fn conceal(&mut self, samples: &mut [i16]) -> usize {
        if samples.len() < FRAME {
            return 0;
        }
        let Some(place) = self.samples.get_mut(..FRAME) else { return 0 };
        let count = self.codec.decode(&[], FRAME, place).unwrap_or_default();
        let made = place.iter().take(count);
        made.zip(samples).map(|(sample, place)| *place = to_i16(*sample)).count()
    }
}

fn to_i16(sample: f32) -> i16 {
    let scaled = (sample * 32_768.0).clamp(-32_768.0, 32_767.0);
    #[expect(clippy::cast_possible_truncation, reason = "clamped; a float's cast saturates")]
    let sample = scaled as i16;
    sample
}

/// Samples → packets.
pub struct Encoder {
    codec: OpusEncoder,
}

impl Encoder {
    /// An encoder at rest; `None` never happens with these settings.
    #[must_use]
    pub fn new() -> Option<Self> {
        let rate_hz = i32::try_from(RATE_HZ).ok()?;
        let mut codec = OpusEncoder::new(rate_hz, 1, Application::Voip).ok()?;
        codec.bitrate_bps = BITRATE_BPS;
        codec.complexity = COMPLEXITY;
        Some(Self { codec })
    }

    /// Encodes 20 ms; returns the octets of the packet.
    pub fn encode(&mut self, samples: &[i16], packet: &mut [u8]) -> usize {
        let frame = samples.get(..FRAME);
        let coded = frame.and_then(|frame| self.codec.encode_i16(frame, FRAME, packet).ok());
        coded
            .filter(|length| *length > 0)
            .unwrap_or_else(|| packet.iter_mut().take(1).map(|octet| *octet = NOTHING).count())
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Opus decoder")
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Opus encoder")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tone(frame: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * 700.0 / f64::from(RATE_HZ);
        let at = |n: usize| (((frame * FRAME + n) as f64 * step).sin() * 8_000.0) as i16;
        (0..FRAME).map(at).collect()
    }

    /// Peak of the 700 Hz in some samples.
    fn level(samples: &[i16]) -> f64 {
        let step = std::f64::consts::TAU * 700.0 / f64::from(RATE_HZ);
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            re += f64::from(*sample) * (step * n as f64).cos();
            im += f64::from(*sample) * (step * n as f64).sin();
        }
        re.hypot(im) * 2.0 / samples.len() as f64
    }

    #[test]
    fn what_is_encoded_is_heard_again() {
        let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new().unwrap());
        let mut heard = Vec::new();
        for frame in 0..50 {
            let mut packet = [0; 160];
            let length = encoder.encode(&tone(frame), &mut packet);
            assert!((10..=160).contains(&length), "{length}");
            let mut samples = [0; SAMPLES_MAX];
            let count = decoder.decode(&packet[..length], &mut samples);
            assert_eq!(count, FRAME);
            heard.extend(&samples[..count]);
        }
        assert!(
            (level(&heard[3_200..]) / 8_000.0 - 1.0).abs() < 0.15,
            "{}",
            level(&heard[3_200..])
        );
    }

    #[test]
    fn a_lost_packet_is_concealed_with_what_went_before() {
        let (mut encoder, mut decoder) = (Encoder::new().unwrap(), Decoder::new().unwrap());
        let mut samples = [0; SAMPLES_MAX];
        for frame in 0..20 {
            let mut packet = [0; 160];
            let length = encoder.encode(&tone(frame), &mut packet);
            decoder.decode(&packet[..length], &mut samples);
        }
        assert_eq!(decoder.conceal(&mut samples), FRAME);
        assert!(level(&samples[..FRAME]) > 2_000.0, "{}", level(&samples[..FRAME]));
    }

    #[test]
    fn what_is_no_frame_becomes_a_packet_without_content() {
        let mut packet = [0; 160];
        assert_eq!(Encoder::new().unwrap().encode(&[0; 7], &mut packet), 1);
        assert_eq!(packet[0], NOTHING);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn no_packet_of_the_network_makes_it_panic(
            packets in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..480), 1..6,
            ),
        ) {
            let mut decoder = Decoder::new().unwrap();
            let mut samples = [0; SAMPLES_MAX];
            for packet in packets {
                let count = decoder.decode(&packet, &mut samples);
                prop_assert!(count <= SAMPLES_MAX);
            }
        }
    }
}
