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

const ACTIVE: CallMode = CallMode::Connected(ConnectedMode::Active);

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
        let parent = self.new_own_call(&line, waits, CallMode::None, keys.map(|keys| keys.0));
        let origin = |info: &mut tapi::CallInfo| info.origin = CallOrigin::Conference;
        self.tell_info(parent, origin, tapi::Mask::EMPTY);
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.parent = Some(parent);
            conference.parties.push(call);
        }
        let consult = self.new_consultation(parent, keys.map(|keys| keys.1));
        self.set_state(call, CallState::Conferenced, self.conferenced(parent));
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
        self.stand_up(parent);
        self.set_state(parent, CallState::OnHoldPendConf, CallMode::None);
        let consult = self.new_consultation(parent, consult);
        self.swap_phones(parent, consult);
        self.play(consult, Tone::Dial);
        Ok(consult)
    }

    /// lineAddToConference: the consultation call becomes a member, the phone goes to the parent.
    ///
    /// Errors: INVALCONFCALLHANDLE, INVALCALLHANDLE when the two do not belong together,
    /// INVALCALLSTATE unless the parent waits and the call is CONNECTED, CONFERENCEFULL,
    /// OPERATIONFAILED when a party speaks nothing that can be mixed; nothing has changed.
    pub(crate) fn add_to_conference(
        &mut self,
        parent: CallId,
        call: CallId,
        request: Option<RequestKey>,
    ) -> Result<(), LineErr> {
        let key = self.conference_of_parent(parent).ok_or(LineErr::InvalConfCallHandle)?;
        self.check_room(key)?;
        let state = |id: CallId| self.calls.get(id.0).map(|call| call.state);
        let added = self.calls.get(call.0).ok_or(LineErr::InvalCallHandle)?;
        if added.partner != Some(parent) {
            return Err(LineErr::InvalCallHandle);
        }
        let far = self.far(call).ok_or(LineErr::InvalCallState)?;
        let is_ready = state(parent) == Some(CallState::OnHoldPendConf)
            && state(call) == Some(CallState::Connected)
            && added.leg.is_some();
        if !is_ready {
            return Err(LineErr::InvalCallState);
        }
        let parties = self.conferences.get(key.0).map(|c| c.parties.clone()).unwrap_or_default();
        let mut joining: Vec<CallId> = parties.into_iter().filter_map(|id| self.far(id)).collect();
        joining.push(far);
        // The phone is still at the consultation call.
        let phones = joining.iter().chain([&call]);
        if !phones.into_iter().all(|id| self.can_be_mixed(*id)) {
            return Err(LineErr::OperationFailed);
        }
        self.done(request);
        self.part_partners(call, parent);
        self.swap_phones(call, parent);
        if let Some(conference) = self.conferences.get_mut(key.0) {
            conference.parties.push(call);
        }
        self.set_state(call, CallState::Conferenced, self.conferenced(parent));
        self.set_state(parent, CallState::Connected, ACTIVE);
        joining.push(parent);
        for id in joining {
            self.mix(id, key);
        }
        self.refresh_capability(parent);
        Ok(())
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
        let far = self.far(member);
        self.finish(member);
        if let Some(far) = far {
            self.clear_called(far, DisconnectMode::Normal, "Q.850;cause=16");
        }
    }

    /// The parent ends: every member's party is hung up (CONFDROP).
    pub(crate) fn drop_members(&mut self, parent: CallId) {
        let Some(key) = self.conference_of_parent(parent) else { return };
        let parties = self.conferences.get_mut(key.0).map(|conference| {
            conference.parent = None;
            std::mem::take(&mut conference.parties)
        });
        parties.unwrap_or_default().into_iter().for_each(|member| self.hang_up_member(member));
        self.leave_conference(parent);
        self.close_if_empty(key);
    }

    /// The consultation call of a conference is dropped: the phone goes back to the parent, or to
    /// the only party of a conference that never began. False if it is no such call.
    pub(crate) fn cancel_conference_consultation(&mut self, consult: CallId) -> bool {
        let Some(parent) = self.calls.get(consult.0).and_then(|call| call.partner) else {
            return false;
        };
        let Some(key) = self.conference_of_parent(parent) else { return false };
        let Some(conference) = self.conferences.get(key.0) else { return false };
        let (has_begun, first) =
            (!conference.members.is_empty(), conference.parties.first().copied());
        self.part_partners(consult, parent);
        let back = if has_begun { Some(parent) } else { first };
        if let Some(back) = back {
            self.swap_phones(consult, back);
        }
        // The phone has gone; what is left of the consultation call is its far side.
        self.drop_call(consult);
        if has_begun {
            self.set_state(parent, CallState::Connected, ACTIVE);
            self.mix(parent, key);
        } else {
            self.dissolve(key, parent, first);
        }
        true
    }

    /// A member has gone: the last one left is a two-party call again, without any the parent ends.
    pub(crate) fn member_gone(&mut self, member: CallId) {
        let of = |conference: &super::conference::Conference| conference.parties.contains(&member);
        let found = self.conferences.iter().find(|(_, conference)| of(conference));
        let Some(key) = found.map(|(key, _)| ConferenceKey(key)) else { return };
        let Some(conference) = self.conferences.get_mut(key.0) else { return };
        conference.parties.retain(|party| *party != member);
        let (Some(parent), left) = (conference.parent, conference.parties.clone()) else { return };
        let is_waiting =
            self.calls.get(parent.0).is_some_and(|call| call.state == CallState::OnHoldPendConf);
        match left.as_slice() {
            [] if is_waiting => self.dissolve(key, parent, None),
            [] => self.drop_call(parent),
            [last] if !is_waiting => {
                let last = *last;
                self.swap_phones(parent, last);
                self.dissolve(key, parent, Some(last));
            }
            _ => {}
        }
    }

    /// The conference is over: the parent IDLE, the call that is left an ordinary one. Whoever has
    /// the phone keeps it.
    fn dissolve(&mut self, key: ConferenceKey, parent: CallId, last: Option<CallId>) {
        let members = self.conferences.get_mut(key.0).map(|conference| {
            conference.parent = None;
            conference.parties.clear();
            conference.members.clone()
        });
        members.unwrap_or_default().into_iter().for_each(|member| self.leave_conference(member));
        self.close_if_empty(key);
        self.finish(parent);
        let Some(last) = last else { return };
        if let Some(far) = self.far(last)
            && let Err(cause) = self.align(last, far)
        {
            tracing::warn!(cause = cause.relay, "two parties of a conference share no codec");
        }
        self.reconnect(last);
    }

    /// A call of the line beside its others, in a connection of its own, still without phone.
    fn new_own_call(
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
        self.relate(parent, consult);
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

    fn conferenced(&self, parent: CallId) -> CallMode {
        let key = self.calls.get(parent.0).and_then(|call| call.tapi);
        key.map_or(CallMode::None, CallMode::Conferenced)
    }

    pub(crate) fn conference_of_parent(&self, parent: CallId) -> Option<ConferenceKey> {
        let mut all = self.conferences.iter();
        all.find(|(_, c)| c.parent == Some(parent)).map(|(key, _)| ConferenceKey(key))
    }

    fn check_room(&self, key: ConferenceKey) -> Result<(), LineErr> {
        let parties = self.conferences.get(key.0).map_or(0, |conference| conference.parties.len());
        // The parent's phone is a member, too.
        if parties + 2 > MEMBERS_MAX { Err(LineErr::ConferenceFull) } else { Ok(()) }
    }
}
