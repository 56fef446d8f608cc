//! Checkers of what is told: TAPI messages to one application, and the lines of `GET events`.
//!
//! Source: tapi-call-control §3.8, §5.2; interface 3.1. They see every message as it goes out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use tapi::Constant;
use tapi::constant::CallState;
use tapi::model::is_legal;

/// What an application has been told, and whether it could be told that.
#[derive(Debug, Default)]
pub struct ApplicationWatch {
    last_seq: u64,
    asking: Option<(String, Value)>,
    /// Asynchronous requests without LINE_REPLY.
    requests: BTreeSet<u64>,
    /// Valid call handles: their line and last state, `None` before the first.
    calls: BTreeMap<u64, Handle>,
    /// Handles that were valid once.
    void: BTreeSet<u64>,
    /// The line of each asynchronous request that may bring a call.
    origins: BTreeMap<u64, u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Handle {
    line: Option<u64>,
    state: Option<CallState>,
    /// Its history is not known: it came by lineGetNewCalls.
    is_late: bool,
}

impl ApplicationWatch {
    /// The sequence number of the last notification.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The application is about to call a function.
    pub fn asks(&mut self, method: &str, params: &Value) {
        self.asking = Some((method.to_owned(), params.clone()));
    }

    /// The last state that the application was told of a call.
    pub fn state(&self, h_call: u64) -> Option<CallState> {
        self.calls.get(&h_call)?.state
    }

    /// The call handles that are valid, with the last state told.
    pub fn handles(&self) -> Vec<(u64, Option<CallState>)> {
        self.calls.iter().map(|(handle, call)| (*handle, call.state)).collect()
    }

    /// A text goes to the application.
    ///
    /// Errors: the rule that it breaks.
    pub fn sees(&mut self, message: &Value) -> Result<(), String> {
        let Some(method) = message["method"].as_str() else {
            self.answered(message);
            return Ok(());
        };
        let params = &message["params"];
        let seq = params["seq"].as_u64().unwrap_or_default();
        if seq != self.last_seq + 1 {
            return Err(format!("seq {seq} follows {}: {message}", self.last_seq));
        }
        self.last_seq = seq;
        let broken = match method {
            "LINE_REPLY" => self.replied(params),
            "LINE_APPNEWCALL" => self.new_call(params),
            "LINE_CALLSTATE" => self.call_state(params),
            "LINE_CLOSE" => {
                self.close(params["hLine"].as_u64());
                Ok(())
            }
            _ => self.other(params),
        };
        broken.map_err(|rule| format!("{rule}: {message}"))
    }

    /// Nothing more is to come.
    ///
    /// Errors: a request that was never answered, or a call that is not over.
    pub fn check_end(&self) -> Result<(), String> {
        if !self.requests.is_empty() {
            return Err(format!("requests without LINE_REPLY: {:?}", self.requests));
        }
        let alive = self.calls.iter().find(|(_, call)| call.state != Some(CallState::Idle));
        match alive {
            Some((handle, call)) => Err(format!("call {handle} ended in {:?}", call.state)),
            None => Ok(()),
        }
    }

    fn answered(&mut self, message: &Value) {
        let Some((method, params)) = self.asking.take() else { return };
        let Some(result) = message.get("result") else { return };
        // With "wait" the response is the reply.
        if let (Some(request), true) = (result["requestId"].as_u64(), result["result"].is_null()) {
            self.requests.insert(request);
            let h_call = params["hCall"].as_u64();
            let of_call = h_call.and_then(|h_call| self.calls.get(&h_call)?.line);
            if let Some(line) = params["hLine"].as_u64().or(of_call) {
                self.origins.insert(request, line);
            }
        }
        for h_call in result["calls"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
            let late = Handle { line: params["hLine"].as_u64(), state: None, is_late: true };
            self.calls.entry(h_call).or_insert(late);
        }
        match method.as_str() {
            "lineDeallocateCall" => self.end(params["hCall"].as_u64().unwrap_or_default()),
            "lineClose" => self.close(params["hLine"].as_u64()),
            _ => {}
        }
    }

    fn replied(&mut self, params: &Value) -> Result<(), String> {
        let request = params["requestId"].as_u64().unwrap_or_default();
        if !self.requests.remove(&request) {
            return Err("a reply to nothing, or a second one".to_owned());
        }
        let line = self.origins.remove(&request);
        let created = ["hCall", "hConsultCall", "hConfCall"];
        for h_call in created.iter().filter_map(|name| params[*name].as_u64()) {
            self.begin(h_call, line)?;
        }
        Ok(())
    }

    fn new_call(&mut self, params: &Value) -> Result<(), String> {
        self.begin(params["hCall"].as_u64().unwrap_or_default(), params["hLine"].as_u64())
    }

    fn call_state(&mut self, params: &Value) -> Result<(), String> {
        let to = params["callState"].as_str().and_then(CallState::from_name);
        let to = to.ok_or("no such state")?;
        let call = self.known(params)?;
        // A handoff repeats the present state with the new privilege (tapi-call-control 5.1).
        let is_handoff = !params["privilege"].is_null() && call.state == Some(to);
        let is_free = is_handoff || (call.is_late && call.state.is_none());
        if !is_free && !is_legal(call.state, to) {
            return Err(format!("no transition from {:?} to {to:?}", call.state));
        }
        if to == CallState::Disconnected && params["mode"].is_null() {
            return Err("DISCONNECTED without mode".to_owned());
        }
        call.state = Some(to);
        Ok(())
    }

