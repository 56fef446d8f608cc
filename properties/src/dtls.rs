//! Two ends of a DTLS handshake and somebody between them who loses, repeats, changes and invents
//! packets: nobody gets other keys than the other end, and nobody gets any before it has seen a
//! certificate (SEC-85). What goes over the wire is told from media and checks (RFC 7983).

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use media::demux::{self, Kind};

use crate::octets::Octets;

/// Steps of one run.
const STEPS_MAX: usize = 64;
/// Outputs after one input, as the relay takes them.
const OUTPUTS_MAX: usize = 64;
/// Packets on the way to one end; more are lost.
const ON_THE_WAY_MAX: usize = 64;
/// Octets of a record, and of the longest that an end may ask for.
const RECORD_MAX: usize = 2_048;

struct End {
    dtls: Dtls,
    buffer: Vec<u8>,
    /// What comes to it.
    inbox: VecDeque<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    keys: Option<Vec<u8>>,
    is_over: bool,
}

#[expect(clippy::disallowed_methods, reason = "the library's time is that of the system")]
fn start() -> Instant {
    Instant::now()
}

fn certificate() -> DtlsCertificate {
    let made = rcgen::generate_simple_self_signed(Vec::new()).expect("a certificate");
    DtlsCertificate {
        certificate: made.cert.der().to_vec(),
        private_key: made.signing_key.serialize_der(),
    }
}

/// One for all runs: making it is slow.
fn certificates() -> &'static [DtlsCertificate; 2] {
    static MADE: OnceLock<[DtlsCertificate; 2]> = OnceLock::new();
    MADE.get_or_init(|| [(); 2].map(|()| certificate()))
}

impl End {
    fn new(is_client: bool, is_older: bool, now: Instant) -> End {
        let seed = u64::from(is_client) + 7;
        let config = Config::builder().dangerously_set_rng_seed(seed).build().expect("settings");
        let certificate = certificates()[usize::from(is_client)].clone();
        let config = Arc::new(config);
        let mut dtls = match is_client && is_older {
            true => Dtls::new_12(config, certificate, now),
            false => Dtls::new_auto(config, certificate, now),
        };
        dtls.set_active(is_client);
        let buffer = vec![0; RECORD_MAX];
        End { dtls, buffer, inbox: VecDeque::new(), certificate: None, keys: None, is_over: false }
    }

    /// Takes everything that it wants done; what it sends.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        for _ in 0..OUTPUTS_MAX {
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(packet) => {
                    assert_eq!(demux::kind(packet), Kind::Handshake, "{packet:?}");
                    sent.push(packet.to_vec());
                }
                Output::BufferTooSmall { needed } => {
                    assert!(needed <= RECORD_MAX * 8, "{needed} octets in one record");
                    self.buffer.resize(needed, 0);
                }
                Output::Timeout(_) => return sent,
                Output::PeerCert(certificate) => self.certificate = Some(certificate.to_vec()),
                Output::KeyingMaterial(material, _) => {
                    assert!(self.certificate.is_some(), "keys for nobody");
                    self.keys = Some(material.to_vec());
                }
                Output::CloseNotify => self.is_over = true,
                _ => {}
            }
        }
        panic!("it never ends");
    }

    fn receive(&mut self, packet: &[u8]) {
        if !self.is_over {
            self.is_over = self.dtls.handle_packet(packet).is_err();
        }
    }
}

struct Stage {
    ends: [End; 2],
    now: Instant,
}

impl Stage {
    /// Both say what they have to say.
    fn settle(&mut self) {
        for index in 0..2 {
            let sent = if self.ends[index].is_over { Vec::new() } else { self.ends[index].drain() };
            let inbox = &mut self.ends[1 - index].inbox;
            let room = ON_THE_WAY_MAX.saturating_sub(inbox.len());
            inbox.extend(sent.into_iter().take(room));
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for end in self.ends.iter_mut().filter(|end| !end.is_over) {
            end.is_over = end.dtls.handle_timeout(self.now).is_err();
        }
    }
}

/// An octet for the version, then steps: an octet for what is done and to whom, and what it needs.
pub(crate) fn handshakes(data: &[u8]) {
    let mut octets = Octets::new(data);
    let (now, is_older) = (start(), octets.byte() & 1 == 1);
    let mut stage = Stage { ends: [false, true].map(|side| End::new(side, is_older, now)), now };
    stage.pass(Duration::ZERO);
    stage.settle();
    for _ in 0..STEPS_MAX {
        // What the octets do not say goes as it should.
        let head = octets.byte();
        let end = &mut stage.ends[usize::from(head & 1)];
        match head >> 1 & 7 {
            1 => drop(end.inbox.pop_front()),
            2 => {
                if let Some(packet) = end.inbox.front().cloned() {
                    end.receive(&packet);
                }
            }
            3 => {
                let (place, change) = (usize::from(octets.byte()), octets.byte());
                if let Some(mut packet) = end.inbox.pop_front() {
                    let at = place * 3 % packet.len().max(1);
                    packet[at] ^= change;
                    end.receive(&packet);
                }
            }
            4 => {
                let length = usize::from(octets.byte());
                let packet = octets.take(length).to_vec();
                if demux::kind(&packet) == Kind::Handshake {
                    end.receive(&packet);
                }
            }
            5 => end.inbox.rotate_left(usize::from(end.inbox.len() > 1)),
            6 => {
                let length = usize::from(octets.byte());
                if let Some(packet) = end.inbox.pop_front() {
                    end.receive(&packet[..length.min(packet.len())]);
                }
            }
            7 => stage.pass(Duration::from_millis(u64::from(octets.byte()) * 20)),
            _ => {
                for end in &mut stage.ends {
                    if let Some(packet) = end.inbox.pop_front() {
                        end.receive(&packet);
                    }
                }
            }
        }
        stage.settle();
    }
    let [server, client] = &stage.ends;
    if let (Some(one), Some(other)) = (&server.keys, &client.keys) {
        assert!(one == other, "two ends with different keys");
    }
    for (end, other) in [(server, 1), (client, 0)] {
        let is_right = end
            .certificate
            .as_ref()
            .is_none_or(|shown| end.keys.is_none() || *shown == certificates()[other].certificate);
        assert!(is_right, "keys with somebody else");
    }
    // Whatever was between: when nobody interfered, both have keys.
    if data.len() <= 1 {
        assert!(server.keys.is_some() && client.keys.is_some(), "an undisturbed handshake fails");
    }
}
