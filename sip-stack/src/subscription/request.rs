//! What a SUBSCRIBE asks for, or the response that refuses it.

use std::time::Duration;

use crate::endpoint::Reply;
use crate::header::Event;
use crate::message::{HeaderName, Message};

/// An event package that can be subscribed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Package {
    /// Its name in Event.
    pub name: &'static str,
    /// The media type of its documents.
    pub content: &'static str,
}

/// How long a subscription may live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Shorter wishes, but zero, are refused with 423.
    pub min: Duration,
    /// What a subscriber gets that names no time.
    pub default: Duration,
    /// Longer wishes are cut to this.
    pub max: Duration,
}

/// A SUBSCRIBE that can be granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The package.
    pub package: Package,
    /// The Event value of its NOTIFYs: package and id.
    pub event: String,
    /// What is granted; zero asks for the state once, or ends the subscription.
    pub expires: Duration,
}

/// Reads a SUBSCRIBE outside of any dialog.
///
/// Source: RFC 6665 §4.2.1.
///
/// # Errors
/// The response: 400 for what cannot be read, 489 with Allow-Events for a package that is not among
/// `packages`, 406 with Accept when the subscriber cannot read its documents, 423 with Min-Expires.
pub fn read(message: &Message, packages: &[Package], bounds: &Bounds) -> Result<Asked, Reply> {
    let bad_event = || {
        let known: Vec<&str> = packages.iter().map(|package| package.name).collect();
        Reply::new(489).header("Allow-Events", known.join(", "))
    };
    let value = message.header(HeaderName::Event).ok_or_else(bad_event)?;
    let event = Event::parse(value).map_err(|_| Reply::new(400).reason("Bad Event"))?;
    let package = packages.iter().find(|package| package.name == event.package);
    let package = *package.ok_or_else(bad_event)?;
    if !accepts(message, package.content) {
        return Err(Reply::new(406).header("Accept", package.content));
    }
    let event = match event.id() {
        Some(id) => format!("{};id={id}", package.name),
        None => package.name.to_owned(),
    };
    Ok(Asked { package, event, expires: read_expires(message, bounds)? })
}

/// How long a SUBSCRIBE wants to live, as far as that is granted.
///
/// # Errors
/// 400 for no number, 423 with Min-Expires for too short a time (RFC 6665 §4.2.1.1).
pub fn read_expires(message: &Message, bounds: &Bounds) -> Result<Duration, Reply> {
    let Some(value) = message.header(HeaderName::Expires) else {
        return Ok(bounds.default.min(bounds.max));
    };
    let seconds: u32 = value.trim().parse().map_err(|_| Reply::new(400).reason("Bad Expires"))?;
    let wanted = Duration::from_secs(u64::from(seconds));
    if !wanted.is_zero() && wanted < bounds.min {
        let least = bounds.min.as_secs().to_string();
        return Err(Reply::new(423).header("Min-Expires", least));
    }
    Ok(wanted.min(bounds.max))
}

/// Whether a SUBSCRIBE inside a dialog is about the subscription with this Event value.
pub fn matches_event(message: &Message, event: &str) -> bool {
    let value = message.header(HeaderName::Event).unwrap_or_default();
    match (Event::parse(value), Event::parse(event)) {
        (Ok(asked), Ok(own)) => asked.matches(&own),
        _ => false,
    }
}

/// No Accept means the package's own type (RFC 6665 §8.2.1, RFC 3265 §3.1.3).
fn accepts(message: &Message, content: &str) -> bool {
    let mut values = message.headers(HeaderName::Accept).peekable();
    if values.peek().is_none() {
        return true;
    }
    let family = content.split('/').next().unwrap_or_default();
    values.flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        let is_family = range
            .strip_suffix("/*")
            .is_some_and(|named| named == "*" || named.eq_ignore_ascii_case(family));
        is_family || range.eq_ignore_ascii_case(content)
    })
}
