//! Seats in the mixer: those of conferences, and the two of a connection whose parties share no codec.
//!
//! A translated connection is a link and two seats in a room that nobody else knows: speech goes by the
//! room, events go by the link. Whatever ends the link ends the room.

use std::sync::Arc;

use super::command::Command;
use super::{Key, Member, RelayControl};
use crate::context::Seat;
use crate::control::{MediaError, MediaPlane, Speaker};
use crate::plan::Inlet;

impl RelayControl {
    /// Gives a stream a seat; its plan is still the old one.
    pub(super) fn sit_down(&mut self, key: Key, seat: Seat) -> Result<(), MediaError> {
        let ssrc = self.next_ssrc();
        let inlet = Arc::new(Inlet::new());
        let entry = self.board.stream_mut(key).ok_or(MediaError::UnknownTermination)?;
        entry.handle.inlet = Some(Arc::clone(&inlet));
        let bound = Arc::clone(&entry.handle.bound);
        let member = Box::new(Member::new(bound, inlet, (&seat.speaks, seat.hears), ssrc));
        let room = seat.room;
        entry.seat = Some(seat);
        if let Some(members) = self.conferences.members_mut(room) {
            members.push(key);
        }
        self.tell_mixer(room, |room| Command::Join(room, key, member));
        Ok(())
    }

    /// Takes a stream out of the conference that it is in; its plan is still the old one.
    pub(super) fn stand_up(&mut self, key: Key) -> bool {
        if self.end_translation(key) {
            return true;
        }
        let Some(stream) = self.board.stream_mut(key) else { return false };
        let Some(Seat { room, .. }) = stream.seat.take() else { return false };
        stream.handle.inlet = None;
        if let Some(members) = self.conferences.members_mut(room) {
            members.retain(|member| *member != key);
        }
        self.tell_mixer(room, |room| Command::Leave(room, key));
        true
    }

    /// Connects two parties that share no codec, or goes on with them.
    pub(super) fn translate(&mut self, a: Speaker, b: Speaker) -> Result<(), MediaError> {
        let keys = [a.stream, b.stream];
        if keys.iter().any(|key| self.board.stream(*key).is_none()) || keys[0] == keys[1] {
            return Err(MediaError::UnknownTermination);
        }
        if self.is_translated(&a, &b) {
            // Codecs have a memory, and go on as they are.
            for (key, passes) in [(a.stream, a.passes), (b.stream, b.passes)] {
                let link = self.board.stream_mut(key).and_then(|stream| stream.link.as_mut());
                if let Some(link) = link.filter(|link| link.payloads != passes) {
                    link.payloads = passes;
                    self.refresh(key, false);
                }
            }
            return Ok(());
        }
        let Some(room) = self.conferences.insert() else {
            keys.into_iter().for_each(|(id, stream)| self.disconnect(id, stream));
            return Err(MediaError::TooManyConferences);
        };
        self.connect(a.stream, b.stream, a.passes, b.passes);
        self.tell_mixer(room, |room| Command::Room(room, Some(Box::default())));
        for (key, speaks, hears) in [(a.stream, a.speaks, a.hears), (b.stream, b.speaks, b.hears)] {
            self.sit_down(key, Seat { room, speaks, hears })?;
        }
        keys.into_iter().for_each(|key| self.refresh(key, false));
        Ok(())
    }

    fn is_translated(&self, a: &Speaker, b: &Speaker) -> bool {
        let is_so = |own: &Speaker, other: &Speaker| {
            self.board.stream(own.stream).is_some_and(|stream| {
                stream.link.as_ref().is_some_and(|link| link.other == other.stream)
                    && stream
                        .seat
                        .as_ref()
                        .is_some_and(|seat| seat.speaks == own.speaks && seat.hears == own.hears)
            })
        };
        is_so(a, b) && is_so(b, a)
    }

    /// Ends the translation that a stream has part in, for both sides; the link stays. Plans are still
    /// the old ones.
    pub(super) fn end_translation(&mut self, key: Key) -> bool {
        let Some(stream) = self.board.stream(key) else { return false };
        let (Some(link), Some(seat)) = (&stream.link, &stream.seat) else { return false };
        let (other, room) = (link.other, seat.room);
        for key in [key, other] {
            if let Some(stream) = self.board.stream_mut(key) {
                stream.seat = None;
                stream.handle.inlet = None;
            }
            self.tell_mixer(room, |room| Command::Leave(room, key));
        }
        self.conferences.remove(room);
        self.tell_mixer(room, |room| Command::Room(room, None));
        true
    }
}
