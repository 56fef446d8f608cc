//! Event (RFC 6665 §8.2.1).

use std::fmt;

use super::params::Params;
use super::text::{is_token, trim};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// An event package and which of several subscriptions to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// Package and templates: `dialog`, `presence.winfo`.
    pub package: &'a str,
    /// `id` among them.
    pub params: Params<'a>,
}

impl<'a> Event<'a> {
    /// Reads the value.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &'a str) -> Result<Event<'a>, ParseError> {
        let end = value.find(';').unwrap_or(value.len());
        let (package, params) = value.split_at_checked(end).ok_or(Kind::Value.at(end))?;
        let package = trim(package);
        if !is_token(package) {
            return Err(Kind::Value.at(0));
        }
        Ok(Event { package, params: Params::parse(params)? })
    }

    /// The `id` parameter.
    #[must_use]
    pub fn id(&self) -> Option<&'a str> {
        self.params.get("id").filter(|id| !id.is_empty())
    }

    /// Whether both name the same subscription of a dialog (RFC 6665 §8.2.1: package and id,
    /// octet for octet; other parameters do not count).
    #[must_use]
    pub fn matches(&self, other: &Event<'_>) -> bool {
        self.package == other.package && self.id() == other.id()
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.package, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_and_id_name_the_subscription() {
        let event = Event::parse("dialog; id=7;sla").unwrap();
        assert_eq!((event.package, event.id()), ("dialog", Some("7")));
        assert!(event.matches(&Event::parse("dialog;id=7").unwrap()));
        assert!(!event.matches(&Event::parse("dialog").unwrap()));
        assert_eq!(event.to_string(), "dialog;id=7;sla");
        assert!(Event::parse(";id=7").is_err());
    }
}
