//! Busy lamps, message lamps and rosters on real sockets: our phones and SIPp watch, pick up by the
//! key, park and unpark; HTTP, the shell and applications see the same.

use std::time::Duration;

use serde_json::{Value, json};
use sip_stack::endpoint::LegId;
use tests::interop::{self, Logged, Sipp, register};
use tests::lamp::{attribute, state_of};
use tests::program::{LivePhone, Program};

const HOUR: Duration = Duration::from_secs(3600);

fn office() -> (Program, [LivePhone; 4]) {
    let program = Program::start();
    let phones = ["201", "202", "203", "204"].map(|line| program.live_phone(line));
    (program, phones)
}

fn items(program: &Program, collection: &str) -> Vec<Value> {
    let (status, answer) = program.get(&format!("/api/v1/{collection}"));
    assert_eq!(status, 200, "{answer}");
    answer["items"].as_array().unwrap().clone()
}

/// Ends subscriptions, and waits until nothing is left of them and of calls.
fn at_rest(program: &Program, lamps: &[(&LivePhone, LegId)]) {
    for (phone, lamp) in lamps {
        phone.with(|phone| phone.watch_again(*lamp, Duration::ZERO));
        phone.told_last(*lamp);
    }
    for collection in ["calls", "media", "subscriptions"] {
        program.until(&format!("/api/v1/{collection}"), |answer| answer["items"] == json!([]));
    }
}

/// Call-ID, to-tag and from-tag of a Replaces, from a document.
fn replaces(document: &str) -> (&str, &str, &str) {
    let value = |name| attribute(document, name);
    (value("call-id"), value("remote-tag"), value("local-tag"))
}

#[test]
fn a_lamp_blinks_and_its_key_picks_the_call_up() {
    let (program, [a, b, c, _]) = office();
    let mut application = program.application("watcher");
    for line in ["201", "202", "203"] {
        application.open(line);
    }
    let (lamp, idle) = c.watch("202", "dialog", HOUR);
    assert_eq!(state_of(&idle), "terminated");
    let near = a.call("202");
    let ringing = c.told(lamp, "early", |body| state_of(body) == "early");
    assert_eq!(attribute(&ringing, "entity"), "sip:202@office.test");
    assert!(ringing.contains("display=\"Ada\""), "{ringing}");
    let rung = b.incoming();
    a.rings_there();
    let leg = c.with(|phone| phone.call_replacing("202", replaces(&ringing))).unwrap();
    c.connected(leg);
    a.connected(near);
    b.ended(rung);
    a.hears(&c);
    c.hears(&a);
    c.told(lamp, "terminated", |body| state_of(body) == "terminated");
    application.expect(&[
        "201 NEW OWNER",
        "201 DIALING OWNER",
        "201 PROCEEDING",
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
        "203 NEW OWNER",
        "203 DIALING OWNER",
        "203 PROCEEDING",
        "203 INFO ORIGIN|REASON|CALLERID|REDIRECTIONID|REDIRECTINGID",
        "202 DISCONNECTED PICKUP",
        "202 IDLE",
        "203 INFO CALLID",
        "203 CONNECTED ACTIVE",
        "201 CONNECTED ACTIVE",
        "201 INFO CONNECTEDID",
        "203 INFO CONNECTEDID",
    ]);
    c.hang_up(leg);
    a.ended(near);
    at_rest(&program, &[(&c, lamp)]);
}

#[test]
fn sipp_watches_a_line_and_picks_up_by_what_notify_said() {
    let program = Program::with(interop::office(|text| text));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let port = interop::free_port();
    register(&program, "203", port);
    let uri = "sip:202@office.test";
    let mut watcher = Sipp::new(&program, "watcher.xml").port(port).line("203", uri).start();
    watcher.until_received("NOTIFY ");
    let near = a.call("202");
    let rung = b.incoming();
    let is_early = |one: &&Logged| state_of(&one.text) == "early";
    let mut early = None;
    interop::until(&program, "the NOTIFY of the ringing", || {
        early = watcher.log().received("NOTIFY ").find(is_early).cloned();
        early.is_some()
    });
    let ringing = early.unwrap();
    let (call_id, to, from) = replaces(&ringing.text);
    let value = format!("Replaces: {call_id};to-tag={to};from-tag={from};early-only");
    let picker = Sipp::new(&program, "caller_waits.xml")
        .call("203", "202")
        .key("extra", format!("Require: replaces\r\n{value}"))
        .start();
    a.connected(near);
    b.ended(rung);
    let log = watcher.finish();
    let notifies: Vec<_> = log.received("NOTIFY ").collect();
    let states: Vec<&str> = notifies.iter().map(|one| state_of(&one.text)).collect();
    assert_eq!(states, ["terminated", "early", "terminated", "terminated"]);
    for (version, notify) in notifies.iter().enumerate() {
        assert_eq!(attribute(&notify.text, "version"), version.to_string());
        assert_eq!(notify.header("Event"), "dialog");
        assert_eq!(notify.header("Content-Type"), "application/dialog-info+xml");
        assert_eq!(notify.second_word(), format!("sip:203@127.0.0.1:{port}"));
        assert_eq!(notify.header("CSeq"), format!("{} NOTIFY", version + 1));
    }
    assert!(notifies[0].header("Subscription-State").starts_with("active;expires="));
    assert_eq!(notifies[3].header("Subscription-State"), "terminated;reason=timeout");
    let ok: Vec<_> = log.received("SIP/2.0 200").collect();
    assert_eq!((ok[0].header("Expires"), ok[1].header("Expires")), ("600", "0"));
    assert!(!ok[0].header("Contact").is_empty() && !ok[1].header("Contact").is_empty());
    a.hang_up(near);
    picker.finish();
    at_rest(&program, &[]);
}

