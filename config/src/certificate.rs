//! Certificates and keys that the file names: read and checked when the configuration is loaded, and
//! looked at again for their time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::diagnose::Diagnosis;
use crate::model::Config;
use crate::model::tls::TlsIdentity;
use crate::secret::is_readable_by_all;

/// Longest file that is read: the roots of a whole system fit.
const MAX_PEM_BYTES: u64 = 2 << 20;
/// Most certificates of one file.
const MAX_CERTIFICATES: usize = 1000;
/// A certificate that ends sooner than this is spoken of at every start and reload (SEC-121).
const ALARM_SECONDS: i64 = 21 * 86_400;
const DAY_SECONDS: i64 = 86_400;

/// Why a certificate or key could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateFault {
    #[error("the file {0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error("the file {0} is longer than {MAX_PEM_BYTES} bytes")]
    TooLong(PathBuf),
    #[error("the key {0} can be read by everyone")]
    ReadableByAll(PathBuf),
    #[error("the file {0} holds no certificate")]
    NoCertificate(PathBuf),
    #[error("the file {0} holds no private key")]
    NoKey(PathBuf),
    #[error("the certificate in {0} cannot be read")]
    BadCertificate(PathBuf),
    #[error("the key {0} is of a kind that is not known: {1}")]
    BadKey(PathBuf, rustls::Error),
    #[error("the key {key} does not match the certificate {certificate}")]
    Mismatch { certificate: PathBuf, key: PathBuf },
}

impl CertificateFault {
    /// What would be right.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::ReadableByAll(path) => {
                format!("a file that only its owner can read (chmod 600 {})", path.display())
            }
            Self::NoKey(_) | Self::BadKey(..) => {
                "a PEM file with a private key: PKCS #8, RSA or EC".to_owned()
            }
            Self::Mismatch { .. } => "the key that the certificate was made for".to_owned(),
            _ => "a PEM file: the certificate, then those that lead to its root".to_owned(),
        }
    }

    /// Is it about the key, not about the certificate?
    pub(crate) fn is_of_key(&self, own: &Path) -> bool {
        match self {
            Self::ReadableByAll(_) | Self::NoKey(_) | Self::BadKey(..) | Self::Mismatch { .. } => {
                true
            }
            Self::Unreadable(path, _) | Self::TooLong(path) => path == own,
            _ => false,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateFault> {
    let unreadable = |error| CertificateFault::Unreadable(path.to_owned(), error);
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > MAX_PEM_BYTES {
        return Err(CertificateFault::TooLong(path.to_owned()));
    }
    std::fs::read(path).map_err(unreadable)
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<Arc<[u8]>>, CertificateFault> {
    let text = read(path)?;
    let bad = || CertificateFault::BadCertificate(path.to_owned());
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&text).take(MAX_CERTIFICATES) {
        let certificate = certificate.map_err(|_| bad())?;
        X509Certificate::from_der(&certificate).map_err(|_| bad())?;
        found.push(Arc::from(certificate.as_ref()));
    }
    if found.is_empty() {
        return Err(CertificateFault::NoCertificate(path.to_owned()));
    }
    Ok(found)
}

/// A certificate and its key; they belong together. Whether the certificate's time has come or
/// gone is no fault here: a switch must be able to start with what it has.
pub(crate) fn identity(
    certificate: &Path,
    key: &Path,
    setting: String,
) -> Result<TlsIdentity, CertificateFault> {
    let chain = certificates(certificate)?;
    let text = read(key)?;
    if std::fs::metadata(key).is_ok_and(|metadata| is_readable_by_all(&metadata)) {
        return Err(CertificateFault::ReadableByAll(key.to_owned()));
    }
    let der = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| CertificateFault::NoKey(key.to_owned()))?;
    let key_der = Arc::from(der.secret_der());
    let list: Vec<_> = chain.iter().map(|one| CertificateDer::from(one.to_vec())).collect();
    let matching = CertifiedKey::from_der(list, der, &default_provider());
    matching.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            CertificateFault::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        error => CertificateFault::BadKey(key.to_owned(), error),
    })?;
    let bad = || CertificateFault::BadCertificate(certificate.to_owned());
    let own = chain.first().ok_or_else(bad)?;
    let (_, parsed) = X509Certificate::from_der(own).map_err(|_| bad())?;
    let validity = parsed.validity();
    let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    drop(parsed);
    Ok(TlsIdentity {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        key_der,
        not_before,
        not_after,
        setting,
        chain,
    })
}

/// A fault for each certificate of the switch that is not valid at this time, with its place: for
/// `strowger check`.
pub fn check_certificates(config: &Config, unix_seconds: i64) -> Vec<Diagnosis> {
    let identities = config.sip.tls.iter().flat_map(|tls| tls.identities());
    let faults = identities.filter_map(|identity| {
        let path = identity.certificate.display();
        let found = if unix_seconds > identity.not_after {
            let days = (unix_seconds - identity.not_after) / DAY_SECONDS;
            format!("the certificate {path} expired {}", ago(days))
        } else if unix_seconds < identity.not_before {
            format!("the certificate {path} is not valid yet")
        } else {
            return None;
        };
        let (line, column) = config.places.position(&identity.setting);
        Some(Diagnosis {
            file: config.places.file().to_owned(),
            line,
            column,
            found,
            expected: "a certificate that is valid now".to_owned(),
            suggestion: None,
        })
    });
    faults.collect()
}

fn ago(days: i64) -> String {
    match days {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

/// What an administrator should know about certificates that end soon or have ended, a sentence
/// each.
pub fn certificate_warnings(config: &Config, unix_seconds: i64) -> Vec<String> {
    let mut warnings: Vec<String> =
        check_certificates(config, unix_seconds).into_iter().map(|fault| fault.found).collect();
    for identity in config.sip.tls.iter().flat_map(|tls| tls.identities()) {
        let left = identity.not_after - unix_seconds;
        if (0..ALARM_SECONDS).contains(&left) {
            let path = identity.certificate.display();
            warnings.push(format!("the certificate {path} ends in {} days", left / DAY_SECONDS));
        }
    }
    warnings
}
