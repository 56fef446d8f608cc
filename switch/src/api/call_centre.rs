//! `GET queues`, `agents`, `agent-sessions`, and what is done with an agent: `POST agents/{agent}/login`,
//! `logout` and `supervise`, `PUT agents/{agent}/state`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use config::Scope;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::problem::{Path, ProblemDocument};
use super::rest::{Answer, number, read};
use super::token::Caller;
use crate::call::supervise::Hearing;
use crate::exchange::{AdminRequest, AgentAction};

/// `GET queues`: everybody who may see a line may see how long queues are; who waits there is for
/// tokens of all lines.
pub(super) async fn queues(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    let mut rows = api.answers.ask(&api.mailbox, AdminRequest::Queues).await?;
    if caller.0.lines.is_some() {
        for row in rows.as_array_mut().into_iter().flatten() {
            row["calls"] = json!([]);
        }
    }
    Ok(Json(json!({ "items": rows })).into_response())
}

/// `GET agents`: those who work at lines of the token.
pub(super) async fn agents(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    let rows = api.answers.ask(&api.mailbox, AdminRequest::Agents).await?;
    Ok(Json(json!({ "items": of_lines(rows, &caller) })).into_response())
}

/// `GET agent-sessions`: the same.
pub(super) async fn sessions(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    let rows = api.answers.ask(&api.mailbox, AdminRequest::AgentSessions).await?;
    Ok(Json(json!({ "items": of_lines(rows, &caller) })).into_response())
}

fn of_lines(rows: Value, caller: &Caller) -> Value {
    let Value::Array(mut rows) = rows else { return rows };
    rows.retain(|row| {
        let line = row["line"].as_str();
        caller.0.lines.is_none() || line.is_some_and(|line| caller.0.allows_line(line))
    });
    Value::Array(rows)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    line: String,
}

/// `POST agents/{agent}/login`: the agent works at this line from now on.
pub(super) async fn log_in(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(agent): Path<String>,
    body: Body,
) -> Answer {
    caller.require(Scope::Tapi)?;
    let LogIn { line } = read(body).await?;
    let line = number("line", &line)?;
    caller.require_line(&line)?;
    act(&api, &caller, agent, AgentAction::LogIn { line }).await
}

/// `POST agents/{agent}/logout`.
pub(super) async fn log_out(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(agent): Path<String>,
) -> Answer {
    require_agent(&api, &caller, &agent).await?;
    act(&api, &caller, agent, AgentAction::LogOut).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewState {
    state: String,
}

/// `PUT agents/{agent}/state`: `ready` or `not-ready`.
pub(super) async fn set_state(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(agent): Path<String>,
    body: Body,
) -> Answer {
    require_agent(&api, &caller, &agent).await?;
    let NewState { state } = read(body).await?;
    let is_ready = match state.as_str() {
        "ready" => true,
        "not-ready" => false,
        _ => {
            let detail = "'state' is \"ready\" or \"not-ready\".";
            return Err(ProblemDocument::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    act(&api, &caller, agent, AgentAction::SetReady(is_ready)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Supervise {
    line: String,
    mode: String,
}

/// `POST agents/{agent}/supervise`: rings the supervisor's phone, then joins the agent's call.
pub(super) async fn supervise(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(agent): Path<String>,
    body: Body,
) -> Answer {
    caller.require(Scope::Tapi)?;
    let Supervise { line, mode } = read(body).await?;
    let line = number("line", &line)?;
    caller.require_line(&line)?;
    let hearing = Hearing::of_name(&mode).ok_or_else(|| {
        let detail = "'mode' is \"listen\", \"whisper\" or \"barge\".";
        ProblemDocument::new(StatusCode::BAD_REQUEST, detail)
    })?;
    act(&api, &caller, agent, AgentAction::Supervise { line, hearing }).await
}

async fn act(api: &Api, caller: &Caller, agent: String, action: AgentAction) -> Answer {
    let agent = number("agent", &agent)?;
    // Whom a supervisor may join says the configuration.
    let is_joined = matches!(action, AgentAction::Supervise { .. });
    let lines = caller.0.lines.clone().filter(|_| !is_joined);
    let request = AdminRequest::AgentAction { agent, action, lines };
    Ok(Json(api.answers.ask(&api.mailbox, request).await?).into_response())
}

/// The token may act for the line where the agent works.
async fn require_agent(api: &Api, caller: &Caller, agent: &str) -> Result<(), ProblemDocument> {
    caller.require(Scope::Tapi)?;
    if caller.0.lines.is_none() {
        return Ok(());
    }
    let rows = api.answers.ask(&api.mailbox, AdminRequest::Agents).await?;
    let mut rows = rows.as_array().into_iter().flatten();
    let line = rows.find(|row| row["agent"] == agent).and_then(|row| row["line"].as_str());
    caller.require_line(line.unwrap_or_default())
}
