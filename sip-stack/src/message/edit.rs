//! A message with few changes: a list of changes against the header lines, written once.
//!
//! Everything that is not named stays octet for octet as it came.

use std::fmt::Display;

use bytes::{Bytes, BytesMut};

use super::write::sanitised;
use super::{HeaderName, Message};

/// Changes to one message, carried out together by [`Edits::apply`].
///
/// Content-Length is kept right by [`Edits::body`] and cannot be edited.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    changes: Vec<Change>,
    body: Option<Bytes>,
}

#[derive(Clone, Debug)]
struct Change {
    name: HeaderName,
    kind: ChangeKind,
}

#[derive(Clone, Debug)]
enum ChangeKind {
    /// All lines of the name go; the text takes the place of the first, or the end.
    Replace(String),
    /// A line before the first one of the name, or at the start of the header section.
    InsertBefore(String),
    /// A line at the end of the header section.
    Append(String),
    Remove,
}

impl Edits {
    /// No changes.
    #[must_use]
    pub fn new() -> Edits {
        Edits::default()
    }

    /// Puts one line in place of all lines of this name.
    pub fn replace(&mut self, name: HeaderName, value: impl Display) -> &mut Self {
        self.change(name, ChangeKind::Replace(sanitised(&value.to_string())))
    }

    /// Puts a line before the first one of this name.
    pub fn insert_before(&mut self, name: HeaderName, value: impl Display) -> &mut Self {
        self.change(name, ChangeKind::InsertBefore(sanitised(&value.to_string())))
    }

    /// Adds a line behind all others.
    pub fn append(&mut self, name: HeaderName, value: impl Display) -> &mut Self {
        self.change(name, ChangeKind::Append(sanitised(&value.to_string())))
    }

    /// Takes all lines of this name out.
    pub fn remove(&mut self, name: HeaderName) -> &mut Self {
        self.change(name, ChangeKind::Remove)
    }

    /// Replaces the body.
    pub fn body(&mut self, body: Bytes) -> &mut Self {
        self.body = Some(body);
        self
    }

    fn change(&mut self, name: HeaderName, kind: ChangeKind) -> &mut Self {
        if !matches!(name, HeaderName::Other | HeaderName::ContentLength) {
            self.changes.push(Change { name, kind });
        }
        self
    }

    /// The message with the changes made. Of several changes that replace or remove the same
    /// name the last one counts; insertions and additions come in the order they were asked for.
    #[must_use]
    pub fn apply(&self, message: &Message) -> Bytes {
        let body = self.body.clone().unwrap_or_else(|| message.body_bytes());
        let mut text = BytesMut::with_capacity(message.bytes().len() + 256 + body.len());
        text.extend_from_slice(message.start_line().as_bytes());
        text.extend_from_slice(b"\r\n");
        for insertion in self.changes.iter().filter(|change| !message.has(change.name)) {
            if let ChangeKind::InsertBefore(value) = &insertion.kind {
                put(&mut text, insertion.name, value);
            }
        }
        let mut seen = 0u128;
        for (name, as_came, value) in message.all_headers() {
            if name == HeaderName::ContentLength {
                continue;
            }
            let is_first = seen & name.bit() == 0;
            seen |= name.bit();
            if is_first {
                self.before_first(&mut text, name);
            }
            match self.fate(name) {
                None => put_as_came(&mut text, as_came, value),
                Some(ChangeKind::Replace(value)) if is_first => put(&mut text, name, value),
                Some(_) => {}
            }
        }
        self.behind(&mut text, message);
        put(&mut text, HeaderName::ContentLength, &body.len().to_string());
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&body);
        text.freeze()
    }

    fn before_first(&self, text: &mut BytesMut, name: HeaderName) {
        for change in self.changes.iter().filter(|change| change.name == name) {
            if let ChangeKind::InsertBefore(value) = &change.kind {
                put(text, name, value);
            }
        }
    }

    /// Replacements of names that were not there, then additions.
    fn behind(&self, text: &mut BytesMut, message: &Message) {
        let mut done = 0u128;
        for change in self.changes.iter().filter(|change| !message.has(change.name)) {
            let is_first = done & change.name.bit() == 0;
            done |= change.name.bit();
            if let Some(ChangeKind::Replace(value)) = self.fate(change.name)
                && is_first
            {
                put(text, change.name, value);
            }
        }
        for change in &self.changes {
            if let ChangeKind::Append(value) = &change.kind {
                put(text, change.name, value);
            }
        }
    }

    /// What becomes of the lines of a name: the last replacement or removal.
    fn fate(&self, name: HeaderName) -> Option<&ChangeKind> {
        self.changes
            .iter()
            .rev()
            .filter(|change| change.name == name)
            .map(|change| &change.kind)
            .find(|kind| matches!(kind, ChangeKind::Replace(_) | ChangeKind::Remove))
    }
}

fn put(text: &mut BytesMut, name: HeaderName, value: &str) {
    put_as_came(text, name.as_str(), value);
}

fn put_as_came(text: &mut BytesMut, name: &str, value: &str) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b": ");
    text.extend_from_slice(value.as_bytes());
    text.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message::parse(Bytes::from_static(
            b"INVITE sip:b@h SIP/2.0\r\nVia: 1\r\nv: 2\r\nX-Own:  y\r\nMax-Forwards: 70\r\nl: 2\r\n\r\nhi",
        ))
        .unwrap()
    }

    #[test]
    fn changes_are_made_and_the_rest_stays() {
        let bytes = Edits::new()
            .insert_before(HeaderName::Via, "0")
            .replace(HeaderName::MaxForwards, 69)
            .append(HeaderName::Subject, "a\r\nEvil: b")
            .replace(HeaderName::Contact, "<sip:c@h>")
            .apply(&message());
        assert_eq!(
            bytes,
            "INVITE sip:b@h SIP/2.0\r\nVia: 0\r\nVia: 1\r\nv: 2\r\nX-Own: y\r\nMax-Forwards: 69\r\n\
             Contact: <sip:c@h>\r\nSubject: a  Evil: b\r\nContent-Length: 2\r\n\r\nhi"
        );
    }

    #[test]
    fn removal_takes_all_lines_and_compact_forms() {
        let bytes = Edits::new()
            .remove(HeaderName::Via)
            .body(Bytes::from_static(b"other"))
            .remove(HeaderName::ContentLength)
            .apply(&message());
        let edited = Message::parse(bytes).unwrap();
        assert!(!edited.has(HeaderName::Via));
        assert_eq!(edited.content_length(), Some(5));
        assert_eq!(edited.body(), b"other");
    }

    #[test]
    fn the_last_replacement_counts() {
        let bytes = Edits::new()
            .replace(HeaderName::Via, "a")
            .remove(HeaderName::Via)
            .replace(HeaderName::Via, "b")
            .insert_before(HeaderName::Subject, "first")
            .apply(&message());
        let edited = Message::parse(bytes).unwrap();
        assert_eq!(edited.headers(HeaderName::Via).collect::<Vec<_>>(), ["b"]);
        assert_eq!(edited.all_headers().next().map(|(name, ..)| name), Some(HeaderName::Subject));
    }
}
