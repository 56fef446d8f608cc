//! TAPI_E_ codes, and which LINEERR_ becomes which of them.

use crate::constant::{LineErr, constants};

constants! {
    /// The HRESULT of a method that failed.
    TapiErrorCode, "" {
        NotEnoughMemory = 0x8004_0001, "TAPI_E_NOTENOUGHMEMORY";
        NoItems = 0x8004_0002, "TAPI_E_NOITEMS";
        NotSupported = 0x8004_0003, "TAPI_E_NOTSUPPORTED";
        InvalidMediaType = 0x8004_0004, "TAPI_E_INVALIDMEDIATYPE";
        OperationFailed = 0x8004_0005, "TAPI_E_OPERATIONFAILED";
        Allocated = 0x8004_0006, "TAPI_E_ALLOCATED";
        CallUnavail = 0x8004_0007, "TAPI_E_CALLUNAVAIL";
        CompletionOverrun = 0x8004_0008, "TAPI_E_COMPLETIONOVERRUN";
        ConferenceFull = 0x8004_0009, "TAPI_E_CONFERENCEFULL";
        DialModifierNotSupported = 0x8004_000A, "TAPI_E_DIALMODIFIERNOTSUPPORTED";
        InUse = 0x8004_000B, "TAPI_E_INUSE";
        InvalAddress = 0x8004_000C, "TAPI_E_INVALADDRESS";
        InvalAddressState = 0x8004_000D, "TAPI_E_INVALADDRESSSTATE";
        InvalCallParams = 0x8004_000E, "TAPI_E_INVALCALLPARAMS";
        InvalCallPrivilege = 0x8004_000F, "TAPI_E_INVALCALLPRIVILEGE";
        InvalCallState = 0x8004_0010, "TAPI_E_INVALCALLSTATE";
        InvalCard = 0x8004_0011, "TAPI_E_INVALCARD";
        InvalCompletionId = 0x8004_0012, "TAPI_E_INVALCOMPLETIONID";
        InvalCountryCode = 0x8004_0013, "TAPI_E_INVALCOUNTRYCODE";
        InvalDeviceClass = 0x8004_0014, "TAPI_E_INVALDEVICECLASS";
        InvalDialParams = 0x8004_0015, "TAPI_E_INVALDIALPARAMS";
        InvalDigits = 0x8004_0016, "TAPI_E_INVALDIGITS";
        InvalGroupId = 0x8004_0017, "TAPI_E_INVALGROUPID";
        InvalLocation = 0x8004_0018, "TAPI_E_INVALLOCATION";
        InvalMessageId = 0x8004_0019, "TAPI_E_INVALMESSAGEID";
        InvalParkId = 0x8004_001A, "TAPI_E_INVALPARKID";
        InvalRate = 0x8004_001B, "TAPI_E_INVALRATE";
        InvalTimeout = 0x8004_001C, "TAPI_E_INVALTIMEOUT";
        InvalTone = 0x8004_001D, "TAPI_E_INVALTONE";
        InvalList = 0x8004_001E, "TAPI_E_INVALLIST";
        InvalMode = 0x8004_001F, "TAPI_E_INVALMODE";
        NoConference = 0x8004_0020, "TAPI_E_NOCONFERENCE";
        NoDevice = 0x8004_0021, "TAPI_E_NODEVICE";
        NoRequest = 0x8004_0022, "TAPI_E_NOREQUEST";
        NotOwner = 0x8004_0023, "TAPI_E_NOTOWNER";
        NotRegistered = 0x8004_0024, "TAPI_E_NOTREGISTERED";
        RequestOverrun = 0x8004_0025, "TAPI_E_REQUESTOVERRUN";
        TargetNotFound = 0x8004_0026, "TAPI_E_TARGETNOTFOUND";
        TargetSelf = 0x8004_0027, "TAPI_E_TARGETSELF";
        UserUserInfoTooBig = 0x8004_0028, "TAPI_E_USERUSERINFOTOOBIG";
        Reinit = 0x8004_0029, "TAPI_E_REINIT";
        AddressBlocked = 0x8004_002A, "TAPI_E_ADDRESSBLOCKED";
        BillingRejected = 0x8004_002B, "TAPI_E_BILLINGREJECTED";
        InvalFeature = 0x8004_002C, "TAPI_E_INVALFEATURE";
        Dropped = 0x8004_0031, "TAPI_E_DROPPED";
        DestBusy = 0x8004_0034, "TAPI_E_DESTBUSY";
        DestNoAnswer = 0x8004_0035, "TAPI_E_DESTNOANSWER";
        DestUnavail = 0x8004_0036, "TAPI_E_DESTUNAVAIL";
        RequestFailed = 0x8004_0037, "TAPI_E_REQUESTFAILED";
        RequestCancelled = 0x8004_0038, "TAPI_E_REQUESTCANCELLED";
        NoDriver = 0x8004_003D, "TAPI_E_NODRIVER";
        Timeout = 0x8004_0044, "TAPI_E_TIMEOUT";
        CallCenterGroupRemoved = 0x8004_0045, "TAPI_E_CALLCENTER_GROUP_REMOVED";
        CallCenterQueueRemoved = 0x8004_0046, "TAPI_E_CALLCENTER_QUEUE_REMOVED";
        CallCenterNoAgentId = 0x8004_0047, "TAPI_E_CALLCENTER_NO_AGENT_ID";
        CallCenterInvalAgentId = 0x8004_0048, "TAPI_E_CALLCENTER_INVALAGENTID";
        CallCenterInvalAgentGroup = 0x8004_0049, "TAPI_E_CALLCENTER_INVALAGENTGROUP";
        CallCenterInvalPassword = 0x8004_004A, "TAPI_E_CALLCENTER_INVALPASSWORD";
        CallCenterInvalAgentState = 0x8004_004B, "TAPI_E_CALLCENTER_INVALAGENTSTATE";
        CallCenterInvalAgentActivity = 0x8004_004C, "TAPI_E_CALLCENTER_INVALAGENTACTIVITY";
        RegistrySettingCorrupt = 0x8004_004D, "TAPI_E_REGISTRY_SETTING_CORRUPT";
        InvalAddressType = 0x8004_0051, "TAPI_E_INVALADDRESSTYPE";
        ResourceUnavail = 0x8004_0052, "TAPI_E_RESOURCEUNAVAIL";
        WrongState = 0x8004_0058, "TAPI_E_WRONG_STATE";
        NotInitialized = 0x8004_0059, "TAPI_E_NOT_INITIALIZED";
        ServiceNotRunning = 0x8004_005A, "TAPI_E_SERVICE_NOT_RUNNING";
        NotImpl = 0x8000_4001, "E_NOTIMPL";
        Pointer = 0x8000_4003, "E_POINTER";
        Fail = 0x8000_4005, "E_FAIL";
        Pending = 0x8000_000A, "E_PENDING";
        Unexpected = 0x8000_FFFF, "E_UNEXPECTED";
        AccessDenied = 0x8007_0005, "E_ACCESSDENIED";
        OutOfMemory = 0x8007_000E, "E_OUTOFMEMORY";
        InvalidArg = 0x8007_0057, "E_INVALIDARG";
    }
}

