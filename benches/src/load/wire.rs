//! The phones on a real socket.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{now, rest};
use crate::phones::{Phones, PhonesConfig, Tally};
use crate::rig::DOMAIN;

/// Kernel buffer of each socket; the system's own maximum applies.
const BUFFER_BYTES: usize = 4 << 20;
/// Datagrams taken before new jobs get their turn.
const BATCH: usize = 64;
/// How long an idle generator leaves the CPU to the switch.
const NAP: Duration = Duration::from_micros(100);
/// How often unanswered requests are looked for.
const TICK: Duration = Duration::from_millis(50);
/// How long jobs may take to end when nothing new begins.
const PATIENCE: Duration = Duration::from_secs(20);

/// All phones behind one socket.
pub(crate) struct Wire {
    socket: UdpSocket,
    buffer: Vec<u8>,
    start: Instant,
    next_tick: Instant,
    pub(crate) phones: Phones,
}

/// Opens a socket on loopback with large buffers.
pub(crate) fn open() -> Result<UdpSocket, Box<dyn Error>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    // Smaller buffers still work.
    let _ = SockRef::from(&socket).set_recv_buffer_size(BUFFER_BYTES);
    let _ = SockRef::from(&socket).set_send_buffer_size(BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl Wire {
    pub(crate) fn new(
        switch: SocketAddr,
        lines: usize,
        media: Vec<u16>,
    ) -> Result<Wire, Box<dyn Error>> {
        let socket = open()?;
        socket.connect(switch)?;
        let address = socket.local_addr()?;
        let domain = DOMAIN.to_owned();
        let phones = Phones::new(PhonesConfig { domain, address, lines, media });
        let start = now();
        Ok(Wire { socket, buffer: vec![0; 65_536], start, next_tick: start, phones })
    }

    /// Begins something: `begin` gets the phones, the time and the way to the switch.
    pub(crate) fn begin<T>(
        &mut self,
        begin: impl FnOnce(&mut Phones, u64, crate::phones::Send<'_>) -> T,
    ) -> T {
        let now_us = self.now_us();
        let socket = &self.socket;
        begin(&mut self.phones, now_us, &mut |text| send(socket, text))
    }

    /// Takes what has arrived, or rests a little.
    pub(crate) fn step(&mut self) -> Result<(), Box<dyn Error>> {
        let mut taken = 0;
        while taken < BATCH {
            let length = match self.socket.recv(&mut self.buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("the switch is gone: {error}").into()),
            };
            taken += 1;
            let now_us = self.now_us();
            let datagram = self.buffer.get(..length).unwrap_or_default();
            let socket = &self.socket;
            self.phones.receive(now_us, datagram, &mut |text| send(socket, text));
        }
        let time = now();
        if time >= self.next_tick {
            self.next_tick = time + TICK;
            self.begin(|phones, now_us, send| phones.tick(now_us, send));
        }
        if taken == 0 {
            rest(NAP);
        }
        Ok(())
    }

    /// Lets the jobs that are under way end; false if some do not.
    pub(crate) fn settle(&mut self) -> Result<bool, Box<dyn Error>> {
        let limit = now() + PATIENCE;
        while self.phones.busy() > 0 {
            if now() > limit {
                return Ok(false);
            }
            self.step()?;
        }
        Ok(true)
    }

    /// What has become of the jobs since the last time.
    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.phones.tally)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

fn send(socket: &UdpSocket, text: &[u8]) {
    // What cannot be sent is lost like any datagram, and repeated.
    let _ = socket.send(text);
}
