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

use tests::program::LivePhone;

/// A call between both, heard in both directions, and its end.
fn serves(a: &LivePhone, b: &LivePhone) {
    let (near, far) = a.talk_to(b);
    a.hears(b);
    b.hears(a);
    a.hang_up(near);
    b.ended(far);
}
