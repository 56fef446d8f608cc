//! Every function that is offered: its success, and each documented error that can be reached.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::constant::{AddrCapFlag, AddressSharing, CallState as S, CallTreatment, ConnectedMode};
use tapi::{AddressSpec, CallCapability, CallMode, Intent, LineErr, LineSpec};

fn check(bench: &mut Bench, connection: u64, method: &str, rows: &[(Value, &str)]) {
    for (params, error) in rows {
        let refused = bench.refused(connection, method, params.clone());
        assert_eq!(refused, *error, "{method} {params}");
    }
    bench.drain();
    assert!(bench.intents.is_empty(), "a refused request leads to nothing");
}

#[test]
fn line_initialize_ex() {
    let mut bench = Bench::new();
    bench.connect(1);
    check(
        &mut bench,
        1,
        "lineInitializeEx",
        &[
            (json!({}), "LINEERR_INVALAPPNAME"),
            (json!({"appName": ""}), "LINEERR_INVALAPPNAME"),
            (json!({"appName": "x".repeat(257)}), "LINEERR_INVALAPPNAME"),
            (json!({"appName": 5}), "Invalid params"),
            (json!({"appName": "x", "apiVersion": 0x0001_0002}), "LINEERR_INCOMPATIBLEAPIVERSION"),
            (json!({"appName": "x", "apiVersion": "two"}), "LINEERR_INCOMPATIBLEAPIVERSION"),
            (json!({"appName": "x", "apiVersion": []}), "Invalid params"),
        ],
    );
    let started = bench.ok(1, "lineInitializeEx", json!({"appName": "x"}));
    assert_eq!(started["numDevs"], 3);
    assert_eq!(started["apiVersion"], 0x0002_0002);
    assert_eq!(started["resumeWindow"], 60);
    check(
        &mut bench,
        1,
        "lineInitializeEx",
        &[(json!({"appName": "x"}), "LINEERR_OPERATIONFAILED")],
    );
    for (asked, given) in [
        (json!(0x0003_0001), json!(0x0002_0002)),
        (json!("2.1"), json!("2.1")),
        (json!("3.1"), json!("2.2")),
    ] {
        bench.connect(2);
        let params = json!({"appName": "x", "apiVersion": asked});
        assert_eq!(bench.ok(2, "lineInitializeEx", params)["apiVersion"], given);
    }
}

#[test]
fn before_line_initialize_ex_nothing_else_is_checked() {
    let mut bench = Bench::new();
    bench.connect(1);
    for method in ["lineOpen", "lineMakeCall", "lineHold", "lineShutdown", "linePark", "lineGetID"]
    {
        let wrong = json!({"hLine": "x", "hCall": [], "wait": 3});
        assert_eq!(bench.refused(1, method, wrong), "LINEERR_UNINITIALIZED", "{method}");
    }
}

#[test]
fn line_negotiate_api_version() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let ask = |low: Value, high: Value| json!({"deviceId": 0, "apiLowVersion": low, "apiHighVersion": high});
    let method = "lineNegotiateAPIVersion";
    assert_eq!(bench.ok(1, method, ask(json!(0x10003), json!(0x30000)))["apiVersion"], 0x20002);
    assert_eq!(bench.ok(1, method, ask(json!("1.4"), json!("2.0")))["apiVersion"], "2.0");
    check(
        &mut bench,
        1,
        method,
        &[
            (ask(json!("3.0"), json!("3.1")), "LINEERR_INCOMPATIBLEAPIVERSION"),
            (ask(json!("1.0"), json!("1.2")), "LINEERR_INCOMPATIBLEAPIVERSION"),
            (json!({"deviceId": 0}), "Invalid params"),
            (
                json!({"deviceId": 9, "apiLowVersion": 1, "apiHighVersion": 1}),
                "LINEERR_BADDEVICEID",
            ),
        ],
    );
}

