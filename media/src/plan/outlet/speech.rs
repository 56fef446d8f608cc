//! What a peer is sent that is made here: how much of it, and where its clock stands.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Outlet, halves};
use crate::plan::statistics::add;
use crate::rtp::header::{HEADER_LEN, payload};

/// Names of sources from here on are players and mixers of ours; the others are parties.
pub(super) const MADE_HERE: u32 = 0x8000_0000;

/// How much was stamped, whoever made it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    packets: AtomicU64,
    octets: AtomicU64,
}

impl Tally {
    pub(super) fn count(&self, packet: &[u8]) {
        add(&self.packets, 1);
        add(&self.octets, payload(packet).map_or(0, <[u8]>::len) as u64);
    }
}

/// What a peer hears of what is made here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Speech {
    /// The SSRC that it hears.
    pub ssrc: u32,
    /// Packets that it was sent with that, whoever made them; modulo 2^32.
    pub packets: u32,
    /// Octets of their payloads; modulo 2^32.
    pub octets: u32,
    /// The stream's clock now.
    pub timestamp: u32,
    /// When the last packet was sent.
    pub last_us: u64,
}

impl Outlet {
    /// What the peer hears; `None` where that comes from another party, or nothing came yet.
    #[must_use]
    pub fn speech(&self, now_us: u64) -> Option<Speech> {
        let line = &self.continuity;
        let (source, _) = halves(line.source.load(Ordering::Relaxed));
        if source & MADE_HERE == 0 {
            return None;
        }
        let last_us = line.last_us.load(Ordering::Relaxed);
        let clock_hz = u64::from(line.clock_hz.load(Ordering::Relaxed));
        let ticks = now_us.saturating_sub(last_us).saturating_mul(clock_hz) / 1_000_000;
        // What the kernel forwards has no more than the fixed header.
        let (packets, bytes) = self.sent.kernel();
        let octets = bytes.saturating_sub(packets.saturating_mul(HEADER_LEN as u64));
        let tally = &line.tally;
        Some(Speech {
            ssrc: line.ssrc.load(Ordering::Relaxed),
            packets: low_word(tally.packets.load(Ordering::Relaxed).wrapping_add(packets)),
            octets: low_word(tally.octets.load(Ordering::Relaxed).wrapping_add(octets)),
            timestamp: line.last_timestamp.load(Ordering::Relaxed).wrapping_add(low_word(ticks)),
            last_us,
        })
    }
}

fn low_word(value: u64) -> u32 {
    halves(value).1
}

#[cfg(test)]
mod tests {
    use super::super::{Outlet, Stamp};
    use super::*;
    use crate::rtp::{Header, RtpTime, Seq, Ssrc};

    fn send(outlet: &Outlet, source: u32, number: u16, now_us: u64) {
        let header = Header {
            payload: 8,
            is_marked: false,
            sequence: Seq(number),
            timestamp: RtpTime(u32::from(number) * 160),
            ssrc: Ssrc(5),
        };
        let mut packet = [0u8; 172];
        header.write(&mut packet);
        let stamp = Stamp { source, payload: 8, clock_hz: 8_000, now_us, lead: 0 };
        outlet.stamp(&mut packet, &header, stamp);
    }

    #[test]
    fn speech_is_what_is_made_here_and_goes_on_with_all_that_was_sent() {
        let outlet = Outlet::default();
        assert_eq!(outlet.speech(0), None);
        send(&outlet, 1, 10, 1_000_000);
        assert_eq!(outlet.speech(1_000_000), None, "a party speaks");
        send(&outlet, MADE_HERE | 9, 0, 1_020_000);
        send(&outlet, MADE_HERE | 9, 1, 1_040_000);
        let speech = outlet.speech(1_050_000).unwrap();
        // Two packets of 20 ms after the party's, and 10 ms after the last.
        let expected = Speech {
            ssrc: 5,
            packets: 3,
            octets: 480,
            timestamp: 12 * 160 + 80,
            last_us: 1_040_000,
        };
        assert_eq!(speech, expected);
        outlet.sent.count_kernel(2, 2 * 172);
        let speech = outlet.speech(1_050_000).unwrap();
        assert_eq!((speech.packets, speech.octets), (5, 800));
        send(&outlet, 1, 11, 1_060_000);
        assert_eq!(outlet.speech(1_060_000), None, "the party is back");
    }
}
