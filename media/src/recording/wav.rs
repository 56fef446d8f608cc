//! A party's two directions as two channels of sound on one line of time.
//!
//! Packets lie where their RTP timestamps put them, seen from the arrival of the first of their
//! source; a source whose time leaves the clock by more than a second begins anew where it arrived.
//! What was lost or not sent is silence. Nothing is written until so much later that what was
//! overtaken on the way has come.

use std::collections::VecDeque;

use super::{Voices, Way};
use crate::codec::Voice;
use crate::codec::voice::Decoder;
use crate::dsp::resample::Resampler;
use crate::rtp::header::payload;
use crate::rtp::{Header, RtpTime, Ssrc};

/// Sound is written so long after it came.
const DELAY_US: u64 = 2_000_000;
/// A source that is further from the clock begins anew.
const ASTRAY_MS: i64 = 1_000;
/// Most sound of a channel that waits to be written, in seconds.
const WAITING_MAX_S: u64 = 8;
/// Samples of 120 ms at 16 kHz, the most that a packet holds, and then some.
const SAMPLES_MAX: usize = 2_560;
/// Octets before the samples.
pub const HEADER_LEN: usize = 44;
/// What a file can say of its own length, less what is not samples.
pub const DATA_MAX: u64 = 0xffff_ff00;

/// The header of a file with so many octets of samples, in two channels.
#[must_use]
pub fn header(rate_hz: u32, data: u64) -> [u8; HEADER_LEN] {
    let data = u32::try_from(data.min(DATA_MAX)).unwrap_or_default();
    let mut header = [0; HEADER_LEN];
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &(data + 36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &2u16.to_le_bytes(),
        &rate_hz.to_le_bytes(),
        &(rate_hz * 4).to_le_bytes(),
        &4u16.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    for (place, octet) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *octet;
    }
    header
}

/// Two channels on their way into a file.
#[derive(Debug)]
pub struct Sound {
    rate_hz: u32,
    began_us: u64,
    /// Samples written so far, of each channel.
    written: u64,
    channels: [Channel; 2],
}

#[derive(Debug, Default)]
struct Channel {
    codec: Option<(Voice, Decoder, Option<Resampler>)>,
    /// Where a timestamp of a source lies.
    anchor: Option<(Ssrc, RtpTime, u64)>,
    /// From the last written sample on.
    waiting: VecDeque<i16>,
}

impl Sound {
    /// Of parties that speak so, from a moment on: 8000 samples a second where both directions begin
    /// with G.711, 16000 otherwise.
    #[must_use]
    pub fn new(voices: &Voices, began_us: u64) -> Self {
        let rate =
            |codecs: &[crate::MemberCodec]| codecs.first().map_or(8_000, |c| c.kind.rate_hz());
        let rate_hz = rate(&voices.from).max(rate(&voices.to)).clamp(8_000, 16_000);
        Self { rate_hz, began_us, written: 0, channels: Default::default() }
    }

    /// Samples a second.
    #[must_use]
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Takes a packet; false if it came after its place was written. Packets of other payload types
    /// (telephone-events, comfort noise) are silence.
    pub fn take(&mut self, way: Way, at_us: u64, packet: &[u8], voices: &Voices) -> bool {
        let (Some(header), Some(octets)) = (Header::read(packet), payload(packet)) else {
            return true;
        };
        let (codecs, index) = match way {
            Way::From => (&voices.from, 0),
            Way::To => (&voices.to, 1),
        };
        let Some(codec) = codecs.iter().find(|codec| codec.payload == header.payload) else {
            return true;
        };
        let now = self.place_of(at_us);
        let (rate_hz, written) = (self.rate_hz, self.written);
        let Some(channel) = self.channels.get_mut(index) else { return true };
        let mut samples = [0; SAMPLES_MAX];
        let count = channel.decode(codec.kind, rate_hz, octets, &mut samples);
        let samples = samples.get(..count).unwrap_or_default();
        let end = written + u64::try_from(channel.waiting.len()).unwrap_or_default();
        let place = channel.place(&header, codec.kind, rate_hz, (now, end));
        channel.lay(place, written, samples, rate_hz)
    }

    /// Appends what has waited long enough.
    pub fn flush(&mut self, now_us: u64, file: &mut Vec<u8>) {
        let until = self.place_of(now_us.saturating_sub(DELAY_US));
        self.write_until(until, file);
    }

    /// Appends all that is left.
    pub fn finish(&mut self, file: &mut Vec<u8>) {
        let longest = self.channels.iter().map(|channel| channel.waiting.len()).max();
        let longest = u64::try_from(longest.unwrap_or_default()).unwrap_or_default();
        self.write_until(self.written + longest, file);
    }

