//! The server: applications and their requests on one side, the provider of calls on the other.
//!
//! Everything goes in through methods and comes out in [`Server::out`], in order. An input runs
//! to its end; the caller then takes the outputs, first to last: texts and closures for the
//! connections, intents for itself. An intent is answered with [`Server::complete`], before the
//! states that it causes are reported.

mod agent;
mod connection;
mod delivery;
mod detection;
mod observe;
mod provider;
mod proxy;
mod request;
mod rpc;
mod service;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::agent::AgentRequest;
use crate::constant::{BearerMode, CallTreatment, LineErr, ProxyRequest};
use crate::model::{
    Application, ApplicationId, CallKey, Calls, ConnectionId, DeviceId, DialParams, Line,
    LineFilter, Priorities,
};
use crate::op::Intent;
use crate::translate::Translation;

use proxy::Proxied;

pub(crate) use detection::{Gathering, Generation};
pub use observe::Observation;
pub use provider::{CallView, NewCall};
pub(crate) use proxy::NotServed;
pub(crate) use request::{Begun, Created};
pub use rpc::{MAX_BATCH, MAX_DEPTH, is_deep, methods};
pub use service::CompletionEnd;

/// Applications at one time; one more lineInitializeEx answers LINEERR_RESOURCEUNAVAIL.
pub const MAX_APPLICATIONS: usize = 4096;
/// Open lines of one application; one more lineOpen answers LINEERR_RESOURCEUNAVAIL.
pub const MAX_OPEN_LINES: usize = 16_384;
/// Unanswered asynchronous requests of one application; one more answers
/// LINEERR_RESOURCEUNAVAIL.
pub const MAX_PENDING_REQUESTS: usize = 1024;
/// IDLE calls kept because an application still has a handle. Beyond, the handles of the oldest
/// become invalid.
pub const MAX_IDLE_CALLS: usize = 16_384;

/// Requests that an application has not answered as an agent handler; one more answers
/// LINEERR_RESOURCEUNAVAIL.
pub const MAX_PROXY_REQUESTS: usize = 1024;
/// How long an application may take over a request as an agent handler; after that the client
/// gets LINEERR_OPERATIONFAILED. A little longer than the two minutes after which the methods of
/// TAPI 3 give up, so that those tell TAPI_E_TIMEOUT.
pub const PROXY_TIMEOUT: Duration = Duration::from_secs(122);

/// Close code for a reader that has fallen behind (IANA WebSocket registry: Try Again Later).
pub const CLOSE_TRY_AGAIN_LATER: u16 = 1013;
/// Close code for a connection whose application another connection has taken up.
pub const CLOSE_REPLACED: u16 = 1001;

/// What the configuration says about the control interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerConfig {
    /// Texts that a connection may be behind, as [`Server::written`] tells.
    pub max_queued_messages: usize,
    /// How long an application outlives a broken connection.
    pub resume_window: Duration,
    /// The domain whose numbers are called when a SIP URI is given as an address.
    pub domain: String,
    /// Makes the `instance` by which an application is resumed hard to guess.
    pub secret: u128,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_queued_messages: 10_000,
            resume_window: Duration::from_secs(60),
            domain: String::new(),
            secret: 0,
        }
    }
}

/// Names an asynchronous request until it is completed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestKey(pub(crate) u64);

/// What the server wants done.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// A text for a connection. Texts of one connection are to be written in this order.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// JSON, one WebSocket text message.
        text: String,
    },
    /// The connection is to be closed; the server has forgotten it.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// The WebSocket close code.
        code: u16,
        /// The reason that travels with it.
        reason: String,
    },
    /// An application's request, checked, to be carried out and then completed.
    Intent {
        /// To be given to [`Server::complete`].
        request: RequestKey,
        /// What is to be done.
        intent: Intent,
    },
}

/// Fields that an asynchronous function returns beside its result; a new call's handle is added
/// by the server.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ReplyFields(pub(crate) Map<String, Value>);

impl ReplyFields {
    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    filter: LineFilter,
    pub(crate) application: Option<ApplicationId>,
    /// Texts sent and not yet written.
    behind: usize,
    /// How many there may be: more than configured just after a resumption.
    limit: usize,
}

/// How an asynchronous request is answered.
#[derive(Clone, PartialEq, Debug)]
enum ReplyTo {
    /// By LINE_REPLY.
    Message,
    /// By the JSON-RPC response with this identifier, on this connection.
    Response(ConnectionId, Value),
    /// Not at all: its line was closed.
    Nobody,
}

