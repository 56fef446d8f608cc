//! Faults as RFC 9457 problem documents.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::exchange::Problem;

/// A refusal as it leaves the control interface: `application/problem+json`.
///
/// It names what to do and carries no stack, path or version.
#[derive(Clone, Debug, PartialEq)]
pub struct ProblemDocument {
    status: StatusCode,
    detail: String,
    extension: Option<(&'static str, Value)>,
}

impl ProblemDocument {
    /// A problem whose title is the status' own phrase.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), extension: None }
    }

    /// 401: no token, or one that is not known.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Send the header 'Authorization: Bearer SECRET' with a secret of [[api.tokens]].",
        )
    }

    /// 503 when the exchange does not take the request, or does not answer a question in time: nothing was done.
    pub fn overloaded() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The switch is busy; try again in a moment.")
    }

    /// 504 when the exchange took the request and what came of it is not known.
    pub fn outcome_unknown() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "The switch took this request and has not said in time what came of it: it may have been carried out, \
             or may still be. Look before you repeat it.",
        )
    }

    /// 429: this token or address asks more often than it may (RFC 6585 §4).
    pub fn too_often() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests; wait a moment.")
    }

    /// Adds one extension member (RFC 9457 §3.2).
    pub fn with(mut self, member: &'static str, value: Value) -> Self {
        self.extension = Some((member, value));
        self
    }

    /// The status that the response carries.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn document(&self) -> Value {
        let mut members = Map::new();
        members.insert("type".into(), json!("about:blank"));
        members.insert("title".into(), json!(self.status.canonical_reason().unwrap_or("Fault")));
        members.insert("status".into(), json!(self.status.as_u16()));
        members.insert("detail".into(), json!(self.detail));
        if let Some((member, value)) = &self.extension {
            members.insert((*member).into(), value.clone());
        }
        Value::Object(members)
    }
}

impl From<Problem> for ProblemDocument {
    fn from(problem: Problem) -> Self {
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, problem.detail)
    }
}

impl IntoResponse for ProblemDocument {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.document().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"strowger\""),
                );
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// What a path names; one that is not UTF-8 is a problem document as every other fault.
pub(super) struct Path<T>(pub(super) T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ProblemDocument;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemDocument> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        read.map(|path| Self(path.0)).map_err(|_| {
            ProblemDocument::new(
                StatusCode::BAD_REQUEST,
                "The path is not understood; is it UTF-8?",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_exchange_keeps_its_status_and_sentence() {
        let problem = Problem { status: 404, detail: "There is no call 7.".into() };
        let response = ProblemDocument::from(problem.clone()).into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let document = ProblemDocument::from(problem).document();
        assert_eq!(document["detail"], "There is no call 7.");
        assert_eq!(document["title"], "Not Found");
    }

    #[test]
    fn a_missing_token_is_answered_with_a_challenge() {
        let response = ProblemDocument::unauthorized().into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer realm=\"strowger\"");
    }

    #[test]
    fn an_overload_says_when_to_come_back() {
        let response = ProblemDocument::overloaded().into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn an_unknown_outcome_does_not_ask_to_be_repeated() {
        let response = ProblemDocument::outcome_unknown().into_response();
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert!(!response.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn a_status_that_is_none_becomes_500() {
        let odd = Problem { status: 7, detail: String::new() };
        assert_eq!(ProblemDocument::from(odd).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
