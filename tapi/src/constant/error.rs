//! The LINEERR_ codes.

use super::constants;

constants! {
    /// Why a function was refused. Negative as a signed 32-bit number.
    LineErr, "LINEERR_" {
        Allocated = 0x80000001, "ALLOCATED";
        BadDeviceId = 0x80000002, "BADDEVICEID";
        BearerModeUnavail = 0x80000003, "BEARERMODEUNAVAIL";
        CallUnavail = 0x80000005, "CALLUNAVAIL";
        CompletionOverrun = 0x80000006, "COMPLETIONOVERRUN";
        ConferenceFull = 0x80000007, "CONFERENCEFULL";
        DialBilling = 0x80000008, "DIALBILLING";
        DialDialTone = 0x80000009, "DIALDIALTONE";
        DialPrompt = 0x8000000A, "DIALPROMPT";
        DialQuiet = 0x8000000B, "DIALQUIET";
        IncompatibleApiVersion = 0x8000000C, "INCOMPATIBLEAPIVERSION";
        IncompatibleExtVersion = 0x8000000D, "INCOMPATIBLEEXTVERSION";
        IniFileCorrupt = 0x8000000E, "INIFILECORRUPT";
        InUse = 0x8000000F, "INUSE";
        InvalAddress = 0x80000010, "INVALADDRESS";
        InvalAddressId = 0x80000011, "INVALADDRESSID";
        InvalAddressMode = 0x80000012, "INVALADDRESSMODE";
        InvalAddressState = 0x80000013, "INVALADDRESSSTATE";
        InvalAppHandle = 0x80000014, "INVALAPPHANDLE";
        InvalAppName = 0x80000015, "INVALAPPNAME";
        InvalBearerMode = 0x80000016, "INVALBEARERMODE";
        InvalCallComplMode = 0x80000017, "INVALCALLCOMPLMODE";
        InvalCallHandle = 0x80000018, "INVALCALLHANDLE";
        InvalCallParams = 0x80000019, "INVALCALLPARAMS";
        InvalCallPrivilege = 0x8000001A, "INVALCALLPRIVILEGE";
        InvalCallSelect = 0x8000001B, "INVALCALLSELECT";
        InvalCallState = 0x8000001C, "INVALCALLSTATE";
        InvalCallStateList = 0x8000001D, "INVALCALLSTATELIST";
        InvalCard = 0x8000001E, "INVALCARD";
        InvalCompletionId = 0x8000001F, "INVALCOMPLETIONID";
        InvalConfCallHandle = 0x80000020, "INVALCONFCALLHANDLE";
        InvalConsultCallHandle = 0x80000021, "INVALCONSULTCALLHANDLE";
        InvalCountryCode = 0x80000022, "INVALCOUNTRYCODE";
        InvalDeviceClass = 0x80000023, "INVALDEVICECLASS";
        InvalDeviceHandle = 0x80000024, "INVALDEVICEHANDLE";
        InvalDialParams = 0x80000025, "INVALDIALPARAMS";
        InvalDigitList = 0x80000026, "INVALDIGITLIST";
        InvalDigitMode = 0x80000027, "INVALDIGITMODE";
        InvalDigits = 0x80000028, "INVALDIGITS";
        InvalExtVersion = 0x80000029, "INVALEXTVERSION";
        InvalGroupId = 0x8000002A, "INVALGROUPID";
        InvalLineHandle = 0x8000002B, "INVALLINEHANDLE";
        InvalLineState = 0x8000002C, "INVALLINESTATE";
        InvalLocation = 0x8000002D, "INVALLOCATION";
        InvalMediaList = 0x8000002E, "INVALMEDIALIST";
        InvalMediaMode = 0x8000002F, "INVALMEDIAMODE";
        InvalMessageId = 0x80000030, "INVALMESSAGEID";
        InvalParam = 0x80000032, "INVALPARAM";
        InvalParkId = 0x80000033, "INVALPARKID";
        InvalParkMode = 0x80000034, "INVALPARKMODE";
        InvalPointer = 0x80000035, "INVALPOINTER";
        InvalPrivSelect = 0x80000036, "INVALPRIVSELECT";
        InvalRate = 0x80000037, "INVALRATE";
        InvalRequestMode = 0x80000038, "INVALREQUESTMODE";
        InvalTerminalId = 0x80000039, "INVALTERMINALID";
        InvalTerminalMode = 0x8000003A, "INVALTERMINALMODE";
        InvalTimeout = 0x8000003B, "INVALTIMEOUT";
        InvalTone = 0x8000003C, "INVALTONE";
        InvalToneList = 0x8000003D, "INVALTONELIST";
        InvalToneMode = 0x8000003E, "INVALTONEMODE";
        InvalTransferMode = 0x8000003F, "INVALTRANSFERMODE";
        LineMapperFailed = 0x80000040, "LINEMAPPERFAILED";
        NoConference = 0x80000041, "NOCONFERENCE";
        NoDevice = 0x80000042, "NODEVICE";
        NoDriver = 0x80000043, "NODRIVER";
        NoMem = 0x80000044, "NOMEM";
        NoRequest = 0x80000045, "NOREQUEST";
        NotOwner = 0x80000046, "NOTOWNER";
        NotRegistered = 0x80000047, "NOTREGISTERED";
        OperationFailed = 0x80000048, "OPERATIONFAILED";
        OperationUnavail = 0x80000049, "OPERATIONUNAVAIL";
        RateUnavail = 0x8000004A, "RATEUNAVAIL";
        ResourceUnavail = 0x8000004B, "RESOURCEUNAVAIL";
        RequestOverrun = 0x8000004C, "REQUESTOVERRUN";
        StructureTooSmall = 0x8000004D, "STRUCTURETOOSMALL";
        TargetNotFound = 0x8000004E, "TARGETNOTFOUND";
        TargetSelf = 0x8000004F, "TARGETSELF";
        Uninitialized = 0x80000050, "UNINITIALIZED";
        UserUserInfoTooBig = 0x80000051, "USERUSERINFOTOOBIG";
        Reinit = 0x80000052, "REINIT";
        AddressBlocked = 0x80000053, "ADDRESSBLOCKED";
        BillingRejected = 0x80000054, "BILLINGREJECTED";
        InvalFeature = 0x80000055, "INVALFEATURE";
        NoMultipleInstance = 0x80000056, "NOMULTIPLEINSTANCE";
        InvalAgentId = 0x80000057, "INVALAGENTID";
        InvalAgentGroup = 0x80000058, "INVALAGENTGROUP";
        InvalPassword = 0x80000059, "INVALPASSWORD";
        InvalAgentState = 0x8000005A, "INVALAGENTSTATE";
        InvalAgentActivity = 0x8000005B, "INVALAGENTACTIVITY";
        DialVoiceDetect = 0x8000005C, "DIALVOICEDETECT";
        UserCancelled = 0x8000005D, "USERCANCELLED";
        InvalAddressType = 0x8000005E, "INVALADDRESSTYPE";
        InvalAgentSessionState = 0x8000005F, "INVALAGENTSESSIONSTATE";
        Disconnected = 0x80000060, "DISCONNECTED";
        ServiceNotRunning = 0x80000061, "SERVICE_NOT_RUNNING";
    }
}

impl LineErr {
    /// The code as the signed number that functions return.
    pub fn code(self) -> i32 {
        (self as u32).cast_signed()
    }
}

impl std::fmt::Display for LineErr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use super::Constant as _;
        f.write_str(self.name())
    }
}

impl std::error::Error for LineErr {}
