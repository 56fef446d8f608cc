//! The notifier of the SIP event framework: what a SUBSCRIBE asks for, and when NOTIFY goes out.
//!
//! [`read`] checks a SUBSCRIBE. [`Notifier`] keeps the subscriptions: how long each lives, that one
//! NOTIFY at a time is on its way and the newest state follows it, and what a refusal of NOTIFY
//! means. It knows neither messages nor what is watched: the switch writes the documents and sends
//! them in the dialogs that the [`Endpoint`](crate::endpoint::Endpoint) keeps.
//!
//! Source: RFC 6665 §4.2; sip-mapping §1.1 "Events and presence", §3.12.

mod notifier;
mod request;
#[cfg(test)]
mod tests;

pub use notifier::{Ended, Notice, Notifier, Pace, Reason, SubscriptionId};
pub use request::{Asked, Bounds, Package, matches_event, read, read_expires};
