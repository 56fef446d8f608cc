//! The kernel forwards between two network namespaces through a third.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fastpath::testbed::{LEFT, MIDDLE_LEFT, MIDDLE_RIGHT, RIGHT, Side, Testbed};
use fastpath::{
    FastPath, FastPathError, Flow, Hop, Mode, Options, Rewrite, Seed, Snapshot, monotonic_ns,
};

/// Longer than anything here takes, even on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);
const PORTS: RangeInclusive<u16> = 20_000..=20_199;

/// The three namespaces with a socket for each party, or `None` where they cannot be made.
struct Scene {
    /// On the left, `LEFT:4000`.
    left: UdpSocket,
    /// On the right, `RIGHT:6000`.
    right: UdpSocket,
    /// The relay's, `MIDDLE_LEFT:20000`: what the kernel does not forward.
    user: UdpSocket,
    path: Arc<FastPath>,
    // Last: the path ends before its namespace and its pins.
    testbed: Testbed,
}

const LEFT_PORT: u16 = 4_000;
const RIGHT_PORT: u16 = 6_000;
const IN_PORT: u16 = 20_000;
const OUT_PORT: u16 = 20_002;

impl Scene {
    fn new(mode: Mode, is_native: bool) -> Option<Self> {
        let testbed = match Testbed::new() {
            Ok(testbed) => testbed,
            Err(reason) => {
                eprintln!("SKIPPED: network namespaces cannot be made here: {reason}");
                return None;
            }
        };
        if is_native {
            testbed.make_native().unwrap();
        }
        let left = bind(&testbed, Side::Left, SocketAddrV4::new(LEFT, LEFT_PORT));
        let right = bind(&testbed, Side::Right, SocketAddrV4::new(RIGHT, RIGHT_PORT));
        let user = bind(&testbed, Side::Middle, local());
        // The neighbours know each other once something was sent.
        left.send_to(b"hello", local()).unwrap();
        right.send_to(b"hello", SocketAddrV4::new(MIDDLE_RIGHT, 9)).unwrap();
        assert_eq!(receive(&user).0, b"hello");
        let path = Arc::new(open(&testbed, mode));
        Some(Self { left, right, user, path, testbed })
    }

    fn hop(&self) -> Hop {
        hop(&self.path)
    }

    /// Forwards from the left to the right.
    fn install(&self, rewrite: Option<Rewrite>) {
        install(&self.path, self.hop(), rewrite);
    }

    fn say(&self, packet: &[u8]) {
        self.left.send_to(packet, local()).unwrap();
    }

    /// The packet that comes next on the right, after its source was checked.
    fn heard(&self) -> Vec<u8> {
        let (packet, from) = receive(&self.right);
        assert_eq!(from, SocketAddr::from((MIDDLE_RIGHT, OUT_PORT)));
        packet
    }

    fn snapshot(&self) -> Snapshot {
        self.path.snapshot(IN_PORT)
    }
}

/// The way to the right, once both are known.
fn hop(path: &FastPath) -> Hop {
    until("the ways to both", || {
        path.hop(LEFT)?;
        path.hop(RIGHT)
    })
}

/// Forwards from the left to the right on that way.
fn install(path: &FastPath, hop: Hop, rtp: Option<Rewrite>) {
    let flow = Flow {
        peer: SocketAddrV4::new(LEFT, LEFT_PORT),
        from: SocketAddrV4::new(MIDDLE_RIGHT, OUT_PORT),
        to: SocketAddrV4::new(RIGHT, RIGHT_PORT),
        hop,
        rtp,
    };
    let seed = Seed { now_ns: monotonic_ns(), highest: 0x1_0000 + 99, ..Seed::default() };
    path.install(local(), &flow, &seed).unwrap();
}

fn local() -> SocketAddrV4 {
    SocketAddrV4::new(MIDDLE_LEFT, IN_PORT)
}

fn open(testbed: &Testbed, mode: Mode) -> FastPath {
    open_for(testbed, mode, PORTS)
}

