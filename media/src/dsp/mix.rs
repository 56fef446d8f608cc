//! Many voices in one: sums of 32 bits, and what each hears of them.

/// Samples of 20 ms at the mixer's 16 kHz.
pub const FRAME_SAMPLES: usize = 320;
/// The mixer's samples a second.
pub const RATE_HZ: u32 = 16_000;

/// 20 ms of one voice.
pub type Frame = [i16; FRAME_SAMPLES];
/// 20 ms of all voices together.
pub type Sum = [i32; FRAME_SAMPLES];

/// Adds a voice.
pub fn add(sum: &mut Sum, frame: &Frame) {
    for (sum, sample) in sum.iter_mut().zip(frame) {
        *sum += i32::from(*sample);
    }
}

/// What somebody hears: everybody but himself, limited to 16 bits.
pub fn hear(sum: &Sum, own: Option<&Frame>, out: &mut Frame) {
    match own {
        Some(own) => {
            for ((out, sum), own) in out.iter_mut().zip(sum).zip(own) {
                *out = limit(*sum - i32::from(*own));
            }
        }
        None => {
            for (out, sum) in out.iter_mut().zip(sum) {
                *out = limit(*sum);
            }
        }
    }
}

fn limit(value: i32) -> i16 {
    let value = value.clamp(i32::from(i16::MIN), i32::from(i16::MAX));
    i16::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_hears_the_others() {
        let voices = [[1i16; FRAME_SAMPLES], [20; FRAME_SAMPLES], [300; FRAME_SAMPLES]];
        let mut sum = [0; FRAME_SAMPLES];
        voices.iter().for_each(|voice| add(&mut sum, voice));
        let mut out = [0; FRAME_SAMPLES];
        for (voice, expected) in voices.iter().zip([320, 301, 21]) {
            hear(&sum, Some(voice), &mut out);
            assert_eq!(out, [expected; FRAME_SAMPLES]);
        }
        hear(&sum, None, &mut out);
        assert_eq!(out, [321; FRAME_SAMPLES]);
    }

    #[test]
    fn loud_voices_are_limited_and_do_not_wrap() {
        let mut sum = [0; FRAME_SAMPLES];
        for _ in 0..64 {
            add(&mut sum, &[i16::MIN; FRAME_SAMPLES]);
        }
        let mut out = [0; FRAME_SAMPLES];
        hear(&sum, None, &mut out);
        assert_eq!(out, [i16::MIN; FRAME_SAMPLES]);
    }
}
