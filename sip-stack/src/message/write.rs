//! Messages out: long header names, one space after the colon, CRLF, Content-Length last.
//!
//! No value can break out of its line, wherever its text comes from (SEC-13).

use std::fmt::{self, Display, Write};

use bytes::Bytes;

use super::{HeaderName, Message, Method};

/// Octets a message usually needs.
const USUAL_SIZE: usize = 1024;

/// Builds one message, header by header, in the order of the calls.
///
/// CR, LF, NUL and other control characters in a value become blanks; a name that is no token
/// is left out with its value.
#[derive(Debug)]
pub struct MessageWriter {
    text: String,
    has_content_type: bool,
}

impl MessageWriter {
    /// A request to `uri`.
    #[must_use]
    pub fn request(method: &Method, uri: &str) -> MessageWriter {
        let mut writer = Self::empty();
        let mut line = Clean(&mut writer.text);
        // Writing to a String does not fail.
        let _ = write!(line, "{method} {uri}");
        writer.text.push_str(" SIP/2.0\r\n");
        writer
    }

    /// A response.
    #[must_use]
    pub fn response(status: u16, reason: &str) -> MessageWriter {
        let mut writer = Self::empty();
        let _ = write!(Clean(&mut writer.text), "SIP/2.0 {status} {reason}");
        writer.text.push_str("\r\n");
        writer
    }

    fn empty() -> MessageWriter {
        MessageWriter { text: String::with_capacity(USUAL_SIZE), has_content_type: false }
    }

    /// Adds a header. Content-Length is ignored: [`MessageWriter::finish`] writes it.
    pub fn header(&mut self, name: HeaderName, value: impl Display) -> &mut Self {
        match name {
            // `Other` has no text to write.
            HeaderName::ContentLength | HeaderName::Other => self,
            name => {
                self.has_content_type |= name == HeaderName::ContentType;
                self.line(name.as_str(), value)
            }
        }
    }

    /// Adds a header by its text. A known name is written in its long form.
    pub fn header_named(&mut self, name: &str, value: impl Display) -> &mut Self {
        match HeaderName::parse(name) {
            HeaderName::Other if name.is_empty() || !name.bytes().all(super::is_token) => self,
            HeaderName::Other => self.line(name, value),
            known => self.header(known, value),
        }
    }

    /// Closes the header section with Content-Type (if given and not yet there) and
    /// Content-Length and appends the body. The writer is empty afterwards.
    pub fn finish(&mut self, content_type: Option<&str>, body: &[u8]) -> Bytes {
        if let Some(content_type) = content_type
            && !self.has_content_type
        {
            self.line(HeaderName::ContentType.as_str(), content_type);
        }
        self.line(HeaderName::ContentLength.as_str(), body.len());
        let mut octets = std::mem::take(&mut self.text).into_bytes();
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(body);
        Bytes::from(octets)
    }

    fn line(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.text.push_str(name);
        self.text.push_str(": ");
        let _ = write!(Clean(&mut self.text), "{value}");
        self.text.push_str("\r\n");
        self
    }

    /// A value of the request that is echoed as it came. The parser has seen that it holds no
    /// line end, and NUL only as a quoted pair (SEC-13).
    fn echo(&mut self, name: HeaderName, value: &str, tag: Option<&str>) -> &mut Self {
        self.text.push_str(name.as_str());
        self.text.push_str(": ");
        self.text.push_str(value);
        if let Some(tag) = tag {
            let _ = write!(Clean(&mut self.text), ";tag={tag}");
        }
        self.text.push_str("\r\n");
        self
    }
}

/// Replaces what must not stand in a header value by blanks.
struct Clean<'a>(&'a mut String);

impl Write for Clean<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().any(is_forbidden) {
            self.0.extend(text.chars().map(|c| match u8::try_from(c) {
                Ok(octet) if is_forbidden(octet) => ' ',
                _ => c,
            }));
        } else {
            self.0.push_str(text);
        }
        Ok(())
    }
}

fn is_forbidden(octet: u8) -> bool {
    octet.is_ascii_control() && octet != b'\t'
}

/// The text as [`MessageWriter`] would write it: control characters as blanks.
#[must_use]
pub fn sanitised(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    // Writing to a String does not fail.
    let _ = Clean(&mut clean).write_str(text);
    clean
}

