//! What phones that SUBSCRIBE are told: lines, slots, groups, settings, rooms, messages, presence.

use std::time::Duration;

use serde_json::json;
use sip_stack::endpoint::LegId;
use sip_stack::flow::Flow;
use switch::exchange::{AdminRequest, Input};
use switch::phone::{HoldSpelling, PhoneEvent};
use tests::lamp::{attribute, state_of};
use tests::sim::{PhoneIndex, World};

const HOUR: Duration = Duration::from_secs(3600);

fn four(seed: u64) -> (World, [PhoneIndex; 4]) {
    let mut world = World::office(seed);
    let phones = ["201", "202", "203", "204"].map(|line| world.phone(line));
    (world, phones)
}

/// Subscribes and waits for the first document.
fn watch(world: &mut World, phone: PhoneIndex, number: &str, event: &str) -> (LegId, String) {
    let leg = world.with_phone(phone, |phone, now| phone.watch(now, number, event, HOUR)).unwrap();
    world.expect(phone, "200 to SUBSCRIBE", |event| {
        *event == PhoneEvent::Subscribed { leg, status: 200, expires: Some(3600) }
    });
    let (_, body) = told(world, phone, leg);
    (leg, body)
}

/// The next NOTIFY of a subscription: Subscription-State and body.
fn told(world: &mut World, phone: PhoneIndex, leg: LegId) -> (String, String) {
    let mut found = None;
    let is_of =
        |event: &PhoneEvent| matches!(event, PhoneEvent::Notified { leg: of, .. } if *of == leg);
    world.until("a NOTIFY comes", |world| {
        if let Some(PhoneEvent::Notified { state, body, .. }) = world.pick(phone, is_of) {
            found = Some((state, body));
        }
        found.is_some()
    });
    found.expect("until returned")
}

/// The last NOTIFY of a subscription when everything is quiet.
fn last(world: &mut World, phone: PhoneIndex, leg: LegId) -> String {
    world.run_for(Duration::from_secs(1));
    let is_of =
        |event: &PhoneEvent| matches!(event, PhoneEvent::Notified { leg: of, .. } if *of == leg);
    let mut body = None;
    while let Some(PhoneEvent::Notified { body: next, .. }) = world.pick(phone, is_of) {
        body = Some(next);
    }
    body.expect("something was told")
}

fn nothing_told(world: &mut World, phone: PhoneIndex) {
    world.run_for(Duration::from_secs(1));
    let told = world.take(phone, |event| matches!(event, PhoneEvent::Notified { .. }));
    assert_eq!(told, None);
}

fn refused(world: &mut World, phone: PhoneIndex, number: &str, event: &str) -> u16 {
    let leg = world.with_phone(phone, |phone, now| phone.watch(now, number, event, HOUR)).unwrap();
    let mut found = 0;
    world.until("the SUBSCRIBE is refused", |world| {
        let event = world.take(phone, |event| matches!(event, PhoneEvent::Subscribed { .. }));
        if let Some(PhoneEvent::Subscribed { leg: of, status, .. }) = event {
            assert_eq!(of, leg);
            found = status;
        }
        found != 0
    });
    found
}

fn end(world: &mut World, phone: PhoneIndex, leg: LegId) {
    world.with_phone(phone, |phone, now| phone.watch_again(now, leg, Duration::ZERO));
    while told(world, phone, leg).0 != "terminated;reason=timeout" {}
}

#[test]
fn a_line_is_told_idle_ringing_talking_holding_and_idle_again() {
    let (mut world, [a, b, c, _]) = four(700);
    let (lamp, first) = watch(&mut world, c, "202", "dialog");
    assert_eq!((state_of(&first), attribute(&first, "version")), ("terminated", "0"));
    assert_eq!(attribute(&first, "entity"), "sip:202@office.test");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    let (state, ringing) = told(&mut world, c, lamp);
    assert!(state.starts_with("active;expires=3"), "{state}");
    assert_eq!((state_of(&ringing), attribute(&ringing, "direction")), ("early", "recipient"));
    assert!(ringing.contains("display=\"Ada\">sip:201@office.test</identity>"), "{ringing}");
    assert!(ringing.contains("<target uri=\"sip:**202@office.test\"/></remote>"), "{ringing}");
    let far = world.incoming(b);
    world.with_phone(b, |phone, now| phone.answer(now, far));
    let talking = last(&mut world, c, lamp);
    assert_eq!(state_of(&talking), "confirmed");
    assert!(talking.contains("pvalue=\"yes\""));
    assert_eq!(attribute(&talking, "dialog id"), attribute(&ringing, "dialog id"));
    world.with_phone(b, |phone, now| phone.hold(now, far, HoldSpelling::SendOnly));
    assert!(last(&mut world, c, lamp).contains("pvalue=\"no\""), "it renders nothing on hold");
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    let idle = last(&mut world, c, lamp);
    assert_eq!(state_of(&idle), "terminated");
    end(&mut world, c, lamp);
    world.assert_at_rest();
}

