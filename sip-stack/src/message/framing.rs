//! Messages out of a stream (RFC 3261 §18.3) and keep-alive (RFC 5626 §4.4.1).
//!
//! On any doubt where a message ends the stream is given up: nothing is searched for behind the
//! fault (SEC-12).

use bytes::{Buf, Bytes, BytesMut};

use super::index::{content_length, line, trim};
use super::{HeaderName, MAX_BODY, MAX_HEAD, ParseError, ParseErrorKind as Kind};

/// What a stream carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// One message, for `Message::parse`.
    Message(Bytes),
    /// CRLF CRLF: to be answered with CRLF.
    Ping,
    /// CRLF: the answer to our ping, or noise.
    Pong,
}

/// The stream cannot be read any further; it is to be closed, best after a 400.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("framing lost: {error}")]
pub struct FramingError {
    /// What was wrong, counted from the first octet of the message.
    pub error: ParseError,
    /// The header section as far as it came, for `validate::answer_unparsable`.
    pub bytes: Bytes,
}

/// Cuts a stream into frames.
///
/// After each [`StreamFramer::push`], [`StreamFramer::frame`] is called until it gives `None`;
/// then at most one message of the size limits is kept.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: BytesMut,
    /// How far the header section has been searched for its end.
    searched: usize,
    /// The length of the message at the front, once its header section is complete.
    length: Option<usize>,
    /// A lone CRLF was the last frame: with another one it is a ping that came in two parts.
    was_pong: bool,
    is_broken: bool,
}

impl StreamFramer {
    /// An empty stream.
    #[must_use]
    pub fn new() -> StreamFramer {
        StreamFramer::default()
    }

    /// Octets that came. After an error they are dropped.
    pub fn push(&mut self, octets: &[u8]) {
        if !self.is_broken {
            self.buffer.extend_from_slice(octets);
        }
    }

    /// The next frame; after an error there is none.
    ///
    /// Nothing is reserved for a body that is announced but has not come.
    #[expect(clippy::should_implement_trait, reason = "a framer goes on after `None`")]
    pub fn next(&mut self) -> Option<Result<Frame, FramingError>> {
        if self.is_broken {
            return None;
        }
        if self.length.is_none() {
            if let Some(frame) = self.keep_alive() {
                return Some(Ok(frame));
            }
            match self.message_length() {
                Ok(length) => self.length = length,
                Err(error) => return Some(Err(self.give_up(error))),
            }
        }
        let length = self.length.filter(|length| self.buffer.len() >= *length)?;
        self.length = None;
        self.searched = 0;
        self.was_pong = false;
        Some(Ok(Frame::Message(self.buffer.split_to(length).freeze())))
    }

    /// Whether nothing is kept. If not, a message has begun: the limit on silence inside one holds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Whether the stream was given up.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn keep_alive(&mut self) -> Option<Frame> {
        if self.searched > 0 {
            return None;
        }
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.advance(4);
            self.was_pong = false;
            return Some(Frame::Ping);
        }
        if self.buffer.starts_with(b"\r\n") {
            // CRLF CR may be a ping whose end is on its way.
            if self.buffer.get(2) == Some(&b'\r') && self.buffer.len() == 3 {
                return None;
            }
            self.buffer.advance(2);
            self.was_pong = !self.was_pong;
            return Some(if self.was_pong { Frame::Pong } else { Frame::Ping });
        }
        None
    }

    /// The length of the message at the front, if its header section is complete.
    fn message_length(&mut self) -> Result<Option<usize>, ParseError> {
        let octets = self.buffer.as_ref();
        if octets.is_empty() || octets == b"\r" || octets == b"\r\n\r" {
            return Ok(None);
        }
        // The end may lie across what was searched and what came since.
        let from = self.searched.saturating_sub(3);
        let rest = octets.get(from..).unwrap_or_default();
        match memchr::memmem::find(rest, b"\r\n\r\n") {
            Some(found) if from + found + 4 <= MAX_HEAD => {
                let head = from + found + 4;
                let body = announced(octets.get(..head).unwrap_or_default())?;
                if body > MAX_BODY {
                    return Err(Kind::BodyTooLarge.at(head));
                }
                Ok(Some(head + body))
            }
            None if octets.len() < MAX_HEAD => {
                self.searched = octets.len();
                Ok(None)
            }
            _ => Err(Kind::HeadTooLarge.at(MAX_HEAD)),
        }
    }

    fn give_up(&mut self, error: ParseError) -> FramingError {
        self.is_broken = true;
        let mut head = std::mem::take(&mut self.buffer);
        head.truncate(MAX_HEAD);
        FramingError { error, bytes: head.freeze() }
    }
}

/// Content-Length of a header section: exactly once, digits only, and no line end or NUL in the
/// section that another reader might see differently.
fn announced(head: &[u8]) -> Result<usize, ParseError> {
    let mut length = None;
    let mut at = 0;
    loop {
        let here = at;
        let text = line(head, at)?;
        at = text.next;
        if text.text.is_empty() {
            return length.ok_or(Kind::MissingContentLength.at(here));
        }
        let Some(colon) = memchr::memchr(b':', text.text) else { continue };
        let name = trim(text.text.get(..colon).unwrap_or_default());
        let is_continuation = matches!(text.text.first(), Some(b' ' | b'\t'));
        if is_continuation || HeaderName::from_octets(name) != HeaderName::ContentLength {
            continue;
        }
        if length.is_some() {
            return Err(Kind::RepeatedContentLength.at(here));
        }
        let value = text.text.get(colon + 1..).unwrap_or_default();
        let value = folded_value(head, trim(value), at)?;
        length = Some(content_length(value).ok_or(Kind::ContentLength.at(here))?);
    }
}

