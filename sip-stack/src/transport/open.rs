//! How connections begin: accepting and opening them, and the handshakes of TLS and WebSocket.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    Counters, Door, Listen, certificate_names,
    connection::{self, Handshake, Origin, Ready, Shared},
    source::{OctetDrain, Octets},
    table::Queue,
    websocket,
};
use crate::flow::{Flow, Transport};

/// Accepts connections for ever.
pub(super) async fn accept(listener: TcpListener, listen: Listen, shared: Arc<Shared>) {
    let mut door = Door::new(listener, listen.transport.uri_param());
    loop {
        let (stream, remote) = door.accept(&shared.counters.accept_failed).await;
        on_accepted(stream, listen, remote, &shared);
    }
}

fn on_accepted(stream: TcpStream, listen: Listen, remote: SocketAddr, shared: &Arc<Shared>) {
    // A listener on all interfaces learns here which one it is.
    let local = stream.local_addr().unwrap_or(listen.address);
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let flow = Flow { transport: listen.transport, local, remote, connection: None };
    if !shared.admit_connection(remote) {
        return Counters::count(&shared.counters.connections_refused);
    }
    let needs_handshake = listen.transport != Transport::Tcp;
    let handshake = needs_handshake.then(|| shared.begin_handshake(remote.ip()));
    if matches!(handshake, Some(None)) {
        return Counters::count(&shared.counters.handshakes_refused);
    }
    let Some((flow, queue)) = shared.open(flow) else {
        return Counters::count(&shared.counters.connections_refused);
    };
    Counters::count(&shared.counters.accepted);
    // Messages are written whole; waiting for more only adds delay.
    let _ = stream.set_nodelay(true);
    let begun = Begun { flow, queue, origin: Origin::Accepted, names: Vec::new() };
    match handshake.flatten() {
        None => shared.runtime.spawn(begun.run_tcp(stream, shared.clone())),
        Some(handshake) => shared.runtime.spawn(welcome(stream, begun, handshake, shared.clone())),
    };
}

/// A connection that has no messages yet.
struct Begun {
    flow: Flow,
    queue: Queue,
    origin: Origin,
    names: Vec<String>,
}

impl Begun {
    fn ready<S, D>(self, source: S, drain: D) -> Ready<S, D> {
        let Begun { flow, queue, origin, names } = self;
        Ready { source, drain, flow, queue, origin, names }
    }

    async fn run_tcp(self, stream: TcpStream, shared: Arc<Shared>) {
        let (read, write) = stream.into_split();
        connection::run(self.ready(Octets::new(read), OctetDrain(write)), shared).await;
    }

    async fn run_stream<S>(self, stream: S, shared: Arc<Shared>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let (read, write) = tokio::io::split(stream);
        connection::run(self.ready(Octets::new(read), OctetDrain(write)), shared).await;
    }
}

/// What an accepted stream is after its handshakes.
enum Welcomed {
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    Ws(websocket::WebSource<TcpStream>, websocket::WebDrain<TcpStream>),
    Wss(
        websocket::WebSource<tokio_rustls::server::TlsStream<TcpStream>>,
        websocket::WebDrain<tokio_rustls::server::TlsStream<TcpStream>>,
    ),
}

/// Makes an accepted stream ready, within the time for it, and runs it (SEC-15).
async fn welcome(stream: TcpStream, mut begun: Begun, handshake: Handshake, shared: Arc<Shared>) {
    let flow = begun.flow;
    let welcomed = timeout(
        shared.limits.handshake,
        Box::pin(shake_hands(stream, flow.transport, &mut begun.names, &shared)),
    );
    let welcomed = welcomed.await;
    drop(handshake);
    match welcomed {
        Ok(Ok(Welcomed::Tls(stream))) => begun.run_stream(stream, shared).await,
        Ok(Ok(Welcomed::Ws(source, drain))) => {
            connection::run(begun.ready(source, drain), shared).await;
        }
        Ok(Ok(Welcomed::Wss(source, drain))) => {
            connection::run(begun.ready(source, drain), shared).await;
        }
        failed => {
            let (counter, error) = match failed {
                Ok(Err(error)) => (&shared.counters.handshakes_failed, error),
                _ => (&shared.counters.handshakes_timed_out, io::ErrorKind::TimedOut.into()),
            };
            Counters::count(counter);
            tracing::debug!(%error, remote = %flow.remote, transport = %flow.transport, "no handshake");
            shared.forget(flow);
        }
    }
}

