use super::*;

const REGISTER: &[u8] = b"REGISTER sip:office.test SIP/2.0\r\nTo: <sip:201@office.test>\r\n\r\n";
const INVITE: &[u8] = b"INVITE sip:202@office.test SIP/2.0\r\nTo: <sip:202@office.test>\r\n\r\n";
const EMERGENCY: &[u8] = b"INVITE sip:112@office.test SIP/2.0\r\nTo: <sip:112@office.test>\r\n\r\n";
const BYE: &[u8] = b"BYE sip:202@192.0.2.1 SIP/2.0\r\nTo: <sip:202@office.test>;tag=1\r\n\r\n";
const OPTIONS: &[u8] = b"OPTIONS sip:office.test SIP/2.0\r\nTo: <sip:office.test>\r\n\r\n";
const OK: &[u8] = b"SIP/2.0 200 OK\r\n\r\n";

fn at(ms: u64) -> Now {
    Now::from_millis(ms)
}

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn guard() -> Guard {
    let settings = GuardSettings {
        exempt: vec![Network::host("127.0.0.1".parse().unwrap())],
        emergency: vec!["112".to_owned()],
        ..GuardSettings::default()
    };
    Guard::new(settings)
}

fn passed(guard: &mut Guard, now: Now, from: SocketAddr, octets: &[u8], times: usize) -> usize {
    let mut admit = || matches!(guard.admit(now, from, octets), Admission::Pass(_));
    (0..times).filter(|_| admit()).count()
}

#[test]
fn a_stranger_has_20_requests_a_second_and_60_at_once_whatever_port_it_uses() {
    let mut guard = guard();
    let mut through = 0;
    for port in 1..=200 {
        let from = SocketAddr::from(([203, 0, 113, 7], port));
        through += passed(&mut guard, at(1000), from, REGISTER, 1);
    }
    assert_eq!(through, 60);
    assert_eq!(passed(&mut guard, at(2000), peer("203.0.113.7:9"), OPTIONS, 100), 20);
    assert_eq!(passed(&mut guard, at(2000), peer("203.0.113.8:9"), OPTIONS, 100), 60);
    assert_eq!(guard.counts(at(2000)).limited, 140 + 80 + 40);
}

#[test]
fn an_ipv6_customer_is_one_source() {
    let mut guard = guard();
    let mut through = 0;
    for last in 0..100 {
        let from = peer(&format!("[2001:db8:0:7::{last:x}]:5060"));
        through += passed(&mut guard, at(1000), from, REGISTER, 1);
    }
    assert_eq!(through, 60);
    assert_eq!(passed(&mut guard, at(1000), peer("[2001:db8:0:8::1]:5060"), REGISTER, 1), 1);
}

#[test]
fn who_exceeds_is_mentioned_once_a_minute() {
    let mut guard = guard();
    passed(&mut guard, at(1000), peer("203.0.113.7:1"), REGISTER, 500);
    assert!(matches!(guard.notice(), Some(Notice::Limited { .. })));
    assert_eq!(guard.notice(), None);
    passed(&mut guard, at(50_000), peer("203.0.113.7:1"), REGISTER, 500);
    assert_eq!(guard.notice(), None);
    passed(&mut guard, at(62_000), peer("203.0.113.7:1"), REGISTER, 500);
    assert!(guard.notice().is_some());
}

#[test]
fn who_forges_datagrams_of_an_address_does_not_keep_its_connections_out() {
    let mut guard = guard();
    assert_eq!(passed(&mut guard, at(1000), peer("203.0.113.7:9"), REGISTER, 100), 60);
    let phone = peer("203.0.113.7:40000");
    let mut admit = || guard.admit_from_stream(at(1000), phone, REGISTER);
    let passed = (0..100).filter(|_| matches!(admit(), Admission::Pass(_))).count();
    assert_eq!(passed, 60);
}

#[test]
fn an_authenticated_flow_has_rates_of_its_own_and_others_for_emergency_calls() {
    let mut guard = guard();
    let phone = peer("203.0.113.7:5060");
    guard.authenticated(at(1000), phone);
    passed(&mut guard, at(1000), peer("203.0.113.7:6666"), REGISTER, 100);
    assert_eq!(passed(&mut guard, at(1000), phone, INVITE, 100), 15);
    assert_eq!(passed(&mut guard, at(2000), phone, INVITE, 100), 5);
    // More than twenty at once is no emergency, and goes neither before others nor beyond the rate.
    let mut urgent = || guard.admit(at(2000), phone, EMERGENCY) == Admission::Pass(Lane::Urgent);
    assert_eq!((0..100).filter(|_| urgent()).count(), 20);
    assert_eq!(passed(&mut guard, at(3000), phone, EMERGENCY, 100), 5 + 5);
    assert_eq!(passed(&mut guard, at(2000), phone, OK, 1000), 1000);
    assert_eq!(passed(&mut guard, at(9000), phone, BYE, 1000), 150);
    let later = at(1000) + FLOW_LIFE;
    assert_eq!(passed(&mut guard, later, phone, REGISTER, 100), 60, "known no more");
}