#[test]
fn a_watcher_on_a_tcp_connection_is_told_over_it() {
    let program = Program::with(interop::office(|text| text));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let uri = "sip:202@office.test";
    let mut watcher = Sipp::new(&program, "watcher.xml").tcp().line("204", uri).start();
    watcher.until_received("NOTIFY ");
    let near = a.call("202");
    let rung = b.incoming();
    let is_early = |one: &Logged| state_of(&one.text) == "early";
    interop::until(&program, "the NOTIFY of the ringing", || {
        watcher.log().received("NOTIFY ").any(is_early)
    });
    a.hang_up(near);
    b.ended(rung);
    let log = watcher.finish();
    let states: Vec<&str> = log.received("NOTIFY ").map(|one| state_of(&one.text)).collect();
    assert_eq!(states, ["terminated", "early", "terminated", "terminated"]);
    for notify in log.received("NOTIFY ") {
        assert!(notify.header("Via").starts_with("SIP/2.0/TCP "), "{notify:?}");
        assert!(notify.header("Contact").contains("transport=tcp"), "{notify:?}");
        assert!(!notify.text.contains("call-id"), "204 may not pick up at 202");
    }
    at_rest(&program, &[]);
}

#[test]
fn what_cannot_be_watched_is_refused_in_the_protocols_words() {
    let program = Program::with(interop::office(|text| text));
    let dialog = "Event: dialog";
    for (uri, me, extra, status, header, value) in [
        ("sip:299@office.test", "203", dialog, 404, "Event", ""),
        ("sip:202@office.test", "201", dialog, 403, "Event", ""),
        ("sip:202@office.test", "203", "Event: message-summary", 403, "Event", ""),
        (
            "sip:202@office.test",
            "203",
            "Event: weather",
            489,
            "Allow-Events",
            "dialog, message-summary, conference, presence",
        ),
        (
            "sip:202@office.test",
            "203",
            "Event: dialog\r\nAccept: text/plain",
            406,
            "Accept",
            "application/dialog-info+xml",
        ),
        ("sip:202@office.test", "203", "Event: dialog\r\nExpires: 1", 423, "Min-Expires", "5"),
        ("sip:202@office.test", "203", "Event: dialog\r\nExpires: -1", 400, "Event", ""),
    ] {
        let sipp = Sipp::new(&program, "subscribe.xml").line("203", uri).key("me", me);
        let log = sipp.key("extra", extra).run();
        let answer = log.last_response("SUBSCRIBE");
        assert_eq!((answer.status(), answer.header(header)), (status, value), "{extra} at {uri}");
    }
    assert_eq!(items(&program, "subscriptions"), Vec::<Value>::new());
    // A foreign From is noted.
    program.says("event=spoofed_identity");
}

#[test]
fn a_slot_lights_on_park_and_goes_out_on_unpark_and_every_table_knows_who_watches() {
    let (program, [a, b, c, _]) = office();
    let (slot, _) = c.watch("701", "dialog", HOUR);
    let (lot, _) = c.watch("700", "dialog", HOUR);
    let rows = items(&program, "subscriptions");
    let named: Vec<_> = rows.iter().map(|row| (&row["line"], &row["entity"])).collect();
    let (line, lot_uri, slot_uri) =
        (json!("203"), json!("sip:700@office.test"), json!("sip:701@office.test"));
    assert_eq!(named, [(&line, &lot_uri), (&line, &slot_uri)]);
    let output = program.command(&["subscriptions"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("LINE") && text.contains("203   dialog   sip:701@office.test"),
        "{text}"
    );
    let (_, metrics) = program.get("/metrics");
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("\nstrowger_subscriptions 2\n"), "{metrics}");
    let near = a.call("202");
    let far = b.incoming();
    b.answer(far);
    a.connected(near);
    b.connected(far);
    a.with(|phone| phone.transfer(near, "701"));
    let taken = c.told(slot, "confirmed", |body| state_of(body) == "confirmed");
    assert!(taken.contains("display=\"Ben\">sip:202@office.test"), "{taken}");
    c.told(lot, "confirmed", |body| body.contains("<dialog id=\"p"));
    a.hang_up(near);
    let leg = c.call("701");
    c.connected(leg);
    c.told(slot, "terminated", |body| state_of(body) == "terminated");
    c.told(lot, "terminated", |body| state_of(body) == "terminated");
    b.hears(&c);
    c.hang_up(leg);
    b.ended(far);
    at_rest(&program, &[(&c, slot), (&c, lot)]);
}

