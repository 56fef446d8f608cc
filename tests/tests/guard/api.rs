//! The control interface under misuse: guessing, who did what, whether the switch still answers.

use serde_json::json;
use tests::program::{CRM_TOKEN, Program, TOKEN, http};

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
    let line = logged(&program, "/api/v1/reload");
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

#[test]
fn the_watchdog_asks_the_switch_and_says_how_long_it_took() {
    let program = Program::start();
    program.reaches("watchdog_turnaround_microseconds", 1);
    program.until("/readyz", |answer| answer["status"] == "ready");
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
