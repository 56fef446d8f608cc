//! The way of a member's payloads from the worker that receives them to the one that mixes.
//!
//! A ring with one writer and one reader, without locks. Payloads are held in atomic words, so a
//! second writer would spoil sound at worst, never memory.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::rtp::Seq;
use crate::rtp::jitter::PAYLOAD_MAX;

/// Room for what is on its way at one time: more than half a second of 64 kbit/s, however long its
/// packets are. What comes when there is none is left out.
const WORDS: usize = 1_024;
/// Enough for [`PAYLOAD_MAX`].
const LENGTH_BITS: u32 = 16;
/// 7 bits are used of 16.
const KIND_BITS: u32 = 16;

/// Payloads on their way to the mixer.
///
/// Each is a head (sequence number, payload type and length) and words with its octets.
#[derive(Debug)]
pub struct Inlet {
    words: Box<[AtomicU64]>,
    /// Words that were ever written; wraps.
    written: AtomicU32,
    /// Words that were ever read; wraps.
    read: AtomicU32,
}

impl Inlet {
    /// An empty ring.
    #[must_use]
    pub fn new() -> Self {
        let words = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        Self { words, written: AtomicU32::new(0), read: AtomicU32::new(0) }
    }

    /// Adds a payload of a type; false if it is too long or the ring is full.
    pub fn push(&self, sequence: Seq, kind: u8, payload: &[u8]) -> bool {
        let written = self.written.load(Ordering::Relaxed);
        let waiting = index(written.wrapping_sub(self.read.load(Ordering::Acquire)));
        if payload.len() > PAYLOAD_MAX || waiting + words_of(payload.len()) > WORDS {
            return false;
        }
        let length = u64::try_from(payload.len()).unwrap_or_default();
        let kind = u64::from(kind & 0x7f) << LENGTH_BITS;
        let mut at = written;
        self.put(&mut at, u64::from(sequence.0) << (LENGTH_BITS + KIND_BITS) | kind | length);
        for octets in payload.chunks(8) {
            let mut padded = [0; 8];
            for (place, octet) in padded.iter_mut().zip(octets) {
                *place = *octet;
            }
            self.put(&mut at, u64::from_le_bytes(padded));
        }
        self.written.store(at, Ordering::Release);
        true
    }

    /// Takes the oldest payload; gives its number, type and length.
    pub fn pop(&self, payload: &mut [u8; PAYLOAD_MAX]) -> Option<(Seq, u8, usize)> {
        let mut at = self.read.load(Ordering::Relaxed);
        let written = self.written.load(Ordering::Acquire);
        if at == written {
            return None;
        }
        let waiting = index(written.wrapping_sub(at));
        let head = self.get(&mut at);
        let [low, high, kind, _, number_low, number_high, ..] = head.to_le_bytes();
        let length = usize::from(u16::from_le_bytes([low, high]));
        if length > PAYLOAD_MAX || words_of(length) > waiting {
            // Two have written at the same time: the rest cannot be told apart.
            self.read.store(written, Ordering::Release);
            return None;
        }
        for octets in payload.chunks_exact_mut(8).take(length.div_ceil(8)) {
            octets.copy_from_slice(&self.get(&mut at).to_le_bytes());
        }
        self.read.store(at, Ordering::Release);
        Some((Seq(u16::from_le_bytes([number_low, number_high])), kind, length))
    }

    fn put(&self, at: &mut u32, value: u64) {
        if let Some(word) = self.words.get(index(*at) % WORDS) {
            word.store(value, Ordering::Relaxed);
        }
        *at = at.wrapping_add(1);
    }

    fn get(&self, at: &mut u32) -> u64 {
        let word = self.words.get(index(*at) % WORDS);
        *at = at.wrapping_add(1);
        word.map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

/// The words that a payload of a length takes.
fn words_of(length: usize) -> usize {
    1 + length.div_ceil(8)
}

impl Default for Inlet {
    fn default() -> Self {
        Self::new()
    }
}

fn index(count: u32) -> usize {
    usize::try_from(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_out_as_they_went_in() {
        let inlet = Inlet::new();
        let mut payload = [0; PAYLOAD_MAX];
        assert_eq!(inlet.pop(&mut payload), None);
        for (number, length) in [(65_535, 160), (0, 1), (7, PAYLOAD_MAX), (8, 0), (9, 640)] {
            let octets: Vec<u8> = (0..length).map(|n: usize| n.to_le_bytes()[0]).collect();
            assert!(inlet.push(Seq(number), 127, &octets));
            assert_eq!(inlet.pop(&mut payload), Some((Seq(number), 127, length)));
            assert_eq!(&payload[..length], octets);
        }
        assert!(!inlet.push(Seq(9), 0, &[0; PAYLOAD_MAX + 1]));
    }

    #[test]
    fn a_full_ring_leaves_out_what_comes_last() {
        for length in [1, 160, 640, PAYLOAD_MAX] {
            let inlet = Inlet::new();
            let mut payload = [0; PAYLOAD_MAX];
            // Over the end of the ring and on from its beginning.
            for round in 0..3 {
                let octets = [round; PAYLOAD_MAX];
                let mut said = 0u16;
                while inlet.push(Seq(said), 8, &octets[..length]) {
                    said += 1;
                }
                assert!(usize::from(said) * length.max(8) >= 4_000, "{said} of {length}");
                assert_eq!(inlet.pop(&mut payload), Some((Seq(0), 8, length)));
                assert!(inlet.push(Seq(said), 8, &octets[..length]));
                for number in 1..=said {
                    assert_eq!(inlet.pop(&mut payload), Some((Seq(number), 8, length)));
                    assert_eq!(payload[..length], octets[..length]);
                }
                assert_eq!(inlet.pop(&mut payload), None);
            }
        }
    }

    #[test]
    fn what_two_writers_spoilt_is_left_out_and_the_next_payload_passes() {
        let inlet = Inlet::new();
        let mut payload = [0; PAYLOAD_MAX];
        for head in [u64::MAX, 900] {
            let mut at = inlet.written.load(Ordering::Relaxed);
            inlet.put(&mut at, head);
            inlet.written.store(at, Ordering::Release);
            assert_eq!(inlet.pop(&mut payload), None);
            assert!(inlet.push(Seq(1), 8, &[5; 160]));
            assert_eq!(inlet.pop(&mut payload), Some((Seq(1), 8, 160)));
        }
    }

    #[test]
    fn nothing_is_lost_or_changed_between_two_threads() {
        let inlet = std::sync::Arc::new(Inlet::new());
        let writer = std::sync::Arc::clone(&inlet);
        let thread = std::thread::spawn(move || {
            for number in 0..20_000u16 {
                while !writer.push(Seq(number), 96, &number.to_be_bytes().repeat(80)) {
                    std::thread::yield_now();
                }
            }
        });
        let mut payload = [0; PAYLOAD_MAX];
        for number in 0..20_000u16 {
            let (sequence, kind, length) = loop {
                if let Some(taken) = inlet.pop(&mut payload) {
                    break taken;
                }
                std::thread::yield_now();
            };
            assert_eq!((sequence, kind, length), (Seq(number), 96, 160));
            assert_eq!(&payload[..160], number.to_be_bytes().repeat(80));
        }
        thread.join().unwrap();
    }
}
