//! ITU-T G.722 at 64 kbit/s: 16 kHz samples ⇄ octets, two sub-bands of ADPCM.
//!
//! The arithmetic is that of the Recommendation's block diagrams; each step names its block. The
//! tables and the order of the steps follow the public domain implementation by Steve Underwood,
//! which is based on the one of the Speech Group, Computer Science, Carnegie Mellon University
//! (1993).

const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RL42: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
const WH: [i32; 3] = [0, -214, 798];
const RH2: [usize; 4] = [2, 1, 2, 1];
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
const QM4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
const Q6: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
    1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
const ILN: [u8; 32] = [
    0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11,
    10, 9, 8, 7, 6, 5, 4, 0,
];
const ILP: [u8; 32] = [
    0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39,
    38, 37, 36, 35, 34, 33, 32, 0,
];
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// One sub-band's predictor and quantizer scale.
#[derive(Clone, Debug, Default)]
struct Band {
    s: i32,
    sz: i32,
    r: [i32; 3],
    a: [i32; 3],
    p: [i32; 3],
    d: [i32; 7],
    b: [i32; 7],
    nb: i32,
    det: i32,
}

impl Band {
    fn lower() -> Self {
        Self { det: 32, ..Self::default() }
    }

    fn higher() -> Self {
        Self { det: 8, ..Self::default() }
    }

    /// Blocks 3L LOGSCL and SCALEL.
    fn scale_lower(&mut self, code: usize) {
        self.nb = (((self.nb * 127) >> 7) + WL[RL42[code & 15]]).clamp(0, 18_432);
        self.det = self.scale(8);
    }

    /// Blocks 3H LOGSCH and SCALEH.
    fn scale_higher(&mut self, code: usize) {
        self.nb = (((self.nb * 127) >> 7) + WH[RH2[code & 3]]).clamp(0, 22_528);
        self.det = self.scale(10);
    }

