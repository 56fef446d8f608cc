//! JSON-RPC of one application without a socket: numbers of requests, responses, LINE_REPLY,
//! numbers of notifications, and what becomes of requests when a connection breaks.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::error::{TapiError, TapiErrorCode};
use super::map::number;
use crate::constant::{Constant as _, LineErr};

/// Requests that may be under way at a time; one more is TAPI_E_REQUESTOVERRUN.
pub(crate) const MAX_REQUESTS: usize = 4096;

/// A request that waits for its response or for its LINE_REPLY.
struct Asked<W> {
    waiter: W,
    text: String,
    /// Whether it changes nothing, so that it may be asked again on a new connection.
    is_query: bool,
    is_sent: bool,
}

/// What a text brought.
#[derive(Debug)]
pub(crate) enum Arrival<W> {
    /// A request is over.
    Done {
        /// Who waits for it.
        waiter: W,
        /// What it returned.
        result: Result<Value, TapiError>,
    },
    /// A LINE_ message other than LINE_REPLY.
    Notification {
        /// Its name.
        method: String,
        /// Its fields.
        params: Value,
    },
    /// LINE_REPLY for a request whose response was lost with a connection.
    Orphan(Value),
}

/// The switch did not keep to the protocol: the connection is of no more use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the switch sent {0}")]
pub(crate) struct Violation(&'static str);

/// One application's side of the protocol. `W` is who waits for a request.
pub(crate) struct Wire<W> {
    last_id: u64,
    /// By JSON-RPC id, in the order of sending.
    asked: BTreeMap<u64, Asked<W>>,
    /// By `requestId`: answered at first, awaiting LINE_REPLY.
    begun: HashMap<u32, W>,
    instance: Option<String>,
    seq: u64,
}

impl<W> Default for Wire<W> {
    fn default() -> Self {
        Self { last_id: 0, asked: BTreeMap::new(), begun: HashMap::new(), instance: None, seq: 0 }
    }
}

impl<W> Wire<W> {
    /// Asks for a function. The text leaves with [`Wire::take_unsent`].
    ///
    /// Errors: the waiter comes back where too many requests are under way.
    pub(crate) fn ask(&mut self, method: &str, params: Value, waiter: W) -> Result<(), W> {
        if self.asked.len() + self.begun.len() >= MAX_REQUESTS {
            return Err(waiter);
        }
        self.last_id += 1;
        let id = self.last_id;
        let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let asked =
            Asked { waiter, text: text.to_string(), is_query: is_query(method), is_sent: false };
        self.asked.insert(id, asked);
        Ok(())
    }

    /// Texts to send now, in order.
    pub(crate) fn take_unsent(&mut self) -> Vec<String> {
        let unsent = self.asked.values_mut().filter(|asked| !asked.is_sent);
        unsent
            .map(|asked| {
                asked.is_sent = true;
                asked.text.clone()
            })
            .collect()
    }

    /// How many requests are under way.
    #[cfg(test)]
    pub(crate) fn under_way(&self) -> usize {
        self.asked.len() + self.begun.len()
    }

    /// lineInitializeEx has answered: this names the application when a connection breaks.
    pub(crate) fn started(&mut self, instance: String) {
        self.instance = Some(instance);
        self.seq = 0;
    }

    /// The application has ended: nothing can be resumed.
    pub(crate) fn ended(&mut self) {
        self.instance = None;
        self.seq = 0;
    }

    /// A text of the switch.
    ///
    /// Errors: what no switch sends.
    pub(crate) fn receive(&mut self, text: &str) -> Result<Option<Arrival<W>>, Violation> {
        let message: Value =
            serde_json::from_str(text).map_err(|_| Violation("what is not JSON"))?;
        let Value::Object(mut message) = message else {
            return Err(Violation("what is no JSON-RPC message"));
        };
        match message.get("method").and_then(Value::as_str).map(str::to_owned) {
            Some(method) => self.notification(method, message.remove("params").unwrap_or_default()),
            None => Ok(self.response(&mut message)),
        }
    }

    fn notification(
        &mut self,
        method: String,
        params: Value,
    ) -> Result<Option<Arrival<W>>, Violation> {
        let seq = params.get("seq").and_then(Value::as_u64);
        let seq = seq.ok_or(Violation("a notification without a number"))?;
        if seq <= self.seq {
            // Delivered before a resumption.
            return Ok(None);
        }
        if seq != self.seq + 1 {
            return Err(Violation("notifications with a gap"));
        }
        self.seq = seq;
        if method != "LINE_REPLY" {
            return Ok(Some(Arrival::Notification { method, params }));
        }
        let request = params.get("requestId").and_then(number);
        let request = request.ok_or(Violation("LINE_REPLY to nothing"))?;
        Ok(Some(match self.begun.remove(&request) {
            Some(waiter) => Arrival::Done { waiter, result: replied(params) },
            None => Arrival::Orphan(params),
        }))
    }

    fn response(&mut self, message: &mut Map<String, Value>) -> Option<Arrival<W>> {
        let id = message.get("id").and_then(Value::as_u64)?;
        let asked = self.asked.remove(&id)?;
        if let Some(error) = message.remove("error") {
            let result = Err(refused(&error));
            return Some(Arrival::Done { waiter: asked.waiter, result });
        }
        let result = message.remove("result").unwrap_or_default();
        let request = result.get("requestId").and_then(number);
        match request.filter(|_| result.get("result").is_none()) {
            Some(request) => {
                self.begun.insert(request, asked.waiter);
                None
            }
            None => Some(Arrival::Done { waiter: asked.waiter, result: Ok(result) }),
        }
    }

    /// The connection broke. Requests that were sent and not answered are given back unless they
    /// are queries: nobody knows whether the switch has them. Those that await LINE_REPLY go on
    /// waiting, for it comes after a resumption.
    pub(crate) fn broken(&mut self) -> Vec<W> {
        let mut lost = Vec::new();
        for (id, mut asked) in std::mem::take(&mut self.asked) {
            if asked.is_sent && !asked.is_query {
                lost.push(asked.waiter);
            } else {
                asked.is_sent = false;
                self.asked.insert(id, asked);
            }
        }
        lost
    }

    /// The text with which a new connection begins, and its id; none where there is nothing to
    /// take up.
    pub(crate) fn resumption(&mut self) -> Option<(u64, String)> {
        let instance = self.instance.as_deref()?;
        self.last_id += 1;
        let params = json!({ "instance": instance, "after": self.seq });
        let text = json!({ "jsonrpc": "2.0", "id": self.last_id, "method": "lineInitializeEx",
            "params": params });
        Some((self.last_id, text.to_string()))
    }

    /// Whether a text is the response with this id, and then whether it says yes.
    pub(crate) fn is_response(text: &str, id: u64) -> Option<bool> {
        let message: Value = serde_json::from_str(text).ok()?;
        let is_it = message.get("method").is_none() && message.get("id") == Some(&id.into());
        is_it.then(|| message.get("error").is_none())
    }

    /// Nothing will be answered any more.
    pub(crate) fn give_up(&mut self) -> Vec<W> {
        self.ended();
        let asked = std::mem::take(&mut self.asked).into_values().map(|asked| asked.waiter);
        asked.chain(std::mem::take(&mut self.begun).into_values()).collect()
    }
}

/// Whether a function only tells something.
fn is_query(method: &str) -> bool {
    let is_get = method.starts_with("lineGet") && method != "lineGetNewCalls";
    is_get || matches!(method, "tapiGetLocationInfo" | "lineTranslateAddress")
}

fn replied(params: Value) -> Result<Value, TapiError> {
    match params.get("result").and_then(Value::as_str) {
        None => Ok(params),
        Some(name) => {
            let detail = "The switch began it, and it failed.";
            Err(match LineErr::from_name(name) {
                Some(error) => TapiError::of_line(error, detail),
                None => TapiError::new(TapiErrorCode::Fail, detail),
            })
        }
    }
}

fn refused(error: &Value) -> TapiError {
    let detail = error.pointer("/data/detail").and_then(Value::as_str).unwrap_or_default();
    let name = error.get("message").and_then(Value::as_str).unwrap_or_default();
    match LineErr::from_name(name) {
        Some(error) => TapiError::of_line(error, detail),
        None => TapiError::new(TapiErrorCode::InvalidArg, format!("{name}. {detail}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> Wire<&'static str> {
        let mut wire = Wire::default();
        wire.started("i".to_owned());
        wire
    }

    fn done(arrival: Option<Arrival<&'static str>>) -> (&'static str, Result<Value, TapiError>) {
        match arrival {
            Some(Arrival::Done { waiter, result }) => (waiter, result),
            other => panic!("{other:?}"),
        }
    }

    fn reply(seq: u64, request: u32) -> String {
        json!({"jsonrpc": "2.0", "method": "LINE_REPLY",
            "params": {"seq": seq, "requestId": request, "result": 0, "hCall": 9}})
        .to_string()
    }

    #[test]
    fn responses_find_their_requests_in_any_order() {
        let mut wire = wire();
        wire.ask("lineGetCallInfo", json!({"hCall": 1}), "first").unwrap();
        wire.ask("lineGetCallInfo", json!({"hCall": 2}), "second").unwrap();
        assert_eq!(wire.take_unsent().len(), 2);
        assert!(wire.take_unsent().is_empty());
        let (waiter, result) =
            done(wire.receive(r#"{"jsonrpc":"2.0","id":2,"result":{"callId":7}}"#).unwrap());
        assert_eq!((waiter, result.unwrap()["callId"].as_u64()), ("second", Some(7)));
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-2147483620,
            "message":"LINEERR_INVALCALLSTATE","data":{"detail":"No."}}}"#;
        let (waiter, result) = done(wire.receive(error).unwrap());
        assert_eq!((waiter, result.unwrap_err().code), ("first", TapiErrorCode::InvalCallState));
        assert_eq!(wire.under_way(), 0);
    }

    #[test]
    fn an_asynchronous_request_is_over_with_its_line_reply() {
        let mut wire = wire();
        wire.ask("lineMakeCall", json!({}), "make").unwrap();
        wire.take_unsent();
        let begun = wire.receive(r#"{"jsonrpc":"2.0","id":1,"result":{"requestId":5}}"#).unwrap();
        assert!(begun.is_none());
        let (waiter, result) = done(wire.receive(&reply(1, 5)).unwrap());
        assert_eq!((waiter, result.unwrap()["hCall"].as_u64()), ("make", Some(9)));
    }

    #[test]
    fn a_break_gives_back_what_may_have_been_done_and_asks_queries_again() {
        let mut wire = wire();
        wire.ask("lineHold", json!({}), "begun").unwrap();
        wire.take_unsent();
        wire.receive(r#"{"jsonrpc":"2.0","id":1,"result":{"requestId":5}}"#).unwrap();
        wire.ask("lineDrop", json!({}), "lost").unwrap();
        wire.ask("lineGetCallInfo", json!({}), "query").unwrap();
        wire.take_unsent();
        wire.ask("lineHold", json!({}), "unsent").unwrap();
        assert_eq!(wire.broken(), ["lost"]);
        let (id, text) = wire.resumption().unwrap();
        assert!(text.contains(r#""after":0"#), "{text}");
        let yes = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert_eq!(Wire::<u32>::is_response(&yes, id), Some(true));
        let texts = wire.take_unsent();
        assert!(texts[0].contains("lineGetCallInfo") && texts[1].contains("lineHold"), "{texts:?}");
        assert_eq!(done(wire.receive(&reply(1, 5)).unwrap()).0, "begun");
    }

    #[test]
    fn what_was_delivered_before_a_resumption_is_not_delivered_again() {
        let mut wire = wire();
        let state = |seq| {
            json!({"method": "LINE_CALLSTATE", "params": {"seq": seq, "hCall": 1}}).to_string()
        };
        assert!(wire.receive(&state(1)).unwrap().is_some());
        assert!(wire.receive(&state(2)).unwrap().is_some());
        wire.broken();
        assert!(wire.resumption().unwrap().1.contains(r#""after":2"#));
        assert!(wire.receive(&state(2)).unwrap().is_none());
        assert!(wire.receive(&state(3)).unwrap().is_some());
        assert_eq!(wire.receive(&state(5)).unwrap_err(), Violation("notifications with a gap"));
    }

    #[test]
    fn a_reply_to_a_lost_request_is_an_orphan() {
        let mut wire = wire();
        assert!(matches!(wire.receive(&reply(1, 77)), Ok(Some(Arrival::Orphan(_)))));
        assert!(wire.receive("[]").is_err() && wire.receive("{").is_err());
        assert!(wire.receive(r#"{"method":"LINE_CALLINFO","params":{}}"#).is_err());
    }

    #[test]
    fn requests_are_bounded() {
        let mut wire = wire();
        for _ in 0..MAX_REQUESTS {
            wire.ask("lineHold", json!({}), "x").unwrap();
        }
        assert_eq!(wire.ask("lineHold", json!({}), "one more"), Err("one more"));
        assert_eq!(wire.give_up().len(), MAX_REQUESTS);
        assert!(wire.resumption().is_none());
    }
}
