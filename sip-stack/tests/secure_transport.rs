//! TLS and WebSocket over real loopback sockets: who comes in, who is believed, what is refused.

#![cfg(feature = "net")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    version::{TLS12, TLS13},
};
use sip_stack::{
    flow::{Flow, Received, Transmit, Transport},
    message::Method,
    transport::{
        ClientCertificates, Limits, Listen, Peer, Setup, Tls, TlsIdentity, TlsSettings,
        TransportCounts, TransportEvent, Transports, bind_with,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message as Frame, client::IntoClientRequest},
};

/// How long a test waits before it gives up; nothing depends on it when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        Authority { issuer: Issuer::new(params, key), root }
    }

    /// A certificate for these names; `sip:…` becomes a URI.
    fn identity(&self, names: &[&str]) -> TlsIdentity {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        let alternative = |name: &&str| match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if name.starts_with("sip:") => SanType::URI((*name).try_into().unwrap()),
            Err(_) => SanType::DnsName((*name).try_into().unwrap()),
        };
        params.subject_alt_names = names.iter().map(alternative).collect();
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        TlsIdentity { chain, key }
    }

    fn settings(&self, names: &[&str]) -> TlsSettings {
        TlsSettings {
            identity: self.identity(names),
            named: Vec::new(),
            clients: ClientCertificates::Ignored,
            client_roots: vec![self.root.clone()],
            peer_roots: vec![self.root.clone()],
            is_tls13_only: false,
        }
    }

    fn tls(&self, names: &[&str]) -> Tls {
        Tls::new(self.settings(names)).unwrap()
    }

    fn client(&self, own: Option<TlsIdentity>, is_tls12: bool) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let versions = if is_tls12 { vec![&TLS12] } else { vec![&TLS13] };
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            Some(own) => builder.with_client_auth_cert(own.chain, own.key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        TlsConnector::from(Arc::new(config))
    }
}

struct Switch {
    transports: Transports,
    events: mpsc::Receiver<TransportEvent>,
    address: SocketAddr,
}

impl Switch {
    async fn start(transport: Transport, setup: impl Into<Setup>) -> Switch {
        let (sender, events) = mpsc::channel(64);
        let listen = Listen { transport, address: "127.0.0.1:0".parse().unwrap() };
        let transports = bind_with(&[listen], setup, sender.into()).await.unwrap();
        let address = transports.local_addresses()[0].address;
        Switch { transports, events, address }
    }

    async fn with(transport: Transport, settings: TlsSettings) -> Switch {
        let tls = Some(Tls::new(settings).unwrap());
        Switch::start(transport, Setup { tls, ..Setup::default() }).await
    }

    async fn event(&mut self) -> TransportEvent {
        timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap()
    }

    async fn message(&mut self) -> Received {
        match self.event().await {
            TransportEvent::Message(received) => received,
            other => panic!("no message: {other:?}"),
        }
    }

    async fn failure(&mut self) -> Flow {
        match self.event().await {
            TransportEvent::Failed { flow } => flow,
            other => panic!("no failure: {other:?}"),
        }
    }

