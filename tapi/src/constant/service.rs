//! Transfer, park, forward, completion and conference.

use super::constants;

constants! {
    /// How a transfer is completed.
    TransferMode, "LINETRANSFERMODE_" {
        Transfer = 0x00000001, "TRANSFER";
        Conference = 0x00000002, "CONFERENCE";
    }
}

constants! {
    /// Who names the park address.
    ParkMode, "LINEPARKMODE_" {
        Directed = 0x00000001, "DIRECTED";
        NonDirected = 0x00000002, "NONDIRECTED";
    }
}

constants! {
    /// Which members can be removed from a conference; a scalar, not a mask.
    RemoveFromConf, "LINEREMOVEFROMCONF_" {
        None = 0x00000001, "NONE";
        Last = 0x00000002, "LAST";
        Any = 0x00000003, "ANY";
    }
}

constants! {
    /// Which calls are forwarded, and when.
    ForwardMode, "LINEFORWARDMODE_" {
        Uncond = 0x00000001, "UNCOND";
        UncondInternal = 0x00000002, "UNCONDINTERNAL";
        UncondExternal = 0x00000004, "UNCONDEXTERNAL";
        UncondSpecific = 0x00000008, "UNCONDSPECIFIC";
        Busy = 0x00000010, "BUSY";
        BusyInternal = 0x00000020, "BUSYINTERNAL";
        BusyExternal = 0x00000040, "BUSYEXTERNAL";
        BusySpecific = 0x00000080, "BUSYSPECIFIC";
        NoAnsw = 0x00000100, "NOANSW";
        NoAnswInternal = 0x00000200, "NOANSWINTERNAL";
        NoAnswExternal = 0x00000400, "NOANSWEXTERNAL";
        NoAnswSpecific = 0x00000800, "NOANSWSPECIFIC";
        BusyNa = 0x00001000, "BUSYNA";
        BusyNaInternal = 0x00002000, "BUSYNAINTERNAL";
        BusyNaExternal = 0x00004000, "BUSYNAEXTERNAL";
        BusyNaSpecific = 0x00008000, "BUSYNASPECIFIC";
        Unknown = 0x00010000, "UNKNOWN";
        Unavail = 0x00020000, "UNAVAIL";
    }
}

constants! {
    /// How a failed call is to be completed.
    CallComplMode, "LINECALLCOMPLMODE_" {
        CampOn = 0x00000001, "CAMPON";
        Callback = 0x00000002, "CALLBACK";
        Intrude = 0x00000004, "INTRUDE";
        Message = 0x00000008, "MESSAGE";
    }
}

constants! {
    /// On which failure a call can be completed.
    CallComplCond, "LINECALLCOMPLCOND_" {
        Busy = 0x00000001, "BUSY";
        NoAnswer = 0x00000002, "NOANSWER";
    }
}
