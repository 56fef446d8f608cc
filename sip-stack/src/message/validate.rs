//! The checks of RFC 3261 §8.2 that need no state, and the refusal each leads to.
//!
//! A [`Message`] is known to be well-formed line by line only. What passes [`check`] has readable
//! essentials: Via, From, To, Call-ID, CSeq and Contact can be relied on. A response that does
//! not pass is dropped, and so is an ACK; [`Refusal::response`] knows that.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::index::{is_token, skip_empty_lines, trim};
use super::{
    HeaderName, MAX_CALL_ID, MAX_HEAD, MAX_HEADER_LINE, MAX_HEADERS, MAX_ROUTES, MAX_TAG, MAX_VIAS,
    Message, Method, ParseError, response_to,
};
use crate::header::{MediaType, NameAddr};
use crate::uri::{MAX_URI, Uri};

/// Option tags this stack and the switch above it carry out; others in Require lead to 420.
pub const SUPPORTED_OPTIONS: &[&str] =
    &["100rel", "replaces", "timer", "norefersub", "path", "outbound", "tdialog", "histinfo"];

/// Option tags that one Unsupported header names.
const MAX_NAMED_OPTIONS: usize = 16;

/// Headers that may be there once. Content-Length is looked at by the parser.
const SINGLE: &[HeaderName] = &[
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentType,
    HeaderName::Expires,
    HeaderName::Event,
    HeaderName::SubscriptionState,
    HeaderName::SessionExpires,
    HeaderName::MinSe,
    HeaderName::RAck,
    HeaderName::RSeq,
    HeaderName::ReferTo,
    HeaderName::ReferredBy,
    HeaderName::Replaces,
    HeaderName::Join,
    HeaderName::TargetDialog,
    HeaderName::SipIfMatch,
];

/// Headers that must be there, with the reason phrase that names the missing one.
const ESSENTIAL: &[(HeaderName, &str)] = &[
    (HeaderName::Via, "Missing Via"),
    (HeaderName::From, "Missing From"),
    (HeaderName::To, "Missing To"),
    (HeaderName::CallId, "Missing Call-ID"),
    (HeaderName::CSeq, "Missing CSeq"),
];

/// Why a message is not acted on, and what a request is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: Cow<'static, str>,
    /// Headers the response must have (Unsupported, Accept …).
    pub headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    fn new(status: u16, reason: &'static str) -> Refusal {
        Refusal { status, reason: Cow::Borrowed(reason), headers: Vec::new() }
    }

    fn malformed(name: HeaderName, error: ParseError) -> Refusal {
        match error.kind.status() {
            400 => Refusal {
                status: 400,
                reason: Cow::Owned(format!("Bad {} Header", name.as_str())),
                headers: Vec::new(),
            },
            status => Refusal::new(status, error.kind.reason()),
        }
    }

    fn with(mut self, name: HeaderName, value: String) -> Refusal {
        self.headers.push((name, value));
        self
    }

    /// The whole response; `None` if the message is one that is dropped: a response, an ACK, or
    /// a request whose response could not be matched, because it lacks an essential header.
    #[must_use]
    pub fn response(&self, message: &Message, to_tag: &str) -> Option<Bytes> {
        let is_answerable = message.is_request()
            && message.method() != Method::Ack
            && ESSENTIAL.iter().all(|(name, _)| message.has(*name));
        if !is_answerable {
            return None;
        }
        let mut writer = response_to(message, self.status, &self.reason, Some(to_tag));
        for (name, value) in &self.headers {
            writer.header(*name, value);
        }
        Some(writer.finish(None, b""))
    }
}

/// All checks with [`SUPPORTED_OPTIONS`].
///
/// Source: RFC 3261 §8.1.3, §8.2, §16.3; SIP mapping §1.5 rows 1–4, 10, 11.
///
/// # Errors
/// The first rule that is broken, in the order of the table.
pub fn check(message: &Message) -> Result<(), Refusal> {
    check_with(message, SUPPORTED_OPTIONS)
}

