//! The phone's voice: one RTP packet every 20 ms while it may send, and what it hears.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};

use media::codec::g711;
use media::rtp::telephone_event::TelephoneEvent;
use media::srtp::{OVERHEAD_MAX, Opener, Sealer};
use media::{Security, ToneCodec};

use super::instrument::Instrument;
use super::keypad::Frame;

/// What went out and came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpCounts {
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets received whose payload is another phone's voice, not a tone of the switch.
    pub voice: u64,
    /// Packets received that were not protected with the call's key.
    pub refused: u64,
}

/// Payload octets of a voice frame: every phone says its own, so that a listener knows who talks.
pub(super) const FRAME: usize = 160;
const HEADER: usize = 12;
/// Frames of sound that are remembered: five seconds.
const MAX_SOUND: usize = 250;
/// Digits that are remembered.
const MAX_DIGITS: usize = 256;
/// Frames that may wait to be sent: more than any test dials.
const MAX_WAITING: usize = 2_000;

pub(super) struct Voice {
    socket: UdpSocket,
    counts: RtpCounts,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    mark: u8,
    heard: Option<u8>,
    /// What is said before the voice goes on.
    waiting: VecDeque<Frame>,
    /// When the event that is being sent began.
    event_began: u32,
    digits: String,
    last_event: Option<(u32, u8)>,
    sound: VecDeque<Vec<i16>>,
    security: Security,
    sealer: Option<Sealer>,
    opener: Option<Opener>,
    /// Hums instead of the phone's mark, where its codec is the call's.
    pub(super) instrument: Option<Instrument>,
}

impl Voice {
    pub(super) fn new(socket: UdpSocket, ssrc: u32, mark: u8) -> Voice {
        Voice {
            socket,
            counts: RtpCounts::default(),
            sequence: 0,
            timestamp: 0,
            ssrc,
            mark,
            heard: None,
            waiting: VecDeque::new(),
            event_began: 0,
            digits: String::new(),
            last_event: None,
            sound: VecDeque::new(),
            security: Security::Plain,
            sealer: None,
            opener: None,
            instrument: None,
        }
    }

    /// Speaks with these keys from now on; a key that stays keeps its counts.
    pub(super) fn secure(&mut self, security: Security) {
        if security.local() != self.security.local() {
            self.sealer = security.local().map(Sealer::new);
        }
        if security.remote() != self.security.remote() {
            self.opener = security.remote().map(Opener::new);
        }
        self.security = security;
    }

    /// Whether it speaks SRTP.
    pub(super) fn is_secure(&self) -> bool {
        !self.security.is_plain()
    }

    pub(super) fn counts(&self) -> RtpCounts {
        self.counts
    }

    /// The mark of the phone heard last.
    pub(super) fn heard(&self) -> Option<u8> {
        self.heard
    }

    /// Digits heard as telephone-events, in order.
    pub(super) fn digits(&self) -> &str {
        &self.digits
    }

    /// The G.711 sound of the last seconds.
    pub(super) fn sound(&self) -> Vec<i16> {
        self.sound.iter().flatten().copied().collect()
    }

    /// The name of its stream.
    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Says these frames next.
    pub(super) fn say(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let room = MAX_WAITING.saturating_sub(self.waiting.len());
        self.waiting.extend(frames.into_iter().take(room));
    }

    /// Says nothing of what was to be said before the voice goes on.
    pub(super) fn go_on(&mut self) {
        self.waiting.clear();
    }

    pub(super) fn send(&mut self, to: SocketAddr, payload: u8) {
        let instrument = self.instrument.as_mut().filter(|own| own.payload() == payload);
        if let (true, Some(instrument)) = (self.waiting.is_empty(), instrument) {
            let (octets, ticks) = (instrument.hum(), instrument.ticks());
            self.send_packet(to, payload & 0x7f, self.timestamp, &octets);
            self.timestamp = self.timestamp.wrapping_add(ticks);
            return;
        }
        match self.waiting.pop_front() {
            None => self.send_packet(to, payload & 0x7f, self.timestamp, &[self.mark; FRAME]),
            Some(Frame::Lost) => self.sequence = self.sequence.wrapping_add(1),
            Some(Frame::Sound(octets)) => {
                self.send_packet(to, payload & 0x7f, self.timestamp, &octets);
            }
            Some(Frame::Event { payload, is_first, body }) => {
                if is_first {
                    self.event_began = self.timestamp;
                }
                let marker = if is_first { 0x80 } else { 0 };
                self.send_packet(to, payload | marker, self.event_began, &body);
            }
        }
        self.timestamp = self.timestamp.wrapping_add(160);
    }

    fn send_packet(&mut self, to: SocketAddr, kind: u8, timestamp: u32, payload: &[u8]) {
        let mut packet = vec![0x80, kind];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&timestamp.to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(sealer) = &self.sealer {
            let length = packet.len();
            packet.resize(length + OVERHEAD_MAX, 0);
            let Ok(sealed) = sealer.seal_rtp(&mut packet, length) else { return };
            packet.truncate(sealed);
        }
        if self.socket.send_to(&packet, to).is_ok() {
            self.counts.sent += 1;
        }
    }

    /// Reads everything that waits.
    pub(super) fn receive(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            if length < HEADER {
                continue;
            }
            let length = match &mut self.opener {
                None => length,
                Some(opener) => match opener.open_rtp(&mut buffer[..length]) {
                    Ok(length) => length,
                    Err(_) => {
                        self.counts.refused += 1;
                        continue;
                    }
                },
            };
            self.counts.received += 1;
            let timestamp = u32::from_be_bytes([buffer[4], buffer[5], buffer[6], buffer[7]]);
            let kind = buffer[1] & 0x7f;
            let payload = &buffer[HEADER..length];
            let first = payload.first().copied();
            let is_voice =
                payload.len() == FRAME && payload.iter().all(|octet| Some(*octet) == first);
            if is_voice {
                self.counts.voice += 1;
                self.heard = first;
            }
            if let Some(own) = self.instrument.as_mut().filter(|own| own.payload() == kind) {
                own.hear(payload);
            }
            match ToneCodec::of_payload(kind) {
                Some(law) => {
                    let samples = payload.iter().map(|octet| g711::decode(law, *octet)).collect();
                    self.sound.push_back(samples);
                    if self.sound.len() > MAX_SOUND {
                        self.sound.pop_front();
                    }
                }
                None if payload.len() == 4 => self.hear_event(timestamp, payload),
                None => {}
            }
        }
    }

    /// Notes a digit at the first packet of its end.
    fn hear_event(&mut self, timestamp: u32, payload: &[u8]) {
        let Some(event) = TelephoneEvent::read(payload) else { return };
        let name = (timestamp, event.code);
        if event.is_end && self.last_event != Some(name) && self.digits.len() < MAX_DIGITS {
            self.last_event = Some(name);
            self.digits.extend(event.digit());
        }
    }
}
