//! Swap, transfer and redirection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::constant::{
    AddrCapFlag, CallFeature2, CallState as S, ConnectedMode, DialToneMode, DisconnectMode,
};
use tapi::{AddressSpec, CallKey, CallMode, Intent, LineErr, LineSpec, Offers};

const ACTIVE: CallMode = CallMode::Connected(ConnectedMode::Active);
const NONE: CallMode = CallMode::None;

/// A connected call on consultation hold and its consultation call in DIALTONE.
fn consulting(bench: &mut Bench) -> ((u64, CallKey), (u64, CallKey)) {
    let (h_call, key) = bench.answered(1);
    let (request, intent) = bench.begin(1, "lineSetupTransfer", json!({"hCall": h_call}));
    let Intent::SetupTransfer { consultation, .. } = intent else { panic!("{intent:?}") };
    bench.complete(request);
    let h_consult = bench.messages(1)[0]["params"]["hConsultCall"].as_u64().unwrap();
    bench.state(key, S::OnHoldPendTransfer, NONE);
    bench.state(consultation, S::DialTone, CallMode::DialTone(DialToneMode::Internal));
    ((h_call, key), (h_consult, consultation))
}

/// The same, with the consultation call in a later state.
fn consulted(bench: &mut Bench, state: S) -> ((u64, CallKey), (u64, CallKey)) {
    let (held, (h_consult, consult)) = consulting(bench);
    bench.state(consult, S::Dialing, NONE);
    bench.state(consult, S::Proceeding, NONE);
    if state != S::Proceeding {
        bench.state(consult, state, NONE);
    }
    bench.messages(1);
    (held, (h_consult, consult))
}

#[test]
fn a_consultation_transfer_is_told_in_order() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.answered(1);
    bench.monitor(2, "201");
    let params = json!({"hCall": h_call, "callParams": {"comment": "ask Cleo"}});
    let (request, intent) = bench.begin(1, "lineSetupTransfer", params);
    let Intent::SetupTransfer { call, consultation, target, params } = intent else { panic!() };
    assert_eq!((call, target.as_deref(), params.comment.as_str()), (key, None, "ask Cleo"));
    assert!(bench.trace(1).is_empty() && bench.trace(2).is_empty());
    bench.complete(request);
    bench.state(key, S::OnHoldPendTransfer, NONE);
    bench.state(consultation, S::DialTone, CallMode::DialTone(DialToneMode::Internal));
    assert_eq!(
        bench.trace(1),
        ["REPLY 3 0", "CALLSTATE 2 ONHOLDPENDTRANSFER", "CALLSTATE 3 DIALTONE INTERNAL"]
    );
    assert_eq!(
        bench.trace(2),
        ["APPNEWCALL 2 MONITOR", "CALLSTATE 2 UNKNOWN MONITOR", "CALLSTATE 2 DIALTONE INTERNAL"]
    );
    let info = bench.ok(1, "lineGetCallInfo", json!({"hCall": 3}));
    for (field, value) in [
        ("origin", json!("LINECALLORIGIN_OUTBOUND")),
        ("relatedCallId", json!(77)),
        ("comment", json!("ask Cleo")),
        ("numOwners", json!(1)),
        ("appName", json!("app1")),
    ] {
        assert_eq!(info[field], value, "{field}");
    }
    assert!(!bench.can(1, h_call, "COMPLETETRANSF"), "nobody is called yet");
    let (request, intent) = bench.begin(1, "lineDial", json!({"hCall": 3, "destAddress": "203"}));
    let expected = Intent::Dial { call: consultation, digits: "203".to_owned(), complete: true };
    assert_eq!(intent, expected);
    bench.complete(request);
    for state in [S::Dialing, S::Proceeding, S::Ringback, S::Connected] {
        bench.state(consultation, state, NONE);
    }
    bench.trace(1);
    assert!(bench.can(1, h_call, "COMPLETETRANSF") && bench.can(1, 3, "COMPLETETRANSF"));

    let done = json!({"hCall": h_call, "hConsultCall": 3,
        "transferMode": "LINETRANSFERMODE_TRANSFER"});
    let (request, intent) = bench.begin(1, "lineCompleteTransfer", done);
    let expected = Intent::CompleteTransfer { held: key, consultation, conference: None };
    assert_eq!(intent, expected);
    bench.complete(request);
    bench.state(key, S::Idle, NONE);
    bench.state(consultation, S::Idle, NONE);
    assert_eq!(bench.trace(1), ["REPLY 0", "CALLSTATE 2 IDLE", "CALLSTATE 3 IDLE"]);
    for h_call in [2, 3] {
        bench.ok(1, "lineDeallocateCall", json!({"hCall": h_call}));
    }
}

