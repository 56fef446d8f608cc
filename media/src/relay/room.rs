//! The conferences that one worker mixes.
//!
//! Members' packets come by their inlets from whichever worker owns their sockets, and leave by
//! those sockets from here. Nothing is allocated per frame.

use std::sync::Arc;

use super::batch::{BATCH_MAX, Batch, Leaving, Payer};
use super::lane::seal;
use super::worker::Bound;
use crate::context::{Audience, Key, Member, Mixer, PACKET_LEN};
use crate::plan::{Component, DropReason, Stamp};

/// Rooms by number; most numbers are another worker's.
pub(super) struct Rooms {
    rooms: Vec<Option<Box<Mixer<Arc<Bound>>>>>,
    count: usize,
    /// Where the frame that is being sent goes on: room and member.
    at: (usize, usize),
    /// Whose packets wait in the batch, by the slot of their [`Leaving`].
    payers: Vec<Arc<Bound>>,
}

impl Rooms {
    pub(super) fn new() -> Self {
        Self { rooms: Vec::new(), count: 0, at: (0, 0), payers: Vec::with_capacity(BATCH_MAX) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Opens a room with its mixer, or closes it.
    pub(super) fn set(&mut self, room: usize, mixer: Option<Box<Mixer<Arc<Bound>>>>) {
        while self.rooms.len() <= room {
            self.rooms.push(None);
        }
        if let Some(place) = self.rooms.get_mut(room) {
            *place = mixer;
        }
        while self.rooms.last().is_some_and(Option::is_none) {
            self.rooms.pop();
        }
        self.count = self.rooms.iter().flatten().count();
    }

    pub(super) fn join(&mut self, room: usize, key: Key, member: Box<Member<Arc<Bound>>>) {
        if let Some(Some(mixer)) = self.rooms.get_mut(room) {
            mixer.join(key, member);
        }
    }

    pub(super) fn set_audience(&mut self, room: usize, key: Key, audience: Audience) {
        if let Some(Some(mixer)) = self.rooms.get_mut(room) {
            mixer.set_audience(key, audience);
        }
    }

    pub(super) fn leave(&mut self, room: usize, key: Key) {
        if let Some(Some(mixer)) = self.rooms.get_mut(room) {
            mixer.leave(key);
        }
    }

    /// Takes 20 ms of everybody; true if there is anybody.
    pub(super) fn listen(&mut self) -> bool {
        self.rooms.iter_mut().flatten().for_each(|mixer| mixer.listen());
        self.at = (0, 0);
        !self.is_empty()
    }

    /// Fills the empty batch with what members hear; true if there are more than fit.
    pub(super) fn speak(&mut self, batch: &mut Batch, now_us: u64) -> bool {
        self.payers.clear();
        while let Some(room) = self.rooms.get_mut(self.at.0) {
            let place = self.at.1;
            let Some(mixer) = room.as_deref_mut().filter(|mixer| place < mixer.members().len())
            else {
                self.at = (self.at.0 + 1, 0);
                continue;
            };
            if batch.leaving_len() == BATCH_MAX {
                return true;
            }
            self.at.1 += 1;
            speak(mixer, place, batch, &mut self.payers, now_us);
        }
        false
    }

    /// Who pays for a packet of the batch.
    pub(super) fn payer(&self, slot: usize) -> Option<&Arc<Bound>> {
        self.payers.get(slot)
    }
}

/// Writes what a member hears, unless it hears a treatment or should hear nothing. The mix is made
/// in any case: codecs have a memory.
fn speak(
    mixer: &mut Mixer<Arc<Bound>>,
    place: usize,
    batch: &mut Batch,
    payers: &mut Vec<Arc<Bound>>,
    now_us: u64,
) {
    let at = batch.leaving_len();
    let Some(packet) = batch.buffer::<PACKET_LEN>(at) else { return };
    let Some(frame) = mixer.speak(place, packet) else { return };
    let Some(member) = mixer.member(place) else { return };
    let bound = &member.handle;
    if !bound.outlet.is_listening() || bound.outlet.hears_event(now_us) {
        return;
    }
    let to = bound.outlet.media_remote().filter(|_| bound.outlet.may_send(now_us));
    let Some(to) = to else { return };
    let header = frame.header;
    let (source, clock_hz) = (member.source(), frame.clock_hz);
    let stamp = Stamp { source, payload: header.payload, clock_hz, now_us, lead: 0 };
    bound.outlet.stamp(packet.get_mut(..frame.length).unwrap_or_default(), &header, stamp);
    let bound = Arc::clone(bound);
    let Some(length) = seal(&bound, batch, at, frame.length, Some(now_us)) else { return };
    let way = bound.pair.way(Component::Media);
    let (payer, slot) = (Payer::Member, payers.len());
    let what = Leaving { way, buffer: at, slot, payer, is_rtcp: false, length };
    if batch.leave(to, bound.pair.is_v6, what) {
        payers.push(bound);
    } else {
        bound.outlet.sent.count_drop(DropReason::Undeliverable);
    }
}
