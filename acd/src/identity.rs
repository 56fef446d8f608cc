//! Lasting identities: groups and the handler as GUIDs, queues as numbers made of their names
//! (tapi-agents 10.6), so that applications may store them.

use std::collections::BTreeMap;

use tapi::agent::{GroupId, QueueId};
use uuid::Uuid;

/// The GUID of a group: UUIDv5 of the domain and the group's key in the configuration.
pub fn group_id(domain: &str, key: &str) -> GroupId {
    GroupId(named(domain, &format!("group:{key}")))
}

/// The GUID of the agent handler, `ProxyGUID`.
pub fn handler_id(domain: &str) -> u128 {
    named(domain, "agent-handler")
}

/// The GUID of a private function of the handler. It is the same on every switch.
pub(crate) fn extension_id(name: &str) -> u128 {
    named("strowger.invalid", name)
}

fn named(domain: &str, name: &str) -> u128 {
    let domain = Uuid::new_v5(&Uuid::NAMESPACE_DNS, domain.to_lowercase().as_bytes());
    Uuid::new_v5(&domain, name.as_bytes()).as_u128()
}

/// A number for a queue of this name: FNV-1a of the name, or the next one that is free.
pub(crate) fn queue_id<V>(name: &str, taken: &BTreeMap<QueueId, V>) -> QueueId {
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut id = QueueId(hash.max(1));
    while taken.contains_key(&id) {
        id = QueueId(id.0.wrapping_add(1).max(1));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_keeps_its_guid_as_long_as_domain_and_name_stay() {
        assert_eq!(group_id("Office.example", "helpdesk"), group_id("office.example", "helpdesk"));
        assert_ne!(group_id("office.example", "helpdesk"), group_id("office.example", "sales"));
        assert_ne!(group_id("office.example", "helpdesk"), group_id("other.example", "helpdesk"));
        assert_eq!(group_id("office.example", "helpdesk").0 >> 76 & 0xf, 5, "version 5");
    }

    #[test]
    fn a_queue_has_the_hash_of_its_name_and_a_clash_takes_the_next_number() {
        let first = queue_id::<()>("support", &BTreeMap::new());
        assert_eq!(first, queue_id::<()>("support", &BTreeMap::new()));
        let taken = BTreeMap::from([(first, ())]);
        assert_eq!(queue_id("support", &taken), QueueId(first.0.wrapping_add(1)));
    }
}
