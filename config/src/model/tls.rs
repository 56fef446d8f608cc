//! `[sip.tls]`, `[sip.websocket]` and `[sip.connections]`: who may connect, and how that is proved.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `[sip.tls]`: certificates of the switch and whose certificates it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Shown to everybody who asks for no other name.
    pub identity: TlsIdentity,
    /// `[sip.tls.domains."NAME"]`: shown to those who ask for this host name (RFC 6066 §3).
    pub domains: BTreeMap<String, TlsIdentity>,
    /// Whether those who connect are asked for a certificate; default `off`, with `client_ca`
    /// `optional`.
    pub client_certificates: ClientCertificates,
    /// Roots of the certificates of those who connect to us, DER.
    pub client_ca: Vec<Arc<[u8]>>,
    /// Roots of the certificates of trunks that we connect to, DER; without it those of the system.
    pub trunk_ca: Option<Vec<Arc<[u8]>>>,
    /// The oldest version that is spoken; default 1.2.
    pub min_version: TlsVersion,
}

/// A certificate with its chain, and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The file of the certificates.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
    /// DER: the certificate itself first.
    pub chain: Vec<Arc<[u8]>>,
    /// DER: PKCS #8, PKCS #1 or SEC 1.
    pub key_der: Arc<[u8]>,
    /// Seconds since 1970 from which the certificate is valid.
    pub not_before: i64,
    /// Seconds since 1970 after which it is not.
    pub not_after: i64,
    /// Where the configuration names the certificate, such as `sip.tls.certificate`.
    pub setting: String,
}

/// Shows no key (SEC-131).
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TlsIdentity({})", self.certificate.display())
    }
}

impl Tls {
    /// All certificates of the switch.
    pub fn identities(&self) -> impl Iterator<Item = &TlsIdentity> {
        std::iter::once(&self.identity).chain(self.domains.values())
    }
}

/// `sip.tls.client_certificates`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nobody is asked for one.
    Off,
    /// Who has one must have a good one; phones prove themselves by digest as ever.
    Optional,
    /// Nobody comes in without a good one.
    Required,
}

impl ClientCertificates {
    pub(crate) const ALL: [(&str, Self); 3] =
        [("off", Self::Off), ("optional", Self::Optional), ("required", Self::Required)];
}

/// `sip.tls.min_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246), ECDHE with AEAD only.
    V12,
    /// TLS 1.3 (RFC 8446).
    V13,
}

impl TlsVersion {
    pub(crate) const ALL: [(&str, Self); 2] = [("1.2", Self::V12), ("1.3", Self::V13)];
}

/// `[sip.connections]`: ceilings of TCP, TLS and WebSocket connections together (SEC-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// In all; default 20000.
    pub max: usize,
    /// From one address; default 64.
    pub max_per_address: usize,
    /// Handshakes of TLS and WebSocket in progress; default 256.
    pub max_handshakes: usize,
    /// How long a handshake may take; default 5 seconds.
    pub handshake_timeout: Duration,
    /// How long a peer may be silent, keep-alives included; default 15 minutes.
    pub idle_timeout: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            max: 20_000,
            max_per_address: 64,
            max_handshakes: 256,
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(900),
        }
    }
}
