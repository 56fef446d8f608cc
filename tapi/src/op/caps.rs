//! What a line and an address can ever do. A bit that is clear here is never set anywhere.

use serde_json::{Value, json};

use crate::constant::{
    AddrFeature, AddressMode, AddressSharing, AddressState, AnswerMode, BearerMode, BusyMode,
    CallComplMode, CallFeature, CallFeature2, CallInfoState, CallPartyId, CallState, CallTreatment,
    ConnectedMode, Constant, DialToneMode, DisconnectMode, LineDevState, Mask, OfferingMode,
    ParkMode, SpecialInfo, StringFormat, TransferMode,
};
use crate::feature;
use crate::model::{
    API_1_3, AddressSpec, DialParams, LineOffers, LineSpec, Offers, base_of, info::VOICE_RATE_BPS,
};
use crate::server::{Fault, Server};

use super::application::negotiated;
use super::call_params::MAX_NO_ANSWER_TIMEOUT_S;
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
        "medCtlDigitMaxListSize": 0,
        "medCtlMediaMaxListSize": 0,
        "medCtlToneMaxListSize": 0,
        "medCtlCallStateMaxListSize": 0,
        "devCapFlags": [],
        "maxNumActiveCalls": max_calls.fold(0u32, u32::saturating_add),
        "answerMode": AnswerMode::Hold,
        "ringModes": 1,
        "lineStates": line_states(spec),
        "uuiAcceptSize": spec.offers.user_user_info_size,
        "uuiAnswerSize": spec.offers.user_user_info_size,
        "uuiMakeCallSize": spec.offers.user_user_info_size,
        "uuiDropSize": spec.offers.user_user_info_size,
        "uuiSendUserUserInfoSize": spec.offers.user_user_info_size,
        "uuiCallInfoSize": spec.offers.user_user_info_size,
        "minDialParams": dial_params(&DialParams::MIN),
        "maxDialParams": dial_params(&DialParams::MAX),
        "defaultDialParams": dial_params(&DialParams::DEFAULT),
        "numTerminals": 0,
        "terminalCaps": [],
    });
    put_detection(&mut result, &spec.offers);
    result["terminalText"] = "".into();
    let of_addresses = spec.addresses.iter().map(|a| feature::offered_address_features(&a.offers));
    result["lineFeatures"] = json!(feature::offered_line_features(&spec.offers, of_addresses));
    result["settableDevStatus"] = json!(spec.offers.settable_status);
    result["deviceClasses"] = json!(["tapi/line"]);
    // The documented place for what TAPI has no field for: whose line it is.
    result["devSpecific"] = json!({ "displayName": spec.name });
    Ok(Outcome::object(result))
}

fn put_detection(result: &mut Value, offers: &LineOffers) {
    for (name, value) in [
        ("generateToneModes", json!(offers.generate_tone_modes)),
        ("generateToneMaxNumFreq", json!(offers.max_generated_frequencies)),
        ("generateDigitModes", json!(offers.generate_digit_modes)),
        ("monitorToneMaxNumFreq", json!(offers.max_monitored_frequencies)),
        ("monitorToneMaxNumEntries", json!(offers.max_monitored_tones)),
        ("monitorDigitModes", json!(offers.monitor_digit_modes)),
        ("gatherDigitsMinTimeout", json!(offers.gather_min_timeout_ms)),
        ("gatherDigitsMaxTimeout", json!(offers.gather_max_timeout_ms)),
    ] {
        result[name] = value;
    }
}

