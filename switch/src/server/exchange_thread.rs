//! The exchange's thread: takes inputs out of the mailbox, reads the clock, carries out outputs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sip_stack::flow::{Flow, Transmit, Transport};
use sip_stack::time::Now;
use sip_stack::transport::{Gate, TransportEvent, Transports};
use tokio::sync::{mpsc, watch};

use super::clock;
use super::memory::Tidying;
use super::watchdog::Watchdog;
use crate::api::Api;
use crate::exchange::{Exchange, Input, Output};
use crate::observe::hep::Hep;
use crate::observe::security;
use crate::observe::trace::{Trace, Way, call_id_of};
use crate::store::Store;

/// Inputs that may wait; SIP datagrams beyond it are refused, streams and applications are read
/// no further.
pub const MAX_MAILBOX: usize = 8192;
/// New work that may wait: requests that belong to nothing yet. More than the exchange can do before
/// their senders try again would be of no use.
pub const MAX_NEW_WORK: usize = 4096;
/// New work that is taken out at once; between two pieces of it, what is urgent is looked for.
const FEW: usize = 16;
/// After so many batches of urgent inputs without a pause, some new work gets its turn.
const PATIENCE: u32 = 4;
/// Inputs that are taken out of the mailbox at once.
const BATCH: usize = 64;

impl From<TransportEvent> for Input {
    fn from(event: TransportEvent) -> Self {
        match event {
            TransportEvent::Message(received) => Self::Sip(received),
            TransportEvent::Malformed { bytes, flow, error } => {
                Self::Malformed { bytes, flow, error }
            }
            TransportEvent::Identified { flow, names } => Self::Identified { flow, names },
            TransportEvent::Failed { flow } => Self::TransportFailed(flow),
            TransportEvent::Unsent(transmit) => Self::Unsent(transmit),
            TransportEvent::Closed { flow } => Self::Closed(flow),
        }
    }
}

/// New work, and since when it waits: the measure of overload (SEC-102).
pub(super) struct Waiting {
    since: Now,
    input: Input,
}

impl Waiting {
    /// Begins to wait.
    pub(super) fn now(input: Input) -> Self {
        Self { since: clock::now(), input }
    }
}

impl From<TransportEvent> for Waiting {
    fn from(event: TransportEvent) -> Self {
        Self::now(event.into())
    }
}

/// The two ways into the exchange.
pub(super) struct Inbox {
    /// What belongs to something that exists, and everything that is no SIP.
    pub(super) urgent: mpsc::Receiver<Input>,
    pub(super) new_work: mpsc::Receiver<Waiting>,
}

/// Who asked something, and with how many octets.
type Asked = Option<(SocketAddr, usize)>;

fn asked_by(input: &Input) -> Asked {
    match input {
        Input::Sip(received) => Some((received.flow.remote, received.message.bytes().len())),
        Input::Malformed { bytes, flow, .. } => Some((flow.remote, bytes.len())),
        _ => None,
    }
}

/// How far the exchange's end has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// It has not begun, or calls are left.
    No,
    /// No call is left after a drain or stop.
    Drained,
    /// The last words have been heard.
    Rested,
}

/// Everything outputs are carried out with.
pub(super) struct Rim {
    pub(super) transports: Arc<Transports>,
    pub(super) api: Arc<Api>,
    pub(super) store: Arc<dyn Store>,
    pub(super) capture: Capture,
    pub(super) ending: watch::Sender<Ending>,
    pub(super) gate: Arc<Gate>,
    pub(super) watchdog: Arc<Watchdog>,
}

/// Keeps and copies the SIP messages that come and go.
pub(super) struct Capture {
    pub(super) trace: Arc<Trace>,
    pub(super) hep: Option<Hep>,
}

impl Capture {
    fn received(&mut self, unix_ms: u64, input: &Input) {
        if let Input::Sip(received) = input
            && !Watchdog::is_own(&received.flow)
        {
            let dialog = received.message.call_id().as_bytes();
            self.note(unix_ms, Way::In, &received.flow, dialog, received.message.bytes());
        }
    }

    fn sent(&mut self, transmit: &Transmit) {
        let dialog = call_id_of(&transmit.bytes);
        self.note(clock::unix_ms(), Way::Out, &transmit.flow, dialog, &transmit.bytes);
    }

    fn note(&mut self, unix_ms: u64, way: Way, flow: &Flow, dialog: &[u8], message: &[u8]) {
        self.trace.keep(unix_ms, way, *flow, dialog, message);
        if let Some(hep) = &mut self.hep {
            hep.send(unix_ms, way, flow, dialog, message);
        }
    }
}

impl Rim {
    /// Sends what may be sent: strangers behind UDP get no more octets than they sent (SEC-64).
    fn send(&mut self, mut transmit: Transmit, asked: Asked) {
        if Watchdog::is_own(&transmit.flow) {
            return self.watchdog.hear(&transmit);
        }
        let to = transmit.flow.remote;
        if transmit.flow.transport == Transport::Udp && transmit.bytes.starts_with(b"SIP/2.0 ") {
            let asked = asked.filter(|(from, _)| *from == to).map(|(_, length)| length);
            match self.gate.fit(to, &transmit.bytes, asked) {
                Some(fitting) => transmit.bytes = fitting,
                None => return,
            }
        }
        self.capture.sent(&transmit);
        self.transports.send(transmit);
    }

