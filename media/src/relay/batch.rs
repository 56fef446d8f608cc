//! Packet buffers of one pass: filled from many sockets, then sent out of many.
//!
//! Everything is allocated once. Messages for one socket that follow each other leave by one call.

#![expect(unsafe_code, reason = "recvmmsg and sendmmsg")]

use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::ptr;

use super::port::Way;
use super::raw::Raw;
use super::sys::{CONTROL_LEN, Control, empty_name, read_destination, read_name, write_name};
use crate::rtp::PACKET_MAX;
use crate::srtp::OVERHEAD_MAX;

/// Packets of one pass.
pub(super) const BATCH_MAX: usize = 128;
/// Octets of a buffer: more than the longest packet, so that longer ones are noticed, and that it can
/// be protected in place.
const BUFFER_LEN: usize = 1_536;
const _: () = assert!(BUFFER_LEN > PACKET_MAX + OVERHEAD_MAX);

/// Whose counters a packet that leaves goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Payer {
    /// The stream that the lane is connected to.
    Sink,
    /// The lane itself: a treatment.
    Own,
    /// A member of a conference.
    Member,
    /// Nobody: it is no media.
    Nobody,
}

/// Who pays for a packet that leaves, and who counts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    pub(super) way: Way,
    /// The buffer that holds it.
    pub(super) buffer: usize,
    /// The lane that caused it, or the place of the member that hears it.
    pub(super) slot: usize,
    pub(super) payer: Payer,
    pub(super) is_rtcp: bool,
    pub(super) length: usize,
}

/// What the kernel reads and writes beside the buffers. Pointers are set right before each call.
struct Half {
    names: Box<[libc::sockaddr_storage]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

pub(super) struct Batch {
    buffers: Box<[[u8; BUFFER_LEN]]>,
    incoming: Half,
    /// Where packets of a shared socket were sent to.
    controls: Box<[Control]>,
    outgoing: Half,
    raw: Option<Raw>,
    leaving: Vec<Leaving>,
}

impl Half {
    fn new() -> Self {
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: all zeroes is a valid mmsghdr: null pointers with zero lengths.
        let header: libc::mmsghdr = unsafe { mem::zeroed() };
        Self {
            names: vec![empty_name(); BATCH_MAX].into_boxed_slice(),
            vectors: vec![vector; BATCH_MAX].into_boxed_slice(),
            headers: vec![header; BATCH_MAX].into_boxed_slice(),
        }
    }

    /// Points `count` headers from `at` on to their names and vectors, and those to the octets that
    /// `octets` gives for each place. Returns the headers; empty if there are not so many.
    fn aim(
        &mut self,
        at: usize,
        count: usize,
        mut octets: impl FnMut(usize) -> (*mut u8, usize),
    ) -> &mut [libc::mmsghdr] {
        let (names, vectors) = (self.names.as_mut_ptr(), self.vectors.as_mut_ptr());
        let headers = self.headers.get_mut(at..at + count).unwrap_or_default();
        for (place, header) in (at..).zip(headers.iter_mut()) {
            let (start, length) = octets(place);
            let vector = vectors.wrapping_add(place);
            // SAFETY: `vectors` is as long as `headers`, so `place` lies inside; nothing else
            // refers to it now.
            unsafe { *vector = libc::iovec { iov_base: start.cast(), iov_len: length } };
            header.msg_hdr.msg_name = names.wrapping_add(place).cast();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
        }
        headers
    }
}

impl Batch {
    /// With the raw socket, if there is one, and the address that its packets come from.
    pub(super) fn new(raw: Option<(RawFd, Ipv4Addr)>) -> Self {
        let room = if raw.is_some() { BATCH_MAX } else { 0 };
        Self {
            buffers: vec![[0u8; BUFFER_LEN]; BATCH_MAX].into_boxed_slice(),
            incoming: Half::new(),
            controls: vec![Control::default(); room].into_boxed_slice(),
            outgoing: Half::new(),
            raw: raw.map(|(fd, address)| Raw::new(fd, address)),
            leaving: Vec::with_capacity(BATCH_MAX),
        }
    }

