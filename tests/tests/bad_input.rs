//! Malformed SIP, SDP, HTTP and JSON against the real program: whatever comes, the call in progress goes on
//! and the next one can be made. Malformed TOML is with the reloads, in `program.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use sip_stack::auth::{ClientCredentials, DigestClient};
use sip_stack::endpoint::LegId;
use sip_stack::message::{HeaderName, Message, Method};
use sip_stack::time::{Entropy, Seeded};
use tests::program::{Application, LivePhone, PATIENCE, Program, TOKEN, http, office, pause};

/// A call between 201 and 202 that must survive what a test does.
struct Bystanders {
    a: LivePhone,
    b: LivePhone,
    near: LegId,
    far: LegId,
}

impl Bystanders {
    fn talk(program: &Program) -> Bystanders {
        let (a, b) = (program.live_phone("201"), program.live_phone("202"));
        let (near, far) = a.talk_to(&b);
        Bystanders { a, b, near, far }
    }

    /// Both still hear each other, can hold and resume, hang up, and talk again.
    fn are_unharmed(self, program: &Program) {
        let Bystanders { a, b, near, far } = self;
        a.hears(&b);
        b.hears(&a);
        a.hold(near);
        a.resume(near);
        a.hang_up(near);
        b.ended(far);
        let near = b.call("201");
        let far = a.incoming();
        a.answer(far);
        b.connected(near);
        b.hears(&a);
        b.hang_up(near);
        a.ended(far);
        // Failed attempts of others may still be shown.
        program.until("/api/v1/calls", |answer| {
            let rows = answer["items"].as_array().unwrap();
            !rows.iter().any(|row| row["line"] == "201" || row["line"] == "202")
        });
        assert!(!program.log().contains("panicked"), "{}", program.log());
    }
}

/// A SIP peer that writes its messages by hand.
struct Peer {
    socket: UdpSocket,
    switch: SocketAddr,
    entropy: Seeded,
}

impl Peer {
    fn new(program: &Program) -> Peer {
        Peer::with(UdpSocket::bind("127.0.0.1:0").unwrap(), program)
    }

    fn with(socket: UdpSocket, program: &Program) -> Peer {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Peer { socket, switch: program.sip, entropy: Seeded::new(u64::from(program.sip.port())) }
    }

    fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.switch).unwrap();
    }

    fn token(&mut self) -> String {
        format!("{:016x}", self.entropy.next_u64())
    }

    /// The next response with this CSeq number that is not provisional.
    fn final_response(&self, cseq: u32) -> Message {
        let mut buffer = [0; 65_536];
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let (length, _) = self.socket.recv_from(&mut buffer).expect("a response");
            let message = Message::parse(Bytes::copy_from_slice(&buffer[..length])).unwrap();
            let is_ours = message.cseq().is_ok_and(|found| found.number == cseq);
            if is_ours && message.status().is_some_and(|status| status >= 200) {
                return message;
            }
        }
        panic!("no final response to CSeq {cseq}");
    }

    /// To 204, or in the dialog that this To header names.
    fn invite(&mut self, (call_id, cseq): (&str, u32), to: &str, more: &str, body: &str) -> String {
        let local = self.socket.local_addr().unwrap();
        let branch = self.token();
        format!(
            "INVITE sip:204@office.test SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:203@office.test>;tag=x\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} INVITE\r\nContact: <sip:203@{local}>\r\n{more}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn acknowledge(&mut self, invite: &str, response: &Message) {
        let via = invite.lines().nth(1).unwrap();
        // That of a 2xx is a transaction of its own (RFC 3261 §13.2.2.4).
        let is_success = response.status() == Some(200);
        let via = if is_success { format!("{via}{}", self.token()) } else { via.to_owned() };
        let to = response.header(HeaderName::To).unwrap();
        let call_id = response.call_id();
        let number = response.cseq().unwrap().number;
        let ack = format!(
            "ACK sip:204@office.test SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\n\
             From: <sip:203@office.test>;tag=x\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n"
        );
        self.send(ack.as_bytes());
    }

    /// An INVITE of line 203 with valid credentials and this body; the status of its refusal.
    fn refused_invite(&mut self, content: &str, body: &str) -> u16 {
        let call_id = self.token();
        self.invited((&call_id, 1), CALLED, content, body).status().unwrap()
    }

    /// An INVITE of line 203, with credentials once they are asked for; its final response.
    fn invited(
        &mut self,
        (call_id, cseq): (&str, u32),
        to: &str,
        content: &str,
        body: &str,
    ) -> Message {
        let credentials =
            ClientCredentials { username: "203".to_owned(), password: "pw-203".to_owned() };
        let mut auth = DigestClient::new(credentials);
        let more = format!("Content-Type: {content}\r\n");
        let first = self.invite((call_id, cseq), to, &more, body);
        self.send(first.as_bytes());
        let challenge = self.final_response(cseq);
        self.acknowledge(&first, &challenge);
        if challenge.status() != Some(401) {
            return challenge;
        }
        assert!(auth.on_challenge(&challenge, 0), "the challenge is understood");
        let uri = "sip:204@office.test";
        let headers = auth.authorize(&Method::Invite, uri, body.as_bytes(), &mut self.entropy);
        let headers: String =
            headers.iter().map(|(name, value)| format!("{}: {value}\r\n", name.as_str())).collect();
        let second = self.invite((call_id, cseq + 1), to, &format!("{more}{headers}"), body);
        self.send(second.as_bytes());
        let response = self.final_response(cseq + 1);
        self.acknowledge(&second, &response);
        response
    }

    /// The next request of this method.
    fn asked(&self, method: &Method) -> Message {
        let mut buffer = [0; 65_536];
        loop {
            let (length, _) = self.socket.recv_from(&mut buffer).expect("a request");
            let message = Message::parse(Bytes::copy_from_slice(&buffer[..length])).unwrap();
            if message.method() == *method {
                return message;
            }
        }
    }

    /// 200 to a request, with a description.
    fn answer(&self, request: &Message, body: &str) {
        let field = |name| {
            request.headers(name).map(move |value| format!("{}: {value}\r\n", name.as_str()))
        };
        let names = [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq];
        let fields: String = names.into_iter().flat_map(field).collect();
        let (to, local) =
            (request.header(HeaderName::To).unwrap(), self.socket.local_addr().unwrap());
        let response = format!(
            "SIP/2.0 200 OK\r\n{fields}To: {to};tag=y\r\nContact: <sip:{local}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(response.as_bytes());
    }
}

/// Whom the peer calls.
const CALLED: &str = "<sip:204@office.test>";

/// Voice to and from this port.
fn described(port: u64) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\n"
    )
}

