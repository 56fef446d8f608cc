//! The torture messages of RFC 4475 and RFC 5118 against the whole exchange, over UDP, TCP and TLS.
//!
//! Each is sent by a stranger, and again by the peer of a trunk, whom nobody asks for a password.
//! The answers are those that `manifest.toml` of the corpus names; afterwards two phones talk as
//! ever, and nothing is left. The simulated world is asked first, with every repetition in its time;
//! then the real program over each of the three transports.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use sip_stack::flow::{Flow, Transmit, Transport};
use sip_stack::message::framing::{Frame, FramingError, StreamFramer};
use sip_stack::message::{HeaderName, Message};
use switch::exchange::{AdminRequest, Input};
use tests::certificates::{Authority, Client, connect};
use tests::program::{PATIENCE, Program};
use tests::sim::World;

#[derive(Deserialize)]
struct Manifest {
    message: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    send: String,
    expect: String,
    status: Vec<u16>,
    stream: Option<String>,
}

/// Statuses that would mean that a valid message was taken for a malformed one.
const SYNTAX_REFUSALS: [u16; 4] = [400, 500, 505, 513];
/// What may be dropped because it leaves nobody to answer.
const MAY_BE_DROPPED: [&str; 2] = ["insuf", "test"];
/// The switch of the simulated world.
const SWITCH: &str = "127.0.0.1:5060";
/// Nobody whom the switch knows.
const STRANGER: &str = "192.0.2.200:5060";
/// The peer of the office's trunk.
const CARRIER: &str = "192.0.2.201:5060";

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sip-stack/tests/corpus/torture")
}

fn manifest() -> Vec<Entry> {
    let text = std::fs::read_to_string(corpus().join("manifest.toml")).unwrap();
    let messages = toml::from_str::<Manifest>(&text).unwrap().message;
    assert_eq!(messages.len(), 62);
    messages
}

fn octets(entry: &Entry) -> Bytes {
    Bytes::from(std::fs::read(corpus().join(&entry.send)).unwrap())
}

fn flow(transport: Transport, from: &str) -> Flow {
    let connection = transport.is_reliable().then_some(7);
    let (local, remote) = (SWITCH.parse().unwrap(), from.parse().unwrap());
    Flow { transport, local, remote, connection }
}

/// The office with two phones and its trunk.
fn office(seed: u64) -> World {
    let mut world = World::office(seed);
    world.phone("201");
    world.phone("202");
    let carrier: SocketAddr = CARRIER.parse().unwrap();
    let targets = vec![(Transport::Udp, carrier), (Transport::Tcp, carrier)];
    world.input(Input::Resolved { trunk: "carrier".to_owned(), targets });
    world
}

/// What the exchange says to a message, all repetitions included.
fn answers(world: &mut World, bytes: Bytes, flow: Flow) -> Vec<Transmit> {
    world.receive(bytes, flow);
    world.run_for(Duration::from_secs(1));
    world.strays()
}

/// The final statuses, each once.
fn finals(answers: &[Transmit]) -> Vec<u16> {
    let mut statuses: Vec<u16> = answers
        .iter()
        .filter_map(|answer| Message::parse(answer.bytes.clone()).ok()?.status())
        .filter(|status| *status >= 200)
        .collect();
    statuses.dedup();
    statuses
}

/// Asserts that the answers are those of the manifest.
fn judge(entry: &Entry, request: &Bytes, answers: &[Transmit], from: &str) {
    let name = &entry.name;
    let statuses = finals(answers);
    let source: SocketAddr = from.parse().unwrap();
    for answer in answers {
        assert_eq!(answer.flow.remote.ip(), source.ip(), "{name}: sent to somebody else");
        is_an_answer_to(name, request, &answer.bytes);
    }
    match entry.expect.as_str() {
        "discard" => assert!(answers.is_empty(), "{name}: {answers:?}"),
        "reject" if statuses.is_empty() && MAY_BE_DROPPED.contains(&name.as_str()) => {}
        "reject" => {
            let [status] = statuses[..] else { panic!("{name}: one answer, not {statuses:?}") };
            assert!(entry.status.contains(&status), "{name}: {status}");
        }
        "accept" | "accept-or-reject" => {
            let [status] = statuses[..] else { panic!("{name}: one answer, not {statuses:?}") };
            let is_open = entry.expect == "accept-or-reject" || entry.status.is_empty();
            let is_right =
                entry.status.contains(&status) || (is_open && !SYNTAX_REFUSALS.contains(&status));
            assert!(is_right, "{name}: {status}");
        }
        other => panic!("{name}: {other}?"),
    }
}