fn open_for(testbed: &Testbed, mode: Mode, ports: RangeInclusive<u16>) -> FastPath {
    let pins = testbed.pins().to_owned();
    let address = Ipv4Addr::UNSPECIFIED;
    let idle = Duration::from_secs(60);
    let options = Options { mode, pins, address, ports, idle };
    let opened = testbed.enter(Side::Middle, move || FastPath::open(options));
    opened.join().unwrap().unwrap().unwrap()
}

fn bind(testbed: &Testbed, side: Side, address: SocketAddrV4) -> UdpSocket {
    let socket = testbed.enter(side, move || UdpSocket::bind(address)).join().unwrap();
    let socket = socket.unwrap().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2_000];
    let (length, from) = socket.recv_from(&mut buffer).expect("a packet in time");
    (buffer[..length].to_vec(), from)
}

/// True if nothing is waiting.
fn is_empty(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).unwrap();
    let result = socket.recv(&mut [0; 2_000]);
    socket.set_nonblocking(false).unwrap();
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let (_sender, nothing) = std::sync::mpsc::channel::<()>();
    for _ in 0..20_000 {
        if let Some(found) = attempt() {
            return found;
        }
        let _ = nothing.recv_timeout(Duration::from_millis(1));
    }
    panic!("never came: {what}");
}

fn rtp(payload: u8, sequence: u16, ssrc: u32, length: usize) -> Vec<u8> {
    let mut packet = vec![0x80, payload];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..length).map(|at| (at as u8).wrapping_mul(31).wrapping_add(sequence as u8)));
    packet
}

const REWRITE: Rewrite = Rewrite {
    ssrc: 7,
    sent_ssrc: 0x1234_5678,
    sequence_delta: 1_000,
    time_delta: 77,
    clock_hz: 8_000,
    payloads: [Some((0, 8)), Some((101, 96)), None, None],
};

/// What becomes of a packet by `REWRITE`.
fn rewritten(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let payload = if packet[1] & 0x7f == 0 { 8 } else { 96 };
    packet[1] = packet[1] & 0x80 | payload;
    let sequence = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(1_000);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    let time = u32::from_be_bytes(packet[4..8].try_into().unwrap()).wrapping_add(77);
    packet[4..8].copy_from_slice(&time.to_be_bytes());
    packet[8..12].copy_from_slice(&0x1234_5678u32.to_be_bytes());
    packet
}

fn packets_arrive_rewritten(scene: &Scene) {
    scene.install(Some(REWRITE));
    packets_arrive(scene, &scene.path);
}

/// ... by what was installed there.
fn packets_arrive(scene: &Scene, path: &FastPath) {
    let mut bytes = 0;
    for number in 0..500u16 {
        let payload = if number % 10 == 0 { 101 } else { 0 };
        let packet = rtp(payload, 100 + number, 7, usize::from(number) * 2 + 1);
        bytes += packet.len() as u64;
        scene.say(&packet);
        assert_eq!(scene.heard(), rewritten(&packet), "packet {number}");
    }
    let counted = path.snapshot(IN_PORT);
    assert_eq!((counted.packets, counted.bytes), (500, bytes));
    assert_eq!((counted.highest, counted.late, counted.repeated), (0x1_0000 + 599, 0, 0));
    assert!(is_empty(&scene.user), "user space saw a packet that the kernel forwarded");
    assert!(is_empty(&scene.right));
}

#[test]
fn xdp_forwards_every_payload_intact_and_counts_what_was_sent() {
    let Some(scene) = Scene::new(Mode::Xdp, true) else { return };
    assert!(scene.hop().hooks.xdp && !scene.hop().hooks.tc, "{:?}", scene.path.status());
    packets_arrive_rewritten(&scene);
}

#[test]
fn tc_forwards_every_payload_intact_and_counts_what_was_sent() {
    let Some(scene) = Scene::new(Mode::Tc, true) else { return };
    assert!(!scene.hop().hooks.xdp && scene.hop().hooks.tc, "{:?}", scene.path.status());
    packets_arrive_rewritten(&scene);
}

