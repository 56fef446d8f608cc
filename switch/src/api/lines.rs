//! What a line does with its calls: `PUT lines/{line}/forwarding`, `PUT lines/{line}/dnd`,
//! `PUT lines/{line}/message-waiting`, and `POST calls/{callId}/redirect`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use config::Scope;
use serde::Deserialize;
use serde_json::Value;
use tapi::constant::{ForwardMode, read as read_constant};

use super::Api;
use super::problem::{Path, ProblemDocument};
use super::rest::{Answer, call_id_of, number, of_call, read};
use super::token::Caller;
use crate::exchange::{AdminRequest, ForwardEntry};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Forwarding {
    forward_list: Option<Vec<Entry>>,
    num_rings_no_answer: Option<u32>,
}

/// LINEFORWARD.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    forward_mode: Value,
    caller_address: Option<String>,
    dest_address: Option<String>,
}

impl Entry {
    fn read(self) -> Result<ForwardEntry, ProblemDocument> {
        let mode = read_constant::<ForwardMode>(&self.forward_mode).map_err(|_| {
            let detail = "A forwardMode is one LINEFORWARDMODE_ constant, its name or its value.";
            ProblemDocument::new(StatusCode::BAD_REQUEST, detail)
        })?;
        let address = |field, text: Option<String>| {
            let text = text.filter(|text| !text.is_empty());
            text.map(|text| number(field, &text)).transpose()
        };
        Ok(ForwardEntry {
            mode,
            caller: address("callerAddress", self.caller_address)?,
            destination: address("destAddress", self.dest_address)?,
        })
    }
}

/// `PUT lines/{line}/forwarding`: the list replaces the former one.
pub(super) async fn set_forwarding(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(line): Path<String>,
    body: Body,
) -> Answer {
    caller.require(Scope::Tapi)?;
    caller.require_line(&number("line", &line)?)?;
    let Forwarding { forward_list, num_rings_no_answer: rings } = read(body).await?;
    let entries = forward_list.unwrap_or_default().into_iter().map(Entry::read);
    let forward_list = entries.collect::<Result<_, _>>()?;
    let request = AdminRequest::SetForwarding { line, forward_list, rings };
    Ok(Json(api.answers.ask(&api.mailbox, request).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dnd {
    enabled: bool,
}

/// `PUT lines/{line}/dnd`.
pub(super) async fn set_dnd(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(line): Path<String>,
    body: Body,
) -> Answer {
    caller.require(Scope::Tapi)?;
    caller.require_line(&number("line", &line)?)?;
    let Dnd { enabled: is_on } = read(body).await?;
    let request = AdminRequest::SetDnd { line, is_on };
    Ok(Json(api.answers.ask(&api.mailbox, request).await?).into_response())
}

/// `DELETE lines/{line}/messages`: what was left for the line has been read.
pub(super) async fn clear_messages(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(line): Path<String>,
) -> Answer {
    caller.require(Scope::Tapi)?;
    caller.require_line(&number("line", &line)?)?;
    let request = AdminRequest::ClearMessages { line };
    Ok(Json(api.answers.ask(&api.mailbox, request).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Messages {
    count: u32,
}

/// `PUT lines/{line}/message-waiting`.
pub(super) async fn set_message_waiting(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(line): Path<String>,
    body: Body,
) -> Answer {
    caller.require(Scope::Tapi)?;
    caller.require_line(&number("line", &line)?)?;
    let Messages { count } = read(body).await?;
    let request = AdminRequest::SetMessageWaiting { line, count };
    Ok(Json(api.answers.ask(&api.mailbox, request).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redirect {
    line: String,
    to: String,
}

/// `POST calls/{callId}/redirect`: the call that is offered to `line` goes to another number.
pub(super) async fn redirect(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(call_id): Path<String>,
    body: Body,
) -> Answer {
    caller.require(Scope::Tapi)?;
    let call_id = call_id_of(&call_id)?;
    let asked = read(body)
        .await
        .and_then(|Redirect { line, to }| Ok((number("line", &line)?, number("to", &to)?)));
    let (line, to) = of_call(&api, &caller, call_id, asked).await?;
    caller.require_line(&line)?;
    let request = AdminRequest::Redirect { call_id, line, to };
    Ok(Json(api.answers.ask(&api.mailbox, request).await?).into_response())
}
