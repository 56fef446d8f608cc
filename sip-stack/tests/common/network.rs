//! A network from a seed: it loses, repeats, delays and reorders.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sip_stack::flow::{Flow, Transmit};
use sip_stack::time::{Entropy, Now, Seeded};

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// How many of a hundred datagrams are lost.
    pub(crate) loss_percent: u64,
    /// How many of a hundred datagrams come twice.
    pub(crate) duplicate_percent: u64,
    /// The shortest way.
    pub(crate) delay_min_ms: u64,
    /// The longest way; a span of delays is what reorders.
    pub(crate) delay_max_ms: u64,
}

/// What is on its way between two hosts.
#[derive(Debug)]
pub(crate) struct Network {
    chance: Seeded,
    profile: Profile,
    on_the_way: BTreeMap<(Now, u64), Transmit>,
    serial: u64,
    /// Streams keep the order: nothing overtakes what was sent to the same host before.
    last_arrival: HashMap<SocketAddr, Now>,
    is_cut: bool,
}

impl Network {
    /// A network without traffic.
    pub(crate) fn new(seed: u64, profile: Profile) -> Self {
        Self {
            chance: Seeded::new(seed),
            profile,
            on_the_way: BTreeMap::new(),
            serial: 0,
            last_arrival: HashMap::new(),
            is_cut: false,
        }
    }

    /// Takes a message; whether, when and how often it arrives is a matter of luck on datagrams,
    /// on streams only when.
    pub(crate) fn send(&mut self, now: Now, transmit: Transmit) {
        if self.is_cut {
            return;
        }
        if transmit.flow.transport.is_reliable() {
            let last = self.last_arrival.get(&transmit.flow.remote).copied().unwrap_or_default();
            let arrival = (now + self.delay()).max(last);
            self.last_arrival.insert(transmit.flow.remote, arrival);
            self.put(arrival, transmit);
            return;
        }
        if self.chance.below(100) < self.profile.loss_percent {
            return;
        }
        if self.chance.below(100) < self.profile.duplicate_percent {
            let arrival = now + self.delay();
            self.put(arrival, transmit.clone());
        }
        let arrival = now + self.delay();
        self.put(arrival, transmit);
    }

    /// When the next message arrives.
    pub(crate) fn next_arrival(&self) -> Option<Now> {
        self.on_the_way.keys().next().map(|(arrival, _)| *arrival)
    }

    /// The next message that has arrived, with the flow as its receiver sees it.
    pub(crate) fn arrive(&mut self, now: Now) -> Option<(Bytes, Flow)> {
        let first = self.on_the_way.first_entry().filter(|first| first.key().0 <= now)?;
        let Transmit { bytes, flow } = first.remove();
        Some((bytes, Flow { local: flow.remote, remote: flow.local, ..flow }))
    }

    /// From now on nothing arrives any more, not even what is on its way.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        self.on_the_way.clear();
    }

    fn delay(&mut self) -> Duration {
        let span = self.profile.delay_max_ms - self.profile.delay_min_ms + 1;
        Duration::from_millis(self.profile.delay_min_ms + self.chance.below(span))
    }

    fn put(&mut self, arrival: Now, transmit: Transmit) {
        self.serial += 1;
        self.on_the_way.insert((arrival, self.serial), transmit);
    }
}