#[test]
fn line_open_and_close() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.ok(1, "lineInitializeEx", json!({"appName": "x"}));
    let open = |more: Value| {
        let mut params = json!({"deviceId": 0, "privileges": ["LINECALLPRIVILEGE_MONITOR"]});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        params
    };
    let owner = ["LINECALLPRIVILEGE_OWNER"];
    check(
        &mut bench,
        1,
        "lineOpen",
        &[
            (open(json!({"deviceId": 3})), "LINEERR_BADDEVICEID"),
            (open(json!({"deviceId": -1})), "LINEERR_BADDEVICEID"),
            (open(json!({"deviceId": "0"})), "Invalid params"),
            (open(json!({"line": "999"})), "LINEERR_BADDEVICEID"),
            (open(json!({"line": 201})), "Invalid params"),
            (open(json!({"apiVersion": "3.0"})), "LINEERR_INCOMPATIBLEAPIVERSION"),
            (open(json!({"privileges": []})), "LINEERR_INVALPRIVSELECT"),
            (open(json!({"privileges": 3})), "LINEERR_INVALPRIVSELECT"),
            (open(json!({"privileges": ["LINEFEATURE_FORWARD"]})), "LINEERR_INVALPRIVSELECT"),
            (open(json!({"privileges": null})), "Invalid params"),
            (open(json!({"privileges": {}})), "Invalid params"),
            (
                open(json!({"privileges": owner, "mediaModes": ["LINEMEDIAMODE_G3FAX"]})),
                "LINEERR_INVALMEDIAMODE",
            ),
            (open(json!({"privileges": owner, "mediaModes": 0})), "LINEERR_INVALMEDIAMODE"),
            (open(json!({"privileges": owner, "mediaModes": 1})), "LINEERR_INVALMEDIAMODE"),
            (
                open(json!({"privileges": 0xC000_0004_u32, "callParams": {"addressId": 0}})),
                "LINEERR_OPERATIONUNAVAIL",
            ),
            (
                open(json!({"privileges": 0x8000_0004_u32, "callParams": {"addressId": 7}})),
                "LINEERR_INVALADDRESSID",
            ),
        ],
    );
    let by_number =
        bench.ok(1, "lineOpen", json!({"line": "202", "privileges": "LINECALLPRIVILEGE_NONE"}));
    let by_device = bench.ok(1, "lineOpen", open(json!({})));
    let mapped = bench.ok(1, "lineOpen", open(json!({"deviceId": 0xFFFF_FFFF_u32})));
    let single = json!({"privileges": ["LINECALLPRIVILEGE_OWNER", "LINEOPENOPTION_SINGLEADDRESS"],
        "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"], "callParams": {"addressId": 0}});
    bench.ok(1, "lineOpen", open(single));
    for (opened, device) in [(by_number, 1), (by_device, 0), (mapped, 0)] {
        let h_line = &opened["hLine"];
        let ask =
            json!({"hLine": h_line, "select": "LINECALLSELECT_LINE", "deviceClass": "TAPI/Line"});
        assert_eq!(bench.ok(1, "lineGetID", ask)["deviceId"], device);
        bench.ok(1, "lineClose", json!({"hLine": h_line}));
        let again = bench.refused(1, "lineClose", json!({"hLine": h_line}));
        assert_eq!(again, "LINEERR_INVALLINEHANDLE");
    }
}

#[test]
fn lines_outside_the_permission_are_not_there() {
    let mut bench = Bench::new();
    bench.connect_only(1, &["202"]);
    let started = bench.ok(1, "lineInitializeEx", json!({"appName": "x"}));
    assert_eq!(started["numDevs"], 3, "device identifiers are the same for everybody");
    let open = |line: Value| json!({"deviceId": line, "privileges": ["LINECALLPRIVILEGE_MONITOR"]});
    check(
        &mut bench,
        1,
        "lineOpen",
        &[
            (open(json!(0)), "LINEERR_NODEVICE"),
            (json!({"line": "201", "privileges": 2}), "LINEERR_BADDEVICEID"),
        ],
    );
    check(
        &mut bench,
        1,
        "lineGetDevCaps",
        &[
            (json!({"deviceId": 0}), "LINEERR_NODEVICE"),
            (json!({"deviceId": 3}), "LINEERR_BADDEVICEID"),
        ],
    );
    assert_eq!(bench.ok(1, "lineGetDevCaps", json!({"deviceId": 1}))["lineName"], "202");
    bench.ok(1, "lineOpen", open(json!(0xFFFF_FFFF_u32)));
    bench.incoming();
    bench.server.add_line(LineSpec::new("204", "Dan", 103, 2));
    assert!(bench.trace(1).is_empty());

    bench.connect_only(2, &[]);
    bench.ok(2, "lineInitializeEx", json!({"appName": "x"}));
    let error = bench.refused(2, "lineOpen", open(json!(0xFFFF_FFFF_u32)));
    assert_eq!(error, "LINEERR_LINEMAPPERFAILED");
}

