//! Address translation.

use super::constants;

constants! {
    /// Wishes about a translation.
    TranslateOption, "LINETRANSLATEOPTION_" {
        CardOverride = 0x00000001, "CARDOVERRIDE";
        CancelCallWaiting = 0x00000002, "CANCELCALLWAITING";
        ForceLocal = 0x00000004, "FORCELOCAL";
        ForceLd = 0x00000008, "FORCELD";
    }
}

constants! {
    /// What a translation found.
    TranslateResult, "LINETRANSLATERESULT_" {
        Canonical = 0x00000001, "CANONICAL";
        International = 0x00000002, "INTERNATIONAL";
        LongDistance = 0x00000004, "LONGDISTANCE";
        Local = 0x00000008, "LOCAL";
        InTollList = 0x00000010, "INTOLLLIST";
        NotInTollList = 0x00000020, "NOTINTOLLLIST";
        DialBilling = 0x00000040, "DIALBILLING";
        DialQuiet = 0x00000080, "DIALQUIET";
        DialDialTone = 0x00000100, "DIALDIALTONE";
        DialPrompt = 0x00000200, "DIALPROMPT";
        VoiceDetect = 0x00000400, "VOICEDETECT";
        NoTranslation = 0x00000800, "NOTRANSLATION";
    }
}

constants! {
    /// Properties of a location.
    LocationOption, "LINELOCATIONOPTION_" {
        PulseDial = 0x00000001, "PULSEDIAL";
    }
}

constants! {
    /// Properties of a calling card.
    CardOption, "LINECARDOPTION_" {
        Predefined = 0x00000001, "PREDEFINED";
        Hidden = 0x00000002, "HIDDEN";
    }
}
