//! The stations of a shared line: taking a held call from another one, joining it, leaving it.
//!
//! While somebody talks the call is theirs alone, unless the line allows others to join; then the
//! relay's mixer brings them together. On hold it belongs to whoever takes it first, which the order
//! of the mailbox decides. Source: TAPI linePickup (PICKUPHELD), lineAnswer and lineUnhold of bridged
//! calls; tapi-call-control §3.4, §7.2, §7.3, §7.12; sip-mapping §3.14.

use tapi::constant::{CallFeature, CallInfoState, CallReason, CallState, ConnectedMode, LineErr};
use tapi::{CallCapability, CallMode, ReplyFields, RequestKey};

use super::cause::Cause;
use super::errand::Errand;
use super::fork::ELSEWHERE;
use super::shared::{Appearance, shared_lines_of};
use super::{CallId, ConnectionKey, Side, Timer, Waiting};
use crate::exchange::Exchange;

impl Exchange {
    /// The call that has been on hold longest at a shared line, for one of its members.
    ///
    /// Errors: 403 for others, 404 when no call is on hold there.
    pub(crate) fn held_at(&self, line: &str, number: &str) -> Result<CallId, Cause> {
        let shared = self.config.shared_lines.get(number).ok_or(Cause::NOTHING_RINGS)?;
        if !shared.members.iter().any(|member| member == line) {
            return Err(Cause::FORBIDDEN);
        }
        let calls = shared.members.iter().flat_map(|member| self.by_line.get(member)).flatten();
        let held = calls.filter_map(|id| Some((*id, self.calls.get(id.0)?)));
        let held = held
            .filter(|(id, call)| call.shared.as_deref() == Some(number) && self.can_be_taken(*id));
        let oldest = held.min_by_key(|(_, call)| call.since_unix_ms);
        oldest.map(|(id, _)| id).ok_or(Cause::NOTHING_RINGS)
    }

    /// The same at any shared line of a member, or at the one that is named.
    pub(crate) fn held_for(&self, line: &str, number: &str) -> Result<CallId, Cause> {
        if !number.is_empty() {
            return self.held_at(line, number);
        }
        let held = shared_lines_of(&self.config, line)
            .filter_map(|shared| self.held_at(line, &shared.number).ok());
        let since = |id: &CallId| self.calls.get(id.0).map(|call| call.since_unix_ms);
        held.min_by_key(since).ok_or(Cause::NOTHING_RINGS)
    }

    /// Whether a line is a member of the shared line that a call is an appearance of.
    pub(crate) fn is_fellow(&self, line: &str, id: CallId) -> bool {
        let Some(Appearance { number, .. }) = self.appearance(id) else { return false };
        shared_lines_of(&self.config, line).any(|shared| shared.number == number)
    }

    /// Whether a call is the one with the phone of a shared call that is on hold for all.
    pub(crate) fn can_be_taken(&self, id: CallId) -> bool {
        let is_held = self
            .calls
            .get(id.0)
            .is_some_and(|call| call.state == CallState::OnHold && call.leg.is_some());
        is_held && !self.is_station(id) && self.far(id).is_some()
    }

    /// The appearance that has the call of which this one is a station.
    fn principal_of(&self, id: CallId) -> Option<CallId> {
        let Appearance { key, number, .. } = self.appearance(id)?;
        self.principals(key, &number).first().copied()
    }

    /// The call to which a phone of a member comes back by calling the shared line in its own name:
    /// one on hold, or one that it may join.
    ///
    /// Errors: 486 when others talk who may not be joined, or nobody does.
    pub(crate) fn enter_shared(&mut self, id: CallId, line: &str) -> Result<(), Cause> {
        let number = self.appearance(id).ok_or(Cause::NOTHING_RINGS)?.number;
        if let Ok(held) = self.held_at(line, &number) {
            return self.take_seat(id, held);
        }
        let shared = self.config.shared_lines.get(&number).cloned().ok_or(Cause::NOTHING_RINGS)?;
        let calls = shared.members.iter().flat_map(|member| self.by_line.get(member)).flatten();
        let is_active = |other: &CallId| {
            *other != id
                && !self.is_station(*other)
                && self.calls.get(other.0).is_some_and(|call| {
                    call.shared.as_ref() == Some(&number) && call.state == CallState::Connected
                })
        };
        let active = calls.copied().find(is_active).filter(|_| shared.allow_join);
        self.join_talk(id, active.ok_or(Cause::NO_APPEARANCE)?)
    }

