//! Park, unpark and pickup.

use crate::constant::{
    AddrCapFlag, AddrFeature, CallFeature, CallFeature2, CallOrigin, CallReason, LineErr, ParkMode,
};
use crate::feature;
use crate::model::{AddressId, Call, CallInfo, DeviceId};
use crate::server::{Created, Fault, Purpose, Server};

use super::dial_string::number;
use super::lookup::check_owner;
use super::{Asked, Intent, Outcome, PickupTarget};

/// linePark: to the slot that is named, or to one that the provider finds.
pub(super) fn park(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let text = asked.params.opt_text("dirAddress", LineErr::InvalAddress)?;
    check_owner(&held)?;
    let mode = asked.params.constant::<ParkMode>("parkMode", LineErr::InvalParkMode)?;
    server.check_variant(
        &held,
        match mode {
            ParkMode::Directed => CallFeature2::ParkDirect,
            ParkMode::NonDirected => CallFeature2::ParkNonDirect,
        },
    )?;
    server.check_feature(&held, CallFeature::Park)?;
    let slot = match mode {
        ParkMode::Directed => Some(number(text.unwrap_or_default(), &server.config.domain)?),
        ParkMode::NonDirected => None,
    };
    Ok(held.begin(Intent::Park { call: held.key, slot }, Purpose::Other))
}

/// Where a call is to be made that takes over one from elsewhere.
struct Place {
    h_line: u32,
    device: DeviceId,
    address: AddressId,
}

/// The line and address of the request, where the operation is offered.
fn place(server: &Server, asked: Asked<'_>, needed: &[AddrFeature]) -> Result<Place, Fault> {
    let (h_line, open) = server.open_line(asked)?;
    let (device, line) = server.visible_line(asked, open.device)?;
    let address = server.address(asked, line)?;
    let situation = server.address_situation(device, line, address);
    let is_any = |feature: &AddrFeature| situation.offered.contains(*feature);
    if !needed.iter().any(is_any) {
        let detail = "The operation is not offered on this address.";
        return Err(Fault::line(LineErr::OperationUnavail, detail));
    }
    Ok(Place { h_line, device, address })
}

/// Whether the operation is possible now.
fn check_now(server: &Server, place: &Place, possible: &[AddrFeature]) -> Result<(), Fault> {
    let Some(line) = server.lines.get(place.device.0 as usize) else { return Ok(()) };
    if !line.is_in_service {
        return Err(Fault::line(LineErr::OperationFailed, "The line is out of service."));
    }
    let situation = server.address_situation(place.device, line, place.address);
    let now = feature::address_features(&situation);
    if possible.iter().any(|feature| now.contains(*feature)) {
        return Ok(());
    }
    if situation.calls >= situation.max_calls {
        let detail = "All call appearances are in use.";
        return Err(Fault::line(LineErr::ResourceUnavail, detail));
    }
    Err(Fault::line(LineErr::OperationFailed, "There is no call to take."))
}

/// The call to be, of which the provider tells the rest.
fn taken(server: &mut Server, asked: Asked<'_>, place: &Place, reason: CallReason) -> Created {
    let info = CallInfo { origin: CallOrigin::Unknown, reason, ..CallInfo::default() };
    let call = Call::new(place.device, place.address, info, server.now_ms);
    server.make(asked.application, call, "hCall")
}

/// lineUnpark: takes the call in a slot.
pub(super) fn unpark(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    server.open_line(asked)?;
    let text = asked.params.opt_text("destAddress", LineErr::InvalAddress)?.unwrap_or_default();
    let place = place(server, asked, &[AddrFeature::Unpark])?;
    let slot = number(text, &server.config.domain)?;
    check_now(server, &place, &[AddrFeature::Unpark])?;
    let made = taken(server, asked, &place, CallReason::Unpark);
    let (line, address) = (place.device, place.address);
    let intent = Intent::Unpark { line, address, call: made.call, slot };
    Ok(Outcome::begin(intent, place.h_line, line, None, vec![made]))
}

/// linePickup: what alerts at an address or in a group, or with neither what waits here, is held
/// at another appearance, or alerts in the own group.
pub(super) fn pickup(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    use AddrFeature as F;
    server.open_line(asked)?;
    let text = asked.params.opt_text("destAddress", LineErr::InvalAddress)?;
    let group = asked.params.opt_text("groupId", LineErr::InvalGroupId)?;
    let group = group.filter(|group| !group.is_empty()).map(str::to_owned);
    let text = text.filter(|text| !text.is_empty());
    let wanted: &[F] = match (text, &group) {
        (Some(_), _) => &[F::PickupDirect],
        (None, Some(_)) => &[F::PickupGroup],
        (None, None) => &[F::PickupWaiting, F::PickupHeld, F::PickupGroup],
    };
    let place = place(server, asked, &[F::Pickup])?;
    let Some(line) = server.lines.get(place.device.0 as usize) else {
        return Err(Fault::line(LineErr::InvalLineHandle, "The line is gone."));
    };
    let offered = server.address_situation(place.device, line, place.address).offered;
    let is_unrefined = !offered.intersects(crate::model::PICKUPS);
    let possible: &[F] = if is_unrefined { &[F::Pickup] } else { wanted };
    if !possible.iter().any(|feature| offered.contains(*feature)) {
        let detail = "This way of picking up is not offered on this address.";
        return Err(Fault::line(LineErr::OperationUnavail, detail));
    }
    let flags = line.address(place.address).map(|address| address.cap_flags);
    let needs_group = flags.is_some_and(|flags| flags.contains(AddrCapFlag::PickupGroupId));
    if needs_group && group.is_none() {
        let detail = "A group identifier is needed here.";
        return Err(Fault::line(LineErr::InvalGroupId, detail));
    }
    let target = match (text, group) {
        (Some(text), group) => {
            PickupTarget::Address { number: number(text, &server.config.domain)?, group }
        }
        (None, Some(group)) => PickupTarget::Group(group),
        (None, None) => PickupTarget::Nearest,
    };
    check_now(server, &place, possible)?;
    let made = taken(server, asked, &place, CallReason::Pickup);
    let (line, address) = (place.device, place.address);
    let intent = Intent::Pickup { line, address, call: made.call, target };
    Ok(Outcome::begin(intent, place.h_line, line, None, vec![made]))
}
