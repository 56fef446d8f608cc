//! The rim: a WebSocket, the task that reads and writes it, and what application threads share
//! with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::core::{Core, Done, Purpose};
use super::error::{TapiError, TapiErrorCode};
use super::event::Event;
use super::table::Raw;
use super::wire::Wire;
use super::{Address, Call, CallHub, center};

/// The time that TAPI 3 gives a method that blocks.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(2);
/// First and longest pause between attempts to connect again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(crate) type Waiter = oneshot::Sender<Result<Value, TapiError>>;

/// Where the switch is, and as whom to speak to it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientConfig {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) app_name: String,
    pub(crate) max_events: usize,
    pub(crate) resume_window: Duration,
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("url", &self.url)
            .field("app_name", &self.app_name)
            .finish_non_exhaustive()
    }
}

impl ClientConfig {
    /// A switch by the address of its control interface (`http://127.0.0.1:8080`, or
    /// `ws://127.0.0.1:8080/tapi`), a bearer token of it, and the name of this application, which
    /// [`Call::handoff_direct`] addresses.
    pub fn new(
        url: impl Into<String>,
        token: impl Into<String>,
        app_name: impl Into<String>,
    ) -> Self {
        Self {
            url: url.into(),
            token: token.into(),
            app_name: app_name.into(),
            max_events: 4096,
            resume_window: Duration::from_secs(60),
        }
    }

    /// Events that wait to be fetched; one more makes the oldest go.
    #[must_use]
    pub fn max_events(mut self, events: usize) -> Self {
        self.max_events = events.max(1);
        self
    }

    /// How long a broken connection is tried to be taken up again; the switch has a limit of its
    /// own (`[api] resume_window`).
    #[must_use]
    pub fn resume_window(mut self, time: Duration) -> Self {
        self.resume_window = time;
        self
    }

    fn request(&self) -> Result<tungstenite::handshake::client::Request, TapiError> {
        let invalid = |what: &str| TapiError::new(TapiErrorCode::InvalidArg, what);
        let base = self.url.trim_end_matches('/');
        let base = match base.strip_prefix("http://") {
            Some(host) => format!("ws://{host}"),
            None => base.to_owned(),
        };
        let url = if base.ends_with("/tapi") { base } else { format!("{base}/tapi") };
        if !url.starts_with("ws://") {
            return Err(invalid("The URL is http://HOST:PORT or ws://HOST:PORT/tapi."));
        }
        let request = url.into_client_request();
        let mut request = request.map_err(|_| invalid("The URL names no host."))?;
        let bearer = format!("Bearer {}", self.token).parse();
        let bearer = bearer.map_err(|_| invalid("The token has characters that no token has."))?;
        let protocol = "tapi.v1".parse().map_err(|_| invalid("No subprotocol."))?;
        request.headers_mut().insert("Authorization", bearer);
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        Ok(request)
    }

    async fn connect(&self) -> Result<Socket, TapiError> {
        let request = self.request()?;
        let connecting = timeout(CONNECTING, tokio_tungstenite::connect_async(request)).await;
        match connecting {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(tungstenite::Error::Http(response))) => {
                let status = response.status().as_u16();
                let code = match status {
                    401 | 403 => TapiErrorCode::AccessDenied,
                    _ => TapiErrorCode::ServiceNotRunning,
                };
                Err(TapiError::new(code, format!("The switch refuses with HTTP status {status}.")))
            }
            Ok(Err(error)) => {
                Err(TapiError::new(TapiErrorCode::ServiceNotRunning, error.to_string()))
            }
            Err(_) => {
                let detail = "The switch does not answer.";
                Err(TapiError::new(TapiErrorCode::ServiceNotRunning, detail))
            }
        }
    }
}

/// Events that wait to be fetched.
#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    dropped: u64,
    is_over: bool,
}

/// What objects and the task have in common.
pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    core: Mutex<Core<Waiter>>,
    queue: Mutex<Queue>,
    /// There is something to send.
    wake: Notify,
    /// Some state may have changed.
    changed: Notify,
    /// There is an event, or the end.
    arrived: Notify,
    /// Ends the task that runs now.
    stop: Mutex<Arc<Notify>>,
    /// One Initialize or Shutdown at a time.
    pub(crate) phase: tokio::sync::Mutex<()>,
}

