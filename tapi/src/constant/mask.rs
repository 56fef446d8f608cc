//! Bit sets of one family.

use std::marker::PhantomData;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};

use serde::de::Error as _;
use serde::ser::SerializeSeq as _;
use serde_json::Value;

use super::{Constant, NotAConstant, read};

/// A set of constants of one family.
///
/// On the wire an array of names; a number or a single name is accepted too. Bits that the
/// family does not have can be read (they come from applications) and are seen by
/// [`has_unknown_bits`](Mask::has_unknown_bits).
pub struct Mask<C> {
    bits: u32,
    family: PhantomData<C>,
}

impl<C> Mask<C> {
    /// The empty set.
    pub const EMPTY: Self = Self::from_bits(0);

    /// The set with these bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self { bits, family: PhantomData }
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.bits == 0
    }
}

impl<C: Constant> Mask<C> {
    /// Every member of the family.
    pub fn all() -> Self {
        C::ALL.iter().copied().collect()
    }

    /// Whether this member is in the set.
    pub fn contains(self, member: C) -> bool {
        self.bits & member.value() == member.value()
    }

    /// Whether every member of the other set is in this one.
    pub fn contains_all(self, other: Self) -> bool {
        self.bits & other.bits == other.bits
    }

    /// Whether the sets share a member.
    pub fn intersects(self, other: Self) -> bool {
        self.bits & other.bits != 0
    }

    /// Adds a member.
    pub fn insert(&mut self, member: C) {
        self.bits |= member.value();
    }

    /// Takes a member out.
    pub fn remove(&mut self, member: C) {
        self.bits &= !member.value();
    }

    /// How many bits are set.
    pub fn len(self) -> u32 {
        self.bits.count_ones()
    }

    /// The only member, if there is exactly one.
    pub fn single(self) -> Option<C> {
        C::from_value(self.bits)
    }

    /// Whether a bit is set that the family does not have.
    pub fn has_unknown_bits(self) -> bool {
        self.bits & !Self::all().bits != 0
    }

    /// The members, in the order of the reference.
    pub fn iter(self) -> impl Iterator<Item = C> {
        C::ALL.iter().copied().filter(move |member| self.contains(*member))
    }

    /// Reads a set from an array of names or numbers, from one name, or from a number.
    pub fn read(value: &Value) -> Result<Self, NotAConstant> {
        let one = |value: &Value| match value {
            Value::Number(number) => number
                .as_u64()
                .and_then(|bits| u32::try_from(bits).ok())
                .map(Self::from_bits)
                .ok_or(NotAConstant::Value),
            other => read::<C>(other).map(Self::from),
        };
        match value {
            Value::Array(items) => {
                items.iter().try_fold(Self::EMPTY, |set, item| Ok(set | one(item)?))
            }
            other => one(other),
        }
    }
}

impl<C> Clone for Mask<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Mask<C> {}

impl<C> Default for Mask<C> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<C> PartialEq for Mask<C> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}

impl<C> Eq for Mask<C> {}

impl<C: Constant> std::fmt::Debug for Mask<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<C: Constant> From<C> for Mask<C> {
    fn from(member: C) -> Self {
        Self::from_bits(member.value())
    }
}

impl<C: Constant> From<&[C]> for Mask<C> {
    fn from(members: &[C]) -> Self {
        members.iter().copied().collect()
    }
}

impl<C: Constant, const N: usize> From<&[C; N]> for Mask<C> {
    fn from(members: &[C; N]) -> Self {
        members.iter().copied().collect()
    }
}

impl<C: Constant, const N: usize> From<[C; N]> for Mask<C> {
    fn from(members: [C; N]) -> Self {
        members.into_iter().collect()
    }
}

impl<C: Constant> FromIterator<C> for Mask<C> {
    fn from_iter<I: IntoIterator<Item = C>>(members: I) -> Self {
        Self::from_bits(members.into_iter().fold(0, |bits, member| bits | member.value()))
    }
}

impl<C, T: Into<Mask<C>>> BitOr<T> for Mask<C> {
    type Output = Self;

    fn bitor(self, other: T) -> Self {
        Self::from_bits(self.bits | other.into().bits)
    }
}

impl<C, T: Into<Mask<C>>> BitOrAssign<T> for Mask<C> {
    fn bitor_assign(&mut self, other: T) {
        self.bits |= other.into().bits;
    }
}

impl<C, T: Into<Mask<C>>> BitAnd<T> for Mask<C> {
    type Output = Self;

    fn bitand(self, other: T) -> Self {
        Self::from_bits(self.bits & other.into().bits)
    }
}

impl<C, T: Into<Mask<C>>> Sub<T> for Mask<C> {
    type Output = Self;

    fn sub(self, other: T) -> Self {
        Self::from_bits(self.bits & !other.into().bits)
    }
}

impl<C: Constant> serde::Serialize for Mask<C> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut names = to.serialize_seq(None)?;
        for member in self.iter() {
            names.serialize_element(member.name())?;
        }
        names.end()
    }
}

impl<'de, C: Constant> serde::Deserialize<'de> for Mask<C> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Self::read(&value).map_err(|_| D::Error::custom("not a set of constants of this family"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CallFeature, CallState};
    use super::*;

    #[test]
    fn a_set_writes_an_array_of_names_and_reads_names_and_numbers() {
        let set = CallFeature::Drop | CallFeature::Hold;
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["LINECALLFEATURE_DROP","LINECALLFEATURE_HOLD"]"#);
        for text in [&json, "2176", "[128, \"LINECALLFEATURE_HOLD\"]", "[2176]"] {
            assert_eq!(serde_json::from_str::<Mask<CallFeature>>(text).unwrap(), set, "{text}");
        }
        assert!(serde_json::from_str::<Mask<CallFeature>>("[\"LINECALLSTATE_IDLE\"]").is_err());
        assert!(serde_json::from_str::<Mask<CallFeature>>("-1").is_err());
    }

    #[test]
    fn unknown_bits_are_kept_and_told() {
        let set = Mask::<CallState>::from_bits(0x0001_0001);
        assert!(set.has_unknown_bits());
        assert!(set.contains(CallState::Idle));
        assert_eq!(set.single(), None);
        assert_eq!(Mask::from(CallState::Idle).single(), Some(CallState::Idle));
    }

    #[test]
    fn sets_combine() {
        let set = CallState::Idle | CallState::OnHold | CallState::Busy;
        assert_eq!((set - CallState::Busy).len(), 2);
        assert_eq!(set & CallState::Busy, CallState::Busy.into());
        assert!(set.contains_all(CallState::Idle | CallState::Busy));
        assert!(Mask::<CallState>::EMPTY.is_empty());
    }
}
