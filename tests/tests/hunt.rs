//! Hunt groups: who is rung, in which order, who gets the call, and what the others see.

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use switch::exchange::{AdminRequest, ForwardEntry};
use switch::phone::PhoneEvent;
use tapi::constant::ForwardMode;
use tests::sim::{Faults, PhoneIndex, World};

fn office(seed: u64, strategy: &str, on_no_answer: Option<&str>) -> World {
    let mut text = include_str!("../../config/office.toml")
        .replace("strategy = \"simultaneous\"", &format!("strategy = \"{strategy}\""));
    if on_no_answer.is_none() {
        text = text.replace("on_no_answer = \"206\"", "");
    }
    let config = config::parse(&text, "office.toml").unwrap();
    assert_eq!(config.hunt_groups["260"].on_no_answer.as_deref(), on_no_answer);
    World::new(seed, Faults::default(), config)
}

fn members(world: &mut World) -> [PhoneIndex; 3] {
    ["201", "202", "203"].map(|line| world.phone(line))
}

fn call(world: &mut World, phone: PhoneIndex) -> LegId {
    world.with_phone(phone, |phone, now| phone.call(now, "260")).unwrap()
}

/// Answers, checks who hears whom, hangs up.
fn talk(world: &mut World, a: (PhoneIndex, LegId), b: (PhoneIndex, LegId)) {
    world.with_phone(b.0, |phone, now| phone.answer(now, b.1));
    world.expect(a.0, "answered", |event| *event == PhoneEvent::Connected { leg: a.1 });
    world.settle();
    assert!(world.hears(b.0, a.0, a.1) && world.hears(a.0, b.0, b.1));
    world.with_phone(a.0, |phone, now| phone.hang_up(now, a.1));
    world.settle();
}

fn states(world: &World, line: &str, mark: usize) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("").rsplit('_').next().unwrap().to_owned();
    let events = world.events[mark..]
        .iter()
        .filter(|event| event["kind"] == json!("LINE_CALLSTATE") && event["line"] == json!(line));
    events
        .map(|event| {
            format!("{} {}", word(&event["callState"]), word(&event["mode"])).trim().to_owned()
        })
        .collect()
}

/// The phone among these that is called next.
fn next_rung(world: &mut World, phones: &[PhoneIndex]) -> (usize, LegId) {
    let mut found = None;
    world.until("a member rings", |world| {
        for (index, phone) in phones.iter().enumerate() {
            let event = world.take(*phone, |event| matches!(event, PhoneEvent::Incoming { .. }));
            if let Some(PhoneEvent::Incoming { leg, .. }) = event {
                found = Some((index, leg));
                return true;
            }
        }
        false
    });
    found.unwrap()
}

fn failure(world: &mut World, phone: PhoneIndex) -> u16 {
    let mut found = 0;
    world.until("the call fails", |world| {
        let event = world.take(phone, |event| matches!(event, PhoneEvent::Failed { .. }));
        if let Some(PhoneEvent::Failed { status, .. }) = event {
            found = status;
        }
        found != 0
    });
    found
}

#[test]
fn all_ring_at_once_one_gets_the_call_and_the_others_see_pickup() {
    let mut world = office(900, "simultaneous", Some("206"));
    let group = members(&mut world);
    let a = world.phone("204");
    let app = world.application("member");
    world.open(app, "202");
    let near = call(&mut world, a);
    let legs = group.map(|phone| world.incoming(phone));
    world.settle();
    let new = world.inbox(app).iter().find(|m| m["method"] == json!("LINE_APPNEWCALL")).cloned();
    let h_call = new.unwrap()["params"]["hCall"].clone();
    let info = world.ask(app, "lineGetCallInfo", json!({"hCall": h_call})).unwrap();
    assert_eq!((&info["calledId"], &info["calledIdName"]), (&json!("260"), &json!("Sales desk")));
    assert_eq!(info["redirectingId"].as_str().unwrap_or(""), "");
    world.with_phone(group[1], |phone, now| phone.answer(now, legs[1]));
    world.expect(a, "answered", |event| *event == PhoneEvent::Connected { leg: near });
    for loser in [0, 2] {
        world.expect(group[loser], "cancelled", |event| {
            *event == PhoneEvent::Ended { leg: legs[loser] }
        });
    }
    world.settle();
    assert!(world.hears(group[1], a, near) && world.hears(a, group[1], legs[1]));
    for line in ["201", "203"] {
        let expected = ["OFFERING ACTIVE", "DISCONNECTED PICKUP", "IDLE"];
        assert_eq!(states(&world, line, 0), expected, "{line}");
    }
    assert_eq!(states(&world, "202", 0), ["OFFERING ACTIVE", "CONNECTED ACTIVE"]);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.forget(app);
    world.assert_at_rest();
}

