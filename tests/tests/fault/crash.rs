//! `kill -9`: what was up is ended at the phones, what was set is there again, the database is sound.

use std::time::Duration;

use serde_json::{Value, json};
use tests::program::{Program, office};

use super::serves;

/// Deaths of the test that dies at any moment; more by `STROWGER_CRASHES`.
const CRASHES: u64 = 3;

#[test]
fn both_phones_of_a_call_are_told_bye_after_a_crash() {
    let program = Program::with_database(&office(|text| text));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let (near, far) = a.talk_to(&b);
    a.hears(&b);
    program.until_rows("dialogs", 2);
    let program = program.crash_and_restart();
    a.ended(near);
    b.ended(far);
    assert_eq!(program.get("/api/v1/calls").1, json!({"items": []}));
    serves(&a, &b);
}

#[test]
fn a_held_call_and_one_that_was_transferred_are_ended_in_the_dialogs_they_are_in_now() {
    let program = Program::with_database(&office(|text| text));
    let [a, b, c, d, e] = ["201", "202", "203", "204", "205"].map(|line| program.live_phone(line));
    let (held, holder) = a.talk_to(&b);
    b.hold(holder);
    let (near, far) = c.talk_to(&d);
    c.with(|phone| phone.transfer(near, "205"));
    let moved = e.incoming();
    e.answer(moved);
    d.hears(&e);
    c.hang_up(near);
    program.until_rows("dialogs", 4);
    let _program = program.crash_and_restart();
    a.ended(held);
    b.ended(holder);
    d.ended(far);
    e.ended(moved);
}

#[test]
fn a_call_that_was_over_before_the_crash_is_not_ended_again() {
    let program = Program::with_database(&office(|text| text));
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    serves(&a, &b);
    program.until_rows("dialogs", 0);
    let program = program.crash_and_restart();
    serves(&a, &b);
    assert!(!program.log().contains("were up when the switch ended"), "{}", program.log());
}

#[test]
fn forwarding_and_do_not_disturb_are_there_after_a_crash() {
    let program = Program::with_database(&office(|text| text));
    let (a, c) = (program.live_phone("201"), program.live_phone("203"));
    let list = json!({"forwardList": [{"forwardMode": "LINEFORWARDMODE_UNCOND",
        "callerAddress": null, "destAddress": "203"}]});
    assert_eq!(program.put("/api/v1/lines/202/forwarding", &list).0, 200);
    assert_eq!(program.put("/api/v1/lines/204/dnd", &json!({"enabled": true})).0, 200);
    program.until_rows("forwardings", 2);
    let program = program.crash_and_restart();
    let near = a.call("202");
    let far = c.incoming();
    c.answer(far);
    a.connected(near);
    a.hears(&c);
    let (_, lines) = program.get("/api/v1/lines");
    let row = lines["items"].as_array().unwrap().iter().find(|row| row["line"] == "204").unwrap();
    assert!(row.to_string().contains("true"), "{row}");
}

/// The moment of the death is another one each time: while calls begin and end, phones register and
/// forwarding changes.
#[test]
fn whenever_the_process_dies_the_database_is_sound_and_the_office_works_again() {
    let crashes = std::env::var("STROWGER_CRASHES").ok().and_then(|text| text.parse().ok());
    let mut program = Program::with_database(&office(|text| text));
    for crash in 0..crashes.unwrap_or(CRASHES) {
        let (a, b) = (program.live_phone("201"), program.live_phone("202"));
        let busy = std::thread::scope(|scope| {
            let work = scope.spawn(|| work(&program));
            let near = a.call("202");
            let far = b.incoming();
            if crash % 2 == 0 {
                b.answer(far);
                a.connected(near);
            }
            program.has_written(2 + crash % 7);
            program.signal("KILL");
            work.join()
        });
        assert!(busy.is_ok());
        program = program.crash_and_restart();
        let connection = rusqlite::Connection::open(program.database()).unwrap();
        let check: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        drop(connection);
        // Both were bound when it died, and are.
        let (c, d) = (program.live_phone("203"), program.live_phone("204"));
        serves(&c, &d);
        for phone in [a, b, c, d] {
            phone.register(Duration::ZERO);
        }
    }
}

/// What has to be there again after every death.
#[derive(PartialEq, Debug)]
struct Kept {
    bindings: usize,
    /// Where 206 forwards to.
    forward: String,
    completion: Value,
    session: Value,
    acd_calls: Value,
}

