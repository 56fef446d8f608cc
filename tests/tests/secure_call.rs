//! TLS and WebSocket against the real program: phones of every kind call each other, trunks prove
//! who they are, certificates are replaced under running calls, and what is refused is refused.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};
use sip_stack::message::framing::StreamFramer;
use sip_stack::message::{HeaderName, Message, Method};
use switch::phone::{Access, Behaviour, PhoneEvent};
use tests::certificates::{Authority, Raw, Server, connect};
use tests::interop::{self, Baresip, packets_flow};
use tests::program::{PATIENCE, Program, office, run};
use tests::stranger::{SDP, answer_to};

/// Every listener there is.
const LISTEN: &str =
    "\"tcp:127.0.0.1:0\", \"tls:127.0.0.1:0\", \"ws:127.0.0.1:0\", \"wss:127.0.0.1:0\"";

/// The office with every listener and more sections.
fn secure_office(sections: &str) -> String {
    office(|text| format!("{}{sections}", text.replacen("\"tcp:127.0.0.1:0\"", LISTEN, 1)))
}

/// An authority with the office's certificate, and the office.
fn secured(more: &str) -> (Authority, Program) {
    let ca = Authority::new();
    ca.issue("office", &["office.test"]);
    let program = Program::with(secure_office(&ca.section("office", more)));
    (ca, program)
}

/// Waits until a counter has risen to a value.
fn until_counter(program: &Program, name: &str, value: u64) {
    program.until("/metrics", |text| {
        let line = format!("\nstrowger_{name} {value}\n");
        text.as_str().is_some_and(|text| text.contains(&line))
    });
}

#[test]
fn phones_over_tls_websocket_and_plain_transports_register_call_hold_and_resume() {
    let (ca, program) = secured("");
    let pairs = [
        (ca.tls("office.test"), Access::Udp),
        (Access::Udp, ca.tls("office.test")),
        (ca.tls("office.test"), ca.tls("office.test")),
        (Access::Ws, ca.wss("office.test")),
        (ca.wss("office.test"), ca.tls("office.test")),
        (Access::Tcp, Access::Ws),
    ];
    for (ours, theirs) in pairs {
        let case = format!("{} to {}", ours.transport(), theirs.transport());
        let a = program.live_phone_over(&ours, "201");
        let b = program.live_phone_over(&theirs, "202");
        let (_, table) = program.get("/api/v1/registrations");
        assert_eq!(table["items"][0]["transport"], ours.transport().uri_param(), "{case}");
        assert_eq!(table["items"][1]["transport"], theirs.transport().uri_param(), "{case}");
        let (near, far) = a.talk_to(&b);
        a.hears(&b);
        b.hears(&a);
        a.hold(near);
        b.hears_tone();
        a.resume(near);
        b.hears(&a);
        b.with(sip_ping);
        b.hang_up(far);
        a.ended(near);
        for phone in [&a, &b] {
            phone.register(Duration::ZERO);
        }
    }
    // CRLF keep-alives of all but the datagrams, which are counted too.
    assert!(program.metric("transport_keep_alives_total") >= 5);
}

fn sip_ping(phone: &mut switch::phone::Phone) {
    phone.ping();
}

#[test]
fn the_ready_line_names_every_listener() {
    let (_ca, program) = secured("");
    for transport in ["udp", "tcp", "tls", "ws", "wss"] {
        assert!(program.listener(transport).port() != 0);
    }
    assert!(!program.log().contains("not yet available: TLS"), "{}", program.log());
}

#[test]
fn a_phone_whose_connection_is_gone_is_not_called_back_until_it_registers_again() {
    let (ca, program) = secured("");
    let caller = program.live_phone("202");
    for access in [ca.tls("office.test"), Access::Ws] {
        let phone = program.live_phone_over(&access, "201");
        drop(phone);
        program.until("/api/v1/lines", |answer| answer["items"][0]["registered"] == false);
        let leg = caller.call("201");
        let status = caller.wait("a refusal", |event| match event {
            PhoneEvent::Failed { leg: of, status, .. } if *of == leg => Some(*status),
            _ => None,
        });
        assert_eq!(status, 480);
        let phone = program.live_phone_over(&access, "201");
        let (near, far) = caller.talk_to(&phone);
        phone.hang_up(far);
        caller.ended(near);
        phone.register(Duration::ZERO);
    }
}

