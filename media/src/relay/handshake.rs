//! DTLS handshakes on media ports (RFC 5763, 5764): one thread beside the workers, so that no packet
//! waits for a signature. A worker gives it what looks like DTLS; it gives the worker keys.
//!
//! LIMIT: peers with RSA certificates are not understood: the library (dimpl) asks for ECDSA alone and has no
//! way to be told otherwise.
//! LIMIT: one certificate for the life of the process, not one for each call.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use dimpl::{
    CertificateError, Config, CryptoError, Dtls, DtlsCertificate, Error, KeyingMaterial, Output,
    SecurityError, SrtpProfile,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use super::command::{Command, Mailbox};
use super::thread::begin_thread;
use super::worker::Bound;
use crate::context::{Fingerprint, FingerprintHash, Handshake, HandshakeFault};
use crate::control::{MediaError, Notify};
use crate::srtp::{Keys, Material, Opener, Sealer, Suite};

/// Packets and commands that may wait; more packets are lost, as a network may lose them.
const TASKS_MAX: usize = 4_096;
/// Handshakes and associations at one time.
const SESSIONS_MAX: usize = 20_000;
/// Octets of the longest record that is sent.
const RECORD_MAX: usize = 2_048;
/// Fresh handshakes that a stream gets after the first, when one fails before there are keys: whoever spoils
/// it with a forged packet gains nothing (SEC-85).
const FRESH_MAX: u8 = 3;
/// How long the thread sleeps when nothing is to be done.
const IDLE: Duration = Duration::from_secs(60);
/// Outputs taken after one input: more than any handshake makes.
const OUTPUTS_MAX: usize = 64;

/// What the thread is told.
pub(super) enum Task {
    /// A stream shall agree on keys; it takes the place of what the stream did before.
    Begin(Arc<Bound>, Box<Handshake>),
    /// A packet that looks like DTLS, from where the stream's peer may be.
    Packet(Arc<Bound>, SocketAddr, Box<[u8]>),
    /// A stream has ended, or agrees on keys in another way.
    End(u32),
    /// The relay ends.
    Stop,
}

/// The way to the thread, and its other end.
pub(super) fn queue() -> (SyncSender<Task>, Receiver<Task>) {
    sync_channel(TASKS_MAX)
}

/// The thread's handle.
pub(super) struct Handshakes {
    tasks: SyncSender<Task>,
    certificate: Vec<u8>,
    thread: Option<JoinHandle<()>>,
}

impl Handshakes {
    /// Makes a certificate and starts the thread.
    ///
    /// Errors: Worker, when the system gives no thread or no random numbers.
    pub(super) fn start(
        (tasks, queue): (SyncSender<Task>, Receiver<Task>),
        workers: Vec<Mailbox>,
        notices: SyncSender<Notify>,
    ) -> Result<Self, MediaError> {
        let failed = |what: String| MediaError::Worker(std::io::Error::other(what));
        let certificate = super::certificate::draw()
            .map_err(|error| failed(format!("a certificate for DTLS: {error}")))?;
        let config = Config::builder()
            .build()
            .map_err(|error| failed(format!("the settings of DTLS: {error}")))?;
        let der = certificate.certificate.clone();
        let (config, buffer) = (Arc::new(config), vec![0; RECORD_MAX]);
        let means = Means { config, certificate, workers, notices, buffer };
        let state = Thread { means, sessions: HashMap::new() };
        let thread = Builder::new().name("media-dtls".to_owned()).spawn(move || {
            begin_thread();
            state.run(&queue);
        });
        let thread = Some(thread.map_err(MediaError::Worker)?);
        Ok(Self { tasks, certificate: der, thread })
    }

