//! The media crate as a process of its own, obeying lines on its standard input; this is what the
//! generator puts in the place of rtpengine.
//!
//! `call A B` makes a call between two peers and answers the ports they send to; `count` says how many
//! packets all streams received, how many streams the kernel forwards, and how often its program ran
//! for how long. The end of the input ends the relay.

#![expect(unsafe_code, reason = "a function of the allocator, which is written in C")]

use std::io::{BufRead, Write, stdin, stdout};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use media::{
    FastPathConfig, FastPathMode, MediaConfig, MediaPlane, PayloadMap, PortSteering, Relay,
    RelayControl, StreamSpec, TerminationId,
};

use crate::target::TRIAL;
use crate::usage::Holding;
use crate::{Outcome, trial};

/// Longer than pairs rest and wait for the next call.
const REST: Duration = Duration::from_secs(9);
/// What a process may hold more at rest after a load (SEC-103), unless a tenth is more.
const MORE_MAX: u64 = 32 << 20;
/// Ports for 6,000 calls, above those that the system gives to others by itself on no machine.
const PORTS: RangeInclusive<u16> = 8_000..=31_999;

fn config(address: Ipv4Addr, is_steered: bool, fast_path: FastPathConfig) -> MediaConfig {
    MediaConfig {
        port_steering: if is_steered { PortSteering::Auto } else { PortSteering::Off },
        address: IpAddr::V4(address),
        ports: PORTS,
        quarantine: Duration::from_secs(1),
        fast_path,
        ..MediaConfig::default()
    }
}

fn user_space() -> FastPathConfig {
    FastPathConfig { mode: FastPathMode::Off, ..FastPathConfig::default() }
}

/// Serves until its input ends: `bound`, `steered`, or through the kernel by `tc`, `xdp` or `auto`.
pub(crate) fn serve(address: Ipv4Addr, way: &str, pins: PathBuf) -> Outcome<()> {
    if let Some(trial) = way.strip_prefix(TRIAL) {
        return trial::serve(address, trial);
    }
    let kernel = |mode| FastPathConfig { mode, pins };
    let fast_path = match way {
        "tc" => kernel(FastPathMode::Tc),
        "xdp" => kernel(FastPathMode::Xdp),
        "auto" => kernel(FastPathMode::Auto),
        _ => user_space(),
    };
    let is_user_space = fast_path.mode == FastPathMode::Off;
    let is_steered = way != "bound";
    let (mut relay, _notices) = Relay::start(config(address, is_steered, fast_path))?;
    let report = relay.report();
    if let Some(reason) = report.steering_off.filter(|_| is_steered) {
        eprintln!("strowger: a socket for each port: {reason}");
    }
    if let Some(reason) = report.kernel_off.filter(|_| !is_user_space) {
        eprintln!("strowger: nothing through the kernel: {reason}");
    }
    let mut ids = Vec::new();
    let mut output = stdout().lock();
    writeln!(output, "ready {}", relay.config().address)?;
    for line in stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["call", a, b] => {
                let (made, ports) = call(&mut relay, a.parse()?, b.parse()?)?;
                ids.extend(made);
                writeln!(output, "{} {}", ports[0], ports[1])?;
            }
            ["count"] => writeln!(output, "{}", count(&relay, &ids))?,
            _ => return Err(format!("{line} is unknown").into()),
        }
    }
    Ok(())
}

/// Packets received; of these by the kernel; streams there; runs of its program, nanoseconds.
fn count(relay: &RelayControl, ids: &[TerminationId]) -> String {
    let (mut packets, mut by_kernel) = (0, 0);
    let statistics = ids.iter().filter_map(|id| relay.statistics(*id));
    for stream in statistics.flat_map(|termination| termination.streams) {
        packets += stream.received.packets;
        by_kernel += stream.received.kernel_packets;
    }
    let streams = relay.report().kernel_streams;
    let (mut runs, mut time) = (0, Duration::ZERO);
    for (_, more, longer) in relay.watcher().run_times() {
        runs += more;
        time += longer;
    }
    format!("{packets} {by_kernel} {streams} {runs} {}", time.as_nanos())
}

fn call(
    relay: &mut RelayControl,
    a: SocketAddr,
    b: SocketAddr,
) -> Outcome<([TerminationId; 2], [u16; 2])> {
    let mut add = |peer| -> Outcome<_> {
        let made = relay.add(1)?;
        let accept = vec![8, 101];
        let spec = StreamSpec { remote: Some(peer), accept, ..StreamSpec::default() };
        relay.modify(made.id, 0, spec);
        Ok((made.id, made.streams.first().ok_or("no stream")?.rtp))
    };
    let ((a, a_port), (b, b_port)) = (add(a)?, add(b)?);
    relay.connect((a, 0), (b, 0), PayloadMap::identity(), PayloadMap::identity());
    Ok(([a, b], [a_port, b_port]))
}