/// All checks; `options` are the option tags that Require may name.
///
/// # Errors
/// As [`check`].
pub fn check_with(message: &Message, options: &[&str]) -> Result<(), Refusal> {
    for (name, reason) in ESSENTIAL {
        if message.header(*name).is_none_or(str::is_empty) {
            return Err(Refusal::new(400, reason));
        }
    }
    if !message.is_version_2() {
        return Err(Refusal::new(505, "Version Not Supported"));
    }
    check_singles(message)?;
    check_essentials(message)?;
    check_addresses(message)?;
    if message.is_request() { check_request(message, options) } else { Ok(()) }
}

/// Whether the body of a session request can be looked at: SDP or multipart, not encoded, and
/// answerable with SDP. Row 15 of the table, to be asked after authentication.
///
/// # Errors
/// 415 with Accept or Accept-Encoding, 406.
pub fn check_session(message: &Message) -> Result<(), Refusal> {
    let has_other_encoding = message
        .list(HeaderName::ContentEncoding)
        .any(|name| !name.eq_ignore_ascii_case("identity"));
    if has_other_encoding {
        return Err(Refusal::new(415, "Unsupported Media Type")
            .with(HeaderName::AcceptEncoding, "identity".into()));
    }
    if !message.body().is_empty() {
        let media = message.header(HeaderName::ContentType).map(MediaType::parse);
        let is_session = media.is_some_and(|media| {
            media.is_ok_and(|media| {
                media.is("application/sdp") || media.kind.eq_ignore_ascii_case("multipart")
            })
        });
        if !is_session {
            return Err(Refusal::new(415, "Unsupported Media Type")
                .with(HeaderName::Accept, "application/sdp".into()));
        }
    }
    // An Accept that is there but empty takes nothing (RFC 3261 §20.1).
    let takes_sdp = message
        .list(HeaderName::Accept)
        .any(|range| MediaType::parse(range).is_ok_and(|range| range.accepts("application/sdp")));
    if message.has(HeaderName::Accept) && !takes_sdp {
        return Err(Refusal::new(406, "Not Acceptable"));
    }
    Ok(())
}

fn check_singles(message: &Message) -> Result<(), Refusal> {
    match SINGLE.iter().find(|name| message.is_repeated(**name)) {
        None => Ok(()),
        Some(name) => Err(Refusal {
            status: 400,
            reason: Cow::Owned(format!("Repeated {} Header", name.as_str())),
            headers: Vec::new(),
        }),
    }
}

/// Via, CSeq and Call-ID.
fn check_essentials(message: &Message) -> Result<(), Refusal> {
    let mut count = 0usize;
    for via in message.vias() {
        let via = via.map_err(|error| Refusal::malformed(HeaderName::Via, error))?;
        let branch = via.branch.unwrap_or("");
        // The cookie alone would make all such requests one transaction.
        let is_cookie_only = count == 0 && branch.eq_ignore_ascii_case("z9hG4bK");
        if branch.len() > MAX_TAG || is_cookie_only {
            return Err(Refusal::new(400, "Bad Via Branch"));
        }
        count += 1;
        if count > MAX_VIAS {
            return Err(Refusal::new(483, "Too Many Hops"));
        }
    }
    match count {
        0 => return Err(Refusal::new(400, "Missing Via")),
        // RFC 3261 §8.1.3.3: a response with more than our Via went astray.
        2.. if message.is_response() => return Err(Refusal::new(400, "More Than One Via")),
        _ => {}
    }
    let cseq = message.cseq().map_err(|error| Refusal::malformed(HeaderName::CSeq, error))?;
    if message.is_request() && cseq.method != message.method() {
        return Err(Refusal::new(400, "CSeq Method Mismatch"));
    }
    if message.call_id().len() > MAX_CALL_ID {
        return Err(Refusal::new(400, "Call-ID Too Long"));
    }
    Ok(())
}

