//! Conference rooms: dialled, entered by transfer, muted on hold, full, empty.

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use sip_stack::sdp::Codec;
use switch::exchange::{AdminRequest, CallAction};
use switch::phone::{Behaviour, HoldSpelling, PhoneEvent};
use tests::sim::{Faults, PhoneIndex, World};

const ROOM: &str = "800";

/// A phone calls the room and is let in.
fn enters(world: &mut World, phone: PhoneIndex) -> LegId {
    let leg = world.with_phone(phone, |phone, now| phone.call(now, ROOM)).unwrap();
    world.expect(phone, "the room answers", |event| *event == PhoneEvent::Connected { leg });
    world.settle();
    leg
}

fn office(seed: u64) -> (World, [PhoneIndex; 3]) {
    let mut world = World::office(seed);
    let phones = ["201", "202", "203"].map(|line| world.phone(line));
    (world, phones)
}

fn row(world: &mut World, line: &str) -> Value {
    let rows = world.administrator(AdminRequest::Calls).unwrap();
    rows.as_array().unwrap().iter().find(|row| row["line"] == json!(line)).unwrap().clone()
}

fn hangs_up(world: &mut World, phone: PhoneIndex, leg: LegId) {
    world.with_phone(phone, |phone, now| phone.hang_up(now, leg));
    world.settle();
}

#[test]
fn three_phones_that_dial_the_room_hear_each_other_and_the_last_one_closes_it() {
    let (mut world, phones) = office(300);
    let legs = phones.map(|phone| enters(&mut world, phone));
    for (speaker, leg) in phones.into_iter().zip(legs) {
        for listener in phones {
            assert_eq!(world.hears(listener, speaker, leg), listener != speaker);
        }
    }
    for line in ["201", "202", "203"] {
        let row = row(&mut world, line);
        assert_eq!(row["callState"], json!("LINECALLSTATE_CONNECTED"));
        assert_eq!((&row["connected"], &row["called"]), (&json!(ROOM), &json!(ROOM)));
    }
    let contact = world.leg(phones[0], legs[0]).unwrap();
    assert!(contact.remote_target.starts_with("sip:800@"));
    hangs_up(&mut world, phones[1], legs[1]);
    assert!(world.hears(phones[0], phones[2], legs[2]));
    assert!(!world.hears(phones[1], phones[2], legs[2]));
    hangs_up(&mut world, phones[0], legs[0]);
    assert_eq!(world.media.with(|model| model.conferences()), 1);
    hangs_up(&mut world, phones[2], legs[2]);
    assert_eq!(world.media.with(|model| model.conferences()), 0);
    world.assert_at_rest();
}

#[test]
fn a_held_member_neither_speaks_nor_hears_and_adds_no_music() {
    let (mut world, [a, b, c]) = office(302);
    let [near, other, third] = [a, b, c].map(|phone| enters(&mut world, phone));
    let spellings = [HoldSpelling::SendOnly, HoldSpelling::Inactive, HoldSpelling::ZeroAddress];
    for spelling in spellings {
        world.with_phone(a, |phone, now| phone.hold(now, near, spelling));
        world.settle();
        assert_eq!(row(&mut world, "201")["callState"], json!("LINECALLSTATE_ONHOLD"));
        let port = world.relay_port(a, near).unwrap();
        assert_eq!(world.media.with(|model| model.seat(port)), None, "{spelling:?}");
        assert!(world.media.with(|model| model.destinations(port)).is_empty());
        assert!(!world.hears(a, b, other) && world.hears(c, b, other) && world.hears(b, c, third));
        assert_eq!(world.treatment(b, other), media::Treatment::None);
        world.with_phone(a, |phone, now| phone.resume(now, near));
        world.settle();
        assert!(world.hears(a, b, other) && world.hears(b, a, near) && world.hears(c, a, near));
    }
    for (phone, leg) in [(a, near), (b, other), (c, third)] {
        hangs_up(&mut world, phone, leg);
    }
    world.assert_at_rest();
}

#[test]
fn a_member_held_and_resumed_by_the_administrator_is_muted_meanwhile() {
    let (mut world, [a, b, _]) = office(303);
    world.with_phone(a, |phone, _| phone.behaviour().obeys_events = false);
    let [near, other] = [a, b].map(|phone| enters(&mut world, phone));
    let call_id = u32::try_from(row(&mut world, "201")["callId"].as_u64().unwrap()).unwrap();
    let order = |world: &mut World, action| {
        let line = "201".to_owned();
        world.administrator(AdminRequest::CallAction { call_id, line, action }).unwrap();
        world.settle();
    };
    order(&mut world, CallAction::Hold);
    assert!(!world.hears(b, a, near) && !world.hears(a, b, other));
    assert!(matches!(world.treatment(a, near), media::Treatment::Silence(_)));
    order(&mut world, CallAction::Unhold);
    assert!(world.hears(b, a, near) && world.hears(a, b, other));
    order(&mut world, CallAction::Drop);
    hangs_up(&mut world, b, other);
    world.assert_at_rest();
}