#[test]
fn the_caller_is_shown_as_talking_from_the_beginning_so_that_no_lamp_blinks() {
    let (mut world, [a, b, c, _]) = four(701);
    let (lamp, _) = watch(&mut world, c, "201", "dialog");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    world.incoming(b);
    let calling = last(&mut world, c, lamp);
    assert_eq!((state_of(&calling), attribute(&calling, "direction")), ("confirmed", "initiator"));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    end(&mut world, c, lamp);
    world.assert_at_rest();
}

#[test]
fn the_key_picks_up_by_the_replaces_that_the_lamp_published() {
    let (mut world, [a, b, c, _]) = four(702);
    let (lamp, _) = watch(&mut world, c, "202", "dialog");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    let (_, body) = told(&mut world, c, lamp);
    let (call_id, local, remote) = (
        attribute(&body, "call-id").to_owned(),
        attribute(&body, "local-tag").to_owned(),
        attribute(&body, "remote-tag").to_owned(),
    );
    let rung = world.incoming(b);
    assert!(world.with_phone(b, |phone, _| phone.dialog(rung)).is_some_and(|d| d.0 != call_id));
    let leg = world
        .with_phone(c, |phone, now| phone.call_replacing(now, "202", (&call_id, &remote, &local)))
        .unwrap();
    world.expect(c, "the pickup", |event| *event == PhoneEvent::Connected { leg });
    world.expect(b, "the ringing stops", |event| *event == PhoneEvent::Ended { leg: rung });
    world.settle();
    assert!(world.hears(a, c, leg) && world.hears(c, a, near));
    assert_eq!(state_of(&last(&mut world, c, lamp)), "terminated");
    let again = world
        .with_phone(b, |phone, now| phone.call_replacing(now, "202", (&call_id, &remote, &local)))
        .unwrap();
    world.expect(
        b,
        "it is gone",
        |event| matches!(event, PhoneEvent::Failed { leg, status: 481, .. } if *leg == again),
    );
    world.with_phone(c, |phone, now| phone.hang_up(now, leg));
    world.settle();
    end(&mut world, c, lamp);
    world.assert_at_rest();
}

#[test]
fn of_two_keys_pressed_at_once_one_gets_the_call_whatever_the_tags_look_like() {
    for seed in 0..40 {
        let (mut world, [a, b, c, _]) = four(7_100 + seed);
        let d = world.phone("203");
        let (lamp, _) = watch(&mut world, c, "202", "dialog");
        let (other, _) = watch(&mut world, d, "202", "dialog");
        world.with_phone(a, |phone, now| phone.call(now, "202"));
        let (_, body) = told(&mut world, c, lamp);
        let rung = world.incoming(b);
        let call_id = attribute(&body, "call-id").to_owned();
        let local = attribute(&body, "local-tag").to_owned();
        let remote = attribute(&body, "remote-tag").to_owned();
        let spelling = match seed % 4 {
            0 => (call_id.as_str(), remote.as_str(), local.as_str()),
            1 => (call_id.as_str(), local.as_str(), remote.as_str()),
            2 => (call_id.as_str(), "0", "0"),
            _ => (call_id.as_str(), "", ""),
        };
        let legs = [c, d].map(|phone| {
            world.with_phone(phone, |phone, now| phone.call_replacing(now, "202", spelling))
        });
        if seed % 5 == 0 {
            world.with_phone(b, |phone, now| phone.answer(now, rung));
        }
        world.run_for(Duration::from_secs(2));
        let talks = [(c, legs[0]), (d, legs[1]), (b, Some(rung))];
        let talking =
            talks.iter().filter(|(phone, leg)| leg.is_some_and(|leg| world.hears(a, *phone, leg)));
        assert_eq!(talking.count(), 1, "seed {seed}");
        let left = world.with_phone(a, |phone, _| phone.legs());
        left.into_iter().for_each(|leg| world.with_phone(a, |phone, now| phone.hang_up(now, leg)));
        world.settle();
        end(&mut world, c, lamp);
        end(&mut world, d, other);
        world.assert_at_rest();
    }
}

