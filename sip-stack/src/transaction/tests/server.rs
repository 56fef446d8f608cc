//! Server transactions, and what fits none.

use super::*;

#[test]
fn an_echo_of_a_request_is_answered_from_memory_and_not_delivered() {
    let mut bench = Bench::new();
    let register = request("REGISTER", "z9hG4bK1", 1, "");
    bench.receive(&register);
    let key = bench.new_request();
    bench.receive(&register);
    assert!(bench.sent().is_empty(), "nothing to repeat yet");
    assert!(bench.respond(key, &register, 200));
    bench.receive(&register);
    assert_eq!(bench.sent_names(), ["200", "200"]);
    assert!(bench.event().is_none());
    assert!(!bench.respond(key, &register, 500), "one final response only");
    bench.pass(Duration::from_secs(32));
    assert!(bench.is_empty());
    assert_eq!(bench.layer.counters().absorbed_requests, 2);
}

#[test]
fn the_same_branch_under_another_sent_by_or_method_is_another_request() {
    let mut bench = Bench::new();
    let first = request("OPTIONS", "z9hG4bK1", 1, "");
    bench.receive(&first);
    let moved = String::from_utf8(first.bytes().to_vec()).unwrap();
    let moved = moved.replace("192.0.2.9:5060", "192.0.2.8:5060").replace("call-1", "call-2");
    bench.receive(&text(&moved));
    bench.receive(&request("INFO", "z9hG4bK1", 2, ""));
    assert_eq!(bench.out.events.len(), 3);
}

#[test]
fn an_invite_gets_100_after_200_ms_unless_the_user_was_faster() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "Timestamp: 54\r\n");
    bench.receive(&invite);
    bench.pass(Duration::from_millis(199));
    assert!(bench.sent().is_empty());
    bench.pass(Duration::from_millis(1));
    let trying = bench.sent().remove(0);
    assert_eq!(trying.status(), Some(100));
    assert_eq!(trying.to().unwrap().tag(), None);
    assert_eq!(trying.header(HeaderName::Timestamp), Some("54"));
    bench.receive(&invite);
    assert_eq!(bench.sent_names(), ["100"]);

    let other = request("INVITE", "z9hG4bK2", 2, "");
    bench.receive(&other);
    bench.new_request();
    let key = bench.new_request();
    assert!(bench.layer.trying(bench.now, key, &mut bench.out));
    assert!(!bench.layer.trying(bench.now, key, &mut bench.out), "once is enough");
    assert!(bench.respond(key, &other, 180));
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.sent_names(), ["100", "180"]);
    bench.receive(&other);
    assert_eq!(bench.sent_names(), ["180"], "the last provisional is repeated");
}

#[test]
fn a_refused_invite_is_repeated_until_its_ack_and_the_ack_is_absorbed() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    bench.receive(&invite);
    let key = bench.new_request();
    bench.respond(key, &invite, 486);
    bench.pass(Duration::from_millis(1_600));
    assert_eq!(bench.sent_names(), ["486", "486", "486"]);
    bench.receive(&request("ACK", "z9hG4bK1", 1, ""));
    bench.receive(&request("ACK", "z9hG4bK1", 1, ""));
    bench.receive(&invite);
    bench.pass(Duration::from_secs(5));
    assert!(bench.sent().is_empty());
    assert!(bench.event().is_none());
    assert!(bench.is_empty());
}

#[test]
fn a_refusal_without_ack_ends_after_64_t1() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    bench.receive(&invite);
    let key = bench.new_request();
    bench.respond(key, &invite, 486);
    bench.pass(Duration::from_secs(32));
    // T1, doubling to T2: 0, 0.5, 1.5, 3.5, 7.5, 11.5 … 31.5 s.
    assert_eq!(bench.sent().len(), 11);
    assert!(bench.is_empty());
    assert_eq!(bench.layer.counters().missing_acks, 1);
}

#[test]
fn an_accepted_invite_absorbs_echoes_and_lets_2xx_and_ack_through() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    bench.receive(&invite);
    let key = bench.new_request();
    assert!(bench.respond(key, &invite, 200));
    bench.receive(&invite);
    assert_eq!(bench.sent_names(), ["200"], "the machine does not repeat a 2xx");
    assert!(bench.respond(key, &invite, 200));
    assert!(!bench.respond(key, &invite, 486));
    assert_eq!(bench.sent_names(), ["200"]);
    for branch in ["z9hG4bK-new", "z9hG4bK1"] {
        bench.receive(&request("ACK", branch, 1, ""));
        assert!(matches!(bench.event(), Some(Event::Ack { .. })), "{branch}");
    }
    bench.pass(Duration::from_secs(32));
    assert!(bench.is_empty());
}

