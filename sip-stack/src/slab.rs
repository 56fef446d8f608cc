//! A store of values under keys that go stale when the value is removed.
//!
//! Owners of many small machines (transactions, dialogs, timers) keep them here. A key is an index
//! and a generation: a removed value's key never finds the value that took its place.

/// Names a value in one [`Slab`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The key as one number, for logs and for tokens that travel through other layers.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// The key that [`Key::to_bits`] wrote.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// Values under generation-counted keys; insertion, access and removal in constant time.
///
/// It has no limit of its own: the owner compares [`Slab::len`] with its named maximum before it
/// inserts.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// An empty slab.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    /// Stores a value and returns the key that finds it until it is removed.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Stores the value made from its own key.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        while let Some(index) = self.free.pop() {
            if let Some(entry) = self.entries.get_mut(index as usize) {
                let key = Key { index, generation: entry.generation };
                entry.value = Some(make(key));
                return key;
            }
        }
        // Owners stop far below 2^32 values, so the saturation is never reached.
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let key = Key { index, generation: 0 };
        self.entries.push(Entry { generation: 0, value: Some(make(key)) });
        key
    }

    /// Takes the value out; the key is stale from then on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// The value under a key, unless the key is stale.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation == key.generation { entry.value.as_ref() } else { None }
    }

    /// The value under a key to be changed, unless the key is stale.
    #[must_use]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation == key.generation { entry.value.as_mut() } else { None }
    }

    /// Whether the key still finds a value.
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// How many values are stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values with their keys, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        (0u32..).zip(&self.entries).filter_map(|(index, entry)| {
            let key = Key { index, generation: entry.generation };
            entry.value.as_ref().map(|value| (key, value))
        })
    }

    /// All values with their keys, to be changed, in the order of their places.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        (0u32..).zip(&mut self.entries).filter_map(|(index, entry)| {
            let key = Key { index, generation: entry.generation };
            entry.value.as_mut().map(|value| (key, value))
        })
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_does_not_find_the_successor() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn a_key_survives_the_way_through_a_number() {
        let mut slab = Slab::new();
        let gone = slab.insert(1);
        slab.remove(gone);
        let key = slab.insert(2);
        assert_eq!(Key::from_bits(key.to_bits()), key);
        assert_ne!(gone.to_bits(), key.to_bits());
    }

    #[test]
    fn iteration_visits_exactly_what_is_stored() {
        let mut slab = Slab::new();
        let keys: Vec<Key> = (0..10).map(|n| slab.insert(n)).collect();
        for key in keys.iter().step_by(2) {
            slab.remove(*key);
        }
        for (_, value) in slab.iter_mut() {
            *value += 100;
        }
        let left: Vec<i32> = slab.iter().map(|(_, value)| *value).collect();
        assert_eq!(left, [101, 103, 105, 107, 109]);
        assert!(slab.iter().all(|(key, value)| slab.get(key) == Some(value)));
        assert_eq!(slab.len(), 5);
    }

    #[test]
    fn a_value_may_know_its_own_key() {
        let mut slab = Slab::new();
        let key = slab.insert_with(|key| key);
        assert_eq!(slab.get(key), Some(&key));
    }
}
