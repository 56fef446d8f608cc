//! Forwarding and completion.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::constant::{
    AddrCapFlag, AddrFeature, CallComplCond, CallComplMode, CallFeature2, CallOrigin, CallReason,
    CallState as S, Constant as _, ForwardMode,
};
use tapi::{
    AddressId, AddressSpec, CallCapability, CallInfo, CallMode, CompletionEnd, Forward, Forwarding,
    Intent, LineErr, LineSpec, NewCall,
};

const NONE: CallMode = CallMode::None;

fn to(mode: &str, destination: Value) -> Value {
    json!({"forwardMode": format!("LINEFORWARDMODE_{mode}"), "destAddress": destination})
}

fn forward(h_line: u64, list: Value) -> Value {
    json!({"hLine": h_line, "addressId": 0, "forwardList": list})
}

#[test]
fn a_list_replaces_what_was_there_and_is_confirmed() {
    let mut bench = Bench::full();
    let h_line = bench.open(1, "201", &["NONE"]);
    bench.ok(
        1,
        "lineSetStatusMessages",
        json!({"hLine": h_line, "addressStates": "LINEADDRESSSTATE_FORWARD"}),
    );
    let mut params = forward(h_line, json!([to("NOANSW", json!("T206")), to("BUSY", json!(null))]));
    params["numRingsNoAnswer"] = json!(99);
    let (request, intent) = bench.begin(1, "lineForward", params);
    let Intent::Forward { line, addresses, list, rings } = intent else { panic!() };
    assert_eq!((line, addresses.as_slice()), (bench.line("201"), &[AddressId(0)][..]));
    let entry = |mode, destination: Option<&str>| Forward {
        mode,
        caller: None,
        destination: destination.map(str::to_owned),
    };
    assert_eq!(list, [entry(ForwardMode::NoAnsw, Some("206")), entry(ForwardMode::Busy, None)]);
    assert_eq!(rings, Some(10), "the nearest of the limits");
    bench.complete(request);
    bench.server.forwarding(line, AddressId(0), Forwarding { entries: list, rings });
    assert_eq!(bench.trace(1), ["REPLY 0", "ADDRESSSTATE FORWARD"]);
    let status = bench.ok(1, "lineGetAddressStatus", json!({"hLine": h_line}));
    assert_eq!(status["numRingsNoAnswer"], 10);
    assert_eq!(
        status["forwardList"],
        json!([
            {"forwardMode": "LINEFORWARDMODE_NOANSW", "callerAddress": null, "destAddress": "206"},
            {"forwardMode": "LINEFORWARDMODE_BUSY", "callerAddress": null, "destAddress": null},
        ])
    );
    for cancel in [json!(null), json!([])] {
        let (request, intent) = bench.begin(1, "lineForward", forward(h_line, cancel));
        let Intent::Forward { list, rings, .. } = intent else { panic!() };
        assert!(list.is_empty() && rings.is_none());
        bench.complete(request);
        bench.server.forwarding(line, AddressId(0), Forwarding::default());
        assert_eq!(bench.trace(1), ["REPLY 0", "ADDRESSSTATE FORWARD"]);
    }
    let status = bench.ok(1, "lineGetAddressStatus", json!({"hLine": h_line}));
    assert_eq!(status["forwardList"], json!([]));
}

#[test]
fn every_mode_can_be_set_even_while_the_line_is_out_of_service() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let device = bench.line("201");
    bench.server.line_service(1_000, device, false);
    for mode in ForwardMode::ALL.iter().copied() {
        let mut entry = json!({"forwardMode": mode.name(), "destAddress": "206"});
        let is_specific = mode.name().ends_with("SPECIFIC");
        if is_specific {
            let list = json!([entry.clone()]);
            let error = bench.refused(1, "lineForward", forward(h_line, list));
            assert_eq!(error, "LINEERR_INVALPARAM", "{mode:?} without a caller");
            entry["callerAddress"] = json!("203");
        }
        let params = forward(h_line, json!([entry]));
        if matches!(mode, ForwardMode::Unknown | ForwardMode::Unavail) {
            assert_eq!(bench.refused(1, "lineForward", params), "LINEERR_INVALPARAM");
            continue;
        }
        let (_, intent) = bench.begin(1, "lineForward", params);
        let Intent::Forward { list, .. } = intent else { panic!() };
        let caller = is_specific.then(|| "203".to_owned());
        let destination = Some("206".to_owned());
        assert_eq!(list, [Forward { mode, caller, destination }]);
    }
}

