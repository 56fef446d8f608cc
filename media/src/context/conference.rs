//! Conferences: who is in which, and the mixer that lets each member hear all others.
//!
//! The mixer is arithmetic on what its members' inlets hold; it knows no socket. A member speaks
//! and hears its own codec, the mix is 16 kHz. Source: sip-mapping §3.5.

use std::sync::Arc;

use super::TerminationId;
use super::board::Key;
use super::player::{Frame as Packet, PACKET_LEN};
use crate::codec::MemberCodec;
use crate::codec::voice::{Decoder, Encoder};
use crate::dsp::mix::{FRAME_SAMPLES, Frame, RATE_HZ, Sum, add, hear};
use crate::dsp::resample::Resampler;
use crate::plan::Inlet;
use crate::rtp::header::HEADER_LEN;
use crate::rtp::jitter::PAYLOAD_MAX;
use crate::rtp::{Header, Jitter, RtpTime, Seq, Ssrc, Taken};

/// Most members of one conference.
pub const MEMBERS_MAX: usize = 64;
/// Most conferences at one time.
pub const CONFERENCES_MAX: usize = 1_024;
/// Samples of the longest payload at the mixer's rate, and a frame that was begun.
const HEARD_MAX: usize = 2 * PAYLOAD_MAX + FRAME_SAMPLES;

/// Names a conference; never valid again after it was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConferenceId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl ConferenceId {
    /// Makes an id for a media plane of one's own (simulation, tests).
    #[must_use]
    pub fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }
}

/// Who of a conference hears a member; what the member hears is not touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Audience {
    /// All others.
    #[default]
    All,
    /// Nobody: it only listens.
    Nobody,
    /// One member: it whispers.
    Only(TerminationId),
}

/// The conferences, by generation-counted ids, and who is in them.
#[derive(Debug, Default)]
pub struct Conferences {
    rooms: Vec<(u32, Option<Vec<Key>>)>,
}

impl Conferences {
    /// Makes a conference without members; `None` when there are [`CONFERENCES_MAX`].
    pub fn insert(&mut self) -> Option<ConferenceId> {
        let free = self.rooms.iter().position(|(_, members)| members.is_none());
        let place = free.unwrap_or(self.rooms.len());
        if place >= CONFERENCES_MAX {
            return None;
        }
        if free.is_none() {
            self.rooms.push((0, None));
        }
        let (generation, members) = self.rooms.get_mut(place)?;
        *members = Some(Vec::new());
        Some(ConferenceId { index: u32::try_from(place).ok()?, generation: *generation })
    }

    /// The members of a conference; `None` if it was dropped.
    #[must_use]
    pub fn members(&self, id: ConferenceId) -> Option<&[Key]> {
        let (generation, members) = self.rooms.get(usize::try_from(id.index).ok()?)?;
        members.as_deref().filter(|_| *generation == id.generation)
    }

    /// The members of a conference to be changed.
    pub fn members_mut(&mut self, id: ConferenceId) -> Option<&mut Vec<Key>> {
        let (generation, members) = self.rooms.get_mut(usize::try_from(id.index).ok()?)?;
        members.as_mut().filter(|_| *generation == id.generation)
    }

