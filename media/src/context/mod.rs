//! The control side: terminations, what they are connected to, and the plans that follow from it.
//!
//! Must not know sockets, SIP or TAPI.

mod board;
mod compile;
mod player;
mod termination;

pub use board::{Board, Key, Stream};
pub use compile::compile;
pub use player::{PACKET_LEN, Player};
pub use termination::{
    PayloadMap, STREAMS_MAX, StreamPorts, StreamSpec, Termination, TerminationId, Treatment,
};
