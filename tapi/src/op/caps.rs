//! What a line and an address can ever do. A bit that is clear here is never set anywhere.

use serde_json::{Value, json};

use crate::constant::{
    AddressMode, AddressState, AnswerMode, BearerMode, BusyMode, CallInfoState, CallPartyId,
    CallState, ConnectedMode, Constant as _, DialToneMode, DisconnectMode, LineDevState, Mask,
    OfferingMode, RemoveFromConf, StringFormat,
};
use crate::feature;
use crate::model::{DialParams, info::VOICE_RATE_BPS};
use crate::server::{Fault, Server};

use super::application::negotiated;
use super::make_call::MAX_NO_ANSWER_TIMEOUT_S;
use super::query::dial_params;
use super::{Asked, Outcome};

/// lineGetDevCaps: LINEDEVCAPS.
pub(super) fn dev_caps(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (_, line) = server.device(asked)?;
    check_version(asked)?;
    let spec = &line.spec;
    let max_calls = spec.addresses.iter().map(|address| address.max_calls);
    let mut result = json!({
        "providerInfo": "Strowger",
        "switchInfo": "Strowger SIP softswitch",
        "permanentLineId": spec.permanent_id,
        "lineName": spec.number,
        "stringFormat": StringFormat::Unicode,
        "addressModes": AddressMode::AddressId | AddressMode::DialableAddr,
        "numAddresses": spec.addresses.len(),
        "bearerModes": BearerMode::Voice | BearerMode::Speech,
        "maxRate": VOICE_RATE_BPS,
        "mediaModes": spec.media_modes,
        "generateToneModes": [],
        "generateToneMaxNumFreq": 0,
        "generateDigitModes": [],
        "monitorToneMaxNumFreq": 0,
        "monitorToneMaxNumEntries": 0,
        "monitorDigitModes": [],
        "gatherDigitsMinTimeout": 0,
        "gatherDigitsMaxTimeout": 0,
        "medCtlDigitMaxListSize": 0,
        "medCtlMediaMaxListSize": 0,
        "medCtlToneMaxListSize": 0,
        "medCtlCallStateMaxListSize": 0,
        "devCapFlags": [],
        "maxNumActiveCalls": max_calls.fold(0u32, u32::saturating_add),
        "answerMode": AnswerMode::Hold,
        "ringModes": 1,
        "lineStates": line_states(),
        "uuiAcceptSize": 0,
        "uuiAnswerSize": 0,
        "uuiMakeCallSize": 0,
        "uuiDropSize": 0,
        "uuiSendUserUserInfoSize": 0,
        "uuiCallInfoSize": 0,
        "minDialParams": dial_params(&DialParams::MIN),
        "maxDialParams": dial_params(&DialParams::MAX),
        "defaultDialParams": dial_params(&DialParams::DEFAULT),
        "numTerminals": 0,
        "terminalCaps": [],
    });
    result["terminalText"] = "".into();
    result["lineFeatures"] = json!(feature::offered_line_features());
    result["settableDevStatus"] = json!([]);
    result["deviceClasses"] = json!(["tapi/line"]);
    // The documented place for what TAPI has no field for: whose line it is.
    result["devSpecific"] = json!({ "displayName": spec.name });
    Ok(Outcome::object(result))
}