/// The ports of the relay that calls have.
fn relay_ports(program: &Program) -> Vec<u64> {
    let rows = program.get("/api/v1/media").1;
    rows["items"].as_array().unwrap().iter().map(|row| row["port"].as_u64().unwrap()).collect()
}

const OPTIONS: &str = "OPTIONS sip:office.test SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKgood\r\nMax-Forwards: 70\r\n\
    From: <sip:203@office.test>;tag=x\r\nTo: <sip:office.test>\r\nCall-ID: good\r\n\
    CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

#[test]
fn datagrams_that_are_no_sip_are_counted_and_do_no_harm() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let mut peer = Peer::new(&program);
    let before = program.metric("transport_malformed_total");
    // Random octets, then a good message cut at every place and with every octet spoilt.
    for length in [1_usize, 2, 3, 4, 7, 64, 1400, 65_000] {
        let octets: Vec<u8> = (0..length).map(|_| peer.entropy.next_u64() as u8).collect();
        peer.send(&octets);
    }
    for cut in 0..OPTIONS.len() {
        peer.send(&OPTIONS.as_bytes()[..cut]);
    }
    for place in 0..OPTIONS.len() {
        let mut octets = OPTIONS.as_bytes().to_vec();
        octets[place] = peer.entropy.next_u64() as u8;
        peer.send(&octets);
    }
    program.reaches("transport_malformed_total", before + 50);
    // Whoever speaks properly is still answered.
    let good = Peer::new(&program);
    good.send(OPTIONS.replace("bKgood", "bKbetter").replace("CSeq: 1", "CSeq: 77").as_bytes());
    assert_eq!(good.final_response(77).status(), Some(200));
    bystanders.are_unharmed(&program);
}

