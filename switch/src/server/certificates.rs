//! The configuration's certificates as the transports take them, and how long they last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use config::Config;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sip_stack::transport::{
    ClientCertificates, Limits, Setup, Tls, TlsError, TlsIdentity, TlsSettings, Transports,
};

use super::{ServerError, clock};
use crate::observe::Sample;

/// How the listeners are set up.
///
/// Errors: certificates that cannot be used.
pub(super) fn setup(config: &Config) -> Result<Setup, ServerError> {
    let connections = config.sip.connections;
    let limits = Limits {
        connections: connections.max,
        connections_per_address: connections.max_per_address,
        handshakes: connections.max_handshakes,
        handshake: connections.handshake_timeout,
        idle: connections.idle_timeout,
        ..Limits::default()
    };
    let origins = config.sip.origins.clone();
    Ok(Setup { limits, tls: tls(config)?, origins, ..Setup::default() })
}

/// `[sip.tls]`, ready for handshakes.
fn tls(config: &Config) -> Result<Option<Tls>, ServerError> {
    let Some(tls) = &config.sip.tls else { return Ok(None) };
    let mut named = Vec::new();
    for (name, own) in &tls.domains {
        named.push((name.clone(), identity(own)?));
    }
    let clients = match tls.client_certificates {
        config::ClientCertificates::Off => ClientCertificates::Ignored,
        config::ClientCertificates::Optional => ClientCertificates::Optional,
        config::ClientCertificates::Required => ClientCertificates::Required,
    };
    let has_tls_trunk = config.trunks.values().any(|trunk| may_be_tls(&trunk.peer));
    let peer_roots = match &tls.trunk_ca {
        Some(roots) => certificates(roots),
        None if has_tls_trunk => roots_of_the_system(),
        None => Vec::new(),
    };
    let settings = TlsSettings {
        identity: identity(&tls.identity)?,
        named,
        clients,
        client_roots: certificates(&tls.client_ca),
        peer_roots,
        is_tls13_only: tls.min_version == config::TlsVersion::V13,
    };
    Ok(Some(Tls::new(settings)?))
}

/// Does the peer ask for TLS, or may its DNS records?
fn may_be_tls(peer: &config::Peer) -> bool {
    peer.needs_tls() || peer.transport.is_none()
}

fn identity(own: &config::TlsIdentity) -> Result<TlsIdentity, TlsError> {
    let key = PrivateKeyDer::try_from(own.key_der.to_vec()).map_err(TlsError::new)?;
    Ok(TlsIdentity { chain: certificates(&own.chain), key })
}

fn certificates(list: &[Arc<[u8]>]) -> Vec<CertificateDer<'static>> {
    list.iter().map(|der| CertificateDer::from(der.to_vec())).collect()
}

fn roots_of_the_system() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        tracing::warn!(
            "the system has no root certificates: name those of TLS trunks in [sip.tls] trunk_ca"
        );
    }
    found.certs
}

/// The end of the certificate that ends first, in seconds since 1970; 0 without certificates.
#[derive(Clone, Debug, Default)]
pub(super) struct Expiry(Arc<AtomicU64>);

impl Expiry {
    /// Notes the certificates of a configuration and warns of those that need care (SEC-121).
    pub(super) fn note(&self, config: &Config) {
        let identities = config.sip.tls.iter().flat_map(|tls| tls.identities());
        let first = identities.map(|identity| identity.not_after).min().unwrap_or(0);
        self.0.store(u64::try_from(first).unwrap_or(0), Ordering::Relaxed);
        for warning in config::certificate_warnings(config, now()) {
            tracing::warn!("{warning}");
        }
    }

    /// For `/metrics`.
    pub(super) fn sample(&self) -> Sample {
        let help =
            "When the first certificate of the switch ends, in seconds since 1970; 0 without any.";
        Sample::gauge("tls_certificate_end_seconds", help, self.0.load(Ordering::Relaxed))
    }
}

fn now() -> i64 {
    i64::try_from(clock::wall_ms() / 1000).unwrap_or(i64::MAX)
}

/// Gives running transports the certificates and origins of a new configuration; open connections
/// stay. Certificates that cannot be used change nothing.
pub(super) fn reconfigure(transports: &Transports, config: &Config) {
    match tls(config) {
        Ok(tls) => transports.reconfigure(tls, config.sip.origins.clone()),
        Err(error) => tracing::error!(%error, "the certificates stay as they were"),
    }
}
