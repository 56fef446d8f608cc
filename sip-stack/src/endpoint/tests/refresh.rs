//! Session timers (RFC 4028).

use super::*;

fn timed() -> Invite {
    Invite { session_timer: true, ..outbound() }
}

#[test]
fn too_small_an_interval_is_refused_with_our_minimum() {
    let mut bench = Bench::new();
    bench.receive(request(
        "INVITE",
        1,
        "",
        "Supported: timer\r\nSession-Expires: 60\r\n",
        Some(&sdp(1)),
    ));
    let refusal = bench.sent_one();
    assert_eq!(refusal.status(), Some(422));
    assert_eq!(refusal.header(HeaderName::MinSe), Some("90"));
    assert!(bench.events().is_empty());
    // A peer without timers may not be refused; the value is raised.
    let mut bench = Bench::new();
    let leg = bench.offered("Session-Expires: 60\r\n", Some(&sdp(1)));
    bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
    let ok = bench.sent_one();
    assert_eq!(ok.header(HeaderName::SessionExpires), Some("90;refresher=uas"));
    assert_eq!(ok.header(HeaderName::Require), None);
}

#[test]
fn the_refresher_is_the_one_the_caller_names_or_the_caller_itself() {
    for (asked, said) in [
        ("Session-Expires: 90;refresher=uas\r\n", "90;refresher=uas"),
        ("Session-Expires: 90;refresher=uac\r\n", "90;refresher=uac"),
        ("Session-Expires: 120\r\n", "120;refresher=uac"),
        ("Session-Expires: 7200\r\n", "1800;refresher=uac"),
        ("Session-Expires: 7200\r\nMin-SE: 3600\r\n", "3600;refresher=uac"),
        ("", "1800;refresher=uac"),
    ] {
        let mut bench = Bench::new();
        let leg = bench.offered(&format!("Supported: timer\r\n{asked}"), Some(&sdp(1)));
        bench.endpoint.answer(bench.now, leg, sdp(2), &[], &mut bench.out);
        let ok = bench.sent_one();
        assert_eq!(ok.header(HeaderName::SessionExpires), Some(said), "{asked}");
        assert_eq!(ok.header(HeaderName::Require), Some("timer"));
    }
}

#[test]
fn a_422_is_answered_with_a_larger_interval() {
    let mut bench = Bench::new();
    let (_, invite) = bench.invite_as(timed());
    assert_eq!(invite.header(HeaderName::SessionExpires), Some("1800"));
    bench.receive(response(&invite, 422, "x", "Min-SE: 2400\r\n", None));
    let again = bench.sent_last(&Method::Invite);
    assert_eq!(again.header(HeaderName::SessionExpires), Some("2400"));
    assert_eq!(again.header(HeaderName::MinSe), Some("2400"));
    assert_eq!(again.call_id(), invite.call_id());
    assert!(number(&again) > number(&invite));
    assert!(bench.events().is_empty());
}

#[test]
fn our_refresh_is_an_update_without_session_at_half_the_interval() {
    let mut bench = Bench::new();
    let said = "Session-Expires: 200;refresher=uac\r\nRequire: timer\r\nAllow: INVITE, UPDATE\r\n";
    let (leg, _) = bench.called_as(timed(), said);
    for _ in 0..3 {
        bench.pass_s(99);
        assert!(bench.sent().is_empty());
        bench.pass_s(2);
        let update = bench.sent_last(&Method::Update);
        assert!(update.body().is_empty());
        assert_eq!(update.header(HeaderName::SessionExpires), Some("200;refresher=uac"));
        bench.receive(response(&update, 200, "", said, None));
    }
    assert!(bench.events().is_empty());
    assert!(bench.endpoint.leg(leg).is_some());
}

#[test]
fn without_update_the_refresh_is_a_reinvite_with_the_same_session() {
    let mut bench = Bench::new();
    let said = "Session-Expires: 200;refresher=uac\r\n";
    let (leg, _) = bench.called_as(timed(), said);
    bench.pass(Duration::from_millis(100_100));
    let refresh = bench.sent_one();
    assert_eq!((refresh.method(), refresh.body()), (Method::Invite, &sdp(1)[..]));
    bench.receive(response(&refresh, 200, "", said, Some(&sdp(1))));
    assert_eq!(bench.sent_one().method(), Method::Ack);
    assert!(bench.events().is_empty(), "a refresh is no news");
    // The switch's offer waits for a refresh that is on its way.
    bench.pass(Duration::from_millis(100_100));
    let refresh = bench.sent_one();
    assert!(bench.offer(leg, 6));
    assert!(bench.sent().is_empty());
    bench.receive(response(&refresh, 200, "", said, Some(&sdp(1))));
    assert_eq!(bench.sent_last(&Method::Invite).body(), &sdp(6)[..]);
}

#[test]
fn a_peer_without_timers_is_refreshed_by_us_alone() {
    let mut bench = Bench::new();
    let (_, _) = bench.called_as(timed(), "Allow: UPDATE\r\n");
    bench.pass_s(901);
    bench.sent_last(&Method::Update);
}

#[test]
fn a_refused_refresh_keeps_the_call_and_is_tried_again() {
    let mut bench = Bench::new();
    let said = "Session-Expires: 200;refresher=uac\r\nAllow: UPDATE\r\n";
    let (leg, _) = bench.called_as(timed(), said);
    bench.pass_s(101);
    let update = bench.sent_last(&Method::Update);
    bench.receive(response(&update, 500, "", "", None));
    assert!(bench.events().is_empty());
    // Long before the peer gives the session up, at 168 s.
    bench.pass_s(21);
    let update = bench.sent_last(&Method::Update);
    bench.receive(response(&update, 422, "", "Min-SE: 300\r\n", None));
    bench.pass_s(1);
    let update = bench.sent_last(&Method::Update);
    assert_eq!(update.header(HeaderName::SessionExpires), Some("300;refresher=uac"));
    assert!(bench.endpoint.leg(leg).is_some());
}

#[test]
fn a_peer_that_does_not_refresh_is_hung_up_on() {
    let mut bench = Bench::new();
    let headers = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    let (leg, tag) = bench.answered(headers);
    // It refreshes once, at 45 s.
    bench.pass_s(45);
    bench.receive(request("UPDATE", 2, &tag, headers, None));
    let ok = bench.sent_one();
    assert_eq!(ok.header(HeaderName::SessionExpires), Some("90;refresher=uac"));
    // 90 s − min(32 s, 30 s) later it is missed.
    bench.pass_s(59);
    assert!(bench.endpoint.leg(leg).is_some());
    bench.pass_s(2);
    let bye = bench.sent_last(&Method::Bye);
    assert_eq!(bye.header(HeaderName::Reason), Some("SIP;cause=408;text=\"Session timer\""));
    assert!(matches!(bench.event(), Event::Ended { cause: EndCause::SessionExpired, .. }));
}

#[test]
fn too_small_an_interval_in_an_update_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    let (leg, tag) = bench.answered("");
    let headers = "Supported: timer\r\nSession-Expires: 30\r\n";
    bench.receive(request("UPDATE", 2, &tag, headers, Some(&sdp(4))));
    assert_eq!(bench.statuses(), [422]);
    assert!(bench.events().is_empty());
    assert_eq!(bench.endpoint.leg(leg).unwrap().remote_sdp, Some(&sdp(1)));
}