    fn scale(&self, exponent: i32) -> i32 {
        let mantissa = ILB[index(self.nb >> 6 & 31)];
        let shift = exponent - (self.nb >> 11);
        (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2
    }

    /// Block 4: the predictor takes the quantized difference.
    fn adapt(&mut self, difference: i32) {
        // RECONS, PARREC
        self.d[0] = difference;
        self.r[0] = saturate(self.s + difference);
        self.p[0] = saturate(self.sz + difference);
        let is_same = |a: i32, b: i32| (a < 0) == (b < 0);
        // UPPOL2
        let step = saturate(self.a[1] << 2);
        let step = if is_same(self.p[0], self.p[1]) { -step } else { step };
        let sign = if is_same(self.p[0], self.p[2]) { 128 } else { -128 };
        let second = (step.min(32_767) >> 7) + sign + ((self.a[2] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        // UPPOL1
        let step = if is_same(self.p[0], self.p[1]) { 192 } else { -192 };
        let limit = saturate(15_360 - second);
        let first = saturate(step + ((self.a[1] * 32_640) >> 15)).clamp(-limit, limit);
        // UPZERO
        let step = if difference == 0 { 0 } else { 128 };
        for (past, coefficient) in self.d.iter().zip(self.b.iter_mut()).skip(1) {
            let step = if is_same(*past, difference) { step } else { -step };
            *coefficient = saturate(step + ((*coefficient * 32_640) >> 15));
        }
        // DELAYA
        self.d.copy_within(..6, 1);
        self.r.copy_within(..2, 1);
        self.p.copy_within(..2, 1);
        self.a = [0, first, second];
        // FILTEP, FILTEZ, PREDIC
        let pole = |a: i32, r: i32| (a * saturate(r + r)) >> 15;
        let poles = saturate(pole(self.a[1], self.r[1]) + pole(self.a[2], self.r[2]));
        let zeros = self.d.iter().zip(&self.b).skip(1);
        self.sz = saturate(zeros.map(|(d, b)| (b * saturate(d + d)) >> 15).sum());
        self.s = saturate(poles + self.sz);
    }
}

/// Octets → samples.
#[derive(Clone, Debug)]
pub struct Decoder {
    lower: Band,
    higher: Band,
    history: [i32; 24],
}

impl Decoder {
    /// At rest.
    #[must_use]
    pub fn new() -> Self {
        Self { lower: Band::lower(), higher: Band::higher(), history: [0; 24] }
    }

    /// Decodes an octet into two samples at 16 kHz.
    pub fn decode(&mut self, octet: u8) -> [i16; 2] {
        let code = usize::from(octet);
        let (low, high) = (code & 0x3f, code >> 6);
        // Blocks 5L and 6L; 2L and on for the prediction, which uses four bits only.
        let value = self.lower.s + ((self.lower.det * QM6[low]) >> 15);
        let value_low = value.clamp(-16_384, 16_383);
        let difference = (self.lower.det * QM4[low >> 2]) >> 15;
        self.lower.scale_lower(low >> 2);
        self.lower.adapt(difference);
        // Blocks 2H, 5H and 6H.
        let difference = (self.higher.det * QM2[high]) >> 15;
        let value_high = (difference + self.higher.s).clamp(-16_384, 16_383);
        self.higher.scale_higher(high);
        self.higher.adapt(difference);
        // The receive QMF.
        self.history.copy_within(2.., 0);
        self.history[22] = value_low + value_high;
        self.history[23] = value_low - value_high;
        let (first, second) = filter(&self.history);
        [sample(first >> 11), sample(second >> 11)]
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Samples → octets.
#[derive(Clone, Debug)]
pub struct Encoder {
    lower: Band,
    higher: Band,
    history: [i32; 24],
}

impl Encoder {
    /// At rest.
    #[must_use]
    pub fn new() -> Self {
        Self { lower: Band::lower(), higher: Band::higher(), history: [0; 24] }
    }

    /// Encodes two samples at 16 kHz into an octet.
    pub fn encode(&mut self, first: i16, second: i16) -> u8 {
        // The transmit QMF.
        self.history.copy_within(2.., 0);
        self.history[22] = i32::from(first);
        self.history[23] = i32::from(second);
        let (even, odd) = filter(&self.history);
        let low = self.encode_lower((even + odd) >> 14);
        let high = self.encode_higher((even - odd) >> 14);
        high << 6 | low
    }

    fn encode_lower(&mut self, value: i32) -> u8 {
        // Blocks 1L SUBTRA and QUANTL.
        let error = saturate(value - self.lower.s);
        let magnitude = if error >= 0 { error } else { -(error + 1) };
        let det = self.lower.det;
        let levels = Q6.iter().skip(1);
        let level = 1 + levels.take_while(|level| magnitude >= (**level * det) >> 12).count();
        let code = if error < 0 { ILN[level & 31] } else { ILP[level & 31] };
        // Block 2L INVQAL.
        let coarse = usize::from(code >> 2);
        let difference = (det * QM4[coarse & 15]) >> 15;
        self.lower.scale_lower(coarse);
        self.lower.adapt(difference);
        code
    }

    fn encode_higher(&mut self, value: i32) -> u8 {
        // Blocks 1H SUBTRA and QUANTH.
        let error = saturate(value - self.higher.s);
        let magnitude = if error >= 0 { error } else { -(error + 1) };
        let is_large = magnitude >= (564 * self.higher.det) >> 12;
        let code: u8 = match (error < 0, is_large) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        // Block 2H INVQAH.
        let difference = (self.higher.det * QM2[usize::from(code)]) >> 15;
        self.higher.scale_higher(usize::from(code));
        self.higher.adapt(difference);
        code
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The quadrature mirror filter: its two halves over 24 values. The first of the results uses the
/// coefficients backwards.
fn filter(history: &[i32; 24]) -> (i32, i32) {
    let (mut first, mut second) = (0, 0);
    for ((pair, forward), backward) in history.chunks_exact(2).zip(&QMF).zip(QMF.iter().rev()) {
        if let [even, odd] = pair {
            second += even * forward;
            first += odd * backward;
        }
    }
    (first, second)
}

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

fn sample(value: i32) -> i16 {
    i16::try_from(saturate(value)).unwrap_or_default()
}

fn index(value: i32) -> usize {
    usize::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(frequency_hz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * frequency_hz / 16_000.0;
        (0..samples).map(|n| ((n as f64 * step).sin() * amplitude) as i16).collect()
    }

    fn through(samples: &[i16]) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let pairs = samples.chunks_exact(2);
        pairs.flat_map(|pair| decoder.decode(encoder.encode(pair[0], pair[1]))).collect()
    }

    /// Signal over noise in dB at the delay of the two filters, 22 samples.
    fn quality(frequency_hz: f64, amplitude: f64) -> f64 {
        let input = sine(frequency_hz, amplitude, 8_000);
        let output = through(&input);
        let (mut signal, mut noise) = (0.0, 0.0);
        for n in 2_000..7_900 {
            let (sent, heard) = (f64::from(input[n - 22]), f64::from(output[n]));
            signal += sent * sent;
            noise += (sent - heard).powi(2);
        }
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn a_tone_in_either_band_survives() {
        for (frequency, least) in [(300.0, 25.0), (1_000.0, 25.0), (3_000.0, 20.0), (6_000.0, 10.0)]
        {
            let quality = quality(frequency, 8_000.0);
            assert!(quality > least, "{frequency} Hz: {quality} dB");
        }
    }

    #[test]
    fn loud_and_quiet_tones_adapt_the_scale() {
        for amplitude in [300.0, 3_000.0, 28_000.0] {
            assert!(quality(800.0, amplitude) > 20.0, "{amplitude}: {}", quality(800.0, amplitude));
        }
    }

    #[test]
    fn silence_stays_silence() {
        assert!(through(&[0; 3_200]).iter().all(|sample| sample.unsigned_abs() < 32));
    }

    #[test]
    fn no_octets_make_it_overflow() {
        let mut decoder = Decoder::new();
        let mut state = 1u32;
        for _ in 0..200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            decoder.decode(state.to_be_bytes()[0]);
        }
        let mut encoder = Encoder::new();
        for n in 0..50_000 {
            let sample = if n / 7 % 2 == 0 { i16::MAX } else { i16::MIN };
            encoder.encode(sample, sample);
        }
    }
}
