//! The HTTP listener: bounded connections, of each address and in all, bounded headers, nobody who does
//! not read keeps his place, no identification of the server.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use sip_stack::guard::source_of;
use sip_stack::transport::Door;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiCounters;
use super::token::Peer;

/// Connections at once; further ones wait in the listen queue.
const MAX_CONNECTIONS: usize = 1024;
/// Connections of one address at once (SEC-60); further ones are closed. All programs of the machine itself
/// have the same one, so it is not counted. Half: a proxy for TLS speaks for many.
const MAX_OF_ONE_SOURCE: usize = MAX_CONNECTIONS / 2;
/// A request's headers have to be complete after this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection whose peer takes nothing of what waits for it is given up after this.
const UNREAD_MAX_MS: u32 = 20_000;
/// The longest request line with headers.
const MAX_HEADERS: usize = 32 * 1024;

/// Serves until the task is aborted.
pub(super) async fn serve(listener: TcpListener, router: Router, counters: &ApiCounters) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let places = Arc::new(Places::default());
    let mut door = Door::new(listener, "the control interface");
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let (stream, peer) = door.accept(&counters.accept_failed_total).await;
        let Some(place) = Place::take(&places, peer.ip()) else {
            counters.connections_refused_total.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        tokio::spawn(serve_connection(stream, peer, router.clone(), (permit, place)));
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    _places: (OwnedSemaphorePermit, Place),
) {
    // Latency only: without it the connection works as well.
    let _ = stream.set_nodelay(true);
    // Without it a peer that does not read keeps its place for longer, and nobody else is hurt.
    let _ = set_tcp_user_timeout(&stream, UNREAD_MAX_MS);
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

/// How many connections each address has.
#[derive(Default)]
struct Places(Mutex<HashMap<IpAddr, usize>>);

impl Places {
    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place among those of its address; given back when dropped.
struct Place {
    places: Arc<Places>,
    source: IpAddr,
}

impl Place {
    /// `None`: the address has as many as it may have.
    fn take(places: &Arc<Places>, address: IpAddr) -> Option<Self> {
        let source = source_of(address);
        let mut taken = places.taken();
        let count = taken.entry(source).or_default();
        if *count >= MAX_OF_ONE_SOURCE && !address.to_canonical().is_loopback() {
            return None;
        }
        *count += 1;
        Some(Self { places: Arc::clone(places), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let places = Arc::new(Places::default());
        let take = |address: &str| Place::take(&places, ip(address));
        let mut held: Vec<Place> =
            (0..MAX_OF_ONE_SOURCE).map_while(|_| take("192.0.2.7")).collect();
        assert_eq!(held.len(), MAX_OF_ONE_SOURCE);
        assert!(take("192.0.2.7").is_none());
        assert!(take("::ffff:192.0.2.7").is_none());
        assert!(take("192.0.2.8").is_some());
        held.pop();
        held.extend(take("192.0.2.7"));
        assert_eq!(held.len(), MAX_OF_ONE_SOURCE);
        drop(held);
        assert!(places.taken().is_empty());
    }

    #[test]
    fn all_addresses_of_one_network_of_ipv6_count_together() {
        let places = Arc::new(Places::default());
        let held: Vec<Place> = (0..2000)
            .filter_map(|host| Place::take(&places, ip(&format!("2001:db8:1:2::{host:x}"))))
            .collect();
        assert_eq!(held.len(), MAX_OF_ONE_SOURCE);
        assert!(Place::take(&places, ip("2001:db8:1:3::1")).is_some());
    }

    #[test]
    fn the_machine_itself_is_not_counted_out() {
        let places = Arc::new(Places::default());
        let held: Vec<Place> =
            (0..MAX_CONNECTIONS).filter_map(|_| Place::take(&places, ip("127.0.0.1"))).collect();
        assert_eq!(held.len(), MAX_CONNECTIONS);
    }
}
