//! What surrounds a call: its siblings, its partner in a transfer, its conference.

use crate::constant::{
    AddrCapFlag, AddrFeature, AddressSharing, CallComplCond, CallFeature, CallOrigin,
    CallPrivilege, CallState, LineErr, Mask, RemoveFromConf,
};
use crate::feature::{self, AddressSituation, CallSituation, Surroundings};
use crate::model::{AddressId, AddressSpec, Call, CallKey, CallMode, DeviceId, Line};
use crate::server::Server;

impl Server {
    /// What the features of a call depend on.
    pub(crate) fn call_situation(&self, key: CallKey, privilege: CallPrivilege) -> CallSituation {
        let call = self.calls.get(key);
        let line = call.and_then(|call| self.lines.get(call.line.0 as usize));
        let spec = call.and_then(|call| line.and_then(|line| line.address(call.address)));
        let offers = spec.map(|spec| &spec.offers);
        CallSituation {
            state: call.map_or(CallState::Idle, |call| call.state),
            mode: call.map_or(CallMode::None, |call| call.mode),
            capability: call.map(|call| call.capability).unwrap_or_default(),
            privilege,
            is_in_service: line.is_some_and(|line| line.is_in_service),
            takes_digits: call.is_some_and(|call| call.takes_digits),
            offered: offers.map_or(Mask::EMPTY, feature::offered_call_features),
            offered2: offers.map_or(Mask::EMPTY, feature::offered_call_features2),
            around: match (call, spec) {
                (Some(call), Some(spec)) => self.surroundings(key, call, spec),
                _ => Surroundings::default(),
            },
        }
    }

    fn surroundings(&self, key: CallKey, call: &Call, spec: &AddressSpec) -> Surroundings {
        let here: Vec<(CallKey, &Call)> =
            self.line_calls(call.line).filter(|(other, _)| *other != key).collect();
        let at_address = || here.iter().filter(|(_, other)| other.address == call.address);
        let counts = self.address_counts(call.line, call.address);
        let conference = here.iter().find(|(parent, _)| self.can_join(*parent, key));
        let of_parent = if call.is_conference() { Some(key) } else { conference.map(|(k, _)| *k) };
        let offers = &spec.offers;
        let (transfer, can_confer) = self.transfer_state(key, &here);
        Surroundings {
            has_active_sibling: at_address()
                .any(|(other, sibling)| sibling.is_active() && !self.are_related(key, *other)),
            has_room_on_hold: counts.on_hold < spec.max_calls,
            has_room_to_consult: counts.on_hold_pend < offers.max_on_hold_pending
                && self.calls_in_use(call.line, call.address) < spec.max_calls
                && !self.is_calling_without_hold(call.line),
            can_swap: at_address()
                .any(|(other, _)| self.can_swap(key, *other) || self.can_swap(*other, key)),
            transfer,
            can_confer,
            can_join: conference.is_some(),
            has_room_in_conference: of_parent
                .is_some_and(|parent| self.parties(parent) < offers.max_conference),
            is_conference: call.is_conference(),
            is_consultation: self.consulted_by(key).is_some(),
            can_be_removed: self.can_be_removed(key, call, spec),
            is_first_member: self.is_first_member(key, call),
            has_stored_info: !call.info.user_user_info.is_empty(),
            completes_on: if offers.completion.max > 0 {
                offers.completion.conditions
            } else {
                Mask::<CallComplCond>::EMPTY
            },
        }
    }

    /// The calls of a line that the applications know of.
    pub(crate) fn line_calls(&self, device: DeviceId) -> impl Iterator<Item = (CallKey, &Call)> {
        let keys = self.lines.get(device.0 as usize).map_or(&[][..], |line| &line.calls);
        keys.iter()
            .filter_map(|key| self.calls.get(*key).map(|call| (*key, call)))
            .filter(|(_, call)| call.creation.is_none())
    }