    /// `newcomer`, whose phone waits for our answer or is on the line with us, takes the held call:
    /// it is CONNECTED, who held it is CONNECTED (INACTIVE), its phone is hung up.
    ///
    /// Errors: 404 when the call is not on hold any more; nothing has changed then.
    pub(crate) fn take_seat(&mut self, newcomer: CallId, holder: CallId) -> Result<(), Cause> {
        if !self.can_be_taken(holder) {
            return Err(Cause::NOTHING_RINGS);
        }
        self.replace_at_station(newcomer, holder)
    }

    /// `newcomer` has the call from now on, and the phone that had it is hung up.
    ///
    /// Errors: 404 when nobody is at the other end, 488 without a codec in common, 503 without
    /// ports; nothing has changed then.
    pub(crate) fn replace_at_station(
        &mut self,
        newcomer: CallId,
        holder: CallId,
    ) -> Result<(), Cause> {
        let far = self.far(holder).ok_or(Cause::NOTHING_RINGS)?;
        let Appearance { key, number, line: holding } =
            self.appearance(holder).ok_or(Cause::NOTHING_RINGS)?;
        let line = self.appearance(newcomer).ok_or(Cause::FORBIDDEN)?.line;
        self.reserve_like(newcomer, far)?;
        match self.calls.get(holder.0).and_then(|call| call.conference) {
            Some(conference) => {
                if !self.can_be_mixed(newcomer) {
                    return Err(Cause::INCOMPATIBLE_MEDIA);
                }
                self.mix(newcomer, conference);
            }
            None => self.align(far, newcomer)?,
        }
        let is_new = self.calls.get(newcomer.0).is_some_and(|call| call.connection != key);
        if is_new {
            self.describe_taken(newcomer, far, &number, &holding);
        }
        self.release_with(holder, ELSEWHERE);
        self.give_up_seat(holder);
        self.seat_at(newcomer, key);
        if is_new {
            // The appearance of this line is the new call; its former one is no more.
            let same_line = |exchange: &Exchange, id: &CallId| {
                *id != newcomer && exchange.appearance(*id).is_some_and(|a| a.line == line)
            };
            let former = self.stations(key, &number).into_iter().find(|id| same_line(self, id));
            former.into_iter().for_each(|former| self.finish(former));
        }
        self.connect_parties(key);
        self.refresh_appearances(key, &number);
        Ok(())
    }

    /// The newcomer gets the role that is free.
    fn seat_at(&mut self, newcomer: CallId, key: ConnectionKey) {
        let is_there = self.calls.get(newcomer.0).is_some_and(|call| call.connection == key);
        if !is_there {
            return self.move_call(newcomer, key);
        }
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        connection.stations.retain(|other| *other != newcomer);
        let side = if connection.caller.is_none() { Side::Caller } else { Side::Called };
        match side {
            Side::Caller => connection.caller = Some(newcomer),
            Side::Called => {
                connection.called.push(newcomer);
                connection.answered = Some(newcomer);
            }
        }
        if let Some(call) = self.calls.get_mut(newcomer.0) {
            call.side = side;
        }
    }

    /// A further station takes part in a call that goes on.
    ///
    /// Errors: 403 unless the shared line allows to join, 488 when somebody speaks nothing that can
    /// be mixed, 503 when there is no mixer; nothing has changed then.
    pub(crate) fn join_talk(&mut self, newcomer: CallId, principal: CallId) -> Result<(), Cause> {
        let Appearance { key, number, .. } =
            self.appearance(principal).ok_or(Cause::NOTHING_RINGS)?;
        self.check_join(principal)?;
        let far = self.far(principal).ok_or(Cause::NOTHING_RINGS)?;
        if ![newcomer, principal, far].iter().all(|id| self.can_be_mixed(*id)) {
            return Err(Cause::INCOMPATIBLE_MEDIA);
        }
        self.reserve_like(newcomer, far)?;
        let open = self.calls.get(principal.0).and_then(|call| call.conference);
        let conference = match open {
            Some(conference) => conference,
            None => self.open_conference("")?,
        };
        self.take_place_beside(newcomer, key);
        for id in [newcomer, principal, far] {
            self.mix(id, conference);
        }
        if let Some(call) = self.calls.get_mut(newcomer.0) {
            let may_hold = call.is_summoned() || call.is_established();
            call.hold.by_phone = may_hold && call.end.is_held_by_phone();
            call.hold.by_switch = false;
        }
        let active = CallMode::Connected(ConnectedMode::Active);
        self.set_state(newcomer, CallState::Connected, active);
        self.show_hold(newcomer);
        let number_of_far = self.calls.get(far.0).map(|far| far.number().to_owned());
        let party = self.party_of_number(&number_of_far.unwrap_or_default());
        self.tell_info(newcomer, |info| info.connected = party, CallInfoState::ConnectedId);
        self.seat(newcomer);
        self.refresh_appearances(key, &number);
        Ok(())
    }

