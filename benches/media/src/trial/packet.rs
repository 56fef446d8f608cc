//! What leaves: headers of IPv4 and UDP, and what the kernel reads of a message.

use std::mem;
use std::net::SocketAddrV4;
use std::ptr;

const HEAD: usize = 28;
const UDP: u8 = 17;

/// Messages that leave together.
pub(crate) struct Outgoing {
    heads: Box<[[u8; HEAD]]>,
    names: Box<[libc::sockaddr_in]>,
    vectors: Box<[[libc::iovec; 2]]>,
    /// As sendmmsg wants them.
    pub(crate) headers: Box<[libc::mmsghdr]>,
    id: u16,
}

impl Outgoing {
    pub(crate) fn new(count: usize) -> Self {
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: all zeroes is a valid value of these plain structures.
        let (name, header): (libc::sockaddr_in, libc::mmsghdr) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        Self {
            heads: vec![[0; HEAD]; count].into_boxed_slice(),
            names: vec![name; count].into_boxed_slice(),
            vectors: vec![[vector; 2]; count].into_boxed_slice(),
            headers: vec![header; count].into_boxed_slice(),
            id: 0,
        }
    }

    /// Lets a packet leave at a place. Its octets must stay where they are until it has been sent.
    pub(crate) fn write(
        &mut self,
        place: usize,
        (from, to): (SocketAddrV4, SocketAddrV4),
        packet: &[u8],
    ) {
        self.id = self.id.wrapping_add(1);
        self.heads[place] = head(from, to, self.id, packet);
        self.names[place] = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: to.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
            sin_zero: [0; 8],
        };
        self.vectors[place] = [
            libc::iovec { iov_base: self.heads[place].as_mut_ptr().cast(), iov_len: HEAD },
            libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() },
        ];
        let header = &mut self.headers[place].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.names[place]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        header.msg_iov = self.vectors[place].as_mut_ptr();
        header.msg_iovlen = 2;
    }
}

fn head(from: SocketAddrV4, to: SocketAddrV4, id: u16, packet: &[u8]) -> [u8; HEAD] {
    let total = (HEAD + packet.len()) as u16;
    let mut head = [0; HEAD];
    let (ip, udp) = head.split_at_mut(20);
    // Voice; never in fragments.
    ip[..2].copy_from_slice(&[0x45, 46 << 2]);
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    ip[4..6].copy_from_slice(&id.to_be_bytes());
    ip[6..10].copy_from_slice(&[0x40, 0, 64, UDP]);
    ip[12..16].copy_from_slice(&from.ip().octets());
    ip[16..].copy_from_slice(&to.ip().octets());
    udp[..2].copy_from_slice(&from.port().to_be_bytes());
    udp[2..4].copy_from_slice(&to.port().to_be_bytes());
    udp[4..6].copy_from_slice(&(total - 20).to_be_bytes());
    let pseudo = u64::from(UDP) + u64::from(total - 20) + sum(&ip[12..]);
    let mut checksum = pseudo + sum(udp) + sum(packet);
    while checksum >> 16 != 0 {
        checksum = (checksum & 0xffff) + (checksum >> 16);
    }
    // 0 would say that there is none.
    let checksum = if checksum == 0xffff { 0xffff } else { !(checksum as u16) };
    udp[6..].copy_from_slice(&checksum.to_be_bytes());
    head
}

fn sum(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<4>();
    let sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_be_bytes(last))
}

/// The port that a packet was sent to, of its first control message.
pub(crate) fn destination(control: &[u8]) -> Option<u16> {
    let word = |at: usize| Some(i32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?));
    let is_it = (word(8)?, word(12)?) == (libc::SOL_IP, libc::IP_ORIGDSTADDR);
    let port = control.get(18..20).filter(|_| is_it)?;
    Some(u16::from_be_bytes(port.try_into().ok()?))
}
