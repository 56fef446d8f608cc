//! Properties of the parser: it never panics, what is written reads back, edits change what they
//! name, and it agrees with rsip where rsip can read.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap is a failed test")]

use bytes::Bytes;
use proptest::prelude::*;
use sip_stack::header::{Contacts, NameAddr, Params, Via};
use sip_stack::message::framing::{Frame, StreamFramer};
use sip_stack::message::validate::{answer_unparsable, check, check_session};
use sip_stack::message::{Edits, HeaderName, Message, MessageWriter, Method, response_to};
use sip_stack::uri::Uri;

fn corpus() -> Vec<Vec<u8>> {
    let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/torture");
    let mut files = Vec::new();
    for folder in ["rfc4475", "rfc5118"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "dat") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert_eq!(files.len(), 62);
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Reads everything that can be read of a message.
fn read_all(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let message = match Message::parse(bytes.clone()) {
        Ok(message) => message,
        Err(error) => {
            if let Some(answer) = answer_unparsable(&bytes, error, "t") {
                let answer = Message::parse(answer).expect("our answer is a message");
                assert!(answer.is_response());
            }
            return;
        }
    };
    let _ = (message.method(), message.reason_phrase(), message.request_uri().map(Uri::parse));
    for via in message.vias().flatten() {
        let _ = (via.received_ip(), via.rfc3261_branch());
        let text = via.to_string();
        assert_eq!(Via::parse(&text).expect("a written Via").to_string(), text);
    }
    for name in [HeaderName::From, HeaderName::To, HeaderName::Contact, HeaderName::Route] {
        for addr in message.name_addrs(name).flatten() {
            let text = addr.to_string();
            let again = NameAddr::parse(&text).expect("a written name-addr");
            assert_eq!((again.uri, again.tag()), (addr.uri, addr.tag()));
            if let Ok(uri) = addr.parsed_uri() {
                let _ = uri.equivalent(&uri);
                let text = uri.to_string();
                let again = Uri::parse(&text).expect("a written URI");
                assert!(again.equivalent(&uri), "{text}");
            }
        }
    }
    let _ = (message.contacts(), message.cseq(), message.max_forwards(), message.expires());
    let _ = (message.parts(), check_session(&message));
    let edited = Edits::new().replace(HeaderName::MaxForwards, 1).apply(&message);
    let edited = Message::parse(edited).expect("an edited message");
    assert_eq!(edited.body(), message.body());
    if let Err(refusal) = check(&message)
        && let Some(answer) = refusal.response(&message, "t")
    {
        let answer = Message::parse(answer).expect("our answer is a message");
        assert_eq!(answer.status(), Some(refusal.status));
    }
    let _ = response_to(&message, 200, "OK", Some("t")).finish(None, b"");
}

fn frames(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut framer = StreamFramer::new();
    let mut messages = Vec::new();
    for part in parts {
        framer.push(part);
        while let Some(frame) = framer.next() {
            if let Ok(Frame::Message(bytes)) = frame {
                messages.push(bytes.to_vec());
            }
        }
    }
    messages
}

/// Octets that matter to the grammar come more often than others.
fn octet() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => proptest::sample::select(&b"\r\n :;,<>\"\\@=?[]%&/*\t\0"[..]),
        2 => 0x21..0x7fu8,
        1 => any::<u8>(),
    ]
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,12}"
}

fn value() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9;,<>\"=@ü/ ?-]{0,40}".prop_map(|text| text.trim().to_owned())
}

