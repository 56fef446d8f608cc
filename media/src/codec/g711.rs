//! ITU-T G.711: 16-bit linear samples ⇄ 8-bit µ-law and A-law.

use super::ToneCodec;

/// Samples (and octets) of 20 ms.
pub const FRAME_SAMPLES: usize = 160;

/// Encodes one sample.
#[must_use]
pub fn encode(codec: ToneCodec, sample: i16) -> u8 {
    match codec {
        ToneCodec::Pcmu => encode_ulaw(sample),
        ToneCodec::Pcma => encode_alaw(sample),
    }
}

/// Decodes one octet.
#[must_use]
pub fn decode(codec: ToneCodec, octet: u8) -> i16 {
    match codec {
        ToneCodec::Pcmu => decode_ulaw(octet),
        ToneCodec::Pcma => decode_alaw(octet),
    }
}

/// Added before the µ-law logarithm, in 16-bit units.
const ULAW_BIAS: u16 = 0x84;
const ULAW_CLIP: u16 = 32_635;

fn encode_ulaw(sample: i16) -> u8 {
    let sign: u8 = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(ULAW_CLIP) + ULAW_BIAS;
    let exponent = 8 - magnitude.leading_zeros().min(8);
    let mantissa = low_bits(magnitude >> (exponent + 3));
    !(sign | low_exponent(exponent) << 4 | mantissa)
}

fn decode_ulaw(octet: u8) -> i16 {
    let octet = !octet;
    let exponent = octet >> 4 & 7;
    let magnitude = (((u16::from(octet & 0x0f) << 3) + ULAW_BIAS) << exponent) - ULAW_BIAS;
    signed(magnitude, octet & 0x80 != 0)
}

fn encode_alaw(sample: i16) -> u8 {
    // A-law's negative values are those of the complement: -1 belongs to the smallest step.
    let (sign, magnitude) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let magnitude = magnitude.unsigned_abs() >> 4;
    let code = if magnitude < 16 {
        low_bits(magnitude)
    } else {
        let exponent = 12 - magnitude.leading_zeros();
        low_exponent(exponent) << 4 | low_bits(magnitude >> (exponent - 1))
    };
    (sign | code) ^ 0x55
}

fn decode_alaw(octet: u8) -> i16 {
    let octet = octet ^ 0x55;
    let exponent = octet >> 4 & 7;
    let mantissa = u16::from(octet & 0x0f) << 4;
    let magnitude = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    signed(magnitude, octet & 0x80 == 0)
}

fn low_bits(value: u16) -> u8 {
    value.to_le_bytes()[0] & 0x0f
}

fn low_exponent(exponent: u32) -> u8 {
    exponent.to_le_bytes()[0] & 0x07
}

fn signed(magnitude: u16, is_negative: bool) -> i16 {
    // Both laws stay below 2^15.
    let magnitude = i16::try_from(magnitude).unwrap_or(i16::MAX);
    if is_negative { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [ToneCodec; 2] = [ToneCodec::Pcmu, ToneCodec::Pcma];

    #[test]
    fn silence_has_the_known_octets() {
        assert_eq!(encode(ToneCodec::Pcmu, 0), 0xff);
        assert_eq!(encode(ToneCodec::Pcma, 0), 0xd5);
        assert_eq!(encode(ToneCodec::Pcma, -1), 0x55);
    }

    #[test]
    fn full_scale_has_the_known_octets_and_values() {
        assert_eq!(encode(ToneCodec::Pcmu, i16::MAX), 0x80);
        assert_eq!(encode(ToneCodec::Pcmu, i16::MIN), 0x00);
        assert_eq!(encode(ToneCodec::Pcma, i16::MAX), 0xaa);
        assert_eq!(encode(ToneCodec::Pcma, i16::MIN), 0x2a);
        assert_eq!(decode(ToneCodec::Pcmu, 0x80), 32_124);
        assert_eq!(decode(ToneCodec::Pcma, 0xaa), 32_256);
    }

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for codec in BOTH {
            for octet in 0..=255u8 {
                let again = encode(codec, decode(codec, octet));
                // µ-law has two zeros; the negative one becomes the positive one.
                let expected = if codec == ToneCodec::Pcmu && octet == 0x7f { 0xff } else { octet };
                assert_eq!(again, expected, "{codec:?} {octet:#x}");
            }
        }
    }

    #[test]
    fn the_error_is_at_most_half_a_step_of_the_segment() {
        for codec in BOTH {
            for sample in (-32_000..32_000i32).step_by(7) {
                let sample = i16::try_from(sample).unwrap();
                let back = i32::from(decode(codec, encode(codec, sample)));
                let error = (back - i32::from(sample)).abs();
                assert!(error <= i32::from(sample).abs() / 28 + 16, "{codec:?} {sample} {back}");
            }
        }
    }
}
