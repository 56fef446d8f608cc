//! Who did what (SEC-78): one log line, target `audit`, and one in `[api] audit_file`, for each thing that a
//! token changed or tried to change. Over `/tapi` everything counts that is not a question.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::Api;
use super::idempotency::REPLAYED;
use super::token::Peer;
use crate::observe::audit::Deed;
use crate::observe::security;

/// Longest part of a path or name that is written down.
const MAX_TEXT: usize = 128;

/// Writes down what is more than a question, with its outcome.
pub(super) async fn watch(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let is_question = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let token = api.tokens.load().presented(request.headers());
    let who = token.map_or_else(|| "nobody".to_owned(), |token| token.name.clone());
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    // The layer sees the path below its nest.
    let path = format!("/api/v1{}", printable(request.uri().path()));
    let method = request.method().clone();
    let response = next.run(request).await;
    let status = response.status();
    if status == StatusCode::FORBIDDEN {
        security::api_forbidden(peer, &who, &format!("{method} {path}"));
    }
    // An answer that is given once more did nothing.
    if is_question || response.headers().contains_key(REPLAYED) {
        return response;
    }
    let (source, status) = (source(peer), status.as_u16());
    tracing::info!(target: "audit", token = who, source, %method, path, status, "changed");
    let outcome = Some((path.as_str(), status));
    write(&api, Deed { token: &who, source: &source, method: method.as_str(), outcome });
    response
}

/// Writes down what an application asks for, if it is more than a question.
pub(super) fn note(api: &Api, token: &str, source: &str, text: &str) {
    for method in tapi::server::methods(text).iter().filter(|method| !is_question(method)) {
        let method = printable(method);
        tracing::info!(target: "audit", token, source, method, "TAPI");
        write(api, Deed { token, source, method: &method, outcome: None });
    }
}

fn write(api: &Api, deed: Deed<'_>) {
    api.audit.get().into_iter().for_each(|file| file.note(deed));
}

/// The address for the log.
pub(super) fn source(peer: Option<std::net::SocketAddr>) -> String {
    peer.map_or_else(|| "unknown".to_owned(), |peer| peer.ip().to_canonical().to_string())
}

/// TAPI's own names say what only asks.
fn is_question(method: &str) -> bool {
    let words =
        ["lineGet", "lineInitialize", "lineNegotiate", "lineTranslate", "lineOpen", "lineClose"];
    let ends = ["lineDeallocateCall", "lineSetStatusMessages", "lineShutdown"];
    words.iter().any(|word| method.starts_with(word)) || ends.contains(&method)
}

fn printable(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(MAX_TEXT).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_asks_is_not_written_down() {
        for question in ["lineGetCallInfo", "lineInitializeEx", "lineTranslateAddress", "lineOpen"]
        {
            assert!(is_question(question), "{question}");
        }
        for deed in
            ["lineMakeCall", "lineDrop", "lineForward", "lineSetCallData", "lineGenerateDigits"]
        {
            assert!(!is_question(deed), "{deed}");
        }
    }

    #[test]
    fn nothing_in_a_name_forges_a_line() {
        assert_eq!(printable("a b\r\nc\u{1b}"), "a?b??c?");
    }
}
