//! One call on the caller's, the queue's and the agent's line, and what the call centre says of it, row
//! by row of the table of tapi-agents 10.2.

use serde_json::json;
use sip_stack::endpoint::LegId;
use tests::program::LivePhone;
use tests::row::{OUTSIDE, Row, hear_each_other};

use crate::floor::{Floor, centre};

const LINES: [&str; 4] = ["201", "204", "205", "600"];
/// What the caller's and the queue's line are told of a call that waits with music.
const CALLER: &str = "201 NEW OWNER; 201 DIALING OWNER; 201 PROCEEDING; 201 RINGBACK; \
                      201 CONNECTED ACTIVE; 201 INFO CONNECTEDID";
const QUEUE: &str = "600 NEW OWNER; 600 OFFERING ACTIVE OWNER; 600 ACCEPTED; 600 INFO TREATMENT; 600 INFO TREATMENT";
const OFFERED: &str = "204 NEW OWNER; 204 OFFERING ACTIVE OWNER";

/// 201 waits in the queue, answered, before the phone of jane rings.
fn rings_after_waiting(
    floor: &mut Floor,
    a: &LivePhone,
    jane: &LivePhone,
    session: u64,
) -> (LegId, LegId) {
    let near = a.call("600");
    a.connected(near);
    floor.row.told(&[("201", CALLER), ("600", QUEUE)]);
    floor.said(&["QUEUE support UPDATEINFO"]);
    floor.set(session, "READY");
    floor.said(&["SESSION jane STATE READY", "AGENT jane STATE READY"]);
    let far = jane.incoming();
    floor.row.told(&[("204", OFFERED)]);
    (near, far)
}

fn floor(settings: &str) -> (Floor, [LivePhone; 3], u64, u64) {
    let mut floor = Floor::with(settings, &LINES);
    let phones = floor.row.phones(["201", "204", "205"]);
    let (jane, session) = floor.jane();
    (floor, phones, jane, session)
}

#[test]
fn a_call_is_dialled_waits_rings_is_answered_and_ends_with_one_identity_on_three_lines() {
    let (mut floor, [a, jane, _], agent, session) = floor("wrap_up = \"2s\"");
    let (near, far) = rings_after_waiting(&mut floor, &a, &jane, session);
    let call_id = floor.row.info("201")["callId"].clone();
    assert_eq!(floor.row.info("201")["origin"], "LINECALLORIGIN_OUTBOUND");
    assert_eq!(floor.row.parties("201"), "DIRECT 201 600 600 - -");
    for line in ["600", "204"] {
        let info = floor.row.info(line);
        assert_eq!(info["callId"], call_id, "{line}");
        assert_eq!(info["origin"], "LINECALLORIGIN_INTERNAL", "{line}");
    }
    assert_eq!(floor.row.parties("600"), "DIRECT 201 600 - - -");
    assert_eq!(floor.row.parties("204"), "REDIRECT 201 600 - 600 204");
    assert_eq!(floor.row.info("600")["callTreatment"], "LINECALLTREATMENT_MUSIC");
    // Reserved is nothing that is said.
    floor.said_nothing();
    jane.answer(far);
    jane.connected(far);
    floor.row.told(&[
        ("201", "201 INFO CONNECTEDID"),
        ("600", "600 INFO REDIRECTIONID; 600 IDLE"),
        ("204", "204 CONNECTED ACTIVE; 204 INFO CONNECTEDID"),
    ]);
    floor.said(&[
        "SESSION jane STATE BUSYONCALL",
        "AGENT jane STATE BUSYACD",
        "QUEUE support UPDATEINFO",
    ]);
    assert_eq!(floor.row.parties("201"), "DIRECT 201 600 204 - -");
    assert_eq!(floor.row.parties("204"), "REDIRECT 201 600 201 600 204");
    hear_each_other(&a, &jane);
    jane.hang_up(far);
    a.ended(near);
    floor.row.told(&[("204", "204 IDLE"), ("201", "201 DISCONNECTED NORMAL; 201 IDLE")]);
    floor.said(&[
        "SESSION jane STATE BUSYWRAPUP",
        "SESSION jane UPDATEINFO",
        "AGENT jane UPDATEINFO",
    ]);
    floor.said(&[
        "SESSION jane STATE READY",
        "AGENT jane STATE READY",
        "SESSION jane UPDATEINFO",
        "AGENT jane UPDATEINFO",
    ]);
    let info = floor.agent_info(agent);
    assert_eq!(info["numberOfAcdCalls"], 1);
    let (call, talk, wrap_up) =
        (&info["totalAcdCallTime"], &info["totalAcdTalkTime"], &info["totalAcdWrapUpTime"]);
    assert_eq!(call.as_u64().unwrap(), talk.as_u64().unwrap() + wrap_up.as_u64().unwrap());
    floor.row.is_empty();
}

