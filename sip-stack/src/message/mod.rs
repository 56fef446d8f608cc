//! Octets to [`Message`] and back (path 1, hop 2).
//!
//! A `Message` is a shared buffer with an index of its header lines: nothing is copied, typed
//! views are read on demand. This module knows where things are, not what they mean; the checks
//! that need no state are in [`validate`].

pub mod edit;
mod error;
pub mod fit;
pub mod framing;
mod index;
mod method;
mod multipart;
mod name;
mod status;
pub mod validate;
mod write;

use std::sync::Arc;

use bytes::Bytes;

pub use edit::Edits;
pub use error::{ParseError, ParseErrorKind};
pub(crate) use index::is_token;
pub use method::Method;
pub use multipart::{MAX_PARTS, Part};
pub use name::HeaderName;
pub use status::reason_phrase;
pub use write::{MessageWriter, response_to, sanitised};

use crate::header::{CSeq, Contact, Contacts, List, NameAddr, Via, parse_number};
use index::{Index, Start};

/// Header lines in one message; more are refused (SEC-15).
pub const MAX_HEADERS: usize = 256;
/// Octets of a header line after unfolding.
pub const MAX_HEADER_LINE: usize = 8 * 1024;
/// Octets of the header section with its start line and closing empty line.
pub const MAX_HEAD: usize = 64 * 1024;
/// Octets of a body.
pub const MAX_BODY: usize = 256 * 1024;
/// Nested multipart bodies.
pub const MAX_NESTING: usize = 2;
/// Via values in one message; beyond it 483.
pub const MAX_VIAS: usize = 70;
/// Route values in one request; beyond it 400.
pub const MAX_ROUTES: usize = 20;
/// Octets of a Call-ID.
pub const MAX_CALL_ID: usize = 512;
/// Octets of a tag or a branch.
pub const MAX_TAG: usize = 256;

/// A SIP request or response.
///
/// Cloning shares the buffer. Header values are unfolded and trimmed.
///
/// Source: RFC 3261 §7.
#[derive(Clone, Debug)]
pub struct Message {
    index: Arc<Index>,
}

impl Message {
    /// Reads one message: a datagram, or what [`framing::StreamFramer`] cut out of a stream.
    ///
    /// Octets past Content-Length are dropped; without Content-Length the body runs to the end.
    /// Header values and the Request-URI are not looked into: that is [`validate::check`].
    ///
    /// # Errors
    /// A text that is no SIP message, or one beyond the limits of this module.
    pub fn parse(bytes: Bytes) -> Result<Message, ParseError> {
        Ok(Message { index: Arc::new(index::index(bytes)?) })
    }

    /// Whether this is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.index.start, Start::Request { .. })
    }

    /// Whether this is a response.
    #[must_use]
    pub fn is_response(&self) -> bool {
        !self.is_request()
    }

    /// The method of the request; of a response, the method its CSeq names.
    #[must_use]
    pub fn method(&self) -> Method {
        match &self.index.start {
            Start::Request { method, .. } => method.clone(),
            Start::Status { .. } => {
                self.cseq().map_or_else(|_| Method::Other(String::new()), |cseq| cseq.method)
            }
        }
    }

    /// The status code of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.index.start {
            Start::Status { code, .. } => Some(code),
            Start::Request { .. } => None,
        }
    }

    /// The reason phrase of a response as it came; empty for a request.
    #[must_use]
    pub fn reason_phrase(&self) -> &str {
        match &self.index.start {
            Start::Status { reason, .. } => reason.of(&self.index.head),
            Start::Request { .. } => "",
        }
    }

    /// The Request-URI of a request.
    #[must_use]
    pub fn request_uri(&self) -> Option<&str> {
        match &self.index.start {
            Start::Request { uri, .. } => Some(uri.of(&self.index.head)),
            Start::Status { .. } => None,
        }
    }

    /// Request-Line or Status-Line as it came.
    #[must_use]
    pub fn start_line(&self) -> &str {
        self.index.head.split_once("\r\n").map_or("", |(line, _)| line)
    }

    /// Whether the start line says SIP/2.0.
    #[must_use]
    pub fn is_version_2(&self) -> bool {
        match self.index.start {
            Start::Request { is_version_2, .. } | Start::Status { is_version_2, .. } => {
                is_version_2
            }
        }
    }

    /// The value of the first header line of this name.
    #[must_use]
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers(name).next()
    }

    /// The values of all header lines of this name, in order.
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        let entries = if self.has(name) { self.index.entries.as_slice() } else { &[] };
        entries
            .iter()
            .filter(move |entry| entry.id == name)
            .map(|entry| entry.value.of(&self.index.head))
    }

    /// The value of the first header line with this text as its name, in any case or form.
    #[must_use]
    pub fn header_named(&self, name: &str) -> Option<&str> {
        match HeaderName::parse(name) {
            HeaderName::Other => self
                .all_headers()
                .find(|(_, text, _)| text.eq_ignore_ascii_case(name))
                .map(|(_, _, value)| value),
            known => self.header(known),
        }
    }

    /// All header lines in order: id, name as it came, value.
    pub fn all_headers(&self) -> impl Iterator<Item = (HeaderName, &str, &str)> {
        self.index.entries.iter().map(|entry| {
            (entry.id, entry.name.of(&self.index.head), entry.value.of(&self.index.head))
        })
    }

    /// Whether a header of this name is there.
    #[must_use]
    pub fn has(&self, name: HeaderName) -> bool {
        self.index.present & name.bit() != 0
    }

    /// Whether a header of this name is there on more than one line.
    #[must_use]
    pub fn is_repeated(&self, name: HeaderName) -> bool {
        self.index.repeated & name.bit() != 0
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.index.bytes.get(self.index.head.len()..).unwrap_or_default()
    }

    /// The body, shared.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.index.bytes.slice(self.index.head.len()..)
    }

    /// The whole message, unfolded, without what came before the start line or after the body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.index.bytes
    }
}