#[test]
fn who_may_not_pick_up_sees_the_lamp_and_nothing_else_and_cannot_use_anothers_token() {
    let (mut world, [a, b, c, d]) = four(703);
    let (lamp, _) = watch(&mut world, d, "202", "dialog");
    let (known, _) = watch(&mut world, c, "202", "dialog");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    world.incoming(b);
    let (_, body) = told(&mut world, d, lamp);
    assert_eq!(state_of(&body), "early");
    for secret in ["201", "call-id", "-tag", "remote"] {
        assert!(!body.contains(secret), "{secret} in {body}");
    }
    let (_, body) = told(&mut world, c, known);
    let value =
        ["call-id", "remote-tag", "local-tag"].map(|name| attribute(&body, name).to_owned());
    let dialog = (value[0].as_str(), value[1].as_str(), value[2].as_str());
    let leg = world.with_phone(d, |phone, now| phone.call_replacing(now, "202", dialog)).unwrap();
    world.expect(
        d,
        "403",
        |event| matches!(event, PhoneEvent::Failed { leg: of, status: 403, .. } if *of == leg),
    );
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.settle();
    end(&mut world, d, lamp);
    end(&mut world, c, known);
    world.assert_at_rest();
}

#[test]
fn a_slot_and_its_lot_light_while_somebody_is_parked() {
    let (mut world, [a, b, c, _]) = four(704);
    let (slot, first) = watch(&mut world, c, "701", "dialog");
    let (lot, _) = watch(&mut world, c, "700", "dialog");
    assert_eq!(state_of(&first), "terminated");
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "700"));
    let (_, taken) = told(&mut world, c, slot);
    assert_eq!(
        (state_of(&taken), attribute(&taken, "entity")),
        ("confirmed", "sip:701@office.test")
    );
    assert!(taken.contains("display=\"Ben\">sip:202@office.test"), "{taken}");
    assert!(
        taken.contains("pvalue=\"no\"")
            && taken.contains("target uri=\"sip:701@office.test\"/></remote>")
    );
    assert_eq!(state_of(&told(&mut world, c, lot).1), "confirmed");
    let leg = world.with_phone(c, |phone, now| phone.call(now, "701")).unwrap();
    world.expect(c, "the slot answers", |event| *event == PhoneEvent::Connected { leg });
    assert_eq!(state_of(&last(&mut world, c, slot)), "terminated");
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    world.settle();
    let (near, far) = world.connected(a, b);
    world.with_phone(a, |phone, now| phone.transfer(now, near, "701"));
    assert_eq!(state_of(&last(&mut world, c, slot)), "confirmed");
    world.with_phone(b, |phone, now| phone.hang_up(now, far));
    assert_eq!(state_of(&last(&mut world, c, slot)), "terminated", "the parked party gave up");
    end(&mut world, c, slot);
    end(&mut world, c, lot);
    world.assert_at_rest();
}

