//! Park, unpark and pickup.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use kit::Bench;
use serde_json::{Value, json};
use tapi::constant::{
    AddrCapFlag, AddrFeature, AddressSharing, CallFeature2, CallState as S, ConnectedMode,
    DisconnectMode,
};
use tapi::{
    AddressId, AddressSpec, CallMode, Intent, LineErr, LineSpec, PickupTarget, ReplyFields,
};

const ACTIVE: CallMode = CallMode::Connected(ConnectedMode::Active);
const NONE: CallMode = CallMode::None;

#[test]
fn a_call_is_parked_in_a_slot_that_the_switch_finds() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    let (h_call, key) = bench.answered(1);
    let params = json!({"hCall": h_call, "parkMode": "LINEPARKMODE_NONDIRECTED"});
    let (request, intent) = bench.begin(1, "linePark", params);
    assert_eq!(intent, Intent::Park { call: key, slot: None });
    bench.complete_with(request, ReplyFields::default().with("address", "701"));
    bench.state(key, S::Idle, NONE);
    assert_eq!(bench.trace(1), ["REPLY 701 0", "CALLSTATE 2 IDLE"]);
}

#[test]
fn a_call_is_parked_in_the_slot_that_is_named() {
    let mut bench = Bench::full();
    bench.owner(1, "201");
    bench.monitor(2, "201");
    let (h_call, key) = bench.answered(1);
    let park = |mode: Value, address: Value| json!({"hCall": h_call, "parkMode": mode, "dirAddress": address});
    bench.check(
        1,
        "linePark",
        &[
            (json!({"hCall": 99, "parkMode": 1}), "LINEERR_INVALCALLHANDLE"),
            (json!({"hCall": h_call}), "Invalid params"),
            (park(json!(3), json!("701")), "LINEERR_INVALPARKMODE"),
            (park(json!(0), json!("701")), "LINEERR_INVALPARKMODE"),
            (park(json!(1), json!(701)), "Invalid params"),
            (park(json!(1), json!(null)), "LINEERR_INVALADDRESS"),
            (park(json!(1), json!("7?")), "LINEERR_INVALADDRESS"),
        ],
    );
    assert_eq!(bench.refused(2, "linePark", park(json!(1), json!("701"))), "LINEERR_NOTOWNER");
    let (request, intent) = bench.begin(1, "linePark", park(json!(1), json!("701")));
    assert_eq!(intent, Intent::Park { call: key, slot: Some("701".to_owned()) });
    bench.fail(request, LineErr::OperationFailed);
    assert_eq!(bench.trace(1), ["REPLY OPERATIONFAILED"]);
    assert_eq!(bench.server.call(key).unwrap().state, S::Connected);
    let mut spec = LineSpec::full("201", "Somebody", 100, 4);
    spec.addresses[0].offers.call_features2 = CallFeature2::ParkNonDirect.into();
    bench.server.add_line(spec);
    let caps = bench.ok(1, "lineGetAddressCaps", json!({"deviceId": 0}));
    assert_eq!(caps["parkModes"], json!(["LINEPARKMODE_NONDIRECTED"]));
    let directed = park(json!(1), json!("701"));
    assert_eq!(bench.refused(1, "linePark", directed), "LINEERR_OPERATIONUNAVAIL");
    bench.state(key, S::OnHold, NONE);
    let held = park(json!(2), json!(null));
    assert_eq!(bench.refused(1, "linePark", held), "LINEERR_INVALCALLSTATE");
}

#[test]
fn a_parked_call_is_taken_as_a_new_one() {
    let mut bench = Bench::full();
    let h_line = bench.open(1, "202", &["NONE"]);
    bench.monitor(2, "202");
    let params = json!({"hLine": h_line, "addressId": 0, "destAddress": "701"});
    let (request, intent) = bench.begin(1, "lineUnpark", params);
    let Intent::Unpark { line, address, call, slot } = intent else { panic!() };
    assert_eq!((line, address, slot.as_str()), (bench.line("202"), AddressId(0), "701"));
    bench.complete(request);
    bench.state(call, S::Connected, ACTIVE);
    assert_eq!(bench.trace(1), ["REPLY 2 0", "CALLSTATE 2 CONNECTED ACTIVE"]);
    assert_eq!(
        bench.trace(2),
        ["APPNEWCALL 2 MONITOR", "CALLSTATE 2 UNKNOWN MONITOR", "CALLSTATE 2 CONNECTED ACTIVE"]
    );
    let info = bench.ok(1, "lineGetCallInfo", json!({"hCall": 2}));
    assert_eq!(info["reason"], "LINECALLREASON_UNPARK");
    assert_eq!(info["numOwners"], 1);
}

