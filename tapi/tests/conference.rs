//! Conferences.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::constant::{
    AddrCapFlag, AddrFeature, CallState as S, ConnectedMode, DialToneMode, DisconnectMode,
    RemoveFromConf,
};
use tapi::{CallKey, CallMode, Intent, LineErr, LineSpec};

const ACTIVE: CallMode = CallMode::Connected(ConnectedMode::Active);
const NONE: CallMode = CallMode::None;
const DIAL_TONE: CallMode = CallMode::DialTone(DialToneMode::Internal);

/// The first member, the parent and the consultation call of a conference to be.
struct Setup {
    first: (u64, CallKey),
    parent: (u64, CallKey),
    third: (u64, CallKey),
}

fn set_up(bench: &mut Bench) -> Setup {
    let (h_call, key) = bench.answered(1);
    let (request, intent) = bench.begin(1, "lineSetupConference", json!({"hCall": h_call}));
    let Intent::SetupConference { call, conference, consultation, .. } = intent else { panic!() };
    assert_eq!(call, Some(key));
    bench.complete(request);
    let reply = bench.messages(1)[0]["params"].clone();
    bench.state(conference, S::OnHoldPendConf, NONE);
    bench.state(key, S::Conferenced, CallMode::Conferenced(conference));
    bench.state(consultation, S::DialTone, DIAL_TONE);
    let handle = |name: &str| reply[name].as_u64().unwrap();
    Setup {
        first: (h_call, key),
        parent: (handle("hConfCall"), conference),
        third: (handle("hConsultCall"), consultation),
    }
}

/// A conference of three.
fn established(bench: &mut Bench) -> Setup {
    let setup = set_up(bench);
    for state in [S::Dialing, S::Proceeding, S::Connected] {
        bench.state(setup.third.1, state, NONE);
    }
    bench.state(setup.third.1, S::Conferenced, CallMode::Conferenced(setup.parent.1));
    bench.state(setup.parent.1, S::Connected, ACTIVE);
    bench.messages(1);
    setup
}

fn add(parent: u64, call: u64) -> Value {
    json!({"hConfCall": parent, "hConsultCall": call})
}

#[test]
fn a_three_way_conference_is_told_in_order() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (_, key) = bench.answered(1);
    bench.monitor(2, "201");
    let params = json!({"hCall": 2, "numParties": 3, "callParams": {"comment": "ask Cleo"}});
    let (request, intent) = bench.begin(1, "lineSetupConference", params);
    let Intent::SetupConference { call, conference, consultation, parties, target, params, .. } =
        intent
    else {
        panic!()
    };
    assert_eq!((call, parties, target), (Some(key), 3, None));
    assert_eq!(params.comment, "ask Cleo");
    bench.complete(request);
    bench.state(conference, S::OnHoldPendConf, NONE);
    bench.state(key, S::Conferenced, CallMode::Conferenced(conference));
    bench.state(consultation, S::DialTone, DIAL_TONE);
    assert_eq!(
        bench.trace(1),
        [
            "REPLY 3 4 0",
            "CALLSTATE 3 ONHOLDPENDCONF",
            "CALLSTATE 2 3 CONFERENCED",
            "CALLSTATE 4 DIALTONE INTERNAL"
        ]
    );
    assert_eq!(
        bench.trace(2),
        [
            "APPNEWCALL 2 MONITOR",
            "CALLSTATE 2 UNKNOWN MONITOR",
            "APPNEWCALL 3 MONITOR",
            "CALLSTATE 3 UNKNOWN MONITOR",
            "CALLSTATE 2 ONHOLDPENDCONF",
            "CALLSTATE 3 DIALTONE INTERNAL"
        ]
    );
    assert!(!bench.can(1, 4, "ADDTOCONF"));
    for state in [S::Dialing, S::Proceeding, S::Ringback, S::Connected] {
        bench.state(consultation, state, NONE);
        let can_join = matches!(state, S::Proceeding | S::Ringback | S::Connected);
        assert_eq!(bench.can(1, 4, "ADDTOCONF"), can_join, "{state:?}");
    }
    bench.trace(1);
    let (request, intent) = bench.begin(1, "lineAddToConference", add(3, 4));
    assert_eq!(intent, Intent::AddToConference { conference, call: consultation });
    bench.complete(request);
    bench.state(consultation, S::Conferenced, CallMode::Conferenced(conference));
    bench.state(conference, S::Connected, ACTIVE);
    assert_eq!(
        bench.trace(1),
        ["REPLY 0", "CALLSTATE 4 3 CONFERENCED", "CALLSTATE 3 CONNECTED ACTIVE"]
    );
    assert_eq!(bench.server.conference_members(conference), [key, consultation]);
    // One party hangs up and the other two are left to themselves.
    bench.state(consultation, S::Disconnected, CallMode::Disconnected(DisconnectMode::Normal));
    bench.state(consultation, S::Idle, NONE);
    bench.state(key, S::Connected, ACTIVE);
    bench.state(conference, S::Idle, NONE);
    assert_eq!(
        bench.trace(1),
        [
            "CALLSTATE 4 DISCONNECTED NORMAL",
            "CALLSTATE 4 IDLE",
            "CALLSTATE 2 CONNECTED ACTIVE",
            "CALLSTATE 3 IDLE"
        ]
    );
}

