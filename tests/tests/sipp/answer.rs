//! The 200 and its ACK (T1, T2), CANCEL (T3, T4, T5).

use tests::interop::{Log, Running, Sipp, until};
use tests::program::Program;

use super::{assert_at_rest, caller, office, phone};

// --- T1, T2: the 200 and its ACK

#[test]
fn t1_a_200_without_ack_is_repeated_for_32_seconds_and_then_both_phones_get_bye() {
    let program = office();
    let (b, c) = (phone(&program, "202", "callee.xml"), phone(&program, "203", "callee.xml"));
    let scenario = "never_acknowledges.xml";
    let over_udp = caller(&program, scenario).seconds(60).start();
    let over_tcp = Sipp::new(&program, scenario).call("204", "203").tcp().seconds(60).start();
    for log in [over_udp.finish(), over_tcp.finish()] {
        let sent: Vec<f64> = log
            .received("SIP/2.0 200")
            .filter(|one| one.header("CSeq") == "2 INVITE")
            .map(|one| one.at)
            .collect();
        assert!(sent.len() >= 10, "{sent:?}");
        let widest = sent.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(widest < 5.0, "{sent:?}");
        let waited = log.only("BYE ").at - sent[0];
        assert!((30.0..36.0).contains(&waited), "BYE after {waited} s");
    }
    b.finish();
    c.finish();
    assert_at_rest(&program);
}

#[test]
fn t2_every_repeated_200_of_the_called_phone_is_acknowledged_along_the_route_set() {
    let program = office();
    let called = phone(&program, "202", "deaf_to_ack.xml");
    let mut calling = caller(&program, "caller_talks.xml").start();
    calling.until_received("SIP/2.0 200");
    let port = called.port;
    until(&program, "four 200", || called.log().sent("SIP/2.0 200").count() >= 4);
    calling.go_on();
    calling.finish();
    let log = called.finish();
    let acks: Vec<_> = log.received("ACK ").collect();
    assert!(acks.len() >= 4, "{log:#?}");
    let invite = log.only("INVITE ");
    for ack in acks {
        assert_eq!(ack.second_word(), format!("sip:another-name@127.0.0.1:{port}"));
        let routes: Vec<&str> = ack.headers("Route");
        assert_eq!(routes.len(), 2, "{ack:?}");
        assert!(routes[0].contains("hop=2") && routes[1].contains("hop=1"), "{routes:?}");
        let number = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        assert_eq!(number(ack.header("CSeq")), number(invite.header("CSeq")));
        assert_ne!(ack.parameter("Via", "branch"), invite.parameter("Via", "branch"));
    }
    assert_at_rest(&program);
}

// --- T3, T4, T5: CANCEL

/// Calls, and cancels as soon as all phones ring.
fn give_up(program: &Program, calling: Sipp, phones: &[Running]) -> Log {
    let mut calling = calling.start();
    calling.until_received("SIP/2.0 180");
    until(program, "all phones to ring", || {
        phones.iter().all(|phone| phone.log().sent("SIP/2.0 180").next().is_some())
    });
    calling.go_on();
    calling.finish()
}

#[test]
fn t3_cancel_reaches_every_ringing_phone_and_each_487_is_acknowledged() {
    let program = office();
    let phones = [phone(&program, "202", "cancelled.xml"), phone(&program, "202", "cancelled.xml")];
    let log = give_up(&program, caller(&program, "cancels.xml"), &phones);
    assert_eq!(log.received("SIP/2.0 487").count(), 1);
    for phone in phones {
        let log = phone.finish();
        let (invite, ack) = (log.only("INVITE "), log.only("ACK "));
        assert_eq!(ack.parameter("Via", "branch"), invite.parameter("Via", "branch"));
        assert_eq!(log.sent("SIP/2.0 487").count(), 1, "acknowledged before it was repeated");
    }
    assert_at_rest(&program);
}

#[test]
fn t4_a_200_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let program = office();
    let mut application = program.application("watch");
    application.open("202");
    let called = phone(&program, "202", "answers_the_cancel.xml");
    let called = [called];
    let log = give_up(&program, caller(&program, "cancels.xml"), &called);
    assert_eq!(log.received("SIP/2.0 487").count(), 1, "the caller never sees the 200");
    for phone in called {
        phone.finish();
    }
    application.skip_to("202 DISCONNECTED CANCELLED");
    assert_at_rest(&program);
}

#[test]
fn t5_a_cancel_from_behind_nat_finds_its_invite() {
    let program = office();
    let called = [phone(&program, "202", "cancelled.xml")];
    let calling = caller(&program, "cancels.xml").key("sentby", "10.9.9.9:5999");
    let log = give_up(&program, calling, &called);
    assert!(log.received("SIP/2.0 481").next().is_none());
    for phone in called {
        phone.finish();
    }
    assert_at_rest(&program);
}
