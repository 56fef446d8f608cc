//! Sockets in batches, with the kernel's time of arrival: the generator must cost less than what
//! it measures.

#![expect(unsafe_code, reason = "recvmmsg, sendmmsg, setpriority, sched_setaffinity, kill")]

use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

/// Packets of one system call.
pub(crate) const BATCH: usize = 32;
/// 20 ms of G.711 with its RTP header.
pub(crate) const PACKET: usize = 172;
/// Room for a packet that is longer than it should be.
const BUFFER: usize = 256;
/// Room for the time of arrival.
const CONTROL: usize = 64;

type Control = [u64; CONTROL / 8];

/// Buffers for one direction.
pub(crate) struct Wire {
    pub(crate) packets: Box<[[u8; BUFFER]]>,
    names: Box<[libc::sockaddr_in]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

/// A packet that came.
pub(crate) struct Arrived<'a> {
    pub(crate) packet: &'a [u8],
    /// When the kernel got it, on the clock of [`now_ns`].
    pub(crate) at_ns: u64,
}

impl Wire {
    pub(crate) fn new() -> Self {
        // SAFETY: all zeroes is a valid value of these plain structures.
        let (name, vector, header): (libc::sockaddr_in, libc::iovec, libc::mmsghdr) =
            unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Self {
            packets: vec![[0; BUFFER]; BATCH].into_boxed_slice(),
            names: vec![name; BATCH].into_boxed_slice(),
            controls: vec![[0; CONTROL / 8]; BATCH].into_boxed_slice(),
            vectors: vec![vector; BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
        }
    }

    /// Says where packet `at` goes.
    pub(crate) fn address(&mut self, at: usize, to: SocketAddrV4) {
        self.names[at] = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: to.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
            sin_zero: [0; 8],
        };
    }

    /// Sends the first `count` packets; gives how many the system took.
    pub(crate) fn send(&mut self, socket: &UdpSocket, count: usize) -> usize {
        let mut done = 0;
        while done < count {
            for at in done..count {
                let packet = self.packets[at].as_mut_ptr();
                self.vectors[at] = libc::iovec { iov_base: packet.cast(), iov_len: PACKET };
                self.aim(at, ptr::null_mut(), 0);
            }
            let left = u32::try_from(count - done).unwrap_or_default();
            let from = self.headers[done..].as_mut_ptr();
            // SAFETY: `left` headers that `aim` pointed at names, vectors and packets of self.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), from, left, 0) };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => done += sent,
                _ => break,
            }
        }
        done
    }

    /// Takes up to [`BATCH`] packets that have arrived.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> usize {
        for at in 0..BATCH {
            let packet = self.packets[at].as_mut_ptr();
            self.vectors[at] = libc::iovec { iov_base: packet.cast(), iov_len: BUFFER };
            let control = self.controls[at].as_mut_ptr();
            self.aim(at, control, CONTROL);
        }
        let (from, most) = (self.headers.as_mut_ptr(), BATCH as u32);
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: BATCH headers that `aim` pointed at names, controls, vectors and packets of self.
        let came =
            unsafe { libc::recvmmsg(socket.as_raw_fd(), from, most, flags as _, ptr::null_mut()) };
        usize::try_from(came).unwrap_or_default()
    }

    /// What came at a place of the last [`Wire::receive`].
    pub(crate) fn arrived(&self, at: usize) -> Arrived<'_> {
        let length = usize::try_from(self.headers[at].msg_len).unwrap_or_default().min(BUFFER);
        Arrived { packet: &self.packets[at][..length], at_ns: self.time(at) }
    }

    fn time(&self, at: usize) -> u64 {
        let header = &self.headers[at].msg_hdr;
        // SAFETY: the kernel wrote `msg_controllen` octets of control messages into our buffer.
        let first = unsafe { libc::CMSG_FIRSTHDR(header) };
        if first.is_null() {
            return now_ns();
        }
        // SAFETY: not null, so a whole header lies in the buffer, which is aligned to 8.
        let (level, kind) = unsafe { ((*first).cmsg_level, (*first).cmsg_type) };
        if (level, kind) != (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
            return now_ns();
        }
        // SAFETY: a control message of this kind holds a timespec.
        let time = unsafe { ptr::read_unaligned(libc::CMSG_DATA(first).cast::<libc::timespec>()) };
        nanoseconds(time)
    }

    fn aim(&mut self, at: usize, control: *mut u64, control_len: usize) {
        let header = &mut self.headers[at].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.names[at]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        header.msg_iov = ptr::from_mut(&mut self.vectors[at]);
        header.msg_iovlen = 1;
        header.msg_control = control.cast();
        header.msg_controllen = control_len;
        header.msg_flags = 0;
    }
}

/// A socket with room for what the generator leaves waiting, and times of arrival.
pub(crate) fn open(address: SocketAddrV4) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    let set = |option: libc::c_int, value: libc::c_int| {
        // SAFETY: `value` is an int and lives through the call.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                ptr::from_ref(&value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        }
    };
    // Refused without privileges: then the room is what the system allows.
    if set(libc::SO_RCVBUFFORCE, 32 << 20) != 0 {
        set(libc::SO_RCVBUF, 4 << 20);
    }
    set(libc::SO_SNDBUFFORCE, 8 << 20);
    set(libc::SO_TIMESTAMPNS, 1);
    Ok(socket)
}

/// The clock of packets' times of arrival.
pub(crate) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    nanoseconds(time)
}

fn nanoseconds(time: libc::timespec) -> u64 {
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or_default() * 1_000_000_000 + rest.unwrap_or_default()
}

/// Keeps this process, and what it starts, on one core.
pub(crate) fn pin(core: usize) {
    // SAFETY: all zeroes is an empty set; `set` lives through the calls.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// Stops a process that we started, or lets it go on.
pub(crate) fn signal(process: u32, signal: libc::c_int) {
    // SAFETY: no pointers.
    unsafe { libc::kill(process as libc::pid_t, signal) };
}

/// Lets this process, and what it starts, go before other programs of the machine.
///
/// The scheduler shares the machine among sessions first (`CONFIG_SCHED_AUTOGROUP`), so both the
/// session and the process are told.
pub(crate) fn prefer(nice: i32) {
    // Refused or not there: everything is as before.
    let _ = std::fs::write("/proc/self/autogroup", nice.to_string());
    // SAFETY: no pointers. If it is refused, everything is as before.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
}

/// The address of loopback.
pub(crate) const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
