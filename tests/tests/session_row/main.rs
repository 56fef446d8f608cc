//! The rows of the TAPI session table on the real program: each operation begun by a phone and begun by
//! an application, with everything that every line involved is told, who hears whom, and nothing left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed unwrap here is a failed test, which waits for real programs"
)]

mod answer;
mod call_data;
mod completion;
mod conference;
mod digits;
mod forward;
mod hold;
mod make_call;
mod owner;
mod page;
mod park;
mod pickup;
mod redirect;
mod shared_line;
mod transfer;