    /// What peers must find our certificate to be.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        fingerprint(FingerprintHash::Sha256, &self.certificate)
    }

    /// A command; never lost.
    pub(super) fn tell(&self, task: Task) {
        // It fails only after the thread ended, which ends with the relay alone.
        let _ = self.tasks.send(task);
    }
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        self.tell(Task::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The digest of a certificate.
fn fingerprint(hash: FingerprintHash, certificate: &[u8]) -> Fingerprint {
    let octets = match hash {
        FingerprintHash::Sha256 => Sha256::digest(certificate).to_vec(),
        FingerprintHash::Sha384 => Sha384::digest(certificate).to_vec(),
        FingerprintHash::Sha512 => Sha512::digest(certificate).to_vec(),
    };
    Fingerprint { hash, octets }
}

struct Thread {
    means: Means,
    /// By the life of their port pair.
    sessions: HashMap<u32, Session>,
}

/// What all sessions have in common.
struct Means {
    config: Arc<Config>,
    certificate: DtlsCertificate,
    workers: Vec<Mailbox>,
    notices: SyncSender<Notify>,
    buffer: Vec<u8>,
}

struct Session {
    dtls: Dtls,
    bound: Arc<Bound>,
    wanted: Handshake,
    /// Fresh handshakes so far.
    fresh: u8,
    /// Where the last packet that was one of its handshake came from.
    peer: Option<SocketAddr>,
    /// The peer's certificate is the one that signalling named.
    is_known: bool,
    has_keys: bool,
    deadline: Option<Instant>,
}

/// Why a session is over.
enum End {
    /// Its peer has closed it.
    Closed,
    Failed(HandshakeFault),
}

#[expect(clippy::disallowed_methods, reason = "the rim: handshakes get their time here")]
fn now() -> Instant {
    Instant::now()
}

impl Thread {
    fn run(mut self, tasks: &Receiver<Task>) {
        loop {
            let now_at = now();
            let deadline = self.sessions.values().filter_map(|session| session.deadline).min();
            let patience =
                deadline.map_or(IDLE, |deadline| deadline.saturating_duration_since(now_at));
            match tasks.recv_timeout(patience) {
                Ok(Task::Begin(bound, handshake)) => self.begin(bound, *handshake),
                Ok(Task::Packet(bound, from, packet)) => self.receive(&bound, from, &packet),
                Ok(Task::End(life)) => {
                    self.sessions.remove(&life);
                }
                Ok(Task::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.expire();
        }
    }

    fn begin(&mut self, bound: Arc<Bound>, wanted: Handshake) {
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(&bound.life) {
            return;
        }
        let (life, now_at) = (bound.life, now());
        let dtls = self.means.dtls(wanted.is_client, now_at);
        let session = Session {
            dtls,
            bound,
            wanted,
            fresh: 0,
            peer: None,
            is_known: false,
            has_keys: false,
            deadline: Some(now_at),
        };
        self.sessions.insert(life, session);
    }

    fn receive(&mut self, bound: &Arc<Bound>, from: SocketAddr, packet: &[u8]) {
        let Some(session) = self.sessions.get_mut(&bound.life) else { return };
        if !session.take(packet, from, now(), &mut self.means) {
            self.sessions.remove(&bound.life);
        }
    }

    fn expire(&mut self) {
        let now_at = now();
        let means = &mut self.means;
        self.sessions.retain(|_, session| {
            let is_due = session.deadline.is_some_and(|deadline| deadline <= now_at);
            !is_due || session.wake(now_at, means)
        });
    }
}

impl Means {
    fn dtls(&self, is_client: bool, now_at: Instant) -> Dtls {
        let (config, certificate) = (Arc::clone(&self.config), self.certificate.clone());
        let mut dtls = if is_client {
            // The older version: a peer that waits for our hello may not know the newer one.
            Dtls::new_12(config, certificate, now_at)
        } else {
            Dtls::new_auto(config, certificate, now_at)
        };
        dtls.set_active(is_client);
        dtls
    }

    /// Tells of a handshake that failed.
    fn report(&self, bound: &Bound, fault: HandshakeFault) {
        let (id, stream) = bound.key;
        // A lost notice is a line that the log lacks.
        let _ = self.notices.try_send(Notify::Unprotected { id, stream, fault });
    }
}

impl Session {
    /// A packet of the peer, or of somebody who may be it; false if the session is over.
    fn take(
        &mut self,
        packet: &[u8],
        from: SocketAddr,
        now_at: Instant,
        means: &mut Means,
    ) -> bool {
        // The library's clock stands where it was told of last: a flight's patience would begin there.
        let taken = self.dtls.handle_timeout(now_at).and_then(|()| self.dtls.handle_packet(packet));
        if taken.is_ok() {
            self.peer = Some(from);
        }
        self.goes_on(taken, now_at, means)
    }

    /// Its deadline is reached; false if the session is over.
    fn wake(&mut self, now_at: Instant, means: &mut Means) -> bool {
        self.deadline = None;
        let woken = self.dtls.handle_timeout(now_at);
        self.goes_on(woken, now_at, means)
    }

    /// What comes of a step: all that the session wants done then. Where it has failed, nothing more if
    /// there are keys, which need it no more; otherwise a fresh one, some times. The first failure is told of.
    fn goes_on(&mut self, step: Result<(), Error>, now_at: Instant, means: &mut Means) -> bool {
        let drained = step.map_err(|error| fault(&error)).and_then(|()| self.drain(means));
        let Err(end) = drained else { return true };
        if self.has_keys {
            return false;
        }
        if let (End::Failed(fault), 0) = (end, self.fresh) {
            means.report(&self.bound, fault);
        }
        if self.fresh == FRESH_MAX {
            return false;
        }
        self.fresh += 1;
        self.dtls = means.dtls(self.wanted.is_client, now_at);
        (self.peer, self.is_known, self.deadline) = (None, false, Some(now_at));
        true
    }

    /// Takes everything that it wants done.
    fn drain(&mut self, means: &mut Means) -> Result<(), End> {
        for _ in 0..OUTPUTS_MAX {
            match self.dtls.poll_output(&mut means.buffer) {
                Output::Packet(packet) => {
                    let to = self.peer.or_else(|| self.bound.outlet.media_remote());
                    if let Some(to) = to {
                        self.bound.pair.send_media(packet, to);
                    }
                }
                Output::BufferTooSmall { needed } if needed <= RECORD_MAX * 8 => {
                    means.buffer.resize(needed, 0);
                }
                Output::Timeout(deadline) => {
                    self.deadline = Some(deadline);
                    return Ok(());
                }
                Output::PeerCert(certificate) => {
                    let wanted = &self.wanted.fingerprint;
                    let made = fingerprint(wanted.hash, certificate);
                    self.is_known = made.octets.ct_eq(&wanted.octets).into();
                    if !self.is_known {
                        return Err(End::Failed(HandshakeFault::Fingerprint));
                    }
                }
                Output::KeyingMaterial(material, profile) => {
                    // Nobody has keys who has not shown the certificate that signalling named.
                    let keys = keys(&material, profile, self.wanted.is_client);
                    let keys = keys.filter(|_| self.is_known);
                    let keys = keys.ok_or(End::Failed(HandshakeFault::Protocol))?;
                    self.has_keys = true;
                    hand_out(&self.bound, &keys, &means.workers);
                }
                Output::CloseNotify => return Err(End::Closed),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What an error of the library says of the peer.
fn fault(error: &Error) -> End {
    End::Failed(match error {
        Error::CertificateError(
            CertificateError::NoClientCertificateReceived
            | CertificateError::NoClientCertificateForVerification
            | CertificateError::NoServerCertificateReceived
            | CertificateError::UnsupportedEcCurve
            | CertificateError::MissingEcCurveParameter,
        )
        | Error::CryptoError(
            CryptoError::UnsupportedSignatureAlgorithm(_)
            | CryptoError::UnsupportedPublicKeyAlgorithm,
        )
        | Error::SecurityError(SecurityError::UnsupportedSignatureScheme(_)) => {
            HandshakeFault::Certificate
        }
        Error::SecurityError(SecurityError::FatalAlert { description }) => {
            HandshakeFault::Refused(*description)
        }
        Error::Timeout(_) => HandshakeFault::Silence,
        _ => HandshakeFault::Protocol,
    })
}

/// RFC 5764 §4.2: the client's key, the server's key, the client's salt, the server's salt.
fn keys(material: &KeyingMaterial, profile: SrtpProfile, is_client: bool) -> Option<Keys> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128Sha1_80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
        _ => return None,
    };
    let (key, salt) = (suite.key_len(), suite.salt_len());
    let part = |at: usize, length: usize| material.get(at..at + length);
    let joined = |key: &[u8], salt: &[u8]| {
        Material::new(suite, &zeroize::Zeroizing::new([key, salt].concat()))
    };
    let client = joined(part(0, key)?, part(2 * key, salt)?)?;
    let server = joined(part(key, key)?, part(2 * key + salt, salt)?)?;
    let (local, remote) = if is_client { (client, server) } else { (server, client) };
    Some(Keys { local, remote })
}

/// Gives a stream its keys.
fn hand_out(bound: &Arc<Bound>, keys: &Keys, workers: &[Mailbox]) {
    bound.outlet.set_security(true, Some(Arc::new(Sealer::new(&keys.local))));
    let opener = Some(Box::new(Opener::new(&keys.remote)));
    if let Some(worker) = workers.get(bound.pair.worker) {
        worker.tell(Command::Secure { bound: Arc::clone(bound), opener });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::context::TerminationId;
    use crate::control::{MediaConfig, StreamPorts};
    use crate::plan::Outlet;
    use crate::relay::handful::Handful;
    use crate::relay::kernel::Offload;
    use crate::relay::port::PortPair;
    use crate::relay::test_ports::draw;

    /// A stream that nobody serves.
    fn bound() -> Arc<Bound> {
        let range = draw(2);
        let ports = StreamPorts { rtp: *range.start(), rtcp: *range.end() };
        let handful = Handful::open(&MediaConfig::default(), &range, 1).unwrap();
        let pair = PortPair::shared((0, 0), ports, false, (Arc::new(handful), 0));
        Arc::new(Bound {
            outlet: Outlet::default(),
            offload: Offload::default(),
            pair: Arc::new(pair),
            life: 1,
            key: (TerminationId::new(0, 0), 0),
            is_found: AtomicBool::new(false),
        })
    }

    #[test]
    fn a_phone_that_begins_minutes_after_it_could_has_a_whole_handshakes_time() {
        let certificate = crate::relay::certificate::draw().unwrap();
        let config = Arc::new(Config::builder().build().unwrap());
        let (notices, told) = sync_channel(8);
        let (wanted, buffer) = (fingerprint(FingerprintHash::Sha256, b""), vec![0; RECORD_MAX]);
        let means = Means {
            config,
            certificate: certificate.clone(),
            workers: Vec::new(),
            notices,
            buffer,
        };
        let mut thread = Thread { means, sessions: HashMap::new() };
        thread.begin(bound(), Handshake { fingerprint: wanted, is_client: false });
        let session = thread.sessions.get_mut(&1).unwrap();
        let later = now() + Duration::from_secs(120);
        let mut phone = Dtls::new_12(Arc::new(Config::default()), certificate, later);
        phone.set_active(true);
        phone.handle_timeout(later).unwrap();
        let (from, mut buffer) = (SocketAddr::from(([127, 0, 0, 1], 9)), [0; RECORD_MAX]);
        let Output::Packet(hello) = phone.poll_output(&mut buffer) else { panic!("no hello") };
        assert!(session.take(hello, from, later, &mut thread.means));
        assert!(session.deadline.is_some_and(|deadline| deadline > later));
        assert!(told.try_recv().is_err());
    }
}
