//! The HTTP interface of the real program: who may do what, every path, problems, events, metrics, actions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tests::program::{CRM_TOKEN, Events, Program, TOKEN, http, http_with_head, office};

const COLLECTIONS: [&str; 5] = ["lines", "registrations", "calls", "media", "trunks"];

/// The office with further tokens: one that only reads, one limited to line 201.
fn with_tokens() -> Program {
    Program::with(office(|text| {
        text.replace(
            "lines = [\"201\", \"202\", \"203\", \"204\", \"205\", \"206\"]",
            "lines = [\"201\"]",
        ) + "\n[[api.tokens]]\nname = \"eye\"\nsecret = \"eye-token\"\nscopes = [\"read\"]\n"
    }))
}

fn rows(program: &Program, collection: &str) -> Vec<Value> {
    let (status, answer) = program.get(&format!("/api/v1/{collection}"));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    answer["items"].as_array().unwrap().clone()
}

fn row<'a>(rows: &'a [Value], line: &str) -> &'a Value {
    rows.iter().find(|row| row["line"] == line).unwrap_or_else(|| panic!("no {line} in {rows:?}"))
}

/// A refusal is a problem document (RFC 9457) that says what to do.
fn problem(program: &Program, method: &str, path: &str, token: Option<&str>, body: &str) -> u16 {
    let (status, head, text) = http_with_head(program.api, method, path, token, body);
    assert!(head.contains("content-type: application/problem+json"), "{method} {path}: {head}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["status"], status, "{document}");
    for member in ["type", "title", "detail"] {
        let is_text = document[member].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_text, "{member} of {document}");
    }
    if status == 401 {
        assert!(head.contains("www-authenticate: bearer"), "{head}");
    }
    status
}

#[test]
fn without_a_known_token_nothing_is_told() {
    let program = Program::start();
    for (method, path) in [
        ("GET", "/api/v1/lines"),
        ("GET", "/api/v1/calls"),
        ("GET", "/api/v1/events"),
        ("POST", "/api/v1/calls"),
        ("POST", "/api/v1/calls/1/drop"),
        ("POST", "/api/v1/reload"),
        ("POST", "/api/v1/drain"),
        ("GET", "/tapi"),
    ] {
        for token in [None, Some("wrong"), Some(""), Some("admin-tokeN"), Some("admin-token2")] {
            assert_eq!(problem(&program, method, path, token, "{}"), 401, "{method} {path}");
        }
    }
    assert_eq!(program.get("/readyz").0, 200, "nothing was drained");
}

