//! Security, data, treatment, parameters, user-user information, line status.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::constant::{CallState as S, CallTreatment, LineDevStatusFlag};
use tapi::{CallMode, Intent, LineErr, LineSpec};

fn info(bench: &mut Bench, h_call: u64, field: &str) -> Value {
    bench.ok(1, "lineGetCallInfo", json!({"hCall": h_call}))[field].clone()
}

#[test]
fn a_call_becomes_secure_for_good() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    let call = json!({"hCall": h_call});
    let (request, intent) = bench.begin(1, "lineSecureCall", call.clone());
    assert_eq!(intent, Intent::SecureCall { call: key });
    bench.complete(request);
    assert_eq!(bench.trace(1), ["REPLY 0", "CALLINFO 2 OTHER"]);
    assert_eq!(info(&mut bench, h_call, "callParamFlags"), json!(["LINECALLPARAMFLAGS_SECURE"]));
    let (request, _) = bench.begin(1, "lineSecureCall", call.clone());
    bench.complete(request);
    assert_eq!(bench.trace(1), ["REPLY 0"]);
    bench.state(key, S::Idle, CallMode::None);
    assert_eq!(bench.refused(1, "lineSecureCall", call), "LINEERR_INVALCALLSTATE");
}

#[test]
fn call_data_are_seen_by_all_and_replaced_whole() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    bench.monitor(2, "201");
    let set = |data: Value| json!({"hCall": h_call, "callData": data});
    for data in ["ticket 5", "ticket 6", ""] {
        let (request, intent) = bench.begin(1, "lineSetCallData", set(json!(data)));
        assert_eq!(intent, Intent::SetCallData { call: key, data: data.to_owned() });
        bench.complete(request);
        assert_eq!(bench.trace(1), ["REPLY 0", "CALLINFO 2 CALLDATA"]);
        assert_eq!(info(&mut bench, h_call, "callData"), data);
        assert_eq!(bench.server.call(key).unwrap().info.call_data, data);
    }
    bench.check(
        1,
        "lineSetCallData",
        &[
            (json!({"hCall": 99}), "LINEERR_INVALCALLHANDLE"),
            (set(json!(5)), "Invalid params"),
            (set(json!("x".repeat(4097))), "LINEERR_INVALPARAM"),
        ],
    );
    let (request, _) = bench.begin(1, "lineSetCallData", set(json!("x".repeat(4096))));
    bench.complete(request);
    bench.state(key, S::Idle, CallMode::None);
    assert_eq!(bench.refused(1, "lineSetCallData", set(json!("y"))), "LINEERR_INVALCALLSTATE");
}

#[test]
fn call_data_go_with_a_call_that_is_made() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let make = |data: &str| json!({"hLine": h_line, "destAddress": "202", "callParams": {"callData": data}});
    let (_, intent) = bench.begin(1, "lineMakeCall", make("ticket 5"));
    let Intent::MakeCall { params, .. } = intent else { panic!() };
    assert_eq!(params.call_data, "ticket 5");
    let long = make(&"x".repeat(4097));
    assert_eq!(bench.refused(1, "lineMakeCall", long), "LINEERR_INVALCALLPARAMS");
}

#[test]
fn user_user_information_goes_with_making_accepting_answering_and_dropping() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    bench.incoming();
    let h_call = 2;
    let make = |text: &str| json!({"hLine": h_line, "destAddress": "202", "callParams": {"userUserInfo": text}});
    let long = "x".repeat(129);
    assert_eq!(bench.refused(1, "lineMakeCall", make(&long)), "LINEERR_USERUSERINFOTOOBIG");
    let (request, intent) = bench.begin(1, "lineMakeCall", make("hello"));
    let Intent::MakeCall { params, .. } = intent else { panic!() };
    assert_eq!(params.user_user_info, "hello");
    bench.fail(request, LineErr::OperationFailed);
    for method in ["lineAccept", "lineAnswer", "lineDrop"] {
        let with = |text: &str| json!({"hCall": h_call, "userUserInfo": text});
        assert_eq!(bench.refused(1, method, with(&long)), "LINEERR_USERUSERINFOTOOBIG");
        let (request, intent) = bench.begin(1, method, with("hello"));
        let (Intent::Accept { info, .. } | Intent::Answer { info, .. } | Intent::Drop { info, .. }) =
            intent
        else {
            panic!()
        };
        assert_eq!(info, "hello", "{method}");
        bench.fail(request, LineErr::OperationFailed);
    }
    let caps = bench.ok(1, "lineGetDevCaps", json!({"deviceId": 0}));
    for size in ["uuiMakeCallSize", "uuiAcceptSize", "uuiAnswerSize", "uuiDropSize"] {
        assert_eq!(caps[size], 128, "{size}");
    }
}

