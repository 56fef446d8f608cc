//! Handlers and clients at random: each accepted request has exactly one LINE_REPLY, whoever
//! answers, closes, breaks off, comes back or never says a word.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap here is a failed test")]

mod kit;

use std::collections::{BTreeMap, BTreeSet};

use kit::Bench;
use proptest::prelude::*;
use serde_json::{Value, json};
use tapi::{AgentService, ConnectionId, LineSpec, ServerConfig};

const HANDLERS: [u64; 2] = [1, 2];
const CLIENTS: [u64; 2] = [3, 4];
/// The types that each handler serves, as far as they are free: the second is the first's heir.
const KINDS: [u32; 2] = [0x0B, 0x13];

/// What somebody does next.
#[derive(Clone, Debug)]
enum Step {
    /// A client asks for something of this type.
    Ask(usize, usize),
    /// A handler answers one of those that it knows: well, badly, or with an error.
    Answer(usize, usize, u8),
    /// A handler opens the line to serve, or closes it.
    Serve(usize),
    /// A handler's connection breaks, or is taken up again.
    Break(usize),
    /// Time passes.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2usize, 0..2usize).prop_map(|(client, kind)| Step::Ask(client, kind)),
        4 => (0..2usize, 0..8usize, 0..4u8).prop_map(|(who, which, how)| Step::Answer(who, which, how)),
        1 => (0..2usize).prop_map(Step::Serve),
        1 => (0..2usize).prop_map(Step::Break),
        1 => (0..90_000u64).prop_map(Step::Wait),
    ]
}

/// An application that serves, while it does.
struct Handler {
    connection: u64,
    instance: Value,
    seq: u64,
    h_line: Option<u64>,
    is_connected: bool,
    asked: Vec<Value>,
}

struct Stage {
    bench: Bench,
    handlers: Vec<Handler>,
    h_lines: Vec<u64>,
    /// Accepted requests without a reply, by client.
    open: BTreeMap<u64, BTreeSet<u64>>,
}