#[test]
fn features_of_parent_members_and_consultation_call() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let Setup { first, parent, third } = set_up(&mut bench);
    let rows = |bench: &mut Bench, h_call: u64, wanted: &[(&str, bool)]| {
        for (feature, expected) in wanted {
            assert_eq!(bench.can(1, h_call, feature), *expected, "{h_call} {feature}");
        }
    };
    rows(&mut bench, first.0, &[("REMOVEFROMCONF", true), ("UNHOLD", true), ("PARK", false)]);
    rows(&mut bench, parent.0, &[("UNHOLD", true), ("PREPAREADDCONF", false), ("DROP", true)]);
    rows(&mut bench, third.0, &[("DIAL", true), ("SETUPTRANSFER", false)]);
    for state in [S::Dialing, S::Proceeding, S::Connected] {
        bench.state(third.1, state, NONE);
    }
    rows(&mut bench, third.0, &[("ADDTOCONF", true), ("SWAPHOLD", true), ("SETUPCONF", false)]);
    rows(&mut bench, parent.0, &[("UNHOLD", true), ("SWAPHOLD", true)]);
    let (_, intent) = bench.begin(1, "lineUnhold", json!({"hCall": first.0}));
    assert_eq!(intent, Intent::Unhold { call: first.1 });

    bench.state(third.1, S::Conferenced, CallMode::Conferenced(parent.1));
    bench.state(parent.1, S::Connected, ACTIVE);
    rows(&mut bench, first.0, &[("REMOVEFROMCONF", true), ("UNHOLD", false)]);
    rows(
        &mut bench,
        parent.0,
        &[
            ("PREPAREADDCONF", true),
            ("HOLD", true),
            ("PARK", false),
            ("BLINDTRANSFER", false),
            ("SETUPTRANSFER", false),
            ("SETUPCONF", false),
            ("GENERATEDIGITS", true),
        ],
    );
    for method in ["linePark", "lineBlindTransfer", "lineSetupTransfer", "lineSetupConference"] {
        let params = json!({"hCall": parent.0, "parkMode": 2, "destAddress": "203"});
        assert_eq!(bench.refused(1, method, params), "LINEERR_INVALCALLSTATE", "{method}");
    }
}

#[test]
fn one_more_party_is_prepared_and_added() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let Setup { first, parent, third } = established(&mut bench);
    let prepare = json!({"hConfCall": parent.0});
    let (request, intent) = bench.begin(1, "linePrepareAddToConference", prepare.clone());
    let Intent::PrepareAddToConference { conference, consultation, target, .. } = intent else {
        panic!()
    };
    assert_eq!((conference, target), (parent.1, None));
    bench.complete(request);
    bench.state(conference, S::OnHoldPendConf, NONE);
    bench.state(consultation, S::DialTone, DIAL_TONE);
    assert_eq!(
        bench.trace(1),
        ["REPLY 5 0", "CALLSTATE 3 ONHOLDPENDCONF", "CALLSTATE 5 DIALTONE INTERNAL"]
    );
    assert_eq!(bench.refused(1, "linePrepareAddToConference", prepare), "LINEERR_INVALCALLSTATE");
    // It does not belong to the conference before it is added.
    let error = bench.refused(1, "lineGetConfRelatedCalls", json!({"hCall": 5}));
    assert_eq!(error, "LINEERR_NOCONFERENCE");
    assert_eq!(bench.server.consultation_of(consultation), Some(conference));
    for state in [S::Dialing, S::Proceeding] {
        bench.state(consultation, state, NONE);
    }
    let (_, intent) = bench.begin(1, "lineAddToConference", add(parent.0, 5));
    assert_eq!(intent, Intent::AddToConference { conference, call: consultation });
    let related = bench.ok(1, "lineGetConfRelatedCalls", json!({"hCall": parent.0}));
    assert_eq!(related["calls"], json!([parent.0, first.0, third.0]));
}