    /// Removes a conference and returns its last members.
    pub fn remove(&mut self, id: ConferenceId) -> Option<Vec<Key>> {
        self.members(id)?;
        let (generation, members) = self.rooms.get_mut(usize::try_from(id.index).ok()?)?;
        *generation = generation.wrapping_add(1);
        members.take()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rooms.iter().filter(|(_, members)| members.is_some()).count()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One party of a conference as the mixer sees it; `T` is whatever carries its packets.
#[derive(Debug)]
pub struct Member<T> {
    /// What carries its packets.
    pub handle: T,
    inlet: Arc<Inlet>,
    hears: MemberCodec,
    jitter: Jitter,
    /// One for each codec that its party may speak, made beforehand: none is made per frame.
    voices: Box<[Heard]>,
    /// The one that it spoke last.
    speaking: usize,
    encoder: Encoder,
    from_mix: Option<Resampler>,
    /// Decoded, not yet mixed.
    heard: [i16; HEARD_MAX],
    heard_len: usize,
    frame: Frame,
    speaks: bool,
    audience: Audience,
    next: Header,
}

/// A codec that a party may speak.
#[derive(Debug)]
struct Heard {
    payload: u8,
    decoder: Decoder,
    to_mix: Option<Resampler>,
}

impl Heard {
    fn new(codec: &MemberCodec) -> Self {
        let to_mix = Resampler::new(codec.kind.rate_hz(), RATE_HZ);
        Self { payload: codec.payload, decoder: Decoder::new(codec.kind), to_mix }
    }
}

impl<T> Member<T> {
    /// A member that has not spoken, with what its party may speak and what it hears. `ssrc` is used if
    /// its party hears nothing else before.
    #[must_use]
    pub fn new(
        handle: T,
        inlet: Arc<Inlet>,
        (speaks, hears): (&[MemberCodec], MemberCodec),
        ssrc: u32,
    ) -> Self {
        Self {
            handle,
            inlet,
            hears,
            jitter: Jitter::new(),
            voices: speaks.iter().map(Heard::new).collect(),
            speaking: 0,
            encoder: Encoder::new(hears.kind),
            from_mix: Resampler::new(RATE_HZ, hears.kind.rate_hz()),
            heard: [0; HEARD_MAX],
            heard_len: 0,
            frame: [0; FRAME_SAMPLES],
            speaks: false,
            audience: Audience::All,
            next: Header {
                payload: hears.payload,
                is_marked: true,
                sequence: Seq(0),
                timestamp: RtpTime(0),
                ssrc: Ssrc(ssrc),
            },
        }
    }

    /// Names the mix that it hears as a source of packets, among treatments.
    #[must_use]
    pub fn source(&self) -> u32 {
        self.next.ssrc.0 | 0x8000_0000
    }

    /// Ticks a second of what it hears.
    #[must_use]
    pub fn clock_hz(&self) -> u32 {
        self.hears.kind.clock_hz()
    }

    /// Takes 20 ms of what it says.
    fn listen(&mut self) {
        let mut payload = [0; PAYLOAD_MAX];
        while let Some((sequence, kind, length)) = self.inlet.pop(&mut payload) {
            self.jitter.put(sequence, kind, payload.get(..length).unwrap_or_default());
        }
        self.speaks = self.heard_len > 0;
        while self.heard_len < FRAME_SAMPLES {
            match self.jitter.take(&mut payload) {
                Taken::Payload(length) => {
                    let kind = self.jitter.kind();
                    let spoken = self.voices.iter().position(|voice| voice.payload == kind);
                    self.speaking = spoken.unwrap_or(self.speaking);
                    self.decode(payload.get(..length).unwrap_or_default());
                }
                Taken::Lost => self.conceal(),
                Taken::Nothing => break,
            }
            self.speaks = true;
        }
        let taken = self.heard.first_chunk::<FRAME_SAMPLES>();
        self.frame = *taken.unwrap_or(&[0; FRAME_SAMPLES]);
        self.heard.copy_within(FRAME_SAMPLES.., 0);
        self.heard_len = self.heard_len.saturating_sub(FRAME_SAMPLES);
        self.heard.get_mut(self.heard_len..).unwrap_or_default().fill(0);
    }

    /// 20 ms in place of what was lost keep the rest in time.
    fn conceal(&mut self) {
        let room = self.heard.get_mut(self.heard_len..).unwrap_or_default();
        // Codecs that can do it speak at the mixer's rate.
        let made = match self.voices.get_mut(self.speaking) {
            Some(Heard { to_mix: None, decoder, .. }) => decoder.conceal(room),
            _ => 0,
        };
        self.heard_len = (self.heard_len + made).max(FRAME_SAMPLES);
    }

    fn decode(&mut self, payload: &[u8]) {
        let room = self.heard.get_mut(self.heard_len..).unwrap_or_default();
        let Some(Heard { decoder, to_mix, .. }) = self.voices.get_mut(self.speaking) else {
            return;
        };
        self.heard_len += match to_mix {
            Some(resampler) => {
                let mut samples = [0; PAYLOAD_MAX];
                let count = decoder.decode(payload, &mut samples);
                resampler.run(samples.get(..count).unwrap_or_default(), room)
            }
            None => decoder.decode(payload, room),
        };
    }

    /// Writes the packet that lets it hear `frame`.
    fn encode(&mut self, frame: &Frame, packet: &mut [u8; PACKET_LEN]) -> Packet {
        let header = self.next;
        header.write(packet);
        let payload = packet.get_mut(HEADER_LEN..).unwrap_or_default();
        let length = match &mut self.from_mix {
            Some(resampler) => {
                let mut samples = [0; FRAME_SAMPLES];
                let count = resampler.run(frame, &mut samples);
                self.encoder.encode(samples.get(..count).unwrap_or_default(), payload)
            }
            None => self.encoder.encode(frame, payload),
        };
        self.next.is_marked = false;
        self.next.sequence = header.sequence.plus(1);
        self.next.timestamp = header.timestamp.plus(self.clock_hz() / 50);
        Packet { header, length: HEADER_LEN + length, clock_hz: self.clock_hz(), lead: 0 }
    }
}

/// Lets the members of one conference hear each other, 20 ms at a time. Allocates nothing once made.
#[derive(Debug)]
pub struct Mixer<T> {
    members: Vec<(Key, Box<Member<T>>)>,
    sum: Box<Sum>,
}

impl<T> Mixer<T> {
    /// A mixer with room for [`MEMBERS_MAX`].
    #[must_use]
    pub fn new() -> Self {
        Self { members: Vec::with_capacity(MEMBERS_MAX), sum: Box::new([0; FRAME_SAMPLES]) }
    }

    /// Takes a member; one more than [`MEMBERS_MAX`] is left out.
    pub fn join(&mut self, key: Key, member: Box<Member<T>>) {
        if self.members.len() < MEMBERS_MAX {
            self.members.push((key, member));
        }
    }

    /// Lets a member go.
    pub fn leave(&mut self, key: Key) {
        self.members.retain(|(member, _)| *member != key);
    }

    /// Takes 20 ms of everybody.
    pub fn listen(&mut self) {
        self.sum.fill(0);
        for (_, member) in &mut self.members {
            member.listen();
            if member.speaks && member.audience == Audience::All {
                add(&mut self.sum, &member.frame);
            }
        }
    }

    /// Says who hears a member from the next frame on.
    pub fn set_audience(&mut self, key: Key, audience: Audience) {
        for (_, member) in self.members.iter_mut().filter(|(member, _)| *member == key) {
            member.audience = audience;
        }
    }

    /// The members; [`Mixer::speak`] takes their places.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member<T>> {
        self.members.iter().map(|(_, member)| &**member)
    }

    /// The member at a place.
    #[must_use]
    pub fn member(&self, place: usize) -> Option<&Member<T>> {
        self.members.get(place).map(|(_, member)| &**member)
    }

    /// Writes the packet that lets the member at `place` hear all others.
    pub fn speak(&mut self, place: usize, packet: &mut [u8; PACKET_LEN]) -> Option<Packet> {
        let (key, member) = self.members.get(place)?;
        let is_in_sum = member.speaks && member.audience == Audience::All;
        let own = is_in_sum.then_some(&member.frame);
        let mut frame = [0; FRAME_SAMPLES];
        let whisper = Audience::Only(key.0);
        let mut whispers =
            self.members.iter().filter(|(_, m)| m.speaks && m.audience == whisper).peekable();
        if whispers.peek().is_some() {
            let mut sum = *self.sum;
            whispers.for_each(|(_, other)| add(&mut sum, &other.frame));
            hear(&sum, own, &mut frame);
        } else {
            hear(&self.sum, own, &mut frame);
        }
        let (_, member) = self.members.get_mut(place)?;
        Some(member.encode(&frame, packet))
    }
}

impl<T> Default for Mixer<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::TerminationId;
    use super::*;
    use crate::codec::Voice;

