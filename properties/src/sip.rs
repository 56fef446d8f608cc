//! SIP text: what was read and written reads the same, what we answer is SIP, and a stream says the
//! same wherever it is cut.

use bytes::Bytes;
use sip_stack::header::{Contacts, Credentials, NameAddr, ReferTo, Replaces, Via};
use sip_stack::message::framing::{Frame, StreamFramer};
use sip_stack::message::validate::{answer_unparsable, check, check_session};
use sip_stack::message::{Edits, HeaderName, Message, ParseErrorKind, response_to, sanitised};
use sip_stack::uri::Uri;

use crate::octets::Octets;

/// A datagram.
pub(crate) fn message(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let message = match Message::parse(bytes.clone()) {
        Ok(message) => message,
        Err(error) => {
            if let Some(answer) = answer_unparsable(&bytes, error, "t") {
                let answer = Message::parse(answer).expect("our answer is a message");
                assert_eq!(answer.status(), Some(error.kind.status()));
            }
            return;
        }
    };
    reads_the_same(&message);
    headers(&message);
    uris(&message);
    answers(&message);
}

/// What is kept of a message is the message: reading it once more changes nothing.
fn reads_the_same(message: &Message) {
    let again = Message::parse(message.bytes().clone()).expect("what was read reads again");
    assert_eq!(again.bytes(), message.bytes());
    assert_eq!(again.start_line(), message.start_line());
    assert!(again.all_headers().eq(message.all_headers()));
    assert_eq!(again.body(), message.body());
    if let Some(length) = message.content_length() {
        assert_eq!(length, message.body().len());
    }
    let edited = Edits::new().replace(HeaderName::MaxForwards, 1).apply(message);
    let edited = Message::parse(edited).expect("an edited message is one");
    assert_eq!(edited.body(), message.body());
    assert_eq!(edited.max_forwards(), Some(1));
}

fn headers(message: &Message) {
    for via in message.vias().flatten() {
        let text = via.to_string();
        assert_eq!(Via::parse(&text).expect("a written Via").to_string(), text);
        let _ = (via.received_ip(), via.rfc3261_branch());
    }
    let _ = (message.cseq(), message.expires(), message.contacts(), message.parts());
    let _ = (message.method(), message.reason_phrase(), message.session_description());
    for (_, _, value) in message.all_headers() {
        // Which header it came in does not matter to a reader.
        let _ = (Contacts::of([value].into_iter()), Replaces::parse(value), ReferTo::parse(value));
        if let Ok(credentials) = Credentials::parse(value) {
            let _ = (credentials.is_digest(), credentials.params().count());
        }
    }
}

fn uris(message: &Message) {
    for name in [HeaderName::From, HeaderName::To, HeaderName::Contact, HeaderName::Route] {
        for address in message.name_addrs(name).flatten() {
            let text = address.to_string();
            let again = NameAddr::parse(&text).expect("a written name-addr");
            assert_eq!((again.uri, again.tag()), (address.uri, address.tag()));
            // Control characters are written as blanks (SEC-13).
            assert_eq!(again.display_name(), sanitised(&address.display_name()));
            if let Ok(uri) = address.parsed_uri() {
                same_uri(&uri);
            }
        }
    }
    if let Some(Ok(uri)) = message.request_uri().map(Uri::parse) {
        same_uri(&uri);
    }
}

fn same_uri(uri: &Uri<'_>) {
    assert!(uri.equivalent(uri), "{uri}");
    let text = uri.to_string();
    let again = Uri::parse(&text).expect("a written URI");
    assert!(again.equivalent(uri) && uri.equivalent(&again), "{text}");
    assert_eq!(again.user_decoded(), uri.user_decoded());
}

fn answers(message: &Message) {
    let refusals = [check(message), check_session(message)];
    for refusal in refusals.into_iter().filter_map(Result::err) {
        if let Some(answer) = refusal.response(message, "t") {
            let answer = Message::parse(answer).expect("our answer is a message");
            assert_eq!(answer.status(), Some(refusal.status));
            assert_eq!(answer.call_id(), message.call_id());
        }
    }
    if message.is_request() {
        let answer = response_to(message, 200, "OK", Some("t")).finish(None, b"");
        let answer = Message::parse(answer).expect("our answer is a message");
        assert_eq!((answer.status(), answer.body()), (Some(200), &b""[..]));
    }
}

/// A stream: how often it is cut, the distances of the cuts, what it carries.
pub(crate) fn stream(data: &[u8]) {
    let mut octets = Octets::new(data);
    let count = octets.below(16);
    let distances = octets.take(count).to_vec();
    let stream = octets.rest();
    let whole = read(&[stream]);
    let mut rest = stream;
    let mut parts = Vec::new();
    for distance in distances {
        let (part, after) = rest.split_at(usize::from(distance).min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    assert_eq!(read(&parts), whole, "cut in {} parts", parts.len());
    if stream.len() <= 4096 {
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&single), whole, "octet by octet");
    }
}

/// The messages of a stream, and why it was given up, if it was.
fn read(parts: &[&[u8]]) -> (Vec<Bytes>, Option<ParseErrorKind>) {
    let mut framer = StreamFramer::new();
    let mut messages = Vec::new();
    let mut fault = None;
    for part in parts {
        framer.push(part);
        while let Some(frame) = framer.next() {
            match frame {
                Ok(Frame::Message(bytes)) => {
                    as_a_datagram(&bytes);
                    messages.push(bytes);
                }
                Ok(Frame::Ping | Frame::Pong) => {}
                Err(error) => fault = Some(error.error.kind),
            }
        }
        assert_eq!(framer.is_broken(), fault.is_some(), "nothing is read behind a fault");
    }
    (messages, fault)
}

/// What the framer cut out is where the parser, too, sees the end: nobody hides a second message.
fn as_a_datagram(bytes: &Bytes) {
    if let Ok(message) = Message::parse(bytes.clone()) {
        assert!(bytes.ends_with(message.body()));
        assert_eq!(message.content_length(), Some(message.body().len()));
        let head = bytes.len() - message.body().len();
        let head = bytes.get(..head).unwrap_or_default();
        assert!(head.ends_with(b"\r\n\r\n"));
    }
}
