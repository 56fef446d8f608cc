//! The only I/O of the stack: sockets, connections, and where a domain's servers are.
//!
//! Owns UDP, TCP, TLS and WebSocket listeners, connection reuse, keep-alive, limits against slow and greedy
//! peers, and the resolution of RFC 3263. Uses [`crate::message`] to frame and index, and must
//! not know transactions. Hops 1 and 2 of a call's path on the way in, the last hop on the way
//! out.
//!
//! What arrives is shown to the [`Gate`] before it is parsed: banned sources, exceeded rates and
//! overload end there. The rest goes into a bounded [`Sink`] with two lanes: what belongs to something
//! that exists, and new work. When a lane is full, datagrams are dropped and
//! counted (a request that opens something is answered 503 without keeping state, SEC-102), and
//! streams are read no further until there is room.
//!
//! TLS is opened only to peers whose names [`Transports::set_peers`] told, WebSockets to nobody:
//! a phone behind them is reached over the connection that it opened.

mod bind;
mod certificate;
mod connection;
mod counters;
mod door;
mod gate;
mod lookup;
mod open;
mod ordering;
mod overload;
mod reader;
mod resolver;
mod sink;
mod source;
mod table;
mod tls;
mod udp;
mod websocket;

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{runtime::Handle, task::AbortHandle};

pub use bind::{BindError, Listen, bind, bind_with};
pub use certificate::{certificate_names, proves};
pub use counters::TransportCounts;
pub use door::Door;
pub use gate::{BanRow, Gate};
pub use lookup::{DnsLookup, Lookup, LookupError, LookupFuture, Naptr, Srv};
pub use resolver::{ResolveError, Resolver, Target};
pub use sink::Sink;
pub use tls::{ClientCertificates, Tls, TlsError, TlsIdentity, TlsSettings};

use crate::{
    flow::{Flow, Received, Transmit, Transport},
    message::ParseError,
};
use connection::{Shared, Trust};
use counters::Counters;
use udp::UdpEnd;

/// What the transports report.
#[derive(Clone, Debug)]
pub enum TransportEvent {
    /// A message that can be indexed.
    Message(Received),
    /// Octets that are no message; a request among them may still deserve a 400.
    ///
    /// A stream is closed shortly after this event (SEC-12).
    Malformed {
        /// What arrived, as far as it was kept.
        bytes: Bytes,
        /// From where.
        flow: Flow,
        /// What is wrong.
        error: ParseError,
    },
    /// The peer of a connection has proved by its certificate who it is; comes before its messages.
    Identified {
        /// The connection.
        flow: Flow,
        /// The SIP domains and addresses of the certificate, lower case (RFC 5922 §7.1).
        names: Arc<[String]>,
    },
    /// Something given to [`Transports::send`] over this flow could not be sent.
    Failed {
        /// The flow it was meant for.
        flow: Flow,
    },
    /// A connection that goes on takes no more at the moment, and this message was not sent: its peer does
    /// not read.
    Unsent(Transmit),
    /// A stream connection ended.
    Closed {
        /// The connection.
        flow: Flow,
    },
}

/// Ceilings of the transports (SEC-15).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Stream connections in all; further ones are closed as they are accepted.
    pub connections: usize,
    /// Stream connections from or to one IP address.
    pub connections_per_address: usize,
    /// Time from accepting a connection to its first complete message.
    pub first_message: Duration,
    /// Time between two octets of one message.
    pub between_octets: Duration,
    /// Time from the first to the last octet of one message.
    pub whole_message: Duration,
    /// Time without any octet from the peer.
    pub idle: Duration,
    /// Time to open a connection.
    pub connect: Duration,
    /// Time for the handshakes of TLS and WebSocket.
    pub handshake: Duration,
    /// Handshakes in progress; further connections are closed as they are accepted.
    pub handshakes: usize,
    /// Time to hand one message to the operating system.
    pub write: Duration,
    /// Messages that wait for one connection.
    pub queued_messages: usize,
    /// Octets that wait for one connection.
    pub queued_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 20_000,
            connections_per_address: 64,
            first_message: Duration::from_secs(10),
            between_octets: Duration::from_secs(10),
            whole_message: Duration::from_secs(30),
            idle: Duration::from_secs(900),
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            handshakes: 256,
            write: Duration::from_secs(10),
            queued_messages: 128,
            queued_bytes: 1 << 20,
        }
    }
}

/// How listeners are set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Ceilings.
    pub limits: Limits,
    /// Certificates; needed by TLS and WSS.
    pub tls: Option<Tls>,
    /// Origins whose WebSockets are taken, such as `https://phone.example`; empty takes all.
    pub origins: Vec<String>,
    /// Who is listened to, and how often; without one everybody is, as often as he likes.
    pub gate: Option<Arc<Gate>>,
}

impl From<Limits> for Setup {
    fn from(limits: Limits) -> Self {
        Setup { limits, ..Setup::default() }
    }
}

