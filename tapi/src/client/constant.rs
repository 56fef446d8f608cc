//! The enumerations of TAPI 3.0 and 3.1, with their documented values.
//!
//! Their names are those of TAPI 3 in Rust's spelling: `CALL_STATE` is [`CallState`], its member
//! `CS_HOLD` [`CallState::Hold`]. [`Constant::name`](crate::Constant::name) gives the documented
//! name back. Where a prefix stands for two families (`AS_`, `AE_`, `TE_`) the type tells which.

use crate::constant::constants;

constants! {
    /// CALL_STATE: where a call is. No call ever goes back to CS_IDLE.
    CallState, "CS_" {
        Idle = 0, "IDLE";
        InProgress = 1, "INPROGRESS";
        Connected = 2, "CONNECTED";
        Disconnected = 3, "DISCONNECTED";
        Offering = 4, "OFFERING";
        Hold = 5, "HOLD";
        Queued = 6, "QUEUED";
    }
}

constants! {
    /// CALL_STATE_EVENT_CAUSE: why a call has changed its state.
    CallStateEventCause, "CEC_" {
        None = 0, "NONE";
        DisconnectNormal = 1, "DISCONNECT_NORMAL";
        DisconnectBusy = 2, "DISCONNECT_BUSY";
        DisconnectBadAddress = 3, "DISCONNECT_BADADDRESS";
        DisconnectNoAnswer = 4, "DISCONNECT_NOANSWER";
        DisconnectCancelled = 5, "DISCONNECT_CANCELLED";
        DisconnectRejected = 6, "DISCONNECT_REJECTED";
        DisconnectFailed = 7, "DISCONNECT_FAILED";
        DisconnectBlocked = 8, "DISCONNECT_BLOCKED";
    }
}

constants! {
    /// DISCONNECT_CODE: why an application ends a call.
    DisconnectCode, "DC_" {
        Normal = 0, "NORMAL";
        NoAnswer = 1, "NOANSWER";
        Rejected = 2, "REJECTED";
    }
}

constants! {
    /// FINISH_MODE: what becomes of a consultation.
    FinishMode, "FM_" {
        AsTransfer = 0, "ASTRANSFER";
        AsConference = 1, "ASCONFERENCE";
    }
}

constants! {
    /// CALL_PRIVILEGE: what an application may do with a call.
    CallPrivilege, "CP_" {
        Owner = 0, "OWNER";
        Monitor = 1, "MONITOR";
    }
}

constants! {
    /// CALL_NOTIFICATION_EVENT: in which role an application learns of a new call.
    CallNotificationEvent, "CNE_" {
        Owner = 0, "OWNER";
        Monitor = 1, "MONITOR";
    }
}

constants! {
    /// QOS_SERVICE_LEVEL: how much a quality of service is needed.
    QosServiceLevel, "QSL_" {
        Needed = 1, "NEEDED";
        IfAvailable = 2, "IF_AVAILABLE";
        BestEffort = 3, "BEST_EFFORT";
    }
}

constants! {
    /// CALLHUB_EVENT: what happened to a call hub.
    CallHubEvent, "CHE_" {
        CallJoin = 0, "CALLJOIN";
        CallLeave = 1, "CALLLEAVE";
        CallHubNew = 2, "CALLHUBNEW";
        CallHubIdle = 3, "CALLHUBIDLE";
    }
}

constants! {
    /// CALLHUB_STATE: whether calls belong to a call hub.
    CallHubState, "CHS_" {
        Active = 0, "ACTIVE";
        Idle = 1, "IDLE";
    }
}

constants! {
    /// ADDRESS_STATE: whether an address can be used.
    AddressState, "AS_" {
        InService = 0, "INSERVICE";
        OutOfService = 1, "OUTOFSERVICE";
    }
}

constants! {
    /// ADDRESS_EVENT: what happened to an address.
    AddressEvent, "AE_" {
        State = 0, "STATE";
        CapsChange = 1, "CAPSCHANGE";
        Ringing = 2, "RINGING";
        ConfigChange = 3, "CONFIGCHANGE";
        Forward = 4, "FORWARD";
        NewTerminal = 5, "NEWTERMINAL";
        RemoveTerminal = 6, "REMOVETERMINAL";
        MsgWaitOn = 7, "MSGWAITON";
        MsgWaitOff = 8, "MSGWAITOFF";
    }
}

