//! The one place where a call changes its state: TAPI, events and the registry of calls hear it here.

use tapi::constant::{
    BusyMode, CallInfoState, CallOrigin, CallReason, CallState, ConnectedMode, DisconnectMode,
    OfferingMode,
};
use tapi::{AddressId, CallCapability, CallInfo, CallKey, CallMode, NewCall};

use super::Exchange;
use crate::call::Dialling;
use crate::call::cause::Outcome;
use crate::call::diversion::{Diversions, Hop};
use crate::call::record::History;
use crate::call::shared::{INACTIVE, address_of};
use crate::call::user_info::text_of;
use crate::call::wishes::Details;
use crate::call::{Call, CallId, Connection, ConnectionKey, Hold, Origination, Party, Side, Timer};
use crate::presence::Entity;

/// Where a call is made, beside what it is.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    /// The shared line that it is an appearance of.
    shared: Option<&'a str>,
    /// It shows what another appearance does.
    is_station: bool,
}

/// What is needed to make a call.
pub(crate) struct NewParty {
    pub(crate) connection: ConnectionKey,
    pub(crate) side: Side,
    pub(crate) party: Party,
    pub(crate) origination: Origination,
    pub(crate) state: CallState,
    pub(crate) mode: CallMode,
    /// The object an application's lineMakeCall has made already.
    pub(crate) tapi: Option<CallKey>,
}

impl Exchange {
    /// A new connection without parties.
    pub(crate) fn new_connection(&mut self, dialled: &str, max_forwards: u32) -> ConnectionKey {
        let call_id = self.new_call_id();
        ConnectionKey(self.connections.insert(Connection {
            call_id,
            caller: None,
            called: Vec::new(),
            answered: None,
            stations: Vec::new(),
            dialled: dialled.to_owned(),
            max_forwards,
            reoffer: None,
            began: self.clock.now,
            seek: None,
            search: None,
            diversions: Diversions::default(),
            hunt: None,
            queue: None,
            left_queue: None,
            call_data: String::new(),
            user_info: None,
            completion: None,
            is_sips: false,
        }))
    }

    /// A new call on a line or trunk, announced to applications in its first state.
    pub(crate) fn new_call(&mut self, new: NewParty) -> CallId {
        self.new_call_at(new, None)
    }

    /// The same at an address that the line shares with others, when one is given.
    pub(crate) fn new_call_at(&mut self, new: NewParty, shared: Option<&str>) -> CallId {
        self.create(new, Place { shared, is_station: false })
    }

    /// An appearance of a shared line that shows what another station does.
    pub(crate) fn new_station(&mut self, new: NewParty, shared: &str) -> CallId {
        self.create(new, Place { shared: Some(shared), is_station: true })
    }

    fn create(&mut self, new: NewParty, place: Place<'_>) -> CallId {
        let end = self.new_end(&new.party);
        let tapi = match (&new.party, new.tapi) {
            (Party::Line(_), None) => self.announce(&new, place.shared),
            (_, tapi) => tapi,
        };
        let line = new.party.line().map(str::to_owned);
        let caller = self.caller_for_record(new.connection).filter(|_| new.side == Side::Called);
        let id = CallId(self.calls.insert(Call {
            connection: new.connection,
            side: new.side,
            party: new.party,
            payers: Vec::new(),
            shared: place.shared.map(str::to_owned),
            tapi,
            state: new.state,
            mode: new.mode,
            since_unix_ms: self.clock.unix_ms,
            legs: Vec::new(),
            leg: None,
            end,
            hold: Hold::default(),
            origination: new.origination,
            dialling: Dialling::default(),
            treatment: None,
            takes_early_media: false,
            is_echoed: false,
            conference: None,
            errand: None,
            partner: None,
            has_alerted: false,
            refusal: None,
            waiting: None,
            timer: None,
            ring_timer: None,
            ring_count: 0,
            details: Details::default(),
            history: History::begun(self.clock, new.state, caller),
        }));
        if let Some(key) = tapi {
            self.by_tapi.insert(key, id);
        }
        if let Some(line) = line {
            self.presence.touch_line(&line);
            self.touch_desk(&line);
            self.touch(&line);
            self.by_line.entry(line).or_default().push(id);
        }
        if let Some(connection) = self.connections.get_mut(new.connection.0) {
            match new.side {
                _ if place.is_station => connection.stations.push(id),
                Side::Caller => connection.caller = Some(id),
                Side::Called => connection.called.push(id),
            }
        }
        if new.state == CallState::Unknown {
            // An errand: nobody hears of the call until it has something to show. The parent of a
            // conference that has not begun is known, and no more.
            return id;
        }
        if new.tapi.is_some() {
            self.tell_state(id);
        }
        self.publish_state(id);
        id
    }

