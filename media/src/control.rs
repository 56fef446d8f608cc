//! The switch's side of the media plane: what it asks for and what it is told.
//!
//! Owns the vocabulary (terminations, stream specifications, treatments, statistics, notices) and
//! the trait [`MediaPlane`]. Must not know signalling; knows no socket either. Names follow H.248:
//! Add, Modify, Subtract are the commands, Notify is what comes back. Hop 5 of an application's
//! lineHold.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::codec::{MemberCodec, ToneCodec, Voice};
pub use crate::context::{
    Audience, CONFERENCES_MAX, ConferenceId, DIGITS_MAX, Fingerprint, FingerprintHash, Format,
    Handshake, HandshakeFault, MEMBERS_MAX, PARTIALS_MAX, PayloadMap, Performance, STREAMS_MAX,
    Security, Sound, SoundId, StreamPorts, StreamSpec, Termination, TerminationId, Treatment,
    Whereabouts,
};
pub use crate::dsp::tone::{Country, Partial, Tone};
pub use crate::ear::{Signal, WATCHED_TONES_MAX, Watch, WatchedTone};
pub use crate::plan::statistics::{
    DirectionStatistics, Dropped, StreamStatistics, TerminationStatistics,
};
use crate::recording::{Recorded, Recording, Voices};

/// How the media plane is set up; fixed for the life of the process.
///
/// `MediaConfig { address, ports, ..MediaConfig::default() }` is the usual way to write one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaConfig {
    /// The address that sockets are bound to, and that SDP advertises unless `public_address` is set.
    pub address: IpAddr,
    /// The address that SDP advertises when it differs from the bound one (static NAT).
    pub public_address: Option<IpAddr>,
    /// UDP ports that may be used. Pairs are an even port for RTP and the next one for RTCP.
    pub ports: RangeInclusive<u16>,
    /// Worker threads; 0 means one.
    pub workers: usize,
    /// A stream that should receive and hears nothing for so long is reported by [`Notify::Timeout`].
    pub timeout: Duration,
    /// How long a freed pair of ports rests before another call gets it.
    pub quarantine: Duration,
    /// How long a pair that could serve again waits for a call; then [`MediaPlane::tidy`] closes it.
    pub idle: Duration,
    /// Whose tones are played, until [`MediaPlane::set_country`].
    pub country: Country,
    /// Whether the kernel forwards what needs no more than rewriting.
    pub fast_path: FastPathConfig,
    /// Whether the ports of all streams lead to few sockets.
    pub port_steering: PortSteering,
    /// A handful of ports for all streams, whose peers' source addresses tell them apart. `ports` is
    /// not used then, nothing is steered, and the kernel forwards nothing.
    pub shared_ports: Option<RangeInclusive<u16>>,
    /// New streams are refused when every worker is busy for so many hundredths of its time, 1 to 100.
    pub busy_limit: u8,
    /// How often, on average, a party that hears what is made here is sent RTCP (RFC 3550 §6.2).
    pub report_interval: Duration,
}

/// A worker that is busy for so many hundredths of its time takes no new calls, unless it is told
/// otherwise: what is left is for the unevenness of those it has.
const BUSY_LIMIT: u8 = 90;

/// Most ports that all streams may share.
pub const SHARED_PORTS_MAX: usize = 64;

/// How ports come to the worker threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PortSteering {
    /// All streams of a thread by one socket, where the kernel and our rights allow it; a socket
    /// for each port otherwise.
    #[default]
    Auto,
    /// A socket for each port.
    Off,
}

/// The kernel path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FastPathConfig {
    /// Where its program is attached.
    pub mode: FastPathMode,
    /// A folder on a BPF file system that keeps streams going when the process dies.
    pub pins: PathBuf,
}

/// Where the program of the kernel path is attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FastPathMode {
    /// XDP where the driver has it, tc everywhere.
    #[default]
    Auto,
    /// XDP in the driver only.
    Xdp,
    /// tc only.
    Tc,
    /// Nowhere: all media goes through user space.
    Off,
}

impl Default for FastPathConfig {
    fn default() -> Self {
        Self { mode: FastPathMode::Auto, pins: PathBuf::from("/sys/fs/bpf/strowger") }
    }
}

