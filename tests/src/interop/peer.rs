//! Raw sockets: a SIP peer that sends whatever text it is told to, and an RTP end.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::program::{PATIENCE, Program};

/// How long a socket is read before somebody else gets a turn.
const TURN: Duration = Duration::from_millis(20);

/// A UDP socket that speaks SIP as text.
pub struct Peer {
    socket: UdpSocket,
    switch: SocketAddr,
}

impl Peer {
    /// A socket of its own.
    pub fn new(program: &Program) -> Peer {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        socket.set_read_timeout(Some(TURN)).expect("a timeout");
        Peer { socket, switch: program.sip }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("a bound socket has an address").port()
    }

    /// Sends bytes as they are.
    pub fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.switch).expect("loopback takes datagrams");
    }

    /// Sends a request: its first line and header fields, one on each line.
    pub fn request(&self, head: &str) {
        let text = format!("{}\nContent-Length: 0\n\n", head.trim());
        self.send(text.replace('\n', "\r\n").as_bytes());
    }

    /// The next message, if one comes at once.
    pub fn poll(&self) -> Option<String> {
        let mut buffer = vec![0; 65_536];
        let (length, _) = self.socket.recv_from(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(String::from_utf8_lossy(&buffer).replace('\r', ""))
    }

    /// The next message that begins so; others are skipped.
    pub fn wait(&self, start: &str) -> String {
        let begun = Instant::now();
        let mut skipped = Vec::new();
        while begun.elapsed() < PATIENCE {
            match self.poll() {
                Some(text) if text.starts_with(start) => return text,
                other => skipped.extend(other),
            }
        }
        panic!("no {start}, only {skipped:#?}");
    }

    /// Sends an OPTIONS to the switch itself and waits for its answer: messages sent before have
    /// been read by then. Answers what came before the answer.
    pub fn assert_alive(&self) -> Vec<String> {
        let port = self.port();
        let begun = Instant::now();
        let mut others = Vec::new();
        while begun.elapsed() < PATIENCE {
            let branch = begun.elapsed().as_nanos();
            self.request(&format!(
                "OPTIONS sip:{} SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-a{branch}\n\
                 From: <sip:probe@office.test>;tag=probe\nTo: <sip:{}>\nCall-ID: alive-{branch}\n\
                 CSeq: 1 OPTIONS\nMax-Forwards: 70",
                self.switch, self.switch
            ));
            let turn = Instant::now();
            while turn.elapsed() < Duration::from_secs(1) {
                match self.poll() {
                    Some(text) if text.contains("\nCall-ID: alive-") => return others,
                    other => others.extend(other),
                }
            }
        }
        panic!("the switch does not answer OPTIONS any more; it said {others:#?}");
    }
}

/// An RTP end: sends and counts.
pub struct Audio {
    socket: UdpSocket,
    sequence: u16,
    /// Payload types in the order in which packets came.
    pub heard: Vec<u8>,
    /// Payloads that came, with their marker octet first.
    pub packets: Vec<Vec<u8>>,
}

impl Default for Audio {
    fn default() -> Audio {
        Audio::new()
    }
}

impl Audio {
    /// A socket of its own.
    pub fn new() -> Audio {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        socket.set_read_timeout(Some(TURN)).expect("a timeout");
        Audio { socket, sequence: 1, heard: Vec::new(), packets: Vec::new() }
    }

    /// The port for the SDP.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("a bound socket has an address").port()
    }

    /// Sends a packet to a port of the relay.
    pub fn send(&mut self, to: u16, payload_type: u8, has_marker: bool, payload: &[u8]) {
        let mut packet = vec![0x80, payload_type | if has_marker { 0x80 } else { 0 }];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend_from_slice(&u32::from(self.port()).to_be_bytes());
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send_to(&packet, (Ipv4Addr::LOCALHOST, to)).expect("loopback takes datagrams");
    }

    /// Takes what has come, until nothing comes for a moment: not while somebody talks all the time.
    pub fn listen(&mut self) {
        while self.hear() {}
    }

    /// Takes the next packet; false where none comes for a moment.
    pub fn hear(&mut self) -> bool {
        let mut buffer = [0; 2048];
        let Ok((length, _)) = self.socket.recv_from(&mut buffer) else {
            return false;
        };
        if length >= 12 {
            self.heard.push(buffer[1] & 0x7f);
            let mut packet = vec![buffer[1]];
            packet.extend_from_slice(&buffer[12..length]);
            self.packets.push(packet);
        }
        true
    }

    /// Whether a packet with this payload has come.
    pub fn has_heard(&self, payload: &[u8]) -> bool {
        self.packets.iter().any(|packet| packet.get(1..) == Some(payload))
    }
}

/// The relay's port toward a line.
pub fn relay_port(program: &Program, line: &str) -> u16 {
    let port_of = |answer: &serde_json::Value| {
        let rows = answer["items"].as_array()?;
        let row = rows.iter().find(|row| row["line"] == line && row["stream"] == 0)?;
        u16::try_from(row["port"].as_u64()?).ok()
    };
    let answer = program.until("/api/v1/media", |answer| port_of(answer).is_some());
    port_of(&answer).expect("just seen")
}

/// Both sides speak PCMU until each has heard what the other says now.
pub fn hear_each_other(program: &Program, a: (&str, &mut Audio), b: (&str, &mut Audio)) {
    let (to_a, to_b) = (relay_port(program, a.0), relay_port(program, b.0));
    let (a, b) = (a.1, b.1);
    a.packets.clear();
    b.packets.clear();
    let (from_a, from_b) = ([0x5a; 160], [0x3c; 160]);
    let begun = Instant::now();
    while !(a.has_heard(&from_b) && b.has_heard(&from_a)) {
        assert!(begun.elapsed() < PATIENCE, "no audio: {}", program.get("/api/v1/media").1);
        a.send(to_a, 0, false, &from_a);
        b.send(to_b, 0, false, &from_b);
        a.listen();
        b.listen();
    }
}
