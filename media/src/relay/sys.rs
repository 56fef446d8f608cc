//! The system calls that the standard library does not offer: epoll, eventfd, limits, CPU clocks.

#![expect(unsafe_code, reason = "libc calls")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Events taken by one wait.
const EVENTS_MAX: usize = 256;

/// An epoll instance with its event buffer.
pub(super) struct Poller {
    epoll: OwnedFd,
    events: Box<[libc::epoll_event]>,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: fd was just created and belongs to nobody else.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX];
        Ok(Self { epoll, events: events.into_boxed_slice() })
    }

    /// Tells of a descriptor as long as something is left to be read.
    pub(super) fn add(&self, fd: RawFd, data: u64) -> io::Result<()> {
        self.watch(fd, libc::EPOLLIN, data)
    }

    /// Tells of a descriptor when something comes, not of what is left: the kernel looks at it half
    /// as often.
    pub(super) fn add_edge(&self, fd: RawFd, data: u64) -> io::Result<()> {
        self.watch(fd, libc::EPOLLIN | libc::EPOLLET, data)
    }

    fn watch(&self, fd: RawFd, events: libc::c_int, data: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: data };
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: `event` lives through the call; epoll copies it.
        check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) }).map(drop)
    }

    pub(super) fn remove(&self, fd: RawFd) -> io::Result<()> {
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: EPOLL_CTL_DEL ignores the event pointer.
        let result =
            unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut()) };
        check(result).map(drop)
    }

    /// Waits for events; returns how many there are, none after the timeout or a signal.
    pub(super) fn wait(&mut self, timeout_ms: i32) -> usize {
        let epoll = self.epoll.as_raw_fd();
        let length = i32::try_from(self.events.len()).unwrap_or(i32::MAX);
        // SAFETY: the buffer holds `length` events and outlives the call.
        let count =
            unsafe { libc::epoll_wait(epoll, self.events.as_mut_ptr(), length, timeout_ms) };
        usize::try_from(count).unwrap_or_default()
    }

    /// The data of event `index` of the last wait.
    pub(super) fn event(&self, index: usize) -> Option<u64> {
        self.events.get(index).map(|event| event.u64)
    }
}

