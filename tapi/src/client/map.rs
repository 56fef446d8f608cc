//! What a state, a disconnect mode or a change of TAPI 2.x is in TAPI 3.

use serde_json::Value;

use super::constant::{
    AddressEvent, CallInfoChangeCause, CallState, CallStateEventCause, TapiMediaType,
};
use super::error::TapiErrorCode;
use crate::constant::{
    self as two, CallInfoState, Constant, DisconnectMode, LineDevState, Mask, MediaMode,
};

/// LINECALLSTATE_ as CALL_STATE; none for UNKNOWN, which changes nothing. CS_IDLE is not
/// LINECALLSTATE_IDLE.
pub fn call_state(state: two::CallState) -> Option<CallState> {
    use two::CallState as S;
    Some(match state {
        S::Offering | S::Accepted => CallState::Offering,
        S::DialTone | S::Dialing | S::Proceeding | S::Ringback => CallState::InProgress,
        S::Connected | S::Conferenced => CallState::Connected,
        S::OnHold | S::OnHoldPendConf | S::OnHoldPendTransfer => CallState::Hold,
        S::Idle | S::Busy | S::SpecialInfo | S::Disconnected => CallState::Disconnected,
        S::Unknown => return None,
    })
}

/// Whether TAPI 3 documents an edge between two states.
pub fn is_permitted(from: CallState, to: CallState) -> bool {
    use CallState as S;
    match from {
        S::Idle => !matches!(to, S::Idle),
        S::InProgress | S::Queued => matches!(to, S::Connected | S::Disconnected | S::Hold),
        S::Offering => matches!(to, S::Connected | S::Disconnected | S::Hold | S::Queued),
        S::Connected => matches!(to, S::Hold | S::Disconnected),
        S::Hold => matches!(to, S::Connected | S::Disconnected),
        S::Disconnected => false,
    }
}

/// LINEDISCONNECTMODE_ as CALL_STATE_EVENT_CAUSE.
pub fn disconnect_cause(mode: DisconnectMode) -> CallStateEventCause {
    use CallStateEventCause as C;
    use DisconnectMode as D;
    match mode {
        D::Normal | D::Unknown | D::Pickup | D::Forwarded | D::Unavail => C::DisconnectNormal,
        D::Reject | D::DoNotDisturb => C::DisconnectRejected,
        D::Busy => C::DisconnectBusy,
        D::NoAnswer => C::DisconnectNoAnswer,
        D::BadAddress | D::NumberChanged => C::DisconnectBadAddress,
        D::Blocked | D::DestinationBarred | D::FdnRestrict => C::DisconnectBlocked,
        D::Cancelled => C::DisconnectCancelled,
        D::Unreachable
        | D::Congestion
        | D::Incompatible
        | D::NoDialTone
        | D::OutOfOrder
        | D::TempFailure
        | D::QosUnavail => C::DisconnectFailed,
    }
}

/// Why a call that has gone to this 2.x state, coming from this 3.x state, is over.
pub(crate) fn end_cause(
    state: two::CallState,
    mode: Option<DisconnectMode>,
    before: CallState,
) -> CallStateEventCause {
    use CallStateEventCause as C;
    match state {
        two::CallState::Busy => C::DisconnectBusy,
        two::CallState::SpecialInfo => C::DisconnectFailed,
        two::CallState::Disconnected => mode.map_or(C::DisconnectNormal, disconnect_cause),
        // The owner has dropped it: an outgoing call is given up before it is answered.
        _ if before == CallState::InProgress => C::DisconnectCancelled,
        _ => C::DisconnectNormal,
    }
}

/// What a synchronous method answers for a call that ended instead of being connected.
pub(crate) fn connect_error(cause: CallStateEventCause) -> TapiErrorCode {
    use CallStateEventCause as C;
    match cause {
        C::DisconnectBusy => TapiErrorCode::DestBusy,
        C::DisconnectNoAnswer => TapiErrorCode::DestNoAnswer,
        C::DisconnectBadAddress => TapiErrorCode::InvalAddress,
        C::DisconnectRejected | C::DisconnectFailed => TapiErrorCode::DestUnavail,
        C::DisconnectBlocked => TapiErrorCode::AddressBlocked,
        C::None | C::DisconnectNormal | C::DisconnectCancelled => TapiErrorCode::Dropped,
    }
}