impl MediaConfig {
    /// The address that belongs into SDP.
    #[must_use]
    pub fn advertised(&self) -> IpAddr {
        self.public_address.unwrap_or(self.address)
    }
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            public_address: None,
            ports: 16_384..=32_767,
            workers: 1,
            timeout: Duration::from_secs(60),
            quarantine: Duration::from_secs(30),
            idle: Duration::from_secs(5),
            country: Country::default(),
            fast_path: FastPathConfig::default(),
            port_steering: PortSteering::default(),
            shared_ports: None,
            busy_limit: BUSY_LIMIT,
            report_interval: Duration::from_secs(5),
        }
    }
}

/// How the relay forwards.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RelayReport {
    /// Why there is no kernel path; `None` if there is one.
    pub kernel_off: Option<String>,
    /// Why each port has a socket of its own; `None` if the streams of a thread share one.
    pub steering_off: Option<String>,
    /// The ports that all streams share, if they do.
    pub shared_ports: Option<RangeInclusive<u16>>,
    /// Packets that came to shared ports from where nobody expects any.
    pub strangers: u64,
    /// ... and from where more than one might be: nobody was given them.
    pub ambiguous: u64,
    /// Why streams on the kernel path would end with the process; `None` if they would not.
    pub unpinned: Option<String>,
    /// How much of its time the busiest worker was busy lately, in hundredths.
    pub busy_percent: u64,
    /// How much of its time a worker had something to do and no processor, at most, in hundredths.
    pub starved_percent: u64,
    /// Media packets that went through user space from one party to the other.
    pub user_packets: u64,
    /// Media packets that the kernel forwarded.
    pub kernel_packets: u64,
    /// Streams that the kernel forwards now.
    pub kernel_streams: u64,
    /// Streams of an earlier process that the kernel forwards until they fall silent.
    pub kernel_orphans: u64,
    /// Where the program is attached.
    pub interfaces: Vec<KernelInterface>,
}

/// The program at an interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KernelInterface {
    /// Its name.
    pub name: String,
    /// In the driver.
    pub xdp: bool,
    /// In the stack.
    pub tc: bool,
    /// Why it is not in both.
    pub reasons: Vec<String>,
}

/// What the media plane reports of its own accord.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notify {
    /// A stream that should receive heard nothing for [`MediaConfig::timeout`]. Reported once;
    /// armed again by the next packet or Modify.
    Timeout {
        /// The termination.
        id: TerminationId,
        /// Index of its stream.
        stream: usize,
    },
    /// The peer's real address was learnt.
    Latched {
        /// The termination.
        id: TerminationId,
        /// Index of its stream.
        stream: usize,
        /// Where its media comes from and now goes to.
        address: SocketAddr,
    },
    /// A key came up: the end of a telephone-event (RFC 4733), or of a key heard in the voice where
    /// [`MediaPlane::watch`] asked for it. Repeated end packets are reported once.
    Digit {
        /// The termination.
        id: TerminationId,
        /// Index of its stream.
        stream: usize,
        /// `0`–`9`, `*`, `#`, `A`–`D`, or `!` for a hook flash.
        digit: char,
        /// How long it was pressed.
        duration: Duration,
    },
    /// A key went down, where [`MediaPlane::watch`] asked for keys. [`Notify::Digit`] follows.
    Key {
        /// The termination.
        id: TerminationId,
        /// Index of its stream.
        stream: usize,
        /// As in [`Notify::Digit`].
        digit: char,
    },
    /// A tone that [`MediaPlane::watch`] asked for has lasted long enough. Reported once, until it
    /// ends.
    Tone {
        /// The termination.
        id: TerminationId,
        /// Index of its stream.
        stream: usize,
        /// The name that it was given.
        name: u32,
    },
    /// Another kind of media is heard, where [`MediaPlane::watch`] asked for it.
    Signal {
        /// The termination.
        id: TerminationId,
        /// Index of its stream.
        stream: usize,
        /// Which kind.
        signal: Signal,
    },
    /// A recording is over: it was stopped, its termination ended, or it failed.
    Recorded {
        /// The ticket that [`MediaPlane::record`] was given.
        ticket: u64,
        /// How it ended.
        recorded: Recorded,
    },
    /// A handshake gave no keys, and there will be none: nothing passes.
    Unprotected {
        /// The termination.
        id: TerminationId,
        /// Index of its stream.
        stream: usize,
        /// Why.
        fault: HandshakeFault,
    },
    /// A performance came to its end; one that was stopped or replaced does not say so.
    Performed {
        /// The termination.
        id: TerminationId,
        /// Index of its stream.
        stream: usize,
        /// The ticket that [`MediaPlane::perform`] was given.
        ticket: u64,
    },
}