#[test]
fn two_members_that_answer_at_once_have_one_winner() {
    for seed in 0..40 {
        let mut world = office(1_000 + seed, "simultaneous", Some("206"));
        let group = members(&mut world);
        let a = world.phone("204");
        let near = call(&mut world, a);
        let legs = group.map(|phone| world.incoming(phone));
        for index in 0..3 {
            world.with_phone(group[index], |phone, now| phone.answer(now, legs[index]));
        }
        world.expect(a, "answered", |event| *event == PhoneEvent::Connected { leg: near });
        world.settle();
        let heard = (0..3).filter(|index| world.hears(a, group[*index], legs[*index]));
        assert_eq!(heard.count(), 1);
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn sequential_tries_one_after_the_other_and_always_begins_with_the_first() {
    for seed in [910, 911] {
        let mut world = office(seed, "sequential", Some("206"));
        let group = members(&mut world);
        let a = world.phone("204");
        for _ in 0..2 {
            let began = world.now();
            let near = call(&mut world, a);
            assert_eq!(next_rung(&mut world, &group).0, 0);
            assert_eq!(next_rung(&mut world, &group).0, 1);
            let (index, leg) = next_rung(&mut world, &group);
            assert_eq!(index, 2);
            assert!(world.now() - began >= Duration::from_secs(30), "15 s each");
            talk(&mut world, (a, near), (group[2], leg));
        }
        world.assert_at_rest();
    }
}

#[test]
fn round_robin_goes_on_where_it_stopped() {
    let mut world = office(912, "round-robin", Some("206"));
    let group = members(&mut world);
    let a = world.phone("204");
    for expected in [0, 1, 2, 0, 1] {
        let near = call(&mut world, a);
        let (index, leg) = next_rung(&mut world, &group);
        assert_eq!(index, expected);
        talk(&mut world, (a, near), (group[index], leg));
    }
    world.assert_at_rest();
}

#[test]
fn longest_idle_rings_who_has_had_no_call_for_the_longest_time() {
    let mut world = office(913, "longest-idle", Some("206"));
    let group = members(&mut world);
    let a = world.phone("204");
    // 201 has just made a call of its own.
    let near = world.with_phone(group[0], |phone, now| phone.call(now, "204")).unwrap();
    let far = world.incoming(a);
    talk(&mut world, (group[0], near), (a, far));
    for expected in [1, 2, 0, 1] {
        world.run_for(Duration::from_secs(1));
        let near = call(&mut world, a);
        let (index, leg) = next_rung(&mut world, &group);
        assert_eq!(index, expected);
        talk(&mut world, (a, near), (group[index], leg));
    }
    world.assert_at_rest();
}

#[test]
fn a_call_that_nobody_answers_goes_where_the_group_says() {
    for strategy in ["simultaneous", "sequential", "round-robin", "longest-idle"] {
        let mut world = office(920, strategy, Some("206"));
        let group = members(&mut world);
        let (a, last) = (world.phone("204"), world.phone("206"));
        let app = world.application("overflow");
        world.open(app, "206");
        let began = world.now();
        let near = call(&mut world, a);
        let leg = world.incoming(last);
        let rang = (world.now() - began).as_secs();
        assert_eq!(rang, if strategy == "simultaneous" { 15 } else { 45 }, "{strategy}");
        let inbox = world.inbox(app);
        let new = inbox.iter().find(|m| m["method"] == json!("LINE_APPNEWCALL")).cloned().unwrap();
        let h_call = new["params"]["hCall"].clone();
        let info = world.ask(app, "lineGetCallInfo", json!({"hCall": h_call})).unwrap();
        assert_eq!(info["reason"], json!("LINECALLREASON_FWDNOANSWER"));
        assert_eq!((&info["calledId"], &info["redirectingId"]), (&json!("260"), &json!("260")));
        talk(&mut world, (a, near), (last, leg));
        for line in ["201", "202", "203"] {
            let expected = ["OFFERING ACTIVE", "DISCONNECTED NOANSWER", "IDLE"];
            assert_eq!(states(&world, line, 0), expected, "{strategy} {line}");
        }
        for phone in group {
            let again = world.take(phone, |event| matches!(event, PhoneEvent::Connected { .. }));
            assert!(again.is_none());
        }
        world.forget(app);
        world.assert_at_rest();
    }
}

#[test]
fn without_an_overflow_the_caller_learns_what_says_most() {
    for strategy in ["simultaneous", "sequential"] {
        let mut world = office(930, strategy, None);
        let group = members(&mut world);
        let a = world.phone("204");
        for (phone, status) in group.into_iter().zip([480, 486, 603]) {
            world.with_phone(phone, |phone, _| phone.behaviour().refuses_with = Some(status));
        }
        call(&mut world, a);
        assert_eq!(failure(&mut world, a), 486, "{strategy}");
        world.assert_at_rest();
    }
}

#[test]
fn a_group_without_any_phone_is_480() {
    let mut world = office(931, "simultaneous", None);
    let a = world.phone("204");
    call(&mut world, a);
    assert_eq!(failure(&mut world, a), 480);
    world.assert_at_rest();
}

#[test]
fn members_own_forwarding_and_302_are_ignored_and_their_do_not_disturb_is_not() {
    let mut world = office(940, "sequential", Some("206"));
    let group = members(&mut world);
    let (a, other) = (world.phone("204"), world.phone("205"));
    let set = |line: &str, destination: Option<&str>| AdminRequest::SetForwarding {
        line: line.to_owned(),
        forward_list: vec![ForwardEntry {
            mode: ForwardMode::Uncond,
            caller: None,
            destination: destination.map(str::to_owned),
        }],
        rings: None,
    };
    world.administrator(set("201", Some("205"))).unwrap();
    world.administrator(set("202", None)).unwrap();
    let near = call(&mut world, a);
    let (index, leg) = next_rung(&mut world, &group);
    assert_eq!(index, 0, "its forwarding is ignored");
    world.with_phone(group[0], |phone, now| phone.deflect(now, leg, "205"));
    let (index, leg) = next_rung(&mut world, &group);
    assert_eq!(index, 2, "202 does not want to be disturbed");
    talk(&mut world, (a, near), (group[2], leg));
    assert!(world.take(other, |event| matches!(event, PhoneEvent::Incoming { .. })).is_none());
    world.assert_at_rest();
}

#[test]
fn a_member_that_calls_its_own_group_is_left_out() {
    let mut world = office(941, "sequential", Some("206"));
    let group = members(&mut world);
    let near = call(&mut world, group[0]);
    let (index, leg) = next_rung(&mut world, &group);
    assert_eq!(index, 1);
    talk(&mut world, (group[0], near), (group[1], leg));
    world.assert_at_rest();
}

#[test]
fn a_line_may_forward_to_the_group() {
    let mut world = office(942, "simultaneous", Some("206"));
    let group = members(&mut world);
    let (a, b) = (world.phone("204"), world.phone("205"));
    let leg = world.with_phone(b, |phone, now| phone.call(now, "*72260")).unwrap();
    world.expect(b, "set", |event| *event == PhoneEvent::Ended { leg });
    let near = world.with_phone(a, |phone, now| phone.call(now, "205")).unwrap();
    let (index, leg) = next_rung(&mut world, &group);
    talk(&mut world, (a, near), (group[index], leg));
    world.assert_at_rest();
}

#[test]
fn a_party_is_transferred_to_the_group() {
    let mut world = office(943, "sequential", Some("206"));
    let group = members(&mut world);
    let (a, b) = (world.phone("204"), world.phone("205"));
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "260"));
    assert_eq!(next_rung(&mut world, &group).0, 0);
    let (index, leg) = next_rung(&mut world, &group);
    assert_eq!(index, 1, "the search goes on after the first member's time");
    world.with_phone(group[1], |phone, now| phone.answer(now, leg));
    world.settle();
    assert!(world.hears(group[1], b, far) && world.hears(b, group[1], leg));
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_caller_that_gives_up_stops_the_hunt() {
    for wait in [0, 1, 14_990, 15_000, 15_010, 31_000] {
        let mut world = office(944, "sequential", Some("206"));
        let group = members(&mut world);
        let a = world.phone("204");
        let near = call(&mut world, a);
        next_rung(&mut world, &group);
        world.run_for(Duration::from_millis(wait));
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn a_call_to_the_group_can_be_picked_up() {
    let text = include_str!("../../config/office.toml")
        .replace("members = [\"201\", \"202\", \"203\"]", "members = [\"201\", \"202\"]");
    let config = config::parse(&text, "office.toml").unwrap();
    let mut world = World::new(945, Faults::default(), config);
    let group = ["201", "202"].map(|line| world.phone(line));
    let (a, second) = (world.phone("204"), world.phone("203"));
    let near = call(&mut world, a);
    let legs = group.map(|phone| world.incoming(phone));
    let leg = world.with_phone(second, |phone, now| phone.call(now, "**202")).unwrap();
    world.expect(second, "picked up", |event| *event == PhoneEvent::Connected { leg });
    for (phone, leg) in group.into_iter().zip(legs) {
        world.expect(phone, "cancelled", |event| *event == PhoneEvent::Ended { leg });
    }
    world.settle();
    assert!(world.hears(second, a, near));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}
