//! Applications, calls and time in any order against the TAPI server: each accepted request is
//! answered once, handles and calls do not pile up, and nothing is left when everybody has gone.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tapi::constant::{CallOrigin, CallState, OfferingMode};
use tapi::{
    AddressId, CallCapability, CallInfo, CallKey, CallMode, ConnectionId, Intent, LineErr,
    LineFilter, LineSpec, NewCall, Output, PartyId, ReplyFields, RequestKey, Server, ServerConfig,
    offered_functions,
};

use crate::octets::Octets;

/// Steps of one run; more say nothing new.
const STEPS_MAX: usize = 400;
/// Applications' connections.
const CONNECTIONS: u64 = 3;
/// States that a call is led to.
const STATES: [CallState; 10] = [
    CallState::Idle,
    CallState::Connected,
    CallState::OnHold,
    CallState::Disconnected,
    CallState::Offering,
    CallState::Accepted,
    CallState::Dialing,
    CallState::Proceeding,
    CallState::Ringback,
    CallState::OnHoldPendTransfer,
];

struct Stage {
    server: Server,
    functions: Vec<&'static str>,
    now_ms: u64,
    last_id: u64,
    calls: Vec<CallKey>,
    intents: Vec<(RequestKey, Intent)>,
    /// Requests of each connection that were accepted and have no LINE_REPLY.
    open: BTreeMap<(u64, u64), u32>,
    is_connected: [bool; CONNECTIONS as usize],
}

/// What happens, step by step.
pub(crate) fn requests(data: &[u8]) {
    let mut stage = Stage::new();
    let mut octets = Octets::new(data);
    for _ in 0..STEPS_MAX {
        if octets.is_empty() {
            break;
        }
        stage.step(&mut octets);
        stage.drain();
    }
    stage.end();
}

