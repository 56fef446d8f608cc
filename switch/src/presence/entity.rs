//! What a subscribed address names, and who may watch it.

use config::{FeatureCode, Watchers};
use sip_stack::subscription::Package;

use super::{Audience, CONFERENCE, DIALOG, Entity, MESSAGE_SUMMARY, PRESENCE, Working};
use crate::exchange::Exchange;
use crate::feature::forward::Family;

impl Exchange {
    /// The thing that `number` names for a line and a package.
    pub(super) fn entity_of(&self, line: &str, package: Package, number: &str) -> Option<Entity> {
        let config = &self.config;
        let number = number.to_owned();
        let is_line = config.lines.contains_key(&number);
        if package == MESSAGE_SUMMARY {
            return is_line.then_some(Entity::Mailbox(number));
        }
        if package == CONFERENCE {
            return config.conference.rooms.contains_key(&number).then_some(Entity::Room(number));
        }
        if is_line {
            return Some(Entity::Line(number));
        }
        if package != DIALOG {
            return None;
        }
        if config.hunt_groups.contains_key(&number) {
            return Some(Entity::HuntGroup(number));
        }
        if config.queue_at(&number).is_some() {
            return Some(Entity::Queue(number));
        }
        if config.agents.contains_key(&number) {
            return Some(Entity::Agent(number));
        }
        if config.shared_lines.contains_key(&number) {
            return Some(Entity::SharedLine(number));
        }
        if config.conference.rooms.contains_key(&number) {
            return Some(Entity::Room(number));
        }
        if let Some(lot) = self.lot_of(&number) {
            let is_lot = lot.number == number;
            return Some(if is_lot { Entity::Lot(number) } else { Entity::Slot(number) });
        }
        if config.pickup_groups.contains_key(&number) {
            return Some(Entity::PickupGroup(number));
        }
        self.feature_key(line, &number)
    }

    /// A key that dials a feature code lights while the feature is on; the pickup code blinks when
    /// there is something to pick up.
    fn feature_key(&self, line: &str, dialled: &str) -> Option<Entity> {
        let (code, argument) = self.config.feature_codes.find(dialled)?;
        let forwarding = |family| {
            let to = (!argument.is_empty()).then(|| argument.to_owned());
            Some(Entity::Forwarding(line.to_owned(), family, to))
        };
        let work = |working| Some(Entity::Work(line.to_owned(), working));
        match code {
            FeatureCode::PickupGroup if argument.is_empty() => {
                let own = self.config.lines.get(line)?.pickup_group.clone();
                own.map(Entity::PickupGroup)
            }
            FeatureCode::PickupGroup => {
                let mut groups = self.config.pickup_groups.values();
                let group = groups.find(|group| group.id == argument)?;
                Some(Entity::PickupGroup(group.name.clone()))
            }
            FeatureCode::PickupDirected => {
                let is_line = self.config.lines.contains_key(argument);
                is_line.then(|| Entity::Line(argument.to_owned()))
            }
            FeatureCode::PickupHeld => {
                let is_shared = self.config.shared_lines.contains_key(argument);
                is_shared.then(|| Entity::SharedLine(argument.to_owned()))
            }
            FeatureCode::AgentLogin | FeatureCode::AgentLogout => work(Working::LoggedIn),
            FeatureCode::AgentReady => work(Working::Ready),
            FeatureCode::AgentNotReady => work(Working::NotReady),
            FeatureCode::DndSet | FeatureCode::DndCancel => {
                Some(Entity::DoNotDisturb(line.to_owned()))
            }
            FeatureCode::ForwardAllSet => forwarding(Family::Unconditional),
            FeatureCode::ForwardBusySet => forwarding(Family::Busy),
            FeatureCode::ForwardNoAnswerSet => forwarding(Family::NoAnswer),
            _ => None,
        }
    }

    /// How much `line` may see; `None`: nothing (security SEC-45).
    pub(super) fn audience(&self, line: &str, package: Package, to: &Entity) -> Option<Audience> {
        let trusted =
            |is_trusted| Some(if is_trusted { Audience::Trusted } else { Audience::Plain });
        match to {
            Entity::Line(number) => {
                let watched = self.config.lines.get(number)?;
                let may_pick_up = self.may_pick_up(line, number);
                let is_open = match watched.watchers {
                    Watchers::Everyone => true,
                    Watchers::PickupGroup => may_pick_up,
                    Watchers::Nobody => line == number,
                };
                let is_known = may_pick_up && package != PRESENCE;
                is_open.then_some(())?;
                trusted(is_known)
            }
            Entity::HuntGroup(number) => {
                let members = &self.config.hunt_groups.get(number)?.members;
                trusted(members.iter().all(|member| self.may_pick_up(line, member)))
            }
            Entity::SharedLine(number) => {
                let members = &self.config.shared_lines.get(number)?.members;
                trusted(members.iter().any(|member| self.may_pick_up(line, member)))
            }
            Entity::PickupGroup(name) => {
                self.config.pickup_groups.get(name)?;
                let own = self.config.lines.get(line)?.pickup_group.as_deref();
                trusted(self.may_pick_up_in(own, name))
            }
            // Whoever may dial a slot gets the party that waits there.
            Entity::Slot(number) | Entity::Lot(number) => {
                self.lot_of(number)?;
                trusted(true)
            }
            Entity::Room(number) => {
                self.config.conference.rooms.get(number)?;
                trusted(self.is_in_room(line, number))
            }
            // How many wait is for everybody to see; who they are is not.
            Entity::Queue(number) => {
                self.config.queue_at(number)?;
                trusted(false)
            }
            Entity::Agent(agent) => {
                self.config.agents.get(agent)?;
                trusted(false)
            }
            Entity::DoNotDisturb(own)
            | Entity::Forwarding(own, ..)
            | Entity::Work(own, _)
            | Entity::Mailbox(own) => {
                (own == line && self.config.lines.contains_key(own)).then_some(Audience::Trusted)
            }
        }
    }

    /// Whether a line is in a conference room now: then it knows anyhow who else is.
    fn is_in_room(&self, line: &str, number: &str) -> bool {
        let calls = self.by_line.get(line).map(Vec::as_slice).unwrap_or_default();
        calls.iter().any(|id| self.room_of(*id) == Some(number))
    }

    /// Whether what is watched is still configured.
    pub(super) fn is_there(&self, entity: &Entity) -> bool {
        let config = &self.config;
        match entity {
            Entity::Line(number)
            | Entity::DoNotDisturb(number)
            | Entity::Forwarding(number, ..)
            | Entity::Work(number, _)
            | Entity::Mailbox(number) => config.lines.contains_key(number),
            Entity::Slot(number) | Entity::Lot(number) => self.lot_of(number).is_some(),
            Entity::HuntGroup(number) => config.hunt_groups.contains_key(number),
            Entity::Queue(number) => config.queue_at(number).is_some(),
            Entity::Agent(agent) => config.agents.contains_key(agent),
            Entity::SharedLine(number) => config.shared_lines.contains_key(number),
            Entity::PickupGroup(name) => config.pickup_groups.contains_key(name),
            Entity::Room(number) => config.conference.rooms.contains_key(number),
        }
    }
}
