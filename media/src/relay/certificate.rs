//! The certificate that the relay shows in DTLS (RFC 5763 §5): made at each start, trusted by its fingerprint alone.

use dimpl::DtlsCertificate;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

/// What a certificate is called by everybody who makes one for media: it says nothing about us.
const NAME: &str = "WebRTC";

/// A self-signed certificate with a new key on P-256, which every DTLS-SRTP peer understands
/// (RFC 8827 §6.5).
///
/// Errors: the system gives no random numbers.
pub(super) fn draw() -> Result<DtlsCertificate, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    let certificate = params.self_signed(&key)?;
    Ok(DtlsCertificate {
        certificate: certificate.der().to_vec(),
        private_key: key.serialize_der(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panic")]
mod tests {
    use super::*;

    #[test]
    fn no_two_certificates_are_alike() {
        let (one, other) = (draw().unwrap(), draw().unwrap());
        assert_ne!(one.certificate, other.certificate);
        assert_ne!(one.private_key, other.private_key);
    }
}
