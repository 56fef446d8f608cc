//! LINECALLCOMPLMODE_CAMPON as the busy line sees it: who is first in line is shown there.
//!
//! The call has no phone: ONHOLD, LINECALLREASON_CAMPEDON, until the line is free; dropping it turns the
//! waiting caller away. Only the first one is shown. Source: TAPI LINECALLREASON_CAMPEDON;
//! tapi-call-control §3.2, §3.7, §4.8.

use tapi::constant::{CallComplMode, CallState};
use tapi::{CallMode, CompletionEnd};

use super::originate::MAX_FORWARDS;
use super::{CallId, Completes, Origination, Party, Side};
use crate::exchange::state::NewParty;
use crate::exchange::{Exchange, MAX_CONNECTIONS};

impl Exchange {
    /// Shows at a line that is in use who camps on, and nobody at one that is free.
    pub(crate) fn show_first_waiting(&mut self, callee: &str) {
        let camps = |mode: CallComplMode| mode == CallComplMode::CampOn;
        let first = {
            let mut waiting = self.completing.queue.at(callee);
            let first = waiting.find(|request| camps(request.mode) && !request.is_recalling);
            first.cloned()
        };
        let first = first.filter(|_| self.is_in_use(callee));
        let calls = self.by_line.get(callee).map(Vec::as_slice).unwrap_or_default();
        let shown = calls.iter().find_map(|id| self.completing.camped.get(id).copied());
        if shown == first.as_ref().map(|request| request.id) {
            return;
        }
        if let Some(former) = shown {
            self.stop_showing(former);
        }
        let Some(first) = first.filter(|_| self.connections.len() < MAX_CONNECTIONS) else {
            return;
        };
        let connection = self.new_connection(callee, MAX_FORWARDS);
        if let Some(connection) = self.connections.get_mut(connection.0) {
            let completion = Completes::CampOn { line: first.line, call_id: first.call_id };
            connection.completion = Some(completion);
        }
        let call = self.new_call(NewParty {
            connection,
            side: Side::Called,
            party: Party::Line(callee.to_owned()),
            origination: Origination::Phone,
            state: CallState::OnHold,
            mode: CallMode::None,
            tapi: None,
        });
        self.completing.camped.insert(call, first.id);
        self.refresh_capability(call);
    }

    /// A request is over, or is being carried out.
    pub(crate) fn stop_showing(&mut self, request: u32) {
        let mut camped = self.completing.camped.iter();
        let Some(call) = camped.find(|(_, id)| **id == request).map(|(call, _)| *call) else {
            return;
        };
        self.completing.camped.remove(&call);
        self.finish(call);
    }

    /// The busy line does not want to be waited for.
    pub(crate) fn turned_away(&mut self, request: u32) {
        if !self.is_draining() {
            self.end_request(request, CompletionEnd::Cancelled, "TURNED_AWAY");
        }
    }

    /// Whether a call only shows who waits.
    pub(crate) fn is_camped(&self, id: CallId) -> bool {
        let call = self.calls.get(id.0);
        let connection = call.and_then(|call| self.connections.get(call.connection.0));
        matches!(connection.and_then(|c| c.completion.as_ref()), Some(Completes::CampOn { .. }))
    }
}
