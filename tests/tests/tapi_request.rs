//! Requests of applications over the WebSocket of the real program: refusals, the order of checks,
//! batches, constants.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use serde_json::{Value, json};
use tests::program::{Application, LivePhone, Program, office};

const OWNER: &str = "LINECALLPRIVILEGE_OWNER";
const MONITOR: &str = "LINECALLPRIVILEGE_MONITOR";
const VOICE: &str = "LINEMEDIAMODE_INTERACTIVEVOICE";

fn office_with_two_phones() -> (Program, LivePhone, LivePhone) {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    (program, a, b)
}

/// 201 talks to 202; both hands at the phones.
fn refused(app: &mut Application, rows: &[(&str, Value, &str)]) {
    for (method, params, error) in rows {
        assert_eq!(app.refusal(method, params.clone()), *error, "{method} {params}");
    }
    app.expect_silence();
}

#[test]
fn what_is_asked_of_lines_is_refused_with_the_documented_errors() {
    let (program, _a, _b) = office_with_two_phones();
    let mut app = program.application("errors");
    let line = app.open("201");
    let idle_line = app.open("203");
    let open = |line: Value, privileges: Value, modes: &str| json!({"line": line, "privileges": privileges, "mediaModes": [modes]});
    let voice = VOICE;
    let make = |destination: &str| json!({"hLine": line, "destAddress": destination});
    let wish = |wishes: Value| json!({"hLine": line, "destAddress": "203", "callParams": wishes});
    refused(
        &mut app,
        &[
            ("lineOpen", open(json!("299"), json!([OWNER]), voice), "BADDEVICEID"),
            ("lineOpen", open(json!(201), json!([OWNER]), voice), "-32602"),
            ("lineOpen", open(json!("201"), json!([]), voice), "INVALPRIVSELECT"),
            (
                "lineOpen",
                open(json!("201"), json!(["LINECALLPRIVILEGE_KING"]), voice),
                "INVALPRIVSELECT",
            ),
            (
                "lineOpen",
                open(json!("201"), json!([OWNER]), "LINEMEDIAMODE_TELETEX"),
                "INVALMEDIAMODE",
            ),
            ("lineOpen", json!({"deviceId": 77, "privileges": [OWNER]}), "BADDEVICEID"),
            ("lineClose", json!({"hLine": 999}), "INVALLINEHANDLE"),
            ("lineGetDevCaps", json!({"deviceId": 77}), "BADDEVICEID"),
            ("lineGetAddressCaps", json!({"deviceId": 0, "addressId": 5}), "INVALADDRESSID"),
            ("lineGetAddressStatus", json!({"hLine": line, "addressId": 5}), "INVALADDRESSID"),
            ("lineGetLineDevStatus", json!({"hLine": 999}), "INVALLINEHANDLE"),
            ("lineGetID", json!({"hLine": line, "deviceClass": "wave/in"}), "INVALDEVICECLASS"),
            (
                "lineNegotiateAPIVersion",
                json!({"deviceId": 0, "apiLowVersion": "3.0", "apiHighVersion": "3.1"}),
                "INCOMPATIBLEAPIVERSION",
            ),
            ("lineMakeCall", json!({"hLine": 999, "destAddress": "202"}), "INVALLINEHANDLE"),
            ("lineMakeCall", json!({"hLine": idle_line, "destAddress": "202"}), "INVALLINESTATE"),
            ("lineMakeCall", make("20$2"), "DIALBILLING"),
            ("lineMakeCall", make("20@2"), "DIALQUIET"),
            ("lineMakeCall", make("20W2"), "DIALDIALTONE"),
            ("lineMakeCall", make("20?2"), "DIALPROMPT"),
            ("lineMakeCall", make("20:2"), "DIALVOICEDETECT"),
            (
                "lineMakeCall",
                json!({"hLine": line, "destAddress": "202", "countryCode": 99_999}),
                "INVALCOUNTRYCODE",
            ),
            (
                "lineMakeCall",
                wish(json!({"bearerMode": "LINEBEARERMODE_DATA"})),
                "BEARERMODEUNAVAIL",
            ),
            (
                "lineMakeCall",
                wish(json!({"bearerMode": "LINEBEARERMODE_PIGEON"})),
                "INVALBEARERMODE",
            ),
            ("lineMakeCall", wish(json!({"mediaMode": "LINEMEDIAMODE_G4FAX"})), "INVALMEDIAMODE"),
            ("lineMakeCall", wish(json!({"minRate": 2, "maxRate": 1})), "INVALRATE"),
            ("lineMakeCall", wish(json!({"minRate": 128_000})), "RATEUNAVAIL"),
            (
                "lineMakeCall",
                wish(json!({"addressMode": "LINEADDRESSMODE_ADDRESSID", "addressId": 9})),
                "INVALADDRESSID",
            ),
            ("lineMakeCall", wish(json!({"userUserInfo": "x".repeat(129)})), "USERUSERINFOTOOBIG"),
        ],
    );
}