impl Shared {
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self {
            config,
            core: Mutex::new(Core::default()),
            queue: Mutex::default(),
            wake: Notify::new(),
            changed: Notify::new(),
            arrived: Notify::new(),
            stop: Mutex::default(),
            phase: tokio::sync::Mutex::new(()),
        }
    }

    /// The core. No object of the application may be dropped while this is held.
    pub(crate) fn core(&self) -> MutexGuard<'_, Core<Waiter>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may have to be sent.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Asks for a function, without waiting yet.
    pub(crate) fn ask(
        &self,
        method: &str,
        params: Value,
        purpose: Purpose,
    ) -> oneshot::Receiver<Result<Value, TapiError>> {
        let (to, answer) = oneshot::channel();
        let refused = self.core().ask(method, params, purpose, to);
        match refused {
            // Nobody minds an answer to somebody who has gone.
            Some((to, result)) => drop(to.send(result)),
            None => self.wake(),
        }
        answer
    }

    /// Asks for a function and waits for its result, TAPI_E_TIMEOUT after two minutes.
    pub(crate) async fn call(
        &self,
        method: &str,
        params: Value,
        purpose: Purpose,
    ) -> Result<Value, TapiError> {
        let answer = self.ask(method, params, purpose);
        answered(method, answer).await
    }

    /// Waits until the core is in a state.
    pub(crate) async fn until<T>(
        &self,
        mut wanted: impl FnMut(&Core<Waiter>) -> Option<T>,
    ) -> Result<T, TapiError> {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = wanted(&self.core()) {
                    return found;
                }
                changed.await;
            }
        };
        let late = || TapiError::new(TapiErrorCode::Timeout, "Nothing happened for two minutes.");
        timeout(PATIENCE, waiting).await.map_err(|_| late())
    }

    /// The next event; none after the end.
    pub(crate) async fn next_event(&self) -> Option<Event> {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            {
                let mut queue = self.queue();
                if queue.dropped > 0 {
                    let count = std::mem::take(&mut queue.dropped);
                    return Some(Event::Dropped { count });
                }
                if let Some(event) = queue.events.pop_front() {
                    return Some(event);
                }
                if queue.is_over {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// Puts events where the application fetches them. The oldest that do not fit are dropped
    /// when no lock is held any more.
    fn deliver(self: &Arc<Self>, raw: Vec<Raw>) {
        if raw.is_empty() {
            return;
        }
        let mut overrun = Vec::new();
        let made: Vec<Event> = raw.into_iter().map(|event| self.with_objects(event)).collect();
        {
            let mut queue = self.queue();
            if queue.is_over {
                drop(queue);
                return;
            }
            for event in made {
                if queue.events.len() >= self.config.max_events {
                    overrun.extend(queue.events.pop_front());
                    queue.dropped += 1;
                }
                queue.events.push_back(event);
            }
        }
        self.arrived.notify_waiters();
    }

    fn with_objects(self: &Arc<Self>, event: Raw) -> Event {
        event.map(
            |id| Call::adopt(self, id),
            |key| Address::new(self, key),
            |hub| CallHub::new(self, hub),
            |event| center::with_objects(self, event),
        )
    }

    /// Does something with the core, and then what follows from it: results, events, handles to
    /// give back.
    pub(crate) fn with_core<T>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Core<Waiter>, &mut Vec<Done<Waiter>>) -> T,
    ) -> T {
        let mut done = Vec::new();
        let (value, raw) = {
            let mut core = self.core();
            let value = act(&mut core, &mut done);
            (value, core.take_events())
        };
        self.deliver(raw);
        self.core().sweep();
        for (to, result) in done {
            drop(to.send(result));
        }
        self.changed.notify_waiters();
        self.wake();
        value
    }

    /// Ends the stream of events, after those that wait.
    pub(crate) fn end_events(&self) {
        self.queue().is_over = true;
        self.arrived.notify_waiters();
    }

    /// Ends the stream of events and forgets those that wait, which hold objects.
    pub(crate) fn forget_events(&self) {
        self.end_events();
        let forgotten = std::mem::take(&mut self.queue().events);
        drop(forgotten);
    }

    /// Ends the task that runs now, if there is one.
    pub(crate) fn stop(&self) {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).notify_one();
    }
}

