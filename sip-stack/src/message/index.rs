//! The one forward pass over a message: start line, header index, body (path 1, hop 2).
//!
//! Nothing is copied unless a header is folded; then the header section is rewritten once with
//! each fold as a single space.

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use memchr::{memchr, memchr_iter, memchr2};

use super::{
    HeaderName, MAX_BODY, MAX_HEAD, MAX_HEADER_LINE, MAX_HEADERS, Method, ParseError,
    ParseErrorKind as Kind,
};

/// Header lines a message usually has; the index grows beyond.
const USUAL_HEADERS: usize = 24;

/// A range of the header section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Range {
    /// The header section is at most [`MAX_HEAD`] octets, so the positions fit.
    fn new(from: usize, to: usize) -> Range {
        Range { from: narrow(from), to: narrow(to) }
    }

    pub(super) fn of<'a>(&self, head: &'a str) -> &'a str {
        head.get(self.from as usize..self.to as usize).unwrap_or("")
    }
}

fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// One header line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: HeaderName,
    pub(super) name: Range,
    pub(super) value: Range,
}

#[derive(Debug)]
pub(super) enum Start {
    Request { method: Method, uri: Range, is_version_2: bool },
    Status { code: u16, reason: Range, is_version_2: bool },
}

/// A parsed message: the octets and where things are in them.
#[derive(Debug)]
pub(super) struct Index {
    /// Header section and body, without noise before or after.
    pub(super) bytes: Bytes,
    /// The header section with its closing empty line.
    pub(super) head: ByteString,
    pub(super) start: Start,
    pub(super) entries: Vec<Entry>,
    /// Names that are there.
    pub(super) present: u128,
    /// Names that are there more than once.
    pub(super) repeated: u128,
}

/// What the pass finds in the octets of a header section.
struct Scanned {
    from: usize,
    head_end: usize,
    start: Start,
    entries: Vec<Entry>,
    present: u128,
    repeated: u128,
    content_length: Option<usize>,
}

enum Stop {
    Folded,
    Error(ParseError),
}

impl From<ParseError> for Stop {
    fn from(error: ParseError) -> Stop {
        Stop::Error(error)
    }
}

pub(super) fn index(bytes: Bytes) -> Result<Index, ParseError> {
    match scan(&bytes) {
        Ok(scanned) => finish(bytes, scanned),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Folded) => {
            let flat = unfold(&bytes)?;
            match scan(&flat) {
                Ok(scanned) => finish(flat, scanned),
                Err(Stop::Error(error)) => Err(error),
                // Not reached: `unfold` leaves no line that begins with white space but the first.
                Err(Stop::Folded) => Err(Kind::Folding.at(0)),
            }
        }
    }
}

fn finish(bytes: Bytes, scanned: Scanned) -> Result<Index, ParseError> {
    let Scanned { from, head_end, start, entries, present, repeated, content_length } = scanned;
    let rest = bytes.len().saturating_sub(head_end);
    let body = match content_length {
        Some(length) if length > rest => return Err(Kind::BodyTruncated.at(bytes.len())),
        Some(length) => length,
        None => rest,
    };
    if body > MAX_BODY {
        return Err(Kind::BodyTooLarge.at(head_end));
    }
    // Positions count from the first octet of the start line.
    let bytes = bytes.slice(from..head_end + body);
    let head = ByteString::try_from(bytes.slice(..head_end - from))
        .map_err(|error| Kind::Utf8.at(error.valid_up_to()))?;
    check_nul(head.as_bytes())?;
    Ok(Index { bytes, head, start, entries, present, repeated })
}

/// NUL is legal as a quoted pair only (SEC-12).
fn check_nul(head: &[u8]) -> Result<(), ParseError> {
    for at in memchr_iter(0, head) {
        let before = head.get(..at).unwrap_or_default();
        let slashes = before.iter().rev().take_while(|octet| **octet == b'\\').count();
        if slashes % 2 == 0 {
            return Err(Kind::Nul.at(at));
        }
    }
    Ok(())
}

/// A line without its CRLF, and where the next one begins.
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    pub(super) next: usize,
}