/// A value that may stand on the continuation lines that follow at `at`; one that goes on over
/// several of them is no number.
fn folded_value<'a>(head: &'a [u8], first: &'a [u8], at: usize) -> Result<&'a [u8], ParseError> {
    let mut value = first;
    let mut at = at;
    while matches!(head.get(at), Some(b' ' | b'\t')) {
        let next = line(head, at)?;
        let text = trim(next.text);
        match (value.is_empty(), text.is_empty()) {
            (_, true) => {}
            (true, false) => value = text,
            (false, false) => return Err(Kind::ContentLength.at(at)),
        }
        at = next.next;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    const ONE: &[u8] = b"OPTIONS sip:h SIP/2.0\r\nl: 3\r\n\r\nabc";

    fn all(framer: &mut StreamFramer) -> Vec<Result<Frame, Kind>> {
        std::iter::from_fn(|| framer.next())
            .map(|frame| frame.map_err(|error| error.error.kind))
            .collect()
    }

    fn read(octets: &[u8]) -> Vec<Result<Frame, Kind>> {
        let mut framer = StreamFramer::new();
        framer.push(octets);
        all(&mut framer)
    }

    fn message(octets: &'static [u8]) -> Result<Frame, Kind> {
        Ok(Frame::Message(Bytes::from_static(octets)))
    }

    #[test]
    fn every_cut_gives_the_same_messages() {
        let stream = [ONE, b"\r\n\r\n", ONE, ONE].concat();
        for cut in 0..stream.len() {
            let mut framer = StreamFramer::new();
            let mut frames = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                framer.push(part);
                frames.extend(all(&mut framer));
            }
            let messages =
                frames.iter().filter(|frame| matches!(frame, Ok(Frame::Message(_)))).count();
            assert_eq!(messages, 3, "cut at {cut}: {frames:?}");
            assert_eq!(frames.iter().filter(|frame| **frame == Ok(Frame::Ping)).count(), 1);
            assert!(framer.is_empty());
        }
    }

    #[test]
    fn octet_by_octet_is_as_good_as_at_once() {
        let mut framer = StreamFramer::new();
        let mut frames = Vec::new();
        for octet in [ONE, ONE].concat() {
            framer.push(&[octet]);
            frames.extend(all(&mut framer));
        }
        assert_eq!(frames, [message(ONE), message(ONE)]);
    }

    #[test]
    fn keep_alive_is_ping_and_pong() {
        assert_eq!(read(b"\r\n\r\n"), [Ok(Frame::Ping)]);
        assert_eq!(read(b"\r\n"), [Ok(Frame::Pong)]);
        let mut framer = StreamFramer::new();
        framer.push(b"\r\n");
        assert_eq!(all(&mut framer), [Ok(Frame::Pong)]);
        framer.push(b"\r\n");
        assert_eq!(all(&mut framer), [Ok(Frame::Ping)]);
        framer.push(ONE);
        assert_eq!(all(&mut framer), [message(ONE)]);
    }

    #[test]
    fn a_doubtful_length_ends_the_stream() {
        for (value, kind) in [
            ("X: 1", Kind::MissingContentLength),
            ("l: -999", Kind::ContentLength),
            ("l: ", Kind::ContentLength),
            ("l: 4294967296", Kind::ContentLength),
            ("l: 18446744073709551616", Kind::ContentLength),
            ("l: 1\r\n 2", Kind::ContentLength),
            ("l: 262145", Kind::BodyTooLarge),
            ("l: 3\r\nContent-Length : 3", Kind::RepeatedContentLength),
            ("l: 3\nX: y", Kind::BareLineEnd),
            ("l: 3\rX: y", Kind::BareLineEnd),
        ] {
            let stream = format!("OPTIONS sip:h SIP/2.0\r\n{value}\r\n\r\nabc");
            let mut framer = StreamFramer::new();
            framer.push(stream.as_bytes());
            assert_eq!(all(&mut framer), [Err(kind)], "{value}");
            framer.push(ONE);
            assert!(framer.is_broken() && framer.next().is_none(), "{value}");
        }
    }

    #[test]
    fn a_folded_length_is_read_as_the_parser_reads_it() {
        let stream = b"OPTIONS sip:h SIP/2.0\r\nContent-Length :\r\n\t3\r\n\r\nabcX";
        let mut framer = StreamFramer::new();
        framer.push(stream);
        let Some(Ok(Frame::Message(bytes))) = framer.next() else { panic!("no message") };
        assert_eq!(bytes.len(), stream.len() - 1);
        assert_eq!(Message::parse(bytes).unwrap().body(), b"abc");
    }

    #[test]
    fn a_header_section_without_end_is_cut_off() {
        let mut framer = StreamFramer::new();
        framer.push(b"OPTIONS sip:h SIP/2.0\r\n");
        while !framer.is_broken() {
            framer.push(&[b'x'; 4096]);
            if let Some(Err(error)) = framer.next() {
                assert_eq!(error.error.kind, Kind::HeadTooLarge);
                assert!(error.bytes.len() <= MAX_HEAD);
            }
        }
    }

    #[test]
    fn an_announced_body_is_waited_for_without_memory() {
        let mut framer = StreamFramer::new();
        framer.push(b"OPTIONS sip:h SIP/2.0\r\nl: 262144\r\n\r\n");
        assert_eq!(framer.next(), None);
        assert!(!framer.is_empty());
        assert!(framer.buffer.capacity() < 4096);
    }
}
