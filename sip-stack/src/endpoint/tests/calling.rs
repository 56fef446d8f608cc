//! Our INVITE.

use super::*;

#[test]
fn an_invite_carries_what_a_dialog_needs() {
    let mut bench = Bench::new();
    let invite = Invite {
        route: vec!["<sip:proxy.example.net;lr>".to_owned()],
        hundred_rel: true,
        ..outbound()
    };
    let (leg, invite) = bench.invite_as(invite);
    let via = invite.header(HeaderName::Via).unwrap();
    assert!(via.starts_with("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"), "{via}");
    assert!(via.ends_with(";rport"));
    assert_eq!(invite.header(HeaderName::MaxForwards), Some("33"));
    assert_eq!(invite.header(HeaderName::Contact), Some("<sip:201@192.0.2.1:5060>"));
    assert_eq!(invite.header(HeaderName::Route), Some("<sip:proxy.example.net;lr>"));
    assert!(invite.header(HeaderName::Supported).unwrap().contains("100rel"));
    assert!(!invite.header(HeaderName::Supported).unwrap().contains("timer"));
    assert_eq!(invite.body(), &sdp(1)[..]);
    let view = bench.endpoint.leg(leg).unwrap();
    assert!(view.is_uac && !view.is_confirmed && view.remote_tag.is_empty());
    assert!(view.local_tag.len() >= 24, "96 random bits");
}

#[test]
fn a_2xx_is_acknowledged_along_the_reversed_record_route_each_time_it_comes() {
    let mut bench = Bench::new();
    let (leg, invite) = bench.invite();
    let routes = "Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nAllow: INVITE, UPDATE\r\n";
    let ok = response(&invite, 200, "callee", routes, Some(&sdp(9)));
    bench.receive(ok.clone());
    let first = bench.sent_one();
    assert_eq!((first.method(), target(&first)), (Method::Ack, "sip:desk@10.0.0.9:5999"));
    let route: Vec<&str> = first.headers(HeaderName::Route).collect();
    assert_eq!(route, ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(number(&first), number(&invite));
    assert_ne!(branch(&first), branch(&invite));
    for _ in 0..3 {
        bench.receive(ok.clone());
        assert_eq!(bench.sent_one().bytes(), first.bytes());
    }
    assert!(matches!(bench.event(), Event::Answered { sdp: Some(_), .. }));
    let view = bench.endpoint.leg(leg).unwrap();
    assert!(view.is_confirmed && view.peer_allows(&Method::Update));
    assert_eq!((view.local_sdp, view.remote_sdp), (Some(&sdp(1)), Some(&sdp(9))));
    assert_eq!(view.remote_tag, "callee");
}

#[test]
fn a_strict_router_gets_the_request_uri_and_the_target_goes_last() {
    let mut bench = Bench::new();
    let (leg, _) = bench.called_as(outbound(), "Record-Route: <sip:p2;lr>, <sip:p1>\r\n");
    bench.release(leg);
    let bye = bench.sent_one();
    assert_eq!(target(&bye), "sip:p1");
    let route: Vec<&str> = bye.headers(HeaderName::Route).collect();
    assert_eq!(route, ["<sip:p2;lr>", "<sip:desk@10.0.0.9:5999>"]);
}

#[test]
fn forks_ring_together_and_the_first_answer_wins() {
    let mut bench = Bench::new();
    let (leg, invite) = bench.invite();
    for tag in ["one", "two"] {
        bench.receive(response(&invite, 183, tag, "", Some(&sdp(2))));
        assert!(matches!(bench.event(), Event::Progress { status: 183, sdp: Some(_), .. }));
    }
    bench.receive(response(&invite, 200, "two", "", Some(&sdp(3))));
    assert!(matches!(bench.event(), Event::Answered { .. }));
    assert_eq!(bench.sent_one().to().unwrap().tag(), Some("two"));
    let late = "Contact: <sip:other@h>\r\n";
    bench.receive(response(&invite, 200, "three", late, Some(&sdp(4))));
    let sent = bench.sent();
    let methods: Vec<Method> = sent.iter().map(Message::method).collect();
    assert_eq!(methods, [Method::Ack, Method::Bye]);
    assert!(sent.iter().all(|one| one.to().unwrap().tag() == Some("three")));
    assert!(sent.iter().all(|one| target(one) == "sip:other@h"));
    assert!(number(&sent[1]) > number(&sent[0]));
    // The call goes on in the dialog that won.
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.leg(leg).unwrap().remote_tag, "two");
    // The other fork repeats its answer: ACK again, no second BYE.
    bench.receive(response(&invite, 200, "three", late, Some(&sdp(4))));
    assert_eq!(bench.sent_one().method(), Method::Ack);
}

