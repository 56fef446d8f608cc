//! The outgoing side of a stream: where its peer is and how its RTP goes on when sources change.
//!
//! The worker that forwards a packet is the sender's, which need not be the receiver's: all state
//! here is atomic. One source feeds an outlet at a time; in the moment of a switch two workers may
//! touch it, which at worst costs one more marker bit.

mod speech;
mod trial;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

pub use self::speech::Speech;
use self::speech::Tally;
use self::trial::Trial;
use super::address::AtomicAddress;
use super::statistics::{DirectionCounters, StreamStatistics};
use crate::recording::{Tap, Way};
use crate::rtcp::{ReportBlock, ReportMap, SenderMap};
use crate::rtp::statistics::{DROPOUT_MAX, MISORDER_MAX};
use crate::rtp::{CLOCK_DEFAULT_HZ, Header, RtpTime, Seq, Ssrc};
use crate::srtp::Sealer;

/// The least time between the last packet of one source and the first of the next.
const FRAME_US: u64 = 20_000;
/// Packets of an event come at least so often; after the last one speech goes on so much later.
const EVENT_GAP_US: u64 = 100_000;
/// Round trips longer than this are a wrong clock.
const ROUND_TRIP_MAX_US: u64 = 60_000_000;

/// What other threads may touch of a stream.
#[derive(Debug, Default)]
pub struct Outlet {
    media: AtomicAddress,
    control: AtomicAddress,
    is_sending: AtomicBool,
    is_treated: AtomicBool,
    is_muxed: AtomicBool,
    is_secure: AtomicBool,
    trial: Trial,
    sealer: ArcSwapOption<Sealer>,
    continuity: Continuity,
    last_sr: AtomicU32,
    last_sr_us: AtomicU64,
    round_trip_us: AtomicU64,
    is_reported: AtomicBool,
    is_tapped: AtomicBool,
    tap: ArcSwapOption<Tap>,
    /// Until when the mixer keeps silent: an event is being passed on.
    event_until_us: AtomicU64,
    /// Counters of what the peer sent; written by the worker that owns the stream.
    pub received: DirectionCounters,
    /// Counters of what the peer was sent; written by the worker that forwards.
    pub sent: DirectionCounters,
}

/// One SSRC with numbers and times that go on, whoever the source is.
#[derive(Debug, Default)]
struct Continuity {
    /// The source's id in the upper half, its own SSRC in the lower; 0 before the first packet.
    source: AtomicU64,
    ssrc: AtomicU32,
    sequence_delta: AtomicU32,
    timestamp_delta: AtomicU32,
    last_sequence: AtomicU32,
    last_timestamp: AtomicU32,
    last_us: AtomicU64,
    clock_hz: AtomicU32,
    tally: Tally,
}

/// Where a packet of a source goes on in the stream that the peer hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Names the source among all that may feed an outlet; never 0.
    pub source: u32,
    /// The payload type to send.
    pub payload: u8,
    /// Its clock.
    pub clock_hz: u32,
    /// Arrival.
    pub now_us: u64,
    /// By how many ticks the moment is later than the packet's timestamp: events keep that of their
    /// beginning.
    pub lead: u32,
}

/// How packets of a source are rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The SSRC that they get.
    pub ssrc: u32,
    /// Added to their numbers.
    pub sequence_delta: u16,
    /// Added to their times.
    pub time_delta: u32,
}

impl Outlet {
    /// Sets where the peer is.
    pub fn set_remote(&self, media: Option<SocketAddr>, control: Option<SocketAddr>) {
        self.set_media(media);
        self.set_control(control);
    }

    /// Sets where the peer receives media.
    pub fn set_media(&self, remote: Option<SocketAddr>) {
        self.media.store(remote);
    }

    /// Sets where the peer receives RTCP, if not with the media.
    pub fn set_control(&self, remote: Option<SocketAddr>) {
        self.control.store(remote);
    }

    /// Nothing has come yet from the address that signalling named: it is sent little, for a while.
    pub fn set_unproven(&self) {
        self.trial.begin();
    }

