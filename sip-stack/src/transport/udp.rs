//! SIP over UDP: one socket per listener, received in batches, sent directly.

use std::{
    future::Future,
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::{Counters, TransportEvent, connection::Shared, overload};
use crate::{
    flow::{Flow, Received, Transmit, Transport},
    guard::{Admission, Lane},
    message::Message,
};

/// Most datagrams taken from one socket before other tasks get their turn.
const BATCH: usize = 64;
/// Largest datagram there can be.
const MAX_DATAGRAM: usize = 65_535;
/// Rest after an error of the socket that is not about one datagram.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// A bound UDP socket.
#[derive(Debug)]
pub(super) struct UdpEnd {
    pub(super) local: SocketAddr,
    socket: UdpSocket,
}

impl UdpEnd {
    pub(super) fn new(local: SocketAddr, socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(UdpEnd { local, socket })
    }

    /// Sends one datagram now.
    pub(super) fn send(&self, transmit: &Transmit, shared: &Shared) {
        match self.socket.send_to(&transmit.bytes, transmit.flow.remote) {
            Ok(_) => Counters::count(&shared.counters.messages_out),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Counters::count(&shared.counters.send_blocked);
            }
            Err(error) => {
                tracing::debug!(%error, remote = %transmit.flow.remote, "datagram not sent");
                shared.fail(transmit.flow);
            }
        }
    }

    /// The task that receives on this socket.
    pub(super) fn receiver(
        &self,
        shared: Arc<Shared>,
    ) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        let socket = tokio::net::UdpSocket::from_std(self.socket.try_clone()?)?;
        let local = self.local;
        Ok(receive(socket, local, shared))
    }
}

async fn receive(socket: tokio::net::UdpSocket, local: SocketAddr, shared: Arc<Shared>) {
    let mut buffer = vec![0_u8; MAX_DATAGRAM];
    loop {
        if let Err(error) = socket.readable().await {
            tracing::warn!(%error, %local, "UDP listener cannot wait for datagrams");
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        }
        for _ in 0..BATCH {
            match socket.try_recv_from(&mut buffer) {
                Ok((length, remote)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    on_datagram(datagram, local, remote, &socket, &shared);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // An earlier datagram of ours may have been refused; that is its matter.
                    tracing::debug!(%error, %local, "error while receiving");
                    break;
                }
            }
        }
        // A busy listener must not starve the connections on the same thread.
        tokio::task::yield_now().await;
    }
}

fn on_datagram(
    datagram: &[u8],
    local: SocketAddr,
    remote: SocketAddr,
    socket: &tokio::net::UdpSocket,
    shared: &Shared,
) {
    if is_keep_alive(datagram) {
        return Counters::count(&shared.counters.keep_alives);
    }
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let flow = Flow::udp(local, remote);
    let lane = match shared.admit(Transport::Udp, remote, datagram) {
        Admission::Pass(lane) => Some(lane),
        Admission::Refuse if shared.may_refuse() => None,
        Admission::Refuse | Admission::Shed => return Counters::count(&shared.counters.dropped),
        Admission::Drop => return,
    };
    let bytes = Bytes::copy_from_slice(datagram);
    match (Message::parse(bytes.clone()), lane) {
        (Ok(message), Some(lane)) if shared.sink.has_room(lane) => {
            deliver(shared, lane, TransportEvent::Message(Received { message, flow }));
        }
        (Ok(message), _) => {
            Counters::count(&shared.counters.dropped);
            if let Some(refusal) = overload::refusal(&message)
                && let Some(refusal) = shared.fit(remote, &refusal, datagram.len())
                && socket.try_send_to(&refusal, remote).is_ok()
            {
                Counters::count(&shared.counters.refused);
            }
        }
        (Err(error), lane) => {
            Counters::count(&shared.counters.malformed);
            if let Some(lane) = lane.filter(|_| shared.admit_malformed(remote)) {
                deliver(shared, lane, TransportEvent::Malformed { bytes, flow, error });
            }
        }
    }
}

fn deliver(shared: &Shared, lane: Lane, event: TransportEvent) {
    let is_message = matches!(event, TransportEvent::Message(_));
    if !shared.sink.try_put(lane, event) {
        Counters::count(&shared.counters.dropped);
    } else if is_message {
        Counters::count(&shared.counters.messages_in);
    }
}

/// Line ends, blanks and zero octets only, or a STUN message (RFC 5626 §4.4.2, RFC 8489 §5).
///
/// LIMIT: a STUN binding request on a SIP socket is not answered; RFC 5626 clients over UDP then
/// keep their flow alive by registering.
fn is_keep_alive(datagram: &[u8]) -> bool {
    let is_filler = |byte: &u8| matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0);
    let is_stun = datagram.first().is_some_and(|byte| *byte < 4)
        && datagram.get(4..8) == Some([0x21, 0x12, 0xa4, 0x42].as_slice());
    is_stun || datagram.iter().all(is_filler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillers_and_stun_are_keep_alives_and_messages_are_not() {
        for keep_alive in [
            &b""[..],
            b"\r\n\r\n",
            b"\0\0\0\0",
            b" \r\n",
            b"\0\x01\0\0\x21\x12\xa4\x42aaaaaaaaaaaa",
        ] {
            assert!(is_keep_alive(keep_alive));
        }
        for message in [
            &b"OPTIONS sip:a SIP/2.0\r\n\r\n"[..],
            b"\r\nINVITE",
            b"\x01\x02\x03\x04\x05\x06\x07\x08",
        ] {
            assert!(!is_keep_alive(message));
        }
    }
}