#[test]
fn a_group_lamp_blinks_and_its_key_takes_the_call_of_whoever_rings() {
    let (program, [a, b, c, d]) = office();
    let (hunt, _) = a.watch("260", "dialog", HOUR);
    let (pickup, _) = b.watch("*8", "dialog", HOUR);
    let near = d.call("260");
    let ringing = a.told(hunt, "early", |body| state_of(body) == "early");
    b.told(pickup, "three ring", |body| body.matches("<state>early").count() == 3);
    let rung = c.incoming();
    let leg = a.with(|phone| phone.call_replacing("260", replaces(&ringing))).unwrap();
    a.connected(leg);
    c.ended(rung);
    a.hears(&d);
    a.told(hunt, "terminated", |body| state_of(body) == "terminated");
    b.told(pickup, "terminated", |body| state_of(body) == "terminated");
    a.hang_up(leg);
    d.ended(near);
    at_rest(&program, &[(&a, hunt), (&b, pickup)]);
}

#[test]
fn a_message_lights_the_lamp_of_the_line_and_applications_hear_of_it() {
    let (program, [a, ..]) = office();
    let mut application = program.application("mail");
    let line = application.open("201");
    let every = ["LINEDEVSTATE_MSGWAITON", "LINEDEVSTATE_MSGWAITOFF"];
    application.call("lineSetStatusMessages", json!({"hLine": line, "lineStates": every})).unwrap();
    let (lamp, off) = a.watch("201", "message-summary", HOUR);
    assert!(off.starts_with("Messages-Waiting: no\r\n"), "{off}");
    let path = "/api/v1/lines/201/message-waiting";
    let (status, answer) = program.put(path, &json!({"count": 3}));
    assert_eq!((status, &answer["messagesWaiting"]), (200, &json!(3)));
    a.told(lamp, "three", |body| body.contains("Voice-Message: 3/0 (0/0)"));
    application.wait("MSGWAITON", |message| message.to_string().contains("LINEDEVSTATE_MSGWAITON"));
    assert_eq!(items(&program, "lines")[0]["messagesWaiting"], 3);
    let flag = json!({
        "hLine": line, "statusToChange": ["LINEDEVSTATUSFLAGS_MSGWAIT"], "status": false,
    });
    application.call("lineSetLineDevStatus", flag).unwrap();
    application.wait("MSGWAITOFF", |message| message.to_string().contains("MSGWAITOFF"));
    a.told(lamp, "none", |body| body.starts_with("Messages-Waiting: no"));
    assert_eq!(program.put("/api/v1/lines/299/message-waiting", &json!({"count": 1})).0, 404);
    assert_eq!(program.put(path, &json!({"count": -1})).0, 400);
    at_rest(&program, &[(&a, lamp)]);
}

#[test]
fn the_roster_of_a_room_names_who_comes_and_goes() {
    let (program, [a, b, ..]) = office();
    let (roster, _) = a.watch("800", "conference", HOUR);
    let near = a.call("800");
    a.connected(near);
    let far = b.call("800");
    let body = a.told(roster, "two users", |body| body.matches("<user ").count() == 2);
    assert!(body.contains("<display-text>Board</display-text>"), "{body}");
    assert!(body.contains("<user entity=\"sip:202@office.test\""), "{body}");
    b.connected(far);
    b.hang_up(far);
    a.told(roster, "one user", |body| body.matches("<user ").count() == 1);
    a.hang_up(near);
    a.told(roster, "nobody", |body| body.contains("<active>false</active>"));
    at_rest(&program, &[(&a, roster)]);
}

#[test]
fn a_switch_that_is_stopped_tells_its_watchers_to_come_back() {
    let (mut program, [a, b, ..]) = office();
    let (lamp, _) = a.watch("202", "dialog", HOUR);
    program.signal("TERM");
    assert_eq!(a.told_last(lamp), "terminated;reason=deactivated");
    drop(b);
    assert_eq!(program.wait_for_exit(), Some(0));
}