impl Kept {
    fn of(program: &Program) -> Kept {
        let first = |path: &str| program.get(path).1["items"][0].clone();
        let sessions = first("/api/v1/agent-sessions");
        let connection = rusqlite::Connection::open(program.database()).unwrap();
        let question = "SELECT destination FROM forwardings WHERE line = '206'";
        Kept {
            bindings: program.get("/api/v1/registrations").1["items"].as_array().unwrap().len(),
            forward: connection.query_row(question, [], |row| row.get(0)).unwrap(),
            completion: first("/api/v1/completions")["completionId"].clone(),
            session: sessions["hAgentSession"].clone(),
            acd_calls: sessions["numberOfCalls"].clone(),
        }
    }
}

/// Rounds are few here; `STROWGER_CRASHES=20` makes more of them. The moments are drawn anew each time.
#[test]
fn bindings_forwards_agents_statistics_and_completions_outlive_a_death_at_any_moment() {
    let rounds = std::env::var("STROWGER_CRASHES").ok().and_then(|text| text.parse().ok());
    let mut program = Program::with_database(&office(|text| text));
    let [a, b, c, jane] = ["201", "202", "203", "204"].map(|line| program.live_phone(line));
    // 203 gave up while 202 rang, and waits until 202 is used.
    let leg = c.call("202");
    b.incoming();
    c.hang_up(leg);
    let code = c.call("*66");
    c.ended(code);
    program.until_rows("completions", 1);
    // An agent with a call that counts.
    assert_eq!(program.post("/api/v1/agents/jane/login", &json!({"line": "204"})).0, 200);
    let near = a.call("600");
    let far = jane.incoming();
    jane.answer(far);
    a.connected(near);
    a.hang_up(near);
    jane.ended(far);
    forward(&program, "203");
    until_kept(&program, |snapshot| {
        snapshot["sessions"][0]["counts"].as_object().is_some_and(|counts| {
            counts.values().any(|count| count.as_u64().is_some_and(|count| count == 1))
        })
    });
    let mut before = Kept::of(&program);
    assert_eq!((before.bindings, before.acd_calls.as_u64()), (4, Some(1)), "{before:?}");
    assert!(before.completion.is_u64() && before.session.is_u64(), "{before:?}");
    for round in 0..rounds.unwrap_or(CRASHES) {
        let target = ["201", "203", "204"][usize::try_from(round % 3).unwrap()];
        forward(&program, target);
        before.forward = target.to_owned();
        let wanted = || Kept::of(&program).forward == target;
        tests::program::wait("the forward is kept", wanted);
        let written = program.metric("store_written_total");
        let moment = u64::from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
        std::thread::scope(|scope| {
            let work = scope.spawn(|| work(&program));
            program.has_written(written + moment % 13);
            program.signal("KILL");
            work.join().unwrap();
        });
        program = program.crash_and_restart();
        assert_eq!(Kept::of(&program), before, "round {round}, moment {moment}");
        let connection = rusqlite::Connection::open(program.database()).unwrap();
        let check: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
    serves(&a, &jane);
}

fn forward(program: &Program, to: &str) {
    let list = json!({"forwardList": [{"forwardMode": "LINEFORWARDMODE_UNCOND",
        "callerAddress": null, "destAddress": to}]});
    assert_eq!(program.put("/api/v1/lines/206/forwarding", &list).0, 200);
}

/// Waits until the kept picture of the call centre is as wanted.
fn until_kept(program: &Program, wanted: impl Fn(&Value) -> bool) {
    let read = || -> Option<Value> {
        let connection = rusqlite::Connection::open(program.database()).ok()?;
        let question = "SELECT snapshot FROM centre";
        let text: String = connection.query_row(question, [], |row| row.get(0)).ok()?;
        serde_json::from_str(&text).ok()
    };
    tests::program::wait("the call centre is kept", || read().is_some_and(|kept| wanted(&kept)));
}

/// Changes what is kept until nobody answers any more.
fn work(program: &Program) {
    for turn in 0..10_000_u32 {
        let body = json!({"enabled": turn % 2 == 0}).to_string();
        if try_put(program, "/api/v1/lines/205/dnd", &body).is_none() {
            return;
        }
    }
}

fn try_put(program: &Program, path: &str, body: &str) -> Option<()> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(program.api).ok()?;
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        tests::program::TOKEN,
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.contains(" 200 ").then_some(())
}