    /// Receives up to `most` packets into the buffers from `at` on; returns how many came. From a
    /// shared socket their destinations are told, too.
    pub(super) fn receive(&mut self, fd: RawFd, at: usize, most: usize, is_shared: bool) -> usize {
        let room = BATCH_MAX.saturating_sub(at).min(most);
        let buffers = self.buffers.as_mut_ptr();
        let octets = |place: usize| (buffers.wrapping_add(place).cast(), BUFFER_LEN);
        let headers = self.incoming.aim(at, room, octets);
        for header in headers.iter_mut() {
            header.msg_hdr.msg_namelen = name_len();
        }
        if is_shared {
            let controls = self.controls.iter_mut().skip(at);
            for (header, control) in headers.iter_mut().zip(controls) {
                header.msg_hdr.msg_control = ptr::from_mut(control).cast();
                header.msg_hdr.msg_controllen = CONTROL_LEN as _;
            }
        }
        let count = u32::try_from(headers.len()).unwrap_or_default();
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: `headers` are `count` entries that were pointed at names, vectors, controls and
        // buffers of self, each with its true length; nobody else uses them during the call.
        let received =
            unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), count, flags as _, ptr::null_mut()) };
        usize::try_from(received).unwrap_or_default()
    }

    /// The port that a packet of a shared socket was sent to.
    pub(super) fn port(&self, at: usize) -> Option<u16> {
        read_destination(&self.incoming.headers.get(at)?.msg_hdr)
    }

    /// Lets the raw socket forget what it knows of ways, from time to time.
    pub(super) fn sweep(&mut self, now_us: u64) {
        if let Some(raw) = &mut self.raw {
            raw.sweep(now_us);
        }
    }

    /// The octets and the source of a received packet.
    pub(super) fn packet(&mut self, at: usize) -> Option<(&mut [u8], SocketAddr)> {
        let header = self.incoming.headers.get(at)?;
        let length = usize::try_from(header.msg_len).ok()?;
        let from = read_name(self.incoming.names.get(at)?)?;
        let buffer = self.buffers.get_mut(at)?;
        let packet = buffer.get_mut(..length.min(BUFFER_LEN))?;
        Some((packet, from))
    }

    /// The beginning of a buffer, to write a packet of our own into.
    pub(super) fn buffer<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        self.buffers.get_mut(at)?.first_chunk_mut()
    }

    /// Lets a buffer leave for `to`; false if the socket cannot send there.
    pub(super) fn leave(&mut self, to: SocketAddr, is_v6: bool, what: Leaving) -> bool {
        let place = self.leaving.len();
        let packet = self.buffers.get(what.buffer).and_then(|buffer| buffer.get(..what.length));
        let (Some(name), Some(header), Some(packet)) =
            (self.outgoing.names.get_mut(place), self.outgoing.headers.get_mut(place), packet)
        else {
            return false;
        };
        if let Way::Raw(port) = what.way {
            let raw = self.raw.as_mut();
            let is_written = raw.is_some_and(|raw| raw.write(place, port, to, packet));
            if is_written {
                self.leaving.push(what);
            }
            return is_written;
        }
        let Some(length) = write_name(name, to, is_v6) else { return false };
        header.msg_hdr.msg_namelen = length;
        self.leaving.push(what);
        true
    }

    /// Sends everything that leaves and tells for each whether the system took it.
    pub(super) fn send(&mut self, mut sent: impl FnMut(&Leaving, bool)) {
        let mut at = 0;
        while let Some(first) = self.leaving.get(at) {
            let way = first.way;
            let joins = |next: &&Leaving| match (way, next.way) {
                (Way::Raw(_), Way::Raw(_)) => true,
                (way, next) => way == next,
            };
            let run = self.leaving.iter().skip(at).take_while(joins).count();
            let taken = self.send_run(way, at, run);
            for what in self.leaving.iter().skip(at).take(taken) {
                sent(what, true);
            }
            at += taken;
            // The kernel stopped at the one that failed; the others of the run come next.
            if taken < run {
                if let Some(what) = self.leaving.get(at) {
                    sent(what, false);
                }
                at += 1;
            }
        }
        self.leaving.clear();
    }

    /// How many are waiting to leave.
    pub(super) fn leaving_len(&self) -> usize {
        self.leaving.len()
    }

    fn send_run(&mut self, way: Way, at: usize, run: usize) -> usize {
        let (buffers, leaving) = (self.buffers.as_mut_ptr(), &self.leaving);
        let octets = |place: usize| {
            leaving.get(place).map_or((ptr::null_mut(), 0), |what| {
                (buffers.wrapping_add(what.buffer).cast(), what.length)
            })
        };
        let fd = match (way, &mut self.raw) {
            (Way::Socket(fd), _) => fd,
            (Way::Raw(_), Some(raw)) => return raw.send(at, run, octets),
            (Way::Raw(_), None) => return 0,
        };
        let headers = self.outgoing.aim(at, run, octets);
        let count = u32::try_from(headers.len()).unwrap_or_default();
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `headers` are `count` entries that `aim` pointed at names, vectors and buffers of
        // self; `leave` checked buffer and length, and nobody changes them during the call.
        let sent = unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), count, flags as _) };
        usize::try_from(sent).unwrap_or_default()
    }
}

fn name_len() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_run_for_one_socket_leaves_together_and_a_refused_packet_does_not_stop_the_rest() {
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut batch = Batch::new(None);
        let leaving = |buffer, length| Leaving {
            way: Way::Socket(from.as_raw_fd()),
            buffer,
            slot: length,
            payer: Payer::Own,
            is_rtcp: false,
            length,
        };
        for at in 0..3usize {
            *batch.buffer::<1>(at).unwrap() = [u8::try_from(at).unwrap()];
            // Port 0 cannot be sent to.
            let name =
                if at == 1 { "127.0.0.1:0".parse().unwrap() } else { to.local_addr().unwrap() };
            assert!(batch.leave(name, false, leaving(at, at + 1)));
        }
        let mut results = Vec::new();
        batch.send(|what, is_sent| results.push((what.length, is_sent)));
        assert_eq!(results, [(1, true), (2, false), (3, true)]);
        let received = batch.receive(to.as_raw_fd(), 5, 8, false);
        assert_eq!(received, 2);
        let (packet, source) = batch.packet(6).unwrap();
        assert_eq!((packet.len(), source), (3, from.local_addr().unwrap()));
        assert_eq!(packet[0], 2);
    }

    #[test]
    fn a_packet_that_is_too_long_is_longer_than_any_that_is_relayed() {
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        from.send_to(&[0x80; 4_000], to.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new(None);
        assert_eq!(batch.receive(to.as_raw_fd(), 0, 1, false), 1);
        assert!(batch.packet(0).unwrap().0.len() > PACKET_MAX);
    }
}