    fn write_until(&mut self, until: u64, file: &mut Vec<u8>) {
        while self.written < until {
            for channel in &mut self.channels {
                let sample = channel.waiting.pop_front().unwrap_or_default();
                file.extend_from_slice(&sample.to_le_bytes());
            }
            self.written += 1;
        }
    }

    fn place_of(&self, at_us: u64) -> u64 {
        at_us.saturating_sub(self.began_us) * u64::from(self.rate_hz) / 1_000_000
    }
}

impl Channel {
    fn decode(&mut self, voice: Voice, rate_hz: u32, octets: &[u8], samples: &mut [i16]) -> usize {
        if self.codec.as_ref().is_none_or(|(known, ..)| *known != voice) {
            let resampler = Resampler::new(voice.rate_hz(), rate_hz);
            self.codec = Some((voice, Decoder::new(voice), resampler));
        }
        let Some((_, decoder, resampler)) = &mut self.codec else { return 0 };
        let Some(resampler) = resampler else { return decoder.decode(octets, samples) };
        let mut decoded = [0; SAMPLES_MAX];
        // A rate that falls wants whole steps.
        let count = decoder.decode(octets, &mut decoded) & !1;
        resampler.run(decoded.get(..count).unwrap_or_default(), samples)
    }

    /// Where a packet lies.
    fn place(
        &mut self,
        header: &Header,
        voice: Voice,
        rate_hz: u32,
        (now, end): (u64, u64),
    ) -> i64 {
        let signed = |place: u64| i64::try_from(place).unwrap_or(i64::MAX);
        let known = self.anchor.filter(|(ssrc, ..)| *ssrc == header.ssrc);
        let expected = known.map(|(_, time, place)| {
            let ticks = header.timestamp.0.wrapping_sub(time.0).cast_signed();
            let samples = i64::from(ticks) * i64::from(rate_hz) / i64::from(voice.clock_hz());
            signed(place) + samples
        });
        let astray = ASTRAY_MS * i64::from(rate_hz) / 1_000;
        let place = match expected {
            Some(place) if (place - signed(now)).abs() <= astray => place,
            // What was heard before is not overwritten.
            _ => signed(now.max(end)),
        };
        // From the last packet on: 32 bits of ticks are half a day of Opus.
        let anchor = u64::try_from(place).unwrap_or_default();
        if place >= 0 {
            self.anchor = Some((header.ssrc, header.timestamp, anchor));
        }
        place
    }

