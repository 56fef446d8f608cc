//! The operations of the session table: a row for each way of asking one.

use serde_json::{Value, json};

use super::setting::Setting;

/// What announces an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bit {
    /// A LINECALLFEATURE.
    Call(&'static str),
    /// A LINECALLFEATURE and a LINECALLFEATURE2.
    Variant(&'static str, &'static str),
    /// Any of these LINEADDRFEATUREs.
    Address(&'static [&'static str]),
}

/// An operation on one call, or on the address.
pub struct Operation {
    /// The function.
    pub function: &'static str,
    /// What distinguishes this way of asking it.
    pub way: &'static str,
    /// What announces it.
    pub bit: Bit,
    /// Its parameters on this call.
    pub params: fn(&Setting, u64) -> Value,
    /// The documented errors at the wrong moment.
    pub not_now: &'static [&'static str],
    /// The documented error while the line is out of service.
    pub dead: &'static str,
    /// Errors from outside that it may meet although it is announced.
    pub outside: &'static [&'static str],
    /// The states that the call may be in afterwards; none where it is not about one.
    pub leads_to: &'static [&'static str],
}

const WRONG_STATE: &[&str] = &["INVALCALLSTATE"];
const NO_ROOM: &[&str] = &["INVALCALLSTATE", "CALLUNAVAIL"];
const NO_PARENT: &[&str] =
    &["INVALCONFCALLHANDLE", "INVALCALLSTATE", "CALLUNAVAIL", "CONFERENCEFULL"];
const MONITORED: &[&str] = &["INVALCALLSTATE"];

const fn on_call(
    function: &'static str,
    way: &'static str,
    bit: Bit,
    params: fn(&Setting, u64) -> Value,
) -> Operation {
    Operation {
        function,
        way,
        bit,
        params,
        not_now: WRONG_STATE,
        dead: "OPERATIONFAILED",
        outside: &[],
        leads_to: &[],
    }
}

const fn on_address(
    function: &'static str,
    way: &'static str,
    bits: &'static [&'static str],
    params: fn(&Setting, u64) -> Value,
    not_now: &'static [&'static str],
) -> Operation {
    Operation { not_now, ..on_call(function, way, Bit::Address(bits), params) }
}

fn plain(_: &Setting, call: u64) -> Value {
    json!({"hCall": call})
}

fn with(call: u64, more: Value) -> Value {
    let mut params = json!({"hCall": call});
    if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
        params.extend(more);
    }
    params
}

fn at(setting: &Setting, more: Value) -> Value {
    let mut params = json!({"hLine": setting.h_line, "addressId": 0});
    if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
        params.extend(more);
    }
    params
}

/// LINECALLPARAMS of a consultation call that dials at once.
fn target(flag: &str) -> Value {
    json!({"callParamFlags": [format!("LINECALLPARAMFLAGS_{flag}")], "targetAddress": "205"})
}

fn completion(call: u64, mode: &str) -> Value {
    with(call, json!({"completionMode": format!("LINECALLCOMPLMODE_{mode}"), "messageId": 0}))
}