#[test]
fn a_call_goes_on_with_a_phone_that_registers_over_a_new_connection() {
    let (ca, program) = secured("");
    let other = program.live_phone("202");
    for access in [ca.tls("office.test"), Access::Wss(ca.client(None), "office.test".to_owned())] {
        let phone = program.live_phone_over(&access, "201");
        for is_called in [true, false] {
            let (near, far) = if is_called {
                let (far, near) = other.talk_to(&phone);
                (near, far)
            } else {
                phone.talk_to(&other)
            };
            phone.with(|phone| phone.reconnect(&access)).unwrap();
            program.until("/api/v1/lines", |answer| answer["items"][0]["registered"] == false);
            phone.register(Duration::from_secs(300));
            other.hang_up(far);
            phone.ended(near);
        }
        phone.register(Duration::ZERO);
    }
}

#[test]
fn a_certificate_is_replaced_under_a_running_call() {
    let (ca, program) = secured("");
    let (a, b) =
        (program.live_phone_over(&ca.tls("office.test"), "201"), program.live_phone("202"));
    let (near, far) = a.talk_to(&b);
    ca.issue("office", &["renamed.test"]);
    program.signal("HUP");
    let renamed = program.listener("tls");
    program.until("/metrics", |_| connect(&ca.client(None), renamed, "renamed.test").is_ok());
    assert!(connect(&ca.client(None), renamed, "office.test").is_err());
    // The connection that there was goes on: hold travels over it.
    a.hears(&b);
    a.hold(near);
    a.resume(near);
    b.hang_up(far);
    a.ended(near);
    let said = program.log();
    assert!(said.contains("changed: sip.tls"), "{said}");
}

#[test]
fn a_faulty_certificate_changes_nothing_at_a_reload() {
    let (ca, program) = secured("");
    std::fs::write(ca.path("office.pem"), "no certificate").unwrap();
    let output = program.command(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("holds no certificate"), "{said}");
    connect(&ca.client(None), program.listener("tls"), "office.test").unwrap();
}

#[test]
fn half_open_handshakes_time_out_and_are_counted() {
    let (_ca, program) = secured("[sip.connections]\nhandshake_timeout = \"200ms\"");
    for transport in ["tls", "ws", "wss"] {
        let mut half = TcpStream::connect(program.listener(transport)).unwrap();
        half.set_read_timeout(Some(PATIENCE)).unwrap();
        half.write_all(b"\x16\x03").unwrap();
        // The end, an alert or a 400; what counts is below.
        let _ = half.read(&mut [0; 64]);
    }
    program.until("/metrics", |_| {
        let of = |name: &str| program.metric(&format!("transport_handshakes_{name}_total"));
        of("timed_out") >= 2 && of("timed_out") + of("failed") == 3
    });
    assert_eq!(program.metric("transport_connections"), 0);
}

#[test]
fn too_many_connections_from_one_address_are_refused_and_counted() {
    let (ca, program) = secured("[sip.connections]\nmax_per_address = 2");
    let first = program.live_phone_over(&ca.tls("office.test"), "201");
    let second = program.live_phone_over(&Access::Ws, "202");
    let third = program.try_phone_over(&ca.tls("office.test"), "203", Behaviour::default());
    assert!(third.is_err());
    until_counter(&program, "transport_connections_refused_total", 1);
    let (near, far) = first.talk_to(&second);
    second.hang_up(far);
    first.ended(near);
}

