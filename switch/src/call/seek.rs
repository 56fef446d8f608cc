//! Looking for somebody on behalf of a party that is already in a connection: the second half of
//! every transfer and of every recall.
//!
//! The party (the **transferee**) stays where it is, held and listening; the search is a connection
//! of its own without a caller. Who answers takes the vacant place beside the transferee. Source:
//! sip-mapping §2.9.4, §2.9.5, §3.4.

use media::Tone;
use tapi::constant::{CallReason, CallState, DisconnectMode};

use super::cause::{Cause, Outcome};
use super::refer::Refer;
use super::{CallId, ConnectionKey};
use crate::exchange::Exchange;

/// Why a connection looks for somebody.
#[derive(Clone, Debug)]
pub struct Seek {
    /// For whom.
    pub transferee: CallId,
    /// The line that sent the transferee away and gets it back when nobody answers.
    pub transferor: Option<String>,
    /// dwReason of the call that is offered.
    pub reason: CallReason,
    /// The REFER that is told how it goes.
    pub refer: Option<Refer>,
    /// dwCallID of the consultation that a completed transfer ended, else 0.
    pub consulted: u32,
}

impl Seek {
    /// Somebody is to take back a party that was left waiting.
    pub(crate) fn reminder(transferee: CallId) -> Seek {
        let reason = CallReason::Reminder;
        Seek { transferee, transferor: None, reason, refer: None, consulted: 0 }
    }
}

impl Exchange {
    /// Calls `number` for `transferee`.
    ///
    /// Errors: the cause why nobody can even be called; nothing has changed.
    pub(crate) fn seek(&mut self, number: &str, seek: Seek) -> Result<(), Cause> {
        let transferee = seek.transferee;
        let call = self.calls.get(transferee.0).ok_or(Cause::NO_RESOURCES)?;
        let parties = [call.party.line(), seek.transferor.as_deref()];
        if seek.reason == CallReason::Transfer && parties.contains(&Some(number)) {
            // Nobody is sent to where it is, or back to who sends it (sip-mapping §3.4).
            return Err(Cause::NO_APPEARANCE);
        }
        self.end_intrusion_of(transferee);
        let call = self.calls.get(transferee.0).ok_or(Cause::NO_RESOURCES)?;
        let origin = call.connection;
        let connection = self.connections.get(origin.0).ok_or(Cause::NO_RESOURCES)?;
        if connection.search.is_some() || self.is_joined(origin) {
            return Err(Cause::of_status(491, false));
        }
        let (call_id, forwards) = (connection.call_id, connection.max_forwards);
        let data = connection.call_data.clone();
        if forwards == 0 {
            return Err(Cause::LOOP);
        }
        let key = self.new_connection(number, forwards - 1);
        if let Some(search) = self.connections.get_mut(key.0) {
            search.call_id = call_id;
            search.call_data = data;
            search.seek = Some(seek);
        }
        if let Err(cause) = self.route_for(key, transferee, number) {
            self.connections.remove(key.0);
            return Err(cause);
        }
        if let Some(connection) = self.connections.get_mut(origin.0) {
            connection.search = Some(key);
        }
        self.refresh_capability(transferee);
        Ok(())
    }

    /// The target rings: the transferee hears it, the REFER is told.
    pub(crate) fn seek_progress(&mut self, key: ConnectionKey, status: u16) {
        let Some(seek) = self.connections.get(key.0).and_then(|search| search.seek.clone()) else {
            return;
        };
        let called = self.connections.get(key.0).and_then(|search| search.called.first().copied());
        match called {
            Some(called) => self.treat_waiting(called),
            None => self.play(seek.transferee, Tone::Ringback),
        }
        if let Some(refer) = &seek.refer {
            self.notify_refer(refer, status, false);
        }
    }

    /// Somebody answered: takes the place of the transferor.
    pub(crate) fn found(&mut self, key: ConnectionKey, winner: CallId) {
        let Some(seek) = self.connections.get_mut(key.0).and_then(|search| search.seek.take())
        else {
            return;
        };
        let Some(origin) = self.calls.get(seek.transferee.0).map(|call| call.connection) else {
            return self.clear_connection(key, "SIP;cause=487");
        };
        if let Some(connection) = self.connections.get_mut(origin.0) {
            connection.search = None;
        }
        if let Some(refer) = &seek.refer {
            self.notify_refer(refer, 200, true);
        }
        if let Some(transferor) = self.far(seek.transferee) {
            self.part(transferor);
        }
        self.move_call(winner, origin);
        // Who picked the call up never was in the search; then nobody is left in it.
        if self.connections.get(key.0).is_some_and(|c| c.caller.is_none() && c.called.is_empty()) {
            self.connections.remove(key.0);
        }
        self.describe_transfer(origin, &seek, winner);
        if let Err(cause) = self.join(origin) {
            self.clear_connection(origin, &cause.reason_header());
        }
    }