constants! {
    /// TAPIOBJECT_EVENT: what happened to the TAPI object.
    TapiObjectEvent, "TE_" {
        AddressCreate = 0, "ADDRESSCREATE";
        AddressRemove = 1, "ADDRESSREMOVE";
        Reinit = 2, "REINIT";
        TranslateChange = 3, "TRANSLATECHANGE";
        AddressClose = 4, "ADDRESSCLOSE";
        PhoneCreate = 5, "PHONECREATE";
        PhoneRemove = 6, "PHONEREMOVE";
    }
}

constants! {
    /// TAPI_EVENT: kinds of events; sets of them are the mask of ITTAPI::put_EventFilter.
    TapiEvent, "TE_" {
        TapiObject = 0x0000_0001, "TAPIOBJECT";
        Address = 0x0000_0002, "ADDRESS";
        CallNotification = 0x0000_0004, "CALLNOTIFICATION";
        CallState = 0x0000_0008, "CALLSTATE";
        CallMedia = 0x0000_0010, "CALLMEDIA";
        CallHub = 0x0000_0020, "CALLHUB";
        CallInfoChange = 0x0000_0040, "CALLINFOCHANGE";
        Private = 0x0000_0080, "PRIVATE";
        Request = 0x0000_0100, "REQUEST";
        Agent = 0x0000_0200, "AGENT";
        AgentSession = 0x0000_0400, "AGENTSESSION";
        QosEvent = 0x0000_0800, "QOSEVENT";
        AgentHandler = 0x0000_1000, "AGENTHANDLER";
        AcdGroup = 0x0000_2000, "ACDGROUP";
        Queue = 0x0000_4000, "QUEUE";
        DigitEvent = 0x0000_8000, "DIGITEVENT";
        GenerateEvent = 0x0001_0000, "GENERATEEVENT";
        AsrTerminal = 0x0002_0000, "ASRTERMINAL";
        TtsTerminal = 0x0004_0000, "TTSTERMINAL";
        FileTerminal = 0x0008_0000, "FILETERMINAL";
        ToneTerminal = 0x0010_0000, "TONETERMINAL";
        PhoneEvent = 0x0020_0000, "PHONEEVENT";
        ToneEvent = 0x0040_0000, "TONEEVENT";
        GatherDigits = 0x0080_0000, "GATHERDIGITS";
        AddressDevSpecific = 0x0100_0000, "ADDRESSDEVSPECIFIC";
        PhoneDevSpecific = 0x0200_0000, "PHONEDEVSPECIFIC";
    }
}

constants! {
    /// TAPIMEDIATYPE_: media of a call.
    TapiMediaType, "TAPIMEDIATYPE_" {
        Audio = 0x0000_0008, "AUDIO";
        DataModem = 0x0000_0010, "DATAMODEM";
        G3Fax = 0x0000_0020, "G3FAX";
        Video = 0x0000_8000, "VIDEO";
        Multitrack = 0x0001_0000, "MULTITRACK";
    }
}

constants! {
    /// LINEADDRESSTYPE_: what kind of text an address is.
    AddressType, "LINEADDRESSTYPE_" {
        PhoneNumber = 0x0000_0001, "PHONENUMBER";
        Sdp = 0x0000_0002, "SDP";
        EmailName = 0x0000_0004, "EMAILNAME";
        DomainName = 0x0000_0008, "DOMAINNAME";
        IpAddress = 0x0000_0010, "IPADDRESS";
    }
}

constants! {
    /// CALLINFO_LONG: the numbers of a call.
    CallInfoLong, "CIL_" {
        MediaTypesAvailable = 0, "MEDIATYPESAVAILABLE";
        BearerMode = 1, "BEARERMODE";
        CallerIdAddressType = 2, "CALLERIDADDRESSTYPE";
        CalledIdAddressType = 3, "CALLEDIDADDRESSTYPE";
        ConnectedIdAddressType = 4, "CONNECTEDIDADDRESSTYPE";
        RedirectionIdAddressType = 5, "REDIRECTIONIDADDRESSTYPE";
        RedirectingIdAddressType = 6, "REDIRECTINGIDADDRESSTYPE";
        Origin = 7, "ORIGIN";
        Reason = 8, "REASON";
        AppSpecific = 9, "APPSPECIFIC";
        CallParamsFlags = 10, "CALLPARAMSFLAGS";
        CallTreatment = 11, "CALLTREATMENT";
        MinRate = 12, "MINRATE";
        MaxRate = 13, "MAXRATE";
        CountryCode = 14, "COUNTRYCODE";
        CallId = 15, "CALLID";
        RelatedCallId = 16, "RELATEDCALLID";
        CompletionId = 17, "COMPLETIONID";
        NumberOfOwners = 18, "NUMBEROFOWNERS";
        NumberOfMonitors = 19, "NUMBEROFMONITORS";
        Trunk = 20, "TRUNK";
        Rate = 21, "RATE";
        GenerateDigitDuration = 22, "GENERATEDIGITDURATION";
        MonitorDigitModes = 23, "MONITORDIGITMODES";
        MonitorMediaModes = 24, "MONITORMEDIAMODES";
    }
}