#[test]
fn status_messages_and_rings() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    let other = bench.monitor(2, "201");
    let states =
        json!({"hLine": h_line, "lineStates": ["LINEDEVSTATE_RINGING"], "addressStates": 32});
    bench.ok(1, "lineSetStatusMessages", states);
    let read = bench.ok(1, "lineGetStatusMessages", json!({"hLine": h_line}));
    assert_eq!(
        read,
        json!({"lineStates": ["LINEDEVSTATE_RINGING"], "addressStates": ["LINEADDRESSSTATE_NUMCALLS"]})
    );
    check(
        &mut bench,
        1,
        "lineSetStatusMessages",
        &[
            (json!({"hLine": 99, "lineStates": 1}), "LINEERR_INVALLINEHANDLE"),
            (json!({"hLine": h_line, "lineStates": 0x8000_0000_u32}), "LINEERR_INVALLINESTATE"),
            (json!({"hLine": h_line, "addressStates": 0x200}), "LINEERR_INVALADDRESSSTATE"),
            (json!({"hLine": h_line, "addressStates": "x"}), "LINEERR_INVALADDRESSSTATE"),
            (json!({"hLine": h_line, "addressStates": true}), "Invalid params"),
        ],
    );
    check(
        &mut bench,
        1,
        "lineGetStatusMessages",
        &[(json!({}), "Invalid params"), (json!({"hLine": 0}), "LINEERR_INVALLINEHANDLE")],
    );

    let ask = json!({"hLine": h_line, "addressId": 0});
    assert_eq!(bench.ok(1, "lineGetNumRings", ask.clone())["numRings"], 0xFFFF_FFFF_u32);
    bench.ok(1, "lineSetNumRings", json!({"hLine": h_line, "addressId": 0, "numRings": 4}));
    bench.ok(2, "lineSetNumRings", json!({"hLine": other, "addressId": 0, "numRings": 3}));
    assert_eq!(bench.ok(1, "lineGetNumRings", ask)["numRings"], 3);
    for method in ["lineSetNumRings", "lineGetNumRings"] {
        check(
            &mut bench,
            1,
            method,
            &[
                (json!({"hLine": h_line, "addressId": 1, "numRings": 4}), "LINEERR_INVALADDRESSID"),
                (json!({"hLine": 99, "addressId": 0, "numRings": 4}), "LINEERR_INVALLINEHANDLE"),
            ],
        );
    }
}