    /// Nobody answered: the transferee goes back, or back to the line that sent it.
    pub(crate) fn not_found(&mut self, key: ConnectionKey, cause: Cause) {
        let Some(search) = self.connections.remove(key.0) else { return };
        let Some(seek) = search.seek else { return };
        let Some(origin) = self.calls.get(seek.transferee.0).map(|call| call.connection) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(origin.0) {
            connection.search = None;
        }
        if let Some(refer) = &seek.refer {
            self.notify_refer(refer, cause.relay, true);
        }
        self.refresh_capability(seek.transferee);
        if let Some(transferor) = self.far(seek.transferee) {
            self.back_to(transferor);
            return self.join_media(origin);
        }
        self.recall(&seek, cause);
    }

    /// The transferor has left: its line is rung for the party it left behind, once.
    fn recall(&mut self, seek: &Seek, cause: Cause) {
        let is_recall = seek.reason == CallReason::Reminder;
        let again = Seek::reminder(seek.transferee);
        let called_back = match (&seek.transferor, is_recall) {
            (Some(line), false) => self.seek(&line.clone(), again),
            _ => Err(cause),
        };
        if called_back.is_err() {
            let mode = match cause.outcome {
                Outcome::Disconnected(mode) => mode,
                _ => DisconnectMode::Busy,
            };
            self.clear_called(seek.transferee, mode, &cause.reason_header());
        }
    }

    /// Whether somebody is being called who is to take the place of this call.
    pub(crate) fn is_sending_away(&self, id: CallId) -> bool {
        let Some(call) = self.calls.get(id.0) else { return false };
        let search = self.connections.get(call.connection.0).and_then(|c| c.search);
        call.state == CallState::OnHoldPendTransfer && call.leg.is_some() && search.is_some()
    }

    /// The transferor has thought better of it while the target rings: its party comes back, and
    /// whoever was called is not wanted any more (sip-mapping §3.4).
    pub(crate) fn take_back(&mut self, id: CallId) {
        if let Some(far) = self.far(id) {
            self.stop_seeking_for(far);
        }
        if let Some(call) = self.calls.get_mut(id.0) {
            call.hold.by_switch = false;
        }
        if self.calls.get(id.0).is_some_and(|call| call.hold.by_phone) {
            self.tell_phone(id, "talk");
        }
        self.back_to(id);
        if let Some(key) = self.calls.get(id.0).map(|call| call.connection) {
            self.join_media(key);
        }
    }

    /// A party of a connection is gone for good: whoever was sought for it is not wanted any more.
    pub(crate) fn stop_seeking_for(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let Some(connection) = self.connections.get_mut(call.connection.0) else { return };
        let Some(search) = connection.search else { return };
        let is_its = self
            .connections
            .get(search.0)
            .and_then(|search| search.seek.as_ref())
            .is_some_and(|seek| seek.transferee == id);
        if !is_its {
            return;
        }
        let seek = self.connections.get_mut(search.0).and_then(|search| search.seek.take());
        if let Some(refer) = seek.and_then(|seek| seek.refer) {
            self.notify_refer(&refer, 487, true);
        }
        if let Some(connection) =
            self.connections.get_mut(self.calls.get(id.0).map_or(search, |call| call.connection).0)
        {
            connection.search = None;
        }
        let sought = self.connections.get(search.0).map(|c| c.called.clone()).unwrap_or_default();
        for called in sought {
            self.clear_called(called, DisconnectMode::Cancelled, "SIP;cause=487");
        }
        self.connections.remove(search.0);
        self.refresh_capability(id);
    }

    /// Who was sent where by whom, for the parties' LINECALLINFO. A party that comes back to who
    /// left it was sent nowhere.
    fn describe_transfer(&mut self, key: ConnectionKey, seek: &Seek, winner: CallId) {
        if seek.reason != CallReason::Transfer {
            return;
        }
        let numbers = (
            seek.transferor.clone().unwrap_or_default(),
            self.calls.get(winner.0).map(|call| call.number().to_owned()),
        );
        let redirecting = self.party_of_number(&numbers.0);
        let redirection = self.party_of_number(numbers.1.as_deref().unwrap_or_default());
        let Some((a, b)) = self.pair(key) else { return };
        for id in [a, b] {
            let (redirecting, redirection) = (redirecting.clone(), redirection.clone());
            let change = |info: &mut tapi::CallInfo| {
                if seek.consulted != 0 {
                    info.related_call_id = seek.consulted;
                }
                info.redirecting = redirecting;
                info.redirection = redirection;
            };
            self.update_info(id, change);
        }
    }
}
