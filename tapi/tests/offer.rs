//! What is offered, and that the feature masks tell the truth: an operation whose bit is set is
//! accepted, one whose bit is clear is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use std::collections::BTreeSet;

use kit::Bench;
use proptest::prelude::*;
use serde_json::{Value, json};
use tapi::constant::{
    AddrFeature, BusyMode, CallFeature, CallOrigin, CallState as S, ConnectedMode, Constant,
    DialToneMode, DisconnectMode, LineFeature, Mask,
};
use tapi::{AddressId, CallKey, CallMode, Intent, LineErr, LineSpec, Offers};

/// Parameters that name one call or line.
type OfOne = fn(u64) -> Value;
/// Parameters that name two calls.
type OfTwo = fn(u64, u64) -> Value;

/// A bit, its function, and the function's parameters.
type Row<Bit, Ask> = (Bit, &'static str, Ask);

/// An operation on one call: its bit, its function, its parameters but the call.
const ON_CALL: &[Row<CallFeature, OfOne>] = {
    use CallFeature as F;
    &[
        (F::Accept, "lineAccept", |h| json!({"hCall": h})),
        (F::Answer, "lineAnswer", |h| json!({"hCall": h})),
        (F::Drop, "lineDrop", |h| json!({"hCall": h})),
        (F::Hold, "lineHold", |h| json!({"hCall": h})),
        (F::Unhold, "lineUnhold", |h| json!({"hCall": h})),
        (F::Dial, "lineDial", |h| json!({"hCall": h, "destAddress": "5"})),
        (F::SetupTransfer, "lineSetupTransfer", |h| json!({"hCall": h})),
        (F::BlindTransfer, "lineBlindTransfer", |h| json!({"hCall": h, "destAddress": "203"})),
        (F::Redirect, "lineRedirect", |h| json!({"hCall": h, "destAddress": "203"})),
        (F::Park, "linePark", |h| json!({"hCall": h, "parkMode": 2})),
        (F::SetupConf, "lineSetupConference", |h| json!({"hCall": h})),
        (F::PrepareAddConf, "linePrepareAddToConference", |h| json!({"hConfCall": h})),
        (F::RemoveFromConf, "lineRemoveFromConference", |h| json!({"hCall": h})),
        (F::CompleteCall, "lineCompleteCall", |h| json!({"hCall": h, "completionMode": 2})),
        (F::SecureCall, "lineSecureCall", |h| json!({"hCall": h})),
        (F::SetCallData, "lineSetCallData", |h| json!({"hCall": h, "callData": "x"})),
        (F::SetTreatment, "lineSetCallTreatment", |h| json!({"hCall": h, "treatment": 4})),
        (F::SetCallParams, "lineSetCallParams", |h| json!({"hCall": h, "bearerMode": 1})),
        (F::SendUserUser, "lineSendUserUserInfo", |h| json!({"hCall": h, "userUserInfo": "x"})),
        (F::ReleaseUserUserInfo, "lineReleaseUserUserInfo", |h| json!({"hCall": h})),
        (F::MonitorDigits, "lineMonitorDigits", |h| json!({"hCall": h, "digitModes": 2})),
        (F::MonitorMedia, "lineMonitorMedia", |h| json!({"hCall": h, "mediaModes": 4})),
        (F::MonitorTones, "lineMonitorTones", |h| json!({"hCall": h})),
        (
            F::GatherDigits,
            "lineGatherDigits",
            |h| json!({"hCall": h, "digitModes": 2, "numDigits": 4}),
        ),
        (
            F::GenerateDigits,
            "lineGenerateDigits",
            |h| json!({"hCall": h, "digitMode": 2, "digits": "1"}),
        ),
        (F::GenerateTone, "lineGenerateTone", |h| json!({"hCall": h, "toneMode": 8})),
    ]
};

/// Operations on two calls: the parameters from the first and the second.
const ON_PAIR: &[Row<CallFeature, OfTwo>] = {
    use CallFeature as F;
    &[
        (F::SwapHold, "lineSwapHold", |h, k| json!({"hActiveCall": h, "hHeldCall": k})),
        (
            F::CompleteTransf,
            "lineCompleteTransfer",
            |h, k| json!({"hCall": h, "hConsultCall": k, "transferMode": 1}),
        ),
        (F::AddToConf, "lineAddToConference", |h, k| json!({"hConfCall": k, "hConsultCall": h})),
    ]
};

/// Operations on a line: the bit of the address, the function, the parameters.
const ON_LINE: &[Row<AddrFeature, OfOne>] = {
    use AddrFeature as F;
    &[
        (F::Forward, "lineForward", |h| json!({"hLine": h})),
        (F::Pickup, "linePickup", |h| json!({"hLine": h})),
        (F::Unpark, "lineUnpark", |h| json!({"hLine": h, "destAddress": "701"})),
        (F::UncompleteCall, "lineUncompleteCall", |h| json!({"hLine": h, "completionId": 3})),
    ]
};

/// Operations that every line has.
fn always() -> Mask<CallFeature> {
    use CallFeature as F;
    F::Accept | F::Answer | F::Dial | F::Drop | F::Hold | F::Unhold
}

/// Whether a function is accepted now. What it began is failed, what it enabled stays.
fn is_accepted(bench: &mut Bench, method: &str, params: Value) -> Result<(), String> {
    let response = bench.ask(1, method, params).unwrap();
    bench.fail_all(LineErr::OperationFailed);
    match response["error"]["message"].as_str() {
        None => Ok(()),
        Some(error) => Err(error.to_owned()),
    }
}

#[test]
fn nothing_beyond_the_basic_functions_is_offered_by_default() {
    let mut bench = Bench::new();
    let h_line = bench.owner(1, "201");
    let (h_call, _) = bench.connected(1);
    for (feature, method, params) in ON_CALL {
        if !always().contains(*feature) {
            let mut params = params(h_call);
            assert_eq!(bench.refused(1, method, params.clone()), "LINEERR_OPERATIONUNAVAIL");
            for name in ["hCall", "hConfCall"] {
                if params.get(name).is_some() {
                    params[name] = json!(99);
                }
            }
            let error = bench.refused(1, method, params);
            assert!(error == "LINEERR_INVALCALLHANDLE" || error == "LINEERR_INVALCONFCALLHANDLE");
        }
    }
    for (_, method, params) in ON_PAIR {
        let error = bench.refused(1, method, params(h_call, h_call));
        assert_eq!(error, "LINEERR_OPERATIONUNAVAIL", "{method}");
    }
    for (_, method, params) in ON_LINE {
        let error = bench.refused(1, method, params(h_line));
        assert_eq!(error, "LINEERR_OPERATIONUNAVAIL", "{method}");
    }
    bench.drain();
    assert!(bench.intents.is_empty());
}

#[test]
fn operations_are_switched_on_one_by_one() {
    for (wanted, _, _) in ON_CALL {
        let mut bench = Bench::new();
        bench.owner(1, "201");
        let mut spec = LineSpec::full("201", "Somebody", 100, 4);
        spec.addresses[0].offers = Offers {
            call_features: (*wanted).into(),
            address_features: Mask::EMPTY,
            ..Offers::full()
        };
        bench.server.add_line(spec);
        let (h_call, _) = bench.connected(1);
        let caps = bench.ok(1, "lineGetAddressCaps", json!({"deviceId": 0}));
        let offered: Mask<CallFeature> =
            serde_json::from_value(caps["callFeatures"].clone()).unwrap();
        assert_eq!(offered, always() | *wanted);
        let now = bench.server.call_features(bench.server.calls_of(bench.line("201"))[0]);
        assert!(offered.contains_all(now));
        for (feature, method, params) in ON_CALL {
            let is_unavail = is_accepted(&mut bench, method, params(h_call))
                == Err("LINEERR_OPERATIONUNAVAIL".to_owned());
            let is_withheld = !always().contains(*feature) && feature != wanted;
            assert_eq!(is_unavail, is_withheld, "{method} where {wanted:?} is offered");
        }
    }
}

#[test]
fn capabilities_follow_what_is_declared() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let address = bench.ok(1, "lineGetAddressCaps", json!({"deviceId": 0}));
    for (field, value) in [
        ("transferModes", json!(["LINETRANSFERMODE_TRANSFER", "LINETRANSFERMODE_CONFERENCE"])),
        ("parkModes", json!(["LINEPARKMODE_DIRECTED", "LINEPARKMODE_NONDIRECTED"])),
        ("removeFromConfCaps", json!("LINEREMOVEFROMCONF_ANY")),
        ("removeFromConfState", json!("LINECALLSTATE_IDLE")),
        ("maxNumConference", json!(32)),
        ("maxNumTransConf", json!(3)),
        ("maxNumOnHoldPendingCalls", json!(1)),
        ("maxForwardEntries", json!(16)),
        ("maxSpecificEntries", json!(8)),
        ("maxFwdNumRings", json!(10)),
        ("maxCallCompletions", json!(5)),
        ("numCompletionMessages", json!(1)),
        ("callCompletionConds", json!(["LINECALLCOMPLCOND_BUSY", "LINECALLCOMPLCOND_NOANSWER"])),
        ("maxCallDataSize", json!(4096)),
    ] {
        assert_eq!(address[field], value, "{field}");
    }
    assert_eq!(address["forwardModes"].as_array().unwrap().len(), 16);
    assert_eq!(address["callCompletionModes"].as_array().unwrap().len(), 4);
    let states = address["callStates"].as_array().unwrap();
    assert!(states.contains(&json!("LINECALLSTATE_ONHOLDPENDCONF")));
    let line = bench.ok(1, "lineGetDevCaps", json!({"deviceId": 0}));
    assert_eq!(line["generateDigitModes"], json!(["LINEDIGITMODE_DTMF"]));
    assert_eq!(line["gatherDigitsMaxTimeout"], 600_000);
    assert_eq!(line["uuiSendUserUserInfoSize"], 128);
    assert_eq!(line["settableDevStatus"], json!(["LINEDEVSTATUSFLAGS_MSGWAIT"]));
    let features: Mask<LineFeature> = serde_json::from_value(line["lineFeatures"].clone()).unwrap();
    use LineFeature as F;
    let expected = F::MakeCall | F::Forward | F::ForwardFwd | F::ForwardDnd | F::SetDevStatus;
    assert_eq!(features, expected);
}

