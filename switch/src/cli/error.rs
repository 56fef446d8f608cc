//! Why a command failed, as one plain sentence that says what to do.

use std::io;
use std::path::PathBuf;

use config::Diagnosis;

use crate::server::ServerError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The configuration has faults; each is a line.
    #[error("{}", lines(.0))]
    Configuration(Vec<Diagnosis>),
    /// The switch could not start or stopped with a fault.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// No switch listens there.
    #[error(
        "No switch answers at {url} ({reason}); start one with 'strowger run' or name it with --url."
    )]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// The system's words.
        reason: String,
    },
    /// The switch refused with an HTTP status.
    #[error("{0}")]
    Refused(String),
    /// A TAPI function failed.
    #[error("{method} failed: {reason}.")]
    Tapi {
        /// The function.
        method: String,
        /// LINEERR name and detail.
        reason: String,
    },
    /// What came back is not what the switch sends.
    #[error("The answer of {0} is not understood; is that a Strowger switch?")]
    NotUnderstood(String),
    /// No token was given and none was found.
    #[error(
        "No token: set STROWGER_TOKEN, or name it with --token or a configuration with --config."
    )]
    NoToken,
    /// The URL is not one of HTTP.
    #[error("'{0}' is not a URL of the control interface; it looks like http://127.0.0.1:8080.")]
    Url(String),
    /// PARAMS of `tapi` are not a JSON object.
    #[error("The parameters have to be a JSON object such as '{{\"line\": \"201\"}}': {0}.")]
    Parameters(String),
    /// `init` found a file.
    #[error("{} exists already and was left alone; name another file.", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{} cannot be written: {error}.", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The system gives no random numbers.
    #[error("The system gives no random numbers, so no secrets can be made.")]
    Random,
    /// Standard output cannot be written.
    #[error("The output cannot be written: {0}.")]
    Output(#[from] io::Error),
    /// A step of the demonstration did not happen.
    #[error("The demonstration stopped at '{step}': {reason}.")]
    Demo {
        /// The step.
        step: String,
        /// What was missing.
        reason: String,
    },
    /// A built-in phone failed.
    #[error(transparent)]
    Phone(#[from] crate::phone::PhoneError),
    /// Something of a later release.
    #[error("{0}")]
    NotAvailable(&'static str),
}

impl CliError {
    /// 2 for wrong usage, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Url(_) | Self::Parameters(_) => 2,
            _ => 1,
        }
    }
}

fn lines(faults: &[Diagnosis]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
