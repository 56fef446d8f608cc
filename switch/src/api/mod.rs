//! The control interface: TAPI over WebSocket, HTTP for administrators, events.
//!
//! It translates names and carries text. What a request means is decided by the exchange, which
//! it reaches through the bounded mailbox only; no lock is held while it waits there. Path 3,
//! hops 1 and 8.

mod answers;
mod applications;
mod audit;
mod bans;
mod call_centre;
mod events;
mod idempotency;
mod ladder;
mod lines;
mod listener;
mod openapi;
mod problem;
mod rate;
mod records;
mod rest;
mod tapi_socket;
mod token;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use sip_stack::transport::Gate;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

pub use openapi::document;
pub use problem::ProblemDocument;
pub use rest::MAX_BODY;
pub use tapi_socket::{MAX_FRAME, SUBPROTOCOL};
pub use token::Tokens;

use self::applications::Close;
use crate::exchange::{Input, Output};
use crate::observe::audit::AuditFile;
use crate::observe::trace::Trace;
use crate::observe::{Metrics, Sample};
use crate::store::Store;

/// How long a stopping switch waits until applications have heard it.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the interface asks of whoever runs the switch.
#[derive(Debug)]
pub enum Control {
    /// Read the configuration again; the answer is what the administrator should know, or every
    /// fault.
    Reload(oneshot::Sender<Result<Vec<String>, Vec<String>>>),
    /// Refuse new calls.
    Drain,
}

/// What the interface counts.
#[derive(Debug, Default)]
pub struct ApiCounters {
    /// HTTP requests without a valid token.
    pub unauthorized_total: AtomicU64,
    /// Connections that could not be accepted.
    pub accept_failed_total: AtomicU64,
    /// Connections that were closed because their address had too many.
    pub connections_refused_total: AtomicU64,
    /// Text frames of applications.
    pub tapi_frames_received_total: AtomicU64,
    /// Text frames towards applications.
    pub tapi_frames_sent_total: AtomicU64,
}

/// The control interface's state, shared by its connections and the exchange's thread.
pub struct Api {
    mailbox: mpsc::Sender<Input>,
    control: mpsc::Sender<Control>,
    tokens: ArcSwap<Tokens>,
    /// Changes when the tokens may have.
    revocations: watch::Sender<u64>,
    applications: applications::Applications,
    answers: answers::Answers,
    events: Arc<events::EventLog>,
    metrics: Metrics,
    trace: Arc<Trace>,
    store: Arc<dyn Store>,
    is_ready: AtomicBool,
    /// The watchdog was answered in time.
    is_responsive: AtomicBool,
    rates: rate::Rates,
    keys: idempotency::Keys,
    gate: OnceLock<Arc<Gate>>,
    audit: OnceLock<AuditFile>,
    counters: Arc<ApiCounters>,
}

impl Api {
    /// An interface in front of the exchange behind `mailbox`; `trace` and `store` say what was.
    pub fn new(
        mailbox: mpsc::Sender<Input>,
        control: mpsc::Sender<Control>,
        tokens: Tokens,
        max_queued_messages: usize,
        metrics: Metrics,
        (trace, store): (Arc<Trace>, Arc<dyn Store>),
    ) -> Arc<Self> {
        Arc::new(Self {
            mailbox,
            control,
            tokens: ArcSwap::from_pointee(tokens),
            revocations: watch::Sender::new(0),
            applications: applications::Applications::new(max_queued_messages),
            answers: answers::Answers::default(),
            events: Arc::default(),
            metrics,
            trace,
            store,
            is_ready: AtomicBool::new(false),
            is_responsive: AtomicBool::new(true),
            rates: rate::Rates::default(),
            keys: idempotency::Keys::default(),
            gate: OnceLock::new(),
            audit: OnceLock::new(),
            counters: Arc::default(),
        })
    }

    /// Says on `/readyz` whether the switch answers in time; true where that is new.
    pub fn set_responsive(&self, is_responsive: bool) -> bool {
        self.is_responsive.swap(is_responsive, Ordering::Relaxed) != is_responsive
    }

