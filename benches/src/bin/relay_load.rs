//! CPU time of the media workers for each relayed packet, over loopback.
//!
//! `relay_load [streams] [seconds] [workers]`: connected pairs of streams, 50 packets of 172 octets a second
//! each, spread over the 20 ms. Only the workers' CPU time counts, not that of the generator.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media::rtp::{Header, RtpTime, Seq, Ssrc};
use media::{MediaConfig, MediaPlane, PayloadMap, Relay, RelayControl, StreamSpec};

/// Sockets that play all phones.
const PHONES: usize = 32;
/// The streams of a frame are sent in so many portions.
const PORTIONS: usize = 20;
const FRAME: Duration = Duration::from_millis(20);
const WARM_UP_FRAMES: u32 = 25;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<usize>());
    let (streams, seconds, workers) = (number(1_000)? & !1, number(5)?, number(1)?);
    let (mut relay, _notices) = Relay::start(MediaConfig { workers, ..MediaConfig::default() })?;
    let mut load = Load::new(&mut relay, streams)?;
    for _ in 0..WARM_UP_FRAMES {
        load.frame()?;
    }
    let (sent, heard, cpu, start) = (load.sent, load.heard, relay.cpu_time(), now());
    for _ in 0..seconds * 50 {
        load.frame()?;
    }
    let (sent, heard) = (load.sent - sent, load.heard - heard);
    let (cpu, elapsed) = (relay.cpu_time() - cpu, start.elapsed());
    println!(
        "streams {streams}  packets/s {:.0}  relayed {heard} of {sent}  \
         CPU {:.2} us/packet  workers busy {:.1} %",
        heard as f64 / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / heard as f64,
        cpu.as_secs_f64() * 100.0 / elapsed.as_secs_f64(),
    );
    Ok(())
}

struct Load {
    phones: Vec<UdpSocket>,
    /// The relay's port of each stream.
    ports: Vec<SocketAddr>,
    sequence: u16,
    next: Instant,
    sent: u64,
    heard: u64,
}

impl Load {
    fn new(relay: &mut RelayControl, streams: usize) -> Result<Self, Box<dyn Error>> {
        let mut phones = Vec::new();
        for _ in 0..PHONES {
            let phone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            phone.set_nonblocking(true)?;
            phones.push(phone);
        }
        let mut ports = Vec::new();
        let mut before = None;
        for stream in 0..streams {
            let made = relay.add(1)?;
            let remote = phones[stream % PHONES].local_addr()?;
            let accept = vec![8, 101];
            let spec = StreamSpec { remote: Some(remote), accept, ..StreamSpec::default() };
            relay.modify(made.id, 0, spec);
            ports.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), made.streams[0].rtp));
            before = match before {
                None => Some(made.id),
                Some(other) => {
                    let map = || PayloadMap::from(vec![(8, 8), (101, 101)]);
                    relay.connect((other, 0), (made.id, 0), map(), map());
                    None
                }
            };
        }
        Ok(Self { phones, ports, sequence: 0, next: now(), sent: 0, heard: 0 })
    }

    /// One packet on every stream, in the rhythm of 20 ms.
    fn frame(&mut self) -> Result<(), Box<dyn Error>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = [0xd5u8; 172];
        for portion in 0..PORTIONS {
            for (stream, port) in self.ports.iter().enumerate().skip(portion).step_by(PORTIONS) {
                let header = Header {
                    payload: 8,
                    is_marked: false,
                    sequence: Seq(self.sequence),
                    timestamp: RtpTime(u32::from(self.sequence) * 160),
                    ssrc: Ssrc(u32::try_from(stream)?),
                };
                header.write(&mut packet);
                self.phones[stream % PHONES].send_to(&packet, port)?;
                self.sent += 1;
            }
            self.next += FRAME / u32::try_from(PORTIONS)?;
            pause(self.next.saturating_duration_since(now()));
            let mut buffer = [0u8; 200];
            for phone in &self.phones {
                while phone.recv(&mut buffer).is_ok() {
                    self.heard += 1;
                }
            }
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a load generator has a rhythm")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a load generator has a rhythm")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
