//! Transfer by phones: REFER, REFER with Replaces, and everything that can go wrong on the way.

use serde_json::json;
use std::time::Duration;
use switch::exchange::AdminRequest;
use switch::phone::{HoldSpelling, PhoneEvent};
use tests::sim::{PhoneIndex, World};

fn three(seed: u64) -> (World, PhoneIndex, PhoneIndex, PhoneIndex) {
    let mut world = World::office(seed);
    let phones = ["201", "202", "203"].map(|line| world.phone(line));
    (world, phones[0], phones[1], phones[2])
}

fn notified(world: &mut World, phone: PhoneIndex, wanted: u16, last: bool) {
    world.expect(phone, &format!("NOTIFY {wanted}"), |event| {
        matches!(event, PhoneEvent::TransferProgress { status, is_final, .. }
            if *status == wanted && *is_final == last)
    });
}

fn state(world: &mut World, line: &str) -> Option<String> {
    let rows = world.administrator(AdminRequest::Calls).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["line"] == json!(line)).cloned()?;
    let state = row["callState"].as_str().unwrap().trim_start_matches("LINECALLSTATE_").to_owned();
    let mode = row["mode"].as_str().and_then(|mode| mode.rsplit('_').next().map(str::to_owned));
    Some(mode.map_or(state.clone(), |mode| format!("{state} {mode}")))
}

#[test]
fn a_blind_transfer_joins_the_far_party_and_the_target_and_tells_the_truth_on_the_way() {
    for caller_transfers in [true, false] {
        let (mut world, a, b, c) = three(100 + u64::from(caller_transfers));
        let (near, far) = world.connected(a, b);
        let (by, leg, other, other_leg) =
            if caller_transfers { (a, near, b, far) } else { (b, far, a, near) };
        world.with_phone(by, |phone, now| phone.transfer(now, leg, "203"));
        notified(&mut world, by, 100, false);
        let target = world.incoming(c);
        notified(&mut world, by, 180, false);
        world.with_phone(c, |phone, now| phone.answer(now, target));
        notified(&mut world, by, 200, true);
        world.settle();
        assert!(world.hears(c, other, other_leg), "the target hears the far party");
        assert!(world.hears(other, c, target), "the far party hears the target");
        let lines = ["201", "202"];
        let (gone, there) =
            if caller_transfers { (lines[0], lines[1]) } else { (lines[1], lines[0]) };
        assert_eq!(state(&mut world, gone), None, "the transferor is IDLE");
        assert_eq!(state(&mut world, there).as_deref(), Some("CONNECTED ACTIVE"));
        assert_eq!(state(&mut world, "203").as_deref(), Some("CONNECTED ACTIVE"));
        world.with_phone(c, |phone, now| phone.hang_up(now, target));
        world.expect(other, "the far party is hung up", |e| matches!(e, PhoneEvent::Ended { .. }));
        world.assert_at_rest();
    }
}

