//! Calls from phone to phone: how they begin, ring, fail, connect and end, and what TAPI shows.

use serde_json::{Value, json};
use std::time::Duration;
use switch::exchange::AdminRequest;
use switch::phone::{Behaviour, PhoneEvent};
use tests::sim::{PhoneIndex, World};

/// The states of a line's calls in the order they were published.
fn states(world: &World, line: &str) -> Vec<String> {
    let of_line = world
        .events
        .iter()
        .filter(|event| event["kind"] == "LINE_CALLSTATE" && event["line"] == json!(line));
    of_line
        .map(|event| {
            let word = |field: &Value| {
                field.as_str().map(|text| text.rsplit('_').next().unwrap_or(text).to_owned())
            };
            let state = word(&event["callState"]).unwrap_or_default();
            match word(&event["mode"]) {
                Some(mode) => format!("{state} {mode}"),
                None => state,
            }
        })
        .collect()
}

fn two_phones(seed: u64) -> (World, PhoneIndex, PhoneIndex) {
    let mut world = World::office(seed);
    let a = world.phone("201");
    let b = world.phone("202");
    (world, a, b)
}

fn failure(world: &mut World, phone: PhoneIndex) -> (u16, Option<String>) {
    let mut found = None;
    world.until("the call fails", |world| {
        found = world.take(phone, |event| matches!(event, PhoneEvent::Failed { .. }));
        found.is_some()
    });
    match found {
        Some(PhoneEvent::Failed { status, reason, .. }) => (status, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_lines_talk_through_the_relay_and_every_state_is_shown() {
    let (mut world, a, b) = two_phones(1);
    let (near, far) = world.connected(a, b);
    assert!(world.hears(b, a, near), "202 hears 201");
    assert!(world.hears(a, b, far), "201 hears 202");
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.expect(b, "202 is told", |event| matches!(event, PhoneEvent::Ended { .. }));
    world.assert_at_rest();
    assert_eq!(
        states(&world, "201"),
        ["DIALING", "PROCEEDING", "RINGBACK", "CONNECTED ACTIVE", "IDLE"]
    );
    assert_eq!(
        states(&world, "202"),
        ["OFFERING ACTIVE", "CONNECTED ACTIVE", "DISCONNECTED NORMAL", "IDLE"]
    );
}

#[test]
fn the_called_phone_hangs_up_and_the_caller_sees_disconnected_normal() {
    let (mut world, a, b) = two_phones(2);
    let (_, far) = world.connected(a, b);
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.expect(a, "201 is told", |event| matches!(event, PhoneEvent::Ended { .. }));
    world.assert_at_rest();
    assert_eq!(states(&world, "201")[3..], ["CONNECTED ACTIVE", "DISCONNECTED NORMAL", "IDLE"]);
    assert_eq!(states(&world, "202"), ["OFFERING ACTIVE", "CONNECTED ACTIVE", "IDLE"]);
}

#[test]
fn a_caller_that_gives_up_goes_idle_and_the_called_line_sees_cancelled() {
    let (mut world, a, b) = two_phones(3);
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    world.incoming(b);
    world.expect(a, "it rings", |event| matches!(event, PhoneEvent::Progress { status: 180, .. }));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.expect(b, "the ringing stops", |event| matches!(event, PhoneEvent::Ended { .. }));
    world.assert_at_rest();
    assert_eq!(states(&world, "201").last().unwrap(), "IDLE");
    assert_eq!(states(&world, "202"), ["OFFERING ACTIVE", "DISCONNECTED CANCELLED", "IDLE"]);
}

#[test]
fn busy_stays_visible_for_completion_although_the_phones_dialog_is_over() {
    let (mut world, a, b) = two_phones(4);
    world.with_phone(b, |phone, _| phone.behaviour().refuses_with = Some(486));
    world.with_phone(a, |phone, now| phone.call(now, "202"));
    let (status, reason) = failure(&mut world, a);
    assert_eq!(status, 486);
    assert_eq!(reason.as_deref(), Some("Q.850;cause=17"));
    let rows = world.administrator(AdminRequest::Calls).unwrap();
    assert_eq!(rows[0]["callState"], "LINECALLSTATE_BUSY");
    world.run_for(Duration::from_secs(19));
    assert_eq!(states(&world, "201").last().unwrap(), "BUSY STATION");
    world.run_for(Duration::from_secs(2));
    assert_eq!(states(&world, "201")[2..], ["BUSY STATION", "DISCONNECTED BUSY", "IDLE"]);
    world.assert_at_rest();
}

#[test]
fn a_new_call_of_the_line_ends_the_failed_one_at_once() {
    let (mut world, a, b) = two_phones(5);
    world.with_phone(b, |phone, _| phone.behaviour().refuses_with = Some(486));
    world.with_phone(a, |phone, now| phone.call(now, "202"));
    failure(&mut world, a);
    world.with_phone(a, |phone, now| phone.call(now, "299"));
    failure(&mut world, a);
    let states = states(&world, "201");
    let first_idle = states.iter().position(|state| state == "IDLE").unwrap();
    assert!(states[first_idle + 1..].contains(&"DIALING".to_owned()), "{states:?}");
    world.assert_at_rest();
}

#[test]
fn each_refusal_has_its_status_mode_and_q850_cause() {
    let cases = [
        (603, 603, "DISCONNECTED REJECT", "Q.850;cause=21"),
        (404, 404, "DISCONNECTED BADADDRESS", "Q.850;cause=1"),
        (480, 480, "DISCONNECTED NOANSWER", "Q.850;cause=19"),
        (488, 488, "DISCONNECTED INCOMPATIBLE", "Q.850;cause=65"),
        (503, 480, "DISCONNECTED CONGESTION", "Q.850;cause=41"),
        (500, 500, "DISCONNECTED TEMPFAILURE", "Q.850;cause=41"),
        (600, 486, "BUSY STATION", "Q.850;cause=17"),
        (302, 480, "DISCONNECTED FORWARDED", "Q.850;cause=23"),
    ];
    for (said, relayed, shown, cause) in cases {
        let (mut world, a, b) = two_phones(u64::from(said));
        world.with_phone(a, |phone, now| phone.call(now, "202"));
        let leg = world.incoming(b);
        world.expect(a, "it rings", |event| matches!(event, PhoneEvent::Progress { .. }));
        world.with_phone(b, |phone, now| phone.reject(now, leg, said));
        assert_eq!(failure(&mut world, a), (relayed, Some(cause.to_owned())), "{said}");
        assert_eq!(states(&world, "201").last().unwrap(), shown, "{said}");
        world.assert_at_rest();
    }
}

#[test]
fn what_a_called_phone_says_before_it_rings_is_no_ringing() {
    let (mut world, a, b) = two_phones(18);
    world.with_phone(b, |phone, _| phone.behaviour().rings = false);
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    let leg = world.incoming(b);
    for said in [199, 181, 182] {
        world.with_phone(b, |phone, now| phone.progress(now, leg, said));
        world.settle();
    }
    let told = |world: &mut World| {
        let heard = world.take(a, |event| matches!(event, PhoneEvent::Progress { .. }))?;
        let PhoneEvent::Progress { status, .. } = heard else { return None };
        Some(status)
    };
    assert_eq!(
        (told(&mut world), told(&mut world), told(&mut world)),
        (Some(181), Some(182), None)
    );
    assert_eq!(states(&world, "201"), ["DIALING", "PROCEEDING"]);
    world.with_phone(b, |phone, now| phone.progress(now, leg, 180));
    world.settle();
    assert_eq!(told(&mut world), Some(180));
    assert_eq!(states(&world, "201"), ["DIALING", "PROCEEDING", "RINGBACK"]);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_phone_that_rings_too_long_is_no_answer() {
    let (mut world, a, b) = two_phones(6);
    world.with_phone(a, |phone, now| phone.call(now, "202"));
    world.incoming(b);
    assert_eq!(failure(&mut world, a), (480, Some("Q.850;cause=19".to_owned())));
    world.expect(b, "the ringing stops", |event| matches!(event, PhoneEvent::Ended { .. }));
    assert_eq!(states(&world, "201").last().unwrap(), "DISCONNECTED NOANSWER");
    assert_eq!(states(&world, "202"), ["OFFERING ACTIVE", "DISCONNECTED NOANSWER", "IDLE"]);
    world.assert_at_rest();
}

#[test]
fn an_unknown_number_is_404_and_an_unregistered_line_is_unreachable() {
    let mut world = World::office(7);
    let a = world.phone("201");
    world.with_phone(a, |phone, now| phone.call(now, "299"));
    assert_eq!(failure(&mut world, a), (404, Some("Q.850;cause=1".to_owned())));
    assert_eq!(states(&world, "201").last().unwrap(), "DISCONNECTED BADADDRESS");
    world.with_phone(a, |phone, now| phone.call(now, "202"));
    assert_eq!(failure(&mut world, a), (480, Some("Q.850;cause=20".to_owned())));
    assert_eq!(states(&world, "201").last().unwrap(), "DISCONNECTED UNREACHABLE");
    assert!(states(&world, "202").is_empty(), "no phone, no call object");
    world.assert_at_rest();
}

#[test]
fn all_phones_of_a_line_ring_and_the_first_that_answers_wins() {
    let (mut world, a, b) = two_phones(8);
    let twin = world.phone("202");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    let first = world.incoming(b);
    world.incoming(twin);
    world.with_phone(b, |phone, now| phone.answer(now, first));
    world.expect(a, "connected", |event| *event == PhoneEvent::Connected { leg: near });
    world.expect(twin, "the other stops", |event| matches!(event, PhoneEvent::Ended { .. }));
    assert!(world.hears(b, a, near));
    assert_eq!(states(&world, "202"), ["OFFERING ACTIVE", "CONNECTED ACTIVE"]);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn of_two_phones_that_answer_at_the_same_moment_one_talks_and_the_other_is_hung_up() {
    let (mut world, a, b) = two_phones(9);
    let twin = world.phone("202");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    let legs = (world.incoming(b), world.incoming(twin));
    world.with_phone(b, |phone, now| phone.answer(now, legs.0));
    world.with_phone(twin, |phone, now| phone.answer(now, legs.1));
    world.expect(a, "connected", |event| *event == PhoneEvent::Connected { leg: near });
    world.settle();
    assert!(world.hears(b, a, near) != world.hears(twin, a, near), "exactly one hears 201");
    let left = [b, twin].map(|phone| world.with_phone(phone, |phone, _| phone.legs().len()));
    assert_eq!(left.iter().sum::<usize>(), 1);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn one_phone_may_refuse_while_another_still_rings() {
    let (mut world, a, b) = two_phones(10);
    let twin = world.phone("202");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    let legs = (world.incoming(b), world.incoming(twin));
    world.with_phone(b, |phone, now| phone.reject(now, legs.0, 486));
    world.settle();
    world.with_phone(twin, |phone, now| phone.answer(now, legs.1));
    world.expect(a, "connected", |event| *event == PhoneEvent::Connected { leg: near });
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_late_offer_gets_its_offer_in_the_200_and_its_answer_in_the_ack() {
    let mut world = World::office(11);
    let behaviour = Behaviour { offers_late: true, ..Behaviour::default() };
    let a = world.unregistered_phone("201", behaviour);
    world.register(a);
    let b = world.phone("202");
    let (near, far) = world.connected(a, b);
    world.settle();
    assert!(world.hears(b, a, near) && world.hears(a, b, far));
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_call_needs_room_on_the_called_address() {
    let mut world = World::office(12);
    let called = world.phone("202");
    let callers: Vec<_> = ["201", "203", "204", "205"].map(|line| world.phone(line)).to_vec();
    for caller in &callers {
        world.with_phone(*caller, |phone, now| phone.call(now, "202"));
        world.incoming(called);
    }
    let fifth = world.phone("206");
    world.with_phone(fifth, |phone, now| phone.call(now, "202"));
    assert_eq!(failure(&mut world, fifth).0, 486, "max_calls = 4");
    world.run_for(Duration::from_secs(30));
    world.assert_at_rest();
}

#[test]
fn a_call_without_media_ports_is_refused_with_503_and_harms_no_other() {
    let (mut world, a, b) = two_phones(13);
    let c = world.phone("203");
    let (near, far) = world.connected(a, b);
    world.media.with(|model| model.limit(3));
    world.with_phone(c, |phone, now| phone.call(now, "204"));
    failure(&mut world, c);
    let d = world.phone("204");
    world.with_phone(c, |phone, now| phone.call(now, "204"));
    assert_eq!(failure(&mut world, c).0, 503);
    assert!(world.hears(b, a, near) && world.hears(a, b, far));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.run_for(Duration::from_secs(30));
    let _ = d;
    world.assert_at_rest();
}

#[test]
fn wrong_password_is_challenged_again_and_never_calls() {
    let mut world = World::office(14);
    let b = world.phone("202");
    let text = include_str!("../../config/office.toml").replace("pw-201", "something-else");
    let config = config::parse(&text, "office.toml").unwrap();
    let mut other = World::new(14, tests::sim::Faults::default(), config);
    let a = other.unregistered_phone("201", Behaviour::default());
    other.with_phone(a, |phone, now| phone.call(now, "202"));
    assert_eq!(failure(&mut other, a).0, 401);
    assert!(states(&other, "201").is_empty());
    let _ = b;
    other.assert_at_rest();
}

#[test]
fn a_draining_switch_refuses_new_calls_and_keeps_the_present_one() {
    let (mut world, a, b) = two_phones(15);
    let (near, far) = world.connected(a, b);
    world.input(switch::exchange::Input::Drain);
    let c = world.unregistered_phone("203", Behaviour::default());
    world.register(c);
    world.with_phone(c, |phone, now| phone.call(now, "202"));
    assert_eq!(failure(&mut world, c).0, 503);
    assert!(world.hears(b, a, near) && world.hears(a, b, far));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.assert_at_rest();
}

#[test]
fn a_switch_that_ends_repeats_its_last_bye_until_it_was_heard() {
    let (mut world, a, b) = two_phones(16);
    let (near, _) = world.connected(a, b);
    world.input(switch::exchange::Input::Drain);
    world.unplug(b);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.input(switch::exchange::Input::Rest);
    assert!(!world.has_rested());
    world.plug(b);
    // RFC 3261 §17.1.2.2: repeated after 500 ms for the first time.
    world.run_for(Duration::from_millis(700));
    assert!(world.has_rested());
    world.assert_at_rest();
}

#[test]
fn a_switch_with_nothing_to_say_ends_at_once() {
    let (mut world, a, b) = two_phones(17);
    let (near, _) = world.connected(a, b);
    world.input(switch::exchange::Input::Drain);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    world.input(switch::exchange::Input::Rest);
    assert!(world.has_rested());
    world.assert_at_rest();
}
