//! REGISTER processing (RFC 3261 §10.3): pure, with the time passed in; bindings live in the registry.
//!
//! The exchange has authenticated the request before; here it becomes bindings and their answer.

mod familiar;
mod location;
mod register;

use std::collections::BTreeMap;
use std::sync::Arc;

use sip_stack::endpoint::Reply;
use sip_stack::flow::Flow;
use sip_stack::time::Now;

use crate::exchange::Clock;
use crate::registry::{Binding, Registry};
use crate::store::{Change, StoredBinding};

pub use familiar::{Familiar, Login};

/// What a REGISTER leads to.
#[derive(Debug)]
pub struct Outcome {
    /// The answer.
    pub reply: Reply,
    /// What became of the line's bindings; none when it was refused.
    pub changes: Vec<Registration>,
}

/// What became of one binding.
#[derive(Clone, Debug)]
pub struct Registration {
    event: RegistrationEvent,
    binding: Arc<Binding>,
}

/// What can become of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegistrationEvent {
    /// It is new.
    Registered,
    /// It lives longer, or its phone says something else of itself.
    Refreshed,
    /// Its phone, or the removal of its line, ended it.
    Unregistered,
    /// Its time is over.
    Expired,
}

impl Registration {
    /// What happened.
    pub fn event(&self) -> RegistrationEvent {
        self.event
    }

    /// What happened, as `GET events` names it.
    pub fn kind(&self) -> &'static str {
        match self.event {
            RegistrationEvent::Registered => "REGISTERED",
            RegistrationEvent::Refreshed => "REFRESHED",
            RegistrationEvent::Unregistered => "UNREGISTERED",
            RegistrationEvent::Expired => "EXPIRED",
        }
    }

    /// Number of the line.
    pub fn line(&self) -> &str {
        &self.binding.line
    }

    /// The Contact's URI.
    pub fn contact(&self) -> &str {
        &self.binding.uri
    }

    /// The binding as it is now, or was last.
    pub fn binding(&self) -> &Arc<Binding> {
        &self.binding
    }

    /// What the store has to do about it.
    pub fn into_store(self) -> Change {
        match self.event {
            RegistrationEvent::Registered | RegistrationEvent::Refreshed => {
                Change::SaveBinding(Box::new(location::stored(&self.binding)))
            }
            RegistrationEvent::Unregistered | RegistrationEvent::Expired => {
                Change::RemoveBinding { id: self.binding.id }
            }
        }
    }
}

/// The only writer of bindings.
#[derive(Debug)]
pub struct Registrar {
    registry: Arc<Registry>,
    /// When each binding ends, and its line.
    deadlines: BTreeMap<(Now, u64), String>,
    next_id: u64,
}

impl Registrar {
    /// A registrar that writes to this registry.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, deadlines: BTreeMap::new(), next_id: 1 }
    }

    /// Takes back the bindings of the previous run that have not ended since.
    ///
    /// Those over a connection count as unreachable until their phone comes back, unless it can be
    /// reached at its contact without that connection (sip-mapping §6.2).
    pub fn restore(&mut self, clock: Clock, bindings: Vec<StoredBinding>) {
        let mut by_line: BTreeMap<String, Vec<Arc<Binding>>> = BTreeMap::new();
        for stored in bindings {
            self.next_id = self.next_id.max(stored.id.saturating_add(1));
            if let Some(binding) = location::restored(clock, stored) {
                by_line.entry(binding.line.clone()).or_default().push(Arc::new(binding));
            }
        }
        for (line, bindings) in by_line {
            self.commit(&line, &[], bindings);
        }
    }

    /// Ends what is over by now.
    pub fn expire(&mut self, clock: Clock) -> Vec<Registration> {
        let mut changes = Vec::new();
        while let Some((&(at, _), line)) = self.deadlines.first_key_value() {
            if at > clock.now {
                break;
            }
            let line = line.clone();
            let old = self.registry.bindings(&line);
            let is_over = |binding: &Arc<Binding>| binding.expires_at <= clock.now;
            let left = old.iter().filter(|binding| !is_over(binding)).cloned().collect();
            let over = old.iter().filter(|binding| is_over(binding)).cloned();
            changes.extend(
                over.map(|binding| Registration { event: RegistrationEvent::Expired, binding }),
            );
            self.commit(&line, &old, left);
        }
        changes
    }

    /// When [`Registrar::expire`] is wanted next.
    pub fn next_expiry(&self) -> Option<Now> {
        self.deadlines.first_key_value().map(|((at, _), _)| *at)
    }

    /// Ends all bindings of a line that was removed.
    pub fn forget_line(&mut self, line: &str) -> Vec<Registration> {
        let old = self.registry.bindings(line);
        self.commit(line, &old, Vec::new());
        let event = RegistrationEvent::Unregistered;
        old.into_iter().map(|binding| Registration { event, binding }).collect()
    }

    /// A stream connection is gone: what was reached over it is reached at its contact, where nothing
    /// translates addresses in between, or not at all until it registers again.
    ///
    /// Answers the lines whose bindings are concerned.
    pub fn flow_lost(&mut self, flow: &Flow) -> Vec<String> {
        let Some(connection) = flow.connection else { return Vec::new() };
        let lines = self.registry.lines_on(connection);
        for line in &lines {
            let old = self.registry.bindings(line);
            let moved = old.iter().map(|binding| {
                if binding.flow.connection == Some(connection) {
                    Arc::new(location::without_connection(Binding::clone(binding)))
                } else {
                    Arc::clone(binding)
                }
            });
            self.commit(line, &old, moved.collect());
        }
        lines
    }

    /// Where the bindings are read.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    fn commit(&mut self, line: &str, old: &[Arc<Binding>], new: Vec<Arc<Binding>>) {
        for binding in old {
            self.deadlines.remove(&(binding.expires_at, binding.id));
        }
        for binding in &new {
            self.deadlines.insert((binding.expires_at, binding.id), line.to_owned());
        }
        self.registry.replace(line, new);
    }
}

#[cfg(test)]
mod tests;