constants! {
    /// CALLINFO_STRING: the texts of a call. *Redirecting* is who redirected, *redirection* where
    /// to, *connected* who really answered.
    CallInfoString, "CIS_" {
        CallerIdName = 0, "CALLERIDNAME";
        CallerIdNumber = 1, "CALLERIDNUMBER";
        CalledIdName = 2, "CALLEDIDNAME";
        CalledIdNumber = 3, "CALLEDIDNUMBER";
        ConnectedIdName = 4, "CONNECTEDIDNAME";
        ConnectedIdNumber = 5, "CONNECTEDIDNUMBER";
        RedirectionIdName = 6, "REDIRECTIONIDNAME";
        RedirectionIdNumber = 7, "REDIRECTIONIDNUMBER";
        RedirectingIdName = 8, "REDIRECTINGIDNAME";
        RedirectingIdNumber = 9, "REDIRECTINGIDNUMBER";
        CalledPartyFriendlyName = 10, "CALLEDPARTYFRIENDLYNAME";
        Comment = 11, "COMMENT";
        DisplayableAddress = 12, "DISPLAYABLEADDRESS";
        CallingPartyId = 13, "CALLINGPARTYID";
    }
}

constants! {
    /// CALLINFO_BUFFER: the data of a call.
    CallInfoBuffer, "CIB_" {
        UserUserInfo = 0, "USERUSERINFO";
        DevSpecificBuffer = 1, "DEVSPECIFICBUFFER";
        CallDataBuffer = 2, "CALLDATABUFFER";
        ChargingInfoBuffer = 3, "CHARGINGINFOBUFFER";
        HighLevelCompatibilityBuffer = 4, "HIGHLEVELCOMPATIBILITYBUFFER";
        LowLevelCompatibilityBuffer = 5, "LOWLEVELCOMPATIBILITYBUFFER";
    }
}

constants! {
    /// CALLINFOCHANGE_CAUSE: what of a call has changed. Ordinals, not the bits of
    /// LINECALLINFOSTATE_.
    CallInfoChangeCause, "CIC_" {
        Other = 0, "OTHER";
        DevSpecific = 1, "DEVSPECIFIC";
        BearerMode = 2, "BEARERMODE";
        Rate = 3, "RATE";
        AppSpecific = 4, "APPSPECIFIC";
        CallId = 5, "CALLID";
        RelatedCallId = 6, "RELATEDCALLID";
        Origin = 7, "ORIGIN";
        Reason = 8, "REASON";
        CompletionId = 9, "COMPLETIONID";
        NumOwnerIncr = 10, "NUMOWNERINCR";
        NumOwnerDecr = 11, "NUMOWNERDECR";
        NumMonitors = 12, "NUMMONITORS";
        Trunk = 13, "TRUNK";
        CallerId = 14, "CALLERID";
        CalledId = 15, "CALLEDID";
        ConnectedId = 16, "CONNECTEDID";
        RedirectionId = 17, "REDIRECTIONID";
        RedirectingId = 18, "REDIRECTINGID";
        UserUserInfo = 19, "USERUSERINFO";
        HighLevelComp = 20, "HIGHLEVELCOMP";
        LowLevelComp = 21, "LOWLEVELCOMP";
        ChargingInfo = 22, "CHARGINGINFO";
        Treatment = 23, "TREATMENT";
        CallData = 24, "CALLDATA";
        Privilege = 25, "PRIVILEGE";
        MediaType = 26, "MEDIATYPE";
    }
}

