//! Transactions: the four machines of RFC 3261 §17 with the corrections of RFC 6026.
//!
//! [`Layer`] owns every transaction of an endpoint: it matches messages to transactions, absorbs
//! and sends retransmissions, acknowledges refusals and answers CANCEL. It must not know dialogs,
//! calls, passwords or sockets. Hop 3 of an INVITE's path in, hop 7 on its way out.
//!
//! The order of use: feed [`Layer::receive`], [`Layer::transport_failed`] and [`Layer::expire`];
//! command with [`Layer::request`], [`Layer::cancel`], [`Layer::respond`] and their relatives; after
//! each of these, send what is in [`Outbox::transmits`] and handle what is in [`Outbox::events`];
//! call [`Layer::expire`] again at [`Layer::next_deadline`].

mod client;
mod event;
mod generate;
mod incoming;
mod invite_client;
mod invite_server;
mod key;
mod layer;
mod outgoing;
mod server;
#[cfg(test)]
mod tests;
mod timer;

pub use event::{
    ClientKey, Counters, Event, Full, Limits, MAX_CLIENT_TRANSACTIONS, MAX_SERVER_TRANSACTIONS,
    Outbox, Outgoing, ServerKey,
};
pub use generate::{BRANCH_COOKIE, new_branch, stamp_via, stateless_tag};
pub use layer::Layer;
pub use timer::Timers;
