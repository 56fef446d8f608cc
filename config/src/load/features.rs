//! Readers of groups, lots, rooms, completion and feature codes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lines::members;
use super::{At, Section};
use crate::check::{SlotClaim, Target};
use crate::model::feature::{
    Completion, Conference, FeatureCode, FeatureCodes, HuntGroup, Lot, OnTimeout, Park,
    PickupGroup, Room, Slots, Strategy,
};

const SECOND: Duration = Duration::from_secs(1);

/// Most slots of one lot.
const MAX_SLOTS: u32 = 1000;

/// Most digits of a slot number.
const MAX_SLOT_DIGITS: usize = 9;

/// Most messages that a caller can choose from.
const MAX_MESSAGES: usize = 32;

/// Most characters of a message.
const MAX_MESSAGE_CHARS: usize = 200;

/// Most characters of a feature code.
const MAX_CODE_CHARS: usize = 16;

/// A number that must be there and belongs to this section alone.
pub(super) fn own_number(section: &Section<'_>, owner: String) -> String {
    section.required("number", "the number that is dialled to reach it");
    let Some(number) = section.number("number", "a number") else { return String::new() };
    section.context.claim(&number, owner);
    number.value
}

/// A number of this switch, or one that a route carries outside.
pub(super) fn destination(section: &Section<'_>, key: &'static str, own: &str) -> Option<String> {
    let number = section.string(key, "a number that can be called")?;
    if number.value == own {
        let found = format!("{} leads back to itself", section.name(key));
        section.context.fault(&number.span, found, "another number");
    } else {
        section.context.refer(Target::Destination, &number);
    }
    Some(number.value)
}

/// Names of things of one kind.
pub(super) fn references(
    section: &Section<'_>,
    key: &'static str,
    target: Target,
    may_be_empty: bool,
) -> Vec<String> {
    let names = section.names(key, &format!("a list of {}", target.plural()), may_be_empty);
    for name in &names {
        section.context.refer(target, name);
    }
    names.into_iter().map(|name| name.value).collect()
}

pub(super) fn pickup_groups(root: &Section<'_>) -> BTreeMap<String, PickupGroup> {
    let mut groups: BTreeMap<String, PickupGroup> = BTreeMap::new();
    for (name, section) in root.children("pickup_groups") {
        section.required("id", "the identifier that the pickup code takes");
        let id = section.number("id", "an identifier of digits").map(|id| id.value);
        if let Some(id) = &id
            && let Some(other) = groups.values().find(|group| group.id == *id)
        {
            let found = format!("pickup group \"{}\" already has the id {id}", other.name);
            section.fault("id", found, "an id of its own");
        }
        let group = PickupGroup {
            id: id.unwrap_or_default(),
            allow: references(&section, "allow", Target::PickupGroup, true),
            name: name.value.clone(),
        };
        section.finish();
        groups.insert(name.value, group);
    }
    groups
}

pub(super) fn park(root: &Section<'_>) -> Park {
    let mut park = Park::default();
    let Some(parent) = root.table("park") else { return park };
    for (name, section) in parent.children("lots") {
        let number = own_number(&section, format!("park lot \"{}\"", name.value));
        let slots = slots(&section, &name.value);
        let on_timeout = match section.string("on_timeout", "\"recall\" or a number") {
            None => OnTimeout::Recall,
            Some(word) if word.value == "recall" => OnTimeout::Recall,
            Some(word) => {
                section.context.refer(Target::RecallOrDestination, &word);
                OnTimeout::Forward(word.value)
            }
        };
        let timeout = section.duration("timeout", SECOND).unwrap_or(Duration::from_secs(120));
        let music = section.sound("music");
        let lot = Lot { name: name.value.clone(), number, slots, timeout, on_timeout, music };
        section.finish();
        park.lots.insert(name.value, lot);
    }
    parent.finish();
    park
}

fn slots(section: &Section<'_>, lot: &str) -> Slots {
    let nothing = Slots { first: 0, last: 0, digits: 0 };
    let expected = "a range of numbers with the same count of digits, such as \"701-720\"";
    let Some(text) = section.required("slots", expected) else { return nothing };
    let Some(slots) = slot_range(&text.value) else {
        let found = format!("\"{}\" is no range of slots", text.value);
        section.context.fault(&text.span, found, expected);
        return nothing;
    };
    if slots.last - slots.first >= MAX_SLOTS {
        let found = format!("{} slots are too many", slots.count());
        section.context.fault(&text.span, found, format!("at most {MAX_SLOTS}"));
        return nothing;
    }
    section.context.slots.borrow_mut().push(SlotClaim {
        slots,
        lot: lot.to_owned(),
        span: text.span,
    });
    slots
}

