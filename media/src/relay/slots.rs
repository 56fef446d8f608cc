//! Places in a worker's table of streams: the lowest that is free is given first, so that tables can be
//! short again after a load.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::spare::spare;

/// Places in a worker's table.
#[derive(Default)]
pub(super) struct Slots {
    /// Those below were given out.
    next: usize,
    /// But these came back.
    back: BinaryHeap<Reverse<usize>>,
}

impl Slots {
    /// How many are in use.
    pub(super) fn used(&self) -> usize {
        self.next.saturating_sub(self.back.len())
    }

    /// The lowest.
    pub(super) fn take(&mut self) -> usize {
        self.back.pop().map_or_else(
            || {
                self.next += 1;
                self.next - 1
            },
            |Reverse(slot)| slot,
        )
    }

    /// Takes one back.
    pub(super) fn give_back(&mut self, slot: usize) {
        self.back.push(Reverse(slot));
    }

    /// Forgets those at the end that came back, once they are by far the most.
    pub(super) fn tidy(&mut self) {
        if spare(self.next, self.used()).is_none() {
            return;
        }
        let mut back = std::mem::take(&mut self.back).into_vec();
        back.sort_unstable_by_key(|Reverse(slot)| *slot);
        while back.last().is_some_and(|Reverse(slot)| slot + 1 == self.next) {
            back.pop();
            self.next -= 1;
        }
        back.shrink_to_fit();
        self.back = back.into();
    }

    /// How many there ever were, but for those that were forgotten.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_load_the_highest_places_are_forgotten_and_none_is_given_twice() {
        let mut slots = Slots::default();
        let all: Vec<usize> = (0..1_000).map(|_| slots.take()).collect();
        for slot in all.into_iter().filter(|slot| *slot != 3 && *slot != 40) {
            slots.give_back(slot);
        }
        slots.tidy();
        assert_eq!((slots.used(), slots.len()), (2, 41));
        let mut again: Vec<usize> = (0..100).map(|_| slots.take()).collect();
        assert_eq!(again[..4], [0, 1, 2, 4]);
        again.extend([3, 40]);
        again.sort_unstable();
        assert_eq!(again, (0..102).collect::<Vec<_>>());
    }
}
