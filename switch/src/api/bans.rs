//! `GET bans`, `POST bans`, `DELETE bans/{source}`: who is not listened to.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use config::Scope;
use serde::Deserialize;
use serde_json::{Value, json};
use sip_stack::transport::{BanRow, Gate};

use super::Api;
use super::problem::{Path, ProblemDocument};
use super::rest::{Answer, read};
use super::token::Caller;
use crate::server::clock;

/// The longest ban that can be asked for.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// `GET bans`: the bans in force.
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Answer {
    caller.require(Scope::Read)?;
    caller.require_all_lines()?;
    let rows: Vec<Value> = gate(&api)?.bans().iter().map(row).collect();
    Ok(Json(json!({ "items": rows })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    source: String,
    duration: Option<String>,
}

/// `POST bans`: a source is not listened to from now on.
pub(super) async fn ban(State(api): State<Arc<Api>>, caller: Caller, body: Body) -> Answer {
    caller.require(Scope::Admin)?;
    let Wish { source, duration } = read(body).await?;
    let bad = |detail: &str| ProblemDocument::new(StatusCode::BAD_REQUEST, detail);
    let source = address(&source).ok_or_else(|| bad("'source' is an IP address."))?;
    let duration = duration
        .map(|text| config::parse_duration(&text))
        .transpose()
        .map_err(|_| bad("'duration' is a duration such as \"90s\", \"2h\"."))?;
    let banned = gate(&api)?.ban(source, duration.map(|duration| duration.min(LONGEST)));
    tracing::info!(token = caller.0.name, %source, "an administrator has banned a source");
    Ok((StatusCode::CREATED, Json(row(&banned))).into_response())
}

/// `DELETE bans/{source}`: it is listened to again, and what led to the ban is forgotten.
pub(super) async fn lift(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(source): Path<String>,
) -> Answer {
    caller.require(Scope::Admin)?;
    let unknown = || ProblemDocument::new(StatusCode::NOT_FOUND, "This source is not banned.");
    let source = address(&source).ok_or_else(unknown)?;
    if !gate(&api)?.lift(source) {
        return Err(unknown());
    }
    tracing::info!(token = caller.0.name, %source, "an administrator has lifted a ban");
    Ok(Json(json!({ "source": source.to_string(), "banned": false })).into_response())
}

/// An address; of a network as `GET bans` shows it, its address.
fn address(text: &str) -> Option<IpAddr> {
    text.strip_suffix("/64").unwrap_or(text).parse().ok()
}

fn gate(api: &Api) -> Result<&Gate, ProblemDocument> {
    api.gate.get().map(|gate| &**gate).ok_or_else(ProblemDocument::overloaded)
}

fn row(row: &BanRow) -> Value {
    let now = clock::unix_ms();
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let source = row.ban.source;
    json!({
        "source": if source.is_ipv6() { format!("{source}/64") } else { source.to_string() },
        "reason": row.ban.reason.text(),
        "times": row.ban.times,
        "since": now.saturating_sub(ms(row.age)),
        "expiresAt": now.saturating_add(ms(row.left)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_as_it_is_shown() {
        assert_eq!(address("192.0.2.7"), "192.0.2.7".parse().ok());
        assert_eq!(address("2001:db8::/64"), "2001:db8::".parse().ok());
        assert_eq!(address("office"), None);
    }
}
