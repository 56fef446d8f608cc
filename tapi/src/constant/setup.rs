//! Identity of a call and how it is set up and opened.

use super::constants;

constants! {
    /// Where a call came from.
    CallOrigin, "LINECALLORIGIN_" {
        Outbound = 0x00000001, "OUTBOUND";
        Internal = 0x00000002, "INTERNAL";
        External = 0x00000004, "EXTERNAL";
        Unknown = 0x00000010, "UNKNOWN";
        Unavail = 0x00000020, "UNAVAIL";
        Conference = 0x00000040, "CONFERENCE";
        Inbound = 0x00000080, "INBOUND";
    }
}

constants! {
    /// Why a call is here.
    CallReason, "LINECALLREASON_" {
        Direct = 0x00000001, "DIRECT";
        FwdBusy = 0x00000002, "FWDBUSY";
        FwdNoAnswer = 0x00000004, "FWDNOANSWER";
        FwdUncond = 0x00000008, "FWDUNCOND";
        Pickup = 0x00000010, "PICKUP";
        Unpark = 0x00000020, "UNPARK";
        Redirect = 0x00000040, "REDIRECT";
        CallCompletion = 0x00000080, "CALLCOMPLETION";
        Transfer = 0x00000100, "TRANSFER";
        Reminder = 0x00000200, "REMINDER";
        Unknown = 0x00000400, "UNKNOWN";
        Unavail = 0x00000800, "UNAVAIL";
        Intrude = 0x00001000, "INTRUDE";
        Parked = 0x00002000, "PARKED";
        CampedOn = 0x00004000, "CAMPEDON";
        RouteRequest = 0x00008000, "ROUTEREQUEST";
    }
}

constants! {
    /// What is known of a party; bits combine (NAME with ADDRESS).
    CallPartyId, "LINECALLPARTYID_" {
        Blocked = 0x00000001, "BLOCKED";
        OutOfArea = 0x00000002, "OUTOFAREA";
        Name = 0x00000004, "NAME";
        Address = 0x00000008, "ADDRESS";
        Partial = 0x00000010, "PARTIAL";
        Unknown = 0x00000020, "UNKNOWN";
        Unavail = 0x00000040, "UNAVAIL";
    }
}

constants! {
    /// Wishes about the setup of a call.
    CallParamFlag, "LINECALLPARAMFLAGS_" {
        Secure = 0x00000001, "SECURE";
        Idle = 0x00000002, "IDLE";
        BlockId = 0x00000004, "BLOCKID";
        OrigOffHook = 0x00000008, "ORIGOFFHOOK";
        DestOffHook = 0x00000010, "DESTOFFHOOK";
        NoHoldConference = 0x00000020, "NOHOLDCONFERENCE";
        PredictiveDial = 0x00000040, "PREDICTIVEDIAL";
        OneStepTransfer = 0x00000080, "ONESTEPTRANSFER";
    }
}

constants! {
    /// Quality of the transport asked of the network.
    BearerMode, "LINEBEARERMODE_" {
        Voice = 0x00000001, "VOICE";
        Speech = 0x00000002, "SPEECH";
        MultiUse = 0x00000004, "MULTIUSE";
        Data = 0x00000008, "DATA";
        AltSpeechData = 0x00000010, "ALTSPEECHDATA";
        NonCallSignaling = 0x00000020, "NONCALLSIGNALING";
        PassThrough = 0x00000040, "PASSTHROUGH";
        RestrictedData = 0x00000080, "RESTRICTEDDATA";
    }
}

constants! {
    /// Kind of information on the call.
    MediaMode, "LINEMEDIAMODE_" {
        Unknown = 0x00000002, "UNKNOWN";
        InteractiveVoice = 0x00000004, "INTERACTIVEVOICE";
        AutomatedVoice = 0x00000008, "AUTOMATEDVOICE";
        DataModem = 0x00000010, "DATAMODEM";
        G3Fax = 0x00000020, "G3FAX";
        Tdd = 0x00000040, "TDD";
        G4Fax = 0x00000080, "G4FAX";
        DigitalData = 0x00000100, "DIGITALDATA";
        Teletex = 0x00000200, "TELETEX";
        Videotex = 0x00000400, "VIDEOTEX";
        Telex = 0x00000800, "TELEX";
        Mixed = 0x00001000, "MIXED";
        Adsi = 0x00002000, "ADSI";
        VoiceView = 0x00004000, "VOICEVIEW";
        Video = 0x00008000, "VIDEO";
    }
}

constants! {
    /// What an application may do with a call.
    CallPrivilege, "LINECALLPRIVILEGE_" {
        None = 0x00000001, "NONE";
        Monitor = 0x00000002, "MONITOR";
        Owner = 0x00000004, "OWNER";
    }
}

constants! {
    /// Which object a query is about.
    CallSelect, "LINECALLSELECT_" {
        Line = 0x00000001, "LINE";
        Address = 0x00000002, "ADDRESS";
        Call = 0x00000004, "CALL";
        DeviceId = 0x00000008, "DEVICEID";
        CallId = 0x00000010, "CALLID";
    }
}

constants! {
    /// How an originating address is named.
    AddressMode, "LINEADDRESSMODE_" {
        AddressId = 0x00000001, "ADDRESSID";
        DialableAddr = 0x00000002, "DIALABLEADDR";
    }
}

constants! {
    /// How stations share an address.
    AddressSharing, "LINEADDRESSSHARING_" {
        Private = 0x00000001, "PRIVATE";
        BridgedExcl = 0x00000002, "BRIDGEDEXCL";
        BridgedNew = 0x00000004, "BRIDGEDNEW";
        BridgedShared = 0x00000008, "BRIDGEDSHARED";
        Monitored = 0x00000010, "MONITORED";
    }
}

constants! {
    /// What answering does to the active call.
    AnswerMode, "LINEANSWERMODE_" {
        None = 0x00000001, "NONE";
        Drop = 0x00000002, "DROP";
        Hold = 0x00000004, "HOLD";
    }
}

constants! {
    /// Abilities of a line device.
    DevCapFlag, "LINEDEVCAPFLAGS_" {
        CrossAddrConf = 0x00000001, "CROSSADDRCONF";
        HighLevComp = 0x00000002, "HIGHLEVCOMP";
        LowLevComp = 0x00000004, "LOWLEVCOMP";
        MediaControl = 0x00000008, "MEDIACONTROL";
        MultipleAddr = 0x00000010, "MULTIPLEADDR";
        CloseDrop = 0x00000020, "CLOSEDROP";
        DialBilling = 0x00000040, "DIALBILLING";
        DialQuiet = 0x00000080, "DIALQUIET";
        DialDialTone = 0x00000100, "DIALDIALTONE";
        Msp = 0x00000200, "MSP";
        CallHub = 0x00000400, "CALLHUB";
        CallHubTracking = 0x00000800, "CALLHUBTRACKING";
        PrivateObjects = 0x00001000, "PRIVATEOBJECTS";
        Local = 0x00002000, "LOCAL";
    }
}

constants! {
    /// Options of lineOpen, passed together with the privileges.
    OpenOption, "LINEOPENOPTION_" {
        SingleAddress = 0x80000000, "SINGLEADDRESS";
        Proxy = 0x40000000, "PROXY";
    }
}
