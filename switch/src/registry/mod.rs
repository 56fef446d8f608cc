//! The concurrent registry: who is bound where. Front threads, the API and metrics read it without
//! asking the exchange; only the registrar writes bindings.
//!
//! Reads answer snapshots: nothing here ever hands out a guard, so that no lock is held across calls
//! (dashmap deadlocks on re-entry).

mod bindings;
mod index;

use std::sync::Arc;

pub use self::bindings::Binding;
use self::bindings::Bindings;
use self::index::ConnectionIndex;

/// Most bindings of all lines together (SEC-100).
pub const MAX_BINDINGS: usize = 100_000;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Registry {
    bindings: Bindings,
    connections: ConnectionIndex,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the bindings of a line; none removes it. One reader sees either all old or all new ones.
    pub(crate) fn replace(&self, line: &str, bindings: Vec<Arc<Binding>>) {
        let old = self.bindings.replace(line, bindings.clone());
        for binding in old.iter() {
            if let Some(connection) = binding.flow.connection {
                self.connections.remove(connection, line);
            }
        }
        for binding in &bindings {
            if let Some(connection) = binding.flow.connection {
                self.connections.insert(connection, line);
            }
        }
    }

    /// Where an INVITE for a line goes: its reachable bindings, the highest q first, of equal ones the
    /// latest first; of one phone's several flows only the latest (RFC 5626 §5.3, sip-mapping §6.3).
    pub fn contacts(&self, line: &str) -> Vec<Arc<Binding>> {
        let all = self.bindings.of(line);
        let mut contacts: Vec<Arc<Binding>> =
            all.iter().filter(|binding| binding.is_reachable).cloned().collect();
        contacts.sort_by_key(|binding| std::cmp::Reverse((binding.q, binding.refreshed_at)));
        let mut instances: Vec<String> = Vec::new();
        contacts.retain(|binding| match (&binding.instance, binding.reg_id) {
            (Some(instance), Some(_)) if instances.contains(instance) => false,
            (Some(instance), Some(_)) => {
                instances.push(instance.clone());
                true
            }
            _ => true,
        });
        contacts
    }

    /// All bindings of a line, reachable or not, in the order they were made.
    pub fn bindings(&self, line: &str) -> Vec<Arc<Binding>> {
        self.bindings.of(line).to_vec()
    }

    /// The lines that are reached over a stream connection.
    pub fn lines_on(&self, connection: u64) -> Vec<String> {
        self.connections.lines(connection)
    }

    /// How many bindings there are.
    pub fn binding_count(&self) -> usize {
        self.bindings.count()
    }

    /// How many lines have a binding.
    pub fn bound_line_count(&self) -> usize {
        self.bindings.line_count()
    }
}

#[cfg(test)]
mod tests;