#[test]
fn the_redirection_of_a_call_that_left_its_queue_says_which_agent_has_it() {
    let (mut floor, [a, jane, _], _, session) = floor("");
    let (near, far) = rings_after_waiting(&mut floor, &a, &jane, session);
    jane.answer(far);
    jane.connected(far);
    floor.row.app.skip_to("600 INFO REDIRECTIONID");
    assert_eq!(floor.row.info("600")["redirectionId"], "204");
    a.hang_up(near);
    jane.ended(far);
}

#[test]
fn a_caller_that_gives_up_while_it_waits_is_abandoned() {
    let (mut floor, [a, ..], _, _) = floor("");
    let near = a.call("600");
    a.connected(near);
    floor.row.told(&[("201", CALLER), ("600", QUEUE)]);
    floor.said(&["QUEUE support UPDATEINFO"]);
    a.hang_up(near);
    floor.row.told(&[("201", "201 IDLE"), ("600", "600 DISCONNECTED NORMAL; 600 IDLE")]);
    floor.said(&["QUEUE support UPDATEINFO"]);
    assert_eq!(floor.queue_info("support")["totalCallsAbandoned"], 1);
    floor.row.is_empty();
}

#[test]
fn a_caller_that_gives_up_while_the_agent_rings_is_abandoned_and_the_agent_never_connected() {
    let (mut floor, [a, jane, _], _, session) = floor("");
    let (near, far) = rings_after_waiting(&mut floor, &a, &jane, session);
    a.hang_up(near);
    jane.ended(far);
    floor.row.told(&[
        ("201", "201 IDLE"),
        ("600", "600 DISCONNECTED NORMAL; 600 IDLE"),
        ("204", "204 DISCONNECTED NORMAL; 204 IDLE"),
    ]);
    floor.said(&["QUEUE support UPDATEINFO"]);
    floor.said_nothing();
    assert_eq!(floor.state(session), "READY");
    let info = floor.queue_info("support");
    assert_eq!((&info["totalCallsAbandoned"], &info["currentCallsQueued"]), (&json!(1), &json!(0)));
    floor.row.is_empty();
}

#[test]
fn an_agent_that_does_not_answer_leaves_the_call_in_its_place() {
    let settings = "ring_timeout = \"1s\"\nmax_misses = 1";
    let (mut floor, [a, jane, _], _, session) = floor(settings);
    let (near, far) = rings_after_waiting(&mut floor, &a, &jane, session);
    jane.ended(far);
    floor.row.told(&[("204", "204 DISCONNECTED NOANSWER; 204 IDLE")]);
    floor.said(&["SESSION jane STATE NOTREADY", "AGENT jane STATE NOTREADY"]);
    assert_eq!(floor.row.parties("600"), "DIRECT 201 600 - - -");
    let info = floor.queue_info("support");
    assert_eq!((&info["totalCallsQueued"], &info["currentCallsQueued"]), (&json!(1), &json!(1)));
    a.hang_up(near);
    floor.row.told(&[("201", "201 IDLE"), ("600", "600 DISCONNECTED NORMAL; 600 IDLE")]);
    floor.row.is_empty();
}

#[test]
fn a_call_that_waited_as_long_as_it_may_goes_on_to_where_its_queue_sends_it() {
    let (mut floor, [a, _, c], _, _) = floor("max_wait = \"1s\"\non_max_wait = \"205\"");
    let near = a.call("600");
    a.connected(near);
    floor.row.told(&[
        ("201", &format!("{CALLER}; 201 INFO REDIRECTIONID|REDIRECTINGID")),
        ("600", &format!("{QUEUE}; 600 INFO REDIRECTIONID; 600 IDLE")),
        ("205", "205 NEW OWNER; 205 OFFERING ACTIVE OWNER"),
    ]);
    floor.said(&["QUEUE support UPDATEINFO", "QUEUE support UPDATEINFO"]);
    assert_eq!(floor.row.parties("205"), "REDIRECT 201 600 - 600 205");
    let info = floor.queue_info("support");
    let counted = ["finalDisposition", "totalCallsAbandoned", "currentCallsQueued"];
    assert_eq!(counted.map(|field| info[field].as_u64().unwrap()), [1, 0, 0]);
    let far = c.incoming();
    c.answer(far);
    c.connected(far);
    hear_each_other(&a, &c);
    a.hang_up(near);
    c.ended(far);
}