    /// Errors: 403 where nobody may join, 486 when nobody talks.
    fn check_join(&self, principal: CallId) -> Result<(), Cause> {
        let Appearance { key, number, .. } =
            self.appearance(principal).ok_or(Cause::NOTHING_RINGS)?;
        let shared = self.config.shared_lines.get(&number).ok_or(Cause::NOTHING_RINGS)?;
        if !shared.allow_join {
            return Err(Cause::FORBIDDEN);
        }
        let is_talking = self.has_talker(key, &number);
        if is_talking { Ok(()) } else { Err(Cause::NO_APPEARANCE) }
    }

    /// Makes the newcomer the appearance of its line, beside the one that has the call.
    fn take_place_beside(&mut self, newcomer: CallId, key: ConnectionKey) {
        let Some(own) = self.appearance(newcomer).filter(|own| own.key != key) else { return };
        let former = self
            .stations(key, &own.number)
            .into_iter()
            .find(|id| self.appearance(*id).is_some_and(|other| other.line == own.line));
        let number_of = |exchange: &Exchange, key: ConnectionKey| {
            exchange.connections.get(key.0).map_or(0, |connection| connection.call_id)
        };
        let (from, to) = (number_of(self, own.key), number_of(self, key));
        self.forget_in_connection(own.key, newcomer);
        if let Some(connection) = self.connections.get_mut(key.0) {
            connection.stations.push(newcomer);
        }
        if let Some(call) = self.calls.get_mut(newcomer.0) {
            call.connection = key;
        }
        self.tell_call_id(newcomer, to, from);
        former.into_iter().for_each(|former| self.finish(former));
    }

    /// The appearances of a shared call that have a phone.
    fn seated(&self, key: ConnectionKey, number: &str) -> Vec<CallId> {
        let all = self.principals(key, number).into_iter().chain(self.stations(key, number));
        all.filter(|id| self.calls.get(id.0).is_some_and(|call| call.leg.is_some())).collect()
    }

    /// Whether several stations of a shared line are in the call; it stays with them then.
    pub(crate) fn is_joined(&self, key: ConnectionKey) -> bool {
        let Some(connection) = self.connections.get(key.0) else { return false };
        let has_phone = |id: &CallId| self.calls.get(id.0).is_some_and(|c| c.leg.is_some());
        connection.stations.iter().any(has_phone)
    }

    /// One of several stations hangs up: CONNECTED (INACTIVE), the others go on. False when no other
    /// station is in the call.
    pub(crate) fn leave_station(&mut self, id: CallId) -> bool {
        let Some(Appearance { key, number, .. }) = self.appearance(id) else { return false };
        let others: Vec<CallId> =
            self.seated(key, &number).into_iter().filter(|other| *other != id).collect();
        let Some(next) = others.first().copied() else { return false };
        self.stop_call_timer(id);
        self.release_with(id, "Q.850;cause=16");
        let was_principal = !self.is_station(id);
        self.give_up_seat(id);
        if was_principal {
            self.seat_at(next, key);
        }
        if let [last] = others.as_slice() {
            self.end_mixing(key, *last);
        }
        self.show_both_holds(next);
        self.stations_follow(next);
        self.join_media(key);
        self.refresh_appearances(key, &number);
        true
    }