#[test]
fn prepare_errors() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let setup = established(&mut bench);
    let (parent, key) = setup.parent;
    let ask = |params: Value| json!({"hConfCall": parent, "callParams": params});
    bench.check(
        1,
        "linePrepareAddToConference",
        &[
            (json!({"hConfCall": 99}), "LINEERR_INVALCONFCALLHANDLE"),
            (json!({"hConfCall": setup.first.0}), "LINEERR_INVALCONFCALLHANDLE"),
            (json!({}), "Invalid params"),
            (ask(json!({"bearerMode": 3})), "LINEERR_INVALBEARERMODE"),
            (ask(json!({"bearerMode": 8})), "LINEERR_BEARERMODEUNAVAIL"),
            (ask(json!({"callParamFlags": 0x20})), "LINEERR_INVALCALLPARAMS"),
            (ask(json!({"callParamFlags": 0x20, "targetAddress": "x"})), "LINEERR_INVALADDRESS"),
        ],
    );
    let params = ask(json!({"callParamFlags": 0x20, "targetAddress": "204"}));
    let (request, intent) = bench.begin(1, "linePrepareAddToConference", params);
    let Intent::PrepareAddToConference { target, .. } = intent else { panic!() };
    assert_eq!(target.as_deref(), Some("204"));
    bench.fail(request, LineErr::OperationFailed);
    for _ in 0..3 {
        bench.incoming();
    }
    let full = json!({"hConfCall": parent});
    assert_eq!(bench.refused(1, "linePrepareAddToConference", full.clone()), "LINEERR_CALLUNAVAIL");
    let mut spec = LineSpec::full("201", "Somebody", 100, 4);
    spec.addresses[0].offers.max_conference = 3;
    bench.server.add_line(spec);
    assert_eq!(
        bench.refused(1, "linePrepareAddToConference", full.clone()),
        "LINEERR_CONFERENCEFULL"
    );
    assert!(!bench.can(1, parent, "PREPAREADDCONF"));
    let device = bench.line("201");
    bench.server.line_service(1_000, device, false);
    assert_eq!(bench.refused(1, "linePrepareAddToConference", full), "LINEERR_INVALLINESTATE");
    bench.monitor(2, "201");
    let h_line = bench.open_more(2, "201", &["MONITOR"]);
    let seen = bench.ok(2, "lineGetNewCalls", json!({"hLine": h_line}))["calls"].clone();
    let foreign = json!({"hConfCall": seen[1]});
    assert_eq!(bench.refused(2, "linePrepareAddToConference", foreign), "LINEERR_NOTOWNER");
    assert_eq!(bench.server.call(key).unwrap().state, S::Connected);
}

#[test]
fn add_errors() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let setup = set_up(&mut bench);
    let (parent, third) = (setup.parent.0, setup.third.0);
    let (other, other_key) = bench.answered(1);
    bench.open_more(1, "202", &["OWNER"]);
    bench.check(
        1,
        "lineAddToConference",
        &[
            (add(99, third), "LINEERR_INVALCONFCALLHANDLE"),
            (add(setup.first.0, third), "LINEERR_INVALCONFCALLHANDLE"),
            (add(parent, 99), "LINEERR_INVALCALLHANDLE"),
            (add(parent, parent), "LINEERR_INVALCALLHANDLE"),
            (add(parent, setup.first.0), "LINEERR_INVALCALLHANDLE"),
            (add(parent, third), "LINEERR_INVALCALLSTATE"),
            (json!({"hConfCall": parent, "hConsultCall": "x"}), "Invalid params"),
        ],
    );
    // Any call of the line may join where the address says so.
    assert!(bench.can(1, other, "ADDTOCONF"));
    let (request, _) = bench.begin(1, "lineAddToConference", add(parent, other));
    bench.fail(request, LineErr::OperationFailed);
    let change = |bench: &mut Bench, flags: AddrCapFlag, max: u32| {
        let mut spec = LineSpec::full("201", "Somebody", 100, 4);
        spec.addresses[0].cap_flags.remove(flags);
        spec.addresses[0].offers.max_conference = max;
        bench.server.add_line(spec);
    };
    change(&mut bench, AddrCapFlag::ConferenceMake, 32);
    assert!(!bench.can(1, other, "ADDTOCONF"));
    assert_eq!(
        bench.refused(1, "lineAddToConference", add(parent, other)),
        "LINEERR_INVALCALLSTATE"
    );
    change(&mut bench, AddrCapFlag::Queue, 2);
    assert!(!bench.can(1, other, "ADDTOCONF"));
    assert_eq!(
        bench.refused(1, "lineAddToConference", add(parent, other)),
        "LINEERR_CONFERENCEFULL"
    );
    change(&mut bench, AddrCapFlag::ConferenceHeld, 32);
    bench.state(other_key, S::OnHold, NONE);
    assert!(!bench.can(1, other, "ADDTOCONF"));
    change(&mut bench, AddrCapFlag::Queue, 32);
    assert!(bench.can(1, other, "ADDTOCONF"));
    bench.begin(1, "lineAddToConference", add(parent, other));
    bench.fail_all(LineErr::OperationFailed);
    bench.state(setup.parent.1, S::Connected, ACTIVE);
    assert_eq!(
        bench.refused(1, "lineAddToConference", add(parent, other)),
        "LINEERR_INVALCALLSTATE"
    );
}

