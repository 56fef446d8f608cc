//! Hubs, handles given back, slow readers.

use serde_json::json;
use std::time::{Duration, Instant};
use tapi::client::{CallHubEvent, CallInfoLong, Event, Success, Tapi, TapiEvent};
use tapi::constant::{ForwardMode, Mask};
use tests::program::{PATIENCE, Program};
use tokio::time::timeout;

use crate::office::{Office, config, runtime};

#[test]
fn hub_events_follow_a_call_on_tracked_addresses() {
    let office = Office::new(&["201", "202"]);
    let (ada, ben) = (office.registered("201", 0), office.registered("202", 0));
    office.tapi.set_call_hub_tracking(&[ada, ben], true);
    office.tapi.put_event_filter(TapiEvent::CallHub);
    let near = office.phones[0].call("202");
    let mut hubs = Vec::new();
    let mut next = |what: &str| {
        let Event::CallHub { call_hub, event, .. } = office.event(what) else { panic!("{what}") };
        hubs.push(call_hub.call_id());
        event
    };
    assert_eq!(next("the caller's view"), CallHubEvent::CallHubNew);
    assert_eq!(next("the called party's view"), CallHubEvent::CallJoin);
    office.answers(1);
    office.phones[0].connected(near);
    let known = office.tapi.call_hubs();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].num_calls(), 2);
    office.phones[0].hang_up(near);
    assert_eq!(next("one has gone"), CallHubEvent::CallLeave);
    assert_eq!(next("both have gone"), CallHubEvent::CallHubIdle);
    hubs.dedup();
    assert_eq!(hubs.len(), 1, "one call ID all along");
    office.at_rest();
}

/// How many handles the switch counts for a call of the line.
fn holders(office: &Office, watcher: &mut tests::program::Application, call: u64) -> u64 {
    let info = watcher.call("lineGetCallInfo", json!({"hCall": call})).unwrap();
    let count = |name: &str| info[name].as_u64().unwrap();
    assert!(office.tapi.event_filter() == Mask::all());
    count("numOwners") + count("numMonitors")
}

#[test]
fn a_dropped_object_gives_its_handle_back_and_the_call_goes_on() {
    let office = Office::new(&["201", "202"]);
    let mut watcher = office.program.application("watcher");
    watcher.open_for("201", &["MONITOR"]);
    let (call, far) = office.call_to(&office.address("201"), 1);
    watcher.wait("the call is announced", |message| message["method"] == "LINE_APPNEWCALL");
    let handle = watcher.handle("201");
    assert_eq!(holders(&office, &mut watcher, handle), 2);
    let clone = call.clone();
    drop(call);
    office.ok(clone.call_info_long(CallInfoLong::CallId));
    // Its events hold the call too: they are fetched and let go.
    for _ in 0..2 {
        office.wait("states", |event| matches!(event, Event::CallState { .. }).then_some(()));
    }
    assert_eq!(holders(&office, &mut watcher, handle), 2);
    office.tapi.put_event_filter(Mask::EMPTY);
    drop(clone);
    office.run(async {
        while timeout(Duration::from_millis(50), office.tapi.next_event()).await.is_ok() {}
    });
    office.tapi.put_event_filter(Mask::all());
    let start = Instant::now();
    while holders(&office, &mut watcher, handle) != 1 {
        assert!(start.elapsed() < PATIENCE, "the handle is not given back");
        tests::program::pause();
    }
    office.hear_each_other(0, 1);
    office.phones[1].hang_up(far);
    office.at_rest();
}

#[test]
fn a_slow_reader_loses_the_oldest_events_and_is_told_how_many() {
    let program = Program::start();
    let runtime = runtime();
    let tapi = Tapi::new(config(&program, "slow").max_events(3));
    assert_eq!(runtime.block_on(tapi.initialize()), Ok(Success::Ok));
    tapi.put_event_filter(TapiEvent::Address);
    let ada = runtime.block_on(tapi.address("201")).unwrap();
    runtime.block_on(ada.state()).unwrap();
    for round in 0..4 {
        let mut info = ada.create_forward_info_object();
        info.set_forward_type(ForwardMode::Busy, &format!("20{}", 2 + round), None).unwrap();
        runtime.block_on(ada.forward(Some(&info))).unwrap();
    }
    runtime.block_on(ada.state()).unwrap();
    let first = runtime.block_on(tapi.next_event());
    assert_eq!(first, Some(Event::Dropped { count: 1 }));
    for _ in 0..3 {
        let next = runtime.block_on(tapi.next_event());
        assert!(matches!(next, Some(Event::Address { .. })), "{next:?}");
    }
}
