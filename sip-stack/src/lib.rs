//! SIP and SDP for a B2BUA: text, transactions, dialogs, offer/answer, transports.
//!
//! Everything but [`transport`] is a state machine without I/O: it takes an input and the time and
//! returns outputs. Without the feature `net` there is no socket and no runtime in this crate.

pub mod auth;
pub mod dialog;
pub mod endpoint;
pub mod flow;
pub mod guard;
pub mod header;
#[cfg(feature = "rsip")]
pub mod interop;
pub mod message;
pub mod sdp;
pub mod slab;
pub mod subscription;
pub mod time;
pub mod transaction;
#[cfg(feature = "net")]
pub mod transport;
pub mod uri;
