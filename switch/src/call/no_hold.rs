//! Parties that join a conference when they answer: called without holding anybody
//! (NOHOLDCONFERENCE), or added while they still ring.
//!
//! The line's phone goes on talking meanwhile; the call to the new party has no phone and never gets
//! one. Source: TAPI lineSetupConference (remarks on NOHOLDCONFERENCE), lineAddToConference;
//! tapi-call-control §3.6.

use tapi::constant::{CallState, DisconnectMode, LineErr};
use tapi::{CallKey, CallMode, CallParams, RequestKey};

use super::CallId;
use super::cause::Cause;
use super::conference::ConferenceKey;
use super::parent::ACTIVE;
use crate::exchange::Exchange;

/// A party that is being called for a conference while nobody is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoHold {
    /// The call to it.
    pub consult: CallId,
    /// The call that becomes the first member; none where the conference exists already.
    pub first: Option<CallId>,
}

impl Exchange {
    /// lineSetupConference with NOHOLDCONFERENCE: parent and call to the new party, while `first`
    /// goes on talking.
    ///
    /// Errors: INVALCALLSTATE unless `first` is CONNECTED with a phone, CALLUNAVAIL at `max_calls`,
    /// RESOURCEUNAVAIL when there is no mixer.
    pub(crate) fn set_up_without_hold(
        &mut self,
        first: CallId,
        (parent, consult): (CallKey, CallKey),
        wished: (&str, &CallParams),
        request: RequestKey,
    ) -> Result<(), LineErr> {
        let call = self.calls.get(first.0).ok_or(LineErr::InvalCallHandle)?;
        let is_usable = call.state == CallState::Connected
            && call.leg.is_some()
            && call.conference.is_none()
            && self.far(first).is_some();
        let line = call.party.line().filter(|_| is_usable).ok_or(LineErr::InvalCallState)?;
        let line = line.to_owned();
        if !self.has_appearance(&line) {
            return Err(LineErr::CallUnavail);
        }
        let key = self.open_conference("").map_err(|_| LineErr::ResourceUnavail)?;
        self.done(Some(request));
        self.new_parent(&line, key, CallState::Unknown, Some(parent));
        // Its state is not known until somebody has joined, and is told as such.
        self.tapi.call_features_changed(parent);
        self.call_without_hold(key, &line, Some(first), consult, wished);
        Ok(())
    }

    /// linePrepareAddToConference with NOHOLDCONFERENCE: the conference goes on meanwhile.
    ///
    /// Errors: INVALCONFCALLHANDLE, INVALCALLSTATE unless the parent is CONNECTED, CONFERENCEFULL,
    /// CALLUNAVAIL at `max_calls`.
    pub(crate) fn prepare_without_hold(
        &mut self,
        parent: CallId,
        consult: CallKey,
        wished: (&str, &CallParams),
        request: RequestKey,
    ) -> Result<(), LineErr> {
        let key = self.conference_of_parent(parent).ok_or(LineErr::InvalConfCallHandle)?;
        let call = self.calls.get(parent.0).ok_or(LineErr::InvalConfCallHandle)?;
        if call.state != CallState::Connected || call.partner.is_some() {
            return Err(LineErr::InvalCallState);
        }
        self.check_room(key)?;
        let line = call.party.number().to_owned();
        if !self.has_appearance(&line) {
            return Err(LineErr::CallUnavail);
        }
        self.done(Some(request));
        self.call_without_hold(key, &line, None, consult, wished);
        Ok(())
    }

