//! The layer as its user sees it, one message at a time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::flow::{Flow, Received, Transport};
use crate::message::{self, HeaderName, Message, Method};
use crate::time::Now;

const PEER: &str = "192.0.2.9:5060";

struct Bench {
    layer: Layer,
    now: Now,
    out: Outbox,
}

fn flow_from(transport: Transport, remote: &str) -> Flow {
    Flow {
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: remote.parse().unwrap(),
        connection: transport.is_reliable().then_some(7),
    }
}

/// A request from the peer; `extra` are further header lines.
fn request(method: &str, branch: &str, cseq: u32, extra: &str) -> Message {
    let cseq_method = if method == "ACK" { "ACK" } else { method };
    text(&format!(
        "{method} sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch={branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\n\
         Call-ID: call-1\r\nCSeq: {cseq} {cseq_method}\r\n{extra}Content-Length: 0\r\n\r\n"
    ))
}

fn text(text: &str) -> Message {
    Message::parse(Bytes::from(text.to_owned())).unwrap()
}

fn reply(request: &Message, status: u16, tag: &str) -> Bytes {
    message::response_to(request, status, "Reason", Some(tag)).finish(None, b"")
}

impl Bench {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let layer = Layer::new(Timers::default(), limits);
        Self { layer, now: Now::ZERO, out: Outbox::default() }
    }

    fn receive(&mut self, message: &Message) {
        self.receive_over(message, flow_from(Transport::Udp, PEER));
    }

    fn receive_over(&mut self, message: &Message, flow: Flow) {
        let received = Received { message: message.clone(), flow };
        self.layer.receive(self.now, received, &mut self.out);
        self.layer.check();
    }

    fn respond(&mut self, key: ServerKey, request: &Message, status: u16) -> bool {
        let bytes = reply(request, status, "local");
        let was_sent = self.layer.respond(self.now, key, status, &bytes, &mut self.out);
        self.layer.check();
        was_sent
    }

    fn send(&mut self, request: &Message, transport: Transport) -> ClientKey {
        let outgoing = Outgoing {
            bytes: request.bytes().clone(),
            method: request.method(),
            branch: request.via().unwrap().branch.unwrap().to_owned(),
            flow: flow_from(transport, PEER),
        };
        let key = self.layer.request(self.now, outgoing, &mut self.out).unwrap();
        self.layer.check();
        key
    }

    /// Lets the time pass, stopping at each deadline.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.layer.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.layer.expire(self.now, &mut self.out);
            self.layer.check();
        }
        self.now = end;
    }

    fn sent(&mut self) -> Vec<Message> {
        let sent = std::mem::take(&mut self.out.transmits);
        sent.into_iter().map(|transmit| Message::parse(transmit.bytes).unwrap()).collect()
    }

    /// What was sent, as methods and status codes.
    fn sent_names(&mut self) -> Vec<String> {
        let name = |message: &Message| match message.status() {
            Some(status) => status.to_string(),
            None => message.method().to_string(),
        };
        self.sent().iter().map(name).collect()
    }

    fn event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    fn new_request(&mut self) -> ServerKey {
        match self.event() {
            Some(Event::Request { key, .. }) => key,
            other => panic!("{other:?}"),
        }
    }

    fn is_empty(&self) -> bool {
        self.layer.client_count() + self.layer.server_count() + self.layer.timer_count() == 0
    }
}

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

/// Pieces from which messages are made that fit, half fit and do not fit what went before.
fn any_message() -> impl Strategy<Value = String> {
    let methods = prop_oneof![
        Just("INVITE"),
        Just("ACK"),
        Just("CANCEL"),
        Just("BYE"),
        Just("OPTIONS"),
        Just("FOO")
    ];
    let branches = prop_oneof![
        Just(";branch=z9hG4bK1"),
        Just(";branch=z9hG4bK2;rport"),
        Just(";branch=z9hG4bK"),
        Just(";branch=1"),
        Just(""),
        Just(";received=::1;branch=z9hG4bK1;branch=z9hG4bK2")
    ];
    let hosts = prop_oneof![
        Just("192.0.2.9:5060"),
        Just("[2001:db8::1]"),
        Just("h"),
        Just(""),
        Just("192.0.2.9:99999")
    ];
    let tags = prop_oneof![Just(""), Just(";tag=1"), Just(";tag=")];
    let cseqs = prop_oneof![Just("1"), Just("2"), Just("4294967296"), Just("")];
    let starts = prop_oneof![Just(0u16), Just(100), Just(180), Just(200), Just(487), Just(699)];
    let junk = prop_oneof![Just(""), Just("Via: x\r\n"), Just("X: \u{e4},;\"\r\n")];
    (methods, branches, hosts, (tags.clone(), tags), cseqs, starts, junk).prop_map(
        |(method, branch, host, (from, to), cseq, status, junk)| {
            let start = match status {
                0 => format!("{method} sip:b@example.com SIP/2.0"),
                status => format!("SIP/2.0 {status} Reason"),
            };
            format!(
                "{start}\r\nVia: SIP/2.0/UDP {host}{branch}\r\n{junk}From: <sip:a@h>{from}\r\n\
                 To: <sip:b@h>{to}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\n\r\n"
            )
        },
    )
}

proptest! {
    #[test]
    fn never_panics_and_always_empties(
        script in proptest::collection::vec((any_message(), 0u8..8, any::<u16>()), 0..40),
    ) {
        let mut bench = Bench::new();
        bench.send(&request("INVITE", "z9hG4bK1", 1, ""), Transport::Udp);
        let mut owed: Vec<(ServerKey, Message)> = Vec::new();
        let mut clients = Vec::new();
        for (text, action, number) in script {
            if let Ok(message) = Message::parse(Bytes::from(text)) {
                bench.receive(&message);
                while let Some(event) = bench.event() {
                    match event {
                        Event::Request { key, message, .. } => owed.push((key, message)),
                        Event::Response { key, .. } => clients.push(key),
                        _ => {}
                    }
                }
            }
            match action {
                0 | 1 => {
                    if let Some((key, message)) = owed.first().cloned() {
                        bench.respond(key, &message, 100 + number % 600);
                    }
                }
                2 => bench.pass(Duration::from_millis(number.into())),
                3 => {
                    let flow = flow_from(Transport::Udp, PEER);
                    bench.layer.transport_failed(bench.now, &flow, &mut bench.out);
                    bench.layer.check();
                }
                4 => {
                    for key in clients.drain(..) {
                        bench.layer.cancel(bench.now, key, &[], &mut bench.out);
                    }
                }
                _ => {}
            }
        }
        for (key, message) in owed {
            bench.respond(key, &message, 500);
        }
        for key in clients {
            bench.layer.cancel(bench.now, key, &[], &mut bench.out);
        }
        bench.pass(Duration::from_secs(200));
        prop_assert_eq!(bench.layer.server_count(), 0);
        // An INVITE of ours may ring for ever if its key was never seen; everything else is gone.
        prop_assert!(bench.layer.client_count() <= 1);
    }
}
