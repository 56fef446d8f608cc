//! A hierarchical timer wheel: four levels of 256 slots, one millisecond a tick.
//!
//! Arming and disarming cost constant time; time jumps from one occupied slot to the next, so an
//! idle hour costs nothing. Source: Varghese and Lauck, scheme 6.

use std::time::Duration;

use super::Now;
use crate::slab::{Key, Slab};

const LEVELS: usize = 4;
const SLOTS: usize = 256;
const BITS_PER_LEVEL: u32 = 8;
/// The list of what is due already.
const DUE: usize = LEVELS * SLOTS;
/// The list of what lies beyond the turn of the highest level (every 49.7 days).
const BEYOND: usize = DUE + 1;
const LISTS: usize = BEYOND + 1;

/// Names one armed timer; goes stale when the timer fires or is disarmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerToken(Key);

/// Deadlines with a payload each.
///
/// A deadline is rounded up to the next full millisecond: a timer is never early and at most one
/// millisecond late. It has no limit of its own: each owner arms a fixed number of timers for each
/// machine, and the machines are limited.
#[derive(Clone, Debug)]
pub struct TimerWheel<T> {
    /// Everything up to this tick has been moved to the list of due timers.
    tick: u64,
    timers: Slab<Timer<T>>,
    /// First timer of each slot's ring.
    heads: Box<[Option<Key>]>,
    /// One bit for each slot that has a ring.
    occupied: [[u64; SLOTS / 64]; LEVELS],
}

#[derive(Clone, Debug)]
struct Timer<T> {
    tick: u64,
    list: usize,
    next: Key,
    previous: Key,
    payload: T,
}

impl<T> TimerWheel<T> {
    /// An empty wheel whose time is the clock's start.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tick: 0,
            timers: Slab::new(),
            heads: vec![None; LISTS].into_boxed_slice(),
            occupied: [[0; SLOTS / 64]; LEVELS],
        }
    }

    /// Lets `payload` come out of [`TimerWheel::expire`] once `deadline` is reached.
    pub fn arm(&mut self, deadline: Now, payload: T) -> TimerToken {
        let tick = tick_after(deadline.0);
        let list = self.list_for(tick);
        let key =
            self.timers.insert_with(|key| Timer { tick, list, next: key, previous: key, payload });
        self.link(key, list);
        TimerToken(key)
    }

    /// Takes a timer back; false if it has fired or was disarmed before.
    pub fn disarm(&mut self, token: TimerToken) -> bool {
        self.unlink(token.0).is_some()
    }

    /// When [`TimerWheel::expire`] should be called next: never after the earliest deadline
    /// (rounded up to the tick), but before it if that deadline is still far away.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Now> {
        if self.head(DUE).is_some() {
            return Some(Now::from_millis(self.tick));
        }
        self.next_list().map(|(tick, _)| Now::from_millis(tick))
    }

    /// The next payload whose deadline has been reached; call until `None`.
    pub fn expire(&mut self, now: Now) -> Option<T> {
        let target = u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX);
        loop {
            if let Some(key) = self.head(DUE) {
                return self.unlink(key);
            }
            match self.next_list() {
                Some((tick, list)) if tick <= target => {
                    self.tick = tick;
                    self.redistribute(list);
                }
                _ => {
                    self.tick = self.tick.max(target);
                    return None;
                }
            }
        }
    }

    /// How many timers are armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether no timer is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// The tick at which the first occupied list begins, and the list.
    ///
    /// Each level's slots lie after the current digit of that level, and all of them before the
    /// next slot of the level above: the first occupied level has the earliest list.
    fn next_list(&self) -> Option<(u64, usize)> {
        for (level, words) in self.occupied.iter().enumerate() {
            let Some((word, bits)) = words.iter().enumerate().find(|(_, bits)| **bits != 0) else {
                continue;
            };
            let slot = word * 64 + bits.trailing_zeros() as usize;
            let shift = BITS_PER_LEVEL * u32::try_from(level).unwrap_or(0);
            let tick = (((self.tick >> shift) & !0xff) | slot as u64) << shift;
            return Some((tick, level * SLOTS + slot));
        }
        let turn = 1u64 << (BITS_PER_LEVEL * 4);
        self.head(BEYOND).map(|_| ((self.tick | (turn - 1)).saturating_add(1), BEYOND))
    }

    /// Where a timer belongs: the level is that of the highest digit in which it differs from now.
    fn list_for(&self, tick: u64) -> usize {
        if tick <= self.tick {
            return DUE;
        }
        let level = ((tick ^ self.tick).ilog2() / BITS_PER_LEVEL) as usize;
        if level >= LEVELS {
            return BEYOND;
        }
        let digit = (tick >> (BITS_PER_LEVEL * u32::try_from(level).unwrap_or(0))) & 0xff;
        level * SLOTS + usize::try_from(digit).unwrap_or(0)
    }

    /// Moves the timers of a list that time has reached to where they belong now.
    fn redistribute(&mut self, list: usize) {
        let Some(first) = self.head(list) else { return };
        let last = self.timers.get(first).map_or(first, |timer| timer.previous);
        let mut key = first;
        loop {
            let Some((tick, next)) = self.timers.get(key).map(|timer| (timer.tick, timer.next))
            else {
                return;
            };
            self.detach(key);
            let place = self.list_for(tick);
            self.link(key, place);
            if key == last {
                return;
            }
            key = next;
        }
    }

    /// Appends a timer to a ring.
    fn link(&mut self, key: Key, list: usize) {
        let (next, previous) = match self.head(list) {
            None => {
                self.set_head(list, Some(key));
                (key, key)
            }
            Some(head) => {
                let tail = self.timers.get(head).map_or(head, |timer| timer.previous);
                if let Some(timer) = self.timers.get_mut(tail) {
                    timer.next = key;
                }
                if let Some(timer) = self.timers.get_mut(head) {
                    timer.previous = key;
                }
                (head, tail)
            }
        };
        if let Some(timer) = self.timers.get_mut(key) {
            timer.list = list;
            timer.next = next;
            timer.previous = previous;
        }
    }

    /// Takes a timer out of its ring and leaves it stored.
    fn detach(&mut self, key: Key) {
        let Some(timer) = self.timers.get(key) else { return };
        let (list, next, previous) = (timer.list, timer.next, timer.previous);
        if next == key {
            self.set_head(list, None);
            return;
        }
        if let Some(timer) = self.timers.get_mut(previous) {
            timer.next = next;
        }
        if let Some(timer) = self.timers.get_mut(next) {
            timer.previous = previous;
        }
        if self.head(list) == Some(key) {
            self.set_head(list, Some(next));
        }
    }

    /// Takes a timer out of its ring and out of the store.
    fn unlink(&mut self, key: Key) -> Option<T> {
        self.detach(key);
        self.timers.remove(key).map(|timer| timer.payload)
    }

    fn head(&self, list: usize) -> Option<Key> {
        self.heads.get(list).copied().flatten()
    }

    fn set_head(&mut self, list: usize, key: Option<Key>) {
        if let Some(head) = self.heads.get_mut(list) {
            *head = key;
        }
        let (level, slot) = (list / SLOTS, list % SLOTS);
        if let Some(word) = self.occupied.get_mut(level).and_then(|words| words.get_mut(slot / 64))
        {
            let bit = 1u64 << (slot % 64);
            if key.is_some() { *word |= bit } else { *word &= !bit }
        }
    }
}

