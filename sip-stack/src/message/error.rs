//! Why a text is no SIP message: a position and a kind, no prose.

/// A malformed text from the network.
///
/// `at` is the octet of the message, or of the header value when a view of one header is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at octet {at}")]
pub struct ParseError {
    /// Where the text stopped being right.
    pub at: u32,
    /// What was wrong there.
    pub kind: ParseErrorKind,
}

/// The faults of a text, in the vocabulary of RFC 3261 §25.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Nothing there.
    #[error("empty")]
    Empty,
    /// Neither a Request-Line nor a Status-Line.
    #[error("malformed start line")]
    StartLine,
    /// The method is no token.
    #[error("malformed method")]
    Method,
    /// The status code is not 100 to 699.
    #[error("status code out of range")]
    StatusCode,
    /// The protocol version is not SIP/2.0.
    #[error("unknown protocol version")]
    Version,
    /// The empty line that closes the header section is missing.
    #[error("header section not closed")]
    HeaderSectionOpen,
    /// CR without LF, or LF without CR (SEC-13).
    #[error("bare CR or LF")]
    BareLineEnd,
    /// NUL outside a quoted pair.
    #[error("NUL outside a quoted pair")]
    Nul,
    /// The header section is not UTF-8.
    #[error("header section is not UTF-8")]
    Utf8,
    /// A header line without a colon.
    #[error("header line without a colon")]
    NoColon,
    /// A header name that is no token.
    #[error("malformed header name")]
    HeaderName,
    /// A continuation line before the first header.
    #[error("continuation line without a header")]
    Folding,
    /// More header lines than [`super::MAX_HEADERS`].
    #[error("too many header lines")]
    TooManyHeaders,
    /// A header line longer than [`super::MAX_HEADER_LINE`].
    #[error("header line too long")]
    HeaderTooLong,
    /// The header section is longer than [`super::MAX_HEAD`].
    #[error("header section too large")]
    HeadTooLarge,
    /// The body is longer than [`super::MAX_BODY`].
    #[error("body too large")]
    BodyTooLarge,
    /// Content-Length is not a number of the right width.
    #[error("malformed Content-Length")]
    ContentLength,
    /// More than one Content-Length, even if equal (SEC-11).
    #[error("repeated Content-Length")]
    RepeatedContentLength,
    /// No Content-Length on a stream (RFC 3261 §18.3).
    #[error("no Content-Length on a stream")]
    MissingContentLength,
    /// Content-Length reaches past the datagram.
    #[error("body shorter than Content-Length")]
    BodyTruncated,
    /// A header that the view needs is not there.
    #[error("missing header")]
    MissingHeader,
    /// A quoted string without its end.
    #[error("unbalanced quote")]
    UnbalancedQuote,
    /// `<` without `>`.
    #[error("unbalanced angle bracket")]
    UnbalancedAngle,
    /// A display name that is neither tokens nor a quoted string.
    #[error("malformed display name")]
    DisplayName,
    /// A URI that does not fit its grammar.
    #[error("malformed URI")]
    Uri,
    /// A URI longer than [`crate::uri::MAX_URI`].
    #[error("URI too long")]
    UriTooLong,
    /// A host that is neither name nor address.
    #[error("malformed host")]
    Host,
    /// A port that is no 16-bit number.
    #[error("malformed port")]
    Port,
    /// A parameter that does not fit its grammar.
    #[error("malformed parameter")]
    Parameter,
    /// More parameters than [`crate::header::MAX_PARAMETERS`].
    #[error("too many parameters")]
    TooManyParameters,
    /// A number that is none, or does not fit its width (SEC-11).
    #[error("malformed number")]
    Number,
    /// A Via value that does not fit its grammar.
    #[error("malformed Via")]
    Via,
    /// A CSeq value that does not fit its grammar.
    #[error("malformed CSeq")]
    CSeq,
    /// A date that is not an RFC 1123 date in GMT.
    #[error("malformed date")]
    Date,
    /// Anything else that a header's grammar forbids.
    #[error("malformed header value")]
    Value,
}

impl ParseErrorKind {
    /// The error at a position.
    #[must_use]
    pub fn at(self, at: usize) -> ParseError {
        ParseError { at: u32::try_from(at).unwrap_or(u32::MAX), kind: self }
    }

    /// The status a request with this fault is answered with (SEC-15).
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::UriTooLong => 414,
            Self::HeadTooLarge | Self::BodyTooLarge => 513,
            _ => 400,
        }
    }

    /// The reason phrase that names the fault.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Version => "Version Not Supported",
            Self::UriTooLong => "Request-URI Too Long",
            Self::HeadTooLarge | Self::BodyTooLarge => "Message Too Large",
            Self::StartLine | Self::Method => "Malformed Request-Line",
            Self::BareLineEnd => "Bare CR Or LF",
            Self::ContentLength | Self::RepeatedContentLength | Self::BodyTruncated => {
                "Bad Content-Length"
            }
            Self::MissingContentLength => "Missing Content-Length",
            Self::TooManyHeaders => "Too Many Header Fields",
            Self::HeaderTooLong => "Header Field Too Long",
            _ => "Bad Request",
        }
    }
}
