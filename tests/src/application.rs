//! A TAPI application on a WebSocket, with every notification checked for its number and written short.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::program::PATIENCE;

/// What a WebSocket brings.
#[derive(Clone, PartialEq, Debug)]
enum Arrived {
    Text(Value),
    Closed { code: u16, reason: String },
}

/// A TAPI application on a WebSocket.
///
/// It knows its calls by the number of their line: the first call on line 201 is `201`, the next
/// `201/2`, and so on.
pub struct Application {
    socket: WebSocket<TcpStream>,
    inbox: VecDeque<Value>,
    next_id: u64,
    /// The number of the notification that came last.
    seq: u64,
    lines: HashMap<u64, String>,
    calls: HashMap<u64, String>,
    /// The line that each request was for, until its reply.
    requests: HashMap<u64, String>,
    /// What the last reply was to.
    replied: Option<String>,
    told: Vec<String>,
    /// Messages of the call centre are read and not told.
    ignores_agents: bool,
}

impl Application {
    /// Connects with a bearer token.
    pub fn connect(api: SocketAddr, token: &str) -> Application {
        Application::try_connect(api, token)
            .unwrap_or_else(|status| panic!("the WebSocket is refused with {status}"))
    }

    /// The same.
    ///
    /// Errors: the HTTP status of the refusal.
    pub fn try_connect(api: SocketAddr, token: &str) -> Result<Application, u16> {
        let mut request = format!("ws://{api}/tapi").into_client_request().expect("a URL");
        let bearer = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("Authorization", bearer);
        let subprotocol = "tapi.v1".parse().expect("a header");
        request.headers_mut().insert("Sec-WebSocket-Protocol", subprotocol);
        let stream = TcpStream::connect(api).expect("the control interface listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        match tungstenite::client(request, stream) {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "tapi.v1");
                Ok(Application {
                    socket,
                    inbox: VecDeque::new(),
                    next_id: 0,
                    seq: 0,
                    lines: HashMap::new(),
                    calls: HashMap::new(),
                    requests: HashMap::new(),
                    replied: None,
                    told: Vec::new(),
                    ignores_agents: false,
                })
            }
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// One function; its result or its error object.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send(method, &params);
        let answer = self.response(&json!(id), method);
        let result = match answer.get("error") {
            Some(error) => return Err(error.clone()),
            None => answer["result"].clone(),
        };
        if let (Some(request), Some(line)) = (result["requestId"].as_u64(), self.line_of(&params)) {
            self.name_new_calls(&result, &line);
            if result.get("result").is_none() {
                self.requests.insert(request, line);
            }
        }
        Ok(result)
    }

    /// The line that a request or a notification is about.
    fn line_of(&self, params: &Value) -> Option<String> {
        if let Some(line) = params["hLine"].as_u64() {
            return Some(self.lines.get(&line).cloned().unwrap_or_else(|| format!("hLine{line}")));
        }
        let handles = ["hCall", "hActiveCall", "hConfCall"].map(|name| params[name].as_u64());
        let name = self.calls.get(&handles.into_iter().flatten().next()?)?;
        Some(name.split('/').next().unwrap_or(name).to_owned())
    }

    /// Names the calls that an answer brings for the first time.
    fn name_new_calls(&mut self, answer: &Value, line: &str) {
        for field in ["hCall", "hConfCall", "hConsultCall"] {
            if let Some(call) = answer[field].as_u64()
                && !self.calls.contains_key(&call)
            {
                self.name_call(call, line);
            }
        }
    }

    /// The name of the error that a function is refused with; code, name and detail must agree.
    pub fn refusal(&mut self, method: &str, params: Value) -> String {
        let error = match self.call(method, params.clone()) {
            Err(error) => error,
            Ok(result) => panic!("{method} {params} answers {result}"),
        };
        let name = error["message"].as_str().expect("a name").to_owned();
        let code = error["code"].as_i64().expect("a code");
        let detail = error["data"]["detail"].as_str().expect("a detail");
        assert!(detail.ends_with('.'), "{method}: {detail}");
        if let Some(known) = name.strip_prefix("LINEERR_") {
            assert!((-0x8000_0000..-0x4000_0000).contains(&code), "{name} is {code}");
            return known.to_owned();
        }
        code.to_string()
    }

    /// Sends a request without waiting; its id.
    pub fn send(&mut self, method: &str, params: &Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send_text(&request.to_string());
        id
    }

