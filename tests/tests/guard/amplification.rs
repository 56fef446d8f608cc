//! What strangers get for what they send: never more octets than they sent (must show 5 of docs/security.md).

use std::time::{Duration, Instant};

use sip_stack::message::{HeaderName, Message};
use tests::program::{PATIENCE, Program, office};
use tests::stranger::{SILENCE, Stranger};

const METHODS: [&str; 15] = [
    "REGISTER",
    "INVITE",
    "OPTIONS",
    "SUBSCRIBE",
    "MESSAGE",
    "REFER",
    "PUBLISH",
    "NOTIFY",
    "INFO",
    "BYE",
    "CANCEL",
    "ACK",
    "UPDATE",
    "PRACK",
    "HELLO",
];
/// As phones say it.
const PHONE: &str = "User-Agent: Deskphone T46 66.86.0.15\r\nSupported: replaces, timer, path\r\n\
    Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, REFER, NOTIFY, UPDATE, MESSAGE\r\nExpires: 300\r\n";
const WRONG: &str = "Authorization: Digest username=\"201\", realm=\"office.test\", nonce=\"x\", \
    uri=\"sip:201@office.test\", response=\"0\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n";

/// One way to ask.
struct Attempt {
    method: &'static str,
    way: &'static str,
    text: String,
    peer: Stranger,
    answers: Vec<Vec<u8>>,
}

fn attempts(program: &Program) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for method in METHODS {
        for way in ["short", "as a phone", "wrong credentials", "in a dialog", "malformed"] {
            let mut peer = Stranger::at("127.0.0.2", program.sip);
            let uri = "sip:201@office.test";
            let more = match way {
                "as a phone" => PHONE.to_owned(),
                "wrong credentials" => WRONG.to_owned(),
                "malformed" => "this is no header\r\n".to_owned(),
                _ => String::new(),
            };
            let mut text = peer.request(method, uri, "201", &more);
            if way == "in a dialog" {
                text = text.replacen(
                    "To: <sip:201@office.test>",
                    "To: <sip:201@office.test>;tag=x",
                    1,
                );
            }
            if way == "short" {
                text = shortest(method);
            }
            attempts.push(Attempt { method, way, text, peer, answers: Vec::new() });
        }
    }
    attempts
}

/// The shortest that is a request at all.
fn shortest(method: &str) -> String {
    format!(
        "{method} sip:1@a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK{method}\r\nf:<sip:a>;tag=1\r\n\
         t:<sip:1@a>\r\ni:{method}\r\nCSeq:1 {method}\r\nMax-Forwards:9\r\nm:<sip:a>\r\n\r\n"
    )
}

#[test]
fn no_stranger_gets_more_octets_than_it_sent_by_any_method() {
    let program = Program::with(office(|text| {
        format!("{text}\n[security.limits]\nunauthenticated = 100000\nmalformed = 100000\n")
    }));
    let mut attempts = attempts(&program);
    for attempt in &attempts {
        attempt.peer.send(attempt.text.as_bytes());
    }
    // Long enough for some retransmissions of what would be retransmitted (timer G: 0.5 s, 1 s).
    let patience = SILENCE * 3;
    let start = Instant::now();
    for attempt in &mut attempts {
        let left = patience.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        while let Some(answer) = attempt.peer.receive(left) {
            attempt.answers.push(answer);
            if start.elapsed() > patience * 2 {
                break;
            }
        }
    }
    println!("| method | asked | sent | received | times |\n| --- | --- | --- | --- | --- |");
    for Attempt { method, way, text, answers, .. } in &attempts {
        let received: usize = answers.iter().map(Vec::len).sum();
        let sent = text.len();
        println!(
            "| {method} | {way} | {sent} | {received} | {:.2} |",
            received as f64 / sent as f64
        );
        assert!(received <= sent, "{method} {way}: {sent} octets brought {received}");
        assert!(answers.len() <= 1 || *way != "as a phone", "{method}: {} answers", answers.len());
    }
    let of_phones = attempts.iter().filter(|attempt| attempt.way == "as a phone");
    for attempt in of_phones {
        if ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"].contains(&attempt.method) {
            let answer = attempt.answers.first().unwrap_or_else(|| panic!("{}", attempt.method));
            let answer = Message::parse(answer.clone().into()).unwrap();
            assert_eq!(answer.status(), Some(401), "{}", attempt.method);
            assert!(answer.header(HeaderName::WwwAuthenticate).is_some());
        }
    }
}

#[test]
fn a_phone_gets_in_although_it_is_told_little_before() {
    let program = Program::start();
    let mut phone = Stranger::at("127.0.0.2", program.sip);
    assert_eq!(phone.register("201", "pw-201", PATIENCE), Some(200));
    // From now on it is known, and told everything.
    let options = phone.request("OPTIONS", "sip:office.test", "201", "");
    let answer = phone.ask(&options, PATIENCE).expect("an answer");
    assert!(answer.header(HeaderName::Allow).is_some());
}

#[test]
fn neither_sip_nor_http_tells_the_version() {
    let program = Program::start();
    let mut near = Stranger::at("127.0.0.1", program.sip);
    let options = near.request("OPTIONS", "sip:office.test", "x", "");
    let answer = near.ask(&options, PATIENCE).expect("an answer");
    assert_eq!(answer.header(HeaderName::Server), Some("Strowger"));
}