/// A veth peer without NAPI takes nothing from XDP, and local senders leave checksums to it.
#[test]
fn auto_takes_tc_where_xdp_would_lose_packets() {
    let Some(scene) = Scene::new(Mode::Auto, false) else { return };
    assert!(scene.hop().hooks.tc, "{:?}", scene.path.status());
    packets_arrive_rewritten(&scene);
}

#[test]
fn auto_takes_tc_on_veth_even_where_xdp_would_do() {
    let Some(scene) = Scene::new(Mode::Auto, true) else { return };
    let Hop { hooks, is_xdp, is_peer, .. } = scene.hop();
    assert_eq!((hooks.xdp, hooks.tc, is_xdp, is_peer), (false, true, false, true));
    packets_arrive_rewritten(&scene);
}

/// What leaves by a device of another kind, or by a veth within the namespace, takes the device's
/// own queue.
#[test]
fn tc_sends_through_the_device_where_there_is_no_other_end_to_hand_it_to() {
    let Some(scene) = Scene::new(Mode::Tc, true) else { return };
    install(&scene.path, Hop { is_peer: false, ..scene.hop() }, Some(REWRITE));
    packets_arrive(&scene, &scene.path);
}

/// Its neighbour is one that an administrator wrote down: it stays so.
#[test]
fn the_other_end_of_a_veth_in_the_same_namespace_is_handed_nothing() {
    let Some(scene) = Scene::new(Mode::Tc, false) else { return };
    let middle = scene.testbed.namespace(Side::Middle);
    let far = Ipv4Addr::new(10, 74, 0, 2);
    for line in [
        "link add near type veth peer name far",
        "addr add 10.74.0.1/24 dev near",
        "link set near up",
        "link set far up",
        "neigh add 10.74.0.2 lladdr 02:00:00:00:00:01 dev near",
    ] {
        let words = ["-n", &middle].into_iter().chain(line.split(' '));
        assert!(Command::new("ip").args(words).status().unwrap().success(), "{line}");
    }
    let hop = until("the way", || scene.path.hop(far));
    assert_eq!((hop.is_peer, hop.to_mac), (false, [2, 0, 0, 0, 0, 1]));
    let neighbour =
        Command::new("ip").args(["-n", &middle, "neigh", "show", "dev", "near"]).output();
    let neighbour = String::from_utf8(neighbour.unwrap().stdout).unwrap();
    assert!(neighbour.contains("10.74.0.2") && neighbour.contains("PERMANENT"), "{neighbour}");
}

#[test]
fn packets_with_unfinished_checksums_are_left_to_tc() {
    let Some(scene) = Scene::new(Mode::Xdp, true) else { return };
    let left = scene.testbed.namespace(Side::Left);
    let words = ["netns", "exec", &left, "ethtool", "-K", "phones", "tx", "on"];
    assert!(Command::new("ip").args(words).output().unwrap().status.success());
    let at_tc = open_for(&scene.testbed, Mode::Tc, *PORTS.start() - 2..=*PORTS.end());
    install(&at_tc, hop(&at_tc), Some(REWRITE));
    scene.install(Some(REWRITE));
    assert!(scene.hop().is_xdp);
    packets_arrive(&scene, &at_tc);
    assert_eq!(scene.snapshot().packets, 0);
    at_tc.close();
}

/// The one's complement sum of octets, padded to whole words.
fn sum(octets: &[u8]) -> u32 {
    let words = octets.chunks(2).map(|pair| {
        u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]))
    });
    words.fold(0, |sum, word| (sum + word) % 0xffff)
}

