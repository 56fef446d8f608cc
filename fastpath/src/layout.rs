//! What user space writes into the program's maps, octet by octet as `bpf/relay.c` reads it.

use std::net::SocketAddrV4;
use std::time::Duration;

use crate::hop::Hop;

/// Payload types that a stream on the kernel path may use.
pub const PAYLOADS_MAX: usize = 4;
/// Octets of a key of the map of flows.
pub(crate) const KEY_LEN: usize = 8;
/// Octets of a value of it.
pub(crate) const FLOW_LEN: usize = 80;

const FLOW_RTP: u16 = 1;
const FLOW_XDP: u16 = 2;
const FLOW_TC: u16 = 4;
const FLOW_PEER: u16 = 8;
const NO_PAYLOAD: u8 = 0xff;

/// How the packets of one stream are forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Where they must come from.
    pub peer: SocketAddrV4,
    /// Where they go on from.
    pub from: SocketAddrV4,
    /// Where they go to.
    pub to: SocketAddrV4,
    /// The way there.
    pub hop: Hop,
    /// What is checked and rewritten in RTP; `None` for datagrams that pass as they are.
    pub rtp: Option<Rewrite>,
}

/// What happens to the RTP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rewrite {
    /// The SSRC that packets must have.
    pub ssrc: u32,
    /// The one they get.
    pub sent_ssrc: u32,
    /// Added to sequence numbers.
    pub sequence_delta: u16,
    /// Added to timestamps.
    pub time_delta: u32,
    /// The media clock.
    pub clock_hz: u32,
    /// (received, sent) payload types; all others go to user space.
    pub payloads: [Option<(u8, u8)>; PAYLOADS_MAX],
}

/// The key of the packets that come to an address.
pub(crate) fn key(local: SocketAddrV4) -> [u8; KEY_LEN] {
    let [a, b, c, d] = local.ip().octets();
    let [high, low] = local.port().to_be_bytes();
    [a, b, c, d, high, low, 0, 0]
}

/// The port of a key.
pub(crate) fn port_of(key: [u8; KEY_LEN]) -> u16 {
    let [_, _, _, _, high, low, _, _] = key;
    u16::from_be_bytes([high, low])
}

/// Of a value: where the program counts, and the silence in nanoseconds after which the stream has
/// expired.
pub(crate) fn life_of(flow: &[u8; FLOW_LEN]) -> (u32, u64) {
    let [a, b, c, d, e, f, g, h, ..] = *flow;
    let idle_ns = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
    let record = flow.get(60..64).and_then(|octets| octets.try_into().ok());
    (record.map_or(0, u32::from_ne_bytes), idle_ns)
}

impl Flow {
    /// As the program reads it. `record` is where the program counts.
    pub(crate) fn encode(&self, record: u32, idle: Duration) -> [u8; FLOW_LEN] {
        let mut flags = 0;
        for (is_set, flag) in [
            (self.rtp.is_some(), FLOW_RTP),
            (self.hop.is_xdp, FLOW_XDP),
            (true, FLOW_TC),
            (self.hop.is_peer, FLOW_PEER),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        let mut writer = Writer { octets: [0; FLOW_LEN], at: 0 };
        writer.put(u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX).to_ne_bytes());
        for address in [self.peer, self.from, self.to] {
            writer.put(address.ip().octets());
        }
        for address in [self.peer, self.from, self.to] {
            writer.put(address.port().to_be_bytes());
        }
        writer.put(flags.to_ne_bytes());
        writer.put(self.hop.interface.to_ne_bytes());
        writer.put(self.hop.to_mac);
        writer.put(self.hop.from_mac);
        let rtp = self.rtp.unwrap_or(Rewrite::NONE);
        writer.put(rtp.ssrc.to_be_bytes());
        writer.put(rtp.sent_ssrc.to_be_bytes());
        writer.put(rtp.time_delta.to_ne_bytes());
        let ticks = (u64::from(rtp.clock_hz) << 32) / 1_000_000_000;
        writer.put(u32::try_from(ticks).unwrap_or(u32::MAX).to_ne_bytes());
        writer.put(record.to_ne_bytes());
        writer.put(rtp.sequence_delta.to_ne_bytes());
        writer.put(rtp.payloads.map(|pair| pair.map_or(NO_PAYLOAD, |(received, _)| received)));
        writer.put(rtp.payloads.map(|pair| pair.map_or(NO_PAYLOAD, |(_, sent)| sent)));
        writer.octets
    }
}

impl Rewrite {
    const NONE: Self = Self {
        ssrc: 0,
        sent_ssrc: 0,
        sequence_delta: 0,
        time_delta: 0,
        clock_hz: 0,
        payloads: [None; PAYLOADS_MAX],
    };
}

struct Writer {
    octets: [u8; FLOW_LEN],
    at: usize,
}

impl Writer {
    fn put<const N: usize>(&mut self, octets: [u8; N]) {
        if let Some(place) = self.octets.get_mut(self.at..self.at + N) {
            place.copy_from_slice(&octets);
        }
        self.at += N;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hop::Hooks;

    #[test]
    fn every_field_lies_where_the_program_looks_for_it() {
        let address = |text: &str| text.parse().unwrap();
        let rtp = Rewrite {
            ssrc: 0x0102_0304,
            sent_ssrc: 0x0506_0708,
            sequence_delta: 0x1122,
            time_delta: 0x3344_5566,
            clock_hz: 8_000,
            payloads: [Some((0, 0)), Some((101, 96)), None, None],
        };
        let flow = Flow {
            peer: address("10.0.0.1:4000"),
            from: address("10.0.1.1:5000"),
            to: address("10.0.1.2:6000"),
            hop: Hop {
                interface: 7,
                to_mac: [1; 6],
                from_mac: [2; 6],
                local: *address("10.0.1.1:5000").ip(),
                is_xdp: true,
                is_peer: true,
                hooks: Hooks { xdp: true, tc: true },
            },
            rtp: Some(rtp),
        };
        let octets = flow.encode(9, Duration::from_nanos(5));
        assert_eq!(octets[..8], 5u64.to_ne_bytes());
        assert_eq!(octets[8..20], [10, 0, 0, 1, 10, 0, 1, 1, 10, 0, 1, 2]);
        assert_eq!(octets[20..26], [0x0f, 0xa0, 0x13, 0x88, 0x17, 0x70]);
        assert_eq!(octets[26..28], 15u16.to_ne_bytes());
        assert_eq!(octets[28..32], 7u32.to_ne_bytes());
        assert_eq!(octets[32..44], [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
        assert_eq!(octets[44..52], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(octets[52..56], 0x3344_5566u32.to_ne_bytes());
        assert_eq!(octets[56..60], 34_359u32.to_ne_bytes());
        assert_eq!(octets[60..64], 9u32.to_ne_bytes());
        assert_eq!(octets[64..66], 0x1122u16.to_ne_bytes());
        assert_eq!(octets[66..74], [0, 101, 255, 255, 0, 96, 255, 255]);
        assert_eq!(port_of(key(flow.peer)), 4_000);
        assert_eq!(life_of(&octets), (9, 5));
    }
}
