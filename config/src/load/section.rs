//! One table of the file: typed access to its settings, and the settings nobody asked for.

use std::cell::RefCell;
use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Context;
use crate::diagnose::nearest;
use crate::duration::{format_duration, parse_duration};
use crate::secret::{self, Secret};
use crate::sound::{self, Sound};

/// Longest duration that is a sensible setting.
const MAX_DURATION: Duration = Duration::from_secs(366 * 86_400);

/// Longest name of anything, in characters.
const MAX_NAME_CHARS: usize = 100;

/// Longest dialled number.
const MAX_NUMBER_CHARS: usize = 32;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// A table with its place in the file. What has not been asked for when it is finished is unknown.
pub(crate) struct Section<'a> {
    pub(crate) context: &'a Context<'a>,
    table: &'a DeTable<'a>,
    /// Where the table is named.
    pub(crate) span: Range<usize>,
    path: String,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub(crate) fn root(context: &'a Context<'a>, table: &'a DeTable<'a>) -> Self {
        Self::new(context, table, 0..0, String::new())
    }

    fn new(
        context: &'a Context<'a>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        path: String,
    ) -> Self {
        Self { context, table, span, path, asked: RefCell::default() }
    }

    /// The full name of a setting of this table.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where the value of a setting stands, or the table where it is missing.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Is the setting there at all?
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        let value = self.table.get(key)?;
        self.context.place(self.name(key), &value.span());
        Some(value)
    }

    /// Notes a fault of a setting's value.
    pub(crate) fn fault(&self, key: &str, found: impl Into<String>, expected: impl Into<String>) {
        self.context.fault(&self.span_of(key), found, expected);
    }

    /// Notes that a setting must be there.
    pub(crate) fn missing(&self, key: &str, expected: impl Into<String>) {
        if !self.context.is_partial {
            let found = format!("{} is missing", self.name(key));
            self.context.fault(&self.span, found, expected);
        }
    }

    fn wrong_type(&self, name: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let article = match value.get_ref() {
            DeValue::Integer(_) | DeValue::Array(_) => "an",
            _ => "a",
        };
        let found = format!("{name} is {article} {}", value.get_ref().type_str());
        self.context.fault(&value.span(), found, expected);
    }

    fn text_of(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
    ) -> Option<At<String>> {
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), span: value.span() }),
            DeValue::Integer(number) => {
                self.wrong_type(name, value, &format!("{expected} in quotes, \"{number}\""));
                None
            }
            _ => {
                self.wrong_type(name, value, expected);
                None
            }
        }
    }

    /// A recording, named by its file; a relative path starts at the folder of the configuration.
    pub(crate) fn sound(&self, key: &'static str) -> Option<Sound> {
        let text = self.string(key, "the path of a WAV file")?;
        self.sound_at(&text)
    }

    /// Several recordings.
    pub(crate) fn sounds(&self, key: &'static str) -> Vec<Sound> {
        let texts = self.strings(key, "a list of paths of WAV files").unwrap_or_default();
        texts.iter().filter_map(|text| self.sound_at(text)).collect()
    }

    fn sound_at(&self, text: &At<String>) -> Option<Sound> {
        let path = self.context.folder.join(&text.value);
        if let Some(known) = self.context.sounds.borrow().get(&path) {
            return Some(known.clone());
        }
        match sound::read(&path) {
            Ok(sound) => {
                self.context.sounds.borrow_mut().insert(path, sound.clone());
                Some(sound)
            }
            Err(fault) => {
                self.context.fault(&text.span, fault.to_string(), sound::EXPECTED);
                None
            }
        }
    }

    /// A string as it stands, perhaps empty.
    pub(crate) fn string(&self, key: &'static str, expected: &str) -> Option<At<String>> {
        self.get(key).and_then(|value| self.text_of(&self.name(key), value, expected))
    }

    /// A string that must be there.
    pub(crate) fn required(&self, key: &'static str, expected: &str) -> Option<At<String>> {
        if !self.table.contains_key(key) {
            self.asked.borrow_mut().push(key);
            self.missing(key, expected);
            return None;
        }
        self.string(key, expected)
    }

    /// A file or a folder; a relative path starts at the folder of the configuration. Notes the fault
    /// where there can be none of that name.
    pub(crate) fn path_of(&self, key: &str, text: &At<String>, expected: &str) -> Option<PathBuf> {
        let path = text.value.as_str();
        if path.is_empty() || path.contains('\0') {
            let fault = if path.is_empty() { "is empty" } else { "has an octet of zero" };
            self.context.fault(&text.span, format!("{} {fault}", self.name(key)), expected);
            return None;
        }
        Some(self.context.folder.join(path))
    }

    /// A name that people read: not empty, on one line, not too long.
    pub(crate) fn label(&self, key: &'static str) -> Option<String> {
        let label = self.string(key, "a name")?;
        let is_fine = !label.value.trim().is_empty()
            && label.value.chars().count() <= MAX_NAME_CHARS
            && !label.value.chars().any(char::is_control);
        if !is_fine {
            let expected = format!("1 to {MAX_NAME_CHARS} characters on one line");
            self.fault(key, format!("{} is no name", self.name(key)), expected);
        }
        Some(label.value)
    }

    /// A dialled number.
    pub(crate) fn number(&self, key: &'static str, expected: &str) -> Option<At<String>> {
        self.string(key, expected).filter(|number| self.is_number(number))
    }

    /// Is this a number that a phone can dial? Notes the fault where it is not.
    pub(crate) fn is_number(&self, number: &At<String>) -> bool {
        let is_dialled = |c: char| c.is_ascii_alphanumeric() || "*#+-_.".contains(c);
        let is_fine = (1..=MAX_NUMBER_CHARS).contains(&number.value.chars().count())
            && number.value.chars().all(is_dialled);
        if !is_fine {
            let expected = format!(
                "1 to {MAX_NUMBER_CHARS} letters, digits, \"*\", \"#\", \"+\", \"-\", \"_\" or \".\""
            );
            let found = format!("\"{}\" cannot be dialled", number.value);
            self.context.fault(&number.span, found, expected);
        }
        is_fine
    }

    /// A password, token or PIN; `what` names it in faults.
    pub(crate) fn secret(&self, key: &'static str, what: &'static str) -> Option<At<Secret>> {
        let value = self.get(key)?;
        // Other faults show a number as it should have been written; this one might be a PIN (SEC-112).
        let DeValue::String(text) = value.get_ref() else {
            let expected = "a string in quotes, \"env:NAME\" or \"file:PATH\"";
            self.wrong_type(&self.name(key), value, expected);
            return None;
        };
        match secret::resolve(text, what, &self.context.folder) {
            Ok(secret) => Some(At { value: secret, span: value.span() }),
            Err(fault) => {
                self.context.fault(&value.span(), fault.to_string(), fault.expected());
                None
            }
        }
    }

    /// A secret that must be there.
    pub(crate) fn required_secret(
        &self,
        key: &'static str,
        what: &'static str,
    ) -> Option<At<Secret>> {
        if !self.table.contains_key(key) {
            self.missing(key, format!("a {what}, \"env:NAME\" or \"file:PATH\""));
        }
        self.secret(key, what)
    }

    /// A duration of at least `least`.
    pub(crate) fn duration(&self, key: &'static str, least: Duration) -> Option<Duration> {
        let text = self.string(key, "a duration such as \"90s\"")?;
        let duration = match parse_duration(&text.value) {
            Ok(duration) => duration,
            Err(fault) => {
                let found = format!("\"{}\" is no duration: {fault}", text.value);
                let expected = "a duration such as \"90s\", \"2m\", \"1h30m\" or \"500ms\"";
                self.context.fault(&text.span, found, expected);
                return None;
            }
        };
        if !(least..=MAX_DURATION).contains(&duration) {
            let word = if duration < least { "short" } else { "long" };
            let found = format!("{} is too {word}: {}", self.name(key), text.value);
            let expected =
                format!("{} to {}", format_duration(least), format_duration(MAX_DURATION));
            self.context.fault(&text.span, found, expected);
            return None;
        }
        Some(duration)
    }

    /// A duration of whole seconds, as SIP headers carry it.
    pub(crate) fn seconds(&self, key: &'static str, least: Duration) -> Option<Duration> {
        let duration = self.duration(key, least)?;
        if duration.subsec_nanos() != 0 {
            self.fault(key, format!("{} is not whole seconds", self.name(key)), "whole seconds");
            return None;
        }
        Some(duration)
    }

    /// A whole number within a range.
    pub(crate) fn integer(&self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.get(key)?;
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(&self.name(key), value, &expected);
            return None;
        };
        let found = i64::from_str_radix(number.as_str(), number.radix());
        match found.ok().and_then(|number| u32::try_from(number).ok()) {
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                let found = format!("{} is {number}", self.name(key));
                self.context.fault(&value.span(), found, expected);
                None
            }
        }
    }

    /// Yes or no.
    pub(crate) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        if let DeValue::Boolean(is_set) = value.get_ref() {
            return Some(*is_set);
        }
        self.wrong_type(&self.name(key), value, "true or false");
        None
    }

    /// One of several words.
    pub(crate) fn choice<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let word = self.string(key, &alternatives(choices))?;
        self.chosen(&word, choices)
    }

    /// Which of several words is it? Notes the fault where it is none.
    pub(crate) fn chosen<T: Copy>(
        &self,
        word: &At<String>,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let chosen = choices.iter().find(|(name, _)| *name == word.value);
        if chosen.is_none() {
            let suggestion = nearest(&word.value, choices.iter().map(|(name, _)| *name));
            let found = format!("\"{}\" is not known here", word.value);
            self.context.faults.report(&word.span, found, alternatives(choices), suggestion);
        }
        chosen.map(|(_, value)| *value)
    }

    /// An IP address.
    pub(crate) fn address(&self, key: &'static str) -> Option<IpAddr> {
        let text = self.string(key, "an IP address")?;
        let address = text.value.parse().ok();
        if address.is_none() {
            let found = format!("\"{}\" is no IP address", text.value);
            self.context.fault(&text.span, found, "an address such as \"192.0.2.1\"");
        }
        address
    }

    /// An array of strings.
    pub(crate) fn strings(&self, key: &'static str, expected: &str) -> Option<Vec<At<String>>> {
        let value = self.get(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(&self.name(key), value, expected);
            return None;
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let name = format!("{}.{index}", self.name(key));
            self.context.place(name.as_str(), &item.span());
            texts.extend(self.text_of(&name, item, "a string"));
        }
        Some(texts)
    }

    /// An array of names of other things, each at most once; empty only if `may_be_empty`.
    pub(crate) fn names(
        &self,
        key: &'static str,
        expected: &str,
        may_be_empty: bool,
    ) -> Vec<At<String>> {
        if !self.table.contains_key(key) {
            self.asked.borrow_mut().push(key);
            if !may_be_empty {
                self.missing(key, expected);
            }
            return Vec::new();
        }
        let Some(names) = self.strings(key, expected) else { return Vec::new() };
        let is_empty = self
            .table
            .get(key)
            .is_some_and(|value| value.get_ref().as_array().is_some_and(|array| array.is_empty()));
        if is_empty && !may_be_empty {
            self.fault(key, format!("{} is empty", self.name(key)), expected);
        }
        for (index, name) in names.iter().enumerate() {
            if names.iter().take(index).any(|other| other.value == name.value) {
                let found = format!("\"{}\" is listed twice", name.value);
                self.context.fault(&name.span, found, "each name once");
            }
        }
        names
    }

    /// A table within this one.
    pub(crate) fn table(&self, key: &'static str) -> Option<Section<'a>> {
        let value = self.get(key)?;
        self.section(key, value)
    }

    fn section(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Section<'a>> {
        let name = self.name(key);
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.context, table, value.span(), name)),
            _ => {
                self.wrong_type(&name, value, &format!("a table, [{name}]"));
                None
            }
        }
    }

    /// The tables within a table of this one, such as each line of `[lines]`.
    pub(crate) fn children(&self, key: &'static str) -> Vec<(At<String>, Section<'a>)> {
        let Some(parent) = self.table(key) else { return Vec::new() };
        let mut children = Vec::new();
        for (name, value) in parent.table {
            let name = At { value: name.get_ref().to_string(), span: name.span() };
            if let Some(section) = parent.section(&name.value, value) {
                children.push((name, section));
            }
        }
        children
    }

    /// The tables of an array of tables, such as `[[routes]]`.
    pub(crate) fn array(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(&self.name(key), value, &format!("[[{}]]", self.name(key)));
            return Vec::new();
        };
        let indexed = items.iter().enumerate();
        indexed.filter_map(|(index, item)| self.section(&format!("{key}.{index}"), item)).collect()
    }

    /// Every setting that nobody asked for is unknown.
    pub(crate) fn finish(self) {
        let asked = self.asked.into_inner();
        for key in self.table.keys() {
            let word = key.get_ref().as_ref();
            if !asked.contains(&word) {
                let found = if self.path.is_empty() {
                    format!("unknown setting \"{word}\"")
                } else {
                    format!("unknown setting \"{word}\" in [{}]", self.path)
                };
                let mut known = asked.clone();
                known.sort_unstable();
                known.dedup();
                let expected = format!("one of {}", known.join(", "));
                let suggestion = nearest(word, asked.iter().copied());
                self.context.faults.report(&key.span(), found, expected, suggestion);
            }
        }
    }
}

fn alternatives<T>(choices: &[(&'static str, T)]) -> String {
    let words: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