impl<T> Default for TimerWheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The first full millisecond at or after an instant.
fn tick_after(deadline: Duration) -> u64 {
    let up = u128::from(!deadline.subsec_nanos().is_multiple_of(1_000_000));
    u64::try_from(deadline.as_millis() + up).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::{BTreeMap, BinaryHeap};

    use super::*;
    use crate::time::{Entropy, Seeded};

    fn drain(wheel: &mut TimerWheel<u64>, now: Now) -> Vec<u64> {
        std::iter::from_fn(|| wheel.expire(now)).collect()
    }

    #[test]
    fn fires_at_its_millisecond_and_not_before() {
        let mut wheel = TimerWheel::new();
        for ms in [1, 255, 256, 257, 65_535, 65_536, 16_777_216, 20_000_000] {
            wheel.arm(Now::from_millis(ms), ms);
        }
        for ms in [1, 255, 256, 257, 65_535, 65_536, 16_777_216, 20_000_000] {
            assert_eq!(drain(&mut wheel, Now::from_millis(ms - 1)), []);
            assert_eq!(drain(&mut wheel, Now::from_millis(ms)), [ms]);
        }
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_fraction_of_a_millisecond_is_rounded_up() {
        let mut wheel = TimerWheel::new();
        wheel.arm(Now(Duration::from_micros(1_200)), 0);
        assert_eq!(drain(&mut wheel, Now(Duration::from_micros(1_999))), []);
        assert_eq!(drain(&mut wheel, Now(Duration::from_millis(2))), [0]);
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_once() {
        let mut wheel = TimerWheel::new();
        assert_eq!(drain(&mut wheel, Now::from_millis(1_000)), []);
        wheel.arm(Now::from_millis(400), 7);
        assert_eq!(wheel.next_deadline(), Some(Now::from_millis(1_000)));
        assert_eq!(drain(&mut wheel, Now::from_millis(1_000)), [7]);
    }

    #[test]
    fn a_disarmed_timer_never_fires_and_its_token_is_stale() {
        let mut wheel = TimerWheel::new();
        let first = wheel.arm(Now::from_millis(10), 1);
        assert!(wheel.disarm(first));
        assert!(!wheel.disarm(first));
        let second = wheel.arm(Now::from_millis(10), 2);
        assert!(!wheel.disarm(first));
        assert_eq!(drain(&mut wheel, Now::from_millis(10)), [2]);
        assert!(!wheel.disarm(second));
    }

    #[test]
    fn the_turn_of_the_highest_level_loses_nothing() {
        let turn = 1u64 << 32;
        let mut wheel = TimerWheel::new();
        assert_eq!(drain(&mut wheel, Now::from_millis(turn - 5)), []);
        for ms in [turn - 1, turn, turn + 300, 3 * turn + 1] {
            wheel.arm(Now::from_millis(ms), ms);
        }
        assert_eq!(wheel.next_deadline(), Some(Now::from_millis(turn - 1)));
        assert_eq!(drain(&mut wheel, Now::from_millis(turn)), [turn - 1, turn]);
        assert_eq!(drain(&mut wheel, Now::from_millis(turn + 300)), [turn + 300]);
        assert_eq!(drain(&mut wheel, Now::from_millis(3 * turn)), []);
        assert_eq!(drain(&mut wheel, Now::from_millis(3 * turn + 1)), [3 * turn + 1]);
    }

    #[test]
    fn timers_of_one_millisecond_fire_in_the_order_they_were_armed_together() {
        let mut wheel = TimerWheel::new();
        for n in 0..5 {
            wheel.arm(Now::from_millis(700), n);
        }
        assert_eq!(drain(&mut wheel, Now::from_millis(700)), [0, 1, 2, 3, 4]);
    }

    /// The model: a heap of deadlines and the set of those not disarmed.
    #[derive(Default)]
    struct Model {
        heap: BinaryHeap<Reverse<(u64, u64)>>,
        armed: BTreeMap<u64, u64>,
    }

    impl Model {
        fn expire(&mut self, now_ms: u64) -> Vec<(u64, u64)> {
            let mut due = Vec::new();
            while let Some(Reverse((tick, id))) = self.heap.peek().copied() {
                if tick > now_ms {
                    break;
                }
                self.heap.pop();
                if self.armed.remove(&id).is_some() {
                    due.push((tick, id));
                }
            }
            due
        }
    }

    fn compare_with_model(seed: u64) {
        let mut chance = Seeded::new(seed);
        let mut wheel = TimerWheel::new();
        let mut model = Model::default();
        let mut tokens = BTreeMap::new();
        let mut now_ms = if chance.below(4) == 0 { (1u64 << 32) - 5_000 } else { 0 };
        assert_eq!(wheel.expire(Now::from_millis(now_ms)), None);
        for id in 0..300u64 {
            match chance.below(10) {
                0..=4 => {
                    let span = [1, 40, 300, 70_000, 20_000_000][chance.below(5) as usize];
                    let tick = now_ms + chance.below(span);
                    tokens.insert(id, wheel.arm(Now::from_millis(tick), (tick, id)));
                    // A deadline already reached is due at once, whatever it was.
                    model.heap.push(Reverse((tick, id)));
                    model.armed.insert(id, tick);
                }
                5..=6 => {
                    let victim = chance.below(id + 1);
                    if let Some(token) = tokens.get(&victim) {
                        let was_armed = model.armed.remove(&victim).is_some();
                        assert_eq!(wheel.disarm(*token), was_armed, "seed {seed}");
                    }
                }
                _ => {
                    let span = [2, 300, 5_000, 9_000_000][chance.below(4) as usize];
                    now_ms += chance.below(span);
                    let mut fired: Vec<(u64, u64)> =
                        std::iter::from_fn(|| wheel.expire(Now::from_millis(now_ms))).collect();
                    assert!(fired.is_sorted_by_key(|(tick, _)| *tick), "seed {seed}");
                    fired.sort_unstable();
                    assert_eq!(fired, model.expire(now_ms), "seed {seed}");
                }
            }
            assert_eq!(wheel.len(), model.armed.len(), "seed {seed}");
            let earliest = model.armed.values().min().copied();
            match (wheel.next_deadline(), earliest) {
                (None, None) => {}
                (Some(next), Some(earliest)) => {
                    assert!(next <= Now::from_millis(earliest.max(now_ms)), "seed {seed}");
                }
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        // Jumping from one announced deadline to the next reaches every timer.
        let mut jumps = 0;
        while let Some(next) = wheel.next_deadline() {
            jumps += 1;
            assert!(jumps < 5_000, "seed {seed}: no progress");
            while let Some((_, id)) = wheel.expire(next) {
                assert!(model.armed.remove(&id).is_some(), "seed {seed}");
            }
        }
        assert!(model.armed.is_empty(), "seed {seed}");
    }

    #[test]
    fn agrees_with_a_binary_heap() {
        for seed in 0..400 {
            compare_with_model(seed);
        }
    }
}
