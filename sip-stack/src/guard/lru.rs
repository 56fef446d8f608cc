//! A map with a ceiling: what was not touched for the longest time goes first.

use std::hash::Hash;

use ahash::AHashMap;

/// No place.
const NONE: u32 = u32::MAX;

struct Slot<K, V> {
    key: K,
    value: V,
    newer: u32,
    older: u32,
}

/// At most `capacity` entries; each touch makes an entry the newest one.
pub(super) struct Lru<K, V> {
    places: AHashMap<K, u32>,
    slots: Vec<Slot<K, V>>,
    newest: u32,
    oldest: u32,
    capacity: u32,
}

impl<K: Hash + Eq + Copy, V> Lru<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = u32::try_from(capacity).unwrap_or(NONE - 1).clamp(1, NONE - 1);
        Self { places: AHashMap::new(), slots: Vec::new(), newest: NONE, oldest: NONE, capacity }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The entry, which becomes the newest.
    pub(super) fn touch(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        self.make_newest(place);
        self.slots.get_mut(place as usize).map(|slot| &mut slot.value)
    }

    /// The entry as it is.
    pub(super) fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        self.slots.get_mut(place as usize).map(|slot| &mut slot.value)
    }

    /// The entry, made where there is none; it becomes the newest. `None` never comes, but there is
    /// no other way to say so without a panic.
    pub(super) fn enter(&mut self, key: K, make: impl FnOnce() -> V) -> Option<&mut V> {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => self.insert(key, make()),
        };
        self.make_newest(place);
        self.slots.get_mut(place as usize).map(|slot| &mut slot.value)
    }

    fn insert(&mut self, key: K, value: V) -> u32 {
        let place = if self.slots.len() < self.capacity as usize {
            self.slots.push(Slot { key, value, newer: NONE, older: NONE });
            (self.slots.len() - 1) as u32
        } else {
            let place = self.oldest;
            self.unlink(place);
            if let Some(slot) = self.slots.get_mut(place as usize) {
                self.places.remove(&slot.key);
                *slot = Slot { key, value, newer: NONE, older: NONE };
            }
            place
        };
        self.places.insert(key, place);
        place
    }

    fn make_newest(&mut self, place: u32) {
        if self.newest == place {
            return;
        }
        self.unlink(place);
        let before = std::mem::replace(&mut self.newest, place);
        if let Some(slot) = self.slots.get_mut(place as usize) {
            slot.older = before;
            slot.newer = NONE;
        }
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.newer = place,
            None => self.oldest = place,
        }
    }

    /// Takes a place out of the order, if it is in it.
    fn unlink(&mut self, place: u32) {
        let Some(slot) = self.slots.get_mut(place as usize) else { return };
        let newer = std::mem::replace(&mut slot.newer, NONE);
        let older = std::mem::replace(&mut slot.older, NONE);
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None if self.newest == place => self.newest = older,
            None => {}
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None if self.oldest == place => self.oldest = newer,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_not_touched_longest_makes_room() {
        let mut table = Lru::new(3);
        for key in 1..=3 {
            table.enter(key, || key * 10);
        }
        table.touch(&1);
        table.enter(4, || 40);
        assert_eq!(table.len(), 3);
        assert!(table.touch(&2).is_none());
        assert_eq!(table.touch(&1), Some(&mut 10));
        table.enter(5, || 50);
        assert!(table.touch(&3).is_none());
        assert_eq!(table.peek_mut(&4), Some(&mut 40));
    }

    #[test]
    fn it_agrees_with_a_plain_list_whatever_is_done() {
        let mut table = Lru::new(16);
        let mut model: Vec<u32> = Vec::new();
        let mut state = 7_u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (state >> 16) % 40;
            if state & 0x8000 == 0 {
                let known = model.iter().position(|other| *other == key);
                assert_eq!(table.touch(&key).is_some(), known.is_some());
                if let Some(at) = known {
                    model.remove(at);
                    model.push(key);
                }
            } else {
                table.enter(key, || ());
                model.retain(|other| *other != key);
                model.push(key);
                if model.len() > 16 {
                    model.remove(0);
                }
            }
            assert_eq!(table.len(), model.len().max(table.len().min(16)).min(16));
        }
        assert!(model.iter().all(|key| table.peek_mut(key).is_some()));
    }
}
