//! The media of all calls on a handful of ports: the real program, its own phones, SIPp and baresip.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;
use tests::interop::{
    self, Audio, Baresip, Running, Sipp, hear_each_other, packets_flow, sdp, until,
};
use tests::program::{LivePhone, Program, TOKEN, forgetful, http_with_head};

/// A range of so many pairs of ports that nobody has, where no switch looks for ports by default.
fn free_pairs(pairs: u16) -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 200).unwrap() * 8;
    loop {
        let first = 6_200 + (start + NEXT.fetch_add(2 * pairs, Ordering::Relaxed)) % 1_700;
        let last = first + 2 * pairs - 1;
        if (first..=last).all(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return (first, last);
        }
    }
}

/// An office whose calls share so many pairs of ports.
fn office(pairs: u16, edit: impl FnOnce(String) -> String) -> (Program, u16) {
    let (first, last) = free_pairs(pairs);
    let config = interop::office(|text| {
        let ports = text.lines().find(|line| line.starts_with("ports = ")).unwrap().to_owned();
        edit(text.replace(&ports, &format!("shared_ports = \"{first}-{last}\"")))
    });
    (Program::with(config), first)
}

/// The ports toward everybody who has a call.
fn ports(program: &Program) -> Vec<u64> {
    let (_, media) = program.get("/api/v1/media");
    media["items"].as_array().unwrap().iter().filter_map(|row| row["port"].as_u64()).collect()
}