    fn announce(&mut self, new: &NewParty, shared: Option<&str>) -> Option<CallKey> {
        let connection = self.connections.get(new.connection.0)?;
        let line = new.party.line()?;
        // A search has no caller: it calls on behalf of a party of another connection.
        let seek = connection.seek.as_ref();
        let source = seek.map(|seek| seek.transferee).or(connection.caller);
        let caller = match new.side {
            Side::Caller => self.identity_at(&new.party, shared),
            Side::Called => source.map(|source| self.identity_of(source)).unwrap_or_default(),
        };
        let source = source.and_then(|source| self.calls.get(source.0));
        let is_outside = source.is_some_and(|call| call.party.line().is_none());
        if let Some(completion) = connection.completion.as_ref().filter(|_| new.tapi.is_none())
            && let Some(info) = self.completing_info(new, connection, completion)
        {
            let address = address_of(&self.config, line, shared);
            return self.announce_with(new, address, info);
        }
        let reason = seek.map_or(CallReason::Direct, |seek| seek.reason);
        let origin = match new.side {
            Side::Caller => CallOrigin::Outbound,
            Side::Called if is_outside => CallOrigin::External,
            Side::Called => CallOrigin::Internal,
        };
        let sent_on = self.sent_on(connection).filter(|_| new.side == Side::Called);
        // Who was called first does not change when the call is sent on (TAPI 1.5).
        let transferor = seek.and_then(|seek| seek.transferor.as_deref());
        let called = self.identity_of_number(transferor.unwrap_or(&connection.dialled));
        let user_info = connection.user_info.as_deref().filter(|_| new.side == Side::Called);
        let info = CallInfo {
            origin,
            reason: sent_on.as_ref().map_or(reason, |hop| hop.reason),
            call_id: connection.call_id,
            caller: caller.party_id(),
            called: called.party_id(),
            redirecting: self.party_of_number(sent_on.as_ref().map_or("", |hop| hop.from.as_str())),
            redirection: self.party_of_number(sent_on.as_ref().map_or("", |hop| hop.to.as_str())),
            call_data: connection.call_data.clone(),
            user_user_info: user_info.map(text_of).unwrap_or_default(),
            ..CallInfo::default()
        };
        let mut info = info;
        self.describe_queued(connection, new, &mut info);
        let address = address_of(&self.config, line, shared);
        self.announce_with(new, address, info)
    }

    fn announce_with(
        &mut self,
        new: &NewParty,
        address: AddressId,
        info: CallInfo,
    ) -> Option<CallKey> {
        let call = NewCall {
            line: self.tapi.line_by_number(new.party.line()?)?,
            address,
            state: new.state,
            mode: new.mode,
            info,
            capability: CallCapability::default(),
        };
        let made = self.tapi.call_new(self.clock.unix_ms, call);
        made.map_err(|error| tracing::error!(%error, "a new call is refused")).ok()
    }

    /// Who sent the call of a connection on to where it goes now, and why: a forwarding line, a
    /// transferor, or somebody outside before it came to us.
    fn sent_on(&self, connection: &Connection) -> Option<Hop> {
        if let Some(hop) = connection.diversions.last() {
            return Some(hop.clone());
        }
        let to = connection.dialled.clone();
        match &connection.seek {
            Some(seek) => {
                let from = seek.transferor.clone()?;
                Some(Hop { from, to, reason: seek.reason })
            }
            None => {
                let (from, reason) = connection.diversions.outside()?;
                Some(Hop { from: from.to_owned(), to, reason })
            }
        }
    }

