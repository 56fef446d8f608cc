//! Digits, tones, treatments and terminals.

use super::constants;

constants! {
    /// How digits are signalled.
    DigitMode, "LINEDIGITMODE_" {
        Pulse = 0x00000001, "PULSE";
        Dtmf = 0x00000002, "DTMF";
        DtmfEnd = 0x00000004, "DTMFEND";
    }
}

constants! {
    /// Which tone is generated.
    ToneMode, "LINETONEMODE_" {
        Custom = 0x00000001, "CUSTOM";
        Ringback = 0x00000002, "RINGBACK";
        Busy = 0x00000004, "BUSY";
        Beep = 0x00000008, "BEEP";
        Billing = 0x00000010, "BILLING";
    }
}

constants! {
    /// Why a generation ended.
    GenerateTerm, "LINEGENERATETERM_" {
        Done = 0x00000001, "DONE";
        Cancel = 0x00000002, "CANCEL";
    }
}

constants! {
    /// Why a gathering ended.
    GatherTerm, "LINEGATHERTERM_" {
        BufferFull = 0x00000001, "BUFFERFULL";
        TermDigit = 0x00000002, "TERMDIGIT";
        FirstTimeout = 0x00000004, "FIRSTTIMEOUT";
        InterTimeout = 0x00000008, "INTERTIMEOUT";
        Cancel = 0x00000010, "CANCEL";
    }
}

constants! {
    /// What an unanswered or held party hears; a scalar, not a mask.
    CallTreatment, "LINECALLTREATMENT_" {
        Silence = 0x00000001, "SILENCE";
        Ringback = 0x00000002, "RINGBACK";
        Busy = 0x00000003, "BUSY";
        Music = 0x00000004, "MUSIC";
    }
}

constants! {
    /// Events routed to or from a terminal.
    TermMode, "LINETERMMODE_" {
        Buttons = 0x00000001, "BUTTONS";
        Lamps = 0x00000002, "LAMPS";
        Display = 0x00000004, "DISPLAY";
        Ringer = 0x00000008, "RINGER";
        HookSwitch = 0x00000010, "HOOKSWITCH";
        MediaToLine = 0x00000020, "MEDIATOLINE";
        MediaFromLine = 0x00000040, "MEDIAFROMLINE";
        MediaBidirect = 0x00000080, "MEDIABIDIRECT";
    }
}

constants! {
    /// Kind of a terminal.
    TermDev, "LINETERMDEV_" {
        Phone = 0x00000001, "PHONE";
        Headset = 0x00000002, "HEADSET";
        Speaker = 0x00000004, "SPEAKER";
    }
}

constants! {
    /// Format of a string; a scalar, not a mask.
    StringFormat, "STRINGFORMAT_" {
        Ascii = 0x00000001, "ASCII";
        Dbcs = 0x00000002, "DBCS";
        Unicode = 0x00000003, "UNICODE";
        Binary = 0x00000004, "BINARY";
    }
}
