//! What happens while a stream is on its way to the kernel.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use fastpath::testbed::{LEFT, MIDDLE_LEFT, MIDDLE_RIGHT, RIGHT, Side, Testbed};

use super::lock;
use crate::context::Key;
use crate::control::{FastPathConfig, MediaConfig, MediaPlane, PayloadMap, StreamSpec};
use crate::recording::{Format, Recording, Voices};
use crate::relay::Relay;
use crate::rtp::{Header, RtpTime, Seq, Ssrc};

/// Longer than anything here takes, even on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Says which stream is about to be handed over, and waits for leave.
static HELD: Mutex<Option<(Sender<Key>, Receiver<()>)>> = Mutex::new(None);

/// The next stream that all is agreed of and nothing is installed of waits here, if a test wants it.
pub(super) fn hold(key: Key) {
    let held = lock(&HELD).take();
    if let Some((reached, leave)) = held {
        let _ = reached.send(key);
        let _ = leave.recv_timeout(PATIENCE);
    }
}

/// A phone that talks with another of its kind.
struct Phone {
    socket: UdpSocket,
    relay: SocketAddr,
    sequence: u16,
}

impl Phone {
    fn new(testbed: &Testbed, side: Side) -> Self {
        let ip = if side == Side::Left { LEFT } else { RIGHT };
        let socket = testbed.enter(side, move || UdpSocket::bind((ip, 0))).join().unwrap();
        let socket = socket.unwrap().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, relay: SocketAddr::from((MIDDLE_LEFT, 0)), sequence: 0 }
    }

    fn say(&mut self) {
        self.sequence += 1;
        let mut packet = [0; 172];
        let header = Header {
            payload: 0,
            is_marked: false,
            sequence: Seq(self.sequence),
            timestamp: RtpTime(u32::from(self.sequence) * 160),
            ssrc: Ssrc(7),
        };
        header.write(&mut packet);
        self.socket.send_to(&packet, self.relay).unwrap();
    }

    /// Hears all that the other one has said so far, from packet `heard` on.
    fn hear(&self, other: &Self, heard: u16) {
        for _ in heard..other.sequence {
            self.socket.recv(&mut [0; 200]).unwrap();
        }
    }
}

#[test]
fn a_recording_that_begins_while_a_stream_is_on_its_way_to_the_kernel_keeps_it_in_user_space() {
    let testbed = match Testbed::new().and_then(|testbed| testbed.make_native().map(|()| testbed)) {
        Ok(testbed) => testbed,
        Err(reason) => {
            eprintln!("SKIPPED: no network namespaces: {reason}");
            return;
        }
    };
    let config = MediaConfig {
        address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        ports: 20_000..=20_199,
        fast_path: FastPathConfig { pins: testbed.pins().to_owned(), ..FastPathConfig::default() },
        ..MediaConfig::default()
    };
    let (mut control, _notices) =
        testbed.enter(Side::Middle, move || Relay::start(config)).join().unwrap().unwrap().unwrap();
    let watcher = control.watcher();
    assert_eq!(watcher.read().kernel_off, None);
    let (mut left, mut right) =
        (Phone::new(&testbed, Side::Left), Phone::new(&testbed, Side::Right));
    let (a, b) = (control.add(1).unwrap(), control.add(1).unwrap());
    for (phone, made, ip) in [(&mut left, &a, MIDDLE_LEFT), (&mut right, &b, MIDDLE_RIGHT)] {
        phone.relay = SocketAddr::from((ip, made.streams[0].rtp));
        let remote = Some(phone.socket.local_addr().unwrap());
        control.modify(made.id, 0, StreamSpec { remote, accept: vec![0], ..StreamSpec::default() });
    }
    control.connect((a.id, 0), (b.id, 0), PayloadMap::identity(), PayloadMap::identity());

    let (reached, is_reached) = channel();
    let (leave, may_leave) = channel();
    *lock(&HELD) = Some((reached, may_leave));
    let mut held = None;
    for _ in 0..2_000 {
        left.say();
        right.say();
        held = is_reached.recv_timeout(Duration::from_millis(5)).ok();
        if held.is_some() {
            break;
        }
    }
    let (id, stream) = held.expect("a stream on its way to the kernel");
    let folder = tempfile::tempdir().unwrap();
    let recording = Recording {
        ticket: 1,
        path: folder.path().join("call.pcap"),
        format: Format::Pcap,
        voices: Voices::default(),
        now_unix_ms: 1_700_000_000_000,
    };
    control.record(id, stream, recording).unwrap();
    leave.send(()).unwrap();
    // What was said has come through; so its stream is where it shall be.
    left.hear(&right, 0);
    right.hear(&left, 0);
    for _ in 0..20 {
        let before = (left.sequence, right.sequence);
        left.say();
        right.say();
        right.hear(&left, before.0);
        left.hear(&right, before.1);
        assert_eq!(watcher.read().kernel_streams, 0, "what is said passes the recording by");
    }
}