    /// Waits for counters that follow what the peer has noticed already.
    async fn until(&self, wanted: impl Fn(&TransportCounts) -> bool) -> TransportCounts {
        let counts = async {
            loop {
                let counts = self.transports.counts();
                if wanted(&counts) {
                    return counts;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, counts).await.unwrap()
    }

    fn send(&self, flow: Flow, octets: &[u8]) {
        self.transports.send(Transmit { bytes: Bytes::copy_from_slice(octets), flow });
    }

    fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Flow {
        Flow { transport, local: self.address, remote, connection: None }
    }
}

fn request(method: &str, lines: &str) -> String {
    format!(
        "{method} sip:201@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS h.invalid;branch=z9hG4bK1\r\n\
         Max-Forwards: 70\r\nFrom: <sip:202@127.0.0.1>;tag=f\r\nTo: <sip:201@127.0.0.1>\r\n\
         Call-ID: c\r\nCSeq: 1 {method}\r\n{lines}\r\n"
    )
}

fn whole() -> String {
    request("OPTIONS", "Content-Length: 0\r\n")
}

async fn dial(address: SocketAddr, connector: &TlsConnector, name: &str) -> TlsStream<TcpStream> {
    try_dial(address, connector, name).await.unwrap()
}

async fn try_dial(
    address: SocketAddr,
    connector: &TlsConnector,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    timeout(PATIENCE, connector.connect(name, stream)).await.unwrap()
}

async fn exactly(stream: &mut (impl AsyncReadExt + Unpin), length: usize) -> String {
    let mut buffer = vec![0; length];
    timeout(PATIENCE, stream.read_exact(&mut buffer)).await.unwrap().unwrap();
    String::from_utf8(buffer).unwrap()
}

async fn is_closed(stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
    let mut rest = Vec::new();
    matches!(timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap(), Ok(0) | Err(_))
}

#[tokio::test]
async fn a_message_comes_and_goes_over_tls_of_both_versions() {
    let ca = Authority::new();
    let mut switch = Switch::with(Transport::Tls, ca.settings(&["office.test"])).await;
    for is_tls12 in [false, true] {
        let mut phone = dial(switch.address, &ca.client(None, is_tls12), "office.test").await;
        phone.write_all(format!("\r\n\r\n{}", whole()).as_bytes()).await.unwrap();
        assert_eq!(exactly(&mut phone, 2).await, "\r\n");
        let received = switch.message().await;
        assert_eq!(received.message.method(), Method::Options);
        assert_eq!(received.flow.transport, Transport::Tls);
        assert_eq!(received.flow.remote, phone.get_ref().0.local_addr().unwrap());
        switch.send(received.flow, b"answer");
        assert_eq!(exactly(&mut phone, 6).await, "answer");
        drop(phone);
        assert!(matches!(switch.event().await, TransportEvent::Closed { .. }));
    }
}

#[tokio::test]
async fn tls_1_2_can_be_refused() {
    let ca = Authority::new();
    let settings = TlsSettings { is_tls13_only: true, ..ca.settings(&["office.test"]) };
    let switch = Switch::with(Transport::Tls, settings).await;
    assert!(try_dial(switch.address, &ca.client(None, true), "office.test").await.is_err());
    dial(switch.address, &ca.client(None, false), "office.test").await;
    switch.until(|counts| counts.handshakes_failed == 1).await;
}

#[tokio::test]
async fn a_client_gets_the_certificate_of_the_domain_it_asks_for() {
    let ca = Authority::new();
    let mut settings = ca.settings(&["office.test"]);
    settings.named.push(("Branch.test".to_owned(), ca.identity(&["branch.test"])));
    let switch = Switch::with(Transport::Tls, settings).await;
    let client = ca.client(None, false);
    for name in ["office.test", "branch.test"] {
        dial(switch.address, &client, name).await;
    }
    assert!(try_dial(switch.address, &client, "other.test").await.is_err());
}

#[tokio::test]
async fn a_client_certificate_identifies_its_connection_before_the_first_message() {
    let ca = Authority::new();
    for clients in [ClientCertificates::Optional, ClientCertificates::Required] {
        let settings = TlsSettings { clients, ..ca.settings(&["office.test"]) };
        let mut switch = Switch::with(Transport::Tls, settings).await;
        let own = ca.identity(&["sip:carrier.test", "host.carrier.test"]);
        let client = ca.client(Some(own), false);
        let mut carrier = dial(switch.address, &client, "office.test").await;
        carrier.write_all(whole().as_bytes()).await.unwrap();
        let TransportEvent::Identified { flow, names } = switch.event().await else {
            panic!("not identified")
        };
        assert_eq!(*names, ["carrier.test"]);
        assert_eq!(switch.message().await.flow, flow);
        drop(carrier);
        assert!(
            matches!(switch.event().await, TransportEvent::Closed { flow: closed } if closed == flow)
        );
    }
}

#[tokio::test]
async fn a_foreign_client_certificate_is_refused_and_none_where_one_is_required() {
    let (ca, foreign) = (Authority::new(), Authority::new());
    let cases = [
        (ClientCertificates::Required, None),
        (ClientCertificates::Required, Some(foreign.identity(&["carrier.test"]))),
        (ClientCertificates::Optional, Some(foreign.identity(&["carrier.test"]))),
    ];
    for (clients, own) in cases {
        let settings = TlsSettings { clients, ..ca.settings(&["office.test"]) };
        let mut switch = Switch::with(Transport::Tls, settings).await;
        // In TLS 1.3 the client has finished before it hears of the refusal.
        if let Ok(mut phone) = try_dial(switch.address, &ca.client(own, false), "office.test").await
        {
            let _ = phone.write_all(whole().as_bytes()).await;
            assert!(is_closed(&mut phone).await);
        }
        switch.until(|counts| counts.handshakes_failed == 1).await;
        assert!(switch.events.try_recv().is_err());
    }
}

#[tokio::test]
async fn other_certificates_are_used_for_new_connections_and_old_ones_live_on() {
    let (ca, next) = (Authority::new(), Authority::new());
    let mut switch = Switch::with(Transport::Tls, ca.settings(&["office.test"])).await;
    let mut phone = dial(switch.address, &ca.client(None, false), "office.test").await;
    phone.write_all(whole().as_bytes()).await.unwrap();
    let flow = switch.message().await.flow;
    switch.transports.reconfigure(Some(next.tls(&["office.test"])), Vec::new());
    assert!(try_dial(switch.address, &ca.client(None, false), "office.test").await.is_err());
    dial(switch.address, &next.client(None, false), "office.test").await;
    phone.write_all(whole().as_bytes()).await.unwrap();
    assert_eq!(switch.message().await.flow, flow);
    switch.send(flow, b"still here");
    assert_eq!(exactly(&mut phone, 10).await, "still here");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_ended() {
    let ca = Authority::new();
    let handshake = Duration::from_millis(50);
    let hello = b"\x16\x03\x01";
    let get = b"GET / HTTP/1.1\r\n";
    let cases = [(Transport::Tls, &hello[..]), (Transport::Wss, hello), (Transport::Ws, get)];
    for (transport, begin) in cases {
        let setup = Setup {
            limits: Limits { handshake, ..Limits::default() },
            tls: Some(ca.tls(&["office.test"])),
            ..Setup::default()
        };
        let switch = Switch::start(transport, setup).await;
        for begin in [b"", begin] {
            let mut half = TcpStream::connect(switch.address).await.unwrap();
            half.write_all(begin).await.unwrap();
            assert!(is_closed(&mut half).await);
        }
        let counts = switch.until(|counts| counts.connections_open == 0).await;
        assert_eq!((counts.handshakes_timed_out, counts.timed_out), (2, 0), "{transport}");
    }
}

#[tokio::test]
async fn handshakes_in_progress_are_limited_and_their_places_given_back() {
    let ca = Authority::new();
    let setup = Setup {
        limits: Limits { handshakes: 1, ..Limits::default() },
        tls: Some(ca.tls(&["office.test"])),
        ..Setup::default()
    };
    let mut switch = Switch::start(Transport::Tls, setup).await;
    let half = TcpStream::connect(switch.address).await.unwrap();
    let mut second = TcpStream::connect(switch.address).await.unwrap();
    assert!(is_closed(&mut second).await);
    assert_eq!(switch.transports.counts().handshakes_refused, 1);
    drop(half);
    // The place comes back when the switch has noticed.
    let client = ca.client(None, false);
    let phone = timeout(PATIENCE, async {
        loop {
            match try_dial(switch.address, &client, "office.test").await {
                Ok(phone) => return phone,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let mut phone = phone.await.unwrap();
    phone.write_all(whole().as_bytes()).await.unwrap();
    switch.message().await;
}

#[tokio::test]
async fn one_source_that_says_nothing_leaves_places_for_the_handshakes_of_others() {
    let ca = Authority::new();
    let setup = Setup {
        limits: Limits { handshakes: 16, ..Limits::default() },
        tls: Some(ca.tls(&["office.test"])),
        ..Setup::default()
    };
    let mut switch = Switch::start(Transport::Tls, setup).await;
    let connect = |last: u8| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
        socket.connect(switch.address)
    };
    let _silent = [connect(9).await.unwrap(), connect(9).await.unwrap()];
    let mut third = connect(9).await.unwrap();
    assert!(is_closed(&mut third).await);
    assert_eq!(switch.transports.counts().handshakes_refused, 1);
    let mut phone = try_dial(switch.address, &ca.client(None, false), "office.test").await.unwrap();
    phone.write_all(whole().as_bytes()).await.unwrap();
    switch.message().await;
}

#[tokio::test]
async fn connections_of_every_kind_share_the_ceiling_of_their_address() {
    let ca = Authority::new();
    let setup = Setup {
        limits: Limits { connections_per_address: 1, ..Limits::default() },
        tls: Some(ca.tls(&["office.test"])),
        ..Setup::default()
    };
    let (sender, _events) = mpsc::channel::<TransportEvent>(64);
    let at = |transport| Listen { transport, address: "127.0.0.1:0".parse().unwrap() };
    let listens = [at(Transport::Tls), at(Transport::Ws)];
    let transports = bind_with(&listens, setup, sender.into()).await.unwrap();
    let local = transports.local_addresses();
    let _first = dial(local[0].address, &ca.client(None, false), "office.test").await;
    let mut second = TcpStream::connect(local[1].address).await.unwrap();
    // It is refused before it is closed.
    assert!(is_closed(&mut second).await);
    assert_eq!(transports.counts().connections_refused, 1);
}

// ---------------------------------------------------------------------------- towards peers

/// A peer's TLS listener with a certificate.
async fn carrier(own: TlsIdentity) -> (TcpListener, TlsAcceptor) {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(own.chain, own.key)
        .unwrap();
    (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)))
}

fn peer(address: SocketAddr, domain: &str, names: &[&str]) -> Peer {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Peer { address, domain: domain.to_owned(), names }
}

#[tokio::test]
async fn tls_is_opened_to_a_peer_whose_certificate_names_its_sip_domain() {
    let ca = Authority::new();
    let mut switch = Switch::with(Transport::Tls, ca.settings(&["office.test"])).await;
    let (listener, acceptor) = carrier(ca.identity(&["sip:carrier.test", "host.test"])).await;
    let address = listener.local_addr().unwrap();
    switch.transports.set_peers(vec![peer(address, "carrier.test", &["carrier.test"])]);
    let flow = switch.flow_to(Transport::Tls, address);
    switch.send(flow, b"one ");
    switch.send(flow, b"two");
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut stream = acceptor.accept(stream).await.unwrap();
    assert_eq!(stream.get_ref().1.server_name(), Some("carrier.test"));
    assert_eq!(exactly(&mut stream, 7).await, "one two");
    let TransportEvent::Identified { flow: named, names } = switch.event().await else {
        panic!("not identified")
    };
    assert_eq!(*names, ["carrier.test"]);
    stream.write_all(whole().as_bytes()).await.unwrap();
    assert_eq!(switch.message().await.flow, named);
    assert_eq!(switch.transports.counts().connected, 1);
}

#[tokio::test]
async fn nothing_is_said_to_a_peer_that_cannot_prove_its_name() {
    let (ca, foreign) = (Authority::new(), Authority::new());
    let cases = [
        (ca.identity(&["host.test"]), "another name"),
        (ca.identity(&["sip:other.test", "carrier.test"]), "a SIP URI hides the host name"),
        (ca.identity(&["*.test"]), "a wildcard"),
        (foreign.identity(&["carrier.test"]), "an unknown root"),
    ];
    for (own, case) in cases {
        let mut switch = Switch::with(Transport::Tls, ca.settings(&["office.test"])).await;
        let (listener, acceptor) = carrier(own).await;
        let address = listener.local_addr().unwrap();
        switch.transports.set_peers(vec![peer(address, "carrier.test", &["carrier.test"])]);
        let flow = switch.flow_to(Transport::Tls, address);
        switch.send(flow, b"secret");
        let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        assert!(acceptor.accept(stream).await.is_err(), "{case}");
        assert!(switch.failure().await.is_same_path(&flow), "{case}");
        assert_eq!(switch.transports.counts().messages_out, 0, "{case}");
    }
}

#[tokio::test]
async fn a_peer_at_one_address_has_to_prove_every_domain_it_stands_for() {
    let ca = Authority::new();
    for (names, is_good) in [(["a.test", "b.test"], true), (["a.test", "c.test"], false)] {
        let mut switch = Switch::with(Transport::Tls, ca.settings(&["office.test"])).await;
        let (listener, acceptor) = carrier(ca.identity(&names)).await;
        let address = listener.local_addr().unwrap();
        let (a, b) = (peer(address, "a.test", &["a.test"]), peer(address, "b.test", &["b.test"]));
        switch.transports.set_peers(vec![a, b]);
        switch.send(switch.flow_to(Transport::Tls, address), b"x");
        let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        assert_eq!(acceptor.accept(stream).await.is_ok(), is_good);
        let is_identified = matches!(switch.event().await, TransportEvent::Identified { .. });
        assert_eq!(is_identified, is_good);
    }
}

#[tokio::test]
async fn tls_is_opened_to_nobody_without_a_name_and_websockets_never() {
    let ca = Authority::new();
    let mut switch = Switch::with(Transport::Tls, ca.settings(&["office.test"])).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for transport in [Transport::Tls, Transport::Ws, Transport::Wss] {
        let flow = switch.flow_to(transport, address);
        switch.send(flow, b"x");
        assert!(switch.failure().await.is_same_path(&flow));
    }
    assert_eq!(switch.transports.counts().messages_out, 0);
}

// ---------------------------------------------------------------------------- WebSocket

async fn open<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    stream: S,
    protocol: Option<&str>,
    origin: Option<&str>,
) -> Result<WebSocketStream<S>, Error> {
    let mut request = "ws://office.test/".into_client_request().unwrap();
    if let Some(protocol) = protocol {
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
    }
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", origin.parse().unwrap());
    }
    timeout(PATIENCE, client_async(request, stream)).await.unwrap().map(|(socket, _)| socket)
}

async fn frame<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
) -> Frame {
    timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap()
}

async fn speaks_sip<S>(switch: &mut Switch, mut socket: WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Neither needs Content-Length: the frame is the message.
    let text = request("OPTIONS", "");
    socket.send(Frame::text(text.clone())).await.unwrap();
    let flow = switch.message().await.flow;
    socket.send(Frame::binary(text.into_bytes())).await.unwrap();
    assert_eq!(switch.message().await.flow, flow);
    switch.send(flow, b"SIP/2.0 200 OK\r\n\r\n");
    assert_eq!(frame(&mut socket).await, Frame::text("SIP/2.0 200 OK\r\n\r\n"));
    switch.send(flow, b"\xff\xfe");
    assert_eq!(frame(&mut socket).await, Frame::binary(vec![0xff, 0xfe]));
    socket.send(Frame::text("\r\n\r\n")).await.unwrap();
    assert_eq!(frame(&mut socket).await, Frame::text("\r\n"));
    socket.send(Frame::Ping(Bytes::from_static(b"you?"))).await.unwrap();
    assert_eq!(frame(&mut socket).await, Frame::Pong(Bytes::from_static(b"you?")));
    assert_eq!(switch.transports.counts().keep_alives, 2);
    switch.transports.close(&flow);
    assert!(matches!(frame(&mut socket).await, Frame::Close(_)));
}

#[tokio::test]
async fn messages_come_and_go_as_frames_of_text_or_octets() {
    let mut switch = Switch::start(Transport::Ws, Setup::default()).await;
    let stream = TcpStream::connect(switch.address).await.unwrap();
    let socket = open(stream, Some("chat, sip"), None).await.unwrap();
    speaks_sip(&mut switch, socket).await;
}

#[tokio::test]
async fn messages_come_and_go_as_frames_under_tls() {
    let ca = Authority::new();
    let mut switch = Switch::with(Transport::Wss, ca.settings(&["office.test"])).await;
    let stream = dial(switch.address, &ca.client(None, false), "office.test").await;
    let socket = open(stream, Some("sip"), Some("https://anywhere.test")).await.unwrap();
    speaks_sip(&mut switch, socket).await;
}

fn status(refused: Result<WebSocketStream<TcpStream>, Error>) -> u16 {
    match refused {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => 101,
    }
}

#[tokio::test]
async fn who_does_not_speak_sip_or_comes_from_elsewhere_is_refused() {
    let origins = vec!["https://phone.test".to_owned()];
    let switch = Switch::start(Transport::Ws, Setup { origins, ..Setup::default() }).await;
    let cases = [
        (None, None, 400),
        (Some("chat"), None, 400),
        (Some("sip"), Some("https://evil.test"), 403),
        (Some("sip"), Some("null"), 403),
        (Some("sip"), Some("https://Phone.test"), 101),
        (Some("SIP"), None, 101),
    ];
    for (protocol, origin, expected) in cases {
        let stream = TcpStream::connect(switch.address).await.unwrap();
        let answer = status(open(stream, protocol, origin).await);
        assert_eq!(answer, expected, "{protocol:?} {origin:?}");
    }
    let counts = switch.until(|counts| counts.handshakes_failed == 4).await;
    assert_eq!(counts.origins_refused, 2);
}

#[tokio::test]
async fn a_frame_without_end_is_closed_and_so_is_one_that_is_too_long() {
    let between_octets = Duration::from_millis(50);
    let limits = Limits { between_octets, ..Limits::default() };
    let mut switch = Switch::start(Transport::Ws, limits).await;
    let stream = TcpStream::connect(switch.address).await.unwrap();
    let mut slow = open(stream, Some("sip"), None).await.unwrap();
    // Text of 100 octets, masked, of which one comes.
    slow.get_mut().write_all(&[0x81, 0x80 | 100, 0, 0, 0, 0, b'O']).await.unwrap();
    assert!(is_closed(slow.get_mut()).await);
    switch.until(|counts| counts.timed_out == 1).await;
    let stream = TcpStream::connect(switch.address).await.unwrap();
    let mut long = open(stream, Some("sip"), None).await.unwrap();
    let _ = long.send(Frame::binary(vec![b'x'; 1 << 20])).await;
    assert!(matches!(switch.event().await, TransportEvent::Malformed { .. }));
    assert!(matches!(switch.event().await, TransportEvent::Closed { .. }));
}
