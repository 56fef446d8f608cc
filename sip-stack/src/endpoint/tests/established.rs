//! Requests inside a dialog that is up.

use super::*;

#[test]
fn a_reinvite_changes_target_and_session() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    let contact = "Contact: <sip:moved@10.0.0.10>\r\n";
    bench.receive(request("INVITE", 2, &tag, contact, Some(&sdp(2))));
    assert!(matches!(bench.event(), Event::Offer { via: OfferVia::ReInvite, .. }));
    bench.accept(leg, 6);
    let ok = bench.sent_one();
    assert_eq!((ok.status(), ok.body()), (Some(200), &sdp(6)[..]));
    bench.pass_s(1);
    assert_eq!(bench.statuses(), [200], "its 2xx is repeated, too");
    bench.receive(request("ACK", 2, &tag, "", None));
    bench.pass_s(5);
    assert!(bench.sent().is_empty() && bench.events().is_empty());
    let view = bench.endpoint.leg(leg).unwrap();
    assert_eq!(view.remote_target, "sip:moved@10.0.0.10");
    assert_eq!((view.local_sdp, view.remote_sdp), (Some(&sdp(6)), Some(&sdp(2))));
}

#[test]
fn a_reinvite_with_an_unknown_body_is_refused() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    let invite = request("INVITE", 2, &tag, "", Some(&sdp(2)));
    bench.receive(invite.replace("application/sdp", "text/html"));
    let refusal = bench.sent_one();
    assert_eq!(refusal.status(), Some(415));
    assert_eq!(refusal.header(HeaderName::Accept), Some("application/sdp"));
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.leg(leg).unwrap().remote_sdp, Some(&sdp(1)));
}

fn asserted(name: &str) -> Vec<(String, String)> {
    vec![("P-Asserted-Identity".to_owned(), format!("<sip:{name}@h>"))]
}

impl Bench {
    fn identify(&mut self, leg: LegId, name: &str) {
        self.endpoint.identify(self.now, leg, asserted(name), &mut self.out);
    }
}

#[test]
fn who_is_at_our_end_is_told_once_by_an_update_without_session() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("Allow: INVITE, UPDATE\r\n");
    bench.identify(leg, "ben");
    let update = bench.sent_last(&Method::Update);
    assert!(update.body().is_empty());
    assert_eq!(update.header(HeaderName::PAssertedIdentity), Some("<sip:ben@h>"));
    // RFC 3311 §5.2: an UPDATE without offer is in nobody's way.
    bench.receive(request("INVITE", 2, &tag, "", Some(&sdp(2))));
    assert!(matches!(bench.event(), Event::Offer { via: OfferVia::ReInvite, .. }));
    bench.accept(leg, 6);
    assert_eq!(bench.sent_one().status(), Some(200));
    bench.receive(request("ACK", 2, &tag, "", None));
    // Twice changed and back before the answer: nothing is to be said.
    bench.identify(leg, "cleo");
    bench.identify(leg, "ben");
    bench.receive(response(&update, 200, "", "", None));
    assert!(bench.sent().is_empty() && bench.events().is_empty());
    bench.identify(leg, "cleo");
    let update = bench.sent_last(&Method::Update);
    assert_eq!(update.header(HeaderName::PAssertedIdentity), Some("<sip:cleo@h>"));
}

#[test]
fn a_peer_without_update_learns_with_the_next_offer_who_is_at_our_end() {
    let mut bench = Bench::new();
    let (leg, _) = bench.answered("Allow: INVITE, ACK, BYE\r\n");
    bench.identify(leg, "ben");
    assert!(bench.sent().is_empty());
    assert!(bench.offer(leg, 6));
    let invite = bench.sent_last(&Method::Invite);
    assert_eq!(invite.header(HeaderName::PAssertedIdentity), Some("<sip:ben@h>"));
}

#[test]
fn info_and_bye_are_no_target_refreshes() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    bench.receive(request("INFO", 2, &tag, "Contact: <sip:liar@h>\r\n", None));
    assert!(matches!(bench.event(), Event::InDialog { .. }));
    assert_eq!(bench.endpoint.leg(leg).unwrap().remote_target, "sip:desk@10.0.0.9:5999");
}

#[test]
fn a_reinvite_with_the_same_session_is_answered_inside() {
    let mut bench = Bench::new();
    let (_, tag) = bench.answered("");
    bench.receive(request("INVITE", 2, &tag, "", Some(&sdp(1))));
    let ok = bench.sent_one();
    assert_eq!((ok.status(), ok.body()), (Some(200), &sdp(5)[..]));
    assert!(bench.events().is_empty());
}

