//! Where tags, branches and nonces get their randomness.

/// A source of numbers: unpredictable in the product, seeded in tests.
pub trait Entropy {
    /// The next 64 bits.
    fn next_u64(&mut self) -> u64;

    /// A number below `bound`; zero if `bound` is zero.
    fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is below 2^-32 for every bound used (delays, percentages).
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// 128 bits as 32 hexadecimal digits: enough for a tag or the rest of a branch.
    fn token(&mut self) -> String {
        format!("{:016x}{:016x}", self.next_u64(), self.next_u64())
    }
}

impl<E: Entropy + ?Sized> Entropy for Box<E> {
    fn next_u64(&mut self) -> u64 {
        (**self).next_u64()
    }
}

/// The splitmix64 sequence of a seed: the same seed, the same run.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Entropy for Seeded {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64() {
        // First outputs of the published reference implementation for seed 1234567.
        let mut seeded = Seeded::new(1_234_567);
        assert_eq!(seeded.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(seeded.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(seeded.next_u64(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn a_bound_of_zero_gives_zero() {
        assert_eq!(Seeded::new(1).below(0), 0);
        assert!((0..100).all(|seed| Seeded::new(seed).below(10) < 10));
    }

    #[test]
    fn tokens_have_128_bits_and_differ() {
        let mut seeded = Seeded::new(7);
        let (first, second) = (seeded.token(), seeded.token());
        assert_eq!(first.len(), 32);
        assert_ne!(first, second);
    }
}
