//! The peer's INVITE.

use super::*;

#[test]
fn the_200_is_repeated_until_the_ack_comes_and_then_bye() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut bench = Bench::new();
        bench.flow.transport = transport;
        let leg = bench.offered("", Some(&sdp(1)));
        bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
        let mut at = Vec::new();
        let start = bench.now;
        let mut last = None;
        while at.len() < 30 && last != Some(Method::Bye) {
            for one in bench.sent() {
                if one.status() == Some(200) {
                    at.push((bench.now - start).as_millis());
                }
                last = Some(if one.is_request() { one.method() } else { Method::Invite });
            }
            bench.pass(Duration::from_millis(100));
        }
        assert_eq!(at[..6], [0, 500, 1_500, 3_500, 7_500, 11_500], "{transport}");
        assert_eq!(last, Some(Method::Bye));
        assert!((bench.now - start).as_secs() >= 32);
        assert!(matches!(bench.event(), Event::Ended { cause: EndCause::NoAck, .. }));
    }
}

#[test]
fn an_ack_by_dialog_ends_the_repetition_whatever_its_route() {
    let mut bench = Bench::new();
    let leg =
        bench.offered("Record-Route: <sip:r1;lr>\r\nRecord-Route: <sip:r2;lr>\r\n", Some(&sdp(1)));
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    let ok = bench.sent_one();
    let routes: Vec<&str> = ok.headers(HeaderName::RecordRoute).collect();
    assert_eq!(routes, ["<sip:r1;lr>", "<sip:r2;lr>"]);
    assert_eq!(ok.header(HeaderName::Contact), Some("<sip:192.0.2.1:5060>"));
    assert!(ok.header(HeaderName::Supported).unwrap().contains("replaces"));
    let tag = bench.tag(leg);
    bench.receive(request("ACK", 1, &tag, "Contact: <sip:elsewhere@h>\r\n", None));
    assert!(matches!(bench.event(), Event::Confirmed { sdp: None, .. }));
    bench.pass_s(5);
    assert!(bench.sent().is_empty());
    // Its requests go along the route set in order.
    bench.release(leg);
    let bye = bench.sent_one();
    let routes: Vec<&str> = bye.headers(HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:r1;lr>", "<sip:r2;lr>"]);
    assert_eq!(target(&bye), "sip:desk@10.0.0.9:5999");
}

#[test]
fn a_bye_is_held_until_the_ack() {
    let mut bench = Bench::new();
    let leg = bench.offered("", Some(&sdp(1)));
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    let tag = bench.tag(leg);
    bench.sent();
    bench.release(leg);
    assert!(bench.sent().is_empty());
    bench.pass_s(1);
    assert!(bench.statuses().contains(&200), "the 200 goes on");
    bench.receive(request("ACK", 1, &tag, "", None));
    assert_eq!(bench.sent_one().method(), Method::Bye);
    assert!(bench.events().is_empty());
}

#[test]
fn a_caller_may_hang_up_before_its_ack() {
    let mut bench = Bench::new();
    let leg = bench.offered("", Some(&sdp(1)));
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    let tag = bench.tag(leg);
    bench.sent();
    bench.receive(request("BYE", 2, &tag, "", None));
    assert_eq!(bench.statuses(), [200]);
    assert!(matches!(bench.event(), Event::Ended { cause: EndCause::Bye(_), .. }));
    bench.receive(request("ACK", 1, &tag, "", None));
    bench.pass_s(40);
    assert!(bench.sent().is_empty() && bench.events().is_empty());
    assert_eq!(bench.endpoint.residue(), 0);
}

#[test]
fn a_cancel_before_the_answer_ends_the_leg_with_487() {
    let mut bench = Bench::new();
    let leg = bench.offered("", Some(&sdp(1)));
    bench.progress(leg, 180, None);
    bench.sent();
    let invite = request("INVITE", 1, "", "", Some(&sdp(1)));
    let branch = invite.split("branch=").nth(1).unwrap().split('\r').next().unwrap().to_owned();
    let mut cancel = request("CANCEL", 1, "", "", None);
    let own = cancel.split("branch=").nth(1).unwrap().split('\r').next().unwrap().to_owned();
    cancel = cancel.replace(&own, &branch);
    bench.receive(cancel.clone());
    assert_eq!(bench.statuses(), [200, 487]);
    assert!(matches!(bench.event(), Event::Cancelled { .. }));
    assert!(bench.endpoint.leg(leg).is_none());
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    assert!(bench.sent().is_empty(), "a command for a dead leg does nothing");
}

#[test]
fn the_expiry_of_an_invite_ends_it() {
    let mut bench = Bench::new();
    bench.offered("Expires: 20\r\n", Some(&sdp(1)));
    bench.pass_s(19);
    assert!(bench.events().is_empty());
    bench.pass_s(2);
    assert!(bench.statuses().contains(&487));
    assert!(matches!(bench.event(), Event::Cancelled { .. }));
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut bench = Bench::new();
    let leg = bench.offered("", None);
    bench.progress(leg, 183, Some(sdp(9)));
    assert!(bench.sent_one().body().is_empty(), "an offer does not travel unreliably");
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    let tag = bench.tag(leg);
    assert_eq!(bench.sent_one().body(), &sdp(2)[..]);
    bench.receive(request("ACK", 1, &tag, "", Some(&sdp(3))));
    assert!(matches!(bench.event(), Event::Confirmed { sdp: Some(_), .. }));
    let view = bench.endpoint.leg(leg).unwrap();
    assert_eq!((view.local_sdp, view.remote_sdp), (Some(&sdp(2)), Some(&sdp(3))));
}

#[test]
fn a_late_offer_without_answer_ends_the_call() {
    let mut bench = Bench::new();
    let leg = bench.offered("", None);
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    let tag = bench.tag(leg);
    bench.sent();
    bench.receive(request("ACK", 1, &tag, "", None));
    let bye = bench.sent_one();
    assert!(bye.header(HeaderName::Reason).unwrap().contains("488"));
    assert!(matches!(bench.event(), Event::Ended { cause: EndCause::Gone(488), .. }));
}

#[test]
fn required_provisionals_come_one_at_a_time_and_hold_the_200_back() {
    let mut bench = Bench::new();
    let leg = bench.offered("Require: 100rel\r\n", Some(&sdp(1)));
    let tag = bench.tag(leg);
    bench.progress(leg, 183, Some(sdp(2)));
    bench.progress(leg, 180, None);
    let first = bench.sent_one();
    assert_eq!(first.header(HeaderName::Require), Some("100rel"));
    let rseq: u32 = first.header(HeaderName::RSeq).unwrap().parse().unwrap();
    assert!((1..=0x7fff_ffff).contains(&rseq));
    // T1, then doubling.
    bench.pass(Duration::from_millis(3_600));
    assert_eq!(bench.statuses(), [183, 183, 183]);
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    assert!(bench.sent().is_empty(), "no 2xx while the answer is not known to have arrived");
    bench.receive(request("PRACK", 2, &tag, &format!("RAck: {rseq} 1 INVITE\r\n"), None));
    let sent = bench.sent();
    assert_eq!(sent[0].status(), Some(200));
    assert_eq!((sent[1].status(), sent[1].method()), (Some(200), Method::Invite));
    assert!(sent[1].body().is_empty(), "the answer is not said twice");
    // The same PRACK in a new transaction finds nothing any more.
    bench.receive(request("PRACK", 3, &tag, &format!("RAck: {rseq} 1 INVITE\r\n"), None));
    assert!(bench.statuses().contains(&481));
}

#[test]
fn the_second_provisional_follows_the_prack_of_the_first() {
    let mut bench = Bench::new();
    let leg = bench.offered("Require: 100rel\r\n", Some(&sdp(1)));
    let tag = bench.tag(leg);
    bench.progress(leg, 180, None);
    bench.progress(leg, 183, None);
    let first = bench.sent_one();
    let rseq: u32 = first.header(HeaderName::RSeq).unwrap().parse().unwrap();
    bench.receive(request("PRACK", 2, &tag, &format!("RAck: {rseq} 1 INVITE\r\n"), None));
    let sent = bench.sent();
    assert_eq!(sent[1].status(), Some(183));
    assert_eq!(sent[1].header(HeaderName::RSeq), Some((rseq + 1).to_string().as_str()));
}

#[test]
fn a_session_that_changed_after_a_reliable_answer_is_offered_after_the_ack() {
    let mut bench = Bench::new();
    let leg = bench.offered("Require: 100rel\r\n", Some(&sdp(1)));
    let tag = bench.tag(leg);
    bench.progress(leg, 183, Some(sdp(2)));
    let rseq = bench.sent_one().header(HeaderName::RSeq).unwrap().to_owned();
    bench.receive(request("PRACK", 2, &tag, &format!("RAck: {rseq} 1 INVITE\r\n"), None));
    bench.endpoint.answer(bench.now, leg, sdp(3), &[], &mut bench.out);
    bench.sent();
    bench.receive(request("ACK", 1, &tag, "", None));
    let offer = bench.sent_last(&Method::Invite);
    assert_eq!(offer.body(), &sdp(3)[..]);
}

#[test]
fn a_provisional_that_nobody_acknowledges_refuses_the_invite() {
    let mut bench = Bench::new();
    let leg = bench.offered("Require: 100rel\r\n", Some(&sdp(1)));
    bench.progress(leg, 180, None);
    bench.pass_s(33);
    assert!(bench.statuses().contains(&504));
    assert!(matches!(bench.event(), Event::Ended { cause: EndCause::Gone(504), .. }));
    assert!(bench.endpoint.leg(leg).is_none());
}

#[test]
fn a_late_offer_in_a_reliable_provisional_is_answered_in_the_prack() {
    let mut bench = Bench::new();
    let leg = bench.offered("Supported: 100rel\r\n", None);
    let tag = bench.tag(leg);
    bench.progress(leg, 183, Some(sdp(2)));
    let rseq = bench.sent_one().header(HeaderName::RSeq).unwrap().to_owned();
    let rack = format!("RAck: {rseq} 1 INVITE\r\n");
    bench.receive(request("PRACK", 2, &tag, &rack, Some(&sdp(3))));
    assert_eq!(bench.statuses(), [200]);
    assert!(matches!(bench.event(), Event::OfferAnswered { sdp: Some(_), .. }));
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    assert!(bench.sent_one().body().is_empty());
    bench.receive(request("ACK", 1, &tag, "", None));
    assert!(matches!(bench.event(), Event::Confirmed { sdp: None, .. }));
}

#[test]
fn a_new_offer_in_a_prack_is_answered_in_its_200() {
    let mut bench = Bench::new();
    let leg = bench.offered("Require: 100rel\r\n", Some(&sdp(1)));
    let tag = bench.tag(leg);
    bench.progress(leg, 183, Some(sdp(2)));
    let rseq = bench.sent_one().header(HeaderName::RSeq).unwrap().to_owned();
    let rack = format!("RAck: {rseq} 1 INVITE\r\n");
    bench.receive(request("PRACK", 2, &tag, &rack, Some(&sdp(4))));
    assert!(matches!(bench.event(), Event::Offer { via: OfferVia::Prack, .. }));
    assert!(bench.sent().is_empty());
    bench.accept(leg, 5);
    let ok = bench.sent_one();
    assert_eq!((ok.status(), ok.body()), (Some(200), &sdp(5)[..]));
    assert_eq!(bench.endpoint.leg(leg).unwrap().remote_sdp, Some(&sdp(4)));
}

#[test]
fn an_unreliable_provisional_is_repeated_every_minute() {
    let mut bench = Bench::new();
    let leg = bench.offered("", Some(&sdp(1)));
    bench.progress(leg, 180, None);
    bench.sent();
    bench.pass_s(61);
    assert_eq!(bench.statuses(), [180]);
}

#[test]
fn a_reliable_early_answer_allows_an_update_of_ours() {
    let mut bench = Bench::new();
    let leg = bench.offered("Require: 100rel\r\nAllow: INVITE, UPDATE\r\n", Some(&sdp(1)));
    let tag = bench.tag(leg);
    assert!(!bench.offer(leg, 8), "nothing is negotiated yet");
    bench.progress(leg, 183, Some(sdp(2)));
    assert!(!bench.offer(leg, 8));
    let rseq = bench.sent_one().header(HeaderName::RSeq).unwrap().to_owned();
    bench.receive(request("PRACK", 2, &tag, &format!("RAck: {rseq} 1 INVITE\r\n"), None));
    bench.sent();
    assert!(bench.offer(leg, 8));
    let update = bench.sent_one();
    assert_eq!((update.method(), update.body()), (Method::Update, &sdp(8)[..]));
    bench.receive(response(&update, 200, "", "", Some(&sdp(9))));
    assert!(matches!(bench.event(), Event::OfferAnswered { .. }));
}
