//! Simulated shifts: agents, callers and their whims, from a seed. After each step the invariants hold, and
//! the books are those that an independent model makes of the event log.
//!
//! `STROWGER_SHIFTS=n` runs n small shifts, `STROWGER_FIRST_SHIFT=seed` from that one on,
//! `STROWGER_SHIFT=seed` that one alone. A failure prints its seed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod check;
mod model;
mod random;
mod whim;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use world::{Scale, World};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn run(seed: u64, scale: Scale) -> World {
    let mut world = World::new(seed, scale);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    if let Err(cause) = outcome {
        eprintln!("shift of seed {seed} failed; STROWGER_SHIFT={seed} runs it alone. Last steps:");
        for line in world.trace() {
            eprintln!("  {line}");
        }
        resume_unwind(cause);
    }
    world
}

#[test]
fn in_thousands_of_shifts_nobody_is_lost_or_served_twice_and_the_books_are_right() {
    let first_seed = number("STROWGER_FIRST_SHIFT").unwrap_or(1);
    let seeds = match number("STROWGER_SHIFT") {
        Some(seed) => seed..seed + 1,
        None => first_seed..first_seed + number("STROWGER_SHIFTS").unwrap_or(1_000),
    };
    let mut served = 0;
    let mut calls = 0;
    let mut first = None;
    for seed in seeds {
        let world = run(seed, Scale::SHIFT);
        served += world.served;
        calls += world.arrived;
        first.get_or_insert(seed);
    }
    println!("from seed {first:?}: {calls} calls, {served} served");
    assert!(served * 5 > calls, "the shifts must be worth something: {served} of {calls}");
}

/// Seeds that failed once: a log-out or a removal undone by what was asked meanwhile, a pending log-out that came
/// true in the middle of lineSetAgentGroup, a call given back that overtook a more urgent one.
#[test]
fn shifts_that_failed_once_pass() {
    for seed in [73, 343, 9453, 11283, 15173] {
        run(seed, Scale::SHIFT);
    }
}

#[test]
fn a_day_of_200_agents_20_queues_and_20_000_calls_keeps_the_invariants() {
    let world = run(number("STROWGER_SHIFT").unwrap_or(1), Scale::DAY);
    assert_eq!(world.arrived, 20_000);
    println!("{} calls, {} served, {} steps", world.arrived, world.served, world.steps);
    assert!(world.served > 10_000, "{}", world.served);
}

#[test]
fn a_shift_is_repeated_exactly_by_its_seed() {
    let (one, other) = (run(4711, Scale::SHIFT), run(4711, Scale::SHIFT));
    assert_eq!(one.outputs_seen, other.outputs_seen);
    assert_ne!(one.outputs_seen, run(4712, Scale::SHIFT).outputs_seen);
}
