//! Port pairs: bound ahead, given to streams, rested, given again.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::steer::{Claims, Steered};
use crate::control::{MediaConfig, MediaError, StreamPorts};
use crate::plan::Component;

/// Pairs bound before the first call.
const RESERVE: usize = 32;
/// How long a freed pair rests at least, when no other is left.
const MIN_REST: Duration = Duration::from_secs(1);
/// Stale packets thrown away at one socket before it serves again.
const STALE_MAX: usize = 1_024;
/// Ports of other programs that one request steps over.
const FOREIGN_MAX: usize = 64;
/// DSCP EF in the TOS octet: voice.
const TOS_MEDIA: u32 = 46 << 2;

/// Two ports. They stay with one worker and one place in its table for ever.
pub(super) struct PortPair {
    pub(super) worker: usize,
    pub(super) slot: usize,
    pub(super) ports: StreamPorts,
    pub(super) is_v6: bool,
    carrier: Carrier,
}

/// What carries the packets of a pair.
enum Carrier {
    /// Sockets for media and control.
    Bound([UdpSocket; 2]),
    /// The worker's one socket, to which the ports lead.
    Steered(Arc<Steered>),
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
    /// The socket of its own, if it has one.
    pub(super) fn fd(&self, component: Component) -> Option<RawFd> {
        let Carrier::Bound([media, control]) = &self.carrier else { return None };
        Some(match component {
            Component::Media => media.as_raw_fd(),
            Component::Control => control.as_raw_fd(),
        })
    }

    pub(super) fn port(&self, component: Component) -> u16 {
        match component {
            Component::Media => self.ports.rtp,
            Component::Control => self.ports.rtcp,
        }
    }

