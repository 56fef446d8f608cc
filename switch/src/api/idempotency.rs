//! `Idempotency-Key` (SEC-77): a POST that comes again with the same key, because its answer was lost, gets the
//! answer of the first one and does nothing a second time.
//!
//! A key is the caller's token's own, lasts a day, and stands for one request: the same one with another
//! body is a mistake. Answers that only say "later" are not kept. Keys do not outlive the process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use sip_stack::time::Now;

use super::Api;
use super::problem::ProblemDocument;
use super::rest::bounded;
use super::token::bearer;
use crate::server::clock;

const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";
/// The longest key.
const MAX_KEY: usize = 128;
/// Keys that are remembered; the oldest one is forgotten first.
const MAX_KEYS: usize = 4_096;
/// The longest answer that is remembered; no action has a longer one.
const MAX_ANSWER: usize = 8 * 1024;
/// How long a key stands for its request.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// A token's name and its key.
type Name = (String, String);
/// What tells requests apart.
type Print = [u8; 32];

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    status: StatusCode,
    kind: Option<HeaderValue>,
    body: Bytes,
}

#[derive(Debug)]
struct Slot {
    print: Print,
    since: Now,
    /// None while it is being carried out.
    answer: Option<Kept>,
}

/// What to do about a request with a key.
#[derive(Debug, PartialEq)]
enum Turn {
    /// Carry it out.
    First,
    /// It is being carried out.
    Running,
    /// It was carried out.
    Done(Kept),
    /// The key is another request's.
    Other,
}

/// The keys of a day.
#[derive(Default)]
pub(super) struct Keys(Mutex<Table>);

#[derive(Default)]
struct Table {
    slots: HashMap<Name, Slot>,
    /// In the order of their age; one that was forgotten may still stand here.
    order: VecDeque<(Name, Now)>,
}

impl Keys {
    fn with<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self, now: Now, name: &Name, print: Print) -> Turn {
        self.with(|table| table.begin(now, name, print))
    }

    fn finish(&self, name: &Name, answer: Option<Kept>) {
        self.with(|table| {
            if answer.is_none() {
                table.slots.remove(name);
            } else if let Some(slot) = table.slots.get_mut(name) {
                slot.answer = answer;
            }
        });
    }
}

impl Table {
    fn begin(&mut self, now: Now, name: &Name, print: Print) -> Turn {
        self.make_room(now);
        match self.slots.get(name) {
            Some(slot) if slot.print != print => Turn::Other,
            Some(Slot { answer: Some(answer), .. }) => Turn::Done(answer.clone()),
            Some(_) => Turn::Running,
            None => {
                self.slots.insert(name.clone(), Slot { print, since: now, answer: None });
                self.order.push_back((name.clone(), now));
                Turn::First
            }
        }
    }

    /// Forgets what is over, and the oldest where there are too many.
    fn make_room(&mut self, now: Now) {
        while let Some((name, since)) = self.order.front() {
            if self.order.len() < MAX_KEYS && now - *since < LIFE {
                return;
            }
            if self.slots.get(name).is_some_and(|slot| slot.since == *since) {
                self.slots.remove(name);
            }
            self.order.pop_front();
        }
    }
}

/// Carries a POST with a key out once.
pub(super) async fn once(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if *request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    // Without a valid token it will be refused, and there is nobody whose key it could be.
    let Some(token) = token_of(&api, request.headers()) else { return next.run(request).await };
    let name = match key_of(request.headers()) {
        Ok(key) => (token, key),
        Err(problem) => return problem.into_response(),
    };
    let (parts, body) = request.into_parts();
    let body = match bounded(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let print = print_of(parts.uri.path(), &body);
    match api.keys.begin(clock::now(), &name, print) {
        Turn::First => {
            let request = Request::from_parts(parts, Body::from(body));
            // By itself: a caller that hangs up meanwhile will ask again what came of it.
            let carried = tokio::spawn(carry_out(Arc::clone(&api), name, request, next));
            carried.await.unwrap_or_else(|_| ProblemDocument::overloaded().into_response())
        }
        Turn::Done(kept) => replay(kept),
        Turn::Running => ProblemDocument::new(
            StatusCode::CONFLICT,
            "The request with this Idempotency-Key is still being carried out.",
        )
        .into_response(),
        Turn::Other => ProblemDocument::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "This Idempotency-Key was used for another request; take a new one.",
        )
        .into_response(),
    }
}