#[test]
fn a_reinvite_without_session_is_offered_ours_and_answered_in_the_ack() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    bench.receive(request("INVITE", 2, &tag, "", None));
    assert!(matches!(bench.event(), Event::Offer { sdp: None, .. }));
    bench.accept(leg, 6);
    bench.sent();
    bench.receive(request("ACK", 2, &tag, "", Some(&sdp(7))));
    assert!(matches!(bench.event(), Event::OfferAnswered { sdp: Some(_), .. }));
    let view = bench.endpoint.leg(leg).unwrap();
    assert_eq!((view.local_sdp, view.remote_sdp), (Some(&sdp(6)), Some(&sdp(7))));
}

#[test]
fn a_refused_offer_leaves_the_session_as_it_was() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    bench.receive(request("INVITE", 2, &tag, "", Some(&sdp(2))));
    bench.events();
    bench.endpoint.refuse_offer(bench.now, leg, &Reply::new(488), &mut bench.out);
    assert_eq!(bench.statuses(), [488]);
    let view = bench.endpoint.leg(leg).unwrap();
    assert_eq!((view.local_sdp, view.remote_sdp), (Some(&sdp(5)), Some(&sdp(1))));
}

#[test]
fn a_second_invite_before_the_first_is_answered_has_to_come_again_later() {
    let mut bench = Bench::new();
    let (_, tag) = bench.answered("");
    bench.receive(request("INVITE", 2, &tag, "", Some(&sdp(2))));
    bench.receive(request("INVITE", 3, &tag, "", Some(&sdp(3))));
    let later = bench.sent_one();
    assert_eq!(later.status(), Some(500));
    let seconds: u32 = later.header(HeaderName::RetryAfter).unwrap().parse().unwrap();
    assert!(seconds <= 10);
}

#[test]
fn glare_is_refused_with_491_and_waited_out_by_the_owner_of_the_call_id() {
    for is_owner in [true, false] {
        let mut bench = Bench::new();
        let (leg, back): (LegId, Box<dyn Fn(u32) -> String>) = if is_owner {
            let (leg, invite) = bench.called();
            (leg, Box::new(move |cseq| back(&invite, "INVITE", cseq, "", Some(&sdp(7)))))
        } else {
            let (leg, tag) = bench.answered("");
            (leg, Box::new(move |cseq| request("INVITE", cseq, &tag, "", Some(&sdp(7)))))
        };
        assert!(bench.offer(leg, 6));
        let ours = bench.sent_one();
        bench.receive(back(50));
        assert!(bench.statuses().contains(&491));
        bench.receive(response(&ours, 491, "", "", None));
        let start = bench.now;
        let again = loop {
            bench.pass(Duration::from_millis(10));
            let sent = bench.sent();
            if let Some(again) =
                sent.into_iter().find(|one| one.method() == Method::Invite && one.is_request())
            {
                break again;
            }
            assert!((bench.now - start).as_secs() < 5, "it comes back");
        };
        let waited = (bench.now - start).as_millis();
        let window = if is_owner { 2_100..=4_020 } else { 0..=2_020 };
        assert!(window.contains(&waited), "{waited}");
        assert!(number(&again) > number(&ours));
        bench.receive(response(&again, 200, "", "", Some(&sdp(8))));
        assert!(matches!(bench.event(), Event::OfferAnswered { .. }));
    }
}

#[test]
fn the_peers_offer_is_taken_while_ours_waits_after_glare() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    bench.offer(leg, 6);
    let ours = bench.sent_one();
    bench.receive(response(&ours, 491, "", "", None));
    bench.receive(request("INVITE", 2, &tag, "", Some(&sdp(7))));
    assert!(matches!(bench.event(), Event::Offer { .. }));
    // The switch thinks again: its new offer replaces the waiting one.
    bench.accept(leg, 8);
    assert!(bench.offer(leg, 9));
    bench.receive(request("ACK", 2, &tag, "", None));
    bench.sent();
    bench.pass_s(5);
    let again = bench.sent_last(&Method::Invite);
    assert_eq!(again.body(), &sdp(9)[..]);
}

