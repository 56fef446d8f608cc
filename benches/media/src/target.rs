//! What is measured: our relay, rtpengine, or nothing between the phones.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::place::Place;
use crate::relay::pause;
use crate::trial::Trial;
use crate::{Outcome, bencode};

/// Where rtpengine takes commands: no port of either relay's range.
const NG: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7_622);
/// How long an answer of rtpengine may take, and how long its start.
const PATIENCE: Duration = Duration::from_secs(2);
const STARTS_MAX: usize = 100;

/// Begins the word for a trial.
pub(crate) const TRIAL: &str = "trial-";

/// Who relays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The phones send to each other.
    Nobody,
    /// The media crate, with its ports led to one socket where that can be had.
    Ours,
    /// The media crate with a socket for each port.
    OursBound,
    /// The media crate through the kernel, the program at tc.
    Tc,
    /// ... in the driver.
    Xdp,
    /// ... wherever the relay finds best.
    Auto,
    /// rtpengine in user space.
    Rtpengine,
    /// A way to receive and send, by itself.
    Trial(Trial),
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Nobody => "no relay",
            Kind::Ours => "strowger",
            Kind::OursBound => "strowger, socket per port",
            Kind::Tc => "strowger kernel, tc",
            Kind::Xdp => "strowger kernel, XDP",
            Kind::Auto => "strowger kernel",
            Kind::Rtpengine => "rtpengine",
            Kind::Trial(trial) => trial.name(),
        }
    }

    /// True if the kernel is to forward its packets.
    pub(crate) fn is_kernel(&self) -> bool {
        matches!(self, Kind::Tc | Kind::Xdp | Kind::Auto)
    }
}

/// What a relay of ours says that it has done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Packets that it received on all streams.
    pub(crate) packets: u64,
    /// Those of them that the kernel forwarded.
    pub(crate) by_kernel: u64,
    /// Streams that the kernel forwards now.
    pub(crate) streams: u64,
    /// How often the kernel ran the program while it kept statistics, and for how long.
    pub(crate) runs: u64,
    pub(crate) run_ns: u64,
}

impl Tally {
    fn read(line: &str) -> Option<Self> {
        let words: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        let [packets, by_kernel, streams, runs, run_ns] = words.ok()?.try_into().ok()?;
        Some(Self { packets, by_kernel, streams, runs, run_ns })
    }

    /// What was done since then.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            packets: self.packets - before.packets,
            by_kernel: self.by_kernel - before.by_kernel,
            streams: self.streams,
            runs: self.runs - before.runs,
            run_ns: self.run_ns - before.run_ns,
        }
    }
}

/// A running relay; it ends with the value.
pub(crate) struct Target {
    control: Control,
    /// Ports of the calls made so far: of the left phone, of the right one.
    pub(crate) calls: Vec<[SocketAddrV4; 2]>,
}

enum Control {
    Nobody,
    Ours { child: Child, input: ChildStdin, output: BufReader<ChildStdout> },
    Rtpengine { child: Child, socket: UdpSocket },
}

/// True if rtpengine is installed.
pub(crate) fn has_rtpengine() -> bool {
    let mut version = Command::new("rtpengine");
    let tried = version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    tried.status().is_ok_and(|status| status.success())
}

impl Target {
    pub(crate) fn start(kind: Kind, place: &Place) -> Outcome<Self> {
        let control = match kind {
            Kind::Nobody => Control::Nobody,
            Kind::Ours => start_ours(place, "steered")?,
            Kind::OursBound => start_ours(place, "bound")?,
            Kind::Tc => start_ours(place, "tc")?,
            Kind::Xdp => start_ours(place, "xdp")?,
            Kind::Auto => start_ours(place, "auto")?,
            Kind::Rtpengine => start_rtpengine(place)?,
            Kind::Trial(trial) => start_ours(place, &format!("{TRIAL}{}", trial.way()))?,
        };
        Ok(Self { control, calls: Vec::new() })
    }

    pub(crate) fn process(&self) -> Option<u32> {
        match &self.control {
            Control::Nobody => None,
            Control::Ours { child, .. } | Control::Rtpengine { child, .. } => Some(child.id()),
        }
    }

