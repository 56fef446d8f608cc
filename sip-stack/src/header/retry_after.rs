//! Retry-After (RFC 3261 §20.33).

use std::fmt;

use super::params::Params;
use super::text::{parse_number, trim};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// When to try again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryAfter {
    /// Seconds to wait.
    pub seconds: u32,
    /// How long the peer will be there after that, in seconds.
    pub duration: Option<u32>,
}

impl RetryAfter {
    /// Reads the value; a comment is left out.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &str) -> Result<RetryAfter, ParseError> {
        let end = value.find([';', '(', ' ', '\t']).unwrap_or(value.len());
        let (seconds, rest) = value.split_at_checked(end).ok_or(Kind::Value.at(end))?;
        let seconds = parse_number(seconds)?;
        let rest = trim(rest);
        let params = match rest.strip_prefix('(') {
            None => rest,
            Some(comment) => comment.rsplit_once(')').ok_or(Kind::Value.at(end))?.1,
        };
        let duration = Params::parse(params)?.get("duration").map(parse_number).transpose()?;
        Ok(RetryAfter { seconds, duration })
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.duration {
            None => write!(f, "{}", self.seconds),
            Some(duration) => write!(f, "{};duration={duration}", self.seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_comment_and_duration() {
        let after = RetryAfter::parse("120 (I'm in a (long) meeting) ;duration=3600").unwrap();
        assert_eq!((after.seconds, after.duration), (120, Some(3600)));
        assert_eq!(after.to_string(), "120;duration=3600");
        assert_eq!(RetryAfter::parse("18").unwrap().to_string(), "18");
        for value in ["", "949302838503028349304023988", "1 (x", "-1", "1;duration=x"] {
            assert!(RetryAfter::parse(value).is_err(), "{value}");
        }
    }
}