#[test]
fn an_offer_waits_for_the_ack_and_only_one_is_in_flight() {
    let mut bench = Bench::new();
    let leg = bench.offered("", Some(&sdp(1)));
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    let tag = bench.tag(leg);
    bench.sent();
    assert!(bench.offer(leg, 3));
    assert!(bench.offer(leg, 4));
    assert!(bench.sent().is_empty());
    bench.receive(request("ACK", 1, &tag, "", None));
    assert_eq!(bench.sent_last(&Method::Invite).body(), &sdp(4)[..]);
    assert!(!bench.offer(leg, 5), "one is in flight");
}

#[test]
fn a_refused_offer_of_ours_keeps_the_call_and_481_or_408_ends_it() {
    for (status, ends) in [(488, false), (603, false), (481, true), (408, true)] {
        let mut bench = Bench::new();
        let (leg, _) = bench.called();
        bench.offer(leg, 6);
        let ours = bench.sent_one();
        bench.receive(response(&ours, status, "", "", None));
        match bench.event() {
            Event::OfferRefused { status: said, .. } => assert!(!ends && said == status),
            Event::Ended { cause: EndCause::Gone(said), .. } => assert!(ends && said == status),
            other => panic!("{other:?}"),
        }
        let has_bye = bench.sent().iter().any(|one| one.method() == Method::Bye);
        assert_eq!(has_bye, ends, "{status}");
        assert_eq!(bench.endpoint.leg(leg).is_some(), !ends);
        if !ends {
            assert_eq!(bench.endpoint.leg(leg).unwrap().local_sdp, Some(&sdp(1)));
        }
    }
}

#[test]
fn silence_to_a_reinvite_ends_the_call() {
    let mut bench = Bench::new();
    let (leg, _) = bench.called();
    bench.offer(leg, 6);
    bench.pass_s(33);
    assert!(matches!(bench.event(), Event::Ended { cause: EndCause::Gone(408), .. }));
    bench.pass_s(100);
    assert_eq!(bench.endpoint.residue(), 0);
}

#[test]
fn an_update_meets_an_open_offer() {
    // Ours: 491.
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    bench.offer(leg, 6);
    bench.sent();
    bench.receive(request("UPDATE", 2, &tag, "", Some(&sdp(2))));
    assert_eq!(bench.statuses(), [491]);
    // Theirs: 500 with Retry-After.
    let mut bench = Bench::new();
    let (_, tag) = bench.answered("");
    bench.receive(request("INVITE", 2, &tag, "", Some(&sdp(2))));
    bench.receive(request("UPDATE", 3, &tag, "", Some(&sdp(3))));
    let later = bench.sent_one();
    assert_eq!(later.status(), Some(500));
    assert!(later.header(HeaderName::RetryAfter).is_some());
}

#[test]
fn an_early_update_waits_for_the_answer_of_the_invite() {
    let mut bench = Bench::new();
    let leg = bench.offered("", Some(&sdp(1)));
    let tag = bench.tag(leg);
    bench.progress(leg, 183, Some(sdp(2)));
    bench.sent();
    bench.receive(request("UPDATE", 2, &tag, "", Some(&sdp(3))));
    assert_eq!(bench.statuses(), [500]);
    let mut bench = Bench::new();
    let (_, invite) = bench.invite();
    bench.receive(response(&invite, 183, "callee", "", Some(&sdp(2))));
    bench.receive(back(&invite, "UPDATE", 1, "", Some(&sdp(3))));
    assert_eq!(bench.statuses(), [491]);
}

#[test]
fn an_update_with_an_offer_is_asked_and_one_without_is_answered() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    bench.receive(request("UPDATE", 2, &tag, "", None));
    let ok = bench.sent_one();
    assert_eq!((ok.status(), ok.body().len()), (Some(200), 0));
    assert!(bench.events().is_empty());
    bench.receive(request("UPDATE", 3, &tag, "", Some(&sdp(2))));
    assert!(matches!(bench.event(), Event::Offer { via: OfferVia::Update, .. }));
    bench.accept(leg, 6);
    let ok = bench.sent_one();
    assert_eq!((ok.status(), ok.body()), (Some(200), &sdp(6)[..]));
    bench.pass_s(5);
    assert!(bench.sent().is_empty(), "no ACK is awaited");
}

#[test]
fn a_reinvite_proves_that_the_200_arrived_though_its_ack_was_lost() {
    let mut bench = Bench::new();
    let leg = bench.offered("", Some(&sdp(1)));
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    let tag = bench.tag(leg);
    bench.sent();
    bench.receive(request("INVITE", 2, &tag, "", Some(&sdp(3))));
    let events = bench.events();
    assert!(matches!(events[0], Event::Confirmed { .. }));
    assert!(matches!(events[1], Event::Offer { .. }));
    bench.pass_s(10);
    assert!(!bench.statuses().contains(&200));
}

