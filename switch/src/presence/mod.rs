//! Lamps: phones watch lines, park slots, groups, rooms and their own settings by SUBSCRIBE.
//!
//! The [`Notifier`] keeps the subscriptions; what a call, a slot or a room does marks the [`Entity`]
//! as changed, which costs one look into an index when nobody watches it; when the input is dealt with,
//! one document for each package and [`Audience`] is written and sent to those who watch. Source:
//! RFC 6665, RFC 4235, RFC 3842, RFC 4575, RFC 3863; sip-mapping §3.12, §3.13; security SEC-45, SEC-46.

pub mod document;
mod entity;
mod state;
mod subscribe;
mod token;

use std::collections::{BTreeSet, HashMap};

use config::Config;
use sip_stack::endpoint::LegId;
use sip_stack::header::Replaces;
use sip_stack::subscription::{Notifier, Pace, Package, SubscriptionId};
use sip_stack::time::Now;

pub(crate) use self::token::Secret;
use crate::call::CallId;
use crate::feature::forward::Family;

/// What can be subscribed to, as Allow-Events names it.
pub const PACKAGES: [Package; 4] = [DIALOG, MESSAGE_SUMMARY, CONFERENCE, PRESENCE];
/// Busy lamps (RFC 4235).
pub(crate) const DIALOG: Package =
    Package { name: "dialog", content: "application/dialog-info+xml" };
/// The message lamp (RFC 3842).
pub(crate) const MESSAGE_SUMMARY: Package =
    Package { name: "message-summary", content: "application/simple-message-summary" };
/// Who is in a conference room (RFC 4575).
pub(crate) const CONFERENCE: Package =
    Package { name: "conference", content: "application/conference-info+xml" };
/// Whether a line can be reached, in words (RFC 3856, RFC 3863).
pub(crate) const PRESENCE: Package = Package { name: "presence", content: "application/pidf+xml" };

/// What a key for agents shows of its own line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Working {
    /// Somebody is logged in.
    LoggedIn,
    /// Somebody takes calls.
    Ready,
    /// Whoever is logged in takes none.
    NotReady,
}

/// Something that can be watched.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Entity {
    /// A line, by its number.
    Line(String),
    /// A park slot, by its number.
    Slot(String),
    /// A park lot, by its number: all its slots.
    Lot(String),
    /// A hunt group, by its number.
    HuntGroup(String),
    /// A queue, by its number.
    Queue(String),
    /// An agent, by its identifier.
    Agent(String),
    /// A shared line, by its number.
    SharedLine(String),
    /// A pickup group, by its name.
    PickupGroup(String),
    /// A conference room, by its number.
    Room(String),
    /// Do not disturb of a line.
    DoNotDisturb(String),
    /// Whether agents work at a line, and how: the log-in and the ready keys.
    Work(String, Working),
    /// Forwarding of a line: the family, and where to, if only that matters.
    Forwarding(String, Family, Option<String>),
    /// The messages that wait at a line.
    Mailbox(String),
}

/// How much a document may say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Audience {
    /// Who the other party is, and how to pick up.
    Trusted,
    /// The state alone.
    Plain,
}

/// What a subscription is about.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) package: Package,
    pub(crate) entity: Entity,
    /// The watched address as the subscriber wrote it: phones compare.
    pub(crate) uri: String,
    /// The subscribing line.
    pub(crate) line: String,
}

/// All subscriptions, and who watches what.
pub(crate) struct Presence {
    notifier: Notifier<About>,
    by_leg: HashMap<LegId, SubscriptionId>,
    by_entity: HashMap<Entity, Vec<SubscriptionId>>,
    by_line: HashMap<String, usize>,
    /// Watched things that may have changed since the last NOTIFYs.
    changed: BTreeSet<Entity>,
    /// The groups in which a line rings.
    groups: HashMap<String, Vec<Entity>>,
    /// The lines of each pickup group.
    members: HashMap<String, Vec<String>>,
    /// How many messages wait at each line.
    messages: HashMap<String, u32>,
    secret: Secret,
}