#[test]
fn capabilities_say_what_can_be_done() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let caps = bench.ok(1, "lineGetDevCaps", json!({"deviceId": 0, "apiVersion": 0x20002}));
    assert_eq!(caps["lineName"], "201");
    assert_eq!(caps["permanentLineId"], 100);
    assert_eq!(caps["numAddresses"], 1);
    assert_eq!(caps["maxNumActiveCalls"], 2);
    assert_eq!(caps["answerMode"], "LINEANSWERMODE_HOLD");
    assert_eq!(caps["lineFeatures"], json!(["LINEFEATURE_MAKECALL"]));
    assert_eq!(caps["devCapFlags"], json!([]));
    let caps = bench.ok(1, "lineGetAddressCaps", json!({"deviceId": 0, "addressId": 0}));
    assert_eq!(caps["address"], "201");
    assert_eq!(caps["addressSharing"], "LINEADDRESSSHARING_PRIVATE");
    assert_eq!(
        caps["callFeatures"],
        json!([
            "LINECALLFEATURE_ACCEPT",
            "LINECALLFEATURE_ANSWER",
            "LINECALLFEATURE_DIAL",
            "LINECALLFEATURE_DROP",
            "LINECALLFEATURE_HOLD",
            "LINECALLFEATURE_UNHOLD"
        ])
    );
    assert_eq!(caps["addressFeatures"], json!(["LINEADDRFEATURE_MAKECALL"]));
    assert_eq!(caps["transferModes"], json!([]));
    let flags = caps["disconnectModes"].as_array().unwrap();
    assert!(flags.contains(&json!("LINEDISCONNECTMODE_CANCELLED")));
    for method in ["lineGetDevCaps", "lineGetAddressCaps"] {
        check(
            &mut bench,
            1,
            method,
            &[
                (json!({"deviceId": 3}), "LINEERR_BADDEVICEID"),
                (json!({"deviceId": 0, "apiVersion": "3.0"}), "LINEERR_INCOMPATIBLEAPIVERSION"),
                (json!({}), "Invalid params"),
            ],
        );
    }
    let wrong = json!({"deviceId": 0, "addressId": 1});
    assert_eq!(bench.refused(1, "lineGetAddressCaps", wrong), "LINEERR_INVALADDRESSID");
}

#[test]
fn line_get_id_and_address_id() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "202");
    bench.owner(2, "201");
    let (h_call, _) = bench.connected(2);
    let of_call =
        json!({"hCall": h_call, "select": "LINECALLSELECT_CALL", "deviceClass": "tapi/line"});
    assert_eq!(bench.ok(2, "lineGetID", of_call), json!({"deviceId": 0}));
    let address = json!({"hLine": h_line, "addressId": 0, "select": 2, "deviceClass": "tapi/line"});
    assert_eq!(bench.ok(1, "lineGetID", address), json!({"deviceId": 1}));
    let ask = |more: Value| {
        let mut params =
            json!({"hLine": h_line, "addressId": 0, "select": 2, "deviceClass": "tapi/line"});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        params
    };
    check(
        &mut bench,
        1,
        "lineGetID",
        &[
            (ask(json!({"hLine": 99})), "LINEERR_INVALLINEHANDLE"),
            (ask(json!({"addressId": 5})), "LINEERR_INVALADDRESSID"),
            (ask(json!({"select": 4, "hCall": 99})), "LINEERR_INVALCALLHANDLE"),
            (ask(json!({"select": 8})), "LINEERR_INVALCALLSELECT"),
            (ask(json!({"select": 64})), "LINEERR_INVALCALLSELECT"),
            (ask(json!({"deviceClass": "wave/in"})), "LINEERR_INVALDEVICECLASS"),
            (ask(json!({"deviceClass": 1})), "Invalid params"),
        ],
    );
    let named =
        |number: &str, mode: u32| json!({"hLine": h_line, "addressMode": mode, "address": number});
    assert_eq!(bench.ok(1, "lineGetAddressID", named("202", 2)), json!({"addressId": 0}));
    check(
        &mut bench,
        1,
        "lineGetAddressID",
        &[
            (named("201", 2), "LINEERR_INVALADDRESS"),
            (named("202", 1), "LINEERR_INVALADDRESSMODE"),
            (named("202", 4), "LINEERR_INVALADDRESSMODE"),
        ],
    );
}

