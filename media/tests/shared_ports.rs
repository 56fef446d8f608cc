//! All streams on a handful of ports, told apart by where their packets come from.

#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panic")]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;

use common::{
    Crypt, PATIENCE, Pair, Phone, draw, keys, local, receive, receiver_report, rtp, until,
};
use media::srtp::Suite;
use media::{
    MediaConfig, MediaError, MediaPlane, Notify, PayloadMap, Relay, RelayControl, Security,
    StreamPorts, StreamSpec, TerminationId, Whereabouts,
};

const NAT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));

/// A relay with so many pairs of ports that all its streams share; the first of the ports.
fn sharing(pairs: u16) -> ((RelayControl, Receiver<Notify>), u16) {
    // A switch that steers ports has them although they look free.
    for _ in 0..100 {
        let ports = draw(2 * pairs);
        let (first, shared_ports) = (*ports.start(), Some(ports));
        let config = MediaConfig { shared_ports, workers: 2, ..MediaConfig::default() };
        match Relay::start(config) {
            Ok(relay) => return (relay, first),
            Err(MediaError::Socket { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no free ports")
}

/// A phone behind [`NAT`]: its SDP names an address that its packets do not come from.
struct Hidden {
    socket: UdpSocket,
    described: SocketAddr,
}

impl Hidden {
    fn new(number: u8) -> Hidden {
        let socket = UdpSocket::bind((NAT, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Hidden { socket, described: SocketAddr::from(([10, 0, 0, number], 4_000)) }
    }

    fn whereabouts(&self) -> Whereabouts {
        let remotes = vec![Some(self.described)];
        Whereabouts { hosts: vec![NAT], remotes, is_hidden: true }
    }

    fn spec(&self) -> StreamSpec {
        let (remote, peer) = (Some(self.described), Some(NAT));
        StreamSpec { remote, peer, is_hidden: true, sdp_changed: true, ..StreamSpec::default() }
    }

    fn talk(&self, ports: StreamPorts, sequence: u16, ssrc: u32) {
        self.socket.send_to(&rtp(0, sequence, ssrc), local(ports.rtp)).unwrap();
    }
}

fn connect(relay: &mut RelayControl, a: TerminationId, b: TerminationId) {
    relay.connect((a, 0), (b, 0), PayloadMap::identity(), PayloadMap::identity());
}

/// Another call of a relay that has one.
fn second_call(pair: &mut Pair) -> (Phone, Phone, StreamPorts, [TerminationId; 2]) {
    let (c, d) = (Phone::new(0xc), Phone::new(0xd));
    let (at_c, at_d) = (pair.relay.add(1).unwrap(), pair.relay.add(1).unwrap());
    pair.relay.modify(at_c.id, 0, c.spec());
    pair.relay.modify(at_d.id, 0, d.spec());
    connect(&mut pair.relay, at_c.id, at_d.id);
    assert_eq!(at_c.streams, at_d.streams);
    (c, d, at_c.streams[0], [at_c.id, at_d.id])
}

/// Nothing is waiting at any of these.
fn all_quiet(phones: &[&Phone]) {
    for phone in phones {
        phone.media.set_nonblocking(true).unwrap();
        let heard = phone.media.recv_from(&mut [0; 2_000]);
        assert!(heard.is_err(), "{:x} heard somebody else: {heard:?}", phone.ssrc);
        phone.media.set_nonblocking(false).unwrap();
    }
}

#[test]
fn two_calls_over_one_pair_of_ports_are_heard_by_their_parties_and_nobody_else() {
    let (relay, first) = sharing(1);
    let mut pair = Pair::new(relay);
    assert_eq!((pair.a_ports, pair.b_ports.rtp), (pair.b_ports, first));
    let (mut c, mut d, ports, _) = second_call(&mut pair);
    for _ in 0..20 {
        assert_eq!(pair.a_to_b().ssrc.0, 0xa);
        c.talk(ports, 0);
        assert_eq!(d.hear().0.ssrc.0, 0xc);
        assert_eq!(pair.b_to_a().ssrc.0, 0xb);
        d.talk(ports, 0);
        let (header, packet, port) = c.hear();
        assert_eq!((header.ssrc.0, packet.len(), port), (0xd, 172, first));
    }
    // RTCP by the port after it.
    let report = receiver_report(0xa, 0xb);
    pair.a.control.send_to(&report, local(first + 1)).unwrap();
    assert_eq!(receive(&pair.b.control).1, first + 1);
    all_quiet(&[&pair.a, &pair.b, &c, &d]);
    assert_eq!((pair.received(pair.a_id).packets, pair.received(pair.b_id).packets), (20, 20));
    let report = pair.relay.report();
    assert_eq!(report.shared_ports, Some(first..=first + 1));
    assert_eq!((report.strangers, report.ambiguous), (0, 0));
    let off = "streams share ports (shared_ports)";
    assert!(report.kernel_off.is_some() && report.steering_off.as_deref() == Some(off));
}

#[test]
fn a_strangers_packets_go_nowhere_and_nothing_is_sent_to_it() {
    let mut pair = Pair::new(sharing(1).0);
    pair.lock();
    let elsewhere = UdpSocket::bind(("127.0.0.9", 0)).unwrap();
    let same_host = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    for sequence in 0..50 {
        for (socket, ssrc) in [(&elsewhere, 0xa), (&same_host, 0xe)] {
            socket.send_to(&rtp(0, 200 + sequence, ssrc), local(pair.a_ports.rtp)).unwrap();
        }
    }
    pair.relay.report();
    until("strangers", || pair.relay.report().strangers >= 100);
    assert_eq!(pair.a_to_b().ssrc.0, 0xa);
    all_quiet(&[&pair.a, &pair.b]);
    for socket in [elsewhere, same_host] {
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv_from(&mut [0; 2_000]).is_err());
    }
}

#[test]
fn phones_behind_one_nat_get_different_ports_and_are_refused_where_there_is_none() {
    let ((mut relay, _notices), _) = sharing(2);
    let (a, b, c) = (Hidden::new(1), Hidden::new(2), Hidden::new(3));
    let at_a = relay.add_at(1, &a.whereabouts()).unwrap();
    let at_b = relay.add_at(1, &b.whereabouts()).unwrap();
    assert_ne!(at_a.streams, at_b.streams);
    let refused = relay.add_at(1, &c.whereabouts());
    assert!(matches!(refused, Err(MediaError::PortsExhausted)), "{refused:?}");
    assert_eq!(relay.ports_exhausted(), 1);
    relay.modify(at_a.id, 0, a.spec());
    relay.modify(at_b.id, 0, b.spec());
    connect(&mut relay, at_a.id, at_b.id);
    a.talk(at_a.streams[0], 1, 0xa);
    until("a is found", || relay.statistics(at_a.id).unwrap().streams[0].received.packets == 1);
    b.talk(at_b.streams[0], 1, 0xb);
    let (packet, port) = receive(&a.socket);
    assert_eq!((packet[11], port), (0xb, at_a.streams[0].rtp));
    // Both are known now: others of their host can be told from them.
    let at_c = relay.add_at(1, &c.whereabouts()).unwrap();
    relay.modify(at_c.id, 0, c.spec());
    let d = Phone::new(0xd);
    let at_d = relay.add(1).unwrap();
    relay.modify(at_d.id, 0, d.spec());
    connect(&mut relay, at_c.id, at_d.id);
    // Its worker need not know yet where D is.
    d.media.set_nonblocking(true).unwrap();
    let mut sequence = 0;
    let mut packet = [0; 2_000];
    until("c is heard", || {
        sequence += 1;
        c.talk(at_c.streams[0], sequence, 0xc);
        d.media.recv_from(&mut packet).is_ok()
    });
    assert_eq!(packet[11], 0xc);
    a.talk(at_a.streams[0], 2, 0xa);
    assert_eq!(receive(&b.socket).0[11], 0xa);
}

#[test]
fn what_could_be_either_phones_behind_one_nat_is_given_to_neither_unless_its_ssrc_is_named() {
    let ((mut relay, _notices), _) = sharing(1);
    let (a, b) = (Hidden::new(1), Hidden::new(2));
    let (at_a, at_b) = (relay.add(1).unwrap(), relay.add(1).unwrap());
    relay.modify(at_a.id, 0, a.spec());
    relay.modify(at_b.id, 0, b.spec());
    connect(&mut relay, at_a.id, at_b.id);
    for sequence in 0..10 {
        a.talk(at_a.streams[0], sequence, 0xa);
        b.talk(at_b.streams[0], sequence, 0xb);
    }
    until("ambiguous packets", || relay.report().ambiguous >= 20);
    for id in [at_a.id, at_b.id] {
        assert_eq!(relay.statistics(id).unwrap().streams[0].received.packets, 0);
    }
    relay.modify(at_a.id, 0, StreamSpec { ssrcs: vec![0xa], ..a.spec() });
    a.talk(at_a.streams[0], 20, 0xa);
    until("a is found", || relay.statistics(at_a.id).unwrap().streams[0].received.packets == 1);
    b.talk(at_b.streams[0], 20, 0xb);
    assert_eq!(receive(&a.socket).0[11], 0xb);
}

#[test]
fn late_packets_of_a_call_that_is_over_are_not_the_next_calls() {
    let ((mut relay, _notices), _) = sharing(1);
    let (old, new, far) = (Hidden::new(1), Hidden::new(2), Phone::new(0xf));
    let at_far = relay.add(1).unwrap();
    relay.modify(at_far.id, 0, far.spec());
    let at_old = relay.add_at(1, &old.whereabouts()).unwrap();
    relay.modify(at_old.id, 0, old.spec());
    connect(&mut relay, at_old.id, at_far.id);
    old.talk(at_old.streams[0], 1, 0xa);
    assert_eq!(far.hear().0.ssrc.0, 0xa);
    relay.subtract(at_old.id);
    let at_new = relay.add_at(1, &new.whereabouts()).unwrap();
    relay.modify(at_new.id, 0, new.spec());
    connect(&mut relay, at_new.id, at_far.id);
    for sequence in 2..12 {
        old.talk(at_old.streams[0], sequence, 0xa);
    }
    until("late packets", || relay.report().strangers >= 10);
    new.talk(at_new.streams[0], 1, 0xc);
    until("the new phone", || {
        relay.statistics(at_new.id).unwrap().streams[0].received.packets == 1
    });
    assert_eq!(far.hear().1[12..], rtp(0, 1, 0xc)[12..]);
    all_quiet(&[&far]);
}

#[test]
fn calls_come_and_go_and_leave_nothing_behind() {
    let ((mut relay, _notices), first) = sharing(4);
    let free = relay.ports_free();
    let mut used = std::collections::BTreeSet::new();
    for round in 0..3 {
        let phones: Vec<_> = (0..20).map(|number| Phone::new(round * 100 + number)).collect();
        let made: Vec<_> = phones.iter().map(|_| relay.add(1).unwrap()).collect();
        for (phone, made) in phones.iter().zip(&made) {
            relay.modify(made.id, 0, phone.spec());
            relay.treat(made.id, 0, media::Treatment::Echo);
            used.insert(made.streams[0].rtp);
        }
        for (mut phone, made) in phones.into_iter().zip(&made) {
            phone.talk(made.streams[0], 0);
            assert_eq!(phone.hear().2, made.streams[0].rtp);
        }
        made.into_iter().for_each(|made| drop(relay.subtract(made.id)));
        assert_eq!(relay.ports_free(), free);
    }
    assert_eq!(Vec::from_iter(used), [0, 2, 4, 6].map(|pair| first + pair));
}

#[test]
fn a_protected_stream_shares_a_port_with_others() {
    let mut pair = Pair::new(sharing(1).0);
    let (mut c, mut d, ports, [c_id, _]) = second_call(&mut pair);
    let keys = keys(Suite::AesCm128Sha1_80, 3);
    let mut crypt = Crypt::new(&keys);
    let security = Security::Sdes(Box::new(keys));
    pair.relay.modify(c_id, 0, StreamSpec { security, ..c.spec() });
    for sequence in 1..10 {
        let sealed = crypt.seal(&rtp(0, sequence, 0xc));
        c.media.send_to(&sealed, local(ports.rtp)).unwrap();
        assert_eq!(d.hear().0.ssrc.0, 0xc);
        d.talk(ports, 0);
        assert_eq!(crypt.open(receive(&c.media).0)[11], 0xd);
        assert_eq!(pair.a_to_b().ssrc.0, 0xa);
    }
    // In the clear it is nobody's.
    c.talk(ports, 0);
    assert_eq!(pair.b_to_a().ssrc.0, 0xb);
    all_quiet(&[&d]);
}

#[test]
fn a_phone_that_moves_is_followed_by_signalling_and_by_its_ssrc() {
    let mut pair = Pair::new(sharing(1).0);
    pair.lock();
    let moved = Phone::new(0xa);
    pair.relay.modify(pair.a_id, 0, moved.spec());
    pair.a.talk_from(&moved.media, pair.a_ports, 0);
    assert_eq!(pair.b.hear().0.ssrc.0, 0xa);
    pair.b.talk(pair.b_ports, 0);
    assert_eq!(moved.hear().0.ssrc.0, 0xb);
}

#[test]
fn a_second_call_from_the_address_of_the_first_is_heard_as_soon_as_the_first_goes_on() {
    let mut pair = Pair::new(sharing(1).0);
    pair.lock();
    let mut c = Phone::new(0xc);
    c.media = pair.a.media.try_clone().unwrap();
    let d = Phone::new(0xd);
    let (at_c, at_d) = (pair.relay.add(1).unwrap(), pair.relay.add(1).unwrap());
    pair.relay.modify(at_c.id, 0, c.spec());
    pair.relay.modify(at_d.id, 0, d.spec());
    connect(&mut pair.relay, at_c.id, at_d.id);
    d.media.set_nonblocking(true).unwrap();
    until("the second call is heard", || {
        c.talk(at_c.streams[0], 0);
        assert_eq!(pair.a_to_b().ssrc.0, 0xa);
        d.media.recv_from(&mut [0; 2_000]).is_ok()
    });
    d.media.set_nonblocking(false).unwrap();
    c.talk(at_c.streams[0], 0);
    assert_eq!(d.hear().0.ssrc.0, 0xc);
    assert_eq!(pair.a_to_b().ssrc.0, 0xa);
    assert!(pair.relay.report().ambiguous >= 1);
}

#[test]
fn more_than_a_handful_or_less_than_a_pair_is_refused() {
    for ports in [9_000..=9_000, 9_001..=9_002, 9_000..=9_999] {
        let config = MediaConfig { shared_ports: Some(ports.clone()), ..MediaConfig::default() };
        let made = Relay::start(config).map(drop);
        assert!(matches!(made, Err(MediaError::PortRange(_, _))), "{ports:?}: {made:?}");
    }
    // RTCP's port is somebody else's.
    let (relay, first) = sharing(1);
    drop(relay);
    let _other = UdpSocket::bind(local(first + 1)).unwrap();
    let shared_ports = Some(first..=first + 1);
    let made = Relay::start(MediaConfig { shared_ports, ..MediaConfig::default() }).map(drop);
    assert!(matches!(made, Err(MediaError::Socket { .. })), "{made:?}");
}
