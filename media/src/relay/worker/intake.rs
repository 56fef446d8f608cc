//! What a worker takes from its sockets, and whose it is. Hops 1 and 2 of a packet's path.

use std::sync::atomic::Ordering;

use super::{BATCHES_MAX, BURST_MAX, Bound, Worker};
use crate::plan::Component;
use crate::relay::batch::{BATCH_MAX, Batch};
use crate::relay::book::{Heard, Missed, News};
use crate::relay::notice::unpack;
use crate::relay::steer::Places;

/// The slot of no lane: whose packets nobody expects.
const NOBODY: usize = usize::MAX;

impl Worker {
    /// Takes what is waiting at one socket, at most [`BURST_MAX`].
    pub(super) fn receive(
        &mut self,
        event: u64,
        batch: &mut Batch,
        arrivals: &mut Vec<(usize, Component)>,
    ) {
        let (slot, component, life) = unpack(event);
        let Some(lane) = self.lanes.get_mut(slot).and_then(Option::as_mut) else { return };
        // Closed and opened again earlier in this pass; or it has its turn already.
        if lane.bound.life != life || lane.is_unread[component as usize] {
            return;
        }
        let Some(fd) = lane.bound.pair.fd(component) else { return };
        let count = batch.receive(fd, arrivals.len(), BURST_MAX, false);
        arrivals.extend(std::iter::repeat_n((slot, component), count));
        if count == BURST_MAX {
            lane.is_unread[component as usize] = true;
            self.unread.push_back(event);
        }
    }

    /// Takes what is waiting for all ports that lead to one socket, some batches at most.
    pub(super) fn receive_steered(
        &mut self,
        batch: &mut Batch,
        arrivals: &mut Vec<(usize, Component)>,
        now_us: u64,
    ) {
        let Some(fd) = self.places.as_ref().map(Places::shared) else { return };
        for _ in 0..BATCHES_MAX {
            let (at, room) = (arrivals.len(), BATCH_MAX - arrivals.len());
            let count = batch.receive(fd, at, room, true);
            let places = self.places.as_ref();
            let place = |at| places.and_then(|places| places.get(batch.port(at)?));
            let nobody = (NOBODY, Component::Media);
            arrivals.extend((at..at + count).map(|at| place(at).unwrap_or(nobody)));
            if count < room {
                return;
            }
            self.forward(batch, arrivals, now_us);
        }
    }

    /// Takes what is waiting at a socket that streams share, some batches at most.
    pub(super) fn receive_shared(
        &mut self,
        line: usize,
        batch: &mut Batch,
        arrivals: &mut Vec<(usize, Component)>,
        now_us: u64,
    ) {
        let known = self.book.as_ref().and_then(|book| book.line(line));
        let Some((fd, component)) = known else { return };
        for _ in 0..BATCHES_MAX {
            let (at, room) = (arrivals.len(), BATCH_MAX - arrivals.len());
            let count = batch.receive(fd, at, room, false);
            for at in at..at + count {
                arrivals.push((self.whose(line, batch, at, now_us), component));
            }
            if count < room {
                return;
            }
            self.forward(batch, arrivals, now_us);
        }
    }

    /// The slot of the lane that a packet of a shared socket is for.
    fn whose(&mut self, line: usize, batch: &mut Batch, at: usize, now_us: u64) -> usize {
        let (Some(book), Some((packet, from))) = (&mut self.book, batch.packet(at)) else {
            return NOBODY;
        };
        let lanes = &self.lanes;
        let heard = |slot: usize| {
            let ingress = &lanes.get(slot)?.as_ref()?.ingress;
            Some(Heard { ssrc: ingress.ssrc()?, at_us: ingress.last_us })
        };
        let counter = match book.find(line, (from, packet), heard, now_us) {
            Ok(slot) => return slot,
            Err(Missed::Stranger) => &self.signal.strangers,
            Err(Missed::Ambiguous) => &self.signal.ambiguous,
        };
        // This thread alone writes it.
        let before = counter.load(Ordering::Relaxed);
        counter.store(before + 1, Ordering::Relaxed);
        NOBODY
    }

    /// Notes what signalling says of where a lane's packets come from, where streams share ports.
    pub(super) fn look(&mut self, bound: &Bound, news: News, now_us: u64) {
        let (Some(book), Some(pair)) = (&mut self.book, bound.pair.shared_pair()) else { return };
        let slot = bound.pair.slot;
        let lane = self.lanes.get(slot).and_then(Option::as_ref);
        let Some(lane) = lane.filter(|lane| lane.bound.life == bound.life) else { return };
        if news == News::Elsewhere {
            bound.is_found.store(false, Ordering::Relaxed);
        }
        let (rules, signs) = (&lane.plan.rules, lane.signs.clone());
        book.update((slot, pair), rules, signs, news, now_us);
    }

    /// The next socket that may hold more; its lane takes part again.
    pub(super) fn next_unread(&mut self) -> Option<u64> {
        let event = self.unread.pop_front()?;
        let (slot, component, life) = unpack(event);
        let lane = self.lanes.get_mut(slot)?.as_mut().filter(|lane| lane.bound.life == life)?;
        lane.is_unread[component as usize] = false;
        Some(event)
    }
}
