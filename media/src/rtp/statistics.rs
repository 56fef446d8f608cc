//! What was received: extended sequence, loss, late packets, jitter.

use super::header::Header;
use super::sequence::{RtpTime, Seq, Ssrc};

/// A jump ahead of fewer packets is loss (RFC 3550 A.1).
pub const DROPOUT_MAX: u16 = 3_000;
/// A packet that is fewer behind is late (RFC 3550 A.1).
pub const MISORDER_MAX: u16 = 100;

/// Reception of one stream, over all SSRCs it ever used.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    current: Option<Source>,
    lost_before: u64,
    late: u64,
    bursts: u64,
    jitter: Jitter,
}

/// From where somebody else goes on counting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The source.
    pub ssrc: Ssrc,
    /// Its extended highest sequence number.
    pub highest: u32,
    /// The timestamp that came with it.
    pub last_time: RtpTime,
    /// 16 times the jitter in ticks.
    pub jitter: u32,
}

/// What somebody else counted of a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Elsewhere {
    /// The extended highest sequence number now.
    pub highest: u32,
    /// Packets that came, those that repeat a number left out.
    pub received: u64,
    /// Packets that came after a later one, or twice.
    pub late: u64,
    /// The timestamp of the highest number.
    pub last_time: RtpTime,
    /// 16 times the jitter in ticks.
    pub jitter: u32,
}

#[derive(Clone, Debug)]
struct Source {
    ssrc: Ssrc,
    base: Seq,
    highest: Seq,
    /// Packets from `base` to `highest`, both included.
    expected: u64,
    received: u64,
    /// The number after a jump; a second packet there means that the sender restarted.
    resync_at: Option<Seq>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    clock_hz: u32,
    last: RtpTime,
    transit: Option<u32>,
    /// 16 times the jitter in ticks, as in RFC 3550 A.8.
    scaled: u32,
}

impl Reception {
    /// Counts a packet that arrived at `now_us`.
    ///
    /// Source: RFC 3550 A.1, A.3, A.8.
    pub fn on_packet(&mut self, header: &Header, now_us: u64, clock_hz: u32) {
        let source = match &mut self.current {
            Some(source) if source.ssrc == header.ssrc => source,
            _ => {
                self.restart(header);
                self.jitter.on_packet(header.timestamp, now_us, clock_hz);
                return;
            }
        };
        let ahead = header.sequence.minus(source.highest);
        if ahead == 0 {
            self.late += 1;
            return;
        }
        if ahead < DROPOUT_MAX {
            source.expected += u64::from(ahead);
            self.bursts += u64::from(ahead > 1);
            source.highest = header.sequence;
            source.received += 1;
            source.resync_at = None;
            self.jitter.on_packet(header.timestamp, now_us, clock_hz);
        } else if ahead > u16::MAX - MISORDER_MAX {
            source.received += 1;
            self.late += 1;
        } else if source.resync_at == Some(header.sequence) {
            self.restart(header);
        } else {
            source.resync_at = Some(header.sequence.plus(1));
        }
    }

