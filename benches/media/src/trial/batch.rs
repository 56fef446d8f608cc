//! recvmmsg and sendmmsg, with several ways to wait.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::Ordering;

use super::packet::{Outgoing, destination};
use super::{Sockets, Trial};

/// Packets of one call: as many as the media crate takes.
const BATCH: usize = 128;
const BUFFER: usize = 1_536;
const CONTROL: usize = 64;

struct Incoming {
    buffers: Box<[[u8; BUFFER]]>,
    names: Box<[libc::sockaddr_in]>,
    controls: Box<[[u64; CONTROL / 8]]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Incoming {
    fn new() -> Self {
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: all zeroes is a valid value of these plain structures.
        let (name, header): (libc::sockaddr_in, libc::mmsghdr) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        Self {
            buffers: vec![[0; BUFFER]; BATCH].into_boxed_slice(),
            names: vec![name; BATCH].into_boxed_slice(),
            controls: vec![[0; CONTROL / 8]; BATCH].into_boxed_slice(),
            vectors: vec![vector; BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
        }
    }

    fn receive(&mut self, fd: i32, flags: libc::c_int) -> usize {
        for at in 0..BATCH {
            let buffer = self.buffers[at].as_mut_ptr();
            self.vectors[at] = libc::iovec { iov_base: buffer.cast(), iov_len: BUFFER };
            let header = &mut self.headers[at].msg_hdr;
            header.msg_name = ptr::from_mut(&mut self.names[at]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_iov = ptr::from_mut(&mut self.vectors[at]);
            header.msg_iovlen = 1;
            header.msg_control = self.controls[at].as_mut_ptr().cast();
            header.msg_controllen = CONTROL as _;
        }
        let headers = self.headers.as_mut_ptr();
        // SAFETY: BATCH headers that were just pointed at names, vectors, controls and buffers of self.
        let came =
            unsafe { libc::recvmmsg(fd, headers, BATCH as u32, flags as _, ptr::null_mut()) };
        usize::try_from(came).unwrap_or_default()
    }

    /// A packet that came, and the port it came to.
    fn packet(&self, at: usize) -> Option<(u16, &[u8])> {
        let length = (self.headers[at].msg_len as usize).min(BUFFER);
        // SAFETY: CONTROL octets, all of them written before; any octets are valid.
        let control =
            unsafe { std::slice::from_raw_parts(self.controls[at].as_ptr().cast::<u8>(), CONTROL) };
        Some((destination(control)?, &self.buffers[at][..length]))
    }
}

/// Runs for ever.
pub(super) fn run(sockets: &Sockets, trial: Trial) -> io::Result<()> {
    let fd = sockets.shared.as_raw_fd();
    let epoll = match trial {
        Trial::Batch | Trial::BusyPoll => Some(Epoll::new(fd)?),
        _ => None,
    };
    let (mut incoming, mut outgoing) = (Incoming::new(), Outgoing::new(BATCH));
    let flags = match trial {
        Trial::WaitForOne => libc::MSG_WAITFORONE,
        _ => libc::MSG_DONTWAIT,
    };
    loop {
        if let Some(epoll) = &epoll {
            epoll.wait();
        }
        loop {
            let came = incoming.receive(fd, flags);
            forward(sockets, &incoming, came, &mut outgoing);
            if came < BATCH {
                break;
            }
        }
    }
}

fn forward(sockets: &Sockets, incoming: &Incoming, came: usize, outgoing: &mut Outgoing) {
    let mut leaving = 0;
    for at in 0..came {
        let Some((port, packet)) = incoming.packet(at) else { continue };
        let Some(way) = sockets.ways.get(port).filter(|_| packet.len() >= 12) else { continue };
        outgoing.write(leaving, way, packet);
        leaving += 1;
    }
    sockets.ways.received.fetch_add(came as u64, Ordering::Relaxed);
    let mut done = 0;
    while done < leaving {
        let left = (leaving - done) as u32;
        let headers = outgoing.headers[done..].as_mut_ptr();
        let flags = libc::MSG_DONTWAIT as _;
        // SAFETY: `left` headers that `write` pointed at heads and names of `outgoing` and at packets
        // of `incoming`, which nobody changes meanwhile.
        let sent = unsafe { libc::sendmmsg(sockets.raw.as_raw_fd(), headers, left, flags) };
        // The one that failed is lost.
        done += usize::try_from(sent).unwrap_or(1).max(1);
    }
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new(fd: i32) -> io::Result<Self> {
        // SAFETY: no pointers.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just made and is nobody else's.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        // SAFETY: `event` lives through the call.
        let done =
            unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        if done == 0 { Ok(Self(epoll)) } else { Err(io::Error::last_os_error()) }
    }

    fn wait(&self) {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for one event.
        unsafe { libc::epoll_wait(self.0.as_raw_fd(), &raw mut event, 1, -1) };
    }
}
