//! Calls whose media the kernel forwards, between network namespaces.

#![cfg(feature = "xdp")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]

#[path = "common/ports.rs"]
mod ports;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use fastpath::testbed::{LEFT, MIDDLE_LEFT, MIDDLE_RIGHT, RIGHT, Side, Testbed};
use media::rtp::{Header, RtpTime, Seq, Ssrc};
use media::{
    DirectionStatistics, FastPathConfig, FastPathMode, MediaConfig, MediaPlane, MemberCodec,
    Notify, PayloadMap, Relay, RelayControl, RelayReport, StreamPorts, StreamSpec, TerminationId,
    Tone, Treatment, Watcher,
};

/// Longer than anything here takes, even on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn testbed() -> Option<Testbed> {
    let testbed = Testbed::new().and_then(|testbed| testbed.make_native().map(|()| testbed));
    testbed.inspect_err(|reason| eprintln!("SKIPPED: no network namespaces: {reason}")).ok()
}

fn config(pins: &Path) -> MediaConfig {
    MediaConfig {
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ports: 20_000..=20_999,
        quarantine: Duration::ZERO,
        fast_path: FastPathConfig { mode: FastPathMode::Auto, pins: pins.to_owned() },
        ..MediaConfig::default()
    }
}

fn start(testbed: &Testbed, config: MediaConfig) -> (RelayControl, Receiver<Notify>) {
    let started = testbed.enter(Side::Middle, move || Relay::start(config));
    started.join().unwrap().unwrap().unwrap()
}

fn bind(testbed: &Testbed, side: Side, port: u16) -> UdpSocket {
    let ip = if side == Side::Left { LEFT } else { RIGHT };
    let socket = testbed.enter(side, move || UdpSocket::bind((ip, port))).join().unwrap();
    let socket = socket.unwrap().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn pause(milliseconds: u64) {
    let (_sender, nothing) = channel::<()>();
    let _ = nothing.recv_timeout(Duration::from_millis(milliseconds));
}

/// A party; its packets carry their own number in the payload.
struct Phone {
    socket: UdpSocket,
    /// The relay's port for it.
    relay: SocketAddr,
    ssrc: u32,
    sequence: u16,
    sent: u64,
    heard: u64,
}

const VOICE: u8 = 8;
const EVENT: u8 = 101;

impl Phone {
    fn new(testbed: &Testbed, side: Side, ssrc: u32) -> Self {
        let relay = SocketAddr::from((MIDDLE_LEFT, 0));
        let socket = bind(testbed, side, 0);
        Self { socket, relay, ssrc, sequence: 65_500, sent: 0, heard: 0 }
    }

    fn spec(&self) -> StreamSpec {
        StreamSpec {
            remote: Some(self.socket.local_addr().unwrap()),
            accept: vec![VOICE, 0, EVENT],
            telephone_event: Some(EVENT),
            sdp_changed: true,
            ..StreamSpec::default()
        }
    }

    fn packet(&mut self, payload: u8) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![self.sequence.to_be_bytes()[1]; 172];
        let header = Header {
            payload,
            is_marked: false,
            sequence: Seq(self.sequence),
            timestamp: RtpTime(u32::from(self.sequence) * 160),
            ssrc: Ssrc(self.ssrc),
        };
        header.write(&mut packet);
        packet
    }

    fn say(&mut self, packet: &[u8]) {
        self.socket.send_to(packet, self.relay).unwrap();
        self.sent += 1;
    }

    fn hear(&mut self) -> Vec<u8> {
        let mut buffer = [0; 2_000];
        let length = self.socket.recv(&mut buffer).expect("a packet in time");
        self.heard += 1;
        buffer[..length].to_vec()
    }
}

/// Two parties in a call.
struct Call {
    control: RelayControl,
    notices: Receiver<Notify>,
    watcher: Watcher,
    left: Phone,
    right: Phone,
    left_id: TerminationId,
    right_id: TerminationId,
    // Last: the relay ends before its namespace.
    _testbed: Testbed,
}

