//! Call progress tones: frequencies and cadences by country, and the oscillator that plays them.
//!
//! Source: ITU-T E.180 and its list of national tones (operational bulletin No. 781); E.182.

use std::f64::consts::TAU;

/// Samples a second of everything here.
pub const RATE_HZ: u16 = 8_000;

/// Whose tones are played.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Country {
    /// E.180's recommendation: 425 Hz.
    #[default]
    Default,
    /// France.
    Fr,
    /// United States and Canada.
    Us,
    /// United Kingdom.
    Gb,
    /// Germany.
    De,
}

impl Country {
    /// Reads an ISO 3166 code in either case; unknown countries have the recommended tones.
    #[must_use]
    pub fn of_code(code: &str) -> Self {
        match code.to_ascii_lowercase().as_str() {
            "fr" => Self::Fr,
            "us" | "ca" => Self::Us,
            "gb" | "uk" => Self::Gb,
            "de" => Self::De,
            _ => Self::Default,
        }
    }
}

/// A call progress tone, played with the cadence of the configured country.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tone {
    /// The exchange waits for digits.
    Dial,
    /// The called party is alerted.
    Ringback,
    /// The called party is busy.
    Busy,
    /// The network is congested, or the number cannot be reached.
    Congestion,
    /// A feature was switched as asked: three short bursts of the dial tone, then silence.
    Confirmation,
    /// What a held party hears: soft chords.
    Hold,
}

/// A piece of a cadence: some frequencies together for a time. Without frequencies, silence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Whole hertz; 0 for none.
    pub frequencies_hz: [u16; 3],
    /// How long, in samples.
    pub samples: u32,
}

/// A cadence that repeats, and how loud each of its frequencies is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// Played in order, then again.
    pub segments: &'static [Segment],
    /// Peak of one frequency in 16-bit units.
    pub amplitude: i16,
    /// Samples of the rise and fall of each segment, so that nothing clicks.
    pub ramp: u32,
}

/// Two tones together reach the −13 dBm0 or so of one national tone at −10 dBm0.
const AMPLITUDE: i16 = 5_000;
const AMPLITUDE_HOLD: i16 = 1_300;
const RAMP: u32 = 32;
const RAMP_HOLD: u32 = 4_000;

const fn on(first_hz: u16, second_hz: u16, milliseconds: u32) -> Segment {
    Segment { frequencies_hz: [first_hz, second_hz, 0], samples: milliseconds * 8 }
}

const fn off(milliseconds: u32) -> Segment {
    Segment { frequencies_hz: [0; 3], samples: milliseconds * 8 }
}

const fn chord(frequencies_hz: [u16; 3]) -> Segment {
    Segment { frequencies_hz, samples: 2_500 * 8 }
}

/// E.180 §9: positive indication; what follows the bursts lasts longer than anybody listens.
const fn confirmation(first_hz: u16, second_hz: u16) -> [Segment; 6] {
    let burst = on(first_hz, second_hz, 100);
    [burst, off(100), burst, off(100), burst, off(10_000)]
}

/// The tones of one country, a row of its table.
struct National {
    country: Country,
    dial: &'static [Segment],
    ringback: &'static [Segment],
    busy: &'static [Segment],
    confirmation: &'static [Segment],
    congestion: &'static [Segment],
}

const NATIONAL: [National; 5] = [
    National {
        country: Country::Default,
        dial: &[on(425, 0, 1_000)],
        ringback: &[on(425, 0, 1_000), off(4_000)],
        busy: &[on(425, 0, 500), off(500)],
        confirmation: &confirmation(425, 0),
        congestion: &[on(425, 0, 250), off(250)],
    },
    National {
        country: Country::Fr,
        dial: &[on(440, 0, 1_000)],
        ringback: &[on(440, 0, 1_500), off(3_500)],
        busy: &[on(440, 0, 500), off(500)],
        confirmation: &confirmation(440, 0),
        congestion: &[on(440, 0, 250), off(250)],
    },
    National {
        country: Country::Us,
        dial: &[on(350, 440, 1_000)],
        ringback: &[on(440, 480, 2_000), off(4_000)],
        busy: &[on(480, 620, 500), off(500)],
        confirmation: &confirmation(350, 440),
        congestion: &[on(480, 620, 250), off(250)],
    },
    National {
        country: Country::Gb,
        dial: &[on(350, 440, 1_000)],
        ringback: &[on(400, 450, 400), off(200), on(400, 450, 400), off(2_000)],
        busy: &[on(400, 0, 375), off(375)],
        confirmation: &confirmation(350, 440),
        congestion: &[on(400, 0, 400), off(350), on(400, 0, 225), off(525)],
    },
    National {
        country: Country::De,
        dial: &[on(425, 0, 1_000)],
        ringback: &[on(425, 0, 1_000), off(4_000)],
        busy: &[on(425, 0, 480), off(480)],
        confirmation: &confirmation(425, 0),
        congestion: &[on(425, 0, 240), off(240)],
    },
];

