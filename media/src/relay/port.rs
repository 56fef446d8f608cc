//! Port pairs: opened ahead, given to streams, rested, given again, closed when nobody wants them.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::handful::Handful;
use super::slots::Slots;
use super::steer::Steered;
use super::stock::{Random, Source, Stock};
use crate::control::{MediaConfig, MediaError, StreamPorts};
use crate::plan::Component;
use crate::spare::Table;

/// Pairs that are open before the first call and after the last.
const RESERVE: usize = 32;
/// Pairs that are closed at a time: a millisecond or two where they have sockets.
const CLOSED_MAX: usize = 512;
/// How long a freed pair rests at least, when no other is left.
const MIN_REST: Duration = Duration::from_secs(1);
/// Stale packets thrown away at one socket before it serves again.
const STALE_MAX: usize = 1_024;
/// DSCP EF in the TOS octet: voice.
const TOS_MEDIA: u32 = 46 << 2;

/// Two ports. They stay with one worker and one place in its table until they are closed.
pub(super) struct PortPair {
    pub(super) worker: usize,
    pub(super) slot: usize,
    pub(super) ports: StreamPorts,
    pub(super) is_v6: bool,
    carrier: Carrier,
}

/// What carries the packets of a pair.
pub(super) enum Carrier {
    /// Sockets for media and control.
    Bound([UdpSocket; 2]),
    /// The worker's one socket, to which the ports lead.
    Steered(Arc<Steered>),
    /// The sockets of a pair that it shares with other streams: which pair.
    Shared(Arc<Handful>, usize),
}

/// What packets leave by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// A bound socket.
    Socket(RawFd),
    /// The raw socket, from this port.
    Raw(u16),
}

impl PortPair {
    /// One life of a pair that other streams have, too.
    pub(super) fn shared(
        (worker, slot): (usize, usize),
        ports: StreamPorts,
        is_v6: bool,
        (handful, pair): (Arc<Handful>, usize),
    ) -> Self {
        Self { worker, slot, ports, is_v6, carrier: Carrier::Shared(handful, pair) }
    }

    /// Which of the shared pairs it is.
    pub(super) fn shared_pair(&self) -> Option<usize> {
        match self.carrier {
            Carrier::Shared(_, pair) => Some(pair),
            Carrier::Bound(_) | Carrier::Steered(_) => None,
        }
    }

    /// The socket of its own, if it has one.
    pub(super) fn fd(&self, component: Component) -> Option<RawFd> {
        match (&self.carrier, self.way(component)) {
            (Carrier::Bound(_), Way::Socket(fd)) => Some(fd),
            _ => None,
        }
    }

    pub(super) fn port(&self, component: Component) -> u16 {
        match component {
            Component::Media => self.ports.rtp,
            Component::Control => self.ports.rtcp,
        }
    }

    /// What its packets leave by.
    pub(super) fn way(&self, component: Component) -> Way {
        match &self.carrier {
            Carrier::Bound([media, control]) => Way::Socket(match component {
                Component::Media => media.as_raw_fd(),
                Component::Control => control.as_raw_fd(),
            }),
            Carrier::Steered(_) => Way::Raw(self.port(component)),
            Carrier::Shared(handful, pair) => Way::Socket(handful.fd(*pair, component)),
        }
    }

    /// Sends a packet that no batch waits for; one that the system does not take at once is lost.
    pub(super) fn send_media(&self, packet: &[u8], to: SocketAddr) {
        let to = match (self.is_v6, to) {
            (true, SocketAddr::V4(to)) => {
                SocketAddr::new(to.ip().to_ipv6_mapped().into(), to.port())
            }
            _ => to,
        };
        match &self.carrier {
            Carrier::Bound([media, _]) => drop(media.send_to(packet, to)),
            Carrier::Steered(steered) => steered.send(self.worker, self.ports.rtp, to, packet),
            Carrier::Shared(handful, pair) => handful.send(*pair, packet, to),
        }
    }

    /// Throws away what came while nobody had the pair. Where ports lead to the worker's socket, the
    /// worker has done so itself while the pair rested.
    fn drain(&self) {
        let Carrier::Bound(sockets) = &self.carrier else { return };
        for socket in sockets {
            // A datagram is gone however little of it is read.
            let stale = (0..STALE_MAX).take_while(|_| socket.recv(&mut [0u8; 1]).is_ok());
            stale.for_each(drop);
        }
    }
}

/// What a pair is chosen by.
pub(super) struct Choice<'a> {
    pub(super) now_us: u64,
    /// Whether nobody else uses a port.
    pub(super) is_free: &'a dyn Fn(u16) -> bool,
    /// Whether packets would queue behind a worker.
    pub(super) is_full: &'a dyn Fn(usize) -> bool,
}

