//! Where lines may call through trunks, and how often.

use std::collections::BTreeSet;

use serde_json::json;
use tests::program::{PATIENCE, Program, office};
use tests::row::Row;
use tests::stranger::Stranger;

use crate::ban::logged;

#[test]
fn a_line_calls_only_where_and_as_often_as_it_may_and_emergency_numbers_always() {
    let carrier = Stranger::at("127.0.0.1", "127.0.0.1:9".parse().unwrap());
    let peer = carrier.socket.local_addr().unwrap();
    let program = Program::with(office(|text| {
        let text = text.replace("127.0.0.1:5090", &peer.to_string());
        let text = text.replace(
            "[lines.201]\n",
            "[lines.201]\nbarred = [\"0900\"]\noutside_calls_per_minute = 2\n",
        );
        format!(
            "{}\n[[routes]]\npattern = \"^112$\"\ntrunk = \"carrier\"\ndial = \"112\"\n[security]\n",
            text
        )
    }));
    program.until("/api/v1/trunks", |answer| {
        answer["items"][0]["resolved"].as_array().is_some_and(|found| !found.is_empty())
    });
    let phone = program.plain_phone("201");
    // The carrier never answers; what counts is whether it is asked.
    let mut seen = BTreeSet::new();
    let mut asked = |number: &str| {
        let leg = phone.call(number);
        let mut invite = None;
        while let Some(datagram) = carrier.receive(PATIENCE / 10) {
            let text = String::from_utf8_lossy(&datagram).into_owned();
            let call_id = text.lines().find(|line| line.starts_with("Call-ID:"));
            // Those of before come again, since nobody answers them.
            if text.starts_with("INVITE") && seen.insert(call_id.map(str::to_owned)) {
                invite = text.lines().next().map(str::to_owned);
                break;
            }
        }
        (leg, invite)
    };
    // The second is told to the carrier without its first digit.
    for number in ["09001234", "009001234"] {
        let (_, barred) = asked(number);
        assert_eq!(barred, None);
        assert_eq!(phone.failed().0, 403);
    }
    let line = logged(&program, "SECURITY event=forbidden");
    assert!(line.contains("user=\"201\"") && line.contains("destination is barred"), "{line}");
    for number in ["012345", "012346"] {
        let (leg, invite) = asked(number);
        assert!(invite.is_some_and(|line| line.contains(&number[1..])), "{number}");
        phone.hang_up(leg);
    }
    let (_, third) = asked("012347");
    assert!(third.is_none_or(|line| !line.contains("12347")));
    logged(&program, "too many outside calls a minute");
    let (_, emergency) = asked("112");
    assert!(emergency.is_some(), "{}", program.log());
    assert!(program.metric("calls_barred_total") >= 2);
}

#[test]
fn a_line_that_is_refused_for_its_own_rate_takes_nothing_from_that_of_the_trunk() {
    let (row, carrier) = Row::with_carrier(&[], |text| {
        text.replace("[lines.201]\n", "[lines.201]\noutside_calls_per_minute = 2\n")
            .replace("[trunks.carrier]\n", "[trunks.carrier]\ncalls_per_minute = 5\n")
    });
    let [a, b] = row.phones(["201", "202"]);
    for attempt in 0..10 {
        let near = a.call("012345");
        if attempt < 2 {
            let far = carrier.incoming();
            carrier.answer(far);
            a.connected(near);
            a.hang_up(near);
            carrier.ended(far);
        } else {
            assert_eq!(a.failed().0, 503);
        }
    }
    logged(&row.program, "too many outside calls a minute");
    let near = b.call("012345");
    carrier.answer(carrier.incoming());
    b.connected(near);
}

#[test]
fn an_emergency_call_leaves_by_a_trunk_whose_channels_are_all_taken() {
    let (row, carrier) = Row::with_carrier(&[], |text| {
        let text = text.replace("[trunks.carrier]\n", "[trunks.carrier]\nchannels = 1\n");
        format!("{text}\n[[routes]]\npattern = \"^112$\"\ntrunk = \"carrier\"\ndial = \"112\"\n")
    });
    let [a, b] = row.phones(["201", "202"]);
    let (near, first) = (a.call("012345"), carrier.incoming());
    carrier.answer(first);
    a.connected(near);
    b.call("012345");
    assert_eq!(b.failed().0, 503);
    let emergency = b.call("112");
    carrier.answer(carrier.incoming());
    b.connected(emergency);
    a.hears(&carrier);
}

