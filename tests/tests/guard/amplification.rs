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
const WAYS: [&str; 6] = [
    "shortest",
    "shortest, three times",
    "as a phone",
    "wrong credentials",
    "in a dialog",
    "malformed",
];
/// The page that has the table.
const DOCS: &str = include_str!("../../../docs/security.md");
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
    /// How often it is sent.
    times: usize,
    answers: Vec<Vec<u8>>,
}

impl Attempt {
    fn new(method: &'static str, way: &'static str, mut peer: Stranger) -> Attempt {
        let uri = "sip:201@office.test";
        let mut ask = |more: &str| peer.request(method, uri, "201", more);
        let text = match way {
            "shortest" | "shortest, three times" => shortest(method),
            "as a phone" => ask(PHONE),
            "wrong credentials" => ask(WRONG),
            "malformed" => ask("this is no header\r\n"),
            "in a dialog" => {
                ask("").replacen("To: <sip:201@office.test>", "To: <sip:201@office.test>;tag=x", 1)
            }
            other => panic!("{other}?"),
        };
        let times = if way == "shortest, three times" { 3 } else { 1 };
        Attempt { method, way, text, peer, times, answers: Vec::new() }
    }

    fn sent(&self) -> usize {
        self.times * self.text.len()
    }

    fn received(&self) -> usize {
        self.answers.iter().map(Vec::len).sum()
    }
}

/// All of them, each from the address that `source` gives.
fn attempts(program: &Program, source: impl Fn(usize) -> String) -> Vec<Attempt> {
    let all = METHODS.iter().flat_map(|method| WAYS.iter().map(move |way| (*method, *way)));
    all.enumerate()
        .map(|(index, (method, way))| {
            Attempt::new(method, way, Stranger::at(&source(index), program.sip))
        })
        .collect()
}

/// The shortest that is a request at all.
fn shortest(method: &str) -> String {
    format!(
        "{method} sip:1@a SIP/2.0\r\nv:SIP/2.0/UDP a;rport;branch=z9hG4bK{method}\r\nf:<sip:a>;tag=1\r\n\
         t:<sip:1@a>\r\ni:{method}\r\nCSeq:1 {method}\r\nMax-Forwards:9\r\nm:<sip:a>\r\n\r\n"
    )
}

/// Asks in every way, and takes what comes until some retransmissions of what would be retransmitted
/// (timer G: 0.5 s, 1 s) would have come.
fn ask_all(attempts: &mut [Attempt]) {
    for attempt in attempts.iter() {
        (0..attempt.times).for_each(|_| attempt.peer.send(attempt.text.as_bytes()));
    }
    let patience = SILENCE * 3;
    let start = Instant::now();
    for attempt in attempts {
        let left = patience.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        while let Some(answer) = attempt.peer.receive(left) {
            attempt.answers.push(answer);
            if start.elapsed() > patience * 2 {
                break;
            }
        }
    }
}

/// The table's row of a method, as docs/security.md has it.
fn row(method: &str, of_method: &[Attempt]) -> String {
    let cells = of_method.iter().map(|one| format!(" {} → {} |", one.sent(), one.received()));
    format!("| {method} |{}", cells.collect::<String>())
}

/// The numbers of a row.
fn numbers(row: &str) -> Vec<i64> {
    let words = row.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    words.map(|word| word.parse().unwrap()).collect()
}

/// Asserts that docs/security.md has this row, up to some octets: ports and nonces differ in length.
fn is_in_the_docs(row: &str) {
    const MAY_DIFFER: i64 = 12;
    let head = row.split_inclusive('|').take(2).collect::<String>();
    let mut lines = DOCS.lines().filter(|line| line.starts_with(&head) && line.contains('→'));
    let (here, there) = (numbers(row), numbers(lines.next().unwrap_or_default()));
    let is_same = here.len() == there.len()
        && here.iter().zip(&there).all(|(here, there)| (here - there).abs() <= MAY_DIFFER);
    assert!(is_same, "docs/security.md says otherwise of: {row}");
}