    const CODECS: [MemberCodec; 4] = [
        MemberCodec::PCMU,
        MemberCodec::PCMA,
        MemberCodec::G722,
        MemberCodec { payload: 96, kind: Voice::Opus },
    ];

    struct Party {
        inlet: Arc<Inlet>,
        payload: u8,
        encoder: Encoder,
        decoder: Decoder,
        rate_hz: u32,
        tone_hz: f64,
        said: u32,
        heard: Vec<i16>,
    }

    impl Party {
        fn says_a_frame(&mut self) {
            let count = self.rate_hz / 50;
            let step = std::f64::consts::TAU * self.tone_hz / f64::from(self.rate_hz);
            let from = self.said * count;
            let samples: Vec<i16> = (from..from + count)
                .map(|n| ((f64::from(n) * step).sin() * 6_000.0) as i16)
                .collect();
            let mut payload = [0; 160];
            let length = self.encoder.encode(&samples, &mut payload);
            assert!(self.inlet.push(Seq(self.said as u16), self.payload, &payload[..length]));
            self.said += 1;
        }

        /// How much of a frequency it hears, 1 for the full tone.
        fn hears(&self, tone_hz: f64) -> f64 {
            let skipped = self.rate_hz as usize / 5;
            let step = std::f64::consts::TAU * tone_hz / f64::from(self.rate_hz);
            let (mut re, mut im) = (0.0, 0.0);
            for (n, sample) in self.heard.iter().enumerate().skip(skipped) {
                re += f64::from(*sample) * (step * n as f64).cos();
                im += f64::from(*sample) * (step * n as f64).sin();
            }
            re.hypot(im) * 2.0 / (self.heard.len() - skipped) as f64 / 6_000.0
        }
    }

