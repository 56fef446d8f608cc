//! Pickup: by feature code, by group, and by INVITE with Replaces.

use serde_json::json;
use std::time::Duration;
use switch::phone::PhoneEvent;
use tests::sim::{PhoneIndex, World};

fn ringing(seed: u64) -> (World, PhoneIndex, PhoneIndex, sip_stack::endpoint::LegId) {
    let mut world = World::office(seed);
    let a = world.phone("206");
    let b = world.phone("202");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    world.incoming(b);
    world.settle();
    (world, a, b, near)
}

fn last_states(world: &World, line: &str) -> Vec<String> {
    let events = world
        .events
        .iter()
        .filter(|event| event["kind"] == json!("LINE_CALLSTATE") && event["line"] == json!(line));
    let word = |value: &serde_json::Value| {
        value.as_str().unwrap_or("").rsplit('_').next().unwrap().to_owned()
    };
    let states = events.map(|event| {
        format!("{} {}", word(&event["callState"]), word(&event["mode"])).trim().to_owned()
    });
    states.collect()
}

#[test]
fn the_own_group_code_takes_the_call_and_the_station_sees_pickup() {
    for code in ["*8", "*810", "**202"] {
        let (mut world, a, b, near) = ringing(300);
        let c = world.phone("203");
        let leg = world.with_phone(c, |phone, now| phone.call(now, code)).unwrap();
        world.expect(c, "picked up", |event| *event == PhoneEvent::Connected { leg });
        world.expect(b, "the ringing stops", |event| matches!(event, PhoneEvent::Ended { .. }));
        world.settle();
        assert!(world.hears(c, a, near) && world.hears(a, c, leg), "{code}");
        assert_eq!(
            last_states(&world, "202"),
            ["OFFERING ACTIVE", "DISCONNECTED PICKUP", "IDLE"],
            "{code}"
        );
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn a_group_picks_up_in_another_group_only_where_it_is_allowed() {
    let mut world = World::office(301);
    let (a, b) = (world.phone("206"), world.phone("204"));
    let near = world.with_phone(a, |phone, now| phone.call(now, "204")).unwrap();
    world.incoming(b);
    // sales may pick up in support, but the line without a group may not.
    let outsider = world.phone("206");
    world.with_phone(outsider, |phone, now| phone.call(now, "**204"));
    world.expect(outsider, "refused", |event| {
        matches!(event, PhoneEvent::Failed { status: 403, .. })
    });
    let c = world.phone("201");
    let leg = world.with_phone(c, |phone, now| phone.call(now, "*820")).unwrap();
    world.expect(c, "picked up", |event| *event == PhoneEvent::Connected { leg });
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn nothing_to_pick_up_is_404() {
    let mut world = World::office(302);
    let a = world.phone("201");
    for code in ["*8", "**202", "*899"] {
        world.with_phone(a, |phone, now| phone.call(now, code));
        world.expect(a, code, |event| matches!(event, PhoneEvent::Failed { status: 404, .. }));
    }
    world.run_for(Duration::from_secs(30));
    world.assert_at_rest();
}

#[test]
fn of_many_phones_that_pick_up_one_call_exactly_one_wins_and_the_caller_is_never_lost() {
    for seed in 0..100 {
        let (mut world, a, b, near) = ringing(400 + seed);
        let pickers: Vec<_> = ["201", "203"].map(|line| world.phone(line)).to_vec();
        let ringing_leg = world.with_phone(b, |phone, _| phone.legs()[0]);
        let legs: Vec<_> = pickers
            .iter()
            .map(|phone| world.with_phone(*phone, |phone, now| phone.call(now, "*8")).unwrap())
            .collect();
        if seed % 2 == 0 {
            world.with_phone(b, |phone, now| phone.answer(now, ringing_leg));
        }
        world.run_for(Duration::from_secs(3));
        let mut talking = 0;
        for (phone, leg) in pickers.iter().zip(&legs) {
            talking += usize::from(world.hears(a, *phone, *leg) && world.hears(*phone, a, near));
        }
        talking += usize::from(world.hears(a, b, ringing_leg) && world.hears(b, a, near));
        assert_eq!(talking, 1, "seed {seed}");
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.run_for(Duration::from_secs(3));
        world.assert_at_rest();
    }
}

#[test]
fn an_invite_with_replaces_takes_the_ringing_call() {
    let (mut world, a, b, near) = ringing(303);
    let ringing_leg = world.with_phone(b, |phone, _| phone.legs()[0]);
    let (call_id, switch_tag, phone_tag) =
        world.with_phone(b, |phone, _| phone.dialog(ringing_leg)).unwrap();
    let c = world.phone("203");
    let leg = world
        .with_phone(c, |phone, now| {
            phone.call_replacing(now, "202", (&call_id, &switch_tag, &phone_tag))
        })
        .unwrap();
    world.expect(c, "picked up", |event| *event == PhoneEvent::Connected { leg });
    world.settle();
    assert!(world.hears(c, a, near) && world.hears(a, c, leg));
    let stranger = world.phone("205");
    world.with_phone(stranger, |phone, now| {
        phone.call_replacing(now, "202", (&call_id, "wrong", &phone_tag))
    });
    world.expect(stranger, "481", |event| matches!(event, PhoneEvent::Failed { status: 481, .. }));
    world.with_phone(c, |phone, now| phone.hang_up(now, leg));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn what_rings_in_a_hunt_group_is_picked_up_by_the_groups_number() {
    let mut world = World::office(304);
    let (a, b, c) = (world.phone("206"), world.phone("202"), world.phone("203"));
    let near = world.with_phone(a, |phone, now| phone.call(now, "260")).unwrap();
    world.incoming(b);
    world.incoming(c);
    let outsider = world.phone("205");
    world.with_phone(outsider, |phone, now| phone.call(now, "**260"));
    world.expect(outsider, "403", |event| matches!(event, PhoneEvent::Failed { status: 403, .. }));
    let d = world.phone("201");
    let rung = world.with_phone(d, |phone, now| phone.call(now, "pickup+260")).unwrap();
    world.expect(d, "picked up", |event| *event == PhoneEvent::Connected { leg: rung });
    world.settle();
    assert!(world.hears(d, a, near) && world.hears(a, d, rung));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}
