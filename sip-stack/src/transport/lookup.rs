//! Questions to the DNS, behind a trait so that tests answer from a table.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    time::Duration,
};

use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};

/// An answer that is on its way.
pub type LookupFuture<'a, Answer> =
    Pin<Box<dyn Future<Output = Result<Vec<Answer>, LookupError>> + Send + 'a>>;

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LookupError {
    /// The name, or a record of this type, does not exist.
    #[error("no such record")]
    NotFound,
    /// No name server answered in time, or the answer was an error.
    #[error("no answer from the name servers")]
    Unavailable,
}

/// A NAPTR record (RFC 3403), as far as RFC 3263 uses it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naptr {
    /// Lower orders come first and hide higher ones of the same use.
    pub order: u16,
    /// Lower preferences come first within an order.
    pub preference: u16,
    /// `s` for records that lead to SRV.
    pub flags: String,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`, …
    pub service: String,
    /// The SRV name to ask next.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    /// Lower priorities come first.
    pub priority: u16,
    /// Share within a priority.
    pub weight: u16,
    /// Port of the server.
    pub port: u16,
    /// Host of the server; the root says that the service is not there.
    pub target: String,
}

/// The three questions of RFC 3263.
pub trait Lookup: Send + Sync {
    /// NAPTR records of a domain.
    fn naptr<'a>(&'a self, domain: &'a str) -> LookupFuture<'a, Naptr>;
    /// SRV records of a service name.
    fn srv<'a>(&'a self, name: &'a str) -> LookupFuture<'a, Srv>;
    /// A and AAAA records of a host.
    fn addresses<'a>(&'a self, host: &'a str) -> LookupFuture<'a, IpAddr>;
}

/// The DNS as the operating system is configured to use it; answers are kept for their TTL.
#[derive(Clone)]
pub struct DnsLookup {
    resolver: TokioResolver,
}

/// Time for one question to one name server; a call waits for it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// Repetitions of a question that was not answered.
const ATTEMPTS: usize = 1;

impl DnsLookup {
    /// Reads the system's resolver configuration. To be used inside a tokio runtime.
    ///
    /// Errors: the configuration cannot be read.
    pub fn from_system() -> io::Result<Self> {
        DnsLookup::build(TokioResolver::builder_tokio().map_err(io::Error::other)?)
    }

    /// Asks these name servers instead of the system's.
    ///
    /// Errors: the resolver cannot be set up.
    pub fn with_servers(servers: &[SocketAddr]) -> io::Result<Self> {
        let connection = |mut connection: ConnectionConfig, port| {
            connection.port = port;
            connection
        };
        let servers = servers.iter().map(|server| {
            let udp = connection(ConnectionConfig::udp(), server.port());
            let tcp = connection(ConnectionConfig::tcp(), server.port());
            NameServerConfig::new(server.ip(), true, vec![udp, tcp])
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        DnsLookup::build(TokioResolver::builder_with_config(
            config,
            TokioRuntimeProvider::default(),
        ))
    }

    fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> io::Result<Self> {
        let options = builder.options_mut();
        options.timeout = QUERY_TIMEOUT;
        options.attempts = ATTEMPTS;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Ok(DnsLookup { resolver: builder.build().map_err(io::Error::other)? })
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, LookupError> {
        let answer = self.resolver.lookup(absolute(name), kind).await.map_err(fault)?;
        Ok(answer.answers().iter().map(|record| record.data.clone()).collect())
    }
}

impl std::fmt::Debug for DnsLookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsLookup").finish_non_exhaustive()
    }
}

impl Lookup for DnsLookup {
    fn naptr<'a>(&'a self, domain: &'a str) -> LookupFuture<'a, Naptr> {
        Box::pin(async move {
            let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            let records = self.records(domain, RecordType::NAPTR).await?;
            Ok(records
                .into_iter()
                .filter_map(|data| match data {
                    RData::NAPTR(naptr) => Some(Naptr {
                        order: naptr.order,
                        preference: naptr.preference,
                        flags: text(&naptr.flags),
                        service: text(&naptr.services),
                        replacement: naptr.replacement.to_ascii(),
                    }),
                    _ => None,
                })
                .collect())
        })
    }

    fn srv<'a>(&'a self, name: &'a str) -> LookupFuture<'a, Srv> {
        Box::pin(async move {
            let records = self.records(name, RecordType::SRV).await?;
            Ok(records
                .into_iter()
                .filter_map(|data| match data {
                    RData::SRV(srv) => Some(Srv {
                        priority: srv.priority,
                        weight: srv.weight,
                        port: srv.port,
                        target: srv.target.to_ascii(),
                    }),
                    _ => None,
                })
                .collect())
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> LookupFuture<'a, IpAddr> {
        Box::pin(async move {
            // Host names may be relative: /etc/hosts and the search list count.
            let answer = self.resolver.lookup_ip(host).await.map_err(fault)?;
            Ok(answer.iter().collect())
        })
    }
}

/// Domains of SIP URIs are absolute: the search list must not be tried on them.
fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

fn fault(error: NetError) -> LookupError {
    if error.is_no_records_found() || error.is_nx_domain() {
        LookupError::NotFound
    } else {
        tracing::debug!(%error, "DNS question failed");
        LookupError::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::{
        op::{Message, OpCode, ResponseCode},
        rr::{Name, Record, rdata},
    };
    use tokio::net::UdpSocket;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    /// What the zone of this test says.
    fn records(question: &str, kind: RecordType) -> Vec<RData> {
        let octets = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
        match (question, kind) {
            ("example.test.", RecordType::NAPTR) => vec![RData::NAPTR(rdata::NAPTR::new(
                10,
                20,
                octets("S"),
                octets("SIP+D2T"),
                octets(""),
                name("_sip._tcp.example.test."),
            ))],
            ("_sip._tcp.example.test.", RecordType::SRV) => {
                vec![RData::SRV(rdata::SRV::new(1, 2, 5066, name("a.example.test.")))]
            }
            ("a.example.test.", RecordType::A) => vec![RData::A(rdata::A::new(192, 0, 2, 8))],
            _ => Vec::new(),
        }
    }

    /// A name server on loopback that answers from the zone until it is dropped.
    async fn name_server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let query = question.queries[0].clone();
                let mut answer = Message::response(question.metadata.id, OpCode::Query);
                answer.add_query(query.clone());
                let found = records(&query.name().to_ascii(), query.query_type());
                if found.is_empty() {
                    let is_broken = query.name().to_ascii().ends_with("broken.test.");
                    answer.metadata.response_code =
                        if is_broken { ResponseCode::ServFail } else { ResponseCode::NXDomain };
                }
                for data in found {
                    answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                }
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn records_are_read_from_a_name_server() {
        let lookup = DnsLookup::with_servers(&[name_server().await]).unwrap();
        let naptr = lookup.naptr("example.test").await.unwrap();
        assert_eq!((naptr[0].order, naptr[0].preference), (10, 20));
        assert_eq!((naptr[0].flags.as_str(), naptr[0].service.as_str()), ("S", "SIP+D2T"));
        let srv = lookup.srv(&naptr[0].replacement).await.unwrap();
        assert_eq!((srv[0].priority, srv[0].weight, srv[0].port), (1, 2, 5066));
        let addresses = lookup.addresses(&srv[0].target).await.unwrap();
        assert_eq!(addresses, ["192.0.2.8".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn a_missing_name_is_told_from_a_missing_answer() {
        let lookup = DnsLookup::with_servers(&[name_server().await]).unwrap();
        assert_eq!(lookup.srv("_sip._udp.example.test").await, Err(LookupError::NotFound));
        assert_eq!(lookup.addresses("gone.example.test").await, Err(LookupError::NotFound));
        assert_eq!(lookup.srv("_sip._udp.broken.test").await, Err(LookupError::Unavailable));
    }
}
