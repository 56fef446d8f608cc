use bytes::Bytes;

use super::{Refusal, answer_unparsable, check, check_session};
use crate::message::{HeaderName, Message, ParseErrorKind};

/// A request with one line replaced or added.
fn request(method: &str, uri: &str, line: &str) -> Message {
    let name = line.split(':').next().unwrap_or("");
    let mut lines = vec![
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa".to_owned(),
        "From: <sip:a@h>;tag=1".to_owned(),
        "To: <sip:b@h>".to_owned(),
        "Call-ID: 1@h".to_owned(),
        format!("CSeq: 1 {method}"),
        "Max-Forwards: 70".to_owned(),
    ];
    lines.retain(|line| name.is_empty() || !line.starts_with(name));
    lines.push(line.to_owned());
    let text = format!("{method} {uri} SIP/2.0\r\n{}\r\n\r\n", lines.join("\r\n"));
    Message::parse(Bytes::from(text)).unwrap()
}

fn status(method: &str, line: &str) -> u16 {
    check(&request(method, "sip:h", line)).map_or_else(|refusal| refusal.status, |()| 0)
}

#[test]
fn a_plain_request_passes() {
    for method in ["INVITE", "OPTIONS", "REGISTER", "NEWMETHOD"] {
        assert_eq!(status(method, "X: y"), 0, "{method}");
    }
}

#[test]
fn each_rule_has_its_status() {
    for (line, expected) in [
        ("Via:", 400),
        ("From:", 400),
        ("To: ", 400),
        ("Call-ID: ", 400),
        ("CSeq: 1 BYE", 400),
        ("CSeq: 2147483648 INVITE", 400),
        ("Via: SIP/2.0/UDP h;;", 400),
        ("Via: SIP/2.0/UDP h;branch=z9hG4bK", 400),
        ("From: \"a <sip:a@h>", 400),
        ("From: <sip:a@h:99999>", 400),
        ("To: <sip:b@h>;tag=1;TAG=2", 400),
        ("Contact: <sip:a@h>;;", 400),
        ("Contact: *, <sip:a@h>", 400),
        ("Max-Forwards: x", 400),
        ("Max-Forwards: 0", 483),
        ("Max-Forwards: 300", 0),
        ("To: <sip:b@h>\r\nt: <sip:c@h>", 400),
        ("Refer-To: <sip:b@h>\r\nr: <sip:c@h>", 400),
        ("Require: 100rel, nothingSupportsThis", 420),
        ("Require: 100rel", 0),
        ("Route: <sip:a b>", 400),
    ] {
        assert_eq!(status("INVITE", line), expected, "{line}");
    }
}

#[test]
fn the_last_hop_ends_only_what_would_go_on() {
    for (method, line, expected) in [
        ("OPTIONS", "Max-Forwards: 0", 0),
        ("REGISTER", "Max-Forwards: 0", 0),
        ("MESSAGE", "Max-Forwards: 0", 483),
        ("BYE", "Max-Forwards: 0\r\nX: y", 483),
    ] {
        assert_eq!(status(method, line), expected, "{method}");
    }
    let in_dialog = request("BYE", "sip:h", "To: <sip:b@h>;tag=2");
    assert_eq!(check(&in_dialog), Ok(()));
}

#[test]
fn request_uris_have_their_own_answers() {
    for (uri, expected) in [
        ("sips:h", 0),
        ("tel:+12015550123", 0),
        ("soap.beep://h", 416),
        ("sip:2001:db8::10", 400),
        ("<sip:h>", 400),
        ("sip:h?Route=x", 400),
        ("h", 400),
    ] {
        let result = check(&request("INVITE", uri, "X: y"));
        assert_eq!(result.map_or_else(|refusal| refusal.status, |()| 0), expected, "{uri}");
    }
    let long = format!("sip:{}", "a".repeat(2100));
    assert_eq!(check(&request("INVITE", &long, "X: y")).unwrap_err().status, 414);
}

#[test]
fn too_many_vias_and_routes_are_refused() {
    let vias = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n".repeat(70);
    assert_eq!(status("INVITE", &format!("{vias}Via: SIP/2.0/UDP h")), 483);
    let routes = "<sip:h;lr>,".repeat(21);
    assert_eq!(status("INVITE", &format!("Route: {routes}")), 400);
}