/// C, A minor, F, G, swelling and fading: unmistakably not a dead line.
const HOLD: [Segment; 4] = [
    chord([262, 330, 392]),
    chord([220, 262, 330]),
    chord([175, 220, 262]),
    chord([196, 247, 294]),
];

/// The cadence of a tone in a country.
#[must_use]
pub fn pattern(country: Country, tone: Tone) -> Pattern {
    let [fallback, ..] = &NATIONAL;
    let national = NATIONAL.iter().find(|row| row.country == country).unwrap_or(fallback);
    let segments = match tone {
        Tone::Dial => national.dial,
        Tone::Ringback => national.ringback,
        Tone::Busy => national.busy,
        Tone::Congestion => national.congestion,
        Tone::Confirmation => national.confirmation,
        Tone::Hold => {
            return Pattern { segments: &HOLD, amplitude: AMPLITUDE_HOLD, ramp: RAMP_HOLD };
        }
    };
    // A continuous tone must not pulse where its only segment begins again.
    let ramp = if segments.len() == 1 { 0 } else { RAMP };
    Pattern { segments, amplitude: AMPLITUDE, ramp }
}

/// One second of a sine: every whole frequency is a walk through it, so that phases never drift.
pub struct SineTable(Box<[i16]>);

impl SineTable {
    /// Computes the table.
    #[must_use]
    pub fn new() -> Self {
        let step = TAU / f64::from(RATE_HZ);
        #[expect(clippy::cast_possible_truncation, reason = "a sine of at most 32767 fits")]
        let sample = |n: u16| ((f64::from(n) * step).sin() * 32_767.0) as i16;
        Self((0..RATE_HZ).map(sample).collect())
    }

    fn at(&self, frequency_hz: u16, sample: u32) -> i32 {
        let phase = u64::from(frequency_hz) * u64::from(sample) % u64::from(RATE_HZ);
        let phase = usize::try_from(phase).unwrap_or_default();
        self.0.get(phase).copied().map_or(0, i32::from)
    }
}

impl Default for SineTable {
    fn default() -> Self {
        Self::new()
    }
}

/// Plays a pattern sample by sample.
#[derive(Clone, Debug)]
pub struct Oscillator {
    pattern: Pattern,
    segment: usize,
    sample: u32,
    clock: u32,
}

impl Oscillator {
    /// Starts at the beginning of the pattern.
    #[must_use]
    pub fn new(pattern: Pattern) -> Self {
        Self { pattern, segment: 0, sample: 0, clock: 0 }
    }

