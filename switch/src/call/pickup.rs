//! Taking a call that rings elsewhere: by address, by group, or by INVITE with Replaces.
//!
//! The claim is the order of the mailbox: whoever comes first finds the call unanswered, takes the
//! place of the called party, and nobody after it finds a call that rings. Source: RFC 3891 §3; TAPI
//! linePickup; sip-mapping §2.9.7, §3.7.

use std::borrow::Cow;

use sip_stack::endpoint::{LegId, Reply};
use sip_stack::header::Replaces;
use tapi::constant::{CallReason, CallState, DisconnectMode};

use super::cause::Cause;
use super::fork::ELSEWHERE;
use super::shared::INACTIVE;
use super::{CallId, ConnectionKey, Party, Side};
use crate::exchange::Exchange;

impl Exchange {
    /// The oldest call that rings at a number, if `line` may take it.
    ///
    /// Errors: 404 when nothing rings there, 403 when the line has no right to it.
    pub(crate) fn ringing_at(&self, line: &str, number: &str) -> Result<CallId, Cause> {
        if self.config.hunt_groups.contains_key(number) {
            return self.ringing_in_hunt(line, number);
        }
        if let Some(shared) = self.config.shared_lines.get(number) {
            let mut members = shared.members.iter();
            let found = members.find_map(|member| self.waiting_at(member, Some(number)).ok());
            let may_pick_up = shared.members.iter().any(|member| self.may_pick_up(line, member));
            let found = found.ok_or(Cause::NOTHING_RINGS)?;
            return if may_pick_up { Ok(found) } else { Err(Cause::FORBIDDEN) };
        }
        let calls = self.by_line.get(number).map(Vec::as_slice).unwrap_or_default();
        let found = calls.iter().copied().find(|id| self.is_ringing(*id));
        let found = found.ok_or(Cause::NOTHING_RINGS)?;
        if self.may_pick_up(line, number) { Ok(found) } else { Err(Cause::FORBIDDEN) }
    }

    /// The oldest call to a hunt group that rings at a member where `line` may take it.
    ///
    /// Errors: 404 when nothing rings there, 403 when the line has no right at any member.
    fn ringing_in_hunt(&self, line: &str, number: &str) -> Result<CallId, Cause> {
        let is_of_group = |id: &CallId| {
            let key = self.calls.get(id.0).map(|call| call.connection);
            let connection = key.and_then(|key| self.connections.get(key.0));
            connection.is_some_and(|connection| connection.dialled == number)
        };
        let members = self.config.hunt_groups.get(number).map(|group| group.members.as_slice());
        let ringing: Vec<(&String, u64, CallId)> = members
            .unwrap_or_default()
            .iter()
            .flat_map(|member| {
                self.by_line.get(member).into_iter().flatten().map(move |id| (member, *id))
            })
            .filter(|(_, id)| self.is_ringing(*id) && is_of_group(id))
            .filter_map(|(member, id)| Some((member, self.calls.get(id.0)?.since_unix_ms, id)))
            .collect();
        if ringing.is_empty() {
            return Err(Cause::NOTHING_RINGS);
        }
        let allowed = ringing.into_iter().filter(|(member, ..)| self.may_pick_up(line, member));
        let oldest = allowed.min_by_key(|(_, since, _)| *since);
        oldest.map(|(_, _, id)| id).ok_or(Cause::FORBIDDEN)
    }

    /// Whether there is a pickup group with this identifier; the own one has none.
    pub(crate) fn has_pickup_group(&self, group_id: &str) -> bool {
        group_id.is_empty() || self.config.pickup_groups.values().any(|group| group.id == group_id)
    }

    /// The oldest call that is offered at an address of a line: its own, or a shared one.
    ///
    /// Errors: 404 when none is.
    pub(crate) fn waiting_at(&self, line: &str, shared: Option<&str>) -> Result<CallId, Cause> {
        let calls = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        let is_here = |id: &&CallId| {
            self.calls.get(id.0).is_some_and(|call| call.shared.as_deref() == shared)
                && self.is_ringing(**id)
                && !self.is_station(**id)
        };
        calls.iter().find(is_here).copied().ok_or(Cause::NOTHING_RINGS)
    }

    /// Whether somebody can be called at a number of ours.
    pub(crate) fn has_address(&self, number: &str) -> bool {
        self.config.lines.contains_key(number) || self.config.shared_lines.contains_key(number)
    }

    /// linePickup of a waiting call: what the line talks to at that address is put on hold.
    ///
    /// Errors: those of [`Exchange::pick_up`].
    pub(crate) fn pick_up_waiting(&mut self, id: CallId, waiting: CallId) -> Result<(), Cause> {
        let at = |id: CallId| self.calls.get(id.0).map(|call| (&call.party, &call.shared));
        let line = self.calls.get(id.0).map(|call| call.party.number().to_owned());
        let calls = line.and_then(|line| self.by_line.get(&line)).cloned().unwrap_or_default();
        let is_active = |other: &CallId| {
            at(*other) == at(id)
                && self
                    .calls
                    .get(other.0)
                    .is_some_and(|call| call.state == CallState::Connected && call.leg.is_some())
        };
        let active: Vec<CallId> = calls.into_iter().filter(is_active).collect();
        for other in active {
            self.hold_by_switch(other, None);
        }
        self.pick_up(id, waiting)
    }

