//! Operations on an address and on a line.

use crate::constant::{AddrFeature, LineFeature, Mask};
use crate::model::{FORWARDS, LineOffers, Offers, PICKUPS};

/// What the features of an address depend on.
#[derive(Clone, Copy, Debug)]
pub struct AddressSituation {
    /// Whether the line is in service.
    pub is_in_service: bool,
    /// Call appearances in use.
    pub calls: u32,
    /// How many there may be.
    pub max_calls: u32,
    /// Whether other lines have the address, too.
    pub is_shared: bool,
    /// What is offered on the address.
    pub offered: Mask<AddrFeature>,
    /// Whether a completion request of the address is outstanding.
    pub has_completions: bool,
    /// Whether another appearance of a bridged address has a call on hold.
    pub has_held_elsewhere: bool,
    /// Whether a call is offered here that waits for its answer.
    pub has_waiting: bool,
}

/// LINEADDRESSCAPS.dwAddressFeatures: what can ever be done on an address.
pub fn offered_address_features(offers: &Offers) -> Mask<AddrFeature> {
    let mut features = offers.offered_address_features();
    if offers.makes_calls {
        features.insert(AddrFeature::MakeCall);
    }
    features
}

/// LINEADDRESSSTATUS.dwAddressFeatures: what can be done on an address now.
pub fn address_features(address: &AddressSituation) -> Mask<AddrFeature> {
    use AddrFeature as F;
    let mut possible = FORWARDS | F::Forward;
    if address.is_in_service {
        let has_room = address.calls < address.max_calls;
        if has_room {
            possible = possible | F::MakeCall | F::Unpark | F::PickupDirect | F::PickupGroup;
        }
        if address.calls + 1 < address.max_calls {
            possible.insert(F::SetupConf);
        }
        if has_room && address.has_held_elsewhere {
            possible.insert(F::PickupHeld);
        }
        if has_room || address.has_waiting {
            possible.insert(F::PickupWaiting);
        }
        if address.has_completions {
            possible.insert(F::UncompleteCall);
        }
    }
    // Without a refinement PICKUP says that every way of it may work.
    let has_pickup = if address.offered.intersects(PICKUPS) {
        (address.offered & possible).intersects(PICKUPS)
    } else {
        possible.contains(F::PickupDirect)
    };
    if has_pickup {
        possible.insert(F::Pickup);
    }
    address.offered & possible
}

/// LINEDEVCAPS.dwLineFeatures: what can ever be done on a line.
pub fn offered_line_features(
    line: &LineOffers,
    addresses: impl IntoIterator<Item = Mask<AddrFeature>>,
) -> Mask<LineFeature> {
    let mut every = Mask::<AddrFeature>::all();
    let mut any = Mask::<AddrFeature>::EMPTY;
    for address in addresses {
        every = every & address;
        any |= address;
    }
    let mut features = Mask::EMPTY;
    if any.contains(AddrFeature::MakeCall) {
        features.insert(LineFeature::MakeCall);
    }
    for (of_address, of_line) in [
        (AddrFeature::Forward, LineFeature::Forward),
        (AddrFeature::ForwardFwd, LineFeature::ForwardFwd),
        (AddrFeature::ForwardDnd, LineFeature::ForwardDnd),
    ] {
        if every.contains(of_address) {
            features.insert(of_line);
        }
    }
    if !line.settable_status.is_empty() {
        features.insert(LineFeature::SetDevStatus);
    }
    features
}

/// LINEDEVSTATUS.dwLineFeatures: a call can be made while an address of the line alone can make one
/// (a shared one has to be named), and all addresses can be forwarded while each can.
pub fn line_features(
    line: &LineOffers,
    addresses: impl IntoIterator<Item = AddressSituation>,
) -> Mask<LineFeature> {
    let all: Vec<AddressSituation> = addresses.into_iter().collect();
    let can_call = all.iter().any(|address| {
        !address.is_shared && address_features(address).contains(AddrFeature::MakeCall)
    });
    let now = all.iter().map(address_features);
    let mut features = offered_line_features(line, now);
    if !can_call {
        features.remove(LineFeature::MakeCall);
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;
    use AddrFeature as F;

    fn situation(calls: u32, offers: &Offers) -> AddressSituation {
        AddressSituation {
            is_in_service: true,
            calls,
            max_calls: 2,
            is_shared: false,
            offered: offered_address_features(offers),
            has_completions: false,
            has_held_elsewhere: false,
            has_waiting: false,
        }
    }

    #[test]
    fn a_call_can_be_made_while_the_line_is_in_service_and_an_appearance_is_free() {
        let (offers, none) = (Offers::default(), LineOffers::default());
        let free = situation(1, &offers);
        let full = situation(2, &offers);
        let dead = AddressSituation { is_in_service: false, ..free };
        assert_eq!(address_features(&free), F::MakeCall.into());
        assert!(address_features(&full).is_empty() && address_features(&dead).is_empty());
        assert_eq!(line_features(&none, [full, free]), LineFeature::MakeCall.into());
        assert!(line_features(&none, [full, dead]).is_empty());
        let shared = AddressSituation { is_shared: true, ..free };
        assert!(line_features(&none, [full, shared]).is_empty(), "it has to be named");
    }

    #[test]
    fn what_is_offered_appears_when_it_is_possible() {
        let offers = Offers::full();
        let forwards = F::Forward | F::ForwardFwd | F::ForwardDnd;
        let pickups = F::Pickup | F::PickupGroup | F::PickupDirect | F::PickupWaiting;
        let free = situation(0, &offers);
        assert_eq!(address_features(&free), forwards | pickups | F::MakeCall | F::Unpark);
        let full = situation(2, &offers);
        assert_eq!(address_features(&full), forwards);
        let waiting = AddressSituation { has_waiting: true, ..full };
        assert_eq!(address_features(&waiting), forwards | F::Pickup | F::PickupWaiting);
        let completing = AddressSituation { has_completions: true, ..full };
        assert_eq!(address_features(&completing), forwards | F::UncompleteCall);
        let dead = AddressSituation { is_in_service: false, ..free };
        assert_eq!(address_features(&dead), forwards);
    }

    #[test]
    fn held_pickup_needs_a_held_call_and_takes_the_base_bit_with_it() {
        let offers = Offers { address_features: F::PickupHeld.into(), ..Offers::default() };
        let none = situation(0, &offers);
        assert_eq!(address_features(&none), F::MakeCall.into());
        let held = AddressSituation { has_held_elsewhere: true, ..none };
        assert_eq!(address_features(&held), F::MakeCall | F::Pickup | F::PickupHeld);
    }

    #[test]
    fn a_line_is_forwarded_when_all_its_addresses_can_be() {
        let (full, plain) = (situation(0, &Offers::full()), situation(0, &Offers::default()));
        let all = LineOffers::full();
        let features = line_features(&all, [full]);
        assert!(features.contains(LineFeature::Forward));
        assert!(features.contains(LineFeature::SetDevStatus));
        assert!(!line_features(&all, [full, plain]).contains(LineFeature::Forward));
    }
}
