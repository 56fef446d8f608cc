//! What applications do with conferences and with the calls of a phone that holds by itself: the ordered
//! messages, who hears whom, nothing left behind.

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use switch::phone::{HoldSpelling, PhoneEvent};
use tests::matrix::{Phones, Setting};

/// LINE_CALLSTATE messages since the last question, with the handle: `3 CONNECTED ACTIVE`.
fn told(setting: &mut Setting) -> Vec<String> {
    let messages = std::mem::take(setting.world.inbox(setting.owner));
    let short = |message: &Value| match message["method"].as_str()? {
        "LINE_REPLY" => Some("REPLY".to_owned()),
        "LINE_CALLSTATE" => {
            let params = &message["params"];
            let word = |name: &str| params[name].as_str()?.rsplit('_').next();
            let mut text = format!("{} {}", params["hCall"], word("callState")?);
            if let Some(mode) = word("mode") {
                text = format!("{text} {mode}");
            }
            Some(text)
        }
        _ => None,
    };
    messages.iter().filter_map(short).collect()
}

/// Exactly these places (with their legs) hear each other.
fn hear_each_other(setting: &Setting, all: &[(usize, LegId)], group: &[usize]) {
    for (speaker, leg) in all {
        for (listener, _) in all.iter().filter(|(listener, _)| listener != speaker) {
            let phones = [setting.phones[*listener], setting.phones[*speaker]];
            let heard = setting.world.hears(phones[0], phones[1], *leg);
            let expected = group.contains(speaker) && group.contains(listener);
            assert_eq!(heard, expected, "{listener} hears {speaker}\n{}", setting.world.ladder());
        }
    }
}

/// 201 talks to 202 and has consulted 203; the calls and all ends.
fn consulted(setting: &mut Setting) -> (u64, u64, Vec<(usize, LegId)>) {
    let (near, far) = setting.talk_to(1);
    let held = setting.call("CONNECTED");
    let consult = setting.consult(held);
    setting.dial_on(consult, "203");
    let third = setting.answer(2);
    told(setting);
    (held, consult, vec![(0, near), (1, far), (2, third)])
}

fn without_hold(number: &str) -> Value {
    let flags = ["LINECALLPARAMFLAGS_NOHOLDCONFERENCE"];
    json!({"callParamFlags": flags, "targetAddress": number})
}

#[test]
fn a_transfer_completed_as_a_conference_mixes_all_three_and_ends_as_a_call_of_two() {
    for is_swapped in [false, true] {
        let mut setting = Setting::new(Phones::Plain, 600);
        let (held, consult, ends) = consulted(&mut setting);
        if is_swapped {
            setting.swap(consult, held);
            assert_eq!(told(&mut setting), ["REPLY", "3 ONHOLDPENDTRANSFER", "2 CONNECTED ACTIVE"]);
            hear_each_other(&setting, &ends, &[0, 1]);
        }
        let mode = "LINETRANSFERMODE_CONFERENCE";
        let params = json!({"hCall": held, "hConsultCall": consult, "transferMode": mode});
        let reply = setting.ask("lineCompleteTransfer", params);
        let parent = reply["hConfCall"].as_u64().unwrap();
        setting.world.settle();
        let members = if is_swapped { [consult, held] } else { [held, consult] };
        let [first, second] = members.map(|member| format!("{member} CONFERENCED"));
        let begun = format!("{parent} CONNECTED ACTIVE");
        assert_eq!(told(&mut setting), ["REPLY", &begun, &first, &second]);
        hear_each_other(&setting, &ends, &[0, 1, 2]);
        let related = setting.ask("lineGetConfRelatedCalls", json!({"hCall": consult}));
        assert_eq!(related["calls"], json!([parent, members[0], members[1]]));
        let (_, third) = ends[2];
        setting.world.with_phone(setting.phones[2], |phone, now| phone.hang_up(now, third));
        setting.world.settle();
        assert_eq!(
            told(&mut setting),
            ["3 DISCONNECTED NORMAL", "3 IDLE", "2 CONNECTED ACTIVE", "4 IDLE"]
        );
        hear_each_other(&setting, &ends[..2], &[0, 1]);
        setting.end();
    }
}