#[test]
fn what_is_asked_of_calls_is_refused_with_the_documented_errors() {
    let (program, a, b) = office_with_two_phones();
    let mut app = program.application("errors");
    let line = app.open("201");
    a.talk_to(&b);
    app.skip_to("201 INFO CONNECTEDID");
    let call = app.handle("201");
    let voice = VOICE;
    refused(
        &mut app,
        &[
            ("lineDial", json!({"hCall": 999, "destAddress": "2"}), "INVALCALLHANDLE"),
            ("lineDial", json!({"hCall": call, "destAddress": "2"}), "INVALCALLSTATE"),
            ("lineAccept", json!({"hCall": call}), "INVALCALLSTATE"),
            ("lineAnswer", json!({"hCall": call}), "INVALCALLSTATE"),
            ("lineUnhold", json!({"hCall": call}), "INVALCALLSTATE"),
            ("lineHold", json!({"hCall": 999}), "INVALCALLHANDLE"),
            ("lineHold", json!({"hCall": "one"}), "-32602"),
            ("lineHold", json!({}), "-32602"),
            ("lineDrop", json!({"hCall": -1}), "INVALCALLHANDLE"),
            (
                "lineDrop",
                json!({"hCall": call, "userUserInfo": "x".repeat(129)}),
                "USERUSERINFOTOOBIG",
            ),
            (
                "lineSetCallPrivilege",
                json!({"hCall": call, "callPrivilege": MONITOR}),
                "INVALCALLSTATE",
            ),
            (
                "lineSetMediaMode",
                json!({"hCall": call, "mediaModes": ["LINEMEDIAMODE_DIGITALDATA"]}),
                "INVALMEDIAMODE",
            ),
            (
                "lineSetAppPriority",
                json!({"appName": "", "mediaMode": voice, "priority": 1}),
                "INVALAPPNAME",
            ),
            (
                "lineSetAppPriority",
                json!({"appName": "x", "mediaMode": voice, "priority": 9}),
                "INVALPARAM",
            ),
            ("lineDevSpecific", json!({"hLine": line}), "OPERATIONUNAVAIL"),
            ("lineDevSpecific", json!({"hLine": 999}), "INVALLINEHANDLE"),
            ("lineConfigDialog", json!({}), "OPERATIONUNAVAIL"),
            ("lineFly", json!({}), "-32601"),
            ("lineopen", json!({}), "-32601"),
        ],
    );
    let status = app.call("lineGetCallStatus", json!({"hCall": call})).unwrap();
    assert_eq!(status["callState"], "LINECALLSTATE_CONNECTED", "a refusal changes nothing");
}