/// Why the media plane could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// Every pair of the range is in use or resting.
    #[error("no free pair of media ports")]
    PortsExhausted,
    /// Every worker is so busy that packets would soon wait; what is there goes on.
    #[error("the media workers are fully loaded")]
    Overloaded,
    /// The termination was subtracted or never existed.
    #[error("no such termination")]
    UnknownTermination,
    /// More than [`STREAMS_MAX`] streams in one termination.
    #[error("too many streams in one termination")]
    TooManyStreams,
    /// There is nothing that records, or too many recordings begin at once.
    #[error("recordings cannot begin")]
    Recorder,
    /// The conference was dropped or never existed.
    #[error("no such conference")]
    UnknownConference,
    /// There are [`CONFERENCES_MAX`] conferences.
    #[error("too many conferences")]
    TooManyConferences,
    /// More than [`MEMBERS_MAX`] members in one conference.
    #[error("the conference is full")]
    ConferenceFull,
    /// The port range holds no pair.
    #[error("the media port range {0}-{1} holds no even port with a successor")]
    PortRange(u16, u16),
    /// The operating system refused a socket.
    #[error("{operation} for media on {address}: {source}")]
    Socket {
        /// What was tried.
        operation: &'static str,
        /// For which address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A worker could not be started.
    #[error("starting a media worker: {0}")]
    Worker(std::io::Error),
}

/// One end of a connection that is translated ([`MediaPlane::transcode`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Speaker {
    /// The stream.
    pub stream: (TerminationId, usize),
    /// What its party may speak, under the numbers in which it comes.
    pub speaks: Vec<MemberCodec>,
    /// What it hears, under the number that it expects.
    pub hears: MemberCodec,
    /// What else of this party's passes to the other: telephone-events.
    pub passes: PayloadMap,
}

/// The media plane as call control sees it. Commands take effect in order; none waits for packets.
///
/// Unknown or stale ids and stream indexes are ignored by commands that return nothing: the
/// termination was subtracted, so nothing is left to be done.
pub trait MediaPlane: Send {
    /// Makes a termination of `streams` streams. Its sockets are bound when this returns.
    ///
    /// Source: H.248 Add. Errors: PortsExhausted, Overloaded, TooManyStreams, Socket.
    fn add(&mut self, streams: usize) -> Result<Termination, MediaError>;

    /// [`add`](MediaPlane::add) for a party of whom this much is known. Where streams share ports, this
    /// decides which they get; PortsExhausted if its packets could be taken for another party's at
    /// every port.
    fn add_at(
        &mut self,
        streams: usize,
        whereabouts: &Whereabouts,
    ) -> Result<Termination, MediaError> {
        let _ = whereabouts;
        self.add(streams)
    }

    /// Adds a stream for an m-line that a later offer brought. Its index is the number of streams
    /// before.
    fn add_stream(&mut self, id: TerminationId) -> Result<StreamPorts, MediaError>;

    /// Sets what signalling agreed. Source: H.248 Modify.
    fn modify(&mut self, id: TerminationId, stream: usize, spec: StreamSpec);

    /// Lets two streams hear each other; either leaves the one it was connected to before.
    fn connect(
        &mut self,
        a: (TerminationId, usize),
        b: (TerminationId, usize),
        a_to_b: PayloadMap,
        b_to_a: PayloadMap,
    );

    /// Ends what [`MediaPlane::connect`] began, for both sides.
    fn disconnect(&mut self, id: TerminationId, stream: usize);

    /// Makes a conference without members.
    ///
    /// Errors: TooManyConferences.
    fn new_conference(&mut self) -> Result<ConferenceId, MediaError>;