/// One whole checksum in 65,536 is equal to the sum of the pseudo header, which is what a local
/// sender leaves in place of an unfinished one.
#[test]
fn a_checksum_that_only_looks_unfinished_is_no_hindrance() {
    let Some(scene) = Scene::new(Mode::Xdp, true) else { return };
    scene.install(Some(REWRITE));
    for (number, length) in [(100, 160), (101, 161), (102, 2)] {
        let mut packet = rtp(0, number, 7, length);
        let octets = u16::try_from(packet.len() + 8).unwrap().to_be_bytes();
        let addresses = [LEFT.octets(), MIDDLE_LEFT.octets()].concat();
        let pseudo = sum(&[&addresses[..], &[0, 17], &octets].concat());
        let ports = [LEFT_PORT.to_be_bytes(), IN_PORT.to_be_bytes()].concat();
        let rest = sum(&[&ports[..], &octets].concat());
        // The checksum is the complement of everything: pseudo = !(pseudo + rest + packet).
        let wanted = (2 * 0xffff - 2 * pseudo % 0xffff + 0xffff - rest) % 0xffff;
        let found = (0..=u16::MAX).find(|word| {
            packet[12..14].copy_from_slice(&word.to_be_bytes());
            sum(&packet) == wanted
        });
        assert!(found.is_some());
        scene.say(&packet);
        assert_eq!(scene.heard(), rewritten(&packet));
    }
    assert!(is_empty(&scene.user));
    assert_eq!(scene.snapshot().packets, 3);
}

#[test]
fn what_the_kernel_does_not_know_goes_to_user_space_untouched() {
    let Some(scene) = Scene::new(Mode::Auto, true) else { return };
    scene.install(Some(REWRITE));
    let stranger = bind(&scene.testbed, Side::Left, SocketAddrV4::new(LEFT, LEFT_PORT + 1));
    let good = rtp(0, 100, 7, 160);
    let odd = [
        rtp(9, 100, 7, 160),                  // a payload type that was not agreed
        rtp(0, 100, 8, 160),                  // another SSRC
        rtp(0, 30_000, 7, 160),               // a jump in the numbering
        [&[0xa0][..], &good[1..]].concat(),   // padding
        [&[0x8f][..], &good[1..13]].concat(), // CSRCs that are not there
        vec![0x81, 200, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0], // RTCP
        b"short".to_vec(),
        vec![],
    ];
    for packet in &odd {
        scene.say(packet);
        assert_eq!(&receive(&scene.user).0, packet);
    }
    stranger.send_to(&good, local()).unwrap();
    assert_eq!(receive(&scene.user).0, good);
    assert_eq!(scene.snapshot().packets, 0);
    scene.say(&good);
    assert_eq!(scene.heard(), rewritten(&good));
    assert_eq!(scene.snapshot().packets, 1);
}

#[test]
fn loss_lateness_and_repetition_are_counted() {
    let Some(scene) = Scene::new(Mode::Auto, true) else { return };
    scene.install(Some(REWRITE));
    for sequence in [100, 101, 104, 103, 104, 105] {
        scene.say(&rtp(0, sequence, 7, 160));
        scene.heard();
    }
    let counted = scene.snapshot();
    assert_eq!((counted.packets, counted.highest), (6, 0x1_0000 + 105));
    assert_eq!((counted.late, counted.repeated), (1, 1));
    assert_eq!(counted.last_time, 105 * 160);
}

#[test]
fn a_stream_that_is_taken_back_is_heard_in_user_space_again() {
    let Some(scene) = Scene::new(Mode::Auto, true) else { return };
    scene.install(Some(REWRITE));
    let packet = rtp(0, 100, 7, 160);
    scene.say(&packet);
    scene.heard();
    assert_eq!(scene.path.status().flows, 1);
    scene.path.remove(local());
    scene.say(&packet);
    assert_eq!(receive(&scene.user).0, packet);
    assert_eq!(scene.path.status().flows, 0);
}

#[test]
fn datagrams_that_are_not_rtp_pass_as_they_are() {
    let Some(scene) = Scene::new(Mode::Auto, true) else { return };
    scene.install(None);
    let packet = b"UDPTL is anything at all".to_vec();
    scene.say(&packet);
    assert_eq!(scene.heard(), packet);
    assert_eq!(scene.snapshot().packets, 1);
}

