//! Shared lines: one address of several lines, with an appearance of each of its calls at each of them.
//!
//! The appearance that has the call is an ordinary party of the connection. The others are its
//! **stations**: calls without a phone that show what the one with the phone does, OFFERING while they
//! do not alert, CONNECTED (INACTIVE) while another station talks, ONHOLD while whoever talked
//! holds. They end with the last appearance that has the call. [`station`](super::station) takes and
//! joins calls. Source: TAPI LINEADDRESSSHARING_, LINECONNECTEDMODE_INACTIVE; tapi-call-control
//! §3.2, §3.4, §7.2; sip-mapping §2.3, §3.14.

use std::time::Duration;

use config::{Config, FeatureCode};
use sip_stack::message::{HeaderName, Message};
use sip_stack::uri::Uri;
use tapi::constant::{
    AddrCapFlag, AddrFeature, AddressSharing, CallFeature, CallFeature2, CallState, ConnectedMode,
    DisconnectMode, OfferingMode, RemoveFromConf,
};
use tapi::{AddressId, AddressSpec, CallMode, LineSpec, Offers};

use super::cause::Cause;
use super::fork::ELSEWHERE;
use super::identity::Identity;
use super::{Call, CallId, ConnectionKey, Origination, Party};
use crate::exchange::Exchange;
use crate::exchange::state::NewParty;
use crate::feature::forward::{Decision, Occasion};
use crate::route::{self, Target};

/// CONNECTED somewhere else.
pub(crate) const INACTIVE: CallMode = CallMode::Connected(ConnectedMode::Inactive);
/// CONNECTED somewhere else, and the far party holds.
const INACTIVE_HELD: CallMode = CallMode::Connected(ConnectedMode::InactiveHeld);
/// Offered, but this station does not alert.
const NOT_ALERTING: CallMode = CallMode::Offering(OfferingMode::Inactive);

/// What others see of an appearance.
#[derive(Clone, Debug)]
pub(crate) struct Appearance {
    pub(crate) key: ConnectionKey,
    /// The number of the shared line.
    pub(crate) number: String,
    /// The line whose appearance it is.
    pub(crate) line: String,
}

impl Call {
    /// The number by which others know this call's party: the shared line's on its appearances.
    pub(crate) fn number(&self) -> &str {
        self.shared.as_deref().unwrap_or_else(|| self.party.number())
    }
}

/// The shared lines that a line is a member of, in the order of their addresses.
pub(crate) fn shared_lines_of<'a>(
    config: &'a Config,
    line: &'a str,
) -> impl Iterator<Item = &'a config::SharedLine> {
    let is_member = move |shared: &&config::SharedLine| shared.members.iter().any(|m| m == line);
    config.shared_lines.values().filter(is_member)
}

/// The address of a line that has this number: 0 for its own.
pub(crate) fn address_of(config: &Config, line: &str, shared: Option<&str>) -> AddressId {
    let place = shared.and_then(|number| {
        shared_lines_of(config, line).position(|shared| shared.number == number)
    });
    AddressId(place.and_then(|place| u32::try_from(place + 1).ok()).unwrap_or(0))
}

/// Adds the shared lines that a line is a member of to its addresses.
pub(crate) fn add_shared_addresses(spec: &mut LineSpec, config: &Config, line: &config::Line) {
    let Some(own) = spec.addresses.first().cloned() else { return };
    for shared in shared_lines_of(config, &line.number) {
        let mut address = AddressSpec::new(&shared.number, config.line_defaults.max_calls);
        let conference =
            AddrCapFlag::ConfDrop | AddrCapFlag::ConferenceHeld | AddrCapFlag::ConferenceMake;
        address.cap_flags = own.cap_flags - conference;
        address.sharing = if shared.allow_join {
            AddressSharing::BridgedShared
        } else {
            AddressSharing::BridgedExcl
        };
        address.offers = shared_offers(own.offers.clone(), shared.allow_join);
        spec.addresses.push(address);
    }
}

