//! Bindings by line number.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::RandomState;
use dashmap::DashMap;
use sip_stack::flow::Flow;
use sip_stack::time::Now;

/// One contact of a line: where one phone is reached, and what it said of itself.
///
/// Source: RFC 3261 §10.3; sip-mapping §6.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Names it as long as it lives, over refreshes and restarts.
    pub id: u64,
    /// Number of the line, the user part of the address-of-record.
    pub line: String,
    /// The Contact's URI as the phone wrote it; an INVITE's Request-URI.
    pub uri: String,
    /// The Contact's parameters but `expires`, as the phone wrote them, from the first `;` on.
    pub params: String,
    /// Preference in thousandths.
    pub q: u16,
    /// When it ends.
    pub expires_at: Now,
    /// When it ends, in milliseconds since 1970.
    pub expires_at_unix_ms: u64,
    /// When it was made or last refreshed.
    pub refreshed_at: Now,
    /// When it was made or last refreshed, in milliseconds since 1970.
    pub registered_at_unix_ms: u64,
    /// Call-ID of the REGISTER that made or last refreshed it.
    pub call_id: String,
    /// CSeq of that REGISTER.
    pub cseq: u32,
    /// `+sip.instance`: which phone it is (RFC 5626).
    pub instance: Option<String>,
    /// `reg-id`: which of the phone's flows it is (RFC 5626).
    pub reg_id: Option<u32>,
    /// How it is reached.
    pub flow: Flow,
    /// Where the REGISTER came from.
    pub source: SocketAddr,
    /// Did the phone see itself at the address we see, with nothing translating in between?
    pub is_direct: bool,
    /// Can it be reached now? Not over a connection that is gone.
    pub is_reachable: bool,
    /// Path values, first hop first; the Route of an INVITE (RFC 3327).
    pub path: Vec<String>,
    /// User-Agent; may be empty.
    pub user_agent: String,
    /// Methods of Allow.
    pub allow: Vec<String>,
    /// Packages of Allow-Events.
    pub allow_events: Vec<String>,
    /// Option tags of Supported.
    pub supported: Vec<String>,
}

impl Binding {
    /// Did the phone say that it understands this event package?
    pub fn allows_event(&self, package: &str) -> bool {
        lists(&self.allow_events, package)
    }

    /// Did the phone say that it understands this method?
    pub fn allows(&self, method: &str) -> bool {
        self.allow.iter().any(|known| known == method)
    }

    /// Did the phone say that it supports this option tag?
    pub fn supports(&self, tag: &str) -> bool {
        lists(&self.supported, tag)
    }
}

fn lists(tokens: &[String], token: &str) -> bool {
    tokens.iter().any(|known| known.eq_ignore_ascii_case(token))
}

/// The location table. Keys come from the network's side of the configuration, so the hash is keyed.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    by_line: DashMap<String, Arc<[Arc<Binding>]>, RandomState>,
    count: AtomicUsize,
}

impl Bindings {
    /// Puts new bindings in place of the old ones, which are answered.
    pub(super) fn replace(&self, line: &str, bindings: Vec<Arc<Binding>>) -> Arc<[Arc<Binding>]> {
        let added = bindings.len();
        let old = if bindings.is_empty() {
            self.by_line.remove(line).map(|(_, old)| old)
        } else {
            self.by_line.insert(line.to_owned(), bindings.into())
        };
        let old = old.unwrap_or_else(|| Arc::from([]));
        // Added first: the count may be too high for a moment, but never below zero.
        self.count.fetch_add(added, Ordering::Relaxed);
        self.count.fetch_sub(old.len(), Ordering::Relaxed);
        old
    }

    /// The bindings of a line, as they are now.
    pub(super) fn of(&self, line: &str) -> Arc<[Arc<Binding>]> {
        self.by_line.get(line).map_or_else(|| Arc::from([]), |bindings| Arc::clone(&bindings))
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn line_count(&self) -> usize {
        self.by_line.len()
    }
}