    /// Bans are those of this gate; it can be said once.
    pub fn guard(&self, gate: Arc<Gate>) {
        let _ = self.gate.set(gate);
    }

    /// Who changed what is written to this file too; it can be said once.
    pub fn audit(&self, file: AuditFile) {
        let _ = self.audit.set(file);
    }

    /// Goes on with this audit file, opened anew.
    pub fn reopen_audit(&self, path: Option<PathBuf>) {
        self.audit.get().into_iter().for_each(|audit| audit.reopen(path.clone()));
    }

    /// Waits until every deed stands in the audit file, but not longer than this: the program ends.
    pub fn flush_audit(&self, patience: Duration) {
        self.audit.get().into_iter().for_each(|audit| audit.flush(patience));
    }

    /// Everything that is wrong and keeps nobody from calling.
    fn troubles(&self) -> Vec<String> {
        let audit = self.audit.get().and_then(AuditFile::trouble);
        self.store.trouble().into_iter().chain(audit).collect()
    }

    /// Serves connections until the task ends.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let counters = Arc::clone(&self.counters);
        listener::serve(listener, router(self), &counters).await;
    }

    /// Carries out an output of the exchange that concerns applications, requests or events;
    /// gives any other back. Never waits.
    pub fn perform(&self, output: Output) -> Option<Output> {
        match output {
            Output::Application { connection, text } => {
                self.counters.tapi_frames_sent_total.fetch_add(1, Ordering::Relaxed);
                self.applications.send(connection, text);
            }
            Output::CloseApplication { connection, code, reason } => {
                if code == applications::CLOSE_TRY_AGAIN {
                    self.applications.slow_readers_total.fetch_add(1, Ordering::Relaxed);
                }
                self.applications.close(connection, Close { code, reason });
            }
            Output::Answer { token, answer } => self.answers.deliver(token, answer),
            Output::Event { number, event } => self.events.push(number, &event),
            other => return Some(other),
        }
        None
    }

    /// Takes over the tokens and bounds of a new configuration; connections of tokens that
    /// changed are closed.
    pub fn reconfigure(&self, tokens: Tokens, max_queued_messages: usize) {
        self.tokens.store(Arc::new(tokens));
        // Afterwards: who connects meanwhile with a token of before looks again once he is known here.
        self.applications.close_revoked(&self.tokens.load());
        self.revocations.send_modify(|times| *times = times.wrapping_add(1));
        self.applications.set_max_queued_messages(max_queued_messages);
    }

    /// Says on `/readyz` whether new calls are taken.
    pub fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Relaxed);
    }

    /// Closes every application's connection because the switch stops; returns when all have
    /// heard it, or at least had the time to.
    pub async fn close_all(&self) {
        self.applications.close_all();
        let mut conversing = self.applications.conversing.subscribe();
        let _ = tokio::time::timeout(FAREWELL, conversing.wait_for(|open| *open == 0)).await;
    }

    fn samples(&self) -> Vec<Sample> {
        let counter = |name, help, value: &AtomicU64| {
            Sample::counter(name, help, value.load(Ordering::Relaxed))
        };
        let counters = &self.counters;
        let mut samples = vec![
            counter(
                "api_unauthorized_total",
                "HTTP requests without a valid token.",
                &counters.unauthorized_total,
            ),
            counter(
                "api_accept_failed_total",
                "Connections to the control interface that could not be accepted.",
                &counters.accept_failed_total,
            ),
            counter(
                "api_connections_refused_total",
                "Connections to the control interface whose address had too many.",
                &counters.connections_refused_total,
            ),
            counter(
                "tapi_frames_received_total",
                "Text frames of applications.",
                &counters.tapi_frames_received_total,
            ),
            counter(
                "tapi_frames_sent_total",
                "Text frames towards applications.",
                &counters.tapi_frames_sent_total,
            ),
            counter(
                "tapi_slow_readers_total",
                "Applications closed because they did not read.",
                &self.applications.slow_readers_total,
            ),
            Sample::gauge(
                "tapi_connections",
                "Open connections of applications.",
                self.applications.len() as u64,
            ),
            Sample::gauge("events_latest", "Number of the newest event.", self.events.latest()),
        ];
        samples.extend(self.audit.get().map(AuditFile::samples).unwrap_or_default());
        samples
    }
}

