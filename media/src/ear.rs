//! Listens to what a party says: keys, tones, fax machines, silence. Only where somebody asked.
//!
//! Must not know sockets or who the party is. Source: TAPI lineMonitorDigits, lineMonitorTones,
//! lineMonitorMedia; ITU-T Q.24, T.30; sip-mapping §5.9.

use std::collections::VecDeque;
use std::time::Duration;

use crate::codec::MemberCodec;
use crate::codec::voice::Decoder;
use crate::dsp::resample::Resampler;
use crate::dsp::tone::RATE_HZ;
use crate::dsp::{dtmf, signal};
use crate::rtp::jitter::PAYLOAD_MAX;
use crate::rtp::{Header, RtpTime, Seq};

/// Tones that are listened for on one stream; more are left out.
pub const WATCHED_TONES_MAX: usize = 16;

/// What is listened for in what a party says. Nothing by default, which costs nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Watch {
    /// The party's voice: what comes under another payload type is not listened to. Without it only
    /// telephone-events are heard.
    pub voice: Option<MemberCodec>,
    /// Keys: [`Notify::Key`](crate::Notify::Key) when one goes down. Those that come as
    /// telephone-events, and those that are heard in the voice of a party that sends no events.
    pub keys: bool,
    /// Tones; at most [`WATCHED_TONES_MAX`].
    pub tones: Vec<WatchedTone>,
    /// Voice, silence and fax machines: [`Notify::Signal`](crate::Notify::Signal).
    pub signals: bool,
}

impl Watch {
    /// True if nothing is listened for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.keys && !self.signals && self.tones.is_empty()
    }
}

/// A tone to be listened for, LINEMONITORTONE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WatchedTone {
    /// Given back in [`Notify::Tone`](crate::Notify::Tone).
    pub name: u32,
    /// Frequencies that sound together; 0 for none. All three 0: silence.
    pub frequencies_hz: [u16; 3],
    /// How long it must last before it is reported.
    pub duration: Duration,
}

/// What kind of media a party sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Signal {
    /// Somebody speaks, or something else that is no tone.
    Voice,
    /// Nothing was heard for two seconds.
    Silence,
    /// A fax machine calls: CNG, 1100 Hz (ITU-T T.30).
    FaxCalling,
    /// A fax machine or modem answers: CED, 2100 Hz (ITU-T T.30, V.25).
    FaxAnswering,
}

/// What was heard in a party's voice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A key went down.
    Key(char),
    /// It came up after so long.
    Digit(char, Duration),
    /// The tone of this name has lasted long enough.
    Tone(u32),
    /// Another kind of media.
    Signal(Signal),
}

/// Notices of one packet that wait; more are left out.
const HEARD_MAX: usize = 32;
/// Samples of the longest payload that is listened to, at 16 kHz.
const SAMPLES_MAX: usize = 2 * PAYLOAD_MAX;
/// Packets that are missing for longer are not made up for.
const GAP_MAX_MS: u64 = 4_000;
/// A gap may be longer by this than the time that has passed: packets do not come evenly.
const JITTER_MS: u64 = 200;
/// A party that sends nothing for so long is silent.
const WAIT_US: u64 = 200_000;

/// Listens to a party's voice. Allocates nothing once made.
#[derive(Debug)]
pub struct Ear {
    voice: Option<(u8, u32, Decoder, Option<Resampler>)>,
    tells_keys: bool,
    keys: Option<dtmf::Listener>,
    signals: Option<signal::Listener>,
    names: Vec<u32>,
    heard: VecDeque<Heard>,
    /// The number and the time after the last packet.
    next: Option<(Seq, RtpTime)>,
    last_us: u64,
}