/// From, To, Contact, Route and Record-Route.
fn check_addresses(message: &Message) -> Result<(), Refusal> {
    for name in [HeaderName::From, HeaderName::To] {
        let value = message.header(name).unwrap_or("");
        let addr = check_address(value).map_err(|error| Refusal::malformed(name, error))?;
        let mut tags = addr.params.iter().filter(|param| param.name.eq_ignore_ascii_case("tag"));
        if tags.next().and_then(|tag| tag.value).is_some_and(|tag| tag.len() > MAX_TAG) {
            return Err(Refusal::new(400, "Tag Too Long"));
        }
        if tags.next().is_some() {
            return Err(Refusal::new(400, "Repeated Tag"));
        }
    }
    let mut contacts = message.list(HeaderName::Contact);
    let is_star = contacts.next() == Some("*") && contacts.next().is_none();
    if !is_star {
        for value in message.list(HeaderName::Contact) {
            check_address(value).map_err(|error| Refusal::malformed(HeaderName::Contact, error))?;
        }
    }
    for name in [HeaderName::Route, HeaderName::RecordRoute] {
        for (count, value) in message.list(name).enumerate() {
            if count >= MAX_ROUTES {
                return Err(Refusal::new(400, "Too Many Routes"));
            }
            check_address(value).map_err(|error| Refusal::malformed(name, error))?;
        }
    }
    Ok(())
}

fn check_address(value: &str) -> Result<NameAddr<'_>, ParseError> {
    let addr = NameAddr::parse(value)?;
    addr.parsed_uri()?;
    Ok(addr)
}

fn check_request(message: &Message, options: &[&str]) -> Result<(), Refusal> {
    let method = message.method();
    let text = message.request_uri().unwrap_or("");
    if text.len() > MAX_URI {
        return Err(Refusal::new(414, "Request-URI Too Long"));
    }
    match Uri::parse(text) {
        Err(_) => return Err(Refusal::new(400, "Bad Request-URI")),
        Ok(Uri::Other { .. }) => return Err(Refusal::new(416, "Unsupported URI Scheme")),
        // RFC 3261 §19.1.1: headers have no place in a Request-URI.
        Ok(Uri::Sip(uri)) if uri.has_headers() => {
            return Err(Refusal::new(400, "Headers In Request-URI"));
        }
        Ok(_) => {}
    }
    check_numbers(message)?;
    check_hops(message, &method)?;
    if method == Method::Register {
        check_register(message)?;
    }
    check_options(message, &method, options)
}

fn check_numbers(message: &Message) -> Result<(), Refusal> {
    let digits = message.header(HeaderName::MaxForwards);
    if digits.is_some() && message.max_forwards().is_none() {
        return Err(Refusal::new(400, "Bad Max-Forwards Header"));
    }
    Ok(())
}

/// Max-Forwards of 0 ends a request that would go on to another party. What we answer ourselves
/// or what belongs to a dialog of ours is not forwarded (RFC 3261 §16.3).
fn check_hops(message: &Message, method: &Method) -> Result<(), Refusal> {
    let is_for_us =
        matches!(method, Method::Options | Method::Register | Method::Ack | Method::Cancel)
            || message.to().is_ok_and(|to| to.tag().is_some());
    if message.max_forwards() == Some(0) && !is_for_us {
        return Err(Refusal::new(483, "Too Many Hops"));
    }
    Ok(())
}

/// The address-of-record is a SIP, SIPS or tel URI (RFC 3261 §10.2, RFC 3966); a number that does
/// not fit is no lifetime.
fn check_register(message: &Message) -> Result<(), Refusal> {
    if let Ok(Uri::Other { .. }) | Err(_) = message.to().and_then(|to| to.parsed_uri()) {
        return Err(Refusal::new(400, "Bad To Header"));
    }
    if message.has(HeaderName::Expires) && message.expires().is_none() {
        return Err(Refusal::new(400, "Bad Expires Header"));
    }
    let contacts = message.contacts();
    let has_bad_lifetime =
        contacts.is_ok_and(|list| list.as_slice().iter().any(|contact| contact.expires().is_err()));
    if has_bad_lifetime {
        return Err(Refusal::new(400, "Bad Contact Header"));
    }
    Ok(())
}

