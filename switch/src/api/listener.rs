//! The HTTP listener: bounded connections, bounded headers, no identification of the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sip_stack::transport::Door;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::token::Peer;

/// Connections at once; further ones wait in the listen queue.
const MAX_CONNECTIONS: usize = 1024;
/// A request's headers have to be complete after this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest request line with headers.
const MAX_HEADERS: usize = 32 * 1024;

/// Serves until the task is aborted; counts connections that could not be accepted.
pub(super) async fn serve(listener: TcpListener, router: Router, failed: &AtomicU64) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut door = Door::new(listener, "the control interface");
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let (stream, peer) = door.accept(failed).await;
        tokio::spawn(serve_connection(stream, peer, router.clone(), permit));
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    _permit: OwnedSemaphorePermit,
) {
    // Latency only: without it the connection works as well.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(Peer(peer))));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a connection of the control interface ended early");
    }
}
