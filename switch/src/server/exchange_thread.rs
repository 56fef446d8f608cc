//! The exchange's thread: takes inputs out of the mailbox, reads the clock, carries out outputs.

use std::sync::Arc;
use std::time::Duration;

use sip_stack::flow::{Flow, Transmit};
use sip_stack::transport::{TransportEvent, Transports};
use tokio::sync::{mpsc, watch};

use super::clock;
use crate::api::Api;
use crate::exchange::{Exchange, Input, Output};
use crate::observe::hep::Hep;
use crate::observe::security;
use crate::observe::trace::{Trace, Way, call_id_of};
use crate::store::Store;

/// Inputs that may wait; SIP datagrams beyond it are refused, streams and applications are read
/// no further.
pub const MAX_MAILBOX: usize = 8192;
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
            TransportEvent::Closed { flow } => Self::Closed(flow),
        }
    }
}

/// Everything outputs are carried out with.
pub(super) struct Rim {
    pub(super) transports: Arc<Transports>,
    pub(super) api: Arc<Api>,
    pub(super) store: Arc<dyn Store>,
    pub(super) capture: Capture,
    /// Becomes true when no call is left after a drain or stop.
    pub(super) drained: watch::Sender<bool>,
}

/// Keeps and copies the SIP messages that come and go.
pub(super) struct Capture {
    pub(super) trace: Arc<Trace>,
    pub(super) hep: Option<Hep>,
}

impl Capture {
    fn received(&mut self, unix_ms: u64, input: &Input) {
        if let Input::Sip(received) = input {
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
    fn perform(&mut self, output: Output) {
        let Some(output) = self.api.perform(output) else { return };
        match output {
            Output::Transmit(transmit) => {
                self.capture.sent(&transmit);
                self.transports.send(transmit);
            }
            Output::Dialog { call_id, dialog } => self.capture.trace.belongs(call_id, &dialog),
            Output::Store(change) => self.store.apply(change),
            Output::AuthenticationRefused { source, line, reason } => {
                security::authentication_refused(source, &line, reason);
            }
            Output::Drained => {
                self.drained.send_replace(true);
            }
            Output::Application { .. }
            | Output::CloseApplication { .. }
            | Output::Answer { .. }
            | Output::Event { .. } => {}
        }
    }
}

/// Runs until every sender of the mailbox is gone.
pub(super) async fn run(mut exchange: Exchange, mut mailbox: mpsc::Receiver<Input>, mut rim: Rim) {
    let mut inputs = Vec::with_capacity(BATCH);
    let mut outputs = Vec::new();
    loop {
        if wait(&exchange, &mut mailbox, &mut inputs).await == Waited::MailboxClosed {
            return;
        }
        for input in inputs.drain(..) {
            let clock = clock::read();
            rim.capture.received(clock.unix_ms, &input);
            exchange.handle(clock, input, &mut outputs);
            outputs.drain(..).for_each(|output| rim.perform(output));
        }
        let clock = clock::read();
        if exchange.next_deadline().is_some_and(|deadline| deadline <= clock.now) {
            exchange.expire(clock, &mut outputs);
            outputs.drain(..).for_each(|output| rim.perform(output));
        }
    }
}

#[derive(PartialEq, Eq)]
enum Waited {
    Due,
    MailboxClosed,
}

/// Waits for inputs, but not beyond the next deadline.
async fn wait(
    exchange: &Exchange,
    mailbox: &mut mpsc::Receiver<Input>,
    inputs: &mut Vec<Input>,
) -> Waited {
    let received = mailbox.recv_many(inputs, BATCH);
    let count = match exchange.next_deadline() {
        None => received.await,
        Some(deadline) => {
            let at_most: Duration = deadline - clock::now();
            match tokio::time::timeout(at_most, received).await {
                Ok(count) => count,
                Err(_) => return Waited::Due,
            }
        }
    };
    if count == 0 { Waited::MailboxClosed } else { Waited::Due }
}