    /// The address where the peer is sent media is the peer's.
    pub fn set_proven(&self) {
        self.trial.end();
    }

    /// Whether the peer's address still has to prove itself.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        self.trial.is_on()
    }

    /// Whether another packet may go to the peer now, and notes that it does: always, once its address has
    /// proved itself.
    ///
    /// Source: security requirement SEC-86.
    #[must_use]
    pub fn may_send(&self, now_us: u64) -> bool {
        !self.is_unproven() || self.trial.takes(now_us)
    }

    /// Sets whether the peer may be sent media, and whether RTCP goes with it.
    pub fn set_direction(&self, is_sending: bool, is_muxed: bool) {
        self.is_sending.store(is_sending, Ordering::Relaxed);
        self.is_muxed.store(is_muxed, Ordering::Relaxed);
    }

    /// Sets whether the peer hears a treatment instead of the connected stream.
    pub fn set_treated(&self, is_treated: bool) {
        self.is_treated.store(is_treated, Ordering::Relaxed);
    }

    /// Sets whether everything that the peer is sent is protected, and with what. Without a sealer a
    /// secure stream sends nothing: its keys are still to come.
    pub fn set_security(&self, is_secure: bool, sealer: Option<Arc<Sealer>>) {
        // Nothing may leave in the clear in between.
        self.is_secure.store(true, Ordering::SeqCst);
        self.sealer.store(sealer);
        self.is_secure.store(is_secure, Ordering::SeqCst);
    }

    /// Whether everything that the peer is sent is protected.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_secure.load(Ordering::Relaxed)
    }

    /// Protects the first `length` octets of a buffer, where the stream is secure; returns how many
    /// octets leave. `None`: the packet must not leave.
    #[must_use]
    pub fn seal(&self, buffer: &mut [u8], length: usize, is_rtcp: bool) -> Option<usize> {
        if !self.is_secure() {
            return Some(length);
        }
        let sealer = self.sealer.load();
        let sealer = sealer.as_ref()?;
        if is_rtcp { sealer.seal_rtcp(buffer, length) } else { sealer.seal_rtp(buffer, length) }
            .ok()
    }

    /// Says where copies of everything that the peer says and hears go, if anywhere.
    pub fn set_tap(&self, tap: Option<Arc<Tap>>) {
        let is_tapped = tap.is_some();
        self.tap.store(tap);
        self.is_tapped.store(is_tapped, Ordering::SeqCst);
    }

    /// Whether what the peer says and hears is copied.
    #[must_use]
    pub fn is_tapped(&self) -> bool {
        self.is_tapped.load(Ordering::Relaxed)
    }

    /// Where it is copied.
    #[must_use]
    pub fn tap(&self) -> Option<Arc<Tap>> {
        self.tap.load_full()
    }

    /// Copies an RTP packet that the peer sent, under the header that it came with.
    pub fn copy_received(&self, header: &Header, packet: &[u8], from: SocketAddr, now_us: u64) {
        if let Some(tap) = self.tap.load().as_ref() {
            tap.take(Way::From, Some(header), packet, from, now_us);
        }
    }

    /// Copies an RTP packet that is about to be sent to the peer, where that is wanted.
    pub fn copy_sent(&self, packet: &[u8], now_us: u64) {
        if !self.is_tapped() {
            return;
        }
        if let (Some(tap), Some(to)) = (self.tap.load().as_ref(), self.media_remote()) {
            tap.take(Way::To, None, packet, to, now_us);
        }
    }

    /// Notes that a packet of an event was passed on beside the mix: the packets of one event carry
    /// the same time, so nothing may come between them (RFC 4733 §2.5.1.2).
    pub fn hear_event(&self, now_us: u64) {
        self.event_until_us.store(now_us.saturating_add(EVENT_GAP_US), Ordering::Relaxed);
    }

    /// Whether an event is being passed on.
    #[must_use]
    pub fn hears_event(&self, now_us: u64) -> bool {
        now_us < self.event_until_us.load(Ordering::Relaxed)
    }

    /// True if the peer may be sent media at all.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.is_sending.load(Ordering::Relaxed)
    }

    /// True if the connected stream may be heard.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.is_sending() && !self.is_treated.load(Ordering::Relaxed)
    }

    /// True if RTCP goes over the media port.
    #[must_use]
    pub fn is_muxed(&self) -> bool {
        self.is_muxed.load(Ordering::Relaxed)
    }

    /// Where media goes.
    #[must_use]
    pub fn media_remote(&self) -> Option<SocketAddr> {
        self.media.load()
    }

    /// Where RTCP goes when it is not multiplexed.
    #[must_use]
    pub fn control_remote(&self) -> Option<SocketAddr> {
        self.control.load()
    }

    /// Rewrites a packet so that it continues what the peer heard before.
    ///
    /// The first source passes with its own SSRC, numbers and times. A later one gets that SSRC,
    /// the next number, a time that moved on as the clock did, and a marker on its first packet.
    /// Where packets are sealed, a source that begins its numbers anew is a later one: a sealer
    /// takes no number again and none from before its window, a receiver would follow neither
    /// (RFC 3711 §3.3.1). One odd packet between others costs two markers.
    ///
    /// Source: RFC 3550 §7.1; old phones mute on timestamps that go back.
    pub fn stamp(&self, packet: &mut [u8], header: &Header, stamp: Stamp) {
        let line = &self.continuity;
        let source = u64::from(stamp.source) << 32 | u64::from(header.ssrc.0);
        let before = line.source.load(Ordering::Relaxed);
        let is_new = before != source || self.is_secure() && line.is_jump(header.sequence);
        let is_continued = is_new && before != 0;
        if is_new {
            line.begin(source, header, stamp);
        }
        let sequence_delta = low_half(line.sequence_delta.load(Ordering::Relaxed));
        let sent = Header {
            payload: stamp.payload,
            is_marked: header.is_marked || is_continued,
            sequence: header.sequence.plus(sequence_delta),
            timestamp: header.timestamp.plus(line.timestamp_delta.load(Ordering::Relaxed)),
            ssrc: Ssrc(line.ssrc.load(Ordering::Relaxed)),
        };
        if sent != *header {
            sent.rewrite(packet);
        }
        line.remember(sent, is_new, stamp);
        line.tally.count(packet);
    }

    /// How RTCP of a source must be renamed; `None` if another source is heard.
    #[must_use]
    pub fn sender_map(&self, source: u32) -> Option<SenderMap> {
        let line = &self.continuity;
        let (current, from) = halves(line.source.load(Ordering::Relaxed));
        (current == source).then(|| SenderMap {
            from,
            to: line.ssrc.load(Ordering::Relaxed),
            timestamp_delta: line.timestamp_delta.load(Ordering::Relaxed),
        })
    }

    /// How packets of a source are rewritten, where that source is the one that is heard.
    #[must_use]
    pub fn mapping(&self, source: u32, ssrc: Ssrc) -> Option<Mapping> {
        let line = &self.continuity;
        let heard = u64::from(source) << 32 | u64::from(ssrc.0);
        (line.source.load(Ordering::Relaxed) == heard).then(|| Mapping {
            ssrc: line.ssrc.load(Ordering::Relaxed),
            sequence_delta: low_half(line.sequence_delta.load(Ordering::Relaxed)),
            time_delta: line.timestamp_delta.load(Ordering::Relaxed),
        })
    }

    /// Notes how far somebody else has sent a source's packets by its [`Mapping`], so that the next
    /// source goes on from there. `last` is as it was received.
    pub fn note(&self, source: u32, ssrc: Ssrc, last: (Seq, RtpTime), now_us: u64) {
        let Some(mapping) = self.mapping(source, ssrc) else { return };
        let line = &self.continuity;
        let (sequence, time) = last;
        let sent = sequence.plus(mapping.sequence_delta);
        if sent.after(Seq(low_half(line.last_sequence.load(Ordering::Relaxed)))) > 0 {
            line.last_sequence.store(u32::from(sent.0), Ordering::Relaxed);
            line.last_timestamp.store(time.plus(mapping.time_delta).0, Ordering::Relaxed);
            line.last_us.store(now_us, Ordering::Relaxed);
        }
    }

    /// True before any media was sent.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.continuity.source.load(Ordering::Relaxed) == 0
    }

    /// How the peer's reports about what it hears must be renamed for whoever it hears.
    #[must_use]
    pub fn report_map(&self) -> Option<ReportMap> {
        let line = &self.continuity;
        let (source, to) = halves(line.source.load(Ordering::Relaxed));
        let sequence_delta = low_half(line.sequence_delta.load(Ordering::Relaxed));
        let from = line.ssrc.load(Ordering::Relaxed);
        (source != 0).then_some(ReportMap { from, to, sequence_delta })
    }

    /// Remembers a sender report that goes to the peer.
    pub fn on_sender_report(&self, ntp_middle: u32, now_us: u64) {
        self.last_sr.store(ntp_middle, Ordering::Relaxed);
        self.last_sr_us.store(now_us, Ordering::Relaxed);
    }

    /// Reads what the peer says about the stream it hears (RFC 3550 §6.4.1: round trip).
    pub fn on_report(&self, block: &ReportBlock, now_us: u64) {
        let line = &self.continuity;
        if block.ssrc != line.ssrc.load(Ordering::Relaxed) || self.is_fresh() {
            return;
        }
        let clock_hz = line.clock_hz.load(Ordering::Relaxed).max(1);
        let jitter_ms = u64::from(block.jitter) * 1_000 / u64::from(clock_hz);
        self.sent.report(u64::from(block.lost), jitter_ms);
        self.is_reported.store(true, Ordering::Relaxed);
        if block.last_sr == 0 || block.last_sr != self.last_sr.load(Ordering::Relaxed) {
            return;
        }
        let delay_us = u64::from(block.delay_since_last_sr) * 1_000_000 / 65_536;
        let since_us = now_us.saturating_sub(self.last_sr_us.load(Ordering::Relaxed));
        if let Some(trip_us) = since_us.checked_sub(delay_us)
            && trip_us < ROUND_TRIP_MAX_US
        {
            // 0 stands for "unknown".
            self.round_trip_us.store(trip_us.max(1), Ordering::Relaxed);
        }
    }

    /// All counters. Each is exact; together they may be a packet apart.
    #[must_use]
    pub fn statistics(&self) -> StreamStatistics {
        let round_trip_us = self.round_trip_us.load(Ordering::Relaxed);
        StreamStatistics {
            received: self.received.read(),
            sent: self.sent.read(),
            round_trip: (round_trip_us > 0).then(|| Duration::from_micros(round_trip_us)),
            suite: self.sealer.load().as_ref().map(|sealer| sealer.suite()),
            is_reported: self.is_reported.load(Ordering::Relaxed),
        }
    }
}