/// A shared address has what a line's own has, but for what concerns the line alone: conferences
/// (others join instead), park slots to take from, and pickup of what rings elsewhere.
fn shared_offers(of_line: Offers, allows_join: bool) -> Offers {
    use CallFeature as Call;
    let elsewhere = AddrFeature::PickupDirect | AddrFeature::PickupGroup | AddrFeature::Unpark;
    let mut address_features = of_line.address_features - elsewhere;
    if !allows_join {
        address_features.insert(AddrFeature::PickupHeld);
    }
    let conference =
        Call::SetupConf | Call::PrepareAddConf | Call::AddToConf | Call::RemoveFromConf;
    Offers {
        call_features: of_line.call_features - conference,
        call_features2: of_line.call_features2
            - (CallFeature2::TransferConf | CallFeature2::NoHoldConference),
        address_features,
        max_conference: 0,
        max_transfer_conference: 0,
        remove_from_conference: RemoveFromConf::None,
        ..of_line
    }
}

impl Exchange {
    /// The shared line behind an address of a line; `None` for its own address.
    pub(crate) fn shared_at(&self, line: &str, address: AddressId) -> Option<String> {
        let place = usize::try_from(address.0).ok()?.checked_sub(1)?;
        shared_lines_of(&self.config, line).nth(place).map(|shared| shared.number.clone())
    }

    /// Name and number by which others know a party at an address.
    pub(crate) fn identity_at(&self, party: &Party, shared: Option<&str>) -> Identity {
        match shared {
            Some(number) => self.identity_of_number(number),
            None => Identity::of(&self.config, party),
        }
    }

    /// Which appearance a call is.
    pub(crate) fn appearance(&self, id: CallId) -> Option<Appearance> {
        let call = self.calls.get(id.0)?;
        Some(Appearance {
            key: call.connection,
            number: call.shared.clone()?,
            line: call.party.line()?.to_owned(),
        })
    }

    fn is_of(&self, id: CallId, number: &str) -> bool {
        self.calls.get(id.0).is_some_and(|call| call.shared.as_deref() == Some(number))
    }

    /// The appearances of a shared line that are parties of a connection: all that ring, then the
    /// one that has the call.
    pub(crate) fn principals(&self, key: ConnectionKey, number: &str) -> Vec<CallId> {
        let Some(connection) = self.connections.get(key.0) else { return Vec::new() };
        let all = connection.caller.into_iter().chain(connection.called.iter().copied());
        all.filter(|id| self.is_of(*id, number)).collect()
    }

    /// Its other appearances.
    pub(crate) fn stations(&self, key: ConnectionKey, number: &str) -> Vec<CallId> {
        let Some(connection) = self.connections.get(key.0) else { return Vec::new() };
        let all = connection.stations.iter().copied();
        all.filter(|id| self.is_of(*id, number)).collect()
    }

    /// Whether a call is an appearance beside the one that has the call.
    pub(crate) fn is_station(&self, id: CallId) -> bool {
        let call = self.calls.get(id.0);
        let connection = call.and_then(|call| self.connections.get(call.connection.0));
        connection.is_some_and(|connection| connection.stations.contains(&id))
    }

    /// Whether it only shows what another station does: it has no phone.
    pub(crate) fn is_bystander(&self, id: CallId) -> bool {
        self.is_station(id) && self.calls.get(id.0).is_some_and(|call| call.leg.is_none())
    }

    /// Whether one more call fits on a shared line; it may have as many as any other address.
    pub(crate) fn has_shared_appearance(&self, number: &str) -> bool {
        let Some(shared) = self.config.shared_lines.get(number) else { return false };
        let calls = shared.members.iter().flat_map(|member| self.by_line.get(member));
        let mut used: Vec<ConnectionKey> = Vec::new();
        for call in calls.flatten().filter_map(|id| self.calls.get(id.0)) {
            let counts = call.shared.as_deref() == Some(number)
                && !matches!(call.state, CallState::Unknown | CallState::Idle);
            if counts && !used.contains(&call.connection) {
                used.push(call.connection);
            }
        }
        used.len() < usize::try_from(self.config.line_defaults.max_calls).unwrap_or(usize::MAX)
    }

