//! Bodies of several parts (RFC 2046 §5.1, RFC 5621).

use bytes::Bytes;
use memchr::memmem;

use super::index::{line, trim};
use super::{HeaderName, MAX_NESTING, Message};
use crate::header::MediaType;

/// Parts of one body; more are left out (SEC-15).
pub const MAX_PARTS: usize = 8;

/// One part of a multipart body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Content-Type as it came; `text/plain` if there is none.
    pub content_type: String,
    /// Content-Disposition as it came.
    pub disposition: Option<String>,
    /// The content.
    pub content: Bytes,
}

impl Part {
    /// Whether the part must be understood (`handling=required`, which is the default of
    /// RFC 3204 §3.1 when a disposition is there).
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.disposition
            .as_deref()
            .and_then(|value| {
                value.to_ascii_lowercase().split_once("handling").map(|(_, v)| v.to_owned())
            })
            .is_none_or(|value| value.trim_start_matches(['=', ' ']).starts_with("required"))
    }
}

impl Message {
    /// The first content of this media type: the body itself or a part of it.
    #[must_use]
    pub fn content(&self, media_type: &str) -> Option<Bytes> {
        self.parts()
            .into_iter()
            .find(|part| {
                MediaType::parse(&part.content_type).is_ok_and(|media| media.is(media_type))
            })
            .map(|part| part.content)
    }

    /// The session description: the body, if it is SDP, or the first part of it that is.
    #[must_use]
    pub fn session_description(&self) -> Option<Bytes> {
        self.content("application/sdp")
    }

    /// The body as a list of its parts, nested ones in their order; a body that is not multipart
    /// is its only part, and an empty one has none.
    ///
    /// At most [`MAX_PARTS`] parts, nested at most [`MAX_NESTING`] deep.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        if self.body().is_empty() {
            return parts;
        }
        let whole = Part {
            content_type: self.header(HeaderName::ContentType).unwrap_or("text/plain").to_owned(),
            disposition: self.header(HeaderName::ContentDisposition).map(str::to_owned),
            content: self.body_bytes(),
        };
        let mut level = vec![whole];
        for depth in 0..=MAX_NESTING {
            let mut deeper = Vec::new();
            for part in level {
                match boundary(&part.content_type) {
                    // What is nested too deep is left closed.
                    Some(boundary) if depth < MAX_NESTING => {
                        deeper.extend(split(&part.content, &boundary));
                    }
                    _ => parts.push(part),
                }
            }
            deeper.truncate(MAX_PARTS);
            level = deeper;
        }
        parts.truncate(MAX_PARTS);
        parts
    }
}

fn boundary(content_type: &str) -> Option<String> {
    let media = MediaType::parse(content_type).ok()?;
    let boundary = media.params.get("boundary")?;
    let is_multipart = media.kind.eq_ignore_ascii_case("multipart") && !boundary.is_empty();
    is_multipart.then(|| boundary.to_owned())
}

/// The parts between `--boundary` lines; a missing last boundary is forgiven.
fn split(body: &Bytes, boundary: &str) -> Vec<Part> {
    let delimiter = format!("--{boundary}");
    let mut marks = memmem::find_iter(body, delimiter.as_bytes())
        .filter(|at| *at == 0 || body.get(at - 1) == Some(&b'\n'))
        .map(|at| (at, at + delimiter.len()))
        .take(MAX_PARTS + 1)
        .peekable();
    let mut parts = Vec::new();
    while let Some((_, from)) = marks.next() {
        if body.get(from..).is_some_and(|rest| rest.starts_with(b"--")) {
            break;
        }
        let to = marks.peek().map_or(body.len(), |(at, _)| *at);
        parts.extend(part(&body.slice(from..to.max(from))));
    }
    parts
}

/// One part: what is left of the boundary's line, headers, an empty line, content.
fn part(text: &Bytes) -> Option<Part> {
    let mut at = line(text, 0).ok().filter(|rest| trim(rest.text).is_empty())?.next;
    let mut content_type = "text/plain".to_owned();
    let mut disposition = None;
    loop {
        let header = line(text, at).ok()?;
        at = header.next;
        if header.text.is_empty() {
            break;
        }
        let Ok(Some((name, value))) =
            std::str::from_utf8(header.text).map(|header| header.split_once(':'))
        else {
            continue;
        };
        match HeaderName::parse(name.trim_end()) {
            HeaderName::ContentType => content_type = value.trim().to_owned(),
            HeaderName::ContentDisposition => disposition = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let content = text.slice(at..);
    // The line end before a boundary belongs to the boundary.
    let end = content.strip_suffix(b"\r\n").map_or(content.len(), <[u8]>::len);
    Some(Part { content_type, disposition, content: content.slice(..end) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(content_type: &str, body: &str) -> Message {
        let text = format!("INVITE sip:h SIP/2.0\r\nc: {content_type}\r\n\r\n{body}");
        Message::parse(Bytes::from(text)).unwrap()
    }

    const MIXED: &str = "preamble --x\r\n--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\na\r\n\
        --x  \r\nc: application/pidf+xml\r\nContent-Disposition: render; Handling=optional\r\n\r\n<a/>\r\n--x--\r\n";

    #[test]
    fn sdp_is_found_alone_and_among_parts() {
        assert_eq!(message("Application/SDP", "v=0").session_description().unwrap(), "v=0");
        let mixed = message("multipart/mixed;boundary=\"x\"", MIXED);
        assert_eq!(mixed.session_description().unwrap(), "v=0\r\na");
        let parts = mixed.parts();
        assert_eq!(parts.len(), 2);
        assert!(parts[0].is_required() && !parts[1].is_required());
        assert_eq!(message("text/plain", "v=0").session_description(), None);
        assert_eq!(message("application/sdp", "").session_description(), None);
    }

    #[test]
    fn nesting_ends_at_its_limit() {
        let mut body = "v=0".to_owned();
        let mut kind = "application/sdp".to_owned();
        for depth in 0..3 {
            body = format!("--{depth}\r\nContent-Type: {kind}\r\n\r\n{body}\r\n--{depth}--\r\n");
            kind = format!("multipart/mixed;boundary={depth}");
            let found = message(&kind, &body).session_description();
            assert_eq!(found.is_some(), depth < MAX_NESTING, "{depth}");
        }
    }

    #[test]
    fn more_parts_than_the_limit_are_left_out() {
        let body = "--x\r\n\r\na\r\n".repeat(100);
        assert_eq!(message("multipart/mixed;boundary=x", &body).parts().len(), MAX_PARTS);
    }
}