    fn perform(&mut self, output: Output, asked: Asked) {
        let Some(output) = self.api.perform(output) else { return };
        match output {
            Output::Transmit(transmit) => self.send(transmit, asked),
            Output::Dialog { call_id, dialog } => self.capture.trace.belongs(call_id, &dialog),
            Output::Store(change) => self.store.apply(change),
            Output::AuthenticationRefused { source, line, reason, is_proven } => {
                security::authentication_refused(source, &line, reason, is_proven);
            }
            Output::CallBarred { source, line, reason } => {
                security::call_barred(source, &line, reason);
            }
            Output::Suspicious { what, source, line, reason } => {
                security::suspicious(what, source, &line, &reason);
            }
            Output::LoginFailed(source) => self.gate.failed(source),
            Output::LoggedIn(source) => self.gate.authenticated(source),
            Output::Drained => {
                self.ending.send_replace(Ending::Drained);
            }
            Output::Rested => {
                self.ending.send_replace(Ending::Rested);
            }
            Output::Application { .. }
            | Output::CloseApplication { .. }
            | Output::Answer { .. }
            | Output::Event { .. } => {}
        }
    }
}

/// Runs until every sender of the mailbox is gone.
pub(super) async fn run(exchange: Exchange, inbox: Inbox, rim: Rim) {
    let tidying = Tidying::new(clock::now());
    let mut runner = Runner { exchange, rim, outputs: Vec::new(), tidying };
    let Inbox { mut urgent, mut new_work } = inbox;
    let mut inputs = Vec::with_capacity(BATCH);
    let mut waiting = Vec::with_capacity(FEW);
    let mut busy_batches = 0;
    loop {
        let due = runner.next_deadline();
        let taken = wait(due, (&mut urgent, &mut inputs), (&mut new_work, &mut waiting));
        match taken.await {
            Waited::MailboxClosed => return,
            Waited::Urgent => busy_batches += 1,
            Waited::Due | Waited::NewWork => busy_batches = 0,
        }
        runner.take(inputs.drain(..));
        if busy_batches >= PATIENCE {
            busy_batches = 0;
            waiting.extend(std::iter::from_fn(|| new_work.try_recv().ok()).take(FEW));
        }
        if !waiting.is_empty() {
            let now = clock::now();
            let delays = waiting.iter().map(|waiting| now - waiting.since);
            runner.rim.gate.measured(delays, new_work.len());
        }
        for Waiting { input, .. } in waiting.drain(..) {
            runner.take(std::iter::once(input));
            while let Ok(input) = urgent.try_recv() {
                inputs.push(input);
                if inputs.len() == BATCH {
                    break;
                }
            }
            runner.take(inputs.drain(..));
        }
        runner.expire();
    }
}

struct Runner {
    exchange: Exchange,
    rim: Rim,
    outputs: Vec<Output>,
    tidying: Tidying,
}

impl Runner {
    fn take(&mut self, inputs: impl Iterator<Item = Input>) {
        for input in inputs {
            let clock = clock::read();
            self.rim.capture.received(clock.unix_ms, &input);
            let asked = asked_by(&input);
            self.tidying.note_input();
            self.exchange.handle(clock, input, &mut self.outputs);
            self.outputs.drain(..).for_each(|output| self.rim.perform(output, asked));
        }
    }

    fn expire(&mut self) {
        let clock = clock::read();
        if self.exchange.next_deadline().is_some_and(|deadline| deadline <= clock.now) {
            self.exchange.expire(clock, &mut self.outputs);
            self.outputs.drain(..).for_each(|output| self.rim.perform(output, None));
        }
        if self.tidying.next_at() <= clock.now {
            self.exchange.tidy();
            self.tidying.done(clock.now);
        }
    }

    fn next_deadline(&self) -> Now {
        let tidying = self.tidying.next_at();
        self.exchange.next_deadline().map_or(tidying, |deadline| deadline.min(tidying))
    }
}

#[derive(PartialEq, Eq)]
enum Waited {
    Due,
    Urgent,
    NewWork,
    MailboxClosed,
}

/// Waits for inputs, urgent ones first, but not beyond the next deadline.
async fn wait(
    deadline: Now,
    (urgent, inputs): (&mut mpsc::Receiver<Input>, &mut Vec<Input>),
    (new_work, waiting): (&mut mpsc::Receiver<Waiting>, &mut Vec<Waiting>),
) -> Waited {
    let received = async {
        tokio::select! {
            biased;
            count = urgent.recv_many(inputs, BATCH) => match count {
                0 => Waited::MailboxClosed,
                _ => Waited::Urgent,
            },
            count = new_work.recv_many(waiting, FEW) => match count {
                0 => Waited::MailboxClosed,
                _ => Waited::NewWork,
            },
        }
    };
    let at_most: Duration = deadline - clock::now();
    tokio::time::timeout(at_most, received).await.unwrap_or(Waited::Due)
}