#[test]
fn groups_blink_while_a_member_rings() {
    let (mut world, [a, b, c, d]) = four(705);
    let (hunt, first) = watch(&mut world, a, "260", "dialog");
    let (pickup, _) = watch(&mut world, a, "*8", "dialog");
    let (by_id, _) = watch(&mut world, d, "*810", "dialog");
    assert_eq!(state_of(&first), "terminated");
    let near = world.with_phone(d, |phone, now| phone.call(now, "260")).unwrap();
    let (_, ringing) = told(&mut world, a, hunt);
    assert_eq!((state_of(&ringing), ringing.matches("<dialog ").count()), ("early", 1));
    assert!(ringing.contains("Sales desk"), "{ringing}");
    let (_, own) = told(&mut world, a, pickup);
    assert_eq!(own.matches("<state>early").count(), 3, "{own}");
    assert_eq!(attribute(&own, "entity"), "sip:*8@office.test");
    let (_, foreign) = told(&mut world, d, by_id);
    assert!(state_of(&foreign) == "early" && !foreign.contains("call-id"), "{foreign}");
    let rung = world.incoming(c);
    world.incoming(b);
    let value = ["call-id", "remote-tag", "local-tag"].map(|n| attribute(&ringing, n).to_owned());
    let dialog = (value[0].as_str(), value[1].as_str(), value[2].as_str());
    let leg = world.with_phone(b, |phone, now| phone.call_replacing(now, "260", dialog)).unwrap();
    world.expect(b, "the pickup", |event| *event == PhoneEvent::Connected { leg });
    world.expect(c, "nobody rings any more", |event| *event == PhoneEvent::Ended { leg: rung });
    for (phone, lamp) in [(a, hunt), (a, pickup), (d, by_id)] {
        assert_eq!(state_of(&last(&mut world, phone, lamp)), "terminated");
    }
    world.with_phone(d, |phone, now| phone.hang_up(now, near));
    world.settle();
    for (phone, lamp) in [(a, hunt), (a, pickup), (d, by_id)] {
        end(&mut world, phone, lamp);
    }
    world.assert_at_rest();
}

#[test]
fn keys_of_features_light_while_the_feature_is_on() {
    let (mut world, [a, ..]) = four(706);
    let (dnd, off) = watch(&mut world, a, "*78", "dialog");
    let (all, _) = watch(&mut world, a, "*72", "dialog");
    let (to_206, _) = watch(&mut world, a, "*72206", "dialog");
    let (to_205, _) = watch(&mut world, a, "*72205", "dialog");
    assert_eq!(state_of(&off), "terminated");
    let set = |is_on| AdminRequest::SetDnd { line: "201".to_owned(), is_on };
    world.administrator(set(true)).unwrap();
    assert_eq!(state_of(&told(&mut world, a, dnd).1), "confirmed");
    world.administrator(set(false)).unwrap();
    assert_eq!(state_of(&told(&mut world, a, dnd).1), "terminated");
    let leg = world.with_phone(a, |phone, now| phone.call(now, "*72206")).unwrap();
    world.expect(a, "the tone", |event| *event == PhoneEvent::Connected { leg });
    assert_eq!(state_of(&last(&mut world, a, all)), "confirmed");
    world.expect(a, "the end", |event| *event == PhoneEvent::Ended { leg });
    for lamp in [dnd, all, to_206, to_205] {
        world.with_phone(a, |phone, now| phone.watch_again(now, lamp, Duration::ZERO));
        let (_, body) = told(&mut world, a, lamp);
        let is_on = lamp == all || lamp == to_206;
        assert_eq!(state_of(&body) == "confirmed", is_on, "{body}");
    }
    world.assert_at_rest();
}

#[test]
fn messages_light_the_own_lamp_tell_applications_and_outlive_a_restart() {
    let (mut world, [a, b, ..]) = four(707);
    let app = world.application("crm");
    let line = world.open(app, "201");
    let every =
        json!({"hLine": line, "lineStates": ["LINEDEVSTATE_MSGWAITON", "LINEDEVSTATE_MSGWAITOFF"]});
    world.ask(app, "lineSetStatusMessages", every).unwrap();
    let (lamp, off) = watch(&mut world, a, "201", "message-summary");
    assert_eq!(off, "Messages-Waiting: no\r\nVoice-Message: 0/0 (0/0)\r\n");
    let set = |count| AdminRequest::SetMessageWaiting { line: "201".to_owned(), count };
    world.administrator(set(2)).unwrap();
    assert_eq!(
        told(&mut world, a, lamp).1,
        "Messages-Waiting: yes\r\nVoice-Message: 2/0 (0/0)\r\n"
    );
    let status = world.ask(app, "lineGetLineDevStatus", json!({"hLine": line})).unwrap();
    assert!(
        status["devStatusFlags"].to_string().contains("LINEDEVSTATUSFLAGS_MSGWAIT"),
        "{status}"
    );
    let off =
        json!({"hLine": line, "statusToChange": ["LINEDEVSTATUSFLAGS_MSGWAIT"], "status": false});
    world.ask(app, "lineSetLineDevStatus", off).unwrap();
    assert!(told(&mut world, a, lamp).1.starts_with("Messages-Waiting: no"));
    let inbox = world.inbox(app).clone();
    let states: Vec<_> = inbox
        .iter()
        .filter(|message| message["method"] == "LINE_LINEDEVSTATE")
        .map(|message| message["params"]["lineDevState"].to_string())
        .collect();
    assert_eq!(states.len(), 2, "{inbox:?}");
    assert!(states[0].contains("MSGWAITON") && states[1].contains("MSGWAITOFF"), "{states:?}");
    world.administrator(set(1)).unwrap();
    assert_eq!(refused(&mut world, b, "201", "message-summary"), 403);
    let mut world = World::restarted(708, &world.changes);
    let a = world.phone("201");
    let (_, on) = watch(&mut world, a, "201", "message-summary");
    assert!(on.starts_with("Messages-Waiting: yes"), "{on}");
}