#[test]
fn fifteen_failed_logins_ban_the_source_until_the_ban_is_over_or_lifted() {
    let mut guard = guard();
    let thief = peer("203.0.113.7:5060");
    for second in 0..14 {
        guard.failed(at(second * 1000), thief);
        assert!(guard.bans(at(second * 1000)).is_empty());
    }
    guard.failed(at(14_000), peer("203.0.113.7:7777"));
    let bans = guard.bans(at(14_000));
    assert_eq!(bans.len(), 1);
    assert_eq!(bans[0].until - bans[0].since, Duration::from_secs(600));
    assert!(matches!(guard.notice(), Some(Notice::Banned(_))));
    assert_eq!(guard.admit(at(15_000), thief, OK), Admission::Drop);
    assert!(!guard.admit_connection(at(15_000), thief));
    assert_eq!(passed(&mut guard, at(15_000), peer("203.0.113.8:1"), REGISTER, 1), 1);
    assert!(guard.lift(at(16_000), thief.ip()));
    assert!(!guard.lift(at(16_000), thief.ip()));
    assert_eq!(passed(&mut guard, at(16_000), thief, REGISTER, 1), 1);
    for second in 20..35 {
        guard.failed(at(second * 1000), thief);
    }
    assert!(guard.is_banned(at(35_000), thief.ip()));
    assert_eq!(passed(&mut guard, at(35_000 + 600_000), thief, REGISTER, 1), 1);
}

#[test]
fn slow_failures_are_not_banned_and_many_slow_the_source_down() {
    let mut guard = guard();
    let clumsy = peer("203.0.113.7:5060");
    for minute in 0..100 {
        guard.failed(at(minute * 60_000), clumsy);
    }
    assert!(guard.bans(at(6_000_000)).is_empty());
    for second in 0..12 {
        guard.failed(at(7_000_000 + second), clumsy);
    }
    assert_eq!(passed(&mut guard, at(7_010_000), clumsy, REGISTER, 100), 6);
}

#[test]
fn an_address_with_a_live_authenticated_flow_is_throttled_and_not_banned() {
    let mut guard = guard();
    let office = peer("203.0.113.7:5060");
    guard.authenticated(at(0), office);
    (0..100).for_each(|_| guard.failed(at(1000), peer("203.0.113.7:4444")));
    assert!(guard.bans(at(1000)).is_empty());
    assert_eq!(passed(&mut guard, at(2000), office, REGISTER, 10), 10);
    assert_eq!(passed(&mut guard, at(2000), peer("203.0.113.7:4444"), REGISTER, 100), 6);
}

#[test]
fn exempt_networks_and_trunks_are_neither_limited_nor_banned() {
    let mut guard = guard();
    guard.trust(["198.51.100.1".parse().unwrap()]);
    for free in ["127.0.0.1:5", "198.51.100.1:5060"] {
        let from = peer(free);
        (0..100).for_each(|_| guard.failed(at(0), from));
        assert!(!guard.is_banned(at(1), from.ip()));
        assert_eq!(passed(&mut guard, at(1), from, REGISTER, 1000), 1000);
        assert!((0..1000).all(|_| guard.admit_connection(at(1), from)));
        assert!((0..1000).all(|_| guard.admit_malformed(at(1), from)));
    }
    guard.trust([]);
    assert_eq!(passed(&mut guard, at(1), peer("198.51.100.1:5060"), REGISTER, 1000), 60);
}

#[test]
fn garbage_and_connections_have_rates_and_nobody_is_banned_for_them() {
    let mut guard = guard();
    let noisy = peer("203.0.113.7:1");
    let garbage = (0..500).filter(|_| guard.admit_malformed(at(1), noisy)).count();
    let connections = (0..500).filter(|_| guard.admit_connection(at(1), noisy)).count();
    assert_eq!((garbage, connections), (50, 30));
    assert!(guard.bans(at(1)).is_empty());
}

#[test]
fn a_flood_from_a_million_addresses_does_not_grow_the_table() {
    let mut guard = Guard::new(GuardSettings { max_sources: 1000, ..GuardSettings::default() });
    for source in 0..1_000_000_u32 {
        let from = SocketAddr::from(((0x0a00_0000 + source).to_be_bytes(), 5060));
        guard.admit(at(u64::from(source) / 100), from, OPTIONS);
    }
    let counts = guard.counts(at(10_000));
    assert_eq!((counts.sources, counts.bans_now), (1000, 0));
}