unsafe extern "C" {
    /// As the switch does at quiet times: what is free goes back to the system.
    safe fn mi_collect(force: bool);
}

fn give_back() {
    mi_collect(true);
}

/// Does what the switch does each second, until everything that can be closed is.
fn rest(relay: &mut RelayControl) -> Outcome<Holding> {
    for _ in 0..REST.as_secs() {
        pause(Duration::from_secs(1));
        while relay.tidy() {}
        give_back();
    }
    Holding::now()
}

/// Sets calls up and tears them down, again and again; says how fast, and what stays. There is a rest before
/// the first time, after it and after the last; with `rests` after each time, so that each opens pairs anew.
///
/// Errors: a relay that does not start; at the end more than SEC-103 allows.
pub(crate) fn cycles(calls: usize, rounds: usize, is_steered: bool, rests: bool) -> Outcome<()> {
    media::rest_threads_with(give_back);
    println!("memory of the process without a relay: {} KiB", Holding::now()?.memory >> 10);
    let (mut relay, _notices) =
        Relay::start(config(Ipv4Addr::LOCALHOST, is_steered, user_space()))?;
    if let Some(reason) = relay.report().steering_off.filter(|_| is_steered) {
        println!("a socket for each port: {reason}");
    }
    println!("with a relay: {} KiB\n", Holding::now()?.memory >> 10);
    let before = rest(&mut relay)?;
    println!(
        "| round of {calls} calls | set up | torn down | memory, up | descriptors, up | memory, down | descriptors, down |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut first = before;
    for round in 1..=rounds.max(1) {
        let line = cycle(&mut relay, calls)?;
        if rests || round == 1 {
            let rested = rest(&mut relay)?;
            first = if round == 1 { rested } else { first };
        }
        let down = Holding::now()?;
        println!("| {round} | {line} | {} KiB | {} |", down.memory >> 10, down.descriptors);
    }
    let last = rest(&mut relay)?;
    print_kept(rounds, before, first, last)
}

/// One time: how fast, and what the process held meanwhile.
fn cycle(relay: &mut RelayControl, calls: usize) -> Outcome<String> {
    let peer = |number: usize| SocketAddr::from(([127, 0, 0, 1], 40_000 + (number % 999) as u16));
    let start = now();
    let made = (0..calls).map(|number| call(relay, peer(number), peer(number + 1)));
    let made = made.collect::<Outcome<Vec<_>>>()?;
    let up = calls as f64 / start.elapsed().as_secs_f64();
    let holding = Holding::now()?;
    let start = now();
    for id in made.iter().flat_map(|(ids, _)| ids) {
        relay.subtract(*id);
    }
    let down = calls as f64 / start.elapsed().as_secs_f64();
    // Freed pairs rest for a second.
    pause(Duration::from_millis(1_100));
    let (memory, descriptors) = (holding.memory >> 10, holding.descriptors);
    Ok(format!("{up:.0}/s | {down:.0}/s | {memory} KiB | {descriptors}"))
}

/// What stays at rest, beside what there was before and after the first time.
fn print_kept(rounds: usize, before: Holding, first: Holding, last: Holding) -> Outcome<()> {
    println!("\n| at rest | memory | of it written | program, shared | descriptors |");
    println!("| --- | --- | --- | --- | --- |");
    let named = [("before", before), ("after the first round", first)];
    for (name, held) in named.into_iter().chain([("after the last", last)]) {
        println!(
            "| {name} | {} KiB | {} KiB | {} KiB | {} |",
            held.memory >> 10,
            held.written >> 10,
            held.mapped >> 10,
            held.descriptors,
        );
    }
    for (name, other) in [("the start", before), ("the first round", first)] {
        let more = |of: fn(&Holding) -> u64| (of(&last) as i64 - of(&other) as i64) / 1_024;
        println!(
            "| round {rounds} above {name} | {:+} KiB ({:+.1} %) | {:+} KiB | {:+} KiB | {:+} |",
            more(|held| held.memory),
            (last.memory as f64 / other.memory as f64 - 1.0) * 100.0,
            more(|held| held.written),
            more(|held| held.mapped),
            last.descriptors as i64 - other.descriptors as i64,
        );
    }
    let allowed = (before.memory / 10).max(MORE_MAX);
    let is_back = last.memory <= before.memory + allowed && last.descriptors == before.descriptors;
    println!("\nback to the start, within 10 % or 32 MiB, descriptors exactly: {is_back}");
    if is_back { Ok(()) } else { Err("more stays than may".into()) }
}

/// The clock of the generator's rhythm.
#[expect(clippy::disallowed_methods, reason = "a load generator has a rhythm")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Rests until the next portion.
#[expect(clippy::disallowed_methods, reason = "a load generator has a rhythm")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
