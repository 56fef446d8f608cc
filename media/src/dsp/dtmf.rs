//! Touch-tone digits in the voice: what they sound like, and how they are told from speech.
//!
//! Source: ITU-T Q.23 (frequencies), Q.24 (reception): at least 40 ms with pauses of at least 40 ms
//! are heard, what lasts less than 20 ms is not; ±1.5 % of frequency; −29 dBm0 is loud enough; the
//! two tones of a key may differ by some decibels.

use super::goertzel::{Goertzel, peak};

/// The lower frequency of each row of keys.
pub const ROWS_HZ: [u16; 4] = [697, 770, 852, 941];
/// The higher frequency of each column.
pub const COLUMNS_HZ: [u16; 4] = [1_209, 1_336, 1_477, 1_633];
/// The keys, row by row.
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Samples of a block: narrow enough to tell rows apart, short enough to see twice in 40 ms.
const BLOCK: u16 = 102;
const BLOCK_US: u64 = 12_750;
/// Each tone is at least so loud.
const LEVEL_DBM0: f32 = -34.0;
/// The column may be louder by 8 dB, the row by 4 dB (long lines take from the high end).
const TWIST_NORMAL: f32 = 6.3;
const TWIST_REVERSE: f32 = 2.5;
/// Each tone stands out of its group by 8 dB.
const STANDS_OUT: f32 = 6.3;
/// Both together are so much of everything that is heard: speech has more around them.
const SHARE: f32 = 0.76;
/// Blocks in a row that begin a key or end it.
const BLOCKS_MIN: u32 = 2;

/// The two frequencies of a key; `None` for what has none, such as a hook flash.
#[must_use]
pub fn frequencies_hz(key: char) -> Option<[u16; 2]> {
    let rows = KEYS.iter().zip(ROWS_HZ);
    let mut keys = rows.flat_map(|(keys, row)| {
        keys.iter().zip(COLUMNS_HZ).map(move |(key, column)| (*key, [row, column]))
    });
    keys.find(|(known, _)| *known == key).map(|(_, pair)| pair)
}

/// What was heard of keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Press {
    /// A key went down.
    Down(char),
    /// It came up after so many microseconds.
    Up(char, u64),
}

/// Listens for keys in samples of 8 kHz.
#[derive(Clone, Debug)]
pub struct Listener {
    rows: [Goertzel; 4],
    columns: [Goertzel; 4],
    energy: f32,
    filled: u16,
    /// What the last block was, and how many blocks in a row.
    last: Option<char>,
    blocks: u32,
    /// The key that is down, for how many blocks, and how many of the last ones it was missing.
    down: Option<(char, u64, u32)>,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            rows: ROWS_HZ.map(Goertzel::new),
            columns: COLUMNS_HZ.map(Goertzel::new),
            energy: 0.0,
            filled: 0,
            last: None,
            blocks: 0,
            down: None,
        }
    }
}

impl Listener {
    /// Takes a sample.
    pub fn push(&mut self, sample: i16) -> Option<Press> {
        let sample = f32::from(sample);
        self.energy += sample * sample;
        for tone in self.rows.iter_mut().chain(&mut self.columns) {
            tone.push(sample);
        }
        self.filled += 1;
        if self.filled < BLOCK {
            return None;
        }
        self.filled = 0;
        let key = self.judge();
        self.follow(key)
    }

    /// The key of the block.
    fn judge(&mut self) -> Option<char> {
        let energy = std::mem::take(&mut self.energy);
        let rows = self.rows.each_mut().map(Goertzel::take);
        let columns = self.columns.each_mut().map(Goertzel::take);
        let (row, low) = outstanding(&rows)?;
        let (column, high) = outstanding(&columns)?;
        let half = f32::from(BLOCK) / 2.0;
        let least = (peak(LEVEL_DBM0) * half).powi(2);
        let is_loud = low >= least && high >= least;
        let is_balanced = high <= low * TWIST_NORMAL && low <= high * TWIST_REVERSE;
        let is_pure = low + high >= SHARE * energy * half;
        let key = KEYS.get(row)?.get(column).copied();
        key.filter(|_| is_loud && is_balanced && is_pure)
    }

    fn follow(&mut self, key: Option<char>) -> Option<Press> {
        self.blocks = if key == self.last { self.blocks.saturating_add(1) } else { 1 };
        self.last = key;
        if let Some((pressed, lasted, missing)) = &mut self.down {
            if key == Some(*pressed) {
                *lasted += 1 + u64::from(*missing);
                *missing = 0;
                return None;
            }
            *missing += 1;
            if *missing < BLOCKS_MIN {
                return None;
            }
            let up = Press::Up(*pressed, *lasted * BLOCK_US);
            self.down = None;
            return Some(up);
        }
        let pressed = key.filter(|_| self.blocks >= BLOCKS_MIN)?;
        self.down = Some((pressed, u64::from(BLOCKS_MIN), 0));
        Some(Press::Down(pressed))
    }
}

