//! The relay between network namespaces: without a relay, through the kernel (XDP, tc), through user
//! space; the same streams each time. Needs root.
//!
//! `kernel_path [calls] [seconds]` prints CPU for each packet and what the program itself took;
//! `kernel_path kill [calls] [seconds]` kills the relay with SIGKILL and counts what is lost;
//! `kernel_path flood [calls] [seconds]` sends as fast as the generator can.
//!
//! CPU is that of this process (generator, relay, and the kernel's work in their context) and of the
//! kernel's ksoftirqd threads, by the scheduler's clock, so that other programs of the machine are
//! left out.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fastpath::testbed::{
    DIRECT_LEFT, DIRECT_RIGHT, LEFT, MIDDLE_LEFT, MIDDLE_RIGHT, RIGHT, Side, Testbed,
};
use media::rtp::{Header, RtpTime, Seq, Ssrc};
use media::{
    FastPathConfig, FastPathMode, MediaConfig, MediaPlane, PayloadMap, Relay, RelayControl,
    StreamSpec, Watcher,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Sockets that play the phones of one side.
const PHONES: usize = 32;
/// The streams of a frame are sent in so many portions.
const PORTIONS: usize = 20;
const FRAME: Duration = Duration::from_millis(20);
const FIRST_PORT: u16 = 30_000;
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default: usize| words.get(at).map_or(Ok(default), |word| word.parse::<usize>());
    match words.first().map(String::as_str) {
        Some("child") => child(number(1, 0)?, Path::new(words.get(2).ok_or("no folder")?)),
        Some("kill") => kill(number(1, 100)?, number(2, 30)?),
        Some("flood") => flood(number(1, 500)?, number(2, 5)?),
        _ => compare(number(0, 500)?, number(1, 10)?),
    }
}

/// All ways in one run.
fn compare(calls: usize, seconds: usize) -> Outcome<()> {
    println!("{calls} calls, {} packets/s, {seconds} s each; load average {}", calls * 100, load());
    let bare = measure(None, calls, seconds)?;
    println!("{:<12} {}", "no relay", bare.text(None));
    let modes = [
        ("kernel, XDP", FastPathMode::Xdp),
        ("kernel, tc", FastPathMode::Tc),
        ("user space", FastPathMode::Off),
    ];
    for (name, mode) in modes {
        let with = measure(Some(mode), calls, seconds)?;
        println!("{name:<12} {}", with.text(Some(&bare)));
    }
    println!("load average {}", load());
    Ok(())
}

#[derive(Default)]
struct Measured {
    sent: u64,
    heard: u64,
    wrong: u64,
    cpu: Duration,
    kernel_percent: u64,
    /// Of the program itself.
    run: Option<(u64, Duration)>,
}

impl Measured {
    fn each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.heard.max(1) as f64
    }

    fn text(&self, bare: Option<&Self>) -> String {
        let above = bare.map_or(String::new(), |bare| {
            format!("  above none {:6.2} us", self.each() - bare.each())
        });
        let run = self.run.map_or(String::new(), |(count, time)| {
            format!("  program {:.3} us", time.as_secs_f64() * 1e6 / count.max(1) as f64)
        });
        format!(
            "sent {} heard {} wrong {}  CPU {:6.2} us/packet{above}{run}  by the kernel {} %",
            self.sent,
            self.heard,
            self.wrong,
            self.each(),
            self.kernel_percent,
        )
    }
}

fn measure(mode: Option<FastPathMode>, calls: usize, seconds: usize) -> Outcome<Measured> {
    let testbed = Testbed::new()?;
    testbed.make_native()?;
    testbed.join()?;
    let relay = match mode {
        Some(mode) => Some(start(&testbed, mode, calls)?),
        None => None,
    };
    let ports = relay.as_ref().map(|(_, _, ports)| ports.clone());
    let mut load = Load::new(&testbed, calls, ports.as_deref())?;
    let watcher = relay.as_ref().map(|(_, watcher, _)| watcher);
    load.settle(watcher, mode)?;
    fs::write(STATISTICS, "1")?;
    let (cpu, sent, heard) = (cpu()?, load.sent, load.heard);
    let runs_before = watcher.map(runs);
    let packets = watcher.map(Watcher::read);
    for _ in 0..seconds * 50 {
        load.frame(true)?;
    }
    load.drain()?;
    let runs_after = watcher.map(runs);
    fs::write(STATISTICS, "0")?;
    let runs = runs_before.zip(runs_after);
    let run = runs.map(|(before, after)| (after.0 - before.0, after.1 - before.1));
    let kernel_percent = packets.zip(watcher.map(Watcher::read)).map_or(0, |(before, after)| {
        let kernel = after.kernel_packets - before.kernel_packets;
        let user = after.user_packets - before.user_packets;
        (kernel * 100).checked_div(kernel + user).unwrap_or_default()
    });
    Ok(Measured {
        sent: load.sent - sent,
        heard: load.heard - heard,
        wrong: load.wrong,
        cpu: self::cpu()?.saturating_sub(cpu),
        kernel_percent,
        run: run.filter(|(count, _)| *count > 0),
    })
}

