//! `Idempotency-Key` (SEC-77): a POST that comes again with the same key, because its answer was lost, gets the
//! answer of the first one and does nothing a second time.
//!
//! A key is the caller's token's own, lasts a day, and stands for one request: the same one with another
//! body is a mistake. Answers that only say "later" are not kept; that nobody knows what came of it is. Keys do
//! not outlive the process.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use sha2::{Digest, Sha256};
use sip_stack::time::Now;

use super::Api;
use super::problem::ProblemDocument;
use super::rest::bounded;
use super::token::Caller;
use crate::server::clock;

const KEY: &str = "idempotency-key";
/// Marks an answer that was given before.
pub(super) const REPLAYED: &str = "idempotency-replayed";
/// The longest key.
const MAX_KEY: usize = 128;
/// Keys of one token that are remembered; its oldest one is forgotten first.
const MAX_KEYS: usize = 1_024;
/// The longest answer that is remembered; no action has a longer one.
const MAX_ANSWER: usize = 8 * 1024;
/// How long a key stands for its request.
const LIFE: Duration = Duration::from_secs(24 * 3600);

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
    key: String,
    print: Print,
    since: Now,
    /// None while it is being carried out.
    answer: Option<Kept>,
}

/// Names a request that is being carried out. Its key may be another one's by the time it has ended.
#[derive(Debug, PartialEq)]
struct Ticket {
    token: String,
    serial: u64,
}

/// What to do about a request with a key.
#[derive(Debug, PartialEq)]
enum Turn {
    /// Carry it out.
    First(Ticket),
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
    /// The serial of the newest request.
    newest: u64,
    /// Only tokens that have keys.
    tokens: HashMap<String, KeysOfToken>,
}

#[derive(Default)]
struct KeysOfToken {
    serials: HashMap<String, u64>,
    /// By their serials: the oldest one is first.
    slots: BTreeMap<u64, Slot>,
}

impl Keys {
    fn with<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self, now: Now, token: &str, key: String, print: Print) -> Turn {
        self.with(|table| table.begin(now, token, key, print))
    }

    /// Keeps the answer under the request's key, or none: then the key is free.
    fn finish(&self, ticket: &Ticket, answer: Option<Kept>) {
        self.with(|table| table.finish(ticket, answer));
    }
}

impl Table {
    fn begin(&mut self, now: Now, token: &str, key: String, print: Print) -> Turn {
        self.tokens.retain(|_, keys| keys.expire(now));
        if let Some(slot) = self.tokens.get(token).and_then(|keys| keys.find(&key)) {
            return match &slot.answer {
                _ if slot.print != print => Turn::Other,
                Some(answer) => Turn::Done(answer.clone()),
                None => Turn::Running,
            };
        }
        self.newest += 1;
        let slot = Slot { key, print, since: now, answer: None };
        self.tokens.entry(token.to_owned()).or_default().add(self.newest, slot);
        Turn::First(Ticket { token: token.to_owned(), serial: self.newest })
    }

    fn finish(&mut self, Ticket { token, serial }: &Ticket, answer: Option<Kept>) {
        let Some(keys) = self.tokens.get_mut(token) else { return };
        if answer.is_none() {
            keys.remove(*serial);
        } else if let Some(slot) = keys.slots.get_mut(serial) {
            slot.answer = answer;
        }
        if keys.slots.is_empty() {
            self.tokens.remove(token);
        }
    }
}

impl KeysOfToken {
    fn find(&self, key: &str) -> Option<&Slot> {
        self.slots.get(self.serials.get(key)?)
    }

    fn add(&mut self, serial: u64, slot: Slot) {
        while self.slots.len() >= MAX_KEYS {
            self.remove_oldest();
        }
        self.serials.insert(slot.key.clone(), serial);
        self.slots.insert(serial, slot);
    }

    fn remove(&mut self, serial: u64) {
        if let Some(slot) = self.slots.remove(&serial) {
            self.serials.remove(&slot.key);
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((_, slot)) = self.slots.pop_first() {
            self.serials.remove(&slot.key);
        }
    }

    /// Forgets what is over; false where nothing is left.
    fn expire(&mut self, now: Now) -> bool {
        while self.slots.first_key_value().is_some_and(|(_, slot)| now - slot.since >= LIFE) {
            self.remove_oldest();
        }
        !self.slots.is_empty()
    }
}

/// Carries a POST with a key out once.
pub(super) async fn once(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if *request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    let refusal = match turn_of(&api, request).await {
        Ok((Turn::First(ticket), request)) => {
            // By itself: a caller that hangs up meanwhile will ask again what came of it.
            let carried = tokio::spawn(carry_out(Arc::clone(&api), ticket, request, next));
            return carried
                .await
                .unwrap_or_else(|_| ProblemDocument::outcome_unknown().into_response());
        }
        Ok((Turn::Done(kept), _)) => return replay(kept),
        Ok((Turn::Running, _)) => ProblemDocument::new(
            StatusCode::CONFLICT,
            "The request with this Idempotency-Key is still being carried out.",
        ),
        Ok((Turn::Other, _)) => ProblemDocument::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "This Idempotency-Key was used for another request; take a new one.",
        ),
        Err(problem) => problem,
    };
    refusal.into_response()
}

/// Lets the caller in, as for every other request, and looks its key up.
async fn turn_of(api: &Arc<Api>, request: Request) -> Result<(Turn, Request), ProblemDocument> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, api).await?;
    let key = key_of(&parts.headers)?;
    let body = bounded(body).await?;
    let print = print_of(parts.uri.path(), &body);
    let turn = api.keys.begin(clock::now(), &caller.0.name, key, print);
    parts.extensions.insert(caller);
    Ok((turn, Request::from_parts(parts, Body::from(body))))
}

