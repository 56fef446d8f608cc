//! Where messages come from and go to: transports, flows, and what travels over them.
//!
//! Plain data shared by the transaction layer, the dialog layer and the transports. It must not
//! know what a message means. Hop 1 and hop 8 of an INVITE's path exchange these values.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::message::Message;

/// A transport of RFC 3261 §18 or RFC 7118.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams, the only unreliable transport here.
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket inside TLS (RFC 7118).
    Wss,
}

impl Transport {
    /// Whether the transport itself repeats what is lost, so that timers A, E and G are skipped.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether the octets on the wire are hidden from third parties.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// The token in a Via's sent-protocol.
    #[must_use]
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The value of a URI's `transport` parameter.
    #[must_use]
    pub const fn uri_param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Reads a Via token or a URI parameter value; case does not matter (RFC 3261 §7.3.1).
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|transport| transport.via_token().eq_ignore_ascii_case(token))
    }

    /// The port meant when none is written (RFC 3261 §19.1.2, RFC 7118 §5).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.via_token())
    }
}

/// Where a message came from or goes to.
///
/// Source: the flow of RFC 5626 §3.1. Responses and requests inside a dialog go back over the flow
/// on which the peer was heard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// How the octets travel.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// Names one stream connection; `None` on UDP, or for "open or reuse one to `remote`".
    pub connection: Option<u64>,
}

impl Flow {
    /// A datagram flow.
    #[must_use]
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote, connection: None }
    }

    /// Whether both flows lead to the same host, whatever the port.
    #[must_use]
    pub fn is_same_host(&self, other: &Self) -> bool {
        host(self.remote) == host(other.remote)
    }

    /// Whether both flows lead over the same path: the same connection, or the same transport,
    /// peer address and port where one side does not name a connection.
    #[must_use]
    pub fn is_same_path(&self, other: &Self) -> bool {
        self.transport == other.transport
            && host(self.remote) == host(other.remote)
            && self.remote.port() == other.remote.port()
            && match (self.connection, other.connection) {
                (Some(ours), Some(theirs)) => ours == theirs,
                _ => true,
            }
    }
}

/// The address with an IPv4-mapped IPv6 address written as the IPv4 address it is.
fn host(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

/// A message as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// What was read.
    pub message: Message,
    /// Over which flow it came.
    pub flow: Flow,
}

/// Octets to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// One complete message.
    pub bytes: Bytes,
    /// Over which flow; `connection: None` on a stream transport opens or reuses one to `remote`.
    pub flow: Flow,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(remote: &str, connection: Option<u64>) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
            connection,
        }
    }

    #[test]
    fn only_udp_needs_retransmission() {
        assert!(!Transport::Udp.is_reliable());
        for transport in [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
            assert!(transport.is_reliable());
            assert_eq!(Transport::from_token(transport.uri_param()), Some(transport));
        }
        assert_eq!(Transport::from_token("SCTP"), None);
    }

    #[test]
    fn a_mapped_address_is_the_same_host() {
        let mapped = flow("[::ffff:198.51.100.7]:5060", None);
        assert!(mapped.is_same_host(&flow("198.51.100.7:9", None)));
        assert!(mapped.is_same_path(&flow("198.51.100.7:5060", Some(3))));
        assert!(!mapped.is_same_path(&flow("198.51.100.7:9", None)));
    }

    #[test]
    fn two_connections_to_one_address_are_two_paths() {
        let first = flow("198.51.100.7:5060", Some(1));
        assert!(!first.is_same_path(&flow("198.51.100.7:5060", Some(2))));
        assert!(first.is_same_path(&flow("198.51.100.7:5060", Some(1))));
    }
}