#[test]
fn forward_errors() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let many: Vec<Value> = (0..17).map(|_| to("UNCOND", json!("206"))).collect();
    let specific = |caller: u32| {
        json!({"forwardMode": "LINEFORWARDMODE_UNCONDSPECIFIC", "callerAddress": caller.to_string(),
            "destAddress": "206"})
    };
    let callers: Vec<Value> = (300..309).map(specific).collect();
    bench.check(
        1,
        "lineForward",
        &[
            (forward(99, json!([])), "LINEERR_INVALLINEHANDLE"),
            (json!({"hLine": h_line, "addressId": 3}), "LINEERR_INVALADDRESSID"),
            (forward(h_line, json!("206")), "Invalid params"),
            (forward(h_line, json!(["206"])), "Invalid params"),
            (forward(h_line, json!([{"destAddress": "206"}])), "Invalid params"),
            (
                forward(h_line, json!([{"forwardMode": 3, "destAddress": "206"}])),
                "LINEERR_INVALPARAM",
            ),
            (forward(h_line, json!(many)), "LINEERR_INVALPARAM"),
            (forward(h_line, json!(callers)), "LINEERR_INVALPARAM"),
            (
                forward(h_line, json!([to("BUSY", json!("206")), to("BUSY", json!("205"))])),
                "LINEERR_INVALPARAM",
            ),
            (
                forward(h_line, json!([{"forwardMode": 1, "destCountryCode": 1000}])),
                "LINEERR_INVALCOUNTRYCODE",
            ),
            (forward(h_line, json!([to("UNCOND", json!("x"))])), "LINEERR_INVALADDRESS"),
            (forward(h_line, json!([to("UNCOND", json!("20?"))])), "LINEERR_INVALADDRESS"),
            (forward(h_line, json!([to("UNCOND", json!("201"))])), "LINEERR_INVALADDRESS"),
            (json!({"hLine": h_line, "allAddresses": 1}), "Invalid params"),
        ],
    );
    let apart = [
        (AddrCapFlag::FwdIntExtAddr, "UNCONDINTERNAL", "UNCONDEXTERNAL"),
        (AddrCapFlag::FwdBusyNaAddr, "BUSY", "NOANSW"),
    ];
    for (flag, one, other) in apart {
        let list = json!([to(one, json!("206")), to(other, json!("205"))]);
        let same = json!([to(one, json!("206")), to(other, json!("206"))]);
        bench.begin(1, "lineForward", forward(h_line, list.clone()));
        let mut spec = LineSpec::full("201", "Somebody", 100, 4);
        spec.addresses[0].cap_flags.remove(flag);
        bench.server.add_line(spec);
        let error = bench.refused(1, "lineForward", forward(h_line, list));
        assert_eq!(error, "LINEERR_INVALPARAM", "{flag:?}");
        bench.begin(1, "lineForward", forward(h_line, same));
        bench.server.add_line(LineSpec::full("201", "Somebody", 100, 4));
    }
}

#[test]
fn numbers_and_do_not_disturb_are_offered_apart() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let number = forward(h_line, json!([to("UNCOND", json!("206"))]));
    let quiet = forward(h_line, json!([to("UNCOND", json!(null))]));
    for (feature, right, wrong) in
        [(AddrFeature::ForwardFwd, &number, &quiet), (AddrFeature::ForwardDnd, &quiet, &number)]
    {
        let mut spec = LineSpec::full("201", "Somebody", 100, 4);
        spec.addresses[0].offers.address_features = feature.into();
        bench.server.add_line(spec);
        bench.begin(1, "lineForward", right.clone());
        let error = bench.refused(1, "lineForward", wrong.clone());
        assert_eq!(error, "LINEERR_OPERATIONUNAVAIL");
    }
}

