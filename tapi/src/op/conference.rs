//! Conferences: set-up, members, and who belongs to one.

use serde_json::json;

use crate::constant::{
    AddrCapFlag, AddrFeature, CallFeature, CallFeature2, CallInfoState, CallParamFlag,
    CallPrivilege, CallState, LineErr, Mask,
};
use crate::feature;
use crate::model::{AddressId, ApplicationId, Call, CallKey, CallMode, CallParams, DeviceId};
use crate::server::{Fault, Purpose, Server};

use super::call_params::{call_params, origination};
use super::lookup::{Held, check_owner};
use super::make_call::outgoing;
use super::transfer::{conference, consult_params, consultation};
use super::{Asked, Intent, Outcome};

/// lineSetupConference: a parent and a consultation call, from a call or (SETUPCONFNULL) from
/// none.
pub(super) fn setup(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    if asked.params.get("hCall").is_none() {
        return setup_from_nothing(server, asked);
    }
    let held = server.held_call(asked)?;
    let wishes = asked.params.opt_object("callParams")?;
    let parties = asked.params.opt_number("numParties", LineErr::InvalCallParams)?.unwrap_or(0);
    check_owner(&held)?;
    let consult = consult_params(server, asked, &held, CallParamFlag::NoHoldConference)?;
    if cap_flags(server, held.call.line, held.call.address).contains(AddrCapFlag::SetupConfNull) {
        let detail = "Conferences are set up without a call here.";
        return Err(Fault::line(LineErr::InvalLineHandle, detail));
    }
    if consult.is_special {
        server.check_variant(&held, CallFeature2::NoHoldConference)?;
    }
    server.check_feature(&held, CallFeature::SetupConf)?;
    let target = consult
        .target(wishes.and_then(|w| w.get("targetAddress")).is_some(), &server.config.domain)?;
    server.check_room(&held, CallFeature::SetupConf)?;
    let max = server.offers_of(held.call).map_or(0, |offers| offers.max_conference);
    check_parties(max)?;
    let mut second = consultation(server, &held, &consult.params, target.as_deref());
    let (key, h_line) = (held.key, held.holder.h_line);
    let (line, address) = (held.call.line, held.call.address);
    let parent = conference(server, held.call);
    let parent = server.make(asked.application, parent, "hConfCall");
    second.consults = Some(parent.call);
    let second = server.make(asked.application, second, "hConsultCall");
    let intent = Intent::SetupConference {
        call: Some(key),
        line,
        address,
        conference: parent.call,
        consultation: second.call,
        parties,
        target,
        params: Box::new(consult.params),
    };
    Ok(Outcome::begin(intent, h_line, line, Some(key), vec![parent, second]))
}

fn setup_from_nothing(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    if asked.params.get("hLine").is_none() {
        let detail = "Neither a call nor a line is named.";
        return Err(Fault::line(LineErr::InvalCallHandle, detail));
    }
    let (h_line, open) = server.open_line(asked)?;
    let (device, line) = server.visible_line(asked, open.device)?;
    let parties = asked.params.opt_number("numParties", LineErr::InvalCallParams)?.unwrap_or(0);
    let (params, address) = match asked.params.opt_object("callParams")? {
        Some(wishes) => (call_params(wishes, line)?, origination(wishes, line)?),
        None => (CallParams::default(), None),
    };
    let address = address.unwrap_or_default();
    if !cap_flags(server, device, address).contains(AddrCapFlag::SetupConfNull) {
        let detail = "Conferences are set up from a call here.";
        return Err(Fault::line(LineErr::InvalCallHandle, detail));
    }
    let situation = server.address_situation(device, line, address);
    if !situation.offered.contains(AddrFeature::SetupConf) {
        let detail = "Conferences are not offered on this address.";
        return Err(Fault::line(LineErr::OperationUnavail, detail));
    }
    if !line.is_in_service {
        return Err(Fault::line(LineErr::InvalLineState, "The line is out of service."));
    }
    if !feature::address_features(&situation).contains(AddrFeature::SetupConf) {
        let detail = "All call appearances are in use.";
        return Err(Fault::line(LineErr::CallUnavail, detail));
    }
    let spec = line.address(address);
    check_parties(spec.map_or(0, |spec| spec.offers.max_conference))?;
    let info = outgoing(&params, spec.map_or("", |spec| &spec.number), "");
    let mut second = Call::new(device, address, info, server.now_ms);
    second.takes_digits = true;
    let parent = conference(server, &second);
    let parent = server.make(asked.application, parent, "hConfCall");
    second.consults = Some(parent.call);
    let second = server.make(asked.application, second, "hConsultCall");
    let intent = Intent::SetupConference {
        call: None,
        line: device,
        address,
        conference: parent.call,
        consultation: second.call,
        parties,
        target: None,
        params: Box::new(params),
    };
    Ok(Outcome::begin(intent, h_line, device, None, vec![parent, second]))
}

/// A conference of fewer than three parties is none.
fn check_parties(max: u32) -> Result<(), Fault> {
    if max >= 3 {
        return Ok(());
    }
    Err(Fault::line(LineErr::ConferenceFull, "The address has no room for a conference."))
}