#[test]
fn an_unsupported_option_is_named_in_the_answer() {
    let message = request("OPTIONS", "sip:h", "Require: one, timer, two");
    let refusal = check(&message).unwrap_err();
    let bytes = refusal.response(&message, "tag").unwrap();
    let response = Message::parse(bytes).unwrap();
    assert_eq!(response.status(), Some(420));
    assert_eq!(response.header(HeaderName::Unsupported), Some("one, two"));
    assert_eq!(response.to().unwrap().tag(), Some("tag"));
}

#[test]
fn responses_and_acks_get_no_answer() {
    let refusal = Refusal::new(400, "Bad Request");
    assert_eq!(refusal.response(&request("ACK", "sip:h", "X: y"), "t"), None);
    let response = Message::parse(Bytes::from_static(b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n")).unwrap();
    assert!(check(&response).is_err());
    assert_eq!(refusal.response(&response, "t"), None);
}

#[test]
fn a_registration_is_for_a_sip_address_with_a_lifetime() {
    assert_eq!(status("REGISTER", "To: isbn:2983792873"), 400);
    assert_eq!(status("REGISTER", "Expires: x"), 400);
    assert_eq!(status("REGISTER", "Contact: <sip:a@h>;expires=280297596632815"), 400);
    assert_eq!(status("OPTIONS", "To: isbn:2983792873"), 0);
}

#[test]
fn session_bodies_are_sdp_and_answerable_with_sdp() {
    let with = |line: &str| {
        let text = format!("INVITE sip:h SIP/2.0\r\n{line}\r\n\r\nv=0\r\n");
        let message = Message::parse(Bytes::from(text)).unwrap();
        check_session(&message).map_or_else(|refusal| refusal.status, |()| 0)
    };
    for (line, expected) in [
        ("c: application/sdp", 0),
        ("c: Multipart/Mixed;boundary=x", 0),
        ("c: application/unknown", 415),
        ("X: y", 415),
        ("c: application/sdp\r\ne: gzip", 415),
        ("c: application/sdp\r\ne: identity", 0),
        ("c: application/sdp\r\nAccept: text/nobodyKnowsThis", 406),
        ("c: application/sdp\r\nAccept: text/x, application/*;q=0.1", 0),
        ("c: application/sdp\r\nAccept:", 406),
    ] {
        assert_eq!(with(line), expected, "{line}");
    }
}

const TRUNCATED: &[u8] = b"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n\
    Via: SIP/2.0/UDP i\r\nFrom:\r\n <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
    broken\r\nSubject: secret\r\nl: 99\r\n\r\n";

#[test]
fn an_unparsable_request_is_answered_if_its_transaction_can_be_named() {
    let error = Message::parse(Bytes::from_static(TRUNCATED)).unwrap_err();
    let bytes = answer_unparsable(TRUNCATED, error, "t").unwrap();
    let response = Message::parse(bytes).unwrap();
    assert_eq!(response.status(), Some(400));
    assert_eq!(response.vias().count(), 2);
    assert_eq!(response.from().unwrap().tag(), Some("1"));
    assert_eq!(response.to().unwrap().tag(), Some("t"));
    assert_eq!(response.call_id(), "c");
    assert_eq!(response.header(HeaderName::Subject), None);
}

#[test]
fn responses_acks_and_noise_are_not_answered() {
    let error = ParseErrorKind::NoColon.at(0);
    let text = String::from_utf8(TRUNCATED.to_vec()).unwrap();
    for (from, to) in [
        ("INVITE sip:b@h SIP/2.0", "SIP/2.0 200 OK"),
        ("INVITE sip:b@h SIP/2.0", "ACK sip:b@h SIP/2.0"),
        ("INVITE sip:b@h SIP/2.0", "GET / HTTP/1.1"),
        ("CSeq: 1 INVITE", "CSeq: 1 ACK"),
        ("CSeq: 1 INVITE", "X: y"),
        ("Call-ID: c", "X: y"),
        ("SIP/2.0/UDP h;branch=z9hG4bKx", "nonsense"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert_eq!(answer_unparsable(changed.as_bytes(), error, "t"), None, "{to}");
    }
    for noise in [&b""[..], b"\r\n\r\n", b"\0\0\0\0", b"jaK", b"\r\n"] {
        assert_eq!(answer_unparsable(noise, error, "t"), None);
    }
}

#[test]
fn a_response_that_went_astray_is_dropped() {
    let response = |vias: &str| {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: {vias}\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n\
             Call-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n"
        );
        check(&Message::parse(Bytes::from(text)).unwrap())
    };
    assert_eq!(response("SIP/2.0/UDP h;branch=z9hG4bK1"), Ok(()));
    assert!(response("SIP/2.0/UDP h;branch=z9hG4bK1, SIP/2.0/UDP i").is_err());
}