#[test]
fn browsers_of_other_pages_are_refused() {
    let (_ca, program) = secured("[sip.websocket]\norigins = [\"https://phone.office.test\"]");
    let open = |origin: &str| {
        let mut stream = TcpStream::connect(program.listener("ws")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: office.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: sip\r\nOrigin: {origin}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert_eq!(open("https://phone.office.test"), "HTTP/1.1 101");
    assert_eq!(open("https://evil.test"), "HTTP/1.1 403");
    until_counter(&program, "transport_origins_refused_total", 1);
}

#[test]
fn baresips_over_tls_call_a_baresip_over_udp_and_talk() {
    let ca = Authority::new();
    ca.issue("office", &["office.test", "127.0.0.1"]);
    let program = Program::with(interop::office(|text| {
        let text = text.replacen("\"tcp:", "\"tls:127.0.0.1:0\", \"tcp:", 1);
        text + &ca.section("office", "")
    }));
    let ada = Baresip::start(&program, "201", "tls", true);
    let mut ben = Baresip::start(&program, "202", "udp", false);
    let (_, table) = program.get("/api/v1/registrations");
    assert_eq!(table["items"][0]["transport"], "tls");
    ben.command("dial", "201");
    ben.until("CALL_ESTABLISHED");
    packets_flow(&program, &["201", "202"], 25);
    ben.command("hangup", "");
    ada.until_closed();
    let mut ada = ada;
    ada.command("dial", "202");
    ada.until("CALL_RINGING");
    ada.command("hangup", "");
    ben.until_closed();
}

// ---------------------------------------------------------------------------- raw connections

/// An INVITE as a carrier sends it.
fn invite(uri: &str, transport: &str, number: u32) -> String {
    format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} carrier.invalid;branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:0155@carrier.test>;tag=f{number}\r\nTo: <{uri}>\r\n\
         Call-ID: carrier-{number}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:carrier.invalid;transport={transport}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

/// The office whose carrier is known by its certificate.
fn by_certificate(identify_by: &str) -> (Authority, Program) {
    let ca = Authority::new();
    ca.issue("office", &["office.test"]);
    ca.issue("carrier", &["sip:carrier.test"]);
    ca.issue("other", &["other.test", "127.0.0.1"]);
    let more = format!("client_ca = \"{0}\"\ntrunk_ca = \"{0}\"\n", ca.path("ca.pem").display());
    let text = secure_office(&ca.section("office", &more)).replacen(
        "peer = \"sip:127.0.0.1:5090\"",
        &format!(
            "peer = \"sip:127.0.0.1:5090\"\nidentify_by = \"{identify_by}\"\n\
             certificate_names = [\"carrier.test\"]"
        ),
        1,
    );
    (ca, Program::with(text))
}

#[test]
fn a_trunk_is_known_by_its_certificate_and_by_nothing_else() {
    let (ca, program) = by_certificate("certificate");
    let phone = program.live_phone("201");
    let tls = program.listener("tls");
    let mut carrier = connect(&ca.client(Some("carrier")), tls, "office.test").unwrap();
    carrier.send(invite("sip:201@office.test", "TLS", 1));
    phone.incoming();
    assert_eq!(carrier.verdict(), 180);
    // Another good certificate, and none, are asked for a password like everybody.
    for (number, own) in [(2, Some("other")), (3, None)] {
        let mut stranger = connect(&ca.client(own), tls, "office.test").unwrap();
        stranger.send(invite("sip:201@office.test", "TLS", number));
        assert_eq!(stranger.verdict(), 401, "{own:?}");
    }
    // A certificate of another authority does not come in.
    let foreign = Authority::new();
    foreign.issue("carrier", &["sip:carrier.test"]);
    let client = ca.client_with(Some((&foreign, "carrier")));
    if let Ok(mut stranger) = connect(&client, tls, "office.test") {
        let _ = stranger.stream.write_all(invite("sip:201@office.test", "TLS", 4).as_bytes());
        assert!(stranger.try_message().is_none());
    }
    until_counter(&program, "transport_handshakes_failed_total", 1);
}

#[test]
fn a_trunk_that_needs_both_is_not_believed_from_elsewhere() {
    let (ca, program) = by_certificate("both");
    // The peer's address is right, but the transport of the peer is UDP.
    let mut carrier =
        connect(&ca.client(Some("carrier")), program.listener("tls"), "office.test").unwrap();
    carrier.send(invite("sip:201@office.test", "TLS", 1));
    assert_eq!(carrier.verdict(), 401);
}

#[test]
fn where_client_certificates_are_required_nobody_comes_in_without_one() {
    let ca = Authority::new();
    ca.issue("office", &["office.test"]);
    ca.issue("desk", &["desk.test"]);
    let more = format!(
        "client_ca = \"{}\"\nclient_certificates = \"required\"\n",
        ca.path("ca.pem").display()
    );
    let program = Program::with(secure_office(&ca.section("office", &more)));
    let with = Access::Tls(ca.client(Some("desk")), "office.test".to_owned());
    let phone = program.live_phone_over(&with, "201");
    // TLS 1.3 lets the client believe that all is well until it hears of the refusal.
    if let Ok(mut stranger) = connect(&ca.client(None), program.listener("tls"), "office.test") {
        let _ = stranger.stream.write_all(b"\r\n\r\n");
        assert!(stranger.try_message().is_none());
    }
    until_counter(&program, "transport_handshakes_failed_total", 1);
    phone.register(Duration::from_secs(300));
}

#[test]
fn a_sips_call_reaches_phones_behind_tls_only_and_never_comes_over_a_plain_transport() {
    let (ca, program) = by_certificate("certificate");
    let tls = program.listener("tls");
    let plain = program.live_phone("201");
    let secure = program.live_phone_over(&ca.tls("office.test"), "202");
    let mut carrier = connect(&ca.client(Some("carrier")), tls, "office.test").unwrap();
    carrier.send(invite("sips:201@office.test", "TLS", 1));
    assert_eq!(carrier.verdict(), 480);
    carrier.send(invite("sips:202@office.test", "TLS", 2));
    secure.incoming();
    let ringing = loop {
        let message = carrier.message();
        if message.status() == Some(180) {
            break message;
        }
    };
    let contact = ringing.header(HeaderName::Contact).unwrap();
    assert!(contact.starts_with("<sips:"), "{contact}");
    let mut exposed = TcpStream::connect(program.listener("tcp")).unwrap();
    exposed.set_read_timeout(Some(PATIENCE)).unwrap();
    exposed.write_all(invite("sips:202@office.test", "TCP", 3).as_bytes()).unwrap();
    let mut answer = [0; 11];
    exposed.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"SIP/2.0 416");
    drop(plain);
}

// ---------------------------------------------------------------------------- towards a trunk

/// A carrier that listens under TLS.
struct Carrier {
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
}

impl Carrier {
    fn accept(&self) -> std::io::Result<Server> {
        let (stream, _) = self.listener.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let connection =
            ServerConnection::new(self.config.clone()).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Raw { stream, framer: StreamFramer::new() })
    }
}

