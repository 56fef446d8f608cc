//! The transaction layer: one entry for everything that concerns transactions.

use bytes::Bytes;

use super::event::{ClientKey, Counters, Full, Limits, Outbox, Outgoing, ServerKey};
use super::incoming::ServerSide;
use super::outgoing::ClientSide;
use super::timer::Timers;
use crate::flow::{Flow, Received};
use crate::message::{HeaderName, Message};
use crate::time::Now;

/// All transactions of an endpoint, client and server.
pub struct Layer {
    clients: ClientSide,
    servers: ServerSide,
    counters: Counters,
}

impl Layer {
    /// A layer without transactions.
    #[must_use]
    pub fn new(timers: Timers, limits: Limits) -> Self {
        Self {
            clients: ClientSide::new(timers, limits.client_transactions),
            servers: ServerSide::new(timers, limits.server_transactions),
            counters: Counters::default(),
        }
    }

    /// Takes a message from the network.
    ///
    /// New requests come out as [`Event::Request`](super::Event::Request); echoes are answered from
    /// memory. CANCEL is answered here: 200 and an event if its INVITE is known, 481 otherwise.
    /// Merged requests get 482, and 503 with Retry-After when the ceiling is reached.
    ///
    /// Source: RFC 3261 §17.1.3, §17.2.3, §8.2.2.2, §9.2; RFC 6026.
    pub fn receive(&mut self, now: Now, received: Received, out: &mut Outbox) {
        if received.message.is_request() {
            self.servers.on_request(now, received, &mut self.counters, out);
        } else {
            self.clients.on_response(now, received, &mut self.counters, out);
        }
    }

    /// Sends a response in a server transaction and keeps it for echoes of the request.
    ///
    /// The top Via is stamped with `received` and `rport` on the way ([`super::stamp_via`]). To an
    /// INVITE any number of 1xx may be sent and, after a 2xx, further 2xx: repeating those until
    /// the ACK is the caller's task (RFC 6026). False if the transaction is gone or may not send
    /// this response any more; nothing is sent then.
    pub fn respond(
        &mut self,
        now: Now,
        key: ServerKey,
        status: u16,
        bytes: &Bytes,
        out: &mut Outbox,
    ) -> bool {
        self.servers.respond(now, key, status, bytes, out)
    }

    /// Sends a final refusal and forgets the request at once: for challenges and overload.
    ///
    /// The refusal is not repeated and an echo of the request comes out as a new one, so that a
    /// stranger leaves no state behind; its ACK comes out as [`Event::Ack`](super::Event::Ack) that
    /// fits no dialog. False if the transaction is gone or was answered, be it by a 1xx only.
    ///
    /// Source: RFC 3261 §8.2.7 (stateless UAS).
    pub fn refuse(&mut self, key: ServerKey, bytes: &Bytes, out: &mut Outbox) -> bool {
        self.servers.refuse(key, bytes, out)
    }

    /// Sends 100 Trying now unless something was sent already.
    ///
    /// For an INVITE the layer does this itself when 200 ms have passed without a response.
    ///
    /// Source: RFC 3261 §17.2.1.
    pub fn trying(&mut self, now: Now, key: ServerKey, out: &mut Outbox) -> bool {
        self.servers.trying(now, key, out)
    }

    /// Sends a request in a new client transaction (not ACK, not CANCEL).
    ///
    /// Errors: [`Full`] at the ceiling, or if the branch is in use.
    pub fn request(
        &mut self,
        now: Now,
        outgoing: Outgoing,
        out: &mut Outbox,
    ) -> Result<ClientKey, Full> {
        self.clients.request(now, outgoing, &mut self.counters, out)
    }

    /// Takes back an INVITE of ours: CANCEL goes out at once if a provisional response came,
    /// otherwise with the first one. `headers` are added to it (Reason).
    ///
    /// The fate of the INVITE comes as its own event: 487, a crossing 2xx, or
    /// [`Event::TimedOut`](super::Event::TimedOut). False if there is nothing to cancel: a final
    /// response came, or CANCEL was asked for before.
    ///
    /// Source: RFC 3261 §9.1.
    pub fn cancel(
        &mut self,
        now: Now,
        key: ClientKey,
        headers: &[(HeaderName, String)],
        out: &mut Outbox,
    ) -> bool {
        self.clients.cancel(now, key, headers, out)
    }

    /// A flow is broken: what waits for a response over it fails, what only absorbs echoes ends.
    pub fn transport_failed(&mut self, now: Now, flow: &Flow, out: &mut Outbox) {
        self.clients.transport_failed(now, flow, out);
        self.servers.transport_failed(now, flow, out);
    }

    /// A request of ours was not sent; its flow is whole.
    pub fn unsent(&mut self, now: Now, request: &Message, out: &mut Outbox) {
        self.clients.unsent(now, request, out);
    }

    /// Lets all timers fire whose time has come.
    pub fn expire(&mut self, now: Now, out: &mut Outbox) {
        self.clients.expire(now, &mut self.counters, out);
        self.servers.expire(now, &mut self.counters, out);
    }

    /// When [`Layer::expire`] should be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Now> {
        match (self.clients.next_deadline(), self.servers.next_deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// How many client transactions there are, the layer's own CANCELs included.
    #[must_use]
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// How many server transactions there are.
    #[must_use]
    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// How many timers are armed.
    #[must_use]
    pub fn timer_count(&self) -> usize {
        self.clients.timer_count() + self.servers.timer_count()
    }

    /// Whether the peer still owes this request a final response.
    #[must_use]
    pub fn is_awaited(&self, key: ClientKey) -> bool {
        self.clients.is_open(key)
    }

    /// Whether the user still owes this request a final response.
    #[must_use]
    pub fn is_owed(&self, key: ServerKey) -> bool {
        self.servers.is_open(key)
    }

    /// Whether the peer of a refused INVITE has still to acknowledge that.
    #[must_use]
    pub fn is_repeating(&self) -> bool {
        self.servers.is_repeating()
    }

    /// What the layer has seen so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The layer's invariants, asserted in debug builds: for tests and simulations.
    pub fn check(&self) {
        self.clients.check();
        self.servers.check();
    }
}
