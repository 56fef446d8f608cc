//! Who diverted the call: Diversion (RFC 5806) and History-Info (RFC 7044).

use std::fmt;
use std::ops::Deref;

use super::name_addr::NameAddr;
use super::text::parse_number;
use crate::message::{ParseError, ParseErrorKind as Kind};

/// One diversion, the most recent one first in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Diversion<'a> {
    /// Who diverted.
    pub addr: NameAddr<'a>,
}

impl<'a> Diversion<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &'a str) -> Result<Diversion<'a>, ParseError> {
        Ok(Diversion { addr: NameAddr::parse(value)? })
    }

    /// `user-busy`, `no-answer`, `unconditional` …
    #[must_use]
    pub fn reason(&self) -> Option<&'a str> {
        self.addr.params.get("reason").filter(|reason| !reason.is_empty())
    }

    /// How many diversions this entry stands for; 1 if it does not say.
    #[must_use]
    pub fn counter(&self) -> u32 {
        self.addr.params.get("counter").and_then(|text| parse_number(text).ok()).unwrap_or(1)
    }

    /// `full`, `name`, `uri` or `off`.
    #[must_use]
    pub fn privacy(&self) -> Option<&'a str> {
        self.addr.params.get("privacy")
    }
}

/// One step of the way a request took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryInfo<'a> {
    /// The target of the step; Reason and Privacy may be headers inside the URI.
    pub addr: NameAddr<'a>,
    /// `1.2.1`: where the step is in the tree.
    pub index: &'a str,
}

impl<'a> HistoryInfo<'a> {
    /// Reads one value.
    ///
    /// # Errors
    /// A value that does not fit the grammar, or has no index of dotted numbers.
    pub fn parse(value: &'a str) -> Result<HistoryInfo<'a>, ParseError> {
        let addr = NameAddr::parse(value)?;
        let index = addr.params.get("index").ok_or(Kind::Parameter.at(0))?;
        if !index.split('.').all(|number| parse_number(number).is_ok()) {
            return Err(Kind::Parameter.at(0));
        }
        Ok(HistoryInfo { addr, index })
    }

    /// The index of the entry that this one was retargeted from (`rc`, `mp` or `np`).
    #[must_use]
    pub fn retargeted_from(&self) -> Option<&'a str> {
        ["mp", "rc", "np"].into_iter().find_map(|name| self.addr.params.get(name))
    }
}

macro_rules! reads_as_name_addr {
    ($($name:ident)*) => {$(
        impl<'a> Deref for $name<'a> {
            type Target = NameAddr<'a>;

            fn deref(&self) -> &NameAddr<'a> {
                &self.addr
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.addr.fmt(f)
            }
        }
    )*};
}

reads_as_name_addr! { Diversion HistoryInfo }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_diversion() {
        let value = "\"Bob\" <sip:bob@h>;reason=user-busy;counter=2;privacy=off";
        let diversion = Diversion::parse(value).unwrap();
        assert_eq!((diversion.reason(), diversion.counter()), (Some("user-busy"), 2));
        assert_eq!(diversion.privacy(), Some("off"));
        assert_eq!(diversion.to_string(), value);
        assert_eq!(Diversion::parse("<sip:b@h>").unwrap().counter(), 1);
    }

    #[test]
    fn history_needs_an_index() {
        let step = HistoryInfo::parse("<sip:b@h?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1").unwrap();
        assert_eq!((step.index, step.retargeted_from()), ("1.1", Some("1")));
        assert!(HistoryInfo::parse("<sip:b@h>").is_err());
        assert!(HistoryInfo::parse("<sip:b@h>;index=1..2").is_err());
    }
}
