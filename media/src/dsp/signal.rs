//! Listens for tones, and for what kind of media is heard: voice, silence, fax machines.
//!
//! Blocks of 25 ms; all memory is taken when a listener is made.

use super::goertzel::{Goertzel, energy};

/// Samples of a block at 8 kHz.
const BLOCK: u16 = 200;
/// Milliseconds of a block.
pub const BLOCK_MS: u32 = 25;
/// Quieter blocks are silence.
const SILENT_DBM0: f32 = -45.0;
/// Louder ones may be voice or a tone.
const AUDIBLE_DBM0: f32 = -40.0;
/// The frequencies of a tone are so much of all that is heard.
const SHARE: f32 = 0.6;
/// And each of them so much.
const SHARE_OF_EACH: f32 = 0.1;
/// The fax frequencies, ITU-T T.30.
const FAX_HZ: [u16; 2] = [1_100, 2_100];
/// T.30: CNG lasts 0.5 s ± 15 %; phase reversals of V.8 cost no more than a block.
const FAX_BLOCKS: u32 = 16;
/// Two seconds.
const SILENCE_BLOCKS: u32 = 80;
/// Speech is never steady: so many of the last 32 blocks are audible and differ from the one before.
const VOICE_BLOCKS: u32 = 6;
/// 1 dB up or down is steady.
const STEADY: f32 = 1.26;

/// The kind of media that is heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No tone, and changing.
    Voice,
    /// Nothing.
    Silence,
    /// 1100 Hz.
    FaxCalling,
    /// 2100 Hz.
    FaxAnswering,
}

/// What a block brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sign {
    /// The tone at this place has lasted long enough.
    Tone(usize),
    /// Another kind of media.
    Kind(Kind),
}

/// A tone to be listened for.
#[derive(Clone, Debug)]
struct Wanted {
    /// As it was asked for.
    named_hz: [u16; 3],
    /// Places among the frequencies; none for silence.
    frequencies: Vec<usize>,
    /// Blocks that it must last.
    blocks: u32,
    lasted: u32,
}

/// Listens for tones and kinds in samples of 8 kHz.
#[derive(Clone, Debug)]
pub struct Listener {
    frequencies: Vec<Goertzel>,
    powers: Vec<f32>,
    tones: Vec<Wanted>,
    kinds: Option<Kinds>,
    energy: f32,
    filled: u16,
    /// Signs of the last block that were not taken yet.
    signs: Vec<Sign>,
}

#[derive(Clone, Debug, Default)]
struct Kinds {
    told: Option<Kind>,
    silent: u32,
    fax: [u32; 2],
    /// One bit for each of the last blocks: audible and not steady.
    lively: u32,
    before: f32,
}