#[test]
fn line_make_call_is_refused_before_anything_happens() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    let make = |address: &str, params: Value| json!({"hLine": h_line, "destAddress": address, "callParams": params});
    check(
        &mut bench,
        1,
        "lineMakeCall",
        &[
            (json!({"hLine": 99, "destAddress": 7}), "LINEERR_INVALLINEHANDLE"),
            (json!({"hLine": 99.5}), "LINEERR_INVALLINEHANDLE"),
            (json!({"hLine": "1"}), "Invalid params"),
            (json!({"hLine": h_line, "destAddress": 202}), "Invalid params"),
            (json!({"hLine": h_line, "destAddress": "202", "wait": 1}), "Invalid params"),
            (json!({"hLine": h_line, "callParams": []}), "Invalid params"),
            (json!({"hLine": h_line, "countryCode": 1000}), "LINEERR_INVALCOUNTRYCODE"),
            (make("20?", json!({"bearerMode": 3})), "LINEERR_INVALBEARERMODE"),
            (make("1", json!({"bearerMode": "LINEBEARERMODE_DATA"})), "LINEERR_BEARERMODEUNAVAIL"),
            (make("1", json!({"minRate": 9, "maxRate": 8})), "LINEERR_INVALRATE"),
            (make("1", json!({"minRate": 128_000})), "LINEERR_RATEUNAVAIL"),
            (make("1", json!({"mediaMode": ["LINEMEDIAMODE_G3FAX"]})), "LINEERR_INVALMEDIAMODE"),
            (make("1", json!({"mediaMode": 12})), "LINEERR_INVALMEDIAMODE"),
            (make("1", json!({"mediaMode": 1})), "LINEERR_INVALMEDIAMODE"),
            (make("1", json!({"callParamFlags": 0x100})), "LINEERR_INVALCALLPARAMS"),
            (
                make("1", json!({"callParamFlags": ["LINECALLPARAMFLAGS_SECURE"]})),
                "LINEERR_INVALCALLPARAMS",
            ),
            (make("1", json!({"callData": "x"})), "LINEERR_INVALCALLPARAMS"),
            (make("1", json!({"userUserInfo": "x"})), "LINEERR_USERUSERINFOTOOBIG"),
            (make("1", json!({"addressMode": 3})), "LINEERR_INVALADDRESSMODE"),
            (make("1", json!({"addressMode": 1, "addressId": 1})), "LINEERR_INVALADDRESSID"),
            (make("1", json!({"addressMode": 2, "origAddress": "202"})), "LINEERR_INVALADDRESS"),
            (make("1", json!({"dialParams": 5})), "Invalid params"),
            (make("abcxyz", json!({})), "LINEERR_INVALADDRESS"),
            (make("1$", json!({})), "LINEERR_DIALBILLING"),
            (make("1@", json!({})), "LINEERR_DIALQUIET"),
            (make("1W", json!({})), "LINEERR_DIALDIALTONE"),
            (make("1?", json!({})), "LINEERR_DIALPROMPT"),
            (make("1:", json!({})), "LINEERR_DIALVOICEDETECT"),
        ],
    );
    assert_eq!(bench.server.call_count(), 0);
    let device = bench.line("201");
    bench.server.line_service(1_000, device, false);
    // Wrong address and wrong line state: the line state comes first.
    assert_eq!(bench.refused(1, "lineMakeCall", make("?", json!({}))), "LINEERR_INVALLINESTATE");
    let status = bench.ok(1, "lineGetAddressStatus", json!({"hLine": h_line, "addressId": 0}));
    assert_eq!(status["addressFeatures"], json!([]));
}

#[test]
fn call_appearances_are_counted_with_those_being_made() {
    let mut bench = Bench::new();
    let h_line = bench.open(1, "201", &["NONE"]);
    let make = json!({"hLine": h_line, "destAddress": "202"});
    bench.ok(1, "lineMakeCall", make.clone());
    let (first, _) = bench.intent();
    bench.ok(1, "lineMakeCall", make.clone());
    bench.intent();
    assert_eq!(bench.refused(1, "lineMakeCall", make.clone()), "LINEERR_CALLUNAVAIL");
    bench.fail(first, LineErr::OperationFailed);
    bench.ok(1, "lineMakeCall", make);
    bench.intent();
}