/// All pairs that no stream has.
pub(super) struct Reserve {
    stock: Stock,
    is_v6: bool,
    /// Those that serve next, with the time since when they could.
    ready: VecDeque<(u64, Arc<PortPair>)>,
    /// Freed, with the time when they may serve again.
    resting: VecDeque<(u64, Arc<PortPair>)>,
    /// Of each worker.
    slots: Vec<Slots>,
    quarantine_us: u64,
    idle_us: u64,
}

impl Reserve {
    /// Opens the first pairs, so that a wrong address is noticed at start.
    pub(super) fn new(
        config: &MediaConfig,
        source: Source,
        random: Random,
    ) -> Result<Self, MediaError> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut reserve = Self {
            stock: Stock::new(config, source, random)?,
            is_v6: config.address.is_ipv6(),
            ready: VecDeque::new(),
            resting: VecDeque::new(),
            slots: std::iter::repeat_with(Slots::default).take(config.workers.max(1)).collect(),
            quarantine_us: micros(config.quarantine),
            idle_us: micros(config.idle),
        };
        reserve.stock.fill()?;
        while reserve.ready.len() < RESERVE {
            match reserve.open_next(&|_| false) {
                Ok(pair) => reserve.ready.push_back((0, pair)),
                Err(MediaError::PortsExhausted) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(reserve)
    }

    /// A pair for a stream. Opens one only while the traffic still grows, or for a worker that has time;
    /// otherwise it costs one look at each of the two sockets.
    pub(super) fn take(&mut self, choice: &Choice<'_>) -> Result<Arc<PortPair>, MediaError> {
        for _ in 0..=self.len() {
            let pair = self.take_for(choice.now_us, choice.is_full)?;
            if (choice.is_free)(pair.ports.rtp) {
                return Ok(pair);
            }
            // Another process's call still runs over it.
            self.give_back(pair, choice.now_us);
        }
        Err(MediaError::PortsExhausted)
    }

    /// A pair of a worker that has time, as long as there is one.
    fn take_for(
        &mut self,
        now_us: u64,
        is_full: &dyn Fn(usize) -> bool,
    ) -> Result<Arc<PortPair>, MediaError> {
        self.wake(now_us);
        let is_one_free = (0..self.slots.len()).any(|worker| !is_full(worker));
        let suits = |(_, pair): &(u64, Arc<PortPair>)| !is_one_free || !is_full(pair.worker);
        let at = self.ready.iter().position(suits);
        if let Some((_, pair)) = at.and_then(|at| self.ready.remove(at)) {
            // Here, not in the worker: a packet that comes after this is the new call's.
            pair.drain();
            return Ok(pair);
        }
        self.open_next(is_full).or_else(|error| match self.take_any_left(now_us) {
            Some(pair) => Ok(pair),
            None if matches!(error, MediaError::PortsExhausted) => {
                self.stock.retry();
                self.open_next(is_full)
            }
            None => Err(error),
        })
    }

    /// Those who have rested may serve.
    fn wake(&mut self, now_us: u64) {
        while let Some(rested) = self.resting.pop_front_if(|(until, _)| *until <= now_us) {
            self.ready.push_back(rested);
        }
    }

    /// When none can be opened: one of a worker that is full, or the pair that has rested longest, when calls
    /// come and go so fast that none is left. Most late packets have come by then, and the next stream
    /// hears only the address it was told.
    fn take_any_left(&mut self, now_us: u64) -> Option<Arc<PortPair>> {
        let left_us = self.quarantine_us.saturating_sub(MIN_REST.as_micros() as u64);
        let limit_us = now_us.saturating_add(left_us);
        let rested = |(until, _): &mut (u64, Arc<PortPair>)| *until <= limit_us;
        let found = self.ready.pop_front().or_else(|| self.resting.pop_front_if(rested));
        let (_, pair) = found?;
        pair.drain();
        Some(pair)
    }

    /// Takes a pair back; it rests first, so that late packets of the old call find nobody.
    pub(super) fn give_back(&mut self, pair: Arc<PortPair>, now_us: u64) {
        self.resting.push_back((now_us.saturating_add(self.quarantine_us), pair));
    }

    /// Takes a pair back that no stream has used.
    pub(super) fn give_back_unused(&mut self, pair: Arc<PortPair>) {
        self.ready.push_front((0, pair));
    }

    /// Pairs that could be taken now or after their rest.
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.resting.len() + self.stock.len()
    }

