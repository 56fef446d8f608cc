//! How connections are accepted when the process has no file descriptor left: who comes is turned away at
//! once instead of waiting unheard, nothing spins, and the log says it once.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// Rest after nobody could be accepted nor turned away.
const PAUSE: Duration = Duration::from_millis(100);
/// The log is told so often at most.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// What the spare descriptor is of: it can be opened wherever the process is confined to.
const NOTHING: &str = "/dev/null";

/// A listener that outlives the exhaustion of descriptors.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    name: &'static str,
    /// Kept for the moment when there is no other: it is given up to take a connection and close it.
    spare: Option<File>,
    said: Option<Instant>,
    /// Failures since a connection was accepted last.
    failures: u64,
    /// The log has to hear when it is over.
    is_announced: bool,
}

impl Door {
    /// A listener, and what the log calls it.
    #[must_use]
    pub fn new(listener: TcpListener, name: &'static str) -> Self {
        let spare = File::open(NOTHING).ok();
        Self { listener, name, spare, said: None, failures: 0, is_announced: false }
    }

    /// The next connection; counts those that could not be accepted.
    pub async fn accept(&mut self, failed: &AtomicU64) -> (TcpStream, SocketAddr) {
        loop {
            let error = match self.listener.accept().await {
                Ok(accepted) => {
                    self.is_well();
                    return accepted;
                }
                Err(error) => error,
            };
            failed.fetch_add(1, Ordering::Relaxed);
            self.failures += 1;
            self.say(&error);
            // A peer that was gone before it was accepted costs nobody else anything.
            if error.kind() != io::ErrorKind::ConnectionAborted && !self.turn_away() {
                sleep(PAUSE).await;
            }
        }
    }

    /// Accepts whoever waits by means of the spare descriptor, and closes the connection.
    fn turn_away(&mut self) -> bool {
        if self.spare.take().is_none() {
            self.spare = File::open(NOTHING).ok();
            return false;
        }
        let mut context = Context::from_waker(Waker::noop());
        let taken = self.listener.poll_accept(&mut context);
        let is_away = matches!(taken, Poll::Ready(Ok(_)));
        drop(taken);
        self.spare = File::open(NOTHING).ok();
        is_away
    }

    fn say(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.said.is_none_or(|said| now.duration_since(said) >= SAY_EVERY) {
            self.said = Some(now);
            self.is_announced = true;
            let name = self.name;
            tracing::error!(
                %error, failures = self.failures,
                "{name} cannot accept connections; those that come are closed"
            );
        }
    }

    fn is_well(&mut self) {
        let failures = std::mem::take(&mut self.failures);
        if std::mem::take(&mut self.is_announced) {
            tracing::info!(failures, "{} accepts connections again", self.name);
        }
    }
}