/// Asserts that an answer can be read, and says back what identifies the request.
fn is_an_answer_to(name: &str, request: &Bytes, answer: &Bytes) {
    let answer = Message::parse(answer.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!answer.is_request(), "{name}: {:?}", answer.request_uri());
    assert!(answer.body().is_empty(), "{name}: an answer with a body");
    let Ok(request) = Message::parse(request.clone()) else { return };
    for header in [HeaderName::CallId, HeaderName::CSeq, HeaderName::From] {
        assert_eq!(answer.header(header), request.header(header), "{name}: {header:?}");
    }
    let (vias, theirs) = (answer.list(HeaderName::Via), request.list(HeaderName::Via));
    assert_eq!(vias.count(), theirs.count(), "{name}: Via");
}

/// Two phones talk as ever, and nothing is left.
fn is_unharmed(world: &mut World, name: &str) {
    let bindings = world.administrator(AdminRequest::Registrations).unwrap();
    assert_eq!(bindings.as_array().unwrap().len(), 2, "{name}: a binding was made");
    let (a, b) = (tests::sim::PhoneIndex(0), tests::sim::PhoneIndex(1));
    let (near, far) = world.connected(a, b);
    assert!(world.hears(b, a, near) && world.hears(a, b, far), "{name}");
    world.assert_agreement(false);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.assert_at_rest();
}

#[test]
fn every_message_over_udp_is_answered_as_the_manifest_says() {
    for (seed, entry) in manifest().iter().enumerate() {
        for from in [STRANGER, CARRIER] {
            let mut world = office(seed as u64);
            let request = octets(entry);
            let said = answers(&mut world, request.clone(), flow(Transport::Udp, from));
            judge(entry, &request, &said, from);
            is_unharmed(&mut world, &entry.name);
        }
    }
}

/// What a connection makes of octets: its messages, and why it has to be closed.
fn framed(bytes: &[u8]) -> (Vec<Bytes>, Option<FramingError>) {
    let mut framer = StreamFramer::new();
    framer.push(bytes);
    let mut messages = Vec::new();
    while let Some(frame) = framer.next() {
        match frame {
            Ok(Frame::Message(message)) => messages.push(message),
            Ok(_) => {}
            Err(error) => return (messages, Some(error)),
        }
    }
    (messages, None)
}

#[test]
fn every_message_over_tcp_is_answered_as_the_manifest_says() {
    for (seed, entry) in manifest().iter().enumerate() {
        for from in [STRANGER, CARRIER] {
            let mut world = office(seed as u64);
            let (messages, error) = framed(&octets(entry));
            let name = &entry.name;
            match entry.stream.as_deref() {
                // The body is longer than announced; its rest is no request.
                Some("two requests") => assert_eq!(messages.len(), 2, "{name}"),
                Some("wait then close") => {
                    assert_eq!((messages.len(), error.is_some()), (0, false), "{name}");
                }
                Some(_) => assert!(messages.is_empty() && error.is_some(), "{name}"),
                None if MAY_BE_DROPPED.contains(&name.as_str()) => {}
                None => assert_eq!((messages.len(), error.is_some()), (1, false), "{name}"),
            }
            for request in &messages {
                let said = answers(&mut world, request.clone(), flow(Transport::Tcp, from));
                assert!(said.iter().all(|answer| answer.flow.connection == Some(7)), "{name}");
                if messages.len() == 1 {
                    judge(entry, request, &said, from);
                } else {
                    assert_eq!(finals(&said).len(), 1, "{name}: each request is answered");
                }
            }
            is_unharmed(&mut world, name);
        }
    }
}

/// A connection to the real program.
enum Connection {
    Tcp(TcpStream, StreamFramer),
    Tls(Box<Client>),
}

impl Connection {
    fn send(&mut self, octets: &[u8]) {
        // The switch may have closed the connection after the first message.
        let _ = match self {
            Connection::Tcp(stream, _) => stream.write_all(octets),
            Connection::Tls(client) => {
                client.stream.write_all(octets).and_then(|()| client.stream.flush())
            }
        };
    }

    fn says_that_no_more_comes(&mut self) {
        match self {
            Connection::Tcp(stream, _) => stream.shutdown(std::net::Shutdown::Write).unwrap(),
            Connection::Tls(client) => {
                client.stream.conn.send_close_notify();
                client.stream.flush().unwrap();
            }
        }
    }

    /// The next message; `None` when the connection is closed.
    fn message(&mut self) -> Option<Message> {
        let (stream, framer) = match self {
            Connection::Tls(client) => return client.try_message(),
            Connection::Tcp(stream, framer) => (stream, framer),
        };
        let mut buffer = [0; 4096];
        loop {
            match framer.next() {
                Some(Ok(Frame::Message(bytes))) => return Some(Message::parse(bytes).unwrap()),
                Some(_) => continue,
                None => {}
            }
            match stream.read(&mut buffer) {
                Ok(length) if length > 0 => framer.push(&buffer[..length]),
                _ => return None,
            }
        }
    }
}