fn known_name() -> impl Strategy<Value = HeaderName> {
    proptest::sample::select(vec![
        HeaderName::Subject,
        HeaderName::Supported,
        HeaderName::Contact,
        HeaderName::PAssertedIdentity,
        HeaderName::SessionExpires,
        HeaderName::Reason,
        HeaderName::Event,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(octet(), 0..400)) {
        read_all(&octets);
        frames(&[&octets]);
    }

    #[test]
    fn arbitrary_header_values_never_panic(value in proptest::collection::vec(octet(), 0..120)) {
        let mut text = b"INVITE sip:h SIP/2.0\r\nTo: x\r\n".to_vec();
        for name in [&b"Via"[..], b"From", b"Contact", b"CSeq", b"Route", b"l"] {
            text.extend_from_slice(name);
            text.extend_from_slice(b": ");
            text.extend(value.iter().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)));
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\nbody");
        read_all(&text);
        if let Ok(value) = std::str::from_utf8(&value) {
            let _ = (Params::parse(value), Uri::parse(value), Contacts::of([value].into_iter()));
        }
    }

    #[test]
    fn mutated_torture_messages_never_panic(
        which in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec(
            (any::<proptest::sample::Index>(), octet(), 0..4u8), 1..12),
        cut in any::<proptest::sample::Index>(),
    ) {
        thread_local!(static CORPUS: Vec<Vec<u8>> = corpus());
        let mut octets = CORPUS.with(|corpus| which.get(corpus).clone());
        for (at, octet, kind) in changes {
            let at = at.index(octets.len().max(1));
            match kind {
                0 => octets.insert(at.min(octets.len()), octet),
                1 if at < octets.len() => { octets.remove(at); }
                2 if at < octets.len() => octets[at] = octet,
                _ => {
                    let copy: Vec<u8> = octets.iter().skip(at).take(24).copied().collect();
                    octets.splice(at.min(octets.len())..at.min(octets.len()), copy);
                }
            }
        }
        read_all(&octets);
        // Framer and parser agree where the body is.
        for framed in frames(&[&octets]) {
            if let Ok(message) = Message::parse(Bytes::from(framed.clone())) {
                prop_assert_eq!(message.content_length(), Some(message.body().len()));
                let head = framed.strip_suffix(message.body()).unwrap();
                prop_assert!(head.ends_with(b"\r\n\r\n"));
            }
        }
        // However a stream is cut, the same messages come out.
        let cut = cut.index(octets.len() + 1);
        prop_assert_eq!(frames(&[&octets]), frames(&[&octets[..cut], &octets[cut..]]));
    }

    #[test]
    fn what_is_written_reads_back(
        method in token(),
        user in "[a-z0-9;?/%+]{1,10}",
        headers in proptest::collection::vec((token(), value()), 0..20),
        known in proptest::collection::vec((known_name(), value()), 0..10),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let uri = format!("sip:{user}@example.com;lr");
        let mut writer = MessageWriter::request(&Method::from_token(&method), &uri);
        let headers: Vec<_> = headers
            .into_iter()
            .filter(|(name, _)| HeaderName::parse(name) == HeaderName::Other)
            .collect();
        for (name, value) in &headers {
            writer.header_named(name, value);
        }
        for (name, value) in &known {
            writer.header(*name, value);
        }
        let bytes = writer.finish(Some("application/octet-stream"), &body);
        let message = Message::parse(bytes.clone()).unwrap();
        prop_assert_eq!(message.method(), Method::from_token(&method));
        prop_assert_eq!(message.request_uri(), Some(uri.as_str()));
        prop_assert_eq!(message.body(), &body[..]);
        let read: Vec<_> = message.all_headers().map(|(id, name, value)| {
            (id, name.to_owned(), value.to_owned())
        }).collect();
        let mut written: Vec<_> = headers
            .iter()
            .map(|(name, value)| (HeaderName::Other, name.clone(), value.clone()))
            .collect();
        written.extend(known.iter().map(|(name, value)| {
            (*name, name.as_str().to_owned(), value.clone())
        }));
        prop_assert_eq!(&read[..read.len() - 2], &written[..]);
        prop_assert_eq!(message.content_length(), Some(body.len()));
        // Writing what was read gives the same octets.
        prop_assert_eq!(Edits::new().apply(&message), bytes);
    }

    #[test]
    fn edits_equal_a_rebuild(
        lines in proptest::collection::vec((known_name(), value()), 0..12),
        replaced in known_name(),
        removed in known_name(),
        new in value(),
    ) {
        prop_assume!(replaced != removed);
        let mut writer = MessageWriter::request(&Method::Invite, "sip:h");
        for (name, value) in &lines {
            writer.header(*name, value);
        }
        let message = Message::parse(writer.finish(None, b"body")).unwrap();
        let edited = Edits::new().replace(replaced, &new).remove(removed).apply(&message);

        let mut writer = MessageWriter::request(&Method::Invite, "sip:h");
        let mut is_replaced = false;
        for (name, value) in &lines {
            if *name == replaced && !is_replaced {
                writer.header(*name, &new);
                is_replaced = true;
            } else if *name != replaced && *name != removed {
                writer.header(*name, value);
            }
        }
        if !is_replaced {
            writer.header(replaced, &new);
        }
        prop_assert_eq!(edited, writer.finish(None, b"body"));
    }

    #[test]
    fn folding_does_not_change_a_message(
        values in proptest::collection::vec("[a-z]{1,8}( [a-z]{1,8}){0,4}", 1..8),
    ) {
        let text = |separator: &str| {
            let mut text = "OPTIONS sip:h SIP/2.0\r\n".to_owned();
            for value in &values {
                text += &format!("Subject: {}\r\n", value.replace(' ', separator));
            }
            Bytes::from(text + "\r\nbody\r\n x")
        };
        let flat = Message::parse(text(" ")).unwrap();
        for fold in ["\r\n ", " \r\n\t", "\r\n \r\n "] {
            let folded = Message::parse(text(fold)).unwrap();
            prop_assert_eq!(folded.bytes(), flat.bytes());
        }
    }
}

