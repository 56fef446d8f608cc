//! TLS of listeners and of connections to peers: certificates, whom we believe, and how.
//!
//! rustls with ring: TLS 1.2 and 1.3, ECDHE with AEAD only, no renegotiation, no early data
//! (security SEC-120).

use std::{collections::HashMap, fmt, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::certificate::{certificate_names, proves};

/// A certificate with its chain, and its key.
#[derive(PartialEq, Eq)]
pub struct TlsIdentity {
    /// The certificate first, then those that lead to a root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate's key.
    pub key: PrivateKeyDer<'static>,
}

/// Shows no key (SEC-131).
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsIdentity({} certificates)", self.chain.len())
    }
}

/// What becomes of those who connect to us and have a certificate, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientCertificates {
    /// Nobody is asked for one.
    #[default]
    Ignored,
    /// Who has one must have a good one.
    Optional,
    /// Nobody comes in without a good one.
    Required,
}

/// What [`Tls`] is made of.
#[derive(Debug)]
pub struct TlsSettings {
    /// Shown to those who ask for no name, or for one that is not among `named`.
    pub identity: TlsIdentity,
    /// Further certificates by the host name that a client asks for (RFC 6066 §3).
    pub named: Vec<(String, TlsIdentity)>,
    /// Whether clients are asked for certificates.
    pub clients: ClientCertificates,
    /// Whose certificates of clients are believed.
    pub client_roots: Vec<CertificateDer<'static>>,
    /// Whose certificates of the peers that we connect to are believed.
    pub peer_roots: Vec<CertificateDer<'static>>,
    /// TLS 1.2 is refused.
    pub is_tls13_only: bool,
}

static TLS13_ONLY: [&SupportedProtocolVersion; 1] = [&TLS13];
static TLS12_TOO: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("certificates cannot be used: {0}")]
pub struct TlsError(String);

impl TlsError {
    /// A reason of the caller's own.
    pub fn new(reason: impl Into<String>) -> Self {
        TlsError(reason.into())
    }

    fn of(error: impl fmt::Display) -> Self {
        TlsError(error.to_string())
    }
}

/// Certificates and whom we believe, ready for handshakes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    server: Arc<ServerConfig>,
    own: Arc<CertifiedKey>,
    peer_roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl Tls {
    /// Checks and prepares everything.
    ///
    /// Errors: a key that cannot be read or does not match its certificate, or no usable root for
    /// clients.
    pub fn new(settings: TlsSettings) -> Result<Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certified = |identity: TlsIdentity| {
            let key = CertifiedKey::from_der(identity.chain, identity.key, &provider);
            key.map(Arc::new).map_err(TlsError::of)
        };
        let own = certified(settings.identity)?;
        let mut named = HashMap::new();
        for (name, identity) in settings.named {
            named.insert(name.to_ascii_lowercase(), certified(identity)?);
        }
        let versions: &[_] = if settings.is_tls13_only { &TLS13_ONLY } else { &TLS12_TOO };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(TlsError::of)?;
        let builder = if settings.clients == ClientCertificates::Ignored {
            builder.with_no_client_auth()
        } else {
            let roots = Arc::new(roots(settings.client_roots));
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
            let verifier = match settings.clients {
                ClientCertificates::Required => verifier,
                _ => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(verifier.build().map_err(TlsError::of)?)
        };
        let server = builder.with_cert_resolver(Arc::new(ByName { own: own.clone(), named }));
        Ok(Tls {
            server: Arc::new(server),
            own,
            peer_roots: Arc::new(roots(settings.peer_roots)),
            provider,
            versions,
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.server.clone())
    }

    /// A connector that believes a certificate only if it proves one name of each list.
    pub(super) fn connector(&self, wanted: Vec<Vec<String>>) -> Result<TlsConnector, TlsError> {
        let verifier = PeerVerifier {
            wanted,
            roots: self.peer_roots.clone(),
            provider: self.provider.clone(),
        };
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(self.versions)
            .map_err(TlsError::of)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(Own(self.own.clone())));
        // Each connection proves its peer's name afresh.
        config.resumption = Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Certificates that cannot be read as roots are left out; the configuration has checked them.
fn roots(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    roots
}

/// Chooses by the name a client asks for.
#[derive(Debug)]
struct ByName {
    own: Arc<CertifiedKey>,
    named: HashMap<String, Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let named = name.and_then(|name| self.named.get(&name));
        Some(named.unwrap_or(&self.own).clone())
    }
}

/// Shows our own certificate to peers that ask for one: mutual TLS between trunks.
#[derive(Debug)]
struct Own(Arc<CertifiedKey>);

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Believes a peer by its chain and by the SIP domain that its certificate names (RFC 5922 §7.3).
#[derive(Debug)]
struct PeerVerifier {
    wanted: Vec<Vec<String>>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let (roots, chain) = (&self.roots, intermediates);
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, chain, now, algorithms)?;
        let names = certificate_names(end_entity);
        if self.wanted.iter().all(|wanted| proves(&names, wanted)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::CertificateError::NotValidForName.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
