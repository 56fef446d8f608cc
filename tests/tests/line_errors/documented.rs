//! The LINEERR_ that TAPI documents for each function (tapi-call-control chapter 4).

/// Errors that no function can meet, see above.
pub(crate) const NEVER: [&str; 6] =
    ["NOMEM", "INVALPOINTER", "STRUCTURETOOSMALL", "RESOURCEUNAVAIL", "INUSE", "ADDRESSBLOCKED"];

/// LINEERR_ of a function on a call, beside its own.
pub(crate) const CALL: &[&str] = &["UNINITIALIZED", "INVALCALLHANDLE"];
/// LINEERR_ of a function on a line, beside its own.
pub(crate) const LINE: &[&str] = &["UNINITIALIZED", "INVALLINEHANDLE"];
/// LINEERR_ of LINECALLPARAMS.
pub(crate) const PARAMS: &[&str] = &[
    "BEARERMODEUNAVAIL",
    "INVALBEARERMODE",
    "INVALCALLPARAMS",
    "INVALMEDIAMODE",
    "INVALRATE",
    "RATEUNAVAIL",
    "USERUSERINFOTOOBIG",
];

/// A function, families of errors, its own errors.
pub(crate) type Documented =
    (&'static str, &'static [&'static [&'static str]], &'static [&'static str]);