async fn shake_hands(
    stream: TcpStream,
    transport: Transport,
    names: &mut Vec<String>,
    shared: &Shared,
) -> io::Result<Welcomed> {
    let trust = shared.trust();
    if !transport.is_secure() {
        let accepted = websocket::accept(stream, &trust.origins, &shared.counters).await;
        let (source, drain) = accepted.map_err(io::Error::other)?;
        return Ok(Welcomed::Ws(source, drain));
    }
    let tls = trust.tls.ok_or_else(|| io::Error::other("no certificate is configured"))?;
    let stream = tls.acceptor().accept(stream).await?;
    *names = names_of(stream.get_ref().1.peer_certificates());
    if transport == Transport::Tls {
        return Ok(Welcomed::Tls(Box::new(stream)));
    }
    let accepted = websocket::accept(stream, &trust.origins, &shared.counters).await;
    let (source, drain) = accepted.map_err(io::Error::other)?;
    Ok(Welcomed::Wss(source, drain))
}

fn names_of(chain: Option<&[rustls::pki_types::CertificateDer<'_>]>) -> Vec<String> {
    chain.and_then(<[_]>::first).map(|own| certificate_names(own)).unwrap_or_default()
}

/// Opens the connection whose queue is already being filled, and runs it.
pub(super) async fn connect(flow: Flow, queue: Queue, shared: Arc<Shared>) {
    let mut begun = Begun { flow, queue, origin: Origin::Opened, names: Vec::new() };
    let opened = match timeout(shared.limits.connect, open(flow)).await {
        Ok(opened) => opened,
        Err(elapsed) => Err(elapsed.into()),
    };
    let failed = match opened {
        Ok(stream) if flow.transport == Transport::Tcp => {
            Counters::count(&shared.counters.connected);
            return begun.run_tcp(stream, shared).await;
        }
        Ok(stream) => match timeout(shared.limits.handshake, secure(stream, flow, &shared)).await {
            Ok(Ok(stream)) => {
                Counters::count(&shared.counters.connected);
                begun.names = names_of(stream.get_ref().1.peer_certificates());
                return begun.run_stream(stream, shared).await;
            }
            Ok(Err(error)) => {
                Counters::count(&shared.counters.handshakes_failed);
                tracing::warn!(%error, remote = %flow.remote, "TLS with a peer is refused");
                error
            }
            Err(elapsed) => {
                Counters::count(&shared.counters.handshakes_timed_out);
                elapsed.into()
            }
        },
        Err(error) => error,
    };
    tracing::debug!(error = %failed, remote = %flow.remote, "cannot connect");
    shared.forget(flow);
    shared.report_failure(flow).await;
}

/// From the listener's address, so that the peer's filters see what they expect.
async fn open(flow: Flow) -> io::Result<TcpStream> {
    let is_bindable =
        !flow.local.ip().is_unspecified() && flow.local.is_ipv4() == flow.remote.is_ipv4();
    let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if is_bindable {
        socket.bind(SocketAddr::new(flow.local.ip(), 0))?;
    }
    let stream = socket.connect(flow.remote).await?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// TLS as a client; the peer must prove the SIP domain that it is contacted for (RFC 5922 §7.3).
async fn secure(
    stream: TcpStream,
    flow: Flow,
    shared: &Shared,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let trust = shared.trust();
    let peers = trust.peers.iter().filter(|peer| peer.address == flow.remote);
    let wanted: Vec<Vec<String>> = peers.clone().map(|peer| peer.names.clone()).collect();
    let Some(peer) = peers.clone().next() else {
        return Err(io::Error::other("no name is known that its certificate has to prove"));
    };
    let tls = trust.tls.ok_or_else(|| io::Error::other("[sip.tls] is not configured"))?;
    let name = ServerName::try_from(peer.domain.clone()).map_err(io::Error::other)?;
    let connector = tls.connector(wanted).map_err(io::Error::other)?;
    connector.connect(name, stream).await
}
