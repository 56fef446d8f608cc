//! Ports that no pair has: in random order (SEC-80), stepped over where other programs have them.
//!
//! Ports that are steered have no socket, so that claims keep relays apart. They are claimed in
//! blocks, under one lock each, and tried at once; a block that no pair is left of is given up again,
//! for the other relays of the machine.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::port::{Carrier, bind};
use super::steer::{Claims, Steered};
use crate::control::{MediaConfig, MediaError, StreamPorts};
use crate::spare::Table;

/// Ports that are claimed together.
const BLOCK: u16 = 32;
/// Pairs of claimed blocks that wait to be taken: so many, of several blocks, that nobody foresees the
/// next one.
const AT_HAND: usize = 64;
/// But no more than one of so many in the range, since other relays may want some, and no less than
/// the reserve that is opened at the start.
const SHARE: usize = 8;
const AT_HAND_MIN: usize = 32;
/// Ports or blocks of others that one request steps over.
const TRIES_MAX: usize = 64;
/// Blocks that are given up at a time.
const GIVEN_UP_MAX: usize = 32;

/// Unpredictable numbers.
pub(super) type Random = Box<dyn FnMut() -> u64 + Send>;

/// splitmix64 from the keys that the system gave the standard library.
pub(super) fn random() -> Random {
    let mut state = RandomState::new().hash_one(0u8);
    Box::new(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    })
}

/// What makes ports the relay's.
pub(super) enum Source {
    /// A socket is bound to each, unless another relay steers it.
    Bound(Claims),
    /// They are led to the workers' sockets.
    Steered(Arc<Steered>),
}

/// The ports of a range that no pair has.
pub(super) struct Stock {
    address: IpAddr,
    range: RangeInclusive<u16>,
    source: Source,
    random: Random,
    /// Even ports, any of which may be next. Steered ones are claimed, and no other program's.
    free: Vec<u16>,
    /// Ports that other programs had when they were tried, the longest ago first.
    foreign: VecDeque<u16>,
    /// Blocks that were not claimed yet, in random order.
    unclaimed: Vec<u16>,
    /// Blocks that other relays had when they were tried, the longest ago first.
    others: VecDeque<u16>,
    /// Blocks that are ours, with the number of their pairs that are open.
    claimed: BTreeMap<u16, usize>,
    at_hand: usize,
    /// Pairs of the range that are not open.
    closed: usize,
}

impl Stock {
    /// All ports of the configuration's range.
    ///
    /// Errors: PortRange.
    pub(super) fn new(
        config: &MediaConfig,
        source: Source,
        random: Random,
    ) -> Result<Self, MediaError> {
        let range = config.ports.clone();
        let mut free: Vec<u16> = pairs(&range, 0..=u16::MAX).collect();
        if free.is_empty() {
            return Err(MediaError::PortRange(*range.start(), *range.end()));
        }
        let closed = free.len();
        let mut unclaimed = Vec::new();
        if matches!(source, Source::Steered(_)) {
            unclaimed.extend(free.drain(..).map(|port| port / BLOCK));
            unclaimed.dedup();
        }
        let mut stock = Self {
            address: config.address,
            range,
            source,
            random,
            free,
            foreign: VecDeque::new(),
            unclaimed: Vec::new(),
            others: VecDeque::new(),
            claimed: BTreeMap::new(),
            at_hand: (closed / SHARE).clamp(AT_HAND_MIN, AT_HAND),
            closed,
        };
        unclaimed.into_iter().for_each(|block| stock.put_unclaimed(block));
        Ok(stock)
    }

    /// Pairs that are not open, whoever has their ports.
    pub(super) fn len(&self) -> usize {
        self.closed
    }