#[test]
fn what_belongs_to_a_call_goes_the_urgent_way_and_strangers_claims_do_not() {
    let mut guard = guard();
    let phone = peer("203.0.113.7:5060");
    guard.authenticated(at(0), phone);
    assert_eq!(guard.admit(at(1), phone, BYE), Admission::Pass(Lane::Urgent));
    assert_eq!(guard.admit(at(1), phone, OK), Admission::Pass(Lane::Urgent));
    assert_eq!(guard.admit(at(1), phone, INVITE), Admission::Pass(Lane::Ordinary));
    assert_eq!(guard.admit(at(1), phone, EMERGENCY), Admission::Pass(Lane::Urgent));
    let stranger = peer("203.0.113.8:5060");
    assert_eq!(guard.admit(at(1), stranger, BYE), Admission::Pass(Lane::Ordinary));
    assert_eq!(guard.admit(at(1), stranger, EMERGENCY), Admission::Pass(Lane::Ordinary));
}

#[test]
fn under_overload_new_calls_get_503_options_nothing_and_calls_go_on() {
    let mut guard = guard();
    let (flood, phone) = (peer("127.0.0.1:6000"), peer("203.0.113.7:5060"));
    guard.authenticated(at(0), phone);
    let mut refused = 0;
    for ms in 1000..3000 {
        for _ in 0..10 {
            refused += usize::from(guard.admit(at(ms), flood, INVITE) == Admission::Refuse);
        }
        guard.measured(at(ms), Duration::from_millis(400), 500);
        if ms % 100 == 0 {
            assert_eq!(guard.admit(at(ms), phone, BYE), Admission::Pass(Lane::Urgent));
            assert_eq!(guard.admit(at(ms), phone, EMERGENCY), Admission::Pass(Lane::Urgent));
            assert_eq!(guard.admit(at(ms), phone, REGISTER), Admission::Pass(Lane::Ordinary));
        }
    }
    assert!(refused > 15_000, "{refused}");
    assert!((0..1000).any(|_| guard.admit(at(3000), flood, OPTIONS) == Admission::Shed));
    let counts = guard.counts(at(3000));
    assert!(counts.budget > 0 && counts.refused > 0 && counts.shed > 0);
}

#[test]
fn a_stranger_is_told_no_more_than_it_said_and_whoever_proved_itself_everything() {
    let mut guard = guard();
    let stranger = peer("203.0.113.7:5060");
    let answer =
        Bytes::from(format!("SIP/2.0 401 x\r\nVia: v\r\nServer: {}\r\n\r\n", "x".repeat(300)));
    assert_eq!(guard.fit(at(0), stranger, &answer, None), None, "it has said nothing");
    guard.admit(at(0), stranger, REGISTER);
    let short = guard.fit(at(0), stranger, &answer, Some(REGISTER.len())).unwrap();
    assert!(short.len() <= REGISTER.len(), "it can be said in so many octets");
    let mut told = short.len();
    while let Some(more) = guard.fit(at(0), stranger, &answer, None) {
        told += more.len();
    }
    assert!(told <= REGISTER.len(), "{told} for {}", REGISTER.len());
    assert!(guard.counts(at(0)).unanswered >= 2);
    guard.authenticated(at(1), stranger);
    assert_eq!(guard.fit(at(1), stranger, &answer, Some(1)), Some(answer.clone()));
    assert_eq!(guard.fit(at(1), peer("127.0.0.1:1"), &answer, None), Some(answer));
}

#[test]
fn who_calls_itself_a_scanner_is_dropped_mentioned_once_a_minute_and_not_banned() {
    const SCAN: &[u8] = b"OPTIONS sip:100@1.1.1.1 SIP/2.0\r\nUser-Agent: friendly-scanner\r\n\r\n";
    let scanners = vec!["friendly-scanner".to_owned()];
    let exempt = vec![Network::host("127.0.0.1".parse().unwrap())];
    let mut guard = Guard::new(GuardSettings { scanners, exempt, ..GuardSettings::default() });
    let (scanner, phone) = (peer("203.0.113.7:5060"), peer("203.0.113.9:5060"));
    assert_eq!(passed(&mut guard, at(1000), scanner, SCAN, 3), 0);
    assert_eq!(guard.notice(), Some(Notice::Scanner(scanner)));
    assert_eq!(guard.notice(), None);
    assert_eq!(guard.counts(at(1000)).scanners, 3);
    assert!(!guard.is_banned(at(1000), scanner.ip()));
    // The same address with another name is heard, and whoever has proved who it is may have any.
    assert_eq!(passed(&mut guard, at(1000), scanner, OPTIONS, 1), 1);
    guard.authenticated(at(1000), phone);
    assert_eq!(passed(&mut guard, at(1000), phone, SCAN, 1), 1);
    assert_eq!(passed(&mut guard, at(1000), peer("127.0.0.1:9"), SCAN, 1), 1);
    assert_eq!(passed(&mut guard, at(62_000), scanner, SCAN, 1), 0);
    assert_eq!(guard.notice(), Some(Notice::Scanner(scanner)));
}