#[test]
fn no_stranger_gets_more_octets_than_it_sent_by_any_method_as_the_table_in_the_docs_says() {
    let program = Program::start();
    // What one has used up of its room is not another one's.
    let mut all = attempts(&program, |index| format!("127.0.22.{}", 1 + index));
    ask_all(&mut all);
    println!("| method | {} |", WAYS.join(" | "));
    let rows: Vec<String> =
        all.chunks(WAYS.len()).map(|of_method| row(of_method[0].method, of_method)).collect();
    rows.iter().for_each(|row| println!("{row}"));
    for attempt in &all {
        let (method, way, sent, received) =
            (attempt.method, attempt.way, attempt.sent(), attempt.received());
        assert!(received <= sent, "{method} {way}: {sent} octets brought {received}");
        let answers = attempt.answers.len();
        assert!(answers <= attempt.times, "{method} {way}: {answers} answers");
    }
    for attempt in all.iter().filter(|attempt| attempt.way == "as a phone") {
        if ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"].contains(&attempt.method) {
            let answer = attempt.answers.first().unwrap_or_else(|| panic!("{}", attempt.method));
            let answer = Message::parse(answer.clone().into()).unwrap();
            assert_eq!(answer.status(), Some(401), "{}", attempt.method);
            assert!(answer.header(HeaderName::WwwAuthenticate).is_some());
        }
    }
    rows.iter().for_each(|row| is_in_the_docs(row));
}

#[test]
fn all_that_one_address_sends_together_brings_it_no_more_than_it_sent() {
    let program = Program::with(office(|text| {
        format!("{text}\n[security.limits]\nunauthenticated = 100000\nmalformed = 100000\n")
    }));
    let mut all = attempts(&program, |_| "127.0.0.2".to_owned());
    ask_all(&mut all);
    let sent: usize = all.iter().map(Attempt::sent).sum();
    let received: usize = all.iter().map(Attempt::received).sum();
    println!("one address, everything: {sent} → {received}");
    assert!(received > 0 && received <= sent, "{sent} octets brought {received}");
}

#[test]
fn what_is_no_sip_and_what_comes_to_the_ports_of_a_call_that_it_has_nothing_to_do_with_gets_no_answer()
 {
    let (program, a, b, near, far) = Program::talking();
    a.hears(&b);
    let rows = program.get("/api/v1/media").1["items"].as_array().unwrap().clone();
    let ports: Vec<u16> = rows
        .iter()
        .map(|row| u16::try_from(row["port"].as_u64().unwrap()).unwrap())
        .flat_map(|port| [port, port + 1])
        .collect();
    assert_eq!(ports.len(), 4);
    let targets = std::iter::once(program.sip)
        .chain(ports.iter().map(|port| (program.sip.ip(), *port).into()));
    let targets: Vec<_> = targets.collect();
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    let mut rtp = vec![0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 9];
    rtp.extend([0x55; 160]);
    // An empty receiver report, and the beginning of a ClientHello of DTLS 1.2.
    let rtcp = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
    let dtls = [&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 1, 0, 0, 38][..], &[1; 45]].concat();
    let noise = vec![0xa5; 300];
    let response =
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\nFrom: <sip:a>;tag=1\r\n\
        To: <sip:b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    let all: [(&str, &[u8]); 7] = [
        ("STUN binding request", &stun),
        ("RTP", &rtp),
        ("RTCP", &rtcp),
        ("DTLS ClientHello", &dtls),
        ("noise", &noise),
        ("keep-alive", b"\r\n\r\n"),
        ("a response", response),
    ];
    let mut asked = Vec::new();
    for (what, octets) in all {
        for target in &targets {
            let peer = Stranger::at("127.0.23.1", *target);
            peer.send(octets);
            asked.push((what, *target, peer));
        }
    }
    let start = Instant::now();
    for (what, target, peer) in &asked {
        let left = SILENCE.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
        let answer = peer.receive(left);
        assert!(answer.is_none(), "{what} at {target} is answered: {answer:?}");
    }
    // Nobody was taken for a party of the call.
    a.hears(&b);
    b.hears(&a);
    a.hang_up(near);
    b.ended(far);
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
