//! Sections about the outside of the switch: listeners, media addresses, control interface, state.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::tls::{Connections, Tls};
use crate::secret::Secret;
use crate::sound::Sound;

/// `[sip]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sip {
    /// What the switch listens on, in the order of the file; at least one.
    pub listen: Vec<Listen>,
    /// What the switch offers as Session-Expires (RFC 4028); default 30 minutes.
    pub session_expires: Duration,
    /// The shortest session interval it accepts, its Min-SE; default and least 90 seconds.
    pub min_session_expires: Duration,
    /// The digest algorithms offered to lines, in the order of the challenges; default SHA-256 before
    /// MD5 (RFC 8760). Phones that read only the first challenge and cannot do SHA-256 need MD5 there.
    pub digest: Vec<DigestAlgorithm>,
    /// `[sip.tls]`; without it nothing is spoken under TLS.
    pub tls: Option<Tls>,
    /// `[sip.websocket] origins`: pages whose browsers may connect; empty takes all.
    pub origins: Vec<String>,
    /// `[sip.connections]`: ceilings of stream connections.
    pub connections: Connections,
}

/// A digest algorithm of `[sip] digest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    /// SHA-256 (RFC 7616).
    Sha256,
    /// MD5, the one every phone knows.
    Md5,
}

impl DigestAlgorithm {
    pub(crate) const ALL: [(&str, Self); 2] = [("SHA-256", Self::Sha256), ("MD5", Self::Md5)];
}

/// One SIP listener, written `udp:127.0.0.1:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listen {
    /// What carries the messages.
    pub transport: Transport,
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.transport, self.address)
    }
}

/// Where the kernel forwards media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FastPath {
    /// In the driver (XDP) where it can, in the stack (tc) otherwise; in user space where neither
    /// can be had.
    #[default]
    Auto,
    /// In the driver only.
    Xdp,
    /// In the stack only.
    Tc,
    /// Nowhere: everything goes through user space.
    Off,
}

/// What carries SIP messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
    /// Streams under TLS.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket under TLS.
    Wss,
}

impl Transport {
    pub(crate) const ALL: [(&str, Self); 5] = [
        ("udp", Self::Udp),
        ("tcp", Self::Tcp),
        ("tls", Self::Tls),
        ("ws", Self::Ws),
        ("wss", Self::Wss),
    ];

    /// The lower-case name, as in the `transport` parameter of a SIP URI.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// `[registration]` (RFC 3261 10.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Shorter wishes are refused with 423 and Min-Expires; default 60 seconds.
    pub min_expires: Duration,
    /// What a phone gets that asks for nothing; default 300 seconds.
    pub default_expires: Duration,
    /// Longer wishes are cut to this; default 1 hour.
    pub max_expires: Duration,
    /// Most bindings of one line; one more is refused with 403; default 10.
    pub max_contacts: usize,
}

/// `[media]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// Bound by the relay, and advertised in SDP unless `public_address` says otherwise.
    pub address: IpAddr,
    /// Advertised instead of `address`, where a NAT stands between.
    pub public_address: Option<IpAddr>,
    /// Ports for RTP and RTCP; default 16384-32767.
    pub ports: RangeInclusive<u16>,
    /// A handful of ports for the media of all calls, instead of `ports`: what comes is told apart by
    /// where it comes from.
    pub shared_ports: Option<RangeInclusive<u16>>,
    /// Relay threads; default one for each core.
    pub workers: usize,
    /// New calls are refused when every relay thread is busy for so many hundredths of its time;
    /// default 90.
    pub busy_limit: u8,
    /// A call whose media stops this long is ended; default 5 minutes.
    pub timeout: Duration,
    /// Where the kernel forwards media that needs no more than rewriting.
    pub fast_path: FastPath,
    /// Whether all ports lead to one socket for each thread, where the system allows it.
    pub steers_ports: bool,
    /// A folder on a BPF file system: what keeps such media going when the process dies.
    pub fast_path_pins: PathBuf,
    /// What the held and the parked hear whose holder or lot has no music of its own; without it, a
    /// synthesised tone.
    pub music: Option<Sound>,
    /// May keys of SRTP stand in SDP that travels without TLS? Default no: whoever reads the
    /// signalling could read the media.
    pub sdes_without_tls: bool,
    /// What the switch translates between parties that share no codec, in the order in which it is
    /// offered; default all of them.
    pub transcode: Vec<Speech>,
    /// Most calls that are translated at one time; one more is refused with 488. Default 100 for each
    /// relay thread.
    pub max_transcoded: usize,
}

/// A codec that the switch can translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speech {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722,
    /// Opus.
    Opus,
}

impl Speech {
    /// All of them, under their names in SDP.
    pub(crate) const ALL: [(&str, Self); 4] =
        [("PCMU", Self::Pcmu), ("PCMA", Self::Pcma), ("G722", Self::G722), ("opus", Self::Opus)];
}

/// `[api]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Where HTTP and `/tapi` listen; default 127.0.0.1:8080, port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may use it.
    pub tokens: Vec<Token>,
    /// How long a broken application may come back and keep its handles; default 60 seconds.
    pub resume_window: Duration,
    /// Messages an application may be behind before it is closed with 1013; default 10000.
    pub max_queued_messages: usize,
    /// Who changed what is written to this file as well as to the log; default none.
    pub audit_file: Option<PathBuf>,
}

/// One bearer token, `[[api.tokens]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Appears in logs and audit records; unique.
    pub name: String,
    /// What `Authorization: Bearer` must carry; unique.
    pub secret: Secret,
    /// What it allows; at least one.
    pub scopes: BTreeSet<Scope>,
    /// The lines it is limited to; `None` allows all.
    pub lines: Option<BTreeSet<String>>,
}

impl Token {
    /// Does it allow what `scope` stands for? `admin` allows everything.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&Scope::Admin) || self.scopes.contains(&scope)
    }

    /// May it see and control this line?
    pub fn allows_line(&self, number: &str) -> bool {
        self.lines.as_ref().is_none_or(|lines| lines.contains(number))
    }
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything, including reload and drain.
    Admin,
    /// `/tapi`: be an application of its lines.
    Tapi,
    /// Read tables and events; change nothing.
    Read,
}

impl Scope {
    pub(crate) const ALL: [(&str, Self); 3] =
        [("admin", Self::Admin), ("tapi", Self::Tapi), ("read", Self::Read)];

    /// As written in the file.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

/// `[state]`.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The SQLite database; default in memory.
    pub path: StatePath,
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePath {
    /// `:memory:`: gone when the program ends.
    Memory,
    /// A file; a relative path starts at the folder of the configuration file.
    File(PathBuf),
}

impl fmt::Display for StatePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str(":memory:"),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

/// `[switch]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Switch {
    /// How long a stopping switch waits for its calls; default 10 minutes.
    pub drain_timeout: Duration,
    /// Whom a switch that root starts becomes.
    pub user: Option<String>,
    /// With this group; the user's own otherwise.
    pub group: Option<String>,
}
