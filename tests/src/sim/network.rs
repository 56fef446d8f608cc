//! The simulated network: delay, jitter (and so reordering), loss, duplication; all from the seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip_stack::time::{Entropy, Now, Seeded};

/// How bad the network is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Percent of datagrams that vanish.
    pub loss_percent: u64,
    /// Percent that arrive twice.
    pub duplicate_percent: u64,
    /// The longest extra delay.
    pub jitter_ms: u64,
}

/// A datagram on its way.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// Whom it is for.
    pub to: SocketAddr,
    /// The text.
    pub bytes: Bytes,
}

/// All datagrams on their way, by arrival.
#[derive(Debug)]
pub struct Network {
    random: Seeded,
    faults: Faults,
    queue: BTreeMap<(Now, u64), Datagram>,
    next: u64,
    /// Everything that was sent, for the ladder of a failure: time, from, to, first line.
    ladder: Vec<String>,
}

/// Fixed one-way delay.
const DELAY: Duration = Duration::from_millis(2);
/// Lines of the ladder that are kept.
const LADDER: usize = 400;

impl Network {
    /// A network with faults.
    pub fn new(seed: u64, faults: Faults) -> Network {
        Network {
            random: Seeded::new(seed ^ 0x006e_6574),
            faults,
            queue: BTreeMap::new(),
            next: 0,
            ladder: Vec::new(),
        }
    }

    /// Puts a datagram on the way, or loses it.
    pub fn send(&mut self, now: Now, datagram: Datagram) {
        self.note(now, &datagram);
        if self.random.next_u64() % 100 < self.faults.loss_percent {
            return;
        }
        let copies =
            if self.random.next_u64() % 100 < self.faults.duplicate_percent { 2 } else { 1 };
        for _ in 0..copies {
            let extra = Duration::from_millis(self.random.next_u64() % (self.faults.jitter_ms + 1));
            self.next += 1;
            self.queue.insert((now + DELAY + extra, self.next), datagram.clone());
        }
    }

    /// When the next one arrives.
    pub fn next_arrival(&self) -> Option<Now> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// The next one that has arrived by `now`.
    pub fn arrived(&mut self, now: Now) -> Option<Datagram> {
        let (at, _) = self.queue.keys().next()?;
        if *at > now {
            return None;
        }
        self.queue.pop_first().map(|(_, datagram)| datagram)
    }

    /// From now on the network is perfect.
    pub fn heal(&mut self) {
        self.faults = Faults::default();
    }

    /// What was sent last, newest last.
    pub fn ladder(&self) -> String {
        self.ladder.join("\n")
    }

    fn note(&mut self, now: Now, datagram: &Datagram) {
        let text = String::from_utf8_lossy(&datagram.bytes);
        let first = text.lines().next().unwrap_or_default();
        let cseq = text.lines().find(|line| line.starts_with("CSeq")).unwrap_or_default();
        let (from, to) = (datagram.from.port(), datagram.to.port());
        self.ladder.push(format!("{:>9} ms  {from} -> {to}  {first}  [{cseq}]", now.0.as_millis()));
        if self.ladder.len() > LADDER {
            self.ladder.remove(0);
        }
    }
}
