//! Numbers of the RTP header that wrap around.

/// A sequence number (RFC 3550 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Seq(pub u16);

impl Seq {
    /// How far `self` is after `earlier`; negative when it is before it.
    #[must_use]
    pub fn after(self, earlier: Self) -> i16 {
        // Two's complement is what modulo 2^16 means for a distance.
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// The number `steps` later.
    #[must_use]
    pub fn plus(self, steps: u16) -> Self {
        Self(self.0.wrapping_add(steps))
    }

    /// The steps that lead from `other` to `self`.
    #[must_use]
    pub fn minus(self, other: Self) -> u16 {
        self.0.wrapping_sub(other.0)
    }
}

/// An RTP timestamp in ticks of the payload's clock (RFC 3550 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// The time `ticks` later.
    #[must_use]
    pub fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// The ticks that lead from `other` to `self`.
    #[must_use]
    pub fn minus(self, other: Self) -> u32 {
        self.0.wrapping_sub(other.0)
    }
}

/// A synchronization source (RFC 3550 §8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ssrc(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_across_the_wrap() {
        assert_eq!(Seq(2).after(Seq(65_534)), 4);
        assert_eq!(Seq(65_534).after(Seq(2)), -4);
        assert_eq!(Seq(65_535).plus(1), Seq(0));
        assert_eq!(RtpTime(5).minus(RtpTime(u32::MAX)), 6);
    }
}