/// lineGetAddressCaps: LINEADDRESSCAPS.
pub(super) fn address_caps(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (device, line) = server.device(asked)?;
    let address = server.address(asked, line)?;
    check_version(asked)?;
    let Some(spec) = line.address(address) else { return Ok(Outcome::nothing()) };
    let party: Mask<CallPartyId> = parties();
    let mut result = json!({
        "lineDeviceId": device.0,
        "address": spec.number,
        "addressSharing": spec.sharing,
        "addressStates": address_states(),
        "callInfoStates": info_states(),
        "callerIdFlags": party,
        "calledIdFlags": party,
        "connectedIdFlags": party,
        "redirectionIdFlags": party,
        "redirectingIdFlags": party,
        "callStates": call_states(),
        "dialToneModes": Mask::from(DialToneMode::Internal),
        "busyModes": BusyMode::Station | BusyMode::Trunk,
        "specialInfo": [],
        "disconnectModes": disconnect_modes(),
        "maxNumActiveCalls": spec.max_calls,
        "maxNumOnHoldCalls": spec.max_calls,
        "maxNumOnHoldPendingCalls": 0,
        "maxNumConference": 0,
        "maxNumTransConf": 0,
        "addrCapFlags": spec.cap_flags,
        "callFeatures": feature::offered_call_features(),
        "callFeatures2": [],
        "removeFromConfCaps": RemoveFromConf::None,
        "removeFromConfState": CallState::Idle,
        "transferModes": [],
        "parkModes": [],
        "forwardModes": [],
        "maxForwardEntries": 0,
        "maxSpecificEntries": 0,
        "minFwdNumRings": 0,
        "maxFwdNumRings": 0,
    });
    put_completion(&mut result);
    result["addressFeatures"] = json!(feature::offered_address_features());
    result["predictiveAutoTransferStates"] = json!([]);
    result["numCallTreatments"] = 0.into();
    result["callTreatmentList"] = json!([]);
    result["deviceClasses"] = json!(["tapi/line"]);
    result["maxCallDataSize"] = 0.into();
    result["maxNoAnswerTimeout"] = MAX_NO_ANSWER_TIMEOUT_S.into();
    result["connectedModes"] = json!(ConnectedMode::Active | ConnectedMode::ActiveHeld);
    result["offeringModes"] = json!(Mask::from(OfferingMode::Active));
    result["availableMediaModes"] = json!(line.spec.media_modes);
    result["devSpecific"] = "".into();
    Ok(Outcome::object(result))
}

fn put_completion(result: &mut Value) {
    for (name, none) in [
        ("maxCallCompletions", json!(0)),
        ("callCompletionConds", json!([])),
        ("callCompletionModes", json!([])),
        ("numCompletionMessages", json!(0)),
        ("completionMsgText", json!([])),
    ] {
        result[name] = none;
    }
}

/// An API version that was named must be one that is spoken.
fn check_version(asked: Asked<'_>) -> Result<(), Fault> {
    match asked.params.opt_version("apiVersion")? {
        Some((version, _)) if version != 0 => negotiated(version, version).map(|_| ()),
        _ => Ok(()),
    }
}

fn parties() -> Mask<CallPartyId> {
    use CallPartyId as P;
    P::Blocked | P::OutOfArea | P::Name | P::Address | P::Unknown | P::Unavail
}

fn line_states() -> Mask<LineDevState> {
    use LineDevState as S;
    S::Ringing
        | S::Connected
        | S::Disconnected
        | S::MsgWaitOn
        | S::MsgWaitOff
        | S::InService
        | S::OutOfService
        | S::Open
        | S::Close
        | S::NumCalls
        | S::CapsChange
        | S::Removed
}

fn address_states() -> Mask<AddressState> {
    use AddressState as S;
    S::InUseZero | S::InUseOne | S::NumCalls | S::CapsChange
}

fn info_states() -> Mask<CallInfoState> {
    use CallInfoState as I;
    I::MediaMode
        | I::AppSpecific
        | I::CallId
        | I::RelatedCallId
        | I::Origin
        | I::Reason
        | I::NumOwnerIncr
        | I::NumOwnerDecr
        | I::NumMonitors
        | I::CallerId
        | I::CalledId
        | I::ConnectedId
        | I::RedirectionId
        | I::RedirectingId
}

/// Those that calls of this release get into.
fn call_states() -> Mask<CallState> {
    use CallState as S;
    S::Idle
        | S::Offering
        | S::Accepted
        | S::DialTone
        | S::Dialing
        | S::Ringback
        | S::Busy
        | S::Connected
        | S::Proceeding
        | S::OnHold
        | S::Disconnected
        | S::Unknown
}

/// All but those without a SIP cause.
fn disconnect_modes() -> Mask<DisconnectMode> {
    use DisconnectMode as D;
    DisconnectMode::ALL
        .iter()
        .copied()
        .filter(|mode| !matches!(mode, D::NoDialTone | D::DestinationBarred | D::FdnRestrict))
        .collect()
}
