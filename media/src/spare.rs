//! When a table gives back what a load made it grow by (SEC-103).

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

/// Places that a table keeps, whether or not there is anything in them.
const KEPT: usize = 64;

/// How many places a table should have instead of `capacity`, where that is far more than it needs for
/// what it has. Twice as many as it needs: it can grow again without being moved at once.
pub(crate) fn spare(capacity: usize, used: usize) -> Option<usize> {
    let wanted = used.max(KEPT);
    (capacity > wanted.saturating_mul(4)).then_some(wanted.saturating_mul(2))
}

/// A collection that grows with a load.
pub(crate) trait Table {
    /// Gives back what is far more than it needs, as [`spare`] counts it.
    fn shrink(&mut self);
}

impl<T> Table for Vec<T> {
    fn shrink(&mut self) {
        if let Some(room) = spare(self.capacity(), self.len()) {
            self.shrink_to(room);
        }
    }
}

impl<T> Table for VecDeque<T> {
    fn shrink(&mut self) {
        if let Some(room) = spare(self.capacity(), self.len()) {
            self.shrink_to(room);
        }
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> Table for HashMap<K, V, S> {
    fn shrink(&mut self) {
        if let Some(room) = spare(self.capacity(), self.len()) {
            self.shrink_to(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shrinks_only_when_it_is_far_emptier_than_it_is_large() {
        assert_eq!(spare(8_000, 32), Some(128));
        assert_eq!(spare(8_000, 1_000), Some(2_000));
        assert_eq!(spare(8_000, 2_000), None);
        assert_eq!(spare(128, 0), None);
        // What it has become is no reason to shrink again, rounded up as hash tables round.
        assert_eq!(spare(224, 32), None);
    }

    #[test]
    fn a_table_of_any_kind_gives_its_places_back_and_keeps_what_it_has() {
        let mut list: Vec<usize> = (0..8_000).collect();
        let mut queue: VecDeque<usize> = (0..8_000).collect();
        let mut map: HashMap<usize, ()> = (0..8_000).map(|number| (number, ())).collect();
        list.truncate(32);
        queue.truncate(32);
        map.retain(|number, ()| *number < 32);
        list.shrink();
        queue.shrink();
        map.shrink();
        assert!([list.capacity(), queue.capacity(), map.capacity()].iter().all(|room| *room < 256));
        assert_eq!([list.len(), queue.len(), map.len()], [32; 3]);
    }
}