#[test]
fn cancel_is_answered_with_the_tag_of_the_invite_and_told_once() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    bench.receive(&invite);
    let key = bench.new_request();
    bench.respond(key, &invite, 180);
    let cancel = request("CANCEL", "z9hG4bK1", 1, "");
    bench.receive(&cancel);
    bench.receive(&cancel);
    let sent = bench.sent();
    assert_eq!(sent[1].status(), Some(200));
    assert_eq!(sent[1].method(), Method::Cancel);
    assert_eq!(sent[1].to().unwrap().tag(), Some("local"));
    assert_eq!(sent.len(), 3, "an echo of the CANCEL is answered, too");
    assert!(matches!(bench.event(), Some(Event::Cancel { key: of, .. }) if of == key));
    assert!(bench.event().is_none());
    bench.respond(key, &invite, 487);
    bench.receive(&cancel);
    assert_eq!(bench.sent_names(), ["487", "200"]);
    assert!(bench.event().is_none(), "too late to matter");
}

#[test]
fn cancel_with_a_changed_via_is_matched_over_the_same_path_only() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    bench.receive(&invite);
    let key = bench.new_request();
    let cancel = request("CANCEL", "z9hG4bK-changed", 1, "");
    bench.receive_over(&cancel, flow_from(Transport::Udp, "192.0.2.9:6000"));
    assert_eq!(bench.sent_names(), ["481"]);
    bench.receive(&cancel);
    assert_eq!(bench.sent_names(), ["200"]);
    assert!(matches!(bench.event(), Some(Event::Cancel { key: of, .. }) if of == key));
    bench.receive(&request("CANCEL", "z9hG4bK-changed", 2, ""));
    assert_eq!(bench.sent_names(), ["481"], "another CSeq number");
}

#[test]
fn cancel_from_another_host_does_not_match_even_with_the_branch() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", "z9hG4bK1", 1, ""));
    bench.new_request();
    let cancel = request("CANCEL", "z9hG4bK1", 1, "");
    bench.receive_over(&cancel, flow_from(Transport::Udp, "198.51.100.1:5060"));
    assert_eq!(bench.sent_names(), ["481"]);
    assert!(bench.event().is_none());
    assert_eq!(bench.layer.counters().unmatched_cancels, 1);
}

#[test]
fn the_same_request_over_another_path_gets_482() {
    let mut bench = Bench::new();
    bench.receive(&request("INVITE", "z9hG4bK1", 1, ""));
    bench.new_request();
    bench.receive(&request("INVITE", "z9hG4bK2", 1, ""));
    let refused = bench.sent().remove(0);
    assert_eq!(refused.status(), Some(482));
    assert!(refused.to().unwrap().tag().is_some());
    assert!(bench.event().is_none());
    bench.receive(&request("INVITE", "z9hG4bK3", 2, ""));
    bench.new_request();
}

#[test]
fn a_branch_without_the_cookie_is_matched_by_the_old_rules() {
    for branch in ["1", "z9hG4bK", "z9hG4b"] {
        let mut bench = Bench::new();
        let invite = request("INVITE", branch, 1, "");
        bench.receive(&invite);
        let key = bench.new_request();
        bench.receive(&invite);
        assert!(bench.event().is_none());
        bench.respond(key, &invite, 404);
        let ack = String::from_utf8(request("ACK", branch, 1, "").bytes().to_vec()).unwrap();
        bench.receive(&text(
            &ack.replace("To: <sip:b@example.com>", "To: <sip:b@example.com>;tag=local"),
        ));
        assert!(bench.event().is_none(), "{branch}");
        bench.pass(Duration::from_secs(5));
        assert!(bench.is_empty(), "{branch}");
        // The same branch in another call is another transaction.
        bench.receive(&request("INVITE", branch, 2, ""));
        bench.new_request();
    }
}

