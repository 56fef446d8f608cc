//! The ways of a call through a queue that are not the straight one: what is announced, where a full or
//! empty queue sends it, who else takes it, and what its agent does with it.

use std::f64::consts::TAU;
use std::path::Path;

use serde_json::json;
use sip_stack::endpoint::LegId;
use switch::phone::Behaviour;
use tests::program::LivePhone;
use tests::row::{Row, hear_each_other};

use crate::floor::Floor;

/// Everybody's lines and the queue's.
const LINES: [&str; 4] = ["201", "204", "205", "600"];

/// A recording of a tone, as a path for the configuration.
fn recording(folder: &Path, frequency_hz: u16) -> String {
    let path = folder.join(format!("{frequency_hz}.wav"));
    let sample_format = hound::SampleFormat::Int;
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 16, sample_format };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for n in 0..4_000 {
        let turn = TAU * f64::from(frequency_hz) * f64::from(n) / 8_000.0;
        writer.write_sample((turn.sin() * 9_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
    path.display().to_string()
}

fn counts<const N: usize>(floor: &mut Floor, members: [&str; N]) -> [u64; N] {
    let info = floor.queue_info("support");
    members.map(|member| info[member].as_u64().unwrap())
}

#[test]
fn those_who_wait_are_told_their_place_and_their_wait_as_far_as_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let tone = |frequency_hz| recording(folder.path(), frequency_hz);
    let settings = format!(
        "wrap_up = \"300s\"\nanswer_after = \"0s\"\nannounce_every = \"5s\"\n\
         announce_positions = [\"{}\", \"{}\"]\n",
        tone(700),
        tone(1_100),
    );
    // The tables of a queue stand behind its other settings.
    let wait = |below, sound| {
        format!("[[queues.support.announce_waits]]\nbelow = \"{below}\"\nsound = \"{sound}\"\n")
    };
    let waits = wait("450s", tone(1_900)) + &wait("900s", tone(2_500));
    let (mut floor, [a, jane, c], _, _) = Floor::at_work(&settings, &[]);
    floor.reload(|text| format!("{text}\n{waits}"));
    // Somebody was served: with its wrap-up it took jane five minutes.
    let (near, far) = floor.serve(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    let first = a.call("600");
    a.connected(first);
    let second = c.call("600");
    c.connected(second);
    a.hears_frequencies(&[700]);
    a.hears_frequencies(&[1_900]);
    c.hears_frequencies(&[1_100]);
    c.hears_frequencies(&[2_500]);
    // Who moves up is told so.
    a.hang_up(first);
    c.hears_frequencies(&[700]);
}

#[test]
fn a_call_that_finds_the_queue_full_goes_where_the_queue_says() {
    let settings = "max_length = 1\non_full = \"205\"";
    let mut floor = Floor::with(settings, &LINES);
    let [a, b, c] = floor.row.phones(["201", "202", "205"]);
    let near = a.call("600");
    a.connected(near);
    floor.row.app.skip_to("600 INFO TREATMENT");
    let other = b.call("600");
    let far = c.incoming();
    c.answer(far);
    b.connected(other);
    hear_each_other(&b, &c);
    floor.row.app.skip_to("205 CONNECTED ACTIVE");
    assert_eq!(floor.row.info("205")["redirectingId"], "600");
    assert_eq!(floor.row.info("205")["reason"], "LINECALLREASON_REDIRECT");
    // It never was in the queue.
    assert_eq!(counts(&mut floor, ["totalCallsQueued", "currentCallsQueued"]), [1, 1]);
    a.hears_tone();
}

#[test]
fn a_queue_that_lets_nobody_wait_for_nobody_sends_calls_on_at_once_and_when_the_last_agent_goes() {
    let settings = "when_empty = \"leave\"\nmax_wait = \"300s\"\non_max_wait = \"206\"";
    let mut floor = Floor::with(settings, &LINES);
    let [a, _jane, c] = floor.row.phones(["201", "204", "206"]);
    let near = a.call("600");
    let far = c.incoming();
    c.answer(far);
    a.connected(near);
    hear_each_other(&a, &c);
    a.hang_up(near);
    c.ended(far);
    let (jane, _) = floor.jane();
    let near = a.call("600");
    a.connected(near);
    a.hears_tone();
    assert_eq!(counts(&mut floor, ["currentCallsQueued"]), [1]);
    floor.set_agent(jane, "RELEASED", "");
    let far = c.incoming();
    c.answer(far);
    c.connected(far);
    hear_each_other(&a, &c);
    assert_eq!(counts(&mut floor, ["currentCallsQueued", "finalDisposition"]), [0, 1]);
}

/// Without the queue 600.
fn without_support(text: String) -> String {
    let (before, rest) = text.split_once("[queues.support]").unwrap();
    let (_, after) = rest.split_once("[agent_groups.helpdesk]").unwrap();
    format!("{before}[agent_groups.helpdesk]{after}")
}

#[test]
fn a_queue_that_goes_while_its_agent_rings_lets_caller_and_agent_go_and_says_so() {
    let (mut floor, [a, jane, _], _, session) = Floor::at_work("", &["201", "204"]);
    let near = a.call("600");
    let far = jane.incoming();
    floor.row.app.skip_to("204 OFFERING ACTIVE OWNER");
    floor.reload(without_support);
    jane.ended(far);
    // Nobody has answered it: it is refused as a call that nobody takes.
    let (status, _) = a.failed();
    assert!((400..700).contains(&status), "{status}");
    floor.hears("QUEUE support QUEUEREMOVED");
    assert_eq!(floor.state(session), "READY");
    floor.row.program.until("/api/v1/calls", |calls| {
        let rows = calls["items"].as_array().unwrap();
        rows.iter().all(|row| row["line"] != "204" && row["line"] != "600")
    });
    assert!(a.with(|phone| phone.dialog(near)).is_none());
}

#[test]
fn a_caller_who_hears_music_is_let_go_when_its_queue_goes_and_has_nowhere_to_send_it() {
    let mut floor = Floor::with("", &["201"]);
    let [a] = floor.row.phones(["201"]);
    let near = a.call("600");
    a.connected(near);
    a.hears_tone();
    floor.reload(without_support);
    a.ended(near);
    floor.row.app.skip_to("201 DISCONNECTED NOANSWER");
    floor.row.app.skip_to("201 IDLE");
}

/// Jane talks with 201; an application that owns all calls follows.
fn served(settings: &str) -> (Floor, [LivePhone; 3], u64, LegId, LegId) {
    let (mut floor, phones, _, session) = Floor::at_work(settings, &LINES);
    let (near, far) = floor.serve(&phones[0], &phones[1]);
    floor.row.app.skip_to("204 INFO CONNECTEDID");
    (floor, phones, session, near, far)
}

/// lineSetupTransfer and lineDial: jane asks 205, who answers.
fn consult(row: &mut Row, c: &LivePhone) -> LegId {
    row.tell("lineSetupTransfer", "204", json!({}));
    row.app.skip_to("204 ONHOLDPENDTRANSFER");
    row.tell("lineDial", "204/2", json!({"destAddress": "205"}));
    let target = c.incoming();
    c.answer(target);
    row.app.skip_to("204/2 CONNECTED ACTIVE");
    target
}

fn complete(row: &mut Row, mode: &str) {
    let consult = row.app.handle("204/2");
    let mode = format!("LINETRANSFERMODE_{mode}");
    row.tell("lineCompleteTransfer", "204", json!({"hConsultCall": consult, "transferMode": mode}));
}

#[test]
fn an_application_transfers_a_call_of_a_queue_after_a_consultation_and_the_agent_is_in_wrap_up() {
    let (mut floor, [a, jane, c], session, near, far) = served("wrap_up = \"300s\"");
    let target = consult(&mut floor.row, &c);
    assert_eq!(floor.state(session), "BUSYONCALL");
    floor.said_nothing();
    complete(&mut floor.row, "TRANSFER");
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    hear_each_other(&a, &c);
    let info = floor.session_info(session);
    assert_eq!(info["numberOfCalls"], 1);
    a.hang_up(near);
    c.ended(target);
    floor.said_nothing();
    assert_eq!(counts(&mut floor, ["currentCallsQueued", "totalCallsAbandoned"]), [0, 0]);
}

#[test]
fn an_application_confers_with_the_caller_of_a_queue_and_the_agent_is_busy_until_it_leaves() {
    let (mut floor, [a, jane, c], session, near, far) = served("wrap_up = \"300s\"");
    let target = consult(&mut floor.row, &c);
    complete(&mut floor.row, "CONFERENCE");
    floor.row.app.skip_to("204/3 CONNECTED ACTIVE");
    jane.hears_mix(&[&a, &c]);
    a.hears_mix(&[&jane, &c]);
    c.hears_mix(&[&a, &jane]);
    floor.said_nothing();
    assert_eq!(floor.state(session), "BUSYONCALL");
    floor.row.tell("lineDrop", "204/3", json!({}));
    for (phone, leg) in [(&jane, far), (&a, near), (&c, target)] {
        phone.ended(leg);
    }
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    assert_eq!(floor.session_info(session)["numberOfCalls"], 1);
}

#[test]
fn a_colleague_picks_up_what_rings_at_the_agent_and_the_agent_stays_ready() {
    let (mut floor, [a, jane, c], _, session) = Floor::at_work("", &LINES);
    let near = a.call("600");
    let far = jane.incoming();
    let picked = c.call("**204");
    jane.ended(far);
    a.connected(near);
    c.connected(picked);
    hear_each_other(&a, &c);
    floor.row.app.skip_to("600 IDLE");
    assert_eq!(floor.state(session), "READY");
    assert_eq!(floor.session_info(session)["numberOfCalls"], 0);
    let members = ["totalCallsQueued", "currentCallsQueued", "totalCallsAbandoned"];
    assert_eq!(counts(&mut floor, members), [1, 0, 0]);
    let queues = floor.row.program.get("/api/v1/queues").1;
    let queue = queues["items"].as_array().unwrap().iter().find(|row| row["queue"] == "support");
    let books = queue.map(|row| (row["callsTakenAway"].clone(), row["callsAnswered"].clone()));
    assert_eq!(books, Some((json!(1), json!(0))));
    a.hang_up(near);
    c.ended(picked);
    // Nothing is left of the reservation.
    let (near, far) = floor.serve(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
}

#[test]
fn a_caller_whose_phone_offers_late_waits_is_served_and_is_answered_at_once() {
    for settings in ["", "answer_after = \"0s\""] {
        let (mut floor, [_, jane, _], _, _) = Floor::at_work(settings, &[]);
        let behaviour = Behaviour { offers_late: true, ..Behaviour::default() };
        let b = floor.row.program.live_phone_with("202", behaviour);
        let near = b.call("600");
        let far = jane.incoming();
        if !settings.is_empty() {
            b.connected(near);
            b.hears_tone();
        }
        jane.answer(far);
        jane.connected(far);
        if settings.is_empty() {
            b.connected(near);
        }
        hear_each_other(&b, &jane);
        b.hang_up(near);
        jane.ended(far);
        floor.hears("SESSION jane STATE READY");
    }
}

#[test]
fn an_agent_of_two_queues_serves_the_heavier_one_first() {
    let (mut floor, [a, jane, c], agent, session) = Floor::at_work("", &[]);
    floor.reload(|text| text.replace("number = \"601\"\n", "number = \"601\"\nweight = 5\n"));
    floor.set(session, "NOTREADY");
    floor.said(&["SESSION jane STATE NOTREADY", "AGENT jane STATE NOTREADY"]);
    let light = a.call("600");
    a.connected(light);
    let heavy = c.call("601");
    c.connected(heavy);
    floor.set_agent(agent, "READY", "");
    let far = jane.incoming();
    jane.answer(far);
    jane.connected(far);
    hear_each_other(&c, &jane);
    jane.hang_up(far);
    c.ended(heavy);
    let far = jane.incoming();
    jane.answer(far);
    jane.connected(far);
    hear_each_other(&a, &jane);
}
