//! Checks of ICE: who does not know the password is not answered; an answer is a STUN message that tells
//! the peer where it is, and is signed (SEC-84).

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use media::demux::{self, Kind};
use media::ice::{ANSWER_MAX, Check, Credentials, answer};
use sha1::Sha1;

use crate::octets::Octets;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const MAPPED: u16 = 0x0020;
const NOMINATE: u16 = 0x0025;
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const NAME: &[u8] = b"evtj:h6vY";

fn credentials() -> Credentials {
    Credentials {
        fragment: "evtj".to_owned(),
        password: PASSWORD.to_owned(),
        peer_fragment: "h6vY".to_owned(),
    }
}

/// What is to be signed: everything before the integrity, with the length that ends behind it
/// (RFC 8489 §14.5).
fn sign(head: &[u8], key: &[u8]) -> [u8; 20] {
    let mut signed = head.to_vec();
    let length = u16::try_from(head.len() + 24 - HEADER).unwrap_or_default();
    signed[2..4].copy_from_slice(&length.to_be_bytes());
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("any length");
    mac.update(&signed);
    mac.finalize().into_bytes().into()
}

/// Place, kind and value of the attributes, as far as they are whole.
fn attributes(packet: &[u8]) -> Vec<(usize, u16, &[u8])> {
    let mut all = Vec::new();
    let mut at = HEADER;
    while let Some([a, b, c, d]) = packet.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let Some(value) = packet.get(at + 4..at + 4 + length) else { break };
        all.push((at, u16::from_be_bytes([*a, *b]), value));
        at += 4 + length.next_multiple_of(4);
    }
    all
}

fn is_signed(packet: &[u8]) -> bool {
    if packet.len() < HEADER {
        return false;
    }
    let found = attributes(packet).into_iter().find(|(_, kind, _)| *kind == INTEGRITY);
    found.is_some_and(|(at, _, value)| value == sign(&packet[..at], PASSWORD.as_bytes()))
}

fn put(packet: &mut Vec<u8>, kind: u16, value: &[u8]) {
    packet.extend(kind.to_be_bytes());
    packet.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    packet.extend(value);
    packet.resize(packet.len().next_multiple_of(4), 0);
}

/// The first octet says what follows: octets as they are (even), or attributes of which a request is made
/// and signed: bits for the user name, the right password, and an IPv6 source. Each attribute is two octets of
/// kind, one of length, and its value.
pub(crate) fn checks(data: &[u8]) {
    let mut octets = Octets::new(data);
    let how = octets.byte();
    let from: SocketAddr = match how & 8 {
        0 => "192.0.2.1:32853",
        _ => "[2001:db8::1]:32853",
    }
    .parse()
    .expect("an address");
    let packet = if how & 1 == 0 { octets.rest().to_vec() } else { request(octets, how) };
    let mut buffer = [0; ANSWER_MAX];
    let (length, is_nominated) = match answer(&credentials(), &mut buffer, &packet, from) {
        Check::Foreign => return,
        Check::Refused { length } => (length, None),
        Check::Valid { length, is_nominated } => (length, Some(is_nominated)),
    };
    assert!(is_signed(&packet), "who does not know the password is answered");
    assert_eq!(demux::kind(&packet), Kind::Check);
    let answer = &buffer[..length];
    is_an_answer(answer, &packet);
    let told = attributes(answer).into_iter().find(|(_, kind, _)| *kind == MAPPED);
    let Some(is_nominated) = is_nominated else { return assert!(told.is_none(), "a refusal") };
    let (_, _, told) = told.expect("a success says where the peer is");
    assert_eq!(mapped(told, answer), from);
    // What stands behind the signature could be anybody's.
    let asked = attributes(&packet);
    let signed = asked.iter().take_while(|(_, kind, _)| *kind != INTEGRITY);
    assert_eq!(is_nominated, { signed }.any(|(_, kind, _)| *kind == NOMINATE));
}

fn request(mut octets: Octets<'_>, how: u8) -> Vec<u8> {
    let mut packet = vec![0, 1, 0, 0];
    packet.extend(COOKIE);
    packet.extend([how; 12]);
    if how & 2 == 0 {
        put(&mut packet, USERNAME, NAME);
    }
    for _ in 0..16 {
        if octets.is_empty() {
            break;
        }
        let kind = u16::from_be_bytes([octets.byte(), octets.byte()]);
        let length = usize::from(octets.byte());
        put(&mut packet, kind, octets.take(length));
    }
    let password = if how & 4 == 0 { PASSWORD } else { "not this one" };
    let signature = sign(&packet, password.as_bytes());
    put(&mut packet, INTEGRITY, &signature);
    if how & 16 != 0 {
        put(&mut packet, NOMINATE, &[]);
    }
    let length = u16::try_from(packet.len() - HEADER).unwrap_or_default();
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet
}

fn is_an_answer(answer: &[u8], request: &[u8]) {
    assert!(matches!(answer, [1, 1 | 0x11, ..]), "neither success nor error");
    let length = usize::from(u16::from_be_bytes([answer[2], answer[3]]));
    assert_eq!(length + HEADER, answer.len());
    assert_eq!(answer[4..8], COOKIE);
    assert_eq!(answer[8..HEADER], request[8..HEADER], "another transaction");
    assert!(is_signed(answer), "the answer is not signed");
    assert!(!attributes(answer).is_empty());
    assert_eq!(demux::kind(answer), Kind::Check);
}

/// RFC 8489 §14.2.
fn mapped(value: &[u8], answer: &[u8]) -> SocketAddr {
    let mask = &answer[4..HEADER];
    let port = u16::from_be_bytes([value[2] ^ mask[0], value[3] ^ mask[1]]);
    let octets: Vec<u8> = value[4..].iter().zip(mask).map(|(octet, mask)| octet ^ mask).collect();
    let ip = match (value[1], <[u8; 4]>::try_from(&*octets), <[u8; 16]>::try_from(&*octets)) {
        (1, Ok(octets), _) => octets.into(),
        (2, _, Ok(octets)) => octets.into(),
        other => panic!("no address: {other:?}"),
    };
    SocketAddr::new(ip, port)
}
