//! The interface as its clients see it: real sockets, and an exchange that answers by rote.

mod keys;

use std::net::SocketAddr;

use config::{Scope, Token};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tapi::constant::ForwardMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::token::tests::token;
use super::*;
use crate::exchange::{
    AdminRequest, ApplicationInput, CallAction, ConnectionId, ForwardEntry, Problem,
};
use crate::store::SqliteStore;

struct World {
    api: Arc<Api>,
    address: SocketAddr,
    inputs: mpsc::Receiver<Input>,
    controls: mpsc::Receiver<Control>,
}

fn tokens() -> Vec<Token> {
    vec![
        token("admin-token", Scope::Admin, None),
        token("crm-token", Scope::Tapi, Some(&["201"])),
        token("read-token", Scope::Read, None),
    ]
}

async fn world() -> World {
    let (mailbox, inputs) = mpsc::channel(16);
    let (control, controls) = mpsc::channel(4);
    let metrics = Metrics::new(Arc::default(), Vec::new());
    let trace = Arc::new(Trace::new(0));
    let store = Arc::new(SqliteStore::open(&config::StatePath::Memory, 0).unwrap());
    let api = Api::new(mailbox, control, Tokens::new(&tokens()), 4, metrics, (trace, store));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&api).serve(listener));
    World { api, address, inputs, controls }
}

