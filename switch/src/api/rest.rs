//! `/api/v1`: collections, calls, reload, drain, events.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use config::{Scope, Token};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tapi::server::{MAX_DEPTH, is_deep};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::problem::{Path, ProblemDocument};
use super::token::Caller;
use super::{Api, Control, events};
use crate::exchange::{AdminRequest, CallAction};

/// The longest request body (SEC-75).
pub const MAX_BODY: usize = 256 * 1024;
/// A body has to be complete after this.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest number that can be called.
const MAX_NUMBER: usize = 128;

pub(super) type Answer = Result<Response, ProblemDocument>;

/// `GET {collection}`: the rows that the token may see, as `{"items": […]}`.
pub(super) async fn collection(api: &Api, caller: &Caller, request: AdminRequest) -> Answer {
    let rows = api.answers.ask(&api.mailbox, request).await?;
    Ok(items(visible(rows, &caller.0, &["line"])))
}

fn items(rows: Value) -> Response {
    Json(json!({ "items": rows })).into_response()
}

/// Leaves out the rows of lines that the token may not see; `members` name lines.
fn visible(rows: Value, token: &Token, members: &[&str]) -> Value {
    match rows {
        Value::Array(mut rows) if token.lines.is_some() => {
            rows.retain(|row| {
                let lines = members.iter().filter_map(|member| row.get(*member)?.as_str());
                lines.into_iter().any(|line| token.allows_line(line))
            });
            Value::Array(rows)
        }
        rows => rows,
    }
}

/// Leaves out members of pickup groups that the token may not see, and groups without any.
fn visible_groups(rows: Value, token: &Token) -> Value {
    let Value::Array(mut groups) = rows else { return rows };
    if token.lines.is_none() {
        return Value::Array(groups);
    }
    for group in &mut groups {
        let ringing = visible(group["ringing"].take(), token, &["line"]);
        group["ringing"] = ringing;
        if let Some(members) = group["members"].as_array_mut() {
            members.retain(|line| line.as_str().is_some_and(|line| token.allows_line(line)));
        }
    }
    groups.retain(|group| group["members"].as_array().is_some_and(|members| !members.is_empty()));
    Value::Array(groups)
}

pub(super) async fn lines(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    collection(&api, &caller, AdminRequest::Lines).await
}

pub(super) async fn registrations(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    collection(&api, &caller, AdminRequest::Registrations).await
}

pub(super) async fn calls(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    collection(&api, &caller, AdminRequest::Calls).await
}

pub(super) async fn media(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require(Scope::Read)?;
    collection(&api, &caller, AdminRequest::Media).await
}

/// `GET media/paths`: packets through user space and through the kernel.
pub(super) async fn media_paths(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require(Scope::Read)?;
    Ok(items(api.answers.ask(&api.mailbox, AdminRequest::MediaPaths).await?))
}

pub(super) async fn trunks(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require(Scope::Read)?;
    collection(&api, &caller, AdminRequest::Trunks).await
}

/// `GET park`: a token sees whom its lines parked, and its lines that are parked.
pub(super) async fn park(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    let rows = api.answers.ask(&api.mailbox, AdminRequest::Park).await?;
    Ok(items(visible(rows, &caller.0, &["party", "by"])))
}

pub(super) async fn pickup_groups(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    let rows = api.answers.ask(&api.mailbox, AdminRequest::PickupGroups).await?;
    Ok(items(visible_groups(rows, &caller.0)))
}

/// `GET subscriptions`: a token sees those that its lines made.
pub(super) async fn subscriptions(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    let rows = api.answers.ask(&api.mailbox, AdminRequest::Subscriptions).await?;
    Ok(items(visible(rows, &caller.0, &["line"])))
}

/// `GET completions`: a token sees for whom its lines wait, and who waits for them.
pub(super) async fn completions(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    let rows = api.answers.ask(&api.mailbox, AdminRequest::Completions).await?;
    Ok(items(visible(rows, &caller.0, &["line", "callee"])))
}