#[test]
fn a_conference_of_two_dialogs_keeps_the_one_that_talks() {
    let mut setting = Setting::new(Phones::Plain, 601);
    let (near, far) = setting.talk_to(1);
    setting.press_hold(near);
    let (second, third) = setting.talk_to(2);
    let (held, active) = (setting.call("ONHOLD"), setting.call("CONNECTED"));
    let mode = "LINETRANSFERMODE_CONFERENCE";
    let params = json!({"hCall": held, "hConsultCall": active, "transferMode": mode});
    setting.ask("lineCompleteTransfer", params);
    setting.world.expect(setting.phones[0], "the idle dialog is hung up", |event| {
        *event == PhoneEvent::Ended { leg: near }
    });
    hear_each_other(&setting, &[(0, second), (1, far), (2, third)], &[0, 1, 2]);
    setting.end();
}

#[test]
fn nobody_is_held_while_a_third_party_is_called_and_joins() {
    let mut setting = Setting::new(Phones::Obedient, 602);
    let (near, far) = setting.talk_to(1);
    let call = setting.call("CONNECTED");
    told(&mut setting);
    let params = json!({"hCall": call, "callParams": without_hold("203")});
    setting.ask("lineSetupConference", params);
    setting.world.settle();
    assert_eq!(
        told(&mut setting),
        ["REPLY", "3 UNKNOWN", "4 DIALING", "4 PROCEEDING", "4 RINGBACK"]
    );
    hear_each_other(&setting, &[(0, near), (1, far)], &[0, 1]);
    let third = setting.answer(2);
    assert_eq!(told(&mut setting), ["2 CONFERENCED", "4 CONFERENCED", "3 CONNECTED ACTIVE"]);
    hear_each_other(&setting, &[(0, near), (1, far), (2, third)], &[0, 1, 2]);
    // One more, the same way: the three go on talking.
    let params = json!({"hConfCall": 3, "callParams": without_hold("204")});
    setting.ask("linePrepareAddToConference", params);
    setting.world.settle();
    hear_each_other(&setting, &[(0, near), (1, far), (2, third)], &[0, 1, 2]);
    let fourth = setting.answer(3);
    let all = [(0, near), (1, far), (2, third), (3, fourth)];
    hear_each_other(&setting, &all, &[0, 1, 2, 3]);
    setting.end();
}

#[test]
fn a_third_party_that_refuses_leaves_the_two_as_they_were() {
    let mut setting = Setting::new(Phones::Obedient, 603);
    setting.behave(2, |behaviour| behaviour.refuses_with = Some(603));
    let (near, far) = setting.talk_to(1);
    let call = setting.call("CONNECTED");
    told(&mut setting);
    let params = json!({"hCall": call, "callParams": without_hold("203")});
    setting.ask("lineSetupConference", params);
    setting.world.settle();
    let trace = told(&mut setting);
    let end = &trace[trace.len() - 3..];
    assert_eq!(end, ["4 DISCONNECTED REJECT", "4 IDLE", "3 IDLE"]);
    assert_eq!(setting.call("CONNECTED"), call);
    hear_each_other(&setting, &[(0, near), (1, far)], &[0, 1]);
    setting.end();
}

#[test]
fn whoever_waits_for_a_third_party_and_hangs_up_ends_the_attempt() {
    let mut setting = Setting::new(Phones::Obedient, 604);
    let (near, _) = setting.talk_to(1);
    let call = setting.call("CONNECTED");
    let params = json!({"hCall": call, "callParams": without_hold("203")});
    setting.ask("lineSetupConference", params);
    let ringing = setting.world.incoming(setting.phones[2]);
    setting.world.with_phone(setting.phones[0], |phone, now| phone.hang_up(now, near));
    setting.world.expect(setting.phones[2], "the ringing stops", |event| {
        *event == PhoneEvent::Ended { leg: ringing }
    });
    setting.world.settle();
    assert!(setting.calls(setting.owner).iter().all(|(_, state)| state == "IDLE"));
    setting.end();
}

