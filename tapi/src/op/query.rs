//! What a call, an address or a line is like now.

use serde_json::{Map, Value, json};

use crate::calendar::utc;
use crate::constant::{
    CallFeature, CallOrigin, CallReason, CallState, CallTreatment, Constant as _,
    LineDevStatusFlag, Mask,
};
use crate::feature;
use crate::model::{
    API_1_4, API_2_0, Call, CallMode, Counts, DialParams, Forwarding, Offers, PartyId,
};
use crate::server::{Fault, Server};

use super::{Asked, Outcome};

/// LINEDEVSTATUS.dwSignalLevel and dwBatteryLevel: there is neither radio nor battery.
const FULL_LEVEL: u32 = 0xFFFF;

/// LINECALLINFO.dwCallTreatment: what was chosen, else what applies where nobody chooses: ringback
/// while the call is offered, music afterwards. 0 where treatments are not offered.
fn treatment_of(server: &Server, call: &Call) -> Value {
    server.treatment_of(call).map_or(Value::from(0), |treatment| treatment.name().into())
}

impl Server {
    /// LINECALLINFO.dwCallTreatment: what is heard now, or at the next occasion.
    pub(crate) fn treatment_of(&self, call: &Call) -> Option<CallTreatment> {
        let offered = self.offers_of(call).map_or(&[][..], |offers| &offers.treatments);
        let usual = match call.state {
            CallState::Offering | CallState::Accepted => CallTreatment::Ringback,
            _ => CallTreatment::Music,
        };
        let usual = offered.contains(&usual).then_some(usual);
        call.info.treatment.or(usual)
    }
}

/// lineGetCallInfo: LINECALLINFO, in any state and with any privilege.
pub(super) fn call_info(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let app = server.applications.get(&asked.application);
    let open = app.and_then(|app| app.opens.get(&held.holder.h_line));
    let version = open.map_or(API_2_0, |open| open.api_version);
    let (call, info) = (held.call, &held.call.info);
    let monitored = server.monitored(held.key);
    let mut result = json!({
        "hLine": held.holder.h_line,
        "lineDeviceId": call.line.0,
        "addressId": call.address.0,
        "bearerMode": info.bearer_mode,
        "rate": info.rate,
        "mediaMode": info.media_mode,
        "appSpecific": info.app_specific,
        "callId": info.call_id,
        "relatedCallId": info.related_call_id,
        "callParamFlags": info.call_param_flags,
        "callStates": possible_states(call, server.offers_of(call)),
        "monitorDigitModes": monitored.0,
        "monitorMediaModes": monitored.1,
        "dialParams": dial_params(&info.dial_params),
        "origin": origin_for(info.origin, version),
        "reason": reason_for(info.reason, version),
        "completionId": info.completion_id,
        "numOwners": call.owners(),
        "numMonitors": call.monitors(),
        "countryCode": info.country_code,
        "trunk": info.trunk,
        "appName": info.app_name,
        "displayableAddress": info.displayable_address,
        "calledParty": info.called_party,
        "comment": info.comment,
        "display": info.display,
        "userUserInfo": info.user_user_info,
        "highLevelComp": "",
        "lowLevelComp": "",
        "chargingInfo": "",
        "terminalModes": [],
        "callTreatment": treatment_of(server, call),
        "callData": info.call_data,
        "sendingFlowspec": "",
        "receivingFlowspec": "",
        "devSpecific": "",
    });
    if let Value::Object(result) = &mut result {
        for (name, party) in [
            ("caller", &info.caller),
            ("called", &info.called),
            ("connected", &info.connected),
            ("redirection", &info.redirection),
            ("redirecting", &info.redirecting),
        ] {
            put_party(result, name, party);
        }
    }
    Ok(Outcome::object(result))
}

fn put_party(result: &mut Map<String, Value>, name: &str, party: &PartyId) {
    result.insert(format!("{name}IdFlags"), json!(party.flags));
    result.insert(format!("{name}Id"), party.number.clone().into());
    result.insert(format!("{name}IdName"), party.name.clone().into());
}

/// LINEDIALPARAMS.
pub(super) fn dial_params(params: &DialParams) -> Value {
    json!({
        "dialPause": params.dial_pause,
        "dialSpeed": params.dial_speed,
        "digitDuration": params.digit_duration,
        "waitForDialtone": params.wait_for_dialtone,
    })
}

/// LINECALLINFO.dwCallStates: the states that may be reported on the call, UNKNOWN always.
fn possible_states(call: &Call, offers: Option<&Offers>) -> Mask<CallState> {
    use CallState as S;
    let offered = offers.map_or(Mask::EMPTY, |offers| offers.call_features);
    let mut both = S::Idle | S::Connected | S::OnHold | S::Disconnected | S::Unknown;
    if offered.contains(CallFeature::SetupTransfer) {
        both.insert(S::OnHoldPendTransfer);
    }
    if offered.contains(CallFeature::SetupConf) {
        both = both | S::Conferenced | S::OnHoldPendConf;
    }
    if call.is_conference() {
        return both - S::Conferenced;
    }
    match call.info.origin {
        CallOrigin::Outbound => {
            both | S::DialTone | S::Dialing | S::Proceeding | S::Ringback | S::Busy | S::SpecialInfo
        }
        _ => both | S::Offering | S::Accepted,
    }
}

