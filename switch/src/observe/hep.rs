//! Copies of SIP messages for a capture server, in HEP version 3 (the Homer Encapsulation Protocol,
//! as Homer, sngrep and heplify read it).

use std::net::{IpAddr, SocketAddr, UdpSocket};

use sip_stack::flow::{Flow, Transport};

use super::mask::mask_secrets;
use super::trace::Way;

/// Datagrams cannot be longer.
const MAX_DATAGRAM: usize = 65_507;
/// Protocol type SIP.
const SIP: u8 = 1;

/// Where copies go.
#[derive(Debug)]
pub struct Hep {
    socket: UdpSocket,
    collector: SocketAddr,
    node: u32,
    /// Used again for each datagram.
    buffer: Vec<u8>,
}

impl Hep {
    /// A sender to `collector`, which knows this switch as `node`.
    ///
    /// Errors: the system has no socket.
    pub fn new(collector: SocketAddr, node: u32) -> std::io::Result<Self> {
        let any: IpAddr = match collector {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, collector, node, buffer: Vec::new() })
    }

    /// Sends a copy; one that the system does not take at once is lost.
    pub fn send(&mut self, unix_ms: u64, way: Way, flow: &Flow, dialog: &[u8], message: &[u8]) {
        let (source, destination) = match way {
            Way::In => (flow.remote, flow.local),
            Way::Out => (flow.local, flow.remote),
        };
        encode(
            &mut self.buffer,
            self.node,
            unix_ms,
            (flow.transport, source, destination),
            (dialog, message),
        );
        if self.buffer.len() <= MAX_DATAGRAM {
            // Capturing is never worth waiting for.
            let _ = self.socket.send_to(&self.buffer, self.collector);
        }
    }
}

/// One HEP3 packet: `HEP3`, its length, then chunks of vendor, type, length and value.
fn encode(
    into: &mut Vec<u8>,
    node: u32,
    unix_ms: u64,
    (transport, source, destination): (Transport, SocketAddr, SocketAddr),
    (dialog, message): (&[u8], &[u8]),
) {
    into.clear();
    into.extend_from_slice(b"HEP3\0\0");
    let protocol = if transport == Transport::Udp { 17 } else { 6 };
    let (source_ip, destination_ip) = (source.ip().to_canonical(), destination.ip().to_canonical());
    let family = if source_ip.is_ipv4() { 2 } else { 10 };
    chunk(into, 1, &[family]);
    chunk(into, 2, &[protocol]);
    for (address, kind) in [(source_ip, 3), (destination_ip, 4)] {
        match address {
            IpAddr::V4(address) => chunk(into, kind, &address.octets()),
            IpAddr::V6(address) => chunk(into, kind + 2, &address.octets()),
        }
    }
    chunk(into, 7, &source.port().to_be_bytes());
    chunk(into, 8, &destination.port().to_be_bytes());
    let seconds = u32::try_from(unix_ms / 1000).unwrap_or(u32::MAX);
    chunk(into, 9, &seconds.to_be_bytes());
    let micros = u32::try_from(unix_ms % 1000 * 1000).unwrap_or_default();
    chunk(into, 10, &micros.to_be_bytes());
    chunk(into, 11, &[SIP]);
    chunk(into, 12, &node.to_be_bytes());
    chunk(into, 17, dialog);
    chunk(into, 15, message);
    let at = into.len() - message.len();
    mask_secrets(into.get_mut(at..).unwrap_or_default());
    let length = u16::try_from(into.len()).unwrap_or(u16::MAX);
    if let Some(place) = into.get_mut(4..6) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

fn chunk(into: &mut Vec<u8>, kind: u16, value: &[u8]) {
    into.extend_from_slice(&[0, 0]);
    into.extend_from_slice(&kind.to_be_bytes());
    let length = u16::try_from(value.len() + 6).unwrap_or(u16::MAX);
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The chunks of a packet by their type.
    fn read(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        let (mut rest, mut chunks) = (&packet[6..], BTreeMap::new());
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[4], rest[5]]));
            let kind = u16::from_be_bytes([rest[2], rest[3]]);
            assert_eq!(chunks.insert(kind, rest[6..length].to_vec()), None);
            rest = &rest[length..];
        }
        chunks
    }

    #[test]
    fn a_copy_says_who_sent_what_to_whom_and_when() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut hep = Hep::new(collector.local_addr().unwrap(), 2001).unwrap();
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5070".parse().unwrap());
        hep.send(1_700_000_000_250, Way::In, &flow, b"a@b", b"OPTIONS");
        let mut packet = [0; 2048];
        let length = collector.recv(&mut packet).unwrap();
        let chunks = read(&packet[..length]);
        assert_eq!(chunks[&1], [2]);
        assert_eq!(chunks[&2], [17]);
        assert_eq!(chunks[&3], [192, 0, 2, 9]);
        assert_eq!(chunks[&4], [192, 0, 2, 1]);
        assert_eq!(chunks[&7], 5070u16.to_be_bytes());
        assert_eq!(chunks[&8], 5060u16.to_be_bytes());
        assert_eq!(chunks[&9], 1_700_000_000u32.to_be_bytes());
        assert_eq!(chunks[&10], 250_000u32.to_be_bytes());
        assert_eq!(chunks[&11], [1]);
        assert_eq!(chunks[&12], 2001u32.to_be_bytes());
        assert_eq!(chunks[&15], b"OPTIONS");
        assert_eq!(chunks[&17], b"a@b");
    }

    #[test]
    fn a_copy_carries_no_digest_and_no_key() {
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5070".parse().unwrap());
        let message = |digest: &str, key: &str, subject: usize| {
            format!(
                "INVITE sip:x SIP/2.0\r\nSubject: {:subject$}\r\nAuthorization: Digest username=\"201\", \
                 response=\"{digest}\"\r\n\r\na=crypto:1 X inline:{key}\r\n",
                ""
            )
        };
        // Whatever the length that stands before the message, of two ends of lines too.
        let short = message("6629", "QUJD", 0).len() + 6;
        for subject in [0, 0x0a0a - short] {
            let mut packet = Vec::new();
            let text = message("6629", "QUJD", subject);
            let way = (flow.transport, flow.local, flow.remote);
            encode(&mut packet, 1, 0, way, (b"", text.as_bytes()));
            let shown = String::from_utf8(read(&packet)[&15].clone()).unwrap();
            assert_eq!(shown, message("****", "****", subject));
        }
    }

    #[test]
    fn addresses_of_the_sixth_version_have_chunks_of_their_own() {
        let flow = Flow {
            transport: Transport::Tcp,
            local: "[2001:db8::1]:5060".parse().unwrap(),
            remote: "[2001:db8::9]:5070".parse().unwrap(),
            connection: Some(1),
        };
        let mut packet = Vec::new();
        encode(&mut packet, 1, 0, (flow.transport, flow.local, flow.remote), (b"", b"x"));
        let chunks = read(&packet);
        assert_eq!((&chunks[&1], &chunks[&2]), (&vec![10], &vec![6]));
        assert_eq!(chunks[&5].len(), 16);
        assert!(!chunks.contains_key(&3));
    }
}
