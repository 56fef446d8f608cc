//! The relay over loopback: what phones send and hear.

#![cfg(feature = "io")]

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::{
    PATIENCE, Pair, Phone, draw, local, receive, receiver_report, relay, relay_of, rtp, until,
};
use media::rtp::Seq;
use media::{MediaConfig, MediaError, MediaPlane, Notify, PayloadMap, PortSteering, StreamSpec};

#[test]
fn two_phones_hear_each_other_with_their_own_payload_types() {
    let mut pair = Pair::new(relay(draw(64)));
    let a = StreamSpec { accept: vec![0, 101], ..pair.a.spec() };
    let b = StreamSpec { accept: vec![8, 0, 96], ..pair.b.spec() };
    pair.relay.modify(pair.a_id, 0, a);
    pair.relay.modify(pair.b_id, 0, b);
    let (ab, ba) = (vec![(0, 0), (101, 96)], vec![(0, 0), (96, 101)]);
    pair.relay.connect((pair.a_id, 0), (pair.b_id, 0), ab.into(), ba.into());
    let sequence = pair.a.talk(pair.a_ports, 101);
    let (header, packet, port) = pair.b.hear();
    assert_eq!((header.payload, header.sequence, packet.len()), (96, Seq(sequence), 172));
    assert_eq!(port, pair.b_ports.rtp);
    pair.b.talk(pair.b_ports, 96);
    let (header, _, port) = pair.a.hear();
    assert_eq!((header.payload, port), (101, pair.a_ports.rtp));
    // 8 has no counterpart on A's side.
    pair.b.talk(pair.b_ports, 8);
    pair.b.talk(pair.b_ports, 0);
    assert_eq!(pair.a.hear().0.payload, 0);
    assert_eq!(pair.sent(pair.a_id).dropped.payload, 1);
}

#[test]
fn counters_tell_what_was_received_sent_and_lost() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.a_to_b();
    pair.a.sequence += 2;
    pair.a_to_b();
    until("sent counters", || pair.sent(pair.b_id).packets == 2);
    let received = pair.received(pair.a_id);
    assert_eq!((received.packets, received.bytes, received.lost), (2, 344, 2));
    assert_eq!(pair.sent(pair.b_id).bytes, 344);
}

#[test]
fn a_phone_that_sends_from_another_port_is_latched_and_answered_there() {
    let mut pair = Pair::new(relay(draw(64)));
    let behind_nat = UdpSocket::bind("127.0.0.1:0").unwrap();
    behind_nat.set_read_timeout(Some(PATIENCE)).unwrap();
    pair.a.talk_from(&behind_nat, pair.a_ports, 0);
    pair.b.hear();
    let latched = pair.notices.recv_timeout(PATIENCE).unwrap();
    let address = behind_nat.local_addr().unwrap();
    assert_eq!(latched, Notify::Latched { id: pair.a_id, stream: 0, address });
    pair.b.talk(pair.b_ports, 0);
    assert_eq!(receive(&behind_nat).1, pair.a_ports.rtp);
}

#[test]
fn a_stranger_is_dropped_and_counted_and_steals_nothing() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.lock();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for sequence in 0..10 {
        stranger.send_to(&rtp(0, 9_000 + sequence, 0xbad), local(pair.a_ports.rtp)).unwrap();
    }
    until("dropped packets", || pair.received(pair.a_id).dropped.source == 10);
    let sequence = pair.a.talk(pair.a_ports, 0);
    assert_eq!(pair.b.hear().0.sequence, Seq(sequence));
    pair.b_to_a();
}

#[test]
fn another_host_is_not_even_learnt_from() {
    let mut pair = Pair::new(relay(draw(64)));
    let other_host = UdpSocket::bind("127.0.0.2:0").unwrap();
    other_host.send_to(&rtp(0, 1, 0xbad), local(pair.a_ports.rtp)).unwrap();
    until("the drop", || pair.received(pair.a_id).dropped.source == 1);
    // Unless signalling came from there.
    let peer = Some("127.0.0.2".parse().unwrap());
    pair.relay.modify(pair.a_id, 0, StreamSpec { peer, ..pair.a.spec() });
    pair.a.talk_from(&other_host, pair.a_ports, 0);
    pair.b.hear();
}

