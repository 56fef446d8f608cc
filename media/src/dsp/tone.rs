//! Call progress tones: their cadences, and the oscillators that play them.
//!
//! Source: ITU-T E.180, E.182; the countries' own are in `national`.

use std::f64::consts::TAU;
use std::time::Duration;

pub use super::national::Country;

/// Samples a second of everything here.
pub const RATE_HZ: u16 = 8_000;

/// A call progress tone, played with the cadence of the configured country.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tone {
    /// The exchange waits for digits.
    Dial,
    /// The called party is alerted.
    Ringback,
    /// The called party is busy.
    Busy,
    /// The network is congested.
    Congestion,
    /// The number is none, or cannot be reached: three rising frequencies.
    SpecialInformation,
    /// A feature was switched as asked: three short bursts of the dial tone, then silence.
    Confirmation,
    /// What a held party hears: soft chords.
    Hold,
    /// The conversation is being recorded: 1400 Hz every 15 seconds.
    Beep,
    /// Give the number of a card: `#`, then a fading tone.
    Billing,
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
/// Peak of a part of a custom tone at full volume: four together do not clip.
const AMPLITUDE_PART: u32 = 8_000;
const RAMP: u32 = 32;
const RAMP_HOLD: u32 = 4_000;

const fn piece(first_hz: u16, second_hz: u16, milliseconds: u32) -> Segment {
    Segment { frequencies_hz: [first_hz, second_hz, 0], samples: milliseconds * 8 }
}

const fn chord(frequencies_hz: [u16; 3]) -> Segment {
    Segment { frequencies_hz, samples: 2_500 * 8 }
}

/// C, A minor, F, G, swelling and fading: unmistakably not a dead line.
const HOLD: [Segment; 4] = [
    chord([262, 330, 392]),
    chord([220, 262, 330]),
    chord([175, 220, 262]),
    chord([196, 247, 294]),
];

const BEEP: [Segment; 2] = [piece(1_400, 0, 500), piece(0, 0, 14_500)];
const BILLING: [Segment; 2] = [piece(941, 1_477, 60), piece(350, 440, 940)];

/// The cadence of a tone in a country.
#[must_use]
pub fn pattern(country: Country, tone: Tone) -> Pattern {
    let segments = match tone {
        Tone::Hold => {
            return Pattern { segments: &HOLD, amplitude: AMPLITUDE_HOLD, ramp: RAMP_HOLD };
        }
        Tone::Billing => &BILLING,
        _ => country.cadence(tone).unwrap_or(&BEEP),
    };
    // A continuous tone must not pulse where its only segment begins again.
    let ramp = if segments.len() == 1 { 0 } else { RAMP };
    Pattern { segments, amplitude: AMPLITUDE, ramp }
}

impl Tone {
    /// How long the cadence lasts before it begins again.
    #[must_use]
    pub fn cycle(self, country: Country) -> Duration {
        let samples: u64 =
            pattern(country, self).segments.iter().map(|segment| u64::from(segment.samples)).sum();
        Duration::from_millis(samples / 8)
    }
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

/// One sample of two frequencies.
#[must_use]
pub fn pure(sines: &SineTable, frequencies_hz: [u16; 2], sample: u32, amplitude: i32) -> i16 {
    let sum: i32 = frequencies_hz.iter().map(|hz| (sines.at(*hz, sample) * amplitude) >> 15).sum();
    i16::try_from(sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX))).unwrap_or_default()
}

/// A part of a custom tone, LINEGENERATETONE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Partial {
    /// Its frequency; what telephony cannot carry (from 4 kHz on) is silent.
    pub frequency_hz: u16,
    /// How long it sounds.
    pub on: Duration,
    /// How long it pauses then; zero for a continuous tone.
    pub off: Duration,
    /// 0 to 65535.
    pub volume: u16,
}

/// Parts that sound together, each with its own cadence.
#[derive(Clone, Debug)]
pub struct Chord {
    parts: Vec<Part>,
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    frequency_hz: u16,
    on: u64,
    cycle: u64,
    amplitude: i32,
}

impl Chord {
    /// Starts at the beginning of all cadences.
    #[must_use]
    pub fn new(parts: Vec<Partial>) -> Self {
        let samples = |time: Duration| u64::try_from(time.as_millis() * 8).unwrap_or(u64::MAX / 4);
        let part = |part: &Partial| {
            let (on, off) = (samples(part.on), samples(part.off));
            // Without a pause it never stops, however short it was said to sound.
            let on = if off == 0 { 1 } else { on };
            let amplitude = u32::from(part.volume) * AMPLITUDE_PART / u32::from(u16::MAX);
            let is_audible = part.frequency_hz < RATE_HZ / 2;
            Part {
                frequency_hz: if is_audible { part.frequency_hz } else { 0 },
                on,
                cycle: (on + off).max(1),
                amplitude: i32::try_from(amplitude).unwrap_or_default(),
            }
        };
        Self { parts: parts.iter().map(part).collect(), clock: 0 }
    }

