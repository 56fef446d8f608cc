//! Subscription-State (RFC 6665 §8.2.3).

use std::fmt;

use super::params::Params;
use super::text::{is_token, parse_number, trim};
use crate::message::{ParseError, ParseErrorKind as Kind};

/// The state of a subscription as its notifier sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubscriptionState<'a> {
    /// `active`, `pending`, `terminated` or an extension.
    pub state: &'a str,
    /// `expires`, `reason` and `retry-after` among them.
    pub params: Params<'a>,
}

impl<'a> SubscriptionState<'a> {
    /// Reads the value.
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &'a str) -> Result<SubscriptionState<'a>, ParseError> {
        let end = value.find(';').unwrap_or(value.len());
        let (state, params) = value.split_at_checked(end).ok_or(Kind::Value.at(end))?;
        let state = trim(state);
        if !is_token(state) {
            return Err(Kind::Value.at(0));
        }
        Ok(SubscriptionState { state, params: Params::parse(params)? })
    }

    /// Whether this notification is the last one.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.state.eq_ignore_ascii_case("terminated")
    }

    /// Whether the subscription is in force.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state.eq_ignore_ascii_case("active")
    }

    /// What is left of the lifetime in seconds.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.params.get("expires").and_then(|expires| parse_number(expires).ok())
    }

    /// Why it was terminated.
    #[must_use]
    pub fn reason(&self) -> Option<&'a str> {
        self.params.get("reason").filter(|reason| !reason.is_empty())
    }

    /// When to try again, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.params.get("retry-after").and_then(|after| parse_number(after).ok())
    }
}

impl fmt::Display for SubscriptionState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.state, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_state_and_parameters() {
        let state =
            SubscriptionState::parse("Terminated ;reason=noresource;retry-after=5").unwrap();
        assert!(state.is_terminated());
        assert_eq!((state.reason(), state.retry_after()), (Some("noresource"), Some(5)));
        let state = SubscriptionState::parse("active;expires=60").unwrap();
        assert_eq!((state.is_active(), state.expires()), (true, Some(60)));
        assert_eq!(state.to_string(), "active;expires=60");
    }
}