pub(crate) const DOCUMENTED: &[Documented] = &[
    (
        "lineMakeCall",
        &[LINE, PARAMS],
        &[
            "CALLUNAVAIL",
            "DIALBILLING",
            "DIALDIALTONE",
            "DIALPROMPT",
            "DIALQUIET",
            "DIALVOICEDETECT",
            "INVALADDRESS",
            "INVALADDRESSID",
            "INVALADDRESSMODE",
            "INVALCOUNTRYCODE",
            "INVALLINESTATE",
            "ADDRESSBLOCKED",
            "INUSE",
        ],
    ),
    (
        "lineDial",
        &[CALL],
        &[
            "INVALCALLSTATE",
            "INVALCOUNTRYCODE",
            "NOTOWNER",
            "INVALADDRESS",
            "DIALBILLING",
            "DIALDIALTONE",
            "DIALPROMPT",
            "DIALQUIET",
        ],
    ),
    ("lineAccept", &[CALL], &["INVALCALLSTATE", "NOTOWNER", "USERUSERINFOTOOBIG"]),
    (
        "lineAnswer",
        &[CALL],
        &["INVALCALLSTATE", "NOTOWNER", "USERUSERINFOTOOBIG", "OPERATIONUNAVAIL"],
    ),
    ("lineDrop", &[CALL], &["INVALCALLSTATE", "NOTOWNER", "USERUSERINFOTOOBIG"]),
    ("lineDeallocateCall", &[CALL], &[]),
    ("lineHold", &[CALL], &["INVALCALLSTATE", "NOTOWNER"]),
    ("lineUnhold", &[CALL], &["INVALCALLSTATE", "NOTOWNER"]),
    ("lineSwapHold", &[CALL], &["INVALCALLSTATE", "NOTOWNER"]),
    ("lineSetupTransfer", &[CALL, PARAMS], &["INVALCALLSTATE", "NOTOWNER"]),
    (
        "lineCompleteTransfer",
        &[CALL],
        &["INVALCALLSTATE", "INVALCONSULTCALLHANDLE", "INVALTRANSFERMODE", "NOTOWNER"],
    ),
    (
        "lineBlindTransfer",
        &[CALL],
        &["INVALADDRESS", "INVALCALLSTATE", "INVALCOUNTRYCODE", "NOTOWNER", "OPERATIONFAILED"],
    ),
    ("lineRedirect", &[CALL], &["INVALADDRESS", "INVALCALLSTATE", "INVALCOUNTRYCODE", "NOTOWNER"]),
    ("lineSetupConference", &[CALL, PARAMS], &["INVALCALLSTATE", "NOTOWNER"]),
    (
        "linePrepareAddToConference",
        &[PARAMS],
        &["UNINITIALIZED", "INVALCALLSTATE", "INVALCONFCALLHANDLE", "NOTOWNER"],
    ),
    ("lineAddToConference", &[], &["UNINITIALIZED", "INVALCALLHANDLE", "INVALCONFCALLHANDLE"]),
    ("lineRemoveFromConference", &[CALL], &["INVALCALLSTATE", "NOTOWNER"]),
    ("lineGetConfRelatedCalls", &[CALL], &["NOCONFERENCE"]),
    (
        "linePark",
        &[CALL],
        &["INVALADDRESS", "INVALCALLSTATE", "INVALPARKMODE", "NOTOWNER", "OPERATIONFAILED"],
    ),
    ("lineUnpark", &[LINE], &["INVALADDRESS", "INVALADDRESSID", "OPERATIONFAILED"]),
    ("linePickup", &[LINE], &["INVALADDRESS", "INVALADDRESSID", "INVALGROUPID", "OPERATIONFAILED"]),
    ("lineForward", &[LINE], &["INVALADDRESS", "INVALADDRESSID", "INVALPARAM", "INVALCOUNTRYCODE"]),
    // Where completion and treatments are offered their errors are met in tests of their own.
    ("lineCompleteCall", &[CALL], &["INVALCALLSTATE", "NOTOWNER"]),
    ("lineUncompleteCall", &[LINE], &["INVALCOMPLETIONID"]),
    ("lineSetCallTreatment", &[CALL], &["INVALPARAM", "NOTOWNER"]),
    ("lineHandoff", &[CALL], &["INVALMEDIAMODE", "NOTOWNER", "TARGETNOTFOUND", "TARGETSELF"]),
    ("lineSetCallPrivilege", &[CALL], &["INVALCALLPRIVILEGE", "INVALCALLSTATE"]),
    ("lineGetNewCalls", &[LINE], &["INVALADDRESSID", "INVALCALLSELECT"]),
    ("lineSecureCall", &[CALL], &["INVALCALLSTATE", "NOTOWNER"]),
    ("lineSendUserUserInfo", &[CALL], &["INVALCALLSTATE", "NOTOWNER", "USERUSERINFOTOOBIG"]),
    ("lineReleaseUserUserInfo", &[CALL], &["NOTOWNER", "OPERATIONFAILED"]),
    ("lineSetAppSpecific", &[CALL], &["NOTOWNER"]),
    ("lineSetMediaMode", &[CALL], &["INVALMEDIAMODE", "NOTOWNER"]),
    ("lineSetCallData", &[CALL], &["INVALCALLSTATE", "INVALPARAM", "NOTOWNER"]),
    (
        "lineSetCallParams",
        &[CALL],
        &[
            "BEARERMODEUNAVAIL",
            "INVALBEARERMODE",
            "INVALCALLSTATE",
            "INVALRATE",
            "NOTOWNER",
            "RATEUNAVAIL",
        ],
    ),
    ("lineSetCallQualityOfService", &[CALL], &["OPERATIONUNAVAIL"]),
    ("lineSetNumRings", &[LINE], &["INVALADDRESSID"]),
    ("lineGetNumRings", &[LINE], &["INVALADDRESSID"]),
    ("lineMonitorDigits", &[CALL], &["INVALCALLSTATE", "INVALDIGITMODE"]),
    ("lineMonitorTones", &[CALL], &["INVALCALLSTATE", "INVALTONE"]),
    ("lineMonitorMedia", &[CALL], &["INVALCALLSTATE", "INVALMEDIAMODE"]),
    (
        "lineGatherDigits",
        &[CALL],
        &["INVALCALLSTATE", "INVALDIGITMODE", "INVALDIGITS", "INVALPARAM", "NOTOWNER"],
    ),
    ("lineGenerateDigits", &[CALL], &["INVALCALLSTATE", "INVALDIGITMODE", "NOTOWNER"]),
    ("lineGenerateTone", &[CALL], &["INVALCALLSTATE", "INVALTONE", "INVALTONEMODE", "NOTOWNER"]),
    ("lineGetCallInfo", &[CALL], &[]),
    ("lineGetCallStatus", &[CALL], &[]),
    (
        "lineTranslateAddress",
        &[],
        &["UNINITIALIZED", "BADDEVICEID", "INVALADDRESS", "INVALCARD", "INVALPARAM"],
    ),
    ("lineGetTranslateCaps", &[], &["UNINITIALIZED"]),
    ("lineSetCurrentLocation", &[], &["UNINITIALIZED", "INVALLOCATION"]),
    ("tapiGetLocationInfo", &[], &["UNINITIALIZED"]),
];

/// Documented, and not to be met by this function here.
pub(crate) const UNREACHABLE: &[(&str, &str, &str)] = &[
    (
        "lineSwapHold",
        "OPERATIONFAILED",
        "needs a phone that holds one of its own dialogs: tests/transfer",
    ),
    (
        "lineUnhold",
        "OPERATIONFAILED",
        "needs a phone that holds and obeys no events: tests/tapi_call",
    ),
    ("lineMakeCall", "ADDRESSBLOCKED", "see the text above"),
    ("lineMakeCall", "INUSE", "see the text above"),
];
