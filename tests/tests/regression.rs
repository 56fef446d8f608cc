//! Bugs that the simulation has found, each as the shortest story that shows it.

use media::Treatment;
use serde_json::json;
use sip_stack::sdp::Codec;
use switch::exchange::{AdminRequest, CallAction};
use switch::phone::{Behaviour, HoldSpelling, PhoneEvent};
use tests::sim::{PhoneIndex, World};

fn phone_with(world: &mut World, line: &str, behaviour: Behaviour) -> PhoneIndex {
    let phone = world.unregistered_phone(line, behaviour);
    world.register(phone);
    phone
}

fn codecs(codecs: &[Codec]) -> Behaviour {
    Behaviour { codecs: codecs.to_vec(), ..Behaviour::default() }
}

fn row(world: &mut World, line: &str) -> serde_json::Value {
    let rows = world.administrator(AdminRequest::Calls).unwrap();
    let found = rows.as_array().unwrap().iter().find(|row| row["line"] == json!(line));
    found.cloned().unwrap_or_default()
}

fn act(world: &mut World, line: &str, action: CallAction) {
    let call_id = row(world, line)["callId"].as_u64().and_then(|id| u32::try_from(id).ok());
    let (call_id, line) = (call_id.unwrap(), line.to_owned());
    world.administrator(AdminRequest::CallAction { call_id, line, action }).unwrap();
}

#[test]
fn line_make_call_shows_dialing_after_its_reply() {
    let mut world = World::office(1);
    world.phone("201");
    let application = world.application("crm");
    let line = world.open(application, "201");
    let wish = json!({"hLine": line, "destAddress": "299"});
    world.ask(application, "lineMakeCall", wish).unwrap();
    assert_eq!(world.trace(application), ["LINE_REPLY 0", "LINE_CALLSTATE DIALING"]);
    world.run_for(std::time::Duration::from_secs(30));
    world.assert_at_rest();
}

#[test]
fn a_held_call_in_a_codec_that_the_switch_cannot_speak_carries_nothing() {
    let mut world = World::office(2);
    let a = phone_with(&mut world, "201", codecs(&[Codec::new(18, "G729", 8_000)]));
    let b = phone_with(&mut world, "202", codecs(&[Codec::new(18, "G729", 8_000)]));
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
    world.settle();
    assert!(!world.hears(b, a, near), "the held party hears nobody");
    assert!(!world.hears(a, b, far), "the holder hears nobody");
    assert_eq!(world.treatment(b, far), Treatment::None);
    world.with_phone(a, |phone, now| phone.resume(now, near));
    world.settle();
    world.assert_agreement(false);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.assert_at_rest();
}

#[test]
fn a_hold_pressed_while_the_destination_rings_is_a_hold_once_it_answers() {
    let mut world = World::office(3);
    let a = world.phone("201");
    let b = world.phone("202");
    let request = AdminRequest::MakeCall { from: "201".to_owned(), to: "202".to_owned() };
    world.administrator(request).unwrap();
    let own = world.incoming(a);
    let far = world.incoming(b);
    world.with_phone(a, |phone, now| phone.hold(now, own, HoldSpelling::SendOnly));
    world.settle();
    world.with_phone(b, |phone, now| phone.answer(now, far));
    world.settle();
    assert_eq!(row(&mut world, "201")["callState"], "LINECALLSTATE_ONHOLD");
    assert_eq!(row(&mut world, "202")["mode"], "LINECONNECTEDMODE_ACTIVEHELD");
    world.assert_agreement(false);
    world.with_phone(a, |phone, now| phone.resume(now, own));
    world.settle();
    world.assert_agreement(false);
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.assert_at_rest();
}

#[test]
fn a_phone_that_re_offered_during_the_switchs_hold_is_told_that_it_may_talk_again() {
    let mut world = World::office(4);
    let plain = Behaviour { obeys_events: false, ..Behaviour::default() };
    let a = phone_with(&mut world, "201", plain);
    let b = world.phone("202");
    let (near, far) = world.connected(a, b);
    act(&mut world, "201", CallAction::Hold);
    world.with_phone(a, |phone, now| phone.resume(now, near));
    world.settle();
    assert_eq!(row(&mut world, "201")["callState"], "LINECALLSTATE_ONHOLD");
    act(&mut world, "201", CallAction::Unhold);
    world.settle();
    assert!(world.hears(b, a, near) && world.hears(a, b, far));
    world.assert_agreement(false);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.assert_at_rest();
}

#[test]
fn parties_without_a_common_codec_are_not_connected_after_a_late_offer() {
    let mut world = World::office(5);
    // What the late one speaks nobody can translate.
    let foreign = Codec::new(18, "G729", 8_000);
    let late = Behaviour { offers_late: true, ..codecs(&[foreign]) };
    let a = phone_with(&mut world, "201", late);
    let b = phone_with(&mut world, "202", codecs(&[Codec::pcmu()]));
    world.with_phone(a, |phone, now| phone.call(now, "202"));
    let far = world.incoming(b);
    world.with_phone(b, |phone, now| phone.answer(now, far));
    world.expect(b, "202 is hung up", |event| matches!(event, PhoneEvent::Ended { .. }));
    world.run_for(std::time::Duration::from_secs(40));
    world.assert_agreement(false);
    world.assert_at_rest();
}

#[test]
fn a_digit_before_the_callers_ack_does_not_cost_the_call() {
    for seed in 0..200 {
        let faults = tests::sim::Faults { jitter_ms: 60, ..Default::default() };
        let mut world = World::with_faults(seed, faults);
        let (a, b) = (world.phone("201"), world.phone("202"));
        let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
        let far = world.incoming(b);
        world.with_phone(b, |phone, now| phone.answer(now, far));
        world.expect(b, "acknowledged", |event| matches!(event, PhoneEvent::Connected { .. }));
        world.with_phone(b, |phone, now| phone.send_digit(now, far, '5'));
        world.run_for(std::time::Duration::from_secs(40));
        world.assert_agreement(false);
        assert_eq!(world.legs(a), [near], "seed {seed}\n{}", world.ladder());
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.assert_at_rest();
    }
}

#[test]
fn a_pickup_that_fails_once_its_phone_has_answered_ends_its_call() {
    let mut world = World::office(7);
    // Nothing that the switch could translate.
    let other = || codecs(&[Codec::new(18, "G729", 8_000)]);
    let (a, b) = (phone_with(&mut world, "201", other()), phone_with(&mut world, "202", other()));
    phone_with(&mut world, "203", codecs(&[Codec::pcmu()]));
    let application = world.application("crm");
    let line = world.open(application, "203");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    world.incoming(b);
    let wish = json!({"hLine": line, "addressId": 0, "destAddress": "202"});
    world.ask(application, "linePickup", wish).unwrap();
    world.settle();
    let told = world.trace(application);
    assert_eq!(told.first().map(String::as_str), Some("LINE_REPLY 0"), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("LINE_CALLSTATE IDLE"), "{told:?}");
    assert_eq!(world.legs(b).len(), 1, "202 goes on ringing");
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.assert_at_rest();
    world.shutdown(application);
    world.assert_forgotten();
}
