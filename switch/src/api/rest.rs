//! `/api/v1`: collections, calls, reload, drain, events.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use config::{Scope, Token};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::problem::ProblemDocument;
use super::token::Caller;
use super::{Api, Control, events};
use crate::exchange::{AdminRequest, CallAction};

/// The longest request body (SEC-75).
pub const MAX_BODY: usize = 256 * 1024;
/// The longest number that can be called.
const MAX_NUMBER: usize = 128;

pub(super) type Answer = Result<Response, ProblemDocument>;

/// `GET {collection}`: the rows that the token may see, as `{"items": […]}`.
async fn collection(api: &Api, caller: &Caller, request: AdminRequest) -> Answer {
    let rows = api.answers.ask(&api.mailbox, request).await?;
    Ok(Json(json!({ "items": visible(rows, &caller.0) })).into_response())
}

/// Leaves out the rows of lines that the token may not see.
fn visible(rows: Value, token: &Token) -> Value {
    match rows {
        Value::Array(rows) if token.lines.is_some() => Value::Array(
            rows.into_iter()
                .filter(|row| {
                    row.get("line")
                        .and_then(Value::as_str)
                        .is_some_and(|line| token.allows_line(line))
                })
                .collect(),
        ),
        rows => rows,
    }
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

pub(super) async fn trunks(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require(Scope::Read)?;
    collection(&api, &caller, AdminRequest::Trunks).await
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

/// `POST calls/{callId}/{action}`: the party at `line` acts.
pub(super) async fn act(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((call_id, action)): Path<(String, String)>,
    body: Body,
) -> Answer {
    caller.require(Scope::Tapi)?;
    let action = action_named(&action)?;
    let call_id = call_id_of(&call_id)?;
    let Party { line } = read(body).await?;
    caller.require_line(&number("line", &line)?)?;
    let request = AdminRequest::CallAction { call_id, line, action };
    let answer = api.answers.ask(&api.mailbox, request).await?;
    Ok(Json(answer).into_response())
}

pub(super) fn call_id_of(text: &str) -> Result<u32, ProblemDocument> {
    text.parse().map_err(|_| {
        ProblemDocument::new(StatusCode::NOT_FOUND, "A callId is a number; see GET calls.")
    })
}

fn action_named(name: &str) -> Result<CallAction, ProblemDocument> {
    match name {
        "drop" => Ok(CallAction::Drop),
        "hold" => Ok(CallAction::Hold),
        "unhold" => Ok(CallAction::Unhold),
        _ => Err(ProblemDocument::new(
            StatusCode::NOT_FOUND,
            "A call can be told to drop, hold, unhold or redirect.",
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
    Ok(events::stream_after(Arc::clone(&api.events), after).into_response())
}

/// Reads a bounded JSON body.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, ProblemDocument> {
    let bytes = to_bytes(body, MAX_BODY).await.map_err(|_| {
        ProblemDocument::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("A body may have {MAX_BODY} bytes at most."),
        )
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
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
        assert_eq!(visible(rows.clone(), &limited), json!([{"line": "201"}]));
        assert_eq!(visible(rows.clone(), &token("y", Scope::Tapi, None)), rows);
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