/// A question whose answer shows that everything before it has been dealt with.
fn last_question(transport: &str, from: &str) -> String {
    format!(
        "OPTIONS sip:office.test SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch=z9hG4bKlast;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:last@h.invalid>;tag=l\r\nTo: <sip:office.test>\r\n\
         Call-ID: last\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The answers to octets on a connection, up to that to the question that follows them, or to the end
/// of the connection; and whether the connection goes on.
fn answers_on(mut connection: Connection, transport: &str, entry: &Entry) -> (Vec<Bytes>, bool) {
    connection.send(&octets(entry));
    connection.send(last_question(transport, "h.invalid").as_bytes());
    if entry.stream.as_deref() == Some("wait then close") {
        // The question became a part of the body that was announced; no more comes.
        connection.says_that_no_more_comes();
    }
    let mut answers = Vec::new();
    while let Some(answer) = connection.message() {
        if answer.call_id() == "last" {
            return (answers, true);
        }
        answers.push(answer.bytes().clone());
    }
    (answers, false)
}

/// Asserts that what was said on a connection is what the manifest says.
fn judge_stream(entry: &Entry, transport: Transport, (said, goes_on): (Vec<Bytes>, bool)) {
    let name = &entry.name;
    let flow = flow(transport, STRANGER);
    let said: Vec<Transmit> = said.into_iter().map(|bytes| Transmit { bytes, flow }).collect();
    match entry.stream.as_deref() {
        // Both are answered; what follows the second one is its own matter.
        Some("two requests") => {
            let answered = |method: &str| {
                let answers = said.iter().filter_map(|one| Message::parse(one.bytes.clone()).ok());
                let mut methods =
                    answers.map(|one| one.header(HeaderName::CSeq).unwrap_or("").to_owned());
                methods.any(|cseq| cseq.ends_with(method))
            };
            assert!(answered("REGISTER") && answered("INVITE"), "{name}: {said:?}");
        }
        Some("wait then close") => assert!(!goes_on && said.is_empty(), "{name}"),
        Some(_) => {
            assert!(!goes_on, "{name}: the stream goes on");
            assert!(finals(&said).iter().all(|status| *status == 400), "{name}");
        }
        None if MAY_BE_DROPPED.contains(&name.as_str()) => {}
        None => {
            assert!(goes_on, "{name}: the stream is closed");
            judge(entry, &octets(entry), &said, STRANGER);
        }
    }
}

/// Two phones of the real program talk as ever, and nothing else is there.
fn the_office_is_unharmed(program: &Program) {
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    let rows = program.get("/api/v1/registrations").1["items"].as_array().unwrap().len();
    assert_eq!(rows, 2, "a binding was made");
    let (near, far) = a.talk_to(&b);
    a.hears(&b);
    b.hears(&a);
    a.hang_up(near);
    b.ended(far);
    program.until("/api/v1/calls", |answer| answer["items"] == serde_json::json!([]));
    assert!(!program.log().contains("panicked"), "{}", program.log());
}

#[test]
fn every_message_over_a_real_connection_under_tls_is_answered_as_the_manifest_says() {
    let ca = Authority::new();
    ca.issue("office", &["office.test"]);
    let program = Program::with(tests::program::office(|text| {
        let text = text.replacen("\"tcp:", "\"tls:127.0.0.1:0\", \"tcp:", 1);
        text + &ca.section("office", "[sip.connections]\nmax_per_address = 1000\n")
    }));
    for entry in manifest() {
        let client = connect(&ca.client(None), program.listener("tls"), "office.test").unwrap();
        let said = answers_on(Connection::Tls(Box::new(client)), "TLS", &entry);
        judge_stream(&entry, Transport::Tls, said);
    }
    let phone = program.live_phone_over(&ca.tls("office.test"), "203");
    phone.register(Duration::ZERO);
    the_office_is_unharmed(&program);
}

#[test]
fn every_message_over_a_real_tcp_connection_is_answered_as_the_manifest_says() {
    let program = Program::with(tests::program::office(|text| {
        text + "[sip.connections]\nmax_per_address = 1000\n"
    }));
    for entry in manifest() {
        let stream = TcpStream::connect(program.listener("tcp")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let said = answers_on(Connection::Tcp(stream, StreamFramer::new()), "TCP", &entry);
        judge_stream(&entry, Transport::Tcp, said);
    }
    the_office_is_unharmed(&program);
}

/// What makes a message the same as another one to those who read it: transaction and call.
fn identity(entry: &Entry) -> [Option<String>; 2] {
    let Ok(message) = Message::parse(octets(entry)) else { return [None, None] };
    let branch = message.via().ok().and_then(|via| Some(via.branch?.to_owned()));
    [branch, message.header(HeaderName::CallId).map(str::to_owned)]
}

/// The corpus in as few parts as keep messages apart that, meant for different days, share their branch
/// or Call-ID: in one place they would be repetitions or loops.
fn parts(entries: &[Entry]) -> Vec<Vec<&Entry>> {
    let mut parts: Vec<(HashSet<String>, Vec<&Entry>)> = Vec::new();
    for entry in entries {
        let own: Vec<String> = identity(entry).into_iter().flatten().collect();
        let free = parts.iter_mut().find(|(taken, _)| own.iter().all(|one| !taken.contains(one)));
        match free {
            Some((taken, part)) => {
                taken.extend(own);
                part.push(entry);
            }
            None => parts.push((own.into_iter().collect(), vec![entry])),
        }
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

/// A loopback address for each message, and other ones in each process: answers without `rport` go to
/// the port that Via names, mostly 5060 (RFC 3261 §18.2.2).
fn own_address(index: usize) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 1 + high % 250, low, 1 + index as u8)
}

/// Sends each of these from an address of its own, and judges what comes back.
fn ask_by_datagrams(program: &Program, entries: &[&Entry]) {
    let mut sockets = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let octets = octets(entry);
        let message = Message::parse(octets.clone());
        let port = message.ok().and_then(|message| message.via().ok()?.port).unwrap_or(5060);
        let socket = UdpSocket::bind((own_address(index), port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send_to(&octets, program.sip).unwrap();
        sockets.push(socket);
    }
    for (entry, socket) in entries.iter().zip(sockets) {
        let local = socket.local_addr().unwrap();
        let question = last_question("UDP", &local.to_string());
        socket.send_to(question.as_bytes(), program.sip).unwrap();
        let flow = Flow { local: program.sip, ..flow(Transport::Udp, &local.to_string()) };
        let mut said = Vec::new();
        let mut buffer = vec![0; 65_536];
        loop {
            let length = socket.recv(&mut buffer);
            let length = length.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            let bytes = Bytes::copy_from_slice(&buffer[..length]);
            if Message::parse(bytes.clone()).is_ok_and(|answer| answer.call_id() == "last") {
                break;
            }
            said.push(Transmit { bytes, flow });
        }
        judge(entry, &octets(entry), &said, &local.to_string());
    }
}

#[test]
fn every_datagram_to_the_real_program_is_answered_as_the_manifest_says() {
    let entries = manifest();
    for part in parts(&entries) {
        // Each is told everything, as if it had room for it.
        let program = Program::with(tests::program::office(|text| {
            text + "[security]\nexempt = [\"127.0.0.0/8\"]\n"
        }));
        ask_by_datagrams(&program, &part);
        the_office_is_unharmed(&program);
    }
}

#[test]
fn every_message_while_a_call_is_up_leaves_the_call_alone() {
    let mut world = office(4475);
    let (a, b) = (tests::sim::PhoneIndex(0), tests::sim::PhoneIndex(1));
    let (near, far) = world.connected(a, b);
    for entry in manifest() {
        for from in [STRANGER, CARRIER, "127.0.0.1:6000"] {
            // The last one is the address of a phone that is in the call.
            world.receive(octets(&entry), flow(Transport::Udp, from));
            world.run_for(Duration::from_millis(50));
            let is_talking = world.hears(b, a, near) && world.hears(a, b, far);
            assert!(is_talking, "{} from {from}", entry.name);
        }
    }
    world.assert_agreement(false);
    world.with_phone(a, |phone, now| phone.hang_up(now, near));
    world.assert_at_rest();
}

#[test]
fn an_unknown_extension_is_named_in_the_refusal() {
    let entry = manifest().into_iter().find(|entry| entry.name == "bext01").unwrap();
    let mut world = office(1);
    let said = answers(&mut world, octets(&entry), flow(Transport::Udp, STRANGER));
    let answer = Message::parse(said[0].bytes.clone()).unwrap();
    assert_eq!(answer.status(), Some(420));
    let unsupported = answer.header(HeaderName::Unsupported).unwrap();
    assert!(unsupported.contains("nothingSupportsThis"), "{unsupported}");
}

#[test]
fn a_second_request_in_one_datagram_is_noise() {
    let entry = manifest().into_iter().find(|entry| entry.name == "dblreq").unwrap();
    let mut world = office(2);
    let said = answers(&mut world, octets(&entry), flow(Transport::Udp, STRANGER));
    assert_eq!(said.len(), 1);
    let answer = Message::parse(said[0].bytes.clone()).unwrap();
    assert!(answer.header(HeaderName::CSeq).unwrap().ends_with("REGISTER"));
}