#[test]
fn messages_with_one_thing_wrong_are_refused_and_do_no_harm() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let mut peer = Peer::new(&program);
    let cases: [(&str, &str, u16); 9] = [
        ("CSeq: 1 OPTIONS", "CSeq: 1 INVITE", 400),
        ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505),
        ("Max-Forwards: 70", "Max-Forwards: many", 400),
        ("sip:office.test SIP", "gopher:office.test SIP", 416),
        ("Content-Length: 0", "Content-Length: 0\r\nRequire: telepathy", 420),
        ("Content-Length: 0", "Content-Length: 5000", 400),
        ("To: <sip:office.test>", "To: <sip:office.test", 400),
        ("OPTIONS sip:office.test", "FLY sip:office.test", 501),
        ("Call-ID: good\r\n", "", 400),
    ];
    for (number, (right, wrong, expected)) in (100..).zip(cases) {
        let branch = peer.token();
        let text =
            OPTIONS.replace(right, wrong).replace("z9hG4bKgood", &format!("z9hG4bK{branch}"));
        let text = text.replace("CSeq: 1", &format!("CSeq: {number}"));
        let text =
            if wrong.starts_with("FLY") { text.replace("OPTIONS\r\n", "FLY\r\n") } else { text };
        assert!(text.contains(wrong) || right.starts_with("CSeq"), "{text}");
        peer.send(text.as_bytes());
        assert_eq!(peer.final_response(number).status(), Some(expected), "{wrong}\n{text}");
    }
    bystanders.are_unharmed(&program);
}

#[test]
fn requests_and_responses_for_dialogs_that_do_not_exist_do_no_harm() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let peer = Peer::new(&program);
    for (number, method) in (10..).zip(["BYE", "INFO", "UPDATE", "PRACK", "NOTIFY", "CANCEL"]) {
        let text = OPTIONS
            .replace("OPTIONS", method)
            .replace("CSeq: 1", &format!("CSeq: {number}"))
            .replace("To: <sip:office.test>", "To: <sip:201@office.test>;tag=nobody")
            .replace("z9hG4bKgood", &format!("z9hG4bK{number}"));
        peer.send(text.as_bytes());
        assert_eq!(peer.final_response(number).status(), Some(481), "{method}");
    }
    for status in ["100 Trying", "180 Ringing", "200 OK", "486 Busy Here", "699 Odd"] {
        let response = OPTIONS
            .replace("OPTIONS sip:office.test SIP/2.0", &format!("SIP/2.0 {status}"))
            .replace("1 OPTIONS", "1 INVITE");
        peer.send(response.as_bytes());
    }
    peer.send(OPTIONS.replace("OPTIONS", "ACK").as_bytes());
    bystanders.are_unharmed(&program);
}

#[test]
fn a_session_description_that_is_none_is_refused() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let _called = program.live_phone("204");
    let mut peer = Peer::new(&program);
    let sdp = |media: &str| {
        format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{media}")
    };
    for (content, body, expected) in [
        ("application/sdp", "hello".to_owned(), 400),
        ("application/sdp", sdp("m=audio 9 RTP/AVP 0\r\n").replace("v=0", "v=8"), 400),
        ("application/sdp", sdp("m=audio\r\n"), 400),
        ("application/sdp", sdp("m=audio 99999999 RTP/AVP 0\r\n"), 400),
        ("application/sdp", sdp("m=audio 9 RTP/AVP\r\n"), 400),
        ("application/sdp", sdp("m=semaphore 9 FLAGS/SHORE 1\r\n"), 488),
        ("application/pidf+xml", "<presence/>".to_owned(), 415),
    ] {
        assert_eq!(peer.refused_invite(content, &body), expected, "{content}\n{body}");
    }
    bystanders.are_unharmed(&program);
}

#[test]
fn a_description_that_names_a_port_of_the_relay_is_refused() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let _called = program.live_phone("204");
    let mut peer = Peer::new(&program);
    let ports = relay_ports(&program);
    assert_eq!(ports.len(), 2);
    for port in ports {
        assert_eq!(peer.refused_invite("application/sdp", &described(port)), 488);
    }
    program.says("SECURITY event=forbidden src=127.0.0.1 ");
    bystanders.are_unharmed(&program);
}

#[test]
fn a_party_of_a_call_that_names_a_port_of_the_relay_later_is_refused_and_told_why() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let ports = relay_ports(&program);
    let called = program.live_phone("204");
    let mut peer = Peer::new(&program);
    let call_id = peer.token();
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| called.answer(called.incoming()));
        peer.invited((&call_id, 1), CALLED, "application/sdp", &described(9_000))
    });
    assert_eq!(answer.status(), Some(200));
    let to = answer.header(HeaderName::To).unwrap();
    let refusal = peer.invited((&call_id, 3), to, "application/sdp", &described(ports[0]));
    assert_eq!(refusal.status(), Some(488));
    assert!(refusal.header(HeaderName::Warning).unwrap().contains("Media Leads Back"));
    program.says("SECURITY event=forbidden src=127.0.0.1 ");
    bystanders.are_unharmed(&program);
}