    fn cap_flags(&self, call: &Call) -> Mask<AddrCapFlag> {
        let line = self.lines.get(call.line.0 as usize);
        line.and_then(|line| line.address(call.address)).map_or(Mask::EMPTY, |a| a.cap_flags)
    }

    /// The call that this one was begun for, while one of them waits for the other.
    pub(crate) fn consulted_by(&self, key: CallKey) -> Option<CallKey> {
        let call = self.calls.get(key)?;
        let first = call.consults?;
        let other = self.calls.get(first)?;
        let is_waiting = |call: &Call| {
            call.is_on_hold_pending() || (call.is_conference() && call.state == CallState::Unknown)
        };
        let is_over = call.state == CallState::Conferenced || other.state == CallState::Idle;
        (!is_over && (is_waiting(call) || is_waiting(other))).then_some(first)
    }

    /// Whether a party is being called for a conference that nobody was held for
    /// (NOHOLDCONFERENCE): no other consultation begins meanwhile.
    fn is_calling_without_hold(&self, device: DeviceId) -> bool {
        let is_open = |parent: CallKey| {
            self.calls.get(parent).is_some_and(|parent| {
                parent.is_conference()
                    && matches!(parent.state, CallState::Unknown | CallState::Connected)
            })
        };
        let is_over = |call: &Call| {
            use CallState::{Conferenced, Disconnected, Idle};
            matches!(call.state, Conferenced | Disconnected | Idle) || call.is_on_hold_pending()
        };
        self.line_calls(device)
            .any(|(_, call)| !is_over(call) && call.consults.is_some_and(is_open))
    }

    /// Whether the held call can take the active one's place, and that one its kind of hold: what
    /// waits for a consultation changes places with its own one only.
    pub(crate) fn can_swap(&self, active: CallKey, held: CallKey) -> bool {
        let (Some(one), Some(other)) = (self.calls.get(active), self.calls.get(held)) else {
            return false;
        };
        let is_able = |call: &Call| !call.capability.unavailable.contains(CallFeature::SwapHold);
        one.is_active()
            && other.is_on_hold()
            && is_able(one)
            && is_able(other)
            && one.line == other.line
            && one.address == other.address
            && (other.state == CallState::OnHold || self.are_related(active, held))
    }

    /// Whether a call and a third one wait for each other.
    fn is_related_elsewhere(&self, key: CallKey, to: CallKey) -> bool {
        let Some(call) = self.calls.get(key) else { return false };
        let mut others = self.line_calls(call.line).map(|(other, _)| other);
        others.any(|other| other != key && other != to && self.are_related(key, other))
    }

    fn are_related(&self, one: CallKey, other: CallKey) -> bool {
        self.consulted_by(one) == Some(other) || self.consulted_by(other) == Some(one)
    }

    /// Whether a call on hold and another one are the halves of a possible transfer. A busy
    /// party counts only where the address transfers to it.
    pub(crate) fn is_transfer_pair(&self, held: CallKey, active: CallKey) -> bool {
        let (Some(first), Some(second)) = (self.calls.get(held), self.calls.get(active)) else {
            return false;
        };
        let flags = self.cap_flags(first);
        let is_held = match first.state {
            CallState::OnHoldPendTransfer => true,
            CallState::OnHold => flags.contains(AddrCapFlag::TransferHeld),
            _ => false,
        };
        let is_right = match second.state {
            CallState::Connected => second.is_active(),
            CallState::Ringback | CallState::Proceeding | CallState::Busy => true,
            _ => false,
        };
        let needed = match second.info.origin {
            CallOrigin::Outbound => AddrCapFlag::TransferMake,
            _ => AddrCapFlag::TransferHeld,
        };
        let is_own = self.are_related(held, active);
        let is_any = flags.contains(needed)
            && first.state == CallState::OnHold
            && !self.is_related_elsewhere(held, active)
            && !self.is_related_elsewhere(active, held);
        // Out of a room nobody can be sent; whoever is consulted can be sent there.
        let is_party = !first.capability.is_alone
            || (second.state == CallState::Connected && !second.capability.is_alone);
        let is_able =
            |call: &Call| !call.capability.unavailable.contains(CallFeature::CompleteTransf);
        is_held
            && is_right
            && is_able(first)
            && is_able(second)
            && is_party
            && first.line == second.line
            && !first.is_conference()
            && !second.is_conference()
            && (is_own || is_any)
    }

