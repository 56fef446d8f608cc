//! The guard as the transports, the exchange's rim and administrators share it: a lock and a clock.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    guard::{Admission, Ban, BanReason, FormerBan, Guard, GuardCounts, GuardSettings, Notice},
    time::Now,
};

/// Writes down what is worth it; called without the lock.
type Tell = Box<dyn Fn(Notice) + Send + Sync>;

/// A [`Guard`] for all threads. The lock is held for some hundred nanoseconds, never while waiting.
pub struct Gate {
    guard: Mutex<Guard>,
    started: Instant,
    tell: Tell,
}

/// A ban in force, as people read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BanRow {
    /// The ban.
    pub ban: Ban,
    /// How long it has been in force.
    pub age: Duration,
    /// How long it will be.
    pub left: Duration,
}

impl Gate {
    /// A gate that has seen nothing yet; `tell` hears what belongs into the log.
    pub fn new(settings: GuardSettings, tell: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        Gate {
            guard: Mutex::new(Guard::new(settings)),
            started: Instant::now(),
            tell: Box::new(tell),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Guard, Now) -> T) -> T {
        let now = Now(self.started.elapsed());
        let (result, notice) = {
            // A panic elsewhere leaves the guard usable: each change of it is complete in itself.
            let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
            (act(&mut guard, now), guard.notice())
        };
        if let Some(notice) = notice {
            (self.tell)(notice);
        }
        result
    }

    /// What becomes of a datagram.
    pub fn admit(&self, from: SocketAddr, octets: &[u8]) -> Admission {
        self.with(|guard, now| guard.admit(now, from, octets))
    }

    /// What becomes of a message of a connection.
    pub fn admit_from_stream(&self, from: SocketAddr, octets: &[u8]) -> Admission {
        self.with(|guard, now| guard.admit_from_stream(now, from, octets))
    }

    /// Whether what is no SIP may be looked at.
    pub fn admit_malformed(&self, from: SocketAddr) -> bool {
        self.with(|guard, now| guard.admit_malformed(now, from))
    }

    /// Whether a connection is taken.
    pub fn admit_connection(&self, from: SocketAddr) -> bool {
        self.with(|guard, now| guard.admit_connection(now, from))
    }

    /// A request on this flow was authenticated.
    pub fn authenticated(&self, from: SocketAddr) {
        self.with(|guard, now| guard.authenticated(now, from));
    }

    /// A login failed that answered a challenge given to this address.
    pub fn failed(&self, from: SocketAddr) {
        self.with(|guard, now| guard.failed(now, from));
    }

    /// New work has been taken up; each waited so long, and so much waits still.
    pub fn measured(&self, delays: impl IntoIterator<Item = Duration>, backlog: usize) {
        self.with(|guard, now| {
            delays.into_iter().for_each(|delay| guard.measured(now, delay, backlog));
        });
    }

    /// The response as it may be sent over UDP to where it goes; see [`Guard::fit`].
    pub fn fit(&self, to: SocketAddr, response: &Bytes, asked: Option<usize>) -> Option<Bytes> {
        self.with(|guard, now| guard.fit(now, to, response, asked))
    }

    /// The peers that the configuration names are at these addresses.
    pub fn trust(&self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.with(|guard, _| guard.trust(addresses));
    }

    /// Other rates from now on.
    pub fn configure(&self, settings: GuardSettings) {
        self.with(|guard, _| guard.configure(settings));
    }

    /// Whether a source is not listened to.
    pub fn is_banned(&self, address: IpAddr) -> bool {
        self.with(|guard, now| guard.is_banned(now, address))
    }

    /// Bans a source for a time, or for as long as it is its turn.
    pub fn ban(&self, address: IpAddr, time: Option<Duration>) -> BanRow {
        self.with(|guard, now| {
            let ban = guard.ban(now, address, BanReason::Administrator, time);
            row(ban, now)
        })
    }

    /// Lifts a ban; false where there is none.
    pub fn lift(&self, address: IpAddr) -> bool {
        self.with(|guard, now| guard.lift(now, address))
    }

    /// Takes up the bans of an earlier process.
    pub fn restore(&self, former: impl IntoIterator<Item = FormerBan>) {
        self.with(|guard, now| guard.restore(now, former));
    }

    /// The bans in force, the oldest first.
    pub fn bans(&self) -> Vec<BanRow> {
        self.with(|guard, now| guard.bans(now).into_iter().map(|ban| row(ban, now)).collect())
    }

    /// The counters so far.
    pub fn counts(&self) -> GuardCounts {
        self.with(|guard, now| guard.counts(now))
    }
}

fn row(ban: Ban, now: Now) -> BanRow {
    BanRow { ban, age: ban.before + (now - ban.since), left: ban.until - now }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}