/// Every operation on one call or on the address. One more is one line.
pub const OPERATIONS: &[Operation] = &[
    Operation { leads_to: &["ACCEPTED"], ..on_call("lineAccept", "", Bit::Call("ACCEPT"), plain) },
    Operation {
        not_now: &["INVALCALLSTATE", "OPERATIONUNAVAIL"],
        leads_to: &["CONNECTED"],
        ..on_call("lineAnswer", "", Bit::Call("ANSWER"), plain)
    },
    Operation {
        leads_to: &["DIALING"],
        ..on_call("lineDial", "more to follow", Bit::Call("DIAL"), |_, call| {
            with(call, json!({"destAddress": "2;"}))
        })
    },
    Operation {
        leads_to: &["DIALING", "PROCEEDING", "RINGBACK", "DISCONNECTED"],
        ..on_call("lineDial", "all", Bit::Call("DIAL"), |_, call| {
            with(call, json!({"destAddress": "205"}))
        })
    },
    Operation { leads_to: &["IDLE"], ..on_call("lineDrop", "", Bit::Call("DROP"), plain) },
    Operation { leads_to: &["ONHOLD"], ..on_call("lineHold", "", Bit::Call("HOLD"), plain) },
    Operation {
        not_now: &["INVALCALLSTATE", "OPERATIONUNAVAIL"],
        leads_to: &["CONNECTED"],
        ..on_call("lineUnhold", "", Bit::Call("UNHOLD"), plain)
    },
    Operation {
        not_now: NO_ROOM,
        dead: "INVALLINESTATE",
        leads_to: &["ONHOLDPENDTRANSFER"],
        ..on_call("lineSetupTransfer", "", Bit::Call("SETUPTRANSFER"), plain)
    },
    Operation {
        not_now: NO_ROOM,
        dead: "INVALLINESTATE",
        leads_to: &["ONHOLDPENDTRANSFER"],
        ..on_call(
            "lineSetupTransfer",
            "one step",
            Bit::Variant("SETUPTRANSFER", "ONESTEPTRANSFER"),
            |_, call| with(call, json!({"callParams": target("ONESTEPTRANSFER")})),
        )
    },
    Operation {
        leads_to: &["IDLE"],
        ..on_call("lineBlindTransfer", "", Bit::Call("BLINDTRANSFER"), |_, call| {
            with(call, json!({"destAddress": "205"}))
        })
    },
    Operation {
        leads_to: &["IDLE"],
        ..on_call("lineRedirect", "", Bit::Call("REDIRECT"), |_, call| {
            with(call, json!({"destAddress": "205"}))
        })
    },
    Operation {
        leads_to: &["IDLE"],
        ..on_call("linePark", "directed", Bit::Variant("PARK", "PARKDIRECT"), |_, call| {
            with(call, json!({"parkMode": "LINEPARKMODE_DIRECTED", "dirAddress": "705"}))
        })
    },
    Operation {
        leads_to: &["IDLE"],
        ..on_call("linePark", "not directed", Bit::Variant("PARK", "PARKNONDIRECT"), |_, call| {
            with(call, json!({"parkMode": "LINEPARKMODE_NONDIRECTED"}))
        })
    },
    Operation {
        not_now: NO_ROOM,
        dead: "INVALLINESTATE",
        leads_to: &["CONFERENCED"],
        ..on_call("lineSetupConference", "", Bit::Call("SETUPCONF"), plain)
    },
    Operation {
        not_now: NO_ROOM,
        dead: "INVALLINESTATE",
        leads_to: &["CONNECTED"],
        ..on_call(
            "lineSetupConference",
            "without hold",
            Bit::Variant("SETUPCONF", "NOHOLDCONFERENCE"),
            |_, call| with(call, json!({"callParams": target("NOHOLDCONFERENCE")})),
        )
    },
    Operation {
        not_now: NO_PARENT,
        dead: "INVALLINESTATE",
        leads_to: &["ONHOLDPENDCONF"],
        ..on_call(
            "linePrepareAddToConference",
            "",
            Bit::Call("PREPAREADDCONF"),
            |_, call| json!({"hConfCall": call}),
        )
    },
    Operation {
        not_now: NO_PARENT,
        dead: "INVALLINESTATE",
        leads_to: &["CONNECTED"],
        ..on_call(
            "linePrepareAddToConference",
            "without hold",
            Bit::Variant("PREPAREADDCONF", "NOHOLDCONFERENCE"),
            |_, call| json!({"hConfCall": call, "callParams": target("NOHOLDCONFERENCE")}),
        )
    },
    Operation {
        leads_to: &["IDLE"],
        ..on_call("lineRemoveFromConference", "", Bit::Call("REMOVEFROMCONF"), plain)
    },
    Operation {
        leads_to: &["IDLE"],
        ..on_call(
            "lineCompleteCall",
            "camp on",
            Bit::Variant("COMPLETECALL", "COMPLCAMPON"),
            |_, c| completion(c, "CAMPON"),
        )
    },
    Operation {
        leads_to: &["IDLE"],
        ..on_call(
            "lineCompleteCall",
            "callback",
            Bit::Variant("COMPLETECALL", "COMPLCALLBACK"),
            |_, c| completion(c, "CALLBACK"),
        )
    },
    Operation {
        leads_to: &["CONNECTED"],
        ..on_call(
            "lineCompleteCall",
            "intrude",
            Bit::Variant("COMPLETECALL", "COMPLINTRUDE"),
            |_, c| completion(c, "INTRUDE"),
        )
    },
    Operation {
        leads_to: &["IDLE"],
        ..on_call(
            "lineCompleteCall",
            "message",
            Bit::Variant("COMPLETECALL", "COMPLMESSAGE"),
            |_, c| completion(c, "MESSAGE"),
        )
    },
    on_call("lineSecureCall", "", Bit::Call("SECURECALL"), plain),
    on_call("lineSetCallParams", "", Bit::Call("SETCALLPARAMS"), |_, call| {
        with(call, json!({"bearerMode": ["LINEBEARERMODE_VOICE"]}))
    }),
    on_call("lineSetCallData", "", Bit::Call("SETCALLDATA"), |_, call| {
        with(call, json!({"callData": "order 66"}))
    }),
    on_call("lineSetCallTreatment", "", Bit::Call("SETTREATMENT"), |_, call| {
        with(call, json!({"treatment": "LINECALLTREATMENT_MUSIC"}))
    }),
    on_call("lineSendUserUserInfo", "", Bit::Call("SENDUSERUSER"), |_, call| {
        with(call, json!({"userUserInfo": "hello"}))
    }),
    Operation {
        not_now: &["OPERATIONFAILED", "INVALCALLSTATE"],
        ..on_call("lineReleaseUserUserInfo", "", Bit::Call("RELEASEUSERUSERINFO"), plain)
    },
    Operation {
        not_now: MONITORED,
        ..on_call("lineMonitorDigits", "", Bit::Call("MONITORDIGITS"), |_, call| {
            with(call, json!({"digitModes": ["LINEDIGITMODE_DTMF"]}))
        })
    },
    Operation {
        not_now: MONITORED,
        ..on_call("lineMonitorMedia", "", Bit::Call("MONITORMEDIA"), |_, call| {
            with(call, json!({"mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"]}))
        })
    },
    Operation {
        not_now: MONITORED,
        ..on_call("lineMonitorTones", "", Bit::Call("MONITORTONES"), |_, call| {
            let tone = json!({"appSpecific": 1, "duration": 100, "frequency1": 425});
            with(call, json!({"toneList": [tone]}))
        })
    },
    on_call("lineGatherDigits", "", Bit::Call("GATHERDIGITS"), |_, call| {
        with(call, json!({"digitModes": ["LINEDIGITMODE_DTMF"], "numDigits": 2}))
    }),
    on_call("lineGenerateDigits", "", Bit::Call("GENERATEDIGITS"), |_, call| {
        with(call, json!({"digitMode": "LINEDIGITMODE_DTMF", "digits": "1", "duration": 100}))
    }),
    on_call("lineGenerateTone", "", Bit::Call("GENERATETONE"), |_, call| {
        with(call, json!({"toneMode": "LINETONEMODE_BEEP", "duration": 100}))
    }),
    on_call("lineSetMediaControl", "", Bit::Call("SETMEDIACONTROL"), plain),
    on_call("lineSetTerminal", "", Bit::Call("SETTERMINAL"), plain),
    on_call("lineSetCallQualityOfService", "", Bit::Call("SETQOS"), plain),
    Operation {
        dead: "INVALLINESTATE",
        ..on_address(
            "lineMakeCall",
            "",
            &["MAKECALL"],
            |s, _| at(s, json!({"destAddress": "205"})),
            &["CALLUNAVAIL"],
        )
    },
    Operation {
        dead: "INVALLINESTATE",
        ..on_address(
            "lineMakeCall",
            "dial tone",
            &["MAKECALL"],
            |s, _| at(s, json!({})),
            &["CALLUNAVAIL"],
        )
    },
    Operation {
        outside: &["INVALADDRESS", "OPERATIONFAILED"],
        ..on_address(
            "lineUnpark",
            "",
            &["UNPARK"],
            |s, _| at(s, json!({"destAddress": "701"})),
            &["RESOURCEUNAVAIL"],
        )
    },
    Operation {
        outside: &["INVALADDRESS", "OPERATIONFAILED"],
        ..on_address(
            "linePickup",
            "at a number",
            &["PICKUPDIRECT"],
            |s, _| at(s, json!({"destAddress": "203"})),
            &["RESOURCEUNAVAIL", "OPERATIONFAILED"],
        )
    },
    Operation {
        outside: &["OPERATIONFAILED"],
        ..on_address(
            "linePickup",
            "in a group",
            &["PICKUPGROUP"],
            |s, _| at(s, json!({"groupId": "10"})),
            &["RESOURCEUNAVAIL", "OPERATIONFAILED"],
        )
    },
    Operation {
        outside: &["OPERATIONFAILED"],
        ..on_address(
            "linePickup",
            "the nearest",
            &["PICKUPGROUP", "PICKUPHELD", "PICKUPWAITING"],
            |s, _| at(s, json!({})),
            &["RESOURCEUNAVAIL", "OPERATIONFAILED"],
        )
    },
    on_address(
        "lineForward",
        "to a number",
        &["FORWARD"],
        |s, _| {
            at(
                s,
                json!({"allAddresses": true, "forwardList":
            [{"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": "205"}]}),
            )
        },
        &[],
    ),
    on_address(
        "lineForward",
        "do not disturb",
        &["FORWARDDND"],
        |s, _| {
            at(
                s,
                json!({"allAddresses": true, "forwardList":
            [{"forwardMode": "LINEFORWARDMODE_UNCOND"}]}),
            )
        },
        &[],
    ),
    Operation {
        dead: "INVALLINESTATE",
        ..on_address(
            "lineSetupConference",
            "from nothing",
            &["SETUPCONF"],
            |s, _| at(s, json!({})),
            &["CALLUNAVAIL", "INVALCALLHANDLE"],
        )
    },
    Operation {
        // Nothing waits on these lines.
        dead: "INVALCOMPLETIONID",
        ..on_address(
            "lineUncompleteCall",
            "",
            &["UNCOMPLETECALL"],
            |s, _| at(s, json!({"completionId": 1})),
            &["INVALCOMPLETIONID", "OPERATIONFAILED"],
        )
    },
];

