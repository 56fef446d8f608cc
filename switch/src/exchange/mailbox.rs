//! What goes into the exchange and what comes out of it: the joint between the rim and call control.
//!
//! The rim owns sockets, clocks and threads. It calls [`Exchange::handle`](super::Exchange::handle)
//! with one [`Input`] at a time and carries out every [`Output`] in order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use config::Config;
use serde_json::Value;
use sip_stack::flow::{Flow, Received, Transmit, Transport};
use sip_stack::message::ParseError;
use sip_stack::time::Now;

use crate::call::supervise::Hearing;
pub use crate::feature::forward::ForwardEntry;
use crate::store::Change;

/// The two clocks, read once by the rim for each input.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Monotonic time: timers, durations.
    pub now: Now,
    /// Wall-clock time in milliseconds since 1970, which never jumps: records, nonces, registrations.
    pub unix_ms: u64,
}

/// Names one WebSocket connection of `/tapi`; never reused while the process lives.
pub type ConnectionId = u64;

/// Names one waiting HTTP request; its answer carries the same number.
pub type AnswerToken = u64;

/// One thing that happened outside.
#[derive(Debug)]
pub enum Input {
    /// A SIP message that could be parsed.
    Sip(Received),
    /// Bytes on a SIP socket that are no message; `flow` is where an answer, if one is due, goes.
    Malformed {
        /// What arrived.
        bytes: bytes::Bytes,
        /// What is wrong with it.
        error: ParseError,
        /// Where it came from.
        flow: Flow,
    },
    /// The peer of a connection has proved these names by its certificate, lower case; comes before
    /// its messages.
    Identified {
        /// The connection.
        flow: Flow,
        /// SIP domains and addresses (RFC 5922 §7.1).
        names: Arc<[String]>,
    },
    /// Something could not be sent on this flow (connection refused, full, unreachable).
    TransportFailed(Flow),
    /// A connection that goes on did not take this message.
    Unsent(Transmit),
    /// A stream connection is gone.
    Closed(Flow),
    /// Something on a `/tapi` connection.
    Application(ApplicationInput),
    /// A question or an action of an administrator; answered by [`Output::Answer`].
    Administrator {
        /// Comes back with the answer.
        token: AnswerToken,
        /// What is asked.
        request: AdminRequest,
    },
    /// The relay noticed something.
    Media(media::Notify),
    /// The addresses of a trunk's peer, best first; empty when resolution failed.
    Resolved {
        /// The trunk's name in the configuration.
        trunk: String,
        /// Where its peer listens.
        targets: Vec<(Transport, SocketAddr)>,
    },
    /// A new, valid configuration.
    Reload(Arc<Config>),
    /// Refuse new calls; [`Output::Drained`] comes when the last call has ended.
    Drain,
    /// End every call with BYE; [`Output::Drained`] follows.
    Stop,
    /// The process is about to end: give the store what it has not got yet; [`Output::Rested`] comes when
    /// nothing that was said waits for an answer.
    Rest,
}

/// What happens on a `/tapi` connection.
#[derive(Debug)]
pub enum ApplicationInput {
    /// The WebSocket is open and authenticated.
    Connected {
        /// The new connection.
        connection: ConnectionId,
        /// The lines the token may see; `None` means all.
        lines: Option<Vec<String>>,
    },
    /// One text frame.
    Text {
        /// The connection.
        connection: ConnectionId,
        /// JSON-RPC text.
        text: String,
    },
    /// So many text frames have been written to the socket: the reader keeps up.
    Written {
        /// The connection.
        connection: ConnectionId,
        /// How many since the last such input.
        texts: usize,
    },
    /// The WebSocket is gone without a word of the application, or we closed it: the application
    /// may be resumed.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
    },
    /// The application closed the WebSocket: like lineShutdown, that ends it.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
}

/// Questions and actions of the HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminRequest {
    /// Rows of `GET lines`.
    Lines,
    /// Rows of `GET registrations`.
    Registrations,
    /// Rows of `GET calls`.
    Calls,
    /// Rows of `GET media`.
    Media,
    /// Rows of `GET media/paths`.
    MediaPaths,
    /// Rows of `GET recordings`.
    Recordings,
    /// Rows of `GET trunks`.
    Trunks,
    /// Rows of `GET park`.
    Park,
    /// Rows of `GET pickup-groups`.
    PickupGroups,
    /// Rows of `GET subscriptions`.
    Subscriptions,
    /// `PUT lines/{line}/message-waiting`: so many messages wait at the line.
    SetMessageWaiting {
        /// The line.
        line: String,
        /// How many; zero puts the lamp out.
        count: u32,
    },
    /// Rows of `GET completions`.
    Completions,
    /// `DELETE completions/{completionId}`: somebody waits no more.
    CancelCompletion {
        /// The completion identifier.
        completion: u32,
    },
    /// `DELETE lines/{line}/messages`: what was left for a line has been read.
    ClearMessages {
        /// The line.
        line: String,
    },
    /// Rows of `GET queues`.
    Queues,
    /// Rows of `GET agents`.
    Agents,
    /// Rows of `GET agent-sessions`.
    AgentSessions,
    /// `POST agents/{agent}/…`, `PUT agents/{agent}/state`.
    AgentAction {
        /// The agent's identifier.
        agent: String,
        /// What is done.
        action: AgentAction,
        /// The lines that the one who asks may use, if not all: an agent who works at another one as well
        /// is out of reach.
        lines: Option<BTreeSet<String>>,
    },
    /// Click to dial: `POST calls`.
    MakeCall {
        /// The line whose phone rings first.
        from: String,
        /// The number to call.
        to: String,
    },
    /// `POST calls/{callId}/{action}`: the party at `line` acts.
    CallAction {
        /// dwCallID.
        call_id: u32,
        /// The acting party's line.
        line: String,
        /// What it does.
        action: CallAction,
    },
    /// `POST calls/{callId}/redirect`: the call that is offered to `line` goes to another number.
    Redirect {
        /// dwCallID.
        call_id: u32,
        /// The line it is offered to.
        line: String,
        /// Where it goes.
        to: String,
    },
    /// `PUT lines/{line}/forwarding`: this list in place of the former one.
    SetForwarding {
        /// The line.
        line: String,
        /// LINEFORWARDLIST.
        forward_list: Vec<ForwardEntry>,
        /// dwNumRingsNoAnswer; `None` means the line's `ring_timeout`.
        rings: Option<u32>,
    },
    /// `PUT lines/{line}/dnd`.
    SetDnd {
        /// The line.
        line: String,
        /// On or off.
        is_on: bool,
    },
}