impl Continuity {
    fn begin(&self, source: u64, header: &Header, stamp: Stamp) {
        let clock_hz = if stamp.clock_hz == 0 { CLOCK_DEFAULT_HZ } else { stamp.clock_hz };
        if self.source.load(Ordering::Relaxed) == 0 {
            self.ssrc.store(header.ssrc.0, Ordering::Relaxed);
        } else {
            let last = Seq(low_half(self.last_sequence.load(Ordering::Relaxed)));
            let sequence_delta = last.plus(1).minus(header.sequence);
            let silent_us = stamp.now_us.saturating_sub(self.last_us.load(Ordering::Relaxed));
            let ticks = silent_us.max(FRAME_US).saturating_mul(u64::from(clock_hz)) / 1_000_000;
            let ticks = u32::try_from(ticks & 0xffff_ffff).unwrap_or_default();
            let next = RtpTime(self.last_timestamp.load(Ordering::Relaxed)).plus(ticks);
            self.sequence_delta.store(u32::from(sequence_delta), Ordering::Relaxed);
            self.timestamp_delta.store(next.minus(header.timestamp), Ordering::Relaxed);
        }
        self.clock_hz.store(clock_hz, Ordering::Relaxed);
        self.source.store(source, Ordering::Relaxed);
    }

    /// Whether a number of the source that is heard is neither ahead by some loss nor behind by some
    /// delay (RFC 3550 A.1).
    fn is_jump(&self, received: Seq) -> bool {
        let sent = received.plus(low_half(self.sequence_delta.load(Ordering::Relaxed)));
        let last = Seq(low_half(self.last_sequence.load(Ordering::Relaxed)));
        (DROPOUT_MAX..=u16::MAX - MISORDER_MAX).contains(&sent.minus(last))
    }

