//! Thousands of random days of the office, each from its seed; see `tests::sim::Schedule`.
//!
//! `STROWGER_SEEDS=100000` plays more of them, `STROWGER_SEED=4711` a single one with its ladder.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tests::sim::Schedule;

/// Days of a normal run.
const DAYS: u64 = 1_200;
/// Failures that are reported before a run gives up.
const MOST_FAILURES: usize = 20;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Plays the days of the seeds; a failed one prints its ladder.
fn play(seeds: Range<u64>, day: fn(u64) -> Schedule) {
    let seeds = match number("STROWGER_SEED") {
        Some(seed) => seed..seed + 1,
        None => seeds,
    };
    let mut failed = Vec::new();
    for seed in seeds {
        if catch_unwind(AssertUnwindSafe(|| day(seed))).is_err() {
            failed.push(seed);
        }
        if failed.len() >= MOST_FAILURES {
            break;
        }
    }
    assert!(failed.is_empty(), "failed seeds: {failed:?}; play one with STROWGER_SEED=<seed>");
}

#[test]
fn whatever_happens_all_agree_and_nothing_is_left() {
    let days = number("STROWGER_SEEDS").unwrap_or(DAYS);
    play(0..days / 2, Schedule::play);
}

#[test]
fn whatever_happens_all_agree_and_nothing_is_left_on_other_days() {
    let days = number("STROWGER_SEEDS").unwrap_or(DAYS);
    play(days / 2..days, Schedule::play);
}

#[test]
fn whatever_features_are_used_everything_ends_and_nothing_is_left() {
    let days = number("STROWGER_SEEDS").unwrap_or(DAYS) / 2;
    play(0..days, Schedule::play_with_features);
}

#[test]
fn whatever_lamps_say_is_the_truth_and_nothing_is_left() {
    let days = number("STROWGER_SEEDS").unwrap_or(DAYS) / 4;
    play(0..days, Schedule::play_with_lamps);
}

#[test]
fn whatever_queues_and_agents_do_nobody_is_lost_or_served_twice() {
    let days = number("STROWGER_SEEDS").unwrap_or(DAYS) / 16;
    play(0..days, Schedule::play_with_queues);
}

#[test]
fn a_seed_plays_the_same_day_again() {
    for seed in 0..20 {
        let (first, second) = (Schedule::play(seed), Schedule::play(seed));
        assert_eq!(first.world.ladder(), second.world.ladder(), "seed {seed}");
    }
}
