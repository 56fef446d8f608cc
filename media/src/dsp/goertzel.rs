//! The power of single frequencies in a block of samples.

use std::f32::consts::TAU;

use super::tone::RATE_HZ;

/// Follows one frequency through a block.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Goertzel {
    coefficient: f32,
    last: f32,
    before: f32,
}

impl Goertzel {
    /// Follows a frequency below 4 kHz in samples of 8 kHz.
    #[must_use]
    pub fn new(frequency_hz: u16) -> Self {
        let turn = TAU * f32::from(frequency_hz) / f32::from(RATE_HZ);
        Self { coefficient: 2.0 * turn.cos(), last: 0.0, before: 0.0 }
    }

    /// Takes a sample.
    pub fn push(&mut self, sample: f32) {
        let next = sample + self.coefficient * self.last - self.before;
        self.before = self.last;
        self.last = next;
    }

    /// The power so far, and begins anew. A sine of amplitude a in n samples gives (a·n/2)².
    pub fn take(&mut self) -> f32 {
        let (last, before) = (self.last, self.before);
        (self.last, self.before) = (0.0, 0.0);
        last * last + before * before - self.coefficient * last * before
    }
}

/// Peak of a sine at 0 dBm0: 3.17 dB below the limit of G.711 µ-law.
const PEAK_AT_0_DBM0: f32 = 22_300.0;

/// The peak of a sine at a level.
#[must_use]
pub fn peak(dbm0: f32) -> f32 {
    PEAK_AT_0_DBM0 * 10f32.powf(dbm0 / 20.0)
}

/// The energy (sum of squares) of so many samples of a sine at a level.
#[must_use]
pub fn energy(dbm0: f32, samples: u16) -> f32 {
    peak(dbm0).powi(2) * f32::from(samples) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_power_of_a_sine_is_found_at_its_frequency_and_nowhere_else() {
        let (mut right, mut wrong) = (Goertzel::new(1_000), Goertzel::new(1_400));
        for n in 0..200u16 {
            let sample = 1_000.0 * (TAU * 1_000.0 * f32::from(n) / 8_000.0).sin();
            right.push(sample);
            wrong.push(sample);
        }
        let full = (1_000.0f32 * 100.0).powi(2);
        assert!((right.take() / full - 1.0).abs() < 0.01);
        assert!(wrong.take() / full < 0.01);
        assert!(right.take() < 1e-6);
    }

    #[test]
    fn levels_are_those_of_the_field() {
        assert!((peak(0.0) - 22_300.0).abs() < 1.0);
        assert!((energy(-20.0, 200) / (2_230.0f32.powi(2) * 100.0) - 1.0).abs() < 0.01);
    }
}