fn slot_range(text: &str) -> Option<Slots> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let is_slot = |number: &str| {
        (1..=MAX_SLOT_DIGITS).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_slot(first) || !is_slot(last) || first.len() != last.len() {
        return None;
    }
    let digits = first.len();
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(Slots { first, last, digits })
}

pub(super) fn hunt_groups(root: &Section<'_>) -> BTreeMap<String, HuntGroup> {
    let mut groups = BTreeMap::new();
    for (number, section) in root.children("hunt_groups") {
        section.is_number(&number);
        section.context.claim(&number, format!("hunt group {}", number.value));
        let ring_timeout = section.duration("ring_timeout", SECOND);
        let group = HuntGroup {
            name: section.label("name").unwrap_or_else(|| number.value.clone()),
            members: members(&section),
            strategy: strategy(&section, Strategy::Simultaneous),
            ring_timeout: ring_timeout.unwrap_or(Duration::from_secs(15)),
            on_no_answer: destination(&section, "on_no_answer", &number.value),
            number: number.value.clone(),
        };
        section.finish();
        groups.insert(number.value, group);
    }
    groups
}

fn strategy(section: &Section<'_>, default: Strategy) -> Strategy {
    section.choice("strategy", &Strategy::ALL).unwrap_or(default)
}

pub(super) fn conference(root: &Section<'_>) -> Conference {
    let mut conference = Conference::default();
    let Some(parent) = root.table("conference") else { return conference };
    for (number, section) in parent.children("rooms") {
        section.is_number(&number);
        section.context.claim(&number, format!("conference room {}", number.value));
        let room = Room {
            name: section.label("name").unwrap_or_else(|| number.value.clone()),
            max_members: section.integer("max_members", 2..=1000).unwrap_or(32),
            number: number.value.clone(),
        };
        section.finish();
        conference.rooms.insert(number.value, room);
    }
    parent.finish();
    conference
}

pub(super) fn completion(root: &Section<'_>) -> Completion {
    let mut completion = Completion::default();
    let Some(section) = root.table("completion") else { return completion };
    let keep = section.duration("keep_failed_call", Duration::ZERO);
    completion.keep_failed_call = keep.unwrap_or(completion.keep_failed_call);
    if let Some(limit) = section.integer("max_per_address", 1..=1000) {
        completion.max_per_address = usize::try_from(limit).unwrap_or(completion.max_per_address);
    }
    completion.expires = section.duration("expires", SECOND).unwrap_or(completion.expires);
    let recall = section.duration("recall_timeout", SECOND);
    completion.recall_timeout = recall.unwrap_or(completion.recall_timeout);
    let guard = section.duration("idle_guard", Duration::ZERO);
    completion.idle_guard = guard.unwrap_or(completion.idle_guard);
    if section.has("messages") {
        completion.messages = messages(&section);
    }
    completion.intruders = references(&section, "intruders", Target::Line, true);
    section.finish();
    completion
}

/// The texts of `[completion] messages`.
fn messages(section: &Section<'_>) -> Vec<String> {
    let texts = section.names("messages", "a list of texts", true);
    if texts.len() > MAX_MESSAGES {
        let found = format!("{} messages", texts.len());
        section.fault("messages", found, format!("{MAX_MESSAGES} at most"));
    }
    let is_bad = |text: &str| {
        text.is_empty()
            || text.chars().count() > MAX_MESSAGE_CHARS
            || text.contains(char::is_control)
    };
    for text in texts.iter().filter(|text| is_bad(&text.value)) {
        let found = format!("\"{}\" cannot be left as a message", text.value.escape_debug());
        let expected = format!("1 to {MAX_MESSAGE_CHARS} printable characters");
        section.context.fault(&text.span, found, expected);
    }
    texts.into_iter().map(|text| text.value).collect()
}

pub(super) fn feature_codes(root: &Section<'_>) -> FeatureCodes {
    let mut codes = BTreeMap::new();
    let Some(section) = root.table("feature_codes") else { return FeatureCodes::default() };
    for (key, feature, _) in FeatureCode::ALL {
        let Some(code) = section.string(key, "a code such as \"*8\"") else { continue };
        if is_code(&code) {
            codes.insert(feature, code.value);
        } else {
            let found = format!("\"{}\" is no feature code", code.value);
            let expected = format!("1 to {MAX_CODE_CHARS} of the digits 0 to 9, \"*\" and \"#\"");
            section.context.fault(&code.span, found, expected);
        }
    }
    section.finish();
    FeatureCodes { codes }
}

fn is_code(code: &At<String>) -> bool {
    (1..=MAX_CODE_CHARS).contains(&code.value.len())
        && code.value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*' || byte == b'#')
}