#[test]
fn a_new_address_in_the_sdp_moves_the_media_at_once() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.lock();
    let moved = Phone::new(0xa2);
    pair.relay.modify(pair.a_id, 0, moved.spec());
    pair.b.talk(pair.b_ports, 0);
    assert_eq!(moved.hear().0.ssrc.0, 0xb);
    // The old address is dead, before the new one is heard as well as afterwards.
    pair.a.talk(pair.a_ports, 0);
    until("the first drop", || pair.received(pair.a_id).dropped.source == 1);
    let mut moved = moved;
    moved.talk(pair.a_ports, 0);
    // B hears the moved phone as the continuation of the first.
    let header = pair.b.hear().0;
    assert_eq!((header.ssrc.0, header.is_marked), (0xa, true));
    for _ in 0..5 {
        moved.talk(pair.a_ports, 0);
        pair.b.hear();
    }
    pair.a.talk(pair.a_ports, 0);
    until("the second drop", || pair.received(pair.a_id).dropped.source == 2);
}

#[test]
fn a_refresh_with_the_same_address_keeps_what_was_learnt() {
    let mut pair = Pair::new(relay(draw(64)));
    let behind_nat = UdpSocket::bind("127.0.0.1:0").unwrap();
    behind_nat.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..6 {
        pair.a.talk_from(&behind_nat, pair.a_ports, 0);
        pair.b.hear();
    }
    pair.relay.modify(pair.a_id, 0, pair.a.spec());
    pair.b.talk(pair.b_ports, 0);
    assert_eq!(receive(&behind_nat).1, pair.a_ports.rtp);
}

#[test]
fn directions_are_obeyed_on_both_sides() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.lock();
    let hold = |phone: &Phone, receive, send| StreamSpec { receive, send, ..phone.spec() };
    pair.relay.modify(pair.a_id, 0, hold(&pair.a, false, true));
    pair.a.talk(pair.a_ports, 0);
    until("the drop", || pair.received(pair.a_id).dropped.direction == 1);
    pair.b_to_a();
    pair.relay.modify(pair.a_id, 0, hold(&pair.a, true, false));
    pair.b.talk(pair.b_ports, 0);
    until("the drop", || pair.sent(pair.a_id).dropped.direction == 1);
    pair.a_to_b();
    pair.relay.modify(pair.a_id, 0, hold(&pair.a, true, true));
    pair.b_to_a();
}

#[test]
fn rtcp_flows_between_the_odd_ports_even_on_hold() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.lock();
    let spec = StreamSpec { send: false, receive: false, ..pair.a.spec() };
    pair.relay.modify(pair.a_id, 0, spec);
    pair.a.control.send_to(&receiver_report(0xa, 0xb), local(pair.a_ports.rtcp)).unwrap();
    let (packet, port) = receive(&pair.b.control);
    assert_eq!((packet, port), (receiver_report(0xa, 0xb), pair.b_ports.rtcp));
    until("counters", || pair.sent(pair.b_id).rtcp_packets == 1);
    assert_eq!(pair.received(pair.a_id).rtcp_packets, 1);
}

#[test]
fn multiplexed_rtcp_meets_separate_rtcp() {
    let mut pair = Pair::new(relay(draw(64)));
    let mux = StreamSpec { rtcp_mux: true, ..pair.a.spec() };
    pair.relay.modify(pair.a_id, 0, mux);
    pair.lock();
    pair.a.media.send_to(&receiver_report(0xa, 0xb), local(pair.a_ports.rtp)).unwrap();
    assert_eq!(receive(&pair.b.control).1, pair.b_ports.rtcp);
    pair.b.control.send_to(&receiver_report(0xb, 0xa), local(pair.b_ports.rtcp)).unwrap();
    let (packet, port) = receive(&pair.a.media);
    assert_eq!((packet, port), (receiver_report(0xb, 0xa), pair.a_ports.rtp));
}

#[test]
fn a_transferred_caller_continues_the_stream_that_the_phone_knows() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.lock();
    let last = pair.a_to_b();
    let mut c = Phone::new(0xc);
    c.sequence = 50_000;
    let at_c = pair.relay.add(1).unwrap();
    pair.relay.modify(at_c.id, 0, c.spec());
    let same = PayloadMap::identity;
    pair.relay.connect((at_c.id, 0), (pair.b_id, 0), same(), same());
    c.talk(at_c.streams[0], 0);
    let first = pair.b.hear().0;
    assert_eq!((first.ssrc, first.sequence), (last.ssrc, last.sequence.plus(1)));
    assert!(first.is_marked && first.timestamp.minus(last.timestamp) >= 160);
    c.talk(at_c.streams[0], 0);
    assert_eq!(pair.b.hear().0.sequence, last.sequence.plus(2));
    // A is out: its packets are kept, and it does not hear B.
    pair.a.talk(pair.a_ports, 0);
    c.talk(at_c.streams[0], 8);
    let third = pair.b.hear().0;
    assert_eq!((third.payload, third.sequence), (8, last.sequence.plus(3)));
    pair.b.talk(pair.b_ports, 0);
    assert_eq!(c.hear().0.ssrc.0, 0xb);
}

