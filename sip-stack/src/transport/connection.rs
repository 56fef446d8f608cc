//! One connection, whatever carries it: what all of them share, and a life from the first octet to
//! the report that it ended.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};

use super::{
    Counters, Gate, Limits, Peer, Sink, Tls, TransportEvent, open,
    overload::Allowance,
    reader::{ReadEnd, Reader},
    source::{Drain, Source},
    table::{Queue, Table},
};
use crate::{
    flow::{Flow, Transmit, Transport},
    guard::{Admission, Lane, source_of},
};

/// One source has one of so many of the handshakes that may be in progress.
const HANDSHAKES_SHARE: usize = 8;

/// What listeners, connections and senders have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) sink: Sink,
    pub(super) counters: Counters,
    pub(super) runtime: Handle,
    /// Who is listened to; without one, everybody.
    pub(super) gate: Option<Arc<Gate>>,
    refusals: Allowance,
    started: Instant,
    table: Mutex<Table>,
    trust: Mutex<Trust>,
    /// In progress, by source.
    handshakes: Mutex<HashMap<IpAddr, usize>>,
}

/// What may change while the listeners stay: certificates, browsers' origins, names of peers.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    /// Certificates and whom we believe; without it TLS is refused.
    pub(super) tls: Option<Tls>,
    /// Origins whose WebSockets are taken; empty takes all.
    pub(super) origins: Arc<[String]>,
    /// Whose certificate is wanted where; TLS is opened to nobody else.
    pub(super) peers: Arc<[Peer]>,
}

/// A place among the handshakes in progress; given back when dropped.
#[derive(Debug)]
pub(super) struct Handshake(Arc<Shared>, IpAddr);

impl Drop for Handshake {
    fn drop(&mut self) {
        let Handshake(shared, source) = self;
        let mut handshakes = shared.handshakes();
        if let Some(count) = handshakes.get_mut(source) {
            *count -= 1;
            if *count == 0 {
                handshakes.remove(source);
            }
        }
    }
}

impl Shared {
    pub(super) fn new(
        limits: Limits,
        trust: Trust,
        gate: Option<Arc<Gate>>,
        sink: Sink,
        runtime: Handle,
    ) -> Self {
        Shared {
            limits,
            sink,
            counters: Counters::default(),
            runtime,
            gate,
            refusals: Allowance::default(),
            started: Instant::now(),
            table: Mutex::new(Table::default()),
            trust: Mutex::new(trust),
            handshakes: Mutex::default(),
        }
    }

    /// What becomes of a message, decided before it is parsed.
    pub(super) fn admit(&self, transport: Transport, from: SocketAddr, octets: &[u8]) -> Admission {
        let admission = match &self.gate {
            Some(gate) if transport == Transport::Udp => gate.admit(from, octets),
            Some(gate) => gate.admit_from_stream(from, octets),
            None => Admission::Pass(Lane::Ordinary),
        };
        if admission == Admission::Drop {
            Counters::count(&self.counters.not_admitted);
        }
        admission
    }

    /// A refusal as it may be sent to where it goes.
    pub(super) fn fit(&self, to: SocketAddr, refusal: &Bytes, asked: usize) -> Option<Bytes> {
        match &self.gate {
            Some(gate) => gate.fit(to, refusal, Some(asked)),
            None => Some(refusal.clone()),
        }
    }

    /// Whether what is no SIP goes on.
    pub(super) fn admit_malformed(&self, from: SocketAddr) -> bool {
        self.gate.as_ref().is_none_or(|gate| gate.admit_malformed(from))
    }

    /// Whether a connection is taken.
    pub(super) fn admit_connection(&self, from: SocketAddr) -> bool {
        self.gate.as_ref().is_none_or(|gate| gate.admit_connection(from))
    }

    /// Whether one more 503 may be sent now.
    pub(super) fn may_refuse(&self) -> bool {
        self.refusals.take(self.started.elapsed().as_secs())
    }