#[test]
fn a_room_tells_its_members_who_is_in_it_and_others_how_many() {
    let (mut world, [a, b, c, _]) = four(709);
    let (roster, empty) = watch(&mut world, a, "800", "conference");
    let (count, _) = watch(&mut world, c, "800", "conference");
    let (lamp, _) = watch(&mut world, c, "800", "dialog");
    assert!(empty.contains("<user-count>0</user-count><active>false</active>"), "{empty}");
    let near = world.with_phone(a, |phone, now| phone.call(now, "800")).unwrap();
    world.with_phone(b, |phone, now| phone.call(now, "800"));
    let body = last(&mut world, a, roster);
    assert!(body.contains("<user-count>2") && body.contains("Board"), "{body}");
    for member in ["sip:201@office.test", "sip:202@office.test"] {
        assert!(body.contains(&format!("<user entity=\"{member}\"")), "{body}");
    }
    let body = last(&mut world, c, count);
    assert!(body.contains("<user-count>2") && !body.contains("<user "), "{body}");
    assert_eq!(state_of(&last(&mut world, c, lamp)), "confirmed");
    world.with_phone(a, |phone, now| phone.hold(now, near, HoldSpelling::SendOnly));
    assert!(last(&mut world, a, roster).contains("<status>on-hold</status>"));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    let body = last(&mut world, a, roster);
    assert!(
        body.contains("<user-count>1") && !body.contains("<user "),
        "no member any more: {body}"
    );
    let left = world.with_phone(b, |phone, _| phone.legs());
    left.into_iter().for_each(|leg| world.with_phone(b, |phone, now| phone.hang_up(now, leg)));
    assert_eq!(state_of(&last(&mut world, c, lamp)), "terminated");
    for (phone, leg) in [(a, roster), (c, count), (c, lamp)] {
        end(&mut world, phone, leg);
    }
    world.assert_at_rest();
}

#[test]
fn presence_says_in_words_what_a_line_does() {
    let (mut world, [a, b, c, _]) = four(710);
    let (lamp, first) = watch(&mut world, c, "202", "presence");
    assert!(first.contains("<basic>open</basic></status><note>Ready</note>"), "{first}");
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    assert!(told(&mut world, c, lamp).1.contains("<note>Ringing</note>"));
    let far = world.incoming(b);
    world.with_phone(b, |phone, now| phone.answer(now, far));
    assert!(last(&mut world, c, lamp).contains("<note>On the phone</note>"));
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    assert!(last(&mut world, c, lamp).contains("<note>Ready</note>"));
    world.with_phone(b, |phone, now| phone.register(now, Duration::ZERO));
    assert!(last(&mut world, c, lamp).contains("<basic>closed</basic></status><note>Unavailable"));
    end(&mut world, c, lamp);
    world.assert_at_rest();
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let (mut world, [a, ..]) = four(711);
    for (number, event, status) in [
        ("299", "dialog", 404),
        ("201", "weather", 489),
        ("701", "presence", 404),
        ("202", "message-summary", 403),
        ("260", "conference", 404),
        ("*43", "dialog", 404),
    ] {
        assert_eq!(refused(&mut world, a, number, event), status, "{event} of {number}");
    }
    let short = Duration::from_secs(1);
    let leg = world.with_phone(a, |phone, now| phone.watch(now, "202", "dialog", short)).unwrap();
    world.expect(
        a,
        "423",
        |event| matches!(event, PhoneEvent::Subscribed { leg: of, status: 423, .. } if *of == leg),
    );
    world.assert_at_rest();
}