    /// Opens a pair for a worker.
    ///
    /// Errors: PortsExhausted, Socket.
    pub(super) fn open(&mut self, worker: usize) -> Result<(StreamPorts, Carrier), MediaError> {
        if self.free.len() < self.at_hand {
            let claimed = self.claim();
            // What is at hand serves all the same.
            if let (Err((port, source)), true) = (claimed, self.free.is_empty()) {
                return Err(self.refused(port, source));
            }
        }
        for _ in 0..TRIES_MAX {
            let port = self.draw().ok_or(MediaError::PortsExhausted)?;
            let ports = StreamPorts { rtp: port, rtcp: port.saturating_add(1) };
            match self.carrier(ports, worker) {
                Ok(carrier) => {
                    self.closed = self.closed.saturating_sub(1);
                    if let Some(open) = self.claimed.get_mut(&(port / BLOCK)) {
                        *open += 1;
                    }
                    return Ok((ports, carrier));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    self.foreign.push_back(port);
                }
                Err(error) => {
                    self.free.push(port);
                    return Err(self.refused(port, error));
                }
            }
        }
        Err(MediaError::PortsExhausted)
    }

    /// Claims until enough is at hand, for the start.
    ///
    /// Errors: Socket.
    pub(super) fn fill(&mut self) -> Result<(), MediaError> {
        while self.free.len() < self.at_hand {
            match self.claim() {
                Ok(true) => {}
                Ok(false) => break,
                Err((port, source)) => return Err(self.refused(port, source)),
            }
        }
        Ok(())
    }

    /// Takes back the ports of a pair that is closed.
    pub(super) fn close(&mut self, ports: StreamPorts) {
        self.closed += 1;
        if let Source::Steered(steered) = &self.source {
            steered.clear(ports);
        }
        if let Some(open) = self.claimed.get_mut(&(ports.rtp / BLOCK)) {
            *open = open.saturating_sub(1);
        }
        self.free.push(ports.rtp);
    }

    /// Tries some of the ports that others had once more, since nothing else is left.
    pub(super) fn retry(&mut self) {
        for _ in 0..TRIES_MAX.min(self.foreign.len()) {
            let Some(port) = self.foreign.pop_front() else { break };
            match &self.source {
                Source::Steered(steered) if !steered.is_free(port).unwrap_or(false) => {
                    self.foreign.push_back(port);
                }
                _ => self.free.push(port),
            }
        }
        for _ in 0..TRIES_MAX.min(self.others.len()) {
            if let Some(block) = self.others.pop_front() {
                self.put_unclaimed(block);
            }
        }
    }

    /// Gives up blocks that no pair is open of, but for what stays at hand.
    pub(super) fn tidy(&mut self) {
        let Source::Steered(steered) = &self.source else { return };
        let idle = self.claimed.iter().filter(|(_, open)| **open == 0);
        let idle: Vec<u16> = idle.map(|(block, _)| *block).take(GIVEN_UP_MAX).collect();
        let mut given_up = Vec::new();
        for block in idle {
            let free = self.free.iter().filter(|port| **port / BLOCK == block).count();
            if self.free.len() < self.at_hand + free {
                break;
            }
            self.free.retain(|port| port / BLOCK != block);
            self.foreign.retain(|port| port / BLOCK != block);
            self.claimed.remove(&block);
            steered.give_up(&extent(&self.range, block));
            given_up.push(block);
        }
        given_up.into_iter().for_each(|block| self.put_unclaimed(block));
        self.free.shrink();
    }

    /// The free ports.
    #[cfg(test)]
    pub(super) fn free(&self) -> &[u16] {
        &self.free
    }

    /// Any of the free ports.
    fn draw(&mut self) -> Option<u16> {
        let at = self.below(self.free.len());
        (at < self.free.len()).then(|| self.free.swap_remove(at))
    }