/// LINECALLINFOSTATE_ as CALLINFOCHANGE_CAUSE; what has no name of its own is OTHER.
pub fn info_change(change: CallInfoState) -> CallInfoChangeCause {
    use CallInfoChangeCause as C;
    use CallInfoState as I;
    match change {
        I::DevSpecific => C::DevSpecific,
        I::BearerMode => C::BearerMode,
        I::Rate => C::Rate,
        I::MediaMode => C::MediaType,
        I::AppSpecific => C::AppSpecific,
        I::CallId => C::CallId,
        I::RelatedCallId => C::RelatedCallId,
        I::Origin => C::Origin,
        I::Reason => C::Reason,
        I::CompletionId => C::CompletionId,
        I::NumOwnerIncr => C::NumOwnerIncr,
        I::NumOwnerDecr => C::NumOwnerDecr,
        I::NumMonitors => C::NumMonitors,
        I::Trunk => C::Trunk,
        I::CallerId => C::CallerId,
        I::CalledId => C::CalledId,
        I::ConnectedId => C::ConnectedId,
        I::RedirectionId => C::RedirectionId,
        I::RedirectingId => C::RedirectingId,
        I::UserUserInfo => C::UserUserInfo,
        I::HighLevelComp => C::HighLevelComp,
        I::LowLevelComp => C::LowLevelComp,
        I::ChargingInfo => C::ChargingInfo,
        I::Treatment => C::Treatment,
        I::CallData => C::CallData,
        I::Other | I::Display | I::Terminal | I::DialParams | I::MonitorModes | I::Qos => C::Other,
    }
}

/// LINEDEVSTATE_ as ADDRESS_EVENT, where it is one.
pub fn address_event(state: LineDevState) -> Option<AddressEvent> {
    use LineDevState as S;
    Some(match state {
        S::InService | S::OutOfService | S::Maintenance => AddressEvent::State,
        S::Ringing => AddressEvent::Ringing,
        S::CapsChange => AddressEvent::CapsChange,
        S::ConfigChange => AddressEvent::ConfigChange,
        S::MsgWaitOn => AddressEvent::MsgWaitOn,
        S::MsgWaitOff => AddressEvent::MsgWaitOff,
        _ => return None,
    })
}

/// TAPIMEDIATYPE_ as LINEMEDIAMODE_: audio is interactive voice.
pub(crate) fn media_modes(types: Mask<TapiMediaType>) -> Mask<MediaMode> {
    [
        (TapiMediaType::Audio, MediaMode::InteractiveVoice),
        (TapiMediaType::DataModem, MediaMode::DataModem),
        (TapiMediaType::G3Fax, MediaMode::G3Fax),
        (TapiMediaType::Video, MediaMode::Video),
    ]
    .into_iter()
    .filter(|(kind, _)| types.contains(*kind))
    .map(|(_, mode)| mode)
    .collect()
}

/// LINEMEDIAMODE_ as TAPIMEDIATYPE_.
pub(crate) fn media_types(modes: Mask<MediaMode>) -> Mask<TapiMediaType> {
    [
        (MediaMode::InteractiveVoice, TapiMediaType::Audio),
        (MediaMode::AutomatedVoice, TapiMediaType::Audio),
        (MediaMode::DataModem, TapiMediaType::DataModem),
        (MediaMode::G3Fax, TapiMediaType::G3Fax),
        (MediaMode::Video, TapiMediaType::Video),
    ]
    .into_iter()
    .filter(|(mode, _)| modes.contains(*mode))
    .map(|(_, kind)| kind)
    .collect()
}

/// A set of constants, as the switch writes it.
pub(crate) fn mask<C: Constant>(value: &Value) -> Mask<C> {
    Mask::read(value).unwrap_or(Mask::EMPTY)
}

/// A constant, as the switch writes it.
pub(crate) fn one<C: Constant>(value: &Value) -> Option<C> {
    two::read(value).ok()
}

/// A number that fits.
pub(crate) fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// The value of what the switch wrote: a number, a constant by name, or a set of them.
pub(crate) fn value_of(value: &Value) -> u32 {
    match value {
        Value::Array(items) => items.iter().map(value_of).fold(0, |all, one| all | one),
        Value::String(name) => named(name),
        other => number(other).unwrap_or(0),
    }
}

