//! What is refused at the door, requests outside of dialogs, limits.

use super::*;

#[test]
fn unknown_extensions_methods_and_dialogs_are_refused() {
    let mut bench = Bench::new();
    bench.receive(request("INVITE", 1, "", "Require: join, foo\r\n", Some(&sdp(1))));
    let refusal = bench.sent_one();
    assert_eq!(refusal.status(), Some(420));
    assert!(refusal.header(HeaderName::Unsupported).unwrap().contains("foo"));
    bench.receive(request("FOO", 2, "", "", None));
    let refusal = bench.sent_one();
    assert_eq!(refusal.status(), Some(501));
    assert!(refusal.header(HeaderName::Allow).unwrap().contains("UPDATE"));
    for (cseq, method) in (3..).zip(["BYE", "INFO", "OPTIONS", "INVITE", "NOTIFY"]) {
        bench.receive(request(method, cseq, "stranger", "", None));
        assert_eq!(bench.statuses(), [481], "{method}");
    }
    for (cseq, method) in (20..).zip(["BYE", "PRACK", "UPDATE", "INFO"]) {
        bench.receive(request(method, cseq, "", "", None));
        assert_eq!(bench.statuses(), [481], "{method} outside");
    }
    bench.receive(request("ACK", 40, "stranger", "", None));
    assert!(bench.sent().is_empty(), "an ACK for nothing is dropped");
    assert!(bench.events().is_empty());
    let mut bench = Bench::new();
    let (_, tag) = bench.answered("");
    bench.receive(request("PUBLISH", 50, &tag, "", None));
    let refusal = bench.sent_one();
    assert_eq!(refusal.status(), Some(405));
    assert!(refusal.header(HeaderName::Allow).is_some());
}

#[test]
fn wrong_tags_or_call_id_find_no_dialog() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    let bye = request("BYE", 2, &tag, "", None);
    bench.receive(bye.replace("tag=caller", "tag=other"));
    assert_eq!(bench.statuses(), [481]);
    bench.receive(bye.replace("inbound-call", "other-call").replace("BYE2", "BYE3"));
    assert_eq!(bench.statuses(), [481]);
    assert!(bench.endpoint.leg(leg).is_some());
    assert!(bench.endpoint.find_leg("inbound-call", &tag, "caller").is_some());
    assert!(bench.endpoint.find_leg("inbound-call", "caller", &tag).is_none());
}

#[test]
fn a_request_is_answered_once_and_its_echo_from_memory() {
    let mut bench = Bench::new();
    let options = request("OPTIONS", 1, "", "", None);
    bench.receive(options.clone());
    let Event::Request { id, .. } = bench.event() else { panic!("a request") };
    let body = ("text/plain".to_owned(), Bytes::from_static(b"hello"));
    bench.endpoint.respond(bench.now, id, &Reply::new(200), Some(&body), &mut bench.out);
    let ok = bench.sent_one();
    assert_eq!(ok.body(), b"hello");
    assert!(ok.to().unwrap().tag().is_some());
    assert!(ok.header(HeaderName::Allow).is_some() && ok.header(HeaderName::Supported).is_some());
    let via = ok.header(HeaderName::Via).unwrap();
    assert!(via.contains("received=198.51.100.7") && via.contains("rport=5070"), "{via}");
    bench.receive(options);
    assert_eq!(bench.sent_one().bytes(), ok.bytes());
    assert!(bench.events().is_empty());
}

#[test]
fn a_challenge_leaves_nothing() {
    let mut bench = Bench::new();
    let challenge = Reply::new(401).header("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\"");
    bench.receive(request("REGISTER", 1, "", "", None));
    let Event::Request { id, .. } = bench.event() else { panic!("a request") };
    bench.endpoint.respond(bench.now, id, &challenge, None, &mut bench.out);
    assert_eq!(bench.statuses(), [401]);
    let leg = bench.offered("", Some(&sdp(1)));
    bench.endpoint.reject(bench.now, leg, &challenge, &mut bench.out);
    let refusal = bench.sent_one();
    assert_eq!(refusal.status(), Some(401));
    assert_eq!(bench.endpoint.residue(), 0);
    let tag = refusal.to().unwrap().tag().unwrap().to_owned();
    bench.receive(request("ACK", 1, &tag, "", None));
    assert!(bench.sent().is_empty() && bench.events().is_empty());
    assert_eq!(bench.endpoint.residue(), 0);
}

#[test]
fn a_request_that_the_switch_forgets_leaves_nothing() {
    let mut bench = Bench::new();
    bench.receive(request("MESSAGE", 1, "", "", None));
    bench.events();
    bench.pass_s(70);
    assert_eq!(bench.endpoint.residue(), 0);
}

#[test]
fn at_the_ceilings_503_says_when_to_come_again() {
    let limits = Limits { legs: 1, subscriptions: 1, requests: 1, transactions: 100 };
    let mut bench = Bench::with(EndpointConfig { limits, ..EndpointConfig::default() });
    bench.offered("", Some(&sdp(1)));
    bench.receive(request("INVITE", 2, "", "", Some(&sdp(1))).replace("inbound-call", "second"));
    let refusal = bench.sent_one();
    assert_eq!(refusal.status(), Some(503));
    assert!(refusal.header(HeaderName::RetryAfter).is_some());
    assert!(bench.endpoint.invite(bench.now, outbound(), &mut bench.out).is_err());
    bench.receive(request("OPTIONS", 3, "", "", None));
    bench.events();
    bench.receive(request("OPTIONS", 4, "", "", None));
    assert_eq!(bench.statuses(), [503]);
    bench.endpoint.check();
}