/// A mode that fits a state.
fn mode_of(state: S) -> CallMode {
    match state {
        S::Busy => CallMode::Busy(BusyMode::Station),
        S::DialTone => CallMode::DialTone(DialToneMode::Internal),
        S::Disconnected => CallMode::Disconnected(DisconnectMode::Normal),
        S::Connected => CallMode::Connected(ConnectedMode::Active),
        _ => CallMode::None,
    }
}

/// The handles that the application has, as far as the test can know: the first few.
fn handles(bench: &mut Bench) -> Vec<u64> {
    let has = |bench: &mut Bench, h: &u64| {
        bench.ask(1, "lineGetCallStatus", json!({"hCall": h})).unwrap().get("result").is_some()
    };
    (1..16).filter(|h| has(bench, h)).collect()
}

/// Errors that a clear bit may lead to. The others would blame the request, not the moment.
const NOT_NOW: &[&str] = &[
    "LINEERR_INVALCALLSTATE",
    "LINEERR_INVALLINESTATE",
    "LINEERR_OPERATIONFAILED",
    "LINEERR_OPERATIONUNAVAIL",
    "LINEERR_CALLUNAVAIL",
    "LINEERR_CONFERENCEFULL",
    "LINEERR_INVALCONFCALLHANDLE",
    "LINEERR_INVALCALLHANDLE",
];