#[test]
fn the_phone_swaps_between_conference_and_consulted_party() {
    let mut setting = Setting::new(Phones::Plain, 605);
    let [parent, ..] = setting.conference();
    let consult = setting.prepare(parent);
    setting.dial_on(consult, "204");
    setting.answer(3);
    let all: Vec<(usize, LegId)> =
        (0..4).map(|place| (place, setting.world.legs(setting.phones[place])[0])).collect();
    told(&mut setting);
    let heard = |setting: &Setting, group: &[usize], others: &[usize]| {
        for (speaker, leg) in &all {
            for (listener, _) in all.iter().filter(|(listener, _)| listener != speaker) {
                let together =
                    |group: &[usize]| group.contains(speaker) && group.contains(listener);
                let phones = [setting.phones[*listener], setting.phones[*speaker]];
                let is_heard = setting.world.hears(phones[0], phones[1], *leg);
                assert_eq!(is_heard, together(group) || together(others));
            }
        }
    };
    heard(&setting, &[0, 3], &[1, 2]);
    setting.swap(consult, parent);
    let expected = [
        "REPLY".to_owned(),
        format!("{consult} ONHOLDPENDCONF"),
        format!("{parent} CONNECTED ACTIVE"),
    ];
    assert_eq!(told(&mut setting), expected);
    heard(&setting, &[0, 1, 2], &[]);
    setting.swap(parent, consult);
    heard(&setting, &[0, 3], &[1, 2]);
    setting.add(parent, consult);
    heard(&setting, &[0, 1, 2, 3], &[]);
    setting.end();
}

#[test]
fn unhold_of_the_first_party_gives_the_call_of_two_back_and_of_the_parent_keeps_the_bridge() {
    for of_parent in [false, true] {
        let mut setting = Setting::new(Phones::Plain, 606);
        let (near, far) = setting.talk_to(1);
        let first = setting.call("CONNECTED");
        let (parent, consult) = setting.set_up_conference(first);
        told(&mut setting);
        let call = if of_parent { parent } else { first };
        setting.ask("lineUnhold", json!({"hCall": call}));
        setting.world.settle();
        let over = format!("{consult} IDLE");
        if of_parent {
            let back = format!("{parent} CONNECTED ACTIVE");
            assert_eq!(told(&mut setting), ["REPLY", &over, &back]);
        } else {
            let (back, end) = (format!("{first} CONNECTED ACTIVE"), format!("{parent} IDLE"));
            assert_eq!(told(&mut setting), ["REPLY", &over, &back, &end]);
        }
        hear_each_other(&setting, &[(0, near), (1, far)], &[0, 1]);
        setting.end();
    }
}

#[test]
fn a_party_added_while_it_rings_is_mixed_when_it_answers() {
    let mut setting = Setting::new(Phones::Obedient, 607);
    let (near, far) = setting.talk_to(1);
    let first = setting.call("CONNECTED");
    let (parent, consult) = setting.set_up_conference(first);
    setting.dial_on(consult, "203");
    told(&mut setting);
    setting.add(parent, consult);
    let joined = [
        "REPLY".to_owned(),
        format!("{consult} CONFERENCED"),
        format!("{parent} CONNECTED ACTIVE"),
    ];
    assert_eq!(told(&mut setting), joined);
    hear_each_other(&setting, &[(0, near), (1, far)], &[0, 1]);
    let third = setting.answer(2);
    hear_each_other(&setting, &[(0, near), (1, far), (2, third)], &[0, 1, 2]);
    setting.end();
}

#[test]
fn any_call_of_the_line_joins_a_conference_that_is_on_hold() {
    let mut setting = Setting::new(Phones::Plain, 608);
    let [parent, ..] = setting.conference();
    setting.hold(parent);
    let (fourth, _) = setting.called_by(3);
    let call = setting.call("CONNECTED");
    setting.add(parent, call);
    let own = setting.world.legs(setting.phones[0]);
    assert_eq!(own.len(), 1, "one dialog is enough");
    let others = [1, 2].map(|place| (place, setting.world.legs(setting.phones[place])[0]));
    let all = [(0, own[0]), others[0], others[1], (3, fourth)];
    hear_each_other(&setting, &all, &[0, 1, 2, 3]);
    setting.end();
}

