//! Letting somebody else (the kernel) forward a stream's packets, and taking in what it counted.
//!
//! Only what needs no more than addresses, SSRC, numbers, times and payload types rewritten can be
//! handed over: nobody listens to it, nobody mixes it, its peer is known for good.

use std::net::SocketAddr;

use super::{Ends, ForwardPlan, Ingress, Outlet, PAYLOADS};
use crate::rtp::{COMFORT_NOISE, Elsewhere, RtpTime, Seq};

/// Payload types that can be handed over with a stream.
const PAYLOADS_MAX: usize = 4;

/// What whoever forwards in the worker's stead has to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handover {
    /// Where packets come from.
    pub peer: SocketAddr,
    /// Where they go.
    pub to: SocketAddr,
    /// Checks and changes of RTP; `None` for other datagrams.
    pub rtp: Option<RtpHandover>,
}

/// The part of a [`Handover`] that concerns RTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpHandover {
    /// The SSRC that comes.
    pub ssrc: u32,
    /// The SSRC that goes.
    pub sent_ssrc: u32,
    /// Added to sequence numbers.
    pub sequence_delta: u16,
    /// Added to timestamps.
    pub time_delta: u32,
    /// The media clock.
    pub clock_hz: u32,
    /// (received, sent) payload types.
    pub payloads: [Option<(u8, u8)>; PAYLOADS_MAX],
    /// The extended highest sequence number so far.
    pub highest: u32,
    /// Its timestamp.
    pub last_time: u32,
    /// 16 times the jitter so far, in ticks.
    pub jitter: u32,
}

/// What has to be known to forward a stream's packets elsewhere, if that can be done. `payload` is
/// the payload type that it uses at the moment.
#[must_use]
pub fn handover(
    plan: &ForwardPlan,
    ingress: &Ingress,
    ends: Ends<'_>,
    payload: u8,
) -> Option<Handover> {
    let is_plain = !plan.is_secure && ends.sink.is_none_or(|sink| !sink.is_secure());
    let is_copied = ends.own.is_tapped() || ends.sink.is_some_and(Outlet::is_tapped);
    let is_heard = !plan.mixed.is_empty() || ingress.ear.is_some() || is_copied;
    if !plan.is_receiving || !is_plain || is_heard {
        return None;
    }
    let peer = ingress.media.locked()?;
    let sink = ends.sink.filter(|sink| sink.is_listening() && !sink.is_unproven())?;
    let to = sink.media_remote()?;
    if !plan.is_rtp {
        return Some(Handover { peer, to, rtp: None });
    }
    let standing = ingress.reception.standing()?;
    let mapping = sink.mapping(plan.source, standing.ssrc)?;
    let rtp = RtpHandover {
        ssrc: standing.ssrc.0,
        sent_ssrc: mapping.ssrc,
        sequence_delta: mapping.sequence_delta,
        time_delta: mapping.time_delta,
        clock_hz: plan.clock_hz(payload),
        payloads: payloads(plan, payload)?,
        highest: standing.highest,
        last_time: standing.last_time.0,
        jitter: standing.jitter,
    };
    Some(Handover { peer, to, rtp: Some(rtp) })
}

/// The payload type in use, then those that may come between.
fn payloads(plan: &ForwardPlan, current: u8) -> Option<[Option<(u8, u8)>; PAYLOADS_MAX]> {
    let clock_hz = plan.clock_hz(current);
    let passes = |payload: u8| {
        let is_plain = plan.accepts(payload)
            && plan.telephone_event != Some(payload)
            && plan.clock_hz(payload) == clock_hz;
        plan.sent_payload(payload).filter(|_| is_plain)
    };
    let first = (current, passes(current)?);
    // Where anything is accepted, the others are learnt when they come.
    let others = (0..=u8::try_from(PAYLOADS - 1).unwrap_or_default())
        .filter(|payload| plan.accept.contains(*payload) || *payload == COMFORT_NOISE)
        .filter(|payload| *payload != current)
        .filter_map(|payload| Some((payload, passes(payload)?)));
    let mut table = [None; PAYLOADS_MAX];
    for (place, pair) in table.iter_mut().zip([first].into_iter().chain(others)) {
        *place = Some(pair);
    }
    Some(table)
}

impl Ingress {
    /// Takes in what was counted elsewhere; the last packet came at `last_us`.
    pub fn absorb(&mut self, own: &Outlet, elsewhere: &Elsewhere, last_us: u64) {
        self.last_us = self.last_us.max(last_us);
        self.reception.absorb(elsewhere);
        let stream = self.reception.standing().map(|standing| {
            let (sequence, _) = last_of(standing.highest, standing.last_time.0);
            (standing.ssrc, sequence)
        });
        self.media.note(stream, last_us);
        own.received.report(self.reception.lost(), u64::from(self.reception.jitter_ms()));
        own.received.set_late(self.reception.late());
        own.received.set_bursts(self.reception.bursts());
    }

    /// The source that is heard.
    #[must_use]
    pub fn ssrc(&self) -> Option<u32> {
        self.reception.standing().map(|standing| standing.ssrc.0)
    }

    /// The extended highest sequence number.
    #[must_use]
    pub fn highest(&self) -> u32 {
        self.reception.extended_highest().unwrap_or_default()
    }
}

/// The number and the time that a stream has come to.
#[must_use]
pub fn last_of(highest: u32, last_time: u32) -> (Seq, RtpTime) {
    (Seq((highest & 0xffff).try_into().unwrap_or_default()), RtpTime(last_time))
}
