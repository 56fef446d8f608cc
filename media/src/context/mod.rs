//! The control side: terminations, what they are connected to, and the plans that follow from it.
//!
//! Must not know sockets, SIP or TAPI.

mod board;
mod compile;
mod conference;
mod player;
mod termination;

pub use board::{Board, Key, Stream};
pub use compile::compile;
pub use conference::{
    CONFERENCES_MAX, ConferenceId, Conferences, MEMBERS_MAX, Member, MemberCodec, Mixer,
};
pub use player::{PACKET_LEN, Player};
pub use termination::{
    PayloadMap, STREAMS_MAX, StreamPorts, StreamSpec, Termination, TerminationId, Treatment,
};