#[test]
fn an_expired_stream_is_not_forwarded() {
    let Some(scene) = Scene::new(Mode::Auto, true) else { return };
    let flow = Flow {
        peer: SocketAddrV4::new(LEFT, LEFT_PORT),
        from: SocketAddrV4::new(MIDDLE_RIGHT, OUT_PORT),
        to: SocketAddrV4::new(RIGHT, RIGHT_PORT),
        hop: scene.hop(),
        rtp: Some(REWRITE),
    };
    let now_ns = monotonic_ns().saturating_sub(61_000_000_000);
    let seed = Seed { now_ns, highest: 0x1_0000 + 99, ..Seed::default() };
    scene.path.install(local(), &flow, &seed).unwrap();
    let packet = rtp(0, 100, 7, 160);
    scene.say(&packet);
    assert_eq!(receive(&scene.user).0, packet);
}

#[test]
fn streams_go_on_when_their_process_has_gone_and_the_next_one_takes_them_over() {
    let Some(mut scene) = Scene::new(Mode::Auto, true) else { return };
    scene.install(Some(REWRITE));
    // Not closed: what a killed process leaves behind, seen from the kernel.
    scene.path = Arc::new(open(&scene.testbed, Mode::Auto));
    let packet = rtp(0, 100, 7, 160);
    scene.say(&packet);
    assert_eq!(scene.heard(), rewritten(&packet));
    let status = scene.path.status();
    assert_eq!((status.flows, status.orphans, status.unpinned), (0, 1, None));
    assert!(scene.path.is_orphaned(IN_PORT) && !scene.path.is_orphaned(OUT_PORT));
    // A start that fails, before anything was forwarded, leaves them to the next one.
    scene.path.close();
    let packet = rtp(0, 101, 7, 160);
    scene.say(&packet);
    assert_eq!(scene.heard(), rewritten(&packet));
    scene.path = Arc::new(open(&scene.testbed, Mode::Auto));
    assert_eq!(scene.path.status().orphans, 1);
    // An orderly end takes them out with its own.
    let back = Flow {
        peer: SocketAddrV4::new(RIGHT, RIGHT_PORT),
        from: local(),
        to: SocketAddrV4::new(LEFT, LEFT_PORT),
        hop: scene.hop(),
        rtp: Some(REWRITE),
    };
    let seed = Seed { now_ns: monotonic_ns(), ..Seed::default() };
    scene.path.install(SocketAddrV4::new(MIDDLE_RIGHT, OUT_PORT), &back, &seed).unwrap();
    scene.path.close();
    let packet = rtp(0, 102, 7, 160);
    scene.say(&packet);
    assert_eq!(receive(&scene.user).0, packet);
    assert_eq!(folders(&scene.testbed), Vec::<String>::new());
}