fn cap_flags(server: &Server, device: DeviceId, address: AddressId) -> Mask<AddrCapFlag> {
    let line = server.lines.get(device.0 as usize);
    let spec = line.and_then(|line| line.address(address));
    spec.map_or(Mask::EMPTY, |spec| spec.cap_flags)
}

/// The parent of a conference, by `hConfCall`.
fn parent<'s>(server: &'s Server, asked: Asked<'_>) -> Result<Held<'s>, Fault> {
    let error = LineErr::InvalConfCallHandle;
    let held = server.named_call(asked, "hConfCall", error)?;
    if held.call.is_conference() {
        Ok(held)
    } else {
        Err(Fault::line(error, "The call is not the parent of a conference."))
    }
}

/// linePrepareAddToConference: the conference waits while one more party is called.
pub(super) fn prepare(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = parent(server, asked)?;
    let wishes = asked.params.opt_object("callParams")?;
    check_owner(&held)?;
    let consult = consult_params(server, asked, &held, CallParamFlag::NoHoldConference)?;
    if consult.is_special {
        server.check_variant(&held, CallFeature2::NoHoldConference)?;
    }
    server.check_feature(&held, CallFeature::PrepareAddConf)?;
    let target = consult
        .target(wishes.and_then(|w| w.get("targetAddress")).is_some(), &server.config.domain)?;
    server.check_room(&held, CallFeature::PrepareAddConf)?;
    let call = consultation(server, &held, &consult.params, target.as_deref());
    let (key, h_line, device) = (held.key, held.holder.h_line, held.call.line);
    let made = server.make(asked.application, call, "hConsultCall");
    let params = Box::new(consult.params);
    let intent =
        Intent::PrepareAddToConference { conference: key, consultation: made.call, target, params };
    Ok(Outcome::begin(intent, h_line, device, Some(key), vec![made]))
}

/// lineAddToConference.
pub(super) fn add(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = parent(server, asked)?;
    let call = server.named_call(asked, "hConsultCall", LineErr::InvalCallHandle)?;
    check_owner(&held)?;
    check_owner(&call)?;
    let is_waiting = matches!(held.call.state, CallState::OnHoldPendConf | CallState::OnHold);
    let is_unsuited = call.call.is_conference()
        || matches!(call.call.mode, CallMode::Conferenced(_))
        || call.call.line != held.call.line;
    if is_unsuited {
        let detail = "The call cannot become a member of this conference.";
        return Err(Fault::line(LineErr::InvalCallHandle, detail));
    }
    if !is_waiting {
        let detail = "The conference does not wait for a call.";
        return Err(Fault::line(LineErr::InvalCallState, detail));
    }
    server.check_feature(&call, CallFeature::AddToConf)?;
    if !server.can_join(held.key, call.key) {
        let detail = "The call was not made for this conference.";
        return Err(Fault::line(LineErr::InvalCallHandle, detail));
    }
    server.check_room(&held, CallFeature::AddToConf)?;
    let intent = Intent::AddToConference { conference: held.key, call: call.key };
    Ok(held.begin(intent, Purpose::Other))
}

/// lineRemoveFromConference.
pub(super) fn remove(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.owned_call(asked)?;
    server.check_feature(&held, CallFeature::RemoveFromConf)?;
    let CallMode::Conferenced(conference) = held.call.mode else {
        let detail = "The call is no member of a conference.";
        return Err(Fault::line(LineErr::InvalCallState, detail));
    };
    Ok(held.begin(Intent::RemoveFromConference { conference, call: held.key }, Purpose::Other))
}

/// lineGetConfRelatedCalls: the parent first, then the members; MONITOR handles where the
/// application has none.
pub(super) fn related_calls(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let conference = match held.call.mode {
        CallMode::Conferenced(parent) if held.call.state == CallState::Conferenced => parent,
        _ if held.call.is_conference() => held.key,
        _ => {
            let detail = "The call is neither a conference nor a member of one.";
            return Err(Fault::line(LineErr::NoConference, detail));
        }
    };
    let entry = (asked.application, held.holder.h_line);
    let mut keys = vec![conference];
    keys.extend(server.members(conference));
    let mut handles = Vec::with_capacity(keys.len());
    for key in keys {
        handles.extend(handle_for(server, key, entry));
    }
    Ok(Outcome::object(json!({ "calls": handles })))
}

fn handle_for(server: &mut Server, key: CallKey, entry: (ApplicationId, u32)) -> Option<u32> {
    let holders = server.calls.get(key).map(|call| call.holders.as_slice()).unwrap_or_default();
    let mine = holders.iter().filter(|holder| holder.application == entry.0);
    let best = mine.max_by_key(|holder| holder.h_line == entry.1);
    if let Some(holder) = best {
        return Some(holder.h_call);
    }
    let holder = server.give_handle(key, entry, CallPrivilege::Monitor)?;
    server.tell_info(key, CallInfoState::NumMonitors.into(), Some(entry.0));
    Some(holder.h_call)
}