constants! {
    /// ADDRESS_CAPABILITY: what ITAddressCapabilities::get_AddressCapability tells.
    AddressCapability, "AC_" {
        AddressTypes = 0, "ADDRESSTYPES";
        BearerModes = 1, "BEARERMODES";
        MaxActiveCalls = 2, "MAXACTIVECALLS";
        MaxOnHoldCalls = 3, "MAXONHOLDCALLS";
        MaxOnHoldPendingCalls = 4, "MAXONHOLDPENDINGCALLS";
        MaxNumConference = 5, "MAXNUMCONFERENCE";
        MaxNumTransConf = 6, "MAXNUMTRANSCONF";
        MonitorDigitSupport = 7, "MONITORDIGITSUPPORT";
        GenerateDigitSupport = 8, "GENERATEDIGITSUPPORT";
        GenerateToneModes = 9, "GENERATETONEMODES";
        GenerateToneMaxNumFreq = 10, "GENERATETONEMAXNUMFREQ";
        MonitorToneMaxNumFreq = 11, "MONITORTONEMAXNUMFREQ";
        MonitorToneMaxNumEntries = 12, "MONITORTONEMAXNUMENTRIES";
        DevCapFlags = 13, "DEVCAPFLAGS";
        AnswerModes = 14, "ANSWERMODES";
        LineFeatures = 15, "LINEFEATURES";
        SettableDevStatus = 16, "SETTABLEDEVSTATUS";
        ParkSupport = 17, "PARKSUPPORT";
        CallerIdSupport = 18, "CALLERIDSUPPORT";
        CalledIdSupport = 19, "CALLEDIDSUPPORT";
        ConnectedIdSupport = 20, "CONNECTEDIDSUPPORT";
        RedirectionIdSupport = 21, "REDIRECTIONIDSUPPORT";
        RedirectingIdSupport = 22, "REDIRECTINGIDSUPPORT";
        AddressCapFlags = 23, "ADDRESSCAPFLAGS";
        CallFeatures1 = 24, "CALLFEATURES1";
        CallFeatures2 = 25, "CALLFEATURES2";
        RemoveFromConfCaps = 26, "REMOVEFROMCONFCAPS";
        RemoveFromConfState = 27, "REMOVEFROMCONFSTATE";
        TransferModes = 28, "TRANSFERMODES";
        AddressFeatures = 29, "ADDRESSFEATURES";
        PredictiveAutoTransferStates = 30, "PREDICTIVEAUTOTRANSFERSTATES";
        MaxCallDataSize = 31, "MAXCALLDATASIZE";
        LineId = 32, "LINEID";
        AddressId = 33, "ADDRESSID";
        ForwardModes = 34, "FORWARDMODES";
        MaxForwardEntries = 35, "MAXFORWARDENTRIES";
        MaxSpecificEntries = 36, "MAXSPECIFICENTRIES";
        MinFwdNumRings = 37, "MINFWDNUMRINGS";
        MaxFwdNumRings = 38, "MAXFWDNUMRINGS";
        MaxCallCompletions = 39, "MAXCALLCOMPLETIONS";
        CallCompletionConditions = 40, "CALLCOMPLETIONCONDITIONS";
        CallCompletionModes = 41, "CALLCOMPLETIONMODES";
        PermanentDeviceId = 42, "PERMANENTDEVICEID";
        GatherDigitsMinTimeout = 43, "GATHERDIGITSMINTIMEOUT";
        GatherDigitsMaxTimeout = 44, "GATHERDIGITSMAXTIMEOUT";
        GenerateDigitMinDuration = 45, "GENERATEDIGITMINDURATION";
        GenerateDigitMaxDuration = 46, "GENERATEDIGITMAXDURATION";
        GenerateDigitDefaultDuration = 47, "GENERATEDIGITDEFAULTDURATION";
    }
}

constants! {
    /// ADDRESS_CAPABILITY_STRING: the texts of ITAddressCapabilities.
    AddressCapabilityString, "ACS_" {
        Protocol = 0, "PROTOCOL";
        AddressDeviceSpecific = 1, "ADDRESSDEVICESPECIFIC";
        LineDeviceSpecific = 2, "LINEDEVICESPECIFIC";
        ProviderSpecific = 3, "PROVIDERSPECIFIC";
        SwitchSpecific = 4, "SWITCHSPECIFIC";
        PermanentDeviceGuid = 5, "PERMANENTDEVICEGUID";
    }
}
