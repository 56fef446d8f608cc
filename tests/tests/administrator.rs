//! What an administrator sees and does of transfer, park and pickup, in the simulated world.

use serde_json::{Value, json};
use switch::exchange::{AdminRequest, CallAction, Problem};
use switch::phone::PhoneEvent;
use tests::sim::{PhoneIndex, World};

fn three(seed: u64) -> (World, PhoneIndex, PhoneIndex, PhoneIndex) {
    let mut world = World::office(seed);
    let phones = ["201", "202", "203"].map(|line| world.phone(line));
    (world, phones[0], phones[1], phones[2])
}

fn rows(world: &mut World, request: AdminRequest) -> Vec<Value> {
    world.administrator(request).unwrap().as_array().unwrap().clone()
}

fn act(world: &mut World, line: &str, action: CallAction) -> Result<Value, Problem> {
    let calls = rows(world, AdminRequest::Calls);
    let row = calls.iter().find(|row| row["line"] == json!(line)).expect("a call of the line");
    let call_id = row["callId"].as_u64().unwrap().try_into().unwrap();
    let answer =
        world.administrator(AdminRequest::CallAction { call_id, line: line.to_owned(), action });
    world.settle();
    answer
}

fn park(slot: &str) -> CallAction {
    CallAction::Park { slot: Some(slot.to_owned()) }
}

fn transfer(to: &str) -> CallAction {
    CallAction::Transfer { to: to.to_owned() }
}

