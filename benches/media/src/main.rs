//! `make bench-media`: the relay under load, in user space and (across veth) in the kernel, beside rtpengine
//! where that is installed.
//!
//! Each relay is a process of its own on one core; the generator has the other one, sends 50 packets
//! a second each way for every call, and checks every payload. CPU time is the scheduler's, so that
//! other programs of the machine are left out; they take a place in the queue all the same, unless
//! `--nice` lets generator and relay go first. What the kernel does for a packet it does in the context of
//! whoever sent it, or in ksoftirqd: both are counted.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a measuring program with tables of fixed size"
)]

mod bencode;
mod load;
mod measure;
mod place;
mod relay;
mod table;
mod target;
mod trial;
mod usage;
mod wire;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use crate::measure::Plan;
use crate::trial::Trial;

/// The allocator of the program `strowger`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

const HELP: &str = "\
bench-media [--calls N] [--seconds N] [--veth] [--search] [--rounds N] [--nice N] [--only NAME] [--trial NAME]
bench-media cycles [--calls N] [--rounds N] [--bound] [--rest]
bench-media kill [--calls N] [--seconds N]
bench-media segments [--seconds N]

Measures strowger's relay and, where it is installed, rtpengine.
  --calls    calls at 50 packets a second each way (20)
  --seconds  how long each measurement lasts (2)
  --rounds   how often each is repeated; the median is printed (1)
  --veth     in network namespaces joined by veth, also through the kernel; takes root
  --search   find the most calls on one core: at most 0.1 % lost, 99 % within 20 ms
  --nice     priority of generator and relays, from -20 (0)
  --only     those whose name begins so: strowger, 'strowger kernel', rtpengine
cycles sets calls up and tears them down: speed, memory, descriptors;
--bound with a socket for each port, --rest with a rest after each round, so that ports are opened anew.
--trial measures other ways to receive and send, in relays that do the least, on loopback in a network
namespace of its own (takes root): batch, wait-for-one, spin, busy-poll, io-uring, all.
segments compares messages of one packet with UDP_SEGMENT and UDP_GRO.
kill ends the relay by SIGKILL while the kernel forwards all calls, and counts what is lost.";

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-media: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Outcome<()> {
    // As the program `strowger` does.
    rustix::thread::disable_transparent_huge_pages(true)?;
    let mut words = std::env::args().skip(1).peekable();
    let mut plan = Plan::default();
    let command = words.next_if(|word| !word.starts_with("--"));
    if command.as_deref() == Some("relay") {
        let address = words.next().ok_or("no address")?.parse()?;
        let way = words.next().ok_or("no way")?;
        return relay::serve(address, &way, words.next().unwrap_or_default().into());
    }
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--calls" => plan.calls = value()?.parse()?,
            "--seconds" => plan.time = Duration::from_secs(value()?.parse()?),
            "--rounds" => plan.rounds = value()?.parse()?,
            "--nice" => plan.nice = value()?.parse()?,
            "--only" => plan.only = Some(value()?),
            "--trial" => plan.trials = Trial::named(&value()?)?,
            "--bound" => plan.is_bound = true,
            "--rest" => plan.is_resting = true,
            "--veth" => plan.is_veth = true,
            "--search" => plan.is_searching = true,
            "--help" => {
                println!("{HELP}");
                return Ok(());
            }
            _ => return Err(format!("{word} is unknown\n{HELP}").into()),
        }
    }
    match command.as_deref() {
        Some("cycles") => relay::cycles(plan.calls, plan.rounds, !plan.is_bound, plan.is_resting),
        Some("kill") => measure::kill(&plan),
        Some("segments") => trial::segments::measure(plan.time),
        Some(other) => Err(format!("{other} is unknown\n{HELP}").into()),
        None => measure::run(&plan),
    }
}
