//! Drives a server with JSON text only, and collects what comes out per connection.
#![allow(dead_code, reason = "each test file uses a part of the kit")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

use std::collections::HashMap;

use serde_json::{Value, json};
use tapi::constant::{CallOrigin, CallState, OfferingMode};
use tapi::{
    AddressId, CallCapability, CallInfo, CallKey, CallMode, ConnectionId, DeviceId, Intent,
    LineErr, LineFilter, LineSpec, NewCall, Output, PartyId, ReplyFields, RequestKey, Server,
    ServerConfig,
};

/// What a connection has received and not yet looked at.
#[derive(Default, Debug)]
struct Inbox {
    responses: Vec<Value>,
    messages: Vec<Value>,
}

/// A server with lines 201, 202, 203 in service, and the rim around it.
pub(crate) struct Bench {
    pub(crate) server: Server,
    pub(crate) now_ms: u64,
    pub(crate) intents: Vec<(RequestKey, Intent)>,
    pub(crate) closed: Vec<(u64, u16, String)>,
    /// Whether texts count as written when they come out.
    pub(crate) reads: bool,
    inboxes: HashMap<u64, Inbox>,
    last_id: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(ServerConfig::default())
    }

    pub(crate) fn with(config: ServerConfig) -> Self {
        Self::with_lines(config, |number, id| LineSpec::new(number, "Somebody", id, 2))
    }

    /// A server whose lines offer every operation.
    pub(crate) fn full() -> Self {
        Self::with_lines(ServerConfig::default(), |number, id| {
            LineSpec::full(number, "Somebody", id, 4)
        })
    }

    pub(crate) fn with_lines(config: ServerConfig, spec: impl Fn(&str, u32) -> LineSpec) -> Self {
        let mut bench = Self {
            server: Server::new(config),
            now_ms: 1_000,
            intents: Vec::new(),
            closed: Vec::new(),
            reads: true,
            inboxes: HashMap::new(),
            last_id: 0,
        };
        for (index, number) in ["201", "202", "203"].into_iter().enumerate() {
            let id = 100 + u32::try_from(index).unwrap();
            let device = bench.server.add_line(spec(number, id));
            bench.server.line_service(bench.now_ms, device, true);
        }
        bench
    }

    /// Sorts what the server wants done.
    pub(crate) fn drain(&mut self) {
        for output in std::mem::take(&mut self.server.out) {
            match output {
                Output::Send { connection, text } => {
                    if self.reads {
                        self.server.written(connection, 1);
                    }
                    let value: Value = serde_json::from_str(&text).unwrap();
                    let inbox = self.inboxes.entry(connection.0).or_default();
                    if value.get("method").is_some() {
                        inbox.messages.push(value);
                    } else {
                        inbox.responses.push(value);
                    }
                }
                Output::Close { connection, code, reason } => {
                    self.closed.push((connection.0, code, reason));
                }
                Output::Intent { request, intent } => self.intents.push((request, intent)),
            }
        }
    }

    pub(crate) fn connect(&mut self, connection: u64) {
        self.server.connect(ConnectionId(connection), LineFilter::All);
    }

    pub(crate) fn connect_only(&mut self, connection: u64, numbers: &[&str]) {
        let numbers = numbers.iter().map(|number| (*number).to_owned()).collect();
        self.server.connect(ConnectionId(connection), LineFilter::Only(numbers));
    }

    /// Sends any text and gives the responses.
    pub(crate) fn text(&mut self, connection: u64, text: &str) -> Vec<Value> {
        self.server.request(self.now_ms, ConnectionId(connection), text);
        self.drain();
        std::mem::take(&mut self.inboxes.entry(connection).or_default().responses)
    }

    /// Calls a function and gives its response, if there is one yet.
    pub(crate) fn ask(&mut self, connection: u64, method: &str, params: Value) -> Option<Value> {
        self.last_id += 1;
        let id = self.last_id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let mut responses = self.text(connection, &request.to_string());
        assert!(responses.len() <= 1, "{responses:?}");
        let response = responses.pop()?;
        assert_eq!(response["id"], id);
        Some(response)
    }

    /// Calls a function that succeeds at once.
    pub(crate) fn ok(&mut self, connection: u64, method: &str, params: Value) -> Value {
        let response = self.ask(connection, method, params).unwrap();
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].clone()
    }

    /// Calls a function that is refused, and gives the name of the error.
    pub(crate) fn refused(&mut self, connection: u64, method: &str, params: Value) -> String {
        let response = self.ask(connection, method, params).unwrap();
        let error = &response["error"];
        assert!(error.is_object(), "{method} was not refused: {response}");
        assert!(error["data"]["detail"].as_str().unwrap().ends_with('.'), "{response}");
        let name = error["message"].as_str().unwrap().to_owned();
        if let Some(line) = tapi::Constant::from_name(&name) {
            let line: LineErr = line;
            assert_eq!(error["code"], line.code(), "{response}");
        }
        name
    }

    /// An application: connects, initialises, opens a line with owner and monitor privilege.
    pub(crate) fn owner(&mut self, connection: u64, line: &str) -> u64 {
        self.open(connection, line, &["OWNER", "MONITOR"])
    }

    pub(crate) fn monitor(&mut self, connection: u64, line: &str) -> u64 {
        self.open(connection, line, &["MONITOR"])
    }

    pub(crate) fn open(&mut self, connection: u64, line: &str, privileges: &[&str]) -> u64 {
        self.connect(connection);
        let name = format!("app{connection}");
        self.ok(connection, "lineInitializeEx", json!({"appName": name}));
        self.open_more(connection, line, privileges)
    }

    pub(crate) fn open_more(&mut self, connection: u64, line: &str, privileges: &[&str]) -> u64 {
        let names: Vec<String> =
            privileges.iter().map(|name| format!("LINECALLPRIVILEGE_{name}")).collect();
        let params = json!({"line": line, "privileges": names,
            "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"]});
        self.ok(connection, "lineOpen", params)["hLine"].as_u64().unwrap()
    }

    /// The messages since the last look, whole.
    pub(crate) fn messages(&mut self, connection: u64) -> Vec<Value> {
        self.drain();
        std::mem::take(&mut self.inboxes.entry(connection).or_default().messages)
    }

    /// The messages since the last look as short texts, `CALLSTATE 3 CONNECTED ACTIVE`.
    pub(crate) fn trace(&mut self, connection: u64) -> Vec<String> {
        self.messages(connection).iter().map(short).collect()
    }

    /// The one intent since the last look.
    pub(crate) fn intent(&mut self) -> (RequestKey, Intent) {
        self.drain();
        assert_eq!(self.intents.len(), 1, "{:?}", self.intents);
        self.intents.pop().unwrap()
    }

    /// Every intent since the last look.
    pub(crate) fn all_intents(&mut self) -> Vec<Intent> {
        self.drain();
        std::mem::take(&mut self.intents).into_iter().map(|(_, intent)| intent).collect()
    }

    /// Calls an asynchronous function; the intent that it leads to.
    pub(crate) fn begin(
        &mut self,
        connection: u64,
        method: &str,
        params: Value,
    ) -> (RequestKey, Intent) {
        let answer = self.ok(connection, method, params);
        assert!(answer["requestId"].as_u64().unwrap() > 0, "{method}: {answer}");
        self.intent()
    }

    /// Asserts the errors of a function, and that nothing came of it.
    pub(crate) fn check(&mut self, connection: u64, method: &str, rows: &[(Value, &str)]) {
        for (params, error) in rows {
            let refused = self.refused(connection, method, params.clone());
            assert_eq!(refused, *error, "{method} {params}");
        }
        self.drain();
        assert!(self.intents.is_empty(), "a refused request leads to nothing");
    }

    /// LINECALLSTATUS.dwCallFeatures, without prefix.
    pub(crate) fn features(&mut self, connection: u64, h_call: u64) -> Vec<String> {
        let status = self.ok(connection, "lineGetCallStatus", json!({"hCall": h_call}));
        let names = status["callFeatures"].as_array().unwrap();
        names.iter().map(|name| bare(name).to_owned()).collect()
    }

    pub(crate) fn can(&mut self, connection: u64, h_call: u64, feature: &str) -> bool {
        self.features(connection, h_call).iter().any(|name| name == feature)
    }

    /// Fails the requests that are under way.
    pub(crate) fn fail_all(&mut self, error: LineErr) {
        self.drain();
        for (request, _) in std::mem::take(&mut self.intents) {
            self.fail(request, error);
        }
    }

    pub(crate) fn complete_with(&mut self, request: RequestKey, fields: ReplyFields) {
        self.server.complete(self.now_ms, request, Ok(fields));
    }

    pub(crate) fn complete(&mut self, request: RequestKey) {
        self.server.complete(self.now_ms, request, Ok(ReplyFields::default()));
    }

    pub(crate) fn fail(&mut self, request: RequestKey, error: LineErr) {
        self.server.complete(self.now_ms, request, Err(error));
    }

    pub(crate) fn state(&mut self, key: CallKey, state: CallState, mode: CallMode) {
        self.server.call_state(self.now_ms, key, state, mode).unwrap();
    }

    /// A call arrives at line 201 from 202.
    pub(crate) fn incoming(&mut self) -> CallKey {
        let new = NewCall {
            line: self.line("201"),
            address: AddressId(0),
            state: CallState::Offering,
            mode: CallMode::Offering(OfferingMode::Active),
            info: CallInfo {
                origin: CallOrigin::Internal,
                call_id: 77,
                caller: PartyId::known("202", "Ben"),
                called: PartyId::known("201", "Ada"),
                ..CallInfo::default()
            },
            capability: CallCapability::default(),
        };
        self.server.call_new(self.now_ms, new).unwrap()
    }

    pub(crate) fn line(&self, number: &str) -> DeviceId {
        self.server.line_by_number(number).unwrap()
    }

    /// An incoming call that is answered; the application's handle and the key.
    pub(crate) fn connected(&mut self, connection: u64) -> (u64, CallKey) {
        let key = self.incoming();
        let messages = self.messages(connection);
        let h_call = messages[0]["params"]["hCall"].as_u64().unwrap();
        self.state(key, CallState::Connected, CallMode::None);
        self.messages(connection);
        (h_call, key)
    }

    /// A call that arrives and is answered; its handle and key. Others on the line are let be.
    pub(crate) fn answered(&mut self, connection: u64) -> (u64, CallKey) {
        self.messages(connection);
        self.connected(connection)
    }

    /// A call that the application makes, replied to; its handle and the key.
    pub(crate) fn making(&mut self, connection: u64, h_line: u64, number: &str) -> (u64, CallKey) {
        self.ok(connection, "lineMakeCall", json!({"hLine": h_line, "destAddress": number}));
        let (request, intent) = self.intent();
        let Intent::MakeCall { call, .. } = intent else { panic!("{intent:?}") };
        self.complete(request);
        let messages = self.messages(connection);
        (messages[0]["params"]["hCall"].as_u64().unwrap(), call)
    }
}

/// A message in one line: its name without LINE_, handles, and constants without prefix.
fn short(message: &Value) -> String {
    let params = &message["params"];
    assert!(params["seq"].is_u64(), "{message}");
    let mut words = vec![message["method"].as_str().unwrap().replace("LINE_", "")];
    for field in [
        "hCall",
        "hConfCall",
        "hConsultCall",
        "address",
        "completionId",
        "deviceId",
        "result",
        "callState",
        "mode",
        "addressState",
        "lineDevState",
        "ringCount",
        "callInfoState",
        "privilege",
        "digit",
        "digits",
        "digitMode",
        "reason",
        "endToEndId",
        "appSpecific",
        "mediaModes",
    ] {
        match &params[field] {
            Value::Null => {}
            Value::Array(items) => {
                let names: Vec<&str> = items.iter().map(bare).collect();
                words.push(names.join("|"));
            }
            text @ Value::String(_) => words.push(bare(text).to_owned()),
            other => words.push(other.to_string()),
        }
    }
    words.join(" ")
}

fn bare(name: &Value) -> &str {
    let name = name.as_str().unwrap();
    name.split_once('_').filter(|(family, _)| family.starts_with("LINE")).map_or(name, |(_, b)| b)
}