impl Ear {
    /// An ear for what is asked; `None` if nothing is.
    #[must_use]
    pub fn new(watch: &Watch) -> Option<Self> {
        if watch.is_empty() {
            return None;
        }
        let tones: Vec<([u16; 3], u64)> = watch
            .tones
            .iter()
            .take(WATCHED_TONES_MAX)
            .map(|tone| {
                let ms = u64::try_from(tone.duration.as_millis()).unwrap_or(u64::MAX);
                (tone.frequencies_hz, ms)
            })
            .collect();
        let listens = watch.signals || !tones.is_empty();
        let voice = watch.voice.map(|voice| {
            let down = Resampler::new(voice.kind.rate_hz(), u32::from(RATE_HZ));
            (voice.payload, voice.kind.clock_hz(), Decoder::new(voice.kind), down)
        });
        Some(Self {
            voice,
            tells_keys: watch.keys,
            keys: watch.keys.then(dtmf::Listener::default),
            signals: listens.then(|| signal::Listener::new(&tones, watch.signals)),
            names: watch.tones.iter().map(|tone| tone.name).collect(),
            heard: VecDeque::with_capacity(HEARD_MAX),
            next: None,
            last_us: 0,
        })
    }

    /// Goes on where another ear stops, whose party is asked for something else now: a key, a tone or
    /// a silence that lasts is not told a second time, nor counted from the beginning.
    pub fn follow(&mut self, former: Ear) {
        let format =
            |ear: &Ear| ear.voice.as_ref().map(|(payload, clock_hz, ..)| (*payload, *clock_hz));
        if format(self) != format(&former) {
            return;
        }
        self.voice = former.voice;
        self.next = former.next;
        self.last_us = former.last_us;
        if self.tells_keys && former.tells_keys {
            self.keys = former.keys;
        }
        if let (Some(signals), Some(former)) = (&mut self.signals, former.signals) {
            signals.follow(former);
        }
    }

    /// Whether keys that go down are to be told.
    #[must_use]
    pub fn hears_keys(&self) -> bool {
        self.tells_keys
    }

    /// The party sends its keys as events: what sounds like one in its voice is the same key again.
    pub fn prefer_events(&mut self) {
        self.keys = None;
    }

    /// Listens to a packet.
    pub fn hear(&mut self, header: &Header, payload: &[u8], now_us: u64) {
        let Some((own, clock_hz, decoder, down)) = &mut self.voice else { return };
        if *own != header.payload {
            return;
        }
        let clock_hz = u64::from((*clock_hz).max(1));
        let passed_ms = now_us.saturating_sub(self.last_us) / 1_000;
        let mut missing_ms = 0;
        if let Some((sequence, time)) = self.next {
            // What comes late was made up for.
            if header.sequence.after(sequence) < 0 && header.sequence.after(sequence) > -100 {
                return;
            }
            let ahead = u64::from(header.timestamp.minus(time));
            missing_ms = (ahead * 1_000 / clock_hz).min(GAP_MAX_MS + 1);
        }
        let mut wide = [0i16; SAMPLES_MAX];
        let mut narrow = [0i16; SAMPLES_MAX];
        let count = decoder.decode(payload, &mut wide);
        let decoded = wide.get(..count).unwrap_or_default();
        let samples = match down {
            Some(down) => {
                let count = down.run(decoded, &mut narrow);
                narrow.get(..count).unwrap_or_default()
            }
            None => decoded,
        };
        let ticks = samples.len() as u64 * clock_hz / u64::from(RATE_HZ);
        let after = header.timestamp.plus(u32::try_from(ticks).unwrap_or_default());
        self.next = Some((header.sequence.plus(1), after));
        self.last_us = now_us;
        // A jump of the clock is no gap, and must not make us listen to more than there was time for.
        if missing_ms <= GAP_MAX_MS.min(passed_ms + JITTER_MS) {
            self.be_silent(missing_ms);
        }
        for sample in samples {
            self.push(*sample);
        }
    }

    /// Time passes; a party that sends nothing is silent.
    pub fn wait(&mut self, now_us: u64) {
        let quiet_us = now_us.saturating_sub(self.last_us);
        if self.last_us == 0 {
            self.last_us = now_us;
        } else if quiet_us >= WAIT_US {
            self.last_us = now_us;
            self.next = None;
            self.be_silent((quiet_us / 1_000).min(GAP_MAX_MS));
        }
    }

