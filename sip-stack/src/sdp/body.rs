//! Finding the session description in a message body.

use bytes::Bytes;

/// Most parts of a multipart body that are looked at (SEC-15).
const MAX_PARTS: usize = 8;
/// Deepest multipart inside multipart that is looked at (SEC-15).
const MAX_NESTING: usize = 2;
/// Longest boundary (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;

/// The session description of a body: the body itself, or the first application/sdp part of a
/// multipart body.
///
/// Without Content-Type a body that starts like one is taken for one.
pub fn session_part(content_type: Option<&str>, body: &Bytes) -> Option<Bytes> {
    if body.is_empty() {
        return None;
    }
    match content_type {
        Some(value) => find(value, body, MAX_NESTING),
        None => body.starts_with(b"v=0").then(|| body.clone()),
    }
}

fn find(content_type: &str, body: &Bytes, nesting: usize) -> Option<Bytes> {
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case("application/sdp") {
        return Some(body.clone());
    }
    let is_multipart =
        media_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
    if !is_multipart || nesting == 0 {
        return None;
    }
    let boundary = parameter(content_type, "boundary").filter(|text| !text.is_empty())?;
    if boundary.len() > MAX_BOUNDARY {
        return None;
    }
    parts(body, &boundary).into_iter().find_map(|part| {
        let (headers, content) = split_headers(&part);
        let value = header(&headers, "content-type").unwrap_or_else(|| "text/plain".to_owned());
        find(&value, &content, nesting - 1)
    })
}

/// The parts between the delimiter lines (RFC 2046 §5.1).
fn parts(body: &Bytes, boundary: &str) -> Vec<Bytes> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut start: Option<usize> = None;
    let mut at = 0;
    while at < body.len() && parts.len() < MAX_PARTS {
        let rest = body.get(at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).map_or(body.len(), |line_end| at + line_end + 1);
        let line = body.get(at..end).unwrap_or_default();
        if let Some(tail) = line.strip_prefix(delimiter.as_bytes()) {
            let is_close = tail.starts_with(b"--");
            let tail = tail.strip_prefix(b"--").unwrap_or(tail);
            if tail.iter().all(u8::is_ascii_whitespace) {
                if let Some(start) = start {
                    parts.push(body.slice(start..without_line_end(body, start, at)));
                }
                start = Some(end);
                if is_close {
                    return parts;
                }
            }
        }
        at = end;
    }
    // A body cut off before its closing delimiter still has its last part.
    if let Some(start) = start.filter(|start| *start < body.len() && parts.len() < MAX_PARTS) {
        parts.push(body.slice(start..));
    }
    parts
}

/// The line end before a delimiter belongs to the delimiter.
fn without_line_end(body: &Bytes, start: usize, end: usize) -> usize {
    let part = body.get(start..end).unwrap_or_default();
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    let part = part.strip_suffix(b"\r").unwrap_or(part);
    start + part.len()
}

/// A part's header section and its content.
fn split_headers(part: &Bytes) -> (String, Bytes) {
    let mut at = 0;
    while at < part.len() {
        let rest = part.get(at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).map_or(part.len(), |line_end| at + line_end + 1);
        let line = part.get(at..end).unwrap_or_default();
        if line.iter().all(u8::is_ascii_whitespace) {
            let headers = part.get(..at).unwrap_or_default();
            return (String::from_utf8_lossy(headers).into_owned(), part.slice(end..));
        }
        at = end;
    }
    (String::from_utf8_lossy(part).into_owned(), Bytes::new())
}

/// The value of a header of a part, folded lines joined.
fn header(headers: &str, name: &str) -> Option<String> {
    let unfolded = headers.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    unfolded.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// A parameter of a Content-Type value, unquoted.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        if !key.trim().eq_ignore_ascii_case(name) {
            return None;
        }
        Some(value.trim().trim_matches('"').to_owned())
    })
}
