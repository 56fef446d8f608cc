//! How often the control interface is asked (SEC-76): per token, and per address without a token.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use sip_stack::guard::{Bucket, Rate, source_of};
use sip_stack::time::Now;

/// Requests of one token.
const OF_TOKEN: Rate = Rate { per_second: 500.0, burst: 2000 };
/// Requests without a valid token, of one address: some mistakes, no guessing.
const OF_STRANGER: Rate = Rate { per_second: 0.5, burst: 50 };
/// Addresses and tokens that are remembered; beyond it all are forgotten, which is as good as new.
const MAX_REMEMBERED: usize = 10_000;

/// Who asked how often.
#[derive(Default)]
pub(super) struct Rates {
    tokens: Mutex<HashMap<String, Bucket>>,
    strangers: Mutex<HashMap<IpAddr, Bucket>>,
}

impl Rates {
    /// Whether this token may ask once more.
    pub(super) fn admit_token(&self, now: Now, name: &str) -> bool {
        admit(&self.tokens, name.to_owned(), now, OF_TOKEN)
    }

    /// Whether an address that has shown no valid token is told so once more.
    pub(super) fn admit_stranger(&self, now: Now, address: IpAddr) -> bool {
        admit(&self.strangers, source_of(address), now, OF_STRANGER)
    }
}

fn admit<K: Eq + Hash>(table: &Mutex<HashMap<K, Bucket>>, key: K, now: Now, rate: Rate) -> bool {
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    if table.len() >= MAX_REMEMBERED && !table.contains_key(&key) {
        table.clear();
    }
    table.entry(key).or_default().take(now, rate, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_and_each_address_has_its_own() {
        let rates = Rates::default();
        let now = Now::from_millis(1000);
        let address = "192.0.2.7".parse().unwrap();
        assert_eq!((0..5000).filter(|_| rates.admit_token(now, "crm")).count(), 2000);
        assert!(rates.admit_token(now, "admin"));
        assert_eq!((0..500).filter(|_| rates.admit_stranger(now, address)).count(), 50);
        assert!(rates.admit_stranger(now, "192.0.2.8".parse().unwrap()));
        assert!(rates.admit_token(Now::from_millis(2000), "crm"));
    }

    #[test]
    fn what_is_remembered_has_a_ceiling() {
        let rates = Rates::default();
        for address in 0..50_000_u32 {
            rates.admit_stranger(Now::ZERO, IpAddr::from(address.to_be_bytes()));
        }
        assert!(rates.strangers.lock().unwrap().len() <= MAX_REMEMBERED);
    }
}