    /// Whether an address can take one more call: the shared line's, or the line's own.
    pub(crate) fn has_room(&self, line: &str, shared: Option<&str>) -> bool {
        match shared {
            Some(number) => self.has_shared_appearance(number),
            None => self.has_appearance(line),
        }
    }

    /// The shared line on whose behalf a phone calls: it names it in From or in
    /// P-Preferred-Identity (RFC 3325), dials the code that takes a held call, or names a dialog
    /// of it in Replaces.
    pub(crate) fn shared_of_invite(
        &self,
        line: &str,
        message: &Message,
        dialled: &str,
    ) -> Option<String> {
        let is_member = |number: &String| {
            let shared = self.config.shared_lines.get(number);
            shared.is_some_and(|shared| shared.members.iter().any(|member| member == line))
        };
        let user = |uri: &str| Uri::parse(uri).ok().and_then(|uri| uri.user_decoded());
        let from = message.from().ok().and_then(|from| user(from.uri));
        let preferred = message.header_named("P-Preferred-Identity");
        let preferred = preferred
            .and_then(|value| sip_stack::header::NameAddr::parse(value).ok())
            .and_then(|address| user(address.uri));
        let replaced = message.header(HeaderName::Replaces).and_then(|value| self.shared_of(value));
        if replaced.is_some() {
            return replaced.filter(is_member);
        }
        if let Target::Feature { code: FeatureCode::PickupHeld, argument } =
            route::resolve(&self.config, dialled)
        {
            let held = self.held_for(line, argument).ok()?;
            return self.calls.get(held.0)?.shared.clone();
        }
        from.filter(is_member).or(preferred.filter(is_member))
    }

    /// Whether the address from which a phone calls has an appearance for it. Who comes back to a
    /// call of a shared line needs none.
    pub(crate) fn has_place(
        &self,
        line: &str,
        shared: Option<&str>,
        message: &Message,
        dialled: &str,
    ) -> bool {
        let comes_back = shared.is_some()
            && (shared == Some(dialled)
                || message.header(HeaderName::Replaces).is_some()
                || self.takes_held(dialled));
        comes_back || self.has_room(line, shared)
    }

    /// Whether a number is the code that takes a held call of a shared line.
    pub(crate) fn takes_held(&self, dialled: &str) -> bool {
        let target = route::resolve(&self.config, dialled);
        matches!(target, Target::Feature { code: FeatureCode::PickupHeld, .. })
    }

    /// A shared line is called: forwarded, or rung at all its members.
    ///
    /// Errors: the cause why nobody is called.
    pub(crate) fn reach_shared(
        &mut self,
        key: ConnectionKey,
        source: CallId,
        number: &str,
    ) -> Result<(), Cause> {
        match self.decide(key, source, number, Occasion::Always) {
            Decision::None => {}
            Decision::Refuse => return Err(Cause::DO_NOT_DISTURB),
            Decision::Forward { destination, reason } => {
                let hop =
                    super::diversion::Hop { from: number.to_owned(), to: destination, reason };
                self.check_hop(key, source, &hop)?;
                return self.divert(key, source, hop);
            }
        }
        let ring_time = self.ring_time(key, source, number)?;
        let Err(cause) = self.ring_members(key, source, number, ring_time) else { return Ok(()) };
        let hop = self.next_hop(key, source, number, cause)?;
        self.divert(key, source, hop)
    }

