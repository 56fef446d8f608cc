//! OPTIONS to the switch all the time: how long it takes until it answers.
//!
//! What the kernel kept the switch's threads, or this one, waiting for a CPU is not the switch's: it is
//! read from `/proc/PID/task/*/schedstat` around each probe and taken off.

use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::load::{Report, now, rest};

/// Between two probes.
const RHYTHM: Duration = Duration::from_millis(50);
/// An answer that takes longer is a stall.
const STALL: Duration = Duration::from_millis(100);
/// An answer that takes longer is none.
const LOST: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Answers {
    /// In microseconds: as it took, and without the wait for a CPU.
    raw_us: Vec<u32>,
    net_us: Vec<u32>,
    lost: u64,
}

/// The thread that asks.
pub(super) struct Probe(JoinHandle<Answers>);

impl Probe {
    pub(super) fn start(
        switch: SocketAddr,
        pid: u32,
        is_over: Arc<AtomicBool>,
    ) -> Result<Probe, Box<dyn Error>> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(switch)?;
        socket.set_read_timeout(Some(LOST))?;
        let address = socket.local_addr()?;
        let thread = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
            let mut answers = Answers::default();
            let mut serial = 0_u64;
            while !is_over.load(Ordering::Relaxed) {
                serial += 1;
                let before = waited(pid);
                let start = now();
                let branch = format!("z9hG4bKprobe{serial}");
                if !ask(&socket, switch, address, &branch) {
                    answers.lost += 1;
                    continue;
                }
                let took = start.elapsed();
                let kept = waited(pid).saturating_sub(before);
                let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
                answers.raw_us.push(micros(took));
                answers.net_us.push(micros(took.saturating_sub(kept)));
                rest(RHYTHM);
            }
            answers
        })?;
        Ok(Probe(thread))
    }

    pub(super) fn finish(self, report: &mut Report) -> Result<(), Box<dyn Error>> {
        let mut answers = self.0.join().map_err(|_| "the probe panicked")?;
        let text = |times: &mut Vec<u32>| {
            times.sort_unstable();
            let at = |share: f64| {
                let index = ((times.len() as f64 * share) as usize).min(times.len() - 1);
                f64::from(times.get(index).copied().unwrap_or_default()) / 1000.0
            };
            format!("{:.2} ms, 99.9 % {:.1} ms, longest {:.1} ms", at(0.5), at(0.999), at(1.0))
        };
        if answers.raw_us.is_empty() {
            report.fault("OPTIONS was never answered".to_owned());
            return Ok(());
        }
        let count = format!("{} answers, {} lost", answers.raw_us.len(), answers.lost);
        report.row("OPTIONS answered in", &text(&mut answers.raw_us), &count);
        let stalls = answers.net_us.iter().filter(|us| u128::from(**us) > STALL.as_micros());
        let stalls = stalls.count();
        report.row("without the wait for a CPU", &text(&mut answers.net_us), "");
        report.row("stalls of more than 100 ms", &stalls.to_string(), "");
        if stalls > 0 || answers.lost > 0 {
            report.fault(format!("{stalls} stalls, {} OPTIONS unanswered", answers.lost));
        }
        Ok(())
    }
}

/// Sends OPTIONS and waits for the answer to it.
fn ask(socket: &UdpSocket, switch: SocketAddr, own: SocketAddr, branch: &str) -> bool {
    let text = format!(
        "OPTIONS sip:{switch} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch={branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:probe@{own}>;tag=p\r\nTo: <sip:{switch}>\r\n\
         Call-ID: {branch}@probe\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    if socket.send(text.as_bytes()).is_err() {
        return false;
    }
    let mut buffer = [0; 4096];
    while let Ok(length) = socket.recv(&mut buffer) {
        let answer = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        if answer.contains(branch) && !answer.starts_with("SIP/2.0 1") {
            return true;
        }
    }
    false
}

/// How long the threads that take part in an answer have waited for a CPU so far: the second number
/// of schedstat, of the threads that read SIP, of the exchange's, and of this one.
fn waited(pid: u32) -> Duration {
    let of = |path: &std::path::Path| {
        let text = fs::read_to_string(path).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let is_on_path = |folder: &std::path::Path| {
        let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
        name.starts_with("strowger-exch") || name.starts_with("strowger-sip")
    };
    let folders = tasks.map(|task| task.path()).filter(|folder| is_on_path(folder));
    let theirs = folders.filter_map(|folder| of(&folder.join("schedstat"))).sum::<u64>();
    let own = of(std::path::Path::new("/proc/thread-self/schedstat")).unwrap_or_default();
    Duration::from_nanos(theirs + own)
}