#[test]
fn a_transfer_is_completed_while_the_target_still_rings() {
    for state in [S::Proceeding, S::Ringback, S::Connected] {
        let mut bench = Bench::full();
        bench.owner(1, "201");
        let ((h_call, key), (h_consult, consultation)) = consulted(&mut bench, state);
        let done = json!({"hCall": h_call, "hConsultCall": h_consult, "transferMode": 1});
        let (_, intent) = bench.begin(1, "lineCompleteTransfer", done);
        let expected = Intent::CompleteTransfer { held: key, consultation, conference: None };
        assert_eq!(intent, expected, "{state:?}");
    }
}

#[test]
fn a_transfer_to_a_busy_party_fails_unless_the_switch_can_wait() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let ((h_call, key), (h_consult, _)) = consulted(&mut bench, S::Busy);
    let done = json!({"hCall": h_call, "hConsultCall": h_consult, "transferMode": 1});
    assert!(!bench.can(1, h_call, "COMPLETETRANSF"));
    let error = bench.refused(1, "lineCompleteTransfer", done.clone());
    assert_eq!(error, "LINEERR_OPERATIONFAILED");
    let mut spec = LineSpec::full("201", "Somebody", 100, 4);
    spec.addresses[0].offers.transfers_to_busy = true;
    bench.server.add_line(spec);
    assert!(bench.can(1, h_call, "COMPLETETRANSF"));
    let (_, intent) = bench.begin(1, "lineCompleteTransfer", done);
    assert!(matches!(intent, Intent::CompleteTransfer { held, .. } if held == key));
}

#[test]
fn a_transfer_is_completed_as_a_conference_of_three() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let ((h_call, key), (h_consult, consultation)) = consulted(&mut bench, S::Connected);
    bench.monitor(2, "201");
    let done = json!({"hCall": h_call, "hConsultCall": h_consult, "transferMode": 2});
    let (request, intent) = bench.begin(1, "lineCompleteTransfer", done);
    let Intent::CompleteTransfer { held, consultation: second, conference: Some(parent) } = intent
    else {
        panic!()
    };
    assert_eq!((held, second), (key, consultation));
    bench.complete(request);
    bench.state(key, S::Conferenced, CallMode::Conferenced(parent));
    bench.state(consultation, S::Conferenced, CallMode::Conferenced(parent));
    bench.state(parent, S::Connected, ACTIVE);
    assert_eq!(
        bench.trace(1),
        [
            "REPLY 4 0",
            "CALLSTATE 2 4 CONFERENCED",
            "CALLSTATE 3 4 CONFERENCED",
            "CALLSTATE 4 CONNECTED ACTIVE"
        ]
    );
    assert_eq!(
        bench.trace(2),
        ["APPNEWCALL 2 MONITOR", "CALLSTATE 2 UNKNOWN MONITOR", "CALLSTATE 2 CONNECTED ACTIVE"]
    );
    let related = bench.ok(1, "lineGetConfRelatedCalls", json!({"hCall": h_consult}));
    assert_eq!(related["calls"], json!([4, h_call, h_consult]));
    let info = bench.ok(1, "lineGetCallInfo", json!({"hCall": 4}));
    assert_eq!(info["origin"], "LINECALLORIGIN_CONFERENCE");
}

#[test]
fn a_conference_needs_the_target_connected() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let ((h_call, _), (h_consult, _)) = consulted(&mut bench, S::Ringback);
    let status = bench.ok(1, "lineGetCallStatus", json!({"hCall": h_call}));
    assert_eq!(status["callFeatures2"], json!(["LINECALLFEATURE2_TRANSFERNORM"]));
    let done = json!({"hCall": h_call, "hConsultCall": h_consult, "transferMode": 2});
    assert_eq!(bench.refused(1, "lineCompleteTransfer", done), "LINEERR_INVALCALLSTATE");
}

#[test]
fn a_failed_transfer_leaves_both_calls() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let ((h_call, _), (h_consult, _)) = consulted(&mut bench, S::Connected);
    let calls = bench.server.call_count();
    let done = json!({"hCall": h_call, "hConsultCall": h_consult, "transferMode": 2});
    let (request, _) = bench.begin(1, "lineCompleteTransfer", done);
    bench.fail(request, LineErr::OperationFailed);
    assert_eq!(bench.trace(1), ["REPLY OPERATIONFAILED"]);
    assert_eq!(bench.server.call_count(), calls);
    assert_eq!(bench.server.request_count(), 0);
}