/// Compares the bits of every call with what its functions answer; how many cells there were.
fn compare(bench: &mut Bench) -> usize {
    let all = handles(bench);
    let mut cells = 0;
    for h_call in &all {
        let features: BTreeSet<String> = bench.features(1, *h_call).into_iter().collect();
        let state = bench.ok(1, "lineGetCallStatus", json!({"hCall": h_call}));
        let has = |feature: CallFeature| {
            features.contains(feature.name().trim_start_matches("LINECALLFEATURE_"))
        };
        for (feature, method, params) in ON_CALL {
            let answer = is_accepted(bench, method, params(*h_call));
            assert_eq!(has(*feature), answer.is_ok(), "{method} {answer:?} {state}");
            assert!(
                answer.as_ref().err().is_none_or(|e| NOT_NOW.contains(&e.as_str())),
                "{method} {answer:?}"
            );
            cells += 1;
        }
        for (feature, method, params) in ON_PAIR {
            let with_any = all.iter().any(|other| {
                is_accepted(bench, method, params(*h_call, *other)).is_ok()
                    || (*feature != CallFeature::AddToConf
                        && is_accepted(bench, method, params(*other, *h_call)).is_ok())
            });
            assert_eq!(has(*feature), with_any, "{method} {state}");
            cells += 1;
        }
    }
    bench.messages(1);
    cells
}

