//! From one sampling rate to another: 8 ⇄ 16 ⇄ 48 kHz, by whole factors.
//!
//! A windowed-sinc low-pass in polyphase form. All memory is taken when a converter is made.

use std::f64::consts::PI;

/// Taps of each phase: flat to 0.85 of the lower rate's half, 60 dB down beyond it.
const TAPS: usize = 32;
/// Samples that are converted in one go.
const CHUNK: usize = 160;
/// Where the transition band lies, as a part of the lower rate's half.
const CUTOFF: f64 = 0.92;

/// What a converter does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    Up,
    Down,
}

/// Converts a stream by a whole factor.
#[derive(Clone, Debug)]
pub struct Resampler {
    direction: Direction,
    factor: usize,
    /// The phases one after another; each backwards, so that it lies along the samples.
    taps: Box<[f32]>,
    /// The end of what came before, then what comes.
    line: Box<[f32]>,
}

impl Resampler {
    /// A converter between two rates; `None` if neither divides the other or they are equal.
    #[must_use]
    pub fn new(from_hz: u32, to_hz: u32) -> Option<Self> {
        let (low, high) = (from_hz.min(to_hz), from_hz.max(to_hz));
        if low == high || low == 0 || !high.is_multiple_of(low) {
            return None;
        }
        let factor = usize::try_from(high / low).ok()?;
        let direction = if from_hz == low { Direction::Up } else { Direction::Down };
        let prototype = prototype(factor);
        let taps: Box<[f32]> = match direction {
            Direction::Up => {
                let phase = |phase: usize| {
                    prototype
                        .iter()
                        .skip(phase)
                        .step_by(factor)
                        .rev()
                        .map(|tap| tap * to_f64(factor))
                };
                (0..factor).flat_map(phase).map(to_f32).collect()
            }
            Direction::Down => prototype.iter().rev().copied().map(to_f32).collect(),
        };
        let reach = Self::reach_of(direction, factor);
        let line = vec![0.0; reach + CHUNK * if direction == Direction::Down { factor } else { 1 }];
        Some(Self { direction, factor, taps, line: line.into_boxed_slice() })
    }

    /// Converts `input`, whose length must be a multiple of the factor when the rate falls; returns
    /// how many samples came. What `output` has no room for is lost.
    pub fn run(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let reach = Self::reach_of(self.direction, self.factor);
        let chunk = self.line.len() - reach;
        let mut written = 0;
        for part in input.chunks(chunk) {
            for (place, sample) in self.line.iter_mut().skip(reach).zip(part) {
                *place = f32::from(*sample);
            }
            let room = output.get_mut(written..).unwrap_or_default();
            written += match self.direction {
                Direction::Up => self.rise(part.len(), room),
                Direction::Down => self.fall(part.len(), room),
            };
            self.line.copy_within(part.len()..part.len() + reach, 0);
        }
        written
    }

    fn rise(&self, count: usize, output: &mut [i16]) -> usize {
        let windows = self.line.windows(TAPS).take(count);
        let mut places = output.iter_mut();
        let mut written = 0;
        for window in windows {
            for phase in self.taps.chunks_exact(TAPS) {
                let Some(place) = places.next() else { return written };
                *place = dot(window, phase);
                written += 1;
            }
        }
        written
    }

    fn fall(&self, count: usize, output: &mut [i16]) -> usize {
        let windows = self.line.windows(self.taps.len()).step_by(self.factor);
        let pairs = windows.take(count / self.factor).zip(output.iter_mut());
        pairs.map(|(window, place)| *place = dot(window, &self.taps)).count()
    }

    /// How many samples before the present one it needs.
    fn reach_of(direction: Direction, factor: usize) -> usize {
        match direction {
            Direction::Up => TAPS - 1,
            Direction::Down => TAPS * factor - 1,
        }
    }
}