/// Sends as fast as it can; nothing may be lost all the same.
fn flood(calls: usize, seconds: usize) -> Outcome<()> {
    for (name, mode) in [("kernel, XDP", FastPathMode::Xdp), ("kernel, tc", FastPathMode::Tc)] {
        let testbed = Testbed::new()?;
        testbed.make_native()?;
        let (_control, watcher, ports) = start(&testbed, mode, calls)?;
        let mut load = Load::new(&testbed, calls, Some(&ports))?;
        load.settle(Some(&watcher), Some(mode))?;
        let (sent, heard, start) = (load.sent, load.heard, now());
        while start.elapsed() < Duration::from_secs(u64::try_from(seconds)?) {
            load.frame(false)?;
        }
        let elapsed = start.elapsed().as_secs_f64();
        load.drain()?;
        let (sent, heard) = (load.sent - sent, load.heard - heard);
        println!(
            "{name:<12} {:.0} packets/s  sent {sent} lost {} wrong {}",
            heard as f64 / elapsed,
            sent - heard,
            load.wrong,
        );
    }
    Ok(())
}

/// SIGKILL while calls are up.
fn kill(calls: usize, seconds: usize) -> Outcome<()> {
    let testbed = Testbed::new()?;
    testbed.make_native()?;
    let child = Command::new("ip")
        .args(["netns", "exec", &testbed.namespace(Side::Middle)])
        .arg(std::env::current_exe()?)
        .args(["child", &calls.to_string(), &testbed.pins().display().to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut child = Killed(child);
    let mut lines = BufReader::new(child.0.stdout.take().ok_or("no output")?).lines();
    let mut line = || -> Outcome<String> { Ok(lines.next().ok_or("the relay ended")??) };
    let ports: Result<Vec<u16>, _> = line()?.split(' ').map(str::parse).collect();
    let mut load = Load::new(&testbed, calls, Some(&ports?))?;
    while line()?.parse::<usize>()? < calls * 2 {
        load.frame(true)?;
    }
    load.drain()?;
    let (sent, heard) = (load.sent, load.heard);
    child.0.kill()?;
    child.0.wait()?;
    for _ in 0..seconds * 50 {
        load.frame(true)?;
    }
    load.drain()?;
    let (sent, heard) = (load.sent - sent, load.heard - heard);
    let lost = sent - heard;
    println!(
        "{calls} calls, {seconds} s after SIGKILL: sent {sent} lost {lost} wrong {}",
        load.wrong
    );
    Ok(())
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The relay that is killed: names its ports, then counts its streams in the kernel.
fn child(calls: usize, pins: &Path) -> Outcome<()> {
    let (_control, watcher, ports) = serve(config(FastPathMode::Xdp, pins.to_owned()), calls)?;
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    println!("{}", ports.join(" "));
    loop {
        println!("{}", watcher.read().kernel_streams);
        std::io::stdout().flush()?;
        pause(FRAME);
    }
}

type Served = (RelayControl, Watcher, Vec<u16>);

fn config(mode: FastPathMode, pins: PathBuf) -> MediaConfig {
    MediaConfig {
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        fast_path: FastPathConfig { mode, pins },
        ..MediaConfig::default()
    }
}

fn start(testbed: &Testbed, mode: FastPathMode, calls: usize) -> Outcome<Served> {
    let config = config(mode, testbed.pins().to_owned());
    let served = testbed
        .enter(Side::Middle, move || serve(config, calls).map_err(|error| error.to_string()));
    Ok(served.join().map_err(|_| "the relay panicked")???)
}

/// A relay with its calls; the ports of left and right in turn.
fn serve(config: MediaConfig, calls: usize) -> Outcome<Served> {
    let (mut control, _notices) = Relay::start(config)?;
    let watcher = control.watcher();
    let mut ports = Vec::new();
    for call in 0..calls {
        let mut add = |host: Ipv4Addr| -> Outcome<_> {
            let made = control.add(1)?;
            let remote = Some(SocketAddr::from((host, phone_port(call)?)));
            let spec = StreamSpec { remote, accept: vec![8], ..StreamSpec::default() };
            control.modify(made.id, 0, spec);
            ports.push(made.streams[0].rtp);
            Ok(made.id)
        };
        let (left, right) = (add(LEFT)?, add(RIGHT)?);
        let same = PayloadMap::identity;
        control.connect((left, 0), (right, 0), same(), same());
    }
    Ok((control, watcher, ports))
}

fn phone_port(call: usize) -> Outcome<u16> {
    Ok(FIRST_PORT + u16::try_from(call % PHONES)?)
}

struct Load {
    /// Of the left, then of the right.
    phones: [Vec<UdpSocket>; 2],
    /// Where each stream is sent to: left and right of a call in turn.
    targets: Vec<SocketAddr>,
    sequence: u16,
    next: Instant,
    sent: u64,
    heard: u64,
    wrong: u64,
}

impl Load {
    /// With the relay's ports, or straight to the other side.
    fn new(testbed: &Testbed, calls: usize, ports: Option<&[u16]>) -> Outcome<Self> {
        let hosts = if ports.is_some() { [LEFT, RIGHT] } else { [DIRECT_LEFT, DIRECT_RIGHT] };
        let bind = |side, host: Ipv4Addr| -> Outcome<Vec<UdpSocket>> {
            let bound = testbed.enter(side, move || {
                (0..PHONES)
                    .map(|phone| {
                        let phone = u16::try_from(phone).unwrap_or_default();
                        let socket = UdpSocket::bind((host, FIRST_PORT + phone))?;
                        socket.set_nonblocking(true)?;
                        Ok(socket)
                    })
                    .collect::<std::io::Result<Vec<_>>>()
            });
            Ok(bound.join().map_err(|_| "binding panicked")???)
        };
        let phones = [bind(Side::Left, hosts[0])?, bind(Side::Right, hosts[1])?];
        let relays = [MIDDLE_LEFT, MIDDLE_RIGHT];
        let targets = (0..calls * 2).map(|stream| {
            Ok(match ports {
                Some(ports) => SocketAddr::from((relays[stream % 2], ports[stream])),
                None => SocketAddr::from((hosts[(stream + 1) % 2], phone_port(stream / 2)?)),
            })
        });
        let targets = targets.collect::<Outcome<Vec<_>>>()?;
        Ok(Self { phones, targets, sequence: 0, next: now(), sent: 0, heard: 0, wrong: 0 })
    }

    /// Talks until everything is where it belongs.
    fn settle(&mut self, watcher: Option<&Watcher>, mode: Option<FastPathMode>) -> Outcome<()> {
        let is_kernel = !matches!(mode, None | Some(FastPathMode::Off));
        for frame in 0..1_000 {
            self.frame(true)?;
            let streams = watcher.map_or(0, |watcher| watcher.read().kernel_streams);
            if frame > 50 && (!is_kernel || streams == u64::try_from(self.targets.len())?) {
                return self.drain();
            }
        }
        Err(format!("it never settled: {:?}", watcher.map(Watcher::read)).into())
    }

    /// One packet on every stream, in the rhythm of 20 ms or as fast as can be.
    fn frame(&mut self, is_paced: bool) -> Outcome<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = [0u8; 172];
        for portion in 0..PORTIONS {
            for (stream, to) in self.targets.iter().enumerate().skip(portion).step_by(PORTIONS) {
                let ssrc = u32::try_from(stream)?;
                packet.fill(fill(ssrc, self.sequence));
                let header = Header {
                    payload: 8,
                    is_marked: false,
                    sequence: Seq(self.sequence),
                    timestamp: RtpTime(u32::from(self.sequence) * 160),
                    ssrc: Ssrc(ssrc),
                };
                header.write(&mut packet);
                self.phones[stream % 2][stream / 2 % PHONES].send_to(&packet, to)?;
                self.sent += 1;
            }
            if is_paced {
                self.next += FRAME / u32::try_from(PORTIONS)?;
                pause(self.next.saturating_duration_since(now()));
            }
            self.listen();
        }
        Ok(())
    }

    fn listen(&mut self) {
        let mut buffer = [0u8; 200];
        for phone in self.phones.iter().flatten() {
            while let Ok(length) = phone.recv(&mut buffer) {
                self.heard += 1;
                let packet = &buffer[..length];
                let is_right = Header::read(packet).is_some_and(|header| {
                    let expected = fill(header.ssrc.0, header.sequence.0);
                    packet.len() == 172 && packet[12..].iter().all(|octet| *octet == expected)
                });
                self.wrong += u64::from(!is_right);
            }
        }
    }

    /// Waits for what is still on its way.
    fn drain(&mut self) -> Outcome<()> {
        for _ in 0..100 {
            pause(FRAME);
            self.listen();
            if self.heard == self.sent {
                break;
            }
        }
        self.next = now();
        Ok(())
    }
}

fn fill(ssrc: u32, sequence: u16) -> u8 {
    let [a, b, ..] = ssrc.to_le_bytes();
    let [c, d] = sequence.to_le_bytes();
    a ^ b.wrapping_mul(7) ^ c ^ d.wrapping_mul(13)
}

fn runs(watcher: &Watcher) -> (u64, Duration) {
    let sum = |(count, time): (u64, Duration), (_, more, longer): (_, u64, Duration)| {
        (count + more, time + longer)
    };
    watcher.run_times().into_iter().fold((0, Duration::ZERO), sum)
}

/// CPU time of this process and of ksoftirqd.
fn cpu() -> Outcome<Duration> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task")?.flatten() {
        nanoseconds += ran(&thread.path());
    }
    for process in fs::read_dir("/proc")?.flatten() {
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        if name.starts_with("ksoftirqd/") {
            nanoseconds += ran(&process.path());
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn ran(task: &Path) -> u64 {
    let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default()
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a load generator has a rhythm")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a load generator has a rhythm")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