async fn carry_out(api: Arc<Api>, ticket: Ticket, request: Request, next: Next) -> Response {
    // A fault on the way must not leave the key as if it were still being carried out.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_| ProblemDocument::outcome_unknown().into_response());
    let (parts, body) = answer.into_parts();
    // The answer to a POST does not come in pieces: it is there.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let is_kept = is_outcome(parts.status) && body.len() <= MAX_ANSWER;
    let kept = is_kept.then(|| Kept {
        status: parts.status,
        kind: parts.headers.get(header::CONTENT_TYPE).cloned(),
        body: body.clone(),
    });
    api.keys.finish(&ticket, kept);
    Response::from_parts(parts, Body::from(body))
}

/// Whether this is what came of a request, or that it cannot be known; other answers only say "later".
fn is_outcome(status: StatusCode) -> bool {
    status == StatusCode::GATEWAY_TIMEOUT
        || !(status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS)
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

    fn kept() -> Kept {
        Kept { status: StatusCode::CREATED, kind: None, body: Bytes::from_static(b"{}") }
    }

    fn at(seconds: u64) -> Now {
        Now::from_millis(seconds * 1000)
    }

    impl Keys {
        /// What a token's key gets.
        fn turn(&self, now: Now, (token, key): (&str, &str), body: &[u8]) -> Turn {
            self.begin(now, token, key.to_owned(), print_of("/calls", body))
        }

        /// Begins what was not begun.
        fn first(&self, now: Now, name: (&str, &str)) -> Ticket {
            match self.turn(now, name, b"{}") {
                Turn::First(ticket) => ticket,
                other => panic!("{name:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_key_stands_for_one_request_of_one_token_for_a_day() {
        let keys = Keys::default();
        let ticket = keys.first(at(0), ("crm", "a"));
        assert_eq!(keys.turn(at(1), ("crm", "a"), b"{}"), Turn::Running);
        keys.finish(&ticket, Some(kept()));
        assert_eq!(keys.turn(at(2), ("crm", "a"), b"{}"), Turn::Done(kept()));
        assert_eq!(keys.turn(at(2), ("crm", "a"), b"{ }"), Turn::Other);
        keys.first(at(2), ("admin", "a"));
        assert_eq!(keys.turn(at(86_399), ("crm", "a"), b"{}"), Turn::Done(kept()));
        keys.first(at(86_400), ("crm", "a"));
    }

    #[test]
    fn what_came_to_nothing_may_be_tried_again() {
        let keys = Keys::default();
        keys.finish(&keys.first(at(0), ("crm", "a")), None);
        keys.first(at(1), ("crm", "a"));
        // Its first try is too old now, but not its second one.
        assert_eq!(keys.turn(at(86_400), ("crm", "a"), b"{}"), Turn::Running);
    }

    #[test]
    fn what_came_to_nothing_takes_nobodys_place() {
        let keys = Keys::default();
        keys.finish(&keys.first(at(0), ("crm", "a")), Some(kept()));
        for number in 0..10 * MAX_KEYS {
            for token in ["crm", "admin"] {
                keys.finish(&keys.first(at(1), (token, &number.to_string())), None);
            }
        }
        assert_eq!(keys.turn(at(2), ("crm", "a"), b"{}"), Turn::Done(kept()));
        keys.with(|table| {
            assert_eq!(table.tokens.len(), 1, "who has none left is forgotten");
            assert_eq!(
                (table.tokens["crm"].slots.len(), table.tokens["crm"].serials.len()),
                (1, 1)
            );
        });
    }

    #[test]
    fn the_oldest_keys_of_a_token_make_room_for_its_own_only() {
        let keys = Keys::default();
        keys.first(at(0), ("admin", "a"));
        for number in 0..MAX_KEYS + 10 {
            keys.first(at(0), ("crm", &number.to_string()));
        }
        assert_eq!(keys.turn(at(0), ("admin", "a"), b"{}"), Turn::Running);
        assert_eq!(keys.turn(at(0), ("crm", "10"), b"{}"), Turn::Running, "not the oldest one");
        keys.first(at(0), ("crm", "0"));
        keys.with(|table| {
            let of_token = &table.tokens["crm"];
            assert_eq!((of_token.slots.len(), of_token.serials.len()), (MAX_KEYS, MAX_KEYS));
        });
    }

    #[test]
    fn a_request_that_had_to_make_room_ends_without_touching_the_next_one_of_its_key() {
        let keys = Keys::default();
        for answer in [None, Some(kept())] {
            let old = keys.first(at(0), ("crm", "a"));
            for number in 0..MAX_KEYS {
                keys.first(at(0), ("crm", &number.to_string()));
            }
            let new = keys.first(at(0), ("crm", "a"));
            keys.finish(&old, answer);
            assert_eq!(keys.turn(at(0), ("crm", "a"), b"{}"), Turn::Running);
            keys.finish(&new, None);
            // For the next round.
            keys.with(|table| table.tokens.clear());
        }
    }

    #[test]
    fn after_a_day_nothing_is_left_of_anybody() {
        let keys = Keys::default();
        for token in ["crm", "admin", "door"] {
            keys.finish(&keys.first(at(0), (token, "a")), Some(kept()));
        }
        keys.first(at(86_400), ("desk", "a"));
        keys.with(|table| assert_eq!(table.tokens.keys().collect::<Vec<_>>(), ["desk"]));
    }

    #[test]
    fn only_what_says_later_is_not_kept() {
        for (status, is_kept) in [(201, true), (404, true), (504, true), (429, false), (503, false)]
        {
            assert_eq!(is_outcome(StatusCode::from_u16(status).unwrap()), is_kept, "{status}");
        }
    }
}