#[test]
fn in_every_state_bits_and_answers_agree() {
    let paths: &[&[S]] = &[
        &[S::Offering],
        &[S::Offering, S::Accepted],
        &[S::Offering, S::Connected],
        &[S::Offering, S::Connected, S::OnHold],
        &[S::Offering, S::Connected, S::OnHoldPendTransfer],
        &[S::Offering, S::Connected, S::OnHoldPendConf],
        &[S::Offering, S::Connected, S::Disconnected],
        &[S::Offering, S::Connected, S::Idle],
        &[S::Offering, S::Unknown],
        &[S::DialTone],
        &[S::Dialing],
        &[S::Proceeding],
        &[S::Ringback],
        &[S::Dialing, S::Busy],
        &[S::Dialing, S::SpecialInfo],
    ];
    let mut cells = 0;
    for is_in_service in [true, false] {
        for path in paths {
            for sibling in [None, Some(S::Connected), Some(S::OnHold), Some(S::Ringback)] {
                let mut bench = Bench::full();
                bench.owner(1, "201");
                add(&mut bench, path);
                if let Some(state) = sibling {
                    add(&mut bench, &[S::Offering, S::Connected, state][..2]);
                    let last = *bench.server.calls_of(bench.line("201")).last().unwrap();
                    bench.server.call_state(1_000, last, state, mode_of(state)).ok();
                }
                let device = bench.line("201");
                bench.server.line_service(1_000, device, is_in_service);
                cells += compare(&mut bench);
            }
        }
    }
    assert!(cells > 5_000, "{cells} cells");
}

fn add(bench: &mut Bench, path: &[S]) -> CallKey {
    let origin = if path[0] == S::Offering { CallOrigin::Internal } else { CallOrigin::Outbound };
    let new = tapi::NewCall {
        line: bench.line("201"),
        address: AddressId(0),
        state: path[0],
        mode: mode_of(path[0]),
        info: tapi::CallInfo { origin, ..tapi::CallInfo::default() },
        capability: tapi::CallCapability::default(),
    };
    let key = bench.server.call_new(1_000, new).unwrap();
    for state in &path[1..] {
        bench.state(key, *state, mode_of(*state));
    }
    key
}

/// What happens in a random history.
#[derive(Clone, Debug)]
enum Step {
    Arrive,
    Report { call: usize, state: usize },
    Ask { operation: usize, call: usize, other: usize, succeeds: bool },
    Service(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Arrive),
        6 => (0usize..6, 0..S::ALL.len()).prop_map(|(call, state)| Step::Report { call, state }),
        6 => (0usize..64, 0usize..6, 0usize..6, prop::bool::weighted(0.8)).prop_map(
            |(operation, call, other, succeeds)| Step::Ask { operation, call, other, succeeds }
        ),
        1 => any::<bool>().prop_map(Step::Service),
    ]
}

