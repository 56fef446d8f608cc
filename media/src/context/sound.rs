//! Recordings: music for the held and parked, announcements.

use std::sync::Arc;

/// Samples a second that a recording may have.
pub const SOUND_RATES_HZ: [u32; 2] = [8_000, 16_000];

/// A recording in memory, mono.
#[derive(Clone, PartialEq, Eq)]
pub struct Sound {
    rate_hz: u32,
    samples: Arc<[i16]>,
}

/// Names a recording that the media plane keeps for treatments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SoundId(pub u32);

impl Sound {
    /// A recording; `None` if it is empty or its rate is none of [`SOUND_RATES_HZ`].
    #[must_use]
    pub fn new(rate_hz: u32, samples: Arc<[i16]>) -> Option<Self> {
        let is_playable = SOUND_RATES_HZ.contains(&rate_hz) && !samples.is_empty();
        is_playable.then_some(Self { rate_hz, samples })
    }

    /// Samples a second.
    #[must_use]
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// All samples.
    #[must_use]
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sound({} samples at {} Hz)", self.samples.len(), self.rate_hz)
    }
}

/// Reads a recording sample by sample.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    sound: Sound,
    at: usize,
    repeats: bool,
}

impl Reader {
    pub(super) fn new(sound: Sound, repeats: bool) -> Self {
        Self { sound, at: 0, repeats }
    }

    pub(super) fn rate_hz(&self) -> u32 {
        self.sound.rate_hz
    }

    /// True when everything was read; never of one that repeats.
    pub(super) fn is_over(&self) -> bool {
        self.at >= self.sound.samples.len()
    }

    /// The next sample; silence after the end.
    pub(super) fn next(&mut self) -> i16 {
        let Some(sample) = self.sound.samples.get(self.at).copied() else { return 0 };
        self.at += 1;
        if self.repeats && self.is_over() {
            self.at = 0;
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rates_that_can_be_played_are_taken() {
        let samples: Arc<[i16]> = Arc::new([1, 2]);
        assert!(Sound::new(8_000, Arc::clone(&samples)).is_some());
        assert!(Sound::new(16_000, Arc::clone(&samples)).is_some());
        assert!(Sound::new(44_100, samples).is_none());
        assert!(Sound::new(8_000, Arc::new([])).is_none());
    }

    #[test]
    fn a_recording_ends_or_begins_again() {
        let sound = Sound::new(8_000, Arc::new([1, 2])).unwrap();
        let mut once = Reader::new(sound.clone(), false);
        assert_eq!([once.next(), once.next(), once.next()], [1, 2, 0]);
        assert!(once.is_over());
        let mut again = Reader::new(sound, true);
        assert_eq!([again.next(), again.next(), again.next()], [1, 2, 1]);
        assert!(!again.is_over());
    }
}