#[test]
fn a_full_room_is_busy() {
    let text =
        include_str!("../../config/office.toml").replace("max_members = 32", "max_members = 2");
    let config = config::parse(&text, "office.toml").unwrap();
    let mut world = World::new(304, Faults::default(), config);
    let [a, b, c] = ["201", "202", "203"].map(|line| world.phone(line));
    let [near, other] = [a, b].map(|phone| enters(&mut world, phone));
    world.with_phone(c, |phone, now| phone.call(now, ROOM));
    world.expect(c, "the room is full", |event| {
        matches!(event, PhoneEvent::Failed { status: 486, .. })
    });
    hangs_up(&mut world, a, near);
    world.run_for(Duration::from_secs(10));
    let third = enters(&mut world, c);
    assert!(world.hears(c, b, other) && world.hears(b, c, third));
    hangs_up(&mut world, b, other);
    hangs_up(&mut world, c, third);
    world.assert_at_rest();
}

#[test]
fn a_blind_transfer_to_the_room_takes_the_far_party_there() {
    let (mut world, [a, b, c]) = office(305);
    let inside = enters(&mut world, c);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, ROOM));
    world.expect(a, "the transfer is done", |event| {
        matches!(event, PhoneEvent::TransferProgress { status: 200, is_final: true, .. })
    });
    world.settle();
    assert!(world.hears(c, b, far) && world.hears(b, c, inside));
    assert_eq!(row(&mut world, "202")["connected"], json!(ROOM));
    assert_eq!(row(&mut world, "202")["mode"], json!("LINECONNECTEDMODE_ACTIVE"));
    hangs_up(&mut world, b, far);
    hangs_up(&mut world, c, inside);
    world.assert_at_rest();
}

#[test]
fn an_attended_transfer_into_the_room_takes_the_place_of_the_one_who_asked() {
    let (mut world, [a, b, c]) = office(306);
    let inside = enters(&mut world, c);
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
    world.settle();
    let consult = enters(&mut world, a);
    world.with_phone(a, |phone, now| phone.transfer_attended(now, near, consult));
    world.expect(a, "the transfer is done", |event| {
        matches!(event, PhoneEvent::TransferProgress { status: 200, is_final: true, .. })
    });
    world.run_for(Duration::from_secs(10));
    assert!(world.hears(c, b, far) && world.hears(b, c, inside));
    hangs_up(&mut world, b, far);
    hangs_up(&mut world, c, inside);
    world.assert_at_rest();
}

#[test]
fn phones_of_different_codecs_and_late_offers_are_mixed() {
    let mut world = World::office(307);
    let behaviours = [
        Behaviour { codecs: vec![Codec::pcma()], ..Behaviour::default() },
        Behaviour { codecs: vec![Codec::g722(), Codec::pcmu()], ..Behaviour::default() },
        Behaviour { offers_late: true, ..Behaviour::default() },
    ];
    let phones: Vec<_> = ["201", "202", "203"]
        .into_iter()
        .zip(behaviours)
        .map(|(line, behaviour)| {
            let phone = world.unregistered_phone(line, behaviour);
            world.with_phone(phone, |phone, now| phone.register(now, Duration::from_secs(3600)));
            world.settle();
            phone
        })
        .collect();
    let legs: Vec<_> = phones.iter().map(|phone| enters(&mut world, *phone)).collect();
    let mut kinds = Vec::new();
    for (phone, leg) in phones.iter().zip(&legs) {
        let port = world.relay_port(*phone, *leg).unwrap();
        kinds.push(world.media.with(|model| model.seat(port)).unwrap().1.kind);
        for other in phones.iter().filter(|other| *other != phone) {
            assert!(world.hears(*other, *phone, *leg));
        }
    }
    assert_eq!(kinds[..2], [media::Voice::Pcma, media::Voice::G722]);
    for (phone, leg) in phones.into_iter().zip(legs) {
        hangs_up(&mut world, phone, leg);
    }
    world.assert_at_rest();
}

#[test]
fn a_phone_that_speaks_nothing_we_mix_is_refused_with_488() {
    let mut world = World::office(308);
    let codecs = vec![Codec::new(18, "G729", 8_000)];
    let phone = world.unregistered_phone("201", Behaviour { codecs, ..Behaviour::default() });
    world.with_phone(phone, |phone, now| phone.register(now, Duration::from_secs(3600)));
    world.settle();
    world.with_phone(phone, |phone, now| phone.call(now, ROOM));
    world.expect(phone, "the room cannot be entered", |event| {
        matches!(event, PhoneEvent::Failed { status: 488, .. })
    });
    assert_eq!(world.media.with(|model| model.conferences()), 0);
    world.assert_at_rest();
}

#[test]
fn an_application_takes_its_line_into_the_room() {
    let (mut world, [a, b, _]) = office(309);
    let inside = enters(&mut world, b);
    world
        .administrator(AdminRequest::MakeCall { from: "201".to_owned(), to: ROOM.to_owned() })
        .unwrap();
    let leg = world.incoming(a);
    world.with_phone(a, |phone, now| phone.answer(now, leg));
    world.run_for(Duration::from_secs(2));
    assert_eq!(row(&mut world, "201")["callState"], json!("LINECALLSTATE_CONNECTED"));
    assert!(world.hears(a, b, inside) && world.hears(b, a, leg));
    hangs_up(&mut world, a, leg);
    hangs_up(&mut world, b, inside);
    world.assert_at_rest();
}
