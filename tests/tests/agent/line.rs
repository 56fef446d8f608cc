//! The queue as a line with many calls, and the phones of its agents (tapi-agents 10.1 and 10.3 … 10.5).

use serde_json::{Value, json};
use tests::row::hear_each_other;

use crate::floor::Floor;

/// lineForward of everything at a line, or of nothing any more.
fn forward(floor: &mut Floor, line: &str, to: &str) {
    let h_line = floor.row.line(line);
    let entry = json!({"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": to});
    let wish = json!({"hLine": h_line, "addressId": 0, "forwardList": [entry],
        "numRingsNoAnswer": 4, "wait": true});
    floor.row.ask("lineForward", wish);
}

/// LINEADDRESSCAPS of a line.
fn caps(floor: &mut Floor, line: &str) -> Value {
    let app = &mut floor.row.app;
    let device = (0..30).find(|device| {
        let caps = app.call("lineGetDevCaps", json!({"deviceId": device}));
        caps.is_ok_and(|caps| caps["lineName"] == line)
    });
    floor.row.ask("lineGetAddressCaps", json!({"deviceId": device, "addressId": 0}))
}

#[test]
fn a_queue_is_a_line_that_takes_many_calls_and_counts_those_that_wait() {
    let mut floor = Floor::with("", &["600"]);
    let [a, c] = floor.row.phones(["201", "205"]);
    let said = caps(&mut floor, "600");
    assert!(said["maxNumActiveCalls"].as_u64().unwrap() >= 1000, "{said}");
    let names = said["callTreatmentList"].as_array().unwrap().len();
    assert!(names >= 3 && said["numCallTreatments"] == names, "{said}");
    let h_line = floor.row.line("600");
    let wish = json!({"hLine": h_line, "addressStates": ["LINEADDRESSSTATE_NUMCALLS"],
        "lineStates": []});
    floor.row.ask("lineSetStatusMessages", wish);
    let waiting = |floor: &mut Floor| {
        let asked = json!({"hLine": h_line, "addressId": 0});
        floor.row.ask("lineGetAddressStatus", asked)["numActiveCalls"].clone()
    };
    assert_eq!(waiting(&mut floor), 0);
    let first = a.call("600");
    floor.row.app.skip_to("600 ADDRESS NUMCALLS");
    a.connected(first);
    let second = c.call("600");
    floor.row.app.skip_to("600 ADDRESS NUMCALLS");
    c.connected(second);
    assert_eq!(waiting(&mut floor), 2);
    a.hang_up(first);
    floor.row.app.skip_to("600 ADDRESS NUMCALLS");
    assert_eq!(waiting(&mut floor), 1);
    c.hang_up(second);
    floor.row.app.skip_to("600 ADDRESS NUMCALLS");
    assert_eq!(waiting(&mut floor), 0);
}

#[test]
fn an_agent_whose_phone_is_busy_is_left_alone_and_the_next_one_rings() {
    let settings = "strategy = \"sequential\"";
    let (mut floor, [a, jane, omars], _, session) = Floor::at_work(settings, &[]);
    let (_, omar) = floor.omar();
    floor.set(omar, "READY");
    floor.said(&["SESSION omar STATE READY", "AGENT omar STATE READY"]);
    let near = a.call("600");
    let far = jane.incoming();
    jane.reject(far, 486);
    let far = omars.incoming();
    omars.answer(far);
    a.connected(near);
    floor.said(&["SESSION omar STATE BUSYONCALL", "AGENT omar STATE BUSYACD"]);
    hear_each_other(&a, &omars);
    assert_eq!(floor.state(session), "READY");
    a.hang_up(near);
    omars.ended(far);
    floor.said(&["SESSION omar STATE READY", "AGENT omar STATE READY"]);
    // Still left alone: the other one again.
    let near = a.call("600");
    let far = omars.incoming();
    omars.answer(far);
    a.connected(near);
    floor.said(&["SESSION omar STATE BUSYONCALL", "AGENT omar STATE BUSYACD"]);
}

#[test]
fn the_forwarding_of_an_agents_line_is_not_for_calls_of_queues() {
    let mut floor = Floor::with("", &["201", "203", "204", "205", "600"]);
    let [a, _jane, omars, _elsewhere] = floor.row.phones(["201", "204", "205", "203"]);
    let (_, jane) = floor.jane();
    forward(&mut floor, "204", "203");
    floor.set(jane, "READY");
    let near = a.call("600");
    a.connected(near);
    a.hears_tone();
    floor.hears("SESSION jane STATE READY");
    let omar = floor.agent("omar", "4712", "205");
    let omar = floor.session(omar, "Help desk", "205", "omar");
    floor.set(omar, "READY");
    let far = omars.incoming();
    omars.answer(far);
    omars.connected(far);
    hear_each_other(&a, &omars);
    floor.hears("SESSION omar STATE BUSYONCALL");
    assert_eq!(floor.state(jane), "READY");
    let calls = floor.row.program.get("/api/v1/calls").1;
    let elsewhere = |call: &Value| call.to_string().contains("\"203\"");
    assert!(!calls["items"].as_array().unwrap().iter().any(elsewhere), "{calls}");
    a.hang_up(near);
    omars.ended(far);
    floor.row.app.skip_to("205 IDLE");
    // No call came to the line to which calls of jane's line go.
    assert_eq!(floor.row.app.next_name("203"), "203");
}