    /// Rings the phones of all members but the caller. Members that cannot be rung see the call
    /// OFFERING without alerting.
    fn ring_members(
        &mut self,
        key: ConnectionKey,
        source: CallId,
        number: &str,
        ring_time: Duration,
    ) -> Result<(), Cause> {
        let shared = self.config.shared_lines.get(number).cloned();
        let shared = shared.ok_or(Cause::UNKNOWN_NUMBER)?;
        if !self.has_shared_appearance(number) || self.is_of(source, number) {
            return Err(Cause::NO_APPEARANCE);
        }
        let caller = self.calls.get(source.0).and_then(|call| call.party.line().map(str::to_owned));
        let mut best: Option<Cause> = None;
        for member in shared.members.iter().filter(|member| Some(*member) != caller.as_ref()) {
            let rung = if self.is_undisturbed(member, source) {
                Err(Cause::DO_NOT_DISTURB)
            } else if self.is_secured(member) {
                Err(Cause::NO_APPEARANCE)
            } else {
                self.call_appearance(key, source, (member, Some(number)), ring_time)
            };
            if let Err(cause) = rung {
                best = Some(best.map_or(cause, |best| best.better_of(cause)));
            }
        }
        match self.principals(key, number).first() {
            Some(first) => {
                self.show_at_members(*first, CallState::Offering, NOT_ALERTING);
                Ok(())
            }
            None => Err(best.unwrap_or(Cause::NOT_REGISTERED)),
        }
    }

    /// A phone or an application has taken the shared line, to call from it or by answering: the
    /// members that do not see the call yet see that it is in use.
    pub(crate) fn seize(&mut self, id: CallId) {
        use CallState::{Disconnected, Idle};
        let is_alive = |call: &Call| !matches!(call.state, Disconnected | Idle);
        let is_used = self.calls.get(id.0).is_some_and(|c| c.shared.is_some() && is_alive(c));
        if is_used && !self.is_station(id) {
            self.show_at_members(id, CallState::Connected, INACTIVE);
        }
    }

    /// Makes an appearance of the call at each member that has none.
    pub(crate) fn show_at_members(&mut self, id: CallId, state: CallState, mode: CallMode) {
        let Some(Appearance { key, number, .. }) = self.appearance(id) else { return };
        let Some(side) = self.calls.get(id.0).map(|call| call.side) else { return };
        let Some(shared) = self.config.shared_lines.get(&number).cloned() else { return };
        for member in shared.members {
            if self.is_present(key, &member) {
                continue;
            }
            let party = NewParty {
                connection: key,
                side,
                party: Party::Line(member),
                origination: Origination::Phone,
                state,
                mode,
                tapi: None,
            };
            let station = self.new_station(party, &number);
            self.refresh_capability(station);
        }
    }

    /// Whether a line takes part in a connection in any way.
    fn is_present(&self, key: ConnectionKey, line: &str) -> bool {
        let Some(connection) = self.connections.get(key.0) else { return true };
        let parties = connection.caller.iter().chain(&connection.called);
        let mut all = parties.chain(&connection.stations);
        all.any(|id| self.calls.get(id.0).is_some_and(|call| call.party.line() == Some(line)))
    }

    /// Another station has answered: this one stops ringing and shows the call.
    pub(crate) fn stand_by(&mut self, id: CallId) {
        self.stop_call_timer(id);
        self.stop_ringing(id);
        self.release_with(id, ELSEWHERE);
        self.give_up_seat(id);
    }

    /// The appearance has no phone and no media any more, and another one may take its place.
    pub(crate) fn give_up_seat(&mut self, id: CallId) {
        self.drop_media(id);
        let Some(call) = self.calls.get_mut(id.0) else { return };
        call.hold = super::Hold::default();
        call.errand = None;
        call.refusal = None;
        let key = call.connection;
        if let Some(waiting) = call.waiting.take() {
            let failed = Err(tapi::LineErr::OperationFailed);
            self.tapi.complete(self.clock.unix_ms, waiting.request(), failed);
        }
        let Some(connection) = self.connections.get_mut(key.0) else { return };
        connection.called.retain(|other| *other != id);
        connection.caller = connection.caller.filter(|caller| *caller != id);
        connection.answered = connection.answered.filter(|answered| *answered != id);
        if !connection.stations.contains(&id) {
            connection.stations.push(id);
        }
    }

