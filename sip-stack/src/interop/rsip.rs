//! [`Message`] to rsip's owned types and back, for users who hold those.
//!
//! rsip reads no IPv6 references and no methods that it does not know: such a message gives its
//! error. Compact names and folding, which it does not read either, are written out for it. Its
//! status codes keep no reason phrase, so the standard one comes back.

use rsip::message::HasHeaders;
use rsip::{Error, Header, SipMessage};

use crate::message::{HeaderName, Message, MessageWriter, Method, ParseError, reason_phrase};

impl TryFrom<&Message> for SipMessage {
    type Error = Error;

    fn try_from(message: &Message) -> Result<SipMessage, Error> {
        let mut writer = match message.status() {
            Some(status) if message.reason_phrase().is_empty() => {
                MessageWriter::response(status, reason_phrase(status))
            }
            Some(status) => MessageWriter::response(status, message.reason_phrase()),
            None => MessageWriter::request(&message.method(), message.request_uri().unwrap_or("")),
        };
        for (name, text, value) in message.all_headers() {
            match name {
                // rsip reads one Via value per header.
                HeaderName::Via => {
                    for via in crate::header::List::new(value) {
                        writer.header(name, via);
                    }
                }
                name => {
                    writer.header_named(text_of(name, text), value);
                }
            }
        }
        SipMessage::try_from(writer.finish(None, message.body()).to_vec())
    }
}

impl TryFrom<&SipMessage> for Message {
    type Error = ParseError;

    fn try_from(message: &SipMessage) -> Result<Message, ParseError> {
        let mut writer = match message {
            SipMessage::Request(request) => MessageWriter::request(
                &Method::from_token(&request.method.to_string()),
                &request.uri.to_string(),
            ),
            SipMessage::Response(response) => match &response.status_code {
                rsip::StatusCode::Other(code, reason) => MessageWriter::response(*code, reason),
                known => MessageWriter::response(known.code(), reason_phrase(known.code())),
            },
        };
        for header in message.headers().iter() {
            let text = header.to_string();
            let (name, value) = match header {
                Header::Other(name, value) => (name.as_str(), value.as_str()),
                _ => text.split_once(':').unwrap_or((&text, "")),
            };
            writer.header_named(name.trim(), value.trim());
        }
        Message::parse(writer.finish(None, message.body()))
    }
}

/// The long form of a name we know, else as it came.
fn text_of(name: HeaderName, as_came: &str) -> &str {
    match name {
        HeaderName::Other => as_came,
        known => known.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rsip::message::HeadersExt;

    use super::*;

    const INVITE: &[u8] = b"INVITE sip:b@example.com SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1,\r\n \
        SIP/2.0/UDP i;branch=z9hG4bK2\r\nf: \"A\" <sip:a@h>;tag=1\r\nt: <sip:b@example.com>\r\ni: 1@h\r\n\
        CSeq: 1 INVITE\r\nX-Own: y\r\nc: application/octet-stream\r\nl: 3\r\n\r\n\xff\0x";

    #[test]
    fn a_request_goes_there_and_comes_back() {
        let message = Message::parse(Bytes::from_static(INVITE)).unwrap();
        let theirs = SipMessage::try_from(&message).unwrap();
        assert_eq!(theirs.call_id_header().unwrap().to_string(), "Call-ID: 1@h");
        assert_eq!(theirs.body().as_slice(), b"\xff\0x");
        let back = Message::try_from(&theirs).unwrap();
        assert_eq!(back.method(), Method::Invite);
        assert_eq!(back.request_uri(), message.request_uri());
        assert_eq!(back.vias().count(), 2);
        assert_eq!(back.header_named("x-own"), Some("y"));
        assert_eq!(back.from().unwrap(), message.from().unwrap());
        assert_eq!(back.body(), message.body());
    }

    #[test]
    fn a_response_gets_the_standard_phrase() {
        let bytes = Bytes::from_static(b"SIP/2.0 486\r\nCSeq: 1 INVITE\r\nCall-ID: x\r\n\r\n");
        let theirs = SipMessage::try_from(&Message::parse(bytes).unwrap()).unwrap();
        let back = Message::try_from(&theirs).unwrap();
        assert_eq!((back.status(), back.reason_phrase()), (Some(486), "Busy Here"));
    }

    #[test]
    fn what_rsip_cannot_read_is_its_error() {
        let bytes = Bytes::from_static(b"OPTIONS sip:[2001:db8::1] SIP/2.0\r\nCall-ID: x\r\n\r\n");
        assert!(SipMessage::try_from(&Message::parse(bytes).unwrap()).is_err());
    }

    #[test]
    fn a_line_end_in_their_header_does_not_become_a_header_of_ours() {
        let bytes = Bytes::from_static(b"OPTIONS sip:h SIP/2.0\r\nCall-ID: x\r\n\r\n");
        let mut theirs = SipMessage::try_from(&Message::parse(bytes).unwrap()).unwrap();
        theirs.headers_mut().push(Header::Other("X-Own".into(), "a\r\nEvil: b".into()));
        let back = Message::try_from(&theirs).unwrap();
        assert_eq!(back.header_named("Evil"), None);
        assert_eq!(back.header_named("X-Own"), Some("a  Evil: b"));
    }
}
