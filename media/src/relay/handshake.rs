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
        let state = Thread {
            config: Arc::new(config),
            certificate,
            workers,
            notices,
            sessions: HashMap::new(),
            buffer: vec![0; RECORD_MAX],
        };
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
    config: Arc<Config>,
    certificate: DtlsCertificate,
    workers: Vec<Mailbox>,
    notices: SyncSender<Notify>,
    /// By the life of their port pair.
    sessions: HashMap<u32, Session>,
    buffer: Vec<u8>,
}

struct Session {
    dtls: Dtls,
    bound: Arc<Bound>,
    wanted: Fingerprint,
    is_client: bool,
    /// Where its last packet came from.
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
                Ok(Task::Begin(bound, handshake)) => self.begin(bound, &handshake),
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

    fn begin(&mut self, bound: Arc<Bound>, handshake: &Handshake) {
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(&bound.life) {
            return;
        }
        let (config, certificate) = (Arc::clone(&self.config), self.certificate.clone());
        let mut dtls = if handshake.is_client {
            // The older version: a peer that waits for our hello may not know the newer one.
            Dtls::new_12(config, certificate, now())
        } else {
            Dtls::new_auto(config, certificate, now())
        };
        dtls.set_active(handshake.is_client);
        let life = bound.life;
        let session = Session {
            dtls,
            bound,
            wanted: handshake.fingerprint.clone(),
            is_client: handshake.is_client,
            peer: None,
            is_known: false,
            has_keys: false,
            deadline: Some(now()),
        };
        self.sessions.insert(life, session);
    }

    fn receive(&mut self, bound: &Arc<Bound>, from: SocketAddr, packet: &[u8]) {
        let Some(session) = self.sessions.get_mut(&bound.life) else { return };
        session.peer = Some(from);
        let taken = session.dtls.handle_packet(packet).map_err(|error| fault(&error));
        let drained = taken.and_then(|()| drain(session, &mut self.buffer, &self.workers));
        if let Err(end) = drained {
            report(&self.notices, session, &end);
            self.sessions.remove(&bound.life);
        }
    }

    fn expire(&mut self) {
        let now_at = now();
        let (buffer, workers) = (&mut self.buffer, &self.workers);
        self.sessions.retain(|_, session| {
            if session.deadline.is_none_or(|deadline| deadline > now_at) {
                return true;
            }
            session.deadline = None;
            let woken = session.dtls.handle_timeout(now_at).map_err(|error| fault(&error));
            let drained = woken.and_then(|()| drain(session, buffer, workers));
            drained.inspect_err(|end| report(&self.notices, session, end)).is_ok()
        });
    }
}

/// Tells of a handshake that failed. Whoever has keys needs it no more.
fn report(notices: &SyncSender<Notify>, session: &Session, end: &End) {
    let End::Failed(fault) = *end else { return };
    if !session.has_keys {
        let (id, stream) = session.bound.key;
        // A lost notice is a line that the log lacks.
        let _ = notices.try_send(Notify::Unprotected { id, stream, fault });
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

/// Takes everything that a session wants done.
fn drain(session: &mut Session, buffer: &mut Vec<u8>, workers: &[Mailbox]) -> Result<(), End> {
    for _ in 0..OUTPUTS_MAX {
        match session.dtls.poll_output(buffer) {
            Output::Packet(packet) => {
                let to = session.peer.or_else(|| session.bound.outlet.media_remote());
                if let Some(to) = to {
                    session.bound.pair.send_media(packet, to);
                }
            }
            Output::BufferTooSmall { needed } if needed <= RECORD_MAX * 8 => {
                buffer.resize(needed, 0);
            }
            Output::Timeout(deadline) => {
                session.deadline = Some(deadline);
                return Ok(());
            }
            Output::PeerCert(certificate) => {
                let made = fingerprint(session.wanted.hash, certificate);
                session.is_known = made.octets.ct_eq(&session.wanted.octets).into();
                if !session.is_known {
                    return Err(End::Failed(HandshakeFault::Fingerprint));
                }
            }
            Output::KeyingMaterial(material, profile) => {
                // Nobody has keys who has not shown the certificate that signalling named.
                let keys = keys(&material, profile, session.is_client);
                let keys = keys.filter(|_| session.is_known);
                let keys = keys.ok_or(End::Failed(HandshakeFault::Protocol))?;
                session.has_keys = true;
                hand_out(&session.bound, &keys, workers);
            }
            Output::CloseNotify => return Err(End::Closed),
            _ => {}
        }
    }
    Ok(())
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