    /// Two parties are left: they need no mixer.
    fn end_mixing(&mut self, key: ConnectionKey, last: CallId) {
        let Some(far) = self.far(last) else { return };
        for id in [last, far] {
            self.leave_conference(id);
        }
        if let Err(cause) = self.align(last, far) {
            tracing::warn!(cause = cause.relay, "the parties of a shared call share no codec");
        }
        self.join_media(key);
    }

    /// Whether the parties that a call talks to are all away, so that it hears what the held hear.
    pub(crate) fn waits_for_stations(&self, id: CallId) -> bool {
        let Some(other) = self.far(id).filter(|_| !self.is_station(id)) else { return false };
        let Some(Appearance { key, number, .. }) = self.appearance(other) else { return false };
        self.is_joined(key) && !self.is_of_line(id, &number) && !self.has_talker(key, &number)
    }

    fn is_of_line(&self, id: CallId, number: &str) -> bool {
        self.appearance(id).is_some_and(|appearance| appearance.number == number)
    }

    /// What can be done with an appearance that another one has the call of, or that others have
    /// joined; `None` for an ordinary call.
    pub(crate) fn station_capability(&self, id: CallId) -> Option<CallCapability> {
        use CallFeature as F;
        let Appearance { key, number, .. } = self.appearance(id)?;
        let call = self.calls.get(id.0)?;
        if self.is_bystander(id) {
            let allows_join = self.config.shared_lines.get(&number).is_some_and(|s| s.allow_join);
            let can_answer = allows_join || call.state == CallState::Offering;
            return Some(CallCapability { can_accept: false, can_answer, ..Default::default() });
        }
        if !self.is_joined(key) {
            return None;
        }
        let can_be_told = self.controllable_leg(id, "talk").is_some();
        let can_resume = !call.hold.by_phone || can_be_told;
        let unavailable = F::SwapHold | F::SetupTransfer | F::CompleteTransf | F::BlindTransfer;
        Some(CallCapability {
            can_answer: can_resume,
            can_unhold: can_resume,
            can_dial: false,
            unavailable: unavailable | F::Park,
            ..Default::default()
        })
    }

    fn refresh_appearances(&mut self, key: ConnectionKey, number: &str) {
        for id in self.principals(key, number).into_iter().chain(self.stations(key, number)) {
            self.refresh_capability(id);
        }
    }

    fn describe_taken(&mut self, newcomer: CallId, far: CallId, number: &str, holding: &str) {
        use CallInfoState as What;
        let caller = self.calls.get(far.0).map(|call| call.number().to_owned());
        let caller = self.party_of_number(&caller.unwrap_or_default());
        let called = self.party_of_number(number);
        let redirecting = self.party_of_number(holding);
        let change = |info: &mut tapi::CallInfo| {
            info.reason = CallReason::Pickup;
            info.caller = caller;
            info.called = called;
            info.redirecting = redirecting;
        };
        let what = What::Reason | What::CallerId | What::CalledId | What::RedirectingId;
        self.tell_info(newcomer, change, what);
    }
}

/// What applications ask of an appearance.
impl Exchange {
    /// lineAnswer of an appearance that does not ring: its phone is called to take the offered call or to
    /// join; one that has put itself on hold comes back. `None` when it is an ordinary call.
    pub(crate) fn answer_at_station(
        &mut self,
        id: CallId,
        request: RequestKey,
    ) -> Option<Result<(), LineErr>> {
        let call = self.calls.get(id.0)?;
        let is_inactive = call.state == CallState::Connected && call.mode.is_inactive();
        if is_inactive && call.leg.is_some() {
            return Some(self.come_back(id, request));
        }
        if !self.is_bystander(id) {
            return None;
        }
        if call.state == CallState::Offering {
            return Some(self.ring_station(id, request));
        }
        let principal = self.principal_of(id)?;
        match self.check_join(principal) {
            Ok(()) => Some(self.summon_station(id, request)),
            Err(_) => Some(Err(LineErr::OperationUnavail)),
        }
    }

    /// lineUnhold of an appearance whose call another one holds: its phone is called to take it.
    pub(crate) fn unhold_at_station(
        &mut self,
        id: CallId,
        request: Option<RequestKey>,
    ) -> Option<Result<(), LineErr>> {
        if !self.is_bystander(id) {
            return None;
        }
        let is_held = self.calls.get(id.0).is_some_and(|call| call.state == CallState::OnHold);
        match request {
            Some(request) if is_held => Some(self.summon_station(id, request)),
            _ => Some(Err(LineErr::InvalCallState)),
        }
    }