#[test]
fn calls_that_a_line_forwards_to_the_outside_count_as_its_own_while_they_last() {
    let (mut row, carrier) = Row::with_carrier(&["201"], |text| {
        text.replace("[lines.201]\n", "[lines.201]\noutside_calls = 1\n")
    });
    let line = row.line("201");
    let list = json!([{"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": "09001234"}]);
    row.ask("lineForward", json!({"hLine": line, "addressId": 0, "forwardList": list}));
    let [b, c] = row.phones(["202", "203"]);
    let (near, far) = (b.call("201"), carrier.incoming());
    carrier.answer(far);
    b.connected(near);
    c.call("201");
    assert_eq!(c.failed().0, 503);
    logged(&row.program, "too many outside calls at once");
    b.hang_up(near);
    carrier.ended(far);
    let near = c.call("201");
    carrier.answer(carrier.incoming());
    c.connected(near);
}

#[test]
fn outside_parties_that_a_line_has_joined_count_as_its_calls_until_they_part() {
    let (row, carrier) = Row::with_carrier(&[], |text| {
        text.replace("[lines.201]\n", "[lines.201]\noutside_calls = 2\n")
    });
    let a = row.program.live_phone("201");
    let mut fars = Vec::new();
    let nears = ["012345", "012346"].map(|number| {
        if let Some(first) = fars.last() {
            a.hold(*first);
        }
        let near = a.call(number);
        carrier.answer(carrier.incoming());
        a.connected(near);
        fars.push(near);
        near
    });
    a.with(|phone| phone.transfer_attended(nears[0], nears[1]));
    assert_eq!(a.transfer_outcome(), 200);
    nears.iter().for_each(|near| a.hang_up(*near));
    a.call("012347");
    assert_eq!(a.failed().0, 503);
    logged(&row.program, "too many outside calls at once");
}

#[test]
fn who_sends_a_line_outside_pays_for_it_and_a_party_outside_sends_nobody() {
    let (row, carrier) = Row::with_carrier(&[], |text| {
        text.replace("[lines.202]\n", "[lines.202]\nbarred = [\"0900\"]\n")
    });
    let [a, b] = row.phones(["201", "202"]);
    // 202 may not call there itself, so 201, which may, is not sent there by it.
    let (near, far) = b.talk_to(&a);
    b.with(|phone| phone.transfer(near, "09001234"));
    assert_eq!(b.transfer_outcome(), 403);
    logged(&row.program, "destination is barred");
    b.hang_up(near);
    a.ended(far);
    let near = carrier.call("201");
    let far = a.incoming();
    a.answer(far);
    carrier.connected(near);
    carrier.with(|phone| phone.transfer(near, "0123456"));
    assert_eq!(carrier.transfer_outcome(), 403);
    logged(&row.program, "a party outside transfers to the outside");
    a.hears(&carrier);
}

#[test]
fn a_shared_line_is_sent_nowhere_that_one_of_its_members_may_not_call() {
    let (mut row, carrier) = Row::with_carrier(&["201"], |text| {
        text.replace("[lines.204]\n", "[lines.204]\nbarred = [\"0900\"]\n")
    });
    let line = row.line("201");
    // 201 says so, at the address that it shares with 204.
    for (number, status) in [("09001234", 403), ("0123456", 200)] {
        let list = json!([{"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": number}]);
        row.ask("lineForward", json!({"hLine": line, "addressId": 1, "forwardList": list}));
        let caller = row.program.live_phone("202");
        let near = caller.call("250");
        if status == 200 {
            carrier.answer(carrier.incoming());
            caller.connected(near);
        } else {
            assert_eq!(caller.failed().0, status);
            logged(&row.program, "destination is barred");
        }
    }
}