#[test]
fn at_the_ceiling_requests_get_503_and_leave_nothing() {
    let mut bench = Bench::with(Limits { server_transactions: 1, client_transactions: 1 });
    bench.receive(&request("OPTIONS", "z9hG4bK1", 1, ""));
    bench.new_request();
    let invite = request("INVITE", "z9hG4bK2", 2, "");
    bench.receive(&invite);
    bench.receive(&invite);
    let refused = bench.sent();
    assert_eq!(refused.len(), 2);
    assert_eq!(refused[0].bytes(), refused[1].bytes());
    assert_eq!(refused[0].status(), Some(503));
    let seconds = refused[0].number(HeaderName::RetryAfter).unwrap();
    assert!((5..=15).contains(&seconds));
    assert_eq!((bench.layer.server_count(), bench.layer.timer_count()), (1, 0));
    assert_eq!(bench.layer.counters().refused_requests, 2);

    bench.send(&request("OPTIONS", "z9hG4bK3", 1, ""), Transport::Udp);
    let outgoing = Outgoing {
        bytes: invite.bytes().clone(),
        method: Method::Invite,
        branch: "z9hG4bK4".into(),
        flow: flow_from(Transport::Udp, PEER),
    };
    assert_eq!(bench.layer.request(bench.now, outgoing, &mut bench.out), Err(Full));
}

#[test]
fn at_the_ceiling_the_oldest_answered_request_makes_room_once_its_echoes_are_over() {
    let mut bench = Bench::with(Limits { server_transactions: 2, client_transactions: 1 });
    for (cseq, method) in (1..).zip(["INVITE", "REGISTER"]) {
        let request = request(method, &format!("z9hG4bK{cseq}"), cseq, "");
        bench.receive(&request);
        let key = bench.new_request();
        assert!(bench.respond(key, &request, 200));
        bench.pass(Duration::from_secs(1));
    }
    bench.sent();
    let next = |cseq: u32| request("OPTIONS", &format!("z9hG4bK{cseq}"), cseq, "");
    bench.pass(Duration::from_millis(1_999));
    bench.receive(&next(3));
    assert_eq!(bench.sent_names(), ["503"], "the INVITE was answered less than 4 s ago");
    bench.pass(Duration::from_millis(1));
    bench.receive(&next(4));
    let open = bench.new_request();
    bench.receive(&request("REGISTER", "z9hG4bK2", 2, ""));
    assert_eq!(bench.sent_names(), ["200"], "the younger one still answers its echo");
    bench.pass(Duration::from_secs(1));
    bench.receive(&next(5));
    bench.new_request();
    bench.pass(Duration::from_secs(20));
    bench.receive(&next(6));
    assert_eq!(bench.sent_names(), ["503"], "what has no answer never makes room");
    assert!(bench.layer.is_owed(open));
}

#[test]
fn at_the_ceiling_the_oldest_answered_request_of_ours_makes_room() {
    let mut bench = Bench::with(Limits { server_transactions: 1, client_transactions: 1 });
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    let first = bench.send(&invite, Transport::Udp);
    bench.receive(&text(std::str::from_utf8(&reply(&invite, 200, "peer")).unwrap()));
    assert!(matches!(bench.event(), Some(Event::Response { .. })));
    bench.pass(Duration::from_secs(4));
    let second = bench.send(&request("OPTIONS", "z9hG4bK2", 2, ""), Transport::Udp);
    assert!(matches!(bench.event(), Some(Event::Ended { key }) if key == first));
    assert_eq!(bench.layer.client_count(), 1);
    assert!(bench.layer.is_awaited(second));
}

#[test]
fn a_refusal_is_not_forgotten_after_a_provisional_response() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    bench.receive(&invite);
    let key = bench.new_request();
    bench.respond(key, &invite, 100);
    let refusal = reply(&invite, 401, "local");
    assert!(!bench.layer.refuse(key, &refusal, &mut bench.out));
    assert!(bench.layer.is_owed(key));
}

#[test]
fn the_last_server_transactions_are_kept_for_requests_inside_dialogs() {
    let mut bench = Bench::with(Limits { server_transactions: 32, client_transactions: 1 });
    let inside = |cseq: u32| {
        let bytes = request("BYE", &format!("z9hG4bKi{cseq}"), cseq, "").bytes().to_vec();
        let bytes = String::from_utf8(bytes).unwrap();
        text(&bytes.replace("To: <sip:b@example.com>", "To: <sip:b@example.com>;tag=2"))
    };
    for cseq in 0..40 {
        bench.receive(&request("OPTIONS", &format!("z9hG4bKo{cseq}"), cseq, ""));
    }
    assert_eq!(bench.layer.server_count(), 30);
    for cseq in 100..110 {
        bench.receive(&inside(cseq));
    }
    assert_eq!(bench.layer.server_count(), 32);
    assert_eq!(bench.layer.counters().refused_requests, 18);
}

