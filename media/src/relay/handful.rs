//! A handful of ports for all streams: their sockets, and which of the ports a stream gets.
//!
//! Peers' source addresses tell the streams of a port apart (see `book`). Streams whose peers could
//! be taken for each other get different ports here, and none where there is no such port.

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use super::port::{PortPair, bind};
use super::slots::Slots;
use super::steer::Claims;
use super::sys::set_buffers;
use super::worker::Bound;
use crate::control::{MediaConfig, MediaError, SHARED_PORTS_MAX, StreamPorts, Whereabouts};
use crate::plan::Component;
use crate::spare::Table;

/// Streams of one pair; more are refused.
const STREAMS_MAX: usize = 16_384;
/// Datagrams of all streams of a pair wait in one socket: 100,000 packets a second for 100 ms.
const BUFFER: usize = 16 << 20;

/// The sockets of all pairs.
pub(super) struct Handful {
    pairs: Vec<Pair>,
}

struct Pair {
    ports: StreamPorts,
    worker: usize,
    sockets: [UdpSocket; 2],
}

impl Handful {
    /// Binds all pairs. Each is served by one worker.
    ///
    /// Errors: PortRange where there is no pair or more than a handful; Socket.
    pub(super) fn open(
        config: &MediaConfig,
        ports: &RangeInclusive<u16>,
        workers: usize,
    ) -> Result<Self, MediaError> {
        let first = |port: &u16| *port > 0 && port.is_multiple_of(2) && port < ports.end();
        if ports.is_empty() || ports.len() > SHARED_PORTS_MAX || !ports.clone().any(|p| first(&p)) {
            return Err(MediaError::PortRange(*ports.start(), *ports.end()));
        }
        let mut claims = Claims::look();
        let pair = |(number, rtp): (usize, u16)| {
            let ports = StreamPorts { rtp, rtcp: rtp.saturating_add(1) };
            let mut open = |port| {
                let address = SocketAddr::new(config.address, port);
                open(address, &mut claims).map_err(|source| MediaError::Socket {
                    operation: "bind",
                    address,
                    source,
                })
            };
            let sockets = [open(ports.rtp)?, open(ports.rtcp)?];
            Ok(Pair { ports, worker: number % workers.max(1), sockets })
        };
        let pairs = ports.clone().filter(first).enumerate().map(pair);
        Ok(Self { pairs: pairs.collect::<Result<_, MediaError>>()? })
    }

    /// The sockets of a worker: of which pair, for what.
    pub(super) fn sockets(
        &self,
        worker: usize,
    ) -> impl Iterator<Item = (usize, Component, RawFd)> + '_ {
        let of_worker = move |(_, pair): &(usize, &Pair)| pair.worker == worker;
        self.pairs.iter().enumerate().filter(of_worker).flat_map(|(number, pair)| {
            let components = [Component::Media, Component::Control].into_iter();
            components
                .zip(&pair.sockets)
                .map(move |(component, socket)| (number, component, socket.as_raw_fd()))
        })
    }

    /// What packets of a pair leave by.
    pub(super) fn fd(&self, pair: usize, component: Component) -> RawFd {
        let [media, control] = match self.pairs.get(pair) {
            Some(pair) => [&pair.sockets[0], &pair.sockets[1]].map(AsRawFd::as_raw_fd),
            None => [-1; 2],
        };
        match component {
            Component::Media => media,
            Component::Control => control,
        }
    }

    /// Sends a single packet; one that the system does not take at once is lost.
    pub(super) fn send(&self, pair: usize, packet: &[u8], to: SocketAddr) {
        if let Some(pair) = self.pairs.get(pair) {
            let _ = pair.sockets[0].send_to(packet, to);
        }
    }
}

fn open(address: SocketAddr, claims: &mut Claims) -> io::Result<UdpSocket> {
    let socket = bind(address)?;
    if claims.has(address.port() & !1) {
        let reason = "another switch leads this port to its own sockets";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, reason));
    }
    // What the system gives is enough for the calls that it is enough for.
    set_buffers(socket.as_raw_fd(), socket.as_raw_fd(), BUFFER);
    Ok(socket)
}