#[test]
fn a_subscription_that_nobody_refreshes_ends_by_a_last_notify() {
    let (mut world, [a, b, ..]) = four(712);
    let time = Duration::from_secs(30);
    let leg = world.with_phone(a, |phone, now| phone.watch(now, "202", "dialog", time)).unwrap();
    assert_eq!(told(&mut world, a, leg).0, "active;expires=30");
    world.run_for(Duration::from_secs(20));
    world.with_phone(a, |phone, now| phone.watch_again(now, leg, time));
    let (state, body) = told(&mut world, a, leg);
    assert_eq!((state.as_str(), attribute(&body, "version")), ("active;expires=30", "1"));
    world.run_for(Duration::from_secs(29));
    nothing_told(&mut world, b);
    assert_eq!(told(&mut world, a, leg).0, "terminated;reason=timeout");
    world.assert_at_rest();
}

#[test]
fn a_fetch_is_told_once() {
    let (mut world, [a, ..]) = four(713);
    let none = Duration::ZERO;
    let leg = world.with_phone(a, |phone, now| phone.watch(now, "202", "dialog", none)).unwrap();
    let (state, body) = told(&mut world, a, leg);
    assert_eq!((state.as_str(), state_of(&body)), ("terminated;reason=timeout", "terminated"));
    world.assert_at_rest();
}

#[test]
fn lines_are_open_to_whom_the_configuration_says_and_a_reload_ends_what_is_not_allowed_any_more() {
    let text = include_str!("../../config/office.toml");
    let closed = |rule: &str| {
        let own = format!("pickup_group = \"sales\"\nwatchers = \"{rule}\"\n[lines.203]");
        let text = text.replacen("pickup_group = \"sales\"\n[lines.203]", &own, 1);
        config::parse(&text, "office.toml").unwrap()
    };
    let mut world = World::new(714, Default::default(), closed("pickup-group"));
    let [a, _, c, d] = ["201", "202", "203", "204"].map(|line| world.phone(line));
    assert_eq!(refused(&mut world, d, "202", "dialog"), 403);
    assert_eq!(refused(&mut world, d, "202", "presence"), 403);
    let (lamp, _) = watch(&mut world, c, "202", "dialog");
    let (own, _) = watch(&mut world, a, "201", "dialog");
    world.input(Input::Reload(std::sync::Arc::new(closed("nobody"))));
    let (state, body) = told(&mut world, c, lamp);
    assert_eq!((state.as_str(), body.as_str()), ("terminated;reason=rejected", ""));
    let mut config = closed("nobody");
    config.lines.remove("201");
    world.input(Input::Reload(std::sync::Arc::new(config)));
    let (state, _) = told(&mut world, a, own);
    assert_eq!(state, "terminated;reason=noresource");
    world.assert_at_rest();
}

#[test]
fn a_switch_that_stops_tells_everybody_to_come_back() {
    let (mut world, [a, ..]) = four(715);
    let (lamp, _) = watch(&mut world, a, "202", "dialog");
    world.input(Input::Drain);
    assert_eq!(told(&mut world, a, lamp).0, "terminated;reason=deactivated");
    assert_eq!(refused(&mut world, a, "202", "dialog"), 503);
    world.assert_at_rest();
}

#[test]
fn a_line_has_so_many_subscriptions_and_no_more() {
    let text = include_str!("../../config/office.toml").to_owned();
    let text = text + "\n[subscriptions]\nmax_per_line = 2\nmax = 3\n";
    let config = config::parse(&text, "office.toml").unwrap();
    let mut world = World::new(716, Default::default(), config);
    let [a, b, _] = ["201", "202", "203"].map(|line| world.phone(line));
    let (one, _) = watch(&mut world, a, "202", "dialog");
    let (two, _) = watch(&mut world, a, "203", "dialog");
    assert_eq!(refused(&mut world, a, "204", "dialog"), 403);
    let (three, _) = watch(&mut world, b, "203", "dialog");
    assert_eq!(refused(&mut world, b, "204", "dialog"), 503);
    let rows = world.administrator(AdminRequest::Subscriptions).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(
        rows[0],
        json!({"line": "201", "package": "dialog", "entity": "sip:202@office.test", "expires": 3599})
    );
    end(&mut world, a, one);
    let (four, _) = watch(&mut world, a, "204", "dialog");
    for (phone, leg) in [(a, two), (b, three), (a, four)] {
        end(&mut world, phone, leg);
    }
    world.assert_at_rest();
}

