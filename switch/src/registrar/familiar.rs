//! Where the phones of each line have been, and what they called themselves: a login that is neither is worth
//! a word (SEC-29). It outlives the process, so that a restart does not make everything new.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::exchange::network_of;
use crate::store::{Change, StoredFamiliar};

/// Networks, and names of phones, that are remembered of a line; the oldest one is forgotten first.
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
    /// What the previous run knew.
    pub fn of(stored: Vec<StoredFamiliar>) -> Self {
        let known = stored.into_iter().map(|StoredFamiliar { line, networks, user_agents }| {
            (line, Known { networks, user_agents })
        });
        Self(known.collect())
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

/// Puts a value behind the others, where it is not among them; the value, if it is new.
fn learn(known: &mut Vec<String>, value: String) -> Option<String> {
    if known.contains(&value) {
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
        let mut later = Familiar::of(vec![stored]);
        assert_eq!(later.note("201", at("10.0.49.9"), "Desk 1"), None);
        assert!(!later.note("201", at("10.0.0.9"), "Desk 1").unwrap().is_first);
        let Change::SaveFamiliar(none) = later.forget("201") else { panic!("no row") };
        assert!(none.networks.is_empty());
    }
}
