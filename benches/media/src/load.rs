//! The phones of all calls: 50 packets a second from each, every payload checked where it arrives.

use std::net::{SocketAddrV4, UdpSocket};
use std::time::Duration;

use crate::Outcome;
use crate::place::{PHONES, Place};
use crate::relay::{now, pause};
use crate::target::Target;
use crate::wire::{BATCH, PACKET, Wire, now_ns};

/// Packets of each stream in a second, the time between them, and how many portions it has.
const RATE: usize = 50;
const FRAME: Duration = Duration::from_millis(20);
const PORTIONS: usize = 20;
/// Packets on their way at full speed.
const WINDOW: u64 = 1_024;
/// How long the last packets may take.
const LAST_PACKETS: Duration = Duration::from_millis(300);
/// A bucket of latencies is so wide; there are buckets up to a second.
const BUCKET_NS: u64 = 10_000;
const BUCKETS: usize = 100_000;
/// RTP header, stream, number, time: the rest is the pattern.
const PATTERN_AT: usize = 28;

/// How fast it sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// In real time.
    RealTime,
    /// As fast as packets come back.
    FullSpeed,
}

/// What was counted.
pub(crate) struct Counted {
    pub(crate) sent: u64,
    pub(crate) heard: u64,
    /// Changed, at the wrong phone, or twice.
    pub(crate) wrong: u64,
    /// How far the generator was behind its own rhythm at most.
    pub(crate) behind: Duration,
    pub(crate) elapsed: Duration,
    latencies: Vec<u32>,
    max_ns: u64,
    /// Lost for certain.
    given_up: u64,
}

impl Counted {
    fn new() -> Self {
        Self {
            sent: 0,
            heard: 0,
            wrong: 0,
            behind: Duration::ZERO,
            elapsed: Duration::ZERO,
            latencies: vec![0; BUCKETS],
            max_ns: 0,
            given_up: 0,
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.heard)
    }

    /// The latency that this share of all packets did not exceed, in milliseconds.
    pub(crate) fn percentile_ms(&self, share: f64) -> f64 {
        let wanted = (self.heard as f64 * share).ceil() as u64;
        let mut below = 0;
        for (bucket, count) in self.latencies.iter().enumerate() {
            below += u64::from(*count);
            if below >= wanted {
                return ((bucket as u64 + 1) * BUCKET_NS).min(self.max_ns) as f64 / 1e6;
            }
        }
        self.max_ms()
    }

    pub(crate) fn max_ms(&self) -> f64 {
        self.max_ns as f64 / 1e6
    }

    fn note(&mut self, latency_ns: u64) {
        self.heard += 1;
        self.max_ns = self.max_ns.max(latency_ns);
        let bucket = usize::try_from(latency_ns / BUCKET_NS).unwrap_or(BUCKETS).min(BUCKETS - 1);
        self.latencies[bucket] += 1;
    }
}

/// The phones.
pub(crate) struct Load {
    /// Left, right.
    sockets: [Vec<UdpSocket>; 2],
    /// Where the left and the right phone of each call send to.
    calls: Vec<[SocketAddrV4; 2]>,
    /// The newest packet of each stream: left, right of a call in turn.
    newest: Vec<u32>,
    pub(crate) number: u32,
    outgoing: Wire,
    incoming: Wire,
}

impl Load {
    /// With the first `calls` calls of a relay, whose streams have come to `number`.
    pub(crate) fn new(place: &Place, target: &Target, calls: usize, number: u32) -> Outcome<Self> {
        let sockets = place.sockets(target.process().is_some())?;
        let calls = target.calls.get(..calls).ok_or("too few calls")?.to_vec();
        let newest = vec![0; calls.len() * 2];
        let (outgoing, incoming) = (Wire::new(), Wire::new());
        Ok(Self { sockets, calls, newest, number, outgoing, incoming })
    }

