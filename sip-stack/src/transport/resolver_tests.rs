//! RFC 3263 §4 as a table: what is in the DNS, what is asked, what is tried.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::{
    time::Seeded,
    transport::{LookupFuture, Naptr},
};

#[derive(Default)]
struct Zone {
    naptr: HashMap<String, Vec<Naptr>>,
    srv: HashMap<String, Vec<Srv>>,
    addresses: HashMap<String, Vec<IpAddr>>,
    broken: HashSet<String>,
}

impl Zone {
    fn naptr(mut self, domain: &str, order: u16, service: &str, replacement: &str) -> Self {
        self.naptr.entry(domain.to_owned()).or_default().push(Naptr {
            order,
            preference: 0,
            flags: "S".to_owned(),
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        });
        self
    }

    fn srv(mut self, name: &str, priority: u16, port: u16, target: &str) -> Self {
        self.srv.entry(name.to_owned()).or_default().push(Srv {
            priority,
            weight: 1,
            port,
            target: target.to_owned(),
        });
        self
    }

    fn host(mut self, host: &str, address: &str) -> Self {
        self.addresses.entry(host.to_owned()).or_default().push(address.parse().unwrap());
        self
    }

    fn broken(mut self, name: &str) -> Self {
        self.broken.insert(name.to_owned());
        self
    }

    fn answer<'a, Answer: Clone + Send + 'a>(
        &'a self,
        table: &'a HashMap<String, Vec<Answer>>,
        name: &str,
    ) -> LookupFuture<'a, Answer> {
        let answer = if self.broken.contains(name) {
            Err(LookupError::Unavailable)
        } else {
            table.get(name.trim_end_matches('.')).cloned().ok_or(LookupError::NotFound)
        };
        Box::pin(std::future::ready(answer))
    }
}

impl Lookup for Zone {
    fn naptr<'a>(&'a self, domain: &'a str) -> LookupFuture<'a, Naptr> {
        self.answer(&self.naptr, domain)
    }

    fn srv<'a>(&'a self, name: &'a str) -> LookupFuture<'a, Srv> {
        self.answer(&self.srv, name)
    }

    fn addresses<'a>(&'a self, host: &'a str) -> LookupFuture<'a, IpAddr> {
        self.answer(&self.addresses, host)
    }
}

fn target(host: &str) -> Target {
    Target { host: host.to_owned(), port: None, transport: None, is_secure: false }
}

fn resolve_with(
    zone: Zone,
    transports: &[Transport],
    target: &Target,
) -> Result<Vec<String>, ResolveError> {
    let resolver = Resolver::new(Arc::new(zone), transports, true, true);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let servers = runtime.block_on(resolver.resolve(target, &mut Seeded::new(1)))?;
    Ok(servers.into_iter().map(|(transport, address)| format!("{transport} {address}")).collect())
}

fn resolve(zone: Zone, target: &Target) -> Result<Vec<String>, ResolveError> {
    resolve_with(zone, &[Transport::Udp, Transport::Tcp], target)
}

#[test]
fn a_numeric_host_is_used_as_it_is() {
    assert_eq!(resolve(Zone::default(), &target("192.0.2.7")).unwrap(), ["UDP 192.0.2.7:5060"]);
    let v6 = Target { port: Some(5070), transport: Some(Transport::Tcp), ..target("2001:db8::7") };
    assert_eq!(resolve(Zone::default(), &v6).unwrap(), ["TCP [2001:db8::7]:5070"]);
}

#[test]
fn an_explicit_port_skips_naptr_and_srv() {
    let zone = Zone::default()
        .naptr("example.com", 1, "SIP+D2T", "_sip._tcp.example.com")
        .srv("_sip._tcp.example.com", 1, 5080, "a.example.com")
        .srv("_sip._udp.example.com", 1, 5080, "a.example.com")
        .host("a.example.com", "192.0.2.1")
        .host("example.com", "192.0.2.9");
    let target = Target { port: Some(5070), ..target("example.com") };
    assert_eq!(resolve(zone, &target).unwrap(), ["UDP 192.0.2.9:5070"]);
}

#[test]
fn naptr_decides_the_transports_and_their_order() {
    let zone = Zone::default()
        .naptr("example.com", 50, "SIPS+D2T", "_sips._tcp.example.com.")
        .naptr("example.com", 90, "SIP+D2T", "_sip._tcp.example.com.")
        .naptr("example.com", 100, "SIP+D2U", "_sip._udp.example.com.")
        .srv("_sip._tcp.example.com", 1, 5060, "a.example.com.")
        .srv("_sip._tcp.example.com", 2, 5061, "b.example.com.")
        .srv("_sip._udp.example.com", 1, 5062, "a.example.com.")
        .host("a.example.com", "192.0.2.1")
        .host("a.example.com", "2001:db8::1")
        .host("b.example.com", "192.0.2.2");
    assert_eq!(
        resolve(zone, &target("example.com")).unwrap(),
        [
            "TCP 192.0.2.1:5060",
            "TCP [2001:db8::1]:5060",
            "TCP 192.0.2.2:5061",
            "UDP 192.0.2.1:5062",
            "UDP [2001:db8::1]:5062",
        ]
    );
}

