//! Recordings: copies of what a party says and hears, on their way to a file.
//!
//! A worker that handles a packet of a recorded stream copies it into a bounded queue and goes on; a
//! full queue costs the recording that packet, counted, and the call nothing. Everything else (codecs,
//! files) is done by the thread of [`writer`]. What is copied is what is on the wire but without SRTP:
//! received packets as they came, sent ones as they leave, tones, music and mixes included. What a
//! party says while nobody may hear it is not copied.

pub mod pcap;
pub mod wav;
#[cfg(feature = "io")]
pub mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use arc_swap::ArcSwap;

use crate::codec::MemberCodec;
use crate::rtp::Header;

/// The longest packet that is recorded: 80 ms of 64 kbit/s with the header and some extension.
pub const PACKET_MAX: usize = 704;

/// What a recording's file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// PCM of 16 bits in two channels: what the party says, what it hears.
    Wav,
    /// RTP packets as they were, in IP and UDP.
    Pcap,
}

/// From or to the party.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// What it says.
    From,
    /// What it hears.
    To,
}

/// What a party speaks, by payload type, in each direction.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Voices {
    /// What it says.
    pub from: Vec<MemberCodec>,
    /// What it hears.
    pub to: Vec<MemberCodec>,
}

/// What is to be recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// Comes back with [`Notify::Recorded`](crate::Notify::Recorded).
    pub ticket: u64,
    /// The finished file. Until then it has another name in the same folder.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
    /// How the party's packets are decoded; changed by
    /// [`MediaPlane::set_voices`](crate::MediaPlane::set_voices).
    pub voices: Voices,
    /// The time now, in milliseconds since 1970.
    pub now_unix_ms: u64,
}

/// How a recording ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recorded {
    /// Packets that are in it.
    pub packets: u64,
    /// Packets that are not: the queue was full, or they came much too late, or were too long.
    pub lost: u64,
    /// Octets of the file.
    pub bytes: u64,
    /// Number of the system's error that ended it; the file keeps its unfinished name then.
    pub failure: Option<i32>,
}

/// A packet on its way to the file.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Whose.
    pub ticket: u64,
    /// Which way.
    pub way: Way,
    /// When, by the relay's clock.
    pub at_us: u64,
    /// The party's address.
    pub peer: SocketAddr,
    length: usize,
    octets: [u8; PACKET_MAX],
}

impl Captured {
    /// The packet.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

/// Where a stream's packets are copied, and how many were.
#[derive(Debug)]
pub struct Tap {
    ticket: u64,
    queue: SyncSender<Captured>,
    /// How its packets are decoded now.
    pub(crate) voices: ArcSwap<Voices>,
    is_over: AtomicBool,
    lost: AtomicU64,
}

impl Tap {
    /// A tap that fills a queue.
    #[must_use]
    pub fn new(ticket: u64, queue: SyncSender<Captured>, voices: Voices) -> Self {
        Self {
            ticket,
            queue,
            voices: ArcSwap::new(Arc::new(voices)),
            is_over: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        }
    }

    /// Copies a packet, with another header where one is given. No lock, no allocation, no call of
    /// the system; may be called by several threads.
    pub fn take(
        &self,
        way: Way,
        header: Option<&Header>,
        packet: &[u8],
        peer: SocketAddr,
        at_us: u64,
    ) {
        if self.is_over() {
            return;
        }
        let mut octets = [0; PACKET_MAX];
        let length = packet.len();
        if let Some(place) = octets.get_mut(..length) {
            place.copy_from_slice(packet);
            if let Some(header) = header {
                header.rewrite(place);
            }
            let captured = Captured { ticket: self.ticket, way, at_us, peer, length, octets };
            if self.queue.try_send(captured).is_ok() {
                return;
            }
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing is copied any more.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Whether nothing is copied any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Packets that found no place.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::rtp::{RtpTime, Seq, Ssrc};

    fn peer() -> SocketAddr {
        "127.0.0.1:4000".parse().unwrap()
    }

    #[test]
    fn a_packet_is_copied_under_its_own_header_and_what_finds_no_place_is_counted() {
        let (queue, packets) = sync_channel(1);
        let tap = Tap::new(7, queue, Voices::default());
        let own = Header {
            payload: 8,
            is_marked: true,
            sequence: Seq(1),
            timestamp: RtpTime(2),
            ssrc: Ssrc(3),
        };
        let mut sent = [0xaa; 20];
        sent[0] = 0x80;
        tap.take(Way::From, Some(&own), &sent, peer(), 5);
        tap.take(Way::From, None, &sent, peer(), 6);
        tap.take(Way::To, None, &[0x80; PACKET_MAX + 1], peer(), 7);
        assert_eq!(tap.lost(), 2);
        let captured = packets.recv().unwrap();
        assert_eq!((captured.ticket, captured.way, captured.at_us), (7, Way::From, 5));
        assert_eq!(Header::read(captured.packet()), Some(own));
        assert_eq!(captured.packet()[12..], sent[12..]);
        tap.end();
        tap.take(Way::To, None, &sent, peer(), 8);
        assert!(packets.try_recv().is_err());
        assert_eq!(tap.lost(), 2, "over is not lost");
    }
}