#[test]
fn cancel_waits_for_a_provisional() {
    let mut bench = Bench::new();
    let (leg, invite) = bench.invite();
    bench.release(leg);
    assert!(bench.sent().is_empty());
    assert!(bench.endpoint.leg(leg).is_none());
    bench.receive(response(&invite, 180, "callee", "", None));
    let cancel = bench.sent_one();
    assert_eq!(cancel.method(), Method::Cancel);
    assert_eq!(branch(&cancel), branch(&invite));
    bench.receive(response(&cancel, 200, "callee", "", None));
    bench.receive(response(&invite, 487, "callee", "", None));
    assert_eq!(bench.sent_one().method(), Method::Ack);
    assert!(bench.events().is_empty(), "a released leg is silent");
    bench.pass_s(40);
    assert_eq!(bench.endpoint.residue(), 0);
}

#[test]
fn cancel_that_crosses_a_2xx_ends_in_ack_and_bye() {
    let mut bench = Bench::new();
    let (leg, invite) = bench.invite();
    bench.receive(response(&invite, 180, "callee", "", None));
    bench.events();
    let reason = ("Reason".to_owned(), "SIP;cause=200".to_owned());
    let release = Release { reason_headers: vec![reason], ..Release::default() };
    bench.endpoint.release(bench.now, leg, release, &mut bench.out);
    let cancel = bench.sent_one();
    assert_eq!(cancel.header(HeaderName::Reason), Some("SIP;cause=200"));
    bench.receive(response(&invite, 200, "callee", "", Some(&sdp(2))));
    let methods: Vec<Method> = bench.sent().iter().map(Message::method).collect();
    assert_eq!(methods, [Method::Ack, Method::Bye]);
    assert!(bench.events().is_empty());
}

#[test]
fn a_cancelled_invite_that_nobody_answers_is_forgotten() {
    let mut bench = Bench::new();
    let (leg, invite) = bench.invite();
    bench.receive(response(&invite, 180, "callee", "", None));
    bench.release(leg);
    let cancel = bench.sent_last(&Method::Cancel);
    bench.receive(response(&cancel, 200, "callee", "", None));
    bench.pass_s(40);
    assert_eq!(bench.endpoint.residue(), 0);
}

#[test]
fn a_2xx_without_session_is_ended_at_once() {
    let mut bench = Bench::new();
    let (_, invite) = bench.invite();
    bench.receive(response(&invite, 200, "callee", "", None));
    let methods: Vec<Method> = bench.sent().iter().map(Message::method).collect();
    assert_eq!(methods, [Method::Ack, Method::Bye]);
    assert!(matches!(bench.event(), Event::Refused { status: 488, .. }));
}

#[test]
fn the_answer_of_a_provisional_counts_when_the_2xx_has_none() {
    let mut bench = Bench::new();
    let (leg, invite) = bench.invite();
    bench.receive(response(&invite, 183, "callee", "", Some(&sdp(8))));
    bench.receive(response(&invite, 200, "callee", "", None));
    assert_eq!(bench.endpoint.leg(leg).unwrap().remote_sdp, Some(&sdp(8)));
}

#[test]
fn without_an_offer_the_ack_waits_for_our_answer() {
    let mut bench = Bench::new();
    let (leg, invite) = bench.invite_as(Invite { sdp: None, hundred_rel: true, ..outbound() });
    assert!(!invite.header(HeaderName::Supported).unwrap().contains("100rel"));
    let ok = response(&invite, 200, "callee", "", Some(&sdp(2)));
    bench.receive(ok.clone());
    bench.receive(ok.clone());
    assert!(bench.sent().is_empty());
    assert!(matches!(bench.event(), Event::Answered { sdp: Some(_), .. }));
    bench.accept(leg, 3);
    let ack = bench.sent_one();
    assert_eq!((ack.method(), ack.body()), (Method::Ack, &sdp(3)[..]));
    bench.receive(ok);
    assert_eq!(bench.sent_one().body(), &sdp(3)[..]);
    let view = bench.endpoint.leg(leg).unwrap();
    assert_eq!((view.local_sdp, view.remote_sdp), (Some(&sdp(3)), Some(&sdp(2))));
}

#[test]
fn reliable_provisionals_are_acknowledged_once_and_in_order() {
    let mut bench = Bench::new();
    let (_, invite) = bench.invite_as(Invite { hundred_rel: true, ..outbound() });
    let reliable = |rseq: u32, body: Option<&Bytes>| {
        let headers = format!("Require: 100rel\r\nRSeq: {rseq}\r\n");
        response(&invite, 183, "callee", &headers, body)
    };
    bench.receive(reliable(70, Some(&sdp(2))));
    let prack = bench.sent_one();
    assert_eq!(prack.method(), Method::Prack);
    let rack = format!("70 {} INVITE", number(&invite));
    assert_eq!(prack.header(HeaderName::RAck), Some(rack.as_str()));
    assert_eq!(target(&prack), "sip:desk@10.0.0.9:5999");
    assert!(matches!(bench.event(), Event::Progress { .. }));
    // An echo and one that overtook its predecessor are ignored.
    bench.receive(reliable(70, Some(&sdp(2))));
    bench.receive(reliable(72, None));
    assert!(bench.sent().is_empty() && bench.events().is_empty());
    bench.receive(reliable(71, None));
    assert_eq!(bench.sent_one().method(), Method::Prack);
    bench.events();
    // A PRACK that failed is sent again for the next echo.
    bench.receive(response(&prack, 200, "callee", "", None));
    bench.pass_s(33);
    bench.sent();
    bench.receive(reliable(71, None));
    assert_eq!(bench.sent_one().method(), Method::Prack);
    assert!(bench.events().is_empty(), "an echo is no progress");
}

