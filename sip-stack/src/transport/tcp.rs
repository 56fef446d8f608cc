//! Accepting and opening TCP connections.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    Counters,
    connection::{self, Origin, Shared},
    table::Queue,
};
use crate::flow::{Flow, Transport};

/// Rest after accept failed, as it does when file descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for ever.
pub(super) async fn accept(listener: TcpListener, local: SocketAddr, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => on_accepted(stream, local, remote, &shared),
            Err(error) => {
                tracing::warn!(%error, %local, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn on_accepted(stream: TcpStream, local: SocketAddr, remote: SocketAddr, shared: &Arc<Shared>) {
    // A listener on all interfaces learns here which one it is.
    let local = stream.local_addr().unwrap_or(local);
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let flow = Flow { transport: Transport::Tcp, local, remote, connection: None };
    let Some((flow, queue)) = shared.open(flow) else {
        return Counters::count(&shared.counters.connections_refused);
    };
    Counters::count(&shared.counters.accepted);
    shared.runtime.spawn(connection::run(stream, flow, queue, Origin::Accepted, shared.clone()));
}

/// Opens the connection whose queue is already being filled, and runs it.
pub(super) async fn connect(flow: Flow, queue: Queue, shared: Arc<Shared>) {
    match timeout(shared.limits.connect, open(flow)).await {
        Ok(Ok(stream)) => {
            Counters::count(&shared.counters.connected);
            connection::run(stream, flow, queue, Origin::Opened, shared).await;
        }
        outcome => {
            let error = match outcome {
                Ok(Err(error)) => error,
                _ => io::Error::from(io::ErrorKind::TimedOut),
            };
            tracing::debug!(%error, remote = %flow.remote, "cannot connect");
            shared.forget(flow);
            shared.report_failure(flow).await;
        }
    }
}

/// From the listener's address, so that the peer's filters see what they expect.
async fn open(flow: Flow) -> io::Result<TcpStream> {
    let is_bindable =
        !flow.local.ip().is_unspecified() && flow.local.is_ipv4() == flow.remote.is_ipv4();
    let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if is_bindable {
        socket.bind(SocketAddr::new(flow.local.ip(), 0))?;
    }
    socket.connect(flow.remote).await
}