#[test]
fn with_our_offer_unanswered_a_reinvite_gets_491() {
    let mut bench = Bench::new();
    let leg = bench.offered("", None);
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    let tag = bench.tag(leg);
    bench.sent();
    bench.receive(request("INVITE", 2, &tag, "", Some(&sdp(3))));
    assert_eq!(bench.statuses(), [491]);
}

#[test]
fn a_cancelled_reinvite_takes_its_offer_back() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    let invite = request("INVITE", 2, &tag, "", Some(&sdp(2)));
    bench.receive(invite.clone());
    bench.events();
    let branch_of =
        |text: &str| text.split("branch=").nth(1).unwrap().split('\r').next().unwrap().to_owned();
    let cancel = request("CANCEL", 2, &tag, "", None);
    bench.receive(cancel.replace(&branch_of(&cancel), &branch_of(&invite)));
    assert_eq!(bench.statuses(), [200, 487]);
    assert!(matches!(bench.event(), Event::OfferWithdrawn { .. }));
    bench.accept(leg, 6);
    assert!(bench.sent().is_empty());
    assert!(bench.endpoint.leg(leg).is_some());
}

#[test]
fn byes_that_cross_are_both_answered() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    bench.release(leg);
    assert_eq!(bench.sent_one().method(), Method::Bye);
    bench.receive(request("BYE", 2, &tag, "", None));
    assert_eq!(bench.statuses(), [200]);
    assert!(bench.events().is_empty());
}

#[test]
fn a_bye_ends_a_pending_reinvite_of_either_side() {
    let mut bench = Bench::new();
    let (_, tag) = bench.answered("");
    bench.receive(request("INVITE", 2, &tag, "", Some(&sdp(2))));
    bench.events();
    bench.receive(request("BYE", 3, &tag, "", None));
    let mut statuses = bench.statuses();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 487]);
    assert!(matches!(bench.event(), Event::Ended { .. }));

    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    bench.offer(leg, 6);
    let ours = bench.sent_one();
    bench.receive(request("BYE", 2, &tag, "", None));
    assert!(matches!(bench.event(), Event::Ended { .. }));
    // A 2xx that crossed still gets its ACK.
    bench.receive(response(&ours, 200, "", "", Some(&sdp(7))));
    assert_eq!(bench.sent().last().unwrap().method(), Method::Ack);
    bench.pass_s(70);
    assert_eq!(bench.endpoint.residue(), 0);
}

#[test]
fn a_lower_cseq_is_refused() {
    let mut bench = Bench::new();
    let (_, tag) = bench.answered("");
    bench.receive(request("INFO", 9, &tag, "", None));
    bench.events();
    bench.receive(request("INFO", 8, &tag, "", None));
    assert_eq!(bench.statuses(), [500]);
    assert!(bench.events().is_empty());
}

#[test]
fn an_outcome_of_481_ends_the_call_except_for_subscriptions() {
    for (method, ends) in [(Method::Info, true), (Method::Notify, false), (Method::Refer, false)] {
        let mut bench = Bench::new();
        let (leg, _) = bench.called();
        let request =
            InDialogRequest { method: method.clone(), headers: Vec::new(), body: None, token: 5 };
        bench.endpoint.request_in_dialog(bench.now, leg, request, &mut bench.out);
        let sent = bench.sent_one();
        assert_eq!(sent.method(), method);
        bench.receive(response(&sent, 481, "", "", None));
        let events = bench.events();
        assert!(matches!(events[0], Event::Response { token: 5, status: 481, .. }));
        assert_eq!(events.len() == 2, ends, "{method}");
    }
}

#[test]
fn requests_take_the_flow_of_the_peers_last_request() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    let remapped = Flow::udp(flow().local, "198.51.100.7:40000".parse().unwrap());
    let info = request("INFO", 2, &tag, "", None);
    let message = Message::parse(Bytes::from(info.clone())).unwrap();
    let received = Received { message, flow: remapped };
    assert_eq!(bench.endpoint.stray(&received), Some(leg));
    bench.receive_over(remapped, info);
    assert_eq!(bench.endpoint.stray(&received), None);
    bench.release(leg);
    let bye = bench.out.transmits.pop().unwrap();
    assert_eq!(bye.flow, remapped);
    assert!(bye.bytes.starts_with(b"BYE sip:desk@10.0.0.9:5999"), "the Request-URI keeps Contact");
}