/// Waits for the answer to a function that was asked for.
pub(crate) async fn answered(
    method: &str,
    answer: oneshot::Receiver<Result<Value, TapiError>>,
) -> Result<Value, TapiError> {
    match timeout(PATIENCE, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => {
            Err(TapiError::new(TapiErrorCode::Reinit, "The connection to the switch is lost."))
        }
        Err(_) => {
            let detail = format!("{method} was not done within two minutes.");
            Err(TapiError::new(TapiErrorCode::Timeout, detail))
        }
    }
}

/// Connects, and starts the task that serves the connection.
pub(crate) async fn start(shared: &Arc<Shared>) -> Result<(), TapiError> {
    let socket = shared.config.connect().await?;
    shared.queue().is_over = false;
    let stop = Arc::new(Notify::new());
    *shared.stop.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&stop);
    tokio::spawn(serve(Arc::clone(shared), stop, socket));
    Ok(())
}

/// Why a connection is not served any more.
enum End {
    Stopped,
    Broken,
}

async fn serve(shared: Arc<Shared>, stop: Arc<Notify>, mut socket: Socket) {
    while let End::Broken = converse(&shared, &stop, &mut socket).await {
        shared.with_core(|core, done| core.broken(done));
        match timeout(shared.config.resume_window, reconnect(&shared, &stop)).await {
            Ok(Some(resumed)) => socket = resumed,
            Ok(None) | Err(_) => {
                shared.with_core(|core, done| core.lose(done));
                shared.end_events();
                return;
            }
        }
    }
    // A switch that does not answer the close is left alone.
    drop(timeout(CLOSING, socket.close(None)).await);
}

/// Reads and writes until the connection or its use ends.
async fn converse(shared: &Arc<Shared>, stop: &Notify, socket: &mut Socket) -> End {
    loop {
        let unsent = shared.core().take_unsent();
        for text in unsent {
            if socket.send(Message::text(text)).await.is_err() {
                return End::Broken;
            }
        }
        tokio::select! {
            () = stop.notified() => return End::Stopped,
            () = shared.wake.notified() => {}
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let fault = shared.with_core(|core, done| core.receive(&text, done));
                    if fault.is_err() {
                        return End::Broken;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Broken,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// Connects again and takes the application up; none where the switch does not know it any more.
async fn reconnect(shared: &Arc<Shared>, stop: &Notify) -> Option<Socket> {
    let mut pause = BACKOFF.0;
    loop {
        let (id, text) = shared.core().resumption()?;
        tokio::select! {
            () = stop.notified() => return None,
            attempt = resume(shared, id, text) => match attempt {
                Ok(socket) => return Some(socket),
                Err(Attempt::Refused) => return None,
                Err(Attempt::Failed) => {}
            },
        }
        sleep(pause).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

enum Attempt {
    /// Worth another try.
    Failed,
    /// The switch has said no.
    Refused,
}

async fn resume(shared: &Arc<Shared>, id: u64, text: String) -> Result<Socket, Attempt> {
    let connected = shared.config.connect().await;
    let mut socket = connected.map_err(|error| match error.code {
        TapiErrorCode::AccessDenied | TapiErrorCode::InvalidArg => Attempt::Refused,
        _ => Attempt::Failed,
    })?;
    socket.send(Message::text(text)).await.map_err(|_| Attempt::Failed)?;
    loop {
        let message = timeout(CONNECTING, socket.next()).await.map_err(|_| Attempt::Failed)?;
        match message {
            Some(Ok(Message::Text(text))) => match Wire::<()>::is_response(&text, id) {
                Some(true) => return Ok(socket),
                Some(false) => return Err(Attempt::Refused),
                None => return Err(Attempt::Failed),
            },
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Attempt::Failed),
            Some(Ok(_)) => {}
        }
    }
}
