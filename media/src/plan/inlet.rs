//! The way of a member's payloads from the worker that receives them to the one that mixes.
//!
//! A ring with one writer and one reader, without locks. Payloads are held in atomic words, so a
//! second writer would spoil sound at worst, never memory.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::rtp::Seq;
use crate::rtp::jitter::PAYLOAD_MAX;

/// Payloads on their way at one time; more are left out.
const CELLS: usize = 16;
const WORDS: usize = PAYLOAD_MAX / 8;
/// Enough for [`PAYLOAD_MAX`].
const LENGTH_BITS: u32 = 9;
const LENGTH_MASK: u16 = (1 << LENGTH_BITS) - 1;

/// Payloads on their way to the mixer.
#[derive(Debug)]
pub struct Inlet {
    cells: Box<[Cell]>,
    written: AtomicU32,
    read: AtomicU32,
}

#[derive(Debug)]
struct Cell {
    /// Sequence number in the upper half, then 7 bits of payload type and 9 of length.
    head: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl Inlet {
    /// An empty ring.
    #[must_use]
    pub fn new() -> Self {
        let cell =
            |_| Cell { head: AtomicU32::new(0), words: [const { AtomicU64::new(0) }; WORDS] };
        let cells = (0..CELLS).map(cell).collect();
        Self { cells, written: AtomicU32::new(0), read: AtomicU32::new(0) }
    }

    /// Adds a payload of a type; false if it is too long or the ring is full.
    pub fn push(&self, sequence: Seq, kind: u8, payload: &[u8]) -> bool {
        let written = self.written.load(Ordering::Relaxed);
        let waiting = written.wrapping_sub(self.read.load(Ordering::Acquire));
        let Some(cell) = self.cell(written) else { return false };
        if index(waiting) >= CELLS || payload.len() > PAYLOAD_MAX {
            return false;
        }
        let length = u32::try_from(payload.len()).unwrap_or_default();
        let kind = u32::from(kind & 0x7f) << LENGTH_BITS;
        cell.head.store(u32::from(sequence.0) << 16 | kind | length, Ordering::Relaxed);
        for (octets, word) in payload.chunks(8).zip(&cell.words) {
            let mut padded = [0; 8];
            for (place, octet) in padded.iter_mut().zip(octets) {
                *place = *octet;
            }
            word.store(u64::from_le_bytes(padded), Ordering::Relaxed);
        }
        self.written.store(written.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the oldest payload; gives its number, type and length.
    pub fn pop(&self, payload: &mut [u8; PAYLOAD_MAX]) -> Option<(Seq, u8, usize)> {
        let read = self.read.load(Ordering::Relaxed);
        if read == self.written.load(Ordering::Acquire) {
            return None;
        }
        let cell = self.cell(read)?;
        let [low, high, number_low, number_high] = cell.head.load(Ordering::Relaxed).to_le_bytes();
        let lower = u16::from_le_bytes([low, high]);
        let length = usize::from(lower & LENGTH_MASK).min(PAYLOAD_MAX);
        let [kind, _] = (lower >> LENGTH_BITS).to_le_bytes();
        for (octets, word) in payload.chunks_exact_mut(8).zip(&cell.words).take(length.div_ceil(8))
        {
            octets.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        self.read.store(read.wrapping_add(1), Ordering::Release);
        Some((Seq(u16::from_le_bytes([number_low, number_high])), kind, length))
    }

    fn cell(&self, count: u32) -> Option<&Cell> {
        self.cells.get(index(count) % CELLS)
    }
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
        for (number, length) in [(65_535, 160), (0, 1), (7, 480), (8, 0)] {
            let octets: Vec<u8> = (0..length).map(|n: usize| n.to_le_bytes()[0]).collect();
            assert!(inlet.push(Seq(number), 127, &octets));
            assert_eq!(inlet.pop(&mut payload), Some((Seq(number), 127, length)));
            assert_eq!(&payload[..length], octets);
        }
        assert!(!inlet.push(Seq(9), 0, &[0; PAYLOAD_MAX + 1]));
    }

    #[test]
    fn a_full_ring_leaves_out_what_comes_last() {
        let inlet = Inlet::new();
        for number in 0..16 {
            assert!(inlet.push(Seq(number), 8, &[1]));
        }
        assert!(!inlet.push(Seq(16), 8, &[1]));
        let mut payload = [0; PAYLOAD_MAX];
        assert_eq!(inlet.pop(&mut payload), Some((Seq(0), 8, 1)));
        assert!(inlet.push(Seq(16), 8, &[1]));
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