/// The carrier's BYE in the dialog that it has answered.
fn bye_to(invite: &Message, number: u32) -> String {
    let of = |name| invite.header(name).unwrap();
    format!(
        "BYE {} SIP/2.0\r\nVia: SIP/2.0/TLS carrier.invalid;branch=z9hG4bKbye{number}\r\n\
         Max-Forwards: 70\r\nFrom: {};tag=carrier\r\nTo: {}\r\nCall-ID: {}\r\n\
         CSeq: {number} BYE\r\nContent-Length: 0\r\n\r\n",
        of(HeaderName::Contact).trim_matches(['<', '>']),
        of(HeaderName::To),
        of(HeaderName::From),
        of(HeaderName::CallId),
    )
}

/// The office with a carrier at `sips:localhost` whose certificate has these names.
fn with_carrier(names: &[&str]) -> (Authority, Program, Carrier) {
    let ca = Authority::new();
    ca.issue("office", &["office.test"]);
    ca.issue("carrier", names);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let more = format!("client_ca = \"{0}\"\ntrunk_ca = \"{0}\"\n", ca.path("ca.pem").display());
    let text = secure_office(&ca.section("office", &more)).replacen(
        "\"sip:127.0.0.1:5090\"",
        &format!("\"sips:127.0.0.1:{port}\"\nidentify_by = \"certificate\""),
        1,
    );
    let carrier = Carrier { listener, config: ca.server("carrier") };
    (ca, Program::with(text), carrier)
}

