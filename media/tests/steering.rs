//! Many ports on one socket, and a socket for each where that cannot be had. Steering takes root;
//! without it these tests say so and the relay does the same work with sockets.

#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]
#![allow(unsafe_code, reason = "a global allocator that counts")]

mod common;
mod counting;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, stdin};
use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use common::{Pair, Phone, draw, local, receive, receiver_report, relay_of, until};
use counting::{Counting, LIVE};
use media::{
    MediaConfig, MediaError, MediaPlane, Notify, PayloadMap, PortSteering, RelayControl,
    StreamSpec, Termination, TerminationId,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn steered(ports: RangeInclusive<u16>) -> Option<(RelayControl, Receiver<Notify>)> {
    let quarantine = Duration::ZERO;
    let made = relay_of(MediaConfig { ports, quarantine, ..MediaConfig::default() });
    match made.0.report().steering_off {
        None => Some(made),
        Some(reason) => {
            eprintln!("SKIPPED: no steering: {reason}");
            None
        }
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[test]
fn what_is_steered_comes_from_the_port_that_it_was_negotiated_for() {
    let Some(relay) = steered(draw(64)) else { return };
    let mut pair = Pair::new(relay);
    for _ in 0..3 {
        pair.a.talk(pair.a_ports, 0);
        let (header, packet, port) = pair.b.hear();
        assert_eq!((header.ssrc.0, packet.len(), port), (0xa, 172, pair.b_ports.rtp));
        pair.b.talk(pair.b_ports, 0);
        assert_eq!(pair.a.hear().2, pair.a_ports.rtp);
    }
    let report = receiver_report(0xa, 0xb);
    pair.a.control.send_to(&report, local(pair.a_ports.rtcp)).unwrap();
    let (_, port) = receive(&pair.b.control);
    assert_eq!(port, pair.b_ports.rtcp);
}

#[test]
fn a_datagram_of_any_length_arrives_with_a_right_checksum() {
    let Some(relay) = steered(draw(64)) else { return };
    let mut pair = Pair::new(relay);
    pair.a_to_b();
    // RTP needs its header; what is odd is padded in the checksum only.
    for (sequence, length) in (500..).zip([12, 13, 14, 15, 171, 173, 1_001, 1_400]) {
        let mut packet = vec![0xa7; length];
        packet[..12].copy_from_slice(&common::rtp(0, sequence, 0xa)[..12]);
        pair.a.media.send_to(&packet, local(pair.a_ports.rtp)).unwrap();
        let (heard, _) = receive(&pair.b.media);
        assert_eq!(heard[12..], packet[12..]);
        assert_eq!(heard.len(), length);
    }
}

#[test]
fn two_relays_with_the_same_ports_share_them_and_never_meet() {
    let ports = draw(8);
    let Some((mut one, _)) = steered(ports.clone()) else { return };
    let Some((mut steering, _)) = steered(ports.clone()) else { return };
    let bound = MediaConfig { ports, port_steering: PortSteering::Off, ..MediaConfig::default() };
    let (mut bound, _notices) = relay_of(bound);
    // The first took all four pairs at its start.
    let mine: Vec<u16> = (0..4).map(|_| one.add(1).unwrap().streams[0].rtp).collect();
    assert!(matches!(steering.add(1), Err(MediaError::PortsExhausted)), "{mine:?}");
    assert!(matches!(bound.add(1), Err(MediaError::PortsExhausted)), "{mine:?}");
    drop(one);
    // A process that another test begins meanwhile has them, too, until it is a program of its own.
    until("its ports to be free", || steering.add(1).is_ok());
    let taken = std::iter::from_fn(|| bound.add(1).ok()).count();
    assert!(taken < 4, "{taken} pairs while the other relay has some");
}

/// A stream, or `None` when there are no ports. On a machine that does much else the relay's threads seem
/// to be busy; that ends.
fn add(relay: &mut RelayControl) -> Option<Termination> {
    let mut made = None;
    until("an answer of the relay", || match relay.add(1) {
        Ok(new) => {
            made = Some(new);
            true
        }
        Err(MediaError::PortsExhausted) => true,
        Err(MediaError::Overloaded) => false,
        Err(error) => panic!("{error}"),
    });
    made
}

/// All pairs that a relay can get.
fn take_all(relay: &mut RelayControl) -> BTreeSet<u16> {
    std::iter::from_fn(|| add(relay)).map(|made| made.streams[0].rtp).collect()
}

/// More requests than it takes to try each of 500 pairs twice.
const VAIN_REQUESTS_MAX: usize = 16;

#[test]
fn relays_that_take_all_they_can_at_once_have_no_port_in_common() {
    // Blocks of 32, some of them whole, some at the edges of the ranges.
    let ports = draw(1_000);
    let later = *ports.start() + 300..=*ports.end();
    let Some((one, _one)) = steered(ports.clone()) else { return };
    let Some((other, _other)) = steered(later) else { return };
    let bound = MediaConfig { port_steering: PortSteering::Off, ports, ..MediaConfig::default() };
    let (bound, _notices) = relay_of(bound);
    let threads = [one, other, bound].map(|mut relay| {
        std::thread::spawn(move || {
            let taken = take_all(&mut relay);
            (relay, taken)
        })
    });
    let mut relays = threads.map(|thread| thread.join().unwrap());
    let all: BTreeSet<u16> = relays.iter().flat_map(|(_, taken)| taken).copied().collect();
    let count: usize = relays.iter().map(|(_, taken)| taken.len()).sum();
    assert_eq!(all.len(), count, "ports of two relays");
    assert!(relays.iter().all(|(_, taken)| taken.len() >= 32), "each has some");
    // Once more, now that nobody is opening any: what is left is someone's, and still nobody shares. A
    // request steps over 64 ports of others and fails then; the next one tries those it did not come to.
    for (relay, taken) in &mut relays {
        (0..VAIN_REQUESTS_MAX).for_each(|_| taken.append(&mut take_all(relay)));
    }
    let count: usize = relays.iter().map(|(_, taken)| taken.len()).sum();
    let all: BTreeSet<u16> = relays.iter().flat_map(|(_, taken)| taken).copied().collect();
    assert_eq!((all.len(), count), (500, 500), "no port is lost");
}

#[test]
fn ports_that_other_programs_have_are_stepped_over() {
    let ports = draw(6);
    let first = *ports.start();
    // One held for RTP, one for RTCP.
    let others = [first, first + 3].map(|port| UdpSocket::bind(local(port)).unwrap());
    let Some((mut relay, _notices)) = steered(ports) else { return };
    assert_eq!(relay.add(1).unwrap().streams[0].rtp, first + 4);
    assert!(matches!(relay.add(1), Err(MediaError::PortsExhausted)));
    drop(others);
    // A process that another test begins meanwhile has them, too, until it is a program of its own.
    let mut found = BTreeSet::new();
    until("both pairs", || {
        found.append(&mut take_all(&mut relay));
        found.len() >= 2
    });
    assert_eq!(found, BTreeSet::from([first, first + 2]));
}

/// Runs an ignored test of this program as a process of its own.
fn child(test: &str, variables: &[(&str, String)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// What a child says after a word, at the beginning of a line or after the runner's own words.
fn said(child: &mut Child, word: &str) -> String {
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.lines().map_while(Result::ok);
    let found = lines.find_map(|line| Some(line.split_once(word)?.1.trim().to_owned()));
    found.expect("the child says so")
}

#[test]
fn a_relay_that_is_killed_leaves_no_claims_behind() {
    let ports = draw(64);
    let Some(probe) = steered(ports.clone()) else { return };
    drop(probe);
    let range = format!("{} {}", ports.start(), ports.end());
    let mut other = child("child_that_takes_all_ports", &[("PORTS", range)]);
    assert_eq!(said(&mut other, "TAKEN "), "32");
    let (mut relay, _notices) = steered(ports).unwrap();
    assert_eq!(take_all(&mut relay).len(), 0);
    // SIGKILL: it tidies nothing up.
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(take_all(&mut relay).len(), 32);
}

#[test]
#[ignore = "the other process of a test above"]
fn child_that_takes_all_ports() {
    let text = std::env::var("PORTS").unwrap();
    let (first, last) = text.split_once(' ').unwrap();
    let (mut relay, _notices) = steered(first.parse().unwrap()..=last.parse().unwrap()).unwrap();
    println!("TAKEN {}", take_all(&mut relay).len());
    // Until it is killed, or whoever would do so is gone.
    let _ = stdin().read(&mut [0]);
}

/// What a process has after rounds of calls and a rest.
#[derive(Debug)]
struct Kept {
    /// Before the first call, with calls, after the last.
    descriptors: [usize; 3],
    /// Octets that are allocated, after the second round and after the last.
    live: [u64; 2],
    /// Resident memory in octets, likewise.
    resident: [u64; 2],
}

/// Ten times a hundred calls in a process of its own, with a rest after the second time and the last.
fn kept_by(carrier: &str) -> Kept {
    let ports = draw(512);
    let range = format!("{} {}", ports.start(), ports.end());
    let variables = [("PORTS", range), ("CARRIER", carrier.to_owned())];
    let output = child("child_that_serves_and_rests", &variables).wait_with_output().unwrap();
    let all = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{all}");
    let said = all.lines().find_map(|line| Some(line.split_once("KEPT ")?.1)).unwrap();
    let numbers: Vec<u64> = said.split(' ').map(|number| number.parse().unwrap()).collect();
    let [before, up, after, live, live_last, resident, resident_last] = numbers[..] else {
        panic!("{said}");
    };
    let kept = Kept {
        descriptors: [before, up, after].map(|count| usize::try_from(count).unwrap()),
        live: [live, live_last],
        resident: [resident, resident_last],
    };
    println!("{carrier}: {kept:?}");
    kept
}

/// What may differ from one rest to another: which blocks of ports are at hand, and the room that
/// small tables have left. It is less than 6 octets for each stream that came and went.
const LIVE_MORE_MAX: u64 = 16 << 10;
/// The system's allocator gives back whole pages only.
const RESIDENT_MORE_MAX: u64 = 2 << 20;

fn assert_no_growth(kept: &Kept) {
    let ([live, live_last], [resident, resident_last]) = (kept.live, kept.resident);
    assert!(live_last <= live + LIVE_MORE_MAX, "{kept:?}");
    assert!(resident_last <= resident + RESIDENT_MORE_MAX, "{kept:?}");
}

#[test]
fn steered_calls_take_no_descriptors_and_ten_rounds_of_them_no_more_memory_than_two() {
    let Some(probe) = steered(draw(64)) else { return };
    drop(probe);
    let kept = kept_by("steered");
    let [before, up, after] = kept.descriptors;
    assert_eq!((up, after), (before, before));
    assert_no_growth(&kept);
}

#[test]
fn after_a_load_the_descriptors_and_the_memory_of_calls_with_sockets_are_given_back() {
    let kept = kept_by("bound");
    let [before, up, after] = kept.descriptors;
    assert!(up >= before + 4 * 100 - 2 * 32, "{kept:?}");
    assert_eq!(after, before);
    assert_no_growth(&kept);
}

/// A hundred calls, set up and torn down; descriptors meanwhile.
fn serve_round(relay: &mut RelayControl) -> usize {
    let mut stream = |port| {
        let id = add(relay).expect("ports for all").id;
        let spec = StreamSpec { remote: Some(local(port)), ..StreamSpec::default() };
        relay.modify(id, 0, spec);
        id
    };
    let calls: Vec<[TerminationId; 2]> = (0..100).map(|_| [stream(9), stream(11)]).collect();
    let same = PayloadMap::identity;
    for [a, b] in &calls {
        relay.connect((*a, 0), (*b, 0), same(), same());
    }
    let up = descriptors();
    calls.into_iter().flatten().for_each(|id| drop(relay.subtract(id)));
    up
}

/// Waits until the relay has the descriptors of the start, and its workers have tidied up, which they do in
/// their own time; what is allocated then, and resident.
fn rest(relay: &mut RelayControl, before: usize) -> (u64, u64) {
    until("the descriptors of the start", || {
        relay.tidy();
        descriptors() == before
    });
    let (mut least, mut looks) = (u64::MAX, 0);
    until("its tables are short again", || {
        relay.tidy();
        let live = LIVE.load(Ordering::SeqCst);
        // So long nothing more was given back.
        looks = if live < least { 0 } else { looks + 1 };
        least = least.min(live);
        looks >= 100
    });
    (least, resident())
}

/// Resident memory of this process in octets.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

#[test]
#[ignore = "the other process of tests above"]
fn child_that_serves_and_rests() {
    let text = std::env::var("PORTS").unwrap();
    let (first, last) = text.split_once(' ').unwrap();
    let port_steering = match std::env::var("CARRIER").unwrap().as_str() {
        "bound" => PortSteering::Off,
        _ => PortSteering::Auto,
    };
    let (mut relay, _notices) = relay_of(MediaConfig {
        ports: first.parse().unwrap()..=last.parse().unwrap(),
        quarantine: Duration::ZERO,
        idle: Duration::ZERO,
        // Workers look after their tables four times in it.
        timeout: Duration::from_millis(40),
        port_steering,
        ..MediaConfig::default()
    });
    // A pair that rests or not: what comes and goes with it is there before.
    relay.tidy();
    let before = descriptors();
    let (mut up, mut second) = (0, (0, 0));
    for round in 1..=10 {
        up = serve_round(&mut relay);
        if round == 2 {
            second = rest(&mut relay, before);
        }
    }
    let last = rest(&mut relay, before);
    let after = descriptors();
    println!("KEPT {before} {up} {after} {} {} {} {}", second.0, last.0, second.1, last.1);
    // They come back for the next load.
    assert_eq!(take_all(&mut relay).len(), 256);
}

#[test]
fn blocks_that_nobody_uses_any_more_are_there_for_other_relays() {
    let ports = draw(1_024);
    let config = |ports| MediaConfig {
        ports,
        quarantine: Duration::ZERO,
        idle: Duration::ZERO,
        ..MediaConfig::default()
    };
    let (mut one, _one) = relay_of(config(ports.clone()));
    if one.report().steering_off.is_some() {
        return;
    }
    let all: Vec<_> = std::iter::from_fn(|| add(&mut one)).map(|made| made.id).collect();
    assert_eq!(all.len(), 512);
    let (mut other, _other) = relay_of(config(ports));
    assert_eq!(take_all(&mut other).len(), 0);
    all.into_iter().for_each(|id| drop(one.subtract(id)));
    // Some stay with the first one, which has a reserve.
    let mut found = BTreeSet::new();
    until("some of the ports", || {
        one.tidy();
        found.append(&mut take_all(&mut other));
        !found.is_empty()
    });
    assert!(one.add(1).is_ok());
}

#[test]
fn what_comes_to_a_port_of_no_call_is_nobodys() {
    let Some((mut relay, notices)) = steered(draw(64)) else { return };
    let gone = relay.add(1).unwrap();
    relay.subtract(gone.id);
    let mut stranger = Phone::new(3);
    stranger.talk(gone.streams[0], 0);
    let mut pair = Pair::new((relay, notices));
    pair.a_to_b();
    assert_eq!(pair.received(pair.a_id).packets, 1);
}

#[test]
fn steering_that_is_not_wanted_is_off_and_the_report_says_so() {
    let port_steering = PortSteering::Off;
    let config = MediaConfig { ports: draw(64), port_steering, ..MediaConfig::default() };
    let mut pair = Pair::new(relay_of(config));
    assert_eq!(pair.relay.report().steering_off.unwrap(), "off in the configuration");
    pair.a_to_b();
    pair.b_to_a();
}

#[test]
fn ports_that_the_system_gives_to_others_are_not_steered() {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first: u16 = text.split_whitespace().next().unwrap().parse().unwrap();
    let config = MediaConfig { ports: first..=first + 199, ..MediaConfig::default() };
    let (relay, _notices) = relay_of(config);
    let off = relay.report().steering_off.unwrap();
    assert!(off.contains("ip_local_port_range") || off.contains("configuration"), "{off}");
}
