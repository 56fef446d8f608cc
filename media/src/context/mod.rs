//! The control side: terminations, what they are connected to, and the plans that follow from it.
//!
//! Must not know sockets, SIP or TAPI.

mod board;
mod compile;
mod conference;
mod performance;
mod player;
mod sound;
mod termination;

pub use board::{Board, Key, Seat, Stream};
pub use compile::compile;
pub use conference::{
    Audience, CONFERENCES_MAX, ConferenceId, Conferences, MEMBERS_MAX, Member, Mixer,
};
pub use performance::{DIGITS_MAX, Format, PARTIALS_MAX, Performance, Performer, Step};
pub use player::{Frame, PACKET_LEN, Player};
pub use sound::{SOUND_RATES_HZ, Sound, SoundId};
pub use termination::{
    Fingerprint, FingerprintHash, Handshake, HandshakeFault, PayloadMap, STREAMS_MAX, Security,
    StreamPorts, StreamSpec, Termination, TerminationId, Treatment, Whereabouts,
};
