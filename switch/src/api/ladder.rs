//! `GET calls/{callId}/ladder`: the SIP messages of a call.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use config::Scope;
use serde_json::{Value, json};

use super::Api;
use super::problem::{Path, ProblemDocument};
use super::rest::{Answer, call_id_of};
use super::token::Caller;
use crate::observe::trace::{Kept, Way};

/// Headers whose values could be used to find out a password (SEC-25).
const SECRET: [&str; 2] = ["authorization", "proxy-authorization"];

/// The messages of a call, also of one that is over, oldest first. Whoever may see them sees the
/// whole call: the token must not be limited to some lines.
pub(super) async fn ladder(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(call_id): Path<String>,
) -> Answer {
    caller.require(Scope::Read)?;
    caller.require_all_lines()?;
    let kept = api.trace.of_call(call_id_of(&call_id)?).ok_or_else(|| {
        let detail = "No SIP message of this call is kept; see GET calls, and [capture] kept_kib.";
        ProblemDocument::new(StatusCode::NOT_FOUND, detail)
    })?;
    let rows: Vec<Value> = kept.iter().map(row).collect();
    Ok(Json(json!({ "items": rows })).into_response())
}

fn row(kept: &Kept) -> Value {
    let text = String::from_utf8_lossy(&kept.bytes);
    let (source, destination) = match kept.way {
        Way::In => (kept.flow.remote, kept.flow.local),
        Way::Out => (kept.flow.local, kept.flow.remote),
    };
    json!({
        "time": kept.unix_ms,
        "direction": if kept.way == Way::In { "in" } else { "out" },
        "transport": kept.flow.transport.uri_param(),
        "source": source.to_string(),
        "destination": destination.to_string(),
        "remote": kept.flow.remote.to_string(),
        "message": without_secrets(&text),
    })
}

/// The message without the values of headers that carry digests.
fn without_secrets(message: &str) -> String {
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let mut is_secret = false;
    let mut shown = String::with_capacity(message.len());
    for line in head.split("\r\n") {
        let is_folded = line.starts_with([' ', '\t']);
        if is_secret && is_folded {
            continue;
        }
        let name = line.split_once(':').map_or("", |(name, _)| name.trim_end());
        is_secret = !is_folded && SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret));
        shown.push_str(if is_secret { name } else { line });
        shown.push_str(if is_secret { ": (left out)\r\n" } else { "\r\n" });
    }
    shown.push_str("\r\n");
    shown.push_str(body);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_left_out_and_nothing_else() {
        let message = "REGISTER sip:x SIP/2.0\r\nAUTHORIZATION : Digest a,\r\n b=c\r\n\
                       Subject: x\r\n y\r\nProxy-Authorization: z\r\n\r\nAuthorization: body\r\n";
        assert_eq!(
            without_secrets(message),
            "REGISTER sip:x SIP/2.0\r\nAUTHORIZATION: (left out)\r\nSubject: x\r\n y\r\n\
             Proxy-Authorization: (left out)\r\n\r\nAuthorization: body\r\n"
        );
    }
}
