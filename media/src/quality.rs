//! How well a party hears: the E-model of ITU-T G.107, with its defaults for everything that RTP does
//! not tell, and its estimate of a listener's opinion.
//!
//! A pure function of loss, bursts, jitter and delay. Sources: G.107 §7 and annex B for the formulas
//! and defaults, G.113 appendix I for the codecs.
//!
//! LIMIT: the narrowband scale for wideband codecs, too: 4.4 is the best of all.
//! LIMIT: the delay is that of one leg, phone to switch; the other leg adds its own.

use std::time::Duration;

use crate::plan::statistics::{DirectionStatistics, StreamStatistics};

/// Ro: the signal-to-noise ratio with all defaults (G.107 §7.2).
const SIGNAL_TO_NOISE: f64 = 94.769;
/// Is: what comes with the voice with all defaults (G.107 §7.3).
const SIMULTANEOUS: f64 = 1.414;
/// No: the noise power with all defaults, dBm0p (G.107 §7.2).
const NOISE_DBM0: f64 = -61.179;
/// RLR, TELR and WEPL: receive loudness, talker's echo loudness, weighted echo path loss (G.107
/// table 2).
const RECEIVE_LOUDNESS_DB: f64 = 2.0;
const ECHO_LOUDNESS_DB: f64 = 65.0;
const ECHO_PATH_LOSS_DB: f64 = 110.0;
/// Frames, look-ahead and the path inside the terminals.
const TERMINAL_MS: f64 = 35.0;
/// Playout buffers hold about so many times the jitter.
const BUFFER_JITTERS: f64 = 2.0;

/// How a codec bears what happens to its packets.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Robustness {
    /// Ie: what the codec itself costs.
    impairment: f64,
    /// Bpl: how well it bears random loss.
    loss: f64,
}

/// G.113 tables I.1 and I.4; receivers of G.711 conceal losses (its appendix I). G.722, Opus and the
/// unknown are not among them: between G.711 with concealment and without.
fn robustness(codec: &str) -> Robustness {
    let known = [
        ("PCMU", 0.0, 25.1),
        ("PCMA", 0.0, 25.1),
        ("G729", 11.0, 19.0),
        ("G723", 15.0, 16.1),
        ("GSM-EFR", 5.0, 10.0),
        ("GSM", 20.0, 10.0),
        ("opus", 0.0, 25.1),
    ];
    let found = known.into_iter().find(|(name, ..)| name.eq_ignore_ascii_case(codec));
    let (_, impairment, loss) = found.unwrap_or(("", 0.0, 20.0));
    Robustness { impairment, loss }
}

/// What was measured of one direction of a stream.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Measured {
    /// Packets that should have come.
    pub expected: u64,
    /// Those that did not.
    pub lost: u64,
    /// In how many pieces they were lost; 0 where nobody knows.
    pub bursts: u64,
    /// Interarrival jitter.
    pub jitter_ms: u32,
    /// To the peer and back.
    pub round_trip: Option<Duration>,
}

impl Measured {
    /// What we received from the peer; `None` before the first packet.
    #[must_use]
    pub fn received(stream: &StreamStatistics) -> Option<Self> {
        let DirectionStatistics { packets, lost, bursts, jitter_ms, .. } = stream.received;
        let (expected, round_trip) = (packets + lost, stream.round_trip);
        (packets > 0).then_some(Self { expected, lost, bursts, jitter_ms, round_trip })
    }

    /// What the peer received of us, as its reports say; `None` where nothing was sent or the peer
    /// reported nothing.
    #[must_use]
    pub fn sent(stream: &StreamStatistics) -> Option<Self> {
        let DirectionStatistics { packets, lost, jitter_ms, .. } = stream.sent;
        let measured = Self {
            expected: packets.max(lost),
            lost,
            bursts: 0,
            jitter_ms,
            round_trip: stream.round_trip,
        };
        (packets > 0 && stream.is_reported).then_some(measured)
    }