/// lineGetAddressCaps: LINEADDRESSCAPS.
pub(super) fn address_caps(server: &mut Server, asked: Asked<'_>) -> Result<Outcome, Fault> {
    let (device, line) = server.device(asked)?;
    let address = server.address(asked, line)?;
    check_version(asked)?;
    let Some(spec) = line.address(address) else { return Ok(Outcome::nothing()) };
    let (party, offers): (Mask<CallPartyId>, _) = (parties(), &spec.offers);
    let offered = feature::offered_call_features(offers);
    let mut result = json!({
        "lineDeviceId": device.0,
        "address": spec.number,
        "addressSharing": spec.sharing,
        "addressStates": address_states(spec),
        "callInfoStates": info_states(offered),
        "callerIdFlags": party,
        "calledIdFlags": party,
        "connectedIdFlags": party,
        "redirectionIdFlags": party,
        "redirectingIdFlags": party,
        "callStates": call_states(offered),
        "dialToneModes": Mask::from(DialToneMode::Internal),
        "busyModes": BusyMode::Station | BusyMode::Trunk,
        "specialInfo": special_info(),
        "disconnectModes": disconnect_modes(),
        "maxNumActiveCalls": spec.max_calls,
        "maxNumOnHoldCalls": spec.max_calls,
        "maxNumOnHoldPendingCalls": offers.max_on_hold_pending,
        "maxNumConference": offers.max_conference,
        "maxNumTransConf": offers.max_transfer_conference,
        "addrCapFlags": spec.cap_flags,
        "callFeatures": offered,
        "callFeatures2": feature::offered_call_features2(offers),
        "removeFromConfCaps": offers.remove_from_conference,
        "removeFromConfState": offers.removed_state,
        "forwardModes": offers.forward.modes,
        "maxForwardEntries": offers.forward.max_entries,
        "maxSpecificEntries": offers.forward.max_specific_entries,
        "minFwdNumRings": offers.forward.min_rings,
        "maxFwdNumRings": offers.forward.max_rings,
    });
    result["transferModes"] = json!(transfer_modes(offers));
    result["parkModes"] = json!(park_modes(offers));
    put_completion(&mut result, offers);
    result["addressFeatures"] = json!(feature::offered_address_features(offers));
    result["predictiveAutoTransferStates"] = json!([]);
    result["numCallTreatments"] = offers.treatments.len().into();
    let treatments = offers.treatments.iter().map(treatment_entry);
    result["callTreatmentList"] = treatments.collect();
    result["deviceClasses"] = json!(["tapi/line"]);
    result["maxCallDataSize"] = offers.max_call_data.into();
    result["maxNoAnswerTimeout"] = MAX_NO_ANSWER_TIMEOUT_S.into();
    let mut connected = ConnectedMode::Active | ConnectedMode::ActiveHeld;
    let mut offering = Mask::from(OfferingMode::Active);
    if spec.sharing != AddressSharing::Private {
        connected = connected | ConnectedMode::Inactive | ConnectedMode::InactiveHeld;
        offering.insert(OfferingMode::Inactive);
    }
    result["connectedModes"] = json!(connected);
    result["offeringModes"] = json!(offering);
    result["availableMediaModes"] = json!(line.spec.media_modes);
    result["devSpecific"] = "".into();
    Ok(Outcome::object(result))
}

fn treatment_entry(treatment: &CallTreatment) -> Value {
    let name = match treatment {
        CallTreatment::Silence => "Silence",
        CallTreatment::Ringback => "Ringback tone",
        CallTreatment::Busy => "Busy tone",
        CallTreatment::Music => "Music",
    };
    json!({ "callTreatmentId": treatment, "callTreatmentName": name })
}

/// The constants of variants that an operation has, if it is offered.
fn variants<C: Constant>(offers: &Offers, all: &[(C, CallFeature2)]) -> Mask<C> {
    let offered = feature::offered_call_features(offers);
    all.iter()
        .filter(|(_, variant)| base_of(*variant).is_some_and(|base| offered.contains(base)))
        .filter(|(_, variant)| offers.has_variant(*variant))
        .map(|(constant, _)| *constant)
        .collect()
}

fn transfer_modes(offers: &Offers) -> Mask<TransferMode> {
    variants(
        offers,
        &[
            (TransferMode::Transfer, CallFeature2::TransferNorm),
            (TransferMode::Conference, CallFeature2::TransferConf),
        ],
    )
}

fn park_modes(offers: &Offers) -> Mask<ParkMode> {
    variants(
        offers,
        &[
            (ParkMode::Directed, CallFeature2::ParkDirect),
            (ParkMode::NonDirected, CallFeature2::ParkNonDirect),
        ],
    )
}