#[test]
fn an_identity_that_would_not_be_shown_is_refused() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    for wish in [
        json!({"callingPartyId": "555"}),
        json!({"predictiveAutoTransferStates": ["LINECALLSTATE_CONNECTED"]}),
    ] {
        let make = json!({"hLine": h_line, "destAddress": "202", "callParams": wish});
        assert_eq!(bench.refused(1, "lineMakeCall", make), "LINEERR_INVALCALLPARAMS");
    }
}

#[test]
fn the_treatment_is_one_of_the_list() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    let treat = |value: Value| json!({"hCall": h_call, "treatment": value});
    let (request, intent) =
        bench.begin(1, "lineSetCallTreatment", treat(json!("LINECALLTREATMENT_SILENCE")));
    let treatment = CallTreatment::Silence;
    assert_eq!(intent, Intent::SetCallTreatment { call: key, treatment });
    assert_eq!(info(&mut bench, h_call, "callTreatment"), "LINECALLTREATMENT_MUSIC");
    bench.complete(request);
    assert_eq!(bench.trace(1), ["REPLY 0", "CALLINFO 2 TREATMENT"]);
    assert_eq!(info(&mut bench, h_call, "callTreatment"), "LINECALLTREATMENT_SILENCE");
    let (request, _) = bench.begin(1, "lineSetCallTreatment", treat(json!(4)));
    bench.fail(request, LineErr::ResourceUnavail);
    assert_eq!(bench.trace(1), ["REPLY RESOURCEUNAVAIL"]);
    let mut spec = LineSpec::full("201", "Somebody", 100, 4);
    spec.addresses[0].offers.treatments = vec![CallTreatment::Music];
    bench.server.add_line(spec);
    bench.check(
        1,
        "lineSetCallTreatment",
        &[
            (json!({"hCall": 99, "treatment": 4}), "LINEERR_INVALCALLHANDLE"),
            (json!({"hCall": h_call}), "Invalid params"),
            (treat(json!(0x100)), "LINEERR_INVALPARAM"),
            (treat(json!("LINECALLTREATMENT_SILENCE")), "LINEERR_INVALPARAM"),
        ],
    );
    let caps = bench.ok(1, "lineGetAddressCaps", json!({"deviceId": 0}));
    assert_eq!(caps["numCallTreatments"], 1);
    assert_eq!(caps["callTreatmentList"][0]["callTreatmentId"], "LINECALLTREATMENT_MUSIC");
}

#[test]
fn parameters_of_a_call_are_changed() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, _) = bench.connected(1);
    let set = |bearer: Value, more: Value| {
        let mut params = json!({"hCall": h_call, "bearerMode": bearer});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        params
    };
    let speech = json!("LINEBEARERMODE_SPEECH");
    let dial = json!({"dialParams": {"digitDuration": 9_999}, "minRate": 64_000});
    bench.ok(1, "lineSetCallParams", set(speech.clone(), dial));
    assert_eq!(bench.trace(1), ["REPLY 0", "CALLINFO 2 BEARERMODE|DIALPARAMS"]);
    assert_eq!(info(&mut bench, h_call, "bearerMode"), speech);
    assert_eq!(info(&mut bench, h_call, "dialParams")["digitDuration"], 2_000);
    bench.ok(1, "lineSetCallParams", set(speech, json!({})));
    assert_eq!(bench.trace(1), ["REPLY 0"]);
    bench.check(
        1,
        "lineSetCallParams",
        &[
            (json!({"hCall": 99, "bearerMode": 1}), "LINEERR_INVALCALLHANDLE"),
            (set(json!(1), json!({"dialParams": 5})), "Invalid params"),
            (set(json!(0), json!({})), "LINEERR_INVALBEARERMODE"),
            (set(json!(3), json!({})), "LINEERR_INVALBEARERMODE"),
            (set(json!(8), json!({})), "LINEERR_BEARERMODEUNAVAIL"),
            (set(json!(1), json!({"minRate": 9, "maxRate": 8})), "LINEERR_INVALRATE"),
            (set(json!(1), json!({"minRate": 128_000})), "LINEERR_RATEUNAVAIL"),
        ],
    );
}

