//! Many ports on one socket, and a socket for each where that cannot be had. Steering takes root;
//! without it these tests say so and the relay does the same work with sockets.

#![cfg(feature = "io")]

mod common;

use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use common::{Pair, Phone, local, receive, receiver_report, relay_of};
use media::{MediaConfig, MediaError, MediaPlane, Notify, PortSteering, RelayControl};

fn steered(ports: RangeInclusive<u16>) -> Option<(RelayControl, Receiver<Notify>)> {
    let quarantine = Duration::ZERO;
    let made = relay_of(MediaConfig { ports, quarantine, ..MediaConfig::default() });
    match made.0.report().steering_off {
        None => Some(made),
        Some(reason) => {
            eprintln!("SKIPPED: no steering: {reason}");
            None
        }
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[test]
fn what_is_steered_comes_from_the_port_that_it_was_negotiated_for() {
    let Some(relay) = steered(24_000..=24_099) else { return };
    let mut pair = Pair::new(relay);
    for _ in 0..3 {
        pair.a.talk(pair.a_ports, 0);
        let (header, packet, port) = pair.b.hear();
        assert_eq!((header.ssrc.0, packet.len(), port), (0xa, 172, pair.b_ports.rtp));
        pair.b.talk(pair.b_ports, 0);
        assert_eq!(pair.a.hear().2, pair.a_ports.rtp);
    }
    let report = receiver_report(0xa, 0xb);
    pair.a.control.send_to(&report, local(pair.a_ports.rtcp)).unwrap();
    let (_, port) = receive(&pair.b.control);
    assert_eq!(port, pair.b_ports.rtcp);
}

#[test]
fn a_datagram_of_any_length_arrives_with_a_right_checksum() {
    let Some(relay) = steered(24_100..=24_199) else { return };
    let mut pair = Pair::new(relay);
    pair.a_to_b();
    // RTP needs its header; what is odd is padded in the checksum only.
    for (sequence, length) in (500..).zip([12, 13, 14, 15, 171, 173, 1_001, 1_400]) {
        let mut packet = vec![0xa7; length];
        packet[..12].copy_from_slice(&common::rtp(0, sequence, 0xa)[..12]);
        pair.a.media.send_to(&packet, local(pair.a_ports.rtp)).unwrap();
        let (heard, _) = receive(&pair.b.media);
        assert_eq!(heard[12..], packet[12..]);
        assert_eq!(heard.len(), length);
    }
}

#[test]
fn steered_calls_take_no_descriptors_and_bound_ones_give_theirs_to_the_next() {
    let Some((mut relay, _notices)) = steered(24_200..=24_599) else { return };
    let before = descriptors();
    for _ in 0..5 {
        let made: Vec<_> = (0..50).map(|_| relay.add(1).unwrap().id).collect();
        // Other tests of this program open theirs meanwhile, but not a hundred.
        assert!(descriptors() < before + 100, "{} after {before}", descriptors());
        made.into_iter().for_each(|id| drop(relay.subtract(id)));
    }
}

#[test]
fn two_relays_with_the_same_ports_share_them_and_never_meet() {
    let ports = 24_600..=24_607;
    let Some((mut one, _)) = steered(ports.clone()) else { return };
    let Some((mut steering, _)) = steered(ports.clone()) else { return };
    let bound = MediaConfig { ports, port_steering: PortSteering::Off, ..MediaConfig::default() };
    let (mut bound, _notices) = relay_of(bound);
    // The first took all four pairs at its start.
    let mine: Vec<u16> = (0..4).map(|_| one.add(1).unwrap().streams[0].rtp).collect();
    assert!(matches!(steering.add(1), Err(MediaError::PortsExhausted)), "{mine:?}");
    assert!(matches!(bound.add(1), Err(MediaError::PortsExhausted)), "{mine:?}");
    drop(one);
    assert!(steering.add(1).is_ok());
    let taken = std::iter::from_fn(|| bound.add(1).ok()).count();
    assert!(taken < 4, "{taken} pairs while the other relay has some");
}

#[test]
fn ports_that_other_programs_have_are_stepped_over() {
    // One held for RTP, one for RTCP.
    let _others = [24_700, 24_703].map(|port| UdpSocket::bind(local(port)).unwrap());
    let Some((mut relay, _notices)) = steered(24_700..=24_705) else { return };
    assert_eq!(relay.add(1).unwrap().streams[0].rtp, 24_704);
    assert!(matches!(relay.add(1), Err(MediaError::PortsExhausted)));
}

#[test]
fn what_comes_to_a_port_of_no_call_is_nobodys() {
    let Some((mut relay, notices)) = steered(24_800..=24_899) else { return };
    let gone = relay.add(1).unwrap();
    relay.subtract(gone.id);
    let mut stranger = Phone::new(3);
    stranger.talk(gone.streams[0], 0);
    let mut pair = Pair::new((relay, notices));
    pair.a_to_b();
    assert_eq!(pair.received(pair.a_id).packets, 1);
}

#[test]
fn steering_that_is_not_wanted_is_off_and_the_report_says_so() {
    let port_steering = PortSteering::Off;
    let config = MediaConfig { ports: 24_900..=24_999, port_steering, ..MediaConfig::default() };
    let mut pair = Pair::new(relay_of(config));
    assert_eq!(pair.relay.report().steering_off.unwrap(), "off in the configuration");
    pair.a_to_b();
    pair.b_to_a();
}

#[test]
fn ports_that_the_system_gives_to_others_are_not_steered() {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first: u16 = text.split_whitespace().next().unwrap().parse().unwrap();
    let config = MediaConfig { ports: first..=first + 199, ..MediaConfig::default() };
    let (relay, _notices) = relay_of(config);
    let off = relay.report().steering_off.unwrap();
    assert!(off.contains("ip_local_port_range") || off.contains("configuration"), "{off}");
}