/// The low-pass at the higher rate: a sinc under a Blackman window, with gain 1.
fn prototype(factor: usize) -> Vec<f64> {
    let length = TAPS * factor;
    let middle = (to_f64(length) - 1.0) / 2.0;
    let cutoff = CUTOFF / to_f64(factor);
    let tap = |n: usize| {
        let x = to_f64(n) - middle;
        let sinc = if x == 0.0 { cutoff } else { (PI * cutoff * x).sin() / (PI * x) };
        let turn = 2.0 * PI * to_f64(n) / (to_f64(length) - 1.0);
        sinc * (0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos())
    };
    let taps: Vec<f64> = (0..length).map(tap).collect();
    let gain: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| tap / gain).collect()
}

fn dot(samples: &[f32], taps: &[f32]) -> i16 {
    // Eight sums side by side: the compiler makes vector instructions of them.
    let mut sums = [0f32; 8];
    for (samples, taps) in samples.chunks_exact(8).zip(taps.chunks_exact(8)) {
        for ((sum, sample), tap) in sums.iter_mut().zip(samples).zip(taps) {
            *sum += sample * tap;
        }
    }
    let value = sums.iter().sum::<f32>().round();
    #[expect(clippy::cast_possible_truncation, reason = "clamped; a float's cast saturates")]
    let sample = value.clamp(-32_768.0, 32_767.0) as i16;
    sample
}

fn to_f64(value: usize) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_possible_truncation, reason = "taps need no more than single precision")]
fn to_f32(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate_hz: u32, frequency_hz: f64, samples: usize) -> Vec<i16> {
        let step = 2.0 * PI * frequency_hz / f64::from(rate_hz);
        (0..samples).map(|n| ((n as f64 * step).sin() * 10_000.0) as i16).collect()
    }

    fn convert(from_hz: u32, to_hz: u32, input: &[i16]) -> Vec<i16> {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let mut output = vec![0; input.len() * to_hz as usize / from_hz as usize];
        let mut written = 0;
        // In frames of 20 ms, as they come.
        for frame in input.chunks(from_hz as usize / 50) {
            written += resampler.run(frame, &mut output[written..]);
        }
        assert_eq!(written, output.len());
        output
    }

    fn level(samples: &[i16]) -> f64 {
        let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (power / samples.len() as f64).sqrt()
    }

    const RATES: [(u32, u32); 6] = [
        (8_000, 16_000),
        (16_000, 8_000),
        (16_000, 48_000),
        (48_000, 16_000),
        (8_000, 48_000),
        (48_000, 8_000),
    ];

    #[test]
    fn tones_below_the_lower_rates_half_keep_their_level_and_pitch() {
        for (from, to) in RATES {
            for frequency in [200.0, 1_000.0, 3_000.0] {
                let output = convert(from, to, &sine(from, frequency, from as usize));
                let steady = &output[to as usize / 10..];
                assert!((level(steady) / 7_071.0 - 1.0).abs() < 0.02, "{from} {to} {frequency}");
                let crossings =
                    steady.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
                assert!(
                    (crossings as f64 - frequency * 0.9).abs() <= 2.0,
                    "{from} {to} {crossings}"
                );
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone() {
        for (from, to, frequency) in [(16_000, 8_000, 5_000.0), (48_000, 16_000, 11_000.0)] {
            let output = convert(from, to, &sine(from, frequency, from as usize));
            assert!(level(&output[to as usize / 10..]) < 30.0, "{}", level(&output[800..]));
        }
    }

    #[test]
    fn rising_adds_no_images() {
        let output = convert(8_000, 16_000, &sine(8_000, 3_000.0, 8_000));
        let step = 2.0 * PI * 5_000.0 / 16_000.0;
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in output.iter().enumerate().skip(1_600) {
            re += f64::from(*sample) * (step * n as f64).cos();
            im += f64::from(*sample) * (step * n as f64).sin();
        }
        assert!(re.hypot(im) / 14_400.0 * 2.0 < 30.0);
    }

    #[test]
    fn rates_that_do_not_divide_each_other_are_refused() {
        for (from, to) in [(8_000, 8_000), (8_000, 44_100), (0, 8_000)] {
            assert!(Resampler::new(from, to).is_none());
        }
    }
}
