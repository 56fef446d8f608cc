//! What changed: items of the status and information messages.

use super::constants;

constants! {
    /// Items of LINE_ADDRESSSTATE.
    AddressState, "LINEADDRESSSTATE_" {
        Other = 0x00000001, "OTHER";
        DevSpecific = 0x00000002, "DEVSPECIFIC";
        InUseZero = 0x00000004, "INUSEZERO";
        InUseOne = 0x00000008, "INUSEONE";
        InUseMany = 0x00000010, "INUSEMANY";
        NumCalls = 0x00000020, "NUMCALLS";
        Forward = 0x00000040, "FORWARD";
        Terminals = 0x00000080, "TERMINALS";
        CapsChange = 0x00000100, "CAPSCHANGE";
    }
}

constants! {
    /// Items of LINE_LINEDEVSTATE.
    LineDevState, "LINEDEVSTATE_" {
        Other = 0x00000001, "OTHER";
        Ringing = 0x00000002, "RINGING";
        Connected = 0x00000004, "CONNECTED";
        Disconnected = 0x00000008, "DISCONNECTED";
        MsgWaitOn = 0x00000010, "MSGWAITON";
        MsgWaitOff = 0x00000020, "MSGWAITOFF";
        InService = 0x00000040, "INSERVICE";
        OutOfService = 0x00000080, "OUTOFSERVICE";
        Maintenance = 0x00000100, "MAINTENANCE";
        Open = 0x00000200, "OPEN";
        Close = 0x00000400, "CLOSE";
        NumCalls = 0x00000800, "NUMCALLS";
        NumCompletions = 0x00001000, "NUMCOMPLETIONS";
        Terminals = 0x00002000, "TERMINALS";
        RoamMode = 0x00004000, "ROAMMODE";
        Battery = 0x00008000, "BATTERY";
        Signal = 0x00010000, "SIGNAL";
        DevSpecific = 0x00020000, "DEVSPECIFIC";
        Reinit = 0x00040000, "REINIT";
        Lock = 0x00080000, "LOCK";
        CapsChange = 0x00100000, "CAPSCHANGE";
        ConfigChange = 0x00200000, "CONFIGCHANGE";
        TranslateChange = 0x00400000, "TRANSLATECHANGE";
        ComplCancel = 0x00800000, "COMPLCANCEL";
        Removed = 0x01000000, "REMOVED";
    }
}

constants! {
    /// Condition of a line device.
    LineDevStatusFlag, "LINEDEVSTATUSFLAGS_" {
        Connected = 0x00000001, "CONNECTED";
        MsgWait = 0x00000002, "MSGWAIT";
        InService = 0x00000004, "INSERVICE";
        Locked = 0x00000008, "LOCKED";
    }
}

constants! {
    /// Items of LINE_CALLINFO.
    CallInfoState, "LINECALLINFOSTATE_" {
        Other = 0x00000001, "OTHER";
        DevSpecific = 0x00000002, "DEVSPECIFIC";
        BearerMode = 0x00000004, "BEARERMODE";
        Rate = 0x00000008, "RATE";
        MediaMode = 0x00000010, "MEDIAMODE";
        AppSpecific = 0x00000020, "APPSPECIFIC";
        CallId = 0x00000040, "CALLID";
        RelatedCallId = 0x00000080, "RELATEDCALLID";
        Origin = 0x00000100, "ORIGIN";
        Reason = 0x00000200, "REASON";
        CompletionId = 0x00000400, "COMPLETIONID";
        NumOwnerIncr = 0x00000800, "NUMOWNERINCR";
        NumOwnerDecr = 0x00001000, "NUMOWNERDECR";
        NumMonitors = 0x00002000, "NUMMONITORS";
        Trunk = 0x00004000, "TRUNK";
        CallerId = 0x00008000, "CALLERID";
        CalledId = 0x00010000, "CALLEDID";
        ConnectedId = 0x00020000, "CONNECTEDID";
        RedirectionId = 0x00040000, "REDIRECTIONID";
        RedirectingId = 0x00080000, "REDIRECTINGID";
        Display = 0x00100000, "DISPLAY";
        UserUserInfo = 0x00200000, "USERUSERINFO";
        HighLevelComp = 0x00400000, "HIGHLEVELCOMP";
        LowLevelComp = 0x00800000, "LOWLEVELCOMP";
        ChargingInfo = 0x01000000, "CHARGINGINFO";
        Terminal = 0x02000000, "TERMINAL";
        DialParams = 0x04000000, "DIALPARAMS";
        MonitorModes = 0x08000000, "MONITORMODES";
        Treatment = 0x10000000, "TREATMENT";
        Qos = 0x20000000, "QOS";
        CallData = 0x40000000, "CALLDATA";
    }
}
