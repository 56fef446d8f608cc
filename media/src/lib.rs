//! RTP: relay, statistics, tones. The media plane of the switch.
//!
//! A **termination** sends and receives one party's media; streams of two terminations are
//! connected so that they hear each other. Call control talks to [`MediaPlane`]; each command is
//! compiled into a flat [`plan::ForwardPlan`] that a worker thread obeys packet by packet.
//!
//! ```text
//! socket → relay::worker → plan::run (latch, statistics, rewrite) → socket
//!             ▲ commands                      │ Notify
//!          RelayControl ◀──── call control ◀──┘
//! ```
//!
//! Without the feature `io` there is no socket, no thread and no clock in this crate.

pub mod codec;
pub mod context;
pub mod control;
pub mod demux;
pub mod dsp;
pub mod ear;
pub mod ice;
pub mod plan;
pub mod quality;
pub mod recording;
#[cfg(feature = "io")]
pub mod relay;
pub mod rtcp;
pub mod rtp;
mod spare;
pub mod srtp;

pub use control::{
    Audience, CONFERENCES_MAX, ConferenceId, Country, DIGITS_MAX, DirectionStatistics, Dropped,
    FastPathConfig, FastPathMode, Fingerprint, FingerprintHash, Format, Handshake, HandshakeFault,
    KernelInterface, MEMBERS_MAX, MediaConfig, MediaError, MediaPlane, MemberCodec, Notify,
    PARTIALS_MAX, Partial, PayloadMap, Performance, PortSteering, RelayReport, SHARED_PORTS_MAX,
    Security, Signal, Sound, SoundId, Speaker, StreamPorts, StreamSpec, StreamStatistics,
    Termination, TerminationId, TerminationStatistics, Tone, ToneCodec, Treatment, Voice,
    WATCHED_TONES_MAX, Watch, WatchedTone, Whereabouts,
};
#[cfg(feature = "io")]
pub use relay::{Relay, RelayControl, Watcher, begin_threads_with, rest_threads_with};
