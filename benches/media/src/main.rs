//! `make bench-media`: the relay in user space under load, beside rtpengine where that is installed.
//!
//! Each relay is a process of its own on one core; the generator has the other one, sends 50 packets
//! a second each way for every call, and checks every payload. CPU time is the scheduler's, so that
//! other programs of the machine are left out; they take a place in the queue all the same, unless
//! `--nice` lets generator and relay go first.

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
mod target;
mod usage;
mod wire;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use crate::measure::Plan;

/// The allocator of the program `strowger`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

const HELP: &str = "\
bench-media [--calls N] [--seconds N] [--veth] [--search] [--rounds N] [--nice N] [--only NAME]
bench-media cycles [--calls N] [--rounds N] [--bound] [--rest]

Measures strowger's relay in user space and, where it is installed, rtpengine.
  --calls    calls at 50 packets a second each way (20)
  --seconds  how long each measurement lasts (2)
  --rounds   how often each is repeated; the median is printed (1)
  --veth     in network namespaces joined by veth; takes root
  --search   find the most calls on one core: at most 0.1 % lost, 99 % within 20 ms
  --nice     priority of generator and relays, from -20 (0)
  --only     strowger or rtpengine
cycles sets calls up and tears them down: speed, memory, descriptors;
--bound with a socket for each port, --rest with a rest after each round, so that ports are opened anew.";

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
    let mut words = std::env::args().skip(1).peekable();
    let mut plan = Plan::default();
    let command = words.next_if(|word| !word.starts_with("--"));
    if command.as_deref() == Some("relay") {
        return relay::serve(
            words.next().ok_or("no address")?.parse()?,
            words.next().as_deref() == Some("steered"),
        );
    }
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--calls" => plan.calls = value()?.parse()?,
            "--seconds" => plan.time = Duration::from_secs(value()?.parse()?),
            "--rounds" => plan.rounds = value()?.parse()?,
            "--nice" => plan.nice = value()?.parse()?,
            "--only" => plan.only = Some(value()?),
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
        Some(other) => Err(format!("{other} is unknown\n{HELP}").into()),
        None => measure::run(&plan),
    }
}