    /// What is believed now.
    pub(super) fn trust(&self) -> Trust {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is believed; open connections stay.
    pub(super) fn change_trust(&self, change: impl FnOnce(&mut Trust)) {
        change(&mut self.trust.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A place for one more handshake; `None` when too many are in progress, in all or of this source
    /// (SEC-15): nobody keeps all places by saying nothing.
    pub(super) fn begin_handshake(self: &Arc<Self>, from: IpAddr) -> Option<Handshake> {
        let (most, source) = (self.limits.handshakes, source_of(from));
        let mut handshakes = self.handshakes();
        let all: usize = handshakes.values().sum();
        let own = handshakes.entry(source).or_default();
        if all < most && *own < most.div_ceil(HANDSHAKES_SHARE) {
            *own += 1;
            return Some(Handshake(self.clone(), source));
        }
        handshakes.retain(|_, count| *count > 0);
        None
    }

    fn handshakes(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.handshakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message for the connection of its flow, opening one if none is named.
    pub(super) fn send(self: &Arc<Self>, transmit: Transmit) {
        let flow = transmit.flow;
        let is_queued = {
            let mut table = self.table();
            match table.put(&flow, transmit.bytes.clone()) {
                Some(true) => return,
                Some(false) => {
                    drop(table);
                    return self.turn_back(transmit);
                }
                // A connection that is gone cannot be called back: its peer's port was ephemeral.
                None if flow.connection.is_some() => false,
                // RFC 7118 §5: whoever speaks WebSocket to us cannot be called back.
                None if matches!(flow.transport, Transport::Ws | Transport::Wss) => false,
                None => match table.insert(flow, &self.limits) {
                    Some((named, queue)) => {
                        self.runtime.spawn(open::connect(named, queue, self.clone()));
                        table.put(&named, transmit.bytes).unwrap_or(false)
                    }
                    None => false,
                },
            }
        };
        if !is_queued {
            self.fail(flow);
        }
    }

    /// Reports without waiting that a live connection did not take this message: what else is under way
    /// over it is not lost.
    fn turn_back(&self, transmit: Transmit) {
        Counters::count(&self.counters.send_failed);
        if !self.sink.try_put(Lane::Urgent, TransportEvent::Unsent(transmit)) {
            Counters::count(&self.counters.events_lost);
        }
    }

    /// Reports without waiting that something could not be sent.
    pub(super) fn fail(&self, flow: Flow) {
        Counters::count(&self.counters.send_failed);
        if !self.sink.try_put(Lane::Urgent, TransportEvent::Failed { flow }) {
            Counters::count(&self.counters.events_lost);
        }
    }

    /// Reports that something could not be sent, when there is room.
    pub(super) async fn report_failure(&self, flow: Flow) {
        Counters::count(&self.counters.send_failed);
        self.sink.put(Lane::Urgent, TransportEvent::Failed { flow }).await;
    }

    pub(super) fn open(&self, flow: Flow) -> Option<(Flow, Queue)> {
        self.table().insert(flow, &self.limits)
    }

    pub(super) fn forget(&self, flow: Flow) {
        if let Some(id) = flow.connection {
            self.table().remove(id);
        }
    }

    /// Ends a connection after the next response with this status.
    pub(super) fn end_after(&self, flow: Flow, status: u16) {
        if let Some(id) = flow.connection {
            self.table().end_after(id, status);
        }
    }

    /// Queues octets for an open connection.
    pub(super) fn put(&self, flow: &Flow, octets: Bytes) {
        self.table().put(flow, octets);
    }

    pub(super) fn close(&self, flow: &Flow) {
        let mut table = self.table();
        if let Some(id) = table.id(flow) {
            table.remove(id);
        }
    }

    pub(super) fn close_all(&self) {
        self.table().clear();
    }

    pub(super) fn open_connections(&self) -> usize {
        self.table().len()
    }

    /// A panic elsewhere leaves the table usable: each change of it is complete in itself.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who opened a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The peer; it must soon say something sensible.
    Accepted,
    /// We did.
    Opened,
}

/// A connection that is ready for messages.
pub(super) struct Ready<S, D> {
    pub(super) source: S,
    pub(super) drain: D,
    pub(super) flow: Flow,
    pub(super) queue: Queue,
    pub(super) origin: Origin,
    /// Whom the peer's certificate names, lower case; empty without one.
    pub(super) names: Vec<String>,
}

/// How long a refused stream waits for its 400.
const LINGER: Duration = Duration::from_secs(2);

/// Runs a connection to its end and reports it.
pub(super) async fn run<S: Source, D: Drain>(ready: Ready<S, D>, shared: Arc<Shared>) {
    let Ready { source, drain, flow, mut queue, origin, names } = ready;
    let is_identified = !names.is_empty();
    if is_identified {
        let names: Arc<[String]> = names.into();
        // Before its messages, whichever way they take.
        shared.sink.put_on_all(TransportEvent::Identified { flow, names }).await;
    }
    let mut reader = Reader::new(source, flow, origin, &shared);
    let has_failed = {
        let write = write(drain, &mut queue, &shared);
        tokio::pin!(write);
        tokio::select! {
            end = reader.run() => match end {
                ReadEnd::Closed => false,
                ReadEnd::TimedOut => {
                    Counters::count(&shared.counters.timed_out);
                    false
                }
                ReadEnd::Malformed => {
                    // What is left unread would turn the close into a reset that overtakes the
                    // answer.
                    let answered = async {
                        tokio::select! {
                            _ = &mut write => {}
                            () = reader.discard() => {}
                        }
                    };
                    let _ = timeout(LINGER, answered).await;
                    false
                }
            },
            written = &mut write => written.is_err(),
        }
    };
    let is_known = is_identified || reader.has_message() || origin == Origin::Opened;
    shared.forget(flow);
    if has_failed || queue.is_pending() {
        shared.report_failure(flow).await;
    }
    if is_known {
        // After everything that came over it.
        shared.sink.put(Lane::Ordinary, TransportEvent::Closed { flow }).await;
    }
}

/// Writes the queue until it ends.
async fn write(mut drain: impl Drain, queue: &mut Queue, shared: &Shared) -> io::Result<()> {
    while let Some(message) = queue.next().await {
        timeout(shared.limits.write, drain.write(message)).await??;
        Counters::count(&shared.counters.messages_out);
    }
    timeout(shared.limits.write, drain.finish()).await?
}
