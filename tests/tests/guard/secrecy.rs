//! Lines that exist and lines that do not look alike to those who have no password (SEC-26).

use std::time::{Duration, Instant};

use sip_stack::auth::{ClientCredentials, DigestClient};
use sip_stack::message::{Message, Method};
use sip_stack::time::Seeded;
use tests::program::{PATIENCE, Program};
use tests::stranger::Stranger;

/// The answer without what echoes the request, nonces and tags.
fn plain(answer: &Message) -> String {
    let text = String::from_utf8_lossy(answer.bytes()).into_owned();
    let lines = text.split("\r\n").filter(|line| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        !["via", "from", "to", "call-id", "cseq", "v", "f", "t", "i"].contains(&&*name)
    });
    let lines = lines.map(|line| match (line.find("nonce=\""), line.find("\", algorithm")) {
        (Some(from), Some(to)) => format!("{}…{}", &line[..from], &line[to..]),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn asked(peer: &mut Stranger, method: &str, user: &str, more: &str) -> (String, Duration, Message) {
    let uri = format!("sip:{user}@office.test");
    let request = peer.request(method, &uri, user, more);
    let began = Instant::now();
    let answer = peer.ask(&request, PATIENCE).expect("an answer");
    let took = began.elapsed();
    let tag = answer.to().unwrap().tag().unwrap_or_default().len();
    (format!("{}\nTo tag of {tag}", plain(&answer)), took, answer)
}

/// What answers this challenge with a wrong password.
fn wrong(challenge: &Message, method: &str, user: &str) -> String {
    let credentials = ClientCredentials { username: user.to_owned(), password: "guess".to_owned() };
    let mut auth = DigestClient::new(credentials);
    if !auth.on_challenge(challenge, 0) {
        return String::new();
    }
    let (method, uri) = (Method::from_token(method), format!("sip:{user}@office.test"));
    let values = auth.authorize(&method, &uri, b"", &mut Seeded::new(7));
    values.iter().map(|(_, value)| format!("Authorization: {value}\r\n")).collect()
}

#[test]
fn lines_that_exist_and_lines_that_do_not_are_answered_alike() {
    let program = Program::start();
    let mut peer = Stranger::at("127.0.0.1", program.sip);
    let _registered = program.phone("202");
    for method in ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER"] {
        let more = if method == "SUBSCRIBE" { "Event: dialog\r\n" } else { "" };
        let mut seen: Vec<(String, String)> = Vec::new();
        let mut times: Vec<(&str, Vec<Duration>)> = Vec::new();
        // One that exists, one that is registered too, one that does not exist.
        for user in ["201", "202", "299"] {
            let (without, _, challenge) = asked(&mut peer, method, user, more);
            let credentials = wrong(&challenge, method, user);
            let more = format!("{more}{credentials}");
            let mut took = Vec::new();
            let mut last = String::new();
            for _ in 0..10 {
                let (answer, time, _) = asked(&mut peer, method, user, &more);
                took.push(time);
                last = answer;
            }
            took.sort_unstable();
            times.push((user, took));
            seen.push((without, last));
        }
        let medians: Vec<_> =
            times.iter().map(|(user, took)| (*user, took[took.len() / 2])).collect();
        println!("{method}: {medians:?}");
        assert_eq!(seen[0], seen[2], "{method}: 201 and 299");
        assert_eq!(seen[1], seen[2], "{method}: 202 and 299");
        if method != "MESSAGE" && method != "PUBLISH" && method != "REFER" {
            assert!(seen[2].1.contains("401"), "{method}: {}", seen[2].1);
        }
    }
}