/// RFC 3261 §8.2.2.3: not for CANCEL and ACK.
fn check_options(message: &Message, method: &Method, options: &[&str]) -> Result<(), Refusal> {
    if matches!(method, Method::Ack | Method::Cancel) {
        return Ok(());
    }
    let unknown: Vec<&str> = message
        .list(HeaderName::Require)
        .filter(|tag| !options.iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .take(MAX_NAMED_OPTIONS)
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(420, "Bad Extension").with(HeaderName::Unsupported, unknown.join(", ")))
}

/// The answer to a request that [`Message::parse`] refused, if it is a request and Via, From, To,
/// Call-ID and CSeq can be found in it. Responses, ACK and noise get none (SEC-64).
///
/// Header lines are looked at one by one; a line that cannot be read is left out. Nothing of the
/// request but these five headers is in the answer.
#[must_use]
pub fn answer_unparsable(bytes: &[u8], error: ParseError, to_tag: &str) -> Option<Bytes> {
    let mut at = skip_empty_lines(bytes);
    let start = salvage_line(bytes, &mut at)?;
    let mut words = start.split(|octet| *octet == b' ').filter(|word| !word.is_empty());
    let method = words.next()?;
    let is_request = method.iter().all(|octet| is_token(*octet))
        && words.next_back()?.get(..4)?.eq_ignore_ascii_case(b"SIP/");
    if !is_request || method == b"ACK" {
        return None;
    }
    let head = salvage_head(bytes, at)?;
    let salvaged = Message::parse(head).ok()?;
    let is_answerable = ESSENTIAL.iter().all(|(name, _)| salvaged.has(*name))
        && salvaged.via().is_ok()
        && salvaged.cseq().map_or(true, |cseq| cseq.method != Method::Ack);
    if !is_answerable {
        return None;
    }
    let (status, reason) = (error.kind.status(), error.kind.reason());
    Some(response_to(&salvaged, status, reason, Some(to_tag)).finish(None, b""))
}

/// The next line, whatever ends it, without its end.
fn salvage_line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = bytes.get(*at..).filter(|rest| !rest.is_empty())?;
    let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
    let is_crlf = rest.get(end..).is_some_and(|rest| rest.starts_with(b"\r\n"));
    *at += end + if is_crlf { 2 } else { 1 };
    rest.get(..end)
}

/// A message of the header lines that name the transaction.
fn salvage_head(bytes: &[u8], mut at: usize) -> Option<Bytes> {
    let mut head = BytesMut::with_capacity(1024);
    // The method is taken from the CSeq; the URI is not needed.
    head.extend_from_slice(b"X sip:x SIP/2.0\r\n");
    let mut lines = 0usize;
    let mut is_wanted = false;
    while let Some(text) = salvage_line(bytes, &mut at) {
        lines += 1;
        if text.is_empty() || lines > MAX_HEADERS * 2 || at > MAX_HEAD {
            break;
        }
        let is_continuation = matches!(text.first(), Some(b' ' | b'\t'));
        if !is_continuation {
            is_wanted = is_essential(text);
        }
        // A line that the parser would refuse is left out.
        let is_clean = text.len() <= MAX_HEADER_LINE && std::str::from_utf8(text).is_ok();
        if is_wanted && is_clean && !text.contains(&0) {
            head.extend_from_slice(text);
            head.extend_from_slice(b"\r\n");
        }
    }
    head.extend_from_slice(b"\r\n");
    Some(head.freeze())
}

fn is_essential(text: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', text) else { return false };
    let name = HeaderName::from_octets(trim(text.get(..colon).unwrap_or_default()));
    ESSENTIAL.iter().any(|(essential, _)| *essential == name)
}

#[cfg(test)]
mod tests;
