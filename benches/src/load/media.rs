//! Media: 50 packets a second in each direction of every call that is up.

use std::collections::HashMap;
use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::phase::Bench;
use super::report::Report;
use super::wire::open;
use super::{now, rest};

/// Sockets that all phones share for RTP.
const SOCKETS: usize = 32;
/// What one packet lasts, and how many portions its calls are spread over.
const FRAME: Duration = Duration::from_millis(20);
const PORTIONS: u32 = 20;
/// Frames before counting begins, and how long the last packets may take.
const WARM_UP_FRAMES: u32 = 50;
const LAST_PACKETS: Duration = Duration::from_millis(200);
/// Header and 20 ms of G.711.
const PACKET: usize = 12 + 160;

/// The phones' RTP sockets.
pub(super) struct Sockets(Vec<UdpSocket>);

/// One direction of a call.
struct Talker {
    socket: usize,
    relay: SocketAddr,
    /// The port at which its packets have to arrive.
    heard_at: u16,
}

/// What was sent and heard.
#[derive(Default)]
struct Count {
    sent: u64,
    heard: u64,
    strayed: u64,
}

impl Sockets {
    pub(super) fn open() -> Result<Sockets, Box<dyn Error>> {
        (0..SOCKETS).map(|_| open()).collect::<Result<_, _>>().map(Sockets)
    }

    pub(super) fn ports(&self) -> Result<Vec<u16>, Box<dyn Error>> {
        let ports = self.0.iter().map(|socket| Ok(socket.local_addr()?.port()));
        ports.collect()
    }

    /// Takes all packets that have arrived; the number of its talker is in each.
    fn hear(&self, talkers: &[Talker], count: &mut Count) -> Result<(), Box<dyn Error>> {
        let mut buffer = [0u8; 2048];
        for socket in &self.0 {
            let port = socket.local_addr()?.port();
            while let Ok(length) = socket.recv(&mut buffer) {
                let talker = buffer.get(12..16).and_then(|octets| octets.try_into().ok());
                let talker = talker.map(u32::from_be_bytes).and_then(|n| usize::try_from(n).ok());
                let talker = talker.and_then(|talker| talkers.get(talker));
                if length == PACKET && talker.is_some_and(|talker| talker.heard_at == port) {
                    count.heard += 1;
                } else if length == PACKET {
                    count.strayed += 1;
                }
            }
        }
        Ok(())
    }
}

impl Bench<'_> {
    pub(super) fn media(&mut self, report: &mut Report) -> Result<(), Box<dyn Error>> {
        let (slots, tally) = self.put_up(self.options.streams)?;
        let ports = self.sockets.ports()?;
        let by_port: HashMap<u16, usize> =
            ports.iter().enumerate().map(|(index, port)| (*port, index)).collect();
        let mut talkers = Vec::new();
        for media in slots.iter().filter_map(|slot| self.wire.phones.media(*slot)) {
            let directions = [
                (media.caller_port, media.caller, media.called_port),
                (media.called_port, media.called, media.caller_port),
            ];
            for (own, relay, heard_at) in directions {
                let socket = by_port.get(&own).copied().unwrap_or(0);
                talkers.push(Talker { socket, relay, heard_at });
            }
        }
        let mut sequence = 0u16;
        self.talk(&talkers, WARM_UP_FRAMES, &mut sequence)?;
        let frames = u32::try_from(self.options.time.as_millis() / FRAME.as_millis())?;
        let (before, start) = (self.switch.cpu()?, now());
        let count = self.talk(&talkers, frames, &mut sequence)?;
        let elapsed = start.elapsed().as_secs_f64();
        let cpu = self.switch.cpu()?.since(&before);
        let heard = count.heard.max(1) as f64;
        let lost = count.sent.saturating_sub(count.heard) as f64 * 100.0 / count.sent.max(1) as f64;
        report.row(
            &format!("relayed RTP, {} calls", talkers.len() / 2),
            &format!("{:.0} packets/s, {lost:.3} % lost", heard / elapsed),
            &format!(
                "{:.2} us CPU a packet (all threads {:.2})",
                cpu.of("media").as_secs_f64() * 1e6 / heard,
                cpu.total().as_secs_f64() * 1e6 / heard,
            ),
        );
        if count.strayed > 0 {
            report.fault(format!("{} packets came to another phone", count.strayed));
        }
        let ended = self.hang_up(slots)?;
        for fault in [tally.fault, ended.fault].into_iter().flatten() {
            report.fault(format!("calls with media: {fault}"));
        }
        Ok(())
    }

    fn talk(
        &mut self,
        talkers: &[Talker],
        frames: u32,
        sequence: &mut u16,
    ) -> Result<Count, Box<dyn Error>> {
        let mut count = Count::default();
        let mut next = now();
        for _ in 0..frames {
            *sequence = sequence.wrapping_add(1);
            for portion in 0..PORTIONS as usize {
                let part = talkers.iter().enumerate().skip(portion).step_by(PORTIONS as usize);
                for (number, talker) in part {
                    let packet = packet(u32::try_from(number)?, *sequence);
                    if let Some(socket) = self.sockets.0.get(talker.socket)
                        && socket.send_to(&packet, talker.relay).is_ok()
                    {
                        count.sent += 1;
                    }
                }
                next += FRAME / PORTIONS;
                rest(next.saturating_duration_since(now()));
                self.sockets.hear(talkers, &mut count)?;
            }
        }
        let end = now() + LAST_PACKETS;
        while count.heard < count.sent && now() < end {
            rest(FRAME / PORTIONS);
            self.sockets.hear(talkers, &mut count)?;
        }
        Ok(count)
    }
}

/// PCMA; the talker's number stands in the source and in the first octets of the sound.
fn packet(talker: u32, sequence: u16) -> [u8; PACKET] {
    let mut packet = [0xd5u8; PACKET];
    let timestamp = u32::from(sequence) * 160;
    let [source, time] = [talker.to_be_bytes(), timestamp.to_be_bytes()];
    let [s0, s1] = sequence.to_be_bytes();
    let head = [[0x80, 8, s0, s1], time, source, source].concat();
    if let Some(start) = packet.get_mut(..head.len()) {
        start.copy_from_slice(&head);
    }
    packet
}
