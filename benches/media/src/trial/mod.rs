//! Relays that do the least a relay must, to compare ways to receive and to send: packets of all ports come
//! to one socket, led there as the media crate has them led, and leave by one raw socket with headers of our
//! own. There are no plans, no locks on sources, no counters but one. Nothing of this is in the product.

#![expect(unsafe_code, reason = "recvmmsg, sendmmsg, epoll, setsockopt, unshare")]

mod batch;
mod packet;
pub(crate) mod segments;
mod uring;

use std::io::{BufRead, Write, stdin, stdout};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fastpath::Steering;
use socket2::{Domain, Protocol, Socket, Type};

use crate::Outcome;

/// Ports of the first trial, and of each: below those that the relays of the same run have.
const FIRST_PORT: u16 = 1_100;
const PORTS_EACH: u16 = 2_000;
const BUFFER: libc::c_int = 16 << 20;
/// How long the kernel may look for packets itself, in microseconds, where it is asked to.
const BUSY_POLL_US: libc::c_int = 50;

/// A way to receive and to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trial {
    /// epoll, recvmmsg, sendmmsg: what the media crate does.
    Batch,
    /// recvmmsg that waits itself, sendmmsg.
    WaitForOne,
    /// recvmmsg again and again, sendmmsg.
    Spin,
    /// epoll with SO_BUSY_POLL.
    BusyPoll,
    /// io_uring: multishot recvmsg into a ring of buffers, a send request for each packet.
    Uring,
}

impl Trial {
    const ALL: [(Trial, &'static str, &'static str); 5] = [
        (Trial::Batch, "batch", "trial: epoll, recvmmsg, sendmmsg"),
        (Trial::WaitForOne, "wait-for-one", "trial: recvmmsg waits, sendmmsg"),
        (Trial::Spin, "spin", "trial: recvmmsg spins, sendmmsg"),
        (Trial::BusyPoll, "busy-poll", "trial: SO_BUSY_POLL, epoll, recvmmsg, sendmmsg"),
        (Trial::Uring, "io-uring", "trial: io_uring, multishot receive, send"),
    ];

    /// Those that a word on the command line means; the first one is what the others are compared with.
    pub(crate) fn named(word: &str) -> Outcome<Vec<Trial>> {
        let wanted = |way: &str| way == word || word == "all" || way == "batch";
        let found: Vec<_> =
            Self::ALL.iter().filter(|(_, way, _)| wanted(way)).map(|(trial, ..)| *trial).collect();
        let is_known = word == "all" || Self::ALL.iter().any(|(_, way, _)| *way == word);
        if is_known { Ok(found) } else { Err(format!("there is no trial {word}").into()) }
    }

    fn number(self) -> usize {
        Self::ALL.iter().position(|(trial, ..)| *trial == self).unwrap_or_default()
    }

    /// The word for it.
    pub(crate) fn way(self) -> &'static str {
        Self::ALL[self.number()].1
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL[self.number()].2
    }
}

/// Where packets that come to each port go, and from which port.
pub(crate) struct Ways {
    address: Ipv4Addr,
    places: Box<[AtomicU64]>,
    /// Packets that came.
    pub(crate) received: AtomicU64,
}

impl Ways {
    fn new(address: Ipv4Addr) -> Self {
        let places = (0..=u16::MAX).map(|_| AtomicU64::new(0)).collect();
        Self { address, places, received: AtomicU64::new(0) }
    }

    fn set(&self, port: u16, to: SocketAddrV4, from: u16) {
        let to = u64::from(u32::from(*to.ip())) << 32 | u64::from(to.port()) << 16;
        self.places[usize::from(port)].store(to | u64::from(from), Ordering::Release);
    }

    /// From where to where a packet goes on that came to a port.
    pub(crate) fn get(&self, port: u16) -> Option<(SocketAddrV4, SocketAddrV4)> {
        let place = self.places[usize::from(port)].load(Ordering::Acquire);
        let to = SocketAddrV4::new(Ipv4Addr::from((place >> 32) as u32), (place >> 16) as u16);
        (place != 0).then(|| (SocketAddrV4::new(self.address, place as u16), to))
    }
}

/// What a trial's thread works with.
pub(crate) struct Sockets {
    /// Receives for all ports.
    pub(crate) shared: UdpSocket,
    /// Sends from any port.
    pub(crate) raw: Socket,
    pub(crate) ways: Arc<Ways>,
}

/// A network namespace of its own for this process and what it starts: a port that is steered is taken from
/// whoever else has it.
pub(crate) fn keep_apart() -> Outcome<()> {
    // SAFETY: no pointers.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return Err(format!("a network namespace: {}", std::io::Error::last_os_error()).into());
    }
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    if status.success() { Ok(()) } else { Err("loopback does not come up".into()) }
}

/// Serves as `relay::serve` does, until its input ends.
pub(crate) fn serve(address: Ipv4Addr, way: &str) -> Outcome<()> {
    let known = Trial::ALL.iter().find(|(_, known, _)| *known == way);
    let (trial, ..) = *known.ok_or("no such trial")?;
    let shared = UdpSocket::bind((address, 0))?;
    // io_uring waits for what does not come at once only where the socket may.
    shared.set_nonblocking(!matches!(trial, Trial::Uring | Trial::WaitForOne))?;
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    raw.set_nonblocking(true)?;
    set(shared.as_raw_fd(), libc::SOL_IP, libc::IP_RECVORIGDSTADDR, 1)?;
    set(shared.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, BUFFER)?;
    set(raw.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, BUFFER)?;
    if trial == Trial::BusyPoll {
        set(shared.as_raw_fd(), libc::SOL_SOCKET, libc::SO_BUSY_POLL, BUSY_POLL_US)?;
    }
    let steering = Steering::open(address, &[&shared])?;
    let ways = Arc::new(Ways::new(address));
    let sockets = Sockets { shared, raw, ways: Arc::clone(&ways) };
    std::thread::spawn(move || {
        let ended = match trial {
            Trial::Uring => uring::run(&sockets),
            _ => batch::run(&sockets, trial),
        };
        // It never ends by itself.
        if let Err(error) = ended {
            eprintln!("{}: {error}", trial.name());
            std::process::exit(1);
        }
    });
    let first = FIRST_PORT + PORTS_EACH * trial.number() as u16;
    let mut ports = (first..first + PORTS_EACH).step_by(2);
    let mut output = stdout().lock();
    writeln!(output, "ready {address}")?;
    for line in stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["call", a, b] => {
                let (one, other) = ports.next().zip(ports.next()).ok_or("no more ports")?;
                ways.set(one, b.parse()?, other);
                ways.set(other, a.parse()?, one);
                steering.point(one, 0);
                steering.point(other, 0);
                writeln!(output, "{one} {other}")?;
            }
            ["count"] => {
                writeln!(output, "{} 0 0 0 0", ways.received.load(Ordering::Relaxed))?;
            }
            _ => return Err(format!("{line} is unknown").into()),
        }
    }
    Ok(())
}

/// Sets a socket's number.
pub(crate) fn set(
    fd: i32,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> std::io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is an int, `length` says so, and it lives through the call.
    let done = unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), length) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