    /// Where the numbering stands; `None` before the first packet.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let source = self.current.as_ref()?;
        Some(Standing {
            ssrc: source.ssrc,
            highest: self.extended_highest()?,
            last_time: self.jitter.last,
            jitter: self.jitter.scaled,
        })
    }

    /// How many packets of the current source should have come, and how many did.
    #[must_use]
    pub fn tally(&self) -> Option<(u64, u64)> {
        self.current.as_ref().map(|source| (source.expected, source.received))
    }

    /// Takes in what somebody else counted of the same source, starting from [`Self::standing`].
    pub fn absorb(&mut self, elsewhere: &Elsewhere) {
        let (now, lost) = (self.extended_highest(), self.lost());
        let (Some(source), Some(now)) = (&mut self.current, now) else { return };
        let ahead = elsewhere.highest.wrapping_sub(now);
        // Otherwise packets that were counted here have gone further.
        if ahead.cast_signed() > 0 {
            source.expected += u64::from(ahead);
            source.highest = source.highest.plus((ahead & 0xffff).try_into().unwrap_or_default());
            source.resync_at = None;
            self.jitter.last = elsewhere.last_time;
        }
        source.received += elsewhere.received;
        self.late += elsewhere.late;
        self.jitter.scaled = elsewhere.jitter;
        self.jitter.transit = None;
        // Where they were missing nobody has noted.
        self.bursts += self.lost().saturating_sub(lost);
    }

    /// Packets that never came (RFC 3550 A.3).
    #[must_use]
    pub fn lost(&self) -> u64 {
        let now = self.current.as_ref().map_or(0, Source::lost);
        self.lost_before + now
    }

    /// Packets that came after a later one, or twice.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// In how many pieces packets were missing when the next one came.
    #[must_use]
    pub fn bursts(&self) -> u64 {
        self.bursts
    }

    /// The 32-bit extended highest sequence number of RTCP reports.
    #[must_use]
    pub fn extended_highest(&self) -> Option<u32> {
        let source = self.current.as_ref()?;
        let extended = u64::from(source.base.0) + source.expected - 1;
        u32::try_from(extended & 0xffff_ffff).ok()
    }

    /// Interarrival jitter.
    #[must_use]
    pub fn jitter_ms(&self) -> u32 {
        self.jitter.milliseconds()
    }

    fn restart(&mut self, header: &Header) {
        self.lost_before = self.lost();
        self.jitter.transit = None;
        self.current = Some(Source {
            ssrc: header.ssrc,
            base: header.sequence,
            highest: header.sequence,
            expected: 1,
            received: 1,
            resync_at: None,
        });
    }
}

impl Source {
    fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }
}

