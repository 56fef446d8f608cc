//! Media at hosts that nobody vouches for but the SDP of a phone.

use std::net::IpAddr;

use switch::phone::Behaviour;
use tests::program::{LivePhone, Program};

/// What may go to a host that has not sent anything: five packets a second for five seconds.
const TRIAL: u64 = 25;
/// Packets that a phone keeps to itself: more than the test lasts.
const SILENT: u16 = 2_000;

/// A phone whose SDP names another host than its signalling comes from.
fn phone_elsewhere(program: &Program, number: &str) -> LivePhone {
    let elsewhere: IpAddr = "127.0.0.2".parse().unwrap();
    let behaviour = Behaviour { media_host: Some(elsewhere), ..Behaviour::default() };
    program.live_phone_with(number, behaviour)
}

#[test]
fn a_host_that_is_only_named_is_sent_little_until_it_speaks_and_then_everything() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), phone_elsewhere(&program, "202"));
    b.with(|phone| phone.lose(SILENT));
    let (near, far) = a.talk_to(&b);
    a.until("enough is said", |phone| phone.rtp().sent >= 3 * TRIAL);
    b.wait_for_packets(1);
    let counts = b.rtp();
    assert_eq!(counts.sent, 0);
    assert!(counts.received <= TRIAL, "{counts:?}");
    b.with(|phone| phone.go_on());
    a.hears(&b);
    b.wait_for_packets(3 * TRIAL);
    b.hears(&a);
    a.hang_up(near);
    b.ended(far);
}

#[test]
fn a_host_that_signalling_comes_from_is_sent_everything_though_it_says_nothing() {
    let program = Program::start();
    let (a, b) = (program.live_phone("201"), program.live_phone("202"));
    b.with(|phone| phone.lose(SILENT));
    let (near, far) = a.talk_to(&b);
    b.wait_for_packets(3 * TRIAL);
    assert_eq!(b.rtp().sent, 0);
    a.hang_up(near);
    b.ended(far);
}