#[test]
fn callers_are_served_side_by_side_and_who_is_idle_longest_comes_first() {
    let (mut floor, [a, jane, omars], _, _) = Floor::at_work("", &[]);
    let [b] = floor.row.phones(["202"]);
    // Omar has never had a call, but was READY after jane: she comes first.
    let (_, omar) = floor.omar();
    floor.set(omar, "READY");
    floor.said(&["SESSION omar STATE READY", "AGENT omar STATE READY"]);
    let (near, far) = floor.serve(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    // Now he is idle longest, and the second caller need not wait for the first.
    let first = a.call("600");
    let his = omars.incoming();
    let second = b.call("600");
    let hers = jane.incoming();
    jane.answer(hers);
    b.connected(second);
    floor.said(&["SESSION jane STATE BUSYONCALL", "AGENT jane STATE BUSYACD"]);
    omars.answer(his);
    a.connected(first);
    floor.said(&["SESSION omar STATE BUSYONCALL", "AGENT omar STATE BUSYACD"]);
    hear_each_other(&a, &omars);
    hear_each_other(&b, &jane);
}

#[test]
fn an_agents_phone_shows_the_caller_and_the_queue() {
    let (mut floor, [a, jane, _], _, _) = Floor::at_work("name_prefix = \"Support: \"", &[]);
    a.call("600");
    let (_, from) = jane.incoming_from();
    assert!(from.contains("Support: Ada") && from.contains("sip:201@"), "{from}");
    floor.said_nothing();
}

#[test]
fn a_consultation_is_part_of_the_call_of_the_session() {
    let (mut floor, [a, jane, c], agent, session) = Floor::at_work("wrap_up = \"300s\"", &[]);
    let (near, far) = floor.serve(&a, &jane);
    jane.hold(far);
    let asks = jane.call("205");
    let asked = c.incoming();
    c.answer(asked);
    jane.connected(asks);
    floor.said_nothing();
    assert_eq!(floor.state(session), "BUSYONCALL");
    assert_eq!(floor.agent_state(agent), "BUSYACD");
    jane.hang_up(asks);
    c.ended(asked);
    jane.resume(far);
    floor.said_nothing();
    hear_each_other(&a, &jane);
    a.hang_up(near);
    jane.ended(far);
    floor.said(&["SESSION jane STATE BUSYWRAPUP"]);
    let info = floor.agent_info(agent);
    let counted = ["numberOfAcdCalls", "numberOfOutgoingCalls", "numberOfIncomingCalls"];
    assert_eq!(counted.map(|field| info[field].as_u64().unwrap()), [1, 1, 0]);
}

#[test]
fn who_has_any_line_open_is_told_of_agents_and_of_addresses_only_where_it_has_theirs() {
    let mut floor = Floor::with("", &[]);
    let mut elsewhere = floor.row.program.application("elsewhere");
    let h_line = elsewhere.open_for("206", &["NONE"]);
    let mut idle = floor.row.program.application("idle");
    floor.hears_addresses = true;
    let (_, session) = floor.jane_with_address();
    floor.set(session, "READY");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY", "ADDRESS 204 STATE READY"]);
    for wanted in
        ["AGENT NEWAGENT", "SESSION NEWSESSION", "SESSION STATE READY", "AGENT STATE READY"]
    {
        let message = elsewhere.next(wanted);
        assert_eq!(message["params"]["hLine"], h_line);
        assert_eq!(elsewhere.brief(&message), wanted);
    }
    elsewhere.expect_silence();
    idle.expect_silence();
}

#[test]
fn nobody_works_where_no_call_of_a_queue_can_ring() {
    let mut floor = Floor::with("", &["600"]);
    let group = floor.group("Help desk");
    let jane = floor.agent("jane", "4711", "204");
    let (own, queue) = (floor.line("204"), floor.app.open_for("600", &["NONE"]));
    // Address 1 of 204 is that of the shared line 250, which rings at several phones.
    for (h_line, address) in [(own, 1), (queue, 0)] {
        let wish = json!({"hLine": h_line, "hAgent": jane, "groupId": group,
            "workingAddressId": address});
        assert_eq!(floor.refused("lineCreateAgentSession", wish), "INVALADDRESSID");
        let wish = json!({"hLine": h_line, "addressId": address, "agentGroupList": [group]});
        assert_eq!(floor.refused("lineSetAgentGroup", wish), "INVALADDRESSID");
    }
    floor.said(&["AGENT jane NEWAGENT"]);
    floor.said_nothing();
}