    fn lay(&mut self, place: i64, written: u64, samples: &[i16], rate_hz: u32) -> bool {
        let first = place - i64::try_from(written).unwrap_or(i64::MAX);
        let skipped = usize::try_from(-first).unwrap_or_default();
        let Some(samples) = samples.get(skipped..).filter(|samples| !samples.is_empty()) else {
            return samples.is_empty();
        };
        let first = usize::try_from(first.max(0)).unwrap_or(usize::MAX);
        let most = usize::try_from(WAITING_MAX_S * u64::from(rate_hz)).unwrap_or_default();
        let Some(end) = first.checked_add(samples.len()).filter(|end| *end <= most) else {
            return false;
        };
        if self.waiting.len() < end {
            self.waiting.resize(end, 0);
        }
        for (place, sample) in self.waiting.iter_mut().skip(first).zip(samples) {
            *place = *sample;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemberCodec;
    use crate::codec::voice::Encoder;
    use crate::rtp::Seq;

    const SECOND: u64 = 1_000_000;

    fn voices(codec: MemberCodec) -> Voices {
        Voices { from: vec![codec], to: vec![codec] }
    }

    fn packet(codec: MemberCodec, number: u16, time: u32, ssrc: u32, octets: &[u8]) -> Vec<u8> {
        let header = Header {
            payload: codec.payload,
            is_marked: false,
            sequence: Seq(number),
            timestamp: RtpTime(time),
            ssrc: Ssrc(ssrc),
        };
        let mut packet = vec![0; 12];
        header.write(&mut packet);
        packet.extend_from_slice(octets);
        packet
    }

    fn samples(file: &[u8], channel: usize) -> Vec<i16> {
        let frames = file.chunks_exact(4);
        frames
            .map(|frame| i16::from_le_bytes([frame[2 * channel], frame[2 * channel + 1]]))
            .collect()
    }

    /// The peak of a frequency.
    fn level(samples: &[i16], rate_hz: f64, frequency_hz: f64) -> f64 {
        let step = std::f64::consts::TAU * frequency_hz / rate_hz;
        let turned = samples.iter().enumerate().map(|(n, sample)| {
            let angle = step * n as f64;
            (f64::from(*sample) * angle.cos(), f64::from(*sample) * angle.sin())
        });
        let (re, im) = turned.fold((0.0, 0.0), |(re, im), (a, b)| (re + a, im + b));
        2.0 * re.hypot(im) / samples.len() as f64
    }

    #[test]
    fn a_tone_in_each_channel_is_that_tone_in_the_file_in_every_codec() {
        let opus = MemberCodec { payload: 96, kind: Voice::Opus };
        for codec in [MemberCodec::PCMU, MemberCodec::PCMA, MemberCodec::G722, opus] {
            let voices = voices(codec);
            let mut sound = Sound::new(&voices, 0);
            let rate = codec.kind.rate_hz();
            let mut encoders = [Encoder::new(codec.kind), Encoder::new(codec.kind)];
            let mut file = Vec::new();
            for n in 0..150u16 {
                let at_us = u64::from(n) * 20_000;
                for (index, (way, hz)) in
                    [(Way::From, 600.0), (Way::To, 1_300.0)].iter().enumerate()
                {
                    let first = u32::from(n) * rate / 50;
                    let tone: Vec<i16> = (first..first + rate / 50)
                        .map(|t| {
                            let angle = std::f64::consts::TAU * hz * f64::from(t) / f64::from(rate);
                            (angle.sin() * 8_000.0) as i16
                        })
                        .collect();
                    let mut octets = [0; 400];
                    let length = encoders[index].encode(&tone, &mut octets);
                    let time = u32::from(n) * codec.kind.clock_hz() / 50;
                    let packet = packet(codec, n, time, 7, &octets[..length]);
                    assert!(sound.take(*way, at_us, &packet, &voices));
                }
                sound.flush(at_us, &mut file);
            }
            sound.finish(&mut file);
            let (left, right) = (samples(&file, 0), samples(&file, 1));
            assert_eq!(left.len(), 3 * rate as usize, "{codec:?}");
            let middle = rate as usize..2 * rate as usize;
            let rate = f64::from(rate);
            let levels =
                |samples: &[i16]| (level(samples, rate, 600.0), level(samples, rate, 1_300.0));
            let (own, other) = levels(&left[middle.clone()]);
            assert!(own > 6_000.0 && other < 300.0, "{codec:?} left {own} {other}");
            let (other, own) = levels(&right[middle]);
            assert!(own > 6_000.0 && other < 300.0, "{codec:?} right {own} {other}");
        }
    }

    #[test]
    fn packets_lie_where_their_times_put_them_and_what_is_missing_is_silence() {
        let voices = voices(MemberCodec::PCMU);
        let mut sound = Sound::new(&voices, 0);
        let loud = [0x80; 160];
        let mut take = |n: u16, at_us: u64| {
            let packet = packet(MemberCodec::PCMU, n, u32::from(n) * 160, 1, &loud);
            sound.take(Way::From, at_us, &packet, &voices)
        };
        // The third comes before the second, the fourth never.
        assert!(take(0, 0) && take(2, 45_000) && take(1, 50_000) && take(4, 80_000));
        let mut file = Vec::new();
        sound.finish(&mut file);
        let heard = samples(&file, 0);
        let is_loud: Vec<bool> =
            heard.chunks(160).map(|frame| frame.iter().all(|s| *s != 0)).collect();
        assert_eq!(is_loud, [true, true, true, false, true]);
        assert!(samples(&file, 1).iter().all(|sample| *sample == 0));
    }

    #[test]
    fn a_source_that_jumps_begins_anew_where_it_arrived_and_what_comes_too_late_is_told() {
        let voices = voices(MemberCodec::PCMU);
        let mut sound = Sound::new(&voices, 0);
        let loud = [0x80; 160];
        let jumped = packet(MemberCodec::PCMU, 1, 4_000_000_000, 1, &loud);
        let first = packet(MemberCodec::PCMU, 0, 0, 1, &loud);
        assert!(sound.take(Way::From, 0, &first, &voices));
        assert!(sound.take(Way::From, SECOND, &jumped, &voices));
        let mut file = Vec::new();
        sound.flush(4 * SECOND, &mut file);
        let heard = samples(&file, 0);
        assert_eq!(heard.len(), 16_000);
        assert!(heard[8_000..8_160].iter().all(|sample| *sample != 0));
        assert!(heard[160..8_000].iter().all(|sample| *sample == 0));
        let late = packet(MemberCodec::PCMU, 2, 4_000_000_160, 1, &loud);
        assert!(!sound.take(Way::From, SECOND + 20_000, &late, &voices));
    }

    #[test]
    fn the_header_says_rate_channels_and_length() {
        let header = header(8_000, 1_000);
        assert_eq!((&header[..4], &header[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
        assert_eq!(header[4..8], 1_036u32.to_le_bytes());
        assert_eq!((header[22], &header[24..28]), (2, &8_000u32.to_le_bytes()[..]));
        assert_eq!(header[40..44], 1_000u32.to_le_bytes());
    }
}
