//! Many ports on few sockets: each worker receives all its streams by one socket, to which an
//! sk_lookup program leads their ports, and sends by one raw socket that writes its own headers.
//!
//! No socket has these ports, so nothing but this module keeps them apart from other relays: they are
//! claimed by locks in a file that all relays of the machine know. The locks belong to the opening of
//! the file, so that they end with the process however it ends.
//!
//! LIMIT: IPv4 only, as the headers are.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastpath::Steering;
use socket2::{Domain, Protocol, Socket, Type};

use super::raw::send_one;
use super::sys::{is_locked, lock_range, receive_destinations, set_buffers, unlock_range};
use crate::control::{MediaConfig, PortSteering, StreamPorts};
use crate::plan::Component;

/// Where relays claim ports: the octets of namespace and port are locked.
const CLAIMS: &str = "/run/strowger-ports";
/// The ports of a stream.
const PAIR: u64 = 2;
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Datagrams of all streams of a worker wait in one socket: 100,000 packets a second for 100 ms.
const BUFFER: usize = 16 << 20;
/// Less than that is too little for all streams of a worker.
const BUFFER_MIN: usize = 4 << 20;

/// What the kernel was asked for and gave.
pub(super) struct Steered {
    steering: Steering,
    address: Ipv4Addr,
    claims: Claims,
    /// By worker.
    lines: Vec<Line>,
}

/// The sockets of one worker.
struct Line {
    /// Receives for all its ports.
    shared: UdpSocket,
    /// Sends from any port.
    raw: Socket,
}

/// What a worker knows of the ports that lead to it.
pub(super) struct Places {
    shared: RawFd,
    raw: RawFd,
    /// Keeps the sockets.
    steered: Arc<Steered>,
    /// By port: slot and component and 1, or 0.
    places: Box<[u32]>,
}

impl Places {
    /// Of the worker with this number.
    pub(super) fn new(steered: Arc<Steered>, worker: usize) -> Self {
        // There is a line for each worker; without one nothing would come, and nothing leave.
        let line = steered.lines.get(worker);
        let shared = line.map_or(-1, |line| line.shared.as_raw_fd());
        let raw = line.map_or(-1, |line| line.raw.as_raw_fd());
        let places = vec![0; usize::from(u16::MAX) + 1].into_boxed_slice();
        Self { shared, raw, steered, places }
    }

    /// The socket that receives for all ports.
    pub(super) fn shared(&self) -> RawFd {
        self.shared
    }

    /// The socket that sends from any port, and the address that it sends from.
    pub(super) fn raw(&self) -> (RawFd, Ipv4Addr) {
        (self.raw, self.steered.address)
    }

    /// Whose a port is.
    pub(super) fn get(&self, port: u16) -> Option<(usize, Component)> {
        let place = self.places.get(usize::from(port))?.checked_sub(1)?;
        let component = if place & 1 == 1 { Component::Control } else { Component::Media };
        Some((usize::try_from(place >> 1).ok()?, component))
    }

    /// Gives a port to a lane, or to nobody.
    pub(super) fn set(&mut self, port: u16, to: Option<(usize, Component)>) {
        let place = to.map_or(0, |(slot, component)| {
            let slot = u32::try_from(slot).unwrap_or_default();
            (slot << 1 | u32::from(component == Component::Control)) + 1
        });
        if let Some(known) = self.places.get_mut(usize::from(port)) {
            *known = place;
        }
    }
}

impl Steered {
    /// Claims the range and sets everything up, or says why it cannot be had.
    pub(super) fn open(config: &MediaConfig, workers: usize) -> Result<Self, String> {
        if config.port_steering == PortSteering::Off {
            return Err("off in the configuration".to_owned());
        }
        if config.shared_ports.is_some() {
            return Err("streams share ports (shared_ports)".to_owned());
        }
        let IpAddr::V4(address) = config.address else {
            return Err(format!("media comes to the IPv6 address {}", config.address));
        };
        is_apart(&config.ports)?;
        let claims =
            Claims::open(Path::new(CLAIMS)).map_err(|error| format!("{CLAIMS}: {error}"))?;
        let lines = (0..workers).map(|_| line(address)).collect::<io::Result<Vec<_>>>();
        let lines = lines.map_err(|error| format!("raw sockets (CAP_NET_RAW): {error}"))?;
        for line in &lines {
            let (shared, raw) = (line.shared.as_raw_fd(), line.raw.as_raw_fd());
            let given = set_buffers(shared, raw, BUFFER);
            if given < BUFFER_MIN {
                return Err(format!("{given} octets are too little for all streams of a thread"));
            }
        }
        let shared: Vec<&UdpSocket> = lines.iter().map(|line| &line.shared).collect();
        let steering = Steering::open(address, &shared).map_err(|error| error.to_string())?;
        Ok(Self { steering, address, claims, lines })
    }

    /// Claims ports, all or none: AddrInUse if another relay steers some of them.
    pub(super) fn claim(&self, ports: &RangeInclusive<u16>) -> io::Result<()> {
        self.claims.take(ports)
    }

    /// Gives up a claim.
    pub(super) fn give_up(&self, ports: &RangeInclusive<u16>) {
        self.claims.give_back(ports);
    }

