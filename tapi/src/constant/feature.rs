//! Which operations can ever, and can now, be asked for.

use super::constants;

constants! {
    /// Operations on a call.
    CallFeature, "LINECALLFEATURE_" {
        Accept = 0x00000001, "ACCEPT";
        AddToConf = 0x00000002, "ADDTOCONF";
        Answer = 0x00000004, "ANSWER";
        BlindTransfer = 0x00000008, "BLINDTRANSFER";
        CompleteCall = 0x00000010, "COMPLETECALL";
        CompleteTransf = 0x00000020, "COMPLETETRANSF";
        Dial = 0x00000040, "DIAL";
        Drop = 0x00000080, "DROP";
        GatherDigits = 0x00000100, "GATHERDIGITS";
        GenerateDigits = 0x00000200, "GENERATEDIGITS";
        GenerateTone = 0x00000400, "GENERATETONE";
        Hold = 0x00000800, "HOLD";
        MonitorDigits = 0x00001000, "MONITORDIGITS";
        MonitorMedia = 0x00002000, "MONITORMEDIA";
        MonitorTones = 0x00004000, "MONITORTONES";
        Park = 0x00008000, "PARK";
        PrepareAddConf = 0x00010000, "PREPAREADDCONF";
        Redirect = 0x00020000, "REDIRECT";
        RemoveFromConf = 0x00040000, "REMOVEFROMCONF";
        SecureCall = 0x00080000, "SECURECALL";
        SendUserUser = 0x00100000, "SENDUSERUSER";
        SetCallParams = 0x00200000, "SETCALLPARAMS";
        SetMediaControl = 0x00400000, "SETMEDIACONTROL";
        SetTerminal = 0x00800000, "SETTERMINAL";
        SetupConf = 0x01000000, "SETUPCONF";
        SetupTransfer = 0x02000000, "SETUPTRANSFER";
        SwapHold = 0x04000000, "SWAPHOLD";
        Unhold = 0x08000000, "UNHOLD";
        ReleaseUserUserInfo = 0x10000000, "RELEASEUSERUSERINFO";
        SetTreatment = 0x20000000, "SETTREATMENT";
        SetQos = 0x40000000, "SETQOS";
        SetCallData = 0x80000000, "SETCALLDATA";
    }
}

constants! {
    /// Variants of operations on a call; each refines a bit of [`CallFeature`].
    CallFeature2, "LINECALLFEATURE2_" {
        NoHoldConference = 0x00000001, "NOHOLDCONFERENCE";
        OneStepTransfer = 0x00000002, "ONESTEPTRANSFER";
        ComplCampOn = 0x00000004, "COMPLCAMPON";
        ComplCallback = 0x00000008, "COMPLCALLBACK";
        ComplIntrude = 0x00000010, "COMPLINTRUDE";
        ComplMessage = 0x00000020, "COMPLMESSAGE";
        TransferNorm = 0x00000040, "TRANSFERNORM";
        TransferConf = 0x00000080, "TRANSFERCONF";
        ParkDirect = 0x00000100, "PARKDIRECT";
        ParkNonDirect = 0x00000200, "PARKNONDIRECT";
    }
}

constants! {
    /// Operations on an address.
    AddrFeature, "LINEADDRFEATURE_" {
        Forward = 0x00000001, "FORWARD";
        MakeCall = 0x00000002, "MAKECALL";
        Pickup = 0x00000004, "PICKUP";
        SetMediaControl = 0x00000008, "SETMEDIACONTROL";
        SetTerminal = 0x00000010, "SETTERMINAL";
        SetupConf = 0x00000020, "SETUPCONF";
        UncompleteCall = 0x00000040, "UNCOMPLETECALL";
        Unpark = 0x00000080, "UNPARK";
        PickupHeld = 0x00000100, "PICKUPHELD";
        PickupGroup = 0x00000200, "PICKUPGROUP";
        PickupDirect = 0x00000400, "PICKUPDIRECT";
        PickupWaiting = 0x00000800, "PICKUPWAITING";
        ForwardFwd = 0x00001000, "FORWARDFWD";
        ForwardDnd = 0x00002000, "FORWARDDND";
    }
}

constants! {
    /// Operations on a line.
    LineFeature, "LINEFEATURE_" {
        DevSpecific = 0x00000001, "DEVSPECIFIC";
        DevSpecificFeat = 0x00000002, "DEVSPECIFICFEAT";
        Forward = 0x00000004, "FORWARD";
        MakeCall = 0x00000008, "MAKECALL";
        SetMediaControl = 0x00000010, "SETMEDIACONTROL";
        SetTerminal = 0x00000020, "SETTERMINAL";
        SetDevStatus = 0x00000040, "SETDEVSTATUS";
        ForwardFwd = 0x00000080, "FORWARDFWD";
        ForwardDnd = 0x00000100, "FORWARDDND";
    }
}

constants! {
    /// Abilities of an address.
    AddrCapFlag, "LINEADDRCAPFLAGS_" {
        FwdNumRings = 0x00000001, "FWDNUMRINGS";
        PickupGroupId = 0x00000002, "PICKUPGROUPID";
        Secure = 0x00000004, "SECURE";
        BlockIdDefault = 0x00000008, "BLOCKIDDEFAULT";
        BlockIdOverride = 0x00000010, "BLOCKIDOVERRIDE";
        Dialed = 0x00000020, "DIALED";
        OrigOffHook = 0x00000040, "ORIGOFFHOOK";
        DestOffHook = 0x00000080, "DESTOFFHOOK";
        FwdConsult = 0x00000100, "FWDCONSULT";
        SetupConfNull = 0x00000200, "SETUPCONFNULL";
        AutoReconnect = 0x00000400, "AUTORECONNECT";
        CompletionId = 0x00000800, "COMPLETIONID";
        TransferHeld = 0x00001000, "TRANSFERHELD";
        TransferMake = 0x00002000, "TRANSFERMAKE";
        ConferenceHeld = 0x00004000, "CONFERENCEHELD";
        ConferenceMake = 0x00008000, "CONFERENCEMAKE";
        PartialDial = 0x00010000, "PARTIALDIAL";
        FwdStatusValid = 0x00020000, "FWDSTATUSVALID";
        FwdIntExtAddr = 0x00040000, "FWDINTEXTADDR";
        FwdBusyNaAddr = 0x00080000, "FWDBUSYNAADDR";
        AcceptToAlert = 0x00100000, "ACCEPTTOALERT";
        ConfDrop = 0x00200000, "CONFDROP";
        PickupCallWait = 0x00400000, "PICKUPCALLWAIT";
        PredictiveDialer = 0x00800000, "PREDICTIVEDIALER";
        Queue = 0x01000000, "QUEUE";
        RoutePoint = 0x02000000, "ROUTEPOINT";
        HoldMakesNew = 0x04000000, "HOLDMAKESNEW";
        NoInternalCalls = 0x08000000, "NOINTERNALCALLS";
        NoExternalCalls = 0x10000000, "NOEXTERNALCALLS";
        SetCallingId = 0x20000000, "SETCALLINGID";
        AcdGroup = 0x40000000, "ACDGROUP";
        NoPstnAddressTranslation = 0x80000000, "NOPSTNADDRESSTRANSLATION";
    }
}