#[test]
fn a_one_step_transfer_dials_at_once() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, _) = bench.answered(1);
    let setup = |params: Value| json!({"hCall": h_call, "callParams": params});
    let flag = "LINECALLPARAMFLAGS_ONESTEPTRANSFER";
    bench.check(
        1,
        "lineSetupTransfer",
        &[
            (setup(json!({"callParamFlags": [flag]})), "LINEERR_INVALCALLPARAMS"),
            (
                setup(json!({"callParamFlags": [flag], "targetAddress": "x"})),
                "LINEERR_INVALADDRESS",
            ),
            (setup(json!({"callParamFlags": [flag], "targetAddress": 5})), "Invalid params"),
        ],
    );
    let params = json!({"callParamFlags": [flag], "targetAddress": "T20-3"});
    let (request, intent) = bench.begin(1, "lineSetupTransfer", setup(params));
    let Intent::SetupTransfer { consultation, target, .. } = intent else { panic!() };
    assert_eq!(target.as_deref(), Some("203"));
    bench.complete(request);
    bench.state(consultation, S::Dialing, NONE);
    assert!(!bench.can(1, 3, "DIAL"), "the number is complete");
    assert_eq!(bench.ok(1, "lineGetCallInfo", json!({"hCall": 3}))["calledId"], "203");
}

#[test]
fn setup_transfer_errors() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, _) = bench.answered(1);
    bench.monitor(2, "201");
    let h_line = bench.open_more(2, "201", &["MONITOR"]);
    let handles = bench.ok(2, "lineGetNewCalls", json!({"hLine": h_line}))["calls"].clone();
    let setup = |params: Value| json!({"hCall": h_call, "callParams": params});
    bench.check(2, "lineSetupTransfer", &[(json!({"hCall": handles[0]}), "LINEERR_NOTOWNER")]);
    bench.check(
        1,
        "lineSetupTransfer",
        &[
            (json!({"hCall": 99}), "LINEERR_INVALCALLHANDLE"),
            (json!({}), "Invalid params"),
            (setup(json!([])), "Invalid params"),
            (setup(json!({"bearerMode": 3})), "LINEERR_INVALBEARERMODE"),
            (setup(json!({"bearerMode": 8})), "LINEERR_BEARERMODEUNAVAIL"),
            (setup(json!({"minRate": 9, "maxRate": 8})), "LINEERR_INVALRATE"),
            (setup(json!({"minRate": 128_000})), "LINEERR_RATEUNAVAIL"),
            (setup(json!({"mediaMode": 1})), "LINEERR_INVALMEDIAMODE"),
            (setup(json!({"userUserInfo": "x".repeat(129)})), "LINEERR_USERUSERINFOTOOBIG"),
            (setup(json!({"callParamFlags": 0x800})), "LINEERR_INVALCALLPARAMS"),
        ],
    );
    let device = bench.line("201");
    bench.server.line_service(1_000, device, false);
    let call = json!({"hCall": h_call});
    assert_eq!(bench.refused(1, "lineSetupTransfer", call.clone()), "LINEERR_INVALLINESTATE");
    bench.server.line_service(1_000, device, true);
    for _ in 0..3 {
        bench.incoming();
    }
    assert!(!bench.can(1, h_call, "SETUPTRANSFER"));
    assert_eq!(bench.refused(1, "lineSetupTransfer", call), "LINEERR_CALLUNAVAIL");
}

#[test]
fn a_consultation_call_has_no_consultation_of_its_own() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let ((h_call, key), (h_consult, consult)) = consulted(&mut bench, S::Connected);
    for (method, feature) in
        [("lineSetupTransfer", "SETUPTRANSFER"), ("lineSetupConference", "SETUPCONF")]
    {
        assert!(!bench.can(1, h_consult, feature));
        let error = bench.refused(1, method, json!({"hCall": h_consult}));
        assert_eq!(error, "LINEERR_INVALCALLSTATE");
    }
    // The held party hangs up: what is left is an ordinary call.
    bench.state(key, S::Disconnected, CallMode::Disconnected(DisconnectMode::Normal));
    bench.state(key, S::Idle, NONE);
    assert!(bench.can(1, h_consult, "SETUPTRANSFER"));
    assert!(!bench.can(1, h_consult, "COMPLETETRANSF"));
    assert_eq!(bench.server.consultation_of(consult), None);
    let done = json!({"hCall": h_call, "hConsultCall": h_consult, "transferMode": 1});
    assert_eq!(bench.refused(1, "lineCompleteTransfer", done), "LINEERR_INVALCALLSTATE");
}

