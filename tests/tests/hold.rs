//! Hold and resume: by the phone in three spellings, by an application, by both at once.

use media::{Tone, Treatment};
use serde_json::json;
use sip_stack::sdp::Direction;
use switch::phone::{HoldSpelling, PhoneEvent};
use tests::sim::{PhoneIndex, World};

fn talking(seed: u64) -> (World, PhoneIndex, PhoneIndex) {
    let mut world = World::office(seed);
    let a = world.phone("201");
    let b = world.phone("202");
    (world, a, b)
}

fn state(world: &mut World, line: &str) -> (String, Option<String>) {
    let rows = world.administrator(switch::exchange::AdminRequest::Calls).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["line"] == json!(line)).unwrap();
    let word = |field: &serde_json::Value| {
        field.as_str().map(|text| text.rsplit('_').next().unwrap().to_owned())
    };
    (word(&row["callState"]).unwrap(), word(&row["mode"]))
}

fn is(world: &mut World, line: &str, wanted: &str, mode: Option<&str>) {
    assert_eq!(state(world, line), (wanted.to_owned(), mode.map(str::to_owned)), "line {line}");
}

#[test]
fn every_spelling_of_a_phones_hold_is_onhold_here_and_activeheld_there() {
    let spellings = [
        (HoldSpelling::SendOnly, Direction::RecvOnly),
        (HoldSpelling::Inactive, Direction::Inactive),
        (HoldSpelling::ZeroAddress, Direction::RecvOnly),
    ];
    for (spelling, _answer) in spellings {
        let (mut world, a, b) = talking(20);
        let (near, far) = world.connected(a, b);
        world.with_phone(a, |phone, now| phone.hold(now, near, spelling));
        world.expect(a, "the hold is answered", |event| {
            matches!(event, PhoneEvent::OfferAnswered { .. })
        });
        world.settle();
        is(&mut world, "201", "ONHOLD", None);
        is(&mut world, "202", "CONNECTED", Some("ACTIVEHELD"));
        assert!(!world.hears(a, b, far), "{spelling:?}");
        assert!(matches!(world.treatment(b, far), Treatment::Tone(Tone::Hold, _)), "{spelling:?}");
        world.with_phone(a, |phone, now| phone.resume(now, near));
        world.expect(a, "the resume is answered", |event| {
            matches!(event, PhoneEvent::OfferAnswered { direction: Direction::SendRecv, .. })
        });
        world.settle();
        is(&mut world, "201", "CONNECTED", Some("ACTIVE"));
        is(&mut world, "202", "CONNECTED", Some("ACTIVE"));
        assert!(world.hears(b, a, near) && world.hears(a, b, far));
        world.with_phone(a, |phone, now| phone.hang_up(now, near));
        world.settle();
        world.assert_at_rest();
    }
}

#[test]
fn both_sides_hold_and_each_resumes_for_itself() {
    let (mut world, a, b) = talking(21);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
    world.settle();
    world.with_phone(b, |phone, now| phone.hold(now, far, HoldSpelling::SendOnly));
    world.settle();
    is(&mut world, "201", "ONHOLD", None);
    is(&mut world, "202", "ONHOLD", None);
    world.with_phone(a, |phone, now| phone.resume(now, near));
    world.settle();
    is(&mut world, "201", "CONNECTED", Some("ACTIVEHELD"));
    is(&mut world, "202", "ONHOLD", None);
    assert!(!world.hears(b, a, near));
    world.with_phone(b, |phone, now| phone.resume(now, far));
    world.settle();
    assert!(world.hears(b, a, near) && world.hears(a, b, far));
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn two_holds_at_the_same_moment_both_take_effect() {
    let (mut world, a, b) = talking(22);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
    world.with_phone(b, |phone, now| phone.hold(now, far, HoldSpelling::Inactive));
    world.settle();
    is(&mut world, "201", "ONHOLD", None);
    is(&mut world, "202", "ONHOLD", None);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

fn own_call(
    world: &mut World,
    line: &str,
    plain: bool,
) -> (tests::sim::Application, u64, PhoneIndex) {
    let app = world.application("crm");
    world.open(app, line);
    let a = world.phone("201");
    if plain {
        let behaviour = switch::phone::Behaviour { obeys_events: false, ..Default::default() };
        world.with_phone(a, |phone, _| *phone.behaviour() = behaviour);
    }
    let b = world.phone("202");
    world.connected(a, b);
    let call = world
        .inbox(app)
        .iter()
        .find(|message| message["method"] == "LINE_APPNEWCALL")
        .and_then(|message| message["params"]["hCall"].as_u64())
        .unwrap();
    world.trace(app);
    (app, call, a)
}

#[test]
fn line_hold_tells_a_phone_that_understands_it_and_unhold_takes_the_call_back() {
    let mut world = World::office(23);
    let (app, call, a) = own_call(&mut world, "201", false);
    world.ask(app, "lineHold", json!({"hCall": call})).unwrap();
    world.settle();
    assert_eq!(world.trace(app), ["LINE_REPLY 0", "LINE_CALLSTATE ONHOLD"]);
    is(&mut world, "202", "CONNECTED", Some("ACTIVEHELD"));
    world.ask(app, "lineUnhold", json!({"hCall": call})).unwrap();
    world.settle();
    assert_eq!(world.trace(app), ["LINE_REPLY 0", "LINE_CALLSTATE CONNECTED ACTIVE"]);
    world.ask(app, "lineDrop", json!({"hCall": call})).unwrap();
    world.settle();
    assert_eq!(world.trace(app), ["LINE_REPLY 0", "LINE_CALLSTATE IDLE"]);
    let _ = a;
    world.assert_at_rest();
}

#[test]
fn line_unhold_of_a_call_that_the_phone_holds_and_cannot_release_fails() {
    let mut world = World::office(24);
    let app = world.application("crm");
    world.open(app, "201");
    let plain = switch::phone::Behaviour { obeys_events: false, ..Default::default() };
    let a = world.unregistered_phone("201", plain);
    world.register(a);
    let b = world.phone("202");
    let (near, _) = world.connected(a, b);
    let call = world.inbox(app)[0]["params"]["hCall"].as_u64().unwrap();
    // The switch holds in the phone's place: it knows no `Event: hold`.
    world.ask(app, "lineHold", json!({"hCall": call})).unwrap();
    world.settle();
    is(&mut world, "201", "ONHOLD", None);
    // The user holds as well: two hold owners.
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
    world.settle();
    let refused = world.ask(app, "lineUnhold", json!({"hCall": call, "wait": true}));
    assert!(refused.is_err(), "{refused:?}");
    world.with_phone(a, |phone, now| phone.resume(now, near));
    world.settle();
    is(&mut world, "201", "ONHOLD", None);
    world.ask(app, "lineUnhold", json!({"hCall": call})).unwrap();
    world.settle();
    is(&mut world, "201", "CONNECTED", Some("ACTIVE"));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}
