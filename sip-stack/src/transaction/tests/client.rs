//! Client transactions, and paths that break.

use super::*;

#[test]
fn an_invite_is_repeated_until_a_provisional_and_times_out_without() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    let key = bench.send(&invite, Transport::Udp);
    bench.pass(Duration::from_secs(32));
    // 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s.
    assert_eq!(bench.sent().len(), 7);
    assert!(matches!(bench.event(), Some(Event::TimedOut { key: of }) if of == key));
    assert!(bench.is_empty());
    assert_eq!(bench.layer.counters().timeouts, 1);

    let key = bench.send(&invite, Transport::Udp);
    bench.pass(Duration::from_secs(1));
    let _ = bench.sent();
    bench.receive(&text_of(&reply(&invite, 100, "")));
    bench.pass(Duration::from_secs(600));
    assert!(bench.sent().is_empty());
    assert!(matches!(bench.event(), Some(Event::Response { key: of, .. }) if of == key));
    assert!(bench.event().is_none());
    assert!(bench.layer.is_awaited(key));
}

fn text_of(bytes: &Bytes) -> Message {
    Message::parse(bytes.clone()).unwrap()
}

#[test]
fn a_refusal_is_acknowledged_each_time_and_delivered_once() {
    let mut bench = Bench::new();
    let extra = "Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n";
    let invite = request("INVITE", "z9hG4bK1", 1, extra);
    bench.send(&invite, Transport::Udp);
    let _ = bench.sent();
    let busy = text_of(&reply(&invite, 486, "remote"));
    bench.receive(&busy);
    bench.receive(&busy);
    let acks = bench.sent();
    assert_eq!(acks.len(), 2);
    let ack = &acks[0];
    assert_eq!(ack.method(), Method::Ack);
    assert_eq!(ack.request_uri(), invite.request_uri());
    assert_eq!(ack.header(HeaderName::Via), invite.header(HeaderName::Via));
    assert_eq!(ack.header(HeaderName::From), invite.header(HeaderName::From));
    assert_eq!(ack.to().unwrap().tag(), Some("remote"));
    assert_eq!(ack.cseq().unwrap().number, 1);
    assert_eq!(ack.headers(HeaderName::Route).collect::<Vec<_>>(), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert!(matches!(bench.event(), Some(Event::Response { .. })));
    assert!(bench.event().is_none());
    bench.pass(Duration::from_secs(32));
    assert!(bench.is_empty());
}

#[test]
fn every_2xx_is_delivered_until_timer_m() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    let key = bench.send(&invite, Transport::Tcp);
    for tag in ["one", "one", "two"] {
        bench.receive_over(&text_of(&reply(&invite, 200, tag)), flow_from(Transport::Tcp, PEER));
        let Some(Event::Response { message, .. }) = bench.event() else { panic!("{tag}") };
        assert_eq!(message.to().unwrap().tag(), Some(tag));
    }
    assert_eq!(bench.sent_names(), ["INVITE"], "the ACK for a 2xx is not the machine's");
    bench.pass(Duration::from_secs(32));
    assert!(matches!(bench.event(), Some(Event::Ended { key: of }) if of == key));
    assert!(bench.is_empty());
}

#[test]
fn cancel_waits_for_a_provisional_and_repeats_the_invites_headers() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 9, "Route: <sip:p1;lr>\r\n");
    let key = bench.send(&invite, Transport::Udp);
    let _ = bench.sent();
    let reason = [(HeaderName::Reason, "SIP;cause=200".to_owned())];
    assert!(bench.layer.cancel(bench.now, key, &reason, &mut bench.out));
    assert!(!bench.layer.cancel(bench.now, key, &reason, &mut bench.out));
    assert!(bench.sent().is_empty());
    bench.receive(&text_of(&reply(&invite, 100, "")));
    let cancel = bench.sent().remove(0);
    assert_eq!(cancel.method(), Method::Cancel);
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::Route] {
        assert_eq!(cancel.header(name), invite.header(name));
    }
    assert_eq!(cancel.request_uri(), invite.request_uri());
    assert_eq!(cancel.cseq().unwrap().number, 9);
    assert_eq!(cancel.header(HeaderName::Reason), Some("SIP;cause=200"));
    let _ = bench.event();
    bench.receive(&text_of(&reply(&cancel, 200, "x")));
    assert!(bench.event().is_none(), "the answer to the CANCEL is nobody's business");
    bench.receive(&text_of(&reply(&invite, 487, "x")));
    assert_eq!(bench.sent_names(), ["ACK"]);
    assert!(matches!(bench.event(), Some(Event::Response { key: of, .. }) if of == key));
    bench.pass(Duration::from_secs(32));
    assert!(bench.is_empty());
}