/// A method succeeded; some say so in two ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Success {
    /// `S_OK`
    Ok,
    /// `S_FALSE`: there was nothing to do.
    False,
}

/// Why a method failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {detail}", crate::Constant::name(*code))]
pub struct TapiError {
    /// The documented HRESULT.
    pub code: TapiErrorCode,
    /// What the switch answered, where it was asked.
    pub line_error: Option<LineErr>,
    /// One sentence for people.
    pub detail: String,
}

impl TapiError {
    /// An error that the switch has no part in.
    pub(crate) fn new(code: TapiErrorCode, detail: impl Into<String>) -> Self {
        Self { code, line_error: None, detail: detail.into() }
    }

    /// A refusal of the switch.
    pub(crate) fn of_line(error: LineErr, detail: impl Into<String>) -> Self {
        Self { code: code_of(error), line_error: Some(error), detail: detail.into() }
    }

    /// What a method answers for a function that is not offered, where that is not
    /// TAPI_E_NOTSUPPORTED.
    pub(crate) fn unsupported_as(mut self, code: TapiErrorCode) -> Self {
        if self.line_error == Some(LineErr::OperationUnavail) {
            self.code = code;
        }
        self
    }

    /// What a method answers for one LINEERR_.
    pub(crate) fn line_as(mut self, error: LineErr, code: TapiErrorCode) -> Self {
        if self.line_error == Some(error) {
            self.code = code;
        }
        self
    }
}