#[test]
fn fax_datagrams_pass_as_they_are() {
    let mut pair = Pair::new(relay(draw(64)));
    let udptl = |phone: &Phone| StreamSpec { is_rtp: false, ..phone.spec() };
    pair.relay.modify(pair.a_id, 0, udptl(&pair.a));
    pair.relay.modify(pair.b_id, 0, udptl(&pair.b));
    pair.a.media.send_to(&[0, 1, 2, 3, 4], local(pair.a_ports.rtp)).unwrap();
    assert_eq!(receive(&pair.b.media).0, [0, 1, 2, 3, 4]);
}

#[test]
fn every_stream_of_a_termination_has_its_own_connection() {
    let (mut relay, _notices) = relay(draw(64));
    let (mut a, b) = (Phone::new(1), [Phone::new(2), Phone::new(3)]);
    let (at_a, at_b) = (relay.add(2).unwrap(), relay.add(1).unwrap());
    let later = relay.add_stream(at_b.id).unwrap();
    let mut second = Phone::new(4);
    relay.modify(at_a.id, 0, a.spec());
    relay.modify(at_a.id, 1, second.spec());
    let same = PayloadMap::identity;
    for (stream, phone) in b.iter().enumerate() {
        relay.modify(at_b.id, stream, phone.spec());
        relay.connect((at_a.id, stream), (at_b.id, stream), same(), same());
    }
    a.talk(at_a.streams[0], 0);
    second.talk(at_a.streams[1], 34);
    assert_eq!(b[0].hear().2, at_b.streams[0].rtp);
    assert_eq!(b[1].hear().2, later.rtp);
    assert_eq!(relay.statistics(at_b.id).unwrap().streams.len(), 2);
}

#[test]
fn streams_on_different_workers_hear_each_other() {
    let config = MediaConfig { ports: draw(64), workers: 2, ..MediaConfig::default() };
    let mut pair = Pair::new(relay_of(config));
    pair.a.talk(pair.a_ports, 0);
    // The other worker may not have its plan yet; a phone goes on talking as well.
    until("both directions", || {
        pair.a.talk(pair.a_ports, 0);
        pair.b.talk(pair.b_ports, 0);
        pair.sent(pair.a_id).packets > 0 && pair.sent(pair.b_id).packets > 0
    });
    assert_eq!(pair.a.hear().2, pair.a_ports.rtp);
    assert_eq!(pair.b.hear().2, pair.b_ports.rtp);
}

#[test]
fn a_relay_on_ipv6_serves_ipv6_phones() {
    let Ok(first) = UdpSocket::bind("[::1]:0") else { return };
    let second = UdpSocket::bind("[::1]:0").unwrap();
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = "::1".parse().unwrap();
    let config = MediaConfig { address, ports: draw(64), ..MediaConfig::default() };
    let (mut relay, _notices) = relay_of(config);
    // Neither the kernel path nor steering knows IPv6, and both say so.
    let report = relay.report();
    for reason in [report.kernel_off, report.steering_off] {
        let reason = reason.expect("a reason");
        assert!(reason.contains("IPv6") || reason.contains("configuration"), "{reason}");
    }
    let (a, b) = (relay.add(1).unwrap(), relay.add(1).unwrap());
    for (id, phone) in [(a.id, &first), (b.id, &second)] {
        let remote = Some(phone.local_addr().unwrap());
        relay.modify(id, 0, StreamSpec { remote, ..StreamSpec::default() });
    }
    relay.connect((a.id, 0), (b.id, 0), PayloadMap::identity(), PayloadMap::identity());
    first.send_to(&rtp(0, 1, 1), (address, a.streams[0].rtp)).unwrap();
    assert_eq!(receive(&second), (rtp(0, 1, 1).to_vec(), b.streams[0].rtp));
}

#[test]
fn a_flood_of_strangers_costs_the_call_nothing() {
    let mut pair = Pair::new(relay(draw(64)));
    pair.lock();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..200 {
        // Twenty fit in the socket's queue beside the phone's own packet.
        for sequence in 0..20 {
            stranger.send_to(&rtp(0, sequence, 0xbad), local(pair.a_ports.rtp)).unwrap();
        }
        let sequence = pair.a.talk(pair.a_ports, 0);
        assert_eq!(pair.b.hear().0.sequence, Seq(sequence));
    }
    assert_eq!(pair.received(pair.a_id).dropped.source, 4_000);
}

