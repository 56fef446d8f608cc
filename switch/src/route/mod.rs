//! From a dialled number to what it names. Pure: reads the configuration, knows no calls.

pub(crate) mod location;

use config::{Config, FeatureCode, HuntGroup, Line, Queue, Room, SharedLine, Trunk};

pub use location::dialable;

/// What a number names.
#[derive(Debug)]
pub enum Target<'a> {
    /// A line of ours.
    Line(&'a Line),
    /// A trunk, and the number to send to it.
    Trunk {
        /// The trunk.
        trunk: &'a Trunk,
        /// What it is asked for.
        number: String,
    },
    /// A hunt group.
    HuntGroup(&'a HuntGroup),
    /// An address that several lines share.
    SharedLine(&'a SharedLine),
    /// A feature code, and what followed it.
    Feature {
        /// Which feature.
        code: FeatureCode,
        /// The digits after the code.
        argument: &'a str,
    },
    /// A conference room of ours.
    Room(&'a Room),
    /// A queue of the call centre.
    Queue(&'a Queue),
    /// Nothing has this number.
    Unknown,
}

/// Finds what was dialled: exact numbers, then feature codes, then routes in the order of the file.
pub fn resolve<'a>(config: &'a Config, dialled: &'a str) -> Target<'a> {
    if let Some(line) = config.lines.get(dialled) {
        return Target::Line(line);
    }
    if let Some(group) = config.hunt_groups.get(dialled) {
        return Target::HuntGroup(group);
    }
    if let Some(shared) = config.shared_lines.get(dialled) {
        return Target::SharedLine(shared);
    }
    if let Some(room) = config.conference.rooms.get(dialled) {
        return Target::Room(room);
    }
    if let Some(queue) = config.queue_at(dialled) {
        return Target::Queue(queue);
    }
    if let Some((code, argument)) = config.feature_codes.find(dialled) {
        return Target::Feature { code, argument };
    }
    match config.route(dialled) {
        Some((route, number)) => match config.trunks.get(&route.trunk) {
            Some(trunk) => Target::Trunk { trunk, number },
            None => Target::Unknown,
        },
        None => Target::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office() -> Config {
        config::parse(include_str!("../../../config/office.toml"), "office.toml").unwrap()
    }

    #[test]
    fn a_line_is_found_by_its_number() {
        let config = office();
        assert!(matches!(resolve(&config, "201"), Target::Line(line) if line.name == "Ada"));
    }

    #[test]
    fn a_room_is_found_by_its_number() {
        let config = office();
        assert!(matches!(resolve(&config, "800"), Target::Room(room) if room.name == "Board"));
    }

    #[test]
    fn a_route_strips_the_outside_line_prefix() {
        let config = office();
        match resolve(&config, "0123456") {
            Target::Trunk { trunk, number } => {
                assert_eq!((trunk.name.as_str(), number.as_str()), ("carrier", "123456"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_hunt_group_is_found_by_its_number() {
        let config = office();
        assert!(
            matches!(resolve(&config, "260"), Target::HuntGroup(group) if group.members.len() == 3)
        );
    }

    #[test]
    fn a_queue_is_found_by_its_number() {
        let config = office();
        assert!(matches!(resolve(&config, "600"), Target::Queue(queue) if queue.id == "support"));
    }

    #[test]
    fn a_shared_line_is_found_by_its_number() {
        let config = office();
        assert!(
            matches!(resolve(&config, "250"), Target::SharedLine(line) if line.members.len() == 2)
        );
    }

    #[test]
    fn a_number_that_nothing_has_is_unknown() {
        let config = office();
        for number in ["299", "", "7000", "01"] {
            assert!(matches!(resolve(&config, number), Target::Unknown), "{number}");
        }
    }
}
