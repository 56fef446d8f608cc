//! Where the phones of each line have been, and what they called themselves: a login that is neither is worth
//! a word (SEC-29). It outlives the process, so that a restart does not make everything new.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::store::{Change, StoredFamiliar};

/// Networks, and names of phones, that are remembered of a line; the one that was not seen for longest is
/// forgotten first.
const MAX_OF_EACH: usize = 16;
/// Longest name that is remembered, in characters.
const MAX_CHARS: usize = 200;

/// What is new about a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The network, if the line was never there.
    pub network: Option<String>,
    /// What the phone calls itself, if none of the line ever did.
    pub user_agent: Option<String>,
    /// The line has never been anywhere.
    pub is_first: bool,
}

#[derive(Clone, Debug, Default)]
struct Known {
    networks: Vec<String>,
    user_agents: Vec<String>,
}

/// What is familiar of every line; bounded by their number.
#[derive(Debug, Default)]
pub struct Familiar(HashMap<String, Known>);

impl Familiar {
    /// What the previous run knew; and what the store has to do about lines that are no more.
    pub fn of(stored: Vec<StoredFamiliar>, is_line: impl Fn(&str) -> bool) -> (Self, Vec<Change>) {
        let mut familiar = Self::default();
        let (known, gone): (Vec<_>, Vec<_>) =
            stored.into_iter().partition(|row| is_line(&row.line));
        for StoredFamiliar { line, networks, user_agents } in known {
            familiar.0.insert(line, Known { networks, user_agents });
        }
        let forgotten = gone.iter().map(|row| familiar.stored(&row.line)).collect();
        (familiar, forgotten)
    }

    /// Notes a login; what is new about it, if anything is.
    pub fn note(&mut self, line: &str, from: IpAddr, user_agent: &str) -> Option<Login> {
        let known = self.0.entry(line.to_owned()).or_default();
        let is_first = known.networks.is_empty();
        let network = learn(&mut known.networks, network_of(from));
        let user_agent = user_agent.trim();
        let named = user_agent.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect();
        let user_agent =
            (!user_agent.is_empty()).then(|| learn(&mut known.user_agents, named)).flatten();
        let is_new = network.is_some() || user_agent.is_some();
        is_new.then_some(Login { network, user_agent, is_first })
    }

    /// What the store has to keep of a line.
    pub fn stored(&self, line: &str) -> Change {
        let known = self.0.get(line).cloned().unwrap_or_default();
        let Known { networks, user_agents } = known;
        Change::SaveFamiliar(StoredFamiliar { line: line.to_owned(), networks, user_agents })
    }

    /// Forgets a line; what the store has to do about it.
    pub fn forget(&mut self, line: &str) -> Change {
        self.0.remove(line);
        self.stored(line)
    }
}

/// The network of an address, as far as a site or a provider's customer is one: /24, /48.
fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// Puts a value behind the others, from wherever it was among them; the value, if it is new.
fn learn(known: &mut Vec<String>, value: String) -> Option<String> {
    if let Some(at) = known.iter().position(|other| *other == value) {
        known[at..].rotate_left(1);
        return None;
    }
    if known.len() >= MAX_OF_EACH {
        known.remove(0);
    }
    known.push(value.clone());
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_a_line_never_was_is_new_once() {
        let mut familiar = Familiar::default();
        let first = familiar.note("201", at("192.0.2.7"), "Desk 1").unwrap();
        assert!(first.is_first);
        assert_eq!(familiar.note("201", at("192.0.2.99"), "Desk 1"), None);
        let moved = familiar.note("201", at("198.51.100.1"), "Desk 1").unwrap();
        let network = Some("198.51.100.0/24".to_owned());
        assert_eq!(moved, Login { network, user_agent: None, is_first: false });
        let other = familiar.note("201", at("198.51.100.2"), "pplsip").unwrap();
        assert_eq!((other.network, other.user_agent.as_deref()), (None, Some("pplsip")));
        assert_eq!(familiar.note("201", at("192.0.2.1"), ""), None);
        assert!(familiar.note("202", at("192.0.2.7"), "Desk 1").unwrap().is_first);
    }

    #[test]
    fn it_outlives_the_process_and_has_a_ceiling() {
        let mut familiar = Familiar::default();
        for site in 0..50_u8 {
            familiar.note("201", IpAddr::from([10, 0, site, 1]), "Desk 1");
        }
        let Change::SaveFamiliar(stored) = familiar.stored("201") else { panic!("no row") };
        assert_eq!((stored.networks.len(), stored.user_agents.len()), (MAX_OF_EACH, 1));
        let (mut later, forgotten) = Familiar::of(vec![stored], |_| true);
        assert!(forgotten.is_empty());
        assert_eq!(later.note("201", at("10.0.49.9"), "Desk 1"), None);
        assert!(!later.note("201", at("10.0.0.9"), "Desk 1").unwrap().is_first);
        let Change::SaveFamiliar(none) = later.forget("201") else { panic!("no row") };
        assert!(none.networks.is_empty());
    }

    #[test]
    fn a_network_that_is_seen_again_and_again_is_not_forgotten_for_those_that_pass() {
        let mut familiar = Familiar::default();
        familiar.note("201", at("192.0.2.7"), "Desk 1");
        for site in 0..50_u8 {
            familiar.note("201", IpAddr::from([10, 0, site, 1]), "Mobile");
            assert_eq!(familiar.note("201", at("192.0.2.7"), "Desk 1"), None, "{site}");
        }
    }

    #[test]
    fn of_a_line_that_went_while_the_switch_was_stopped_nothing_stays() {
        let row = |line: &str| StoredFamiliar {
            line: line.to_owned(),
            networks: vec!["192.0.2.0/24".to_owned()],
            user_agents: Vec::new(),
        };
        let (mut familiar, forgotten) =
            Familiar::of(vec![row("201"), row("202")], |line| line == "201");
        let gone = StoredFamiliar { networks: Vec::new(), ..row("202") };
        assert_eq!(forgotten, [Change::SaveFamiliar(gone)]);
        assert_eq!(familiar.note("201", at("192.0.2.7"), ""), None);
        assert!(familiar.note("202", at("198.51.100.7"), "").unwrap().is_first);
    }

    #[test]
    fn a_network_is_what_a_site_has() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:7:8::9"), "2001:db8:7::/48");
    }
}
