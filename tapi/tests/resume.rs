//! Broken connections, resumption, and readers that fall behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use std::time::Duration;

use kit::Bench;
use serde_json::{Value, json};
use tapi::constant::{CallState as S, ConnectedMode};
use tapi::{CallMode, ConnectionId, ServerConfig};

const ACTIVE: CallMode = CallMode::Connected(ConnectedMode::Active);
const HELD: CallMode = CallMode::Connected(ConnectedMode::ActiveHeld);

fn sequence(messages: &[Value]) -> Vec<u64> {
    messages.iter().map(|message| message["params"]["seq"].as_u64().unwrap()).collect()
}

/// An application on connection 1 with a monitor handle on line 201.
fn initialised(bench: &mut Bench) -> String {
    bench.connect(1);
    let started = bench.ok(1, "lineInitializeEx", json!({"appName": "crm"}));
    bench.open_more(1, "201", &["OWNER", "MONITOR"]);
    started["instance"].as_str().unwrap().to_owned()
}

#[test]
fn sequence_numbers_rise_by_one() {
    let mut bench = Bench::new();
    initialised(&mut bench);
    let (_, key) = {
        let key = bench.incoming();
        (2, key)
    };
    bench.state(key, S::Connected, ACTIVE);
    bench.state(key, S::Connected, HELD);
    assert_eq!(sequence(&bench.messages(1)), [1, 2, 3, 4]);
}

#[test]
fn a_resumed_application_keeps_its_handles_and_misses_nothing() {
    let mut bench = Bench::new();
    let instance = initialised(&mut bench);
    let key = bench.incoming();
    let seen = bench.messages(1);
    assert_eq!(sequence(&seen), [1, 2]);
    bench.server.disconnect(2_000, ConnectionId(1));
    bench.state(key, S::Connected, ACTIVE);
    bench.state(key, S::Connected, HELD);
    assert!(bench.messages(1).is_empty());

    bench.connect(5);
    let resume = json!({"instance": instance, "after": 1});
    let result = bench.ok(5, "lineInitializeEx", resume);
    assert_eq!(result["instance"], instance);
    let missed = bench.messages(5);
    assert_eq!(sequence(&missed), [2, 3, 4]);
    assert_eq!(missed[0], seen[1], "the same message again");
    bench.state(key, S::Connected, ACTIVE);
    assert_eq!(sequence(&bench.messages(5)), [5]);
    let status = bench.ok(5, "lineGetCallStatus", json!({"hCall": 2}));
    assert_eq!(status["callState"], "LINECALLSTATE_CONNECTED");
    assert_eq!(bench.server.next_deadline(), None);
}

#[test]
fn the_response_of_a_resumption_comes_before_what_was_missed() {
    let mut bench = Bench::new();
    let instance = initialised(&mut bench);
    bench.incoming();
    bench.drain();
    bench.server.disconnect(2_000, ConnectionId(1));
    bench.connect(2);
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "lineInitializeEx",
        "params": {"instance": instance, "after": 0}});
    bench.server.request(2_000, ConnectionId(2), &request.to_string());
    let texts: Vec<bool> = bench
        .server
        .out
        .iter()
        .map(|output| match output {
            tapi::Output::Send { text, .. } => text.contains("\"result\""),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, [true, false, false]);
}

#[test]
fn another_connection_may_take_up_one_that_only_seems_alive() {
    let mut bench = Bench::new();
    let instance = initialised(&mut bench);
    bench.connect(2);
    bench.ok(2, "lineInitializeEx", json!({"instance": instance, "after": 0}));
    assert_eq!(bench.closed.len(), 1);
    assert_eq!(bench.closed[0].0, 1);
    assert!(bench.text(1, "{}").is_empty(), "the old connection is forgotten");
    // Its late report of the break does not harm the new one.
    bench.server.disconnect(3_000, ConnectionId(1));
    bench.server.expire(1_000_000);
    assert_eq!(bench.server.application_count(), 1);
}

#[test]
fn after_the_window_the_application_is_gone() {
    let mut bench = Bench::new();
    let instance = initialised(&mut bench);
    bench.monitor(2, "201");
    bench.incoming();
    bench.trace(2);
    bench.server.disconnect(10_000, ConnectionId(1));
    assert_eq!(bench.server.next_deadline(), Some(70_000));
    bench.server.expire(69_999);
    assert!(bench.trace(2).is_empty());
    bench.server.expire(70_000);
    assert_eq!(bench.trace(2), ["CALLINFO 2 NUMOWNERDECR"]);
    bench.connect(3);
    let resume = json!({"instance": instance, "after": 0});
    assert_eq!(bench.refused(3, "lineInitializeEx", resume), "LINEERR_INVALAPPHANDLE");
}