    fn key(index: u32) -> Key {
        (TerminationId::new(index, 0), 0)
    }

    fn room(codecs: &[MemberCodec]) -> (Mixer<()>, Vec<Party>) {
        let mut mixer = Mixer::new();
        let parties = (0u32..).zip(codecs).map(|(index, codec)| {
            let inlet = Arc::new(Inlet::new());
            let member = Member::new((), Arc::clone(&inlet), (&[*codec], *codec), index);
            mixer.join(key(index), Box::new(member));
            Party {
                inlet,
                payload: codec.payload,
                encoder: Encoder::new(codec.kind),
                decoder: Decoder::new(codec.kind),
                rate_hz: codec.kind.rate_hz(),
                tone_hz: 500.0 + 400.0 * f64::from(index),
                said: 0,
                heard: Vec::new(),
            }
        });
        let parties = parties.collect();
        (mixer, parties)
    }

    fn frame(mixer: &mut Mixer<()>, parties: &mut [Party]) {
        mixer.listen();
        for (place, party) in parties.iter_mut().enumerate() {
            let mut packet = [0; PACKET_LEN];
            let Packet { header, length, .. } = mixer.speak(place, &mut packet).unwrap();
            assert_eq!(Header::read(&packet), Some(header));
            let mut samples = [0; FRAME_SAMPLES];
            let count = party.decoder.decode(&packet[HEADER_LEN..length], &mut samples);
            party.heard.extend(&samples[..count]);
        }
    }

    #[test]
    fn members_of_four_codecs_hear_the_other_three_and_not_themselves() {
        let (mut mixer, mut parties) = room(&CODECS);
        for _ in 0..75 {
            parties.iter_mut().for_each(Party::says_a_frame);
            frame(&mut mixer, &mut parties);
        }
        for (listener, party) in parties.iter().enumerate() {
            for (speaker, other) in parties.iter().enumerate() {
                let heard = party.hears(other.tone_hz);
                if listener == speaker {
                    assert!(heard < 0.02, "{listener} hears itself: {heard}");
                } else {
                    // Opus is made for speech, not for three tones at once.
                    let is_lossy = listener == 3 || speaker == 3;
                    let tolerance = if is_lossy { 0.25 } else { 0.1 };
                    assert!((heard - 1.0).abs() < tolerance, "{listener} hears {speaker}: {heard}");
                }
            }
        }
    }

    #[test]
    fn who_says_nothing_hears_and_adds_nothing() {
        let (mut mixer, mut parties) = room(&CODECS);
        for _ in 0..75 {
            parties[0].says_a_frame();
            frame(&mut mixer, &mut parties);
        }
        assert!(parties[0].heard.iter().all(|sample| sample.unsigned_abs() < 10));
        assert!(parties[1].hears(500.0) > 0.9 && parties[2].hears(500.0) > 0.9);
    }

    #[test]
    fn who_left_is_neither_heard_nor_served() {
        let (mut mixer, mut parties) = room(&CODECS[..3]);
        mixer.leave(key(2));
        let mut gone = parties.pop().unwrap();
        for _ in 0..75 {
            gone.says_a_frame();
            while gone.inlet.pop(&mut [0; PAYLOAD_MAX]).is_some() {}
            parties[0].says_a_frame();
            frame(&mut mixer, &mut parties);
        }
        assert_eq!(mixer.members().len(), 2);
        assert!(parties[1].hears(500.0) > 0.9 && parties[1].hears(1_300.0) < 0.02);
    }

    #[test]
    fn who_only_listens_hears_all_and_is_heard_by_nobody() {
        let (mut mixer, mut parties) = room(&CODECS[..3]);
        mixer.set_audience(key(2), Audience::Nobody);
        for _ in 0..75 {
            parties.iter_mut().for_each(Party::says_a_frame);
            frame(&mut mixer, &mut parties);
        }
        let listener = &parties[2];
        assert!(listener.hears(500.0) > 0.9 && listener.hears(900.0) > 0.9);
        assert!(parties[0].hears(1_300.0) < 0.02 && parties[1].hears(1_300.0) < 0.02);
        assert!(parties[0].hears(900.0) > 0.9 && parties[1].hears(500.0) > 0.9);
    }

