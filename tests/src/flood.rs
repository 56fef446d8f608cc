//! A flood of SIP requests from loopback addresses: as many a second as is wanted, each a new one, and
//! what is answered.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Requests between two looks at the clock and at the answers.
const ROUND: u64 = 256;
/// How long it rests when it is ahead.
const TICK: Duration = Duration::from_millis(2);
/// Stands where each request has a number of its own.
const PLACE: &str = "################";

/// What came of a flood.
#[derive(Clone, Debug, Default)]
pub struct Poured {
    /// Requests sent.
    pub sent: u64,
    /// Final and provisional answers by status.
    pub answers: BTreeMap<u16, u64>,
    /// Of the answers with 503: how many named so many seconds.
    pub retry_after: BTreeMap<u64, u64>,
}

/// Sends INVITE, REGISTER and OPTIONS in turn until it is ended.
pub struct Flood {
    per_second: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Poured>,
}

struct Source {
    socket: UdpSocket,
    requests: Vec<(Vec<u8>, Vec<usize>)>,
}

impl Source {
    fn at(address: &str, switch: SocketAddr) -> Source {
        let socket = UdpSocket::bind((address, 0)).expect("a loopback address");
        socket.connect(switch).expect("a switch");
        socket.set_nonblocking(true).expect("a socket");
        let local = socket.local_addr().expect("bound");
        let methods = [
            ("INVITE", "sip:201@office.test"),
            ("REGISTER", "sip:office.test"),
            ("OPTIONS", "sip:201@office.test"),
        ];
        let requests = methods.map(|(method, uri)| request(method, uri, local)).into();
        Source { socket, requests }
    }

    fn send(&mut self, serial: u64) {
        let count = self.requests.len() as u64;
        let (octets, places) = &mut self.requests[(serial % count) as usize];
        let digits = format!("{serial:016x}");
        for place in places {
            octets[*place..*place + PLACE.len()].copy_from_slice(digits.as_bytes());
        }
        // What the kernel does not take is lost, as on a network.
        let _ = self.socket.send(octets);
    }

    fn hear(&self, buffer: &mut [u8], poured: &mut Poured) {
        while let Ok(length) = self.socket.recv(buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]);
            let status = text.get(8..11).and_then(|code| code.parse::<u16>().ok());
            let status = status.unwrap_or_default();
            *poured.answers.entry(status).or_default() += 1;
            if status == 503
                && let Some(rest) = text.split("Retry-After:").nth(1)
                && let Some(seconds) = rest.split_whitespace().next()
            {
                let seconds = seconds.parse().unwrap_or_default();
                *poured.retry_after.entry(seconds).or_default() += 1;
            }
        }
    }
}

/// A request, and where in it the number of its own stands.
fn request(method: &str, uri: &str, local: SocketAddr) -> (Vec<u8>, Vec<usize>) {
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{PLACE}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:201@office.test>;tag={PLACE}\r\nTo: <sip:201@office.test>\r\n\
         Call-ID: {PLACE}\r\nCSeq: 1 {method}\r\nContact: <sip:201@{local}>\r\nExpires: 300\r\n\
         User-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n"
    );
    let places = text.match_indices(PLACE).map(|(at, _)| at).collect();
    (text.into_bytes(), places)
}

impl Flood {
    /// Begins with so many requests a second in all, from these addresses in turn.
    pub fn begin(switch: SocketAddr, sources: &[String], per_second: u64) -> Flood {
        let mut sources: Vec<Source> =
            sources.iter().map(|source| Source::at(source, switch)).collect();
        let per_second = Arc::new(AtomicU64::new(per_second));
        let is_over = Arc::<AtomicBool>::default();
        let (rate, stop) = (Arc::clone(&per_second), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let mut poured = Poured::default();
            let mut buffer = vec![0; 65_536];
            let (mut then, mut due) = (Instant::now(), 0.0);
            while !stop.load(Ordering::Relaxed) {
                due += then.elapsed().as_secs_f64() * rate.load(Ordering::Relaxed) as f64;
                then = Instant::now();
                for _ in 0..(due as u64).min(ROUND) {
                    let index = (poured.sent / 3) as usize % sources.len();
                    sources[index].send(poured.sent);
                    poured.sent += 1;
                    due -= 1.0;
                }
                sources.iter().for_each(|source| source.hear(&mut buffer, &mut poured));
                if due < 1.0 {
                    std::thread::sleep(TICK);
                }
            }
            poured
        });
        Flood { per_second, is_over, thread }
    }

    /// Twice as many from now on.
    pub fn faster(&self) {
        self.per_second
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_mul(2))
            .ok();
    }

    /// Ends it; what came of it.
    pub fn end(self) -> Poured {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic in a flood")
    }
}
