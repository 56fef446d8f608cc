//! Sections about what is kept of calls: records, recordings.

use std::path::PathBuf;
use std::time::Duration;

/// `[call_records]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRecords {
    /// The most that are kept; the oldest go first; 0 keeps none. Default 100,000.
    pub max: u32,
    /// How long each is kept; default 365 days.
    pub keep: Duration,
}

impl Default for CallRecords {
    fn default() -> Self {
        Self { max: 100_000, keep: Duration::from_secs(365 * 86_400) }
    }
}

/// `[recording]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Where finished recordings lie; none: nothing is recorded.
    pub folder: Option<PathBuf>,
    /// What the files are where nobody says otherwise; default WAV.
    pub format: RecordingFormat,
    /// The most at once; default 500.
    pub max: u32,
}

impl Default for Recording {
    fn default() -> Self {
        Self { folder: None, format: RecordingFormat::Wav, max: 500 }
    }
}

/// What a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RecordingFormat {
    /// Sound: what the party says in the left channel, what it hears in the right one.
    #[default]
    Wav,
    /// The packets themselves.
    Pcap,
}

impl RecordingFormat {
    pub(crate) const ALL: [(&str, Self); 2] = [("wav", Self::Wav), ("pcap", Self::Pcap)];
}
