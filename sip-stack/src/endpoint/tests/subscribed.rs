//! Subscriptions on either side: how the dialog is made, refreshed and lost.

use super::*;

fn subscribe(bench: &mut Bench) -> (LegId, Message) {
    let subscribe = Subscribe {
        request_uri: "sip:201@x.test".to_owned(),
        from: "<sip:203@x.test>".to_owned(),
        to: "<sip:201@x.test>".to_owned(),
        contact: "sip:203@192.0.2.1".to_owned(),
        destination: flow(),
        headers: vec![("Event".to_owned(), "dialog".to_owned())],
        credentials: None,
        token: 9,
    };
    let leg = bench.endpoint.subscribe(bench.now, subscribe, &mut bench.out).unwrap();
    bench.endpoint.check();
    (leg, bench.sent_one())
}

fn notify(subscribe: &Message, cseq: u32) -> String {
    let from = subscribe.header(HeaderName::From).unwrap();
    format!(
        "NOTIFY sip:203@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {PEER};branch=z9hG4bKn{cseq}\r\n\
         From: <sip:201@x.test>;tag=them\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: {cseq} NOTIFY\r\n\
         Contact: <sip:201@{PEER}>\r\nMax-Forwards: 70\r\nEvent: dialog\r\n\
         Subscription-State: active;expires=60\r\nContent-Length: 0\r\n\r\n",
        subscribe.call_id()
    )
}

#[test]
fn a_notify_that_overtakes_the_200_belongs_to_the_subscription() {
    let mut bench = Bench::new();
    let (leg, sent) = subscribe(&mut bench);
    bench.receive(notify(&sent, 1));
    assert!(matches!(bench.event(), Event::InDialog { leg: known, .. } if known == leg));
    let ok = response(&sent, 200, "them", "Contact: <sip:201@198.51.100.7:5099>\r\n", None);
    bench.receive(ok);
    assert!(matches!(bench.event(), Event::Response { token: 9, status: 200, .. }));
    let view = bench.endpoint.leg(leg).unwrap();
    assert_eq!((view.remote_tag, view.remote_target), ("them", "sip:201@198.51.100.7:5099"));
}

#[test]
fn the_200_makes_the_dialog_and_a_refresh_goes_inside_it() {
    let mut bench = Bench::new();
    let (leg, sent) = subscribe(&mut bench);
    bench.receive(response(&sent, 200, "them", "Contact: <sip:201@198.51.100.7:5099>\r\n", None));
    bench.events();
    let request = InDialogRequest {
        method: Method::Subscribe,
        headers: vec![("Expires".to_owned(), "0".to_owned())],
        body: None,
        token: 10,
    };
    bench.endpoint.request_in_dialog(bench.now, leg, request, &mut bench.out);
    let refresh = bench.sent_one();
    assert_eq!(refresh.request_uri(), Some("sip:201@198.51.100.7:5099"));
    assert!(refresh.header(HeaderName::To).unwrap().ends_with(";tag=them"));
    assert_eq!(refresh.call_id(), sent.call_id());
    bench.receive(notify(&sent, 1).replace("tag=them", "tag=stranger"));
    assert_eq!(bench.statuses(), [481]);
    bench.endpoint.release(bench.now, leg, Release::default(), &mut bench.out);
    assert_eq!(bench.endpoint.subscription_count(), 0);
}

#[test]
fn subscriptions_have_a_ceiling_of_their_own_and_take_no_leg_of_a_call() {
    let limits = Limits { legs: 1, subscriptions: 1, ..Limits::default() };
    let mut bench = Bench::with(EndpointConfig { limits, ..EndpointConfig::default() });
    subscribe(&mut bench);
    assert_eq!((bench.endpoint.leg_count(), bench.endpoint.subscription_count()), (0, 1));
    let (_, _) = bench.invite();
    let again = Subscribe {
        request_uri: "sip:202@x.test".to_owned(),
        from: "<sip:203@x.test>".to_owned(),
        to: "<sip:202@x.test>".to_owned(),
        contact: "sip:203@192.0.2.1".to_owned(),
        destination: flow(),
        headers: Vec::new(),
        credentials: None,
        token: 11,
    };
    assert_eq!(bench.endpoint.subscribe(bench.now, again, &mut bench.out), Err(Full));
}
