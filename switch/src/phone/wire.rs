//! How a phone on real sockets reaches the switch: UDP, TCP, TLS, WebSocket, or WebSocket under TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sip_stack::flow::{Flow, Transport};
use sip_stack::message::framing::{Frame, StreamFramer};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Error, WebSocket};

/// How long the handshakes of a phone may take.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// What waits to be written when the switch does not read.
const MAX_UNWRITTEN: usize = 1 << 20;

/// What a phone speaks below SIP.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// Datagrams.
    #[default]
    Udp,
    /// A stream.
    Tcp,
    /// A stream under TLS: whom to believe, and the name that the switch has to prove.
    Tls(Arc<ClientConfig>, String),
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket under TLS.
    Wss(Arc<ClientConfig>, String),
}

impl Access {
    /// Which transport it is.
    pub fn transport(&self) -> Transport {
        match self {
            Access::Udp => Transport::Udp,
            Access::Tcp => Transport::Tcp,
            Access::Tls(..) => Transport::Tls,
            Access::Ws => Transport::Ws,
            Access::Wss(..) => Transport::Wss,
        }
    }
}

/// A stream that handshakes may be wrapped around.
pub(super) trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

/// The phone's end of a connection, or its socket.
pub(super) enum Wire {
    Udp { socket: UdpSocket },
    Stream { socket: TcpStream, octets: Box<dyn Duplex>, framer: StreamFramer, unwritten: Vec<u8> },
    Web { socket: TcpStream, frames: Box<WebSocket<Box<dyn Duplex>>> },
}

impl Wire {
    /// Reaches the switch; the flow is the phone's view of it.
    pub(super) fn open(access: &Access, switch: SocketAddr) -> io::Result<(Wire, Flow)> {
        if let Access::Udp = access {
            let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            // Nothing is sent: it tells the address that the switch is reached from.
            probe.connect(switch)?;
            let socket = UdpSocket::bind((probe.local_addr()?.ip(), 0))?;
            socket.set_nonblocking(true)?;
            let flow = Flow::udp(socket.local_addr()?, switch);
            return Ok((Wire::Udp { socket }, flow));
        }
        let socket = TcpStream::connect(switch)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(HANDSHAKE))?;
        let local = socket.local_addr()?;
        let flow =
            Flow { transport: access.transport(), local, remote: switch, connection: Some(1) };
        let plain = socket.try_clone()?;
        let wire = match access {
            Access::Udp | Access::Tcp => Wire::stream(socket, Box::new(plain)),
            Access::Tls(config, name) => Wire::stream(socket, secured(plain, config, name)?),
            Access::Ws => Wire::web(socket, Box::new(plain), switch)?,
            Access::Wss(config, name) => Wire::web(socket, secured(plain, config, name)?, switch)?,
        };
        wire.set_nonblocking(true)?;
        Ok((wire, flow))
    }

    fn stream(socket: TcpStream, octets: Box<dyn Duplex>) -> Wire {
        Wire::Stream { socket, octets, framer: StreamFramer::new(), unwritten: Vec::new() }
    }

    fn web(socket: TcpStream, octets: Box<dyn Duplex>, switch: SocketAddr) -> io::Result<Wire> {
        let mut request =
            format!("ws://{switch}/").into_client_request().map_err(io::Error::other)?;
        let name = HeaderValue::from_static("sip");
        request.headers_mut().insert("Sec-WebSocket-Protocol", name);
        match tungstenite::client(request, octets) {
            Ok((frames, _)) => Ok(Wire::Web { socket, frames: Box::new(frames) }),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        match self {
            Wire::Udp { socket } => socket.set_nonblocking(is_nonblocking),
            Wire::Stream { socket, .. } | Wire::Web { socket, .. } => {
                socket.set_nonblocking(is_nonblocking)
            }
        }
    }

    /// Sends a message. What a full datagram socket loses is repeated by the timers; a broken
    /// connection is noticed by what does not come.
    pub(super) fn send(&mut self, message: &Bytes, remote: SocketAddr) {
        match self {
            Wire::Udp { socket } => {
                let _ = socket.send_to(message, remote);
            }
            Wire::Stream { unwritten, .. } => {
                if unwritten.len() < MAX_UNWRITTEN {
                    unwritten.extend_from_slice(message);
                }
                self.write_rest();
            }
            Wire::Web { frames, .. } => {
                let text = String::from_utf8_lossy(message).into_owned();
                let _ = frames.send(tungstenite::Message::text(text));
            }
        }
    }

    fn write_rest(&mut self) {
        let Wire::Stream { octets, unwritten, .. } = self else { return };
        while !unwritten.is_empty() {
            match octets.write(unwritten) {
                Ok(written) if written > 0 => {
                    unwritten.drain(..written.min(unwritten.len()));
                }
                _ => break,
            }
        }
        let _ = octets.flush();
    }

    /// The next message that has come, and from whom; never blocks.
    pub(super) fn receive(&mut self, switch: SocketAddr) -> Option<(Bytes, SocketAddr)> {
        match self {
            Wire::Udp { socket } => {
                let mut buffer = [0; 65_536];
                let (length, remote) = socket.recv_from(&mut buffer).ok()?;
                Some((Bytes::copy_from_slice(buffer.get(..length)?), remote))
            }
            Wire::Stream { .. } => self.read_stream().map(|message| (message, switch)),
            Wire::Web { frames, .. } => loop {
                let octets = match frames.read() {
                    Ok(tungstenite::Message::Text(text)) => Bytes::from(text),
                    Ok(tungstenite::Message::Binary(octets)) => octets,
                    Ok(_) => continue,
                    Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                        let _ = frames.flush();
                        return None;
                    }
                    Err(_) => return None,
                };
                if octets.as_ref() != b"\r\n" {
                    return Some((octets, switch));
                }
            },
        }
    }

    fn read_stream(&mut self) -> Option<Bytes> {
        self.write_rest();
        let Wire::Stream { octets, framer, .. } = self else { return None };
        let mut buffer = [0; 16_384];
        loop {
            match framer.next() {
                Some(Ok(Frame::Message(message))) => return Some(message),
                Some(Ok(_)) => continue,
                Some(Err(_)) => return None,
                None => {}
            }
            match octets.read(&mut buffer) {
                Ok(length) if length > 0 => framer.push(buffer.get(..length)?),
                _ => return None,
            }
        }
    }

    /// Sends a keep-alive (RFC 5626 §3.5.1).
    pub(super) fn ping(&mut self, switch: SocketAddr) {
        self.send(&Bytes::from_static(b"\r\n\r\n"), switch);
    }

    /// Waits until something comes, at the latest for a millisecond.
    pub(super) fn wait_briefly(&self) {
        let moment = Some(Duration::from_millis(1));
        let _ = self.set_nonblocking(false);
        match self {
            Wire::Udp { socket } => {
                let _ = socket.set_read_timeout(moment);
                let _ = socket.peek_from(&mut [0; 1]);
            }
            Wire::Stream { socket, .. } | Wire::Web { socket, .. } => {
                let _ = socket.set_read_timeout(moment);
                let _ = socket.peek(&mut [0; 1]);
            }
        }
        let _ = self.set_nonblocking(true);
    }
}

/// TLS around a stream, its handshake done.
fn secured(
    stream: TcpStream,
    config: &Arc<ClientConfig>,
    name: &str,
) -> io::Result<Box<dyn Duplex>> {
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Box::new(stream))
}