#[test]
fn a_resumption_must_fit() {
    let mut bench = Bench::new();
    let instance = initialised(&mut bench);
    bench.connect(2);
    for (params, error) in [
        (json!({"instance": "nobody", "after": 0}), "LINEERR_INVALAPPHANDLE"),
        (json!({"instance": instance, "after": 1}), "LINEERR_INVALPARAM"),
        (json!({"instance": instance, "after": -1}), "LINEERR_INVALPARAM"),
        (json!({"instance": instance, "after": "0"}), "Invalid params"),
        (json!({"instance": 7}), "Invalid params"),
    ] {
        assert_eq!(bench.refused(2, "lineInitializeEx", params), error);
    }
    bench.connect_only(3, &["201"]);
    let resume = json!({"instance": instance, "after": 0});
    assert_eq!(
        bench.refused(3, "lineInitializeEx", resume),
        "LINEERR_INVALAPPHANDLE",
        "other lines may be seen there"
    );
}

#[test]
fn a_reader_that_falls_behind_is_closed_and_may_resume() {
    let mut bench = Bench::with(ServerConfig { max_queued_messages: 8, ..ServerConfig::default() });
    let instance = initialised(&mut bench);
    bench.monitor(2, "201");
    let key = bench.incoming();
    bench.state(key, S::Connected, ACTIVE);
    bench.drain();
    let all = bench.messages(1).len();
    bench.messages(2);
    bench.reads = false;
    let mut told = 0;
    while bench.closed.is_empty() {
        let mode = if told % 2 == 0 { HELD } else { ACTIVE };
        bench.state(key, S::Connected, mode);
        bench.drain();
        bench.server.written(ConnectionId(2), 1);
        told += 1;
    }
    assert_eq!(told, 9);
    let (connection, code, reason) = bench.closed.remove(0);
    assert_eq!((connection, code), (1, 1013));
    assert!(reason.contains("unread"));
    assert_eq!(bench.messages(1).len(), 8);
    assert_eq!(bench.messages(2).len(), 9, "nobody else notices");

    bench.reads = true;
    bench.connect(3);
    let after = all + 4;
    bench.ok(3, "lineInitializeEx", json!({"instance": instance, "after": after}));
    let missed = sequence(&bench.messages(3));
    let expected: Vec<u64> = (after as u64 + 1..=all as u64 + 9).collect();
    assert_eq!(missed, expected);
}

#[test]
fn what_is_missed_without_a_connection_is_bounded() {
    let mut bench = Bench::with(ServerConfig { max_queued_messages: 8, ..ServerConfig::default() });
    let instance = initialised(&mut bench);
    let key = bench.incoming();
    bench.state(key, S::Connected, ACTIVE);
    bench.drain();
    bench.server.disconnect(2_000, ConnectionId(1));
    for round in 0..9 {
        let mode = if round % 2 == 0 { HELD } else { ACTIVE };
        bench.state(key, S::Connected, mode);
    }
    bench.server.expire(2_001);
    assert_eq!(bench.server.application_count(), 0);
    bench.connect(2);
    let resume = json!({"instance": instance, "after": 3});
    assert_eq!(bench.refused(2, "lineInitializeEx", resume), "LINEERR_INVALAPPHANDLE");
    assert_eq!(bench.server.call_count(), 1);
}

#[test]
fn a_waiting_caller_whose_connection_broke_gets_a_line_reply() {
    let mut bench = Bench::new();
    let instance = initialised(&mut bench);
    let make = json!({"hLine": 1, "destAddress": "202", "wait": true});
    assert!(bench.ask(1, "lineMakeCall", make).is_none());
    let (request, _) = bench.intent();
    bench.server.disconnect(2_000, ConnectionId(1));
    bench.complete(request);
    bench.connect(2);
    bench.ok(2, "lineInitializeEx", json!({"instance": instance, "after": 0}));
    assert_eq!(bench.trace(2), ["REPLY 2 0"]);
}

#[test]
fn the_instance_cannot_be_told_from_the_number_of_the_application() {
    let instance = |secret| {
        let config = ServerConfig { secret, ..ServerConfig::default() };
        initialised(&mut Bench::with(config))
    };
    assert_eq!(instance(1), instance(1));
    assert_ne!(instance(1), instance(2));
    assert_eq!(instance(1).len(), 32);
    assert_eq!(ServerConfig::default().resume_window, Duration::from_secs(60));
}