    /// Whether no other program has a port or the next one.
    pub(super) fn is_free(&self, port: u16) -> io::Result<bool> {
        for port in [port, port.saturating_add(1)] {
            match UdpSocket::bind((self.address, port)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Lets the ports of a pair, which were claimed, lead to a worker.
    pub(super) fn point(&self, ports: StreamPorts, worker: usize) {
        self.steering.point(ports.rtp, worker);
        self.steering.point(ports.rtcp, worker);
    }

    /// Lets the ports of a pair lead nowhere.
    pub(super) fn clear(&self, ports: StreamPorts) {
        self.steering.clear(ports.rtp);
        self.steering.clear(ports.rtcp);
    }

    /// Sends a single packet; one that the system does not take at once is lost.
    pub(super) fn send(&self, worker: usize, from: u16, to: SocketAddr, packet: &[u8]) {
        if let Some(line) = self.lines.get(worker) {
            send_one(&line.raw, SocketAddrV4::new(self.address, from), to, packet);
        }
    }
}

fn line(address: Ipv4Addr) -> io::Result<Line> {
    let shared = UdpSocket::bind((address, 0))?;
    shared.set_nonblocking(true)?;
    receive_destinations(shared.as_raw_fd())?;
    // The protocol "raw" sends what it is given, header and all, and receives nothing.
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    raw.set_nonblocking(true)?;
    Ok(Line { shared, raw })
}

/// The system's own choice of ports for other programs must not meet ours: they look free.
fn is_apart(ports: &RangeInclusive<u16>) -> Result<(), String> {
    let text = std::fs::read_to_string(EPHEMERAL).unwrap_or_default();
    let mut bounds = text.split_whitespace().map(str::parse::<u16>);
    let (Some(Ok(first)), Some(Ok(last))) = (bounds.next(), bounds.next()) else {
        return Err(format!("{EPHEMERAL} cannot be read"));
    };
    if ports.start() > &last || ports.end() < &first {
        return Ok(());
    }
    Err(format!("ports {first}-{last} are given to other programs (net.ipv4.ip_local_port_range)"))
}

/// Which ports relays steer, as far as all relays of the machine may know: a port that one of them
/// steers looks free to others, but its datagrams go there.
#[derive(Debug)]
pub(super) struct Claims {
    /// `None`: there is none yet, for nobody ever claimed anything.
    file: Option<File>,
    path: PathBuf,
    /// Where this network namespace begins in the file.
    start: u64,
}

impl Claims {
    /// To claim ports and to look.
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let file = options.custom_flags(libc::O_NOFOLLOW).open(path)?;
        Ok(Self { file: Some(file), path: path.to_owned(), start: start() })
    }

    /// To look only.
    pub(super) fn look() -> Self {
        Self::look_at(Path::new(CLAIMS))
    }

    fn look_at(path: &Path) -> Self {
        Self { file: None, path: path.to_owned(), start: start() }
    }

    /// Whether another relay steers a pair that begins with this port.
    pub(super) fn has(&mut self, port: u16) -> bool {
        // The first relay that steers may have begun after us.
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            let opened = options.read(true).custom_flags(libc::O_NOFOLLOW).open(&self.path);
            self.file = opened.ok();
        }
        let start = self.start + u64::from(port);
        self.file.as_ref().is_some_and(|file| is_locked(file, start, PAIR))
    }

    /// Claims ports until the process ends, or the relay.
    fn take(&self, ports: &RangeInclusive<u16>) -> io::Result<()> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let (start, length) = self.place(ports);
        lock_range(file, start, length)
    }

    /// Gives up a claim.
    fn give_back(&self, ports: &RangeInclusive<u16>) {
        if let Some(file) = &self.file {
            let (start, length) = self.place(ports);
            unlock_range(file, start, length);
        }
    }

    /// The octets that stand for ports. The length is never 0, which would be all the rest.
    fn place(&self, ports: &RangeInclusive<u16>) -> (u64, u64) {
        let (first, last) = (u64::from(*ports.start()), u64::from(*ports.end()));
        (self.start + first, last.saturating_sub(first) + 1)
    }
}

/// Ports of different network namespaces do not meet.
fn start() -> u64 {
    let namespace = std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |found| found.ino());
    (namespace & 0xffff_ffff) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_claimed_once_and_again_when_their_relay_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ports");
        let mut look = Claims::look_at(&path);
        assert!(!look.has(10), "nobody ever claimed anything");
        let (one, mut other) = (Claims::open(&path).unwrap(), Claims::open(&path).unwrap());
        one.take(&(10..=19)).unwrap();
        assert!(other.has(10) && other.has(9) && other.has(18) && look.has(10));
        assert!(!other.has(20) && !other.has(8));
        // All or none.
        assert_eq!(other.take(&(19..=30)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(!look.has(20));
        one.give_back(&(12..=19));
        other.take(&(12..=30)).unwrap();
        drop(one);
        assert!(!other.has(10) && look.has(20));
        other.take(&(10..=11)).unwrap();
    }

    #[test]
    fn ports_of_other_programs_are_not_steered() {
        assert!(is_apart(&(1..=65_535)).is_err());
    }
}