#[test]
fn two_calls_of_a_phone_that_holds_one_by_itself_change_their_dialogs() {
    for kind in [Phones::Plain, Phones::Obedient] {
        let mut setting = Setting::new(kind, 609);
        let (near, far) = setting.talk_to(1);
        setting.press_hold(near);
        let (second, third) = setting.talk_to(2);
        let (held, active) = (setting.call("ONHOLD"), setting.call("CONNECTED"));
        told(&mut setting);
        setting.swap(active, held);
        assert_eq!(told(&mut setting), ["REPLY", "3 ONHOLD", "2 CONNECTED ACTIVE"]);
        let [a, b, c] = [0, 1, 2].map(|place| setting.phones[place]);
        assert!(setting.world.hears(b, a, second) && setting.world.hears(a, b, far));
        assert!(!setting.world.hears(c, a, second) && !setting.world.hears(a, c, third));
        setting.swap(held, active);
        assert!(setting.world.hears(c, a, second) && setting.world.hears(a, c, third));
        assert!(!setting.world.hears(b, a, second));
        setting.end();
    }
}

#[test]
fn a_phone_that_was_told_to_hold_and_resumes_by_itself_is_connected() {
    let mut setting = Setting::new(Phones::Obedient, 610);
    let (near, far) = setting.talk_to(1);
    let call = setting.call("CONNECTED");
    setting.hold(call);
    assert_eq!(setting.call("ONHOLD"), call);
    told(&mut setting);
    setting.world.with_phone(setting.phones[0], |phone, now| phone.resume(now, near));
    setting.world.settle();
    assert_eq!(told(&mut setting), ["2 CONNECTED ACTIVE"]);
    hear_each_other(&setting, &[(0, near), (1, far)], &[0, 1]);
    // The mirror: the phone holds, the application takes the call back.
    setting.press_hold(near);
    setting.ask("lineUnhold", json!({"hCall": call}));
    setting.world.settle();
    assert_eq!(setting.call("CONNECTED"), call);
    hear_each_other(&setting, &[(0, near), (1, far)], &[0, 1]);
    setting.end();
}

#[test]
fn a_plain_phone_that_the_switch_holds_is_connected_when_both_have_let_go() {
    let mut setting = Setting::new(Phones::Plain, 611);
    let (near, far) = setting.talk_to(1);
    let call = setting.call("CONNECTED");
    setting.hold(call);
    setting.press_hold(near);
    setting.world.with_phone(setting.phones[0], |phone, now| phone.resume(now, near));
    setting.world.settle();
    assert_eq!(setting.call("ONHOLD"), call, "the application still holds");
    setting.ask("lineUnhold", json!({"hCall": call}));
    setting.world.settle();
    assert_eq!(setting.call("CONNECTED"), call);
    hear_each_other(&setting, &[(0, near), (1, far)], &[0, 1]);
    // The phone holds: nobody says that the application could take it back, and it cannot.
    setting.press_hold(near);
    let [features, _] = setting.features(setting.owner, call);
    assert!(!features.contains(&"UNHOLD".to_owned()), "{features:?}");
    let refused = setting.outcome(setting.owner, "lineUnhold", json!({"hCall": call}));
    assert_eq!(refused.unwrap_err(), "OPERATIONUNAVAIL");
    setting.end();
}

#[test]
fn a_consulted_party_that_is_sent_or_parked_leaves_the_phone_to_the_first() {
    let requests: [(&str, Value); 2] = [
        ("lineBlindTransfer", json!({"destAddress": "205"})),
        ("linePark", json!({"parkMode": "LINEPARKMODE_NONDIRECTED"})),
    ];
    for (function, mut params) in requests {
        let mut setting = Setting::new(Phones::Plain, 612);
        let (_, consult, ends) = consulted(&mut setting);
        params["hCall"] = json!(consult);
        setting.ask(function, params);
        setting.world.settle();
        assert_eq!(told(&mut setting), ["REPLY", "3 IDLE", "2 CONNECTED ACTIVE"], "{function}");
        hear_each_other(&setting, &ends[..2], &[0, 1]);
        setting.end();
    }
}

