//! From a URI's host to the servers to try, in order (RFC 3263 §4).

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{Lookup, LookupError, Srv, ordering};
use crate::{flow::Transport, time::Entropy};

/// What a URI says about where it leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// The transport parameter, if there is one.
    pub transport: Option<Transport>,
    /// Whether the URI is a SIPS URI.
    pub is_secure: bool,
}

/// No server can be named for a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The domain has no usable record.
    #[error("the host has no address")]
    NoAddress,
    /// The domain offers no transport that is spoken here.
    #[error("no transport in common with the host")]
    NoTransport,
    /// The name servers do not answer.
    #[error("the name servers do not answer")]
    Unavailable,
}

/// Finds servers; one per exchange.
#[derive(Clone)]
pub struct Resolver {
    lookup: Arc<dyn Lookup>,
    transports: Vec<Transport>,
    has_ipv4: bool,
    has_ipv6: bool,
}

/// Most addresses that one resolution yields.
const MAX_SERVERS: usize = 32;
/// Most records of one answer that are looked at.
const MAX_RECORDS: usize = 32;

/// One way to the servers: a transport and the name whose SRV records list them.
struct Service {
    transport: Transport,
    name: String,
}

impl Resolver {
    /// A resolver for a stack that speaks `transports`, in order of preference, over the address
    /// families of its listeners.
    pub fn new(
        lookup: Arc<dyn Lookup>,
        transports: &[Transport],
        has_ipv4: bool,
        has_ipv6: bool,
    ) -> Self {
        Resolver { lookup, transports: transports.to_vec(), has_ipv4, has_ipv6 }
    }

    /// The servers of a target in the order in which they are to be tried.
    ///
    /// A numeric host or an explicit port skips NAPTR and SRV; a transport parameter skips
    /// NAPTR. Without records the host's own addresses and the default port are used. A missing
    /// or broken answer for one server does not hide the others.
    ///
    /// Source: RFC 3263 §4.1, §4.2; RFC 2782; RFC 7118 §4.
    /// Errors: nothing to try.
    pub async fn resolve(
        &self,
        target: &Target,
        entropy: &mut (dyn Entropy + Send),
    ) -> Result<Vec<(Transport, SocketAddr)>, ResolveError> {
        let transport = self.written_transport(target)?;
        let port = |transport: Transport| target.port.unwrap_or(transport.default_port());
        if let Ok(address) = target.host.parse::<IpAddr>() {
            let address = address.to_canonical();
            let transport = self.or_default(transport, target.is_secure)?;
            return if self.is_reachable(&address) {
                Ok(vec![(transport, SocketAddr::new(address, port(transport)))])
            } else {
                Err(ResolveError::NoAddress)
            };
        }
        let host = target.host.trim_end_matches('.');
        let mut servers = Vec::new();
        let mut outage = None;
        if target.port.is_none() {
            let services = self.services(host, transport, target.is_secure).await?;
            for service in services {
                match self.lookup.srv(&service.name).await {
                    Ok(records) => {
                        self.add_servers(service.transport, records, entropy, &mut servers).await;
                    }
                    Err(LookupError::NotFound) => {}
                    Err(LookupError::Unavailable) => outage = Some(ResolveError::Unavailable),
                }
            }
        }
        if servers.is_empty() {
            let transport = self.or_default(transport, target.is_secure)?;
            match self.lookup.addresses(host).await {
                Ok(found) => self.add_addresses(transport, found, port(transport), &mut servers),
                Err(LookupError::NotFound) => {}
                Err(LookupError::Unavailable) => outage = Some(ResolveError::Unavailable),
            }
        }
        if servers.is_empty() {
            return Err(outage.unwrap_or(ResolveError::NoAddress));
        }
        Ok(servers)
    }

    /// The transport the URI asks for, made secure for SIPS (RFC 3261 §26.2.2).
    fn written_transport(&self, target: &Target) -> Result<Option<Transport>, ResolveError> {
        let secured = match (target.transport, target.is_secure) {
            (Some(Transport::Tcp), true) => Some(Transport::Tls),
            (Some(Transport::Ws), true) => Some(Transport::Wss),
            (Some(Transport::Udp), true) => return Err(ResolveError::NoTransport),
            (written, _) => written,
        };
        match secured {
            Some(transport) if !self.transports.contains(&transport) => {
                Err(ResolveError::NoTransport)
            }
            transport => Ok(transport),
        }
    }