/// Wakes a worker out of its wait.
pub(super) struct Waker(File);

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: fd was just created and belongs to nobody else.
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    pub(super) fn wake(&self) {
        // It fails only when 2^64 - 2 wakes are pending: the worker is awake then.
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    pub(super) fn clear(&self) {
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Lets the process open as many descriptors as its hard limit allows.
pub(super) fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the result.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is initialised. If it is refused, the old limit stays.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// CPU time of a thread that was not joined yet.
pub(super) fn thread_cpu_time(thread: libc::pthread_t) -> Option<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the caller still holds the thread's join handle, so the id is valid.
    if unsafe { libc::pthread_getcpuclockid(thread, &raw mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    let (seconds, nanos) = (u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?);
    Some(Duration::new(seconds, nanos))
}

/// CPU time of the calling thread in microseconds.
pub(super) fn own_cpu_us() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result. If there is no such clock it stays 0.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or_default() * 1_000_000 + nanos.unwrap_or_default() / 1_000
}

/// Room for an address of either family.
pub(super) fn empty_name() -> libc::sockaddr_storage {
    // SAFETY: all zeroes is a valid sockaddr_storage (family AF_UNSPEC).
    unsafe { mem::zeroed() }
}

/// Reads an address that the kernel wrote. IPv4 in IPv6 becomes IPv4.
pub(super) fn read_name(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says sockaddr_in; a sockaddr_storage is larger and aligned for it.
            let v4 = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(ip.into(), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says sockaddr_in6; a sockaddr_storage is larger and aligned for it.
            let v6 = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(ip.to_canonical(), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

/// Writes an address for a socket of the given family; returns its length, or `None` if such a
/// socket cannot send there.
pub(super) fn write_name(
    name: &mut libc::sockaddr_storage,
    address: SocketAddr,
    is_v6_socket: bool,
) -> Option<libc::socklen_t> {
    let (ip, port) = (address.ip(), address.port());
    *name = empty_name();
    let length = if is_v6_socket {
        let ip = match ip {
            std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            std::net::IpAddr::V6(ip) => ip,
        };
        // SAFETY: a sockaddr_storage is larger than a sockaddr_in6 and aligned for it.
        let v6 = unsafe { &mut *std::ptr::from_mut(name).cast::<libc::sockaddr_in6>() };
        v6.sin6_family = libc::sa_family_t::try_from(libc::AF_INET6).ok()?;
        v6.sin6_port = port.to_be();
        v6.sin6_addr.s6_addr = ip.octets();
        size_of::<libc::sockaddr_in6>()
    } else {
        let std::net::IpAddr::V4(ip) = ip else { return None };
        // SAFETY: a sockaddr_storage is larger than a sockaddr_in and aligned for it.
        let v4 = unsafe { &mut *std::ptr::from_mut(name).cast::<libc::sockaddr_in>() };
        v4.sin_family = libc::sa_family_t::try_from(libc::AF_INET).ok()?;
        v4.sin_port = port.to_be();
        v4.sin_addr.s_addr = ip.to_bits().to_be();
        size_of::<libc::sockaddr_in>()
    };
    libc::socklen_t::try_from(length).ok()
}

/// Asks for each datagram's destination, port included, to be told with it.
pub(super) fn receive_destinations(fd: RawFd) -> io::Result<()> {
    set_number(fd, libc::SOL_IP, libc::IP_RECVORIGDSTADDR, 1)
}

/// Octets of control messages for one datagram: more than an address takes.
pub(super) const CONTROL_LEN: usize = 64;
/// Room for them, aligned as they want it.
pub(super) type Control = [u64; CONTROL_LEN / 8];

/// The port that a datagram was sent to, as [`receive_destinations`] has it told.
pub(super) fn read_destination(header: &libc::msghdr) -> Option<u16> {
    // SAFETY: control and its length are those that the kernel filled in, or null and 0.
    let first = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
    if (first.cmsg_level, first.cmsg_type) != (libc::SOL_IP, libc::IP_ORIGDSTADDR) {
        return None;
    }
    // SAFETY: a message of this kind holds a sockaddr_in, wherever it lies.
    let name: libc::sockaddr_in =
        unsafe { std::ptr::read_unaligned(libc::CMSG_DATA(first).cast_const().cast()) };
    Some(u16::from_be(name.sin_port))
}

/// Gives a receiving and a sending socket room; gives how much the receiving one has.
pub(super) fn set_buffers(receiving: RawFd, sending: RawFd, octets: usize) -> usize {
    let octets = libc::c_int::try_from(octets).unwrap_or(libc::c_int::MAX);
    for (fd, force, plain) in [
        (receiving, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (sending, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        if set_number(fd, libc::SOL_SOCKET, force, octets).is_err() {
            // What the system allows everybody; the caller looks at what came of it.
            let _ = set_number(fd, libc::SOL_SOCKET, plain, octets);
        }
    }
    let mut given: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or_default();
    let place = (&raw mut given).cast();
    // SAFETY: `given` is an int, `length` says so, both live through the call.
    let result = unsafe {
        libc::getsockopt(receiving, libc::SOL_SOCKET, libc::SO_RCVBUF, place, &raw mut length)
    };
    if result == 0 { usize::try_from(given).unwrap_or_default() } else { 0 }
}

fn set_number(fd: RawFd, level: i32, option: i32, value: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or_default();
    // SAFETY: `value` is an int, `length` says so, and it lives through the call.
    check(unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), length) })
        .map(drop)
}

/// Locks a range of a file for this very opening of it; AddrInUse if somebody else has locked part.
pub(super) fn lock_range(file: &File, start: u64, length: u64) -> io::Result<()> {
    set_lock(file, &range(libc::F_WRLCK, start, length)).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::AddrInUse.into(),
        _ => error,
    })
}

/// Ends what [`lock_range`] began.
pub(super) fn unlock_range(file: &File, start: u64, length: u64) {
    // It fails only for want of kernel memory; the range stays locked until the file is closed.
    let _ = set_lock(file, &range(libc::F_UNLCK, start, length));
}

fn set_lock(file: &File, lock: &libc::flock) -> io::Result<()> {
    let lock = std::ptr::from_ref(lock);
    // SAFETY: `lock` is initialised and lives through the call.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, lock) }).map(drop)
}

/// Whether somebody else has locked part of a range.
pub(super) fn is_locked(file: &File, start: u64, length: u64) -> bool {
    let mut lock = range(libc::F_RDLCK, start, length);
    // SAFETY: `lock` is initialised, may be written, and lives through the call.
    let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    asked == 0 && i32::from(lock.l_type) != libc::F_UNLCK
}

fn range(kind: libc::c_int, start: u64, length: u64) -> libc::flock {
    // SAFETY: all zeroes is a valid flock; open file description locks want the process to be 0.
    let mut lock: libc::flock = unsafe { mem::zeroed() };
    lock.l_type = libc::c_short::try_from(kind).unwrap_or_default();
    lock.l_whence = libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default();
    lock.l_start = i64::try_from(start).unwrap_or(i64::MAX);
    lock.l_len = i64::try_from(length).unwrap_or(1);
    lock
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_both_families() {
        let mut name = empty_name();
        assert_eq!(read_name(&name), None);
        for (text, is_v6) in
            [("192.0.2.7:4000", false), ("192.0.2.7:4000", true), ("[2001:db8::7]:65535", true)]
        {
            let address: SocketAddr = text.parse().unwrap();
            assert!(write_name(&mut name, address, is_v6).is_some());
            assert_eq!(read_name(&name), Some(address));
        }
        assert_eq!(write_name(&mut name, "[2001:db8::7]:1".parse().unwrap(), false), None);
    }

    #[test]
    fn a_wake_is_seen_until_cleared() {
        let waker = Waker::new().unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(waker.as_raw_fd(), 7).unwrap();
        assert_eq!(poller.wait(0), 0);
        waker.wake();
        assert_eq!((poller.wait(0), poller.event(0)), (1, Some(7)));
        waker.clear();
        assert_eq!(poller.wait(0), 0);
        poller.remove(waker.as_raw_fd()).unwrap();
    }
}