    /// Lets a stream hear all other members of a conference, and them it; it leaves what it was
    /// connected to or the conference it was in. What it sends with another payload type than
    /// `codec`'s, telephone-events among it, is not mixed. A treatment goes on being heard instead
    /// of the conference.
    ///
    /// Errors: UnknownConference, ConferenceFull, UnknownTermination; nothing has changed.
    fn join(
        &mut self,
        conference: ConferenceId,
        id: TerminationId,
        stream: usize,
        codec: MemberCodec,
    ) -> Result<(), MediaError>;

    /// Says who of its conference hears a stream; joining anew makes that all others again.
    fn set_audience(&mut self, id: TerminationId, stream: usize, audience: Audience);

    /// Ends what [`MediaPlane::join`] began.
    fn leave(&mut self, id: TerminationId, stream: usize);

    /// Ends a conference; its members hear nobody.
    fn drop_conference(&mut self, conference: ConferenceId);

    /// Says what the party hears instead of the connected stream; [`Treatment::None`] gives that back.
    fn treat(&mut self, id: TerminationId, stream: usize, treatment: Treatment);

    /// Connects two streams whose parties share no codec: each hears the other in its own, through
    /// the mixer. What is not speech passes as the maps name it, and nothing else does.
    ///
    /// Errors: UnknownTermination, TooManyConferences; the parties hear nobody then.
    fn transcode(&mut self, a: Speaker, b: Speaker) -> Result<(), MediaError>;

    /// Plays something to a party once, instead of everything else that it would hear; it takes the
    /// place of what was being played. [`Notify::Performed`] comes when it is over, whether or not
    /// the peer may be sent to meanwhile; not if it is stopped before.
    ///
    /// False if the party cannot be given it ([`Format::can_carry`]), or is not there: no notice
    /// comes, and what was being played goes on.
    fn perform(
        &mut self,
        id: TerminationId,
        stream: usize,
        ticket: u64,
        performance: Performance,
        format: Format,
    ) -> bool;

    /// Ends what [`MediaPlane::perform`] began, without a notice.
    fn stop_performing(&mut self, id: TerminationId, stream: usize);

    /// Says what is listened for in what a party says; it takes the place of what was asked before.
    fn watch(&mut self, id: TerminationId, stream: usize, watch: Watch);

    /// Keeps a recording for [`Treatment::Sound`], or forgets it. Treatments that have begun go on.
    fn keep_sound(&mut self, name: SoundId, sound: Option<Sound>);

    /// Says whose tones are played from now on. Treatments that have begun go on.
    fn set_country(&mut self, country: Country);

    /// What peers of a DTLS handshake must find our certificate to be; `None` where there are no
    /// handshakes.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    /// Copies all that a party says and hears into a file from now on, in place of the file before.
    /// Its packets stay in user space. [`Notify::Recorded`] comes when the file is finished.
    ///
    /// Errors: UnknownTermination; Recorder where there is nothing that records.
    fn record(
        &mut self,
        id: TerminationId,
        stream: usize,
        recording: Recording,
    ) -> Result<(), MediaError> {
        let _ = (id, stream, recording);
        Err(MediaError::Recorder)
    }

    /// Ends what [`MediaPlane::record`] began; so does Subtract.
    fn stop_recording(&mut self, id: TerminationId, stream: usize) {
        let _ = (id, stream);
    }

    /// Says how the packets of a party that is recorded are to be decoded from now on.
    fn set_voices(&mut self, id: TerminationId, stream: usize, voices: Voices) {
        let _ = (id, stream, voices);
    }

    /// Ends a termination and returns its last counters. Its ports rest, then serve again.
    ///
    /// Source: H.248 Subtract.
    fn subtract(&mut self, id: TerminationId) -> TerminationStatistics;

    /// Counters so far, without disturbing the worker. `None` for a stale id.
    fn statistics(&self, id: TerminationId) -> Option<TerminationStatistics>;

    /// Gives back some of what the traffic of before took and today's does not need; to be called
    /// about once a second. True if there was something.
    fn tidy(&mut self) -> bool {
        false
    }

    /// How packets are forwarded.
    fn report(&self) -> RelayReport {
        RelayReport::default()
    }
}