#[test]
fn a_challenge_is_answered_twice_at_most() {
    let mut bench = Bench::new();
    let credentials =
        ClientCredentials { username: "trunk".to_owned(), password: "secret".to_owned() };
    let (_, invite) = bench.invite_as(Invite { credentials: Some(credentials), ..outbound() });
    let challenge =
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";
    bench.receive(response(&invite, 401, "x", challenge, None));
    let again = bench.sent_last(&Method::Invite);
    assert!(number(&again) > number(&invite));
    assert_ne!(branch(&again), branch(&invite));
    assert_eq!(again.call_id(), invite.call_id());
    let authorization = again.header(HeaderName::Authorization).unwrap().to_owned();
    assert!(authorization.contains("username=\"trunk\""));
    // The ACK for the 2xx repeats the credentials.
    bench.receive(response(&again, 200, "callee", "", Some(&sdp(2))));
    let ack = bench.sent_one();
    assert_eq!(ack.header(HeaderName::Authorization), Some(authorization.as_str()));

    let mut bench = Bench::new();
    let credentials =
        ClientCredentials { username: "trunk".to_owned(), password: "wrong".to_owned() };
    let (_, mut invite) = bench.invite_as(Invite { credentials: Some(credentials), ..outbound() });
    let mut invites = 1;
    for _ in 0..5 {
        bench.receive(response(&invite, 401, "x", challenge, None));
        match bench.sent().into_iter().find(|one| one.method() == Method::Invite) {
            Some(again) => (invite, invites) = (again, invites + 1),
            None => break,
        }
    }
    assert!(invites <= 3, "{invites}");
    assert!(matches!(bench.event(), Event::Refused { status: 401, .. }));
}

#[test]
fn the_next_destination_is_tried_on_503_and_on_silence_and_on_a_broken_transport() {
    let next = Flow::udp(flow().local, "198.51.100.8:5060".parse().unwrap());
    let tries = |bench: &mut Bench| {
        let sent = std::mem::take(&mut bench.out.transmits);
        sent.iter().filter(|one| one.flow == next).count()
    };
    for failure in 0..3 {
        let mut bench = Bench::new();
        let (leg, invite) = bench.invite_as(Invite { alternatives: vec![next], ..outbound() });
        match failure {
            0 => bench.receive(response(&invite, 503, "x", "", None)),
            1 => bench.pass_s(32),
            _ => bench.endpoint.transport_failed(bench.now, flow(), &mut bench.out),
        }
        assert!(tries(&mut bench) >= 1, "failure {failure}");
        assert!(bench.events().is_empty());
        assert!(bench.endpoint.leg(leg).is_some());
        // None is left after that.
        bench.pass_s(33);
        match bench.event() {
            Event::Refused { status, reason, .. } => {
                assert_eq!((status, reason), (408, RefusalSource::Timeout));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_callee_that_is_silent_too_long_is_cancelled() {
    let mut bench = Bench::new();
    let (_, invite) = bench.invite();
    bench.receive(response(&invite, 180, "callee", "", None));
    bench.pass_s(150);
    bench.receive(response(&invite, 180, "callee", "", None));
    bench.events();
    bench.sent();
    bench.pass_s(190);
    assert!(bench.sent().is_empty() && bench.events().is_empty(), "each 1xx starts it anew");
    bench.pass_s(11);
    bench.sent_last(&Method::Cancel);
    assert!(matches!(
        bench.event(),
        Event::Refused { status: 408, reason: RefusalSource::Timeout, .. }
    ));
}

#[test]
fn a_refusal_is_reported_once_and_acknowledged() {
    let mut bench = Bench::new();
    let (leg, invite) = bench.invite();
    let busy = response(&invite, 486, "callee", "", None);
    bench.receive(busy.clone());
    assert!(matches!(
        bench.event(),
        Event::Refused { status: 486, reason: RefusalSource::Response, .. }
    ));
    bench.receive(busy);
    assert!(bench.events().is_empty());
    assert!(bench.sent().iter().all(|one| one.method() == Method::Ack));
    assert!(bench.endpoint.leg(leg).is_none());
    assert_eq!(bench.endpoint.leg_count(), 0);
}
