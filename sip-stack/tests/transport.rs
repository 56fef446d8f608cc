//! The transports over real loopback sockets: what is framed, reused, refused and reported.

#![cfg(feature = "net")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use sip_stack::{
    flow::{Flow, Received, Transmit, Transport},
    message::{HeaderName, Message, Method},
    transport::{Limits, Listen, TransportEvent, Transports, bind, bind_with},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    time::timeout,
};

/// How long a test waits before it gives up; nothing depends on it when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

fn listen(transport: Transport) -> Listen {
    Listen { transport, address: "127.0.0.1:0".parse().unwrap() }
}

struct Switch {
    transports: Transports,
    events: mpsc::Receiver<TransportEvent>,
    address: SocketAddr,
}

impl Switch {
    async fn start(transport: Transport) -> Switch {
        Switch::start_with(transport, Limits::default(), 256).await
    }

    async fn start_with(transport: Transport, limits: Limits, room: usize) -> Switch {
        let (sender, events) = mpsc::channel(room);
        let transports = bind_with(&[listen(transport)], limits, sender.into()).await.unwrap();
        let address = transports.local_addresses()[0].address;
        Switch { transports, events, address }
    }

    async fn event(&mut self) -> TransportEvent {
        timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap()
    }

    async fn message(&mut self) -> Received {
        match self.event().await {
            TransportEvent::Message(received) => received,
            other => panic!("no message: {other:?}"),
        }
    }

    fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Flow {
        Flow { transport, local: self.address, remote, connection: None }
    }

    fn send(&self, flow: Flow, text: &str) {
        self.transports.send(Transmit { bytes: Bytes::from(text.to_owned()), flow });
    }
}

fn request(method: &str, number: u32) -> String {
    format!(
        "{method} sip:201@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5;rport;branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:202@127.0.0.1>;tag=f\r\nTo: <sip:201@127.0.0.1>\r\n\
         Call-ID: call-{number}\r\nCSeq: {number} {method}\r\nContent-Length: 4\r\n\r\nbody"
    )
}

async fn datagram(socket: &UdpSocket) -> (Bytes, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (length, from) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
    (Bytes::copy_from_slice(&buffer[..length]), from)
}

async fn exactly(stream: &mut TcpStream, length: usize) -> String {
    let mut buffer = vec![0; length];
    timeout(PATIENCE, stream.read_exact(&mut buffer)).await.unwrap().unwrap();
    String::from_utf8(buffer).unwrap()
}

/// Whether the other side closed; a reset is a close too.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    matches!(timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap(), Ok(0) | Err(_))
}