/// What decides whether an operation on two calls is announced, from the features of both.
type Announced = fn([&[String]; 2], [&[String]; 2]) -> bool;

/// An operation on two calls.
pub struct PairOperation {
    /// The function.
    pub function: &'static str,
    /// What distinguishes this way of asking it.
    pub way: &'static str,
    /// Its parameters for the first and the second call.
    pub params: fn(u64, u64) -> Value,
    /// Whether both calls announce it: features and variants of each.
    pub is_lit: Announced,
    /// The bit by which a call announces that there is some pair.
    pub bits: (&'static str, Option<&'static str>),
    /// Whether only the second call announces it.
    pub is_of_second: bool,
    /// The documented errors at the wrong moment, or of calls that do not belong together.
    pub not_now: &'static [&'static str],
}

fn has(features: &[String], bit: &str) -> bool {
    features.iter().any(|feature| feature == bit)
}

fn transfer(held: u64, consult: u64, mode: &str) -> Value {
    let mode = format!("LINETRANSFERMODE_{mode}");
    json!({"hCall": held, "hConsultCall": consult, "transferMode": mode})
}

/// Every operation on two calls.
pub const PAIRS: &[PairOperation] = &[
    PairOperation {
        function: "lineSwapHold",
        way: "",
        params: |active, held| json!({"hActiveCall": active, "hHeldCall": held}),
        is_lit: |one, other| has(one[0], "SWAPHOLD") && has(other[0], "SWAPHOLD"),
        bits: ("SWAPHOLD", None),
        is_of_second: false,
        not_now: WRONG_STATE,
    },
    PairOperation {
        function: "lineCompleteTransfer",
        way: "transfer",
        params: |held, consult| transfer(held, consult, "TRANSFER"),
        is_lit: |one, other| has(one[1], "TRANSFERNORM") && has(other[1], "TRANSFERNORM"),
        bits: ("COMPLETETRANSF", Some("TRANSFERNORM")),
        is_of_second: false,
        not_now: &["INVALCALLSTATE", "OPERATIONFAILED"],
    },
    PairOperation {
        function: "lineCompleteTransfer",
        way: "conference",
        params: |held, consult| transfer(held, consult, "CONFERENCE"),
        is_lit: |one, other| has(one[1], "TRANSFERCONF") && has(other[1], "TRANSFERCONF"),
        bits: ("COMPLETETRANSF", Some("TRANSFERCONF")),
        is_of_second: false,
        not_now: &["INVALCALLSTATE", "OPERATIONFAILED"],
    },
    PairOperation {
        function: "lineAddToConference",
        way: "",
        params: |parent, call| json!({"hConfCall": parent, "hConsultCall": call}),
        is_lit: |_, other| has(other[0], "ADDTOCONF"),
        bits: ("ADDTOCONF", None),
        is_of_second: true,
        not_now: &["INVALCONFCALLHANDLE", "INVALCALLHANDLE", "INVALCALLSTATE"],
    },
];