    /// The oldest call that rings in a pickup group: the line's own, or the one with this identifier.
    ///
    /// Errors: 404 when nothing rings there or there is no such group, 403 without the right.
    pub(crate) fn ringing_in(&self, line: &str, group_id: &str) -> Result<CallId, Cause> {
        let own = self.config.lines.get(line).and_then(|line| line.pickup_group.clone());
        let group = if group_id.is_empty() {
            own.clone().ok_or(Cause::FORBIDDEN)?
        } else {
            let mut groups = self.config.pickup_groups.values();
            groups.find(|group| group.id == group_id).ok_or(Cause::NOTHING_RINGS)?.name.clone()
        };
        if !self.may_pick_up_in(own.as_deref(), &group) {
            return Err(Cause::FORBIDDEN);
        }
        let mut ringing: Vec<(u64, CallId)> = self
            .config
            .lines
            .values()
            .filter(|member| member.pickup_group.as_deref() == Some(group.as_str()))
            .flat_map(|member| self.by_line.get(&member.number).into_iter().flatten())
            .filter(|id| self.is_ringing(**id))
            .filter_map(|id| Some((self.calls.get(id.0)?.since_unix_ms, *id)))
            .collect();
        ringing.sort_by_key(|(since, _)| *since);
        ringing.first().map(|(_, id)| *id).ok_or(Cause::NOTHING_RINGS)
    }

    /// Whether a call is offered to a line and nobody has answered it anywhere.
    pub(crate) fn is_ringing(&self, id: CallId) -> bool {
        self.calls.get(id.0).is_some_and(|call| {
            call.side == Side::Called
                && matches!(call.state, CallState::Offering | CallState::Accepted)
                && self.connections.get(call.connection.0).is_some_and(|c| c.answered.is_none())
        })
    }

    pub(crate) fn may_pick_up(&self, line: &str, number: &str) -> bool {
        if line == number {
            return true;
        }
        let group = |number: &str| self.config.lines.get(number)?.pickup_group.clone();
        match group(number) {
            Some(theirs) => self.may_pick_up_in(group(line).as_deref(), &theirs),
            None => false,
        }
    }

    pub(crate) fn may_pick_up_in(&self, own: Option<&str>, group: &str) -> bool {
        let Some(own) = own else { return false };
        own == group
            || self
                .config
                .pickup_groups
                .get(group)
                .is_some_and(|group| group.allow.iter().any(|allowed| allowed == own))
    }

    /// `picker` takes the place of the call that rings. Its phone waits for our answer, or is on
    /// the line with us already.
    ///
    /// Errors: the cause why the two parties cannot talk; the call goes on ringing.
    pub(crate) fn pick_up(&mut self, picker: CallId, ringing: CallId) -> Result<(), Cause> {
        let Some(key) = self.calls.get(ringing.0).map(|call| call.connection) else {
            return Err(Cause::NOTHING_RINGS);
        };
        let from = self.calls.get(ringing.0).map(|call| call.number().to_owned());
        self.claim(key, picker, from.as_deref().unwrap_or_default())?;
        if self.appearance(picker).is_some() {
            self.show_at_members(picker, CallState::Connected, INACTIVE);
        }
        Ok(())
    }

    fn claim(&mut self, key: ConnectionKey, picker: CallId, from: &str) -> Result<(), Cause> {
        let connection = self.connections.get(key.0).ok_or(Cause::NOTHING_RINGS)?;
        if connection.answered.is_some() {
            return Err(Cause::NOTHING_RINGS);
        }
        let other = connection.seek.as_ref().map(|seek| seek.transferee).or(connection.caller);
        let other = other.ok_or(Cause::NOTHING_RINGS)?;
        self.reserve_like(picker, other)?;
        let called = |exchange: &Exchange| {
            connection_called(exchange.connections.get(key.0).map(|c| c.called.as_slice()))
        };
        self.describe_pickup(picker, other, from);
        if self.connections.get(key.0).is_some_and(|connection| connection.seek.is_some()) {
            self.leave_for(key, picker);
            let losers = called(self);
            for loser in losers {
                self.clear_called(loser, DisconnectMode::Pickup, ELSEWHERE);
            }
            self.found(key, picker);
            return Ok(());
        }
        self.align(other, picker)?;
        self.leave_for(key, picker);
        let losers = called(self);
        for loser in losers {
            self.give_way(loser, picker);
        }
        self.move_call(picker, key);
        self.connect_parties(key);
        Ok(())
    }

    /// A party that rang is out: another appearance of the same shared line shows the call on, any
    /// other is DISCONNECTED (PICKUP).
    pub(crate) fn give_way(&mut self, loser: CallId, winner: CallId) {
        let (Some(lost), Some(won)) = (self.calls.get(loser.0), self.calls.get(winner.0)) else {
            return;
        };
        if won.shared.is_some() && lost.shared == won.shared && lost.party != won.party {
            self.stand_by(loser);
        } else {
            self.clear_called(loser, DisconnectMode::Pickup, ELSEWHERE);
        }
    }