/// The TAPI_E_ of a LINEERR_, by name and text. Where TAPI 3 has none of the kind, what an invalid
/// argument or a call that is gone would answer.
pub fn code_of(error: LineErr) -> TapiErrorCode {
    use LineErr as L;
    use TapiErrorCode as T;
    match error {
        L::StructureTooSmall => T::NotEnoughMemory,
        L::NoMem => T::OutOfMemory,
        L::OperationUnavail
        | L::BearerModeUnavail
        | L::IncompatibleApiVersion
        | L::IncompatibleExtVersion => T::NotSupported,
        L::InvalMediaMode | L::InvalMediaList => T::InvalidMediaType,
        L::OperationFailed => T::OperationFailed,
        L::Allocated => T::Allocated,
        L::CallUnavail => T::CallUnavail,
        L::CompletionOverrun => T::CompletionOverrun,
        L::ConferenceFull => T::ConferenceFull,
        L::DialBilling | L::DialQuiet | L::DialDialTone | L::DialPrompt | L::DialVoiceDetect => {
            T::DialModifierNotSupported
        }
        L::InUse => T::InUse,
        L::InvalAddress => T::InvalAddress,
        L::InvalAddressState | L::InvalLineState => T::InvalAddressState,
        L::InvalCallParams => T::InvalCallParams,
        L::InvalCallPrivilege => T::InvalCallPrivilege,
        L::InvalCallState
        | L::InvalCallHandle
        | L::InvalConfCallHandle
        | L::InvalConsultCallHandle => T::InvalCallState,
        L::InvalCard => T::InvalCard,
        L::InvalCompletionId => T::InvalCompletionId,
        L::InvalCountryCode => T::InvalCountryCode,
        L::InvalDeviceClass => T::InvalDeviceClass,
        L::InvalDialParams => T::InvalDialParams,
        L::InvalDigits => T::InvalDigits,
        L::InvalGroupId => T::InvalGroupId,
        L::InvalLocation => T::InvalLocation,
        L::InvalMessageId => T::InvalMessageId,
        L::InvalParkId => T::InvalParkId,
        L::InvalRate | L::RateUnavail => T::InvalRate,
        L::InvalTimeout => T::InvalTimeout,
        L::InvalTone => T::InvalTone,
        L::InvalToneList | L::InvalDigitList | L::InvalCallStateList => T::InvalList,
        L::InvalParkMode
        | L::InvalTransferMode
        | L::InvalDigitMode
        | L::InvalToneMode
        | L::InvalCallComplMode
        | L::InvalRequestMode
        | L::InvalBearerMode
        | L::InvalAddressMode
        | L::InvalTerminalMode => T::InvalMode,
        L::NoConference => T::NoConference,
        L::NoDevice | L::LineMapperFailed | L::BadDeviceId => T::NoDevice,
        L::NoDriver => T::NoDriver,
        L::NoRequest => T::NoRequest,
        L::NotOwner => T::NotOwner,
        L::NotRegistered => T::NotRegistered,
        L::RequestOverrun => T::RequestOverrun,
        L::TargetNotFound => T::TargetNotFound,
        L::TargetSelf => T::TargetSelf,
        L::UserUserInfoTooBig => T::UserUserInfoTooBig,
        L::Reinit => T::Reinit,
        L::AddressBlocked => T::AddressBlocked,
        L::BillingRejected => T::BillingRejected,
        L::InvalFeature => T::InvalFeature,
        L::UserCancelled => T::RequestCancelled,
        L::Disconnected => T::Dropped,
        L::IniFileCorrupt => T::RegistrySettingCorrupt,
        L::InvalAddressType => T::InvalAddressType,
        L::ResourceUnavail => T::ResourceUnavail,
        L::Uninitialized => T::NotInitialized,
        L::ServiceNotRunning => T::ServiceNotRunning,
        L::InvalPointer => T::Pointer,
        L::InvalAgentId => T::CallCenterInvalAgentId,
        L::InvalAgentGroup => T::CallCenterInvalAgentGroup,
        L::InvalPassword => T::CallCenterInvalPassword,
        // TAPI 3 has no code of its own for the state of a session.
        L::InvalAgentState | L::InvalAgentSessionState => T::CallCenterInvalAgentState,
        L::InvalAgentActivity => T::CallCenterInvalAgentActivity,
        _ => T::InvalidArg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constant::Constant as _;

    /// Without prefix the names of both sides are the same but for these.
    const RENAMED: &[(&str, &str)] = &[
        ("STRUCTURETOOSMALL", "NOTENOUGHMEMORY"),
        ("OPERATIONUNAVAIL", "NOTSUPPORTED"),
        ("INVALMEDIAMODE", "INVALIDMEDIATYPE"),
        ("INIFILECORRUPT", "REGISTRY_SETTING_CORRUPT"),
        ("UNINITIALIZED", "NOT_INITIALIZED"),
        ("USERCANCELLED", "REQUESTCANCELLED"),
    ];

    #[test]
    fn a_line_error_becomes_the_tapi_error_of_its_name() {
        let mut same = 0;
        for error in LineErr::ALL {
            let name = error.name().trim_start_matches("LINEERR_");
            let renamed = RENAMED.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new);
            let wanted = format!("TAPI_E_{renamed}");
            if let Some(code) = TapiErrorCode::from_name(&wanted) {
                assert_eq!(code_of(*error), code, "{name}");
                same += 1;
            }
        }
        assert!(same > 45, "{same} names agree");
    }

    #[test]
    fn values_are_those_of_the_reference() {
        for (code, value) in [
            (TapiErrorCode::InvalCallState, 0x8004_0010),
            (TapiErrorCode::NotOwner, 0x8004_0023),
            (TapiErrorCode::Timeout, 0x8004_0044),
            (TapiErrorCode::CallCenterGroupRemoved, 0x8004_0045),
            (TapiErrorCode::CallCenterInvalAgentActivity, 0x8004_004C),
            (TapiErrorCode::NotInitialized, 0x8004_0059),
        ] {
            assert_eq!(code.value(), value);
        }
        assert_eq!(code_of(LineErr::DialBilling).name(), "TAPI_E_DIALMODIFIERNOTSUPPORTED");
        assert_eq!(code_of(LineErr::InvalParkMode).name(), "TAPI_E_INVALMODE");
        assert_eq!(code_of(LineErr::InvalToneList).name(), "TAPI_E_INVALLIST");
        assert_eq!(code_of(LineErr::InvalPassword).name(), "TAPI_E_CALLCENTER_INVALPASSWORD");
    }

    #[test]
    fn an_error_shows_its_name_and_the_sentence() {
        let error = TapiError::of_line(LineErr::InvalAddress, "There is no such number.");
        assert_eq!(error.to_string(), "TAPI_E_INVALADDRESS: There is no such number.");
        assert_eq!(
            error.line_as(LineErr::InvalAddress, TapiErrorCode::InvalidArg).code.value(),
            0x8007_0057
        );
    }
}
