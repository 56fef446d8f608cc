//! A capture file of RTP packets: the classic libpcap format, raw IP, microseconds.
//!
//! Source: draft-ietf-opsawg-pcap; RFC 791, RFC 8200, RFC 768.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// LINKTYPE_RAW: each packet begins with its IP header.
const LINKTYPE_RAW: u32 = 101;
const UDP: u8 = 17;
const TIME_TO_LIVE: u8 = 64;
const UDP_HEADER: usize = 8;

/// The beginning of every file.
#[must_use]
pub fn file_header() -> Vec<u8> {
    let words = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, LINKTYPE_RAW];
    words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect()
}

/// Appends a datagram.
pub fn write(
    file: &mut Vec<u8>,
    unix_us: u64,
    (from, to): (SocketAddr, SocketAddr),
    payload: &[u8],
) {
    let udp = udp(from, to, payload);
    let header = ip_header(from.ip().to_canonical(), to.ip().to_canonical(), &udp);
    let low = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap_or_default();
    let length = u32::try_from(header.len() + udp.len()).unwrap_or_default();
    for word in [low(unix_us / 1_000_000), low(unix_us % 1_000_000), length, length] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&header);
    file.extend_from_slice(&udp);
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(UDP_HEADER + payload.len());
    datagram.extend_from_slice(&from.port().to_be_bytes());
    datagram.extend_from_slice(&to.port().to_be_bytes());
    datagram.extend_from_slice(&short(UDP_HEADER + payload.len()));
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(payload);
    let (from, to) = (from.ip().to_canonical(), to.ip().to_canonical());
    let pseudo = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => [from.octets(), to.octets()].concat(),
        (from, to) => [v6(from).octets(), v6(to).octets()].concat(),
    };
    let rest = [&[0, UDP][..], &short(datagram.len())].concat();
    // RFC 768: a sum of zero is sent as all ones.
    let sum = match checksum(&[&pseudo, &rest, &datagram]) {
        0 => u16::MAX,
        sum => sum,
    };
    if let Some(place) = datagram.get_mut(6..8) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    datagram
}

fn ip_header(from: IpAddr, to: IpAddr, udp: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ipv4(from, to, udp.len()),
        (from, to) => {
            let mut header = vec![0x60, 0, 0, 0];
            header.extend_from_slice(&short(udp.len()));
            header.extend_from_slice(&[UDP, TIME_TO_LIVE]);
            header.extend_from_slice(&v6(from).octets());
            header.extend_from_slice(&v6(to).octets());
            header
        }
    }
}

fn ipv4(from: Ipv4Addr, to: Ipv4Addr, length: usize) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend_from_slice(&short(20 + length));
    header.extend_from_slice(&[0, 0, 0x40, 0, TIME_TO_LIVE, UDP, 0, 0]);
    header.extend_from_slice(&from.octets());
    header.extend_from_slice(&to.octets());
    let sum = checksum(&[&header]);
    if let Some(place) = header.get_mut(10..12) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    header
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// RFC 1071. Every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        let word = match pair {
            [high, low] => u16::from_be_bytes([*high, *low]),
            [high] => u16::from_be_bytes([*high, 0]),
            _ => 0,
        };
        sum += u32::from(word);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_1071() {
        // The example of RFC 1071 §3: the sum is ddf2.
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
        let header = ipv4(Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 0, 2, 1), 100);
        assert_eq!(checksum(&[&header]), 0, "a header with its sum sums up to nothing");
    }

    #[test]
    fn a_datagram_is_written_with_its_time_its_addresses_and_its_payload() {
        let mut file = file_header();
        assert_eq!(file.len(), 24);
        let way = ("192.0.2.1:4000".parse().unwrap(), "192.0.2.2:5000".parse().unwrap());
        write(&mut file, 1_700_000_000_000_007, way, b"abc");
        assert_eq!(
            file[24..32],
            [&1_700_000_000u32.to_le_bytes()[..], &7u32.to_le_bytes()].concat()
        );
        assert_eq!(file[32..36], 31u32.to_le_bytes());
        assert_eq!(file[40 + 12..40 + 20], [192, 0, 2, 1, 192, 0, 2, 2]);
        assert_eq!(file[60..64], [0x0f, 0xa0, 0x13, 0x88]);
        assert!(file.ends_with(b"abc"));
        let mut file = Vec::new();
        let way = ("[2001:db8::1]:4000".parse().unwrap(), "[2001:db8::2]:5000".parse().unwrap());
        write(&mut file, 0, way, b"abcd");
        assert_eq!((file.len(), file[16]), (16 + 40 + 8 + 4, 0x60));
    }
}