/// Status, headers and body of one request.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl World {
    fn request(&self, method: &str, path: &str, token: &str, body: &str) -> Asked {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let address = self.address;
        Asked(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            // A refused upload may end with a reset after the answer.
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            Reply { status, head: head.to_owned(), body: body.to_owned() }
        }))
    }

    /// Answers the question that waits in the mailbox.
    async fn answer(&mut self, answer: Result<Value, Problem>) -> AdminRequest {
        let Some(Input::Administrator { token, request }) = self.inputs.recv().await else {
            panic!("no question arrived");
        };
        self.api.perform(Output::Answer { token, answer });
        request
    }

    async fn connect(&mut self, token: &str) -> (ConnectionId, Socket) {
        let socket = self.try_connect(token, Some(SUBPROTOCOL)).await.unwrap();
        let connected = self.application().await;
        let ApplicationInput::Connected { connection, .. } = connected else {
            panic!("{connected:?}");
        };
        (connection, socket)
    }

    async fn try_connect(
        &self,
        token: &str,
        subprotocol: Option<&str>,
    ) -> Result<Socket, SocketError> {
        let mut request = format!("ws://{}/tapi", self.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        if let Some(subprotocol) = subprotocol {
            headers.insert("sec-websocket-protocol", subprotocol.parse().unwrap());
        }
        connect_async(request).await.map(|(socket, _)| socket)
    }

    async fn application(&mut self) -> ApplicationInput {
        match self.inputs.recv().await {
            Some(Input::Application(input)) => input,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the end of a connection; how many texts it was told to have taken before.
    async fn written_until_gone(&mut self, connection: ConnectionId) -> usize {
        let mut written = 0;
        loop {
            match self.application().await {
                ApplicationInput::Written { connection: at, texts } if at == connection => {
                    written += texts;
                }
                ApplicationInput::Disconnected { connection: gone }
                | ApplicationInput::Closed { connection: gone }
                    if gone == connection =>
                {
                    return written;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Asked(tokio::task::JoinHandle<Reply>);

impl Asked {
    async fn reply(self) -> Reply {
        self.0.await.unwrap()
    }
}

/// The code of the close frame that comes after any number of texts.
async fn close_of(socket: &mut Socket) -> (u16, String) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => {
                return (frame.code.into(), frame.reason.as_str().to_owned());
            }
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_collection_is_items() {
    let mut world = world().await;
    let asked = world.request("GET", "/api/v1/lines", "admin-token", "");
    let request = world.answer(Ok(json!([{"line": "201"}, {"line": "202"}]))).await;
    assert_eq!(request, AdminRequest::Lines);
    let reply = asked.reply().await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json(), json!({"items": [{"line": "201"}, {"line": "202"}]}));
}

#[tokio::test]
async fn a_limited_token_sees_its_lines_and_acts_for_them_only() {
    let mut world = world().await;
    let asked = world.request("GET", "/api/v1/calls", "crm-token", "");
    world.answer(Ok(json!([{"line": "201"}, {"line": "202"}]))).await;
    assert_eq!(asked.reply().await.json(), json!({"items": [{"line": "201"}]}));

    let refused = world
        .request("POST", "/api/v1/calls", "crm-token", r#"{"from": "202", "to": "201"}"#)
        .reply()
        .await;
    assert_eq!(refused.status, 404);
    for path in ["/api/v1/reload", "/api/v1/drain"] {
        assert_eq!(world.request("POST", path, "crm-token", "").reply().await.status, 403);
    }
    let refused = world.request("GET", "/api/v1/events", "crm-token", "").reply().await;
    assert_eq!(refused.status, 403);
    assert!(world.inputs.try_recv().is_err(), "nothing of this reached the exchange");
}

#[tokio::test]
async fn a_reading_token_cannot_change_anything_by_any_door() {
    let mut world = world().await;
    let body = r#"{"from": "201", "to": "202"}"#;
    let refused = world.request("POST", "/api/v1/calls", "read-token", body).reply().await;
    assert_eq!(refused.status, 403);
    let Err(SocketError::Http(refused)) = world.try_connect("read-token", Some("tapi.v1")).await
    else {
        panic!("the socket was opened");
    };
    assert_eq!(refused.status(), 403);
    assert!(world.inputs.try_recv().is_err());
}

#[tokio::test]
async fn without_a_known_token_everything_is_401_with_a_problem_document() {
    let world = world().await;
    for path in ["/api/v1/lines", "/api/v1/events", "/tapi"] {
        let reply = world.request("GET", path, "guess", "").reply().await;
        assert_eq!(reply.status, 401, "{path}");
        assert!(reply.head.contains("application/problem+json"), "{path}");
        assert_eq!(reply.json()["status"], 401);
    }
}

#[tokio::test]
async fn click_to_dial_and_call_actions_reach_the_exchange() {
    let mut world = world().await;
    let body = r#"{"from": "201", "to": "202"}"#;
    let asked = world.request("POST", "/api/v1/calls", "admin-token", body);
    let request = world.answer(Ok(json!({"callId": 7}))).await;
    assert_eq!(request, AdminRequest::MakeCall { from: "201".into(), to: "202".into() });
    let reply = asked.reply().await;
    assert_eq!((reply.status, reply.json()), (201, json!({"callId": 7})));

    let asked = world.request("POST", "/api/v1/calls/7/hold", "admin-token", r#"{"line": "201"}"#);
    let problem = Problem { status: 404, detail: "There is no call 7.".into() };
    let request = world.answer(Err(problem)).await;
    let line = "201".to_owned();
    assert_eq!(request, AdminRequest::CallAction { call_id: 7, line, action: CallAction::Hold });
    let reply = asked.reply().await;
    assert_eq!((reply.status, &reply.json()["detail"]), (404, &json!("There is no call 7.")));
}

#[tokio::test]
async fn forward_lists_dnd_and_redirection_reach_the_exchange() {
    let mut world = world().await;
    let path = "/api/v1/lines/201/forwarding";
    let body = r#"{"forwardList": [
        {"forwardMode": "LINEFORWARDMODE_BUSYSPECIFIC", "callerAddress": "202", "destAddress": "206"},
        {"forwardMode": 1, "destAddress": ""}], "numRingsNoAnswer": 3}"#;
    let asked = world.request("PUT", path, "crm-token", body);
    let request = world.answer(Ok(json!({"line": "201"}))).await;
    let entry = |mode, caller: Option<&str>, destination: Option<&str>| ForwardEntry {
        mode,
        caller: caller.map(str::to_owned),
        destination: destination.map(str::to_owned),
    };
    let forward_list = vec![
        entry(ForwardMode::BusySpecific, Some("202"), Some("206")),
        entry(ForwardMode::Uncond, None, None),
    ];
    let line = "201".to_owned();
    assert_eq!(request, AdminRequest::SetForwarding { line, forward_list, rings: Some(3) });
    assert_eq!(asked.reply().await.status, 200);

    for cancel in ["{}", r#"{"forwardList": null}"#, r#"{"forwardList": []}"#] {
        let asked = world.request("PUT", path, "admin-token", cancel);
        let request = world.answer(Ok(json!({}))).await;
        let line = "201".to_owned();
        let nothing = AdminRequest::SetForwarding { line, forward_list: vec![], rings: None };
        assert_eq!(request, nothing, "{cancel}");
        assert_eq!(asked.reply().await.status, 200);
    }

    let asked =
        world.request("PUT", "/api/v1/lines/201/dnd", "admin-token", r#"{"enabled": true}"#);
    let request = world.answer(Ok(json!({}))).await;
    assert_eq!(request, AdminRequest::SetDnd { line: "201".into(), is_on: true });
    assert_eq!(asked.reply().await.status, 200);

    let body = r#"{"line": "201", "to": "206"}"#;
    let asked = world.request("POST", "/api/v1/calls/7/redirect", "admin-token", body);
    let request = world.answer(Ok(json!({"callId": 7}))).await;
    let (line, to) = ("201".to_owned(), "206".to_owned());
    assert_eq!(request, AdminRequest::Redirect { call_id: 7, line, to });
    assert_eq!(asked.reply().await.status, 200);
}

#[tokio::test]
async fn a_forward_list_that_is_none_or_of_a_line_out_of_sight_is_refused() {
    let world = world().await;
    let path = "/api/v1/lines/201/forwarding";
    for body in [
        r#"{"forwardList": [{"forwardMode": "LINEFORWARDMODE_NEVER"}]}"#,
        r#"{"forwardList": [{"forwardMode": 3}]}"#,
        r#"{"forwardList": [{"destAddress": "206"}]}"#,
        r#"{"forwardList": [{"forwardMode": 1, "destAddress": "2 06"}]}"#,
        r#"{"forward": []}"#,
    ] {
        let reply = world.request("PUT", path, "admin-token", body).reply().await;
        assert_eq!(reply.status, 400, "{body}");
    }
    for path in ["/api/v1/lines/299/forwarding", "/api/v1/lines/299/dnd"] {
        let reply = world.request("PUT", path, "crm-token", "{}").reply().await;
        assert_eq!(reply.status, 404, "{path}: as if it did not exist");
    }
    let reply = world.request("PUT", path, "read-token", "{}").reply().await;
    assert_eq!(reply.status, 403);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_cannot_be_done_is_405() {
    let world = world().await;
    let path = "/api/v1/nothing";
    assert_eq!(world.request("GET", path, "admin-token", "").reply().await.status, 404);
    let path = "/api/v1/calls/7/dance";
    assert_eq!(world.request("POST", path, "admin-token", "{}").reply().await.status, 404);
    let path = "/api/v1/calls/x/drop";
    assert_eq!(world.request("POST", path, "admin-token", "{}").reply().await.status, 404);
    let reply = world.request("DELETE", "/api/v1/lines", "admin-token", "").reply().await;
    assert_eq!(reply.status, 405);
    assert_eq!(reply.json()["title"], "Method Not Allowed");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_413_and_one_that_is_no_json_400() {
    let world = world().await;
    let long = " ".repeat(MAX_BODY + 1);
    let reply = world.request("POST", "/api/v1/calls", "admin-token", &long).reply().await;
    assert_eq!(reply.status, 413);
    let reply = world.request("POST", "/api/v1/calls", "admin-token", "{").reply().await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_need_not_come_and_a_garbled_one_is_400() {
    let world = world().await;
    let head = "POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\n";
    for (rest, status) in [
        ("Content-Length: 99999999\r\n\r\n{", "HTTP/1.1 413"),
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400"),
    ] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), status, "{rest}");
    }
}

#[tokio::test]
async fn a_faulty_reload_is_422_with_every_fault() {
    let mut world = world().await;
    let asked = world.request("POST", "/api/v1/reload", "admin-token", "");
    let Some(Control::Reload(reply)) = world.controls.recv().await else {
        panic!("no reload was asked for");
    };
    reply.send(Err(vec!["office.toml:1:1: x".into()])).unwrap();
    let reply = asked.reply().await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["faults"], json!(["office.toml:1:1: x"]));
}

#[tokio::test]
async fn readiness_follows_the_switch_and_health_the_exchange() {
    let mut world = world().await;
    assert_eq!(world.request("GET", "/readyz", "", "").reply().await.status, 503);
    world.api.set_ready(true);
    assert_eq!(world.request("GET", "/readyz", "", "").reply().await.status, 200);
    assert_eq!(world.request("GET", "/healthz", "", "").reply().await.status, 200);
    world.inputs.close();
    assert_eq!(world.request("GET", "/healthz", "", "").reply().await.status, 503);
    assert_eq!(world.request("GET", "/readyz", "", "").reply().await.status, 503);
}

#[tokio::test]
async fn metrics_and_description_are_open() {
    let world = world().await;
    let metrics = world.request("GET", "/metrics", "", "").reply().await;
    assert!(metrics.body.contains("\nstrowger_calls_active 0\n"), "{}", metrics.body);
    let described = world.request("GET", "/openapi.json", "", "").reply().await;
    assert_eq!(described.json()["openapi"], "3.1.0");
    assert_eq!(world.request("GET", "/docs", "", "").reply().await.status, 200);
}

#[tokio::test]
async fn events_resume_after_a_number_and_then_follow() {
    let world = world().await;
    for number in 1..=3 {
        world.api.perform(Output::Event { number, event: json!({"number": number}) });
    }
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = "GET /api/v1/events?after=2 HTTP/1.1\r\nhost: x\r\n\
                   authorization: Bearer admin-token\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut sent = false;
    while !text.contains("id: 4") {
        let mut chunk = [0; 1024];
        let length = stream.read(&mut chunk).await.unwrap();
        assert_ne!(length, 0, "the stream ended: {text}");
        text.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
        if text.contains("id: 3") && !sent {
            world.api.perform(Output::Event { number: 4, event: json!({"number": 4}) });
            sent = true;
        }
    }
    assert!(text.contains("content-type: text/event-stream"));
    assert!(text.contains(r#"data: {"number":3}"#), "{text}");
    assert!(!text.contains("id: 2"), "{text}");
}

#[tokio::test]
async fn an_application_is_announced_with_its_lines_and_its_frames_keep_their_order() {
    let mut world = world().await;
    let mut socket = world.try_connect("crm-token", Some("chat, tapi.v1")).await.unwrap();
    let ApplicationInput::Connected { connection, lines } = world.application().await else {
        panic!("the application was not announced");
    };
    assert_eq!(lines, Some(vec!["201".to_owned()]));
    for number in 0..20 {
        socket.send(Message::text(number.to_string())).await.unwrap();
    }
    for number in 0..20 {
        match world.application().await {
            ApplicationInput::Text { connection: from, text } => {
                assert_eq!((from, text), (connection, number.to_string()));
            }
            other => panic!("{other:?}"),
        }
    }
    for text in ["a", "b", "c"] {
        world.api.perform(Output::Application { connection, text: text.into() });
    }
    for text in ["a", "b", "c"] {
        let frame = loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Text(frame) => break frame,
                _ => continue,
            }
        };
        assert_eq!(frame.as_str(), text);
    }
    socket.close(None).await.unwrap();
    assert_eq!(world.written_until_gone(connection).await, 3, "the exchange counts readers behind");
}

#[tokio::test]
async fn a_foreign_subprotocol_is_refused_and_none_means_ours() {
    let mut world = world().await;
    let Err(SocketError::Http(refused)) = world.try_connect("crm-token", Some("chat")).await else {
        panic!("the socket was opened");
    };
    assert_eq!(refused.status(), 400);
    assert!(world.inputs.try_recv().is_err());
    let _socket = world.try_connect("crm-token", None).await.unwrap();
    assert!(matches!(world.application().await, ApplicationInput::Connected { .. }));
}

#[tokio::test]
async fn an_application_that_does_not_read_is_closed_with_1013() {
    let mut world = world().await;
    let (connection, mut socket) = world.connect("admin-token").await;
    let (other, mut second) = world.connect("admin-token").await;
    // More than the sockets' buffers take, in messages that the queue of four cannot hold.
    let large = "x".repeat(1024 * 1024);
    while world.api.applications.len() == 2 {
        world.api.perform(Output::Application { connection, text: large.clone() });
        tokio::task::yield_now().await;
    }
    world.written_until_gone(connection).await;
    world.api.perform(Output::Application { connection: other, text: "still here".into() });
    let (code, reason) = close_of(&mut socket).await;
    assert_eq!(code, 1013, "{reason}");
    let frame = loop {
        match second.next().await.unwrap().unwrap() {
            Message::Text(frame) => break frame,
            _ => continue,
        }
    };
    assert_eq!(frame.as_str(), "still here");
}

#[tokio::test]
async fn close_codes_of_the_exchange_come_after_what_was_said_before() {
    let mut world = world().await;
    let (connection, mut socket) = world.connect("admin-token").await;
    world.api.perform(Output::Application { connection, text: "last".into() });
    let reason = "The application has shut down.".to_owned();
    world.api.perform(Output::CloseApplication { connection, code: 1000, reason: reason.clone() });
    let mut texts = 0;
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(_) => texts += 1,
            Message::Close(Some(frame)) => {
                assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1000, &*reason));
                break;
            }
            _ => {}
        }
    }
    assert_eq!(texts, 1);
}

#[tokio::test]
async fn a_frame_that_is_too_big_is_1009_a_binary_one_1003_and_a_garbled_one_1007() {
    let mut world = world().await;
    let (_, mut socket) = world.connect("admin-token").await;
    socket.send(Message::text("x".repeat(MAX_FRAME + 1))).await.unwrap();
    assert_eq!(close_of(&mut socket).await.0, 1009);
    assert!(matches!(world.application().await, ApplicationInput::Disconnected { .. }));
    let (_, mut socket) = world.connect("admin-token").await;
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(close_of(&mut socket).await.0, 1003);
    assert!(matches!(world.application().await, ApplicationInput::Disconnected { .. }));
    let (_, mut socket) = world.connect("admin-token").await;
    let garbled = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    socket.send(Message::Frame(garbled)).await.unwrap();
    assert_eq!(close_of(&mut socket).await.0, 1007);
}

#[tokio::test]
async fn a_full_mailbox_holds_back_the_connection_and_loses_nothing() {
    let mut world = world().await;
    let (_, mut socket) = world.connect("admin-token").await;
    let sending = tokio::spawn(async move {
        for number in 0..100 {
            socket.send(Message::text(number.to_string())).await.unwrap();
        }
        socket
    });
    let _socket = sending.await.unwrap();
    // The mailbox holds 16; the rest waits outside until there is room.
    for number in 0..100 {
        match world.application().await {
            ApplicationInput::Text { text, .. } => assert_eq!(text, number.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_revoked_token_closes_its_connections_with_1008() {
    let mut world = world().await;
    let (_, mut socket) = world.connect("crm-token").await;
    world.api.reconfigure(Tokens::new(&tokens()[..1]), 4);
    assert_eq!(close_of(&mut socket).await.0, 1008);
    let refused = world.request("GET", "/api/v1/lines", "crm-token", "").reply().await;
    assert_eq!(refused.status, 401);
}
