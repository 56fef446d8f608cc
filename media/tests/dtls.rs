//! Keys by a DTLS handshake on the media port, over sockets: the phone's side is the same library,
//! driven by hand.

#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod common;

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{PATIENCE, Pair, Phone, draw, local, receive, relay, rtp, until};
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use media::srtp::{Keys, Material, Opener, Sealer, Suite};
use media::{
    Fingerprint, FingerprintHash, Handshake, HandshakeFault, MediaPlane, Notify, Security,
    StreamSpec,
};
use sha2::{Digest as _, Sha256};

/// A phone in the middle of a handshake.
struct Shaker {
    dtls: Dtls,
    keys: Option<Keys>,
    relay_certificate: Vec<u8>,
    is_client: bool,
}

fn fingerprint(certificate: &DtlsCertificate) -> Fingerprint {
    Fingerprint {
        hash: FingerprintHash::Sha256,
        octets: Sha256::digest(&certificate.certificate).to_vec(),
    }
}

impl Shaker {
    fn new(certificate: DtlsCertificate, is_client: bool) -> Self {
        let mut dtls = Dtls::new_12(Arc::new(Config::default()), certificate, Instant::now());
        dtls.set_active(is_client);
        dtls.handle_timeout(Instant::now()).unwrap();
        Self { dtls, keys: None, relay_certificate: Vec::new(), is_client }
    }

    /// Says what it has to say, and hears what came; true once it has keys.
    fn step(&mut self, socket: &UdpSocket, to: u16) -> bool {
        let mut buffer = [0; 4_096];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => drop(socket.send_to(packet, local(to)).unwrap()),
                Output::PeerCert(der) => self.relay_certificate = der.to_vec(),
                Output::KeyingMaterial(material, profile) => {
                    assert_eq!(profile, SrtpProfile::AEAD_AES_256_GCM);
                    let part = |key: usize, salt: usize| {
                        let joined =
                            [&material[key..key + 32], &material[salt..salt + 12]].concat();
                        Material::new(Suite::AeadAes256Gcm, &joined).unwrap()
                    };
                    let (client, server) = (part(0, 64), part(32, 76));
                    self.keys = Some(match self.is_client {
                        true => Keys { local: client, remote: server },
                        false => Keys { local: server, remote: client },
                    });
                }
                Output::Timeout(_) => break,
                _ => {}
            }
        }
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        if let Ok((length, _)) = socket.recv_from(&mut buffer) {
            self.dtls.handle_packet(&buffer[..length]).unwrap();
        }
        self.dtls.handle_timeout(Instant::now()).unwrap();
        self.keys.is_some()
    }
}

fn certificate() -> DtlsCertificate {
    let made = rcgen::generate_simple_self_signed(Vec::new()).unwrap();
    DtlsCertificate {
        certificate: made.cert.der().to_vec(),
        private_key: made.signing_key.serialize_der(),
    }
}

fn spec(pair: &Pair, fingerprint: Fingerprint, is_client: bool) -> StreamSpec {
    let handshake = Box::new(Handshake { fingerprint, is_client });
    StreamSpec { security: Security::Dtls(handshake), ..pair.a.spec() }
}

fn parties_hear_each_other_after_the_handshake(relay_begins: bool) {
    let mut pair = Pair::new(relay(draw(10)));
    let certificate = certificate();
    let wanted = pair.relay.fingerprint().unwrap();
    pair.relay.modify(pair.a_id, 0, spec(&pair, fingerprint(&certificate), relay_begins));
    // Before there are keys nothing passes in either direction.
    pair.a.media.send_to(&rtp(0, 1, 0xa), local(pair.a_ports.rtp)).unwrap();
    until("the plain packet to be refused", || {
        pair.received(pair.a_id).dropped.authentication == 1
    });
    let mut shaker = Shaker::new(certificate, !relay_begins);
    until("keys", || shaker.step(&pair.a.media, pair.a_ports.rtp));
    // The last flight may still be on its way.
    until("the end of the handshake", || {
        shaker.step(&pair.a.media, pair.a_ports.rtp);
        let keys = shaker.keys.as_ref().unwrap();
        let sealer = Sealer::new(&keys.local);
        let mut packet = [rtp(0, 2, 0xa).to_vec(), vec![0; 20]].concat();
        let length = sealer.seal_rtp(&mut packet, 172).unwrap();
        pair.a.media.send_to(&packet[..length], local(pair.a_ports.rtp)).unwrap();
        pair.received(pair.a_id).packets > 0
    });
    assert_eq!(pair.b.hear().1, rtp(0, 2, 0xa));
    let made = DtlsCertificate { certificate: shaker.relay_certificate, private_key: Vec::new() };
    assert_eq!(fingerprint(&made), wanted);
    let mut opener = Opener::new(&shaker.keys.unwrap().remote);
    pair.b.talk(pair.b_ports, 0);
    pair.a.media.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = loop {
        let (packet, _) = receive(&pair.a.media);
        if packet[0] >> 6 == 2 {
            break packet;
        }
    };
    assert_eq!(opener.open_rtp(&mut heard), Ok(172));
}

