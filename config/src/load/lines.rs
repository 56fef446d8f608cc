//! Readers of `[defaults.line]`, `[lines]` and `[shared_lines]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Section;
use crate::check::Target;
use crate::model::line::{AgentHandler, Line, LineDefaults, SharedLine};
use crate::model::security::{Srtp, SrtpKeys};
use crate::model::subscription::Watchers;
use crate::secret::Secret;

const SECOND: Duration = Duration::from_secs(1);

/// Most calls one address may be configured to have.
const MAX_CALLS: u32 = 100;

pub(super) fn defaults(root: &Section<'_>) -> LineDefaults {
    let mut defaults = LineDefaults::default();
    let Some(section) = root.table("defaults") else { return defaults };
    if let Some(line) = section.table("line") {
        defaults = appearance(&line, &defaults);
        line.finish();
    }
    section.finish();
    defaults
}

/// The settings that `[defaults.line]` and a line share.
fn appearance(section: &Section<'_>, defaults: &LineDefaults) -> LineDefaults {
    LineDefaults {
        ring_timeout: section.duration("ring_timeout", SECOND).unwrap_or(defaults.ring_timeout),
        ring_cycle: section.duration("ring_cycle", SECOND).unwrap_or(defaults.ring_cycle),
        max_calls: section.integer("max_calls", 1..=MAX_CALLS).unwrap_or(defaults.max_calls),
        watchers: section.choice("watchers", &Watchers::ALL).unwrap_or(defaults.watchers),
        music: section.sound("music").or_else(|| defaults.music.clone()),
        agent_handler: section
            .choice("agent_handler", &AgentHandler::ALL)
            .unwrap_or(defaults.agent_handler),
        outside: super::guard::outside(section, &defaults.outside),
        srtp: section.choice("srtp", &Srtp::ALL).unwrap_or(defaults.srtp),
        srtp_keys: section.choice("srtp_keys", &SrtpKeys::ALL).unwrap_or(defaults.srtp_keys),
        record: section.boolean("record").unwrap_or(defaults.record),
    }
}

pub(super) fn lines(root: &Section<'_>, defaults: &LineDefaults) -> BTreeMap<String, Line> {
    let mut lines = BTreeMap::new();
    for (number, section) in root.children("lines") {
        section.is_number(&number);
        section.context.claim(&number, format!("line {}", number.value));
        let own = appearance(&section, defaults);
        let group = section.string("pickup_group", "the name of a pickup group");
        if let Some(group) = &group {
            section.context.refer(Target::PickupGroup, group);
        }
        let password = section.required_secret("password", "password");
        let line = Line {
            name: section.label("name").unwrap_or_else(|| number.value.clone()),
            password: password.map_or_else(|| Secret::new(""), |password| password.value),
            pickup_group: group.map(|group| group.value),
            ring_timeout: own.ring_timeout,
            ring_cycle: own.ring_cycle,
            max_calls: own.max_calls,
            watchers: own.watchers,
            music: own.music,
            agent_handler: own.agent_handler,
            outside: own.outside,
            srtp: own.srtp,
            srtp_keys: own.srtp_keys,
            record: own.record,
            number: number.value.clone(),
        };
        section.finish();
        lines.insert(number.value, line);
    }
    lines
}

pub(super) fn shared_lines(root: &Section<'_>) -> BTreeMap<String, SharedLine> {
    let mut shared_lines = BTreeMap::new();
    for (number, section) in root.children("shared_lines") {
        section.is_number(&number);
        section.context.claim(&number, format!("shared line {}", number.value));
        let line = SharedLine {
            name: section.label("name").unwrap_or_else(|| number.value.clone()),
            members: members(&section),
            allow_join: section.boolean("allow_join").unwrap_or(false),
            number: number.value.clone(),
        };
        section.finish();
        shared_lines.insert(number.value, line);
    }
    shared_lines
}

/// `members`: numbers of lines.
pub(super) fn members(section: &Section<'_>) -> Vec<String> {
    let members = section.names("members", "a list of line numbers such as [\"201\"]", false);
    for member in &members {
        section.context.refer(Target::Line, member);
    }
    members.into_iter().map(|member| member.value).collect()
}