#[test]
fn a_call_that_flows_to_another_queue_is_counted_in_both() {
    let (mut floor, [a, jane, _], _, session) = floor("max_wait = \"1s\"\non_max_wait = \"601\"");
    let near = a.call("600");
    a.connected(near);
    floor.row.app.skip_to("600 IDLE");
    assert_eq!(floor.queue_info("support")["totalCallsFlowedOut"], 1);
    let orders = floor.queue_info("orders");
    let counted = ["totalCallsQueued", "totalCallsFlowedIn", "currentCallsQueued"];
    assert_eq!(counted.map(|field| orders[field].as_u64().unwrap()), [1, 1, 1]);
    let support = floor.queue_info("support");
    let counted = ["totalCallsQueued", "finalDisposition", "currentCallsQueued"];
    assert_eq!(counted.map(|field| support[field].as_u64().unwrap()), [1, 0, 0]);
    floor.set(session, "READY");
    let far = jane.incoming();
    jane.answer(far);
    jane.connected(far);
    floor.hears("SESSION jane STATE BUSYONCALL");
    hear_each_other(&a, &jane);
    floor.row.app.skip_to("204 CONNECTED ACTIVE");
    assert_eq!(floor.row.info("204")["callId"], floor.row.info("201")["callId"]);
    assert_eq!(floor.row.info("204")["redirectingId"], "601");
    a.hang_up(near);
    jane.ended(far);
}

#[test]
fn a_call_that_an_application_sends_to_another_queue_flows_there_and_one_that_is_full_out_does_not()
{
    let (mut floor, [a, ..], _, _) = floor("max_length = 1\non_full = \"601\"");
    let [b] = floor.row.phones(["202"]);
    let near = a.call("600");
    a.connected(near);
    floor.row.told(&[("201", CALLER), ("600", QUEUE)]);
    let other = b.call("600");
    b.connected(other);
    let flowed = |floor: &mut Floor, queue: &str| {
        let info = floor.queue_info(queue);
        let members = ["totalCallsQueued", "totalCallsFlowedOut", "totalCallsFlowedIn"];
        members.map(|member| info[member].as_u64().unwrap())
    };
    // It was never in the full one.
    assert_eq!(
        (flowed(&mut floor, "support"), flowed(&mut floor, "orders")),
        ([1, 0, 0], [1, 0, 0])
    );
    floor.row.tell("lineRedirect", "600", json!({"destAddress": "601"}));
    floor.row.told(&[
        ("600", "REPLY 0; 600 INFO REDIRECTIONID; 600 IDLE"),
        ("201", "201 INFO REDIRECTIONID|REDIRECTINGID; 201 INFO CONNECTEDID"),
    ]);
    assert_eq!(
        (flowed(&mut floor, "support"), flowed(&mut floor, "orders")),
        ([1, 1, 0], [2, 0, 1])
    );
    a.hears_tone();
}

#[test]
fn a_call_from_outside_is_external_on_the_lines_of_queue_and_agent() {
    let (row, carrier) = Row::with_carrier(&["201", "204", "600"], |text| centre(&text, ""));
    let mut floor = Floor::of(row);
    let [jane] = floor.row.phones(["204"]);
    let (_, session) = floor.jane();
    floor.set(session, "READY");
    let near = carrier.call("600");
    let far = jane.incoming();
    jane.answer(far);
    carrier.connected(near);
    floor.hears("SESSION jane STATE BUSYONCALL");
    floor.row.app.skip_to("204 CONNECTED ACTIVE");
    for line in ["600", "204"] {
        assert_eq!(floor.row.info(line)["origin"], "LINECALLORIGIN_EXTERNAL", "{line}");
        assert_eq!(floor.row.info(line)["callerId"], OUTSIDE, "{line}");
    }
    hear_each_other(&carrier, &jane);
    carrier.hang_up(near);
    jane.ended(far);
}

#[test]
fn a_call_that_was_forwarded_to_the_queue_says_what_brought_it() {
    let (mut floor, [a, ..], _, _) = floor("");
    let line = floor.row.line("205");
    let entry = json!({"forwardMode": "LINEFORWARDMODE_UNCOND", "destAddress": "600"});
    let wish = json!({"hLine": line, "addressId": 0, "forwardList": [entry], "numRingsNoAnswer": 4,
        "wait": true});
    floor.row.ask("lineForward", wish);
    let near = a.call("205");
    a.connected(near);
    floor.row.app.skip_to("600 ACCEPTED");
    assert_eq!(floor.row.parties("600"), "FWDUNCOND 201 205 - 205 600");
    floor.said(&["QUEUE support UPDATEINFO"]);
    a.hang_up(near);
    floor.row.app.skip_to("600 IDLE");
}
