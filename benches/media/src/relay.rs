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

use crate::Outcome;
use crate::usage::{descriptors, memory};

/// Longer than pairs rest and wait for the next call.
const REST: Duration = Duration::from_secs(9);
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

/// Sets calls up and tears them down, again and again; says how fast, and what stays.
/// With `rests` pairs are closed after each time, so that every time opens them anew.
pub(crate) fn cycles(calls: usize, rounds: usize, is_steered: bool, rests: bool) -> Outcome<()> {
    let me = std::process::id();
    println!("memory of the process without a relay: {} KiB", memory(me)? >> 10);
    let (mut relay, _notices) =
        Relay::start(config(Ipv4Addr::LOCALHOST, is_steered, user_space()))?;
    if let Some(reason) = relay.report().steering_off.filter(|_| is_steered) {
        println!("a socket for each port: {reason}");
    }
    println!("with a relay: {} KiB\n", memory(me)? >> 10);
    rest(&mut relay);
    println!(
        "| round of {calls} calls | set up | torn down | memory, up | memory, down | descriptors, up / down |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    println!("| before | | | | {} KiB | {} |", memory(me)? >> 10, descriptors(me)?);
    let peer = |number: usize| SocketAddr::from(([127, 0, 0, 1], 40_000 + (number % 999) as u16));
    for round in 1..=rounds {
        let start = now();
        let made = (0..calls).map(|number| call(&mut relay, peer(number), peer(number + 1)));
        let made = made.collect::<Outcome<Vec<_>>>()?;
        let up = start.elapsed().as_secs_f64();
        let (memory_up, descriptors_up) = (memory(me)?, descriptors(me)?);
        let start = now();
        for id in made.iter().flat_map(|(ids, _)| ids) {
            relay.subtract(*id);
        }
        let down = start.elapsed().as_secs_f64();
        drop(made);
        // Freed pairs rest for a second.
        pause(Duration::from_millis(1_100));
        if rests {
            rest(&mut relay);
        }
        println!(
            "| {round} | {:.0}/s | {:.0}/s | {} KiB | {} KiB | {descriptors_up} / {} |",
            calls as f64 / up,
            calls as f64 / down,
            memory_up >> 10,
            memory(me)? >> 10,
            descriptors(me)?,
        );
    }
    rest(&mut relay);
    println!("| after a rest | | | | {} KiB | {} |", memory(me)? >> 10, descriptors(me)?);
    Ok(())
}

unsafe extern "C" {
    /// As the switch does at quiet times: what is free goes back to the system.
    safe fn mi_collect(force: bool);
}

/// Does what the switch does each second, until everything that can be closed is.
fn rest(relay: &mut RelayControl) {
    for _ in 0..REST.as_secs() {
        pause(Duration::from_secs(1));
        while relay.tidy() {}
        mi_collect(true);
    }
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