#[test]
fn members_are_removed_as_the_address_allows() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let Setup { first, parent, third } = established(&mut bench);
    let remove = |h_call: u64| json!({"hCall": h_call});
    let method = "lineRemoveFromConference";
    bench.check(
        1,
        method,
        &[(remove(99), "LINEERR_INVALCALLHANDLE"), (remove(parent.0), "LINEERR_INVALCALLSTATE")],
    );
    let expected = Intent::RemoveFromConference { conference: parent.1, call: first.1 };
    let (request, intent) = bench.begin(1, method, remove(first.0));
    assert_eq!(intent, expected);
    bench.fail(request, LineErr::OperationFailed);
    for (caps, can_first, can_last) in
        [(RemoveFromConf::Last, false, true), (RemoveFromConf::None, false, false)]
    {
        let mut spec = LineSpec::full("201", "Somebody", 100, 4);
        spec.addresses[0].offers.remove_from_conference = caps;
        bench.server.add_line(spec);
        for (h_call, is_possible) in [(first.0, can_first), (third.0, can_last)] {
            assert_eq!(bench.can(1, h_call, "REMOVEFROMCONF"), is_possible, "{caps:?}");
            if is_possible {
                bench.begin(1, method, remove(h_call));
            } else {
                assert_eq!(bench.refused(1, method, remove(h_call)), "LINEERR_INVALCALLSTATE");
            }
        }
    }
    bench.monitor(2, "201");
    let h_line = bench.open_more(2, "201", &["MONITOR"]);
    let seen = bench.ok(2, "lineGetNewCalls", json!({"hLine": h_line}))["calls"].clone();
    let foreign = json!({"hCall": seen[0]});
    assert_eq!(bench.refused(2, method, foreign), "LINEERR_NOTOWNER");
}

#[test]
fn related_calls_come_with_handles_parent_first() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let Setup { first, parent, .. } = established(&mut bench);
    bench.connect(2);
    bench.ok(2, "lineInitializeEx", json!({"appName": "late"}));
    let h_line = bench.open_more(2, "201", &["NONE"]);
    let seen = bench.ok(2, "lineGetNewCalls", json!({"hLine": h_line}))["calls"].clone();
    bench.ok(2, "lineDeallocateCall", json!({"hCall": seen[1]}));
    bench.ok(2, "lineDeallocateCall", json!({"hCall": seen[2]}));
    bench.trace(1);
    let related =
        bench.ok(2, "lineGetConfRelatedCalls", json!({"hCall": seen[0]}))["calls"].clone();
    assert_eq!(related.as_array().unwrap().len(), 3);
    assert_eq!(related[1], seen[0]);
    let status = bench.ok(2, "lineGetCallStatus", json!({"hCall": related[0]}));
    assert_eq!(status["callPrivilege"], "LINECALLPRIVILEGE_MONITOR");
    assert_eq!(status["callState"], "LINECALLSTATE_CONNECTED");
    let expected =
        [format!("CALLINFO {} NUMMONITORS", parent.0), "CALLINFO 4 NUMMONITORS".to_owned()];
    assert_eq!(bench.trace(1), expected);
    let (plain, _) = bench.answered(1);
    bench.check(
        1,
        "lineGetConfRelatedCalls",
        &[
            (json!({"hCall": 99}), "LINEERR_INVALCALLHANDLE"),
            (json!({"hCall": plain}), "LINEERR_NOCONFERENCE"),
        ],
    );
    bench.state(first.1, S::Idle, NONE);
    let related = bench.ok(1, "lineGetConfRelatedCalls", json!({"hCall": parent.0}));
    assert_eq!(related["calls"], json!([parent.0, 4]));
}