    /// LINE_CALLINFO and whatever else may name a call.
    fn other(&mut self, params: &Value) -> Result<(), String> {
        if params["hCall"].is_null() {
            return Ok(());
        }
        let call = self.known(params)?;
        if call.state == Some(CallState::Idle) {
            return Err("a message about a call that is IDLE".to_owned());
        }
        Ok(())
    }

    fn known(&mut self, params: &Value) -> Result<&mut Handle, String> {
        let h_call = params["hCall"].as_u64().unwrap_or_default();
        let is_void = self.void.contains(&h_call);
        let why = if is_void { "a message about a void handle" } else { "an unknown handle" };
        self.calls.get_mut(&h_call).ok_or_else(|| why.to_owned())
    }

    fn begin(&mut self, h_call: u64, line: Option<u64>) -> Result<(), String> {
        if self.void.contains(&h_call) || self.calls.contains_key(&h_call) {
            return Err("a new call under a handle that was used before".to_owned());
        }
        self.calls.insert(h_call, Handle { line, state: None, is_late: false });
        Ok(())
    }

    fn end(&mut self, h_call: u64) {
        if self.calls.remove(&h_call).is_some() {
            self.void.insert(h_call);
        }
    }

    fn close(&mut self, h_line: Option<u64>) {
        let of_line = self.calls.iter().filter(|(_, call)| call.line == h_line);
        let ended: Vec<u64> = of_line.map(|(h_call, _)| *h_call).collect();
        for h_call in ended {
            self.end(h_call);
        }
        let dead = self.origins.iter().filter(|(_, line)| Some(**line) == h_line);
        let dead: Vec<u64> = dead.map(|(request, _)| *request).collect();
        for request in dead {
            // A request of a line that was closed may stay without reply.
            self.requests.remove(&request);
            self.origins.remove(&request);
        }
    }
}

/// What `GET events` says of calls: the numbers rise by one, every state follows the last one.
#[derive(Debug, Default)]
pub struct EventWatch {
    last: u64,
    /// What the states may be, in order and without those that are over: a line that calls itself
    /// has two calls of one connection, and an event does not say which it is about.
    states: HashMap<(String, u64), BTreeSet<Vec<u32>>>,
}

impl EventWatch {
    /// An event is published.
    ///
    /// Errors: the rule that it breaks.
    pub fn sees(&mut self, event: &Value) -> Result<(), String> {
        let number = event["number"].as_u64().unwrap_or_default();
        if number != self.last + 1 {
            return Err(format!("event {number} follows {}", self.last));
        }
        self.last = number;
        let is_move = event["kind"] == "LINE_CALLINFO" && event["formerCallId"].is_u64();
        if event["kind"] != "LINE_CALLSTATE" && !is_move {
            return Ok(());
        }
        let state = event["callState"].as_str().and_then(CallState::from_name);
        let state = state.ok_or_else(|| format!("no such state: {event}"))?;
        let line = event["line"].as_str().unwrap_or_default().to_owned();
        let key = (line.clone(), event["callId"].as_u64().unwrap_or_default());
        if let Some(former) = event["formerCallId"].as_u64() {
            return self.moves(&(line, former), key, state.value());
        }
        let possible = self.states.entry(key).or_insert_with(|| BTreeSet::from([Vec::new()]));
        let next: BTreeSet<Vec<u32>> =
            possible.iter().flat_map(|calls| followers(calls, state)).collect();
        if next.is_empty() {
            return Err(format!("{state:?} follows none of {possible:?}: {event}"));
        }
        *possible = next;
        Ok(())
    }

    /// A call goes on under another dwCallID: transfer, pickup, unpark.
    fn moves(&mut self, from: &(String, u64), to: (String, u64), state: u32) -> Result<(), String> {
        let left = self.states.remove(from).unwrap_or_default();
        let left: BTreeSet<Vec<u32>> = left
            .into_iter()
            .filter_map(|mut calls| {
                let index = calls.iter().position(|known| *known == state)?;
                calls.remove(index);
                Some(calls)
            })
            .collect();
        if left.is_empty() {
            return Err(format!("a call that is unknown moves from {from:?} to {to:?}"));
        }
        self.states.insert(from.clone(), left);
        let there = self.states.remove(&to).unwrap_or_else(|| BTreeSet::from([Vec::new()]));
        let joined = there.into_iter().map(|mut calls| {
            calls.push(state);
            calls.sort_unstable();
            calls
        });
        self.states.insert(to, joined.collect());
        Ok(())
    }

    /// Nothing more is to come.
    ///
    /// Errors: the calls that are not IDLE.
    pub fn check_end(&self) -> Result<(), String> {
        match self.states.iter().find(|(_, possible)| !possible.contains(&Vec::new())) {
            Some((call, states)) => Err(format!("{call:?} ended in {states:?}")),
            None => Ok(()),
        }
    }
}

/// What the calls of a line in one connection may be after one of them went to `state`: their
/// states in order, without those that are over.
fn followers(calls: &[u32], state: CallState) -> Vec<Vec<u32>> {
    let mut next = Vec::new();
    for (index, from) in calls.iter().enumerate() {
        if is_legal(CallState::from_value(*from), state) {
            let mut moved = calls.to_vec();
            match state {
                CallState::Idle => drop(moved.remove(index)),
                _ => moved[index] = state.value(),
            }
            next.push(moved);
        }
    }
    // A second call begins as the called side of a line that calls itself, as its pickup, or after
    // the first was over: a party that was parked or transferred comes back.
    let is_second = matches!(state, CallState::Offering | CallState::Connected);
    if is_legal(None, state) && (calls.is_empty() || is_second) {
        next.push([calls, &[state.value()]].concat());
    }
    next.iter_mut().for_each(|calls| calls.sort_unstable());
    next
}