#[test]
fn naptr_for_other_transports_only_is_no_transport_in_common() {
    let zone = Zone::default()
        .naptr("example.com", 50, "SIPS+D2T", "_sips._tcp.example.com")
        .host("example.com", "192.0.2.9");
    assert_eq!(resolve(zone, &target("example.com")), Err(ResolveError::NoTransport));
}

#[test]
fn naptr_of_other_services_does_not_count() {
    let zone = Zone::default()
        .naptr("example.com", 1, "E2U+sip", "_x.example.com")
        .srv("_sip._udp.example.com", 1, 5065, "a.example.com")
        .host("a.example.com", "192.0.2.1");
    assert_eq!(resolve(zone, &target("example.com")).unwrap(), ["UDP 192.0.2.1:5065"]);
}

#[test]
fn a_transport_parameter_asks_only_its_own_srv() {
    let zone = Zone::default()
        .naptr("example.com", 1, "SIP+D2U", "_sip._udp.example.com")
        .srv("_sip._udp.example.com", 1, 5060, "a.example.com")
        .srv("_sip._tcp.example.com", 1, 5066, "a.example.com")
        .host("a.example.com", "192.0.2.1");
    let target = Target { transport: Some(Transport::Tcp), ..target("example.com") };
    assert_eq!(resolve(zone, &target).unwrap(), ["TCP 192.0.2.1:5066"]);
}

#[test]
fn without_srv_the_hosts_own_addresses_and_the_default_port_are_used() {
    let zone = Zone::default().host("example.com", "192.0.2.9").host("example.com", "192.0.2.10");
    assert_eq!(
        resolve(zone, &target("example.com.")).unwrap(),
        ["UDP 192.0.2.9:5060", "UDP 192.0.2.10:5060"]
    );
}

#[test]
fn the_root_as_srv_target_says_that_the_service_is_not_there() {
    let zone = Zone::default()
        .srv("_sip._udp.example.com", 1, 5060, ".")
        .srv("_sip._tcp.example.com", 1, 5060, "a.example.com")
        .host("a.example.com", "192.0.2.1");
    assert_eq!(resolve(zone, &target("example.com")).unwrap(), ["TCP 192.0.2.1:5060"]);
}

#[test]
fn a_server_without_address_does_not_hide_the_next() {
    let zone = Zone::default()
        .srv("_sip._udp.example.com", 1, 5060, "gone.example.com")
        .srv("_sip._udp.example.com", 2, 5060, "broken.example.com")
        .srv("_sip._udp.example.com", 3, 5060, "a.example.com")
        .broken("broken.example.com")
        .host("a.example.com", "192.0.2.1");
    assert_eq!(resolve(zone, &target("example.com")).unwrap(), ["UDP 192.0.2.1:5060"]);
}

#[test]
fn sips_is_never_sent_in_the_clear() {
    let zone = || {
        Zone::default()
            .srv("_sip._udp.example.com", 1, 5060, "a.example.com")
            .srv("_sips._tcp.example.com", 1, 5061, "a.example.com")
            .host("a.example.com", "192.0.2.1")
    };
    let secure = Target { is_secure: true, ..target("example.com") };
    let all = [Transport::Udp, Transport::Tcp, Transport::Tls];
    assert_eq!(resolve_with(zone(), &all, &secure).unwrap(), ["TLS 192.0.2.1:5061"]);
    assert_eq!(resolve(zone(), &secure), Err(ResolveError::NoTransport));
    let tcp = Target { transport: Some(Transport::Tcp), ..secure.clone() };
    assert_eq!(resolve_with(zone(), &all, &tcp).unwrap(), ["TLS 192.0.2.1:5061"]);
    let udp = Target { transport: Some(Transport::Udp), ..secure };
    assert_eq!(resolve_with(zone(), &all, &udp), Err(ResolveError::NoTransport));
}

#[test]
fn silence_of_the_name_servers_is_told_from_absence() {
    assert_eq!(resolve(Zone::default(), &target("example.com")), Err(ResolveError::NoAddress));
    let zone = Zone::default().broken("example.com");
    assert_eq!(resolve(zone, &target("example.com")), Err(ResolveError::Unavailable));
}

#[test]
fn families_without_a_listener_are_left_out() {
    let zone = Zone::default().host("example.com", "192.0.2.9").host("example.com", "2001:db8::9");
    let resolver = Resolver::new(Arc::new(zone), &[Transport::Udp], true, false);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let servers =
        runtime.block_on(resolver.resolve(&target("example.com"), &mut Seeded::new(1))).unwrap();
    assert_eq!(servers, [(Transport::Udp, "192.0.2.9:5060".parse().unwrap())]);
}

#[test]
fn a_hostile_zone_yields_a_bounded_list() {
    let mut zone = Zone::default();
    for number in 0..200_u16 {
        let host = format!("h{number}.example.com");
        zone = zone.srv("_sip._udp.example.com", number, 5060, &host);
        for last in 1..=9 {
            zone = zone.host(&host, &format!("198.51.{number}.{last}"));
        }
    }
    assert_eq!(resolve(zone, &target("example.com")).unwrap().len(), MAX_SERVERS);
}
