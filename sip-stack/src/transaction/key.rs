//! How messages find their transactions: RFC 3261 §17.1.3, §17.2.3 and §8.2.2.2.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::flow::{Flow, Transport};
use crate::header::{Rport, Via};
use crate::message::{HeaderName, Message, Method};
use crate::slab::Key;

use super::generate::BRANCH_COOKIE;

/// What a request is matched by, taken from its headers once.
#[derive(Clone, Debug)]
pub(super) struct RequestKeys {
    /// Equal for a request and its echoes (and for an INVITE, its ACK and its CANCEL).
    pub(super) transaction: Box<str>,
    /// Equal for the copies of a request that came over different paths.
    pub(super) call: Box<str>,
    /// Whether the request was sent inside a dialog.
    pub(super) has_to_tag: bool,
    /// Where responses go.
    pub(super) reply_to: Flow,
}

impl RequestKeys {
    /// The keys, unless a field that makes a transaction is missing or malformed.
    ///
    /// ACK and CANCEL get the keys of the INVITE they belong to.
    pub(super) fn of(message: &Message, flow: &Flow) -> Option<Self> {
        let via = message.via().ok()?;
        let from = message.from().ok()?;
        let from_tag = from.tag().unwrap_or("");
        let to = message.to().ok()?;
        let number = message.cseq().ok()?.number;
        let call_id = message.call_id();
        if call_id.is_empty() {
            return None;
        }
        let method = match message.method() {
            Method::Ack | Method::Cancel => Method::Invite,
            method => method,
        };
        // The separator occurs in no header value.
        let call = format!("{call_id}\n{from_tag}\n{number} {method}");
        let transaction = match transaction_branch(&via) {
            // RFC 3261 §17.2.3: branch, sent-by and method.
            Some(branch) => format!("{branch}\n{}\n{method}", sent_by(&via)),
            // The older rules: Request-URI, tags, Call-ID, CSeq and the whole top Via. The To tag
            // is left out: an ACK carries the one of the response, and no two requests that are
            // equal in all the rest differ in it.
            None => {
                let top = message.list(HeaderName::Via).next().unwrap_or("");
                format!("\n{}\n{call}\n{top}", message.request_uri().unwrap_or(""))
            }
        };
        Some(Self {
            transaction: transaction.into(),
            call: call.into(),
            has_to_tag: to.tag().is_some(),
            reply_to: reply_flow(&via, flow),
        })
    }
}

/// The branch, if it is one that RFC 3261 promises to be unique: the cookie and more.
pub(super) fn transaction_branch<'a>(via: &Via<'a>) -> Option<&'a str> {
    via.branch.filter(|branch| {
        branch.len() > BRANCH_COOKIE.len()
            && branch
                .get(..BRANCH_COOKIE.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(BRANCH_COOKIE))
    })
}

fn sent_by(via: &Via<'_>) -> String {
    let mut text = via.host.to_ascii_lowercase();
    if let Some(port) = via.port {
        // A blank, for an IPv6 address has colons of its own.
        text.push(' ');
        text.push_str(&port.to_string());
    }
    text
}

/// Where the responses to a request go.
///
/// They go to the true source, never to a host that the message names (RFC 3261 §18.2.2 without
/// `maddr`). On UDP without `rport` (RFC 3581) the port is that of the sent-by, unless its address
/// is not the source's: then the peer is behind a NAT, where only the source port leads back.
fn reply_flow(via: &Via<'_>, flow: &Flow) -> Flow {
    if flow.transport.is_reliable() || via.rport != Rport::Absent {
        return *flow;
    }
    let is_elsewhere = via
        .host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|host| host.to_canonical() != flow.remote.ip().to_canonical());
    if is_elsewhere {
        return *flow;
    }
    let mut reply_to = *flow;
    reply_to.remote.set_port(via.port.unwrap_or(flow.transport.default_port()));
    reply_to
}

/// Which transactions use which path: finds those that a broken path concerns.
#[derive(Debug, Default)]
pub(super) struct PathIndex(BTreeSet<(Transport, SocketAddr, Key)>);

impl PathIndex {
    pub(super) fn insert(&mut self, flow: &Flow, key: Key) {
        self.0.insert((flow.transport, canonical(flow.remote), key));
    }

    pub(super) fn remove(&mut self, flow: &Flow, key: Key) {
        self.0.remove(&(flow.transport, canonical(flow.remote), key));
    }

    pub(super) fn of(&self, flow: &Flow) -> Vec<Key> {
        let (transport, remote) = (flow.transport, canonical(flow.remote));
        let first = (transport, remote, Key::from_bits(0));
        let last = (transport, remote, Key::from_bits(u64::MAX));
        self.0.range(first..=last).map(|(_, _, key)| *key).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
