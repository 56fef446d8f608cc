//! `strowger tapi`: one TAPI operation from a shell.
//!
//! The connection is an application of its own: it begins with lineInitializeEx and ends when the
//! operation is done; calls that it made stay. For convenience `"line"` opens that line first, and
//! `"callId"` (or the only call there is) becomes the `hCall` that most operations want.

use std::io::Write;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::client::Client;
use super::{CliError, Tapi};
use crate::api::SUBPROTOCOL;

/// How long an operation may take until its LINE_REPLY.
const PATIENCE: Duration = Duration::from_secs(60);
/// Operations that take a line themselves: the first by name, the others by `deviceId`.
const OPEN: &str = "lineOpen";

/// Carries out one operation and prints its result.
pub(super) fn carry_out(tapi: &Tapi) -> Result<(), CliError> {
    let params = match &tapi.params {
        None => Map::new(),
        Some(text) => match serde_json::from_str(text) {
            Ok(Value::Object(params)) => params,
            Ok(_) => return Err(CliError::Parameters("it is something else".to_owned())),
            Err(error) => return Err(CliError::Parameters(error.to_string())),
        },
    };
    let client = Client::find(&tapi.connection)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let operation = operate(&client, &tapi.method, params);
        match tokio::time::timeout(PATIENCE, operation).await {
            Ok(result) => result,
            Err(_) => Err(CliError::Tapi {
                method: tapi.method.clone(),
                reason: "no LINE_REPLY came within a minute".to_owned(),
            }),
        }
    })?;
    writeln!(std::io::stdout(), "{result:#}")?;
    Ok(())
}

async fn operate(
    client: &Client,
    method: &str,
    params: Map<String, Value>,
) -> Result<Value, CliError> {
    let mut application = Application::open(client).await?;
    let started = application.initialize().await?;
    if method == "lineInitializeEx" {
        return Ok(started);
    }
    let result = application.carry_out(method, params).await;
    // What it opened and owns is given up now, not when nobody has resumed it for a minute. A
    // connection that is lost by now ends it as well.
    let _ = application.request("lineShutdown", json!({})).await;
    result
}

/// A connection to `/tapi`.
struct Application {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    url: String,
    next: u64,
}