    /// Brings all appearances in line with the one that has changed. Called wherever a call
    /// changes its state.
    pub(crate) fn stations_follow(&mut self, id: CallId) {
        if self.is_bystander(id) {
            return;
        }
        let Some(Appearance { key, number, .. }) = self.appearance(id) else { return };
        let stations = self.stations(key, &number);
        if stations.is_empty() {
            return;
        }
        let principals = self.principals(key, &number);
        let state = |id: &CallId| self.calls.get(id.0).map_or(CallState::Idle, |call| call.state);
        let is_over = |id: &CallId| {
            let over = [CallState::Idle, CallState::Disconnected, CallState::Busy];
            over.contains(&state(id))
        };
        if principals.iter().all(is_over) {
            let mode = match self.calls.get(id.0).map(|call| call.mode) {
                Some(CallMode::Disconnected(mode)) => mode,
                _ => DisconnectMode::Normal,
            };
            return stations.into_iter().for_each(|station| self.end_station(station, mode));
        }
        let is_ringing = |id| matches!(state(id), CallState::Offering | CallState::Accepted);
        if principals.iter().any(is_ringing) {
            return;
        }
        let has_talked = |id| matches!(state(id), CallState::Connected | CallState::OnHold);
        let is_on_hold = principals.iter().all(has_talked) && !self.has_talker(key, &number);
        let is_far_held = principals
            .first()
            .and_then(|principal| self.far(*principal))
            .and_then(|far| self.calls.get(far.0))
            .is_some_and(Call::is_away);
        let (state, mode) = match (is_on_hold, is_far_held) {
            (true, _) => (CallState::OnHold, CallMode::None),
            (false, true) => (CallState::Connected, INACTIVE_HELD),
            (false, false) => (CallState::Connected, INACTIVE),
        };
        for other in principals.into_iter().chain(stations) {
            let is_passive = self.is_bystander(other)
                || self.calls.get(other.0).is_some_and(|c| c.leg.is_some() && c.hold.is_held());
            if other != id && is_passive {
                self.set_state(other, state, mode);
                self.refresh_capability(other);
            }
        }
    }

    /// Whether somebody at a shared line talks.
    pub(crate) fn has_talker(&self, key: ConnectionKey, number: &str) -> bool {
        let all = self.principals(key, number).into_iter().chain(self.stations(key, number));
        let mut calls = all.filter_map(|id| self.calls.get(id.0));
        calls.any(|call| {
            call.state == CallState::Connected && call.leg.is_some() && !call.hold.is_held()
        })
    }

    /// Nobody has the call any more, or none that this appearance could show.
    pub(crate) fn end_station(&mut self, id: CallId, mode: DisconnectMode) {
        self.release_with(id, "Q.850;cause=16");
        if let Some(call) = self.calls.get_mut(id.0) {
            call.errand = None;
        }
        self.show_disconnected(id, mode);
        self.finish(id);
    }

    /// The stations of a call that moves to another connection move with it.
    pub(crate) fn move_stations(&mut self, id: CallId, to: ConnectionKey) {
        let Some(Appearance { key, number, .. }) = self.appearance(id) else { return };
        for station in self.stations(key, &number) {
            let former = self.connections.get(key.0).map_or(0, |from| from.call_id);
            if let Some(from) = self.connections.get_mut(key.0) {
                from.stations.retain(|other| *other != station);
            }
            let Some(connection) = self.connections.get_mut(to.0) else { continue };
            connection.stations.push(station);
            let call_id = connection.call_id;
            if let Some(call) = self.calls.get_mut(station.0) {
                call.connection = to;
            }
            self.tell_call_id(station, call_id, former);
        }
    }
}