    /// Sends any text.
    pub fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("the WebSocket is open");
    }

    /// Sends any text as far as the socket takes it; false when it does not.
    pub fn try_send_text(&mut self, text: &str) -> bool {
        self.socket.send(Message::text(text)).is_ok()
    }

    /// The response with this id; notifications that come before it wait.
    pub fn response(&mut self, id: &Value, what: &str) -> Value {
        loop {
            let message = self.read(what);
            let is_response = message.get("method").is_none();
            if is_response && message["id"] == *id {
                return message;
            }
            assert!(!is_response, "{what}: the response {message} to nothing");
            self.inbox.push_back(message);
        }
    }

    /// The next text that is no notification: a response, or the array of a batch.
    pub fn any_response(&mut self, what: &str) -> Value {
        loop {
            let message = self.read(what);
            if message.get("method").is_none() {
                return message;
            }
            self.inbox.push_back(message);
        }
    }

    /// Opens a line as owner and monitor; its hLine.
    pub fn open(&mut self, line: &str) -> u64 {
        self.open_for(line, &["OWNER", "MONITOR"])
    }

    /// Opens a line with these privileges; its hLine.
    pub fn open_for(&mut self, line: &str, privileges: &[&str]) -> u64 {
        let privileges: Vec<String> =
            privileges.iter().map(|name| format!("LINECALLPRIVILEGE_{name}")).collect();
        let params = json!({
            "line": line,
            "privileges": privileges,
            "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"],
        });
        let opened = self.call("lineOpen", params).expect("lineOpen");
        let handle = opened["hLine"].as_u64().expect("hLine");
        self.lines.insert(handle, line.to_owned());
        handle
    }

    /// The hCall of a call that was announced, by its short name.
    pub fn handle(&self, name: &str) -> u64 {
        let found = self.calls.iter().find(|(_, known)| *known == name);
        *found.unwrap_or_else(|| panic!("no call {name} among {:?}", self.calls)).0
    }

    /// The next notification.
    pub fn next(&mut self, what: &str) -> Value {
        let message = loop {
            let message = match self.inbox.pop_front() {
                Some(message) => message,
                None => self.read(what),
            };
            if !self.ignores_agents || !is_of_agents(&message) {
                break message;
            }
        };
        assert!(message.get("method").is_some(), "{what}: the response {message} to nothing");
        let short = self.brief(&message);
        self.told.push(short);
        message
    }

    /// The next notification that fits; earlier ones are skipped.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next(what);
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Waits for LINE_CALLSTATE of a call.
    pub fn wait_state(&mut self, call: u64, state: &str) -> Value {
        self.wait(state, |message| {
            message["method"] == "LINE_CALLSTATE"
                && message["params"]["hCall"] == json!(call)
                && message["params"]["callState"] == json!(format!("LINECALLSTATE_{state}"))
        })
    }

    /// The next notifications must be these, in this order, with nothing between them.
    pub fn expect(&mut self, wanted: &[&str]) {
        let from = self.told.len();
        for one in wanted {
            self.next(one);
            let told = self.told.last().map(String::as_str);
            assert_eq!(told, Some(*one), "told was {:#?}", &self.told[from..]);
        }
    }

    /// The next notifications must be these: for each line its own, in this order, separated by `; `.
    /// A reply belongs to the line that was asked for something; between lines there is no order.
    pub fn expect_on_lines(&mut self, wanted: &[(&str, &str)]) {
        let split = |words: &str| -> Vec<String> {
            words.split("; ").filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let wanted: BTreeMap<String, Vec<String>> =
            wanted.iter().map(|(line, words)| ((*line).to_owned(), split(words))).collect();
        let count: usize = wanted.values().map(Vec::len).sum();
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let from = self.told.len();
        for _ in 0..count {
            let message = self.next(&format!("{wanted:#?}"));
            let line = match message["method"].as_str() {
                Some("LINE_REPLY") => self.replied.clone(),
                _ => self.line_of(&message["params"]),
            };
            let line = line.unwrap_or_default();
            told.entry(line.clone()).or_default().extend(self.told.last().cloned());
            let (so_far, all) = (&told[&line], wanted.get(&line).cloned().unwrap_or_default());
            let is_right = all.starts_with(so_far);
            assert!(is_right, "{line}: wanted {all:#?}; told was {:#?}", &self.told[from..]);
        }
    }

    /// Skips notifications until the short form of one is this.
    pub fn skip_to(&mut self, wanted: &str) {
        loop {
            self.next(wanted);
            if self.told.last().map(String::as_str) == Some(wanted) {
                return;
            }
        }
    }

    /// Nothing more was said before the switch answered a question.
    pub fn expect_silence(&mut self) {
        self.call(
            "lineGetAppPriority",
            json!({
                "appName": "nobody", "mediaMode": "LINEMEDIAMODE_INTERACTIVEVOICE",
            }),
        )
        .expect("lineGetAppPriority");
        let rest: Vec<Value> = self.inbox.drain(..).collect();
        let ignores = self.ignores_agents;
        let rest: Vec<Value> =
            rest.into_iter().filter(|message| !ignores || !is_of_agents(message)).collect();
        let rest: Vec<String> = rest.iter().map(|message| self.brief(message)).collect();
        assert!(rest.is_empty(), "{rest:#?}");
    }

    /// From now on nothing of what the call centre says is told.
    pub fn ignore_agents(&mut self) {
        self.ignores_agents = true;
    }

    /// The number of the last notification.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes up what another connection knew: notifications go on after its last one.
    pub fn continues(&mut self, other: &Application) {
        self.seq = other.seq;
        self.lines = other.lines.clone();
        self.calls = other.calls.clone();
        self.requests = other.requests.clone();
    }

    /// Reads until the switch closes the connection; code and reason.
    pub fn wait_for_close(&mut self, what: &str) -> (u16, String) {
        loop {
            match self.receive(what) {
                Arrived::Text(text) => self.inbox.push_back(text),
                Arrived::Closed { code, reason } => return (code, reason),
            }
        }
    }

    /// Closes the connection in an orderly way (RFC 6455 §7.1.1).
    pub fn close(&mut self) {
        self.socket.close(None).expect("the connection is open");
        self.wait_for_end();
    }

    /// Reads until the handshake of closing is over.
    fn wait_for_end(&mut self) {
        loop {
            match self.socket.read() {
                Ok(_) => {}
                Err(tungstenite::Error::ConnectionClosed) => return,
                Err(error) => panic!("the closing handshake: {error}"),
            }
        }
    }

    /// Breaks the connection without a closing handshake.
    pub fn break_off(&mut self) {
        let stream = self.socket.get_ref();
        stream.shutdown(std::net::Shutdown::Both).expect("the socket is open");
    }

    fn read(&mut self, what: &str) -> Value {
        match self.receive(what) {
            Arrived::Text(text) => text,
            Arrived::Closed { code, reason } => panic!("{what}: closed with {code} {reason}"),
        }
    }

    fn receive(&mut self, what: &str) -> Arrived {
        let start = Instant::now();
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let message = serde_json::from_str(&text).expect("the switch writes JSON");
                    self.check(&message);
                    return Arrived::Text(message);
                }
                Ok(Message::Close(Some(frame))) => {
                    let (code, reason) = (u16::from(frame.code), frame.reason.to_string());
                    return Arrived::Closed { code, reason };
                }
                Ok(Message::Close(None)) => panic!("{what}: closed without a code"),
                // Pings come for ever and are no sign that what is waited for will.
                Ok(_) if start.elapsed() < PATIENCE => {}
                Ok(_) => self.give_up(what, "it does not come"),
                Err(error) => self.give_up(what, &error.to_string()),
            }
        }
    }

    fn give_up(&mut self, what: &str, why: &str) -> ! {
        let waiting: Vec<Value> = self.inbox.drain(..).collect();
        let waiting: Vec<String> = waiting.iter().map(|message| self.brief(message)).collect();
        panic!("{what}: {why}; told was {:#?}, then {waiting:#?}", self.told)
    }

    /// Notifications are numbered by one, responses are not numbered.
    fn check(&mut self, message: &Value) {
        let Some(method) = message.get("method") else { return };
        assert_eq!(message["jsonrpc"], "2.0");
        assert!(message.get("id").is_none(), "{message}");
        self.seq += 1;
        assert_eq!(message["params"]["seq"], json!(self.seq), "{method} of {message}");
    }

    /// The short name of the next call of a line.
    pub fn next_name(&self, line: &str) -> String {
        let is_of_line = |name: &&String| {
            **name == line || name.strip_prefix(line).is_some_and(|n| n.starts_with('/'))
        };
        let number = self.calls.values().filter(is_of_line).count() + 1;
        if number == 1 { line.to_owned() } else { format!("{line}/{number}") }
    }

    fn name_call(&mut self, call: u64, line: &str) {
        let name = self.next_name(line);
        let former = self.calls.insert(call, name);
        assert!(former.is_none(), "hCall {call} is announced twice");
    }

    /// A notification in one line: `201 NEW OWNER`, `201 CONNECTED ACTIVE`, `REPLY 0` …
    pub fn brief(&mut self, message: &Value) -> String {
        let params = &message["params"];
        let number = |name: &str| params[name].as_u64().unwrap_or_default();
        let method = message["method"].as_str().unwrap_or_default();
        if method == "LINE_APPNEWCALL" {
            let line = self.line_of(params).unwrap_or_default();
            self.name_call(number("hCall"), &line);
        }
        if method == "LINE_REPLY" {
            self.replied = self.requests.remove(&number("requestId"));
            if let Some(line) = self.replied.clone() {
                self.name_new_calls(params, &line);
            }
        }
        let line = |handle: u64| self.lines.get(&handle).cloned().unwrap_or_default();
        let call = self.calls.get(&number("hCall")).cloned();
        let call = || call.clone().unwrap_or_else(|| format!("hCall{}", number("hCall")));
        let line_up = |first: String, names: &[&str]| {
            let words = names.iter().map(|name| short(&params[*name]));
            let words = std::iter::once(first).chain(words.filter(|word| !word.is_empty()));
            words.collect::<Vec<_>>().join(" ")
        };
        match method {
            "LINE_REPLY" => line_up("REPLY".to_owned(), &["result"]),
            "LINE_APPNEWCALL" => line_up(format!("{} NEW", call()), &["privilege"]),
            "LINE_CALLSTATE" => {
                let state = line_up(call(), &["callState", "mode", "privilege"]);
                match params["hConfCall"].as_u64().and_then(|parent| self.calls.get(&parent)) {
                    Some(parent) => format!("{state} {parent}"),
                    None => state,
                }
            }
            "LINE_CALLINFO" => line_up(format!("{} INFO", call()), &["callInfoState"]),
            "LINE_LINEDEVSTATE" => {
                line_up(format!("{} DEV", line(number("hLine"))), &["lineDevState", "detail"])
            }
            "LINE_ADDRESSSTATE" => {
                line_up(format!("{} ADDRESS", line(number("hLine"))), &["addressState"])
            }
            "LINE_MONITORDIGITS" => {
                line_up(format!("{} MONITORDIGITS", call()), &["digit", "digitMode"])
            }
            "LINE_GATHERDIGITS" => {
                line_up(format!("{} GATHERDIGITS", call()), &["digits", "reason"])
            }
            "LINE_GENERATE" => line_up(format!("{} GENERATE", call()), &["reason", "endToEndId"]),
            "LINE_MONITORTONE" => line_up(format!("{} MONITORTONE", call()), &["appSpecific"]),
            "LINE_MONITORMEDIA" => line_up(format!("{} MONITORMEDIA", call()), &["mediaModes"]),
            "LINE_CLOSE" => format!("{} CLOSE", line(number("hLine"))),
            "LINE_AGENTSTATUSEX" => line_up("AGENT".to_owned(), &["agentStatus", "agentState"]),
            "LINE_AGENTSESSIONSTATUS" => {
                line_up("SESSION".to_owned(), &["agentSessionStatus", "agentSessionState"])
            }
            "LINE_AGENTSTATUS" => {
                let first = format!("{} AGENTSTATUS", line(number("hLine")));
                line_up(first, &["agentStatus", "agentState"])
            }
            "LINE_QUEUESTATUS" => line_up("QUEUE".to_owned(), &["queueStatus"]),
            "LINE_GROUPSTATUS" => line_up("GROUP".to_owned(), &["groupStatus"]),
            _ => line_up(method.trim_start_matches("LINE_").to_owned(), &["deviceId"]),
        }
    }
}

fn is_of_agents(message: &Value) -> bool {
    let method = message["method"].as_str().unwrap_or_default();
    ["LINE_AGENT", "LINE_QUEUE", "LINE_GROUP", "LINE_PROXY"]
        .iter()
        .any(|family| method.starts_with(family))
}

/// `LINECALLSTATE_IDLE` as `IDLE`, sets with `|`.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => {
            text.split_once('_').map_or(text.as_str(), |(_, word)| word).to_owned()
        }
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join("|"),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