#[test]
fn a_refusal_without_state_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    bench.receive(&invite);
    let key = bench.new_request();
    let challenge = reply(&invite, 401, &stateless_tag(&invite));
    assert!(bench.layer.refuse(key, &challenge, &mut bench.out));
    assert!(!bench.layer.refuse(key, &challenge, &mut bench.out));
    assert_eq!(bench.sent_names(), ["401"]);
    assert!(bench.is_empty());
    bench.receive(&request("ACK", "z9hG4bK1", 1, ""));
    assert!(matches!(bench.event(), Some(Event::Ack { .. })));
    assert!(bench.is_empty());
}

#[test]
fn an_ack_that_fits_nothing_is_never_answered() {
    let mut bench = Bench::new();
    bench.receive(&request("ACK", "z9hG4bK1", 1, ""));
    assert!(bench.sent().is_empty());
    assert!(matches!(bench.event(), Some(Event::Ack { .. })));
    // Without a Call-ID it cannot be anybody's.
    let ack = String::from_utf8(request("ACK", "z9hG4bK1", 1, "").bytes().to_vec()).unwrap();
    bench.receive(&text(&ack.replace("Call-ID: call-1\r\n", "")));
    assert!(bench.sent().is_empty() && bench.event().is_none());
}

#[test]
fn a_request_that_cannot_be_a_transaction_gets_400() {
    let mut bench = Bench::new();
    let bytes = String::from_utf8(request("INVITE", "z9hG4bK1", 1, "").bytes().to_vec()).unwrap();
    for (from, to) in [
        ("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE"),
        ("Call-ID: call-1\r\n", ""),
        ("From: <sip:a@example.com>;tag=1\r\n", ""),
    ] {
        bench.receive(&text(&bytes.replace(from, to)));
        assert_eq!(bench.sent_names(), ["400"], "{to}");
    }
    let no_via = bytes.replace("Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\r\n", "");
    bench.receive(&text(&no_via));
    assert!(bench.sent().is_empty());
    assert!(bench.is_empty());
    assert_eq!(bench.layer.counters().malformed_requests, 4);
}

#[test]
fn responses_go_where_the_via_and_the_source_say() {
    for (via, source, target) in [
        // RFC 3581: back to the source port.
        ("192.0.2.9:5070;rport", "192.0.2.9:9999", "192.0.2.9:9999"),
        // RFC 3261 §18.2.2: to the port of the sent-by.
        ("192.0.2.9:5070", "192.0.2.9:9999", "192.0.2.9:5070"),
        ("192.0.2.9", "192.0.2.9:9999", "192.0.2.9:5060"),
        ("phone.example.com:5070", "192.0.2.9:9999", "192.0.2.9:5070"),
        // A private address behind a NAT: only the source port leads back.
        ("10.0.0.5:5070", "192.0.2.9:9999", "192.0.2.9:9999"),
        // A maddr is not believed.
        ("192.0.2.9:5070;maddr=203.0.113.1", "192.0.2.9:9999", "192.0.2.9:5070"),
    ] {
        let mut bench = Bench::new();
        let bytes = String::from_utf8(request("OPTIONS", "z9hG4bK1", 1, "").bytes().to_vec());
        let message = text(&bytes.unwrap().replace("192.0.2.9:5060", via));
        bench.receive_over(&message, flow_from(Transport::Udp, source));
        let key = bench.new_request();
        bench.respond(key, &message, 200);
        let transmit = bench.out.transmits.remove(0);
        assert_eq!(transmit.flow.remote, target.parse::<SocketAddr>().unwrap(), "{via}");
        let response = Message::parse(transmit.bytes).unwrap();
        assert_eq!(response.via().unwrap().branch, Some("z9hG4bK1"));
        let is_elsewhere = !via.starts_with("192.0.2.9") || via.contains("rport");
        assert_eq!(response.via().unwrap().received.is_some(), is_elsewhere, "{via}");
    }
}