#[test]
fn a_call_leaves_to_a_trunk_under_tls_with_both_certificates_shown() {
    let (_ca, program, carrier) = with_carrier(&["127.0.0.1"]);
    let phone = program.live_phone("201");
    program.until("/api/v1/trunks", |answer| answer["items"][0]["trunk"] == "carrier");
    let leg = phone.call("0155501234");
    let mut connection = carrier.accept().unwrap();
    assert!(connection.stream.conn.peer_certificates().is_some());
    let request = connection.message();
    let port = carrier.listener.local_addr().unwrap().port();
    assert_eq!(request.request_uri().unwrap(), format!("sips:155501234@127.0.0.1:{port}"));
    assert!(request.header(HeaderName::Via).unwrap().starts_with("SIP/2.0/TLS "));
    assert!(request.header(HeaderName::Contact).unwrap().starts_with("<sips:"));
    connection.send(answer_to(&request, "486 Busy Here", "", ""));
    let status = phone.wait("busy", |event| match event {
        PhoneEvent::Failed { leg: of, status, .. } if *of == leg => Some(*status),
        _ => None,
    });
    assert_eq!(status, 486);
}

#[test]
fn a_carrier_hangs_up_over_a_connection_of_its_own_and_nobody_else_can() {
    let (ca, program, carrier) = with_carrier(&["127.0.0.1"]);
    ca.issue("other", &["other.test"]);
    let phone = program.live_phone("201");
    let leg = phone.call("0155501234");
    let mut connection = carrier.accept().unwrap();
    let invite = connection.message();
    let more = "Contact: <sips:carrier.invalid>\r\nContent-Type: application/sdp\r\n";
    connection.send(answer_to(&invite, "200 OK", more, SDP));
    phone.connected(leg);
    assert_eq!(connection.message().method(), Method::Ack);
    // The first connection stays. Somebody else is asked for a password, as everybody.
    let tls = program.listener("tls");
    for own in [Some("other"), None] {
        let mut stranger = connect(&ca.client(own), tls, "office.test").unwrap();
        stranger.send(bye_to(&invite, 1));
        assert_eq!(stranger.verdict(), 401, "{own:?}");
    }
    let mut second = connect(&ca.client(Some("carrier")), tls, "office.test").unwrap();
    second.send(bye_to(&invite, 2));
    assert_eq!(second.verdict(), 200);
    phone.ended(leg);
}

#[test]
fn nothing_leaves_to_a_trunk_that_cannot_prove_its_name() {
    let (_ca, program, carrier) = with_carrier(&["other.test"]);
    let phone = program.live_phone("201");
    let leg = phone.call("0155501234");
    assert!(carrier.accept().is_err());
    let status = phone.wait("a refusal", |event| match event {
        PhoneEvent::Failed { leg: of, status, .. } if *of == leg => Some(*status),
        _ => None,
    });
    assert_eq!(status, 480);
    until_counter(&program, "transport_handshakes_failed_total", 1);
}

// ---------------------------------------------------------------------------- the check

#[test]
fn the_check_names_certificates_that_ended_with_their_place() {
    let ca = Authority::new();
    ca.issue_until("office", &["office.test"], 2020);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("office.toml");
    let text = secure_office(&ca.section("office", ""));
    std::fs::write(&file, &text).unwrap();
    let output = run(&["check", &file.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    let line = text.lines().position(|line| line.starts_with("certificate = ")).unwrap() + 1;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with(&format!("{}:{line}:15: the certificate", file.display())), "{said}");
    assert!(said.contains("expired") && said.contains("days ago"), "{said}");
    // A switch starts all the same, and says so.
    let program = Program::with(text);
    program.says("expired");
}
