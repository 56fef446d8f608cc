//! `GET call-records`: calls that are over; `GET recordings`: files with what was said.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::problem::ProblemDocument;
use super::rest::{Answer, collection, number};
use super::token::Caller;
use crate::exchange::AdminRequest;
use crate::store::{RecordQuery, StoredCallRecord};

/// Rows of a page where the question does not say how many.
const PAGE: u32 = 100;
/// Most rows of a page.
const PAGE_MAX: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Wanted {
    line: Option<String>,
    call_id: Option<u32>,
    since: Option<u64>,
    before: Option<u64>,
    limit: Option<u32>,
}

/// Records, newest first; a token sees those of its lines.
pub(super) async fn call_records(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Answer {
    caller.require_sight()?;
    let Query(wanted) = query.map_err(|_| {
        let detail = "Call records can be asked for by line=NUMBER, callId=NUMBER, since=MILLISECONDS \
                      (since 1970), before=ID and limit=NUMBER.";
        ProblemDocument::new(StatusCode::BAD_REQUEST, detail)
    })?;
    let lines = match wanted.line {
        Some(line) => {
            let line = number("line", &line)?;
            caller.require_sight_of(&line)?;
            Some(vec![line])
        }
        None => caller.0.lines.clone().map(|lines| lines.into_iter().collect()),
    };
    let query = RecordQuery {
        before: wanted.before,
        lines,
        call_id: wanted.call_id,
        since_unix_ms: wanted.since,
        limit: wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX),
    };
    let store = Arc::clone(&api.store);
    let records = tokio::task::spawn_blocking(move || store.call_records(query)).await;
    let records = records.map_err(|_| ProblemDocument::overloaded())?;
    let rows: Vec<Value> = records.iter().map(row).collect();
    Ok(Json(json!({ "items": rows })).into_response())
}

/// Recordings under way and those that ended of late; a token sees those of its lines.
pub(super) async fn recordings(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require_sight()?;
    collection(&api, &caller, AdminRequest::Recordings).await
}

fn row(stored: &StoredCallRecord) -> Value {
    let mut row: Value = serde_json::from_str(&stored.record).unwrap_or_default();
    row["id"] = stored.id.into();
    row
}
