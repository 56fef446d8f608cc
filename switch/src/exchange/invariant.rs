//! What must hold between two inputs, and what is left when nothing goes on: asked by the simulator.

use super::Exchange;
use crate::call::CallId;

impl Exchange {
    /// What must hold between two inputs; the simulator asks after every step.
    ///
    /// Errors: a sentence that names the broken invariant.
    pub fn check(&self) -> Result<(), String> {
        for (leg, call) in &self.by_leg {
            let owner = self.calls.get(call.0).ok_or_else(|| format!("{leg:?} has no call"))?;
            if !owner.legs.contains(leg) {
                return Err(format!("{leg:?} is not among the legs of its call"));
            }
        }
        for (key, call) in self.calls.iter() {
            let connection = self.connections.get(call.connection.0);
            let connection = connection.ok_or_else(|| format!("{key:?} has no connection"))?;
            let id = CallId(key);
            let is_party = connection.caller == Some(id) || connection.called.contains(&id);
            if is_party == connection.stations.contains(&id) {
                return Err(format!("{key:?} is not known to its connection, or twice"));
            }
            if let Some(shared) = call.shared.as_deref().filter(|_| !is_party)
                && self.principals(call.connection, shared).is_empty()
            {
                return Err(format!("{key:?} shows a call that nobody at {shared} has"));
            }
        }
        for (_, conference) in self.conferences.iter() {
            let is_gone =
                |id: &&CallId| self.calls.get(id.0).is_none_or(|c| c.conference.is_none());
            let is_empty = conference.members.is_empty() && conference.parent.is_none();
            if is_empty || conference.members.iter().find(is_gone).is_some() {
                return Err(format!("conference {} has nobody or ghosts", conference.number));
            }
        }
        for call in self.completing.recalls.keys().chain(self.completing.camped.keys()) {
            if !self.calls.contains(call.0) {
                return Err(format!("{call:?} completes a call and is gone"));
            }
        }
        for (termination, call) in &self.by_termination {
            if !self.calls.contains(call.0) {
                return Err(format!("{termination:?} has no call"));
            }
        }
        Ok(())
    }

    /// What is left behind, by name and number; empty some time after the last call has ended,
    /// when the last transactions are over, too.
    pub fn residue(&self) -> Vec<(&'static str, usize)> {
        let standing = [self.registration_timer, self.application_timer];
        let standing_timers = standing.iter().flatten().count() + self.centre_timers();
        let rows = [
            ("calls", self.calls.len()),
            ("subscriptions", self.presence.len()),
            ("connections", self.connections.len()),
            ("conferences", self.conferences.len()),
            ("legs of calls", self.by_leg.len()),
            ("terminations of calls", self.by_termination.len()),
            ("TAPI keys", self.by_tapi.len()),
            ("requests for completion", self.completing.queue.len()),
            ("recalls", self.completing.recalls.len() + self.completing.camped.len()),
            ("calls of the call centre", self.centre_residue()),
            ("calls of lines", self.by_line.values().map(Vec::len).sum()),
            ("SIP legs and transactions", self.endpoint.residue()),
            ("timers", self.timers.len().saturating_sub(standing_timers)),
            ("TAPI requests", self.tapi.request_count()),
            ("calls that are listened to", self.listening.len()),
            ("digits and tones of applications", self.generations.len()),
        ];
        rows.into_iter().filter(|(_, left)| *left > 0).collect()
    }

    /// Calls that the TAPI server keeps, those included that are IDLE and still have a handle.
    pub fn kept_calls(&self) -> usize {
        self.tapi.call_count()
    }

    /// Whether nothing is left of any call.
    pub fn is_at_rest(&self) -> bool {
        self.calls.is_empty()
            && self.connections.is_empty()
            && self.conferences.is_empty()
            && self.by_leg.is_empty()
            && self.by_termination.is_empty()
            && self.by_line.values().all(Vec::is_empty)
            && self.endpoint.leg_count() == 0
    }
}
