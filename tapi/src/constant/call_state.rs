//! State of a call and the mode that goes with it.

use super::constants;

constants! {
    /// State of a call. Exactly one is reported at a time; [`Mask`](super::Mask) names sets of them.
    CallState, "LINECALLSTATE_" {
        Idle = 0x00000001, "IDLE";
        Offering = 0x00000002, "OFFERING";
        Accepted = 0x00000004, "ACCEPTED";
        DialTone = 0x00000008, "DIALTONE";
        Dialing = 0x00000010, "DIALING";
        Ringback = 0x00000020, "RINGBACK";
        Busy = 0x00000040, "BUSY";
        SpecialInfo = 0x00000080, "SPECIALINFO";
        Connected = 0x00000100, "CONNECTED";
        Proceeding = 0x00000200, "PROCEEDING";
        OnHold = 0x00000400, "ONHOLD";
        Conferenced = 0x00000800, "CONFERENCED";
        OnHoldPendConf = 0x00001000, "ONHOLDPENDCONF";
        OnHoldPendTransfer = 0x00002000, "ONHOLDPENDTRANSFER";
        Disconnected = 0x00004000, "DISCONNECTED";
        Unknown = 0x00008000, "UNKNOWN";
    }
}

constants! {
    /// How a call is offered at this station.
    OfferingMode, "LINEOFFERINGMODE_" {
        Active = 0x00000001, "ACTIVE";
        Inactive = 0x00000002, "INACTIVE";
    }
}

constants! {
    /// How this station takes part in a connected call.
    ConnectedMode, "LINECONNECTEDMODE_" {
        Active = 0x00000001, "ACTIVE";
        Inactive = 0x00000002, "INACTIVE";
        ActiveHeld = 0x00000004, "ACTIVEHELD";
        InactiveHeld = 0x00000008, "INACTIVEHELD";
        Confirmed = 0x00000010, "CONFIRMED";
    }
}

constants! {
    /// Which dial tone is heard.
    DialToneMode, "LINEDIALTONEMODE_" {
        Normal = 0x00000001, "NORMAL";
        Special = 0x00000002, "SPECIAL";
        Internal = 0x00000004, "INTERNAL";
        External = 0x00000008, "EXTERNAL";
        Unknown = 0x00000010, "UNKNOWN";
        Unavail = 0x00000020, "UNAVAIL";
    }
}

constants! {
    /// What is busy.
    BusyMode, "LINEBUSYMODE_" {
        Station = 0x00000001, "STATION";
        Trunk = 0x00000002, "TRUNK";
        Unknown = 0x00000004, "UNKNOWN";
        Unavail = 0x00000008, "UNAVAIL";
    }
}

constants! {
    /// Which special information is played.
    SpecialInfo, "LINESPECIALINFO_" {
        NoCircuit = 0x00000001, "NOCIRCUIT";
        CustIrreg = 0x00000002, "CUSTIRREG";
        Reorder = 0x00000004, "REORDER";
        Unknown = 0x00000008, "UNKNOWN";
        Unavail = 0x00000010, "UNAVAIL";
    }
}

constants! {
    /// Why the remote side is gone.
    DisconnectMode, "LINEDISCONNECTMODE_" {
        Normal = 0x00000001, "NORMAL";
        Unknown = 0x00000002, "UNKNOWN";
        Reject = 0x00000004, "REJECT";
        Pickup = 0x00000008, "PICKUP";
        Forwarded = 0x00000010, "FORWARDED";
        Busy = 0x00000020, "BUSY";
        NoAnswer = 0x00000040, "NOANSWER";
        BadAddress = 0x00000080, "BADADDRESS";
        Unreachable = 0x00000100, "UNREACHABLE";
        Congestion = 0x00000200, "CONGESTION";
        Incompatible = 0x00000400, "INCOMPATIBLE";
        Unavail = 0x00000800, "UNAVAIL";
        NoDialTone = 0x00001000, "NODIALTONE";
        NumberChanged = 0x00002000, "NUMBERCHANGED";
        OutOfOrder = 0x00004000, "OUTOFORDER";
        TempFailure = 0x00008000, "TEMPFAILURE";
        QosUnavail = 0x00010000, "QOSUNAVAIL";
        Blocked = 0x00020000, "BLOCKED";
        DoNotDisturb = 0x00040000, "DONOTDISTURB";
        Cancelled = 0x00080000, "CANCELLED";
        DestinationBarred = 0x00100000, "DESTINATIONBARRED";
        FdnRestrict = 0x00200000, "FDNRESTRICT";
    }
}
