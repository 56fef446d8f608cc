//! Why the switch could not start or had to stop.

use std::io;
use std::net::SocketAddr;

use config::Diagnosis;
use sip_stack::transport::BindError;

/// Why the switch could not start or had to stop: one plain sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// No file was named and none lies where it is expected.
    #[error("There is no configuration: write one with 'strowger init', or name it with --config.")]
    NoConfiguration,
    /// The configuration has faults; each is a line.
    #[error("{}", lines(.0))]
    Configuration(Vec<Diagnosis>),
    /// `--log` is not understood.
    #[error("'--log {0}' is not understood: use error, warn, info, debug or trace.")]
    Log(String),
    /// None of the configured listeners is of a kind that is available.
    #[error(
        "[sip] listen names no listener that is available: add one such as \"udp:127.0.0.1:5060\"."
    )]
    NoListener,
    /// A SIP listener could not be bound.
    #[error("{0}; stop it or change [sip] listen.")]
    Bind(#[from] BindError),
    /// The certificates of `[sip.tls]` cannot be used.
    #[error("{0}; see [sip.tls].")]
    Tls(#[from] sip_stack::transport::TlsError),
    /// The control interface could not be bound.
    #[error(
        "cannot listen on {address} for the control interface ({error}): stop the other program or change [api] listen."
    )]
    ApiBind {
        /// Where.
        address: SocketAddr,
        /// The system's words.
        error: io::Error,
    },
    /// The media plane could not start.
    #[error("The media plane cannot start ({0}); see [media].")]
    Media(#[from] media::MediaError),
    /// The database could not be opened.
    #[error("{0}.")]
    Store(#[from] crate::store::StoreError),
    /// The process cannot give up its rights as it should.
    #[error("{0}")]
    Privilege(#[from] super::PrivilegeError),
    /// A thread or runtime could not be started.
    #[error("The system refuses a thread or a signal handler: {0}.")]
    System(io::Error),
    /// The system gives no random numbers.
    #[error("The system gives no random numbers, so no secrets can be made.")]
    Random,
    /// The exchange's thread ended although nobody asked it to.
    #[error("The exchange has failed; the log above says why. Start the switch again.")]
    ExchangeFailed,
}

fn lines(faults: &[Diagnosis]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