    /// RFC 3263 §4.1: without any hint UDP for SIP, TLS for SIPS; else the first that is spoken.
    fn or_default(
        &self,
        transport: Option<Transport>,
        is_secure: bool,
    ) -> Result<Transport, ResolveError> {
        let default = if is_secure { Transport::Tls } else { Transport::Udp };
        let speaks = |transport: &Transport| self.transports.contains(transport);
        let fallback =
            || self.transports.iter().copied().find(|transport| transport.is_secure() == is_secure);
        transport
            .or_else(|| Some(default).filter(speaks))
            .or_else(fallback)
            .ok_or(ResolveError::NoTransport)
    }

    /// The SRV names to ask, best first.
    async fn services(
        &self,
        host: &str,
        transport: Option<Transport>,
        is_secure: bool,
    ) -> Result<Vec<Service>, ResolveError> {
        if let Some(transport) = transport {
            return Ok(vec![service(transport, host)]);
        }
        let mut records = self.lookup.naptr(host).await.unwrap_or_default();
        records.truncate(MAX_RECORDS);
        records.retain(|record| record.flags.eq_ignore_ascii_case("s"));
        let is_sip = |service: &str| naptr_transport(service).is_some();
        let has_sip = records.iter().any(|record| is_sip(&record.service));
        records.sort_by_key(|record| (record.order, record.preference));
        let found: Vec<Service> = records
            .iter()
            .filter_map(|record| {
                let transport = naptr_transport(&record.service)?;
                let is_wanted = self.transports.contains(&transport)
                    && (!is_secure || transport.is_secure())
                    && !record.replacement.is_empty();
                is_wanted.then(|| Service { transport, name: record.replacement.clone() })
            })
            .collect();
        if has_sip {
            // The domain says what it speaks; guessing would contradict it.
            return if found.is_empty() { Err(ResolveError::NoTransport) } else { Ok(found) };
        }
        let usable = self
            .transports
            .iter()
            .filter(|transport| if is_secure { transport.is_secure() } else { true });
        Ok(usable.map(|transport| service(*transport, host)).collect())
    }

    async fn add_servers(
        &self,
        transport: Transport,
        mut records: Vec<Srv>,
        entropy: &mut (dyn Entropy + Send),
        servers: &mut Vec<(Transport, SocketAddr)>,
    ) {
        records.truncate(MAX_RECORDS);
        // RFC 2782: the root as target says that the service is decidedly not there.
        records.retain(|record| !matches!(record.target.as_str(), "" | "."));
        for record in ordering::order(records, entropy) {
            if servers.len() >= MAX_SERVERS {
                return;
            }
            let host = record.target.trim_end_matches('.');
            if let Ok(found) = self.lookup.addresses(host).await {
                self.add_addresses(transport, found, record.port, servers);
            }
        }
    }

    fn add_addresses(
        &self,
        transport: Transport,
        found: Vec<IpAddr>,
        port: u16,
        servers: &mut Vec<(Transport, SocketAddr)>,
    ) {
        for address in found.into_iter().map(|address| address.to_canonical()) {
            let server = (transport, SocketAddr::new(address, port));
            if servers.len() < MAX_SERVERS
                && self.is_reachable(&address)
                && !servers.contains(&server)
            {
                servers.push(server);
            }
        }
    }

    fn is_reachable(&self, address: &IpAddr) -> bool {
        if address.is_ipv4() { self.has_ipv4 } else { self.has_ipv6 }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("transports", &self.transports).finish_non_exhaustive()
    }
}

/// The service name of a transport (RFC 3263 §4.1, RFC 7118 §4).
fn service(transport: Transport, host: &str) -> Service {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws => "_sip._ws",
        Transport::Wss => "_sips._ws",
    };
    Service { transport, name: format!("{prefix}.{host}") }
}

fn naptr_transport(service: &str) -> Option<Transport> {
    match service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        "SIP+D2W" => Some(Transport::Ws),
        "SIPS+D2W" => Some(Transport::Wss),
        _ => None,
    }
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