impl Stage {
    fn new() -> Self {
        let mut server = Server::new(ServerConfig::default());
        for (number, id) in [("201", 100), ("202", 101)] {
            let device = server.add_line(LineSpec::full(number, "Somebody", id, 4));
            server.line_service(1_000, device, true);
        }
        let mut stage = Self {
            server,
            functions: offered_functions().collect(),
            now_ms: 1_000,
            last_id: 0,
            calls: Vec::new(),
            intents: Vec::new(),
            open: BTreeMap::new(),
            is_connected: [true; CONNECTIONS as usize],
        };
        for connection in 1..=CONNECTIONS {
            stage.server.connect(ConnectionId(connection), LineFilter::All);
            stage.ask(connection, "lineInitializeEx", &json!({"appName": "a"}));
            let open = json!({"line": "201", "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"],
                "privileges": ["LINECALLPRIVILEGE_OWNER", "LINECALLPRIVILEGE_MONITOR"]});
            stage.ask(connection, "lineOpen", &open);
        }
        stage
    }

    fn ask(&mut self, connection: u64, method: &str, params: &Value) {
        self.last_id += 1;
        let request =
            json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params});
        self.server.request(self.now_ms, ConnectionId(connection), &request.to_string());
        self.drain();
    }

    fn step(&mut self, octets: &mut Octets<'_>) {
        match octets.byte() % 8 {
            0..=3 => self.request(octets),
            4 => self.complete(octets),
            5 => self.arrive(),
            6 => self.lead(octets),
            _ => self.pass(octets),
        }
    }

    /// An application calls a function, with every parameter that functions like to see.
    fn request(&mut self, octets: &mut Octets<'_>) {
        let connection = 1 + octets.below(CONNECTIONS as usize) as u64;
        let method = self.functions[octets.below(self.functions.len())];
        let numbers = ["hLine", "hCall", "hConsultCall", "hConfCall", "addressId", "deviceId"];
        let mut params = Map::new();
        for name in numbers {
            let value = octets.byte();
            if value < 0xf0 {
                params.insert(name.to_owned(), Value::from(value % 16));
            }
        }
        let texts = ["", "201", "202", "*72", "700", "T\u{0}'", "9,1234"];
        for name in
            ["destAddress", "digits", "line", "userUserInfo", "fileName", "terminationDigits"]
        {
            params.insert(name.to_owned(), Value::from(texts[octets.below(texts.len())]));
        }
        let bits = 1_u32 << (octets.byte() % 32);
        for name in [
            "privileges",
            "transferMode",
            "parkMode",
            "completionMode",
            "digitModes",
            "digitMode",
            "mediaMode",
            "mediaModes",
            "features",
            "privilege",
            "selectMode",
            "treatment",
        ] {
            params.insert(name.to_owned(), Value::from(bits));
        }
        for name in ["wait", "dropOnClose"] {
            if octets.byte() == 1 {
                params.insert(name.to_owned(), Value::from(true));
            }
        }
        self.ask(connection, method, &Value::Object(params));
    }

    /// One of the intents is carried out or fails.
    fn complete(&mut self, octets: &mut Octets<'_>) {
        if self.intents.is_empty() {
            return;
        }
        let (request, _) = self.intents.remove(octets.below(self.intents.len()));
        let result = match octets.byte() & 1 {
            0 => Ok(ReplyFields::default()),
            _ => Err(LineErr::OperationFailed),
        };
        self.server.complete(self.now_ms, request, result);
        // What is done once is done: a second answer is nobody's.
        self.server.complete(self.now_ms, request, Err(LineErr::ResourceUnavail));
    }

    fn arrive(&mut self) {
        let Some(line) = self.server.line_by_number("201") else { return };
        let info = CallInfo {
            origin: CallOrigin::Internal,
            call_id: 77,
            caller: PartyId::known("202", "Ben"),
            called: PartyId::known("201", "Ada"),
            ..CallInfo::default()
        };
        let new = NewCall {
            line,
            address: AddressId(0),
            state: CallState::Offering,
            mode: CallMode::Offering(OfferingMode::Active),
            info,
            capability: CallCapability::default(),
        };
        self.calls.extend(self.server.call_new(self.now_ms, new));
    }

    /// A call gets into a state, if it may.
    fn lead(&mut self, octets: &mut Octets<'_>) {
        let state = STATES[octets.below(STATES.len())];
        let which = octets.byte();
        if let Some(key) = self.calls.get(usize::from(which) % self.calls.len().max(1)) {
            let _ = self.server.call_state(self.now_ms, *key, state, CallMode::None);
        }
    }

    /// Time passes, or a connection comes or goes.
    fn pass(&mut self, octets: &mut Octets<'_>) {
        let connection = octets.below(CONNECTIONS as usize);
        let id = ConnectionId(connection as u64 + 1);
        self.now_ms += 10 * u64::from(octets.byte());
        match octets.byte() % 4 {
            0 => self.server.disconnect(self.now_ms, id),
            1 => self.server.close(self.now_ms, id),
            2 if !self.is_connected[connection] => self.server.connect(id, LineFilter::All),
            _ => return self.server.expire(self.now_ms),
        }
        let is_connected = &mut self.is_connected[connection];
        *is_connected = !*is_connected;
        // What was asked over the old connection is answered there or to nobody.
        self.open.retain(|(asked_by, _), _| *asked_by != id.0);
    }

    fn drain(&mut self) {
        self.server.observed.clear();
        for output in std::mem::take(&mut self.server.out) {
            match output {
                Output::Intent { request, intent } => {
                    if let Intent::MakeCall { call, .. } = &intent {
                        self.calls.push(*call);
                    }
                    self.intents.push((request, intent));
                }
                Output::Send { connection, text } => self.read(connection, &text),
                Output::Close { connection, .. } => {
                    if let Some(place) = self.is_connected.get_mut(connection.0 as usize - 1) {
                        *place = false;
                    }
                }
            }
        }
    }

    /// Each requestId has one LINE_REPLY, after its response.
    fn read(&mut self, connection: ConnectionId, text: &str) {
        self.server.written(connection, 1);
        let value: Value = serde_json::from_str(text).expect("the server writes JSON");
        if let Some(id) = value["result"]["requestId"].as_u64() {
            // A waiting request is answered by its response alone.
            if value["result"].get("result").is_none() {
                let seen = self.open.insert((connection.0, id), 0);
                assert!(seen.is_none(), "request {id} was accepted twice");
            }
        }
        if value["method"] == "LINE_REPLY" {
            let id = value["params"]["requestId"].as_u64().expect("a LINE_REPLY has its number");
            if let Some(replies) = self.open.get_mut(&(connection.0, id)) {
                *replies += 1;
                assert_eq!(*replies, 1, "request {id} was answered twice");
            }
        }
    }

    /// Everything is carried out, everybody goes.
    fn end(mut self) {
        for _ in 0..STEPS_MAX {
            let Some((request, _)) = self.intents.pop() else { break };
            self.server.complete(self.now_ms, request, Err(LineErr::OperationFailed));
            self.drain();
        }
        for connection in 1..=CONNECTIONS {
            self.server.close(self.now_ms, ConnectionId(connection));
        }
        self.drain();
        self.now_ms += 3_600_000;
        self.server.expire(self.now_ms);
        self.drain();
        assert_eq!(self.server.application_count(), 0);
        for (request, _) in std::mem::take(&mut self.intents) {
            self.server.complete(self.now_ms, request, Err(LineErr::OperationFailed));
        }
        for key in self.calls.drain(..) {
            let _ = self.server.call_state(self.now_ms, key, CallState::Idle, CallMode::None);
        }
        assert_eq!(self.server.call_count(), 0, "calls without a holder");
        assert_eq!(self.server.request_count(), 0, "requests without an application");
    }
}