    /// What its packets leave by.
    pub(super) fn way(&self, component: Component) -> Way {
        self.fd(component).map_or(Way::Raw(self.port(component)), Way::Socket)
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

/// All pairs that no stream has.
pub(super) struct Reserve {
    address: IpAddr,
    source: Source,
    ready: VecDeque<Arc<PortPair>>,
    /// Freed, with the time when they may serve again.
    resting: VecDeque<(u64, Arc<PortPair>)>,
    /// Even ports that were never bound, in random order (SEC-80).
    unbound: VecDeque<u16>,
    /// Ports that other programs had when we tried them; tried again only when all else is in use.
    foreign: VecDeque<u16>,
    /// Slots given out so far by each worker.
    slots: Vec<usize>,
    next_worker: usize,
    quarantine_us: u64,
}

/// Where ports come from.
pub(super) enum Source {
    /// A socket is bound to each, unless another relay steers it.
    Bound(Claims),
    /// They are led to the workers' sockets.
    Steered(Arc<Steered>),
}

impl Reserve {
    /// Binds the first pairs, so that a wrong address is noticed at start.
    pub(super) fn new(
        config: &MediaConfig,
        source: Source,
        random: &mut impl FnMut() -> u64,
    ) -> Result<Self, MediaError> {
        let ports = &config.ports;
        let mut unbound: Vec<u16> = ports
            .clone()
            .filter(|port| *port > 0 && port % 2 == 0 && *port < *ports.end())
            .collect();
        if unbound.is_empty() {
            return Err(MediaError::PortRange(*ports.start(), *ports.end()));
        }
        shuffle(&mut unbound, random);
        let mut reserve = Self {
            address: config.address,
            source,
            ready: VecDeque::new(),
            resting: VecDeque::new(),
            unbound: unbound.into(),
            foreign: VecDeque::new(),
            slots: vec![0; config.workers.max(1)],
            next_worker: 0,
            quarantine_us: u64::try_from(config.quarantine.as_micros()).unwrap_or(u64::MAX),
        };
        while reserve.ready.len() < RESERVE {
            match reserve.bind_next() {
                Ok(pair) => reserve.ready.push_back(pair),
                Err(MediaError::PortsExhausted) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(reserve)
    }

    /// A pair for a stream. Binds one only while the traffic still grows; otherwise it costs one
    /// look at each of the two sockets.
    pub(super) fn take(
        &mut self,
        now_us: u64,
        is_free: impl Fn(u16) -> bool,
    ) -> Result<Arc<PortPair>, MediaError> {
        for _ in 0..=self.len() {
            let pair = self.take_any(now_us)?;
            if is_free(pair.ports.rtp) {
                return Ok(pair);
            }
            // Another process's call still runs over it.
            self.give_back(pair, now_us);
        }
        Err(MediaError::PortsExhausted)
    }

    fn take_any(&mut self, now_us: u64) -> Result<Arc<PortPair>, MediaError> {
        while let Some((_, pair)) = self.resting.pop_front_if(|(until, _)| *until <= now_us) {
            self.ready.push_back(pair);
        }
        match self.ready.pop_front() {
            Some(pair) => {
                // Here, not in the worker: a packet that comes after this is the new call's.
                pair.drain();
                Ok(pair)
            }
            None => self.bind_next().or_else(|error| match self.take_resting(now_us) {
                Some(pair) => Ok(pair),
                None if self.foreign.is_empty() => Err(error),
                None => {
                    self.unbound.append(&mut self.foreign);
                    self.bind_next()
                }
            }),
        }
    }

    /// The pair that has rested longest, when calls come and go so fast that none is left: most late
    /// packets have come by then, and the next stream hears only the address it was told.
    fn take_resting(&mut self, now_us: u64) -> Option<Arc<PortPair>> {
        let left_us = self.quarantine_us.saturating_sub(MIN_REST.as_micros() as u64);
        let limit_us = now_us.saturating_add(left_us);
        let (_, pair) = self.resting.pop_front_if(|(until, _)| *until <= limit_us)?;
        pair.drain();
        Some(pair)
    }

    /// Takes a pair back; it rests first, so that late packets of the old call find nobody.
    pub(super) fn give_back(&mut self, pair: Arc<PortPair>, now_us: u64) {
        self.resting.push_back((now_us.saturating_add(self.quarantine_us), pair));
    }

    /// Takes a pair back that no stream has used.
    pub(super) fn give_back_unused(&mut self, pair: Arc<PortPair>) {
        self.ready.push_front(pair);
    }

    /// Pairs that could be taken now or after their rest.
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.resting.len() + self.unbound.len() + self.foreign.len()
    }

    fn bind_next(&mut self) -> Result<Arc<PortPair>, MediaError> {
        for _ in 0..FOREIGN_MAX {
            let port = self.unbound.pop_front().ok_or(MediaError::PortsExhausted)?;
            match self.bind(port) {
                Ok(pair) => return Ok(pair),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    self.foreign.push_back(port);
                }
                Err(error) => {
                    self.unbound.push_back(port);
                    let address = SocketAddr::new(self.address, port);
                    return Err(MediaError::Socket { operation: "bind", address, source: error });
                }
            }
        }
        Err(MediaError::PortsExhausted)
    }

    fn bind(&mut self, port: u16) -> io::Result<Arc<PortPair>> {
        let ports = StreamPorts { rtp: port, rtcp: port.saturating_add(1) };
        let worker = self.next_worker;
        let [media, control] =
            [ports.rtp, ports.rtcp].map(|port| SocketAddr::new(self.address, port));
        let carrier = match &self.source {
            Source::Bound(claims) => {
                let sockets = [bind(media)?, bind(control)?];
                if claims.has(port) {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
                Carrier::Bound(sockets)
            }
            Source::Steered(steered) => {
                steered.take([media, control], worker)?;
                Carrier::Steered(Arc::clone(steered))
            }
        };
        self.next_worker = (worker + 1) % self.slots.len().max(1);
        let mut slot = 0;
        if let Some(used) = self.slots.get_mut(worker) {
            slot = *used;
            *used += 1;
        }
        let is_v6 = self.address.is_ipv6();
        Ok(Arc::new(PortPair { worker, slot, ports, is_v6, carrier }))
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
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

fn shuffle(ports: &mut [u16], random: &mut impl FnMut() -> u64) {
    for end in (1..ports.len()).rev() {
        let bound = u64::try_from(end).unwrap_or(u64::MAX) + 1;
        let other = usize::try_from(random() % bound).unwrap_or_default();
        ports.swap(end, other);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::ops::RangeInclusive;

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn reserve(ports: RangeInclusive<u16>, quarantine: Duration) -> Reserve {
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 33
        };
        let config = MediaConfig { ports, workers: 2, quarantine, ..MediaConfig::default() };
        Reserve::new(&config, Source::Bound(Claims::look()), &mut random).unwrap()
    }

    #[test]
    fn a_range_without_a_pair_is_refused() {
        for ports in [4_001..=4_001, 4_001..=4_002, 4_000..=4_000] {
            let config = MediaConfig { ports: ports.clone(), ..MediaConfig::default() };
            let made = Reserve::new(&config, Source::Bound(Claims::look()), &mut || 0);
            assert!(matches!(made, Err(MediaError::PortRange(_, _))), "{ports:?}");
        }
    }

    #[test]
    fn a_freed_pair_rests_before_it_serves_again() {
        let mut reserve = reserve(27_300..=27_301, Duration::from_secs(30));
        let pair = reserve.take_any(0).unwrap();
        assert!(matches!(reserve.take_any(0), Err(MediaError::PortsExhausted)));
        let ports = pair.ports;
        reserve.give_back(pair, 1_000_000);
        assert!(matches!(reserve.take_any(1_999_999), Err(MediaError::PortsExhausted)));
        assert_eq!(reserve.take_any(2_000_000).unwrap().ports, ports);
    }

    #[test]
    fn a_freed_pair_rests_long_while_there_are_others() {
        let mut reserve = reserve(27_320..=27_327, Duration::from_secs(30));
        let pair = reserve.take_any(0).unwrap();
        let ports = pair.ports;
        reserve.give_back(pair, 0);
        for _ in 0..3 {
            assert_ne!(reserve.take_any(29_999_999).unwrap().ports, ports);
        }
        assert_eq!(reserve.take_any(30_000_000).unwrap().ports, ports);
    }

    #[test]
    fn ports_of_other_programs_are_stepped_over() {
        let _other = UdpSocket::bind((LOCAL, 27_305)).unwrap();
        let mut reserve = reserve(27_304..=27_307, Duration::ZERO);
        assert_eq!(reserve.take_any(0).unwrap().ports, StreamPorts { rtp: 27_306, rtcp: 27_307 });
        assert!(matches!(reserve.take_any(0), Err(MediaError::PortsExhausted)));
    }

    #[test]
    fn a_port_that_another_program_gave_up_serves_when_all_others_are_in_use() {
        let other = UdpSocket::bind((LOCAL, 27_331)).unwrap();
        let mut reserve = reserve(27_330..=27_333, Duration::ZERO);
        assert_eq!(reserve.take_any(0).unwrap().ports.rtp, 27_332);
        assert!(matches!(reserve.take_any(0), Err(MediaError::PortsExhausted)));
        drop(other);
        assert_eq!(reserve.take_any(0).unwrap().ports.rtp, 27_330);
    }

    #[test]
    fn pairs_are_spread_over_the_workers_and_their_slots() {
        let mut reserve = reserve(27_310..=27_317, Duration::ZERO);
        let mut places: Vec<_> = (0..4)
            .map(|_| reserve.take_any(0).unwrap())
            .map(|pair| (pair.worker, pair.slot))
            .collect();
        places.sort_unstable();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }
}
