//! The tones of the field, country by country.
//!
//! Source: ITU-T E.180 and its supplement 2, the list of national tones (operational bulletin
//! No. 781). A tone that is modulated there has its two sidebands here. Where a country's list
//! names several, the first.

use super::tone::{Segment, Tone};

/// Whose tones are played: a row of the table. The default is E.180's recommendation, 425 Hz.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Country(usize);

impl Country {
    /// Reads an ISO 3166 code in either case; countries that are not in the table have the
    /// recommended tones.
    #[must_use]
    pub fn of_code(code: &str) -> Self {
        let is_it = |known: &&str| known.eq_ignore_ascii_case(code);
        Self::find(|row| row.codes.iter().any(&is_it))
    }

    /// Reads a country calling code (ITU-T E.164).
    #[must_use]
    pub fn of_calling_code(code: u16) -> Self {
        Self::find(|row| row.calling_code == code)
    }

    /// All countries of the table, the recommendation first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NATIONAL.len()).map(Self)
    }

    /// The ISO 3166 code; empty for the recommendation.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().codes.first().copied().unwrap_or_default()
    }

    fn find(is_it: impl Fn(&National) -> bool) -> Self {
        let mut rows = NATIONAL.iter().enumerate().skip(1);
        rows.find(|(_, row)| is_it(row)).map_or_else(Self::default, |(index, _)| Self(index))
    }

    fn row(self) -> &'static National {
        let [recommended, ..] = &NATIONAL;
        NATIONAL.get(self.0).unwrap_or(recommended)
    }

    /// The cadence of a tone that countries have of their own; `None` for all others.
    pub(super) fn cadence(self, tone: Tone) -> Option<&'static [Segment]> {
        let row = self.row();
        Some(match tone {
            Tone::Dial => row.dial,
            Tone::Ringback => row.ringback,
            Tone::Busy => row.busy,
            Tone::Congestion => row.congestion,
            Tone::SpecialInformation => row.special,
            Tone::Confirmation => row.confirmation,
            Tone::Hold | Tone::Beep | Tone::Billing => return None,
        })
    }
}

/// The tones of one country.
struct National {
    codes: &'static [&'static str],
    calling_code: u16,
    dial: &'static [Segment],
    ringback: &'static [Segment],
    busy: &'static [Segment],
    congestion: &'static [Segment],
    special: &'static [Segment],
    confirmation: &'static [Segment],
}

type Frequencies = [u16; 3];

const F400: Frequencies = [400, 0, 0];
const F425: Frequencies = [425, 0, 0];
const F440: Frequencies = [440, 0, 0];
const F450: Frequencies = [450, 0, 0];
const NORTH_AMERICAN_DIAL: Frequencies = [350, 440, 0];
const NORTH_AMERICAN_RING: Frequencies = [440, 480, 0];
const NORTH_AMERICAN_BUSY: Frequencies = [480, 620, 0];
const BRITISH_RING: Frequencies = [400, 450, 0];

const fn on(frequencies_hz: Frequencies, milliseconds: u32) -> Segment {
    Segment { frequencies_hz, samples: milliseconds * 8 }
}

const fn off(milliseconds: u32) -> Segment {
    on([0; 3], milliseconds)
}

/// On and off.
const fn pulse(frequencies_hz: Frequencies, sounds_ms: u32, pauses_ms: u32) -> [Segment; 2] {
    [on(frequencies_hz, sounds_ms), off(pauses_ms)]
}

const fn steady(frequencies_hz: Frequencies) -> [Segment; 1] {
    [on(frequencies_hz, 1_000)]
}

/// Two short rings, as in Britain.
const fn double(frequencies_hz: Frequencies) -> [Segment; 4] {
    [on(frequencies_hz, 400), off(200), on(frequencies_hz, 400), off(2_000)]
}

/// E.180 §7: three rising frequencies, a third of a second each.
const fn rising(frequencies_hz: [u16; 3]) -> [Segment; 4] {
    let [low, middle, high] = frequencies_hz;
    [on([low, 0, 0], 330), on([middle, 0, 0], 330), on([high, 0, 0], 330), off(1_000)]
}

/// E.180 §9: positive indication; what follows the bursts lasts longer than anybody listens.
const fn bursts(frequencies_hz: Frequencies) -> [Segment; 6] {
    let burst = on(frequencies_hz, 100);
    [burst, off(100), burst, off(100), burst, off(10_000)]
}

const SPECIAL: &[Segment] = &rising([950, 1_400, 1_800]);

/// A row whose dial tone is steady, and whose special information tone is E.180's.
macro_rules! national {
    ($codes:expr, $calling:expr, $dial:expr, $ringback:expr, $busy:expr, $congestion:expr) => {
        National {
            codes: &$codes,
            calling_code: $calling,
            dial: &steady($dial),
            ringback: &$ringback,
            busy: &$busy,
            congestion: &$congestion,
            special: SPECIAL,
            confirmation: &bursts($dial),
        }
    };
}

