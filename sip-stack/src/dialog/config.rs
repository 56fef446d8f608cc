//! What an endpoint is configured with, and its ceilings.

use std::time::Duration;

use crate::transaction::Timers;

/// Ceilings of one endpoint. At each the request is refused with 503.
///
/// Source: security SEC-100.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Legs that the switch has; those that only wait for their last transaction come on top, at most
    /// as many as there may be transactions.
    pub legs: usize,
    /// Dialogs of subscriptions, on top of the legs.
    pub subscriptions: usize,
    /// Requests of peers that wait for an answer of the switch.
    pub requests: usize,
    /// Transactions of either side.
    pub transactions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { legs: 20_000, subscriptions: 50_000, requests: 10_000, transactions: 50_000 }
    }
}

/// Configuration of an [`Endpoint`](crate::endpoint::Endpoint).
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The value of User-Agent and Server; empty sends neither.
    pub user_agent: String,
    /// The ceilings.
    pub limits: Limits,
    /// Session-Expires that we ask for (RFC 4028 §4 recommends 1800 s).
    pub session_expires: Duration,
    /// Min-SE: shorter session timers are refused with 422. Never below 90 s.
    pub min_se: Duration,
    /// T1, T2 and T4.
    pub timers: Timers,
    /// Option tags the switch implements on top of ours (`100rel` and `timer`); they are listed
    /// in Supported and accepted in Require.
    pub extensions: Vec<String>,
    /// Event packages listed in Allow-Events; empty sends no such header.
    pub allow_events: Vec<String>,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            user_agent: "Strowger".to_owned(),
            limits: Limits::default(),
            session_expires: Duration::from_secs(1800),
            min_se: Duration::from_secs(90),
            timers: Timers::default(),
            extensions: vec!["replaces".to_owned(), "path".to_owned()],
            allow_events: Vec::new(),
        }
    }
}
