//! Attributes that a stream has itself or takes from its session: fingerprints, roles, checks.

use super::{Attribute, Media, Session};

impl Session {
    /// The value of an attribute of a stream: its own, else the session's; empty when it has none.
    ///
    /// Source: RFC 8866 §5.13; RFC 8122 §5, RFC 4145 §4, RFC 8839 §5.4 (both levels).
    pub fn stream_attribute(&self, index: usize, name: &str) -> Option<&str> {
        let own = self.media.get(index)?.attribute(name);
        own.or_else(|| {
            let shared = self.attributes.iter().find(|line| line.name.eq_ignore_ascii_case(name));
            shared.map(|line| line.value.as_deref().unwrap_or(""))
        })
    }

    /// Says something of the whole session, in the place of what it said before.
    pub fn set_attribute(&mut self, name: &str, value: Option<String>) {
        replace(&mut self.attributes, name, value);
    }
}

impl Media {
    /// Says something of the stream, in the place of what it said before.
    pub fn set_attribute(&mut self, name: &str, value: Option<String>) {
        replace(&mut self.attributes, name, value);
    }

    /// Says one more thing of the same name.
    pub fn add_attribute(&mut self, name: &str, value: String) {
        self.attributes.push(Attribute { name: name.to_owned(), value: Some(value) });
    }
}

fn replace(attributes: &mut Vec<Attribute>, name: &str, value: Option<String>) {
    attributes.retain(|line| !line.name.eq_ignore_ascii_case(name));
    attributes.push(Attribute { name: name.to_owned(), value });
}