/// Whose pins there are.
fn folders(testbed: &Testbed) -> Vec<String> {
    let entries = std::fs::read_dir(testbed.pins()).unwrap().flatten();
    let entries = entries.filter(|entry| entry.path().is_dir());
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn other_ports_after_a_crash_are_no_hindrance_and_what_was_left_goes_on_until_it_is_silent() {
    let Some(scene) = Scene::new(Mode::Xdp, true) else { return };
    let Scene { testbed, left, right, path, .. } = scene;
    path.close();
    let former = 20_000..=20_063;
    let crashed = open_for(&testbed, Mode::Xdp, former.clone());
    install(&crashed, hop(&crashed), Some(REWRITE));
    drop(crashed);
    // A lower end, another beginning, a higher end: each finds room, and ends nothing.
    for (number, ports) in [20_000..=20_001, 19_000..=19_999, 20_000..=29_999].iter().enumerate() {
        let next = open_for(&testbed, Mode::Xdp, ports.clone());
        assert_eq!((next.status().orphans, next.status().unpinned), (1, None));
        assert!(next.is_orphaned(IN_PORT) && !next.is_orphaned(OUT_PORT));
        assert!(!hop(&next).hooks.xdp, "the interface is the other one's: {:?}", next.status());
        let packet = rtp(0, 100 + u16::try_from(number).unwrap(), 7, 160);
        left.send_to(&packet, local()).unwrap();
        assert_eq!(receive(&right).0, rewritten(&packet));
        assert_eq!(folders(&testbed).len(), 2);
        next.close();
        assert_eq!(folders(&testbed).len(), 1);
    }
    // It has a second to live.
    let crashed = open_for(&testbed, Mode::Xdp, former);
    let flow = Flow {
        peer: SocketAddrV4::new(LEFT, LEFT_PORT),
        from: SocketAddrV4::new(MIDDLE_RIGHT, OUT_PORT),
        to: SocketAddrV4::new(RIGHT, RIGHT_PORT),
        hop: hop(&crashed),
        rtp: Some(REWRITE),
    };
    let now_ns = monotonic_ns().saturating_sub(59_000_000_000);
    crashed.install(local(), &flow, &Seed { now_ns, ..Seed::default() }).unwrap();
    drop(crashed);
    let next = open_for(&testbed, Mode::Xdp, 20_000..=29_999);
    until("silence, and the interface", || {
        (hop(&next).hooks.xdp && next.status().orphans == 0).then_some(())
    });
    assert!(!next.is_orphaned(IN_PORT));
    assert_eq!(folders(&testbed).len(), 1);
    next.close();
    assert_eq!(folders(&testbed), Vec::<String>::new());
}

#[test]
fn nobody_takes_the_pins_of_a_living_process_away() {
    let Some(scene) = Scene::new(Mode::Auto, true) else { return };
    let before = folders(&scene.testbed);
    assert_eq!(before.len(), 1);
    // One of other ports, then one more of the same, which cannot come to anything.
    let neighbour = open_for(&scene.testbed, Mode::Auto, 30_000..=30_099);
    assert_eq!(folders(&scene.testbed).len(), 2);
    neighbour.close();
    let double = open(&scene.testbed, Mode::Auto);
    double.close();
    assert_eq!(folders(&scene.testbed), before);
    // It outlives its process as ever.
    scene.install(Some(REWRITE));
    let Scene { testbed, left, right, path, .. } = scene;
    drop((path, double));
    let packet = rtp(0, 100, 7, 160);
    left.send_to(&packet, local()).unwrap();
    assert_eq!(receive(&right).0, rewritten(&packet));
    assert_eq!(open(&testbed, Mode::Auto).status().orphans, 1);
}

/// Timestamps say when packets were sent, so that a busy machine makes no jitter; each comes again
/// 10 ms later, which says nothing of the next one's way (RFC 3550 A.8).
#[test]
fn packets_that_come_twice_make_no_jitter() {
    let Some(scene) = Scene::new(Mode::Auto, true) else { return };
    scene.install(Some(REWRITE));
    let (_sender, nothing) = std::sync::mpsc::channel::<()>();
    let mut number = 0;
    until("little jitter", || {
        number += 1;
        assert!(number < 1_000, "{:?}", scene.snapshot());
        let mut packet = rtp(0, 99 + number, 7, 160);
        let time = u32::try_from((monotonic_ns() / 125_000) & 0xffff_ffff).unwrap();
        packet[4..8].copy_from_slice(&time.to_be_bytes());
        for _ in 0..2 {
            scene.say(&packet);
            assert_eq!(scene.heard(), rewritten(&packet));
            let _ = nothing.recv_timeout(Duration::from_millis(10));
        }
        let jitter_ms = (scene.snapshot().jitter >> 4) / 8;
        (number > 50 && jitter_ms < 3).then_some(())
    });
    assert_eq!(scene.snapshot().repeated, u32::from(number));
}

#[test]
fn loopback_is_left_alone() {
    let options = Options {
        mode: Mode::Auto,
        pins: std::env::temp_dir(),
        address: Ipv4Addr::LOCALHOST,
        ports: PORTS,
        idle: PATIENCE,
    };
    let refusal = FastPath::open(options).err().unwrap();
    assert!(matches!(refusal, FastPathError::Loopback(_)), "{refusal}");
}
