//! The simulated network: delay, jitter (and so reordering), loss, duplication, cut links; all
//! from the seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip_stack::time::{Entropy, Now, Seeded};

use super::world::SWITCH;

/// How bad the network is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Percent of datagrams that vanish.
    pub loss_percent: u64,
    /// Percent that arrive twice.
    pub duplicate_percent: u64,
    /// The longest extra delay.
    pub jitter_ms: u64,
    /// Percent of datagrams to the switch of which a copy arrives up to 40 s late.
    pub echo_percent: u64,
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

/// What happened, for the ladder of a failure.
#[derive(Debug)]
enum Rung {
    Sent(Datagram),
    Note(String),
}

/// All datagrams on their way, by arrival.
#[derive(Debug)]
pub struct Network {
    random: Seeded,
    faults: Faults,
    queue: BTreeMap<(Now, u64), Datagram>,
    next: u64,
    unplugged: BTreeSet<SocketAddr>,
    ladder: VecDeque<(Now, Rung)>,
}

/// Fixed one-way delay.
const DELAY: Duration = Duration::from_millis(2);
/// How late an echo may be: beyond the life of every transaction.
const ECHO_MS: u64 = 40_000;
/// Lines of the ladder that are kept.
const LADDER: usize = 600;

impl Network {
    /// A network with faults.
    pub fn new(seed: u64, faults: Faults) -> Network {
        Network {
            random: Seeded::new(seed ^ 0x006e_6574),
            faults,
            queue: BTreeMap::new(),
            next: 0,
            unplugged: BTreeSet::new(),
            ladder: VecDeque::new(),
        }
    }

    /// Puts a datagram on the way, or loses it.
    pub fn send(&mut self, now: Now, datagram: Datagram) {
        self.rung(now, Rung::Sent(datagram.clone()));
        if self.is_cut(&datagram) || self.chance(self.faults.loss_percent) {
            return;
        }
        let copies = if self.chance(self.faults.duplicate_percent) { 2 } else { 1 };
        for _ in 0..copies {
            let extra = self.random.next_u64() % (self.faults.jitter_ms + 1);
            self.queue_at(now + DELAY + Duration::from_millis(extra), datagram.clone());
        }
        if datagram.to == SWITCH && self.chance(self.faults.echo_percent) {
            let late = Duration::from_millis(self.random.next_u64() % ECHO_MS);
            self.queue_at(now + DELAY + late, datagram);
        }
    }

    /// When the next one arrives.
    pub fn next_arrival(&self) -> Option<Now> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// The next one that has arrived by `now`.
    pub fn arrived(&mut self, now: Now) -> Option<Datagram> {
        loop {
            let (at, _) = self.queue.keys().next()?;
            if *at > now {
                return None;
            }
            let (_, datagram) = self.queue.pop_first()?;
            if !self.is_cut(&datagram) {
                return Some(datagram);
            }
        }
    }

    /// From now on the network is as bad as this.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// From now on the network is perfect.
    pub fn heal(&mut self) {
        self.faults = Faults::default();
        self.unplugged.clear();
    }

    /// Nothing reaches this host and nothing comes from it.
    pub fn unplug(&mut self, host: SocketAddr) {
        self.unplugged.insert(host);
    }

    /// The host is reached again.
    pub fn plug(&mut self, host: SocketAddr) {
        self.unplugged.remove(&host);
    }

    /// Writes a line into the ladder.
    pub fn note(&mut self, now: Now, text: String) {
        self.rung(now, Rung::Note(text));
    }

    /// What happened last, newest last; whole messages if STROWGER_TEXT is set.
    pub fn ladder(&self) -> String {
        let is_whole = std::env::var_os("STROWGER_TEXT").is_some();
        let lines = self.ladder.iter().map(|(now, rung)| match rung {
            Rung::Note(text) => format!("{:>9} ms  {text}", now.0.as_millis()),
            Rung::Sent(datagram) => {
                let text = String::from_utf8_lossy(&datagram.bytes);
                if is_whole {
                    let (from, to) = (datagram.from.port(), datagram.to.port());
                    return format!("{:>9} ms  {from} -> {to}\n{text}", now.0.as_millis());
                }
                let first = text.lines().next().unwrap_or_default();
                let header = |name: &str| {
                    let line = text.lines().find(|line| line.starts_with(name));
                    line.unwrap_or_default().to_owned()
                };
                let (from, to) = (datagram.from.port(), datagram.to.port());
                let mut call = header("Call-ID");
                call.truncate(16);
                let direction =
                    ["sendonly", "recvonly", "inactive"].iter().find(|word| text.contains(**word));
                let (at, cseq) = (now.0.as_millis(), header("CSeq"));
                format!("{at:>9} ms  {from} -> {to}  {first}  [{cseq}] [{call}] {direction:?}")
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn queue_at(&mut self, at: Now, datagram: Datagram) {
        self.next += 1;
        self.queue.insert((at, self.next), datagram);
    }

    fn is_cut(&self, datagram: &Datagram) -> bool {
        self.unplugged.contains(&datagram.from) || self.unplugged.contains(&datagram.to)
    }

    fn chance(&mut self, percent: u64) -> bool {
        percent > 0 && self.random.next_u64() % 100 < percent
    }

    fn rung(&mut self, now: Now, rung: Rung) {
        if self.ladder.len() >= LADDER {
            self.ladder.pop_front();
        }
        self.ladder.push_back((now, rung));
    }
}