fn metric(program: &Program, name: &str) -> u64 {
    let (_, _, text) = http_with_head(program.api, "GET", "/metrics", Some(TOKEN), "");
    let start = format!("strowger_media_{name} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn assert_at_rest(program: &Program) {
    let is_empty = |answer: &Value| answer["items"].as_array().is_some_and(Vec::is_empty);
    program.until("/api/v1/calls", is_empty);
    program.until("/api/v1/media", is_empty);
}

fn hear(a: &LivePhone, b: &LivePhone) {
    a.hears(b);
    b.hears(a);
}

#[test]
fn two_calls_over_one_pair_of_ports_are_heard_right_and_a_stranger_nowhere() {
    let (program, port) = office(1, |text| text);
    let [a, b, c, d] = ["201", "202", "203", "204"].map(|line| program.live_phone(line));
    let (near, far) = a.talk_to(&b);
    let (other_near, other_far) = c.talk_to(&d);
    assert_eq!(ports(&program), [u64::from(port); 4]);
    // Where everybody is, is known then.
    hear(&a, &b);
    hear(&c, &d);
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    stranger.set_nonblocking(true).unwrap();
    let packet = [&[0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9][..], &[0x77; 160]].concat();
    for _ in 0..20 {
        stranger.send_to(&packet, (Ipv4Addr::LOCALHOST, port)).unwrap();
    }
    until(&program, "strangers", || metric(&program, "strangers_total") >= 20);
    hear(&a, &b);
    hear(&c, &d);
    a.hold(near);
    hear(&c, &d);
    a.resume(near);
    hear(&a, &b);
    assert!(stranger.recv_from(&mut [0; 200]).is_err(), "something was sent to a stranger");
    let table = program.command(&["media", "--paths"]).stdout;
    let table = String::from_utf8_lossy(&table).into_owned();
    let sockets = format!("one for each of the ports {port}-{} (shared_ports)", port + 1);
    assert!(table.contains(&sockets), "{table}");
    assert_eq!((metric(&program, "shared_ports"), metric(&program, "kernel_path")), (2, 0));
    // The same phones again, in other company: from where they sent before.
    a.hang_up(near);
    b.ended(far);
    c.hang_up(other_near);
    d.ended(other_far);
    let (near, far) = a.talk_to(&c);
    let (other_near, other_far) = d.talk_to(&b);
    hear(&a, &c);
    hear(&d, &b);
    a.hang_up(near);
    c.ended(far);
    d.hang_up(other_near);
    b.ended(other_far);
    assert_at_rest(&program);
}

/// A phone behind a NAT: neither its Contact nor its SDP says where its packets come from.
fn hidden(program: &Program, scenario: &str, line: &str, audio: &Audio) -> Sipp {
    let number = line.strip_prefix("20").unwrap();
    let private = format!("192.0.2.{number}:5070");
    let described = sdp(4_000, "").replace("127.0.0.1", &format!("192.0.2.{number}"));
    assert_ne!(audio.port(), 4_000);
    let sipp = Sipp::new(program, scenario).key("sentby", &private).key("contact", &private);
    sipp.key("sdp", described)
}

/// It waits for a call.
fn hidden_callee(program: &Program, scenario: &str, line: &str, audio: &Audio) -> Running {
    let port = interop::free_port();
    hidden(program, "register.xml", line, audio).port(port).line(line, "sip:office.test").run();
    hidden(program, scenario, line, audio).port(port).called(line).listen()
}

#[test]
fn phones_behind_one_nat_hear_each_other_over_different_ports() {
    let (program, first) = office(2, |text| text);
    let (mut a, mut b) = (Audio::new(), Audio::new());
    let called = hidden_callee(&program, "callee.xml", "202", &b);
    let calling = hidden(&program, "caller_talks.xml", "201", &a).call("201", "202");
    let mut calling = calling.start();
    calling.until_received("SIP/2.0 200");
    let mut used = ports(&program);
    used.sort_unstable();
    assert_eq!(used, [u64::from(first), u64::from(first) + 2]);
    hear_each_other(&program, ("201", &mut a), ("202", &mut b));
    calling.go_on();
    calling.finish();
    called.finish();
    assert_at_rest(&program);
}

#[test]
fn a_call_whose_parties_could_not_be_told_apart_is_refused() {
    let (program, _) = office(1, forgetful);
    let port = interop::free_port();
    let (a, b) = (Audio::new(), Audio::new());
    hidden(&program, "register.xml", "202", &b).port(port).line("202", "sip:office.test").run();
    let mut calling = hidden(&program, "caller.xml", "201", &a).call("201", "202").start();
    calling.until_received("SIP/2.0 503");
    drop(calling);
    assert_at_rest(&program);
    // Nothing is wrong with a call of one of them to a phone that can be told from it.
    let ben = Baresip::start(&program, "203", "udp", true);
    let mut a = a;
    let calling = hidden(&program, "caller_talks.xml", "201", &a).call("201", "203");
    let mut calling = calling.start();
    calling.until_received("SIP/2.0 200");
    let to = interop::relay_port(&program, "201");
    program.until("/api/v1/media", |answer| {
        a.send(to, 0, false, &[0x5a; 160]);
        a.hear();
        let mut rows = answer["items"].as_array().into_iter().flatten();
        let ben = rows.find(|row| row["line"] == "203");
        let is_heard = ben.is_some_and(|row| row["packetsSent"].as_u64() >= Some(5));
        is_heard && a.packets.len() >= 5
    });
    calling.go_on();
    calling.finish();
    ben.until_closed();
    assert_at_rest(&program);
}

#[test]
fn baresips_plain_and_with_keys_checks_and_rtcp_mux_share_a_pair_of_ports() {
    let (program, port) = office(1, |text| {
        let secure = "[lines.202]\nsrtp = \"required\"\nsrtp_keys = \"dtls\"\n";
        text.replace("[lines.202]\n", secure)
    });
    let mut ada = Baresip::start(&program, "201", "udp", false);
    let account = ";mediaenc=dtls_srtp;medianat=ice;rtcp_mux=yes";
    let mut ben = Baresip::with(&program, "202", "udp", true, account);
    let mut cid = Baresip::start(&program, "203", "udp", false);
    let dan = Baresip::start(&program, "204", "udp", true);
    ada.command("dial", "202");
    ada.until("CALL_ESTABLISHED");
    cid.command("dial", "204");
    cid.until("CALL_ESTABLISHED");
    packets_flow(&program, &["201", "202", "203", "204"], 25);
    assert_eq!(ports(&program), [u64::from(port); 4]);
    ada.command("hold", "");
    packets_flow(&program, &["203", "204"], 10);
    ada.command("resume", "");
    packets_flow(&program, &["201", "202"], 25);
    ada.command("hangup", "");
    ben.until_closed();
    ben.command("dial", "201");
    ada.until("CALL_INCOMING");
    ada.command("accept", "");
    ben.until("CALL_ESTABLISHED");
    packets_flow(&program, &["201", "202", "203", "204"], 25);
    ben.command("hangup", "");
    cid.command("hangup", "");
    dan.until_closed();
    assert_at_rest(&program);
}