impl AdminRequest {
    /// Whether it only asks: whoever got no answer may ask again.
    pub fn is_question(&self) -> bool {
        matches!(
            self,
            Self::Lines
                | Self::Registrations
                | Self::Calls
                | Self::Media
                | Self::MediaPaths
                | Self::Recordings
                | Self::Trunks
                | Self::Park
                | Self::PickupGroups
                | Self::Subscriptions
                | Self::Completions
                | Self::Queues
                | Self::Agents
                | Self::AgentSessions
        )
    }
}

/// What can be done with an agent over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentAction {
    /// It works at this line from now on.
    LogIn {
        /// The line.
        line: String,
    },
    /// It works no more.
    LogOut,
    /// It takes calls, or none.
    SetReady(bool),
    /// A supervisor joins its call.
    Supervise {
        /// The supervisor's line.
        line: String,
        /// Who hears the supervisor.
        hearing: Hearing,
    },
}

/// What a party can do to a call over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallAction {
    /// Hang up.
    Drop,
    /// Put on hold.
    Hold,
    /// Take back.
    Unhold,
    /// Park the other party.
    Park {
        /// In this slot; otherwise in the first free one of the first lot.
        slot: Option<String>,
    },
    /// Record what the party says and hears.
    Record {
        /// What the file shall be, if not what the configuration says.
        format: Option<config::RecordingFormat>,
    },
    /// End its recording.
    StopRecording,
    /// Send the other party to a number, without asking there first.
    Transfer {
        /// The number.
        to: String,
    },
}

/// Why an administrator's request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// One sentence that says what to do.
    pub detail: String,
}

/// What is worth a line in the security log besides refused authentications and barred calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// A line that says it is another one.
    SpoofedIdentity,
    /// A line that speaks in a dialog of another one.
    Hijack,
    /// Replaces of something that the line may not take, or that is not there.
    BadReplaces,
    /// What is no SIP message.
    Malformed,
    /// Packets came to a call's ports from somebody else.
    ForeignMedia,
    /// A login that was good, from where or with what the line never was.
    NewNetwork,
    /// A line whose password is guessed.
    AccountAttack,
}

/// One thing the rim has to do.
#[derive(Debug)]
pub enum Output {
    /// Send SIP.
    Transmit(Transmit),
    /// Send a text frame to an application.
    Application {
        /// The connection.
        connection: ConnectionId,
        /// JSON-RPC text.
        text: String,
    },
    /// Close an application's connection.
    CloseApplication {
        /// The connection.
        connection: ConnectionId,
        /// WebSocket close code.
        code: u16,
        /// The reason, one sentence.
        reason: String,
    },
    /// The answer to [`Input::Administrator`]: rows for questions, an object for actions.
    Answer {
        /// The request's token.
        token: AnswerToken,
        /// Rows or the fault.
        answer: Result<Value, Problem>,
    },
    /// One line of `GET events`: the number rises by one with each.
    Event {
        /// The event's number.
        number: u64,
        /// What happened: `{"number", "time", "kind", …}`.
        event: Value,
    },
    /// A SIP dialog belongs to a call, from now on.
    Dialog {
        /// dwCallID.
        call_id: u32,
        /// The Call-ID header's value.
        dialog: String,
    },
    /// Keep this over a restart.
    Store(Change),
    /// A line that fail2ban can match: one refused authentication.
    AuthenticationRefused {
        /// Source address.
        source: SocketAddr,
        /// The line it claimed to be, as far as it is printable.
        line: String,
        /// Why.
        reason: &'static str,
        /// Whether this was sent from where it seems to come from: only then may somebody be kept
        /// out for it.
        is_proven: bool,
    },
    /// A call through a trunk that was not allowed.
    CallBarred {
        /// Where the caller is, if it has a phone on the line.
        source: Option<SocketAddr>,
        /// The caller's line; empty for others.
        line: String,
        /// Why.
        reason: &'static str,
    },
    /// A line of the security log.
    Suspicious {
        /// What it is.
        what: Suspicion,
        /// Who did it, where that is known.
        source: Option<SocketAddr>,
        /// The line it is about; empty for none.
        line: String,
        /// What happened.
        reason: String,
    },
    /// A wrong answer to a challenge that was given to this very address; counts towards a ban.
    LoginFailed(SocketAddr),
    /// A request that came from here was authenticated.
    LoggedIn(SocketAddr),
    /// After [`Input::Drain`] or [`Input::Stop`]: no call is left.
    Drained,
    /// After [`Input::Rest`]: the last words have been heard.
    Rested,
}
