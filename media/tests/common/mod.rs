//! A relay on loopback and phones that talk through it.

#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]

mod ports;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use media::rtcp;
use media::rtp::{Header, RtpTime, Seq, Ssrc};
use media::srtp::{Keys, Material, OVERHEAD_MAX, Opener, Sealer, Suite};
use media::{
    MediaConfig, MediaPlane, Notify, PayloadMap, PortSteering, Relay, RelayControl, StreamPorts,
    StreamSpec, TerminationId,
};

pub(crate) use ports::draw;

/// Longer than anything here takes, even on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn relay(ports: RangeInclusive<u16>) -> (RelayControl, Receiver<Notify>) {
    relay_of(MediaConfig { ports, quarantine: Duration::ZERO, ..MediaConfig::default() })
}

/// A relay that reports to those who hear what it makes every so many milliseconds.
pub(crate) fn reporting(every_ms: u64) -> (RelayControl, Receiver<Notify>) {
    let report_interval = Duration::from_millis(every_ms);
    let quarantine = Duration::ZERO;
    relay_of(MediaConfig { ports: draw(64), quarantine, report_interval, ..MediaConfig::default() })
}

/// A report that the relay has made: a sender report with a block or none, and a source description.
#[derive(Debug)]
pub(crate) struct Made {
    words: Vec<u32>,
    has_block: bool,
    pub(crate) name: String,
}

impl Made {
    pub(crate) fn read(packet: &[u8]) -> Self {
        assert!(rtcp::is_well_formed(packet), "{packet:?}");
        let has_block = packet[0] == 0x81;
        let names = &packet[if has_block { 52 } else { 28 }..];
        assert_eq!((packet[1], names[1], names[0]), (rtcp::SR, rtcp::SDES, 0x81));
        assert_eq!((&names[4..8], names[8], names[9]), (&packet[4..8], 1, 16), "its CNAME");
        let name = std::str::from_utf8(&names[10..26]).unwrap().to_owned();
        let words = packet.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
        Self { words: words.collect(), has_block, name }
    }

    pub(crate) fn ssrc(&self) -> u32 {
        self.words[1]
    }

    pub(crate) fn ntp_middle(&self) -> u32 {
        self.words[2] << 16 | self.words[3] >> 16
    }

    pub(crate) fn timestamp(&self) -> u32 {
        self.words[4]
    }

    /// Packets and octets.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.words[5], self.words[6])
    }

    /// Whom it is about, fraction and number of lost packets, highest number, jitter, LSR, DLSR.
    pub(crate) fn block(&self) -> Option<[u32; 6]> {
        self.has_block.then(|| self.words[7..13].try_into().unwrap())
    }
}

/// With `BOUND` in the environment each port has a socket of its own, as it is without privileges.
pub(crate) fn relay_of(mut config: MediaConfig) -> (RelayControl, Receiver<Notify>) {
    if std::env::var_os("BOUND").is_some() {
        config.port_steering = PortSteering::Off;
    }
    Relay::start(config).unwrap()
}

/// Asks again and again until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let (_sender, nothing) = channel::<()>();
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        let _ = nothing.recv_timeout(Duration::from_millis(1));
    }
    panic!("never came: {what}");
}

/// A party with its media and RTCP sockets.
pub(crate) struct Phone {
    pub(crate) media: UdpSocket,
    pub(crate) control: UdpSocket,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
}

impl Phone {
    pub(crate) fn new(ssrc: u32) -> Self {
        let socket = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        Self { media: socket(), control: socket(), ssrc, sequence: 100 }
    }

    pub(crate) fn spec(&self) -> StreamSpec {
        StreamSpec {
            remote: Some(self.media.local_addr().unwrap()),
            remote_rtcp: Some(self.control.local_addr().unwrap()),
            sdp_changed: true,
            ..StreamSpec::default()
        }
    }

    /// Sends the next packet of its stream.
    pub(crate) fn talk(&mut self, ports: StreamPorts, payload: u8) -> u16 {
        self.talk_from(&self.media.try_clone().unwrap(), ports, payload)
    }

    /// Sends the next packet of its stream from another socket.
    pub(crate) fn talk_from(&mut self, socket: &UdpSocket, ports: StreamPorts, payload: u8) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        let packet = rtp(payload, self.sequence, self.ssrc);
        socket.send_to(&packet, local(ports.rtp)).unwrap();
        self.sequence
    }

    /// The next packet, and the port it came from.
    pub(crate) fn hear(&self) -> (Header, Vec<u8>, u16) {
        let (packet, port) = receive(&self.media);
        (Header::read(&packet).expect("RTP"), packet, port)
    }
}

pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, u16) {
    let mut buffer = [0u8; 2_000];
    let (length, from) = socket.recv_from(&mut buffer).expect("a packet in time");
    (buffer[..length].to_vec(), from.port())
}

pub(crate) fn rtp(payload: u8, sequence: u16, ssrc: u32) -> [u8; 172] {
    let mut packet = [0x55u8; 172];
    let header = Header {
        payload,
        is_marked: false,
        sequence: Seq(sequence),
        timestamp: RtpTime(u32::from(sequence) * 160),
        ssrc: Ssrc(ssrc),
    };
    header.write(&mut packet);
    packet
}

pub(crate) fn receiver_report(ssrc: u32, about: u32) -> Vec<u8> {
    let words = [0x81c9_0007, ssrc, about, 0, 9, 80, 0, 0];
    words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect()
}

/// Keys of both directions, as the relay sees them.
pub(crate) fn keys(suite: Suite, seed: u8) -> Keys {
    let material = |seed: u8| {
        let octets: Vec<u8> = (0..suite.material_len()).map(|n| seed ^ n as u8).collect();
        Material::new(suite, &octets).unwrap()
    };
    Keys { local: material(seed), remote: material(seed ^ 0x80) }
}

/// The phone's side of the relay's keys.
pub(crate) struct Crypt {
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
}

impl Crypt {
    pub(crate) fn new(keys: &Keys) -> Self {
        Self { sealer: Sealer::new(&keys.remote), opener: Opener::new(&keys.local) }
    }

    pub(crate) fn seal(&self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = [packet, &[0; OVERHEAD_MAX]].concat();
        let length = self.sealer.seal_rtp(&mut buffer, packet.len()).unwrap();
        buffer.truncate(length);
        buffer
    }

    pub(crate) fn open(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        let length = self.opener.open_rtp(&mut packet).expect("SRTP of the relay");
        packet.truncate(length);
        packet
    }
}

/// Two phones with a connected stream each.
pub(crate) struct Pair {
    pub(crate) relay: RelayControl,
    pub(crate) notices: Receiver<Notify>,
    pub(crate) a: Phone,
    pub(crate) b: Phone,
    pub(crate) a_id: TerminationId,
    pub(crate) b_id: TerminationId,
    pub(crate) a_ports: StreamPorts,
    pub(crate) b_ports: StreamPorts,
}

impl Pair {
    pub(crate) fn new(relay: (RelayControl, Receiver<Notify>)) -> Self {
        let (mut relay, notices) = relay;
        let (a, b) = (Phone::new(0xa), Phone::new(0xb));
        let (at_a, at_b) = (relay.add(1).unwrap(), relay.add(1).unwrap());
        relay.modify(at_a.id, 0, a.spec());
        relay.modify(at_b.id, 0, b.spec());
        let same = PayloadMap::identity;
        relay.connect((at_a.id, 0), (at_b.id, 0), same(), same());
        let (a_ports, b_ports) = (at_a.streams[0], at_b.streams[0]);
        Self { relay, notices, a, b, a_id: at_a.id, b_id: at_b.id, a_ports, b_ports }
    }

    /// A says something; what B hears of it.
    pub(crate) fn a_to_b(&mut self) -> Header {
        self.a.talk(self.a_ports, 0);
        self.b.hear().0
    }

    /// B says something; what A hears of it.
    pub(crate) fn b_to_a(&mut self) -> Header {
        self.b.talk(self.b_ports, 0);
        self.a.hear().0
    }

    /// Both sides are heard so often that their addresses are locked.
    pub(crate) fn lock(&mut self) {
        for _ in 0..6 {
            self.a_to_b();
            self.b_to_a();
        }
    }

    pub(crate) fn received(&self, id: TerminationId) -> media::DirectionStatistics {
        self.relay.statistics(id).unwrap().streams[0].received
    }

    pub(crate) fn sent(&self, id: TerminationId) -> media::DirectionStatistics {
        self.relay.statistics(id).unwrap().streams[0].sent
    }
}

impl Pair {
    /// A is heard by B for some packets; nothing is asked of the other direction.
    pub(crate) fn lock_b_only(&mut self) {
        for _ in 0..6 {
            self.a_to_b();
        }
    }
}