    /// Ends a hold that was CONNECTED (INACTIVE) because others went on talking.
    fn come_back(&mut self, id: CallId, request: RequestKey) -> Result<(), LineErr> {
        let call = self.calls.get(id.0).ok_or(LineErr::InvalCallHandle)?;
        let (key, is_holding) = (call.connection, call.hold.by_phone);
        if is_holding && !self.tell_phone(id, "talk") {
            return Err(LineErr::OperationUnavail);
        }
        if let Some(call) = self.calls.get_mut(id.0) {
            call.hold.by_switch = false;
        }
        if is_holding {
            self.wait_for_phone(id, Waiting::Unhold(request));
            return Ok(());
        }
        self.done(Some(request));
        self.reopen(id);
        self.show_both_holds(id);
        self.join_media(key);
        Ok(())
    }

    /// An appearance that was only shown rings and answers by itself.
    fn ring_station(&mut self, id: CallId, request: RequestKey) -> Result<(), LineErr> {
        let appearance = self.appearance(id).ok_or(LineErr::InvalCallState)?;
        let source = self.source_of(appearance.key).ok_or(LineErr::InvalCallState)?;
        self.ring_by_itself(id, source).map_err(|_| LineErr::OperationFailed)?;
        if let Some(connection) = self.connections.get_mut(appearance.key.0) {
            connection.stations.retain(|other| *other != id);
            connection.called.push(id);
        }
        if let Some(call) = self.calls.get_mut(id.0) {
            call.side = Side::Called;
            // The header fields of its INVITE have told it to answer.
            call.waiting = Some(Waiting::Answer { request, is_told: true });
        }
        let timeout = self.config.line_defaults.ring_timeout;
        self.set_call_timer(id, timeout, Timer::NoAnswer(id));
        Ok(())
    }

    /// Calls the phone of an appearance for what [`Exchange::station_arrives`] then does.
    fn summon_station(&mut self, id: CallId, request: RequestKey) -> Result<(), LineErr> {
        if self.calls.get(id.0).is_none_or(|call| call.waiting.is_some()) {
            return Err(LineErr::OperationFailed);
        }
        self.summon(id).map_err(|_| {
            self.drop_media(id);
            LineErr::OperationFailed
        })?;
        if let Some(call) = self.calls.get_mut(id.0) {
            call.errand = Some(Errand::Station);
            call.waiting = Some(Waiting::Errand(request));
        }
        let timeout = self.config.line_defaults.ring_timeout;
        self.set_call_timer(id, timeout, Timer::NoAnswer(id));
        Ok(())
    }

    /// The phone of an appearance is on the line: it takes the held call, or joins the talk.
    pub(crate) fn station_arrives(&mut self, id: CallId, request: RequestKey) {
        let principal = self.principal_of(id);
        let held = principal.filter(|principal| self.can_be_taken(*principal));
        let talk = principal.filter(|principal| self.check_join(*principal).is_ok());
        let is_able = held.is_some()
            || talk.is_some_and(|talk| {
                let far = self.far(talk);
                far.is_some_and(|far| [id, talk, far].iter().all(|id| self.can_be_mixed(*id)))
            });
        let reply = match is_able {
            true => Ok(ReplyFields::default()),
            false => Err(LineErr::OperationFailed),
        };
        self.tapi.complete(self.clock.unix_ms, request, reply);
        let entered = match (held, talk) {
            (Some(held), _) => self.take_seat(id, held),
            (None, Some(talk)) if is_able => self.join_talk(id, talk),
            _ => Err(Cause::NOTHING_RINGS),
        };
        if let Err(cause) = entered {
            self.release_with(id, &cause.reason_header());
            self.give_up_seat(id);
        }
    }

    /// The phone of an appearance does not come; the appearance stays. False when the call is not a
    /// station that was asked.
    pub(crate) fn station_fails(&mut self, id: CallId) -> bool {
        let is_asked =
            self.calls.get(id.0).is_some_and(|call| call.errand == Some(Errand::Station));
        if is_asked {
            self.stop_call_timer(id);
            self.release_with(id, "Q.850;cause=16");
            self.give_up_seat(id);
        }
        is_asked
    }
}