    fn call_without_hold(
        &mut self,
        key: ConferenceKey,
        line: &str,
        first: Option<CallId>,
        consult: CallKey,
        (number, params): (&str, &CallParams),
    ) {
        let consult = self.new_own_call(line, CallState::Dialing, CallMode::None, Some(consult));
        self.apply_params(consult, params);
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.no_hold = Some(NoHold { consult, first });
        }
        let parent = self.conferences.get(key.0).and_then(|conference| conference.parent);
        if let Some(related) = first.or(parent) {
            self.relate_member(consult, related);
        }
        let number = &self.keep_later_digits(consult, number);
        let Some(call) = self.calls.get_mut(consult.0) else { return };
        number.clone_into(&mut call.dialling.digits);
        call.dialling.is_complete = true;
        let connection = call.connection;
        if let Some(connection) = self.connections.get_mut(connection.0) {
            number.clone_into(&mut connection.dialled);
        }
        self.show_called_party(consult);
        self.refresh_capability(consult);
        self.set_state(consult, CallState::Proceeding, CallMode::None);
        self.await_answer(consult);
        // Feature codes and slots need a phone; only somebody who can be rung can be called.
        if let Err(cause) = self.route_for(connection, consult, number) {
            self.attempt_failed(consult, cause);
        }
    }

    /// Somebody has answered a call that has no phone: joins the conference. False if the call is no
    /// such call.
    pub(crate) fn later_party_answered(&mut self, id: CallId, far: CallId) -> bool {
        let is_member = |c: &super::conference::Conference| {
            c.parties.contains(&id) || c.no_hold.is_some_and(|no_hold| no_hold.consult == id)
        };
        let found = self.conferences.iter().find(|(_, conference)| is_member(conference));
        let Some((key, conference)) = found else { return false };
        let (key, no_hold) = (ConferenceKey(key), conference.no_hold);
        let begins = no_hold.filter(|no_hold| no_hold.consult == id);
        self.answer_is_done(far);
        let can_join =
            self.can_be_mixed(far) && begins.is_none_or(|no_hold| self.can_begin(key, no_hold));
        if !can_join {
            self.clear_called(far, DisconnectMode::Incompatible, "SIP;cause=488");
            self.show_disconnected(id, DisconnectMode::Incompatible);
            self.finish(id);
            return true;
        }
        self.set_state(far, CallState::Connected, ACTIVE);
        if begins.is_some() {
            self.begin_without_hold(key, id);
        }
        self.mix(far, key);
        self.send_later_digits(id);
        let connection = self.calls.get(id.0).map(|call| call.connection);
        connection.into_iter().for_each(|connection| self.show_connected_parties(connection));
        self.refresh_capability(far);
        self.apply_last_party_rule(key);
        true
    }

    /// Whether the first call is still there with its party, and all can be mixed.
    fn can_begin(&self, key: ConferenceKey, no_hold: NoHold) -> bool {
        if self.check_room(key).is_err() {
            return false;
        }
        let Some(first) = no_hold.first else { return true };
        let is_there = self.calls.get(first.0).is_some_and(|call| {
            matches!(call.state, CallState::Connected | CallState::OnHold) && call.partner.is_none()
        });
        let far = self.far(first);
        is_there && far.is_some_and(|far| self.can_be_mixed(far)) && self.can_be_mixed(first)
    }

    /// The new party has answered: members CONFERENCED, the parent CONNECTED with the phone.
    fn begin_without_hold(&mut self, key: ConferenceKey, consult: CallId) {
        let Some(conference) = self.conferences.get_mut(key.0) else { return };
        let (no_hold, parent) = (conference.no_hold.take(), conference.parent);
        let first = no_hold.and_then(|no_hold| no_hold.first);
        conference.parties.extend(first.into_iter().chain([consult]));
        let Some(parent) = parent else { return };
        for member in first.into_iter().chain([consult]) {
            self.set_state(member, CallState::Conferenced, self.conferenced(parent));
            self.relate_member(member, parent);
        }
        let Some(first) = first else { return };
        if let Some(call) = self.calls.get_mut(first.0) {
            call.hold.by_switch = false;
        }
        self.swap_phones(first, parent);
        self.set_state(parent, CallState::Connected, ACTIVE);
        self.far(first).into_iter().chain([parent]).for_each(|id| self.mix(id, key));
        self.refresh_capability(parent);
    }

    /// The attempt to reach a party that would join later has failed. False if the call is no such
    /// call.
    pub(crate) fn later_party_failed(&mut self, id: CallId, cause: Cause) -> bool {
        let is_later = self.calls.get(id.0).is_some_and(|call| {
            call.state == CallState::Conferenced || self.is_called_without_hold(id)
        });
        if is_later {
            self.show_disconnected(id, cause.disconnect_mode());
            self.finish(id);
        }
        is_later
    }

    /// Whether nobody is held while this call goes to a party of a conference.
    pub(crate) fn is_called_without_hold(&self, id: CallId) -> bool {
        let mut all = self.conferences.iter();
        all.any(|(_, c)| c.no_hold.is_some_and(|no_hold| no_hold.consult == id))
    }

    /// The parent of a conference that nobody has joined is dropped: so is the call to the party.
    /// False if the call is no such parent.
    pub(crate) fn cancel_without_hold(&mut self, parent: CallId) -> bool {
        let is_unknown =
            self.calls.get(parent.0).is_some_and(|call| call.state == CallState::Unknown);
        let key = self.conference_of_parent(parent).filter(|_| is_unknown);
        let no_hold = key.and_then(|key| self.conferences.get(key.0)?.no_hold);
        no_hold.into_iter().for_each(|no_hold| self.drop_call(no_hold.consult));
        no_hold.is_some()
    }

    /// A call is over that was called without hold, or for which somebody was: so is the other, and
    /// the parent of a conference that has not begun.
    pub(super) fn no_hold_gone(&mut self, id: CallId) {
        let of = |no_hold: NoHold| no_hold.consult == id || no_hold.first == Some(id);
        let is_its = |c: &super::conference::Conference| c.no_hold.is_some_and(of);
        let found = self.conferences.iter().find(|(_, conference)| is_its(conference));
        let Some(key) = found.map(|(key, _)| ConferenceKey(key)) else { return };
        let Some(conference) = self.conferences.get_mut(key.0) else { return };
        let Some(no_hold) = conference.no_hold.take() else { return };
        let parent = conference.parent;
        if no_hold.consult != id {
            self.drop_call(no_hold.consult);
        }
        match (no_hold.first, parent) {
            (Some(_), Some(parent)) => self.dissolve(key, parent, None),
            _ => self.apply_last_party_rule(key),
        }
    }
}