/// The line that begins at `at`. Line ends are CRLF; everything else is refused (SEC-13).
pub(super) fn line(bytes: &[u8], at: usize) -> Result<Line<'_>, ParseError> {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = memchr2(b'\r', b'\n', rest).ok_or(Kind::HeaderSectionOpen.at(bytes.len()))?;
    match (rest.get(end), rest.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {
            Ok(Line { text: rest.get(..end).unwrap_or_default(), next: at + end + 2 })
        }
        (Some(b'\r'), None) => Err(Kind::HeaderSectionOpen.at(bytes.len())),
        _ => Err(Kind::BareLineEnd.at(at + end)),
    }
}

/// Empty lines before the start line are noise (RFC 3261 §7.5).
pub(super) fn skip_empty_lines(bytes: &[u8]) -> usize {
    let mut at = 0;
    while bytes.get(at..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
        at += 2;
    }
    at
}

fn scan(bytes: &[u8]) -> Result<Scanned, Stop> {
    let from = skip_empty_lines(bytes);
    if from >= bytes.len() {
        return Err(Kind::Empty.at(from).into());
    }
    let first = line(bytes, from)?;
    let start = start_line(first.text, from)?;
    let mut scanned = Scanned {
        from,
        head_end: first.next,
        start,
        entries: Vec::with_capacity(USUAL_HEADERS),
        present: 0,
        repeated: 0,
        content_length: None,
    };
    loop {
        let at = scanned.head_end;
        let line = line(bytes, at)?;
        scanned.head_end = line.next;
        if line.next - from > MAX_HEAD {
            return Err(Kind::HeadTooLarge.at(at).into());
        }
        match line.text.first() {
            None => return Ok(scanned),
            Some(b' ' | b'\t') => return Err(Kind::Folding.at(at).into()),
            // The next line continues this one.
            Some(_) if matches!(bytes.get(line.next), Some(b' ' | b'\t')) => {
                return Err(Stop::Folded);
            }
            Some(_) => header_line(line.text, at, &mut scanned)?,
        }
    }
}

fn header_line(text: &[u8], at: usize, scanned: &mut Scanned) -> Result<(), ParseError> {
    if text.len() > MAX_HEADER_LINE {
        return Err(Kind::HeaderTooLong.at(at));
    }
    if scanned.entries.len() >= MAX_HEADERS {
        return Err(Kind::TooManyHeaders.at(at));
    }
    let colon = memchr(b':', text).ok_or(Kind::NoColon.at(at))?;
    let (name, value) = text.split_at_checked(colon).ok_or(Kind::NoColon.at(at))?;
    let name = name.trim_ascii_end();
    if name.is_empty() || !name.iter().all(|octet| is_token(*octet)) {
        return Err(Kind::HeaderName.at(at));
    }
    let value = value.get(1..).unwrap_or_default();
    let blanks = value.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    let value_at = at + colon + 1 + blanks;
    let value = trim(value);
    let id = HeaderName::from_octets(name);
    if id == HeaderName::ContentLength {
        if scanned.content_length.is_some() {
            return Err(Kind::RepeatedContentLength.at(at));
        }
        scanned.content_length = Some(content_length(value).ok_or(Kind::ContentLength.at(at))?);
    }
    if scanned.present & id.bit() != 0 {
        scanned.repeated |= id.bit();
    }
    scanned.present |= id.bit();
    let (name_at, value_at) = (at - scanned.from, value_at - scanned.from);
    scanned.entries.push(Entry {
        id,
        name: Range::new(name_at, name_at + name.len()),
        value: Range::new(value_at, value_at + value.len()),
    });
    Ok(())
}

/// Digits only, and a number that fits (SEC-11).
pub(super) fn content_length(value: &[u8]) -> Option<usize> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0usize, |length, octet| {
        let digit = octet.is_ascii_digit().then(|| usize::from(octet - b'0'))?;
        // No body is longer than 32 bits say.
        length.checked_mul(10)?.checked_add(digit).filter(|length| *length <= u32::MAX as usize)
    })
}

/// The text without blanks and tabs at its ends.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Request-Line or Status-Line (RFC 3261 §7.1, §7.2). `from` is where the line begins; positions
/// in the result count from there.
fn start_line(text: &[u8], from: usize) -> Result<Start, ParseError> {
    if text.len() > MAX_HEADER_LINE {
        return Err(Kind::StartLine.at(from));
    }
    if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        status_line(text, from)
    } else {
        request_line(text, from)
    }
}

