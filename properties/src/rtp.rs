//! The relay's plan, packet by packet, and RTCP: nothing of a stranger is passed on, and what is
//! passed on is well-formed and goes to the far party alone (SEC-81 to SEC-84).

use std::net::SocketAddr;

use media::plan::{
    Arrival, Component, Ends, ForwardPlan, Ingress, LatchRules, Outlet, Verdict, next_port, run,
};
use media::rtcp::{self, ReportMap, SenderMap};
use media::rtp::{Header, PACKET_MAX, static_clock_hz};

use crate::octets::Octets;

/// The payload type that is sent as another one.
const RENUMBERED: (u8, u8) = (101, 96);

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn plan(peer: SocketAddr) -> ForwardPlan {
    let mut payloads: [u8; 128] = std::array::from_fn(|payload| payload as u8);
    payloads[usize::from(RENUMBERED.0)] = RENUMBERED.1;
    ForwardPlan {
        source: 1,
        is_rtp: true,
        is_secure: false,
        is_muxed: false,
        is_receiving: true,
        is_sending: true,
        is_unproven: false,
        is_watched: true,
        accept: [0, 8, RENUMBERED.0].into_iter().collect(),
        telephone_event: Some(RENUMBERED.0),
        mixed: [].into_iter().collect(),
        payloads,
        clocks_hz: std::array::from_fn(|payload| static_clock_hz(payload as u8)),
        rules: LatchRules { remote: Some(peer), remote_rtcp: None, peer: None },
    }
}

/// A sequence of packets: each an octet for its source and socket, one for its length in units of
/// four octets and the time since the last, and so many octets.
pub(crate) fn packets(data: &[u8]) {
    let (peer, far) = (at("192.0.2.1:4000"), at("198.51.100.1:6000"));
    let sources = [peer, next_port(peer), at("192.0.2.1:4444"), at("203.0.113.9:4000"), far];
    let plan = plan(peer);
    let mut ingress = Ingress::default();
    let (own, sink) = (Outlet::default(), Outlet::default());
    own.set_remote(Some(peer), Some(next_port(peer)));
    own.set_direction(true, false);
    sink.set_remote(Some(far), Some(next_port(far)));
    sink.set_direction(true, false);
    let mut octets = Octets::new(data);
    let mut now_us = 0;
    while !octets.is_empty() {
        let head = octets.byte();
        let from = sources[usize::from(head & 7) % sources.len()];
        let component = if head & 8 == 0 { Component::Media } else { Component::Control };
        let size = octets.byte();
        now_us += if size & 0x80 == 0 { 20_000 } else { 4_000_000 };
        let mut packet = octets.take(usize::from(size & 0x7f) * 4).to_vec();
        let came = packet.len();
        let arrival = Arrival { packet: &mut packet, from, component, now_us };
        let outcome = run(&plan, &mut ingress, Ends { own: &own, sink: Some(&sink) }, arrival);
        assert!(outcome.length <= came);
        match outcome.verdict {
            Verdict::Send { to, length, is_rtcp, .. } => {
                assert_eq!(from.ip(), peer.ip(), "a stranger's packet was passed on");
                assert!(to == far || to == next_port(far), "sent to {to}");
                assert!(length <= PACKET_MAX && length <= came);
                passed_on(packet.get(..length).unwrap_or_default(), is_rtcp);
            }
            Verdict::Keep => assert_eq!(from.ip(), peer.ip(), "a stranger was listened to"),
            Verdict::Mix(_) => panic!("there is no conference"),
            Verdict::Drop(_) => {}
        }
    }
}

fn passed_on(packet: &[u8], is_rtcp: bool) {
    if is_rtcp {
        assert!(rtcp::is_well_formed(packet));
    } else {
        let header = Header::read(packet).expect("what is passed on is RTP");
        assert!([0, 8, 13, RENUMBERED.1].contains(&header.payload), "{header:?}");
    }
}

/// One RTCP packet.
pub(crate) fn report(data: &[u8]) {
    let mut packet = data.to_vec();
    let was_well_formed = rtcp::is_well_formed(&packet);
    assert!(rtcp::read_blocks(&packet).count() <= packet.len() / 24);
    let _ = rtcp::read_sender_report(&packet);
    let word = |at: usize| {
        let octets = data.get(at..at + 4).and_then(|word| word.try_into().ok());
        octets.map_or(0, u32::from_be_bytes)
    };
    // The SSRCs that are renamed stand in the packet itself.
    let sender = SenderMap { from: word(4), to: 7, timestamp_delta: 3 };
    let heard = ReportMap { from: word(8), to: 9, sequence_delta: 5 };
    let length = rtcp::translate(&mut packet, Some(sender), Some(heard));
    assert!(length <= packet.len());
    let packet = packet.get(..length).unwrap_or_default();
    if was_well_formed && length > 0 {
        assert!(rtcp::is_well_formed(packet), "the translation of a packet is one");
    }
    let mut unchanged = data.to_vec();
    rtcp::translate(&mut unchanged, None, None);
    assert_eq!(unchanged, data);
}