/// INBOUND came with API 1.4.
fn origin_for(origin: CallOrigin, version: u32) -> CallOrigin {
    if origin == CallOrigin::Inbound && version < API_1_4 { CallOrigin::Unavail } else { origin }
}

/// Reasons that an application of an older version does not know are UNAVAIL.
fn reason_for(reason: CallReason, version: u32) -> CallReason {
    match reason {
        CallReason::CampedOn | CallReason::RouteRequest if version < API_2_0 => CallReason::Unavail,
        CallReason::Intrude | CallReason::Parked if version < API_1_4 => CallReason::Unavail,
        other => other,
    }
}

/// lineGetCallStatus: LINECALLSTATUS, with the features for this application.
pub(super) fn call_status(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let held = server.held_call(asked)?;
    let app = server.applications.get(&asked.application);
    let open = app.and_then(|app| app.opens.get(&held.holder.h_line));
    let version = open.map_or(API_2_0, |open| open.api_version);
    let mode = match held.call.mode {
        CallMode::Conferenced(_) => None,
        mode => mode.for_version(version).name(),
    };
    let situation = server.call_situation(held.key, held.holder.privilege);
    Ok(Outcome::object(json!({
        "callState": held.call.state,
        "callStateMode": mode.map_or(Value::from(0), Value::from),
        "callPrivilege": held.holder.privilege,
        "callFeatures": feature::call_features(&situation),
        "callFeatures2": feature::call_features2(&situation),
        "stateEntryTime": utc(held.call.entered_ms),
        "devSpecific": "",
    })))
}

/// lineGetAddressStatus: LINEADDRESSSTATUS.
pub(super) fn address_status(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (_, open) = server.open_line(asked)?;
    let (device, line) = server.visible_line(asked, open.device)?;
    let address = server.address(asked, line)?;
    let counts = server.address_counts(device, address);
    let situation = server.address_situation(device, line, address);
    let forwarding = line.forwarding.get(&address);
    Ok(Outcome::object(json!({
        "numInUse": u32::from(counts.total() > 0),
        "numActiveCalls": counts.active,
        "numOnHoldCalls": counts.on_hold,
        "numOnHoldPendCalls": counts.on_hold_pend,
        "addressFeatures": feature::address_features(&situation),
        "numRingsNoAnswer": forwarding.and_then(|forwarding| forwarding.rings).unwrap_or(0),
        "forwardList": forwarding.map_or(json!([]), forward_list),
        "terminalModes": [],
        "devSpecific": "",
    })))
}

/// The entries of a forwarding list; null is do not disturb.
fn forward_list(forwarding: &Forwarding) -> Value {
    let entries = forwarding.entries.iter().map(|entry| {
        json!({
            "forwardMode": entry.mode,
            "callerAddress": entry.caller,
            "destAddress": entry.destination,
        })
    });
    entries.collect()
}

/// lineGetLineDevStatus: LINEDEVSTATUS.
pub(super) fn line_dev_status(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (_, open) = server.open_line(asked)?;
    let (device, line) = server.visible_line(asked, open.device)?;
    let counts = line
        .address_ids()
        .map(|address| server.address_counts(device, address))
        .fold(Counts::default(), std::ops::Add::add);
    let situations =
        line.address_ids().map(|address| server.address_situation(device, line, address));
    let mut media = Mask::EMPTY;
    let mut names = Vec::new();
    for (application, h_line) in &line.opens {
        let Some(app) = server.applications.get(application) else { continue };
        if let Some(open) = app.opens.get(h_line) {
            media |= open.media_modes;
            names.push(json!({
                "machineName": "",
                "userName": "",
                "moduleFilename": app.name,
                "friendlyName": app.friendly_name,
            }));
        }
    }
    let mut flags = Mask::EMPTY;
    if line.is_in_service {
        flags |= LineDevStatusFlag::Connected | LineDevStatusFlag::InService;
    }
    if line.has_message_waiting {
        flags |= LineDevStatusFlag::MsgWait;
    }
    Ok(Outcome::object(json!({
        "numOpens": line.opens.len(),
        "openMediaModes": media,
        "numActiveCalls": counts.active,
        "numOnHoldCalls": counts.on_hold,
        "numOnHoldPendCalls": counts.on_hold_pend,
        "lineFeatures": feature::line_features(&line.spec.offers, situations),
        "numCallCompletions": line.completions.len(),
        "ringMode": 1,
        "signalLevel": FULL_LEVEL,
        "batteryLevel": FULL_LEVEL,
        "roamMode": 0,
        "devStatusFlags": flags,
        "availableMediaModes": line.spec.media_modes,
        "terminalModes": [],
        "appInfo": names,
        "devSpecific": "",
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_applications_get_no_newer_origins_and_reasons() {
        use crate::model::API_1_3;
        assert_eq!(origin_for(CallOrigin::Inbound, API_1_3), CallOrigin::Unavail);
        assert_eq!(origin_for(CallOrigin::Inbound, API_1_4), CallOrigin::Inbound);
        assert_eq!(reason_for(CallReason::CampedOn, API_1_4), CallReason::Unavail);
        assert_eq!(reason_for(CallReason::Parked, API_1_4), CallReason::Parked);
        assert_eq!(reason_for(CallReason::Parked, API_1_3), CallReason::Unavail);
    }
}
