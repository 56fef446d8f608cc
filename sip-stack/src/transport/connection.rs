//! One stream connection: its reading, its writing, its patience.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Counters, Limits, Sink, TransportEvent,
    table::{Queue, Table},
    tcp,
};
use crate::{
    flow::{Flow, Received, Transmit},
    message::{
        Message,
        framing::{Frame, StreamFramer},
    },
};

/// What listeners, connections and senders have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) sink: Sink,
    pub(super) counters: Counters,
    pub(super) runtime: Handle,
    table: Mutex<Table>,
}

impl Shared {
    pub(super) fn new(limits: Limits, sink: Sink, runtime: Handle) -> Self {
        Shared {
            limits,
            sink,
            counters: Counters::default(),
            runtime,
            table: Mutex::new(Table::default()),
        }
    }

    /// Queues a message for the connection of its flow, opening one if none is named.
    pub(super) fn send(self: &Arc<Self>, transmit: Transmit) {
        let flow = transmit.flow;
        let is_queued = {
            let mut table = self.table();
            match table.put(&flow, transmit.bytes.clone()) {
                Some(is_queued) => is_queued,
                // A connection that is gone cannot be called back: its peer's port was ephemeral.
                None if flow.connection.is_some() => false,
                None => match table.insert(flow, &self.limits) {
                    Some((named, queue)) => {
                        self.runtime.spawn(tcp::connect(named, queue, self.clone()));
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

    /// Reports without waiting that something could not be sent.
    pub(super) fn fail(&self, flow: Flow) {
        Counters::count(&self.counters.send_failed);
        if !self.sink.try_put(TransportEvent::Failed { flow }) {
            Counters::count(&self.counters.events_lost);
        }
    }

    /// Reports that something could not be sent, when there is room.
    pub(super) async fn report_failure(&self, flow: Flow) {
        Counters::count(&self.counters.send_failed);
        self.sink.put(TransportEvent::Failed { flow }).await;
    }

    pub(super) fn open(&self, flow: Flow) -> Option<(Flow, Queue)> {
        self.table().insert(flow, &self.limits)
    }

    pub(super) fn forget(&self, flow: Flow) {
        if let Some(id) = flow.connection {
            self.table().remove(id);
        }
    }

    fn end_after_next(&self, flow: Flow) {
        if let Some(id) = flow.connection {
            self.table().end_after_next(id);
        }
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

/// Why reading ended.
enum ReadEnd {
    /// The peer closed, or the stream broke, or nobody listens to us any more.
    Closed,
    /// The peer was silent or too slow.
    TimedOut,
    /// The stream is no SIP; it is closed after the answer, if there is one.
    Malformed,
}

/// How long a refused stream waits for its 400.
const LINGER: Duration = Duration::from_secs(2);
/// Octets taken from a stream at once.
const READ_BYTES: usize = 16_384;

/// Runs a connection to its end and reports it.
pub(super) async fn run(
    stream: TcpStream,
    flow: Flow,
    mut queue: Queue,
    origin: Origin,
    shared: Arc<Shared>,
) {
    // Messages are written whole; waiting for more only adds delay.
    let _ = stream.set_nodelay(true);
    let (read_half, write_half) = stream.into_split();
    let mut reader = Reader::new(read_half, flow, origin, &shared);
    let has_failed = {
        let write = write(write_half, &mut queue, &shared);
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
    let is_known = reader.has_message || origin == Origin::Opened;
    shared.forget(flow);
    if has_failed || queue.is_pending() {
        shared.report_failure(flow).await;
    }
    if is_known {
        shared.sink.put(TransportEvent::Closed { flow }).await;
    }
}

/// Writes the queue until it ends.
async fn write(mut half: OwnedWriteHalf, queue: &mut Queue, shared: &Shared) -> io::Result<()> {
    while let Some(message) = queue.next().await {
        timeout(shared.limits.write, half.write_all(&message)).await??;
        Counters::count(&shared.counters.messages_out);
    }
    half.shutdown().await
}

/// The reading side of a connection.
struct Reader<'a> {
    half: OwnedReadHalf,
    framer: StreamFramer,
    flow: Flow,
    shared: &'a Shared,
    opened: Option<Instant>,
    last_octet: Instant,
    /// When the message that is not complete yet began.
    partial_since: Option<Instant>,
    has_message: bool,
}

impl<'a> Reader<'a> {
    fn new(half: OwnedReadHalf, flow: Flow, origin: Origin, shared: &'a Shared) -> Self {
        let now = Instant::now();
        Reader {
            half,
            framer: StreamFramer::new(),
            flow,
            shared,
            opened: (origin == Origin::Accepted).then_some(now),
            last_octet: now,
            partial_since: None,
            has_message: false,
        }
    }

    async fn run(&mut self) -> ReadEnd {
        loop {
            let deadline = self.deadline();
            match timeout_at(deadline, self.half.readable()).await {
                Err(_) => return ReadEnd::TimedOut,
                Ok(Err(_)) => return ReadEnd::Closed,
                Ok(Ok(())) => {}
            }
            match self.take() {
                Ok(0) => return ReadEnd::Closed,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return ReadEnd::Closed,
            }
            self.last_octet = Instant::now();
            if let Some(end) = self.frames().await {
                return end;
            }
            self.partial_since = match (self.framer.is_empty(), self.partial_since) {
                (true, _) => None,
                (false, since) => since.or(Some(self.last_octet)),
            };
        }
    }

    /// Reads to nowhere, for ever.
    async fn discard(&mut self) {
        let mut buffer = [0_u8; 1024];
        loop {
            if self.half.readable().await.is_err() {
                break;
            }
            match self.half.try_read(&mut buffer) {
                Ok(length) if length > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => break,
            }
        }
        std::future::pending().await
    }

    /// SEC-15: first message, whole message, octets of a message, silence.
    fn deadline(&self) -> Instant {
        let limits = &self.shared.limits;
        let mut deadline = match self.partial_since {
            Some(since) => {
                (self.last_octet + limits.between_octets).min(since + limits.whole_message)
            }
            None => self.last_octet + limits.idle,
        };
        if let Some(opened) = self.opened.filter(|_| !self.has_message) {
            deadline = deadline.min(opened + limits.first_message);
        }
        deadline
    }

    /// Reads what is there; the buffer does not outlive the call, so that idle connections cost
    /// nothing.
    fn take(&mut self) -> io::Result<usize> {
        let mut buffer = [0_u8; READ_BYTES];
        let length = self.half.try_read(&mut buffer)?;
        self.framer.push(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }

    /// Hands on what is complete.
    async fn frames(&mut self) -> Option<ReadEnd> {
        while let Some(frame) = self.framer.next() {
            match frame {
                Ok(Frame::Message(bytes)) => {
                    if !self.on_message(bytes).await {
                        return Some(ReadEnd::Closed);
                    }
                }
                Ok(Frame::Ping) => {
                    // RFC 5626 §3.5.1: a double CRLF is answered with a single one.
                    Counters::count(&self.shared.counters.keep_alives);
                    self.shared.table().put(&self.flow, Bytes::from_static(b"\r\n"));
                }
                Ok(Frame::Pong) => Counters::count(&self.shared.counters.keep_alives),
                Err(error) => {
                    Counters::count(&self.shared.counters.malformed);
                    self.shared.end_after_next(self.flow);
                    let event = TransportEvent::Malformed {
                        bytes: error.bytes,
                        flow: self.flow,
                        error: error.error,
                    };
                    self.shared.sink.put(event).await;
                    self.has_message = true;
                    return Some(ReadEnd::Malformed);
                }
            }
        }
        None
    }

    /// False when nobody receives any more.
    async fn on_message(&mut self, bytes: Bytes) -> bool {
        self.has_message = true;
        let flow = self.flow;
        let event = match Message::parse(bytes.clone()) {
            Ok(message) => {
                Counters::count(&self.shared.counters.messages_in);
                TransportEvent::Message(Received { message, flow })
            }
            Err(error) => {
                Counters::count(&self.shared.counters.malformed);
                TransportEvent::Malformed { bytes, flow, error }
            }
        };
        self.shared.sink.put(event).await
    }
}