    /// Closes pairs that nobody has wanted for a while, all but the reserve; true if there were any.
    pub(super) fn tidy(&mut self, now_us: u64) -> bool {
        self.wake(now_us);
        let surplus = self.ready.len().saturating_sub(RESERVE).min(CLOSED_MAX);
        let limit_us = now_us.saturating_sub(self.idle_us);
        let idle = self.ready.iter().take_while(|(since, _)| *since <= limit_us).count();
        let mut closed = 0;
        if surplus > 0 && idle > 0 {
            let mut idle: Vec<_> = self.ready.drain(..idle).collect();
            // Tables end with the highest place that is taken.
            idle.sort_unstable_by_key(|(_, pair)| Reverse(pair.slot));
            for (since, pair) in idle {
                // Whoever else still has it, a worker that is behind, say, is done with it soon.
                if closed == surplus || Arc::strong_count(&pair) > 1 {
                    self.ready.push_front((since, pair));
                } else {
                    self.close(&pair);
                    closed += 1;
                }
            }
        }
        self.ready.shrink();
        self.resting.shrink();
        if closed > 0 {
            self.slots.iter_mut().for_each(Slots::tidy);
        }
        self.stock.tidy();
        closed > 0
    }

    fn close(&mut self, pair: &PortPair) {
        self.stock.close(pair.ports);
        if let Some(slots) = self.slots.get_mut(pair.worker) {
            slots.give_back(pair.slot);
        }
    }

    /// A pair for the worker that has the fewest, of those that have time.
    fn open_next(&mut self, is_full: &dyn Fn(usize) -> bool) -> Result<Arc<PortPair>, MediaError> {
        let of_worker = self.slots.iter_mut().enumerate();
        let least = of_worker.min_by_key(|(worker, slots)| (is_full(*worker), slots.used()));
        let (worker, slots) = least.ok_or(MediaError::PortsExhausted)?;
        let (ports, carrier) = self.stock.open(worker)?;
        Ok(Arc::new(PortPair { worker, slot: slots.take(), ports, is_v6: self.is_v6, carrier }))
    }
}

