//! Recordings: copies of what a party says and hears, on their way to a file.
//!
//! A worker that handles a packet of a recorded stream copies it into a bounded queue (one for short
//! packets, one for the few that are long) and goes on; a full queue costs the recording that packet,
//! counted, and the call nothing. Everything else (codecs,
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
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use arc_swap::ArcSwap;

use crate::codec::MemberCodec;
use crate::rtp::Header;

/// The longest packet that is recorded: 80 ms of 64 kbit/s with the header and some extension.
pub const PACKET_MAX: usize = 704;
/// What nearly all packets fit into: 30 ms of 64 kbit/s with the header and some extension.
const SHORT_MAX: usize = 272;
/// Short packets that may wait: 3.2 s of 200 recorded calls in 22 MB.
const SHORT_WAITING_MAX: usize = 65_536;
/// Long packets that may wait: more than a second of 200 recorded calls in 6 MB.
const LONG_WAITING_MAX: usize = 8_192;
/// All packets that may wait.
pub const WAITING_MAX: usize = SHORT_WAITING_MAX + LONG_WAITING_MAX;

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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Captured<'a> {
    /// Whose.
    pub ticket: u64,
    /// Which way.
    pub way: Way,
    /// When, by the relay's clock.
    pub at_us: u64,
    /// The party's address.
    pub peer: SocketAddr,
    /// The packet.
    pub packet: &'a [u8],
}

/// A place in a queue.
#[derive(Debug)]
struct Copied<const MAX: usize> {
    ticket: u64,
    way: Way,
    at_us: u64,
    peer: SocketAddr,
    length: usize,
    octets: [u8; MAX],
}

impl<const MAX: usize> Copied<MAX> {
    /// `None` where the packet is too long for such a place.
    fn new(captured: &Captured<'_>, header: Option<&Header>) -> Option<Self> {
        let Captured { ticket, way, at_us, peer, packet } = *captured;
        let (length, mut octets) = (packet.len(), [0; MAX]);
        let place = octets.get_mut(..length)?;
        place.copy_from_slice(packet);
        if let Some(header) = header {
            header.rewrite(place);
        }
        Some(Self { ticket, way, at_us, peer, length, octets })
    }

    fn captured(&self) -> Captured<'_> {
        let packet = self.octets.get(..self.length).unwrap_or_default();
        let Self { ticket, way, at_us, peer, .. } = *self;
        Captured { ticket, way, at_us, peer, packet }
    }
}

/// The end of the queues that taps fill.
#[derive(Clone, Debug)]
pub struct Inflow {
    short: SyncSender<Copied<SHORT_MAX>>,
    long: SyncSender<Copied<PACKET_MAX>>,
}

impl Inflow {
    /// Without waiting; false where there is no place.
    fn put(&self, captured: &Captured<'_>, header: Option<&Header>) -> bool {
        match Copied::new(captured, header) {
            Some(short) => self.short.try_send(short).is_ok(),
            None => {
                Copied::new(captured, header).is_some_and(|long| self.long.try_send(long).is_ok())
            }
        }
    }
}

/// The end of the queues that the writer empties.
#[derive(Debug)]
pub struct Outflow {
    short: Receiver<Copied<SHORT_MAX>>,
    long: Receiver<Copied<PACKET_MAX>>,
    /// What was taken from each, to see which is older.
    next: (Option<Copied<SHORT_MAX>>, Option<Copied<PACKET_MAX>>),
}

impl Outflow {
    /// Gives the oldest packet that waits to `take`; false where none does.
    pub fn take(&mut self, take: impl FnOnce(&Captured<'_>)) -> bool {
        self.look();
        let is_long_older = match &self.next {
            (Some(short), Some(long)) => long.at_us < short.at_us,
            (None, long) => long.is_some(),
            (Some(_), None) => false,
        };
        let taken = if is_long_older {
            self.next.1.take().map(|long| take(&long.captured()))
        } else {
            self.next.0.take().map(|short| take(&short.captured()))
        };
        taken.is_some()
    }

    /// When the oldest packet came that waits.
    pub fn oldest_us(&mut self) -> Option<u64> {
        self.look();
        let short = self.next.0.as_ref().map(|short| short.at_us);
        let long = self.next.1.as_ref().map(|long| long.at_us);
        short.into_iter().chain(long).min()
    }

    fn look(&mut self) {
        if self.next.0.is_none() {
            self.next.0 = self.short.try_recv().ok();
        }
        if self.next.1.is_none() {
            self.next.1 = self.long.try_recv().ok();
        }
    }
}

/// Queues of so many places for short packets and for long ones.
fn queues(short: usize, long: usize) -> (Inflow, Outflow) {
    let ((short, shorts), (long, longs)) = (sync_channel(short), sync_channel(long));
    let next = (None, None);
    (Inflow { short, long }, Outflow { short: shorts, long: longs, next })
}

/// The queues of all recordings.
#[must_use]
pub fn queue() -> (Inflow, Outflow) {
    queues(SHORT_WAITING_MAX, LONG_WAITING_MAX)
}

/// Where a stream's packets are copied, and how many were.
#[derive(Debug)]
pub struct Tap {
    ticket: u64,
    queue: Inflow,
    /// How its packets are decoded now.
    #[cfg_attr(not(feature = "io"), expect(dead_code, reason = "the writer of files reads it"))]
    pub(crate) voices: ArcSwap<Voices>,
    is_over: AtomicBool,
    lost: AtomicU64,
}

impl Tap {
    /// A tap that fills a queue.
    #[must_use]
    pub fn new(ticket: u64, queue: Inflow, voices: Voices) -> Self {
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
        let captured = Captured { ticket: self.ticket, way, at_us, peer, packet };
        if self.queue.put(&captured, header) {
            return;
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
    use super::*;
    use crate::rtp::{RtpTime, Seq, Ssrc};

    fn peer() -> SocketAddr {
        "127.0.0.1:4000".parse().unwrap()
    }

    /// Everything that waits: when it came, how long it is.
    fn waiting(packets: &mut Outflow) -> Vec<(u64, usize)> {
        let mut all = Vec::new();
        while packets.take(|captured| all.push((captured.at_us, captured.packet.len()))) {}
        all
    }

    #[test]
    fn a_packet_is_copied_under_its_own_header_and_what_finds_no_place_is_counted() {
        let (queue, mut packets) = queues(1, 1);
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
        let is_taken = packets.take(|captured| {
            assert_eq!((captured.ticket, captured.way, captured.at_us), (7, Way::From, 5));
            assert_eq!(Header::read(captured.packet), Some(own));
            assert_eq!(captured.packet[12..], sent[12..]);
        });
        assert!(is_taken);
        tap.end();
        tap.take(Way::To, None, &sent, peer(), 8);
        assert_eq!(waiting(&mut packets), []);
        assert_eq!(tap.lost(), 2, "over is not lost");
    }

    #[test]
    fn short_packets_and_long_ones_leave_in_the_order_in_which_they_came() {
        let (queue, mut packets) = queues(4, 2);
        let tap = Tap::new(7, queue, Voices::default());
        let lengths = [20, PACKET_MAX, SHORT_MAX, SHORT_MAX + 1, 12];
        for (length, at_us) in lengths.into_iter().zip(1..) {
            tap.take(Way::To, None, &vec![0x80; length], peer(), at_us);
        }
        assert_eq!(packets.oldest_us(), Some(1));
        let all: Vec<(u64, usize)> = (1..).zip(lengths).collect();
        assert_eq!(waiting(&mut packets), all);
        assert_eq!((packets.oldest_us(), tap.lost()), (None, 0));
    }
}