/// The strongest of a group, if it stands out.
fn outstanding(powers: &[f32; 4]) -> Option<(usize, f32)> {
    let (best, power) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let mut others = powers.iter().enumerate().filter(|(index, _)| *index != best);
    others.all(|(_, other)| power > other * STANDS_OUT).then_some((best, power))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const ALL: &str = "123A456B789C*0#D";

    struct Sound {
        /// Levels of row and column, dBm0.
        levels: [f64; 2],
        /// Factors of their frequencies.
        offsets: [f64; 2],
        milliseconds: usize,
        pause_ms: usize,
    }

    const PLAIN: Sound =
        Sound { levels: [-10.0, -8.0], offsets: [1.0; 2], milliseconds: 50, pause_ms: 50 };

    fn press(key: char, sound: &Sound, out: &mut Vec<i16>) {
        let pair = frequencies_hz(key).unwrap();
        for n in 0..sound.milliseconds * 8 {
            let tone = |index: usize| {
                let hz = f64::from(pair[index]) * sound.offsets[index];
                let peak = 22_300.0 * 10f64.powf(sound.levels[index] / 20.0);
                peak * (TAU * hz * n as f64 / 8_000.0).sin()
            };
            out.push((tone(0) + tone(1)) as i16);
        }
        out.resize(out.len() + sound.pause_ms * 8, 0);
    }

    fn heard(samples: &[i16]) -> String {
        let mut listener = Listener::default();
        let presses = samples.iter().filter_map(|sample| listener.push(*sample));
        let down = presses.filter_map(|press| match press {
            Press::Down(key) => Some(key),
            Press::Up(..) => None,
        });
        down.collect()
    }

    fn dialled(sound: &Sound) -> String {
        let mut samples = vec![0; 33];
        ALL.chars().for_each(|key| press(key, sound, &mut samples));
        heard(&samples)
    }

    #[test]
    fn every_key_is_heard_once_down_and_once_up() {
        let mut samples = Vec::new();
        ALL.chars().for_each(|key| press(key, &PLAIN, &mut samples));
        let mut listener = Listener::default();
        let presses: Vec<Press> =
            samples.iter().filter_map(|sample| listener.push(*sample)).collect();
        assert_eq!(presses.len(), 32);
        for (key, pair) in ALL.chars().zip(presses.chunks(2)) {
            assert_eq!(pair[0], Press::Down(key));
            let Press::Up(up, lasted_us) = pair[1] else { panic!("{pair:?}") };
            assert_eq!(up, key);
            assert!((25_000..=65_000).contains(&lasted_us), "{key} {lasted_us}");
        }
    }

    #[test]
    fn forty_milliseconds_are_enough_and_twenty_are_not() {
        assert_eq!(dialled(&Sound { milliseconds: 40, pause_ms: 40, ..PLAIN }), ALL);
        assert_eq!(dialled(&Sound { milliseconds: 18, ..PLAIN }), "");
    }

    #[test]
    fn levels_from_0_to_minus_29_are_heard_and_whispers_are_not() {
        for level in [-3.0, -20.0, -29.0] {
            assert_eq!(dialled(&Sound { levels: [level; 2], ..PLAIN }), ALL, "{level}");
        }
        assert_eq!(dialled(&Sound { levels: [-50.0; 2], ..PLAIN }), "");
    }

    #[test]
    fn frequencies_may_be_off_by_one_and_a_half_percent_but_not_by_much_more() {
        for offset in [0.985, 1.015] {
            assert_eq!(dialled(&Sound { offsets: [offset; 2], ..PLAIN }), ALL, "{offset}");
        }
        for offset in [0.94, 1.06] {
            assert_eq!(dialled(&Sound { offsets: [offset; 2], ..PLAIN }), "", "{offset}");
        }
    }

    #[test]
    fn the_tones_of_a_key_may_differ_by_some_decibels() {
        assert_eq!(dialled(&Sound { levels: [-14.0, -8.0], ..PLAIN }), ALL);
        assert_eq!(dialled(&Sound { levels: [-8.0, -11.0], ..PLAIN }), ALL);
        assert_eq!(dialled(&Sound { levels: [-24.0, -8.0], ..PLAIN }), "");
        assert_eq!(dialled(&Sound { levels: [-8.0, -20.0], ..PLAIN }), "");
    }

    #[test]
    fn one_tone_alone_is_no_key() {
        assert_eq!(dialled(&Sound { levels: [-10.0, -90.0], ..PLAIN }), "");
        assert_eq!(dialled(&Sound { levels: [-90.0, -10.0], ..PLAIN }), "");
    }

    /// Voiced sounds: harmonics of a gliding pitch under formants, in syllables.
    fn speech(seconds: usize) -> Vec<i16> {
        let mut phases = [0f64; 40];
        let mut noise = 12_345u32;
        (0..seconds * 8_000)
            .map(|n| {
                let t = n as f64 / 8_000.0;
                let pitch = 110.0 + 60.0 * (TAU * 0.37 * t).sin() + 25.0 * (TAU * 2.3 * t).sin();
                let formants = [
                    500.0 + 300.0 * (TAU * 0.9 * t).sin(),
                    1_400.0 + 500.0 * (TAU * 0.7 * t).cos(),
                    2_500.0,
                ];
                let syllable = (TAU * 2.0 * t).sin().max(0.0);
                let mut sum = 0.0;
                for (index, phase) in phases.iter_mut().enumerate() {
                    let hz = pitch * (index + 1) as f64;
                    if hz > 3_400.0 {
                        continue;
                    }
                    *phase += TAU * hz / 8_000.0;
                    let near = |formant: f64| 1.0 / (1.0 + ((hz - formant) / 90.0).powi(2));
                    sum += phase.sin() * formants.iter().map(|formant| near(*formant)).sum::<f64>();
                }
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = f64::from(noise >> 16) / 65_536.0 - 0.5;
                (sum * syllable * 5_000.0 + hiss * 300.0) as i16
            })
            .collect()
    }

    #[test]
    fn a_minute_of_speech_presses_no_key() {
        assert_eq!(heard(&speech(60)), "");
    }

    #[test]
    fn keys_are_heard_in_noise() {
        let mut samples = Vec::new();
        ALL.chars().for_each(|key| press(key, &PLAIN, &mut samples));
        let mut noise = 99u32;
        for sample in &mut samples {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // 15 dB below the keys.
            *sample += ((f64::from(noise >> 16) / 65_536.0 - 0.5) * 4_000.0) as i16;
        }
        assert_eq!(heard(&samples), ALL);
    }
}