/// A socket for media, marked as voice.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Marking is a wish; some containers refuse it.
    let _ = match address {
        SocketAddr::V4(_) => socket.set_tos_v4(TOS_MEDIA),
        SocketAddr::V6(_) => socket.set_tclass_v6(TOS_MEDIA),
    };
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::ops::RangeInclusive;

    use super::*;
    use crate::relay::steer::Claims;
    use crate::relay::stock::random;
    use crate::relay::test_ports::draw;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    impl Reserve {
        fn take_any(&mut self, now_us: u64) -> Result<Arc<PortPair>, MediaError> {
            self.take_for(now_us, &|_| false)
        }
    }

    fn reserve_of(config: &MediaConfig) -> Result<Reserve, MediaError> {
        Reserve::new(config, Source::Bound(Claims::look()), random())
    }

    fn reserve(ports: RangeInclusive<u16>, quarantine: Duration) -> Reserve {
        let idle = Duration::from_secs(5);
        let config = MediaConfig { ports, workers: 2, quarantine, idle, ..MediaConfig::default() };
        reserve_of(&config).unwrap()
    }

    #[test]
    fn a_range_without_a_pair_is_refused() {
        for ports in [4_001..=4_001, 4_001..=4_002, 4_000..=4_000] {
            let made = reserve_of(&MediaConfig { ports: ports.clone(), ..MediaConfig::default() });
            assert!(matches!(made, Err(MediaError::PortRange(_, _))), "{ports:?}");
        }
    }

    #[test]
    fn a_freed_pair_rests_before_it_serves_again() {
        let mut reserve = reserve(draw(2), Duration::from_secs(30));
        let pair = reserve.take_any(0).unwrap();
        assert!(matches!(reserve.take_any(0), Err(MediaError::PortsExhausted)));
        let ports = pair.ports;
        reserve.give_back(pair, 1_000_000);
        assert!(matches!(reserve.take_any(1_999_999), Err(MediaError::PortsExhausted)));
        assert_eq!(reserve.take_any(2_000_000).unwrap().ports, ports);
    }

    #[test]
    fn a_freed_pair_rests_long_while_there_are_others() {
        let mut reserve = reserve(draw(8), Duration::from_secs(30));
        let pair = reserve.take_any(0).unwrap();
        let ports = pair.ports;
        reserve.give_back(pair, 0);
        for _ in 0..3 {
            assert_ne!(reserve.take_any(29_999_999).unwrap().ports, ports);
        }
        assert_eq!(reserve.take_any(30_000_000).unwrap().ports, ports);
    }

    /// Two pairs, and the first port.
    fn range_of_two() -> (RangeInclusive<u16>, u16) {
        let ports = draw(4);
        let first = *ports.start();
        (ports, first)
    }

    #[test]
    fn ports_of_other_programs_are_stepped_over() {
        let (ports, first) = range_of_two();
        let _other = UdpSocket::bind((LOCAL, first + 1)).unwrap();
        let mut reserve = reserve(ports, Duration::ZERO);
        let second = StreamPorts { rtp: first + 2, rtcp: first + 3 };
        assert_eq!(reserve.take_any(0).unwrap().ports, second);
        assert!(matches!(reserve.take_any(0), Err(MediaError::PortsExhausted)));
    }

    #[test]
    fn a_port_that_another_program_gave_up_serves_when_all_others_are_in_use() {
        let (ports, first) = range_of_two();
        let other = UdpSocket::bind((LOCAL, first + 1)).unwrap();
        let mut reserve = reserve(ports, Duration::ZERO);
        assert_eq!(reserve.take_any(0).unwrap().ports.rtp, first + 2);
        assert!(matches!(reserve.take_any(0), Err(MediaError::PortsExhausted)));
        drop(other);
        assert_eq!(reserve.take_any(0).unwrap().ports.rtp, first);
    }

    #[test]
    fn a_worker_that_is_full_gets_a_stream_only_when_no_other_pair_is_left() {
        let mut reserve = reserve(draw(200), Duration::ZERO);
        let is_full = |worker| worker == 0;
        let taken: Vec<_> = (0..100).map(|_| reserve.take_for(0, &is_full).unwrap()).collect();
        let late = taken.iter().position(|pair| pair.worker == 0).unwrap();
        // Half of the reserve was opened for it.
        assert_eq!(late, 100 - RESERVE / 2);
        assert!(taken[late..].iter().all(|pair| pair.worker == 0));
        taken.into_iter().rev().for_each(|pair| reserve.give_back(pair, 0));
        // Where all are full, or none is, they serve in their turn.
        for all in [true, false] {
            let pairs: Vec<_> = (0..100).map(|_| reserve.take_for(1, &|_| all).unwrap()).collect();
            assert!(pairs[..RESERVE].iter().any(|pair| pair.worker == 0), "{all}");
            pairs.into_iter().for_each(|pair| reserve.give_back(pair, 1));
        }
    }

    #[test]
    fn pairs_are_spread_over_the_workers_and_their_slots() {
        let mut reserve = reserve(draw(8), Duration::ZERO);
        let mut places: Vec<_> = (0..4)
            .map(|_| reserve.take_any(0).unwrap())
            .map(|pair| (pair.worker, pair.slot))
            .collect();
        places.sort_unstable();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }

    /// Takes so many pairs and gives them back.
    fn serve(reserve: &mut Reserve, count: usize, now_us: u64) {
        let made: Vec<_> = (0..count).map(|_| reserve.take_any(now_us).unwrap()).collect();
        made.into_iter().for_each(|pair| reserve.give_back(pair, now_us));
    }

    #[test]
    fn pairs_that_nobody_wants_are_closed_after_their_rest_and_the_reserve_stays() {
        let mut reserve = reserve(draw(200), Duration::from_secs(1));
        let all = reserve.len();
        serve(&mut reserve, 100, 0);
        assert!(!reserve.tidy(999_999), "they rest");
        assert!(!reserve.tidy(5_999_999), "somebody may want them");
        assert!(reserve.tidy(6_000_000));
        assert_eq!(reserve.ready.len(), RESERVE);
        assert_eq!((reserve.len(), reserve.resting.len()), (all, 0));
        assert!(!reserve.tidy(60_000_000), "the reserve");
        // What stays has the lowest places of both workers.
        assert!(reserve.ready.iter().all(|(_, pair)| pair.slot < RESERVE / 2));
        serve(&mut reserve, 100, 60_000_000);
        let slots = reserve.slots.iter().map(Slots::len).collect::<Vec<_>>();
        assert_eq!(slots, [50, 50], "places are given out again");
    }

    #[test]
    fn a_closed_port_is_another_programs_to_have() {
        let mut reserve = reserve(draw(80), Duration::ZERO);
        serve(&mut reserve, 40, 0);
        assert!(reserve.tidy(5_000_000));
        let open: Vec<u16> = reserve.ready.iter().map(|(_, pair)| pair.ports.rtp).collect();
        let closed: Vec<u16> = reserve.stock.free().to_vec();
        assert_eq!((open.len(), closed.len()), (RESERVE, 8));
        for port in closed {
            assert!(UdpSocket::bind((LOCAL, port)).is_ok(), "{port}");
            assert!(UdpSocket::bind((LOCAL, port + 1)).is_ok(), "{port}");
        }
        assert!(open.iter().all(|port| UdpSocket::bind((LOCAL, *port)).is_err()));
    }

    #[test]
    fn a_pair_that_a_worker_still_has_is_not_closed() {
        let mut reserve = reserve(draw(80), Duration::ZERO);
        let behind = reserve.take_any(0).unwrap();
        reserve.give_back(Arc::clone(&behind), 0);
        serve(&mut reserve, 39, 0);
        assert!(reserve.tidy(5_000_000));
        assert!(UdpSocket::bind((LOCAL, behind.ports.rtp)).is_err());
    }
}
