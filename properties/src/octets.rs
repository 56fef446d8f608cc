//! Taking numbers and pieces off the front of a fuzzer's octets.

/// What is left of the octets; all reads give zero or nothing at their end.
pub(crate) struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        head
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