#[test]
fn unpark_errors() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let unpark = |address: Value| json!({"hLine": h_line, "destAddress": address});
    bench.check(
        1,
        "lineUnpark",
        &[
            (json!({"hLine": 99, "destAddress": "701"}), "LINEERR_INVALLINEHANDLE"),
            (
                json!({"hLine": h_line, "destAddress": "701", "addressId": 4}),
                "LINEERR_INVALADDRESSID",
            ),
            (unpark(json!(701)), "Invalid params"),
            (unpark(json!(null)), "LINEERR_INVALADDRESS"),
            (unpark(json!("x")), "LINEERR_INVALADDRESS"),
        ],
    );
    let (request, _) = bench.begin(1, "lineUnpark", unpark(json!("799")));
    bench.fail(request, LineErr::InvalAddress);
    assert_eq!(bench.trace(1), ["REPLY INVALADDRESS"]);
    assert_eq!(bench.server.call_count(), 0);
    for _ in 0..4 {
        bench.incoming();
    }
    assert_eq!(bench.refused(1, "lineUnpark", unpark(json!("701"))), "LINEERR_RESOURCEUNAVAIL");
    let device = bench.line("201");
    bench.server.line_service(1_000, device, false);
    assert_eq!(bench.refused(1, "lineUnpark", unpark(json!("701"))), "LINEERR_OPERATIONFAILED");
}

#[test]
fn pickup_names_an_address_a_group_or_nothing() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    for (dest, group, expected) in [
        (
            json!("203"),
            json!(null),
            PickupTarget::Address { number: "203".to_owned(), group: None },
        ),
        (
            json!("203"),
            json!("10"),
            PickupTarget::Address { number: "203".to_owned(), group: Some("10".to_owned()) },
        ),
        (json!(null), json!("10"), PickupTarget::Group("10".to_owned())),
        (json!(null), json!(null), PickupTarget::Nearest),
        (json!(""), json!(""), PickupTarget::Nearest),
    ] {
        let params = json!({"hLine": h_line, "destAddress": dest, "groupId": group});
        let (request, intent) = bench.begin(1, "linePickup", params);
        let Intent::Pickup { line, target, .. } = intent else { panic!() };
        assert_eq!((line, target), (bench.line("201"), expected));
        bench.fail(request, LineErr::OperationFailed);
    }
    assert_eq!(bench.trace(1).len(), 5);
    assert_eq!(bench.server.call_count(), 0);
}

#[test]
fn a_picked_up_call_is_told_on_both_lines() {
    let mut bench = Bench::full();
    let picker = bench.owner(1, "203");
    bench.owner(2, "201");
    let ringing = bench.incoming();
    bench.trace(2);
    let params = json!({"hLine": picker, "destAddress": "201"});
    let (request, intent) = bench.begin(1, "linePickup", params);
    let Intent::Pickup { call, .. } = intent else { panic!() };
    bench.complete(request);
    bench.state(call, S::Connected, ACTIVE);
    bench.state(ringing, S::Disconnected, CallMode::Disconnected(DisconnectMode::Pickup));
    bench.state(ringing, S::Idle, NONE);
    assert_eq!(bench.trace(1), ["REPLY 2 0", "CALLSTATE 2 CONNECTED ACTIVE"]);
    assert_eq!(bench.trace(2), ["CALLSTATE 2 DISCONNECTED PICKUP", "CALLSTATE 2 IDLE"]);
    let info = bench.ok(1, "lineGetCallInfo", json!({"hCall": 2}));
    assert_eq!(info["reason"], "LINECALLREASON_PICKUP");
}

