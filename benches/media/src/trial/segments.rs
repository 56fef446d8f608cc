//! Runs of packets from one port to one address: one message for each, or one for the run, which the kernel
//! cuts into packets (UDP_SEGMENT), and on the other side each by itself or joined again (UDP_GRO).
//!
//! Loopback, one thread: what sending costs includes that the packets arrive.

use std::mem;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

use super::set;
use crate::Outcome;
use crate::relay::now;

/// Packets of one sendmmsg.
const BATCH: usize = 64;
const PACKET: usize = 172;
const RUNS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Phones that are sent to in turn.
const SINKS: usize = 64;
/// How long each way has its turn.
const TURN: Duration = Duration::from_millis(100);

/// How a run travels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Single,
    Segments,
    SegmentsJoined,
}

const WAYS: [Way; 3] = [Way::Single, Way::Segments, Way::SegmentsJoined];

/// CPU time and packets.
#[derive(Clone, Copy, Default)]
struct Spent {
    sending: Duration,
    receiving: Duration,
    packets: u64,
}

/// Measures all lengths of runs; the ways take turns, so that what else the machine does meets all of them.
pub(crate) fn measure(time: Duration) -> Outcome<()> {
    println!(
        "| run | each by itself: send, receive | UDP_SEGMENT: send, receive | and UDP_GRO: send, receive | ratio of the sums |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for run in RUNS {
        let mut spent = [Spent::default(); 3];
        let benches = WAYS.map(|way| Bench::new(way, run));
        let mut benches = benches.into_iter().collect::<Outcome<Vec<_>>>()?;
        let end = now() + time;
        while now() < end {
            for (bench, spent) in benches.iter_mut().zip(&mut spent) {
                let end = now() + TURN;
                while now() < end {
                    bench.pass(spent)?;
                }
            }
        }
        let each = |time: Duration, spent: &Spent| time.as_secs_f64() * 1e6 / spent.packets as f64;
        let cells = spent.map(|spent| {
            format!("{:.2}, {:.2}", each(spent.sending, &spent), each(spent.receiving, &spent))
        });
        let sums = spent.map(|spent| each(spent.sending + spent.receiving, &spent));
        let ratios = format!("{:.2}, {:.2}", sums[1] / sums[0], sums[2] / sums[0]);
        println!("| {run} | {} | {ratios} |", cells.join(" | "));
    }
    Ok(())
}

struct Bench {
    run: usize,
    from: UdpSocket,
    sinks: Vec<(UdpSocket, libc::sockaddr_in)>,
    next: usize,
    octets: Box<[u8]>,
    names: Box<[libc::sockaddr_in]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    heard: Box<[u8]>,
}

/// Octets of what one receive gives: a joined run is never longer.
const HEARD: usize = 1 << 16;

impl Bench {
    fn new(way: Way, run: usize) -> Outcome<Self> {
        let from = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let sink = || -> Outcome<(UdpSocket, libc::sockaddr_in)> {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true)?;
            if way == Way::SegmentsJoined {
                set(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, 1)?;
            }
            let SocketAddr::V4(local) = socket.local_addr()? else { return Err("IPv6".into()) };
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: local.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*local.ip()).to_be() },
                sin_zero: [0; 8],
            };
            Ok((socket, name))
        };
        let sinks = (0..SINKS).map(|_| sink()).collect::<Outcome<Vec<_>>>()?;
        let length = if way == Way::Single { PACKET } else { PACKET * run };
        if way != Way::Single {
            set(from.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, PACKET as libc::c_int)?;
        }
        let count = BATCH * PACKET / length;
        // SAFETY: all zeroes is a valid value of these plain structures.
        let (name, header): (libc::sockaddr_in, libc::mmsghdr) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: length };
        Ok(Self {
            run,
            from,
            sinks,
            next: 0,
            octets: vec![0x55; length].into_boxed_slice(),
            names: vec![name; count].into_boxed_slice(),
            vectors: vec![vector; count].into_boxed_slice(),
            headers: vec![header; count].into_boxed_slice(),
            heard: vec![0; HEARD].into_boxed_slice(),
        })
    }

    /// Sends [`BATCH`] packets in runs, and receives them.
    fn pass(&mut self, spent: &mut Spent) -> Outcome<()> {
        let runs = BATCH / self.run;
        let messages = self.headers.len();
        let octets = self.octets.as_mut_ptr();
        for at in 0..messages {
            let sink = (self.next + at * runs / messages) % SINKS;
            self.names[at] = self.sinks[sink].1;
            self.vectors[at].iov_base = octets.cast();
            let header = &mut self.headers[at].msg_hdr;
            header.msg_name = ptr::from_mut(&mut self.names[at]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_iov = ptr::from_mut(&mut self.vectors[at]);
            header.msg_iovlen = 1;
        }
        let start = cpu();
        let (fd, count) = (self.from.as_raw_fd(), messages as u32);
        // SAFETY: `count` headers that were just pointed at names, vectors and octets of self.
        let sent = unsafe { libc::sendmmsg(fd, self.headers.as_mut_ptr(), count, 0) };
        if usize::try_from(sent) != Ok(messages) {
            return Err(format!("sendmmsg: {}", std::io::Error::last_os_error()).into());
        }
        let middle = cpu();
        let mut came = 0;
        for at in 0..runs {
            let (socket, _) = &self.sinks[(self.next + at) % SINKS];
            while let Ok(length) = socket.recv(&mut self.heard) {
                came += length / PACKET;
                // The next one would say that there is none.
                if came >= (at + 1) * self.run {
                    break;
                }
            }
        }
        let end = cpu();
        if came != BATCH {
            return Err(format!("{came} packets of {BATCH} came").into());
        }
        self.next = (self.next + runs) % SINKS;
        spent.sending += middle - start;
        spent.receiving += end - middle;
        spent.packets += BATCH as u64;
        Ok(())
    }
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