    /// The next sample.
    pub fn next(&mut self, sines: &SineTable) -> i16 {
        let Some(segment) = self.pattern.segments.get(self.segment) else { return 0 };
        let level = self.envelope(segment);
        let mut sum = 0i32;
        for frequency_hz in segment.frequencies_hz {
            if frequency_hz != 0 {
                let sine = sines.at(frequency_hz, self.clock);
                sum += (sine * i32::from(self.pattern.amplitude)) >> 15;
            }
        }
        self.advance(segment.samples);
        let sample = (sum * level) >> 10;
        i16::try_from(sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX))).unwrap_or_default()
    }

    /// 0 at the edges of a segment, 1024 inside.
    fn envelope(&self, segment: &Segment) -> i32 {
        let from_edge = self.sample.min(segment.samples.saturating_sub(self.sample));
        if from_edge >= self.pattern.ramp {
            return 1_024;
        }
        i32::try_from(from_edge * 1_024 / self.pattern.ramp).unwrap_or(1_024)
    }

    fn advance(&mut self, length: u32) {
        // Whole frequencies repeat after a second.
        self.clock = (self.clock + 1) % u32::from(RATE_HZ);
        self.sample += 1;
        if self.sample >= length {
            self.sample = 0;
            self.segment = (self.segment + 1) % self.pattern.segments.len().max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Tone; 6] =
        [Tone::Dial, Tone::Ringback, Tone::Busy, Tone::Congestion, Tone::Confirmation, Tone::Hold];

    fn play(country: Country, tone: Tone, samples: usize) -> Vec<i16> {
        let sines = SineTable::new();
        let mut oscillator = Oscillator::new(pattern(country, tone));
        (0..samples).map(|_| oscillator.next(&sines)).collect()
    }

    /// Power of one frequency among the samples (Goertzel), relative to all power.
    fn share(samples: &[i16], frequency_hz: f64) -> f64 {
        let coefficient = 2.0 * (TAU * frequency_hz / f64::from(RATE_HZ)).cos();
        let (mut one, mut two) = (0.0, 0.0);
        for sample in samples {
            let next = f64::from(*sample) + coefficient * one - two;
            two = one;
            one = next;
        }
        let power = one * one + two * two - coefficient * one * two;
        let total: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        power / (total * samples.len() as f64 / 2.0)
    }

    #[test]
    fn cadences_are_those_of_the_table() {
        let rows = [
            (Country::Default, 425, [1_000, 4_000], [500, 500], [250, 250]),
            (Country::Fr, 440, [1_500, 3_500], [500, 500], [250, 250]),
            (Country::Us, 440, [2_000, 4_000], [500, 500], [250, 250]),
            (Country::De, 425, [1_000, 4_000], [480, 480], [240, 240]),
        ];
        for (country, frequency, ringback, busy, congestion) in rows {
            let times = |tone| {
                let segments = pattern(country, tone).segments;
                segments.iter().map(|segment| segment.samples / 8).collect::<Vec<_>>()
            };
            assert_eq!(times(Tone::Ringback), ringback);
            assert_eq!(times(Tone::Busy), busy);
            assert_eq!(times(Tone::Congestion), congestion);
            let first = pattern(country, Tone::Ringback).segments[0];
            assert_eq!(first.frequencies_hz[0], frequency);
        }
    }

    #[test]
    fn ringback_sounds_and_pauses() {
        let samples = play(Country::Fr, Tone::Ringback, 8_000 * 5);
        assert!(share(&samples[800..8_800], 440.0) > 0.95);
        assert!(samples[12_000..40_000].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn double_tones_have_both_frequencies() {
        let samples = play(Country::Us, Tone::Busy, 4_000);
        assert!(share(&samples[400..2_400], 480.0) > 0.4);
        assert!(share(&samples[400..2_400], 620.0) > 0.4);
    }

    #[test]
    fn a_continuous_tone_has_no_seam() {
        let samples = play(Country::De, Tone::Dial, 16_000);
        let step = samples.windows(2).map(|pair| (pair[1] - pair[0]).unsigned_abs()).max().unwrap();
        assert!(step < 2_000, "{step}");
        assert!(share(&samples[4_000..12_000], 425.0) > 0.99);
    }

    #[test]
    fn hold_is_heard_within_each_chord() {
        let samples = play(Country::Gb, Tone::Hold, 8_000 * 10);
        for chord in samples.chunks(20_000) {
            assert!(chord.iter().any(|sample| sample.unsigned_abs() > 1_500));
        }
    }

    #[test]
    fn no_tone_clips_and_every_country_has_all() {
        for country in [Country::Default, Country::Fr, Country::Us, Country::Gb, Country::De] {
            for tone in ALL {
                let samples = play(country, tone, 8_000);
                let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
                assert!((1_500..=10_100).contains(&peak), "{country:?} {tone:?} {peak}");
            }
        }
    }

    #[test]
    fn countries_are_known_by_their_codes() {
        assert_eq!(Country::of_code("FR"), Country::Fr);
        assert_eq!(Country::of_code("uk"), Country::Gb);
        assert_eq!(Country::of_code("xx"), Country::Default);
    }
}
