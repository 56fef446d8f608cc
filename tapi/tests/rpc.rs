//! JSON-RPC 2.0 itself, and that no text whatever brings the server down.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use proptest::prelude::*;
use serde_json::{Value, json};
use tapi::ConnectionId;

fn code(response: &Value) -> i64 {
    assert_eq!(response["jsonrpc"], "2.0");
    response["error"]["code"].as_i64().unwrap()
}

#[test]
fn errors_of_the_protocol_have_their_codes() {
    let mut bench = Bench::new();
    bench.connect(1);
    for (text, expected, id) in [
        ("{", -32_700, json!(null)),
        ("", -32_700, json!(null)),
        ("7", -32_600, json!(null)),
        ("{}", -32_600, json!(null)),
        ("[]", -32_600, json!(null)),
        (r#"{"jsonrpc":"2.0","id":[],"method":"lineOpen"}"#, -32_600, json!(null)),
        (r#"{"jsonrpc":"2.0","id":5,"method":7}"#, -32_600, json!(5)),
        (r#"{"jsonrpc":"1.0","id":"a","method":"lineOpen"}"#, -32_600, json!("a")),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"lineFly"}"#, -32_601, json!(1.5)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"lineFly","params":[]}"#, -32_601, json!(1)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"lineOpen","params":[1]}"#, -32_602, json!(1)),
        (r#"{"jsonrpc":"2.0","id":null,"method":"lineOpen"}"#, -2_147_483_568, json!(null)),
    ] {
        let responses = bench.text(1, text);
        assert_eq!(responses.len(), 1, "{text}");
        assert_eq!((code(&responses[0]), &responses[0]["id"]), (expected, &id), "{text}");
    }
    assert!(bench.text(9, "{}").is_empty(), "an unknown connection gets no answer");
}

#[test]
fn a_notification_is_carried_out_and_not_answered() {
    let mut bench = Bench::new();
    bench.connect(1);
    let start = r#"{"jsonrpc":"2.0","method":"lineInitializeEx","params":{"appName":"x"}}"#;
    assert!(bench.text(1, start).is_empty());
    assert_eq!(bench.server.application_count(), 1);
    for method in ["lineFly", "linePark", "lineOpen"] {
        let text = json!({"jsonrpc": "2.0", "method": method}).to_string();
        assert!(bench.text(1, &text).is_empty());
    }
}

#[test]
fn a_batch_is_answered_by_an_array() {
    let mut bench = Bench::new();
    bench.connect(1);
    let request = |id: u64, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let batch = json!([
        request(1, "lineInitializeEx", json!({"appName": "x"})),
        {"jsonrpc": "2.0", "method": "lineFly"},
        request(2, "lineOpen", json!({"line": "201", "privileges": 4})),
        request(3, "lineMakeCall", json!({"hLine": 1, "destAddress": "202"})),
        5,
    ]);
    let responses = bench.text(1, &batch.to_string());
    assert_eq!(responses.len(), 1);
    let answers = responses[0].as_array().unwrap();
    assert_eq!(answers.len(), 4);
    assert_eq!(answers[1]["result"], json!({"hLine": 1}));
    assert_eq!(answers[2]["result"], json!({"requestId": 1}));
    assert_eq!(code(&answers[3]), -32_600);
    bench.intent();
    let silent = json!([{"jsonrpc": "2.0", "method": "lineFly"}]).to_string();
    assert!(bench.text(1, &silent).is_empty());
    let long = Value::Array(vec![json!(1); tapi::server::MAX_BATCH + 1]).to_string();
    assert_eq!(code(&bench.text(1, &long)[0]), -32_600);
}

#[test]
fn requests_of_one_application_are_bounded() {
    let mut bench = Bench::new();
    bench.owner(1, "201");
    bench.connected(1);
    for _ in 0..tapi::server::MAX_PENDING_REQUESTS {
        bench.ok(1, "lineHold", json!({"hCall": 2}));
    }
    assert_eq!(bench.refused(1, "lineHold", json!({"hCall": 2})), "LINEERR_RESOURCEUNAVAIL");
    let make = json!({"hLine": 1, "destAddress": "202"});
    assert_eq!(bench.refused(1, "lineMakeCall", make), "LINEERR_RESOURCEUNAVAIL");
    assert_eq!(bench.server.call_count(), 1, "the call that was refused is gone");
    bench.server.close(2_000, ConnectionId(1));
    for (request, _) in std::mem::take(&mut bench.intents) {
        bench.complete(request);
    }
    assert_eq!(bench.server.request_count(), 0);
}

const METHODS: &[&str] = &[
    "lineInitializeEx",
    "lineOpen",
    "lineClose",
    "lineMakeCall",
    "lineDial",
    "lineAccept",
    "lineAnswer",
    "lineDrop",
    "lineHold",
    "lineUnhold",
    "lineDeallocateCall",
    "lineGetCallInfo",
    "lineGetCallStatus",
    "lineGetNewCalls",
    "lineSetCallPrivilege",
    "lineGetID",
    "lineShutdown",
    "lineSetAppSpecific",
    "lineSetMediaMode",
    "lineSetStatusMessages",
    "lineGetDevCaps",
    "lineGetAddressCaps",
    "lineSetAppPriority",
    "linePark",
    "lineGetNumRings",
    "lineNegotiateAPIVersion",
    "lineGetAddressID",
    "lineGetLineDevStatus",
    "lineSwapHold",
    "lineSetupTransfer",
    "lineCompleteTransfer",
    "lineBlindTransfer",
    "lineRedirect",
    "lineUnpark",
    "linePickup",
    "lineSetupConference",
    "linePrepareAddToConference",
    "lineAddToConference",
    "lineRemoveFromConference",
    "lineGetConfRelatedCalls",
    "lineForward",
    "lineCompleteCall",
    "lineUncompleteCall",
    "lineHandoff",
    "lineSecureCall",
    "lineSendUserUserInfo",
    "lineReleaseUserUserInfo",
    "lineSetCallParams",
    "lineSetCallData",
    "lineSetCallTreatment",
    "lineMonitorDigits",
    "lineGatherDigits",
    "lineGenerateDigits",
    "lineGenerateTone",
    "lineMonitorTones",
    "lineMonitorMedia",
    "lineSetLineDevStatus",
    "lineTranslateAddress",
    "lineSetCurrentLocation",
    "lineGetTranslateCaps",
    "lineGetAddressStatus",
];

const NAMES: &[&str] = &[
    "hLine",
    "hCall",
    "deviceId",
    "line",
    "addressId",
    "destAddress",
    "callParams",
    "privileges",
    "mediaModes",
    "select",
    "callPrivilege",
    "wait",
    "instance",
    "after",
    "appName",
    "apiVersion",
    "lineStates",
    "addressStates",
    "bearerMode",
    "countryCode",
    "deviceClass",
    "numRings",
    "mediaMode",
    "priority",
    "dialParams",
    "addressMode",
    "address",
    "apiLowVersion",
    "apiHighVersion",
    "appSpecific",
    "hConsultCall",
    "hConfCall",
    "hActiveCall",
    "hHeldCall",
    "transferMode",
    "parkMode",
    "dirAddress",
    "groupId",
    "forwardList",
    "allAddresses",
    "forwardMode",
    "callerAddress",
    "numRingsNoAnswer",
    "completionMode",
    "completionId",
    "messageId",
    "fileName",
    "treatment",
    "callData",
    "userUserInfo",
    "digitModes",
    "digitMode",
    "digits",
    "numDigits",
    "terminationDigits",
    "firstDigitTimeout",
    "interDigitTimeout",
    "toneMode",
    "tones",
    "toneList",
    "frequency",
    "frequency1",
    "statusToChange",
    "status",
    "callParamFlags",
    "targetAddress",
    "addressIn",
    "translateOptions",
    "card",
    "location",
    "numParties",
];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0u32..6).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["201", "x", "20;", "LINECALLPRIVILEGE_OWNER", "2.2"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((prop::sample::select(NAMES), inner), 0..4)
                .prop_map(|members| members.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()),
        ]
    })
}