    /// Fills in what lineMakeCall's call object, which the TAPI server has made, says of itself.
    pub(crate) fn describe_made_call(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let (Some(key), Some(connection)) = (call.tapi, self.connections.get(call.connection.0))
        else {
            return;
        };
        let call_id = connection.call_id;
        // Whoever hides (LINECALLPARAMFLAGS_BLOCKID) hides from others: the own line knows itself.
        let caller = self.identity_at(&call.party, call.shared.as_deref()).party_id();
        let called = self.identity_of_number(&connection.dialled).party_id();
        let fill = |info: &mut CallInfo| {
            info.origin = CallOrigin::Outbound;
            info.call_id = call_id;
            info.caller = caller;
            info.called = called;
        };
        self.tapi.call_info(self.clock.unix_ms, key, fill, tapi::Mask::EMPTY);
    }

    /// The number of an application's call is complete: who is called is known now
    /// (LINECALLINFOSTATE_CALLEDID), unless it was known from the beginning.
    pub(crate) fn show_called_party(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let (Some(key), Some(connection)) = (call.tapi, self.connections.get(call.connection.0))
        else {
            return;
        };
        if connection.completion.is_some() {
            return; // It is the called party itself of a call that completes an earlier one.
        }
        let called = self.identity_of_number(&connection.dialled).party_id();
        if self.tapi.call(key).is_some_and(|view| view.info.called != called) {
            let fill = |info: &mut CallInfo| info.called = called;
            self.tapi.call_info(self.clock.unix_ms, key, fill, CallInfoState::CalledId);
        }
    }

    /// Moves a call to a state; the same state with the same mode is said only once.
    pub(crate) fn set_state(&mut self, id: CallId, state: CallState, mode: CallMode) {
        let is_camped = self.is_camped(id);
        let Some(call) = self.calls.get_mut(id.0) else { return };
        if (call.state, call.mode) == (state, mode) {
            return;
        }
        let ends = matches!(state, CallState::Idle | CallState::Disconnected);
        if call.state == CallState::SpecialInfo && state != CallState::Unknown && !ends {
            // An announcement is expected to be the end; what has come of it is told as a surprise.
            self.set_state(id, CallState::Unknown, CallMode::None);
            return self.set_state(id, state, mode);
        }
        if call.state != state {
            call.since_unix_ms = self.clock.unix_ms;
        }
        let is_known = |key| self.tapi.call(key).is_some_and(|view| view.is_known);
        let is_unseen = call.state == CallState::Unknown
            && state == CallState::Idle
            && !call.tapi.is_some_and(is_known);
        let has_ended = !is_camped
            && matches!(state, CallState::Disconnected | CallState::Idle)
            && matches!(call.state, CallState::Connected | CallState::OnHold);
        if let (true, Some(line)) = (has_ended, call.party.line()) {
            self.hunting.call_ended(line, self.clock.now.0);
        }
        let was_used = has_ended || call.was_dialling(state);
        let line = call.party.line().filter(|_| was_used).map(str::to_owned);
        call.history.note(self.clock, state, mode);
        call.state = state;
        call.mode = mode;
        if state != CallState::Connected {
            self.break_generation(id);
        }
        self.touch_call(id);
        line.into_iter().for_each(|line| self.note_use(&line));
        if is_unseen {
            return; // An errand that came to nothing: nobody has heard of the call.
        }
        self.tell_state(id);
        self.publish_state(id);
        self.stations_follow(id);
        self.record_by_rule(id);
    }

    fn tell_state(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        let Some(key) = call.tapi else { return };
        if let Err(error) = self.tapi.call_state(self.clock.unix_ms, key, call.state, call.mode) {
            debug_assert!(false, "{error}");
            tracing::error!(%error, "a call's state is refused");
        }
    }

    /// What others may see of a call changed.
    pub(crate) fn touch_call(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        if let Some(line) = call.party.line().map(str::to_owned) {
            self.presence.touch_line(&line);
            self.touch_desk(&line);
        }
        if let Some(room) = self.room_of(id).map(str::to_owned) {
            self.presence.touch(Entity::Room(room));
        }
    }