#[test]
fn used_up_ports_are_an_error_that_is_counted_and_come_back_after_subtract() {
    let (mut relay, _notices) = relay(draw(8));
    let most = relay.ports_free();
    let mut made: Vec<_> = (0..most).map(|_| relay.add(1).unwrap()).collect();
    assert!(matches!(relay.add(1), Err(MediaError::PortsExhausted)));
    let last = made.pop().unwrap();
    assert!(matches!(relay.add_stream(made[0].id), Err(MediaError::PortsExhausted)));
    assert_eq!(relay.ports_exhausted(), 2);
    relay.subtract(last.id);
    // Half of what is asked for is given back whole.
    assert!(matches!(relay.add(2), Err(MediaError::PortsExhausted)));
    assert_eq!(relay.add(1).unwrap().streams, last.streams);
    assert!(relay.statistics(last.id).is_none());
}

#[test]
fn ports_rest_before_another_call_gets_them() {
    let config = MediaConfig { ports: draw(4), ..MediaConfig::default() };
    let (mut relay, _notices) = relay_of(config);
    let made = relay.add(2).unwrap();
    relay.subtract(made.id);
    assert!(matches!(relay.add(1), Err(MediaError::PortsExhausted)));
    assert_eq!(relay.ports_free(), 2);
}

#[test]
fn late_packets_of_an_old_call_are_not_heard_by_the_next_one() {
    // Without a rest; ports that lead to one socket need theirs.
    let (ports, port_steering) = (draw(4), PortSteering::Off);
    let quarantine = Duration::ZERO;
    let config = MediaConfig { ports, port_steering, quarantine, ..MediaConfig::default() };
    let (mut relay, _notices) = relay_of(config);
    let phone = Phone::new(1);
    let old = relay.add(2).unwrap();
    relay.modify(old.id, 0, phone.spec());
    relay.subtract(old.id);
    for sequence in 0..20 {
        let packet = rtp(0, sequence, 1);
        phone.media.send_to(&packet, local(old.streams[0].rtp)).unwrap();
        phone.media.send_to(&packet, local(old.streams[1].rtp)).unwrap();
    }
    let new = relay.add(2).unwrap();
    // A fresh packet is heard after the Open is through; nothing old was before it.
    let mut talker = Phone::new(2);
    relay.modify(new.id, 0, talker.spec());
    talker.talk(new.streams[0], 0);
    let received = |index: usize| relay.statistics(new.id).unwrap().streams[index].received;
    until("the fresh packet", || received(0).packets == 1);
    assert_eq!(received(0).dropped.total(), 0);
    assert_eq!(received(1).packets + received(1).dropped.total(), 0);
}

#[test]
fn silence_is_reported_once_and_again_after_a_packet() {
    let timeout = Duration::from_millis(60);
    let config = MediaConfig { ports: draw(60), timeout, ..MediaConfig::default() };
    let mut pair = Pair::new(relay_of(config));
    // B is held: it is not expected to send.
    pair.relay.modify(pair.b_id, 0, StreamSpec { receive: false, ..pair.b.spec() });
    let expected = Notify::Timeout { id: pair.a_id, stream: 0 };
    // B may have been silent for too long before it was held.
    let held = Notify::Timeout { id: pair.b_id, stream: 0 };
    let first = pair.notices.recv_timeout(PATIENCE).unwrap();
    let first = if first == held { pair.notices.recv_timeout(PATIENCE).unwrap() } else { first };
    assert_eq!(first, expected);
    pair.a_to_b();
    assert!(matches!(pair.notices.recv_timeout(PATIENCE).unwrap(), Notify::Latched { .. }));
    assert_eq!(pair.notices.recv_timeout(PATIENCE).unwrap(), expected);
}

#[test]
fn lasting_silence_is_reported_only_once() {
    let timeout = Duration::from_millis(40);
    let config = MediaConfig { ports: draw(40), timeout, ..MediaConfig::default() };
    let mut pair = Pair::new(relay_of(config));
    let (silent, talking) = (pair.a_id, pair.b_id);
    let mut timeouts = [0, 0];
    // Three silences of B take longer than two of A.
    while timeouts[1] < 4 {
        match pair.notices.recv_timeout(PATIENCE).unwrap() {
            Notify::Timeout { id, .. } if id == talking => {
                timeouts[1] += 1;
                pair.b_to_a();
            }
            Notify::Timeout { id, .. } if id == silent => timeouts[0] += 1,
            _ => {}
        }
    }
    assert_eq!(timeouts, [1, 4]);
}