impl Call {
    fn new() -> Option<Self> {
        Self::with(|config| config)
    }

    fn with(change: impl FnOnce(MediaConfig) -> MediaConfig) -> Option<Self> {
        let testbed = testbed()?;
        let (mut control, notices) = start(&testbed, change(config(testbed.pins())));
        let watcher = control.watcher();
        assert_eq!(watcher.read().kernel_off, None);
        let mut left = Phone::new(&testbed, Side::Left, 0xa);
        let mut right = Phone::new(&testbed, Side::Right, 0xb);
        let (at_left, at_right) = (control.add(1).unwrap(), control.add(1).unwrap());
        left.relay = SocketAddr::from((MIDDLE_LEFT, at_left.streams[0].rtp));
        right.relay = SocketAddr::from((MIDDLE_RIGHT, at_right.streams[0].rtp));
        control.modify(at_left.id, 0, left.spec());
        control.modify(at_right.id, 0, right.spec());
        let same = PayloadMap::identity;
        control.connect((at_left.id, 0), (at_right.id, 0), same(), same());
        let (left_id, right_id) = (at_left.id, at_right.id);
        Some(Self { control, notices, watcher, left, right, left_id, right_id, _testbed: testbed })
    }

    fn report(&self) -> RelayReport {
        self.watcher.read()
    }

    /// The left says something that the right hears, intact but for what `expected` changes.
    fn left_to_right(&mut self, payload: u8) -> Header {
        let packet = self.left.packet(payload);
        self.left.say(&packet);
        let heard = self.right.hear();
        assert_eq!(heard[12..], packet[12..], "{:?}", Header::read(&heard));
        Header::read(&heard).unwrap()
    }

    fn right_to_left(&mut self, payload: u8) -> Header {
        let packet = self.right.packet(payload);
        self.right.say(&packet);
        let heard = self.left.hear();
        assert_eq!(heard[12..], packet[12..]);
        Header::read(&heard).unwrap()
    }

    /// Both talk until the kernel forwards both.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            self.left_to_right(VOICE);
            self.right_to_left(VOICE);
            if self.report().kernel_streams == 2 {
                return;
            }
            pause(2);
        }
        panic!("the kernel never took over: {:?}", self.report());
    }

    /// Packets that user space forwarded, once every packet so far is counted.
    fn user_packets(&self) -> u64 {
        let said = self.left.sent + self.right.sent;
        until("every packet counted", || {
            // The kernel's counters are read when somebody asks.
            let ids = [self.left_id, self.right_id];
            assert!(ids.iter().all(|id| self.control.statistics(*id).is_some()));
            let report = self.report();
            report.user_packets + report.kernel_packets == said
        });
        self.report().user_packets
    }

    fn received(&self, id: TerminationId) -> DirectionStatistics {
        self.control.statistics(id).unwrap().streams[0].received
    }
}

#[test]
fn a_call_moves_to_the_kernel_and_every_packet_is_counted_once() {
    let Some(mut call) = Call::new() else { return };
    call.settle();
    let before = call.user_packets();
    for _ in 0..300 {
        call.left_to_right(VOICE);
        call.right_to_left(VOICE);
    }
    assert_eq!(call.received(call.left_id).packets, call.left.sent);
    assert_eq!(call.user_packets(), before, "user space forwarded something");
    let left = call.control.subtract(call.left_id).streams[0];
    let right = call.control.subtract(call.right_id).streams[0];
    assert_eq!((left.received.packets, left.sent.packets), (call.left.sent, call.left.heard));
    assert_eq!((right.received.packets, right.sent.packets), (call.right.sent, call.right.heard));
    assert_eq!(left.received.bytes, call.left.sent * 172);
    assert_eq!((left.received.lost, left.received.late, left.received.dropped.total()), (0, 0, 0));
    assert!(left.received.kernel_packets >= 300 && left.sent.kernel_packets >= 300);
    let end = call.report();
    assert_eq!(end.kernel_streams, 0);
    assert_eq!(end.user_packets + end.kernel_packets, call.left.sent + call.right.sent);
}