/// A peer that TLS may be opened to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// The SIP domain it is contacted for; sent as the server's name.
    pub domain: String,
    /// Names of which its certificate has to prove one, mostly just the domain.
    pub names: Vec<String>,
}

/// The bound listeners and open connections; dropping it closes them all.
#[derive(Debug)]
pub struct Transports {
    udp: Vec<UdpEnd>,
    listening: Vec<Listen>,
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

impl Transports {
    /// Sends one message; never blocks, and may be called from any thread.
    ///
    /// UDP goes to the socket at once. A stream message goes to the queue of the connection that
    /// the flow names, or of one that is open to the same address, or of a new one. What cannot
    /// be sent is reported by [`TransportEvent::Failed`]; a full UDP send buffer is only counted,
    /// because there retransmission is the remedy.
    pub fn send(&self, transmit: Transmit) {
        let is_exposed = !transmit.flow.transport.is_secure() && asks_for_tls(&transmit.bytes);
        if is_exposed || !is_destination(transmit.flow.remote) {
            return self.shared.fail(transmit.flow);
        }
        match transmit.flow.transport {
            Transport::Udp => match self.udp_end(transmit.flow.local, transmit.flow.remote) {
                Some(end) => end.send(&transmit, &self.shared),
                None => self.shared.fail(transmit.flow),
            },
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                self.shared.send(transmit);
            }
        }
    }

    /// Uses other certificates and origins from now on; open connections stay as they are.
    pub fn reconfigure(&self, tls: Option<Tls>, origins: Vec<String>) {
        self.shared.change_trust(|trust| {
            trust.tls = tls;
            trust.origins = origins.into();
        });
    }

    /// Says whom TLS may be opened to, and what their certificates have to prove. A peer that is
    /// at one address for several domains has to prove all of them.
    pub fn set_peers(&self, peers: Vec<Peer>) {
        self.shared.change_trust(|trust| trust.peers = peers.into());
    }

    /// Closes the stream connection of a flow, after what is queued for it.
    pub fn close(&self, flow: &Flow) {
        self.shared.close(flow);
    }

    /// The listeners with the ports they really have.
    pub fn local_addresses(&self) -> Vec<Listen> {
        self.listening.clone()
    }

    /// The counters so far.
    pub fn counts(&self) -> TransportCounts {
        self.shared.counters.counts(self.shared.open_connections())
    }

    /// The socket bound to `local`, else one of the family of `remote`.
    fn udp_end(&self, local: SocketAddr, remote: SocketAddr) -> Option<&UdpEnd> {
        let is_family = |end: &&UdpEnd| end.local.is_ipv4() == remote.is_ipv4();
        self.udp
            .iter()
            .filter(is_family)
            .find(|end| end.local == local)
            .or_else(|| self.udp.iter().find(is_family))
    }
}

impl Drop for Transports {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.shared.close_all();
    }
}

/// The address this machine would send from to reach `remote`, by its routing table.
///
/// For listeners bound to an unspecified address, whose flows do not name an interface. No
/// packet is sent.
pub fn source_address(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

/// Whether a message is a request to a SIPS URI, which never leaves over a plain transport
/// (RFC 3261 §26.2.2).
fn asks_for_tls(message: &[u8]) -> bool {
    let uri = memchr::memchr(b' ', message).and_then(|at| message.get(at + 1..at + 6));
    uri.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"))
}

/// SEC-65: nothing is sent to nobody, to a group, or to everybody.
fn is_destination(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !(ip.is_unspecified() || ip.is_multicast() || is_broadcast)
}

/// Starts everything that was bound.
fn start(
    bound: Vec<bind::Bound>,
    setup: Setup,
    sink: Sink,
) -> Result<Transports, (Listen, io::Error)> {
    let runtime = Handle::current();
    let Setup { limits, tls, origins, gate } = setup;
    let trust = Trust { tls, origins: origins.into(), ..Trust::default() };
    let shared = Arc::new(Shared::new(limits, trust, gate, sink, runtime.clone()));
    let mut transports = Transports {
        udp: Vec::new(),
        listening: Vec::new(),
        shared: shared.clone(),
        tasks: Vec::new(),
    };
    for bound in bound {
        let listen = bound.listen();
        transports.listening.push(listen);
        let task = match bound {
            bind::Bound::Udp(listen, socket) => {
                let end = UdpEnd::new(listen.address, socket).map_err(|error| (listen, error))?;
                let receiver = end.receiver(shared.clone()).map_err(|error| (listen, error))?;
                transports.udp.push(end);
                runtime.spawn(receiver)
            }
            bind::Bound::Tcp(listen, listener) => {
                let listener =
                    tokio::net::TcpListener::from_std(listener).map_err(|error| (listen, error))?;
                runtime.spawn(open::accept(listener, listen, shared.clone()))
            }
        };
        transports.tasks.push(task.abort_handle());
    }
    Ok(transports)
}