    /// The next sample.
    pub fn next(&mut self, sines: &SineTable) -> i16 {
        let second = u64::from(RATE_HZ);
        let at = u32::try_from(self.clock % second).unwrap_or_default();
        let mut sum = 0i32;
        for part in &self.parts {
            if self.clock % part.cycle < part.on {
                sum += (sines.at(part.frequency_hz, at) * part.amplitude) >> 15;
            }
        }
        self.clock += 1;
        i16::try_from(sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Tone; 9] = [
        Tone::Dial,
        Tone::Ringback,
        Tone::Busy,
        Tone::Congestion,
        Tone::SpecialInformation,
        Tone::Confirmation,
        Tone::Hold,
        Tone::Beep,
        Tone::Billing,
    ];

    fn play(country: &str, tone: Tone, samples: usize) -> Vec<i16> {
        let sines = SineTable::new();
        let mut oscillator = Oscillator::new(pattern(Country::of_code(country), tone));
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
    fn ringback_sounds_and_pauses() {
        let samples = play("fr", Tone::Ringback, 8_000 * 5);
        assert!(share(&samples[800..8_800], 440.0) > 0.95);
        assert!(samples[12_000..40_000].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn double_tones_have_both_frequencies() {
        let samples = play("us", Tone::Busy, 4_000);
        assert!(share(&samples[400..2_400], 480.0) > 0.4);
        assert!(share(&samples[400..2_400], 620.0) > 0.4);
    }

    #[test]
    fn a_continuous_tone_has_no_seam() {
        let samples = play("de", Tone::Dial, 16_000);
        let step = samples.windows(2).map(|pair| (pair[1] - pair[0]).unsigned_abs()).max().unwrap();
        assert!(step < 2_000, "{step}");
        assert!(share(&samples[4_000..12_000], 425.0) > 0.99);
    }

    #[test]
    fn hold_is_heard_within_each_chord() {
        let samples = play("gb", Tone::Hold, 8_000 * 10);
        for chord in samples.chunks(20_000) {
            assert!(chord.iter().any(|sample| sample.unsigned_abs() > 1_500));
        }
    }

    #[test]
    fn no_tone_clips_and_every_country_has_all() {
        for country in Country::all() {
            for tone in ALL {
                let samples = play(country.code(), tone, 8_000);
                let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
                assert!((1_500..=15_100).contains(&peak), "{country:?} {tone:?} {peak}");
            }
        }
    }

    #[test]
    fn the_special_information_tone_rises() {
        let samples = play("fr", Tone::SpecialInformation, 8_000);
        for (piece, frequency) in samples.chunks(330 * 8).zip([950.0, 1_400.0, 1_800.0]) {
            assert!(share(&piece[100..2_500], frequency) > 0.95, "{frequency}");
        }
    }

    #[test]
    fn a_cycle_is_the_sum_of_a_cadence() {
        assert_eq!(Tone::Ringback.cycle(Country::of_code("fr")), Duration::from_secs(5));
        assert_eq!(Tone::Billing.cycle(Country::default()), Duration::from_secs(1));
        assert_eq!(Tone::Beep.cycle(Country::default()), Duration::from_secs(15));
    }

    #[test]
    fn the_parts_of_a_custom_tone_have_their_own_cadences() {
        let ms = Duration::from_millis;
        let part = |frequency_hz, on, off, volume| Partial {
            frequency_hz,
            on: ms(on),
            off: ms(off),
            volume,
        };
        let sines = SineTable::new();
        let mut chord = Chord::new(vec![
            part(600, 100, 100, 0xffff),
            part(1_000, 0, 0, 0x7fff),
            part(5_000, 0, 0, 0xffff),
        ]);
        let samples: Vec<i16> = (0..1_600).map(|_| chord.next(&sines)).collect();
        let (first, second) = samples.split_at(800);
        assert!(share(first, 600.0) > 0.75 && share(first, 1_000.0) > 0.15);
        assert!(share(second, 1_000.0) > 0.99 && share(second, 600.0) < 0.01);
        assert!((7_000..12_100).contains(&first.iter().max().copied().unwrap()));
    }
}