impl Jitter {
    fn on_packet(&mut self, timestamp: RtpTime, now_us: u64, clock_hz: u32) {
        // Telephone-events and the packets of a video frame repeat a timestamp: it says when the
        // first of them was sent, nothing about the others.
        if self.transit.is_some() && timestamp == self.last {
            return;
        }
        if clock_hz != self.clock_hz {
            *self = Self { clock_hz, ..Self::default() };
        }
        self.last = timestamp;
        let clock = u64::from(clock_hz);
        let (seconds, rest_us) = (now_us / 1_000_000, now_us % 1_000_000);
        let ticks = seconds.wrapping_mul(clock).wrapping_add(rest_us * clock / 1_000_000);
        let arrival = u32::try_from(ticks & 0xffff_ffff).unwrap_or_default();
        let transit = arrival.wrapping_sub(timestamp.0);
        if let Some(before) = self.transit {
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // RFC 3550 A.8, integer form. A step of more than a minute is a clock change, not jitter.
            if difference < clock_hz.saturating_mul(60) {
                self.scaled = (self.scaled + difference).saturating_sub((self.scaled + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    fn milliseconds(&self) -> u32 {
        let ticks = u64::from(self.scaled >> 4);
        let ms = ticks * 1_000 / u64::from(self.clock_hz.max(1));
        u32::try_from(ms).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32, ssrc: u32) -> Header {
        Header {
            payload: 0,
            is_marked: false,
            sequence: Seq(sequence),
            timestamp: RtpTime(timestamp),
            ssrc: Ssrc(ssrc),
        }
    }

    fn feed(reception: &mut Reception, sequences: &[u16]) {
        for sequence in sequences {
            let timestamp = u32::from(*sequence) * 160;
            let at = u64::from(*sequence) * 20_000;
            reception.on_packet(&packet(*sequence, timestamp, 1), at, 8_000);
        }
    }

    #[test]
    fn counts_a_gap_as_loss_and_takes_it_back_when_the_packet_comes_late() {
        let mut reception = Reception::default();
        feed(&mut reception, &[10, 11, 14]);
        assert_eq!((reception.lost(), reception.late(), reception.bursts()), (2, 0, 1));
        feed(&mut reception, &[12]);
        assert_eq!((reception.lost(), reception.late()), (1, 1));
    }

    #[test]
    fn each_gap_is_a_burst_however_long_and_what_was_lost_elsewhere_counts_one_by_one() {
        let mut reception = Reception::default();
        feed(&mut reception, &[1, 2, 6, 7, 9, 10]);
        assert_eq!((reception.lost(), reception.bursts()), (4, 2));
        reception.absorb(&Elsewhere { highest: 20, received: 8, ..Elsewhere::default() });
        assert_eq!((reception.lost(), reception.bursts()), (6, 4));
    }

    #[test]
    fn a_duplicate_is_late_and_heals_no_loss() {
        let mut reception = Reception::default();
        feed(&mut reception, &[1, 3, 3]);
        assert_eq!((reception.lost(), reception.late()), (1, 1));
    }

    #[test]
    fn the_sequence_number_is_extended_over_the_wrap() {
        let mut reception = Reception::default();
        feed(&mut reception, &[65_534, 65_535, 0, 1]);
        assert_eq!(reception.extended_highest(), Some(65_537));
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn a_new_ssrc_keeps_the_loss_of_the_old_one() {
        let mut reception = Reception::default();
        feed(&mut reception, &[1, 4]);
        reception.on_packet(&packet(40_000, 0, 2), 0, 8_000);
        assert_eq!(reception.lost(), 2);
    }

    #[test]
    fn a_restarted_sender_is_followed_after_two_packets_and_is_no_loss() {
        let mut reception = Reception::default();
        feed(&mut reception, &[1, 2, 30_000, 30_001, 30_002]);
        assert_eq!(reception.lost(), 0);
        assert_eq!(reception.extended_highest(), Some(30_002));
    }

    #[test]
    fn regular_packets_have_no_jitter() {
        let mut reception = Reception::default();
        for i in 0..100u16 {
            feed(&mut reception, &[i]);
        }
        assert_eq!(reception.jitter_ms(), 0);
    }

    #[test]
    fn alternating_delay_converges_to_the_jitter_of_the_formula() {
        let mut reception = Reception::default();
        for i in 0..400u16 {
            let delay = if i % 2 == 0 { 0 } else { 10_000 };
            let at = 1_000_000 + u64::from(i) * 20_000 + delay;
            reception.on_packet(&packet(i, u32::from(i) * 160, 1), at, 8_000);
        }
        assert!((9..=10).contains(&reception.jitter_ms()), "{}", reception.jitter_ms());
    }

    #[test]
    fn events_with_a_frozen_timestamp_do_not_count_as_jitter() {
        let mut reception = Reception::default();
        for i in 0..50u16 {
            reception.on_packet(&packet(i, 160, 1), u64::from(i) * 20_000, 8_000);
        }
        assert_eq!(reception.jitter_ms(), 0);
    }

    #[test]
    fn what_is_counted_elsewhere_is_neither_lost_nor_counted_twice() {
        let mut reception = Reception::default();
        feed(&mut reception, &[65_530, 65_531]);
        let standing = reception.standing().unwrap();
        assert_eq!(standing.highest, 65_531);
        // A packet on its way when the other one began to count.
        feed(&mut reception, &[65_532]);
        let elsewhere = Elsewhere { highest: 65_540, received: 7, ..Elsewhere::default() };
        reception.absorb(&elsewhere);
        assert_eq!((reception.lost(), reception.extended_highest()), (1, Some(65_540)));
        // An event that was heard here in between, then more elsewhere.
        feed(&mut reception, &[5]);
        assert_eq!((reception.lost(), reception.extended_highest()), (1, Some(65_541)));
        reception.absorb(&Elsewhere { highest: 65_542, received: 1, late: 3, ..elsewhere });
        assert_eq!((reception.lost(), reception.late()), (1, 3));
        reception.absorb(&Elsewhere { highest: 65_542, ..Elsewhere::default() });
        assert_eq!(reception.lost(), 1);
    }
}