/// Who has which pair, as far as control knows.
pub(super) struct Placement {
    handful: Arc<Handful>,
    is_v6: bool,
    /// Slots of lanes, by worker.
    slots: Vec<Slots>,
    /// How many streams each pair has.
    loads: Vec<usize>,
    /// By life.
    tenants: HashMap<u32, Tenant>,
    /// Lives whose peers are still looked for, by pair and by host that they may come from.
    sought: HashMap<(usize, IpAddr), Vec<u32>>,
    /// Lives by pair and by the address that their SDP has.
    remotes: HashMap<(usize, SocketAddr), Vec<u32>>,
}

struct Tenant {
    bound: Arc<Bound>,
    pair: usize,
    known: Known,
}

/// What is known of a stream's peer.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Known {
    pub(super) hosts: Vec<IpAddr>,
    pub(super) remote: Option<SocketAddr>,
    /// Its packets will come from a port that nobody has named.
    pub(super) is_hidden: bool,
}

impl Known {
    /// What is known of one stream of a party.
    pub(super) fn of(whereabouts: &Whereabouts, stream: usize) -> Self {
        let remote = whereabouts.remotes.get(stream).copied().flatten();
        let mut hosts = whereabouts.hosts.clone();
        hosts.extend(remote.map(|remote| remote.ip()));
        let mut known = Self { hosts, remote, is_hidden: whereabouts.is_hidden };
        known.tidy();
        known
    }

    /// Each host once, and as sockets name it.
    pub(super) fn tidy(&mut self) {
        self.hosts.iter_mut().for_each(|host| *host = host.to_canonical());
        self.hosts.sort_unstable();
        self.hosts.dedup();
    }
}

impl Placement {
    pub(super) fn new(handful: Arc<Handful>, workers: usize, is_v6: bool) -> Self {
        Self {
            loads: vec![0; handful.pairs.len()],
            handful,
            is_v6,
            slots: (0..workers.max(1)).map(|_| Slots::default()).collect(),
            tenants: HashMap::new(),
            sought: HashMap::new(),
            remotes: HashMap::new(),
        }
    }