impl Application {
    async fn open(client: &Client) -> Result<Self, CliError> {
        let url = client.url().to_owned();
        let mut request =
            client.tapi_url().into_client_request().map_err(|_| CliError::Url(url.clone()))?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let authorization = HeaderValue::from_str(&client.authorization())
            .map_err(|_| CliError::Refused("The token has characters that no token has.".into()))?;
        headers.insert("authorization", authorization);
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket, url, next: 1 }),
            Err(SocketError::Http(response)) => Err(refusal(&url, &response)),
            Err(SocketError::Io(error)) => {
                Err(CliError::Unreachable { url, reason: error.to_string() })
            }
            Err(_) => Err(CliError::NotUnderstood(url)),
        }
    }

    async fn initialize(&mut self) -> Result<Value, CliError> {
        let params = json!({ "appName": "strowger", "friendlyAppName": "strowger tapi" });
        self.request("lineInitializeEx", params).await
    }

    async fn carry_out(
        &mut self,
        method: &str,
        mut params: Map<String, Value>,
    ) -> Result<Value, CliError> {
        if method != OPEN {
            self.resolve(method, &mut params).await?;
        }
        self.request(method, Value::Object(params)).await
    }

    /// Replaces `line` by the handle of the opened line, and `callId` by a handle of the call.
    async fn resolve(
        &mut self,
        method: &str,
        params: &mut Map<String, Value>,
    ) -> Result<(), CliError> {
        let Some(line) = params.remove("line") else { return Ok(()) };
        let call_id = params.remove("callId");
        let opened = self
            .request(
                OPEN,
                json!({
                    "line": line,
                    "privileges": ["LINECALLPRIVILEGE_MONITOR"],
                    "mediaModes": ["LINEMEDIAMODE_INTERACTIVEVOICE"],
                }),
            )
            .await?;
        let h_line = opened["hLine"].clone();
        if needs_call(method) && !params.contains_key("hCall") {
            let h_call = self.call(method, &h_line, call_id.as_ref()).await?;
            params.insert("hCall".to_owned(), h_call);
        } else if let Some(call_id) = call_id {
            params.insert("callId".to_owned(), call_id);
        }
        if takes_device(method) {
            let line = json!({
                "hLine": h_line, "select": "LINECALLSELECT_LINE", "deviceClass": "tapi/line",
            });
            let device = self.request("lineGetID", line).await?;
            params.entry("deviceId").or_insert(device["deviceId"].clone());
        } else if !params.contains_key("hCall") {
            params.entry("hLine").or_insert(h_line);
        }
        Ok(())
    }

    /// A handle, with owner privilege, of the call with this dwCallID, or of the line's only call.
    async fn call(
        &mut self,
        method: &str,
        h_line: &Value,
        call_id: Option<&Value>,
    ) -> Result<Value, CliError> {
        let select = json!({ "hLine": h_line, "addressId": 0, "select": "LINECALLSELECT_LINE" });
        let list = self.request("lineGetNewCalls", select).await?;
        let mut found = Vec::new();
        for h_call in list["calls"].as_array().cloned().unwrap_or_default() {
            let info = self.request("lineGetCallInfo", json!({ "hCall": h_call })).await?;
            if call_id.is_none_or(|call_id| info["callId"] == *call_id) {
                found.push(h_call);
            }
        }
        let reason = match (found.len(), call_id) {
            (1, _) => {
                let h_call = found.swap_remove(0);
                if !is_question(method) {
                    let own = json!({
                        "hCall": h_call, "callPrivilege": "LINECALLPRIVILEGE_OWNER",
                    });
                    self.request("lineSetCallPrivilege", own).await?;
                }
                return Ok(h_call);
            }
            (0, Some(call_id)) => format!("the line has no call with callId {call_id}"),
            (0, None) => "the line has no call".to_owned(),
            (many, _) => format!("the line has {many} calls; name one with \"callId\""),
        };
        Err(CliError::Tapi { method: method.to_owned(), reason })
    }

    /// Sends a request and waits for its result, LINE_REPLY included.
    async fn request(&mut self, method: &str, params: Value) -> Result<Value, CliError> {
        let id = self.next;
        self.next += 1;
        let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.socket
            .send(Message::text(text.to_string()))
            .await
            .map_err(|error| self.lost(&error))?;
        let answer = self.next_where(|message| message["id"] == json!(id)).await?;
        if let Some(error) = answer.get("error") {
            return Err(failed(method, &error["message"], error["data"]["detail"].as_str()));
        }
        let result = answer["result"].clone();
        // Only an asynchronous function's answer names a request and nothing else yet.
        let Some(request_id) = result.get("requestId").cloned() else { return Ok(result) };
        if result.get("result").is_some() {
            return reply_of(method, result);
        }
        let reply = self
            .next_where(|message| {
                message["method"] == "LINE_REPLY" && message["params"]["requestId"] == request_id
            })
            .await?;
        reply_of(method, reply["params"].clone())
    }

    async fn next_where(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value, CliError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(text.as_str())
                        .map_err(|_| CliError::NotUnderstood(self.url.clone()))?;
                    if wanted(&message) {
                        return Ok(message);
                    }
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err(CliError::Refused(format!(
                        "The switch closed the connection ({}): {}",
                        u16::from(frame.code),
                        frame.reason
                    )));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(self.lost(&error)),
                None => return Err(self.lost(&SocketError::ConnectionClosed)),
            }
        }
    }

    fn lost(&self, error: &SocketError) -> CliError {
        CliError::Unreachable { url: self.url.clone(), reason: error.to_string() }
    }
}

fn refusal(
    url: &str,
    response: &tokio_tungstenite::tungstenite::http::Response<Option<Vec<u8>>>,
) -> CliError {
    if response.status() == 401 {
        return CliError::Refused(format!(
            "The switch at {url} does not know this token; see --token."
        ));
    }
    let document: Value = response
        .body()
        .as_deref()
        .and_then(|body| serde_json::from_slice(body).ok())
        .unwrap_or_default();
    match document["detail"].as_str() {
        Some(detail) => CliError::Refused(detail.to_owned()),
        None => CliError::NotUnderstood(url.to_owned()),
    }
}

