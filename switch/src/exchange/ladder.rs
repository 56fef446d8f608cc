//! Which SIP dialogs belong to which call: told to the rim, which keeps the messages.

use super::{Exchange, Output};
use crate::call::CallId;

impl Exchange {
    /// Tells the dialogs of a call, after it got one, or another dwCallID.
    pub(crate) fn tell_dialogs(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let call_id = self.connections.get(call.connection.0).map_or(0, |c| c.call_id);
        for leg in call.legs.iter().chain(&call.leg) {
            if let Some(leg) = self.endpoint.leg(*leg) {
                let dialog = leg.call_id.to_owned();
                self.outputs.push(Output::Dialog { call_id, dialog });
            }
        }
    }
}