#[test]
fn keys_are_heard_while_the_kernel_forwards_the_voice() {
    let Some(mut call) = Call::new() else { return };
    call.settle();
    for (is_over, duration) in [(false, 160u16), (false, 320), (true, 480), (true, 480)] {
        let mut packet = call.left.packet(EVENT);
        packet.truncate(16);
        packet[12..14].copy_from_slice(&[5, if is_over { 0x8a } else { 0x0a }]);
        packet[14..16].copy_from_slice(&duration.to_be_bytes());
        // One timestamp for the whole key.
        packet[4..8].copy_from_slice(&77u32.to_be_bytes());
        call.left.say(&packet);
        assert_eq!(call.right.hear(), packet);
    }
    let digit = std::iter::from_fn(|| call.notices.recv_timeout(PATIENCE).ok())
        .find(|notice| matches!(notice, Notify::Digit { .. }));
    assert!(matches!(digit, Some(Notify::Digit { digit: '5', .. })), "{digit:?}");
    assert_eq!(call.report().kernel_streams, 2);
    let before = call.user_packets();
    for _ in 0..20 {
        call.left_to_right(VOICE);
    }
    assert_eq!(call.user_packets(), before);
    let left = call.control.subtract(call.left_id).streams[0].received;
    assert_eq!((left.packets, left.lost, left.late), (call.left.sent, 0, 0));
}

#[test]
fn a_party_whose_first_packet_from_another_port_is_a_key_is_heard_and_sent_media_there() {
    let Some(mut call) = Call::new() else { return };
    call.settle();
    // Longer than a peer has to be silent before its NAT may have moved it.
    pause(3_200);
    call.left.socket = bind(&call._testbed, Side::Left, 0);
    let mut packet = call.left.packet(EVENT);
    packet.truncate(16);
    packet[12..].copy_from_slice(&[5, 0x0a, 0, 160]);
    call.left.say(&packet);
    assert_eq!(call.right.hear(), packet);
    for _ in 0..20 {
        call.right_to_left(VOICE);
        call.left_to_right(VOICE);
    }
}

#[test]
fn loss_on_the_way_to_the_kernel_is_counted_as_anywhere() {
    let Some(mut call) = Call::new() else { return };
    call.settle();
    for number in 0..100 {
        if number % 10 == 0 {
            call.left.packet(VOICE);
        }
        call.left_to_right(VOICE);
    }
    assert_eq!(call.received(call.left_id).lost, 10);
    // ... and once the worker has taken it in.
    call.control.disconnect(call.left_id, 0);
    until("back in user space", || call.report().kernel_streams == 0);
    assert_eq!(call.received(call.left_id).lost, 10);
}

#[test]
fn a_treatment_goes_on_where_the_kernel_stopped_and_the_kernel_goes_on_after_it() {
    let Some(mut call) = Call::new() else { return };
    call.settle();
    let last = call.left_to_right(VOICE);
    call.control.treat(call.right_id, 0, Treatment::Tone(Tone::Ringback, MemberCodec::PCMA));
    let first = Header::read(&call.right.hear()).unwrap();
    assert_eq!((first.ssrc, first.sequence), (last.ssrc, last.sequence.plus(1)));
    assert!(first.is_marked);
    let packet = call.left.packet(VOICE);
    call.left.say(&packet);
    let next = Header::read(&call.right.hear()).unwrap();
    assert_eq!(next.sequence, first.sequence.plus(1));
    call.control.treat(call.right_id, 0, Treatment::None);
    // Whatever of the tone is still on its way, then the voice in the same stream.
    let mut heard = next.sequence;
    for _ in 0..2_000 {
        let packet = call.left.packet(VOICE);
        call.left.say(&packet);
        let header = Header::read(&call.right.hear()).unwrap();
        assert_eq!((header.ssrc, header.sequence), (last.ssrc, heard.plus(1)));
        heard = header.sequence;
        call.right_to_left(VOICE);
        if call.report().kernel_streams == 2 {
            return;
        }
        pause(2);
    }
    panic!("the kernel never took over again: {:?}", call.report());
}

