//! Certificates made for a test, in files as `[sip.tls]` names them, and clients that believe them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use sip_stack::message::Message;
use sip_stack::message::framing::{Frame, StreamFramer};
use switch::phone::Access;

use crate::program::PATIENCE;

/// Signs certificates into a folder of its own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new root, in `ca.pem`.
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a root");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), root.pem()).expect("the root is written");
        Authority { issuer: Issuer::new(params, key), folder }
    }

    /// A file of the folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes `NAME.pem` and `NAME.key` for these names; `sip:…` becomes a URI.
    pub fn issue(&self, name: &str, names: &[&str]) {
        self.issue_until(name, names, 2100);
    }

    /// The same, valid until the beginning of a year.
    pub fn issue_until(&self, name: &str, names: &[&str], year: i32) {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        let alternative = |name: &&str| match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if name.starts_with("sip:") => SanType::URI((*name).try_into().expect("ASCII")),
            Err(_) => SanType::DnsName((*name).try_into().expect("ASCII")),
        };
        params.subject_alt_names = names.iter().map(alternative).collect();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).expect("written");
        write_private(&self.path(&format!("{name}.key")), &key.serialize_pem());
    }

    /// `[sip.tls]` with the certificate `NAME`, and more settings.
    pub fn section(&self, name: &str, more: &str) -> String {
        let (certificate, key) =
            (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        format!(
            "\n[sip.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n{more}\n",
            certificate.display(),
            key.display()
        )
    }

    fn identity(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::from_pem_file(self.path(&format!("{name}.pem")));
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key")));
        (vec![chain.expect("a certificate")], key.expect("a key"))
    }

    /// A client that believes this root, with a certificate of its own or none.
    pub fn client(&self, own: Option<&str>) -> Arc<ClientConfig> {
        let own = own.map(|own| (self, own));
        self.client_with(own)
    }

    /// A client that believes this root, with a certificate of another authority.
    pub fn client_with(&self, own: Option<(&Authority, &str)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(self.path("ca.pem")).expect("the root");
        roots.add(root).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match own {
            Some((authority, name)) => {
                let (chain, key) = authority.identity(name);
                builder.with_client_auth_cert(chain, key).expect("a certificate")
            }
            None => builder.with_no_client_auth(),
        };
        Arc::new(config)
    }

    /// A server with the certificate `NAME` that asks for certificates of this root.
    pub fn server(&self, name: &str) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(self.path("ca.pem")).expect("the root");
        roots.add(root).expect("a root");
        let provider = Arc::new(default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            provider.clone(),
        );
        let (chain, key) = self.identity(name);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.build().expect("a root"))
            .with_single_cert(chain, key);
        Arc::new(config.expect("a certificate"))
    }

    /// TLS to a switch that proves this name.
    pub fn tls(&self, name: &str) -> Access {
        Access::Tls(self.client(None), name.to_owned())
    }

    /// WebSocket under TLS to a switch that proves this name.
    pub fn wss(&self, name: &str) -> Access {
        Access::Wss(self.client(None), name.to_owned())
    }
}

/// Writes a self-signed ECDSA certificate of a common name, and its key, into one file.
pub fn write_identity(path: &Path, name: &str) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).expect("a certificate");
    write_private(path, &format!("{}{}", certificate.pem(), key.serialize_pem()));
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;

    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
}

/// SIP over TLS by hand.
pub struct Raw<C: std::ops::DerefMut<Target = rustls::ConnectionCommon<S>>, S: rustls::SideData> {
    /// The stream.
    pub stream: StreamOwned<C, TcpStream>,
    /// What has come of messages.
    pub framer: StreamFramer,
}

/// Towards the switch.
pub type Client = Raw<ClientConnection, rustls::client::ClientConnectionData>;
/// From the switch.
pub type Server = Raw<ServerConnection, rustls::server::ServerConnectionData>;

impl<C: std::ops::DerefMut<Target = rustls::ConnectionCommon<S>>, S: rustls::SideData> Raw<C, S> {
    /// Sends octets.
    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    /// The next message; `None` when the connection is closed.
    pub fn try_message(&mut self) -> Option<Message> {
        let mut buffer = [0; 4096];
        loop {
            match self.framer.next() {
                Some(Ok(Frame::Message(bytes))) => return Some(Message::parse(bytes).unwrap()),
                Some(_) => continue,
                None => {}
            }
            match self.stream.read(&mut buffer) {
                Ok(length) if length > 0 => self.framer.push(&buffer[..length]),
                _ => return None,
            }
        }
    }

    /// The next message.
    pub fn message(&mut self) -> Message {
        self.try_message().expect("a message")
    }

    /// The first response that is not provisional, or is one that rings.
    pub fn verdict(&mut self) -> u16 {
        loop {
            match self.message().status() {
                Some(100) | None => {}
                Some(status) => return status,
            }
        }
    }
}

/// A connection to a switch that proves this name.
///
/// Errors: no connection, or the certificates are not good.
pub fn connect(
    config: &Arc<ClientConfig>,
    switch: std::net::SocketAddr,
    name: &str,
) -> std::io::Result<Client> {
    let stream = TcpStream::connect(switch)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(config.clone(), name).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Raw { stream, framer: StreamFramer::new() })
}