/// `DELETE completions/{completionId}`: the line that asked waits no more.
pub(super) async fn cancel_completion(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(completion): Path<String>,
) -> Answer {
    caller.require(Scope::Tapi)?;
    let unknown = || {
        let detail = "No request for completion has this identifier; see GET completions.";
        ProblemDocument::new(StatusCode::NOT_FOUND, detail)
    };
    let completion: u32 = completion.parse().map_err(|_| unknown())?;
    let rows = api.answers.ask(&api.mailbox, AdminRequest::Completions).await?;
    let mut rows = rows.as_array().into_iter().flatten();
    let row = rows.find(|row| row["completionId"] == json!(completion)).ok_or_else(unknown)?;
    caller.require_line(row["line"].as_str().unwrap_or_default())?;
    let request = AdminRequest::CancelCompletion { completion };
    Ok(Json(api.answers.ask(&api.mailbox, request).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MakeCall {
    from: String,
    to: String,
}

/// `POST calls`: click to dial.
pub(super) async fn make_call(State(api): State<Arc<Api>>, caller: Caller, body: Body) -> Answer {
    caller.require(Scope::Tapi)?;
    let MakeCall { from, to } = read(body).await?;
    caller.require_line(&number("from", &from)?)?;
    let to = number("to", &to)?;
    let answer = api.answers.ask(&api.mailbox, AdminRequest::MakeCall { from, to }).await?;
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Party {
    line: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordCall {
    line: String,
    format: Option<FileFormat>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FileFormat {
    Wav,
    Pcap,
}

impl FileFormat {
    fn config(self) -> config::RecordingFormat {
        match self {
            Self::Wav => config::RecordingFormat::Wav,
            Self::Pcap => config::RecordingFormat::Pcap,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParkCall {
    line: String,
    slot: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferCall {
    line: String,
    to: String,
}

/// `POST calls/{callId}/{action}`: the party at `line` acts.
pub(super) async fn act(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((call_id, action)): Path<(String, String)>,
    body: Body,
) -> Answer {
    caller.require(Scope::Tapi)?;
    let read = action_named(&action)?;
    let call_id = call_id_of(&call_id)?;
    let asked =
        read(&bounded(body).await?).and_then(|(line, action)| Ok((number("line", &line)?, action)));
    let (line, action) = of_call(&api, &caller, call_id, asked).await?;
    caller.require_line(&line)?;
    let request = AdminRequest::CallAction { call_id, line, action };
    let answer = api.answers.ask(&api.mailbox, request).await?;
    Ok(Json(answer).into_response())
}

/// What was asked of a call. A body that says nothing sensible is of no interest where there is no
/// such call: that is 404, whatever else is wrong.
pub(super) async fn of_call<T>(
    api: &Api,
    caller: &Caller,
    call_id: u32,
    asked: Result<T, ProblemDocument>,
) -> Result<T, ProblemDocument> {
    let fault = match asked {
        Ok(asked) => return Ok(asked),
        Err(fault) => fault,
    };
    let rows = api.answers.ask(&api.mailbox, AdminRequest::Calls).await?;
    let seen = visible(rows, &caller.0, &["line"]);
    let is_known = |rows: &Vec<Value>| rows.iter().any(|row| row["callId"] == call_id);
    if seen.as_array().is_some_and(is_known) {
        return Err(fault);
    }
    let detail = format!("There is no call {call_id}; see GET calls.");
    Err(ProblemDocument::new(StatusCode::NOT_FOUND, detail))
}

/// Reads the body of an action: the acting line and what it does.
type ReadAction = fn(&[u8]) -> Result<(String, CallAction), ProblemDocument>;

pub(super) fn call_id_of(text: &str) -> Result<u32, ProblemDocument> {
    text.parse().map_err(|_| {
        ProblemDocument::new(StatusCode::NOT_FOUND, "A callId is a number; see GET calls.")
    })
}

fn action_named(name: &str) -> Result<ReadAction, ProblemDocument> {
    match name {
        "drop" => Ok(|body| Ok((parse::<Party>(body)?.line, CallAction::Drop))),
        "hold" => Ok(|body| Ok((parse::<Party>(body)?.line, CallAction::Hold))),
        "unhold" => Ok(|body| Ok((parse::<Party>(body)?.line, CallAction::Unhold))),
        "record" => Ok(|body| {
            let RecordCall { line, format } = parse(body)?;
            Ok((line, CallAction::Record { format: format.map(FileFormat::config) }))
        }),
        "stop-recording" => Ok(|body| Ok((parse::<Party>(body)?.line, CallAction::StopRecording))),
        "park" => Ok(|body| {
            let ParkCall { line, slot } = parse(body)?;
            let slot = slot.map(|slot| number("slot", &slot)).transpose()?;
            Ok((line, CallAction::Park { slot }))
        }),
        "transfer" => Ok(|body| {
            let TransferCall { line, to } = parse(body)?;
            Ok((line, CallAction::Transfer { to: number("to", &to)? }))
        }),
        _ => Err(ProblemDocument::new(
            StatusCode::NOT_FOUND,
            "A call can be told to drop, hold, unhold, park, transfer, redirect, record or stop-recording.",
        )),
    }
}

/// `POST reload`: 200 with what changed, or 422 with every fault of the file.
pub(super) async fn reload(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require(Scope::Admin)?;
    let (reply, answer) = oneshot::channel();
    api.control.send(Control::Reload(reply)).await.map_err(|_| ProblemDocument::overloaded())?;
    match answer.await.map_err(|_| ProblemDocument::overloaded())? {
        Ok(notes) => Ok(Json(json!({ "reloaded": true, "notes": notes })).into_response()),
        Err(faults) => Err(ProblemDocument::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The configuration has faults and nothing was changed.",
        )
        .with("faults", json!(faults))),
    }
}

/// `POST drain`: 202; new calls are refused from now on.
pub(super) async fn drain(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require(Scope::Admin)?;
    api.control.send(Control::Drain).await.map_err(|_| ProblemDocument::overloaded())?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "draining": true }))).into_response())
}

#[derive(Deserialize)]
pub(super) struct After {
    after: Option<u64>,
}

/// `GET events`: server-sent events; `?after=N` or `Last-Event-ID: N` resumes.
pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<After>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Answer {
    caller.require(Scope::Read)?;
    caller.require_all_lines()?;
    let Query(query) = query.map_err(|_| {
        ProblemDocument::new(StatusCode::BAD_REQUEST, "'after' is the number of an event.")
    })?;
    let last_seen = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let after = last_seen.or(query.after).unwrap_or_else(|| api.events.latest());
    let (changes, checked) = (api.revocations.subscribe(), Arc::clone(&api));
    let is_valid = move || checked.tokens.load().contains(&caller.0);
    Ok(events::stream_after(Arc::clone(&api.events), after, changes, is_valid).into_response())
}

/// Reads a bounded JSON body.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ProblemDocument> {
    parse(&bounded(body).await?)
}

pub(super) async fn bounded(body: Body) -> Result<Bytes, ProblemDocument> {
    let too_long = || {
        let detail = format!("A body may have {MAX_BODY} bytes at most.");
        ProblemDocument::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    // One that says how long it is need not come.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_long());
    }
    let mut chunks = body.into_data_stream();
    let whole = async {
        let mut whole = BytesMut::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| {
                let detail = "The body breaks off or its chunks are garbled.";
                ProblemDocument::new(StatusCode::BAD_REQUEST, detail)
            })?;
            if whole.len() + chunk.len() > MAX_BODY {
                return Err(too_long());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    };
    timeout(BODY_TIMEOUT, whole).await.unwrap_or_else(|_| {
        let detail = "The body did not come in time.";
        Err(ProblemDocument::new(StatusCode::REQUEST_TIMEOUT, detail))
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProblemDocument> {
    if is_deep(body) {
        let detail = format!("A body may be nested {MAX_DEPTH} deep at most.");
        return Err(ProblemDocument::new(StatusCode::BAD_REQUEST, detail));
    }
    // A list would do for a structure too, but what its items mean nobody could say.
    serde_json::from_slice::<serde_json::Map<String, Value>>(body)
        .and_then(|members| serde_json::from_value(Value::Object(members)))
        .map_err(|error| {
            ProblemDocument::new(
                StatusCode::BAD_REQUEST,
                format!("The body is not understood: {error}."),
            )
        })
}

/// A number as phones dial it: printable, no blanks, bounded (SEC-75).
pub(super) fn number(field: &str, text: &str) -> Result<String, ProblemDocument> {
    let is_number = !text.is_empty()
        && text.len() <= MAX_NUMBER
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "+*#-._@:".contains(letter));
    if is_number {
        Ok(text.to_owned())
    } else {
        Err(ProblemDocument::new(StatusCode::BAD_REQUEST, format!("'{field}' has to be a number.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::token::tests::token;

    #[test]
    fn a_token_sees_the_rows_of_its_lines_only() {
        let limited = token("x", Scope::Tapi, Some(&["201"]));
        let rows = json!([{"line": "201"}, {"line": "202"}, {"trunk": "carrier"}]);
        assert_eq!(visible(rows.clone(), &limited, &["line"]), json!([{"line": "201"}]));
        assert_eq!(visible(rows.clone(), &token("y", Scope::Tapi, None), &["line"]), rows);
    }

    #[test]
    fn a_token_sees_of_a_pickup_group_its_lines_only() {
        let limited = token("x", Scope::Tapi, Some(&["201"]));
        let rows = json!([
            {"group": "sales", "members": ["201", "202"],
             "ringing": [{"line": "201", "callId": 1}, {"line": "202", "callId": 2}]},
            {"group": "support", "members": ["204"], "ringing": []},
        ]);
        let seen = json!([
            {"group": "sales", "members": ["201"], "ringing": [{"line": "201", "callId": 1}]},
        ]);
        assert_eq!(visible_groups(rows.clone(), &limited), seen);
        assert_eq!(visible_groups(rows.clone(), &token("y", Scope::Tapi, None)), rows);
    }

    #[test]
    fn each_action_takes_its_own_members_only() {
        let read = |action: &str, body: &str| action_named(action).unwrap()(body.as_bytes());
        let slot = Some("705".to_owned());
        let parked = read("park", r#"{"line": "201", "slot": "705"}"#).unwrap();
        assert_eq!(parked, ("201".to_owned(), CallAction::Park { slot }));
        let parked = read("park", r#"{"line": "201"}"#).unwrap();
        assert_eq!(parked, ("201".to_owned(), CallAction::Park { slot: None }));
        let sent = read("transfer", r#"{"line": "201", "to": "203"}"#).unwrap();
        assert_eq!(sent, ("201".to_owned(), CallAction::Transfer { to: "203".to_owned() }));
        for (action, body) in [
            ("drop", r#"{"line": "201", "to": "203"}"#),
            ("park", r#"{"line": "201", "slot": "7 1"}"#),
            ("transfer", r#"{"line": "201"}"#),
            ("transfer", r#"{"line": "201", "to": ""}"#),
        ] {
            let refused = read(action, body).err().unwrap();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{action} {body}");
        }
        assert_eq!(action_named("dance").err().unwrap().status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn numbers_are_what_phones_dial_and_nothing_else() {
        for good in ["201", "+33123456789", "*8", "#21", "ada@office.test"] {
            assert!(number("to", good).is_ok(), "{good}");
        }
        for bad in ["", "20 1", "201\r\nVia: x", "\"201\"", "<sip:1>", &"1".repeat(129)] {
            assert!(number("to", bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused_with_413() {
        let refused = read::<Party>(Body::from(vec![b' '; MAX_BODY + 1])).await.err().unwrap();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn an_unknown_field_is_refused_with_400() {
        let refused = read::<Party>(Body::from(r#"{"line": "201", "x": 1}"#)).await.err().unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }
}