#[test]
fn the_call_carries_what_the_application_wished() {
    let mut bench = Bench::new();
    let mut spec = LineSpec::new("250", "Desk", 7, 2);
    spec.addresses.push(AddressSpec {
        sharing: AddressSharing::BridgedExcl,
        cap_flags: AddrCapFlag::Dialed.into(),
        ..AddressSpec::new("251", 1)
    });
    let device = bench.server.add_line(spec);
    bench.server.line_service(1_000, device, true);
    let h_line = bench.owner(1, "250");
    let wishes = json!({"addressMode": "LINEADDRESSMODE_DIALABLEADDR", "origAddress": "251",
        "calledParty": "Ben", "comment": "ticket 5", "noAnswerTimeout": 5_000,
        "dialParams": {"dialPause": 99_999, "digitDuration": 1},
        "bearerMode": ["LINEBEARERMODE_SPEECH"], "mediaMode": "LINEMEDIAMODE_AUTOMATEDVOICE"});
    let make = json!({"hLine": h_line, "destAddress": "+1 (425) 882-8080", "callParams": wishes});
    bench.ok(1, "lineMakeCall", make);
    let (request, intent) = bench.intent();
    let Intent::MakeCall { address, destination, params, call, .. } = intent else { panic!() };
    assert_eq!((address.0, destination.as_str()), (1, "+14258828080"));
    assert_eq!(params.no_answer_timeout_s, Some(600));
    assert_eq!((params.dial_params.dial_pause, params.dial_params.digit_duration), (10_000, 40));
    bench.complete(request);
    bench.server.call_info(
        1_000,
        call,
        |info| info.treatment = Some(CallTreatment::Music),
        [tapi::constant::CallInfoState::Treatment],
    );
    assert_eq!(bench.trace(1), ["REPLY 2 0", "CALLINFO 2 TREATMENT"]);
    let info = bench.ok(1, "lineGetCallInfo", json!({"hCall": 2}));
    for (field, value) in [
        ("addressId", json!(1)),
        ("calledParty", json!("Ben")),
        ("comment", json!("ticket 5")),
        ("bearerMode", json!("LINEBEARERMODE_SPEECH")),
        ("origin", json!("LINECALLORIGIN_OUTBOUND")),
        ("reason", json!("LINECALLREASON_DIRECT")),
        ("callerId", json!("251")),
        ("calledId", json!("+14258828080")),
        ("calledIdFlags", json!(["LINECALLPARTYID_ADDRESS"])),
        ("appName", json!("app1")),
        ("numOwners", json!(1)),
        ("callTreatment", json!("LINECALLTREATMENT_MUSIC")),
        ("trunk", json!(0xFFFF_FFFF_u32)),
    ] {
        assert_eq!(info[field], value, "{field}");
    }
}

#[test]
fn line_dial_adds_digits_until_the_number_is_complete() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    bench.monitor(2, "201");
    for address in [json!(null), json!(""), json!(";")] {
        bench.ok(1, "lineMakeCall", json!({"hLine": h_line, "destAddress": address}));
        let (request, intent) = bench.intent();
        let Intent::MakeCall { call, destination, complete, .. } = intent else { panic!() };
        assert_eq!((destination.as_str(), complete), ("", false));
        bench.complete(request);
        bench.state(call, S::Idle, CallMode::None);
        bench.drain();
    }
    bench.trace(1);
    let (h_call, key) = bench.making(1, h_line, ";");
    let dial = |address: &str| json!({"hCall": h_call, "destAddress": address});
    bench.state(key, S::DialTone, CallMode::None);
    let status = bench.ok(1, "lineGetCallStatus", json!({"hCall": h_call}));
    assert_eq!(status["callFeatures"], json!(["LINECALLFEATURE_DIAL", "LINECALLFEATURE_DROP"]));
    check(
        &mut bench,
        1,
        "lineDial",
        &[
            (json!({"hCall": 99, "destAddress": 5}), "LINEERR_INVALCALLHANDLE"),
            (json!({"hCall": h_call, "destAddress": 5}), "Invalid params"),
            (json!({"hCall": h_call, "countryCode": 5_000}), "LINEERR_INVALCOUNTRYCODE"),
            (dial(""), "LINEERR_INVALADDRESS"),
            (dial("x"), "LINEERR_INVALADDRESS"),
            (dial("$"), "LINEERR_DIALBILLING"),
            (dial("w"), "LINEERR_DIALDIALTONE"),
            (dial("?"), "LINEERR_DIALPROMPT"),
            (dial("@"), "LINEERR_DIALQUIET"),
        ],
    );
    let h_other = bench.messages(2).last().unwrap()["params"]["hCall"].clone();
    let other = json!({"hCall": h_other, "destAddress": "2"});
    assert_eq!(bench.refused(2, "lineDial", other), "LINEERR_NOTOWNER");
    for (text, digits, is_complete) in [("2;", "2", false), ("0;", "0", false), ("", "", true)] {
        bench.ok(1, "lineDial", dial(text));
        let (request, intent) = bench.intent();
        let expected = Intent::Dial { call: key, digits: digits.to_owned(), complete: is_complete };
        assert_eq!(intent, expected);
        bench.complete(request);
        bench.state(key, S::Dialing, CallMode::None);
    }
    assert_eq!(bench.refused(1, "lineDial", dial("1")), "LINEERR_INVALCALLSTATE");
    bench.state(key, S::Proceeding, CallMode::None);
    assert_eq!(bench.refused(1, "lineDial", dial("1")), "LINEERR_INVALCALLSTATE");
}

