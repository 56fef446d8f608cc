//! All terminations, and which stream hears which.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::conference::ConferenceId;
use super::termination::{PayloadMap, StreamPorts, StreamSpec, TerminationId, Treatment};
use crate::codec::MemberCodec;
use crate::spare::spare;

const SOURCES_MAX: u32 = 0x7fff_ffff;

/// Names a stream: its termination, and its index there.
pub type Key = (TerminationId, usize);

/// One stream as control sees it; `P` is whatever carries it (sockets, or nothing in a test).
#[derive(Clone, Debug)]
pub struct Stream<P> {
    /// Its local ports.
    pub ports: StreamPorts,
    /// The last Modify.
    pub spec: StreamSpec,
    /// What it is connected to.
    pub link: Option<Link>,
    /// Its seat in the mixer instead, or beside it.
    pub seat: Option<Seat>,
    /// What the party hears instead.
    pub treatment: Treatment,
    /// Its name as a source of packets.
    pub source: u32,
    /// What carries it.
    pub handle: P,
}

/// A place in a room of the mixer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seat {
    /// The room.
    pub room: ConferenceId,
    /// What its party may speak, under the numbers in which it comes.
    pub speaks: Vec<MemberCodec>,
    /// What it hears.
    pub hears: MemberCodec,
}

/// A connection as one of its ends sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The other end.
    pub other: Key,
    /// Payload types from this end to the other.
    pub payloads: PayloadMap,
}

/// The terminations, by generation-counted ids. How many there can be is bounded by the ports.
#[derive(Debug)]
pub struct Board<P> {
    entries: Vec<Entry<P>>,
    /// The lowest is taken first, so that the table can be short again.
    free: BinaryHeap<Reverse<u32>>,
    /// Of a place that is new: above those of all that were there and were forgotten.
    generation: u32,
    sources: u32,
}

#[derive(Debug)]
struct Entry<P> {
    generation: u32,
    streams: Option<Vec<Stream<P>>>,
}

impl<P> Default for Board<P> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: BinaryHeap::new(), generation: 0, sources: 0 }
    }
}

impl<P> Board<P> {
    /// Makes a termination without streams.
    pub fn insert(&mut self) -> TerminationId {
        if let Some(Reverse(index)) = self.free.pop()
            && let Some(entry) = usize::try_from(index).ok().and_then(|at| self.entries.get_mut(at))
        {
            entry.streams = Some(Vec::new());
            return TerminationId::new(index, entry.generation);
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(Entry { generation: self.generation, streams: Some(Vec::new()) });
        TerminationId::new(index, self.generation)
    }

    /// Adds a stream; returns its key unless the id is stale.
    pub fn push(&mut self, id: TerminationId, ports: StreamPorts, handle: P) -> Option<Key> {
        // 0 means "no source", the upper half names treatments. A name comes round only after two
        // thousand million streams.
        self.sources = if self.sources < SOURCES_MAX { self.sources + 1 } else { 1 };
        let source = self.sources;
        let streams = self.streams_mut(id)?;
        let (spec, treatment) = (StreamSpec::default(), Treatment::None);
        streams.push(Stream { ports, spec, link: None, seat: None, treatment, source, handle });
        Some((id, streams.len() - 1))
    }

    /// Removes a termination. Its streams must have been unlinked.
    pub fn remove(&mut self, id: TerminationId) -> Option<Vec<Stream<P>>> {
        let entry = self.entry_mut(id)?;
        let streams = entry.streams.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(Reverse(id.index));
        Some(streams)
    }

    /// Gives back what a load made the table grow by. Ids of what was there stay unknown.
    pub fn tidy(&mut self) {
        let is_taken = |entry: &Entry<P>| entry.streams.is_some();
        let used = self.entries.iter().rposition(is_taken).map_or(0, |last| last + 1);
        let Some(room) = spare(self.entries.capacity(), used) else { return };
        let forgotten = self.entries.drain(used..).map(|entry| entry.generation);
        self.generation = forgotten.fold(self.generation, u32::max);
        self.entries.shrink_to(room);
        self.free.retain(|Reverse(index)| usize::try_from(*index).is_ok_and(|at| at < used));
        self.free.shrink_to(room);
    }

    /// Connects two streams; returns those that lost their connection for it.
    pub fn link(
        &mut self,
        a: Key,
        b: Key,
        a_to_b: PayloadMap,
        b_to_a: PayloadMap,
    ) -> [Option<Key>; 2] {
        if a == b || self.stream(a).is_none() || self.stream(b).is_none() {
            return [None, None];
        }
        let left = [self.unlink(a), self.unlink(b)];
        for (key, other, payloads) in [(a, b, a_to_b), (b, a, b_to_a)] {
            if let Some(stream) = self.stream_mut(key) {
                stream.link = Some(Link { other, payloads });
            }
        }
        left.map(|key| key.filter(|key| *key != a && *key != b))
    }

    /// Ends a connection for both sides; returns the other side.
    pub fn unlink(&mut self, key: Key) -> Option<Key> {
        let other = self.stream_mut(key)?.link.take()?.other;
        self.stream_mut(other)?.link = None;
        Some(other)
    }

    /// A stream.
    #[must_use]
    pub fn stream(&self, (id, index): Key) -> Option<&Stream<P>> {
        self.streams(id)?.get(index)
    }

    /// A stream to be changed.
    pub fn stream_mut(&mut self, (id, index): Key) -> Option<&mut Stream<P>> {
        self.streams_mut(id)?.get_mut(index)
    }

    /// The streams of a termination.
    #[must_use]
    pub fn streams(&self, id: TerminationId) -> Option<&[Stream<P>]> {
        let entry = self.entries.get(usize::try_from(id.index).ok()?)?;
        entry.streams.as_deref().filter(|_| entry.generation == id.generation)
    }

    /// How many terminations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// True if there is no termination.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn streams_mut(&mut self, id: TerminationId) -> Option<&mut Vec<Stream<P>>> {
        self.entry_mut(id)?.streams.as_mut()
    }