    /// A number below another one, or 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from((self.random)() % bound).unwrap_or_default()
    }

    /// Where it stands in the order is left to chance.
    fn put_unclaimed(&mut self, block: u16) {
        self.unclaimed.push(block);
        let last = self.unclaimed.len() - 1;
        let at = self.below(last + 1);
        self.unclaimed.swap(at, last);
    }

    /// Claims one more block of steered ports and tries each of them; false if there is none left. An
    /// error names the port.
    fn claim(&mut self) -> Result<bool, (u16, io::Error)> {
        let Source::Steered(steered) = &self.source else { return Ok(false) };
        for _ in 0..TRIES_MAX {
            let Some(block) = self.unclaimed.pop() else { return Ok(false) };
            let extent = extent(&self.range, block);
            match steered.claim(&extent) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    self.others.push_back(block);
                    continue;
                }
                Err(error) => {
                    self.unclaimed.push(block);
                    return Err((*extent.start(), error));
                }
            }
            let (free, foreign) = (self.free.len(), self.foreign.len());
            for port in pairs(&self.range, extent.clone()) {
                // A relay that binds looks for claims afterwards: one of the two sees the other.
                match steered.is_free(port) {
                    Ok(true) => self.free.push(port),
                    Ok(false) => self.foreign.push_back(port),
                    Err(error) => {
                        self.free.truncate(free);
                        self.foreign.truncate(foreign);
                        steered.give_up(&extent);
                        self.unclaimed.push(block);
                        return Err((port, error));
                    }
                }
            }
            self.claimed.insert(block, 0);
            return Ok(true);
        }
        Ok(false)
    }

    fn carrier(&mut self, ports: StreamPorts, worker: usize) -> io::Result<Carrier> {
        match &mut self.source {
            Source::Bound(claims) => {
                let [media, control] =
                    [ports.rtp, ports.rtcp].map(|port| SocketAddr::new(self.address, port));
                let sockets = [bind(media)?, bind(control)?];
                if claims.has(ports.rtp) {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
                Ok(Carrier::Bound(sockets))
            }
            Source::Steered(steered) => {
                steered.point(ports, worker);
                Ok(Carrier::Steered(Arc::clone(steered)))
            }
        }
    }

    fn refused(&self, port: u16, source: io::Error) -> MediaError {
        MediaError::Socket {
            operation: "bind",
            address: SocketAddr::new(self.address, port),
            source,
        }
    }
}

/// The even ports of a part of the range whose next one is in the range, too.
fn pairs(range: &RangeInclusive<u16>, part: RangeInclusive<u16>) -> impl Iterator<Item = u16> {
    let first = (*range.start()).max(*part.start()).max(1);
    let (end, last) = (*range.end(), *part.end());
    (first..=last.min(end)).filter(move |port| port % 2 == 0 && *port < end)
}

/// The ports of a block that are in the range.
fn extent(range: &RangeInclusive<u16>, block: u16) -> RangeInclusive<u16> {
    let first = block.saturating_mul(BLOCK);
    let last = first.saturating_add(BLOCK - 1);
    first.max(*range.start())..=last.min(*range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_the_pairs_of_the_range_that_begin_in_it() {
        let range = 70..=200;
        assert_eq!(extent(&range, 2), 70..=95);
        assert_eq!(pairs(&range, extent(&range, 2)).count(), 13);
        assert_eq!(pairs(&range, extent(&range, 6)).collect::<Vec<_>>(), [192, 194, 196, 198]);
        assert_eq!(extent(&(65_000..=65_535), 2_047), 65_504..=65_535);
        assert_eq!(pairs(&(0..=5), 0..=u16::MAX).collect::<Vec<_>>(), [2, 4]);
        // The last port has no successor.
        assert_eq!(pairs(&(10..=12), 0..=u16::MAX).collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn every_port_of_the_range_is_in_one_block() {
        let range = 1_001..=9_999;
        let all: Vec<u16> = pairs(&range, 0..=u16::MAX).collect();
        let blocks = (0..=u16::MAX / BLOCK).flat_map(|block| pairs(&range, extent(&range, block)));
        assert_eq!(blocks.collect::<Vec<_>>(), all);
    }
}