    fn describe_pickup(&mut self, picker: CallId, caller: CallId, from: &str) {
        let origin = self.origin_from(caller);
        let caller = self.party_of(caller);
        let called = self.party_of_number(from);
        let redirecting = called.clone();
        let redirection = self.party_of(picker);
        let change = |info: &mut tapi::CallInfo| {
            info.origin = origin;
            info.reason = CallReason::Pickup;
            info.caller = caller;
            info.called = called;
            info.redirecting = redirecting;
            info.redirection = redirection;
        };
        self.update_info(picker, change);
    }

    /// INVITE with Replaces: the new phone takes the place of the dialog that is named.
    ///
    /// Errors: the response of RFC 3891 §3: 481, 486, 603, 403, 400.
    pub(crate) fn replaced_call(&self, party: &Party, value: &str) -> Result<CallId, Reply> {
        let value = with_tags(value);
        let named = Replaces::parse(&value).map_err(|_| Reply::new(400).reason("Bad Replaces"))?;
        let (call, is_confirmed) = self.dialog_named(&named)?;
        if is_confirmed && named.is_early_only() {
            return Err(Reply::new(486));
        }
        let (Some(line), Some(owner)) =
            (party.line(), self.calls.get(call.0).and_then(|call| call.party.line()))
        else {
            return Err(Reply::new(403));
        };
        match is_confirmed {
            false if !self.is_ringing(call) => Err(Reply::new(481)),
            false if self.may_pick_up(line, owner) || self.is_fellow(line, call) => Ok(call),
            true if line == owner => Ok(call),
            true if self.is_fellow(line, call) && self.can_be_taken(call) => Ok(call),
            _ => Err(Reply::new(403)),
        }
    }

    /// The call that a Replaces names, and whether its dialog is confirmed: in the words of a busy
    /// lamp, or by the dialog itself.
    fn dialog_named(&self, named: &Replaces<'_>) -> Result<(CallId, bool), Reply> {
        if let Some(call) = self.presence.named_call(named) {
            let found = self.calls.get(call.0).ok_or_else(|| Reply::new(481))?;
            return Ok((call, found.is_established()));
        }
        let leg = self.leg_named(named).ok_or_else(|| Reply::new(481))?;
        let call = self.by_leg.get(&leg).copied().ok_or_else(|| Reply::new(603))?;
        Ok((call, self.endpoint.leg(leg).is_some_and(|view| view.is_confirmed)))
    }

    /// The shared line of whose call a Replaces names a dialog.
    pub(crate) fn shared_of(&self, value: &str) -> Option<String> {
        let (call, _) = self.dialog_named(&Replaces::parse(&with_tags(value)).ok()?).ok()?;
        self.calls.get(call.0)?.shared.clone()
    }

    /// The leg that a Replaces names: exactly, or with the tags the other way round, as phones do.
    fn leg_named(&self, named: &Replaces<'_>) -> Option<LegId> {
        self.endpoint
            .find_leg(named.call_id, named.to_tag, named.from_tag)
            .or_else(|| self.endpoint.find_leg(named.call_id, named.from_tag, named.to_tag))
    }

    /// The new phone of the same line continues an established call; the old one is hung up.
    pub(crate) fn replace_phone(&mut self, newcomer: CallId, old: CallId) -> Result<(), Cause> {
        if self.appearance(old).is_some() && self.appearance(newcomer).is_some() {
            return self.replace_at_station(newcomer, old);
        }
        let far = self.far(old).ok_or(Cause::NOTHING_RINGS)?;
        let key = self.calls.get(old.0).ok_or(Cause::NOTHING_RINGS)?.connection;
        self.reserve_like(newcomer, far)?;
        self.align(far, newcomer)?;
        self.release_with(old, ELSEWHERE);
        self.finish(old);
        self.move_call(newcomer, key);
        self.connect_parties(key);
        Ok(())
    }

    /// Ports for as many streams as the other party has.
    pub(crate) fn reserve_like(&mut self, id: CallId, other: CallId) -> Result<(), Cause> {
        let streams = self.calls.get(other.0).map_or(1, |call| call.end.streams()).max(1);
        let own = self.calls.get(id.0).and_then(|call| call.end.remote.as_ref());
        let streams = own.map_or(streams, |session| session.media.len().max(streams));
        self.reserve_ports(id, streams)?;
        self.reserve_ports(other, streams)
    }
}

/// Some phones name the Call-ID alone (sip-mapping §3.7): tags of 0 stand for any.
fn with_tags(value: &str) -> Cow<'_, str> {
    if value.contains("-tag") {
        value.into()
    } else {
        format!("{value};to-tag=0;from-tag=0").into()
    }
}

fn connection_called(called: Option<&[CallId]>) -> Vec<CallId> {
    called.map(<[CallId]>::to_vec).unwrap_or_default()
}