    /// Whether such a pair can become a conference: both parties are there and talk.
    pub(crate) fn can_confer(&self, held: CallKey, active: CallKey) -> bool {
        let is_there = |key| self.calls.get(key).is_some_and(|call| !call.capability.is_alone);
        let is_connected =
            self.calls.get(active).is_some_and(|call| call.state == CallState::Connected);
        self.is_transfer_pair(held, active) && is_connected && is_there(held) && is_there(active)
    }

    /// State of the consultation half of the best transfer that the call can be part of, and
    /// whether one of them can become a conference.
    fn transfer_state(&self, key: CallKey, here: &[(CallKey, &Call)]) -> (Option<CallState>, bool) {
        let Some(call) = self.calls.get(key) else { return (None, false) };
        let line = self.lines.get(call.line.0 as usize);
        let Some(spec) = line.and_then(|line| line.address(call.address)) else {
            return (None, false);
        };
        let to_busy = spec.offers.transfers_to_busy;
        let can_confer = here
            .iter()
            .any(|(other, _)| self.can_confer(key, *other) || self.can_confer(*other, key));
        let states = here.iter().filter_map(|(other, sibling)| {
            if self.is_transfer_pair(key, *other) {
                Some(sibling.state)
            } else if self.is_transfer_pair(*other, key) {
                Some(call.state)
            } else {
                None
            }
        });
        let possible = states.filter(|state| to_busy || *state != CallState::Busy);
        (possible.max_by_key(|state| *state == CallState::Connected), can_confer)
    }

    /// The members of a conference, in the order in which they came to the line.
    pub(crate) fn members(&self, conference: CallKey) -> Vec<CallKey> {
        let Some(parent) = self.calls.get(conference) else { return Vec::new() };
        let is_member = |call: &Call| {
            call.state == CallState::Conferenced && call.mode == CallMode::Conferenced(conference)
        };
        let mut members: Vec<(u64, CallKey)> = self
            .line_calls(parent.line)
            .filter(|(_, call)| is_member(call))
            .map(|(key, call)| (call.joined, key))
            .collect();
        members.sort_unstable();
        members.into_iter().map(|(_, key)| key).collect()
    }

