//! Where the trunks' peers are (RFC 3263): asked at the start, after each reload, and again and again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use config::{Config, Peer};
use sip_stack::flow::Transport;
use sip_stack::time::Entropy;
use sip_stack::transport::{self, Gate, Resolver, Target, Transports};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::exchange::Input;

/// How long an answer is used before it is asked for again.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// Who has to know where the trunks' peers are, besides the exchange.
pub(super) struct Bound {
    /// Gone when the exchange's thread ends.
    pub(super) transports: Weak<Transports>,
    pub(super) gate: Arc<Gate>,
}

impl Bound {
    fn tell(&self, config: &Config, known: &Known) {
        let targets = known.values().flat_map(|(_, targets)| targets);
        self.gate.trust(targets.map(|(_, address)| address.ip()));
        if let Some(transports) = self.transports.upgrade() {
            transports.set_peers(peers(config, known));
        }
    }
}

type Targets = Vec<(Transport, SocketAddr)>;
/// Each trunk's peer as it was when it was asked for, and the answer.
type Known = HashMap<String, (Peer, Targets)>;

/// Feeds the exchange with the trunks' addresses until it is gone.
pub(super) async fn run(
    resolver: Resolver,
    mut entropy: Box<dyn Entropy + Send>,
    mut config: watch::Receiver<Arc<Config>>,
    bound: Bound,
    mailbox: mpsc::Sender<Input>,
) {
    let mut known: Known = HashMap::new();
    loop {
        let current = Arc::clone(&config.borrow_and_update());
        known.retain(|name, _| current.trunks.contains_key(name));
        bound.tell(&current, &known);
        for (name, trunk) in &current.trunks {
            let targets = match resolver.resolve(&target_of(&trunk.peer), &mut *entropy).await {
                Ok(targets) => targets,
                Err(error) => {
                    tracing::warn!(trunk = name, peer = trunk.peer.uri, %error, "no address");
                    // An answer that was good is better than none while name servers are away.
                    match known.get(name) {
                        Some((peer, targets)) if *peer == trunk.peer => targets.clone(),
                        _ => Vec::new(),
                    }
                }
            };
            let answer = (trunk.peer.clone(), targets.clone());
            if known.get(name) == Some(&answer) {
                continue;
            }
            known.insert(name.clone(), answer);
            // First whom to believe there, then that somebody is there.
            bound.tell(&current, &known);
            let resolved = Input::Resolved { trunk: name.clone(), targets };
            if mailbox.send(resolved).await.is_err() {
                return;
            }
        }
        // Ends early after a reload; a closed channel means that the switch stops.
        if let Ok(Err(_)) = timeout(ASK_EVERY, config.changed()).await {
            return;
        }
    }
}

/// Whom TLS may be opened to: the trunks' addresses and what certificates have to prove there.
fn peers(config: &Config, known: &Known) -> Vec<transport::Peer> {
    let mut peers = Vec::new();
    for (name, (_, targets)) in known {
        let Some(trunk) = config.trunks.get(name) else { continue };
        let under_tls = targets.iter().filter(|(transport, _)| *transport == Transport::Tls);
        peers.extend(under_tls.map(|(_, address)| transport::Peer {
            address: *address,
            domain: trunk.peer.host.clone(),
            names: trunk.certificate_names.clone(),
        }));
    }
    peers
}

fn target_of(peer: &Peer) -> Target {
    Target {
        host: peer.host.clone(),
        port: peer.port,
        transport: peer.transport.map(super::transport_of),
        is_secure: peer.is_secure,
    }
}

#[cfg(test)]
mod tests {
    use sip_stack::guard::GuardSettings;
    use sip_stack::time::Seeded;
    use sip_stack::transport::{Lookup, LookupError, LookupFuture, Naptr, Srv};

    use super::*;

    /// A name server that knows nothing.
    struct Nothing;

    impl Lookup for Nothing {
        fn naptr<'a>(&'a self, _: &'a str) -> LookupFuture<'a, Naptr> {
            Box::pin(async { Err(LookupError::NotFound) })
        }

        fn srv<'a>(&'a self, _: &'a str) -> LookupFuture<'a, Srv> {
            Box::pin(async { Err(LookupError::NotFound) })
        }

        fn addresses<'a>(&'a self, _: &'a str) -> LookupFuture<'a, std::net::IpAddr> {
            Box::pin(async { Err(LookupError::NotFound) })
        }
    }

    const OFFICE: &str = include_str!("../../../config/office.toml");

    #[tokio::test]
    async fn tells_the_exchange_at_the_start_and_after_a_reload_that_changed_the_peer() {
        let parse = |text: &str| Arc::new(config::parse(text, "office.toml").unwrap());
        let resolver = Resolver::new(Arc::new(Nothing), &[Transport::Udp], true, false);
        let (current, follower) = watch::channel(parse(OFFICE));
        let (mailbox, mut inputs) = mpsc::channel(4);
        let gate = Arc::new(Gate::new(GuardSettings::default(), |_| {}));
        let bound = Bound { transports: Weak::new(), gate };
        tokio::spawn(run(resolver, Box::new(Seeded::new(1)), follower, bound, mailbox));
        for port in [5090_u16, 5091] {
            let Some(Input::Resolved { trunk, targets }) = inputs.recv().await else {
                panic!("nothing was resolved");
            };
            assert_eq!(trunk, "carrier");
            assert_eq!(targets, [(Transport::Udp, SocketAddr::from(([127, 0, 0, 1], port)))]);
            current.send_replace(parse(&OFFICE.replace("127.0.0.1:5090", "127.0.0.1:5091")));
        }
    }
}