fn count(world: &mut World) -> usize {
    let rows = world.administrator(AdminRequest::Subscriptions).unwrap();
    rows.as_array().map_or(0, Vec::len)
}

#[test]
fn a_phone_that_has_forgotten_or_cannot_be_reached_is_told_nothing_more() {
    let (mut world, [a, b, c, d]) = four(717);
    watch(&mut world, c, "202", "dialog");
    watch(&mut world, d, "202", "dialog");
    assert_eq!(count(&mut world), 2);
    world.restart(c);
    world.unplug(d);
    let near = world.with_phone(a, |phone, now| phone.call(now, "202")).unwrap();
    world.incoming(b);
    world.settle();
    assert_eq!(count(&mut world), 1, "481 to NOTIFY");
    world.run_for(Duration::from_secs(40));
    assert_eq!(count(&mut world), 0, "silence");
    world.plug(d);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.run_for(Duration::from_secs(60));
    let left = world.with_phone(d, |phone, _| phone.lamps());
    for lamp in left {
        world.with_phone(d, |phone, now| phone.watch_again(now, lamp.leg, HOUR));
        world.expect(d, "481 to the refresh", |event| {
            matches!(event, PhoneEvent::Subscribed { leg, status: 481, .. } if *leg == lamp.leg)
        });
    }
    world.assert_at_rest();
}

#[test]
fn who_knows_the_dialog_of_a_subscription_cannot_end_it_from_elsewhere() {
    let (mut world, [_, _, c, _]) = four(718);
    let (lamp, _) = watch(&mut world, c, "202", "dialog");
    let (call_id, theirs, ours) = world.with_phone(c, |phone, _| phone.dialog(lamp)).unwrap();
    let stranger = Flow::udp("127.0.0.1:5060".parse().unwrap(), "127.0.0.1:7777".parse().unwrap());
    let text = format!(
        "SUBSCRIBE sip:202@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:7777;branch=z9hG4bKx\r\n\
         From: <sip:203@office.test>;tag={ours}\r\nTo: <sip:202@office.test>;tag={theirs}\r\n\
         Call-ID: {call_id}\r\nCSeq: 900 SUBSCRIBE\r\nContact: <sip:203@127.0.0.1:7777>\r\n\
         Max-Forwards: 70\r\nEvent: dialog\r\nExpires: 0\r\nContent-Length: 0\r\n\r\n"
    );
    world.receive(text.into(), stranger);
    world.settle();
    let answers = world.strays();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0].bytes.starts_with(b"SIP/2.0 401 "));
    nothing_told(&mut world, c);
    assert_eq!(count(&mut world), 1);
    end(&mut world, c, lamp);
    world.assert_at_rest();
}

#[test]
fn a_caller_that_asks_for_privacy_is_anonymous_on_every_lamp() {
    let (mut world, [a, b, c, _]) = four(719);
    let app = world.application("crm");
    let line = world.open(app, "201");
    let (lamp, _) = watch(&mut world, c, "202", "dialog");
    let params = json!({"callParamFlags": ["LINECALLPARAMFLAGS_BLOCKID"]});
    let asked = json!({"hLine": line, "destAddress": "202", "callParams": params});
    world.ask(app, "lineMakeCall", asked).unwrap();
    let rung = world.incoming(b);
    let (_, ringing) = told(&mut world, c, lamp);
    assert!(ringing.contains("sip:anonymous@anonymous.invalid"), "{ringing}");
    assert!(!ringing.contains("201") && !ringing.contains("Ada"), "{ringing}");
    world.with_phone(b, |phone, now| phone.reject(now, rung, 603));
    world.run_for(Duration::from_secs(30));
    let left = world.with_phone(a, |phone, _| phone.legs());
    left.into_iter().for_each(|leg| world.with_phone(a, |phone, now| phone.hang_up(now, leg)));
    end(&mut world, c, lamp);
    world.assert_at_rest();
}