    fn entry_mut(&mut self, id: TerminationId) -> Option<&mut Entry<P>> {
        let entry = self.entries.get_mut(usize::try_from(id.index).ok()?)?;
        (entry.generation == id.generation).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn termination(board: &mut Board<()>) -> Key {
        let id = board.insert();
        board.push(id, StreamPorts { rtp: 4_000, rtcp: 4_001 }, ()).unwrap()
    }

    fn other(board: &Board<()>, key: Key) -> Option<Key> {
        board.stream(key)?.link.as_ref().map(|link| link.other)
    }

    fn link(board: &mut Board<()>, a: Key, b: Key) -> [Option<Key>; 2] {
        board.link(a, b, PayloadMap::identity(), PayloadMap::identity())
    }

    #[test]
    fn a_new_connection_ends_the_old_ones_of_both() {
        let mut board = Board::default();
        let [a, b, c, d] = [0; 4].map(|_| termination(&mut board));
        assert_eq!(link(&mut board, a, b), [None, None]);
        assert_eq!(link(&mut board, c, d), [None, None]);
        assert_eq!(link(&mut board, b, c), [Some(a), Some(d)]);
        assert_eq!(other(&board, b), Some(c));
        assert_eq!((other(&board, a), other(&board, d)), (None, None));
    }

    #[test]
    fn connecting_again_changes_the_map_only() {
        let mut board = Board::default();
        let [a, b] = [0; 2].map(|_| termination(&mut board));
        link(&mut board, a, b);
        assert_eq!(board.link(a, b, vec![(0, 8)].into(), PayloadMap::identity()), [None, None]);
        assert_eq!(board.stream(a).unwrap().link.as_ref().unwrap().payloads.pairs(), [(0, 8)]);
    }

    #[test]
    fn a_stream_is_not_connected_to_itself_or_to_what_is_gone() {
        let mut board = Board::default();
        let [a, b, c] = [0; 3].map(|_| termination(&mut board));
        link(&mut board, a, b);
        board.remove(c.0);
        link(&mut board, a, a);
        link(&mut board, a, c);
        assert_eq!(other(&board, a), Some(b));
    }

    #[test]
    fn stale_ids_find_nothing_although_the_place_is_used_again() {
        let mut board = Board::default();
        let old = termination(&mut board);
        assert!(board.remove(old.0).is_some());
        assert!(board.is_empty());
        let new = termination(&mut board);
        assert_eq!(new.0.index, old.0.index);
        assert!(board.stream(old).is_none() && board.remove(old.0).is_none());
        assert_eq!(board.len(), 1);
    }

    #[test]
    fn after_a_load_the_table_is_short_again_and_no_id_comes_twice() {
        let mut board = Board::default();
        let all: Vec<_> = (0..1_000).map(|_| termination(&mut board)).collect();
        for (place, (id, _)) in all.iter().enumerate().filter(|(place, _)| *place != 5) {
            assert!(board.remove(*id).is_some(), "{place}");
        }
        board.tidy();
        assert!(board.entries.capacity() < 500 && board.free.capacity() < 500);
        assert_eq!(board.len(), 1);
        assert!(board.stream(all[5]).is_some(), "who is there stays");
        assert!(all.iter().filter(|key| board.stream(**key).is_some()).count() == 1);
        let again: Vec<_> = (0..1_000).map(|_| termination(&mut board)).collect();
        assert!(again.iter().all(|key| !all.contains(key)), "an id came twice");
        assert!(again.iter().all(|key| board.stream(*key).is_some()));
        assert_eq!(board.len(), 1_001);
    }

    #[test]
    fn sources_are_never_the_same() {
        let mut board = Board::default();
        let keys = [0; 3].map(|_| termination(&mut board));
        board.remove(keys[0].0);
        let again = termination(&mut board);
        let mut sources: Vec<_> =
            [keys[1], keys[2], again].map(|key| board.stream(key).unwrap().source).into();
        sources.dedup();
        assert_eq!(sources, [2, 3, 4]);
    }
}