fn named(name: &str) -> u32 {
    fn find<C: Constant>(name: &str) -> Option<u32> {
        C::from_name(name).map(Constant::value)
    }
    const FAMILIES: &[fn(&str) -> Option<u32>] = &[
        find::<two::BearerMode>,
        find::<MediaMode>,
        find::<two::CallOrigin>,
        find::<two::CallReason>,
        find::<two::CallParamFlag>,
        find::<two::CallTreatment>,
        find::<two::CallPartyId>,
        find::<two::DigitMode>,
        find::<two::ToneMode>,
        find::<two::DevCapFlag>,
        find::<two::AnswerMode>,
        find::<two::LineFeature>,
        find::<two::LineDevStatusFlag>,
        find::<two::ParkMode>,
        find::<two::AddrCapFlag>,
        find::<two::AddrFeature>,
        find::<two::CallFeature>,
        find::<two::CallFeature2>,
        find::<two::RemoveFromConf>,
        find::<two::CallState>,
        find::<two::TransferMode>,
        find::<two::ForwardMode>,
        find::<two::CallComplCond>,
        find::<two::CallComplMode>,
    ];
    FAMILIES.iter().find_map(|find| find(name)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_line_call_state_has_the_documented_call_state() {
        use two::CallState as S;
        for (state, expected) in [
            (S::Idle, Some("CS_DISCONNECTED")),
            (S::Offering, Some("CS_OFFERING")),
            (S::Accepted, Some("CS_OFFERING")),
            (S::DialTone, Some("CS_INPROGRESS")),
            (S::Dialing, Some("CS_INPROGRESS")),
            (S::Proceeding, Some("CS_INPROGRESS")),
            (S::Ringback, Some("CS_INPROGRESS")),
            (S::SpecialInfo, Some("CS_DISCONNECTED")),
            (S::Busy, Some("CS_DISCONNECTED")),
            (S::Connected, Some("CS_CONNECTED")),
            (S::Conferenced, Some("CS_CONNECTED")),
            (S::OnHold, Some("CS_HOLD")),
            (S::OnHoldPendConf, Some("CS_HOLD")),
            (S::OnHoldPendTransfer, Some("CS_HOLD")),
            (S::Disconnected, Some("CS_DISCONNECTED")),
            (S::Unknown, None),
        ] {
            assert_eq!(call_state(state).map(Constant::name), expected, "{state:?}");
        }
    }

    #[test]
    fn every_disconnect_mode_has_the_documented_cause() {
        use DisconnectMode as D;
        for (mode, expected) in [
            (D::Normal, "NORMAL"),
            (D::Unknown, "NORMAL"),
            (D::Reject, "REJECTED"),
            (D::Pickup, "NORMAL"),
            (D::Forwarded, "NORMAL"),
            (D::Busy, "BUSY"),
            (D::NoAnswer, "NOANSWER"),
            (D::BadAddress, "BADADDRESS"),
            (D::Unreachable, "FAILED"),
            (D::Congestion, "FAILED"),
            (D::Incompatible, "FAILED"),
            (D::Unavail, "NORMAL"),
            (D::NoDialTone, "FAILED"),
            (D::NumberChanged, "BADADDRESS"),
            (D::OutOfOrder, "FAILED"),
            (D::TempFailure, "FAILED"),
            (D::QosUnavail, "FAILED"),
            (D::Blocked, "BLOCKED"),
            (D::DoNotDisturb, "REJECTED"),
            (D::Cancelled, "CANCELLED"),
        ] {
            assert_eq!(disconnect_cause(mode).name(), format!("CEC_DISCONNECT_{expected}"));
        }
    }

    #[test]
    fn no_edge_leads_back_to_idle_or_out_of_disconnected() {
        for from in CallState::ALL {
            assert!(!is_permitted(*from, CallState::Idle), "{from:?}");
            assert!(!is_permitted(CallState::Disconnected, *from), "{from:?}");
        }
        assert!(!is_permitted(CallState::Offering, CallState::InProgress));
        assert!(is_permitted(CallState::Idle, CallState::Offering));
    }

    #[test]
    fn change_causes_are_ordinals_and_not_bits() {
        assert_eq!(info_change(CallInfoState::CallId).value(), 5);
        assert_eq!(info_change(CallInfoState::MediaMode).name(), "CIC_MEDIATYPE");
        assert_eq!(info_change(CallInfoState::MonitorModes).name(), "CIC_OTHER");
    }

    #[test]
    fn names_and_sets_of_names_have_their_values() {
        assert_eq!(value_of(&json!(["LINEBEARERMODE_VOICE", "LINEBEARERMODE_SPEECH"])), 3);
        assert_eq!(value_of(&json!("LINECALLREASON_UNPARK")), 0x20);
        assert_eq!(value_of(&json!(7)), 7);
        assert_eq!(value_of(&json!(null)), 0);
    }
}