/// What most of the world does: 425 Hz, a ring of one second, then four of silence.
macro_rules! usual {
    ($codes:expr, $calling:expr, busy $busy:expr, congestion $congestion:expr) => {
        national!(
            $codes,
            $calling,
            F425,
            pulse(F425, 1_000, 4_000),
            pulse(F425, $busy, $busy),
            pulse(F425, $congestion, $congestion)
        )
    };
}

static NATIONAL: [National; 40] = [
    usual!([], 0, busy 500, congestion 250),
    National {
        special: &rising([950, 1_450, 1_850]),
        ..national!(
            ["at"],
            43,
            [420, 0, 0],
            pulse([420, 0, 0], 1_000, 5_000),
            pulse([420, 0, 0], 400, 400),
            pulse([420, 0, 0], 200, 200)
        )
    },
    national!(
        ["au"],
        61,
        [413, 438, 0],
        double([413, 438, 0]),
        pulse(F425, 375, 375),
        [on(F425, 375), off(375)]
    ),
    National {
        special: &rising([900, 1_400, 1_800]),
        ..national!(
            ["be"],
            32,
            F425,
            pulse(F425, 1_000, 3_000),
            pulse(F425, 500, 500),
            pulse(F425, 167, 167)
        )
    },
    national!(
        ["br"],
        55,
        F425,
        pulse(F425, 1_000, 4_000),
        pulse(F425, 250, 250),
        [on(F425, 250), off(250), on(F425, 750), off(250)]
    ),
    usual!(["ch"], 41, busy 500, congestion 200),
    national!(
        ["cl"],
        56,
        F400,
        pulse(F400, 1_000, 3_000),
        pulse(F400, 500, 500),
        pulse(F400, 200, 200)
    ),
    national!(
        ["cn"],
        86,
        F450,
        pulse(F450, 1_000, 4_000),
        pulse(F450, 350, 350),
        pulse(F450, 700, 700)
    ),
    National {
        dial: &[on(F425, 330), off(330), on(F425, 660), off(660)],
        ..usual!(["cz"], 420, busy 330, congestion 165)
    },
    National {
        special: &rising([900, 1_400, 1_800]),
        ..usual!(["de"], 49, busy 480, congestion 240)
    },
    usual!(["dk"], 45, busy 500, congestion 200),
    usual!(["ee"], 372, busy 300, congestion 200),
    national!(
        ["es"],
        34,
        F425,
        pulse(F425, 1_500, 3_000),
        pulse(F425, 200, 200),
        [on(F425, 200), off(200), on(F425, 200), off(200), on(F425, 200), off(600)]
    ),
    usual!(["fi"], 358, busy 300, congestion 200),
    national!(
        ["fr"],
        33,
        F440,
        pulse(F440, 1_500, 3_500),
        pulse(F440, 500, 500),
        pulse(F440, 250, 250)
    ),
    national!(
        ["gb", "uk"],
        44,
        NORTH_AMERICAN_DIAL,
        double(BRITISH_RING),
        pulse(F400, 375, 375),
        [on(F400, 400), off(350), on(F400, 225), off(525)]
    ),
    National {
        dial: &[on(F425, 200), off(300), on(F425, 700), off(800)],
        ..usual!(["gr"], 30, busy 300, congestion 200)
    },
    national!(
        ["hu"],
        36,
        F425,
        pulse(F425, 1_250, 3_750),
        pulse(F425, 300, 300),
        pulse(F425, 300, 300)
    ),
    national!(
        ["il"],
        972,
        [414, 0, 0],
        pulse([414, 0, 0], 1_000, 3_000),
        pulse([414, 0, 0], 500, 500),
        pulse([414, 0, 0], 250, 250)
    ),
    national!(
        ["in"],
        91,
        [400, 375, 425],
        double([400, 375, 425]),
        pulse(F400, 750, 750),
        pulse(F400, 250, 250)
    ),
    National {
        dial: &[on(F425, 200), off(200), on(F425, 600), off(1_000)],
        ..usual!(["it"], 39, busy 500, congestion 200)
    },
    national!(
        ["jp"],
        81,
        F400,
        pulse([400, 385, 415], 1_000, 2_000),
        pulse(F400, 500, 500),
        pulse(F400, 500, 500)
    ),
    national!(
        ["kr"],
        82,
        NORTH_AMERICAN_DIAL,
        pulse(NORTH_AMERICAN_RING, 1_000, 2_000),
        pulse(NORTH_AMERICAN_BUSY, 500, 500),
        pulse(NORTH_AMERICAN_BUSY, 300, 200)
    ),
    usual!(["lt"], 370, busy 350, congestion 200),
    usual!(["mx"], 52, busy 250, congestion 250),
    national!(["my"], 60, F425, double(F425), pulse(F425, 500, 500), pulse(F425, 500, 500)),
    usual!(["nl"], 31, busy 500, congestion 250),
    usual!(["no"], 47, busy 500, congestion 200),
    national!(["nz"], 64, F400, double(BRITISH_RING), pulse(F400, 500, 500), pulse(F400, 250, 250)),
    national!(
        ["ph"],
        63,
        F425,
        pulse([425, 480, 0], 1_000, 4_000),
        pulse(NORTH_AMERICAN_BUSY, 500, 500),
        pulse(NORTH_AMERICAN_BUSY, 250, 250)
    ),
    usual!(["pl"], 48, busy 500, congestion 500),
    national!(
        ["pt"],
        351,
        F425,
        pulse(F425, 1_000, 5_000),
        pulse(F425, 500, 500),
        pulse(F425, 200, 200)
    ),
    usual!(["ru", "kz"], 7, busy 350, congestion 175),
    national!(
        ["se"],
        46,
        F425,
        pulse(F425, 1_000, 5_000),
        pulse(F425, 250, 250),
        pulse(F425, 250, 750)
    ),
    national!(
        ["sg"],
        65,
        F425,
        double([425, 401, 449]),
        pulse(F425, 750, 750),
        pulse(F425, 250, 250)
    ),
    national!(
        ["th"],
        66,
        F400,
        pulse(F400, 1_000, 4_000),
        pulse(F400, 500, 500),
        pulse(F400, 300, 300)
    ),
    national!(
        ["tr"],
        90,
        F450,
        pulse(F450, 2_000, 4_000),
        pulse(F450, 500, 500),
        [
            on(F450, 200),
            off(200),
            on(F450, 200),
            off(200),
            on(F450, 200),
            off(200),
            on(F450, 600),
            off(200)
        ]
    ),
    national!(
        ["tw"],
        886,
        NORTH_AMERICAN_DIAL,
        pulse(NORTH_AMERICAN_RING, 1_000, 2_000),
        pulse(NORTH_AMERICAN_BUSY, 500, 500),
        pulse(NORTH_AMERICAN_BUSY, 250, 250)
    ),
    national!(
        ["us", "ca"],
        1,
        NORTH_AMERICAN_DIAL,
        pulse(NORTH_AMERICAN_RING, 2_000, 4_000),
        pulse(NORTH_AMERICAN_BUSY, 500, 500),
        pulse(NORTH_AMERICAN_BUSY, 250, 250)
    ),
    national!(
        ["za"],
        27,
        [400, 367, 433],
        double([400, 367, 433]),
        pulse(F400, 500, 500),
        pulse(F400, 250, 250)
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_known_by_their_codes() {
        assert_eq!(Country::of_code("FR").code(), "fr");
        assert_eq!(Country::of_code("uk").code(), "gb");
        assert_eq!(Country::of_calling_code(1).code(), "us");
        assert_eq!(Country::of_calling_code(33), Country::of_code("fr"));
        for unknown in [Country::of_code("xx"), Country::of_code(""), Country::of_calling_code(0)] {
            assert_eq!(unknown, Country::default());
        }
        assert!(Country::all().count() > 35);
    }

    #[test]
    fn no_two_rows_are_one_country() {
        let mut codes: Vec<_> = NATIONAL.iter().map(|row| row.calling_code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), NATIONAL.len());
    }

    #[test]
    fn cadences_are_those_of_the_list() {
        let rows = [
            ("", 425, vec![1_000, 4_000], vec![500, 500], vec![250, 250]),
            ("fr", 440, vec![1_500, 3_500], vec![500, 500], vec![250, 250]),
            ("us", 440, vec![2_000, 4_000], vec![500, 500], vec![250, 250]),
            ("de", 425, vec![1_000, 4_000], vec![480, 480], vec![240, 240]),
            ("gb", 400, vec![400, 200, 400, 2_000], vec![375, 375], vec![400, 350, 225, 525]),
            ("es", 425, vec![1_500, 3_000], vec![200, 200], vec![200, 200, 200, 200, 200, 600]),
            ("se", 425, vec![1_000, 5_000], vec![250, 250], vec![250, 750]),
        ];
        for (code, frequency, ringback, busy, congestion) in rows {
            let times = |tone| {
                let segments = Country::of_code(code).cadence(tone).unwrap();
                segments.iter().map(|segment| segment.samples / 8).collect::<Vec<_>>()
            };
            assert_eq!(times(Tone::Ringback), ringback, "{code}");
            assert_eq!(times(Tone::Busy), busy, "{code}");
            assert_eq!(times(Tone::Congestion), congestion, "{code}");
            let first = Country::of_code(code).cadence(Tone::Ringback).unwrap()[0];
            assert_eq!(first.frequencies_hz[0], frequency, "{code}");
        }
    }

    #[test]
    fn the_special_information_tone_rises_everywhere() {
        for country in Country::all() {
            let segments = country.cadence(Tone::SpecialInformation).unwrap();
            let rising = segments.windows(2).take(2);
            for pair in rising {
                assert!(pair[0].frequencies_hz[0] < pair[1].frequencies_hz[0], "{country:?}");
            }
            let third_of_a_second = |segment: &Segment| segment.samples == 330 * 8;
            assert!(segments[..3].iter().all(third_of_a_second), "{country:?}");
        }
    }
}