impl Stage {
    fn new() -> Self {
        let mut bench = Bench::with_lines(ServerConfig::default(), |number, id| {
            let mut spec = LineSpec::full(number, "Somebody", id, 4);
            spec.offers.agents = AgentService::Application;
            spec
        });
        let h_lines = CLIENTS.map(|client| bench.open(client, "201", &["NONE"])).to_vec();
        let handlers = HANDLERS.map(|connection| {
            bench.connect(connection);
            let name = format!("acd{connection}");
            let begun = bench.ok(connection, "lineInitializeEx", json!({"appName": name}));
            let instance = begun["instance"].clone();
            Handler {
                connection,
                instance,
                seq: 0,
                h_line: None,
                is_connected: true,
                asked: vec![],
            }
        });
        Self { bench, handlers: handlers.into(), h_lines, open: BTreeMap::new() }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Ask(client, kind) => self.ask(*client, *kind),
            Step::Answer(who, which, how) => self.answer(*who, *which, *how),
            Step::Serve(who) => self.serve(*who),
            Step::Break(who) => self.break_or_resume(*who),
            Step::Wait(ms) => {
                self.bench.now_ms += ms;
                self.bench.server.expire(self.bench.now_ms);
            }
        }
        self.look();
    }

    fn ask(&mut self, client: usize, kind: usize) {
        let (method, h_line) =
            (["lineGetAgentInfo", "lineGetGroupList"][kind], self.h_lines[client]);
        let params = json!({"hLine": h_line, "hAgent": 4});
        let response = self.bench.ask(CLIENTS[client], method, params).unwrap();
        if let Some(request) = response["result"]["requestId"].as_u64() {
            assert!(self.open.entry(CLIENTS[client]).or_default().insert(request));
        } else {
            let error = response["error"]["message"].as_str().unwrap();
            assert!(["LINEERR_OPERATIONUNAVAIL", "LINEERR_OPERATIONFAILED"].contains(&error));
        }
    }

    fn answer(&mut self, who: usize, which: usize, how: u8) {
        let handler = &mut self.handlers[who];
        if !handler.is_connected || handler.asked.is_empty() {
            return;
        }
        let index = which % handler.asked.len();
        // Answered ones stay in mind now and then: a second answer must be refused.
        let request = handler.asked[index].clone();
        let result = if how == 0 { json!("LINEERR_INVALPARAM") } else { json!(0) };
        let data = if how == 1 { json!({"groups": 4}) } else { json!({"agentState": 2}) };
        let params = json!({"hLine": request["hLine"], "proxyRequest": request["proxyRequest"],
            "result": result, "data": data});
        let connection = handler.connection;
        let response = self.bench.ask(connection, "lineProxyResponse", params).unwrap();
        if response.get("error").is_none() && which.is_multiple_of(2) {
            self.handlers[who].asked.remove(index);
        }
    }

    fn serve(&mut self, who: usize) {
        let handler = &mut self.handlers[who];
        if !handler.is_connected {
            return;
        }
        let connection = handler.connection;
        if let Some(h_line) = handler.h_line.take() {
            self.bench.ok(connection, "lineClose", json!({"hLine": h_line}));
            return;
        }
        let kinds = self.bench.ok(connection, "lineGetProxyStatus", json!({"deviceId": 0}));
        let taken = kinds["proxyRequests"].as_array().unwrap().len();
        let wanted = if taken == 0 { json!(KINDS) } else { json!([KINDS[who]]) };
        let open = json!({"line": "201", "privileges":
            ["LINECALLPRIVILEGE_NONE", "LINEOPENOPTION_PROXY"],
            "callParams": {"proxyRequests": wanted}});
        let response = self.bench.ask(connection, "lineOpen", open).unwrap();
        self.handlers[who].h_line = response["result"]["hLine"].as_u64();
    }

    fn break_or_resume(&mut self, who: usize) {
        let handler = &mut self.handlers[who];
        let connection = handler.connection;
        if std::mem::replace(&mut handler.is_connected, false) {
            self.bench.server.disconnect(self.bench.now_ms, ConnectionId(connection));
            return;
        }
        handler.is_connected = true;
        self.bench.connect(connection);
        let again = json!({"instance": handler.instance, "after": handler.seq});
        let response = self.bench.ask(connection, "lineInitializeEx", again).unwrap();
        if response.get("error").is_some() {
            // Too late: it begins anew.
            let begun = self.bench.ok(connection, "lineInitializeEx", json!({"appName": "again"}));
            let handler = &mut self.handlers[who];
            (handler.instance, handler.seq) = (begun["instance"].clone(), 0);
            (handler.h_line, handler.asked) = (None, Vec::new());
        }
    }

    /// Reads what everybody was told.
    fn look(&mut self) {
        for handler in &mut self.handlers {
            for message in self.bench.messages(handler.connection) {
                handler.seq = message["params"]["seq"].as_u64().unwrap();
                if message["method"] == "LINE_PROXYREQUEST" {
                    handler.asked.push(message["params"].clone());
                }
            }
        }
        for client in CLIENTS {
            for message in self.bench.messages(client) {
                if message["method"] == "LINE_REPLY" {
                    let request = message["params"]["requestId"].as_u64().unwrap();
                    let was_open = self.open.entry(client).or_default().remove(&request);
                    assert!(was_open, "a second reply: {message}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn each_accepted_request_has_exactly_one_reply(
        steps in proptest::collection::vec(step(), 1..120)
    ) {
        let mut stage = Stage::new();
        for step in &steps {
            stage.take(step);
            let waiting: usize = stage.open.values().map(BTreeSet::len).sum();
            prop_assert_eq!(stage.bench.server.request_count(), waiting);
        }
        stage.take(&Step::Wait(200_000));
        prop_assert!(stage.open.values().all(BTreeSet::is_empty), "{:?}", stage.open);
        prop_assert_eq!(stage.bench.server.request_count(), 0);
    }
}