#[test]
fn complete_transfer_errors() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let ((h_call, _), (h_consult, _)) = consulted(&mut bench, S::Connected);
    bench.monitor(2, "201");
    let h_line = bench.open_more(2, "201", &["MONITOR"]);
    let seen = bench.ok(2, "lineGetNewCalls", json!({"hLine": h_line}))["calls"].clone();
    let done = |call: Value, consult: Value, mode: Value| json!({"hCall": call, "hConsultCall": consult, "transferMode": mode});
    let method = "lineCompleteTransfer";
    let foreign = done(seen[0].clone(), seen[1].clone(), json!(1));
    assert_eq!(bench.refused(2, method, foreign), "LINEERR_NOTOWNER");
    bench.check(
        1,
        method,
        &[
            (done(json!(99), json!(98), json!(1)), "LINEERR_INVALCALLHANDLE"),
            (done(json!(h_call), json!(98), json!(1)), "LINEERR_INVALCONSULTCALLHANDLE"),
            (done(json!(h_call), json!("x"), json!(1)), "Invalid params"),
            (done(json!(h_call), json!(h_consult), json!(3)), "LINEERR_INVALTRANSFERMODE"),
            (done(json!(h_call), json!(h_consult), json!(0)), "LINEERR_INVALTRANSFERMODE"),
            (done(json!(h_call), json!(h_call), json!(1)), "LINEERR_INVALCALLSTATE"),
        ],
    );
    let mut spec = LineSpec::full("201", "Somebody", 100, 4);
    spec.addresses[0].offers.call_features2 = CallFeature2::TransferNorm.into();
    bench.server.add_line(spec);
    let conference = done(json!(h_call), json!(h_consult), json!(2));
    assert_eq!(bench.refused(1, method, conference), "LINEERR_OPERATIONUNAVAIL");
}

#[test]
fn a_hard_held_call_is_transferred_where_the_address_says_so() {
    let right = AddrCapFlag::TransferHeld | AddrCapFlag::TransferMake;
    for (flags, is_possible) in [
        (right, true),
        (AddrCapFlag::TransferHeld.into(), false),
        (AddrCapFlag::TransferMake.into(), false),
    ] {
        let mut bench = Bench::full();
        let address =
            AddressSpec { cap_flags: flags, offers: Offers::full(), ..AddressSpec::new("201", 4) };
        let spec = LineSpec::full("201", "Somebody", 100, 4);
        bench.server.add_line(LineSpec { addresses: vec![address], ..spec });
        let h_line = bench.owner(1, "201");
        let (h_call, key) = bench.answered(1);
        bench.state(key, S::OnHold, NONE);
        bench.messages(1);
        let (h_other, other) = bench.making(1, h_line, "203");
        bench.state(other, S::Ringback, NONE);
        assert_eq!(bench.can(1, h_call, "COMPLETETRANSF"), is_possible, "{flags:?}");
        assert_eq!(bench.can(1, h_other, "COMPLETETRANSF"), is_possible, "{flags:?}");
        let done = json!({"hCall": h_call, "hConsultCall": h_other, "transferMode": 1});
        if is_possible {
            bench.begin(1, "lineCompleteTransfer", done);
        } else {
            let error = bench.refused(1, "lineCompleteTransfer", done);
            assert_eq!(error, "LINEERR_INVALCALLSTATE");
        }
    }
}

