//! How connections are accepted when the process has no file descriptor left: who comes is turned away at
//! once instead of waiting unheard, nothing spins, and the log says it once.
//!
//! Each door keeps a descriptor for this moment. It must not lose it to whoever else wants one just
//! then, so all doors accept one after the other, and the connection that is turned away becomes the
//! spare again in one step, in which its number is never free.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::io::{DupFlags, Errno, dup3};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// Rest after nobody could be accepted nor turned away.
const PAUSE: Duration = Duration::from_millis(100);
/// The log is told so often at most.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// While one door gives up its spare for a moment, no other one accepts.
static ACCEPTING: Mutex<()> = Mutex::new(());

/// A listener that outlives the exhaustion of descriptors.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    name: &'static str,
    /// Kept for the moment when there is no other: it is given up to take a connection and close it.
    /// A duplicate of the listener, which can be had wherever the process is confined to.
    spare: Option<OwnedFd>,
    said: Option<Instant>,
    /// Failures since a connection was accepted last.
    failures: u64,
    /// The log has to hear when it is over.
    is_announced: bool,
}

/// What became of whoever could not be accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turned {
    /// The connection is closed.
    Away,
    /// Nobody was there.
    Nobody,
    /// Even that did not work.
    Failed,
}

impl Door {
    /// A listener, and what the log calls it.
    #[must_use]
    pub fn new(listener: TcpListener, name: &'static str) -> Self {
        let spare = listener.as_fd().try_clone_to_owned().ok();
        Self { listener, name, spare, said: None, failures: 0, is_announced: false }
    }

    /// The next connection; counts those that could not be accepted.
    pub async fn accept(&mut self, failed: &AtomicU64) -> (TcpStream, SocketAddr) {
        loop {
            // The spare comes before whoever waits: without it the next one could not be turned away.
            if let Err(error) = self.keep_spare() {
                self.say(&error);
                sleep(PAUSE).await;
                continue;
            }
            let error = match poll_fn(|context| self.poll(context)).await {
                Ok(accepted) => {
                    self.is_well();
                    return accepted;
                }
                Err(error) => error,
            };
            let turned = match Errno::from_io_error(&error) {
                Some(Errno::MFILE | Errno::NFILE) => self.turn_away(failed),
                // Of a peer that was gone before it was accepted, say, there is nothing left.
                Some(Errno::CONNABORTED | Errno::PROTO | Errno::PERM) => {
                    self.count(failed);
                    Turned::Away
                }
                _ => {
                    self.count(failed);
                    Turned::Failed
                }
            };
            if turned == Turned::Nobody {
                continue;
            }
            self.say(&error);
            if turned == Turned::Failed {
                sleep(PAUSE).await;
            }
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let _alone = alone();
        self.listener.poll_accept(context)
    }

    fn keep_spare(&mut self) -> io::Result<()> {
        if self.spare.is_none() {
            self.spare = Some(self.listener.as_fd().try_clone_to_owned()?);
        }
        Ok(())
    }

    /// Accepts whoever waits by means of the spare descriptor, and closes the connection.
    ///
    /// Without a descriptor the system says so whether or not anybody waits: who does not give the spare
    /// back at once when nobody does has lost it to the next door.
    fn turn_away(&mut self, failed: &AtomicU64) -> Turned {
        let _alone = alone();
        drop(self.spare.take());
        let mut context = Context::from_waker(Waker::noop());
        let stream = match self.listener.poll_accept(&mut context) {
            Poll::Ready(Ok((stream, _))) => stream,
            other => {
                // Where it cannot be had, the next turn begins with that.
                let _ = self.keep_spare();
                if other.is_pending() {
                    return Turned::Nobody;
                }
                self.count(failed);
                return Turned::Failed;
            }
        };
        // Before the peer can know of it: who is turned away and asks finds itself counted.
        self.count(failed);
        // Takes it out of the poller; should that fail, it is closed all the same.
        if let Ok(stream) = stream.into_std() {
            let mut descriptor = OwnedFd::from(stream);
            let has_become_spare = dup3(&self.listener, &mut descriptor, DupFlags::CLOEXEC);
            self.spare = has_become_spare.is_ok().then_some(descriptor);
        }
        Turned::Away
    }

    fn count(&mut self, failed: &AtomicU64) {
        failed.fetch_add(1, Ordering::Relaxed);
        self.failures += 1;
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

fn alone() -> MutexGuard<'static, ()> {
    ACCEPTING.lock().unwrap_or_else(PoisonError::into_inner)
}
