//! The control interface under misuse: guessing, who did what, whether the switch still answers.

use std::time::Instant;

use serde_json::{Value, json};
use tests::program::{CRM_TOKEN, PATIENCE, Program, TOKEN, http, http_with_fields, office, pause};

use crate::ban::logged;

#[test]
fn guessing_tokens_is_answered_so_often_and_does_not_keep_others_out() {
    let program = Program::start();
    let guess = || http(program.api, "GET", "/api/v1/lines", Some("guess"), "").0;
    let answers: Vec<u16> = (0..80).map(|_| guess()).collect();
    assert_eq!(answers[0], 401);
    assert!(answers.contains(&429), "{answers:?}");
    assert_eq!(program.get("/api/v1/lines").0, 200);
}

#[test]
fn who_changed_what_is_written_down() {
    let program = Program::start();
    let path = "/api/v1/lines/201/dnd";
    let body = json!({"enabled": true}).to_string();
    assert_eq!(http(program.api, "PUT", path, Some(CRM_TOKEN), &body).0, 200);
    let line = logged(&program, "PUT");
    assert!(line.contains("audit") && line.contains("token=\"crm\""), "{line}");
    assert!(line.contains(path) && line.contains("status=200"), "{line}");
    assert!(line.contains("source=\"127.0.0.1\""), "{line}");
    assert_eq!(http(program.api, "POST", "/api/v1/reload", Some(CRM_TOKEN), "{}").0, 403);
    let line = logged(&program, "path=\"/api/v1/reload\"");
    assert!(line.contains("status=403"), "{line}");
    let mut application = program.application("desk");
    let _ = application.call("lineForward", json!({"hLine": 1}));
    let line = logged(&program, "lineForward");
    assert!(line.contains("audit") && line.contains("token=\"admin\""), "{line}");
    let batch = json!([{"jsonrpc": "2.0", "method": "lineHold", "params": {"hCall": 1}}]);
    application.send_text(&batch.to_string().replace("lineHold", "line\\u0048old"));
    assert!(logged(&program, "lineHold").contains("audit"), "in a batch, and spelt otherwise");
    assert!(!program.log().contains("admin-token"), "no secret is written");
}

/// The office with an audit file.
fn audited(file: &str) -> Program {
    Program::with(office(|text| {
        text.replace("[api]\n", &format!("[api]\naudit_file = \"{file}\"\n"))
    }))
}

/// Waits until the file beside the configuration has a line with these words.
fn noted(program: &Program, file: &str, words: &str) -> String {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(program.config.with_file_name(file)).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| line.contains(words)) {
            return line.to_owned();
        }
        assert!(start.elapsed() < PATIENCE, "no {words:?} in {text:?}");
        pause();
    }
}

#[test]
fn who_changed_what_is_appended_to_a_file_that_may_be_rotated() {
    let program = audited("audit.log");
    let dnd = |line: &str| {
        let body = json!({"enabled": true}).to_string();
        http(program.api, "PUT", &format!("/api/v1/lines/{line}/dnd"), Some(TOKEN), &body).0
    };
    assert_eq!(dnd("201"), 200);
    let line = noted(&program, "audit.log", "/lines/201/dnd");
    let words =
        " AUDIT token=\"admin\" src=127.0.0.1 method=PUT path=\"/api/v1/lines/201/dnd\" status=200";
    assert!(line.ends_with(words), "{line}");
    let mut application = program.application("desk");
    let _ = application.call("lineForward", json!({"hLine": 1}));
    assert!(noted(&program, "audit.log", "method=lineForward").contains("src=127.0.0.1"));
    let file = program.config.with_file_name("audit.log");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    // As logrotate does.
    std::fs::rename(&file, program.config.with_file_name("audit.log.1")).unwrap();
    program.signal("HUP");
    program.says("the new configuration is in use");
    assert_eq!(dnd("202"), 200);
    noted(&program, "audit.log", "/lines/202/dnd");
    let rotated = std::fs::read_to_string(program.config.with_file_name("audit.log.1")).unwrap();
    assert!(rotated.contains("/lines/201/dnd") && !rotated.contains("/lines/202/dnd"), "{rotated}");
}

#[test]
fn a_reload_that_finds_faults_opens_the_audit_file_anew_all_the_same() {
    let program = audited("audit.log");
    let ban = |source: &str| program.post("/api/v1/bans", &json!({"source": source})).0;
    assert_eq!(ban("198.51.100.1"), 201);
    noted(&program, "audit.log", "method=POST");
    let file = program.config.with_file_name("audit.log");
    let rotated = program.config.with_file_name("audit.log.1");
    std::fs::rename(&file, &rotated).unwrap();
    std::fs::write(&program.config, "no configuration").unwrap();
    program.signal("HUP");
    program.says("the file has faults; nothing changes");
    assert_eq!(ban("198.51.100.2"), 201);
    noted(&program, "audit.log", "method=POST");
    assert_eq!(std::fs::read_to_string(&rotated).unwrap().lines().count(), 1);
}