fn any_request() -> impl Strategy<Value = Value> {
    let params = prop::collection::vec((prop::sample::select(NAMES), any_value()), 0..6);
    (prop::sample::select(METHODS), params).prop_map(|(method, params)| {
        let params: serde_json::Map<String, Value> =
            params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    })
}

proptest! {
    #[test]
    fn any_text_is_survived(texts in prop::collection::vec(".{0,64}", 0..8)) {
        let mut bench = Bench::new();
        bench.connect(1);
        for text in texts {
            bench.text(1, &text);
        }
    }

    #[test]
    fn any_json_is_survived_and_answered(requests in prop::collection::vec(any_request(), 1..40)) {
        let mut bench = Bench::full();
        let office = tapi::translate::Location::office(33, "1", "0", "00", "0");
        let translation = tapi::translate::Translation::new(vec![office], Vec::new());
        bench.server.set_translation(translation.ok());
        bench.owner(1, "201");
        bench.incoming();
        let key = bench.incoming();
        bench.state(key, tapi::constant::CallState::Connected, tapi::CallMode::None);
        for request in requests {
            let responses = bench.text(1, &request.to_string());
            prop_assert!(responses.len() <= 1);
            for (key, intent) in std::mem::take(&mut bench.intents) {
                // Success and failure by turns, whatever it was.
                if matches!(intent, tapi::Intent::Hold { .. } | tapi::Intent::Drop { .. }) {
                    bench.fail(key, tapi::LineErr::OperationFailed);
                } else {
                    bench.complete(key);
                }
            }
        }
        bench.server.close(5_000, ConnectionId(1));
        prop_assert_eq!(bench.server.request_count(), 0);
        prop_assert_eq!(bench.server.application_count(), 0);
    }

    #[test]
    fn any_value_in_place_of_params_is_survived(params in any_value(), id in any_value()) {
        let mut bench = Bench::full();
        bench.owner(1, "201");
        for method in METHODS {
            let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
            bench.text(1, &request.to_string());
            bench.text(1, &json!([request, params]).to_string());
        }
    }
}

#[test]
fn the_functions_of_a_text_are_named_however_it_is_spelt() {
    use tapi::server::{MAX_BATCH, methods};
    assert_eq!(methods(r#"{"method":"lineDrop"}"#), ["lineDrop"]);
    assert_eq!(methods("{\"method\":\"line\\u0044rop\"}"), ["lineDrop"], "escaped");
    assert_eq!(methods(r#"{"method":"lineOpen","method":"lineDrop"}"#), ["lineDrop"], "the last");
    let batch = r#"[7, {"method":7}, {"method":"lineDrop"}, {"method":"lineHold"}]"#;
    assert_eq!(methods(batch), ["lineDrop", "lineHold"]);
    assert!(methods("{").is_empty());
    let too_long = vec![json!({"method": "lineDrop"}); MAX_BATCH + 1];
    assert!(methods(&json!(too_long).to_string()).is_empty(), "refused whole");
}