fn put_completion(result: &mut Value, offers: &Offers) {
    let modes = variants(
        offers,
        &[
            (CallComplMode::CampOn, CallFeature2::ComplCampOn),
            (CallComplMode::Callback, CallFeature2::ComplCallback),
            (CallComplMode::Intrude, CallFeature2::ComplIntrude),
            (CallComplMode::Message, CallFeature2::ComplMessage),
        ],
    );
    let limits = &offers.completion;
    for (name, value) in [
        ("maxCallCompletions", json!(limits.max)),
        ("callCompletionConds", json!(limits.conditions)),
        ("callCompletionModes", json!(modes)),
        ("numCompletionMessages", json!(limits.messages.len())),
        ("completionMsgText", json!(limits.messages)),
    ] {
        result[name] = value;
    }
}

/// An API version that was named must be one that is spoken.
fn check_version(asked: Asked<'_>) -> Result<(), Fault> {
    match asked.params.opt_version("apiVersion")? {
        Some((version, _)) if version != 0 => negotiated(version, version).map(|_| ()),
        _ => Ok(()),
    }
}

/// `appApiVersion`, the newest that the application understands: the newest that both do. None if
/// it is left out or 0.
pub(super) fn app_version(asked: Asked<'_>) -> Result<Option<u32>, Fault> {
    match asked.params.opt_version("appApiVersion")? {
        Some((version, _)) if version != 0 => negotiated(API_1_3, version).map(Some),
        _ => Ok(None),
    }
}

fn parties() -> Mask<CallPartyId> {
    use CallPartyId as P;
    P::Blocked | P::OutOfArea | P::Name | P::Address | P::Unknown | P::Unavail
}

fn line_states(spec: &LineSpec) -> Mask<LineDevState> {
    use LineDevState as S;
    let usual = S::Ringing
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
        | S::TranslateChange
        | S::Removed;
    let completes = spec.addresses.iter().any(|address| address.offers.completion.max > 0);
    if completes { usual | S::NumCompletions | S::ComplCancel } else { usual }
}

fn address_states(spec: &AddressSpec) -> Mask<AddressState> {
    use AddressState as S;
    let usual = S::InUseZero | S::InUseOne | S::NumCalls | S::CapsChange;
    let offered = feature::offered_address_features(&spec.offers);
    if offered.contains(AddrFeature::Forward) { usual | S::Forward } else { usual }
}

fn info_states(offered: Mask<CallFeature>) -> Mask<CallInfoState> {
    use CallFeature as F;
    use CallInfoState as I;
    let usual = I::MediaMode
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
        | I::RedirectingId;
    [
        (F::SetCallData, I::CallData.into()),
        (F::SetTreatment, I::Treatment.into()),
        (F::SetCallParams, I::BearerMode | I::DialParams),
        (F::SecureCall, I::Other.into()),
        (F::ReleaseUserUserInfo, I::UserUserInfo.into()),
        (F::MonitorDigits, I::MonitorModes.into()),
        (F::MonitorMedia, I::MonitorModes.into()),
        (F::MonitorTones, I::MonitorModes.into()),
        (F::CompleteCall, I::CompletionId.into()),
    ]
    .into_iter()
    .filter(|(feature, _)| offered.contains(*feature))
    .fold(usual, |all, (_, more)| all | more)
}

/// Those that calls get into.
fn call_states(offered: Mask<CallFeature>) -> Mask<CallState> {
    use CallState as S;
    let mut states = S::Idle
        | S::Offering
        | S::Accepted
        | S::DialTone
        | S::Dialing
        | S::Ringback
        | S::Busy
        | S::SpecialInfo
        | S::Connected
        | S::Proceeding
        | S::OnHold
        | S::Disconnected
        | S::Unknown;
    if offered.contains(CallFeature::SetupTransfer) {
        states.insert(S::OnHoldPendTransfer);
    }
    if offered.contains(CallFeature::SetupConf) {
        states = states | S::OnHoldPendConf | S::Conferenced;
    }
    states
}

/// What announcements say that a caller hears in place of a callee.
fn special_info() -> Mask<SpecialInfo> {
    SpecialInfo::NoCircuit | SpecialInfo::CustIrreg | SpecialInfo::Reorder
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