#[cfg(feature = "rsip")]
mod oracle {
    use rsip::SipMessage;
    use rsip::headers::ToTypedHeader;
    use rsip::message::HeadersExt;

    use super::*;

    /// Messages of the subset that rsip reads: long names, known methods, no IPv6, no folding.
    fn message() -> impl Strategy<Value = String> {
        let method = proptest::sample::select(vec!["INVITE", "REGISTER", "BYE", "OPTIONS"]);
        let names = ("[a-z]{1,8}", "[a-z]{1,8}(\\.[a-z]{2,5}){1,2}", 1024..65535u16);
        let tags = ("[a-z0-9]{1,12}", "z9hG4bK[a-z0-9]{1,12}", "[a-z0-9]{1,12}@[a-z]{1,8}");
        (method, names, tags, 1..2_000_000_000u32, "[ -~]{0,40}", "[A-Za-z]{1,8}").prop_map(
            |(method, (user, host, port), (tag, branch, call_id), cseq, body, display)| {
                format!(
                    "{method} sip:{user}@{host}:{port} SIP/2.0\r\n\
                     Via: SIP/2.0/UDP {host}:{port};branch={branch};rport\r\n\
                     From: \"{display}\" <sip:{user}@{host}>;tag={tag}\r\n\
                     To: <sip:{user}@{host}:{port}>\r\nCall-ID: {call_id}\r\n\
                     CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
                     Contact: <sip:{user}@{host}:{port};transport=udp>\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn both_read_the_same(text in message()) {
            let ours = Message::parse(Bytes::from(text.clone())).unwrap();
            let theirs = SipMessage::try_from(text.as_str()).unwrap();
            prop_assert!(check(&ours).is_ok());

            let via = theirs.via_header().unwrap().typed().unwrap();
            let our_via = ours.via().unwrap();
            prop_assert_eq!(our_via.branch, via.branch().map(|branch| branch.value()));
            prop_assert_eq!(our_via.transport, via.transport.to_string());
            prop_assert_eq!(our_via.host, via.uri.host().to_string());
            prop_assert_eq!(our_via.port, via.uri.port().map(|port| *port.value()));

            let from = theirs.from_header().unwrap().typed().unwrap();
            let our_from = ours.from().unwrap();
            prop_assert_eq!(our_from.tag(), from.tag().map(|tag| tag.value()));
            prop_assert_eq!(our_from.uri, from.uri.to_string());
            // rsip keeps the quotes.
            let display_name = from.display_name.unwrap();
            prop_assert_eq!(our_from.display_name(), display_name.trim_matches('"'));

            let cseq = theirs.cseq_header().unwrap().typed().unwrap();
            let our_cseq = ours.cseq().unwrap();
            prop_assert_eq!(our_cseq.number, cseq.seq);
            prop_assert_eq!(our_cseq.method.to_string(), cseq.method.to_string());
            prop_assert_eq!(ours.method().to_string(), cseq.method.to_string());
            prop_assert_eq!(ours.body(), theirs.body().as_slice());

            let contact = theirs.contact_header().unwrap().typed().unwrap();
            // rsip writes the transport in capitals.
            let their_contact = contact.uri.to_string().replace("=UDP", "=udp");
            prop_assert_eq!(ours.contact().unwrap().unwrap().uri, their_contact);

            // There and back: nothing is lost but the spelling.
            let back = Message::try_from(&SipMessage::try_from(&ours).unwrap()).unwrap();
            prop_assert_eq!(back.bytes(), ours.bytes());
        }
    }
}