#[test]
fn a_carrier_whose_answer_names_a_port_of_the_relay_is_hung_up_on() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let carrier = format!("sip:{}", socket.local_addr().unwrap());
    let text = office(|text| text.replacen("sip:127.0.0.1:5090", &carrier, 1));
    let program = Program::with(text);
    let bystanders = Bystanders::talk(&program);
    let ports = relay_ports(&program);
    let peer = Peer::with(socket, &program);
    let caller = program.live_phone("203");
    caller.call("0123456");
    peer.answer(&peer.asked(&Method::Invite), &described(ports[1]));
    peer.asked(&Method::Bye);
    assert_eq!(caller.failed().0, 488);
    program.says("SECURITY event=forbidden src=127.0.0.1 ");
    bystanders.are_unharmed(&program);
}

#[test]
fn streams_that_carry_no_sip_are_closed() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let tcp = program.ready.split("tcp:").nth(1).unwrap();
    let tcp: SocketAddr = tcp.split([',', ' ']).next().unwrap().parse().unwrap();
    for garbage in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(200),
        b"x".repeat(200_000),
        b"INVITE sip:201@office.test SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n".to_vec(),
        b"OPTIONS sip:office.test SIP/2.0\r\nContent-Length: -1\r\n\r\n".to_vec(),
    ] {
        let mut stream = TcpStream::connect(tcp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The switch may close while we still write.
        let _ = stream.write_all(&garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        // Closed in order or reset, but closed; a refusal may come before.
        if let Err(error) = stream.read_to_end(&mut answer) {
            let kind = error.kind();
            let is_patience = matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut);
            let start = String::from_utf8_lossy(&garbage[..20]);
            assert!(!is_patience, "the stream that began with {start:?} stays open");
        }
    }
    let mut good = TcpStream::connect(tcp).unwrap();
    good.set_read_timeout(Some(PATIENCE)).unwrap();
    good.write_all(OPTIONS.replace("SIP/2.0/UDP", "SIP/2.0/TCP").as_bytes()).unwrap();
    let mut answer = [0; 11];
    good.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"SIP/2.0 200");
    bystanders.are_unharmed(&program);
}

#[test]
fn a_stranger_cannot_end_or_take_over_a_call() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let mut peer = Peer::new(&program);
    // Wrong credentials, and right ones for another line.
    let call_id = peer.token();
    let forged = "Authorization: Digest username=\"201\", realm=\"office.test\", nonce=\"x\", \
        uri=\"sip:204@office.test\", qop=auth, nc=00000001, cnonce=\"y\", response=\"00000000000000000000000000000000\"\r\n";
    let invite = peer.invite((&call_id, 1), CALLED, forged, "");
    peer.send(invite.as_bytes());
    let refusal = peer.final_response(1);
    assert_eq!(refusal.status(), Some(401));
    peer.acknowledge(&invite, &refusal);
    let register = OPTIONS.replace("OPTIONS", "REGISTER").replace("CSeq: 1", "CSeq: 5").replace(
        "To: <sip:office.test>",
        "To: <sip:201@office.test>\r\nContact: <sip:evil@127.0.0.1:9>",
    );
    peer.send(register.as_bytes());
    assert_eq!(peer.final_response(5).status(), Some(401));
    assert_eq!(program.get("/api/v1/registrations").1["items"].as_array().unwrap().len(), 2);
    bystanders.are_unharmed(&program);
}

#[test]
fn an_application_that_talks_nonsense_harms_only_itself() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let mut witness = program.application("witness");
    let line = witness.open("201");
    let mut app = program.connection();
    for text in [
        "",
        "{",
        "null",
        "7",
        "\"lineOpen\"",
        "{}",
        "[[]]",
        "[1,2,3]",
        "{\"jsonrpc\":\"2.0\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"lineOpen\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lineOpen\",\"params\":7}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\u0000\\ud800\",\"params\":{}}",
    ] {
        app.send_text(text);
        let answer = app.any_response(text);
        let first = answer.get(0).unwrap_or(&answer);
        let code = first["error"]["code"].as_i64().unwrap_or_else(|| panic!("{text}: {answer}"));
        assert!(code < 0, "{text}: {answer}");
    }
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    app.send_text(&deep);
    assert_eq!(app.any_response("deep nesting")["error"]["code"], -32700);
    app.call("lineInitializeEx", json!({"appName": "x".repeat(256)})).unwrap();
    for value in
        [json!(null), json!(1e300), json!(-1), json!([]), json!({"a": [[[]]]}), json!("\u{0}")]
    {
        for method in
            ["lineOpen", "lineMakeCall", "lineHold", "lineGetDevCaps", "lineSetStatusMessages"]
        {
            let params = json!({
                "hLine": value, "hCall": value, "line": value, "deviceId": value, "privileges": value,
                "destAddress": value, "lineStates": value,
            });
            app.refusal(method, params);
        }
    }
    let mut large = program.connection();
    large.try_send_text(&"x".repeat(70_000));
    assert_eq!(large.wait_for_close("a frame that is too big").0, 1009);
    let status = witness.call("lineGetAddressStatus", json!({"hLine": line, "addressId": 0}));
    assert_eq!(status.unwrap()["numActiveCalls"], 1);
    bystanders.are_unharmed(&program);
}

