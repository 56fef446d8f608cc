//! The torture messages of RFC 4475 and RFC 5118 against their expectation table.
//!
//! Every entry of `corpus/torture/manifest.toml` is judged by the parser, `validate` and, for
//! session requests, `validate::check_session`. What only an element with state can refuse is
//! listed in [`STATEFUL`] with what is asserted here instead.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use std::path::PathBuf;

use bytes::Bytes;
use serde::Deserialize;
use sip_stack::header::{Contacts, Credentials};
use sip_stack::message::framing::{Frame, StreamFramer};
use sip_stack::message::validate::{answer_unparsable, check, check_session};
use sip_stack::message::{HeaderName, Message, Method, ParseErrorKind};
use sip_stack::uri::{Uri, decode};

#[derive(Deserialize)]
struct Manifest {
    message: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    file: String,
    send: String,
    octets: usize,
    kind: String,
    method: Option<String>,
    syntax: String,
    expect: String,
    status: Vec<u16>,
    stream: Option<String>,
}

/// An entry that only an element with state can refuse.
struct Stateful {
    name: &'static str,
    why: &'static str,
    /// What is asserted at this level instead.
    instead: fn(&Message),
}

const STATEFUL: &[Stateful] = &[Stateful {
    name: "regaut01",
    why: "whether credentials are needed is the registrar's; here they are read as no Digest",
    instead: |message| {
        let value = message.header(HeaderName::Authorization).unwrap();
        assert!(!Credentials::parse(value).unwrap().is_digest());
    },
}];

/// Statuses that would mean that a valid message was taken for a malformed one.
const SYNTAX_REFUSALS: [u16; 4] = [400, 500, 505, 513];

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/torture")
}

fn manifest() -> Vec<Entry> {
    let text = std::fs::read_to_string(corpus().join("manifest.toml")).unwrap();
    toml::from_str::<Manifest>(&text).unwrap().message
}

fn octets(file: &str) -> Bytes {
    Bytes::from(std::fs::read(corpus().join(file)).unwrap())
}

