//! The control side: terminations, what they are connected to, and the plans that follow from it.
//!
//! Must not know sockets, SIP or TAPI.

mod board;
mod compile;
mod player;
mod termination;

pub use board::{Board, Key, Stream};
pub use compile::compile;
#[cfg(feature = "io")]
pub(crate) use player::PACKET_LEN;
pub use player::Player;
pub use termination::{
    PayloadMap, STREAMS_MAX, StreamPorts, StreamSpec, Termination, TerminationId, Treatment,
};
