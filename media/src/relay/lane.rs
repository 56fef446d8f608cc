//! A stream as its worker sees it, and how packets leave it: what is played, answers to checks, seals.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::batch::{Batch, Leaving, Payer};
use super::book::{Book, Signs};
use super::gate::Gate;
use super::kernel::Attempts;
use super::reporter::Reports;
use super::worker::Bound;
use crate::context::{PACKET_LEN, Performer, Player, Step};
use crate::dsp::tone::SineTable;
use crate::ice::ANSWER_MAX;
use crate::plan::{Component, DropReason, ForwardPlan, Ingress, Inlet, Stamp};
use crate::rtp::PACKET_MAX;
use crate::spare::spare;
use crate::srtp::OVERHEAD_MAX;

/// A stream as its worker sees it.
pub(super) struct Lane {
    pub(super) bound: Arc<Bound>,
    pub(super) plan: Box<ForwardPlan>,
    pub(super) sink: Option<Arc<Bound>>,
    /// The way into a conference.
    pub(super) inlet: Option<Arc<Inlet>>,
    pub(super) ingress: Ingress,
    pub(super) gate: Option<Box<Gate>>,
    pub(super) player: Option<Box<Player>>,
    /// Heard instead of everything else.
    pub(super) performer: Option<Box<Performer>>,
    /// Silence counts from here when no packet came since.
    pub(super) watched_us: u64,
    pub(super) is_reported: bool,
    pub(super) attempts: Attempts,
    /// RTCP of our own.
    pub(super) reports: Reports,
    /// Which of its sockets wait for the next pass with more.
    pub(super) is_unread: [bool; 2],
    /// What its packets look like, where it shares ports.
    pub(super) signs: Signs,
}

impl Lane {
    /// Whether something is made for its peer.
    pub(super) fn is_treated(&self) -> bool {
        self.player.is_some() || self.performer.is_some()
    }

    /// Whether its peer has been silent for so long, and nobody has been told yet.
    pub(super) fn falls_silent(&mut self, now_us: u64, timeout_us: u64) -> bool {
        let heard_us = self.ingress.last_us.max(self.watched_us);
        if self.is_reported && self.ingress.last_us > self.watched_us {
            self.is_reported = false;
        }
        let is_silent = now_us.saturating_sub(heard_us) >= timeout_us;
        if !self.plan.is_watched || self.is_reported || !is_silent {
            return false;
        }
        self.is_reported = true;
        self.watched_us = now_us;
        true
    }
}

/// Gives back what a table has grown by once its last places are empty.
pub(super) fn shrink(lanes: &mut Vec<Option<Lane>>, unread: &mut VecDeque<u64>) {
    let used = lanes.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    lanes.truncate(used);
    if let Some(room) = spare(lanes.capacity(), used) {
        lanes.shrink_to(room);
        // Two sockets for each lane.
        unread.shrink_to(2 * room);
    }
}

/// Remembers, where streams share ports, from where a lane has just taken a packet.
pub(super) fn settle(
    book: &mut Option<Book>,
    (bound, ingress): (&Bound, &mut Ingress),
    component: Component,
    from: SocketAddr,
) {
    let (Some(book), slot) = (book, bound.pair.slot) else { return };
    if book.is_new(slot, component, from) && ingress.latch(component).is_at(from) {
        book.settle(slot, component, from);
        if component == Component::Media {
            bound.is_found.store(true, Ordering::Relaxed);
        }
    }
}

/// Writes the next packet of a lane's performance, else of its treatment, unless its peer should
/// hear nothing. Gives the ticket of a performance that is over.
pub(super) fn play(
    lane: &mut Lane,
    slot: usize,
    batch: &mut Batch,
    sines: &SineTable,
    now_us: u64,
) -> Option<u64> {
    let at = batch.leaving_len();
    let packet = batch.buffer::<PACKET_LEN>(at)?;
    let outlet = &lane.bound.outlet;
    let to = outlet.media_remote().filter(|_| outlet.is_sending());
    let mut over = None;
    let mut made = None;
    if let Some(performer) = &mut lane.performer {
        match performer.play(sines, packet) {
            Step::Packet(frame) => made = Some((performer.source(), frame)),
            Step::Quiet => return None,
            Step::Over => over = Some(performer.ticket),
        }
    }
    if over.is_some() {
        lane.performer = None;
        lane.bound.outlet.set_treated(lane.player.is_some());
    }
    if made.is_none() {
        // What was not sent waits: a party that may be sent to again hears it from there.
        let player = lane.player.as_mut().filter(|_| to.is_some());
        made = player.map(|player| (player.source(), player.play(sines, packet)));
    }
    let to = to.filter(|_| made.is_some() && outlet.may_send(now_us));
    let (Some((source, frame)), Some(to)) = (made, to) else { return over };
    let stamp = Stamp {
        source,
        payload: frame.header.payload,
        clock_hz: frame.clock_hz,
        now_us,
        lead: frame.lead,
    };
    let outlet = &lane.bound.outlet;
    outlet.stamp(packet.get_mut(..frame.length).unwrap_or_default(), &frame.header, stamp);
    let Some(length) = seal(&lane.bound, batch, at, frame.length, Some(now_us)) else {
        return over;
    };
    let pair = &lane.bound.pair;
    let way = pair.way(Component::Media);
    let payer = Payer::Own;
    let what = Leaving { way, buffer: at, slot, payer, is_rtcp: false, length };
    if !batch.leave(to, pair.is_v6, what) {
        outlet.sent.count_drop(DropReason::Undeliverable);
    }
    over
}

/// Lets the answer to a check leave for where the check came from.
pub(super) fn reply(
    batch: &mut Batch,
    bound: &Bound,
    (at, slot): (usize, usize),
    (component, to): (Component, SocketAddr),
    (answer, length): (&[u8; ANSWER_MAX], usize),
) {
    if let Some(buffer) = batch.buffer(at) {
        *buffer = *answer;
    }
    let (way, payer) = (bound.pair.way(component), Payer::Nobody);
    let what = Leaving { way, buffer: at, slot, payer, is_rtcp: false, length };
    batch.leave(to, bound.pair.is_v6, what);
}

/// Copies media (`media_us` says when it is sent; RTCP has none) where its peer is recorded, protects a
/// packet that is about to leave where its stream is secure, and counts one that must not.
pub(super) fn seal(
    bound: &Bound,
    batch: &mut Batch,
    at: usize,
    length: usize,
    media_us: Option<u64>,
) -> Option<usize> {
    let buffer = batch.buffer::<{ PACKET_MAX + OVERHEAD_MAX }>(at)?;
    if let Some(now_us) = media_us {
        bound.outlet.copy_sent(buffer.get(..length).unwrap_or_default(), now_us);
    }
    let sealed = bound.outlet.seal(buffer, length, media_us.is_none());
    if sealed.is_none() {
        bound.outlet.sent.count_drop(DropReason::Authentication);
    }
    sealed
}
