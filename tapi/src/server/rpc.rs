//! JSON-RPC 2.0: requests, notifications and batches in, responses out.

use serde_json::{Map, Value, json};

use crate::constant::{Constant as _, LineErr};
use crate::model::ConnectionId;
use crate::op::{self, Caller, Outcome, Params};

use super::{Fault, Server};

/// Requests in one batch; a longer one is refused whole.
pub const MAX_BATCH: usize = 64;

const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const METHOD_NOT_FOUND: i32 = -32_601;
const INVALID_PARAMS: i32 = -32_602;

/// A successful response.
pub(super) fn success(id: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// The response of a function that TAPI refuses.
pub(super) fn line_error(id: &Value, error: LineErr, detail: &str) -> Value {
    let data = json!({ "detail": detail });
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": { "code": error.code(), "message": error.name(), "data": data },
    })
}

fn rpc_error(id: &Value, code: i32, message: &str, detail: &str) -> Value {
    let data = json!({ "detail": detail });
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": { "code": code, "message": message, "data": data },
    })
}

/// The deepest nesting of JSON that is read.
pub const MAX_DEPTH: usize = 16;

/// Whether JSON is nested deeper than anything that is asked here (SEC-75). Linear, before it is parsed; what is
/// no JSON may be taken for deep.
#[must_use]
pub fn is_deep(text: &[u8]) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for octet in text {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => depth += 1,
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// JSON that is not too deep.
fn read(text: &str) -> Option<Value> {
    if is_deep(text.as_bytes()) { None } else { serde_json::from_str(text).ok() }
}

/// The functions that a text from a connection asks for, read as [`Server::request`] reads it; none
/// where it would be refused whole.
#[must_use]
pub fn methods(text: &str) -> Vec<String> {
    let requests = match read(text) {
        Some(Value::Array(batch)) if batch.len() <= MAX_BATCH => batch,
        Some(Value::Array(_)) | None => Vec::new(),
        Some(single) => vec![single],
    };
    let method = |request: &Value| Some(request.get("method")?.as_str()?.to_owned());
    requests.iter().filter_map(method).collect()
}

impl Server {
    /// A text from a connection: a request, a notification or a batch. The response, if there
    /// is one, is among the outputs before everything the request causes. In a batch a request
    /// with `wait` is answered by itself when it is done, not in the batch's array.
    pub fn request(&mut self, now_ms: u64, connection: ConnectionId, text: &str) {
        self.tick(now_ms);
        if !self.connections.contains_key(&connection) {
            return;
        }
        let start = self.out.len();
        let response = match read(text) {
            None => {
                let detail = format!("The text is not JSON, or nested deeper than {MAX_DEPTH}.");
                Some(rpc_error(&Value::Null, PARSE_ERROR, "Parse error", &detail))
            }
            Some(Value::Array(batch)) => self.batch(connection, &batch),
            Some(single) => self.single(connection, &single),
        };
        let caused = self.out.split_off(start);
        if let Some(response) = response {
            self.send_text(connection, response.to_string());
        }
        self.out.extend(caused);
        let deferred = std::mem::take(&mut self.deferred);
        self.out.extend(deferred);
        self.settle();
    }

    fn batch(&mut self, connection: ConnectionId, batch: &[Value]) -> Option<Value> {
        if batch.is_empty() || batch.len() > MAX_BATCH {
            let detail = format!("A batch has 1 to {MAX_BATCH} requests.");
            return Some(rpc_error(&Value::Null, INVALID_REQUEST, "Invalid Request", &detail));
        }
        let responses: Vec<Value> =
            batch.iter().filter_map(|request| self.single(connection, request)).collect();
        (!responses.is_empty()).then_some(Value::Array(responses))
    }

    fn single(&mut self, connection: ConnectionId, request: &Value) -> Option<Value> {
        let invalid =
            |detail| Some(rpc_error(&Value::Null, INVALID_REQUEST, "Invalid Request", detail));
        let Value::Object(request) = request else {
            return invalid("A request is an object.");
        };
        let id = request.get("id");
        if !matches!(id, None | Some(Value::Null | Value::Number(_) | Value::String(_))) {
            return invalid("The id is a string, a number or null.");
        }
        let shown = id.cloned().unwrap_or(Value::Null);
        if request.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            let detail = "The member jsonrpc must be \"2.0\".";
            return Some(rpc_error(&shown, INVALID_REQUEST, "Invalid Request", detail));
        }
        let Some(method) = request.get("method").and_then(Value::as_str) else {
            let detail = "The method must be a string.";
            return Some(rpc_error(&shown, INVALID_REQUEST, "Invalid Request", detail));
        };
        let none = Map::new();
        let answer = match request.get("params") {
            None => self.call_function(connection, id, method, &none),
            Some(Value::Object(params)) => self.call_function(connection, id, method, params),
            Some(_) if op::is_known(method) => {
                Err(Fault::Params("The parameters are passed by name, as an object.".to_owned()))
            }
            Some(_) => Ok(None),
        };
        // A notification is not answered, whatever came of it.
        let id = id?;
        match answer {
            Ok(Some(result)) => Some(success(id, Value::Object(result))),
            Ok(None) if op::is_known(method) => None,
            Ok(None) => {
                let detail = format!("There is no function {method:.64}.");
                Some(rpc_error(id, METHOD_NOT_FOUND, "Method not found", &detail))
            }
            Err(Fault::Line(error, detail)) => Some(line_error(id, error, &detail)),
            Err(Fault::Params(detail)) => {
                Some(rpc_error(id, INVALID_PARAMS, "Invalid params", &detail))
            }
        }
    }

    /// Calls a TAPI function. No result: there is no such function, or the response comes later.
    fn call_function(
        &mut self,
        connection: ConnectionId,
        id: Option<&Value>,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, Fault> {
        if !op::is_known(method) {
            return Ok(None);
        }
        let params = Params::new(params);
        let application = self.connections.get(&connection).and_then(|state| state.application);
        let caller = Caller { connection, application };
        let waits = application.is_some() && params.waits()?;
        let begun = match op::run(self, caller, method, &params)? {
            Outcome::Done(result) => return Ok(Some(result)),
            Outcome::Begin(begun) => begun,
        };
        let Some(application) = application else { return Ok(None) };
        let waits_on = if waits { id.cloned() } else { None };
        let is_waiting = waits_on.is_some();
        let request_id = self.begin(application, waits_on, *begun)?;
        if is_waiting {
            return Ok(None);
        }
        let mut result = Map::new();
        result.insert("requestId".to_owned(), request_id.into());
        Ok(Some(result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_has_a_bottom_and_brackets_in_strings_are_none() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_deep(nested(MAX_DEPTH).as_bytes()));
        assert!(is_deep(nested(MAX_DEPTH + 1).as_bytes()));
        assert!(is_deep(&b"{\"a\":".repeat(100_000)));
        assert!(!is_deep(br#"{"to": "[[[[[[[[[[[[[[[[[[\"[[[[[[[[[[[[[[[[[[\\"}"#));
        assert!(!is_deep("[]".repeat(1_000).as_bytes()));
    }
}
