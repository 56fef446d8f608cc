//! The state matrix of tapi-call-control chapter 3 against the real exchange: every situation that a
//! line can be in, times every operation of the session table.
//!
//! A **situation** is a way to get line 201 into some state; an **operation** is a row that says which
//! feature bit announces it. Where the bit is lit the operation succeeds, where it is clear it is
//! refused with the documented error and nothing changes. Both tables are to be extended by one line
//! per thing; a function that no row knows fails the test.

mod operation;
mod setting;
mod situation;
mod walk;

pub use operation::{NOT_ABOUT_CALLS, OPERATIONS, PAIRS};
pub use setting::{Phones, Setting};
pub use situation::{SITUATIONS, Situation};
pub use walk::{Cells, walk};