#[test]
fn an_administrator_parks_the_other_party_and_sees_who_waits_where() {
    let (mut world, a, b, c) = three(500);
    let (near, far) = world.connected(a, b);
    let answer = act(&mut world, "201", CallAction::Park { slot: None }).unwrap();
    assert_eq!(answer["slot"], "701");
    world.expect(a, "the parker is hung up", |event| *event == PhoneEvent::Ended { leg: near });
    let parked = rows(&mut world, AdminRequest::Park);
    assert_eq!(parked.len(), 1);
    let row = &parked[0];
    assert_eq!((&row["slot"], &row["lot"]), (&json!("701"), &json!("main")));
    assert_eq!((&row["party"], &row["name"]), (&json!("202"), &json!("Ben")));
    assert_eq!((&row["by"], &row["callId"]), (&json!("201"), &answer["callId"]));
    assert!(row["since"].is_u64());
    let leg = world.with_phone(c, |phone, now| phone.call(now, "701")).unwrap();
    world.expect(c, "the slot answers", |event| *event == PhoneEvent::Connected { leg });
    world.settle();
    assert!(world.hears(c, b, far) && world.hears(b, c, leg));
    assert_eq!(rows(&mut world, AdminRequest::Park), Vec::<Value>::new());
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn parking_is_refused_in_a_taken_or_unknown_slot_and_where_nobody_is_at_the_other_end() {
    let (mut world, a, b, c) = three(501);
    let (_, far) = world.connected(a, b);
    act(&mut world, "201", park("705")).unwrap();
    let d = world.phone("204");
    let (near, other) = world.connected(c, d);
    for (action, status) in [(park("705"), 409), (park("799"), 404), (transfer("705"), 409)] {
        let refused = act(&mut world, "203", action.clone()).unwrap_err();
        assert_eq!(refused.status, status, "{action:?}: {}", refused.detail);
        assert!(world.hears(d, c, near) && world.hears(c, d, other), "{action:?}");
    }
    let refused = act(&mut world, "202", park("706")).unwrap_err();
    assert_eq!(refused.status, 409, "the parked party has nobody to park");
    for (phone, leg) in [(b, far), (c, near)] {
        world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
    }
    world.settle();
    world.assert_at_rest();
}

#[test]
fn an_administrator_sends_the_other_party_to_a_number_or_a_lot() {
    let (mut world, a, b, c) = three(502);
    let (near, far) = world.connected(a, b);
    act(&mut world, "201", transfer("203")).unwrap();
    world.expect(a, "the transferor is hung up", |event| *event == PhoneEvent::Ended { leg: near });
    let target = world.incoming(c);
    let calls = rows(&mut world, AdminRequest::Calls);
    let offered = calls.iter().find(|row| row["line"] == json!("203")).unwrap();
    assert_eq!(offered["caller"], "202");
    world.with_phone(c, |phone, now| phone.answer(now, target));
    world.settle();
    assert!(world.hears(c, b, far) && world.hears(b, c, target));
    act(&mut world, "203", transfer("700")).unwrap();
    assert_eq!(rows(&mut world, AdminRequest::Park)[0]["party"], "202");
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_transfer_is_refused_to_nobody_and_while_the_call_only_rings() {
    let (mut world, a, b, _) = three(503);
    let (near, far) = world.connected(a, b);
    for (to, status) in [("299", 404), ("205", 409)] {
        let refused = act(&mut world, "201", transfer(to)).unwrap_err();
        assert_eq!(refused.status, status, "{to}: {}", refused.detail);
        assert!(world.hears(b, a, near) && world.hears(a, b, far));
    }
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    let leg = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    world.incoming(b);
    world.settle();
    for line in ["201", "202"] {
        for action in [transfer("203"), CallAction::Park { slot: None }] {
            assert_eq!(act(&mut world, line, action).unwrap_err().status, 409, "{line}");
        }
    }
    world.with_phone(a, |phone, now| phone.hang_up(now, leg));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_target_that_an_administrator_lets_drop_the_call_rings_the_transferor_back() {
    let (mut world, a, b, c) = three(504);
    let (_, far) = world.connected(a, b);
    act(&mut world, "201", transfer("203")).unwrap();
    world.incoming(c);
    act(&mut world, "203", CallAction::Drop).unwrap();
    let recall = world.incoming(a);
    world.with_phone(a, |phone, now| phone.answer(now, recall));
    world.settle();
    assert!(world.hears(a, b, far) && world.hears(b, a, recall));
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_pickup_group_shows_its_members_and_what_rings_in_it() {
    let (mut world, a, b, c) = three(505);
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    world.incoming(b);
    world.settle();
    let groups = rows(&mut world, AdminRequest::PickupGroups);
    let group = |name: &str| groups.iter().find(|row| row["group"] == json!(name)).unwrap();
    let sales = group("sales");
    assert_eq!((&sales["id"], &sales["members"]), (&json!("10"), &json!(["201", "202", "203"])));
    let ringing = sales["ringing"].as_array().unwrap();
    assert_eq!(ringing.len(), 1);
    assert_eq!((&ringing[0]["line"], &ringing[0]["caller"]), (&json!("202"), &json!("201")));
    assert!(ringing[0]["callId"].is_u64() && ringing[0]["since"].is_u64());
    assert_eq!(
        (&group("support")["allow"], &group("support")["ringing"]),
        (&json!(["sales"]), &json!([]))
    );
    let leg = world.with_phone(c, |phone, now| phone.call(now, "*8")).unwrap();
    world.expect(c, "picked up", |event| *event == PhoneEvent::Connected { leg });
    world.settle();
    let groups = rows(&mut world, AdminRequest::PickupGroups);
    assert!(groups.iter().all(|row| row["ringing"] == json!([])));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_transferred_call_that_rings_can_be_picked_up() {
    for by_phone in [true, false] {
        let (mut world, a, b, c) = three(506 + u64::from(by_phone));
        let (near, far) = world.connected(a, b);
        if by_phone {
            world.with_phone(a, |phone, now| phone.transfer(now, near, "203"));
        } else {
            act(&mut world, "201", transfer("203")).unwrap();
        }
        world.incoming(c);
        world.settle();
        let groups = rows(&mut world, AdminRequest::PickupGroups);
        let ringing = &groups.iter().find(|row| row["group"] == json!("sales")).unwrap()["ringing"];
        assert_eq!((&ringing[0]["line"], &ringing[0]["caller"]), (&json!("203"), &json!("202")));
        let leg = world.with_phone(a, |phone, now| phone.call(now, "**203")).unwrap();
        world.expect(a, "picked up", |event| *event == PhoneEvent::Connected { leg });
        world.settle();
        assert!(world.hears(a, b, far) && world.hears(b, a, leg), "by phone: {by_phone}");
        world.with_phone(b, |phone, now| phone.hang_up(now, far));
        world.settle();
        world.assert_at_rest();
    }
}
