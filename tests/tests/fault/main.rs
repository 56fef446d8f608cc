//! Faults that the switch has to live through: each test breaks one thing of the real program or of
//! what is around it, and sees that calls go on and that nothing has to be repaired by hand.
//!
//! docs/faults.md lists them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

mod clock;
mod crash;
mod descriptors;
mod disk;
mod network;

use tests::program::LivePhone;

/// A call between both, heard in both directions, and its end.
fn serves(a: &LivePhone, b: &LivePhone) {
    let (near, far) = a.talk_to(b);
    a.hears(b);
    b.hears(a);
    a.hang_up(near);
    b.ended(far);
}

fn value_of(metrics: &str, name: &str) -> u64 {
    let prefix = format!("strowger_{name} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

/// Whether a fault can be made at all; a test that cannot says so aloud.
fn can(words: &[&str]) -> bool {
    let status = std::process::Command::new(words[0]).args(&words[1..]).output();
    let is_done = status.is_ok_and(|output| output.status.success());
    if !is_done {
        eprintln!("SKIPPED: `{}` is not possible here", words.join(" "));
    }
    is_done
}