#[test]
fn user_user_information_is_sent_and_kept_until_released() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.connected(1);
    let send = |text: Value| json!({"hCall": h_call, "userUserInfo": text});
    let (request, intent) = bench.begin(1, "lineSendUserUserInfo", send(json!("hello")));
    assert_eq!(intent, Intent::SendUserUserInfo { call: key, info: "hello".to_owned() });
    bench.complete(request);
    bench.check(
        1,
        "lineSendUserUserInfo",
        &[
            (json!({"hCall": 99, "userUserInfo": "x"}), "LINEERR_INVALCALLHANDLE"),
            (send(json!(5)), "Invalid params"),
            (send(json!("x".repeat(129))), "LINEERR_USERUSERINFOTOOBIG"),
        ],
    );
    let release = json!({"hCall": h_call});
    assert!(!bench.can(1, h_call, "RELEASEUSERUSERINFO"));
    assert_eq!(
        bench.refused(1, "lineReleaseUserUserInfo", release.clone()),
        "LINEERR_OPERATIONFAILED"
    );
    bench.trace(1);
    bench.server.user_user_info(1_000, key, "one");
    bench.server.user_user_info(1_000, key, "two");
    assert_eq!(bench.trace(1), ["CALLINFO 2 USERUSERINFO"]);
    assert!(bench.can(1, h_call, "RELEASEUSERUSERINFO"));
    assert_eq!(info(&mut bench, h_call, "userUserInfo"), "one");
    bench.ok(1, "lineReleaseUserUserInfo", release.clone());
    assert_eq!(bench.trace(1), ["REPLY 0", "CALLINFO 2 USERUSERINFO"]);
    assert_eq!(info(&mut bench, h_call, "userUserInfo"), "two");
    bench.ok(1, "lineReleaseUserUserInfo", release);
    assert_eq!(bench.trace(1), ["REPLY 0"]);
    assert_eq!(info(&mut bench, h_call, "userUserInfo"), "");
}

#[test]
fn the_message_waiting_lamp_is_set() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let set =
        |change: Value, on: Value| json!({"hLine": h_line, "statusToChange": change, "status": on});
    let device = bench.line("201");
    let (request, intent) = bench.begin(
        1,
        "lineSetLineDevStatus",
        set(json!(["LINEDEVSTATUSFLAGS_MSGWAIT"]), json!(true)),
    );
    let change = LineDevStatusFlag::MsgWait.into();
    assert_eq!(intent, Intent::SetLineDevStatus { line: device, change, is_on: true });
    bench.complete(request);
    bench.server.message_waiting(device, true);
    bench.check(
        1,
        "lineSetLineDevStatus",
        &[
            (json!({"hLine": 99}), "LINEERR_INVALLINEHANDLE"),
            (set(json!(0), json!(true)), "LINEERR_INVALPARAM"),
            (set(json!("LINEDEVSTATUSFLAGS_LOCKED"), json!(true)), "LINEERR_INVALPARAM"),
            (set(json!(2), json!("on")), "Invalid params"),
        ],
    );
    bench.server.line_service(1_000, device, false);
    let lamp = set(json!(2), json!(false));
    assert_eq!(bench.refused(1, "lineSetLineDevStatus", lamp.clone()), "LINEERR_INVALLINESTATE");
    bench.server.add_line(LineSpec::new("201", "Somebody", 100, 4));
    assert_eq!(bench.refused(1, "lineSetLineDevStatus", lamp), "LINEERR_OPERATIONUNAVAIL");
}