#[test]
fn another_codec_and_another_source_are_followed() {
    let Some(mut call) = Call::new() else { return };
    call.settle();
    let last = call.left_to_right(0);
    assert_eq!(last.payload, 0);
    call.left.ssrc = 0xc;
    call.left.sequence = 7;
    let next = call.left_to_right(VOICE);
    assert_eq!((next.ssrc, next.sequence), (last.ssrc, last.sequence.plus(1)));
    call.settle();
    let before = call.user_packets();
    let after = call.left_to_right(VOICE);
    assert_eq!(after.ssrc, last.ssrc);
    assert_eq!(call.user_packets(), before);
}

#[test]
fn a_call_that_the_kernel_forwards_does_not_time_out_and_a_silent_one_does() {
    let timeout = Duration::from_secs(3);
    let Some(mut call) = Call::with(|config| MediaConfig { timeout, ..config }) else { return };
    call.settle();
    let user = call.user_packets();
    for _ in 0..250 {
        call.left_to_right(VOICE);
        call.right_to_left(VOICE);
        pause(20);
    }
    assert_eq!(call.user_packets(), user);
    let mut notices = call.notices.try_iter();
    assert!(notices.all(|notice| matches!(notice, Notify::Latched { .. })));
    let silent = std::iter::from_fn(|| call.notices.recv_timeout(PATIENCE).ok())
        .find(|notice| matches!(notice, Notify::Timeout { .. }));
    assert!(silent.is_some());
}

#[test]
fn loopback_stays_in_user_space_and_the_report_says_so() {
    let config = MediaConfig { ports: ports::draw(64), ..MediaConfig::default() };
    let (control, _notices) = Relay::start(config).unwrap();
    let off = control.watcher().read().kernel_off.unwrap();
    assert!(off.contains("loopback"), "{off}");
}