    /// Talks for so long.
    pub(crate) fn talk(&mut self, time: Duration, pace: Pace) -> Counted {
        let mut counted = Counted::new();
        let (start, mut next) = (now(), now());
        let frames = usize::try_from(time.as_millis()).unwrap_or_default() * RATE / 1_000;
        let mut frame = 0;
        while if pace == Pace::RealTime { frame < frames } else { start.elapsed() < time } {
            frame += 1;
            self.number += 1;
            for portion in 0..PORTIONS {
                self.say(portion, &mut counted);
                self.hear(&mut counted);
                if pace == Pace::RealTime {
                    next += FRAME / PORTIONS as u32;
                    let left = next.checked_duration_since(now());
                    counted.behind = counted.behind.max(now().saturating_duration_since(next));
                    pause(left.unwrap_or_default());
                } else {
                    self.wait(&mut counted);
                }
            }
        }
        counted.elapsed = start.elapsed();
        let end = now() + LAST_PACKETS;
        while counted.heard < counted.sent && now() < end {
            pause(Duration::from_millis(1));
            self.hear(&mut counted);
        }
        counted
    }

    /// Waits until fewer packets are on their way, or none has come for a while: those are lost.
    fn wait(&mut self, counted: &mut Counted) {
        let mut last = now();
        let given_up = counted.given_up;
        while counted.lost().saturating_sub(given_up) > WINDOW {
            let before = counted.heard;
            self.hear(counted);
            if counted.heard > before {
                last = now();
            } else if last.elapsed() > LAST_PACKETS {
                // They will not come any more; the window opens for others.
                counted.given_up = counted.lost();
                return;
            }
        }
    }

    /// One packet of every stream of a portion.
    fn say(&mut self, portion: usize, counted: &mut Counted) {
        for side in 0..2 {
            // All calls of a portion and a phone follow each other: they leave by one system call.
            for phone in 0..PHONES {
                let mut filled = 0;
                let first = portion * PHONES + phone;
                for call in (first..self.calls.len()).step_by(PORTIONS * PHONES) {
                    self.write(filled, call, side);
                    filled += 1;
                    if filled == BATCH {
                        counted.sent +=
                            self.outgoing.send(&self.sockets[side][phone], filled) as u64;
                        filled = 0;
                    }
                }
                if filled > 0 {
                    counted.sent += self.outgoing.send(&self.sockets[side][phone], filled) as u64;
                }
            }
        }
    }

    fn write(&mut self, at: usize, call: usize, side: usize) {
        let stream = (call * 2 + side) as u32;
        let number = self.number;
        self.outgoing.address(at, self.calls[call][side]);
        let packet = &mut self.outgoing.packets[at][..PACKET];
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&number.wrapping_mul(160).to_be_bytes());
        packet[8..12].copy_from_slice(&(stream + 1).to_be_bytes());
        packet[12..16].copy_from_slice(&stream.to_be_bytes());
        packet[16..20].copy_from_slice(&number.to_be_bytes());
        packet[20..28].copy_from_slice(&now_ns().to_be_bytes());
        packet[PATTERN_AT..].fill(pattern(stream, number));
    }

    /// Takes everything that has arrived.
    fn hear(&mut self, counted: &mut Counted) {
        for (side, sockets) in self.sockets.iter().enumerate() {
            for (phone, socket) in sockets.iter().enumerate() {
                loop {
                    let came = self.incoming.receive(socket);
                    for at in 0..came {
                        let arrived = self.incoming.arrived(at);
                        match check(arrived.packet, side, phone, &mut self.newest) {
                            Some(sent_ns) => counted.note(arrived.at_ns.saturating_sub(sent_ns)),
                            None => counted.wrong += 1,
                        }
                    }
                    if came < BATCH {
                        break;
                    }
                }
            }
        }
    }
}

fn pattern(stream: u32, number: u32) -> u8 {
    stream.wrapping_mul(31).wrapping_add(number) as u8
}

/// When it was sent, if it is whole, at the phone that it is for, and new.
fn check(packet: &[u8], side: usize, phone: usize, newest: &mut [u32]) -> Option<u64> {
    let word = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
    let (stream, number) = (word(12)?, word(16)?);
    let newest = newest.get_mut(stream as usize)?;
    let is_here = stream as usize % 2 != side && stream as usize / 2 % PHONES == phone;
    let pattern = pattern(stream, number);
    let is_whole =
        packet.len() == PACKET && packet.get(PATTERN_AT..)?.iter().all(|o| *o == pattern);
    let is_new = number > *newest;
    *newest = number.max(*newest);
    let sent_ns = u64::from(word(20)?) << 32 | u64::from(word(24)?);
    (is_here && is_whole && is_new).then_some(sent_ns)
}
