//! RTCP of our own: reports to parties that hear what is made here.
//!
//! Where one party hears another, the other's reports are passed on, and there are none of ours.
//!
//! LIMIT: the bandwidth that an SDP names for RTCP (RFC 3556) is not looked at, not even none.
//! LIMIT: none with an echo, in which a phone hears its own stream. No BYE: what ends here ends by
//! signalling, or goes on with another source.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::batch::{Batch, Leaving, Payer};
use super::clock::Clock;
use super::lane::{Lane, seal};
use crate::context::TerminationId;
use crate::plan::{Component, DropReason, Told};
use crate::rtcp::{NAME_LEN, REPORT_MAX, Report, Sent, name, write};

/// So much later than due is a report at most, on a machine that is busy.
const LATE_MAX_US: u64 = 2_000_000;

/// Writes a worker's reports.
pub(super) struct Reporter {
    clock: Clock,
    /// The mean time between two reports to a party.
    interval_us: u64,
    /// A secret of the process: names and times are its digests, so that nothing is kept of them.
    secret: RandomState,
}

/// What is known of the reports to one party.
#[derive(Debug, Default)]
pub(super) struct Reports {
    next_us: u64,
    told: Told,
}

impl Reporter {
    pub(super) fn new(clock: Clock, interval: Duration, secret: RandomState) -> Self {
        let interval_us = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1);
        Self { clock, interval_us, secret }
    }

    /// The mean time between two reports to a party.
    pub(super) fn interval_us(&self) -> u64 {
        self.interval_us
    }

    /// Lets a report leave, if one is due: the first one about half an interval after the stream
    /// began, then one in each interval, each time half of it to one and a half (RFC 3550 §6.2, §6.3.1).
    pub(super) fn report(&self, lane: &mut Lane, slot: usize, batch: &mut Batch, now_us: u64) {
        let outlet = &lane.bound.outlet;
        let Some(speech) = outlet.speech(now_us).filter(|_| lane.plan.is_rtp) else { return };
        // Who sent nothing for two intervals is no sender (§6.4).
        let is_lately =
            |last_us: u64| now_us.saturating_sub(last_us) < self.interval_us.saturating_mul(2);
        let is_sender = is_lately(speech.last_us);
        if !is_sender && !is_lately(lane.ingress.last_us) {
            return;
        }
        let (id, stream) = lane.bound.key;
        let from_half =
            |mean_us: u64| mean_us / 2 + self.secret.hash_one((id, stream, now_us)) % mean_us;
        let next_us = &mut lane.reports.next_us;
        if now_us < *next_us {
            return;
        }
        // Nobody was told anything for so long that this is a beginning.
        let late_us = now_us.saturating_sub(*next_us);
        if *next_us == 0 || late_us > self.interval_us.saturating_add(LATE_MAX_US) {
            *next_us = now_us.saturating_add(from_half((self.interval_us / 2).max(1)));
            return;
        }
        *next_us = now_us.saturating_add(from_half(self.interval_us));
        let (component, remote) = if outlet.is_muxed() {
            (Component::Media, outlet.media_remote())
        } else {
            (Component::Control, outlet.control_remote())
        };
        let Some(to) = remote.filter(|_| outlet.may_send(now_us)) else { return };
        let sent = is_sender.then(|| Sent {
            ntp: self.clock.ntp(now_us),
            timestamp: speech.timestamp,
            packets: speech.packets,
            octets: speech.octets,
        });
        let heard = lane.ingress.hear(&mut lane.reports.told, now_us);
        let report = Report { ssrc: speech.ssrc, sent, heard, name: &self.name(id) };
        let at = batch.leaving_len();
        let Some(packet) = batch.buffer::<REPORT_MAX>(at) else { return };
        let length = write(&report, packet);
        if let Some(sent) = sent {
            outlet.on_sender_report(sent.ntp_middle(), now_us);
        }
        let bound = &lane.bound;
        let Some(length) = seal(bound, batch, at, length, None) else { return };
        let (way, payer) = (bound.pair.way(component), Payer::Own);
        let what = Leaving { way, buffer: at, slot, payer, is_rtcp: true, length };
        if !batch.leave(to, bound.pair.is_v6, what) {
            bound.outlet.sent.count_drop(DropReason::Undeliverable);
        }
    }

    /// What a leg is called in all its streams: random to everybody else, another one in the next call
    /// (RFC 7022 §4.2).
    fn name(&self, id: TerminationId) -> [u8; NAME_LEN] {
        let half = |which: u8| u128::from(self.secret.hash_one((id, which)));
        name(half(0) << 64 | half(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_has_one_name_and_another_leg_another() {
        let reporter = Reporter::new(Clock::start(), Duration::from_secs(5), RandomState::new());
        let [one, same, next_life, other] = [(1, 0), (1, 0), (1, 1), (2, 0)]
            .map(|(index, generation)| reporter.name(TerminationId::new(index, generation)));
        assert_eq!(one, same);
        assert!(one != next_life && one != other && next_life != other);
    }
}