#[test]
fn digits_are_reported() {
    let mut pair = Pair::new(relay(draw(64)));
    let spec = StreamSpec { telephone_event: Some(101), ..pair.a.spec() };
    pair.relay.modify(pair.a_id, 0, spec);
    let mut packet = rtp(101, 1, 0xa);
    packet[12..16].copy_from_slice(&[11, 0x8a, 0x03, 0x20]);
    for _ in 0..3 {
        pair.a.media.send_to(&packet[..16], local(pair.a_ports.rtp)).unwrap();
        pair.b.hear();
    }
    let notices: Vec<_> = pair.notices.try_iter().collect();
    let duration = Duration::from_millis(100);
    let digit = Notify::Digit { id: pair.a_id, stream: 0, digit: '#', duration };
    // The first packet also latched.
    let address = pair.a.media.local_addr().unwrap();
    assert_eq!(notices, [Notify::Latched { id: pair.a_id, stream: 0, address }, digit]);
}

#[test]
fn a_digit_whose_end_was_lost_is_reported_though_nothing_follows() {
    let mut pair = Pair::new(relay(draw(64)));
    let spec = StreamSpec { telephone_event: Some(101), ..pair.a.spec() };
    pair.relay.modify(pair.a_id, 0, spec);
    let mut packet = rtp(101, 1, 0xa);
    packet[12..16].copy_from_slice(&[5, 0x0a, 0x03, 0x20]);
    pair.a.media.send_to(&packet[..16], local(pair.a_ports.rtp)).unwrap();
    let mut told = std::iter::from_fn(|| pair.notices.recv_timeout(PATIENCE).ok());
    let duration = Duration::from_millis(100);
    let digit = Notify::Digit { id: pair.a_id, stream: 0, digit: '5', duration };
    assert!(told.any(|notice| notice == digit));
}

#[test]
fn a_thousand_calls_leave_nothing_behind() {
    let (mut relay, _notices) = relay(draw(200));
    let free = relay.ports_free();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut after_first = 0;
    for cycle in 0..1_000 {
        let (a, b) = (relay.add(2).unwrap(), relay.add(1).unwrap());
        let same = PayloadMap::identity;
        relay.connect((a.id, 0), (b.id, 0), same(), same());
        relay.subtract(a.id);
        relay.subtract(b.id);
        if cycle == 0 {
            after_first = descriptors();
        }
    }
    assert_eq!(relay.ports_free(), free);
    assert_eq!(relay.terminations(), 0);
    // Other tests of this program open sockets meanwhile, but never thousands.
    assert!(descriptors() < after_first + 500, "{after_first} {}", descriptors());
}

#[test]
fn commands_for_what_is_gone_are_ignored() {
    let (mut relay, _notices) = relay(draw(64));
    let gone = relay.add(1).unwrap();
    relay.subtract(gone.id);
    relay.modify(gone.id, 0, StreamSpec::default());
    relay.disconnect(gone.id, 0);
    assert!(relay.subtract(gone.id).streams.is_empty());
    assert!(matches!(relay.add_stream(gone.id), Err(MediaError::UnknownTermination)));
    assert!(matches!(relay.add(9), Err(MediaError::TooManyStreams)));
}

#[test]
fn an_address_that_is_not_ours_is_refused_at_start() {
    let address = "192.0.2.1".parse().unwrap();
    let started = media::Relay::start(MediaConfig { address, ..MediaConfig::default() });
    assert!(matches!(started.err(), Some(MediaError::Socket { operation: "bind", .. })));
}

#[test]
fn an_address_that_nobody_vouched_for_is_sent_little_until_it_has_sent_something() {
    const TALKED: u16 = 100;
    // Five a second for five seconds.
    const TRIAL: u64 = 25;
    let mut pair = Pair::new(relay(draw(64)));
    let mut moved = Phone::new(0xb2);
    pair.relay.modify(pair.b_id, 0, StreamSpec { is_hidden: true, ..moved.spec() });
    for _ in 0..TALKED {
        pair.a.talk(pair.a_ports, 0);
    }
    until("all of it", || pair.received(pair.a_id).packets == u64::from(TALKED));
    moved.hear();
    until("it to be counted", || pair.sent(pair.b_id).packets >= 1);
    let sent = pair.sent(pair.b_id);
    assert!((1..=TRIAL).contains(&sent.packets), "{}", sent.packets);
    until("what was held back", || {
        let sent = pair.sent(pair.b_id);
        sent.packets + sent.dropped.undeliverable == u64::from(TALKED)
    });
    moved.talk(pair.b_ports, 0);
    pair.a.hear();
    let before = pair.sent(pair.b_id).packets;
    for _ in 0..TALKED {
        pair.a.talk(pair.a_ports, 0);
    }
    until("all of it", || pair.sent(pair.b_id).packets == before + u64::from(TALKED));
}