#[test]
fn scopes_and_lines_limit_what_a_token_may_do() {
    let program = with_tokens();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (near, _) = a.talk_to(&b);
    let call_id = rows(&program, "calls")[0]["callId"].clone();
    let ask = |method: &str, path: &str, token: &str, body: Value| {
        http(program.api, method, &format!("/api/v1/{path}"), Some(token), &body.to_string())
    };
    // Reading tokens read, and change nothing.
    for collection in COLLECTIONS {
        assert_eq!(ask("GET", collection, "eye-token", json!({})).0, 200, "{collection}");
    }
    let drop_call = format!("calls/{call_id}/drop");
    for (path, body) in [
        ("calls", json!({"from": "201", "to": "203"})),
        (&drop_call, json!({"line": "201"})),
        ("reload", json!({})),
        ("drain", json!({})),
    ] {
        let path = format!("/api/v1/{path}");
        let status = problem(&program, "POST", &path, Some("eye-token"), &body.to_string());
        assert_eq!(status, 403, "{path}");
    }
    let records = |path: &str, token: &str| ask("GET", path, token, json!({})).0;
    assert_eq!(records("call-records?line=201", "eye-token"), 200, "one line is less than all");
    assert_eq!(records("call-records?line=201", CRM_TOKEN), 200);
    assert_eq!(records("call-records?line=202", CRM_TOKEN), 404);
    // A token of an application sees and moves its own lines.
    for collection in ["lines", "registrations", "calls"] {
        let (status, answer) = ask("GET", collection, CRM_TOKEN, json!({}));
        assert_eq!(status, 200, "{collection}");
        let lines: BTreeSet<&str> = answer["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["line"].as_str().unwrap())
            .collect();
        assert_eq!(lines, ["201"].into(), "{collection}");
    }
    for path in ["reload", "drain"] {
        assert_eq!(ask("POST", path, CRM_TOKEN, json!({})).0, 403, "{path}");
    }
    assert_eq!(ask("GET", "events", CRM_TOKEN, json!({})).0, 403);
    assert_eq!(ask("POST", "calls", CRM_TOKEN, json!({"from": "202", "to": "203"})).0, 404);
    assert_eq!(ask("POST", &drop_call, CRM_TOKEN, json!({"line": "202"})).0, 404);
    a.hears(&b);
    assert_eq!(ask("POST", &drop_call, CRM_TOKEN, json!({"line": "201"})).0, 200);
    a.ended(near);
}

#[test]
fn a_limited_token_moves_no_agent_away_from_a_line_out_of_its_sight() {
    let program = with_tokens();
    let log_in = |agent: &str, line: &str, token: &str| {
        let path = format!("/api/v1/agents/{agent}/login");
        let body = json!({"line": line}).to_string();
        http(program.api, "POST", &path, Some(token), &body)
    };
    assert_eq!(log_in("omar", "205", TOKEN).0, 200);
    let sessions = rows(&program, "agent-sessions");
    assert_eq!(row(&sessions, "205")["agent"], "omar");
    let (status, hidden) = log_in("omar", "201", CRM_TOKEN);
    assert_eq!(status, 404, "{hidden}");
    let (status, unknown) = log_in("nobody", "201", CRM_TOKEN);
    assert_eq!(status, 404, "{unknown}");
    let named = hidden["detail"].as_str().unwrap().replace("omar", "nobody");
    assert_eq!(unknown["detail"], named, "forbidden and unknown look alike");
    let after = rows(&program, "agent-sessions");
    let who = |sessions: &[Value]| -> Vec<Value> {
        sessions
            .iter()
            .map(|row| json!([row["hAgentSession"], row["line"], row["state"]]))
            .collect()
    };
    assert_eq!(who(&after), who(&sessions), "nothing has happened at 205");
    assert_eq!(row(&rows(&program, "agents"), "205")["agent"], "omar");
    // An agent who works nowhere comes, and one at the token's own line may come again.
    for _ in 0..2 {
        assert_eq!(log_in("jane", "201", CRM_TOKEN).0, 200);
    }
    // One who works at a line out of sight as well is out of reach altogether.
    let mut app = program.application("floor");
    let h_line = app.open("204");
    let agents = rows(&program, "agents");
    let jane = agents.iter().find(|row| row["agent"] == "jane").unwrap();
    let groups = app.call("lineGetGroupList", json!({"hLine": h_line, "wait": true})).unwrap();
    let wish = json!({"hLine": h_line, "hAgent": jane["hAgent"], "agentPin": null,
        "workingAddressId": 0, "groupId": groups["groups"][0]["groupId"], "wait": true});
    app.call("lineCreateAgentSession", wish).unwrap();
    let before = rows(&program, "agent-sessions");
    assert_eq!(row(&before, "204")["agent"], "jane");
    for (method, what, body) in [
        ("POST", "login", json!({"line": "201"})),
        ("POST", "logout", json!({})),
        ("PUT", "state", json!({"state": "not-ready"})),
    ] {
        let path = format!("/api/v1/agents/jane/{what}");
        let (status, answer) = http(program.api, method, &path, Some(CRM_TOKEN), &body.to_string());
        assert_eq!(status, 404, "{what}: {answer}");
    }
    assert_eq!(who(&rows(&program, "agent-sessions")), who(&before));
}

#[test]
fn collections_are_items_whose_rows_name_things_by_their_numbers() {
    let (program, a, b, ..) = Program::talking();
    a.hears(&b);
    let lines = rows(&program, "lines");
    let numbers: Vec<&str> = lines.iter().map(|row| row["line"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["201", "202", "203", "204", "205", "206"]);
    assert_eq!(row(&lines, "201")["name"], "Ada");
    assert_eq!(row(&lines, "201")["registered"], true);
    assert_eq!(row(&lines, "203")["registered"], false);

    let registrations = rows(&program, "registrations");
    assert_eq!(registrations.len(), 2);
    let binding = row(&registrations, "202");
    assert_eq!(binding["source"], b.with(|phone| phone.address().to_string()));
    assert!(binding["contact"].as_str().unwrap().starts_with("sip:202@127.0.0.1:"), "{binding}");
    let expires = binding["expires"].as_u64().unwrap();
    assert!((1..=300).contains(&expires), "{binding}");
    assert_eq!(binding["userAgent"], "Strowger-Phone");

    let calls = rows(&program, "calls");
    let (caller, called) = (row(&calls, "201"), row(&calls, "202"));
    assert_eq!(caller["callId"], called["callId"]);
    for view in [caller, called] {
        assert_eq!(view["callState"], "LINECALLSTATE_CONNECTED");
        assert_eq!(view["mode"], "LINECONNECTEDMODE_ACTIVE");
        assert_eq!((&view["caller"], &view["called"]), (&json!("201"), &json!("202")));
        assert_eq!(view["codec"], "PCMU");
        assert_eq!(view["addressId"], 0);
    }
    assert_eq!((&caller["connected"], &called["connected"]), (&json!("202"), &json!("201")));
    assert_eq!((&caller["origin"], &called["origin"]), (&json!("OUTBOUND"), &json!("INBOUND")));

    let media = program.until("/api/v1/media", |answer| {
        let rows = answer["items"].as_array().unwrap();
        rows.len() == 2
            && rows.iter().all(|row| {
                ["packetsReceived", "packetsSent"].iter().all(|n| row[*n].as_u64().unwrap() > 0)
            })
    });
    let ports: BTreeSet<u64> = media["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["port"].as_u64().unwrap())
        .collect();
    assert_eq!(ports.len(), 2);
    assert!(ports.iter().all(|port| (16384..=32767).contains(port) && port % 2 == 0), "{ports:?}");

    let trunks = rows(&program, "trunks");
    assert_eq!((&trunks[0]["trunk"], &trunks[0]["calls"]), (&json!("carrier"), &json!(0)));
    assert!(!rows(&program, "lines").iter().any(|row| row.to_string().contains("pw-201")));
}

#[test]
fn click_to_dial_rings_the_phone_of_from_and_then_calls_to() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let mut app = program.application("watcher");
    app.open("201");
    app.open("202");
    let (status, answer) = program.post("/api/v1/calls", &json!({"from": "201", "to": "202"}));
    assert_eq!(status, 201, "{answer}\n{}", program.log());
    let call_id = answer["callId"].clone();
    assert!(call_id.as_u64().is_some_and(|id| id > 0), "{answer}");
    let far = b.incoming();
    app.expect(&[
        "201 NEW OWNER",
        "201 DIALING OWNER",
        "201 PROCEEDING",
        "202 NEW OWNER",
        "202 OFFERING ACTIVE OWNER",
        "201 RINGBACK",
    ]);
    b.answer(far);
    app.expect(&["202 CONNECTED ACTIVE", "201 CONNECTED ACTIVE"]);
    a.hears(&b);
    b.hears(&a);
    let handle = app.handle("201");
    let info = app.call("lineGetCallInfo", json!({"hCall": handle})).unwrap();
    assert_eq!(info["callId"], call_id);
    assert_eq!(info["origin"], "LINECALLORIGIN_OUTBOUND");
    let (status, answer) =
        program.post(&format!("/api/v1/calls/{call_id}/drop"), &json!({"line": "201"}));
    assert_eq!((status, &answer["callId"]), (200, &call_id));
    b.ended(far);
    app.skip_to("202 IDLE");
    app.expect_silence();
    assert!(rows(&program, "calls").is_empty());
}

#[test]
fn click_to_dial_that_cannot_work_says_why() {
    let program = Program::start();
    let _a = program.live_phone("201");
    for (body, expected) in [
        (json!({"from": "299", "to": "201"}), 404),
        (json!({"from": "203", "to": "201"}), 409),
        (json!({"from": "201"}), 400),
        (json!({"from": "201", "to": ""}), 400),
        (json!({"from": "201", "to": 202}), 400),
        (json!({"from": "201", "to": "202", "via": "203"}), 400),
        (json!({"from": "201", "to": "202\r\nEvil: yes"}), 400),
        (json!({"from": "201", "to": "2".repeat(1000)}), 400),
        (json!(["201", "202"]), 400),
    ] {
        let body = body.to_string();
        let status = problem(&program, "POST", "/api/v1/calls", Some(TOKEN), &body);
        assert_eq!(status, expected, "{body}");
    }
    assert_eq!(problem(&program, "POST", "/api/v1/calls", Some(TOKEN), "{"), 400);
    let long = "x".repeat(300 * 1024);
    assert_eq!(problem(&program, "POST", "/api/v1/calls", Some(TOKEN), &long), 413);
    assert!(rows(&program, "calls").is_empty());
}

#[test]
fn the_party_that_acts_holds_takes_back_and_hangs_up() {
    let (program, a, b, near, far) = Program::talking();
    let call_id = rows(&program, "calls")[0]["callId"].as_u64().unwrap();
    let act = |action: &str, line: &str| {
        program.post(&format!("/api/v1/calls/{call_id}/{action}"), &json!({"line": line})).0
    };
    let states = |wanted: [(&str, &str); 2]| {
        program.until("/api/v1/calls", |answer| {
            let rows = answer["items"].as_array().unwrap();
            ["201", "202"].iter().zip(wanted).all(|(line, (state, mode))| {
                let row = row(rows, line);
                row["callState"] == format!("LINECALLSTATE_{state}")
                    && row["mode"]
                        .as_str()
                        .unwrap_or_default()
                        .trim_start_matches("LINECONNECTEDMODE_")
                        == mode
            })
        })
    };
    assert_eq!(act("hold", "201"), 200);
    states([("ONHOLD", ""), ("CONNECTED", "ACTIVEHELD")]);
    b.hears_nothing_of(&a);
    assert_eq!(act("hold", "201"), 409, "it is on hold already");
    assert_eq!(act("unhold", "202"), 409, "202 does not hold");
    assert_eq!(act("unhold", "201"), 200);
    states([("CONNECTED", "ACTIVE"), ("CONNECTED", "ACTIVE")]);
    b.hears(&a);
    // What the phone holds itself it is told to take back.
    a.hold(near);
    states([("ONHOLD", ""), ("CONNECTED", "ACTIVEHELD")]);
    assert_eq!(act("unhold", "201"), 200);
    states([("CONNECTED", "ACTIVE"), ("CONNECTED", "ACTIVE")]);
    for (path, body, expected) in [
        (format!("calls/{}/drop", call_id + 1), json!({"line": "201"}), 404),
        (format!("calls/{}/drop", call_id + 1), json!({}), 404),
        (format!("calls/{}/transfer", call_id + 1), json!({"line": "201"}), 404),
        (format!("calls/{}/redirect", call_id + 1), json!(7), 404),
        (format!("calls/{}/drop", call_id + 1), json!({"line": "2 01"}), 404),
        (format!("calls/{}/redirect", call_id + 1), json!({"line": "", "to": "203"}), 404),
        (format!("calls/{}/redirect", call_id + 1), json!({"line": "201", "to": "2 03"}), 404),
        (format!("calls/{call_id}/drop"), json!({"line": "2 01"}), 400),
        (format!("calls/{call_id}/redirect"), json!({"line": "201", "to": "2 03"}), 400),
        (format!("calls/{call_id}/redirect"), json!({"line": "201"}), 400),
        ("calls/0/drop".to_owned(), json!({"line": "201"}), 404),
        ("calls/one/drop".to_owned(), json!({"line": "201"}), 404),
        ("calls/99999999999/drop".to_owned(), json!({"line": "201"}), 404),
        (format!("calls/{call_id}/drop"), json!({"line": "203"}), 404),
        (format!("calls/{call_id}/drop"), json!({"line": "299"}), 404),
        (format!("calls/{call_id}/drop"), json!({}), 400),
        (format!("calls/{call_id}/drop"), json!({"line": 201}), 400),
        (format!("calls/{call_id}/explode"), json!({"line": "201"}), 404),
    ] {
        let path = format!("/api/v1/{path}");
        let status = problem(&program, "POST", &path, Some(TOKEN), &body.to_string());
        assert_eq!(status, expected, "{path} {body}");
    }
    a.hears(&b);
    assert_eq!(act("drop", "202"), 200);
    a.ended(near);
    b.ended(far);
    assert_eq!(act("drop", "202"), 404, "the call is over");
}

#[test]
fn a_failed_call_is_shown_until_its_time_is_over() {
    let program = Program::with(office(|text| {
        text.replace("keep_failed_call = \"20s\"", "keep_failed_call = \"2s\"")
    }));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    b.with(|phone| phone.behaviour().refuses_with = Some(486));
    let mut app = program.application("watcher");
    app.open("201");
    a.call("202");
    assert_eq!(a.failed().0, 486, "{}", program.log());
    app.skip_to("201 BUSY STATION");
    let calls = rows(&program, "calls");
    assert_eq!(row(&calls, "201")["callState"], "LINECALLSTATE_BUSY");
    assert_eq!(row(&calls, "201")["mode"], "LINEBUSYMODE_STATION");
    app.expect(&["201 DISCONNECTED BUSY", "201 IDLE"]);
    assert!(rows(&program, "calls").is_empty());
}

#[test]
fn what_is_not_there_is_404_and_what_cannot_be_done_is_405() {
    let program = Program::start();
    for (method, path, expected) in [
        ("GET", "/", 404),
        ("GET", "/api/v1/telephones", 404),
        ("GET", "/api/v2/lines", 404),
        ("POST", "/api/v1/lines", 405),
        ("PUT", "/api/v1/lines/%ff/dnd", 400),
        ("POST", "/api/v1/calls/%ff/drop", 400),
        ("DELETE", "/api/v1/calls", 405),
        ("GET", "/api/v1/reload", 405),
        ("POST", "/healthz", 405),
    ] {
        assert_eq!(problem(&program, method, path, Some(TOKEN), ""), expected, "{method} {path}");
    }
    assert_eq!(problem(&program, "GET", "/tapi", Some(TOKEN), ""), 426);
}

#[test]
fn the_description_is_true_for_every_path_it_names() {
    let program = Program::start();
    let (status, document) = http(program.api, "GET", "/openapi.json", None, "");
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{document}");
    let paths = document["paths"].as_object().unwrap();
    for collection in COLLECTIONS {
        assert!(paths.contains_key(&format!("/api/v1/{collection}")), "{collection}");
    }
    for path in ["/api/v1/events", "/api/v1/reload", "/api/v1/drain", "/healthz", "/metrics"] {
        assert!(paths.contains_key(path), "{path}");
    }
    for (path, operations) in paths {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace("{callId}", "1");
            // Without a token nothing happens, and a path that is not there would be 404.
            let method = method.to_uppercase();
            let (status, _) = http(program.api, &method, &path, None, "{}");
            assert!(status == 401 || status == 200, "{method} {path}: {status}");
        }
    }
    let (status, head, page) = http_with_head(program.api, "GET", "/docs", None, "");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/html"), "{head}");
    assert!(page.contains("/openapi.json"));
    assert!(!page.contains("http://") && !page.contains("https://"), "the page needs nothing else");
}

#[test]
fn metrics_have_our_prefix_and_count_what_happens() {
    let (program, a, _b, near, far) = Program::talking();
    let value = |text: &Value, name: &str| -> Option<u64> {
        let text = text.as_str()?;
        let line = text.lines().find(|line| line.starts_with(&format!("strowger_{name} ")))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    let (status, head, text) = http_with_head(program.api, "GET", "/metrics", None, "");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain"), "{head}");
    for line in text.lines() {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        assert!(name.starts_with("strowger_"), "{line}");
    }
    let text = Value::String(text);
    for (name, expected) in [
        ("registrations_accepted_total", 2),
        ("bindings", 2),
        ("calls_attempted_total", 1),
        ("calls_answered_total", 1),
        ("calls_active", 2),
        ("legs_active", 2),
        ("authentications_refused_total", 0),
        ("calls_refused_total", 0),
    ] {
        assert_eq!(value(&text, name), Some(expected), "{name}");
    }
    assert!(value(&text, "sip_messages_received_total").unwrap() > 5);
    a.hang_up(near);
    _b.ended(far);
    program.until("/metrics", |text| {
        value(text, "calls_active") == Some(0) && value(text, "legs_active") == Some(0)
    });
}

#[test]
fn events_tell_every_state_and_registration_and_resume_after_a_number() {
    let program = Program::start();
    let mut events = Events::follow(&program, "?after=0");
    let a = program.live_phone("201");
    let registered = events.next("a registration");
    assert_eq!((&registered["line"], &registered["number"]), (&json!("201"), &json!(1)));
    assert_eq!(registered["kind"], "REGISTERED", "{registered}");
    assert!(registered["contact"].as_str().unwrap().starts_with("sip:201@"), "{registered}");
    let b = program.live_phone("202");
    let (near, _) = a.talk_to(&b);
    a.hang_up(near);
    let mut last = 1;
    let mut states = Vec::new();
    loop {
        let event = events.next("the call's states");
        last += 1;
        assert_eq!(event["number"], last);
        assert!(event["time"].as_u64().is_some(), "{event}");
        if event["kind"] == "LINE_CALLSTATE" {
            let word = |name: &str| {
                let text = event[name].as_str().unwrap_or_default();
                text.rsplit('_').next().unwrap().to_owned()
            };
            states.push(format!("{} {} {}", word("line"), word("callState"), word("mode")));
            if states.iter().filter(|state| state.contains("IDLE")).count() == 2 {
                break;
            }
        }
    }
    let of = |line: &str| -> Vec<&str> {
        let own = states.iter().filter_map(|state| state.strip_prefix(line));
        own.map(str::trim).collect()
    };
    assert_eq!(of("201"), ["DIALING", "PROCEEDING", "RINGBACK", "CONNECTED ACTIVE", "IDLE"]);
    assert_eq!(of("202"), ["OFFERING ACTIVE", "CONNECTED ACTIVE", "DISCONNECTED NORMAL", "IDLE"]);

    let mut again = Events::follow(&program, "?after=1");
    for number in 2..=last {
        assert_eq!(again.next("what was missed")["number"], number);
    }
    // Without a number only what is new.
    let mut fresh = Events::follow(&program, "");
    a.register(Duration::ZERO);
    let gone = fresh.next("the end of a registration");
    assert_eq!(gone["line"], "201");
    assert!(gone["number"].as_u64().unwrap() > last);
    assert_eq!(problem(&program, "GET", "/api/v1/events?after=x", Some(TOKEN), ""), 400);
}

#[test]
fn a_reader_of_before_a_restart_is_told_of_the_gap_and_hears_what_is_new() {
    let program = Program::start();
    let mut events = Events::follow(&program, "?after=100000");
    assert_eq!(events.next("a gap"), json!({"kind": "gap", "from": 100_001, "to": null}));
    let _a = program.live_phone("201");
    let registered = events.next("a registration");
    assert_eq!((&registered["kind"], &registered["number"]), (&json!("REGISTERED"), &json!(1)));
}

#[test]
fn health_and_readiness_are_open_to_everybody() {
    let program = Program::start();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(http(program.api, "GET", path, None, "").0, 200, "{path}");
    }
    assert_eq!(program.post("/api/v1/drain", &json!({})).0, 202);
    program.until("/readyz", |answer| answer["status"] == 503);
    assert_eq!(problem(&program, "GET", "/readyz", None, ""), 503);
    assert_eq!(http(program.api, "GET", "/healthz", None, "").0, 200);
}

#[test]
fn a_reload_that_takes_a_token_away_closes_its_doors() {
    let program = Program::start();
    let mut app = tests::program::Application::connect(program.api, CRM_TOKEN);
    app.call("lineInitializeEx", json!({"appName": "crm"})).unwrap();
    let text = std::fs::read_to_string(&program.config).unwrap();
    std::fs::write(&program.config, text.replace("crm-token", "other-token")).unwrap();
    let (status, answer) = program.post("/api/v1/reload", &json!({}));
    assert_eq!((status, &answer["reloaded"]), (200, &json!(true)));
    assert_eq!(app.wait_for_close("the token is gone").0, 1008);
    assert_eq!(http(program.api, "GET", "/api/v1/lines", Some(CRM_TOKEN), "").0, 401);
    assert_eq!(http(program.api, "GET", "/api/v1/lines", Some("other-token"), "").0, 200);
}