#[test]
fn swapping_keeps_the_pair_and_either_order_completes_it() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let ((h_call, key), (h_consult, consult)) = consulted(&mut bench, S::Connected);
    assert!(bench.can(1, h_call, "SWAPHOLD") && bench.can(1, h_consult, "SWAPHOLD"));
    let swap = |active: u64, held: u64| json!({"hActiveCall": active, "hHeldCall": held});
    let (request, intent) = bench.begin(1, "lineSwapHold", swap(h_consult, h_call));
    assert_eq!(intent, Intent::SwapHold { active: consult, held: key });
    bench.complete(request);
    bench.state(consult, S::OnHoldPendTransfer, NONE);
    bench.state(key, S::Connected, ACTIVE);
    assert_eq!(
        bench.trace(1),
        ["REPLY 0", "CALLSTATE 3 ONHOLDPENDTRANSFER", "CALLSTATE 2 CONNECTED ACTIVE"]
    );
    for (call, consult_handle) in [(h_call, h_consult), (h_consult, h_call)] {
        let done = json!({"hCall": call, "hConsultCall": consult_handle, "transferMode": 1});
        let (request, intent) = bench.begin(1, "lineCompleteTransfer", done);
        let expected =
            Intent::CompleteTransfer { held: consult, consultation: key, conference: None };
        assert_eq!(intent, expected);
        bench.fail(request, LineErr::OperationFailed);
    }
    // Unholding one half gives up the other, so that its activity is no obstacle.
    bench.begin(1, "lineUnhold", json!({"hCall": h_consult}));
}

#[test]
fn swap_errors() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (held, held_key) = bench.answered(1);
    bench.state(held_key, S::OnHold, NONE);
    let (active, active_key) = bench.answered(1);
    let swap = |active: Value, held: Value| json!({"hActiveCall": active, "hHeldCall": held});
    bench.check(
        1,
        "lineSwapHold",
        &[
            (swap(json!(99), json!(held)), "LINEERR_INVALCALLHANDLE"),
            (swap(json!(active), json!(99)), "LINEERR_INVALCALLHANDLE"),
            (swap(json!(active), json!([])), "Invalid params"),
            (swap(json!(held), json!(active)), "LINEERR_INVALCALLSTATE"),
            (swap(json!(active), json!(active)), "LINEERR_INVALCALLSTATE"),
        ],
    );
    let (_, intent) = bench.begin(1, "lineSwapHold", swap(json!(active), json!(held)));
    assert_eq!(intent, Intent::SwapHold { active: active_key, held: held_key });
    bench.monitor(2, "201");
    let h_line = bench.open_more(2, "201", &["MONITOR"]);
    let seen = bench.ok(2, "lineGetNewCalls", json!({"hLine": h_line}))["calls"].clone();
    let foreign = swap(seen[1].clone(), seen[0].clone());
    assert_eq!(bench.refused(2, "lineSwapHold", foreign), "LINEERR_NOTOWNER");
    bench.state(held_key, S::Idle, NONE);
    let gone = bench.refused(1, "lineSwapHold", swap(json!(active), json!(held)));
    assert_eq!(gone, "LINEERR_INVALCALLSTATE");
}

#[test]
fn blind_transfer_and_redirect() {
    for (method, is_redirect) in [("lineBlindTransfer", false), ("lineRedirect", true)] {
        let mut bench = Bench::full();
        bench.owner(1, "201");
        bench.monitor(2, "201");
        let key = bench.incoming();
        if !is_redirect {
            bench.state(key, S::Connected, ACTIVE);
        }
        bench.trace(1);
        let to = |address: &str| json!({"hCall": 2, "destAddress": address});
        bench.check(
            1,
            method,
            &[
                (json!({"hCall": 99, "destAddress": "203"}), "LINEERR_INVALCALLHANDLE"),
                (json!({"hCall": 2, "destAddress": 203}), "Invalid params"),
                (
                    json!({"hCall": 2, "destAddress": "203", "countryCode": 1000}),
                    "LINEERR_INVALCOUNTRYCODE",
                ),
                (to(""), "LINEERR_INVALADDRESS"),
                (to("20;"), "LINEERR_INVALADDRESS"),
                (to("abcxyz"), "LINEERR_INVALADDRESS"),
                (to("20?"), "LINEERR_INVALADDRESS"),
            ],
        );
        assert_eq!(bench.refused(2, method, to("203")), "LINEERR_NOTOWNER");
        let (request, intent) = bench.begin(1, method, to("T203"));
        let destination = "203".to_owned();
        let expected = if is_redirect {
            Intent::Redirect { call: key, destination }
        } else {
            Intent::BlindTransfer { call: key, destination }
        };
        assert_eq!(intent, expected);
        bench.fail(request, LineErr::InvalAddress);
        assert_eq!(bench.trace(1), ["REPLY INVALADDRESS"]);
        let (request, _) = bench.begin(1, method, to("203"));
        bench.complete(request);
        bench.state(key, S::Idle, NONE);
        assert_eq!(bench.trace(1), ["REPLY 0", "CALLSTATE 2 IDLE"]);
        assert_eq!(bench.refused(1, method, to("203")), "LINEERR_INVALCALLSTATE");
    }
}
