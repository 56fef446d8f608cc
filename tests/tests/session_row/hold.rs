//! Hold, retrieve, swap: by the phone in every spelling, by an application, and one after the other.

use serde_json::json;
use sip_stack::endpoint::LegId;
use sip_stack::sdp::Direction;
use switch::phone::{HoldSpelling, PhoneEvent};
use tests::interop::{Audio, Running, Sipp, sdp, until};
use tests::program::LivePhone;
use tests::row::{Row, hear_each_other};

/// 201 talks to 202, then, that call on hold, to 203; all by hand at 201's phone.
fn two_calls(row: &mut Row, phones: &[LivePhone; 3]) -> [(LegId, LegId); 2] {
    let [a, b, c] = phones;
    let first = row.talk(a, b);
    a.hold(first.0);
    row.told(&[("201", "201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
    let second = row.talk(a, c);
    b.hears_nothing_of(a);
    [first, second]
}

/// Both far parties hang up, the second first.
fn far_parties_hang_up(row: &mut Row, phones: &[LivePhone; 3], calls: [(LegId, LegId); 2]) {
    let [a, b, c] = phones;
    for (far, (near, leg), line, name) in
        [(c, calls[1], "203", "201/2"), (b, calls[0], "202", "201")]
    {
        far.hang_up(leg);
        a.ended(near);
        let at_201 = format!("{name} DISCONNECTED NORMAL; {name} IDLE");
        row.told(&[("201", &at_201), (line, &format!("{line} IDLE"))]);
    }
}

#[test]
fn a_phone_holds_and_retrieves_in_every_spelling() {
    for spelling in [HoldSpelling::SendOnly, HoldSpelling::Inactive, HoldSpelling::ZeroAddress] {
        let mut row = Row::open(&["201", "202"]);
        let [a, b] = row.phones(["201", "202"]);
        let (near, far) = row.talk(&a, &b);
        for (holder, leg, held, lines) in
            [(&a, near, &b, ["201", "202"]), (&b, far, &a, ["202", "201"])]
        {
            holder.hold_spelt(leg, spelling);
            row.told(&[
                (lines[0], &format!("{} ONHOLD", lines[0])),
                (lines[1], &format!("{} CONNECTED ACTIVEHELD", lines[1])),
            ]);
            held.hears_tone();
            held.hears_nothing_of(holder);
            holder.hears_nothing_of(held);
            holder.resume(leg);
            let active = lines.map(|line| format!("{line} CONNECTED ACTIVE"));
            row.told(&[(lines[0], &active[0]), (lines[1], &active[1])]);
            hear_each_other(&a, &b);
        }
        a.hang_up(near);
        b.ended(far);
        row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
        row.is_empty();
    }
}

/// Lets the scenario send its next UPDATE, and waits for the answer.
fn updates(row: &Row, calling: &Running, cseq: u32) {
    calling.go_on();
    let wanted = format!("{cseq} UPDATE");
    until(&row.program, &wanted, || {
        calling.log().received("SIP/2.0 200").any(|one| one.header("CSeq") == wanted)
    });
}

#[test]
fn a_phone_holds_and_retrieves_by_update_in_every_spelling() {
    for spelling in ["a=sendonly\n", "a=inactive\n", ""] {
        let mut row = Row::open(&["201", "202"]);
        let [b] = row.phones(["202"]);
        let mut audio = Audio::new();
        let mut held = sdp(audio.port(), spelling);
        if spelling.is_empty() {
            held = held.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
        }
        let mut calling = Sipp::new(&row.program, "holds_by_update.xml")
            .call("201", "202")
            .audio(&audio)
            .key("held", held)
            .start();
        let far = b.incoming();
        b.answer(far);
        b.connected(far);
        calling.until_received("SIP/2.0 200");
        row.told(&[
            (
                "201",
                "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 RINGBACK; \
                 201 CONNECTED ACTIVE; 201 INFO CONNECTEDID",
            ),
            (
                "202",
                "202 NEW OWNER; 202 OFFERING ACTIVE OWNER; 202 CONNECTED ACTIVE; 202 INFO CONNECTEDID",
            ),
        ]);
        is_heard(&mut audio);
        updates(&row, &calling, 3);
        row.told(&[("201", "201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
        b.hears_tone();
        audio.listen();
        assert!(!audio.hear(), "202 is not heard at the holder");
        updates(&row, &calling, 4);
        row.told(&[("201", "201 CONNECTED ACTIVE"), ("202", "202 CONNECTED ACTIVE")]);
        is_heard(&mut audio);
        calling.go_on();
        b.ended(far);
        row.told(&[("201", "201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
        calling.finish();
        row.is_empty();
    }
}

/// Packets of the other side come.
fn is_heard(audio: &mut Audio) {
    let before = audio.packets.len();
    for _ in 0..1_000 {
        audio.hear();
        if audio.packets.len() >= before + 3 {
            return;
        }
    }
    panic!("nothing is heard");
}

#[test]
fn an_application_holds_and_retrieves_phones_that_obey_and_phones_that_do_not() {
    for is_obedient in [true, false] {
        let mut row = Row::open(&["201", "202"]);
        let [a, b] = match is_obedient {
            true => row.phones(["201", "202"]),
            false => ["201", "202"].map(|line| row.program.plain_phone(line)),
        };
        let (near, far) = row.talk(&a, &b);
        row.tell("lineHold", "201", json!({}));
        row.told(&[("201", "REPLY 0; 201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
        b.hears_tone();
        b.hears_nothing_of(&a);
        a.hears_nothing_of(&b);
        row.tell("lineUnhold", "201", json!({}));
        row.told(&[("201", "REPLY 0; 201 CONNECTED ACTIVE"), ("202", "202 CONNECTED ACTIVE")]);
        hear_each_other(&a, &b);
        row.tell("lineDrop", "201", json!({}));
        a.ended(near);
        b.ended(far);
        row.told(&[("201", "REPLY 0; 201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
        row.is_empty();
    }
}

#[test]
fn a_phone_swaps_its_two_calls() {
    let mut row = Row::open(&["201", "202", "203"]);
    let phones = row.phones(["201", "202", "203"]);
    let calls = two_calls(&mut row, &phones);
    let [a, b, c] = &phones;
    let ((first, _), (second, _)) = (calls[0], calls[1]);
    a.hold(second);
    row.told(&[("201", "201/2 ONHOLD"), ("203", "203 CONNECTED ACTIVEHELD")]);
    a.resume(first);
    row.told(&[("201", "201 CONNECTED ACTIVE"), ("202", "202 CONNECTED ACTIVE")]);
    hear_each_other(a, b);
    c.hears_nothing_of(a);
    a.hold(first);
    row.told(&[("201", "201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
    a.resume(second);
    row.told(&[("201", "201/2 CONNECTED ACTIVE"), ("203", "203 CONNECTED ACTIVE")]);
    hear_each_other(a, c);
    b.hears_nothing_of(a);
    far_parties_hang_up(&mut row, &phones, calls);
    row.is_empty();
}

/// lineSwapHold(active, held) of 201's calls, and what is told of it.
fn swap(row: &mut Row, [active, held]: [&str; 2], [active_far, held_far]: [&str; 2]) {
    let calls = json!({
        "hActiveCall": row.app.handle(active), "hHeldCall": row.app.handle(held),
    });
    row.ask("lineSwapHold", calls);
    row.told(&[
        ("201", &format!("REPLY 0; {active} ONHOLD; {held} CONNECTED ACTIVE")),
        (active_far, &format!("{active_far} CONNECTED ACTIVEHELD")),
        (held_far, &format!("{held_far} CONNECTED ACTIVE")),
    ]);
}

#[test]
fn an_application_swaps_the_two_calls_it_made() {
    let mut row = Row::open(&["201", "202", "203"]);
    let [a, b, c] = row.phones(["201", "202", "203"]);
    let line = row.line("201");
    let mut far = Vec::new();
    for (phone, number, name) in [(&b, "202", "201"), (&c, "203", "201/2")] {
        if name != "201" {
            row.tell("lineHold", "201", json!({}));
            row.told(&[("201", "REPLY 0; 201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
        }
        row.ask("lineMakeCall", json!({"hLine": line, "destAddress": number}));
        let leg = phone.incoming();
        let at_201 = format!("REPLY 0; {name} DIALING; {name} PROCEEDING; {name} RINGBACK");
        row.told(&[
            ("201", &at_201),
            (number, &format!("{number} NEW OWNER; {number} OFFERING ACTIVE OWNER")),
        ]);
        row.tell("lineAnswer", number, json!({}));
        row.told(&[
            ("201", &format!("{name} CONNECTED ACTIVE; {name} INFO CONNECTEDID")),
            (number, &format!("REPLY 0; {number} CONNECTED ACTIVE; {number} INFO CONNECTEDID")),
        ]);
        hear_each_other(&a, phone);
        far.push(leg);
    }
    swap(&mut row, ["201/2", "201"], ["203", "202"]);
    hear_each_other(&a, &b);
    c.hears_nothing_of(&a);
    swap(&mut row, ["201", "201/2"], ["202", "203"]);
    hear_each_other(&a, &c);
    b.hears_nothing_of(&a);
    row.tell("lineDrop", "201/2", json!({}));
    c.ended(far[1]);
    row.told(&[("201", "REPLY 0; 201/2 IDLE"), ("203", "203 DISCONNECTED NORMAL; 203 IDLE")]);
    row.tell("lineDrop", "201", json!({}));
    b.ended(far[0]);
    row.told(&[("201", "REPLY 0; 201 IDLE"), ("202", "202 DISCONNECTED NORMAL; 202 IDLE")]);
    row.is_empty();
}

#[test]
fn what_the_phone_holds_an_application_swaps_and_the_phone_swaps_back() {
    let mut row = Row::open(&["201", "202", "203"]);
    let phones = row.phones(["201", "202", "203"]);
    let calls = two_calls(&mut row, &phones);
    let [a, b, c] = &phones;
    swap(&mut row, ["201/2", "201"], ["203", "202"]);
    hear_each_other(a, b);
    c.hears_nothing_of(a);
    // The switch changed who is behind the one active call of the phone.
    a.hold(calls[1].0);
    row.told(&[("201", "201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
    a.resume(calls[0].0);
    row.told(&[("201", "201/2 CONNECTED ACTIVE"), ("203", "203 CONNECTED ACTIVE")]);
    hear_each_other(a, c);
    let calls = [(calls[1].0, calls[0].1), (calls[0].0, calls[1].1)];
    far_parties_hang_up(&mut row, &phones, calls);
    row.is_empty();
}

#[test]
fn what_an_application_holds_an_obedient_phone_takes_back_by_itself() {
    let mut row = Row::open(&["201", "202"]);
    let [a, b] = row.phones(["201", "202"]);
    let (near, far) = row.talk(&a, &b);
    row.tell("lineHold", "201", json!({}));
    row.told(&[("201", "REPLY 0; 201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
    a.offer_answered();
    a.resume(near);
    row.told(&[("201", "201 CONNECTED ACTIVE"), ("202", "202 CONNECTED ACTIVE")]);
    hear_each_other(&a, &b);
    b.hang_up(far);
    a.ended(near);
    row.told(&[("201", "201 DISCONNECTED NORMAL; 201 IDLE"), ("202", "202 IDLE")]);
    row.is_empty();
}

#[test]
fn what_an_application_holds_a_phone_without_events_resumes_in_vain_until_it_is_retrieved() {
    let mut row = Row::open(&["201", "202"]);
    let [a, b] = ["201", "202"].map(|line| row.program.plain_phone(line));
    let (near, far) = row.talk(&a, &b);
    row.tell("lineHold", "201", json!({}));
    row.told(&[("201", "REPLY 0; 201 ONHOLD"), ("202", "202 CONNECTED ACTIVEHELD")]);
    // The phone was never asked to hold: its user does, and wants the call back. The switch answers
    // that the far side holds (a=sendonly).
    a.hold(near);
    a.with(|phone| phone.resume(near));
    let direction = a.wait("the answer", |event| match event {
        PhoneEvent::OfferAnswered { direction, .. } => Some(*direction),
        _ => None,
    });
    assert_eq!(direction, Direction::SendOnly);
    b.hears_nothing_of(&a);
    row.tell("lineUnhold", "201", json!({}));
    row.told(&[("201", "REPLY 0; 201 CONNECTED ACTIVE"), ("202", "202 CONNECTED ACTIVE")]);
    hear_each_other(&a, &b);
    b.hang_up(far);
    a.ended(near);
    row.told(&[("201", "201 DISCONNECTED NORMAL; 201 IDLE"), ("202", "202 IDLE")]);
    row.is_empty();
}
