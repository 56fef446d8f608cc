//! The TAPI half of Strowger: vocabulary, objects, rules and messages of line control.
//!
//! [`server::Server`] is the whole contract of the control interface without a socket, a clock or
//! a word of SIP: JSON-RPC text of an application goes in, and out come responses, LINE_ messages
//! in order, and [`Intent`]s for whoever carries calls. The provider of the calls reports what
//! happened to them; the server tells every application that holds a handle.
//!
//! With the feature `client` the crate is also the other side: module `client` has the
//! TAPI 3 objects for applications in Rust.
//!
//! Times are milliseconds since the Unix epoch, passed in by the caller.

pub mod agent;
pub mod calendar;
#[cfg(feature = "client")]
pub mod client;
pub mod constant;
pub mod feature;
pub mod message;
pub mod model;
mod op;
pub mod server;
pub mod translate;

pub use agent::{AgentAnswer, AgentNotice, AgentRequest};
pub use constant::{Constant, LineErr, Mask};
pub use model::{
    AddressId, AddressSpec, AgentService, ApplicationId, CallCapability, CallInfo, CallKey,
    CallMode, CallParams, CompletionLimits, ConnectionId, DeviceId, Forward, ForwardLimits,
    Forwarding, LineFilter, LineOffers, LineSpec, Offers, PartyId, Tone,
};
pub use op::{GeneratedTone, Intent, PickupTarget, offered_functions};
pub use server::{
    CompletionEnd, NewCall, Observation, Output, ReplyFields, RequestKey, Server, ServerConfig,
};
