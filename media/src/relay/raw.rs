//! Datagrams that leave from many ports by one raw socket, in batches: their IPv4 and UDP headers
//! are written here.

#![expect(unsafe_code, reason = "sendmmsg")]

use std::collections::HashMap;
use std::hash::RandomState;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::RawFd;
use std::ptr;

use socket2::Socket;

use super::batch::BATCH_MAX;
use super::sys::{empty_name, write_name};

/// IPv4 without options, and UDP.
const HEAD: usize = 28;
/// DSCP EF, as the relay's other sockets.
const TOS_MEDIA: u8 = 46 << 2;
/// Never in fragments, as the system's own UDP.
const DONT_FRAGMENT: u16 = 0x4000;
const TTL: u8 = 64;
const UDP: u8 = 17;
/// Peers whose way is remembered; more are asked for anew.
const SOURCES_MAX: usize = 4_096;
/// How long: then another way may lead there.
const REMEMBERED_US: u64 = 10_000_000;

/// The raw socket, and what the kernel reads of one batch.
pub(super) struct Raw {
    fd: RawFd,
    sources: Sources,
    id: u16,
    heads: Box<[[u8; HEAD]]>,
    names: Box<[libc::sockaddr_storage]>,
    /// Of each packet its header, then its octets.
    vectors: Box<[[libc::iovec; 2]]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Raw {
    /// `address` is what datagrams come from; 0.0.0.0 for whichever the route to the peer has.
    pub(super) fn new(fd: RawFd, address: Ipv4Addr) -> Self {
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: all zeroes is a valid mmsghdr: null pointers with zero lengths.
        let header: libc::mmsghdr = unsafe { mem::zeroed() };
        Self {
            fd,
            sources: Sources::new(address),
            id: 0,
            heads: vec![[0; HEAD]; BATCH_MAX].into_boxed_slice(),
            names: vec![empty_name(); BATCH_MAX].into_boxed_slice(),
            vectors: vec![[vector; 2]; BATCH_MAX].into_boxed_slice(),
            headers: vec![header; BATCH_MAX].into_boxed_slice(),
        }
    }

    /// Writes the header of a packet at a place of the batch; false if it cannot be sent there.
    pub(super) fn write(&mut self, place: usize, from: u16, to: SocketAddr, packet: &[u8]) -> bool {
        let (IpAddr::V4(host), port) = (to.ip(), to.port()) else { return false };
        if port == 0 {
            return false;
        }
        let Some(source) = self.sources.of(host) else { return false };
        self.id = self.id.wrapping_add(1);
        let from = SocketAddrV4::new(source, from);
        let written = head(from, SocketAddrV4::new(host, port), self.id, packet);
        let (Some(written), Some(head), Some(name)) =
            (written, self.heads.get_mut(place), self.names.get_mut(place))
        else {
            return false;
        };
        *head = written;
        write_name(name, to, false).is_some()
    }

    /// Sends `count` packets from a place on; `octets` gives each one's octets. Gives how many the
    /// system took.
    pub(super) fn send(
        &mut self,
        at: usize,
        count: usize,
        octets: impl Fn(usize) -> (*mut u8, usize),
    ) -> usize {
        let (heads, names) = (self.heads.as_mut_ptr(), self.names.as_mut_ptr());
        let vectors = self.vectors.as_mut_ptr();
        let headers = self.headers.get_mut(at..at + count).unwrap_or_default();
        for (place, header) in (at..).zip(headers.iter_mut()) {
            let (start, length) = octets(place);
            let head = heads.wrapping_add(place).cast();
            let pair = [
                libc::iovec { iov_base: head, iov_len: HEAD },
                libc::iovec { iov_base: start.cast(), iov_len: length },
            ];
            let place_of = vectors.wrapping_add(place);
            // SAFETY: `vectors` is as long as `headers`, so `place` lies inside; nothing else
            // refers to it now.
            unsafe { *place_of = pair };
            header.msg_hdr.msg_name = names.wrapping_add(place).cast();
            header.msg_hdr.msg_namelen = name_len();
            header.msg_hdr.msg_iov = place_of.cast();
            header.msg_hdr.msg_iovlen = 2;
        }
        let count = u32::try_from(headers.len()).unwrap_or_default();
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `headers` are `count` entries that were just pointed at names and vectors of self
        // and at octets that the caller vouches for; nobody changes them during the call.
        let sent = unsafe { libc::sendmmsg(self.fd, headers.as_mut_ptr(), count, flags as _) };
        usize::try_from(sent).unwrap_or_default()
    }

    /// Lets ways be asked for anew from time to time.
    pub(super) fn sweep(&mut self, now_us: u64) {
        self.sources.sweep(now_us);
    }
}

fn name_len() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<libc::sockaddr_in>()).unwrap_or_default()
}

/// Our address as each peer knows it.
struct Sources {
    fixed: Option<Ipv4Addr>,
    known: HashMap<Ipv4Addr, Ipv4Addr, RandomState>,
    until_us: u64,
}