impl Listener {
    /// Listens for tones of up to three frequencies (0: none) with the milliseconds that each must
    /// last, and for kinds of media.
    #[must_use]
    pub fn new(tones: &[([u16; 3], u64)], hears_kinds: bool) -> Self {
        let mut known: Vec<u16> = FAX_HZ.to_vec();
        let mut wanted = Vec::with_capacity(tones.len());
        for (frequencies_hz, milliseconds) in tones {
            let mut places = Vec::new();
            for hz in frequencies_hz.iter().copied().filter(|hz| *hz > 0) {
                let place = known.iter().position(|other| *other == hz).unwrap_or(known.len());
                if place == known.len() {
                    known.push(hz);
                }
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            let blocks = milliseconds.div_ceil(u64::from(BLOCK_MS)).max(1);
            let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
            wanted.push(Wanted {
                named_hz: *frequencies_hz,
                frequencies: places,
                blocks,
                lasted: 0,
            });
        }
        Self {
            powers: vec![0.0; known.len()],
            frequencies: known.into_iter().map(Goertzel::new).collect(),
            signs: Vec::with_capacity(wanted.len() + 1),
            tones: wanted,
            kinds: hears_kinds.then(Kinds::default),
            energy: 0.0,
            filled: 0,
        }
    }

    /// Takes over how long the tones have lasted that another listener was waiting for as well, and
    /// the kind of media that it has told.
    pub fn follow(&mut self, former: Self) {
        for tone in &mut self.tones {
            let is_same =
                |other: &&Wanted| (other.named_hz, other.blocks) == (tone.named_hz, tone.blocks);
            if let Some(same) = former.tones.iter().find(is_same) {
                tone.lasted = same.lasted;
            }
        }
        if self.kinds.is_some() && former.kinds.is_some() {
            self.kinds = former.kinds;
        }
    }

    /// Takes a sample; true if there are signs to be taken.
    pub fn push(&mut self, sample: i16) -> bool {
        let sample = f32::from(sample);
        self.energy += sample * sample;
        for frequency in &mut self.frequencies {
            frequency.push(sample);
        }
        self.filled += 1;
        if self.filled < BLOCK {
            return false;
        }
        self.filled = 0;
        self.judge();
        !self.signs.is_empty()
    }

    /// The next sign of the last block.
    pub fn take(&mut self) -> Option<Sign> {
        self.signs.pop()
    }

    fn judge(&mut self) {
        self.signs.clear();
        let all = std::mem::take(&mut self.energy);
        // Shares of everything that is heard, 1 for a pure tone.
        let whole = (all * f32::from(BLOCK) / 2.0).max(1.0);
        for (power, frequency) in self.powers.iter_mut().zip(&mut self.frequencies) {
            *power = frequency.take() / whole;
        }
        let is_silent = all < energy(SILENT_DBM0, BLOCK);
        let is_audible = all > energy(AUDIBLE_DBM0, BLOCK);
        for (place, tone) in self.tones.iter_mut().enumerate() {
            let is_there = if tone.frequencies.is_empty() {
                is_silent
            } else {
                is_audible && is_made_of(&self.powers, &tone.frequencies)
            };
            tone.lasted = if is_there { tone.lasted.saturating_add(1) } else { 0 };
            if tone.lasted == tone.blocks {
                self.signs.push(Sign::Tone(place));
            }
        }
        if let Some(kinds) = &mut self.kinds {
            let fax = [0, 1].map(|place| is_audible && is_made_of(&self.powers, &[place]));
            let now = kinds.judge(all, is_silent, is_audible, fax);
            self.signs.extend(now.map(Sign::Kind));
        }
    }
}

impl Kinds {
    /// The kind, if it is another one than was told last.
    fn judge(
        &mut self,
        all: f32,
        is_silent: bool,
        is_audible: bool,
        fax: [bool; 2],
    ) -> Option<Kind> {
        let is_steady = all < self.before * STEADY && all * STEADY > self.before;
        self.before = all;
        self.lively = self.lively << 1 | u32::from(is_audible && !is_steady);
        self.silent = if is_silent { self.silent.saturating_add(1) } else { 0 };
        for (lasted, is_there) in self.fax.iter_mut().zip(fax) {
            // One block that is not pure does not end it.
            *lasted = if is_there { lasted.saturating_add(1) } else { lasted.saturating_sub(8) };
        }
        let kind = if self.fax[0] >= FAX_BLOCKS {
            Kind::FaxCalling
        } else if self.fax[1] >= FAX_BLOCKS {
            Kind::FaxAnswering
        } else if self.silent >= SILENCE_BLOCKS {
            Kind::Silence
        } else if self.lively.count_ones() >= VOICE_BLOCKS {
            Kind::Voice
        } else {
            return None;
        };
        (self.told.replace(kind) != Some(kind)).then_some(kind)
    }
}

fn is_made_of(powers: &[f32], places: &[usize]) -> bool {
    let mut parts = places.iter().filter_map(|place| powers.get(*place));
    let together: f32 = parts.clone().sum();
    together >= SHARE && parts.all(|part| *part >= SHARE_OF_EACH)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(frequencies_hz: &[f64], milliseconds: usize) -> Vec<i16> {
        let sample = |n: usize| {
            let one = |hz: &f64| (TAU * hz * n as f64 / 8_000.0).sin() * 5_000.0;
            frequencies_hz.iter().map(one).sum::<f64>() as i16
        };
        (0..milliseconds * 8).map(sample).collect()
    }

    fn silence(milliseconds: usize) -> Vec<i16> {
        vec![0; milliseconds * 8]
    }

    fn signs(listener: &mut Listener, samples: &[i16]) -> Vec<Sign> {
        let mut signs = Vec::new();
        for sample in samples {
            if listener.push(*sample) {
                signs.extend(std::iter::from_fn(|| listener.take()));
            }
        }
        signs
    }

    #[test]
    fn a_tone_is_reported_once_when_it_has_lasted_long_enough() {
        let mut listener = Listener::new(&[([440, 0, 0], 300), ([350, 440, 0], 100)], false);
        assert_eq!(signs(&mut listener, &tone(&[440.0], 250)), []);
        assert_eq!(signs(&mut listener, &tone(&[440.0], 2_000)), [Sign::Tone(0)]);
        assert_eq!(signs(&mut listener, &silence(100)), []);
        assert_eq!(signs(&mut listener, &tone(&[440.0], 500)), [Sign::Tone(0)]);
        assert_eq!(signs(&mut listener, &tone(&[350.0, 440.0], 500)), [Sign::Tone(1)]);
        assert_eq!(signs(&mut listener, &tone(&[600.0], 500)), []);
    }

    #[test]
    fn close_frequencies_are_told_apart() {
        let mut listener = Listener::new(&[([440, 480, 0], 200)], false);
        assert_eq!(signs(&mut listener, &tone(&[440.0], 500)), []);
        assert_eq!(signs(&mut listener, &tone(&[440.0, 480.0], 500)), [Sign::Tone(0)]);
    }

    #[test]
    fn silence_is_a_tone_without_frequencies() {
        let mut listener = Listener::new(&[([0; 3], 500)], false);
        assert_eq!(signs(&mut listener, &tone(&[440.0], 600)), []);
        assert_eq!(signs(&mut listener, &silence(2_000)), [Sign::Tone(0)]);
    }

    #[test]
    fn fax_machines_are_known_by_their_tones() {
        let mut listener = Listener::new(&[], true);
        assert_eq!(signs(&mut listener, &tone(&[1_100.0], 500)), [Sign::Kind(Kind::FaxCalling)]);
        // The next burst of the same machine is nothing new.
        let mut call = silence(1_500);
        call.extend(tone(&[1_100.0], 500));
        assert_eq!(signs(&mut listener, &call), []);
        let answer = tone(&[2_100.0], 1_000);
        assert_eq!(signs(&mut listener, &answer), [Sign::Kind(Kind::FaxAnswering)]);
        assert_eq!(signs(&mut Listener::new(&[], true), &tone(&[1_000.0], 3_000)), []);
    }

    #[test]
    fn voice_and_silence_follow_each_other() {
        let mut noise = 7u32;
        let syllables: Vec<i16> = (0..16_000)
            .map(|n| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let level = (TAU * 3.0 * f64::from(n) / 8_000.0).sin().abs();
                ((f64::from(noise >> 16) / 65_536.0 - 0.5) * 8_000.0 * level) as i16
            })
            .collect();
        let mut listener = Listener::new(&[], true);
        assert_eq!(signs(&mut listener, &syllables), [Sign::Kind(Kind::Voice)]);
        assert_eq!(signs(&mut listener, &silence(3_000)), [Sign::Kind(Kind::Silence)]);
        assert_eq!(signs(&mut listener, &syllables), [Sign::Kind(Kind::Voice)]);
    }

    #[test]
    fn a_busy_tone_is_no_voice() {
        let mut listener = Listener::new(&[], true);
        for _ in 0..10 {
            assert_eq!(signs(&mut listener, &tone(&[425.0], 500)), []);
            assert_eq!(signs(&mut listener, &silence(500)), []);
        }
    }
}