#[test]
fn a_phone_in_a_room_brings_its_other_party_in_by_refer_and_stays() {
    let mut setting = Setting::new(Phones::Plain, 613);
    let room = setting.dial(0, "800");
    let inside = setting.dial(2, "800");
    setting.press_hold(room);
    let (second, far) = setting.talk_to(1);
    let own = setting.phones[0];
    setting.world.with_phone(own, |phone, now| phone.transfer_attended(now, room, second));
    setting.world.expect(own, "the party is in the room", |event| {
        matches!(event, PhoneEvent::TransferProgress { status: 200, is_final: true, .. })
    });
    setting.world.with_phone(own, |phone, now| phone.resume(now, room));
    setting.world.run_for(Duration::from_secs(8));
    assert_eq!(setting.world.legs(own), [room], "only the call that was joined is hung up");
    hear_each_other(&setting, &[(0, room), (1, far), (2, inside)], &[0, 1, 2]);
    setting.end();
}

#[test]
fn a_transferor_that_thinks_better_of_it_has_its_party_back() {
    let mut setting = Setting::new(Phones::Plain, 614);
    let (near, far) = setting.talk_to(1);
    let call = setting.call("CONNECTED");
    setting.world.with_phone(setting.phones[0], |phone, now| phone.transfer(now, near, "203"));
    let ringing = setting.world.incoming(setting.phones[2]);
    told(&mut setting);
    setting.ask("lineUnhold", json!({"hCall": call}));
    setting.world.expect(setting.phones[2], "the ringing stops", |event| {
        *event == PhoneEvent::Ended { leg: ringing }
    });
    assert_eq!(told(&mut setting), ["REPLY", "2 CONNECTED ACTIVE"]);
    setting.world.settle();
    hear_each_other(&setting, &[(0, near), (1, far)], &[0, 1]);
    setting.end();
}

#[test]
fn parties_that_a_phone_joins_by_itself_are_two_ordinary_calls() {
    let mut setting = Setting::new(Phones::Plain, 615);
    let (near, far) = setting.talk_to(1);
    setting.press_hold(near);
    let (second, third) = setting.talk_to(2);
    setting.world.with_phone(setting.phones[0], |phone, now| phone.resume(now, near));
    setting.world.settle();
    let states: Vec<String> =
        setting.calls(setting.owner).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["CONNECTED", "CONNECTED"]);
    assert_eq!(setting.world.media.with(|model| model.conferences()), 0);
    let [a, b, c] = [0, 1, 2].map(|place| setting.phones[place]);
    assert!(setting.world.hears(b, a, near) && setting.world.hears(c, a, second));
    assert!(!setting.world.hears(c, b, far) && !setting.world.hears(b, c, third));
    let spelling = HoldSpelling::Inactive;
    setting.world.with_phone(a, |phone, now| phone.hold(now, second, spelling));
    setting.world.settle();
    assert_eq!(setting.calls(setting.owner)[1].1, "ONHOLD");
    setting.end();
}

#[test]
fn what_the_address_says_of_conferences_is_what_it_does() {
    let mut setting = Setting::new(Phones::Plain, 616);
    let caps = setting.ask("lineGetAddressCaps", json!({"deviceId": 0, "addressId": 0}));
    assert_eq!(caps["maxNumConference"], json!(media::MEMBERS_MAX));
    assert_eq!(caps["maxNumTransConf"], json!(3));
    assert_eq!(caps["removeFromConfState"], "LINECALLSTATE_IDLE");
    assert_eq!(caps["removeFromConfCaps"], "LINEREMOVEFROMCONF_ANY");
    let flags = caps["addrCapFlags"].as_array().unwrap();
    for flag in [
        "AUTORECONNECT",
        "CONFDROP",
        "TRANSFERHELD",
        "TRANSFERMAKE",
        "CONFERENCEHELD",
        "CONFERENCEMAKE",
    ] {
        assert!(flags.contains(&json!(format!("LINEADDRCAPFLAGS_{flag}"))), "{flag}: {flags:?}");
    }
    let modes = json!(["LINETRANSFERMODE_TRANSFER", "LINETRANSFERMODE_CONFERENCE"]);
    assert_eq!(caps["transferModes"], modes);
    setting.end();
}