#[test]
fn pickup_errors() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    let pick =
        |dest: Value, group: Value| json!({"hLine": h_line, "destAddress": dest, "groupId": group});
    bench.check(
        1,
        "linePickup",
        &[
            (json!({"hLine": 99}), "LINEERR_INVALLINEHANDLE"),
            (json!({"hLine": h_line, "addressId": 4}), "LINEERR_INVALADDRESSID"),
            (pick(json!(201), json!(null)), "Invalid params"),
            (pick(json!(null), json!(10)), "Invalid params"),
            (pick(json!("20?"), json!(null)), "LINEERR_INVALADDRESS"),
            (pick(json!(null), json!("x".repeat(2000))), "LINEERR_INVALGROUPID"),
        ],
    );
    let (request, _) = bench.begin(1, "linePickup", pick(json!(null), json!("77")));
    bench.fail(request, LineErr::InvalGroupId);
    assert_eq!(bench.trace(1), ["REPLY INVALGROUPID"]);
    let mut spec = LineSpec::full("201", "Somebody", 100, 1);
    spec.addresses[0].offers.address_features = AddrFeature::PickupDirect.into();
    bench.server.add_line(spec.clone());
    for (dest, group) in [(json!(null), json!("10")), (json!(null), json!(null))] {
        assert_eq!(bench.refused(1, "linePickup", pick(dest, group)), "LINEERR_OPERATIONUNAVAIL");
    }
    spec.addresses[0].offers.address_features = AddrFeature::PickupGroup.into();
    spec.addresses[0].cap_flags.insert(AddrCapFlag::PickupGroupId);
    bench.server.add_line(spec);
    let own = pick(json!(null), json!(null));
    assert_eq!(bench.refused(1, "linePickup", own), "LINEERR_INVALGROUPID");
    bench.incoming();
    let group = pick(json!(null), json!("10"));
    assert_eq!(bench.refused(1, "linePickup", group.clone()), "LINEERR_RESOURCEUNAVAIL");
    let device = bench.line("201");
    bench.server.line_service(1_000, device, false);
    assert_eq!(bench.refused(1, "linePickup", group), "LINEERR_OPERATIONFAILED");
}

#[test]
fn a_waiting_call_is_taken_although_every_appearance_is_in_use() {
    let mut bench = Bench::full();
    let h_line = bench.owner(1, "201");
    bench.server.add_line(LineSpec::full("201", "Somebody", 100, 1));
    bench.incoming();
    let (_, intent) = bench.begin(1, "linePickup", json!({"hLine": h_line}));
    assert!(matches!(intent, Intent::Pickup { target: PickupTarget::Nearest, .. }));
}

#[test]
fn a_call_held_at_another_appearance_is_taken() {
    let mut bench = Bench::full();
    let shared = |number: &str, id: u32| {
        let mut spec = LineSpec::full(number, "Somebody", id, 2);
        let mut address = AddressSpec::full("250", 1);
        address.sharing = AddressSharing::BridgedExcl;
        address.offers.address_features = AddrFeature::PickupHeld.into();
        spec.addresses.push(address);
        spec
    };
    for (number, id) in [("201", 100), ("202", 101)] {
        let device = bench.server.add_line(shared(number, id));
        bench.server.line_service(1_000, device, true);
    }
    let h_line = bench.owner(1, "202");
    let pick = json!({"hLine": h_line, "addressId": 1});
    let features = |bench: &mut Bench| {
        bench.ok(1, "lineGetAddressStatus", pick.clone())["addressFeatures"].clone()
    };
    assert_eq!(features(&mut bench), json!(["LINEADDRFEATURE_MAKECALL"]));
    assert_eq!(bench.refused(1, "linePickup", pick.clone()), "LINEERR_OPERATIONFAILED");
    let new = tapi::NewCall {
        line: bench.line("201"),
        address: AddressId(1),
        state: S::Connected,
        mode: NONE,
        info: tapi::CallInfo::default(),
        capability: tapi::CallCapability::default(),
    };
    let key = bench.server.call_new(1_000, new).unwrap();
    bench.state(key, S::OnHold, NONE);
    assert_eq!(
        features(&mut bench),
        json!(["LINEADDRFEATURE_MAKECALL", "LINEADDRFEATURE_PICKUP", "LINEADDRFEATURE_PICKUPHELD"])
    );
    let (_, intent) = bench.begin(1, "linePickup", pick);
    let Intent::Pickup { address, target, .. } = intent else { panic!() };
    assert_eq!((address, target), (AddressId(1), PickupTarget::Nearest));
}