    /// The share of packets that were lost, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f64 {
        if self.expected == 0 { 0.0 } else { self.lost as f64 / self.expected as f64 }
    }

    /// The transmission rating R (G.107 equation 7-1), 0 to 93.2.
    #[must_use]
    pub fn rating(&self, codec: &str) -> f64 {
        let round_trip_ms = self.round_trip.map_or(0.0, |trip| trip.as_secs_f64() * 1_000.0);
        let one_way_ms =
            TERMINAL_MS + round_trip_ms / 2.0 + BUFFER_JITTERS * f64::from(self.jitter_ms);
        let rating = SIGNAL_TO_NOISE
            - SIMULTANEOUS
            - delay_impairment(one_way_ms)
            - self.equipment_impairment(codec);
        rating.clamp(0.0, 100.0)
    }

    /// The mean opinion score, 1.0 to 4.5 (G.107 equation B-4).
    #[must_use]
    pub fn mos(&self, codec: &str) -> f64 {
        opinion(self.rating(codec))
    }

    /// Ie-eff (G.107 equation 7-29).
    fn equipment_impairment(&self, codec: &str) -> f64 {
        let Robustness { impairment, loss: bearing } = robustness(codec);
        let loss_percent = 100.0 * self.loss();
        impairment
            + (95.0 - impairment) * loss_percent / (loss_percent / self.burst_ratio() + bearing)
    }

    /// BurstR: how long bursts are compared with those of random loss of the same share, from 1
    /// (G.107 §7.5): those are 1 / (1 − loss) long.
    fn burst_ratio(&self) -> f64 {
        let bursts = self.bursts.min(self.lost);
        if bursts == 0 {
            return 1.0;
        }
        let mean_length = self.lost as f64 / bursts as f64;
        (mean_length * (1.0 - self.loss())).max(1.0)
    }
}

/// MOS of a rating (G.107 equation B-4), which would fall below 1 for the lowest.
fn opinion(rating: f64) -> f64 {
    let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    score.clamp(1.0, 4.5)
}

/// Id: what a delay of so many milliseconds each way costs, with T = Ta = Tr / 2 (G.107 §7.4).
fn delay_impairment(one_way_ms: f64) -> f64 {
    talker_echo(one_way_ms) + listener_echo(2.0 * one_way_ms) + absolute_delay(one_way_ms)
}

/// Idte (G.107 equations 7-19 to 7-22, STMR not below 9 dB).
fn talker_echo(one_way_ms: f64) -> f64 {
    if one_way_ms < 1.0 {
        return 0.0;
    }
    let t = one_way_ms;
    let shaped = ((1.0 + t / 10.0) / (1.0 + t / 150.0)).log10();
    let terv = ECHO_LOUDNESS_DB - 40.0 * shaped + 6.0 * (-0.3 * t * t).exp();
    let re = 80.0 + 2.5 * (terv - 14.0);
    let roe = -1.5 * (NOISE_DBM0 - RECEIVE_LOUDNESS_DB);
    let half = (roe - re) / 2.0;
    (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-t).exp())
}

/// Idle (G.107 equations 7-25 and 7-26).
fn listener_echo(round_trip_ms: f64) -> f64 {
    let rle = 10.5 * (ECHO_PATH_LOSS_DB + 7.0) * (round_trip_ms + 1.0).powf(-0.25);
    let half = (SIGNAL_TO_NOISE - rle) / 2.0;
    half + (half * half + 169.0).sqrt()
}