fn reply_of(method: &str, reply: Value) -> Result<Value, CliError> {
    match &reply["result"] {
        Value::String(name) => Err(failed(method, &json!(name), reply["detail"].as_str())),
        Value::Number(number) if number.as_i64() != Some(0) => {
            Err(failed(method, &reply["result"], None))
        }
        _ => Ok(reply),
    }
}

fn failed(method: &str, name: &Value, detail: Option<&str>) -> CliError {
    let name = super::table::plain(name);
    let reason = match detail {
        Some(detail) => format!("{name} ({})", detail.trim_end_matches('.')),
        None => name,
    };
    CliError::Tapi { method: method.to_owned(), reason }
}

/// Functions whose first parameter is a call.
fn needs_call(method: &str) -> bool {
    const ON_CALLS: [&str; 32] = [
        "lineAccept",
        "lineAddToConference",
        "lineAnswer",
        "lineBlindTransfer",
        "lineCompleteCall",
        "lineCompleteTransfer",
        "lineDeallocateCall",
        "lineDial",
        "lineDrop",
        "lineGatherDigits",
        "lineGenerateDigits",
        "lineGenerateTone",
        "lineGetCallInfo",
        "lineGetCallStatus",
        "lineGetConfRelatedCalls",
        "lineHandoff",
        "lineHold",
        "lineMonitorDigits",
        "lineMonitorMedia",
        "lineMonitorTones",
        "linePark",
        "lineRedirect",
        "lineRemoveFromConference",
        "lineSecureCall",
        "lineSendUserUserInfo",
        "lineSetAppSpecific",
        "lineSetCallData",
        "lineSetCallParams",
        "lineSetCallTreatment",
        "lineSetMediaMode",
        "lineSetupTransfer",
        "lineUnhold",
    ];
    ON_CALLS.contains(&method)
}

/// Functions that name the line by its device.
fn takes_device(method: &str) -> bool {
    matches!(
        method,
        "lineGetAddressCaps"
            | "lineGetAgentCaps"
            | "lineGetDevCaps"
            | "lineGetProxyStatus"
            | "lineNegotiateAPIVersion"
            | "lineTranslateAddress"
    )
}

/// Functions that a monitor may use.
fn is_question(method: &str) -> bool {
    method.starts_with("lineGetCall") || method.starts_with("lineMonitor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reply_with_an_error_is_a_failure_that_names_it() {
        let reply = json!({ "requestId": 3, "result": "LINEERR_INVALCALLSTATE" });
        let sentence = reply_of("lineHold", reply).unwrap_err().to_string();
        assert_eq!(sentence, "lineHold failed: LINEERR_INVALCALLSTATE.");
    }

    #[test]
    fn a_line_reply_with_zero_is_the_result_with_its_handles() {
        let reply = json!({ "requestId": 3, "result": 0, "hCall": 9 });
        assert_eq!(reply_of("lineMakeCall", reply).unwrap()["hCall"], 9);
    }

    #[test]
    fn the_detail_of_a_refusal_is_part_of_the_sentence() {
        let error = failed("lineOpen", &json!("LINEERR_BADDEVICEID"), Some("There is no line 9."));
        assert_eq!(error.to_string(), "lineOpen failed: LINEERR_BADDEVICEID (There is no line 9).");
    }

    #[test]
    fn functions_on_calls_are_told_apart_from_those_on_lines() {
        assert!(needs_call("lineHold"));
        assert!(!needs_call("lineMakeCall"));
        assert!(!needs_call("lineGetDevCaps"));
        assert!(takes_device("lineGetDevCaps"));
        assert!(takes_device("lineGetAgentCaps") && !takes_device("lineGetAgentStatus"));
        assert!(!takes_device("lineGetLineDevStatus"));
        assert!(is_question("lineGetCallStatus"));
        assert!(!is_question("lineDrop"));
    }
}