    /// Keeps the highest number and its time; a late packet changes nothing.
    fn remember(&self, sent: Header, is_first: bool, stamp: Stamp) {
        let last = Seq(low_half(self.last_sequence.load(Ordering::Relaxed)));
        if is_first || sent.sequence.after(last) > 0 {
            self.last_sequence.store(u32::from(sent.sequence.0), Ordering::Relaxed);
            let moment = sent.timestamp.plus(stamp.lead);
            self.last_timestamp.store(moment.0, Ordering::Relaxed);
            self.last_us.store(stamp.now_us, Ordering::Relaxed);
        }
    }
}

fn low_half(value: u32) -> u16 {
    let [low, high, ..] = value.to_le_bytes();
    u16::from_le_bytes([low, high])
}

fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(outlet: &Outlet, source: u32, header: Header, now_us: u64) -> Header {
        let mut packet = [0u8; 172];
        header.write(&mut packet);
        let stamp = Stamp { source, payload: header.payload, clock_hz: 8_000, now_us, lead: 0 };
        outlet.stamp(&mut packet, &header, stamp);
        Header::read(&packet).unwrap()
    }

    fn header(sequence: u16, timestamp: u32, ssrc: u32) -> Header {
        Header {
            payload: 8,
            is_marked: false,
            sequence: Seq(sequence),
            timestamp: RtpTime(timestamp),
            ssrc: Ssrc(ssrc),
        }
    }

    #[test]
    fn an_unproven_address_gets_five_packets_a_second_for_five_seconds_and_a_proven_one_all() {
        let outlet = Outlet::default();
        let sent_in = |seconds: std::ops::Range<u64>| {
            let moments = (seconds.start * 100..seconds.end * 100).map(|tick| 1 + tick * 10_000);
            moments.filter(|now_us| outlet.may_send(*now_us)).count()
        };
        assert_eq!(sent_in(0..1), 100);
        outlet.set_unproven();
        assert_eq!(sent_in(1..2), 5);
        assert_eq!(sent_in(2..6), 20);
        assert_eq!(sent_in(6..60), 0);
        // Another address has its own trial.
        outlet.set_unproven();
        assert_eq!(sent_in(60..61), 5);
        outlet.set_proven();
        assert_eq!(sent_in(61..62), 100);
    }

    #[test]
    fn the_first_source_passes_unchanged() {
        let outlet = Outlet::default();
        let first = header(65_535, 1_000, 7);
        assert_eq!(send(&outlet, 1, first, 0), first);
        let next = header(0, 1_160, 7);
        assert_eq!(send(&outlet, 1, next, 20_000), next);
    }

    #[test]
    fn the_next_source_goes_on_where_the_last_one_ended() {
        let outlet = Outlet::default();
        send(&outlet, 1, header(100, 1_000, 7), 0);
        let first = send(&outlet, 2, header(40_000, 9_999_999, 8), 100_000);
        let expected = Header { is_marked: true, ..header(101, 1_800, 7) };
        assert_eq!(first, expected);
        let second = send(&outlet, 2, header(40_001, 10_000_159, 8), 120_000);
        assert_eq!(second, header(102, 1_960, 7));
    }

    #[test]
    fn a_source_that_changes_its_ssrc_is_a_new_source() {
        let outlet = Outlet::default();
        send(&outlet, 1, header(5, 0, 7), 0);
        let after = send(&outlet, 1, header(900, 77, 9), 1_000);
        // Time never stands still, however soon the new source begins.
        assert_eq!(after, Header { is_marked: true, ..header(6, 160, 7) });
    }

    #[test]
    fn loss_and_reordering_of_a_source_stay_visible() {
        let outlet = Outlet::default();
        send(&outlet, 1, header(5, 0, 7), 0);
        send(&outlet, 2, header(50, 0, 8), 20_000);
        assert_eq!(send(&outlet, 2, header(53, 480, 8), 80_000).sequence, Seq(9));
        assert_eq!(send(&outlet, 2, header(52, 320, 8), 81_000).sequence, Seq(8));
        // The late packet did not move the end.
        assert_eq!(send(&outlet, 1, header(6, 0, 7), 100_000).sequence, Seq(10));
    }

    #[test]
    fn only_a_sealed_stream_goes_on_where_its_source_begins_its_numbers_anew() {
        for (is_secure, expected) in [(false, [200, 201]), (true, [5_002, 5_003])] {
            let outlet = Outlet::default();
            outlet.set_security(is_secure, None);
            send(&outlet, 1, header(5_000, 0, 7), 0);
            assert_eq!(send(&outlet, 1, header(5_001, 160, 7), 20_000).sequence, Seq(5_001));
            let anew = send(&outlet, 1, header(200, 777, 7), 40_000);
            assert_eq!((anew.sequence, anew.is_marked), (Seq(expected[0]), is_secure));
            let next = send(&outlet, 1, header(201, 937, 7), 60_000);
            assert_eq!((next.sequence, next.is_marked), (Seq(expected[1]), false));
        }
    }

    #[test]
    fn an_odd_packet_in_a_sealed_stream_leaves_no_gap_behind_it() {
        let outlet = Outlet::default();
        outlet.set_security(true, None);
        for (received, sent) in [(10, 10), (11, 11), (40_000, 12), (12, 13), (13, 14), (15, 16)] {
            assert_eq!(send(&outlet, 1, header(received, 0, 7), 0).sequence, Seq(sent));
        }
    }

    #[test]
    fn reports_become_statistics_and_round_trip() {
        let outlet = Outlet::default();
        send(&outlet, 1, header(5, 0, 7), 0);
        outlet.on_sender_report(0xabcd, 1_000_000);
        let block = ReportBlock {
            ssrc: 7,
            lost: 3,
            jitter: 80,
            last_sr: 0xabcd,
            delay_since_last_sr: 32_768,
        };
        outlet.on_report(&block, 1_540_000);
        let statistics = outlet.statistics();
        assert_eq!((statistics.sent.lost, statistics.sent.jitter_ms), (3, 10));
        assert_eq!(statistics.round_trip, Some(Duration::from_millis(40)));
    }

    #[test]
    fn reports_about_others_count_nothing() {
        let outlet = Outlet::default();
        send(&outlet, 1, header(5, 0, 7), 0);
        let block =
            ReportBlock { ssrc: 8, lost: 3, jitter: 80, last_sr: 0, delay_since_last_sr: 0 };
        outlet.on_report(&block, 0);
        assert_eq!(outlet.statistics().sent.lost, 0);
    }

    #[test]
    fn rtcp_is_renamed_as_the_stream_was() {
        let outlet = Outlet::default();
        send(&outlet, 1, header(100, 1_000, 7), 0);
        send(&outlet, 2, header(90, 5_000, 8), 20_000);
        assert_eq!(outlet.sender_map(1), None);
        let sender = SenderMap { from: 8, to: 7, timestamp_delta: 0u32.wrapping_sub(3_840) };
        assert_eq!(outlet.sender_map(2), Some(sender));
        assert_eq!(outlet.report_map(), Some(ReportMap { from: 7, to: 8, sequence_delta: 11 }));
    }
}
