//! A small buffer that puts packets in order and evens out their arrival, for the mixer.

use super::PACKET_MAX;
use super::header::HEADER_LEN;
use super::sequence::Seq;

/// Packets that are kept.
const SLOTS: usize = 16;
/// Packets that must have come before the first is given out.
const DEPTH: i16 = 2;
/// More than these waiting, and the oldest is left out: the delay must not grow.
const DEPTH_MAX: i16 = 5;
/// Frames after which a single packet is given out although no second came.
const PATIENCE: u8 = 3;
/// A packet further behind is no late one: the sender began anew.
const LATE_MAX: i16 = 100;
/// Longest payload: as much as a packet holds, 186 ms of 64 kbit/s (RFC 3551 §4.2 wants 200).
pub const PAYLOAD_MAX: usize = PACKET_MAX - HEADER_LEN;
/// Room that is made for a payload beforehand: 60 ms of 64 kbit/s. The slots of a stream that sends
/// longer ones grow once.
const PAYLOAD_USUAL: usize = 480;

/// What [`Jitter::take`] gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// The next payload; so many octets were written.
    Payload(usize),
    /// The next packet did not come in time, but later ones did.
    Lost,
    /// Nothing to be given out now.
    Nothing,
}

/// Packets of one stream in the order of their numbers.
#[derive(Clone, Debug)]
pub struct Jitter {
    slots: [Slot; SLOTS],
    /// The number to be given out next.
    next: Option<Seq>,
    highest: Seq,
    /// The type of the payload that was given out last.
    kind: u8,
    is_filling: bool,
    waited: u8,
}

#[derive(Clone, Debug)]
struct Slot {
    kind: u8,
    /// None where no packet is.
    octets: Vec<u8>,
}

impl Jitter {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        let slot = |_| Slot { kind: 0, octets: Vec::with_capacity(PAYLOAD_USUAL) };
        let slots = std::array::from_fn(slot);
        Self { slots, next: None, highest: Seq(0), kind: 0, is_filling: true, waited: 0 }
    }

    /// Takes a packet; empty and overlong ones, duplicates and late ones are left out.
    pub fn put(&mut self, sequence: Seq, kind: u8, payload: &[u8]) {
        if payload.is_empty() || payload.len() > PAYLOAD_MAX {
            return;
        }
        let ahead = self.next.map_or(0, |next| sequence.after(next));
        let is_too_far = usize::try_from(ahead).is_ok_and(|ahead| ahead >= SLOTS);
        if self.next.is_none() || ahead < -LATE_MAX || is_too_far {
            self.begin(sequence);
        } else if ahead < 0 {
            return;
        }
        if sequence.after(self.highest) > 0 {
            self.highest = sequence;
        }
        let slot = self.slot(sequence);
        slot.kind = kind;
        slot.octets.clear();
        slot.octets.extend_from_slice(payload);
    }

    /// Gives out the next payload.
    pub fn take(&mut self, payload: &mut [u8; PAYLOAD_MAX]) -> Taken {
        let Some(next) = self.next else { return Taken::Nothing };
        let depth = self.highest.after(next).saturating_add(1);
        if depth <= 0 {
            self.is_filling = true;
            self.waited = 0;
            return Taken::Nothing;
        }
        if self.is_filling && depth < DEPTH && self.waited < PATIENCE {
            self.waited += 1;
            return Taken::Nothing;
        }
        self.is_filling = false;
        if depth > DEPTH_MAX {
            self.slot(next).octets.clear();
            self.next = Some(next.plus(1));
            return self.give(next.plus(1), payload);
        }
        self.give(next, payload)
    }

    /// The type of the payload that was given out last.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.kind
    }

    fn give(&mut self, sequence: Seq, payload: &mut [u8; PAYLOAD_MAX]) -> Taken {
        self.next = Some(sequence.plus(1));
        let slot = self.slot(sequence);
        let (length, kind) = (slot.octets.len(), slot.kind);
        if length == 0 {
            return Taken::Lost;
        }
        if let Some(place) = payload.get_mut(..length) {
            place.copy_from_slice(&slot.octets);
        }
        slot.octets.clear();
        self.kind = kind;
        Taken::Payload(length)
    }

    fn begin(&mut self, sequence: Seq) {
        self.slots.iter_mut().for_each(|slot| slot.octets.clear());
        self.next = Some(sequence);
        self.highest = sequence;
        self.is_filling = true;
        self.waited = 0;
    }

    fn slot(&mut self, sequence: Seq) -> &mut Slot {
        &mut self.slots[usize::from(sequence.0) % SLOTS]
    }
}

impl Default for Jitter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(jitter: &mut Jitter) -> Option<u8> {
        let mut payload = [0; PAYLOAD_MAX];
        match jitter.take(&mut payload) {
            Taken::Payload(_) => Some(payload[0]),
            Taken::Lost => Some(255),
            Taken::Nothing => None,
        }
    }

    fn put(jitter: &mut Jitter, numbers: &[u16]) {
        for number in numbers {
            jitter.put(Seq(*number), 0, &[number.to_be_bytes()[1]; 160]);
        }
    }

    #[test]
    fn waits_for_a_second_packet_and_gives_them_out_in_order() {
        let mut jitter = Jitter::new();
        put(&mut jitter, &[1]);
        assert_eq!(take(&mut jitter), None);
        put(&mut jitter, &[3, 2]);
        let given: Vec<_> = (0..4).map(|_| take(&mut jitter)).collect();
        assert_eq!(given, [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn a_single_packet_is_not_kept_for_ever() {
        let mut jitter = Jitter::new();
        put(&mut jitter, &[9]);
        let given: Vec<_> = (0..4).map(|_| take(&mut jitter)).collect();
        assert_eq!(given, [None, None, None, Some(9)]);
    }

    #[test]
    fn a_gap_is_told_and_what_comes_too_late_is_left_out() {
        let mut jitter = Jitter::new();
        put(&mut jitter, &[1, 3]);
        assert_eq!([take(&mut jitter), take(&mut jitter)], [Some(1), Some(255)]);
        put(&mut jitter, &[2]);
        assert_eq!([take(&mut jitter), take(&mut jitter)], [Some(3), None]);
    }

    #[test]
    fn the_delay_does_not_grow() {
        let mut jitter = Jitter::new();
        put(&mut jitter, &[1, 2, 3, 4, 5, 6, 7]);
        // One is left out at a time until five are left.
        assert_eq!([take(&mut jitter), take(&mut jitter)], [Some(2), Some(3)]);
    }

    #[test]
    fn a_sender_that_begins_anew_is_followed_at_once() {
        let mut jitter = Jitter::new();
        put(&mut jitter, &[65_534, 65_535, 0]);
        assert_eq!(
            [take(&mut jitter), take(&mut jitter), take(&mut jitter)],
            [Some(254), Some(255), Some(0)]
        );
        put(&mut jitter, &[30_000, 30_001]);
        assert_eq!(take(&mut jitter), Some(48));
        put(&mut jitter, &[10, 11]);
        assert_eq!(take(&mut jitter), Some(10));
    }

    #[test]
    fn payloads_of_impossible_length_are_left_out() {
        let mut jitter = Jitter::new();
        jitter.put(Seq(1), 0, &[]);
        jitter.put(Seq(2), 0, &[0; PAYLOAD_MAX + 1]);
        assert_eq!(take(&mut jitter), None);
    }
}
