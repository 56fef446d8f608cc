//! Reliable provisional responses of ours (RFC 3262 §3): numbering and order. No clock.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::command::Reply;
use crate::time::Now;

/// Most provisionals that wait for the PRACK of their predecessor; more replace the last one.
const MAX_QUEUED: usize = 8;

/// A provisional that is sent again and again until its PRACK comes.
#[derive(Debug)]
pub(crate) struct Outstanding {
    pub(crate) rseq: u32,
    pub(crate) status: u16,
    pub(crate) bytes: Bytes,
    pub(crate) has_session: bool,
    pub(crate) interval: Duration,
    pub(crate) give_up: Now,
}

/// The reliable provisionals of one inbound INVITE: one at a time, the others in order.
#[derive(Debug)]
pub(crate) struct Provisionals {
    next_rseq: u32,
    /// The one that waits for its PRACK; kept after our final response, when it is not repeated.
    pub(crate) outstanding: Option<Outstanding>,
    queue: VecDeque<(Reply, Option<Bytes>)>,
    /// The caller insists on them.
    pub(crate) is_required: bool,
    /// The caller understands them.
    pub(crate) is_supported: bool,
}

impl Provisionals {
    /// `random` becomes the first RSeq, 1 to 2^31 − 1 (RFC 3262 §3).
    pub(crate) fn new(random: u64, is_required: bool, is_supported: bool) -> Self {
        let first = u32::try_from(random % 0x7fff_ffff).unwrap_or(0) + 1;
        Self {
            next_rseq: first,
            outstanding: None,
            queue: VecDeque::new(),
            is_required,
            is_supported: is_supported || is_required,
        }
    }

    /// The number for the next one.
    pub(crate) fn take_rseq(&mut self) -> u32 {
        let rseq = self.next_rseq;
        self.next_rseq = rseq.wrapping_add(1);
        rseq
    }

    /// Keeps a provisional until its predecessor is acknowledged.
    pub(crate) fn queue(&mut self, reply: Reply, session: Option<Bytes>) {
        if self.queue.len() >= MAX_QUEUED {
            self.queue.pop_back();
        }
        self.queue.push_back((reply, session));
    }

    /// The next one that may be sent now.
    pub(crate) fn next(&mut self) -> Option<(Reply, Option<Bytes>)> {
        if self.outstanding.is_some() { None } else { self.queue.pop_front() }
    }

    /// Whether a session description of ours is not known to have arrived.
    pub(crate) fn has_unacknowledged_session(&self) -> bool {
        self.outstanding.as_ref().is_some_and(|outstanding| outstanding.has_session)
            || self.queue.iter().any(|(_, session)| session.is_some())
    }

    /// A PRACK with this RSeq: whether it acknowledges the outstanding one.
    pub(crate) fn acknowledge(&mut self, rseq: u32) -> bool {
        let is_match =
            self.outstanding.as_ref().is_some_and(|outstanding| outstanding.rseq == rseq);
        if is_match {
            self.outstanding = None;
        }
        is_match
    }

    /// A final response goes out: nothing else will be said.
    pub(crate) fn stop(&mut self) {
        self.queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outstanding(rseq: u32, has_session: bool) -> Outstanding {
        Outstanding {
            rseq,
            status: 183,
            bytes: Bytes::new(),
            has_session,
            interval: Duration::ZERO,
            give_up: Now::ZERO,
        }
    }

    #[test]
    fn numbers_begin_in_the_lower_half_and_rise_by_one() {
        for random in [0, 0x7fff_fffe, u64::MAX] {
            let mut provisionals = Provisionals::new(random, false, true);
            let first = provisionals.take_rseq();
            assert!((1..=0x7fff_ffff).contains(&first));
            assert_eq!(provisionals.take_rseq(), first + 1);
        }
    }

    #[test]
    fn the_next_one_waits_for_the_acknowledgement() {
        let mut provisionals = Provisionals::new(1, true, false);
        assert!(provisionals.is_supported);
        provisionals.outstanding = Some(outstanding(7, true));
        provisionals.queue(Reply::new(180), None);
        assert!(provisionals.next().is_none());
        assert!(provisionals.has_unacknowledged_session());
        assert!(!provisionals.acknowledge(8));
        assert!(provisionals.acknowledge(7));
        assert!(!provisionals.acknowledge(7));
        assert_eq!(provisionals.next().map(|(reply, _)| reply.status), Some(180));
        assert!(!provisionals.has_unacknowledged_session());
    }

    #[test]
    fn the_queue_has_an_end() {
        let mut provisionals = Provisionals::new(1, true, false);
        for _ in 0..100 {
            provisionals.queue(Reply::new(180), None);
        }
        provisionals.queue(Reply::new(183), None);
        let sent: Vec<u16> =
            std::iter::from_fn(|| provisionals.next()).map(|(reply, _)| reply.status).collect();
        assert_eq!(sent.len(), MAX_QUEUED);
        assert_eq!(sent.last(), Some(&183));
    }
}
