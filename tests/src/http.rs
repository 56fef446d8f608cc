//! The control interface of the running program as raw HTTP: one request, or the server-sent events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use crate::program::{PATIENCE, Program, TOKEN};

/// One HTTP request, raw: status and JSON body (its text when it is none).
pub fn http(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> (u16, Value) {
    let (status, _, body) = http_with_head(server, method, path, token, body);
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// One HTTP request, raw: status, status line with header fields in lower case, and body.
pub fn http_with_head(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> (u16, String, String) {
    let authorization =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    http_with_fields(server, method, path, &authorization, body)
}

/// The same with any header lines.
pub fn http_with_fields(
    server: SocketAddr,
    method: &str,
    path: &str,
    fields: &str,
    body: &str,
) -> (u16, String, String) {
    let mut stream = TcpStream::connect(server).expect("the control interface listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\n{fields}Connection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("a request can be sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// The server-sent events of `GET events`, one JSON object each.
pub struct Events {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

impl Events {
    /// Follows with the admin token; `query` is empty or begins with `?`.
    pub fn follow(program: &Program, query: &str) -> Events {
        let mut stream = TcpStream::connect(program.api).expect("the control interface listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!(
            "GET /api/v1/events{query} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
            program.api
        );
        stream.write_all(request.as_bytes()).expect("a request can be sent");
        let mut lines = BufReader::new(stream).lines();
        let head: Vec<String> =
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        assert!(head.first().is_some_and(|line| line.contains("200")), "{head:?}");
        Events { lines }
    }

    /// The next event.
    pub fn next(&mut self, what: &str) -> Value {
        let start = Instant::now();
        loop {
            // A stream that says only that it lives does not run into the socket's timeout.
            assert!(start.elapsed() < PATIENCE, "{what}: in vain");
            let line = self.lines.next().unwrap_or_else(|| panic!("{what}: the stream ended"));
            let line = line.unwrap_or_else(|error| panic!("{what}: {error}"));
            // The sizes of HTTP chunks stand on lines of their own.
            if let Some(data) = line.strip_prefix("data:") {
                return serde_json::from_str(data.trim()).expect("the switch writes JSON");
            }
        }
    }

    /// The next event that fits.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next(what);
            if wanted(&event) {
                return event;
            }
        }
    }
}
