//! Binding the listeners, all or none.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, UdpSocket},
};

use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Setup, Sink, Transports, start};
use crate::flow::Transport;

/// One listener: a transport and the address it is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Listen {
    /// Which transport.
    pub transport: Transport,
    /// Where; port 0 lets the operating system choose.
    pub address: SocketAddr,
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport, self.address)
    }
}

/// A listener that could not be bound; nothing is bound then.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: {}", explanation(.source))]
pub struct BindError {
    /// Which one.
    pub listen: Listen,
    /// Why.
    pub source: io::Error,
}

/// Says what the operator can do about it.
fn explanation(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "address in use: another program, or another instance, already listens there".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "address not available: no interface of this machine has it".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE".to_owned()
        }
        _ => error.to_string(),
    }
}

/// A bound socket that is not read yet.
pub(super) enum Bound {
    Udp(Listen, UdpSocket),
    Tcp(Listen, TcpListener),
}

impl Bound {
    pub(super) fn listen(&self) -> Listen {
        match self {
            Bound::Udp(listen, _) | Bound::Tcp(listen, _) => *listen,
        }
    }
}

/// Binds the listeners and starts to receive, with the default limits.
///
/// To be called inside a tokio runtime; the tasks run there.
///
/// Errors: the first listener that cannot be bound, with its address.
pub async fn bind(listens: &[Listen], sink: Sink) -> Result<Transports, BindError> {
    bind_with(listens, Setup::default(), sink).await
}

/// Binds the listeners and starts to receive.
///
/// Errors: the first listener that cannot be bound, with its address; a TLS or WSS listener cannot
/// without a certificate.
pub async fn bind_with(
    listens: &[Listen],
    setup: impl Into<Setup>,
    sink: Sink,
) -> Result<Transports, BindError> {
    let setup = setup.into();
    let mut bound = Vec::with_capacity(listens.len());
    for &listen in listens {
        if listen.transport.is_secure() && setup.tls.is_none() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "no certificate is given");
            return Err(BindError { listen, source });
        }
        bound.push(bind_one(listen).map_err(|source| BindError { listen, source })?);
    }
    start(bound, setup, sink).map_err(|(listen, source)| BindError { listen, source })
}

/// Kernel buffer of a UDP listener: some 20,000 messages while the process is elsewhere. Without
/// CAP_NET_ADMIN the system's own maximum applies.
const UDP_BUFFER_BYTES: usize = 16 << 20;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// DSCP CS3 in the place of the traffic class (RFC 4594 §2.3: signalling).
const TRAFFIC_CLASS: u32 = 24 << 2;

fn bind_one(listen: Listen) -> io::Result<Bound> {
    match listen.transport {
        Transport::Udp => {
            let socket = open(listen.address, Type::DGRAM, Protocol::UDP)?;
            // A smaller buffer is still a working listener.
            if set_socket_recv_buffer_size_force(&socket, UDP_BUFFER_BYTES).is_err() {
                let _ = socket.set_recv_buffer_size(UDP_BUFFER_BYTES);
            }
            let _ = socket.set_send_buffer_size(UDP_BUFFER_BYTES);
            socket.bind(&listen.address.into())?;
            let socket = UdpSocket::from(socket);
            Ok(Bound::Udp(Listen { address: socket.local_addr()?, ..listen }, socket))
        }
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
            let socket = open(listen.address, Type::STREAM, Protocol::TCP)?;
            // Lets a restart bind while old connections linger; a live listener still conflicts.
            socket.set_reuse_address(true)?;
            socket.bind(&listen.address.into())?;
            socket.listen(BACKLOG)?;
            let listener = TcpListener::from(socket);
            Ok(Bound::Tcp(Listen { address: listener.local_addr()?, ..listen }, listener))
        }
    }
}

fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    // The mark is advice to routers; a system that refuses it still carries calls.
    if address.is_ipv6() {
        // Addresses stay what they are: no IPv4-mapped peers (SEC-19).
        socket.set_only_v6(true)?;
        let _ = socket.set_tclass_v6(TRAFFIC_CLASS);
    } else {
        let _ = socket.set_tos_v4(TRAFFIC_CLASS);
    }
    Ok(socket)
}