#[test]
fn all_addresses_are_forwarded_together_when_all_can_be() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let with = |second: AddressSpec| {
        let mut spec = LineSpec::full("201", "Somebody", 100, 4);
        spec.addresses.push(second);
        spec
    };
    bench.server.add_line(with(AddressSpec::full("250", 1)));
    let all = json!({"hLine": h_line, "allAddresses": true, "addressId": 77,
        "forwardList": [to("UNCOND", json!("206"))]});
    let (_, intent) = bench.begin(1, "lineForward", all.clone());
    let Intent::Forward { addresses, .. } = intent else { panic!() };
    assert_eq!(addresses, [AddressId(0), AddressId(1)]);
    bench.server.add_line(with(AddressSpec::new("250", 1)));
    let status = bench.ok(1, "lineGetLineDevStatus", json!({"hLine": h_line}));
    assert!(!status["lineFeatures"].as_array().unwrap().contains(&json!("LINEFEATURE_FORWARD")));
    bench.refused(1, "lineForward", all);
}

/// A call of 201 that met busy.
fn busy(bench: &mut Bench, h_line: u64) -> (u64, tapi::CallKey) {
    bench.messages(1);
    let (h_call, key) = bench.making(1, h_line, "202");
    for state in [S::Dialing, S::Proceeding, S::Busy] {
        bench.state(key, state, NONE);
    }
    bench.messages(1);
    (h_call, key)
}

fn watch_completions(bench: &mut Bench, h_line: u64) {
    let states = json!({"hLine": h_line,
        "lineStates": ["LINEDEVSTATE_NUMCOMPLETIONS", "LINEDEVSTATE_COMPLCANCEL"]});
    bench.ok(1, "lineSetStatusMessages", states);
}

#[test]
fn a_callback_is_registered_and_comes_back_as_a_new_call() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    watch_completions(&mut bench, h_line);
    let (h_call, key) = busy(&mut bench, h_line);
    let params = json!({"hCall": h_call, "completionMode": "LINECALLCOMPLMODE_CALLBACK"});
    let (request, intent) = bench.begin(1, "lineCompleteCall", params);
    let mode = CallComplMode::Callback;
    assert_eq!(intent, Intent::CompleteCall { call: key, mode, completion: 1, message: None });
    bench.complete(request);
    bench.state(key, S::Idle, NONE);
    let device = bench.line("201");
    bench.server.completion_added(device, AddressId(0), 1);
    assert_eq!(bench.trace(1), ["REPLY 1 0", "CALLSTATE 2 IDLE", "LINEDEVSTATE NUMCOMPLETIONS"]);
    let status = bench.ok(1, "lineGetLineDevStatus", json!({"hLine": h_line}));
    assert_eq!(status["numCallCompletions"], 1);
    let new = NewCall {
        line: device,
        address: AddressId(0),
        state: S::Offering,
        mode: NONE,
        info: CallInfo {
            origin: CallOrigin::Internal,
            reason: CallReason::CallCompletion,
            completion_id: 1,
            ..CallInfo::default()
        },
        capability: CallCapability::default(),
    };
    bench.server.call_new(1_000, new).unwrap();
    bench.server.completion_ended(device, 1, CompletionEnd::Done);
    bench.server.completion_ended(device, 1, CompletionEnd::Done);
    assert_eq!(
        bench.trace(1),
        ["APPNEWCALL 3 OWNER", "CALLSTATE 3 OFFERING OWNER", "LINEDEVSTATE NUMCOMPLETIONS"]
    );
    let info = bench.ok(1, "lineGetCallInfo", json!({"hCall": 3}));
    assert_eq!(info["completionId"], 1);
    assert_eq!(bench.server.completions(device), []);
}