fn take(bench: &mut Bench, step: &Step) {
    let device = bench.line("201");
    let keys = bench.server.calls_of(device);
    match step {
        Step::Arrive => {
            if keys.len() < 6 {
                bench.incoming();
            }
        }
        Step::Report { call, state } => {
            let Some(key) = keys.get(*call) else { return };
            let state = S::ALL[*state];
            let is_parent = |key: &&CallKey| {
                bench.server.call(**key).unwrap().info.origin == CallOrigin::Conference
            };
            let mode = match (state, keys.iter().find(is_parent)) {
                (S::Conferenced, Some(parent)) if parent != key => CallMode::Conferenced(*parent),
                (S::Conferenced, _) => return,
                _ => mode_of(state),
            };
            // What the matrix does not allow is refused and changes nothing.
            bench.server.call_state(1_000, *key, state, mode).ok();
        }
        Step::Ask { operation, call, other, succeeds } => {
            let all = handles(bench);
            let (Some(h_call), Some(h_other)) = (all.get(*call), all.get(*other)) else { return };
            let index = operation % (ON_CALL.len() + ON_PAIR.len());
            let (method, params) = match ON_CALL.get(index) {
                Some((_, method, params)) => (*method, params(*h_call)),
                None => {
                    let (_, method, params) = ON_PAIR[index - ON_CALL.len()];
                    (method, params(*h_call, *h_other))
                }
            };
            bench.ask(1, method, params);
            for (request, intent) in std::mem::take(&mut bench.intents) {
                if *succeeds && !matches!(intent, Intent::Detect { .. }) {
                    bench.complete(request);
                } else {
                    bench.fail(request, LineErr::OperationFailed);
                }
            }
        }
        Step::Service(is_on) => bench.server.line_service(1_000, device, *is_on),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn in_any_history_bits_and_answers_agree(steps in prop::collection::vec(any_step(), 1..24)) {
        let mut bench = Bench::full();
        bench.owner(1, "201");
        for step in &steps {
            take(&mut bench, step);
        }
        compare(&mut bench);
        let device = bench.line("201");
        for key in bench.server.calls_of(device) {
            bench.server.call_state(9_000, key, S::Idle, CallMode::None).unwrap();
        }
        bench.server.close(9_000, tapi::ConnectionId(1));
        prop_assert_eq!(bench.server.request_count(), 0);
        prop_assert_eq!(bench.server.call_count(), 0);
        prop_assert_eq!(bench.server.next_deadline(), None);
    }
}

#[test]
fn address_bits_and_answers_agree() {
    for (calls, has_completion, is_in_service) in
        [(0, false, true), (0, true, true), (4, true, true), (2, true, false)]
    {
        let mut bench = Bench::full();
        let h_line = bench.owner(1, "201");
        let device = bench.line("201");
        for _ in 0..calls {
            bench.incoming();
        }
        if has_completion {
            bench.server.completion_added(device, AddressId(0), 3);
        }
        bench.server.line_service(1_000, device, is_in_service);
        let status = bench.ok(1, "lineGetAddressStatus", json!({"hLine": h_line}));
        let now: Mask<AddrFeature> =
            serde_json::from_value(status["addressFeatures"].clone()).unwrap();
        for (feature, method, params) in ON_LINE {
            let answer = is_accepted(&mut bench, method, params(h_line));
            assert_eq!(now.contains(*feature), answer.is_ok(), "{method} {answer:?}");
        }
        let make = is_accepted(&mut bench, "lineMakeCall", json!({"hLine": h_line}));
        assert_eq!(now.contains(AddrFeature::MakeCall), make.is_ok());
    }
}