    /// What the relay counted; `None` for those that are not asked.
    pub(crate) fn count(&mut self) -> Outcome<Option<Tally>> {
        let Control::Ours { input, output, .. } = &mut self.control else { return Ok(None) };
        writeln!(input, "count")?;
        let mut line = String::new();
        output.read_line(&mut line)?;
        Ok(Some(Tally::read(&line).ok_or_else(|| format!("not counted: {line}"))?))
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) -> Outcome<()> {
        if let Control::Ours { child, .. } | Control::Rtpengine { child, .. } = &mut self.control {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Makes one more call between two phones.
    pub(crate) fn call(&mut self, phones: [SocketAddrV4; 2], place: &Place) -> Outcome<()> {
        let number = self.calls.len();
        let ports = match &mut self.control {
            Control::Nobody => {
                // Each sends to the other.
                self.calls.push([phones[1], phones[0]]);
                return Ok(());
            }
            Control::Ours { input, output, .. } => {
                writeln!(input, "call {} {}", phones[0], phones[1])?;
                let mut line = String::new();
                output.read_line(&mut line)?;
                let ports: Result<Vec<u16>, _> = line.trim().split(' ').map(str::parse).collect();
                <[u16; 2]>::try_from(ports.map_err(|_| format!("no call {number}: {line}"))?)
                    .map_err(|_| "the relay ended")?
            }
            Control::Rtpengine { socket, .. } => {
                let offered = negotiate(socket, number, "offer", phones[0], place)?;
                let answered = negotiate(socket, number, "answer", phones[1], place)?;
                [answered, offered]
            }
        };
        let at = |side: usize| SocketAddrV4::new(place.relay[side], ports[side]);
        self.calls.push([at(0), at(1)]);
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It has ended, or ends now.
        let _ = self.kill();
    }
}

fn start_ours(place: &Place, way: &str) -> Outcome<Control> {
    let me = std::env::current_exe()?.display().to_string();
    let pins = match way {
        "steered" | "bound" => String::new(),
        way if way.starts_with(TRIAL) => String::new(),
        _ => place.pins()?.display().to_string(),
    };
    let mut command = place.command(&[&me, "relay", &place.bind.to_string(), way, &pins]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let input = child.stdin.take().ok_or("no input")?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    match line.split_once(' ') {
        Some(("ready", _)) => Ok(Control::Ours { child, input, output }),
        _ => Err("the relay did not start".into()),
    }
}

fn start_rtpengine(place: &Place) -> Outcome<Control> {
    let interfaces: Vec<String> = match place.relay {
        [left, right] if left == right => vec![format!("--interface={left}")],
        [left, right] => {
            vec![format!("--interface=left/{left}"), format!("--interface=right/{right}")]
        }
    };
    let listen = format!("--listen-ng={NG}");
    let mut words = vec!["rtpengine", "--foreground", "--log-stderr", "--log-level=2"];
    words.extend([
        "--table=-1",
        "--num-threads=1",
        "--port-min=34000",
        "--port-max=57999",
        &listen,
    ]);
    words.extend(["--config-file=none", "--timeout=3600", "--delete-delay=0"]);
    words.extend(interfaces.iter().map(String::as_str));
    let child = place.command(&words).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let socket = place.middle_socket()?;
    socket.connect(NG)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let control = Control::Rtpengine { child, socket };
    let Control::Rtpengine { socket, .. } = &control else { return Ok(control) };
    let mut buffer = [0; 512];
    for _ in 0..STARTS_MAX {
        let asked = socket.send(b"0 d7:command4:pinge");
        if asked.is_ok() && socket.recv(&mut buffer).is_ok() {
            socket.set_read_timeout(Some(PATIENCE))?;
            return Ok(control);
        }
        pause(Duration::from_millis(50));
    }
    drop(Target { control, calls: Vec::new() });
    Err("rtpengine did not start".into())
}

/// One half of offer and answer; gives the port that the other phone sends to.
fn negotiate(
    socket: &UdpSocket,
    number: usize,
    command: &str,
    phone: SocketAddrV4,
    place: &Place,
) -> Outcome<u16> {
    let (host, port) = (phone.ip(), phone.port());
    let sdp = format!(
        "v=0\r\no=- {number} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n"
    );
    let mut entries = BTreeMap::from([
        ("command", command.to_owned()),
        ("call-id", format!("call-{number}")),
        ("from-tag", "left".to_owned()),
        ("ICE", "remove".to_owned()),
        ("sdp", sdp),
    ]);
    if command == "answer" {
        entries.insert("to-tag", "right".to_owned());
    }
    let text = bencode::dictionary(&entries);
    let text = match place.relay {
        [left, right] if left == right => text,
        // A list is what it wants here; the dictionary need not be sorted.
        _ if command == "offer" => text.replacen('d', "d9:directionl4:left5:righte", 1),
        _ => text,
    };
    let cookie = format!("{command}{number}");
    socket.send(format!("{cookie} {text}").as_bytes())?;
    let mut buffer = [0; 4_096];
    let length = socket.recv(&mut buffer)?;
    let answer = std::str::from_utf8(&buffer[..length])?;
    let body = answer.strip_prefix(&cookie).map(str::trim_start).and_then(bencode::strings);
    let sdp = body.as_ref().and_then(|body| body.get("sdp")).ok_or_else(|| answer.to_owned())?;
    let media = sdp.lines().find_map(|line| line.strip_prefix("m=audio ")).ok_or("no m=")?;
    Ok(media.split(' ').next().ok_or("no port")?.parse()?)
}
