//! What goes into the transaction layer and what comes out of it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use crate::flow::{Flow, Transmit};
use crate::message::{Message, Method};
use crate::slab::Key;

/// Most server transactions at a time, unless configured otherwise.
pub const MAX_SERVER_TRANSACTIONS: usize = 50_000;
/// Most client transactions at a time, unless configured otherwise; the CANCELs that the layer
/// makes itself (at most one for each INVITE) come on top.
pub const MAX_CLIENT_TRANSACTIONS: usize = 50_000;
/// How long an answered transaction is kept at least, however many come: by then the third echo of
/// its request, if there was one, has been answered (RFC 3261 §17.1.2.2: 0.5, 1.5, 3.5 s).
pub(super) const MIN_ECHO_TIME: Duration = Duration::from_secs(4);

/// Names one client transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientKey(pub Key);

/// Names one server transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerKey(pub Key);

/// The ceilings of a layer. At them the oldest transactions that are answered and only absorb
/// echoes make room. When there is none that has done so for some seconds, a request from outside
/// gets 503 with Retry-After without any state being kept, and one of ours is refused with [`Full`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most server transactions at a time; a sixteenth of them is kept for requests inside dialogs.
    pub server_transactions: usize,
    /// Most client transactions at a time.
    pub client_transactions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            server_transactions: MAX_SERVER_TRANSACTIONS,
            client_transactions: MAX_CLIENT_TRANSACTIONS,
        }
    }
}

/// The ceiling on client transactions is reached; nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("all client transactions are in use")]
pub struct Full;

/// A request to be sent in a client transaction.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The complete request with our Via on top.
    pub bytes: Bytes,
    /// Its method.
    pub method: Method,
    /// The branch of its top Via.
    pub branch: String,
    /// Where it goes.
    pub flow: Flow,
}

/// What happened, for the user of the layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new request, delivered once; the user owes it a final response.
    Request {
        /// To answer with.
        key: ServerKey,
        /// The request.
        message: Message,
        /// How it came.
        flow: Flow,
    },
    /// An ACK that does not belong to a refusal: for a 2xx, or for nothing.
    Ack {
        /// The ACK.
        message: Message,
        /// How it came.
        flow: Flow,
    },
    /// The peer takes back an INVITE which has no final response yet. The CANCEL is answered; the
    /// user still owes the INVITE its 487.
    Cancel {
        /// The INVITE's transaction.
        key: ServerKey,
        /// The CANCEL.
        message: Message,
    },
    /// A response to a request of ours. A final one comes once, but each 2xx to an INVITE comes
    /// (forks and retransmissions), until [`Event::Ended`].
    Response {
        /// The request's transaction.
        key: ClientKey,
        /// The response.
        message: Message,
        /// How it came.
        flow: Flow,
    },
    /// No final response came in time (timers B and F, or 64·T1 after a CANCEL); the transaction
    /// is gone.
    TimedOut {
        /// The request's transaction.
        key: ClientKey,
    },
    /// The request could not be sent; the transaction is gone.
    TransportFailed {
        /// The request's transaction.
        key: ClientKey,
    },
    /// No further 2xx to an INVITE can come (timer M); the transaction is gone.
    Ended {
        /// The INVITE's transaction.
        key: ClientKey,
    },
}

/// What the layer has to say after a call; the caller owns it, sends and handles all of it.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// To be sent, in this order.
    pub transmits: Vec<Transmit>,
    /// To be handled, in this order.
    pub events: VecDeque<Event>,
}

/// What a layer has seen since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Requests delivered to the user.
    pub requests: u64,
    /// Requests that were echoes of a known one, answered or absorbed.
    pub absorbed_requests: u64,
    /// Requests that came twice over different paths and got 482.
    pub merged_requests: u64,
    /// Requests refused with 503 because all server transactions were in use.
    pub refused_requests: u64,
    /// Requests of ours refused because all client transactions were in use.
    pub refused_clients: u64,
    /// Requests without the fields that make a transaction.
    pub malformed_requests: u64,
    /// CANCELs that matched no INVITE and got 481.
    pub unmatched_cancels: u64,
    /// Responses that matched no request of ours.
    pub unmatched_responses: u64,
    /// Responses that did not come from the host to which the request went.
    pub foreign_responses: u64,
    /// Client transactions that ended without a final response.
    pub timeouts: u64,
    /// Refused INVITEs whose ACK never came (timer H).
    pub missing_acks: u64,
}