fn message(name: &str) -> Message {
    let entry = manifest().into_iter().find(|entry| entry.name == name).unwrap();
    Message::parse(octets(&entry.file)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What this level does with a message.
#[derive(Debug, PartialEq)]
enum Verdict {
    Accepted,
    Refused(u16),
}

fn judge(bytes: &Bytes) -> Verdict {
    let message = match Message::parse(bytes.clone()) {
        Ok(message) => message,
        Err(error) => return Verdict::Refused(error.kind.status()),
    };
    if let Err(refusal) = check(&message) {
        return Verdict::Refused(refusal.status);
    }
    if message.is_request()
        && message.method() == Method::Invite
        && let Err(refusal) = check_session(&message)
    {
        return Verdict::Refused(refusal.status);
    }
    Verdict::Accepted
}

#[test]
fn the_corpus_is_what_the_manifest_says() {
    let manifest = manifest();
    assert_eq!(manifest.len(), 62);
    for entry in &manifest {
        assert_eq!(octets(&entry.file).len(), entry.octets, "{}", entry.name);
    }
    for Stateful { name, why, .. } in STATEFUL {
        assert!(manifest.iter().any(|entry| entry.name == *name), "{name}: {why}");
    }
}

#[test]
fn every_entry_is_judged_as_the_manifest_says() {
    let mut wrong = Vec::new();
    for entry in manifest() {
        for file in [&entry.file, &entry.send] {
            let verdict = judge(&octets(file));
            let stateful = STATEFUL.iter().find(|row| row.name == entry.name);
            let is_right = match (entry.expect.as_str(), &verdict, stateful) {
                ("reject", Verdict::Accepted, Some(row)) => {
                    (row.instead)(&message(&entry.name));
                    true
                }
                ("reject", Verdict::Refused(status), None) => entry.status.contains(status),
                ("accept", Verdict::Accepted, _) => true,
                ("accept", Verdict::Refused(status), _) => {
                    !SYNTAX_REFUSALS.contains(status) && entry.status.contains(status)
                }
                ("accept-or-reject", Verdict::Accepted, _) => true,
                ("accept-or-reject", Verdict::Refused(status), _) => entry.status.contains(status),
                // A response has no answer. Valid ones are read; `bcast` is one of them, but has
                // a Via more than ours.
                ("discard", verdict, _) => {
                    let is_readable = entry.syntax == "valid" && entry.name != "bcast";
                    (*verdict == Verdict::Accepted) == is_readable
                }
                _ => false,
            };
            if !is_right {
                wrong.push((entry.name.clone(), verdict, entry.expect.clone()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn kind_and_method_are_read_from_every_entry_that_parses() {
    for entry in manifest() {
        let Ok(message) = Message::parse(octets(&entry.file)) else { continue };
        assert_eq!(message.is_request(), entry.kind == "request", "{}", entry.name);
        if let Some(method) = entry.method {
            assert_eq!(message.method(), Method::from_token(&method), "{}", entry.name);
        }
    }
}

#[test]
fn every_refused_request_gets_one_answer_if_its_transaction_can_be_named() {
    // No Call-ID, From and To; no Via.
    let silent = ["insuf", "test"];
    for entry in manifest() {
        let bytes = octets(&entry.send);
        let answer = match Message::parse(bytes.clone()) {
            Ok(message) => match check(&message) {
                Ok(()) => continue,
                Err(refusal) => refusal.response(&message, "t"),
            },
            Err(error) => answer_unparsable(&bytes, error, "t"),
        };
        if entry.kind == "response" {
            assert_eq!(answer, None, "{}", entry.name);
            continue;
        }
        assert_eq!(answer.is_none(), silent.contains(&entry.name.as_str()), "{}", entry.name);
        let Some(answer) = answer else { continue };
        let response = Message::parse(answer).unwrap();
        assert!(entry.status.contains(&response.status().unwrap()), "{}", entry.name);
        assert!(response.has(HeaderName::Via), "{}", entry.name);
        assert!(response.body().is_empty());
    }
}

#[test]
fn streams_are_framed_as_the_manifest_says() {
    for entry in manifest() {
        let mut framer = StreamFramer::new();
        framer.push(&octets(&entry.send));
        let frames: Vec<_> = std::iter::from_fn(|| framer.next()).collect();
        let messages = frames.iter().filter(|frame| matches!(frame, Ok(Frame::Message(_)))).count();
        match entry.stream.as_deref() {
            Some("two requests") => {
                // Five octets more than the second Content-Length says are left over, and no
                // beginning of a message.
                assert_eq!(messages, 2, "{}", entry.name);
                assert!(frames.last().is_some_and(Result::is_err) && framer.is_broken());
            }
            // The length is believed; the time limit closes the connection.
            Some("wait then close") => {
                assert!(frames.is_empty() && !framer.is_empty(), "{}", entry.name);
            }
            Some(text) if text.ends_with("close") || text.starts_with("400") => {
                assert!(frames.last().is_some_and(Result::is_err), "{}", entry.name);
                assert!(framer.is_broken());
            }
            Some(other) => panic!("{}: {other}", entry.name),
            None => {}
        }
    }
}

#[test]
fn datagram_and_stream_read_the_same_message() {
    for entry in manifest() {
        let bytes = octets(&entry.send);
        let mut framer = StreamFramer::new();
        framer.push(&bytes);
        let Some(Ok(Frame::Message(framed))) = framer.next() else { continue };
        match (Message::parse(bytes), Message::parse(framed)) {
            (Ok(datagram), Ok(stream)) => {
                assert_eq!(datagram.bytes(), stream.bytes(), "{}", entry.name);
            }
            (Err(datagram), Err(stream)) => assert_eq!(datagram, stream, "{}", entry.name),
            other => panic!("{}: {other:?}", entry.name),
        }
    }
}

// What single entries must be read as.

#[test]
fn wsinv_is_read_through_its_blanks() {
    let message = message("wsinv");
    assert_eq!(message.to().unwrap().tag(), Some("1918181833n"));
    let from = message.from().unwrap();
    assert_eq!((from.display_name().as_ref(), from.tag()), ("J Rosenberg \\\"", Some("98asjd8")));
    let cseq = message.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
    assert_eq!(message.max_forwards(), Some(68));
    let vias: Vec<_> = message.vias().map(Result::unwrap).collect();
    assert_eq!(vias.iter().map(|via| via.transport).collect::<Vec<_>>(), ["UDP", "TCP", "UDP"]);
    assert_eq!(vias[0].rfc3261_branch(), None);
    assert_eq!(vias[2].branch, Some("z9hG4bK30239"));
    assert_eq!(message.header(HeaderName::Subject), Some(""));
    assert_eq!(message.header_named("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    assert_eq!(
        message.header_named("NewFangledHeader"),
        Some("newfangled value continued newfangled value")
    );
    assert_eq!(message.contact().unwrap().unwrap().q(), 330);
    assert_eq!(message.body().len(), 150);
}

#[test]
fn intmeth_keeps_every_odd_character() {
    let message = message("intmeth");
    assert_eq!(message.to().unwrap().display_name(), "BEL:\x07 NUL:\0 DEL:\x7f");
    let from = message.from().unwrap();
    assert_eq!(from.params.get("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
    assert_eq!(uri.host(), Some("example.com"));
    assert!(uri.sip().unwrap().password.is_some());
}

#[test]
fn escapes_are_decoded_once_and_for_comparison_only() {
    let esc01 = message("esc01");
    assert_eq!(esc01.to().unwrap().parsed_uri().unwrap().user_decoded().as_deref(), Some("user"));
    let contact = esc01.contact().unwrap().unwrap();
    let Uri::Sip(uri) = contact.parsed_uri().unwrap() else { panic!("no SIP URI") };
    assert!(uri.is_loose_router());
    assert_eq!(decode(uri.param("name").unwrap()), b"value%41");
    let uri = Uri::parse(esc01.request_uri().unwrap()).unwrap();
    assert_eq!((uri.user(), uri.host()), (Some("sips%3Auser%40example.com"), Some("example.net")));

    let escnull = message("escnull");
    let user = escnull.to().unwrap().parsed_uri().unwrap().user_decoded();
    assert_eq!(user.as_deref(), Some("null-\0-null"));
    let contacts = escnull.contacts().unwrap();
    let [one, two] = contacts.as_slice() else { panic!("two contacts") };
    assert!(!one.parsed_uri().unwrap().equivalent(&two.parsed_uri().unwrap()));

    let esc02 = message("esc02");
    assert_eq!(esc02.contacts().unwrap().as_slice().len(), 2);
    assert_eq!(esc02.to().unwrap().display_name(), "%Z%45");
    assert!(esc02.header_named("C%6Fntact").is_some());
}

#[test]
fn long_values_are_kept_whole() {
    let message = message("longreq");
    assert_eq!(message.vias().count(), 34);
    assert!(message.vias().all(|via| via.is_ok()));
    assert!(message.to().is_ok() && message.from().unwrap().tag().is_some());
    assert!(message.call_id().len() > 100);
}

#[test]
fn uri_and_header_parameters_are_not_mixed_up() {
    let one = message("cparam01");
    let contact = one.contact().unwrap().unwrap();
    assert!(contact.params.has("unknownparam") && !contact.uri.contains("unknownparam"));
    let two = message("cparam02");
    let contact = two.contact().unwrap().unwrap();
    assert!(!contact.params.has("unknownparam") && contact.uri.contains("unknownparam"));
    let semiuri = message("semiuri");
    let uri = Uri::parse(semiuri.request_uri().unwrap()).unwrap();
    assert_eq!(uri.user_decoded().as_deref(), Some("user;par=u@example.net"));
    assert_eq!((uri.host(), uri.param("par")), (Some("example.com"), None));
}

#[test]
fn bodies_are_octets_and_end_where_content_length_says() {
    assert_eq!(message("mpart01").body().len(), 553);
    let mpart01 = message("mpart01");
    let parts = mpart01.parts();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].content_type, "text/plain");
    let dblreq = message("dblreq");
    assert_eq!((dblreq.method(), dblreq.body().len()), (Method::Register, 0));
    assert!(!dblreq.bytes().windows(6).any(|octets| octets == b"INVITE"));
}

#[test]
fn reason_phrases_are_kept_as_they_are() {
    assert!(message("unreason").reason_phrase().starts_with("= 2**3 * 5**2 но сто"));
    let noreason = message("noreason");
    assert_eq!((noreason.status(), noreason.reason_phrase()), (Some(100), ""));
    assert_eq!(message("bcast").vias().count(), 2);
}

#[test]
fn ipv6_hosts_and_ports_are_told_apart() {
    for (name, host, port) in [
        ("ipv6-good", "2001:db8::10", None),
        ("port-ambiguous", "2001:db8::10:5070", None),
        ("port-unambiguous", "2001:db8::10", Some(5070)),
    ] {
        let message = message(name);
        let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
        assert_eq!((uri.host(), uri.port()), (Some(host), port), "{name}");
    }
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        let message = message(name);
        let via = message.via().unwrap();
        assert_eq!(via.received_ip(), "2001:db8::9:255".parse().ok(), "{name}");
    }
    for name in ["ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons"] {
        let message = message(name);
        let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
        assert_eq!(uri.sip().unwrap().ip(), "2001:db8::192.0.2.1".parse().ok(), "{name}");
        assert!(!uri.to_string().contains(":::"), "{name}");
    }
    let mapped = message("ipv4-mapped-ipv6");
    let via = mapped.via().unwrap();
    assert!(sip_stack::uri::parse_ip(via.host).unwrap().is_ipv4());
    assert_eq!(message("mult-ip-in-header").vias().filter(Result::is_ok).count(), 3);
}

#[test]
fn a_contact_of_an_unknown_scheme_is_read_and_not_understood() {
    let message = message("unksm2");
    let Contacts::List(list) = message.contacts().unwrap() else { panic!("no list") };
    assert!(matches!(list[0].parsed_uri(), Ok(Uri::Other { scheme: "name", .. })));
}

#[test]
fn an_overlarge_length_is_no_reason_to_reserve_memory() {
    let error = Message::parse(octets("rfc4475/clerr.dat")).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::BodyTruncated);
}
