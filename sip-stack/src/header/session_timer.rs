//! Session-Expires (RFC 4028). Min-SE is one number: `Message::number`.

use std::fmt;

use super::params::Params;
use super::text::{parse_number, trim};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// Who refreshes the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    /// The client of the INVITE or UPDATE.
    Uac,
    /// Its server.
    Uas,
}

/// The interval of a session and who refreshes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpires {
    /// Seconds.
    pub interval: u32,
    /// Left open in a request that does not mind.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads the value; an unknown refresher counts as none.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &str) -> Result<SessionExpires, ParseError> {
        let end = value.find(';').unwrap_or(value.len());
        let (interval, params) = value.split_at_checked(end).ok_or(Kind::Value.at(end))?;
        let interval = parse_number(trim(interval))?;
        let refresher = match Params::parse(params)?.get("refresher") {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(SessionExpires { interval, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refresher {
            None => write!(f, "{}", self.interval),
            Some(Refresher::Uac) => write!(f, "{};refresher=uac", self.interval),
            Some(Refresher::Uas) => write!(f, "{};refresher=uas", self.interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        for value in ["90", "1800;refresher=uac", "1800;refresher=uas"] {
            assert_eq!(SessionExpires::parse(value).unwrap().to_string(), value);
        }
        let value = SessionExpires::parse("1800 ; Refresher = UAS;x").unwrap();
        assert_eq!(value.refresher, Some(Refresher::Uas));
        assert!(SessionExpires::parse("x;refresher=uac").is_err());
    }
}