#[test]
fn of_two_things_that_are_wrong_the_first_in_the_order_of_checks_is_named() {
    let (program, a, b) = office_with_two_phones();
    let mut owner = program.application("owner");
    let mut monitor = program.application("monitor");
    owner.open("201");
    let line = monitor.open("201");
    let idle_line = monitor.open("203");
    a.talk_to(&b);
    monitor.skip_to("201 INFO CONNECTEDID");
    let call = monitor.handle("201");
    for (why, method, params, error) in [
        (
            "handle before type",
            "lineMakeCall",
            json!({"hLine": 999, "destAddress": 7}),
            "INVALLINEHANDLE",
        ),
        ("handle before owner and state", "lineUnhold", json!({"hCall": 999}), "INVALCALLHANDLE"),
        ("owner before state", "lineUnhold", json!({"hCall": call}), "NOTOWNER"),
        (
            "owner before scalar",
            "lineSetMediaMode",
            json!({"hCall": call, "mediaModes": ["LINEMEDIAMODE_DIGITALDATA"]}),
            "NOTOWNER",
        ),
        (
            "scalar before line state",
            "lineMakeCall",
            json!({"hLine": idle_line, "destAddress": "202", "countryCode": 99_999}),
            "INVALCOUNTRYCODE",
        ),
        (
            "scalar before address content",
            "lineMakeCall",
            json!({"hLine": line, "destAddress": "2$", "callParams": {"minRate": 2, "maxRate": 1}}),
            "INVALRATE",
        ),
        (
            "line state before address content",
            "lineMakeCall",
            json!({"hLine": idle_line, "destAddress": "2$"}),
            "INVALLINESTATE",
        ),
        (
            "handle before not offered",
            "lineDevSpecific",
            json!({"hLine": 999, "hCall": 999}),
            "INVALLINEHANDLE",
        ),
    ] {
        assert_eq!(monitor.refusal(method, params.clone()), error, "{why}: {method} {params}");
    }
}

#[test]
fn a_full_address_has_no_room_for_one_more_call() {
    let program = Program::with(office(|text| text.replace("max_calls = 4", "max_calls = 1")));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut app = program.application("full");
    let line = app.open("201");
    a.talk_to(&b);
    app.skip_to("201 INFO CONNECTEDID");
    let call = json!({"hLine": line, "destAddress": "203"});
    assert_eq!(app.refusal("lineMakeCall", call), "CALLUNAVAIL");
    a.call("203");
    assert_eq!(a.failed().0, 486, "one more outbound call of the phone");
    let c = program.live_phone("203");
    c.call("202");
    assert_eq!(c.failed().0, 486, "one more inbound call");
}

#[test]
fn a_batch_is_answered_by_an_array_and_carried_out_in_order() {
    let program = Program::start();
    let mut app = program.connection();
    let request = |id: u64, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let batch = json!([
        request(1, "lineInitializeEx", json!({"appName": "batch"})),
        {"jsonrpc": "2.0", "method": "lineSetAppPriority",
            "params": {"appName": "batch", "mediaMode": "LINEMEDIAMODE_INTERACTIVEVOICE", "priority": 1}},
        request(2, "lineGetAppPriority",
            json!({"appName": "batch", "mediaMode": "LINEMEDIAMODE_INTERACTIVEVOICE"})),
        request(3, "lineFly", json!({})),
        request(4, "lineOpen", json!({"line": "299", "privileges": [OWNER]})),
        7,
    ]);
    app.send_text(&batch.to_string());
    let answers = app.any_response("the batch");
    let answers = answers.as_array().expect("an array");
    let codes: Vec<(Value, Value)> =
        answers.iter().map(|one| (one["id"].clone(), one["error"]["code"].clone())).collect();
    assert_eq!(
        codes,
        [
            (json!(1), json!(null)),
            (json!(2), json!(null)),
            (json!(3), json!(-32601)),
            (json!(4), json!(-0x7FFF_FFFE)),
            (json!(null), json!(-32600)),
        ]
    );
    assert_eq!(answers[1]["result"]["priority"], 1);
    app.send_text("[]");
    assert_eq!(app.any_response("an empty batch")["error"]["code"], -32600);
    app.send_text("{");
    assert_eq!(app.any_response("no JSON")["error"]["code"], -32700);
    app.open("201");
}

#[test]
fn constants_are_understood_as_names_and_as_numbers() {
    let (program, a, b) = office_with_two_phones();
    let mut app = program.application("numbers");
    // OWNER | MONITOR = 6, INTERACTIVEVOICE = 4.
    let opened = app.call("lineOpen", json!({"deviceId": 0, "privileges": 6, "mediaModes": 4}));
    let line = opened.unwrap()["hLine"].clone();
    a.talk_to(&b);
    app.wait("the call", |message| message["params"]["callState"] == "LINECALLSTATE_CONNECTED");
    let ask = json!({"hLine": line, "select": 1});
    assert_eq!(app.call("lineGetNewCalls", ask).unwrap()["calls"], json!([]));
}
