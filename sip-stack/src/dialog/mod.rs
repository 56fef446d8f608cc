//! INVITE dialogs: RFC 3261 §12–§15 with 100rel, UPDATE, session timers and the race cases.
//!
//! Owns the state of a leg and everything that is said inside it: route sets, target refresh,
//! early dialogs of forks, the ACK and the repetition of 2xx, offers that meet, refreshes. Must
//! not know the other leg, TAPI or media. Hop 4 of an INVITE's path in, hop 6 on its way out;
//! [`endpoint`](crate::endpoint) is its door.

mod command;
mod config;
pub(crate) mod core;
mod event;
pub(crate) mod identity;
pub(crate) mod invite_client;
pub(crate) mod invite_server;
pub(crate) mod leave;
pub(crate) mod leg;
pub(crate) mod offer;
mod peer;
pub(crate) mod refresh;
pub(crate) mod reliability;
pub(crate) mod route_set;
pub(crate) mod session_timer;
pub(crate) mod text;

pub use command::{
    Body, HeaderField, InDialogRequest, Invite, LegView, OutOfDialog, Release, Reply, Subscribe,
    TargetPolicy,
};
pub use config::{EndpointConfig, Limits};
pub use event::{EndCause, Event, LegId, OfferVia, Outbox, RefusalSource, RequestId};