    /// A pair for a stream, another than its siblings have where there is one.
    ///
    /// Errors: PortsExhausted where its peer could be taken for somebody else's at every pair.
    pub(super) fn take(
        &mut self,
        known: &Known,
        siblings: &[usize],
        is_full: &dyn Fn(usize) -> bool,
    ) -> Result<Arc<PortPair>, MediaError> {
        let count = self.loads.len();
        let ranks = (0..count).filter(|pair| self.load(*pair) < STREAMS_MAX).collect::<Vec<_>>();
        let mut best = None;
        for pair in ranks {
            let worker = self.handful.pairs.get(pair).map_or(0, |pair| pair.worker);
            let is_mistakable = self.is_mistakable(pair, known);
            let is_shared = siblings.contains(&pair);
            let rank = (is_mistakable, is_shared, is_full(worker), self.load(pair));
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, pair));
            }
        }
        let ((is_mistakable, ..), pair) = best.ok_or(MediaError::PortsExhausted)?;
        if is_mistakable && (known.is_hidden || self.is_announced(pair, known)) {
            return Err(MediaError::PortsExhausted);
        }
        let place = self.handful.pairs.get(pair).ok_or(MediaError::PortsExhausted)?;
        let (worker, ports) = (place.worker, place.ports);
        let slots = self.slots.get_mut(worker).ok_or(MediaError::PortsExhausted)?;
        let slot = slots.take();
        if let Some(load) = self.loads.get_mut(pair) {
            *load += 1;
        }
        let handful = Arc::clone(&self.handful);
        Ok(Arc::new(PortPair::shared((worker, slot), ports, self.is_v6, (handful, pair))))
    }

    /// A stream has a pair.
    pub(super) fn begin(&mut self, bound: &Arc<Bound>, known: Known) {
        let Some(pair) = bound.pair.shared_pair() else { return };
        let tenant = Tenant { bound: Arc::clone(bound), pair, known: Known::default() };
        self.tenants.insert(bound.life, tenant);
        self.learn(bound, known);
    }

    /// More is known of a stream's peer, or something else.
    pub(super) fn learn(&mut self, bound: &Bound, mut known: Known) {
        known.tidy();
        let Some(tenant) = self.tenants.get_mut(&bound.life) else { return };
        let (pair, former) = (tenant.pair, std::mem::replace(&mut tenant.known, known.clone()));
        if former == known {
            return;
        }
        self.forget(bound.life, pair, &former);
        for host in known.hosts {
            self.sought.entry((pair, host)).or_default().push(bound.life);
        }
        if let Some(remote) = known.remote.filter(|_| !known.is_hidden) {
            self.remotes.entry((pair, remote)).or_default().push(bound.life);
        }
    }

    /// A stream is over.
    pub(super) fn close(&mut self, bound: &Bound) {
        if let Some(tenant) = self.tenants.remove(&bound.life) {
            self.forget(bound.life, tenant.pair, &tenant.known);
        }
        self.give_back(&bound.pair);
    }

    /// A pair that no stream has used.
    pub(super) fn give_back(&mut self, pair: &PortPair) {
        let load = pair.shared_pair().and_then(|pair| self.loads.get_mut(pair));
        if let (Some(load), Some(slots)) = (load, self.slots.get_mut(pair.worker)) {
            *load = load.saturating_sub(1);
            slots.give_back(pair.slot);
        }
    }

    /// Gives back what a load made the tables grow by.
    pub(super) fn tidy(&mut self) {
        self.slots.iter_mut().for_each(Slots::tidy);
        self.tenants.shrink();
        self.sought.shrink();
        self.remotes.shrink();
    }

    /// How many streams there is room for.
    pub(super) fn len(&self) -> usize {
        self.loads.iter().map(|load| STREAMS_MAX.saturating_sub(*load)).sum()
    }

    /// What is known of the first stream of a termination: a later one comes from the same party.
    pub(super) fn known(&self, bound: &Bound) -> Known {
        self.tenants.get(&bound.life).map(|tenant| tenant.known.clone()).unwrap_or_default()
    }

    fn load(&self, pair: usize) -> usize {
        self.loads.get(pair).copied().unwrap_or(STREAMS_MAX)
    }

    fn forget(&mut self, life: u32, pair: usize, known: &Known) {
        for host in &known.hosts {
            remove(&mut self.sought, &(pair, *host), &life);
        }
        if let Some(remote) = known.remote {
            remove(&mut self.remotes, &(pair, remote), &life);
        }
    }

    /// Whether this peer and another one could be taken for each other at a pair.
    fn is_mistakable(&mut self, pair: usize, known: &Known) -> bool {
        let Self { tenants, sought, .. } = self;
        let is_mistakable = known.hosts.iter().any(|host| {
            let Some(lives) = sought.get_mut(&(pair, *host)) else { return false };
            // Who has been found is no longer looked for.
            lives.retain(|life| tenants.get(life).is_some_and(|other| !other.bound.is_found()));
            let mut others = lives.iter().filter_map(|life| tenants.get(life));
            others.any(|other| known.is_hidden || other.known.is_hidden)
        });
        is_mistakable || self.is_announced(pair, known)
    }

    /// Whether another stream of the pair expects the very address that this one does.
    fn is_announced(&self, pair: usize, known: &Known) -> bool {
        let remote = known.remote.filter(|_| !known.is_hidden);
        remote.is_some_and(|remote| self.remotes.contains_key(&(pair, remote)))
    }
}

/// Takes a value from those under a key, and the key with the last one.
pub(super) fn remove<K: Hash + Eq, V: PartialEq>(map: &mut HashMap<K, Vec<V>>, key: &K, value: &V) {
    let Some(values) = map.get_mut(key) else { return };
    values.retain(|known| known != value);
    if values.is_empty() {
        map.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::test_ports::draw;

    #[test]
    fn streams_of_one_party_have_different_pairs_however_busy_the_workers_are() {
        let range = draw(4);
        let handful = Handful::open(&MediaConfig::default(), &range, 2).unwrap();
        let mut placement = Placement::new(Arc::new(handful), 2, false);
        let known = Known {
            hosts: vec![[198, 51, 100, 1].into()],
            remote: Some(([10, 0, 0, 1], 4_000).into()),
            is_hidden: true,
        };
        let is_full = |worker| worker == 1;
        let first = placement.take(&known, &[], &is_full).unwrap();
        assert_eq!(first.worker, 0);
        let siblings = [first.shared_pair().unwrap()];
        let second = placement.take(&known, &siblings, &is_full).unwrap();
        assert_eq!(second.worker, 1);
    }
}
