//! What can be wrong with a session description, and with two that must meet.

/// A session description that cannot be read; answered with 488 or 400 by the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("SDP line {line}: {kind}")]
pub struct SdpError {
    /// The line at fault, counted from 1; 0 when the body as a whole is at fault.
    pub line: u32,
    /// What is wrong with it.
    pub kind: SdpErrorKind,
}

/// The rule that a session description breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SdpErrorKind {
    /// The body is longer than `Session::MAX_BYTES`.
    #[error("the description is too long")]
    TooLong,
    /// There are more lines than `Session::MAX_LINES`.
    #[error("too many lines")]
    TooManyLines,
    /// There are more m= lines than `Session::MAX_MEDIA`.
    #[error("too many media lines")]
    TooManyMedia,
    /// An m= line lists more formats than `Session::MAX_FORMATS`.
    #[error("too many formats in a media line")]
    TooManyFormats,
    /// The first line is not `v=0`.
    #[error("not a session description of version 0")]
    Version,
    /// An m= line lacks a field, or its port is not a port.
    #[error("malformed media line")]
    Media,
    /// The text could not be read for another reason.
    #[error("malformed description")]
    Malformed,
}

impl SdpError {
    pub(super) const fn new(line: u32, kind: SdpErrorKind) -> Self {
        SdpError { line, kind }
    }
}

/// No stream of an offer can be taken up: the answer is 488 (RFC 3261 §13.3.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.warning_text())]
#[non_exhaustive]
pub enum Incompatible {
    /// No codec in common: Warning 305.
    Formats,
    /// Only transports that are not relayed (TCP): Warning 302.
    Transport,
    /// Only media types that are not relayed: Warning 304.
    MediaType,
    /// SRTP is required and not offered, or offered and not wanted or not possible: Warning 399.
    Security,
}

impl Incompatible {
    /// The status code that refuses the offer.
    pub const STATUS: u16 = 488;

    /// The warn-code of RFC 3261 §20.43.
    pub const fn warning_code(self) -> u16 {
        match self {
            Incompatible::Formats => 305,
            Incompatible::Transport => 302,
            Incompatible::MediaType => 304,
            Incompatible::Security => 399,
        }
    }

    /// The warn-text of RFC 3261 §20.43.
    pub const fn warning_text(self) -> &'static str {
        match self {
            Incompatible::Formats => "Incompatible media format",
            Incompatible::Transport => "Incompatible transport protocol",
            Incompatible::MediaType => "Media type not available",
            Incompatible::Security => "Media security not acceptable",
        }
    }

    /// The value of a Warning header written by `agent` (host or pseudonym).
    pub fn warning(self, agent: &str) -> String {
        format!("{} {agent} \"{}\"", self.warning_code(), self.warning_text())
    }
}