    /// The state of an established call follows from who holds.
    pub(crate) fn show_hold(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id.0) else { return };
        if !matches!(call.state, CallState::Connected | CallState::OnHold) {
            return;
        }
        let is_far_held =
            self.far(id).and_then(|far| self.calls.get(far.0)).is_some_and(Call::is_away)
                && call.conference.is_none()
                || self.waits_for_stations(id);
        let goes_on = call.hold.is_held()
            && call
                .shared
                .as_deref()
                .is_some_and(|number| self.has_talker(call.connection, number));
        if goes_on {
            // Other stations of the shared line talk on.
            self.set_state(id, CallState::Connected, INACTIVE);
        } else if call.hold.is_held() {
            self.set_state(id, CallState::OnHold, CallMode::None);
        } else if is_far_held {
            self.set_state(
                id,
                CallState::Connected,
                CallMode::Connected(ConnectedMode::ActiveHeld),
            );
        } else {
            self.set_state(id, CallState::Connected, CallMode::Connected(ConnectedMode::Active));
        }
    }

    /// The other party of an answered connection, or the caller of a ringing one.
    pub(crate) fn far(&self, id: CallId) -> Option<CallId> {
        let call = self.calls.get(id.0)?;
        let connection = self.connections.get(call.connection.0)?;
        if connection.stations.contains(&id) {
            // A station without a phone talks to nobody.
            call.leg?;
            let principals = self.principals(call.connection, call.shared.as_deref()?);
            let principal = principals.first()?;
            return if connection.caller == Some(*principal) {
                connection.answered
            } else {
                connection.caller
            };
        }
        if connection.caller == Some(id) { connection.answered } else { connection.caller }
    }

    /// Tells both lines and phones to whom they are connected (LINECALLINFOSTATE_CONNECTEDID).
    pub(crate) fn show_connected_parties(&mut self, connection: ConnectionKey) {
        let Some((caller, called)) = self.pair(connection) else { return };
        self.touch_call(caller);
        self.touch_call(called);
        for (near, far) in [(caller, called), (called, caller)] {
            self.identify_far(near);
            let Some(key) = self.calls.get(near.0).and_then(|call| call.tapi) else { continue };
            let party = self.party_of(far);
            self.tapi.call_info(
                self.clock.unix_ms,
                key,
                |info| info.connected = party,
                CallInfoState::ConnectedId,
            );
        }
    }

    /// Shows a failed attempt: BUSY or DISCONNECTED, kept for `[completion] keep_failed_call`.
    pub(crate) fn show_failure(&mut self, id: CallId, outcome: Outcome) {
        match outcome {
            Outcome::BusyStation => {
                self.set_state(id, CallState::Busy, CallMode::Busy(BusyMode::Station));
            }
            Outcome::BusyTrunk => {
                self.set_state(id, CallState::Busy, CallMode::Busy(BusyMode::Trunk));
            }
            Outcome::Disconnected(mode) => self.show_disconnected(id, mode),
        }
        self.touch_line_of(id);
        let keep = self.config.completion.keep_failed_call;
        self.set_call_timer(id, keep, Timer::KeepFailed(id));
    }

    /// LINECALLSTATE_DISCONNECTED with its mode.
    pub(crate) fn show_disconnected(&mut self, id: CallId, mode: DisconnectMode) {
        self.set_state(id, CallState::Disconnected, CallMode::Disconnected(mode));
    }

    /// Ends a call for good: IDLE, ports back, nothing refers to it any more. Its legs must have
    /// been released or be gone.
    pub(crate) fn finish(&mut self, id: CallId) {
        self.queue_call_finished(id);
        self.note_abandoned(id);
        self.touch_line_of(id);
        let recalled = self.completing.recalls.remove(&id);
        let camped = self.completing.camped.remove(&id);
        self.leave_slot(id);
        self.stop_listening(id);
        self.leave_conference(id);
        self.stop_seeking_for(id);
        let record = self.record_of(id);
        self.set_state(id, CallState::Idle, CallMode::None);
        let Some(mut call) = self.calls.remove(id.0) else { return };
        for token in [call.timer, call.ring_timer].into_iter().flatten() {
            self.timers.disarm(token);
        }
        for leg in call.legs.drain(..) {
            self.by_leg.remove(&leg);
            self.drop_dialog(leg);
        }
        let call_id = self.connections.get(call.connection.0).map_or(0, |c| c.call_id);
        let heard = self.end_media(call.party.number(), call_id, &mut call.end);
        call.history.heard(heard);
        self.keep_record(record, &call);
        if let Some(key) = call.tapi {
            self.by_tapi.remove(&key);
        }
        let partner = call.partner.filter(|partner| self.calls.contains(partner.0));
        if let Some(partner) = partner.and_then(|partner| self.calls.get_mut(partner.0)) {
            partner.partner = None;
        }
        if let Some(waiting) = call.waiting {
            let failed = Err(tapi::LineErr::OperationFailed);
            self.tapi.complete(self.clock.unix_ms, waiting.request(), failed);
        }
        if let Some(line) = call.party.line()
            && let Some(calls) = self.by_line.get_mut(line)
        {
            calls.retain(|other| *other != id);
        }
        if let Some(line) = call.party.line() {
            self.presence.touch_line(line);
            self.touch_desk(line);
        }
        self.forget_in_connection(call.connection, id);
        self.member_gone(id);
        if let Some(key) = partner.and_then(|parent| self.conference_of_parent(parent)) {
            self.apply_last_party_rule(key);
        }
        recalled.into_iter().for_each(|request| self.recall_ended(request));
        camped.into_iter().for_each(|request| self.turned_away(request));
    }

    pub(crate) fn forget_in_connection(&mut self, key: ConnectionKey, id: CallId) {
        self.transcoded.remove(&key);
        self.drop_reoffer(key, id);
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        connection.called.retain(|other| *other != id);
        connection.stations.retain(|other| *other != id);
        connection.caller = connection.caller.filter(|caller| *caller != id);
        connection.answered = connection.answered.filter(|answered| *answered != id);
        let is_over = connection.caller.is_none() && connection.called.is_empty();
        if is_over && connection.seek.is_none() {
            for station in connection.stations.clone() {
                self.end_station(station, DisconnectMode::Normal);
            }
            self.connections.remove(key.0);
        }
    }

    /// Gives the ports of a call back, which stays without a phone.
    pub(crate) fn drop_media(&mut self, id: CallId) {
        self.leave_conference(id);
        let Some(party) = self.calls.get(id.0).map(|call| call.party.clone()) else { return };
        let end = self.new_end(&party);
        let Some(call) = self.calls.get_mut(id.0) else { return };
        let mut former = std::mem::replace(&mut call.end, end);
        let call_id = self.connections.get(call.connection.0).map_or(0, |c| c.call_id);
        let heard = self.end_media(party.number(), call_id, &mut former);
        if let Some(call) = self.calls.get_mut(id.0) {
            call.history.heard(heard);
        }
    }

    /// Tells applications and events that a call has another dwCallID.
    pub(crate) fn tell_call_id(&mut self, id: CallId, call_id: u32, former: u32) {
        if former == call_id {
            return;
        }
        let fill = |info: &mut CallInfo| info.call_id = call_id;
        if let Some(key) = self.calls.get(id.0).and_then(|call| call.tapi) {
            self.tapi.call_info(self.clock.unix_ms, key, fill, CallInfoState::CallId);
        }
        if self.calls.get(id.0).is_some_and(|call| call.state != CallState::Unknown) {
            self.publish_move(id, former);
        }
    }

    /// Replaces the timer of the call's phase.
    pub(crate) fn set_call_timer(&mut self, id: CallId, delay: std::time::Duration, timer: Timer) {
        let token = self.arm(delay, timer);
        let previous = self.calls.get_mut(id.0).and_then(|call| call.timer.replace(token));
        if let Some(previous) = previous {
            self.timers.disarm(previous);
        }
    }

    /// Stops the timer of the call's phase.
    pub(crate) fn stop_call_timer(&mut self, id: CallId) {
        if let Some(token) = self.calls.get_mut(id.0).and_then(|call| call.timer.take()) {
            self.timers.disarm(token);
        }
    }

    /// Stops the repeated LINEDEVSTATE_RINGING.
    pub(crate) fn stop_ringing(&mut self, id: CallId) {
        if let Some(token) = self.calls.get_mut(id.0).and_then(|call| call.ring_timer.take()) {
            self.timers.disarm(token);
        }
    }

    /// A party whose partner left it in the switch's hands: connected, and held.
    pub(crate) fn show_left_alone(&mut self, id: CallId) {
        let held = CallMode::Connected(ConnectedMode::ActiveHeld);
        if self.calls.get(id.0).is_some_and(|call| call.state == CallState::Connected) {
            self.set_state(id, CallState::Connected, held);
        }
        self.refresh_capability(id);
    }

    /// The address our SDP names.
    pub(crate) fn media_address(&self) -> std::net::IpAddr {
        self.config.media.public_address.unwrap_or(self.config.media.address)
    }
}

/// LINECALLSTATE_OFFERING's usual mode.
pub(crate) const OFFERED: CallMode = CallMode::Offering(OfferingMode::Active);