    /// The next thing that was heard.
    pub fn take(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    fn be_silent(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds * 8 {
            self.push(0);
        }
    }

    fn push(&mut self, sample: i16) {
        if let Some(press) = self.keys.as_mut().and_then(|keys| keys.push(sample)) {
            let heard = match press {
                dtmf::Press::Down(key) => Heard::Key(key),
                dtmf::Press::Up(key, us) => Heard::Digit(key, Duration::from_micros(us)),
            };
            note(&mut self.heard, heard);
        }
        let Some(signals) = &mut self.signals else { return };
        if !signals.push(sample) {
            return;
        }
        while let Some(sign) = signals.take() {
            let heard = match sign {
                signal::Sign::Tone(place) => self.names.get(place).copied().map(Heard::Tone),
                signal::Sign::Kind(kind) => Some(Heard::Signal(match kind {
                    signal::Kind::Voice => Signal::Voice,
                    signal::Kind::Silence => Signal::Silence,
                    signal::Kind::FaxCalling => Signal::FaxCalling,
                    signal::Kind::FaxAnswering => Signal::FaxAnswering,
                })),
            };
            heard.into_iter().for_each(|heard| note(&mut self.heard, heard));
        }
    }
}

fn note(heard: &mut VecDeque<Heard>, what: Heard) {
    if heard.len() < HEARD_MAX {
        heard.push_back(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Ssrc;

    const SILENCE: WatchedTone =
        WatchedTone { name: 7, frequencies_hz: [0; 3], duration: Duration::from_secs(3) };

    /// Says one packet of a loud voice.
    fn say(ear: &mut Ear, sequence: u16, timestamp: u32, now_us: u64) {
        let header = Header {
            payload: 0,
            is_marked: false,
            sequence: Seq(sequence),
            timestamp: RtpTime(timestamp),
            ssrc: Ssrc(1),
        };
        ear.hear(&header, &[0x10, 0x90].repeat(80), now_us);
    }

    fn ear() -> Ear {
        let voice = Some(MemberCodec::PCMU);
        Ear::new(&Watch { voice, tones: vec![SILENCE], ..Watch::default() }).unwrap()
    }

    #[test]
    fn a_party_that_pauses_was_silent_as_long_as_its_clock_says() {
        let mut ear = ear();
        say(&mut ear, 1, 0, 1_000_000);
        say(&mut ear, 2, 160 + 28_000, 4_520_000);
        assert_eq!(ear.take(), Some(Heard::Tone(7)));
    }

    #[test]
    fn what_lasts_while_something_else_is_asked_for_is_told_once() {
        let mut first = ear();
        say(&mut first, 1, 0, 1_000_000);
        say(&mut first, 2, 160 + 28_000, 4_520_000);
        assert_eq!(first.take(), Some(Heard::Tone(7)));
        say(&mut first, 3, 320 + 28_000, 4_540_000);
        first.wait(6_560_000);
        assert_eq!(first.take(), None);
        let voice = Some(MemberCodec::PCMU);
        let watch = Watch { voice, tones: vec![SILENCE], keys: true, ..Watch::default() };
        let mut next = Ear::new(&watch).unwrap();
        next.follow(first);
        // Two seconds before, and one after.
        next.wait(7_600_000);
        assert_eq!(next.take(), Some(Heard::Tone(7)));
        let mut last = Ear::new(&watch).unwrap();
        last.follow(next);
        last.wait(11_000_000);
        assert_eq!(last.take(), None, "it was told");
    }

    #[test]
    fn a_clock_that_runs_ahead_of_the_time_makes_no_silence() {
        let mut ear = ear();
        for packet in 0..20 {
            let at = 1_000_000 + u64::from(packet) * 20_000;
            say(&mut ear, packet, u32::from(packet) * 28_000, at);
        }
        assert_eq!(ear.take(), None);
    }
}