/// Idd (G.107 equations 7-27 and 7-28).
fn absolute_delay(one_way_ms: f64) -> f64 {
    if one_way_ms <= 100.0 {
        return 0.0;
    }
    let x = (one_way_ms / 100.0).log2();
    let root = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(lost: u64, bursts: u64, jitter_ms: u32, round_trip_ms: u64) -> Measured {
        let round_trip = Some(Duration::from_millis(round_trip_ms));
        Measured { expected: 1_000, lost, bursts, jitter_ms, round_trip }
    }

    fn mos(measured: Measured) -> f64 {
        measured.mos("PCMU")
    }

    fn near(left: f64, right: f64, tolerance: f64) {
        assert!((left - right).abs() < tolerance, "{left} is not {right}");
    }

    /// G.107 §7.2 and §7.3 with the defaults of table 2, written down as they stand there.
    #[test]
    fn noise_and_what_comes_with_the_voice_are_those_of_the_formulas_with_all_defaults() {
        let (slr, rlr, ds, dr, stmr, ps, pr): (f64, f64, f64, f64, f64, f64, f64) =
            (8.0, 2.0, 3.0, 3.0, 15.0, 35.0, 35.0);
        let (nc, n_for, qdu, telr): (f64, f64, f64, f64) = (-70.0, -64.0, 1.0, 65.0);
        let olr = slr + rlr;
        let nos = ps - slr - ds - 100.0 + 0.004 * (ps - olr - ds - 14.0).powi(2);
        let pre = pr + 10.0 * (1.0 + 10f64.powf((10.0 - (stmr + dr)) / 10.0)).log10();
        let nor = rlr - 121.0 + pre + 0.008 * (pre - 35.0).powi(2);
        let power = |level: f64| 10f64.powf(level / 10.0);
        let no = 10.0 * (power(nc) + power(nos) + power(nor) + power(n_for + rlr)).log10();
        near(no, NOISE_DBM0, 0.001);
        let ro = 15.0 - 1.5 * (slr + no);
        near(ro, SIGNAL_TO_NOISE, 0.001);
        let x = (olr + 0.2 * (64.0 + no - rlr)) / 8.0;
        let iolr = 20.0 * ((1.0 + x.powi(8)).powf(1.0 / 8.0) - x);
        let stmro = -10.0 * (power(-stmr) + power(-telr)).log10();
        let ist = 12.0 * (1.0 + ((stmro - 13.0) / 6.0).powi(8)).powf(1.0 / 8.0)
            - 28.0 * (1.0 + ((stmro + 1.0) / 19.4).powi(35)).powf(1.0 / 35.0)
            - 13.0 * (1.0 + ((stmro - 3.0) / 33.0).powi(13)).powf(1.0 / 13.0)
            + 29.0;
        let q = 37.0 - 15.0 * qdu.log10();
        let g = 1.07 + 0.258 * q + 0.0602 * q * q;
        let y = (ro - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
        let z = 46.0 / 30.0 - g / 40.0;
        let iq = 15.0 * (1.0 + 10f64.powf(y) + 10f64.powf(z)).log10();
        near(iolr + ist + iq, SIMULTANEOUS, 0.001);
    }

    #[test]
    fn a_call_without_delay_and_loss_has_the_rating_and_the_score_of_g_107() {
        // G.107 §7.7: R = 93.2 with all default values; annex B: MOS 4.41.
        let rating = SIGNAL_TO_NOISE - SIMULTANEOUS - delay_impairment(0.0);
        near(rating, 93.2, 0.01);
        near(opinion(rating), 4.41, 0.005);
    }

    #[test]
    fn ratings_become_the_scores_of_annex_b() {
        // G.107 table B.1: lower limits of R and the mean opinion scores there.
        for (rating, score) in
            [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)]
        {
            near(opinion(rating), score, 0.01);
        }
        assert_eq!((opinion(0.0), opinion(3.0), opinion(100.0)), (1.0, 1.0, 4.5));
    }

    #[test]
    fn delay_alone_costs_nothing_to_100_ms_and_then_what_the_formula_says() {
        near(absolute_delay(100.0), 0.0, 1e-9);
        // x = 1: 25 (2^(1/6) − 3 (1 + 3^−6)^(1/6) + 2).
        near(absolute_delay(200.0), 3.044, 0.001);
        // x = 2: 25 (65^(1/6) − 3 (1 + (2/3)^6)^(1/6) + 2).
        near(absolute_delay(400.0), 24.070, 0.001);
        assert!(talker_echo(35.0) > 0.0 && talker_echo(35.0) < talker_echo(150.0));
    }

    #[test]
    fn loss_jitter_and_delay_each_cost_something_and_more_costs_more() {
        let best = mos(measured(0, 0, 0, 0));
        for worse in [
            [measured(10, 10, 0, 0), measured(50, 50, 0, 0), measured(200, 200, 0, 0)],
            [measured(0, 0, 20, 0), measured(0, 0, 60, 0), measured(0, 0, 200, 0)],
            [measured(0, 0, 0, 100), measured(0, 0, 0, 400), measured(0, 0, 0, 1_000)],
        ] {
            let scores = worse.map(mos);
            assert!(
                best > scores[0] && scores[0] > scores[1] && scores[1] > scores[2],
                "{scores:?}"
            );
        }
    }

    #[test]
    fn loss_costs_what_equation_7_29_says_by_codec_and_by_bursts() {
        // 95 · 5 / (5 + 25.1) for G.711 with concealment.
        near(measured(50, 0, 0, 0).equipment_impairment("PCMA"), 15.781, 0.001);
        // 11 + (95 − 11) · 2 / (2 + 19) for G.729A.
        near(measured(20, 0, 0, 0).equipment_impairment("g729"), 19.0, 0.001);
        // Five lost packets in a row each time: BurstR = 5 · 0.95.
        let bursts = measured(50, 10, 0, 0);
        near(bursts.burst_ratio(), 4.75, 0.001);
        near(bursts.equipment_impairment("PCMU"), 475.0 / (5.0 / 4.75 + 25.1), 0.001);
        assert!(mos(bursts) < mos(measured(50, 50, 0, 0)));
    }

    #[test]
    fn nothing_is_said_of_what_nobody_measured() {
        let mut stream = StreamStatistics::default();
        assert_eq!((Measured::received(&stream), Measured::sent(&stream)), (None, None));
        stream.sent.packets = 10;
        assert_eq!(Measured::sent(&stream), None, "no report of the peer");
        stream.is_reported = true;
        assert!(Measured::sent(&stream).is_some());
        assert_eq!(mos(Measured { expected: 5, lost: 5, ..Measured::default() }).round(), 1.0);
    }
}
