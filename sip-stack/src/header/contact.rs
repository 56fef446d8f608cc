//! Contact (RFC 3261 §20.10, RFC 5626).

use std::fmt;
use std::ops::Deref;

use super::name_addr::NameAddr;
use super::text::parse_number;
use crate::message::{ParseError, ParseErrorKind as Kind};

/// One contact; reads as its [`NameAddr`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contact<'a> {
    /// Display name, URI and parameters.
    pub addr: NameAddr<'a>,
}

impl<'a> Contact<'a> {
    /// Reads one value; `*` is not one (see [`Contacts`]).
    ///
    /// # Errors
    /// A value that does not fit the grammar.
    pub fn parse(value: &'a str) -> Result<Contact<'a>, ParseError> {
        Ok(Contact { addr: NameAddr::parse(value)? })
    }

    /// The preference in thousandths; 1000 if it is not given or malformed.
    #[must_use]
    pub fn q(&self) -> u16 {
        self.addr.params.get("q").and_then(thousandths).unwrap_or(1000)
    }

    /// The lifetime in seconds.
    ///
    /// # Errors
    /// A parameter that is no number of 32 bits.
    pub fn expires(&self) -> Result<Option<u32>, ParseError> {
        self.addr.params.get("expires").map(parse_number).transpose()
    }

    /// The instance of the user agent, brackets included (`+sip.instance`, RFC 5626 §4.1).
    #[must_use]
    pub fn instance(&self) -> Option<&'a str> {
        self.addr.params.get("+sip.instance").filter(|instance| !instance.is_empty())
    }

    /// The number of the flow (RFC 5626 §4.2).
    #[must_use]
    pub fn reg_id(&self) -> Option<u32> {
        self.addr.params.get("reg-id").and_then(|id| parse_number(id).ok())
    }
}

impl<'a> Deref for Contact<'a> {
    type Target = NameAddr<'a>;

    fn deref(&self) -> &NameAddr<'a> {
        &self.addr
    }
}

impl fmt::Display for Contact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

/// `qvalue` of RFC 3261 §25.1 in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0" | "", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// The Contact headers of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Contacts<'a> {
    /// `*`: all bindings of the address-of-record (RFC 3261 §10.2.2).
    Star,
    /// The contacts in order; maybe none.
    List(Vec<Contact<'a>>),
}

impl<'a> Contacts<'a> {
    /// Reads the values of all Contact headers.
    ///
    /// # Errors
    /// A value that cannot be read, or `*` beside others.
    pub fn of(values: impl Iterator<Item = &'a str>) -> Result<Contacts<'a>, ParseError> {
        let mut list = Vec::new();
        let mut stars = 0usize;
        for value in values {
            if value == "*" {
                stars += 1;
            } else {
                list.push(Contact::parse(value)?);
            }
        }
        match (stars, list.is_empty()) {
            (0, _) => Ok(Contacts::List(list)),
            (1, true) => Ok(Contacts::Star),
            _ => Err(Kind::Value.at(0)),
        }
    }

    /// The contacts; none if it is `*`.
    #[must_use]
    pub fn as_slice(&self) -> &[Contact<'a>] {
        match self {
            Contacts::Star => &[],
            Contacts::List(list) => list,
        }
    }

    /// Whether it is `*`.
    #[must_use]
    pub fn is_star(&self) -> bool {
        matches!(self, Contacts::Star)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_parameters_of_an_outbound_phone() {
        let contact = Contact::parse(
            r#"<sip:a@10.0.0.1;line=1>;reg-id=2;q=0.33;expires=60;+sip.instance="<urn:uuid:00-1>""#,
        )
        .unwrap();
        assert_eq!(contact.q(), 330);
        assert_eq!(contact.expires(), Ok(Some(60)));
        assert_eq!(contact.reg_id(), Some(2));
        assert_eq!(contact.instance(), Some("<urn:uuid:00-1>"));
        assert_eq!(contact.uri, "sip:a@10.0.0.1;line=1");
    }

    #[test]
    fn an_overlarge_lifetime_is_an_error() {
        let contact = Contact::parse("<sip:a@h>;expires=280297596632815").unwrap();
        assert!(contact.expires().is_err());
    }

    #[test]
    fn a_star_stands_alone() {
        assert_eq!(Contacts::of(["*"].into_iter()), Ok(Contacts::Star));
        assert!(Contacts::of(["*", "<sip:a@h>"].into_iter()).is_err());
        assert!(Contacts::of(["*", "*"].into_iter()).is_err());
        assert_eq!(Contacts::of([].into_iter()), Ok(Contacts::List(vec![])));
    }

    #[test]
    fn preferences_are_thousandths() {
        let cases =
            [("0.5", 500), ("1.000", 1000), ("0", 0), ("1", 1000), ("2", 1000), ("x", 1000)];
        for (q, expected) in cases {
            let value = format!("<sip:a@h>;q={q}");
            assert_eq!(Contact::parse(&value).unwrap().q(), expected, "{q}");
        }
    }
}
