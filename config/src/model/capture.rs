//! Section about what is kept of SIP messages for administrators.

use std::net::SocketAddr;

/// `[capture]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Octets of the last SIP messages that are kept for ladders; 0 keeps none. Default 8 MiB.
    pub kept: usize,
    /// The HEP collector that gets a copy of every message; default none.
    pub hep: Option<SocketAddr>,
    /// What the collector knows this switch by; default 2001.
    pub node: u32,
}

impl Default for Capture {
    fn default() -> Self {
        Self { kept: 8 << 20, hep: None, node: 2001 }
    }
}
