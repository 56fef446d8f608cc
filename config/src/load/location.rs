//! Reader of `[location]` and of its calling cards.

use super::{At, Section};
use crate::model::route::{CallingCard, Location};
use crate::secret::Secret;

/// Digits of a prefix or area code.
const MAX_PREFIX_DIGITS: usize = 8;
/// Characters of a dialling rule.
const MAX_RULE_CHARS: usize = 64;
/// What a dialling rule is made of: digits, pauses and tones, and E, F, G, H for country code, area
/// code, number and card number.
const RULE_CHARS: &str = "0123456789ABCD*#EFGHTP,!W@$?";

pub(super) fn location(root: &Section<'_>) -> Option<Location> {
    let section = root.table("location")?;
    if !section.has("country_code") {
        section.missing("country_code", "a whole number from 1 to 999");
    }
    let country_code = section.integer("country_code", 1..=999);
    let cards: Vec<CallingCard> = section.array("cards").into_iter().filter_map(card).collect();
    let preferred = section.string("card", "the name of one of the cards");
    let location = Location {
        country_code: country_code.and_then(|code| u16::try_from(code).ok()).unwrap_or(1),
        area_code: digits(&section, "area_code"),
        long_distance_prefix: digits(&section, "long_distance_prefix"),
        international_prefix: digits(&section, "international_prefix"),
        outside_line_prefix: digits(&section, "outside_line_prefix"),
        dial_area_code: section.boolean("dial_area_code").unwrap_or(false),
        cancel_call_waiting: digits(&section, "cancel_call_waiting"),
        card: preferred.and_then(|name| known_card(&section, name, &cards)),
        cards,
    };
    section.finish();
    Some(location)
}

fn known_card(section: &Section<'_>, name: At<String>, cards: &[CallingCard]) -> Option<String> {
    if cards.iter().any(|card| card.name == name.value) {
        return Some(name.value);
    }
    let found = format!("there is no calling card \"{}\"", name.value);
    section.context.fault(&name.span, found, "the name of one of location.cards");
    None
}

fn card(section: Section<'_>) -> Option<CallingCard> {
    section.required("name", "a name");
    let name = section.label("name");
    let number = section.required_secret("number", "card number");
    let card = CallingCard {
        name: name.unwrap_or_default(),
        number: number.map_or_else(|| Secret::new(""), |number| number.value),
        same_area: rule(&section, "same_area"),
        long_distance: rule(&section, "long_distance"),
        international: rule(&section, "international"),
    };
    section.finish();
    (!card.name.is_empty()).then_some(card)
}

fn rule(section: &Section<'_>, key: &'static str) -> String {
    let Some(text) = section.string(key, "a dialling rule such as \"0FG\"") else {
        return String::new();
    };
    let is_known = |c: char| RULE_CHARS.contains(c);
    if text.value.len() > MAX_RULE_CHARS || !text.value.chars().all(is_known) {
        let found = format!("\"{}\" is no dialling rule", text.value);
        let expected = format!("at most {MAX_RULE_CHARS} of the characters {RULE_CHARS}");
        section.context.fault(&text.span, found, expected);
    }
    text.value
}

fn digits(section: &Section<'_>, key: &'static str) -> String {
    let Some(text) = section.string(key, "digits") else { return String::new() };
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'*' || byte == b'#';
    if text.value.len() > MAX_PREFIX_DIGITS || !text.value.bytes().all(is_digit) {
        let found = format!("\"{}\" is not dialled as a prefix", text.value);
        section.context.fault(&text.span, found, format!("at most {MAX_PREFIX_DIGITS} digits"));
    }
    text.value
}