#[tokio::test]
async fn a_datagram_arrives_with_its_flow_and_is_answered_from_any_thread() {
    let mut switch = Switch::start(Transport::Udp).await;
    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    phone.send_to(request("OPTIONS", 1).as_bytes(), switch.address).await.unwrap();
    let received = switch.message().await;
    assert_eq!(received.message.method(), Method::Options);
    assert_eq!(received.flow, Flow::udp(switch.address, phone.local_addr().unwrap()));
    let address = switch.address;
    std::thread::spawn(move || switch.send(received.flow, "SIP/2.0 200 OK\r\n\r\n"))
        .join()
        .unwrap();
    let (answer, from) = datagram(&phone).await;
    assert_eq!((answer, from), (Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n"), address));
}

#[tokio::test]
async fn a_burst_of_datagrams_is_taken_in_full_and_in_order() {
    let mut switch = Switch::start_with(Transport::Udp, Limits::default(), 1024).await;
    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for number in 0..200 {
        phone.send_to(request("OPTIONS", number).as_bytes(), switch.address).await.unwrap();
    }
    for number in 0..200 {
        assert_eq!(switch.message().await.message.call_id(), format!("call-{number}"));
    }
    assert_eq!(switch.transports.counts().messages_in, 200);
}

#[tokio::test]
async fn keep_alive_datagrams_are_swallowed_and_noise_is_reported() {
    let mut switch = Switch::start(Transport::Udp).await;
    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for octets in [&b"\r\n\r\n"[..], b"\0\0\0\0", b"HELLO\r\n\r\n"] {
        phone.send_to(octets, switch.address).await.unwrap();
    }
    match switch.event().await {
        TransportEvent::Malformed { bytes, flow, .. } => {
            assert_eq!(bytes, "HELLO\r\n\r\n");
            assert_eq!(flow.remote, phone.local_addr().unwrap());
        }
        other => panic!("not reported: {other:?}"),
    }
    let counts = switch.transports.counts();
    assert_eq!((counts.keep_alives, counts.malformed), (2, 1));
}

#[tokio::test]
async fn without_room_a_new_call_is_refused_with_503_and_the_rest_is_dropped() {
    let mut switch = Switch::start_with(Transport::Udp, Limits::default(), 1).await;
    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for (method, number) in [("OPTIONS", 1), ("OPTIONS", 2), ("BYE", 3), ("INVITE", 4)] {
        phone.send_to(request(method, number).as_bytes(), switch.address).await.unwrap();
    }
    let (answer, _) = datagram(&phone).await;
    let answer = Message::parse(answer).unwrap();
    assert_eq!((answer.status(), answer.call_id()), (Some(503), "call-4"));
    assert!(answer.header(HeaderName::RetryAfter).is_some());
    assert_eq!(switch.message().await.message.call_id(), "call-1");
    let counts = switch.transports.counts();
    assert_eq!((counts.dropped, counts.refused, counts.messages_in), (3, 1, 1));
}

#[tokio::test]
async fn a_stream_is_cut_into_messages_wherever_it_is_split_or_merged() {
    let mut switch = Switch::start(Transport::Tcp).await;
    let mut phone = TcpStream::connect(switch.address).await.unwrap();
    phone.set_nodelay(true).unwrap();
    for octet in request("REGISTER", 1).as_bytes() {
        phone.write_all(&[*octet]).await.unwrap();
        phone.flush().await.unwrap();
    }
    let first = switch.message().await;
    assert_eq!((first.message.call_id(), first.message.body()), ("call-1", &b"body"[..]));
    assert_eq!(first.flow.remote, phone.local_addr().unwrap());
    assert!(first.flow.connection.is_some());
    let merged = format!("{}\r\n\r\n{}", request("OPTIONS", 2), request("OPTIONS", 3));
    phone.write_all(merged.as_bytes()).await.unwrap();
    for number in 2..=3 {
        let next = switch.message().await;
        assert_eq!(
            (next.message.call_id(), next.flow),
            (format!("call-{number}").as_str(), first.flow)
        );
    }
    assert_eq!(exactly(&mut phone, 2).await, "\r\n");
}

#[tokio::test]
async fn a_ping_is_answered_with_a_pong() {
    let switch = Switch::start(Transport::Tcp).await;
    let mut phone = TcpStream::connect(switch.address).await.unwrap();
    for _ in 0..3 {
        phone.write_all(b"\r\n\r\n").await.unwrap();
        assert_eq!(exactly(&mut phone, 2).await, "\r\n");
    }
    assert_eq!(switch.transports.counts().keep_alives, 3);
}

#[tokio::test]
async fn an_accepted_connection_is_used_for_requests_to_its_peer() {
    let mut switch = Switch::start(Transport::Tcp).await;
    let mut phone = TcpStream::connect(switch.address).await.unwrap();
    phone.write_all(request("REGISTER", 1).as_bytes()).await.unwrap();
    let flow = switch.message().await.flow;
    switch.send(flow, "named ");
    switch.send(Flow { connection: None, ..flow }, "unnamed");
    assert_eq!(exactly(&mut phone, 13).await, "named unnamed");
    let counts = switch.transports.counts();
    assert_eq!((counts.accepted, counts.connected, counts.connections_open), (1, 0, 1));
}

#[tokio::test]
async fn messages_to_one_address_share_one_connection() {
    let mut switch = Switch::start(Transport::Tcp).await;
    let trunk = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = switch.flow_to(Transport::Tcp, trunk.local_addr().unwrap());
    switch.send(flow, "one ");
    switch.send(flow, "two ");
    let (mut stream, _) = timeout(PATIENCE, trunk.accept()).await.unwrap().unwrap();
    assert_eq!(exactly(&mut stream, 8).await, "one two ");
    stream.write_all(request("OPTIONS", 7).as_bytes()).await.unwrap();
    let received = switch.message().await;
    assert_eq!(received.flow, Flow { connection: received.flow.connection, ..flow });
    switch.send(received.flow, "three");
    assert_eq!(exactly(&mut stream, 5).await, "three");
    assert_eq!(switch.transports.counts().connected, 1);
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_is_reported_with_its_flow() {
    let mut switch = Switch::start(Transport::Tcp).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let flow = switch.flow_to(Transport::Tcp, nobody);
    switch.send(flow, "lost");
    match switch.event().await {
        TransportEvent::Failed { flow: failed } => assert!(failed.is_same_path(&flow)),
        other => panic!("not reported: {other:?}"),
    }
    assert_eq!(switch.transports.counts().connections_open, 0);
}

#[tokio::test]
async fn a_closed_connection_is_reported_and_cannot_be_written_to() {
    let mut switch = Switch::start(Transport::Tcp).await;
    let mut phone = TcpStream::connect(switch.address).await.unwrap();
    phone.write_all(request("REGISTER", 1).as_bytes()).await.unwrap();
    let flow = switch.message().await.flow;
    drop(phone);
    assert!(
        matches!(switch.event().await, TransportEvent::Closed { flow: closed } if closed == flow)
    );
    switch.send(flow, "too late");
    assert!(
        matches!(switch.event().await, TransportEvent::Failed { flow: failed } if failed == flow)
    );
}

#[tokio::test]
async fn we_can_close_a_connection_after_what_is_queued() {
    let mut switch = Switch::start(Transport::Tcp).await;
    let mut phone = TcpStream::connect(switch.address).await.unwrap();
    phone.write_all(request("REGISTER", 1).as_bytes()).await.unwrap();
    let flow = switch.message().await.flow;
    switch.send(flow, "last words");
    switch.transports.close(&flow);
    assert_eq!(exactly(&mut phone, 10).await, "last words");
    assert!(is_closed(&mut phone).await);
}

#[tokio::test]
async fn a_message_over_the_limit_is_reported_answered_once_and_closes_the_stream() {
    let mut switch = Switch::start(Transport::Tcp).await;
    let head = |lines: &str| request("OPTIONS", 1).replace("Content-Length: 4\r\n", lines);
    let oversized = [
        head("Content-Length: 99999999\r\n"),
        head(&format!("Content-Length: 0\r\n{}", "X-Filler: 0123456789\r\n".repeat(4000))),
        head("Content-Length: 4\r\nContent-Length: 4\r\n"),
        head(""),
    ];
    for text in oversized {
        let mut phone = TcpStream::connect(switch.address).await.unwrap();
        // The stream may be closed while the rest is still being written.
        let _ = phone.write_all(text.as_bytes()).await;
        let flow = match switch.event().await {
            TransportEvent::Malformed { flow, bytes, .. } => {
                assert!(bytes.starts_with(b"OPTIONS "));
                flow
            }
            other => panic!("not reported: {other:?}"),
        };
        switch.send(flow, "SIP/2.0 400 Bad Request\r\n\r\n");
        assert!(
            matches!(switch.event().await, TransportEvent::Closed { flow: closed } if closed == flow)
        );
        switch.send(flow, "never seen");
        assert!(matches!(switch.event().await, TransportEvent::Failed { .. }));
    }
}

#[tokio::test]
async fn the_answer_to_a_malformed_stream_arrives_before_the_close() {
    let mut switch = Switch::start(Transport::Tcp).await;
    let mut phone = TcpStream::connect(switch.address).await.unwrap();
    phone.write_all(b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n\r\n").await.unwrap();
    let TransportEvent::Malformed { flow, .. } = switch.event().await else { panic!("no report") };
    switch.send(flow, "answer");
    assert_eq!(exactly(&mut phone, 6).await, "answer");
    assert!(is_closed(&mut phone).await);
}

#[tokio::test]
async fn slow_peers_are_closed() {
    let short = Duration::from_millis(50);
    let patient = Limits::default();
    let message = request("OPTIONS", 1);
    let cases = [
        (Limits { first_message: short, ..patient }, "OPTIONS sip".to_owned()),
        (Limits { first_message: short, ..patient }, String::new()),
        (Limits { between_octets: short, ..patient }, "OPTIONS sip".to_owned()),
        (Limits { whole_message: short, ..patient }, format!("{message}OPTIONS")),
        (Limits { idle: short, ..patient }, message),
    ];
    for (limits, text) in cases {
        let switch = Switch::start_with(Transport::Tcp, limits, 16).await;
        let mut phone = TcpStream::connect(switch.address).await.unwrap();
        phone.write_all(text.as_bytes()).await.unwrap();
        assert!(is_closed(&mut phone).await);
        assert_eq!(switch.transports.counts().timed_out, 1, "{limits:?}");
    }
}

#[tokio::test]
async fn connections_beyond_a_ceiling_are_closed_on_arrival() {
    for limits in [
        Limits { connections: 2, ..Limits::default() },
        Limits { connections_per_address: 2, ..Limits::default() },
    ] {
        let mut switch = Switch::start_with(Transport::Tcp, limits, 16).await;
        let mut phones = Vec::new();
        for number in 0..2 {
            let mut phone = TcpStream::connect(switch.address).await.unwrap();
            phone.write_all(request("REGISTER", number).as_bytes()).await.unwrap();
            switch.message().await;
            phones.push(phone);
        }
        let mut third = TcpStream::connect(switch.address).await.unwrap();
        assert!(is_closed(&mut third).await);
        assert_eq!(switch.transports.counts().connections_refused, 1);
        // A place that is given back can be taken again.
        drop(phones.pop());
        assert!(matches!(switch.event().await, TransportEvent::Closed { .. }));
        let mut fourth = TcpStream::connect(switch.address).await.unwrap();
        fourth.write_all(request("REGISTER", 4).as_bytes()).await.unwrap();
        assert_eq!(switch.message().await.message.call_id(), "call-4");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_fills_its_own_queue_only() {
    let limits = Limits { queued_bytes: 1 << 20, ..Limits::default() };
    let mut switch = Switch::start_with(Transport::Tcp, limits, 64).await;
    let lazy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = switch.flow_to(Transport::Tcp, lazy.local_addr().unwrap());
    let long = "x".repeat(60_000);
    let mut unsent = None;
    for _ in 0..5_000 {
        switch.send(flow, &long);
        match switch.events.try_recv() {
            Ok(TransportEvent::Unsent(transmit)) => {
                unsent = Some(transmit);
                break;
            }
            Ok(event) => panic!("the connection goes on: {event:?}"),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    // It alone is lost.
    assert!(unsent.is_some_and(|transmit| transmit.flow == flow));
    let mut phone = TcpStream::connect(switch.address).await.unwrap();
    phone.write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(exactly(&mut phone, 2).await, "\r\n");
}

#[tokio::test]
async fn a_full_sink_holds_streams_back_without_losing_anything() {
    let mut switch = Switch::start_with(Transport::Tcp, Limits::default(), 1).await;
    let mut phone = TcpStream::connect(switch.address).await.unwrap();
    let all: String = (0..50).map(|number| request("OPTIONS", number)).collect();
    phone.write_all(all.as_bytes()).await.unwrap();
    for number in 0..50 {
        assert_eq!(switch.message().await.message.call_id(), format!("call-{number}"));
    }
}

#[tokio::test]
async fn groups_and_unspecified_addresses_are_never_sent_to() {
    let mut switch = Switch::start(Transport::Udp).await;
    for remote in ["224.0.1.75:5060", "0.0.0.0:5060", "255.255.255.255:5060", "127.0.0.1:0"] {
        switch.send(switch.flow_to(Transport::Udp, remote.parse().unwrap()), "no");
        assert!(matches!(switch.event().await, TransportEvent::Failed { .. }), "{remote}");
    }
    let flow = switch.flow_to(Transport::Udp, "127.0.0.1:5060".parse().unwrap());
    switch.send(flow, "BYE sips:201@127.0.0.1 SIP/2.0\r\n\r\n");
    assert!(matches!(switch.event().await, TransportEvent::Failed { .. }));
    switch.send(switch.flow_to(Transport::Tls, "127.0.0.1:5061".parse().unwrap()), "no");
    assert!(matches!(switch.event().await, TransportEvent::Failed { .. }));
    assert_eq!(switch.transports.counts().messages_out, 0);
}

#[tokio::test]
async fn an_occupied_address_is_named_in_the_error() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let first = Switch::start(transport).await;
        let (sender, _events) = mpsc::channel::<TransportEvent>(1);
        let again = Listen { transport, address: first.address };
        let error = bind(&[listen(transport), again], sender.into()).await.unwrap_err();
        assert_eq!(error.listen, again);
        let text = error.to_string();
        assert!(
            text.starts_with(&format!(
                "cannot listen on {transport} {}: address in use",
                first.address
            )),
            "{text}"
        );
    }
}

#[tokio::test]
async fn addresses_of_others_and_tls_without_a_certificate_are_refused_by_name() {
    let (sender, _events) = mpsc::channel::<TransportEvent>(1);
    let foreign = Listen { transport: Transport::Udp, address: "192.0.2.1:0".parse().unwrap() };
    let error = bind(&[foreign], sender.clone().into()).await.unwrap_err();
    assert!(error.to_string().contains("192.0.2.1:0: address not available"), "{error}");
    let error = bind(&[listen(Transport::Wss)], sender.into()).await.unwrap_err();
    assert!(error.to_string().contains("no certificate is given"), "{error}");
}

#[tokio::test]
async fn dropping_the_transports_closes_every_connection() {
    let mut switch = Switch::start(Transport::Tcp).await;
    let mut phone = TcpStream::connect(switch.address).await.unwrap();
    phone.write_all(request("REGISTER", 1).as_bytes()).await.unwrap();
    switch.message().await;
    drop(switch);
    assert!(is_closed(&mut phone).await);
}

#[tokio::test]
async fn the_sink_may_carry_the_receivers_own_input_type() {
    enum Input {
        FromTransport(TransportEvent),
    }
    impl From<TransportEvent> for Input {
        fn from(event: TransportEvent) -> Input {
            Input::FromTransport(event)
        }
    }
    let (sender, mut inputs) = mpsc::channel::<Input>(4);
    let transports = bind(&[listen(Transport::Udp)], sender.into()).await.unwrap();
    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = transports.local_addresses()[0].address;
    phone.send_to(request("OPTIONS", 1).as_bytes(), to).await.unwrap();
    let Input::FromTransport(event) = timeout(PATIENCE, inputs.recv()).await.unwrap().unwrap();
    assert!(matches!(event, TransportEvent::Message(_)));
}