#[test]
fn a_trusted_peer_is_reached_at_its_contact_unless_that_is_private() {
    for (contact, expected) in [
        ("sip:desk@203.0.113.5:5080", "203.0.113.5:5080"),
        ("sip:desk@10.0.0.9:5999", PEER),
        ("sip:desk@host.example", PEER),
        ("sip:desk@127.0.0.1:5080", PEER),
        ("sip:desk@203.0.113.5:0", PEER),
        ("sip:desk@203.0.113.5:5080;transport=tcp", PEER),
    ] {
        let mut bench = Bench::new();
        let (leg, _) = bench.called_as(outbound(), &format!("Contact: <{contact}>\r\n"));
        bench.endpoint.set_target_policy(leg, TargetPolicy::Target);
        bench.release(leg);
        let bye = bench.out.transmits.pop().unwrap();
        assert_eq!(bye.flow.remote, expected.parse().unwrap(), "{contact}");
    }
}

#[test]
fn a_trusted_peer_that_is_elsewhere_than_the_destination_of_the_invite_may_ask_from_there() {
    let mut bench = Bench::new();
    let contact = "Contact: <sip:gw@203.0.113.5:5080>\r\n";
    let (leg, invite) = bench.called_as(outbound(), contact);
    let from = |remote: &str| {
        let message = Message::parse(Bytes::from(back(&invite, "BYE", 2, "", None))).unwrap();
        Received { message, flow: Flow::udp(flow().local, remote.parse().unwrap()) }
    };
    assert_eq!(bench.endpoint.stray(&from("203.0.113.5:5080")), Some(leg));
    bench.endpoint.set_target_policy(leg, TargetPolicy::Target);
    assert_eq!(bench.endpoint.stray(&from("203.0.113.5:5080")), None);
    assert_eq!(bench.endpoint.stray(&from(PEER)), None);
    assert_eq!(bench.endpoint.stray(&from("203.0.113.5:5081")), Some(leg));
}

#[test]
fn a_trusted_peer_that_called_is_followed_to_its_contact_once_it_has_read_our_tag() {
    for is_acknowledged in [false, true] {
        let mut bench = Bench::new();
        bench.flow.remote = "10.0.0.7:5070".parse().unwrap();
        let leg = bench.offered("", Some(&sdp(1)));
        bench.endpoint.set_target_policy(leg, TargetPolicy::Target);
        bench.endpoint.answer(bench.now, leg, sdp(1), &[], &mut bench.out);
        let tag = bench.tag(leg);
        if is_acknowledged {
            bench.receive(request("ACK", 1, &tag, "", None));
            bench.release(leg);
        } else {
            bench.pass_s(40);
        }
        let bye = bench.out.transmits.iter().find(|sent| sent.bytes.starts_with(b"BYE")).unwrap();
        let expected = if is_acknowledged { "10.0.0.9:5999" } else { "10.0.0.7:5070" };
        assert_eq!(bye.flow.remote, expected.parse().unwrap());
    }
}

#[test]
fn a_trusted_peer_keeps_its_connection_and_is_called_at_its_contact_when_that_is_gone() {
    for is_gone in [false, true] {
        let mut bench = Bench::new();
        let remote = "10.0.0.9:40000".parse().unwrap();
        let own = Flow { transport: Transport::Tcp, connection: Some(3), remote, ..flow() };
        bench.flow = own;
        let (leg, _) = bench.answered("");
        bench.endpoint.set_target_policy(leg, TargetPolicy::Target);
        if is_gone {
            bench.endpoint.transport_failed(bench.now, own, &mut bench.out);
        }
        bench.release(leg);
        let bye = bench.out.transmits.pop().unwrap();
        let there = Flow { remote: "10.0.0.9:5999".parse().unwrap(), connection: None, ..own };
        assert_eq!(bye.flow, if is_gone { there } else { own });
    }
}

#[test]
fn a_broken_connection_leaves_the_dialog_alone() {
    let mut bench = Bench::new();
    bench.flow = Flow { transport: Transport::Tcp, connection: Some(3), ..flow() };
    let (leg, _) = bench.answered("");
    let broken = bench.flow;
    bench.endpoint.transport_failed(bench.now, broken, &mut bench.out);
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.leg(leg).unwrap().flow.connection, None);
}