#[test]
fn a_completion_is_cancelled_by_an_application_or_from_outside() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    watch_completions(&mut bench, h_line);
    let device = bench.line("201");
    let cancel = |id: u32| json!({"hLine": h_line, "completionId": id});
    let features = |bench: &mut Bench| {
        let status = bench.ok(1, "lineGetAddressStatus", json!({"hLine": h_line}));
        let all = status["addressFeatures"].as_array().unwrap().clone();
        all.contains(&json!("LINEADDRFEATURE_UNCOMPLETECALL"))
    };
    assert!(!features(&mut bench));
    assert_eq!(bench.refused(1, "lineUncompleteCall", cancel(4)), "LINEERR_INVALCOMPLETIONID");
    for id in [4, 5] {
        bench.server.completion_added(device, AddressId(0), id);
    }
    assert!(features(&mut bench));
    assert_eq!(bench.server.next_completion_id(), 6, "no identifier is given twice");
    let (request, intent) = bench.begin(1, "lineUncompleteCall", cancel(4));
    assert_eq!(intent, Intent::UncompleteCall { line: device, completion: 4 });
    bench.complete(request);
    bench.server.completion_ended(device, 4, CompletionEnd::Done);
    bench.trace(1);
    bench.server.completion_ended(device, 5, CompletionEnd::Cancelled);
    assert_eq!(bench.trace(1), ["LINEDEVSTATE 5 COMPLCANCEL", "LINEDEVSTATE NUMCOMPLETIONS"]);
    bench.check(
        1,
        "lineUncompleteCall",
        &[
            (cancel(4), "LINEERR_INVALCOMPLETIONID"),
            (cancel(5), "LINEERR_INVALCOMPLETIONID"),
            (json!({"hLine": 99, "completionId": 5}), "LINEERR_INVALLINEHANDLE"),
            (json!({"hLine": h_line}), "Invalid params"),
        ],
    );
}

#[test]
fn complete_call_errors() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    bench.monitor(2, "201");
    let (h_call, key) = busy(&mut bench, h_line);
    let complete = |mode: Value, message: Value| json!({"hCall": h_call, "completionMode": mode, "messageId": message});
    bench.check(
        1,
        "lineCompleteCall",
        &[
            (json!({"hCall": 99, "completionMode": 1}), "LINEERR_INVALCALLHANDLE"),
            (json!({"hCall": h_call}), "Invalid params"),
            (complete(json!(3), json!(0)), "LINEERR_INVALCALLCOMPLMODE"),
            (complete(json!(16), json!(0)), "LINEERR_INVALCALLCOMPLMODE"),
            (complete(json!(8), json!(1)), "LINEERR_INVALMESSAGEID"),
            (complete(json!(8), json!(-1)), "LINEERR_INVALMESSAGEID"),
        ],
    );
    let foreign = json!({"hCall": 2, "completionMode": 2});
    assert_eq!(bench.refused(2, "lineCompleteCall", foreign), "LINEERR_NOTOWNER");
    let (request, intent) = bench.begin(1, "lineCompleteCall", complete(json!(8), json!(0)));
    assert!(matches!(intent, Intent::CompleteCall { message: Some(0), .. }));
    bench.fail(request, LineErr::OperationFailed);
    let device = bench.line("201");
    for id in 10..15 {
        bench.server.completion_added(device, AddressId(0), id);
    }
    let error = bench.refused(1, "lineCompleteCall", complete(json!(2), json!(null)));
    assert_eq!(error, "LINEERR_COMPLETIONOVERRUN");
    bench.begin(1, "lineCompleteCall", complete(json!(4), json!(null)));
    let mut spec = LineSpec::full("201", "Somebody", 100, 4);
    spec.addresses[0].offers.call_features2 = CallFeature2::ComplCallback.into();
    bench.server.add_line(spec.clone());
    let error = bench.refused(1, "lineCompleteCall", complete(json!(4), json!(null)));
    assert_eq!(error, "LINEERR_OPERATIONUNAVAIL");
    spec.addresses[0].offers.completion.conditions = CallComplCond::NoAnswer.into();
    bench.server.add_line(spec);
    assert!(!bench.can(1, h_call, "COMPLETECALL"));
    let error = bench.refused(1, "lineCompleteCall", complete(json!(2), json!(null)));
    assert_eq!(error, "LINEERR_INVALCALLSTATE");
    bench.state(key, S::Connected, NONE);
    let error = bench.refused(1, "lineCompleteCall", complete(json!(2), json!(null)));
    assert_eq!(error, "LINEERR_INVALCALLSTATE");
}
