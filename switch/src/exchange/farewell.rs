//! Calls that were up when the process died: their dialogs are kept while they last, and after the next
//! start each is left by BYE, so that no phone goes on talking to nobody.
//!
//! Nothing is kept where nothing outlives the process. What is kept of a dialog changes only with its
//! remote target: the CSeq of the BYE leaps over what was sent meanwhile.
//!
//! LIMIT: over a stream the BYE needs a new connection to the phone's port, which most phones refuse;
//! they have seen their old one end with the process.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use config::StatePath;
use sip_stack::endpoint::{Event, Farewell, LegId};
use sip_stack::flow::{Flow, Transport};

use super::{Exchange, Output};
use crate::call::{ConnectionKey, Timer};
use crate::store::{Change, StoredDialog};

/// So many BYEs at once, and the pause between: phones of a whole office are told within seconds,
/// and their answers do not meet a full mailbox.
const AT_ONCE: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);
/// A BYE is repeated for so long (RFC 3261 §17.1.2.2); until then a further death would repeat it.
const REPEATED: Duration = Duration::from_secs(32);

/// Dialogs kept, and those that are to be left.
#[derive(Default)]
pub(crate) struct Farewells {
    /// Our tags of the dialogs that are in the store.
    kept: HashMap<LegId, String>,
    /// Dialogs of the previous run.
    left_behind: VecDeque<StoredDialog>,
    /// Our tags of those of them that were sent BYE.
    told: Vec<String>,
    /// Whether somebody waits for [`Output::Rested`].
    is_resting: bool,
}

impl Exchange {
    /// Ends all calls; no new one comes.
    pub(super) fn stop(&mut self) {
        self.is_draining = true;
        let all: Vec<ConnectionKey> =
            self.connections.iter().map(|(key, _)| ConnectionKey(key)).collect();
        for connection in all {
            self.clear_connection(connection, "SIP;cause=503;text=\"Switch stops\"");
        }
    }

    /// The process ends when the last words have been heard; what the store has not got yet it gets now.
    pub(super) fn rest(&mut self) {
        self.save_centre();
        self.farewells.is_resting = true;
    }

    /// Whether that is so now; true once.
    pub(super) fn comes_to_rest(&mut self) -> bool {
        let is_heard = self.farewells.is_resting && !self.endpoint.is_awaiting();
        self.farewells.is_resting &= !is_heard;
        is_heard
    }

    /// Keeps a dialog when it is established or its target changed, and no longer than it lasts.
    pub(super) fn follow_dialog(&mut self, event: &Event) {
        match event {
            Event::Answered { leg, .. }
            | Event::Confirmed { leg, .. }
            | Event::Offer { leg, .. }
            | Event::OfferAnswered { leg, .. } => self.keep_dialog(*leg),
            Event::Ended { leg, .. } => self.drop_dialog(*leg),
            _ => {}
        }
    }

    /// The dialog of a leg was established, or its target changed: it is kept.
    pub(crate) fn keep_dialog(&mut self, leg: LegId) {
        if self.config.state.path == StatePath::Memory {
            return;
        }
        let Some(view) = self.endpoint.leg(leg) else { return };
        let tag = view.local_tag.to_owned();
        let Some(farewell) = self.endpoint.farewell(leg) else { return };
        let kept = Box::new(stored(tag.clone(), farewell));
        self.farewells.kept.insert(leg, tag);
        self.outputs.push(Output::Store(Change::SaveDialog(kept)));
    }

    /// A leg is over, or about to be.
    pub(crate) fn drop_dialog(&mut self, leg: LegId) {
        if let Some(tag) = self.farewells.kept.remove(&leg) {
            self.outputs.push(Output::Store(Change::RemoveDialog { tag }));
        }
    }

    /// Takes over the dialogs of the previous run; the first timer leaves them.
    pub(super) fn restore_dialogs(&mut self, dialogs: Vec<StoredDialog>) {
        if !dialogs.is_empty() {
            tracing::warn!("{} calls were up when the switch ended: BYE is sent", dialogs.len());
            self.farewells.left_behind = dialogs.into();
            self.arm(Duration::ZERO, Timer::Farewell);
        }
    }

    /// Leaves some of the dialogs of the previous run.
    pub(super) fn on_farewell(&mut self) {
        for _ in 0..AT_ONCE {
            let Some(kept) = self.farewells.left_behind.pop_front() else { break };
            self.farewells.told.push(kept.tag.clone());
            if let Some(farewell) = self.restored_dialog(kept) {
                let reason = "SIP;cause=503;text=\"Switch restarted\"";
                let headers = vec![("Reason".to_owned(), reason.to_owned())];
                self.endpoint.leave(self.clock.now, farewell, headers, &mut self.sip);
            }
        }
        if self.farewells.left_behind.is_empty() {
            self.arm(REPEATED, Timer::FarewellTold);
        } else {
            self.arm(PAUSE, Timer::Farewell);
        }
    }

    /// All phones have been told, or cannot be.
    pub(super) fn on_farewell_told(&mut self) {
        for tag in std::mem::take(&mut self.farewells.told) {
            self.outputs.push(Output::Store(Change::RemoveDialog { tag }));
        }
    }

    /// None if the row cannot be read, or there is no listener of its transport any more.
    fn restored_dialog(&self, kept: StoredDialog) -> Option<Farewell> {
        let transport = Transport::from_token(&kept.transport)?;
        let remote: SocketAddr = kept.remote.parse().ok()?;
        let wanted: SocketAddr = kept.local.parse().ok()?;
        let is_ours = |own: &&(Transport, SocketAddr)| own.0 == transport;
        let same = self.local.iter().filter(is_ours).find(|own| own.1 == wanted);
        let (_, local) = *same.or_else(|| self.local.iter().find(is_ours))?;
        Some(Farewell {
            call_id: kept.call_id,
            from: kept.from,
            to: kept.to,
            cseq: kept.cseq,
            request_uri: kept.request_uri,
            route: kept.route,
            flow: Flow { transport, local, remote, connection: None },
        })
    }
}

fn stored(tag: String, farewell: Farewell) -> StoredDialog {
    let Farewell { call_id, from, to, cseq, request_uri, route, flow } = farewell;
    StoredDialog {
        tag,
        call_id,
        from,
        to,
        cseq,
        request_uri,
        route,
        transport: flow.transport.uri_param().to_owned(),
        local: flow.local.to_string(),
        remote: flow.remote.to_string(),
    }
}