    /// Parties of a conference, this station included.
    fn parties(&self, conference: CallKey) -> u32 {
        u32::try_from(self.members(conference).len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Whether a conference waits for a call like this one, its room aside.
    pub(crate) fn can_join(&self, conference: CallKey, key: CallKey) -> bool {
        let (Some(parent), Some(call)) = (self.calls.get(conference), self.calls.get(key)) else {
            return false;
        };
        let flags = self.cap_flags(parent);
        let is_open = match parent.state {
            CallState::OnHoldPendConf => true,
            CallState::OnHold => flags.contains(AddrCapFlag::ConferenceHeld),
            _ => false,
        };
        let is_right = match call.state {
            CallState::Connected => call.is_active(),
            CallState::Ringback | CallState::Proceeding => true,
            CallState::OnHold => flags.contains(AddrCapFlag::ConferenceHeld),
            _ => false,
        };
        let is_its_own = self.consulted_by(key) == Some(conference);
        let is_allowed = is_its_own || flags.contains(AddrCapFlag::ConferenceMake);
        parent.is_conference()
            && is_open
            && is_right
            && parent.line == call.line
            && !call.is_conference()
            && !call.capability.is_alone
            && !self.is_related_elsewhere(key, conference)
            && is_allowed
    }

    fn can_be_removed(&self, key: CallKey, call: &Call, spec: &AddressSpec) -> bool {
        let CallMode::Conferenced(parent) = call.mode else { return false };
        match spec.offers.remove_from_conference {
            RemoveFromConf::None => false,
            RemoveFromConf::Last => self.members(parent).last() == Some(&key),
            RemoveFromConf::Any => true,
        }
    }

    /// Whether the call is the only member of a conference that is being set up, so that taking
    /// it back ends the conference.
    fn is_first_member(&self, key: CallKey, call: &Call) -> bool {
        let CallMode::Conferenced(parent) = call.mode else { return false };
        let is_set_up = self.calls.get(parent).is_some_and(|parent| {
            parent.state == CallState::OnHoldPendConf && parent.line == call.line
        });
        is_set_up && self.members(parent) == [key]
    }

    /// What the features of an address depend on.
    pub(crate) fn address_situation(
        &self,
        device: DeviceId,
        line: &Line,
        address: AddressId,
    ) -> AddressSituation {
        let spec = line.address(address);
        let offered = spec.map_or(Mask::EMPTY, |s| feature::offered_address_features(&s.offers));
        AddressSituation {
            is_in_service: line.is_in_service,
            calls: self.calls_in_use(device, address),
            max_calls: spec.map_or(0, |address| address.max_calls),
            is_shared: spec.is_some_and(|address| address.sharing != AddressSharing::Private),
            offered,
            has_completions: line.completions.values().any(|of| *of == address),
            has_held_elsewhere: offered.contains(AddrFeature::PickupHeld)
                && spec.is_some_and(|spec| self.has_held_appearance(device, spec)),
            has_waiting: self.line_calls(device).any(|(_, call)| {
                call.address == address
                    && matches!(call.state, CallState::Offering | CallState::Accepted)
            }),
        }
    }

    /// Whether an exclusively bridged address has a call on hold at another line.
    fn has_held_appearance(&self, device: DeviceId, spec: &AddressSpec) -> bool {
        let others = (0u32..)
            .map(DeviceId)
            .zip(&self.lines)
            .filter(|(id, line)| *id != device && !line.is_removed && !line.calls.is_empty());
        let holds = |(id, line): (DeviceId, &Line)| {
            self.line_calls(id).any(|(_, call)| {
                call.state == CallState::OnHold
                    && line.address(call.address).is_some_and(|a| a.number == spec.number)
            })
        };
        spec.sharing == AddressSharing::BridgedExcl && { others }.any(holds)
    }

    /// Whether an operation on calls is offered on some address of a line.
    pub(super) fn line_offers(&self, device: DeviceId, feature: CallFeature) -> bool {
        let line = self.lines.get(device.0 as usize);
        line.is_some_and(|line| {
            let mut all = line.spec.addresses.iter();
            all.any(|a| feature::offered_call_features(&a.offers).contains(feature))
        })
    }

    /// Whether an operation is offered on some address of a line.
    pub(super) fn line_offers_address(&self, device: DeviceId, feature: AddrFeature) -> bool {
        let line = self.lines.get(device.0 as usize);
        line.is_some_and(|line| {
            let mut all = line.spec.addresses.iter();
            all.any(|a| feature::offered_address_features(&a.offers).contains(feature))
        })
    }

    /// Whether a completed transfer finds room for its conference.
    pub(super) fn check_transfer_conference(&self, held: &Call) -> Result<(), LineErr> {
        /// The two far parties and this one.
        const PARTIES: u32 = 3;
        let line = self.lines.get(held.line.0 as usize);
        let spec = line.and_then(|line| line.address(held.address));
        let max = spec.map_or(0, |spec| spec.offers.max_transfer_conference);
        if max >= PARTIES { Ok(()) } else { Err(LineErr::OperationUnavail) }
    }
}