#[test]
fn an_audit_file_on_a_full_disk_is_told_and_keeps_nobody_waiting() {
    let program = audited("/dev/full");
    let wish = json!({"enabled": true});
    for _ in 0..3 {
        assert_eq!(program.put("/api/v1/lines/201/dnd", &wish).0, 200);
    }
    let ready = program.until("/readyz", |answer| answer["troubles"][0].is_string());
    assert!(ready["troubles"][0].as_str().unwrap().contains("/dev/full"), "{ready}");
    program.reaches("audit_lines_lost_total", 3);
    let (a, b) = (program.live_phone("203"), program.live_phone("202"));
    let (near, far) = a.talk_to(&b);
    a.hang_up(near);
    b.ended(far);
    // A file that can be written is taken up by a reload.
    let text = std::fs::read_to_string(&program.config).unwrap();
    std::fs::write(&program.config, text.replace("/dev/full", "audit.log")).unwrap();
    assert_eq!(program.post("/api/v1/reload", &json!({})).0, 200);
    noted(&program, "audit.log", "/api/v1/reload");
    program.until("/readyz", |answer| answer["troubles"].is_null());
}

/// A POST with a key; status, whether the answer was given before, and the answer.
fn post_with_key(program: &Program, key: &str, path: &str, body: &Value) -> (u16, bool, Value) {
    let fields = format!("Authorization: Bearer {TOKEN}\r\nIdempotency-Key: {key}\r\n");
    let (status, head, text) =
        http_with_fields(program.api, "POST", path, &fields, &body.to_string());
    let is_replayed = head.contains("idempotency-replayed: true");
    (status, is_replayed, serde_json::from_str(&text).unwrap_or_default())
}

#[test]
fn a_post_that_comes_again_with_its_key_makes_one_call_and_gets_the_same_answer() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let calls = "/api/v1/calls";
    let wish = json!({"from": "201", "to": "202"});
    let (status, is_replayed, first) = post_with_key(&program, "key-1", calls, &wish);
    assert_eq!((status, is_replayed), (201, false), "{first}");
    let far = b.incoming();
    let (status, is_replayed, second) = post_with_key(&program, "key-1", calls, &wish);
    assert_eq!((status, is_replayed), (201, true), "{second}");
    assert_eq!(first, second);
    b.answer(far);
    b.connected(far);
    let rows = program.get(calls).1;
    assert_eq!(rows["items"].as_array().unwrap().len(), 2, "two parties of one call: {rows}");
    // The key is that request's, and no other's.
    let other = json!({"from": "201", "to": "203"});
    assert_eq!(post_with_key(&program, "key-1", calls, &other).0, 422);
    assert_eq!(post_with_key(&program, "", calls, &other).0, 400);
    let bad = post_with_key(&program, "key-2", calls, &json!({"from": "201"}));
    assert_eq!(
        (bad.0, post_with_key(&program, "key-2", calls, &json!({"from": "201"})).1),
        (400, true)
    );
    b.hang_up(far);
    drop(a);
}

#[test]
fn the_watchdog_asks_the_switch_and_says_how_long_it_took() {
    let program = Program::start();
    program.reaches("watchdog_turnaround_microseconds", 1);
    program.until("/readyz", |answer| answer["status"] == "ready");
}

#[test]
fn who_does_not_read_what_was_asked_for_is_not_kept() {
    use std::io::{ErrorKind, Write};
    let program = Program::start();
    let mut stream = std::net::TcpStream::connect(program.api).unwrap();
    stream.set_nonblocking(true).unwrap();
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
        program.api
    );
    let start = Instant::now();
    let mut written = 0;
    // Asks until nothing more goes in, and then until the switch has had enough.
    let error = loop {
        match stream.write(&request.as_bytes()[written..]) {
            Ok(octets) => written = (written + octets) % request.len(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => pause(),
            Err(error) => break error,
        }
        assert!(start.elapsed() < 5 * PATIENCE, "it is kept for ever");
    };
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(kinds.contains(&error.kind()), "{error}");
    assert_eq!(program.get("/readyz").0, 200);
}

#[test]
fn a_page_of_another_host_is_no_application() {
    use std::io::{Read, Write};
    let program = Program::start();
    let status = |origin: &str| -> String {
        let mut stream = std::net::TcpStream::connect(program.api).unwrap();
        let request = format!(
            "GET /tapi HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n{origin}\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            program.api
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut octets = [0; 12];
        stream.read_exact(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[9..]).into_owned()
    };
    assert_eq!(status(""), "101");
    assert_eq!(status(&format!("Origin: http://{}\r\n", program.api)), "101");
    for other in ["https://elsewhere.example", "null", "http://127.0.0.1"] {
        assert_eq!(status(&format!("Origin: {other}\r\n")), "403", "{other}");
    }
}
