//! Server transactions and validation of requests (T20).

use tests::interop::{Peer, Sipp};

use super::{assert_at_rest, caller, office, phone, request};

#[test]
fn t20_a_retransmitted_info_or_bye_acts_once_and_gets_the_same_response() {
    let program = office();
    let called = phone(&program, "202", "callee_informed.xml");
    let log = caller(&program, "loses_answers.xml").run();
    for method in ["INFO", "BYE"] {
        assert!(log.sent(&format!("{method} ")).count() >= 3, "{log:#?}");
        let answers: Vec<&str> = log
            .received("SIP/2.0 200")
            .filter(|one| one.header("CSeq").ends_with(method))
            .map(|one| one.text.as_str())
            .collect();
        assert!(answers.len() >= 3, "{log:#?}");
        assert!(answers.iter().all(|one| one == &answers[0]), "{answers:#?}");
    }
    let seen = called.finish();
    assert_eq!(seen.received("INFO ").count(), 1);
    assert_eq!(seen.received("BYE ").count(), 1);
    assert_at_rest(&program);
}

#[test]
fn t20_an_invite_that_comes_on_two_paths_is_merged_with_482() {
    let program = office();
    let called = phone(&program, "202", "cancelled.xml");
    caller(&program, "merged.xml").run();
    assert_eq!(called.finish().received("INVITE ").count(), 1);
    assert_at_rest(&program);
}

#[test]
fn t20_what_cannot_be_served_is_refused_with_the_right_code() {
    let program = office();
    let peer = Peer::new(&program);
    let uri = "sip:202@office.test";
    let header = |answer: &str, name: &str| {
        answer.lines().any(|line| line.to_ascii_lowercase().starts_with(&name.to_ascii_lowercase()))
    };
    peer.request(&request(&peer, "INVITE", uri, "e1", "Require: foo"));
    let answer = peer.wait("SIP/2.0 420");
    assert!(header(&answer, "Unsupported: foo"), "{answer}");
    peer.request(&request(&peer, "FOO", uri, "e2", "Subject: none"));
    let answer = peer.wait("SIP/2.0 501");
    assert!(header(&answer, "Allow: INVITE"), "{answer}");
    let exhausted = request(&peer, "INVITE", uri, "e3", "Subject: none")
        .replace("Max-Forwards: 70", "Max-Forwards: 0");
    peer.request(&exhausted);
    peer.wait("SIP/2.0 483");
    for method in ["BYE", "INFO", "INVITE", "UPDATE"] {
        let unknown = request(&peer, method, uri, &format!("e4{method}"), "Subject: none")
            .replace(&format!("To: <{uri}>"), &format!("To: <{uri}>;tag=nobody"));
        peer.request(&unknown);
        peer.wait("SIP/2.0 481");
    }
    let cancel = request(&peer, "CANCEL", uri, "e5", "Subject: none");
    peer.request(&cancel);
    peer.wait("SIP/2.0 481");
    peer.assert_alive();
}

#[test]
fn t20_junk_is_met_with_silence_and_the_switch_lives() {
    let program = office();
    let peer = Peer::new(&program);
    peer.request(&request(&peer, "ACK", "sip:202@office.test", "j1", "Subject: none"));
    peer.send(b"\r\n\r\n");
    peer.send(b"\0\0\0\0");
    peer.send(&vec![b'A'; 65_000]);
    peer.send(&(0..=255).cycle().take(1400).collect::<Vec<u8>>());
    peer.send(b"SIP/2.0 200 OK\r\n\r\n");
    peer.send(b"INVITE");
    let answers = peer.assert_alive();
    let allowed = |text: &String| text.trim().is_empty() || text.starts_with("SIP/2.0 400");
    assert!(answers.iter().all(allowed), "{answers:#?}");
    let mut huge = request(&peer, "INVITE", "sip:202@office.test", "j2", "Subject: ");
    huge.push_str(&"x".repeat(60_000));
    peer.request(&huge);
    peer.assert_alive();
    let called = phone(&program, "202", "callee.xml");
    caller(&program, "caller.xml").run();
    called.finish();
    assert_at_rest(&program);
}

#[test]
fn options_to_the_switch_are_answered_and_those_to_a_line_are_challenged() {
    let program = office();
    let peer = Peer::new(&program);
    let server = format!("sip:{}", program.sip);
    peer.request(&request(&peer, "OPTIONS", &server, "o1", "Accept: application/sdp"));
    let answer = peer.wait("SIP/2.0 200");
    for name in ["Allow: INVITE, ACK", "Accept: application/sdp", "Supported: "] {
        assert!(answer.lines().any(|line| line.starts_with(name)), "{name} in {answer}");
    }
    let allowed: Vec<&str> = answer.lines().filter(|line| line.starts_with("Allow:")).collect();
    assert!(matches!(allowed[..], [one] if !one.contains("MESSAGE")), "{allowed:?}");
    let log = Sipp::new(&program, "options.xml")
        .line("201", "sip:202@office.test")
        .key("to", "sip:202@office.test")
        .key("first", 1)
        .key("second", 2)
        .run();
    assert_eq!(log.last_response("OPTIONS").status(), 200);
}