#[test]
fn http_that_is_none_is_refused_or_closed() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    for garbage in [
        b"\x00\x01\x02\x03\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(600_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(5_000)).into_bytes(),
        b"POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n".to_vec(),
    ] {
        let mut stream = TcpStream::connect(program.api).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(&garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    for path in ["/api/v1/calls/%00/drop", "/api/v1/../../etc/passwd", "/api/v1/calls/1%2fdrop"] {
        let (status, _) = http(program.api, "POST", path, Some(TOKEN), "{}");
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    bystanders.are_unharmed(&program);
}

#[test]
fn a_connection_that_says_nothing_keeps_nobody_waiting() {
    let program = Program::start();
    let bystanders = Bystanders::talk(&program);
    let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(program.api).unwrap()).collect();
    let mut half: Vec<TcpStream> = idle.iter().map(|stream| stream.try_clone().unwrap()).collect();
    for stream in &mut half {
        stream.write_all(b"GET /api/v1/lines HTTP/1.1\r\nHost: ").unwrap();
    }
    assert_eq!(program.get("/api/v1/lines").0, 200);
    let mut app = Application::connect(program.api, TOKEN);
    app.call("lineInitializeEx", json!({"appName": "quick"})).unwrap();
    drop(idle);
    bystanders.are_unharmed(&program);
}

/// An even port with seven free ones behind it, below those that the system gives out by itself.
fn eight_ports() -> u16 {
    let serial = u16::try_from(std::process::id() % 600).unwrap();
    (0..600_u16)
        .map(|step| 10_000 + (serial + step) % 600 * 8)
        .find(|first| (*first..first + 8).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok()))
        .expect("eight free ports")
}

#[test]
fn a_full_port_range_is_503_for_the_next_call_and_no_harm_for_the_present_ones() {
    let first = eight_ports();
    let program = Program::with(office(|text| {
        text.replace("16384-32767", &format!("{first}-{}", first + 7))
    }));
    let bystanders = Bystanders::talk(&program);
    let (c, d) = (program.live_phone("203"), program.live_phone("204"));
    let near = c.call("204");
    let far = d.incoming();
    d.answer(far);
    c.connected(near);
    let (e, f) = (program.live_phone("205"), program.live_phone("206"));
    e.call("206");
    assert_eq!(e.failed().0, 503, "all four pairs are in use");
    assert!(program.metric("media_ports_exhausted_total") >= 1);
    let mut app = program.application("full");
    let line = app.open("205");
    let failed =
        app.call("lineMakeCall", json!({"hLine": line, "destAddress": "206", "wait": true}));
    assert_eq!(failed.unwrap_err()["message"], "LINEERR_RESOURCEUNAVAIL");
    c.hears(&d);
    d.hears(&c);
    bystanders.a.hears(&bystanders.b);
    bystanders.b.hears(&bystanders.a);
    // What a call gives back serves the next one.
    c.hang_up(near);
    d.ended(far);
    let start = Instant::now();
    let again = loop {
        let again = e.call("206");
        let status = e.wait("an answer of the switch", |event| match event {
            switch::phone::PhoneEvent::Progress { status, .. }
            | switch::phone::PhoneEvent::Failed { status, .. } => Some(*status),
            _ => None,
        });
        if status == 180 {
            break again;
        }
        assert_eq!(status, 503);
        assert!(start.elapsed() < Duration::from_secs(60), "the ports do not come back");
        pause();
    };
    let far = f.incoming();
    f.answer(far);
    e.connected(again);
    e.hears(&f);
    let calls = program.get("/api/v1/calls").1;
    let is_talking = |row: &Value| row["callState"] == "LINECALLSTATE_CONNECTED";
    assert_eq!(calls["items"].as_array().unwrap().iter().filter(|row| is_talking(row)).count(), 4);
}