async fn carry_out(api: Arc<Api>, name: Name, request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        api.keys.finish(&name, None);
        return ProblemDocument::overloaded().into_response();
    };
    let status = parts.status;
    let is_final = !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS;
    let kept = (is_final && body.len() <= MAX_ANSWER).then(|| Kept {
        status,
        kind: parts.headers.get(header::CONTENT_TYPE).cloned(),
        body: body.clone(),
    });
    api.keys.finish(&name, kept);
    Response::from_parts(parts, Body::from(body))
}

fn replay(kept: Kept) -> Response {
    let mut response = (kept.status, kept.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Some(kind) = kept.kind {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn token_of(api: &Api, headers: &HeaderMap) -> Option<String> {
    let presented = headers.get(header::AUTHORIZATION)?.to_str().ok().and_then(bearer)?;
    api.tokens.load().find(presented).map(|token| token.name.clone())
}

fn key_of(headers: &HeaderMap) -> Result<String, ProblemDocument> {
    let key = headers.get(KEY).and_then(|key| key.to_str().ok()).unwrap_or_default();
    let is_key =
        (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|octet| octet.is_ascii_graphic());
    is_key.then(|| key.to_owned()).ok_or_else(|| {
        let detail = "An Idempotency-Key has 1 to 128 visible characters, such as a UUID.";
        ProblemDocument::new(StatusCode::BAD_REQUEST, detail)
    })
}

fn print_of(path: &str, body: &[u8]) -> Print {
    let mut hash = Sha256::new();
    hash.update(path.as_bytes());
    // No path has it.
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str) -> Name {
        ("crm".to_owned(), key.to_owned())
    }

    fn kept() -> Kept {
        Kept { status: StatusCode::CREATED, kind: None, body: Bytes::from_static(b"{}") }
    }

    fn at(seconds: u64) -> Now {
        Now::from_millis(seconds * 1000)
    }

    #[test]
    fn a_key_stands_for_one_request_of_one_token_for_a_day() {
        let keys = Keys::default();
        let (call, other) = (print_of("/calls", b"{}"), print_of("/calls", b"{ }"));
        assert_eq!(keys.begin(at(0), &name("a"), call), Turn::First);
        assert_eq!(keys.begin(at(1), &name("a"), call), Turn::Running);
        keys.finish(&name("a"), Some(kept()));
        assert_eq!(keys.begin(at(2), &name("a"), call), Turn::Done(kept()));
        assert_eq!(keys.begin(at(2), &name("a"), other), Turn::Other);
        let foreign = ("admin".to_owned(), "a".to_owned());
        assert_eq!(keys.begin(at(2), &foreign, other), Turn::First);
        assert_eq!(keys.begin(at(86_400), &name("a"), other), Turn::First);
    }

    #[test]
    fn what_came_to_nothing_may_be_tried_again() {
        let keys = Keys::default();
        let call = print_of("/calls", b"{}");
        assert_eq!(keys.begin(at(0), &name("a"), call), Turn::First);
        keys.finish(&name("a"), None);
        assert_eq!(keys.begin(at(1), &name("a"), call), Turn::First);
        // Its first try is too old now, but not its second one.
        assert_eq!(keys.begin(at(86_400), &name("a"), call), Turn::Running);
    }

    #[test]
    fn the_oldest_keys_make_room() {
        let keys = Keys::default();
        let call = print_of("/calls", b"{}");
        for number in 0..MAX_KEYS + 10 {
            assert_eq!(keys.begin(at(0), &name(&number.to_string()), call), Turn::First);
        }
        keys.with(|table| assert!(table.slots.len() <= MAX_KEYS && table.order.len() <= MAX_KEYS));
        assert_eq!(keys.begin(at(0), &name("0"), call), Turn::First);
        assert_eq!(keys.begin(at(0), &name(&MAX_KEYS.to_string()), call), Turn::Running);
    }
}