/// Functions that neither ask for anything on a call nor on an address, or that no bit announces:
/// they are tested where they belong.
pub const NOT_ABOUT_CALLS: &[&str] = &[
    "lineAgentSpecific",
    "lineClose",
    "lineCreateAgent",
    "lineCreateAgentSession",
    "lineDeallocateCall",
    "lineGetAddressCaps",
    "lineGetAddressID",
    "lineGetAddressStatus",
    "lineGetAgentActivityList",
    "lineGetAgentCaps",
    "lineGetAgentGroupList",
    "lineGetAgentInfo",
    "lineGetAgentSessionInfo",
    "lineGetAgentSessionList",
    "lineGetAgentStatus",
    "lineGetAppPriority",
    "lineGetCallInfo",
    "lineGetCallStatus",
    "lineGetConfRelatedCalls",
    "lineGetCountry",
    "lineGetDevCaps",
    "lineGetGroupList",
    "lineGetID",
    "lineGetLineDevStatus",
    "lineGetNewCalls",
    "lineGetNumRings",
    "lineGetProxyStatus",
    "lineGetQueueInfo",
    "lineGetQueueList",
    "lineGetStatusMessages",
    "lineGetTranslateCaps",
    "lineHandoff",
    "lineInitializeEx",
    "lineNegotiateAPIVersion",
    "lineOpen",
    "lineProxyMessage",
    "lineProxyResponse",
    "lineSetAgentActivity",
    "lineSetAgentGroup",
    "lineSetAgentMeasurementPeriod",
    "lineSetAgentSessionState",
    "lineSetAgentState",
    "lineSetAgentStateEx",
    "lineSetAppPriority",
    "lineSetAppSpecific",
    "lineSetCallPrivilege",
    "lineSetCurrentLocation",
    "lineSetLineDevStatus",
    "lineSetMediaMode",
    "lineSetNumRings",
    "lineSetQueueMeasurementPeriod",
    "lineSetStatusMessages",
    "lineShutdown",
    "lineTranslateAddress",
    "lineTranslateDialog",
    "tapiGetLocationInfo",
];