#[test]
fn setup_conference_errors() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let (h_call, key) = bench.answered(1);
    let ask = |params: Value| json!({"hCall": h_call, "callParams": params});
    let method = "lineSetupConference";
    bench.check(
        1,
        method,
        &[
            (json!({"hCall": 99}), "LINEERR_INVALCALLHANDLE"),
            (json!({"hLine": 99}), "LINEERR_INVALLINEHANDLE"),
            (json!({}), "LINEERR_INVALCALLHANDLE"),
            (json!({"hLine": h_line}), "LINEERR_INVALCALLHANDLE"),
            (json!({"hCall": h_call, "numParties": "3"}), "Invalid params"),
            (ask(json!({"mediaMode": 1})), "LINEERR_INVALMEDIAMODE"),
            (ask(json!({"callParamFlags": 0x20})), "LINEERR_INVALCALLPARAMS"),
        ],
    );
    let params = ask(json!({"callParamFlags": 0x20, "targetAddress": "204"}));
    let (request, intent) = bench.begin(1, method, params);
    let Intent::SetupConference { target, conference, consultation, .. } = intent else { panic!() };
    assert_eq!(target.as_deref(), Some("204"));
    bench.complete(request);
    // Nobody is held: the original stays, the parent is not known yet.
    bench.state(consultation, S::Dialing, NONE);
    assert_eq!(bench.server.consultation_of(consultation), Some(conference));
    assert_eq!(bench.server.call(key).unwrap().state, S::Connected);
    bench.state(consultation, S::Idle, NONE);
    bench.state(conference, S::Idle, NONE);
    let device = bench.line("201");
    bench.server.line_service(1_000, device, false);
    let call = json!({"hCall": h_call});
    assert_eq!(bench.refused(1, method, call.clone()), "LINEERR_INVALLINESTATE");
    bench.server.line_service(1_000, device, true);
    for _ in 0..3 {
        bench.incoming();
    }
    assert_eq!(bench.refused(1, method, call.clone()), "LINEERR_CALLUNAVAIL");
    let mut spec = LineSpec::full("201", "Somebody", 100, 9);
    spec.addresses[0].offers.max_conference = 2;
    bench.server.add_line(spec);
    assert_eq!(bench.refused(1, method, call.clone()), "LINEERR_CONFERENCEFULL");
    bench.state(key, S::OnHold, NONE);
    assert_eq!(bench.refused(1, method, call), "LINEERR_INVALCALLSTATE");
}

#[test]
fn where_conferences_begin_empty_they_begin_from_the_line() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let (h_call, _) = bench.answered(1);
    let mut spec = LineSpec::full("201", "Somebody", 100, 3);
    spec.addresses[0].cap_flags.insert(AddrCapFlag::SetupConfNull);
    spec.addresses[0].offers.address_features.insert(AddrFeature::SetupConf);
    bench.server.add_line(spec);
    let method = "lineSetupConference";
    let from_call = json!({"hCall": h_call, "hLine": h_line});
    assert_eq!(bench.refused(1, method, from_call), "LINEERR_INVALLINEHANDLE");
    let (request, intent) = bench.begin(1, method, json!({"hLine": h_line}));
    let Intent::SetupConference { call: None, conference, consultation, .. } = intent else {
        panic!()
    };
    bench.complete(request);
    bench.state(conference, S::OnHoldPendConf, NONE);
    bench.state(consultation, S::DialTone, DIAL_TONE);
    assert_eq!(
        bench.trace(1),
        ["REPLY 3 4 0", "CALLSTATE 3 ONHOLDPENDCONF", "CALLSTATE 4 DIALTONE INTERNAL"]
    );
    assert_eq!(bench.refused(1, method, json!({"hLine": h_line})), "LINEERR_CALLUNAVAIL");
}

#[test]
fn members_share_one_appearance() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    established(&mut bench);
    let device = bench.line("201");
    assert_eq!(bench.server.calls_in_use(device, tapi::AddressId(0)), 1);
    let status = bench.ok(1, "lineGetAddressStatus", json!({"hLine": h_line}));
    assert_eq!(status["numActiveCalls"], 3, "CONFERENCED calls are active ones");
}
