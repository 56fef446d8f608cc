//! The numbered messages of one application, kept so that a broken connection can be resumed.

use std::collections::VecDeque;

use super::Message;

/// Numbers messages and remembers the latest of them.
#[derive(Debug)]
pub struct Outlet {
    seq: u64,
    kept: VecDeque<(u64, String)>,
    capacity: usize,
    /// Messages since the connection went away.
    missed: usize,
}

/// Why messages after a number cannot be delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotKept {
    /// The number has not been used yet.
    Future,
    /// Some message after it has been forgotten.
    Forgotten,
}

impl Outlet {
    /// An outlet for a reader that may be `limit` messages behind: as many again are kept for
    /// the time without a connection.
    pub(crate) fn new(limit: usize) -> Self {
        Self { seq: 0, kept: VecDeque::new(), capacity: limit.saturating_mul(2).max(2), missed: 0 }
    }

    /// Numbers and writes a message.
    pub(crate) fn push(&mut self, message: &Message, is_connected: bool) -> String {
        self.seq += 1;
        let text = message.write(self.seq);
        if self.kept.len() >= self.capacity {
            self.kept.pop_front();
        }
        self.kept.push_back((self.seq, text.clone()));
        self.missed = if is_connected { 0 } else { self.missed + 1 };
        text
    }

    /// Whether more was missed without a connection than is promised to be kept.
    pub(crate) fn is_overrun(&self) -> bool {
        self.missed > self.capacity / 2
    }

    /// The messages after a number, in order.
    pub(crate) fn after(&self, seq: u64) -> Result<Vec<String>, NotKept> {
        if seq > self.seq {
            return Err(NotKept::Future);
        }
        let oldest = self.kept.front().map_or(self.seq + 1, |(number, _)| *number);
        if seq + 1 < oldest {
            return Err(NotKept::Forgotten);
        }
        let missed = self.kept.iter().filter(|(number, _)| *number > seq);
        Ok(missed.map(|(_, text)| text.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(outlet: &mut Outlet, count: u64) {
        for _ in 0..count {
            outlet.push(&Message::Close { h_line: 1 }, true);
        }
    }

    #[test]
    fn what_was_missed_comes_in_order_and_once() {
        let mut outlet = Outlet::new(10);
        fill(&mut outlet, 5);
        let missed = outlet.after(3).unwrap();
        assert_eq!(missed.len(), 2);
        assert!(missed[0].contains("\"seq\":4") && missed[1].contains("\"seq\":5"));
        assert_eq!(outlet.after(5), Ok(Vec::new()));
        assert_eq!(outlet.after(6), Err(NotKept::Future));
    }

    #[test]
    fn a_gap_is_told() {
        let mut outlet = Outlet::new(2);
        fill(&mut outlet, 6);
        assert_eq!(outlet.after(1), Err(NotKept::Forgotten));
        assert_eq!(outlet.after(2).unwrap().len(), 4);
    }

    #[test]
    fn only_messages_without_a_connection_count_as_missed() {
        let mut outlet = Outlet::new(2);
        fill(&mut outlet, 100);
        assert!(!outlet.is_overrun());
        for _ in 0..3 {
            outlet.push(&Message::Close { h_line: 1 }, false);
        }
        assert!(outlet.is_overrun());
    }
}