#[test]
fn without_the_right_everything_stays_in_user_space_and_the_report_says_so() {
    let Some(testbed) = testbed() else { return };
    let middle = testbed.namespace(Side::Middle);
    let program = std::env::current_exe().unwrap();
    let words = ["netns", "exec", &middle, "setpriv", "--reuid=65534", "--regid=65534"];
    let child = Command::new("ip")
        .args(words)
        .args(["--clear-groups", "--bounding-set=-all", "--inh-caps=-all"])
        .arg(program)
        .args(["--ignored", "--exact", "--nocapture", "child_without_rights"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    if !said.contains("OFF ") {
        eprintln!("SKIPPED: nobody cannot run here: {}", String::from_utf8_lossy(&child.stderr));
        return;
    }
    assert!(said.contains("CAP_BPF"), "{said}");
    assert!(said.contains("BOUND Some("), "{said}");
}

#[test]
#[ignore = "the other process of a test above"]
fn child_without_rights() {
    let (control, _notices) = Relay::start(config(Path::new("/sys/fs/bpf/none"))).unwrap();
    let report = control.watcher().read();
    println!("OFF {:?}", report.kernel_off);
    println!("BOUND {:?}", report.steering_off);
}

const CALLS: usize = 100;

/// The ports of the phones of call `call`.
fn phones(call: usize) -> (SocketAddr, SocketAddr) {
    let port = 30_000 + u16::try_from(call).unwrap();
    (SocketAddr::from((LEFT, port)), SocketAddr::from((RIGHT, port)))
}

#[test]
#[ignore = "the other process of a test below: a relay that is killed"]
fn child_relay() {
    let pins = std::env::var("PINS").unwrap();
    let (mut control, _notices) = Relay::start(config(Path::new(&pins))).unwrap();
    let watcher = control.watcher();
    for call in 0..CALLS {
        let (left, right) = phones(call);
        let mut add = |remote| {
            let made = control.add(1).unwrap();
            let spec = StreamSpec { remote: Some(remote), ..StreamSpec::default() };
            control.modify(made.id, 0, spec);
            made
        };
        let (at_left, at_right) = (add(left), add(right));
        let same = PayloadMap::identity;
        control.connect((at_left.id, 0), (at_right.id, 0), same(), same());
        let StreamPorts { rtp: left, .. } = at_left.streams[0];
        println!("\nCALL {left} {}", at_right.streams[0].rtp);
    }
    loop {
        println!("\nSTREAMS {}", watcher.read().kernel_streams);
        std::io::stdout().flush().unwrap();
        pause(50);
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn two_hundred_streams_go_on_when_the_process_is_killed_and_the_next_one_takes_them_over() {
    let Some(testbed) = testbed() else { return };
    let child = Command::new("ip")
        .args(["netns", "exec", &testbed.namespace(Side::Middle)])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "child_relay"])
        .env("PINS", testbed.pins())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut streams = Streams::default();
    while streams.count() < 2 * CALLS {
        let line = lines.next().expect("the relay runs");
        if let Some(ports) = line.strip_prefix("CALL ") {
            let (left, right) = ports.split_once(' ').unwrap();
            streams.add(&testbed, left.parse().unwrap(), right.parse().unwrap());
        }
    }
    let mut settled = false;
    for _ in 0..400 {
        streams.frame();
        let line = lines.by_ref().find_map(|line| line.strip_prefix("STREAMS ").map(str::to_owned));
        settled = line.unwrap() == (2 * CALLS).to_string();
        if settled {
            break;
        }
    }
    assert!(settled, "the kernel never took over");
    // SIGKILL.
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    for _ in 0..100 {
        streams.frame();
    }
    // A start that fails after the relay's: the calls go on.
    drop(start(&testbed, config(testbed.pins())));
    for _ in 0..20 {
        streams.frame();
    }
    let (control, _notices) = start(&testbed, config(testbed.pins()));
    let report = control.watcher().read();
    assert_eq!((report.kernel_streams, report.kernel_orphans), (0, 200), "{report:?}");
    for _ in 0..50 {
        streams.frame();
    }
}

/// The phones of many calls.
#[derive(Default)]
struct Streams {
    /// By stream: the phone, and where it sends to.
    phones: Vec<(UdpSocket, SocketAddr)>,
    sequence: u16,
}

impl Streams {
    fn count(&self) -> usize {
        self.phones.len()
    }

    fn add(&mut self, testbed: &Testbed, left: u16, right: u16) {
        let (at_left, at_right) = phones(self.count() / 2);
        let socket = bind(testbed, Side::Left, at_left.port());
        self.phones.push((socket, SocketAddr::from((MIDDLE_LEFT, left))));
        let socket = bind(testbed, Side::Right, at_right.port());
        self.phones.push((socket, SocketAddr::from((MIDDLE_RIGHT, right))));
    }

    /// One packet on every stream; each arrives at its other end, once and intact.
    fn frame(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut said = BTreeMap::new();
        for (stream, (socket, relay)) in self.phones.iter().enumerate() {
            let mut packet = vec![stream.to_be_bytes()[7] ^ self.sequence.to_be_bytes()[1]; 172];
            let header = Header {
                payload: VOICE,
                is_marked: false,
                sequence: Seq(self.sequence),
                timestamp: RtpTime(u32::from(self.sequence) * 160),
                ssrc: Ssrc(u32::try_from(stream).unwrap()),
            };
            header.write(&mut packet);
            socket.send_to(&packet, relay).unwrap();
            said.insert(stream ^ 1, packet);
        }
        for (stream, packet) in said {
            let mut buffer = [0; 2_000];
            let length = self.phones[stream].0.recv(&mut buffer).expect("a packet in time");
            assert_eq!(&buffer[..length], packet, "stream {stream}");
        }
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        pause(1);
    }
    panic!("never came: {what}");
}