/// All routes of the interface.
fn router(api: Arc<Api>) -> Router {
    let v1 = Router::new()
        .route("/lines", get(rest::lines))
        .route("/lines/{line}/forwarding", put(lines::set_forwarding))
        .route("/lines/{line}/dnd", put(lines::set_dnd))
        .route("/lines/{line}/message-waiting", put(lines::set_message_waiting))
        .route("/lines/{line}/messages", delete(lines::clear_messages))
        .route("/completions", get(rest::completions))
        .route("/completions/{completion_id}", delete(rest::cancel_completion))
        .route("/registrations", get(rest::registrations))
        .route("/calls", get(rest::calls).post(rest::make_call))
        .route("/calls/{call_id}/ladder", get(ladder::ladder))
        .route("/calls/{call_id}/redirect", post(lines::redirect))
        .route("/calls/{call_id}/{action}", post(rest::act))
        .route("/call-records", get(records::call_records))
        .route("/recordings", get(records::recordings))
        .route("/media", get(rest::media))
        .route("/media/paths", get(rest::media_paths))
        .route("/trunks", get(rest::trunks))
        .route("/park", get(rest::park))
        .route("/pickup-groups", get(rest::pickup_groups))
        .route("/subscriptions", get(rest::subscriptions))
        .route("/queues", get(call_centre::queues))
        .route("/agents", get(call_centre::agents))
        .route("/agents/{agent}/login", post(call_centre::log_in))
        .route("/agents/{agent}/logout", post(call_centre::log_out))
        .route("/agents/{agent}/state", put(call_centre::set_state))
        .route("/agents/{agent}/supervise", post(call_centre::supervise))
        .route("/agent-sessions", get(call_centre::sessions))
        .route("/bans", get(bans::list).post(bans::ban))
        .route("/bans/{source}", delete(bans::lift))
        .route("/events", get(rest::follow))
        .route("/reload", post(rest::reload))
        .route("/drain", post(rest::drain));
    let v1 = v1
        .layer(from_fn_with_state(Arc::clone(&api), idempotency::once))
        .layer(from_fn_with_state(Arc::clone(&api), audit::watch));
    Router::new()
        .route("/tapi", get(tapi_socket::upgrade))
        .nest("/api/v1", v1)
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi::description))
        .route("/docs", get(openapi::page))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(api)
}

async fn healthz(axum::extract::State(api): axum::extract::State<Arc<Api>>) -> Response {
    // The mailbox closes when the exchange's thread is gone.
    if api.mailbox.is_closed() {
        return ProblemDocument::new(StatusCode::SERVICE_UNAVAILABLE, "The exchange has stopped.")
            .into_response();
    }
    axum::Json(serde_json::json!({ "status": "ok" })).into_response()
}

async fn readyz(axum::extract::State(api): axum::extract::State<Arc<Api>>) -> Response {
    if !api.is_responsive.load(Ordering::Relaxed) {
        let detail = "The switch answers too slowly: its own OPTIONS took more than a second.";
        return ProblemDocument::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
    }
    if api.is_ready.load(Ordering::Relaxed) && !api.mailbox.is_closed() {
        // What is wrong and keeps nobody from calling is said, and is no reason to send callers away.
        let mut answer = serde_json::json!({ "status": "ready" });
        let troubles = api.troubles();
        if !troubles.is_empty() {
            answer["troubles"] = troubles.into();
        }
        return axum::Json(answer).into_response();
    }
    ProblemDocument::new(StatusCode::SERVICE_UNAVAILABLE, "New calls are not taken.")
        .into_response()
}

async fn metrics(axum::extract::State(api): axum::extract::State<Arc<Api>>) -> Response {
    let text = api.metrics.text(api.samples());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn not_found() -> ProblemDocument {
    ProblemDocument::new(StatusCode::NOT_FOUND, "There is nothing here; see /docs.")
}

async fn method_not_allowed() -> ProblemDocument {
    ProblemDocument::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This cannot be done here; see /docs for the methods.",
    )
}

#[cfg(test)]
mod tests;