#[test]
fn a_cancelled_invite_that_nobody_answers_ends_64_t1_after_the_cancel() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    let key = bench.send(&invite, Transport::Udp);
    bench.receive(&text_of(&reply(&invite, 180, "x")));
    let _ = bench.event();
    bench.pass(Duration::from_secs(100));
    assert!(bench.layer.cancel(bench.now, key, &[], &mut bench.out));
    bench.pass(Duration::from_secs(32));
    assert!(matches!(bench.event(), Some(Event::TimedOut { key: of }) if of == key));
    assert!(bench.event().is_none());
    assert!(bench.is_empty());
}

#[test]
fn a_2xx_that_crosses_the_cancel_is_delivered() {
    let mut bench = Bench::new();
    let invite = request("INVITE", "z9hG4bK1", 1, "");
    let key = bench.send(&invite, Transport::Udp);
    bench.layer.cancel(bench.now, key, &[], &mut bench.out);
    bench.receive(&text_of(&reply(&invite, 200, "x")));
    assert!(matches!(bench.event(), Some(Event::Response { key: of, .. }) if of == key));
    assert_eq!(bench.sent_names(), ["INVITE"], "no CANCEL after a final response");
    assert!(!bench.layer.cancel(bench.now, key, &[], &mut bench.out));
}

#[test]
fn another_request_is_repeated_every_t2_after_a_provisional() {
    let mut bench = Bench::new();
    let bye = request("BYE", "z9hG4bK1", 1, "");
    let key = bench.send(&bye, Transport::Udp);
    bench.receive(&text_of(&reply(&bye, 100, "")));
    bench.pass(Duration::from_secs(10));
    // 0 and 0.5 s, then every 4 s: 4.5 and 8.5 s.
    assert_eq!(bench.sent().len(), 4);
    bench.receive(&text_of(&reply(&bye, 200, "x")));
    bench.receive(&text_of(&reply(&bye, 200, "x")));
    assert_eq!(bench.out.events.len(), 2, "100 and one 200");
    bench.pass(Duration::from_secs(5));
    assert!(bench.is_empty());
    assert!(!bench.layer.is_awaited(key));
}

#[test]
fn a_response_from_another_host_or_without_a_request_is_dropped() {
    let mut bench = Bench::new();
    let bye = request("BYE", "z9hG4bK1", 1, "");
    bench.send(&bye, Transport::Udp);
    let ok = text_of(&reply(&bye, 200, "x"));
    bench.receive_over(&ok, flow_from(Transport::Udp, "198.51.100.1:5060"));
    bench.receive(&text_of(&reply(&request("BYE", "z9hG4bK2", 1, ""), 200, "x")));
    bench.receive(&text_of(&reply(&request("INFO", "z9hG4bK1", 1, ""), 200, "x")));
    assert!(bench.event().is_none());
    let counters = bench.layer.counters();
    assert_eq!((counters.foreign_responses, counters.unmatched_responses), (1, 2));
    bench.receive(&ok);
    assert!(matches!(bench.event(), Some(Event::Response { .. })));
}

#[test]
fn a_request_that_was_not_sent_fails_alone() {
    let mut bench = Bench::new();
    let (first, second) =
        (request("INVITE", "z9hG4bK1", 1, ""), request("INVITE", "z9hG4bK2", 2, ""));
    let kept = bench.send(&first, Transport::Tcp);
    let unsent = bench.send(&second, Transport::Tcp);
    bench.layer.unsent(bench.now, &second, &mut bench.out);
    bench.layer.check();
    assert!(matches!(bench.event(), Some(Event::TransportFailed { key }) if key == unsent));
    assert!(bench.event().is_none());
    assert!(bench.layer.is_awaited(kept));
}

#[test]
fn a_broken_path_ends_what_waits_for_it_and_nothing_else() {
    let mut bench = Bench::new();
    let tcp = bench.send(&request("INVITE", "z9hG4bK1", 1, ""), Transport::Tcp);
    let udp = bench.send(&request("INVITE", "z9hG4bK2", 2, ""), Transport::Udp);
    let options = request("OPTIONS", "z9hG4bK3", 3, "");
    bench.receive_over(&options, flow_from(Transport::Tcp, PEER));
    let owed = bench.new_request();
    let mut elsewhere = flow_from(Transport::Tcp, PEER);
    elsewhere.connection = Some(8);
    bench.layer.transport_failed(bench.now, &elsewhere, &mut bench.out);
    assert!(bench.event().is_none());
    bench.layer.transport_failed(bench.now, &flow_from(Transport::Tcp, PEER), &mut bench.out);
    bench.layer.check();
    assert!(matches!(bench.event(), Some(Event::TransportFailed { key }) if key == tcp));
    assert!(bench.event().is_none());
    assert!(bench.layer.is_awaited(udp));
    assert!(bench.layer.is_owed(owed), "the user still owes its answer");
    assert!(bench.respond(owed, &options, 200));
    assert_eq!(bench.layer.server_count(), 0);
}