    #[test]
    fn a_whisper_is_heard_by_one_until_it_is_for_all() {
        let (mut mixer, mut parties) = room(&CODECS[..3]);
        mixer.set_audience(key(2), Audience::Only(key(1).0));
        for _ in 0..75 {
            parties.iter_mut().for_each(Party::says_a_frame);
            frame(&mut mixer, &mut parties);
        }
        assert!(parties[1].hears(1_300.0) > 0.9 && parties[1].hears(500.0) > 0.9);
        assert!(parties[0].hears(1_300.0) < 0.02 && parties[2].hears(1_300.0) < 0.02);
        mixer.set_audience(key(2), Audience::All);
        parties.iter_mut().for_each(|party| party.heard.clear());
        for _ in 0..75 {
            parties.iter_mut().for_each(Party::says_a_frame);
            frame(&mut mixer, &mut parties);
        }
        assert!(parties[0].hears(1_300.0) > 0.9 && parties[1].hears(1_300.0) > 0.9);
    }

    #[test]
    fn a_lonely_member_hears_silence() {
        let (mut mixer, mut parties) = room(&CODECS[..1]);
        for _ in 0..10 {
            parties[0].says_a_frame();
            frame(&mut mixer, &mut parties);
        }
        assert!(parties[0].heard.iter().all(|sample| *sample == 0));
    }

    #[test]
    fn payloads_of_60_to_180_ms_are_mixed_in_frames_of_20() {
        for (codec, frames_each) in [(0, 3), (0, 4), (2, 4), (2, 6), (1, 9)] {
            let (mut mixer, mut parties) = room(&[CODECS[codec], CODECS[1]]);
            let rate_hz = parties[0].rate_hz;
            let count = rate_hz / 50 * frames_each;
            let step = 500.0 * std::f64::consts::TAU / f64::from(rate_hz);
            let mut frames = 0;
            for number in 0..100 / frames_each {
                let mut payload = [0; PAYLOAD_MAX];
                let samples: Vec<i16> = (number * count..(number + 1) * count)
                    .map(|n| ((f64::from(n) * step).sin() * 6_000.0) as i16)
                    .collect();
                let length = parties[0].encoder.encode(&samples, &mut payload);
                assert_eq!(length, frames_each as usize * 160);
                let kind = parties[0].payload;
                assert!(parties[0].inlet.push(Seq(number as u16), kind, &payload[..length]));
                for _ in 0..frames_each {
                    frame(&mut mixer, &mut parties);
                    frames += 1;
                }
            }
            assert_eq!(parties[1].heard.len(), frames * 160);
            let heard = parties[1].hears(500.0);
            assert!(heard > 0.9, "codec {codec}, {frames_each} frames each: {heard}");
        }
    }

    #[test]
    fn a_party_that_changes_among_its_codecs_is_heard_in_each() {
        let (mut mixer, mut parties) = room(&CODECS[..1]);
        let inlet = Arc::new(Inlet::new());
        let member = Member::new((), Arc::clone(&inlet), (&CODECS[..], CODECS[0]), 9);
        mixer.join(key(9), Box::new(member));
        let mut said = 0;
        for codec in [1, 3, 2, 0, 1].map(|place| CODECS[place]) {
            let mut speaker = Party {
                inlet: Arc::clone(&inlet),
                payload: codec.payload,
                encoder: Encoder::new(codec.kind),
                decoder: Decoder::new(codec.kind),
                rate_hz: codec.kind.rate_hz(),
                tone_hz: 700.0,
                said,
                heard: Vec::new(),
            };
            parties[0].heard.clear();
            for _ in 0..50 {
                speaker.says_a_frame();
                frame(&mut mixer, &mut parties);
            }
            said = speaker.said;
            let heard = parties[0].hears(700.0);
            assert!((heard - 1.0).abs() < 0.25, "{codec:?}: {heard}");
        }
    }

    #[test]
    fn a_room_that_is_full_takes_no_more() {
        let (mixer, _) = room(&[CODECS[0]; MEMBERS_MAX + 1]);
        assert_eq!(mixer.members().len(), MEMBERS_MAX);
    }

    #[test]
    fn ids_of_dropped_conferences_are_void() {
        let mut conferences = Conferences::default();
        let first = conferences.insert().unwrap();
        assert_eq!(conferences.remove(first), Some(Vec::new()));
        let second = conferences.insert().unwrap();
        assert_eq!(second.index, first.index);
        assert!(conferences.members(first).is_none() && conferences.remove(first).is_none());
        assert!(conferences.members(second).is_some());
        while conferences.insert().is_some() {}
        assert_eq!(conferences.len(), CONFERENCES_MAX);
    }
}
