//! Packet numbers: where a number of 16 bits lies among 48, and which were there before.

/// Numbers behind the highest that are remembered.
pub const WINDOW: u64 = 128;
/// A 48-bit index never goes beyond.
pub(super) const INDEX_MAX: u64 = (1 << 48) - 1;

/// The index that a sequence number most probably stands for, `highest` being the highest so far.
///
/// Source: RFC 3711 §3.3.1, appendix A.
pub(super) fn index_of(highest: u64, sequence: u16) -> u64 {
    let last = highest & 0xffff;
    let roll_over = highest >> 16;
    let number = u64::from(sequence);
    let roll_over = if last < 0x8000 {
        if number > last + 0x8000 { roll_over.checked_sub(1) } else { Some(roll_over) }
    } else if number < last - 0x8000 {
        Some(roll_over + 1)
    } else {
        Some(roll_over)
    };
    // Behind the very first packet there is nothing: such a number can only be ahead.
    roll_over.unwrap_or_default() << 16 | number
}

/// Which of the last [`WINDOW`] indexes were there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    highest: u64,
    /// Bit n: `highest - n` was there.
    seen: u128,
}

impl Window {
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether the index may still come.
    pub(super) fn allows(&self, index: u64) -> bool {
        if self.seen == 0 || index > self.highest {
            return index <= INDEX_MAX;
        }
        let behind = self.highest - index;
        behind < WINDOW && self.seen >> behind & 1 == 0
    }

    /// Remembers an index that was allowed and whose packet is authentic.
    pub(super) fn note(&mut self, index: u64) {
        if self.seen == 0 {
            (self.highest, self.seen) = (index, 1);
        } else if index > self.highest {
            let ahead = index - self.highest;
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            self.highest = index;
        } else {
            self.seen |= 1u128.checked_shl((self.highest - index) as u32).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_belongs_to_the_turn_that_is_nearest() {
        assert_eq!(index_of(0xfff0, 2), 0x1_0002);
        assert_eq!(index_of(0x1_0002, 0xfff0), 0xfff0);
        assert_eq!(index_of(0x1_0002, 3), 0x1_0003);
        assert_eq!(index_of(0x5_8000, 0x7fff), 0x5_7fff);
        assert_eq!(index_of(2, 0xfff0), 0xfff0, "nothing lies before the first turn");
    }

    #[test]
    fn each_index_is_allowed_once_and_old_ones_never() {
        let mut window = Window::default();
        for index in [1_000, 1_001, 1_005, 1_002] {
            assert!(window.allows(index));
            window.note(index);
            assert!(!window.allows(index));
        }
        assert!(window.allows(1_003) && window.allows(1_005 - WINDOW + 1));
        assert!(!window.allows(1_005 - WINDOW));
        window.note(5_000);
        assert!(!window.allows(1_003) && window.allows(4_999) && !window.allows(5_000));
    }

    #[test]
    fn index_zero_is_remembered_too() {
        let mut window = Window::default();
        window.note(0);
        assert!(!window.allows(0) && window.allows(1));
        assert!(!window.allows(INDEX_MAX + 1));
    }
}
