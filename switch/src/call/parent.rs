//! Conferences that one line holds together: a parent call, its members, a consultation call.
//!
//! The line's phone moves between the calls ([`Exchange::swap_phones`]): it is at the consultation
//! call while a party is called, at the parent otherwise. A member's call is CONFERENCED and has no
//! phone; what is mixed are the far parties of the members, which see an ordinary call, and the
//! parent's phone. Source: TAPI lineSetupConference, linePrepareAddToConference,
//! lineAddToConference, lineRemoveFromConference; tapi-call-control §3.6, §7.7, §7.12.

use media::{MEMBERS_MAX, Tone};
use tapi::constant::{CallOrigin, CallState, ConnectedMode, DialToneMode, DisconnectMode, LineErr};
use tapi::{CallKey, CallMode, RequestKey};

use super::conference::ConferenceKey;
use super::{CallId, Origination, Party, Side};
use crate::exchange::Exchange;
use crate::exchange::state::NewParty;

/// CONNECTED, this station taking part.
pub(crate) const ACTIVE: CallMode = CallMode::Connected(ConnectedMode::Active);

impl Exchange {
    /// lineSetupConference: a parent that waits, and a consultation call with dial tone; `call`
    /// becomes the first member. Gives the parent and the consultation call.
    ///
    /// Errors: INVALCALLSTATE unless `call` is CONNECTED with a phone, CALLUNAVAIL at `max_calls`,
    /// RESOURCEUNAVAIL when there is no mixer.
    pub(crate) fn set_up_conference(
        &mut self,
        call: CallId,
        keys: Option<(CallKey, CallKey)>,
        request: Option<RequestKey>,
    ) -> Result<(CallId, CallId), LineErr> {
        let first = self.calls.get(call.0).ok_or(LineErr::InvalCallHandle)?;
        let is_usable = first.state == CallState::Connected
            && first.leg.is_some()
            && first.conference.is_none()
            && self.far(call).is_some();
        let line = first.party.line().filter(|_| is_usable).ok_or(LineErr::InvalCallState)?;
        let line = line.to_owned();
        if !self.has_appearance(&line) {
            return Err(LineErr::CallUnavail);
        }
        let key = self.open_conference("").map_err(|_| LineErr::ResourceUnavail)?;
        self.done(request);
        let waits = CallState::OnHoldPendConf;
        let parent = self.new_parent(&line, key, waits, keys.map(|keys| keys.0));
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.parties.push(call);
        }
        let consult = self.new_consultation(parent, keys.map(|keys| keys.1));
        self.set_state(call, CallState::Conferenced, self.conferenced(parent));
        self.relate_member(call, parent);
        self.swap_phones(call, consult);
        self.show_far_hold(call);
        self.play(consult, Tone::Dial);
        Ok((parent, consult))
    }

    /// linePrepareAddToConference: the phone leaves the conference for a consultation call.
    ///
    /// Errors: INVALCONFCALLHANDLE unless `parent` is one, INVALCALLSTATE unless it is CONNECTED,
    /// CONFERENCEFULL, CALLUNAVAIL at `max_calls`.
    pub(crate) fn prepare_add_to_conference(
        &mut self,
        parent: CallId,
        consult: Option<CallKey>,
        request: Option<RequestKey>,
    ) -> Result<CallId, LineErr> {
        let key = self.conference_of_parent(parent).ok_or(LineErr::InvalConfCallHandle)?;
        let call = self.calls.get(parent.0).ok_or(LineErr::InvalConfCallHandle)?;
        if call.state != CallState::Connected || call.leg.is_none() {
            return Err(LineErr::InvalCallState);
        }
        self.check_room(key)?;
        let line = call.party.number().to_owned();
        if !self.has_appearance(&line) {
            return Err(LineErr::CallUnavail);
        }
        self.done(request);
        self.set_state(parent, CallState::OnHoldPendConf, CallMode::None);
        let consult = self.new_consultation(parent, consult);
        self.swap_phones(parent, consult);
        self.play(consult, Tone::Dial);
        Ok(consult)
    }

    /// lineAddToConference: the call becomes a member, its phone goes to the parent. Beside the
    /// conference's own consultation call any other of the line can be added; a party that still
    /// rings is mixed when it answers.
    ///
    /// Errors: INVALCONFCALLHANDLE, INVALCALLHANDLE when the call cannot belong to it,
    /// INVALCALLSTATE unless the parent waits and the call is PROCEEDING, RINGBACK, CONNECTED or
    /// ONHOLD, CONFERENCEFULL, OPERATIONFAILED when a party speaks nothing that can be mixed or
    /// the phone itself holds; nothing has changed.
    pub(crate) fn add_to_conference(
        &mut self,
        parent: CallId,
        call: CallId,
        request: Option<RequestKey>,
    ) -> Result<(), LineErr> {
        let key = self.conference_of_parent(parent).ok_or(LineErr::InvalConfCallHandle)?;
        self.check_room(key)?;
        let joining = self.joining(key, parent, call)?;
        self.done(request);
        self.hang_up_phone(parent);
        if let Some(consult) = self.calls.get(parent.0).and_then(|call| call.partner) {
            // If another call was wanted, this one keeps its phone and is an ordinary one.
            self.part_partners(consult, parent);
        }
        self.swap_phones(call, parent);
        for id in [call, parent] {
            if let Some(call) = self.calls.get_mut(id.0) {
                call.hold.by_switch = false;
            }
        }
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.parties.push(call);
        }
        self.set_state(call, CallState::Conferenced, self.conferenced(parent));
        self.set_state(parent, CallState::Connected, ACTIVE);
        self.relate_member(call, parent);
        joining.into_iter().chain([parent]).for_each(|id| self.mix(id, key));
        self.refresh_capability(parent);
        Ok(())
    }

    /// Who is mixed once `call` is in the conference of `parent`, that one's phone aside.
    fn joining(
        &self,
        key: ConferenceKey,
        parent: CallId,
        call: CallId,
    ) -> Result<Vec<CallId>, LineErr> {
        let waiting = self.calls.get(parent.0).ok_or(LineErr::InvalConfCallHandle)?;
        let added = self.calls.get(call.0).ok_or(LineErr::InvalCallHandle)?;
        let is_own = added.partner == Some(parent);
        let is_strange = added.party != waiting.party
            || added.conference.is_some()
            || (added.partner.is_some() && !is_own)
            || added.state == CallState::Conferenced
            || self.conference_of_parent(call).is_some();
        if is_strange {
            return Err(LineErr::InvalCallHandle);
        }
        let is_ringing = matches!(added.state, CallState::Proceeding | CallState::Ringback);
        let is_right = match added.state {
            CallState::Connected | CallState::OnHold => self.far(call).is_some(),
            _ => is_ringing && added.is_summoned(),
        };
        let waits = matches!(waiting.state, CallState::OnHoldPendConf | CallState::OnHold);
        if !waits || !is_right || added.leg.is_none() {
            return Err(LineErr::InvalCallState);
        }
        if added.hold.by_phone {
            return Err(LineErr::OperationFailed);
        }
        let mut joining = self.answered_parties(key);
        joining.extend(self.far(call).filter(|_| !is_ringing));
        // The phone is still at the call that is added.
        if joining.iter().chain([&call]).all(|id| self.can_be_mixed(*id)) {
            Ok(joining)
        } else {
            Err(LineErr::OperationFailed)
        }
    }

    /// The far parties of a conference that have answered.
    pub(crate) fn answered_parties(&self, key: ConferenceKey) -> Vec<CallId> {
        let parties = self.conferences.get(key.0).map(|c| c.parties.clone()).unwrap_or_default();
        parties.into_iter().filter_map(|id| self.far(id)).collect()
    }

    /// lineCompleteTransfer (CONFERENCE): both calls become members of a new conference, and the
    /// phone that talks its parent's. Another dialog of the same phone is hung up.
    ///
    /// Errors: INVALCALLSTATE unless one is held and the other CONNECTED, RESOURCEUNAVAIL when
    /// there is no mixer, OPERATIONFAILED when a party speaks nothing that can be mixed; both
    /// calls stay as they were.
    pub(crate) fn confer(
        &mut self,
        held: CallId,
        active: CallId,
        parent: CallKey,
        request: RequestKey,
    ) -> Result<(), LineErr> {
        let one = self.calls.get(held.0).ok_or(LineErr::InvalCallHandle)?;
        let other = self.calls.get(active.0).ok_or(LineErr::InvalConsultCallHandle)?;
        let is_held = matches!(one.state, CallState::OnHold | CallState::OnHoldPendTransfer);
        let line = one.party.line().ok_or(LineErr::InvalCallState)?.to_owned();
        let (Some(first), Some(second)) = (self.far(held), self.far(active)) else {
            return Err(LineErr::InvalCallState);
        };
        if !is_held || other.state != CallState::Connected || one.party != other.party {
            return Err(LineErr::InvalCallState);
        }
        if ![first, second, active].iter().all(|id| self.can_be_mixed(*id)) {
            return Err(LineErr::OperationFailed);
        }
        let key = self.open_conference("").map_err(|_| LineErr::ResourceUnavail)?;
        self.stop_seeking_for(first);
        self.done(Some(request));
        let parent = self.new_parent(&line, key, CallState::Connected, Some(parent));
        self.part_partners(held, active);
        self.hang_up_phone(held);
        self.swap_phones(active, parent);
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.parties = vec![held, active];
        }
        for member in [held, active] {
            if let Some(call) = self.calls.get_mut(member.0) {
                call.hold = super::Hold::default();
            }
            self.set_state(member, CallState::Conferenced, self.conferenced(parent));
        }
        for member in [held, active] {
            self.relate_member(member, parent);
        }
        [first, second, parent].into_iter().for_each(|id| self.mix(id, key));
        self.refresh_capability(parent);
        Ok(())
    }

    /// A call loses its phone, which serves another one from now on: dialog and ports.
    fn hang_up_phone(&mut self, id: CallId) {
        if self.calls.get(id.0).is_none_or(|call| call.legs.is_empty()) {
            return;
        }
        self.stand_up(id);
        self.release_with(id, "Q.850;cause=16");
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let empty = call.end.empty();
        let mut end = std::mem::replace(&mut call.end, empty);
        call.hold.by_phone = false;
        if let Some((termination, _)) = end.release(self.media.as_mut()) {
            self.by_termination.remove(&termination);
        }
    }

    /// dwRelatedCallID of a member is the parent's dwCallID.
    pub(crate) fn relate_member(&mut self, member: CallId, parent: CallId) {
        self.tell_related(member, self.dw_call_id(parent));
    }

    /// lineRemoveFromConference, and lineDrop of a member: its party is hung up.
    ///
    /// Errors: INVALCALLSTATE unless the call is CONFERENCED.
    pub(crate) fn remove_from_conference(
        &mut self,
        member: CallId,
        request: Option<RequestKey>,
    ) -> Result<(), LineErr> {
        let call = self.calls.get(member.0).ok_or(LineErr::InvalCallHandle)?;
        if call.state != CallState::Conferenced {
            return Err(LineErr::InvalCallState);
        }
        self.done(request);
        self.hang_up_member(member);
        Ok(())
    }

    fn hang_up_member(&mut self, member: CallId) {
        let (mode, reason) = match self.far(member) {
            Some(_) => (DisconnectMode::Normal, "Q.850;cause=16"),
            None => (DisconnectMode::Cancelled, "SIP;cause=487;text=\"Request Terminated\""),
        };
        self.set_state(member, CallState::Idle, CallMode::None);
        self.clear_far(member, mode, reason);
        self.finish(member);
    }

    /// The parent ends: every member's party is hung up (CONFDROP).
    pub(crate) fn drop_members(&mut self, parent: CallId) {
        let Some(key) = self.conference_of_parent(parent) else { return };
        let ended = self.conferences.get_mut(key.0).map(|conference| {
            conference.parent = None;
            (std::mem::take(&mut conference.parties), conference.no_hold.take())
        });
        let (parties, no_hold) = ended.unzip();
        if let Some(no_hold) = no_hold.flatten() {
            self.drop_call(no_hold.consult);
        }
        parties.unwrap_or_default().into_iter().for_each(|member| self.hang_up_member(member));
        self.leave_conference(parent);
        self.close_if_empty(key);
    }

    /// lineUnhold of the only party of a conference that is being set up: parent and consultation
    /// call end, the two talk again.
    ///
    /// Errors: INVALCALLSTATE if the call is no such party.
    pub(crate) fn unhold_first_party(
        &mut self,
        id: CallId,
        request: Option<RequestKey>,
    ) -> Result<(), LineErr> {
        let of = |c: &super::conference::Conference| c.parties == [id];
        let found = self.conferences.iter().find(|(_, conference)| of(conference));
        let parent = found.and_then(|(_, conference)| self.calls.get(conference.parent?.0));
        let waits = parent.filter(|call| call.state == CallState::OnHoldPendConf);
        let consult = waits.and_then(|call| call.partner).ok_or(LineErr::InvalCallState)?;
        self.done(request);
        self.drop_call(consult);
        Ok(())
    }

    /// lineUnhold of a parent: the consultation is given up, the conference goes on, be it with one
    /// party alone.
    ///
    /// Errors: OPERATIONFAILED when that party speaks nothing that can be mixed.
    pub(crate) fn unhold_conference(
        &mut self,
        parent: CallId,
        consult: CallId,
        request: Option<RequestKey>,
    ) -> Result<(), LineErr> {
        if !self.can_confer_with(parent, consult) {
            return Err(LineErr::OperationFailed);
        }
        self.done(request);
        self.part_partners(consult, parent);
        self.swap_phones(consult, parent);
        self.drop_call(consult);
        self.reconnect(parent);
        Ok(())
    }

    /// The phone is back at the parent, whose consultation is over: the conference goes on, or ends
    /// when it has never begun or only one party is left.
    pub(crate) fn conference_resumes(&mut self, key: ConferenceKey, parent: CallId) {
        let parties = self.conferences.get(key.0).map(|c| c.parties.clone()).unwrap_or_default();
        match parties.as_slice() {
            [] => self.drop_call(parent),
            [last] if self.far(*last).is_some() => self.revert(key, parent, *last),
            _ => self.reconnect(parent),
        }
    }

    /// A member has gone: the last one left is a two-party call again, without any the parent ends.
    pub(crate) fn member_gone(&mut self, member: CallId) {
        self.no_hold_gone(member);
        let of = |conference: &super::conference::Conference| conference.parties.contains(&member);
        let found = self.conferences.iter().find(|(_, conference)| of(conference));
        let Some(key) = found.map(|(key, _)| ConferenceKey(key)) else { return };
        let Some(conference) = self.conferences.get_mut(key.0) else { return };
        conference.parties.retain(|party| *party != member);
        self.apply_last_party_rule(key);
    }

    /// What few parties make of a conference for which nobody is being consulted.
    pub(crate) fn apply_last_party_rule(&mut self, key: ConferenceKey) {
        let Some(conference) = self.conferences.get(key.0) else { return };
        let Some(parent) = conference.parent else { return };
        let (left, is_calling) = (conference.parties.clone(), conference.no_hold.is_some());
        let Some(call) = self.calls.get(parent.0) else { return };
        let is_waiting = call.state == CallState::OnHoldPendConf;
        let is_consulting = is_waiting || is_calling || call.partner.is_some();
        match left.as_slice() {
            [] if is_waiting => self.dissolve(key, parent, None),
            [] if is_calling => {}
            [] => self.drop_call(parent),
            [last] if !is_consulting && self.far(*last).is_some() => {
                self.revert(key, parent, *last);
            }
            _ => {}
        }
    }

    /// The parent's phone goes to the one party that is left, held if the conference was.
    fn revert(&mut self, key: ConferenceKey, parent: CallId, last: CallId) {
        let is_held = self.calls.get(parent.0).is_some_and(|call| call.hold.by_switch);
        if let Some(call) = self.calls.get_mut(last.0) {
            call.hold.by_switch = is_held;
        }
        self.swap_phones(parent, last);
        self.dissolve(key, parent, Some(last));
    }

    /// The conference is over: the call that is left an ordinary one, the parent IDLE. Whoever has
    /// the phone keeps it.
    pub(crate) fn dissolve(&mut self, key: ConferenceKey, parent: CallId, last: Option<CallId>) {
        let members = self.conferences.get_mut(key.0).map(|conference| {
            conference.parties.clear();
            conference.members.clone()
        });
        members.unwrap_or_default().into_iter().for_each(|member| self.leave_conference(member));
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.parent = None;
        }
        self.close_if_empty(key);
        if let Some(last) = last {
            self.reconnect(last);
        }
        self.finish(parent);
    }

    /// The parent of a conference, still without phone.
    pub(crate) fn new_parent(
        &mut self,
        line: &str,
        key: ConferenceKey,
        state: CallState,
        tapi: Option<CallKey>,
    ) -> CallId {
        let mode = if state == CallState::Connected { ACTIVE } else { CallMode::None };
        let parent = self.new_own_call(line, state, mode, tapi);
        let origin = |info: &mut tapi::CallInfo| info.origin = CallOrigin::Conference;
        self.tell_info(parent, origin, tapi::Mask::EMPTY);
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.parent = Some(parent);
        }
        if state == CallState::Unknown {
            self.publish_state(parent);
        }
        parent
    }

    /// A call of the line beside its others, in a connection of its own, still without phone.
    pub(crate) fn new_own_call(
        &mut self,
        line: &str,
        state: CallState,
        mode: CallMode,
        tapi: Option<CallKey>,
    ) -> CallId {
        let connection = self.new_connection("", super::originate::MAX_FORWARDS);
        let id = self.new_call(NewParty {
            connection,
            side: Side::Caller,
            party: Party::Line(line.to_owned()),
            origination: Origination::Summoned,
            state,
            mode,
            tapi,
        });
        self.describe_made_call(id);
        id
    }

    fn new_consultation(&mut self, parent: CallId, tapi: Option<CallKey>) -> CallId {
        let line = self.calls.get(parent.0).map(|call| call.party.number().to_owned());
        let mode = CallMode::DialTone(DialToneMode::Internal);
        let line = line.unwrap_or_default();
        let consult = self.new_own_call(&line, CallState::DialTone, mode, tapi);
        self.relate_to_parent(parent, consult);
        self.refresh_capability(consult);
        consult
    }

    fn part_partners(&mut self, a: CallId, b: CallId) {
        for id in [a, b] {
            if let Some(call) = self.calls.get_mut(id.0) {
                call.partner = None;
            }
        }
    }

    /// The mode of a member: its parent.
    pub(crate) fn conferenced(&self, parent: CallId) -> CallMode {
        let key = self.calls.get(parent.0).and_then(|call| call.tapi);
        key.map_or(CallMode::None, CallMode::Conferenced)
    }

    pub(crate) fn conference_of_parent(&self, parent: CallId) -> Option<ConferenceKey> {
        let mut all = self.conferences.iter();
        all.find(|(_, c)| c.parent == Some(parent)).map(|(key, _)| ConferenceKey(key))
    }

    /// Whether one more party finds room, the parent's phone being one of them.
    pub(crate) fn check_room(&self, key: ConferenceKey) -> Result<(), LineErr> {
        let parties = self.conferences.get(key.0).map_or(0, |conference| conference.parties.len());
        if parties + 2 > MEMBERS_MAX { Err(LineErr::ConferenceFull) } else { Ok(()) }
    }
}