/// What a request does to its call when it succeeds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Claims it: the requester's name goes into LINECALLINFO.dwAppName.
    Claim,
    /// Gives it digits.
    Dial {
        /// No more digits follow.
        is_complete: bool,
        /// Some digit was in the string.
        has_digits: bool,
    },
    /// Ends it.
    Drop,
    /// Makes it secure.
    Secure,
    /// Changes what its party hears while unanswered or held.
    Treatment(CallTreatment),
    /// Replaces the data that goes with it.
    CallData(String),
    /// Changes LINECALLINFO's parameters.
    Params {
        /// Transport quality.
        bearer_mode: BearerMode,
        /// Dialling times.
        dial_params: DialParams,
    },
    /// Makes place for more user-user information.
    ReleaseInfo,
    /// Registers a completion request of this identifier.
    Completion(u32),
    /// Asks an agent handler.
    Agent {
        /// The newest version that the client understands.
        version: u32,
        /// What is asked, where an application is the handler.
        proxied: Option<Box<AgentRequest>>,
    },
    /// Something else.
    Other,
}

/// An asynchronous request that the provider is working on.
#[derive(Debug)]
struct Pending {
    application: ApplicationId,
    request_id: u32,
    reply_to: ReplyTo,
    h_line: u32,
    device: DeviceId,
    call: Option<CallKey>,
    created: Vec<Created>,
    purpose: Purpose,
}

/// The TAPI server. See the module for how it is driven.
#[derive(Debug)]
pub struct Server {
    /// What is to be done, in order; the owner drains it.
    pub out: Vec<Output>,
    /// What applications have been told, in order, for others to follow; the owner drains it.
    pub observed: Vec<Observation>,
    pub(crate) config: ServerConfig,
    pub(crate) now_ms: u64,
    pub(crate) connections: HashMap<ConnectionId, Connection>,
    pub(crate) applications: BTreeMap<ApplicationId, Application>,
    pub(crate) lines: Vec<Line>,
    by_number: HashMap<String, DeviceId>,
    pub(crate) calls: Calls,
    requests: BTreeMap<RequestKey, Pending>,
    /// IDLE calls that are still held, in the order they ended.
    idle: BTreeMap<u64, CallKey>,
    last_idle: u64,
    pub(crate) priorities: Priorities,
    last_application: u64,
    last_request: u64,
    /// Outputs that follow the response of the request being worked on.
    deferred: Vec<Output>,
    /// Requests that are done as soon as their response has gone out.
    settled: Vec<RequestKey>,
    /// Calls whose digits are gathered.
    gatherings: BTreeMap<CallKey, Gathering>,
    /// Digits and tones that are being sent.
    generations: BTreeMap<RequestKey, Generation>,
    last_joined: u64,
    last_completion: u32,
    /// Which open line of which application serves a line's requests of a type.
    proxies: BTreeMap<(DeviceId, ProxyRequest), (ApplicationId, u32)>,
    /// Requests that applications are working on as agent handlers, by `proxyRequest`.
    proxied: BTreeMap<u32, Proxied>,
    /// Locations and cards of address translation; none where it is not offered.
    pub(crate) translation: Option<Translation>,
}

impl Server {
    /// A server without lines.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            out: Vec::new(),
            observed: Vec::new(),
            config,
            now_ms: 0,
            connections: HashMap::new(),
            applications: BTreeMap::new(),
            lines: Vec::new(),
            by_number: HashMap::new(),
            calls: Calls::default(),
            requests: BTreeMap::new(),
            idle: BTreeMap::new(),
            last_idle: 0,
            priorities: Priorities::default(),
            last_application: 0,
            last_request: 0,
            deferred: Vec::new(),
            settled: Vec::new(),
            gatherings: BTreeMap::new(),
            generations: BTreeMap::new(),
            last_joined: 0,
            last_completion: 0,
            proxies: BTreeMap::new(),
            proxied: BTreeMap::new(),
            translation: None,
        }
    }

    /// How many calls are kept, IDLE ones with a handle included.
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// How many applications there are, those waiting to be resumed included.
    pub fn application_count(&self) -> usize {
        self.applications.len()
    }

    /// How many asynchronous requests await [`Server::complete`].
    pub fn request_count(&self) -> usize {
        self.requests.len()
    }

    fn tick(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }
}

/// Why a request is answered with an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A TAPI error with one sentence of detail.
    Line(LineErr, String),
    /// Parameters of a wrong JSON type.
    Params(String),
}

impl Fault {
    pub(crate) fn line(error: LineErr, detail: impl Into<String>) -> Self {
        Self::Line(error, detail.into())
    }
}
