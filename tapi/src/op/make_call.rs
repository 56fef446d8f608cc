//! lineMakeCall and lineDial.

use crate::constant::{AddrFeature, AddressSharing, CallFeature, CallOrigin, CallReason, LineErr};
use crate::feature;
use crate::model::{AddressId, Call, CallInfo, CallParams, PartyId};
use crate::server::{Begun, Fault, Purpose, Server};

use super::call_params::{call_params, origination};
use super::dial_string::{check_country_code, scan};
use super::{Asked, Intent, Outcome};

/// lineMakeCall: the requester becomes the only owner of the new call.
pub(super) fn make_call(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (h_line, open) = server.open_line(asked)?;
    let device = open.device;
    let text = asked.params.opt_text("destAddress", LineErr::InvalAddress)?;
    let country = asked.params.opt_number("countryCode", LineErr::InvalCountryCode)?;
    let wishes = asked.params.opt_object("callParams")?;
    let (_, line) = server.visible_line(asked, device)?;
    check_country_code(country.unwrap_or(0))?;
    let (params, address) = match wishes {
        Some(wishes) => (call_params(wishes, line)?, origination(wishes, line)?),
        None => (CallParams::default(), None),
    };
    if !line.is_in_service {
        let detail = "The line is out of service.";
        return Err(Fault::line(LineErr::InvalLineState, detail));
    }
    if !line.spec.addresses.iter().any(|address| address.offers.makes_calls) {
        let detail = "No calls are made from this line: it is a queue's.";
        return Err(Fault::line(LineErr::OperationUnavail, detail));
    }
    let dialed = scan(text.unwrap_or(";"), &server.config.domain)?;
    // Nothing dialled at all takes an appearance and waits for digits.
    let complete = dialed.is_complete && !dialed.digits.is_empty();
    // An address that others have, too, is used only by its name.
    let is_private = |address: &AddressId| {
        line.address(*address).is_some_and(|spec| spec.sharing == AddressSharing::Private)
    };
    let can_call = |address: &AddressId| {
        let situation = server.address_situation(device, line, *address);
        feature::address_features(&situation).contains(AddrFeature::MakeCall)
    };
    let address = match address {
        Some(address) => Some(address).filter(can_call),
        None => line.address_ids().filter(is_private).find(can_call),
    };
    let Some(address) = address else {
        let detail = "All call appearances are in use.";
        return Err(Fault::line(LineErr::CallUnavail, detail));
    };
    let number = line.address(address).map_or("", |address| &address.number);
    let mut call =
        Call::new(device, address, outgoing(&params, number, dialed.number()), server.now_ms);
    call.takes_digits = !complete;
    call.has_digits = !dialed.digits.is_empty();
    let made = server.make(asked.application, call, "hCall");
    let intent = Intent::MakeCall {
        line: device,
        address,
        call: made.call,
        destination: dialed.digits,
        complete,
        params: Box::new(params),
    };
    Ok(Outcome::Begin(Box::new(Begun {
        intent: Some(intent),
        h_line,
        device,
        call: None,
        created: vec![made],
        purpose: Purpose::Other,
    })))
}

/// LINECALLINFO of a call that an application makes.
pub(super) fn outgoing(params: &CallParams, own_number: &str, digits: &str) -> CallInfo {
    CallInfo {
        origin: CallOrigin::Outbound,
        reason: CallReason::Direct,
        bearer_mode: params.bearer_mode,
        media_mode: params.media_mode,
        call_param_flags: params.flags,
        dial_params: params.dial_params,
        caller: PartyId::known(own_number, ""),
        called: PartyId::known(digits, ""),
        displayable_address: params.displayable_address.clone(),
        called_party: params.called_party.clone(),
        comment: params.comment.clone(),
        call_data: params.call_data.clone(),
        ..CallInfo::default()
    }
}

/// lineDial: more digits for a call that waits for them.
pub(super) fn dial(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let text = asked.params.opt_text("destAddress", LineErr::InvalAddress)?.unwrap_or_default();
    let country = asked.params.opt_number("countryCode", LineErr::InvalCountryCode)?;
    server.owned_call(asked)?;
    check_country_code(country.unwrap_or(0))?;
    server.check_feature(&held, CallFeature::Dial)?;
    let dialed = scan(text, &server.config.domain)?;
    let has_digits = !dialed.digits.is_empty();
    if dialed.is_complete && !has_digits && !held.call.has_digits {
        let detail = "No digit has been dialled.";
        return Err(Fault::line(LineErr::InvalAddress, detail));
    }
    let is_complete = dialed.is_complete;
    let intent = Intent::Dial { call: held.key, digits: dialed.digits, complete: is_complete };
    Ok(held.begin(intent, Purpose::Dial { is_complete, has_digits }))
}