#[test]
fn operations_on_a_call_check_handle_then_owner_then_state() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    let key = bench.incoming();
    bench.drain();
    let right = [
        ("lineAccept", vec![S::Offering]),
        ("lineAnswer", vec![S::Offering, S::Accepted]),
        ("lineHold", vec![S::Connected]),
        ("lineUnhold", vec![S::OnHold]),
        ("lineDrop", vec![S::Offering, S::Accepted, S::Connected, S::OnHold, S::Disconnected]),
    ];
    let path = [S::Offering, S::Accepted, S::Connected, S::OnHold, S::Disconnected, S::Idle];
    for state in path {
        let mode = match state {
            S::Disconnected => CallMode::Disconnected(tapi::constant::DisconnectMode::Normal),
            _ => CallMode::None,
        };
        if state != S::Offering {
            bench.state(key, state, mode);
        }
        for (method, states) in &right {
            for (params, error) in [
                (json!({"hCall": 99, "userUserInfo": "x"}), "LINEERR_INVALCALLHANDLE"),
                (json!({"hCall": true}), "Invalid params"),
                (json!({}), "Invalid params"),
            ] {
                assert_eq!(bench.refused(1, method, params), error, "{method}");
            }
            let call = json!({"hCall": 2});
            assert_eq!(bench.refused(2, method, call.clone()), "LINEERR_NOTOWNER", "{method}");
            if ["lineAccept", "lineAnswer", "lineDrop"].contains(method) {
                let info = json!({"hCall": 2, "userUserInfo": "x"});
                let error = bench.refused(1, method, info);
                assert_eq!(error, "LINEERR_USERUSERINFOTOOBIG", "{method}");
            }
            if states.contains(&state) {
                let answer = bench.ok(1, method, call);
                assert!(answer["requestId"].as_u64().unwrap() > 0, "{method} in {state:?}");
                let (request, _) = bench.intent();
                bench.fail(request, LineErr::OperationFailed);
            } else {
                let error = bench.refused(1, method, call);
                assert_eq!(error, "LINEERR_INVALCALLSTATE", "{method} in {state:?}");
            }
        }
    }
}

#[test]
fn a_phone_that_cannot_be_told_to_answer_says_so() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let key = bench.incoming();
    let deaf = CallCapability { can_answer: false, ..CallCapability::default() };
    bench.server.call_capability(key, deaf);
    let status = bench.ok(1, "lineGetCallStatus", json!({"hCall": 2}));
    assert_eq!(status["callFeatures"], json!(["LINECALLFEATURE_ACCEPT", "LINECALLFEATURE_DROP"]));
    assert_eq!(bench.refused(1, "lineAnswer", json!({"hCall": 2})), "LINEERR_OPERATIONUNAVAIL");
    let device = bench.line("201");
    bench.server.line_service(1_000, device, false);
    let error = bench.refused(1, "lineAccept", json!({"hCall": 2}));
    assert_eq!(error, "LINEERR_OPERATIONFAILED");
    bench.ok(1, "lineDrop", json!({"hCall": 2}));
}

#[test]
fn a_held_call_is_taken_back_only_when_no_other_is_active() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    let (held, key) = bench.connected(1);
    bench.state(key, S::OnHold, CallMode::None);
    bench.drain();
    bench.messages(1);
    let (_, other) = bench.connected(1);
    let unhold = json!({"hCall": held});
    assert_eq!(bench.refused(1, "lineUnhold", unhold.clone()), "LINEERR_INVALCALLSTATE");
    let away = CallMode::Connected(ConnectedMode::Inactive);
    bench.state(other, S::Connected, away);
    bench.ok(1, "lineUnhold", unhold);
}