impl Sources {
    fn new(address: Ipv4Addr) -> Self {
        let fixed = (!address.is_unspecified()).then_some(address);
        let room = if fixed.is_some() { 0 } else { SOURCES_MAX };
        let known = HashMap::with_capacity_and_hasher(room, RandomState::new());
        Self { fixed, known, until_us: 0 }
    }

    fn of(&mut self, peer: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.fixed.is_some() {
            return self.fixed;
        }
        if let Some(known) = self.known.get(&peer) {
            return Some(*known);
        }
        let found = route(peer)?;
        if self.known.len() >= SOURCES_MAX {
            self.known.clear();
        }
        self.known.insert(peer, found);
        Some(found)
    }

    fn sweep(&mut self, now_us: u64) {
        if now_us >= self.until_us {
            self.known.clear();
            self.until_us = now_us + REMEMBERED_US;
        }
    }
}

/// Sends a packet outside of all batches, from a port of the address, or of the one that the route
/// has; one that the system does not take at once is lost.
pub(super) fn send_one(raw: &Socket, from: SocketAddrV4, to: SocketAddr, packet: &[u8]) {
    let (SocketAddr::V4(to_v4), false) = (to, to.port() == 0) else { return };
    let source = if from.ip().is_unspecified() { route(*to_v4.ip()) } else { Some(*from.ip()) };
    let from = source.map(|source| SocketAddrV4::new(source, from.port()));
    // Without fragments the number need not tell them apart.
    if let Some(head) = from.and_then(|from| head(from, to_v4, 1, packet)) {
        let _ = raw.send_to(&[&head, packet].concat(), &to.into());
    }
}

/// The address that the system would send from. Nothing is sent.
fn route(peer: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((peer, 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(own) => Some(*own.ip()),
        SocketAddr::V6(_) => None,
    }
}

/// IPv4 (RFC 791) and UDP (RFC 768) headers of a datagram; `None` if it is too long. The kernel
/// writes the IPv4 checksum.
fn head(from: SocketAddrV4, to: SocketAddrV4, id: u16, packet: &[u8]) -> Option<[u8; HEAD]> {
    let total = u16::try_from(HEAD + packet.len()).ok()?;
    let length = total - 20;
    let mut head = [0; HEAD];
    let (ip, udp) = head.split_at_mut(20);
    ip[..2].copy_from_slice(&[0x45, TOS_MEDIA]);
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    ip[4..6].copy_from_slice(&id.to_be_bytes());
    ip[6..8].copy_from_slice(&DONT_FRAGMENT.to_be_bytes());
    ip[8..10].copy_from_slice(&[TTL, UDP]);
    ip[12..16].copy_from_slice(&from.ip().octets());
    ip[16..20].copy_from_slice(&to.ip().octets());
    udp[..2].copy_from_slice(&from.port().to_be_bytes());
    udp[2..4].copy_from_slice(&to.port().to_be_bytes());
    udp[4..6].copy_from_slice(&length.to_be_bytes());
    // The addresses, the ports and the length stand in the headers already; the pseudo header has
    // the length once more, and the protocol.
    let whole = sum(&ip[12..]) + sum(udp) + u64::from(length) + u64::from(UDP) + sum(packet);
    let checksum = match !fold(whole) {
        0 => 0xffff,
        checksum => checksum,
    };
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    Some(head)
}

fn sum(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<4>();
    let sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let mut last = [0; 4];
    for (place, octet) in last.iter_mut().zip(rest) {
        *place = *octet;
    }
    sum + u64::from(u32::from_be_bytes(last))
}

fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum of a datagram, summed up as its receiver does, is all ones.
    #[test]
    fn checksums_fit_packets_of_any_length() {
        let from = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 30_000);
        let to = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 255), 65_535);
        for length in [0, 1, 2, 3, 4, 5, 172, 173, 1_472] {
            let packet: Vec<u8> = (0..length).map(|n: usize| (n * 7 + 250) as u8).collect();
            let head = head(from, to, 7, &packet).unwrap();
            let pseudo = u64::from(UDP) + 8 + length as u64;
            assert_eq!(fold(sum(&head[12..]) + sum(&packet) + pseudo), 0xffff, "{length}");
            assert_eq!(&head[2..4], u16::try_from(28 + length).unwrap().to_be_bytes());
        }
        assert_eq!(head(from, to, 7, &[0; 65_536]), None);
    }

    #[test]
    fn the_address_that_a_peer_sees_is_the_one_its_route_has() {
        let mut sources = Sources::new(Ipv4Addr::UNSPECIFIED);
        assert_eq!(sources.of(Ipv4Addr::LOCALHOST), Some(Ipv4Addr::LOCALHOST));
        sources.sweep(1);
        assert_eq!(sources.of(Ipv4Addr::LOCALHOST), Some(Ipv4Addr::LOCALHOST));
        let fixed = Ipv4Addr::new(192, 0, 2, 7);
        assert_eq!(Sources::new(fixed).of(Ipv4Addr::LOCALHOST), Some(fixed));
    }
}
