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

mod crash;
mod network;

use sip_stack::endpoint::LegId;
use switch::phone::PhoneEvent;
use tests::program::{LivePhone, Program, office};

/// The office with a database in a folder of its own.
fn with_database() -> (Program, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("strowger.db");
    let config = office(|text| text.replace(":memory:", &path.to_string_lossy()));
    (Program::with(config), folder)
}

/// A calls B, B answers.
fn talk(a: &LivePhone, b: &LivePhone) -> (LegId, LegId) {
    let near = a.call(&b.number());
    let far = b.incoming();
    b.answer(far);
    a.connected(near);
    (near, far)
}

/// A call between both, heard in both directions, and its end.
fn serves(a: &LivePhone, b: &LivePhone) {
    let (near, far) = talk(a, b);
    a.hears(b);
    b.hears(a);
    a.hang_up(near);
    b.ended(far);
}

fn refused(phone: &LivePhone) -> u16 {
    phone.wait("a refusal", |event| match event {
        PhoneEvent::Failed { status, .. } => Some(*status),
        _ => None,
    })
}

/// Waits until a metric is at least so much.
fn reaches(program: &Program, name: &str, least: u64) {
    let prefix = format!("strowger_{name} ");
    program.until("/metrics", |text| {
        let text = text.as_str().unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
        line.and_then(|value| value.trim().parse::<u64>().ok()).is_some_and(|value| value >= least)
    });
}
