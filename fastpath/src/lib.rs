//! Forwarding of media in the kernel.
//!
//! Owns the eBPF program (`bpf/relay.c`), its maps and attachments, and the way to a peer: which
//! interface, which MAC addresses. Must not know plans, calls or RTP beyond the few fields that
//! the program rewrites; whoever relays says what is forwarded ([`FastPath::install`]) and takes
//! it back ([`FastPath::remove`]).
//!
//! ```text
//! worker ── install, remove ──▶ map flows ──▶ program at XDP or tc: look up, count, rewrite, redirect
//!        ◀── snapshot ───────── map records (shared memory) ◀┘
//! ```
//!
//! [`Steering`] leads the datagrams of many ports to few sockets (`bpf/steer.c`).
//!
//! Maps and attachments of the kernel path are pinned: they stay in force when the process dies, and the next one
//! takes them over.

#![cfg_attr(not(feature = "xdp"), allow(dead_code, reason = "there is no program to serve"))]

#[cfg(feature = "xdp")]
mod bpf;
mod hop;
mod layout;
mod netlink;
mod path;
#[cfg(feature = "xdp")]
mod pins;
#[cfg(feature = "xdp")]
mod program;
#[cfg(not(feature = "xdp"))]
#[path = "no_program.rs"]
mod program;
mod record;
mod shared;
#[cfg(feature = "xdp")]
mod steer;
#[cfg(not(feature = "xdp"))]
#[path = "no_steer.rs"]
mod steer;
mod sys;
#[cfg(feature = "testbed")]
pub mod testbed;

pub use hop::{Hooks, Hop};
pub use layout::{Flow, PAYLOADS_MAX, Rewrite};
pub use path::{FLOWS_MAX, FastPath, Status};
pub use record::{Seed, Snapshot};
pub use steer::Steering;
pub use sys::monotonic_ns;

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// False if there was no clang when the crate was built.
pub const IS_BUILT: bool = program::IS_BUILT;

/// Where the program may be attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// XDP where the driver has it, tc everywhere.
    #[default]
    Auto,
    /// XDP in the driver only.
    Xdp,
    /// tc only.
    Tc,
}

/// How the kernel path is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Where to attach.
    pub mode: Mode,
    /// A folder on a BPF file system.
    pub pins: PathBuf,
    /// The address that media comes to; 0.0.0.0 for whichever the route to the peer has.
    pub address: Ipv4Addr,
    /// The ports that media comes to.
    pub ports: RangeInclusive<u16>,
    /// A stream that was silent for so long is no longer forwarded.
    pub idle: Duration,
}

/// Why the kernel path cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FastPathError {
    /// There was no clang when the crate was built.
    #[error("the program is not built in: install clang and build again with the feature xdp")]
    NotBuilt,
    /// Loopback has no driver to gain by.
    #[error("media comes to the loopback address {0}, which the kernel path has no use for")]
    Loopback(Ipv4Addr),
    /// The kernel did not take the program or its maps.
    #[error("{what}: {reason}; it takes Linux 5.15, CAP_BPF and CAP_NET_ADMIN")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        reason: String,
    },
    /// The resolver could not be started, or the interfaces could not be asked for.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Every place is taken.
    #[error("{FLOWS_MAX} streams are on the kernel path already")]
    Full,
}