impl Presence {
    pub(crate) fn new(secret: Secret) -> Presence {
        Presence {
            notifier: Notifier::new(Pace::default()),
            by_leg: HashMap::new(),
            by_entity: HashMap::new(),
            by_line: HashMap::new(),
            changed: BTreeSet::new(),
            groups: HashMap::new(),
            members: HashMap::new(),
            messages: HashMap::new(),
            secret,
        }
    }

    /// Reads in which groups lines ring.
    pub(crate) fn read_groups(&mut self, config: &Config) {
        self.groups.clear();
        self.members.clear();
        let mut put = |line: &str, group: Entity| {
            self.groups.entry(line.to_owned()).or_default().push(group);
        };
        for line in config.lines.values() {
            if let Some(group) = &line.pickup_group {
                put(&line.number, Entity::PickupGroup(group.clone()));
                self.members.entry(group.clone()).or_default().push(line.number.clone());
            }
        }
        for group in config.hunt_groups.values() {
            for member in &group.members {
                put(member, Entity::HuntGroup(group.number.clone()));
            }
        }
        for shared in config.shared_lines.values() {
            for member in &shared.members {
                put(member, Entity::SharedLine(shared.number.clone()));
            }
        }
    }

    /// Something may have changed; costs one look when nobody watches it.
    pub(crate) fn touch(&mut self, entity: Entity) {
        if self.by_entity.contains_key(&entity) {
            self.changed.insert(entity);
        }
    }

    /// A call of a line changed: the line, and the groups in which it rings.
    pub(crate) fn touch_line(&mut self, line: &str) {
        if self.by_entity.is_empty() {
            return;
        }
        self.touch(Entity::Line(line.to_owned()));
        self.touch(Entity::Queue(line.to_owned()));
        for group in self.groups.get(line).into_iter().flatten() {
            if self.by_entity.contains_key(group) {
                self.changed.insert(group.clone());
            }
        }
    }

    /// Who works where, and how, changed.
    pub(crate) fn touch_work(&mut self) {
        let is_work = |entity: &&Entity| matches!(entity, Entity::Work(..));
        let watched: Vec<Entity> = self.by_entity.keys().filter(is_work).cloned().collect();
        self.changed.extend(watched);
    }

    /// What a line has set about its calls changed.
    pub(crate) fn touch_settings(&mut self, line: &str) {
        let is_of_line = |entity: &&Entity| match entity {
            Entity::DoNotDisturb(number) | Entity::Forwarding(number, ..) => number == line,
            _ => false,
        };
        let watched: Vec<Entity> = self.by_entity.keys().filter(is_of_line).cloned().collect();
        self.changed.extend(watched);
    }

    /// The lines of a pickup group.
    pub(crate) fn members_of(&self, group: &str) -> &[String] {
        self.members.get(group).map(Vec::as_slice).unwrap_or_default()
    }

    /// The call that a Replaces names in the words of our documents.
    pub(crate) fn named_call(&self, named: &Replaces<'_>) -> Option<CallId> {
        self.secret.call(named)
    }

    /// When [`Presence::expire`] is wanted next.
    pub(crate) fn next_deadline(&self) -> Option<Now> {
        self.notifier.next_deadline()
    }

    /// Lets subscriptions end whose time is over, and delayed NOTIFYs go.
    pub(crate) fn expire(&mut self, now: Now) {
        self.notifier.expire(now);
    }

    /// How many subscriptions there are.
    pub(crate) fn len(&self) -> usize {
        self.notifier.len()
    }

    /// Who made the subscription that this dialog belongs to.
    pub(crate) fn subscriber(&self, leg: LegId) -> Option<&str> {
        let about = self.notifier.about(*self.by_leg.get(&leg)?)?;
        Some(&about.line)
    }

    fn insert(&mut self, leg: LegId, id: SubscriptionId, about: &About) {
        self.by_leg.insert(leg, id);
        self.by_entity.entry(about.entity.clone()).or_default().push(id);
        *self.by_line.entry(about.line.clone()).or_default() += 1;
    }

    fn remove(&mut self, leg: LegId, id: SubscriptionId, about: &About) {
        self.by_leg.remove(&leg);
        if let Some(ids) = self.by_entity.get_mut(&about.entity) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_entity.remove(&about.entity);
            }
        }
        if let Some(count) = self.by_line.get_mut(&about.line) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_line.remove(&about.line);
            }
        }
    }
}
