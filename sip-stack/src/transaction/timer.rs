//! The timers of RFC 3261 §17 and RFC 6026, and what a machine may order.

use std::time::Duration;

/// The three base intervals from which all timers are made.
///
/// Source: RFC 3261 §17.1.1.1, table 4 of its annex A.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// Estimate of the round trip time.
    pub t1: Duration,
    /// Longest interval between retransmissions of anything but an INVITE.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
}

impl Timers {
    /// 64·T1: the time after which a transaction gives up (timers B, F, H, J, L, M).
    #[must_use]
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Timer D: how long refusals of an INVITE may be repeated, at least 32 seconds.
    #[must_use]
    pub fn refusal_echo(&self) -> Duration {
        self.give_up().max(Duration::from_secs(32))
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

/// How long the user of an INVITE may think before the layer sends 100 for it.
///
/// Source: RFC 3261 §17.2.1.
pub(super) const TRYING_DELAY: Duration = Duration::from_millis(200);

/// A timer by its letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timer {
    /// INVITE request retransmission.
    A,
    /// INVITE client gives up.
    B,
    /// Echoes of a refusal are acknowledged until then.
    D,
    /// Request retransmission.
    E,
    /// Client gives up.
    F,
    /// Refusal retransmission.
    G,
    /// Server gives up waiting for ACK.
    H,
    /// Echoes of ACK are absorbed until then.
    I,
    /// Echoes of a request are answered until then.
    J,
    /// Echoes of a final response are absorbed until then.
    K,
    /// Echoes of an accepted INVITE are absorbed until then (RFC 6026).
    L,
    /// Further 2xx are delivered until then (RFC 6026).
    M,
    /// 100 is due (RFC 3261 §17.2.1).
    Trying,
    /// A cancelled INVITE that nobody answers ends (RFC 3261 §9.1).
    Cancelled,
}

/// A transaction has two clocks: one that repeats a message and one that bounds its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Clock {
    /// Timers A, E, G and the one for 100.
    Repeat,
    /// All others.
    Life,
}

impl Timer {
    pub(super) const fn clock(self) -> Clock {
        match self {
            Self::A | Self::E | Self::G | Self::Trying => Clock::Repeat,
            _ => Clock::Life,
        }
    }
}

/// What a machine orders its layer to do. `Arm` replaces whatever runs on that timer's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Send the stored request (client) or the stored response (server).
    Send,
    /// Send 100 Trying.
    Trying,
    /// Send ACK for the refusal at hand.
    Acknowledge,
    /// Hand the response at hand to the user.
    Deliver,
    Arm(Timer, Duration),
    Disarm(Clock),
    /// Tell the user that nobody answered.
    TimedOut,
    /// Tell the user that the message could not be sent.
    TransportFailed,
    /// Tell the user that no further 2xx can come.
    Ended,
    /// Remove the transaction.
    Terminate,
}

/// What the machines of one transaction have to know besides their state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) timers: Timers,
    pub(super) is_reliable: bool,
}

/// The classes of responses that the machines tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx to 6xx.
    Refusal,
}

impl Class {
    pub(super) const fn of(status: u16) -> Option<Self> {
        match status {
            100..=199 => Some(Self::Provisional),
            200..=299 => Some(Self::Success),
            300..=699 => Some(Self::Refusal),
            _ => None,
        }
    }
}

/// What can happen to a client transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ClientInput {
    Start,
    Response(Class),
    Timer(Timer),
    /// A CANCEL for this INVITE was sent.
    CancelSent,
    TransportFailed,
}

/// What can happen to a server transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ServerInput {
    Start,
    /// The request came again.
    Request,
    Ack,
    /// The user answers.
    Response(Class),
    Timer(Timer),
    TransportFailed,
}
