//! The call centre of a switch: TAPI's agents, agent sessions, groups and queues (tapi-agents 1),
//! and automatic call distribution over them.
//!
//! [`Center`] is a state machine without I/O. The exchange tells what happens to waiting calls and to
//! phones, applications ask through [`AgentRequest`](tapi::agent::AgentRequest)s, and out come
//! [`Output`]s: which phone shall ring for which call, which call must go elsewhere, what is announced
//! to whom, and the messages for every application. It knows no SIP, no media, no socket and no clock:
//! the time is an argument, and chance comes from a seed.
//!
//! The contract with the exchange:
//!
//! 1. [`Center::enqueue`] each call that enters a queue. It stays with the centre until it is answered,
//!    until an [`Output::Overflow`], or until [`abandon`](Center::abandon),
//!    [`take_away`](Center::take_away) or [`flow`](Center::flow) says that it is gone.
//! 2. For each [`Output::Ring`] ring that phone; then tell [`ringing`](Center::ringing) and one of
//!    [`answered`](Center::answered) or [`refused`](Center::refused), unless
//!    [`Output::StopRinging`] came first.
//! 3. [`left`](Center::left) once an answered call is gone from the agent's address.
//! 4. [`phone`](Center::phone) on every change of a phone: without it nobody is eligible.
//! 5. After every call of a method take [`outputs`](Center::outputs), and [`tick`](Center::tick) at
//!    [`next_timer`](Center::next_timer).

mod agent;
mod center;
mod desk;
mod identity;
mod limit;
mod output;
mod plan;
mod queue;
mod session;
mod snapshot;
mod statistics;
mod time;
mod timer;
mod view;

pub use center::{Center, LoggedIn, LoginError, NotOffered, QueueRefusal, Unknown};
pub use desk::PhoneState;
pub use identity::{group_id, handler_id};
pub use limit::{MAX_ADDRESSES, MAX_AGENTS, MAX_ENDED_SESSIONS, MAX_SESSIONS, MAX_WAITING_CALLS};
pub use output::{Output, Overflowed};
pub use plan::{
    AgentPlan, Destination, EmptyQueue, GroupPlan, Overflow, Pin, Plan, QueuePlan, Strategy,
};
pub use queue::{CallKey, Refusal, WaitingCall};
pub use session::{Asked, asked};
pub use snapshot::Snapshot;
pub use statistics::QueueStatistics;
pub use time::Time;
pub use view::{AgentView, GroupView, QueueView, SessionView, WaitingView};