/// Typed views, read on demand.
impl Message {
    /// The topmost Via value.
    ///
    /// # Errors
    /// No Via, or one that cannot be read.
    pub fn via(&self) -> Result<Via<'_>, ParseError> {
        self.vias().next().unwrap_or(Err(ParseErrorKind::MissingHeader.at(0)))
    }

    /// All Via values, topmost first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'_>, ParseError>> {
        self.list(HeaderName::Via).map(Via::parse)
    }

    /// The From value.
    ///
    /// # Errors
    /// No From, or one that cannot be read.
    pub fn from(&self) -> Result<NameAddr<'_>, ParseError> {
        self.name_addr(HeaderName::From)
    }

    /// The To value.
    ///
    /// # Errors
    /// No To, or one that cannot be read.
    pub fn to(&self) -> Result<NameAddr<'_>, ParseError> {
        self.name_addr(HeaderName::To)
    }

    /// The first line of this name, read as one name-addr or addr-spec (From, Referred-By …).
    ///
    /// # Errors
    /// No such header, or one that cannot be read.
    pub fn name_addr(&self, name: HeaderName) -> Result<NameAddr<'_>, ParseError> {
        NameAddr::parse(self.header(name).ok_or(ParseErrorKind::MissingHeader.at(0))?)
    }

    /// All values of this name, each a name-addr or addr-spec (Route, Path, Diversion …).
    pub fn name_addrs(
        &self,
        name: HeaderName,
    ) -> impl Iterator<Item = Result<NameAddr<'_>, ParseError>> {
        self.list(name).map(NameAddr::parse)
    }

    /// The Call-ID; empty if there is none.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.header(HeaderName::CallId).unwrap_or("")
    }

    /// The CSeq.
    ///
    /// # Errors
    /// No CSeq, or one that cannot be read.
    pub fn cseq(&self) -> Result<CSeq, ParseError> {
        CSeq::parse(self.header(HeaderName::CSeq).ok_or(ParseErrorKind::MissingHeader.at(0))?)
    }

    /// The contacts, or that it is `*`.
    ///
    /// # Errors
    /// A value that cannot be read, or `*` beside others.
    pub fn contacts(&self) -> Result<Contacts<'_>, ParseError> {
        Contacts::of(self.list(HeaderName::Contact))
    }

    /// The first contact, if the header is not `*`.
    ///
    /// # Errors
    /// A first value that cannot be read.
    pub fn contact(&self) -> Result<Option<Contact<'_>>, ParseError> {
        match self.list(HeaderName::Contact).next() {
            None | Some("*") => Ok(None),
            Some(value) => Contact::parse(value).map(Some),
        }
    }

    /// Max-Forwards, at most 255 (SEC-49); `None` if absent or no number.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u32> {
        let digits = self.header(HeaderName::MaxForwards)?;
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        Some(digits.parse::<u32>().map_or(255, |hops| hops.min(255)))
    }

    /// Content-Length as it came.
    #[must_use]
    pub fn content_length(&self) -> Option<usize> {
        index::content_length(self.header(HeaderName::ContentLength)?.as_bytes())
    }

    /// Expires in seconds; `None` if absent or no number.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.number(HeaderName::Expires)
    }

    /// A header that is one number, maybe with parameters (Expires, Min-SE, RSeq, Flow-Timer …).
    #[must_use]
    pub fn number(&self, name: HeaderName) -> Option<u32> {
        let value = self.header(name)?;
        let digits = value.split([';', ' ', '\t', '(']).next()?;
        parse_number(digits).ok()
    }

    /// The elements of all lines of this name, split at commas outside quotes and brackets.
    pub fn list(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.headers(name).flat_map(List::new)
    }

    /// Whether a token list (Supported, Require, Allow …) contains a token, in any case.
    #[must_use]
    pub fn lists(&self, name: HeaderName, token: &str) -> bool {
        self.list(name).any(|element| element.eq_ignore_ascii_case(token))
    }
}

#[cfg(test)]
mod tests;