/// Starts the response to a request: Via, From, To, Call-ID and CSeq as they came, the tag added
/// to a To that has none, Record-Route where a dialog may begin, Timestamp on a 100.
///
/// Source: RFC 3261 §8.2.6, §12.1.1; SEC-13.
#[must_use]
pub fn response_to(
    request: &Message,
    status: u16,
    reason: &str,
    to_tag: Option<&str>,
) -> MessageWriter {
    let mut writer = MessageWriter::response(status, reason);
    for via in request.headers(HeaderName::Via) {
        writer.echo(HeaderName::Via, via, None);
    }
    if (101..300).contains(&status) && begins_dialog(&request.method()) {
        for route in request.headers(HeaderName::RecordRoute) {
            writer.echo(HeaderName::RecordRoute, route, None);
        }
    }
    if let Some(from) = request.header(HeaderName::From) {
        writer.echo(HeaderName::From, from, None);
    }
    if let Some(to) = request.header(HeaderName::To) {
        let has_tag = request.to().is_ok_and(|to| to.tag().is_some());
        writer.echo(HeaderName::To, to, to_tag.filter(|_| !has_tag));
    }
    if let Some(call_id) = request.header(HeaderName::CallId) {
        writer.echo(HeaderName::CallId, call_id, None);
    }
    if let Some(cseq) = request.header(HeaderName::CSeq) {
        writer.echo(HeaderName::CSeq, cseq, None);
    }
    if status == 100
        && let Some(timestamp) = request.header(HeaderName::Timestamp)
    {
        writer.header(HeaderName::Timestamp, timestamp);
    }
    writer
}

/// Methods whose success may begin a dialog or a usage (RFC 3261 §12, RFC 6665, RFC 3515).
fn begins_dialog(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Message {
        Message::parse(Bytes::from_static(
            b"INVITE sip:b@example.com SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b\r\n\
              Via: SIP/2.0/UDP c\r\nf: <sip:a@h>;tag=1\r\nt: \"N\\\x00\" <sip:b@h>\r\ni: x\r\n\
              CSeq: 1 INVITE\r\nRecord-Route: <sip:r1;lr>\r\nRecord-Route: <sip:r2;lr>\r\n\
              Timestamp: 54\r\n\r\n",
        ))
        .unwrap()
    }

    #[test]
    fn a_value_cannot_break_out_of_its_line() {
        let bytes = MessageWriter::request(&Method::Options, "sip:a\r\nX: y@h")
            .header(HeaderName::Subject, "a\r\nEvil: 1\0")
            .header_named("X-Na me", "dropped")
            .header_named("X\r\nEvil", "dropped")
            .header_named("X-Good", "b\nEvil: 2")
            .finish(Some("text/plain\r\nEvil: 3"), b"hi\r\n");
        let message = Message::parse(bytes);
        // The start line has got blanks inside the URI and is refused as a whole.
        assert!(message.is_err());
        let bytes = MessageWriter::request(&Method::Options, "sip:h")
            .header(HeaderName::Subject, "a\r\nEvil: 1\0")
            .header_named("X-Na me", "dropped")
            .header_named("X-Good", "b\nEvil: 2")
            .finish(Some("text/plain\r\nEvil: 3"), b"hi\r\n");
        let message = Message::parse(bytes).unwrap();
        assert_eq!(message.header_named("Evil"), None);
        assert_eq!(message.header(HeaderName::Subject), Some("a  Evil: 1"));
        assert_eq!(message.header_named("x-good"), Some("b Evil: 2"));
        assert_eq!(message.all_headers().count(), 4);
        assert_eq!(message.body(), b"hi\r\n");
    }

    #[test]
    fn content_length_is_written_once_whatever_the_caller_says() {
        let bytes = MessageWriter::response(200, "OK")
            .header(HeaderName::ContentLength, 77)
            .header_named("l", 78)
            .header(HeaderName::ContentType, "a/b")
            .finish(Some("c/d"), b"xyz");
        let message = Message::parse(bytes).unwrap();
        assert_eq!(message.content_length(), Some(3));
        assert_eq!(message.header(HeaderName::ContentType), Some("a/b"));
    }

    #[test]
    fn a_response_echoes_what_names_the_transaction() {
        let bytes = response_to(&request(), 180, "Ringing", Some("t2")).finish(None, b"");
        let response = Message::parse(bytes).unwrap();
        assert_eq!(response.status(), Some(180));
        assert_eq!(response.vias().count(), 3);
        assert_eq!(response.to().unwrap().tag(), Some("t2"));
        assert!(response.header(HeaderName::To).unwrap().contains("\\\0"));
        assert_eq!(response.headers(HeaderName::RecordRoute).count(), 2);
        assert_eq!(response.method(), Method::Invite);
        assert_eq!(response.header(HeaderName::Timestamp), None);
    }

    #[test]
    fn a_100_has_the_timestamp_and_no_record_route() {
        let bytes = response_to(&request(), 100, "Trying", None).finish(None, b"");
        let response = Message::parse(bytes).unwrap();
        assert_eq!(response.header(HeaderName::Timestamp), Some("54"));
        assert_eq!(response.header(HeaderName::RecordRoute), None);
        assert_eq!(response.to().unwrap().tag(), None);
    }
}