fn request_line(text: &[u8], from: usize) -> Result<Start, ParseError> {
    // More than one blank between the elements is tolerated, one inside the URI is not.
    let mut elements = text.split(|octet| *octet == b' ').filter(|element| !element.is_empty());
    let (Some(method), Some(uri), Some(version), None) =
        (elements.next(), elements.next(), elements.next(), elements.next())
    else {
        return Err(Kind::StartLine.at(from));
    };
    if text.first() == Some(&b' ') || !method.iter().all(|octet| is_token(*octet)) {
        return Err(Kind::Method.at(from));
    }
    if !version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        return Err(Kind::StartLine.at(from + text.len()));
    }
    let method = std::str::from_utf8(method).map_err(|_| Kind::Method.at(from))?;
    let after_method = text.get(method.len()..).unwrap_or_default();
    let blanks = after_method.iter().take_while(|octet| **octet == b' ').count();
    let uri_at = method.len() + blanks;
    Ok(Start::Request {
        method: Method::from_token(method),
        uri: Range::new(uri_at, uri_at + uri.len()),
        is_version_2: is_version_2(version),
    })
}

fn status_line(text: &[u8], from: usize) -> Result<Start, ParseError> {
    let blank = memchr(b' ', text).ok_or(Kind::StartLine.at(from))?;
    let (version, rest) = text.split_at_checked(blank).ok_or(Kind::StartLine.at(from))?;
    let code = rest.get(1..4).ok_or(Kind::StatusCode.at(from + blank))?;
    let [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9'] = code else {
        return Err(Kind::StatusCode.at(from + blank + 1));
    };
    let code = [a, b, c].iter().fold(0u16, |code, digit| code * 10 + u16::from(**digit - b'0'));
    // The blank before an empty reason phrase is often left out.
    if !matches!(rest.get(4), None | Some(b' ')) {
        return Err(Kind::StatusCode.at(from + blank + 1));
    }
    let reason_at = (blank + 5).min(text.len());
    Ok(Start::Status {
        code,
        reason: Range::new(reason_at, text.len()),
        is_version_2: is_version_2(version),
    })
}

fn is_version_2(version: &[u8]) -> bool {
    version.eq_ignore_ascii_case(b"SIP/2.0")
}

/// Copies the message with each fold as one space (RFC 3261 §7.3.1).
fn unfold(bytes: &[u8]) -> Result<Bytes, ParseError> {
    let mut flat = BytesMut::with_capacity(bytes.len());
    let mut at = skip_empty_lines(bytes);
    let mut is_first = true;
    loop {
        let line = line(bytes, at)?;
        at = line.next;
        match line.text.first() {
            None if is_first => return Err(Kind::Empty.at(at)),
            None => break,
            Some(b' ' | b'\t') => {
                let text = trim(line.text);
                if !text.is_empty() {
                    flat.extend_from_slice(b" ");
                    flat.extend_from_slice(text);
                }
            }
            Some(_) => {
                if !is_first {
                    flat.extend_from_slice(b"\r\n");
                }
                // The blanks before a fold belong to it.
                flat.extend_from_slice(trim(line.text));
            }
        }
        is_first = false;
        if flat.len() > MAX_HEAD {
            return Err(Kind::HeadTooLarge.at(at));
        }
    }
    flat.extend_from_slice(b"\r\n\r\n");
    flat.extend_from_slice(bytes.get(at..).unwrap_or_default());
    Ok(flat.freeze())
}

/// The `token` characters of RFC 3261 §25.1.
pub(crate) fn is_token(octet: u8) -> bool {
    TOKEN.get(usize::from(octet)).copied().unwrap_or(false)
}

static TOKEN: [bool; 256] = token_table();

#[expect(clippy::indexing_slicing, reason = "runs at compile time; out of bounds does not build")]
const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 128 {
        let c = octet as u8;
        table[octet] = c.is_ascii_alphanumeric()
            || matches!(c, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        octet += 1;
    }
    table
}