#[test]
fn a_transferor_that_hangs_up_at_once_does_not_kill_the_transfer() {
    let (mut world, a, b, c) = three(110);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| {
        phone.transfer(now, near, "203");
    });
    let target = world.incoming(c);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.with_phone(c, |phone, now| phone.answer(now, target));
    world.settle();
    assert!(world.hears(c, b, far) && world.hears(b, c, target));
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_failed_blind_transfer_gives_the_call_back_to_who_transferred() {
    for refusal in [486, 603, 404] {
        let (mut world, a, b, c) = three(120 + u64::from(refusal));
        let (near, far) = world.connected(a, b);
        world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
        world.settle();
        world.with_phone(c, |phone, _| phone.behaviour().refuses_with = Some(refusal));
        world.with_phone(a, |phone, now| phone.transfer(now, near, "203"));
        notified(&mut world, a, refusal, true);
        world.settle();
        assert_eq!(state(&mut world, "201").as_deref(), Some("ONHOLD"));
        assert_eq!(state(&mut world, "202").as_deref(), Some("CONNECTED ACTIVEHELD"));
        world.with_phone(a, |phone, now| phone.resume(now, near));
        world.settle();
        assert!(world.hears(b, a, near) && world.hears(a, b, far));
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn a_transferor_that_resumes_while_the_target_rings_takes_its_party_back() {
    let (mut world, a, b, c) = three(125);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
    world.settle();
    world.with_phone(a, |phone, now| phone.transfer(now, near, "203"));
    let target = world.incoming(c);
    notified(&mut world, a, 180, false);
    // Another offer that holds is no change of mind.
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::Inactive));
    world.settle();
    assert_eq!(state(&mut world, "201").as_deref(), Some("ONHOLDPENDTRANSFER"));
    world.with_phone(a, |phone, now| phone.resume(now, near));
    notified(&mut world, a, 487, true);
    world.expect(
        c,
        "the ringing stops",
        |event| matches!(event, PhoneEvent::Ended { leg } if *leg == target),
    );
    world.settle();
    assert_eq!(state(&mut world, "201").as_deref(), Some("CONNECTED ACTIVE"));
    assert_eq!(state(&mut world, "202").as_deref(), Some("CONNECTED ACTIVE"));
    assert_eq!(state(&mut world, "203"), None);
    assert!(world.hears(b, a, near) && world.hears(a, b, far));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn nobody_is_sent_to_where_it_is_or_back_to_who_sends_it() {
    for number in ["201", "202"] {
        let (mut world, a, b, _) = three(126);
        let (near, far) = world.connected(a, b);
        world.with_phone(a, |phone, now| phone.transfer(now, near, number));
        notified(&mut world, a, 486, true);
        world.settle();
        assert_eq!(state(&mut world, "201").as_deref(), Some("CONNECTED ACTIVE"), "{number}");
        assert!(world.hears(b, a, near) && world.hears(a, b, far), "{number}");
        world.with_phone(b, |phone, now| phone.hang_up(now, far));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn a_target_that_fails_after_the_transferor_left_rings_the_transferor_back() {
    let (mut world, a, b, c) = three(130);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "203"));
    let target = world.incoming(c);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.with_phone(c, |phone, now| phone.reject(now, target, 486));
    let recall = world.incoming(a);
    world.with_phone(a, |phone, now| phone.answer(now, recall));
    world.settle();
    assert!(world.hears(a, b, far) && world.hears(b, a, recall));
    world.with_phone(a, |phone, now| phone.hang_up(now, recall));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_far_party_that_hangs_up_while_the_target_rings_ends_the_transfer() {
    let (mut world, a, b, c) = three(140);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "203"));
    world.incoming(c);
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.expect(c, "the ringing stops", |event| matches!(event, PhoneEvent::Ended { .. }));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn an_attended_transfer_joins_the_far_parties_of_both_calls() {
    for order in 0..3_u64 {
        let (mut world, a, b, c) = three(150 + order);
        // Every combination of who called whom.
        let (first, far) = if order == 1 {
            let (far, first) = world.connected(b, a);
            (first, far)
        } else {
            world.connected(a, b)
        };
        world.with_phone(a, |phone, now| phone.hold(now, first, HoldSpelling::SendOnly));
        world.settle();
        let (second, target) = if order == 2 {
            let (target, second) = world.connected(c, a);
            (second, target)
        } else {
            world.connected(a, c)
        };
        world.with_phone(a, |phone, now| phone.transfer_attended(now, first, second));
        notified(&mut world, a, 200, true);
        world.settle();
        assert!(world.hears(c, b, far), "order {order}");
        assert!(world.hears(b, c, target), "order {order}");
        assert_eq!(state(&mut world, "201"), None, "order {order}");
        world.with_phone(b, |phone, now| phone.hang_up(now, far));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn a_transfer_to_a_consultation_that_still_rings_joins_when_it_answers() {
    let (mut world, a, b, c) = three(160);
    let (first, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.hold(now, first, HoldSpelling::SendOnly));
    world.settle();
    let second = world.with_phone(a, |phone, now| phone.call(now, "203")).unwrap();
    let target = world.incoming(c);
    world.settle();
    world.with_phone(a, |phone, now| phone.transfer_attended(now, first, second));
    world.settle();
    assert_eq!(state(&mut world, "201"), None);
    world.with_phone(c, |phone, now| phone.answer(now, target));
    world.settle();
    assert!(world.hears(c, b, far) && world.hears(b, c, target));
    world.with_phone(c, |phone, now| phone.hang_up(now, target));
    world.run_for(Duration::from_secs(10));
    world.assert_at_rest();
}

#[test]
fn replaces_that_names_no_dialog_is_481_and_the_call_stays() {
    let (mut world, a, b, _) = three(170);
    let (near, far) = world.connected(a, b);
    let other = world.phone("204");
    let (_, stranger) = world.connected(other, b);
    let _ = stranger;
    world.with_phone(a, |phone, now| phone.transfer_attended(now, near, near));
    notified(&mut world, a, 481, true);
    assert!(world.hears(b, a, near) && world.hears(a, b, far));
    for phone in [a, b, other] {
        let legs = world.with_phone(phone, |phone, _| phone.legs());
        for leg in legs {
            world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
        }
    }
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_second_refer_while_one_is_pending_is_491() {
    let (mut world, a, b, c) = three(180);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "203"));
    let target = world.incoming(c);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "203"));
    world.expect(a, "491", |event| *event == PhoneEvent::TransferRefused { status: 491 });
    world.with_phone(c, |phone, now| phone.answer(now, target));
    notified(&mut world, a, 200, true);
    world.settle();
    assert!(world.hears(c, b, far));
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.assert_at_rest();
}