#[test]
fn a_full_transaction_table_fails_requests_softly() {
    let limits = Limits { transactions: 1, ..Limits::default() };
    let mut bench = Bench::with(EndpointConfig { limits, ..EndpointConfig::default() });
    let (leg, invite) = bench.called();
    assert!(bench.endpoint.invite(bench.now, outbound(), &mut bench.out).is_err());
    let request =
        InDialogRequest { method: Method::Info, headers: Vec::new(), body: None, token: 3 };
    bench.endpoint.request_in_dialog(bench.now, leg, request, &mut bench.out);
    assert!(matches!(bench.event(), Event::Response { token: 3, status: 503, .. }));
    assert!(bench.offer(leg, 2));
    assert!(matches!(bench.event(), Event::OfferRefused { status: 503, .. }));
    bench.receive(back(&invite, "BYE", 1, "", None));
    bench.pass_s(70);
    assert_eq!(bench.endpoint.residue(), 0);
}

fn outside(credentials: Option<ClientCredentials>) -> OutOfDialog {
    OutOfDialog {
        method: Method::Options,
        request_uri: "sip:trunk.example.net".to_owned(),
        from: "<sip:us@example.com>".to_owned(),
        to: "<sip:trunk.example.net>".to_owned(),
        contact: None,
        call_id: Some("kept".to_owned()),
        cseq: Some(7),
        destination: flow(),
        route: Vec::new(),
        headers: Vec::new(),
        body: None,
        credentials,
    }
}

#[test]
fn a_request_of_ours_has_one_outcome() {
    let mut bench = Bench::new();
    bench.endpoint.request(bench.now, outside(None), 11, &mut bench.out);
    let sent = bench.sent_one();
    assert_eq!((sent.call_id(), number(&sent)), ("kept", 7));
    bench.receive(response(&sent, 200, "x", "", None));
    assert!(matches!(bench.event(), Event::Response { token: 11, status: 200, message: Some(_) }));
    bench.endpoint.request(bench.now, outside(None), 12, &mut bench.out);
    bench.pass_s(33);
    assert!(matches!(bench.event(), Event::Response { token: 12, status: 408, message: None }));
    bench.endpoint.request(bench.now, outside(None), 13, &mut bench.out);
    bench.endpoint.transport_failed(bench.now, flow(), &mut bench.out);
    assert!(matches!(bench.event(), Event::Response { token: 13, status: 503, message: None }));
}

#[test]
fn a_challenged_request_is_sent_again_with_credentials() {
    let mut bench = Bench::new();
    let credentials = ClientCredentials { username: "u".to_owned(), password: "p".to_owned() };
    bench.endpoint.request(bench.now, outside(Some(credentials)), 11, &mut bench.out);
    let sent = bench.sent_one();
    let challenge = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
    bench.receive(response(&sent, 407, "x", challenge, None));
    let again = bench.sent_one();
    assert_eq!((again.call_id(), number(&again)), ("kept", 8));
    assert!(again.header(HeaderName::ProxyAuthorization).is_some());
    bench.receive(response(&again, 407, "x", challenge, None));
    assert!(matches!(bench.event(), Event::Response { token: 11, status: 407, .. }));
}

#[test]
fn a_subscription_is_a_dialog_without_call() {
    let mut bench = Bench::new();
    bench.receive(request("SUBSCRIBE", 1, "", "Event: dialog\r\nExpires: 600\r\n", None));
    let Event::Request { id, .. } = bench.event() else { panic!("a request") };
    let reply = Reply::new(200).header("Expires", "600");
    let leg = bench
        .endpoint
        .accept_subscription(bench.now, id, &reply, "sip:us@192.0.2.1", &mut bench.out)
        .unwrap();
    let ok = bench.sent_one();
    assert_eq!(ok.header(HeaderName::Expires), Some("600"));
    assert_eq!(ok.header(HeaderName::Contact), Some("<sip:us@192.0.2.1>"));
    let tag = ok.to().unwrap().tag().unwrap().to_owned();
    let notify = InDialogRequest {
        method: Method::Notify,
        headers: vec![("Event".to_owned(), "dialog".to_owned())],
        body: None,
        token: 1,
    };
    bench.endpoint.request_in_dialog(bench.now, leg, notify, &mut bench.out);
    let notify = bench.sent_one();
    assert_eq!(target(&notify), "sip:desk@10.0.0.9:5999");
    assert_eq!(notify.to().unwrap().tag(), Some("caller"));
    assert_eq!(notify.from().unwrap().tag(), Some(tag.as_str()));
    bench.receive(response(&notify, 200, "", "", None));
    bench.events();
    bench.receive(request("SUBSCRIBE", 2, &tag, "Event: dialog\r\nExpires: 0\r\n", None));
    assert!(matches!(bench.event(), Event::InDialog { .. }));
    bench.receive(request("BYE", 3, &tag, "", None));
    assert_eq!(bench.statuses(), [481]);
    bench.release(leg);
    assert!(bench.sent().is_empty());
    assert_eq!(bench.endpoint.leg_count(), 0);
}