#[test]
fn status_of_call_address_and_line() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    bench.now_ms = 1_709_251_200_001;
    let (h_call, _) = bench.connected(1);
    let status = bench.ok(1, "lineGetCallStatus", json!({"hCall": h_call}));
    assert_eq!(status["callState"], "LINECALLSTATE_CONNECTED");
    assert_eq!(status["callStateMode"], 0);
    assert_eq!(status["callPrivilege"], "LINECALLPRIVILEGE_OWNER");
    assert_eq!(status["callFeatures"], json!(["LINECALLFEATURE_DROP", "LINECALLFEATURE_HOLD"]));
    assert_eq!(status["stateEntryTime"], "2024-03-01T00:00:00.001Z");
    let address = bench.ok(1, "lineGetAddressStatus", json!({"hLine": h_line}));
    assert_eq!((&address["numInUse"], &address["numActiveCalls"]), (&json!(1), &json!(1)));
    assert_eq!(address["addressFeatures"], json!(["LINEADDRFEATURE_MAKECALL"]));
    let line = bench.ok(1, "lineGetLineDevStatus", json!({"hLine": h_line}));
    assert_eq!(line["numOpens"], 1);
    assert_eq!(line["openMediaModes"], json!(["LINEMEDIAMODE_INTERACTIVEVOICE"]));
    assert_eq!(line["appInfo"][0]["moduleFilename"], "app1");
    assert_eq!(line["lineFeatures"], json!(["LINEFEATURE_MAKECALL"]));
    bench.incoming();
    let line = bench.ok(1, "lineGetLineDevStatus", json!({"hLine": h_line}));
    assert_eq!((&line["numActiveCalls"], &line["lineFeatures"]), (&json!(2), &json!([])));

    let wrong_address = json!({"hLine": h_line, "addressId": 4});
    assert_eq!(bench.refused(1, "lineGetAddressStatus", wrong_address), "LINEERR_INVALADDRESSID");
    for method in ["lineGetAddressStatus", "lineGetLineDevStatus"] {
        let error = bench.refused(1, method, json!({"hLine": 99}));
        assert_eq!(error, "LINEERR_INVALLINEHANDLE");
    }
    for method in ["lineGetCallInfo", "lineGetCallStatus"] {
        let error = bench.refused(1, method, json!({"hCall": 99}));
        assert_eq!(error, "LINEERR_INVALCALLHANDLE");
    }
}

#[test]
fn functions_that_are_not_offered_check_handles_and_are_unavailable() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    let (h_call, _) = bench.connected(1);
    for (method, params, error) in [
        ("linePark", json!({"hCall": h_call}), "LINEERR_OPERATIONUNAVAIL"),
        ("linePark", json!({"hCall": 99}), "LINEERR_INVALCALLHANDLE"),
        ("lineForward", json!({"hLine": h_line}), "LINEERR_OPERATIONUNAVAIL"),
        ("lineForward", json!({"hLine": 99}), "LINEERR_INVALLINEHANDLE"),
        ("lineAddToConference", json!({"hConfCall": 99}), "LINEERR_INVALCONFCALLHANDLE"),
        (
            "lineCompleteTransfer",
            json!({"hCall": h_call, "hConsultCall": 99}),
            "LINEERR_INVALCONSULTCALLHANDLE",
        ),
        ("lineBlindTransfer", json!({"hCall": []}), "Invalid params"),
        ("lineDevSpecific", json!({}), "LINEERR_OPERATIONUNAVAIL"),
        ("lineCreateAgent", json!({"hLine": h_line}), "LINEERR_OPERATIONUNAVAIL"),
        ("lineCreateAgent", json!({"hLine": 99}), "LINEERR_INVALLINEHANDLE"),
        ("lineTeleport", json!({}), "Method not found"),
    ] {
        assert_eq!(bench.refused(1, method, params), error, "{method}");
    }
}
