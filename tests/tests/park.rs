//! Parking by transfer to a lot or a slot, retrieval by dialling the slot.

use serde_json::json;
use std::time::Duration;
use switch::phone::{HoldSpelling, PhoneEvent};
use tests::sim::{PhoneIndex, World};

fn three(seed: u64) -> (World, PhoneIndex, PhoneIndex, PhoneIndex) {
    let mut world = World::office(seed);
    let phones = ["201", "202", "203"].map(|line| world.phone(line));
    (world, phones[0], phones[1], phones[2])
}

fn slot(world: &World) -> String {
    let parked = world.events.iter().rev().find(|event| event["kind"] == json!("PARKED"));
    parked.and_then(|event| event["slot"].as_str()).expect("somebody is parked").to_owned()
}

fn refused(world: &mut World, phone: PhoneIndex) -> u16 {
    let mut status = 0;
    world.until("the call fails", |world| {
        let event = world.take(phone, |event| matches!(event, PhoneEvent::Failed { .. }));
        if let Some(PhoneEvent::Failed { status: found, .. }) = event {
            status = found;
        }
        status != 0
    });
    status
}

#[test]
fn a_party_parked_in_the_lot_is_retrieved_by_dialling_its_slot() {
    let (mut world, a, b, c) = three(200);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "700"));
    world.expect(a, "the transfer is done", |event| {
        matches!(event, PhoneEvent::TransferProgress { status: 200, is_final: true, .. })
    });
    world.settle();
    assert_eq!(slot(&world), "701");
    assert!(matches!(world.treatment(b, far), media::Treatment::Tone(media::Tone::Hold, _)));
    let leg = world.with_phone(c, |phone, now| phone.call(now, "701")).unwrap();
    world.expect(c, "the slot answers", |event| *event == PhoneEvent::Connected { leg });
    world.settle();
    assert!(world.hears(c, b, far) && world.hears(b, c, leg));
    world.with_phone(c, |phone, now| phone.hang_up(now, leg));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_taken_slot_is_refused_and_the_call_returns_to_who_transferred() {
    let (mut world, a, b, c) = three(201);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "705"));
    world.settle();
    let d = world.phone("204");
    let (leg, other) = world.connected(c, d);
    world.with_phone(c, |phone, now| phone.transfer(now, leg, "705"));
    world.expect(c, "the park is refused", |event| {
        matches!(event, PhoneEvent::TransferProgress { status: 486, is_final: true, .. })
    });
    assert!(world.hears(d, c, leg) && world.hears(c, d, other));
    for (phone, leg) in [(b, far), (c, leg)] {
        world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
    }
    world.settle();
    world.assert_at_rest();
}

#[test]
fn an_empty_slot_is_404() {
    let (mut world, a, _, _) = three(202);
    for number in ["703", "park+703"] {
        world.with_phone(a, |phone, now| phone.call(now, number));
        assert_eq!(refused(&mut world, a), 404, "{number}");
    }
    world.assert_at_rest();
}

#[test]
fn who_dials_the_lot_waits_in_the_next_free_slot_until_somebody_dials_it() {
    for slot_number in ["701", "park+701", "**701"] {
        let (mut world, a, b, _) = three(205);
        let near = world.with_phone(a, |phone, now| phone.call(now, "700")).unwrap();
        world.expect(a, "the lot answers", |event| *event == PhoneEvent::Connected { leg: near });
        world.settle();
        assert_eq!(slot(&world), "701");
        assert!(matches!(world.treatment(a, near), media::Treatment::Tone(media::Tone::Hold, _)));
        let far = world.with_phone(b, |phone, now| phone.call(now, slot_number)).unwrap();
        world.expect(b, slot_number, |event| *event == PhoneEvent::Connected { leg: far });
        world.settle();
        assert!(world.hears(a, b, far) && world.hears(b, a, near), "{slot_number}");
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn a_party_transferred_onto_the_call_to_the_lot_takes_its_slot() {
    let (mut world, a, b, c) = three(206);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
    world.settle();
    let consult = world.with_phone(a, |phone, now| phone.call(now, "700")).unwrap();
    world.expect(a, "the lot answers", |event| *event == PhoneEvent::Connected { leg: consult });
    world.with_phone(a, |phone, now| phone.transfer_attended(now, near, consult));
    world.expect(a, "the transfer is done", |event| {
        matches!(event, PhoneEvent::TransferProgress { status: 200, is_final: true, .. })
    });
    world.run_for(Duration::from_secs(8));
    let number = slot(&world);
    let leg = world.with_phone(c, |phone, now| phone.call(now, &number)).unwrap();
    world.expect(c, "the slot answers", |event| *event == PhoneEvent::Connected { leg });
    world.settle();
    assert!(world.hears(c, b, far) && world.hears(b, c, leg));
    world.with_phone(c, |phone, now| phone.hang_up(now, leg));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn who_hangs_up_the_call_to_the_lot_frees_its_slot_and_keeps_the_held_call() {
    let (mut world, a, b, _) = three(207);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
    let waiting = world.with_phone(a, |phone, now| phone.call(now, "700")).unwrap();
    world.expect(a, "the lot answers", |event| *event == PhoneEvent::Connected { leg: waiting });
    world.with_phone(a, |phone, now| phone.hang_up(now, waiting));
    world.with_phone(a, |phone, now| phone.resume(now, near));
    world.settle();
    assert!(world.hears(a, b, far) && world.hears(b, a, near));
    world.with_phone(b, |phone, now| phone.call(now, "701"));
    assert_eq!(refused(&mut world, b), 404);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn who_waits_in_the_lot_too_long_is_released() {
    let (mut world, a, _, _) = three(208);
    let leg = world.with_phone(a, |phone, now| phone.call(now, "700")).unwrap();
    world.expect(a, "the lot answers", |event| *event == PhoneEvent::Connected { leg });
    world.run_for(Duration::from_secs(89));
    assert!(world.with_phone(a, |phone, _| !phone.legs().is_empty()));
    world.expect(a, "nobody came", |event| *event == PhoneEvent::Ended { leg });
    world.settle();
    world.assert_at_rest();
}

#[test]
fn of_two_phones_that_dial_one_slot_exactly_one_gets_the_party() {
    for seed in 0..50 {
        let (mut world, a, b, c) = three(210 + seed);
        let d = world.phone("204");
        let (near, far) = world.connected(a, b);
        world.with_phone(a, |phone, now| phone.transfer(now, near, "700"));
        world.settle();
        let number = slot(&world);
        let one = world.with_phone(c, |phone, now| phone.call(now, &number)).unwrap();
        let other = world.with_phone(d, |phone, now| phone.call(now, &number)).unwrap();
        world.run_for(Duration::from_secs(2));
        let talks = [(c, one), (d, other)].map(|(phone, leg)| world.hears(b, phone, leg));
        assert_eq!(talks.iter().filter(|talks| **talks).count(), 1, "seed {seed}");
        world.with_phone(b, |phone, now| phone.hang_up(now, far));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn a_party_parked_too_long_rings_the_line_that_parked_it() {
    let (mut world, a, b, _) = three(203);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "700"));
    world.run_for(Duration::from_secs(89));
    let recall = world.incoming(a);
    world.with_phone(a, |phone, now| phone.answer(now, recall));
    world.settle();
    assert!(world.hears(a, b, far) && world.hears(b, a, recall));
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_parked_party_that_hangs_up_frees_its_slot() {
    let (mut world, a, b, c) = three(204);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "701"));
    world.settle();
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.with_phone(c, |phone, now| phone.call(now, "701"));
    assert_eq!(refused(&mut world, c), 404);
    world.assert_at_rest();
}