#[test]
fn parties_hear_each_other_after_a_handshake_that_the_phone_begins() {
    parties_hear_each_other_after_the_handshake(false);
}

#[test]
fn parties_hear_each_other_after_a_handshake_that_the_relay_begins() {
    parties_hear_each_other_after_the_handshake(true);
}

#[test]
fn another_certificate_than_signalling_named_gets_no_keys() {
    let mut pair = Pair::new(relay(draw(10)));
    let (own, other) = (certificate(), certificate());
    pair.relay.modify(pair.a_id, 0, spec(&pair, fingerprint(&other), false));
    let mut shaker = Shaker::new(own, true);
    for _ in 0..30 {
        shaker.step(&pair.a.media, pair.a_ports.rtp);
    }
    until_failed(&pair, HandshakeFault::Fingerprint);
    pair.b.talk(pair.b_ports, 0);
    until("the packet to be held back", || pair.sent(pair.a_id).dropped.authentication == 1);
    assert_eq!(pair.sent(pair.a_id).packets, 0);
}

/// Waits until the relay has said that the handshake of the first phone failed, and why.
fn until_failed(pair: &Pair, wanted: HandshakeFault) {
    loop {
        let notice = pair.notices.recv_timeout(PATIENCE).unwrap();
        if let Notify::Unprotected { id, stream, fault } = notice {
            return assert_eq!((id, stream, fault), (pair.a_id, 0, wanted));
        }
    }
}

/// A fatal alert in the clear, as who finds no common suite sends it. RFC 6347 §4.1: of DTLS 1.2, epoch 0;
/// RFC 5246 §7.2: fatal, handshake_failure.
const ALERT: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];

#[test]
fn a_phone_that_ends_the_handshake_by_an_alert_is_told_of() {
    let mut pair = Pair::new(relay(draw(10)));
    let certificate = certificate();
    pair.relay.modify(pair.a_id, 0, spec(&pair, fingerprint(&certificate), true));
    let mut hello = [0; 4_096];
    pair.a.media.set_read_timeout(Some(PATIENCE)).unwrap();
    pair.a.media.recv_from(&mut hello).unwrap();
    pair.a.media.send_to(&ALERT, local(pair.a_ports.rtp)).unwrap();
    until_failed(&pair, HandshakeFault::Refused(40));
}

#[test]
fn an_alert_that_somebody_forges_does_not_keep_a_phone_from_its_keys() {
    let mut pair = Pair::new(relay(draw(10)));
    let certificate = certificate();
    pair.relay.modify(pair.a_id, 0, spec(&pair, fingerprint(&certificate), true));
    pair.a.media.set_read_timeout(Some(PATIENCE)).unwrap();
    pair.a.media.recv_from(&mut [0; 4_096]).unwrap();
    // From the same host, as from behind the same NAT.
    let neighbour = Phone::new(9);
    neighbour.media.send_to(&ALERT, local(pair.a_ports.rtp)).unwrap();
    until_failed(&pair, HandshakeFault::Refused(40));
    let mut shaker = Shaker::new(certificate, false);
    until("keys", || shaker.step(&pair.a.media, pair.a_ports.rtp));
}

#[test]
fn fingerprints_are_read_as_they_are_written() {
    let pair = Pair::new(relay(draw(10)));
    let own = pair.relay.fingerprint().unwrap();
    assert_eq!(own.to_string().parse(), Ok(own.clone()));
    assert_eq!(own.to_string().to_lowercase().parse(), Ok(own));
    for bad in ["", "sha-1 AB:CD", "sha-256 AB:CD", "sha-256", "sha-256 GG"] {
        assert_eq!(bad.parse::<Fingerprint>(), Err(()), "{bad}");
    }
}
