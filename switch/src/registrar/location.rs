//! How a binding is reached, and how it is kept over a restart.

use std::net::SocketAddr;
use std::time::Duration;

use sip_stack::flow::{Flow, Transport};
use sip_stack::message::Message;
use sip_stack::time::Now;
use sip_stack::uri::{SipUri, Uri};

use crate::exchange::Clock;
use crate::registry::Binding;
use crate::store::StoredBinding;

/// Does the sender see itself at the address we see? Then nothing translates addresses in between.
///
/// A stream's source port is the kernel's choice and says nothing.
pub(super) fn is_direct(message: &Message, flow: &Flow) -> bool {
    message.via().is_ok_and(|via| {
        let host = sip_stack::uri::parse_ip(via.host);
        let is_same_host = host.is_some_and(|host| host.to_canonical() == source_ip(flow));
        let port = via.port.unwrap_or(flow.transport.default_port());
        is_same_host && (flow.transport.is_reliable() || port == flow.remote.port())
    })
}

/// The flow that an INVITE for this contact takes.
///
/// Requests go back to where the REGISTER came from (RFC 3581 and 5626 in spirit: it works through
/// NAT). Only a contact on the sender's own host, without NAT between, is believed to be where it
/// says: that is how one host registers several phones.
pub(super) fn reach(contact: &SipUri<'_>, is_direct: bool, flow: Flow) -> Flow {
    match address_of(contact, &flow) {
        Some(remote) if is_direct && flow.transport == Transport::Udp => Flow { remote, ..flow },
        _ => flow,
    }
}

/// The binding when its connection is gone.
pub(super) fn without_connection(binding: Binding) -> Binding {
    let flow = Flow { connection: None, ..binding.flow };
    // A phone behind TLS or WebSocket is never called back: it proves no name (RFC 5626 §5.3).
    let may_open = flow.transport == Transport::Tcp;
    let contact = match Uri::parse(&binding.uri) {
        Ok(Uri::Sip(contact)) if binding.is_direct && may_open => address_of(&contact, &flow),
        _ => None,
    };
    match contact {
        Some(remote) => Binding { flow: Flow { remote, ..flow }, ..binding },
        None => Binding { flow, is_reachable: false, ..binding },
    }
}

/// The contact's address, if it is one on the host that the flow leads to.
fn address_of(contact: &SipUri<'_>, flow: &Flow) -> Option<SocketAddr> {
    let ip = contact.ip().filter(|ip| ip.to_canonical() == source_ip(flow))?;
    Some(SocketAddr::new(ip, contact.port_or_default()))
}

fn source_ip(flow: &Flow) -> std::net::IpAddr {
    flow.remote.ip().to_canonical()
}

/// A binding as a row.
pub(super) fn stored(binding: &Binding) -> StoredBinding {
    StoredBinding {
        id: binding.id,
        line: binding.line.clone(),
        uri: binding.uri.clone(),
        params: binding.params.clone(),
        q: binding.q,
        expires_at_unix_ms: binding.expires_at_unix_ms,
        registered_at_unix_ms: binding.registered_at_unix_ms,
        call_id: binding.call_id.clone(),
        cseq: binding.cseq,
        instance: binding.instance.clone(),
        reg_id: binding.reg_id,
        transport: binding.flow.transport.uri_param().to_owned(),
        local: binding.flow.local.to_string(),
        remote: binding.source.to_string(),
        is_direct: binding.is_direct,
        path: binding.path.clone(),
        user_agent: binding.user_agent.clone(),
        allow: binding.allow.clone(),
        allow_events: binding.allow_events.clone(),
        supported: binding.supported.clone(),
    }
}

/// A row as a binding; none if it has ended, or cannot be read (a row that another program wrote).
pub(super) fn restored(clock: Clock, row: StoredBinding) -> Option<Binding> {
    let left = row.expires_at_unix_ms.checked_sub(clock.unix_ms).filter(|left| *left > 0)?;
    // The machine's clock may have been set back meanwhile: nothing lasts longer than it was given.
    let left = left.min(row.expires_at_unix_ms.saturating_sub(row.registered_at_unix_ms));
    let source = row.remote.parse().ok()?;
    let transport = Transport::from_token(&row.transport)?;
    let flow = Flow { transport, local: row.local.parse().ok()?, remote: source, connection: None };
    let Ok(Uri::Sip(contact)) = Uri::parse(&row.uri) else { return None };
    let flow = reach(&contact, row.is_direct, flow);
    let binding = Binding {
        id: row.id,
        q: row.q,
        expires_at: clock.now + Duration::from_millis(left),
        expires_at_unix_ms: row.expires_at_unix_ms,
        // Before anything of this run.
        refreshed_at: Now::ZERO,
        registered_at_unix_ms: row.registered_at_unix_ms,
        cseq: row.cseq,
        reg_id: row.reg_id,
        flow,
        source,
        is_direct: row.is_direct,
        is_reachable: true,
        line: row.line,
        uri: row.uri,
        params: row.params,
        call_id: row.call_id,
        instance: row.instance,
        path: row.path,
        user_agent: row.user_agent,
        allow: row.allow,
        allow_events: row.allow_events,
        supported: row.supported,
    };
    Some(if transport.is_reliable() { without_connection(binding) } else { binding })
}
